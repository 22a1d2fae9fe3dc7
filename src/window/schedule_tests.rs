//! Promises of schedules: the table of clock changes, and an oracle that looks at every minute.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;
use crate::window::zone;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn comings(schedule: &Schedule, from: &str, zone_name: &str, n: usize) -> Vec<String> {
    let zone = zone(zone_name).unwrap();
    let mut from = at(from);
    let mut out = Vec::new();
    for _ in 0..n {
        let next = schedule.next(from, &zone).unwrap();
        out.push(
            next.start
                .to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M %:z")
                .to_string(),
        );
        assert!(schedule.holds(next.start, &zone));
        from = next.start.checked_add(1.millisecond()).unwrap();
    }
    out
}

fn nth(n: i64, day: Weekday, plus: u16, at: &str) -> Schedule {
    Schedule::nth(n, day, plus, at.parse().unwrap()).unwrap()
}

#[test]
fn the_second_tuesday_plus_four_days_is_not_the_second_saturday() {
    let patch = nth(2, Weekday::Tuesday, 4, "22:00");
    assert_eq!(patch.text(), "the 2nd Tuesday of the month plus 4 days, 22:00");
    assert_eq!(
        comings(&patch, "2026-07-01T00:00:00Z", "Europe/Berlin", 4),
        [
            "2026-07-18 22:00 +02:00",
            "2026-08-15 22:00 +02:00",
            "2026-09-12 22:00 +02:00",
            "2026-10-17 22:00 +02:00"
        ]
    );
    // So many days later may be the next month.
    let late = nth(-1, Weekday::Friday, 5, "01:00");
    assert_eq!(
        comings(&late, "2026-01-01T00:00:00Z", "UTC", 2),
        ["2026-02-04 01:00 +00:00", "2026-03-04 01:00 +00:00"]
    );
    // Months without a fifth are passed over.
    let fifth = nth(5, Weekday::Sunday, 0, "03:00");
    assert_eq!(
        comings(&fifth, "2026-01-01T00:00:00Z", "UTC", 2),
        ["2026-03-29 03:00 +00:00", "2026-05-31 03:00 +00:00"]
    );
}

#[test]
fn a_time_that_is_jumped_over_comes_later_and_one_shown_twice_comes_first() {
    for (cron, zone, from, first, clocks) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:30:00Z",
            Clocks::Skipped,
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-25T00:30:00Z",
            Clocks::Twice,
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-08T05:00:00Z",
            "2026-03-08T07:30:00Z",
            Clocks::Skipped,
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T04:00:00Z",
            "2026-11-01T05:30:00Z",
            Clocks::Twice,
        ),
        // Half an hour: 02:00 to 02:30.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T14:00:00Z",
            "2026-10-03T15:45:00Z",
            Clocks::Skipped,
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T13:00:00Z",
            "2026-04-04T14:45:00Z",
            Clocks::Twice,
        ),
        (
            "30 2 * * *",
            "Asia/Tokyo",
            "2026-03-28T20:00:00Z",
            "2026-03-29T17:30:00Z",
            Clocks::Steady,
        ),
        // Samoa had no 30 December 2011.
        (
            "0 22 30 12 *",
            "Pacific/Apia",
            "2011-12-01T00:00:00Z",
            "2011-12-31T08:00:00Z",
            Clocks::Skipped,
        ),
    ] {
        let schedule = Schedule::cron(cron).unwrap();
        let next = schedule.next(at(from), &super::super::zone(zone).unwrap()).unwrap();
        assert_eq!((next.start, next.clocks), (at(first), clocks), "{cron} {zone}");
    }
}

#[test]
fn what_is_no_schedule_is_refused() {
    for (line, part) in [
        ("0 22 * *", "five fields"),
        ("0 0 22 * * 2", "five fields"),
        ("60 22 * * *", "`60` is no minute"),
        ("0 24 * * *", "no hour"),
        ("0 22 32 * *", "no day"),
        ("0 22 0 * *", "no day"),
        ("0 22 * 13 *", "no month"),
        ("0 22 * * 8", "no weekday"),
        ("0 22 * * TUESDAY", "no weekday"),
        ("0 22 * * TUE#6", "no weekday of a month"),
        ("0 22-20 * * *", "ends before it begins"),
        ("0 22 * * */0", "no weekday"),
        ("0 22 30 2 *", "never comes"),
        ("0 22 15W * *", "no day"),
        ("@daily", "five fields"),
        ("-1 22 * * *", "no minute"),
        ("0 22,,23 * * *", "no hour"),
    ] {
        let error = Schedule::cron(line).unwrap_err();
        assert!(error.what.contains(part), "{line}: {error}");
        assert!(!error.help.is_empty());
    }
    for n in [0, 6, -2, i64::MAX] {
        assert!(Schedule::nth(n, Weekday::Monday, 0, Time::midnight()).is_err());
    }
}

