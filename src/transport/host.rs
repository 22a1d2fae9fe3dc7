//! A logged-in host: the [`Session`] over any kind of [`Channels`].
//!
//! Owns: the life of one step on a lane, from sending to the proven end. Must not: know SSH or child processes.
//!
//! A read-only step takes the same lane as a changing one, under a throw-away name: one round trip, streams apart, proven
//! stops; only that the lane runs it itself where it can, without a latch. A host without a place for the latch is
//! *attached* (`plain.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::channel::{Channels, ends};
use super::lanes::{State, User};
use super::latch::{ANSWER, Alive, Hello, LONGEST_COMMAND, Lane, Pulled, Reply, Runs};
use super::shell::{self, quote};
use super::{Command, ConnectError, Endpoint, How, LatchKey, LockNote, LockOutcome, Pending, Privilege, Probe, Put};
use super::{Request, Session, Sink, facts, plain};
use crate::control::{self, Protection};
use crate::id::RunId;
use crate::inventory::facts::Facts;

/// Steps and files under way at one time on one host. A connection carries eight channels: with two idle lanes one is
/// always left for looking and stopping.
const STEPS: usize = 5;
/// How long a step may go on after TERM, and its rests after KILL.
const GRACE: Duration = Duration::from_secs(5);
/// A step that takes longer than this has its output pulled while it runs.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(500);
/// What a step said must be here so long after its end at the latest, or after its own limit, if that is longer.
const REST_OF_OUTPUT: Duration = Duration::from_secs(60);
/// What a step said that ended while nobody listened.
const LONG_OUTPUT: Duration = Duration::from_secs(600);
/// Stopping a step, and being sure of it, takes no longer.
const STOP: Duration = Duration::from_secs(90);
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
        about: impl FnOnce(&mut Facts, &Hello),
    ) -> Result<Self, ConnectError> {
        let limit = to.connect_timeout;
        let opened = Lane::open(channels.as_ref(), &to.privilege, None, Some(&to.run), limit).await;
        let lane = opened.map_err(|cause| ConnectError {
            doing: format!("starting a shell on {}", to.host),
            cause,
            help: "log in by hand and run `/bin/sh`: a forced command or a start-up file may be in the way".to_owned(),
            transient: channels.is_closed(),
            touched: true,
        })?;
        let mut known = facts::read(&lane.hello);
        about(&mut known, &lane.hello);
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
            facts: known,
            limit,
            run: to.run.clone(),
            latch: latch && !control::off(Protection::Latch),
            steps: Semaphore::new(STEPS),
            opening: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    /// One step on a lane, from its start to its end.
    async fn step(&self, key: &str, request: &Request, runs: Runs, sink: &mut dyn Sink) -> How {
        let user = request.become_user.as_deref();
        if *request.cancel.borrow() {
            return How::NotSent("stopped before it was sent".to_owned());
        }
        if self.state().left {
            return How::NotSent("the run has left this host".to_owned());
        }
        // Before anything can wait: whoever drops this future in the middle will probe.
        self.state().sent.insert(key.to_owned(), request.become_user.clone());
        let (_turn, mut lane) = match (self.turn().await, self.lane(user).await) {
            (Ok(turn), Ok(lane)) => (turn, lane),
            (Err(why), _) | (_, Err(why)) => return How::NotSent(why),
        };
        let Some(dir) = lane.hello.dir.clone() else {
            return plain::run(self, request, sink).await;
        };
        let stem = format!("{dir}/{key}");
        let delivered = tokio::time::timeout(request.timeout, self.deliver_step(&mut lane, &stem, request)).await;
        let text = match delivered {
            Ok(Ok(text)) => text,
            Ok(Err(why)) => return How::NotSent(why),
            Err(_) => return How::NotSent("what it needs did not arrive within its limit".to_owned()),
        };
        let deadline = ends(request.timeout);
        // Whose processes are to be stopped, where no record says so.
        let by = lane.hello.process.clone().filter(|_| runs == Runs::InLane);
        let runs = if by.is_some() { Runs::InLane } else { Runs::Latched };
        if !lane.send_step(key, &text, runs, &self.worth_removing(user)) {
            return How::NotSent("the connection had ended".to_owned());
        }
        let mut cancel = request.cancel.clone();
        let (mut pulled, mut part, mut look) = (Pulled::default(), None, Instant::now() + FIRST_LOOK);
        loop {
            tokio::select! {
                reply = lane.step_reply(&mut part) => return match reply {
                    Ok(reply) => self.ended(lane, key, request, &reply, pulled, sink).await,
                    Err(why) => How::Unknown(why),
                },
                () = cancelled(&mut cancel) => {
                    return self.stop(key, user, by.as_deref(), How::Cancelled, pulled, sink).await;
                }
                () = tokio::time::sleep_until(deadline) => {
                    return self.stop(key, user, by.as_deref(), How::TimedOut, pulled, sink).await;
                }
                () = tokio::time::sleep_until(look) => {
                    // A host that is slow to show what it has does not put off the step's limit.
                    tokio::select! {
                        () = self.look(key, user, &mut pulled, sink) => {}
                        () = cancelled(&mut cancel) => {}
                        () = tokio::time::sleep_until(deadline) => {}
                    }
                    look = Instant::now() + LOOK;
                }
            }
        }
    }

    /// Gives the sink what a running step has said so far.
    async fn look(&self, key: &str, user: Option<&str>, pulled: &mut Pulled, sink: &mut dyn Sink) {
        if let Ok(mut side) = self.lane(user).await
            && side.pull_both(key, pulled, sink).await.is_ok()
        {
            self.give_back(user, side);
        }
    }

    /// The lane has answered: the rest of the output, and what the answer means.
    async fn ended(
        &self,
        mut lane: Lane,
        key: &str,
        request: &Request,
        reply: &Reply,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let user = request.become_user.as_deref();
        if let Some(status) = reply.status {
            let within = request.timeout.max(REST_OF_OUTPUT);
            if let Err(why) = in_time(within, lane.finish(key, reply, &mut pulled, sink)).await {
                return How::Unknown(format!("it ended with status {status}, its output did not come: {why}"));
            }
            self.leaves(user, key, pulled.bytes());
            self.give_back(user, lane);
            return How::Exited(status);
        }
        // No status came with the answer: somebody else runs this key, or it was fenced, or its recorder was killed.
        self.watch(lane, key, request, pulled, sink).await
    }

    /// Follows an attempt that somebody else started.
    async fn watch(
        &self,
        mut lane: Lane,
        key: &str,
        request: &Request,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let user = request.become_user.as_deref();
        let deadline = ends(request.timeout);
        let mut cancel = request.cancel.clone();
        let mut wait = Duration::from_millis(50);
        loop {
            let stands = match lane.probe(key, &self.facts.boot).await {
                Ok(stands) => stands,
                Err(why) => return How::Unknown(why),
            };
            let within = request.timeout.max(REST_OF_OUTPUT);
            if matches!(stands, Probe::Done(_) | Probe::Running)
                && let Err(why) = in_time(within, lane.pull_both(key, &mut pulled, sink)).await
            {
                return How::Unknown(format!("its output did not come: {why}"));
            }
            match stands {
                Probe::Running => {}
                Probe::Done(status) => {
                    if let Err(why) = lane.count_rest(key, &pulled, sink).await {
                        return How::Unknown(format!("its output did not come: {why}"));
                    }
                    self.leaves(user, key, pulled.bytes());
                    self.give_back(user, lane);
                    return How::Exited(status);
                }
                other => return meaning(&other),
            }
            tokio::select! {
                () = cancelled(&mut cancel) => return self.stop(key, user, None, How::Cancelled, pulled, sink).await,
                () = tokio::time::sleep_until(deadline) => {
                    return self.stop(key, user, None, How::TimedOut, pulled, sink).await;
                }
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(LOOK),
            }
        }
    }

    /// Stops a step and proves it: TERM, then KILL, to all of it, by the same user. `how` is the answer if that is proven. `by`:
    /// the lane that runs it without a record.
    async fn stop(
        &self,
        key: &str,
        user: Option<&str>,
        by: Option<&str>,
        how: How,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let stopped = async {
            let mut side = self.lane(user).await?;
            let stands = match by {
                Some(_) => Probe::Running,
                None => side.probe(key, &self.facts.boot).await?,
            };
            let how = match stands {
                Probe::Never => return Ok((side, how)),
                Probe::Done(status) => How::Exited(status),
                Probe::Running | Probe::Orphan => match kill(&mut side, key, by).await? {
                    Some(status) => How::Exited(status),
                    None => how,
                },
                other => meaning(&other),
            };
            side.pull_both(key, &mut pulled, sink).await?;
            side.count_rest(key, &pulled, sink).await?;
            Ok::<_, String>((side, how))
        };
        match in_time(STOP, stopped).await {
            Ok((side, how)) => {
                self.leaves(user, key, pulled.bytes());
                self.give_back(user, side);
                how
            }
            Err(why) => How::Unknown(format!("it was to be stopped, and may still run: {why}")),
        }
    }

    /// Sends what a step needs as files beside its record, and gives the command's text.
    async fn deliver_step(&self, lane: &mut Lane, stem: &str, request: &Request) -> Result<String, String> {
        let user = request.become_user.as_deref();
        let text = shell::text(request, stem)?;
        if let Some(stdin) = &request.stdin {
            self.deliver(lane, user, &format!("{stem}.i"), stdin.expose().as_bytes())
                .await?;
        }
        let stem_x = format!("{stem}.x");
        if let Command::Script { content, .. } = &request.command {
            self.deliver(lane, user, &stem_x, content).await?;
        } else if text.len() > LONGEST_COMMAND {
            // The environment is in it, perhaps with secrets: the shell that reads it has it open.
            let script = quote(&stem_x);
            let text = format!("rm -f {script}\n{text}");
            self.deliver(lane, user, &stem_x, text.as_bytes()).await?;
            return Ok(format!(". {script}"));
        }
        if text.len() > LONGEST_COMMAND {
            return Err("the environment and arguments of a script are limited to 64 KiB".to_owned());
        }
        Ok(text)
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

/// No host holds its line by answering slowly for ever.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("not within {} s", limit.as_secs())),
    }
}

