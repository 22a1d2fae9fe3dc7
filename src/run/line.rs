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

use jiff::Timestamp;

pub use super::course::{Course, Standing, Walk, item_of, items, listed_by, places, standing};
use super::event::{HostState, Outcome, Slot, StepKey};
use super::{Line, PhaseRun, SlotRun, unwind};
use crate::id::HostName;
use crate::plan::{BuiltIn, Call, OnFailure, Place, PlannedPhase, PlannedStep, Stage};

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
    /// A person is asked before the policy acts, until then.
    Ask(Slot, Timestamp),
    /// The question is open until then.
    Asked(Slot, Timestamp),
    /// Nobody answered it in time.
    Unanswered(Slot),
    /// Its own failure turns it round.
    Turn(String),
    /// It ends so.
    End(HostState, String),
    /// It has ended.
    Over,
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
    /// A person sits at the terminal and may decide before the policy acts.
    pub attended: bool,
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
            return self.unless_decided(Some(slot), unknown(&slot.step));
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
            Walk::Unknown { step, .. } => return LineNext::End(HostState::Unknown, step),
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
            Walk::Unknown { step, .. } => return LineNext::End(HostState::Unknown, step),
        }
        for stage in [Stage::Drain, Stage::Steps, Stage::Verify] {
            match self.stage(stage, 0) {
                Walk::Done => {}
                Walk::Next(next) => return next,
                Walk::Bad { step, slot, why, .. } => {
                    let wish = self.failed(&said(&step, stage.as_str(), &why));
                    return self.unless_decided(slot.as_ref(), wish);
                }
                Walk::Unknown { step, slot } => return self.unless_decided(slot.as_ref(), unknown(&step)),
            }
        }
        match self.stage(Stage::Undrain, 0) {
            Walk::Done => LineNext::End(self.good(), String::new()),
            Walk::Next(next) => next,
            Walk::Bad { step, slot, why, .. } => {
                let wish = LineNext::End(HostState::Held, said(&step, "undrain", &why));
                self.unless_decided(slot.as_ref(), wish)
            }
            Walk::Unknown { step, slot } => self.unless_decided(slot.as_ref(), unknown(&step)),
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
                Walk::Bad { step, slot, why, .. } => {
                    let why = said(&step, "drain on the way back, nothing was undone", &why);
                    return self.unless_decided(slot.as_ref(), LineNext::End(HostState::Held, why));
                }
                Walk::Unknown { step, slot } => return self.unless_decided(slot.as_ref(), unknown(&step)),
            }
        }
        let way = unwind::owed(self.phase, self.host, self.line);
        let mut passed_over = None;
        for unwind::Owed { step, item } in way.undo.iter().copied() {
            // After one that was passed over no other may overtake it on the host itself.
            if passed_over.is_some() && step.place == Place::Own {
                continue;
            }
            match self.course().walk_item(Stage::Undo, step, 1, item) {
                Walk::Done => {}
                Walk::Next(next) => return next,
                // The host cannot be reached: its own undo is passed over, what runs elsewhere is still done.
                Walk::Bad {
                    step: id,
                    outcome: Outcome::Unreachable,
                    why,
                    ..
                } if step.place == Place::Own => {
                    passed_over = Some(said(&id, "undo", &why));
                }
                Walk::Bad { step, slot, why, .. } => {
                    let wish = LineNext::End(HostState::Broken, said(&step, "undo", &why));
                    return self.unless_decided(slot.as_ref(), wish);
                }
                Walk::Unknown { step, slot } => return self.unless_decided(slot.as_ref(), unknown(&step)),
            }
        }
        if let Some(why) = passed_over {
            return LineNext::End(HostState::Broken, why);
        }
        if let Some((step, reason)) = way.no_return {
            let why = format!("step {step} cannot be taken back ({reason}); what began after it is undone");
            return LineNext::End(HostState::Held, why);
        }
        if let Some(next) = self.proof(1) {
            return next;
        }
        match unwind::bad_restart(self.phase, self.line) {
            Some((step, why)) if self.phase.stages.verify.is_empty() => {
                let why = format!("{}; no `verify` proves that it is good", said(step, "steps", why));
                LineNext::End(HostState::Held, why)
            }
            _ => LineNext::End(HostState::RolledBack, self.turned_why()),
        }
    }

    /// A held host is looked at again: `verify`, then `undrain`.
    fn again(&self, pass: u32, went_back: bool) -> LineNext {
        match self.proof(pass) {
            Some(next) => next,
            None if went_back => LineNext::End(HostState::RolledBack, self.turned_why()),
            None => match worked(self.phase, self.run, self.host, self.line) {
                // It was held because something failed: good again, and never better than warned.
                Worked::All => LineNext::End(HostState::Warned, String::new()),
                Worked::Half => LineNext::End(
                    HostState::Held,
                    "verify passed, but not all of its steps were sent".to_owned(),
                ),
                Worked::Nothing => LineNext::End(
                    HostState::RolledBack,
                    "it is as it was: none of its steps was sent".to_owned(),
                ),
            },
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
                Walk::Bad { step, slot, why, .. } => {
                    let wish = LineNext::End(HostState::Held, said(&step, stage.as_str(), &why));
                    return Some(self.unless_decided(slot.as_ref(), wish));
                }
                Walk::Unknown { step, slot } => return Some(self.unless_decided(slot.as_ref(), unknown(&step))),
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

    /// Checks that stand side by side are all done, whatever the first of them found: then the first that is bad counts.
    fn list(&self, stage: Stage, steps: &[&PlannedStep], pass: u32) -> Walk {
        let mut bad: Option<Walk> = None;
        for step in steps {
            if !is_check(step)
                && let Some(bad) = bad
            {
                return bad;
            }
            // The opening of a bracket is done by the phase before its first host; here it is only looked at.
            if step.once && !step.read_only {
                if self.dry {
                    return Walk::Next(stops_before(step));
                }
                continue;
            }
            let walk = if step.once {
                Course::of_phase(self.phase, self.run, self.now).walk(stage, step, 0)
            } else {
                self.course().walk(stage, step, pass)
            };
            match walk {
                Walk::Done => {}
                Walk::Next(LineNext::Perform(_)) if self.dry && !step.read_only => {
                    return Walk::Next(stops_before(step));
                }
                // A host that cannot be reached is not asked for each of them anew.
                Walk::Bad {
                    outcome: Outcome::Failed | Outcome::TimedOut,
                    ..
                } if is_check(step) => {
                    bad.get_or_insert(walk);
                }
                Walk::Bad { .. } => return bad.unwrap_or(walk),
                other => return other,
            }
        }
        bad.unwrap_or(Walk::Done)
    }

    fn course(&self) -> Course<'_> {
        Course {
            now: self.now,
            ..Course::of_line(self.phase, self.host, self.line)
        }
    }
}

/// True for a look that judges for itself.
pub(super) fn is_check(step: &PlannedStep) -> bool {
    matches!(step.call, Call::BuiltIn(BuiltIn::Check(_)))
}

/// How much of a host's `steps` was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    /// None that changes something was sent.
    Nothing,
    /// Some.
    Half,
    /// Each one ended, well or badly, or was left out.
    All,
}

/// How much of this host's `steps` was done.
pub(super) fn worked(phase: &PlannedPhase, run: &PhaseRun, host: &HostName, line: &Line) -> Worked {
    let over = |step: &PlannedStep| {
        let course = if step.once {
            Course::of_phase(phase, run, Timestamp::MAX)
        } else {
            Course::of_line(phase, host, line)
        };
        let walk = course.walk(Stage::Steps, step, 0);
        !matches!(
            walk,
            Walk::Next(_)
                | Walk::Bad {
                    outcome: Outcome::Unreachable,
                    ..
                }
        )
    };
    let sent = |(slot, run): (&Slot, &SlotRun)| slot.stage == Stage::Steps && run.begun > 0 && run.changes;
    if phase.stages.steps.iter().all(over) {
        Worked::All
    } else if line.slots.iter().any(sent) {
        Worked::Half
    } else {
        Worked::Nothing
    }
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
