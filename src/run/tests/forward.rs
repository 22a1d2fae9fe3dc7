//! Semantics: Order, Results, the line of a host on its way forward, Failing.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::estimate::{batch_size, count};
use crate::plan::*;
use crate::run::event::*;
use Outcome::*;

// --- Order ---

#[test]
fn a_host_goes_through_drain_steps_verify_undrain_and_is_closed() {
    let (sim, end) = run(one(full("p", &["h"])), Script::new());
    assert_eq!(end, DONE);
    assert_eq!(sim.of("h"), "pre drain a b verify undrain clean");
    assert_eq!(sim.state("p", "h"), HostState::Ok);
    assert!(sim.run.phases["p"].lines[&host("h")].closed);
    assert!(sim.owed().is_empty());
}

#[test]
fn phases_and_gates_are_taken_in_file_order_whatever_their_names() {
    let items = vec![
        full("z", &["h"]).item(),
        gate("g", Otherwise::Hold).item(),
        full("a", &["h"]).item(),
    ];
    let (sim, end) = run(plan(items), Script::new());
    assert_eq!(end, DONE);
    let began = |id: &str| place(&sim, |e| matches!(e, Event::PhaseBegan { phase } if phase == id));
    let ended = |id: &str| place(&sim, |e| matches!(e, Event::PhaseEnded { phase } if phase == id));
    let gate = place(&sim, |e| matches!(e, Event::GateOpened { .. }));
    assert!(ended("z") < gate && gate < began("a"));
}

#[test]
fn prechecks_run_on_all_hosts_before_the_first_batch_parallel_at_a_time() {
    let (sim, _) = run(
        one(full("p", &["a", "b", "c"]).batches(&[1]).parallel(1)),
        Script::new(),
    );
    let sent = sim.sent();
    assert_eq!(sent[..3], ["precheck/pre/a/0", "precheck/pre/b/0", "precheck/pre/c/0"]);
    assert_eq!(sent[3], "drain/drain/a/0");
}

#[test]
fn a_host_that_fails_its_precheck_is_refused_and_untouched() {
    let p = full("p", &["a", "b"]).max_fail(1);
    let (sim, end) = run(one(p), Script::new().on("pre a", Failed));
    assert_eq!(sim.of("a"), "pre");
    assert_eq!(sim.state("p", "a"), HostState::Refused);
    assert_eq!(sim.state("p", "b"), HostState::Ok);
    assert_eq!(end, STUCK, "some hosts changed and others not");
}

#[test]
fn a_host_that_cannot_be_reached_is_refused() {
    let script = Script {
        unreached: vec!["a".to_owned()],
        ..Script::new()
    };
    let (sim, end) = run(one(full("p", &["a"])), script);
    assert_eq!((sim.state("p", "a"), end), (HostState::Refused, FAILED));
    assert_eq!(sim.of("a"), "");
}

#[test]
fn a_phase_condition_that_is_false_makes_the_host_not_needed_and_good() {
    let mut p = full("p", &["a", "b"]);
    p.when = Some("results.pre.x".to_owned());
    let script = Script {
        not_needed: vec!["a".to_owned()],
        ..Script::new()
    };
    let (sim, end) = run(one(p), script);
    assert_eq!(sim.of("a"), "pre");
    assert_eq!((sim.state("p", "a"), end), (HostState::NotNeeded, DONE));
}

#[test]
fn batches_grow_and_the_last_size_repeats() {
    let p = full("p", &["a", "b", "c", "d", "e", "f"]).batches(&[1, 2]);
    let (sim, _) = run(one(p), Script::new());
    assert_eq!(batches(&sim), [vec!["a"], vec!["b", "c"], vec!["d", "e"], vec!["f"]]);
}

#[test]
fn percents_are_of_the_planned_hosts_rounded_down_at_least_one() {
    assert_eq!(batch_size(&[Size::Percent(50)], 0, 5), 2);
    assert_eq!(batch_size(&[Size::Percent(10)], 0, 5), 1);
    assert_eq!(batch_size(&[Size::Percent(0)], 3, 5), 1);
    assert_eq!(batch_size(&[Size::Count(0)], 0, 5), 1);
    assert_eq!(batch_size(&[], 0, 5), 5);
    assert_eq!(count(Size::Percent(50), 5), 2);
    assert_eq!(count(Size::Percent(19), 5), 0);
    assert_eq!(count(Size::Percent(100), 5), 5);
    assert_eq!(count(Size::Count(3), 5), 3);
}

