//! Which hosts stand in which batch, as far as the plan alone can know.
//!
//! Owns: this list of the page. Must not: reckon sizes or times; that is `plan::estimate`.

use super::super::PlannedPhase;
use crate::id::HostName;
use crate::plan::Plan;
use crate::plan::estimate::batch_size;

/// The hosts of each batch, as far as the plan alone can know (`apart` respected, `last` not).
pub(super) fn who(plan: &Plan, phase: &PlannedPhase) -> Vec<Vec<HostName>> {
    let label = |h: &HostName| {
        let key = phase.rollout.apart.as_ref()?;
        plan.host(h)?.labels.get(key)
    };
    let mut left: Vec<&HostName> = phase.hosts.iter().collect();
    let mut out = Vec::new();
    while let Some(first) = left.first().copied() {
        let size = batch_size(&phase.rollout.batches, out.len(), phase.hosts.len());
        let mut batch = Vec::new();
        left.retain(|h| {
            let fits = batch.len() < size && label(h) == label(first);
            if fits {
                batch.push((*h).clone());
            }
            !fits
        });
        out.push(batch);
    }
    out
}
