//! One, two and three signals to the real process, and what the hosts say about each.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::{Fleet, code, records, words};

/// Two steps on two hosts; the first notes its process and waits for a file, TERM or no TERM.
const STEPS: &str = r#"schema: 1
runbook: steps
title: Two steps
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
    steps:
      - id: one
        name: The first change
        run: |
          TRAP
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          sleep 600 &
          echo $! > "$HOME/sleeper"
          while [ ! -e "$HOME/go" ]; do sleep 0.05; done
          kill -9 $!
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: { none: "it only counts" }
      - id: two
        name: The second change
        run: |
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: { none: "it only counts" }
"#;

/// A run whose first step is under way on both hosts.
fn under_way(trap: &str) -> (Fleet, Child) {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/steps.yml", &STEPS.replace("TRAP", trap));
    let child = fleet.spawn(&["run", "runbooks/steps.yml", "--yes"], "words");
    fleet.until("the first step runs on both hosts", || {
        // Its number is noted before the fork has become `sleep`.
        fleet.hosts.keys().all(|h| sleeper(&fleet, h).is_some_and(sleeps))
    });
    (fleet, child)
}

fn sleeper(fleet: &Fleet, host: &str) -> Option<u32> {
    let text = std::fs::read_to_string(fleet.hosts[host].home().join("sleeper")).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

/// True while the step's `sleep` lives: a process of that number with that command line.
fn sleeps(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x00600\x00")
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// Interrupts and waits until the run has written it down: signals that come together count as one.
fn interrupt_and_see(fleet: &Fleet, child: &Child, count: u64) {
    interrupt(child);
    fleet.until("the signal is in the journal", || {
        records(&fleet.journal())
            .iter()
            .any(|r| r["event"]["type"] == "signalled" && r["event"]["count"] == count)
    });
}

fn said(fleet: &Fleet) -> String {
    std::fs::read_to_string(fleet.path("words")).unwrap()
}

/// The steps that a host began, in order.
fn begun(fleet: &Fleet, host: &str) -> Vec<String> {
    let effects = fleet.effects(host);
    let began = effects.iter().filter(|e| !e.end);
    began.map(|e| e.key.split('/').nth(3).unwrap().to_owned()).collect()
}

fn resume_to_the_end(fleet: &Fleet) {
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    for host in fleet.hosts.keys() {
        assert_eq!(begun(fleet, host), ["one", "two"], "{host}: each step once");
        assert_eq!(fleet.effects(host).len(), 4, "{host}: each came to its end");
        assert!(fleet.left_on(host).is_empty(), "{host}");
    }
}

#[test]
fn one_interrupt_lets_running_steps_end_and_starts_no_other() {
    let (fleet, mut child) = under_way(":");
    interrupt_and_see(&fleet, &child, 1);
    for host in fleet.hosts.keys() {
        assert!(sleeps(sleeper(&fleet, host).unwrap()), "{host}: the step goes on");
        fleet.mark(host, "go");
    }
    assert_eq!(code(child.wait().unwrap()), 7, "{}", said(&fleet));
    for host in fleet.hosts.keys() {
        assert_eq!(begun(&fleet, host), ["one"], "{host}");
        assert_eq!(fleet.effects(host).len(), 2, "{host}: the running step came to its end");
    }
    resume_to_the_end(&fleet);
}

#[test]
fn two_interrupts_stop_the_step_on_the_host_and_say_so() {
    let (fleet, mut child) = under_way(":");
    let sleepers: Vec<u32> = fleet.hosts.keys().map(|h| sleeper(&fleet, h).unwrap()).collect();
    assert!(sleepers.iter().all(|pid| sleeps(*pid)));
    interrupt_and_see(&fleet, &child, 1);
    interrupt_and_see(&fleet, &child, 2);
    let status = child.wait().unwrap();
    assert_eq!(
        sleepers.into_iter().filter(|pid| sleeps(*pid)).collect::<Vec<_>>(),
        Vec::<u32>::new(),
        "the step's processes are gone before pitstop is"
    );
    assert_eq!(code(status), 7, "{}", said(&fleet));
    let records = records(&fleet.journal());
    let ends: Vec<_> = records
        .iter()
        .map(|r| &r["event"])
        .filter(|e| e["type"] == "settled" && e["key"]["step"] == "one")
        .collect();
    assert_eq!(ends.len(), 2);
    for end in ends {
        assert_eq!(end["outcome"], "failed", "{end}");
        assert!(end.to_string().contains("stopped"), "{end}");
    }
    for host in fleet.hosts.keys() {
        assert_eq!(begun(&fleet, host), ["one"], "{host}: nothing else began");
    }
}

#[test]
fn three_interrupts_leave_at_once_and_resume_finds_what_still_runs() {
    // It outlives TERM, so the second signal has seconds to wait.
    let (fleet, mut child) = under_way("trap '' TERM");
    interrupt_and_see(&fleet, &child, 1);
    interrupt_and_see(&fleet, &child, 2);
    let third = Instant::now();
    interrupt(&child);
    let status = child.wait().unwrap();
    assert!(third.elapsed() < Duration::from_secs(3), "{:?}", third.elapsed());
    assert_eq!(code(status), 7);
    let ended = |r: &serde_json::Value| matches!(r["event"]["type"].as_str(), Some("ended" | "settled"));
    assert!(
        !records(&fleet.journal()).iter().any(ended),
        "no goodbye: as after SIGKILL"
    );
    for host in fleet.hosts.keys() {
        fleet.mark(host, "go");
    }
    resume_to_the_end(&fleet);
}
