//! `PS02xx`: what is well formed and still cannot be meant.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0201",
        title: "this cannot be a name",
        text: "Ids are letters, digits, `-`, `_` and `.`. What expressions name (parameters, targets, secrets, marks, registered results) is letters, digits and `_`, a letter first.",
        wrong: r"parameters:
  my-name: { type: string }
",
        right: r"parameters:
  my_name: { type: string }
",
    },
    Code {
        code: "PS0202",
        title: "a name is used twice",
        text: "Ids are unique in their phase, registered names too, phases and gates in the runbook: records refer to them.",
        wrong: r"- id: a
  name: One
  run: date
- id: a
  name: Two
  run: date
",
        right: r"- id: a
  name: One
  run: date
- id: b
  name: Two
  run: date
",
    },
    Code {
        code: "PS0203",
        title: "a name that is declared nowhere",
        text: "A set of targets, a rollout, a mode or a step is named that does not exist.",
        wrong: r"phases:
  - phase: look
    title: Look
    targets: wbe
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
        right: r"targets:
  web: { hosts: [web1] }
phases:
  - phase: look
    title: Look
    targets: web
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0204",
        title: "this step cannot cover another",
        text: "`covered_by` names an earlier step of the same phase whose undo is a list of steps and always runs when this step's would be owed: without `when`, in the same modes.",
        wrong: r"- name: One
  run: date
  undo: { covered_by: two }
",
        right: r"- id: two
  name: Two
  run: date
  undo:
    - name: Back
      run: date
- name: One
  run: date
  undo: { covered_by: two }
",
    },
    Code {
        code: "PS0205",
        title: "a phase with `drain` has `verify` and `undrain`",
        text: "A host that is taken out of service is proven good and brought back.",
        wrong: r"phases:
  - phase: p
    title: P
    on_failure: hold
    drain:
      - name: Out
        run: out
    undrain:
      - name: In
        run: in
",
        right: r"phases:
  - phase: p
    title: P
    on_failure: hold
    drain:
      - name: Out
        run: out
    verify:
      - name: Answers
        run: ask
    undrain:
      - name: In
        run: in
",
    },
    Code {
        code: "PS0206",
        title: "only a precheck can be fresh",
        text: "`fresh` repeats a precheck directly before its host starts.",
        wrong: r"- name: One
  run: date
  fresh: true
",
        right: r"- name: One
  run: date
",
    },
    Code {
        code: "PS0207",
        title: "this step may not fail",
        text: "A step of `verify` that may fail proves nothing, and a host on which a step with an undo failed does not go on.",
        wrong: r"- name: One
  run: date
  may_fail: It does not matter
  undo:
    - name: Back
      run: date
",
        right: r"- name: One
  run: date
  may_fail: It does not matter
",
    },
    Code {
        code: "PS0208",
        title: "a changing step that runs once is a bracket round its phase",
        text: "It opens something in `drain`, before the first host, and a step of `cleanup` closes it after the last.",
        wrong: r"- name: One
  run: date
  once: true
",
        right: r"- name: One
  run: date
",
    },
    Code {
        code: "PS0209",
        title: "hold stops at the first failure",
        text: "A phase that takes nothing back does not go on with a failed host behind it, so `max_fail` above 0 contradicts it.",
        wrong: r"rollouts:
  r: { batches: [1], max_fail: 2 }
phases:
  - phase: p
    title: P
    rollout: r
    on_failure: hold
    steps:
      - name: One
        run: date
",
        right: r"rollouts:
  r: { batches: [1] }
phases:
  - phase: p
    title: P
    rollout: r
    on_failure: hold
    steps:
      - name: One
        run: date
",
    },
    Code {
        code: "PS0210",
        title: "the kind of the runbook asks for more",
        text: "`check` holds only read-only steps, `restore_test` has objectives and a cleanup, the phases of `patch` verify their work.",
        wrong: r"kind: restore_test
objectives:
  rto: { from: a, to: b, max: 1h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        mark_start: a
        mark: b
",
        right: r"kind: restore_test
objectives:
  rto: { from: a, to: b, max: 1h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        mark_start: a
        mark: b
    cleanup:
      - name: Wipe
        run: wipe
",
    },
    Code {
        code: "PS0211",
        title: "a test has a step that cannot be taken back",
        text: "The mode `test` is for rehearsals: it has no point of no return.",
        wrong: r"modes: [test, real]
phases:
  - phase: p
    title: P
    steps:
      - name: One
        run: date
        undo: { none: It is final }
",
        right: r"modes: [test, real]
phases:
  - phase: p
    title: P
    only_in: [real]
    steps:
      - name: One
        run: date
        undo: { none: It is final }
",
    },
    Code {
        code: "PS0212",
        title: "no step sets a mark that an objective needs",
        text: "An objective is the time between two marks; a mark that is never set misses it always.",
        wrong: r"objectives:
  rto: { from: began, to: ended, max: 1h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        mark_start: began
",
        right: r"objectives:
  rto: { from: began, to: ended, max: 1h }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        mark_start: began
        mark: ended
",
    },
    Code {
        code: "PS0213",
        title: "a step that changes something has no undo",
        text: "Where a rollback can reach, each changing step of `steps` says how it is taken back, or why it cannot be. The default `on_failure` is `rollback_host`.",
        wrong: r"phases:
  - phase: p
    title: P
    steps:
      - name: One
        run: date
",
        right: r"phases:
  - phase: p
    title: P
    steps:
      - name: One
        run: date
        undo: { none: A date cannot be taken back }
",
    },
    Code {
        code: "PS0214",
        title: "a gate says who passes it",
        text: "A gate names groups of the policy and how many different people it needs, or is the operator's own with `not_operator: false`.",
        wrong: r"phases:
  - gate: go
    title: Go on?
",
        right: r"phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [managers]
",
    },
    Code {
        code: "PS0216",
        title: "a parameter's own rules contradict each other",
        text: "The default obeys `allowed`, `pattern`, `min` and `max`, and some value is possible.",
        wrong: r"parameters:
  n: { type: int, default: 5, max: 4 }
",
        right: r"parameters:
  n: { type: int, default: 4, max: 4 }
",
    },
    Code {
        code: "PS0217",
        title: "this is no regular expression",
        text: "Patterns have the syntax of Rust's regex: no look-around, no back-references. A pattern matches the whole text.",
        wrong: r#"parameters:
  n: { type: string, pattern: "(" }
"#,
        right: r#"parameters:
  n: { type: string, pattern: "[a-z]+" }
"#,
    },
    Code {
        code: "PS0218",
        title: "a manual step says how long a person has",
        text: "Nothing waits without a limit, a person neither.",
        wrong: r"- name: Look
  manual: Look at the lamp
",
        right: r"- name: Look
  manual: Look at the lamp
  timeout: 30m
",
    },
    Code {
        code: "PS0219",
        title: "a phase does nothing",
        text: "None of its six stages has a step.",
        wrong: r"phases:
  - phase: p
    title: P
",
        right: r"phases:
  - phase: p
    title: P
    verify:
      - name: Wait
        wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0220",
        title: "a step changes something where nothing may change",
        text: "The steps of `precheck`, `verify` and `steady_state` are repeated and run before anybody decided: they only look.",
        wrong: r#"phases:
  - phase: p
    title: P
    verify:
      - name: Tell it
        http: { method: POST, url: "http://localhost/" }
"#,
        right: r#"phases:
  - phase: p
    title: P
    verify:
      - name: Ask it
        http: { url: "http://localhost/" }
"#,
    },
    Code {
        code: "PS0221",
        title: "an undo where there is nothing to undo",
        text: "Only `steps` are undone. `undrain` takes `drain` back; undo steps have no undo of their own.",
        wrong: r"phases:
  - phase: p
    title: P
    verify:
      - name: Ask it
        run: ask
        undo:
          - name: Back
            run: back
",
        right: r"phases:
  - phase: p
    title: P
    verify:
      - name: Ask it
        run: ask
",
    },
    Code {
        code: "PS0222",
        title: "there is no such time zone",
        text: "Zones have the names of the IANA database.",
        wrong: r"window: { duration: 4h, timezone: Berlin }
",
        right: r"window: { duration: 4h, timezone: Europe/Berlin }
",
    },
    Code {
        code: "PS0223",
        title: "no host could ever start in this window",
        text: "The window is not longer than its own cut-off or reserve.",
        wrong: r"window: { duration: 1h, cutoff: 2h }
",
        right: r"window: { duration: 4h, cutoff: 2h }
",
    },
    Code {
        code: "PS0224",
        title: "a limit of nothing",
        text: "With no time nothing can be done.",
        wrong: r"- name: One
  run: date
  timeout: 0s
",
        right: r"- name: One
  run: date
  timeout: 1m
",
    },
    Code {
        code: "PS0225",
        title: "a read-only step owes no undo",
        text: "What changes nothing is not taken back; its undo would never run.",
        wrong: r"- name: One
  run: date
  read_only: true
  undo: { none: It is final }
",
        right: r"- name: One
  run: date
  read_only: true
",
    },
    Code {
        code: "PS0226",
        title: "a key that only a process has",
        text: "`env`, `stdin` and `ok_codes` belong to `run`, `script` and `compare`, `env` also to the checks `sql` and `command`. Elsewhere nothing would read them.",
        wrong: r"- name: Wait
  wait_for: { time: 5s }
  env: { A: b }
",
        right: r"- name: Wait
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0227",
        title: "an install on Linux says what happens to changed settings",
        text: "A package manager asks what to do with a settings file that was changed by hand, and nobody is there to answer. `conffiles: keep` leaves yours, `new` takes the package's, `fail` stops.",
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
    steps:
      - name: Install updates
        patch: { mode: install, classes: [security] }
        undo: { none: Updates stay }
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
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
    steps:
      - name: Install updates
        patch: { mode: install, classes: [security], conffiles: keep }
        undo: { none: Updates stay }
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
    },
    Code {
        code: "PS0228",
        title: "nothing was noted that this is compared with",
        text: "`baseline: { diff: STEP }` names an earlier step of the phase with `baseline: { capture: [...] }`, and `compare_to: STEP` of a `check` an earlier check of the same kind.",
        wrong: r"- id: before
  name: Note it
  baseline: { capture: [packages] }
- name: What has changed?
  baseline: { diff: befor }
",
        right: r"- id: before
  name: Note it
  baseline: { capture: [packages] }
- name: What has changed?
  baseline: { diff: before }
",
    },
    Code {
        code: "PS0229",
        title: "this build plans it and cannot perform it",
        text: "The language has it: it is checked, planned and shown. `run` and `approve` refuse a plan that holds it before anything is contacted, because a step that is left out silently is a promise that is broken.",
        wrong: r"- name: It listens
  check: { firewall: { port: 443 } }
",
        right: r"- name: It listens
  check: { port: { port: 443 } }
",
    },
    Code {
        code: "PS0230",
        title: "no action for a host's operating system",
        text: "With `linux` and `windows` a step does something else on each. It needs an action for the `os` of every host where it is done.",
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
    verify:
      - name: What time is it?
        windows: { run: time /t }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
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
    verify:
      - name: What time is it?
        windows: { run: time /t }
        linux: { run: date }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
    },
    Code {
        code: "PS0231",
        title: "nothing sends this message",
        text: "`via` of `notify` names what `notify` in pitstop.yml has: a command (`ops: [post-message, ops]`) or a web address (`chat: { slack: { from: env, name: SLACK_URL } }`, `{ teams: … }`, `{ webhook: URL }`).",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
notify: [{ events: [host_failed], via: ops-chat }]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
notify: { chat: [post-message, ops] }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
notify: [{ events: [host_failed], via: chat }]
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: pitstop.yml
schema: 1
notify: { chat: [post-message, ops] }
",
    },
];
