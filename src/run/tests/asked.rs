//! What a person decides before the policy acts: the promises of it, and a table of its words.
//!
//! Owns: questions and answers, from the journal alone. Must not: ask the fold or the decider.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::properties::Dice;
use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::id::HostName;
use crate::plan::*;
use crate::run::ask::Choice;
use crate::run::event::*;
use crate::run::objective::waiting;
use Outcome::*;

type At = (String, HostName);

#[derive(Default)]
pub struct Asked {
    attended: bool,
    /// The whole run goes back.
    back: bool,
    open: BTreeMap<At, (Slot, Timestamp)>,
    ends: BTreeMap<(At, Slot), Outcome>,
    /// Hosts that a person held, until the run is resumed.
    held: BTreeSet<At>,
    /// Hosts that a person sent back, until they turn.
    sent_back: BTreeSet<At>,
    skipped: BTreeSet<At>,
    /// What was found.
    pub violations: Vec<String>,
}

impl Asked {
    fn must(&mut self, holds: bool, promise: &str, about: impl std::fmt::Display) {
        if !holds {
            self.violations.push(format!("{promise}: {about}"));
        }
    }

    pub fn see(&mut self, plan: &Plan, e: &Stamped) {
        match &e.event {
            Event::Started { attended, .. } => self.attended = *attended,
            Event::TurnedBack { .. } => self.back = true,
            Event::Resumed { attended, back, .. } => {
                self.attended = *attended;
                self.back |= *back;
                self.open.clear();
                self.held.clear();
            }
            Event::Cleaning { .. } => {
                self.attended = false;
                self.open.clear();
            }
            Event::Settled { key, outcome, .. } => {
                if let Some(host) = &key.host {
                    let at = (key.phase.clone(), host.clone());
                    self.ends.insert((at, key.slot()), *outcome);
                }
            }
            Event::Asked {
                phase,
                host,
                slot,
                until,
            } => self.asked(plan, (phase, host), slot, e.at, *until),
            Event::ClockMoved { by_ms } => {
                for (_, until) in self.open.values_mut() {
                    *until += SignedDuration::from_millis(*by_ms);
                }
            }
            Event::Unanswered { phase, host, .. } => {
                let open = self.open.remove(&(phase.clone(), host.clone()));
                let moot = self.back;
                self.must(
                    open.is_some_and(|(_, until)| moot || e.at >= until),
                    "silence is told when its time is over, or when the run goes back",
                    host,
                );
            }
            Event::Decided { .. } => self.decided(&e.event),
            Event::HostBegan { host, .. } => {
                self.must(self.open.is_empty(), "no host starts while a person is asked", host);
            }
            Event::Intended { key, .. } => {
                let Some(host) = &key.host else { return };
                let at = (key.phase.clone(), host.clone());
                let open = self.open.contains_key(&at);
                self.must(!open, "nothing is sent for a host about which a person is asked", key);
                let held = self.held.contains(&at) && key.stage != Stage::Cleanup;
                self.must(!held, "what a person holds stays as it is", key);
                let forward = key.pass == 0 && matches!(key.stage, Stage::Drain | Stage::Steps | Stage::Verify);
                let back = self.sent_back.contains(&at) && forward;
                self.must(!back, "what a person sent back goes back", key);
            }
            Event::Turned {
                phase,
                host,
                own_failure,
                ..
            } => {
                let at = (phase.clone(), host.clone());
                self.sent_back.remove(&at);
                let held = self.held.remove(&at) && *own_failure;
                self.must(!held, "what a person holds does not turn by itself", host);
            }
            Event::HostEnded { phase, host, state, .. } => {
                let at = (phase.clone(), host.clone());
                let asked = self.open.contains_key(&at);
                self.must(!asked, "no host ends while a person is asked about it", host);
                let skipped = self.skipped.contains(&at) && *state == HostState::Ok;
                self.must(!skipped, "what a person skipped makes the host warned at best", host);
            }
            _ => {}
        }
    }

