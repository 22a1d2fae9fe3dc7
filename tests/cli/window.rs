//! Windows, freezes and the approver's page from the outside.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};

use crate::room::Room;

const STEP: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: Note it, run: \"echo {{ host.name }} >> {{ host.vars.dir | sh }}/log\", undo: { none: \"a line stays\" } }\n";

fn hours(n: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(n)
}

/// A calendar with one freeze, so many hours from now.
fn calendar(what: &str, from: i64, to: i64) -> String {
    let moment = |n| hours(n).strftime("%Y%m%dT%H%M%SZ").to_string();
    format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:{what}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        moment(from),
        moment(to)
    )
}

/// A runbook with more keys at its top.
fn runbook(room: &Room, top: &str) {
    room.runbook("r", STEP);
    let text = std::fs::read_to_string(room.project("r.yml")).unwrap();
    room.file(
        "p/r.yml",
        &text.replace("kind: change\n", &format!("kind: change\n{top}\n")),
    );
}

#[test]
fn nothing_starts_in_a_freeze_until_somebody_signs_that_it_may() {
    let room = Room::alone(&["a"]);
    let (anna, _) = room.policy("freeze: [freeze.ics]\n");
    room.file("p/freeze.ics", &calendar("Stocktaking", -1, 2));
    runbook(&room, "");
    let run = ["run", "plan.json", "--yes", "--operator", "olga@x"];
    room.run(&["plan", "r.yml", "-o", "plan.json"])
        .code(0)
        .shows("freeze.ics");
    room.run(&run)
        .code(6)
        .says("the freeze \"Stocktaking\" (freeze.ics) lasts until")
        .says("pitstop approve PLAN --override freeze --comment WHY");
    assert!(room.effects().is_empty());
    assert!(
        !room.project(".pitstop/runs").exists()
            || std::fs::read_dir(room.project(".pitstop/runs"))
                .unwrap()
                .next()
                .is_none()
    );
    let approve = ["approve", "plan.json", "--override", "freeze", "--key", &anna];
    room.run(&approve).code(2).says("an override needs a reason");
    room.run(&[&approve[..], &["--comment", "CVE under attack"]].concat())
        .code(0)
        .says("anna@x approved");
    // Who operates may not set it aside.
    room.run(&["run", "plan.json", "--yes", "--operator", "anna@x"])
        .code(6)
        .says("Stocktaking");
    room.run(&run).code(0);
    assert_eq!(room.effects(), ["a"]);
    room.run(&["report", "last", "--format", "md"])
        .code(0)
        .shows("anna@x let it run against the freeze: CVE under attack");
    room.run(&["verify"]).code(0).shows("signature");
}

