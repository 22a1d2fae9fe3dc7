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
use super::record::{ChangeRecord, HostState};
use super::words;
use crate::plan::page::{count, duration};

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
    out.push_str("<dl class=\"figures\">\n");
    let mut figure = |name: &str, value: String, small: String| {
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd><b>{}</b><small>{}</small></dd></div>",
            E(name),
            E(&value),
            E(&small)
        );
    };
    let good = r
        .hosts
        .iter()
        .filter(|h| h.state.is_some_and(HostState::is_good))
        .count();
    figure("Hosts good", format!("{good} of {}", r.hosts.len()), batches(r));
    if let Some(a) = r.window.actual {
        let planned = r.window.planned.map(|p| format!("window of {}", duration(p.ms())));
        let waited = (r.window.waited_ms >= 1000)
            .then(|| format!("{} waiting for people", duration(r.window.waited_ms / 60_000 * 60_000)));
        let small = [planned, waited].into_iter().flatten().collect::<Vec<_>>().join(", ");
        figure("Took", duration(a.ms() / 60_000 * 60_000), small);
    }
    if !r.objectives.is_empty() {
        let met = r.objectives.iter().filter(|o| o.met).count();
        let names = r
            .objectives
            .iter()
            .map(|o| o.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        figure("Objectives met", format!("{met} of {}", r.objectives.len()), names);
    }
    match r.left_behind.len() {
        0 => figure("Left behind", "nothing".to_owned(), String::new()),
        n => figure("Left behind", n.to_string(), "listed below".to_owned()),
    }
    out.push_str("</dl>\n");
    out
}

fn batches(r: &ChangeRecord) -> String {
    let n: usize = r.phases.iter().map(|p| p.batches.len()).sum();
    if n == 0 {
        String::new()
    } else {
        format!("in {}", count(n, "batch", "batches"))
    }
}