/// TERM, then KILL, until nothing of the step lives; the status, if it had ended by itself before.
async fn kill(side: &mut Lane, key: &str, by: Option<&str>) -> Result<Option<i32>, String> {
    for signal in ["TERM", "KILL"] {
        let since = Instant::now();
        let mut now = side.signal(key, signal, by).await?;
        loop {
            match now {
                Alive::Ended(status) => return Ok(Some(status)),
                Alive::None => return Ok(None),
                Alive::Some if since.elapsed() > GRACE => break,
                Alive::Some => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            // What is born between the look and the signal is met by the next one.
            now = side
                .signal(key, if signal == "KILL" { "KILL" } else { "0" }, by)
                .await?;
        }
    }
    Err("processes of it outlive SIGKILL".to_owned())
}

/// What a probe's answer, other than running or done, says about a step's end.
fn meaning(stands: &Probe) -> How {
    How::Unknown(match stands {
        Probe::Never => return How::NotSent("it never began, and cannot any more".to_owned()),
        Probe::Done(status) => return How::Exited(*status),
        Probe::Running => "it still runs".to_owned(),
        Probe::Orphan => "its recorder was killed, processes of it still run".to_owned(),
        Probe::LostReboot => "the host was rebooted before its end was on record".to_owned(),
        Probe::LostDied => "it was killed before its end was on record".to_owned(),
        Probe::NoAccess(why) => why.clone(),
    })
}

/// Ends when the operator wants running commands stopped; never, if nobody can want it any more.
pub(super) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending::<()>().await;
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
                    let how = self.step(&key, &request, Runs::InLane, sink).await;
                    self.state().sent.remove(&key);
                    self.settled(request.become_user.as_deref(), key);
                    how
                }
                Err(why) => How::NotSent(why),
            }
        })
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
