//! A run without an engine: `next` is asked, a world answers, events are folded. Disturbances come where they are wished.
//!
//! Owns: the loop that the real engine has too, synchronous and in simulated time. Must not: decide anything that `next` decides.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::check::Checker;
use super::compared::Compared;
use super::properties::Dice;
use crate::id::{Digest, HostName, RunId};
use crate::plan::{Plan, Value};
use crate::run::ask::{Choice, choices};
use crate::run::event::*;
use crate::run::next::{Next, next, reopenings};
use crate::run::quiet::{Silence, to_take_off};
use crate::run::together::behind;
use crate::run::verdict::{Also, verdict};
use crate::run::{Run, line};

/// What happens to a step that the world is asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    pub outcome: Outcome,
    pub warned: bool,
    pub changed: bool,
    pub ms: u64,
}

impl From<Outcome> for Fate {
    fn from(outcome: Outcome) -> Self {
        Fate {
            outcome,
            warned: false,
            changed: outcome == Outcome::Ok,
            ms: 10,
        }
    }
}

/// What people say at a gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    Yes,
    No,
    /// Nobody answers; a terminal waits for the expiry.
    Silence,
    /// Nobody answers, and there is no terminal: the process ends waiting.
    Absent,
}

/// What a probe finds after a crash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probe {
    Ended,
    Never,
    Lost,
}

/// What comes of a request to monitoring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Monitoring {
    Agrees,
    Refuses,
    /// The request came, and no answer.
    Mute,
}

/// A request on its way to monitoring.
#[derive(Clone, Debug)]
struct Asked {
    silence: SilenceKey,
    /// `None`: it is to speak again.
    until: Option<Timestamp>,
    /// Nobody knew before whether it keeps quiet.
    unsure: bool,
}

/// Everything outside the run.
pub trait World {
    fn fate(&mut self, key: &StepKey) -> Fate;
    fn reached(&mut self, _phase: &str, _host: &HostName) -> bool {
        true
    }
    fn needed(&mut self, _phase: &str, _host: &HostName) -> bool {
        true
    }
    fn last(&mut self, _phase: &str, _batch: u32, _host: &HostName) -> bool {
        false
    }
    fn word(&mut self, _gate: &str) -> Word {
        Word::Yes
    }
    fn probe(&mut self, _key: &StepKey) -> Probe {
        Probe::Ended
    }
    /// What a person says about a step that did not end well; `None`: nothing.
    fn choice(&mut self, _host: &HostName, _slot: &Slot, _may: &[Choice]) -> Option<Choice> {
        None
    }
    /// What monitoring says when it is asked to keep quiet (or, with `off`, not to any more).
    fn monitoring(&mut self, _key: &SilenceKey, _off: bool) -> Monitoring {
        Monitoring::Agrees
    }
    /// How many items a list has.
    fn items(&mut self, _key: &StepKey) -> usize {
        3
    }
    /// Which of so many things happens next.
    fn pick(&mut self, _of: usize) -> usize {
        0
    }
}

/// A world that is told: the first rule whose parts all stand in the key's text wins, else all is well.
#[derive(Default)]
pub struct Script {
    pub fates: Vec<(String, Fate)>,
    pub unreached: Vec<String>,
    pub not_needed: Vec<String>,
    pub last: Vec<String>,
    pub items: Option<usize>,
    pub words: BTreeMap<String, Word>,
    /// What a person says about a step: each is said once, in this order.
    pub choices: Vec<(String, Choice)>,
    pub probe: Option<Probe>,
    /// What monitoring says to its n-th request, from 0; else it agrees.
    pub monitoring: BTreeMap<usize, Monitoring>,
    pub requests: usize,
    /// Of all that may happen next not always the first does.
    pub dice: Option<Dice>,
}

impl Script {
    pub fn new() -> Self {
        Self::default()
    }

    /// `"a h1"`: step keys are `PHASE/STAGE/STEP/NTH/HOST/PASS/ATTEMPT`; every word must be a part between slashes (or joined parts).
    pub fn on(mut self, words: &str, fate: impl Into<Fate>) -> Self {
        self.fates.push((words.to_owned(), fate.into()));
        self
    }

