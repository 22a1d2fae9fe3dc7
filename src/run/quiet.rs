//! Monitoring that keeps quiet: when it is asked to, for how long, and when it may speak again.
//!
//! Owns: what the journal tells of silences, and every decision on them. Must not: know any monitoring, or send a request.
//!
//! ```text
//!            Silencing ─ Silenced ─┬─ Silencing ─ Silenced (renewed at half) …  ─ Unsilenced
//!                └─ NotSilenced    └─ StillSilenced: it ends by itself, and is owed until then
//! ```
//!
//! A silence holds a host back only before anything was done there: where something was, nobody is left half done because
//! monitoring is down.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, HostState};
use super::ledger::{self, Obligation, Owed};
use super::line::LineNext;
use super::next::{Decider, Next};
use super::{Line, Run};
use crate::id::HostName;
use crate::plan::{Plan, PlannedPhase, Stage};

/// A silence that could not be renewed is tried again after this part of its length.
const AGAIN: u64 = 8;

/// Which silence: its name in the plan, and the host if it is about one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SilenceKey {
    /// As [`Plan::named_silences`] has it.
    pub name: String,
    /// `None`: for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

impl fmt::Display for SilenceKey {
    /// As the ledger calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "silence:{}/{host}", self.name),
            None => write!(f, "silence:{}", self.name),
        }
    }
}

/// One silence, as its events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silence {
    /// What the monitoring calls it, once it has said so.
    pub id: Option<String>,
    /// It is known to last until then.
    pub until: Option<Timestamp>,
    /// It may last until then; `None`: there is none.
    pub last: Option<Timestamp>,
    /// Monitoring was asked, and has not answered.
    pub open: bool,
    /// What is known of it is a former process's.
    pub left: bool,
    /// When and why the last request failed.
    pub failed: Option<(Timestamp, String)>,
    /// Its host needs it no more: whoever comes next asks anew, for it may be taken off already.
    pub leaving: bool,
    /// This process has tried in vain to take it off.
    pub stays: bool,
}

impl Silence {
    /// True while this process waits for an answer.
    pub fn under_way(&self) -> bool {
        self.open && !self.left
    }

    /// True if nobody can say whether the monitoring knows of it, or what it calls it: it is to be looked up.
    pub fn unsure(&self) -> bool {
        self.last.is_some() && (self.last != self.until || self.id.is_none())
    }

    pub(super) fn another_process(&mut self) {
        (self.left, self.stays, self.failed) = (true, false, None);
    }

    /// Not its end: that is the monitoring's, and goes by its clock.
    pub(super) fn our_moments(&mut self, each: &mut impl FnMut(&mut Timestamp)) {
        self.failed.iter_mut().for_each(|(at, _)| each(at));
    }

    /// True once it has ended by itself, or was never set.
    fn is_gone(&self, now: Timestamp) -> bool {
        self.last.is_none_or(|last| last <= now)
    }

    /// When monitoring is asked again: at half of the time, or a while after it did not answer.
    fn due(&self, for_ms: u64) -> Timestamp {
        let ms = Duration::from_millis;
        match (&self.failed, self.last) {
            (Some((at, _)), _) => at.saturating_add(ms(for_ms / AGAIN)).unwrap_or(*at),
            (None, Some(last)) if !self.left => last.checked_sub(ms(for_ms / 2)).unwrap_or(last),
            _ => Timestamp::MIN,
        }
    }
}

