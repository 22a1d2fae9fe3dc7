//! Entering hosts: login, privilege, the run's lock; and giving all of it back.
//!
//! Owns: the order of locks (inventory order, all before the first change). Must not: break a lock.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::EngineError;
use super::drive::{Driver, Reached};
use crate::action::Hands;
use crate::id::HostName;
use crate::plan::Place;
use crate::run::event::Event;
use crate::run::ledger::{self, Owed};
use crate::transport::{Command, How, LockNote, LockOutcome, Request, Session, Sink, Stream};

/// Hosts that are entered at one time before the run begins.
const ENTER_AT_ONCE: usize = 32;

struct Words(Vec<u8>);

impl Sink for Words {
    fn take(&mut self, _: Stream, bytes: &[u8]) {
        let room = 400usize.saturating_sub(self.0.len());
        self.0
            .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }
}

/// Logs in, proves the privilege that the phase will need, takes the lock if asked.
pub(super) async fn enter(
    hands: &Hands,
    host: &HostName,
    lock: Option<LockNote>,
    become_users: &BTreeSet<String>,
) -> Result<Box<Reached>, String> {
    let session = hands
        .reopen(host, Duration::ZERO)
        .await
        .map_err(|e| format!("{e} ({})", e.help))?;
    for user in become_users {
        privilege(&*session, user).await?;
    }
    let lock = match lock {
        Some(note) => Some(session.lock(&note).await),
        None => None,
    };
    Ok(Box::new(Reached {
        facts: session.facts().clone(),
        lock,
    }))
}

async fn privilege(session: &dyn Session, user: &str) -> Result<(), String> {
    let request = Request {
        command: Command::Shell("true".to_owned()),
        env: Vec::new(),
        stdin: None,
        become_user: Some(user.to_owned()),
        timeout: Duration::from_secs(20),
        latch: None,
        step_key: String::new(),
        cancel: watch::channel(false).1,
    };
    let mut words = Words(Vec::new());
    match session.run(request, &mut words).await {
        How::Exited(0) => Ok(()),
        How::NotSent(why) | How::Unknown(why) => Err(format!("cannot become {user}: {why}")),
        How::Exited(status) => {
            let said = String::from_utf8_lossy(&words.0);
            Err(format!(
                "cannot become {user}: exit code {status} {}",
                said.lines().next().unwrap_or("").trim()
            )
            .trim_end()
            .to_owned())
        }
        How::TimedOut | How::Cancelled => Err(format!("cannot become {user}: no answer within 20 s")),
    }
}

/// Who holds a host.
pub(super) fn holder_words(note: &LockNote) -> String {
    format!(
        "locked by run {} of {} on {}, since {}",
        note.run, note.operator, note.controller, note.at
    )
}

impl Driver {
    pub(super) fn lock_note(&self) -> LockNote {
        LockNote {
            run: self.setup.id.as_str().to_owned(),
            operator: self.setup.operator.clone(),
            controller: self.setup.controller.clone(),
            at: self.setup.clock.now().to_string(),
        }
    }

    /// Target hosts of phases that change something are locked; delegates and checks are not.
    pub(super) fn wants_lock(&self, phase: &str, host: &HostName) -> bool {
        !self.run.dry
            && !self.run.locked.contains_key(host)
            && !host.is_controller()
            && self.setup.plan.phase(phase).is_some_and(|p| p.changes)
    }

    /// Users that steps of a phase become on the phase's own hosts.
    pub(super) fn become_users(&self, phase: &str) -> BTreeSet<String> {
        let Some(phase) = self.setup.plan.phase(phase) else {
            return BTreeSet::new();
        };
        let s = &phase.stages;
        [&s.precheck, &s.drain, &s.steps, &s.verify, &s.undrain, &s.cleanup]
            .into_iter()
            .flatten()
            .filter(|step| step.place == Place::Own && !step.once)
            .filter_map(|step| step.become_user.clone())
            .collect()
    }

