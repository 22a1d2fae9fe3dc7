//! Steps that are done elsewhere, and results that are read across hosts, over real servers: each has a home of its own.

use std::net::TcpListener;

use crate::fleet::{Fleet, code, words};
use crate::states;

const HEAD: &str = "schema: 1
runbook: elsewhere
title: Done elsewhere
kind: change
targets:
  web: { hosts: [h01, h02] }
  lb: { hosts: [h03, h04] }
  first: { hosts: [h01] }
phases:
";

fn fleet_of(phases: &str) -> Fleet {
    let fleet = Fleet::start(4, "0");
    let dir = fleet.dir.path().display().to_string();
    fleet.file(
        "runbooks/elsewhere.yml",
        &format!("{HEAD}{}", phases.replace("DIR", &dir)),
    );
    let policy = std::fs::read_to_string(fleet.path("policy.yml")).unwrap();
    fleet.file("policy.yml", &format!("{policy}allow_local: true\n"));
    fleet
}

/// What a host noted in its home, line by line.
fn noted(fleet: &Fleet, host: &str) -> Vec<String> {
    let text = std::fs::read_to_string(fleet.hosts[host].home().join("noted")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn one_of_takes_the_next_host_where_one_is_out_of_reach_and_the_undo_goes_to_the_chosen_one() {
    let fleet = fleet_of(
        "  - phase: p
    title: P
    targets: first
    on_failure: rollback_host
    steps:
      - name: Take it out
        delegate_to: { one_of: lb }
        run: echo out {{ host.name }} >> ~/noted
        undo:
          - { name: Put it back, delegate_to: { one_of: lb }, run: \"echo in {{ host.name }} >> ~/noted\" }
      - { name: Work, run: echo work >> ~/noted, undo: [{ name: Back, run: echo back >> ~/noted }] }
      - { name: Fail, run: exit 3, read_only: true }
",
    );
    // Nobody listens where h03 is said to be.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let port = |port: u16| format!("port: {port},");
    let inventory = inventory.replace(&port(fleet.hosts["h03"].port), &port(closed));
    fleet.file("inventory.yml", &inventory);

    let ran = fleet.run(&["run", "runbooks/elsewhere.yml", "--yes"]);
    assert_eq!(code(ran.status), 4, "{}", words(&ran));
    assert_eq!(states(&fleet)["h01"], "rolled_back");
    assert_eq!(noted(&fleet, "h01"), ["work", "back"]);
    assert_eq!(noted(&fleet, "h03"), [""; 0]);
    assert_eq!(noted(&fleet, "h04"), ["out h01", "in h01"]);
}

#[test]
fn one_of_with_nobody_in_reach_fails_its_step_and_nothing_is_owed() {
    let fleet = fleet_of(
        "  - phase: p
    title: P
    targets: first
    on_failure: rollback_host
    steps:
      - { name: Take it out, delegate_to: { one_of: lb }, run: echo out >> ~/noted, undo: [{ name: Put it back, run: echo in >> ~/noted }] }
",
    );
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let mut broken = inventory.clone();
    for host in ["h03", "h04"] {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        broken = broken.replace(
            &format!("port: {},", fleet.hosts[host].port),
            &format!("port: {closed},"),
        );
    }
    fleet.file("inventory.yml", &broken);
    let ran = fleet.run(&["run", "runbooks/elsewhere.yml", "--yes"]);
    assert_ne!(code(ran.status), 0, "{}", words(&ran));
    assert!(words(&ran).contains("Left behind: nothing"), "{}", words(&ran));
    for host in ["h01", "h02", "h03", "h04"] {
        assert_eq!(noted(&fleet, host), [""; 0]);
    }
}

#[test]
fn a_host_a_set_and_the_control_machine_are_reached_and_results_are_read_across_hosts() {
    let fleet = fleet_of(
        "  - phase: p
    title: P
    targets: web
    on_failure: hold
    steps:
      - { id: say, name: Say, run: \"cat ~/name\", read_only: true, register: said }
      - { name: On one host, delegate_to: h04, run: \"echo one {{ host.name }} {{ said.stdout | sh }} >> ~/noted\", undo: { none: x } }
      - { name: On each of a set, delegate_to: lb, run: \"echo each {{ host.name }} >> ~/noted\", undo: { none: x } }
      - { name: Here, delegate_to: controller, run: \"echo here {{ host.name }} >> DIR/here\", undo: { none: x } }
  - phase: q
    title: Q
    targets: first
    on_failure: hold
    steps:
      - { name: All of them, run: \"echo {{ results.said | map('host') | join(',') | sh }} {{ results.said | map('stdout') | join(',') | sh }} >> ~/noted\", undo: { none: x } }
",
    );
    for (host, sshd) in &fleet.hosts {
        std::fs::write(sshd.home().join("name"), format!("I am {host}\n")).unwrap();
    }
    let ran = fleet.run(&["run", "runbooks/elsewhere.yml", "--yes"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    let sorted = |host: &str| {
        let mut lines = noted(&fleet, host);
        lines.sort();
        lines
    };
    assert_eq!(noted(&fleet, "h01"), ["h01,h02 I am h01,I am h02"]);
    let mut here: Vec<String> = std::fs::read_to_string(fleet.path("here"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    here.sort();
    assert_eq!(here, ["here h01", "here h02"]);
    assert_eq!(sorted("h03"), ["each h01", "each h02"]);
    assert_eq!(
        sorted("h04"),
        ["each h01", "each h02", "one h01 I am h01", "one h02 I am h02"]
    );
}
