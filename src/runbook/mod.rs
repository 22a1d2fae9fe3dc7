//! What was written: a runbook as plain types, each value with its place in the file.
//!
//! Owns: the types of the language. Must not: resolve anything (hosts, parameters, files): that is `plan::bind`.

pub mod builtin;
pub mod change;
pub mod check;
pub mod doc;
pub mod duration;
pub mod expr;
pub mod fields;
pub mod files;
pub mod fmt;
mod fragment;
pub mod keys;
pub mod lower;
pub mod outside;
pub mod policyfile;
pub mod project;
pub mod reviewfile;
pub mod schema;
mod step;
pub mod testfile;
pub mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use fragment::{Fragment, FragmentValue, Included};
pub use step::{
    Action, Become, Command, Delegate, EachList, ForEach, Mark, ONLY_PLANNED, OnUnknown, Parse, Retry, Step, Text,
    Undo, WaitFor,
};

use crate::diag::{Span, Spanned};
use crate::window::schedule::Schedule;

/// A whole runbook file.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Its id, equal to the file's name.
    pub id: Spanned<String>,
    /// A sentence for the board.
    pub title: String,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// Longer text.
    pub description: Option<String>,
    /// What kind of work it is: adds rules, picks the report.
    pub kind: Spanned<Kind>,
    /// Text for the change record.
    pub change: ChangeText,
    /// Names of modes; exactly one is chosen at plan time. Empty: no modes.
    pub modes: Vec<Spanned<String>>,
    /// Declared parameters in file order.
    pub parameters: Vec<Parameter>,
    /// Named sets of hosts in file order.
    pub targets: Vec<TargetSet>,
    /// Declared secrets in file order.
    pub secrets: Vec<SecretDecl>,
    /// When it may run.
    pub window: Option<WindowSpec>,
    /// Named rollout settings in file order.
    pub rollouts: Vec<Rollout>,
    /// Read-only steps that must hold before, between and after.
    pub steady_state: Vec<Step>,
    /// Limits between two marks.
    pub objectives: Vec<Objective>,
    /// Monitoring that is kept quiet.
    pub silences: Vec<Silence>,
    /// Messages on events.
    pub notices: Vec<Notice>,
    /// Defaults for all steps.
    pub defaults: Defaults,
    /// Phases and gates in order.
    pub items: Vec<Item>,
    /// Files that its lists of steps include, and those that these include.
    pub includes: Vec<Included>,
    /// Where the file begins, for diagnostics about something that is missing.
    pub span: Span,
}

/// `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Install updates.
    Patch,
    /// Restore a backup and prove its content.
    RestoreTest,
    /// Read-only checks.
    Check,
    /// Failover and failback.
    DrDrill,
    /// Anything else.
    Change,
}

/// `change`: copied to the change record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeText {
    /// `standard`, `normal` or `emergency`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// How risky, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// What users notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// How it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backout: Option<String>,
    /// How success is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
}

/// `parameters.NAME`.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Spanned<String>,
    /// Its type.
    pub kind: ParamType,
    /// Used when none is given.
    pub default: Option<Spanned<Value>>,
    /// For the prompt and the board.
    pub description: Option<String>,
    /// The only values allowed.
    pub allowed: Vec<Spanned<Value>>,
    /// A regular expression that must match the whole text.
    pub pattern: Option<Spanned<String>>,
    /// Least value (numbers, durations).
    pub min: Option<Spanned<Value>>,
    /// Greatest value.
    pub max: Option<Spanned<Value>>,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `10m`.
    Duration,
    /// RFC 3339.
    Timestamp,
    /// A list of texts.
    List,
}

