//! The fold, the ledger and the decider against the oracle: over an enumerated space of runs; random runs are compared as well.
//!
//! Owns: what is compared, the enumeration, the controls. Must not: know better than the oracle.

use std::collections::BTreeSet;

use super::figures;
use super::oracle::{Due, Oracle, Order};
use super::sample::*;
use super::sim::*;
use crate::plan::*;
use crate::run::Run;
use crate::run::event::*;
use crate::run::ledger::of_the_work;
use crate::run::next::Next;
use crate::run::quiet::Silence;
use Outcome::*;

/// What was compared, and what differed.
#[derive(Default)]
pub struct Compared {
    /// The order the oracle goes by; `None`: nothing is compared.
    pub order: Option<Order>,
    pub ledgers: u64,
    pub decisions: u64,
    pub differences: Vec<String>,
}

impl Compared {
    /// What is owed, and each host's undo in its order.
    pub fn ledger(&mut self, plan: &Plan, run: &Run, events: &[Stamped]) {
        let Some(order) = self.order else { return };
        let told = Oracle::new(plan, events, order).owed();
        // Of silences it hears nothing.
        let ours: Vec<String> = of_the_work(plan, run).map(|o| o.id).collect();
        let undo = |list: &[String]| -> Vec<String> {
            let undo = list.iter().filter(|id| id.starts_with("undo:"));
            undo.cloned().collect()
        };
        let set = |list: &[String]| -> BTreeSet<String> { list.iter().cloned().collect() };
        if set(&told) != set(&ours) || undo(&told) != undo(&ours) {
            self.differences.push(format!(
                "owed, event {}: oracle {told:?}, ledger {ours:?}",
                events.len()
            ));
        }
        self.ledgers += 1;
    }

    /// What a run that goes back does next.
    pub fn decision(&mut self, plan: &Plan, run: &Run, events: &[Stamped], list: &[Next]) {
        let Some(order) = self.order else { return };
        // While a person is asked about a host, the others wait for the answer; the oracle hears of neither.
        let asks = list
            .iter()
            .any(|n| matches!(n, Next::AskPerson { .. } | Next::Silence(_)))
            || run.silences.values().any(Silence::under_way);
        if run.backwards.is_none() || run.signals > 0 || !run.open.is_empty() || asks {
            return;
        }
        let told: BTreeSet<Due> = Oracle::new(plan, events, order)
            .due()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let going_back = |key: &StepKey| key.stage == Stage::Undo || key.pass > 0 && key.stage != Stage::Steady;
        let ours: BTreeSet<Due> = list
            .iter()
            .filter_map(|n| match n {
                // Behind the way back comes what closes the hosts; the oracle says nothing of it.
                Next::Perform(key) if !told.is_empty() || going_back(key) => Some(due(plan, key)),
                _ => None,
            })
            .collect();
        let waits = list.iter().any(|n| matches!(n, Next::Sleep { .. }));
        if ours != told && !(waits && ours.is_subset(&told)) {
            self.differences.push(format!(
                "next, event {}: oracle {told:?}, decider {ours:?}",
                events.len()
            ));
        }
        self.decisions += 1;
    }
}

fn due(plan: &Plan, key: &StepKey) -> Due {
    let step = plan.step(&key.phase, key.stage, &key.step).unwrap();
    let machines = match &step.place {
        Place::Hosts(list) => list.len() as u32,
        _ => 1,
    };
    Due {
        phase: key.phase.clone(),
        host: key.host.clone(),
        stage: key.stage,
        step: key.step.clone(),
        item: if key.stage == Stage::Undo {
            key.nth / machines
        } else {
            0
        },
    }
}

#[test]
fn the_oracle_knows_the_plan_and_the_events_alone() {
    let text = include_str!("oracle.rs");
    let may = [
        "std::",
        "crate::plan::{",
        "crate::id::HostName;",
        "crate::run::event::{",
    ];
    let uses: Vec<&str> = text
        .lines()
        .filter_map(|l| l.trim_start().strip_prefix("use "))
        .collect();
    assert!(uses.len() >= 3, "{uses:?}");
    for line in &uses {
        assert!(may.iter().any(|m| line.starts_with(m)), "the oracle uses {line}");
    }
    let paths = text.matches("crate::").count() + text.matches("super::").count();
    assert_eq!(paths, 3, "no path beside its `use` lines");
}

/// Two phases over two hosts, the second in batches of one.
fn two_phases(policy: OnFailure) -> Plan {
    let p = full("p", &["a", "b"]).on_failure(policy);
    let q = full("q", &["a", "b"]).batches(&[1]).on_failure(policy);
    plan(vec![p.item(), q.item()])
}

/// A bracket; undo that runs elsewhere, over a list and on two machines; an upload, and a step that relies on another's undo.
fn odd(policy: OnFailure) -> Plan {
    let mut q = full("q", &["a", "b"]).batches(&[1]).on_failure(policy).steps(vec![
        step("x").undo_elsewhere(),
        step("a").undo(2).each(),
        step("b").undo(1).at(&["m", "n"]),
        step("c").upload().undo(1),
        step("d").covered_by("b"),
    ]);
    q.stages.drain.insert(0, step("open").once());
    q.stages.cleanup.push(step("close").once());
    one(q)
}

