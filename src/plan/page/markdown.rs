//! A page as Markdown.
//!
//! Owns: the format. Must not: choose facts.

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

/// A code span; where one could be broken out of, the HTML form, in which Markdown is still read: so every mark by number.
fn code_md(t: &str) -> String {
    let line = text::terminal_line(&t.replace(['\n', '\t'], " "));
    if !line.contains(['`', '|', '<', '>', '&']) && line.trim() == line {
        return format!("`{line}`");
    }
    format!("<code>{}</code>", by_number(&line))
}

/// Text in which no mark of Markdown or HTML is left, several lines in one.
fn by_number(t: &str) -> String {
    let mut out = String::new();
    for c in text::terminal(t).chars() {
        if c == '\n' || (c.is_ascii_punctuation() && !"/.,-()=+%".contains(c)) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
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
                by_number(title),
                by_number(body.trim_end())
            );
        }
    }
}
