//! What a check asks for: its rendered fields.
//!
//! Owns: how they are read. Must not: know a kind.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use crate::plan::Value;

/// Where the text of a script stands: no key of the language.
const SCRIPT_TEXT: &str = "script text";

/// No word of a command may be longer (Linux: 128 KiB).
const SCRIPT_MAX: usize = 100 << 10;

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

    /// The file that `script` names has this in it.
    ///
    /// # Errors
    /// When it is nothing that `sh` or `bash` reads.
    pub fn script_is(&mut self, content: &[u8]) -> Result<(), String> {
        let file = self.need("script")?;
        let text = std::str::from_utf8(content).map_err(|_| format!("{file} is no UTF-8 text"))?;
        if text.len() > SCRIPT_MAX {
            return Err(format!("{file} has more than {} KiB", SCRIPT_MAX >> 10));
        }
        let text = Value::Text(text.to_owned());
        self.0.insert(SCRIPT_TEXT.to_owned(), text);
        Ok(())
    }

    /// The script, as words of a shell: what reads it, and its text.
    ///
    /// # Errors
    /// When its first line names something else than `sh` or `bash`.
    pub fn script(&self) -> Result<(&'static str, &str), String> {
        let text = self.need(SCRIPT_TEXT)?;
        let first = text.lines().next().unwrap_or_default();
        let named = first.strip_prefix("#!").unwrap_or("sh").trim();
        match named.rsplit(['/', ' ']).next() {
            Some("sh" | "dash") => Ok(("sh", text)),
            Some("bash") => Ok(("bash", text)),
            _ => Err(format!("the script of a check is for sh or bash, not for {named}")),
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
