//! `PS0640`-`PS0659`: people, policy and what a plan needs beside the runbook.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0640",
        title: "it is not said who must approve",
        text: "Under a policy every gate, and every plan that needs approval, says `need` and `approvers`.",
        wrong: r#"# $ pitstop plan change.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
need: 1
"#,
        right: r#"# $ pitstop plan change.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
need: 1
approvers: [managers]
"#,
    },
    Code {
        code: "PS0641",
        title: "there are too few people",
        text: "`need` counts different people out of all the groups together. A gate that could never pass is refused before it is reached at night.",
        wrong: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 2
    approvers: [managers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
        right: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [managers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
    },
    Code {
        code: "PS0642",
        title: "people are asked and there is no policy",
        text: "Who may approve, and with which key, is said by a policy file. Without one only a gate without `approvers` and with `not_operator: false` can pass: the operator types its name, unsigned.",
        wrong: r#"# file: pitstop.yml
schema: 1
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [managers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
        right: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [managers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
    },
    Code {
        code: "PS0643",
        title: "a change file is required",
        text: "`require_change` of the policy names hosts that may be changed only under a change file with a ticket.",
        wrong: r#"# $ pitstop plan example.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
require_change: ["env=prod"]
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart it, run: restart, undo: { none: It only restarts } }]
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { env: prod } } }
"#,
        right: r#"# $ pitstop plan change.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
require_change: ["env=prod"]
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart it, run: restart, undo: { none: It only restarts } }]
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { env: prod } } }
"#,
    },
    Code {
        code: "PS0644",
        title: "an approved plan is required",
        text: "`require_approval` of the policy names hosts that may be changed only by a plan that somebody approved.",
        wrong: r#"# $ pitstop plan change.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
require_approval: ["env=prod"]
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart it, run: restart, undo: { none: It only restarts } }]
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { env: prod } } }
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
"#,
        right: r#"# $ pitstop plan change.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
require_approval: ["env=prod"]
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart it, run: restart, undo: { none: It only restarts } }]
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { env: prod } } }
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
need: 1
approvers: [managers]
"#,
    },
    Code {
        code: "PS0645",
        title: "a command would run on the control machine",
        text: "That machine holds keys and secrets. The policy allows it with `allow_local: true`; without a policy it is allowed where every target of the runbook is local.",
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Here, delegate_to: controller, run: date }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Here, delegate_to: controller, run: date }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
allow_local: true
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
"#,
    },
    Code {
        code: "PS0646",
        title: "the plan goes over a limit of the policy",
        text: "`limits` in policy.yml bounds `parallel`, `hosts`, `max_fail`, `timeout` and `window` for every runbook.",
        wrong: r#"# $ pitstop plan example.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
limits: { timeout: 1h }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Look at all files, run: find /, timeout: 2h }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
        right: r#"# $ pitstop plan example.yml
# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
limits: { timeout: 1h }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Look at all files, run: find /, timeout: 1h }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
    Code {
        code: "PS0650",
        title: "a secret or its provider is not declared",
        text: "Passwords of the inventory name secrets of the runbook; secrets name providers of pitstop.yml.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: { password: { secret: web_password } } }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
secrets: { web_password: { from: prompt } }
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: { password: { secret: web_password } } }
",
    },
    Code {
        code: "PS0651",
        title: "a file that a step uses cannot be used",
        text: "Scripts and uploads are files of the project. They are frozen in the plan by their digest; a template must be UTF-8 text whose expressions can be read.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: New settings, upload: { src: files/web.conf, dest: /etc/web.conf } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: files/web.cnf
port = 80
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: New settings, upload: { src: files/web.conf, dest: /etc/web.conf } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: files/web.conf
port = 80
",
    },
    Code {
        code: "PS0652",
        title: "no such step or phase",
        text: "Write the id of a phase, or PHASE/STEP, or the bare id of a step where only one phase has it.",
        wrong: r"# $ pitstop plan example.yml --skip tow=later
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: one
    title: One
    verify: [{ name: Wait, wait_for: { time: 5s } }]
  - phase: two
    title: Two
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --skip two=later
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: one
    title: One
    verify: [{ name: Wait, wait_for: { time: 5s } }]
  - phase: two
    title: Two
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
    Code {
        code: "PS0653",
        title: "a step may not be left out",
        text: "Other steps of its phase are taken back by its undo (`covered_by`).",
        wrong: r"# $ pitstop plan example.yml --skip stop=later
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps:
      - { id: stop, name: Stop it, run: stop, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
        right: r"# $ pitstop plan example.yml --skip change=later
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps:
      - { id: stop, name: Stop it, run: stop, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
    },
    Code {
        code: "PS0654",
        title: "a gate may not be left out",
        text: "A gate is passed by people, never by leaving it out of a plan.",
        wrong: r"# $ pitstop plan example.yml --skip go=hurry
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    not_operator: false
  - phase: two
    title: Two
    verify: [{ name: Wait, wait_for: { time: 5s } }]
  - phase: three
    title: Three
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --skip two=hurry
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    not_operator: false
  - phase: two
    title: Two
    verify: [{ name: Wait, wait_for: { time: 5s } }]
  - phase: three
    title: Three
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
];
