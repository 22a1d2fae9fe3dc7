//! The freeze calendars of a project, and what they say of a window.
//!
//! Owns: reading them (bytes come through [`Files`]) and how far ahead they are asked. Must not: decide what follows from a
//! freeze.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::diag::{Diagnostic, Diagnostics, Source, Spanned};
use crate::id::Digest;
use crate::plan::FileRef;
use crate::runbook::files::{Files, not_plain};
use crate::window::{Freeze, ical, zone};

/// No run lasts longer, and every yearly freeze is met.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Calendars that were read.
#[derive(Clone, Debug, Default)]
pub struct Calendars {
    /// Each by its path.
    pub files: BTreeMap<String, FileRef>,
    read: Vec<ical::Calendar>,
}

/// Reads them; only good if `diags` has no error afterwards. Days are meant in `timezone` where a calendar names none.
pub fn read<'a>(
    paths: impl IntoIterator<Item = &'a Spanned<String>>,
    timezone: &str,
    files: &dyn Files,
    diags: &mut Diagnostics,
) -> Calendars {
    let mut out = Calendars::default();
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    for path in paths {
        if out.files.contains_key(&path.value) {
            continue;
        }
        let bytes = match not_plain(path) {
            Some(why) => Err(why.to_owned()),
            None => files.read(path).map_err(|e| e.to_string()),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => {
                let d = Diagnostic::error(
                    "PS0488",
                    format!("cannot read the freeze calendar `{}`: {why}", path.value),
                    path.span.clone(),
                    "no freeze would be known",
                );
                diags.push(d.help("paths are relative to the project, the folder that holds pitstop.yml"));
                continue;
            }
        };
        let file = FileRef {
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
        };
        out.files.insert(path.value.clone(), file);
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let d = Diagnostic::error(
                    "PS0480",
                    format!("the freeze calendar `{}` is not UTF-8: byte {at} is none", path.value),
                    path.span.clone(),
                    "this calendar",
                );
                diags.push(d.help("export it in UTF-8, with long lines folded between letters"));
                continue;
            }
        };
        let source = Source::new(path.value.as_str(), text.trim_start_matches('\u{feff}'));
        out.read.extend(ical::read(&source, &zone, diags));
    }
    out
}

impl Calendars {
    /// Every freeze from a moment on, as far ahead as a run may look.
    pub fn from(&self, from: Timestamp) -> Vec<Freeze> {
        let to = from.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut all: Vec<Freeze> = self.read.iter().flat_map(|c| c.freezes(from, to)).collect();
        all.sort();
        all
    }

    /// What touches a window, and the next one after it.
    pub fn around(&self, start: Timestamp, end: Timestamp) -> Vec<Freeze> {
        let all = self.from(start);
        let touching = all.iter().filter(|f| f.from < end).count();
        all.into_iter().take(touching + 1).collect()
    }
}
