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

/// More than a company has, and few enough to be read at every start.
const MAX_CALENDARS: usize = 100;
/// A year of holidays has some kilobytes.
const MAX_BYTES: usize = 4 << 20;
/// Of all calendars together, in the time that is looked ahead.
const MAX_FREEZES: usize = 500_000;

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
    let mut freezes = 0_usize;
    for path in paths {
        if out.files.contains_key(&path.value) {
            continue;
        }
        if out.files.len() >= MAX_CALENDARS {
            let message = format!("more than {MAX_CALENDARS} freeze calendars");
            diags.push(too_much(message, path, "one too many"));
            break;
        }
        let bytes = match not_plain(path) {
            Some(why) => Err(why.to_owned()),
            None => files.read_within(path, MAX_BYTES).map_err(|e| e.to_string()),
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
        let calendar = ical::read(&source, &zone, diags);
        freezes = freezes.saturating_add(calendar.as_ref().map_or(0, |c| c.most(AHEAD)));
        if freezes > MAX_FREEZES {
            let message = format!("the freeze calendars may hold more than {MAX_FREEZES} freezes within 400 days");
            diags.push(too_much(message, path, "counted up to this one"));
            break;
        }
        out.read.extend(calendar);
    }
    out
}

fn too_much(message: String, path: &Spanned<String>, label: &str) -> Diagnostic {
    let d = Diagnostic::error("PS0436", message, path.span.clone(), label);
    d.help("no event is left out to make room: put what freezes changes into a calendar of its own")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::runbook::files::ReadError;

    /// Every path is a calendar with so many events that come daily.
    struct Daily(usize);

    impl Files for Daily {
        fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
            let event = |n| {
                format!(
                    "BEGIN:VEVENT\r\nUID:{path}-{n}\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n"
                )
            };
            let events: String = (0..self.0).map(event).collect();
            Ok(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n").into_bytes())
        }
    }

    fn codes(calendars: usize, events: usize) -> Vec<&'static str> {
        let at = Span::new(&Source::new("policy.yml", ""), 0, 0);
        let paths: Vec<_> = (0..calendars)
            .map(|n| Spanned::new(format!("{n}.ics"), at.clone()))
            .collect();
        let mut diags = Diagnostics::new();
        read(&paths, "UTC", &Daily(events), &mut diags);
        diags.0.iter().map(|d| d.code).collect()
    }

    #[test]
    fn a_freeze_that_begins_as_the_window_ends_is_the_next_one_and_no_more_follow() {
        let path = Spanned::new("0.ics".to_owned(), Span::new(&Source::new("policy.yml", ""), 0, 0));
        let calendars = read(&[path], "UTC", &Daily(1), &mut Diagnostics::new());
        let around = |start: &str, end: &str| {
            let found = calendars.around(start.parse().unwrap(), end.parse().unwrap());
            found.iter().map(|f| f.from.to_string()).collect::<Vec<_>>()
        };
        let (fifth, sixth, seventh) = ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z");
        assert_eq!(around("2026-01-05T12:00:00Z", sixth), [fifth, sixth]);
        assert_eq!(
            around("2026-01-05T12:00:00Z", "2026-01-06T00:00:01Z"),
            [fifth, sixth, seventh]
        );
    }

    #[test]
    fn many_calendars_and_many_freezes_are_refused_and_none_is_left_out() {
        assert_eq!(codes(MAX_CALENDARS, 1), [""; 0]);
        assert_eq!(codes(MAX_CALENDARS + 1, 1), ["PS0436"]);
        assert_eq!(codes(1, 1000), [""; 0]);
        assert_eq!(codes(2, 1000), ["PS0436"]);
    }
}
