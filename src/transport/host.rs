//! A logged-in host: the [`Session`] over any kind of [`Channels`].
//!
//! Owns: what is known of the host, and which way a request goes: by a lane (`steps`), several in one write (`reads`), or, on a
//! host without a place for the latch, *attached* (`plain`). Must not: know SSH or child processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::channel::Channels;
use super::lanes::{State, User};
use super::latch::{ANSWER, About, Hello, Lane, Pulled, Runs};
use super::shell;
use super::steps::in_time;
use super::{ConnectError, Endpoint, How, LatchKey, LockNote, LockOutcome, Met, Pending, Privilege, Probe, Put};
use super::{Each, Request, Session, Sink, facts, plain};
use crate::control::{self, Protection};
use crate::id::RunId;
use crate::inventory::facts::Facts;

/// Steps and files under way at one time on one host. A connection carries eight channels: with two idle lanes one is
/// always left for looking and stopping.
const STEPS: usize = 5;
/// What a step said that ended while nobody listened.
const LONG_OUTPUT: Duration = Duration::from_secs(600);
/// Users that may have left something on one host. A host that names more is not telling the truth.
const USERS: usize = 64;
/// Settled attempts whose traces wait for the next request of their user.
const UNACKNOWLEDGED: usize = 64;

/// One host and what we hold open on it.
pub(super) struct Host {
    pub(super) channels: Box<dyn Channels>,
    pub(super) privilege: Privilege,
    pub(super) facts: Facts,
    pub(super) limit: Duration,
    pub(super) run: RunId,
    latch: bool,
    /// The first lane runs by itself what changes nothing.
    runs_reads: bool,
    pub(super) steps: Semaphore,
    pub(super) opening: tokio::sync::Mutex<()>,
    pub(super) state: Mutex<State>,
}

impl Host {
    /// Opens the first lane, which brings the facts and makes the run's directory.
    pub(super) async fn begin(
        channels: Box<dyn Channels>,
        to: &Endpoint,
        latch: bool,
        known: About<'_>,
        about: impl FnOnce(&mut Facts, &Hello),
    ) -> Result<Self, ConnectError> {
        let limit = to.connect_timeout;
        let opened = Lane::open(
            channels.as_ref(),
            &to.privilege,
            None,
            Some(&to.run),
            Some(known),
            limit,
        )
        .await;
        let lane = opened.map_err(|cause| ConnectError {
            doing: format!("starting a shell on {}", to.host),
            cause,
            help: "log in by hand and run `/bin/sh`: a forced command or a start-up file may be in the way; a target that has no shell \
                   is one with `shell: none`"
                .to_owned(),
            transient: channels.is_closed(),
            touched: true,
            met: Met::Server,
        })?;
        let mut facts = facts::read(&lane.hello);
        about(&mut facts, &lane.hello);
        let runs_reads = lane.hello.process.is_some();
        let first = User {
            known: true,
            lost: lane.hello.made,
            ..User::default()
        };
        let state = State {
            users: BTreeMap::from([(None, first)]),
            idle: vec![(None, lane)],
            sent: BTreeMap::new(),
            left: false,
        };
        Ok(Self {
            channels,
            privilege: to.privilege.clone(),
            facts,
            limit,
            run: to.run.clone(),
            latch: latch && !control::off(Protection::Latch),
            runs_reads,
            steps: Semaphore::new(STEPS),
            opening: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    async fn ask(&self, key: &str, boot: &str, user: Option<&str>, sink: &mut dyn Sink) -> Probe {
        if !self.latch {
            return Probe::Never;
        }
        let (lost, sent) = {
            let state = self.state();
            (
                state.users.get(&user.map(str::to_owned)).is_some_and(|u| u.lost),
                state.sent.contains_key(key),
            )
        };
        let asked = async {
            let mut lane = self.lane(user).await?;
            if lane.hello.dir.is_none() {
                return Err("the host has no place for latched steps".to_owned());
            }
            let lost = lost || self.state().users.get(&user.map(str::to_owned)).is_some_and(|u| u.lost);
            if lost && !sent {
                return Ok(if boot == self.facts.boot {
                    Probe::LostDied
                } else {
                    Probe::LostReboot
                });
            }
            let stands = lane.probe(key, boot).await?;
            if let Probe::Done(_) = stands {
                let mut pulled = Pulled::default();
                in_time(LONG_OUTPUT, lane.pull_both(key, &mut pulled, sink)).await?;
                lane.count_rest(key, &pulled, sink).await?;
            }
            self.give_back(user, lane);
            Ok::<_, String>(stands)
        };
        asked.await.unwrap_or_else(Probe::NoAccess)
    }

    async fn acknowledged(&self, keys: Vec<LatchKey>) {
        let mut users: BTreeSet<Option<String>> = BTreeSet::new();
        {
            let mut state = self.state();
            for LatchKey(key) in keys {
                // A key that another session sent may be anybody's: the name is removed wherever it is.
                let whose = match state.sent.remove(&key) {
                    Some(user) => vec![user],
                    None => state.users.keys().cloned().collect(),
                };
                for user in whose {
                    state.users.entry(user.clone()).or_default().settled.push(key.clone());
                    users.insert(user);
                }
            }
            users.retain(|u| state.users.get(u).is_some_and(|u| u.settled.len() >= UNACKNOWLEDGED));
        }
        for user in users {
            let keys = self.take_settled(user.as_deref());
            if let Ok(mut lane) = self.lane(user.as_deref()).await
                && lane.acknowledge(&keys).await.is_ok()
            {
                self.give_back(user.as_deref(), lane);
            }
        }
    }

    async fn left(&self) -> Result<(), String> {
        if !self.facts.latch {
            return Ok(());
        }
        let mut login = self.lane(None).await?;
        let (names, _) = login
            .script(
                "for x in \"$_d\"/u.*; do [ -e \"$x\" ] && echo \"${x##*/u.}\"; done",
                ANSWER,
            )
            .await?;
        let mut failed = Vec::new();
        let names = String::from_utf8_lossy(&names).into_owned();
        if names.lines().count() > USERS {
            return Err(format!(
                "it names more than {USERS} users whose directories are to be removed"
            ));
        }
        for name in names.lines() {
            match self.lane(Some(name)).await {
                Ok(mut lane) => failed.extend(lane.end().await.err()),
                Err(why) => failed.push(why),
            }
        }
        if failed.is_empty() {
            failed.extend(login.end().await.err());
        }
        let mut state = self.state();
        state.users.retain(|name, _| name.is_none());
        state.idle.clear();
        state.left = failed.is_empty();
        drop(state);
        self.give_back(None, login);
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed.join("; "))
        }
    }
}

impl Session for Host {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn run<'a>(&'a self, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(async move {
            if !self.facts.latch {
                return plain::run(self, &request, sink).await;
            }
            if let Some(LatchKey(key)) = request.latch.as_ref().filter(|_| self.latch) {
                return self.step(key, &request, Runs::Latched, sink).await;
            }
            match shell::nonce() {
                Ok(key) => {
                    let how = match request.streams {
                        true => self.stream(&key, &request, sink).await,
                        false => self.step(&key, &request, Runs::InLane, sink).await,
                    };
                    self.state().sent.remove(&key);
                    self.settled(request.become_user.as_deref(), key);
                    how
                }
                Err(why) => How::NotSent(why),
            }
        })
    }

