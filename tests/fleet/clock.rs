//! Somebody sets the clock of the control machine while a run is under way: waits are as long as they were meant to be.
//!
//! The real binary asks the C library for the wall clock. A library of a few lines is loaded before that one, and adds to what
//! the kernel says as many seconds as stand in a file.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::fleet::{Effect, Fleet, code, kill, records, words};

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *t) {
    int r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_REALTIME && getenv("CLOCK_SET_BY")) {
        char text[32] = {0};
        int f = open(getenv("CLOCK_SET_BY"), O_RDONLY | O_CLOEXEC);
        if (f >= 0) {
            if (read(f, text, sizeof text - 1) > 0) t->tv_sec += atoll(text);
            close(f);
        }
    }
    return r;
}
"#;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The first attempt fails, the second comes after a pause; a batch rests before the next; with `hold` in its home a host's step
/// waits until it is gone.
const RUNBOOK: &str = r#"schema: 1
runbook: pauses
title: Two hosts, with pauses
kind: change
WINDOWtargets:
  web: { select: "group=web" }
rollouts:
  careful: { batches: [1, 1], soak: 3s }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: careful
    on_failure: hold
    steps:
      - id: one
        name: Wait for it
        timeout: 60s
        run: |
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          while [ -e "$HOME/hold" ]; do sleep 0.02; done
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: { none: "it only notes" }
      - id: two
        name: Not at once
        retry: { attempts: 2, delay: 3s }
        run: |
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
          [ -e "$HOME/tried" ] || { touch "$HOME/tried"; exit 1; }
        undo: { none: "it only notes" }
"#;

/// A fleet whose pitstop sees the clock of this room.
struct Room {
    fleet: Fleet,
    shim: PathBuf,
}

impl Room {
    fn new(window: &str) -> Self {
        let fleet = Fleet::start(2, "0");
        fleet.file("runbooks/pauses.yml", &RUNBOOK.replace("WINDOW", window));
        fleet.file("clock.c", SHIM);
        let (source, shim) = (fleet.path("clock.c"), fleet.path("clock.so"));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).args([&shim, &source]);
        assert!(cc.status().unwrap().success());
        let room = Self { fleet, shim };
        room.set(0);
        room
    }

    /// The clock is off by so many seconds from now on.
    fn set(&self, by: i64) {
        let fresh = self.fleet.path("by.new");
        std::fs::write(&fresh, by.to_string()).unwrap();
        std::fs::rename(fresh, self.fleet.path("by")).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.fleet.pitstop(args);
        command
            .env("LD_PRELOAD", &self.shim)
            .env("CLOCK_SET_BY", self.fleet.path("by"));
        command
    }

    fn spawn(&self, args: &[&str]) -> Child {
        let file = std::fs::File::create(self.fleet.path("words")).unwrap();
        self.command(args).stdout(Stdio::null()).stderr(file).spawn().unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.fleet.path("words")).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        records(&self.fleet.journal())
    }

    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        self.fleet.until(what, || self.fleet.tells(&holds));
    }

    fn hold(&self, host: &str) {
        self.fleet.mark(host, "hold");
    }

    fn let_go(&self, host: &str) {
        std::fs::remove_file(self.fleet.hosts[host].home().join("hold")).unwrap();
    }
}

/// By how much the journal says that the clock was set, in seconds.
fn moves(events: &[Value]) -> Vec<i64> {
    let moved = events
        .iter()
        .map(|r| &r["event"])
        .filter(|e| e["type"] == "clock_moved");
    moved
        .map(|e| (e["by_ms"].as_i64().unwrap() as f64 / 1000.0).round() as i64)
        .collect()
}

/// Milliseconds between the first two events that fit, less what the clock was set by in between.
fn between(events: &[Value], from: impl Fn(&Value) -> bool, to: impl Fn(&Value) -> bool) -> i64 {
    let at = |r: &Value| {
        let at: jiff::Timestamp = r["at"].as_str().unwrap().parse().unwrap();
        at.as_millisecond()
    };
    let first = events.iter().position(|r| from(&r["event"])).expect("the first of two");
    let rest = &events[first..];
    let last = first + rest.iter().position(|r| to(&r["event"])).expect("the second of two");
    let set = events[first..=last].iter().filter_map(|r| r["event"]["by_ms"].as_i64());
    at(&events[last]) - at(&events[first]) - set.sum::<i64>()
}

fn settled(event: &Value, host: &str, outcome: &str) -> bool {
    event["type"] == "settled" && event["key"]["host"] == host && event["outcome"] == outcome
}

fn intended(event: &Value, host: &str, step: &str, attempt: u64) -> bool {
    let key = &event["key"];
    event["type"] == "intended" && key["host"] == host && key["step"] == step && key["attempt"] == attempt
}

/// The report and its record: nothing of it lasts longer than an hour or runs backwards.
fn the_report_has_no_odd_span(room: &Room) {
    let out = room.command(&["report", "last", "--format", "json"]).output().unwrap();
    assert_eq!(code(out.status), 0, "{}", words(&out));
    let record: Value = serde_json::from_slice(&out.stdout).unwrap();
    let mut pairs = 0;
    spans(&record, &mut pairs);
    assert!(pairs > 6, "{pairs} spans: is this a record?");
    for format in ["html", "md", "junit", "csv"] {
        let to = format!("report.{format}");
        let out = room
            .command(&["report", "last", "--format", format, "-o", &to])
            .output()
            .unwrap();
        assert_eq!(code(out.status), 0, "{format}: {}", words(&out));
        let text = std::fs::read_to_string(room.fleet.path(&to)).unwrap();
        assert!(!text.contains("NaN") && !text.contains("width=\"-"), "{format}");
    }
    let out = room.command(&["verify", "last"]).output().unwrap();
    assert_eq!(code(out.status), 0, "{}", words(&out));
}