#[test]
fn batches_are_cut_from_the_hosts_that_passed_the_precheck() {
    let p = full("p", &["a", "b", "c"]).batches(&[1, 2]).max_fail(1);
    let (sim, _) = run(one(p), Script::new().on("pre a", Failed));
    assert_eq!(batches(&sim), [vec!["b"], vec!["c"]]);
}

#[test]
fn a_batch_never_mixes_values_of_the_label_that_keeps_apart() {
    let mut p = full("p", &["a", "b", "c", "d"]).batches(&[2]);
    p.rollout.apart = Some("zone".to_owned());
    let mut plan = one(p);
    for (name, zone) in [("a", "1"), ("b", "2"), ("c", "1"), ("d", "2")] {
        plan.hosts.push(inventory_host(name, ("zone", zone)));
    }
    let (sim, _) = run(plan, Script::new());
    assert_eq!(batches(&sim), [vec!["a", "c"], vec!["b", "d"]]);
}

#[test]
fn last_hosts_go_after_all_others_one_at_a_time() {
    let mut p = full("p", &["a", "b", "c", "d"]);
    p.rollout.last = Some("results.pre.leader".to_owned());
    let script = Script {
        last: vec!["a".to_owned(), "b".to_owned()],
        ..Script::new()
    };
    let (sim, _) = run(one(p), script);
    assert_eq!(batches(&sim), [vec!["c", "d"], vec!["a"], vec!["b"]]);
}

#[test]
fn a_fresh_precheck_is_repeated_and_failing_then_refuses() {
    let mut p = full("p", &["a", "b"]).max_fail(1);
    p.stages.precheck.push(read("free").fresh());
    let (sim, _) = run(one(p), Script::new().on("free/0/a/2", Failed));
    assert_eq!(sim.of("a"), "pre free free:2");
    assert_eq!(sim.state("p", "a"), HostState::Refused);
    assert_eq!(sim.of("b"), "pre free free:2 drain a b verify undrain clean");
}

#[test]
fn a_repeated_precheck_passes_or_refuses_and_its_first_result_stays() {
    let mut p = full("p", &["a"]);
    p.stages.precheck.push(read("free").fresh());
    let warned = Fate {
        warned: true,
        ..Fate::from(Ok)
    };
    let (sim, end) = run(one(p), Script::new().on("free/0/a/2", warned));
    assert_eq!(
        (sim.of("a").as_str(), end),
        ("pre free free:2 drain a b verify undrain clean", DONE)
    );
    let kept = &sim.run.results[&("p".to_owned(), "free".to_owned())][&Some(host("a"))]
        .get(0)
        .unwrap();
    assert!(!kept.1.warned, "the value of the repeat is not kept");
}

#[test]
fn a_precheck_older_than_thirty_minutes_is_repeated_a_younger_one_is_not() {
    let slow = |ms| Fate { ms, ..Fate::from(Ok) };
    let p = || one(full("p", &["a", "b"]).batches(&[1]));
    let (sim, _) = run(p(), Script::new().on("steps a", slow(31 * 60_000)));
    assert!(sim.of("b").starts_with("pre pre:2 drain"), "{}", sim.of("b"));
    let younger = Script::new().on("steps/a/0/a", slow(10 * 60_000));
    let (sim, _) = run(p(), younger);
    assert!(sim.of("b").starts_with("pre drain"), "{}", sim.of("b"));
    // To the millisecond.
    let looked = |e: &Event| matches!(e, Event::Settled { key, .. } if key.host == Some(host("b")));
    let began = |e: &Event| matches!(e, Event::HostBegan { host: h, .. } if *h == host("b"));
    let at = |n: usize| sim.events[n].at.as_millisecond();
    let others = u64::try_from(at(place(&sim, began)) - at(place(&sim, looked))).unwrap() - 10 * 60_000;
    for (more, first) in [(0, "pre drain"), (1, "pre pre:2 drain")] {
        let held = slow(30 * 60_000 - others + more);
        let (sim, _) = run(p(), Script::new().on("steps/a/0/a", held));
        assert!(sim.of("b").starts_with(first), "{more} {}", sim.of("b"));
    }
}

