//! Random small plans in random worlds with crashes, signals and people: every promise of `check` holds in all of them.
//!
//! `PITSTOP_SEED=N` runs one seed and tells its story; `PITSTOP_SIMULATED=N` sets how many are run. Seeds that once found something
//! stand in `tests/data/seeds.txt` and run first.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Checker;
use super::figures;
use super::oracle::Order;
use super::rehearse;
use super::sample::*;
use super::sim::*;
use crate::control::{self, Protection};
use crate::id::HostName;
use crate::plan::*;
use crate::run::Run;
use crate::run::ask::Choice;
use crate::run::event::*;
use crate::run::next::goes_on;

/// SplitMix64: small, good enough, the same everywhere.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678)
    }

    pub fn roll(&mut self, of: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % of as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())].clone()
    }
}

/// A world of chance, more or less friendly.
struct Chance {
    dice: Dice,
    /// One step in so many goes wrong.
    bad: usize,
    /// Monitoring does not agree to one request in so many; 0: it always does.
    moody: usize,
    /// One step in so many says that it went well and did nothing; `verify` sees that.
    lies: usize,
    /// The lies that are not taken back: phase, host, step, place.
    lied: BTreeSet<(String, HostName, String, u32)>,
    /// Hosts without an item for `verify` to look at: phase and host.
    blind: BTreeSet<(String, HostName)>,
}

impl Chance {
    /// What a step really did, whatever it says.
    fn truth(&mut self, key: &StepKey, outcome: Outcome) -> Outcome {
        let Some(host) = &key.host else { return outcome };
        let place = |step: &str| (key.phase.clone(), host.clone(), step.to_owned(), key.nth);
        let here = |(phase, h, ..): &(String, HostName, String, u32)| *phase == key.phase && h == host;
        match (key.stage, outcome) {
            (Stage::Steps, Outcome::Ok) => {
                self.lied.remove(&place(&key.step));
                if self.dice.one_in(self.lies) {
                    self.lied.insert(place(&key.step));
                }
            }
            // Taken back is taken back, also what was never done.
            (Stage::Undo, Outcome::Ok) => {
                let of = key.step.split('/').next().unwrap();
                self.lied.retain(|l| !(here(l) && l.2 == of));
            }
            (Stage::Verify, Outcome::Ok) if self.lied.iter().any(here) => return Outcome::Failed,
            _ => {}
        }
        outcome
    }
}

impl World for Chance {
    fn fate(&mut self, key: &StepKey) -> Fate {
        let d = &mut self.dice;
        let outcome = if d.one_in(self.bad) {
            let any = [
                Outcome::Failed,
                Outcome::TimedOut,
                Outcome::Unreachable,
                Outcome::Unknown,
            ];
            d.of(if key.stage == Stage::Steady {
                &any[..1]
            } else {
                &any[..]
            })
        } else if d.one_in(4) {
            Outcome::Skipped
        } else {
            Outcome::Ok
        };
        // Only what has a condition may be left out, and only the simulation knows which that is.
        let unconditional = matches!(key.stage, Stage::Steady | Stage::Verify | Stage::Undo);
        let outcome = if unconditional && outcome == Outcome::Skipped {
            Outcome::Ok
        } else {
            outcome
        };
        let (warned, ms) = (d.one_in(8), 1000 * (1 + d.roll(400)) as u64);
        Fate {
            outcome: self.truth(key, outcome),
            warned,
            changed: true,
            ms,
        }
    }
    fn reached(&mut self, _: &str, _: &HostName) -> bool {
        !self.dice.one_in(3 * self.bad)
    }
    fn needed(&mut self, _: &str, _: &HostName) -> bool {
        !self.dice.one_in(4)
    }
    fn last(&mut self, _: &str, _: u32, _: &HostName) -> bool {
        self.dice.one_in(3)
    }
    fn items(&mut self, key: &StepKey) -> usize {
        let items = self.dice.roll(4);
        if let (0, Stage::Verify, Some(host)) = (items, key.stage, &key.host) {
            self.blind.insert((key.phase.clone(), host.clone()));
        }
        items
    }
    fn word(&mut self, _: &str) -> Word {
        match self.dice.roll(8) {
            0 => Word::No,
            1 => Word::Silence,
            2 => Word::Absent,
            _ => Word::Yes,
        }
    }
    fn probe(&mut self, _: &StepKey) -> Probe {
        self.dice.of(&[Probe::Ended, Probe::Ended, Probe::Never, Probe::Lost])
    }
    fn monitoring(&mut self, _: &SilenceKey, _: bool) -> Monitoring {
        match self.moody {
            0 => Monitoring::Agrees,
            one_in if self.dice.one_in(one_in) => self.dice.of(&[Monitoring::Refuses, Monitoring::Mute]),
            _ => Monitoring::Agrees,
        }
    }
    fn choice(&mut self, _: &HostName, _: &Slot, may: &[Choice]) -> Option<Choice> {
        (!self.dice.one_in(4)).then(|| self.dice.of(may))
    }
    fn pick(&mut self, of: usize) -> usize {
        self.dice.roll(of)
    }
}

