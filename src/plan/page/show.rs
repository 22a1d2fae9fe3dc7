//! A page as terminal text and as Markdown.
//!
//! Owns: the two formats. Must not: choose facts.

use std::fmt::Write as _;

use super::{Block, Cell, Figure, Page};
use crate::text;

/// The page as Markdown.
pub fn markdown(page: &Page) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", inline(&page.title));
    if !page.kicker.is_empty() {
        let _ = writeln!(out, "{}\n", inline(&page.kicker));
    }
    for l in &page.lede {
        let _ = writeln!(out, "**{}**\n", inline(l));
    }
    figures_md(&mut out, &page.figures);
    if !page.summary.is_empty() {
        facts_md(&mut out, &page.summary);
    }
    for s in &page.sections {
        let _ = writeln!(out, "## {}\n", inline(&s.title));
        for b in &s.blocks {
            block_md(&mut out, b);
        }
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

fn figures_md(out: &mut String, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    let row = |f: &dyn Fn(&Figure) -> String| figures.iter().map(|x| format!("| {} ", f(x))).collect::<String>();
    let _ = writeln!(out, "{}|", row(&|f| inline(&f.name)));
    let _ = writeln!(out, "{}|", "|---".repeat(figures.len()));
    let _ = writeln!(out, "{}|", row(&|f| format!("**{}**", inline(&f.value))));
    let _ = writeln!(out, "{}|\n", row(&|f| inline(&f.note)));
}

fn facts_md(out: &mut String, facts: &[(String, Cell)]) {
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in facts {
        let _ = writeln!(out, "| **{}** | {} |", inline(name), cell_md(value));
    }
    out.push('\n');
}

fn cell_md(c: &Cell) -> String {
    match c {
        Cell::Text(t) => inline(t),
        Cell::Code(t) if t.is_empty() => String::new(),
        Cell::Code(t) => code_md(t),
    }
}

/// Escaped text, without the escapes that nothing needs inside a word or a time of day.
fn inline(t: &str) -> String {
    let escaped: Vec<char> = text::markdown(t).chars().collect();
    let mut out = String::with_capacity(escaped.len());
    for (n, c) in escaped.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|i| escaped.get(i)).copied().unwrap_or(' ');
        let after = escaped.get(n + 2).copied().unwrap_or(' ');
        let needless = *c == '\\'
            && before != '\\'
            && match escaped.get(n + 1) {
                Some('_') => before.is_alphanumeric() && after.is_alphanumeric(),
                Some(':') => after == ' ' || (before.is_ascii_digit() && after.is_ascii_digit()),
                Some('.') => after.is_ascii_digit(),
                Some('@') => before.is_alphanumeric(),
                _ => false,
            };
        if !needless {
            out.push(*c);
        }
    }
    out
}

/// A code span; the HTML form where a span could be broken out of.
fn code_md(t: &str) -> String {
    if t.chars().any(|c| c.is_control() || "`|<>&".contains(c)) || t.starts_with(' ') || t.ends_with(' ') {
        let safe = text::html(&t.replace(['\n', '\t'], " "));
        format!(
            "<code>{}</code>",
            safe.replace('|', "&#124;").replace('`', "&#96;").replace('*', "&#42;")
        )
    } else {
        format!("`{}`", &text::terminal_line(t))
    }
}

