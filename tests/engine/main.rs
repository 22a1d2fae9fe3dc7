//! The engine on real processes of this machine: whole runs, from the runbook's text to the journal.

#![cfg(test)]

mod faults;
#[path = "../common/figures.rs"]
mod figures;
mod room;
mod sessions;

use pitstop::run::event::{Event, HostState, Outcome};
use room::Room;

/// A fleet that notes each effect in one log: `restart` per host, with drain, verify and undo.
fn rolling(extra: &str, fail: &str) -> String {
    format!(
        r#"schema: 1
runbook: r
title: Rolling restart
kind: change
targets:
  web: {{ select: "group=all" }}
rollouts:
  careful: {{ batches: [1, 2], parallel: 2, max_fail: 0 }}
phases:
  - phase: web
    title: Web
    targets: web
    rollout: careful
    on_failure: rollback_host
{extra}
    precheck:
      - id: there
        name: The host is there
        run: test -d {{{{ host.vars.dir | sh }}}}
    drain:
      - id: out
        name: Take it out
        run: echo out-{{{{ host.name }}}} >> LOG
    steps:
      - id: restart
        name: Restart it
        run: echo restart-{{{{ host.name }}}} >> LOG
        undo:
          - name: Back
            run: echo undo-{{{{ host.name }}}} >> LOG
    verify:
      - id: good
        name: It is good
        when: "not host.rolling_back"
        run: "{fail}"
    undrain:
      - id: in
        name: Put it back
        run: echo in-{{{{ host.name }}}} >> LOG
"#
    )
}

fn with_log(room: &Room, text: &str) -> String {
    text.replace("LOG", &room.path("log").display().to_string())
}

#[test]
fn a_rolling_restart_takes_one_host_then_two_and_ends_done() {
    let room = Room::new(&["a", "b", "c"]);
    let ran = room.run(&with_log(&room, &rolling("", "true")));
    assert_eq!(ran.exit(), 0);
    let log = room.log();
    assert_eq!(
        &log[..3],
        ["out-a", "restart-a", "in-a"],
        "the canary goes alone: {log:?}"
    );
    assert_eq!(log.len(), 9);
    for host in ["a", "b", "c"] {
        assert_eq!(ran.state("web", host), Some(HostState::Ok));
    }
    assert!(ran.run().locked.is_empty(), "locks are given back");
}

#[test]
fn a_canary_that_fails_verify_goes_back_and_nothing_else_starts() {
    let room = Room::new(&["a", "b", "c"]);
    let ran = room.run(&with_log(&room, &rolling("", "false")));
    assert_eq!(ran.exit(), 4, "all that was changed is rolled back");
    assert_eq!(room.log(), ["out-a", "restart-a", "undo-a", "in-a"]);
    assert_eq!(ran.state("web", "a"), Some(HostState::RolledBack));
    assert_eq!(ran.state("web", "b"), None);
}

