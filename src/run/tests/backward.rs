//! Semantics: A person decides, Going back, Point of no return, Going back further, Stopping, Resume.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::*;
use crate::run::Run;
use crate::run::event::*;
use crate::runbook::builtin::RebootLimits;
use Outcome::*;

fn slot(stage: Stage, step: &str, pass: u32) -> Slot {
    Slot {
        stage,
        step: step.to_owned(),
        nth: 0,
        pass,
    }
}

/// Held and broken hosts stay as they are: nothing closes them.
fn open(id: &str, hosts: &[&str]) -> PlannedPhase {
    let mut p = full(id, hosts);
    p.stages.cleanup.clear();
    p
}

// --- Going back ---

#[test]
fn undo_runs_in_reverse_of_starting_and_inside_one_list_top_to_bottom() {
    let (sim, end) = run(one(full("p", &["h"])), Script::new().on("verify/0/h/0", Failed));
    assert_eq!(sim.of("h"), "pre drain a b verify b/1 b/2 a/1 verify:1 undrain:1 clean");
    assert_eq!(end, ROLLED);
}

#[test]
fn a_host_that_is_back_in_service_is_drained_first() {
    let p = open("p", &["a", "b"]).batches(&[1]).on_failure(OnFailure::RollbackRun);
    let (sim, _) = run(one(p), Script::new().on("steps/a/0/b", Failed));
    assert_eq!(
        sim.of("a"),
        "pre drain a b verify undrain drain:1 b/1 b/2 a/1 verify:1 undrain:1"
    );
}

#[test]
fn a_drain_that_fails_on_the_way_back_leaves_the_host_held_and_nothing_undone() {
    let p = || open("p", &["a", "b"]).batches(&[1]).on_failure(OnFailure::RollbackRun);
    for (bad, state) in [(Failed, HostState::Held), (Unknown, HostState::Unknown)] {
        let script = Script::new().on("steps/a/0/b", Failed).on("drain/0/a/1", bad);
        let (sim, end) = run(one(p()), script);
        assert_eq!((sim.state("p", "a"), end), (state, STUCK));
        assert!(sim.of("a").ends_with("undrain drain:1"), "{}", sim.of("a"));
    }
    let script = Script::new().on("steps/a/0/b", Failed).on("drain/0/a/1", Failed);
    let (mut sim, _) = run(one(p()), script);
    sim.world.fates.clear();
    assert_eq!(sim.resume(true), ROLLED, "taken back again, the drain is tried again");
    clean(&sim);
}

#[test]
fn an_undo_that_fails_ends_the_list_and_resume_rollback_begins_again_with_it() {
    let script = Script::new().on("verify/0/h/0", Failed).on("undo b/2", Failed);
    let script = Script { ..script };
    let (mut sim, end) = run(one(open("p", &["h"])), script);
    assert_eq!((sim.state("p", "h"), end), (HostState::Broken, STUCK));
    assert_eq!(sim.of("h"), "pre drain a b verify b/1 b/2");
    assert_eq!(sim.owed(), ["undo:p/h/b/2", "undo:p/h/a/1", "undrain:p/h"]);
    assert_eq!(
        sim.resume(false),
        STUCK,
        "a broken host is only for --rollback or settle"
    );
    sim.world.fates.clear();
    assert_eq!(sim.resume(true), ROLLED);
    assert_eq!(sim.of("h"), "pre drain a b verify b/1 b/2 b/2 a/1 verify:1 undrain:1");
    clean(&sim);
}

#[test]
fn an_undo_that_is_unknown_leaves_the_host_unknown_until_somebody_settles_it() {
    let script = Script::new().on("verify/0/h/0", Failed).on("undo b/1", Unknown);
    let (mut sim, _) = run(one(open("p", &["h"])), script);
    assert_eq!(sim.state("p", "h"), HostState::Unknown);
    assert_eq!(sim.resume(true), STUCK);
    assert_eq!(
        sim.of("h"),
        "pre drain a b verify b/1",
        "nothing is sent while it may still run"
    );
    sim.decide("p", &host("h"), slot(Stage::Undo, "b/1", 1), "ok");
    assert_eq!(sim.resume(false), ROLLED);
    clean(&sim);
}

#[test]
fn verify_or_undrain_that_fails_on_the_way_back_is_held_and_verified_again_by_resume() {
    for rule in ["verify/0/h", "undrain/0/h"] {
        let script = Script::new().on("steps/b/0/h", Failed).on(rule, Failed);
        let (mut sim, end) = run(one(open("p", &["h"])), script);
        assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK), "{rule}");
        sim.world.fates.clear();
        assert_eq!(sim.resume(false), ROLLED, "{rule}");
        assert!(sim.of("h").ends_with("verify:2 undrain:2"), "{}", sim.of("h"));
        clean(&sim);
    }
}

