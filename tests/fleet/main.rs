//! The main job on real OpenSSH servers: batches, a gate, undo, held hosts, and kills at any moment.

#![cfg(test)]

mod becoming;
mod books;
mod bounds;
mod canaries;
mod checks;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod container;
mod control;
mod crash;
mod dice;
mod drive;
mod durable;
mod elsewhere;
mod fleet;
mod flood;
mod kernel;
mod left;
mod lost;
mod needles;
mod refused;
mod rounds;
mod scan;
mod shipped;
mod signals;
mod state;
mod surroundings;

use std::collections::BTreeMap;

use common::figures;

use fleet::{Fleet, code, records, words};
use serde_json::Value;

/// The state of each host, as `status --json` tells it.
pub fn states(fleet: &Fleet) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for record in records(&fleet.journal()) {
        let event = &record["event"];
        if event["type"] == "host_ended" {
            states.insert(
                event["host"].as_str().unwrap().to_owned(),
                event["state"].as_str().unwrap().to_owned(),
            );
        }
    }
    states
}

/// Runs until the gate after the canary, approves it, and leaves the run to be resumed.
pub fn to_the_gate(fleet: &Fleet) {
    let ran = fleet.run(&["run", "runbooks/fleet.yml", "--yes"]);
    assert_eq!(
        code(ran.status),
        5,
        "without a terminal a gate ends the process: {}",
        words(&ran)
    );
    let approved = fleet.run(&["approve", "last", "--key", "berta", "--operator", "berta"]);
    assert_eq!(code(approved.status), 0, "{}", words(&approved));
}

#[test]
fn twelve_hosts_in_batches_with_a_signed_gate_one_rolled_back_and_one_held() {
    let fleet = Fleet::start(12, "0.05");
    fleet.mark("h05", "bad");
    fleet.mark("h09", "always-bad");
    to_the_gate(&fleet);
    assert_eq!(states(&fleet).len(), 1, "only the canary before the gate");
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 1, "a held host needs a person: {}", words(&ran));
    let states = states(&fleet);
    for (host, state) in &states {
        let wanted = match host.as_str() {
            "h05" => "rolled_back",
            "h09" => "held",
            _ => "ok",
        };
        assert_eq!(state, wanted, "{host}: {states:?}");
    }
    assert_eq!(states.len(), 12);
    let journal = records(&fleet.journal());
    let batches: Vec<usize> = journal
        .iter()
        .filter(|r| r["event"]["type"] == "batch_began")
        .map(|r| r["event"]["hosts"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(batches, [1, 3, 6, 2]);
    let gate: Vec<&Value> = journal
        .iter()
        .map(|r| &r["event"])
        .filter(|e| e["type"] == "gate_answered")
        .collect();
    assert_eq!(gate.len(), 1);
    assert_eq!(gate[0]["answer"]["principal"], "berta");
    for host in fleet.hosts.keys() {
        assert_eq!(
            fleet.left_on(host),
            Vec::<std::path::PathBuf>::new(),
            "nothing of ours stays on {host}"
        );
    }
}
