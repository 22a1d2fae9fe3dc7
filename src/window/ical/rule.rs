//! `RRULE`: which days an event comes again.
//!
//! Owns: reading the part of RFC 5545 that is kept, and its days in order. Must not: know times of day or zones: a rule repeats
//! what the wall clock shows.
//!
//! Kept are FREQ (daily to yearly), INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH and WKST. Anything else is refused: a
//! freeze that is repeated wrongly is worse than none.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

/// No freeze is repeated more often.
const MAX_COUNT: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freq {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule without its end (`UNTIL` is a moment, which is the event's business).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    freq: Freq,
    interval: i32,
    pub count: Option<u32>,
    /// As it is written.
    pub until: Option<String>,
    /// (which in the month or year, 0: every; weekday).
    days: Vec<(i8, Weekday)>,
    month_days: Vec<i8>,
    months: Vec<i8>,
    week_start: Weekday,
}

/// Reads it.
///
/// # Errors
/// What is wrong or not kept, in words.
pub(super) fn read(text: &str) -> Result<Rule, String> {
    let mut rule = Rule {
        freq: Freq::Daily,
        interval: 1,
        count: None,
        until: None,
        days: Vec::new(),
        month_days: Vec::new(),
        months: Vec::new(),
        week_start: Weekday::Monday,
    };
    let mut seen: Vec<&str> = Vec::new();
    for part in text.split(';') {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` has no `=`"))?;
        if seen.contains(&key) {
            return Err(format!("{key} is written twice"));
        }
        seen.push(key);
        rule.part(key, value)?;
    }
    if !seen.contains(&"FREQ") {
        return Err("it has no FREQ".to_owned());
    }
    if rule.count.is_some() && rule.until.is_some() {
        return Err("COUNT and UNTIL exclude each other".to_owned());
    }
    rule.sound()?;
    Ok(rule)
}

impl Rule {
    fn part(&mut self, key: &str, value: &str) -> Result<(), String> {
        let bad = || format!("`{value}` is no {key}");
        match key {
            "FREQ" => {
                self.freq = match value {
                    "DAILY" => Freq::Daily,
                    "WEEKLY" => Freq::Weekly,
                    "MONTHLY" => Freq::Monthly,
                    "YEARLY" => Freq::Yearly,
                    _ => {
                        return Err(format!(
                            "FREQ={value} is not kept: DAILY, WEEKLY, MONTHLY and YEARLY are"
                        ));
                    }
                }
            }
            "INTERVAL" => {
                self.interval = value.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(bad)?;
            }
            "COUNT" => {
                self.count = Some(
                    value
                        .parse()
                        .ok()
                        .filter(|n| (1..=MAX_COUNT).contains(n))
                        .ok_or_else(bad)?,
                );
            }
            "UNTIL" => self.until = Some(value.to_owned()),
            "BYDAY" => self.days = list(value, by_day).ok_or_else(bad)?,
            "BYMONTHDAY" => {
                let day = |t: &str| t.parse().ok().filter(|n| matches!(n, -31..=-1 | 1..=31));
                self.month_days = list(value, day).ok_or_else(bad)?;
            }
            "BYMONTH" => {
                self.months = list(value, |t| t.parse().ok().filter(|n| (1..=12).contains(n))).ok_or_else(bad)?;
            }
            "WKST" => self.week_start = weekday(value).ok_or_else(bad)?,
            _ => return Err(format!("{key} is not kept")),
        }
        Ok(())
    }

    /// What RFC 5545 forbids, or leaves open.
    fn sound(&self) -> Result<(), String> {
        let numbered = self.days.iter().any(|(n, _)| *n != 0);
        let of_weeks = matches!(self.freq, Freq::Daily | Freq::Weekly);
        if numbered && of_weeks {
            return Err("BYDAY with a number needs FREQ=MONTHLY or YEARLY".to_owned());
        }
        if numbered && !self.month_days.is_empty() {
            return Err("BYDAY with a number beside BYMONTHDAY is not kept".to_owned());
        }
        if self.freq == Freq::Weekly && !self.month_days.is_empty() {
            return Err("BYMONTHDAY does not go with FREQ=WEEKLY".to_owned());
        }
        let in_month = self.freq == Freq::Monthly || !self.months.is_empty();
        if in_month && self.days.iter().any(|(n, _)| n.abs() > 5) {
            return Err("no month has so many of a weekday".to_owned());
        }
        Ok(())
    }

    /// The days of the rule from `first` on, in order, up to `last`. Without a count everything well before `near` is passed over.
    pub fn days(&self, first: Date, near: Date, last: Date) -> Vec<Date> {
        let mut out = Vec::new();
        let mut n = match self.count {
            None => self.periods_before(first, near),
            Some(_) => 0,
        };
        let most = self.count.map_or(usize::MAX, |c| c as usize);
        while let Some(begin) = self.period(first, n) {
            if begin > last {
                break;
            }
            let mut days = self.of_period(first, begin);
            days.sort_unstable();
            days.dedup();
            for day in days.into_iter().filter(|d| *d >= first) {
                if out.len() >= most || day > last {
                    return out;
                }
                out.push(day);
            }
            n += 1;
        }
        out
    }

    /// Whole periods between the first day and one shortly before `near`.
    fn periods_before(&self, first: Date, near: Date) -> i32 {
        let days = (near - first).get_days();
        let longest = match self.freq {
            Freq::Daily => 1,
            Freq::Weekly => 7,
            Freq::Monthly => 31,
            Freq::Yearly => 366,
        };
        (days / (longest * self.interval) - 2).max(0)
    }

    /// The first day of the nth period.
    fn period(&self, first: Date, n: i32) -> Option<Date> {
        let far = i64::from(n.checked_mul(self.interval)?);
        let begin = match self.freq {
            Freq::Daily => first.checked_add(far.days()),
            Freq::Weekly => {
                let back = first.weekday().since(self.week_start);
                first
                    .checked_sub(i64::from(back).days())
                    .and_then(|d| d.checked_add(far.weeks()))
            }
            Freq::Monthly => first.first_of_month().checked_add(far.months()),
            Freq::Yearly => first.first_of_year().checked_add(far.years()),
        };
        begin.ok()
    }

    fn of_period(&self, first: Date, begin: Date) -> Vec<Date> {
        let in_month = |d: &Date| self.months.is_empty() || self.months.contains(&d.month());
        let on_weekday = |d: &Date| self.days.is_empty() || self.days.iter().any(|(_, w)| *w == d.weekday());
        match self.freq {
            Freq::Daily => {
                let day = Some(begin).filter(in_month).filter(on_weekday);
                day.filter(|d| self.month_days.is_empty() || self.on_month_day(*d))
                    .into_iter()
                    .collect()
            }
            Freq::Weekly => {
                let wanted = |d: &Date| {
                    if self.days.is_empty() {
                        d.weekday() == first.weekday()
                    } else {
                        on_weekday(d)
                    }
                };
                run(begin, 7).filter(wanted).filter(in_month).collect()
            }
            Freq::Monthly if !in_month(&begin) => Vec::new(),
            Freq::Monthly => self.of_month(first, begin),
            Freq::Yearly => self.of_year(first, begin),
        }
    }

    fn of_month(&self, first: Date, begin: Date) -> Vec<Date> {
        let days = run(begin, begin.days_in_month().into());
        if !self.month_days.is_empty() {
            let wanted = |d: &Date| self.days.is_empty() || self.days.iter().any(|(_, w)| *w == d.weekday());
            return days.filter(|d| self.on_month_day(*d)).filter(wanted).collect();
        }
        if self.days.is_empty() {
            return days.filter(|d| d.day() == first.day()).collect();
        }
        days.filter(|d| {
            self.days
                .iter()
                .any(|(n, w)| *w == d.weekday() && counted(*n, (d.day() - 1).into(), d.days_in_month().into()))
        })
        .collect()
    }

    fn of_year(&self, first: Date, begin: Date) -> Vec<Date> {
        let months = (0..12).filter_map(|m: i64| begin.checked_add(m.months()).ok());
        if self.months.is_empty() && self.month_days.is_empty() && !self.days.is_empty() {
            let length = begin.days_in_year();
            return run(begin, length)
                .filter(|d| {
                    self.days
                        .iter()
                        .any(|(n, w)| *w == d.weekday() && counted(*n, d.day_of_year() - 1, length))
                })
                .collect();
        }
        let wanted = |m: &Date| match self.months.as_slice() {
            [] => !self.month_days.is_empty() || m.month() == first.month(),
            list => list.contains(&m.month()),
        };
        months.filter(wanted).flat_map(|m| self.of_month(first, m)).collect()
    }

    fn on_month_day(&self, day: Date) -> bool {
        self.month_days.iter().any(|n| {
            let wanted = if *n > 0 { *n } else { day.days_in_month() + 1 + *n };
            day.day() == wanted
        })
    }
}

/// Whether a day with so many days before it in a span of `length` is the nth of its weekday there; 0: any.
fn counted(nth: i8, before: i16, length: i16) -> bool {
    let nth = i16::from(nth);
    match nth {
        0 => true,
        1.. => before / 7 + 1 == nth,
        _ => (length - 1 - before) / 7 + 1 == -nth,
    }
}

fn run(begin: Date, days: i16) -> impl Iterator<Item = Date> {
    (0..i64::from(days)).filter_map(move |n| begin.checked_add(n.days()).ok())
}

fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(one).collect()
}

/// `TU`, `2TU`, `-1FR`.
fn by_day(text: &str) -> Option<(i8, Weekday)> {
    let letters = text.len().checked_sub(2)?;
    let (number, day) = text.split_at_checked(letters)?;
    let nth = match number {
        "" => 0,
        n => n.parse().ok().filter(|n| matches!(n, -53..=-1 | 1..=53))?,
    };
    Some((nth, weekday(day)?))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}