fn spans(value: &Value, pairs: &mut usize) {
    let hour = i128::from(HOUR) * 1000;
    match value {
        Value::Array(list) => list.iter().for_each(|v| spans(v, pairs)),
        Value::Object(map) => {
            for (from, to) in [
                ("began", "ended"),
                ("started", "ended"),
                ("start", "end"),
                ("opened", "ended"),
            ] {
                let time = |key: &str| map.get(key)?.as_str()?.parse::<jiff::Timestamp>().ok();
                if let (Some(from), Some(to)) = (time(from), time(to)) {
                    let ms = i128::from(to.as_millisecond()) - i128::from(from.as_millisecond());
                    assert!((0..hour).contains(&ms), "{ms} ms: {value}");
                    *pairs += 1;
                }
            }
            for (key, value) in map {
                if key.ends_with("_ms") && !key.starts_with("limit") {
                    let ms = value.as_i64().unwrap_or(0);
                    assert!((0..hour as i64).contains(&ms), "{key}: {ms}");
                }
                spans(value, pairs);
            }
        }
        _ => {}
    }
}

#[test]
fn a_clock_that_is_set_while_a_run_waits_makes_no_wait_longer_or_shorter() {
    let room = Room::new("");
    room.hold("h01");
    let mut child = room.spawn(&["run", "runbooks/pauses.yml", "--yes"]);
    // In the middle of a step with a limit of a minute: a day goes by on the wall.
    room.fleet
        .until("the step runs", || !room.fleet.effects("h01").is_empty());
    room.set(DAY);
    room.let_go("h01");
    // In the pause before the second attempt: back by more than that.
    room.until("the first attempt failed", |e| settled(e, "h01", "failed"));
    room.set(-HOUR);
    // While the batch rests: forward by a day.
    room.until("the batch rests", |e| e["type"] == "soak_began");
    room.set(DAY);
    room.until("the second host is tried", |e| settled(e, "h02", "failed"));
    room.set(DAY - HOUR);
    assert_eq!(code(child.wait().unwrap()), 0, "{}", room.said());

    let events = room.events();
    assert_eq!(moves(&events), [DAY, -HOUR - DAY, DAY + HOUR, -HOUR], "{}", room.said());
    let numbers: Vec<u64> = events.iter().map(|r| r["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    for host in ["h01", "h02"] {
        let pause = between(&events, |e| settled(e, host, "failed"), |e| intended(e, host, "two", 2));
        assert!(
            (3000..60_000).contains(&pause),
            "{host}: a pause of 3 s took {pause} ms"
        );
        let keys: Vec<Effect> = room.fleet.effects(host);
        assert_eq!(keys.len(), 6, "{host}: one step once and one twice: {keys:?}");
    }
    let rest = between(&events, |e| e["type"] == "soak_began", |e| e["type"] == "batch_settled");
    assert!((3000..60_000).contains(&rest), "a rest of 3 s took {rest} ms");
    let timed_out = events.iter().filter(|r| r["event"]["outcome"] == "timed_out").count();
    assert_eq!(timed_out, 0);
    assert!(room.said().contains("was set back by 1 h"), "{}", room.said());
    the_report_has_no_odd_span(&room);
}

/// Between two processes of a run nobody sees that the clock is set.
#[test]
fn a_run_that_is_resumed_under_another_clock_is_read_and_comes_to_its_end() {
    for by in [-HOUR, DAY] {
        let room = Room::new("");
        let mut child = room.spawn(&["run", "runbooks/pauses.yml", "--yes"]);
        room.until("the first attempt failed", |e| settled(e, "h01", "failed"));
        kill(&mut child);
        room.set(by);
        let mut child = room.spawn(&["resume", "last"]);
        assert_eq!(code(child.wait().unwrap()), 0, "{by}: {}", room.said());
        for host in ["h01", "h02"] {
            assert_eq!(room.fleet.effects(host).len(), 6, "{by}: {host}");
        }
        let verified = room.command(&["verify", "last"]).output().unwrap();
        assert_eq!(code(verified.status), 0, "{by}: {}", words(&verified));
        if by < 0 {
            the_report_has_no_odd_span(&room);
        }
    }
}

#[test]
fn the_window_follows_the_clock_on_the_wall() {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let room = Room::new("window: { duration: 3h, cutoff: 10m, timezone: UTC }\n");
    room.hold("h01");
    let start = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut child = room.spawn(&["run", "runbooks/pauses.yml", "--yes", "--start", &start]);
    room.fleet
        .until("the step runs", || !room.fleet.effects("h01").is_empty());
    room.set(DAY);
    room.let_go("h01");
    assert_eq!(code(child.wait().unwrap()), 7, "{}", room.said());
    assert_eq!(room.fleet.effects("h01").len(), 6, "{}", room.said());
    assert!(room.fleet.effects("h02").is_empty(), "{}", room.said());
    assert!(room.said().contains("cut-off"), "{}", room.said());
    // The clock was wrong, and is put right: there is time again.
    room.set(0);
    let mut child = room.spawn(&["resume", "last"]);
    assert_eq!(code(child.wait().unwrap()), 0, "{}", room.said());
    assert_eq!(room.fleet.effects("h02").len(), 6, "{}", room.said());
}
