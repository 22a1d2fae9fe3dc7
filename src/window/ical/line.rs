//! Content lines of an iCalendar file: unfolded, split into name, parameters and value, each with its place.
//!
//! Owns: RFC 5545 section 3.1. Must not: know what a property means.

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Source, Span};

/// More than any calendar needs, and little enough that a hostile one costs nothing.
const MAX_BYTES: usize = 2 << 20;
const MAX_LINE: usize = 64 << 10;

/// One property with its place.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// In capitals.
    pub name: String,
    /// Name in capitals, and the values.
    pub params: Vec<(String, Vec<String>)>,
    /// As it is written, escapes and all.
    pub value: String,
    /// The value.
    pub span: Span,
    /// Name to value.
    pub whole: Span,
}

impl Line {
    /// The first value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, values) = self.params.iter().find(|(n, _)| n == name)?;
        values.first().map(String::as_str)
    }

    /// An error at its value.
    pub fn wrong(&self, code: &'static str, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message, self.span.clone(), label)
    }

    /// The value as text, escapes resolved.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut letters = self.value.chars();
        while let Some(c) = letters.next() {
            match c {
                '\\' => match letters.next() {
                    Some('n' | 'N') => out.push(' '),
                    Some(other) => out.push(other),
                    None => {}
                },
                c => out.push(c),
            }
        }
        out
    }
}

/// All lines; what is no line is reported.
pub(super) fn lines(source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<Line> {
    if source.text.len() > MAX_BYTES {
        diags.push(
            Diagnostic::error(
                "PS0481",
                "the calendar is larger than 2 MiB",
                Span::new(source, 0, 0),
                "this file",
            )
            .help("keep freezes in a calendar of their own"),
        );
        return Vec::new();
    }
    unfold(source)
        .iter()
        .filter_map(|folded| split(source, folded).map_err(|d| diags.push(d)).ok())
        .collect()
}

/// A line without its folds: the text, and where each piece of it stands in the file.
struct Folded {
    text: String,
    /// (offset in `text`, offset in the file), ascending.
    pieces: Vec<(usize, usize)>,
}

impl Folded {
    fn at(&self, offset: usize) -> usize {
        let piece = self.pieces.iter().rev().find(|(mine, _)| *mine <= offset);
        piece.map_or(0, |(mine, file)| file + (offset - mine))
    }
}

fn unfold(source: &Source) -> Vec<Folded> {
    let mut out: Vec<Folded> = Vec::new();
    let mut at = 0;
    for raw in source.text.split_inclusive('\n') {
        let text = raw.trim_end_matches(['\n', '\r']);
        match (text.strip_prefix([' ', '\t']), out.last_mut()) {
            (Some(rest), Some(last)) => {
                last.pieces.push((last.text.len(), at + 1));
                last.text.push_str(rest);
            }
            _ if text.trim().is_empty() => {}
            _ => out.push(Folded {
                text: text.to_owned(),
                pieces: vec![(0, at)],
            }),
        }
        at += raw.len();
    }
    out
}

fn split(source: &Arc<Source>, folded: &Folded) -> Result<Line, Diagnostic> {
    let text = &folded.text;
    let whole = Span::new(source, folded.at(0), folded.at(text.len()));
    let wrong = |label: &str| {
        Diagnostic::error("PS0480", "this is no line of a calendar", whole.clone(), label).help(
            "a line is `NAME:value` or `NAME;PARAMETER=value:value`; a long one goes on in the next after a space",
        )
    };
    if text.len() > MAX_LINE {
        return Err(wrong("it is longer than 64 KiB"));
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(wrong("it holds a control character"));
    }
    let colon = colon(text).ok_or_else(|| wrong("no `:` after a name"))?;
    let (head, value) = text.split_at_checked(colon).ok_or_else(|| wrong("no `:`"))?;
    let mut parts = outside_quotes(head, ';').into_iter();
    let name = parts.next().unwrap_or_default().to_ascii_uppercase();
    let is_name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_name(&name) {
        return Err(wrong("its name is none"));
    }
    let mut params = Vec::new();
    for part in parts {
        let (key, values) = part.split_once('=').ok_or_else(|| wrong("a parameter without `=`"))?;
        let values = outside_quotes(values, ',').into_iter();
        let values = values.map(|v| v.trim_matches('"').to_owned()).collect();
        params.push((key.to_ascii_uppercase(), values));
    }
    Ok(Line {
        name,
        params,
        value: value.get(1..).unwrap_or_default().to_owned(),
        span: Span::new(source, folded.at(colon + 1), folded.at(text.len())),
        whole,
    })
}

/// The colon that ends name and parameters.
fn colon(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|b| {
        quoted ^= b == b'"';
        b == b':' && !quoted
    })
}

fn outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == at && !quoted
    })
    .collect()
}
