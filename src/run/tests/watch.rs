//! The promises of order, watched event by event: what may begin after what.
//!
//! Owns: attempts, stages, batches, phases, brackets, the window, the steady state. Must not: ask the fold or the decider.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::id::HostName;
use crate::plan::*;
use crate::run::event::*;

/// How the last attempt of a place ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Open,
    Ended(Outcome),
    /// A person said so.
    Told(Outcome),
    /// Proven never to have begun, or cut off and without effect, or to be done anew.
    Anew,
}

struct Attempts {
    last: Last,
    /// The one under way, or the last.
    number: u32,
    /// Repeated after a failure, by itself.
    repeated: u32,
    at: Timestamp,
}

/// Phase and host.
type At = (String, Option<HostName>);

#[derive(Default)]
struct PhaseWatch {
    batches: Vec<Vec<HostName>>,
    settled: usize,
    soak: Option<Timestamp>,
    ended: bool,
    /// Steps that close its bracket and may have begun.
    closing: u32,
    /// Hosts that count and were not just refused.
    failed: BTreeSet<HostName>,
    /// Steps that may have begun, by host.
    worked: BTreeMap<HostName, u32>,
}

#[derive(Default)]
pub struct Watch {
    places: BTreeMap<At, BTreeMap<Slot, Attempts>>,
    phases: BTreeMap<String, PhaseWatch>,
    passed: BTreeSet<String>,
    /// Rounds of the steady state: scope → which round, and its answer since the last start or resume.
    steady: BTreeMap<String, bool>,
    started: Option<Timestamp>,
    resumed: Option<Timestamp>,
    back: bool,
    /// What was found.
    pub violations: Vec<String>,
}

impl Watch {
    fn must(&mut self, holds: bool, promise: &str, about: impl std::fmt::Display) {
        if !holds {
            self.violations.push(format!("{promise}: {about}"));
        }
    }

    pub fn see(&mut self, plan: &Plan, e: &Stamped) {
        match &e.event {
            Event::Started { .. } => self.started = Some(e.at),
            Event::Resumed { back, .. } => {
                self.resumed = Some(e.at);
                self.back |= back;
                self.steady.clear();
                for p in self.phases.values_mut() {
                    p.soak = None;
                }
            }
            Event::ClockMoved { by_ms } => self.clock_moved(SignedDuration::from_millis(*by_ms)),
            Event::TurnedBack { .. } => self.back = true,
            Event::SteadyAnswered { phase, ok, .. } => {
                self.steady.insert(phase.clone(), *ok);
            }
            Event::GatePassed { gate } => {
                self.passed.insert(gate.clone());
            }
            Event::PhaseBegan { phase } => self.phase_began(plan, phase),
            Event::PhaseEnded { phase } => self.phase(phase).ended = true,
            Event::BatchBegan { phase, batch, hosts } => self.batch_began(plan, phase, *batch, hosts),
            Event::SoakBegan { phase, .. } => self.phase(phase).soak = Some(e.at),
            Event::BatchSettled { phase, .. } => self.batch_settled(plan, phase, e.at),
            Event::HostBegan { phase, host, recheck } => self.host_began(plan, phase, host, recheck, e.at),
            Event::Turned {
                phase,
                host,
                own_failure,
                ..
            } => self.turned(phase, host, *own_failure),
            Event::HostEnded { phase, host, state, .. } => self.host_ended(plan, phase, host, *state),
            Event::Intended { key, changes, .. } => self.intended(plan, key, *changes, e.at),
            Event::Settled { key, outcome, .. } => self.over(key, Last::Ended(*outcome), e.at),
            Event::Skipped { key, .. } => self.over(key, Last::Ended(Outcome::Skipped), e.at),
            Event::NeverBegan { key } | Event::CutOff { key } => self.over(key, Last::Anew, e.at),
            Event::Decided {
                phase,
                host,
                slot,
                verdict,
                ..
            } => {
                let at = (phase.clone(), Some(host.clone()));
                if let Some(a) = self.places.entry(at).or_default().get_mut(slot) {
                    a.last = match (verdict.as_str(), a.last) {
                        ("ok", _) => Last::Told(Outcome::Ok),
                        ("failed", _) | ("rollback", Last::Ended(Outcome::Unknown)) => Last::Told(Outcome::Failed),
                        ("skip", _) => Last::Told(Outcome::Skipped),
                        ("rollback" | "hold" | "policy", last) => last,
                        _ => Last::Anew,
                    };
                }
            }
            _ => {}
        }
    }