    /// A person says this of a step, by its id.
    pub fn says(mut self, step: &str, choice: Choice) -> Self {
        self.choices.push((step.to_owned(), choice));
        self
    }

    pub fn gate(mut self, id: &str, word: Word) -> Self {
        self.words.insert(id.to_owned(), word);
        self
    }
}

impl World for Script {
    fn fate(&mut self, key: &StepKey) -> Fate {
        let text = format!("/{key}/");
        let fits = |words: &str| words.split(' ').all(|w| text.contains(&format!("/{w}/")));
        let rule = self.fates.iter().find(|(words, _)| fits(words));
        rule.map_or_else(|| Outcome::Ok.into(), |(_, fate)| *fate)
    }
    fn reached(&mut self, _: &str, host: &HostName) -> bool {
        !self.unreached.iter().any(|h| h == host.as_str())
    }
    fn needed(&mut self, _: &str, host: &HostName) -> bool {
        !self.not_needed.iter().any(|h| h == host.as_str())
    }
    fn last(&mut self, _: &str, _: u32, host: &HostName) -> bool {
        self.last.iter().any(|h| h == host.as_str())
    }
    fn items(&mut self, _: &StepKey) -> usize {
        self.items.unwrap_or(3)
    }
    fn choice(&mut self, _: &HostName, slot: &Slot, may: &[Choice]) -> Option<Choice> {
        let at = self.choices.iter().position(|(step, _)| *step == slot.step)?;
        let (_, choice) = self.choices.remove(at);
        assert!(may.contains(&choice), "{choice:?} is not offered, only {may:?}");
        Some(choice)
    }
    fn word(&mut self, gate: &str) -> Word {
        self.words.get(gate).copied().unwrap_or(Word::Yes)
    }
    fn probe(&mut self, _: &StepKey) -> Probe {
        self.probe.unwrap_or(Probe::Ended)
    }
    fn monitoring(&mut self, _: &SilenceKey, _: bool) -> Monitoring {
        self.requests += 1;
        let said = self.monitoring.get(&(self.requests - 1));
        said.copied().unwrap_or(Monitoring::Agrees)
    }
    fn pick(&mut self, of: usize) -> usize {
        self.dice.as_mut().map_or(0, |dice| dice.roll(of))
    }
}

/// A disturbance, when so many events are in the journal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Crash(usize),
    Signal(usize),
    /// The journal cannot be written: nothing starts any more, what is under way ends on its host unseen.
    DiskFull(usize),
    /// The clock is set by so many seconds, which the process sees at once.
    Clock(usize, i64),
    /// Hosts go down with what runs there.
    Reboot(usize),
    /// The link is cut behind the latch: ends are learnt so many seconds later.
    Delay(usize, i64),
}

/// What comes of a step that is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Landing {
    Ends(Fate),
    /// The host proves that it never began.
    Never,
    /// It was sent behind the one before it of this line.
    Behind,
}

/// The fate of a step that is sent: it is not left out any more.
fn sent(fate: Fate) -> Fate {
    match fate.outcome {
        Outcome::Skipped => Fate {
            outcome: Outcome::Ok,
            ..fate
        },
        _ => fate,
    }
}

