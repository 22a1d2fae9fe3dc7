//! What differs between two plans, in the order an approver reads them.
//!
//! Owns: the comparison and its words. Must not: say whether a difference matters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::super::{Plan, PlanItem, PlannedStep, PlannedUndo};
use super::facts::STAGES;
use super::words::duration;
use crate::text;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where (`step web/upgrade "Install the updates": limit`).
    pub at: String,
    /// In the first plan; `None`: it is not there.
    pub old: Option<String>,
    /// In the second; `None`: it is not there.
    pub new: Option<String>,
}

/// A part of a plan that has a name: what it is called, what it holds, what it comes to in a few words.
struct Part {
    place: String,
    holds: Json,
    short: String,
}

/// Two texts as a unified difference with three lines around each change. Nothing if they are equal.
pub fn unified(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().to_string()
}

/// Every difference of two plans; empty: they are equal.
pub fn diff(a: &Plan, b: &Plan) -> Vec<Difference> {
    let (old, new) = (named(a), named(b));
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let left: BTreeMap<&str, &Part> = old.iter().map(|p| (p.place.as_str(), p)).collect();
    let right: BTreeMap<&str, &Part> = new.iter().map(|p| (p.place.as_str(), p)).collect();
    for place in old.iter().chain(&new).map(|p| p.place.as_str()) {
        if !seen.insert(place) {
            continue;
        }
        match (left.get(place), right.get(place)) {
            (Some(a), Some(b)) => compare(place, Some(&a.holds), Some(&b.holds), &mut out),
            (a, b) => out.push(Difference {
                at: place.to_owned(),
                old: a.map(|p| p.short.clone()),
                new: b.map(|p| p.short.clone()),
            }),
        }
    }
    order(&old, &new, &mut out);
    out
}

/// Phases, gates and steps are compared by name; their order is a difference of its own.
fn order(old: &[Part], new: &[Part], out: &mut Vec<Difference>) {
    let names = |l: &[Part], other: &[Part]| {
        let ordered = |p: &&Part| ["phase ", "gate ", "step "].iter().any(|w| p.place.starts_with(w));
        let both = |p: &&Part| other.iter().any(|q| q.place == p.place);
        l.iter()
            .filter(ordered)
            .filter(both)
            .map(|p| p.place.clone())
            .collect::<Vec<_>>()
    };
    let (a, b) = (names(old, new), names(new, old));
    if a != b {
        out.push(Difference {
            at: "order".to_owned(),
            old: Some(a.join("\n")),
            new: Some(b.join("\n")),
        });
    }
}

/// The differences as text; `equal` is said in words.
pub fn diff_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "The plans are equal.\n".to_owned();
    }
    let mut out = String::new();
    for d in differences {
        let _ = writeln!(out, "{}", text::terminal(&d.at));
        for line in lines(d) {
            let _ = writeln!(out, "  {}", text::terminal_line(&line));
        }
    }
    out
}

/// The differences as Markdown.
pub fn diff_markdown(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "The plans are equal.\n".to_owned();
    }
    let mut out = String::from("# Differences\n");
    for d in differences {
        let body = lines(d).join("\n");
        let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat((longest + 1).max(3));
        let _ = writeln!(
            out,
            "\n**{}**\n\n{fence}diff\n{}\n{fence}",
            text::markdown(&d.at),
            text::terminal(&body)
        );
    }
    out
}

/// `-` and `+` lines; of longer texts with three lines of what is equal around them.
fn lines(d: &Difference) -> Vec<String> {
    // Each text ends its last line: else a list that lost its end would show one more line than differs.
    let whole = |t: &Option<String>| t.as_ref().map(|t| format!("{t}\n")).unwrap_or_default();
    let (old, new) = (whole(&d.old), whole(&d.new));
    let texts = TextDiff::from_lines(&old, &new);
    let mut out = Vec::new();
    for (n, group) in texts.grouped_ops(3).iter().enumerate() {
        if n > 0 {
            out.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|op| texts.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            out.push(format!("{sign} {}", change.value().trim_end_matches(['\n', '\r'])));
        }
    }
    out
}

