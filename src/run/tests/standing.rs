//! What a line and a run are said to be: the facts that decisions, verdicts and words rest on.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::id::HostName;
use crate::plan::*;
use crate::run::ask::{Choice, choices, policy_words};
use crate::run::event::*;
use crate::run::next::{busy_first, too_late, within_reach};
use crate::run::verdict::{Also, verdict};
use crate::run::{Line, PhaseRun};
use Outcome::*;

fn slot(stage: Stage, step: &str, pass: u32) -> Slot {
    Slot {
        stage,
        step: step.to_owned(),
        nth: 0,
        pass,
    }
}

#[test]
fn a_step_that_never_began_has_touched_nothing_and_nothing_is_owed_for_it() {
    let p = || {
        let mut plan = one(full("p", &["h"]));
        plan.hosts = vec![inventory_host("h", ("a", "b"))];
        plan
    };
    let (whole, _) = run(p(), Script::new());
    let drain = |e: &Event| matches!(e, Event::Intended { key, .. } if key.stage == Stage::Drain);
    let script = Script {
        probe: Some(Probe::Never),
        ..Script::new()
    };
    let mut sim = Sim::new(p(), script).fault(Fault::Crash(place(&whole, drain) + 1));
    assert_eq!(sim.start(), End::Crashed);
    let line = |sim: &Sim<Script>| sim.run.line("p", &host("h")).unwrap().clone();
    let before = line(&sim);
    assert!(before.touched() && before.changed() && before.is_out() && within_reach(&sim.run));
    assert_eq!(sim.owed(), ["step:p/h/drain", "undrain:p/h", "cleanup:p/h/clean"]);
    sim.begin_resume(false);
    sim.emit(Event::Signalled { count: 1 });
    assert_eq!(sim.process(), STOPPED);
    let after = line(&sim);
    assert!(!after.touched() && !after.changed() && !after.is_out() && !within_reach(&sim.run));
    assert_eq!(sim.owed(), [""; 0]);
    assert_eq!(sim.state("p", "h"), HostState::NotStarted);
    clean(&sim);
}

#[test]
fn a_host_whose_only_step_was_left_out_has_nothing_to_clean_up() {
    let mut p = full("p", &["h", "bad"]).max_fail(1).steps(vec![step("a").when()]);
    (p.stages.drain, p.stages.undrain) = (Vec::new(), Vec::new());
    let script = Script::new().on("a", Skipped).on("pre/0/bad", Failed);
    let (sim, end) = run(one(p), script);
    assert_eq!((sim.of("h").as_str(), end), ("pre verify", FAILED));
}

#[test]
fn hosts_at_work_are_counted_before_others_may_begin() {
    let mut pr = PhaseRun::default();
    let hosts: Vec<HostName> = ["a", "b", "c"].map(host).to_vec();
    for h in &hosts {
        pr.lines.insert(h.clone(), Line::default());
    }
    let key = StepKey {
        phase: "p".to_owned(),
        stage: Stage::Steps,
        step: "s".to_owned(),
        nth: 0,
        host: Some(host("c")),
        pass: 0,
        attempt: 1,
    };
    let line = pr.lines.get_mut(&host("c")).unwrap();
    let slot = line.slots.entry(key.slot()).or_default();
    slot.open = Some(key.attempt);
    let order: Vec<&str> = busy_first(&hosts, &pr, |_| true)
        .into_iter()
        .map(|(h, _)| h.as_str())
        .collect();
    assert_eq!(order, ["c", "a", "b"]);
}

#[test]
fn a_check_beside_the_closing_of_a_bracket_does_not_close_the_phase() {
    let mut p = full("p", &["a", "b"]).batches(&[1]);
    p.stages.drain.insert(0, step("open").once());
    p.stages.cleanup = vec![read("look").once(), step("clean"), step("close").once()];
    let (sim, end) = run(one(p), Script::new());
    assert_eq!(end, DONE, "{}", sim.story());
    let close = sim.sent().iter().filter(|s| s.starts_with("cleanup/close")).count();
    assert_eq!((sim.of("b").contains("drain"), close), (true, 1));
    let looks = sim.sent().iter().filter(|s| s.starts_with("cleanup/look")).count();
    assert_eq!(looks, 1, "{}", sim.story());
}

