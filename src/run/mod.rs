//! What has happened: the fold of a plan and its events.
//!
//! Owns: [`Run`] and what can be read off it; `fold` changes it. Must not: do I/O, read a clock, decide (that is [`next`]).

pub mod ask;
mod back;
mod cleanup;
mod course;
pub mod event;
mod fold;
mod gate;
mod key;
pub mod ledger;
pub mod limits;
pub mod line;
pub mod moment;
pub mod moved;
pub mod next;
pub mod objective;
pub mod outlook;
mod places;
pub mod quiet;
mod rollout;
mod state;
mod steady;
#[cfg(test)]
mod tests;
pub mod together;
pub mod unwind;
pub mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::event::{Answer, GateEnd, Halt, HostState, Occasion, Outcome, Slot, Stamped, StepKey, Verdict};
use self::quiet::{Silence, SilenceKey};
use crate::id::{Digest, HostName, RunId};
use crate::inventory::facts::Facts;
use crate::plan::{Plan, Stage, Value};

pub use self::places::Places;

/// A run, as its events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: Option<RunId>,
    /// The plan it executes.
    pub plan: Option<Digest>,
    /// All who started or resumed it.
    pub operators: BTreeSet<String>,
    /// A dry run: nothing that changes is sent.
    pub dry: bool,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When its last event was.
    pub latest: Option<Timestamp>,
    /// When it was last resumed.
    pub resumed: Option<Timestamp>,
    /// Phases that have begun.
    pub phases: BTreeMap<String, PhaseRun>,
    /// Rounds of the steady state, by phase (empty: the run's own).
    pub steady: BTreeMap<String, Vec<Round>>,
    /// Gates that were opened.
    pub gates: BTreeMap<String, GateRun>,
    /// Hosts that were logged into, with what they said last.
    pub facts: BTreeMap<HostName, Facts>,
    /// Hosts whose lock this run holds, and whether on the host itself.
    pub locked: BTreeMap<HostName, bool>,
    /// Steps that were intended and have no end yet.
    pub open: BTreeMap<StepKey, Open>,
    /// Registered and other results, by phase, step and host (`None`: `once`, steady state): the last attempt of the first pass.
    pub results: BTreeMap<(String, String), ByHost>,
    /// What uploads found: phase, host, step and place of the upload → former content.
    pub captured: BTreeMap<(String, HostName, String, u32), Captured>,
    /// Marks: name → host → earliest and latest moment.
    pub marks: BTreeMap<String, BTreeMap<Option<HostName>, Timestamp>>,
    /// Why the whole run goes back, if it does.
    pub backwards: Option<String>,
    /// A rehearsal whose work was all good, and that goes back because of that.
    pub rehearsed: bool,
    /// Counts the decisions to go back, so that `resume --rollback` tries again what failed before.
    pub back_session: u32,
    /// Why nothing further starts (cleared by `resume`; what still holds is found again).
    pub halted: Option<(Halt, String)>,
    /// Signals since the last start or resume.
    pub signals: u32,
    /// `resume` must see the steady state before a further host starts.
    pub recheck_steady: bool,
    /// A signed override lets it go on outside the window.
    pub window_overridden: bool,
    /// A signed override sets the freezes aside.
    pub freeze_overridden: bool,
    /// What the freeze calendars said when the run started.
    pub freezes: Vec<crate::window::Freeze>,
    /// Obligations that a person put right by hand.
    pub forgiven: BTreeSet<String>,
    /// How the last process left it.
    pub ended: Option<(Verdict, u8)>,
    /// The slowest host of each phase so far, ms from its beginning to its end.
    pub slowest_ms: BTreeMap<String, u64>,
    /// The slowest host of each phase in former runs, as the start of this one was told.
    pub former_ms: BTreeMap<String, u64>,
    /// A person sits at the terminal of this process and is asked before a policy acts.
    pub attended: bool,
    /// `owed --clean`: what has ended is closed, nothing else begins.
    pub cleaning: bool,
    /// Hosts on which something may lie that the run put there for itself.
    pub visited: BTreeSet<HostName>,
    /// Monitoring that keeps quiet, or may.
    pub silences: BTreeMap<SilenceKey, Silence>,
    /// What people were told: the number of an event's record, and through what.
    pub told: BTreeSet<(u64, String)>,
}

/// A step's results by host (`None`: `once` and steady state).
pub type ByHost = BTreeMap<Option<HostName>, Places>;

/// The items of `for_each` steps, by stage and step. Asked once; what is here is never asked again.
pub type Lists = BTreeMap<(Stage, String), Vec<Value>>;