/// A typed value of the language, as it stands in parameters, `vars`, plans and results.
///
/// Its JSON form is what people would write; durations and timestamps are tagged objects, so that a plan read back
/// has the same kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Value {
    /// `null`.
    None,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Number(f64),
    /// A span of time.
    Duration {
        /// Milliseconds.
        duration_ms: u64,
    },
    /// A moment.
    Timestamp {
        /// RFC 3339, UTC.
        timestamp: jiff::Timestamp,
    },
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// As one word or line of a page: a list with commas, nothing for none.
    pub fn plain(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Bool(b) => b.to_string(),
            Self::Int(n) => n.to_string(),
            Self::Number(n) => n.to_string(),
            Self::Duration { duration_ms } => duration::print(*duration_ms),
            Self::Timestamp { timestamp } => timestamp.to_string(),
            Self::List(items) => items.iter().map(Self::plain).collect::<Vec<_>>().join(","),
            Self::Map(fields) => {
                let each = fields.iter().map(|(name, value)| format!("{name}={}", value.plain()));
                each.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// `targets.NAME`: named hosts or a selector; both may hold templates over `params`.
#[derive(Clone, Debug)]
pub struct TargetSet {
    /// Its name.
    pub name: Spanned<String>,
    /// Hosts by name.
    pub hosts: Vec<Spanned<String>>,
    /// A selector.
    pub select: Option<Spanned<String>>,
}

/// `secrets.NAME`.
#[derive(Clone, Debug)]
pub struct SecretDecl {
    /// Its name.
    pub name: Spanned<String>,
    /// Where the value comes from.
    pub from: SecretSource,
}

/// Where a secret's value comes from. Never the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of pitstop's own process.
    Env {
        /// The variable.
        name: String,
    },
    /// A file on the control machine; one trailing newline is taken off.
    File {
        /// Its path.
        path: String,
    },
    /// Asked on the terminal.
    Prompt,
    /// A command of `pitstop.yml`.
    Provider {
        /// Its name there.
        provider: String,
        /// Arguments for it.
        args: Vec<String>,
    },
}

/// `window`.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// How long it is.
    pub duration: Spanned<Duration>,
    /// No host starts in this last part of it.
    pub cutoff: Option<Duration>,
    /// Time kept free for going back; `None`: the sum of the limits of a host's undo steps.
    pub reserve: Option<Duration>,
    /// IANA zone name.
    pub timezone: Option<Spanned<String>>,
    /// Freeze calendars, besides those of the policy.
    pub not_during: Vec<Spanned<String>>,
    /// When it comes again.
    pub schedule: Option<Spanned<Schedule>>,
}

/// `rollouts.NAME`.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Its name.
    pub name: Spanned<String>,
    /// How batches grow; empty: one batch of all.
    pub batches: Vec<Size>,
    /// Hosts at work at one time. `None`: 10.
    pub parallel: Option<u32>,
    /// Failed hosts that are borne. `None`: 0.
    pub max_fail: Option<Spanned<Size>>,
    /// Wait after each batch; a duration or a template over `params`.
    pub soak: Option<Spanned<String>>,
    /// A gate between batches.
    pub gate: Option<Gate>,
    /// A label on which a batch must not mix hosts.
    pub apart: Option<Spanned<String>>,
    /// Hosts for which it is true go after all others, one at a time.
    pub last: Option<Spanned<String>>,
}

/// A count or a percentage of the phase's planned hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// So many hosts.
    Count(u32),
    /// So many of a hundred, rounded down.
    Percent(u32),
}

/// A gate: a question to people that blocks what follows.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `gate`, or empty inside a rollout (then `PHASE/N`).
    pub id: Spanned<String>,
    /// The question.
    pub title: String,
    /// How many different people.
    pub need: Option<Spanned<u32>>,
    /// Groups of the policy.
    pub approvers: Vec<Spanned<String>>,
    /// The operator may not approve.
    pub not_operator: bool,
    /// How long it waits.
    pub expires: Duration,
    /// What a rejection or expiry does.
    pub otherwise: Otherwise,
    /// Steps whose results are the evidence.
    pub show: Vec<Spanned<String>>,
    /// Modes it belongs to; empty: all.
    pub only_in: Vec<Spanned<String>>,
    /// Only inside a rollout: after which batch (from 1), or after each.
    pub after_batch: AfterBatch,
    /// Where it stands.
    pub span: Span,
}

/// `after_batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterBatch {
    /// After the N-th, from 1.
    Nth(u32),
    /// After every one that another follows.
    Each,
}

/// `otherwise` of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Stay as it is.
    Hold,
    /// Take the run back.
    RollbackRun,
}

/// `on_failure` of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Take back the hosts that failed.
    RollbackHost,
    /// Take back the whole run.
    RollbackRun,
    /// Leave as it is until a person decides.
    Hold,
    /// As `hold`, where a person may decide.
    Ask,
}

