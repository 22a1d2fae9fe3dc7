//! Semantics: Gate, Window, Steady state, Cleanup, Bracket, Dry run.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::*;
use crate::run::event::*;
use crate::run::next::goes_on;
use Outcome::*;

// --- Gate ---

#[test]
fn a_gate_that_passes_lets_the_run_go_on_and_one_that_is_rejected_stops_it() {
    let p = || {
        let items = vec![
            full("p", &["a"]).item(),
            gate("g", Otherwise::Hold).item(),
            full("q", &["b"]).item(),
        ];
        plan(items)
    };
    assert_eq!(run(p(), Script::new()).1, DONE);
    let (mut sim, end) = run(p(), Script::new().gate("g", Word::No));
    assert_eq!(end, STOPPED);
    assert_eq!(sim.state("p", "a"), HostState::Ok);
    sim.world.words.clear();
    assert!(
        !goes_on(&sim.plan, &sim.run, sim.now, false),
        "it would only stop again"
    );
    assert_eq!(sim.resume(false), STOPPED, "a rejected gate stays rejected");
    assert_eq!(sim.state("q", "b"), HostState::NotStarted);
}

#[test]
fn a_gate_that_expired_is_asked_again_by_resume() {
    let items = vec![gate("g", Otherwise::Hold).item(), full("q", &["b"]).item()];
    let (mut sim, end) = run(plan(items), Script::new().gate("g", Word::Silence));
    assert_eq!(end, STOPPED);
    place(&sim, |e| {
        matches!(
            e,
            Event::GateClosed {
                why: GateEnd::Expired,
                ..
            }
        )
    });
    sim.world.words.clear();
    assert_eq!(sim.resume(false), DONE);
}

#[test]
fn without_a_terminal_the_run_waits_with_exit_five_and_a_passed_gate_stays_passed() {
    let items = vec![
        full("p", &["a"]).item(),
        gate("g", Otherwise::Hold).item(),
        full("q", &["b"]).item(),
    ];
    let (mut sim, end) = run(plan(items), Script::new().gate("g", Word::Absent));
    assert_eq!(end, End::Ended(Verdict::Waiting, 5));
    sim.emit(Event::GatePassed { gate: "g".to_owned() });
    assert_eq!(sim.resume(false), DONE);
    assert_eq!(sim.resume(false), DONE, "not asked again");
}

#[test]
fn a_rollout_gate_is_called_phase_n_and_asked_only_when_another_batch_follows() {
    let p = || full("p", &["a", "b"]).batches(&[1]).gate(gate("p", Otherwise::Hold));
    let (sim, end) = run(one(p()), Script::new());
    assert_eq!(end, DONE);
    assert_eq!(sim.run.gates.keys().collect::<Vec<_>>(), ["p/1"]);
    let mut second = p();
    second.rollout.gate.as_mut().unwrap().after_batch = AfterBatch::Nth(2);
    let (sim, _) = run(one(second), Script::new());
    assert!(sim.run.gates.is_empty(), "nothing follows the second batch");
}

#[test]
fn at_a_rollout_gate_that_does_not_pass_the_batch_before_it_still_owes_undo_and_cleanup() {
    let p = || one(full("p", &["a", "b"]).batches(&[1]).gate(gate("p", Otherwise::Hold)));
    let script = || Script::new().gate("p/1", Word::No);
    let (mut sim, end) = run(p(), script());
    assert_eq!(end, STOPPED);
    assert_eq!(sim.state("p", "a"), HostState::Ok);
    assert_eq!(
        sim.owed(),
        ["undo:p/a/b/1", "undo:p/a/b/2", "undo:p/a/a/1", "cleanup:p/a/clean"]
    );
    assert_eq!(sim.resume(true), ROLLED);
    assert_eq!(
        sim.of("a"),
        "pre drain a b verify undrain drain:1 b/1 b/2 a/1 verify:1 undrain:1 clean"
    );
    clean(&sim);
    // `owed --clean` keeps them.
    let (mut sim, _) = run(p(), script());
    sim.tidy();
    assert_eq!(sim.of("a"), "pre drain a b verify undrain clean");
    assert_eq!((sim.state("p", "a"), sim.owed()), (HostState::Ok, Vec::new()));
    clean(&sim);
}