#[test]
fn a_held_host_that_is_closed_is_looked_at_again_also_by_a_run_that_goes_back() {
    let p = full("p", &["h"]).on_failure(OnFailure::Hold);
    let (mut sim, end) = run(one(p), Script::new().on("verify", Failed));
    assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
    assert!(sim.of("h").ends_with("verify clean"), "{}", sim.of("h"));
    sim.world.fates.clear();
    sim.resume(true);
    assert!(sim.of("h").ends_with("clean verify:2 undrain:2"), "{}", sim.of("h"));
    clean(&sim);
}

#[test]
fn a_host_that_went_back_by_itself_does_not_turn_again_when_the_run_goes_back() {
    let p = || one(full("p", &["a", "b"]).on_failure(OnFailure::RollbackHost));
    let script = || Script::new().on("verify/0/a/0", Failed);
    let back = |e: &Event| matches!(e, Event::HostEnded { host, .. } if host.as_str() == "a");
    let at = place(&run(p(), script()).0, back) + 1;
    let mut sim = Sim::new(p(), script()).fault(Fault::Crash(at));
    assert_eq!(sim.start(), End::Crashed);
    sim.resume(true);
    let turns = |name: &str| {
        let turned = |e: &&Stamped| matches!(&e.event, Event::Turned { host, .. } if host.as_str() == name);
        sim.events.iter().filter(turned).count()
    };
    assert_eq!(turns("a"), 1, "{}", sim.story());
    clean(&sim);
}

#[test]
fn a_gate_that_only_holds_does_not_keep_cleanup_until_the_end() {
    let p = || full("p", &["a", "b"]).batches(&[1]);
    let order = |otherwise: Otherwise| {
        let (sim, _) = run(plan(vec![p().item(), gate("g", otherwise).item()]), Script::new());
        let at = |s: &str| sim.sent().iter().position(|x| x == s).unwrap();
        at("cleanup/clean/a/0") < at("drain/drain/b/0")
    };
    assert!(order(Otherwise::Hold));
    assert!(!order(Otherwise::RollbackRun), "what is closed could not go back");
}

#[test]
fn who_asks_too_late_to_go_back_is_told_which_hosts_stay() {
    let said = |p: PlannedPhase, script: Script| {
        let hosts = p.hosts.clone();
        let mut plan = one(p);
        plan.hosts = hosts.iter().map(|h| inventory_host(h.as_str(), ("a", "b"))).collect();
        let (sim, _) = run(plan, script);
        too_late(&sim.plan, &sim.run)
    };
    let none = "nothing can be taken back any more: every host that was changed is closed";
    let some = "what was closed before cannot be taken back any more";
    let six = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(said(full("p", &["a"]), Script::new()), Some(format!("{none} (a)")));
    assert_eq!(
        said(full("p", &six[..5]), Script::new()),
        Some(format!("{none} (a, b, c, d, e)"))
    );
    assert_eq!(
        said(full("p", &six), Script::new()),
        Some(format!("{none} (a, b, c, d, e and 1 more)"))
    );
    // The second is left as it failed, and its cleanup by its condition: it may still go back.
    let mut p = full("p", &["a", "b"]).batches(&[1]).on_failure(OnFailure::Hold);
    p.stages.cleanup = vec![step("clean").when()];
    let script = Script::new().on("steps/b/0/b", Failed).on("clean/0/b", Skipped);
    assert_eq!(said(p, script), Some(format!("{some} (a)")));
    let nothing = full("p", &["a"]).on_failure(OnFailure::RollbackHost);
    assert_eq!(said(nothing, Script::new().on("pre", Failed)), None);
    let back = said(full("p", &["a"]), Script::new().on("verify/0/a/0", Failed));
    assert_eq!(back, None, "it went back before it was closed");
}

/// What the policy would do about a step of host `a`, as the run left it.
fn words(p: PlannedPhase, script: Script, of: &Slot) -> String {
    let (sim, _) = run(one(p), script);
    let phase = sim.plan.phases().next().unwrap();
    policy_words(&sim.plan, &sim.run, phase, &host("a"), of)
}

