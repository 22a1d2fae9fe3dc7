//! One event: its begin, its length, its repetitions.
//!
//! Owns: the properties of `VEVENT` that say when it is. Must not: judge the file around it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span as Length, Timestamp, ToSpan as _};

use super::line::Line;
use super::rule::{self, Rule};
use super::{unknown_zone, zones};
use crate::diag::{Diagnostic, Span};

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub uid: Option<String>,
    pub summary: String,
    /// It changes this one coming of the event with the same uid.
    pub instead_of: Option<Timestamp>,
    pub cancelled: bool,
    /// Marked as free time.
    pub free: bool,
    /// Where it begins in the file.
    pub span: Span,
    start: When,
    /// Days on the wall clock, then elapsed time.
    days: i64,
    exact: SignedDuration,
    rule: Option<Rule>,
    until: Option<Timestamp>,
    also: Vec<When>,
    /// In order.
    not: Vec<Timestamp>,
}

/// A day or a time of day in a zone.
#[derive(Clone, Debug)]
struct When {
    civil: DateTime,
    zone: TimeZone,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Day,
    Utc,
    /// With `TZID`, or without any zone.
    Local,
}

/// Where dates are sane and sums cannot go wrong.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// Reads it from its lines.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(lines: &[Line], zone: &TimeZone) -> Result<Event, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let event = Reading {
        lines,
        zone,
        wrong: &mut wrong,
    }
    .event();
    match event {
        Some(event) if wrong.is_empty() => Ok(event),
        _ => Err(wrong),
    }
}

struct Reading<'a> {
    lines: &'a [Line],
    zone: &'a TimeZone,
    wrong: &'a mut Vec<Diagnostic>,
}

impl<'a> Reading<'a> {
    fn event(&mut self) -> Option<Event> {
        let summary = self.one("SUMMARY").map(Line::text);
        let word = |line: Option<&Line>, word: &str| line.is_some_and(|l| l.value.trim().eq_ignore_ascii_case(word));
        let cancelled = word(self.one("STATUS"), "CANCELLED");
        let free = word(self.one("TRANSP"), "TRANSPARENT");
        if let Some(l) = self.all("EXRULE").next() {
            let d = l.wrong("PS0486", "EXRULE is not read", "RFC 5545 has dropped it");
            self.wrong.push(d.help("write the days that are left out: `EXDATE`"));
        }
        let Some(begin) = self.one("DTSTART") else {
            if let Some(first) = self.lines.first().filter(|_| self.wrong.is_empty()) {
                let d = Diagnostic::error(
                    "PS0485",
                    "an event without a begin",
                    first.whole.clone(),
                    "it has no DTSTART",
                );
                self.wrong
                    .push(d.help("write `DTSTART;VALUE=DATE:20261224` or `DTSTART:20261224T180000Z`"));
            }
            return None;
        };
        let start = self.when(begin)?;
        let instead_of = self.instead_of(&start);
        let (days, exact) = match (self.length(begin, &start), cancelled) {
            (Some(length), _) => length,
            // Nothing of it is ever.
            (None, true) => (0, SignedDuration::ZERO),
            (None, false) => return None,
        };
        let rule = self.rule(&start);
        let until = rule.as_ref().and_then(|(line, r)| self.until(line, r, &start));
        let also = self.times("RDATE", &start);
        let mut not: Vec<Timestamp> = self.times("EXDATE", &start).iter().filter_map(When::moment).collect();
        not.sort_unstable();
        Some(Event {
            uid: self.one("UID").map(|l| l.value.trim().to_owned()),
            summary: summary
                .filter(|s| !s.trim().is_empty())
                .unwrap_or_else(|| "freeze".to_owned()),
            instead_of,
            cancelled,
            free,
            span: begin.whole.clone(),
            start,
            days,
            exact,
            rule: rule.map(|(_, r)| r),
            until,
            also,
            not,
        })
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a Line> + use<'a> {
        self.lines.iter().filter(move |l| l.name == name)
    }

