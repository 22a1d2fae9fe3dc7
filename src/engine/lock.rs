//! Entering hosts: login, privilege, the run's lock; and giving all of it back.
//!
//! Owns: the order of locks (inventory order, the first one alone, all before the first change). Must not: break a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::EngineError;
use super::drive::{Driver, Reached};
use super::task::side_by_side;
use crate::action::{Hands, KEPT_OPEN};
use crate::crash::{self, Moment};
use crate::id::{HostName, RunId};
use crate::inventory::facts::Facts;
use crate::plan::Place;
use crate::run::event::{Event, Outcome as RunOutcome};
use crate::run::ledger;
use crate::transport::{Command, How, LockNote, LockOutcome, Request, Session, Sink, Stream};

/// Hosts that are visited at one time before the run begins, and after it. How many logins that are is up to the transport.
const AT_ONCE: usize = 256;
/// Hosts among which the first to lock is looked for.
const FIRST: usize = 32;

/// The last visit to a host.
struct Parting {
    host: HostName,
    unlock: bool,
    /// The journal knows of the lock.
    recorded: bool,
    leave: bool,
}

impl Parting {
    /// What of it was done. A connection that was there may have been lost: then once more over a new one.
    async fn go(&self, hands: &Hands, run: &RunId) -> Vec<Event> {
        let (mut given, mut left) = (false, !self.leave);
        for _ in 0..2 {
            let Ok(session) = hands.session(&self.host).await else {
                break;
            };
            given = given || (self.unlock && session.unlock(run).await.is_ok());
            left = left || session.leave().await.is_ok();
            hands.close(&self.host).await;
            if left && given == self.unlock {
                break;
            }
        }
        let (unlocked, clean) = (given && self.recorded, left && self.leave);
        let host = || self.host.clone();
        let mut done = Vec::new();
        done.extend(unlocked.then(|| Event::Unlocked { host: host() }));
        done.extend(clean.then(|| Event::LeftClean { host: host() }));
        done
    }
}

/// What a lock is named after: two names of one machine have one.
type Machine = String;

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
    let session = hands.enter(host).await.map_err(|e| e.advised())?;
    for user in become_users {
        privilege(&*session, user).await?;
    }
    let lock = match lock {
        Some(note) => Some(take(hands, host, &note).await),
        None => None,
    };
    Ok(Box::new(Reached {
        facts: session.facts().clone(),
        lock,
    }))
}

