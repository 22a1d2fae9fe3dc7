//! `PS0480`-`PS0499`: freeze calendars.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0480",
        title: "this is no iCalendar file, or no line of one",
        text: "Freeze calendars are iCalendar files (RFC 5545), as Outlook, Google and others export them. A line that is not understood could be a freeze, so it is not passed over.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0481",
        title: "the calendar is too large",
        text: "A calendar may have 2 MiB and 2000 events. Keep freezes in a calendar of their own.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0482",
        title: "a date, time or length of a calendar cannot be read",
        text: "Dates are `20261224`, times `20261224T180000Z` or, in a zone, `20261224T180000`, lengths `PT4H` or `P1D`.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:24.12.2026
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0483",
        title: "a calendar names an unknown time zone",
        text: "Zones are known by their IANA names and by those that Outlook writes; rules of `VTIMEZONE` are not read. A guessed zone would move the freeze.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;TZID=Office:20261224T180000
DTEND;TZID=Europe/Berlin:20261227T060000
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;TZID=Europe/Berlin:20261224T180000
DTEND;TZID=Europe/Berlin:20261227T060000
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0484",
        title: "a repetition of a calendar cannot be kept",
        text: "Kept are FREQ=DAILY, WEEKLY, MONTHLY and YEARLY with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH and WKST, and DTSTART must be one of the days that the rule gives. A freeze that is repeated wrongly is worse than none.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
RRULE:FREQ=HOURLY;COUNT=5
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
RRULE:FREQ=YEARLY;COUNT=5
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0485",
        title: "an event of a calendar has no time, or ends before it begins",
        text: "It needs DTSTART, and DTEND or DURATION unless it is a day; begin, end and left-out times are all days or all times.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261223
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0486",
        title: "a part of a calendar is not read",
        text: "Only events freeze. PERIOD, EXRULE, RANGE and messages about other calendars are refused, for passing them over could open a freeze.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
EXRULE:FREQ=YEARLY
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0487",
        title: "an event of a freeze calendar is marked as free time",
        text: "`TRANSP:TRANSPARENT` means that the event takes no time, so it freezes nothing. Google and Outlook mark all-day events so unless told otherwise.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
TRANSP:TRANSPARENT
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
",
    },
    Code {
        code: "PS0488",
        title: "a freeze calendar cannot be read",
        text: "Without it no freeze would be known. Calendars are files of the project, named under `freeze` of policy.yml or `not_during` of a runbook's window.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freezes.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h, not_during: [freeze.ics] }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: freeze.ics
BEGIN:VCALENDAR
VERSION:2.0
PRODID:example
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
END:VEVENT
END:VCALENDAR
",
    },
];
