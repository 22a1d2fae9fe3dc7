//! The frame of every HTML page and the small parts they share.
//!
//! Owns: the document, its content policy, escaping by type, states as shape and word. Must not: know which page it is.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::plan::page::{Cell, Figure};
use crate::report::words::Tone;
use crate::text;

const STYLE: &str = include_str!("style.css");

/// Text that is escaped where it is written.
pub(in crate::report) struct E<'a>(pub(in crate::report) &'a str);

impl fmt::Display for E<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::html(self.0))
    }
}

/// What stands before and after the content of a whole document. Nothing in it loads, runs or links anything outside; the policy
/// allows only this one style sheet.
pub(in crate::report) fn document(title: &str, header: &str, footer: &str) -> (String, String) {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let mut out = String::with_capacity(STYLE.len() + header.len() + 4096);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">"
    );
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"referrer\" content=\"no-referrer\">\n");
    let _ = writeln!(out, "<title>{}</title>", E(title));
    let _ = writeln!(out, "<style>{STYLE}</style>\n</head>\n<body>");
    out.push_str("<a class=\"skip\" href=\"#content\">To the content</a>\n");
    out.push_str(ICONS);
    let _ = writeln!(out, "<header>\n{header}</header>");
    out.push_str("<main id=\"content\">\n");
    let end = format!("</main>\n<footer>\n{footer}</footer>\n</body>\n</html>\n");
    (out, end)
}

/// One shape for each tone, drawn once.
const ICONS: &str = concat!(
    "<svg class=\"unseen\" aria-hidden=\"true\" focusable=\"false\"><defs>",
    "<symbol id=\"i-ok\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7\"/></symbol>",
    "<symbol id=\"i-warn\" viewBox=\"0 0 16 16\"><path d=\"M8 1 15.5 14.5H.5Z\"/></symbol>",
    "<symbol id=\"i-back\" viewBox=\"0 0 16 16\"><path d=\"M1 8 8 2v4h7v4H8v4Z\"/></symbol>",
    "<symbol id=\"i-bad\" viewBox=\"0 0 16 16\"><path d=\"M8 .5 15.5 8 8 15.5.5 8Z\"/></symbol>",
    "<symbol id=\"i-none\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"6\" fill=\"none\" stroke-width=\"2\"/></symbol>",
    "</defs></svg>\n",
);

/// The shape of a tone.
pub(in crate::report) fn icon(tone: Tone) -> String {
    format!(
        "<svg class=\"icon\" aria-hidden=\"true\" focusable=\"false\"><use href=\"#i-{}\"/></svg>",
        tone.class()
    )
}

/// A shape and a word.
pub(in crate::report) fn state(tone: Tone, word: &str) -> String {
    format!(
        "<span class=\"state {}\">{}{}</span>",
        tone.class(),
        icon(tone),
        E(word)
    )
}

/// What stands before and after the body of a section, with its heading in the margin.
pub(in crate::report) fn section(id: &str, title: &str, wide: bool) -> (String, &'static str) {
    let class = if wide { " class=\"wide\"" } else { "" };
    let begin = format!(
        "<section{class} aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n<div class=\"body\">\n",
        E(title)
    );
    (begin, "</div>\n</section>\n")
}

/// The few numbers that say the most.
pub(in crate::report) fn figures(list: &[Figure]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut out = String::from("<dl class=\"figures\">\n");
    for f in list {
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd><b>{}</b><small>{}</small></dd></div>",
            E(&f.name),
            E(&f.value),
            E(&f.note)
        );
    }
    out.push_str("</dl>\n");
    out
}

/// Names and values; a value is HTML already.
pub(in crate::report) fn facts(rows: &[(String, String)]) -> String {
    let mut out = String::from("<dl class=\"facts\">\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<dt>{}</dt><dd>{value}</dd>", E(name));
    }
    out.push_str("</dl>\n");
    out
}

/// A column: its name and how its cells look.
pub(in crate::report) type Column<'c> = (&'c str, &'static str);

/// A table of HTML cells; the first one of each row is its header.
pub(in crate::report) fn table(caption: &str, columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"");
    let _ = write!(
        out,
        "{}\">\n<table><caption>{}</caption>\n<thead><tr>",
        E(caption),
        E(caption)
    );
    for (name, class) in columns {
        let _ = write!(out, "<th scope=\"col\" class=\"{class}\">{}</th>", E(name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (n, (cell, (_, class))) in row.iter().zip(columns).enumerate() {
            let (open, close) = if n == 0 {
                ("th scope=\"row\"", "th")
            } else {
                ("td", "td")
            };
            let _ = write!(out, "<{open} class=\"{class}\">{cell}</{close}>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n</div>\n");
    out
}

/// A page's cell.
pub(in crate::report) fn cell(c: &Cell) -> String {
    match c {
        Cell::Text(t) => text::html(t),
        Cell::Code(t) => format!("<code>{}</code>", E(t)),
    }
}
