//! Calendars that are read, and calendars that are refused at their place.

use super::*;

fn parse(text: &str, zone: &str) -> (Option<Calendar>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let source = Source::new("calendars/freeze.ics", text);
    let zone = super::super::zone(zone).unwrap();
    (read(&source, &zone, &mut diags), diags)
}

/// Lines of one event, in a calendar.
fn event(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
}

/// What it freezes from the end of 2025 to the end of 2028, as `from/to` in UTC.
fn frozen(text: &str, zone: &str) -> Vec<String> {
    let (calendar, diags) = parse(text, zone);
    let codes: Vec<_> = diags.0.iter().map(|d| (d.code, &d.message)).collect();
    let calendar = calendar.unwrap_or_else(|| panic!("{text}\n{codes:?}"));
    let (from, to) = ("2025-12-01T00:00:00Z", "2029-01-01T00:00:00Z");
    let short = |t: Timestamp| t.strftime("%Y-%m-%dT%H:%M").to_string();
    let all = calendar.freezes(from.parse().unwrap(), to.parse().unwrap());
    all.iter()
        .map(|f| format!("{}/{}", short(f.from), short(f.to)))
        .collect()
}

#[test]
fn days_and_times_of_one_event() {
    for (lines, zone, expected) in [
        (
            "DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20270102",
            "UTC",
            "2026-12-24T00:00/2027-01-02T00:00",
        ),
        // A day is a day of the zone.
        (
            "DTSTART;VALUE=DATE:20261224",
            "Europe/Berlin",
            "2026-12-23T23:00/2026-12-24T23:00",
        ),
        // 23 and 25 hours long.
        (
            "DTSTART;VALUE=DATE:20260329",
            "Europe/Berlin",
            "2026-03-28T23:00/2026-03-29T22:00",
        ),
        (
            "DTSTART;VALUE=DATE:20261025",
            "Europe/Berlin",
            "2026-10-24T22:00/2026-10-25T23:00",
        ),
        (
            "DTSTART:20261224T180000Z\r\nDTEND:20261224T200000Z",
            "Europe/Berlin",
            "2026-12-24T18:00/2026-12-24T20:00",
        ),
        (
            "DTSTART;TZID=America/New_York:20261224T180000\r\nDTEND;TZID=America/New_York:20261224T200000",
            "UTC",
            "2026-12-24T23:00/2026-12-25T01:00",
        ),
        // Begin and end in two zones.
        (
            "DTSTART;TZID=Europe/Berlin:20261224T180000\r\nDTEND:20261224T200000Z",
            "UTC",
            "2026-12-24T17:00/2026-12-24T20:00",
        ),
        (
            "DTSTART:20261224T180000\r\nDURATION:PT2H30M",
            "Europe/Berlin",
            "2026-12-24T17:00/2026-12-24T19:30",
        ),
        (
            "DTSTART;TZID=W. Europe Standard Time:20260701T180000\r\nDURATION:PT1H",
            "UTC",
            "2026-07-01T16:00/2026-07-01T17:00",
        ),
        (
            "DTSTART;TZID=\"/mozilla.org/20070129_1/Europe/Berlin\":20260701T180000\r\nDURATION:PT1H",
            "UTC",
            "2026-07-01T16:00/2026-07-01T17:00",
        ),
        // A length of days is days on the wall, one of hours is elapsed time: the clocks change between.
        (
            "DTSTART;TZID=Europe/Berlin:20260328T120000\r\nDURATION:P1D",
            "UTC",
            "2026-03-28T11:00/2026-03-29T10:00",
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260328T120000\r\nDURATION:PT24H",
            "UTC",
            "2026-03-28T11:00/2026-03-29T11:00",
        ),
        (
            "DTSTART;VALUE=DATE:20260601\r\nDURATION:P2W",
            "UTC",
            "2026-06-01T00:00/2026-06-15T00:00",
        ),
        (
            "DTSTART;VALUE=DATE:20260601\r\nDURATION:+P1DT0S",
            "UTC",
            "2026-06-01T00:00/2026-06-02T00:00",
        ),
        // 02:30 does not exist: 03:30. 02:30 is there twice: the first.
        (
            "DTSTART;TZID=Europe/Berlin:20260329T023000\r\nDURATION:PT1H",
            "UTC",
            "2026-03-29T01:30/2026-03-29T02:30",
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20261025T023000\r\nDURATION:PT1H",
            "UTC",
            "2026-10-25T00:30/2026-10-25T01:30",
        ),
        // Folded inside a value, with a tab; names in any case.
        (
            "dtstart;value=date:2026\r\n\t1224",
            "UTC",
            "2026-12-24T00:00/2026-12-25T00:00",
        ),
        (
            "DTSTART;VALUE=DATE:20261224\r\nSTATUS:TENTATIVE\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM",
            "UTC",
            "2026-12-24T00:00/2026-12-25T00:00",
        ),
    ] {
        assert_eq!(frozen(&event(lines), zone), [expected], "{lines}");
    }
}