#[test]
fn a_gate_with_rollback_run_takes_the_run_back_when_rejected_or_expired() {
    for word in [Word::No, Word::Silence] {
        let items = vec![
            full("p", &["a"]).item(),
            gate("g", Otherwise::RollbackRun).item(),
            full("q", &["b"]).item(),
        ];
        let (sim, end) = run(plan(items), Script::new().gate("g", word));
        assert_eq!((sim.state("p", "a"), end), (HostState::RolledBack, ROLLED));
    }
}

#[test]
fn a_gate_that_meets_the_cut_off_does_what_otherwise_says() {
    let mut p = plan(vec![gate("g", Otherwise::Hold).item(), full("q", &["b"]).item()]);
    p.window = Some(window(900_000, 60_000, Some(0)));
    let (sim, end) = run(p, Script::new().gate("g", Word::Silence));
    place(&sim, |e| {
        matches!(
            e,
            Event::GateClosed {
                why: GateEnd::CutOff,
                ..
            }
        )
    });
    assert_eq!(end, STOPPED);
}

#[test]
fn a_gate_lists_the_hosts_that_are_out_of_service() {
    let mut p = full("p", &["a", "b"]).max_fail(1);
    p.stages.cleanup.clear();
    let items = vec![p.item(), gate("g", Otherwise::Hold).item()];
    let (sim, _) = run(plan(items), Script::new().on("undrain a", Failed));
    let at = place(
        &sim,
        |e| matches!(e, Event::GateOpened { out, .. } if *out == vec![host("a")]),
    );
    assert!(at > 0);
}

// --- Window ---

fn windowed(w: PlannedWindow, script: Script) -> (Sim<Script>, End) {
    let mut p = one(full("p", &["a", "b"]).batches(&[1]));
    p.window = Some(w);
    run(p, script)
}

#[test]
fn latest_starts_are_reckoned_back_from_the_windows_end() {
    let minute = 60_000;
    let mut plan = plan(vec![full("p", &["a"]).item(), full("q", &["b"]).item()]);
    plan.window = Some(window(120 * minute, 10 * minute, Some(5 * minute)));
    let past = |p: u64, q: u64, verdict: &str| crate::plan::page::PastRun {
        run: "r".to_owned(),
        verdict: verdict.to_owned(),
        duration_ms: (p + q) * minute,
        phases: [("p".to_owned(), p * minute), ("q".to_owned(), q * minute)].into(),
        hosts: Default::default(),
        steps: Default::default(),
    };
    // The median of what was done: 30 and 20 minutes.
    let history = [
        past(30, 20, "done"),
        past(40, 24, "done"),
        past(20, 10, "done"),
        past(1, 1, "stuck"),
    ];
    assert_eq!(estimate::expected(&history), Some((3, 50 * minute)));
    let found = estimate::latest_starts(&plan, 120 * minute, &history);
    let host = estimate::worst_host_ms(plan.phase("q").unwrap()).min(20 * minute);
    // q ends before the reserve, and its last host starts before the cut-off.
    let q = (95 * minute).min(90 * minute + host);
    let ms: Vec<i64> = found.iter().map(|l| l.ms).collect();
    assert_eq!(ms, [q - 30 * minute, q].map(|n| i64::try_from(n).unwrap()));
    assert!(found.iter().all(|l| !l.by_limits));
    let unknown = estimate::latest_starts(&plan, minute, &[]);
    assert!(unknown.iter().all(|l| l.by_limits && l.ms < 0), "{unknown:?}");
}

#[test]
fn a_host_starts_only_before_the_cut_off_and_hosts_in_flight_finish() {
    let slow = Fate {
        ms: 50 * 60_000,
        ..Fate::from(Ok)
    };
    let (sim, end) = windowed(
        window(60 * 60_000, 15 * 60_000, Some(0)),
        Script::new().on("steps/a/0/a", slow),
    );
    assert_eq!(sim.state("p", "a"), HostState::Ok);
    assert_eq!(sim.state("p", "b"), HostState::NotStarted);
    assert_eq!((halted(&sim), end), (Some(Halt::Window), STOPPED));
}

