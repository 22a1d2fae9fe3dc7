//! What a run owes, and what it takes back next, told a second time from the plan and the journal alone: slow and obvious.
//!
//! Owns: the second opinion. Must not: know the fold, the ledger or the decider; `compared` reads the `use` lines below.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::HostName;
use crate::plan::{Call, Place, Plan, PlannedPhase, PlannedStep, PlannedUndo, Stage};
use crate::run::event::{Event, HostState, Outcome, Stamped, StepKey};

/// In which order undo is owed. `OldestFirst` is wrong: it is there to show that a wrong rule is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// One thing that a run that goes back does next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub phase: String,
    /// `None`: the closing of a bracket.
    pub host: Option<HostName>,
    pub stage: Stage,
    pub step: String,
    /// Which item of its step an undo takes back; 0 elsewhere.
    pub item: u32,
}

/// Stage, step, place, pass.
type Spot = (Stage, String, u32, u32);

/// What the journal says of one spot.
#[derive(Default)]
struct Told {
    /// Attempts that may have begun, by their place in the journal.
    sent: Vec<u64>,
    open: bool,
    end: Option<End>,
    changes: bool,
}

struct End {
    outcome: Outcome,
    changed: bool,
    by_person: bool,
}

/// What the journal says of one host in one phase; or, without a host, of the phase's own steps.
#[derive(Default)]
struct Story {
    spots: BTreeMap<Spot, Told>,
    lists: BTreeMap<(Stage, String), u32>,
    ended: Option<HostState>,
    closed: bool,
    /// In which decision to go back it was turned round.
    turned: Option<u32>,
    reopened: Option<u32>,
}

pub struct Oracle<'a> {
    plan: &'a Plan,
    order: Order,
    stories: BTreeMap<(String, Option<HostName>), Story>,
    batches: BTreeMap<String, Vec<Vec<HostName>>>,
    back: bool,
    session: u32,
    signalled: bool,
    forgiven: BTreeSet<String>,
}

impl<'a> Oracle<'a> {
    pub fn new(plan: &'a Plan, events: &[Stamped], order: Order) -> Self {
        let mut oracle = Self {
            plan,
            order,
            stories: BTreeMap::new(),
            batches: BTreeMap::new(),
            back: false,
            session: 0,
            signalled: false,
            forgiven: BTreeSet::new(),
        };
        for e in events {
            oracle.hear(e.seq, &e.event);
        }
        oracle
    }

    fn story(&mut self, phase: &str, host: Option<&HostName>) -> &mut Story {
        self.stories.entry((phase.to_owned(), host.cloned())).or_default()
    }

    fn told(&mut self, key: &StepKey) -> &mut Told {
        let spot = (key.stage, key.step.clone(), key.nth, key.pass);
        let story = self.story(&key.phase, key.host.as_ref());
        story.spots.entry(spot).or_default()
    }

    fn hear(&mut self, seq: u64, event: &Event) {
        match event {
            Event::Resumed { back, .. } => {
                self.signalled = false;
                self.back |= back;
                self.session += u32::from(*back);
                let session = self.session;
                // Who is in the middle of the way back goes on with it, and does not begin it anew.
                for story in self.stories.values_mut().filter(|s| *back && s.ended.is_none()) {
                    story.turned = story.turned.map(|_| session);
                }
            }
            Event::TurnedBack { .. } => {
                self.back = true;
                self.session += 1;
                // Who went back alone before belongs to it.
                let session = self.session;
                for turned in self.stories.values_mut().filter_map(|s| s.turned.as_mut()) {
                    *turned = session;
                }
            }
            Event::Signalled { .. } => self.signalled = true,
            Event::BatchBegan { phase, hosts, .. } => {
                self.batches.entry(phase.clone()).or_default().push(hosts.clone());
            }
            Event::Listed { key, items } => {
                let list = (key.stage, key.step.clone());
                let story = self.story(&key.phase, key.host.as_ref());
                story.lists.entry(list).or_insert(items.len() as u32);
            }
            Event::HostEnded { phase, host, state, .. } => self.story(phase, Some(host)).ended = Some(*state),
            Event::HostClosed { phase, host } => self.story(phase, Some(host)).closed = true,
            Event::Reopened { phase, host, pass } => {
                let story = self.story(phase, Some(host));
                (story.ended, story.reopened) = (None, Some(*pass));
            }
            Event::Turned { phase, host, .. } => {
                let session = self.session;
                let story = self.story(phase, Some(host));
                (story.ended, story.reopened, story.turned) = (None, None, Some(session));
                // What of the way back went wrong before is tried again.
                for ((stage, _, _, pass), told) in &mut story.spots {
                    let back = *pass == 1 || *stage == Stage::Undo;
                    let bad = |e: &End| !matches!(e.outcome, Outcome::Ok | Outcome::Skipped | Outcome::Unknown);
                    if back && told.end.as_ref().is_some_and(bad) {
                        told.end = None;
                    }
                }
            }
            Event::Forgiven { obligation, .. } => {
                self.forgiven.insert(obligation.clone());
            }
            other => self.hear_step(seq, other),
        }
    }

