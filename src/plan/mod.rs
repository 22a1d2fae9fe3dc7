//! What will happen: runbook, change and inventory joined, resolved and frozen. A plan has a digest; approvals and runs name it.
//!
//! Owns: the plan's types (`parts`: how its parts are found). Must not: read files, know what happened, decide anything at run time.
//!
//! Templates stay templates: every name they use is frozen in the plan (`params`, `targets`, host labels and vars) or learnt in
//! the run (results, facts, marks), so the same plan renders the same text for ever. `late` marks what needs the run.

pub mod bind;
mod call;
mod each;
pub mod estimate;
pub mod freeze;
pub mod lacking;
pub mod page;
mod parts;
pub use parts::HostIndex;
pub mod reads;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::call::Call;
pub use self::each::{Items, PlannedEach, item_words};
pub use self::window::{PlannedFreeze, PlannedWindow};
use crate::id::{Digest, HostName};
pub use crate::inventory::Winrm;
pub use crate::runbook::builtin::{Baseline, BuiltIn, Check, CompareMode, Names, Patch, PatchMode, Side};
pub use crate::runbook::outside::Hook;
pub use crate::runbook::{
    AfterBatch, Become, ChangeText, Kind, OnFailure, OnUnknown, Otherwise, Parse, Retry, SecretSource, Size, Stage,
    Stages, Value,
};

/// The value of [`Plan::schema`].
pub const SCHEMA: &str = "pitstop.plan/v1";

/// A frozen plan. Its canonical JSON is what is stored, digested and approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the runbook language.
    pub language: u32,
    /// Id of the runbook.
    pub runbook: String,
    /// Its path in the project.
    pub path: String,
    /// A sentence for the board.
    pub title: String,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// Longer text.
    pub description: Option<String>,
    /// What kind of work it is.
    pub kind: Kind,
    /// Text for the change record.
    pub change: ChangeText,
    /// The ticket or id of the change.
    pub ticket: Option<String>,
    /// Why now, from the change.
    pub reason: Option<String>,
    /// The chosen mode.
    pub mode: Option<String>,
    /// Every parameter with its value.
    pub params: BTreeMap<String, Value>,
    /// Declared secrets: where from, never the value.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Commands of secret providers, as `pitstop.yml` has them.
    pub providers: BTreeMap<String, Vec<String>>,
    /// What sends messages, as `pitstop.yml` has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notifiers: BTreeMap<String, PlannedNotifier>,
    /// Monitoring in which silences are set, as `pitstop.yml` has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub silencers: BTreeMap<String, PlannedSilencer>,
    /// The command of `pitstop.yml` that printed the inventory; none: it was read from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_command: Option<Vec<String>>,
    /// Monitoring that is kept quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silences: Vec<PlannedSilence>,
    /// Messages on events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<PlannedNotice>,
    /// Every host that the plan can touch (targets, delegates, bastions), in inventory order.
    pub hosts: Vec<PlannedHost>,
    /// Target sets with their hosts, in inventory order.
    pub targets: BTreeMap<String, Vec<HostName>>,
    /// When it may run; `None`: any time.
    pub window: Option<PlannedWindow>,
    /// What the freeze calendars said when it was made; `None`: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<PlannedFreeze>,
    /// The policy it was made under; `None`: no policy file.
    pub policy: Option<PlannedPolicy>,
    /// Who must approve the plan before it runs; `None`: nobody.
    pub approval: Option<Requirement>,
    /// Must hold before, between and after; read-only.
    pub steady_state: Vec<PlannedStep>,
    /// Limits between marks.
    pub objectives: Vec<PlannedObjective>,
    /// Phases and gates in order.
    pub items: Vec<PlanItem>,
    /// Files of the repository that the run uses, by path.
    pub files: BTreeMap<String, FileRef>,
    /// Steps and phases that the change leaves out, with its reasons.
    pub skipped: BTreeMap<String, String>,
    /// Phases that `limit` left without hosts.
    pub emptied: Vec<String>,
    /// It only proves that the work can be done and taken back: on the first batch of each phase, and all of it goes back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// The change's selector that narrowed the hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The hosts that it left out, by phase.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excluded: BTreeMap<String, Vec<HostName>>,
    /// What belongs to other modes only, in the runbook's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_modes: Vec<OtherMode>,
    /// The inventory's name, for the controller's lock per runbook and inventory.
    pub inventory: String,
    /// Where each of its hosts stands in `hosts`; no part of the plan.
    #[serde(skip)]
    pub index: HostIndex,
}

