//! Whether a host may start now, when the window closes, what a written start means, when windows come again, when none may be.
//!
//! Owns: the arithmetic of one window, schedules, freeze calendars. Must not: ask a clock, read files or know plans; it is given
//! plain values.
//!
//! A window is a start and an elapsed time, both absolute, so a clock change inside it neither lengthens nor shortens it.

pub mod ical;
pub mod schedule;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A time in which nothing is started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its begin.
    pub from: Timestamp,
    /// The moment from which on work may start again.
    pub to: Timestamp,
    /// What the calendar calls it.
    pub what: String,
    /// The calendar's path.
    pub calendar: String,
}

/// When work may be done, in absolute times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<'a> {
    /// Opens, unless a freeze still lasts.
    pub start: Timestamp,
    /// Its length in elapsed time; `None`: only a freeze ends it.
    pub duration_ms: Option<u64>,
    /// No host starts in this last part.
    pub cutoff_ms: u64,
    /// One that begins inside the window ends it; while one lasts nothing opens.
    pub freezes: &'a [Freeze],
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Before it.
    NotYet {
        /// When it opens; `None`: the freeze lasts longer than the window.
        opens: Option<Timestamp>,
        /// What keeps it shut.
        freeze: Option<&'a Freeze>,
    },
    /// Hosts may start.
    Open(Option<Close<'a>>),
    /// In its last part: hosts in flight finish, none starts.
    CutOff(Close<'a>),
    /// After it.
    Closed(Close<'a>),
}

/// When a window closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// The moment.
    pub at: Timestamp,
    /// No host starts at or after this moment.
    pub last_start: Timestamp,
    /// The freeze that ends it, if one does.
    pub freeze: Option<&'a Freeze>,
}

impl<'a> Window<'a> {
    /// Where a window of this start and length ends by itself.
    pub fn end(&self) -> Option<Timestamp> {
        self.duration_ms.map(|ms| after(self.start, ms))
    }

    /// When it opens, and the freeze that delays it; no moment if that lasts longer than the window.
    pub fn opens(&self) -> (Option<Timestamp>, Option<&'a Freeze>) {
        let (mut opens, mut by) = (self.start, None);
        while let Some(freeze) = self.freezes.iter().find(|f| f.from <= opens && opens < f.to) {
            (opens, by) = (freeze.to, Some(freeze));
        }
        (Some(opens).filter(|o| self.end().is_none_or(|end| *o < end)), by)
    }

    /// When it closes: after its length, or where a freeze begins inside it.
    pub fn closes(&self) -> Option<Close<'a>> {
        let opens = self.opens().0.unwrap_or(self.start);
        let next = self.freezes.iter().filter(|f| f.from > opens).min_by_key(|f| f.from);
        let freeze = next.filter(|f| self.end().is_none_or(|end| f.from < end));
        let at = freeze.map(|f| f.from).or_else(|| self.end())?;
        Some(Close {
            at,
            last_start: before(at, self.cutoff_ms).max(opens),
            freeze,
        })
    }

    /// Where `now` lies.
    pub fn state_at(&self, now: Timestamp) -> State<'a> {
        let (opens, freeze) = self.opens();
        let over = self.end().filter(|end| now >= *end && opens.is_none());
        match (self.closes(), opens) {
            (Some(close), _) if over.is_some() => State::Closed(close),
            (_, opens) if opens.is_none_or(|o| now < o) => State::NotYet { opens, freeze },
            (None, _) => State::Open(None),
            (Some(close), _) if now >= close.at => State::Closed(close),
            (Some(close), _) if now >= close.last_start => State::CutOff(close),
            (Some(close), _) => State::Open(Some(close)),
        }
    }
}

/// The first change of the clocks between two moments, in words: `the clocks go forward by 1 h (2026-03-29 03:00 CEST)`.
pub fn clock_change(from: Timestamp, to: Timestamp, zone: &TimeZone) -> Option<String> {
    let mut before = zone.to_offset(from).seconds();
    for t in zone.following(from).take_while(|t| t.timestamp() < to) {
        let after = t.offset().seconds();
        let (way, by) = (
            if after > before { "forward" } else { "back" },
            (after - before).unsigned_abs(),
        );
        before = after;
        // A zone's name or its summer time's mark may change without the clock.
        if by == 0 {
            continue;
        }
        let by = match (by / 3600, by % 3600 / 60) {
            (h, 0) => format!("{h} h"),
            (0, m) => format!("{m} min"),
            (h, m) => format!("{h} h {m:02} min"),
        };
        let at = t.timestamp().to_zoned(zone.clone());
        return Some(format!(
            "the clocks go {way} by {by} ({})",
            at.strftime("%Y-%m-%d %H:%M %Z")
        ));
    }
    None
}

