//! The report as one HTML file: no script, nothing loaded, light and dark, made to be printed.
//!
//! Owns: the order of the page. Must not: compute (the record has the facts), write unescaped text.

mod checks;
mod missing;
mod scale;
mod sections;
pub(super) mod shell;
mod steps;
mod timeline;

use std::fmt::Write as _;
use std::iter;

use self::shell::{E, document, icon, section};
use super::record::ChangeRecord;
use super::{foreseen, quiet, words};

/// Text in pieces, each made when its turn comes.
type Pieces<'r> = Box<dyn Iterator<Item = String> + 'r>;

/// A section of the page: its anchor, its title, whether it takes the whole width, and its body, if it has one.
type Section = (
    &'static str,
    &'static str,
    bool,
    for<'r> fn(&'r ChangeRecord) -> Option<Pieces<'r>>,
);

const SECTIONS: [Section; 17] = [
    ("result", "Result", false, |r| one(Some(sections::result(r)))),
    ("timeline", "Timeline", true, timeline::timeline),
    ("checks", super::checks::TITLE, true, |r| one(checks::checks(r))),
    ("missing", super::missing::TITLE, true, |r| one(missing::missing(r))),
    ("hosts", "Hosts", false, |r| one(sections::hosts(r))),
    ("objectives", "Objectives", false, |r| one(sections::objectives(r))),
    ("changed", "What changed", false, |r| one(Some(sections::changed(r)))),
    ("foreseen", foreseen::TITLE, false, |r| one(sections::foreseen(r))),
    ("deviations", "Deviations", false, |r| {
        one(Some(sections::deviations(r)))
    }),
    ("rollback", "Rollback", false, |r| one(sections::rollback(r))),
    ("left", "Left behind", false, |r| one(Some(sections::left_behind(r)))),
    ("quiet", quiet::TITLE, false, |r| one(sections::silences(r))),
    ("decisions", "Decisions", false, |r| one(Some(sections::decisions(r)))),
    ("people", "People", false, |r| one(sections::people(r))),
    ("notes", "Notes", false, |r| one(sections::notes(r))),
    ("steps", "Steps", false, steps::steps),
    ("evidence", "Evidence", false, |r| one(Some(sections::evidence(r)))),
];

fn one<'r>(body: Option<String>) -> Option<Pieces<'r>> {
    Some(Box::new(iter::once(body?)))
}

/// The page of a record.
pub fn html(r: &ChangeRecord) -> String {
    pieces(r).collect()
}

/// The page piece by piece: that of a large run is larger than its record.
pub fn pieces(r: &ChangeRecord) -> impl Iterator<Item = String> {
    let footer = format!(
        "<p>Made by pitstop {} from the change record of run {}. Every number on this page is in the record; the record is bound to the journal by the chain head {}.</p>\n",
        E(&r.tool),
        E(r.id.as_ref().map_or("", |i| i.as_str())),
        E(r.chain.head.get(..16).unwrap_or(&r.chain.head))
    );
    let (begin, end) = document(&format!("{} – change record", r.title), &header(r), &footer);
    let main = SECTIONS.into_iter().filter_map(move |(id, title, wide, body)| {
        let (begin, end) = section(id, title, wide);
        Some(iter::once(begin).chain(body(r)?).chain([end.to_owned()]))
    });
    iter::once(begin).chain(main.flatten()).chain([end])
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
