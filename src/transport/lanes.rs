//! The lanes of one session: opened when needed, kept for the next call, one user at a time noted for whoever cleans up.
//!
//! Owns: the pool, and what is known of each user. Must not: run steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::SemaphorePermit;

use super::channel::{Channel, NO_CHANNEL};
use super::host::Host;
use super::latch::{ANSWER, Lane};
use super::shell::{self, is_user, quote};

/// Lanes kept open for the next call, of all users together.
const IDLE: usize = 2;
/// Settled attempts are removed so many at a time: each time costs the host a process.
const AT_ONCE: usize = 16;
/// Bytes of output that a host is not left with for longer than need be.
const MUCH: u64 = 1 << 20;
/// What a session knows of its lanes and of the users it has become.
#[derive(Default)]
pub(super) struct State {
    pub(super) users: BTreeMap<Option<String>, User>,
    /// Lanes that wait for the next call, the longest unused first.
    pub(super) idle: Vec<(Option<String>, Lane)>,
    /// Keys that were sent in this session, and as whom.
    pub(super) sent: BTreeMap<String, Option<String>>,
    /// The run's directories are removed, and no call may make them again.
    pub(super) left: bool,
}

/// One user of a host, in one session.
#[derive(Default)]
pub(super) struct User {
    pub(super) known: bool,
    /// The run's directory should have been there and was not: nothing in it proves that a step never began.
    pub(super) lost: bool,
    pub(super) settled: Vec<String>,
    /// Attempts that left much on the host, settled or not.
    pub(super) much: BTreeSet<String>,
}

impl Host {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane of this user: one that is idle, or a new one.
    pub(super) async fn lane(&self, user: Option<&str>) -> Result<Lane, String> {
        if let Some(lane) = self.idle(user) {
            return Ok(lane);
        }
        match user {
            Some(name) if !self.is_known(user) => self.first_lane(name).await,
            _ => self.open_lane(user).await,
        }
    }

    async fn open_lane(&self, user: Option<&str>) -> Result<Lane, String> {
        let run = (!self.state().left).then_some(&self.run);
        let open = || Lane::open(self.channels.as_ref(), &self.privilege, user, run, None, self.limit);
        match open().await {
            Err(why) if self.makes_room(&why) => open().await,
            other => other,
        }
    }

    /// A channel of its own for this command.
    pub(super) async fn channel(&self, user: Option<&str>, command: &str) -> Result<Channel, String> {
        let open = || shell::open(self.channels.as_ref(), &self.privilege, user, command, self.limit);
        match open().await {
            Err(why) if self.makes_room(&why) => open().await,
            other => other,
        }
    }

    /// A host that gives no further channel, as one with `MaxSessions 2`, gets back those of idle lanes; false: it was not that,
    /// or there are none.
    pub(super) fn makes_room(&self, why: &str) -> bool {
        why.starts_with(NO_CHANNEL) && !std::mem::take(&mut self.state().idle).is_empty()
    }

    fn is_known(&self, user: Option<&str>) -> bool {
        self.state()
            .users
            .get(&user.map(str::to_owned))
            .is_some_and(|u| u.known)
    }

    /// The first lane of a user in this session decides whether the user's directory was lost.
    async fn first_lane(&self, name: &str) -> Result<Lane, String> {
        if !is_user(name) {
            return Err(format!("{name:?} is no name of a user"));
        }
        let _one_at_a_time = self.opening.lock().await;
        if self.is_known(Some(name)) {
            return self.open_lane(Some(name)).await;
        }
        let noted = self.facts.latch && self.note_user(name).await?;
        let lane = match self.open_lane(Some(name)).await {
            Ok(lane) => lane,
            Err(why) => {
                if self.facts.latch && !noted {
                    // Nothing of theirs was made. If even this fails, whoever cleans up looks there in vain.
                    let _ = self.login_script(&format!("rm -f \"$_d\"{}", note_of(name))).await;
                }
                return Err(why);
            }
        };
        let mut state = self.state();
        let entry = state.users.entry(Some(name.to_owned())).or_default();
        entry.known = true;
        entry.lost = noted && lane.hello.made;
        drop(state);
        Ok(lane)
    }

    fn idle(&self, user: Option<&str>) -> Option<Lane> {
        let mut state = self.state();
        while let Some(at) = state.idle.iter().rposition(|(of, _)| of.as_deref() == user) {
            let (_, mut lane) = state.idle.remove(at);
            if lane.is_usable() {
                lane.wake();
                return Some(lane);
            }
        }
        None
    }

    /// Puts a lane back for the next call.
    pub(super) fn give_back(&self, user: Option<&str>, mut lane: Lane) {
        if !lane.is_usable() {
            return;
        }
        lane.rest();
        let mut state = self.state();
        state.idle.push((user.map(str::to_owned), lane));
        if state.idle.len() > IDLE {
            state.idle.remove(0);
        }
    }

    /// A text of ours, as the login user.
    pub(super) async fn login_script(&self, text: &str) -> Result<(Vec<u8>, i32), String> {
        let mut lane = match self.idle(None) {
            Some(lane) => lane,
            None => self.open_lane(None).await?,
        };
        let answer = lane.script(text, ANSWER).await?;
        self.give_back(None, lane);
        Ok(answer)
    }

    /// A turn to do something that may need two channels.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, String> {
        self.steps
            .acquire()
            .await
            .map_err(|_| "the session is closed".to_owned())
    }

    /// Notes in the login user's directory that `name` will have one too, so that whoever cleans up knows; true if it was
    /// noted before.
    async fn note_user(&self, name: &str) -> Result<bool, String> {
        let file = note_of(name);
        let (said, status) = self
            .login_script(&format!("[ -e \"$_d\"{file} ] && echo old; : >>\"$_d\"{file}"))
            .await?;
        if status == 0 {
            Ok(said.starts_with(b"old"))
        } else {
            Err("the run's directory cannot be written".to_owned())
        }
    }

    pub(super) fn settled(&self, user: Option<&str>, key: String) {
        let mut state = self.state();
        state
            .users
            .entry(user.map(str::to_owned))
            .or_default()
            .settled
            .push(key);
    }

    /// A step has left this much output on the host.
    pub(super) fn leaves(&self, user: Option<&str>, key: &str, bytes: u64) {
        if bytes > MUCH
            && let Some(user) = self.state().users.get_mut(&user.map(str::to_owned))
        {
            user.much.insert(key.to_owned());
        }
    }

    /// What is to be removed with the next step: nothing, until it is worth while.
    pub(super) fn worth_removing(&self, user: Option<&str>) -> Vec<String> {
        let few = |u: &User| u.settled.len() < AT_ONCE && !u.settled.iter().any(|key| u.much.contains(key));
        if self.state().users.get(&user.map(str::to_owned)).is_none_or(few) {
            return Vec::new();
        }
        self.take_settled(user)
    }

    pub(super) fn take_settled(&self, user: Option<&str>) -> Vec<String> {
        let mut state = self.state();
        let Some(user) = state.users.get_mut(&user.map(str::to_owned)) else {
            return Vec::new();
        };
        let settled = std::mem::take(&mut user.settled);
        for key in &settled {
            user.much.remove(key);
        }
        settled
    }
}

/// The note that a user has a directory too, below `$_d`, quoted.
fn note_of(name: &str) -> String {
    quote(&format!("/u.{name}"))
}