/// The plan as named parts: what has a name is compared by its name, not by its place in a list.
fn named(plan: &Plan) -> Vec<Part> {
    let mut out = Vec::new();
    let mut whole = json(plan);
    if let Json::Object(map) = &mut whole {
        for listed in ["items", "hosts", "steady_state", "objectives", "silences", "notices"] {
            map.remove(listed);
        }
        for (place, holds) in std::mem::take(map) {
            out.push(part(place.replace('_', " "), holds));
        }
    }
    for h in &plan.hosts {
        out.push(Part {
            place: format!("host {}", h.name),
            holds: json(h),
            short: h
                .port
                .map_or_else(|| h.address.clone(), |port| format!("{}:{port}", h.address)),
        });
    }
    for o in &plan.objectives {
        out.push(Part {
            place: format!("objective {}", o.name),
            holds: json(o),
            short: format!("from {} to {} in {}", o.from, o.to, duration(o.max_ms)),
        });
    }
    let silences = plan.silences.iter().map(|s| (&s.via, json(s)));
    numbered(&mut out, "silence", silences);
    let notices = plan.notices.iter().map(|n| (&n.via, json(n)));
    numbered(&mut out, "message", notices);
    steps(&mut out, "steady_state", &plan.steady_state);
    for item in &plan.items {
        match item {
            PlanItem::Gate(g) => out.push(Part {
                place: format!("gate {}", g.id),
                holds: json(g),
                short: g.title.clone(),
            }),
            PlanItem::Phase(p) => {
                let mut rest = json(p);
                if let Json::Object(map) = &mut rest {
                    map.remove("stages");
                    map.remove("steady_state");
                }
                out.push(Part {
                    place: format!("phase {}", p.id),
                    holds: rest,
                    short: p.title.clone(),
                });
                steps(&mut out, &format!("{}/steady_state", p.id), &p.steady_state);
                for stage in STAGES {
                    steps(&mut out, &format!("{}/{}", p.id, stage.as_str()), p.stages.get(stage));
                }
            }
        }
    }
    out
}

/// Parts that have no name of their own, in the order they are written.
fn numbered<'p>(out: &mut Vec<Part>, what: &str, list: impl Iterator<Item = (&'p String, Json)>) {
    for (n, (via, holds)) in list.enumerate() {
        out.push(Part {
            place: format!("{what} {}", n + 1),
            holds,
            short: format!("via {via}"),
        });
    }
}

/// Steps by id, their undo steps as parts of their own.
fn steps(out: &mut Vec<Part>, of: &str, list: &[PlannedStep]) {
    for s in list {
        let mut holds = json(s);
        let mut undo: &[PlannedStep] = &[];
        if let (PlannedUndo::Steps(steps), Json::Object(map)) = (&s.undo, &mut holds) {
            undo = steps;
            map.insert("undo".to_owned(), Json::from(format!("{} steps", steps.len())));
        }
        out.push(Part {
            place: format!("step {of}/{}", s.id),
            holds,
            short: s.name.clone(),
        });
        steps(out, &format!("{of} (undo)"), undo);
    }
}

fn part(place: String, holds: Json) -> Part {
    Part {
        short: words("", &holds),
        place,
        holds,
    }
}

fn json<T: Serialize>(value: &T) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

fn compare(at: &str, old: Option<&Json>, new: Option<&Json>, out: &mut Vec<Difference>) {
    let key = at.rsplit([' ', '.']).next().unwrap_or(at);
    match (old, new) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for k in keys {
                let sep = if at.contains(": ") { "." } else { ": " };
                compare(&format!("{at}{sep}{k}"), a.get(k), b.get(k), out);
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) if a.iter().chain(b).all(Json::is_string) => {
            let list = |l: &[Json]| l.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n");
            out.push(Difference {
                at: at.to_owned(),
                old: Some(list(a)),
                new: Some(list(b)),
            });
        }
        _ => out.push(Difference {
            at: at.trim_end_matches("_ms").to_owned(),
            old: old.map(|v| words(key, v)),
            new: new.map(|v| words(key, v)),
        }),
    }
}

/// A value in words; `…_ms` is a length of time.
fn words(key: &str, v: &Json) -> String {
    match v {
        Json::String(s) => s.clone(),
        Json::Number(n) if key.ends_with("_ms") => n.as_u64().map_or_else(|| n.to_string(), duration),
        Json::Null => "none".to_owned(),
        other => other.to_string(),
    }
}
