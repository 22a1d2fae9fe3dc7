//! What has happened: the fold of a plan and its events.
//!
//! Owns: [`Run`] and `apply`, the only way it changes. Must not: do I/O, read a clock, decide (that is [`next`]).
//! Time comes from events alone, so folding a journal twice gives the same run.

pub mod event;
pub mod ledger;
pub mod line;
pub mod moment;
pub mod next;
pub mod objective;
pub mod unwind;
pub mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::event::{
    Answer, Event, GateEnd, Halt, HostState, Occasion, Outcome, Slot, Stamped, StepKey, StepResult, Verdict,
};
use crate::id::{Digest, HostName, RunId};
use crate::inventory::facts::Facts;
use crate::plan::Stage;

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
    /// What uploads found: key of the upload's line → former content.
    pub captured: BTreeMap<(String, HostName, String), Captured>,
    /// Marks: name → host → earliest and latest moment.
    pub marks: BTreeMap<String, BTreeMap<Option<HostName>, Timestamp>>,
    /// Why the whole run goes back, if it does.
    pub backwards: Option<String>,
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
    /// Obligations that a person put right by hand.
    pub forgiven: BTreeSet<String>,
    /// How the last process left it.
    pub ended: Option<(Verdict, u8)>,
    /// The slowest host of each phase so far, ms from its beginning to its end.
    pub slowest_ms: BTreeMap<String, u64>,
}

