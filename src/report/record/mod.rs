//! The change record: the facts of one run as one structure. Every view is a function of it.
//!
//! Owns: the types of `pitstop.record/v1`; later versions only add fields. Must not: read files, ask a clock, format for people.
//!
//! Times are RFC 3339 in UTC with milliseconds, spans whole milliseconds, sizes whole bytes: nothing in it is a float.

mod blank;
mod foreseen;
mod gather;
mod history;
mod judge;
mod quiet;
mod restored;
mod rows;
mod scanned;
mod step;
mod views;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, HostName, RunId};
pub use foreseen::Foreseen;
pub use history::{FormerFacts, FormerFinding, FormerObjective, FormerRun, LastDrill, Reviewed, facts};
pub use quiet::{SilenceRecord, SilenceState};
pub use restored::{Deletion, Done, RestoreStatus};
pub use rows::Rows;
pub use scanned::{Former, Held, Missing, Scanned, former, scans};
pub use views::ChangedStep;

pub use step::{AttemptRecord, Decision, OutputRecord, StepRecord, UndoLine, UndoState};

pub use crate::plan::OtherMode;
use crate::plan::Plan;
use crate::plan::{Kind, OnFailure};
use crate::run::event::Stamped;
pub use crate::run::event::{HostState, Outcome, Verdict};
pub use crate::run::objective::{MarkSet, ObjectiveResult, Span, SpanPart};
use crate::run::{Run, ledger, moment, moved};

/// The value of [`ChangeRecord::schema`].
pub const SCHEMA: &str = "pitstop.record/v1";

/// Where a chain of journal records ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Records in it.
    pub events: u64,
    /// The last record's hash.
    pub hash: String,
}

/// The record of these events under this plan; `run` is what they fold to.
pub fn record(plan: &Plan, plan_digest: &Digest, run: &Run, events: &[Stamped], head: &ChainHead) -> ChangeRecord {
    let mut gather = gather::Gather::new(plan, plan_digest, head);
    let told = moved::on_one_clock(plan, events);
    for e in told.iter() {
        gather.apply(e);
    }
    let mut record = gather.finish(&told);
    let owed = ledger::obligations(plan, run);
    let what: HashMap<&str, &str> = owed.iter().rev().map(|o| (o.id.as_str(), o.what.as_str())).collect();
    for l in &mut record.left_behind {
        if let Some(what) = what.get(l.id.as_str()) {
            l.what = (*what).to_owned();
        }
    }
    judge::judge(plan, &told, &mut record);
    record.scanned = scanned::scanned(plan, &record);
    record.restore = restored::status(plan, &record);
    record
}

/// The record of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run.
    pub id: Option<RunId>,
    /// What kind of work it was.
    pub kind: Kind,
    /// The chosen mode.
    pub mode: Option<String>,
    /// True: a dry run.
    pub dry: bool,
    /// True: a rehearsal, whose work was to be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// A sentence.
    pub title: String,
    /// Longer text.
    pub description: Option<String>,
    /// Why it was done.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// `standard`, `normal`, `emergency`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// The author's words on risk, impact, back-out and test.
    pub texts: Texts,
    /// The runbook.
    pub runbook: RunbookRef,
    /// What was approved and ran.
    pub plan_digest: Digest,
    /// Version of pitstop that started it.
    pub tool: String,
    /// What belongs to other modes and was no part of this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_modes: Vec<OtherMode>,
    /// Parameters, as text.
    pub params: BTreeMap<String, String>,
    /// Who started and resumed it, in order.
    pub operators: Vec<Operator>,
    /// Planned and actual times.
    pub window: WindowRecord,
    /// Phases in order.
    pub phases: Vec<PhaseRecord>,
    /// Target hosts in inventory order.
    pub hosts: Vec<HostRecord>,
    /// Steps in order of their first start.
    pub steps: Vec<StepRecord>,
    /// Of a dry run: what a real one would go on to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreseen: Vec<Foreseen>,
    /// Which updates the hosts lack that were to be scanned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scanned: Vec<Scanned>,
    /// Of a restore test: whether it was restored, proven and erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// What undo was owed where a host went back or stands, line by line.
    pub undo: Vec<UndoLine>,
    /// Gates in order of opening.
    pub gates: Vec<GateRecord>,
    /// Every signed or typed decision.
    pub approvals: Vec<ApprovalRecord>,
    /// What went otherwise than planned.
    pub deviations: Vec<Deviation>,
    /// Limits and what was measured.
    pub objectives: Vec<ObjectiveResult>,
    /// What former runs of the runbook measured, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerRun>,
    /// The last drill, and what became of its findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<LastDrill>,
    /// What people wrote about this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Reviewed>,
    /// Moments that steps named.
    pub marks: Vec<MarkSet>,
    /// Spans in which people were waited for.
    pub waits: Vec<Span>,
    /// Rounds of the steady state.
    pub steady: Vec<SteadyRecord>,
    /// Host locks and whether they were given back.
    pub locks: Vec<LockRecord>,
    /// What monitoring was kept quiet about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silences: Vec<SilenceRecord>,
    /// What is owed and not done.
    pub left_behind: Vec<LeftBehind>,
    /// Obligations a person closed by word.
    pub forgiven: Vec<Forgiven>,
    /// People and what they did.
    pub participants: Vec<Participant>,
    /// Each time somebody went on with it.
    pub resumptions: Vec<Resumption>,
    /// Signals that came.
    pub signals: Vec<SignalRecord>,
    /// Reasons why nothing further started.
    pub halts: Vec<Note>,
    /// Things to know.
    pub warnings: Vec<Note>,
    /// How it ended.
    pub outcome: OutcomeRecord,
    /// The journal's chain.
    pub chain: Chain,
}

