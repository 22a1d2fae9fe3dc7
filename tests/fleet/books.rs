//! The three books of a run that rests: what the hosts noted, what the journal says, what the hosts are like.
//!
//! It reads the journal as JSON and knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use serde_json::Value;

use crate::fleet::{Fleet, records};

/// How much was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Ends of changing steps with the hosts' notes.
    pub ends: usize,
    /// Hosts with the state that the journal gives them.
    pub hosts: usize,
}

impl AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.ends += other.ends;
        self.hosts += other.hosts;
    }
}

/// Compares. `back`: a person asked for the way back.
pub fn compare(fleet: &Fleet, code: i32, back: bool) -> Result<Compared, String> {
    let records = records(&fleet.journal());
    let mut faults = Vec::new();
    let compared = Compared {
        ends: steps(fleet, &records, &mut faults),
        hosts: hosts(fleet, &records, code, back, &mut faults),
    };
    match faults.is_empty() {
        true => Ok(compared),
        false => Err(faults.join("\n")),
    }
}

/// Each change: begun once, with an intent; ended as the journal says.
fn steps(fleet: &Fleet, records: &[Value], faults: &mut Vec<String>) -> usize {
    let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for host in fleet.hosts.keys() {
        let text = std::fs::read_to_string(fleet.hosts[host].home().join("effects")).unwrap_or_default();
        for line in text.lines() {
            let (key, word) = line.rsplit_once(' ').expect("a key and a word");
            let key = key.split_once('/').expect("the run comes first").1;
            notes.entry(key.to_owned()).or_default().push(word.to_owned());
        }
    }
    let (mut intended, mut settled) = (BTreeSet::new(), BTreeMap::new());
    for record in records {
        let event = &record["event"];
        match event["type"].as_str().unwrap() {
            "intended" if event["changes"] == true => {
                intended.insert(printed(&event["key"]));
            }
            "settled" => {
                let outcome = event["outcome"].as_str().unwrap().to_owned();
                if settled.insert(printed(&event["key"]), outcome).is_some() {
                    faults.push(format!("{} ended twice in the journal", printed(&event["key"])));
                }
            }
            _ => {}
        }
    }
    // A new attempt is a new key: two attempts of one slot that both began are a double run too, unless the earlier one is
    // known to have failed (a way back that failed is begun again with that step).
    let mut slots: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, words) in &notes {
        let begun = words.iter().filter(|w| *w == "begin").count();
        if begun > 1 {
            faults.push(format!("{key} began {begun} times"));
        }
        let failed = settled.get(key).is_some_and(|outcome| outcome == "failed");
        *slots.entry(key.rsplit_once('/').expect("an attempt").0).or_default() += usize::from(!failed);
        for word in words
            .iter()
            .filter(|w| !matches!(w.as_str(), "begin" | "end" | "failed"))
        {
            faults.push(format!("{key}: {word}"));
        }
        if !intended.contains(key) {
            faults.push(format!("{key} ran without an intent"));
        }
        if !settled.contains_key(key) {
            faults.push(format!("{key} ran, and the journal has no end of it"));
        }
    }
    let twice = slots.iter().filter(|(_, n)| **n > 1);
    faults.extend(twice.map(|(slot, n)| format!("{slot} began {n} times")));
    let mut compared = 0;
    for (key, outcome) in settled.iter().filter(|(key, _)| intended.contains(*key)) {
        compared += 1;
        let words = notes.get(key).map(Vec::as_slice).unwrap_or_default();
        let agrees = match outcome.as_str() {
            "ok" => words == ["begin", "end"],
            "failed" => words == ["begin", "failed"],
            _ => false,
        };
        if !agrees && !words.iter().any(|w| matches!(w.as_str(), "LIVE" | "ORDER" | "TWICE")) {
            faults.push(format!("{key}: the journal says {outcome}, the host noted {words:?}"));
        }
    }
    compared
}