#[test]
fn covered_by_adds_nothing() {
    let p = full("p", &["h"]).steps(vec![step("a").undo(1), step("b").covered_by("a")]);
    let (sim, _) = run(one(p), Script::new().on("verify/0/h/0", Failed));
    assert_eq!(sim.of("h"), "pre drain a b verify a/1 verify:1 undrain:1 clean");
}

fn unchanged() -> Fate {
    Fate {
        changed: false,
        ..Fate::from(Ok)
    }
}

#[test]
fn a_built_in_that_proves_it_changed_nothing_owes_no_undo_unless_another_relies_on_it() {
    let files = |more: Vec<PlannedStep>| {
        let mut steps = vec![step("file").upload().undo(1)];
        steps.extend(more);
        one(full("p", &["h"]).steps(steps))
    };
    let script = || Script::new().on("verify/0/h/0", Failed).on("steps file", unchanged());
    // Without `clean`: that the upload changed nothing is not for the checker to know.
    let mut sim = Sim::new(files(vec![]), script());
    sim.start();
    assert_eq!(sim.of("h"), "pre drain file verify verify:1 undrain:1 clean");
    let mut sim = Sim::new(files(vec![step("reload").covered_by("file")]), script());
    sim.start();
    assert_eq!(
        sim.of("h"),
        "pre drain file reload verify file/1 verify:1 undrain:1 clean"
    );
}

#[test]
fn an_upload_owes_its_undo_unless_its_one_attempt_was_good_and_said_that_nothing_changed() {
    let whole = |file: PlannedStep| one(full("p", &["h"]).steps(vec![file.upload().undo(1)]));
    // The undo steps that were sent.
    let undone = |file: PlannedStep, script: Script| -> Vec<String> {
        let mut sim = Sim::new(whole(file), script);
        sim.start();
        let undo = |e: &Stamped| match &e.event {
            Event::Intended { key, .. } if key.stage == Stage::Undo => Some(format!("{}/{}", key.step, key.nth)),
            _ => None,
        };
        sim.events.iter().filter_map(undo).collect()
    };
    let back = || Script::new().on("verify/0/h/0", Failed);
    let none: [&str; 0] = [];
    assert_eq!(undone(step("f"), back()), ["f/1/0"], "it changed something");
    assert_eq!(undone(step("f"), back().on("steps f", unchanged())), none);
    let failed = Fate {
        outcome: Failed,
        ..unchanged()
    };
    assert_eq!(undone(step("f"), Script::new().on("steps f", failed)), ["f/1/0"]);
    // What the first attempt wrote the second found in place.
    let again = back().on("steps/f/0/h/0/1", Failed).on("steps f", unchanged());
    assert_eq!(undone(step("f").retry(2, 0, 100), again), ["f/1/0"]);
    // Each item by itself.
    let second = back().on("steps/f/1/h", unchanged());
    assert_eq!(undone(step("f").each(), second), ["f/1/2", "f/1/0"]);
    // A person's word proves nothing.
    let script = Script {
        probe: Some(Probe::Lost),
        ..back()
    };
    let mut sim = Sim::new(whole(step("f")), script).fault(Fault::Crash(
        place(
            &run(whole(step("f")), Script::new()).0,
            |e| matches!(e, Event::Intended { key, .. } if key.step == "f"),
        ) + 1,
    ));
    assert_eq!(sim.start(), End::Crashed);
    sim.resume(false);
    let slot = Slot {
        stage: Stage::Steps,
        step: "f".to_owned(),
        nth: 0,
        pass: 0,
    };
    sim.decide("p", &host("h"), slot, "ok");
    sim.resume(false);
    assert!(sim.of("h").contains("f/1"), "{}", sim.of("h"));
}

#[test]
fn undo_is_not_owed_by_a_skipped_step() {
    let p = full("p", &["h"]).steps(vec![step("a").undo(1).when(), step("b").undo(1)]);
    let (sim, _) = run(one(p), Script::new().on("steps a", Skipped).on("verify/0/h/0", Failed));
    assert_eq!(sim.of("h"), "pre drain b verify b/1 verify:1 undrain:1 clean");
}

