//! A phase on its way forward: prechecks, batches, starts, and what follows a batch.
//!
//! Owns: which host starts when. Must not: walk a host's line (that is `line`), know other phases except to bar their bad hosts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cleanup::{bracket_began, bracket_open};
use super::event::{Event, Halt, HostState, Occasion, Slot};
use super::line::LineNext;
use super::next::{Decider, Next, Part, busy_first, dedup, with_lines};
use super::quiet::Hush;
use super::{Batch, Line, PhaseRun, limits};
use crate::id::HostName;
use crate::plan::{AfterBatch, OnFailure, PlannedPhase, PlannedStep, Stage, estimate};

/// A precheck older than this is repeated before its host starts.
const PRECHECK_HOLDS_MS: i64 = 30 * 60 * 1000;

impl<'a> Decider<'a> {
    pub(super) fn phase(&self, phase: &'a PlannedPhase) -> Part {
        let halted = self.run.halted.is_some();
        let Some(pr) = self.run.phases.get(&phase.id) else {
            if halted {
                return Part::Over;
            }
            return Self::record(Event::PhaseBegan {
                phase: phase.id.clone(),
            });
        };
        if pr.ended {
            return Part::Over;
        }
        if !halted && let Part::Do(list) = self.steady(&phase.id, Occasion::Start, true) {
            return Part::Do(list);
        }
        if phase.flows() && !halted && pr.batches.is_empty() {
            return self.cut(phase, pr);
        }
        if let Part::Do(list) = self.prechecks(phase, pr) {
            return if phase.flows() {
                self.flow(phase, pr, list)
            } else {
                Part::Do(list)
            };
        }
        if let Part::Do(list) = self.batches(phase, pr) {
            return Part::Do(list);
        }
        if halted {
            return Part::Over;
        }
        self.phase_ends(phase, pr)
    }

    /// The bracket is closed if every host of the phase is; the phase's own steady state is looked at once more.
    fn phase_ends(&self, phase: &PlannedPhase, pr: &PhaseRun) -> Part {
        let all_closed = pr.lines.values().all(|l| l.closed || !l.touched());
        if all_closed && let Part::Do(list) = self.bracket(phase, pr, Stage::Cleanup) {
            return Part::Do(list);
        }
        let worked = !self.run.dry && pr.lines.values().any(Line::touched);
        if let Part::Do(list) = self.steady(&phase.id, Occasion::End, worked) {
            return Part::Do(list);
        }
        Self::record(Event::PhaseEnded {
            phase: phase.id.clone(),
        })
    }

    /// Beside the hosts that are `entering`, those go on that have come in.
    fn flow(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun, entering: Vec<Next>) -> Part {
        if let Some(event) = self.too_many(phase, pr) {
            return Self::record(event);
        }
        let (mut list, _) = self.under_way(phase, pr);
        list.extend(entering);
        if let Part::Do(more) = self.starts(phase, pr) {
            list.extend(more);
        }
        dedup(&mut list);
        Part::Do(list)
    }

    /// Login and `precheck` on all hosts, `parallel` at a time; no batch is cut before they are through, unless the phase
    /// [flows](PlannedPhase::flows): there a host that has come in goes on, and the others with it are counted.
    fn prechecks(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let fresh = Line::default();
        let mut todo = Vec::new();
        let mut entering = false;
        let mut active = if phase.flows() { under_way(pr) } else { 0 };
        let barred = self.barred(phase);
        for (host, line) in with_lines(&phase.hosts, pr) {
            let line = line.unwrap_or(&fresh);
            if line.began.is_some() || line.ended.is_some() || barred.contains(host) {
                continue;
            }
            // A line that has not begun enters only while nothing keeps further hosts from starting.
            if !line.reached && self.run.halted.is_some() {
                continue;
            }
            if active >= phase.rollout.parallel {
                break;
            }
            match self.walker(phase, pr, host, line).next() {
                LineNext::Ready if phase.flows() => {}
                LineNext::Ready | LineNext::Over => continue,
                wish => {
                    todo.extend(Self::line_act(phase, host, wish));
                    entering = true;
                }
            }
            active += 1;
        }
        dedup(&mut todo);
        if entering { Part::Do(todo) } else { Part::Over }
    }