#[test]
fn who_is_asked_about_a_failure_is_told_what_the_policy_would_do() {
    let held = "the host is held: it stays as it is";
    let back = "the host goes back: undo, verify, undrain";
    let hosts = ["a", "b"];
    let failed = slot(Stage::Steps, "b", 0);
    // What is known before the policy has acted.
    let asked = |p: PlannedPhase, rule: &str, outcome: Outcome, of: &Slot| {
        let script = Script::new().on(rule, outcome);
        let (whole, _) = run(one(p.clone()), Script::new().on(rule, outcome));
        let settled =
            |e: &Event| matches!(e, Event::Settled { key, .. } if key.slot() == *of && key.host == Some(host("a")));
        let at = place(&whole, settled) + 1;
        let mut sim = Sim::new(one(p), script).fault(Fault::Crash(at));
        assert_eq!(sim.start(), End::Crashed);
        let phase = sim.plan.phases().next().unwrap();
        policy_words(&sim.plan, &sim.run, phase, &host("a"), of)
    };
    let p = |on_failure| full("p", &hosts).on_failure(on_failure);
    let rule = "steps/b/0/a/0";
    let stop = "; no further host starts";
    assert_eq!(
        asked(p(OnFailure::RollbackHost), rule, Failed, &failed),
        format!("{back}{stop}")
    );
    assert_eq!(
        asked(p(OnFailure::RollbackHost).max_fail(1), rule, Failed, &failed),
        back
    );
    let canary = p(OnFailure::RollbackHost).max_fail(1).batches(&[1, 1]);
    assert_eq!(asked(canary, rule, Failed, &failed), format!("{back}{stop}"));
    assert_eq!(
        asked(p(OnFailure::RollbackRun), rule, Failed, &failed),
        format!("{back}; the whole run goes back")
    );
    assert_eq!(
        asked(p(OnFailure::Hold), rule, Failed, &failed),
        format!("{held}{stop}")
    );
    assert_eq!(asked(p(OnFailure::Ask), rule, Failed, &failed), format!("{held}{stop}"));
    let undrain = slot(Stage::Undrain, "undrain", 0);
    let undrained = asked(
        p(OnFailure::RollbackHost).max_fail(1),
        "undrain/0/a/0",
        Failed,
        &undrain,
    );
    assert_eq!(undrained, held);
    let unknown = asked(p(OnFailure::RollbackHost).max_fail(1), rule, Unknown, &failed);
    assert!(unknown.starts_with("the host stays unknown"), "{unknown}");
    let mut bare = p(OnFailure::RollbackHost).max_fail(1).steps(vec![step("b")]);
    (bare.stages.verify, bare.stages.undrain) = (Vec::new(), Vec::new());
    assert_eq!(
        asked(bare, rule, Failed, &failed),
        "the host goes back: nothing to undo"
    );
    let passed = p(OnFailure::RollbackHost)
        .max_fail(1)
        .steps(vec![step("x").no_return(), step("b").undo(1)]);
    let passed = asked(passed, rule, Failed, &failed);
    assert!(
        passed.starts_with("the host goes back as far as it can and is held"),
        "{passed}"
    );
}

#[test]
fn who_is_asked_about_the_way_back_is_told_that_the_host_would_be_stuck() {
    let p = || full("p", &["a", "b"]).max_fail(1);
    let undo = slot(Stage::Undo, "b/1", 1);
    let script = Script::new().on("verify/0/a/0", Failed).on("undo b/1", Failed);
    let broken = words(p(), script, &undo);
    assert!(
        broken.starts_with("the host is broken and the rest of its undo is not run"),
        "{broken}"
    );
    let verify = slot(Stage::Verify, "verify", 1);
    let script = Script::new().on("verify/0/a", Failed);
    assert_eq!(words(p(), script, &verify), "the host is held: it stays as it is");
}

