//! Promises of the window.

use super::*;

const MIN: u64 = 60_000;
const HOUR: u64 = 60 * MIN;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(freezes: &[Freeze]) -> Window<'_> {
    Window {
        start: at("2026-12-06T01:00:00Z"),
        duration_ms: Some(4 * HOUR),
        cutoff_ms: 30 * MIN,
        freezes,
    }
}

fn freeze(from: &str, to: &str) -> Freeze {
    Freeze {
        from: at(from),
        to: at(to),
        what: "year end".to_owned(),
        calendar: "freeze.ics".to_owned(),
    }
}

#[test]
fn a_moment_is_before_inside_cut_off_or_after() {
    let close = Close {
        at: at("2026-12-06T05:00:00Z"),
        last_start: at("2026-12-06T04:30:00Z"),
        freeze: None,
    };
    let before = State::NotYet {
        opens: Some(at("2026-12-06T01:00:00Z")),
        freeze: None,
    };
    let table = [
        ("2026-12-06T00:59:59.999Z", before),
        ("2026-12-06T01:00:00Z", State::Open(Some(close))),
        ("2026-12-06T04:29:59.999Z", State::Open(Some(close))),
        ("2026-12-06T04:30:00Z", State::CutOff(close)),
        ("2026-12-06T04:59:59.999Z", State::CutOff(close)),
        ("2026-12-06T05:00:00Z", State::Closed(close)),
    ];
    for (now, state) in table {
        assert_eq!(window(&[]).state_at(at(now)), state, "{now}");
    }
}

#[test]
fn a_freeze_that_begins_inside_ends_the_window() {
    let freezes = [freeze("2026-12-06T03:00:00Z", "2026-12-06T04:00:00Z")];
    let window = window(&freezes);
    let close = Close {
        at: at("2026-12-06T03:00:00Z"),
        last_start: at("2026-12-06T02:30:00Z"),
        freeze: Some(&freezes[0]),
    };
    for (now, state) in [
        ("2026-12-06T02:29:59Z", State::Open(Some(close))),
        ("2026-12-06T02:30:00Z", State::CutOff(close)),
        ("2026-12-06T03:00:00Z", State::Closed(close)),
        ("2026-12-06T04:30:00Z", State::Closed(close)),
    ] {
        assert_eq!(window.state_at(at(now)), state, "{now}: also after the freeze");
    }
}

#[test]
fn a_freeze_around_the_start_delays_the_window_or_keeps_it_shut() {
    let delayed = [
        freeze("2026-12-05T00:00:00Z", "2026-12-06T02:00:00Z"),
        freeze("2026-12-06T02:00:00Z", "2026-12-06T02:30:00Z"),
    ];
    let opens = at("2026-12-06T02:30:00Z");
    assert_eq!(
        window(&delayed).opens(),
        (Some(opens), Some(&delayed[1])),
        "one freeze after the other"
    );
    assert!(matches!(window(&delayed).state_at(opens), State::Open(_)));
    let shut = [freeze("2026-12-05T00:00:00Z", "2026-12-06T05:00:00Z")];
    let before_end = window(&shut).state_at(at("2026-12-06T04:59:59Z"));
    assert_eq!(
        before_end,
        State::NotYet {
            opens: None,
            freeze: Some(&shut[0])
        }
    );
    assert!(matches!(
        window(&shut).state_at(at("2026-12-06T05:00:00Z")),
        State::Closed(_)
    ));
}

#[test]
fn a_freeze_beside_the_window_does_not_touch_it() {
    for (from, to) in [
        ("2026-12-05T00:00:00Z", "2026-12-06T01:00:00Z"),
        ("2026-12-06T05:00:00Z", "2026-12-07T00:00:00Z"),
    ] {
        let freezes = [freeze(from, to)];
        let close = window(&freezes).closes().unwrap();
        assert_eq!((close.at, close.freeze), (at("2026-12-06T05:00:00Z"), None));
    }
}

#[test]
fn without_a_window_only_a_freeze_ends_it() {
    let freezes = [freeze("2026-12-06T03:00:00Z", "2026-12-06T04:00:00Z")];
    let mut none = Window {
        duration_ms: None,
        cutoff_ms: 0,
        ..window(&freezes)
    };
    assert!(matches!(
        none.state_at(at("2026-12-06T02:59:59Z")),
        State::Open(Some(_))
    ));
    assert!(matches!(none.state_at(at("2026-12-06T03:00:00Z")), State::Closed(_)));
    none.freezes = &[];
    assert_eq!(none.state_at(at("2030-01-01T00:00:00Z")), State::Open(None));
}

#[test]
fn a_cutoff_longer_than_the_window_lets_no_host_start() {
    let window = Window {
        cutoff_ms: 9 * HOUR,
        ..window(&[])
    };
    assert!(matches!(window.state_at(window.start), State::CutOff(_)));
}

