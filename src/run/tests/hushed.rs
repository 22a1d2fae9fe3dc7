//! Monitoring that keeps quiet: what holds of it in every run, and the tables of when it is asked.
//!
//! Owns: the promises on silences, from the journal and from what monitoring really does. Must not: ask the decider.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::id::HostName;
use crate::plan::*;
use crate::run::event::*;

/// Between a decision and the intent that follows from it people may have been waited for.
const BETWEEN: SignedDuration = SignedDuration::from_mins(30);

#[derive(Default)]
pub struct Hushed {
    touched: BTreeSet<(String, HostName)>,
    dry: bool,
    pub violations: Vec<String>,
}

impl Hushed {
    /// `quiet`: what monitoring keeps quiet about, and until when.
    pub fn see(&mut self, plan: &Plan, e: &Stamped, quiet: &BTreeMap<SilenceKey, Timestamp>) {
        let lasts = |key: &SilenceKey| quiet.get(key).is_some_and(|until| *until + BETWEEN > e.at);
        match &e.event {
            Event::Started { dry, .. } => self.dry = *dry,
            Event::Silencing { silence, .. } if self.dry => {
                self.violations.push(format!("a dry run sets no silence: {silence}"));
            }
            Event::Intended { key, .. } => {
                let works = matches!(key.stage, Stage::Drain | Stage::Steps | Stage::Undrain | Stage::Undo);
                let Some(host) = key.host.clone().filter(|_| works) else {
                    return;
                };
                let changes = plan.phase(&key.phase).is_some_and(|p| p.changes);
                if !changes || !self.touched.insert((key.phase.clone(), host.clone())) {
                    return;
                }
                for (name, silence) in plan.named_silences() {
                    let host = silence.by_host.then(|| host.clone());
                    let wanted = SilenceKey { name, host };
                    if !lasts(&wanted) {
                        self.violations
                            .push(format!("no host is worked on without its silence: {key}, {wanted}"));
                    }
                }
            }
            Event::Ended { exit, left_behind, .. } => {
                for (key, until) in quiet.iter().filter(|(_, until)| **until > e.at) {
                    if !left_behind.contains(&key.to_string()) {
                        self.violations.push(format!(
                            "no silence is left that the ledger does not name: {key} until {until}"
                        ));
                    }
                    if matches!(exit, 0 | 3 | 4 | 8) {
                        self.violations
                            .push(format!("a run that is over leaves no silence: {key}"));
                    }
                }
            }
            _ => {}
        }
    }
}

fn drained(hosts: &[&str]) -> PlannedPhase {
    let mut p = phase("p", hosts).parallel(2);
    p.stages.precheck = vec![read("pre")];
    p.stages.drain = vec![step("drain")];
    p.stages.steps = vec![step("work").undo(1)];
    p.stages.verify = vec![read("verify")];
    p.stages.undrain = vec![step("undrain")];
    p.rollout.max_fail = Size::Count(1);
    p
}

/// Requests and answers, and what they are between: `+` asked, `=` set, `!` not set, `-` taken off, `?` not taken off.
fn heard(sim: &Sim<Script>) -> String {
    let words = |e: &Stamped| match &e.event {
        Event::Silencing { silence, .. } => Some(format!("+{silence}")),
        Event::Silenced { silence, .. } => Some(format!("={silence}")),
        Event::NotSilenced { silence, .. } => Some(format!("!{silence}")),
        Event::Unsilenced { silence } => Some(format!("-{silence}")),
        Event::StillSilenced { silence, .. } => Some(format!("?{silence}")),
        Event::Intended { key, .. } if key.host.is_some() => Some(format!("{}/{}", key.step, key.host.as_ref()?)),
        Event::HostEnded { host, state, .. } => Some(format!("{host}:{}", state.as_str())),
        _ => None,
    };
    let all: Vec<String> = sim.events.iter().filter_map(words).collect();
    all.join(" ").replace("silence:am", "")
}

fn one_host(which: usize, script: Script) -> (Sim<Script>, End) {
    run(with_silences(one(drained(&["h1"])), which), script)
}

#[test]
fn silences_and_notices_a_silence_is_set_before_the_drain_and_taken_off_after_undrain() {
    let (sim, end) = one_host(0, Script::new());
    assert_eq!(end, DONE);
    assert_eq!(
        heard(&sim),
        "pre/h1 +/h1 =/h1 drain/h1 work/h1 verify/h1 undrain/h1 h1:ok -/h1"
    );
    assert!(sim.quiet.is_empty());
}