#[test]
fn a_once_precheck_runs_once_and_counts_for_all() {
    let mut p = full("p", &["a", "b"]);
    p.stages.precheck = vec![read("shared").once()];
    let (sim, end) = run(one(p.clone()), Script::new());
    assert_eq!(end, DONE);
    assert_eq!(sim.sent().iter().filter(|s| s.contains("shared")).count(), 1);
    let (sim, end) = run(one(p), Script::new().on("shared", Failed));
    assert_eq!((sim.state("p", "b"), end), (HostState::Refused, FAILED));
}

#[test]
fn a_step_delegated_to_a_set_runs_on_every_host_of_it_one_after_another() {
    let p = full("p", &["h"]).steps(vec![step("lb").undo(1).at(&["x", "y"])]);
    let (sim, _) = run(one(p), Script::new());
    let nth: Vec<u32> = sim
        .events
        .iter()
        .filter_map(|e| match &e.event {
            Event::Intended { key, .. } if key.step == "lb" => Some(key.nth),
            _ => None,
        })
        .collect();
    assert_eq!(nth, [0, 1]);
}

// --- Results ---

#[test]
fn retry_repeats_failures_with_growing_delay_and_never_an_unknown() {
    let p = || one(full("p", &["h"]).steps(vec![step("a").undo(1).retry(3, 1000, 200)]));
    let (sim, end) = run(p(), Script::new().on("steps a 1", Failed).on("steps a 2", TimedOut));
    assert_eq!(end, DONE);
    let at = |n: u32| {
        place(
            &sim,
            |e| matches!(e, Event::Intended { key, .. } if key.step == "a" && key.attempt == n),
        )
    };
    let gap = |a: usize, b: usize| sim.events[b].at.as_millisecond() - sim.events[a].at.as_millisecond();
    assert_eq!(gap(at(1), at(2)), 1010);
    assert_eq!(gap(at(2), at(3)), 2010);
    let (sim, _) = run(p(), Script::new().on("steps a", Unknown));
    assert_eq!(sim.of("h"), "pre drain a");
    assert_eq!(sim.state("p", "h"), HostState::Unknown);
}

#[test]
fn a_step_that_may_fail_and_fails_counts_as_ok_with_a_warning() {
    let p = full("p", &["h"]).steps(vec![step("a").may_fail()]);
    let (sim, end) = run(one(p), Script::new().on("steps a", Failed));
    assert_eq!((sim.state("p", "h"), end), (HostState::Warned, DONE));
}

#[test]
fn a_read_only_step_is_never_unknown() {
    let (sim, _) = run(one(full("p", &["h"])), Script::new().on("verify/0/h/0", Unknown));
    assert_eq!(sim.state("p", "h"), HostState::RolledBack);
}

// --- the table, forward; one row each, under every policy ---

fn policy(what: OnFailure, rule: &str, outcome: Outcome) -> (HostState, String) {
    let p = full("p", &["h"]).on_failure(what);
    let (sim, _) = run(one(p), Script::new().on(rule, outcome));
    (sim.state("p", "h"), sim.of("h"))
}

#[test]
fn drain_that_fails_goes_back_or_holds_and_unknown_is_unknown() {
    for bad in [Failed, TimedOut] {
        let (state, sent) = policy(OnFailure::RollbackHost, "drain 0", bad);
        assert_eq!(
            (state, sent.as_str()),
            (HostState::RolledBack, "pre drain verify:1 undrain:1 clean")
        );
    }
    for hold in [OnFailure::Hold, OnFailure::Ask] {
        assert_eq!(policy(hold, "drain 0", Failed).0, HostState::Held);
    }
    let (state, sent) = policy(OnFailure::RollbackHost, "drain 0", Unknown);
    assert_eq!((state, sent.as_str()), (HostState::Unknown, "pre drain"));
}

