//! `PS01xx`: keys and the shape of their values.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0101",
        title: "a map was expected",
        text: "This part of a runbook holds `key: value` lines.",
        wrong: r"window: 4h
",
        right: r"window: { duration: 4h }
",
    },
    Code {
        code: "PS0102",
        title: "a key that is not known",
        text: "The language has no such key here. Nothing is ignored: a misspelt `timeout` would otherwise be no timeout.",
        wrong: r"- name: Wait a little
  wait_for: { time: 5s }
  timeuot: 1m
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
  timeout: 1m
",
    },
    Code {
        code: "PS0103",
        title: "a key without a value",
        text: "A key was written and nothing follows it. Write a value or delete the key.",
        wrong: r"- name: Wait a little
  wait_for: { time: 5s }
  timeout:
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
  timeout: 1m
",
    },
    Code {
        code: "PS0104",
        title: "a key that must be written is missing",
        text: "Some keys have no sensible default: what a step is called on the page that is approved, how long a window is.",
        wrong: r"- wait_for: { time: 5s }
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0105",
        title: "another shape of value was expected",
        text: "A text, a list or a map stands where another of them is wanted.",
        wrong: r"modes: test
",
        right: r"modes: [test]
",
    },
    Code {
        code: "PS0106",
        title: "true or false was expected",
        text: "Only `true` and `false` are booleans. `yes`, `no`, `on` and `off` are texts in YAML 1.2.",
        wrong: r"- name: Say it
  run: date
  read_only: yes
",
        right: r"- name: Say it
  run: date
  read_only: true
",
    },
    Code {
        code: "PS0107",
        title: "a whole number was expected",
        text: "Numbers are written without quotes, units or separators.",
        wrong: r"- name: Say it
  run: date
  read_only: true
  retry: { attempts: three }
",
        right: r"- name: Say it
  run: date
  read_only: true
  retry: { attempts: 3 }
",
    },
    Code {
        code: "PS0108",
        title: "a number is outside its limits",
        text: "The number is too small or too large for this key.",
        wrong: r"- name: Say it
  run: date
  read_only: true
  retry: { attempts: 0 }
",
        right: r"- name: Say it
  run: date
  read_only: true
  retry: { attempts: 1 }
",
    },
    Code {
        code: "PS0109",
        title: "a duration was expected",
        text: "Durations are whole numbers with their units, larger ones first: 90s, 10m, 1h30m, 2d, 500ms.",
        wrong: r"- name: Wait a little
  wait_for: { path: /run/ready }
  timeout: ten minutes
",
        right: r"- name: Wait a little
  wait_for: { path: /run/ready }
  timeout: 10m
",
    },
    Code {
        code: "PS0110",
        title: "not one of the words of this key",
        text: "The key takes one of a few words.",
        wrong: r"kind: pathc
",
        right: r"kind: change
",
    },
    Code {
        code: "PS0111",
        title: "a number of hosts or a percentage was expected",
        text: r#"Sizes are counts such as 3 or percentages in quotes such as "25%"."#,
        wrong: r"rollouts:
  wide: { batches: [half] }
",
        right: r#"rollouts:
  wide: { batches: ["50%"] }
"#,
    },
    Code {
        code: "PS0112",
        title: "a value is not of the type of its parameter",
        text: "The default, a limit or an allowed value does not have the type that the parameter declares.",
        wrong: r"parameters:
  part: { type: number, default: half }
",
        right: r"parameters:
  part: { type: number, default: 0.5 }
",
    },
    Code {
        code: "PS0113",
        title: "a type without an order has no limits",
        text: "`min` and `max` belong to int, number, duration and timestamp.",
        wrong: r"parameters:
  name: { type: string, max: 10 }
",
        right: r#"parameters:
  name: { type: string, pattern: ".{1,10}" }
"#,
    },
    Code {
        code: "PS0120",
        title: "a runbook begins with `schema`",
        text: "The first line says which version of the language follows, so that no build misreads a file of another.",
        wrong: r"runbook: example
schema: 1
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
        right: r"schema: 1
runbook: example
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0121",
        title: "another version of the language",
        text: "This build reads schema 1.",
        wrong: r"schema: 2
runbook: example
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
        right: r"schema: 1
runbook: example
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0122",
        title: "a runbook's id is the name of its file",
        text: "Records name runbooks by id; the file must be found by the same word.",
        wrong: r"schema: 1
runbook: other
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
        right: r"schema: 1
runbook: example
title: An example
phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0123",
        title: "a file cannot be read",
        text: "The file does not exist, lies outside the project, or may not be read.",
        wrong: r"- include: missing.yml
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0124",
        title: "this is no path of the project",
        text: "Paths are relative to the folder that holds pitstop.yml, have `/` between their parts, and never lead out of it: everything a run uses is in its plan.",
        wrong: r"- include: ../outside.yml
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0125",
        title: "a set of targets has either hosts or a selector",
        text: "Name the hosts, or say which labels they have. Not both, and not neither.",
        wrong: r"targets:
  web: {}
",
        right: r#"targets:
  web: { select: "role=web" }
"#,
    },
    Code {
        code: "PS0126",
        title: "a secret is written into the file",
        text: "A runbook says where a secret comes from, never what it is.",
        wrong: r"secrets:
  key: hunter22
",
        right: r"secrets:
  key: { from: env, name: REPO_KEY }
",
    },
    Code {
        code: "PS0127",
        title: "a runbook does not say when its window begins",
        text: "The same runbook runs every month. The change file of one run says when.",
        wrong: r#"window: { duration: 4h, start: "2026-12-06T01:00:00" }
"#,
        right: r"window: { duration: 4h }
",
    },
    Code {
        code: "PS0128",
        title: "phases is a list of phases and gates",
        text: "Each item begins with `phase: ID` or `gate: ID`, and there is at least one.",
        wrong: r"phases:
  - title: Look
",
        right: r"phases:
  - phase: look
    title: Look
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0129",
        title: "a file includes itself",
        text: "A list of steps cannot contain itself, directly or through another file.",
        wrong: r"# file: pool.yml
- include: pool.yml
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    on_failure: hold
    steps:
      - include: pool.yml
",
        right: r"# file: pool.yml
- { name: Wait, wait_for: { time: 5s } }
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    on_failure: hold
    steps:
      - include: pool.yml
",
    },
    Code {
        code: "PS0130",
        title: "an undo is a list of steps, or says why there is none",
        text: r#"There are three forms: a list of steps, `{ covered_by: STEP }`, and `{ none: "the reason" }`."#,
        wrong: r"- name: Stop it
  run: systemctl stop it
  undo: systemctl start it
",
        right: r"- name: Stop it
  run: systemctl stop it
  undo:
    - name: Start it again
      run: systemctl start it
",
    },
    Code {
        code: "PS0131",
        title: "a step has an action",
        text: "A step does one thing: run, powershell, script, upload, edit, download, check, assert, http, wait_for, service, package, patch, reboot, compare, baseline or manual.",
        wrong: r"- name: Wait a little
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0132",
        title: "a step has one action only",
        text: "Which of two would come first, and which of them failed? Make two steps of it.",
        wrong: r"- name: Do it
  run: date
  manual: Look at the date
",
        right: r"- name: Do it
  run: date
",
    },
    Code {
        code: "PS0133",
        title: "an empty command",
        text: "There is nothing to run.",
        wrong: r#"- name: Do it
  run: ""
"#,
        right: r"- name: Do it
  run: date
",
    },
    Code {
        code: "PS0134",
        title: "this is no file mode",
        text: "Modes are three or four octal digits, in quotes.",
        wrong: r"- name: Put it there
  upload: { src: a.conf, dest: /etc/a.conf, mode: rw }
",
        right: r#"- name: Put it there
  upload: { src: a.conf, dest: /etc/a.conf, mode: "0644" }
"#,
    },
    Code {
        code: "PS0135",
        title: "wait_for waits for one thing",
        text: "A port, a path, a connection, or a fixed time.",
        wrong: r"- name: Wait
  wait_for: { port: 80, path: /run/ready }
",
        right: r"- name: Wait
  wait_for: { port: 80 }
",
    },
    Code {
        code: "PS0136",
        title: "a key of a secret that belongs to another source",
        text: "A secret `from: env` has a `name`, `from: file` a `path`, `from: provider` a `provider` and `args`; `from: prompt` has nothing else.",
        wrong: r"secrets: { token: { from: env, name: TOKEN, path: /run/secrets/token } }
",
        right: r"secrets: { token: { from: file, path: /run/secrets/token } }
",
    },
    Code {
        code: "PS0137",
        title: "exactly one of several forms",
        text: "This map has forms that exclude each other. Write one of them.",
        wrong: r"- name: Show the time
  linux: {}
",
        right: r"- name: Show the time
  linux: { run: date }
",
    },
    Code {
        code: "PS0138",
        title: "keys that need or exclude one another",
        text: "One of these keys means nothing without another, or beside it.",
        wrong: r"- name: The port answers
  wait_for: { port: 443, host: www.example.com, from: controller }
  delegate_to: controller
",
        right: r"- name: The port answers
  wait_for: { port: 443, host: www.example.com, from: controller }
",
    },
    Code {
        code: "PS0139",
        title: "a range of a check",
        text: r#"What is good is written as monitoring plugins write it: "10" is from 0 to 10, "10:" is 10 or more, "~:10" is 10 or less, "10:20" is from 10 to 20, and "@10:20" is everything outside of that."#,
        wrong: r#"- name: How many are there?
  check: { process: { name: web }, warn: "10-20" }
"#,
        right: r#"- name: How many are there?
  check: { process: { name: web }, warn: "10:20" }
"#,
    },
    Code {
        code: "PS0140",
        title: "a key that takes no template",
        text: "Whom a step becomes stands in the plan that is approved, and is tried on each host before anything is changed. A name that differs from host to host stands in the inventory, and the step says `become: true`.",
        wrong: r#"- name: Ask the database
  run: psql -c 'select 1'
  become: "{{ host.vars.dba }}"
"#,
        right: r"- name: Ask the database
  run: psql -c 'select 1'
  become: postgres
",
    },
    Code {
        code: "PS0190",
        title: "a part of the language that a build cannot honour (retired)",
        text: "Builds that read the whole language, as this one does, never give this code. What this build only plans is PS0229.",
        wrong: "",
        right: "",
    },
];
