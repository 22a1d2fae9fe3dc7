//! `PS024x` to `PS026x`: what is legal word by word and can still never happen, never end in time or never be noticed.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0240",
        title: "no mode runs this step",
        text: "A step runs in the modes that it and its phase have in common, an undo step in those that it and the step it takes back have in common. Here there are none.",
        wrong: r"modes: [test, real]
phases:
  - phase: p
    title: P
    only_in: [real]
    on_failure: hold
    steps:
      - name: One
        run: date
        only_in: [test]
",
        right: r"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        only_in: [test]
",
    },
    Code {
        code: "PS0243",
        title: "a condition that is never true",
        text: "Every mode and every allowed value of the parameters was tried: the step or phase never runs.",
        wrong: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        when: "run.mode == 'test' and run.mode == 'real'"
"#,
        right: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        when: "run.mode == 'test' or run.mode == 'real'"
"#,
    },
    Code {
        code: "PS0246",
        title: "a limit longer than the window",
        text: "A step that has begun is not stopped by the window's end, and a gate or a wait that is longer than the window leaves no time for what follows.",
        wrong: r"window: { duration: 2h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        timeout: 3h
",
        right: r"window: { duration: 4h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        timeout: 3h
",
    },
    Code {
        code: "PS0247",
        title: "declared and used nowhere",
        text: "A parameter, set of targets, rollout or registered result that nothing reads is a leftover, or its name is misspelt where it was meant.",
        wrong: r"targets:
  web: { hosts: [web1] }
  wbe: { hosts: [web2] }
phases:
  - phase: p
    title: P
    targets: web
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
        right: r"targets:
  web: { hosts: [web1] }
phases:
  - phase: p
    title: P
    targets: web
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0252",
        title: "a mark is set twice on one host",
        text: "Of two the first counts, so the second says nothing.",
        wrong: r"- name: One
  run: date
  mark: done
- name: Two
  run: date
  mark: done
",
        right: r"- name: One
  run: date
  mark: begun
- name: Two
  run: date
  mark: done
",
    },
    Code {
        code: "PS0257",
        title: "a gate between batches that is never asked",
        text: "A gate of a rollout is asked after a batch that another one follows. With one batch nobody is ever asked.",
        wrong: r"targets:
  web: { select: role=web }
phases:
  - phase: p
    title: P
    targets: web
    on_failure: hold
    rollout: { gate: { title: Go on?, after_batch: 1, need: 1, approvers: [managers] } }
    steps:
      - name: One
        run: date
",
        right: r"targets:
  web: { select: role=web }
phases:
  - phase: p
    title: P
    targets: web
    on_failure: hold
    rollout: { batches: [1, 5], gate: { title: Go on?, after_batch: 1, need: 1, approvers: [managers] } }
    steps:
      - name: One
        run: date
",
    },
    Code {
        code: "PS0260",
        title: "an exit code that has failed the step already",
        text: "`expect` and `warn_unless` are asked besides the exit code, not instead of it. Which codes mean success, `ok_codes` says; without it only 0 does.",
        wrong: r#"- name: Ask for updates
  run: dnf check-update
  expect: "rc in [0, 100]"
"#,
        right: r"- name: Ask for updates
  run: dnf check-update
  ok_codes: [0, 100]
",
    },
    Code {
        code: "PS0261",
        title: "a check that cannot fail",
        text: "`|| true` throws the exit code away. In `precheck`, `verify` and `steady_state` the exit code is what the step is for.",
        wrong: r"phases:
  - phase: p
    title: P
    verify:
      - name: Answers
        run: curl -fsS http://localhost/ || true
",
        right: r"phases:
  - phase: p
    title: P
    verify:
      - name: Answers
        run: curl -fsS http://localhost/
",
    },
    Code {
        code: "PS0262",
        title: "somebody who may approve has no key",
        text: "`approvers` of policy.yml names a person for whom `allowed_signers` has no line with the namespace `pitstop-approval`, so that this person's word can never be proven.",
        wrong: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com, bo@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
"#,
        right: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
"#,
    },
    Code {
        code: "PS0263",
        title: "a rule that this type of parameter does not have",
        text: "`pattern` is for texts and for lists of texts; numbers, durations and moments have `min` and `max`.",
        wrong: r#"parameters:
  n: { type: int, pattern: "[0-9]+" }
"#,
        right: r"parameters:
  n: { type: int, min: 0 }
",
    },
    Code {
        code: "PS0264",
        title: "a reason that says nothing",
        text: "`may_fail` and `undo: { none: … }` are answered by a sentence: it stands in the plan and in the record.",
        wrong: r"- name: Fill the cache
  run: fill
  may_fail: true
",
        right: r"- name: Fill the cache
  run: fill
  may_fail: The cache fills itself again
",
    },
    Code {
        code: "PS0265",
        title: "a set without a host",
        text: "A set of targets lists hosts or selects them.",
        wrong: r"targets:
  web: { hosts: [] }
",
        right: r"targets:
  web: { hosts: [web1] }
",
    },
    Code {
        code: "PS0266",
        title: "this is no web address",
        text: "`http` asks an address that begins with `http://` or `https://`.",
        wrong: r"- name: Ask it
  http: { url: localhost/health }
",
        right: r#"- name: Ask it
  http: { url: "http://localhost/health" }
"#,
    },
];
