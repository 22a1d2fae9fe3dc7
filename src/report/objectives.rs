//! Objectives: how each was measured, what the time went into, and what former runs came to.
//!
//! Owns: which rows stand there, the table for machines. Must not: measure, escape (the formats do).

use std::collections::BTreeMap;

use super::part::{Bar, Part, Val};
use super::record::{ChangeRecord, MarkSet, ObjectiveResult, StepRecord};
use super::words::{self, Tone};
use crate::plan::page::duration;
use crate::text;

/// The heading of what former runs came to.
pub const HISTORY: &str = "Objectives over time";

/// `met` or `missed`.
pub fn result(met: bool) -> (Tone, &'static str) {
    match met {
        true => (Tone::Ok, "met"),
        false => (Tone::Bad, "missed"),
    }
}

/// The step that set a mark: what it was, in words.
pub(super) fn step_of<'r>(r: &'r ChangeRecord, mark: &MarkSet) -> Option<&'r StepRecord> {
    let (phase, step) = mark.by.split_once('/')?;
    let is_it = |s: &&StepRecord| s.phase == phase && s.step == step && (mark.host.is_none() || s.host == mark.host);
    r.steps.iter().find(is_it)
}

/// The marks of this name, of which one counted.
fn marks<'r>(r: &'r ChangeRecord, name: &str) -> Vec<&'r MarkSet> {
    r.marks.iter().filter(|m| m.name == name).collect()
}

/// How a mark came about: `begins with “Unpack the archive”`.
fn how(r: &ChangeRecord, name: &str) -> String {
    let all = marks(r, name);
    let Some(first) = all.first() else {
        return "no step set it".to_owned();
    };
    let by = step_of(r, first).map_or(first.by.as_str(), |s| s.name.as_str());
    let said = match (first.read, first.start) {
        (true, _) => format!("read from what “{by}” found"),
        (false, true) => format!("when “{by}” began"),
        (false, false) => format!("when “{by}” ended"),
    };
    match (all.len(), first.start) {
        (1, _) => said,
        (n, true) => format!("{said}, the earliest of {n}"),
        (n, false) => format!("{said}, the latest of {n}"),
    }
}

/// How each objective was measured.
pub fn measured(r: &ChangeRecord) -> Vec<Part> {
    if r.marks.iter().all(|m| m.by.is_empty()) {
        return Vec::new();
    }
    let moment = |at: Option<jiff::Timestamp>| match at {
        Some(at) => Val::Text(words::stamp(r, at)),
        None => Val::Faint("not set".to_owned()),
    };
    let mut rows = Vec::new();
    for o in &r.objectives {
        for (end, mark, at) in [("from", &o.from, o.from_at), ("to", &o.to, o.to_at)] {
            rows.push(vec![
                Val::Text(format!("{} {end}", o.name)),
                Val::Code(mark.clone()),
                moment(at),
                Val::Text(how(r, mark)),
            ]);
        }
    }
    let columns = vec![
        ("Objective", "keep"),
        ("Mark", "keep"),
        ("Time", "num"),
        ("How it was measured", "long"),
    ];
    vec![Part::Table {
        caption: "How it was measured".to_owned(),
        columns,
        rows,
    }]
}

/// The part that took longest, without waiting for people.
pub fn longest(o: &ObjectiveResult) -> Option<&super::record::SpanPart> {
    o.parts.iter().max_by_key(|p| p.worked_ms())
}

/// What an objective's time went into, part by part.
pub fn split(o: &ObjectiveResult) -> Vec<Part> {
    let Some(longest) = longest(o) else { return Vec::new() };
    let mut rows: Vec<Vec<Val>> = Vec::new();
    for (n, p) in o.parts.iter().enumerate() {
        let word = if p == longest { "longest" } else { "" };
        rows.push(vec![
            Val::Text((n + 1).to_string()),
            Val::Text(format!("{} to {}", p.from, p.to)),
            Val::Text(duration(p.worked_ms())),
            Val::Text(if p.waited_ms > 0 {
                duration(p.waited_ms)
            } else {
                "–".to_owned()
            }),
            Val::Text(word.to_owned()),
        ]);
    }
    let mut said = format!(
        "The longest part was {} to {}: {}.",
        longest.from,
        longest.to,
        duration(longest.worked_ms())
    );
    if o.waited_ms > longest.worked_ms() {
        let counted = if o.less_waiting { "not counted" } else { "counted" };
        said.push_str(&format!(
            " Waiting for people took longer than any part: {}, {counted}.",
            duration(o.waited_ms)
        ));
    }
    let columns = vec![
        ("Part", "num"),
        ("From mark to mark", "long"),
        ("Work", "num"),
        ("Waiting for people", "num"),
        ("", "keep"),
    ];
    vec![
        Part::Text(said),
        Part::Table {
            caption: format!("What the time of {} went into", o.name),
            columns,
            rows,
        },
    ]
}

