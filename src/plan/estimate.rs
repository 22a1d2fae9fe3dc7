//! How long it can take at most, how long it is expected to take, how long the way back; and when phases begin at the latest.
//!
//! Owns: these sums. Must not: know what happened; times of former runs are data that it is given.

use std::collections::BTreeMap;

use crate::plan::page::PastRun;
use crate::plan::{
    Place, Plan, PlannedEach, PlannedPhase, PlannedRollout, PlannedStep, PlannedUndo, PlannedWindow, Size,
};

/// The most one step can take for one host: every attempt to its limit, the pauses between them, and each item and each
/// machine of a delegated set after the other.
pub fn step_ms(step: &PlannedStep) -> u64 {
    if step.skip.is_some() {
        return 0;
    }
    let attempts = u64::from(step.retry.attempts.max(1));
    let mut total = step.timeout_ms.saturating_mul(attempts);
    let mut delay = step.retry.delay_ms;
    // Beyond this the pauses are longer than any window; the sum need not be exact.
    for _ in 1..attempts.min(1000) {
        total = total.saturating_add(delay);
        delay = delay.saturating_mul(u64::from(step.retry.backoff_percent)) / 100;
    }
    let machines = match &step.place {
        Place::Own | Place::OneOf(_) => 1,
        Place::Hosts(hosts) => hosts.len().max(1),
        Place::ByHost(map) => map.values().map(Vec::len).max().unwrap_or(1).max(1),
    };
    let items = step.for_each.as_ref().map_or(1, PlannedEach::most);
    total.saturating_mul(machines as u64).saturating_mul(items as u64)
}

/// The sum of the limits of a host's undo steps: the default of the window's `reserve`.
pub fn undo_ms(phase: &PlannedPhase) -> u64 {
    phase.stages.steps.iter().fold(0, |sum, step| match &step.undo {
        PlannedUndo::Steps(undo) if step.skip.is_none() => {
            let items = step.for_each.as_ref().map_or(1, PlannedEach::most);
            sum.saturating_add(sum_of(undo).saturating_mul(items as u64))
        }
        _ => sum,
    })
}

/// The most the way back of one host can take: undo, `verify`, `undrain`.
pub fn back_out_ms(phase: &PlannedPhase) -> u64 {
    undo_ms(phase)
        .saturating_add(sum_of(&phase.stages.verify))
        .saturating_add(sum_of(&phase.stages.undrain))
}

/// The most one host can take forwards, from `drain` to `undrain`.
pub fn worst_host_ms(phase: &PlannedPhase) -> u64 {
    let s = &phase.stages;
    [&s.drain, &s.steps, &s.verify, &s.undrain]
        .into_iter()
        .fold(0, |sum, list| sum.saturating_add(sum_of(list)))
}

/// The most a whole phase can take forwards if no host fails: its prechecks, its batches one after another, soak and cleanup.
pub fn worst_phase_ms(phase: &PlannedPhase) -> u64 {
    let parallel = phase.rollout.parallel.max(1) as usize;
    let waves = |hosts: usize| hosts.div_ceil(parallel) as u64;
    let prechecks = sum_of(&phase.stages.precheck).saturating_mul(waves(phase.hosts.len()));
    let host = worst_host_ms(phase);
    let closing = sum_of(&phase.stages.cleanup);
    batches(&phase.rollout, phase.hosts.len())
        .into_iter()
        .fold(prechecks, |sum, hosts| {
            let work = host.saturating_add(closing).saturating_mul(waves(hosts));
            sum.saturating_add(work).saturating_add(phase.rollout.soak_ms)
        })
}

/// Time that is kept free for going back when a host of this phase starts.
pub fn reserve_ms(window: Option<&PlannedWindow>, phase: &PlannedPhase) -> u64 {
    window.and_then(|w| w.reserve_ms).unwrap_or_else(|| undo_ms(phase))
}

/// The sizes of the batches if every host passes its precheck, without regard to `apart` and `last`.
pub fn batches(rollout: &PlannedRollout, hosts: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = hosts;
    while left > 0 {
        let batch = batch_size(&rollout.batches, sizes.len(), hosts).min(left);
        sizes.push(batch);
        left -= batch;
    }
    sizes
}

