//! The names of steps in a run: one attempt, and the place that its attempts fill.
//!
//! Owns: [`StepKey`], [`Slot`]. Must not: know how a step ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{HostName, RunId};
use crate::plan::Stage;

/// The name of one attempt of one step. A key with an end record never runs again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The phase; empty for the run's own steady state.
    pub phase: String,
    /// The stage.
    pub stage: Stage,
    /// The step; undo steps are `STEP/N`.
    pub step: String,
    /// Which item of `for_each` and which host of a delegated set: item × hosts + host, from 0; 0 elsewhere.
    pub nth: u32,
    /// For which host; `None`: steady state and `once` steps.
    pub host: Option<HostName>,
    /// Forward 0, back 1, repeated prechecks and later rounds 2 and up.
    pub pass: u32,
    /// From 1.
    pub attempt: u32,
}

impl StepKey {
    /// The whole name, with the run: what the latch is named after and commands see as `PITSTOP_STEP_KEY`.
    pub fn in_run(&self, run: &RunId) -> String {
        format!("{run}/{self}")
    }

    /// Everything but the attempt.
    pub fn slot(&self) -> Slot {
        Slot {
            stage: self.stage,
            step: self.step.clone(),
            nth: self.nth,
            pass: self.pass,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = if self.phase.is_empty() { "-" } else { &self.phase };
        let host = self.host.as_ref().map_or("-", HostName::as_str);
        write!(
            f,
            "{phase}/{}/{}/{}/{host}/{}/{}",
            self.stage.as_str(),
            self.step,
            self.nth,
            self.pass,
            self.attempt
        )
    }
}

/// A place in a host's line that one step fills, whatever the attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The stage.
    pub stage: Stage,
    /// The step.
    pub step: String,
    /// Which item and which host of a delegated set, as in [`StepKey`].
    pub nth: u32,
    /// Forward 0, back 1, later rounds 2 and up.
    pub pass: u32,
}

impl Slot {
    /// The key of an attempt that fills it on a host's line.
    pub fn key(&self, phase: &str, host: &HostName, attempt: u32) -> StepKey {
        StepKey {
            phase: phase.to_owned(),
            stage: self.stage,
            step: self.step.clone(),
            nth: self.nth,
            host: Some(host.clone()),
            pass: self.pass,
            attempt,
        }
    }
}
