//! Plan and events into the lists of a change record.
//!
//! Owns: which event becomes which line. Must not: judge (that is `judge.rs`), ask a clock.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::foreseen::Grouping;
use super::step::{attempt, settle};
use super::{blank, *};
use crate::plan::{Call, Plan, Stage, Value, item_words};
use crate::run::event::{Answer, Event, GateEnd, Slot, Stamped, StepKey};
use crate::run::objective::{self, millis_between};
use crate::run::{line, moved};

type StepPlace = (String, Option<HostName>, Slot);

/// Reads events one by one.
pub(super) struct Gather<'p> {
    plan: &'p Plan,
    pub(super) record: ChangeRecord,
    places: BTreeMap<StepPlace, usize>,
    /// Where each host stands in the record.
    hosts: BTreeMap<HostName, usize>,
    /// The items of `for_each` steps, by phase, stage, step and host.
    lists: BTreeMap<(String, Stage, String, Option<HostName>), Vec<Value>>,
    foreseen: Grouping,
    /// When a host's last step in a phase ended.
    latest: BTreeMap<(String, Option<HostName>), Timestamp>,
    /// The last event and whether it closed the journal, for resumptions.
    before: Option<(Timestamp, bool)>,
}

impl<'p> Gather<'p> {
    /// A record that knows the plan and nothing else.
    pub(super) fn new(plan: &'p Plan, plan_digest: &Digest, head: &ChainHead) -> Self {
        let record = blank::record(plan, plan_digest, head);
        let hosts = record.hosts.iter().enumerate();
        Self {
            plan,
            hosts: hosts.map(|(at, h)| (h.name.clone(), at)).collect(),
            record,
            places: BTreeMap::new(),
            lists: BTreeMap::new(),
            foreseen: Grouping::default(),
            latest: BTreeMap::new(),
            before: None,
        }
    }

    /// What needs all events at once.
    pub(super) fn finish(mut self, events: &[Stamped]) -> ChangeRecord {
        let r = &mut self.record;
        r.objectives = objective::objectives(self.plan, events);
        r.marks = objective::marks(self.plan, events);
        r.waits = objective::waiting(self.plan, events);
        let mut latest = events
            .iter()
            .rev()
            .filter(|e| !matches!(e.event, Event::Notified { .. }));
        if let (Some(first), Some(last)) = (events.first(), latest.next()) {
            r.window.actual = Some(Span {
                start: first.at,
                end: last.at,
            });
            for g in r.gates.iter_mut().filter(|g| g.ended.is_none()) {
                g.waited_ms = millis_between(g.opened, last.at).unwrap_or(0);
            }
        }
        r.window.waited_ms = r.waits.iter().map(|w| w.ms()).sum();
        r.steps
            .retain(|s| !s.attempts.is_empty() || s.outcome == Some(Outcome::Skipped));
        for s in &mut r.steps {
            if s.outcome.is_none() && s.changes && s.attempts.iter().all(|a| a.ended.is_none()) {
                s.outcome = Some(Outcome::Unknown);
                "no end was recorded".clone_into(&mut s.why);
            }
        }
        for h in &mut r.hosts {
            h.state = worst(&h.phases);
        }
        self.record
    }