#[test]
fn silences_and_notices_without_host_in_the_matcher_it_lasts_for_the_whole_run() {
    let (sim, end) = one_host(1, Script::new());
    assert_eq!(end, DONE);
    assert_eq!(heard(&sim), "pre/h1 + = drain/h1 work/h1 verify/h1 undrain/h1 h1:ok -");
}

#[test]
fn silences_and_notices_if_it_cannot_be_set_the_host_is_refused() {
    let mut script = Script::new();
    script.monitoring.insert(0, Monitoring::Refuses);
    let (sim, end) = one_host(0, script);
    assert_eq!(end, FAILED);
    assert_eq!(heard(&sim), "pre/h1 +/h1 !/h1 h1:refused");
    let why = &sim.run.line("p", &host("h1")).unwrap().why;
    assert_eq!(why, "the silence of am about h1 is not set: no");
}

#[test]
fn silences_and_notices_one_that_may_be_there_without_an_answer_is_taken_off() {
    let mut script = Script::new();
    script.monitoring.insert(0, Monitoring::Mute);
    let (sim, end) = one_host(0, script);
    assert_eq!(
        (end, heard(&sim).as_str()),
        (FAILED, "pre/h1 +/h1 !/h1 h1:refused -/h1")
    );
    assert!(sim.quiet.is_empty());
}

#[test]
fn silences_and_notices_it_is_renewed_at_half_of_its_time() {
    let long = Fate {
        ms: 40 * 60_000,
        ..Outcome::Ok.into()
    };
    let (sim, end) = one_host(0, Script::new().on("work h1", long));
    assert_eq!(end, DONE);
    let asked: Vec<Timestamp> = sim
        .events
        .iter()
        .filter(|e| matches!(e.event, Event::Silencing { .. }))
        .map(|e| e.at)
        .collect();
    // One step takes 40 minutes of simulated time at once; behind it the silence had ended.
    assert!(asked.len() >= 2, "{}", sim.story());
}

#[test]
fn silences_and_notices_while_a_gate_waits_the_silence_of_the_run_is_renewed() {
    let mut p = drained(&["h1", "h2"]);
    p.rollout.batches = vec![Size::Count(1), Size::Count(1)];
    p.rollout.gate = Some(gate("p", Otherwise::Hold));
    let (sim, _) = run(with_silences(one(p), 1), Script::new().gate("p/1", Word::Silence));
    let renewed = sim.events.iter().filter(|e| matches!(e.event, Event::Silenced { .. }));
    let ends: Vec<Timestamp> = renewed
        .filter_map(|e| match e.event {
            Event::Silenced { until, .. } => Some(until - e.at),
            _ => None,
        })
        .map(|left| sim.events[0].at + left)
        .collect();
    assert!(ends.len() >= 2, "{}", sim.story());
}

#[test]
fn silences_and_notices_a_host_that_is_held_keeps_its_own_and_owes_it() {
    let (sim, end) = one_host(2, Script::new().on("undrain h1", Outcome::Failed));
    assert_eq!(end, STUCK);
    let owed = sim.owed();
    for id in ["silence:am/h1", "silence:am#2", "undrain:p/h1"] {
        assert!(owed.iter().any(|o| o == id), "{id} is not in {owed:?}");
    }
}

#[test]
fn cleanup_owed_clean_takes_the_silences_off() {
    let (mut sim, _) = one_host(2, Script::new().on("undrain h1", Outcome::Failed));
    sim.tidy();
    clean(&sim);
    assert!(sim.quiet.is_empty(), "{}", sim.story());
    assert!(!sim.owed().iter().any(|o| o.starts_with("silence:")));
}

#[test]
fn silences_and_notices_one_that_cannot_be_taken_off_is_left_behind_until_its_end() {
    let mut script = Script::new();
    for n in 1..9 {
        script.monitoring.insert(n, Monitoring::Refuses);
    }
    let (mut sim, end) = one_host(0, script);
    assert_eq!(end, STUCK, "{}", sim.story());
    assert_eq!(sim.owed(), ["silence:am/h1"]);
    let left = crate::run::ledger::obligations(&sim.plan, &sim.run);
    assert_eq!(left[0].until, sim.quiet.values().next().copied());
    // The ledger goes by the time of the last event.
    sim.now = left[0].until.unwrap();
    sim.emit(Event::Noted {
        text: "later".to_owned(),
    });
    assert!(sim.owed().is_empty());
}