impl Fault {
    fn when(&self) -> usize {
        match *self {
            Self::Crash(n)
            | Self::Signal(n)
            | Self::DiskFull(n)
            | Self::Clock(n, _)
            | Self::Reboot(n)
            | Self::Delay(n, _) => n,
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Ended(Verdict, u8),
    Crashed,
}

pub struct Sim<W> {
    pub plan: Plan,
    pub run: Run,
    pub events: Vec<Stamped>,
    pub now: Timestamp,
    pub world: W,
    pub faults: Vec<Fault>,
    pub freezes: Vec<crate::window::Freeze>,
    /// What was set aside by a signature.
    pub overrides: Vec<&'static str>,
    /// How long hosts took in former runs, by phase.
    pub former_ms: BTreeMap<String, u64>,
    /// A person sits at the terminal, and is asked about steps that do not end well.
    pub attended: bool,
    pub checker: Checker,
    pub compared: Compared,
    /// What is under way, and what will come of it.
    flying: Vec<(StepKey, Landing)>,
    /// What monitoring was asked and has not answered: until when, or not any more.
    asked: Vec<Asked>,
    /// The truth: what monitoring keeps quiet about, and until when.
    pub quiet: BTreeMap<SilenceKey, Timestamp>,
    /// The last process awaited what was under way without writing it down: all of it began.
    unseen: bool,
    dry: bool,
}

impl<W: World> Sim<W> {
    pub fn new(plan: Plan, world: W) -> Self {
        let now: Timestamp = "2026-12-06T01:00:00Z".parse().unwrap();
        Sim {
            checker: Checker::new(&plan),
            compared: Compared::default(),
            plan,
            run: Run::default(),
            events: Vec::new(),
            now,
            world,
            faults: Vec::new(),
            freezes: Vec::new(),
            overrides: Vec::new(),
            former_ms: BTreeMap::new(),
            attended: false,
            flying: Vec::new(),
            asked: Vec::new(),
            quiet: BTreeMap::new(),
            unseen: false,
            dry: false,
        }
    }

    pub fn dry(mut self) -> Self {
        self.dry = true;
        self
    }

    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    pub fn emit(&mut self, event: Event) {
        let stamped = Stamped {
            seq: self.events.len() as u64 + 1,
            at: self.now,
            event,
        };
        self.checker.see(&stamped);
        self.checker.hushed.see(&self.plan, &stamped, &self.quiet);
        self.checker.violations.append(&mut self.checker.hushed.violations);
        self.run.apply(&stamped);
        self.events.push(stamped);
    }

    pub fn start(&mut self) -> End {
        self.emit(Event::Started {
            run: RunId::parse("20261206-010000-aaaaaa").unwrap(),
            plan: Digest::of(b"plan"),
            operator: "ops".to_owned(),
            controller: "here".to_owned(),
            tool: "0".to_owned(),
            dry: self.dry,
            approvals: self
                .overrides
                .iter()
                .map(|rule| Answer {
                    override_: (*rule).to_owned(),
                    ..Answer::default()
                })
                .collect(),
            freezes: self.freezes.clone(),
            former_ms: self.former_ms.clone(),
            attended: self.attended && !self.dry,
        });
        self.process()
    }

    /// Asks for what is open and goes on, as the engine does: the answers come while others are at work.
    pub fn resume(&mut self, back: bool) -> End {
        self.begin_resume(back);
        self.process()
    }

    /// `owed --clean`.
    pub fn tidy(&mut self) -> End {
        self.emit(Event::Cleaning {
            operator: "ops".to_owned(),
            controller: "here".to_owned(),
        });
        self.probe();
        self.process()
    }

    pub fn begin_resume(&mut self, back: bool) {
        self.emit(Event::Resumed {
            operator: "ops".to_owned(),
            controller: "here".to_owned(),
            back,
            overrides: Vec::new(),
            attended: self.attended,
        });
        self.probe();
        for event in reopenings(&self.plan, &self.run) {
            self.emit(event);
        }
    }

    fn probe(&mut self) {
        let flown = std::mem::take(&mut self.flying);
        for (key, open) in self.run.open.clone() {
            if !open.changes {
                self.emit(Event::CutOff { key });
                continue;
            }
            let landing = match self.world.probe(&key) {
                Probe::Ended => flown.iter().find(|(k, _)| *k == key).map(|(_, l)| *l),
                Probe::Never if !self.unseen => Some(Landing::Never),
                Probe::Never => None,
                Probe::Lost => Some(Landing::Ends(Outcome::Unknown.into())),
            };
            self.flying
                .push((key, landing.unwrap_or(Landing::Ends(Outcome::Ok.into()))));
        }
        self.unseen = false;
    }

    pub fn decide(&mut self, phase: &str, host: &HostName, slot: Slot, word: &str) {
        self.emit(Event::Decided {
            phase: phase.to_owned(),
            host: host.clone(),
            slot,
            verdict: word.to_owned(),
            reason: "I looked".to_owned(),
            by: "ops".to_owned(),
        });
    }

    fn settle(&mut self, key: StepKey, fate: Fate) {
        let result = StepResult {
            warned: fate.warned,
            changed: fate.changed,
            ..StepResult::default()
        };
        if fate.outcome == Outcome::Skipped {
            return self.emit(Event::Skipped {
                key,
                reason: "its condition is false".to_owned(),
                by_person: false,
            });
        }
        self.emit(Event::Settled {
            key,
            outcome: fate.outcome,
            result: result.into(),
        });
    }

    /// One process, until it finishes or crashes.
    pub fn process(&mut self) -> End {
        for _ in 0..20_000 {
            if let Some(end) = self.disturbed() {
                return end;
            }
            let list = next(&self.plan, &self.run, self.now);
            assert!(
                !list.is_empty() || !self.flying.is_empty() || !self.asked.is_empty(),
                "deadlock: nothing is open and nothing comes next\n{}",
                self.story()
            );
            if let [Next::Finish] = list.as_slice() {
                // A request about a silence that ended by itself meanwhile is awaited all the same.
                if !self.asked.is_empty() {
                    self.answers(0);
                    continue;
                }
                assert!(
                    self.flying.is_empty(),
                    "finished with steps under way\n{}",
                    self.story()
                );
                return self.ended(false);
            }
            if let Some(Next::Record(_)) = list.first() {
                self.decided(list);
                continue;
            }
            self.compared.decision(&self.plan, &self.run, &self.events, &list);
            if let Some(end) = self.work(list) {
                return end;
            }
        }
        panic!("livelock\n{}", self.story());
    }

    /// Decisions that come together are those that would come one after another.
    fn decided(&mut self, list: Vec<Next>) {
        for one in list {
            let now = next(&self.plan, &self.run, self.now);
            assert_eq!(
                now.first(),
                Some(&one),
                "together, and not one after another\n{}",
                self.story()
            );
            match one {
                Next::Record(event) => self.emit(*event),
                other => panic!("{other:?} came with a decision"),
            }
        }
    }

    fn disturbed(&mut self) -> Option<End> {
        let at = self.events.len();
        let due = |f: &Fault| f.when() <= at;
        let i = self.faults.iter().position(due)?;
        let fault = self.faults.remove(i);
        match fault {
            Fault::Crash(_) | Fault::DiskFull(_) => {
                self.unseen = matches!(fault, Fault::DiskFull(_));
                self.compared.ledger(&self.plan, &self.run, &self.events);
                self.lost_requests();
                return Some(End::Crashed);
            }
            Fault::Signal(_) => {
                let count = self.run.signals + 1;
                self.emit(Event::Signalled { count });
            }
            Fault::Clock(_, seconds) => {
                self.now += SignedDuration::from_secs(seconds);
                self.emit(Event::ClockMoved { by_ms: seconds * 1000 });
            }
            Fault::Reboot(_) => {
                for (key, landing) in &mut self.flying {
                    if key.host.is_some() && self.run.open.get(key).is_some_and(|o| o.changes) {
                        *landing = Landing::Ends(Outcome::Unknown.into());
                    }
                }
            }
            Fault::Delay(_, seconds) => {
                for (_, landing) in &mut self.flying {
                    if let Landing::Ends(fate) = landing {
                        fate.ms += seconds.unsigned_abs() * 1000;
                    }
                }
            }
        }
        None
    }

    /// The process is gone; its requests came, or did not.
    fn lost_requests(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            if self.world.monitoring(&asked.silence, asked.until.is_none()) != Monitoring::Refuses {
                self.monitoring_does(&asked);
            }
        }
    }

    fn monitoring_does(&mut self, asked: &Asked) {
        match asked.until {
            Some(until) => drop(self.quiet.insert(asked.silence.clone(), until)),
            None => drop(self.quiet.remove(&asked.silence)),
        }
    }

    /// Monitoring answers.
    fn answers(&mut self, at: usize) {
        let asked = self.asked.remove(at);
        let said = self.world.monitoring(&asked.silence, asked.until.is_none());
        if said != Monitoring::Refuses {
            self.monitoring_does(&asked);
        }
        let silence = asked.silence;
        self.emit(match (said, asked.until) {
            (Monitoring::Agrees, Some(until)) => Event::Silenced {
                id: silence.to_string(),
                silence,
                until,
            },
            (Monitoring::Agrees, None) => Event::Unsilenced { silence },
            (_, Some(_)) => Event::NotSilenced {
                silence,
                why: "no".to_owned(),
                perhaps: said == Monitoring::Mute || asked.unsure,
            },
            (_, None) => Event::StillSilenced {
                silence,
                why: "no".to_owned(),
            },
        });
    }

    fn ask_monitoring(&mut self, silence: SilenceKey, until: Option<Timestamp>) {
        let known = self.run.silences.get(&silence);
        self.asked.push(Asked {
            silence,
            until,
            unsure: known.is_some_and(Silence::unsure),
        });
    }

    fn ended(&mut self, waiting: bool) -> End {
        while !self.asked.is_empty() {
            self.answers(0);
        }
        for key in to_take_off(&self.plan, &self.run, self.now) {
            self.ask_monitoring(key, None);
            self.answers(0);
        }
        let also = Also {
            waiting,
            objective_missed: false,
        };
        let (verdict, exit) = verdict(&self.plan, &self.run, also);
        let left = crate::run::ledger::left_behind(&self.plan, &self.run);
        self.compared.ledger(&self.plan, &self.run, &self.events);
        self.checker.ended(&self.plan, &self.run, exit);
        self.emit(Event::Ended {
            verdict,
            exit,
            left_behind: left.into_iter().map(|o| o.id).collect(),
        });
        End::Ended(verdict, exit)
    }

    /// One of the things that can happen now happens: something of the list, or the end of what is under way.
    fn work(&mut self, list: Vec<Next>) -> Option<End> {
        let mut sleep: Option<Timestamp> = None;
        let mut todo = Vec::new();
        for n in list {
            match n {
                Next::Sleep { until } => sleep = Some(sleep.map_or(until, |s| s.min(until))),
                Next::Perform(key) if self.run.open.contains_key(&key) => panic!("asked twice for {key}"),
                Next::Record(_) | Next::Finish => panic!("a decision with company"),
                other => todo.push(other),
            }
        }
        // One request about a thing at a time.
        todo.retain(|n| match n {
            Next::Silence(key) | Next::Unsilence(key) => !self.asked.iter().any(|a| a.silence == *key),
            _ => true,
        });
        let land = |(_, landing): &&(StepKey, Landing)| !matches!(landing, Landing::Behind);
        let steps = todo.len() + self.flying.iter().filter(land).count();
        let choices = steps + self.asked.len();
        if choices == 0 {
            let until = sleep.unwrap();
            assert!(until > self.now, "sleeps into the past\n{}", self.story());
            self.now = until;
            return None;
        }
        let pick = self.world.pick(choices).min(choices - 1);
        if pick >= steps {
            self.answers(pick - steps);
            return None;
        }
        if pick >= todo.len() {
            let lands = self
                .flying
                .iter()
                .enumerate()
                .filter(|(_, f)| land(f))
                .nth(pick - todo.len());
            let (at, _) = lands.unwrap();
            self.land(at);
            return None;
        }
        // Half of the time all of the list begins at once, as an engine would have it.
        if todo.len() > 1 && self.world.pick(2) == 0 {
            for n in todo {
                if let Some(end) = self.begin(n) {
                    return Some(end);
                }
            }
            return None;
        }
        self.begin(todo.swap_remove(pick))
    }

    fn land(&mut self, at: usize) {
        let (key, landing) = self.flying.remove(at);
        match landing {
            Landing::Ends(fate) => {
                self.now += SignedDuration::from_millis(fate.ms as i64);
                self.settle(key.clone(), fate);
                self.follow(&key, fate.outcome == Outcome::Ok && !fate.warned);
            }
            Landing::Never | Landing::Behind => self.emit(Event::NeverBegan { key }),
        }
    }

    /// What was sent behind this one begins if it ended well and nothing was decided meanwhile: then `next` wants the same.
    fn follow(&mut self, ended: &StepKey, well: bool) {
        let line = |k: &StepKey| (k.phase == ended.phase) && k.host == ended.host;
        let behind = |(k, l): &(StepKey, Landing)| line(k) && matches!(l, Landing::Behind);
        let Some(first) = self.flying.iter().position(behind) else {
            return;
        };
        let held = self.run.signals > 0 || self.run.backwards.is_some();
        if !well || held {
            self.flying
                .iter_mut()
                .filter(|f| behind(f))
                .for_each(|f| f.1 = Landing::Never);
            return;
        }
        let key = self.flying[first].0.clone();
        let mut without = self.run.clone();
        for (key, _) in self.flying.iter().filter(|f| behind(f)) {
            without.apply(&Stamped {
                seq: u64::MAX,
                at: self.now,
                event: Event::NeverBegan { key: key.clone() },
            });
        }
        let wanted = |n: &Next| match n {
            Next::Perform(k) => (k.slot(), &k.phase, &k.host) == (key.slot(), &key.phase, &key.host),
            // Something else is decided first, and what runs may come to its end: it changes nothing, also where a silence has lapsed.
            Next::Record(_) | Next::Silence(_) => true,
            _ => false,
        };
        let list = next(&self.plan, &without, self.now);
        // A silence that is being asked for anew keeps steps back that begin; this one was sent already, and changes nothing.
        let loud = Plan {
            silences: Vec::new(),
            ..self.plan.clone()
        };
        let held_back = list.iter().all(|n| matches!(n, Next::Sleep { .. }));
        assert!(
            list.iter().any(wanted) || held_back && next(&loud, &without, self.now).iter().any(wanted),
            "{key} follows, and next is {list:?}\n{}",
            self.story()
        );
        self.flying[first].1 = Landing::Ends(self.fate(&key));
    }

    fn begin(&mut self, n: Next) -> Option<End> {
        match n {
            Next::Perform(key) => self.perform(key),
            Next::Reach { phase, host } => {
                if self.world.reached(&phase, &host) {
                    self.emit(Event::Reached { phase, host });
                } else {
                    self.emit(Event::HostEnded {
                        phase,
                        host,
                        state: HostState::Refused,
                        why: "not reachable".to_owned(),
                    });
                }
            }
            Next::Judge { phase, host } => {
                let needed = self.world.needed(&phase, &host);
                self.emit(Event::Judged { phase, host, needed });
            }
            Next::JudgeLast { phase, batch, hosts } => {
                for host in hosts {
                    let last = self.world.last(&phase, batch, &host);
                    self.emit(Event::JudgedLast {
                        phase: phase.clone(),
                        batch,
                        host,
                        last,
                    });
                }
            }
            Next::AskGate { gate } => match self.world.word(&gate) {
                Word::Yes => self.emit(Event::GatePassed { gate }),
                Word::No => self.emit(Event::GateClosed {
                    gate,
                    why: GateEnd::Rejected,
                }),
                Word::Silence => {
                    assert!(
                        self.flying.is_empty(),
                        "a step runs while a gate waits\n{}",
                        self.story()
                    );
                    self.now += SignedDuration::from_mins(7);
                }
                Word::Absent => return Some(self.ended(true)),
            },
            Next::AskPerson { phase, host, slot, .. } => {
                let line = self.run.line(&phase, &host).unwrap();
                let may = choices(&self.plan, line, &slot);
                match self.world.choice(&host, &slot, &may) {
                    Some(choice) => self.decide(&phase, &host, slot, choice.verdict()),
                    None => self.now += SignedDuration::from_mins(7),
                }
            }
            Next::Silence(silence) => {
                let until = self.now + SignedDuration::from_millis(self.plan.silenced_for(&silence.name) as i64);
                self.ask_monitoring(silence.clone(), Some(until));
                self.emit(Event::Silencing { silence, until });
            }
            Next::Unsilence(key) => self.ask_monitoring(key, None),
            Next::Record(_) | Next::Sleep { .. } | Next::Finish => unreachable!(),
        }
        None
    }

    fn perform(&mut self, key: StepKey) {
        let planned = self.plan.step(&key.phase, key.stage, &key.step);
        let step = planned.unwrap_or_else(|| panic!("no such step: {key}"));
        let (listed, has_when) = (step.for_each.is_some(), step.when.is_some());
        let places = line::places(step, key.host.as_ref());
        let (call, changes, limit_ms) = (step.name.clone(), !step.read_only, step.timeout_ms);
        let list = self.run.items(&key, key.stage, &key.step).map(<[Value]>::len);
        if listed && list.is_none() {
            assert_eq!(key.nth, 0, "a list is asked at its first place");
            return match self.world.items(&key) {
                0 => self.emit(Event::Skipped {
                    key,
                    reason: "its list is empty".to_owned(),
                    by_person: false,
                }),
                n => self.emit(Event::Listed {
                    key,
                    items: (1..=n as i64).map(Value::Int).collect(),
                }),
            };
        }
        let (stage, of) = line::listed_by(key.stage, &key.step);
        let items = self.run.items(&key, stage, of).map_or(1, <[Value]>::len) as u32;
        let fate = self.world.fate(&key);
        // A step is left out before its intent, and only one with a condition.
        if fate.outcome == Outcome::Skipped && has_when && key.attempt == 1 {
            return self.settle(key, fate);
        }
        assert!(key.nth < items * places);
        let behind = match self.world.pick(2) {
            0 => Vec::new(),
            _ => behind(&self.plan, &self.run, &key),
        };
        self.intend(&key, call, changes, limit_ms);
        self.flying.push((key, Landing::Ends(sent(fate))));
        for key in behind {
            let step = self.plan.step(&key.phase, key.stage, &key.step).unwrap();
            assert!(step.read_only && step.when.is_none(), "{key} goes behind another");
            let (call, limit_ms) = (step.name.clone(), step.timeout_ms);
            self.intend(&key, call, false, limit_ms);
            self.flying.push((key, Landing::Behind));
        }
    }

    fn fate(&mut self, key: &StepKey) -> Fate {
        sent(self.world.fate(key))
    }

    fn intend(&mut self, key: &StepKey, call: String, changes: bool, limit_ms: u64) {
        self.emit(Event::Intended {
            key: key.clone(),
            on: key.host.clone().unwrap_or_else(HostName::controller),
            call,
            changes,
            latched: true,
            boot: String::new(),
            limit_ms,
        });
    }

    /// The journal as lines, for people and for comparing.
    pub fn story(&self) -> String {
        let mut out = String::new();
        for e in &self.events {
            out.push_str(&format!("{:>4} {}\n", e.seq, line_of(&e.event)));
        }
        out
    }

    /// Keys of the steps that were begun, in order, `STAGE/STEP/HOST/PASS`; without steady states.
    pub fn sent(&self) -> Vec<String> {
        let key = |e: &Stamped| match &e.event {
            Event::Intended { key, .. } => {
                let host = key.host.as_ref().map_or("-", HostName::as_str);
                Some(format!("{}/{}/{host}/{}", key.stage.as_str(), key.step, key.pass))
            }
            _ => None,
        };
        self.events.iter().filter_map(key).collect()
    }

    /// As [`Sim::sent`], for one host: `STEP` or `STEP/PASS` where the pass is not 0.
    pub fn of(&self, host: &str) -> String {
        let key = |e: &Stamped| match &e.event {
            Event::Intended { key, .. } if key.host.as_ref().is_some_and(|h| h.as_str() == host) => {
                Some(if key.pass == 0 || key.stage == crate::plan::Stage::Undo {
                    key.step.clone()
                } else {
                    format!("{}:{}", key.step, key.pass)
                })
            }
            _ => None,
        };
        let list: Vec<String> = self.events.iter().filter_map(key).collect();
        list.join(" ")
    }

    pub fn state(&self, phase: &str, host: &str) -> HostState {
        let states = crate::run::verdict::states(&self.plan, &self.run);
        states
            .iter()
            .find(|s| s.phase == phase && s.host.as_str() == host)
            .unwrap()
            .state
    }

    pub fn owed(&self) -> Vec<String> {
        let owed = crate::run::ledger::obligations(&self.plan, &self.run);
        owed.into_iter().map(|o| o.id).collect()
    }
}

fn line_of(event: &Event) -> String {
    match event {
        Event::Intended { key, .. } => format!("> {key}"),
        Event::Settled { key, outcome, .. } => format!("< {key} {}", outcome.as_str()),
        Event::NeverBegan { key } => format!("< {key} never began"),
        Event::CutOff { key } => format!("< {key} cut off"),
        Event::Skipped { key, .. } => format!("- {key}"),
        other => {
            let text = serde_json::to_string(other).unwrap();
            text.chars().take(160).collect()
        }
    }
}