impl Run {
    /// One more fact about a silence.
    pub(super) fn quiet(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Silencing { silence: key, until } => {
                self.forgiven.remove(&key.to_string());
                let s = self.silences.entry(key.clone()).or_default();
                (s.open, s.left, s.stays, s.leaving) = (true, false, false, false);
                s.last = s.last.max(Some(*until));
            }
            Event::Silenced {
                silence: key,
                id,
                until,
            } => {
                let s = self.silences.entry(key.clone()).or_default();
                *s = Silence {
                    id: Some(id.clone()),
                    until: Some(*until),
                    last: Some(*until),
                    leaving: s.leaving,
                    ..Silence::default()
                };
            }
            Event::NotSilenced {
                silence: key,
                why,
                perhaps,
            } => {
                let s = self.silences.entry(key.clone()).or_default();
                s.open = false;
                s.failed = Some((at, why.clone()));
                if !perhaps {
                    s.last = s.until;
                }
            }
            Event::Unsilenced { silence } => drop(self.silences.remove(silence)),
            Event::StillSilenced { silence, .. } => {
                if let Some(s) = self.silences.get_mut(silence) {
                    // It may be gone all the same: no host relies on it.
                    (s.stays, s.until) = (true, None);
                }
            }
            _ => {}
        }
    }

    /// A line of a host has ended: unless another keeps it, its silences are to be taken off, and what was never set is forgotten.
    pub(super) fn needs_quiet_no_more(&mut self, host: &HostName) {
        let done = !self.worked_on(host);
        self.silences.retain(|key, s| {
            let own = key.host.as_ref() == Some(host);
            s.leaving |= own && done;
            !own || s.open || s.last.is_some()
        });
    }

    /// True while a host's own silences are to last: its turn has come and has not ended, or it has not ended well.
    fn worked_on(&self, host: &HostName) -> bool {
        let mut lines = self.phases.values().filter_map(|p| p.lines.get(host));
        !self.cleaning && lines.any(|l| l.under_way() || l.touched() && !ended_well(l))
    }

    /// True while something of a host is done, and not yet all.
    fn half_done(&self, host: &HostName) -> bool {
        let mut lines = self.phases.values().filter_map(|p| p.lines.get(host));
        !self.cleaning && lines.any(|l| l.under_way() && l.touched())
    }
}

fn ended_well(line: &Line) -> bool {
    !matches!(
        line.ended,
        None | Some(HostState::Held | HostState::Broken | HostState::Unknown)
    )
}

/// How it stands with the silences that a step waits for.
pub(super) enum Hush {
    /// All are set, or none is needed.
    Kept,
    /// This is done first; empty: it is under way.
    Ask(Vec<Next>),
    /// One cannot be set.
    Refused(String),
}

impl Decider<'_> {
    /// What comes before a changing step of a host: nothing, or the silences that the plan has. Where one cannot be set, a host on
    /// which nothing was done yet is refused.
    pub(super) fn quiet_before(
        &self,
        phase: &PlannedPhase,
        host: &HostName,
        line: &Line,
        wish: &LineNext,
    ) -> Option<Vec<Next>> {
        let LineNext::Perform(key) = wish else { return None };
        let works = !matches!(key.stage, Stage::Precheck | Stage::Cleanup | Stage::Steady);
        if !works || !phase.changes || self.run.dry || self.plan.silences.is_empty() {
            return None;
        }
        match self.hush(Some(host)) {
            Hush::Kept => None,
            Hush::Ask(list) => Some(list),
            Hush::Refused(_) if line.touched() => None,
            Hush::Refused(why) => Some(vec![Next::Record(Box::new(Event::HostEnded {
                phase: phase.id.clone(),
                host: host.clone(),
                state: HostState::Refused,
                why,
            }))]),
        }
    }

    /// What comes before the opening of a phase's bracket: the silences of the whole run.
    pub(super) fn quiet_before_bracket(&self, stage: Stage) -> Hush {
        match stage {
            Stage::Drain => self.hush(None),
            _ => Hush::Kept,
        }
    }

    /// How it stands with the silences of a host and of the whole run, or of that alone.
    pub(super) fn hush(&self, host: Option<&HostName>) -> Hush {
        let host = host.filter(|h| !h.is_controller());
        let (mut list, mut waits) = (Vec::new(), false);
        for (name, silence) in self.plan.named_silences() {
            let key = match (silence.by_host, host) {
                (false, _) => SilenceKey { name, host: None },
                (true, Some(host)) => SilenceKey {
                    name,
                    host: Some(host.clone()),
                },
                (true, None) => continue,
            };
            match self.run.silences.get(&key) {
                Some(s) if s.under_way() => waits = true,
                Some(s) if !s.left && !s.leaving && s.until.is_some_and(|until| until > self.now) => {}
                Some(Silence {
                    failed: Some((_, why)),
                    leaving: false,
                    ..
                }) => return Hush::Refused(format!("{} is not set: {why}", words(&key))),
                _ => list.push(Next::Silence(key)),
            }
        }
        if list.is_empty() && !waits {
            Hush::Kept
        } else {
            Hush::Ask(list)
        }
    }

    /// Beside what comes next: silences that are to last longer, and those that nobody needs any more.
    pub(super) fn and_quiet(&self, mut list: Vec<Next>) -> Vec<Next> {
        if self.run.silences.is_empty() || matches!(list.first(), Some(Next::Record(_))) {
            return list;
        }
        let over = matches!(list.as_slice(), [Next::Finish]);
        let (mut work, mut until) = (Vec::new(), None::<Timestamp>);
        let asked: BTreeSet<SilenceKey> = list.iter().filter_map(Next::silences).cloned().collect();
        for (key, s) in &self.run.silences {
            if s.under_way() || asked.contains(key) {
                continue;
            }
            let host = key.host.as_ref();
            let wanted = host.is_none_or(|host| self.run.worked_on(host));
            // One that has ended by itself comes back while a host is half done; else with the next step that waits for it.
            let missed = || !s.left && host.is_none_or(|host| self.run.half_done(host));
            let gone = s.is_gone(self.now);
            let due = s.due(self.plan.silenced_for(&key.name));
            match wanted {
                // Whoever ends now leaves it as it is.
                true if over || gone && !missed() => {}
                true if due <= self.now => work.push(Next::Silence(key.clone())),
                true => until = Some(until.map_or(due, |u| u.min(due))),
                false if gone || s.stays => {}
                false => work.push(Next::Unsilence(key.clone())),
            }
        }
        if over && !work.is_empty() {
            return work;
        }
        if !over {
            list.extend(work);
            list.extend(until.map(|until| Next::Sleep { until }));
        }
        list
    }
}

