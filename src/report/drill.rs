//! What the report of a drill must show beside the run: identification, scope, people, the course of events, findings, verdict.
//!
//! Owns: what stands in these sections. Must not: say anything that neither the journal nor a person has said, escape (the formats
//! do).

use jiff::Timestamp;

use super::after::some_of;
use super::part::{NOT_RECORDED, Part, Val};
use super::record::{ChangeRecord, DeviationCode, MarkSet, StepRecord};
use super::restored::{self, Group};
use super::words::{self, Tone};
use crate::id::HostName;
use crate::plan::page::{count, duration};
use crate::run::event::Occasion;
use crate::runbook::reviewfile::{Finding, Review};

/// Headings.
pub const IDENTITY: &str = "Identification";
/// What was tried and what was not.
pub const SCOPE: &str = "Scope and exclusions";
/// Who took part.
pub const PEOPLE: &str = "Participants and roles";
/// What happened when.
pub const COURSE: &str = "Course of events";
/// The steady state.
pub const STEADY: &str = "Steady state";
/// Isolation.
pub const ISOLATION: &str = "Isolation";
/// What was found.
pub const FINDINGS: &str = "Findings";
/// What the last drill found.
pub const LAST: &str = "Findings of the last drill";
/// What was learnt.
pub const LESSONS: &str = "Lessons";
/// The verdict.
pub const SIGN_OFF: &str = "Verdict and sign-off";

/// So many events are shown; the record has all.
const MOST: usize = 400;

fn review(r: &ChangeRecord) -> Option<&Review> {
    r.review.as_ref().map(|r| &r.review)
}

fn nothing() -> Vec<Part> {
    vec![Part::Text(NOT_RECORDED.to_owned())]
}

/// Which drill of what it was.
pub fn identity(r: &ChangeRecord) -> Vec<Part> {
    let scenario = review(r)
        .and_then(|v| v.scenario.as_deref())
        .or(r.description.as_deref());
    let operators = r.operators.first().map(|o| format!("{} on {}", o.name, o.controller));
    let id = r.id.as_ref().map_or("", |i| i.as_str());
    let mut facts = vec![
        ("Run".to_owned(), Val::Code(id.to_owned())),
        ("Kind".to_owned(), Val::Text(words::kind(r.kind).to_owned())),
        ("Mode".to_owned(), Val::written(r.mode.as_deref())),
        ("Scenario".to_owned(), Val::written(scenario)),
        ("Runbook".to_owned(), Val::Code(r.runbook.path.clone())),
        ("Plan".to_owned(), Val::Code(r.plan_digest.to_string())),
        ("Started by".to_owned(), Val::written(operators.as_deref())),
        ("Ticket".to_owned(), Val::written(r.ticket.as_deref())),
        ("Owner".to_owned(), Val::written(r.owner.as_deref())),
    ];
    facts.push(match &r.review {
        Some(v) => ("Review".to_owned(), Val::Code(v.sha256.to_string())),
        None => ("Review".to_owned(), Val::Faint(NOT_RECORDED.to_owned())),
    });
    vec![Part::Facts(facts)]
}

/// What was tried, and what was not.
pub fn scope(r: &ChangeRecord) -> Vec<Part> {
    let hosts: Vec<&str> = r.hosts.iter().map(|h| h.name.as_str()).collect();
    let third = review(r).map(|v| v.third_parties.join(", "));
    let mut parts = vec![Part::Facts(vec![
        (
            "To be shown".to_owned(),
            Val::written(review(r).and_then(|v| v.scope.as_deref())),
        ),
        (
            "Hosts".to_owned(),
            Val::Text(format!("{}: {}", count(hosts.len(), "host", "hosts"), some_of(&hosts))),
        ),
        ("Third parties".to_owned(), Val::written(third.as_deref())),
    ])];
    let mut rows: Vec<Vec<Val>> = r
        .other_modes
        .iter()
        .map(|o| {
            let why = format!("only in mode {}", o.modes.join(", "));
            vec![Val::Code(o.what.clone()), Val::Text(o.title.clone()), Val::Text(why)]
        })
        .collect();
    let left_out = |c| matches!(c, DeviationCode::StepSkipped | DeviationCode::HostExcluded);
    for d in r.deviations.iter().filter(|d| left_out(d.code)) {
        let what = [
            d.phase.as_str(),
            d.host.as_ref().map_or("", HostName::as_str),
            d.step.as_str(),
        ];
        let what: Vec<&str> = what.into_iter().filter(|w| !w.is_empty()).collect();
        rows.push(vec![
            Val::Code(what.join(" ")),
            Val::Text(words::deviation(d.code)),
            Val::Text(d.reason.clone()),
        ]);
    }
    if rows.is_empty() {
        parts.push(Part::Text("Nothing was left out.".to_owned()));
    } else {
        parts.push(Part::Table {
            caption: "What was left out".to_owned(),
            columns: vec![("What", "long"), ("Title", "long"), ("Why", "long")],
            rows,
        });
    }
    parts
}

