//! The scripted hosts: which answers are left, what each host has under way, and everything that was sent to them.
//!
//! Owns: the state that outlives sessions and processes. Must not: wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::{Answer, Fault};
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::inventory::selector::glob;

/// Something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub host: HostName,
    /// The rendered command, `upload PATH`, `download PATH` or `GET URL`.
    pub text: String,
}

/// The hosts of one case of a test.
pub struct World {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    answers: Vec<Answer>,
    /// How often a host has given an answer.
    spent: BTreeMap<(usize, HostName), u32>,
    given: BTreeSet<usize>,
    said: Vec<Said>,
    strays: Vec<Said>,
    pub(super) hosts: BTreeMap<HostName, Host>,
    facts: BTreeMap<HostName, Facts>,
}

/// One host.
pub(super) struct Host {
    /// Counts the links that were lost: a session of an earlier number is dead.
    pub(super) link: Arc<watch::Sender<u64>>,
    boot: u32,
    away_until: Option<Timestamp>,
    pub(super) files: BTreeMap<String, (Vec<u8>, Option<u32>)>,
    pub(super) attempts: BTreeMap<String, Attempt>,
}

/// One command that was started, or must never start.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) answer: Answer,
    /// When it ends, or what befalls it; `None`: never.
    pub(super) moment: Option<Timestamp>,
    pub(super) state: Stand,
}

/// How an attempt stands on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Running,
    Ended(i32),
    /// It was stopped; nothing is on record.
    Stopped,
    /// Gone with an earlier boot.
    Lost,
    /// It never began and never will.
    Never,
}

impl World {
    /// Hosts with these facts that give these answers, the first that fits first.
    pub fn new(answers: Vec<Answer>, facts: BTreeMap<HostName, Facts>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                answers,
                facts,
                ..State::default()
            }),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was sent, in order.
    pub fn said(&self) -> Vec<Said> {
        self.state().said.clone()
    }

    /// What was sent and had no answer.
    pub fn strays(&self) -> Vec<Said> {
        self.state().strays.clone()
    }

    /// Answers, by number, that no host has given.
    pub fn unused(&self) -> Vec<usize> {
        let state = self.state();
        (0..state.answers.len()).filter(|n| !state.given.contains(n)).collect()
    }

    pub(super) fn is_away(&self, host: &HostName, now: Timestamp) -> bool {
        let mut state = self.state();
        let host = state.host(host);
        host.catch_up(now);
        host.away_until.is_some_and(|until| now < until)
    }

    /// The answer to a login, if the script has one.
    pub(super) fn login(&self, host: &HostName, now: Timestamp) -> Option<Answer> {
        let mut state = self.state();
        state.take(
            host,
            |answer| matches!(answer.matches, super::Matches::Login),
            now,
            "connect",
        )
    }

    /// The answer to a command; a command without one is remembered.
    pub(super) fn take(&self, host: &HostName, key: &str, text: &str, now: Timestamp) -> Option<Answer> {
        let mut state = self.state();
        let answer = state.take(host, |answer| answer.is_for(key, text), now, text);
        if answer.is_none() {
            let said = Said {
                at: now,
                host: host.clone(),
                text: text.to_owned(),
            };
            state.said.push(said.clone());
            state.strays.push(said);
        }
        answer
    }

    /// The host's links are lost; `None`: it takes no login any more.
    pub(super) fn leave_for(&self, host: &HostName, away: Option<Duration>, now: Timestamp) {
        self.state().host(host).leave_for(away, now);
    }

    pub(super) fn facts(&self, host: &HostName) -> Facts {
        let mut state = self.state();
        let boot = state.host(host).boot_name();
        let known = state.facts.get(host).cloned().unwrap_or_default();
        Facts { boot, ..known }
    }
}

impl State {
    pub(super) fn host(&mut self, name: &HostName) -> &mut Host {
        self.hosts.entry(name.clone()).or_insert_with(|| Host {
            link: Arc::new(watch::Sender::new(0)),
            boot: 1,
            away_until: None,
            files: BTreeMap::new(),
            attempts: BTreeMap::new(),
        })
    }

    fn take(&mut self, host: &HostName, fits: impl Fn(&Answer) -> bool, now: Timestamp, text: &str) -> Option<Answer> {
        let free = |(n, answer): &(usize, &Answer)| {
            let spent = self.spent.get(&(*n, host.clone())).copied().unwrap_or(0);
            answer.times.is_none_or(|times| spent < times) && glob(&answer.on, host.as_str()) && fits(answer)
        };
        let (number, answer) = self.answers.iter().enumerate().find(free)?;
        let answer = answer.clone();
        *self.spent.entry((number, host.clone())).or_default() += 1;
        self.given.insert(number);
        self.said.push(Said {
            at: now,
            host: host.clone(),
            text: text.to_owned(),
        });
        Some(answer)
    }
}

impl Host {
    pub(super) fn boot_name(&self) -> String {
        format!("boot-{}", self.boot)
    }

    fn leave_for(&mut self, away: Option<Duration>, now: Timestamp) {
        self.link.send_modify(|lost| *lost += 1);
        let until = match away {
            None => Timestamp::MAX,
            Some(away) => later(now, away),
        };
        self.away_until = Some(self.away_until.map_or(until, |u| u.max(until)));
    }

    /// Lets everything happen that was to happen by now.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        loop {
            let due = |(name, a): (&String, &Attempt)| match (a.state, a.moment) {
                (Stand::Running, Some(at)) if at <= now => Some((at, name.clone())),
                _ => None,
            };
            let Some((at, name)) = self.attempts.iter().filter_map(due).min() else {
                return;
            };
            self.befall(&name, at);
        }
    }

    fn befall(&mut self, name: &str, at: Timestamp) {
        let Some(attempt) = self.attempts.get_mut(name) else {
            return;
        };
        let (then, rc, away) = (attempt.answer.then, attempt.answer.rc, attempt.answer.away());
        attempt.state = match then {
            Some(Fault::Lie) => Stand::Ended(0),
            Some(Fault::Reboot) => rc.map_or(Stand::Lost, Stand::Ended),
            _ => Stand::Ended(rc.unwrap_or(0)),
        };
        match then {
            Some(Fault::Reboot) => self.reboot(away, at),
            Some(Fault::Cut) => self.leave_for(away, at),
            _ => {}
        }
    }

    /// Another boot: what ran is gone without an end on record.
    pub(super) fn reboot(&mut self, away: Option<Duration>, at: Timestamp) {
        self.boot += 1;
        let running = |a: &&mut Attempt| a.state == Stand::Running;
        self.attempts
            .values_mut()
            .filter(running)
            .for_each(|a| a.state = Stand::Lost);
        self.leave_for(away, at);
    }

    /// Starts a command under a name.
    pub(super) fn start(&mut self, name: &str, answer: Answer, now: Timestamp) {
        let endless = matches!(answer.then, Some(Fault::Hang | Fault::NeverReturns));
        let attempt = Attempt {
            moment: (!endless).then(|| later(now, answer.after)),
            answer,
            state: Stand::Running,
        };
        self.attempts.insert(name.to_owned(), attempt);
    }
}

/// `wait` after `at`.
pub(super) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
