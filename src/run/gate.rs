//! A gate: opened, asked, passed or closed, and what follows.
//!
//! Owns: a gate's life. Must not: count answers (that is `approval`) or pass a gate.

use std::time::Duration;

use super::event::{Event, GateEnd, Halt};
use super::next::{Decider, Next, Part};
use super::{GateState, limits};
use crate::plan::{Otherwise, PlannedGate};

impl Decider<'_> {
    pub(super) fn gate(&self, id: &str, gate: &PlannedGate) -> Part {
        if self.run.dry {
            return Part::Over;
        }
        let Some(g) = self.run.gates.get(id) else {
            let expires = Duration::from_millis(gate.expires_ms);
            return Self::record(Event::GateOpened {
                gate: id.to_owned(),
                title: gate.title.clone(),
                expires: self.now.saturating_add(expires).unwrap_or(self.now),
                out: self.run.held_out().into_iter().collect(),
            });
        };
        let close = |why| {
            Self::record(Event::GateClosed {
                gate: id.to_owned(),
                why,
            })
        };
        match g.state {
            GateState::Passed => Part::Over,
            GateState::Open if self.now >= g.expires => close(GateEnd::Expired),
            GateState::Open if limits::cut_off(self.plan, self.run, self.now) => close(GateEnd::CutOff),
            GateState::Open => Part::Do(vec![Next::AskGate { gate: id.to_owned() }]),
            GateState::Closed(_) if gate.otherwise == Otherwise::RollbackRun => Self::record(Event::TurnedBack {
                why: format!("gate {id} did not pass"),
                rehearsed: false,
            }),
            GateState::Closed(why) => {
                let word = match why {
                    GateEnd::Rejected => "was rejected",
                    GateEnd::Expired => "expired",
                    GateEnd::CutOff => "met the window's cut-off",
                };
                Self::record(Event::Halted {
                    why: Halt::Gate,
                    text: format!("gate {id} {word}: nothing further starts"),
                })
            }
        }
    }
}
