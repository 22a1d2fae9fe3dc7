//! `for_each`: items are written down once, each has its own places, its own retries and its own undo.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::*;
use crate::run::event::*;
use Outcome::*;

/// What was begun, `STEP#NTH`, with the attempt where it is not the first.
fn places(sim: &Sim<Script>) -> String {
    let key = |e: &Stamped| match &e.event {
        Event::Intended { key, .. } if key.attempt == 1 => Some(format!("{}#{}", key.step, key.nth)),
        Event::Intended { key, .. } => Some(format!("{}#{}:{}", key.step, key.nth, key.attempt)),
        _ => None,
    };
    let list: Vec<String> = sim.events.iter().filter_map(key).collect();
    list.join(" ")
}

fn lists(sim: &Sim<Script>) -> usize {
    let list = |e: &&Stamped| matches!(e.event, Event::Listed { .. });
    sim.events.iter().filter(list).count()
}

fn only(step: PlannedStep) -> PlannedPhase {
    phase("p", &["h"]).steps(vec![step])
}

#[test]
fn the_items_are_written_down_before_the_first_runs_and_each_has_its_own_place() {
    let (sim, end) = run(one(only(step("a").undo(1).each())), Script::new());
    assert_eq!((places(&sim).as_str(), end), ("a#0 a#1 a#2", DONE));
    let listed = place(&sim, |e| matches!(e, Event::Listed { .. }));
    let first = place(&sim, |e| matches!(e, Event::Intended { .. }));
    assert!(listed < first, "{}", sim.story());
}

#[test]
fn an_item_that_fails_ends_the_list_and_the_items_that_began_go_back_newest_first() {
    let p = only(step("a").undo(2).each());
    let (sim, end) = run(one(p), Script::new().on("steps/a/1/h", Failed));
    assert_eq!(places(&sim), "a#0 a#1 a/1#1 a/2#1 a/1#0 a/2#0");
    assert_eq!((sim.state("p", "h"), end), (HostState::RolledBack, ROLLED));
}

#[test]
fn a_later_failure_takes_back_every_item_of_the_list_in_reverse_of_starting() {
    let mut p = phase("p", &["h"]).steps(vec![step("b").undo(1), step("a").undo(1).each()]);
    p.stages.verify = vec![read("verify")];
    let (sim, _) = run(one(p), Script::new().on("verify/0/h/0", Failed));
    assert_eq!(
        places(&sim),
        "b#0 a#0 a#1 a#2 verify#0 a/1#2 a/1#1 a/1#0 b/1#0 verify#0"
    );
}

#[test]
fn every_item_has_its_own_attempts() {
    let p = only(step("a").undo(1).each().retry(2, 1000, 100));
    let script = Script::new()
        .on("steps/a/0/h/0/1", Failed)
        .on("steps/a/2/h/0/1", Failed);
    let (sim, end) = run(one(p), script);
    assert_eq!((places(&sim).as_str(), end), ("a#0 a#0:2 a#1 a#2 a#2:2", DONE));
}

#[test]
fn an_item_that_may_fail_does_not_keep_the_next_back() {
    let p = only(step("a").each().may_fail());
    let (sim, _) = run(one(p), Script::new().on("steps/a/0/h", Failed));
    assert_eq!(places(&sim), "a#0 a#1 a#2");
    assert_eq!(sim.state("p", "h"), HostState::Warned);
}

#[test]
fn an_empty_list_leaves_the_step_out_with_a_reason_and_owes_nothing() {
    let p = phase("p", &["h"]).steps(vec![step("a").undo(1).each(), step("b").undo(1)]);
    let script = Script {
        items: Some(0),
        ..Script::new()
    };
    let (sim, end) = run(one(p), script.on("steps/b/0/h", Failed));
    assert_eq!((places(&sim).as_str(), end), ("b#0 b/1#0", ROLLED));
}

