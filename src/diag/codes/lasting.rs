//! `PS0750` and `PS0751`: steps of which each fits into the window, and all together do not.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0750",
        title: "one host's limits together are longer than the window",
        text: "Each step fits, and the written `timeout`s of `drain`, `steps`, `verify` and `undrain` (with their `retry` and the items that are written out) do not. A host that has begun is not stopped by the window's end. Steps with `when` and limits that are only defaults are not counted.",
        wrong: r"window: { duration: 1h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - { name: One, run: date, timeout: 40m }
      - { name: Two, run: date, timeout: 40m }
",
        right: r"window: { duration: 2h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - { name: One, run: date, timeout: 40m }
      - { name: Two, run: date, timeout: 40m }
",
    },
    Code {
        code: "PS0751",
        title: "the hosts' limits together are longer than the window",
        text: "So many hosts one after another, each to its written limits, do not fit into the window: the last ones would end after it, or not be started because of its cut-off. Rounds are counted over the batches, as many hosts at a time as `parallel` lets. Steps with `when` and limits that are only defaults are not counted.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 2h }
targets: { web: { hosts: [web1, web2] } }
rollouts: { one: { batches: [1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: one
    on_failure: hold
    steps: [{ name: Change it, run: change, timeout: 90m }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
targets: { web: { hosts: [web1, web2] } }
rollouts: { one: { batches: [1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: one
    on_failure: hold
    steps: [{ name: Change it, run: change, timeout: 90m }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
    },
];