fn random_step(d: &mut Dice, id: &str, earlier: &[PlannedStep]) -> PlannedStep {
    let covers = earlier
        .iter()
        .find(|s| matches!(s.undo, PlannedUndo::Steps(_)) && s.when.is_none() && s.for_each.is_none());
    let mut s = match d.roll(8) {
        0 => read(id),
        1 => step(id).no_return(),
        2 => step(id).undo_elsewhere(),
        3 if covers.is_some() => step(id).covered_by(&covers.unwrap().id),
        4 => step(id).undo(2),
        5 => step(id).undo(1).at(&["x", "y"]),
        _ => step(id).undo(1),
    };
    if d.one_in(4) {
        s = s.when();
    }
    if d.one_in(4) {
        s = s.each();
        if d.one_in(3) {
            s = s.at(&["x", "y"]);
        }
    }
    if d.one_in(5) {
        s = s.retry(2, 1000, 200);
    }
    s
}

fn random_phase(d: &mut Dice, id: &str) -> PlannedPhase {
    let all = ["h1", "h2", "h3", "h4"];
    let n = 1 + d.roll(4);
    let mut p = phase(id, &all[..n]).parallel(1 + d.roll(3) as u32);
    p.on_failure = d.of(&[
        OnFailure::RollbackHost,
        OnFailure::RollbackHost,
        OnFailure::RollbackRun,
        OnFailure::Hold,
        OnFailure::Ask,
    ]);
    if matches!(p.on_failure, OnFailure::RollbackHost | OnFailure::RollbackRun) {
        p.rollout.max_fail = d.of(&[Size::Count(0), Size::Count(1), Size::Count(2), Size::Percent(50)]);
    }
    p.rollout.batches = d.of(&[
        vec![],
        vec![Size::Count(1)],
        vec![Size::Count(1), Size::Count(2)],
        vec![Size::Percent(50)],
    ]);
    p.rollout.soak_ms = d.of(&[0, 0, 60_000]);
    if d.one_in(5) {
        p.rollout.last = Some("results.pre.x".to_owned());
    }
    if d.one_in(4) {
        p.rollout.gate = Some(gate(id, d.of(&[Otherwise::Hold, Otherwise::RollbackRun])));
    }
    if d.one_in(5) {
        p.when = Some("results.pre.x".to_owned());
    }
    if d.one_in(4) {
        p.steady_state = vec![read("own")];
    }
    if d.one_in(2) {
        let pre = read("pre");
        p.stages.precheck.push(if d.one_in(4) { pre.each() } else { pre });
    }
    if d.one_in(3) {
        p.stages.precheck.push(read("fresh").fresh());
    }
    if d.one_in(6) {
        p.stages.precheck.push(read("shared").once());
    }
    if d.one_in(8) {
        p.changes = false;
        p.stages.steps = vec![read("look")];
        // Not rolled for: other seeds keep their stories. Its hosts flow.
        if p.rollout.soak_ms > 0 {
            p.stages.precheck.clear();
            p.rollout.batches.clear();
            (p.rollout.gate, p.rollout.last) = (None, None);
        }
        return p;
    }
    let drains = d.one_in(2);
    if d.one_in(4) {
        p.stages.drain.push(step("open").once());
        p.stages.cleanup.push(step("close").once());
    }
    if drains {
        let drain = step("drain");
        p.stages.drain.push(if d.one_in(5) { drain.each() } else { drain });
        p.stages.undrain.push(step("undrain"));
    }
    for i in 0..1 + d.roll(3) {
        let s = random_step(d, &format!("s{i}"), &p.stages.steps);
        p.stages.steps.push(s);
    }
    if drains || d.one_in(2) {
        let verify = read("verify");
        p.stages.verify.push(if d.one_in(5) { verify.each() } else { verify });
    }
    for i in 0..d.roll(3) {
        let s = step(&format!("clean{i}"));
        let s = if d.one_in(5) { s.each() } else { s };
        p.stages.cleanup.insert(0, if d.one_in(3) { s.when() } else { s });
    }
    p
}

