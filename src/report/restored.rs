//! What a restore test must show: what was restored, to which moment, what proved it, and that nothing is left of it.
//!
//! Owns: what stands in these sections. Must not: judge (the record does), escape (the formats do).

use super::checks;
use super::objectives::step_of;
use super::part::{Part, Val};
use super::record::{ChangeRecord, Deletion, Done, MarkSet, Outcome, StepRecord, UndoState};
use super::words::{self, Tone};
use crate::id::HostName;
use crate::plan::page::{count, duration};
use crate::plan::{Kind, Stage, Value};

/// The heading of what was restored.
pub const SOURCE: &str = "What was restored";
/// The heading of the recovery point.
pub const POINT: &str = "Recovery point";
/// The heading of the checks.
pub const PROOF: &str = "What proved it";
/// The heading of the clean-up.
pub const CLEANUP: &str = "Clean-up";

/// So many letters of what a step said are shown.
const LETTERS: usize = 300;
/// So many lines of a table are shown; the record has all.
const MOST: usize = 200;

/// What a check is about. A step's id begins with one of the words, or is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The tool's own check, digests of what was copied.
    Integrity,
    /// What stands in it: rows, schema, comparison with the source.
    Content,
    /// How old it is.
    Freshness,
    /// Whether it can be used as the application uses it.
    Function,
    /// That it is not the source and cannot reach it.
    Isolation,
    /// Anything else.
    Other,
}

const WORDS: [(Group, &[&str]); 5] = [
    (
        Group::Integrity,
        &[
            "integrity",
            "intact",
            "sound",
            "checksum",
            "checksums",
            "verify",
            "examine",
            "repository",
        ],
    ),
    (
        Group::Content,
        &[
            "content",
            "rows",
            "counts",
            "schema",
            "constraints",
            "digest",
            "digests",
            "bounded",
            "nothing",
            "same",
        ],
    ),
    (
        Group::Freshness,
        &["freshness", "fresh", "newest", "age", "last", "moment"],
    ),
    (
        Group::Function,
        &[
            "function", "works", "serves", "answers", "login", "query", "usable", "lives",
        ],
    ),
    (Group::Isolation, &["isolation", "isolated", "apart", "cut"]),
];

impl Group {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Content => "content",
            Self::Freshness => "freshness",
            Self::Function => "function",
            Self::Isolation => "isolation",
            Self::Other => "other",
        }
    }

    /// What a step is about, by its id.
    pub fn of(s: &StepRecord) -> Self {
        let first = s.step.split(['-', '_']).next().unwrap_or_default();
        let found = WORDS.iter().find(|(_, words)| words.contains(&first));
        found.map_or(Self::Other, |(group, _)| *group)
    }
}

/// The beginning of what a step said, on one line.
fn said(s: &StepRecord) -> String {
    if !s.why.is_empty() {
        return s.why.clone();
    }
    let Some(a) = s.attempts.last() else {
        return String::new();
    };
    if a.stdout.withheld {
        return "not shown: the step is sensitive".to_owned();
    }
    let text = match checks::field(s, "message") {
        Some(message) => message.plain(),
        None => a.stdout.text.clone(),
    };
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let mut line: String = lines.next().unwrap_or_default().chars().take(LETTERS).collect();
    if lines.next().is_some() {
        line.push_str(" …");
    }
    line
}

fn host(s: &StepRecord) -> Val {
    Val::Text(s.host.as_ref().map_or("–", HostName::as_str).to_owned())
}

fn outcome(s: &StepRecord) -> Val {
    let (tone, word) = words::outcome(s.outcome, s.warned);
    Val::state(tone, word)
}

/// Rows up to the most that are shown, and what is said of the rest.
fn cut(mut rows: Vec<Vec<Val>>) -> (Vec<Vec<Val>>, Option<Part>) {
    let more = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    (
        rows,
        (more > 0).then(|| Part::Note(format!("And {more} more, in the record."))),
    )
}

