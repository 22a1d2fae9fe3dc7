//! The words of the reports: states, verdicts and times as people read them.
//!
//! Owns: one word and one tone for each state. Must not: format for one medium.

use jiff::Timestamp;

use super::record::{
    ChangeRecord, CloseCode, Deletion, DeviationCode, Done, GateState, HostState, Outcome, RestoreStatus, UndoState,
    Verdict,
};
use crate::plan::Kind;
use crate::plan::page::{Figure, count, duration, moment_in};
use crate::run::event::Occasion;

/// How good something is: picks a shape and a colour, never without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// As it should be.
    Ok,
    /// Nothing to say.
    None,
    /// Good, with something to know.
    Warn,
    /// Taken back.
    Back,
    /// Somebody has to look.
    Bad,
}

impl Tone {
    /// Its name in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::None => "none",
            Self::Warn => "warn",
            Self::Back => "back",
            Self::Bad => "bad",
        }
    }
}

/// A host state.
pub fn host(state: Option<HostState>) -> (Tone, &'static str) {
    match state {
        None => (Tone::Warn, "at work"),
        Some(HostState::Ok) => (Tone::Ok, "ok"),
        Some(HostState::NotNeeded) => (Tone::Ok, "not needed"),
        Some(HostState::Warned) => (Tone::Warn, "warned"),
        Some(HostState::NotStarted) => (Tone::None, "not started"),
        Some(HostState::Refused) => (Tone::None, "refused"),
        Some(HostState::Failed) => (Tone::Bad, "failed"),
        Some(HostState::RolledBack) => (Tone::Back, "rolled back"),
        Some(HostState::Held) => (Tone::Bad, "held"),
        Some(HostState::Broken) => (Tone::Bad, "broken"),
        Some(HostState::Unknown) => (Tone::Bad, "unknown"),
    }
}

/// A step's outcome.
pub fn outcome(o: Option<Outcome>, warned: bool) -> (Tone, &'static str) {
    match o {
        Some(Outcome::Ok) if warned => (Tone::Warn, "warned"),
        Some(Outcome::Ok) => (Tone::Ok, "ok"),
        Some(Outcome::Failed) => (Tone::Bad, "failed"),
        Some(Outcome::TimedOut) => (Tone::Bad, "timed out"),
        Some(Outcome::Unreachable) => (Tone::Bad, "unreachable"),
        Some(Outcome::Unknown) => (Tone::Bad, "unknown"),
        Some(Outcome::Skipped) => (Tone::None, "skipped"),
        None => (Tone::None, "no end recorded"),
    }
}

/// What became of an undo.
pub fn undo(state: UndoState) -> (Tone, &'static str) {
    match state {
        UndoState::Ran => (Tone::Ok, "ran"),
        UndoState::Failed => (Tone::Bad, "failed"),
        UndoState::Unknown => (Tone::Bad, "unknown"),
        UndoState::NotRun => (Tone::Warn, "not run"),
        UndoState::Covered => (Tone::None, "covered"),
        UndoState::Impossible => (Tone::Warn, "impossible"),
    }
}

/// How a gate stands.
pub fn gate(state: GateState) -> (Tone, &'static str) {
    match state {
        GateState::Open => (Tone::Warn, "open"),
        GateState::Passed => (Tone::Ok, "passed"),
        GateState::Rejected => (Tone::Bad, "rejected"),
        GateState::Expired => (Tone::Bad, "expired"),
        GateState::CutOff => (Tone::Bad, "met the cut-off"),
    }
}

/// The verdict, in a sentence without its end.
pub fn verdict(r: &ChangeRecord) -> (Tone, &'static str) {
    match r.outcome.verdict {
        Some(Verdict::Done) if r.dry => (Tone::None, "A dry run: nothing was changed"),
        Some(Verdict::Done) if r.rehearsal => match r.outcome.exit {
            Some(0) => (Tone::Ok, "Rehearsed: all of it was done, taken back, and is as before"),
            _ => (Tone::Warn, "Rehearsed and taken back, but an objective was missed"),
        },
        Some(Verdict::Failed) if r.rehearsal => (Tone::Warn, "Not rehearsed: nothing was changed"),
        Some(Verdict::Done) if r.outcome.exit == Some(0) => (Tone::Ok, "Done"),
        Some(Verdict::Done) => (Tone::Warn, "Done, but an objective or the steady state was missed"),
        Some(Verdict::Failed) if r.kind == Kind::Check => (Tone::Bad, "Not every host is as it should be"),
        Some(Verdict::Failed) => (Tone::Warn, "Failed before anything was changed"),
        Some(Verdict::RolledBack) => (Tone::Back, "Rolled back: all that was changed is as before"),
        Some(Verdict::Waiting) => (Tone::Warn, "Waiting for a person's decision"),
        Some(Verdict::Stopped) => (Tone::Warn, "Stopped, and can go on"),
        Some(Verdict::Stuck) => (Tone::Bad, stuck(r)),
        None => (Tone::Warn, "Not ended: it runs, or it was cut off"),
    }
}

/// Of a restore test whose copy is erased nobody waits for a person: what it found is the news.
fn stuck(r: &ChangeRecord) -> &'static str {
    let erased = |s: &RestoreStatus| matches!(s.deletion, Deletion::Deleted | Deletion::NotNeeded);
    match r.restore.filter(erased) {
        Some(s) if s.restore == Done::Failed => "The restore failed",
        Some(s) if s.validation == Done::Failed => "What was restored is not as it should be",
        _ => "A person is needed",
    }
}

