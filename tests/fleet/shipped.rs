//! The runbooks of the repository, on real servers.

use std::path::Path;
use std::process::Command;

use crate::fleet::{Fleet, code, records, words};

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

#[test]
fn restore_file_tree_proves_a_good_archive_and_finds_a_cut_one() {
    let fleet = Fleet::start(1, "0");
    let runbook = ship(&fleet, "restore-file-tree.yml");
    std::fs::create_dir(fleet.path("scratch")).unwrap();
    for n in 0..40 {
        fleet.file(
            &format!("tree/part{}/file{n}", n % 4),
            &format!("content {n}\n").repeat(500),
        );
    }
    let made = Command::new("sh")
        .args([
            "-c",
            "cd tree && find . -type f -exec sha256sum {} + > ../tree.sha256 && tar -czf ../tree.tar.gz .",
        ])
        .current_dir(fleet.dir.path())
        .status();
    assert!(made.unwrap().success());
    let run = |fleet: &Fleet| {
        let (archive, scratch) = (fleet.path("tree.tar.gz"), fleet.path("scratch"));
        fleet.run(&[
            "run",
            &runbook,
            "--yes",
            "--set",
            "host=h01",
            "--set",
            &format!("archive={}", archive.display()),
            "--set",
            &format!("scratch={}", scratch.display()),
        ])
    };
    let ran = run(&fleet);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    assert!(words(&ran).contains("Objective rto"), "{}", words(&ran));
    // A file of the tree changes after the list was made: tar is content, the digest is not.
    let spoilt = Command::new("sh")
        .args([
            "-c",
            "echo x >> tree/part1/file5 && cd tree && tar -czf ../tree.tar.gz .",
        ])
        .current_dir(fleet.dir.path())
        .status();
    assert!(spoilt.unwrap().success());
    let ran = run(&fleet);
    assert_eq!(code(ran.status), 1, "{}", words(&ran));
    assert!(
        words(&ran).contains("part1/file5"),
        "the damaged file is named: {}",
        words(&ran)
    );
    let left: Vec<_> = std::fs::read_dir(fleet.path("scratch")).unwrap().collect();
    assert!(left.is_empty(), "the scratch copy is erased either way: {left:?}");
    let closed = records(&fleet.journal())
        .iter()
        .filter(|r| r["event"]["type"] == "ended")
        .count();
    assert_eq!(closed, 1);
}