/// A freeze from so many minutes after the run's start on, for an hour.
fn freeze_after(minutes: i64) -> crate::window::Freeze {
    let start: jiff::Timestamp = "2026-12-06T01:00:00Z".parse().unwrap();
    let from = start + jiff::SignedDuration::from_mins(minutes);
    crate::window::Freeze {
        from,
        to: from + jiff::SignedDuration::from_hours(1),
        what: "stocktaking".to_owned(),
        calendar: "freeze.ics".to_owned(),
    }
}

#[test]
fn a_freeze_that_begins_inside_the_window_lets_no_further_host_start() {
    let minute = 60_000;
    let slow = || {
        let fate = Fate {
            ms: 50 * minute,
            ..Fate::from(Ok)
        };
        Script::new().on("steps/a/0/a", fate)
    };
    for (window, freeze, b) in [
        (Some(window(600 * minute, 0, Some(0))), 40, HostState::NotStarted),
        // Also where nothing else ends the run, and when the next host would not be done before it.
        (None, 40, HostState::NotStarted),
        (None, 70, HostState::NotStarted),
        (Some(window(600 * minute, 0, Some(0))), 200, HostState::Ok),
        (None, 200, HostState::Ok),
    ] {
        let mut plan = one(full("p", &["a", "b"]).parallel(1));
        plan.window = window;
        let mut sim = Sim::new(plan, slow());
        sim.freezes = vec![freeze_after(freeze)];
        let end = sim.start();
        assert_eq!(sim.state("p", "a"), HostState::Ok, "a host in flight finishes");
        assert_eq!(sim.state("p", "b"), b, "{freeze}");
        if b == HostState::NotStarted {
            assert_eq!((halted(&sim), end), (Some(Halt::Window), STOPPED));
            let said = sim.events.iter().find_map(|e| match &e.event {
                Event::Halted { text, .. } => Some(text.clone()),
                _ => None,
            });
            assert!(said.unwrap().contains("the freeze \"stocktaking\""));
        }
    }
}

#[test]
fn an_override_sets_the_freezes_aside_and_only_them() {
    let mut sim = Sim::new(one(full("p", &["a"])), Script::new());
    sim.freezes = vec![freeze_after(-10)];
    sim.overrides = vec!["freeze"];
    sim.start();
    assert_eq!(sim.state("p", "a"), HostState::Ok);
    let mut sim = Sim::new(one(full("p", &["a"])), Script::new());
    sim.freezes = vec![freeze_after(-10)];
    sim.overrides = vec!["window"];
    sim.start();
    assert_eq!(sim.state("p", "a"), HostState::NotStarted);
}

#[test]
fn a_host_starts_only_if_the_slowest_so_far_and_the_reserve_fit_before_the_end() {
    let slow = |min: u64| Fate {
        ms: min * 60_000,
        ..Fate::from(Ok)
    };
    let minute = 60_000;
    // 25 min gone, 25 for the next, 5 in reserve: fits 60, not 55.
    let script = |min: u64| Script::new().on("steps/a/0/a", slow(min));
    let (sim, _) = windowed(window(60 * minute, 0, Some(5 * minute)), script(25));
    assert_eq!(sim.state("p", "b"), HostState::Ok);
    let (sim, _) = windowed(window(55 * minute, 0, Some(5 * minute)), script(25));
    assert_eq!(sim.state("p", "b"), HostState::NotStarted);
}

#[test]
fn the_slowest_of_former_runs_counts_where_this_run_has_none_yet() {
    let minute = 60_000;
    let began = |former: Option<u64>, length: u64| {
        let mut p = one(full("p", &["a", "b"]).parallel(1));
        p.window = Some(window(length * minute, 0, Some(5 * minute)));
        let mut sim = Sim::new(p, Script::new());
        sim.former_ms = former.into_iter().map(|min| ("p".to_owned(), min * minute)).collect();
        sim.start();
        clean(&sim);
        let began = |e: &&Stamped| matches!(e.event, Event::HostBegan { .. });
        sim.events.iter().filter(began).count()
    };
    assert_eq!(began(None, 29), 2, "nothing is known: only the reserve counts");
    assert_eq!(began(Some(25), 29), 0, "25 min and 5 in reserve do not fit");
    assert_eq!(began(Some(25), 31), 2, "they do; and what this run then saw is faster");
}