    fn hear_step(&mut self, seq: u64, event: &Event) {
        match event {
            Event::Intended { key, changes, .. } => {
                let told = self.told(key);
                told.sent.push(seq);
                (told.open, told.end, told.changes) = (true, None, *changes);
            }
            Event::Settled { key, outcome, result } => {
                let told = self.told(key);
                told.open = false;
                if *outcome == Outcome::Unreachable {
                    told.sent.pop();
                }
                told.end = Some(End {
                    outcome: *outcome,
                    changed: result.changed,
                    by_person: false,
                });
            }
            Event::NeverBegan { key } | Event::CutOff { key } => {
                let told = self.told(key);
                told.open = false;
                told.sent.pop();
            }
            Event::Skipped { key, by_person, .. } => {
                self.told(key).end = Some(End {
                    outcome: Outcome::Skipped,
                    changed: false,
                    by_person: *by_person,
                });
            }
            Event::Decided {
                phase,
                host,
                slot,
                verdict,
                ..
            } => {
                let story = self.story(phase, Some(host));
                let spot = (slot.stage, slot.step.clone(), slot.nth, slot.pass);
                let told = story.spots.entry(spot).or_default();
                // What follows is decided there, not how it ended; but who takes back what nobody knows says that it failed.
                let follows = matches!(verdict.as_str(), "rollback" | "hold" | "policy");
                if follows && !(verdict == "rollback" && told.unknown()) {
                    return;
                }
                told.open = false;
                let outcome = match verdict.as_str() {
                    "ok" => Some(Outcome::Ok),
                    "failed" | "rollback" => Some(Outcome::Failed),
                    "skip" => Some(Outcome::Skipped),
                    _ => None,
                };
                told.end = outcome.map(|outcome| End {
                    outcome,
                    changed: true,
                    by_person: true,
                });
                let stays = story.ended.is_some_and(|s| s.is_good() || s == HostState::RolledBack);
                if slot.stage != Stage::Cleanup && !stays {
                    story.ended = None;
                    story.reopened = story.reopened.filter(|pass| *pass == slot.pass);
                }
            }
            _ => {}
        }
    }

    // --- what is owed ---

    /// The names of all that is owed now.
    pub fn owed(&self) -> Vec<String> {
        let mut owed = Vec::new();
        for phase in self.plan.phases() {
            for host in &phase.hosts {
                if let Some(story) = self.of(phase, Some(host)) {
                    self.owed_by_host(phase, host, story, &mut owed);
                }
            }
            if let Some(story) = self.of(phase, None) {
                for ((_, step, _, _), told) in &story.spots {
                    if told.changes && told.in_doubt() {
                        owed.push(format!("step:{}/{step}", phase.id));
                    }
                }
            }
            for step in self.open_brackets(phase) {
                owed.push(format!("bracket:{}/{}", phase.id, step.id));
            }
        }
        owed.retain(|id| !self.forgiven.contains(id));
        owed
    }

    fn of(&self, phase: &PlannedPhase, host: Option<&HostName>) -> Option<&Story> {
        self.stories.get(&(phase.id.clone(), host.cloned()))
    }

