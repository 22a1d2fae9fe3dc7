//! The code of every diagnostic, with what it means. `explain CODE` prints from here.
//!
//! Owns: the table. A code is never used for a second meaning and never removed.
//!
//! `PS00xx` reading YAML · `PS01xx` shape and keys · `PS02xx` meaning · `PS03xx` expressions · `PS04xx` inventory ·
//! `PS05xx` change, policy, project · `PS06xx` planning · `PS07xx` tests of runbooks, and what found no room before

mod ansible;
mod calendar;
mod choosing;
mod expected;
mod expressions;
mod former;
mod inventory;
mod lasting;
mod lists;
mod meaning;
mod moment;
mod planning;
mod reading;
mod site;
mod soundness;
mod ssh_config;
mod structure;
mod testing;
mod trust;
mod values;
mod ways;

/// A documented diagnostic code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `PS0102`.
    pub code: &'static str,
    /// The headline.
    pub title: &'static str,
    /// Why it is wrong and what to do.
    pub text: &'static str,
    /// What gives exactly this code: a part of a runbook (steps, phases, or keys of the top), or files, each after a line
    /// `# file: PATH`, and before them `# $ pitstop …` where another command than `check` finds it. Empty only where the
    /// tests say why there can be none.
    pub wrong: &'static str,
    /// The same put right.
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
    inventory::CODES,
    ansible::CODES,
    ways::CODES,
    ssh_config::CODES,
    calendar::CODES,
    site::CODES,
    values::CODES,
    planning::CODES,
    trust::CODES,
    moment::CODES,
    lists::PLANNED,
    choosing::CODES,
    testing::CODES,
    expected::CODES,
    lasting::CODES,
    former::CODES,
];

/// All codes, in order.
pub fn all() -> impl Iterator<Item = &'static Code> {
    GROUPS.iter().copied().flatten()
}

/// A code by name.
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|c| c.code.eq_ignore_ascii_case(code))
}
