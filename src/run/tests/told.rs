//! Running a told world to its end, and asking what happened.
//!
//! Owns: what the tables share. Must not: hold a test.

use super::sim::*;
use crate::plan::*;
use crate::run::event::*;

pub const DONE: End = End::Ended(Verdict::Done, 0);
pub const STUCK: End = End::Ended(Verdict::Stuck, 1);
pub const FAILED: End = End::Ended(Verdict::Failed, 3);
pub const ROLLED: End = End::Ended(Verdict::RolledBack, 4);
pub const STOPPED: End = End::Ended(Verdict::Stopped, 7);

pub fn run(plan: Plan, script: Script) -> (Sim<Script>, End) {
    let mut sim = Sim::new(plan, script);
    let end = sim.start();
    clean(&sim);
    (sim, end)
}

pub fn clean(sim: &Sim<Script>) {
    assert!(
        sim.checker.violations.is_empty(),
        "{:?}\n{}",
        sim.checker.violations,
        sim.story()
    );
}

pub fn batches(sim: &Sim<Script>) -> Vec<Vec<String>> {
    let hosts = |e: &Stamped| match &e.event {
        Event::BatchBegan { hosts, .. } => Some(hosts.iter().map(ToString::to_string).collect()),
        _ => None,
    };
    sim.events.iter().filter_map(hosts).collect()
}

pub fn place(sim: &Sim<Script>, wanted: impl Fn(&Event) -> bool) -> usize {
    let at = sim.events.iter().position(|e| wanted(&e.event));
    at.unwrap_or_else(|| panic!("no such event\n{}", sim.story()))
}

pub fn halted(sim: &Sim<Script>) -> Option<Halt> {
    sim.run.halted.as_ref().map(|(why, _)| *why)
}
