//! The wall clock was set while a run was under way: what was before is reckoned on the new clock.
//!
//! Owns: how the moments of a run, and of its events in a report, move with the clock. Must not: notice that it was set while a
//! process watched (the engine does, and writes it down).
//!
//! A wait is as long as it was meant to be, whatever the clock does; only what is written as a time of day (a window, a freeze)
//! follows the clock. Where nobody watched, time does not run backwards: an event is never before the one ahead of it.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::event::{Event, Stamped};
use super::{Run, SlotRun};
use crate::plan::page::duration;
use crate::plan::{Plan, PlannedMark, PlannedStep};

/// By how much the clock was set between the event at `before` and this one.
fn set_by(before: Option<Timestamp>, e: &Stamped) -> SignedDuration {
    match (&e.event, before) {
        (Event::ClockMoved { by_ms }, _) => SignedDuration::from_millis(*by_ms),
        (_, Some(before)) => e.at.duration_since(before).min(SignedDuration::ZERO),
        _ => SignedDuration::ZERO,
    }
}

/// For people.
pub fn words(by_ms: i64) -> String {
    let way = if by_ms < 0 { "back" } else { "forward" };
    // Two clocks are not read in the same moment: a few milliseconds less than an hour were an hour.
    let by = match by_ms.unsigned_abs() {
        ms @ ..1000 => duration(ms),
        ms => duration((ms + 500) / 1000 * 1000),
    };
    format!("the clock of the control machine was set {way} by {by}; waits go on as they were meant")
}

fn shift(at: &mut Timestamp, by: SignedDuration) {
    *at = at.saturating_add(by).unwrap_or(*at);
}

impl Run {
    /// To be told of every event before it is applied.
    pub(super) fn follow_the_clock(&mut self, e: &Stamped) {
        let by = set_by(self.latest.replace(e.at), e);
        if !by.is_zero() {
            self.moments(|at| shift(at, by));
        }
    }

    /// Every moment that something is reckoned from or to.
    fn moments(&mut self, mut each: impl FnMut(&mut Timestamp)) {
        let slot = |s: &mut SlotRun, each: &mut dyn FnMut(&mut Timestamp)| {
            s.end.iter_mut().for_each(|end| each(&mut end.at));
            s.asked.iter_mut().for_each(each);
        };
        self.started.iter_mut().for_each(&mut each);
        self.resumed.iter_mut().for_each(&mut each);
        self.open.values_mut().for_each(|open| each(&mut open.at));
        self.silences.values_mut().for_each(|s| s.our_moments(&mut each));
        for gate in self.gates.values_mut() {
            each(&mut gate.opened);
            each(&mut gate.expires);
        }
        for round in self.steady.values_mut().flatten() {
            round.slots.values_mut().for_each(|s| slot(s, &mut each));
        }
        for phase in self.phases.values_mut() {
            phase.once.values_mut().for_each(|s| slot(s, &mut each));
            for batch in &mut phase.batches {
                batch.soak_began.iter_mut().for_each(&mut each);
            }
            for line in phase.lines.values_mut() {
                line.began.iter_mut().for_each(&mut each);
                line.slots.values_mut().for_each(|s| slot(s, &mut each));
            }
        }
    }
}

/// The events with all their times on the clock of the last one, so that no span of them runs backwards or holds what the clock
/// was set by.
pub fn on_one_clock<'e>(plan: &Plan, events: &'e [Stamped]) -> Cow<'e, [Stamped]> {
    let mut before = None;
    let moves: Vec<SignedDuration> = events.iter().map(|e| set_by(before.replace(e.at), e)).collect();
    if moves.iter().all(SignedDuration::is_zero) {
        return Cow::Borrowed(events);
    }
    let mut moved = events.to_vec();
    let mut later = SignedDuration::ZERO;
    for (e, by) in moved.iter_mut().zip(moves).rev() {
        shift(&mut e.at, later);
        match &mut e.event {
            Event::GateOpened { expires, .. } => shift(expires, later),
            Event::Asked { until, .. } => shift(until, later),
            Event::Settled { key, result, .. } => {
                let step = plan.step(&key.phase, key.stage, &key.step);
                for (name, at) in &mut Arc::make_mut(result).marks {
                    if !step.is_some_and(|s| is_data(s, name)) {
                        shift(at, later);
                    }
                }
            }
            _ => {}
        }
        later = later.saturating_add(by);
    }
    Cow::Owned(moved)
}

/// True of a mark whose moment the step brought, as the age of a backup: no clock of ours said it.
fn is_data(step: &PlannedStep, name: &str) -> bool {
    let written = |mark: &Option<PlannedMark>| mark.as_ref().is_some_and(|m| m.name == name && m.at.is_some());
    written(&step.mark) || written(&step.mark_start)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn an_hour_less_a_few_milliseconds_is_told_as_an_hour() {
        for by_ms in [-3_599_990, -3_600_004] {
            assert!(words(by_ms).contains("set back by 1 h;"), "{}", words(by_ms));
        }
        assert!(
            words(86_399_999).contains("set forward by 24 h;"),
            "{}",
            words(86_399_999)
        );
    }
}
