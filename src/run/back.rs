//! Going back further: the whole run, or a whole batch.
//!
//! Owns: the order over phases, batches and hosts on the way back. Must not: walk a host's line (that is `line`).

use super::event::{Event, Halt, HostState, Occasion};
use super::line::{LineNext, Worked, worked};
use super::next::{Decider, Part, busy_first, dedup};
use super::{Batch, Line, PhaseRun, unwind};
use crate::id::HostName;
use crate::plan::{OnFailure, PlannedPhase, Stage};

impl<'a> Decider<'a> {
    /// Phases newest first; in a phase batch by batch in reverse, `parallel` hosts at a time.
    pub(super) fn backward(&self) -> Part {
        // What a former process left under way comes to its end first. It may belong to any phase and batch, so until then nobody
        // can say whose turn it is to go back.
        if self.run.open.values().any(|o| o.left) {
            return Part::Do(Vec::new());
        }
        if let Some(event) = self.no_question_any_more() {
            return Self::record(event);
        }
        let mut reached = "";
        for phase in self.plan.phases().rev() {
            let Some(pr) = self.run.phases.get(&phase.id) else {
                continue;
            };
            if !phase.changes {
                continue;
            }
            if let Part::Do(list) = self.phase_back(phase, pr) {
                return Part::Do(list);
            }
            if let Part::Do(list) = self.bracket(phase, pr, Stage::Cleanup) {
                return Part::Do(list);
            }
            // An older phase begins only when every changed host of the newer one is back.
            let stuck: Vec<(&HostName, &Line)> = pr
                .lines
                .iter()
                .filter(|(_, l)| l.changed() && l.ended != Some(HostState::RolledBack))
                .collect();
            if stuck.is_empty() {
                continue;
            }
            // Past the point of no return it never will be. Else somebody may yet put it right, and `resume` goes on: what it would
            // take back then is not closed now.
            let for_ever = |(h, l): &(&HostName, &Line)| l.is_closed() || unwind::owed(phase, h, l).no_return.is_some();
            if !stuck.iter().all(for_ever) {
                reached = phase.id.as_str();
            }
            break;
        }
        if let Part::Do(list) = self.clean_from(reached) {
            return Part::Do(list);
        }
        self.steady("", Occasion::End, self.anything_touched())
    }

    /// A question about a host on its way forward, which goes back now whatever is answered. Of a step that may still run a person
    /// has yet to speak.
    fn no_question_any_more(&self) -> Option<Event> {
        let lines = self
            .run
            .phases
            .iter()
            .flat_map(|(id, pr)| pr.lines.iter().map(move |l| (id, l)));
        let forward =
            lines.filter(|(_, (_, l))| l.turned.is_none() && l.reopened.is_none() && l.unknown_step().is_none());
        let mut asked = forward.filter_map(|(phase, (host, line))| Some((phase, host, line.asks()?)));
        asked.next().map(|(phase, host, slot)| Event::Unanswered {
            phase: phase.clone(),
            host: host.clone(),
            slot: slot.clone(),
        })
    }

    fn phase_back(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let mut list = Vec::new();
        let mut active = 0;
        for batch in pr.batches.iter().rev() {
            for (host, line) in busy_first(&batch.hosts, pr, |_| true) {
                if active >= phase.rollout.parallel {
                    break;
                }
                if let Part::Do(next) = self.host_back(phase, pr, host, line) {
                    active += 1;
                    list.extend(next);
                }
            }
            // The older batch begins when the newer one is through.
            if active > 0 {
                break;
            }
        }
        dedup(&mut list);
        if active > 0 { Part::Do(list) } else { Part::Over }
    }

    fn host_back(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, host: &'a HostName, line: &'a Line) -> Part {
        // It ends its running step first, whichever phase that belongs to.
        if self.run.open.keys().any(|key| key.host.as_ref() == Some(host)) {
            return Part::Do(Vec::new());
        }
        let walk = || match self.walker(phase, pr, host, line).next() {
            LineNext::Over | LineNext::Ready => Part::Over,
            LineNext::Busy => Part::Do(Vec::new()),
            wish => Part::Do(self.line_works(phase, host, line, wish)),
        };
        // A held host that `resume` looks at again, and that has nothing to be taken back.
        let looked_at = line.reopened.is_some() && (line.is_closed() || !line.touched()) && !self.run.unsure(host);
        if line.unknown_step().is_some() || looked_at {
            return walk();
        }
        let nothing = !line.touched() || line.ended.is_some() && !line.changed();
        if nothing || line.is_closed() || self.run.unsure(host) {
            return Part::Over;
        }
        let this_session = line.turned.as_ref().is_some_and(|t| t.session == self.run.back_session);
        let on_its_way = line.turned.is_some() && line.ended.is_none();
        if !this_session && !on_its_way {
            return match line.ended {
                Some(HostState::Unknown | HostState::RolledBack) => Part::Over,
                // Past the point of no return and good: left alone.
                Some(HostState::Ok | HostState::Warned) if unwind::owed(phase, host, line).no_return.is_some() => {
                    Part::Over
                }
                _ => Self::record(Event::Turned {
                    phase: phase.id.clone(),
                    host: host.clone(),
                    why: self.run.backwards.clone().unwrap_or_default(),
                    own_failure: false,
                }),
            };
        }
        walk()
    }

