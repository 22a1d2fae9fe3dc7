//! Windows, schedules and freezes.

use super::*;

#[test]
fn a_limit_that_is_exceeded_is_shown_where_it_is_asked_for() {
    let c = case(one_phase(
        "window: { duration: 4h }",
        "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true', timeout: 2h }]\n",
    ));
    for (limit, place) in [
        ("window: 3h", "4h"),
        ("parallel: 2", "p"),
        ("batch: 2", "p"),
        ("timeout: 1h", "run"),
    ] {
        let (_, diags) = c.clone().policy(&format!("limits: {{ {limit} }}\n")).bind();
        assert_eq!(diags.0[0].labels[0].span.text().trim_matches('\''), place, "{limit}");
        let (what, most) = limit.split_once(": ").unwrap();
        let said = format!("the policy allows `{what}` at most {most}, the plan asks for ");
        assert!(diags.0[0].message.starts_with(&said), "{}", diags.0[0].message);
    }
    let borne = |percent: u32| {
        case(one_phase(
            &format!("rollouts: {{ r: {{ batches: [1], max_fail: '{percent}%' }} }}"),
            "    rollout: r\n    on_failure: rollback_host\n    steps: [{ id: s, name: S, run: 'true', undo: { none: x } }]\n",
        ))
    };
    let (_, diags) = borne(50).policy("limits: { max_fail: 0 }\n").bind();
    assert_eq!(diags.0[0].labels[0].span.text(), "p");
    assert!(
        diags.0[0].message.ends_with("asks for 1"),
        "half of three, rounded down"
    );
    assert_eq!(
        borne(67).policy("limits: { max_fail: 1 }\n").codes(),
        ["PS0646"],
        "two of three"
    );
    assert_eq!(borne(67).policy("limits: { max_fail: 2 }\n").codes(), [""; 0]);
}

#[test]
fn a_phase_whose_rounds_do_not_fit_into_the_window_is_warned_of() {
    let codes = |window: &str, batches: &str, timeout: &str| {
        let top = format!("window: {{ {window} }}\nrollouts: {{ r: {{ batches: [{batches}] }} }}");
        let phase = format!(
            "    rollout: r\n    on_failure: hold\n    steps: [{{ id: s, name: S, run: 'true', timeout: {timeout} }}]\n"
        );
        case(one_phase(&top, &phase)).codes()
    };
    assert_eq!(codes("duration: 3h", "1", "1h"), [""; 0], "three rounds, to the minute");
    assert_eq!(codes("duration: 3h", "1", "61m"), ["PS0751"]);
    assert_eq!(codes("duration: 3h", "3", "3h"), [""; 0], "one round, to the minute");
    assert_eq!(codes("duration: 3h", "1", "3h"), ["PS0751"], "one host fills it");
    assert_eq!(
        codes("duration: 3h", "1", "181m"),
        [""; 0],
        "one host alone is told of by `check`"
    );
    assert_eq!(
        codes("duration: 3h, cutoff: 1h", "1", "1h"),
        [""; 0],
        "the last starts at the cut-off"
    );
    assert_eq!(codes("duration: 3h, cutoff: 61m", "1", "1h"), ["PS0751"]);
}

const CALENDAR: &str = "BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261206
DTEND;VALUE=DATE:20261208
SUMMARY:Stocktaking
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20270107
RRULE:FREQ=YEARLY
SUMMARY:Year end
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270301
SUMMARY:Audit
END:VEVENT
END:VCALENDAR
";

fn frozen(plan: &Plan) -> Vec<String> {
    let found = plan.freeze.iter().flat_map(|f| &f.found);
    found.map(|f| format!("{} {}", f.from, f.what)).collect()
}

#[test]
fn freezes_around_the_window_stand_in_the_plan() {
    let top = "window: { duration: 4h, timezone: Europe/Berlin, not_during: [own.ics] }";
    let c = case(one_phase(top, HOLD)).file("own.ics", CALENDAR);
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert_eq!(
        frozen(&at("2026-12-04T22:00").plan()),
        ["2026-12-05T23:00:00Z Stocktaking"],
        "the next one after it"
    );
    assert_eq!(
        frozen(&at("2026-12-05T22:00").plan()),
        ["2026-12-05T23:00:00Z Stocktaking", "2026-12-23T23:00:00Z Year end"]
    );
    assert_eq!(at("2026-12-05T22:00").codes(), ["PS0671"]);
    assert_eq!(at("2026-12-06T22:00").codes(), ["PS0670"]);
    assert_eq!(at("2026-12-04T22:00").codes(), [""; 0]);
    assert_eq!(frozen(&c.plan()), [""; 0], "without a start only the run can know");
    assert_eq!(c.plan().freeze.unwrap().calendars.len(), 1);
    let other = c.clone().file("own.ics", &CALENDAR.replace("20270301", "20270302"));
    assert_ne!(c.digest(), other.digest(), "the calendar's bytes are in the digest");
    assert_eq!(case(one_phase(top, HOLD)).codes(), ["PS0488"]);
    assert_eq!(c.clone().file("own.ics", "x").codes(), ["PS0480"]);
}

#[test]
fn the_policys_calendars_freeze_what_changes() {
    let reading = "    steps: [{ id: s, name: S, assert: '1 == 1' }]\n";
    for (phase, calendars) in [(HOLD, 1), (reading, 0)] {
        let c = case(one_phase("", phase))
            .policy("freeze: [all.ics]\n")
            .file("all.ics", CALENDAR);
        let found = c.plan().freeze.map_or(0, |f| f.calendars.len());
        assert_eq!(found, calendars, "{phase}");
    }
}

