//! What differs between two plans, in the order an approver reads them.
//!
//! Owns: the comparison. Must not: say whether a difference matters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::{Plan, PlanItem};
use super::facts::STAGES;
use crate::text;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where (`phase web/steps/upgrade: timeout_ms`).
    pub at: String,
    /// In the first plan; `None`: it is not there.
    pub old: Option<String>,
    /// In the second; `None`: it is not there.
    pub new: Option<String>,
}

/// Every difference of two plans; empty: they are equal.
pub fn diff(a: &Plan, b: &Plan) -> Vec<Difference> {
    let (old, new) = (named(a), named(b));
    let mut out = Vec::new();
    let places = old.iter().chain(&new).map(|(p, _)| p);
    let mut seen = std::collections::BTreeSet::new();
    let left: BTreeMap<&str, &Json> = old.iter().map(|(p, v)| (p.as_str(), v)).collect();
    let right: BTreeMap<&str, &Json> = new.iter().map(|(p, v)| (p.as_str(), v)).collect();
    for place in places {
        if seen.insert(place.as_str()) {
            compare(
                place,
                left.get(place.as_str()).copied(),
                right.get(place.as_str()).copied(),
                &mut out,
            );
        }
    }
    order(&old, &new, &mut out);
    out
}

/// Phases, gates and steps are compared by name; their order is a difference of its own.
fn order(old: &[(String, Json)], new: &[(String, Json)], out: &mut Vec<Difference>) {
    let names = |l: &[(String, Json)], other: &[(String, Json)]| {
        let mine = l.iter().map(|(p, _)| p.clone());
        mine.filter(|p| p.starts_with("phase ") || p.starts_with("gate "))
            .filter(|p| other.iter().any(|(q, _)| q == p))
            .collect::<Vec<_>>()
    };
    let (a, b) = (names(old, new), names(new, old));
    if a != b {
        out.push(Difference {
            at: "order".to_owned(),
            old: Some(a.join(", ")),
            new: Some(b.join(", ")),
        });
    }
}

/// The differences as text, one a block; `equal` is said in words.
pub fn diff_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "The plans are equal.\n".to_owned();
    }
    let mut out = String::new();
    for d in differences {
        let _ = writeln!(out, "{}", text::terminal(&d.at));
        for (sign, value) in [("-", &d.old), ("+", &d.new)] {
            for line in value.iter().flat_map(|v| v.lines()) {
                let _ = writeln!(out, "  {sign} {}", text::terminal(line));
            }
        }
    }
    out
}

/// The plan as named parts: what has a name is compared by its name, not by its place in a list.
fn named(plan: &Plan) -> Vec<(String, Json)> {
    let mut out = Vec::new();
    let mut whole = json(plan);
    if let Json::Object(map) = &mut whole {
        for listed in ["items", "hosts"] {
            map.remove(listed);
        }
        for (k, v) in std::mem::take(map) {
            out.push((k, v));
        }
    }
    for h in &plan.hosts {
        out.push((format!("host {}", h.name), json(h)));
    }
    for item in &plan.items {
        match item {
            PlanItem::Gate(g) => out.push((format!("gate {}", g.id), json(g))),
            PlanItem::Phase(p) => {
                let mut rest = json(p);
                if let Json::Object(map) = &mut rest {
                    map.remove("stages");
                    map.remove("steady_state");
                }
                out.push((format!("phase {}", p.id), rest));
                for s in &p.steady_state {
                    out.push((format!("phase {}/steady_state/{}", p.id, s.id), json(s)));
                }
                for stage in STAGES {
                    for s in p.stages.get(stage) {
                        out.push((format!("phase {}/{}/{}", p.id, stage.as_str(), s.id), json(s)));
                    }
                }
            }
        }
    }
    out
}

fn json<T: Serialize>(value: &T) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

fn compare(at: &str, old: Option<&Json>, new: Option<&Json>, out: &mut Vec<Difference>) {
    match (old, new) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for k in keys {
                let sep = if at.contains(": ") { "." } else { ": " };
                compare(&format!("{at}{sep}{k}"), a.get(k), b.get(k), out);
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) if a.iter().chain(b).all(Json::is_string) => {
            let gone: Vec<&str> = a.iter().filter(|x| !b.contains(x)).filter_map(Json::as_str).collect();
            let come: Vec<&str> = b.iter().filter(|x| !a.contains(x)).filter_map(Json::as_str).collect();
            let said = |l: Vec<&str>| (!l.is_empty()).then(|| l.join(", "));
            if gone.is_empty() && come.is_empty() {
                out.push(Difference {
                    at: format!("{at} (order)"),
                    old: old.map(words),
                    new: new.map(words),
                });
            } else {
                out.push(Difference {
                    at: at.to_owned(),
                    old: said(gone),
                    new: said(come),
                });
            }
        }
        _ => out.push(Difference {
            at: at.to_owned(),
            old: old.map(words),
            new: new.map(words),
        }),
    }
}

fn words(v: &Json) -> String {
    match v {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    }
}