#[test]
fn repetitions() {
    let day = |rule: &str| event(&format!("DTSTART;VALUE=DATE:20260130\r\nRRULE:{rule}"));
    for (text, expected) in [
        (day("FREQ=DAILY;COUNT=3"), "2026-01-30 2026-01-31 2026-02-01"),
        (
            day("FREQ=DAILY;INTERVAL=10;UNTIL=20260219"),
            "2026-01-30 2026-02-09 2026-02-19",
        ),
        (day("FREQ=WEEKLY;COUNT=3"), "2026-01-30 2026-02-06 2026-02-13"),
        (
            day("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=4"),
            "2026-01-30 2026-02-09 2026-02-13 2026-02-23",
        ),
        // A month without a 30th is passed over.
        (day("FREQ=MONTHLY;COUNT=3"), "2026-01-30 2026-03-30 2026-04-30"),
        (
            day("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3"),
            "2026-01-30 2026-02-27 2026-03-27",
        ),
        (
            day("FREQ=MONTHLY;BYDAY=5FR;COUNT=3"),
            "2026-01-30 2026-05-29 2026-07-31",
        ),
        (
            day("FREQ=MONTHLY;BYMONTHDAY=-2;COUNT=3"),
            "2026-01-30 2026-02-27 2026-03-30",
        ),
        (
            day("FREQ=MONTHLY;BYMONTHDAY=30,31;BYDAY=FR;COUNT=3"),
            "2026-01-30 2026-07-31 2026-10-30",
        ),
        (day("FREQ=YEARLY;COUNT=2"), "2026-01-30 2027-01-30"),
        (
            day("FREQ=YEARLY;BYMONTH=1,6;COUNT=3"),
            "2026-01-30 2026-06-30 2027-01-30",
        ),
        (day("FREQ=YEARLY;BYDAY=5FR;COUNT=2"), "2026-01-30 2027-01-29"),
        (
            day("FREQ=YEARLY;BYMONTH=1;BYDAY=-1FR;UNTIL=20270201"),
            "2026-01-30 2027-01-29",
        ),
        (
            day("FREQ=DAILY;BYMONTH=1;BYDAY=FR,SA;COUNT=4"),
            "2026-01-30 2026-01-31 2027-01-01 2027-01-02",
        ),
        // The weeks begin on Sunday: the Sunday after belongs to the next but one.
        (
            day("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=FR,SU;COUNT=3"),
            "2026-01-30 2026-02-08 2026-02-13",
        ),
        (
            day("FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=FR,SU;COUNT=3"),
            "2026-01-30 2026-02-01 2026-02-13",
        ),
    ] {
        let days: Vec<String> = frozen(&text, "UTC").iter().map(|f| f[..10].to_owned()).collect();
        assert_eq!(days.join(" "), expected, "{text}");
    }
}

