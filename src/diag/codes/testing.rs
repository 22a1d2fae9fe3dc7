//! Tests of runbooks: how they are written, and what came otherwise than expected.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0700",
        title: "a test has no cases",
        text: "A test lists `cases`, each with a `name`, the `answers` of its hosts and what it `expect`s.",
        wrong: "cases: []\n",
        right: "cases:\n  - name: it works\n    expect: { exit: 0 }\n",
    },
    Code {
        code: "PS0701",
        title: "this is no regular expression",
        text: "`match`, `manual` and `order` hold regular expressions that are looked for in the rendered text. Characters with a meaning there, such as `[ ( * . ?`, are written with a backslash where the command itself holds them.",
        wrong: "cases:\n  - name: it works\n    answers: { web1: [{ match: 'echo (done' }] }\n    expect: { exit: 0 }\n",
        right: "cases:\n  - name: it works\n    answers: { web1: [{ match: 'echo \\(done' }] }\n    expect: { exit: 0 }\n",
    },
    Code {
        code: "PS0702",
        title: "keys of an answer exclude each other",
        text: "A command that is refused, hangs or lies has no exit code of its own, and one that is not sent has no output. `docs/testing-runbooks.md` has the table.",
        wrong: "cases:\n  - name: it lies\n    answers: { web1: [{ match: restart, then: lie, rc: 1 }] }\n    expect: { exit: 1 }\n",
        right: "cases:\n  - name: it lies\n    answers: { web1: [{ match: restart, then: lie }] }\n    expect: { exit: 1 }\n",
    },
    Code {
        code: "PS0703",
        title: "`away` beside a fault that keeps the link",
        text: "`away` says how long a host takes no login after `refuse`, `cut` or `reboot`. The other faults do not lose the link.",
        wrong: "cases:\n  - name: it hangs\n    answers: { web1: [{ match: restart, then: hang, away: 5m }] }\n    expect: { exit: 1 }\n",
        right: "cases:\n  - name: the link is cut\n    answers: { web1: [{ match: restart, then: cut, away: 5m }] }\n    expect: { exit: 1 }\n",
    },
    Code {
        code: "PS0704",
        title: "an answer that is never given",
        text: "Of the answers to one command the first that is left is given. One with `repeat: true` is always left, so what stands behind it for the same command is never reached.",
        wrong: "cases:\n  - name: first good, then bad\n    answers: { web1: [{ match: health, repeat: true }, { match: health, rc: 1 }] }\n    expect: { exit: 1 }\n",
        right: "cases:\n  - name: first good, then bad\n    answers: { web1: [{ match: health, repeat: 2 }, { match: health, rc: 1 }] }\n    expect: { exit: 1 }\n",
    },
    Code {
        code: "PS0705",
        title: "an approval answers a gate or a manual step",
        text: "Exactly one of `gate` and `manual` says what a person is asked.",
        wrong: "cases:\n  - name: approved\n    approvals: [{ by: anna@example.com }]\n    expect: { exit: 0 }\n",
        right: "cases:\n  - name: approved\n    approvals: [{ gate: go, by: anna@example.com }]\n    expect: { exit: 0 }\n",
    },
    Code {
        code: "PS0706",
        title: "this is no moment",
        text: "A signal comes so long after the start (`10m`) or when a step is about to be sent (`PHASE/STEP@HOST`). A mark is `set`, `missing`, so long after the start, or at a time with its offset. `starts` is a time with its offset.",
        wrong: "cases:\n  - name: stopped\n    signals: [{ at: noon, send: int }]\n    expect: { exit: 7 }\n",
        right: "cases:\n  - name: stopped\n    signals: [{ at: 10m, send: int }]\n    expect: { exit: 7 }\n",
    },
    Code {
        code: "PS0707",
        title: "no run ends with this exit code",
        text: "The exit codes of a run are 0 to 8 and 70: `pitstop --help` lists them.",
        wrong: "cases:\n  - name: it fails\n    expect: { exit: 9 }\n",
        right: "cases:\n  - name: it fails\n    expect: { exit: 1 }\n",
    },
    Code {
        code: "PS0708",
        title: "a case expects nothing",
        text: "A case without expectations passes whatever the runbook does. Say at least how the run exits and how its hosts end.",
        wrong: "cases:\n  - name: it works\n    expect: {}\n",
        right: "cases:\n  - name: it works\n    expect: { exit: 0 }\n",
    },
    Code {
        code: "PS0709",
        title: "a case with both answers and a journal",
        text: "A journal is the script of its whole run. Cases that differ from it have `answers` of their own.",
        wrong: "cases:\n  - name: as last night\n    journal: tests/night/journal.jsonl\n    answers: {}\n    expect: { exit: 0 }\n",
        right: "cases:\n  - name: as last night\n    journal: tests/night/journal.jsonl\n    expect: { exit: 0 }\n",
    },
    Code {
        code: "PS0710",
        title: "an item of `order` is one command",
        text: "Each item is an expression, or one host with an expression: a map with one key.",
        wrong: "cases:\n  - name: one by one\n    expect: { order: [{ web1: restart, web2: restart }] }\n",
        right: "cases:\n  - name: one by one\n    expect: { order: [{ web1: restart }, { web2: restart }] }\n",
    },
    Code {
        code: "PS0711",
        title: "two cases have one name",
        text: "Reports and `--case` know a case by its name.",
        wrong: "cases:\n  - name: it works\n    expect: { exit: 0 }\n  - name: it works\n    expect: { exit: 1 }\n",
        right: "cases:\n  - name: it works\n    expect: { exit: 0 }\n  - name: it fails\n    expect: { exit: 1 }\n",
    },
    Code {
        code: "PS0712",
        title: "this is no step of a host",
        text: "`undone` lists steps as PHASE/STEP@HOST; a host may be a glob. It lists all of them: what is undone and not listed fails the case too.",
        wrong: "cases:\n  - name: taken back\n    expect: { undone: [restart] }\n",
        right: "cases:\n  - name: taken back\n    expect: { undone: [web/restart@web1] }\n",
    },
    Code {
        code: "PS0713",
        title: "the plan has no such host",
        text: "Answers and expectations name hosts of the case's plan, by name or glob; the control machine is `controller`.",
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
    expect: { exit: 0, hosts: { web2: ok } }
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
        code: "PS0714",
        title: "the plan has no such gate",
        text: "A gate between phases is known by its id, one of a rollout as PHASE/N, where N is the batch after which it is asked.",
        wrong: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - gate: go
    title: Go on?
    need: 1
    not_operator: false
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
    approvals: [{ gate: og, after: 1m }]
    expect: { exit: 0 }
",
        right: r"# $ pitstop test .
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - gate: go
    title: Go on?
    need: 1
    not_operator: false
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
    approvals: [{ gate: go, after: 1m }]
    expect: { exit: 0 }
",
    },
    Code {
        code: "PS0715",
        title: "the plan has no such step",
        text: "A signal's moment names a step of the plan as PHASE/STEP or PHASE/STEP@HOST; undo steps are PHASE/STEP/1 and so on.",
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
    signals: [{ at: web/stpo, send: int }]
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
        code: "PS0716",
        title: "this journal cannot be replayed",
        text: "A replay answers with the results of a finished run of one process: its `journal.jsonl`, with the `output` folder beside it where output was long. The runbook must still have the recorded steps.",
        wrong: "",
        right: "",
    },
];
