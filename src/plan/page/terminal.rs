//! A page as text for a terminal.
//!
//! Owns: the format: columns that hold at any width. Must not: choose facts, use colour.

use std::fmt::Write as _;

use super::{Block, Cell, Page, Section};
use crate::text;

/// The page as text for a terminal of this width.
pub fn text(page: &Page, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    paragraph(&mut out, &page.kicker, "", width);
    heading(&mut out, &page.title, '=', width);
    for l in &page.lede {
        paragraph(&mut out, l, "", width);
    }
    out.push('\n');
    let figures: Vec<(String, Cell)> = page
        .figures
        .iter()
        .map(|f| {
            let note = if f.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", f.note)
            };
            (f.name.clone(), format!("{}{note}", f.value).into())
        })
        .chain(page.summary.iter().cloned())
        .collect();
    facts(&mut out, &figures, width);
    for s in &page.sections {
        out.push('\n');
        out.push_str(&section(s, width));
    }
    out
}

/// One section of a page as text for a terminal of this width.
pub fn section(section: &Section, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    heading(&mut out, &section.title, '-', width);
    for b in &section.blocks {
        block(&mut out, b, width);
    }
    out
}

fn heading(out: &mut String, title: &str, line: char, width: usize) {
    let lines = wrapped(title, width);
    let longest = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    for l in lines {
        let _ = writeln!(out, "{l}");
    }
    let _ = writeln!(out, "{}", line.to_string().repeat(longest));
}

/// Text behind a mark; further lines stand under the first.
fn paragraph(out: &mut String, t: &str, mark: &str, width: usize) {
    for (n, l) in wrapped(t, width - mark.len()).iter().enumerate() {
        let lead = if n == 0 {
            mark.to_owned()
        } else {
            " ".repeat(mark.len())
        };
        let _ = writeln!(out, "{lead}{l}");
    }
}

fn block(out: &mut String, b: &Block, width: usize) {
    match b {
        Block::Text(t) => paragraph(out, t, "", width),
        Block::Warning(t) => paragraph(out, t, "! ", width),
        Block::Facts(f) => facts(out, f, width),
        Block::List(l) => l.iter().for_each(|item| paragraph(out, item, "- ", width)),
        Block::Table { head, rows, .. } => {
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            let rows: Vec<Vec<&str>> = rows.iter().map(|r| r.iter().map(Cell::as_str).collect()).collect();
            columns(out, &[vec![head], rows].concat(), width);
        }
        Block::Output { title, text: body } => {
            paragraph(out, title, "", width);
            for line in body.lines() {
                let _ = writeln!(out, "    {}", text::terminal_line(line));
            }
        }
    }
}

fn facts(out: &mut String, facts: &[(String, Cell)], width: usize) {
    let rows: Vec<Vec<&str>> = facts.iter().map(|(n, v)| vec![n.as_str(), v.as_str()]).collect();
    columns(out, &rows, width);
}

/// Rows in columns as wide as their content; where that is too much the widest give way, and their cells wrap.
fn columns(out: &mut String, rows: &[Vec<&str>], width: usize) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..count)
        .map(|n| {
            rows.iter()
                .filter_map(|r| r.get(n))
                .map(|c| text::terminal_line(c).chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let room = width.saturating_sub(2 * count.saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().max() {
            Some(w) if *w > 6 => *w -= 1,
            _ => break,
        }
    }
    for row in rows {
        let cells: Vec<Vec<String>> = row.iter().zip(&widths).map(|(c, w)| wrapped(c, *w)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for n in 0..height {
            let mut line = String::new();
            for (cell, w) in cells.iter().zip(&widths) {
                let _ = write!(line, "{:w$}  ", cell.get(n).map_or("", String::as_str));
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// Lines of at most this many letters, broken at spaces, and inside a word only if it is longer than a line.
fn wrapped(t: &str, width: usize) -> Vec<String> {
    let t = text::terminal_line(&t.replace(['\n', '\t'], " "));
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in t.split(' ').filter(|w| !w.is_empty()) {
        let mut letters: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + letters.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        while letters.len() > width {
            let rest = letters.split_off(width);
            lines.push(letters.iter().collect());
            letters = rest;
        }
        line.extend(&letters);
        used += letters.len();
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
