//! Where a step is done: on its host, where it is delegated to, or on one of a set.
//!
//! Owns: this choice. Must not: log in anywhere, or know what the step does.

use super::drive::Driver;
use super::render;
use crate::id::HostName;
use crate::plan::{Place, PlannedStep, Stage};
use crate::run::event::{Slot, StepKey};
use crate::run::line;

impl Driver {
    /// Where a step may be done, best first. `one_of`: those that are not this host, not out of service, and not known to be
    /// lost; an undo goes to the host that its step chose.
    pub(super) fn choose(&self, step: &PlannedStep, key: &StepKey) -> Vec<HostName> {
        let Place::OneOf(set) = &step.place else {
            let hosts = line::places(step, key.host.as_ref()).max(1);
            let one = render::place(step, key.host.as_ref(), key.nth % hosts);
            return one.into_iter().collect();
        };
        if let Some(same) = self.chosen_before(step, key) {
            return vec![same];
        }
        let out = self.run.held_out();
        let lost = |h: &HostName| {
            self.run
                .phases
                .values()
                .filter_map(|p| p.lines.get(h))
                .any(|l| l.ended.is_some_and(|s| !s.is_good()))
        };
        set.iter()
            .filter(|h| Some(*h) != key.host.as_ref() && !out.contains(*h) && !lost(h))
            .cloned()
            .collect()
    }

    /// The host that the step chose which this undo takes back, if both choose from the same set.
    fn chosen_before(&self, undo: &PlannedStep, key: &StepKey) -> Option<HostName> {
        let (stage, of) = line::listed_by(key.stage, &key.step);
        let step = self.setup.plan.step(&key.phase, stage, of)?;
        if key.stage != Stage::Undo || step.place != undo.place {
            return None;
        }
        let slots = &self.run.line(&key.phase, key.host.as_ref()?)?.slots;
        let slot = Slot {
            stage,
            step: of.to_owned(),
            nth: key.nth,
            pass: 0,
        };
        slots.get(&slot)?.on.clone()
    }
}