    fn asked(&mut self, plan: &Plan, (phase, host): (&str, &HostName), slot: &Slot, at: Timestamp, until: Timestamp) {
        let place = (phase.to_owned(), host.clone());
        let end = self.ends.get(&(place.clone(), slot.clone())).copied();
        let bad = end.is_some_and(|o| !matches!(o, Ok | Skipped));
        self.must(bad, "only what did not end well is asked about", host);
        self.must(self.attended, "only where a person sits somebody is asked", host);
        self.must(
            plan.phase(phase).unwrap().changes,
            "a phase that changes nothing asks nobody",
            host,
        );
        let half_an_hour = until.as_millisecond() - at.as_millisecond() == 30 * 60_000;
        self.must(half_an_hour, "a person is waited for half an hour", host);
        let twice = self.open.insert(place, (slot.clone(), until)).is_some();
        self.must(!twice, "one question a host", host);
    }

    fn decided(&mut self, event: &Event) {
        let Event::Decided {
            phase,
            host,
            slot,
            verdict,
            ..
        } = event
        else {
            return;
        };
        let at = (phase.clone(), host.clone());
        let asked = self.open.remove(&at).map(|(slot, _)| slot);
        match verdict.as_str() {
            "skip" => drop(self.skipped.insert(at)),
            "hold" => drop(self.held.insert(at)),
            "rollback" => drop(self.sent_back.insert(at)),
            _ => {}
        }
        if matches!(verdict.as_str(), "hold" | "rollback" | "policy") {
            self.must(asked.as_ref() == Some(slot), "an answer needs its question", host);
        }
    }
}

/// One process with a person at its terminal.
fn attended(plan: Plan, script: Script) -> (Sim<Script>, End) {
    let mut sim = Sim::new(plan, script);
    sim.attended = true;
    let end = sim.start();
    clean(&sim);
    assert_eq!(crate::run::Run::fold(&sim.events), sim.run, "replay equals live");
    (sim, end)
}

fn questions(sim: &Sim<Script>) -> usize {
    let asked = |e: &&Stamped| matches!(e.event, Event::Asked { .. });
    sim.events.iter().filter(asked).count()
}

fn two() -> PlannedPhase {
    full("p", &["a", "b"]).batches(&[1]).on_failure(OnFailure::RollbackRun)
}

const FAILS: &str = "steps/b/0/a/0/1";

#[test]
fn a_failed_step_that_a_person_has_run_again_goes_on_as_if_it_had_not_failed() {
    let (sim, end) = attended(one(two()), Script::new().on(FAILS, Failed).says("b", Choice::Rerun));
    assert_eq!(
        (sim.of("a").as_str(), end),
        ("pre drain a b b verify undrain clean", DONE)
    );
    assert_eq!(
        (sim.state("p", "a"), sim.state("p", "b")),
        (HostState::Ok, HostState::Ok)
    );
}

#[test]
fn a_step_that_fails_again_is_asked_about_again() {
    let script = Script::new()
        .on("steps/b/0/a", Failed)
        .says("b", Choice::Rerun)
        .says("b", Choice::Skip);
    let (sim, end) = attended(one(two()), script);
    assert_eq!((questions(&sim), end), (2, DONE));
    assert_eq!(sim.state("p", "a"), HostState::Warned, "skipped is warned at best");
}

#[test]
fn a_host_that_a_person_takes_back_goes_back_also_where_the_policy_holds() {
    let p = two().on_failure(OnFailure::Hold);
    let (sim, _) = attended(one(p), Script::new().on(FAILS, Failed).says("b", Choice::Rollback));
    assert_eq!(sim.of("a"), "pre drain a b b/1 b/2 a/1 verify:1 undrain:1 clean");
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    assert_eq!(sim.of("b"), "pre", "the canary counts");
}

#[test]
fn what_a_person_holds_is_not_taken_back_and_neither_is_the_run() {
    let whole = |p: PlannedPhase| plan(vec![full("first", &["a"]).item(), p.item()]);
    let script = || Script::new().on("p/steps/b/0/a/0/1", Failed);
    let (sim, end) = attended(whole(two()), script().says("b", Choice::Hold));
    assert_eq!((sim.state("p", "a"), end), (HostState::Held, STUCK));
    assert_eq!(sim.state("first", "a"), HostState::Ok);
    assert_eq!(sim.run.backwards, None);
    // The control: the policy would have taken back both.
    let (sim, end) = attended(whole(two()), script().says("b", Choice::Policy));
    assert_eq!((sim.state("first", "a"), end), (HostState::RolledBack, ROLLED));
}