    /// No wait is longer or shorter for it.
    fn clock_moved(&mut self, by: SignedDuration) {
        let marks = self.phases.values_mut().filter_map(|p| p.soak.as_mut());
        let marks = marks.chain(self.started.as_mut()).chain(self.resumed.as_mut());
        let ends = self.places.values_mut().flat_map(BTreeMap::values_mut);
        for at in marks.chain(ends.map(|a| &mut a.at)) {
            *at += by;
        }
    }

    fn phase(&mut self, id: &str) -> &mut PhaseWatch {
        self.phases.entry(id.to_owned()).or_default()
    }

    fn over(&mut self, key: &StepKey, last: Last, at: Timestamp) {
        // What was not sent has closed nothing.
        if matches!(last, Last::Anew | Last::Ended(Outcome::Unreachable))
            && key.stage == Stage::Cleanup
            && key.host.is_none()
        {
            let closing = &mut self.phase(&key.phase).closing;
            *closing = closing.saturating_sub(1);
        }
        if matches!(last, Last::Anew | Last::Ended(Outcome::Unreachable))
            && works(key.stage)
            && let Some(host) = &key.host
            && let Some(n) = self.phase(&key.phase).worked.get_mut(host)
        {
            *n -= 1;
        }
        let slots = self.places.entry((key.phase.clone(), key.host.clone())).or_default();
        let a = slots.entry(key.slot()).or_insert(Attempts {
            last,
            number: key.attempt,
            repeated: 0,
            at,
        });
        (a.last, a.at) = (last, at);
    }

    // --- phases, batches, hosts ---

    fn phase_began(&mut self, plan: &Plan, phase: &str) {
        for item in &plan.items {
            match item {
                PlanItem::Phase(p) if p.id == phase => break,
                PlanItem::Phase(p) => {
                    let over = self.phase(&p.id).ended;
                    self.must(over, "phases in file order, one after another", phase);
                }
                PlanItem::Gate(g) => {
                    let passed = self.passed.contains(&g.id);
                    self.must(passed, "a gate blocks the start of everything after it", phase);
                }
            }
        }
    }

    fn batch_began(&mut self, plan: &Plan, phase: &str, number: u32, hosts: &[HostName]) {
        let planned = plan.phase(phase).unwrap();
        let (all, sizes) = (planned.hosts.len(), &planned.rollout.batches);
        let most = match sizes.get(number as usize - 1).or(sizes.last()) {
            None => all,
            Some(Size::Count(n)) => (*n as usize).max(1),
            Some(Size::Percent(p)) => (all * *p as usize / 100).max(1),
        };
        self.must(hosts.len() <= most, "no batch is larger than written", phase);
        let p = self.phase(phase);
        let twice = hosts.iter().any(|h| p.batches.iter().any(|b| b.contains(h)));
        let one_by_one = p.batches.len() == p.settled;
        p.batches.push(hosts.to_vec());
        self.must(!twice, "each host is in one batch", phase);
        self.must(one_by_one, "a batch begins when the one before is settled", phase);
    }

    fn batch_settled(&mut self, plan: &Plan, phase: &str, at: Timestamp) {
        let soak = plan.phase(phase).unwrap().rollout.soak_ms as i64;
        let p = self.phase(phase);
        p.settled += 1;
        let worked = p
            .batches
            .last()
            .is_some_and(|b| b.iter().any(|h| p.worked.get(h).is_some_and(|n| *n > 0)));
        let rested = p
            .soak
            .take()
            .is_some_and(|s| at.as_millisecond() - s.as_millisecond() >= soak);
        self.must(
            !worked || soak == 0 || rested,
            "a batch soaks before it is settled",
            phase,
        );
    }

