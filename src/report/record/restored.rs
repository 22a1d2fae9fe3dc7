//! How a restore test stands: was it restored, was it proven, was the copy erased. Three answers, for they are three questions.
//!
//! Owns: these rules. Must not: let one of them stand for another.

use serde::{Deserialize, Serialize};

use super::{ChangeRecord, Deviation, DeviationCode, HostState, StepRecord, Verdict};
use crate::plan::{Kind, Plan, PlannedPhase, Stage};
use crate::run::event::Outcome;

/// Three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStatus {
    /// Whether the steps that restore ended well.
    pub restore: Done,
    /// Whether the steps that prove the copy did.
    pub validation: Done,
    /// What became of the copy.
    pub deletion: Deletion,
}

/// Whether something was done, and ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// All of it, well.
    Passed,
    /// None of it.
    NotDone,
    /// Some of it, and none of that badly.
    Incomplete,
    /// Nobody can say of some of it.
    Unknown,
    /// Some of it, badly.
    Failed,
}

/// What became of what was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Nothing was made.
    NotNeeded,
    /// All that was made is gone.
    Deleted,
    /// The run is not over.
    Pending,
    /// It is owed, or nobody can say.
    LeftBehind,
    /// A person says that it was put right by hand.
    ByHand,
}

/// The three answers for a restore test; `None`: it is none, or nothing was to be done.
pub(super) fn status(plan: &Plan, r: &ChangeRecord) -> Option<RestoreStatus> {
    if plan.kind != Kind::RestoreTest || r.dry {
        return None;
    }
    Some(RestoreStatus {
        restore: done(plan, r, Stage::Steps),
        validation: done(plan, r, Stage::Verify),
        deletion: deletion(r),
    })
}

/// How the steps of this stage ended, over all phases that change something.
fn done(plan: &Plan, r: &ChangeRecord, stage: Stage) -> Done {
    let (mut well, mut missing, mut worst) = (false, false, Done::Passed);
    for phase in plan.phases().filter(|p| p.changes) {
        // Where a host's line ended well, what was planned for it was done, or was not its turn by a condition.
        let good = r.hosts.iter().all(|h| {
            let mut lines = h.phases.iter().filter(|p| p.phase == phase.id);
            lines.all(|p| p.state.is_some_and(HostState::is_good))
        });
        for step in phase.stages.get(stage) {
            let mine = |s: &&StepRecord| (&s.phase, s.stage, &s.step) == (&phase.id, stage, &step.id);
            let mut ends = r.steps.iter().filter(mine).map(|s| s.outcome).peekable();
            let left_out = step.skip.is_some() || left_out(r, phase, &step.id);
            missing |= left_out || (ends.peek().is_none() && !good);
            for end in ends {
                match end {
                    Some(Outcome::Ok) => well = true,
                    Some(Outcome::Skipped) => {}
                    None => missing = true,
                    Some(Outcome::Unknown) => worst = worst.max(Done::Unknown),
                    Some(_) => worst = worst.max(Done::Failed),
                }
            }
        }
    }
    match worst {
        Done::Passed if !well => Done::NotDone,
        Done::Passed if missing => Done::Incomplete,
        worst => worst,
    }
}

/// True if a person left the step out on a host.
fn left_out(r: &ChangeRecord, phase: &PlannedPhase, step: &str) -> bool {
    let by_person = |d: &&Deviation| d.code == DeviationCode::StepSkipped && d.phase == phase.id && d.step == step;
    r.deviations.iter().any(|d| by_person(&d))
}

fn deletion(r: &ChangeRecord) -> Deletion {
    let made = r.steps.iter().any(|s| {
        s.changes && s.stage == Stage::Steps && !s.attempts.is_empty() && (s.changed || s.outcome != Some(Outcome::Ok))
    });
    let over = r
        .outcome
        .verdict
        .is_some_and(|v| !matches!(v, Verdict::Waiting | Verdict::Stopped));
    let by_hand = r.forgiven.iter().any(|f| {
        let copy = ["cleanup:", "undo:"];
        copy.iter().any(|kind| f.id.starts_with(kind))
    });
    match (made, over) {
        (false, true) if r.left_behind.is_empty() => Deletion::NotNeeded,
        (false, false) => Deletion::NotNeeded,
        (true, false) => Deletion::Pending,
        _ if !r.left_behind.is_empty() => Deletion::LeftBehind,
        _ if by_hand => Deletion::ByHand,
        _ => Deletion::Deleted,
    }
}
