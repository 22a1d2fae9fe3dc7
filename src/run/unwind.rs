//! What is owed on the way back, and in which order.
//!
//! Owns: the list of undo steps of a host, the point of no return. Must not: say when they run (that is `line` and `back`).

use std::collections::BTreeMap;

use crate::control::{self, Protection};
use crate::id::HostName;
use crate::plan::{BuiltIn, Call, PlannedPhase, PlannedStep, PlannedUndo, Stage};
use crate::run::event::{Outcome, Slot};
use crate::run::line::{Course, Walk, item_of};
use crate::run::{Line, SlotRun};

/// An undo step, and which item of its step it takes back (0 where that has no `for_each`).
#[derive(Clone, Copy, Debug)]
pub struct Owed<'a> {
    /// The undo step.
    pub step: &'a PlannedStep,
    /// From 0.
    pub item: u32,
}

/// The way back of one host in one phase.
#[derive(Debug, Default)]
pub struct Unwind<'a> {
    /// Undo steps in the order they run: reverse of starting, each list top to bottom.
    pub undo: Vec<Owed<'a>>,
    /// The step past which nothing goes back, with its reason, if it began.
    pub no_return: Option<(&'a str, &'a str)>,
}

/// A step that may have begun, or one item of it.
struct Began<'a> {
    order: u64,
    step: &'a PlannedStep,
    item: u32,
}

/// What this host owes: from the moment before a step is sent, also if it then failed or was cut off; not for a step that was
/// skipped or proven never to have begun, nor for a built-in that proves it changed nothing. Each item of a list by itself.
pub fn owed<'a>(phase: &'a PlannedPhase, host: &HostName, line: &Line) -> Unwind<'a> {
    let mut began: Vec<Began<'a>> = phase
        .stages
        .steps
        .iter()
        .flat_map(|step| began(host, line, step))
        .collect();
    began.sort_by_key(|b| std::cmp::Reverse(b.order));
    if control::off(Protection::UndoOrder) {
        began.reverse();
    }
    let covers = |id: &str| {
        began
            .iter()
            .any(|b| matches!(&b.step.undo, PlannedUndo::CoveredBy(by) if by == id))
    };
    let mut way = Unwind::default();
    for Began { step, item, .. } in &began {
        match &step.undo {
            PlannedUndo::None(reason) => {
                way.no_return = Some((&step.id, reason));
                break;
            }
            PlannedUndo::Steps(list) if covers(&step.id) || !proved_nothing(step, host, line, *item) => {
                way.undo.extend(list.iter().map(|step| Owed { step, item: *item }));
            }
            PlannedUndo::Steps(_) | PlannedUndo::CoveredBy(_) | PlannedUndo::NotNeeded => {}
        }
    }
    way
}

/// Undo steps that are owed and have not run to a good end; none once the host is closed.
pub fn still_owed<'a>(phase: &'a PlannedPhase, host: &HostName, line: &Line) -> Vec<Owed<'a>> {
    if line.is_closed() {
        return Vec::new();
    }
    let mut list = owed(phase, host, line).undo;
    list.retain(|o| !done(phase, host, line, *o));
    list
}

/// True if everything that began has been taken back.
pub(super) fn undone(phase: &PlannedPhase, host: &HostName, line: &Line) -> bool {
    owed(phase, host, line).undo.iter().all(|o| done(phase, host, line, *o))
}

fn done(phase: &PlannedPhase, host: &HostName, line: &Line, owed: Owed<'_>) -> bool {
    let walk = Course::of_line(phase, host, line).walk_item(Stage::Undo, owed.step, 1, owed.item);
    matches!(walk, Walk::Done)
}

/// The items of a step that may have begun, with the order of each one's first intent. A list that could not be made began
/// nothing.
fn began<'a>(host: &HostName, line: &Line, step: &'a PlannedStep) -> Vec<Began<'a>> {
    if step.for_each.is_some() && !line.lists.contains_key(&(Stage::Steps, step.id.clone())) {
        return Vec::new();
    }
    let mut items: BTreeMap<u32, u64> = BTreeMap::new();
    for (item, run) in runs(host, line, step).filter(|(_, r)| r.begun > 0) {
        let order = items.entry(item).or_insert(run.order);
        *order = run.order.min(*order);
    }
    let begun = items.into_iter();
    begun.map(|(item, order)| Began { order, step, item }).collect()
}

/// A step's places, each with the item it is for.
fn runs<'l>(host: &HostName, line: &'l Line, step: &PlannedStep) -> impl Iterator<Item = (u32, &'l SlotRun)> {
    let of_step = line
        .slots
        .iter()
        .filter(move |(slot, _)| slot.stage == Stage::Steps && slot.step == step.id);
    of_step.map(move |(slot, run)| {
        let item = if step.for_each.is_some() {
            item_of(step, Some(host), slot.nth)
        } else {
            0
        };
        (item, run)
    })
}

/// A restart of this host that was asked for and did not come to a good end. It is not taken back: only a host that is looked at
/// can be good after it.
pub(super) fn bad_restart<'a>(phase: &'a PlannedPhase, line: &'a Line) -> Option<(&'a str, &'a str)> {
    let restarts = |step: &&PlannedStep| matches!(step.call, Call::BuiltIn(BuiltIn::Reboot { .. }));
    phase.stages.steps.iter().filter(restarts).find_map(|step| {
        let of_step = |(slot, _): &(&Slot, &SlotRun)| slot.stage == Stage::Steps && slot.step == step.id;
        let mut ends = line.slots.iter().filter(of_step).filter(|(_, run)| run.begun > 0);
        ends.find_map(|(_, run)| {
            let end = run.end.as_ref()?;
            (end.changed && matches!(end.outcome, Outcome::Failed | Outcome::TimedOut))
                .then_some((step.id.as_str(), end.why.as_str()))
        })
    })
}

/// An upload can prove that (the file was there already, byte for byte), and so can the actions that look before they change.
fn proved_nothing(step: &PlannedStep, host: &HostName, line: &Line, item: u32) -> bool {
    let proof = |r: &SlotRun| {
        r.end
            .as_ref()
            .is_some_and(|e| e.outcome == Outcome::Ok && !e.changed && !e.by_person)
    };
    // A first attempt that did not end well may have changed something that the second then found in place.
    let mut of_item = runs(host, line, step).filter(|(i, _)| *i == item);
    matches!(step.call, Call::Upload { .. } | Call::BuiltIn(_))
        && of_item.all(|(_, r)| r.begun == 0 || r.begun == 1 && proof(r))
}
