//! What happened: the only vocabulary of a run. The journal stores these, the fold and the reports read them.
//!
//! Owns: the types. Must not: hold anything that is not owned, serialisable and free of secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::key::{Slot, StepKey};
pub use super::outlook::Outlook;
pub use super::quiet::SilenceKey;
pub use super::state::{HostState, Outcome, Verdict};
use crate::id::{Digest, HostName, RunId};
use crate::inventory::facts::Facts;
use crate::plan::Value;

/// One fact, with its place and time in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// From 1, without gaps.
    pub seq: u64,
    /// UTC, milliseconds.
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

/// Output of one stream, kept under its hash; redacted before it was hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Bytes the host sent, also those past the limit.
    pub bytes: u64,
    /// The stored part, under `output/`; `None`: there is no file, `text` is all of it (or nothing could be stored:
    /// `truncated`). Where it is `withheld`, of what was said, and there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// True if only a part is stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The step is `sensitive`: its length and hash are all that is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// The text if it is short, else its last 2 KiB (empty for `sensitive` steps).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What a step left behind for later steps and for the record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Exit status, where there was a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rc: Option<i32>,
    /// Standard output.
    #[serde(default)]
    pub stdout: Kept,
    /// Standard error.
    #[serde(default)]
    pub stderr: Kept,
    /// What `as` made of stdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Of `as: json`: the names of its objects' fields, in the order in which they first came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// True if the step changed something (a changing command that ran is taken to have).
    #[serde(default)]
    pub changed: bool,
    /// Further fields by action (`status`, `sha256`, `by`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, Value>,
    /// Evidence files kept: path on the host → digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, Digest>,
    /// Moments named by this step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, Timestamp>,
    /// `warn_unless` was false, or `may_fail` let a failure pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warned: bool,
    /// Why it did not end ok, one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Milliseconds on the monotonic clock.
    #[serde(default)]
    pub duration_ms: u64,
}

/// A decision that somebody signed (or typed, where no policy asks for a signature).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// `approve` or `reject`.
    pub decision: String,
    /// Who.
    pub principal: String,
    /// The group that made the answer count.
    #[serde(default)]
    pub role: String,
    /// Fingerprint of the key; empty: unsigned, typed by the operator.
    #[serde(default)]
    pub key: String,
    /// Digest of the statement's bytes; empty: typed.
    #[serde(default)]
    pub statement: String,
    /// What they added.
    #[serde(default)]
    pub comment: String,
    /// `window` or `freeze`, where the answer overrides one.
    #[serde(default, rename = "override")]
    pub override_: String,
}

