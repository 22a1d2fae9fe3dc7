//! Secrets that cannot be printed, and the one place that takes them out of what hosts say.
//!
//! Owns: [`Secret`], [`Redactor`]. Must not: store or send anything.

use std::fmt;

use zeroize::Zeroizing;

/// A secret's value. It has no `Display`, its `Debug` says `[secret]`, its memory is wiped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
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