    fn host_began(&mut self, plan: &Plan, phase: &str, host: &HostName, recheck: &[String], at: Timestamp) {
        let planned = plan.phase(phase).unwrap();
        let steady = |w: &Self, scope: &str| w.steady.get(scope).copied();
        if !plan.steady_state.is_empty() {
            let good = steady(self, "") == Some(true);
            self.must(good, "no host starts before the steady state was seen to hold", host);
        }
        let own = steady(self, phase) != Some(false);
        self.must(own, "no host starts after the phase's steady state was false", host);
        if let Some(w) = &plan.window {
            let from = w.start.or(self.started).unwrap();
            let gone = (at.as_millisecond() - from.as_millisecond()) as u64;
            let early = at < from || gone < w.duration_ms.saturating_sub(w.cutoff_ms);
            self.must(early, "no host starts after the window's cut-off", host);
        }
        let canary = planned.rollout.batches.len() >= 2;
        let p = self.phase(phase);
        let in_batch = p.batches.len() == p.settled + 1 && p.batches.last().is_some_and(|b| b.contains(host));
        let closing = p.closing > 0;
        let sung = p
            .batches
            .first()
            .is_some_and(|b| b.iter().any(|h| p.failed.contains(h)));
        self.must(in_batch, "a host starts in its batch", host);
        self.must(!closing, "no host starts once its bracket is closed", host);
        self.must(!(canary && sung), "no host starts after the canary failed", host);
        for step in planned.stages.precheck.iter().filter(|s| !s.once) {
            let slot = Slot {
                stage: Stage::Precheck,
                step: step.id.clone(),
                nth: 0,
                pass: 0,
            };
            let slots = self.places.get(&(phase.to_owned(), Some(host.clone())));
            let Some(then) = slots.and_then(|s| s.get(&slot)).map(|a| a.at) else {
                self.must(false, "no host starts before all of its prechecks", host);
                continue;
            };
            let old =
                at.as_millisecond() - then.as_millisecond() > 30 * 60_000 || self.resumed.is_some_and(|r| r > then);
            self.must(
                recheck.contains(&step.id) == (old || step.fresh),
                "prechecks that are old, fresh or from before a resume are repeated, no others",
                &step.id,
            );
        }
        for step in planned.stages.drain.iter().filter(|s| s.once && !s.read_only) {
            let open = self.good(phase, None, Stage::Drain, step, 0);
            self.must(open, "the bracket is open before a host starts", host);
        }
    }

    fn host_ended(&mut self, plan: &Plan, phase: &str, host: &HostName, state: HostState) {
        if matches!(
            state,
            HostState::Failed | HostState::Held | HostState::Broken | HostState::Unknown
        ) {
            self.phase(phase).failed.insert(host.clone());
        }
        let planned = plan.phase(phase).unwrap();
        if matches!(state, HostState::Ok | HostState::Warned) {
            for step in planned.stages.steps.iter().filter(|s| !s.once) {
                let slots = self.of_step(phase, Some(host), Stage::Steps, step, 0);
                let sent = |l: &Last| !matches!(l, Last::Open | Last::Anew | Last::Ended(Outcome::Unreachable));
                let all = !slots.is_empty() && (slots.iter().all(sent) || step.may_fail.is_some());
                self.must(all, "good only when each of its steps was sent or left out", host);
                if state == HostState::Ok {
                    let good = self.good(phase, Some(host), Stage::Steps, step, 0);
                    self.must(good, "ok only when each of its steps was", host);
                }
            }
        }
    }

    fn turned(&mut self, phase: &str, host: &HostName, own_failure: bool) {
        if own_failure {
            self.phase(phase).failed.insert(host.clone());
        }
        let slots = self.places.entry((phase.to_owned(), Some(host.clone()))).or_default();
        for (slot, a) in slots {
            let back = slot.pass == 1 || slot.stage == Stage::Undo;
            let bad = matches!(
                a.last,
                Last::Ended(Outcome::Failed | Outcome::TimedOut | Outcome::Unreachable) | Last::Told(Outcome::Failed)
            );
            if back && bad {
                (a.last, a.repeated) = (Last::Anew, 0);
            }
        }
    }

    // --- steps ---

    /// How the places of a step stand that were reached so far.
    fn of_step(&self, phase: &str, host: Option<&HostName>, stage: Stage, step: &PlannedStep, pass: u32) -> Vec<Last> {
        let Some(slots) = self.places.get(&(phase.to_owned(), host.cloned())) else {
            return Vec::new();
        };
        let fits = |s: &Slot| s.stage == stage && s.pass == pass && s.step == step.id;
        slots.iter().filter(|(s, _)| fits(s)).map(|(_, a)| a.last).collect()
    }

