//! How steps, hosts and runs end: the words of the glossary.
//!
//! Owns: the words and their order. Must not: say when which of them holds (that is `line` and `verdict`).

use serde::{Deserialize, Serialize};

/// How a step ended on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Ok,
    /// It said no, or its condition was false.
    Failed,
    /// Past its limit and proven stopped.
    TimedOut,
    /// Could not be sent.
    Unreachable,
    /// Sent, and nobody can say how it ended.
    Unknown,
    /// Not run.
    Skipped,
}

impl Outcome {
    /// The word of the glossary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// How a host ended in a phase; `severity` orders them for the run's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Good.
    Ok,
    /// `when` of the phase was false: untouched and good.
    NotNeeded,
    /// Good, with a warning.
    Warned,
    /// Its turn never came.
    NotStarted,
    /// A precheck was false, or it could not be reached: untouched.
    Refused,
    /// A step failed in a phase that changes nothing.
    Failed,
    /// All that was owed is undone and verified.
    RolledBack,
    /// Changed or drained and not proven good: stays as it is, out of service where the phase drains.
    Held,
    /// An undo failed.
    Broken,
    /// Nobody can say.
    Unknown,
}

impl HostState {
    /// The word of the glossary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotNeeded => "not_needed",
            Self::Warned => "warned",
            Self::NotStarted => "not_started",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }

    /// True for `ok`, `warned` and `not_needed`.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Ok | Self::Warned | Self::NotNeeded)
    }
}

/// How a run ended, or why it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every host good.
    Done,
    /// A precheck, a check or the steady state was false: nothing touched.
    Failed,
    /// Everything that was changed is back and verified.
    RolledBack,
    /// A person's decision is awaited.
    Waiting,
    /// Stopped by a person, a rejection or the window.
    Stopped,
    /// A person is needed.
    Stuck,
}

impl Verdict {
    /// The word of the glossary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Stuck => "stuck",
        }
    }
}
