//! `PS066x` and `PS067x`: objectives and the window of a plan.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0660",
        title: "an objective could never be met",
        text: "No step of the chosen mode sets one of its marks.",
        wrong: r"# $ pitstop plan example.yml --mode drill
# file: example.yml
schema: 1
runbook: example
title: An example
modes: [drill, real]
objectives: { rto: { from: begin, to: end, max: 1h } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Begin, assert: 1 == 1, mark: begin }
      - { name: End, wait_for: { time: 5s }, mark: end, only_in: [real] }
",
        right: r"# $ pitstop plan example.yml --mode real
# file: example.yml
schema: 1
runbook: example
title: An example
modes: [drill, real]
objectives: { rto: { from: begin, to: end, max: 1h } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Begin, assert: 1 == 1, mark: begin }
      - { name: End, wait_for: { time: 5s }, mark: end }
",
    },
    Code {
        code: "PS0661",
        title: "a file cannot be formatted",
        text: "`fmt` writes a file only if the result holds the same values and the same comments. Here it would not, so the file was left as it is. It may be right all the same; plain block style always works.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0670",
        title: "the window begins inside a freeze",
        text: "Nothing starts in a freeze. Choose another start, or have the freeze set aside for the stored plan: `pitstop approve PLAN --override freeze --comment WHY`.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-25T01:00 --timezone Europe/Berlin
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
        code: "PS0671",
        title: "a freeze begins inside the window",
        text: "It ends the window: no host starts after its begin, hosts in flight finish.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-23T22:00 --timezone Europe/Berlin
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
        code: "PS0672",
        title: "the clocks change inside the window",
        text: "`duration` is elapsed time: the window closes an hour later or earlier on the wall than one might reckon.",
        wrong: r"# $ pitstop plan example.yml --start 2026-10-25T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --start 2026-11-01T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
];