/// How often hosts begin one after another, if as many work at a time as may.
pub fn rounds(phase: &PlannedPhase) -> u64 {
    let parallel = phase.rollout.parallel.max(1) as usize;
    let sizes = batches(&phase.rollout, phase.hosts.len());
    sizes.into_iter().map(|hosts| hosts.div_ceil(parallel) as u64).sum()
}

/// The size of batch number `at` (from 0): the last one written repeats, at least one.
pub fn batch_size(batches: &[Size], at: usize, hosts: usize) -> usize {
    let size = batches.get(at).or_else(|| batches.last());
    size.map_or(hosts, |size| count(*size, hosts)).max(1)
}

/// A count of hosts; percents are of the phase's planned hosts, rounded down.
pub fn count(size: Size, hosts: usize) -> usize {
    match size {
        Size::Count(n) => n as usize,
        Size::Percent(p) => hosts.saturating_mul(p as usize) / 100,
    }
}

/// Steps that are done once a phase belong to no host.
fn sum_of(steps: &[PlannedStep]) -> u64 {
    let of_host = steps.iter().filter(|step| !step.once);
    of_host.fold(0, |sum, step| sum.saturating_add(step_ms(step)))
}

/// When a phase begins at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestStart {
    /// After the window's start; negative: it does not fit.
    pub ms: i64,
    /// Nothing is known of former runs, for this phase or one that follows: its limits count.
    pub by_limits: bool,
}

/// The latest start of each phase, so that it and all that follows end in a window of this length: back from its end over
/// cut-off, reserve and the expected times (where there are none, the limits).
pub fn latest_starts(plan: &Plan, window_ms: u64, history: &[PastRun]) -> Vec<LatestStart> {
    let ms = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let end = ms(window_ms);
    let cutoff = plan.window.as_ref().map_or(0, |w| ms(w.cutoff_ms));
    let (mut next, mut by_limits) = (end, false);
    let mut out: Vec<LatestStart> = plan
        .phases()
        .rev()
        .map(|p| {
            let known = expected_phase(history, &p.id);
            by_limits |= known.is_none();
            let takes = ms(known.unwrap_or_else(|| worst_phase_ms(p)));
            // The last host to start is the last wave of the last batch.
            let host = ms(worst_host_ms(p)).min(takes);
            let back = if p.changes {
                ms(reserve_ms(plan.window.as_ref(), p))
            } else {
                0
            };
            let fits = next.min(end.saturating_sub(back)).saturating_sub(takes);
            let starts = end.saturating_sub(cutoff).saturating_sub(takes.saturating_sub(host));
            next = fits.min(starts);
            LatestStart { ms: next, by_limits }
        })
        .collect();
    out.reverse();
    out
}

/// How long former runs that were done took: how many there are, and the median.
pub fn expected(history: &[PastRun]) -> Option<(usize, u64)> {
    let took: Vec<u64> = history
        .iter()
        .filter(|r| r.verdict == "done")
        .map(|r| r.duration_ms)
        .collect();
    Some((took.len(), median(took)?))
}

/// How long a phase took in former runs that were done.
pub fn expected_phase(history: &[PastRun], phase: &str) -> Option<u64> {
    let done = history.iter().filter(|r| r.verdict == "done");
    median(done.filter_map(|r| r.phases.get(phase).copied()).collect())
}

/// How long a step (`PHASE/STEP`) took at most in a run that was done: the median of former runs.
pub fn expected_step(history: &[PastRun], step: &str) -> Option<u64> {
    let done = history.iter().filter(|r| r.verdict == "done");
    median(done.filter_map(|r| r.steps.get(step).copied()).collect())
}

/// How long the slowest host of each phase took in any of the former runs: what the window reckons with while the run itself
/// has no host to go by.
pub fn slowest_hosts(history: &[PastRun]) -> BTreeMap<String, u64> {
    let mut slowest: BTreeMap<String, u64> = BTreeMap::new();
    for (phase, ms) in history.iter().flat_map(|r| &r.hosts) {
        let most = slowest.entry(phase.clone()).or_default();
        *most = (*most).max(*ms);
    }
    slowest
}

/// Of an even number the larger of the two in the middle: rather too long than too short.
fn median(mut of: Vec<u64>) -> Option<u64> {
    of.sort_unstable();
    of.get(of.len() / 2).copied()
}
