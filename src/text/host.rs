//! [`HostText`]: what a host said.
//!
//! Owns: that such text cannot be taken for our own. Must not: know where it came from or what it means.

use serde::{Deserialize, Serialize};

/// Text that a host said: its output, its facts, what was registered of them.
///
/// It is no `str`: it cannot be printed, joined to other text or read as a template by mistake. Who needs its letters says
/// [`Self::data`], and answers for what becomes of them; what an expression makes of it is a `HostText` again, and no command
/// takes one that was not quoted for its shell. Its stored form is that of any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostText(String);

impl HostText {
    /// What a host said.
    pub fn new(said: impl Into<String>) -> Self {
        Self(said.into())
    }

    /// Its letters as data: to compare, to cut, to quote, to keep. Never to be read as a template, a command or a path of ours.
    pub fn data(&self) -> &str {
        &self.0
    }
}
