//! How long things took in a former run, as its journal tells.
//!
//! Owns: times of phases, hosts and steps. Must not: choose runs, or reckon with the times (`plan::estimate` does, and is given them).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::plan::Plan;
use crate::run::event::{Event, Outcome, Stamped};
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
}

/// What these facts of a plan's run tell, and the run that they fold to.
pub fn times(plan: &Plan, run: &Run, facts: &[Stamped]) -> Times {
    let facts = moved::on_one_clock(plan, facts);
    let mut hosts = run.slowest_ms.clone();
    hosts.retain(|_, ms| *ms > 0);
    let mut spans: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut steps: BTreeMap<String, u64> = BTreeMap::new();
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
            _ => continue,
        };
        spans.entry(phase).or_insert((fact.at, fact.at)).1 = fact.at;
    }
    let took = |(from, to): &(Timestamp, Timestamp)| u64::try_from(to.duration_since(*from).as_millis()).unwrap_or(0);
    let phases = spans.iter().map(|(phase, span)| ((*phase).to_owned(), took(span)));
    Times {
        phases: phases.collect(),
        hosts,
        steps,
    }
}
