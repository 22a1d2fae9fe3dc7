//! What a check asks for: its rendered fields.
//!
//! Owns: how they are read. Must not: know a kind.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use crate::plan::Value;

/// The fields of a check, rendered.
#[derive(Clone, Debug, Default)]
pub struct Asked(pub BTreeMap<String, Value>);

impl Asked {
    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text that the language makes sure of.
    ///
    /// # Errors
    /// When it is not there.
    pub fn need(&self, name: &str) -> Result<&str, String> {
        self.text(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// A text that becomes a word of a command: one line, and no option.
    ///
    /// # Errors
    /// When it is none.
    pub fn word(&self, name: &str) -> Result<&str, String> {
        let text = self.need(name)?;
        let odd = text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control);
        match odd {
            true => Err(format!("`{name}` cannot be `{}`", text.escape_debug())),
            false => Ok(text),
        }
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(Value::Bool(b)) => Some(*b),
            _ => None,
        }
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// A number.
    #[expect(clippy::cast_precision_loss, reason = "limits that people write are small")]
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(Value::Number(n)) => Some(*n),
            Some(Value::Int(n)) => Some(*n as f64),
            _ => None,
        }
    }

    /// A span.
    pub fn span(&self, name: &str) -> Option<Duration> {
        match self.0.get(name) {
            Some(Value::Duration { duration_ms }) => Some(Duration::from_millis(*duration_ms)),
            _ => None,
        }
    }

    /// Texts.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        fn text(item: &Value) -> Option<&str> {
            match item {
                Value::Text(text) => Some(text),
                _ => None,
            }
        }
        match self.0.get(name) {
            Some(Value::List(items)) => Some(items.iter().filter_map(text).collect()),
            _ => None,
        }
    }

    /// A port.
    ///
    /// # Errors
    /// When it is none.
    pub fn port(&self) -> Result<u16, String> {
        let text = self.need("port")?.trim();
        match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("`{text}` is no port")),
        }
    }

    /// A regular expression.
    ///
    /// # Errors
    /// When it is none.
    pub fn pattern(&self) -> Result<Option<Regex>, String> {
        let Some(text) = self.text("pattern") else {
            return Ok(None);
        };
        let expression = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        expression.map(Some).map_err(|e| format!("`pattern`: {e}"))
    }
}