    /// One event.
    pub(super) fn apply(&mut self, e: &Stamped) {
        let at = e.at;
        super::quiet::apply(&mut self.record.silences, at, &e.event);
        match &e.event {
            Event::Listed { key, items } => {
                let place = (key.phase.clone(), key.stage, key.step.clone(), key.host.clone());
                self.lists.insert(place, items.clone());
            }
            Event::Foreseen { key, outlook } => self.foreseen.add(self.plan, key, outlook, &mut self.record.foreseen),
            Event::Intended { .. }
            | Event::Settled { .. }
            | Event::NeverBegan { .. }
            | Event::Skipped { .. }
            | Event::Decided { .. }
            | Event::Captured { .. } => self.step_event(at, &e.event),
            Event::GateOpened { .. }
            | Event::GateAnswered { .. }
            | Event::GatePassed { .. }
            | Event::GateClosed { .. } => self.gate_event(at, &e.event),
            Event::PhaseBegan { .. }
            | Event::PhaseEnded { .. }
            | Event::BatchBegan { .. }
            | Event::SoakBegan { .. }
            | Event::BatchSettled { .. } => self.phase_event(at, &e.event),
            Event::Connected { .. }
            | Event::Reached { .. }
            | Event::Locked { .. }
            | Event::Unlocked { .. }
            | Event::Judged { .. }
            | Event::JudgedLast { .. }
            | Event::HostBegan { .. }
            | Event::Turned { .. }
            | Event::Reopened { .. }
            | Event::HostEnded { .. }
            | Event::HostClosed { .. } => self.host_event(at, &e.event),
            _ => self.run_event(at, &e.event),
        }
        // A message on its way may come to its end behind the run's.
        if !matches!(e.event, Event::Notified { .. }) {
            self.before = Some((at, matches!(e.event, Event::Ended { .. })));
        }
    }

    /// What the former process told of its end holds no more.
    fn goes_on(&mut self) {
        self.record.outcome.verdict = None;
        self.record.outcome.exit = None;
        self.record.left_behind.clear();
    }

