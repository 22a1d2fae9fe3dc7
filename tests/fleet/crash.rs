//! SIGKILL at many moments of one run, resumed each time, and what the hosts say about it.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dice::Dice;
use crate::fleet::{Fleet, code, records};
use crate::to_the_gate;

const KILLS: usize = 20;
const IN_UNDO: usize = 3;
/// No process of this test may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// What was under way when a process was killed.
#[derive(Default)]
struct Kills {
    in_changing: usize,
    in_undo: usize,
}

#[test]
fn p1_twenty_kills_of_one_run_start_no_changing_step_twice_and_lose_none() {
    let seed = std::env::var("PITSTOP_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) + 7);
    println!("seed {seed} (PITSTOP_SEED={seed} repeats it)");
    let mut dice = Dice::of(seed);
    let fleet = Fleet::start(12, "0.3");
    fleet.mark("h05", "bad");
    fleet.mark("h09", "always-bad");
    fleet.mark("h10", "bad");
    to_the_gate(&fleet);
    let mut kills = Kills::default();
    // Twenty at least, and on until the way back was met often enough: where it comes is chance.
    let mut n = 0;
    while n < KILLS || kills.in_undo < IN_UNDO {
        n += 1;
        let mut child = fleet.spawn(&["resume", "last"], "words");
        let killed = kill_in_a_changing_step(&fleet, &mut child, &mut dice, &mut kills);
        assert!(
            killed,
            "the run ended before kill {n}: {}",
            std::fs::read_to_string(fleet.path("words")).unwrap()
        );
    }
    let mut last = fleet.spawn(&["resume", "last"], "words");
    let status = wait(&mut last);
    assert_eq!(
        code(status),
        1,
        "{}",
        std::fs::read_to_string(fleet.path("words")).unwrap()
    );
    println!(
        "{n} kills: {} inside a changing step, {} of these inside an undo",
        kills.in_changing, kills.in_undo
    );
    assert!(kills.in_changing >= 8, "too few kills inside a changing step");
    let (twice, lost) = compare(&fleet);
    assert_eq!((twice, lost), (Vec::new(), Vec::new()), "(ran twice, lost)");
}

/// Waits for the next intents of changing steps in the journal and kills there; an undo is always a good moment.
fn kill_in_a_changing_step(fleet: &Fleet, child: &mut Child, dice: &mut Dice, kills: &mut Kills) -> bool {
    let before = records(&fleet.journal()).len();
    let mut passes = dice.below(2);
    let mut seen = before;
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        let now = records(&fleet.journal());
        for record in now.iter().skip(seen) {
            let event = &record["event"];
            if event["type"] == "intended" && event["changes"] == true {
                let undo = event["key"]["stage"] == "undo";
                if undo || passes == 0 {
                    // Anywhere from before the send to long after the latch.
                    spin(Duration::from_millis(dice.below(250)));
                    child.kill().unwrap();
                    child.wait().unwrap();
                    note(fleet, kills);
                    return true;
                }
                passes -= 1;
            }
        }
        seen = now.len();
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    panic!("nothing happened within {LIMIT:?}");
}

/// Prints the last record before the kill and counts what was open.
fn note(fleet: &Fleet, kills: &mut Kills) {
    let records = records(&fleet.journal());
    let last = records.last().unwrap();
    let open = open_steps(&records);
    let undo = open.iter().any(|k| k.contains("/undo/"));
    println!(
        "killed after record {}: {} {} · under way: {}",
        last["seq"],
        last["event"]["type"],
        last["event"]["key"],
        open.join(" ")
    );
    kills.in_changing += usize::from(!open.is_empty());
    kills.in_undo += usize::from(undo);
}

fn open_steps(records: &[Value]) -> Vec<String> {
    let mut open = BTreeMap::new();
    for record in records {
        let event = &record["event"];
        let key = event["key"].to_string();
        match event["type"].as_str().unwrap() {
            "intended" if event["changes"] == true => {
                open.insert(key, printed(&event["key"]));
            }
            "settled" | "never_began" => {
                open.remove(&key);
            }
            _ => {}
        }
    }
    open.into_values().collect()
}

/// A key as commands see it, without the run.
fn printed(key: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    format!(
        "{}/{}/{}/{}/{}/{}/{}",
        text(&key["phase"]),
        text(&key["stage"]),
        text(&key["step"]),
        key["nth"],
        text(&key["host"]),
        key["pass"],
        key["attempt"]
    )
}

/// The three books: what the hosts saw, against what the journal says. Gives what ran twice and what was lost.
fn compare(fleet: &Fleet) -> (Vec<String>, Vec<String>) {
    let mut begins: BTreeMap<String, usize> = BTreeMap::new();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for host in fleet.hosts.keys() {
        for effect in fleet.effects(host) {
            let key = effect.key.split_once('/').expect("the run comes first").1.to_owned();
            *if effect.end { ends.entry(key) } else { begins.entry(key) }.or_default() += 1;
        }
    }
    // A new attempt is a new key: two attempts of one slot that both began are a double run too.
    let mut slots: BTreeMap<String, usize> = BTreeMap::new();
    for (key, n) in &begins {
        let slot = key.rsplit_once('/').expect("an attempt").0.to_owned();
        *slots.entry(slot).or_default() += n;
    }
    let twice: Vec<String> = slots
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(slot, n)| format!("{slot} ({n} times)"))
        .collect();
    let mut lost = Vec::new();
    let mut compared = 0;
    for record in records(&fleet.journal()) {
        let event = &record["event"];
        let changing = !matches!(event["key"]["stage"].as_str(), Some("precheck" | "verify"));
        if event["type"] == "settled" && changing {
            compared += 1;
            let key = printed(&event["key"]);
            let ended = ends.get(&key).copied().unwrap_or(0);
            if event["outcome"] != "ok" || ended != 1 {
                lost.push(format!(
                    "{key}: journal says {}, the host saw {ended} ends",
                    event["outcome"]
                ));
            }
        }
    }
    println!("{compared} changing steps compared with the hosts' own logs");
    assert!(compared >= 40, "the comparison saw only {compared} steps");
    (twice, lost)
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::yield_now();
    }
    let _ = child.kill();
    panic!("still running after {LIMIT:?}");
}

/// A random wait is the experiment here, not a synchronisation.
fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
