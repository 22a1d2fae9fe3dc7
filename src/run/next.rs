//! The only place that decides what a run does next.
//!
//! Owns: `next`: the order of phases, batches, gates, soaks, rounds of the steady state, when to stop, when to go back, when to
//! clean up. Must not: do anything. It is a pure function of plan, run and time, so every decision can be tested and replayed.
//!
//! A decision that only has to be written down comes back as [`Next::Record`], alone: the caller journals it, applies it and asks
//! again. Work comes back as a list of things that may all be under way together.

use jiff::Timestamp;

use super::event::{Event, GateEnd, Halt, HostState, Occasion, StepKey};
use super::line::{LineNext, Walk, Walker, walk_step};
use super::{Batch, GateState, Line, PhaseRun, Run, unwind};
use crate::id::HostName;
use crate::plan::{
    AfterBatch, OnFailure, Otherwise, Plan, PlanItem, PlannedGate, PlannedPhase, PlannedStep, Size, Stage,
};

/// A precheck older than this is repeated before its host starts.
const PRECHECK_HOLDS_MS: i64 = 30 * 60 * 1000;

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
    /// Nothing before then.
    Sleep {
        /// When.
        until: Timestamp,
    },
    /// Nothing is left to do in this process.
    Finish,
}

/// What a part of the walk came to.
enum Part {
    /// It is done; look at what follows.
    Over,
    /// These are to be done (or awaited, if the list is empty) before anything that follows.
    Do(Vec<Next>),
}

/// What comes next. An empty list: something is under way, wait for it.
pub fn next(plan: &Plan, run: &Run, now: Timestamp) -> Vec<Next> {
    let d = Decider { plan, run, now };
    if run.signals > 0 {
        // First signal: nothing new starts, undo included; what runs may finish.
        return if run.open.is_empty() {
            vec![Next::Finish]
        } else {
            Vec::new()
        };
    }
    let part = if run.backwards.is_some() {
        d.backward()
    } else {
        d.forward()
    };
    match part {
        Part::Do(list) => first_record(list),
        Part::Over => vec![Next::Finish],
    }
}

/// A decision is applied before the next one is made: nothing else goes with it.
fn first_record(list: Vec<Next>) -> Vec<Next> {
    match list.iter().position(|n| matches!(n, Next::Record(_))) {
        Some(at) => list.into_iter().nth(at).into_iter().collect(),
        None => list,
    }
}

struct Decider<'a> {
    plan: &'a Plan,
    run: &'a Run,
    now: Timestamp,
}

impl<'a> Decider<'a> {
    fn record(event: Event) -> Part {
        Part::Do(vec![Next::Record(Box::new(event))])
    }

    fn forward(&self) -> Part {
        if let Part::Do(list) = self.steady("", Occasion::Start, !self.began()) {
            return Part::Do(list);
        }
        for item in &self.plan.items {
            let part = match item {
                PlanItem::Phase(phase) => self.phase(phase),
                PlanItem::Gate(_) if self.run.halted.is_some() => Part::Over,
                PlanItem::Gate(gate) => self.gate(&gate.id, gate),
            };
            if let Part::Do(list) = part {
                return Part::Do(list);
            }
            if self.run.halted.is_some() {
                break;
            }
        }
        self.close()
    }

    fn began(&self) -> bool {
        !self.run.phases.is_empty()
    }

    /// The end of a run that goes forward: clean up, close brackets, look at the steady state once more.
    fn close(&self) -> Part {
        let waits = matches!(&self.run.halted, Some((Halt::Gate | Halt::Window, _)));
        if !waits && let Part::Do(list) = self.clean_all() {
            return Part::Do(list);
        }
        if self.began() && !self.run.dry && self.anything_touched() {
            return self.steady("", Occasion::End, true);
        }
        Part::Over
    }

    fn anything_touched(&self) -> bool {
        self.run
            .phases
            .values()
            .flat_map(|p| p.lines.values())
            .any(Line::touched)
    }

