//! The only place that decides what a run does next.
//!
//! Owns: `next`: the order of phases and gates, when to stop, what the end is. Its parts: `rollout` (a phase forward), `back`
//! (the way back), `steady`, `gate`, `cleanup`, `limits`. Must not: do anything. It is a pure function of plan, run and time, so
//! every decision can be tested and replayed.
//!
//! A decision that only has to be written down comes back as [`Next::Record`], alone: the caller journals it, applies it and asks
//! again. Only those of which none bears on another come together: hosts that begin, that end well, that are closed. Else a fleet
//! of n hosts would be looked through n times. Work comes back as a list of things that may all be under way together.

use jiff::Timestamp;

pub use super::back::{reopenings, too_late, within_reach};
use super::event::{Event, Halt, Occasion, Slot, Stamped, StepKey};
use super::line::{LineNext, Walker};
use super::quiet::{Silence, SilenceKey, to_take_off};
use super::verdict::states;
use super::{Line, PhaseRun, Run};
use crate::id::HostName;
use crate::plan::{Plan, PlanItem, PlannedPhase, Stage};

/// Decisions that may follow each other without any work between them, before [`goes_on`] no longer looks.
const RECORDS_IN_A_ROW: usize = 100_000;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write this down, apply it, ask again.
    Record(Box<Event>),
    /// Log in for a host's line; then `Reached`, or `HostEnded` refused.
    Reach {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
    },
    /// Run this attempt (or skip it, if its `when` is false).
    Perform(StepKey),
    /// Ask monitoring to keep quiet, or to do so for longer.
    Silence(SilenceKey),
    /// Ask it not to any more.
    Unsilence(SilenceKey),
    /// Ask the phase's `when` for a host.
    Judge {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
    },
    /// Ask the rollout's `last` for hosts.
    JudgeLast {
        /// Phase.
        phase: String,
        /// Before which batch.
        batch: u32,
        /// Hosts.
        hosts: Vec<HostName>,
    },
    /// Look for answers to an open gate.
    AskGate {
        /// Its id.
        gate: String,
    },
    /// A person is asked about a step, until then.
    AskPerson {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// The step.
        slot: Slot,
        /// When the policy acts without an answer.
        until: Timestamp,
    },
    /// Nothing before then.
    Sleep {
        /// When.
        until: Timestamp,
    },
    /// Nothing is left to do in this process.
    Finish,
}

/// What a part of the walk came to.
pub(super) enum Part {
    /// It is done; look at what follows.
    Over,
    /// These are to be done (or awaited, if the list is empty) before anything that follows.
    Do(Vec<Next>),
}

/// What comes next. An empty list: something is under way, wait for it.
pub fn next(plan: &Plan, run: &Run, now: Timestamp) -> Vec<Next> {
    let d = Decider { plan, run, now };
    // First signal: nothing new starts, undo included; what runs may finish.
    let part = if run.signals > 0 {
        Part::Over
    } else if run.cleaning {
        // What has ended stays as it is and is closed.
        d.clean_all()
    } else if run.backwards.is_some() {
        d.backward()
    } else {
        d.forward()
    };
    d.and_quiet(d.or_finish(part))
}

/// True if `resume` (`back`: `resume --rollback`) would find anything to do at `now`. What a process left open is always something.
pub fn goes_on(plan: &Plan, run: &Run, now: Timestamp, back: bool) -> bool {
    if !run.open.is_empty() {
        return true;
    }
    let mut run = run.clone();
    let mut seq = 0;
    let mut tell = |run: &mut Run, event| {
        seq += 1;
        run.apply(&Stamped { seq, at: now, event });
    };
    let resumed = Event::Resumed {
        operator: String::new(),
        controller: String::new(),
        back,
        overrides: Vec::new(),
        // A question that would be asked at a terminal is something to do.
        attended: true,
    };
    tell(&mut run, resumed);
    for event in reopenings(plan, &run) {
        tell(&mut run, event);
    }
    // A decision is applied before the next one is made; no plan has as many in a row as this.
    for _ in 0..RECORDS_IN_A_ROW {
        let list = next(plan, &run, now);
        match list.first() {
            Some(Next::Record(_)) => {
                for one in list {
                    if let Next::Record(event) = one {
                        tell(&mut run, *event);
                    }
                }
            }
            Some(Next::Finish) => return !to_take_off(plan, &run, now).is_empty(),
            _ => break,
        }
    }
    true
}

