//! Process 1 of a container: the real binary in a process namespace of its own. The kernel gives process 1 no default actions
//! for signals, and all orphans.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::{Fleet, code, records, words};

/// The control machine waits for a file between two changes, and leaves a process behind before.
const RUNBOOK: &str = "schema: 1
runbook: first
title: Steps of the control machine
kind: change
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: Leave an orphan that ends by itself
        run: \"(while [ ! -e DIR/orphan-may-end ]; do sleep 0.02; done; touch DIR/orphan-ended) >/dev/null 2>&1 & echo left\"
        undo: { none: it ends by itself }
      - name: Wait for a file
        run: \"touch DIR/waiting; while [ ! -e DIR/go ]; do sleep 0.02; done\"
        undo: { none: it only waits }
      - name: The last change
        run: touch DIR/begun
        undo: { none: it is only a file }
";

const APART: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];

fn fleet() -> Fleet {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes a process namespace: run it as root"
    );
    let fleet = Fleet::start(1, "0");
    fleet.file("policy.yml", "schema: 1\nallow_local: true\n");
    let dir = fleet.dir.path().display().to_string();
    fleet.file("runbooks/first.yml", &RUNBOOK.replace("DIR", &dir));
    fleet
}

/// Pitstop as process 1.
fn first(fleet: &Fleet, args: &[&str]) -> Command {
    let mut command = fleet.program("unshare");
    command.args(APART).arg(env!("CARGO_BIN_EXE_pitstop")).args(args);
    command.stdout(Stdio::null()).process_group(0);
    command
}

fn spawn(fleet: &Fleet, args: &[&str]) -> Child {
    let file = std::fs::File::create(fleet.path("words")).unwrap();
    first(fleet, args).stderr(file).spawn().unwrap()
}

fn told(fleet: &Fleet) -> String {
    std::fs::read_to_string(fleet.path("words")).unwrap()
}

fn children(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{of}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(list.split_whitespace().filter_map(|n| n.parse::<u32>().ok()));
    }
    found
}

/// Process 1 as this namespace sees it, and every process below it that nobody has asked how it ended.
fn first_of(below: &Child) -> u32 {
    children(below.id()).first().copied().expect("the first process")
}

fn zombies(of: u32) -> Vec<u32> {
    let dead = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    let all = children(of);
    let deeper = all.iter().flat_map(|pid| zombies(*pid)).collect::<Vec<_>>();
    all.into_iter().filter(dead).chain(deeper).collect()
}

fn tell(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

fn signals(fleet: &Fleet) -> Vec<u64> {
    let all = records(&fleet.journal());
    let signalled = all.iter().map(|r| &r["event"]).filter(|e| e["type"] == "signalled");
    signalled.map(|e| e["count"].as_u64().unwrap()).collect()
}

fn wait_for_the_second_step(fleet: &Fleet, child: &mut Child) {
    fleet.until("the second step runs", || {
        assert!(child.try_wait().unwrap().is_none(), "{}", told(fleet));
        fleet.path("waiting").exists()
    });
}

#[test]
fn the_first_process_of_a_container_ends_its_running_step_when_it_is_told_to_stop() {
    let fleet = fleet();
    let mut child = spawn(&fleet, &["run", "runbooks/first.yml", "--yes"]);
    wait_for_the_second_step(&fleet, &mut child);
    tell(first_of(&child), Signal::TERM);
    fleet.until("the signal is in the journal", || !signals(&fleet).is_empty());
    std::fs::write(fleet.path("go"), "").unwrap();
    assert_eq!(code(child.wait().unwrap()), 7, "{}", told(&fleet));
    assert_eq!(signals(&fleet), [1]);
    assert!(!fleet.path("begun").exists(), "{}", told(&fleet));
}

#[test]
fn what_a_step_leaves_behind_is_no_zombie_of_the_first_process() {
    let fleet = fleet();
    let mut child = spawn(&fleet, &["run", "runbooks/first.yml", "--yes"]);
    wait_for_the_second_step(&fleet, &mut child);
    std::fs::write(fleet.path("orphan-may-end"), "").unwrap();
    fleet.until("the orphan has ended", || fleet.path("orphan-ended").exists());
    let first = first_of(&child);
    fleet.until("nobody is dead and not buried", || zombies(first).is_empty());
    std::fs::write(fleet.path("go"), "").unwrap();
    assert_eq!(code(child.wait().unwrap()), 0, "{}", told(&fleet));
    assert!(fleet.path("begun").exists());
}

#[test]
fn the_first_process_tells_the_exit_code_and_can_be_stopped_before_anything_has_begun() {
    let fleet = fleet();
    let wrong = first(&fleet, &["check", "runbooks/none.yml"]).output().unwrap();
    assert_eq!(code(wrong.status), 2, "{}", words(&wrong));
    let good = first(&fleet, &["check", "runbooks/first.yml"]).output().unwrap();
    assert_eq!(code(good.status), 0, "{}", words(&good));

    let text = std::fs::read_to_string(fleet.path("runbooks/first.yml")).unwrap();
    let window = "kind: change\nwindow: { duration: 1h, timezone: UTC }\n";
    fleet.file("runbooks/first.yml", &text.replace("kind: change\n", window));
    let wait = [
        "run",
        "runbooks/first.yml",
        "--yes",
        "--wait",
        "--start",
        "2101-01-01T00:00:00",
    ];
    let mut child = spawn(&fleet, &wait);
    fleet.until("it waits for the window", || told(&fleet).contains("to open"));
    tell(first_of(&child), Signal::TERM);
    let status = child.wait().unwrap();
    assert_eq!(
        status.code().or(status.signal().map(|n| 128 + n)),
        Some(128 + 15),
        "{status}"
    );
    assert!(!fleet.path(".pitstop/runs").exists());
}

/// Ctrl-C goes to the terminal's foreground: to pitstop, and not once more through process 1.
#[test]
fn an_interrupt_at_the_terminal_of_a_container_counts_once() {
    let fleet = fleet();
    let run = "run runbooks/first.yml --yes";
    let line = format!(
        "exec unshare {} {} {run}",
        APART.join(" "),
        env!("CARGO_BIN_EXE_pitstop")
    );
    let file = std::fs::File::create(fleet.path("words")).unwrap();
    let mut script = fleet.program("script");
    script.args(["-qefc", &line, "/dev/null"]).env("TERM", "xterm");
    let mut child = script.stdin(Stdio::piped()).stdout(file).spawn().unwrap();
    wait_for_the_second_step(&fleet, &mut child);
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x1a").unwrap();
    keys.write_all(b"\x03").unwrap();
    fleet.until("the signal is in the journal", || !signals(&fleet).is_empty());
    std::fs::write(fleet.path("go"), "").unwrap();
    assert_eq!(code(child.wait().unwrap()), 7, "{}", told(&fleet));
    assert_eq!(signals(&fleet), [1]);
    drop(keys);
}
