//! What is said about text that is not YAML, or not the YAML that pitstop accepts, where it takes more than a line.
//!
//! Owns: these words. Must not: name the parser.

use std::sync::Arc;

use super::{MAX_BYTES, Node, NodeKind};
use crate::diag::{Diagnostic, Source, Span};

pub(super) fn too_large(span: Span) -> Diagnostic {
    let limit = MAX_BYTES >> 20;
    Diagnostic::error(
        "PS0002",
        format!("the file is larger than {limit} MiB"),
        span,
        "this file is not read",
    )
    .help("a runbook holds steps, not data: keep the data in a file that a step uploads")
}

/// The span of the character at `at`.
pub(super) fn one_char(source: &Arc<Source>, at: usize) -> Span {
    let len = source
        .text
        .get(at..)
        .and_then(|t| t.chars().next())
        .map_or(0, char::len_utf8);
    Span::new(source, at, at + len)
}

/// `{{ x }}` without quotes reads as a map whose key is a map: by far the most frequent cause. Its whole place, if it is one.
pub(super) fn unquoted(key: &Node) -> Option<Span> {
    let NodeKind::Map(_) = key.kind else { return None };
    let source = &key.span.source;
    let before = source.text.get(..key.span.start).unwrap_or("");
    let after = source.text.get(key.span.end..).unwrap_or("");
    let is_one = key.span.text().starts_with('{') && before.ends_with('{') && after.trim_start().starts_with('}');
    let close = key.span.end + after.find('}').map_or(0, |n| n + 1);
    let tail = source.text.get(close..).unwrap_or("");
    let more = tail
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']'))
        .unwrap_or(tail.len());
    is_one.then(|| Span::new(source, key.span.start - 1, close + more))
}

/// A key that is a list or a map.
pub(super) fn key_is_no_text(key: &Node) -> Diagnostic {
    if let Some(whole) = unquoted(key) {
        let written = whole.text().to_owned();
        return unquoted_template(whole, &written);
    }
    Diagnostic::error(
        "PS0009",
        "a key must be a word",
        key.span.clone(),
        "this is a list or a map",
    )
    .help("write `word: value`; a text that begins with a bracket needs quotes")
}

pub(super) fn unquoted_template(span: Span, written: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0011",
        "a value that begins with `{{` needs quotes",
        span,
        "YAML takes the braces for a map",
    )
    .help(format!("write \"{}\"", written.trim()))
}

/// `run: echo a: b`.
pub(super) fn colon_in_value(source: &Arc<Source>, start: usize, content: &str) -> Diagnostic {
    let first = content.find(": ").unwrap_or(0);
    let key = content.get(..first).unwrap_or("").trim_start_matches("- ").trim();
    let value_at = first + 2;
    let value = content.get(value_at..).unwrap_or("");
    let colon = start + value_at + value.find(": ").unwrap_or(0);
    Diagnostic::error(
        "PS0013",
        "a value with `: ` in it needs quotes or a block",
        Span::new(source, colon, colon + 1),
        "YAML takes this for another key",
    )
    .help(format!("write `{key}: |` and put the text in the next line, indented"))
}

pub(super) fn tab(source: &Arc<Source>, line_start: usize, here: Span) -> Diagnostic {
    // The parser may stop a line before the tab that stopped it.
    let rest = source.text.get(line_start..).unwrap_or("");
    let found = rest.split_inclusive('\n').scan(line_start, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let indent = |line: &str| line.len() - line.trim_start().len();
    let tab = found.take(3).find_map(|(start, line)| {
        let n = line.get(..indent(line))?.find('\t')?;
        Some(Span::new(source, start + n, start + n + 1))
    });
    Diagnostic::error(
        "PS0014",
        "a tab stands where YAML wants spaces",
        tab.unwrap_or(here),
        "this is a tab",
    )
    .help("use spaces, two for each level; most editors can convert the file")
}

/// A bracket that waits for its end.
pub(super) fn never_closed(bracket: Span) -> Diagnostic {
    let open = bracket.text().to_owned();
    let close = if open == "[" { "]" } else { "}" };
    Diagnostic::error(
        "PS0012",
        format!("the bracket `{open}` is opened and not closed"),
        bracket,
        "opened here",
    )
    .help(format!("add `{close}`; a text that begins with `{open}` needs quotes"))
}

/// A quote that waits for its end: the nearest line before `at` that opens one and does not close it.
pub(super) fn open_quote(source: &Arc<Source>, at: usize) -> Option<Span> {
    let before = source.text.get(..at)?;
    let mut end = before.len();
    loop {
        let start = before.get(..end)?.rfind('\n').map_or(0, |n| n + 1);
        let line = before.get(start..end)?;
        for quote in ['"', '\''] {
            let value = [format!(": {quote}"), format!("- {quote}")]
                .iter()
                .find_map(|o| line.find(o.as_str()));
            if let Some(n) = value.filter(|_| line.matches(quote).count() % 2 == 1) {
                return Some(Span::new(source, start + n + 2, start + n + 3));
            }
        }
        end = start.checked_sub(1)?;
    }
}

/// `-name: x` on this line or the one before: it is a key that begins with a dash.
pub(super) fn dash_without_space(source: &Arc<Source>, line_start: usize, content: &str) -> bool {
    let before = source.text.get(..line_start).unwrap_or("").trim_end();
    let last = before.rsplit('\n').next().unwrap_or("").trim();
    let dashed = |line: &str| {
        line.strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic()))
    };
    dashed(content) || dashed(last)
}