/// Takes a host's lock. A connection that broke over it is no good any more.
async fn take(hands: &Hands, host: &HostName, note: &LockNote) -> Result<LockOutcome, String> {
    let session = hands.session(host).await.map_err(|e| e.to_string())?;
    let took = session.lock(note).await;
    if took.is_err() {
        hands.close(host).await;
    }
    took
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
        streams: false,
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

impl Driver {
    /// A login, with what the host said then.
    pub(super) fn connected(&self, host: &HostName, facts: &Facts) -> Event {
        Event::Connected {
            host: host.clone(),
            facts: Box::new(facts.redacted(&self.setup.redactor)),
        }
    }

    /// Hosts are about to be logged into: the journal names those where nothing of the run lay before, so that a crash leaves
    /// nothing that the ledger does not know. Each call is answered by one of [`Driver::entered`].
    pub(super) async fn enters(&mut self, hosts: &[HostName]) -> Result<(), EngineError> {
        let mut fresh = Vec::new();
        for host in hosts {
            if let Some(tasks) = self.entering.get_mut(host) {
                *tasks += 1;
            } else if !self.run.visited.contains(host) {
                self.entering.insert(host.clone(), 1);
                fresh.push(host.clone());
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.record(Event::Entering { hosts: fresh }).await.map(|_| ())
    }

    /// It was tried: where nobody came in, nothing lies.
    pub(super) fn entered(&mut self, hosts: &[HostName]) -> Vec<Event> {
        if hosts.iter().any(|host| self.entering.contains_key(host)) {
            crash::here(Moment::Entered);
        }
        let mut clean = Vec::new();
        for host in hosts {
            let Some(tasks) = self.entering.get_mut(host) else {
                continue;
            };
            *tasks -= 1;
            if *tasks == 0 {
                self.entering.remove(host);
                if !self.hands.has_entered(host) {
                    clean.push(Event::LeftClean { host: host.clone() });
                }
            }
        }
        clean
    }

    /// True if the journal has nothing to learn from this login.
    pub(super) fn knows(&self, host: &HostName, facts: &Facts) -> bool {
        self.run.visited.contains(host) && self.run.facts.get(host) == Some(&facts.redacted(&self.setup.redactor))
    }

    /// Who holds a host.
    pub(super) fn holder_words(&self, note: &LockNote) -> String {
        self.setup.redactor.redact_text(&format!(
            "locked by run {} of {} on {}, since {}",
            note.run, note.operator, note.controller, note.at
        ))
    }

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

    /// Users that steps of a phase become on one of the phase's own hosts.
    pub(super) fn become_users(&self, phase: &str, host: &HostName) -> BTreeSet<String> {
        let host = self.setup.plan.host(host);
        // What sudo allows there is known only with the command.
        if host.is_some_and(|h| h.become_exact) {
            return BTreeSet::new();
        }
        let Some(phase) = self.setup.plan.phase(phase) else {
            return BTreeSet::new();
        };
        phase
            .stages
            .each()
            .into_iter()
            .flat_map(|(_, steps)| steps)
            .filter(|step| step.place == Place::Own && !step.once)
            .filter_map(|step| step.becomes(host).map(str::to_owned))
            .collect()
    }

    /// Locks every target host of phases that change something, before the first change. One that cannot be reached now is
    /// locked when its phase begins; one that another run holds ends this run before it has touched anything.
    pub(super) async fn lock_all(&mut self) -> Result<(), EngineError> {
        let hosts = self.to_lock(|phase, host| !self.over(phase, host));
        self.lock_these(&hosts).await
    }

    /// Locks the hosts that still owe something, where the run does not hold them any more.
    pub(super) async fn lock_owing(&mut self) -> Result<(), EngineError> {
        let owing = self.owing();
        let hosts = self.to_lock(|_, host| owing.contains(host));
        self.lock_these(&hosts).await
    }

    /// Those of the hosts that need a lock in any phase, in the order of the inventory.
    fn to_lock(&self, fits: impl Fn(&str, &HostName) -> bool) -> Vec<HostName> {
        let plan = &self.setup.plan;
        let mut wanted = BTreeSet::new();
        for phase in plan.phases() {
            let needs = |h: &&HostName| self.wants_lock(&phase.id, h) && fits(&phase.id, h);
            wanted.extend(phase.hosts.iter().filter(needs));
        }
        let ordered = plan.hosts.iter().map(|h| &h.name);
        ordered.filter(|h| wanted.contains(h)).cloned().collect()
    }

    /// The first that can be reached is locked before the others: of two runs that begin on the same hosts at once, whoever has
    /// it has them all, where each would take some and both would be refused.
    async fn lock_these(&mut self, hosts: &[HostName]) -> Result<(), EngineError> {
        let (mut rest, mut alone) = (hosts, true);
        while alone && !rest.is_empty() {
            let (group, others) = rest.split_at(FIRST.min(rest.len()));
            let mut reached = self.log_in(group).await?;
            alone = reached.is_empty();
            let behind = reached.split_off(1.min(reached.len()));
            self.take_locks(reached).await?;
            self.take_locks(behind).await?;
            rest = others;
        }
        // As many as stay open: a lock goes over the connection of the login.
        for group in rest.chunks(KEPT_OPEN) {
            let reached = self.log_in(group).await?;
            self.take_locks(reached).await?;
        }
        Ok(())
    }

    /// Logs in, side by side: the hosts that could be reached.
    async fn log_in(&mut self, hosts: &[HostName]) -> Result<Vec<HostName>, EngineError> {
        self.enters(hosts).await?;
        let hands = self.hands.clone();
        let enters = move |host: HostName| {
            let hands = hands.clone();
            async move { enter(&hands, &host, None, &BTreeSet::new()).await }
        };
        let came_in = side_by_side(hosts.to_vec(), AT_ONCE, enters).await;
        let (mut reached, mut events) = (Vec::new(), self.entered(hosts));
        for (host, came) in hosts.iter().zip(came_in) {
            if let Some(Ok(came)) = came {
                events.push(self.connected(host, &came.facts));
                reached.push(host.clone());
            }
        }
        self.record_all(events).await?;
        Ok(reached)
    }

    /// Takes the locks of hosts that were reached, side by side; one that another run holds ends this one.
    async fn take_locks(&mut self, hosts: Vec<HostName>) -> Result<(), EngineError> {
        let (hands, note, refused) = (self.hands.clone(), self.lock_note(), Arc::new(AtomicBool::new(false)));
        let takes = move |host: HostName| {
            let (hands, note, refused) = (hands.clone(), note.clone(), refused.clone());
            async move {
                // What would only be given back is not taken.
                if refused.load(Ordering::Relaxed) {
                    return None;
                }
                let took = take(&hands, &host, &note).await;
                refused.fetch_or(matches!(took, Ok(LockOutcome::Held(_))), Ordering::Relaxed);
                Some(took)
            }
        };
        let all = side_by_side(hosts.clone(), AT_ONCE, takes).await;
        let (mut events, mut held) = (Vec::new(), None);
        for (host, took) in hosts.into_iter().zip(all) {
            crash::here(Moment::Locked);
            match took {
                Some(Some(Ok(LockOutcome::Taken))) => events.push(Event::Locked { host, on_host: true }),
                Some(Some(Ok(LockOutcome::NoPlace(_)))) => events.push(Event::Locked { host, on_host: false }),
                Some(Some(Ok(LockOutcome::Held(note)))) => held = held.or(Some((host, note))),
                // Asked for again when its phase begins.
                Some(Some(Err(_))) | None => drop(self.unsure_locks.insert(host)),
                Some(None) => {}
            }
        }
        self.record_all(events).await?;
        match held {
            Some((host, note)) => Err(self.refuse(&host, &note).await?),
            None => Ok(()),
        }
    }

    fn over(&self, phase: &str, host: &HostName) -> bool {
        self.run.line(phase, host).is_some_and(|l| l.closed)
    }

    async fn refuse(&mut self, host: &HostName, note: &LockNote) -> Result<EngineError, EngineError> {
        let why = format!("{host} is {}", self.holder_words(note));
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
            help: self.setup.redactor.redact_text(&format!(
                "wait for it, or look at it: pitstop status {} (on {})",
                note.run, note.controller
            )),
        })
    }

    /// Gives back the locks of hosts that owe nothing, removes what is ours from the hosts, closes the connections.
    ///
    /// Also on hosts that only an earlier process of this run was on: their locks are ours, and a process that was cut off
    /// has left its directories. What cannot be reached stays in the ledger.
    pub(super) async fn give_back(&mut self, exit: u8) -> Result<(), EngineError> {
        let machines: Vec<Vec<Parting>> = self.partings(exit).into_values().collect();
        let (hands, id) = (self.hands.clone(), self.setup.id.clone());
        let parts = move |names: Vec<Parting>| {
            let (hands, id) = (hands.clone(), id.clone());
            async move {
                let mut given = Vec::new();
                // One after another: the names of one machine share its lock.
                for parting in names {
                    given.extend(parting.go(&hands, &id).await);
                }
                given
            }
        };
        let all = side_by_side(machines, AT_ONCE, parts).await;
        let mut unlocked: Vec<Event> = all.into_iter().flatten().flatten().collect();
        crash::here(Moment::GivenBack);
        let owing = self.owing();
        let here = self.run.locked.iter().filter(|(_, on_host)| !**on_host);
        let free = here.filter(|(host, _)| !owing.contains(*host));
        unlocked.extend(free.map(|(host, _)| Event::Unlocked { host: host.clone() }));
        self.record_all(unlocked).await
    }

    /// Where something of ours may lie, and what of it may go, by machine.
    fn partings(&self, exit: u8) -> BTreeMap<Machine, Vec<Parting>> {
        let owing = self.owing();
        let can_go_on = matches!(exit, 5..=7);
        // The record of a step that is open, or that nobody knows the end of, is the only witness: it stays.
        let mut witnesses = self.unknown_on();
        witnesses.extend(self.run.open.values().map(|o| &o.on));
        // A stopped run keeps the hosts it has begun; one that is over keeps only those that owe something.
        let keep = |host: &HostName| owing.contains(host) || (can_go_on && self.in_hand(host));
        let locked = |host: &HostName| self.run.locked.get(host) == Some(&true);
        let kept: BTreeSet<Machine> = self
            .run
            .locked
            .keys()
            .filter(|h| keep(h))
            .map(|h| self.machine(h))
            .collect();
        let mut hosts: BTreeSet<&HostName> = self.hands.entered().collect();
        hosts.extend(
            self.run
                .locked
                .keys()
                .filter(|h| locked(h) && !kept.contains(&self.machine(h))),
        );
        // Also what a former process left and could not reach. One that was cut off may have been where no record tells of.
        hosts.extend(&self.run.visited);
        let anywhere = self.after_a_crash && self.run.cleaning;
        if anywhere {
            hosts.extend(self.setup.plan.hosts.iter().map(|h| &h.name));
        }
        let mut partings: BTreeMap<Machine, Vec<Parting>> = BTreeMap::new();
        for host in hosts {
            let machine = self.machine(host);
            let parting = Parting {
                host: host.clone(),
                unlock: (locked(host) || self.after_a_crash || self.unsure_locks.contains(host))
                    && !kept.contains(&machine),
                recorded: locked(host),
                leave: !witnesses.contains(host),
            };
            partings.entry(machine).or_default().push(parting);
        }
        partings
    }

    fn machine(&self, host: &HostName) -> Machine {
        let known = self
            .run
            .facts
            .get(host)
            .map(Facts::identity)
            .filter(|known| !known.is_empty());
        known.map_or_else(|| format!("host {host}"), str::to_owned)
    }

    fn owing(&self) -> BTreeSet<HostName> {
        ledger::of_the_work(&self.setup.plan, &self.run)
            .filter_map(|o| o.host)
            .collect()
    }

    fn in_hand(&self, host: &HostName) -> bool {
        self.run
            .phases
            .values()
            .filter_map(|p| p.lines.get(host))
            .any(|l| l.touched() && !l.closed)
    }

    /// Hosts on which a step was done of which nobody knows the end.
    fn unknown_on(&self) -> BTreeSet<&HostName> {
        let slots = self
            .run
            .phases
            .values()
            .flat_map(|p| p.lines.values())
            .flat_map(|l| l.slots.values());
        let unknown = slots.filter(|s| s.end.as_ref().is_some_and(|e| e.outcome == RunOutcome::Unknown));
        unknown.filter_map(|s| s.on.as_ref()).collect()
    }
}
