//! The runbooks of the repository, on real servers.

use std::path::Path;

use crate::fleet::{Fleet, code, words};

fn ship(fleet: &Fleet, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(name);
    let to = format!("runbooks/{name}");
    fleet.file(&to, &std::fs::read_to_string(path).unwrap());
    to
}

#[test]
fn rolling_restart_asks_after_the_canary_and_takes_back_what_does_not_answer() {
    let fleet = Fleet::start(3, "0");
    let runbook = ship(&fleet, "rolling-restart.yml");
    fleet.mark("h02", "ill");
    let run = [
        "run",
        &runbook,
        "--yes",
        "--set",
        "service=shop",
        "--set",
        "select=group=web",
        "--set",
        "soak=0s",
        "--set",
        "restart=echo \"$SERVICE new\" > \"$HOME/state\"",
        "--set",
        "back=echo \"$SERVICE old\" > \"$HOME/state\"; rm -f \"$HOME/ill\"",
        "--set",
        "health=! test -e \"$HOME/ill\" || ! grep -q new \"$HOME/state\" 2>/dev/null",
    ];
    let ran = fleet.run(&run);
    assert_eq!(code(ran.status), 5, "{}", words(&ran));
    let approved = fleet.run(&["approve", "last", "--key", "berta"]);
    assert_eq!(code(approved.status), 0, "{}", words(&approved));
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(
        code(ran.status),
        1,
        "two hosts are new, one is old again: {}",
        words(&ran)
    );
    let state = |host: &str| std::fs::read_to_string(fleet.hosts[host].home().join("state")).unwrap();
    assert_eq!(
        [state("h01"), state("h02"), state("h03")],
        ["shop new\n", "shop old\n", "shop new\n"]
    );
}