    /// A property that may be there once.
    fn one(&mut self, name: &'static str) -> Option<&'a Line> {
        let mut all = self.all(name);
        let first = all.next()?;
        if let Some(again) = all.next() {
            let d = Diagnostic::error(
                "PS0486",
                format!("{name} is written twice"),
                again.whole.clone(),
                "again",
            );
            self.wrong
                .push(d.also(first.whole.clone(), "the first").help("an event has one"));
        }
        Some(first)
    }

    /// The moment of a line with one value.
    fn when(&mut self, line: &Line) -> Option<When> {
        let text = line.value.clone();
        self.value(line, text.trim())
    }

    fn value(&mut self, line: &Line, text: &str) -> Option<When> {
        let bad = |label: &str| {
            line.wrong("PS0482", format!("`{text}` is no date or time"), label)
                .help("write `20261224`, `20261224T180000Z` or, with TZID, `20261224T180000`")
        };
        let kind = line.param("VALUE").map(str::to_ascii_uppercase);
        if kind.as_deref() == Some("PERIOD") {
            let d = line.wrong("PS0486", "a PERIOD is not read", "in this list");
            self.wrong.push(d.help("write an event of its own"));
            return None;
        }
        let zone = match line.param("TZID") {
            None => None,
            Some(name) => match zones::find(name) {
                None => {
                    self.wrong.push(unknown_zone(name, line.whole.clone()));
                    return None;
                }
                found => found,
            },
        };
        let (clock, utc) = match text.strip_suffix(['Z', 'z']) {
            Some(clock) => (clock, true),
            None => (text, false),
        };
        let is_day = !clock.contains(['T', 't']);
        let parsed = if is_day {
            day(clock).map(|d| d.to_datetime(jiff::civil::Time::midnight()))
        } else {
            time(clock)
        };
        let Some(civil) = parsed.filter(|_| !(is_day && utc)) else {
            self.wrong.push(bad("not one"));
            return None;
        };
        let wrong = match kind.as_deref() {
            Some("DATE") if !is_day => Some("a date and a time, where VALUE=DATE is written"),
            Some("DATE-TIME") if is_day => Some("a date alone, where VALUE=DATE-TIME is written"),
            _ if utc && zone.is_some() => Some("in UTC (`Z`) and in a zone"),
            _ if !YEARS.contains(&civil.year()) => Some("only 1970 to 2199 are read"),
            _ => None,
        };
        if let Some(label) = wrong {
            self.wrong.push(bad(label));
            return None;
        }
        let kind = match (is_day, utc) {
            (true, _) => Kind::Day,
            (_, true) => Kind::Utc,
            _ => Kind::Local,
        };
        let zone = if utc {
            TimeZone::UTC
        } else {
            zone.unwrap_or_else(|| self.zone.clone())
        };
        Some(When { civil, zone, kind })
    }

    /// How long it is: days on the wall clock, then elapsed time.
    fn length(&mut self, begin: &Line, start: &When) -> Option<(i64, SignedDuration)> {
        let (end, duration) = (self.one("DTEND"), self.one("DURATION"));
        let days_only = start.kind == Kind::Day;
        let length = match (end, duration) {
            (Some(_), Some(both)) => {
                let d = both.wrong("PS0485", "an event has an end or a length, not both", "beside DTEND");
                self.wrong.push(d.help("remove DURATION or DTEND"));
                return None;
            }
            (Some(line), None) => {
                let end = self.when(line)?;
                if (end.kind == Kind::Day) != days_only {
                    let d = line.wrong(
                        "PS0485",
                        "begin and end are not of one kind",
                        "one is a day, one a time",
                    );
                    self.wrong.push(d.help("write both as days, or both as times"));
                    return None;
                }
                if days_only {
                    (
                        (end.civil.date() - start.civil.date()).get_days().into(),
                        SignedDuration::ZERO,
                    )
                } else {
                    (0, end.moment()?.duration_since(start.moment()?))
                }
            }
            (None, Some(line)) => match duration_of(&line.value) {
                Some(length) if !days_only || length.1.is_zero() => length,
                found => {
                    let label = if found.is_some() {
                        "a day's length is whole days"
                    } else {
                        "not one"
                    };
                    let d = line.wrong("PS0482", format!("`{}` is no length", line.value), label);
                    self.wrong.push(d.help("write `PT4H`, `P1D` or `P2W`"));
                    return None;
                }
            },
            (None, None) if days_only => (1, SignedDuration::ZERO),
            (None, None) => (0, SignedDuration::ZERO),
        };
        if length.0 <= 0 && length.1 <= SignedDuration::ZERO {
            let at = end.or(duration).unwrap_or(begin);
            let d = Diagnostic::error(
                "PS0485",
                "the event freezes nothing: it ends when it begins, or before",
                at.whole.clone(),
                "no time between",
            );
            self.wrong
                .push(d.help("write DTEND after DTSTART; of an event of days it is the first day after it"));
            return None;
        }
        Some(length)
    }

    fn instead_of(&mut self, start: &When) -> Option<Timestamp> {
        let line = self.one("RECURRENCE-ID")?;
        if line.param("RANGE").is_some() {
            let d = line.wrong("PS0486", "a change of this and all later times is not read", "RANGE");
            self.wrong
                .push(d.help("end the first event with UNTIL and write a second one"));
            return None;
        }
        let of = self.when(line)?;
        // A moved day may become a time; which one is meant is clear all the same.
        let _ = start;
        of.moment()
    }

    fn rule(&mut self, start: &When) -> Option<(&'a Line, Rule)> {
        let line = self.one("RRULE")?;
        let rule = match rule::read(line.value.trim().to_ascii_uppercase().as_str()) {
            Ok(rule) => rule,
            Err(why) => {
                let d = line.wrong("PS0484", format!("this repetition is not read: {why}"), "RRULE");
                self.wrong.push(d.help("kept are FREQ=DAILY to YEARLY with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH, WKST; write other days as RDATE or events"));
                return None;
            }
        };
        let first = start.civil.date();
        if rule.days(first, first, first).is_empty() {
            let d = line.wrong("PS0484", "the event's own begin is not one of its repetitions", "RRULE");
            self.wrong
                .push(d.help("set DTSTART to the first day that the rule gives"));
            return None;
        }
        Some((line, rule))
    }

    /// `UNTIL` is a day beside days, else a moment.
    fn until(&mut self, line: &Line, rule: &Rule, start: &When) -> Option<Timestamp> {
        let text = rule.until.as_deref()?;
        let utc = text.ends_with('Z');
        let is_day = !text.contains('T');
        let fits = match start.kind {
            Kind::Day => is_day,
            Kind::Utc => utc,
            // Without any zone `UNTIL` has none either; with one it is in UTC.
            Kind::Local => !is_day,
        };
        let civil = match text.strip_suffix('Z') {
            Some(t) => time(t),
            None if is_day => day(text).map(|d| d.to_datetime(jiff::civil::Time::midnight())),
            None => time(text),
        };
        let zone = if utc { TimeZone::UTC } else { start.zone.clone() };
        let moment = civil.filter(|_| fits).and_then(|c| zone.to_timestamp(c).ok());
        if moment.is_none() {
            let d = line.wrong("PS0484", format!("UNTIL={text} does not go with DTSTART"), "RRULE");
            self.wrong.push(d.help(
                "beside days write a day (`UNTIL=20271231`), beside times a time in UTC (`UNTIL=20271231T225959Z`)",
            ));
        }
        moment
    }

    /// All values of a list property.
    fn times(&mut self, name: &'static str, start: &When) -> Vec<When> {
        let mut out = Vec::new();
        for line in self.all(name) {
            for text in line.value.split(',') {
                let Some(when) = self.value(line, text.trim()) else {
                    continue;
                };
                if (when.kind == Kind::Day) == (start.kind == Kind::Day) {
                    out.push(when);
                    continue;
                }
                let d = line.wrong(
                    "PS0485",
                    format!("{name} and DTSTART are not of one kind"),
                    "one is a day, one a time",
                );
                self.wrong.push(d.help("write both as days, or both as times"));
            }
        }
        out
    }
}

impl Event {
    /// How often it can come in a span of this length at the most: once a day, if it comes again at all.
    pub fn most(&self, span: SignedDuration) -> usize {
        let days = span.as_hours() / 24 + self.days.saturating_add(self.exact.as_hours() / 24) + 4;
        let by_rule = self
            .rule
            .as_ref()
            .map_or(1, |_| usize::try_from(days).unwrap_or(usize::MAX));
        by_rule.saturating_add(self.also.len())
    }

