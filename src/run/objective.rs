//! How long it took from one mark to another, and whether that is good enough.
//!
//! Owns: the arithmetic of marks, objectives and time spent waiting for people. Must not: ask a clock; only events have times.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Outcome, Slot, Stamped, StepKey, Verdict};
use super::moment;
use crate::id::HostName;
use crate::plan::page::duration;
use crate::plan::{Call, Plan, PlannedObjective, PlannedStep, PlannedUndo};

/// One objective, measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectiveResult {
    /// Its name.
    pub name: String,
    /// The mark it begins at.
    pub from: String,
    /// The mark it ends at.
    pub to: String,
    /// When that was.
    #[serde(with = "moment::maybe")]
    pub from_at: Option<Timestamp>,
    /// When that was.
    #[serde(with = "moment::maybe")]
    pub to_at: Option<Timestamp>,
    /// The limit.
    pub max_ms: u64,
    /// True: time spent waiting for people does not count.
    pub less_waiting: bool,
    /// What counts against the limit; `None`: a mark is missing or the span is negative.
    pub actual_ms: Option<u64>,
    /// The part of the span in which people were waited for, counted or not.
    pub waited_ms: u64,
    /// True if the limit was kept.
    pub met: bool,
    /// Why not, one sentence; empty if met.
    pub why: String,
    /// The parts of the span, from mark to mark, where further marks lie in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<SpanPart>,
}

/// A part of an objective's span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanPart {
    /// The mark it begins at.
    pub from: String,
    /// The mark it ends at.
    pub to: String,
    /// How long it was, waiting included.
    pub ms: u64,
    /// How long people were waited for in it.
    pub waited_ms: u64,
}

impl SpanPart {
    /// What is left without waiting for people.
    pub fn worked_ms(&self) -> u64 {
        self.ms.saturating_sub(self.waited_ms)
    }
}

/// A mark as one host set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkSet {
    /// Its name.
    pub name: String,
    /// For which host; `None`: for the run.
    pub host: Option<HostName>,
    /// The moment.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// True: it names a beginning, so over several hosts the earliest counts.
    pub start: bool,
    /// The step that set it, as `PHASE/STEP`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// True: its time was read from what the step found; false: it is that of the step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read: bool,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From.
    #[serde(with = "moment")]
    pub start: Timestamp,
    /// To.
    #[serde(with = "moment")]
    pub end: Timestamp,
}

impl Span {
    /// Its length; 0 if it runs backwards.
    pub fn ms(self) -> u64 {
        millis_between(self.start, self.end).unwrap_or(0)
    }
}

/// Milliseconds from `a` to `b`; `None` if `b` is earlier.
pub fn millis_between(a: Timestamp, b: Timestamp) -> Option<u64> {
    u64::try_from(b.as_millisecond() - a.as_millisecond()).ok()
}

/// Every objective of the plan, measured on these events.
pub fn objectives(plan: &Plan, events: &[Stamped]) -> Vec<ObjectiveResult> {
    let marks = marks(plan, events);
    let waits = waiting(plan, events);
    plan.objectives.iter().map(|o| measure(o, &marks, &waits)).collect()
}

/// Every mark, per host, in the order of the events. Set twice on one host, the first counts.
pub fn marks(plan: &Plan, events: &[Stamped]) -> Vec<MarkSet> {
    let starts = start_names(plan);
    let mut seen: BTreeSet<(String, Option<HostName>, u32)> = BTreeSet::new();
    let mut out = Vec::new();
    for e in events {
        let Event::Settled { key, outcome, result } = &e.event else {
            continue;
        };
        // What a host shows while it goes back is not the moment the objective means.
        if key.pass == 1 {
            continue;
        }
        for (name, at) in &result.marks {
            let start = starts.contains(name.as_str());
            if !start && *outcome != Outcome::Ok {
                continue;
            }
            if seen.insert((name.clone(), key.host.clone(), key.nth)) {
                out.push(MarkSet {
                    name: name.clone(),
                    host: key.host.clone(),
                    at: *at,
                    start,
                    by: format!("{}/{}", key.phase, key.step),
                    read: is_read(plan, key, name),
                });
            }
        }
    }
    out
}

/// The spans in which people were waited for: open gates, manual steps, questions about a step that did not end well, and a run
/// that stood until somebody resumed it. In order, without overlaps.
pub fn waiting(plan: &Plan, events: &[Stamped]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut gates: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut manual: BTreeMap<&StepKey, Timestamp> = BTreeMap::new();
    let mut asked: BTreeMap<(&str, &HostName, &Slot), Timestamp> = BTreeMap::new();
    let mut stands: Option<Timestamp> = None;
    let mut before: Option<Timestamp> = None;
    let last = events.last().map(|e| e.at);
    for e in events {
        match &e.event {
            Event::GateOpened { gate, .. } => {
                gates.entry(gate).or_insert(e.at);
            }
            Event::GatePassed { gate } | Event::GateClosed { gate, .. } => {
                spans.extend(gates.remove(gate.as_str()).map(|start| Span { start, end: e.at }));
            }
            Event::Intended { key, .. } if is_manual(plan, key) => {
                manual.insert(key, e.at);
            }
            Event::Settled { key, .. } => {
                spans.extend(manual.remove(key).map(|start| Span { start, end: e.at }));
            }
            Event::Asked { phase, host, slot, .. } => {
                asked.entry((phase, host, slot)).or_insert(e.at);
            }
            Event::Decided { phase, host, slot, .. } | Event::Unanswered { phase, host, slot } => {
                let start = asked.remove(&(phase.as_str(), host, slot));
                spans.extend(start.map(|start| Span { start, end: e.at }));
            }
            Event::Ended {
                verdict: Verdict::Waiting | Verdict::Stopped | Verdict::Stuck,
                ..
            } => stands = Some(e.at),
            Event::Resumed { .. } | Event::Cleaning { .. } => {
                if matches!(e.event, Event::Resumed { .. }) {
                    spans.extend(stands.take().map(|start| Span { start, end: e.at }));
                }
                // A question ends with its process: while none lived nobody was asked.
                let end = before.unwrap_or(e.at);
                spans.extend(
                    std::mem::take(&mut asked)
                        .into_values()
                        .map(|start| Span { start, end }),
                );
            }
            _ => {}
        }
        before = Some(e.at);
    }
    if let Some(end) = last {
        let open = gates
            .into_values()
            .chain(manual.into_values())
            .chain(asked.into_values());
        spans.extend(open.map(|start| Span { start, end }));
    }
    joined(spans)
}

fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|s| s.start < s.end);
    spans.sort_by_key(|s| (s.start, s.end));
    let mut out: Vec<Span> = Vec::new();
    for s in spans {
        match out.last_mut() {
            Some(l) if s.start <= l.end => l.end = l.end.max(s.end),
            _ => out.push(s),
        }
    }
    out
}

fn is_manual(plan: &Plan, key: &StepKey) -> bool {
    plan.step(&key.phase, key.stage, &key.step)
        .is_some_and(|s| matches!(s.call, Call::Manual { .. }))
}

/// True for a mark whose time stands in what its step found.
fn is_read(plan: &Plan, key: &StepKey, name: &str) -> bool {
    plan.step(&key.phase, key.stage, &key.step).is_some_and(|s| {
        let mut set = s.mark.iter().chain(&s.mark_start);
        set.any(|m| m.name == name && m.at.is_some())
    })
}

fn start_names(plan: &Plan) -> BTreeSet<&str> {
    fn visit<'p>(steps: &'p [PlannedStep], names: &mut BTreeSet<&'p str>) {
        for s in steps {
            names.extend(s.mark_start.as_ref().map(|m| m.name.as_str()));
            if let PlannedUndo::Steps(list) = &s.undo {
                visit(list, names);
            }
        }
    }
    let mut names = BTreeSet::new();
    visit(&plan.steady_state, &mut names);
    for p in plan.phases() {
        visit(&p.steady_state, &mut names);
        for (_, list) in p.stages.each() {
            visit(list, &mut names);
        }
    }
    names
}

/// Over several hosts a beginning is the earliest, an end the latest.
fn moment(name: &str, marks: &[MarkSet]) -> Option<Timestamp> {
    let mine = || marks.iter().filter(|m| m.name == name);
    if mine().any(|m| m.start) {
        mine().map(|m| m.at).min()
    } else {
        mine().map(|m| m.at).max()
    }
}

fn measure(o: &PlannedObjective, marks: &[MarkSet], waits: &[Span]) -> ObjectiveResult {
    let (from_at, to_at) = (moment(&o.from, marks), moment(&o.to, marks));
    let mut result = ObjectiveResult {
        name: o.name.clone(),
        from: o.from.clone(),
        to: o.to.clone(),
        from_at,
        to_at,
        max_ms: o.max_ms,
        less_waiting: o.less_waiting,
        actual_ms: None,
        waited_ms: 0,
        met: false,
        why: String::new(),
        parts: Vec::new(),
    };
    let (start, end) = match (from_at, to_at) {
        (Some(a), Some(b)) => (a, b),
        (None, _) => {
            result.why = format!("the mark {} was never set", o.from);
            return result;
        }
        (_, None) => {
            result.why = format!("the mark {} was never set", o.to);
            return result;
        }
    };
    let Some(elapsed) = millis_between(start, end) else {
        result.why = format!("{} lies before {}", o.to, o.from);
        return result;
    };
    result.waited_ms = waited(waits, start, end);
    result.parts = parts(o, (start, end), marks, waits);
    let actual = if o.less_waiting {
        elapsed.saturating_sub(result.waited_ms)
    } else {
        elapsed
    };
    result.actual_ms = Some(actual);
    result.met = actual <= o.max_ms;
    if !result.met {
        result.why = format!(
            "{} over the limit of {}",
            duration(actual - o.max_ms),
            duration(o.max_ms)
        );
    }
    result
}

/// How long people were waited for in a span.
fn waited(waits: &[Span], start: Timestamp, end: Timestamp) -> u64 {
    let inside = |w: &Span| Span {
        start: w.start.max(start),
        end: w.end.min(end),
    };
    waits.iter().map(inside).map(Span::ms).sum()
}

/// A span cut at the marks that lie in it, in the order of time. A mark that was read from data says when something was, not how
/// far the work had come: it cuts nothing.
fn parts(
    o: &PlannedObjective,
    (start, end): (Timestamp, Timestamp),
    marks: &[MarkSet],
    waits: &[Span],
) -> Vec<SpanPart> {
    let names: BTreeSet<&str> = marks.iter().filter(|m| !m.read).map(|m| m.name.as_str()).collect();
    let mut cuts: Vec<(Timestamp, &str)> = names
        .into_iter()
        .filter(|name| *name != o.from && *name != o.to)
        .filter_map(|name| Some((moment(name, marks)?, name)))
        .filter(|(at, _)| start < *at && *at < end)
        .collect();
    if cuts.is_empty() {
        return Vec::new();
    }
    cuts.push((end, &o.to));
    cuts.sort_unstable();
    let mut last = (start, o.from.as_str());
    let mut out = Vec::new();
    for (at, name) in cuts {
        out.push(SpanPart {
            from: last.1.to_owned(),
            to: name.to_owned(),
            ms: Span { start: last.0, end: at }.ms(),
            waited_ms: waited(waits, last.0, at),
        });
        last = (at, name);
    }
    out
}
