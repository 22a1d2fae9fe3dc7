//! A rehearsal: forward on the first batch, and back, whatever happens.

use super::sample::*;
use super::sim::*;
use super::told::*;
use crate::plan::*;
use crate::run::event::*;
use Outcome::*;

/// What `bind` makes of a plan that is to be rehearsed.
pub(super) fn rehearsed(mut plan: Plan) -> Plan {
    plan.rehearsal = true;
    for item in &mut plan.items {
        match item {
            PlanItem::Gate(gate) => gate.otherwise = Otherwise::RollbackRun,
            PlanItem::Phase(p) => {
                p.on_failure = OnFailure::RollbackRun;
                p.rollout.soak_ms = 0;
                p.rollout.gate = None;
                for s in p
                    .stages
                    .steps
                    .iter_mut()
                    .filter(|s| matches!(s.undo, PlannedUndo::None(_)))
                {
                    *s = s.clone().undo(1);
                }
            }
        }
    }
    plan
}

fn of(phase: PlannedPhase) -> Plan {
    rehearsed(one(phase))
}

#[test]
fn a_rehearsal_goes_forward_and_then_back_and_proves_both() {
    let (sim, end) = run(of(full("p", &["h"])), Script::new());
    assert_eq!(
        sim.of("h"),
        "pre drain a b verify undrain drain:1 b/1 b/2 a/1 verify:1 undrain:1 clean"
    );
    assert_eq!((sim.state("p", "h"), end), (HostState::RolledBack, DONE));
    clean(&sim);
}

#[test]
fn phases_go_back_newest_first_and_are_closed_at_the_end() {
    let plan = rehearsed(plan(vec![full("p", &["h"]).item(), full("q", &["i"]).item()]));
    let (sim, end) = run(plan, Script::new());
    assert_eq!(end, DONE);
    let back = |host: &str| {
        let turned = |e: &Stamped| matches!(&e.event, Event::Turned { host: h, .. } if h.as_str() == host);
        sim.events.iter().position(turned).unwrap()
    };
    assert!(back("i") < back("h"));
    clean(&sim);
}

#[test]
fn a_rehearsal_that_fails_is_taken_back_and_has_proven_nothing() {
    let (sim, end) = run(of(full("p", &["h"])), Script::new().on("steps/b/0/h", Failed));
    assert_eq!((sim.state("p", "h"), end), (HostState::RolledBack, ROLLED));
    clean(&sim);
}

#[test]
fn a_host_that_is_borne_does_not_keep_the_others_changed() {
    let mut p = full("p", &["h", "i"]);
    p.rollout.max_fail = Size::Count(1);
    let (sim, end) = run(of(p), Script::new().on("steps/b/0/h", Failed));
    assert_eq!((sim.state("p", "i"), end), (HostState::RolledBack, ROLLED));
    clean(&sim);
}

#[test]
fn an_undo_that_fails_in_a_rehearsal_is_no_success() {
    let (sim, end) = run(of(full("p", &["h"])), Script::new().on("undo b/2", Failed));
    assert_eq!((sim.state("p", "h"), end), (HostState::Broken, STUCK));
    let (sim, end) = run(of(full("p", &["h"])), Script::new().on("verify/0/h/1", Failed));
    assert_eq!((sim.state("p", "h"), end), (HostState::Held, STUCK));
}

#[test]
fn where_no_host_needed_anything_nothing_is_proven() {
    let mut p = full("p", &["h"]);
    p.when = Some("results.pre.x".to_owned());
    let mut script = Script::new();
    script.not_needed.push("h".to_owned());
    let (sim, end) = run(of(p), script);
    assert_eq!((sim.state("p", "h"), end), (HostState::NotNeeded, FAILED));
}

#[test]
fn a_rehearsal_that_was_cut_off_in_either_half_goes_on_to_the_same_end() {
    let (whole, _) = run(of(full("p", &["h"])), Script::new());
    for at in 2..whole.events.len() {
        let mut sim = Sim::new(of(full("p", &["h"])), Script::new());
        sim.faults.push(Fault::Crash(at));
        if sim.start() == End::Crashed {
            assert_eq!(sim.resume(false), DONE, "cut off after {at} records");
        }
        assert_eq!(sim.state("p", "h"), HostState::RolledBack, "cut off after {at} records");
        clean(&sim);
    }
}

#[test]
fn a_dry_run_of_a_rehearsal_turns_nowhere() {
    let mut sim = Sim::new(of(full("p", &["h"])), Script::new()).dry();
    let end = sim.start();
    assert!(!sim.events.iter().any(|e| matches!(e.event, Event::TurnedBack { .. })));
    assert_eq!(end, DONE);
}