    /// Begin and end of each coming near a span of time.
    pub fn times(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let mut starts = vec![self.start.clone()];
        if let Some(rule) = &self.rule {
            let zone = &self.start.zone;
            let long = self.days.saturating_add(self.exact.as_hours() / 24).saturating_add(2);
            let first = self.start.civil.date();
            let near = zone
                .to_datetime(from)
                .date()
                .checked_sub(long.days())
                .unwrap_or(first)
                .max(first);
            let last = zone.to_datetime(to).date().checked_add(1.day()).unwrap_or(first);
            starts = rule
                .days(first, near, last)
                .into_iter()
                .map(|d| self.start.on(d))
                .collect();
        }
        let until = |w: &When| self.until.is_none_or(|u| w.moment().is_some_and(|m| m <= u));
        starts.retain(until);
        starts.extend(self.also.iter().cloned());
        let both = starts.iter().filter_map(|w| {
            let begin = w.moment().filter(|m| self.not.binary_search(m).is_err())?;
            let end = w.civil.checked_add(self.days.days()).ok()?;
            let end = w.zone.to_timestamp(end).ok()?.checked_add(self.exact).ok()?;
            Some((begin, end))
        });
        both.collect()
    }
}

impl When {
    /// A time that the clocks jump over is later by the jump, one that they show twice is the first: as RFC 5545 has it.
    fn moment(&self) -> Option<Timestamp> {
        self.zone.to_timestamp(self.civil).ok()
    }