#[test]
fn a_change_of_the_clocks_inside_is_told() {
    for (from, to, zone_name, said) in [
        (
            "2026-03-29T00:30:00Z",
            "2026-03-29T04:30:00Z",
            "Europe/Berlin",
            Some("the clocks go forward by 1 h (2026-03-29 03:00 CEST)"),
        ),
        (
            "2026-10-25T00:30:00Z",
            "2026-10-25T04:30:00Z",
            "Europe/Berlin",
            Some("the clocks go back by 1 h (2026-10-25 02:00 CET)"),
        ),
        (
            "2026-04-04T12:00:00Z",
            "2026-04-04T18:00:00Z",
            "Australia/Lord_Howe",
            Some("the clocks go back by 30 min (2026-04-05 01:30 +1030)"),
        ),
        ("2026-03-29T00:30:00Z", "2026-03-29T04:30:00Z", "Asia/Tokyo", None),
        ("2026-03-29T01:00:00Z", "2026-03-29T04:30:00Z", "Europe/Berlin", None),
        ("2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z", "Europe/Berlin", None),
    ] {
        let found = clock_change(at(from), at(to), &zone(zone_name).unwrap());
        assert_eq!(found.as_deref(), said, "{zone_name} {from}");
    }
}

#[test]
fn its_length_is_elapsed_time_across_clock_changes() {
    // Clocks in Berlin: forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00.
    for (start, end) in [
        ("2026-03-29T00:30:00", "2026-03-29 05:30 CEST (Europe/Berlin)"),
        ("2026-10-25T00:30:00", "2026-10-25 03:30 CET (Europe/Berlin)"),
        ("2026-06-01T00:30:00", "2026-06-01 04:30 CEST (Europe/Berlin)"),
    ] {
        let opens = parse_start(start, "Europe/Berlin").unwrap();
        let window = Window {
            start: opens,
            ..window(&[])
        };
        let closes = window.closes().unwrap().at;
        assert_eq!(closes.duration_since(opens), SignedDuration::from_hours(4));
        assert_eq!(show(closes, "Europe/Berlin"), end);
    }
}

#[test]
fn a_written_start_is_local_time_in_the_zone_or_carries_its_offset() {
    for (text, zone, moment) in [
        ("2026-12-06T01:00:00", "Europe/Berlin", "2026-12-06T00:00:00Z"),
        ("2026-12-06T01:00", "UTC", "2026-12-06T01:00:00Z"),
        ("2026-12-06 01:00:00", "America/New_York", "2026-12-06T06:00:00Z"),
        ("2026-12-06T01:00:00+05:30", "Europe/Berlin", "2026-12-05T19:30:00Z"),
        ("2026-12-06T01:00:00Z", "Europe/Berlin", "2026-12-06T01:00:00Z"),
        ("2026-10-25T02:30:00+02:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ] {
        assert_eq!(parse_start(text, zone), Ok(at(moment)), "{text} {zone}");
    }
}

#[test]
fn a_local_time_that_does_not_exist_or_happens_twice_is_refused_with_both_readings() {
    let gap = parse_start("2026-03-29T02:30:00", "Europe/Berlin").unwrap_err();
    assert!(matches!(gap, BadStart::Gap { .. }), "{gap:?}");
    assert_eq!(
        gap.help(),
        "write `2026-03-29T01:30:00+01:00` or `2026-03-29T03:30:00+02:00`"
    );
    let twice = parse_start("2026-10-25T02:30:00", "Europe/Berlin").unwrap_err();
    assert!(matches!(twice, BadStart::Twice { .. }), "{twice:?}");
    assert_eq!(
        twice.help(),
        "write `2026-10-25T02:30:00+02:00` or `2026-10-25T02:30:00+01:00`"
    );
    for error in [gap, twice] {
        let (BadStart::Gap { instead, .. } | BadStart::Twice { instead, .. }) = error else {
            unreachable!()
        };
        for text in instead {
            assert!(
                parse_start(&text, "Europe/Berlin").is_ok(),
                "{text} must be accepted as it was offered"
            );
        }
    }
}

#[test]
fn what_is_no_start_is_refused() {
    for text in [
        "",
        "tomorrow",
        "2026-12-06",
        "2026-13-06T01:00:00",
        "01:00",
        "2026-12-06T01:00:00[Europe/Berlin]",
    ] {
        assert!(
            matches!(parse_start(text, "UTC"), Err(BadStart::Unreadable { .. })),
            "{text}"
        );
    }
    assert!(matches!(
        parse_start("2026-12-06T01:00:00", "Europe/Berln"),
        Err(BadStart::NoZone { .. })
    ));
}

#[test]
fn a_moment_is_shown_in_its_zone_with_the_zones_name() {
    let moment = at("2026-12-06T00:00:05Z");
    assert_eq!(show(moment, "Europe/Berlin"), "2026-12-06 01:00:05 CET (Europe/Berlin)");
    assert_eq!(show(moment, "UTC"), "2026-12-06 00:00:05 UTC");
    assert_eq!(show(at("2026-12-06T00:00:00Z"), "no such zone"), "2026-12-06 00:00 UTC");
}
