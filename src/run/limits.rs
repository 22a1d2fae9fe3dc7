//! The numbers that hold a run back: how many may fail, how large a batch is, what still fits the window.
//!
//! Owns: this arithmetic. Must not: decide what follows from it (that is `next`).

use jiff::Timestamp;

use super::Run;
use crate::plan::{Plan, PlannedPhase, PlannedUndo, PlannedWindow, Size};

/// So many hosts may count before nothing further starts; a percent is rounded down.
pub fn max_fail(size: Size, planned: usize) -> usize {
    match size {
        Size::Count(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Size::Percent(p) => percent(p, planned),
    }
}

/// The size of batch number `at` (from 0): the last one written repeats, a percent is rounded down, at least one.
pub fn batch_size(batches: &[Size], at: usize, planned: usize) -> usize {
    let size = match batches.get(at).or_else(|| batches.last()) {
        None => planned,
        Some(Size::Count(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
        Some(Size::Percent(p)) => percent(*p, planned),
    };
    size.max(1)
}

fn percent(p: u32, of: usize) -> usize {
    of.saturating_mul(usize::try_from(p).unwrap_or(100)) / 100
}

/// The sum of the limits of a host's undo steps.
pub fn back_out_ms(phase: &PlannedPhase) -> u64 {
    let of = |undo: &PlannedUndo| match undo {
        PlannedUndo::Steps(list) => list.iter().map(|u| u.timeout_ms).fold(0, u64::saturating_add),
        _ => 0,
    };
    phase
        .stages
        .steps
        .iter()
        .map(|s| of(&s.undo))
        .fold(0, u64::saturating_add)
}

/// When the window ends, if there is one and no override lets the run go on outside it.
pub fn window_end(plan: &Plan, run: &Run) -> Option<Timestamp> {
    let w = held_to(plan, run)?;
    let end = opens_ms(w, run)?.saturating_add(ms(w.duration_ms));
    Timestamp::from_millisecond(end).ok()
}

/// True where no forward step may start: before the window, or after its end.
pub fn outside_window(plan: &Plan, run: &Run, now: Timestamp) -> bool {
    let early = held_to(plan, run)
        .and_then(|w| w.start)
        .is_some_and(|start| now < start);
    early || window_end(plan, run).is_some_and(|end| now >= end)
}

/// True from the moment on after which no host starts.
pub(super) fn cut_off(plan: &Plan, run: &Run, now: Timestamp) -> bool {
    let Some(w) = held_to(plan, run) else { return false };
    opens_ms(w, run).is_some_and(|start| {
        let latest = start.saturating_add(ms(w.duration_ms)).saturating_sub(ms(w.cutoff_ms));
        now.as_millisecond() >= latest
    })
}

/// Why no host of this phase may start now, if the window says so.
pub(super) fn window_closed(plan: &Plan, run: &Run, phase: &PlannedPhase, now: Timestamp) -> Option<String> {
    let end = window_end(plan, run)?.as_millisecond();
    if cut_off(plan, run, now) {
        return Some("the window's cut-off is reached: no further host starts".to_owned());
    }
    let slowest = run.slowest_ms.get(&phase.id).copied().unwrap_or(0);
    let reserve = plan
        .window
        .as_ref()
        .and_then(|w| w.reserve_ms)
        .unwrap_or_else(|| back_out_ms(phase));
    let back = now
        .as_millisecond()
        .saturating_add(ms(slowest))
        .saturating_add(ms(reserve));
    (back >= end).then(|| {
        format!(
            "a host takes up to {} s here and going back up to {} s: that no longer fits the window, no further host starts",
            slowest / 1000,
            reserve / 1000
        )
    })
}

fn held_to<'a>(plan: &'a Plan, run: &Run) -> Option<&'a PlannedWindow> {
    plan.window.as_ref().filter(|_| !run.window_overridden)
}

fn opens_ms(w: &PlannedWindow, run: &Run) -> Option<i64> {
    w.start.or(run.started).map(Timestamp::as_millisecond)
}

fn ms(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