#[test]
fn calendars_are_read_again_at_the_start_and_what_changed_is_said() {
    let room = Room::alone(&["a"]);
    room.policy("");
    runbook(&room, "window: { duration: 2h, not_during: [freeze.ics] }");
    room.file("p/freeze.ics", &calendar("Later", 50, 60));
    let start = hours(0).to_string();
    room.run(&["plan", "r.yml", "--start", &start, "-o", "plan.json"])
        .code(0)
        .shows("No freeze touches the window");
    room.file("p/freeze.ics", &calendar("Emergency stop", -1, 5));
    room.run(&["run", "plan.json", "--yes"])
        .code(6)
        .says("freeze.ics is not what it was when the plan was made")
        .says("no longer frozen: Later")
        .says("frozen now: Emergency stop")
        .says("the freeze \"Emergency stop\"");
    room.file(
        "p/freeze.ics",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:x\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    room.run(&["run", "plan.json", "--yes"])
        .code(2)
        .says("PS0482")
        .says("freeze.ics:3:9");
    std::fs::remove_file(room.project("freeze.ics")).unwrap();
    room.run(&["run", "plan.json", "--yes"]).code(2).says("PS0488");
    assert!(room.effects().is_empty());
    room.file("p/freeze.ics", &calendar("Later", 51, 60));
    room.run(&["run", "plan.json", "--yes"]).code(0);
    assert_eq!(room.effects(), ["a"]);
}

#[test]
fn a_freeze_cannot_be_set_aside_where_no_calendar_is_named_or_nobody_signs() {
    let room = Room::new(&["a"]);
    runbook(&room, "window: { duration: 2h, not_during: [freeze.ics] }");
    room.file("p/freeze.ics", &calendar("Stocktaking", -1, 5));
    room.run(&["run", "r.yml", "--yes"])
        .code(6)
        .says("without policy.yml nobody's counts");
    let (anna, _) = room.policy("");
    runbook(&room, "");
    room.run(&["plan", "r.yml", "-o", "plan.json"]).code(0);
    room.run(&[
        "approve",
        "plan.json",
        "--override",
        "freeze",
        "--comment",
        "x",
        "--key",
        &anna,
    ])
    .code(2)
    .says("no freeze calendar");
}

#[test]
fn the_next_windows_of_a_schedule_are_listed_and_the_next_one_is_planned() {
    let room = Room::new(&["a"]);
    runbook(
        &room,
        "window: { duration: 4h, cutoff: 1h, timezone: Europe/Berlin, schedule: { cron: '0 22 * * *' } }",
    );
    let list = room.run(&["plan", "r.yml", "--next", "3"]).code(0).out;
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("cron `0 22 * * *`, Europe/Berlin, 4 h"), "{list}");
    assert_eq!(list.matches(", 22:00 CE").count(), 3, "{list}");
    let json: serde_json::Value = serde_json::from_str(
        &room
            .run(&["plan", "r.yml", "--next", "2", "--format", "json"])
            .code(0)
            .out,
    )
    .unwrap();
    let first: Timestamp = json[0]["opens"].as_str().unwrap().parse().unwrap();
    assert!(first >= Timestamp::now());
    // A second window may have opened meanwhile; the plan takes one that still takes hosts.
    let plan: serde_json::Value =
        serde_json::from_str(&room.run(&["plan", "r.yml", "--format", "json"]).code(0).out).unwrap();
    let start: Timestamp = plan["window"]["start"].as_str().unwrap().parse().unwrap();
    assert!(start + SignedDuration::from_hours(3) > Timestamp::now(), "{start}");
    room.run(&["plan", "r.yml", "--start", "2030-05-01T21:00"])
        .code(2)
        .says("PS0563")
        .says("the next one begins 2030-05-01 22:00 CEST (Europe/Berlin)");
    room.run(&["plan", "r.yml", "--next", "1", "--format", "md"])
        .code(0)
        .shows("| 1 | ");
    runbook(&room, "window: { duration: 4h }");
    room.run(&["plan", "r.yml", "--next", "3"])
        .code(2)
        .says("has no schedule");
}

#[test]
fn run_waits_only_when_told_to() {
    let room = Room::alone(&["a"]);
    runbook(&room, "window: { duration: 2h }");
    let soon = (Timestamp::now() + SignedDuration::from_secs(3)).to_string();
    room.run(&["plan", "r.yml", "--start", &soon, "-o", "plan.json"])
        .code(0);
    room.run(&["run", "plan.json", "--yes"]).code(6).says("--wait");
    room.run(&["run", "plan.json", "--yes", "--wait"]).code(0);
    assert!(Timestamp::now() >= soon.parse::<Timestamp>().unwrap());
    assert_eq!(room.effects(), ["a"]);
}

#[test]
fn a_freeze_that_came_while_a_run_waited_for_its_window_keeps_it_from_starting() {
    let room = Room::alone(&["a"]);
    runbook(&room, "window: { duration: 2h, not_during: [freeze.ics] }");
    room.file("p/freeze.ics", &calendar("Later", 51, 60));
    let soon = (Timestamp::now() + SignedDuration::from_secs(15)).to_string();
    room.run(&["plan", "r.yml", "--start", &soon, "-o", "plan.json"])
        .code(0);
    let mut waits = room.command(&["run", "plan.json", "--yes", "--wait"]);
    let mut child = waits.stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("for the window to open") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it never waited");
    }
    room.file("p/freeze.ics", &calendar("Stocktaking", -1, 5));
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6), "{rest}");
    assert!(rest.contains("Stocktaking"), "{rest}");
    assert!(room.effects().is_empty() && !room.project(".pitstop/runs").exists());
}

