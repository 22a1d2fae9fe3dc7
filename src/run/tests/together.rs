//! Which steps go together: a table of what ends the row.

use super::sample::*;
use super::sim::*;
use crate::plan::*;
use crate::run::event::*;
use crate::run::together::behind;

/// The steps that go behind the first of these prechecks.
fn row(steps: Vec<PlannedStep>) -> Vec<String> {
    row_after(steps, &[])
}

fn row_after(steps: Vec<PlannedStep>, then: &[Event]) -> Vec<String> {
    let mut p = full("p", &["h"]);
    let first = steps[0].id.clone();
    p.stages.precheck = steps;
    let mut sim = Sim::new(one(p), Script::new());
    sim.emit(Event::PhaseBegan { phase: "p".to_owned() });
    sim.emit(Event::Reached {
        phase: "p".to_owned(),
        host: host("h"),
    });
    then.iter().for_each(|e| sim.emit(e.clone()));
    let key = StepKey {
        phase: "p".to_owned(),
        stage: Stage::Precheck,
        step: first,
        nth: 0,
        host: Some(host("h")),
        pass: 0,
        attempt: 1,
    };
    let keys = behind(&sim.plan, &sim.run, &key);
    assert!(
        keys.iter()
            .all(|k| (k.attempt, k.pass, &k.host) == (1, 0, &Some(host("h"))))
    );
    keys.into_iter().map(|k| k.step).collect()
}

fn with(mut step: PlannedStep, how: impl FnOnce(&mut PlannedStep)) -> PlannedStep {
    how(&mut step);
    step
}

#[test]
fn plain_checks_of_one_host_go_together_and_no_more_than_32() {
    assert_eq!(row(vec![read("a"), read("b"), read("c")]), ["b", "c"]);
    let many = (0..50).map(|n| read(&format!("s{n}"))).collect();
    assert_eq!(row(many).len(), 31);
    let argv = with(read("b"), |s| {
        s.call = Call::Argv {
            argv: vec!["true".to_owned()],
        }
    });
    assert_eq!(row(vec![read("a"), argv]), ["b"]);
}

#[test]
fn what_is_more_than_a_plain_check_ends_the_row_before_it() {
    let cases: Vec<(&str, PlannedStep)> = vec![
        ("changes", step("x")),
        ("late", with(read("x"), |s| s.late = true)),
        ("when", read("x").when()),
        ("each", read("x").each()),
        ("once", read("x").once()),
        ("elsewhere", read("x").at(&["h"])),
        ("stdin", with(read("x"), |s| s.stdin = Some("in".to_owned()))),
        (
            "evidence",
            with(read("x"), |s| s.evidence = vec!["/etc/motd".to_owned()]),
        ),
        ("left out", with(read("x"), |s| s.skip = Some("why".to_owned()))),
        ("user", with(read("x"), |s| s.become_user = Some("postgres".to_owned()))),
        (
            "no command",
            with(read("x"), |s| {
                s.call = Call::Assert {
                    that: "true".to_owned(),
                }
            }),
        ),
        (
            "its start is a mark",
            with(read("x"), |s| {
                s.mark_start = Some(PlannedMark {
                    name: "m".to_owned(),
                    at: None,
                })
            }),
        ),
    ];
    for (what, odd) in cases {
        assert_eq!(row(vec![read("a"), read("b"), odd.clone(), read("c")]), ["b"], "{what}");
        // And none goes behind it.
        if what != "user" && what != "late" {
            assert_eq!(row(vec![odd, read("b")]), [""; 0], "{what}");
        }
    }
    let postgres = |id: &str| with(read(id), |s| s.become_user = Some("postgres".to_owned()));
    assert_eq!(row(vec![postgres("a"), postgres("b"), read("c")]), ["b"]);
}

