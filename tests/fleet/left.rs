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

fn state_of(fleet: &Fleet, kind: &str) -> Vec<String> {
    let events = crate::fleet::records(&fleet.journal());
    let of_kind = events.iter().map(|r| &r["event"]).filter(|e| e["type"] == kind);
    of_kind
        .map(|e| e["host"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn nothing_is_owed(fleet: &Fleet) {
    let owed = fleet.run(&["owed"]);
    assert_eq!(code(owed.status), 0, "{}", words(&owed));
    assert!(words(&owed).contains("Nothing is owed."), "{}", words(&owed));
    for host in fleet.hosts.keys() {
        assert_eq!(fleet.left_on(host), Vec::<PathBuf>::new(), "{host}");
    }
    assert_eq!(fleet.locks(), Vec::<PathBuf>::new());
}

#[test]
fn owed_clean_asks_how_a_killed_run_ended_and_leaves_nothing_of_it_on_its_hosts() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/two.yml", TWO);
    fleet.mark("h02", "wait");
    let mut child = fleet.spawn(&["run", "runbooks/two.yml", "--yes"], "words");
    fleet.until("the second host began", || !fleet.effects("h02").is_empty());
    kill(&mut child);
    let owed = words(&fleet.run(&["owed", "last"]));
    for id in ["step:web/h02/one", "lock:h01", "lock:h02", "files:h01", "files:h02"] {
        assert!(owed.contains(id), "{id}: {owed}");
    }
    std::fs::remove_file(fleet.hosts["h02"].home().join("wait")).unwrap();
    let cleaned = fleet.run(&["owed", "--clean", "last"]);
    assert_eq!(code(cleaned.status), 0, "{}", words(&cleaned));
    for id in ["settled: step:web/h02/one", "settled: lock:h01", "settled: files:h02"] {
        assert!(words(&cleaned).contains(id), "{id}: {}", words(&cleaned));
    }
    assert_eq!(fleet.effects("h02").len(), 2, "one begin and one end");
    nothing_is_owed(&fleet);
    let mut clean = state_of(&fleet, "left_clean");
    clean.sort();
    assert_eq!(clean, ["h01", "h02"]);
    let again = fleet.run(&["owed", "--clean"]);
    assert_eq!(code(again.status), 0, "{}", words(&again));
    assert!(words(&again).contains("Nothing is owed."), "{}", words(&again));
    let verified = fleet.run(&["verify", "last"]);
    assert_eq!(code(verified.status), 0, "{}", words(&verified));
}

#[test]
fn owed_clean_finds_the_locks_of_a_run_that_was_killed_before_it_wrote_them_down() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/two.yml", TWO);
    let orders = [("PITSTOP_CRASH_AT", "locked:1")];
    let mut child = fleet.spawn_with(&["run", "runbooks/two.yml", "--yes"], "words", &orders);
    child.wait().unwrap();
    assert!(!fleet.locks().is_empty(), "it died with a lock");
    assert_eq!(state_of(&fleet, "locked"), Vec::<String>::new());
    let cleaned = fleet.run(&["owed", "--clean", "last"]);
    assert_eq!(code(cleaned.status), 0, "{}", words(&cleaned));
    nothing_is_owed(&fleet);
}

#[test]
fn a_host_that_cannot_be_reached_stays_on_the_ledger_until_it_can() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/two.yml", TWO);
    fleet.mark("h02", "wait");
    let mut child = fleet.spawn(&["run", "runbooks/two.yml", "--yes"], "words");
    fleet.until("the second host began", || !fleet.effects("h02").is_empty());
    kill(&mut child);
    std::fs::remove_file(fleet.hosts["h02"].home().join("wait")).unwrap();
    let (key, away) = (fleet.hosts["h01"].path("id"), fleet.hosts["h01"].path("id-away"));
    std::fs::rename(&key, &away).unwrap();
    let cleaned = fleet.run(&["owed", "--clean", "last"]);
    assert_eq!(code(cleaned.status), 1, "{}", words(&cleaned));
    let owed = words(&fleet.run(&["owed", "last"]));
    assert!(owed.contains("lock:h01") && owed.contains("files:h01"), "{owed}");
    assert!(!owed.contains("h02"), "{owed}");
    std::fs::rename(&away, &key).unwrap();
    let cleaned = fleet.run(&["owed", "--clean"]);
    assert_eq!(code(cleaned.status), 0, "{}", words(&cleaned));
    nothing_is_owed(&fleet);
}