#[test]
fn what_may_be_answered_depends_on_the_step_and_on_the_way() {
    let may = |script: Script, of: &Slot| {
        let (sim, _) = run(one(full("p", &["a"])), script);
        let list = choices(&sim.plan, sim.run.line("p", &host("a")).unwrap(), of);
        list.iter().map(|c| c.verdict()).collect::<Vec<_>>().join(" ")
    };
    let steps = slot(Stage::Steps, "b", 0);
    let hold = Script::new().on("steps/b/0/a", Unknown);
    assert_eq!(may(hold, &steps), "rerun ok skip rollback hold policy");
    let undone = Script::new().on("verify/0/a/0", Failed).on("undo b/1", Failed);
    assert_eq!(may(undone, &slot(Stage::Undo, "b/1", 1)), "rerun policy");
    let p = full("p", &["a"]).on_failure(OnFailure::Hold);
    let (mut sim, _) = run(one(p), Script::new().on("verify/0/a", Failed));
    sim.begin_resume(false);
    let list = choices(
        &sim.plan,
        sim.run.line("p", &host("a")).unwrap(),
        &slot(Stage::Verify, "verify", 2),
    );
    assert_eq!(list, [Choice::Rerun, Choice::Policy], "it is looked at again");
    let undrain = Script::new().on("undrain/0/a/0", Failed);
    assert_eq!(
        may(undrain, &slot(Stage::Undrain, "undrain", 0)),
        "rerun rollback hold policy"
    );
}

#[test]
fn what_a_person_holds_does_not_go_back_with_its_batch() {
    let mut p = full("p", &["a", "b"]).max_fail(1);
    p.stages.cleanup.clear();
    let mut plan = one(p);
    plan.steady_state = vec![read("slo")];
    let script = Script::new()
        .on("steps/b/0/a", Failed)
        .on("slo/0/-/1", Failed)
        .says("b", Choice::Hold);
    let mut sim = Sim::new(plan, script);
    sim.attended = true;
    sim.start();
    clean(&sim);
    assert_eq!(sim.of("a"), "pre drain a b");
    assert_eq!(
        (sim.state("p", "a"), sim.state("p", "b")),
        (HostState::Held, HostState::RolledBack)
    );
}

#[test]
fn a_held_host_that_nothing_verifies_is_not_called_good_by_resume() {
    let mut p = full("p", &["h"]).on_failure(OnFailure::Hold);
    p.stages.verify.clear();
    p.stages.cleanup.clear();
    let (mut sim, _) = run(one(p), Script::new().on("undrain", Failed));
    sim.world.fates.clear();
    assert_eq!(sim.resume(false), STUCK);
    assert_eq!(
        (sim.state("p", "h"), sim.of("h").as_str()),
        (HostState::Held, "pre drain a b undrain")
    );
}

#[test]
fn a_closing_without_an_opening_is_owed_once_a_host_was_touched() {
    let p = || {
        let mut p = full("p", &["a"]);
        p.stages.cleanup = vec![step("close").once()];
        one(p)
    };
    let closes = |sim: &Sim<Script>| sim.sent().iter().filter(|s| *s == "cleanup/close/-/0").count();
    let (sim, end) = run(p(), Script::new());
    assert_eq!((closes(&sim), end), (1, DONE));
    let (sim, end) = run(p(), Script::new().on("pre", Failed));
    assert_eq!((closes(&sim), end), (0, FAILED));
}

#[test]
fn an_opening_that_nobody_knows_the_end_of_is_not_tried_again() {
    let p = |step: PlannedStep| {
        let mut p = full("p", &["a"]);
        p.stages.drain.insert(0, step);
        one(p)
    };
    let open = || step("open").once().retry(3, 0, 100);
    let opened = |sim: &Sim<Script>| sim.sent().iter().filter(|s| s.contains("open")).count();
    let (sim, end) = run(p(open()), Script::new().on("open", Unknown));
    assert_eq!((opened(&sim), sim.of("a").as_str(), end), (1, "pre", STUCK));
    let (sim, _) = run(p(open()), Script::new().on("open", Failed));
    assert_eq!(opened(&sim), 3);
}

#[test]
fn the_item_that_failed_is_named() {
    let p = phase("p", &["h"])
        .on_failure(OnFailure::Hold)
        .steps(vec![step("a").each()]);
    let (sim, _) = run(one(p), Script::new().on("steps/a/1/h", Failed));
    assert_eq!(sim.run.line("p", &host("h")).unwrap().why, "steps: step a (2) failed");
}