    fn takes_several(&self) -> bool {
        self.facts.latch && self.runs_reads
    }

    fn run_reads<'a>(
        &'a self,
        requests: &'a [Request],
        hold: watch::Receiver<bool>,
        each: &'a mut dyn Each,
    ) -> Pending<'a, ()> {
        Box::pin(self.reads(requests, hold, each))
    }

    fn probe<'a>(
        &'a self,
        key: &'a LatchKey,
        boot: &'a str,
        become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Probe> {
        Box::pin(self.ask(&key.0, boot, become_user, sink))
    }

    fn follow<'a>(&'a self, key: &'a LatchKey, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(async move {
            match (self.turn().await, self.lane(request.become_user.as_deref()).await) {
                (Ok(_turn), Ok(lane)) => self.watch(lane, &key.0, &request, Pulled::default(), sink).await,
                (Err(why), _) | (_, Err(why)) => How::Unknown(why),
            }
        })
    }

    fn acknowledge<'a>(&'a self, keys: Vec<LatchKey>) -> Pending<'a, ()> {
        Box::pin(self.acknowledged(keys))
    }

    fn put<'a>(&'a self, file: Put) -> Pending<'a, Result<(), String>> {
        Box::pin(self.put_file(file))
    }

    fn get<'a>(
        &'a self,
        path: &'a str,
        max_bytes: u64,
        become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Result<(), String>> {
        Box::pin(self.get_file(path, max_bytes, become_user, sink))
    }

    fn lock<'a>(&'a self, note: &'a LockNote) -> Pending<'a, Result<LockOutcome, String>> {
        Box::pin(self.take_lock(note))
    }

    fn unlock<'a>(&'a self, run: &'a RunId) -> Pending<'a, Result<(), String>> {
        Box::pin(self.give_lock(run))
    }

    fn leave<'a>(&'a self) -> Pending<'a, Result<(), String>> {
        Box::pin(self.left())
    }

    fn close<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async move {
            self.state().idle.clear();
            self.channels.close().await;
        })
    }
}
