//! Whether a host may start now, when the window closes, and what a written start time means.
//!
//! Owns: the arithmetic of one window. Must not: ask a clock, read calendars or know plans; it is given plain values.
//!
//! A window is a start and an elapsed time, both absolute, so a clock change inside it neither lengthens nor shortens it.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// When work may be done, in absolute times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Opens; `None`: at the start of the run.
    pub start: Option<Timestamp>,
    /// Its length in elapsed time.
    pub duration_ms: u64,
    /// No host starts in this last part.
    pub cutoff_ms: u64,
    /// Kept free for going back; `None`: the back-out time of a host.
    pub reserve_ms: Option<u64>,
    /// IANA zone name, for showing times.
    pub timezone: String,
    /// Freezes as (from, to). One that begins inside the window ends it; inside one nothing is open.
    pub freezes: Vec<(Timestamp, Timestamp)>,
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Before it.
    NotYet {
        /// When it opens.
        opens: Timestamp,
    },
    /// Hosts may start.
    Open {
        /// When it closes.
        closes: Timestamp,
        /// No host starts at or after this moment.
        last_host_start: Timestamp,
    },
    /// In its last part: hosts in flight finish, none starts.
    CutOff {
        /// When it closes.
        closes: Timestamp,
    },
    /// After it, or inside a freeze.
    Closed {
        /// Since when.
        closed: Timestamp,
    },
}

/// Why a host may not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The window opens later.
    NotYet {
        /// When.
        opens: Timestamp,
    },
    /// The window is in its last part.
    CutOff {
        /// When it closes.
        closes: Timestamp,
    },
    /// The window is over.
    Closed {
        /// Since when.
        closed: Timestamp,
    },
    /// A host as slow as the slowest so far, and then its way back, would not end in time.
    WouldNotFit {
        /// When it would end.
        would_end: Timestamp,
        /// When the window closes.
        closes: Timestamp,
    },
}

impl Window {
    /// When it opens.
    pub fn opens(&self, run_start: Timestamp) -> Timestamp {
        self.start.unwrap_or(run_start)
    }

    /// When it closes: after its length, or where a freeze begins inside it.
    pub fn closes(&self, run_start: Timestamp) -> Timestamp {
        let opens = self.opens(run_start);
        let end = after(opens, self.duration_ms);
        self.freezes
            .iter()
            .filter(|(_, to)| *to > opens)
            .map(|(from, _)| (*from).max(opens))
            .fold(end, Timestamp::min)
    }

    /// Where `now` lies.
    pub fn state_at(&self, now: Timestamp, run_start: Timestamp) -> State {
        let (opens, closes) = (self.opens(run_start), self.closes(run_start));
        let last_host_start = before(closes, self.cutoff_ms).max(opens);
        if now < opens {
            State::NotYet { opens }
        } else if now >= closes {
            State::Closed { closed: closes }
        } else if now >= last_host_start {
            State::CutOff { closes }
        } else {
            State::Open {
                closes,
                last_host_start,
            }
        }
    }

    /// Whether a host may start now. `slowest_host_ms`: of this phase so far, else of the history, else 0.
    /// `back_out_ms`: the sum of the limits of its undo steps, used where the window has no `reserve`.
    ///
    /// # Errors
    /// Why not.
    pub fn may_start_host(
        &self,
        now: Timestamp,
        run_start: Timestamp,
        slowest_host_ms: u64,
        back_out_ms: u64,
    ) -> Result<(), WhyNot> {
        match self.state_at(now, run_start) {
            State::NotYet { opens } => Err(WhyNot::NotYet { opens }),
            State::CutOff { closes } => Err(WhyNot::CutOff { closes }),
            State::Closed { closed } => Err(WhyNot::Closed { closed }),
            State::Open { closes, .. } => {
                let reserve = self.reserve_ms.unwrap_or(back_out_ms);
                let would_end = after(now, slowest_host_ms.saturating_add(reserve));
                if would_end < closes {
                    Ok(())
                } else {
                    Err(WhyNot::WouldNotFit { would_end, closes })
                }
            }
        }
    }
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