#[test]
fn the_reserve_is_by_default_the_sum_of_the_limits_of_the_undo_steps() {
    let p = full("p", &["a"]);
    assert_eq!(estimate::undo_ms(&p), 180_000);
    let (_, end) = windowed(window(180_000, 0, None), Script::new());
    assert_eq!(end, STOPPED, "not even the first host fits");
}

#[test]
fn the_window_never_holds_back_the_way_back() {
    let slow = Fate {
        ms: 7_200_000,
        ..Fate::from(Failed)
    };
    let (sim, _) = windowed(window(3_600_000, 0, Some(0)), Script::new().on("steps/a/0/a", slow));
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
}

// --- Steady state ---

fn steady(p: PlannedPhase) -> Plan {
    let mut plan = one(p);
    plan.steady_state = vec![read("slo")];
    plan
}

#[test]
fn the_steady_state_is_asked_at_the_start_after_each_batch_and_at_the_end() {
    let (sim, end) = run(steady(full("p", &["a", "b"]).batches(&[1])), Script::new());
    assert_eq!(end, DONE);
    let asked: Vec<Occasion> = sim
        .events
        .iter()
        .filter_map(|e| match &e.event {
            Event::SteadyAsked { occasion, .. } => Some(*occasion),
            _ => None,
        })
        .collect();
    assert_eq!(
        asked,
        [Occasion::Start, Occasion::Batch, Occasion::Batch, Occasion::End]
    );
}

#[test]
fn a_steady_state_that_is_false_at_the_start_is_exit_three_and_resume_asks_anew() {
    let (mut sim, end) = run(steady(full("p", &["a"])), Script::new().on("slo", Failed));
    assert_eq!((end, sim.of("a").as_str()), (FAILED, ""));
    sim.world.fates.clear();
    assert_eq!(sim.resume(false), DONE);
    let mut dry = Sim::new(steady(full("p", &["a"])), Script::new().on("slo", Failed)).dry();
    assert_eq!(dry.start(), FAILED, "a dry run says so too");
}

#[test]
fn a_steady_state_that_is_false_after_a_batch_takes_back_the_whole_batch() {
    let (sim, end) = run(
        steady(full("p", &["a", "b", "c"]).batches(&[2])),
        Script::new().on("slo/0/-/1", Failed),
    );
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    assert_eq!(sim.state("p", "b"), HostState::RolledBack);
    assert_eq!(sim.state("p", "c"), HostState::NotStarted);
    assert_eq!(end, ROLLED);
}

#[test]
fn a_steady_state_that_is_false_after_a_batch_takes_back_the_run_or_holds() {
    let p = |what| steady(full("p", &["a", "b"]).batches(&[1]).on_failure(what));
    let bad = || Script::new().on("slo/0/-/2", Failed);
    let (sim, end) = run(p(OnFailure::RollbackRun), bad());
    assert_eq!(
        (sim.state("p", "a"), sim.state("p", "b"), end),
        (HostState::RolledBack, HostState::RolledBack, ROLLED)
    );
    let (sim, end) = run(p(OnFailure::Hold), Script::new().on("slo/0/-/1", Failed));
    assert_eq!(
        (sim.state("p", "a"), sim.state("p", "b"), end),
        (HostState::Ok, HostState::NotStarted, STUCK)
    );
}

#[test]
fn a_final_steady_state_that_is_false_is_exit_eight_and_after_a_rollback_one() {
    let (_, end) = run(steady(full("p", &["a"])), Script::new().on("slo/0/-/2", Failed));
    assert_eq!(end, End::Ended(Verdict::Done, 8));
    let (_, end) = run(
        steady(full("p", &["a"])),
        Script::new().on("steps/a/0/a", Failed).on("slo/0/-/1", Failed),
    );
    assert_eq!(end, STUCK);
}

#[test]
fn a_phase_asks_its_own_before_its_first_host_after_its_batches_and_at_its_end() {
    let mut p = full("p", &["a", "b"]).batches(&[1]);
    p.steady_state = vec![read("own")];
    let (sim, end) = run(one(p.clone()), Script::new());
    assert_eq!(sim.sent().iter().filter(|s| s.contains("own")).count(), 4);
    assert_eq!(end, DONE);
    let (_, end) = run(one(p), Script::new().on("own/0/-/3", Failed));
    assert_eq!(end, End::Ended(Verdict::Done, 8));
}