fn random_plan(d: &mut Dice) -> Plan {
    let mut items = vec![random_phase(d, "p1").item()];
    if d.one_in(3) {
        items.push(gate("g", d.of(&[Otherwise::Hold, Otherwise::RollbackRun])).item());
    }
    if d.one_in(2) {
        // Its id sorts before the first: nothing may depend on names.
        items.push(random_phase(d, "a2").item());
    }
    let mut p = plan(items);
    if d.one_in(3) {
        p.steady_state = vec![read("steady")];
        if d.one_in(4) {
            p.steady_state.push(read("each").each());
        }
    }
    if d.one_in(6) {
        let ms = 1000 * (600 + d.roll(7200)) as u64;
        p.window = Some(window(ms, d.of(&[0, 300_000]), d.of(&[None, Some(60_000)])));
    }
    p
}

/// After a process: people decide something, or nothing.
fn people(sim: &mut Sim<Chance>, d: &mut Dice) {
    let mut wishes = Vec::new();
    for (id, phase) in &sim.run.phases {
        for (host, line) in &phase.lines {
            for (slot, run) in &line.slots {
                if run.changes && run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown) {
                    wishes.push((id.clone(), host.clone(), slot.clone()));
                }
            }
        }
    }
    for (phase, host, slot) in wishes {
        if d.one_in(2) {
            let word = d.of(&["ok", "failed", "rerun", "skip"]);
            sim.decide(&phase, &host, slot, word);
        }
    }
}

/// One life of one run; the violations, with the story.
pub fn life(seed: u64) -> Result<Sim<impl World>, String> {
    spoilt(seed, |_| {})
}

