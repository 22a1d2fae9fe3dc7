//! A person decides: what is asked about a step that did not end well, what may be answered, and what the answer brings.
//!
//! Owns: the question between a failure and the policy. Must not: decide in a person's place, or show anything.
//!
//! A question is an event, and so is its answer. While it is open the host's line stands and no further host starts; without an
//! answer the policy acts, as it does at once where nobody sits.

use std::time::Duration;

use super::event::{HostState, Outcome, Slot};
use super::line::{LineNext, Walker};
use super::{Line, PhaseRun, Run, unwind};
use crate::id::HostName;
use crate::plan::{OnFailure, Plan, PlannedPhase, Stage, estimate};

/// How long a person is waited for.
pub const WAIT: Duration = Duration::from_secs(30 * 60);

/// What is to follow a step that did not end well, as a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The host goes back.
    Back,
    /// It stays as it is, and nothing is taken back for its sake.
    Hold,
    /// What is written.
    Policy,
}

impl Word {
    /// The word of a decision, if it says what follows and not how the step ended.
    pub fn of(verdict: &str) -> Option<Self> {
        match verdict {
            "rollback" => Some(Self::Back),
            "hold" => Some(Self::Hold),
            "policy" => Some(Self::Policy),
            _ => None,
        }
    }
}

/// What may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// A new attempt.
    Rerun,
    /// It did what it should: only of what nobody knows.
    Ok,
    /// It is left out.
    Skip,
    /// The host goes back.
    Rollback,
    /// The host stays as it is.
    Hold,
    /// The policy acts now.
    Policy,
}

impl Choice {
    /// As the decision is written down.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Rerun => "rerun",
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Rollback => "rollback",
            Self::Hold => "hold",
            Self::Policy => "policy",
        }
    }
}

impl Walker<'_> {
    /// What the policy wishes, unless a person has said or may still say otherwise. `slot` is the step that brought it about; the
    /// phase's own steps are nobody's question, and where nothing is changed there is nothing to decide.
    pub(super) fn unless_decided(&self, slot: Option<&Slot>, wish: LineNext) -> LineNext {
        let Some((slot, run)) = slot.and_then(|s| Some((s, self.line.slots.get(s)?))) else {
            return wish;
        };
        match (run.word, run.asked) {
            (Some(Word::Back), _) => LineNext::Turn(why(wish)),
            (Some(Word::Hold), _) => match wish {
                LineNext::Turn(why) => LineNext::End(HostState::Held, why),
                stays => stays,
            },
            (Some(Word::Policy), _) => wish,
            (None, Some(until)) if until <= self.now => LineNext::Unanswered(slot.clone()),
            (None, Some(until)) => LineNext::Asked(slot.clone(), until),
            (None, None) => {
                let told = run.end.as_ref().is_some_and(|e| e.by_person);
                if !self.attended || self.dry || !self.phase.changes || told {
                    return wish;
                }
                LineNext::Ask(slot.clone(), self.now.saturating_add(WAIT).unwrap_or(self.now))
            }
        }
    }
}

fn why(wish: LineNext) -> String {
    match wish {
        LineNext::Turn(why) | LineNext::End(_, why) => why,
        _ => String::new(),
    }
}

/// What may be answered about a step of a host: `skip` only where a step's absence leaves neither work under live traffic nor an
/// unproven host in service, `rollback` only on the way forward, and `hold` nowhere in a rehearsal: there nothing stays as it is.
pub fn choices(plan: &Plan, line: &Line, slot: &Slot) -> Vec<Choice> {
    let end = line.slots.get(slot).and_then(|r| r.end.as_ref());
    let unknown = end.is_some_and(|e| e.outcome == Outcome::Unknown);
    let forward = line.turned.is_none() && line.reopened.is_none();
    let mut list = vec![Choice::Rerun];
    if unknown {
        list.push(Choice::Ok);
    }
    if forward && slot.stage == Stage::Steps {
        list.push(Choice::Skip);
    }
    if forward {
        list.push(Choice::Rollback);
    }
    if forward && !plan.rehearsal {
        list.push(Choice::Hold);
    }
    list.push(Choice::Policy);
    list
}

/// What the policy does about a step of a host, in words.
pub fn policy_words(plan: &Plan, run: &Run, phase: &PlannedPhase, host: &HostName, slot: &Slot) -> String {
    let Some((pr, line)) = run.phases.get(&phase.id).and_then(|pr| Some((pr, pr.lines.get(host)?))) else {
        return String::new();
    };
    let end = line.slots.get(slot).and_then(|r| r.end.as_ref());
    let held = "the host is held: it stays as it is";
    let first = if end.is_some_and(|e| e.outcome == Outcome::Unknown) {
        "the host stays unknown and nothing more is sent there, until `pitstop settle`".to_owned()
    } else if slot.stage == Stage::Undo {
        "the host is broken and the rest of its undo is not run, until `pitstop resume --rollback`".to_owned()
    } else if line.turned.is_some() || line.reopened.is_some() || slot.stage == Stage::Undrain {
        held.to_owned()
    } else {
        match phase.on_failure {
            OnFailure::RollbackHost | OnFailure::RollbackRun => goes_back(phase, host, line),
            OnFailure::Hold | OnFailure::Ask => held.to_owned(),
        }
    };
    let all = phase.on_failure == OnFailure::RollbackRun;
    let then = match (stops(phase, pr, host), run.backwards.is_some() || run.halted.is_some()) {
        (_, true) | (false, _) => "",
        (true, _) if all && plan.can_roll_back_run() => "; the whole run goes back",
        (true, _) => "; no further host starts",
    };
    format!("{first}{then}")
}

/// What going back comes to for this host.
pub fn goes_back(phase: &PlannedPhase, host: &HostName, line: &Line) -> String {
    let way = unwind::owed(phase, host, line);
    if way.no_return.is_some() {
        return "the host goes back as far as it can and is held: a step was passed that cannot be taken back"
            .to_owned();
    }
    let mut parts = vec![if way.undo.is_empty() { "nothing to undo" } else { "undo" }];
    for (stage, word) in [(Stage::Verify, "verify"), (Stage::Undrain, "undrain")] {
        if phase.stages.get(stage).iter().next().is_some() {
            parts.push(word);
        }
    }
    format!("the host goes back: {}", parts.join(", "))
}

/// True if no further host starts once this one counts too.
fn stops(phase: &PlannedPhase, pr: &PhaseRun, host: &HostName) -> bool {
    let others = pr.lines.iter().filter(|(h, l)| *h != host && l.counted).count();
    let canary = phase.rollout.batches.len() >= 2 && pr.batches.first().is_some_and(|b| b.hosts.contains(host));
    canary || others + 1 > estimate::count(phase.rollout.max_fail, phase.hosts.len())
}