#[test]
fn a_gate_that_still_waits_keeps_its_opening_and_its_answers_over_resume() {
    let items = vec![full("p", &["a"]).item(), gate("g", Otherwise::Hold).item()];
    let (mut sim, end) = run(plan(items), Script::new().gate("g", Word::Absent));
    assert_eq!(end, End::Ended(Verdict::Waiting, 5));
    sim.emit(Event::GateAnswered {
        gate: "g".to_owned(),
        answer: Answer::default(),
    });
    let opened = |sim: &Sim<Script>| {
        let opened = |e: &&Stamped| matches!(e.event, Event::GateOpened { .. });
        sim.events.iter().filter(opened).count()
    };
    sim.now += jiff::SignedDuration::from_mins(29);
    assert_eq!(sim.resume(false), End::Ended(Verdict::Waiting, 5));
    assert_eq!((opened(&sim), sim.run.gates["g"].answers.len()), (1, 1));
    // Its time is over to the moment: another opening, and answers to it.
    sim.now = sim.run.gates["g"].expires;
    sim.resume(false);
    assert_eq!((opened(&sim), sim.run.gates["g"].answers.len()), (2, 0));
}

#[test]
fn an_override_of_the_window_sets_the_window_aside_and_not_the_freezes() {
    let late = |overrides: &[&'static str]| {
        let mut plan = one(full("p", &["a"]));
        plan.window = Some(window(60_000, 60_000, Some(0)));
        let mut sim = Sim::new(plan, Script::new());
        sim.overrides = overrides.to_vec();
        sim.start();
        sim.state("p", "a")
    };
    assert_eq!(late(&[]), HostState::NotStarted);
    assert_eq!(late(&["window"]), HostState::Ok);
    assert_eq!(late(&["freeze"]), HostState::NotStarted);
}

#[test]
fn what_an_upload_found_first_is_what_there_was() {
    let mut sim = Sim::new(one(full("p", &["h"])), Script::new());
    let key = |attempt| StepKey {
        phase: "p".to_owned(),
        stage: Stage::Steps,
        step: "a".to_owned(),
        nth: 0,
        host: Some(host("h")),
        pass: 0,
        attempt,
    };
    for (attempt, mode) in [(1, Some(0o600)), (2, None)] {
        sim.emit(Event::Captured {
            key: key(attempt),
            former: None,
            mode,
        });
    }
    let found: Vec<_> = sim.run.captured.values().map(|c| c.mode).collect();
    assert_eq!(found, [Some(0o600)]);
}

#[test]
fn only_a_host_that_went_straight_through_tells_how_long_one_takes() {
    let minute = 60_000;
    let slow = || Fate {
        ms: minute,
        ..Fate::from(Ok)
    };
    let p = || one(full("p", &["a", "b"]).batches(&[1]));
    let slowest = |sim: &Sim<Script>| sim.run.slowest_ms.get("p").copied().unwrap_or(0);
    let (sim, _) = run(p(), Script::new().on("steps/a/0/a", slow()));
    assert!(slowest(&sim) >= minute, "{}", slowest(&sim));
    let turned = Script::new().on("verify/0/a/0", Failed).on("steps/a/0/a", slow());
    let (sim, _) = run(p(), turned);
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    assert_eq!(slowest(&sim), 0);
    // The time in which no process lived is not the host's.
    let begun = |e: &Event| matches!(e, Event::Intended { key, .. } if key.step == "a");
    let at = place(&run(p(), Script::new()).0, begun) + 1;
    for (script, least, most) in [
        (Script::new(), 1, minute),
        (Script::new().on("steps/a/0/b", slow()), minute, 2 * minute),
    ] {
        let mut sim = Sim::new(p(), script).fault(Fault::Crash(at));
        assert_eq!(sim.start(), End::Crashed);
        sim.now += jiff::SignedDuration::from_hours(5);
        assert_eq!(sim.resume(false), DONE);
        assert!((least..most).contains(&slowest(&sim)), "{}", slowest(&sim));
    }
    let mut held = full("p", &["a"]).on_failure(OnFailure::Hold);
    held.stages.cleanup.clear();
    let (mut sim, _) = run(one(held), Script::new().on("verify", Failed));
    sim.world.fates = vec![("verify".to_owned(), slow())];
    assert_eq!(sim.resume(false), DONE);
    assert!(slowest(&sim) < minute, "it was looked at again: {}", slowest(&sim));
}