/// As `life`, but the decider is given another plan than the checker.
fn spoilt(seed: u64, spoil: impl Fn(&mut PlannedPhase)) -> Result<Sim<impl World>, String> {
    let mut d = Dice::new(seed);
    let plan = random_plan(&mut d);
    // Dice of their own: other seeds keep their stories.
    let rehearsed = Dice::new(seed ^ 0x0E4E_A25E_0000).one_in(6);
    let plan = if rehearsed { rehearse::rehearsed(plan) } else { plan };
    let bad = d.of(&[6, 12, 40, 1000]);
    let world = Chance {
        dice: Dice::new(seed ^ 0xABCD_EF01),
        bad,
        lies: d.of(&[8, 60, 1_000_000]),
        lied: BTreeSet::new(),
        blind: BTreeSet::new(),
        moody: 0,
    };
    let mut sim = Sim::new(plan, world);
    // Not rolled for: seeds that found something keep their stories.
    let mut quiet = Dice::new(seed ^ 0x0051_1E4C_E000);
    if quiet.one_in(3) && !kept().contains(&seed) {
        sim.plan = with_silences(sim.plan, quiet.roll(3));
        sim.checker = Checker::new(&sim.plan);
        sim.world.moody = quiet.of(&[0, 12, 3]);
    }
    let mut sits = Dice::new(seed ^ 0x0005_EA7E_D000);
    sim.attended = sits.one_in(3);
    for item in &mut sim.plan.items {
        if let PlanItem::Phase(p) = item {
            spoil(p);
        }
    }
    for _ in 0..d.roll(4) {
        let at = 2 + d.roll(90);
        let fault = match d.roll(10) {
            0..=1 => Fault::Signal(at),
            2..=5 => Fault::Crash(at),
            6 => Fault::DiskFull(at),
            7 => Fault::Clock(at, d.of(&[-7200, -5, 3600])),
            8 => Fault::Reboot(at),
            _ => Fault::Delay(at, 1800),
        };
        sim.faults.push(fault);
    }
    sim.compared.order = seed.is_multiple_of(4).then_some(Order::NewestFirst);
    let mut end = sim.start();
    for round in 0..6 {
        let done = matches!(
            end,
            End::Ended(Verdict::Done | Verdict::Failed | Verdict::RolledBack, _)
        );
        if done && !d.one_in(4) || round >= 3 && end != End::Crashed {
            break;
        }
        if end != End::Crashed {
            people(&mut sim, &mut d);
        }
        let back = d.one_in(4);
        sim.attended = sim.attended && !sits.one_in(3);
        let told = sim.events.len();
        let jumps = |faults: &[Fault]| faults.iter().filter(|f| matches!(f, Fault::Clock(..))).count();
        let jumped = jumps(&sim.faults);
        let foreseen = goes_on(&sim.plan, &sim.run, sim.now, back);
        end = sim.resume(back);
        let work = |e: &Stamped| matches!(e.event, Event::Intended { .. } | Event::Reached { .. });
        // Nobody foresees that the clock goes back, into the window.
        let foreseen = foreseen || jumps(&sim.faults) < jumped;
        if !foreseen && sim.events[told..].iter().any(work) {
            return Err(format!("`resume` is not offered, and yet it works\n{}", sim.story()));
        }
    }
    if Run::fold(&sim.events) != sim.run {
        return Err(format!("the fold tells another run\n{}", sim.story()));
    }
    if let Some(first) = sim.compared.differences.first() {
        return Err(format!("the oracle says otherwise: {first}\n{}", sim.story()));
    }
    for (id, phase) in &sim.run.phases {
        let proves = sim.plan.phase(id).is_some_and(|p| !p.stages.verify.is_empty());
        for (host, line) in &phase.lines {
            let good = matches!(
                line.ended,
                Some(HostState::Ok | HostState::Warned | HostState::RolledBack)
            );
            let bad = sim.world.lied.iter().any(|(p, h, ..)| p == id && h == host);
            // Or a person said of a `verify` that it went well.
            let told = |e: &Stamped| matches!(&e.event, Event::Decided { phase, host: h, slot, verdict, .. } if phase == id && h == host && slot.stage == Stage::Verify && verdict == "ok");
            let blind = sim.world.blind.contains(&(id.clone(), host.clone())) || sim.events.iter().any(told);
            if proves && good && bad && !blind {
                return Err(format!(
                    "a host that is not good is said to be: {host}\n{}",
                    sim.story()
                ));
            }
        }
    }
    // Of a rehearsal nothing stays, if it says that it is done.
    if sim.plan.rehearsal && matches!(end, End::Ended(Verdict::Done, _)) {
        let mut lines = sim.run.phases.values().flat_map(|p| &p.lines);
        let stays = lines.find(|(_, l)| l.changed() && l.ended != Some(HostState::RolledBack));
        if let Some((host, _)) = stays {
            return Err(format!("a rehearsal left {host} changed\n{}", sim.story()));
        }
    }
    let Checker { violations, .. } = &sim.checker;
    if violations.is_empty() {
        Ok(sim)
    } else {
        Err(format!("{}\n{}", violations.join("\n"), sim.story()))
    }
}

/// Seeds that once found something, each with what it was.
const KEPT: &str = include_str!("../../../tests/data/seeds.txt");

