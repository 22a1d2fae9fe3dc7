//! The timeline: one row a host, one bar an attempt, waiting for people as bands.
//!
//! Owns: the drawing. Must not: say anything in colour that a shape, a word or the table below does not say too.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::iter;

use super::Pieces;
use super::scale::Scale;
use super::shell::E;
use crate::id::HostName;
use crate::plan::Stage;
use crate::plan::page::{duration, moment_in};
use crate::report::record::{AttemptRecord, ChangeRecord, Outcome, Span, StepRecord};
use crate::report::words::{self, Tone};

const WIDTH: f64 = 1040.0;
const LEFT: f64 = 186.0;
const RIGHT: f64 = 930.0;
const TOP: f64 = 72.0;
/// Where the bands and the grid begin.
const HEAD: f64 = 30.0;
const TICKS: f64 = 60.0;
const ROW: f64 = 23.0;
const BAR: f64 = 11.0;
/// Letters of a host name that fit the margin.
const LETTERS: usize = 24;

/// The figure, or nothing if no step ran.
pub(super) fn timeline(r: &ChangeRecord) -> Option<Pieces<'_>> {
    let scale = Scale::new(r, LEFT, RIGHT)?;
    let rows = rows(r);
    let bottom = rows.iter().fold(TOP, |y, _| y + ROW);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<figure>\n<div class=\"chart\" role=\"group\" tabindex=\"0\" aria-label=\"Timeline\">\n<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-labelledby=\"tl-title tl-desc\">",
        bottom + 26.0
    );
    let _ = writeln!(out, "<title id=\"tl-title\">Timeline of the run, host by host</title>");
    let _ = writeln!(out, "<desc id=\"tl-desc\">{}</desc>", E(&description(r)));
    out.push_str("<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V5\"/></pattern></defs>\n");
    bands(&mut out, r, &scale, bottom);
    axis(&mut out, r, &scale, bottom);
    batches(&mut out, r, &scale);
    let mut end = "</svg>\n</div>\n".to_owned();
    end.push_str(&legend(r));
    let _ = writeln!(end, "<figcaption>{}</figcaption>\n</figure>", E(&caption(r, &scale)));
    let (steps, mut y) = (r.by_host(), TOP);
    let drawn = rows.into_iter().map(move |row| {
        let top = y;
        y += ROW;
        draw_row(r, &scale, &row, steps.of(row.host), top)
    });
    Some(Box::new(iter::once(out).chain(drawn).chain([end])))
}

/// A row: a host, or what belongs to none.
struct Row<'r> {
    host: Option<&'r HostName>,
    name: String,
    state: Option<(Tone, &'static str)>,
}

fn rows(r: &ChangeRecord) -> Vec<Row<'_>> {
    let mut out = Vec::new();
    if r.steps.iter().any(|s| s.host.is_none() && !s.attempts.is_empty()) {
        out.push(Row {
            host: None,
            name: "whole run".to_owned(),
            state: None,
        });
    }
    out.extend(r.hosts.iter().map(|h| Row {
        host: Some(&h.name),
        name: h.name.to_string(),
        state: Some(words::host(h.state)),
    }));
    out
}

fn description(r: &ChangeRecord) -> String {
    let mut text = format!("{} ", r.outcome.summary);
    for h in &r.hosts {
        let times = h.phases.iter().filter_map(|p| Some((p.began?, p.ended?)));
        if let Some((a, b)) = times.reduce(|x, y| (x.0.min(y.0), x.1.max(y.1))) {
            let (_, word) = words::host(h.state);
            let _ = write!(
                text,
                "{}: {word}, {} to {}. ",
                h.name,
                words::clock(r, a),
                words::clock(r, b)
            );
        }
    }
    text
}

