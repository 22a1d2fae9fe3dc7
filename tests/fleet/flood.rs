//! Much output from many hosts at once: every byte is counted, and little memory is held.
//!
//! 4 hosts of `PITSTOP_FLOOD_MIB` (72) each, more than is kept of one stream; `PITSTOP_FLOOD_HOSTS` are more of them.

use crate::figures;
use crate::fleet::{Fleet, code, records};

/// What the goal is, KiB (`reliability.md`, figures).
const MEMORY: u64 = 128 * 1024;

#[test]
fn p12_output_of_any_length_from_many_hosts_is_counted_to_the_byte_in_bounded_memory() {
    let told = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let mib = told("PITSTOP_FLOOD_MIB").unwrap_or(72);
    let hosts = told("PITSTOP_FLOOD_HOSTS").unwrap_or(4);
    // Not a round number of anything.
    let bytes = mib * 1024 * 1024 + 4711;
    let fleet = Fleet::start(usize::try_from(hosts).unwrap(), "0");
    fleet.file(
        "runbooks/flood.yml",
        &format!(
            "schema: 1
runbook: flood
title: Say much
kind: check
targets:
  web: {{ select: \"group=web\" }}
rollouts:
  wide: {{ parallel: 20 }}
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: wide
    on_failure: hold
    steps:
      - id: plain
        name: Say much
        read_only: true
        timeout: 2h
        run: head -c {bytes} /dev/zero | tr '\\000' x
"
        ),
    );
    let mut child = fleet.spawn(&["run", "runbooks/flood.yml", "--yes"], "words");
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let told = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = told.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let words = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(code(status), 0, "{words}");
    let counted: Vec<u64> = records(&fleet.journal())
        .iter()
        .map(|r| &r["event"])
        .filter(|e| e["type"] == "settled")
        .map(|e| e["result"]["stdout"]["bytes"].as_u64().unwrap())
        .collect();
    // What came past the kept part was not counted, and the record said that it had all.
    assert_eq!(counted, vec![bytes; usize::try_from(hosts).unwrap()]);
    figures::print(
        &format!("{hosts} hosts x {mib} MiB of output, peak memory below 128 MiB; byte counts that are wrong"),
        format!("{} MiB; 0", peak / 1024),
        None,
    );
    assert!(peak > 0 && peak < MEMORY, "{peak} KiB");
}