#[test]
fn steps_that_fail_go_back_or_hold_and_unknown_is_unknown() {
    for bad in [Failed, TimedOut] {
        let (state, sent) = policy(OnFailure::RollbackHost, "steps b", bad);
        assert_eq!(state, HostState::RolledBack);
        assert_eq!(
            sent, "pre drain a b b/1 b/2 a/1 verify:1 undrain:1 clean",
            "undo is owed also by what failed"
        );
    }
    let (state, sent) = policy(OnFailure::RollbackHost, "steps b", Unreachable);
    assert_eq!(state, HostState::RolledBack);
    assert_eq!(
        sent, "pre drain a b a/1 verify:1 undrain:1 clean",
        "what was not sent owes nothing"
    );
    assert_eq!(policy(OnFailure::Hold, "steps b", Failed).0, HostState::Held);
    assert_eq!(
        policy(OnFailure::RollbackHost, "steps b", Unknown).0,
        HostState::Unknown
    );
}

#[test]
fn verify_that_fails_goes_back_or_holds() {
    let (state, sent) = policy(OnFailure::RollbackHost, "verify/0/h/0", Failed);
    assert_eq!(state, HostState::RolledBack, "{sent}");
    assert_eq!(policy(OnFailure::Hold, "verify", Failed).0, HostState::Held);
}

#[test]
fn undrain_that_fails_is_held_under_every_policy_and_unknown_is_unknown() {
    for what in [OnFailure::RollbackHost, OnFailure::Hold] {
        let (state, sent) = policy(what, "undrain 0", Failed);
        assert_eq!(
            (state, sent.as_str()),
            (HostState::Held, "pre drain a b verify undrain clean")
        );
        assert_eq!(policy(what, "undrain 0", Unknown).0, HostState::Unknown);
    }
}

#[test]
fn in_a_phase_that_changes_nothing_a_failure_is_failed() {
    let mut p = phase("p", &["a", "b"]).steps(vec![read("look")]).max_fail(2);
    p.changes = false;
    let (sim, end) = run(one(p), Script::new().on("look a", Failed));
    assert_eq!(
        (sim.state("p", "a"), sim.state("p", "b")),
        (HostState::Failed, HostState::Ok)
    );
    assert_eq!(end, FAILED);
}

#[test]
fn a_cleanup_that_fails_keeps_the_state_and_stays_in_the_ledger() {
    for bad in [Failed, Unknown] {
        let (sim, end) = run(one(full("p", &["h"])), Script::new().on("clean", bad));
        assert_eq!((sim.state("p", "h"), end), (HostState::Ok, STUCK));
        assert!(sim.owed().contains(&"cleanup:p/h/clean".to_owned()), "{:?}", sim.owed());
    }
}

#[test]
fn a_host_that_is_not_good_in_one_phase_starts_in_no_later_one() {
    let items = vec![full("p", &["a", "b"]).max_fail(1).item(), full("q", &["a", "b"]).item()];
    let (sim, _) = run(plan(items), Script::new().on("p/steps/b/0/a", Failed));
    assert_eq!(sim.state("q", "a"), HostState::NotStarted);
    assert_eq!(sim.state("q", "b"), HostState::Ok);
}

#[test]
fn a_host_on_which_a_cleanup_may_still_run_starts_in_no_later_phase() {
    let items = vec![full("p", &["a"]).item(), full("q", &["a"]).item()];
    let (sim, _) = run(plan(items), Script::new().on("p clean", Unknown));
    assert_eq!(sim.state("q", "a"), HostState::NotStarted);
}

// --- Failing ---

#[test]
fn while_no_more_than_max_fail_count_each_failed_host_goes_back_alone() {
    let p = full("p", &["a", "b", "c"]).batches(&[1]).max_fail(1);
    let (sim, end) = run(one(p), Script::new().on("steps/b/0/a", Failed));
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    assert_eq!(sim.state("p", "c"), HostState::Ok);
    assert_eq!(end, STUCK);
}

#[test]
fn when_more_count_nothing_further_starts_and_hosts_in_flight_finish() {
    let p = full("p", &["a", "b", "c"]).batches(&[2]).parallel(2);
    let items = vec![p.item(), gate("g", Otherwise::Hold).item(), full("q", &["d"]).item()];
    let (sim, end) = run(plan(items), Script::new().on("drain a", Failed));
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    assert_eq!(sim.state("p", "b"), HostState::Ok);
    assert_eq!(sim.state("p", "c"), HostState::NotStarted);
    assert_eq!(sim.state("q", "d"), HostState::NotStarted);
    assert!(sim.run.gates.is_empty());
    assert_eq!(end, STUCK);
}