    fn owed_by_host(&self, phase: &PlannedPhase, host: &HostName, story: &Story, owed: &mut Vec<String>) {
        let numbered = |step: &str, n: u32| match n {
            0 => step.to_owned(),
            n => format!("{step}#{}", n + 1),
        };
        let place = format!("{}/{host}", phase.id);
        for ((_, step, nth, _), told) in &story.spots {
            if told.changes && told.in_doubt() {
                owed.push(format!("step:{place}/{}", numbered(step, *nth)));
            }
        }
        if !story.is_closed() {
            for (undo, item) in self.way_back(phase, host, story).0 {
                if !story.undone(undo, host, item) {
                    owed.push(format!("undo:{place}/{}", numbered(&undo.id, item)));
                }
            }
        }
        if story.is_out() {
            owed.push(format!("undrain:{place}"));
        }
        if !story.touched() {
            return;
        }
        for step in phase.stages.cleanup.iter().filter(|s| !s.once) {
            let bad = matches!(story.ended, Some(HostState::Held | HostState::Broken));
            let left_out = story.of_step(Stage::Cleanup, &step.id, 0).any(|(_, t)| {
                let end = t.end.as_ref();
                end.is_some_and(|e| e.outcome == Outcome::Skipped && !e.by_person)
            });
            if !story.all_good(Stage::Cleanup, step, Some(host), 0) || bad && left_out {
                owed.push(format!("cleanup:{place}/{}", step.id));
            }
        }
    }

