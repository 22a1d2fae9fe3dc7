//! The driver: asks `next`, does what it says, writes down what came of it.
//!
//! Owns: the one loop of a run and its messages. Must not: wait for one host while another could go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::ask::Questions;
use super::gate::Chosen;
use super::record::Unsynced;
use super::scope::Scopes;
use super::step::Prepared;
use super::task::{BROKEN, Finished, sound};
use super::tell::Tellers;
use super::{EngineError, Outcome, Setup, render};
use crate::action::silence::NotSet;
use crate::id::{Digest, HostName};
use crate::inventory::facts::Facts;
use crate::run::Run;
use crate::run::event::{Event, HostState, SilenceKey, Slot, Stamped, StepKey};
use crate::run::next::{Next, next};
use crate::run::verdict::{Also, verdict};
use crate::run::{ledger, moved, objective};
use crate::transport::LockOutcome;

/// How often approvals are looked for while a gate waits.
const GATE_LOOK: Duration = Duration::from_millis(500);
/// How often the clock is looked at while a wait goes on: the machine may have slept meanwhile.
const CLOCK_LOOK: Duration = Duration::from_secs(30);
/// A fleet of so many hosts is not looked through again at once, but after so long for each of them.
const LARGE: u32 = 1000;
const FOR_EACH: Duration = Duration::from_micros(2);
/// A clock that is off by less was not set: it goes at its own pace.
pub(super) const SET: Duration = Duration::from_secs(2);

/// What tasks tell the driver.
pub(super) enum Message {
    /// A host was logged into for a phase, or not.
    Reached {
        phase: String,
        host: HostName,
        came: Result<Box<Reached>, String>,
    },
    /// A step's place is ready, or cannot be had.
    Prepared(Box<Prepared>),
    /// A step ended.
    Finished(Box<Finished>),
    /// Somebody typed an answer to a gate.
    Typed { gate: String, yes: bool },
    /// Monitoring was asked to keep quiet.
    Hushed {
        key: SilenceKey,
        until: Timestamp,
        came: Result<String, NotSet>,
    },
    /// It was asked not to any more.
    Unhushed { key: SilenceKey, came: Result<(), String> },
    /// A message was sent, or not.
    Notified {
        of: u64,
        via: String,
        came: Result<(), String>,
    },
    /// Somebody decided on a step that did not end well, or nobody can.
    Decided {
        phase: String,
        host: HostName,
        slot: Slot,
        chosen: Option<Chosen>,
    },
}

/// A host that answered.
pub(super) struct Reached {
    pub facts: Facts,
    /// What came of taking its lock; an error: it may be taken or not.
    pub lock: Option<Result<LockOutcome, String>>,
}

/// Work that is under way, so that it is not begun twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Busy {
    Reach(String, HostName),
    Step(StepKey),
    Silence(SilenceKey),
}

pub(super) struct Driver {
    pub setup: Setup,
    pub run: Run,
    pub hands: std::sync::Arc<crate::action::Hands>,
    /// Hash of the record that opened each gate: what approvals are bound to.
    pub openings: BTreeMap<String, Digest>,
    pub busy: BTreeSet<Busy>,
    pub send: mpsc::UnboundedSender<Message>,
    pub receive: mpsc::UnboundedReceiver<Message>,
    /// Messages to people that are on their way.
    pub tellers: Tellers,
    pub cancel: watch::Sender<bool>,
    /// Turns true when nothing new is to begin: what was sent behind other steps and has not begun will not.
    pub hold: watch::Sender<bool>,
    /// Gates that were shown to the person.
    pub shown: BTreeSet<String>,
    /// Questions about steps that are on the screen.
    pub questions: Questions,
    /// Nobody waits for a gate: the process ends with it open.
    pub leave_waiting: bool,
    /// How often a step was sent and proven never to have begun.
    pub never: BTreeMap<(String, Option<HostName>, Slot), u32>,
    /// Hosts whose lock this process asked for over a link that broke: ours, or nobody's.
    pub unsure_locks: BTreeSet<HostName>,
    /// Hosts where nothing of the run lay and that it is logging into now: by how many tasks at once.
    pub entering: BTreeMap<HostName, usize>,
    /// The last process of this run was cut off: it may have left something on any host it was on.
    pub after_a_crash: bool,
    /// The wall clock and the time that had passed when they were last compared.
    pub looked: (Timestamp, Duration),
    /// Number of the last record that was written.
    pub seq: u64,
    pub unsynced: Unsynced,
}