/// A phase, gate or step that the chosen mode leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherMode {
    /// `phase ID`, `gate ID`, `step PHASE/ID`.
    pub what: String,
    /// Its sentence, as it was written.
    pub title: String,
    /// The modes it belongs to.
    pub modes: Vec<String>,
}

/// A file that the plan froze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// A host as the inventory had it when the plan was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedHost {
    /// Its name.
    pub name: HostName,
    /// DNS name or address; the host's name: what the operator's ssh config makes of it.
    pub address: String,
    /// TCP port; none: what the operator's ssh config says, else 22.
    pub port: Option<u16>,
    /// How it is reached.
    pub transport: TransportKind,
    /// `linux` or `windows`.
    pub os: String,
    /// Login user; `None`: the operator's.
    pub user: Option<String>,
    /// Name of the secret with the login password.
    pub password: Option<String>,
    /// Key files to offer.
    pub identity: Vec<String>,
    /// `known_hosts` files; empty: the user's own.
    pub known_hosts: Vec<String>,
    /// A bastion: a host of the plan, or `user@host:port`.
    pub jump: Option<String>,
    /// `sudo`, `su` or `doas`.
    pub become_method: String,
    /// Name of the secret with the password for it.
    pub become_password: Option<String>,
    /// The user that `become: true` means; `None`: root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_user: Option<String>,
    /// Its rule allows the written command and no shell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub become_exact: bool,
    /// The shell that runs commands; `None`: `/bin/sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Settings of its transport, if it is `winrm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winrm: Option<Winrm>,
    /// Limit of each phase of connecting; none: what the operator's ssh config says, else ten seconds.
    pub connect_timeout_ms: Option<u64>,
    /// Labels, groups' included.
    pub labels: BTreeMap<String, String>,
    /// Variables, groups' included.
    pub vars: BTreeMap<String, Value>,
    /// The groups it is in.
    pub groups: Vec<String>,
}

/// `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// OpenSSH or any SSH server.
    Ssh,
    /// Windows remote management.
    Winrm,
    /// This machine.
    Local,
    /// Answers from a file.
    Script,
}

/// An item of `silence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSilence {
    /// A name of [`Plan::silencers`].
    pub via: String,
    /// What is kept quiet (templates).
    pub matchers: BTreeMap<String, String>,
    /// While a host is worked on, not for the whole run.
    pub by_host: bool,
}

/// An item of `notify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedNotice {
    /// On which events.
    pub events: Vec<String>,
    /// A name of [`Plan::notifiers`].
    pub via: String,
}

/// Monitoring in which silences are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedSilencer {
    /// The URL of Alertmanager.
    pub alertmanager: String,
    /// Name of the secret with its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How long a silence is set; it is renewed when half of that is over.
    pub for_ms: u64,
}

/// What sends a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlannedNotifier {
    /// An argument list, run without a shell.
    Command(Vec<String>),
    /// A web address.
    Hook(PlannedHook),
}

/// A web address for messages. It has a URL or a secret that is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedHook {
    /// Who reads it.
    pub hook: Hook,
    /// The URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of the secret that is the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What the plan needs of the policy, and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPolicy {
    /// Of the policy file's canonical content.
    pub digest: Digest,
    /// Group → principals.
    pub approvers: BTreeMap<String, Vec<String>>,
    /// The text of the `allowed_signers` file.
    pub allowed_signers: String,
}

/// People who must say yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Different people.
    pub need: u32,
    /// Groups of the policy; empty: the operator types the name (unsigned), where there is no policy.
    pub approvers: Vec<String>,
    /// The operator may not be one of them.
    pub not_operator: bool,
}

/// `objectives.NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedObjective {
    /// Its name.
    pub name: String,
    /// The mark it begins at.
    pub from: String,
    /// The mark it ends at.
    pub to: String,
    /// The limit.
    pub max_ms: u64,
    /// Subtract the time spent waiting for people.
    pub less_waiting: bool,
}

/// A phase or a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum PlanItem {
    /// A phase.
    Phase(Box<PlannedPhase>),
    /// A gate between phases.
    Gate(PlannedGate),
}

/// A gate, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGate {
    /// Its id; in a rollout `PHASE/N` is made when it opens, and this is the phase's id.
    pub id: String,
    /// The question.
    pub title: String,
    /// Who must say yes.
    pub requirement: Requirement,
    /// How long it waits.
    pub expires_ms: u64,
    /// What a rejection or expiry does.
    pub otherwise: Otherwise,
    /// `PHASE/STEP` of the results that are its evidence.
    pub show: Vec<String>,
    /// In a rollout: after which batch.
    pub after_batch: AfterBatch,
}

