//! Steps in the change record, and what became of their undo.
//!
//! Owns: the types. Must not: format for people.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::rows::{self, Rows};
use crate::id::{Digest, HostName};
use crate::plan::{Stage, Value};
use crate::run::event::{Kept, Outcome, StepKey, StepResult};
use crate::run::moment;

/// A step on a host, with its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The phase; empty: the run's steady state.
    pub phase: String,
    /// The stage.
    pub stage: Stage,
    /// Its id.
    pub step: String,
    /// Which item of its list and which of a delegated set: item × hosts + host.
    pub nth: u32,
    /// A sentence, with its item.
    pub name: String,
    /// The name under which its result was kept for later steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// Its item in words, where the step has a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// For which host.
    pub host: Option<HostName>,
    /// Where it was done.
    pub on: Option<HostName>,
    /// Forward 0, back 1, later rounds 2 and up.
    pub pass: u32,
    /// What was done, rendered and redacted.
    pub call: String,
    /// True if it may change something.
    pub changes: bool,
    /// True if it did (as far as can be told).
    pub changed: bool,
    /// True if a cut-off would be learnt from the host.
    pub latched: bool,
    /// How it ended; `None`: no end recorded of a step that changes nothing.
    pub outcome: Option<Outcome>,
    /// True if it passed with a warning.
    pub warned: bool,
    /// Why it did not end ok, or why it was left out.
    pub why: String,
    /// A person's word on it.
    pub decided: Option<Decision>,
    /// Attempts in order.
    pub attempts: Vec<AttemptRecord>,
    /// Evidence kept: path on the host → digest.
    pub evidence: BTreeMap<String, Digest>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// From 1.
    pub attempt: u32,
    /// Sent.
    #[serde(with = "moment")]
    pub started: Timestamp,
    /// Ended.
    #[serde(with = "moment::maybe")]
    pub ended: Option<Timestamp>,
    /// On the monotonic clock.
    pub duration_ms: u64,
    /// Its limit.
    pub limit_ms: u64,
    /// How; `None`: no end recorded.
    pub outcome: Option<Outcome>,
    /// Exit status.
    pub rc: Option<i32>,
    /// Why it did not end ok.
    pub why: String,
    /// Standard output.
    pub stdout: OutputRecord,
    /// Standard error.
    pub stderr: OutputRecord,
    /// What the action found beside its output: `changes`, `was`, `rebooted`, … Not what is in its output already.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    /// Of `as: json`: the objects that it gave, as a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

impl AttemptRecord {
    /// The fields as lines: a name, and what it is, a line for each item of a list.
    pub fn field_lines(&self) -> Vec<String> {
        let lines = |(name, value): (&String, &Value)| match value {
            Value::List(items) if items.is_empty() => vec![format!("{name}: none")],
            Value::List(items) => items.iter().map(|item| format!("{name}: {}", item.plain())).collect(),
            value => vec![format!("{name}: {}", value.plain())],
        };
        self.fields.iter().flat_map(lines).collect()
    }
}

/// Output of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Bytes the host sent.
    pub bytes: u64,
    /// Of the stored part.
    pub digest: Option<Digest>,
    /// True if only a part is stored.
    pub truncated: bool,
    /// The text if short, else its end.
    pub text: String,
    /// The step is `sensitive`: there is no text, and no file has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// A person's word on a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `ok`, `failed`, `rerun`, `skip`.
    pub verdict: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
}

/// One undo step that was owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoLine {
    /// The phase.
    pub phase: String,
    /// The host.
    pub host: HostName,
    /// The step that is taken back.
    pub of: String,
    /// The undo step (`STEP/1`); empty where there is none.
    pub step: String,
    /// A sentence.
    pub name: String,
    /// What became of it.
    pub state: UndoState,
    /// Why, where it did not run or failed.
    pub reason: String,
}

/// What became of an undo step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoState {
    /// It ran and ended ok.
    Ran,
    /// It ran and failed.
    Failed,
    /// It ran and nobody can say how it ended.
    Unknown,
    /// It was not run.
    NotRun,
    /// The undo of another step takes it back.
    Covered,
    /// The step cannot be taken back.
    Impossible,
}

/// Its end, as the journal tells it.
pub(super) fn settle(s: &mut StepRecord, key: &StepKey, at: Timestamp, outcome: Outcome, result: &StepResult) {
    if !s.attempts.iter().any(|a| a.attempt == key.attempt) {
        // Steps that nothing is sent for have no intent: their length is known.
        let length = i64::try_from(result.duration_ms).unwrap_or(0);
        let started = at.checked_sub(SignedDuration::from_millis(length)).unwrap_or(at);
        s.attempts.push(attempt(key.attempt, started, 0));
    }
    let Some(a) = s.attempts.iter_mut().find(|a| a.attempt == key.attempt) else {
        return;
    };
    a.ended = Some(at);
    a.duration_ms = result.duration_ms;
    a.outcome = Some(outcome);
    a.rc = result.rc;
    a.why.clone_from(&result.why);
    a.stdout = output(&result.stdout);
    a.stderr = output(&result.stderr);
    // An answer of HTTP is its own output, and so is a difference; of one that is long the field has its beginning.
    let printed = |name: &str| match name {
        "json" | "headers" => true,
        "difference" => result.stdout.digest.is_none(),
        _ => false,
    };
    let more = result.more.iter().filter(|(name, _)| !printed(name));
    a.fields = more.map(|(name, value)| (name.clone(), value.clone())).collect();
    a.rows = rows::rows(result);
    s.outcome = Some(outcome);
    s.warned = result.warned;
    s.why.clone_from(&result.why);
    s.changed |= result.changed;
    s.evidence.extend(result.evidence.clone());
}

/// An attempt that has begun.
pub(super) fn attempt(number: u32, started: Timestamp, limit_ms: u64) -> AttemptRecord {
    AttemptRecord {
        attempt: number,
        started,
        ended: None,
        duration_ms: 0,
        limit_ms,
        outcome: None,
        rc: None,
        why: String::new(),
        stdout: OutputRecord::default(),
        stderr: OutputRecord::default(),
        fields: BTreeMap::new(),
        rows: None,
    }
}

fn output(k: &Kept) -> OutputRecord {
    OutputRecord {
        bytes: k.bytes,
        digest: k.digest.clone(),
        truncated: k.truncated,
        text: k.text.clone(),
        withheld: k.withheld,
    }
}
