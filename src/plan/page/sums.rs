//! Batches in concrete numbers, and the longest a plan can take by its own limits.
//!
//! Owns: the sums of the page. Must not: guess; `plan::estimate` knows history.

use super::super::{PlannedPhase, PlannedStep, PlannedUndo, Size};
use crate::id::HostName;
use crate::plan::Plan;

/// The longest that things can take, by their limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// One host forward.
    pub host_ms: u64,
    /// One host back.
    pub back_ms: u64,
    /// The phase, hosts side by side, soak included, gates not.
    pub phase_ms: u64,
}

/// The sizes of the batches of a phase; the last size repeats.
pub fn batches(phase: &PlannedPhase) -> Vec<u32> {
    let total = u32::try_from(phase.hosts.len()).unwrap_or(u32::MAX);
    let mut left = total;
    let mut out = Vec::new();
    let mut sizes = phase.rollout.batches.iter();
    let mut size = total.max(1);
    while left > 0 {
        if let Some(next) = sizes.next() {
            size = match next {
                Size::Count(n) => *n,
                Size::Percent(p) => total.saturating_mul(*p) / 100,
            }
            .max(1);
        }
        let now = size.min(left);
        out.push(now);
        left -= now;
    }
    out
}

/// The hosts of each batch, as far as the plan alone can know (`apart` respected, `last` not).
pub(super) fn who(plan: &Plan, phase: &PlannedPhase) -> Vec<Vec<HostName>> {
    let label = |h: &HostName| {
        let key = phase.rollout.apart.as_ref()?;
        plan.host(h)?.labels.get(key)
    };
    let mut left: Vec<&HostName> = phase.hosts.iter().collect();
    let mut out = Vec::new();
    let sizes = batches(phase);
    let mut sizes = sizes.iter().copied();
    let mut size = 1;
    while let Some(first) = left.first().copied() {
        size = sizes.next().unwrap_or(size);
        let mut batch = Vec::new();
        left.retain(|h| {
            let fits = batch.len() < usize::try_from(size).unwrap_or(usize::MAX) && label(h) == label(first);
            if fits {
                batch.push((*h).clone());
            }
            !fits
        });
        out.push(batch);
    }
    out
}

/// The longest one step can take on one host: all attempts and the waits between them.
pub(super) fn step_ms(s: &PlannedStep) -> u64 {
    let mut sum = 0u64;
    let mut delay = s.retry.delay_ms;
    for n in 0..s.retry.attempts.max(1) {
        if n > 0 {
            sum = sum.saturating_add(delay);
            delay = delay.saturating_mul(u64::from(s.retry.backoff_percent.max(100))) / 100;
        }
        sum = sum.saturating_add(s.timeout_ms);
    }
    sum
}

fn sum(steps: &[PlannedStep]) -> u64 {
    let mine = steps.iter().filter(|s| !s.once && s.skip.is_none());
    mine.map(step_ms).fold(0, u64::saturating_add)
}

/// The worst case of a phase.
pub fn worst(phase: &PlannedPhase) -> Worst {
    let s = &phase.stages;
    let forward = [&s.drain, &s.steps, &s.verify, &s.undrain];
    let host_ms = forward.iter().map(|l| sum(l)).fold(0, u64::saturating_add);
    let undo = s.steps.iter().map(|step| match &step.undo {
        PlannedUndo::Steps(list) => sum(list),
        _ => 0,
    });
    let back_ms = undo
        .chain([sum(&s.verify), sum(&s.undrain)])
        .fold(0, u64::saturating_add);
    let parallel = phase.rollout.parallel.max(1);
    let phase_ms = batches(phase)
        .iter()
        .map(|n| {
            let rounds = u64::from(n.div_ceil(parallel));
            rounds.saturating_mul(host_ms).saturating_add(phase.rollout.soak_ms)
        })
        .fold(sum(&s.precheck), u64::saturating_add);
    Worst {
        host_ms,
        back_ms: if s.steps.iter().any(|s| !s.read_only) {
            back_ms
        } else {
            0
        },
        phase_ms,
    }
}
