//! The order of what the process does, as the kernel saw it: an intent is on the disk before its command leaves the process.
//!
//! Over SSH the bytes are encrypted; a step of the control machine goes the same way through the engine, and its lane is a
//! pipe that can be read.

use std::process::Stdio;

use crate::fleet::Fleet;

const STEPS: usize = 8;

/// One step's places in the trace, by line.
#[derive(Debug)]
struct Order {
    /// The intent goes into the journal.
    intended: usize,
    /// The first sync of the journal after it is done.
    synced: usize,
    /// The command goes to the lane.
    sent: usize,
}

#[test]
fn p1_an_intent_is_on_the_disk_before_its_command_leaves_the_process() {
    let trace = trace("");
    let lines: Vec<&str> = trace.lines().collect();
    for n in 0..STEPS {
        let order = order(&lines, n).unwrap_or_else(|why| panic!("step {n}: {why}\n{trace}"));
        assert!(
            order.intended < order.synced && order.synced < order.sent,
            "step {n}: {order:?}"
        );
    }
    // Control: a command that leaves before the sync is done is found.
    let first = order(&lines, 0).unwrap();
    let mut early = lines.clone();
    let sent = early.remove(first.sent);
    early.insert(first.synced, sent);
    let found = order(&early, 0).unwrap();
    assert!(found.sent < found.synced, "{found:?}");
}

#[test]
fn control_without_fsync_a_command_leaves_before_its_intent_is_on_the_disk() {
    let trace = trace("fsync");
    let lines: Vec<&str> = trace.lines().collect();
    let late = |n: &usize| order(&lines, *n).map_or(true, |o| o.sent < o.synced);
    let found = (0..STEPS).filter(late).count();
    assert_eq!(found, STEPS, "the trace proves nothing");
}

/// What the kernel saw of a run of the control machine, without a protection if one is named.
fn trace(without: &str) -> String {
    let fleet = Fleet::start(1, "0");
    fleet.file("policy.yml", "schema: 1\nallow_local: true\n");
    let step = |n| {
        format!(
            "      - name: Step {n}\n        run: echo marker-{n}-of-a-step\n        undo: {{ none: it only talks }}\n"
        )
    };
    let steps: String = (0..STEPS).map(step).collect();
    fleet.file(
        "runbooks/traced.yml",
        &format!(
            "schema: 1\nrunbook: traced\ntitle: Traced\nkind: change\nphases:\n  - phase: p\n    title: P\n    on_failure: hold\n    steps:\n{steps}"
        ),
    );
    let ran = fleet
        .program("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "20000",
            "-e",
            "trace=write,writev,sendto,fdatasync",
            "-o",
            "trace",
        ])
        .args([env!("CARGO_BIN_EXE_pitstop"), "run", "runbooks/traced.yml", "--yes"])
        .env("PITSTOP_WITHOUT", without)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    std::fs::read_to_string(fleet.path("trace")).unwrap()
}

fn order(lines: &[&str], step: usize) -> Result<Order, String> {
    let marker = format!("marker-{step}-of-a-step");
    let journal = |line: &str| line.contains("/journal.jsonl>");
    let intended = lines
        .iter()
        .position(|line| journal(line) && line.contains("intended") && line.contains(&marker))
        .ok_or("no intent is written")?;
    let sent = lines
        .iter()
        .position(|line| line.contains("_s ") && line.contains(&marker) && !journal(line))
        .ok_or("no command is sent")?;
    let begins = |line: &str| line.contains("fdatasync(") && journal(line);
    let sync = intended
        + lines
            .iter()
            .skip(intended)
            .position(|line| begins(line))
            .ok_or("the journal is not synced")?;
    // A call that was interrupted in the trace ends in a line of its own, of the same thread.
    let thread = lines[sync].split_whitespace().next().unwrap_or_default();
    let ends = |line: &str| {
        line.split_whitespace().next() == Some(thread) && line.contains("fdatasync") && line.trim_end().ends_with("= 0")
    };
    let synced = sync
        + lines
            .iter()
            .skip(sync)
            .position(|line| ends(line))
            .ok_or("the sync does not end")?;
    Ok(Order { intended, synced, sent })
}