#[test]
fn a_word_about_the_look_that_failed_goes_on_with_that_look_and_one_about_the_way_forward_goes_on_there() {
    for (pass, wanted) in [(2, "undrain:2"), (0, "undrain")] {
        let mut p = full("p", &["h"]).on_failure(OnFailure::Hold);
        p.stages.cleanup.clear();
        let (mut sim, _) = run(one(p), Script::new().on("verify", Failed));
        assert_eq!(sim.resume(false), STUCK);
        sim.decide("p", &host("h"), slot(Stage::Verify, "verify", pass), "ok");
        assert_eq!((sim.resume(false), sim.state("p", "h")), (DONE, HostState::Warned));
        assert_eq!(sim.of("h"), format!("pre drain a b verify verify:2 {wanted}"));
        clean(&sim);
    }
}

#[test]
fn what_the_end_of_a_process_gives_back_by_itself_is_owed_but_not_left_behind() {
    let (mut sim, _) = run(one(full("p", &["h"])), Script::new());
    assert_eq!(sim.owed(), [""; 0]);
    for (host, on_host) in [(host("h"), true), (host("c"), false)] {
        sim.emit(Event::Locked { host, on_host });
    }
    sim.emit(Event::Connected {
        host: host("h"),
        facts: Box::default(),
    });
    assert_eq!(sim.owed(), ["lock:c", "lock:h", "files:h"]);
    let left = crate::run::ledger::left_behind(&sim.plan, &sim.run);
    assert_eq!(left, []);
    for host in [host("h"), host("c")] {
        sim.emit(Event::Unlocked { host });
    }
    sim.emit(Event::LeftClean { host: host("h") });
    assert_eq!(sim.owed(), [""; 0]);
}

#[test]
fn what_a_person_says_of_a_host_leaves_standing_why_it_failed() {
    for (choice, on_failure) in [
        (Choice::Rollback, OnFailure::RollbackHost),
        (Choice::Rollback, OnFailure::Hold),
        (Choice::Hold, OnFailure::RollbackHost),
    ] {
        let script = Script::new().on("steps/b/0/h/0/1", Failed).says("b", choice);
        let mut sim = Sim::new(one(full("p", &["h"]).on_failure(on_failure)), script);
        sim.attended = true;
        sim.start();
        clean(&sim);
        let why = &sim.run.line("p", &host("h")).unwrap().why;
        assert_eq!(why, "steps: step b failed", "{choice:?}");
    }
}

#[test]
fn a_host_that_went_back_does_not_make_former_runs_forgotten() {
    let minute = 60_000;
    let slow = Fate {
        ms: 15 * minute,
        ..Fate::from(Ok)
    };
    let b = |former: u64| {
        let mut plan = one(full("p", &["a", "b"]).parallel(1).max_fail(1));
        plan.window = Some(window(60 * minute, 0, Some(0)));
        let script = Script::new().on("steps/a/0/a", slow).on("verify/0/a/0", Failed);
        let mut sim = Sim::new(plan, script);
        sim.former_ms = [("p".to_owned(), former * minute)].into();
        sim.start();
        assert_eq!(sim.state("p", "a"), HostState::RolledBack);
        sim.state("p", "b")
    };
    assert_eq!(b(50), HostState::NotStarted);
    assert_eq!(b(40), HostState::Ok);
}

#[test]
fn who_is_asked_is_not_told_that_the_run_goes_back_or_stops_where_it_does_not() {
    let held = "the host is held: it stays as it is";
    let failed = slot(Stage::Steps, "b", 0);
    // Another phase could take the whole run back; this one holds its host.
    let (p, q) = (
        full("p", &["a", "b"]).on_failure(OnFailure::Hold),
        full("q", &["c"]).on_failure(OnFailure::RollbackRun),
    );
    let whole = || plan(vec![p.clone().item(), q.clone().item()]);
    let script = || Script::new().on("steps/b/0/a/0", Failed);
    let settled =
        |e: &Event| matches!(e, Event::Settled { key, .. } if key.slot() == failed && key.host == Some(host("a")));
    let at = place(&run(whole(), script()).0, settled) + 1;
    let mut sim = Sim::new(whole(), script()).fault(Fault::Crash(at));
    assert_eq!(sim.start(), End::Crashed);
    let said = |sim: &Sim<Script>| {
        policy_words(
            &sim.plan,
            &sim.run,
            sim.plan.phases().next().unwrap(),
            &host("a"),
            &failed,
        )
    };
    assert_eq!(said(&sim), format!("{held}; no further host starts"));
    // It has stopped already, and does not go back.
    sim.emit(Event::Halted {
        why: Halt::Window,
        text: String::new(),
    });
    assert_eq!(said(&sim), held);
}

