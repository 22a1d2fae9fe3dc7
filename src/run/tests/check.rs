//! The promises that hold in every run, watched event by event, from the journal alone.
//!
//! Owns: the invariants. Must not: ask the fold or the decider what should be (only the ledger, at the end).

use std::collections::{BTreeMap, BTreeSet};

use super::asked::Asked;
use super::begun::Begun;
use super::hushed::Hushed;
use super::watch::Watch;
use crate::id::HostName;
use crate::plan::*;
use crate::run::Run;
use crate::run::event::*;

type At = (String, HostName);
/// A step, or one item of it.
type Piece = (String, u32);

/// What the journal says of one host in one phase.
#[derive(Default)]
struct Trace {
    began: bool,
    turned: bool,
    state: Option<HostState>,
    changes: u32,
    closed: bool,
    cleanups: u32,
    counted: bool,
    out: bool,
    was_out: bool,
    /// Steps that may have begun: how many attempts, and the first one's place.
    begun: BTreeMap<Piece, (u32, u64)>,
    undone: BTreeSet<Piece>,
    passed_over: BTreeSet<Piece>,
    last_change: u64,
    verified: BTreeMap<String, u64>,
}

pub struct Checker {
    plan: Plan,
    intended: BTreeSet<StepKey>,
    ended: BTreeSet<StepKey>,
    open: BTreeMap<StepKey, bool>,
    unsure: BTreeSet<(HostName, String, Slot)>,
    traces: BTreeMap<At, Trace>,
    halted: bool,
    back: bool,
    signalled: bool,
    waits: BTreeSet<String>,
    /// How many items each list has, by phase, stage, step and host.
    lists: BTreeMap<(String, Stage, String, Option<HostName>), u32>,
    /// What may begin after what.
    begun: Begun,
    watch: Watch,
    /// What a person was asked, and what came of the answer.
    people: Asked,
    /// When monitoring keeps quiet.
    pub hushed: Hushed,
    /// What was found.
    pub violations: Vec<String>,
}

impl Checker {
    pub fn new(plan: &Plan) -> Self {
        Checker {
            plan: plan.clone(),
            intended: BTreeSet::new(),
            ended: BTreeSet::new(),
            open: BTreeMap::new(),
            unsure: BTreeSet::new(),
            traces: BTreeMap::new(),
            halted: false,
            back: false,
            signalled: false,
            waits: BTreeSet::new(),
            lists: BTreeMap::new(),
            begun: Begun::default(),
            watch: Watch::default(),
            people: Asked::default(),
            hushed: Hushed::default(),
            violations: Vec::new(),
        }
    }

    fn must(&mut self, holds: bool, promise: &str, about: impl std::fmt::Display) {
        if !holds {
            self.violations.push(format!("{promise}: {about}"));
        }
    }

    fn trace(&mut self, phase: &str, host: &HostName) -> &mut Trace {
        self.traces.entry((phase.to_owned(), host.clone())).or_default()
    }

    pub fn see(&mut self, e: &Stamped) {
        for e in self.begun.told(e) {
            self.see_begun(&e);
        }
        self.violations.append(&mut self.begun.violations);
    }

