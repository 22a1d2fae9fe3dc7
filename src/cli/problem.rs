//! Why a command could not do what it was asked: cause, next command, exit code.
//!
//! Owns: the one type all commands fail with. Must not: print.

use crate::approval::ApprovalFault;
use crate::diag::{Diagnostic, Diagnostics};
use crate::disk::Fault;
use crate::journal::store::FindError;
use crate::journal::{JournalError, LockError};
use crate::key::KeyFault;
use crate::provider::ProviderError;

use super::exit;

/// A command's failure.
#[derive(Debug)]
pub enum Problem {
    /// Texts that people wrote are wrong; may hold warnings too.
    Wrong(Diagnostics),
    /// One sentence, what to do next, and the exit code.
    Said {
        /// What is the matter.
        what: String,
        /// What to do next, one line each.
        help: Vec<String>,
        /// One of [`exit`].
        code: u8,
        /// What `explain` tells more about.
        about: Option<&'static str>,
    },
}

impl Problem {
    /// A wrong argument or input that cannot be read: exit 2.
    pub fn wrong(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::said(what, help, exit::WRONG)
    }

    /// Not now: exit 6.
    pub fn refused(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::said(what, help, exit::REFUSED)
    }

    /// The machine or pitstop itself: exit 70.
    pub fn fault(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::said(what, help, exit::FAULT)
    }

    fn said(what: impl Into<String>, help: impl Into<String>, code: u8) -> Self {
        let help: String = help.into();
        Self::Said {
            what: what.into(),
            help: if help.is_empty() { Vec::new() } else { vec![help] },
            code,
            about: None,
        }
    }

    /// `pitstop explain CODE` tells more about it.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        if let Self::Said { about, .. } = &mut self {
            *about = Some(code);
        }
        self
    }

    /// A further line of help.
    #[must_use]
    pub fn also(mut self, line: impl Into<String>) -> Self {
        if let Self::Said { help, .. } = &mut self {
            help.push(line.into());
        }
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Wrong(_) => exit::WRONG,
            Self::Said { code, .. } => *code,
        }
    }
}

impl From<Diagnostics> for Problem {
    fn from(diags: Diagnostics) -> Self {
        Self::Wrong(diags)
    }
}

impl From<Diagnostic> for Problem {
    fn from(d: Diagnostic) -> Self {
        Self::Wrong(Diagnostics(vec![d]))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::fault(fault.to_string(), fault.help.clone())
    }
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Fault(fault) => fault.into(),
            other => Self::wrong(other.to_string(), other.help()),
        }
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Held { .. } => Self::refused(error.to_string(), error.help()),
            _ => Self::fault(error.to_string(), error.help()),
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Lock(lock) => lock.into(),
            other => Self::fault(other.to_string(), other.help()),
        }
    }
}

impl From<KeyFault> for Problem {
    fn from(error: KeyFault) -> Self {
        Self::wrong(error.to_string(), error.help())
    }
}

impl From<ApprovalFault> for Problem {
    fn from(error: ApprovalFault) -> Self {
        match error {
            ApprovalFault::Key(key) => key.into(),
            ApprovalFault::Statement { .. } => Self::wrong(error.to_string(), error.help()),
            _ => Self::fault(error.to_string(), error.help()),
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        Self::wrong(error.to_string(), error.help)
    }
}

/// JSON that cannot be made: never for values of ours.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::fault(
            format!("a value has no JSON form: {error}"),
            "please report this bug with the command you ran",
        )
    }
}
