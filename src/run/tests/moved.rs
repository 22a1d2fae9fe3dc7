//! The wall clock is set in the middle: a run goes the same way at the same pace, and its report is the same.

use jiff::{SignedDuration, Timestamp};

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::*;
use crate::run::event::*;
use crate::run::moved::on_one_clock;
use crate::run::objective::marks;
use Outcome::*;

const BY: [i64; 3] = [-3600, -5, 86_400];

/// Something of every wait: a retry, a soak, a person who is silent, a gate that expires.
fn waits() -> (Plan, Script) {
    let mut second = full("q", &["c"]).steps(vec![step("d").undo(1)]);
    second.on_failure = OnFailure::Hold;
    let items = vec![
        full("p", &["a", "b"])
            .steps(vec![step("a").undo(1).retry(3, 60_000, 200)])
            .batches(&[1])
            .soak(90_000)
            .item(),
        second.item(),
        gate("g", Otherwise::Hold).item(),
    ];
    let script = Script::new()
        .on("steps a a 1", Failed)
        .on("steps a a 2", Failed)
        .gate("g", Word::Silence);
    (plan(items), script)
}

/// The facts with their times, the clock set back to what it said before it was set by `by`.
fn facts(plan: &Plan, events: &[Stamped], by: SignedDuration) -> Vec<(Timestamp, Event)> {
    let told = on_one_clock(plan, events);
    let unmoved = told.iter().filter(|e| !matches!(e.event, Event::ClockMoved { .. }));
    let mut facts: Vec<_> = unmoved.map(|e| (e.at - by, e.event.clone())).collect();
    for (_, event) in &mut facts {
        if let Event::GateOpened { expires: at, .. } | Event::Asked { until: at, .. } = event {
            *at -= by;
        }
    }
    facts
}

#[test]
fn wherever_the_clock_is_set_a_run_goes_the_same_way_at_the_same_pace() {
    let go = |fault: Option<Fault>| {
        let (plan, script) = waits();
        let mut sim = Sim::new(plan, script);
        sim.faults.extend(fault);
        let end = sim.start();
        clean(&sim);
        (sim, end)
    };
    let (calm, end) = go(None);
    let wanted = facts(&calm.plan, &calm.events, SignedDuration::ZERO);
    for (by, n) in BY.into_iter().flat_map(|by| (1..wanted.len()).map(move |n| (by, n))) {
        let (sim, its_end) = go(Some(Fault::Clock(n, by)));
        assert_eq!(its_end, end, "set by {by} s at event {n}\n{}", sim.story());
        let facts = facts(&sim.plan, &sim.events, SignedDuration::from_secs(by));
        let other = facts.iter().zip(&wanted).find(|(a, b)| a != b);
        assert_eq!(other, None, "set by {by} s at event {n}\n{}", sim.story());
        assert_eq!(facts.len(), wanted.len(), "set by {by} s at event {n}");
    }
}

#[test]
fn a_clock_that_went_back_while_no_process_watched_makes_a_resumed_run_wait_no_longer() {
    let (plan, script) = waits();
    let mut sim = Sim::new(plan, script);
    let failed = |e: &Event| matches!(e, Event::Settled { outcome: Failed, .. });
    sim.faults
        .push(Fault::Crash(place(&run(waits().0, waits().1).0, failed) + 1));
    assert_eq!(sim.start(), End::Crashed);
    sim.now -= SignedDuration::from_hours(5);
    let resumed = sim.now;
    sim.resume(false);
    let again = |e: &Event| matches!(e, Event::Intended { key, .. } if key.step == "a" && key.attempt == 2);
    let waited = sim.events[place(&sim, again)].at.duration_since(resumed);
    assert!((0..120).contains(&waited.as_secs()), "{waited}\n{}", sim.story());
}

#[test]
fn until_when_a_person_is_asked_moves_with_the_clock() {
    let (sim, _) = run(one(full("p", &["h"])), Script::new());
    let mut events = sim.events.clone();
    let until = events.last().unwrap().at + SignedDuration::from_mins(30);
    let asked = Event::Asked {
        phase: "p".to_owned(),
        host: host("h"),
        slot: Slot {
            stage: Stage::Steps,
            step: "a".to_owned(),
            nth: 0,
            pass: 0,
        },
        until,
    };
    for event in [asked, Event::ClockMoved { by_ms: 3_600_000 }] {
        let last = events.last().unwrap();
        let at = match event {
            Event::ClockMoved { .. } => last.at + SignedDuration::from_hours(1),
            _ => last.at,
        };
        let seq = last.seq + 1;
        events.push(Stamped { seq, at, event });
    }
    let told = on_one_clock(&sim.plan, &events);
    let moved = told.iter().find_map(|e| match &e.event {
        Event::Asked { until, .. } => Some(*until),
        _ => None,
    });
    assert_eq!(moved, Some(until + SignedDuration::from_hours(1)));
}

/// The age of a backup is what the backup says, whatever is done to our clock; when a step ended is what our clock said.
#[test]
fn of_marks_only_those_that_our_clock_set_move_with_it() {
    let mark = |name: &str, at: Option<&str>| {
        Some(PlannedMark {
            name: name.to_owned(),
            at: at.map(str::to_owned),
        })
    };
    let mut ours = read("ours");
    (ours.mark, ours.mark_start) = (mark("ended", None), mark("data", Some("stdout")));
    let plan = one(full("p", &["h"]).steps(vec![ours]));
    let (sim, _) = run(plan, Script::new());
    let mut events = sim.events.clone();
    let at = place(&sim, |e| matches!(e, Event::Settled { key, .. } if key.step == "ours"));
    let moment = events[at].at;
    if let Event::Settled { result, .. } = &mut events[at].event {
        std::sync::Arc::make_mut(result).marks = ["ended", "data"].map(|name| (name.to_owned(), moment)).into();
    }
    let hour = SignedDuration::from_hours(1);
    events.push(Stamped {
        seq: events.len() as u64 + 1,
        at: events.last().unwrap().at + hour,
        event: Event::ClockMoved { by_ms: 3_600_000 },
    });
    let told = on_one_clock(&sim.plan, &events);
    let set: Vec<_> = marks(&sim.plan, &told).into_iter().map(|m| (m.name, m.at)).collect();
    assert_eq!(set, [("data".to_owned(), moment), ("ended".to_owned(), moment + hour)]);
}