/// A step on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// When it was intended.
    pub at: Timestamp,
    /// Where it is done.
    pub on: HostName,
    /// True if it changes something.
    pub changes: bool,
    /// True if the host can be asked about it.
    pub latched: bool,
    /// The boot identity of `on` before it.
    pub boot: String,
    /// Its limit.
    pub limit_ms: u64,
    /// What it does, in words.
    pub call: String,
    /// A former process left it open: its host is asked how it ended.
    pub left: bool,
}

/// What an upload found before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The former content, by digest; `None`: there was no file.
    pub former: Option<Digest>,
    /// Its mode.
    pub mode: Option<u32>,
}

/// A phase that has begun.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseRun {
    /// Its hosts' lines.
    pub lines: BTreeMap<HostName, Line>,
    /// Batches so far.
    pub batches: Vec<Batch>,
    /// Slots of `once` steps.
    pub once: BTreeMap<Slot, SlotRun>,
    /// Their lists.
    pub lists: Lists,
    /// `last`, asked before batch N.
    pub last: BTreeMap<(u32, HostName), bool>,
    /// True when it is over.
    pub ended: bool,
}

/// A batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// From 1.
    pub number: u32,
    /// Its hosts in order.
    pub hosts: Vec<HostName>,
    /// When its soak began.
    pub soak_began: Option<Timestamp>,
    /// The rounds of the steady state asked after it, by scope.
    pub rounds: BTreeMap<String, u32>,
    /// Soak, steady state and gate passed.
    pub settled: bool,
}

/// A round of the steady state.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// When in the run.
    pub occasion: Occasion,
    /// Its steps.
    pub slots: BTreeMap<Slot, SlotRun>,
    /// Their lists.
    pub lists: Lists,
    /// How it ended.
    pub ok: Option<bool>,
    /// True if it was asked since the last start or resume.
    pub current: bool,
}

/// A gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRun {
    /// When it gives up.
    pub expires: Timestamp,
    /// When it was opened (the last time).
    pub opened: Timestamp,
    /// Answers that count.
    pub answers: Vec<Answer>,
    /// Open, or how it ended.
    pub state: GateState,
}

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Waits.
    Open,
    /// Passed, for ever.
    Passed,
    /// Did not pass.
    Closed(GateEnd),
}

/// One host in one phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// It was logged into for this phase.
    pub reached: bool,
    /// The phase's `when`.
    pub needed: Option<bool>,
    /// When its turn came.
    pub began: Option<Timestamp>,
    /// Prechecks repeated at its turn.
    pub recheck: Vec<String>,
    /// Its steps.
    pub slots: BTreeMap<Slot, SlotRun>,
    /// The items of its steps with `for_each`.
    pub lists: Lists,
    /// Its turn round: why, and in which back session (0: on its own).
    pub turned: Option<Turn>,
    /// The pass in which a held host is looked at again.
    pub reopened: Option<u32>,
    /// How it ended.
    pub ended: Option<HostState>,
    /// Why.
    pub why: String,
    /// Nothing of it can be undone any more.
    pub closed: bool,
    /// It counts for `max_fail`, for ever.
    pub counted: bool,
    /// It cannot end better than `warned`.
    pub warned: bool,
}

/// A host that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Why.
    pub why: String,
    /// Which decision to go back this belongs to.
    pub session: u32,
}

/// One step of a line, over its attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotRun {
    /// Attempts used for keys; the next one is this and one.
    pub attempts: u32,
    /// Attempts that count for `retry`.
    pub tries: u32,
    /// Attempts that may have begun on the host.
    pub begun: u32,
    /// Order of its first intent in the journal.
    pub order: u64,
    /// The attempt under way, by its number.
    pub open: Option<u32>,
    /// How the last attempt ended.
    pub end: Option<SlotEnd>,
    /// A person is asked about that end, until then.
    pub asked: Option<Timestamp>,
    /// What is to follow that end, as a person said.
    pub word: Option<ask::Word>,
    /// Where it was done.
    pub on: Option<HostName>,
    /// True if it changes something.
    pub changes: bool,
}

/// The end of a slot's last attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotEnd {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// It ended with a warning.
    pub warned: bool,
    /// It changed something.
    pub changed: bool,
    /// Why it is not ok.
    pub why: String,
    /// A person said so: no further attempt by itself.
    pub by_person: bool,
}