/// The author's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// How risky.
    pub risk: Option<String>,
    /// What users notice.
    pub impact: Option<String>,
    /// How it is taken back.
    pub backout: Option<String>,
    /// How success is tested.
    pub test: Option<String>,
}

/// The runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRef {
    /// Its id.
    pub id: String,
    /// Its path in the project.
    pub path: String,
    /// Files it used: path → digest.
    pub files: BTreeMap<String, Digest>,
}

/// Who started or resumed the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name claimed.
    pub name: String,
    /// On which machine.
    pub controller: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
}

/// Planned and actual times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// The zone people read.
    pub timezone: String,
    /// As planned; `None`: any time.
    pub planned: Option<Span>,
    /// No host starts after this.
    #[serde(with = "moment::maybe")]
    pub cutoff: Option<Timestamp>,
    /// From the first to the last event.
    pub actual: Option<Span>,
    /// Time spent waiting for people inside it.
    pub waited_ms: u64,
}

/// A phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its id.
    pub id: String,
    /// A sentence.
    pub title: String,
    /// True if a step of it changes something.
    pub changes: bool,
    /// True if it has steps that prove the work.
    pub verifies: bool,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// First host.
    #[serde(with = "moment::maybe")]
    pub began: Option<Timestamp>,
    /// Over.
    #[serde(with = "moment::maybe")]
    pub ended: Option<Timestamp>,
    /// Its batches.
    pub batches: Vec<BatchRecord>,
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// From 1.
    pub batch: u32,
    /// Its hosts in order.
    pub hosts: Vec<HostName>,
    /// Cut.
    #[serde(with = "moment")]
    pub began: Timestamp,
    /// Its soak began.
    #[serde(with = "moment::maybe")]
    pub soak: Option<Timestamp>,
    /// Soak, steady state and gate passed.
    #[serde(with = "moment::maybe")]
    pub settled: Option<Timestamp>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Its name.
    pub name: HostName,
    /// Its address.
    pub address: String,
    /// What it said it is (`debian 13`); empty: never reached.
    pub system: String,
    /// Kernel at the first and the last connection.
    pub kernel: (String, String),
    /// Boot identities seen, in order; more than one: it was restarted.
    pub boots: Vec<String>,
    /// Machine id.
    pub machine: String,
    /// Fingerprint of its host key.
    pub host_key: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The worst over all phases; `None`: it is at work.
    pub state: Option<HostState>,
    /// Phase by phase.
    pub phases: Vec<HostPhase>,
}

/// A host in a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPhase {
    /// The phase.
    pub phase: String,
    /// In which batch; `None`: none yet.
    pub batch: Option<u32>,
    /// How it ended; `None`: it is at work.
    pub state: Option<HostState>,
    /// Why, where it is not good.
    pub why: String,
    /// Its turn came.
    #[serde(with = "moment::maybe")]
    pub began: Option<Timestamp>,
    /// It turned round.
    #[serde(with = "moment::maybe")]
    pub turned: Option<Timestamp>,
    /// Its line ended.
    #[serde(with = "moment::maybe")]
    pub ended: Option<Timestamp>,
    /// Nothing can be undone there any more.
    pub closed: bool,
}

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRecord {
    /// Its id.
    pub gate: String,
    /// The question.
    pub title: String,
    /// Asked.
    #[serde(with = "moment")]
    pub opened: Timestamp,
    /// Would give up.
    #[serde(with = "moment")]
    pub expires: Timestamp,
    /// Ended.
    #[serde(with = "moment::maybe")]
    pub ended: Option<Timestamp>,
    /// How.
    pub how: GateState,
    /// How long people were waited for.
    pub waited_ms: u64,
    /// Hosts that were not in service meanwhile.
    pub out: Vec<HostName>,
}

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// Nobody has answered yet.
    Open,
    /// Enough people said yes.
    Passed,
    /// Somebody said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The window's cut-off came first.
    CutOff,
}