/// Who took part, by the journal and by the review.
pub fn people(r: &ChangeRecord) -> Vec<Part> {
    let mut rows: Vec<Vec<Val>> = r
        .participants
        .iter()
        .map(|p| vec![p.name.as_str().into(), p.roles.join(", ").into(), "journal".into()])
        .collect();
    for p in review(r).iter().flat_map(|v| &v.participants) {
        rows.push(vec![p.name.as_str().into(), p.role.as_str().into(), "review".into()]);
    }
    if rows.is_empty() {
        return nothing();
    }
    vec![Part::Table {
        caption: "People, what they did, and who says so".to_owned(),
        columns: vec![("Who", "name"), ("Role", "long"), ("Source", "keep")],
        rows,
    }]
}

/// Something that happened.
struct Happened {
    at: Timestamp,
    what: String,
    who: String,
    tone: Option<(Tone, &'static str)>,
}

/// What happened when, for people to whom the bars say too little.
pub fn course(r: &ChangeRecord) -> Vec<Part> {
    let mut all: Vec<Happened> = Vec::new();
    let mut add = |at: Timestamp, what: String, who: &str, tone: Option<(Tone, &'static str)>| {
        all.push(Happened {
            at,
            what,
            who: who.to_owned(),
            tone,
        });
    };
    for (n, o) in r.operators.iter().enumerate() {
        let what = if n == 0 { "The run begins" } else { "The run goes on" };
        add(o.at, format!("{what}, on {}", o.controller), &o.name, None);
    }
    for p in &r.phases {
        for (at, word) in [(p.began, "begins"), (p.ended, "ends")] {
            if let Some(at) = at {
                add(at, format!("Phase {} {word}: {}", p.id, p.title), "", None);
            }
        }
    }
    for g in &r.gates {
        add(
            g.opened,
            format!("Gate {} asks: {}", g.gate, g.title),
            "",
            Some((Tone::Warn, "waits")),
        );
        if let Some(at) = g.ended {
            let what = format!("Gate {}: the answer came after {}", g.gate, duration(g.waited_ms));
            add(at, what, "", Some(words::gate(g.how)));
        }
    }
    for a in &r.approvals {
        let about = if a.gate.is_empty() {
            "the plan".to_owned()
        } else {
            format!("gate {}", a.gate)
        };
        let mut what = format!("{} on {about}", a.decision);
        if !a.comment.is_empty() {
            what.push_str(&format!(": {}", a.comment));
        }
        add(a.at, what, &a.by, None);
    }
    for (m, n) in counted(&r.marks) {
        let on = m.host.as_ref().map(|h| format!(" on {h}")).unwrap_or_default();
        let how = if m.read { ", read from the data" } else { "" };
        let of = match (n, m.start) {
            (1, _) => String::new(),
            (n, true) => format!(", the earliest of {n}"),
            (n, false) => format!(", the latest of {n}"),
        };
        let what = format!("Mark {}{on}{how}{of}", m.name);
        add(m.at, what, "", Some((Tone::None, "mark")));
    }
    for s in &r.steps {
        step(s, &mut add);
    }
    for h in r.hosts.iter().flat_map(|h| h.phases.iter().map(move |p| (h, p))) {
        if let Some(at) = h.1.turned {
            let what = format!("{} goes back in phase {}: {}", h.0.name, h.1.phase, h.1.why);
            add(at, what, "", Some((Tone::Back, "back")));
        }
    }
    let notes = r.halts.iter().chain(&r.warnings);
    notes.for_each(|n| add(n.at, n.text.clone(), "", Some((Tone::Warn, "note"))));
    for s in &r.signals {
        add(s.at, format!("Signal {}", s.count), "", Some((Tone::Warn, "signal")));
    }
    if let (Some(a), Some(_)) = (r.window.actual, r.outcome.verdict) {
        let (tone, word) = words::verdict(r);
        add(a.end, format!("The run ends. {word}"), "", Some((tone, "end")));
    }
    all.sort_by_key(|h| h.at);
    let more = all.len().saturating_sub(MOST);
    let local = r.window.timezone != "UTC";
    let rows = all.into_iter().take(MOST).map(|h| {
        let utc = h.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let mut row = vec![Val::Text(utc)];
        if local {
            row.push(Val::Text(words::clock(r, h.at)));
        }
        row.push(
            h.tone
                .map_or_else(|| Val::Text(String::new()), |(tone, word)| Val::state(tone, word)),
        );
        row.extend([Val::Text(h.what), Val::Text(h.who)]);
        row
    });
    let mut columns = vec![("UTC", "num")];
    if local {
        columns.push(("Local", "num"));
    }
    columns.extend([("", ""), ("What happened", "long"), ("Who", "name")]);
    let mut parts = vec![Part::Table {
        caption: if local {
            format!("What happened when; local is {}", r.window.timezone)
        } else {
            "What happened when".to_owned()
        },
        columns,
        rows: rows.collect(),
    }];
    if more > 0 {
        parts.push(Part::Note(format!("And {more} more, in the record.")));
    }
    parts
}

/// Of each mark that which counts, and how many there are of it.
fn counted(marks: &[MarkSet]) -> Vec<(&MarkSet, usize)> {
    let mut out: Vec<(&MarkSet, usize)> = Vec::new();
    for m in marks {
        match out.iter_mut().find(|(known, _)| known.name == m.name) {
            Some((known, n)) => {
                *n += 1;
                let starts = known.start || m.start;
                if (starts && m.at < known.at) || (!starts && m.at > known.at) {
                    *known = m;
                }
            }
            None => out.push((m, 1)),
        }
    }
    out
}

/// Steps that a person did or decided about, and those that did not end well.
fn step(s: &StepRecord, add: &mut impl FnMut(Timestamp, String, &str, Option<(Tone, &'static str)>)) {
    let on = s.host.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
    for a in &s.attempts {
        let typed = a.fields.get("by").zip(a.fields.get("note"));
        if let Some((by, note)) = typed {
            add(
                a.started,
                format!("A person is asked: {}{on}", s.name),
                "",
                Some((Tone::Warn, "waits")),
            );
            if let Some(ended) = a.ended {
                let note = note.plain();
                let note = if note.is_empty() {
                    String::new()
                } else {
                    format!(": {note}")
                };
                let tone = words::outcome(a.outcome, false);
                add(
                    ended,
                    format!("“{}”{on} was answered{note}", s.name),
                    &by.plain(),
                    Some(tone),
                );
            }
            continue;
        }
        let (tone, word) = words::outcome(a.outcome, false);
        if let (Some(ended), Tone::Bad) = (a.ended, tone) {
            let why = if a.why.is_empty() {
                String::new()
            } else {
                format!(": {}", a.why)
            };
            add(ended, format!("“{}”{on}{why}", s.name), "", Some((tone, word)));
        }
    }
    if let Some(d) = &s.decided {
        let what = format!("“{}”{on}: a person decides {}: {}", s.name, d.verdict, d.reason);
        add(d.at, what, &d.by, None);
    }
}

/// The steady state before, during and after.
pub fn steady(r: &ChangeRecord) -> Vec<Part> {
    if r.steady.is_empty() {
        return nothing();
    }
    let rows = r.steady.iter().map(|s| {
        let when = match s.occasion {
            Occasion::Start => "before",
            Occasion::Batch => "during, after a batch",
            Occasion::Resume => "during, at resume",
            Occasion::End => "after",
        };
        let answer = match s.ok {
            Some(true) => Val::state(Tone::Ok, "held"),
            Some(false) => Val::state(Tone::Bad, "was false"),
            None => Val::state(Tone::Warn, "was not answered"),
        };
        let of = if s.phase.is_empty() { "the run" } else { &s.phase };
        vec![
            when.into(),
            Val::Text(words::clock(r, s.at)),
            answer,
            Val::Text(of.to_owned()),
        ]
    });
    vec![Part::Table {
        caption: "Rounds of the steady state".to_owned(),
        columns: vec![("When", "keep"), ("Asked", "num"), ("Answer", ""), ("Of", "long")],
        rows: rows.collect(),
    }]
}

/// What showed that the drill could not touch what it must not.
pub fn isolation(r: &ChangeRecord) -> Vec<Part> {
    let found = restored::proof(r, Some(Group::Isolation));
    match found.first() {
        Some(Part::Table { .. }) => found,
        _ => vec![Part::Text(format!("{NOT_RECORDED}: no step is named for it."))],
    }
}

/// What people found.
pub fn findings(r: &ChangeRecord) -> Vec<Part> {
    let found = review(r).map(|v| v.findings.as_slice()).unwrap_or_default();
    if found.is_empty() {
        let mut parts = nothing();
        if let (None, Some(id)) = (&r.review, &r.id) {
            parts.push(Part::Note(format!(
                "What people find, learn and conclude is kept with: pitstop report {id} --review FILE"
            )));
        }
        return parts;
    }
    let day = r.window.actual.map(|a| words::date(r, a.end));
    let rows = found.iter().map(|f| {
        vec![
            Val::Code(f.id.clone()),
            severity(f),
            Val::Text(f.text.clone()),
            Val::written(f.owner.as_deref()),
            Val::written(f.due.as_deref()),
            status(f.status.as_deref(), f.due.as_deref(), day.as_deref()),
        ]
    });
    vec![Part::Table {
        caption: "What was found".to_owned(),
        columns: FINDING.to_vec(),
        rows: rows.collect(),
    }]
}

const FINDING: [(&str, &str); 6] = [
    ("Id", "keep"),
    ("Severity", ""),
    ("Finding", "long"),
    ("Owner", "name"),
    ("Due", "num"),
    ("Status", ""),
];

fn severity(f: &Finding) -> Val {
    let tone = match f.severity.as_deref() {
        Some("critical" | "major") => Tone::Bad,
        Some("minor") => Tone::Warn,
        Some(_) => Tone::None,
        None => return Val::written(None),
    };
    Val::state(tone, f.severity.clone().unwrap_or_default())
}

/// How a finding stands; what is open behind its day is overdue.
fn status(status: Option<&str>, due: Option<&str>, today: Option<&str>) -> Val {
    // Days written YEAR-MONTH-DAY follow each other as texts do.
    let late = due.zip(today).is_some_and(|(due, today)| due < today);
    match status {
        None => Val::written(None),
        Some("done") => Val::state(Tone::Ok, "done"),
        Some("accepted") => Val::state(Tone::None, "accepted"),
        Some(word) if late => Val::state(Tone::Bad, format!("{}, overdue", word.replace('_', " "))),
        Some(word) => Val::state(Tone::Warn, word.replace('_', " ")),
    }
}

/// What became of what former drills found.
pub fn last(r: &ChangeRecord) -> Vec<Part> {
    let Some(last) = &r.last_drill else {
        return vec![Part::Text(
            "No former drill of this runbook is kept where this record was made.".to_owned(),
        )];
    };
    let mut said = format!(
        "The last one was {} on {} ({}).",
        last.run,
        words::date(r, last.at),
        last.verdict.as_str().replace('_', " ")
    );
    if last.review.is_none() {
        said.push_str(" Its findings: not recorded, for it has no review.");
    } else if !last.findings.iter().any(|f| f.run == last.run) {
        said.push_str(" Its review has no findings.");
    }
    let mut parts = vec![Part::Text(said)];
    let now = |id: &str| review(r).and_then(|v| v.findings.iter().find(|f| f.id == id));
    let day = r.window.actual.map(|a| words::date(r, a.start));
    let rows = last.findings.iter().map(|f| {
        let then = &f.finding;
        let again = now(&then.id);
        let owner = again.and_then(|n| n.owner.as_deref()).or(then.owner.as_deref());
        let due = again.and_then(|n| n.due.as_deref()).or(then.due.as_deref());
        // Of whatever is said now, its day counts now.
        let day_then = day.as_deref().filter(|_| again.is_none());
        vec![
            Val::Code(then.id.clone()),
            severity(then),
            Val::Text(then.text.clone()),
            Val::written(owner),
            Val::written(due),
            Val::Code(f.run.clone()),
            status(then.status.as_deref(), due, day_then),
            again.map_or_else(
                || Val::written(None),
                |n| status(n.status.as_deref(), due, day.as_deref()),
            ),
        ]
    });
    let rows: Vec<Vec<Val>> = rows.collect();
    if !rows.is_empty() {
        let mut columns: Vec<(&'static str, &'static str)> = FINDING.iter().take(5).copied().collect();
        columns.extend([("Told by", "keep"), ("Then", ""), ("Now", "keep")]);
        parts.push(Part::Table {
            caption: "What became of it".to_owned(),
            columns,
            rows,
        });
    }
    parts
}

/// What was learnt.
pub fn lessons(r: &ChangeRecord) -> Vec<Part> {
    match review(r).map(|v| &v.lessons) {
        Some(l) if !l.is_empty() => vec![Part::List(l.clone())],
        _ => nothing(),
    }
}

/// What the run came to, what people conclude, and who has signed.
pub fn sign_off(r: &ChangeRecord) -> Vec<Part> {
    let (tone, verdict) = words::verdict(r);
    let c = review(r).and_then(|v| v.conclusion.as_ref());
    let success = match c.and_then(|c| c.success) {
        Some(true) => Val::state(Tone::Ok, "yes"),
        Some(false) => Val::state(Tone::Bad, "no"),
        None => Val::written(None),
    };
    let met = r.objectives.iter().filter(|o| o.met).count();
    let mut parts = vec![Part::Facts(vec![
        ("The run".to_owned(), Val::state(tone, verdict)),
        (
            "Objectives met".to_owned(),
            Val::Text(format!("{met} of {}", r.objectives.len())),
        ),
        ("It showed what it was to show".to_owned(), success),
        (
            "In their words".to_owned(),
            Val::written(c.and_then(|c| c.note.as_deref())),
        ),
        (
            "Concluded by".to_owned(),
            Val::written(c.and_then(|c| c.who.as_deref())),
        ),
    ])];
    let signed = review(r).map(|v| v.sign_off.as_slice()).unwrap_or_default();
    let rows: Vec<Vec<Val>> = signed
        .iter()
        .map(|s| {
            vec![
                Val::Text(s.name.clone()),
                Val::written(s.role.as_deref()),
                Val::written(s.date.as_deref()),
            ]
        })
        .collect();
    if rows.is_empty() {
        parts.push(Part::Facts(vec![("Signed off by".to_owned(), Val::written(None))]));
    } else {
        parts.push(Part::Table {
            caption: "Signed off by".to_owned(),
            columns: vec![("Name", "name"), ("Role", "long"), ("Date", "num")],
            rows,
        });
    }
    if let Some(v) = &r.review {
        parts.push(Part::Note(format!(
            "From the review {} (SHA-256 {}), kept with the run. It is no part of the journal.",
            v.file,
            v.sha256.hex()
        )));
    }
    parts
}

/// True if somebody wrote a review, or the kind of work asks for one.
pub fn is_reviewed(r: &ChangeRecord) -> bool {
    r.review.is_some() || (r.kind == crate::plan::Kind::DrDrill && !r.dry)
}