/// The close code of the ticket.
pub fn close(code: Option<CloseCode>) -> &'static str {
    match code {
        Some(CloseCode::Successful) => "successful",
        Some(CloseCode::SuccessfulIssues) => "successful with issues",
        Some(CloseCode::Unsuccessful) => "unsuccessful",
        Some(CloseCode::Canceled) => "canceled",
        None => "open: the run is not over",
    }
}

/// A kind of deviation.
pub fn deviation(code: DeviationCode) -> String {
    code.as_str().replace('_', " ")
}

/// The kind of work.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Patch => "patch",
        Kind::RestoreTest => "restore test",
        Kind::Check => "check",
        Kind::DrDrill => "disaster recovery drill",
        Kind::Change => "change",
    }
}

/// Time of day in the record's zone.
pub fn clock(r: &ChangeRecord, at: Timestamp) -> String {
    moment_in(at, &r.window.timezone, "%H:%M:%S")
}

/// Hour and minute in the record's zone.
pub fn minute(r: &ChangeRecord, at: Timestamp) -> String {
    moment_in(at, &r.window.timezone, "%H:%M")
}

/// The date in the record's zone.
pub fn date(r: &ChangeRecord, at: Timestamp) -> String {
    moment_in(at, &r.window.timezone, "%Y-%m-%d")
}

/// Day and time in the record's zone.
pub fn day(r: &ChangeRecord, at: Timestamp) -> String {
    crate::plan::page::day(at, &r.window.timezone)
}

/// The time of day; of another day than that on which the run began, with its date.
pub fn stamp(r: &ChangeRecord, at: Timestamp) -> String {
    match r.window.actual {
        Some(a) if date(r, a.start) == date(r, at) => clock(r, at),
        _ => moment_in(at, &r.window.timezone, "%Y-%m-%d %H:%M:%S"),
    }
}

/// Above the title.
pub fn kicker(r: &ChangeRecord) -> String {
    let first = match (r.dry, r.rehearsal) {
        (true, _) => "Dry run",
        (_, true) => "Rehearsal",
        _ => "Change record",
    };
    let mut parts = vec![first.to_owned(), kind(r.kind).to_owned()];
    parts.extend(r.mode.as_ref().map(|m| format!("mode {m}")));
    parts.extend(r.ticket.clone());
    parts.extend(r.id.as_ref().map(|i| i.to_string()));
    parts.join(" · ")
}

/// The few numbers that say the most.
pub fn figures(r: &ChangeRecord) -> Vec<Figure> {
    let good = r
        .hosts
        .iter()
        .filter(|h| h.state.is_some_and(HostState::is_good))
        .count();
    let batches: usize = r.phases.iter().map(|p| p.batches.len()).sum();
    let note = if batches == 0 {
        String::new()
    } else {
        format!("in {}", count(batches, "batch", "batches"))
    };
    let back = r
        .hosts
        .iter()
        .filter(|h| h.state == Some(HostState::RolledBack))
        .count();
    let mut out = vec![match r.rehearsal && !r.dry {
        true => Figure::new("Hosts there and back", format!("{back} of {}", r.hosts.len()), note),
        false => Figure::new("Hosts good", format!("{good} of {}", r.hosts.len()), note),
    }];
    if let Some(a) = r.window.actual {
        let minutes = |ms: u64| if ms < 60_000 { ms } else { ms / 60_000 * 60_000 };
        let planned = r.window.planned.map(|p| format!("window of {}", duration(p.ms())));
        let waited = r.window.waited_ms;
        let waited = (waited >= 1000).then(|| format!("{} waiting for people", duration(minutes(waited))));
        let note = [planned, waited].into_iter().flatten().collect::<Vec<_>>().join(", ");
        out.push(Figure::new("Took", duration(minutes(a.ms())), note));
    }
    if !r.objectives.is_empty() {
        let met = r.objectives.iter().filter(|o| o.met).count();
        let missed: Vec<&str> = r
            .objectives
            .iter()
            .filter(|o| !o.met)
            .map(|o| o.name.as_str())
            .collect();
        let note = if missed.is_empty() {
            String::new()
        } else {
            format!("missed: {}", missed.join(", "))
        };
        out.push(Figure::new(
            "Objectives met",
            format!("{met} of {}", r.objectives.len()),
            note,
        ));
    }
    out.push(match r.left_behind.len() {
        0 => Figure::new("Left behind", "nothing", ""),
        n => Figure::new("Left behind", n.to_string(), "listed below"),
    });
    out
}

/// What nobody may overlook, before anything else.
pub fn attention(r: &ChangeRecord) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(d) = &r.chain.damage {
        out.push(format!(
            "The journal is damaged ({d}). This page tells only of its intact part."
        ));
    }
    for a in r.approvals.iter().filter(|a| !a.override_.is_empty()) {
        let why = if a.comment.is_empty() {
            "no reason given"
        } else {
            &a.comment
        };
        out.push(format!("{} let it run against the {}: {why}", a.by, a.override_));
    }
    out.extend(r.halts.iter().map(|h| format!("{}: {}", clock(r, h.at), h.text)));
    out
}

/// The rounds of the run's steady state: `ok at the start, ok at resume`.
pub fn steady(r: &ChangeRecord) -> Option<String> {
    let rounds = r.steady.iter().filter(|s| s.phase.is_empty()).map(|s| {
        let when = match s.occasion {
            Occasion::Start => "at the start",
            Occasion::Batch => "after a batch",
            Occasion::Resume => "at resume",
            Occasion::End => "at the end",
        };
        let word = match s.ok {
            Some(true) => "held",
            Some(false) => "was false",
            None => "was not answered",
        };
        format!("{word} {when} ({})", clock(r, s.at))
    });
    let said: Vec<String> = rounds.collect();
    (!said.is_empty()).then(|| said.join(", "))
}
