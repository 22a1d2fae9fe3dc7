//! When the way back was last proven, by a rehearsal or because something failed.
//!
//! Owns: these sentences of the approver's page. Must not: look for runs (`cli` does).

use super::super::{Plan, PlannedPhase, Stage};
use super::words::{count, day, duration};
use super::{Block, Undone};

/// Phases whose way back can be proven: they change something, and look whether it is good.
fn provable(plan: &Plan) -> impl Iterator<Item = &PlannedPhase> {
    plan.phases()
        .filter(|p| p.changes && !p.stages.get(Stage::Verify).is_empty())
}

/// A sentence for each phase; nothing where nobody looked, or nothing could be proven.
pub(super) fn proven(plan: &Plan, undone: Option<&[Undone]>) -> Option<Block> {
    let undone = undone?;
    let sentences: Vec<String> = provable(plan).map(|phase| sentence(plan, phase, undone)).collect();
    (!sentences.is_empty()).then_some(Block::List(sentences))
}

fn sentence(plan: &Plan, phase: &PlannedPhase, undone: &[Undone]) -> String {
    let id = &phase.id;
    let Some(last) = undone.iter().find(|u| u.phase == *id) else {
        let how = match plan.rehearsal {
            true => String::new(),
            false => format!(" Prove it on the first batch: pitstop run {} --rehearse", plan.path),
        };
        return format!("Phase {id}: no run that is kept here has proven its undo.{how}");
    };
    let by = match last.rehearsal {
        true => "the rehearsal",
        false => "the rollback in run",
    };
    let since = match last.same {
        true => "its steps are the same today",
        false => "its steps have been changed since",
    };
    format!(
        "Phase {id}: undo last proven on {}, took {}, by {by} {} on {}; {since}.",
        day(last.at, plan.zone()),
        duration(last.slowest_ms),
        last.run,
        match last.hosts.as_slice() {
            [one] => one.to_string(),
            many => count(many.len(), "host", "hosts"),
        }
    )
}

/// The day on which the last of all the phases was, if each is proven with the steps that it has today.
pub(super) fn last_proven(plan: &Plan, undone: Option<&[Undone]>) -> Option<String> {
    let undone = undone?;
    let mut oldest = None;
    for phase in plan.phases().filter(|p| p.changes) {
        let last = undone.iter().find(|u| u.phase == phase.id && u.same)?;
        oldest = Some(oldest.map_or(last.at, |at: jiff::Timestamp| at.min(last.at)));
    }
    let day = |at| super::words::moment_in(at, plan.zone(), "%Y-%m-%d");
    oldest.map(day)
}
