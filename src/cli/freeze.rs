//! The freeze calendars as they are now, held against what the plan found in them.
//!
//! Owns: reading them at a start, and saying what changed since the plan. Must not: decide whether the run may start (`permit`).

use jiff::Timestamp;

use crate::diag::Diagnostics;
use crate::plan::page::day;
use crate::plan::{Plan, freeze};
use crate::runbook::change;
use crate::runbook::files::Folder;
use crate::text::terminal_line;
use crate::window::Freeze;

use super::console::Console;
use super::problem::Problem;

/// Every freeze that the plan's calendars hold today.
///
/// # Errors
/// When one cannot be read: without it no freeze would be known.
pub fn today(plan: &Plan, folder: &Folder, now: Timestamp, console: &Console) -> Result<Vec<Freeze>, Problem> {
    let Some(planned) = &plan.freeze else {
        return Ok(Vec::new());
    };
    let paths: Vec<_> = planned.calendars.keys().map(|p| change::flag("the plan", p)).collect();
    let mut diags = Diagnostics::new();
    let calendars = freeze::read(&paths, plan.zone(), folder, &mut diags);
    if diags.has_errors() {
        return Err(Problem::Wrong(diags));
    }
    let start = plan.window.as_ref().and_then(|w| w.start);
    let found = calendars.from(start.map_or(now, |s| s.min(now)));
    if calendars.files == planned.calendars {
        return Ok(found);
    }
    let screen = &console.screen;
    for path in planned
        .calendars
        .iter()
        .filter(|(p, f)| calendars.files.get(*p) != Some(f))
    {
        let path = terminal_line(path.0);
        screen.say(&format!("note: {path} is not what it was when the plan was made"));
    }
    if let (Some(w), Some(start)) = (&plan.window, start) {
        let around = calendars.around(start, w.end(start));
        let line = |f: &Freeze| {
            let (from, to) = (day(f.from, &w.timezone), day(f.to, &w.timezone));
            format!("{}, {from} to {to}", terminal_line(&f.what))
        };
        for f in planned.found.iter().filter(|f| !around.contains(f)) {
            screen.say(&format!("  no longer frozen: {}", line(f)));
        }
        for f in around.iter().filter(|f| !planned.found.contains(f)) {
            screen.say(&format!("  frozen now: {}", line(f)));
        }
    }
    Ok(found)
}