#[test]
fn delegated_undo_runs_also_when_the_host_cannot_be_reached_and_the_host_is_broken() {
    let steps = vec![step("x").undo_elsewhere(), step("a").undo(1), step("b").undo(1)];
    let p = open("p", &["h"]).steps(steps);
    let script = Script::new().on("verify/0/h/0", Failed).on("undo b/1", Unreachable);
    let (mut sim, end) = run(one(p), script);
    assert_eq!(
        sim.of("h"),
        "pre drain x a b verify b/1 x/1",
        "a/1 may not overtake b/1 on the host"
    );
    assert_eq!((sim.state("p", "h"), end), (HostState::Broken, STUCK));
    sim.world.fates.clear();
    assert_eq!(sim.resume(true), ROLLED);
    assert!(
        sim.of("h").ends_with("x/1 b/1 a/1 verify:1 undrain:1"),
        "{}",
        sim.of("h")
    );
}

#[test]
fn an_undo_over_a_set_is_done_only_when_all_of_it_is() {
    let mut s = step("lb").undo(1);
    if let PlannedUndo::Steps(list) = &mut s.undo {
        list[0].place = Place::Hosts(vec![host("x"), host("y")]);
    }
    let p = open("p", &["h"]).steps(vec![s]);
    let script = Script::new().on("verify/0/h/0", Failed).on("undo lb/1/1", Failed);
    let (sim, _) = run(one(p), script);
    assert_eq!(sim.state("p", "h"), HostState::Broken);
    assert!(sim.owed().contains(&"undo:p/h/lb/1".to_owned()));
}

#[test]
fn a_host_whose_restart_failed_is_rolled_back_by_a_verify_that_passes_and_else_held() {
    let restart = || PlannedStep {
        call: Call::BuiltIn(BuiltIn::Reboot {
            only_if_needed: false,
            limits: RebootLimits {
                down_ms: 1,
                port_ms: 1,
                login_ms: 1,
                ready_ms: 1,
            },
            settle_ms: 0,
        }),
        ..step("r")
    };
    let p = || phase("p", &["h"]).steps(vec![step("a").undo(1), restart(), step("b").undo(1)]);
    let bad = Fate {
        changed: true,
        ..Failed.into()
    };
    let (sim, end) = run(one(p()), Script::new().on("steps/r", bad));
    assert_eq!(sim.of("h"), "a r a/1");
    assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
    let (sim, _) = run(one(p()), Script::new().on("steps/r", Failed));
    assert_eq!(
        sim.state("p", "h"),
        HostState::RolledBack,
        "it refused, and goes on as before"
    );
    let mut verified = p();
    verified.stages.verify = vec![read("verify")];
    let (sim, end) = run(one(verified), Script::new().on("steps/r", bad));
    assert_eq!(sim.of("h"), "a r a/1 verify:1");
    assert_eq!((sim.state("p", "h"), end), (HostState::RolledBack, ROLLED));
    let (sim, end) = run(one(p()), Script::new().on("steps/b", Failed));
    assert_eq!(sim.of("h"), "a r b b/1 a/1");
    assert_eq!((sim.state("p", "h"), end), (HostState::RolledBack, ROLLED));
}

// --- Point of no return ---

#[test]
fn past_the_point_of_no_return_only_what_began_after_it_is_undone_and_the_host_is_held() {
    let p = || open("p", &["h"]).steps(vec![step("a").undo(1), step("x").no_return(), step("b").undo(1)]);
    let (sim, end) = run(one(p()), Script::new().on("steps/b", Failed));
    assert_eq!(sim.of("h"), "pre drain a x b b/1");
    assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
    let (sim, _) = run(one(p()), Script::new().on("steps/x", Unreachable));
    assert_eq!(
        sim.of("h"),
        "pre drain a x a/1 verify:1 undrain:1",
        "proven never to have begun: not passed"
    );
}

#[test]
fn a_host_that_is_ok_and_past_it_is_left_alone_and_no_earlier_phase_is_taken_back() {
    let q = open("q", &["a", "b"])
        .batches(&[1])
        .steps(vec![step("x").no_return()])
        .on_failure(OnFailure::RollbackRun);
    let items = vec![open("p", &["a", "b"]).item(), q.item()];
    let (sim, end) = run(plan(items), Script::new().on("q/drain/drain/0/b", Failed));
    assert_eq!(sim.state("q", "a"), HostState::Ok);
    assert_eq!(sim.state("q", "b"), HostState::RolledBack);
    assert_eq!(sim.state("p", "a"), HostState::Ok);
    assert_eq!(end, STUCK);
}

