//! The window and the freezes as a run is held to them.
//!
//! Owns: which of them hold (an override sets one aside), and whether a host of a phase still fits. Must not: reckon
//! (`window` does), or decide what follows (that is `next`).

use jiff::{SignedDuration, Timestamp};

use super::Run;
use crate::plan::{Plan, PlannedPhase, estimate};
use crate::window::{Close, State, Window, show};

/// True from the moment on after which no host starts.
pub(super) fn cut_off(plan: &Plan, run: &Run, now: Timestamp) -> bool {
    let state = held_to(plan, run).map(|w| w.state_at(now));
    matches!(state, Some(State::CutOff(_) | State::Closed(_)))
}

/// Why no host of this phase may start now, if the window or a freeze says so.
pub(super) fn window_closed(plan: &Plan, run: &Run, phase: &PlannedPhase, now: Timestamp) -> Option<String> {
    let zone = plan.zone();
    let close = match held_to(plan, run)?.state_at(now) {
        State::Open(None) => return None,
        State::Open(Some(close)) => close,
        State::NotYet { freeze: None, .. } => return None,
        State::NotYet { freeze: Some(f), .. } => {
            return Some(format!(
                "the freeze \"{}\" lasts until {}: no further host starts",
                f.what,
                show(f.to, zone)
            ));
        }
        State::CutOff(Close { freeze: Some(f), .. }) | State::Closed(Close { freeze: Some(f), .. }) => {
            return Some(format!(
                "the freeze \"{}\" begins {} and ends the window: no further host starts",
                f.what,
                show(f.from, zone)
            ));
        }
        State::CutOff(_) | State::Closed(_) => {
            return Some("the window's cut-off is reached: no further host starts".to_owned());
        }
    };
    let of = |times: &std::collections::BTreeMap<String, u64>| times.get(&phase.id).copied().filter(|ms| *ms > 0);
    let slowest = of(&run.slowest_ms).or_else(|| of(&run.former_ms)).unwrap_or(0);
    let reserve = estimate::reserve_ms(plan.window.as_ref(), phase);
    let span = SignedDuration::from_millis(i64::try_from(slowest.saturating_add(reserve)).unwrap_or(i64::MAX));
    let back = now.checked_add(span).unwrap_or(Timestamp::MAX);
    let what = match close.freeze {
        Some(f) => format!("before the freeze \"{}\"", f.what),
        None => "the window".to_owned(),
    };
    (back >= close.at).then(|| {
        format!(
            "a host takes up to {} s here and going back up to {} s: that no longer fits {what}, no further host starts",
            slowest / 1000,
            reserve / 1000
        )
    })
}

/// The window as it stands for this run; `None` where nothing ends it.
fn held_to<'a>(plan: &Plan, run: &'a Run) -> Option<Window<'a>> {
    let freezes: &[_] = if run.freeze_overridden { &[] } else { &run.freezes };
    match plan.window.as_ref().filter(|_| !run.window_overridden) {
        Some(w) => Some(Window {
            start: w.start.or(run.started)?,
            duration_ms: Some(w.duration_ms),
            cutoff_ms: w.cutoff_ms,
            freezes,
        }),
        // Without a window a freeze that is over ends nothing: each process of the run looks ahead from its own begin.
        None => Some(Window {
            start: run.resumed.or(run.started)?,
            duration_ms: None,
            cutoff_ms: 0,
            freezes,
        }),
    }
}
