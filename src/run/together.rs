//! Which steps may be sent together with one that comes next, in one go: they change nothing, and nothing has to be decided here
//! between one and the next but whether it ended with 0, which the host can tell for itself.
//!
//! Owns: that choice. Must not: let anything begin that [`super::next`] would not begin after the step before it ended well.

use super::event::{Slot, StepKey};
use super::line::RECHECK_PASS;
use super::{Line, Run, line};
use crate::plan::{BuiltIn, Call, Place, Plan, PlannedStep, Stage};

/// So many at most, the first included.
const TOGETHER: usize = 32;

/// The steps that may be sent behind `first`, in order; each is begun on its host only if the one before it ended with 0.
pub fn behind(plan: &Plan, run: &Run, first: &StepKey) -> Vec<StepKey> {
    let found = || {
        let phase = plan.phase(&first.phase)?;
        let line = run.line(&first.phase, first.host.as_ref()?)?;
        let forward = match first.stage {
            Stage::Precheck => first.pass == 0 || first.pass == RECHECK_PASS,
            Stage::Drain | Stage::Steps | Stage::Verify => first.pass == 0,
            _ => false,
        };
        if !forward || goes_no_further(run, line) {
            return None;
        }
        let list: Vec<&PlannedStep> = phase
            .stages
            .get(first.stage)
            .iter()
            .filter(|s| first.pass == 0 || line.recheck.contains(&s.id))
            .collect();
        let at = list.iter().position(|s| s.id == first.step)?;
        Some((line, list.get(at..)?.to_vec()))
    };
    let Some((line, list)) = found() else {
        return Vec::new();
    };
    let (Some(head), true) = (list.first(), first.nth == 0) else {
        return Vec::new();
    };
    let mut keys = Vec::new();
    let mut last = *head;
    for step in list.iter().skip(1).take(TOGETHER - 1) {
        let slot = Slot {
            stage: first.stage,
            step: step.id.clone(),
            nth: 0,
            pass: first.pass,
        };
        let slot_run = line.slots.get(&slot);
        let fresh = slot_run.is_none_or(|r| r.open.is_none() && r.end.is_none());
        if !(plain(last)
            && (nothing_more_is_asked(last) || goes_on_anyway(last, step))
            && plain(step)
            && !step.late
            && fresh)
            || step.become_user != last.become_user
        {
            break;
        }
        keys.push(StepKey {
            step: step.id.clone(),
            attempt: slot_run.map_or(0, |r| r.attempts) + 1,
            ..first.clone()
        });
        last = step;
    }
    keys
}

/// Something has been decided after which this line's next step is not simply the one behind.
fn goes_no_further(run: &Run, line: &Line) -> bool {
    run.signals > 0
        || run.backwards.is_some()
        || line.turned.is_some()
        || line.reopened.is_some()
        || line.ended.is_some()
}

/// One command on the host itself that changes nothing, once.
fn plain(step: &PlannedStep) -> bool {
    step.read_only
        && (matches!(step.call, Call::Run { .. } | Call::Argv { .. }) || is_one_look(step))
        && step.place == Place::Own
        && step.for_each.is_none()
        && step.when.is_none()
        && step.skip.is_none()
        && step.stdin.is_none()
        && step.evidence.is_empty()
        && step.mark_start.is_none()
        && !step.once
}

/// A check that looks once. Its look ends with 0 whatever it finds.
fn is_one_look(step: &PlannedStep) -> bool {
    matches!(&step.call, Call::BuiltIn(BuiltIn::Check(check)) if !check.is_alone())
}

/// Whether the one behind may begin whatever comes of this one: a check beside a check.
fn goes_on_anyway(step: &PlannedStep, behind: &PlannedStep) -> bool {
    line::is_check(step) && line::is_check(behind) && step.retry.attempts <= 1 && step.mark.is_none()
}

/// Exit code 0 is all that its success takes, and it is over with its first attempt.
fn nothing_more_is_asked(step: &PlannedStep) -> bool {
    if line::is_check(step) {
        return false;
    }
    step.ok_codes == [0]
        && step.expect.is_none()
        && step.parse.is_none()
        && step.may_fail.is_none()
        && step.retry.attempts <= 1
        && step.mark.is_none()
}
