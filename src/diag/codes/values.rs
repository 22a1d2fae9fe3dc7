//! `PS0601`-`PS0619`: values, targets and modes of a plan.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0601",
        title: "the runbook has no such parameter",
        text: "A value was given for a name that the runbook does not declare.",
        wrong: r"# $ pitstop plan example.yml --set prot=80 --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
        right: r"# $ pitstop plan example.yml --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
    },
    Code {
        code: "PS0602",
        title: "a parameter has no value",
        text: "It has no default. Write it in the change under `parameters`, or give it with `--set`; on a terminal it is asked for.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
        right: r"# $ pitstop plan example.yml --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
    },
    Code {
        code: "PS0603",
        title: "a parameter's value has another type",
        text: "What is typed after `--set` is read as the type that the runbook declares.",
        wrong: r"# $ pitstop plan example.yml --set port=http
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
        right: r"# $ pitstop plan example.yml --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
    },
    Code {
        code: "PS0604",
        title: "a parameter's value is not allowed",
        text: "`allowed`, `pattern` (which must match the whole text), `min` and `max` of the runbook say what it may be. For a list they hold for every item.",
        wrong: r"# $ pitstop plan example.yml --set port=70000
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
        right: r"# $ pitstop plan example.yml --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
    },
    Code {
        code: "PS0605",
        title: "the mode is missing or unknown",
        text: "A runbook with `modes` is planned for exactly one of them.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
modes: [drill, real]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --mode drill
# file: example.yml
schema: 1
runbook: example
title: An example
modes: [drill, real]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
    Code {
        code: "PS0610",
        title: "the inventory has no such host",
        text: "`hosts` of a set lists hosts by name. Groups are selected: `{ select: \"group=NAME\" }`.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web3] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
    },
    Code {
        code: "PS0611",
        title: "a set selects no host",
        text: "A maintenance of nothing is a mistake more often than a success. Where `limit` empties a phase, the phase is left out and the plan says so.",
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web env=test" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { role: web, env: prod } }
  db1: { labels: { role: db, env: test } }
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web env=prod" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { role: web, env: prod } }
  db1: { labels: { role: db, env: test } }
"#,
    },
    Code {
        code: "PS0612",
        title: "the limit leaves no host at all",
        text: "Every phase with hosts was emptied by `limit`.",
        wrong: r"# $ pitstop plan example.yml --limit host=db1
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
hosts: { web1: {}, db1: {} }
",
        right: r"# $ pitstop plan example.yml --limit host=web1
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
hosts: { web1: {}, db1: {} }
",
    },
    Code {
        code: "PS0614",
        title: "an expression has no value when the plan is made",
        text: "Targets, delegates, soak times and paths are frozen in the plan. They may read `params`, `targets`, `run.mode`, and for one host `host.name`, `host.address`, `host.labels` and `host.vars`: nothing that only the run knows.",
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
    precheck:
      - { name: Who balances it?, run: cat /etc/balancer, register: who }
    verify:
      - name: Is it in?
        delegate_to: "{{ who.stdout }}"
        run: lbctl status
# file: inventory.yml
schema: 1
hosts: { web1: { vars: { balancer: lb1 } }, lb1: {} }
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
    precheck:
      - { name: Who balances it?, run: cat /etc/balancer, register: who }
    verify:
      - name: Is it in?
        delegate_to: "{{ host.vars.balancer }}"
        run: lbctl status
# file: inventory.yml
schema: 1
hosts: { web1: { vars: { balancer: lb1 } }, lb1: {} }
"#,
    },
];