/// A measured value of a run.
struct Measured<'r> {
    run: &'r str,
    at: Option<jiff::Timestamp>,
    actual_ms: Option<u64>,
    max_ms: u64,
    waited_ms: u64,
    met: bool,
    why: &'r str,
    otherwise: Option<&'r BTreeMap<String, String>>,
    verdict: &'r str,
}

/// All values of an objective, oldest first; this run's is the last.
fn values<'r>(r: &'r ChangeRecord, name: &str) -> Vec<Measured<'r>> {
    let former = r.former.iter().flat_map(|f| {
        let mine = f.objectives.iter().filter(|o| o.name == name);
        mine.map(move |o| Measured {
            run: &f.run,
            at: Some(f.at),
            actual_ms: o.actual_ms,
            max_ms: o.max_ms,
            waited_ms: o.waited_ms,
            met: o.met,
            why: &o.why,
            otherwise: Some(&f.otherwise),
            verdict: f.verdict.as_str(),
        })
    });
    let own = r.objectives.iter().filter(|o| o.name == name).map(|o| Measured {
        run: r.id.as_ref().map_or("", |i| i.as_str()),
        at: r.window.actual.map(|a| a.start),
        actual_ms: o.actual_ms,
        max_ms: o.max_ms,
        waited_ms: o.waited_ms,
        met: o.met,
        why: &o.why,
        otherwise: None,
        verdict: r.outcome.verdict.map_or("", |v| v.as_str()),
    });
    former.chain(own).collect()
}

fn otherwise(m: &Measured<'_>) -> String {
    let all = m.otherwise.into_iter().flatten();
    let words: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
    words.join(", ")
}

/// What former runs came to, beside this one; nothing where there is none.
pub fn history(r: &ChangeRecord) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut differ = false;
    for o in &r.objectives {
        let all = values(r, &o.name);
        if all.len() < 2 {
            continue;
        }
        let longest = all.iter().flat_map(|m| [m.max_ms, m.actual_ms.unwrap_or(0)]).max();
        let scale = longest.unwrap_or(0).max(1);
        differ |= all.iter().any(|m| m.otherwise.is_some_and(|o| !o.is_empty()));
        let last = all.len() - 1;
        let rows = all.iter().enumerate().map(|(n, m)| {
            let other = m.otherwise.is_some_and(|o| !o.is_empty());
            let (tone, word) = result(m.met);
            vec![
                Val::Text(m.at.map(|at| words::date(r, at)).unwrap_or_default()),
                Val::Bar(Bar {
                    value: m.actual_ms,
                    limit: m.max_ms,
                    scale,
                    met: m.met,
                    other,
                }),
                match m.actual_ms {
                    Some(ms) => Val::Text(duration(ms)),
                    None => Val::Faint("not measured".to_owned()),
                },
                Val::Text(duration(m.max_ms)),
                Val::state(tone, word),
                Val::Code(m.run.to_owned()),
                Val::Text(if n == last { "this run".to_owned() } else { otherwise(m) }),
            ]
        });
        let columns = vec![
            ("Date", "num"),
            ("Against the limit", "spark"),
            ("Value", "num"),
            ("Limit", "num"),
            ("Result", ""),
            ("Run", "keep"),
            ("Otherwise", "long"),
        ];
        parts.push(Part::Table {
            caption: format!("{}, run by run", o.name),
            columns,
            rows: rows.collect(),
        });
    }
    if !parts.is_empty() {
        let mut said = "Former runs of this runbook on this inventory, as far as they were kept where this record was made. Dry runs, rehearsals and runs that are not over are none of them.".to_owned();
        if differ {
            said.push_str(" “Otherwise” names what was not as in this run: such a value may not be compared with it.");
        }
        parts.push(Part::Note(said));
    }
    parts
}

/// Every objective of this run and the former ones as a table for machines, oldest first; lines end with CR LF.
pub fn csv(r: &ChangeRecord) -> String {
    const HEAD: &str =
        "objective,run,started,verdict,from,to,actual_ms,limit_ms,waited_ms,less_waiting,met,why,otherwise\r\n";
    let mut out = HEAD.to_owned();
    for o in &r.objectives {
        for m in values(r, &o.name) {
            let cells = [
                o.name.clone(),
                m.run.to_owned(),
                m.at.map(|at| format!("{at:.3}")).unwrap_or_default(),
                m.verdict.to_owned(),
                o.from.clone(),
                o.to.clone(),
                m.actual_ms.map(|ms| ms.to_string()).unwrap_or_default(),
                m.max_ms.to_string(),
                m.waited_ms.to_string(),
                o.less_waiting.to_string(),
                m.met.to_string(),
                m.why.to_owned(),
                otherwise(&m),
            ];
            let cells: Vec<String> = cells.iter().map(|c| text::csv(c)).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
    }
    out
}
