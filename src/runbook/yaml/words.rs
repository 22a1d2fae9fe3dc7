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

/// What to do about a text that YAML takes for something else.
pub(super) const QUOTE_OR_BLOCK: &str =
    "put the whole value in double quotes, or write `key: |` and the text in the next line, indented";

/// Where the parser gave up, and the line around it.
pub(super) struct Stop<'s> {
    source: &'s Arc<Source>,
    at: usize,
    line_start: usize,
    /// The line without its indentation.
    pub content: &'s str,
    /// The character.
    pub here: Span,
    /// The content's place.
    pub whole: Span,
}

impl<'s> Stop<'s> {
    pub(super) fn at(source: &'s Arc<Source>, at: usize) -> Self {
        let at = at.min(source.text.len());
        let line_start = source.text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
        let rest = source.text.get(line_start..).unwrap_or("");
        let line = rest.split(['\r', '\n']).next().unwrap_or("");
        let (start, content) = (line_start + line.len() - line.trim_start().len(), line.trim());
        let (here, whole) = (one_char(source, at), Span::new(source, start, start + content.len()));
        Self {
            source,
            at,
            line_start,
            content,
            here,
            whole,
        }
    }

    /// `key: {{ x }}/bin`, or an item of a list like it.
    pub(super) fn template_without_quotes(&self) -> Option<Diagnostic> {
        let key = self.content.find(": {{").map(|n| n + 2);
        let found = key.or_else(|| self.content.starts_with("- {{").then_some(2))?;
        let written = self.content.get(found..)?;
        let start = self.whole.start + found;
        Some(unquoted_template(
            Span::new(self.source, start, start + written.len()),
            written,
        ))
    }

    /// `run: echo a: b`.
    pub(super) fn colon_in_value(&self) -> Diagnostic {
        let first = self.content.find(": ").unwrap_or(0);
        let key = self.content.get(..first).unwrap_or("").trim_start_matches("- ").trim();
        let value = self.content.get(first + 2..).unwrap_or("");
        let colon = self.whole.start + first + 2 + value.find(": ").unwrap_or(0);
        let span = Span::new(self.source, colon, colon + 1);
        Diagnostic::error(
            "PS0013",
            "a value with `: ` in it needs quotes or a block",
            span,
            "YAML takes this for another key",
        )
        .help(format!("write `{key}: |` and put the text in the next line, indented"))
    }

    /// The parser may stop a line before the tab that stopped it.
    pub(super) fn tab(self) -> Diagnostic {
        let rest = self.source.text.get(self.line_start..).unwrap_or("");
        let mut start = self.line_start;
        let mut found = None;
        for line in rest.split_inclusive('\n').take(3) {
            let indent = line.len() - line.trim_start().len();
            let tab = line.get(..indent).and_then(|t| t.find('\t'));
            found = found.or(tab.map(|n| Span::new(self.source, start + n, start + n + 1)));
            start += line.len();
        }
        Diagnostic::error(
            "PS0014",
            "a tab stands where YAML wants spaces",
            found.unwrap_or(self.here),
            "this is a tab",
        )
        .help("use spaces, two for each level; most editors can convert the file")
    }

    /// The nearest line up to here that opens a quote and does not close it.
    pub(super) fn open_quote(&self) -> Option<Span> {
        let mut end = self.at;
        loop {
            let before = self.source.text.get(..end)?;
            let start = before.rfind('\n').map_or(0, |n| n + 1);
            let line = before.get(start..)?;
            for quote in ['"', '\''] {
                let opened = [format!(": {quote}"), format!("- {quote}")]
                    .iter()
                    .find_map(|o| line.find(o.as_str()));
                if let Some(n) = opened.filter(|_| line.matches(quote).count() % 2 == 1) {
                    return Some(Span::new(self.source, start + n + 2, start + n + 3));
                }
            }
            end = start.checked_sub(1)?;
        }
    }

    pub(super) fn wrong_indent(self, parser: &str) -> Diagnostic {
        let help = if self.dash_without_space() {
            "write a space after the dash: `- name: …`"
        } else {
            "keys of one map begin in the same column; use spaces, two for each level"
        };
        let span = if self.content.is_empty() { self.here } else { self.whole };
        let message = "this line is not indented as its neighbours are";
        Diagnostic::error("PS0012", message, span, format!("the parser says: {parser}")).help(help)
    }

    /// `-name: x` on this line or the one before: it is a key that begins with a dash.
    fn dash_without_space(&self) -> bool {
        let before = self.source.text.get(..self.line_start).unwrap_or("").trim_end();
        let last = before.rsplit('\n').next().unwrap_or("").trim();
        let dashed = |line: &str| {
            line.strip_prefix('-')
                .is_some_and(|rest| rest.starts_with(char::is_alphabetic))
        };
        dashed(self.content) || dashed(last)
    }
}
