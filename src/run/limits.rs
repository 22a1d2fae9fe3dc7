//! The window as a run is held to it: when it ends, and what still fits.
//!
//! Owns: this arithmetic. Must not: decide what follows from it (that is `next`).

use jiff::Timestamp;

use super::Run;
use crate::plan::{Plan, PlannedPhase, PlannedWindow, estimate};

/// When the window ends, if there is one and no override lets the run go on outside it.
pub fn window_end(plan: &Plan, run: &Run) -> Option<Timestamp> {
    let w = held_to(plan, run)?;
    let end = opens_ms(w, run)?.saturating_add(ms(w.duration_ms));
    Timestamp::from_millisecond(end).ok()
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
    let reserve = plan.window.as_ref().map_or(0, |w| estimate::reserve_ms(w, phase));
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