    fn see_begun(&mut self, e: &Stamped) {
        self.watch.see(&self.plan, e);
        self.violations.append(&mut self.watch.violations);
        self.people.see(&self.plan, e);
        self.violations.append(&mut self.people.violations);
        match &e.event {
            Event::Started { .. } => {}
            Event::Cleaning { .. } => self.signalled = false,
            Event::Resumed { back, .. } => {
                self.halted = false;
                self.signalled = false;
                self.waits.clear();
                self.back |= back;
            }
            Event::Signalled { .. } => self.signalled = true,
            Event::Halted { .. } => self.halted = true,
            Event::TurnedBack { .. } => self.back = true,
            Event::GateOpened { gate, .. } => {
                self.must(!self.halted && !self.back, "no gate opens after a halt", gate);
                self.must(self.open.is_empty(), "while a gate waits no step runs", gate);
                self.waits.insert(gate.clone());
            }
            Event::GatePassed { gate } | Event::GateClosed { gate, .. } => {
                self.waits.remove(gate);
            }
            Event::PhaseBegan { phase } => {
                self.must(!self.halted && !self.back, "no phase starts after a halt", phase);
            }
            Event::Reached { phase, host } => {
                self.must(!self.halted && !self.back, "no host enters after a halt", host);
                self.good_before(phase, host);
            }
            Event::HostBegan { phase, host, .. } => self.host_began(phase, host),
            Event::Turned {
                phase,
                host,
                own_failure,
                ..
            } => {
                let t = self.trace(phase, host);
                t.turned = true;
                t.counted |= own_failure;
                t.state = None;
            }
            Event::Reopened { phase, host, .. } => self.trace(phase, host).state = None,
            Event::HostEnded { phase, host, state, .. } => self.host_ended(phase, host, *state),
            Event::HostClosed { phase, host } => self.trace(phase, host).closed = true,
            Event::Listed { key, items } => {
                let place = (key.phase.clone(), key.stage, key.step.clone(), key.host.clone());
                let first = self.lists.insert(place, items.len() as u32).is_none();
                self.must(first || key.stage == Stage::Steady, "a list is asked once", key);
            }
            Event::Intended { key, changes, .. } => {
                self.in_list(key);
                self.intended(e.seq, key, *changes);
            }
            Event::Settled { key, outcome, .. } => {
                let first = self.ended.insert(key.clone());
                self.must(first, "no key settles twice", key);
                let changes = self.open.remove(key);
                self.must(changes.is_some(), "only what is under way settles", key);
                if *outcome == Outcome::Unreachable {
                    self.did_not_begin(key, changes == Some(true));
                }
                self.step_ended(e.seq, key, *outcome, changes == Some(true));
            }
            Event::Skipped { key, .. } => self.step_ended(e.seq, key, Outcome::Skipped, false),
            Event::NeverBegan { key } | Event::CutOff { key } => {
                let changes = self.open.remove(key) == Some(true);
                self.did_not_begin(key, changes);
            }
            Event::Decided { .. } => self.decided(e),
            _ => {}
        }
    }

    fn decided(&mut self, e: &Stamped) {
        let Event::Decided {
            phase,
            host,
            slot,
            verdict,
            ..
        } = &e.event
        else {
            return;
        };
        if matches!(verdict.as_str(), "hold" | "policy") {
            return;
        }
        self.unsure.remove(&(host.clone(), phase.clone(), slot.clone()));
        let t = self.trace(phase, host);
        let stays = slot.stage == Stage::Cleanup || t.state.is_some_and(|s| s.is_good() || s == HostState::RolledBack);
        if !stays {
            t.state = None;
        }
        if matches!(verdict.as_str(), "ok" | "skip") {
            let key = StepKey {
                phase: phase.clone(),
                stage: slot.stage,
                step: slot.step.clone(),
                nth: slot.nth,
                host: Some(host.clone()),
                pass: slot.pass,
                attempt: 0,
            };
            self.step_ended(e.seq, &key, Outcome::Ok, false);
        }
    }

    /// The number of places of a step for this host: items × hosts of a delegated set.
    fn places(&self, key: &StepKey) -> u32 {
        let step = self.plan.step(&key.phase, key.stage, &key.step).unwrap();
        let place = (key.phase.clone(), key.stage, key.step.clone(), key.host.clone());
        match (step.for_each.is_some(), self.lists.get(&place)) {
            (true, None) => 1,
            (true, Some(items)) => items * crate::run::line::places(step, key.host.as_ref()),
            (false, _) => crate::run::line::places(step, key.host.as_ref()),
        }
    }

    /// Which item of its step a key is for.
    fn piece(&self, key: &StepKey) -> Piece {
        let step = self.plan.step(&key.phase, key.stage, &key.step).unwrap();
        let hosts = crate::run::line::places(step, key.host.as_ref());
        let of = key.step.split('/').next().unwrap();
        let each = key.stage == Stage::Undo && self.plan.step(&key.phase, Stage::Steps, of).unwrap().for_each.is_some();
        let item = if each || step.for_each.is_some() {
            key.nth / hosts
        } else {
            0
        };
        (key.step.clone(), item)
    }