#[test]
fn the_page_is_the_same_to_the_byte_wherever_and_whenever_it_is_made() {
    let room = Room::new(&["a", "b"]);
    room.policy("freeze: [freeze.ics]\n");
    room.file(
        "p/freeze.ics",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20300101\nRRULE:FREQ=YEARLY\nSUMMARY:New year\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    runbook(&room, "window: { duration: 2h, timezone: Europe/Berlin }");
    room.file("other/.keep", "");
    for format in ["text", "md", "html", "json"] {
        let args = ["plan", "r.yml", "--start", "2030-05-01T22:00", "--format", format];
        let here = room.run(&args).code(0).out;
        let mut elsewhere = room.command(&args);
        elsewhere
            .env("HOME", room.path("other"))
            .env("TZ", "Australia/Lord_Howe")
            .env("LANG", "de_DE.UTF-8")
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("USER", "somebody");
        let there = String::from_utf8(elsewhere.output().unwrap().stdout).unwrap();
        assert_eq!(here, there, "{format}");
        assert!(here.contains("New year"), "{format}:\n{here}");
    }
}

#[test]
fn a_dry_runs_findings_stand_on_the_page_and_not_in_the_digest() {
    let room = Room::alone(&["a"]);
    room.runbook(
        "r",
        &format!("    precheck:\n      - {{ id: free, name: Space is free, run: \"echo 4711\", register: free, as: number, read_only: true }}\n{STEP}"),
    );
    let digest = |out: &str| {
        out.lines()
            .find(|l| l.starts_with("Plan digest"))
            .map(str::to_owned)
            .unwrap()
    };
    let before = digest(&room.run(&["plan", "r.yml"]).code(0).out);
    room.run(&["run", "r.yml", "--dry"]).code(0);
    let page = room
        .run(&["plan", "r.yml", "--facts", "last"])
        .code(0)
        .shows("Found by a dry run")
        .shows("4711")
        .out;
    assert!(
        page.contains("of this very plan") && page.contains("none of it is in the digest"),
        "{page}"
    );
    assert_eq!(digest(&page), before);
    room.runbook("other", STEP);
    room.run(&["plan", "other.yml", "--facts", "last"])
        .code(2)
        .says("is a run of r, not of other");
}

#[test]
fn differences_of_plans_runbooks_and_runs_are_told_in_words() {
    let room = Room::alone(&["a"]);
    room.runbook("r", STEP);
    room.run(&["plan", "r.yml", "-o", "plan.json"]).code(0);
    room.run(&["run", "plan.json", "--yes"]).code(0);
    room.run(&["plan", "--diff", "plan.json", "last"])
        .code(0)
        .shows("The plans are equal.");
    room.runbook("r", &STEP.replace("run: \"echo", "timeout: 3m, run: \"true; echo"));
    room.run(&["plan", "--diff", "last", "r.yml"])
        .code(1)
        .shows("step one/steps/s: call.command")
        .shows("+ true; echo")
        .shows("step one/steps/s: timeout")
        .shows("- 10 min")
        .shows("+ 3 min");
    room.run(&["plan", "--diff", "plan.json", "r.yml", "--format", "md"])
        .code(1)
        .shows("```diff");
    room.run(&["plan", "--diff", "plan.json", "nowhere"]).code(2);
}

#[test]
fn a_host_that_was_slow_in_a_former_run_is_not_started_where_that_no_longer_fits() {
    let room = Room::alone(&["a"]);
    let window = |length: &str| {
        runbook(
            &room,
            &format!("window: {{ timezone: UTC, duration: {length}, reserve: 10m }}"),
        )
    };
    window("1h");
    let slow = std::fs::read_to_string(room.project("r.yml")).unwrap();
    room.file("p/r.yml", &slow.replace("echo {{", "sleep 2; echo {{"));
    room.run(&["run", "r.yml", "--yes"]).code(0);
    window("10m1s");
    // The step would take no time now; what is known is what it took.
    room.run(&["run", "r.yml", "--yes"])
        .code(7)
        .says("s here and going back up to 600 s: that no longer fits the window");
    assert_eq!(room.effects(), ["a"]);
    let journal = std::fs::read_to_string(room.last_run().join("journal.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    let former = first["event"]["former_ms"]["one"].as_u64();
    assert!(former.is_some_and(|ms| ms >= 2000), "{first}");
    room.run(&["plan", "r.yml"])
        .code(0)
        .shows("Slowest host of phase")
        .shows("one/s");
}