/// A canary, a gate that anybody of the board may answer, and a cleanup.
const GATED: &str = r#"schema: 1
runbook: gated
title: A canary and a gate
kind: change
targets:
  web: { select: "group=web" }
rollouts:
  careful: { batches: [1, 1], gate: { after_batch: each, need: 1, approvers: [board], expires: 1h } }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: careful
    on_failure: hold
    steps:
      - id: one
        name: A change
        run: echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: [{ id: back, name: Taken back, run: "echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\"" }]
    cleanup:
      - { id: close, name: Close, run: "echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\"" }
"#;

#[test]
fn owed_clean_keeps_the_batch_before_a_rejected_gate_and_closes_it() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/gated.yml", GATED);
    let ran = fleet.run(&["run", "runbooks/gated.yml", "--yes"]);
    assert_eq!(code(ran.status), 5, "{}", words(&ran));
    let early = fleet.run(&["owed", "--clean", "last"]);
    assert_eq!(
        code(early.status),
        6,
        "a gate that waits may still take it back: {}",
        words(&early)
    );
    let no = fleet.run(&["reject", "last", "--key", "berta", "--operator", "berta"]);
    assert_eq!(code(no.status), 0, "{}", words(&no));
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 7, "{}", words(&ran));
    let cleaned = fleet.run(&["owed", "--clean", "last"]);
    assert_eq!(code(cleaned.status), 0, "{}", words(&cleaned));
    assert!(
        words(&cleaned).contains("settled: cleanup:web/h01/close"),
        "{}",
        words(&cleaned)
    );
    let done: Vec<String> = fleet.effects("h01").into_iter().map(|e| e.key).collect();
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(done[1].contains("/cleanup/close/"), "{done:?}");
    assert!(fleet.effects("h02").is_empty());
    nothing_is_owed(&fleet);
}

/// The journal names a host before the run is on it, also one that only a delegated step needs.
#[test]
fn a_host_that_was_logged_into_and_not_recorded_when_the_process_was_killed_is_in_the_ledger_and_left_clean() {
    let fleet = Fleet::start(2, "0");
    let delegating = TWO
        .replace("select: \"group=web\"", "hosts: [h01]")
        .replace("        run: |", "        delegate_to: h02\n        run: |");
    fleet.file("runbooks/two.yml", &delegating);
    // The second login is the delegate's.
    for (nth, host) in [("entered:1", "h01"), ("locked:1", "h01"), ("entered:2", "h02")] {
        let orders = [("PITSTOP_CRASH_AT", nth)];
        let mut child = fleet.spawn_with(&["run", "runbooks/two.yml", "--yes"], "words", &orders);
        assert!(child.wait().unwrap().code().is_none(), "it was killed");
        assert!(!fleet.left_on(host).is_empty(), "{host}: it had come in");
        assert_eq!(fleet.effects("h01").len() + fleet.effects("h02").len(), 0);
        let owed = words(&fleet.run(&["owed", "last"]));
        assert!(owed.contains(&format!("files:{host}")), "{owed}");
        fleet.run(&["resume", "last", "--rollback"]);
        nothing_is_owed(&fleet);
    }
}

#[test]
fn a_host_that_nobody_could_log_into_owes_nothing() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/two.yml", TWO);
    let key = fleet.hosts["h02"].path("id");
    std::fs::rename(&key, fleet.hosts["h02"].path("id-away")).unwrap();
    let ran = fleet.run(&["run", "runbooks/two.yml", "--yes"]);
    assert_ne!(code(ran.status), 0, "{}", words(&ran));
    assert!(words(&ran).contains("Left behind: nothing"), "{}", words(&ran));
    nothing_is_owed(&fleet);
    let entering: Vec<String> = crate::fleet::records(&fleet.journal())
        .iter()
        .filter(|r| r["event"]["type"] == "entering")
        .map(|r| r["event"]["hosts"].to_string())
        .collect();
    assert!(entering.concat().contains("h02"), "{entering:?}");
}