/// `objectives.NAME`.
#[derive(Clone, Debug)]
pub struct Objective {
    /// Its name (`rto`).
    pub name: Spanned<String>,
    /// The mark it begins at.
    pub from: Spanned<String>,
    /// The mark it ends at.
    pub to: Spanned<String>,
    /// The limit.
    pub max: Duration,
    /// Subtract the time spent waiting for people.
    pub less_waiting: bool,
}

/// An item of `silence`.
#[derive(Clone, Debug)]
pub struct Silence {
    /// A name of `silence` in `pitstop.yml`.
    pub via: Spanned<String>,
    /// What is kept quiet; texts may be templates. With `host` in one: while that host is worked on.
    pub matchers: Vec<(Spanned<String>, Spanned<String>)>,
}

/// An item of `notify`.
#[derive(Clone, Debug)]
pub struct Notice {
    /// On which events.
    pub events: Vec<String>,
    /// A name of `notify` in `pitstop.yml`.
    pub via: Spanned<String>,
}

/// `defaults`.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Limit of one attempt.
    pub timeout: Option<Duration>,
    /// Repetition.
    pub retry: Option<Retry>,
    /// User to become; not for delegated steps.
    pub become_: Option<Become>,
}

/// A phase or a gate.
#[derive(Clone, Debug)]
pub enum Item {
    /// A phase.
    Phase(Box<Phase>),
    /// A gate.
    Gate(Box<Gate>),
}

/// A phase: one set of hosts through six stages.
#[derive(Clone, Debug)]
pub struct Phase {
    /// `phase`.
    pub id: Spanned<String>,
    /// A sentence for the board.
    pub title: String,
    /// A name of `targets`; `None`: the control machine.
    pub targets: Option<Spanned<String>>,
    /// A name of `rollouts`, or settings written in place.
    pub rollout: Option<RolloutRef>,
    /// Whether a host needs the phase.
    pub when: Option<Spanned<String>>,
    /// Modes it belongs to; empty: all.
    pub only_in: Vec<Spanned<String>>,
    /// What a failure does; `None`: `rollback_host` (`ask` in a `dr_drill`).
    pub on_failure: Option<Spanned<OnFailure>>,
    /// Steps of its own that must hold.
    pub steady_state: Vec<Step>,
    /// The six stages in order.
    pub stages: Stages<Vec<Step>>,
    /// Where it stands.
    pub span: Span,
}

/// A rollout by name or in place.
#[derive(Clone, Debug)]
pub enum RolloutRef {
    /// A name of `rollouts`.
    Named(Spanned<String>),
    /// Written in the phase.
    Inline(Box<Rollout>),
}

/// One thing for each stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages<T> {
    /// Read-only; says no before anything happened.
    pub precheck: T,
    /// Out of service.
    pub drain: T,
    /// The work.
    pub steps: T,
    /// Read-only; proves the work.
    pub verify: T,
    /// Back into service.
    pub undrain: T,
    /// Closes the host.
    pub cleanup: T,
}

impl<T> Stages<T> {
    /// The six of them in the order they are taken: the one list of a phase's stages.
    pub fn each(&self) -> [(Stage, &T); 6] {
        [
            (Stage::Precheck, &self.precheck),
            (Stage::Drain, &self.drain),
            (Stage::Steps, &self.steps),
            (Stage::Verify, &self.verify),
            (Stage::Undrain, &self.undrain),
            (Stage::Cleanup, &self.cleanup),
        ]
    }
}

/// The name of a stage. `Steady` and `Undo` are not written as stages, but steps of theirs have keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `steady_state`.
    Steady,
    /// `precheck`.
    Precheck,
    /// `drain`.
    Drain,
    /// `steps`.
    Steps,
    /// `undo` of one of the steps.
    Undo,
    /// `verify`.
    Verify,
    /// `undrain`.
    Undrain,
    /// `cleanup`.
    Cleanup,
}

impl Stage {
    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady_state",
            Self::Precheck => "precheck",
            Self::Drain => "drain",
            Self::Steps => "steps",
            Self::Undo => "undo",
            Self::Verify => "verify",
            Self::Undrain => "undrain",
            Self::Cleanup => "cleanup",
        }
    }
}
