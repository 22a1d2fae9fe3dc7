//! Questions to a change record that more than one view asks.
//!
//! Owns: counts and groups over the record. Must not: format.

use std::collections::{HashMap, HashSet};

use super::{ChangeRecord, StepRecord, UndoState};
use crate::id::HostName;
use crate::plan::{Stage, Value};

/// A record's steps by host, in their order. Whoever asks for each host's asks here: a record of ten thousand hosts has ten
/// thousand times as many steps as one of them.
#[derive(Debug)]
pub struct ByHost<'r>(HashMap<Option<&'r HostName>, Vec<&'r StepRecord>>);

impl<'r> ByHost<'r> {
    /// The steps of a host; `None`: those that belong to none.
    #[must_use]
    pub fn of(&self, host: Option<&'r HostName>) -> &[&'r StepRecord] {
        self.0.get(&host).map_or(&[], Vec::as_slice)
    }
}

/// A step that changed something, over all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedStep {
    /// Its phase.
    pub phase: String,
    /// Its id.
    pub step: String,
    /// A sentence.
    pub name: String,
    /// Hosts on which it changed something.
    pub hosts: usize,
    /// Of them, hosts on which its undo ran.
    pub back: usize,
}

impl ChangeRecord {
    /// Its steps by host.
    #[must_use]
    pub fn by_host(&self) -> ByHost<'_> {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for s in &self.steps {
            all.entry(s.host.as_ref()).or_default().push(s);
        }
        ByHost(all)
    }

    /// Steps that changed something, in order of their first start.
    pub fn changes(&self) -> Vec<ChangedStep> {
        let mut undone: HashMap<(&HostName, &str, &str), bool> = HashMap::new();
        for u in &self.undo {
            let ran = matches!(u.state, UndoState::Ran | UndoState::Covered);
            let all = undone.entry((&u.host, &u.phase, &u.of)).or_insert(true);
            *all = *all && ran;
        }
        let phases = self
            .hosts
            .iter()
            .flat_map(|h| h.phases.iter().map(move |p| (&h.name, p)));
        let turned: HashSet<(&HostName, &str)> = phases
            .filter(|(_, p)| p.turned.is_some())
            .map(|(host, p)| (host, p.phase.as_str()))
            .collect();
        let mut out: Vec<ChangedStep> = Vec::new();
        for s in self.steps.iter().filter(|s| s.stage == Stage::Steps && s.changed) {
            let back = s.host.as_ref().is_some_and(|host| {
                turned.contains(&(host, &s.phase)) && undone.get(&(host, &s.phase, &s.step)) == Some(&true)
            });
            match out.iter_mut().find(|c| c.phase == s.phase && c.step == s.step) {
                Some(c) => {
                    c.hosts += 1;
                    c.back += usize::from(back);
                }
                None => out.push(ChangedStep {
                    phase: s.phase.clone(),
                    step: s.step.clone(),
                    name: s.name.clone(),
                    hosts: 1,
                    back: usize::from(back),
                }),
            }
        }
        out
    }

    /// What actions that prove themselves found changed by what they did, on whom: `nginx 1.24 -> 1.26`. Going back is a change too.
    /// What is true of most hosts first.
    pub fn found_changes(&self) -> Vec<(String, Vec<&str>)> {
        let mut found: HashMap<String, Vec<&str>> = HashMap::new();
        for step in self.steps.iter().filter(|s| s.changed) {
            let (Some(attempt), Some(host)) = (step.attempts.last(), &step.host) else {
                continue;
            };
            if let Some(Value::List(lines)) = attempt.fields.get("changes") {
                for line in lines {
                    found.entry(line.plain()).or_default().push(host.as_str());
                }
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by(|(a, on_a), (b, on_b)| on_b.len().cmp(&on_a.len()).then(a.cmp(b)));
        found
    }

    /// Kernels that changed: before, after, hosts.
    pub fn kernels(&self) -> Vec<(&str, &str, Vec<&str>)> {
        let mut out: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for h in self.hosts.iter().filter(|h| h.kernel.0 != h.kernel.1) {
            match out.iter_mut().find(|k| k.0 == h.kernel.0 && k.1 == h.kernel.1) {
                Some(k) => k.2.push(h.name.as_str()),
                None => out.push((&h.kernel.0, &h.kernel.1, vec![h.name.as_str()])),
            }
        }
        out
    }
}
