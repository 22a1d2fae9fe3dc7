//! Objectives against their limits, and what the time went into.
//!
//! Owns: these drawings. Must not: measure.

use std::fmt::Write as _;

use super::parts::{self, share};
use super::sections::code;
use super::shell::{E, state};
use crate::plan::page::duration;
use crate::report::objectives as measures;
use crate::report::record::{ChangeRecord, ObjectiveResult};
use crate::report::words;

/// How wide a bar is drawn at most.
const WIDE: f64 = 620.0;

/// Bars against limits.
pub(super) fn objectives(r: &ChangeRecord) -> Option<String> {
    if r.objectives.is_empty() {
        return None;
    }
    let mut out = String::new();
    for o in &r.objectives {
        let (tone, word) = if o.met {
            (words::Tone::Ok, "met")
        } else {
            (words::Tone::Bad, "missed")
        };
        let limit = duration(o.max_ms);
        let actual = match o.actual_ms {
            Some(ms) => format!("{} of at most {limit}", duration(ms)),
            None => format!("Not measured: {}. At most {limit}", o.why),
        };
        let _ = writeln!(
            out,
            "<h3>{} {}</h3>\n<p>{}, from {} to {}.{}</p>",
            E(&o.name),
            state(tone, word),
            E(&actual),
            moment(r, &o.from, o.from_at),
            moment(r, &o.to, o.to_at),
            E(&remark(o))
        );
        out.push_str(&bar(o));
        if !o.parts.is_empty() {
            out.push_str(&row(o));
            out.push_str(&parts::html(&measures::split(o)));
        }
    }
    out.push_str(&parts::html(&measures::measured(r)));
    Some(out)
}

/// A mark with its time of day.
fn moment(r: &ChangeRecord, mark: &str, at: Option<jiff::Timestamp>) -> String {
    let time = at.map(|a| format!(" ({})", words::clock(r, a))).unwrap_or_default();
    format!("{}{time}", code(mark))
}

fn remark(o: &ObjectiveResult) -> String {
    match (o.waited_ms, o.less_waiting) {
        (0, _) => String::new(),
        (ms, true) => format!(" {} waiting for people not counted.", duration(ms)),
        (ms, false) => format!(" Of that {} waiting for people, counted.", duration(ms)),
    }
}

fn bar(o: &ObjectiveResult) -> String {
    let Some(actual) = o.actual_ms else {
        return String::new();
    };
    let waited = o.waited_ms;
    let counted = if o.less_waiting {
        actual
    } else {
        actual.saturating_sub(waited)
    };
    let all = (counted + waited).max(o.max_ms).max(1);
    let wide = |ms: u64| share(ms, all) * WIDE;
    let mut out = String::from("<div class=\"chart bars\">");
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 640 44\" role=\"img\" aria-label=\"{}\">",
        E(&format!("{} of at most {}", duration(actual), duration(o.max_ms)))
    );
    let class = if o.met { "met" } else { "missed" };
    let _ = write!(
        out,
        "<path class=\"base\" d=\"M0 27.5H620\"/><rect class=\"{class}\" x=\"0\" y=\"12\" width=\"{:.1}\" height=\"11\"/>",
        wide(counted)
    );
    if waited > 0 {
        let _ = write!(
            out,
            "<rect class=\"paused\" x=\"{:.1}\" y=\"12.5\" width=\"{:.1}\" height=\"10\"><title>waiting for people</title></rect>",
            wide(counted) + 1.0,
            (wide(waited) - 1.0).max(1.0)
        );
    }
    let x = wide(o.max_ms);
    let anchor = if x > 320.0 { "soft end" } else { "soft" };
    let _ = writeln!(
        out,
        "<path class=\"limit\" d=\"M{x:.1} 6V30\"/><text class=\"{anchor}\" x=\"{x:.1}\" y=\"42\">limit {}</text></svg></div>",
        E(&duration(o.max_ms))
    );
    out
}

/// The parts of an objective in a row: work full, waiting for people behind it, each with its number.
fn row(o: &ObjectiveResult) -> String {
    let all: u64 = o.parts.iter().map(|p| p.ms).sum();
    let mut out = format!(
        "<div class=\"chart bars\"><svg viewBox=\"0 0 640 34\" role=\"img\" aria-label=\"{}\">",
        E(&format!(
            "The parts of {}, in order; the table below says the same",
            o.name
        ))
    );
    let mut x = 0.0;
    for (n, p) in o.parts.iter().enumerate() {
        let class = if n % 2 == 0 { "work" } else { "move" };
        let (worked, waited) = (share(p.worked_ms(), all) * WIDE, share(p.waited_ms, all) * WIDE);
        let title = format!(
            "{}: {} to {}, {} of work, {} waiting for people",
            n + 1,
            p.from,
            p.to,
            duration(p.worked_ms()),
            duration(p.waited_ms)
        );
        let _ = write!(
            out,
            "<g><title>{}</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"4\" width=\"{:.1}\" height=\"11\"/>",
            E(&title),
            (worked - 1.0).max(0.8)
        );
        if waited > 0.0 {
            let _ = write!(
                out,
                "<rect class=\"paused\" x=\"{:.1}\" y=\"4.5\" width=\"{:.1}\" height=\"10\"/>",
                x + worked,
                (waited - 1.0).max(0.8)
            );
        }
        // A number needs room; the table has all of them.
        if worked + waited > 12.0 {
            let _ = write!(
                out,
                "<text class=\"soft mid\" x=\"{:.1}\" y=\"28\">{}</text>",
                x + (worked + waited) / 2.0,
                n + 1
            );
        }
        out.push_str("</g>");
        x += worked + waited;
    }
    out.push_str("</svg></div>\n");
    out
}