#[test]
fn while_nobody_knows_how_a_changing_step_ended_its_host_is_unknown() {
    let p = || one(full("p", &["h"]));
    let began = |e: &Event| matches!(e, Event::Intended { key, .. } if key.stage == Stage::Drain);
    let at = place(&run(p(), Script::new()).0, began) + 1;
    let mut sim = Sim::new(p(), Script::new()).fault(Fault::Crash(at));
    assert_eq!(sim.start(), End::Crashed);
    assert_eq!(sim.state("p", "h"), HostState::Unknown);
}

#[test]
fn a_batch_without_a_soak_has_none_also_not_of_no_length() {
    let (sim, _) = run(one(full("p", &["a", "b"]).batches(&[1])), Script::new());
    assert!(
        !sim.events.iter().any(|e| matches!(e.event, Event::SoakBegan { .. })),
        "{}",
        sim.story()
    );
}

#[test]
fn a_run_whose_gate_is_open_waits_for_people_whether_or_not_this_process_did() {
    let p = || plan(vec![gate("g", Otherwise::Hold).item(), full("p", &["h"]).item()]);
    let (sim, _) = run(p(), Script::new().gate("g", Word::Absent));
    let open = Also::default();
    assert_eq!(verdict(&sim.plan, &sim.run, open), (Verdict::Waiting, 5));
    let (good, end) = run(p(), Script::new());
    assert_eq!(end, DONE);
    let waiting = Also {
        waiting: true,
        ..Also::default()
    };
    assert_eq!(verdict(&good.plan, &good.run, waiting), (Verdict::Waiting, 5));
    assert_eq!(verdict(&good.plan, &good.run, Also::default()).1, 0);
}

#[test]
fn a_held_host_that_is_looked_at_again_and_not_known_after_it_is_unknown() {
    let p = full("p", &["h"]).on_failure(OnFailure::Hold);
    let script = Script::new().on("verify/0/h/0", Failed).on("undrain/0/h/2", Unknown);
    let (mut sim, end) = run(one(p), script);
    assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
    sim.world.fates.retain(|fate| fate.0 != "verify/0/h/0");
    assert_eq!(sim.resume(false), STUCK);
    let ended = sim.run.line("p", &host("h")).unwrap().ended;
    assert_eq!(ended, Some(HostState::Unknown), "it is in the journal: {}", sim.story());
}

#[test]
fn what_is_said_of_cleanup_leaves_a_held_host_held() {
    let p = full("p", &["h"]).on_failure(OnFailure::Hold);
    let script = Script::new().on("verify/0/h/0", Failed).on("clean/0/h/0/1", Unknown);
    let (mut sim, end) = run(one(p), script);
    assert_eq!(end, STUCK);
    sim.decide("p", &host("h"), slot(Stage::Cleanup, "clean", 0), "ok");
    assert_eq!(sim.state("p", "h"), HostState::Held, "{}", sim.story());
}

/// A step that a former process left under way is waited for on its own host only; the others go on.
#[test]
fn a_step_that_was_left_under_way_holds_up_its_own_host_alone() {
    let slow = Fate {
        ms: 10 * 60_000,
        ..Fate::from(Ok)
    };
    let p = || one(full("p", &["a", "b"]).parallel(2));
    let script = || Script::new().on("steps/a/0/a/0/1", slow);
    let (whole, _) = run(p(), script());
    let begun = place(
        &whole,
        |e| matches!(e, Event::Intended { key, .. } if key.step == "a" && key.host == Some(host("a"))),
    );
    let mut sim = Sim::new(p(), script()).fault(Fault::Crash(begun + 1));
    assert_eq!(sim.start(), End::Crashed);
    assert_eq!(sim.resume(false), DONE, "{}", sim.story());
    clean(&sim);
    let resumed = place(&sim, |e| matches!(e, Event::Resumed { .. }));
    let ended = place(
        &sim,
        |e| matches!(e, Event::Settled { key, .. } if key.step == "a" && key.host == Some(host("a"))),
    );
    let other = sim.events.iter().position(|e| {
        matches!(&e.event, Event::Intended { key, .. } if e.seq > sim.events[resumed].seq && key.host == Some(host("b")))
    });
    assert!(other.unwrap() < ended, "{}", sim.story());
}