// --- Going back further ---

fn two(what: OnFailure) -> Plan {
    let items = vec![
        open("p", &["a", "b"]).item(),
        open("q", &["a", "b"]).batches(&[1]).on_failure(what).item(),
    ];
    plan(items)
}

#[test]
fn rollback_run_takes_the_phases_newest_first_and_batch_by_batch_in_reverse() {
    let (sim, end) = run(two(OnFailure::RollbackRun), Script::new().on("q/steps/b/0/b", Failed));
    assert_eq!(end, ROLLED);
    let undone: Vec<String> = sim
        .events
        .iter()
        .filter_map(|e| match &e.event {
            Event::HostEnded {
                phase,
                host,
                state: HostState::RolledBack,
                ..
            } => Some(format!("{phase}/{host}")),
            _ => None,
        })
        .collect();
    assert_eq!(undone[..2], ["q/b", "q/a"]);
    assert_eq!(undone.len(), 4);
}

#[test]
fn an_older_phase_is_not_begun_while_a_newer_one_is_not_all_back() {
    let script = Script::new().on("q/steps/b/0/b", Failed).on("q/undo/b/1/0/b", Failed);
    let (mut sim, end) = run(two(OnFailure::RollbackRun), script);
    assert_eq!(
        (sim.state("q", "b"), sim.state("q", "a"), sim.state("p", "a")),
        (HostState::Broken, HostState::RolledBack, HostState::Ok)
    );
    assert_eq!(end, STUCK);
    let tries = sim.sent().iter().filter(|s| *s == "undo/b/1/b/1").count();
    assert_eq!(tries, 1, "a failed undo is not tried again in the same breath");
    sim.world.fates.clear();
    assert_eq!(sim.resume(true), ROLLED);
    clean(&sim);
}

#[test]
fn rollback_run_goes_back_also_when_refused_hosts_were_too_many() {
    let (sim, end) = run(
        two(OnFailure::RollbackRun),
        Script::new().on("q/precheck/pre/0/b", Failed),
    );
    assert_eq!(
        (sim.state("p", "a"), sim.state("q", "b"), end),
        (HostState::RolledBack, HostState::Refused, ROLLED)
    );
}

#[test]
fn under_rollback_run_hosts_in_flight_end_their_running_step_and_go_back() {
    let slow = Fate {
        ms: 60_000,
        ..Fate::from(Ok)
    };
    let p = open("p", &["a", "b"]).on_failure(OnFailure::RollbackRun);
    let script = Script::new().on("drain/0/a", Failed).on("drain/0/b", slow);
    let (sim, end) = run(one(p), script);
    assert_eq!(end, ROLLED);
    assert_eq!(sim.of("b"), "pre drain verify:1 undrain:1");
}

#[test]
fn resume_rollback_takes_back_a_run_that_was_held() {
    let p = open("p", &["b"]).on_failure(OnFailure::Hold);
    let (mut sim, _) = run(one(p), Script::new().on("steps/b/0/b", Failed));
    assert_eq!(sim.state("p", "b"), HostState::Held);
    assert_eq!(sim.resume(true), ROLLED);
    assert_eq!(sim.of("b"), "pre drain a b b/1 b/2 a/1 verify:1 undrain:1");
    clean(&sim);
}

#[test]
fn no_rollback_reaches_a_closed_host() {
    let p = full("p", &["a", "b"]).batches(&[1]);
    let (mut sim, _) = run(one(p), Script::new().on("steps/a/0/b", Failed));
    assert_eq!(sim.resume(true), STUCK);
    assert!(sim.of("a").ends_with("undrain clean"), "{}", sim.of("a"));
    // Already one cleanup step closes it, though others are still to come.
    let mut p = full("p", &["a"]);
    p.stages.cleanup.push(step("clean2"));
    let mut sim = Sim::new(one(p), Script::new());
    sim.faults.push(Fault::Crash(21));
    sim.start();
    assert!(sim.of("a").ends_with("clean"), "{}", sim.story());
    sim.resume(true);
    assert!(sim.of("a").ends_with("clean clean2"), "{}", sim.of("a"));
    clean(&sim);
}

