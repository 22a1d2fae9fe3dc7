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
    code(
        "PS0700",
        "a test has no cases",
        "A test lists `cases`, each with a `name`, the `answers` of its hosts and what it `expect`s.",
    ),
    code(
        "PS0701",
        "this is no regular expression",
        "`match`, `manual` and `order` hold regular expressions that are looked for in the rendered text. Characters with a meaning there, such as `[ ( * . ?`, are written with a backslash where the command itself holds them.",
    ),
    code(
        "PS0702",
        "keys of an answer exclude each other",
        "A command that is refused, hangs or lies has no exit code of its own, and one that is not sent has no output. `docs/testing-runbooks.md` has the table.",
    ),
    code(
        "PS0703",
        "`away` beside a fault that keeps the link",
        "`away` says how long a host takes no login after `refuse`, `cut` or `reboot`. The other faults do not lose the link.",
    ),
    code(
        "PS0704",
        "an answer that is never given",
        "Of the answers to one command the first that is left is given. One with `repeat: true` is always left, so what stands behind it for the same command is never reached.",
    ),
    code(
        "PS0705",
        "an approval answers a gate or a manual step",
        "Exactly one of `gate` and `manual` says what a person is asked.",
    ),
    code(
        "PS0706",
        "this is no moment",
        "A signal comes so long after the start (`10m`) or when a step is about to be sent (`PHASE/STEP@HOST`). A mark is `set`, `missing`, so long after the start, or at a time with its offset. `starts` is a time with its offset.",
    ),
    code(
        "PS0707",
        "no run ends with this exit code",
        "The exit codes of a run are 0 to 8 and 70: `pitstop --help` lists them.",
    ),
    code(
        "PS0708",
        "a case expects nothing",
        "A case without expectations passes whatever the runbook does. Say at least how the run exits and how its hosts end.",
    ),
    code(
        "PS0709",
        "a case with both answers and a journal",
        "A journal is the script of its whole run. Cases that differ from it have `answers` of their own.",
    ),
    code(
        "PS0710",
        "an item of `order` is one command",
        "Each item is an expression, or one host with an expression: a map with one key.",
    ),
    code(
        "PS0711",
        "two cases have one name",
        "Reports and `--case` know a case by its name.",
    ),
    code(
        "PS0712",
        "this is no step of a host",
        "`undone` lists steps as PHASE/STEP@HOST; a host may be a glob. It lists all of them: what is undone and not listed fails the case too.",
    ),
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
