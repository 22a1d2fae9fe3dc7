//! Secrets that cannot be printed, and the one place that takes them out of what hosts say.
//!
//! Owns: [`Secret`], [`Redactor`] and the forms in which a secret is looked for. Must not: store or send anything.

use std::fmt;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::control::{self, Protection};

mod forms;

/// A secret's value. It has no `Display`, its `Debug` says `[secret]`, its memory is wiped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The shortest value that can be told from other text, in bytes.
    pub const MIN: usize = 8;

    /// Takes a value over.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why there is no redactor: a value too short to be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// The value would be found everywhere.
    #[error("the secret `{0}` is shorter than {min} bytes", min = Secret::MIN)]
    TooShort(String),
    /// The search cannot be built from so much.
    #[error("the secrets are too long to be looked for: {0}")]
    TooMuch(String),
}

impl RedactError {
    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::TooShort(name) => format!("give `{name}` a value of at least {} bytes", Secret::MIN),
            Self::TooMuch(_) => "declare fewer or shorter secrets".to_owned(),
        }
    }
}

/// Takes declared secrets out of bytes: each occurrence, in each form of `forms`, becomes `[secret NAME]`.
///
/// Occurrences that overlap become one mark, so that no part of either is left. Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Search>>);

struct Search {
    automaton: AhoCorasick,
    /// The mark for each pattern of the automaton.
    marks: Vec<Arc<[u8]>>,
    /// Length of the longest pattern.
    longest: usize,
}

impl Search {
    /// All occurrences that begin before `decided`, overlapping ones too: begin, end, pattern.
    fn find(&self, bytes: &[u8], decided: usize) -> Vec<(usize, usize, usize)> {
        // Nearly all output has no secret in it, and this question is answered faster.
        if !self.automaton.is_match(bytes) {
            return Vec::new();
        }
        self.automaton
            .find_overlapping_iter(bytes)
            .filter(|m| m.start() < decided)
            .map(|m| (m.start(), m.end(), m.pattern().as_usize()))
            .collect()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.0.as_ref().map_or(0, |s| s.marks.len());
        write!(f, "Redactor({patterns} patterns)")
    }
}

impl Redactor {
    /// Looks for these secrets, by name and value.
    ///
    /// # Errors
    /// When a value is shorter than [`Secret::MIN`] bytes.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a Secret)>) -> Result<Self, RedactError> {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut marks = Vec::new();
        for (name, secret) in secrets {
            if secret.expose().len() < Secret::MIN {
                return Err(RedactError::TooShort(name.to_owned()));
            }
            let mark: Arc<[u8]> = format!("[secret {name}]").into_bytes().into();
            for form in forms::of(secret.expose()) {
                patterns.push(form);
                marks.push(mark.clone());
            }
        }
        if patterns.is_empty() || control::off(Protection::Redaction) {
            return Ok(Self(None));
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = AhoCorasick::new(&patterns).map_err(|e| RedactError::TooMuch(e.to_string()))?;
        let search = Search {
            automaton,
            marks,
            longest,
        };
        Ok(Self(Some(Arc::new(search))))
    }

    /// A redactor for one stream of bytes that comes in pieces.
    pub fn stream(&self) -> RedactStream {
        RedactStream {
            search: self.0.clone(),
            held: Vec::new(),
            masked: 0,
        }
    }

    /// Redacts bytes that are all there.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut out);
        stream.finish(&mut out);
        out
    }

    /// Redacts text.
    pub fn redact_text(&self, text: &str) -> String {
        if self.0.is_none() {
            return text.to_owned();
        }
        // Every pattern is whole UTF-8, so what is left is too: nothing is lost here.
        String::from_utf8_lossy(&self.redact_bytes(text.as_bytes())).into_owned()
    }

    /// Redacts every string, key and number of a JSON value. A number that shows a secret becomes a string.
    pub fn redact_json(&self, value: &mut Value) {
        if self.0.is_none() {
            return;
        }
        match value {
            Value::String(text) => *text = self.redact_text(text),
            Value::Number(number) => {
                let shown = number.to_string();
                let clean = self.redact_text(&shown);
                if clean != shown {
                    *value = Value::String(clean);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            Value::Object(map) => {
                let old = std::mem::take(map);
                for (key, mut inner) in old {
                    self.redact_json(&mut inner);
                    map.insert(self.redact_text(&key), inner);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// The state of one stream: what it may still be the beginning of a secret is held back until the next bytes decide.
pub struct RedactStream {
    search: Option<Arc<Search>>,
    /// Shorter than the longest pattern between two calls.
    held: Vec<u8>,
    /// So many bytes at the front of `held` belong to a secret whose mark is out already.
    masked: usize,
}

impl fmt::Debug for RedactStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactStream")
    }
}

impl RedactStream {
    /// Takes the next bytes; appends to `out` what is decided.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(search) = self.search.clone() else {
            out.extend_from_slice(bytes);
            return;
        };
        self.held.extend_from_slice(bytes);
        // A secret that begins before this place would lie wholly in `held`.
        let decided = (self.held.len() + 1).saturating_sub(search.longest);
        self.settle(&search, decided, out);
    }

    /// The stream has ended: appends the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(search) = self.search.clone() {
            self.settle(&search, self.held.len(), out);
        }
    }

    fn settle(&mut self, search: &Search, decided: usize, out: &mut Vec<u8>) {
        if decided == 0 {
            return;
        }
        let mut found = search.find(&self.held, decided);
        // By place; of those that begin together the longest gives the name.
        found.sort_unstable_by_key(|(start, end, pattern)| (*start, std::cmp::Reverse(*end), *pattern));
        let mut covered = self.masked;
        for (start, end, pattern) in found {
            if start >= covered {
                out.extend_from_slice(self.held.get(covered..start).unwrap_or_default());
                out.extend_from_slice(search.marks.get(pattern).map_or(&b"[secret]"[..], |mark| mark));
            }
            covered = covered.max(end);
        }
        out.extend_from_slice(self.held.get(covered..decided).unwrap_or_default());
        self.masked = covered.saturating_sub(decided);
        self.held.drain(..decided);
    }
}

#[cfg(test)]
mod tests;
