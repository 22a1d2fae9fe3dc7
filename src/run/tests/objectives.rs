//! How long it took from mark to mark: the arithmetic of objectives over events that are written here by hand.

use jiff::Timestamp;

use super::sample::*;
use crate::plan::*;
use crate::run::event::*;
use crate::run::objective::{ObjectiveResult, Span, marks, millis_between, objectives, waiting};
use Outcome::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

fn events(list: Vec<(i64, Event)>) -> Vec<Stamped> {
    let stamped = |(n, (s, event)): (usize, (i64, Event))| Stamped {
        seq: n as u64 + 1,
        at: at(s),
        event,
    };
    list.into_iter().enumerate().map(stamped).collect()
}

fn key(step: &str, on: &str) -> StepKey {
    StepKey {
        phase: "p".to_owned(),
        stage: Stage::Steps,
        step: step.to_owned(),
        nth: 0,
        host: Some(host(on)),
        pass: 0,
        attempt: 1,
    }
}

fn settled(key: StepKey, outcome: Outcome, marks: &[(&str, i64)]) -> Event {
    let result = StepResult {
        marks: marks.iter().map(|(name, s)| ((*name).to_owned(), at(*s))).collect(),
        ..StepResult::default()
    };
    Event::Settled {
        key,
        outcome,
        result: result.into(),
    }
}

/// From `down`, which a step's start sets, to `up`; `manual` is done by people.
fn drill(max_s: u64, less_waiting: bool) -> Plan {
    let mut steps = vec![step("begin"), step("manual"), step("end")];
    steps[0].mark_start = Some(PlannedMark {
        name: "down".to_owned(),
        at: None,
    });
    steps[1].call = Call::Manual {
        text: "Do it".to_owned(),
    };
    let mut plan = one(full("p", &["a", "b"]).steps(steps));
    plan.objectives = vec![PlannedObjective {
        name: "rto".to_owned(),
        from: "down".to_owned(),
        to: "up".to_owned(),
        max_ms: max_s * 1000,
        less_waiting,
    }];
    plan
}

fn measured(plan: &Plan, list: Vec<(i64, Event)>) -> ObjectiveResult {
    objectives(plan, &events(list)).pop().unwrap()
}

/// From the first host's start to the last one's end: 20 s.
fn marked() -> Vec<(i64, Event)> {
    vec![
        (11, settled(key("begin", "b"), Ok, &[("down", 11)])),
        (12, settled(key("begin", "a"), Ok, &[("down", 10)])),
        (25, settled(key("end", "a"), Ok, &[("up", 25)])),
        (30, settled(key("end", "b"), Ok, &[("up", 30)])),
    ]
}

#[test]
fn an_objective_is_from_the_first_beginning_to_the_last_end_and_met_to_the_millisecond() {
    let good = measured(&drill(20, false), marked());
    assert_eq!((good.actual_ms, good.met, good.why.as_str()), (Some(20_000), true, ""));
    assert_eq!((good.from_at, good.to_at), (Some(at(10)), Some(at(30))));
    let late = measured(&drill(19, false), marked());
    assert!(!late.met);
    assert_eq!(late.why, "1 s over the limit of 19 s");
}

#[test]
fn a_mark_that_is_missing_or_lies_the_wrong_way_round_is_a_missed_objective() {
    let only = |n: std::ops::Range<usize>| measured(&drill(20, false), marked().drain(n).collect());
    for (n, why) in [
        (2..4, "the mark down was never set"),
        (0..2, "the mark up was never set"),
    ] {
        let missed = only(n);
        assert_eq!((missed.met, missed.actual_ms, missed.why.as_str()), (false, None, why));
    }
    let mut turned = marked();
    turned[2..]
        .iter_mut()
        .for_each(|(_, e)| *e = settled(key("end", "a"), Ok, &[("up", 3)]));
    assert_eq!(measured(&drill(20, false), turned).why, "up lies before down");
    assert_eq!(millis_between(at(3), at(2)), None);
    assert_eq!(millis_between(at(3), at(5)), Some(2000));
    let (start, end) = (at(9), at(2));
    assert_eq!(Span { start, end }.ms(), 0);
}

#[test]
fn of_a_step_that_failed_only_its_beginning_is_a_mark_and_what_is_set_again_or_on_the_way_back_is_none() {
    let plan = drill(20, false);
    let back = StepKey {
        pass: 1,
        ..key("end", "a")
    };
    let list = events(vec![
        (1, settled(key("begin", "a"), Failed, &[("down", 1), ("up", 1)])),
        (2, settled(key("begin", "a"), Ok, &[("down", 2)])),
        (3, settled(back, Ok, &[("up", 3)])),
        (4, settled(key("end", "a"), Ok, &[("up", 4)])),
    ]);
    let set: Vec<_> = marks(&plan, &list)
        .into_iter()
        .map(|m| (m.name, m.at, m.start))
        .collect();
    assert_eq!(set, [("down".to_owned(), at(1), true), ("up".to_owned(), at(4), false)]);
}

fn spans(list: Vec<(i64, Event)>) -> Vec<(i64, i64)> {
    let second = |t: Timestamp| t.as_second() - at(0).as_second();
    let all = waiting(&drill(20, true), &events(list));
    all.into_iter().map(|s| (second(s.start), second(s.end))).collect()
}

