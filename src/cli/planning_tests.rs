//! What an operator reads when a plan cannot be made: the words are committed.

use std::fs;

use super::{ProjectArgs, load};
use crate::diag::render;

const RUNBOOK: &str = r#"schema: 1
runbook: r
title: Restart the shop
kind: change
parameters:
  ticket: { type: string, pattern: "CHG[0-9]{7}", description: Change number }
  soak: { type: duration, default: 10m, max: 1h }
targets:
  web: { select: "role=web env=prod" }
  lb: { hosts: [lb1] }
window: { duration: 4h, timezone: Europe/Berlin }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: hold
    drain:
      - { id: out, name: Take it out, delegate_to: "{{ host.labels.lb }}", run: "lbctl disable {{ host.name }}" }
    steps:
      - { id: restart, name: Restart, run: systemctl restart shop }
      - { id: note, name: Write it down, delegate_to: controller, run: date >> log }
    verify:
      - { id: up, name: It answers, wait_for: { port: 80 } }
    undrain:
      - { id: in, name: Put it back, delegate_to: lb, run: "lbctl enable {{ host.name }}" }
  - gate: go-on
    title: Go on?
    need: 2
    approvers: [change-manager]
  - phase: rest
    title: The rest
    targets: lb
    on_failure: hold
    steps:
      - { id: restart, name: Restart, run: systemctl restart lb }
"#;

const INVENTORY: &str = r"schema: 1
hosts:
  web1: { labels: { role: web, env: prod, lb: lb1 } }
  web2: { labels: { role: web, env: prod, lb: lb2 } }
  lb1: {}
";

const POLICY: &str = r"schema: 1
approvers: { change-managers: [anna@example.com] }
allowed_signers: signers
require_change: [env=prod]
limits: { window: 2h }
";

/// Makes the plan of a project with these flags; gives what is said.
fn said(args: &ProjectArgs, change: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("pitstop.yml", "schema: 1\n"),
        ("policy.yml", POLICY),
        ("signers", "anna@example.com ssh-ed25519 AAAA\n"),
        ("inventory.yml", INVENTORY),
        ("r.yml", RUNBOOK),
        ("c.yml", change),
    ];
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let file = dir.path().join(if change.is_empty() { "r.yml" } else { "c.yml" });
    match load(args, &file).and_then(|l| l.plan()) {
        Ok((_, diags)) | Err(diags) => render::human(&diags, false, 100),
    }
}

#[test]
fn what_is_wrong_with_a_plan_is_said_at_its_place_with_what_to_write() {
    let flags = |sets: &[&str]| ProjectArgs {
        sets: sets.iter().map(|s| (*s).to_owned()).collect(),
        ..ProjectArgs::default()
    };
    insta::assert_snapshot!("parameters", said(&flags(&["soak=2h", "tickt=x"]), ""));
    insta::assert_snapshot!("hosts_gates_policy", said(&flags(&["ticket=CHG0000001"]), ""));
    let change = "schema: 1\nchange: CHG1\nrunbook: r.yml\nparameters: { ticket: CHG0000001 }\nwindow: { start: '2027-03-28T02:30:00' }\nlimit: host!=web3\nskip: { web/restrat: no }\n";
    insta::assert_snapshot!("change", said(&flags(&[]), change));
}
