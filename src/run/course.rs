//! A step over its places and attempts: how it stands, and which attempt comes next.
//!
//! Owns: items, places, retries. Must not: know what follows a step (that is `line`).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::event::{Outcome, Slot, StepKey};
use super::line::{LineNext, is_check};
use super::{Line, Lists, PhaseRun, SlotRun};
use crate::id::HostName;
use crate::plan::{Place, PlannedPhase, PlannedStep, Retry, Stage, Value, item_words};

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
        /// Where on the host's own line; `None`: it is the phase's.
        slot: Option<Slot>,
        /// How.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// Nobody can say how one ended.
    Unknown {
        /// Which.
        step: String,
        /// Where on the host's own line; `None`: it is the phase's.
        slot: Option<Slot>,
    },
}

/// Where steps are walked: for whom, and what is told of them.
#[derive(Clone, Copy)]
pub struct Course<'a> {
    /// The phase; empty: the run's own steady state.
    pub phase: &'a str,
    /// The host; `None`: `once` and steady state.
    pub host: Option<&'a HostName>,
    /// The steps' attempts.
    pub slots: &'a BTreeMap<Slot, SlotRun>,
    /// The items of those with `for_each`.
    pub lists: &'a Lists,
    /// Now, for retries that are due.
    pub now: Timestamp,
}

impl<'a> Course<'a> {
    /// A host's own, with nothing due by time.
    pub fn of_line(phase: &'a PlannedPhase, host: &'a HostName, line: &'a Line) -> Self {
        Self {
            phase: &phase.id,
            host: Some(host),
            slots: &line.slots,
            lists: &line.lists,
            now: Timestamp::MIN,
        }
    }

    /// That of a phase's `once` steps.
    pub fn of_phase(phase: &'a PlannedPhase, run: &'a PhaseRun, now: Timestamp) -> Self {
        Self {
            phase: &phase.id,
            host: None,
            slots: &run.once,
            lists: &run.lists,
            now,
        }
    }

    /// How a step stands, over all its items and the whole delegated set.
    pub fn walk(&self, stage: Stage, step: &PlannedStep, pass: u32) -> Walk {
        let hosts = places(step, self.host);
        match items(step, stage, self.lists) {
            Some(items) => {
                let all = hosts.saturating_mul(u32::try_from(items.len()).unwrap_or(u32::MAX));
                self.walk_places(stage, step, pass, 0..all)
            }
            // Its list is not asked yet: that is what its first place does, or leaves the whole step out.
            None if step.for_each.is_some() => self.walk_places(stage, step, pass, 0..hosts.min(1)),
            None => self.walk_places(stage, step, pass, 0..hosts),
        }
    }

    /// How an undo step stands that takes back one item.
    pub fn walk_item(&self, stage: Stage, step: &PlannedStep, pass: u32, item: u32) -> Walk {
        let hosts = places(step, self.host);
        let first = item.saturating_mul(hosts);
        self.walk_places(stage, step, pass, first..first.saturating_add(hosts))
    }

    fn walk_places(&self, stage: Stage, step: &PlannedStep, pass: u32, nths: std::ops::Range<u32>) -> Walk {
        // Looks at several things are all done, whatever the first of them found: the first bad one is the step's end.
        let mut first_bad = None;
        for nth in nths {
            let slot = Slot {
                stage,
                step: step.id.clone(),
                nth,
                pass,
            };
            let run = self.slots.get(&slot);
            let perform = || {
                Walk::Next(LineNext::Perform(StepKey {
                    phase: self.phase.to_owned(),
                    stage,
                    step: step.id.clone(),
                    nth,
                    host: self.host.cloned(),
                    pass,
                    attempt: run.map_or(0, |r| r.attempts) + 1,
                }))
            };
            match standing(run, step) {
                Standing::Fresh => return perform(),
                Standing::Open => return Walk::Next(LineNext::Busy),
                Standing::Good => {}
                Standing::RetryAt(at) if at <= self.now => return perform(),
                Standing::RetryAt(at) => return Walk::Next(LineNext::Wait(at)),
                Standing::Bad(outcome, why) => {
                    let goes_on = is_check(step) && matches!(outcome, Outcome::Failed | Outcome::TimedOut);
                    let bad = Walk::Bad {
                        step: self.place_words(stage, step, nth),
                        slot: self.host.map(|_| slot),
                        outcome,
                        why,
                    };
                    if !goes_on {
                        return first_bad.unwrap_or(bad);
                    }
                    first_bad.get_or_insert(bad);
                }
                Standing::Unknown => {
                    return Walk::Unknown {
                        step: step.id.clone(),
                        slot: self.host.map(|_| slot),
                    };
                }
            }
        }
        first_bad.unwrap_or(Walk::Done)
    }

    /// A step's id, with its item where it has several.
    fn place_words(&self, stage: Stage, step: &PlannedStep, nth: u32) -> String {
        let Some(items) = items(step, stage, self.lists) else {
            return step.id.clone();
        };
        let item = usize::try_from(item_of(step, self.host, nth)).unwrap_or(usize::MAX);
        format!("{} ({})", step.id, item_words(items.get(item), item, items.len()))
    }
}

/// The items of a step: its own list, or for an undo step that of the step which it takes back.
pub fn items<'l>(step: &PlannedStep, stage: Stage, lists: &'l Lists) -> Option<&'l [Value]> {
    let (stage, id) = listed_by(stage, &step.id);
    lists.get(&(stage, id.to_owned())).map(Vec::as_slice)
}

/// Whose list the items of a step are: its own, or for an undo step (`STEP/N`) that of the step which it takes back.
pub fn listed_by(stage: Stage, id: &str) -> (Stage, &str) {
    match (stage, id.rsplit_once('/')) {
        (Stage::Undo, Some((of, _))) => (Stage::Steps, of),
        _ => (stage, id),
    }
}

/// Which item the place `nth` of a step is for, from 0.
pub fn item_of(step: &PlannedStep, host: Option<&HostName>, nth: u32) -> u32 {
    nth / places(step, host).max(1)
}

/// How many places an item of a step (or the step, if it has no items) is done at, one after another.
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
