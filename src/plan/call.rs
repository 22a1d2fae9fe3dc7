//! What a step of a plan does.
//!
//! Owns: [`Call`]. Must not: do it (`action` does), or know the other keys of a step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BuiltIn, Check};

/// What a step does. Texts are templates until the step is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Call {
    /// One script for `sh`.
    Run {
        /// The script.
        command: String,
    },
    /// An argument list, no shell.
    Argv {
        /// The arguments.
        argv: Vec<String>,
    },
    /// A script of the repository.
    Script {
        /// Its path; its digest is in [`crate::plan::Plan::files`].
        file: String,
        /// What runs it.
        interpreter: Option<String>,
        /// Its arguments.
        args: Vec<String>,
    },
    /// A file of the repository, put on the host.
    Upload {
        /// Its path; its digest is in [`crate::plan::Plan::files`].
        src: String,
        /// Where it goes.
        dest: String,
        /// Octal mode.
        mode: Option<u32>,
        /// `user` or `user:group`.
        owner: Option<String>,
        /// Render it first.
        template: bool,
        /// A command that must accept it; `{}` is the temporary path.
        validate: Option<String>,
    },
    /// Puts back what an upload found before it (made by `bind` as the undo of an upload that has none written).
    Restore {
        /// The upload's step id, whose capture is put back.
        step: String,
        /// Where it was put.
        dest: String,
    },
    /// A file of the host, kept as evidence.
    Download {
        /// Its path.
        src: String,
        /// Limit.
        max_bytes: u64,
    },
    /// An HTTP request from the control machine.
    Http {
        /// GET, HEAD, POST, PUT, PATCH, DELETE.
        method: String,
        /// Where.
        url: String,
        /// Header lines.
        headers: BTreeMap<String, String>,
        /// Body.
        body: Option<String>,
    },
    /// A condition over what is known.
    Assert {
        /// The expression.
        that: String,
    },
    /// Waits until a TCP port accepts, looked at on the host.
    WaitPort {
        /// Address, default the host's loopback.
        host: Option<String>,
        /// Port.
        port: String,
        /// How often to look.
        every_ms: u64,
    },
    /// Waits until a path exists on the host.
    WaitPath {
        /// The path.
        path: String,
        /// How often to look.
        every_ms: u64,
    },
    /// Waits for a full login.
    WaitConnection {
        /// How often to try.
        every_ms: u64,
    },
    /// Waits a fixed time.
    WaitTime {
        /// A duration text.
        time: String,
    },
    /// A person does it.
    Manual {
        /// What to do.
        text: String,
    },
    /// One script for PowerShell.
    Powershell {
        /// The script.
        command: String,
    },
    /// Waits until a check is good.
    WaitCheck {
        /// Which.
        check: Check,
        /// How often to look.
        every_ms: u64,
    },
    /// Takes back what a built-in changed, from what it captured (made by `bind`).
    Revert {
        /// Its step's id.
        step: String,
        /// Its word.
        of: String,
    },
    /// One of two, by the operating system of the host where it is done. Where all hosts have one, `bind` has chosen.
    ByOs {
        /// For Linux hosts.
        linux: Option<Box<Call>>,
        /// For Windows hosts.
        windows: Option<Box<Call>>,
    },
    /// An action that knows what it changes.
    #[serde(untagged)]
    BuiltIn(BuiltIn),
}

impl Call {
    /// The word of the language.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Run { .. } | Self::Argv { .. } => "run",
            Self::Script { .. } => "script",
            Self::Upload { .. } | Self::Restore { .. } => "upload",
            Self::Download { .. } => "download",
            Self::Http { .. } => "http",
            Self::Assert { .. } => "assert",
            Self::WaitPort { .. } | Self::WaitPath { .. } | Self::WaitConnection { .. } | Self::WaitTime { .. } => {
                "wait_for"
            }
            Self::Manual { .. } => "manual",
            Self::Powershell { .. } => "powershell",
            Self::WaitCheck { .. } => "wait_for",
            Self::Revert { of, .. } => crate::runbook::keys::ACTIONS
                .iter()
                .find(|key| key.name == of)
                .map_or("undo", |key| key.name),
            Self::ByOs { .. } => "by_os",
            Self::BuiltIn(what) => what.word(),
        }
    }

    /// True if a changing step with this call is latched on its host; `http` and `manual` cannot be: a cut leaves them unknown.
    pub fn can_latch(&self) -> bool {
        match self {
            Self::Run { .. } | Self::Argv { .. } | Self::Script { .. } | Self::Revert { .. } => true,
            // A file is put in place by a rename, which is its own latch.
            Self::BuiltIn(what) => !matches!(what, BuiltIn::Edit { .. }),
            _ => false,
        }
    }
}