#[test]
fn cron_days_are_read_as_cron_does() {
    for (line, days) in [
        ("0 0 13 * FRI", "2,9,13,16,23,30"),
        ("0 0 * * 7", "4,11,18,25"),
        ("0 0 * * 0", "4,11,18,25"),
        ("0 0 * * 5-7", "2,3,4,9,10,11,16,17,18,23,24,25,30,31"),
        ("0 0 */10 * *", "1,11,21,31"),
        ("0 0 L * *", "31"),
        ("0 0 * * TUE#2", "13"),
        ("0 0 * * FRIL", "30"),
        ("0 0 1,15 oct ?", "1,15"),
        ("0 0 20/5 * *", "20,25,30"),
    ] {
        let schedule = Schedule::cron(line).unwrap();
        let month = (1..=31).filter(|d| schedule.days.has(date(2026, 10, *d)));
        let found: Vec<String> = month.map(|d| d.to_string()).collect();
        assert_eq!(found.join(","), days, "{line}");
    }
}

#[test]
fn a_leap_day_is_found_over_a_century_without_one() {
    let schedule = Schedule::cron("0 12 29 2 *").unwrap();
    let next = schedule.next(at("2096-03-01T00:00:00Z"), &TimeZone::UTC).unwrap();
    assert_eq!(next.start, at("2104-02-29T12:00:00Z"));
}

/// Every minute of a span: what a wall clock shows, in the order in which it shows it.
fn wall(from: Timestamp, days: i64, zone: &TimeZone) -> Vec<(Timestamp, DateTime)> {
    (0..days * 24 * 60)
        .map(|m| {
            let t = from.checked_add(m.minutes()).unwrap();
            (t, zone.to_datetime(t))
        })
        .collect()
}

/// By looking: the first minute at which the wall shows the time; for one that it never shows, the minute at which a clock that
/// had not been changed would show it.
fn by_looking(shown: &[(Timestamp, DateTime)], wanted: impl Fn(DateTime) -> bool) -> Vec<Timestamp> {
    let mut first: BTreeMap<DateTime, Timestamp> = BTreeMap::new();
    for (t, civil) in shown {
        first.entry(*civil).or_insert(*t);
    }
    let mut out = Vec::new();
    for ((t, civil), (_, next)) in shown.iter().zip(shown.iter().skip(1)) {
        if first[civil] == *t && wanted(*civil) {
            out.push(*t);
        }
        let (mut skipped, mut later) = (
            civil.checked_add(1.minute()).unwrap(),
            t.checked_add(1.minute()).unwrap(),
        );
        while skipped < *next {
            if wanted(skipped) {
                out.push(later);
            }
            skipped = skipped.checked_add(1.minute()).unwrap();
            later = later.checked_add(1.minute()).unwrap();
        }
    }
    out.sort();
    out.dedup();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn schedules_agree_with_a_look_at_every_minute(
        zone_name in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "UTC"]),
        // Around the nights on which clocks change, and others.
        begin in prop::sample::select(vec![
            "2026-03-26T00:00:00Z", "2026-10-23T00:00:00Z", "2026-03-06T00:00:00Z", "2026-10-30T00:00:00Z",
            "2026-04-02T00:00:00Z", "2026-10-01T00:00:00Z", "2026-06-01T00:00:00Z",
        ]),
        hours in prop::collection::btree_set(0i8..24, 1..4),
        minute in prop::sample::select(vec![0i8, 15, 30, 59]),
        weekdays in prop::collection::btree_set(0i8..7, 1..7),
        second_form in any::<bool>(),
        which in 1i64..5,
        plus in 0u16..9,
    ) {
        let zone = zone(zone_name).unwrap();
        let list = |set: &std::collections::BTreeSet<i8>| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let weekday = Weekday::from_sunday_zero_offset(*weekdays.first().unwrap()).unwrap();
        let hour = *hours.first().unwrap();
        let schedule = if second_form {
            Schedule::nth(which, weekday, plus, Time::constant(hour, minute, 0, 0)).unwrap()
        } else {
            Schedule::cron(&format!("{minute} {} * * {}", list(&hours), list(&weekdays))).unwrap()
        };
        let wanted = |c: DateTime| {
            if second_form {
                // Count the weekdays of the month from its first day on.
                let Ok(day) = c.date().checked_sub(i64::from(plus).days()) else { return false };
                let mut nth = 0;
                for n in 1..=day.day() {
                    nth += i64::from(date(day.year(), day.month(), n).weekday() == weekday);
                }
                day.weekday() == weekday && nth == which && c.hour() == hour && c.minute() == minute
            } else {
                hours.contains(&c.hour()) && c.minute() == minute
                    && weekdays.contains(&c.weekday().to_sunday_zero_offset())
            }
        };
        let shown = wall(at(begin), 6, &zone);
        let truth = by_looking(&shown, wanted);
        let end = shown.last().unwrap().0;
        let mut mine = Vec::new();
        let mut from = at(begin);
        while let Some(next) = schedule.next(from, &zone).filter(|o| o.start < end) {
            mine.push(next.start);
            from = next.start.checked_add(1.millisecond()).unwrap();
        }
        let truth: Vec<Timestamp> = truth.into_iter().filter(|t| *t < end).collect();
        prop_assert_eq!(mine, truth, "{} {}", zone_name, schedule.text());
    }
}
