//! Questions to a change record that more than one view asks.
//!
//! Owns: counts and groups over the record. Must not: format.

use super::{ChangeRecord, UndoState};
use crate::plan::Stage;

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
    /// Steps that changed something, in order of their first start.
    pub fn changes(&self) -> Vec<ChangedStep> {
        let mut out: Vec<ChangedStep> = Vec::new();
        for s in self.steps.iter().filter(|s| s.stage == Stage::Steps && s.changed) {
            let mut mine = self
                .undo
                .iter()
                .filter(|u| u.phase == s.phase && u.of == s.step && Some(&u.host) == s.host.as_ref())
                .peekable();
            let back = mine.peek().is_some() && mine.all(|u| matches!(u.state, UndoState::Ran | UndoState::Covered));
            let stands = self.hosts.iter().filter(|h| Some(&h.name) == s.host.as_ref());
            let back = back
                && stands
                    .flat_map(|h| &h.phases)
                    .any(|p| p.phase == s.phase && p.turned.is_some());
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
