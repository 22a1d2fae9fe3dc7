//! Tests of runbooks: how they are written, and what came otherwise than expected.

use super::Code;

/// A code whose examples take a whole test file or a run, which the corpus and `tests/testing` hold.
const fn code(code: &'static str, title: &'static str, text: &'static str) -> Code {
    Code {
        code,
        title,
        text,
        wrong: "",
        right: "",
    }
}

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
    code(
        "PS0713",
        "the plan has no such host",
        "Answers and expectations name hosts of the case's plan, by name or glob; the control machine is `controller`.",
    ),
    code(
        "PS0714",
        "the plan has no such gate",
        "A gate between phases is known by its id, one of a rollout as PHASE/N, where N is the batch after which it is asked.",
    ),
    code(
        "PS0715",
        "the plan has no such step",
        "A signal's moment names a step of the plan as PHASE/STEP or PHASE/STEP@HOST; undo steps are PHASE/STEP/1 and so on.",
    ),
    code(
        "PS0716",
        "this journal cannot be replayed",
        "A replay answers with the results of a finished run of one process: its `journal.jsonl`, with the `output` folder beside it where output was long. The runbook must still have the recorded steps.",
    ),
    code(
        "PS0720",
        "a case ended with another exit code",
        "The help lines say why the run ended as it did, and what it sent last.",
    ),
    code(
        "PS0721",
        "a host ended otherwise",
        "The state is the worst over all phases; `PHASE/HOST` asks for one phase.",
    ),
    code(
        "PS0722",
        "commands did not come in this order",
        "The items of `order` must be sent one after another; other commands may come between them.",
    ),
    code(
        "PS0723",
        "other steps were undone",
        "A step counts as undone when each of its undo steps that ran ended ok.",
    ),
    code(
        "PS0724",
        "something else was left behind",
        "The ids are those of `pitstop owed`: undo:PHASE/HOST/STEP, undrain:PHASE/HOST, cleanup:PHASE/HOST/STEP, step:PHASE/HOST/STEP, lock:HOST. An empty list says that nothing is.",
    ),
    code(
        "PS0725",
        "a mark stands otherwise",
        "Over several hosts the latest moment counts, for a `mark_start` the earliest.",
    ),
    code(
        "PS0726",
        "an answer that no command used",
        "It stands for something the runbook was to do and did not. Delete it, or find out why.",
    ),
    code(
        "PS0727",
        "a command that no answer matches",
        "A test says everything that hosts are asked: a command without an answer may be one that should not be sent.",
    ),
    code(
        "PS0728",
        "an approval that nobody asked for",
        "The gate was not opened, was over before the person's time, or the manual step did not come.",
    ),
    code(
        "PS0729",
        "a signal that was never sent",
        "The run was over before its moment, or the step was never sent.",
    ),
    code(
        "PS0730",
        "the run stands still",
        "In simulated time 60 days went by without its end.",
    ),
];