fn after(t: Timestamp, ms: u64) -> Timestamp {
    let span = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    t.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn before(t: Timestamp, ms: u64) -> Timestamp {
    let span = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    t.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// A written start that names no single moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStart {
    /// Not a date and time.
    #[error("`{text}` is not a date and time")]
    Unreadable {
        /// What was written.
        text: String,
    },
    /// Not an IANA zone.
    #[error("there is no time zone `{name}`")]
    NoZone {
        /// What was written.
        name: String,
    },
    /// Clocks jump over it.
    #[error("{text} does not exist in {zone}: the clocks go forward over it")]
    Gap {
        /// What was written.
        text: String,
        /// The zone.
        zone: String,
        /// The two moments that could be meant, with offsets.
        instead: [String; 2],
    },
    /// Clocks go back over it.
    #[error("{text} happens twice in {zone}: the clocks go back over it")]
    Twice {
        /// What was written.
        text: String,
        /// The zone.
        zone: String,
        /// The two moments, with offsets.
        instead: [String; 2],
    },
}

impl BadStart {
    /// What to write.
    pub fn help(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "write it as `2026-12-06T01:00:00`, with or without an offset (`+01:00`)".to_owned()
            }
            Self::NoZone { .. } => "write an IANA name such as `Europe/Berlin` or `UTC`".to_owned(),
            Self::Gap { instead: [a, b], .. } | Self::Twice { instead: [a, b], .. } => format!("write `{a}` or `{b}`"),
        }
    }
}

/// The zone of this name.
///
/// # Errors
/// There is none.
pub fn zone(name: &str) -> Result<TimeZone, BadStart> {
    TimeZone::get(name).map_err(|_| BadStart::NoZone { name: name.to_owned() })
}

/// The moment that a written start means: local time in the zone, or any moment with its own offset.
///
/// # Errors
/// No date and time, no such zone, or a local time that does not exist or happens twice.
pub fn parse_start(text: &str, timezone: &str) -> Result<Timestamp, BadStart> {
    let zone = zone(timezone)?;
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let unreadable = || BadStart::Unreadable { text: text.to_owned() };
    // A date alone would silently mean midnight.
    if !text.contains(':') || text.contains('[') {
        return Err(unreadable());
    }
    let local: DateTime = text.parse().map_err(|_| unreadable())?;
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let both = |before: jiff::tz::Offset, after: jiff::tz::Offset| {
        let show = |offset: jiff::tz::Offset| {
            let moment = offset.to_timestamp(local).unwrap_or(Timestamp::UNIX_EPOCH);
            let shown = moment.to_zoned(zone.clone());
            shown.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        };
        [show(before), show(after)]
    };
    let name = || timezone.to_owned();
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().map_err(|_| unreadable()),
        AmbiguousOffset::Gap { before, after } => Err(BadStart::Gap {
            text: text.to_owned(),
            zone: name(),
            instead: both(after, before),
        }),
        AmbiguousOffset::Fold { before, after } => Err(BadStart::Twice {
            text: text.to_owned(),
            zone: name(),
            instead: both(before, after),
        }),
    }
}

/// A moment in a zone, with the zone's name: `2026-12-06 01:00 CET (Europe/Berlin)`. An unknown zone is shown as UTC.
pub fn show(moment: Timestamp, timezone: &str) -> String {
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    let at = moment.to_zoned(zone);
    let time = if at.second() == 0 {
        "%Y-%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    let clock = at.strftime(time).to_string();
    match at.time_zone().iana_name() {
        None | Some("UTC") => format!("{clock} UTC"),
        Some(name) => {
            let short = at.strftime("%Z").to_string();
            if short == name {
                format!("{clock} {name}")
            } else {
                format!("{clock} {short} ({name})")
            }
        }
    }
}

#[cfg(test)]
mod tests;