impl Run {
    /// The run that these events tell.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Stamped>) -> Self {
        let mut run = Self::default();
        for e in events {
            run.apply(e);
        }
        run
    }

    /// A host's line in a phase.
    pub fn line(&self, phase: &str, host: &HostName) -> Option<&Line> {
        self.phases.get(phase)?.lines.get(host)
    }

    /// Hosts that this run has out of service now: drained and not back.
    pub fn held_out(&self) -> BTreeSet<HostName> {
        let mut out = BTreeSet::new();
        for phase in self.phases.values() {
            for (host, line) in &phase.lines {
                if line.is_out() {
                    out.insert(host.clone());
                }
            }
        }
        out
    }

    /// True if something that changes may still run for this host: nobody can say how a step of it ended.
    pub fn unsure(&self, host: &HostName) -> bool {
        self.phases
            .values()
            .filter_map(|p| p.lines.get(host))
            .any(|l| l.unknown_step().is_some())
    }

    /// All hosts that are [`Run::unsure`]. Only in phases that change something can any be.
    pub fn unsure_hosts(&self, plan: &Plan) -> BTreeSet<&HostName> {
        let changing = plan.phases().filter(|p| p.changes);
        let lines = changing.filter_map(|p| self.phases.get(&p.id)).flat_map(|p| &p.lines);
        let unsure = lines.filter(|(_, line)| line.unknown_step().is_some());
        unsure.map(|(host, _)| host).collect()
    }

    /// The items of a `for_each` step, if they were asked. `of` names the place: its pass counts for the steady state only.
    pub fn items(&self, of: &StepKey, stage: Stage, step: &str) -> Option<&[Value]> {
        let lists = match (&of.host, stage) {
            (_, Stage::Steady) => {
                let round = self.steady.get(&of.phase)?.get(usize::try_from(of.pass).ok()?)?;
                &round.lists
            }
            (Some(host), _) => &self.line(&of.phase, host)?.lists,
            (None, _) => &self.phases.get(&of.phase)?.lists,
        };
        lists.get(&(stage, step.to_owned())).map(Vec::as_slice)
    }

    /// The round of the steady state that was asked after the batch that is not settled.
    fn batch_round(&self, scope: &str) -> Option<usize> {
        let unsettled = |p: &&PhaseRun| !p.ended && p.batches.last().is_some_and(|b| !b.settled);
        let batch = self.phases.values().find(unsettled)?.batches.last()?;
        usize::try_from(*batch.rounds.get(scope)?).ok()
    }

    /// True if the steady state was false after this batch.
    fn round_is_false(&self, batch: &Batch, scope: &str) -> bool {
        batch
            .rounds
            .get(scope)
            .and_then(|n| self.steady.get(scope)?.get(usize::try_from(*n).ok()?))
            .is_some_and(|r| r.ok == Some(false))
    }
}

impl Line {
    /// True once a step of `drain`, `steps`, `undrain` or an undo may have begun there: it has something to close.
    pub fn touched(&self) -> bool {
        self.slots
            .iter()
            .any(|(s, r)| r.begun > 0 && matches!(s.stage, Stage::Drain | Stage::Steps | Stage::Undrain | Stage::Undo))
    }

    /// True once something that changes may have begun there.
    pub fn changed(&self) -> bool {
        self.slots.values().any(|r| r.begun > 0 && r.changes)
    }

    /// True while it is out of service, or may be: a drain began, and it has not ended back in service.
    pub fn is_out(&self) -> bool {
        let drained = self
            .slots
            .iter()
            .any(|(s, r)| s.stage == Stage::Drain && r.begun > 0 && r.changes);
        let back = matches!(
            self.ended,
            Some(HostState::Ok | HostState::Warned | HostState::RolledBack)
        );
        drained && !back
    }

    /// True while its turn has come and it has not ended.
    pub fn under_way(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }

    /// True while a step of it is under way.
    pub fn busy(&self) -> bool {
        self.slots.values().any(|r| r.open.is_some())
    }

    /// The step about which a person is asked now.
    pub fn asks(&self) -> Option<&Slot> {
        self.slots.iter().find(|(_, r)| r.asked.is_some()).map(|(slot, _)| slot)
    }

    /// True if a person said to leave this host as it is.
    pub fn held_by_word(&self) -> bool {
        let held = |r: &SlotRun| r.word == Some(ask::Word::Hold);
        self.ended.is_some() && self.slots.values().any(held)
    }

    /// The changing step of which nobody can say how it ended: it may still run.
    pub fn unknown_step(&self) -> Option<&Slot> {
        let unknown = |r: &SlotRun| r.changes && r.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown);
        self.slots.iter().find(|(_, r)| unknown(r)).map(|(slot, _)| slot)
    }

    /// True from the first cleanup step on: nothing of it is taken back any more.
    pub fn is_closed(&self) -> bool {
        self.closed || self.slots.iter().any(|(s, r)| s.stage == Stage::Cleanup && r.begun > 0)
    }
}