/// Where it came from: parameters, what steps kept for others, and what phases found that only look.
pub fn source(r: &ChangeRecord) -> Vec<Part> {
    let mut facts: Vec<(String, Val)> = Vec::new();
    for (name, value) in r.params.iter().filter(|(_, v)| !v.is_empty()) {
        facts.push((format!("Parameter {name}"), Val::Text(value.clone())));
    }
    let reads: Vec<&str> = r.phases.iter().filter(|p| !p.changes).map(|p| p.id.as_str()).collect();
    let kept = |s: &&StepRecord| {
        let before = !matches!(s.stage, Stage::Cleanup | Stage::Undo | Stage::Undrain);
        // A phase that only looks is there to say what will be restored.
        let asked = s.stage == Stage::Steps && reads.contains(&s.phase.as_str());
        (s.register.is_some() || asked) && s.outcome == Some(Outcome::Ok) && before && !proves(r, s)
    };
    for s in r.steps.iter().filter(kept).take(MOST) {
        let text = said(s);
        if !text.is_empty() {
            facts.push((s.name.clone(), Val::Text(text)));
        }
    }
    if facts.is_empty() {
        return vec![Part::Text("not recorded".to_owned())];
    }
    vec![Part::Facts(facts)]
}

/// To which moment the data goes, and against what that is held: every objective that is called an RPO or rests on a time that was
/// read from the data, with the words in which it stands.
pub fn point(r: &ChangeRecord) -> Vec<Part> {
    let read = |name: &str| r.marks.iter().find(|m| m.name == name && m.read);
    let mut rows = Vec::new();
    for o in &r.objectives {
        let is_rpo = o.name.to_ascii_lowercase().contains("rpo");
        if !is_rpo && read(&o.from).is_none() && read(&o.to).is_none() {
            continue;
        }
        let words = match is_rpo {
            true => ["recovery point", "reference time"],
            false => ["beginning", "end"],
        };
        let between = match o.actual_ms {
            Some(ms) => Val::Text(duration(ms)),
            None => Val::Faint(o.why.clone()),
        };
        let ends = [
            (&o.from, o.from_at, Val::Text(String::new())),
            (&o.to, o.to_at, between),
        ];
        for (word, (name, at, between)) in words.into_iter().zip(ends) {
            rows.push(vec![
                Val::Text(format!("{}, {word}", o.name)),
                match at {
                    Some(at) => Val::Text(format!("{} UTC", at.strftime("%Y-%m-%d %H:%M:%S"))),
                    None => Val::Faint("not set".to_owned()),
                },
                Val::Code(name.clone()),
                stands(r, name),
                between,
            ]);
        }
    }
    if rows.is_empty() {
        return vec![Part::Text(
            "not recorded: no objective rests on a time that was read from the data.".to_owned(),
        )];
    }
    let columns = vec![
        ("Objective", "keep"),
        ("Moment", "num"),
        ("Mark", "keep"),
        ("Evidence", "long"),
        ("Between them", ""),
    ];
    vec![Part::Table {
        caption: "Moments, and where they stand".to_owned(),
        columns,
        rows,
    }]
}

/// Where the time of a mark stands.
fn stands(r: &ChangeRecord, name: &str) -> Val {
    let mine = || r.marks.iter().filter(|m| m.name == name);
    match mine().find(|m| m.read).or_else(|| mine().next()) {
        Some(m) if m.read => Val::Text(evidence(r, m)),
        Some(m) => {
            let step = step_of(r, m).map_or(m.by.as_str(), |s| s.name.as_str());
            let word = if m.start { "the beginning" } else { "the end" };
            Val::Text(format!("{word} of “{step}”"))
        }
        None => Val::Faint("no step set it".to_owned()),
    }
}