/// One fact of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Started {
        /// Its id.
        run: RunId,
        /// The plan's digest.
        plan: Digest,
        /// Who claims to have started it.
        operator: String,
        /// The machine.
        controller: String,
        /// Version of pitstop.
        tool: String,
        /// True: a dry run.
        dry: bool,
        /// Approvals of the plan that let it start.
        approvals: Vec<Answer>,
        /// What the freeze calendars said at the start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        freezes: Vec<crate::window::Freeze>,
        /// How long the slowest host of each phase took in former runs of this runbook, ms.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        former_ms: BTreeMap<String, u64>,
        /// A person sits at the terminal and is asked before a policy acts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        attended: bool,
    },
    /// Somebody goes on with it.
    Resumed {
        /// Who.
        operator: String,
        /// Where.
        controller: String,
        /// True: `--rollback`, it only goes back from here.
        back: bool,
        /// Signed overrides that let it go on outside the window.
        overrides: Vec<Answer>,
        /// A person sits at the terminal and is asked before a policy acts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        attended: bool,
    },
    /// `owed --clean`: what has ended is closed and what is ours is removed from the hosts; nothing else begins.
    Cleaning {
        /// Who.
        operator: String,
        /// Where.
        controller: String,
    },
    /// The run is about to log into hosts where nothing of it lies: from here on something may.
    Entering {
        /// Which.
        hosts: Vec<HostName>,
    },
    /// A host was logged into.
    Connected {
        /// Which.
        host: HostName,
        /// What it said. Boxed: it is by far the largest, and there are some hundred thousand events of a large run.
        facts: Box<Facts>,
    },
    /// The host's line begins: it was reached.
    Reached {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
    },
    /// The run holds the host's lock. `place` is empty where the host has none and the controller's lock must do.
    Locked {
        /// Which.
        host: HostName,
        /// False: the controller's own lock only.
        on_host: bool,
    },
    /// It was given back.
    Unlocked {
        /// Which.
        host: HostName,
    },
    /// The host was left clean: nothing that the run put there for itself is there any more (of its lock `Unlocked` tells).
    LeftClean {
        /// Which.
        host: HostName,
    },
    /// A round of the steady state begins. `pass` of its steps is `round`.
    SteadyAsked {
        /// Phase, or empty for the run's own.
        phase: String,
        /// From 0.
        round: u32,
        /// Why now.
        occasion: Occasion,
    },
    /// It ended.
    SteadyAnswered {
        /// Phase, or empty.
        phase: String,
        /// Which round.
        round: u32,
        /// True: all steps hold.
        ok: bool,
    },
    /// The first host of a phase enters it.
    PhaseBegan {
        /// Which.
        phase: String,
    },
    /// The phase's `when`, asked after the precheck.
    Judged {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// False: `not_needed`.
        needed: bool,
    },
    /// The rollout's `last`, asked when a batch is chosen.
    JudgedLast {
        /// Phase.
        phase: String,
        /// Before which batch.
        batch: u32,
        /// Host.
        host: HostName,
        /// True: after all others.
        last: bool,
    },
    /// A batch was cut.
    BatchBegan {
        /// Phase.
        phase: String,
        /// From 1.
        batch: u32,
        /// Its hosts in order.
        hosts: Vec<HostName>,
    },
    /// A host's turn has come.
    HostBegan {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// Prechecks that are repeated first, by id.
        recheck: Vec<String>,
    },
    /// The items of a `for_each` step, before the first is done: asked once, and never again.
    Listed {
        /// The key of its first place.
        key: StepKey,
        /// The items, in order.
        items: Vec<Value>,
    },
    /// Of a dry run: what a real one would make of a step that this one does not do.
    Foreseen {
        /// The key that its first attempt would have.
        key: StepKey,
        /// What is known of it.
        outlook: Outlook,
    },
    /// A step is about to be sent. Durable before its bytes go to the host.
    Intended {
        /// Its key.
        key: StepKey,
        /// Where it is done.
        on: HostName,
        /// What it does, rendered and redacted, in words.
        call: String,
        /// True if it changes something.
        changes: bool,
        /// True if it is latched there.
        latched: bool,
        /// The boot identity of `on`, known before.
        boot: String,
        /// Limit of this attempt.
        limit_ms: u64,
    },
    /// What an upload found before it.
    Captured {
        /// The upload's key.
        key: StepKey,
        /// Digest of the former content, kept under `output/`; `None`: there was no file.
        former: Option<Digest>,
        /// Its octal mode.
        mode: Option<u32>,
    },
    /// A step ended.
    Settled {
        /// Its key.
        key: StepKey,
        /// How.
        outcome: Outcome,
        /// With what.
        result: Arc<StepResult>,
    },
    /// The host proves that an attempt never began and never will: it was not an attempt. Also of a step that changes nothing,
    /// sent behind others of which one did not end with 0.
    NeverBegan {
        /// Its key.
        key: StepKey,
    },
    /// A read-only step was cut off together with the process: it is simply run again.
    CutOff {
        /// Its key.
        key: StepKey,
    },
    /// A step was left out.
    Skipped {
        /// Its key (attempt 1).
        key: StepKey,
        /// Why: its `when` was false, or the change leaves it out.
        reason: String,
        /// True if the change's `skip` or a person left it out (a deviation), false for `when`.
        by_person: bool,
    },
    /// A host turns round: what is owed is undone from here.
    Turned {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// Why.
        why: String,
        /// True if the host's own failure is why; false if the whole run goes back.
        own_failure: bool,
    },
    /// A held host is looked at again (`resume`): `verify`, then `undrain`.
    Reopened {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// The pass of these steps.
        pass: u32,
    },
    /// A host's line ended.
    HostEnded {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// How.
        state: HostState,
        /// Why, where it is not good.
        why: String,
    },
    /// The host's cleanup is over: nothing of this phase can be undone there any more.
    HostClosed {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
    },
    /// A batch's soak begins.
    SoakBegan {
        /// Phase.
        phase: String,
        /// Batch.
        batch: u32,
        /// Its length.
        soak_ms: u64,
    },
    /// Soak, steady state and gate of a batch are passed.
    BatchSettled {
        /// Phase.
        phase: String,
        /// Batch.
        batch: u32,
    },
    /// A phase is over.
    PhaseEnded {
        /// Which.
        phase: String,
    },
    /// A gate waits for people.
    GateOpened {
        /// Its id (`PHASE/N` in a rollout).
        gate: String,
        /// The question.
        title: String,
        /// When it gives up.
        expires: Timestamp,
        /// Hosts that are not in service meanwhile.
        out: Vec<HostName>,
    },
    /// Somebody answered.
    GateAnswered {
        /// Which gate.
        gate: String,
        /// The answer.
        answer: Answer,
    },
    /// Enough people said yes.
    GatePassed {
        /// Which.
        gate: String,
    },
    /// It will not pass now.
    GateClosed {
        /// Which.
        gate: String,
        /// Rejected, expired, or met the cut-off.
        why: GateEnd,
    },
    /// No further host, phase or gate starts.
    Halted {
        /// Why.
        why: Halt,
        /// For people.
        text: String,
    },
    /// From here the whole run goes back.
    TurnedBack {
        /// Why.
        why: String,
        /// It was a rehearsal, and all of it was good: this is its other half.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rehearsed: bool,
    },
    /// A signal came.
    Signalled {
        /// First, second.
        count: u32,
    },
    /// The machine's wall clock was set while the run was under way; times of day from here on are the new clock's.
    ClockMoved {
        /// By how much, ms; negative: set back.
        by_ms: i64,
    },
    /// A step of a host did not end well, and the person at the terminal is asked before the policy acts.
    Asked {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// The slot.
        slot: Slot,
        /// When the policy acts without an answer.
        until: Timestamp,
    },
    /// Nobody answered: the policy acts.
    Unanswered {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// The slot.
        slot: Slot,
    },
    /// A person's word on a step of a host.
    Decided {
        /// Phase.
        phase: String,
        /// Host.
        host: HostName,
        /// The slot.
        slot: Slot,
        /// `ok`, `failed`, `rerun` or `skip`; at the terminal also `rollback`, `hold`, or `policy`: what is written is to be done.
        verdict: String,
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// A person's word that an obligation was put right by hand.
    Forgiven {
        /// The obligation's id.
        obligation: String,
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// Monitoring is about to be asked to keep quiet, or to do so for longer. Durable before the request is sent.
    Silencing {
        /// What.
        silence: SilenceKey,
        /// Until when.
        until: Timestamp,
    },
    /// It keeps quiet.
    Silenced {
        /// What.
        silence: SilenceKey,
        /// What the monitoring calls it.
        id: String,
        /// Until when, if nobody asks for more.
        until: Timestamp,
    },
    /// It could not be brought to.
    NotSilenced {
        /// What.
        silence: SilenceKey,
        /// Why.
        why: String,
        /// True if it may keep quiet all the same: the request was sent and no answer came.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        perhaps: bool,
    },
    /// It does not keep quiet any more: the silence was taken off, or there was none.
    Unsilenced {
        /// What.
        silence: SilenceKey,
    },
    /// The silence could not be taken off: it ends by itself.
    StillSilenced {
        /// What.
        silence: SilenceKey,
        /// Why.
        why: String,
    },
    /// Somebody was told of an event, or could not be.
    Notified {
        /// Number of the record of that event.
        of: u64,
        /// Which event: `started`, `gate_waiting`, `host_failed`, `unknown`, `finished`.
        event: String,
        /// Through what.
        via: String,
        /// Why it could not be told; empty: it was.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Something to know that changes nothing.
    Noted {
        /// The text.
        text: String,
    },
    /// This process is done with the run (it may be resumed).
    Ended {
        /// How.
        verdict: Verdict,
        /// The exit code.
        exit: u8,
        /// Ids of what is left behind.
        left_behind: Vec<String>,
    },
}

/// When the steady state is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Before the first precheck (or a phase's first host).
    Start,
    /// After a batch's soak.
    Batch,
    /// By `resume` before a further host starts.
    Resume,
    /// At the end.
    End,
}

/// Why a gate did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateEnd {
    /// A person who may approve said no.
    Rejected,
    /// Its time ran out.
    Expired,
    /// The window's cut-off came first.
    CutOff,
}

/// Why nothing further starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Halt {
    /// More hosts failed than the phase bears.
    TooManyFailed,
    /// The steady state is false.
    SteadyState,
    /// The window closes.
    Window,
    /// A gate did not pass.
    Gate,
    /// An opening `once` step failed.
    Bracket,
}
