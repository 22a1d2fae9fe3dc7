//! The code of every diagnostic, with what it means. `explain CODE` prints from here.
//!
//! Owns: the table. A code is never used for a second meaning and never removed.
//!
//! `PS00xx` reading YAML · `PS01xx` shape and keys · `PS02xx` meaning · `PS03xx` expressions · `PS04xx` inventory ·
//! `PS05xx` change, policy, project · `PS06xx` planning · `PS07xx` tests of runbooks

mod choosing;
mod expressions;
mod lists;
mod meaning;
mod planning;
mod reading;
mod site;
mod soundness;
mod structure;
mod testing;

/// A documented diagnostic code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `PS0102`.
    pub code: &'static str,
    /// The headline.
    pub title: &'static str,
    /// Why it is wrong and what to do.
    pub text: &'static str,
    /// A part of a runbook that gives exactly this code: steps, phases, or keys of the top. Empty where it takes more than that.
    pub wrong: &'static str,
    /// The same part put right.
    pub right: &'static str,
}

/// The tables, in the order of their codes.
const GROUPS: &[&[Code]] = &[
    reading::CODES,
    structure::CODES,
    meaning::CODES,
    soundness::CODES,
    lists::CODES,
    expressions::CODES,
    site::CODES,
    planning::CODES,
    lists::PLANNED,
    choosing::CODES,
    testing::CODES,
];

/// All codes, in order.
pub fn all() -> impl Iterator<Item = &'static Code> {
    GROUPS.iter().copied().flatten()
}

/// A code by name.
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|c| c.code.eq_ignore_ascii_case(code))
}
