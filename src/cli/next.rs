//! `pitstop plan RUNBOOK --next N`: the next windows of a runbook's schedule, with freezes and changes of the clocks.
//!
//! Owns: this list. Must not: bind a plan; it needs neither parameters nor hosts.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::diag::{Diagnostics, render};
use crate::plan::freeze;
use crate::plan::page::{day, duration};
use crate::text::{self, terminal_line};
use crate::window::schedule::{Clocks, Occurrence};
use crate::window::{Close, Freeze, State, Window, clock_change, zone};

use super::console::Console;
use super::exit;
use super::plan::{ChangeFlags, Format};
use super::problem::Problem;
use super::project;

/// One window to come.
#[derive(Serialize)]
struct Coming {
    opens: Timestamp,
    closes: Timestamp,
    /// In the window's zone.
    local: String,
    local_end: String,
    /// True if no host could start in it.
    frozen: bool,
    /// What one should know of it.
    remarks: Vec<String>,
}

/// Does it.
pub fn next(file: &Path, count: u16, flags: &ChangeFlags, format: Format, console: &Console) -> Result<u8, Problem> {
    let loaded = project::load(&flags.project_args(console)?, file)?;
    let spec = loaded
        .runbook
        .window
        .as_ref()
        .and_then(|w| Some((w, w.schedule.as_ref()?)));
    let Some((window, schedule)) = spec else {
        return Err(Problem::wrong(
            format!("{} has no schedule", loaded.path),
            "write it under `window`: `schedule: { nth: 2, weekday: tuesday, at: \"22:00\" }`",
        ));
    };
    let named = loaded.change.timezone.as_ref().or(window.timezone.as_ref());
    let timezone = named.map_or("UTC", |z| z.value.as_str());
    let zone = zone(timezone).map_err(|e| Problem::wrong(e.to_string(), e.help()))?;
    let policy = loaded.policy.iter().flat_map(|(p, _)| &p.freeze);
    let mut diags = Diagnostics::new();
    let calendars = freeze::read(
        window.not_during.iter().chain(policy),
        timezone,
        &loaded.room.folder,
        &mut diags,
    );
    if diags.has_errors() {
        return Err(Problem::Wrong(diags));
    }
    let screen = &console.screen;
    if !diags.0.is_empty() {
        screen.note(render::human(&diags, screen.color(), screen.width()).trim_end());
    }
    let length = millis(window.duration.value);
    let cutoff = window.cutoff.map_or(0, millis);
    let mut from = Timestamp::now();
    let mut all = Vec::new();
    while all.len() < usize::from(count)
        && let Some(o) = schedule.next(from, &zone)
    {
        let freezes = calendars.from(o.start);
        let window = Window {
            start: o.start,
            duration_ms: Some(length),
            cutoff_ms: cutoff,
            freezes: &freezes,
        };
        all.push(coming(&o, &window, timezone));
        from = o
            .start
            .checked_add(SignedDuration::from_millis(1))
            .unwrap_or(Timestamp::MAX);
    }
    let head = format!("{}, {timezone}, {}", schedule.text(), duration(length));
    match format {
        Format::Json => screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&all)?)
        )),
        Format::Text => screen.data(&plain(&head, &all)),
        Format::Md => screen.data(&markdown(&head, &all)),
        Format::Html => {
            return Err(Problem::wrong(
                "the list of windows is no page",
                "write it as text, md or json",
            ));
        }
    }
    Ok(exit::GOOD)
}

fn millis(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

fn coming(o: &Occurrence, window: &Window<'_>, timezone: &str) -> Coming {
    let end = window.end().unwrap_or(o.start);
    let mut remarks = Vec::new();
    let clock = o.written.strftime("%H:%M");
    match o.clocks {
        Clocks::Steady => {}
        Clocks::Skipped => remarks.push(format!(
            "the clocks jump over {clock} on that day: it begins later by the jump"
        )),
        Clocks::Twice => remarks.push(format!("{clock} is there twice on that day: it begins the first time")),
    }
    if let Ok(zone) = zone(timezone) {
        remarks.extend(clock_change(o.start, end, &zone).map(|c| format!("{c} inside it")));
    }
    let frozen = match window.state_at(o.start) {
        State::NotYet { opens, freeze: Some(f) } => {
            let so = opens.map_or("no host can start".to_owned(), |at| {
                format!("it opens {}", day(at, timezone))
            });
            remarks.push(format!("begins inside the freeze {}: {so}", said(f, timezone)));
            opens.is_none()
        }
        State::Open(Some(Close { freeze: Some(f), .. })) | State::CutOff(Close { freeze: Some(f), .. }) => {
            remarks.push(format!("is ended by the freeze {}", said(f, timezone)));
            matches!(window.state_at(o.start), State::CutOff(_))
        }
        _ => false,
    };
    Coming {
        opens: o.start,
        closes: end,
        local: day(o.start, timezone),
        local_end: day(end, timezone),
        frozen,
        remarks,
    }
}

fn said(f: &Freeze, zone: &str) -> String {
    format!("\"{}\" ({} to {})", f.what, day(f.from, zone), day(f.to, zone))
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn plain(head: &str, all: &[Coming]) -> String {
    let mut out = format!("{}\n", terminal_line(head));
    for (n, w) in all.iter().enumerate() {
        let mark = if w.frozen { "  FROZEN" } else { "" };
        let _ = writeln!(
            out,
            "{:>3}  {} ({}) to {} ({}){mark}",
            n + 1,
            w.local,
            utc(w.opens),
            w.local_end,
            utc(w.closes)
        );
        for remark in &w.remarks {
            let _ = writeln!(out, "     {}", terminal_line(remark));
        }
    }
    out
}

fn markdown(head: &str, all: &[Coming]) -> String {
    let mut out = format!(
        "{}\n\n| | Opens | UTC | Closes | UTC | |\n|---|---|---|---|---|---|\n",
        text::markdown(head)
    );
    for (n, w) in all.iter().enumerate() {
        let remarks = w.remarks.join("; ");
        let remarks = if w.frozen {
            format!("FROZEN: {remarks}")
        } else {
            remarks
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            n + 1,
            w.local,
            utc(w.opens),
            w.local_end,
            utc(w.closes),
            text::markdown(&remarks)
        );
    }
    out
}