#[test]
fn silences_and_notices_nothing_holds_a_host_back_on_which_something_was_done() {
    let mut script = Script::new().on("steps work h1", Outcome::Failed);
    for n in 1..99 {
        script.monitoring.insert(n, Monitoring::Refuses);
    }
    let mut sim = Sim::new(with_silences(one(drained(&["h1"])), 0), script);
    sim.faults.push(Fault::Crash(14));
    assert_eq!(sim.start(), End::Crashed);
    sim.now += SignedDuration::from_hours(2);
    sim.resume(false);
    clean(&sim);
    assert_eq!(sim.state("p", "h1"), HostState::RolledBack, "{}", sim.story());
}

#[test]
fn silences_and_notices_no_host_relies_on_one_that_was_taken_off_without_an_answer() {
    let mut again = drained(&["h1"]);
    again.id = "again".to_owned();
    let mut script = Script::new();
    script.monitoring.insert(1, Monitoring::Mute);
    let (sim, end) = run(
        with_silences(plan(vec![drained(&["h1"]).item(), again.item()]), 0),
        script,
    );
    assert_eq!(end, DONE);
    let heard = heard(&sim);
    assert_eq!(heard.matches("+/h1").count(), 2, "{heard}");
    assert!(
        heard.ends_with("?/h1 +/h1 =/h1 drain/h1 work/h1 verify/h1 undrain/h1 h1:ok -/h1"),
        "{heard}"
    );
}

#[test]
fn silences_and_notices_without_the_silence_of_the_run_each_host_is_refused_untouched() {
    let mut p = drained(&["h1", "h2"]);
    p.rollout.max_fail = Size::Count(2);
    let mut script = Script::new();
    script.monitoring.insert(0, Monitoring::Refuses);
    let (sim, end) = run(with_silences(one(p), 1), script);
    assert_eq!(end, FAILED);
    for host in ["h1", "h2"] {
        assert_eq!(sim.state("p", host), HostState::Refused, "{}", sim.story());
    }
    assert!(!sim.sent().iter().any(|s| s.starts_with("drain")));
}

#[test]
fn resume_takes_a_silence_up_again_and_sets_no_second_one() {
    for at in 3..40 {
        let mut sim = Sim::new(with_silences(one(drained(&["h1"])), 2), Script::new());
        sim.faults.push(Fault::Crash(at));
        if sim.start() != End::Crashed {
            return;
        }
        let end = sim.resume(false);
        clean(&sim);
        assert_eq!(end, DONE, "{}", sim.story());
        assert!(sim.quiet.is_empty(), "{}", sim.story());
    }
    panic!("no run came to its end");
}

#[test]
fn waiting_gives_up_the_silence_of_the_run_when_no_host_owes_anything() {
    let mut first = drained(&["h1"]);
    first.id = "first".to_owned();
    let items = vec![first.item(), gate("g", Otherwise::Hold).item(), drained(&["h2"]).item()];
    let (sim, end) = run(with_silences(plan(items), 2), Script::new().gate("g", Word::Absent));
    assert_eq!(end, End::Ended(Verdict::Waiting, 5));
    assert!(sim.quiet.is_empty(), "{}", sim.story());
}

#[test]
fn settle_a_silence_that_a_person_took_off_is_owed_no_more_and_set_again_when_it_is_needed() {
    let (mut sim, _) = one_host(0, Script::new().on("undrain h1/0", Outcome::Failed));
    sim.emit(Event::Forgiven {
        obligation: "silence:am/h1".to_owned(),
        reason: "by hand".to_owned(),
        by: "ops".to_owned(),
    });
    sim.quiet.clear();
    assert!(!sim.owed().iter().any(|o| o.starts_with("silence:")));
    sim.resume(false);
    clean(&sim);
    assert!(heard(&sim).matches("+/h1").count() == 2, "{}", sim.story());
}

#[test]
fn dry_run_sets_no_silence() {
    let mut sim = Sim::new(with_silences(one(drained(&["h1"])), 2), Script::new()).dry();
    sim.start();
    assert!(sim.checker.hushed.violations.is_empty() && sim.quiet.is_empty());
    assert!(!heard(&sim).contains('+'));
}

#[test]
fn control_a_decider_that_knows_no_silences_is_found_out() {
    let plan = with_silences(one(drained(&["h1"])), 2);
    let mut sim = Sim::new(one(drained(&["h1"])), Script::new());
    sim.start();
    let mut judge = Hushed::default();
    for e in &sim.events {
        judge.see(&plan, e, &BTreeMap::new());
    }
    assert!(judge.violations[0].contains("no host is worked on without its silence"));
}
