//! What monitoring was kept quiet about, in words.
//!
//! Owns: the wording. Must not: escape (the formats do).

use super::record::{ChangeRecord, SilenceState};
use super::words;
use crate::run::quiet;

/// The heading.
pub const TITLE: &str = "Monitoring kept quiet";
/// The columns.
pub const HEAD: [&str; 4] = ["Silence", "From", "To", "How it ended"];

/// A line for each silence.
pub fn rows(r: &ChangeRecord) -> Vec<[String; 4]> {
    let line = |s: &super::record::SilenceRecord| {
        let why = if s.why.is_empty() {
            String::new()
        } else {
            format!(": {}", s.why)
        };
        let renewed = match s.renewed {
            0 => String::new(),
            n => format!(", renewed {n}×"),
        };
        let (to, how) = match s.how {
            SilenceState::Asked => (s.until, format!("monitoring has not answered{why}")),
            SilenceState::NotSet => (s.ended.unwrap_or(s.from), format!("could not be set{why}")),
            SilenceState::TakenOff => (s.ended.unwrap_or(s.until), format!("taken off{renewed}")),
            SilenceState::Set => (s.until, format!("ends by itself{renewed}{why}")),
            SilenceState::Left => (s.until, format!("could not be taken off, ends by itself{why}")),
        };
        [
            quiet::words(&s.silence),
            words::clock(r, s.from),
            words::clock(r, to),
            how,
        ]
    };
    r.silences.iter().map(line).collect()
}
