//! How a run stands, as a verdict and an exit code.
//!
//! Owns: the rule of `Exit codes`: 2, 3 and 6 come alone; else the first that applies of 70, 1, 5, 7, 4, 8.
//! Must not: know why a process ends (it is told).

use super::cleanup::bracket_began;
use super::event::{Halt, HostState, Occasion, Verdict};
use super::{GateState, Line, PhaseRun, Run, ledger};
use crate::plan::{Plan, PlannedPhase, Stage};

/// What the process knows beside the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Also {
    /// An objective was missed.
    pub objective_missed: bool,
    /// A gate waits and this process does not.
    pub waiting: bool,
}

/// The verdict and the exit code of a run that this process is done with.
pub fn verdict(plan: &Plan, run: &Run, also: Also) -> (Verdict, u8) {
    let states = states(plan, run);
    let any = |wanted: &[HostState]| states.iter().any(|s| wanted.contains(&s.state));
    if any(&[HostState::Held, HostState::Broken, HostState::Unknown]) {
        return (Verdict::Stuck, 1);
    }
    let waiting = also.waiting || run.gates.values().any(|g| g.state == GateState::Open);
    // A gate stays open behind a run that goes back; nobody waits for it any more.
    if waiting && run.signals == 0 && run.backwards.is_none() {
        return (Verdict::Waiting, 5);
    }
    let end_is_false = run
        .steady
        .values()
        .flatten()
        .any(|r| r.occasion == Occasion::End && r.current && r.ok == Some(false));
    let stopped = matches!(&run.halted, Some((Halt::Gate | Halt::Window, _)));
    if run.signals > 0 || stopped && run.backwards.is_none() {
        return (Verdict::Stopped, 7);
    }
    // A way back that got stuck before it came to a host that was at work.
    let halfway = run
        .phases
        .values()
        .flat_map(|p| p.lines.values())
        .any(|l| l.under_way() && l.changed());
    let left = !ledger::left_behind(plan, run).is_empty();
    let changed_good = states.iter().any(|s| s.changed && s.state.is_good());
    let rolled_back = any(&[HostState::RolledBack]);
    let bad = states.iter().any(|s| !s.state.is_good());
    if left || halfway || (changed_good && bad) || (rolled_back && end_is_false) {
        return (Verdict::Stuck, 1);
    }
    // What a rehearsal is for: all was good, and all of it was taken back and is good again.
    if rolled_back && run.rehearsed {
        return (Verdict::Done, if also.objective_missed { 8 } else { 0 });
    }
    if rolled_back {
        return (Verdict::RolledBack, 4);
    }
    let touched = run.phases.values().flat_map(|p| p.lines.values()).any(Line::touched);
    let no_steady = matches!(&run.halted, Some((Halt::SteadyState, _)));
    if bad && !run.dry || any(&[HostState::Refused, HostState::Failed]) || no_steady && !touched {
        // A bracket that was opened for hosts that then never started is closed again, or it would be left behind.
        let bracketed = plan
            .phases()
            .any(|p| run.phases.get(&p.id).is_some_and(|pr| opened(p, pr)));
        return if bracketed {
            (Verdict::RolledBack, 4)
        } else {
            (Verdict::Failed, 3)
        };
    }
    // Nothing was done, so nothing is proven: where a rehearsal is asked for, that is no success.
    if plan.rehearsal && !run.dry {
        return if touched {
            (Verdict::Stuck, 1)
        } else {
            (Verdict::Failed, 3)
        };
    }
    if also.objective_missed || end_is_false || no_steady {
        return (Verdict::Done, 8);
    }
    (Verdict::Done, 0)
}

fn opened(phase: &PlannedPhase, pr: &PhaseRun) -> bool {
    bracket_began(phase, pr, Stage::Drain)
}

/// A host's state in a phase, as verdicts and reports see it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The phase.
    pub phase: String,
    /// The host.
    pub host: crate::id::HostName,
    /// Its state; `not_started` where its turn never came.
    pub state: HostState,
    /// Something that changes may have begun there.
    pub changed: bool,
}

/// The state of every planned host in every phase.
pub fn states(plan: &Plan, run: &Run) -> Vec<Standing> {
    let mut list = Vec::new();
    for phase in plan.phases() {
        for host in &phase.hosts {
            let line = run.line(&phase.id, host);
            list.push(Standing {
                phase: phase.id.clone(),
                host: host.clone(),
                state: line.map_or(HostState::NotStarted, |l| l.ended.unwrap_or(in_between(l))),
                changed: line.is_some_and(Line::changed),
            });
        }
    }
    list
}

/// A line that was left in the middle: nothing is lost, but nothing is proven either.
fn in_between(line: &Line) -> HostState {
    let open = line.slots.values().any(|s| s.open.is_some() && s.changes);
    if open || line.unknown_step().is_some() {
        HostState::Unknown
    } else if line.reopened.is_some() {
        HostState::Held
    } else {
        HostState::NotStarted
    }
}
