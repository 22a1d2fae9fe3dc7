//! What is owed on the way back, and in which order.
//!
//! Owns: the list of undo steps of a host, the point of no return. Must not: say when they run (that is `line` and `back`).

use crate::id::HostName;
use crate::plan::{Call, PlannedPhase, PlannedStep, PlannedUndo, Stage};
use crate::run::event::Outcome;
use crate::run::line::{Walk, walk_step};
use crate::run::{Line, SlotRun};

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
        .filter_map(|step| Some((began(line, &step.id)?, step)))
        .collect();
    began.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    let covers = |id: &str| {
        began
            .iter()
            .any(|(_, s)| matches!(&s.undo, PlannedUndo::CoveredBy(by) if by == id))
    };
    let mut way = Unwind::default();
    for (_, step) in &began {
        match &step.undo {
            PlannedUndo::None(reason) => {
                way.no_return = Some((&step.id, reason));
                break;
            }
            PlannedUndo::Steps(list) if covers(&step.id) || !proved_nothing(step, line) => way.undo.extend(list),
            PlannedUndo::Steps(_) | PlannedUndo::CoveredBy(_) | PlannedUndo::NotNeeded => {}
        }
    }
    way
}

/// Undo steps that are owed and have not run to a good end; none once the host is closed.
pub fn still_owed<'a>(phase: &'a PlannedPhase, host: &HostName, line: &Line) -> Vec<&'a PlannedStep> {
    if line.is_closed() {
        return Vec::new();
    }
    let mut list = owed(phase, line).undo;
    list.retain(|step| !done(phase, host, line, step));
    list
}

/// True if everything that began has been taken back.
pub(super) fn undone(phase: &PlannedPhase, host: &HostName, line: &Line) -> bool {
    owed(phase, line).undo.iter().all(|s| done(phase, host, line, s))
}

fn done(phase: &PlannedPhase, host: &HostName, line: &Line, step: &PlannedStep) -> bool {
    let never = jiff::Timestamp::MIN;
    let walk = walk_step(&phase.id, Stage::Undo, step, &line.slots, Some(host), 1, never);
    matches!(walk, Walk::Done)
}

/// The order of a step's first intent, if it may have begun.
fn began(line: &Line, step: &str) -> Option<u64> {
    runs(line, step).filter(|r| r.begun > 0).map(|r| r.order).min()
}

fn runs<'l>(line: &'l Line, step: &str) -> impl Iterator<Item = &'l SlotRun> {
    line.slots
        .iter()
        .filter(move |(slot, _)| slot.stage == Stage::Steps && slot.step == step)
        .map(|(_, run)| run)
}

/// Only an upload can prove that: the file was there already, byte for byte.
fn proved_nothing(step: &PlannedStep, line: &Line) -> bool {
    let proof = |r: &SlotRun| {
        r.end
            .as_ref()
            .is_some_and(|e| e.outcome == Outcome::Ok && !e.changed && !e.by_person)
    };
    // A first attempt that did not end well may have changed something that the second then found in place.
    matches!(step.call, Call::Upload { .. }) && runs(line, &step.id).all(|r| r.begun == 0 || r.begun == 1 && proof(r))
}