    fn on(&self, day: Date) -> Self {
        Self {
            civil: day.to_datetime(self.civil.time()),
            ..self.clone()
        }
    }
}

fn digits<T: std::str::FromStr>(text: &str, from: usize, to: usize) -> Option<T> {
    let part = text.get(from..to)?;
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
}

/// `20261224`.
fn day(text: &str) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    Date::new(digits(text, 0, 4)?, digits(text, 4, 6)?, digits(text, 6, 8)?).ok()
}

/// `20261224T180000`.
fn time(text: &str) -> Option<DateTime> {
    let (date, clock) = text.split_once(['T', 't'])?;
    if clock.len() != 6 {
        return None;
    }
    // A leap second is the last second that clocks here know.
    let second = digits::<i8>(clock, 4, 6)?;
    let second = if second == 60 { 59 } else { second };
    let clock = jiff::civil::Time::new(digits(clock, 0, 2)?, digits(clock, 2, 4)?, second, 0).ok()?;
    Some(day(date)?.to_datetime(clock))
}

/// `P1DT2H`: days on the wall clock, then elapsed time.
fn duration_of(text: &str) -> Option<(i64, SignedDuration)> {
    let text = text.trim();
    if !text.trim_start_matches('+').starts_with('P') {
        return None;
    }
    let span: Length = text.parse().ok()?;
    if span.get_years() != 0 || span.get_months() != 0 || span.is_negative() {
        return None;
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let seconds = i64::from(span.get_hours())
        .checked_mul(3600)?
        .checked_add(span.get_minutes().checked_mul(60)?)?
        .checked_add(span.get_seconds())?;
    let sane = days < 3700 && seconds < 3700 * 86_400;
    sane.then_some((days, SignedDuration::from_secs(seconds)))
}
