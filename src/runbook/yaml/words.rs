//! What is said about text that is not YAML, or not the YAML that pitstop accepts, where it takes more than a line.
//!
//! Owns: these words. Must not: name the parser.

use std::sync::Arc;

use super::MAX_BYTES;
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

/// `{{ x }}` without quotes reads as a map whose key is a map: by far the most frequent cause.
pub(super) fn key_is_no_text(span: &Span) -> Diagnostic {
    let source = &span.source;
    let before = source.text.get(..span.start).unwrap_or("");
    let after = source.text.get(span.end..).unwrap_or("");
    if span.text().starts_with('{') && before.ends_with('{') && after.trim_start().starts_with('}') {
        let close = span.end + after.find('}').map_or(0, |n| n + 1);
        let whole = Span::new(source, span.start - 1, close);
        let written = whole.text().to_owned();
        return unquoted_template(whole, &written);
    }
    Diagnostic::error(
        "PS0009",
        "a key must be a word",
        span.clone(),
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

pub(super) fn tab(source: &Arc<Source>, line_start: usize, line: &str, here: Span) -> Diagnostic {
    let span = line
        .find('\t')
        .map_or(here, |n| Span::new(source, line_start + n, line_start + n + 1));
    Diagnostic::error("PS0014", "a tab stands where YAML wants spaces", span, "this is a tab")
        .help("use spaces, two for each level; most editors can convert the file")
}