#[test]
fn refused_and_unknown_hosts_count() {
    for (rule, outcome) in [("pre a", Failed), ("steps/a/0/a", Unknown)] {
        let p = full("p", &["a", "b"]).batches(&[1]);
        let (sim, _) = run(one(p), Script::new().on(rule, outcome));
        assert_eq!(sim.state("p", "b"), HostState::NotStarted, "{rule}");
        assert_eq!(halted(&sim), Some(Halt::TooManyFailed));
    }
}

#[test]
fn counting_goes_on_after_resume() {
    let p = full("p", &["a", "b"]).batches(&[1]);
    let (mut sim, _) = run(one(p), Script::new().on("steps/a/0/a", Failed));
    sim.resume(false);
    assert_eq!(sim.state("p", "b"), HostState::NotStarted);
}

#[test]
fn one_failed_host_in_the_canary_is_too_many_but_a_refused_one_is_not() {
    let p = || one(full("p", &["a", "b", "c"]).batches(&[1, 2]).max_fail(2));
    let (sim, _) = run(p(), Script::new().on("steps/a/0/a", Failed));
    assert_eq!(sim.state("p", "b"), HostState::NotStarted);
    let mut fresh = full("p", &["a", "b", "c"]).batches(&[1, 2]).max_fail(2);
    fresh.stages.precheck[0].fresh = true;
    let (sim, _) = run(one(fresh), Script::new().on("pre/0/a/2", Failed));
    assert_eq!(sim.state("p", "b"), HostState::Ok);
    let single = one(full("p", &["a", "b"]).batches(&[1]).max_fail(1));
    let (sim, _) = run(single, Script::new().on("steps/a/0/a", Failed));
    assert_eq!(sim.state("p", "b"), HostState::Ok, "a list of one has no canary");
}

#[test]
fn hold_takes_nothing_back_and_stops_at_the_first_failure() {
    for what in [OnFailure::Hold, OnFailure::Ask] {
        let mut p = full("p", &["a", "b"]).batches(&[1]).on_failure(what);
        p.stages.cleanup.clear();
        let (sim, end) = run(one(p), Script::new().on("steps/a/0/a", Failed));
        assert_eq!(sim.of("a"), "pre drain a");
        assert_eq!(sim.state("p", "b"), HostState::NotStarted);
        assert_eq!(sim.owed(), ["undo:p/a/a/1", "undrain:p/a"]);
        assert_eq!(end, STUCK);
    }
}

#[test]
fn everything_changed_and_back_is_exit_four() {
    let (_, end) = run(
        one(full("p", &["a", "b"]).batches(&[1])),
        Script::new().on("steps/a/0/a", Failed),
    );
    assert_eq!(end, ROLLED);
}

/// A dead host keeps no other waiting where nothing is changed.
#[test]
fn where_nothing_is_changed_or_prechecked_a_host_goes_on_as_soon_as_it_was_logged_into() {
    let check = || {
        let mut p = phase("p", &["a", "b", "c"]).parallel(2);
        p.changes = false;
        p.stages.verify = vec![read("v")];
        p
    };
    let (sim, end) = run(one(check()), Script::new());
    assert_eq!(end, DONE);
    let of = |wanted: &str, name: &str| {
        place(&sim, |e| match e {
            Event::Reached { host, .. } => wanted == "reached" && host.as_str() == name,
            Event::HostEnded { host, .. } => wanted == "ended" && host.as_str() == name,
            _ => false,
        })
    };
    assert!(
        of("ended", "a") < of("reached", "c"),
        "c waits for a place and for nothing else"
    );
    assert_eq!(batches(&sim), [["a", "b", "c"]]);
    // With a precheck, or where something is changed, all are known first.
    let mut prechecked = check();
    prechecked.stages.precheck = vec![read("pre")];
    for p in [prechecked, full("p", &["a", "b", "c"]).parallel(2)] {
        let (sim, _) = run(one(p), Script::new());
        let began = place(&sim, |e| matches!(e, Event::BatchBegan { .. }));
        let reached = |e: &Event| matches!(e, Event::Reached { host, .. } if host.as_str() == "c");
        assert!(place(&sim, reached) < began);
    }
}