/// A decision of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// The gate; empty: the plan.
    pub gate: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// Who.
    pub by: String,
    /// The group that made it count.
    pub role: String,
    /// When the run read it.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// Fingerprint of the key; empty: typed, unsigned.
    pub key: String,
    /// Digest of the signed statement.
    pub statement: String,
    /// What they added.
    pub comment: String,
    /// `window` or `freeze`, where it overrides one.
    #[serde(rename = "override")]
    pub override_: String,
}

/// Something that went otherwise than planned, typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// What kind.
    pub code: DeviationCode,
    /// True if it counts against a clean close.
    pub weighs: bool,
    /// Where.
    pub phase: String,
    /// Which host.
    pub host: Option<HostName>,
    /// Which step.
    pub step: String,
    /// When; `None`: before the run.
    #[serde(with = "moment::maybe")]
    pub at: Option<Timestamp>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The kinds of deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationCode {
    /// The run ended after its window.
    EndedLate,
    /// A step was left out.
    StepSkipped,
    /// A step needed more than one attempt.
    StepRetried,
    /// A person decided instead of the rules.
    ManualOverride,
    /// Hosts were left out of the change.
    HostExcluded,
    /// Somebody let it run against the window or a freeze.
    ApprovalEmergency,
    /// A host or the run was taken back.
    RollbackUsed,
    /// The run was interrupted and went on.
    RunResumed,
    /// Something is left behind.
    CleanupIncomplete,
}

impl DeviationCode {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndedLate => "ended_late",
            Self::StepSkipped => "step_skipped",
            Self::StepRetried => "step_retried",
            Self::ManualOverride => "manual_override",
            Self::HostExcluded => "host_excluded",
            Self::ApprovalEmergency => "approval_emergency",
            Self::RollbackUsed => "rollback_used",
            Self::RunResumed => "run_resumed",
            Self::CleanupIncomplete => "cleanup_incomplete",
        }
    }
}

/// A round of the steady state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadyRecord {
    /// Phase; empty: the run's own.
    pub phase: String,
    /// From 0.
    pub round: u32,
    /// `start`, `batch`, `resume`, `end`.
    pub occasion: crate::run::event::Occasion,
    /// Asked.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The answer; `None`: none.
    pub ok: Option<bool>,
}

/// A host's lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// The host.
    pub host: HostName,
    /// False: held on the controller only.
    pub on_host: bool,
    /// True: given back.
    pub released: bool,
}

/// Something that is owed and not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// The obligation's id.
    pub id: String,
    /// What it is, in words.
    pub what: String,
}

/// An obligation closed by a person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgiven {
    /// The obligation's id.
    pub id: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
}

/// A person and what they did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The name claimed or signed.
    pub name: String,
    /// `operator`, `approver (group)`, `decided`.
    pub roles: Vec<String>,
}

/// Somebody went on with the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// Who.
    pub by: String,
    /// Where.
    pub controller: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The last event before.
    #[serde(with = "moment")]
    pub since: Timestamp,
    /// True: it had closed its journal; false: it was cut off.
    pub orderly: bool,
    /// True: it went only back from there.
    pub back: bool,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRecord {
    /// First, second.
    pub count: u32,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
}

/// A text with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The run's verdict; `None`: it has not ended.
    pub verdict: Option<Verdict>,
    /// The exit code.
    pub exit: Option<u8>,
    /// The close code for the ticket; `None`: the run can still go on.
    pub result: Option<CloseCode>,
    /// One or two sentences.
    pub summary: String,
}

/// The close code of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCode {
    /// As planned.
    Successful,
    /// Done, with deviations or some hosts cleanly taken back.
    SuccessfulIssues,
    /// Not done.
    Unsuccessful,
    /// Nothing was touched.
    Canceled,
}

/// The journal's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// `sha256`.
    pub algo: String,
    /// Records in it.
    pub events: u64,
    /// The last record's hash.
    pub head: String,
    /// What is wrong with the journal, if it is damaged: this record then tells only of its intact part. Set by whoever read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}
