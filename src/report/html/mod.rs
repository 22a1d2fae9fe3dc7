//! The report as one HTML file: no script, nothing loaded, light and dark, made to be printed.
//!
//! Owns: the order of the page. Must not: compute (the record has the facts), write unescaped text.

mod bars;
mod checks;
mod missing;
mod parts;
mod scale;
mod sections;
pub(super) mod shell;
mod steps;
mod timeline;

use std::fmt::Write as _;
use std::iter;

use self::shell::{E, document, icon, section};
use super::part::Part;
use super::record::ChangeRecord;
use super::{drill, foreseen, objectives, quiet, restored, words};
use crate::plan::Kind;

/// Text in pieces, each made when its turn comes.
type Pieces<'r> = Box<dyn Iterator<Item = String> + 'r>;

/// A section of the page: its anchor, its title, whether it takes the whole width, and its body, if it has one.
type Section = (
    &'static str,
    &'static str,
    bool,
    for<'r> fn(&'r ChangeRecord) -> Option<Pieces<'r>>,
);

const RESULT: Section = ("result", "Result", false, |r| one(Some(sections::result(r))));
const TIMELINE: Section = ("timeline", "Timeline", true, timeline::timeline);
const CHECKS: Section = ("checks", super::checks::TITLE, true, |r| one(checks::checks(r)));
const MISSING: Section = ("missing", super::missing::TITLE, true, |r| one(missing::missing(r)));
const HOSTS: Section = ("hosts", "Hosts", false, |r| one(sections::hosts(r)));
const OBJECTIVES: Section = ("objectives", "Objectives", false, |r| one(bars::objectives(r)));
const HISTORY: Section = ("history", objectives::HISTORY, true, |r| made(objectives::history(r)));
const CHANGED: Section = ("changed", "What changed", false, |r| one(Some(sections::changed(r))));
const FORESEEN: Section = ("foreseen", foreseen::TITLE, false, |r| one(sections::foreseen(r)));
const DEVIATIONS: Section = ("deviations", "Deviations", false, |r| {
    one(Some(sections::deviations(r)))
});
const ROLLBACK: Section = ("rollback", "Rollback", false, |r| one(sections::rollback(r)));
const LEFT: Section = ("left", "Left behind", false, |r| one(Some(sections::left_behind(r))));
const QUIET: Section = ("quiet", quiet::TITLE, false, |r| one(sections::silences(r)));
const DECISIONS: Section = ("decisions", "Decisions", false, |r| one(Some(sections::decisions(r))));
const PEOPLE: Section = ("people", "People", false, |r| one(sections::people(r)));
const NOTES: Section = ("notes", "Notes", false, |r| one(sections::notes(r)));
const STEPS: Section = ("steps", "Steps", false, steps::steps);
const EVIDENCE: Section = ("evidence", "Evidence", false, |r| one(Some(sections::evidence(r))));
const SOURCE: Section = ("source", restored::SOURCE, false, |r| made(restored::source(r)));
const POINT: Section = ("point", restored::POINT, false, |r| made(restored::point(r)));
const PROOF: Section = ("proof", restored::PROOF, true, |r| made(restored::proof(r, None)));
const CLEANUP: Section = ("cleanup", restored::CLEANUP, false, |r| made(restored::cleanup(r)));
const IDENTITY: Section = ("identity", drill::IDENTITY, false, |r| made(drill::identity(r)));
const SCOPE: Section = ("scope", drill::SCOPE, false, |r| made(drill::scope(r)));
const ROLES: Section = ("people", drill::PEOPLE, false, |r| made(drill::people(r)));
const COURSE: Section = ("course", drill::COURSE, true, |r| made(drill::course(r)));
const STEADY: Section = ("steady", drill::STEADY, false, |r| made(drill::steady(r)));
const ISOLATION: Section = ("isolation", drill::ISOLATION, false, |r| made(drill::isolation(r)));
const FINDINGS: Section = ("findings", drill::FINDINGS, true, |r| made(drill::findings(r)));
const LAST: Section = ("last", drill::LAST, true, |r| made(drill::last(r)));
const LESSONS: Section = ("lessons", drill::LESSONS, false, |r| made(drill::lessons(r)));
const SIGN_OFF: Section = ("signoff", drill::SIGN_OFF, false, |r| made(drill::sign_off(r)));

/// Which sections the page of this kind of work has, in order. One without anything to say is left out.
fn order(r: &ChangeRecord) -> Vec<Section> {
    let mut all = match r.kind {
        Kind::RestoreTest if restored::is_trial(r) => vec![
            RESULT, SOURCE, POINT, OBJECTIVES, HISTORY, PROOF, CLEANUP, TIMELINE, CHECKS, HOSTS, CHANGED, DEVIATIONS,
            ROLLBACK, QUIET, DECISIONS, PEOPLE,
        ],
        Kind::DrDrill if restored::is_trial(r) => vec![
            RESULT, IDENTITY, OBJECTIVES, POINT, HISTORY, SCOPE, ROLES, TIMELINE, COURSE, STEADY, PROOF, CHECKS,
            DEVIATIONS, DECISIONS, ISOLATION, CLEANUP, HOSTS, CHANGED, ROLLBACK, QUIET,
        ],
        _ => vec![
            RESULT, TIMELINE, CHECKS, MISSING, HOSTS, OBJECTIVES, HISTORY, CHANGED, FORESEEN, DEVIATIONS, ROLLBACK,
            LEFT, QUIET, DECISIONS, PEOPLE,
        ],
    };
    if drill::is_reviewed(r) {
        all.push(FINDINGS);
        if r.last_drill.is_some() || r.kind == Kind::DrDrill {
            all.push(LAST);
        }
        all.extend([LESSONS, SIGN_OFF]);
    }
    all.extend([NOTES, STEPS, EVIDENCE]);
    all
}

fn made<'r>(parts: Vec<Part>) -> Option<Pieces<'r>> {
    one((!parts.is_empty()).then(|| parts::html(&parts)))
}

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
    let main = order(r).into_iter().filter_map(move |(id, title, wide, body)| {
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