#[test]
fn a_bug_of_ours_at_a_login_ends_that_host_or_that_step_and_not_the_run() {
    let mut room = Room::new(&["a", "b"]);
    room.cursed = Some("b");
    let ran = room.run(&with_log(&room, &rolling("", "true")));
    assert_eq!(ran.exit(), 3);
    assert_eq!(ran.state("web", "b"), Some(HostState::Refused));

    let mut room = Room::new(&["a"]);
    room.cursed = Some("controller");
    let ran = room.run(&with_log(
        &room,
        "schema: 1
runbook: r
title: Ask beside
kind: check
targets: { all: { select: \"group=all\" } }
phases:
  - phase: p
    title: P
    targets: all
    steps:
      - { name: Ask, run: \"true\", read_only: true, delegate_to: controller }
",
    ));
    assert_eq!(ran.exit(), 3, "nothing was sent, and the host did not end well");
    assert_ne!(ran.state("p", "a"), Some(HostState::Ok));
}

#[test]
fn a_failing_precheck_touches_nothing_and_exits_3() {
    let room = Room::new(&["a", "b"]);
    std::fs::remove_dir(room.host_dir("b")).unwrap();
    let ran = room.run(&with_log(&room, &rolling("", "true")));
    assert_eq!(ran.exit(), 3);
    assert!(room.log().is_empty());
    assert_eq!(ran.state("web", "b"), Some(HostState::Refused));
}

#[test]
fn after_the_first_signal_no_step_starts_and_resume_goes_on_without_doing_anything_twice() {
    let room = Room::new(&["a", "b", "c"]);
    let runbook = with_log(&room, &rolling("", "true"));
    let in_restart = |event: &Event| matches!(event, Event::Intended { key, .. } if key.step == "restart");
    let stopped = room.run_with(&runbook, &[], false, Some(Box::new(in_restart)));
    assert_eq!(stopped.exit(), 7);
    assert_eq!(
        room.log(),
        ["out-a", "restart-a"],
        "the running step ends, no other begins"
    );
    let ran = room.resume(stopped, false);
    assert_eq!(ran.exit(), 0);
    let mut log = room.log();
    log.sort();
    let before = log.len();
    log.dedup();
    assert_eq!((before, log.len()), (9, 9), "nothing ran twice");
}

#[test]
fn resume_with_rollback_takes_back_what_was_done() {
    let room = Room::new(&["a", "b", "c"]);
    let runbook = with_log(&room, &rolling("", "true"));
    let in_restart = |event: &Event| matches!(event, Event::Intended { key, .. } if key.step == "restart");
    let stopped = room.run_with(&runbook, &[], false, Some(Box::new(in_restart)));
    let ran = room.resume(stopped, true);
    assert_eq!(room.log(), ["out-a", "restart-a", "undo-a", "in-a"]);
    assert_eq!(ran.exit(), 4);
}

#[test]
fn resume_verifies_a_held_host_again_also_when_the_run_goes_back() {
    let room = Room::new(&["a"]);
    let good = room.path("good");
    let runbook = rolling("", &format!("test -e {}", good.display()))
        .replace("on_failure: rollback_host", "on_failure: rollback_run")
        .replace("        when: \"not host.rolling_back\"\n", "");
    let ran = room.run(&with_log(&room, &runbook));
    assert_eq!((ran.exit(), ran.state("web", "a")), (1, Some(HostState::Held)));
    std::fs::write(&good, "").unwrap();
    let ran = room.resume(ran, false);
    assert_eq!((ran.exit(), ran.state("web", "a")), (4, Some(HostState::RolledBack)));
    assert_eq!(room.log(), ["out-a", "restart-a", "undo-a", "in-a"]);
}

#[test]
fn a_dry_run_sends_nothing_that_changes() {
    let room = Room::new(&["a", "b"]);
    let ran = room.run_with(&with_log(&room, &rolling("", "true")), &[], true, None);
    assert_eq!(ran.exit(), 0);
    assert!(room.log().is_empty());
}

#[test]
fn a_gate_without_a_terminal_is_waited_for_with_exit_5_and_nothing_after_it_runs() {
    let room = Room::new(&["a", "b", "c"]);
    let runbook = rolling("", "true").replace(
        "max_fail: 0 }",
        "max_fail: 0, gate: { title: Go on?, after_batch: 1, need: 1, not_operator: false } }",
    );
    let ran = room.run(&with_log(&room, &runbook));
    assert_eq!(ran.exit(), 5);
    assert_eq!(room.log().len(), 3);
    let ran = room.resume(ran, false);
    assert_eq!(ran.exit(), 5, "it never passes by asking again");
    let ran = room.resume(ran, true);
    assert_eq!(ran.exit(), 4, "back is always allowed: {:?}", room.log());
    assert_eq!(room.log(), ["out-a", "restart-a", "in-a", "out-a", "undo-a", "in-a"]);
}

#[test]
fn an_upload_is_verified_and_its_undo_puts_back_what_was_there() {
    let room = Room::new(&["a"]);
    room.file("conf", "new content\n");
    let target = room.host_dir("a").join("conf");
    std::fs::write(&target, "old content\n").unwrap();
    let runbook = format!(
        r#"schema: 1
runbook: r
title: Upload
kind: change
targets:
  web: {{ hosts: [a] }}
phases:
  - phase: web
    title: Web
    targets: web
    on_failure: rollback_host
    steps:
      - id: conf
        name: Put the file
        upload: {{ src: conf, dest: "{}" }}
      - id: bad
        name: Fails
        run: exit 3
        undo:
          - name: Nothing to do
            run: "true"
"#,
        target.display()
    );
    let ran = room.run(&runbook);
    assert_eq!(ran.exit(), 4);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "old content\n");
    let put = ran
        .facts()
        .into_iter()
        .any(|f| matches!(f.event, Event::Settled { ref key, outcome: Outcome::Ok, .. } if key.step == "conf"));
    assert!(put, "the upload itself went through first");
}

#[test]
fn a_registered_value_and_an_expectation_reach_later_steps() {
    let room = Room::new(&["a"]);
    let runbook = r#"schema: 1
runbook: r
title: Values
kind: change
targets:
  web: { hosts: [a] }
phases:
  - phase: web
    title: Web
    targets: web
    on_failure: hold
    precheck:
      - id: n
        name: Count
        run: echo 42
        as: number
        register: n
        expect: "value > 41"
    steps:
      - id: use
        name: Use it
        run: test {{ n.value }} = 42 && echo {{ n.stdout | sh }} > LOG
"#;
    let ran = room.run(&with_log(&room, runbook));
    assert_eq!(ran.exit(), 0);
    assert_eq!(room.log(), ["42"]);
}

#[test]
fn a_short_download_is_kept_as_evidence_with_its_digest_and_size() {
    let room = Room::new(&["a"]);
    let file = room.host_dir("a").join("release");
    std::fs::write(&file, "42\n").unwrap();
    let runbook = format!(
        r#"schema: 1
runbook: r
title: Keep a file
kind: check
targets:
  web: {{ hosts: [a] }}
phases:
  - phase: web
    title: Web
    targets: web
    verify:
      - id: keep
        name: Keep the release file
        download: {{ src: "{}" }}
        expect: "size == 3"
"#,
        file.display()
    );
    let ran = room.run(&runbook);
    assert_eq!(ran.exit(), 0);
    let kept: Vec<_> = ran
        .facts()
        .into_iter()
        .filter_map(|f| match f.event {
            Event::Settled { result, .. } => Some(result.evidence.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    let [(path, digest)] = kept.as_slice() else {
        panic!("one file is evidence: {kept:?}")
    };
    assert_eq!(*path, file.display().to_string());
    assert_eq!(std::fs::read(ran.folder.output().join(digest.hex())).unwrap(), b"42\n");
}
