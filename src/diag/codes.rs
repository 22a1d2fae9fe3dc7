//! The code of every diagnostic, with what it means. `explain CODE` prints from here.
//!
//! Owns: the table. A code is never used for a second meaning and never removed.

/// A documented diagnostic code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `PS0102`.
    pub code: &'static str,
    /// The headline.
    pub title: &'static str,
    /// Why it is wrong and what to do.
    pub text: &'static str,
    /// A text that gives exactly this code; empty where it takes more than a runbook.
    pub wrong: &'static str,
    /// The same text put right.
    pub right: &'static str,
}

/// All codes, in order.
pub const CODES: &[Code] = &[];

/// A code by name.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|c| c.code == code)
}