    fn good(&self, phase: &str, host: Option<&HostName>, stage: Stage, step: &PlannedStep, pass: u32) -> bool {
        let good = |last: &Last| match last {
            Last::Ended(Outcome::Ok | Outcome::Skipped) | Last::Told(Outcome::Ok | Outcome::Skipped) => true,
            Last::Ended(Outcome::Unknown) => step.read_only && step.may_fail.is_some(),
            Last::Ended(_) | Last::Told(_) => step.may_fail.is_some(),
            Last::Open | Last::Anew => false,
        };
        let slots = self.of_step(phase, host, stage, step, pass);
        !slots.is_empty() && slots.iter().all(good)
    }

    fn intended(&mut self, plan: &Plan, key: &StepKey, changes: bool, at: Timestamp) {
        let step = plan.step(&key.phase, key.stage, &key.step).unwrap();
        self.attempt(step, key, changes, at);
        let Some(host) = &key.host else {
            if changes && key.stage == Stage::Cleanup {
                self.phase(&key.phase).closing += 1;
            }
            return;
        };
        let phase = plan.phase(&key.phase).unwrap();
        if works(key.stage) {
            *self.phase(&key.phase).worked.entry(host.clone()).or_default() += 1;
        }
        let forward = [
            Stage::Precheck,
            Stage::Drain,
            Stage::Steps,
            Stage::Verify,
            Stage::Undrain,
        ];
        if key.pass == 0 && forward.contains(&key.stage) {
            let mut before = Vec::new();
            for stage in forward {
                let here = stage == key.stage;
                let own = phase.stages.get(stage).iter().filter(|s| !s.once);
                before.extend(own.take_while(|s| !(here && s.id == key.step)).map(|s| (stage, s)));
                if here {
                    break;
                }
            }
            let all = before
                .iter()
                .all(|(stage, s)| self.good(&key.phase, Some(host), *stage, s, 0));
            self.must(all, "a step begins when all before it ended well", key);
        }
        if self.back && (key.stage == Stage::Undo || key.stage == Stage::Drain && key.pass == 1) {
            self.newer_batches(key, host);
        }
    }

    fn attempt(&mut self, step: &PlannedStep, key: &StepKey, changes: bool, at: Timestamp) {
        let slots = self.places.entry((key.phase.clone(), key.host.clone())).or_default();
        let before = slots.get(&key.slot());
        let last = before.map(|a| a.last);
        let (number, repeated) = before.map_or((0, 0), |a| (a.number, a.repeated));
        let again = matches!(
            last,
            Some(Last::Ended(Outcome::Failed | Outcome::TimedOut | Outcome::Unreachable))
        ) || !changes && last == Some(Last::Ended(Outcome::Unknown));
        let may = again || matches!(last, None | Some(Last::Anew));
        let repeated = repeated + u32::from(again);
        let attempts = Attempts {
            last: Last::Open,
            number: key.attempt,
            repeated,
            at,
        };
        slots.insert(key.slot(), attempts);
        self.must(
            repeated < step.retry.attempts.max(1),
            "no failure is repeated more often than written",
            key,
        );
        self.must(may, "a step begins again only where it is known not to run", key);
        self.must(key.attempt > number, "attempts count on", key);
    }

    /// On the way back nothing of a newer batch is still at work.
    fn newer_batches(&mut self, key: &StepKey, host: &HostName) {
        let p = self.phase(&key.phase);
        let Some(mine) = p.batches.iter().position(|b| b.contains(host)) else {
            return;
        };
        let newer: BTreeSet<HostName> = p.batches.iter().skip(mine + 1).flatten().cloned().collect();
        let mut theirs = self
            .places
            .iter()
            .filter(|((phase, h), _)| *phase == key.phase && h.as_ref().is_some_and(|h| newer.contains(h)));
        let busy = theirs.find(|(_, slots)| slots.values().any(|a| a.last == Last::Open));
        let busy = busy.map(|((_, h), _)| h.clone());
        self.must(busy.is_none(), "batch by batch in reverse", key);
    }
}

fn works(stage: Stage) -> bool {
    matches!(stage, Stage::Drain | Stage::Steps | Stage::Undrain | Stage::Undo)
}