    fn run_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Started {
                run,
                operator,
                controller,
                tool,
                dry,
                approvals,
                ..
            } => {
                self.record.id = Some(run.clone());
                self.record.tool.clone_from(tool);
                self.record.dry = *dry;
                self.operator(operator, controller, at);
                for a in approvals {
                    self.answer("", a, at);
                }
            }
            Event::Resumed {
                operator,
                controller,
                back,
                overrides,
                ..
            } => {
                let (since, orderly) = self.before.unwrap_or((at, false));
                self.operator(operator, controller, at);
                self.record.resumptions.push(Resumption {
                    by: operator.clone(),
                    controller: controller.clone(),
                    at,
                    since,
                    orderly,
                    back: *back,
                });
                for a in overrides {
                    self.answer("", a, at);
                }
                self.goes_on();
            }
            Event::Cleaning { operator, controller } => {
                self.operator(operator, controller, at);
                self.goes_on();
            }
            Event::SteadyAsked { phase, round, occasion } => self.record.steady.push(SteadyRecord {
                phase: phase.clone(),
                round: *round,
                occasion: *occasion,
                at,
                ok: None,
            }),
            Event::SteadyAnswered { phase, round, ok } => {
                let asked = self.record.steady.iter_mut().rev();
                if let Some(s) = asked.into_iter().find(|s| &s.phase == phase && s.round == *round) {
                    s.ok = Some(*ok);
                }
            }
            // The other half of a rehearsal is what was planned.
            Event::TurnedBack { rehearsed: true, .. } => {}
            Event::Halted { text, .. } | Event::TurnedBack { why: text, .. } => {
                self.record.halts.push(Note { at, text: text.clone() });
            }
            Event::Signalled { count } => self.record.signals.push(SignalRecord { count: *count, at }),
            Event::Forgiven { obligation, reason, by } => self.record.forgiven.push(Forgiven {
                id: obligation.clone(),
                by: by.clone(),
                reason: reason.clone(),
                at,
            }),
            Event::ClockMoved { by_ms } => self.record.warnings.push(Note {
                at,
                text: moved::words(*by_ms),
            }),
            Event::Notified { event, via, why, .. } if !why.is_empty() => self.record.warnings.push(Note {
                at,
                text: format!("the message `{event}` was not sent through {via}: {why}"),
            }),
            Event::Noted { text } => self.record.warnings.push(Note { at, text: text.clone() }),
            Event::Ended {
                verdict,
                exit,
                left_behind,
            } => {
                self.record.outcome.verdict = Some(*verdict);
                self.record.outcome.exit = Some(*exit);
                self.record.left_behind = left_behind.iter().map(|id| left(id)).collect();
            }
            _ => {}
        }
    }

    fn operator(&mut self, name: &str, controller: &str, at: Timestamp) {
        self.record.operators.push(Operator {
            name: name.to_owned(),
            controller: controller.to_owned(),
            at,
        });
        self.participant(name, "operator".to_owned());
    }

    fn answer(&mut self, gate: &str, a: &Answer, at: Timestamp) {
        self.record.approvals.push(ApprovalRecord {
            gate: gate.to_owned(),
            decision: a.decision.clone(),
            by: a.principal.clone(),
            role: a.role.clone(),
            at,
            key: a.key.clone(),
            statement: a.statement.clone(),
            comment: a.comment.clone(),
            override_: a.override_.clone(),
        });
        let role = if a.role.is_empty() {
            String::new()
        } else {
            format!(" ({})", a.role)
        };
        self.participant(&a.principal, format!("approver{role}"));
    }

    fn participant(&mut self, name: &str, role: String) {
        let people = &mut self.record.participants;
        if let Some(p) = people.iter_mut().find(|p| p.name == name) {
            if !p.roles.contains(&role) {
                p.roles.push(role);
            }
        } else {
            people.push(Participant {
                name: name.to_owned(),
                roles: vec![role],
            });
        }
    }

    fn gate_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::GateOpened {
                gate,
                title,
                expires,
                out,
            } => self.record.gates.push(GateRecord {
                gate: gate.clone(),
                title: title.clone(),
                opened: at,
                expires: *expires,
                ended: None,
                how: GateState::Open,
                waited_ms: 0,
                out: out.clone(),
            }),
            Event::GateAnswered { gate, answer } => self.answer(gate, answer, at),
            Event::GatePassed { gate } => self.gate_ended(gate, GateState::Passed, at),
            Event::GateClosed { gate, why } => {
                let how = match why {
                    GateEnd::Rejected => GateState::Rejected,
                    GateEnd::Expired => GateState::Expired,
                    GateEnd::CutOff => GateState::CutOff,
                };
                self.gate_ended(gate, how, at);
            }
            _ => {}
        }
    }

    fn gate_ended(&mut self, gate: &str, how: GateState, at: Timestamp) {
        if let Some(g) = self.record.gates.iter_mut().rev().find(|g| g.gate == gate) {
            g.ended = Some(at);
            g.how = how;
            g.waited_ms = millis_between(g.opened, at).unwrap_or(0);
        }
    }

    fn phase_event(&mut self, at: Timestamp, event: &Event) {
        let (Event::PhaseBegan { phase }
        | Event::PhaseEnded { phase }
        | Event::BatchBegan { phase, .. }
        | Event::SoakBegan { phase, .. }
        | Event::BatchSettled { phase, .. }) = event
        else {
            return;
        };
        let Some(p) = self.record.phases.iter_mut().find(|p| &p.id == phase) else {
            return;
        };
        match event {
            Event::PhaseBegan { .. } => p.began = p.began.or(Some(at)),
            Event::PhaseEnded { .. } => p.ended = Some(at),
            Event::BatchBegan { batch, hosts, .. } => {
                p.batches.push(BatchRecord {
                    batch: *batch,
                    hosts: hosts.clone(),
                    began: at,
                    soak: None,
                    settled: None,
                });
                for h in hosts {
                    if let Some(line) = self.host_phase(h, phase) {
                        line.batch = Some(*batch);
                    }
                }
            }
            Event::SoakBegan { batch, .. } => {
                p.batches
                    .iter_mut()
                    .filter(|b| b.batch == *batch)
                    .for_each(|b| b.soak = Some(at));
            }
            Event::BatchSettled { batch, .. } => {
                p.batches
                    .iter_mut()
                    .filter(|b| b.batch == *batch)
                    .for_each(|b| b.settled = Some(at));
            }
            _ => {}
        }
    }

    fn host_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Connected { host, facts } => {
                let Some(h) = self.host(host) else { return };
                h.system = format!("{} {}", facts.distro, facts.version).trim().to_owned();
                if h.kernel.0.is_empty() {
                    h.kernel.0.clone_from(&facts.kernel);
                }
                h.kernel.1.clone_from(&facts.kernel);
                h.machine.clone_from(&facts.machine);
                h.host_key.clone_from(&facts.host_key);
                if !facts.boot.is_empty() && h.boots.last() != Some(&facts.boot) {
                    h.boots.push(facts.boot.clone());
                }
            }
            Event::Locked { host, on_host } => self.record.locks.push(LockRecord {
                host: host.clone(),
                on_host: *on_host,
                released: false,
            }),
            Event::Unlocked { host } => {
                let mine = self.record.locks.iter_mut().filter(|l| &l.host == host);
                mine.for_each(|l| l.released = true);
            }
            Event::HostBegan { phase, host, .. } => {
                if let Some(h) = self.host_phase(host, phase) {
                    h.began = h.began.or(Some(at));
                    h.state = None;
                }
            }
            Event::Turned { phase, host, why, .. } => {
                if let Some(h) = self.host_phase(host, phase) {
                    h.turned = Some(at);
                    h.state = None;
                    h.why.clone_from(why);
                }
            }
            Event::Reopened { phase, host, .. } => {
                if let Some(h) = self.host_phase(host, phase) {
                    h.state = None;
                }
            }
            Event::HostEnded {
                phase,
                host,
                state,
                why,
            } => {
                if let Some(h) = self.host_phase(host, phase) {
                    h.state = Some(*state);
                    h.ended = Some(at);
                    h.why.clone_from(why);
                }
            }
            Event::HostClosed { phase, host } => {
                if let Some(h) = self.host_phase(host, phase) {
                    h.closed = true;
                }
            }
            _ => {}
        }
    }

    fn step_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Intended {
                key,
                on,
                call,
                changes,
                latched,
                limit_ms,
                ..
            } => {
                let Some(s) = self.step(key) else { return };
                s.on = Some(on.clone());
                s.call.clone_from(call);
                s.changes = *changes;
                s.latched = *latched;
                s.outcome = None;
                s.attempts.push(attempt(key.attempt, at, *limit_ms));
            }
            Event::Settled { key, outcome, result } => {
                if let Some(Value::Text(by)) = result.more.get("by").filter(|_| self.is_manual(key)) {
                    self.participant(by, "manual steps".to_owned());
                }
                let line = (key.phase.clone(), key.host.clone());
                let before = self.latest.insert(line, at);
                let Some(s) = self.step(key) else { return };
                settle(s, key, at, *outcome, result);
                // Several that change nothing may be sent at one time: each began when the one before it had ended.
                let before = before.filter(|b| *b <= at && key.host.is_some() && !s.changes);
                if let (Some(a), Some(before)) = (s.attempts.last_mut(), before) {
                    a.started = a.started.max(before);
                }
            }
            Event::NeverBegan { key } => {
                let Some(s) = self.step(key) else { return };
                s.attempts.retain(|a| a.attempt != key.attempt);
            }
            Event::Skipped { key, reason, by_person } => {
                let Some(s) = self.step(key) else { return };
                s.outcome = Some(Outcome::Skipped);
                s.why.clone_from(reason);
                if *by_person {
                    self.record.deviations.push(Deviation {
                        code: DeviationCode::StepSkipped,
                        weighs: true,
                        phase: key.phase.clone(),
                        host: key.host.clone(),
                        step: key.step.clone(),
                        at: Some(at),
                        by: String::new(),
                        reason: reason.clone(),
                    });
                }
            }
            Event::Decided {
                phase,
                host,
                slot,
                verdict,
                reason,
                by,
            } => {
                let decision = Decision {
                    verdict: verdict.clone(),
                    by: by.clone(),
                    reason: reason.clone(),
                    at,
                };
                self.participant(by, "decided".to_owned());
                let place = (phase.clone(), Some(host.clone()), slot.clone());
                let found = self.places.get(&place).copied();
                if let Some(s) = found.and_then(|i| self.record.steps.get_mut(i)) {
                    s.decided = Some(decision);
                }
                self.record.deviations.push(Deviation {
                    code: DeviationCode::ManualOverride,
                    // Who lets the policy act has only hastened it.
                    weighs: verdict != "policy",
                    phase: phase.clone(),
                    host: Some(host.clone()),
                    step: slot.step.clone(),
                    at: Some(at),
                    by: by.clone(),
                    reason: format!("{verdict}: {reason}"),
                });
            }
            _ => {}
        }
    }

    fn is_manual(&self, key: &StepKey) -> bool {
        let planned = self.plan.step(&key.phase, key.stage, &key.step);
        planned.is_some_and(|p| matches!(p.call, Call::Manual { .. }))
    }

    /// The item that a key is for, in words.
    fn item(&self, key: &StepKey) -> Option<String> {
        let planned = self.plan.step(&key.phase, key.stage, &key.step)?;
        let (stage, of) = line::listed_by(key.stage, &key.step);
        let place = (key.phase.clone(), stage, of.to_owned(), key.host.clone());
        let items = self.lists.get(&place)?;
        let at = usize::try_from(line::item_of(planned, key.host.as_ref(), key.nth)).ok()?;
        Some(item_words(items.get(at), at, items.len()))
    }

    /// The line of this key, made if it is new.
    fn host(&mut self, host: &HostName) -> Option<&mut HostRecord> {
        self.record.hosts.get_mut(*self.hosts.get(host)?)
    }

    fn host_phase(&mut self, host: &HostName, phase: &str) -> Option<&mut HostPhase> {
        self.host(host)?.phases.iter_mut().find(|p| p.phase == phase)
    }

    fn step(&mut self, key: &StepKey) -> Option<&mut StepRecord> {
        let place = (key.phase.clone(), key.host.clone(), key.slot());
        let item = self.item(key);
        let steps = &mut self.record.steps;
        let index = *self.places.entry(place).or_insert_with(|| {
            let planned = self.plan.step(&key.phase, key.stage, &key.step);
            steps.push(StepRecord {
                phase: key.phase.clone(),
                stage: key.stage,
                step: key.step.clone(),
                nth: key.nth,
                name: planned.map_or_else(|| key.step.clone(), |p| with_item(&p.name, item.as_deref())),
                register: planned.and_then(|p| p.register.clone()),
                item,
                host: key.host.clone(),
                on: None,
                pass: key.pass,
                call: String::new(),
                changes: planned.is_some_and(|p| !p.read_only),
                changed: false,
                latched: false,
                outcome: None,
                warned: false,
                why: String::new(),
                decided: None,
                attempts: Vec::new(),
                evidence: BTreeMap::new(),
            });
            steps.len() - 1
        });
        steps.get_mut(index)
    }
}

/// A step's name, with its item.
pub(super) fn with_item(name: &str, item: Option<&str>) -> String {
    item.map_or_else(|| name.to_owned(), |item| format!("{name} ({item})"))
}

/// `not_needed` is good and says nothing about the other phases.
fn worst(phases: &[HostPhase]) -> Option<HostState> {
    if phases.iter().any(|p| p.state.is_none()) {
        return None;
    }
    let states = || phases.iter().filter_map(|p| p.state);
    states()
        .filter(|s| *s != HostState::NotNeeded)
        .max()
        .or_else(|| states().max())
}

fn left(id: &str) -> LeftBehind {
    LeftBehind {
        id: id.to_owned(),
        what: String::new(),
    }
}
