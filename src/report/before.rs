//! The approver's page as HTML, in the same dress as the report after.
//!
//! Owns: the format. Must not: choose facts (that is `plan::page`).

use std::fmt::Write as _;

use super::html::shell::{E, cell, document, figures, section};
use crate::plan::page::{Block, Cell, Page};

/// The page of a plan.
pub fn html(page: &Page) -> String {
    let mut header = String::new();
    let _ = writeln!(
        header,
        "<p class=\"kicker\">{}</p>\n<h1>{}</h1>",
        E(&page.kicker),
        E(&page.title)
    );
    for l in &page.lede {
        let _ = writeln!(header, "<p class=\"lede\">{}</p>", E(l));
    }
    header.push_str(&figures(&page.figures));
    let footer = "<p>Made by pitstop from the frozen plan. An approval signs the plan's digest, not this page.</p>\n";
    let (mut out, end) = document(&page.title, &header, footer);
    let mut add = |id: &str, title: &str, body: &str| {
        let (begin, end) = section(id, title, false);
        out.extend([&begin, body, end]);
    };
    add("s0", "Summary", &facts(&page.summary));
    for (n, s) in page.sections.iter().enumerate() {
        let mut body = String::new();
        for b in &s.blocks {
            block(&mut body, b);
        }
        add(&format!("s{}", n + 1), &s.title, &body);
    }
    out + &end
}

fn facts(rows: &[(String, Cell)]) -> String {
    let rows: Vec<(String, String)> = rows.iter().map(|(n, v)| (n.clone(), cell(v))).collect();
    super::html::shell::facts(&rows)
}

fn block(out: &mut String, b: &Block) {
    match b {
        Block::Text(t) => {
            let _ = writeln!(out, "<p>{}</p>", E(t));
        }
        Block::Warning(t) => {
            let _ = writeln!(out, "<p class=\"warning\"><b>Attention.</b> {}</p>", E(t));
        }
        Block::Facts(f) => out.push_str(&facts(f)),
        Block::List(l) => {
            out.push_str("<ul>\n");
            for item in l {
                let _ = writeln!(out, "<li>{}</li>", E(item));
            }
            out.push_str("</ul>\n");
        }
        Block::Table { caption, head, rows } => table(out, caption, head, rows),
        Block::Output { title, text } => {
            let _ = writeln!(
                out,
                "<details><summary>{}</summary><div class=\"inner\"><pre>{}</pre></div></details>",
                E(title),
                E(text)
            );
        }
    }
}

/// A column of short values keeps its lines; one with a long value may break anywhere.
fn table(out: &mut String, caption: &str, head: &[String], rows: &[Vec<Cell>]) {
    let class = |n: usize| {
        let cells = rows.iter().filter_map(|r| r.get(n)).map(Cell::as_str);
        let longest = cells.map(|c| c.chars().count()).max().unwrap_or(0);
        let number = rows
            .iter()
            .filter_map(|r| r.get(n))
            .all(|c| c.as_str().starts_with(|d: char| d.is_ascii_digit()));
        match longest {
            0..=14 if number => "num",
            0..=14 => "keep",
            _ => "long",
        }
    };
    let _ = write!(
        out,
        "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{0}\">\n<table><caption>{0}</caption>\n<thead><tr>",
        E(caption)
    );
    for (n, h) in head.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\" class=\"{}\">{}</th>", class(n), E(h));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (n, c) in row.iter().enumerate() {
            let _ = write!(out, "<td class=\"{}\">{}</td>", class(n), cell(c));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n</div>\n");
}
