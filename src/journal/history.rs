//! How long things took in a former run, as its journal tells.
//!
//! Owns: times of phases, hosts and steps. Must not: choose runs, or reckon with the times (`plan::estimate` does, and is given them).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::id::HostName;
use crate::plan::Plan;
use crate::run::event::{Event, HostState, Outcome, Stamped};
use crate::run::{Run, moved};

/// The times of one run, ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the first to the last fact of each phase.
    pub phases: BTreeMap<String, u64>,
    /// The slowest host of each phase, from its turn to its end, of those that went straight through.
    pub hosts: BTreeMap<String, u64>,
    /// The longest attempt of each step that ended ok, as `PHASE/STEP`.
    pub steps: BTreeMap<String, u64>,
    /// The way back of each phase in which hosts were taken back and proven good.
    pub backs: BTreeMap<String, Back>,
}

/// How hosts of a phase were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// When the last of them was.
    pub at: Timestamp,
    /// The slowest one, from its turn round to its end.
    pub slowest_ms: u64,
    /// Which.
    pub hosts: Vec<HostName>,
}

/// What these facts of a plan's run tell, and the run that they fold to.
pub fn times(plan: &Plan, run: &Run, facts: &[Stamped]) -> Times {
    let facts = moved::on_one_clock(plan, facts);
    let took = |(from, to): &(Timestamp, Timestamp)| u64::try_from(to.duration_since(*from).as_millis()).unwrap_or(0);
    let mut hosts = run.slowest_ms.clone();
    hosts.retain(|_, ms| *ms > 0);
    let mut spans: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut steps: BTreeMap<String, u64> = BTreeMap::new();
    let mut turned: BTreeMap<(&str, &HostName), Timestamp> = BTreeMap::new();
    let mut backs: BTreeMap<String, Back> = BTreeMap::new();
    for fact in facts.iter() {
        let phase = match &fact.event {
            Event::Intended { key, .. } => &key.phase,
            Event::Settled { key, outcome, result } => {
                if *outcome == Outcome::Ok {
                    let longest = steps.entry(format!("{}/{}", key.phase, key.step)).or_default();
                    *longest = result.duration_ms.max(*longest);
                }
                &key.phase
            }
            Event::HostBegan { phase, .. } | Event::BatchSettled { phase, .. } => phase,
            Event::Turned { phase, host, .. } => {
                turned.insert((phase, host), fact.at);
                phase
            }
            Event::HostEnded {
                phase,
                host,
                state: HostState::RolledBack,
                ..
            } => {
                if let Some(began) = turned.get(&(phase.as_str(), host)) {
                    let back = backs.entry(phase.clone()).or_insert_with(|| Back {
                        at: fact.at,
                        slowest_ms: 0,
                        hosts: Vec::new(),
                    });
                    back.at = fact.at;
                    back.slowest_ms = back.slowest_ms.max(took(&(*began, fact.at)));
                    back.hosts.push(host.clone());
                }
                phase
            }
            _ => continue,
        };
        spans.entry(phase).or_insert((fact.at, fact.at)).1 = fact.at;
    }
    let phases = spans.iter().map(|(phase, span)| ((*phase).to_owned(), took(span)));
    Times {
        phases: phases.collect(),
        hosts,
        steps,
        backs,
    }
}
