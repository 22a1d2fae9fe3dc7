//! One host in one phase: where it stands and what comes next for it.
//!
//! Owns: the walk through the stages, forward and back. Must not: know other hosts, batches, windows (that is `next`).
//!
//! ```text
//!  forward   precheck → [when] → (batch) → recheck → drain → steps → verify → undrain → ok | warned
//!                │                            │        └───────┴───────┘         └ failed: held
//!             refused                      refused            │ failed
//!  back                                   drain again, if it is in service → undo → verify → undrain → rolled_back
//! ```
//!
//! Nothing is stored about the position: it is the first step of these lists that has no end. So going on after a crash is the
//! same walk over the same slots.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::event::{HostState, Outcome, Slot, StepKey};
use super::{Line, PhaseRun, SlotRun, unwind};
use crate::id::HostName;
use crate::plan::{OnFailure, Place, PlannedPhase, PlannedStep, Retry, Stage};

/// Pass of the prechecks that are repeated when a host's turn has come.
pub const RECHECK_PASS: u32 = 2;

/// What comes next for a host.
#[derive(Clone, Debug, PartialEq)]
pub enum LineNext {
    /// Log in.
    Reach,
    /// Run this attempt.
    Perform(StepKey),
    /// A retry is due then.
    Wait(Timestamp),
    /// Something is under way; nothing else is sent there.
    Busy,
    /// Ask the phase's `when`.
    Judge,
    /// Prechecked; waits for its batch.
    Ready,
    /// Its own failure turns it round.
    Turn(String),
    /// It ends so.
    End(HostState, String),
    /// It has ended.
    Over,
}

/// How a list of steps stands.
#[derive(Debug)]
pub enum Walk {
    /// All ended well.
    Done,
    /// This comes next.
    Next(LineNext),
    /// One failed for good.
    Bad {
        /// Which.
        step: String,
        /// How.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// Nobody can say how one ended.
    Unknown {
        /// Which.
        step: String,
    },
}

/// A host's line with all that is needed to walk it.
pub struct Walker<'a> {
    /// The phase.
    pub phase: &'a PlannedPhase,
    /// Its run so far.
    pub run: &'a PhaseRun,
    /// The host.
    pub host: &'a HostName,
    /// Its line.
    pub line: &'a Line,
    /// A dry run sends nothing that changes.
    pub dry: bool,
    /// Now, for retries that are due.
    pub now: Timestamp,
}

