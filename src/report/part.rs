//! What a section is made of, once for every format: words, facts and tables whose cells may be states.
//!
//! Owns: these types and what Markdown and terminals get of them. Must not: choose facts, escape (the formats do).

use super::words::Tone;
use crate::plan::page::{Block, Cell, Section, code};

/// What stands where nobody wrote anything.
pub const NOT_RECORDED: &str = "not recorded";

/// A piece of a section.
#[derive(Clone, Debug)]
pub enum Part {
    /// A paragraph.
    Text(String),
    /// A smaller one.
    Note(String),
    /// Names and values.
    Facts(Vec<(String, Val)>),
    /// Sentences.
    List(Vec<String>),
    /// A table.
    Table {
        /// What it shows.
        caption: String,
        /// Columns, with how their cells look in HTML.
        columns: Vec<(&'static str, &'static str)>,
        /// Rows.
        rows: Vec<Vec<Val>>,
    },
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Val {
    /// Words.
    Text(String),
    /// A digest, a path, an id.
    Code(String),
    /// A shape and a word.
    State(Tone, String),
    /// Words that say that there is nothing to say.
    Faint(String),
    /// A bar against a limit: how long, how much of it people were waited for, the limit, the end of the scale; for formats that
    /// can draw.
    Bar(Bar),
}

/// A bar against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What counts; `None`: not measured.
    pub value: Option<u64>,
    /// The limit.
    pub limit: u64,
    /// The end of the scale.
    pub scale: u64,
    /// True if the limit was kept.
    pub met: bool,
    /// True: it was measured under other circumstances than the last.
    pub other: bool,
}

impl Val {
    /// A state.
    pub fn state(tone: Tone, word: impl Into<String>) -> Self {
        Self::State(tone, word.into())
    }

    /// What somebody wrote, or that nobody did.
    pub fn written(text: Option<&str>) -> Self {
        match text.filter(|t| !t.trim().is_empty()) {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Faint(NOT_RECORDED.to_owned()),
        }
    }
}

impl From<&str> for Val {
    fn from(t: &str) -> Self {
        Self::Text(t.to_owned())
    }
}

impl From<String> for Val {
    fn from(t: String) -> Self {
        Self::Text(t)
    }
}

fn cell(v: Val) -> Cell {
    match v {
        Val::Text(t) | Val::State(_, t) | Val::Faint(t) => Cell::Text(t),
        Val::Code(t) => code(t),
        Val::Bar(_) => Cell::Text(String::new()),
    }
}

/// The section for formats of words; bars stand only where they can be drawn.
pub fn section(title: &str, parts: Vec<Part>) -> Section {
    let tables = parts.iter().filter(|p| matches!(p, Part::Table { .. })).count();
    let mut blocks = Vec::new();
    for part in parts {
        let block = match part {
            Part::Text(t) | Part::Note(t) => Block::Text(t),
            Part::Facts(rows) => Block::Facts(rows.into_iter().map(|(name, v)| (name, cell(v))).collect()),
            Part::List(lines) => Block::List(lines),
            Part::Table { caption, columns, rows } => {
                // Markdown shows no captions: of several tables each needs its name.
                if tables > 1 {
                    blocks.push(Block::Text(format!("{caption}:")));
                }
                let drawn = |row: &Vec<Val>, n: usize| matches!(row.get(n), Some(Val::Bar(_)));
                let words: Vec<usize> = (0..columns.len())
                    .filter(|n| !rows.iter().any(|row| drawn(row, *n)))
                    .collect();
                let head: Vec<&str> = words.iter().filter_map(|n| columns.get(*n)).map(|c| c.0).collect();
                let kept = rows.into_iter().map(|row| {
                    let cells = row.into_iter().enumerate();
                    cells.filter(|(n, _)| words.contains(n)).map(|(_, v)| cell(v)).collect()
                });
                Block::table(&caption, &head, kept.collect())
            }
        };
        blocks.push(block);
    }
    Section::new(title, blocks)
}