#[test]
fn a_bracket_is_closed_after_the_phases_last_host_has_gone_back_before_an_older_phase() {
    let mut q = open("q", &["a"]).on_failure(OnFailure::RollbackRun);
    q.stages.drain.insert(0, step("open").once());
    q.stages.cleanup.push(step("close").once());
    let items = vec![open("p", &["a"]).item(), q.item()];
    let (sim, end) = run(plan(items), Script::new().on("q/steps/b", Failed));
    assert_eq!(end, ROLLED);
    let sent = sim.sent();
    let close = sent.iter().position(|s| s.starts_with("cleanup/close")).unwrap();
    let older = sent.iter().rposition(|s| s.starts_with("drain/drain/a/1")).unwrap();
    assert!(close < older, "{sent:?}");
}

#[test]
fn a_held_host_is_not_verified_again_while_a_step_of_another_phase_may_still_run_there() {
    let items = || {
        let p = full("p", &["a", "b"]).on_failure(OnFailure::RollbackRun);
        let q = full("q", &["a", "b"]).batches(&[1]).on_failure(OnFailure::RollbackRun);
        plan(vec![p.item(), q.item()])
    };
    let script = || Script {
        probe: Some(Probe::Lost),
        ..Script::new()
            .on("q/verify/verify/0/b/0", Failed)
            .on("q/verify/verify/0/b/1", Failed)
    };
    let whole = run(items(), script()).0.events.len();
    let mut unsure = 0;
    for at in 2..whole {
        let mut sim = Sim::new(items(), script()).fault(Fault::Crash(at));
        sim.start();
        sim.resume(true);
        unsure += usize::from(sim.run.unsure(&host("b")));
        clean(&sim);
    }
    assert!(unsure > 5, "{unsure}");
}

#[test]
fn a_held_host_of_a_run_that_goes_back_is_verified_again() {
    let p = open("p", &["a"]).on_failure(OnFailure::RollbackRun);
    let (mut sim, end) = run(one(p), Script::new().on("verify", Failed));
    assert_eq!((sim.state("p", "a"), end), (HostState::Held, STUCK));
    sim.world.fates.clear();
    assert_eq!(sim.resume(false), ROLLED);
    assert!(sim.of("a").ends_with("verify:2 undrain:2"), "{}", sim.of("a"));
    clean(&sim);
}

#[test]
fn a_step_that_was_left_open_in_another_phase_ends_before_its_host_goes_back() {
    // Cleanup comes at the end of such a run: of an older phase, while the newer one is the first to go back.
    let items = || {
        let p = full("p", &["a"]).on_failure(OnFailure::RollbackRun);
        vec![p.item(), full("q", &["a"]).on_failure(OnFailure::RollbackRun).item()]
    };
    let (whole, _) = run(plan(items()), Script::new());
    let cleans = place(
        &whole,
        |e| matches!(e, Event::Intended { key, .. } if key.stage == Stage::Cleanup),
    );
    let mut sim = Sim::new(plan(items()), Script::new()).fault(Fault::Crash(cleans + 1));
    assert_eq!(sim.start(), End::Crashed);
    sim.resume(true);
    clean(&sim);
    let ended = place(
        &sim,
        |e| matches!(e, Event::Settled { key, .. } if key.stage == Stage::Cleanup),
    );
    let back = place(&sim, |e| matches!(e, Event::Intended { key, .. } if key.pass == 1));
    assert!(ended < back, "{}", sim.story());
}

// --- Stopping ---

#[test]
fn after_the_first_signal_no_new_step_starts_and_running_ones_finish() {
    for at in 2..24 {
        let mut sim = Sim::new(one(full("p", &["a", "b"]).parallel(2)), Script::new()).fault(Fault::Signal(at));
        let end = sim.start();
        assert_eq!(end, STOPPED, "{at}");
        assert!(sim.run.open.is_empty());
        assert_eq!(sim.resume(false), DONE, "{at}\n{}", sim.story());
        clean(&sim);
    }
}

#[test]
fn a_signal_stops_undo_too_and_resume_goes_on_going_back() {
    let script = Script::new().on("steps/b", Failed);
    let plan = one(full("p", &["h"]));
    let whole = run(plan.clone(), Script::new().on("steps/b", Failed)).0.events.len();
    let first = 16;
    let mut sim = Sim::new(plan, script).fault(Fault::Signal(first));
    assert_eq!(sim.start(), STOPPED);
    assert!(whole > first);
    assert_eq!(sim.resume(false), ROLLED);
    clean(&sim);
}

// --- Resume ---

