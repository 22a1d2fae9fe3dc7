//! A rehearsal: the work of a runbook on the first batch of each phase, and all of it taken back again.
//!
//! Owns: what of a runbook's plan is another in its rehearsal's. Must not: leave a gate, a check or an approval out; what is
//! rehearsed is done to real hosts.

use super::{Binder, Kept, KeptItem, phase_steps};
use crate::diag::Diagnostic;
use crate::id::HostName;
use crate::plan::estimate::batch_size;
use crate::plan::{OnFailure, Otherwise, PlanItem, PlannedPhase, PlannedUndo};
use crate::runbook::{Phase, RolloutRef};

impl Binder<'_, '_> {
    /// The hosts that a phase is rehearsed on: its first batch, or one host where no batches are written.
    pub(super) fn rehearsed_on(&self, phase: &Phase, mut hosts: Vec<HostName>) -> Vec<HostName> {
        if self.input.change.rehearse.is_none() {
            return hosts;
        }
        let rollout = match &phase.rollout {
            None => None,
            Some(RolloutRef::Inline(rollout)) => Some(rollout.as_ref()),
            Some(RolloutRef::Named(name)) => {
                let named = &self.input.runbook.rollouts;
                named.iter().find(|r| r.name.value == name.value)
            }
        };
        let first = match rollout {
            Some(r) if !r.batches.is_empty() => batch_size(&r.batches, 0, hosts.len()),
            _ => 1,
        };
        hosts.truncate(first);
        hosts
    }

    /// Whatever ends a rehearsal, all of it goes back; nobody waits for a soak of what does not stay.
    pub(super) fn rehearse(&mut self, items: &mut [PlanItem], kept: &[KeptItem<'_>]) {
        let Some(asked) = &self.input.change.rehearse else {
            return;
        };
        let before = self.diags.0.len();
        let mut changes = false;
        for item in items {
            match item {
                PlanItem::Gate(gate) => gate.otherwise = Otherwise::RollbackRun,
                PlanItem::Phase(phase) => {
                    changes |= phase.changes;
                    phase.on_failure = OnFailure::RollbackRun;
                    phase.rollout.soak_ms = 0;
                    // Of one batch none follows that a gate could hold back.
                    phase.rollout.gate = None;
                    self.all_goes_back(phase, kept);
                }
            }
        }
        if !changes && self.diags.0.len() == before {
            let d = Diagnostic::error(
                "PS0696",
                "there is nothing to rehearse",
                asked.span.clone(),
                "this plan changes nothing that could be taken back",
            );
            self.diags.push(d.help("run it as it is: it only looks"));
        }
    }

    /// A step without a way back would stay, on a host that nobody meant to change.
    fn all_goes_back(&mut self, planned: &PlannedPhase, kept: &[KeptItem<'_>]) {
        let written = kept.iter().find_map(|item| match item {
            KeptItem::Phase(Kept { phase, .. }) if phase.id.value == planned.id => Some(*phase),
            _ => None,
        });
        for step in planned.stages.steps.iter().filter(|s| s.skip.is_none()) {
            let (PlannedUndo::None(why), Some(phase)) = (&step.undo, written) else {
                continue;
            };
            let Some(at) = phase_steps(phase).find(|s| s.id.value == step.id) else {
                continue;
            };
            let d = Diagnostic::error(
                "PS0697",
                "this step cannot be rehearsed",
                at.span.clone(),
                format!("it cannot be taken back: {why}"),
            );
            self.diags
                .push(d.help("write how it is taken back, as `undo:`").help(format!(
                    "or rehearse the others: --skip {}/{}=REASON",
                    planned.id, step.id
                )));
        }
    }
}