    /// Undo in the order it runs, and whether the point of no return ends the list.
    fn way_back<'s>(
        &'s self,
        phase: &'s PlannedPhase,
        host: &HostName,
        story: &Story,
    ) -> (Vec<(&'s PlannedStep, u32)>, bool) {
        let mut began: Vec<(u64, &PlannedStep, u32)> = Vec::new();
        for step in &phase.stages.steps {
            let mut items: BTreeMap<u32, u64> = BTreeMap::new();
            for (nth, told) in story.of_step(Stage::Steps, &step.id, 0) {
                let item = step.for_each.as_ref().map_or(0, |_| nth / machines(step, Some(host)));
                if let Some(first) = told.sent.first() {
                    let at = items.entry(item).or_insert(*first);
                    *at = (*at).min(*first);
                }
            }
            began.extend(items.into_iter().map(|(item, at)| (at, step, item)));
        }
        began.sort_by_key(|(at, _, _)| *at);
        if self.order == Order::NewestFirst {
            began.reverse();
        }
        let mut list = Vec::new();
        for (_, step, item) in &began {
            match &step.undo {
                PlannedUndo::None(_) => return (list, true),
                PlannedUndo::Steps(undo) => {
                    let relied_on = began
                        .iter()
                        .any(|(_, s, _)| matches!(&s.undo, PlannedUndo::CoveredBy(by) if *by == step.id));
                    if relied_on || !story.did_nothing(step, host, *item) {
                        list.extend(undo.iter().map(|u| (u, *item)));
                    }
                }
                PlannedUndo::CoveredBy(_) | PlannedUndo::NotNeeded => {}
            }
        }
        (list, false)
    }

    /// The closing steps that a phase owes.
    fn open_brackets<'s>(&'s self, phase: &'s PlannedPhase) -> Vec<&'s PlannedStep> {
        let bracket = |list: &'s [PlannedStep]| list.iter().filter(|s| s.once && !s.read_only);
        let own = self.of(phase, None);
        let opened = own.is_some_and(|s| {
            let mut opening = bracket(&phase.stages.drain);
            opening.any(|x| s.of_step(Stage::Drain, &x.id, 0).any(|(_, t)| !t.sent.is_empty()))
        });
        let none = bracket(&phase.stages.drain).next().is_none();
        let touched = phase
            .hosts
            .iter()
            .any(|h| self.of(phase, Some(h)).is_some_and(Story::touched));
        if !(opened || none && touched) {
            return Vec::new();
        }
        let closed = |step: &&PlannedStep| own.is_some_and(|s| s.all_good(Stage::Cleanup, step, None, 0));
        bracket(&phase.stages.cleanup).filter(|s| !closed(s)).collect()
    }

    // --- what a run that goes back does next ---

    /// What is taken back next, when nothing is under way: hosts of the newest batch of the newest phase that is not back, as
    /// many as go at a time, each with its next step; behind them the closing of the phase's bracket. `None`: the run does not
    /// go back, or all that could be taken back is.
    pub fn due(&self) -> Option<Vec<Due>> {
        if !self.back || self.signalled {
            return None;
        }
        let began = |p: &&PlannedPhase| self.batches.contains_key(&p.id) && p.changes;
        for phase in self.plan.phases().rev().filter(began) {
            for batch in self.batches[&phase.id].iter().rev() {
                let goes = |h: &&HostName| self.goes_back(phase, h);
                let hosts = batch.iter().filter(goes).take(phase.rollout.parallel as usize);
                let due: Vec<Due> = hosts.filter_map(|h| self.of_host(phase, h)).collect();
                if !due.is_empty() {
                    return Some(due);
                }
            }
            for step in self.open_brackets(phase) {
                let story = self.of(phase, None);
                let gone_wrong = |s: &Story| s.of_step(Stage::Cleanup, &step.id, 0).any(|(_, t)| t.end.is_some());
                if !story.is_some_and(gone_wrong) {
                    return Some(vec![Due {
                        phase: phase.id.clone(),
                        host: None,
                        stage: Stage::Cleanup,
                        step: step.id.clone(),
                        item: 0,
                    }]);
                }
            }
            let back = |h: &HostName| {
                let story = self.of(phase, Some(h));
                story.is_none_or(|s| !s.changed() || s.ended == Some(HostState::RolledBack))
            };
            if !phase.hosts.iter().all(back) {
                return None;
            }
        }
        None
    }

    fn in_doubt_somewhere(&self, host: &HostName) -> bool {
        let of_host = self.stories.iter().filter(|((_, h), _)| h.as_ref() == Some(host));
        of_host.flat_map(|(_, s)| s.spots.values()).any(Told::unknown)
    }

    fn goes_back(&self, phase: &PlannedPhase, host: &HostName) -> bool {
        let Some(story) = self.of(phase, Some(host)) else {
            return false;
        };
        if self.in_doubt_somewhere(host) {
            return false;
        }
        if story.reopened.is_some() && story.ended.is_none() {
            return true;
        }
        if story.is_closed() || !story.touched() {
            return false;
        }
        match story.ended {
            None => true,
            Some(_) if !story.changed() || story.turned == Some(self.session) => false,
            Some(HostState::Unknown | HostState::RolledBack) => false,
            Some(HostState::Ok | HostState::Warned) => !self.way_back(phase, host, story).1,
            Some(_) => true,
        }
    }

    fn of_host(&self, phase: &PlannedPhase, host: &HostName) -> Option<Due> {
        let story = self.of(phase, Some(host))?;
        let due = |stage, step: &PlannedStep, item| Due {
            phase: phase.id.clone(),
            host: Some(host.clone()),
            stage,
            step: step.id.clone(),
            item,
        };
        let first = |stage, pass| {
            let own = phase.stages.get(stage).iter().filter(|s| !s.once);
            let mut left = own.filter(|s| !story.all_good(stage, s, Some(host), pass));
            left.next().map(|s| due(stage, s, 0))
        };
        if let Some(pass) = story.reopened {
            return first(Stage::Verify, pass).or_else(|| first(Stage::Undrain, pass));
        }
        let in_service = story
            .spots
            .iter()
            .any(|((stage, _, _, pass), t)| *stage == Stage::Undrain && *pass != 1 && !t.sent.is_empty());
        if in_service && let Some(drain) = first(Stage::Drain, 1) {
            return Some(drain);
        }
        let mut out_of_reach = false;
        for (undo, item) in self.way_back(phase, host, story).0 {
            let own = undo.place == Place::Own;
            if story.undone(undo, host, item) || own && out_of_reach {
                continue;
            }
            let gone = |t: &Told| t.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unreachable);
            if own
                && story
                    .of_step(Stage::Undo, &undo.id, 1)
                    .any(|(n, t)| n == item && gone(t))
            {
                out_of_reach = true;
                continue;
            }
            return Some(due(Stage::Undo, undo, item));
        }
        first(Stage::Verify, 1).or_else(|| first(Stage::Undrain, 1))
    }
}