    /// The steady state is false after a batch: a rollback policy takes back the whole batch, or the run.
    pub(super) fn batch_goes_back(&self, phase: &PlannedPhase, pr: &PhaseRun, batch: &Batch) -> Part {
        let goes_back = |h: &HostName, l: &Line| {
            l.turned.is_none()
                && matches!(l.ended, Some(HostState::Ok | HostState::Warned))
                && l.changed()
                && !l.is_closed()
                && unwind::owed(phase, h, l).no_return.is_none()
        };
        match phase.on_failure {
            OnFailure::RollbackRun => {
                return Self::record(Event::TurnedBack {
                    why: "the steady state is false after a batch".to_owned(),
                    rehearsed: false,
                });
            }
            OnFailure::RollbackHost => {
                let turns = |h: &&HostName| pr.lines.get(*h).is_some_and(|l| goes_back(h, l));
                if let Some(host) = batch.hosts.iter().find(turns) {
                    return Self::record(Event::Turned {
                        phase: phase.id.clone(),
                        host: host.clone(),
                        why: "the steady state is false after its batch".to_owned(),
                        own_failure: false,
                    });
                }
            }
            OnFailure::Hold | OnFailure::Ask => {}
        }
        Self::record(Event::Halted {
            why: Halt::SteadyState,
            text: format!(
                "the steady state is false after batch {} of phase {}",
                batch.number, phase.id
            ),
        })
    }
}

/// Hosts that were changed and are closed: no rollback reaches them any more.
pub fn beyond_reach(plan: &crate::plan::Plan, run: &super::Run) -> Vec<HostName> {
    hosts_where(plan, run, |l| {
        l.changed() && l.is_closed() && l.ended != Some(HostState::RolledBack)
    })
}

/// True if a rollback would find something that was changed, is not closed and not yet back.
pub fn within_reach(run: &super::Run) -> bool {
    let stays = |l: &Line| l.changed() && !l.is_closed() && l.ended != Some(HostState::RolledBack);
    run.phases.values().flat_map(|p| p.lines.values()).any(stays)
}

fn hosts_where(plan: &crate::plan::Plan, run: &super::Run, fits: impl Fn(&Line) -> bool) -> Vec<HostName> {
    let lines = run.phases.values().flat_map(|p| &p.lines);
    let found: std::collections::BTreeSet<&HostName> = lines.filter(|(_, l)| fits(l)).map(|(h, _)| h).collect();
    // In the order of the plan, each once.
    plan.hosts
        .iter()
        .map(|h| &h.name)
        .filter(|h| found.contains(h))
        .cloned()
        .collect()
}

/// What is said of hosts that a wish to go back came too late for; `None` if it came too late for none.
pub fn too_late(plan: &crate::plan::Plan, run: &super::Run) -> Option<String> {
    const NAMED: usize = 5;
    let hosts = beyond_reach(plan, run);
    let first: Vec<&str> = hosts.iter().take(NAMED).map(HostName::as_str).collect();
    let names = match hosts.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    };
    let what = if within_reach(run) {
        "what was closed before cannot be taken back any more"
    } else {
        "nothing can be taken back any more: every host that was changed is closed"
    };
    (!hosts.is_empty()).then(|| format!("{what} ({names})"))
}

/// What `resume` says first about held hosts: they are looked at again, `verify` and then `undrain` if it passes.
///
/// Not those that the run still takes back, and not after a partial undo or where only some of `steps` began: there only a
/// person can say.
pub fn reopenings(plan: &crate::plan::Plan, run: &super::Run) -> Vec<Event> {
    let mut events = Vec::new();
    for phase in plan.phases() {
        let Some(pr) = run.phases.get(&phase.id) else { continue };
        for host in &phase.hosts {
            let Some(line) = pr.lines.get(host).filter(|l| l.ended == Some(HostState::Held)) else {
                continue;
            };
            if phase.stages.verify.is_empty() || run.unsure(host) {
                continue;
            }
            let session = line.turned.as_ref().map(|t| t.session);
            let turned_anew = run.backwards.is_some() && session != Some(run.back_session) && !line.is_closed();
            let partial = line.turned.is_some()
                && (!unwind::undone(phase, host, line) || unwind::owed(phase, host, line).no_return.is_some());
            // A proof that the host is good says nothing of steps that were never sent: it would be called done without them.
            let half = line.turned.is_none() && worked(phase, pr, host, line) == Worked::Half;
            if turned_anew || partial || half {
                continue;
            }
            events.push(Event::Reopened {
                phase: phase.id.clone(),
                host: host.clone(),
                pass: later_pass(line),
            });
        }
    }
    events
}

/// A pass that no `verify` or `undrain` of this line has had; 0 and 1 are the ways forward and back.
fn later_pass(line: &Line) -> u32 {
    let used = line
        .slots
        .keys()
        .filter(|s| matches!(s.stage, Stage::Verify | Stage::Undrain))
        .map(|s| s.pass);
    used.max().unwrap_or(0).max(1) + 1
}
