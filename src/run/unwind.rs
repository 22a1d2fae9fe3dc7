//! What is owed on the way back, and in which order.
//!
//! Owns: the list of undo steps of a host, the point of no return. Must not: say when they run (that is `line` and `next`).

use crate::plan::{Call, PlannedPhase, PlannedStep, PlannedUndo, Stage};
use crate::run::Line;
use crate::run::event::{Outcome, Slot};

/// The way back of one host in one phase.
#[derive(Debug, Default)]
pub struct Unwind<'a> {
    /// Undo steps in the order they run: reverse of starting, each list top to bottom.
    pub undo: Vec<&'a PlannedStep>,
    /// The step past which nothing goes back, with its reason, if it began.
    pub no_return: Option<(&'a str, &'a str)>,
}

/// What this host owes: from the moment before a step is sent, also if it then failed or was cut off; not for a step that was
/// skipped or proven never to have begun, nor for a built-in that proves it changed nothing.
pub fn owed<'a>(phase: &'a PlannedPhase, line: &Line) -> Unwind<'a> {
    let mut began: Vec<(u64, &PlannedStep)> = phase
        .stages
        .steps
        .iter()
        .filter_map(|step| {
            let first = line
                .slots
                .iter()
                .filter(|(slot, run)| slot.stage == Stage::Steps && slot.step == step.id && run.begun > 0)
                .map(|(_, run)| run.order)
                .min()?;
            Some((first, step))
        })
        .collect();
    began.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    let mut way = Unwind::default();
    for (_, step) in began {
        match &step.undo {
            PlannedUndo::None(reason) => {
                way.no_return = Some((&step.id, reason));
                break;
            }
            PlannedUndo::Steps(list) if !proved_nothing(step, line) => way.undo.extend(list),
            PlannedUndo::Steps(_) | PlannedUndo::CoveredBy(_) | PlannedUndo::NotNeeded => {}
        }
    }
    way
}

/// Undo steps that are owed and have not run to a good end.
pub fn still_owed<'a>(phase: &'a PlannedPhase, line: &Line) -> Vec<&'a PlannedStep> {
    if line.closed {
        return Vec::new();
    }
    owed(phase, line)
        .undo
        .into_iter()
        .filter(|step| {
            !line.slots.iter().any(|(slot, run)| {
                slot.stage == Stage::Undo
                    && slot.step == step.id
                    && run
                        .end
                        .as_ref()
                        .is_some_and(|e| matches!(e.outcome, Outcome::Ok | Outcome::Skipped))
            })
        })
        .collect()
}

/// Only an upload can prove that: the file was there already, byte for byte.
fn proved_nothing(step: &PlannedStep, line: &Line) -> bool {
    let slot = Slot {
        stage: Stage::Steps,
        step: step.id.clone(),
        nth: 0,
        pass: 0,
    };
    matches!(step.call, Call::Upload { .. })
        && line
            .slots
            .get(&slot)
            .and_then(|r| r.end.as_ref())
            .is_some_and(|e| e.outcome == Outcome::Ok && !e.changed && !e.by_person)
}
