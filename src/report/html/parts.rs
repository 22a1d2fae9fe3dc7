//! Pieces of sections as HTML: paragraphs, facts, tables whose cells may be states or bars.
//!
//! Owns: their form, the drawing of bars. Must not: choose facts.

use std::fmt::Write as _;

use super::shell::{E, facts, state, table};
use crate::plan::page::duration;
use crate::report::part::{Bar, Part, Val};
use crate::text;

/// How wide a bar in a cell is drawn at most.
const SPARK: f64 = 180.0;

/// The pieces, one after the other.
pub(super) fn html(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(t) => {
                let _ = writeln!(out, "<p>{}</p>", E(t));
            }
            Part::Note(t) => {
                let _ = writeln!(out, "<p class=\"note\">{}</p>", E(t));
            }
            Part::Facts(rows) => {
                let rows: Vec<(String, String)> = rows.iter().map(|(name, v)| (name.clone(), value(v))).collect();
                out.push_str(&facts(&rows));
            }
            Part::List(lines) => {
                out.push_str("<ul>\n");
                for line in lines {
                    let _ = writeln!(out, "<li>{}</li>", E(line));
                }
                out.push_str("</ul>\n");
            }
            Part::Table { caption, columns, rows } => {
                let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(value).collect()).collect();
                out.push_str(&table(caption, columns, &rows));
            }
        }
    }
    out
}

fn value(v: &Val) -> String {
    match v {
        Val::Text(t) => text::html(t),
        Val::Code(t) if t.is_empty() => String::new(),
        Val::Code(t) => format!("<code>{}</code>", E(t)),
        Val::State(tone, word) => state(*tone, word),
        Val::Faint(t) => format!("<span class=\"faint\">{}</span>", E(t)),
        Val::Bar(bar) => spark(bar),
    }
}

/// What part of a length something is.
pub(super) fn share(part: u64, of: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a drawing is not an account")]
    let share = part as f64 / of.max(1) as f64;
    share
}

/// A bar and the tick of its limit. What was measured under other circumstances is only outlined.
fn spark(b: &Bar) -> String {
    let limit = share(b.limit, b.scale) * SPARK;
    let said = b.value.map_or_else(|| "not measured".to_owned(), duration);
    let mut out = format!(
        "<svg class=\"spark\" viewBox=\"0 0 184 14\" role=\"img\" aria-label=\"{}\"><path class=\"grid\" d=\"M0 12.5H{SPARK}\"/>",
        E(&format!("{said} of at most {}", duration(b.limit)))
    );
    if let Some(value) = b.value {
        let class = match (b.other, b.met) {
            (true, _) => "other",
            (false, true) => "met",
            (false, false) => "missed",
        };
        let width = (share(value, b.scale) * SPARK).max(1.5);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"0.5\" y=\"3\" width=\"{width:.1}\" height=\"8\"/>"
        );
    }
    let _ = write!(out, "<path class=\"limit\" d=\"M{limit:.1} 0V14\"/></svg>");
    out
}
