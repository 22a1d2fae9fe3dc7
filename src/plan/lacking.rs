//! What of a plan this build cannot perform: it is planned, shown and approved by nobody.
//!
//! Owns: finding it all. Must not: refuse (`cli` does, before anything is contacted).

use std::collections::BTreeMap;

use super::{BuiltIn, Call, Plan, PlannedHost, PlannedStep, TransportKind};

/// One thing that this build cannot perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What: `` `patch` ``.
    pub what: String,
    /// Where: steps as `PHASE/STEP`, or hosts.
    pub places: Vec<String>,
}

impl Lack {
    /// The first places, as text.
    pub fn shown(&self) -> String {
        let first: Vec<&str> = self.places.iter().take(3).map(String::as_str).collect();
        let more = self.places.len().saturating_sub(3);
        match (first.is_empty(), more) {
            (true, _) => self.what.clone(),
            (false, 0) => format!("{} ({})", self.what, first.join(", ")),
            (false, more) => format!("{} ({} and {more} more)", self.what, first.join(", ")),
        }
    }
}

/// Everything, each kind once.
pub fn lacking(plan: &Plan) -> Vec<Lack> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |what: String, place: Option<String>| found.entry(what).or_default().extend(place);
    for (phase, step) in plan.written_steps().filter(|(_, step)| step.skip.is_none()) {
        let phase = phase.map(|p| format!("{}/", p.id)).unwrap_or_default();
        for step in step.with_undo() {
            for what in of_step(step) {
                add(what, Some(format!("{phase}{}", step.id)));
            }
        }
    }
    for host in &plan.hosts {
        for what in of_host(host) {
            add(what, Some(host.name.to_string()));
        }
    }
    found.into_iter().map(|(what, places)| Lack { what, places }).collect()
}

/// What of a step this build cannot perform.
pub fn of_step(step: &PlannedStep) -> Vec<String> {
    of_call(&step.call)
}

fn of_call(call: &Call) -> Vec<String> {
    match call {
        Call::Powershell { .. } => vec![format!("`{}`", call.word())],
        Call::BuiltIn(BuiltIn::Check(check)) | Call::WaitCheck { check, .. } => check.lacking().into_iter().collect(),
        Call::ByOs { .. } => vec!["a step for Linux and Windows hosts at once".to_owned()],
        _ => Vec::new(),
    }
}

fn of_host(host: &PlannedHost) -> Vec<String> {
    let mut found = Vec::new();
    match host.transport {
        TransportKind::Winrm => found.push("`transport: winrm`".to_owned()),
        TransportKind::Script => found.push("`transport: script` outside of `pitstop test`".to_owned()),
        TransportKind::Local if host.os == "windows" => found.push("`os: windows`".to_owned()),
        TransportKind::Ssh | TransportKind::Local => {}
    }
    found
}