#[test]
fn after_a_crash_at_any_event_the_run_ends_as_it_would_have() {
    let plan = || {
        let mut p = plan(vec![
            full("p", &["a", "b"]).batches(&[1]).soak(1000).item(),
            gate("g", Otherwise::Hold).item(),
            full("q", &["b"]).item(),
        ]);
        p.steady_state = vec![read("slo")];
        p
    };
    let (whole, end) = run(plan(), Script::new());
    assert_eq!(end, DONE);
    for at in 1..whole.events.len() {
        let mut sim = Sim::new(plan(), Script::new()).fault(Fault::Crash(at));
        sim.start();
        assert_eq!(sim.resume(false), DONE, "crash at {at}\n{}", sim.story());
        assert_eq!(Run::fold(&sim.events), sim.run);
        clean(&sim);
    }
}

#[test]
fn after_a_crash_at_any_event_of_a_rollback_it_goes_on_going_back() {
    let script = || Script::new().on("q/steps/b/0/b", Failed);
    let (whole, _) = run(two(OnFailure::RollbackRun), script());
    let turned = whole
        .events
        .iter()
        .position(|e| matches!(e.event, Event::TurnedBack { .. }));
    for at in turned.unwrap()..whole.events.len() {
        let mut sim = Sim::new(two(OnFailure::RollbackRun), script()).fault(Fault::Crash(at));
        sim.start();
        assert_eq!(Run::fold(&sim.events), sim.run);
        assert_eq!(sim.resume(false), ROLLED, "crash at {at}\n{}", sim.story());
        clean(&sim);
    }
}

#[test]
fn a_changing_step_that_never_began_is_a_new_attempt_and_one_that_cannot_be_known_is_unknown() {
    let crash = || Sim::new(one(full("p", &["h"])), Script::new()).fault(Fault::Crash(8));
    let mut sim = crash();
    sim.world.probe = Some(Probe::Never);
    sim.start();
    assert_eq!(sim.of("h"), "pre drain");
    assert_eq!(sim.resume(false), DONE);
    assert!(sim.of("h").starts_with("pre drain drain a"), "{}", sim.of("h"));
    let mut sim = crash();
    sim.world.probe = Some(Probe::Lost);
    sim.start();
    assert_eq!(sim.resume(false), STUCK);
    assert_eq!(sim.state("p", "h"), HostState::Unknown);
    assert_eq!(sim.resume(true), STUCK, "not even --rollback touches it");
    let offered = |back| crate::run::next::goes_on(&sim.plan, &sim.run, sim.now, back);
    assert!(!offered(false) && !offered(true), "so neither is offered");
    clean(&sim);
}

#[test]
fn prechecks_of_hosts_not_yet_started_are_repeated_by_resume() {
    let mut sim = Sim::new(one(full("p", &["a", "b"]).batches(&[1])), Script::new()).fault(Fault::Signal(16));
    sim.start();
    sim.now += jiff::SignedDuration::from_secs(1);
    assert_eq!(sim.resume(false), DONE);
    assert!(sim.of("b").starts_with("pre pre:2 drain"), "{}", sim.of("b"));
}

#[test]
fn a_soak_begins_again_after_a_crash() {
    let plan = one(full("p", &["a"]).soak(60_000));
    let (whole, _) = run(plan.clone(), Script::new());
    let at = whole
        .events
        .iter()
        .position(|e| matches!(e.event, Event::SoakBegan { .. }));
    let mut sim = Sim::new(plan, Script::new()).fault(Fault::Crash(at.unwrap() + 1));
    sim.start();
    assert_eq!(sim.resume(false), DONE);
    let soaks = sim
        .events
        .iter()
        .filter(|e| matches!(e.event, Event::SoakBegan { .. }))
        .count();
    assert_eq!(soaks, 2);
}

#[test]
fn a_held_host_is_verified_again_and_undrained_if_it_passes_and_never_better_than_warned() {
    let p = open("p", &["h"]).on_failure(OnFailure::Hold);
    let (mut sim, _) = run(one(p), Script::new().on("verify", Failed));
    assert_eq!(sim.resume(false), STUCK);
    assert_eq!(sim.resume(false), STUCK);
    sim.world.fates.clear();
    assert_eq!(sim.resume(false), DONE);
    assert_eq!(sim.state("p", "h"), HostState::Warned);
    assert_eq!(sim.of("h"), "pre drain a b verify verify:2 verify:3 verify:4 undrain:4");
    clean(&sim);
}

#[test]
fn after_a_partial_undo_a_held_host_is_not_verified_again() {
    let steps = vec![step("x").no_return(), step("b").undo(1)];
    let p = open("p", &["h"]).steps(steps);
    let (mut sim, _) = run(one(p), Script::new().on("steps/b", Failed));
    let before = sim.of("h");
    assert_eq!(sim.resume(false), STUCK);
    assert_eq!(sim.of("h"), before);
}