    fn clean_all(&self) -> Part {
        for phase in self.plan.phases() {
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

    // --- steady state ---

    /// A round of the steady state for an occasion; `wanted` false: only finish one that was begun.
    fn steady(&self, scope: &str, occasion: Occasion, wanted: bool) -> Part {
        let steps = self.plan.steps(scope, Stage::Steady);
        if steps.is_empty() {
            return Part::Over;
        }
        let rounds = self.run.steady.get(scope).map_or(&[][..], Vec::as_slice);
        let at = match occasion {
            Occasion::Batch => self
                .run
                .phases
                .values()
                .filter(|p| !p.ended)
                .filter_map(|p| p.batches.last())
                .find(|b| !b.settled)
                .and_then(|b| b.rounds.get(scope))
                .and_then(|n| usize::try_from(*n).ok()),
            Occasion::Start => rounds.iter().position(|r| r.occasion == Occasion::Start),
            other => rounds.iter().position(|r| r.occasion == other && r.current),
        };
        let Some(at) = at else {
            if !wanted {
                return Part::Over;
            }
            let round = u32::try_from(rounds.len()).unwrap_or(u32::MAX);
            return Self::record(Event::SteadyAsked {
                phase: scope.to_owned(),
                round,
                occasion,
            });
        };
        let (Some(round), number) = (rounds.get(at), u32::try_from(at).unwrap_or(u32::MAX)) else {
            return Part::Over;
        };
        match round.ok {
            Some(true) => Part::Over,
            Some(false) => self.steady_is_false(scope, occasion, at),
            None => self.steady_steps(scope, steps, round, number),
        }
    }

    fn steady_steps(&self, scope: &str, steps: &[PlannedStep], round: &super::Round, number: u32) -> Part {
        let mut ok = true;
        for step in steps {
            match walk_step(scope, Stage::Steady, step, &round.slots, None, number, self.now) {
                Walk::Done => {}
                Walk::Next(LineNext::Perform(key)) => return Part::Do(vec![Next::Perform(key)]),
                Walk::Next(LineNext::Wait(until)) => return Part::Do(vec![Next::Sleep { until }]),
                Walk::Next(_) => return Part::Do(Vec::new()),
                Walk::Bad { .. } | Walk::Unknown { .. } => {
                    ok = false;
                    break;
                }
            }
        }
        Self::record(Event::SteadyAnswered {
            phase: scope.to_owned(),
            round: number,
            ok,
        })
    }

    fn steady_is_false(&self, scope: &str, occasion: Occasion, round: usize) -> Part {
        if occasion == Occasion::End || self.run.halted.is_some() {
            return Part::Over;
        }
        let place = if scope.is_empty() {
            "the steady state".to_owned()
        } else {
            format!("the steady state of phase {scope}")
        };
        let text = format!("{place} is false (round {round}): no further host starts");
        Self::record(Event::Halted {
            why: Halt::SteadyState,
            text,
        })
    }

    // --- a phase, forward ---

    fn phase(&self, phase: &'a PlannedPhase) -> Part {
        let Some(pr) = self.run.phases.get(&phase.id) else {
            if self.run.halted.is_some() {
                return Part::Over;
            }
            return Self::record(Event::PhaseBegan {
                phase: phase.id.clone(),
            });
        };
        if pr.ended {
            return Part::Over;
        }
        if self.run.halted.is_none()
            && let Part::Do(list) = self.steady(&phase.id, Occasion::Start, true)
        {
            return Part::Do(list);
        }
        if let Part::Do(list) = self.prechecks(phase, pr) {
            return Part::Do(list);
        }
        if let Part::Do(list) = self.batches(phase, pr) {
            return Part::Do(list);
        }
        // The bracket is closed when every host of the phase is; the phase's own steady state is looked at once more.
        if self.run.halted.is_none() {
            if !self.plan.can_roll_back_run()
                && let Part::Do(list) = self.bracket(phase, pr, Stage::Cleanup)
            {
                return Part::Do(list);
            }
            return Self::record(Event::PhaseEnded {
                phase: phase.id.clone(),
            });
        }
        Part::Over
    }

    fn walker(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, host: &'a HostName, line: &'a Line) -> Walker<'a> {
        Walker {
            phase,
            run: pr,
            host,
            line,
            dry: self.run.dry,
            now: self.now,
        }
    }

    /// Login and `precheck` on all hosts, `parallel` at a time; no batch is cut before they are through.
    fn prechecks(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        // `once` prechecks come before the first host enters; they are walked in the first host's line and shared.
        let fresh = Line::default();
        let mut todo = Vec::new();
        let (mut active, mut open) = (0, false);
        let parallel = usize::try_from(phase.rollout.parallel).unwrap_or(usize::MAX);
        for host in &phase.hosts {
            let line = pr.lines.get(host).unwrap_or(&fresh);
            if line.began.is_some() || line.ended.is_some() || self.barred(phase, host) {
                continue;
            }
            // A line that has not begun enters only while nothing keeps further hosts from starting.
            if !line.reached && (self.run.halted.is_some() || active >= parallel) {
                open |= self.run.halted.is_none();
                continue;
            }
            match self.walker(phase, pr, host, line).next() {
                LineNext::Ready | LineNext::Over => continue,
                LineNext::Reach => todo.push(Next::Reach {
                    phase: phase.id.clone(),
                    host: host.clone(),
                }),
                LineNext::Judge => todo.push(Next::Judge {
                    phase: phase.id.clone(),
                    host: host.clone(),
                }),
                other => todo.extend(self.line_act(phase, host, other)),
            }
            active += 1;
            open = true;
        }
        // Two lines may want the same `once` step: it is sent once.
        dedup(&mut todo);
        if open { Part::Do(todo) } else { Part::Over }
    }

    /// A host that is not good in one phase starts in no later one.
    fn barred(&self, phase: &PlannedPhase, host: &HostName) -> bool {
        self.plan
            .phases()
            .take_while(|p| p.id != phase.id)
            .filter(|p| p.hosts.contains(host))
            .any(|p| {
                !self
                    .run
                    .line(&p.id, host)
                    .and_then(|l| l.ended)
                    .is_some_and(HostState::is_good)
            })
    }

    /// What a line's wish is as work. `Busy` is none.
    fn line_act(&self, phase: &PlannedPhase, host: &HostName, wish: LineNext) -> Option<Next> {
        match wish {
            LineNext::Perform(key) => Some(Next::Perform(key)),
            LineNext::Wait(until) => Some(Next::Sleep { until }),
            LineNext::Turn(why) => Some(Next::Record(Box::new(Event::Turned {
                phase: phase.id.clone(),
                host: host.clone(),
                why,
                own_failure: true,
            }))),
            LineNext::End(state, why) => Some(Next::Record(Box::new(Event::HostEnded {
                phase: phase.id.clone(),
                host: host.clone(),
                state,
                why,
            }))),
            LineNext::Reach => Some(Next::Reach {
                phase: phase.id.clone(),
                host: host.clone(),
            }),
            LineNext::Judge | LineNext::Ready | LineNext::Busy | LineNext::Over => None,
        }
    }

    fn batches(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        // Hosts that were reopened by `resume` finish first, whatever their batch.
        if let Part::Do(list) = self.under_way(phase, pr) {
            if let Some(turn) = self.too_many(phase, pr) {
                return Self::record(turn);
            }
            let mut list = list;
            list.extend(self.starts(phase, pr));
            return Part::Do(list);
        }
        if let Some(halt) = self.too_many(phase, pr) {
            return Self::record(halt);
        }
        if self.run.halted.is_some() {
            return Part::Over;
        }
        match pr.batches.last() {
            Some(batch) if !batch.settled => {
                let starts = self.starts(phase, pr);
                if starts.is_empty() {
                    self.after_batch(phase, pr, batch)
                } else {
                    Part::Do(starts)
                }
            }
            Some(batch) => {
                if !self.plan.can_roll_back_run()
                    && let Part::Do(list) = self.clean(phase, pr, &batch.hosts)
                {
                    return Part::Do(list);
                }
                self.cut(phase, pr)
            }
            None => self.cut(phase, pr),
        }
    }

    /// Lines of this phase that have begun and not ended.
    fn under_way(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let mut list = Vec::new();
        let mut any = false;
        for host in &phase.hosts {
            let Some(line) = pr.lines.get(host) else { continue };
            if line.began.is_none() || line.ended.is_some() {
                continue;
            }
            any = true;
            list.extend(self.line_act(phase, host, self.walker(phase, pr, host, line).next()));
        }
        dedup(&mut list);
        if any { Part::Do(list) } else { Part::Over }
    }

    /// Hosts of the open batch that may start now.
    fn starts(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Vec<Next> {
        let Some(batch) = pr.batches.last().filter(|b| !b.settled) else {
            return Vec::new();
        };
        if self.run.halted.is_some() {
            return Vec::new();
        }
        let active = pr
            .lines
            .values()
            .filter(|l| l.began.is_some() && l.ended.is_none())
            .count();
        if active >= usize::try_from(phase.rollout.parallel).unwrap_or(usize::MAX) {
            return Vec::new();
        }
        let waiting = batch
            .hosts
            .iter()
            .find(|h| pr.lines.get(h).is_some_and(|l| l.began.is_none() && l.ended.is_none()));
        let Some(host) = waiting else { return Vec::new() };
        if let Some(text) = self.window_closed(phase) {
            return vec![Next::Record(Box::new(Event::Halted {
                why: Halt::Window,
                text,
            }))];
        }
        if self.run.recheck_steady
            && self.run.resumed.is_some()
            && let Part::Do(list) = self.steady("", Occasion::Resume, true)
        {
            return list;
        }
        if let Part::Do(list) = self.bracket(phase, pr, Stage::Drain) {
            return list;
        }
        let Some(line) = pr.lines.get(host) else {
            return Vec::new();
        };
        vec![Next::Record(Box::new(Event::HostBegan {
            phase: phase.id.clone(),
            host: host.clone(),
            recheck: self.rechecks(phase, line),
        }))]
    }

    /// Prechecks that are repeated at a host's turn: the fresh ones; all, if they are old or from before a resume.
    fn rechecks(&self, phase: &PlannedPhase, line: &Line) -> Vec<String> {
        let Some(done) = line.prechecked else { return Vec::new() };
        let old = self.now.as_millisecond() - done.as_millisecond() > PRECHECK_HOLDS_MS
            || self.run.resumed.is_some_and(|r| r > done);
        phase
            .stages
            .precheck
            .iter()
            .filter(|s| !s.once && (old || s.fresh))
            .map(|s| s.id.clone())
            .collect()
    }

    /// Why no host may start now, if the window says so.
    fn window_closed(&self, phase: &PlannedPhase) -> Option<String> {
        let w = self.plan.window.as_ref()?;
        if self.run.window_overridden {
            return None;
        }
        let start = w.start.or(self.run.started)?.as_millisecond();
        let ms = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let end = start.saturating_add(ms(w.duration_ms));
        let now = self.now.as_millisecond();
        if now >= end.saturating_sub(ms(w.cutoff_ms)) {
            return Some("the window's cut-off is reached: no further host starts".to_owned());
        }
        let slowest = self.run.slowest_ms.get(&phase.id).copied().unwrap_or(0);
        let reserve = w.reserve_ms.unwrap_or_else(|| back_out_ms(phase));
        (now.saturating_add(ms(slowest)).saturating_add(ms(reserve)) >= end).then(|| {
            format!(
                "a host takes up to {} s here and going back up to {} s: that no longer fits the window, no further host starts",
                slowest / 1000,
                reserve / 1000
            )
        })
    }

    /// More hosts count than the phase bears: nothing further starts, and the policy says how much goes back.
    fn too_many(&self, phase: &PlannedPhase, pr: &PhaseRun) -> Option<Event> {
        let count = pr.lines.values().filter(|l| l.counted).count();
        let canary = phase.rollout.batches.len() >= 2
            && pr.batches.first().is_some_and(|b| {
                b.hosts.iter().any(|h| {
                    pr.lines
                        .get(h)
                        .is_some_and(|l| l.counted && l.ended != Some(HostState::Refused))
                })
            });
        let over = count > max_fail(phase.rollout.max_fail, phase.hosts.len());
        if count == 0 || !(over || canary) {
            return None;
        }
        if self.run.halted.is_none() {
            let text = if over {
                format!(
                    "{count} of {} hosts of phase {} failed: no further host starts",
                    phase.hosts.len(),
                    phase.id
                )
            } else {
                format!("the first batch of phase {} failed: no further host starts", phase.id)
            };
            return Some(Event::Halted {
                why: Halt::TooManyFailed,
                text,
            });
        }
        (phase.on_failure == OnFailure::RollbackRun && pr.lines.values().any(|l| l.counted && l.began.is_some())).then(
            || Event::TurnedBack {
                why: format!("too many hosts of phase {} failed", phase.id),
            },
        )
    }

    /// Cuts the next batch from the hosts that wait.
    fn cut(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let waiting: Vec<&HostName> = self.waiting(phase, pr);
        if waiting.is_empty() {
            return Part::Over;
        }
        let number = u32::try_from(pr.batches.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut pool = waiting.clone();
        if phase.rollout.last.is_some() {
            let unasked: Vec<HostName> = waiting
                .iter()
                .filter(|h| !pr.last.contains_key(&(number, (**h).clone())))
                .map(|h| (*h).clone())
                .collect();
            if !unasked.is_empty() {
                return Part::Do(vec![Next::JudgeLast {
                    phase: phase.id.clone(),
                    batch: number,
                    hosts: unasked,
                }]);
            }
            pool.retain(|h| pr.last.get(&(number, (*h).clone())) == Some(&false));
            if pool.is_empty() {
                pool = waiting.first().copied().into_iter().collect();
            }
        }
        let size = batch_size(&phase.rollout.batches, pr.batches.len(), phase.hosts.len());
        let hosts = self.apart(phase, &pool).into_iter().take(size).cloned().collect();
        Self::record(Event::BatchBegan {
            phase: phase.id.clone(),
            batch: number,
            hosts,
        })
    }

    fn waiting(&self, phase: &'a PlannedPhase, pr: &PhaseRun) -> Vec<&'a HostName> {
        let batched = |h: &HostName| pr.batches.iter().any(|b| b.hosts.contains(h));
        phase
            .hosts
            .iter()
            .filter(|h| {
                pr.lines
                    .get(*h)
                    .is_some_and(|l| l.reached && l.began.is_none() && l.ended.is_none())
                    && !batched(h)
            })
            .collect()
    }

    /// Hosts that share the first one's value of the label that keeps hosts apart.
    fn apart<'h>(&self, phase: &PlannedPhase, pool: &[&'h HostName]) -> Vec<&'h HostName> {
        let Some(label) = &phase.rollout.apart else {
            return pool.to_vec();
        };
        let value = |h: &HostName| self.plan.host(h).and_then(|p| p.labels.get(label));
        let first = pool.first().and_then(|h| value(h));
        pool.iter().filter(|h| value(h) == first).copied().collect()
    }

    /// After the last host of a batch: soak, steady state, gate.
    fn after_batch(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, batch: &Batch) -> Part {
        let settled = Event::BatchSettled {
            phase: phase.id.clone(),
            batch: batch.number,
        };
        let worked = batch.hosts.iter().any(|h| pr.lines.get(h).is_some_and(Line::touched));
        if self.run.dry || !worked {
            return Self::record(settled);
        }
        if phase.rollout.soak_ms > 0 {
            let Some(began) = batch.soak_began else {
                return Self::record(Event::SoakBegan {
                    phase: phase.id.clone(),
                    batch: batch.number,
                    soak_ms: phase.rollout.soak_ms,
                });
            };
            let until = began
                .saturating_add(std::time::Duration::from_millis(phase.rollout.soak_ms))
                .unwrap_or(began);
            if until > self.now {
                return Part::Do(vec![Next::Sleep { until }]);
            }
        }
        for scope in ["", phase.id.as_str()] {
            if self.round_is_false(batch, scope) {
                return self.batch_goes_back(phase, pr, batch);
            }
            if let Part::Do(list) = self.steady(scope, Occasion::Batch, true) {
                return match list.as_slice() {
                    // The whole batch may have to go back before the run stands still.
                    [Next::Record(event)] if matches!(**event, Event::Halted { .. }) => {
                        self.batch_goes_back(phase, pr, batch)
                    }
                    _ => Part::Do(list),
                };
            }
        }
        if let Some(gate) = &phase.rollout.gate
            && (gate.after_batch == AfterBatch::Each || gate.after_batch == AfterBatch::Nth(batch.number))
            && !self.waiting(phase, pr).is_empty()
            && let Part::Do(list) = self.gate(&format!("{}/{}", phase.id, batch.number), gate)
        {
            return Part::Do(list);
        }
        if self.run.halted.is_some() {
            return Part::Over;
        }
        Self::record(settled)
    }

    fn round_is_false(&self, batch: &Batch, scope: &str) -> bool {
        batch
            .rounds
            .get(scope)
            .and_then(|n| self.run.steady.get(scope)?.get(usize::try_from(*n).ok()?))
            .is_some_and(|r| r.ok == Some(false))
    }

    /// The steady state is false after a batch: a rollback policy takes back the whole batch, or the run.
    fn batch_goes_back(&self, phase: &PlannedPhase, pr: &PhaseRun, batch: &Batch) -> Part {
        match phase.on_failure {
            OnFailure::RollbackRun => {
                return Self::record(Event::TurnedBack {
                    why: "the steady state is false after a batch".to_owned(),
                });
            }
            OnFailure::RollbackHost => {
                let turn = batch.hosts.iter().find(|h| {
                    pr.lines.get(*h).is_some_and(|l| {
                        l.turned.is_none()
                            && matches!(l.ended, Some(HostState::Ok | HostState::Warned))
                            && l.changed()
                            && unwind::owed(phase, l).no_return.is_none()
                    })
                });
                if let Some(host) = turn {
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

    // --- gates ---

    fn gate(&self, id: &str, gate: &PlannedGate) -> Part {
        if self.run.dry {
            return Part::Over;
        }
        let Some(g) = self.run.gates.get(id) else {
            let expires = std::time::Duration::from_millis(gate.expires_ms);
            return Self::record(Event::GateOpened {
                gate: id.to_owned(),
                title: gate.title.clone(),
                expires: self.now.saturating_add(expires).unwrap_or(self.now),
                out: self.run.held_out().into_iter().collect(),
            });
        };
        match g.state {
            GateState::Passed => Part::Over,
            GateState::Open if self.now >= g.expires => Self::record(Event::GateClosed {
                gate: id.to_owned(),
                why: GateEnd::Expired,
            }),
            GateState::Open if self.cut_off() => Self::record(Event::GateClosed {
                gate: id.to_owned(),
                why: GateEnd::CutOff,
            }),
            GateState::Open => Part::Do(vec![Next::AskGate { gate: id.to_owned() }]),
            GateState::Closed(_) if gate.otherwise == Otherwise::RollbackRun => Self::record(Event::TurnedBack {
                why: format!("gate {id} did not pass"),
            }),
            GateState::Closed(_) if self.run.halted.is_some() => Part::Over,
            GateState::Closed(why) => {
                let word = match why {
                    GateEnd::Rejected => "was rejected",
                    GateEnd::Expired => "expired",
                    GateEnd::CutOff => "met the window's cut-off",
                };
                Self::record(Event::Halted {
                    why: Halt::Gate,
                    text: format!("gate {id} {word}: nothing further starts"),
                })
            }
        }
    }

    fn cut_off(&self) -> bool {
        let Some(w) = &self.plan.window else { return false };
        let Some(start) = w.start.or(self.run.started) else {
            return false;
        };
        let end = start
            .as_millisecond()
            .saturating_add(i64::try_from(w.duration_ms).unwrap_or(i64::MAX));
        !self.run.window_overridden
            && self.now.as_millisecond() >= end.saturating_sub(i64::try_from(w.cutoff_ms).unwrap_or(i64::MAX))
    }

    // --- brackets and cleanup ---

    /// The changing `once` steps of a phase: opened in `drain` before its first host, closed in `cleanup` after its last.
    fn bracket(&self, phase: &PlannedPhase, pr: &PhaseRun, stage: Stage) -> Part {
        if self.run.dry {
            return Part::Over;
        }
        let steps = |s: Stage| phase.stages.get(s).iter().filter(|x| x.once && !x.read_only);
        let opened = steps(Stage::Drain).any(|x| {
            pr.once
                .iter()
                .any(|(slot, r)| slot.stage == Stage::Drain && slot.step == x.id && r.begun > 0)
        });
        // A closing without an opening of its own is owed once a host of the phase has begun.
        let owed = opened || (steps(Stage::Drain).next().is_none() && pr.lines.values().any(Line::touched));
        if stage == Stage::Cleanup && !owed {
            return Part::Over;
        }
        for step in steps(stage) {
            match walk_step(&phase.id, stage, step, &pr.once, None, 0, self.now) {
                Walk::Done => {}
                Walk::Next(LineNext::Perform(key)) => return Part::Do(vec![Next::Perform(key)]),
                Walk::Next(LineNext::Wait(until)) => return Part::Do(vec![Next::Sleep { until }]),
                Walk::Next(_) => return Part::Do(Vec::new()),
                Walk::Bad { .. } | Walk::Unknown { .. } if stage == Stage::Cleanup || self.run.halted.is_some() => {}
                Walk::Bad { why, .. } => {
                    let text = format!("step {} that opens phase {} failed: {why}", step.id, phase.id);
                    return Self::record(Event::Halted {
                        why: Halt::Bracket,
                        text,
                    });
                }
                Walk::Unknown { .. } => {
                    let text = format!(
                        "nobody can say how step {} that opens phase {} ended",
                        step.id, phase.id
                    );
                    return Self::record(Event::Halted {
                        why: Halt::Bracket,
                        text,
                    });
                }
            }
        }
        Part::Over
    }

    /// Cleanup of these hosts, `parallel` at a time, and the closing of each.
    fn clean(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, hosts: &'a [HostName]) -> Part {
        let mut list = Vec::new();
        let mut active = 0;
        for host in hosts {
            let Some(line) = pr.lines.get(host) else { continue };
            let Some(state) = line.ended else { continue };
            if line.closed || !line.touched() || state == HostState::Unknown || self.run.dry {
                continue;
            }
            if active >= phase.rollout.parallel {
                break;
            }
            match self.walker(phase, pr, host, line).cleanup() {
                Some(LineNext::Busy) => active += 1,
                Some(wish) => {
                    list.extend(self.line_act(phase, host, wish));
                    active += 1;
                }
                None if self.closes(line, state) => {
                    return Self::record(Event::HostClosed {
                        phase: phase.id.clone(),
                        host: host.clone(),
                    });
                }
                None => {}
            }
        }
        if active > 0 { Part::Do(list) } else { Part::Over }
    }

    /// A good host is closed when its time has come; one that is not only by a cleanup step that ran.
    fn closes(&self, line: &Line, state: HostState) -> bool {
        matches!(state, HostState::Ok | HostState::Warned | HostState::RolledBack)
            || line.slots.iter().any(|(s, r)| s.stage == Stage::Cleanup && r.begun > 0)
    }

    // --- the whole run goes back ---

    /// Phases newest first; in a phase batch by batch in reverse, `parallel` hosts at a time.
    fn backward(&self) -> Part {
        for phase in self.plan.phases().rev() {
            let Some(pr) = self.run.phases.get(&phase.id) else {
                continue;
            };
            match self.phase_back(phase, pr) {
                Part::Do(list) => return Part::Do(list),
                Part::Over => {}
            }
            // An older phase begins only when every changed host of the newer one is back.
            let stuck = pr
                .lines
                .values()
                .any(|l| l.touched() && !l.closed && l.ended != Some(HostState::RolledBack));
            if stuck {
                break;
            }
        }
        if let Part::Do(list) = self.clean_all() {
            return Part::Do(list);
        }
        if self.anything_touched() {
            self.steady("", Occasion::End, true)
        } else {
            Part::Over
        }
    }

    fn phase_back(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let mut list = Vec::new();
        let mut active = 0;
        for batch in pr.batches.iter().rev() {
            for host in &batch.hosts {
                let Some(line) = pr.lines.get(host) else { continue };
                if active >= phase.rollout.parallel {
                    break;
                }
                match self.host_back(phase, pr, host, line) {
                    Part::Over => {}
                    Part::Do(next) => {
                        active += 1;
                        list.extend(next);
                    }
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
        if line.closed || !line.touched() {
            return Part::Over;
        }
        let busy = line.slots.values().any(|s| s.open.is_some());
        if busy {
            // It ends its running step first.
            return Part::Do(Vec::new());
        }
        let this_session = line.turned.as_ref().is_some_and(|t| t.session == self.run.back_session);
        let on_its_way = line.turned.is_some() && line.ended.is_none();
        if !this_session && !on_its_way {
            return match line.ended {
                Some(HostState::Unknown | HostState::RolledBack | HostState::NotNeeded | HostState::Refused) => {
                    Part::Over
                }
                Some(HostState::Ok | HostState::Warned) if unwind::owed(phase, line).no_return.is_some() => Part::Over,
                _ => Self::record(Event::Turned {
                    phase: phase.id.clone(),
                    host: host.clone(),
                    why: self.run.backwards.clone().unwrap_or_default(),
                    own_failure: false,
                }),
            };
        }
        match self.walker(phase, pr, host, line).next() {
            LineNext::Over | LineNext::Ready => Part::Over,
            LineNext::Busy => Part::Do(Vec::new()),
            wish => Part::Do(self.line_act(phase, host, wish).into_iter().collect()),
        }
    }
}

/// Held hosts that `resume` looks at again: `verify`, then `undrain` if it passes. After a partial undo only a person can say.
pub fn reopenings(plan: &Plan, run: &Run) -> Vec<Event> {
    let mut events = Vec::new();
    for phase in plan.phases() {
        let Some(pr) = run.phases.get(&phase.id) else { continue };
        for host in &phase.hosts {
            let Some(line) = pr
                .lines
                .get(host)
                .filter(|l| l.ended == Some(HostState::Held) && !l.closed)
            else {
                continue;
            };
            let way = unwind::owed(phase, line);
            let partial = line.turned.is_some() && !unwind::still_owed(phase, line).is_empty();
            if partial || way.no_return.is_some() && line.turned.is_some() || phase.stages.verify.is_empty() {
                continue;
            }
            let pass = line
                .slots
                .keys()
                .filter(|s| s.stage == Stage::Verify)
                .map(|s| s.pass)
                .max()
                .unwrap_or(0)
                .max(1)
                + 1;
            events.push(Event::Reopened {
                phase: phase.id.clone(),
                host: host.clone(),
                pass,
            });
        }
    }
    events
}

fn dedup(list: &mut Vec<Next>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|n| match n {
        Next::Perform(key) => seen.insert(key.clone()),
        _ => true,
    });
}

/// So many hosts may count before nothing further starts; a percent is rounded down.
pub fn max_fail(size: Size, planned: usize) -> usize {
    match size {
        Size::Count(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Size::Percent(p) => planned.saturating_mul(usize::try_from(p).unwrap_or(100)) / 100,
    }
}

/// The size of batch number `at` (from 0): the last one written repeats, a percent is rounded down, at least one.
pub fn batch_size(batches: &[Size], at: usize, planned: usize) -> usize {
    let size = batches.get(at).or_else(|| batches.last());
    match size {
        None => planned.max(1),
        Some(Size::Count(n)) => usize::try_from(*n).unwrap_or(usize::MAX).max(1),
        Some(Size::Percent(p)) => (planned.saturating_mul(usize::try_from(*p).unwrap_or(100)) / 100).max(1),
    }
}

/// The sum of the limits of a host's undo steps.
pub fn back_out_ms(phase: &PlannedPhase) -> u64 {
    phase
        .stages
        .steps
        .iter()
        .map(|s| match &s.undo {
            crate::plan::PlannedUndo::Steps(list) => list.iter().map(|u| u.timeout_ms).sum(),
            _ => 0,
        })
        .fold(0u64, u64::saturating_add)
}