    /// An item runs only after its list was written down, and after the one before it.
    fn in_list(&mut self, key: &StepKey) {
        if key.stage == Stage::Undo {
            return;
        }
        let step = self.plan.step(&key.phase, key.stage, &key.step).unwrap();
        let place = (key.phase.clone(), key.stage, key.step.clone(), key.host.clone());
        let listed = step.for_each.is_none() || self.lists.contains_key(&place);
        self.must(listed, "the items are written down before the first is done", key);
        let inside = key.nth < self.places(key);
        self.must(inside, "nothing is done beyond the list", key);
        let open = self
            .open
            .keys()
            .any(|k| k.slot().step == key.step && k.host == key.host && k.phase == key.phase);
        self.must(!open, "items are done one after another", key);
    }

    fn good_before(&mut self, phase: &str, host: &HostName) {
        let earlier: Vec<String> = self
            .plan
            .phases()
            .take_while(|p| p.id != phase)
            .filter(|p| p.hosts.contains(host))
            .map(|p| p.id.clone())
            .collect();
        for p in earlier {
            let good = self.trace(&p, host).state.is_some_and(HostState::is_good);
            self.must(
                good,
                "a host that is not good in one phase starts in no later one",
                host,
            );
        }
    }

    fn host_began(&mut self, phase: &str, host: &HostName) {
        self.must(
            !self.halted && !self.back && !self.signalled,
            "no host starts after a halt, a turn or a signal",
            host,
        );
        self.good_before(phase, host);
        let planned = self.plan.phase(phase).unwrap();
        let (limit, n) = (planned.rollout.max_fail, planned.hosts.len());
        let limit = match limit {
            Size::Count(c) => c as usize,
            Size::Percent(p) => n * p as usize / 100,
        };
        let counted = self.traces.iter().filter(|((p, _), t)| p == phase && t.counted).count();
        self.must(counted <= limit, "started hosts never grow past max_fail", host);
        self.trace(phase, host).began = true;
    }

    fn host_ended(&mut self, phase: &str, host: &HostName, state: HostState) {
        let t = self.trace(phase, host);
        t.state = Some(state);
        t.counted |= matches!(
            state,
            HostState::Refused | HostState::Failed | HostState::Held | HostState::Broken | HostState::Unknown
        );
        match state {
            HostState::RolledBack => {
                let left: Vec<Piece> = self
                    .way_back(phase, host)
                    .into_iter()
                    .filter(|(u, _)| !self.traces[&(phase.to_owned(), host.clone())].undone.contains(u))
                    .map(|(u, _)| u)
                    .collect();
                self.must(
                    left.is_empty(),
                    "rolled_back only when all that was owed is undone",
                    host,
                );
                self.verified(phase, host, "rolled_back only after a verify");
            }
            HostState::Ok | HostState::Warned => self.verified(phase, host, "good only after a verify"),
            HostState::Refused => {
                let changed = self.trace(phase, host).changes > 0;
                self.must(!changed, "refused is untouched", host);
            }
            _ => {}
        }
    }

    /// Every `verify` step of the host's own passed after its last change.
    fn verified(&mut self, phase: &str, host: &HostName, promise: &str) {
        let steps: Vec<String> = self
            .plan
            .phase(phase)
            .unwrap()
            .stages
            .verify
            .iter()
            .filter(|s| !s.once)
            .map(|s| s.id.clone())
            .collect();
        let t = self.trace(phase, host);
        let last = t.last_change;
        let all = steps.iter().all(|s| t.verified.get(s).is_some_and(|at| *at > last));
        self.must(all, promise, host);
    }

    /// The undo steps that are owed in the order they must run, each with whether it runs on the host itself.
    fn way_back(&self, phase: &str, host: &HostName) -> Vec<(Piece, bool)> {
        let Some(t) = self.traces.get(&(phase.to_owned(), host.clone())) else {
            return Vec::new();
        };
        let mut begun: Vec<(u64, &Piece)> = t
            .begun
            .iter()
            .filter(|(_, (n, _))| *n > 0)
            .map(|(s, (_, at))| (*at, s))
            .collect();
        begun.sort();
        let mut list = Vec::new();
        for (_, (step, item)) in begun.iter().rev() {
            match &self.plan.step(phase, Stage::Steps, step).unwrap().undo {
                PlannedUndo::None(_) => break,
                PlannedUndo::Steps(undo) => {
                    list.extend(undo.iter().map(|u| ((u.id.clone(), *item), u.place == Place::Own)));
                }
                _ => {}
            }
        }
        list
    }

