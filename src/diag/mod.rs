//! What is wrong with a text that a person wrote: where, why, and what to write instead.
//!
//! Owns: sources, spans, diagnostics, their collection. Must not: print (the renderers return text) or read files.

pub mod codes;
mod hide;
pub mod render;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A file that was read, or text that stands for one (`--set`, a test's literal).
#[derive(Debug)]
pub struct Source {
    /// The path as people know it: relative to the project where it can be.
    pub name: String,
    /// The whole text, byte order mark taken off.
    pub text: String,
    /// What of it nobody is shown.
    hidden: Mutex<Vec<Range<usize>>>,
}

impl Source {
    /// A source that can be shared by many spans.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            hidden: Mutex::default(),
        })
    }

    fn hidden(&self) -> Vec<Range<usize>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_col(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or(&self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        let col = before.get(start..).map_or(0, |t| t.chars().count()) + 1;
        (line, col)
    }
}

/// A byte range of one source. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Span {
    /// The text it points into.
    pub source: Arc<Source>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A range of `source`.
    pub fn new(source: &Arc<Source>, start: usize, end: usize) -> Self {
        Self {
            source: Arc::clone(source),
            start,
            end: end.max(start),
        }
    }

    /// Line and column of the start, from 1.
    pub fn line_col(&self) -> (usize, usize) {
        self.source.line_col(self.start)
    }

    /// A secret stands here: no excerpt of the source shows it from now on, whatever complaint it belongs to.
    pub fn hide(&self) {
        let mut hidden = self.source.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.push(self.start..self.end);
    }

    /// The text it covers.
    pub fn text(&self) -> &str {
        self.source.text.get(self.start..self.end).unwrap_or("")
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.start == other.start && self.end == other.end
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            span: self.span,
        }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// How bad it is. Only an error stops a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text is wrong.
    Error,
    /// The text is legal and probably not what was meant.
    Warning,
}

/// One underlined place of a diagnostic.
#[derive(Clone, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is said under the line; may be empty.
    pub text: String,
}

/// One thing that is wrong with a text.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// `PS0102`: one of `codes::CODES`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The headline, without a full stop.
    pub message: String,
    /// The first label is the place; further ones explain it.
    pub labels: Vec<Label>,
    /// What to do, one line each; the next command where there is one.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label {
                span,
                text: label.into(),
            }],
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message, span, label)
        }
    }

    /// A second place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: label.into(),
        });
        self
    }

    /// A line that says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// After so many nobody reads on, and a hostile file could make millions.
const MOST: usize = 300;

/// Every diagnostic of a reading, in the order found; of a flood, the first few hundred. Lowering never stops at the first.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more. When there are too many, only a first error still takes a warning's place.
    pub fn push(&mut self, d: Diagnostic) {
        if self.0.len() < MOST {
            self.0.push(d);
        } else if d.severity == Severity::Error && !self.has_errors() {
            self.0.pop();
            self.0.push(d);
        }
    }

    /// Several more.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        more.into_iter().for_each(|d| self.push(d));
    }

    /// True if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Sorts by file name and place, drops exact repeats.
    pub fn sort(&mut self) {
        self.0.sort_by_cached_key(key);
        self.0
            .dedup_by(|a, b| key(a) == key(b) && a.code == b.code && a.message == b.message);
    }
}

fn key(d: &Diagnostic) -> (String, usize) {
    d.labels
        .first()
        .map_or((String::new(), 0), |l| (l.span.source.name.clone(), l.span.start))
}

/// Longer than any name of the language, in characters: nothing so long is a slip of the finger.
const LONGEST_WORD: usize = 128;

/// The candidate nearest to a misspelt word, if one is near enough to be worth saying.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    if length > LONGEST_WORD {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = candidate.chars().count();
        let limit = (length.max(other) / 3).max(1);
        // The distance costs the product of both lengths, and is at least their difference.
        if length.abs_diff(other) > limit {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
        if distance <= limit && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_and_a_far_one_is_not() {
        assert_eq!(nearest("titel", ["kind", "title"]), Some("title"));
        assert_eq!(nearest("Kind", ["kind", "title"]), Some("kind"));
        assert_eq!(nearest("x", ["kind", "title"]), None);
    }

    /// Found by fuzzing: the distance of two long words costs the product of their lengths, in time and in memory.
    #[test]
    fn a_word_too_long_for_a_name_is_not_compared() {
        let long = "a".repeat(1_000_000);
        assert_eq!(nearest(&long, [long.as_str(), "title"]), None);
        assert_eq!(nearest("titel", [long.as_str(), "title"]), Some("title"));
    }
}
