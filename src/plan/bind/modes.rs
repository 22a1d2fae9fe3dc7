//! What belongs to other modes than the chosen one: the report of a drill says what the drill did not try.
//!
//! Owns: that list. Must not: choose the mode.

use super::{Binder, phase_steps};
use crate::diag::Spanned;
use crate::plan::OtherMode;
use crate::runbook::{Item, Phase};

impl Binder<'_, '_> {
    /// Phases, gates and steps that the chosen mode leaves out, in the runbook's order.
    pub(super) fn other_modes(&self) -> Vec<OtherMode> {
        let mut out = Vec::new();
        for item in &self.input.runbook.items {
            match item {
                Item::Gate(gate) if !self.in_mode(&gate.only_in) => {
                    out.push(other(format!("gate {}", gate.id.value), &gate.title, &gate.only_in));
                }
                Item::Phase(phase) if !self.in_mode(&phase.only_in) => {
                    out.push(other(format!("phase {}", phase.id.value), &phase.title, &phase.only_in));
                }
                Item::Phase(phase) => out.extend(self.other_steps(phase)),
                Item::Gate(_) => {}
            }
        }
        out
    }

    fn other_steps<'p>(&'p self, phase: &'p Phase) -> impl Iterator<Item = OtherMode> + 'p {
        let outside = phase_steps(phase).filter(|s| !self.in_mode(&s.only_in));
        outside.map(|s| {
            let what = format!("step {}/{}", phase.id.value, s.id.value);
            other(what, &s.name, &s.only_in)
        })
    }
}

fn other(what: String, title: &str, only_in: &[Spanned<String>]) -> OtherMode {
    OtherMode {
        what,
        title: title.to_owned(),
        modes: only_in.iter().map(|m| m.value.clone()).collect(),
    }
}