impl Next {
    fn silences(&self) -> Option<&SilenceKey> {
        match self {
            Self::Silence(key) => Some(key),
            _ => None,
        }
    }
}

/// What a process takes off when it ends: everything but the silences of hosts that are still at work or did not end well, and
/// those of the whole run while its hosts owe something.
pub fn to_take_off(plan: &Plan, run: &Run, now: Timestamp) -> Vec<SilenceKey> {
    let mut there = run
        .silences
        .iter()
        .filter(|(_, s)| !s.is_gone(now))
        .map(|(key, _)| key)
        .peekable();
    if there.peek().is_none() {
        return Vec::new();
    }
    let in_hand = |l: &Line| l.touched() && !ended_well(l);
    let mut lines = run.phases.values().flat_map(|p| p.lines.values());
    let whole = run.cleaning || !lines.any(in_hand) && ledger::of_the_work(plan, run).next().is_none();
    let over = |key: &&SilenceKey| key.host.as_ref().map_or(whole, |host| !run.worked_on(host));
    there.filter(over).cloned().collect()
}

/// What is owed of silences at the time of the run's last event: they end by themselves.
pub(super) fn owed(run: &Run) -> impl Iterator<Item = Obligation> {
    let of = |(key, s): (&SilenceKey, &Silence)| {
        let last = s.last.filter(|last| run.latest.is_none_or(|latest| latest < *last))?;
        let perhaps = if s.until == Some(last) { "keeps" } else { "may keep" };
        Some(Obligation {
            id: key.to_string(),
            kind: Owed::Silence,
            phase: String::new(),
            host: key.host.clone(),
            what: format!("{} {perhaps} quiet{} until {last:.0}", key.name, about(key)),
            until: Some(last),
        })
    };
    run.silences.iter().filter_map(of)
}

/// The silence, for people.
pub fn words(key: &SilenceKey) -> String {
    format!("the silence of {}{}", key.name, about(key))
}

fn about(key: &SilenceKey) -> String {
    key.host
        .as_ref()
        .map_or_else(String::new, |host| format!(" about {host}"))
}
