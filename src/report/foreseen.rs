//! The rest of a real run, as a dry run found it, in words.
//!
//! Owns: the wording, and which entries stand under one heading. Must not: escape (the formats do).

use super::record::{ChangeRecord, Foreseen};
use crate::plan::page::{Block, Section, count};
use crate::run::event::Outlook;

/// The heading, on each page and screen.
pub const TITLE: &str = "The rest of a real run, as far as it is known";

/// So many hosts are named.
const NAMED: usize = 8;

/// A step for some hosts: its heading, and what would become of it.
pub struct Entry {
    /// Its id in its phase, and its sentence.
    pub step: String,
    /// For whom.
    pub hosts: String,
    /// The text.
    pub text: String,
}

/// All entries in the order of the plan. Items of one step for the same hosts stand together.
pub fn entries(r: &ChangeRecord) -> Vec<Entry> {
    let same = |a: &Foreseen, b: &Foreseen| (&a.phase, &a.step, &a.hosts) == (&b.phase, &b.step, &b.hosts);
    r.foreseen
        .chunk_by(same)
        .filter_map(|items| {
            let first = items.first()?;
            let texts: Vec<String> = items.iter().map(|f| text(&f.outlook)).collect();
            Some(Entry {
                step: format!("{}/{} {}", first.phase, first.step, first.name),
                hosts: hosts(first),
                text: texts.join("\n"),
            })
        })
        .collect()
}

/// As a section of a page; none where nothing was left to do.
pub fn section(r: &ChangeRecord) -> Option<Section> {
    let blocks: Vec<Block> = entries(r)
        .into_iter()
        .map(|e| Block::Output {
            title: format!("{} ({})", e.step, e.hosts),
            text: e.text,
        })
        .collect();
    (!blocks.is_empty()).then(|| Section::new(TITLE, blocks))
}

fn hosts(f: &Foreseen) -> String {
    if f.hosts.is_empty() {
        return "once".to_owned();
    }
    let names: Vec<&str> = f.hosts.iter().take(NAMED).map(|h| h.as_str()).collect();
    let rest = f.hosts.len().saturating_sub(NAMED);
    match (f.hosts.len(), rest) {
        (1, _) => names.join(", "),
        (all, 0) => format!("{}: {}", count(all, "host", "hosts"), names.join(", ")),
        (all, rest) => format!("{}: {} and {rest} more", count(all, "host", "hosts"), names.join(", ")),
    }
}

fn text(outlook: &Outlook) -> String {
    match outlook {
        Outlook::Would { words, difference } if difference.is_empty() => words.trim_end().to_owned(),
        Outlook::Would { words, difference } => format!("{words}\n{difference}"),
        Outlook::LeftOut { why } => format!("left out: {why}"),
        Outlook::Open { why } => format!("cannot be known: {why}"),
        Outlook::Fails { why } => format!("would fail: {why}"),
    }
}