    fn intended(&mut self, seq: u64, key: &StepKey, changes: bool) {
        let first = self.intended.insert(key.clone());
        self.must(first, "no key is intended twice", key);
        self.must(!self.signalled, "no step starts after a signal", key);
        let waits = self.waits.is_empty() || key.stage == Stage::Steady;
        self.must(waits, "while a gate waits no step runs", key);
        let forward = key.pass == 0
            && matches!(
                key.stage,
                Stage::Precheck | Stage::Drain | Stage::Steps | Stage::Verify | Stage::Undrain
            );
        self.must(
            !(self.back && forward),
            "no forward step after the run turned back",
            key,
        );
        if let Some(host) = &key.host {
            let busy = self.open.keys().any(|k| k.host.as_ref() == Some(host));
            self.must(!busy, "never two steps for one host", key);
            let unsure = self.unsure.iter().any(|(h, _, _)| h == host);
            self.must(!unsure, "nothing is sent to a host where a step may still run", key);
            self.of_host(seq, key, host, changes);
            let phase = self.plan.phase(&key.phase).unwrap();
            let parallel = phase.rollout.parallel as usize;
            let active: BTreeSet<&HostName> = self
                .open
                .keys()
                .filter(|k| k.phase == key.phase)
                .filter_map(|k| k.host.as_ref())
                .collect();
            self.must(active.len() < parallel, "at most `parallel` hosts at a time", key);
        }
        self.open.insert(key.clone(), changes);
    }

    fn of_host(&mut self, seq: u64, key: &StepKey, host: &HostName, changes: bool) {
        let phase = self.plan.phase(&key.phase).unwrap();
        let drains = phase.stages.drain.iter().any(|s| !s.once);
        let piece = self.piece(key);
        let t = self.traces.entry((key.phase.clone(), host.clone())).or_default();
        t.changes += u32::from(changes);
        let mut wrong = Vec::new();
        match key.stage {
            Stage::Precheck => {}
            Stage::Cleanup => {
                if t.state.is_none_or(|s| s == HostState::Unknown) {
                    wrong.push("cleanup only of hosts that have ended and are known");
                }
                t.cleanups += 1;
            }
            _ if !t.began => wrong.push("a step of a host whose turn had not come"),
            Stage::Steps => {
                if t.turned {
                    wrong.push("no forward step on a host that went back");
                }
                if drains && !t.out {
                    wrong.push("no step under live traffic");
                }
                let b = t.begun.entry(piece.clone()).or_insert((0, seq));
                if b.0 == 0 {
                    b.1 = seq;
                }
                b.0 += 1;
            }
            Stage::Undo => {
                if drains && !t.out {
                    wrong.push("no undo under live traffic");
                }
                if t.closed || t.cleanups > 0 {
                    wrong.push("a closed host is never undone");
                }
                if t.undone.contains(&piece) {
                    wrong.push("an undo that succeeded never runs again");
                }
            }
            Stage::Undrain => {
                t.was_out = t.out;
                t.out = false;
            }
            _ => {}
        }
        if changes && matches!(key.stage, Stage::Steps | Stage::Undo) {
            t.last_change = seq;
        }
        for promise in wrong {
            self.must(false, promise, key);
        }
        match key.stage {
            Stage::Undo => self.undo(key, host),
            Stage::Undrain => self.verified(&key.phase, host, "undrain only after a verify after the last change"),
            _ => {}
        }
    }

    fn undo(&mut self, key: &StepKey, host: &HostName) {
        let list = self.way_back(&key.phase, host);
        let piece = self.piece(key);
        let Some(at) = list.iter().position(|(u, _)| *u == piece) else {
            return self.must(
                false,
                "undo only of what may have begun, and not past the point of no return",
                key,
            );
        };
        let t = &self.traces[&(key.phase.clone(), host.clone())];
        let own = list[at].1;
        let before = list[..at]
            .iter()
            .all(|(u, _)| t.undone.contains(u) || !own && t.passed_over.contains(u) || !own && self.skips(t));
        self.must(before, "undo in reverse order of starting", key);
        if self.back {
            let newer: Vec<String> = self
                .plan
                .phases()
                .skip_while(|p| p.id != key.phase)
                .skip(1)
                .map(|p| p.id.clone())
                .collect();
            let all = self
                .traces
                .iter()
                .filter(|((p, _), t)| newer.contains(p) && t.changes > 0)
                .all(|(_, t)| t.state == Some(HostState::RolledBack));
            self.must(all, "an older phase only after the newer one is rolled back", key);
        }
    }

