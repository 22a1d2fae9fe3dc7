//! What was written in one step: its action, its conditions, its way back.
//!
//! Owns: the types of a step. Must not: know phases and stages, which hold steps.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::builtin::{BuiltIn, Check};
use super::{Fragment, Value};
use crate::diag::{Span, Spanned};

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
    /// Do it for each item of a list.
    pub for_each: Option<ForEach>,
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
    /// What `params` means here, in an included file that has parameters of its own.
    pub fragment: Option<Arc<Fragment>>,
    /// Where it stands.
    pub span: Span,
}

/// `for_each`, with its `max_items`.
#[derive(Clone, Debug)]
pub struct ForEach {
    /// The list.
    pub list: EachList,
    /// A longer list is an error.
    pub max_items: Option<Spanned<u32>>,
    /// The key.
    pub span: Span,
}

/// Where the items of `for_each` come from.
#[derive(Clone, Debug)]
pub enum EachList {
    /// They are written out.
    Written {
        /// In order; texts among them may be templates.
        items: Vec<Spanned<Value>>,
        /// Every text of them that holds a template.
        texts: Vec<Spanned<String>>,
    },
    /// One `{{ expression }}` gives them.
    From(Spanned<String>),
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
    /// `true`: root, or whom the host's own `become.user` names.
    Root,
    /// This user.
    User(String),
}

impl Become {
    /// The user it names; root, if only a host can tell otherwise.
    pub fn user(&self) -> Option<String> {
        match self {
            Self::No => None,
            Self::Root => Some("root".to_owned()),
            Self::User(user) => Some(user.clone()),
        }
    }
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
    /// The first line, the numbers behind `|`, and the state that the exit code names.
    Nagios,
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
    /// `powershell`.
    Powershell(Spanned<String>),
    /// `edit`, `check`, `service`, `package`, `patch`, `reboot`, `compare`, `baseline`.
    BuiltIn {
        /// What.
        what: BuiltIn,
        /// Its texts that may hold templates, with their places.
        texts: Vec<Text>,
    },
    /// `linux`, `windows`: one of them is written at least.
    ByOs {
        /// For Linux hosts.
        linux: Option<Box<Spanned<Action>>>,
        /// For Windows hosts.
        windows: Option<Box<Spanned<Action>>>,
    },
}

/// A text of a built-in action that may hold templates.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text and where it stands.
    pub text: Spanned<String>,
    /// A shell reads it.
    pub command: bool,
}

/// Actions that this build plans and cannot perform.
pub const ONLY_PLANNED: &[&str] = &["powershell"];

impl Action {
    /// The word of the language.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Script { .. } => "script",
            Self::Upload { .. } => "upload",
            Self::Download { .. } => "download",
            Self::Http { .. } => "http",
            Self::Assert(_) => "assert",
            Self::WaitFor { .. } => "wait_for",
            Self::Manual(_) => "manual",
            Self::Powershell(_) => "powershell",
            Self::BuiltIn { what, .. } => what.word(),
            Self::ByOs { linux: Some(_), .. } => "linux",
            Self::ByOs { .. } => "windows",
        }
    }

    /// Itself, or the actions of its platforms.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::ByOs { linux, windows } => linux.iter().chain(windows).map(|part| &part.value).collect(),
            one => vec![one],
        }
    }

    /// Whether it changes nothing by nature; `None`: its author says.
    pub fn is_read_only(&self) -> Option<bool> {
        match self {
            Self::Assert(_) | Self::WaitFor { .. } | Self::Download { .. } => Some(true),
            Self::Http { method, .. } => Some(matches!(method.as_str(), "GET" | "HEAD")),
            Self::Upload { .. } => Some(false),
            Self::BuiltIn { what, .. } => Some(what.is_read_only()),
            Self::Run(_) | Self::Script { .. } | Self::Powershell(_) | Self::Manual(_) => None,
            Self::ByOs { .. } => {
                let parts: Vec<_> = self.parts().into_iter().map(Self::is_read_only).collect();
                if parts.contains(&Some(false)) {
                    Some(false)
                } else {
                    parts.iter().all(|part| *part == Some(true)).then_some(true)
                }
            }
        }
    }

    /// True if it is never read-only, whatever its author says.
    pub fn always_changes(&self) -> bool {
        match self {
            Self::Upload { .. } => true,
            Self::BuiltIn { what, .. } => !what.is_read_only(),
            Self::ByOs { .. } => self.parts().into_iter().any(Self::always_changes),
            _ => false,
        }
    }

    /// True if it knows its own way back, or needs none.
    pub fn takes_itself_back(&self) -> bool {
        match self {
            Self::Upload { .. } | Self::Manual(_) | Self::BuiltIn { .. } => true,
            Self::ByOs { .. } => self.parts().into_iter().all(Self::takes_itself_back),
            _ => false,
        }
    }

    /// True if it starts a process that its author wrote: it has an environment, an input and exit codes.
    pub fn is_process(&self) -> bool {
        match self {
            Self::Run(_) | Self::Script { .. } | Self::Powershell(_) => true,
            Self::BuiltIn { what, .. } => matches!(what, BuiltIn::Compare { .. }),
            Self::ByOs { .. } => self.parts().into_iter().all(Self::is_process),
            _ => false,
        }
    }
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
    /// A TCP port that accepts, looked at on the host itself or from the control machine.
    Port {
        /// The control machine looks.
        from_controller: bool,
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
    /// A check that is good.
    Check {
        /// Which.
        check: Check,
        /// Its texts that may hold templates.
        texts: Vec<Text>,
    },
}