#[test]
fn resume_sees_the_steady_state_before_a_further_host_starts() {
    let plan = steady(full("p", &["a", "b"]).batches(&[1]));
    let mut sim = Sim::new(plan, Script::new().on("slo/0/-/2", Failed)).fault(Fault::Signal(20));
    sim.start();
    assert_eq!(sim.state("p", "b"), HostState::NotStarted);
    sim.resume(false);
    place(&sim, |e| {
        matches!(
            e,
            Event::SteadyAsked {
                occasion: Occasion::Resume,
                ..
            } | Event::SteadyAsked {
                occasion: Occasion::Batch,
                ..
            }
        )
    });
    assert_eq!(sim.state("p", "b"), HostState::NotStarted, "{}", sim.story());
}

#[test]
fn a_soak_lies_between_the_batch_and_what_follows() {
    let (sim, _) = run(one(full("p", &["a", "b"]).batches(&[1]).soak(90_000)), Script::new());
    let soak = place(&sim, |e| matches!(e, Event::SoakBegan { batch: 1, .. }));
    let settled = place(&sim, |e| matches!(e, Event::BatchSettled { batch: 1, .. }));
    let gap = sim.events[settled].at.as_millisecond() - sim.events[soak].at.as_millisecond();
    assert_eq!(gap, 90_000);
}

// --- Cleanup and bracket ---

#[test]
fn cleanup_runs_when_the_batch_is_settled_or_with_rollback_run_at_the_end() {
    let (sim, _) = run(one(full("p", &["a", "b"]).batches(&[1])), Script::new());
    let at = |s: &str| sim.sent().iter().position(|x| x == s).unwrap();
    assert!(at("cleanup/clean/a/0") < at("drain/drain/b/0"));
    let p = full("p", &["a", "b"]).batches(&[1]).on_failure(OnFailure::RollbackRun);
    let (sim, _) = run(one(p), Script::new());
    let at = |s: &str| sim.sent().iter().position(|x| x == s).unwrap();
    assert!(at("cleanup/clean/a/0") > at("undrain/undrain/b/0"));
}

#[test]
fn a_cleanup_that_its_condition_left_out_stays_owed_on_a_held_host_only() {
    let p = || {
        let mut p = full("p", &["a"]).on_failure(OnFailure::Hold);
        p.stages.cleanup = vec![step("clean").when()];
        one(p)
    };
    let (sim, _) = run(p(), Script::new().on("clean", Skipped).on("verify", Failed));
    assert!(sim.owed().contains(&"cleanup:p/a/clean".to_owned()));
    assert!(
        sim.owed().contains(&"undo:p/a/a/1".to_owned()),
        "not closed by a step that did not run"
    );
    let (sim, end) = run(p(), Script::new().on("clean", Skipped));
    assert_eq!((sim.owed().len(), end), (0, DONE));
}

fn bracket(hosts: &[&str]) -> PlannedPhase {
    let mut p = full("p", hosts).batches(&[1]);
    p.stages.drain.insert(0, step("open").once());
    p.stages.cleanup.push(step("close").once());
    p
}

#[test]
fn a_bracket_opens_before_the_first_host_is_drained_and_closes_after_the_last_is_closed() {
    let (sim, end) = run(one(bracket(&["a", "b"])), Script::new());
    assert_eq!(end, DONE);
    let sent = sim.sent();
    let at = |s: &str| sent.iter().position(|x| x == s).unwrap();
    assert!(at("drain/open/-/0") < at("drain/drain/a/0"));
    assert_eq!(sent.last().unwrap(), "cleanup/close/-/0");
    assert_eq!(sent.iter().filter(|s| s.contains("open")).count(), 1);
}

#[test]
fn if_the_opening_fails_or_is_unknown_no_host_starts_and_the_closing_is_owed() {
    for (bad, wanted) in [(Failed, ROLLED), (Unknown, STUCK)] {
        let (sim, end) = run(one(bracket(&["a"])), Script::new().on("open", bad));
        assert_eq!(sim.of("a"), "pre");
        assert_eq!(sim.sent().last().unwrap(), "cleanup/close/-/0");
        assert_eq!(end, wanted);
    }
    let (sim, end) = run(one(bracket(&["a"])), Script::new().on("open", Unreachable));
    assert_eq!(end, FAILED, "it never began: nothing was touched");
    assert!(!sim.sent().iter().any(|s| s.contains("close")));
}