    /// Own steps behind one that was passed over are passed over too.
    fn skips(&self, t: &Trace) -> bool {
        !t.passed_over.is_empty()
    }

    fn did_not_begin(&mut self, key: &StepKey, changes: bool) {
        let Some(host) = &key.host else { return };
        let piece = self.piece(key);
        let t = self.trace(&key.phase, host);
        t.changes -= u32::from(changes);
        match key.stage {
            Stage::Steps => {
                if let Some(b) = t.begun.get_mut(&piece) {
                    b.0 = b.0.saturating_sub(1);
                }
            }
            Stage::Cleanup => t.cleanups -= 1,
            Stage::Undrain => t.out = t.was_out,
            _ => {}
        }
    }

    fn step_ended(&mut self, seq: u64, key: &StepKey, outcome: Outcome, changes: bool) {
        let Some(host) = key.host.clone() else { return };
        if outcome == Outcome::Unknown && changes {
            self.unsure.insert((host.clone(), key.phase.clone(), key.slot()));
        }
        let step = self.plan.step(&key.phase, key.stage, &key.step).unwrap().clone();
        let drain: Vec<String> = self
            .plan
            .phase(&key.phase)
            .unwrap()
            .stages
            .drain
            .iter()
            .filter(|s| !s.once)
            .map(|s| s.id.clone())
            .collect();
        let good =
            matches!(outcome, Outcome::Ok | Outcome::Skipped) || step.may_fail.is_some() && outcome != Outcome::Unknown;
        let hosts = crate::run::line::places(&step, Some(&host));
        let (piece, last) = (self.piece(key), key.nth + 1 >= self.places(key));
        let t = self.trace(&key.phase, &host);
        match key.stage {
            Stage::Drain if good && last && drain.last() == Some(&key.step) => t.out = true,
            Stage::Undo if good && key.nth % hosts + 1 < hosts => {}
            Stage::Undo if good => {
                t.passed_over.remove(&piece);
                t.undone.insert(piece);
            }
            Stage::Undo if outcome == Outcome::Unreachable && step.place == Place::Own => {
                t.passed_over.insert(piece);
            }
            Stage::Verify if good && last => {
                t.verified.insert(key.step.clone(), seq);
            }
            _ => {}
        }
    }

    /// What must hold of the end that is told.
    pub fn ended(&mut self, plan: &Plan, run: &Run, exit: u8) {
        let unsure = self.unsure.iter().any(|(_, _, slot)| slot.stage != Stage::Cleanup);
        self.must(
            !unsure || exit == 1,
            "an unknown step that nobody settled is exit 1",
            exit,
        );
        let changed: Vec<(At, Option<HostState>)> = self
            .traces
            .iter()
            .filter(|(_, t)| t.changes > 0)
            .map(|(at, t)| (at.clone(), t.state))
            .collect();
        match exit {
            0 => {
                for p in plan.phases() {
                    for h in &p.hosts {
                        let state = self.trace(&p.id, h).state;
                        let back = plan.rehearsal && state == Some(HostState::RolledBack);
                        let good = back || state.is_some_and(HostState::is_good);
                        self.must(good, "done only when every host is good", h);
                    }
                }
                let left = crate::run::ledger::left_behind(plan, run);
                self.must(left.is_empty(), "done only with an empty ledger", format!("{left:?}"));
            }
            3 => self.must(
                changed.is_empty(),
                "3 only when nothing was touched",
                format!("{changed:?}"),
            ),
            4 => {
                let all = changed.iter().all(|(_, s)| *s == Some(HostState::RolledBack));
                self.must(all, "4 only when all that was changed is back", format!("{changed:?}"));
                let left = crate::run::ledger::left_behind(plan, run);
                self.must(left.is_empty(), "4 only with an empty ledger", format!("{left:?}"));
            }
            _ => {}
        }
    }
}