#[test]
fn what_is_judged_by_more_than_exit_0_ends_the_row_behind_it() {
    let cases: Vec<(&str, PlannedStep)> = vec![
        ("expect", with(read("x"), |s| s.expect = Some("true".to_owned()))),
        ("parse", with(read("x"), |s| s.parse = Some(Parse::Json))),
        ("exit codes", with(read("x"), |s| s.ok_codes = vec![0, 1])),
        ("retry", read("x").retry(3, 0, 100)),
        ("may fail", read("x").may_fail()),
        (
            "its end is a mark",
            with(read("x"), |s| {
                s.mark = Some(PlannedMark {
                    name: "m".to_owned(),
                    at: None,
                })
            }),
        ),
    ];
    for (what, odd) in cases {
        assert_eq!(row(vec![read("a"), odd.clone(), read("c")]), ["x"], "{what}");
        assert_eq!(row(vec![odd, read("c")]), [""; 0], "{what}");
    }
}

#[test]
fn after_a_decision_against_going_on_nothing_goes_behind_another() {
    let abc = || vec![read("a"), read("b"), read("c")];
    assert_eq!(row_after(abc(), &[Event::Signalled { count: 1 }]), [""; 0]);
    let back = Event::TurnedBack {
        why: "so".to_owned(),
        rehearsed: false,
    };
    assert_eq!(row_after(abc(), &[back]), [""; 0]);
    let ended = Event::HostEnded {
        phase: "p".to_owned(),
        host: host("h"),
        state: HostState::Refused,
        why: String::new(),
    };
    assert_eq!(row_after(abc(), &[ended]), [""; 0]);
}

fn check(id: &str) -> PlannedStep {
    with(read(id), |s| {
        let kind = "uptime_boot".to_owned();
        s.call = Call::BuiltIn(BuiltIn::Check(Check {
            kind,
            fields: Default::default(),
            warn: None,
            crit: None,
            for_ms: None,
            every_ms: None,
            compare_to: None,
        }));
    })
}

#[test]
fn checks_go_together_and_nothing_else_goes_behind_them() {
    let many = (0..25).map(|n| check(&format!("c{n}"))).collect();
    assert_eq!(row(many).len(), 24);
    assert_eq!(row(vec![read("a"), check("b"), check("c"), read("d")]), ["b", "c"]);
    // What is asked of one does not keep the next back: that one is done anyway.
    let asked = with(check("a"), |s| s.expect = Some("value > 1".to_owned()));
    assert_eq!(row(vec![asked, check("b")]), ["b"]);
    let again = with(check("a"), |s| s.retry.attempts = 2);
    assert_eq!(row(vec![again, check("b")]), [""; 0]);
    let holds = with(check("b"), |s| {
        if let Call::BuiltIn(BuiltIn::Check(check)) = &mut s.call {
            check.for_ms = Some(1000);
        }
    });
    assert_eq!(row(vec![check("a"), holds]), [""; 0]);
}

#[test]
fn checks_side_by_side_are_all_done_and_the_first_bad_one_counts() {
    let list = || vec![check("a"), check("b"), check("c"), read("d")];
    let told = |script: Script| {
        let mut p = full("p", &["h"]);
        p.stages.precheck = list();
        let mut sim = Sim::new(one(p), script);
        sim.start();
        (sim.of("h"), sim.state("p", "h"))
    };
    let refused = HostState::Refused;
    let bad = |step: &str, outcome| Script::new().on(&format!("{step} h"), outcome);
    assert_eq!(told(bad("a", Outcome::Failed)), ("a b c".to_owned(), refused));
    assert_eq!(told(bad("a", Outcome::TimedOut)), ("a b c".to_owned(), refused));
    assert_eq!(told(bad("c", Outcome::Failed)), ("a b c".to_owned(), refused));
    // A host that is gone is not asked for each of them anew.
    assert_eq!(told(bad("b", Outcome::Unreachable)), ("a b".to_owned(), refused));
    // Behind what is no check nothing is done, as ever.
    assert_eq!(told(bad("d", Outcome::Failed)), ("a b c d".to_owned(), refused));
}