#[test]
fn a_bracket_is_closed_however_the_hosts_ended_and_an_open_one_is_left_behind() {
    let (sim, _) = run(one(bracket(&["a"])), Script::new().on("steps/a/0/a", Unknown));
    assert_eq!(sim.sent().last().unwrap(), "cleanup/close/-/0");
    let (sim, end) = run(one(bracket(&["a"])), Script::new().on("close", Failed));
    assert_eq!((sim.owed(), end), (vec!["bracket:p/close".to_owned()], STUCK));
}

#[test]
fn a_slow_opening_step_is_awaited_before_anything_follows() {
    // An opening under way must not look like "nobody waits": that would settle the batch without a host.
    let mut p = bracket(&["a"]);
    p.stages.precheck.clear();
    let mut sim = Sim::new(one(p), Script::new());
    sim.faults.push(Fault::Crash(5));
    sim.start();
    let next = crate::run::next::next(&sim.plan, &sim.run, sim.now);
    assert!(sim.run.open.keys().any(|k| k.step == "open"), "{}", sim.story());
    assert!(next.is_empty(), "{next:?}");
}

// --- Dry run ---

#[test]
fn a_dry_run_stops_before_the_first_changing_step_and_sends_nothing_that_changes() {
    let mut p = full("p", &["a"]);
    p.stages.drain.insert(0, read("look"));
    let mut sim = Sim::new(steady(p), Script::new()).dry();
    assert_eq!(sim.start(), DONE);
    assert_eq!(sim.of("a"), "pre look");
    assert_eq!(sim.state("p", "a"), HostState::NotStarted);
    let mut sim = Sim::new(one(full("p", &["a"])), Script::new().on("pre", Failed)).dry();
    assert_eq!(sim.start(), FAILED);
    let mut sim = Sim::new(one(bracket(&["a"])), Script::new()).dry();
    assert_eq!(sim.start(), DONE);
    assert_eq!(sim.sent(), ["precheck/pre/a/0"]);
}

fn is_asked(e: &Stamped, scope: &str, when: Occasion) -> bool {
    matches!(&e.event, Event::SteadyAsked { phase, occasion, .. } if phase == scope && *occasion == when)
}

#[test]
fn the_steady_state_is_asked_before_the_first_phase_begins() {
    let (sim, _) = run(steady(full("p", &["a"])), Script::new());
    let at = |wanted: &dyn Fn(&Stamped) -> bool| sim.events.iter().position(wanted).unwrap();
    let asked = at(&|e| is_asked(e, "", Occasion::Start));
    assert!(asked < at(&|e| matches!(e.event, Event::PhaseBegan { .. })));
}

#[test]
fn where_nothing_was_touched_no_steady_state_is_asked_at_the_end() {
    let p = || {
        let mut p = full("p", &["a"]).max_fail(1);
        p.steady_state = vec![read("own")];
        steady(p)
    };
    let ends = |script: Script, dry: bool| {
        let mut sim = Sim::new(p(), script);
        sim = if dry { sim.dry() } else { sim };
        sim.start();
        ["", "p"].map(|scope| sim.events.iter().filter(|e| is_asked(e, scope, Occasion::End)).count())
    };
    assert_eq!(ends(Script::new(), false), [1, 1]);
    assert_eq!(ends(Script::new().on("pre", Failed), false), [0, 0], "refused");
    assert_eq!(ends(Script::new(), true), [0, 0], "a dry run");
}

#[test]
fn a_bracket_is_closed_at_the_end_of_its_phase_also_where_a_host_was_refused() {
    let mut p = full("p", &["a", "b"]).max_fail(1);
    p.stages.drain.insert(0, step("open").once());
    p.stages.cleanup = vec![step("clean"), step("close").once()];
    let script = Script::new().on("pre/0/b", Failed);
    let (sim, _) = run(plan(vec![p.item(), full("q", &["c"]).item()]), script);
    let sent = sim.sent();
    let at = |wanted: &str| sent.iter().position(|s| s.starts_with(wanted)).unwrap();
    assert!(at("cleanup/close") < at("precheck/pre/c"), "{sent:?}");
}