impl Driver {
    pub fn new(mut setup: Setup, run: Run, openings: BTreeMap<String, Digest>) -> Self {
        let looked = (setup.clock.now(), setup.clock.passed());
        let seq = setup.journal.head().records;
        let (send, receive) = mpsc::unbounded_channel();
        let empty = crate::action::Hands::answered_by(setup.clock.clone(), setup.hands.http.clone());
        let hands = std::sync::Arc::new(std::mem::replace(&mut setup.hands, empty));
        Self {
            setup,
            run,
            hands,
            openings,
            busy: BTreeSet::new(),
            send,
            receive,
            tellers: Tellers::default(),
            cancel: watch::Sender::new(false),
            hold: watch::Sender::new(false),
            shown: BTreeSet::new(),
            questions: Questions::new(),
            leave_waiting: false,
            never: BTreeMap::new(),
            unsure_locks: BTreeSet::new(),
            entering: BTreeMap::new(),
            after_a_crash: false,
            looked,
            seq,
            unsynced: Unsynced::default(),
        }
    }

    pub fn scopes(&self) -> Scopes<'_> {
        Scopes {
            plan: &self.setup.plan,
            run: &self.run,
            secrets: &self.setup.secrets,
            output: self.setup.folder.output(),
            withheld: BTreeMap::new(),
        }
    }

    /// Runs until nothing is left to do in this process.
    pub async fn drive(mut self) -> Result<Outcome, EngineError> {
        let driven = self.turn_until_done().await;
        if let Err(error) = driven {
            // The journal is gone: nothing new starts, what runs is awaited, each within its own limit.
            while !self.busy.is_empty() {
                match self.receive.recv().await {
                    Some(message) => self.forget(&message),
                    None => break,
                }
            }
            return Err(error);
        }
        self.finish().await
    }

    async fn turn_until_done(&mut self) -> Result<(), EngineError> {
        loop {
            self.drain().await?;
            self.look_at_the_clock().await?;
            if self.run.signals > 0 || self.run.backwards.is_some() {
                self.hold.send_if_modified(|hold| !std::mem::replace(hold, true));
            }
            self.close_questions();
            let todo = next(&self.setup.plan, &self.run, self.setup.clock.now());
            let mut until: Option<Timestamp> = None;
            let mut again = false;
            let (mut reach, mut begin) = (Vec::new(), Vec::new());
            let (mut hush, mut unhush) = (Vec::new(), Vec::new());
            let mut ask = None;
            let mut decisions = Vec::new();
            for one in todo {
                match one {
                    Next::Record(event) => decisions.push(*event),
                    Next::Finish if self.busy.is_empty() => return Ok(()),
                    Next::Finish => {}
                    Next::Sleep { until: at } => until = Some(until.map_or(at, |u| u.min(at))),
                    Next::Reach { phase, host } => reach.push((phase, host)),
                    Next::Judge { phase, host } => {
                        self.judge_phase(phase, host).await?;
                        again = true;
                    }
                    Next::JudgeLast { phase, batch, hosts } => {
                        self.judge_last(&phase, batch, hosts).await?;
                        again = true;
                    }
                    Next::Perform(key) => begin.push(key),
                    Next::Silence(key) => hush.push(key),
                    Next::Unsilence(key) => unhush.push(key),
                    Next::AskGate { gate } => ask = Some(gate),
                    Next::AskPerson {
                        phase,
                        host,
                        slot,
                        until: at,
                    } => {
                        until = Some(until.map_or(at, |u| u.min(at)));
                        self.ask_about(phase, host, slot, at);
                    }
                }
            }
            again |= !decisions.is_empty();
            self.record_all(decisions).await?;
            again |= self.hush(hush).await?;
            self.unhush(unhush);
            self.reach(reach).await?;
            for key in begin {
                again |= self.begin(key).await?;
            }
            if let Some(gate) = &ask {
                again |= self.ask_gate(gate).await?;
                if self.leave_waiting && self.busy.is_empty() {
                    return Ok(());
                }
            }
            if !again {
                if self.busy.is_empty() && until.is_none() && ask.is_none() {
                    return Err(EngineError::Bug);
                }
                self.wait(until, ask.is_some()).await?;
            }
            // A large fleet takes long to look through: meanwhile messages are gathered, so that time is left for them.
            let hosts = u32::try_from(self.setup.plan.hosts.len()).unwrap_or(u32::MAX);
            if hosts >= LARGE {
                tokio::time::sleep(FOR_EACH * hosts).await;
            }
        }
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self, until: Option<Timestamp>, gate: bool) -> Result<(), EngineError> {
        let now = self.setup.clock.now();
        let mut pause =
            until.map(|u| Duration::from_millis(u64::try_from(u.as_millisecond() - now.as_millisecond()).unwrap_or(0)));
        if gate {
            pause = Some(pause.map_or(GATE_LOOK, |p| p.min(GATE_LOOK)));
        }
        let clock = self.setup.clock.clone();
        let sleep = async {
            match pause {
                Some(p) => clock.sleep(p.clamp(Duration::from_millis(1), CLOCK_LOOK)).await,
                None => std::future::pending().await,
            }
        };
        // In this order, so that the same run in simulated time goes the same way each time.
        tokio::select! {
            biased;
            message = self.receive.recv() => {
                if let Some(message) = message {
                    self.handle(message).await?;
                }
            }
            Some(count) = self.setup.signals.recv() => self.signalled(count).await?,
            () = sleep => {}
        }
        Ok(())
    }

    /// Takes everything that has come already; what it led to is durable then, and sent.
    async fn drain(&mut self) -> Result<(), EngineError> {
        while let Ok(count) = self.setup.signals.try_recv() {
            self.signalled(count).await?;
        }
        while let Ok(message) = self.receive.try_recv() {
            self.handle(message).await?;
        }
        self.sync().await
    }

    async fn signalled(&mut self, count: u32) -> Result<(), EngineError> {
        self.record(Event::Signalled { count }).await?;
        if count >= 2 {
            self.cancel.send_replace(true);
        }
        Ok(())
    }

    fn forget(&mut self, message: &Message) {
        match message {
            Message::Reached { phase, host, .. } => self.busy.remove(&Busy::Reach(phase.clone(), host.clone())),
            Message::Prepared(p) => self.busy.remove(&Busy::Step(p.key.clone())),
            Message::Finished(f) => self.busy.remove(&Busy::Step(f.key.clone())),
            Message::Hushed { key, .. } | Message::Unhushed { key, .. } => {
                self.busy.remove(&Busy::Silence(key.clone()))
            }
            Message::Typed { .. } | Message::Decided { .. } | Message::Notified { .. } => false,
        };
    }

    async fn handle(&mut self, message: Message) -> Result<(), EngineError> {
        self.forget(&message);
        match message {
            Message::Reached { phase, host, came } => self.reached(phase, host, came).await,
            Message::Prepared(prepared) => self.prepared(*prepared).await,
            Message::Finished(finished) => self.finished(*finished).await,
            Message::Typed { gate, yes } => self.typed(&gate, yes).await,
            Message::Hushed { key, until, came } => self.hushed(key, until, came).await,
            Message::Unhushed { key, came } => self.unhushed(key, came).await,
            Message::Notified { of, via, came } => {
                let events = self.notified(of, via, came).into_iter().collect();
                self.tell(events).await
            }
            Message::Decided {
                phase,
                host,
                slot,
                chosen,
            } => self.decided(phase, host, slot, chosen).await,
        }
    }

    // --- a host's line begins ---

    async fn reach(&mut self, mut lines: Vec<(String, HostName)>) -> Result<(), EngineError> {
        lines.retain(|(phase, host)| self.busy.insert(Busy::Reach(phase.clone(), host.clone())));
        let hosts: Vec<HostName> = lines.iter().map(|(_, host)| host.clone()).collect();
        self.enters(&hosts).await?;
        for (phase, host) in lines {
            let lock = self.wants_lock(&phase, &host).then(|| self.lock_note());
            let become_users = self.become_users(&phase, &host);
            let (hands, send) = (self.hands.clone(), self.send.clone());
            tokio::spawn(async move {
                let to = host.clone();
                let entering = async move { super::lock::enter(&hands, &to, lock, &become_users).await };
                let came = sound(entering, Err(BROKEN.to_owned())).await;
                let _ = send.send(Message::Reached { phase, host, came });
            });
        }
        Ok(())
    }

    async fn reached(
        &mut self,
        phase: String,
        host: HostName,
        came: Result<Box<Reached>, String>,
    ) -> Result<(), EngineError> {
        let refused = |why: String| Event::HostEnded {
            phase: phase.clone(),
            host: host.clone(),
            state: HostState::Refused,
            why,
        };
        let mut events = self.entered(std::slice::from_ref(&host));
        let reached = match came {
            Ok(reached) => reached,
            Err(why) => {
                events.push(refused(self.setup.redactor.redact_text(&why)));
                return self.tell(events).await;
            }
        };
        if !self.knows(&host, &reached.facts) {
            events.push(self.connected(&host, &reached.facts));
        }
        match reached.lock {
            Some(Err(why)) => {
                self.unsure_locks.insert(host.clone());
                let why = self.setup.redactor.redact_text(&format!("its lock: {why}"));
                events.push(refused(why));
                return self.tell(events).await;
            }
            Some(Ok(LockOutcome::Held(note))) => {
                events.push(refused(self.holder_words(&note)));
                return self.tell(events).await;
            }
            Some(Ok(LockOutcome::Taken)) => events.push(Event::Locked {
                host: host.clone(),
                on_host: true,
            }),
            Some(Ok(LockOutcome::NoPlace(_))) => events.push(Event::Locked {
                host: host.clone(),
                on_host: false,
            }),
            None => {}
        }
        events.push(Event::Reached { phase, host });
        self.tell(events).await
    }

    async fn judge_phase(&mut self, phase: String, host: HostName) -> Result<(), EngineError> {
        let when = self
            .setup
            .plan
            .phase(&phase)
            .and_then(|p| p.when.clone())
            .unwrap_or_default();
        let judged = render::truth(&when, &self.scopes().step(&phase, Some(&host)));
        let event = match judged {
            Ok(needed) => Event::Judged { phase, host, needed },
            Err(why) => Event::HostEnded {
                phase,
                host,
                state: HostState::Refused,
                why: format!("the phase's condition: {why}"),
            },
        };
        self.tell(vec![event]).await
    }

    async fn judge_last(&mut self, phase: &str, batch: u32, hosts: Vec<HostName>) -> Result<(), EngineError> {
        let last = self
            .setup
            .plan
            .phase(phase)
            .and_then(|p| p.rollout.last.clone())
            .unwrap_or_default();
        let mut events = Vec::new();
        for host in hosts {
            let judged = render::truth(&last, &self.scopes().step(phase, Some(&host)));
            events.push(match judged {
                Ok(last) => Event::JudgedLast {
                    phase: phase.to_owned(),
                    batch,
                    host,
                    last,
                },
                Err(why) => Event::HostEnded {
                    phase: phase.to_owned(),
                    host,
                    state: HostState::Refused,
                    why: format!("the rollout's `last`: {why}"),
                },
            });
        }
        self.record_all(events).await
    }

    // --- the end ---

    async fn finish(mut self) -> Result<Outcome, EngineError> {
        if self.run.dry && self.run.signals == 0 {
            self.foresee().await?;
            self.record_all(self.silences_foreseen()).await?;
        }
        self.all_speak_again().await?;
        let missed = self.objective_missed();
        let also = Also {
            objective_missed: missed,
            waiting: self.leave_waiting,
        };
        let (_, exit) = verdict(&self.setup.plan, &self.run, also);
        self.give_back(exit).await?;
        let (verdict, exit) = verdict(&self.setup.plan, &self.run, also);
        let left = match exit {
            5 | 7 => Vec::new(),
            _ => ledger::obligations(&self.setup.plan, &self.run)
                .into_iter()
                .map(|o| o.id)
                .collect(),
        };
        self.record(Event::Ended {
            verdict,
            exit,
            left_behind: left,
        })
        .await?;
        self.farewell().await;
        Ok(Outcome { verdict, exit })
    }

    fn objective_missed(&self) -> bool {
        if self.run.dry || self.setup.plan.objectives.is_empty() {
            return false;
        }
        match crate::journal::read(self.setup.folder.path()) {
            Ok(read) => {
                let facts: Vec<Stamped> = read.facts;
                let facts = moved::on_one_clock(&self.setup.plan, &facts);
                objective::objectives(&self.setup.plan, &facts).iter().any(|o| !o.met)
            }
            // What cannot be proven met is missed.
            Err(_) => true,
        }
    }
}
