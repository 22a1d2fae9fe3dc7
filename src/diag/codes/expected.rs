//! `PS072x`, `PS0730`: what came otherwise than a test of a runbook expected.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0720",
        title: "a case ended with another exit code",
        text: "The help lines say why the run ended as it did, and what it sent last.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 1 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0 }
",
    },
    Code {
        code: "PS0721",
        title: "a host ended otherwise",
        text: "The state is the worst over all phases; `PHASE/HOST` asks for one phase.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, hosts: { web1: held } }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, hosts: { web1: ok } }
",
    },
    Code {
        code: "PS0722",
        title: "commands did not come in this order",
        text: "The items of `order` must be sent one after another; other commands may come between them.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, order: [change, stop] }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, order: [stop, change] }
",
    },
    Code {
        code: "PS0723",
        title: "other steps were undone",
        text: "A step counts as undone when each of its undo steps that ran ended ok.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$, rc: 1 }, { match: ^start$ }] }
    expect: { exit: 4, undone: [] }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$, rc: 1 }, { match: ^start$ }] }
    expect: { exit: 4, undone: [web/stop@web1] }
",
    },
    Code {
        code: "PS0724",
        title: "something else was left behind",
        text: "The ids are those of `pitstop owed`: undo:PHASE/HOST/STEP, undrain:PHASE/HOST, cleanup:PHASE/HOST/STEP, step:PHASE/HOST/STEP, lock:HOST. An empty list says that nothing is.",
        wrong: r#"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, left_behind: ["undo:web/web1/stop"] }
"#,
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0, left_behind: [] }
",
    },
    Code {
        code: "PS0725",
        title: "a mark stands otherwise",
        text: "Over several hosts the latest moment counts, for a `mark_start` the earliest.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$, after: 2s }, { match: ^change$ }] }
    expect: { exit: 0, marks: { stopped: 1m } }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$, after: 2s }, { match: ^change$ }] }
    expect: { exit: 0, marks: { stopped: 2s } }
",
    },
    Code {
        code: "PS0726",
        title: "an answer that no command used",
        text: "It stands for something the runbook was to do and did not. Delete it, or find out why.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }, { match: ^start$ }] }
    expect: { exit: 0 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0 }
",
    },
    Code {
        code: "PS0727",
        title: "a command that no answer matches",
        text: "A test says everything that hosts are asked: a command without an answer may be one that should not be sent.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$, rc: 1 }] }
    expect: { exit: 1 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$, rc: 1 }, { match: ^start$ }] }
    expect: { exit: 4 }
",
    },
    Code {
        code: "PS0728",
        title: "an approval that nobody asked for",
        text: "The gate was not opened, was over before the person's time, or the manual step did not come.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    approvals: [{ manual: pull the cable, decision: done, after: 1m }]
    expect: { exit: 0 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0 }
",
    },
    Code {
        code: "PS0729",
        title: "a signal that was never sent",
        text: "The run was over before its moment, or the step was never sent.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    signals: [{ at: 10h, send: int }]
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: rollback_host
    steps:
      - { id: stop, name: Stop it, run: stop, mark: stopped, undo: [{ name: Start it, run: start }] }
      - { id: change, name: Change it, run: change, undo: { covered_by: stop } }
# file: example.test.yml
schema: 1
runbook: example.yml
inventory: { schema: 1, hosts: { web1: {} } }
cases:
  - name: it works
    answers: { web1: [{ match: ^stop$ }, { match: ^change$ }] }
    expect: { exit: 0 }
",
    },
    Code {
        code: "PS0730",
        title: "the run stands still",
        text: "In simulated time 60 days went by without its end.",
        wrong: "",
        right: "",
    },
];
