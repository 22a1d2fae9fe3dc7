//! What a run of many hosts takes on the control machine: one process, and so much memory for each further host.

use crate::figures;
use crate::fleet::{Fleet, code};

/// Hosts of the small run and of the large one.
const FEW: usize = 8;
const MANY: usize = 88;
/// Anonymous memory of the small run, KiB, in a build without optimisation.
const BASE: u64 = 64 * 1024;
/// Of each further host with twenty steps, KiB. The goal of a release build is 100 for a connected host (`performance.md`).
const FURTHER: u64 = 512;

/// Runs twenty checks on `hosts` names of one real server: its peak of anonymous memory, KiB, and how many other processes it had.
fn run(hosts: usize) -> (u64, usize) {
    let fleet = Fleet::start(1, "0");
    fleet.crowd(hosts);
    let steps: String = (1..=20)
        .map(|n| format!("      - {{ name: Step {n}, run: echo here }}\n"))
        .collect();
    fleet.file(
        "runbooks/many.yml",
        &format!(
            "schema: 1
runbook: many
title: Ask each
kind: check
targets:
  all: {{ select: \"host=n*\" }}
rollouts:
  wide: {{ parallel: {hosts} }}
phases:
  - phase: p
    title: P
    targets: all
    rollout: wide
    verify:
{steps}"
        ),
    );
    let mut child = fleet.spawn(&["run", "runbooks/many.yml", "--yes"], "words");
    let (mut peak, mut others, mut looks) = (0, 0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let told = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = told.lines().find_map(|l| l.strip_prefix("RssAnon:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        others += children(child.id());
        looks += 1;
        std::thread::sleep(std::time::Duration::from_millis(3));
    };
    let words = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(code(status), 0, "{words}");
    assert!(peak > 0 && looks > 20, "it was looked at while it ran: {looks} times");
    (peak, others)
}

/// How many processes have this parent.
fn children(parent: u32) -> usize {
    let parent = parent.to_string();
    let of_parent = |entry: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let behind = stat.rsplit_once(") ").map(|(_, rest)| rest);
        behind.and_then(|rest| rest.split(' ').nth(1)) == Some(&parent)
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(of_parent).count()
}

#[test]
fn a_run_of_many_hosts_is_one_process_and_takes_bounded_memory_for_each() {
    let (few, none) = run(FEW);
    let (many, none_either) = run(MANY);
    let further = many.saturating_sub(few) / (MANY - FEW) as u64;
    figures::print(
        "controller: processes beside it, memory at 8 hosts x 20 steps, of each further host (no optimisation)",
        format!("{}; {} MiB; {further} KiB", none + none_either, few / 1024),
        None,
    );
    assert_eq!(none + none_either, 0, "no process for a host or a step");
    assert!(few < BASE && further < FURTHER, "{few} KiB, {further} KiB");
}