#[test]
fn a_start_must_be_one_of_the_schedules() {
    let top = "window: { duration: 4h, timezone: Europe/Berlin, schedule: { nth: 2, weekday: tuesday, plus_days: 4, at: '22:00' } }";
    let c = case(one_phase(top, HOLD));
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert!(at("2026-12-12T22:00").codes().is_empty());
    let (plan, diags) = at("2026-12-12T23:00").bind();
    assert!(plan.is_none());
    assert_eq!(diags.0[0].code, "PS0563");
    assert!(
        diags.0[0].help[0].starts_with("the next one begins 2027-01-16 22:00 CET (Europe/Berlin)"),
        "{:?}",
        diags.0[0].help
    );
    assert_eq!(diags.0[0].labels.len(), 2, "the schedule is shown too");
}

#[test]
fn a_change_of_the_clocks_inside_the_window_is_warned_of() {
    let c = case(one_phase("window: { duration: 4h, timezone: Europe/Berlin }", HOLD));
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert_eq!(at("2026-10-24T23:30").codes(), ["PS0672"]);
    assert_eq!(at("2026-10-25T23:00").codes(), [""; 0]);
}

#[test]
fn the_window_is_in_absolute_times() {
    let c = case(one_phase(
        "window: { duration: 4h, cutoff: 45m, timezone: Europe/Berlin }",
        HOLD,
    ));
    let w = c
        .clone()
        .change("window: { start: '2026-12-06T01:00:00' }")
        .plan()
        .window
        .unwrap();
    assert_eq!(w.start.unwrap().to_string(), "2026-12-06T00:00:00Z");
    assert_eq!(
        (w.duration_ms, w.cutoff_ms, w.reserve_ms),
        (14_400_000, 2_700_000, None)
    );
    assert_eq!(c.plan().window.unwrap().start, None);
    let utc = c
        .clone()
        .change("window: { start: '2026-12-06T01:00:00', timezone: UTC }")
        .plan();
    assert_eq!(utc.window.unwrap().start.unwrap().to_string(), "2026-12-06T01:00:00Z");
    assert_eq!(
        c.clone().change("window: { start: '2027-03-28T02:30:00' }").codes(),
        ["PS0630"]
    );
    assert_eq!(c.clone().change("window: { start: soon }").codes(), ["PS0630"]);
    assert_eq!(
        c.clone().change("window: { timezone: Europe/Berln }").codes(),
        ["PS0630"]
    );
    assert_eq!(
        case(one_phase("", HOLD))
            .change("window: { start: '2026-12-06T01:00:00' }")
            .codes(),
        ["PS0630"]
    );
}

/// The limits that are promised: those written, of steps that every host does, once each.
#[test]
fn only_written_limits_of_sure_steps_tell_that_the_window_is_short() {
    let codes = |steps: &str| {
        let phase = format!("    rollout: r\n    on_failure: hold\n    steps: [{steps}]\n");
        case(one_phase(
            "window: { duration: 1h }\nrollouts: { r: { batches: [1] } }",
            &phase,
        ))
        .codes()
    };
    let long = "name: S, run: 'true', timeout: 25m";
    assert_eq!(
        codes(&format!("{{ {long} }}")),
        ["PS0751"],
        "three hosts, one after the other"
    );
    assert_eq!(codes(&format!("{{ {long}, when: \"host.os == 'linux'\" }}")), [""; 0]);
    assert_eq!(
        codes(&format!("{{ {long}, once: true, read_only: true, delegate_to: lb1 }}")),
        [""; 0]
    );
    assert_eq!(
        codes("{ name: S, run: 'true' }, { name: T, run: 'true', timeout: 11m }"),
        [""; 0],
        "a default is no promise"
    );
    let list = |list: &str| {
        let phase = format!(
            "    rollout: r\n    on_failure: hold\n    precheck: [{{ id: a, name: A, run: 'true', as: lines, register: l }}]\n    steps: [{{ {}, for_each: {list} }}]\n",
            long.replace("'true'", "'echo {{ item | sh }}'")
        );
        case(one_phase(
            "window: { duration: 1h }\nrollouts: { r: { batches: [1] } }",
            &phase,
        ))
        .codes()
    };
    assert_eq!(list("[a]"), ["PS0751"]);
    assert_eq!(list("'{{ l.value }}'"), [""; 0]);
}

#[test]
fn what_a_freeze_leaves_of_the_window_is_told_in_time() {
    let top = "window: { duration: 4h, timezone: Europe/Berlin, not_during: [own.ics] }";
    let c = case(one_phase(top, HOLD)).file("own.ics", CALENDAR);
    let help = |start: &str| {
        let (_, diags) = c.clone().change(&format!("window: {{ start: '{start}' }}")).bind();
        diags.0.first().map(|d| (d.code, d.help[0].clone()))
    };
    assert_eq!(
        help("2026-12-05T22:30"),
        Some(("PS0671", "1 h 30 min of it are left".to_owned()))
    );
    assert_eq!(help("2026-12-05T20:00"), None, "it begins when the window closes");
    assert_eq!(help("2026-12-05T20:01").unwrap().1, "3 h 59 min of it are left");
    assert_eq!(
        help("2026-12-06T00:00").unwrap().0,
        "PS0670",
        "it begins when the window opens"
    );
}