fn kept() -> Vec<u64> {
    let kept = KEPT.lines().filter(|l| !l.starts_with('#'));
    kept.map(|l| l.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// So many tests share the seeds, to be run side by side.
const PARTS: u64 = 8;

/// Seeds of one test. `tests/run` and the soak set how many there are in all.
fn seeds(part: u64) -> std::ops::Range<u64> {
    let all: u64 = std::env::var("PITSTOP_SIMULATED").map_or(8_000, |n| n.parse().unwrap());
    part * all / PARTS..(part + 1) * all / PARTS
}

fn every_promise_holds(part: u64) {
    if let Ok(seed) = std::env::var("PITSTOP_SEED") {
        match life(seed.parse().unwrap()) {
            Ok(sim) => println!("{}", sim.story()),
            Err(why) => panic!("seed {seed}: {why}"),
        }
        return;
    }
    // Promise → how often it was broken, and the first seed.
    let mut broken: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let (mut runs, mut ledgers, mut decisions, mut asked) = (0u64, 0, 0, 0);
    let kept = if part == 0 { kept() } else { Vec::new() };
    for seed in kept.into_iter().chain(seeds(part)) {
        runs += 1;
        let why = match std::panic::catch_unwind(|| life(seed)) {
            Ok(Ok(sim)) => {
                ledgers += sim.compared.ledgers;
                decisions += sim.compared.decisions;
                let question = |e: &&Stamped| matches!(e.event, Event::Asked { .. });
                asked += sim.events.iter().filter(question).count();
                continue;
            }
            Ok(Err(why)) => why,
            Err(e) => e.downcast_ref::<String>().cloned().unwrap_or_default(),
        };
        let first = why.lines().next().unwrap_or_default();
        let promise = first.split(": ").next().unwrap_or_default().to_owned();
        broken.entry(promise).or_insert((0, seed)).0 += 1;
    }
    println!(
        "{runs} runs; a person was asked {asked} times; compared with the oracle: {ledgers} ledgers, {decisions} decisions"
    );
    let first = seeds(part).start;
    let part = part + 1;
    figures::print(
        &format!("simulated runs with crashes, lost links, delays, reboots, lies, part {part}: promises broken"),
        format!("{} in {runs} runs", broken.len()),
        Some(first),
    );
    figures::print(
        &format!("ledgers and decisions of those runs against the oracle, part {part}: compared"),
        ledgers + decisions,
        Some(first),
    );
    assert!(
        broken.is_empty(),
        "broken promise → (how often, first seed): {broken:#?}\nPITSTOP_SEED=N tells the story; keep the seed in tests/data/seeds.txt"
    );
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_1() {
    every_promise_holds(0);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_2() {
    every_promise_holds(1);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_3() {
    every_promise_holds(2);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_4() {
    every_promise_holds(3);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_5() {
    every_promise_holds(4);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_6() {
    every_promise_holds(5);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_7() {
    every_promise_holds(6);
}

#[test]
fn every_promise_holds_in_random_runs_with_faults_8() {
    every_promise_holds(7);
}

/// The control: a decider that goes by other rules than the plan's is found out.
fn is_found(promise: &str, spoil: impl Fn(&mut PlannedPhase) + Copy) {
    let found = |seed| spoilt(seed, spoil).err().is_some_and(|why| why.contains(promise));
    assert!((0..500).any(found), "nobody noticed: {promise}");
}

#[test]
fn control_with_the_undo_order_reversed_the_random_runs_find_it() {
    let reversed = |seed: &u64| control::without(Protection::UndoOrder, || life(*seed).err());
    let found: Vec<String> = (0..200).filter_map(|seed| reversed(&seed)).collect();
    let by = |word: &str| found.iter().filter(|why| why.contains(word)).count();
    assert!(
        by("undo in reverse order of starting") > 0,
        "the checker does not notice"
    );
    println!("{} of 200 runs say so", found.len());
}

#[test]
fn a_decider_that_keeps_other_rules_is_found_out() {
    is_found("good only after a verify", |p| p.stages.verify.clear());
    is_found("started hosts never grow past max_fail", |p| {
        p.rollout.max_fail = Size::Percent(100);
        p.rollout.batches.truncate(1);
    });
    is_found("at most `parallel` hosts at a time", |p| p.rollout.parallel = 10);
    is_found("no step under live traffic", |p| p.stages.drain.retain(|s| s.once));
    is_found("undo in reverse order of starting", |p| {
        for s in &mut p.stages.steps {
            if let PlannedUndo::Steps(list) = &mut s.undo {
                list.reverse();
            }
        }
    });
    is_found("the items are written down before the first is done", |p| {
        for s in &mut p.stages.steps {
            s.for_each = None;
        }
    });
    is_found("not past the point of no return", |p| {
        for s in &mut p.stages.steps {
            if matches!(s.undo, PlannedUndo::None(_)) {
                s.undo = PlannedUndo::NotNeeded;
            }
        }
    });
}
