//! Checks that go to a host together: what a failure among them, a signal and a crash leave behind, in the journal and the report.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fleet::{Fleet, code, kill, records, words};

/// Twelve checks, of which the fourth waits for a file and fails where another is; then a change.
const CHECKS: &str = r#"schema: 1
runbook: checks
title: Twelve checks and a change
kind: change
targets:
  web: { select: "group=web" }
rollouts:
  wide: { parallel: 10 }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: wide
    on_failure: hold
    precheck:
PRECHECKS    steps:
      - id: change
        name: The change
        run: echo "$PITSTOP_STEP_KEY" >> "$HOME/changed"
        undo: { none: "it only counts" }
"#;

fn fleet(hosts: usize, fourth: &str) -> Fleet {
    let fleet = Fleet::start(hosts, "0");
    let check = |n: usize| {
        let command = if n == 4 { fourth } else { "true" };
        format!(
            "      - id: c{n}\n        name: Check {n}\n        read_only: true\n        run: |\n          \
             echo {n} >> \"$HOME/checked\"\n          {command}\n"
        )
    };
    let prechecks: String = (1..=12).map(check).collect();
    fleet.file("runbooks/checks.yml", &CHECKS.replace("PRECHECKS", &prechecks));
    fleet
}

fn checked(fleet: &Fleet, host: &str) -> Vec<usize> {
    let text = std::fs::read_to_string(fleet.hosts[host].home().join("checked")).unwrap_or_default();
    text.lines().map(|l| l.parse().unwrap()).collect()
}

/// The steps of this host that have an event of this kind, in order.
fn told(fleet: &Fleet, host: &str, kind: &str) -> Vec<String> {
    let of_host = |e: &&Value| e["type"] == kind && e["key"]["host"] == host;
    let all = records(&fleet.journal());
    let events = all.iter().map(|r| &r["event"]).filter(of_host);
    events.map(|e| e["key"]["step"].as_str().unwrap().to_owned()).collect()
}

fn names(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|n| format!("c{n}")).collect()
}

#[test]
fn behind_a_check_that_fails_none_is_run_and_the_record_tells_of_none() {
    let fleet = fleet(2, "[ ! -e \"$HOME/bad\" ]");
    fleet.mark("h01", "bad");
    let ran = fleet.run(&["run", "runbooks/checks.yml", "--yes"]);
    assert_eq!(code(ran.status), 3, "{}", words(&ran));
    assert_eq!(checked(&fleet, "h01"), [1, 2, 3, 4]);
    assert_eq!(checked(&fleet, "h02"), (1..=12).collect::<Vec<_>>());
    assert_eq!(told(&fleet, "h01", "intended"), names(1..=12), "sent together");
    assert_eq!(told(&fleet, "h01", "settled"), names(1..=4));
    assert_eq!(told(&fleet, "h01", "never_began"), names(5..=12));
    // The whole of it is one line for a person.
    let said = words(&ran);
    assert_eq!(said.matches("never begun").count(), 0, "{said}");
    assert!(said.contains("c4"), "{said}");
    let record: Value =
        serde_json::from_slice(&std::fs::read(fleet.run_folder().join("report/record.json")).unwrap()).unwrap();
    let ours = |s: &&Value| s["host"] == "h01" && s["stage"] == "precheck";
    let steps: Vec<&Value> = record["steps"].as_array().unwrap().iter().filter(ours).collect();
    let attempts: Vec<usize> = steps
        .iter()
        .map(|s| s["attempts"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(attempts, [1, 1, 1, 1], "what did not begin is not in it");
    // Each began when the one before it had ended.
    let times = |s: &Value, what: &str| s["attempts"][0][what].as_str().unwrap().to_owned();
    for two in steps[..4].windows(2) {
        assert!(times(two[0], "ended") <= times(two[1], "started"), "{two:?}");
    }
    assert!(fleet.left_on("h01").is_empty());
}

fn at_the_fourth(fleet: &Fleet) -> Child {
    let child = fleet.spawn(&["run", "runbooks/checks.yml", "--yes"], "words");
    fleet.until("the fourth check runs", || checked(fleet, "h01") == [1, 2, 3, 4]);
    child
}

const WAITS: &str = "while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done";

#[test]
fn after_a_signal_the_check_that_runs_ends_and_those_behind_it_do_not_begin() {
    let fleet = fleet(1, WAITS);
    let mut child = at_the_fourth(&fleet);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // The fence is what the signal comes to on the host.
    fleet.until("those behind it are held", || {
        let run = fleet.left_on("h01").pop().unwrap();
        let mut files = std::fs::read_dir(run).unwrap().flatten();
        files.any(|f| f.path().extension().is_some_and(|kind| kind == "n"))
    });
    fleet.mark("h01", "go");
    assert_eq!(code(child.wait().unwrap()), 7);
    assert_eq!(checked(&fleet, "h01"), [1, 2, 3, 4]);
    assert_eq!(told(&fleet, "h01", "never_began"), names(5..=12));
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    let behind: Vec<usize> = checked(&fleet, "h01").into_iter().filter(|n| *n > 4).collect();
    assert_eq!(behind, (5..=12).collect::<Vec<_>>());
    assert!(fleet.left_on("h01").is_empty());
}

#[test]
fn after_a_crash_those_that_had_not_begun_do_not_begin_by_themselves() {
    let fleet = fleet(1, WAITS);
    let mut child = at_the_fourth(&fleet);
    kill(&mut child);
    fleet.hosts["h01"].wait_until_nobody_is_there();
    fleet.mark("h01", "go");
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    // The first four may be asked again: their ends were perhaps not written down, and they are no longer fresh.
    let behind: Vec<usize> = checked(&fleet, "h01").into_iter().filter(|n| *n > 4).collect();
    assert_eq!(behind, (5..=12).collect::<Vec<_>>());
    assert!(fleet.left_on("h01").is_empty());
}