#[test]
fn a_resume_that_stops_before_the_held_host_was_looked_at_still_calls_it_held() {
    let p = open("p", &["h"]).on_failure(OnFailure::Hold);
    let (mut sim, _) = run(one(p), Script::new().on("verify", Failed));
    sim.begin_resume(false);
    sim.emit(Event::Signalled { count: 1 });
    assert_eq!(sim.process(), STUCK);
    assert_eq!(sim.state("p", "h"), HostState::Held);
}

#[test]
fn a_held_host_whose_steps_never_ran_is_not_called_good_by_its_verify() {
    let p = || open("p", &["h"]).on_failure(OnFailure::Hold);
    for bad in ["drain/0/h", "steps/a/0/h"] {
        let outcome = if bad.starts_with("drain") { Failed } else { Unreachable };
        let (mut sim, end) = run(one(p()), Script::new().on(bad, outcome));
        assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
        sim.world.fates.clear();
        assert_eq!(sim.resume(false), ROLLED, "{bad}: it is as it was");
        assert!(sim.of("h").ends_with("verify:2 undrain:2"), "{}", sim.of("h"));
        clean(&sim);
    }
    let (mut sim, _) = run(one(p()), Script::new().on("steps/a/0/h", Failed));
    sim.world.fates.clear();
    assert_eq!(sim.resume(false), STUCK, "half done: only a person can say");
    assert_eq!(
        (sim.state("p", "h"), sim.of("h").as_str()),
        (HostState::Held, "pre drain a")
    );
    assert_eq!(sim.resume(true), ROLLED);
    clean(&sim);
}

// --- A person decides ---

#[test]
fn settle_says_how_an_unknown_step_ended() {
    let after = |word: &str| {
        let (mut sim, end) = run(one(open("p", &["h"])), Script::new().on("steps/a/0/h/0/1", Unknown));
        assert_eq!((sim.state("p", "h"), end), (HostState::Unknown, STUCK));
        assert_eq!(sim.resume(false), STUCK, "unanswered it stays");
        sim.decide("p", &host("h"), slot(Stage::Steps, "a", 0), word);
        let end = sim.resume(false);
        clean(&sim);
        (sim.of("h"), sim.state("p", "h"), end)
    };
    assert_eq!(
        after("ok"),
        ("pre drain a b verify undrain".to_owned(), HostState::Ok, DONE)
    );
    assert_eq!(
        after("rerun"),
        ("pre drain a a b verify undrain".to_owned(), HostState::Ok, DONE)
    );
    assert_eq!(
        after("skip"),
        ("pre drain a b verify undrain".to_owned(), HostState::Warned, DONE)
    );
    assert_eq!(
        after("failed"),
        (
            "pre drain a a/1 verify:1 undrain:1".to_owned(),
            HostState::RolledBack,
            ROLLED
        )
    );
}

#[test]
fn settle_of_a_failed_step_under_hold_goes_on_from_it() {
    let p = open("p", &["h"]).on_failure(OnFailure::Hold);
    let (mut sim, _) = run(one(p), Script::new().on("steps/a/0/h/0/1", Failed));
    sim.decide("p", &host("h"), slot(Stage::Steps, "a", 0), "rerun");
    assert_eq!(sim.resume(false), DONE);
    assert_eq!(sim.of("h"), "pre drain a a b verify undrain");
}

#[test]
fn settle_of_a_cleanup_step_changes_no_hosts_state() {
    let (mut sim, end) = run(one(full("p", &["h"])), Script::new().on("clean/0/h/0/1", Failed));
    assert_eq!(end, STUCK);
    sim.decide("p", &host("h"), slot(Stage::Cleanup, "clean", 0), "rerun");
    assert_eq!(sim.resume(false), DONE);
    assert!(sim.of("h").ends_with("clean clean"), "{}", sim.of("h"));
}

#[test]
fn what_was_put_right_by_hand_is_no_longer_owed() {
    let (mut sim, _) = run(one(full("p", &["h"])), Script::new().on("clean", Failed));
    sim.emit(Event::Forgiven {
        obligation: "cleanup:p/h/clean".to_owned(),
        reason: "done by hand".to_owned(),
        by: "ops".to_owned(),
    });
    assert_eq!(sim.resume(false), DONE);
}