/// Each host is what the journal says it is.
fn hosts(fleet: &Fleet, records: &[Value], code: i32, back: bool, faults: &mut Vec<String>) -> usize {
    let mut states: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for record in records.iter().filter(|r| r["event"]["type"] == "host_ended") {
        let event = &record["event"];
        let word = |name: &str| event[name].as_str().unwrap();
        states.insert((word("phase"), word("host")), word("state"));
    }
    let Some(ended) = records.iter().rev().find(|r| r["event"]["type"] == "ended") else {
        faults.push("the run has no end".to_owned());
        return 0;
    };
    // Where every host was closed before somebody wished to go back, nothing could be taken back: the run is done.
    let wish = records
        .iter()
        .position(|r| r["event"]["back"] == true)
        .unwrap_or(records.len());
    let closed = records
        .iter()
        .take(wish)
        .filter(|r| r["event"]["type"] == "host_closed")
        .count();
    let too_late = closed == 2 * fleet.hosts.len();
    // A host that was held is looked at again by `resume`: good though a step of it failed, it is `warned`.
    let reopened: BTreeSet<_> = records
        .iter()
        .map(|r| &r["event"])
        .filter(|e| e["type"] == "reopened")
        .filter_map(|e| Some((e["phase"].as_str()?, e["host"].as_str()?)))
        .collect();
    let good = |at: &(&str, &str), s: &str| s == "ok" || s == "warned" && reopened.contains(at);
    let all_good = states.len() == 2 * fleet.hosts.len() && states.iter().all(|(at, s)| good(at, s));
    if code == 0 && (back && !too_late || !all_good) {
        faults.push(format!("called success: {states:?}"));
    }
    let good = |s: &&str| matches!(*s, "rolled_back" | "not_started" | "refused");
    if code == 4 && !states.values().all(good) {
        faults.push(format!("called rolled back: {states:?}"));
    }
    // What the host proves never to have begun has changed nothing.
    let of_type = |kind: &'static str| records.iter().map(|r| &r["event"]).filter(move |e| e["type"] == kind);
    let never: BTreeSet<String> = of_type("never_began").map(|e| printed(&e["key"])).collect();
    let mut changes = of_type("intended").filter(|e| e["changes"] == true);
    if code == 3 && changes.any(|e| !never.contains(&printed(&e["key"]))) {
        faults.push("called never begun, and a change was under way".to_owned());
    }
    let locks = fleet.locks();
    let mut owing = 0;
    for (host, sshd) in &fleet.hosts {
        let is = |name: &str| sshd.home().join(name).exists();
        let state = |phase| states.get(&(phase, host.as_str())).copied();
        let (one, two) = (state("one"), state("two"));
        let seen = format!(
            "{host}: one {one:?}, two {two:?}; a {} b {} c {} out {} tidied {}",
            is("a"),
            is("b"),
            is("c"),
            is("out"),
            is("tidied")
        );
        let right = match one {
            None | Some("refused" | "not_started") => !is("a") && !is("b") && !is("out"),
            Some("ok" | "warned") => is("a") && is("b") && !is("out"),
            Some("rolled_back") => !is("a") && !is("b") && !is("out"),
            // Out of service, unless it failed on its way out.
            Some("held" | "broken") => is("out"),
            _ => false,
        } && match two {
            None | Some("refused" | "not_started" | "rolled_back") => !is("c"),
            Some("ok" | "warned") => is("c"),
            Some("held") => true,
            _ => false,
        };
        if !right {
            faults.push(seen.clone());
        }
        let keeps = [one, two].iter().any(|s| matches!(s, Some("held" | "broken")));
        owing += usize::from(keeps);
        if !keeps && !fleet.left_on(host).is_empty() {
            faults.push(format!("{seen}: left {:?}", fleet.left_on(host)));
        }
    }
    if locks.len() > owing {
        faults.push(format!("{owing} hosts owe something, and {} are locked", locks.len()));
    }
    if owing > 0 && ended["event"]["left_behind"].as_array().is_none_or(Vec::is_empty) {
        faults.push(format!("{owing} hosts are held or broken, and nothing is owed"));
    }
    fleet.hosts.len()
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