/// Waiting for people, and time in which no pitstop ran.
fn bands(out: &mut String, r: &ChangeRecord, scale: &Scale, bottom: f64) {
    let mut band = |span: Span, class: &str, label: &str, long: String| {
        let (a, b) = (scale.x(span.start), scale.x(span.end));
        let width = (b - a).max(1.0);
        let _ = writeln!(
            out,
            "<g><rect class=\"{class}\" x=\"{a:.1}\" y=\"{HEAD}\" width=\"{width:.1}\" height=\"{:.1}\"/><path class=\"edge\" d=\"M{a:.1} {HEAD}V{bottom:.1}M{b:.1} {HEAD}V{bottom:.1}\"/><title>{}</title></g>",
            bottom - HEAD,
            E(&long)
        );
        if width > 80.0 {
            let ms = span.ms();
            let rounded = if ms < 60_000 {
                ms / 1000 * 1000
            } else {
                ms / 60_000 * 60_000
            };
            let _ = writeln!(
                out,
                "<text class=\"soft mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                a + width / 2.0,
                HEAD + 14.0,
                E(&format!("{label} {}", duration(rounded)))
            );
        }
    };
    for g in &r.gates {
        let end = g.ended.or(r.window.actual.map(|a| a.end)).unwrap_or(g.opened);
        let span = Span { start: g.opened, end };
        band(
            span,
            "gate",
            "gate",
            format!("Gate {}: {} ({})", g.gate, g.title, duration(g.waited_ms)),
        );
    }
    for x in &r.resumptions {
        let span = Span {
            start: x.since,
            end: x.at,
        };
        let word = if x.orderly { "stopped" } else { "cut off" };
        band(
            span,
            "off",
            word,
            format!("Nothing ran for {}; resumed by {}", duration(span.ms()), x.by),
        );
    }
}

fn axis(out: &mut String, r: &ChangeRecord, scale: &Scale, bottom: f64) {
    let inside = |x: f64| scale.pauses().any(|(a, b)| x > a - 16.0 && x < b + 16.0);
    let ticks = scale.ticks();
    // Marks closer than a minute would all say the same without seconds.
    let close = ticks
        .windows(2)
        .any(|w| matches!(w, [a, b] if b.as_second() - a.as_second() < 60));
    let format = if close { "%H:%M:%S" } else { "%H:%M" };
    for t in ticks {
        let x = scale.x(t);
        if inside(x) {
            continue;
        }
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/><text class=\"soft mid\" x=\"{x:.1}\" y=\"{TICKS}\">{}</text>",
            TICKS + 5.0,
            moment_in(t, &r.window.timezone, format)
        );
    }
    let zone = r.window.actual.map(|a| moment_in(a.start, &r.window.timezone, "%Z"));
    let _ = writeln!(
        out,
        "<text class=\"soft\" x=\"0\" y=\"{TICKS}\">{}</text>",
        E(&zone.unwrap_or_default())
    );
    let mut d = format!("M{LEFT:.1} {bottom:.1}");
    for (a, b) in scale.pauses() {
        // A shortened pause: the line breaks.
        let mid = f64::midpoint(a, b);
        let _ = write!(d, "H{:.1}l3 -5 4 10 3 -5", mid - 5.0);
    }
    let _ = writeln!(out, "<path class=\"base\" d=\"{d}H{RIGHT:.1}\"/>");
}

fn batches(out: &mut String, r: &ChangeRecord, scale: &Scale) {
    for p in r.phases.iter().filter(|p| p.batches.len() > 1 || r.phases.len() > 1) {
        for b in &p.batches {
            let hosts: HashSet<&HostName> = b.hosts.iter().collect();
            let ends = r.hosts.iter().filter(|h| hosts.contains(&h.name));
            let ends = ends
                .flat_map(|h| &h.phases)
                .filter(|x| x.phase == p.id)
                .filter_map(|x| x.ended);
            let Some(end) = ends.max() else { continue };
            let (x1, x2) = (scale.x(b.began), scale.x(end));
            let label = if p.batches.len() == 1 {
                p.id.clone()
            } else {
                format!("batch {}", b.batch)
            };
            let _ = writeln!(
                out,
                "<g><path class=\"base\" d=\"M{x1:.1} 24V20H{x2:.1}V24\"/><text class=\"soft mid\" x=\"{:.1}\" y=\"14\">{}</text><title>{}</title></g>",
                f64::midpoint(x1, x2),
                E(&label),
                E(&format!("Phase {}, batch {} of {} hosts", p.id, b.batch, b.hosts.len()))
            );
        }
    }
}

fn draw_row(r: &ChangeRecord, scale: &Scale, row: &Row<'_>, steps: &[&StepRecord], y: f64) -> String {
    let mut out = String::new();
    let middle = y + ROW / 2.0;
    let _ = writeln!(out, "<g><path class=\"grid\" d=\"M0 {:.1}H{WIDTH}\"/>", y + ROW);
    let name = if row.name.chars().count() > LETTERS {
        let cut: String = row.name.chars().take(LETTERS - 1).collect();
        format!("{cut}…")
    } else {
        row.name.clone()
    };
    let _ = writeln!(
        out,
        "<text x=\"0\" y=\"{:.1}\">{}<title>{}</title></text>",
        middle + 4.0,
        E(&name),
        E(&row.name)
    );
    for s in steps {
        for a in &s.attempts {
            bar(&mut out, r, scale, s, a, middle);
        }
    }
    if let Some((tone, word)) = row.state {
        let class = tone.class();
        let _ = writeln!(
            out,
            "<use href=\"#i-{class}\" class=\"{class} icon\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\"/><text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{word}</text>",
            RIGHT + 16.0,
            middle - 5.0,
            RIGHT + 32.0,
            middle + 4.0
        );
    }
    out.push_str("</g>\n");
    out
}