#[test]
fn a_rule_without_end_is_found_years_later_and_a_counted_one_from_its_begin() {
    let first = |lines: &str| frozen(&event(lines), "UTC").first().cloned();
    let yearly = "DTSTART;VALUE=DATE:19991224\r\nDTEND;VALUE=DATE:20000102\r\nRRULE:FREQ=YEARLY";
    assert_eq!(first(yearly).unwrap(), "2025-12-24T00:00/2026-01-02T00:00");
    let daily = "DTSTART:19990101T220000Z\r\nDURATION:PT4H\r\nRRULE:FREQ=DAILY;INTERVAL=3";
    // 9,831 days later, a multiple of 3.
    assert_eq!(first(daily).unwrap(), "2025-12-01T22:00/2025-12-02T02:00");
    let over = "DTSTART:19990101T220000Z\r\nDURATION:PT4H\r\nRRULE:FREQ=DAILY;COUNT=9000";
    assert_eq!(first(over), None);
}

#[test]
fn a_repetition_keeps_its_time_on_the_wall() {
    let text =
        event("DTSTART;TZID=Europe/Berlin:20260328T220000\r\nDURATION:PT2H\r\nRRULE:FREQ=DAILY;UNTIL=20260330T200000Z");
    assert_eq!(
        frozen(&text, "UTC"),
        [
            "2026-03-28T21:00/2026-03-28T23:00",
            "2026-03-29T20:00/2026-03-29T22:00",
            "2026-03-30T20:00/2026-03-30T22:00"
        ]
    );
}