impl Walker<'_> {
    /// What comes next, if the host may go on at all.
    pub fn next(&self) -> LineNext {
        if self.line.ended.is_some() {
            return LineNext::Over;
        }
        if self.line.busy() {
            return LineNext::Busy;
        }
        if let Some(slot) = self.line.unknown_step() {
            return unknown(&slot.step);
        }
        match (self.line.reopened, &self.line.turned) {
            (Some(pass), turned) => self.again(pass, turned.is_some()),
            (None, Some(_)) => self.back(),
            (None, None) => self.forward(),
        }
    }

    fn forward(&self) -> LineNext {
        if !self.line.reached {
            return LineNext::Reach;
        }
        match self.stage(Stage::Precheck, 0) {
            Walk::Done => {}
            Walk::Next(next) => return next,
            Walk::Bad { step, why, .. } => return LineNext::End(HostState::Refused, said(&step, "precheck", &why)),
            Walk::Unknown { step } => return LineNext::End(HostState::Unknown, step),
        }
        if self.phase.when.is_some() {
            match self.line.needed {
                None => return LineNext::Judge,
                Some(false) => return LineNext::End(HostState::NotNeeded, "the phase's condition is false".to_owned()),
                Some(true) => {}
            }
        }
        if self.line.began.is_none() {
            return LineNext::Ready;
        }
        let again: Vec<&PlannedStep> = self
            .phase
            .stages
            .precheck
            .iter()
            .filter(|s| self.line.recheck.contains(&s.id))
            .collect();
        match self.list(Stage::Precheck, &again, RECHECK_PASS) {
            Walk::Done => {}
            Walk::Next(next) => return next,
            Walk::Bad { step, why, .. } => {
                return LineNext::End(HostState::Refused, said(&step, "repeated precheck", &why));
            }
            Walk::Unknown { step } => return LineNext::End(HostState::Unknown, step),
        }
        for stage in [Stage::Drain, Stage::Steps, Stage::Verify] {
            match self.stage(stage, 0) {
                Walk::Done => {}
                Walk::Next(next) => return next,
                Walk::Bad { step, why, .. } => return self.failed(&said(&step, stage.as_str(), &why)),
                Walk::Unknown { step } => return unknown(&step),
            }
        }
        match self.stage(Stage::Undrain, 0) {
            Walk::Done => LineNext::End(self.good(), String::new()),
            Walk::Next(next) => next,
            Walk::Bad { step, why, .. } => LineNext::End(HostState::Held, said(&step, "undrain", &why)),
            Walk::Unknown { step } => unknown(&step),
        }
    }

    fn failed(&self, why: &str) -> LineNext {
        if !self.phase.changes {
            return LineNext::End(HostState::Failed, why.to_owned());
        }
        match self.phase.on_failure {
            OnFailure::RollbackHost | OnFailure::RollbackRun => LineNext::Turn(why.to_owned()),
            OnFailure::Hold | OnFailure::Ask => LineNext::End(HostState::Held, why.to_owned()),
        }
    }

    /// `ok`, or `warned` where anything on the way was.
    fn good(&self) -> HostState {
        let borne = |s: &SlotRun| {
            s.end
                .as_ref()
                .is_some_and(|e| e.warned || !matches!(e.outcome, Outcome::Ok | Outcome::Skipped))
        };
        if self.line.warned || self.line.slots.values().any(borne) {
            HostState::Warned
        } else {
            HostState::Ok
        }
    }

    fn back(&self) -> LineNext {
        if self.in_service_again() {
            match self.stage(Stage::Drain, 1) {
                Walk::Done => {}
                Walk::Next(next) => return next,
                Walk::Bad { step, why, .. } => {
                    return LineNext::End(
                        HostState::Held,
                        said(&step, "drain on the way back, nothing was undone", &why),
                    );
                }
                Walk::Unknown { step } => return unknown(&step),
            }
        }
        let way = unwind::owed(self.phase, self.line);
        let mut passed_over = None;
        for step in &way.undo {
            // After one that was passed over no other may overtake it on the host itself.
            if passed_over.is_some() && step.place == Place::Own {
                continue;
            }
            match self.list(Stage::Undo, &[step], 1) {
                Walk::Done => {}
                Walk::Next(next) => return next,
                // The host cannot be reached: its own undo is passed over, what runs elsewhere is still done.
                Walk::Bad {
                    step: id,
                    outcome: Outcome::Unreachable,
                    why,
                } if step.place == Place::Own => {
                    passed_over = Some(said(&id, "undo", &why));
                }
                Walk::Bad { step, why, .. } => return LineNext::End(HostState::Broken, said(&step, "undo", &why)),
                Walk::Unknown { step } => return unknown(&step),
            }
        }
        if let Some(why) = passed_over {
            return LineNext::End(HostState::Broken, why);
        }
        if let Some((step, reason)) = way.no_return {
            let why = format!("step {step} cannot be taken back ({reason}); what began after it is undone");
            return LineNext::End(HostState::Held, why);
        }
        match self.proof(1) {
            Some(next) => next,
            None => LineNext::End(HostState::RolledBack, self.turned_why()),
        }
    }

    /// A held host is looked at again: `verify`, then `undrain`.
    fn again(&self, pass: u32, went_back: bool) -> LineNext {
        match self.proof(pass) {
            Some(next) => next,
            None if went_back => LineNext::End(HostState::RolledBack, self.turned_why()),
            // It was held because something failed: good again, and never better than warned.
            None => LineNext::End(HostState::Warned, String::new()),
        }
    }

    /// Why it went back: the reader of a report asks that first.
    fn turned_why(&self) -> String {
        self.line.turned.as_ref().map(|t| t.why.clone()).unwrap_or_default()
    }

    /// `verify` and `undrain` in a later pass; `None` when both went through.
    fn proof(&self, pass: u32) -> Option<LineNext> {
        for stage in [Stage::Verify, Stage::Undrain] {
            match self.stage(stage, pass) {
                Walk::Done => {}
                Walk::Next(next) => return Some(next),
                Walk::Bad { step, why, .. } => {
                    return Some(LineNext::End(HostState::Held, said(&step, stage.as_str(), &why)));
                }
                Walk::Unknown { step } => return Some(unknown(&step)),
            }
        }
        None
    }

    /// What cleanup still has to do; `None`: nothing more.
    pub fn cleanup(&self) -> Option<LineNext> {
        if self.line.busy() {
            return Some(LineNext::Busy);
        }
        for step in &self.phase.stages.cleanup {
            // A bracket's closing belongs to the phase, not to a host. A cleanup step that fails does not keep the others back.
            if step.once && !step.read_only {
                continue;
            }
            match self.list(Stage::Cleanup, &[step], 0) {
                Walk::Next(next) => return Some(next),
                // It may still run: nothing else is sent there.
                Walk::Unknown { .. } => return None,
                Walk::Done | Walk::Bad { .. } => {}
            }
        }
        None
    }

    fn in_service_again(&self) -> bool {
        !self.phase.stages.drain.is_empty()
            && self
                .line
                .slots
                .iter()
                .any(|(s, r)| s.stage == Stage::Undrain && s.pass != 1 && r.begun > 0)
    }

    fn stage(&self, stage: Stage, pass: u32) -> Walk {
        let steps: Vec<&PlannedStep> = self.phase.stages.get(stage).iter().collect();
        self.list(stage, &steps, pass)
    }

    fn list(&self, stage: Stage, steps: &[&PlannedStep], pass: u32) -> Walk {
        for step in steps {
            // The opening of a bracket is done by the phase before its first host; here it is only looked at.
            if step.once && !step.read_only {
                if self.dry {
                    return Walk::Next(stops_before(step));
                }
                continue;
            }
            let (slots, host, pass) = if step.once {
                (&self.run.once, None, 0)
            } else {
                (&self.line.slots, Some(self.host), pass)
            };
            let walk = walk_step(&self.phase.id, stage, step, slots, host, pass, self.now);
            match walk {
                Walk::Done => {}
                Walk::Next(LineNext::Perform(_)) if self.dry && !step.read_only => {
                    return Walk::Next(stops_before(step));
                }
                other => return other,
            }
        }
        Walk::Done
    }
}