#[test]
fn every_event_survives_the_journal() {
    let mut events = Vec::new();
    for seed in 0..60 {
        events.extend(super::properties::life(seed).unwrap().events);
    }
    let mut kinds = std::collections::BTreeSet::new();
    for e in &events {
        let text = serde_json::to_string(e).unwrap();
        assert_eq!(&serde_json::from_str::<Stamped>(&text).unwrap(), e);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        kinds.insert(value["event"]["type"].as_str().unwrap().to_owned());
    }
    assert!(kinds.len() >= 26, "{kinds:?}");
}

#[test]
fn an_undo_that_was_cut_off_by_a_crash_and_fails_is_not_run_again_by_the_same_resume() {
    let p = || one(open("p", &["a"]).on_failure(OnFailure::RollbackRun));
    let script = || {
        Script::new()
            .on("verify/verify/0/a/0", Failed)
            .on("undo/b/1/0/a/1", Failed)
    };
    let whole = run(p(), script()).0;
    let sent = place(
        &whole,
        |e| matches!(e, Event::Intended { key, .. } if key.step == "b/1"),
    );
    let mut sim = Sim::new(p(), script()).fault(Fault::Crash(sent + 1));
    assert_eq!(sim.start(), End::Crashed);
    assert_eq!(sim.resume(true), STUCK);
    clean(&sim);
    let tries = |sim: &Sim<Script>| sim.of("a").split(' ').filter(|s| *s == "b/1").count();
    assert_eq!(
        (tries(&sim), sim.state("p", "a")),
        (1, HostState::Broken),
        "{}",
        sim.story()
    );
    // The next one begins again with that step.
    assert_eq!(sim.resume(true), STUCK);
    assert_eq!(tries(&sim), 2, "{}", sim.story());
}

#[test]
fn a_held_host_on_which_nothing_began_is_looked_at_again_by_a_run_that_goes_back() {
    let p = full("p", &["a", "b"])
        .parallel(1)
        .max_fail(1)
        .on_failure(OnFailure::RollbackRun);
    let script = Script::new()
        .on("drain/drain/0/a", Unreachable)
        .on("verify/verify/0/a/1", Unreachable)
        .on("verify/verify/0/b/0", Failed);
    let (mut sim, end) = run(one(p), script);
    assert_eq!((sim.state("p", "a"), end), (HostState::Held, STUCK), "{}", sim.story());
    assert_eq!(sim.state("p", "b"), HostState::RolledBack);
    assert_eq!(sim.resume(false), ROLLED, "{}", sim.story());
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    clean(&sim);
}

#[test]
fn no_host_goes_back_while_a_check_of_a_later_phase_still_runs_there() {
    let mut checks = phase("q", &["a", "b"]).steps(vec![read("look")]);
    (checks.changes, checks.on_failure) = (false, OnFailure::RollbackRun);
    let whole = plan(vec![
        full("p", &["a", "b"])
            .parallel(2)
            .on_failure(OnFailure::RollbackRun)
            .item(),
        checks.parallel(2).item(),
    ]);
    let (sim, _) = run(whole, Script::new().on("q/steps/look/0/a", Failed));
    assert_eq!(sim.state("p", "b"), HostState::RolledBack, "{}", sim.story());
    clean(&sim);
}

#[test]
fn no_host_is_looked_at_again_while_cleanup_of_the_former_process_still_runs() {
    let whole = || {
        plan(vec![
            // Cleanup comes at the end where the whole run may go back.
            full("p", &["a"]).on_failure(OnFailure::RollbackRun).item(),
            full("q", &["a"]).on_failure(OnFailure::Hold).item(),
        ])
    };
    let script = || Script::new().on("q/verify/verify/0/a", Failed);
    let events = run(whole(), script()).0.events.len();
    for at in 1..events {
        let mut sim = Sim::new(whole(), script()).fault(Fault::Crash(at));
        sim.start();
        sim.resume(false);
        clean(&sim);
    }
}

/// What is closed for good keeps nothing: an older phase that still has something to clean up does so.
#[test]
fn a_newer_phase_that_is_closed_does_not_keep_an_older_one_from_cleaning_up() {
    let items = vec![full("p", &["a", "b"]).item(), full("q", &["b"]).item()];
    let script = Script::new().on("p/cleanup/clean/0/a", Unknown);
    let (mut sim, end) = run(plan(items), script);
    assert_eq!((sim.state("q", "b"), end), (HostState::Ok, STUCK));
    sim.world.fates.clear();
    sim.decide("p", &host("a"), slot(Stage::Cleanup, "clean", 0), "rerun");
    sim.resume(true);
    clean(&sim);
    assert!(sim.of("a").ends_with("clean clean"), "{}", sim.story());
}
