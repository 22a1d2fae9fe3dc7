//! The ledger: what a run owes. At the end it must be empty, or the run says what it leaves behind.
//!
//! Owns: the obligations, derived from plan and run, never stored. Must not: settle any.

use serde::{Deserialize, Serialize};

use super::event::{HostState, Outcome};
use super::{Line, PhaseRun, Run, unwind};
use crate::id::HostName;
use crate::plan::{Plan, PlannedPhase, Stage};

/// Something owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// Its name for `settle RUN OBLIGATION done`: `undo:PHASE/HOST/STEP`, `undrain:PHASE/HOST`, `lock:HOST`, …
    pub id: String,
    /// What kind.
    pub kind: Owed,
    /// The phase, where it has one.
    pub phase: String,
    /// The host, where it has one.
    pub host: Option<HostName>,
    /// In words.
    pub what: String,
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
    /// A host's lock.
    Lock,
}

/// Everything the run owes now, phases in order, hosts in order.
pub fn obligations(plan: &Plan, run: &Run) -> Vec<Obligation> {
    let mut owed = Vec::new();
    for phase in plan.phases() {
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
        });
    }
    owed.retain(|o| !run.forgiven.contains(&o.id));
    owed
}

/// What would be left behind if nothing more came: all but the locks, which the end of a run gives back by itself.
pub fn left_behind(plan: &Plan, run: &Run) -> Vec<Obligation> {
    obligations(plan, run)
        .into_iter()
        .filter(|o| o.kind != Owed::Lock)
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
        });
    };
    for (slot, run) in &line.slots {
        let unknown = run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown);
        if run.open.is_some() && run.changes || unknown {
            add(
                Owed::Step,
                "step",
                &slot.step,
                format!("{host}: nobody can say yet how step {} ended", slot.step),
            );
        }
    }
    if !line.closed {
        for step in unwind::still_owed(phase, line) {
            add(Owed::Undo, "undo", &step.id, format!("{host}: {}", step.name));
        }
    }
    if !phase.stages.drain.is_empty() && line.is_out() {
        add(Owed::Undrain, "undrain", "", format!("{host} is out of service"));
    }
    if line.touched() {
        for step in phase.stages.cleanup.iter().filter(|s| !s.once || s.read_only) {
            if !cleaned(line, &step.id) {
                add(Owed::Cleanup, "cleanup", &step.id, format!("{host}: {}", step.name));
            }
        }
    }
}

/// Done, or rightly left out. What `when` left out on a held or broken host stays owed.
fn cleaned(line: &Line, step: &str) -> bool {
    let ends: Vec<Outcome> = line
        .slots
        .iter()
        .filter(|(s, _)| s.stage == Stage::Cleanup && s.step == step)
        .filter_map(|(_, r)| r.end.as_ref().map(|e| e.outcome))
        .collect();
    let bad = matches!(line.ended, Some(HostState::Held | HostState::Broken));
    !ends.is_empty()
        && ends
            .iter()
            .all(|o| *o == Outcome::Ok || (*o == Outcome::Skipped && !bad))
}

fn of_brackets(phase: &PlannedPhase, pr: &PhaseRun, owed: &mut Vec<Obligation>) {
    let begun = |stage: Stage, id: &str| {
        pr.once
            .iter()
            .any(|(s, r)| s.stage == stage && s.step == id && r.begun > 0)
    };
    let changing = |stage: Stage| phase.stages.get(stage).iter().filter(|s| s.once && !s.read_only);
    let opened = changing(Stage::Drain).any(|s| begun(Stage::Drain, &s.id))
        || (changing(Stage::Drain).next().is_none() && pr.lines.values().any(Line::touched));
    if !opened {
        return;
    }
    for step in changing(Stage::Cleanup) {
        let done = pr.once.iter().any(|(s, r)| {
            s.stage == Stage::Cleanup
                && s.step == step.id
                && r.end
                    .as_ref()
                    .is_some_and(|e| matches!(e.outcome, Outcome::Ok | Outcome::Skipped))
        });
        if !done {
            owed.push(Obligation {
                id: format!("bracket:{}/{}", phase.id, step.id),
                kind: Owed::Bracket,
                phase: phase.id.clone(),
                host: None,
                what: step.name.clone(),
            });
        }
    }
}