fn bar(out: &mut String, r: &ChangeRecord, scale: &Scale, s: &StepRecord, a: &AttemptRecord, middle: f64) {
    let end = a.ended.or(r.window.actual.map(|w| w.end)).unwrap_or(a.started);
    let (x1, x2) = (scale.x(a.started), scale.x(end));
    let width = (x2 - x1).max(1.4);
    let bad = matches!(
        a.outcome,
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Unreachable)
    );
    let lost = a.outcome == Some(Outcome::Unknown) || (a.outcome.is_none() && s.changes);
    let class = match s.stage {
        _ if lost => "lost",
        _ if bad && s.stage != Stage::Undo => "failed",
        Stage::Undo => "undo",
        _ if s.pass == 1 => "undo",
        Stage::Precheck | Stage::Verify | Stage::Steady => "read",
        Stage::Drain | Stage::Undrain => "move",
        Stage::Steps => "work",
        Stage::Cleanup => "close",
    };
    let (_, word) = words::outcome(a.outcome, s.warned);
    let _ = write!(
        out,
        "<g><rect class=\"{class}\" x=\"{x1:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/><title>{}</title></g>",
        middle - BAR / 2.0,
        E(&format!(
            "{}, {}: {word} after {} ({} to {}){}",
            s.name,
            s.stage.as_str(),
            duration(a.duration_ms),
            words::clock(r, a.started),
            words::clock(r, end),
            if a.attempt > 1 {
                format!(", attempt {}", a.attempt)
            } else {
                String::new()
            }
        ))
    );
    if bad || lost {
        // A cross above the bar, so that a failure needs no colour.
        let (x, y) = (x1 + width / 2.0, middle);
        let _ = write!(
            out,
            "<path class=\"mark\" d=\"M{:.1} {:.1}l5 5m0 -5l-5 5\"/>",
            x - 2.5,
            y - BAR / 2.0 - 6.0
        );
    }
    out.push('\n');
}

fn legend(r: &ChangeRecord) -> String {
    let mut out = String::from("<ul class=\"legend\" aria-label=\"What the bars mean\">\n");
    let has = |f: &dyn Fn(&StepRecord) -> bool| r.steps.iter().any(f);
    let entries: [(bool, &str, &str); 9] = [
        (
            has(&|s| matches!(s.stage, Stage::Precheck | Stage::Verify)),
            "read",
            "precheck, verify",
        ),
        (
            has(&|s| matches!(s.stage, Stage::Drain | Stage::Undrain)),
            "move",
            "drain, undrain",
        ),
        (has(&|s| s.stage == Stage::Steps), "work", "steps"),
        (has(&|s| s.stage == Stage::Undo || s.pass == 1), "undo", "going back"),
        (has(&|s| s.stage == Stage::Cleanup), "close", "cleanup"),
        (
            has(&|s| words::outcome(s.outcome, false).0 == Tone::Bad),
            "failed",
            "failed, with a cross",
        ),
        (has(&|s| s.outcome == Some(Outcome::Unknown)), "lost", "unknown"),
        (!r.gates.is_empty(), "gate", "waiting for people"),
        (!r.resumptions.is_empty(), "off", "nothing ran"),
    ];
    for (_, class, label) in entries.iter().filter(|e| e.0) {
        let _ = writeln!(
            out,
            "<li><svg viewBox=\"0 0 24 10\" aria-hidden=\"true\" focusable=\"false\"><rect class=\"{class}\" width=\"24\" height=\"10\"/></svg>{label}</li>"
        );
    }
    out.push_str("</ul>\n");
    out
}

fn caption(r: &ChangeRecord, scale: &Scale) -> String {
    let mut text = format!("Times in {}.", r.window.timezone);
    if scale.pauses().next().is_some() {
        text.push_str(" Long pauses are drawn shortened, where the base line breaks.");
    }
    text.push_str(" The tables below say the same in words.");
    text
}
