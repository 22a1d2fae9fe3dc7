//! Links, names and disks that fail under a run of the real binary.

use crate::drive::apart;
use crate::fleet::{Fleet, code, records, words};

/// A runbook with these steps on the hosts of the inventory.
fn runbook(kind: &str, steps: &str) -> String {
    format!(
        "schema: 1
runbook: lost
title: Go on
kind: {kind}
targets:
  all: {{ select: \"host=*\" }}
rollouts:
  wide: {{ parallel: 20 }}
phases:
  - phase: p
    title: P
    targets: all
    rollout: wide
    on_failure: hold
    steps:
{steps}"
    )
}

/// What the journal says of the end of a step on a host.
fn settled(fleet: &Fleet, host: &str) -> Option<serde_json::Value> {
    let journal = records(&fleet.journal());
    let mut events = journal.into_iter().map(|r| r["event"].clone());
    events.find(|e| e["type"] == "settled" && e["key"]["host"] == host)
}

/// The process used to stay for as long as the resolver went on asking.
#[test]
fn a_name_that_nobody_answers_for_costs_its_host_the_limit_and_the_process_nothing() {
    let fleet = Fleet::start(1, "0");
    // Asked, and silent.
    let silent = std::net::UdpSocket::bind(("127.9.53.1", 53)).expect("run it as root");
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let (hosts, _) = inventory.split_once("groups:").unwrap();
    fleet.file(
        "inventory.yml",
        &format!("{hosts}  slow: {{ address: slow.example.org, user: ops, connect_timeout: 2s }}\n"),
    );
    fleet.file("resolv.conf", "nameserver 127.9.53.1\noptions timeout:30 attempts:5\n");
    let step = "      - { name: Look, run: echo here, read_only: true }\n";
    fleet.file("runbooks/lost.yml", &runbook("check", step));
    let script = "mount --bind resolv.conf /etc/resolv.conf
        code=0; timeout 60 \"$PITSTOP\" run runbooks/lost.yml --yes --ssh-config none || code=$?; echo code $code";
    let out = apart(&fleet, &["--mount"], script);
    let said = words(&out);
    assert!(said.contains("code 3\n"), "{said}");
    assert!(
        said.contains("connecting to slow (slow.example.org:22): no answer within 2 s (check that the host is up"),
        "{said}"
    );
    assert_eq!(settled(&fleet, "h01").unwrap()["outcome"], "ok", "{said}");
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_ok(), "nobody asked for the name");
}

/// The output of all other hosts goes to a file system that is frozen. The one that says little used to be held with them, and was