impl Told {
    fn unknown(&self) -> bool {
        self.changes && self.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown)
    }

    fn in_doubt(&self) -> bool {
        self.open || self.unknown()
    }

    fn good(&self, step: &PlannedStep) -> bool {
        self.end.as_ref().is_some_and(|e| match e.outcome {
            Outcome::Ok | Outcome::Skipped => true,
            Outcome::Unknown if self.changes => false,
            _ => step.may_fail.is_some(),
        })
    }
}

impl Story {
    fn of_step<'s>(&'s self, stage: Stage, step: &'s str, pass: u32) -> impl Iterator<Item = (u32, &'s Told)> {
        let fits = move |(st, id, _, p): &Spot| *st == stage && id == step && *p == pass;
        let spots = self.spots.iter().filter(move |(spot, _)| fits(spot));
        spots.map(|((_, _, nth, _), told)| (*nth, told))
    }

    fn sent_in(&self, stages: &[Stage]) -> bool {
        self.spots
            .iter()
            .any(|((s, ..), t)| stages.contains(s) && !t.sent.is_empty())
    }

    /// Something was done there that has to be closed.
    fn touched(&self) -> bool {
        self.sent_in(&[Stage::Drain, Stage::Steps, Stage::Undrain, Stage::Undo])
    }

    fn changed(&self) -> bool {
        self.spots.values().any(|t| t.changes && !t.sent.is_empty())
    }

    fn is_closed(&self) -> bool {
        self.closed || self.sent_in(&[Stage::Cleanup])
    }

    fn is_out(&self) -> bool {
        let mut drain = self.spots.iter().filter(|((s, ..), _)| *s == Stage::Drain);
        let back = matches!(
            self.ended,
            Some(HostState::Ok | HostState::Warned | HostState::RolledBack)
        );
        drain.any(|(_, t)| t.changes && !t.sent.is_empty()) && !back
    }

    /// At every place of the step: each item, each machine of a delegated set.
    fn all_good(&self, stage: Stage, step: &PlannedStep, host: Option<&HostName>, pass: u32) -> bool {
        let places = match (&step.for_each, self.lists.get(&(stage, step.id.clone()))) {
            (Some(_), None) => 1,
            (Some(_), Some(items)) => items * machines(step, host),
            (None, _) => machines(step, host),
        };
        let good = |nth| {
            let spot = (stage, step.id.clone(), nth, pass);
            self.spots.get(&spot).is_some_and(|t| !t.open && t.good(step))
        };
        (0..places).all(good)
    }

    fn undone(&self, undo: &PlannedStep, host: &HostName, item: u32) -> bool {
        let n = machines(undo, Some(host));
        let good = |nth| {
            let spot = (Stage::Undo, undo.id.clone(), nth, 1);
            self.spots.get(&spot).is_some_and(|t| !t.open && t.good(undo))
        };
        (item * n..(item + 1) * n).all(good)
    }

    /// An upload that found its very bytes in place, at the first try.
    fn did_nothing(&self, step: &PlannedStep, host: &HostName, item: u32) -> bool {
        let of_item = |nth: u32| step.for_each.is_none() || nth / machines(step, Some(host)) == item;
        let proof = |t: &Told| {
            let end = t.end.as_ref();
            t.sent.len() == 1 && end.is_some_and(|e| e.outcome == Outcome::Ok && !e.changed && !e.by_person)
        };
        let mut sent = self
            .of_step(Stage::Steps, &step.id, 0)
            .filter(|(nth, t)| of_item(*nth) && !t.sent.is_empty());
        matches!(step.call, Call::Upload { .. } | Call::BuiltIn(_)) && sent.all(|(_, t)| proof(t))
    }
}

/// On how many machines a step is done for a host.
fn machines(step: &PlannedStep, host: Option<&HostName>) -> u32 {
    match &step.place {
        Place::Own | Place::OneOf(_) => 1,
        Place::Hosts(list) => list.len() as u32,
        Place::ByHost(map) => host.and_then(|h| map.get(h)).map_or(0, |l| l.len() as u32),
    }
}