/// A step past which nothing goes back, in the middle.
fn no_return(policy: OnFailure) -> Plan {
    let steps = vec![step("a").undo(1), step("n").no_return(), step("b").undo(2)];
    let p = full("p", &["a", "b"]).on_failure(policy);
    let q = full("q", &["a", "b"]).batches(&[1]).on_failure(policy).steps(steps);
    plan(vec![p.item(), q.item()])
}

/// What goes wrong, each with every outcome; the second one on the way back that the first brings about.
const WRONG: &[&[&str]] = &[
    &["q/drain/drain/0/b/0"],
    &["q/steps/a/0/b"],
    &["q/steps/b/0/b"],
    &["q/verify/verify/0/a/0"],
    &["q/undrain/undrain/0/b/0"],
    &["q/cleanup/clean/0/a"],
    &["q/verify/verify/0/b/0", "q/undo/b/1/0/b"],
    &["q/verify/verify/0/b/0", "q/undo/a/1/0/a"],
    &["q/verify/verify/0/b/0", "q/verify/verify/0/b/1"],
    &["q/verify/verify/0/b/0", "q/undrain/undrain/0/a/1"],
    &["q/verify/verify/0/b/0", "q/drain/drain/0/a/1"],
];

#[derive(Default)]
struct Counts {
    runs: u64,
    ledgers: u64,
    decisions: u64,
    differences: Vec<String>,
}

impl Counts {
    /// One run, crashed after so many events, resumed, and taken back at the end.
    fn run(&mut self, plan: &Plan, script: Script, crash: usize, back: bool, order: Order) -> usize {
        let mut sim = Sim::new(plan.clone(), script).fault(Fault::Crash(crash));
        sim.compared.order = Some(order);
        sim.start();
        sim.resume(back);
        let events = sim.events.len();
        sim.resume(true);
        self.runs += 1;
        self.ledgers += sim.compared.ledgers;
        self.decisions += sim.compared.decisions;
        if let Some(first) = sim.compared.differences.first().or(sim.checker.violations.first()) {
            self.differences.push(format!("{first}\n{}", sim.story()));
        }
        events
    }
}

fn script(rules: &[&str], outcome: Outcome, probe: Probe) -> Script {
    let mut script = Script::new();
    for (n, rule) in rules.iter().enumerate() {
        // The first brings about the way back; what is then asked for is how the second ends.
        let last = n + 1 == rules.len();
        script = script.on(rule, if last { outcome } else { Failed });
    }
    script.probe = Some(probe);
    script
}

fn every_run(policy: OnFailure, order: Order, shape: fn(OnFailure) -> Plan) -> Counts {
    let plan = shape(policy);
    let mut counts = Counts::default();
    // A soak takes every crash point of every fault; else each takes its share of them.
    let all = std::env::var_os("PITSTOP_CRASH_POINTS").is_some_and(|it| it == "all");
    let share = if all { 1 } else { 6 };
    for (n, rules) in WRONG.iter().enumerate() {
        for outcome in [Failed, Unreachable, Unknown] {
            let whole = counts.run(&plan, script(rules, outcome, Probe::Ended), usize::MAX, true, order);
            for crash in (2 + n % share..whole).step_by(share) {
                // Each answer of the host, and both ways on, over neighbouring crash points.
                let probe = [Probe::Ended, Probe::Never, Probe::Lost][crash % 3];
                counts.run(&plan, script(rules, outcome, probe), crash, crash % 2 == 0, order);
            }
        }
    }
    counts
}

fn the_engine_agrees(policy: OnFailure) {
    let mut all = Counts::default();
    for shape in [two_phases, odd, no_return] {
        let counts = every_run(policy, Order::NewestFirst, shape);
        all.runs += counts.runs;
        all.ledgers += counts.ledgers;
        all.decisions += counts.decisions;
        let n = counts.differences.len();
        assert!(n == 0, "{n} runs differ, the first:\n{}", counts.differences[0]);
    }
    println!(
        "{policy:?}: {} runs, {} ledgers and {} decisions compared, 0 differences",
        all.runs, all.ledgers, all.decisions
    );
    figures::print(
        &format!("rollback: every abort state under {policy:?}, with a crash: engine differs from the oracle"),
        format!("0 in {} runs", all.runs),
        None,
    );
    assert!(all.runs > 500 && all.ledgers > all.runs && all.decisions > all.runs);
}

#[test]
fn the_engine_agrees_with_the_oracle_wherever_a_run_crashes_under_rollback_host() {
    the_engine_agrees(OnFailure::RollbackHost);
}

#[test]
fn the_engine_agrees_with_the_oracle_wherever_a_run_crashes_under_rollback_run() {
    the_engine_agrees(OnFailure::RollbackRun);
}

#[test]
fn the_engine_agrees_with_the_oracle_wherever_a_run_crashes_under_hold() {
    the_engine_agrees(OnFailure::Hold);
}

#[test]
fn the_engine_agrees_with_the_oracle_wherever_a_run_crashes_under_ask() {
    the_engine_agrees(OnFailure::Ask);
}

/// The control: the comparison sees a rule that is turned round.
#[test]
fn an_undo_order_that_is_reversed_is_found_out() {
    let plan = two_phases(OnFailure::RollbackRun);
    let wrong = script(&["q/verify/verify/0/b/0"], Failed, Probe::Ended);
    let mut counts = Counts::default();
    counts.run(&plan, wrong, usize::MAX, false, Order::OldestFirst);
    assert_eq!(counts.differences.len(), 1);
    assert!(
        counts.differences[0].starts_with("next, event"),
        "{}",
        counts.differences[0]
    );
}