/// How a phase goes over its hosts, defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRollout {
    /// How batches grow; empty: one batch of all.
    pub batches: Vec<Size>,
    /// Hosts at work at one time.
    pub parallel: u32,
    /// Failed hosts that are borne.
    pub max_fail: Size,
    /// Wait after each batch.
    pub soak_ms: u64,
    /// Between batches.
    pub gate: Option<PlannedGate>,
    /// A batch never mixes hosts with different values of this label.
    pub apart: Option<String>,
    /// An expression over precheck results: such hosts go last, one at a time.
    pub last: Option<String>,
}

/// A phase, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// Its id.
    pub id: String,
    /// A sentence for the board.
    pub title: String,
    /// Its hosts in inventory order; `[controller]` without targets.
    pub hosts: Vec<HostName>,
    /// How it goes over them.
    pub rollout: PlannedRollout,
    /// Asked per host after its precheck (only if it names a result; else `bind` has decided).
    pub when: Option<String>,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// True if any step of it changes something.
    pub changes: bool,
    /// Its own steady state.
    pub steady_state: Vec<PlannedStep>,
    /// The six stages.
    pub stages: Stages<Vec<PlannedStep>>,
}

/// A step, resolved. Text that holds `{{ … }}` is rendered per host when the step is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id in its phase. Undo steps are `STEP/1`, `STEP/2`, …
    pub id: String,
    /// A sentence for the board.
    pub name: String,
    /// What it does.
    pub call: Call,
    /// True if a template or condition of it needs results, facts or marks of the run.
    pub late: bool,
    /// Run only if true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Must be true after the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// False: a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_unless: Option<String>,
    /// Keeps the result under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// Parses stdout into `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<Parse>,
    /// What `params` means here: those of an included file. `None`: [`Plan::params`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<BTreeMap<String, Value>>,
    /// Done for each of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<PlannedEach>,
    /// Where it is done.
    pub place: Place,
    /// Once a phase instead of once a host.
    pub once: bool,
    /// In precheck: again directly before each host starts.
    pub fresh: bool,
    /// The user to become; `None`: the login user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_user: Option<String>,
    /// It says only `become: true`: on a host that names a user for that, it is that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub become_true: bool,
    /// Repetition; attempts 1: none.
    pub retry: Retry,
    /// Limit of one attempt.
    pub timeout_ms: u64,
    /// Exit codes that mean success.
    pub ok_codes: Vec<i32>,
    /// It may fail, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_fail: Option<String>,
    /// How it is taken back.
    pub undo: PlannedUndo,
    /// Changes nothing.
    pub read_only: bool,
    /// Names the moment of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<PlannedMark>,
    /// Names the moment of its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_start: Option<PlannedMark>,
    /// What to do when its end cannot be learnt.
    pub on_unknown: OnUnknown,
    /// Process environment (templates).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Input (template).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Keep only length and hash of the output.
    pub sensitive: bool,
    /// Files of the host to keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The change leaves it out, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
}

impl PlannedStep {
    /// The two sides, of a step that compares.
    pub fn sides(&self) -> Option<[&Side; 2]> {
        match &self.call {
            Call::BuiltIn(BuiltIn::Compare { left, right, .. }) => Some([left, right]),
            _ => None,
        }
    }

    /// The user that a side becomes on its machine.
    pub fn side_becomes<'s>(&'s self, side: &'s Side, on: Option<&'s PlannedHost>) -> Option<&'s str> {
        match &side.become_ {
            None => self.becomes(on),
            Some(Become::No) => None,
            Some(Become::Root) => on.and_then(|h| h.become_user.as_deref()).or(Some("root")),
            Some(Become::User(user)) => Some(user),
        }
    }

    /// The user that it becomes on a host.
    pub fn becomes<'s>(&'s self, on: Option<&'s PlannedHost>) -> Option<&'s str> {
        let named = on.and_then(|h| h.become_user.as_deref()).filter(|_| self.become_true);
        named.or(self.become_user.as_deref())
    }
}

/// Where a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the host itself (the control machine where there is none).
    Own,
    /// On these, one after another; the same for every host.
    Hosts(Vec<HostName>),
    /// Told apart by host (a template over labels).
    ByHost(BTreeMap<HostName, Vec<HostName>>),
    /// On the first of these that is reachable, in service and not the host itself.
    OneOf(Vec<HostName>),
}

/// `mark`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedMark {
    /// Its name.
    pub name: String,
    /// An expression template that gives the moment; `None`: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedUndo {
    /// It changes nothing, or its stage has no undo.
    NotNeeded,
    /// These steps, top to bottom.
    Steps(Vec<PlannedStep>),
    /// This earlier step's undo takes it back too.
    CoveredBy(String),
    /// Cannot be taken back, for this reason.
    None(String),
}