/// A step's results by host (`None`: `once` and steady state).
pub type ByHost = BTreeMap<Option<HostName>, (Outcome, StepResult)>;

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
    /// When the last precheck of the first round ended.
    pub prechecked: Option<Timestamp>,
    /// When its turn came.
    pub began: Option<Timestamp>,
    /// Prechecks repeated at its turn.
    pub recheck: Vec<String>,
    /// Its steps.
    pub slots: BTreeMap<Slot, SlotRun>,
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
    /// The attempt under way.
    pub open: Option<StepKey>,
    /// How the last attempt ended.
    pub end: Option<SlotEnd>,
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

    /// One more fact.
    pub fn apply(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match &stamped.event {
            Event::Started {
                run,
                plan,
                operator,
                dry,
                ..
            } => {
                self.id = Some(run.clone());
                self.plan = Some(plan.clone());
                self.operators.insert(operator.clone());
                self.dry = *dry;
                self.started = Some(at);
            }
            Event::Resumed {
                operator,
                back,
                overrides,
                ..
            } => {
                self.operators.insert(operator.clone());
                self.resume(at, *back, !overrides.is_empty());
            }
            Event::Connected { host, facts } => {
                self.facts.insert(host.clone(), facts.clone());
            }
            Event::Locked { host, on_host } => {
                self.locked.insert(host.clone(), *on_host);
            }
            Event::Unlocked { host } => {
                self.locked.remove(host);
            }
            Event::SteadyAsked { phase, round, occasion } => self.steady_asked(phase, *round, *occasion),
            Event::SteadyAnswered { phase, round, ok } => self.steady_answered(phase, *round, *ok),
            Event::Intended { .. }
            | Event::Settled { .. }
            | Event::NeverBegan { .. }
            | Event::CutOff { .. }
            | Event::Skipped { .. } => {
                self.step(stamped);
            }
            Event::Captured { key, former, mode } => {
                if let Some(host) = &key.host {
                    let place = (key.phase.clone(), host.clone(), key.step.clone());
                    // The first capture is what there was before us; a second attempt would capture our own file.
                    self.captured.entry(place).or_insert_with(|| Captured {
                        former: former.clone(),
                        mode: *mode,
                    });
                }
            }
            Event::GateOpened { gate, expires, .. } => {
                self.gates.insert(
                    gate.clone(),
                    GateRun {
                        expires: *expires,
                        opened: at,
                        answers: Vec::new(),
                        state: GateState::Open,
                    },
                );
            }
            Event::GateAnswered { gate, answer } => {
                if let Some(g) = self.gates.get_mut(gate) {
                    g.answers.push(answer.clone());
                }
            }
            Event::GatePassed { gate } => self.gate_ends(gate, GateState::Passed),
            Event::GateClosed { gate, why } => self.gate_ends(gate, GateState::Closed(*why)),
            Event::Halted { why, text } => {
                self.halted.get_or_insert((*why, text.clone()));
            }
            Event::TurnedBack { why } => {
                self.backwards.get_or_insert_with(|| why.clone());
                self.back_session += 1;
            }
            Event::Signalled { count } => self.signals = *count,
            Event::Forgiven { obligation, .. } => {
                self.forgiven.insert(obligation.clone());
            }
            Event::Decided {
                phase,
                host,
                slot,
                verdict,
                reason,
                ..
            } => {
                self.decided(at, phase, host, slot, verdict, reason);
            }
            Event::Ended { verdict, exit, .. } => self.ended = Some((*verdict, *exit)),
            Event::Noted { .. } => {}
            other => self.phase_event(at, other),
        }
    }

    fn gate_ends(&mut self, gate: &str, state: GateState) {
        if let Some(g) = self.gates.get_mut(gate) {
            g.state = state;
        }
    }

    fn resume(&mut self, at: Timestamp, back: bool, overridden: bool) {
        self.resumed = Some(at);
        self.signals = 0;
        self.halted = None;
        self.ended = None;
        self.recheck_steady = true;
        self.window_overridden |= overridden;
        if back {
            self.backwards
                .get_or_insert_with(|| "resumed with --rollback".to_owned());
            self.back_session += 1;
        }
        for phase in self.phases.values_mut() {
            phase.ended = false;
            for batch in phase.batches.iter_mut().filter(|b| !b.settled) {
                batch.soak_began = None;
                batch.rounds.clear();
            }
        }
        for round in self.steady.values_mut().flatten() {
            round.current = false;
        }
        // A gate that expired or met the cut-off is asked again; one that was rejected stays rejected; one that still waits
        // keeps its opening, which approvals are bound to.
        self.gates.retain(|_, g| match g.state {
            GateState::Closed(GateEnd::Expired | GateEnd::CutOff) => false,
            GateState::Open => g.expires > at,
            GateState::Passed | GateState::Closed(GateEnd::Rejected) => true,
        });
    }

    fn steady_asked(&mut self, scope: &str, round: u32, occasion: Occasion) {
        let rounds = self.steady.entry(scope.to_owned()).or_default();
        rounds.push(Round {
            occasion,
            slots: BTreeMap::new(),
            ok: None,
            current: true,
        });
        if occasion == Occasion::Batch {
            let batch = self
                .phases
                .values_mut()
                .filter(|p| !p.ended)
                .filter_map(|p| p.batches.last_mut())
                .find(|b| !b.settled);
            if let Some(batch) = batch {
                batch.rounds.insert(scope.to_owned(), round);
            }
        }
    }

    fn steady_answered(&mut self, scope: &str, round: u32, ok: bool) {
        let asked = self
            .steady
            .get_mut(scope)
            .and_then(|r| r.get_mut(usize::try_from(round).unwrap_or(usize::MAX)));
        if let Some(asked) = asked {
            asked.ok = Some(ok);
            if asked.occasion == Occasion::Resume && ok {
                self.recheck_steady = false;
            }
        }
    }

    fn phase_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::PhaseBegan { phase } => {
                self.phases.entry(phase.clone()).or_default();
            }
            Event::PhaseEnded { phase } => {
                if let Some(p) = self.phases.get_mut(phase) {
                    p.ended = true;
                }
            }
            Event::BatchBegan { phase, batch, hosts } => {
                let p = self.phases.entry(phase.clone()).or_default();
                p.batches.push(Batch {
                    number: *batch,
                    hosts: hosts.clone(),
                    ..Batch::default()
                });
            }
            Event::SoakBegan { phase, batch, .. } => {
                if let Some(b) = self.batch(phase, *batch) {
                    b.soak_began = Some(at);
                }
            }
            Event::BatchSettled { phase, batch } => {
                if let Some(b) = self.batch(phase, *batch) {
                    b.settled = true;
                }
            }
            Event::JudgedLast {
                phase,
                batch,
                host,
                last,
            } => {
                let p = self.phases.entry(phase.clone()).or_default();
                p.last.insert((*batch, host.clone()), *last);
            }
            other => self.line_event(at, other),
        }
    }

    fn batch(&mut self, phase: &str, number: u32) -> Option<&mut Batch> {
        self.phases
            .get_mut(phase)?
            .batches
            .iter_mut()
            .find(|b| b.number == number)
    }

    fn line_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Reached { phase, host } => self.line_mut(phase, host).reached = true,
            Event::Judged { phase, host, needed } => self.line_mut(phase, host).needed = Some(*needed),
            Event::HostBegan { phase, host, recheck } => {
                let line = self.line_mut(phase, host);
                line.began = Some(at);
                line.recheck.clone_from(recheck);
            }
            Event::Turned {
                phase,
                host,
                why,
                own_failure,
            } => {
                let session = self.back_session;
                self.line_mut(phase, host).turn(why, *own_failure, session);
            }
            Event::Reopened { phase, host, pass } => {
                let line = self.line_mut(phase, host);
                line.reopened = Some(*pass);
                line.ended = None;
            }
            Event::HostEnded {
                phase,
                host,
                state,
                why,
            } => {
                let line = self.line_mut(phase, host);
                line.ended = Some(*state);
                line.why.clone_from(why);
                line.counted |= matches!(
                    state,
                    HostState::Refused | HostState::Failed | HostState::Held | HostState::Broken | HostState::Unknown
                );
                let took = line.began.map_or(0, |b| {
                    u64::try_from(at.as_millisecond() - b.as_millisecond()).unwrap_or(0)
                });
                let slowest = self.slowest_ms.entry(phase.clone()).or_default();
                *slowest = took.max(*slowest);
            }
            Event::HostClosed { phase, host } => self.line_mut(phase, host).closed = true,
            _ => {}
        }
    }

    fn line_mut(&mut self, phase: &str, host: &HostName) -> &mut Line {
        self.phases
            .entry(phase.to_owned())
            .or_default()
            .lines
            .entry(host.clone())
            .or_default()
    }

    /// The slot that a key fills.
    fn slot_mut(&mut self, key: &StepKey) -> &mut SlotRun {
        if key.stage == Stage::Steady {
            let rounds = self.steady.entry(key.phase.clone()).or_default();
            let at = usize::try_from(key.pass).unwrap_or(0).min(rounds.len());
            if at == rounds.len() {
                rounds.push(Round {
                    occasion: Occasion::Start,
                    slots: BTreeMap::new(),
                    ok: None,
                    current: true,
                });
            }
            if let Some(round) = rounds.get_mut(at) {
                return round.slots.entry(key.slot()).or_default();
            }
        }
        let phase = self.phases.entry(key.phase.clone()).or_default();
        match &key.host {
            Some(host) => phase
                .lines
                .entry(host.clone())
                .or_default()
                .slots
                .entry(key.slot())
                .or_default(),
            None => phase.once.entry(key.slot()).or_default(),
        }
    }

    fn step(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match &stamped.event {
            Event::Intended {
                key,
                on,
                call,
                changes,
                latched,
                boot,
                limit_ms,
            } => {
                let slot = self.slot_mut(key);
                slot.attempts = key.attempt;
                slot.tries += 1;
                slot.begun += 1;
                if slot.begun == 1 {
                    slot.order = stamped.seq;
                }
                slot.open = Some(key.clone());
                slot.end = None;
                slot.on = Some(on.clone());
                slot.changes = *changes;
                let open = Open {
                    at,
                    on: on.clone(),
                    changes: *changes,
                    latched: *latched,
                    boot: boot.clone(),
                    limit_ms: *limit_ms,
                    call: call.clone(),
                };
                self.open.insert(key.clone(), open);
            }
            Event::Settled { key, outcome, result } => self.settled(at, key, *outcome, result),
            Event::NeverBegan { key } | Event::CutOff { key } => {
                let slot = self.slot_mut(key);
                slot.open = None;
                slot.tries = slot.tries.saturating_sub(1);
                slot.begun = slot.begun.saturating_sub(1);
                self.open.remove(key);
            }
            Event::Skipped { key, reason, by_person } => {
                let end = SlotEnd {
                    outcome: Outcome::Skipped,
                    at,
                    warned: false,
                    changed: false,
                    why: reason.clone(),
                    by_person: *by_person,
                };
                self.slot_mut(key).end = Some(end);
                self.keep_result(key, Outcome::Skipped, &StepResult::default());
                self.note_precheck(key, at);
            }
            _ => {}
        }
    }

    fn settled(&mut self, at: Timestamp, key: &StepKey, outcome: Outcome, result: &StepResult) {
        let slot = self.slot_mut(key);
        slot.open = None;
        // What could not be sent has not begun: nothing of it is owed.
        if outcome == Outcome::Unreachable {
            slot.begun = slot.begun.saturating_sub(1);
        }
        slot.end = Some(SlotEnd {
            outcome,
            at,
            warned: result.warned,
            changed: result.changed,
            why: result.why.clone(),
            by_person: false,
        });
        self.open.remove(key);
        self.keep_result(key, outcome, result);
        for (name, moment) in &result.marks {
            // Set twice on one host, the first counts.
            self.marks
                .entry(name.clone())
                .or_default()
                .entry(key.host.clone())
                .or_insert(*moment);
        }
        self.note_precheck(key, at);
        if result.warned
            && let Some(host) = &key.host
        {
            self.line_mut(&key.phase, host).warned = true;
        }
    }

    /// Registered values stay those of the first pass; a repeated precheck only passes or refuses.
    fn keep_result(&mut self, key: &StepKey, outcome: Outcome, result: &StepResult) {
        if key.pass > 1 && key.stage == Stage::Precheck {
            return;
        }
        let place = (key.phase.clone(), key.step.clone());
        self.results
            .entry(place)
            .or_default()
            .insert(key.host.clone(), (outcome, result.clone()));
    }

    fn note_precheck(&mut self, key: &StepKey, at: Timestamp) {
        if key.stage == Stage::Precheck
            && let Some(host) = &key.host
        {
            self.line_mut(&key.phase, host).prechecked = Some(at);
        }
    }

    fn decided(&mut self, at: Timestamp, phase: &str, host: &HostName, slot: &Slot, verdict: &str, reason: &str) {
        let line = self.line_mut(phase, host);
        let run = line.slots.entry(slot.clone()).or_default();
        let open = run.open.take();
        let end = |outcome| SlotEnd {
            outcome,
            at,
            warned: false,
            changed: true,
            why: reason.to_owned(),
            by_person: true,
        };
        run.end = match verdict {
            "ok" => Some(end(Outcome::Ok)),
            "failed" => Some(end(Outcome::Failed)),
            "skip" => Some(end(Outcome::Skipped)),
            _ => None,
        };
        line.warned |= verdict == "skip";
        line.ended = None;
        line.reopened = None;
        if let Some(key) = open {
            self.open.remove(&key);
        }
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

    /// True while it is out of service: a drain began after the last undrain that went through.
    pub fn is_out(&self) -> bool {
        let last = |stage: Stage, good_only: bool| {
            self.slots
                .iter()
                .filter(|(s, r)| {
                    s.stage == stage
                        && r.begun > 0
                        && (!good_only || r.end.as_ref().is_some_and(|e| e.outcome == Outcome::Ok))
                })
                .map(|(_, r)| r.order)
                .max()
        };
        match (last(Stage::Drain, false), last(Stage::Undrain, true)) {
            (Some(drained), Some(back)) => {
                drained > back
                    || !matches!(
                        self.ended,
                        Some(HostState::Ok | HostState::Warned | HostState::RolledBack)
                    )
            }
            (Some(_), None) => true,
            _ => false,
        }
    }

    fn turn(&mut self, why: &str, own_failure: bool, session: u32) {
        self.turned = Some(Turn {
            why: why.to_owned(),
            session,
        });
        self.reopened = None;
        self.ended = None;
        self.counted |= own_failure;
        // What of the way back ended badly before is tried again; what succeeded never is.
        for (slot, run) in &mut self.slots {
            let back = slot.pass == 1 || slot.stage == Stage::Undo;
            if back
                && run
                    .end
                    .as_ref()
                    .is_some_and(|e| !matches!(e.outcome, Outcome::Ok | Outcome::Skipped | Outcome::Unknown))
            {
                run.end = None;
                run.tries = 0;
            }
        }
    }
}
