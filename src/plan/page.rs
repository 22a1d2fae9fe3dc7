//! The approver's page: what a plan will do, in plain words, as facts that any format can show.
//!
//! Owns: which facts the page holds and in which order; the model of a page. Must not: escape (each format does that), ask a
//! clock, decide anything.

mod batches;
mod difference;
mod facts;
mod learnt;
mod markdown;
mod proven;
mod risk;
mod terminal;
#[cfg(test)]
mod tests;
mod time;
mod unbuilt;
mod words;

pub use difference::{Difference, diff, diff_markdown, diff_text, unified};
pub use facts::facts;
pub use learnt::{Found, Learnt, Rollback};
pub use markdown::markdown;
pub use terminal::{section, text};
pub use words::{count, day, duration, moment_in, plain_call, shown};

use jiff::Timestamp;

use crate::id::HostName;

/// What the page says beside the plan: none of it is in the digest.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Where the plan is stored, for the next command.
    pub file: Option<String>,
    /// The commit of the repository, and whether files differ from it.
    pub commit: Option<(String, bool)>,
    /// Former runs of this runbook, newest first.
    pub history: Vec<PastRun>,
    /// When the undo of a phase was last proven, each phase once; `None`: nobody looked.
    pub undone: Option<Vec<Undone>>,
    /// What the operator's ssh config adds to hosts.
    pub ssh: Vec<FromConfig>,
    /// What a former run found, where that is asked for.
    pub learnt: Option<Learnt>,
    /// Former runs that would keep this one from starting.
    pub in_the_way: Vec<Former>,
    /// Things that differ now from when the plan was made.
    pub changed: Vec<String>,
}

/// A former drill that was not cleaned up.
#[derive(Clone, Debug)]
pub struct Former {
    /// Which, in a sentence.
    pub what: String,
    /// What it owes, a line each.
    pub owes: Vec<String>,
    /// The commands that change that.
    pub ways: Vec<String>,
}

/// A setting of hosts that the operator's ssh config says, and the inventory does not.
#[derive(Clone, Debug)]
pub struct FromConfig {
    /// The keyword.
    pub keyword: String,
    /// Its value.
    pub value: String,
    /// `FILE:LINE`.
    pub place: String,
    /// The hosts it is said for.
    pub hosts: Vec<HostName>,
}

/// A former run of the same runbook.
#[derive(Clone, Debug)]
pub struct PastRun {
    /// Its id.
    pub run: String,
    /// Its verdict.
    pub verdict: String,
    /// How long it took.
    pub duration_ms: u64,
    /// How long each of its phases took.
    pub phases: std::collections::BTreeMap<String, u64>,
    /// How long the slowest host of each phase took.
    pub hosts: std::collections::BTreeMap<String, u64>,
    /// How long each step took at most, as `PHASE/STEP`.
    pub steps: std::collections::BTreeMap<String, u64>,
}

/// When hosts of a phase were last taken back by its undo and proven good again: by a rehearsal, or because something failed.
#[derive(Clone, Debug)]
pub struct Undone {
    /// The phase.
    pub phase: String,
    /// The run.
    pub run: String,
    /// When the last host was back.
    pub at: Timestamp,
    /// How long the slowest host took.
    pub slowest_ms: u64,
    /// Which hosts.
    pub hosts: Vec<HostName>,
    /// True: a rehearsal.
    pub rehearsal: bool,
    /// True if the phase's steps and their undo are still those.
    pub same: bool,
}

/// A page: facts in sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Above the title (`Change · patch · CHG0031337`).
    pub kicker: String,
    /// The title.
    pub title: String,
    /// The first sentences.
    pub lede: Vec<String>,
    /// A few numbers that say the most.
    pub figures: Vec<Figure>,
    /// Short facts.
    pub summary: Vec<(String, Cell)>,
    /// The rest.
    pub sections: Vec<Section>,
}

/// A number that says much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it counts.
    pub name: String,
    /// The number, in words if need be.
    pub value: String,
    /// What one should know with it.
    pub note: String,
}

impl Figure {
    /// A figure.
    pub fn new(name: &str, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
            note: note.into(),
        }
    }
}

/// A part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What it holds, in order.
    pub blocks: Vec<Block>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Something nobody may overlook.
    Warning(String),
    /// Names and values.
    Facts(Vec<(String, Cell)>),
    /// Sentences.
    List(Vec<String>),
    /// A table.
    Table {
        /// What it shows.
        caption: String,
        /// Column names.
        head: Vec<String>,
        /// Rows.
        rows: Vec<Vec<Cell>>,
    },
    /// Text to be shown as it is, folded where the format can (`title`).
    Output {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A command, a digest, a path.
    Code(String),
}

impl Cell {
    /// The value without its kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(t) | Self::Code(t) => t,
        }
    }
}

impl From<&str> for Cell {
    fn from(t: &str) -> Self {
        Self::Text(t.to_owned())
    }
}

impl From<String> for Cell {
    fn from(t: String) -> Self {
        Self::Text(t)
    }
}

/// A cell that is shown as code.
pub fn code(text: impl Into<String>) -> Cell {
    Cell::Code(text.into())
}

impl Section {
    /// A section.
    pub fn new(title: &str, blocks: Vec<Block>) -> Self {
        Self {
            title: title.to_owned(),
            blocks,
        }
    }
}

impl Block {
    /// A table.
    pub fn table(caption: &str, head: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        Self::Table {
            caption: caption.to_owned(),
            head: head.iter().map(|h| (*h).to_owned()).collect(),
            rows,
        }
    }
}