pub(super) struct Decider<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run: &'a Run,
    pub(super) now: Timestamp,
}

impl<'a> Decider<'a> {
    pub(super) fn record(event: Event) -> Part {
        Part::Do(vec![Next::Record(Box::new(event))])
    }

    /// The end comes when nothing is under way; and a decision is applied before the next one is made: nothing else goes with it.
    fn or_finish(&self, part: Part) -> Vec<Next> {
        match part {
            Part::Over if self.run.open.is_empty() && !self.run.silences.values().any(Silence::under_way) => {
                vec![Next::Finish]
            }
            Part::Over => Vec::new(),
            Part::Do(list) if list.iter().any(|n| matches!(n, Next::Record(_))) => decisions(list),
            Part::Do(list) => list,
        }
    }

    fn forward(&self) -> Part {
        // Cleanup that a former process left under way comes to its end first: the host, or its neighbour where only so many may
        // be worked on, may be about to be looked at again.
        if self
            .run
            .open
            .iter()
            .any(|(key, o)| o.left && key.stage == Stage::Cleanup)
        {
            return Part::Do(Vec::new());
        }
        let began = !self.run.phases.is_empty();
        if let Part::Do(list) = self.steady("", Occasion::Start, !began) {
            return Part::Do(list);
        }
        for item in &self.plan.items {
            let part = match item {
                PlanItem::Phase(phase) => self.phase(phase),
                PlanItem::Gate(_) if self.run.halted.is_some() => Part::Over,
                PlanItem::Gate(gate) => self.gate(&gate.id, gate),
            };
            // Also after a halt: what has begun is brought to its end.
            if let Part::Do(list) = part {
                return Part::Do(list);
            }
        }
        self.close()
    }

    /// The end of a run that goes forward: clean up, close brackets, look at the steady state once more. Where `resume` may go on
    /// after a gate or the window, none of it is due yet.
    fn close(&self) -> Part {
        if matches!(&self.run.halted, Some((Halt::Gate | Halt::Window, _))) {
            return Part::Over;
        }
        if let Some(back) = self.rehearsal_turns() {
            return Self::record(back);
        }
        if let Part::Do(list) = self.clean_all() {
            return Part::Do(list);
        }
        self.steady("", Occasion::End, !self.run.dry && self.anything_touched())
    }

    /// A rehearsal leaves nothing as it made it: from its end it goes back, and if all was good it has proven what it is for.
    fn rehearsal_turns(&self) -> Option<Event> {
        if !self.plan.rehearsal || self.run.dry || !within_reach(self.run) {
            return None;
        }
        let rehearsed = self.run.halted.is_none() && states(self.plan, self.run).iter().all(|s| s.state.is_good());
        let why = match rehearsed {
            true => "the rehearsal's other half: all of it is taken back",
            false => "a rehearsal leaves nothing changed",
        };
        Some(Event::TurnedBack {
            why: why.to_owned(),
            rehearsed,
        })
    }

    pub(super) fn anything_touched(&self) -> bool {
        self.run
            .phases
            .values()
            .flat_map(|p| p.lines.values())
            .any(Line::touched)
    }