fn opened(gate: &str) -> Event {
    Event::GateOpened {
        gate: gate.to_owned(),
        title: "Go on?".to_owned(),
        expires: at(1000),
        out: Vec::new(),
    }
}

fn passed(gate: &str) -> Event {
    Event::GatePassed { gate: gate.to_owned() }
}

fn ended(verdict: Verdict) -> Event {
    Event::Ended {
        verdict,
        exit: 0,
        left_behind: Vec::new(),
    }
}

fn resumed() -> Event {
    Event::Resumed {
        operator: "olga".to_owned(),
        controller: "c".to_owned(),
        back: false,
        overrides: Vec::new(),
        attended: false,
    }
}

fn intended(key: StepKey) -> Event {
    Event::Intended {
        key,
        on: host("a"),
        call: String::new(),
        changes: true,
        latched: false,
        boot: String::new(),
        limit_ms: 1,
    }
}

#[test]
fn open_gates_manual_steps_and_a_run_that_stands_are_waiting_and_what_overlaps_counts_once() {
    let closed = Event::GateClosed {
        gate: "h".to_owned(),
        why: GateEnd::Rejected,
    };
    assert_eq!(spans(vec![(1, opened("g")), (5, passed("g"))]), [(1, 5)]);
    let two = vec![(1, opened("g")), (3, opened("h")), (5, passed("g")), (8, closed)];
    assert_eq!(spans(two), [(1, 8)], "they overlap");
    let apart = vec![(1, opened("g")), (2, passed("g")), (4, opened("h")), (6, passed("h"))];
    assert_eq!(spans(apart), [(1, 2), (4, 6)]);
    assert_eq!(
        spans(vec![(1, opened("g")), (9, passed("x"))]),
        [(1, 9)],
        "open to the last event"
    );
    assert_eq!(
        spans(vec![(1, opened("g")), (1, passed("g"))]),
        [],
        "a moment is no wait"
    );
    let manual = |step: &str| {
        let done = settled(key(step, "a"), Ok, &[]);
        vec![
            (2, intended(key(step, "a"))),
            (7, done),
            (9, settled(key("end", "a"), Ok, &[])),
        ]
    };
    assert_eq!(spans(manual("manual")), [(2, 7)]);
    assert_eq!(spans(manual("begin")), []);
    for (verdict, wanted) in [
        (Verdict::Waiting, vec![(3, 9)]),
        (Verdict::Stopped, vec![(3, 9)]),
        (Verdict::Stuck, vec![(3, 9)]),
        (Verdict::Done, vec![]),
    ] {
        assert_eq!(spans(vec![(3, ended(verdict)), (9, resumed())]), wanted, "{verdict:?}");
    }
}

#[test]
fn time_that_people_took_is_told_and_taken_off_where_the_objective_says_so() {
    let with_gate = || {
        let mut list = marked();
        // Half of it lies before the span that is measured.
        list.splice(0..0, [(5, opened("g"))]);
        list.insert(3, (15, passed("g")));
        list
    };
    let less = measured(&drill(15, true), with_gate());
    assert_eq!((less.waited_ms, less.actual_ms, less.met), (5000, Some(15_000), true));
    let all = measured(&drill(15, false), with_gate());
    assert_eq!((all.waited_ms, all.actual_ms, all.met), (5000, Some(20_000), false));
}

#[test]
fn a_span_is_cut_at_the_marks_that_lie_in_it_and_waiting_stands_apart_in_each_part() {
    let mut plan = drill(60, false);
    let PlanItem::Phase(phase) = &mut plan.items[0] else {
        panic!("one phase")
    };
    // Says when the data was written, not how far the work had come.
    phase.stages.steps[2].mark = Some(PlannedMark {
        name: "newest".to_owned(),
        at: Some("{{ value }}".to_owned()),
    });
    let opened = Event::GateOpened {
        gate: "g".to_owned(),
        title: "Go on?".to_owned(),
        expires: at(900),
        out: Vec::new(),
    };
    let told = vec![
        (11, settled(key("begin", "a"), Ok, &[("down", 10)])),
        (
            14,
            settled(key("begin", "b"), Ok, &[("located", 14), ("before", 5), ("after", 50)]),
        ),
        (16, opened),
        (21, Event::GatePassed { gate: "g".to_owned() }),
        (26, settled(key("manual", "a"), Ok, &[("copied", 26)])),
        (30, settled(key("end", "a"), Ok, &[("newest", 20), ("up", 30)])),
    ];
    let o = measured(&plan, told.clone());
    let parts: Vec<(&str, &str, u64, u64)> = o
        .parts
        .iter()
        .map(|p| (p.from.as_str(), p.to.as_str(), p.worked_ms(), p.waited_ms))
        .collect();
    assert_eq!(
        parts,
        [
            ("down", "located", 4_000, 0),
            ("located", "copied", 7_000, 5_000),
            ("copied", "up", 4_000, 0),
        ]
    );
    let whole: u64 = o.parts.iter().map(|p| p.ms).sum();
    assert_eq!(Some(whole), o.actual_ms);
    let set = marks(&plan, &events(told));
    let of = |name: &str| set.iter().find(|m| m.name == name).map(|m| (m.by.as_str(), m.read));
    assert_eq!(of("newest"), Some(("p/end", true)));
    assert_eq!(of("down"), Some(("p/begin", false)));
    assert!(measured(&drill(20, false), marked()).parts.is_empty());
}