    /// Hosts that start in this phase no more: one that is not good in a phase starts in no later one, nor one on which something
    /// may still run.
    fn barred(&self, phase: &PlannedPhase) -> BTreeSet<&'a HostName> {
        let mut barred = self.run.unsure_hosts(self.plan);
        let good = |line: &Line| line.ended.is_some_and(HostState::is_good);
        for earlier in self.plan.phases().take_while(|p| p.id != phase.id) {
            match self.run.phases.get(&earlier.id) {
                Some(pr) => {
                    let stand = with_lines(&earlier.hosts, pr).filter(|(_, line)| !line.is_some_and(good));
                    barred.extend(stand.map(|(host, _)| host));
                }
                None => barred.extend(&earlier.hosts),
            }
        }
        barred
    }

    fn batches(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        if let Some(event) = self.too_many(phase, pr) {
            return Self::record(event);
        }
        // Hosts that `resume` reopened finish first, whatever their batch.
        let (mut list, busy) = self.under_way(phase, pr);
        match self.starts(phase, pr) {
            Part::Do(more) => {
                list.extend(more);
                dedup(&mut list);
                return Part::Do(list);
            }
            Part::Over if busy => return Part::Do(list),
            Part::Over => {}
        }
        if self.run.halted.is_some() {
            return Part::Over;
        }
        match pr.batches.last() {
            Some(batch) if !batch.settled => self.after_batch(phase, pr, batch),
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

    /// What the lines want that have begun and not ended, `parallel` at a time, and whether there are any.
    fn under_way(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> (Vec<Next>, bool) {
        let mut list = Vec::new();
        let mut active = 0;
        for (host, line) in busy_first(&phase.hosts, pr, Line::under_way) {
            // It was held, and of a step in another phase nobody can say any more whether it still runs.
            if line.reopened.is_some() && line.unknown_step().is_none() && self.run.unsure(host) {
                continue;
            }
            // More than `parallel` are on their way only where `resume` or a person set several going again.
            if active >= phase.rollout.parallel {
                break;
            }
            active += 1;
            let wish = self.walker(phase, pr, host, line).next();
            list.extend(self.line_works(phase, host, line, wish));
        }
        dedup(&mut list);
        (list, active > 0)
    }

    /// The starts of the next hosts of the open batch, and what must come before them.
    fn starts(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Part {
        let Some(batch) = pr.batches.last().filter(|b| !b.settled && self.run.halted.is_none()) else {
            return Part::Over;
        };
        // A person is asked about a host: what is said of it decides whether others may start.
        if self.run.attended && pr.lines.values().any(|l| l.asks().is_some()) {
            return Part::Over;
        }
        let room = phase.rollout.parallel.saturating_sub(under_way(pr));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let waits = |l: &&Line| l.reached && l.began.is_none() && l.ended.is_none();
        let mut waiting: Vec<(&HostName, &Line)> = with_lines(&batch.hosts, pr)
            .filter_map(|(h, line)| Some((h, line.filter(waits)?)))
            .collect();
        if room == 0 || waiting.is_empty() {
            return Part::Over;
        }
        let barred = self.barred(phase);
        waiting.retain(|(h, _)| !barred.contains(h));
        waiting.truncate(room);
        if waiting.is_empty() {
            return Part::Over;
        }
        if let Some(text) = limits::window_closed(self.plan, self.run, phase, self.now) {
            return Self::record(Event::Halted {
                why: Halt::Window,
                text,
            });
        }
        if self.run.recheck_steady
            && let Part::Do(list) = self.steady("", Occasion::Resume, true)
        {
            return Part::Do(list);
        }
        if bracket_open(phase, pr) && bracket_began(phase, pr, Stage::Cleanup) {
            return Self::record(Event::Halted {
                why: Halt::Bracket,
                text: format!("phase {} is closed: no further host of it starts", phase.id),
            });
        }
        if let Part::Do(list) = self.bracket(phase, pr, Stage::Drain) {
            return Part::Do(list);
        }
        // The silence of the run cannot be set: each host is refused before the next one begins.
        if phase.changes && matches!(self.hush(None), Hush::Refused(_)) {
            waiting.truncate(1);
        }
        let begin = |(host, line): (&HostName, &Line)| {
            Next::Record(Box::new(Event::HostBegan {
                phase: phase.id.clone(),
                host: host.clone(),
                recheck: self.rechecks(phase, line),
            }))
        };
        Part::Do(waiting.into_iter().map(begin).collect())
    }

    /// Prechecks that are repeated at a host's turn: the fresh ones, and those that are old or from before a resume.
    fn rechecks(&self, phase: &PlannedPhase, line: &Line) -> Vec<String> {
        let ended = |step: &PlannedStep| {
            let first = Slot {
                stage: Stage::Precheck,
                step: step.id.clone(),
                nth: 0,
                pass: 0,
            };
            Some(line.slots.get(&first)?.end.as_ref()?.at)
        };
        let old = |step: &PlannedStep| {
            ended(step).is_some_and(|at| {
                self.now.as_millisecond() - at.as_millisecond() > PRECHECK_HOLDS_MS
                    || self.run.resumed.is_some_and(|r| r > at)
            })
        };
        phase
            .stages
            .precheck
            .iter()
            .filter(|s| !s.once && (s.fresh || old(s)))
            .map(|s| s.id.clone())
            .collect()
    }

    /// More hosts count than the phase bears: nothing further starts, and the policy says how much goes back.
    fn too_many(&self, phase: &PlannedPhase, pr: &PhaseRun) -> Option<Event> {
        let count = pr.lines.values().filter(|l| l.counted).count();
        let failed = |h: &HostName| {
            pr.lines
                .get(h)
                .is_some_and(|l| l.counted && l.ended != Some(HostState::Refused))
        };
        let canary = phase.rollout.batches.len() >= 2 && pr.batches.first().is_some_and(|b| b.hosts.iter().any(failed));
        let over = count > estimate::count(phase.rollout.max_fail, phase.hosts.len());
        if !(over || canary) {
            return None;
        }
        if self.run.halted.is_none() {
            let text = if over {
                let of = phase.hosts.len();
                format!(
                    "{count} of {of} hosts of phase {} failed: no further host starts",
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
        // Who said to leave a host as it is did not mean the whole run to go back over it.
        let left = pr.lines.values().any(Line::held_by_word);
        (phase.on_failure == OnFailure::RollbackRun && !left && self.anything_touched()).then(|| Event::TurnedBack {
            why: format!("too many hosts of phase {} failed", phase.id),
            rehearsed: false,
        })
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
            let asked = |h: &HostName| pr.last.get(&(number, h.clone())).copied();
            let unasked: Vec<HostName> = waiting
                .iter()
                .filter(|h| asked(h).is_none())
                .copied()
                .cloned()
                .collect();
            if !unasked.is_empty() {
                return Part::Do(vec![Next::JudgeLast {
                    phase: phase.id.clone(),
                    batch: number,
                    hosts: unasked,
                }]);
            }
            pool.retain(|h| asked(h) == Some(false));
            if pool.is_empty() {
                pool = waiting.first().copied().into_iter().collect();
            }
        }
        let size = estimate::batch_size(&phase.rollout.batches, pr.batches.len(), phase.hosts.len());
        let hosts = self.apart(phase, &pool).into_iter().take(size).cloned().collect();
        Self::record(Event::BatchBegan {
            phase: phase.id.clone(),
            batch: number,
            hosts,
        })
    }

    /// Hosts that are prechecked and in no batch yet.
    fn waiting(&self, phase: &'a PlannedPhase, pr: &'a PhaseRun) -> Vec<&'a HostName> {
        let batched: BTreeSet<&HostName> = pr.batches.iter().flat_map(|b| &b.hosts).collect();
        let barred = self.barred(phase);
        // Where hosts flow, the first batch is cut before they have come in.
        let flows = phase.flows() && pr.batches.is_empty();
        let ready = |line: Option<&Line>| line.map_or(flows, |l| (l.reached || flows) && l.ended.is_none());
        with_lines(&phase.hosts, pr)
            .filter(|(h, line)| ready(*line) && !batched.contains(h) && !barred.contains(h))
            .map(|(h, _)| h)
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
        if !worked {
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
            let soak = Duration::from_millis(phase.rollout.soak_ms);
            let until = began.saturating_add(soak).unwrap_or(began);
            if until > self.now {
                return Part::Do(vec![Next::Sleep { until }]);
            }
        }
        for scope in ["", phase.id.as_str()] {
            if self.run.round_is_false(batch, scope) {
                return self.batch_goes_back(phase, pr, batch);
            }
            if let Part::Do(list) = self.steady(scope, Occasion::Batch, true) {
                return Part::Do(list);
            }
        }
        if let Some(gate) = &phase.rollout.gate
            && (gate.after_batch == AfterBatch::Each || gate.after_batch == AfterBatch::Nth(batch.number))
            && !self.waiting(phase, pr).is_empty()
            && let Part::Do(list) = self.gate(&format!("{}/{}", phase.id, batch.number), gate)
        {
            return Part::Do(list);
        }
        Self::record(settled)
    }
}

/// How many hosts are at work.
fn under_way(pr: &PhaseRun) -> u32 {
    u32::try_from(pr.lines.values().filter(|l| l.under_way()).count()).unwrap_or(u32::MAX)
}