#[test]
fn days_left_out_added_moved_and_cancelled() {
    let rule = "DTSTART;VALUE=DATE:20260601\r\nRRULE:FREQ=DAILY;COUNT=3";
    let days = |text: &str| {
        frozen(text, "UTC")
            .iter()
            .map(|f| f[..10].to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        days(&event(&format!("{rule}\r\nEXDATE;VALUE=DATE:20260602"))),
        "2026-06-01 2026-06-03"
    );
    assert_eq!(
        days(&event(&format!("{rule}\r\nRDATE;VALUE=DATE:20260610,20260612"))),
        "2026-06-01 2026-06-02 2026-06-03 2026-06-10 2026-06-12"
    );
    let with = |second: &str| {
        let more =
            format!("{rule}\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;VALUE=DATE:20260602\r\n{second}");
        event(&more)
    };
    assert_eq!(
        days(&with("DTSTART;VALUE=DATE:20260609")),
        "2026-06-01 2026-06-03 2026-06-09"
    );
    assert_eq!(
        days(&with("DTSTART;VALUE=DATE:20260602\r\nSTATUS:CANCELLED")),
        "2026-06-01 2026-06-03"
    );
    assert_eq!(
        days(&with("DTSTART;VALUE=DATE:20260602\r\nTRANSP:TRANSPARENT")),
        "2026-06-01 2026-06-03"
    );
    assert_eq!(days(&event(&format!("{rule}\r\nSTATUS:CANCELLED"))), "");
}

#[test]
fn free_time_freezes_nothing_and_is_said() {
    let (calendar, diags) = parse(&event("DTSTART;VALUE=DATE:20261224\r\nTRANSP:TRANSPARENT"), "UTC");
    assert!(
        calendar
            .unwrap()
            .freezes(Timestamp::UNIX_EPOCH, Timestamp::MAX)
            .is_empty()
    );
    assert_eq!(diags.0[0].code, "PS0487");
    assert_eq!(diags.0[0].labels[0].span.line_col(), (5, 1));
    assert!(!diags.has_errors());
}

#[test]
fn a_summary_is_read_with_its_escapes_and_the_calendars_own_zone_wins() {
    let text = event("DTSTART;VALUE=DATE:20261224\r\nSUMMARY;LANGUAGE=en:Year end\\, \r\n no changes\\; really\\nnone")
        .replace("VERSION:2.0", "VERSION:2.0\r\nX-WR-TIMEZONE:America/New_York");
    let calendar = parse(&text, "Europe/Berlin").0.unwrap();
    let all = calendar.freezes(
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2027-01-01T00:00:00Z".parse().unwrap(),
    );
    assert_eq!(all[0].what, "Year end, no changes; really none");
    assert_eq!(all[0].from.to_string(), "2026-12-24T05:00:00Z");
    assert_eq!(all[0].calendar, "calendars/freeze.ics");
}

#[test]
fn an_empty_calendar_and_other_parts_are_no_mistake() {
    for text in [
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE:junk\nEND:VTODO\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19701025T030000\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nMETHOD:PUBLISH\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR",
    ] {
        assert_eq!(frozen(text, "UTC"), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_understood_is_refused_at_its_place() {
    let timed = "DTSTART:20260601T100000Z\r\nDURATION:PT1H\r\n";
    let days = "DTSTART;VALUE=DATE:20260601\r\n";
    for (lines, code, place) in [
        ("DTSTART;VALUE=DATE:20260631".to_owned(), "PS0482", (5, 20)),
        ("DTSTART:2026-06-01".to_owned(), "PS0482", (5, 9)),
        ("DTSTART;VALUE=DATE:20260601T100000".to_owned(), "PS0482", (5, 20)),
        ("DTSTART;VALUE=DATE-TIME:20260601".to_owned(), "PS0482", (5, 25)),
        (
            "DTSTART;TZID=Europe/Berlin:20260601T100000Z\r\nDURATION:PT1H".to_owned(),
            "PS0482",
            (5, 28),
        ),
        ("DTSTART:18990601T100000Z\r\nDURATION:PT1H".to_owned(), "PS0482", (5, 9)),
        (
            "DTSTART;TZID=Customized Time Zone:20260601T100000\r\nDURATION:PT1H".to_owned(),
            "PS0483",
            (5, 1),
        ),
        ("SUMMARY:x".to_owned(), "PS0485", (4, 1)),
        ("DTSTART:20260601T100000Z".to_owned(), "PS0485", (5, 1)),
        (
            "DTSTART:20260601T100000Z\r\nDTEND:20260601T100000Z".to_owned(),
            "PS0485",
            (6, 1),
        ),
        (
            "DTSTART;VALUE=DATE:20260602\r\nDTEND;VALUE=DATE:20260601".to_owned(),
            "PS0485",
            (6, 1),
        ),
        (format!("{days}DTEND:20260602T000000Z"), "PS0485", (6, 7)),
        (format!("{timed}DTEND:20260602T000000Z"), "PS0485", (6, 10)),
        (
            "DTSTART:20260601T100000Z\r\nDURATION:1 hour".to_owned(),
            "PS0482",
            (6, 10),
        ),
        (
            "DTSTART:20260601T100000Z\r\nDURATION:-PT1H".to_owned(),
            "PS0482",
            (6, 10),
        ),
        ("DTSTART:20260601T100000Z\r\nDURATION:P1M".to_owned(), "PS0482", (6, 10)),
        (format!("{days}DURATION:PT4H"), "PS0482", (6, 10)),
        (format!("{days}DTSTART;VALUE=DATE:20260602"), "PS0486", (6, 1)),
        (format!("{days}EXRULE:FREQ=DAILY"), "PS0486", (6, 8)),
        (
            format!("{days}RDATE;VALUE=PERIOD:20260601T100000Z/PT1H"),
            "PS0486",
            (6, 20),
        ),
        (format!("{days}EXDATE:20260601T000000Z"), "PS0485", (6, 8)),
        (
            format!("{days}RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260601"),
            "PS0486",
            (6, 46),
        ),
        (format!("{days}RRULE:FREQ=HOURLY"), "PS0484", (6, 7)),
        (
            format!("{days}RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1"),
            "PS0484",
            (6, 7),
        ),
        (format!("{days}RRULE:FREQ=YEARLY;BYWEEKNO=20"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=YEARLY;BYYEARDAY=100"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=DAILY;BYHOUR=9"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=WEEKLY;BYDAY=1MO"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=WEEKLY;BYMONTHDAY=1"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=MONTHLY;BYDAY=6MO"), "PS0484", (6, 7)),
        (
            format!("{days}RRULE:FREQ=DAILY;COUNT=3;UNTIL=20270101"),
            "PS0484",
            (6, 7),
        ),
        (format!("{days}RRULE:FREQ=DAILY;COUNT=0"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=DAILY;COUNT=99999999"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=DAILY;INTERVAL=0"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ=DAILY;FREQ=DAILY"), "PS0484", (6, 7)),
        (format!("{days}RRULE:COUNT=3"), "PS0484", (6, 7)),
        (format!("{days}RRULE:FREQ"), "PS0484", (6, 7)),
        (
            format!("{days}RRULE:FREQ=DAILY;UNTIL=20270101T000000Z"),
            "PS0484",
            (6, 7),
        ),
        (format!("{timed}RRULE:FREQ=DAILY;UNTIL=20270101"), "PS0484", (7, 7)),
        // The begin is no Tuesday: RFC 5545 leaves open what is meant.
        (format!("{days}RRULE:FREQ=WEEKLY;BYDAY=TU"), "PS0484", (6, 7)),
        (format!("{days}no colon"), "PS0480", (6, 1)),
        (format!("{days}SUM MARY:x"), "PS0480", (6, 1)),
        (format!("{days}SUMMARY:a\u{1}b"), "PS0480", (6, 1)),
        (format!("{days}SUMMARY;X:b"), "PS0480", (6, 1)),
    ] {
        let text = event(&lines);
        let (calendar, diags) = parse(&text, "UTC");
        let found: Vec<_> = diags.0.iter().map(|d| (d.code, d.labels[0].span.line_col())).collect();
        assert_eq!(found, [(code, place)], "{lines}");
        assert!(calendar.is_none(), "{lines}");
        assert!(diags.0.iter().all(|d| !d.help.is_empty()), "{lines}");
    }
}

#[test]
fn a_file_that_is_no_calendar_is_refused() {
    for (text, place) in [
        ("", (1, 1)),
        ("freeze: [x]\n", (1, 1)),
        ("BEGIN:VEVENT\nEND:VEVENT\n", (1, 1)),
        ("BEGIN:VCALENDAR\n", (1, 1)),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260601\nEND:VCALENDAR\n",
            (4, 5),
        ),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nX:1\n", (3, 1)),
    ] {
        let (calendar, diags) = parse(text, "UTC");
        assert!(calendar.is_none(), "{text}");
        assert_eq!(diags.0[0].code, "PS0480", "{text}");
        assert_eq!(diags.0[0].labels[0].span.line_col(), place, "{text}");
    }
    for (text, code) in [
        ("BEGIN:VCALENDAR\nMETHOD:CANCEL\nEND:VCALENDAR\n", "PS0486"),
        (
            "BEGIN:VCALENDAR\nBEGIN:VFREEBUSY\nEND:VFREEBUSY\nEND:VCALENDAR\n",
            "PS0486",
        ),
        ("BEGIN:VCALENDAR\nX-WR-TIMEZONE:Mars\nEND:VCALENDAR\n", "PS0483"),
    ] {
        let (calendar, diags) = parse(text, "UTC");
        assert!(calendar.is_none(), "{text}");
        assert_eq!(diags.0.iter().map(|d| d.code).collect::<Vec<_>>(), [code], "{text}");
    }
}

#[test]
fn size_is_bounded() {
    let one = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260601\nEND:VEVENT\n";
    let many = format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", one.repeat(2001));
    let long = format!("BEGIN:VCALENDAR\nX-A:{}\nEND:VCALENDAR\n", "x".repeat(2 << 20));
    for text in [many, long] {
        let codes: Vec<_> = parse(&text, "UTC").1.0.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["PS0481"]);
    }
    let line = format!("BEGIN:VCALENDAR\nX-A:{}\nEND:VCALENDAR\n", "x".repeat(70_000));
    assert_eq!(parse(&line, "UTC").1.0[0].code, "PS0480");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(text in "(BEGIN:VCALENDAR\n)?(BEGIN:VEVENT\n)?(DTSTART[;:A-Z=0-9TZ]{0,30}\n|RRULE:[A-Z=;,0-9-]{0,40}\n|[^\n]{0,20}\n){0,8}") {
        let (calendar, diags) = parse(&text, "Europe/Berlin");
        proptest::prop_assert!(calendar.is_some() != diags.has_errors());
        if let Some(calendar) = calendar {
            let _ = calendar.freezes("2026-01-01T00:00:00Z".parse().unwrap(), "2027-02-01T00:00:00Z".parse().unwrap());
        }
    }
}