fn block_md(out: &mut String, b: &Block) {
    match b {
        Block::Text(t) => {
            let _ = writeln!(out, "{}\n", inline(t));
        }
        Block::Warning(t) => {
            let _ = writeln!(out, "> **Attention:** {}\n", inline(t));
        }
        Block::Facts(f) => facts_md(out, f),
        Block::List(l) => {
            for item in l {
                let _ = writeln!(out, "- {}", inline(item));
            }
            out.push('\n');
        }
        Block::Table { head, rows, .. } => {
            for h in head {
                let _ = write!(out, "| {} ", inline(h));
            }
            out.push_str("|\n");
            out.push_str(&"|---".repeat(head.len()));
            out.push_str("|\n");
            for row in rows {
                for c in row {
                    let _ = write!(out, "| {} ", cell_md(c));
                }
                out.push_str("|\n");
            }
            out.push('\n');
        }
        Block::Output { title, text: body } => {
            let _ = writeln!(
                out,
                "<details><summary>{}</summary>\n<pre>{}</pre>\n</details>\n",
                text::html(title),
                // A blank line would end the HTML block and let Markdown in again.
                text::html(body.trim_end()).replace('\n', "&#10;")
            );
        }
    }
}

/// The page as text for a terminal of this width.
pub fn text(page: &Page, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    if !page.kicker.is_empty() {
        wrap(&mut out, &page.kicker, 0, width);
    }
    wrap(&mut out, &page.title, 0, width);
    let _ = writeln!(out, "{}", "=".repeat(page.title.chars().count().min(width)));
    for l in &page.lede {
        wrap(&mut out, l, 0, width);
    }
    out.push('\n');
    for f in &page.figures {
        let note = if f.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", f.note)
        };
        wrap(&mut out, &format!("{:<20}{}{note}", f.name, f.value), 20, width);
    }
    facts_text(&mut out, &page.summary, width);
    for s in &page.sections {
        let _ = writeln!(
            out,
            "\n{}\n{}",
            text::terminal(&s.title),
            "-".repeat(s.title.chars().count().min(width))
        );
        for b in &s.blocks {
            block_text(&mut out, b, width);
        }
    }
    out
}

fn block_text(out: &mut String, b: &Block, width: usize) {
    match b {
        Block::Text(t) => wrap(out, t, 0, width),
        Block::Warning(t) => wrap(out, &format!("! {t}"), 2, width),
        Block::Facts(f) => facts_text(out, f, width),
        Block::List(l) => {
            for item in l {
                wrap(out, &format!("- {item}"), 2, width);
            }
        }
        Block::Table { head, rows, .. } => table_text(out, head, rows, width),
        Block::Output { title, text: body } => {
            wrap(out, title, 0, width);
            for line in body.lines() {
                let _ = writeln!(out, "    {}", text::terminal(line));
            }
        }
    }
}

fn facts_text(out: &mut String, facts: &[(String, Cell)], width: usize) {
    let column = facts.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0).min(24) + 2;
    for (name, value) in facts {
        wrap(out, &format!("{name:column$}{}", value.as_str()), column, width);
    }
}

/// Columns as wide as their content; the last one wraps.
fn table_text(out: &mut String, head: &[String], rows: &[Vec<Cell>], width: usize) {
    let columns = head.len();
    let widest = |n: usize| {
        let cells = rows.iter().filter_map(|r| r.get(n)).map(|c| c.as_str().chars().count());
        let title = head.get(n).map_or(0, |h| h.chars().count());
        cells.chain([title]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(|n| widest(n).min(width / 3)).collect();
    let indent: usize = widths.iter().take(columns.saturating_sub(1)).map(|w| w + 2).sum();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (n, (cell, w)) in cells.iter().zip(&widths).enumerate() {
            if n + 1 < columns {
                let _ = write!(text, "{cell:w$}  ");
            } else {
                text.push_str(cell);
            }
        }
        wrap(out, &text, indent.min(width / 2), width);
    };
    line(head.iter().map(String::as_str).collect());
    for r in rows {
        line(r.iter().map(Cell::as_str).collect());
    }
}

/// Breaks at spaces; runs of spaces inside stay, so that columns hold.
fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let text = text::terminal(&text.replace(['\n', '\t'], " "));
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let length = word.chars().count();
        let shown = word.trim_end().chars().count();
        if used + shown > width && used > indent {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            used = indent;
            if shown == 0 {
                continue;
            }
        }
        line.push_str(word);
        used += length;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}
