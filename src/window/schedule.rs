//! When windows come again: the nth weekday of a month, or a cron line, in the wall clock of a zone.
//!
//! Owns: reading both forms and the arithmetic of what comes next. Must not: ask a clock, or know a window's length.
//!
//! A schedule is days and times of day as a calendar on the wall shows them. Only then does the zone make moments of them: a
//! time that the clocks jump over comes later by the length of the jump (02:30 becomes 03:30), one that they show twice comes
//! once, the first time. Both forms follow this one rule.

use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// No schedule that comes at all is silent longer: 29 February, over a century that has none.
const LONGEST_PAUSE_DAYS: u32 = 366 * 9;

/// Days and times of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    days: Days,
    /// Sorted.
    times: Vec<Time>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    Nth { nth: i8, weekday: Weekday, plus_days: u16 },
    Cron(CronDays),
}

/// The day fields of a cron line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CronDays {
    /// Bit 1 to 31; `None`: any.
    days: Option<u64>,
    last_day: bool,
    /// Bit 1 to 12.
    months: u64,
    /// Bit 0 (Sunday) to 6; `None`: any.
    weekdays: Option<u64>,
    /// (weekday 0 to 6, which one in the month).
    nth: Vec<(u64, i8)>,
}

/// One coming of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The moment.
    pub start: Timestamp,
    /// What the schedule says the wall clock shows then.
    pub written: DateTime,
    /// What a change of the clocks does to it.
    pub clocks: Clocks,
}

/// What a change of the clocks does to one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// Nothing.
    Steady,
    /// They jump over the written time: it comes later by the length of the jump.
    Skipped,
    /// They show it twice: the first counts.
    Twice,
}

/// A schedule that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadSchedule {
    /// Why.
    pub what: String,
    /// What to write.
    pub help: String,
}

impl BadSchedule {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }
}

const CRON_FORM: &str = "write five fields: minute hour day month weekday, as `0 22 * * 2` or `0 22 * * TUE#2`";

impl Schedule {
    /// The nth weekday of each month (-1: the last), so many days later, at a time of day.
    ///
    /// # Errors
    /// `nth` is not 1 to 5 or -1.
    pub fn nth(nth: i64, weekday: Weekday, plus_days: u16, at: Time) -> Result<Self, BadSchedule> {
        let nth = i8::try_from(nth)
            .ok()
            .filter(|n| matches!(n, -1 | 1..=5))
            .ok_or_else(|| {
                BadSchedule::new(
                    format!("`nth: {nth}` is no weekday of a month"),
                    "write 1 to 5, or -1 for the last",
                )
            })?;
        let which = match nth {
            -1 => "last".to_owned(),
            1 => "1st".to_owned(),
            2 => "2nd".to_owned(),
            3 => "3rd".to_owned(),
            n => format!("{n}th"),
        };
        let later = match plus_days {
            0 => String::new(),
            1 => " plus 1 day".to_owned(),
            n => format!(" plus {n} days"),
        };
        Ok(Self {
            text: format!(
                "the {which} {} of the month{later}, {}",
                weekday_name(weekday),
                at.strftime("%H:%M")
            ),
            days: Days::Nth {
                nth,
                weekday,
                plus_days,
            },
            times: vec![at],
        })
    }

    /// A line of five cron fields.
    ///
    /// # Errors
    /// A field that is none, or days that never come.
    pub fn cron(line: &str) -> Result<Self, BadSchedule> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(BadSchedule::new(
                format!("a cron line has five fields, this has {}", fields.len()),
                CRON_FORM,
            ));
        };
        let minutes = set("minute", minute, 0, 59, &[])?;
        let hours = set("hour", hour, 0, 23, &[])?;
        let mut times = Vec::new();
        for (h, m) in (0..24i8).flat_map(|h| (0..60i8).map(move |m| (h, m))) {
            if hours & (1 << h) != 0 && minutes & (1 << m) != 0 {
                times.extend(Time::new(h, m, 0, 0).ok());
            }
        }
        let (plain_days, last_day) = last_day(day);
        let (plain_weekdays, nth) = nth_weekdays(weekday)?;
        let any = |text: &str| matches!(text, "*" | "?");
        let days = CronDays {
            days: match plain_days.as_str() {
                "" => Some(0),
                text if any(text) => None,
                text => Some(set("day", text, 1, 31, &[])?),
            },
            last_day,
            months: set("month", month, 1, 12, &MONTHS)?,
            weekdays: match plain_weekdays.as_str() {
                "" => Some(0),
                text if any(text) => None,
                text => {
                    let bits = set("weekday", text, 0, 7, &WEEKDAYS)?;
                    // Sunday is 0 and 7.
                    Some((bits | (bits >> 7 & 1)) & 0x7f)
                }
            },
            nth,
        };
        let days = Days::Cron(days);
        if !span(date(2024, 1, 1), LONGEST_PAUSE_DAYS).any(|d| days.has(d)) {
            return Err(BadSchedule::new(
                format!("`{line}` never comes: no month has such a day"),
                CRON_FORM,
            ));
        }
        Ok(Self {
            days,
            times,
            text: format!("cron `{}`", fields.join(" ")),
        })
    }

    /// In words: `the 2nd Tuesday of the month plus 4 days, 22:00`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first coming at or after a moment.
    pub fn next(&self, from: Timestamp, zone: &TimeZone) -> Option<Occurrence> {
        // A jump of the clocks moves a time forward, at most by a day (Samoa, 2011).
        let first = zone.to_datetime(from).date().checked_sub(2.days()).ok()?;
        let mut best: Option<Occurrence> = None;
        for day in span(first, LONGEST_PAUSE_DAYS) {
            if best.is_some_and(|b| day > zone.to_datetime(b.start).date()) {
                break;
            }
            if !self.days.has(day) {
                continue;
            }
            let all = self.times.iter().filter_map(|t| moment(day.to_datetime(*t), zone));
            let coming = all.filter(|o| o.start >= from).min_by_key(|o| o.start);
            best = [best, coming].into_iter().flatten().min_by_key(|o| o.start);
        }
        best
    }

    /// True if it comes at exactly this moment.
    pub fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.next(at, zone).is_some_and(|o| o.start == at)
    }
}