#[test]
fn what_a_person_held_goes_back_when_a_person_asks_for_it() {
    let mut p = two();
    // A cleanup step would close the host, and then it is never taken back.
    p.stages.cleanup.clear();
    let (mut sim, _) = attended(one(p), Script::new().on(FAILS, Failed).says("b", Choice::Hold));
    assert_eq!(sim.resume(true), ROLLED);
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
    clean(&sim);
}

#[test]
fn without_an_answer_the_policy_acts_after_half_an_hour() {
    let (sim, end) = attended(one(two()), Script::new().on(FAILS, Failed));
    let asked = place(&sim, |e| matches!(e, Event::Asked { .. }));
    let silent = place(&sim, |e| matches!(e, Event::Unanswered { .. }));
    let waited = sim.events[silent].at.duration_since(sim.events[asked].at);
    assert!((30..37).contains(&waited.as_mins()), "{waited}");
    assert_eq!((sim.state("p", "a"), end), (HostState::RolledBack, ROLLED));
}

#[test]
fn the_time_of_a_question_is_time_that_people_were_waited_for_but_not_while_no_process_lived() {
    let (sim, _) = attended(one(two()), Script::new().on(FAILS, Failed));
    let at = |n: usize| sim.events[n].at;
    let asked = place(&sim, |e| matches!(e, Event::Asked { .. }));
    let silent = place(&sim, |e| matches!(e, Event::Unanswered { .. }));
    let waits = |events: &[Stamped]| {
        let spans = waiting(&one(two()), events).into_iter();
        spans.map(|s| (s.start, s.end)).collect::<Vec<_>>()
    };
    assert_eq!(waits(&sim.events), [(at(asked), at(silent))]);
    // Killed a minute after the question; an hour later somebody resumes, is asked again and answers after five minutes.
    let later = |minutes: i64, event: Event| Stamped {
        seq: 0,
        at: at(asked) + jiff::SignedDuration::from_mins(minutes),
        event,
    };
    let resumed = Event::Resumed {
        operator: "olga".to_owned(),
        controller: "control".to_owned(),
        back: false,
        overrides: Vec::new(),
        attended: true,
    };
    let mut events = sim.events[..=asked].to_vec();
    events.push(later(1, Event::Noted { text: String::new() }));
    events.push(later(61, resumed));
    events.push(later(62, sim.events[asked].event.clone()));
    let note = || Event::Noted { text: String::new() };
    let minutes = |n| later(n, note()).at;
    let open = [&events[..], &[later(63, note())]].concat();
    assert_eq!(waits(&open), [(minutes(0), minutes(1)), (minutes(62), minutes(63))]);
    events.push(later(67, sim.events[silent].event.clone()));
    assert_eq!(waits(&events), [(minutes(0), minutes(1)), (minutes(62), minutes(67))]);
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_waits() {
    let (sim, end) = run(one(two()), Script::new().on(FAILS, Failed).says("b", Choice::Rerun));
    assert_eq!((questions(&sim), end), (0, ROLLED));
}

#[test]
fn a_dry_run_and_a_phase_that_changes_nothing_ask_nobody() {
    let mut sim = Sim::new(one(two()), Script::new().on("precheck/pre", Failed)).dry();
    sim.attended = true;
    sim.start();
    assert_eq!(questions(&sim), 0);
    let mut checks = phase("p", &["a", "b"]).steps(vec![read("look")]);
    checks.changes = false;
    let (sim, end) = attended(one(checks), Script::new().on("steps/look/0/a", Failed));
    assert_eq!((questions(&sim), end), (0, FAILED));
}

#[test]
fn of_an_unknown_step_a_person_says_how_it_ended_and_unanswered_it_stays_unknown() {
    for (choice, state) in [
        (Some(Choice::Ok), HostState::Ok),
        (Some(Choice::Rerun), HostState::Ok),
        (Some(Choice::Skip), HostState::Warned),
        (Some(Choice::Rollback), HostState::RolledBack),
        (Some(Choice::Hold), HostState::Unknown),
        (Some(Choice::Policy), HostState::Unknown),
        (None, HostState::Unknown),
    ] {
        let mut script = Script::new().on(FAILS, Unknown);
        script.choices.extend(choice.map(|c| ("b".to_owned(), c)));
        let (sim, _) = attended(one(two()), script);
        assert_eq!(sim.state("p", "a"), state, "{choice:?}\n{}", sim.story());
    }
}

#[test]
fn a_drain_or_verify_is_never_left_out_at_the_terminal() {
    for step in ["drain", "verify", "undrain"] {
        let mut sim = Sim::new(one(two()), Script::new().on(&format!("{step}/{step}/0/a/0"), Failed));
        sim.attended = true;
        sim.start();
        let asked = sim.events.iter().find_map(|e| match &e.event {
            Event::Asked { slot, .. } => Some(slot.clone()),
            _ => None,
        });
        let asked = asked.unwrap_or_else(|| panic!("{step}\n{}", sim.story()));
        let line = sim.run.line("p", &host("a")).unwrap();
        let may = crate::run::ask::choices(&sim.plan, line, &asked);
        assert!(!may.contains(&Choice::Skip), "{step}: {may:?}");
    }
}

#[test]
fn an_undo_that_fails_is_run_again_when_a_person_says_so() {
    let script = Script::new()
        .on("verify/verify/0/a/0", Failed)
        .on("undo/b/1/0/a/1/1", Failed)
        .says("verify", Choice::Rollback)
        .says("b/1", Choice::Rerun);
    let (sim, _) = attended(one(two()), script);
    assert_eq!(
        sim.of("a"),
        "pre drain a b verify b/1 b/1 b/2 a/1 verify:1 undrain:1 clean"
    );
    assert_eq!(sim.state("p", "a"), HostState::RolledBack);
}

#[test]
fn a_question_about_the_way_forward_is_taken_back_when_the_whole_run_goes_back() {
    let mut seen = 0;
    for seed in 0..40 {
        let p = full("p", &["a", "b"]).parallel(2).on_failure(OnFailure::RollbackRun);
        let mut script = Script::new()
            .on("drain/drain/0/a/0", Failed)
            .on("steps/b/0/b/0", Failed)
            .says("b", Choice::Rollback);
        script.dice = Some(Dice::new(seed));
        let (sim, end) = attended(one(p), script);
        clean(&sim);
        assert_eq!((sim.state("p", "a"), end), (HostState::RolledBack, ROLLED));
        let at = |what: fn(&Event) -> bool| sim.events.iter().position(|e| what(&e.event));
        let asked = at(|e| matches!(e, Event::Asked { host, .. } if host.as_str() == "a"));
        let moot = at(|e| matches!(e, Event::Unanswered { .. }));
        let back = at(|e| matches!(e, Event::TurnedBack { .. }));
        seen += usize::from(asked.is_some() && asked < back && moot == back.map(|n| n + 1));
    }
    assert!(seen > 0, "no question was open when the run turned back");
}

#[test]
fn a_signal_ends_the_question_and_resume_without_a_terminal_lets_the_policy_act() {
    let mut sim = Sim::new(one(two()), Script::new().on(FAILS, Failed));
    sim.attended = true;
    let whole = {
        let mut twin = Sim::new(one(two()), Script::new().on(FAILS, Failed));
        twin.attended = true;
        twin.start();
        place(&twin, |e| matches!(e, Event::Asked { .. })) + 1
    };
    sim = sim.fault(Fault::Signal(whole));
    assert_eq!(sim.start(), STOPPED);
    sim.attended = false;
    assert_eq!(sim.resume(false), ROLLED);
    clean(&sim);
}

#[test]
fn a_run_that_crashes_at_a_question_asks_it_again_wherever_it_crashes() {
    let script = || {
        Script::new()
            .on(FAILS, Failed)
            .says("b", Choice::Rerun)
            .says("b", Choice::Rerun)
    };
    let whole = attended(one(two()), script()).0.events.len();
    for at in 1..whole {
        let mut sim = Sim::new(one(two()), script()).fault(Fault::Crash(at));
        sim.attended = true;
        assert_eq!(sim.start(), End::Crashed);
        assert_eq!(sim.resume(false), DONE, "crash at {at}\n{}", sim.story());
        clean(&sim);
    }
}
