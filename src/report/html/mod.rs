//! The report as one HTML file: no script, nothing loaded, light and dark, made to be printed.
//!
//! Owns: the order of the page. Must not: compute (the record has the facts), write unescaped text.

mod scale;
mod sections;
pub(super) mod shell;
mod steps;
mod timeline;

use std::fmt::Write as _;

use self::shell::{E, document, icon, section};
use super::record::ChangeRecord;
use super::{foreseen, words};

/// The page of a record.
pub fn html(r: &ChangeRecord) -> String {
    let mut main = String::new();
    let mut add = |id: &str, title: &str, wide: bool, body: Option<String>| {
        if let Some(body) = body {
            section(&mut main, id, title, wide, &body);
        }
    };
    add("result", "Result", false, Some(sections::result(r)));
    add("timeline", "Timeline", true, timeline::timeline(r));
    add("hosts", "Hosts", false, sections::hosts(r));
    add("objectives", "Objectives", false, sections::objectives(r));
    add("changed", "What changed", false, Some(sections::changed(r)));
    add("foreseen", foreseen::TITLE, false, sections::foreseen(r));
    add("deviations", "Deviations", false, Some(sections::deviations(r)));
    add("rollback", "Rollback", false, sections::rollback(r));
    add("left", "Left behind", false, Some(sections::left_behind(r)));
    add("decisions", "Decisions", false, Some(sections::decisions(r)));
    add("people", "People", false, sections::people(r));
    add("notes", "Notes", false, sections::notes(r));
    add("steps", "Steps", false, steps::steps(r));
    add("evidence", "Evidence", false, Some(sections::evidence(r)));
    let footer = format!(
        "<p>Made by pitstop {} from the change record of run {}. Every number on this page is in the record; the record is bound to the journal by the chain head {}.</p>\n",
        E(&r.tool),
        E(r.id.as_ref().map_or("", |i| i.as_str())),
        E(r.chain.head.get(..16).unwrap_or(&r.chain.head))
    );
    document(&format!("{} – change record", r.title), &header(r), &main, &footer)
}

fn header(r: &ChangeRecord) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<p class=\"kicker\">{}</p>\n<h1>{}</h1>",
        E(&words::kicker(r)),
        E(&r.title)
    );
    if let Some(why) = r.reason.as_ref().or(r.description.as_ref()) {
        let _ = writeln!(out, "<p class=\"lede\">{}</p>", E(why));
    }
    let (tone, verdict) = words::verdict(r);
    let _ = writeln!(
        out,
        "<div class=\"verdict {}\">{}<div><strong>{}</strong><span>Close code: {}. {}</span></div></div>",
        tone.class(),
        icon(tone),
        E(verdict),
        words::close(r.outcome.result),
        E(&r.outcome.summary)
    );
    out.push_str(&shell::figures(&words::figures(r)));
    out
}
