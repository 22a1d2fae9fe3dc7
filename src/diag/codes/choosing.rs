//! `PS069x`: hosts, steps and values that flags choose.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0690",
        title: "a list names an unknown host",
        text: "`--limit @FILE` and `--hosts-of` name hosts one by one; each must be in the inventory, so that a misspelt name is not a host that is quietly left out.",
        wrong: r"# $ pitstop plan example.yml --limit @list
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
# file: list
web3
",
        right: r"# $ pitstop plan example.yml --limit @list
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
# file: list
web2
",
    },
    Code {
        code: "PS0691",
        title: "a list names no host",
        text: "A file of `--limit @FILE` holds one host a line; `#` begins a comment. An empty one is a mistake more often than a wish.",
        wrong: r"# $ pitstop plan example.yml --limit @list
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
# file: list
# none yet
",
        right: r"# $ pitstop plan example.yml --limit @list
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
# file: list
web1
",
    },
    Code {
        code: "PS0692",
        title: "a step may not be done alone",
        text: "`--only` takes a phase, or a step of `steps` that changes something. What looks, drains, verifies, undrains and cleans up goes with it and cannot be chosen; a step whose undo is that of another (`covered_by`) needs that one too.",
        wrong: r#"# $ pitstop plan example.yml --only wait
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
      - { id: ask, name: Ask it, run: new-id, register: id, undo: { none: It only counts } }
      - { id: use, name: Use it, run: "use {{ id.stdout | sh }}", undo: { none: It only counts } }
    verify: [{ id: wait, name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
        right: r#"# $ pitstop plan example.yml --only ask
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
      - { id: ask, name: Ask it, run: new-id, register: id, undo: { none: It only counts } }
      - { id: use, name: Use it, run: "use {{ id.stdout | sh }}", undo: { none: It only counts } }
    verify: [{ id: wait, name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
    Code {
        code: "PS0693",
        title: "what is left out is needed",
        text: "A step that stays reads a result of one that `--only` leaves out. Choose both, or the whole phase. `ran` and `changed` of a step that is left out may be read: they are false.",
        wrong: r#"# $ pitstop plan example.yml --only use
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
      - { id: ask, name: Ask it, run: new-id, register: id, undo: { none: It only counts } }
      - { id: use, name: Use it, run: "use {{ id.stdout | sh }}", undo: { none: It only counts } }
    verify: [{ id: wait, name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
        right: r#"# $ pitstop plan example.yml --only use --only ask
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
      - { id: ask, name: Ask it, run: new-id, register: id, undo: { none: It only counts } }
      - { id: use, name: Use it, run: "use {{ id.stdout | sh }}", undo: { none: It only counts } }
    verify: [{ id: wait, name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
    Code {
        code: "PS0694",
        title: "the same is asked for and left out",
        text: "`--only` and `--skip` (or `skip` of the change) name the same step or phase.",
        wrong: r"# $ pitstop plan example.yml --only two --skip two=later
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
        right: r"# $ pitstop plan example.yml --only two --skip one=later
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
        code: "PS0695",
        title: "a file holds no parameters",
        text: "`--set-file FILE` reads a map: `name: value` lines or a JSON object. For one text from a file write `--set-file NAME=FILE`.",
        wrong: r"# $ pitstop plan example.yml --set-file values.yml
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
# file: values.yml
- port: 80
",
        right: r"# $ pitstop plan example.yml --set-file values.yml
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
# file: values.yml
port: 80
",
    },
    Code {
        code: "PS0696",
        title: "there is nothing to rehearse",
        text: "A rehearsal does the work on the first batch and takes it back. A plan that changes nothing has no way back to prove.",
        wrong: r"# $ pitstop plan example.yml --rehearse
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml
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
        code: "PS0697",
        title: "this step cannot be rehearsed",
        text: "A rehearsal takes everything back. A step without a way back, or with `undo: { none: REASON }`, would stay on a host that nobody meant to change yet: write its undo, or rehearse the other steps with `--skip`.",
        wrong: r#"# $ pitstop plan example.yml --rehearse
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    steps:
      - { id: flag, name: Set a flag, run: touch /var/tmp/flag, undo: { none: "nobody looks at it" } }
"#,
        right: r"# $ pitstop plan example.yml --rehearse
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    steps:
      - id: flag
        name: Set a flag
        run: touch /var/tmp/flag
        undo: [{ name: Take the flag away, run: rm /var/tmp/flag }]
    verify: [{ name: Wait, wait_for: { time: 1s } }]
",
    },
];
