//! When steps begin that were sent behind others: their intents come together, before the first is sent, and each begins when the
//! one before it ended well. Here every intent is told at that moment, so that the promises about beginnings hold for them too.
//!
//! Owns: that order, from the journal alone. Must not: use what decides it in the product.

use crate::run::event::*;

#[derive(Default)]
pub struct Begun {
    /// Steps under way that change nothing, and those behind them that have not begun, in order.
    open: Vec<StepKey>,
    behind: Vec<Stamped>,
    held: bool,
    pub violations: Vec<String>,
}

impl Begun {
    /// What this event is to those who look at beginnings.
    pub fn told(&mut self, e: &Stamped) -> Vec<Stamped> {
        match &e.event {
            Event::Intended {
                key, changes: false, ..
            } if key.host.is_some() => {
                if self.open.iter().any(|k| line(k) == line(key)) {
                    self.behind.push(e.clone());
                    return Vec::new();
                }
                self.open.push(key.clone());
            }
            Event::NeverBegan { key } | Event::CutOff { key } => {
                self.open.retain(|k| k != key);
                if self.waits(key) {
                    self.behind.retain(|b| of(b) != Some(key));
                    return Vec::new();
                }
            }
            Event::Settled { key, outcome, .. } => {
                if self.waits(key) {
                    self.violations
                        .push(format!("a step sent behind another begins when that ended well: {key}"));
                }
                let was_open = self.open.iter().any(|k| k == key);
                self.open.retain(|k| k != key);
                if was_open && *outcome == Outcome::Ok && !self.held {
                    return self.follows(e, key);
                }
            }
            Event::Signalled { .. } | Event::TurnedBack { .. } => self.held = true,
            Event::Resumed { .. } | Event::Cleaning { .. } => self.held = false,
            _ => {}
        }
        vec![e.clone()]
    }

    /// The end of one, and the beginning of the next of its line.
    fn follows(&mut self, e: &Stamped, ended: &StepKey) -> Vec<Stamped> {
        let mut told = vec![e.clone()];
        let next = |b: &Stamped| of(b).is_some_and(|k| line(k) == line(ended));
        if let Some(at) = self.behind.iter().position(next) {
            let begins = self.behind.remove(at);
            self.open.extend(of(&begins).cloned());
            told.push(Stamped { at: e.at, ..begins });
        }
        told
    }

    fn waits(&self, key: &StepKey) -> bool {
        self.behind.iter().any(|b| of(b) == Some(key))
    }
}

fn of(e: &Stamped) -> Option<&StepKey> {
    match &e.event {
        Event::Intended { key, .. } => Some(key),
        _ => None,
    }
}

fn line(key: &StepKey) -> (&str, Option<&crate::id::HostName>, crate::plan::Stage, u32) {
    (&key.phase, key.host.as_ref(), key.stage, key.pass)
}

#[test]
fn control_a_step_that_was_begun_behind_a_failed_one_is_found() {
    use super::sample::*;
    use super::sim::*;
    use super::told::run;
    let mut p = full("p", &["h"]);
    p.stages.precheck = vec![read("a"), read("b")];
    let (sim, _) = run(one(p), Script::new());
    let key = |step: &str| {
        sim.events
            .iter()
            .find_map(|e| of(e).filter(|k| k.step == step).cloned())
            .unwrap()
    };
    let intended = |step: &str| {
        sim.events
            .iter()
            .find(|e| of(e).is_some_and(|k| k.step == step))
            .unwrap()
            .clone()
    };
    let settled = |step: &str, outcome| Stamped {
        seq: 9,
        at: sim.now,
        event: Event::Settled {
            key: key(step),
            outcome,
            result: std::sync::Arc::default(),
        },
    };
    for (first, violations) in [(Outcome::Ok, 0), (Outcome::Failed, 1)] {
        let mut begun = Begun::default();
        assert_eq!(begun.told(&intended("a")).len(), 1);
        assert_eq!(begun.told(&intended("b")).len(), 0, "its beginning is yet to come");
        begun.told(&settled("a", first));
        begun.told(&settled("b", Outcome::Ok));
        assert_eq!(begun.violations.len(), violations, "{first:?}");
    }
}
