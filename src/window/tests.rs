//! Promises of the window.

use super::*;

const MIN: u64 = 60_000;
const HOUR: u64 = 60 * MIN;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window() -> Window {
    Window {
        start: Some(at("2026-12-06T01:00:00Z")),
        duration_ms: 4 * HOUR,
        cutoff_ms: 30 * MIN,
        reserve_ms: None,
        timezone: "UTC".to_owned(),
        freezes: Vec::new(),
    }
}

#[test]
fn a_moment_is_before_inside_cut_off_or_after() {
    let closes = at("2026-12-06T05:00:00Z");
    let last_host_start = at("2026-12-06T04:30:00Z");
    let table = [
        (
            "2026-12-06T00:59:59.999Z",
            State::NotYet {
                opens: at("2026-12-06T01:00:00Z"),
            },
        ),
        (
            "2026-12-06T01:00:00Z",
            State::Open {
                closes,
                last_host_start,
            },
        ),
        (
            "2026-12-06T04:29:59.999Z",
            State::Open {
                closes,
                last_host_start,
            },
        ),
        ("2026-12-06T04:30:00Z", State::CutOff { closes }),
        ("2026-12-06T04:59:59.999Z", State::CutOff { closes }),
        ("2026-12-06T05:00:00Z", State::Closed { closed: closes }),
    ];
    for (now, state) in table {
        assert_eq!(window().state_at(at(now), at(now)), state, "{now}");
    }
}

#[test]
fn without_a_start_it_opens_with_the_run() {
    let window = Window {
        start: None,
        ..window()
    };
    let run = at("2026-03-01T10:00:00Z");
    let state = window.state_at(at("2026-03-01T13:45:00Z"), run);
    assert_eq!(
        state,
        State::CutOff {
            closes: at("2026-03-01T14:00:00Z")
        }
    );
}

#[test]
fn a_host_starts_only_if_it_and_its_way_back_fit_before_the_end() {
    let run = at("2026-12-06T01:00:00Z");
    let start = |now: &str, reserve, slowest, back_out| {
        let window = Window {
            reserve_ms: reserve,
            ..window()
        };
        window.may_start_host(at(now), run, slowest, back_out)
    };
    let closes = at("2026-12-06T05:00:00Z");
    assert_eq!(start("2026-12-06T03:00:00Z", None, HOUR, HOUR - 1), Ok(()));
    let too_late = Err(WhyNot::WouldNotFit {
        would_end: closes,
        closes,
    });
    assert_eq!(
        start("2026-12-06T03:00:00Z", None, HOUR, HOUR),
        too_late,
        "the end itself is too late"
    );
    assert_eq!(
        start("2026-12-06T03:00:00Z", Some(0), HOUR, 9 * HOUR),
        Ok(()),
        "a written reserve replaces the undo steps' sum"
    );
    assert_eq!(
        start("2026-12-06T04:30:00Z", Some(0), 0, 0),
        Err(WhyNot::CutOff { closes })
    );
    assert_eq!(
        start("2026-12-06T05:00:00Z", Some(0), 0, 0),
        Err(WhyNot::Closed { closed: closes })
    );
    assert_eq!(
        start("2026-12-06T00:00:00Z", Some(0), 0, 0),
        Err(WhyNot::NotYet { opens: run })
    );
    assert!(
        start("2026-12-06T01:00:00Z", Some(u64::MAX), u64::MAX, 0).is_err(),
        "no overflow"
    );
}

#[test]
fn a_freeze_that_begins_inside_ends_the_window_and_one_around_its_start_keeps_it_shut() {
    let freeze = |from: &str, to: &str| Window {
        freezes: vec![(at(from), at(to))],
        ..window()
    };
    let run = at("2026-12-06T01:00:00Z");
    let inside = freeze("2026-12-06T03:00:00Z", "2026-12-07T00:00:00Z");
    assert_eq!(inside.closes(run), at("2026-12-06T03:00:00Z"));
    let around = freeze("2026-12-05T00:00:00Z", "2026-12-07T00:00:00Z");
    assert_eq!(around.state_at(run, run), State::Closed { closed: run });
    for (from, to) in [
        ("2026-12-05T00:00:00Z", "2026-12-06T01:00:00Z"),
        ("2026-12-06T05:00:00Z", "2026-12-07T00:00:00Z"),
    ] {
        assert_eq!(
            freeze(from, to).closes(run),
            at("2026-12-06T05:00:00Z"),
            "a freeze beside the window does not touch it"
        );
    }
}

#[test]
fn a_cutoff_longer_than_the_window_lets_no_host_start() {
    let window = Window {
        cutoff_ms: 9 * HOUR,
        ..window()
    };
    let run = at("2026-12-06T01:00:00Z");
    assert_eq!(
        window.state_at(run, run),
        State::CutOff {
            closes: at("2026-12-06T05:00:00Z")
        }
    );
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
            start: Some(opens),
            ..window()
        };
        let closes = window.closes(opens);
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