/// What the step found from which a mark was read.
fn evidence(r: &ChangeRecord, m: &MarkSet) -> String {
    let Some(s) = step_of(r, m) else { return m.by.clone() };
    let on = s.host.as_ref().map(|h| format!(" on {h}")).unwrap_or_default();
    match said(s) {
        text if text.is_empty() => format!("“{}”{on}", s.name),
        text => format!("“{}”{on} said {text}", s.name),
    }
}

/// True for a step that proves something: those of `verify`, and any other that looks and says by its id what it is about.
fn proves(r: &ChangeRecord, s: &StepRecord) -> bool {
    let works = || r.phases.iter().any(|p| p.changes && p.id == s.phase);
    match (s.stage, Group::of(s)) {
        (Stage::Verify, _) => true,
        (Stage::Precheck | Stage::Steps, Group::Isolation) => true,
        // To be used as the application uses it may write something.
        (Stage::Steps, Group::Function) => works(),
        // What a phase finds that only looks is what the copy is held against.
        (Stage::Precheck | Stage::Steps, group) => group != Group::Other && !s.changes && works(),
        _ => false,
    }
}

/// The checks by what they are about.
pub fn proof(r: &ChangeRecord, only: Option<Group>) -> Vec<Part> {
    let is_one = |s: &&StepRecord| proves(r, s) && only.is_none_or(|g| Group::of(s) == g);
    let mut found: Vec<&StepRecord> = r.steps.iter().filter(is_one).collect();
    found.sort_by_key(|s| Group::of(s));
    let mut parts = Vec::new();
    let row = |s: &StepRecord| {
        vec![
            Val::Text(Group::of(s).word().to_owned()),
            Val::Text(s.name.clone()),
            host(s),
            outcome(s),
            Val::Text(said(s)),
        ]
    };
    let (rows, more) = cut(found.into_iter().map(row).collect());
    if rows.is_empty() {
        return vec![Part::Text("not recorded: no check was done.".to_owned())];
    }
    if only.is_none() && r.kind == Kind::RestoreTest {
        let not: Vec<&str> = [Group::Integrity, Group::Content, Group::Function, Group::Isolation]
            .into_iter()
            .map(Group::word)
            .filter(|word| {
                !rows
                    .iter()
                    .any(|row| row.first() == Some(&Val::Text((*word).to_owned())))
            })
            .collect();
        if !not.is_empty() {
            parts.push(Part::Note(format!(
                "No check was done that is named for: {}.",
                not.join(", ")
            )));
        }
    }
    let columns = vec![
        ("About", "keep"),
        ("Check", "long"),
        ("Host", "name"),
        ("Result", ""),
        ("Found", "long"),
    ];
    parts.insert(
        0,
        Part::Table {
            caption: "Checks by what they are about".to_owned(),
            columns,
            rows,
        },
    );
    parts.extend(more);
    parts
}