    /// Locks every target host of phases that change something, before the first change. One that cannot be reached now is
    /// locked when its phase begins; one that another run holds ends this run before it has touched anything.
    pub(super) async fn lock_all(&mut self) -> Result<(), EngineError> {
        let hosts: Vec<HostName> = self
            .setup
            .plan
            .hosts
            .iter()
            .map(|h| h.name.clone())
            .filter(|h| {
                self.setup
                    .plan
                    .phases()
                    .any(|p| p.hosts.contains(h) && self.wants_lock(&p.id, h) && !self.over(&p.id, h))
            })
            .collect();
        for group in hosts.chunks(ENTER_AT_ONCE) {
            let mut tasks = Vec::new();
            for host in group {
                let (hands, host, note) = (self.hands.clone(), host.clone(), self.lock_note());
                tasks.push(tokio::spawn(async move {
                    let came = enter(&hands, &host, Some(note), &BTreeSet::new()).await;
                    (host, came)
                }));
            }
            let mut held = None;
            for task in tasks {
                let Ok((host, came)) = task.await else { continue };
                let Ok(reached) = came else { continue };
                let mut events = vec![Event::Connected {
                    host: host.clone(),
                    facts: reached.facts,
                }];
                match reached.lock {
                    Some(LockOutcome::Taken) => events.push(Event::Locked { host, on_host: true }),
                    Some(LockOutcome::NoPlace(_)) => events.push(Event::Locked { host, on_host: false }),
                    Some(LockOutcome::Held(note)) => held = Some((host, note)),
                    None => {}
                }
                self.record_all(events).await?;
            }
            if let Some((host, note)) = held {
                return Err(self.refuse(&host, &note).await?);
            }
        }
        Ok(())
    }

    fn over(&self, phase: &str, host: &HostName) -> bool {
        self.run.line(phase, host).is_some_and(|l| l.closed)
    }

    async fn refuse(&mut self, host: &HostName, note: &LockNote) -> Result<EngineError, EngineError> {
        let why = format!("{host} is {}", holder_words(note));
        self.give_back(6).await?;
        let left: Vec<String> = ledger::obligations(&self.setup.plan, &self.run)
            .into_iter()
            .map(|o| o.id)
            .collect();
        let verdict = crate::run::event::Verdict::Stopped;
        self.record(Event::Ended {
            verdict,
            exit: 6,
            left_behind: left,
        })
        .await?;
        Ok(EngineError::Refused {
            why,
            help: format!(
                "wait for it, or look at it: pitstop status {} (on {})",
                note.run, note.controller
            ),
        })
    }

    /// Gives back the locks of hosts that owe nothing, removes what is ours from the hosts, closes the connections.
    pub(super) async fn give_back(&mut self, exit: u8) -> Result<(), EngineError> {
        let owing: BTreeSet<HostName> = ledger::obligations(&self.setup.plan, &self.run)
            .into_iter()
            .filter(|o| o.kind != Owed::Lock)
            .filter_map(|o| o.host)
            .collect();
        let can_go_on = matches!(exit, 5 | 7);
        let open: BTreeSet<HostName> = self.run.open.values().map(|o| o.on.clone()).collect();
        let mut unlocked = Vec::new();
        for (host, session) in self.hands.open().await {
            let locked = self.run.locked.get(&host);
            // A stopped run keeps the hosts it has begun; one that is over keeps only those that owe something.
            let keep = owing.contains(&host) || (can_go_on && self.in_hand(&host));
            if locked == Some(&true) && !keep && session.unlock(&self.setup.id).await.is_ok() {
                unlocked.push(Event::Unlocked { host: host.clone() });
            }
            // The record of a step that nobody knows the end of is the only witness: it stays.
            if !open.contains(&host) && !self.unknown_on(&host) {
                let _ = session.leave().await;
            }
            session.close().await;
        }
        for host in self
            .run
            .locked
            .iter()
            .filter(|(_, on_host)| !**on_host)
            .map(|(h, _)| h.clone())
        {
            if !owing.contains(&host) {
                unlocked.push(Event::Unlocked { host });
            }
        }
        self.record_all(unlocked).await
    }

    fn in_hand(&self, host: &HostName) -> bool {
        self.run
            .phases
            .values()
            .filter_map(|p| p.lines.get(host))
            .any(|l| l.touched() && !l.closed)
    }

    fn unknown_on(&self, host: &HostName) -> bool {
        self.run
            .phases
            .values()
            .flat_map(|p| p.lines.values())
            .flat_map(|l| l.slots.values())
            .any(|s| {
                s.on.as_ref() == Some(host)
                    && s.end
                        .as_ref()
                        .is_some_and(|e| e.outcome == crate::run::event::Outcome::Unknown)
            })
    }
}
