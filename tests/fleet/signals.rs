//! One, two and three signals to the real process, and what the hosts say about each.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::{Fleet, code, kill, records, words};

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

fn tell(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Tells and waits until the run has written it down: signals that come together count as one.
fn tell_and_see(fleet: &Fleet, child: &Child, signal: Signal, count: u64) {
    tell(child, signal);
    fleet.until("the signal is in the journal", || counts(fleet).contains(&count));
}

/// What the journal says of signals.
fn counts(fleet: &Fleet) -> Vec<u64> {
    let all = records(&fleet.journal());
    let signalled = all.iter().map(|r| &r["event"]).filter(|e| e["type"] == "signalled");
    signalled.map(|e| e["count"].as_u64().unwrap()).collect()
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
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (fleet, mut child) = under_way(":");
        tell_and_see(&fleet, &child, signal, 1);
        the_running_step_ends_and_no_other_begins(&fleet, || code(child.wait().unwrap()) == 7);
        resume_to_the_end(&fleet);
    }
}

fn the_running_step_ends_and_no_other_begins(fleet: &Fleet, ends: impl FnOnce() -> bool) {
    for host in fleet.hosts.keys() {
        assert!(sleeps(sleeper(fleet, host).unwrap()), "{host}: the step goes on");
        fleet.mark(host, "go");
    }
    assert!(ends(), "{}", said(fleet));
    assert_eq!(counts(fleet), [1], "{}", said(fleet));
    for host in fleet.hosts.keys() {
        assert_eq!(begun(fleet, host), ["one"], "{host}");
        assert_eq!(fleet.effects(host).len(), 2, "{host}: the running step came to its end");
    }
}

/// The shell tells its job of it, and so does the kernel when the shell is gone: still nobody pressed twice.
#[test]
fn a_terminal_that_is_closed_lets_running_steps_end() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/steps.yml", &STEPS.replace("TRAP", ":"));
    let file = std::fs::File::create(fleet.path("words")).unwrap();
    let mut script = fleet.program("script");
    script.args(["-qefc", "exec bash --norc --noprofile -i", "/dev/null"]);
    let mut terminal = script
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .unwrap();
    let line = format!("{} run runbooks/steps.yml --yes\n", env!("CARGO_BIN_EXE_pitstop"));
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(line.as_bytes()).unwrap();
    fleet.until("the first step runs on both hosts", || {
        fleet.hosts.keys().all(|h| sleeper(&fleet, h).is_some_and(sleeps))
    });
    let shell = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", terminal.id())).unwrap();
    let shell = shell.trim().to_owned();
    kill(&mut terminal);
    fleet.until("the shell has gone with its terminal", || {
        let stat = std::fs::read_to_string(format!("/proc/{shell}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    });
    fleet.until("the signal is in the journal", || !counts(&fleet).is_empty());
    the_running_step_ends_and_no_other_begins(&fleet, || {
        let exit = || {
            let all = records(&fleet.journal());
            let ended = all.iter().find(|r| r["event"]["type"] == "ended")?;
            ended["event"]["exit"].as_u64()
        };
        fleet.until("the run has ended", || exit().is_some());
        exit() == Some(7)
    });
    fleet.until("its process is gone", || {
        code(fleet.run(&["resume", "last"]).status) != 6
    });
    for host in fleet.hosts.keys() {
        assert_eq!(begun(&fleet, host), ["one", "two"], "{host}: each step once");
    }
    drop(keys);
}

#[test]
fn two_interrupts_stop_the_step_on_the_host_and_say_so() {
    let (fleet, mut child) = under_way(":");
    let sleepers: Vec<u32> = fleet.hosts.keys().map(|h| sleeper(&fleet, h).unwrap()).collect();
    assert!(sleepers.iter().all(|pid| sleeps(*pid)));
    tell_and_see(&fleet, &child, Signal::TERM, 1);
    tell_and_see(&fleet, &child, Signal::HUP, 2);
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
    tell_and_see(&fleet, &child, Signal::HUP, 1);
    tell_and_see(&fleet, &child, Signal::INT, 2);
    let third = Instant::now();
    tell(&child, Signal::TERM);
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
