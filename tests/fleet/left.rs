//! What a run leaves on hosts, whichever of its processes was there.

use std::path::PathBuf;

use crate::fleet::{Fleet, code, kill, words};
use crate::to_the_gate;

/// One host after the other, without a gate; `wait` makes the second wait for a file.
const TWO: &str = r#"schema: 1
runbook: two
title: One after the other
kind: change
targets:
  web: { select: "group=web" }
rollouts:
  careful: { batches: [1, 1] }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: careful
    on_failure: hold
    steps:
      - id: one
        name: A change
        run: |
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          while [ -e "$HOME/wait" ]; do sleep 0.05; done
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: { none: "it only counts" }
"#;

/// Locks on this machine that name the run.
fn locks_of(run: &str) -> Vec<PathBuf> {
    std::fs::read_dir("/var/tmp")
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.display().to_string().contains("/pitstop-lock-"))
        .filter(|p| std::fs::read_to_string(p.join("note")).is_ok_and(|note| note.contains(run)))
        .collect()
}

fn run_of(fleet: &Fleet) -> String {
    fleet.run_folder().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn locks_of_hosts_that_were_done_before_a_gate_are_given_back_after_resume() {
    let fleet = Fleet::start(3, "0");
    to_the_gate(&fleet);
    let run = run_of(&fleet);
    assert!(
        !locks_of(&run).is_empty(),
        "the canary stays locked while the gate waits"
    );
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    assert!(words(&ran).contains("Left behind: nothing"), "{}", words(&ran));
    assert_eq!(locks_of(&run), Vec::<PathBuf>::new());
    let owed = fleet.run(&["owed", "last"]);
    assert!(!words(&owed).contains("lock:"), "{}", words(&owed));
}

#[test]
fn a_host_that_was_done_before_the_process_was_killed_keeps_nothing_of_ours() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/two.yml", TWO);
    fleet.mark("h02", "wait");
    let mut child = fleet.spawn(&["run", "runbooks/two.yml", "--yes"], "words");
    fleet.until("the second host began", || !fleet.effects("h02").is_empty());
    kill(&mut child);
    assert!(!fleet.left_on("h01").is_empty(), "a killed process cleans nothing up");
    std::fs::remove_file(fleet.hosts["h02"].home().join("wait")).unwrap();
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    for host in ["h01", "h02"] {
        assert_eq!(fleet.left_on(host), Vec::<PathBuf>::new(), "{host}");
        assert_eq!(fleet.effects(host).len(), 2, "{host}: one begin and one end");
    }
    assert_eq!(locks_of(&run_of(&fleet)), Vec::<PathBuf>::new());
}
