//! What was written: a runbook as plain types, each value with its place in the file.
//!
//! Owns: the types of the language. Must not: resolve anything (hosts, parameters, files): that is `plan::bind`.

pub mod change;
pub mod check;
pub mod expr;
pub mod fields;
pub mod files;
pub mod lower;
pub mod policyfile;
pub mod project;
pub mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diag::{Span, Spanned};

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
    /// Defaults for all steps.
    pub defaults: Defaults,
    /// Phases and gates in order.
    pub items: Vec<Item>,
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
#[serde(untagged)]
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

/// `retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Milliseconds before the second attempt.
    pub delay_ms: u64,
    /// Factor on the delay for each further one (1 = even), in percent: 200 doubles.
    pub backoff_percent: u32,
}

/// `become` of a step: another user of the host. How (sudo, su) is the host's setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Become {
    /// `false`: as the login user, whatever `defaults` say.
    No,
    /// This user (`true` is root).
    User(String),
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

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// `id`, or one made from its place (`step-3`); made ids cannot be referred to.
    pub id: Spanned<String>,
    /// True if the author wrote the id.
    pub id_written: bool,
    /// A sentence for the board.
    pub name: String,
    /// What it does.
    pub action: Spanned<Action>,
    /// Run only if true.
    pub when: Option<Spanned<String>>,
    /// Must be true after the action.
    pub expect: Option<Spanned<String>>,
    /// False: `warned`.
    pub warn_unless: Option<Spanned<String>>,
    /// Keep the result under this name.
    pub register: Option<Spanned<String>>,
    /// Parse stdout into `value`.
    pub parse: Option<Parse>,
    /// Do it elsewhere.
    pub delegate_to: Option<Spanned<Delegate>>,
    /// Once a phase instead of once a host.
    pub once: bool,
    /// In precheck: again directly before each host starts.
    pub fresh: bool,
    /// Run as another user.
    pub become_: Option<Become>,
    /// Repetition.
    pub retry: Option<Retry>,
    /// Limit of one attempt.
    pub timeout: Option<Spanned<Duration>>,
    /// Exit codes that mean success.
    pub ok_codes: Vec<i32>,
    /// It may fail, for this reason.
    pub may_fail: Option<Spanned<String>>,
    /// How it is taken back.
    pub undo: Undo,
    /// Changes nothing (written, or by nature, or implied by the stage).
    pub read_only: bool,
    /// Names the moment of its end.
    pub mark: Option<Mark>,
    /// Names the moment of its start.
    pub mark_start: Option<Mark>,
    /// What to do when the end cannot be learnt.
    pub on_unknown: OnUnknown,
    /// Modes it belongs to; empty: all.
    pub only_in: Vec<Spanned<String>>,
    /// Process environment; values may be templates.
    pub env: Vec<(Spanned<String>, Spanned<String>)>,
    /// Input of the process; may be a template.
    pub stdin: Option<Spanned<String>>,
    /// Keep only length and hash of the output.
    pub sensitive: bool,
    /// Files to keep.
    pub evidence: Vec<Spanned<String>>,
    /// Where it stands.
    pub span: Span,
}

/// `as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// One number.
    Number,
    /// The text without trailing newlines.
    Text,
    /// A list of lines.
    Lines,
    /// Any JSON.
    Json,
    /// RFC 3339.
    Timestamp,
}

/// `delegate_to`.
#[derive(Clone, Debug)]
pub enum Delegate {
    /// A host, a set or `controller`; may be a template.
    To(String),
    /// The first of a set that is reachable, in service and not this host.
    OneOf(String),
}

/// `undo`.
#[derive(Clone, Debug, Default)]
pub enum Undo {
    /// Nothing written.
    #[default]
    Unwritten,
    /// These steps.
    Steps(Vec<Step>),
    /// An earlier step's undo takes this back too.
    CoveredBy(Spanned<String>),
    /// Cannot be taken back, for this reason.
    None(Spanned<String>),
}

/// `mark`, `mark_start`.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Its name.
    pub name: Spanned<String>,
    /// A template that gives the moment; `None`: now.
    pub at: Option<Spanned<String>>,
}

/// `on_unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// A person decides.
    #[default]
    Ask,
    /// Run it again, if the host proves nothing of it runs.
    Rerun,
    /// Count it as failed, under the same proof.
    Fail,
}

/// What a step does. Texts may be templates.
#[derive(Clone, Debug)]
pub enum Action {
    /// `run`.
    Run(Command),
    /// `script`.
    Script {
        /// File of the repository.
        file: Spanned<String>,
        /// What runs it; `None`: `sh`.
        interpreter: Option<Spanned<String>>,
        /// Its arguments.
        args: Vec<Spanned<String>>,
    },
    /// `upload`.
    Upload {
        /// File of the repository.
        src: Spanned<String>,
        /// Path on the host.
        dest: Spanned<String>,
        /// Octal mode.
        mode: Option<u32>,
        /// `user` or `user:group`.
        owner: Option<Spanned<String>>,
        /// Render it first.
        template: bool,
        /// A command that must accept the new file (`{{ file }}` is its temporary path) before it is renamed.
        validate: Option<Spanned<String>>,
    },
    /// `download`.
    Download {
        /// Path on the host.
        src: Spanned<String>,
        /// Limit in bytes.
        max_bytes: u64,
    },
    /// `http`.
    Http {
        /// GET, HEAD, POST, PUT, PATCH or DELETE.
        method: Spanned<String>,
        /// Where.
        url: Spanned<String>,
        /// Header lines.
        headers: Vec<(Spanned<String>, Spanned<String>)>,
        /// Body.
        body: Option<Spanned<String>>,
    },
    /// `assert`.
    Assert(Spanned<String>),
    /// `wait_for`.
    WaitFor {
        /// What for.
        what: WaitFor,
        /// How often to look.
        every: Duration,
    },
    /// `manual`.
    Manual(Spanned<String>),
}

/// `run`.
#[derive(Clone, Debug)]
pub enum Command {
    /// One script for `sh`.
    Shell(Spanned<String>),
    /// An argument list, no shell.
    Argv(Vec<Spanned<String>>),
}

/// `wait_for`.
#[derive(Clone, Debug)]
pub enum WaitFor {
    /// A TCP port that accepts, looked at on the host itself.
    Port {
        /// Address, default the host's own loopback.
        host: Option<Spanned<String>>,
        /// Port, may be a template.
        port: Spanned<String>,
    },
    /// A path that exists on the host.
    Path(Spanned<String>),
    /// A full login from the control machine.
    Connection,
    /// A fixed time.
    Time(Spanned<String>),
}
