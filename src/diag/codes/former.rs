//! `PS0760`: what a former run left stands in the way.

use super::Code;

pub(super) const CODES: &[Code] = &[Code {
    code: "PS0760",
    title: "the last drill is not cleaned up",
    text: "A run of kind `dr_drill` or `restore_test` does not start while a former one of the same kind, which worked on one of its hosts or is of the same runbook and inventory, still owes something: an undo, a cleanup, a host out of service, a step of which nobody knows how it ended. What was left there would be taken for the state from before, and two drills would clean up after each other. `run` refuses with exit 6, and the plan's page warns; locks and silences do not count. `pitstop owed --clean RUN` runs the cleanup that is left (one that failed only after `pitstop settle RUN HOST/STEP rerun --reason WHY`), `pitstop resume RUN` goes on, `pitstop resume RUN --rollback` takes back, and `pitstop settle RUN OBLIGATION done --reason WHY` tells what was put right by hand. This holds in an outage, too: each of these takes a moment. Only runs in the same state directory are known; the lock on the hosts guards against the others.",
    wrong: "",
    right: "",
}];
