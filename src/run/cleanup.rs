//! Closing: the cleanup of hosts and the brackets round phases.
//!
//! Owns: when a host is closed and when a bracket is opened and closed. Must not: judge hosts.

use super::event::{Event, Halt, HostState};
use super::line::{Course, LineNext, Walk};
use super::next::{Decider, Next, Part, with_lines};
use super::quiet::Hush;
use super::{Line, PhaseRun};
use crate::id::HostName;
use crate::plan::{PlannedPhase, PlannedStep, Stage};

impl<'a> Decider<'a> {
    /// Cleanup of every phase, then its bracket: the end of a run.
    pub(super) fn clean_all(&self) -> Part {
        self.clean_from("")
    }

    /// As `clean_all`, from this phase on; empty: from the first.
    pub(super) fn clean_from(&self, first: &str) -> Part {
        let earlier = |id: &str| !first.is_empty() && id != first;
        for phase in self.plan.phases().skip_while(|p| earlier(&p.id)) {
            let Some(pr) = self.run.phases.get(&phase.id) else {
                continue;
            };
            if let Part::Do(list) = self.clean(phase, pr, &phase.hosts) {
                return Part::Do(list);
            }
            if let Part::Do(list) = self.bracket(phase, pr, Stage::Cleanup) {
                return Part::Do(list);
            }
        }
        Part::Over
    }

    /// Cleanup of these hosts, `parallel` at a time, and the closing of each.
    pub(super) fn clean(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, hosts: &'a [HostName]) -> Part {
        if self.run.dry {
            return Part::Over;
        }
        let (mut list, mut closed) = (Vec::new(), Vec::new());
        let mut active = 0;
        let unsure = self.run.unsure_hosts(self.plan);
        for (host, line) in with_lines(hosts, pr) {
            let Some(line) = line else { continue };
            let Some(state) = line.ended else { continue };
            if !line.touched() || state == HostState::Unknown || unsure.contains(host) {
                continue;
            }
            if active >= phase.rollout.parallel {
                break;
            }
            match self.walker(phase, pr, host, line).cleanup() {
                Some(LineNext::Busy) => active += 1,
                Some(wish) => {
                    list.extend(Self::line_act(phase, host, wish));
                    active += 1;
                }
                None if !line.closed && closes(line, state) => {
                    closed.push(Next::Record(Box::new(Event::HostClosed {
                        phase: phase.id.clone(),
                        host: host.clone(),
                    })));
                }
                None => {}
            }
        }
        if !closed.is_empty() {
            return Part::Do(closed);
        }
        if active > 0 { Part::Do(list) } else { Part::Over }
    }

    /// The changing `once` steps of a phase: opened in `drain` before its first host, closed in `cleanup` after its last.
    pub(super) fn bracket(&self, phase: &PlannedPhase, pr: &PhaseRun, stage: Stage) -> Part {
        if self.run.dry || stage == Stage::Cleanup && !bracket_open(phase, pr) {
            return Part::Over;
        }
        for step in bracket_steps(phase, stage) {
            let how = match Course::of_phase(phase, pr, self.now).walk(stage, step, 0) {
                Walk::Done => continue,
                Walk::Next(LineNext::Perform(key)) => match self.quiet_before_bracket(stage) {
                    Hush::Kept => return Part::Do(vec![Next::Perform(key)]),
                    Hush::Ask(list) => return Part::Do(list),
                    Hush::Refused(why) => format!("waits for monitoring to keep quiet: {why}"),
                },
                Walk::Next(LineNext::Wait(until)) => return Part::Do(vec![Next::Sleep { until }]),
                Walk::Next(_) => return Part::Do(Vec::new()),
                // A closing that does not close stays in the ledger.
                Walk::Bad { .. } | Walk::Unknown { .. } if stage == Stage::Cleanup => continue,
                Walk::Bad { why, .. } => format!("failed: {why}"),
                Walk::Unknown { .. } => "ended in a way nobody can say".to_owned(),
            };
            return Self::record(Event::Halted {
                why: Halt::Bracket,
                text: format!("step {} that opens phase {} {how}", step.id, phase.id),
            });
        }
        Part::Over
    }
}

/// A bracket's steps in `drain` or `cleanup`.
pub(super) fn bracket_steps(phase: &PlannedPhase, stage: Stage) -> impl Iterator<Item = &PlannedStep> {
    phase.stages.get(stage).iter().filter(|s| s.once && !s.read_only)
}

/// True if any step of the bracket's side may have begun.
pub(super) fn bracket_began(phase: &PlannedPhase, pr: &PhaseRun, stage: Stage) -> bool {
    bracket_steps(phase, stage).any(|x| {
        pr.once
            .iter()
            .any(|(slot, r)| slot.stage == stage && slot.step == x.id && r.begun > 0)
    })
}

/// True if the closing is owed: from the intent of the opening on; without one, once a host of the phase was touched.
pub(super) fn bracket_open(phase: &PlannedPhase, pr: &PhaseRun) -> bool {
    let opens = bracket_steps(phase, Stage::Drain).next().is_some();
    bracket_began(phase, pr, Stage::Drain) || (!opens && pr.lines.values().any(Line::touched))
}

/// A good host is closed when its time has come; one that is not only by a cleanup step that ran.
fn closes(line: &Line, state: HostState) -> bool {
    matches!(state, HostState::Ok | HostState::Warned | HostState::RolledBack) || line.is_closed()
}
