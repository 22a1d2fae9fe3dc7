//! `PS05xx`: what stands in a change, a policy, a project, a review.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0520",
        title: "`--set` without a value",
        text: "Parameters are set as `--set NAME=VALUE`.",
        wrong: r"# $ pitstop plan example.yml --set port
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
        code: "PS0521",
        title: "a change sets what belongs to the runbook",
        text: "How long a window is and what it keeps free belongs to the procedure. The change says when it begins, and in which time zone.",
        wrong: r#"# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
window: { start: "2026-12-06T01:00", timezone: UTC, duration: 6h }
"#,
        right: r#"# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
window: { start: "2026-12-06T01:00", timezone: UTC }
"#,
    },
    Code {
        code: "PS0522",
        title: "something is left out without a reason",
        text: "The reason stands in the plan, where approvers read it, and in the record.",
        wrong: r"# file: example.yml
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
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
skip: [two]
",
        right: r"# file: example.yml
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
# file: change.yml
schema: 1
change: CHG-1
runbook: example.yml
skip: [{ id: two, reason: Not needed today }]
",
    },
    Code {
        code: "PS0530",
        title: "a provider has no command",
        text: "A secret provider is a program and its arguments as a list. It runs without a shell.",
        wrong: r"# file: pitstop.yml
schema: 1
providers: { vault: [] }
",
        right: r"# file: pitstop.yml
schema: 1
providers: { vault: [vault, kv, get] }
",
    },
    Code {
        code: "PS0531",
        title: "something cannot be used as a project",
        text: "The project is the folder that holds pitstop.yml: the nearest one above the runbook, or what `--project` names. Runbooks, changes, policy and everything they include lie in it.",
        wrong: r"# $ pitstop plan example.yml --project nowhere
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --project .
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
    Code {
        code: "PS0532",
        title: "a silence is too short or too long",
        text: "A silence is set for the time that `for` says and renewed while the run lives, when half of it is over. It is how long monitoring stays quiet when the control machine dies: 10 s to 24 h, 30 min unless written.",
        wrong: r#"# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://alerts.example.org", for: 7d } }
"#,
        right: r#"# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://alerts.example.org", for: 1h } }
"#,
    },
    Code {
        code: "PS0533",
        title: "a URL of pitstop.yml cannot be asked",
        text: "It begins with http:// or https:// and names a host. Names and passwords do not stand in it: a token of Alertmanager comes from where `token` says, and a whole URL that is a secret from where `{ from: env, name: VAR }` says.",
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://me:hunter22@alerts.example.org" } }
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://alerts.example.org", token: { from: env, name: ALERTS_TOKEN } } }
"#,
    },
    Code {
        code: "PS0534",
        title: "nothing keeps quiet",
        text: "`via` of `silence` names monitoring of `silence` in pitstop.yml: `silence: { alertmanager: { alertmanager: \"https://alerts.example.org\" } }`. Only Alertmanager is known.",
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
silence: [{ via: alertmanager, match: { env: prod } }]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://alerts.example.org" } }
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
silence: [{ via: alerts, match: { env: prod } }]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
silence: { alerts: { alertmanager: "https://alerts.example.org" } }
"#,
    },
    Code {
        code: "PS0540",
        title: "a policy has approvers and no `allowed_signers`",
        text: "Approvals are SSH signatures. Without the file of public keys none could be checked.",
        wrong: r#"# file: policy.yml
schema: 1
approvers: { managers: [ana@example.com] }
"#,
        right: r#"# file: policy.yml
schema: 1
allow_local: true
"#,
    },
    Code {
        code: "PS0541",
        title: "the policy does not have a group",
        text: "Gates and changes name groups of people; policy.yml says who is in them.",
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
    need: 1
    approvers: [mangers]
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
        code: "PS0550",
        title: "a day of a review is no day of the calendar",
        text: "Days are written YEAR-MONTH-DAY, so that nobody has to guess which number is the month.",
        wrong: r#"# file: review.yml
schema: 1
findings:
  - { id: F-1, text: The phone list was old, due: 31.12.2026 }
"#,
        right: r#"# file: review.yml
schema: 1
findings:
  - { id: F-1, text: The phone list was old, due: 2026-12-31 }
"#,
    },
    Code {
        code: "PS0551",
        title: "two findings of a review have one id",
        text: "By its id the next drill's report tells what became of a finding.",
        wrong: r#"# file: review.yml
schema: 1
findings:
  - { id: F-1, text: The phone list was old }
  - { id: F-1, text: Nobody knew the password }
"#,
        right: r#"# file: review.yml
schema: 1
findings:
  - { id: F-1, text: The phone list was old }
  - { id: F-2, text: Nobody knew the password }
"#,
    },
    Code {
        code: "PS0560",
        title: "a schedule is a cron line or a weekday of the month",
        text: "`cron` stands alone; without it `nth`, `weekday` and `at` say when, and `plus_days` how many days later.",
        wrong: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\", nth: 2 } }\n",
        right: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\" } }\n",
    },
    Code {
        code: "PS0561",
        title: "the cron line is wrong",
        text: "It has five fields: minute, hour, day, month, weekday. Lists, ranges, steps, names, `TUE#2`, `FRIL` and `L` are read; seconds and `@daily` are not. Days that never come are refused.",
        wrong: "window: { duration: 4h, schedule: { cron: \"0 22 30 2 *\" } }\n",
        right: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\" } }\n",
    },
    Code {
        code: "PS0562",
        title: "the schedule's weekday or time is wrong",
        text: "`nth` is 1 to 5, or -1 for the last; `at` is a time of day in the window's zone.",
        wrong: "window: { duration: 4h, schedule: { nth: 2, weekday: tuesday, at: \"10 pm\" } }\n",
        right: "window: { duration: 4h, schedule: { nth: 2, weekday: tuesday, at: \"22:00\" } }\n",
    },
    Code {
        code: "PS0563",
        title: "the start is outside the runbook's schedule",
        text: "A runbook with a schedule begins only when that says. `pitstop plan RUNBOOK --next 5` lists the next times; without a start the next one is taken.",
        wrong: r#"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone UTC
# file: example.yml
schema: 1
runbook: example
title: An example
window:
  duration: 4h
  timezone: UTC
  schedule: { nth: 1, weekday: sunday, at: "02:00" }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
"#,
        right: r#"# $ pitstop plan example.yml --start 2026-12-06T02:00 --timezone UTC
# file: example.yml
schema: 1
runbook: example
title: An example
window:
  duration: 4h
  timezone: UTC
  schedule: { nth: 1, weekday: sunday, at: "02:00" }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
"#,
    },
];