/// How one step stands, over the whole delegated set.
pub fn walk_step(
    phase: &str,
    stage: Stage,
    step: &PlannedStep,
    slots: &BTreeMap<Slot, SlotRun>,
    host: Option<&HostName>,
    pass: u32,
    now: Timestamp,
) -> Walk {
    for nth in 0..places(step, host) {
        let slot = Slot {
            stage,
            step: step.id.clone(),
            nth,
            pass,
        };
        let run = slots.get(&slot);
        let perform = || {
            Walk::Next(LineNext::Perform(StepKey {
                phase: phase.to_owned(),
                stage,
                step: step.id.clone(),
                nth,
                host: host.cloned(),
                pass,
                attempt: run.map_or(0, |r| r.attempts) + 1,
            }))
        };
        match standing(run, step) {
            Standing::Fresh => return perform(),
            Standing::Open => return Walk::Next(LineNext::Busy),
            Standing::Good => {}
            Standing::RetryAt(at) if at <= now => return perform(),
            Standing::RetryAt(at) => return Walk::Next(LineNext::Wait(at)),
            Standing::Bad(outcome, why) => {
                return Walk::Bad {
                    step: step.id.clone(),
                    outcome,
                    why,
                };
            }
            Standing::Unknown => return Walk::Unknown { step: step.id.clone() },
        }
    }
    Walk::Done
}

/// How many places a step is done at, one after another.
pub fn places(step: &PlannedStep, host: Option<&HostName>) -> u32 {
    let n = match &step.place {
        Place::Own | Place::OneOf(_) => 1,
        Place::Hosts(list) => list.len(),
        Place::ByHost(map) => host.and_then(|h| map.get(h)).map_or(0, Vec::len),
    };
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// How a slot stands.
pub enum Standing {
    /// Not begun.
    Fresh,
    /// Under way.
    Open,
    /// Nothing more to do.
    Good,
    /// Failed, and tried again then.
    RetryAt(Timestamp),
    /// Failed for good.
    Bad(Outcome, String),
    /// Nobody can say.
    Unknown,
}

/// How a slot stands: a failure is repeated while `retry` allows, an unknown never.
pub fn standing(run: Option<&SlotRun>, step: &PlannedStep) -> Standing {
    let Some(run) = run else { return Standing::Fresh };
    if run.open.is_some() {
        return Standing::Open;
    }
    let Some(end) = &run.end else { return Standing::Fresh };
    match end.outcome {
        Outcome::Ok | Outcome::Skipped => Standing::Good,
        // A step that changes nothing cannot have left anything half done: cut off, it has failed like any other.
        Outcome::Unknown if !step.read_only => Standing::Unknown,
        bad => {
            if run.tries < step.retry.attempts && !end.by_person {
                return Standing::RetryAt(end.at.saturating_add(delay(&step.retry, run.tries)).unwrap_or(end.at));
            }
            if step.may_fail.is_some() {
                Standing::Good
            } else {
                Standing::Bad(bad, end.why.clone())
            }
        }
    }
}

fn delay(retry: &Retry, tries: u32) -> Duration {
    let mut ms = retry.delay_ms;
    for _ in 1..tries.min(64) {
        ms = ms.saturating_mul(u64::from(retry.backoff_percent.max(100))) / 100;
    }
    // A wait longer than a day is a mistake of the exponent, not a wish.
    Duration::from_millis(ms.min(86_400_000))
}

fn stops_before(step: &PlannedStep) -> LineNext {
    let why = format!(
        "dry run: stops before step {}, the first that changes something",
        step.id
    );
    LineNext::End(HostState::NotStarted, why)
}

fn unknown(step: &str) -> LineNext {
    LineNext::End(HostState::Unknown, format!("nobody can say how step {step} ended"))
}

fn said(step: &str, stage: &str, why: &str) -> String {
    if why.is_empty() {
        format!("{stage}: step {step} failed")
    } else {
        format!("{stage}: step {step}: {why}")
    }
}
