//! The ledger: what a run owes. At the end it must be empty, or the run says what it leaves behind.
//!
//! Owns: the obligations, derived from plan and run, never stored. Must not: settle any.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cleanup::{bracket_open, bracket_steps};
use super::event::{HostState, Outcome};
use super::line::{Course, Walk, items};
use super::{Line, PhaseRun, Run, SlotEnd, quiet, unwind};
use crate::id::HostName;
use crate::plan::{Plan, PlannedPhase, PlannedStep, Stage, item_words};

/// Something owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// Its name for `settle RUN OBLIGATION done`: `undo:PHASE/HOST/STEP`, `undrain:PHASE/HOST`, `silence:NAME/HOST`, `lock:HOST`, …
    pub id: String,
    /// What kind.
    pub kind: Owed,
    /// The phase, where it has one.
    pub phase: String,
    /// The host, where it has one.
    pub host: Option<HostName>,
    /// In words.
    pub what: String,
    /// It is owed no longer than this: then it is over by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The kinds of obligation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owed {
    /// A step nobody can say the end of.
    Step,
    /// An undo step.
    Undo,
    /// A host out of service.
    Undrain,
    /// A cleanup step.
    Cleanup,
    /// The closing of a bracket.
    Bracket,
    /// Monitoring that keeps quiet.
    Silence,
    /// A host's lock.
    Lock,
    /// What the run put on a host for itself.
    Files,
}

impl Owed {
    /// True for what the end of every process gives back by itself where it can: it is no work of the runbook's.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Lock | Self::Files)
    }
}

/// Everything the run owes now, phases in order, hosts in order.
pub fn obligations(plan: &Plan, run: &Run) -> Vec<Obligation> {
    let mut owed = Vec::new();
    // A dry run sent nothing that changes.
    for phase in plan.phases().filter(|_| !run.dry) {
        let Some(pr) = run.phases.get(&phase.id) else { continue };
        for host in &phase.hosts {
            if let Some(line) = pr.lines.get(host) {
                of_line(phase, host, line, &mut owed);
            }
        }
        of_brackets(phase, pr, &mut owed);
    }
    for (host, on_host) in &run.locked {
        owed.push(Obligation {
            id: format!("lock:{host}"),
            kind: Owed::Lock,
            phase: String::new(),
            host: Some(host.clone()),
            what: if *on_host {
                format!("{host} is locked by this run")
            } else {
                format!("{host} is locked on this controller")
            },
            until: None,
        });
    }
    owed.extend(run.visited.iter().map(|host| Obligation {
        id: format!("files:{host}"),
        kind: Owed::Files,
        phase: String::new(),
        host: Some(host.clone()),
        what: format!("what the run put on {host} for itself (a directory, mode 0700) may still lie there"),
        until: None,
    }));
    owed.extend(quiet::owed(run));
    owed.retain(|o| !run.forgiven.contains(&o.id));
    owed
}

/// What the hosts owe, and brackets: neither what the end of a process gives back, nor what ends by itself.
pub fn of_the_work(plan: &Plan, run: &Run) -> impl Iterator<Item = Obligation> {
    let work = |o: &Obligation| !o.kind.is_ours() && o.kind != Owed::Silence;
    obligations(plan, run).into_iter().filter(work)
}

/// What would be left behind if nothing more came: all but what the end of a process gives back by itself.
pub fn left_behind(plan: &Plan, run: &Run) -> Vec<Obligation> {
    obligations(plan, run)
        .into_iter()
        .filter(|o| !o.kind.is_ours())
        .collect()
}

fn of_line(phase: &PlannedPhase, host: &HostName, line: &Line, owed: &mut Vec<Obligation>) {
    let mut add = |kind: Owed, word: &str, tail: &str, what: String| {
        let tail = if tail.is_empty() {
            String::new()
        } else {
            format!("/{tail}")
        };
        owed.push(Obligation {
            id: format!("{word}:{}/{host}{tail}", phase.id),
            kind,
            phase: phase.id.clone(),
            host: Some(host.clone()),
            what,
            until: None,
        });
    };
    for (slot, run) in &line.slots {
        let unknown = run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown);
        if run.changes && (run.open.is_some() || unknown) {
            add(
                Owed::Step,
                "step",
                &numbered(&slot.step, slot.nth),
                format!("{host}: nobody can say yet how step {} ended", slot.step),
            );
        }
    }
    for unwind::Owed { step, item } in unwind::still_owed(phase, host, line) {
        let at = usize::try_from(item).unwrap_or(usize::MAX);
        let (tail, of) = match items(step, Stage::Undo, &line.lists) {
            Some(items) => (
                numbered(&step.id, item),
                format!(" ({})", item_words(items.get(at), at, items.len())),
            ),
            None => (step.id.clone(), String::new()),
        };
        add(Owed::Undo, "undo", &tail, format!("{host}: {}{of}", step.name));
    }
    if !phase.stages.drain.is_empty() && line.is_out() {
        add(Owed::Undrain, "undrain", "", format!("{host} is out of service"));
    }
    if line.touched() {
        for step in phase.stages.cleanup.iter().filter(|s| !s.once) {
            if !cleaned(phase, host, line, step) {
                add(Owed::Cleanup, "cleanup", &step.id, format!("{host}: {}", step.name));
            }
        }
    }
}

/// As `settle` names a place: the first has no number.
fn numbered(step: &str, nth: u32) -> String {
    if nth == 0 {
        step.to_owned()
    } else {
        format!("{step}#{}", u64::from(nth) + 1)
    }
}

/// Done, or rightly left out. What `when` left out on a held or broken host stays owed.
fn cleaned(phase: &PlannedPhase, host: &HostName, line: &Line, step: &PlannedStep) -> bool {
    let over = Course::of_line(phase, host, line).walk(Stage::Cleanup, step, 0);
    let left_out = line.slots.iter().any(|(s, r)| {
        let by_when = |e: &SlotEnd| e.outcome == Outcome::Skipped && !e.by_person;
        s.stage == Stage::Cleanup && s.step == step.id && r.end.as_ref().is_some_and(by_when)
    });
    let bad = matches!(line.ended, Some(HostState::Held | HostState::Broken));
    matches!(over, Walk::Done) && !(bad && left_out)
}

fn of_brackets(phase: &PlannedPhase, pr: &PhaseRun, owed: &mut Vec<Obligation>) {
    for (slot, run) in &pr.once {
        let unknown = run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown);
        if run.changes && (run.open.is_some() || unknown) {
            owed.push(Obligation {
                id: format!("step:{}/{}", phase.id, slot.step),
                kind: Owed::Step,
                phase: phase.id.clone(),
                host: None,
                what: format!("nobody can say yet how step {} ended", slot.step),
                until: None,
            });
        }
    }
    if !bracket_open(phase, pr) {
        return;
    }
    for step in bracket_steps(phase, Stage::Cleanup) {
        let closing = Course::of_phase(phase, pr, Timestamp::MIN).walk(Stage::Cleanup, step, 0);
        if !matches!(closing, Walk::Done) {
            owed.push(Obligation {
                id: format!("bracket:{}/{}", phase.id, step.id),
                kind: Owed::Bracket,
                phase: phase.id.clone(),
                host: None,
                what: step.name.clone(),
                until: None,
            });
        }
    }
}
