//! Rounds of the steady state: when one is asked, what a false one means.
//!
//! Owns: the rounds. Must not: know hosts; what a batch does after a false round is `back`'s.

use super::Round;
use super::event::{Event, Halt, Occasion};
use super::line::{Course, LineNext, Walk};
use super::next::{Decider, Next, Part};
use crate::plan::{PlannedStep, Stage};

impl Decider<'_> {
    /// A round of the steady state for an occasion; `wanted` false: only finish one that was begun.
    pub(super) fn steady(&self, scope: &str, occasion: Occasion, wanted: bool) -> Part {
        let steps = self.plan.steps(scope, Stage::Steady);
        if steps.is_empty() {
            return Part::Over;
        }
        let rounds = self.run.steady.get(scope).map_or(&[][..], Vec::as_slice);
        let at = match occasion {
            Occasion::Batch => self.run.batch_round(scope),
            // Once it held before the first host it is not asked for that again; if it was false, `resume` asks anew.
            Occasion::Start => rounds
                .iter()
                .position(|r| r.occasion == Occasion::Start && (r.current || r.ok == Some(true))),
            other => rounds.iter().position(|r| r.occasion == other && r.current),
        };
        let Some((at, round)) = at.and_then(|at| Some((at, rounds.get(at)?))) else {
            if !wanted {
                return Part::Over;
            }
            // A round that was overtaken by a halt is not asked any more; what is under way of it comes to its end first.
            if rounds.iter().any(|r| r.slots.values().any(|s| s.open.is_some())) {
                return Part::Do(Vec::new());
            }
            return Self::record(Event::SteadyAsked {
                phase: scope.to_owned(),
                round: u32::try_from(rounds.len()).unwrap_or(u32::MAX),
                occasion,
            });
        };
        match round.ok {
            Some(true) => Part::Over,
            Some(false) => self.steady_is_false(scope, occasion, at),
            None => self.steady_steps(scope, steps, round, u32::try_from(at).unwrap_or(u32::MAX)),
        }
    }

    fn steady_steps(&self, scope: &str, steps: &[PlannedStep], round: &Round, number: u32) -> Part {
        let course = Course {
            phase: scope,
            host: None,
            slots: &round.slots,
            lists: &round.lists,
            now: self.now,
        };
        let mut ok = true;
        for step in steps {
            match course.walk(Stage::Steady, step, number) {
                Walk::Done => {}
                Walk::Next(LineNext::Perform(key)) => return Part::Do(vec![Next::Perform(key)]),
                Walk::Next(LineNext::Wait(until)) => return Part::Do(vec![Next::Sleep { until }]),
                Walk::Next(_) => return Part::Do(Vec::new()),
                Walk::Bad { .. } | Walk::Unknown { .. } => {
                    ok = false;
                    break;
                }
            }
        }
        Self::record(Event::SteadyAnswered {
            phase: scope.to_owned(),
            round: number,
            ok,
        })
    }

    fn steady_is_false(&self, scope: &str, occasion: Occasion, round: usize) -> Part {
        if occasion == Occasion::End || self.run.halted.is_some() {
            return Part::Over;
        }
        let place = if scope.is_empty() {
            "the steady state".to_owned()
        } else {
            format!("the steady state of phase {scope}")
        };
        Self::record(Event::Halted {
            why: Halt::SteadyState,
            text: format!("{place} is false (round {round}): no further host starts"),
        })
    }
}