/// The moment that a wall clock's time means.
fn moment(written: DateTime, zone: &TimeZone) -> Option<Occurrence> {
    let ambiguous = zone.to_ambiguous_timestamp(written);
    let clocks = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => Clocks::Steady,
        AmbiguousOffset::Gap { .. } => Clocks::Skipped,
        AmbiguousOffset::Fold { .. } => Clocks::Twice,
    };
    Some(Occurrence {
        start: ambiguous.compatible().ok()?,
        written,
        clocks,
    })
}

fn span(first: Date, days: u32) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |d| d.tomorrow().ok()).take(days as usize)
}

impl Days {
    fn has(&self, day: Date) -> bool {
        match self {
            Self::Nth {
                nth,
                weekday,
                plus_days,
            } => day
                .checked_sub(i64::from(*plus_days).days())
                .is_ok_and(|d| d.weekday() == *weekday && is_nth(d, *nth)),
            Self::Cron(c) => c.has(day),
        }
    }
}

/// Whether it is the nth of its weekday in its month; -1: the last.
fn is_nth(day: Date, nth: i8) -> bool {
    match nth {
        -1 => day.day() + 7 > day.days_in_month(),
        n => (day.day() - 1) / 7 + 1 == n,
    }
}

impl CronDays {
    fn has(&self, day: Date) -> bool {
        if self.months & (1 << day.month()) == 0 {
            return false;
        }
        let of_month = self
            .days
            .map(|bits| bits & (1 << day.day()) != 0 || (self.last_day && day.day() == day.days_in_month()));
        let weekday = u64::try_from(day.weekday().to_sunday_zero_offset()).unwrap_or(0);
        let of_week = self.weekdays.map(|bits| {
            bits & (1 << weekday) != 0 || self.nth.iter().any(|(w, nth)| *w == weekday && is_nth(day, *nth))
        });
        // As cron does: where both are written, one of them is enough.
        match (of_month, of_week) {
            (None, None) => true,
            (Some(yes), None) | (None, Some(yes)) => yes,
            (Some(a), Some(b)) => a || b,
        }
    }
}

const MONTHS: [&str; 13] = [
    "", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A day field without its `L`, and whether it had one.
fn last_day(text: &str) -> (String, bool) {
    let (last, rest): (Vec<&str>, Vec<&str>) = text.split(',').partition(|p| p.eq_ignore_ascii_case("L"));
    (rest.join(","), !last.is_empty())
}

/// A weekday field without its `TUE#2` and `FRIL`, and those.
fn nth_weekdays(text: &str) -> Result<(String, Vec<(u64, i8)>), BadSchedule> {
    let (mut plain, mut nth) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        if let Some((day, which)) = part.split_once('#') {
            let which = which.parse().ok().filter(|n| (1..=5).contains(n)).ok_or_else(|| {
                BadSchedule::new(
                    format!("`{part}` is no weekday of a month"),
                    "write `#1` to `#5`, as `TUE#2`",
                )
            })?;
            nth.push((number("weekday", day, 0, 7, &WEEKDAYS)? % 7, which));
        } else if let Some(day) = part.strip_suffix(['L', 'l']).filter(|d| !d.is_empty()) {
            nth.push((number("weekday", day, 0, 7, &WEEKDAYS)? % 7, -1));
        } else {
            plain.push(part);
        }
    }
    Ok((plain.join(","), nth))
}

/// One field as bits.
fn set(what: &str, text: &str, least: u64, most: u64, names: &[&str]) -> Result<u64, BadSchedule> {
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(what, step, 1, most, &[])?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, if names.len() == 7 { 6 } else { most }),
            Some((from, to)) => (
                number(what, from, least, most, names)?,
                number(what, to, least, most, names)?,
            ),
            None => {
                let from = number(what, range, least, most, names)?;
                // `5/15`: from there on.
                (from, if step.is_some() { most } else { from })
            }
        };
        if from > to {
            return Err(BadSchedule::new(
                format!("`{part}` of the {what} field ends before it begins"),
                "write two ranges: `22-23,0-3`",
            ));
        }
        for n in (from..=to).step_by(step.and_then(|n| usize::try_from(n).ok()).unwrap_or(1)) {
            bits |= 1 << n;
        }
    }
    Ok(bits)
}

fn number(what: &str, text: &str, least: u64, most: u64, names: &[&str]) -> Result<u64, BadSchedule> {
    let named = names.iter().position(|n| !n.is_empty() && n.eq_ignore_ascii_case(text));
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let found = named
        .and_then(|n| u64::try_from(n).ok())
        .or_else(|| text.parse().ok().filter(|_| digits));
    found.filter(|n| (least..=most).contains(n)).ok_or_else(|| {
        BadSchedule::new(
            format!("`{text}` is no {what} of a cron line ({least} to {most})"),
            CRON_FORM,
        )
    })
}

fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
