//! What a dry run says of the steps that it did not do: hosts for which the same would be done stand together.
//!
//! Owns: that grouping. Must not: word it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::HostName;
use crate::plan::{Plan, Stage};
use crate::run::event::{Outlook, StepKey};

/// What would become of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Its phase.
    pub phase: String,
    /// Its stage.
    pub stage: Stage,
    /// Its id.
    pub step: String,
    /// Its sentence.
    pub name: String,
    /// True: it changes something.
    pub changes: bool,
    /// On whose behalf; empty: once for the phase.
    pub hosts: Vec<HostName>,
    /// What is known.
    pub outlook: Outlook,
}

/// Where an outlook was put, by the place of its step and by itself.
type Places = BTreeMap<(String, Stage, String, Outlook), usize>;

/// Collects them.
#[derive(Debug, Default)]
pub(super) struct Grouping(Places);

impl Grouping {
    /// One more.
    pub(super) fn add(&mut self, plan: &Plan, key: &StepKey, outlook: &Outlook, list: &mut Vec<Foreseen>) {
        let place = (key.phase.clone(), key.stage, key.step.clone(), outlook.clone());
        let at = *self.0.entry(place).or_insert_with(|| {
            let step = plan.step(&key.phase, key.stage, &key.step);
            list.push(Foreseen {
                phase: key.phase.clone(),
                stage: key.stage,
                step: key.step.clone(),
                name: step.map(|s| s.name.clone()).unwrap_or_default(),
                changes: step.is_some_and(|s| !s.read_only),
                hosts: Vec::new(),
                outlook: outlook.clone(),
            });
            list.len() - 1
        });
        if let (Some(entry), Some(host)) = (list.get_mut(at), &key.host)
            && !entry.hosts.contains(host)
        {
            entry.hosts.push(host.clone());
        }
    }
}