    pub(super) fn walker(
        &self,
        phase: &'a PlannedPhase,
        pr: &'a PhaseRun,
        host: &'a HostName,
        line: &'a Line,
    ) -> Walker<'a> {
        Walker {
            phase,
            run: pr,
            host,
            line,
            dry: self.run.dry,
            attended: self.run.attended,
            now: self.now,
        }
    }

    /// What a line's wish is as work, where a changing step waits until monitoring keeps quiet about its host.
    pub(super) fn line_works(&self, phase: &PlannedPhase, host: &HostName, line: &Line, wish: LineNext) -> Vec<Next> {
        match self.quiet_before(phase, host, line, &wish) {
            Some(first) => first,
            None => Self::line_act(phase, host, wish).into_iter().collect(),
        }
    }

    /// What a line's wish is as work. `Busy` is none.
    pub(super) fn line_act(phase: &PlannedPhase, host: &HostName, wish: LineNext) -> Option<Next> {
        let (phase, host) = (phase.id.clone(), host.clone());
        match wish {
            LineNext::Perform(key) => Some(Next::Perform(key)),
            LineNext::Wait(until) => Some(Next::Sleep { until }),
            LineNext::Reach => Some(Next::Reach { phase, host }),
            LineNext::Judge => Some(Next::Judge { phase, host }),
            LineNext::Ask(slot, until) => Some(Next::Record(Box::new(Event::Asked {
                phase,
                host,
                slot,
                until,
            }))),
            LineNext::Asked(slot, until) => Some(Next::AskPerson {
                phase,
                host,
                slot,
                until,
            }),
            LineNext::Unanswered(slot) => Some(Next::Record(Box::new(Event::Unanswered { phase, host, slot }))),
            LineNext::Turn(why) => Some(Next::Record(Box::new(Event::Turned {
                phase,
                host,
                why,
                own_failure: true,
            }))),
            LineNext::End(state, why) => Some(Next::Record(Box::new(Event::HostEnded {
                phase,
                host,
                state,
                why,
            }))),
            LineNext::Ready | LineNext::Busy | LineNext::Over => None,
        }
    }
}

/// The first decision of a list, and those behind it that would be the next ones anyway, one after another.
fn decisions(list: Vec<Next>) -> Vec<Next> {
    let mut decisions = list.into_iter().filter(|n| matches!(n, Next::Record(_))).peekable();
    let Some(first) = decisions.next() else {
        return Vec::new();
    };
    let alike = |n: &Next| match (&first, n) {
        (Next::Record(one), Next::Record(other)) => match (&**one, &**other) {
            (Event::HostBegan { .. }, Event::HostBegan { .. })
            | (Event::HostClosed { .. }, Event::HostClosed { .. }) => true,
            (Event::HostEnded { state: one, .. }, Event::HostEnded { state: other, .. }) => {
                one.is_good() && other.is_good()
            }
            _ => false,
        },
        _ => false,
    };
    let more: Vec<Next> = std::iter::from_fn(|| decisions.next_if(|n| alike(n))).collect();
    let mut together = vec![first];
    together.extend(more);
    together
}

/// Hosts with their lines, in the order of `hosts`. Where both go in the same order, as they mostly do, nothing is looked up: a
/// decision goes through all hosts of a fleet, several times.
pub(super) fn with_lines<'h>(
    hosts: &'h [HostName],
    pr: &'h PhaseRun,
) -> impl Iterator<Item = (&'h HostName, Option<&'h Line>)> {
    let mut lines = pr.lines.range::<HostName, _>(..).peekable();
    hosts.iter().map(move |host| {
        if lines.peek().is_none_or(|(next, _)| *next != host) {
            lines = pr.lines.range::<HostName, _>(host..).peekable();
        }
        (host, lines.next_if(|(next, _)| *next == host).map(|(_, line)| line))
    })
}

/// Those of them that fit, the ones with a step under way first: so that `parallel` counts them before it lets others work.
pub(super) fn busy_first<'h>(
    hosts: &'h [HostName],
    pr: &'h PhaseRun,
    fits: impl Fn(&Line) -> bool,
) -> Vec<(&'h HostName, &'h Line)> {
    let with = with_lines(hosts, pr).filter_map(|(host, line)| Some((host, line?)));
    let (mut first, rest): (Vec<_>, Vec<_>) = with.filter(|(_, line)| fits(line)).partition(|(_, line)| line.busy());
    first.extend(rest);
    first
}

/// Several lines may want the same `once` step: it is sent once.
pub(super) fn dedup(list: &mut Vec<Next>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|n| match n {
        Next::Perform(key) => seen.insert(key.clone()),
        _ => true,
    });
    let mut quiet = std::collections::BTreeSet::new();
    list.retain(|n| match n {
        Next::Silence(key) => quiet.insert(key.clone()),
        _ => true,
    });
}