/// What was made, what was removed, and what is left.
pub fn cleanup(r: &ChangeRecord) -> Vec<Part> {
    let mut parts = Vec::new();
    let made = |s: &&StepRecord| s.stage == Stage::Steps && s.changes && !s.attempts.is_empty();
    let removed = |s: &&StepRecord| matches!(s.stage, Stage::Cleanup | Stage::Undo) && !s.attempts.is_empty();
    let at = |s: &StepRecord| {
        let a = s.attempts.last();
        Val::Text(
            a.map(|a| words::clock(r, a.ended.unwrap_or(a.started)))
                .unwrap_or_default(),
        )
    };
    let rows = r.steps.iter().filter(made).map(|s| {
        let what = if s.changed { "changed" } else { "changed nothing" };
        let what = if s.outcome == Some(Outcome::Ok) {
            what
        } else {
            "may have changed"
        };
        vec![
            Val::Text(s.name.clone()),
            host(s),
            at(s),
            outcome(s),
            Val::Text(what.to_owned()),
        ]
    });
    let (rows, more) = cut(rows.collect());
    if rows.is_empty() {
        parts.push(Part::Text("Nothing was made.".to_owned()));
    } else {
        let columns = vec![
            ("Step", "long"),
            ("Host", "name"),
            ("At", "num"),
            ("Result", ""),
            ("What", "keep"),
        ];
        parts.push(Part::Table {
            caption: "What was made".to_owned(),
            columns,
            rows,
        });
    }
    parts.extend(more);
    let rows = r.steps.iter().filter(removed).map(|s| {
        let what = if s.changes { "removed" } else { "proof" };
        let found = match checks::field(s, "changes") {
            Some(Value::List(lines)) if !lines.is_empty() && s.why.is_empty() => {
                lines.iter().map(Value::plain).collect::<Vec<_>>().join(", ")
            }
            _ => said(s),
        };
        vec![
            Val::Text(s.name.clone()),
            host(s),
            at(s),
            Val::Text(what.to_owned()),
            outcome(s),
            Val::Text(found),
        ]
    });
    let (rows, more) = cut(rows.collect());
    if rows.is_empty() {
        parts.push(Part::Text("Nothing was removed.".to_owned()));
    } else {
        let columns = vec![
            ("Step", "long"),
            ("Host", "name"),
            ("At", "num"),
            ("What", "keep"),
            ("Result", ""),
            ("Found", "long"),
        ];
        parts.push(Part::Table {
            caption: "What was removed, and the proof of it".to_owned(),
            columns,
            rows,
        });
    }
    parts.extend(more);
    let undo = |s: UndoState| r.undo.iter().filter(|u| u.state == s).count();
    let not = undo(UndoState::Failed) + undo(UndoState::Unknown);
    if not > 0 {
        parts.push(Part::Text(format!(
            "{} did not run to a good end.",
            count(not, "undo step", "undo steps")
        )));
    }
    parts.push(match r.left_behind.len() {
        0 if r.outcome.verdict.is_none() => {
            Part::Text("The run is not over: what is left behind is not known yet.".to_owned())
        }
        0 => Part::Text("Left behind: nothing.".to_owned()),
        _ => Part::List(
            r.left_behind
                .iter()
                .map(|l| {
                    format!(
                        "Left behind: {} ({})",
                        if l.what.is_empty() { &l.id } else { &l.what },
                        l.id
                    )
                })
                .collect(),
        ),
    });
    for f in &r.forgiven {
        parts.push(Part::Text(format!(
            "{} was put right by hand, says {}: {}",
            f.id, f.by, f.reason
        )));
    }
    parts
}

/// The three answers of a restore test.
pub fn answers(r: &ChangeRecord) -> Vec<(String, Val)> {
    let Some(s) = r.restore else { return Vec::new() };
    let done = |d: Done, good: &str| match d {
        Done::Passed => Val::state(Tone::Ok, good),
        Done::NotDone => Val::state(Tone::Warn, "not done"),
        Done::Incomplete => Val::state(Tone::Warn, "incomplete"),
        Done::Unknown => Val::state(Tone::Bad, "unknown"),
        Done::Failed => Val::state(Tone::Bad, "failed"),
    };
    let deletion = match s.deletion {
        Deletion::NotNeeded => Val::state(Tone::Ok, "nothing was made"),
        Deletion::Deleted => Val::state(Tone::Ok, "deleted"),
        Deletion::Pending => Val::state(Tone::Warn, "not yet: the run is not over"),
        Deletion::LeftBehind => Val::state(Tone::Bad, "left behind"),
        Deletion::ByHand => Val::state(Tone::Warn, "by hand, a person says"),
    };
    vec![
        ("Restore".to_owned(), done(s.restore, "restored")),
        ("Validation".to_owned(), done(s.validation, "passed")),
        ("Deletion of the copy".to_owned(), deletion),
    ]
}

/// True for the kinds of runs that have these sections.
pub fn is_trial(r: &ChangeRecord) -> bool {
    matches!(r.kind, Kind::RestoreTest | Kind::DrDrill) && !r.dry
}