#[test]
fn with_a_delegated_set_each_item_is_done_on_every_host_of_it_before_the_next_item() {
    let p = only(step("a").undo(1).at(&["x", "y"]).each());
    let script = Script {
        items: Some(2),
        ..Script::new()
    };
    let (sim, _) = run(one(p), script.on("steps/a/3/h", Failed));
    assert_eq!(places(&sim), "a#0 a#1 a#2 a#3 a/1#1 a/1#0");
}

#[test]
fn a_run_that_was_cut_off_in_the_middle_of_a_list_goes_on_with_the_items_of_the_journal() {
    let p = || one(only(step("a").undo(1).each()));
    let whole = run(p(), Script::new()).0.events.len();
    for at in 1..whole {
        for probe in [Probe::Ended, Probe::Never] {
            let script = Script {
                probe: Some(probe),
                ..Script::new()
            };
            let mut sim = Sim::new(p(), script).fault(Fault::Crash(at));
            if sim.start() != End::Crashed {
                continue;
            }
            // Another answer would come now: it must not be asked for.
            sim.world.items = (lists(&sim) > 0).then_some(7);
            let end = sim.resume(false);
            clean(&sim);
            assert_eq!((lists(&sim), end), (1, DONE), "{}", sim.story());
            let ended = |n: u32| {
                let this = |e: &&Stamped| matches!(&e.event, Event::Settled { key, outcome: Ok, .. } if key.nth == n);
                sim.events.iter().filter(this).count()
            };
            assert_eq!(
                [ended(0), ended(1), ended(2), ended(3)],
                [1, 1, 1, 0],
                "{}",
                sim.story()
            );
        }
    }
}

#[test]
fn an_item_of_unknown_end_stops_the_host_and_settle_names_it_alone() {
    let script = Script::new().on("steps/a/1/h", Unknown);
    let (mut sim, end) = run(one(only(step("a").undo(1).each())), script);
    assert_eq!((sim.state("p", "h"), end), (HostState::Unknown, STUCK));
    assert_eq!(sim.owed(), ["step:p/h/a#2", "undo:p/h/a/1#2", "undo:p/h/a/1"]);
    let slot = Slot {
        stage: Stage::Steps,
        step: "a".to_owned(),
        nth: 1,
        pass: 0,
    };
    sim.decide("p", &host("h"), slot, "ok");
    assert_eq!(sim.resume(false), DONE);
    assert_eq!(places(&sim), "a#0 a#1 a#2");
}

#[test]
fn past_the_point_of_no_return_an_item_stays_and_so_does_all_before_it() {
    let p = phase("p", &["h"]).steps(vec![step("b").undo(1), step("a").no_return().each()]);
    let (sim, _) = run(one(p), Script::new().on("steps/a/1/h", Failed));
    assert_eq!(places(&sim), "b#0 a#0 a#1");
    assert_eq!(sim.state("p", "h"), HostState::Held);
}

#[test]
fn steps_of_every_stage_have_lists() {
    let mut p = full("p", &["h"]);
    let s = &mut p.stages;
    for list in [
        &mut s.precheck,
        &mut s.drain,
        &mut s.verify,
        &mut s.undrain,
        &mut s.cleanup,
    ] {
        list[0] = list[0].clone().each();
    }
    let mut whole = one(p);
    whole.steady_state = vec![read("steady").each()];
    let (sim, end) = run(whole, Script::new());
    assert_eq!(end, DONE);
    let three = |step: &str| sim.sent().iter().filter(|s| s.contains(&format!("/{step}/"))).count();
    let counts = ["pre", "drain", "verify", "undrain", "clean"].map(three);
    assert_eq!(counts, [3; 5], "{}", sim.story());
    assert_eq!(three("steady"), 9, "start, after the batch, end\n{}", sim.story());
}

#[test]
fn the_list_of_a_once_step_is_asked_once_for_all_hosts() {
    let mut p = full("p", &["a", "b"]);
    p.stages.precheck = vec![read("shared").once().each()];
    let (sim, end) = run(one(p), Script::new());
    assert_eq!((lists(&sim), end), (1, DONE));
    assert_eq!(sim.sent().iter().filter(|s| s.contains("shared")).count(), 3);
}
