//! The window and the freezes as a plan holds them.
//!
//! Owns: these types. Must not: reckon with them (`window` does).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::FileRef;
use crate::window::Freeze;

/// The window, in absolute times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWindow {
    /// Opens; `None`: at the start of the run.
    pub start: Option<Timestamp>,
    /// Its length.
    pub duration_ms: u64,
    /// No host starts in this last part.
    pub cutoff_ms: u64,
    /// Kept free for going back; `None`: the sum of the limits of a host's undo steps.
    pub reserve_ms: Option<u64>,
    /// IANA name, for showing times.
    pub timezone: String,
}

impl PlannedWindow {
    /// Where it ends by itself if it opens at `start`.
    pub fn end(&self, start: Timestamp) -> Timestamp {
        let length = i64::try_from(self.duration_ms).unwrap_or(i64::MAX);
        let end = start.checked_add(SignedDuration::from_millis(length));
        end.unwrap_or(Timestamp::MAX)
    }
}

/// Freeze calendars as they were read when the plan was made. A start reads them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFreeze {
    /// The calendars by path.
    pub calendars: BTreeMap<String, FileRef>,
    /// With a known start: what touches the window, and the next one after it.
    pub found: Vec<Freeze>,
}
