//! The meaning of each action: a rendered job in, how it ended out.
//!
//! Owns: what each action does on a host and what proves its success. Must not: render templates, decide what comes next, or
//! write the journal.

pub mod baseline;
pub mod check;
mod command;
pub mod compare;
pub mod edit;
mod file;
pub mod hands;
mod http;
mod letter;
pub mod notice;
pub mod notify;
pub mod packages;
pub mod proven;
pub mod reboot;
pub mod service;
pub mod silence;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::hands::{FEWEST_DESCRIPTORS, Hands, KEPT_OPEN, Outside};
use crate::id::{Content, Digest, HostName};
use crate::plan::Value;
use crate::secret::Secret;
use crate::transport::{Command, LatchKey, Sink};

use self::check::Check;
use self::compare::Compare;
pub use self::file::Former;
use self::file::Memory;
use self::packages::Scan;
use self::proven::Proven;
use self::reboot::Reboot;

/// One attempt of one step, rendered.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to do.
    pub work: Work,
    /// Where.
    pub on: HostName,
    /// `PITSTOP_STEP_KEY`.
    pub step_key: String,
    /// Latched under this name, if it changes something and can be.
    pub latch: Option<LatchKey>,
    /// The boot identity journalled before its intent.
    pub boot: String,
    /// True if it changes something.
    pub changes: bool,
    /// Become this user.
    pub become_user: Option<String>,
    /// Process environment.
    pub env: Vec<(String, Secret)>,
    /// Process input.
    pub stdin: Option<Secret>,
    /// Limit of this attempt.
    pub timeout: Duration,
    /// Turns true when running commands are to be stopped.
    pub cancel: watch::Receiver<bool>,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Run a command.
    Command(Command),
    /// Put a file.
    Put {
        /// Its bytes.
        content: Arc<Content>,
        /// Where.
        dest: String,
        /// Octal mode.
        mode: Option<u32>,
        /// `user` or `user:group`.
        owner: Option<String>,
        /// A command that must accept it.
        validate: Option<String>,
    },
    /// Edit a file.
    Edit {
        /// Which.
        file: String,
        /// An expression.
        find: String,
        /// What stands there afterwards.
        put: String,
        /// How many places must match.
        count: u32,
        /// What the file was when it was looked at; `None`: it was not.
        former: Option<Former>,
    },
    /// Do what proves itself.
    Prove {
        /// What.
        action: Arc<dyn Proven>,
        /// The state that was captured; `None`: it was not looked at.
        former: Option<String>,
    },
    /// Look at something and judge it.
    Check(Arc<Check>),
    /// Compare what two commands say.
    Compare(Arc<Compare>),
    /// List updates.
    Scan(Arc<Scan>),
    /// Restart the host.
    Reboot {
        /// How.
        reboot: Reboot,
        /// The state that was captured; `None`: it was not looked at.
        former: Option<String>,
    },
    /// Put back what an upload found; `None`: there was no file.
    Restore {
        /// The former bytes.
        former: Option<Arc<Content>>,
        /// Their mode.
        mode: Option<u32>,
        /// Where.
        dest: String,
    },
    /// Keep a file of the host.
    Get {
        /// Its path.
        src: String,
        /// Limit.
        max_bytes: u64,
    },
    /// Ask a server.
    Http {
        /// Method.
        method: String,
        /// Where.
        url: String,
        /// Headers.
        headers: Vec<(String, Secret)>,
        /// Body.
        body: Option<Secret>,
    },
    /// A condition that has been evaluated already.
    Holds(bool),
    /// Wait for a TCP port, seen from the host.
    WaitPort {
        /// Address; `None`: the host's loopback.
        host: Option<String>,
        /// Port.
        port: u16,
        /// How often.
        every: Duration,
    },
    /// Wait for a path.
    WaitPath {
        /// The path.
        path: String,
        /// How often.
        every: Duration,
    },
    /// Wait for a full login.
    WaitConnection {
        /// How often.
        every: Duration,
    },
    /// Wait until a check is good.
    WaitCheck {
        /// Which.
        check: Arc<Check>,
        /// How often.
        every: Duration,
    },
    /// Wait so long.
    WaitTime(Duration),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what it is for.
    Good,
    /// A command ended by itself with this status.
    Exited(i32),
    /// It did not; why.
    Failed(String),
    /// Past its limit and proven stopped.
    TimedOut,
    /// Stopped because the operator wished it, and proven stopped.
    Cancelled,
    /// Could not be sent.
    Unreachable(String),
    /// The host proves that it never began and never will.
    NeverBegan,
    /// It was sent behind another that did not end well, and was not begun.
    PassedOver,
    /// Sent, and its end cannot be learnt.
    Unknown {
        /// Why.
        why: String,
        /// The host proves that nothing of it still runs.
        stopped: bool,
    },
}

/// A finished job.
#[derive(Clone, Debug)]
pub struct Done {
    /// How it ended.
    pub end: End,
    /// True if it proves that it changed nothing.
    pub unchanged: bool,
    /// The exit status of a command whose end is not the whole verdict.
    pub rc: Option<i32>,
    /// Result fields of the action.
    pub more: BTreeMap<String, Value>,
}

impl Done {
    fn end(end: End) -> Self {
        Self {
            end,
            unchanged: false,
            rc: None,
            more: BTreeMap::new(),
        }
    }
}

/// Does one job to its end or limit. Output goes to the sink.
pub async fn perform(job: &Job, hands: &Hands, sink: &mut dyn Sink) -> Done {
    match &job.work {
        Work::Command(command) => Done::end(command::run(job, command, hands, sink).await),
        Work::Put {
            content,
            dest,
            mode,
            owner,
            validate,
        } => {
            let file = file::Upload {
                content,
                instead_of: None,
                dest,
                mode: *mode,
                owner: owner.as_deref(),
                validate: validate.as_deref(),
            };
            file::put(job, &file, hands).await
        }
        Work::Edit {
            file,
            find,
            former: None,
            ..
        } => proven::unlooked(job, edit::words(file, find), hands, sink).await,
        Work::Edit { file, former, .. } => match work_of_edit(&job.work) {
            Ok((content, places)) => {
                let former = former.as_ref().and_then(|f| f.content.as_deref()).map(Digest::of);
                let upload = file::Upload {
                    content: &content,
                    instead_of: former.as_ref(),
                    dest: file,
                    mode: None,
                    owner: None,
                    validate: None,
                };
                let mut done = file::put(job, &upload, hands).await;
                done.more = [("matches".to_owned(), Value::Int(places.into()))].into();
                done
            }
            Err(why) => Done::end(End::Failed(why)),
        },
        Work::Scan(scan) => {
            let fields = |said: &str| scan.fields(said);
            proven::found(job, scan.words(), scan.script(), fields, hands, sink).await
        }
        Work::Reboot { reboot, former } => reboot.perform(job, former.as_deref(), hands, sink).await,
        Work::Prove { action, former } => proven::perform(job, &**action, former.as_deref(), hands, sink).await,
        Work::Restore { former, mode, dest } => file::restore(job, former.as_ref(), *mode, dest, hands).await,
        Work::Get { src, max_bytes } => file::get(job, src, *max_bytes, hands, sink).await,
        Work::Http {
            method,
            url,
            headers,
            body,
        } => http::send(job, method, url, headers, body.as_ref(), hands, sink).await,
        Work::Holds(true) => Done::end(End::Good),
        Work::Holds(false) => Done::end(End::Failed("the condition is false".to_owned())),
        Work::WaitPort { host, port, every } => wait::port(job, host.as_deref(), *port, *every, hands).await,
        Work::WaitPath { path, every } => wait::path(job, path, *every, hands).await,
        Work::WaitConnection { every } => wait::connection(job, *every, hands).await,
        Work::WaitTime(time) => wait::time(job, *time, hands).await,
        Work::Check(check) => check::perform(job, check, hands, sink).await,
        Work::Compare(compare) => compare::perform(job, compare, hands, sink).await,
        Work::WaitCheck { check, every } => check::wait(job, check, *every, hands, sink).await,
    }
}

/// What an edited file becomes, and how many places were edited.
///
/// # Errors
/// When the file was not seen, is not there, or other places match than were said.
pub fn work_of_edit(work: &Work) -> Result<(Arc<Content>, u32), String> {
    let Work::Edit {
        file,
        find,
        put,
        count,
        former: Some(former),
    } = work
    else {
        return Err("the file was not looked at before".to_owned());
    };
    let content = former
        .content
        .as_deref()
        .ok_or_else(|| format!("there is no file {file}"))?;
    let (after, places) = edit::edited(content, find, put, *count).map_err(|why| format!("{file}: {why}"))?;
    Ok((Arc::new(after.into()), places))
}

/// What is looked at before a step, so that there is a way back.
#[derive(Clone, Debug)]
pub enum Capture {
    /// A file: its content and mode. One that is edited is not looked at on a scripted host.
    File {
        /// Which.
        path: String,
        /// It is edited, so it must be there.
        edited: bool,
    },
    /// What this script prints: the state that an action may change.
    State(String),
}

/// Looks at it. Repeatable; changes nothing. A scripted host has no state that could be looked at: nothing.
///
/// # Errors
/// When it cannot be seen, or is too large to be kept: then the step must not begin.
pub async fn capture(job: &Job, what: &Capture, hands: &Hands) -> Result<Option<Former>, String> {
    let words = |end| match end {
        End::Failed(why) | End::Unreachable(why) | End::Unknown { why, .. } => why,
        other => format!("{other:?}"),
    };
    let session = hands.session(&job.on).await.map_err(|e| e.advised())?;
    if !session.has_shell() {
        return Err(proven::NO_SHELL.to_owned());
    }
    match what {
        // A scripted host has no files but those that were put there.
        Capture::File { edited: true, .. } | Capture::State(_) if session.is_scripted() => Ok(None),
        Capture::File { path, .. } => file::capture(job, path, hands).await.map(Some).map_err(words),
        Capture::State(script) => {
            let state = proven::look(job, script.clone(), proven::LOOK_LIMIT, hands).await?;
            Ok(Some(Former {
                content: Some(state.into_bytes()),
                mode: None,
            }))
        }
    }
}

/// Takes what comes of several jobs.
pub trait Told: Send {
    /// Where the output of the nth goes, from 0.
    fn sink(&mut self, nth: usize) -> &mut dyn Sink;

    /// The nth has ended. Told of each once, in order.
    fn done(&mut self, nth: usize, done: Done);
}

/// Commands that change nothing, on one host, one after another as long as each ends with 0 and `hold` has not turned true; in
/// one round trip where the host can.
pub async fn perform_reads(jobs: &[Job], hold: watch::Receiver<bool>, hands: &Hands, told: &mut dyn Told) {
    command::reads(jobs, hold, hands, &mut check::Several::of(jobs, told)).await;
}

/// After a crash or a lost link: how does an attempt stand that may have begun?
pub async fn recover(job: &Job, hands: &Hands, sink: &mut dyn Sink) -> Done {
    match &job.work {
        Work::Command(_) if job.latch.is_some() => Done::end(command::recover(job, hands, sink).await),
        // The rename is the one moment of an upload: the file is there whole, or nothing of it is.
        Work::Put { content, dest, .. } => file::landed(job, content, dest, hands).await,
        Work::Edit { file, .. } => match work_of_edit(&job.work) {
            Ok((content, _)) => file::landed(job, &content, file, hands).await,
            Err(why) => Done::end(End::Unknown { why, stopped: true }),
        },
        Work::Reboot { reboot, former } => reboot.recover(job, former.as_deref(), hands, sink).await,
        Work::Prove { action, former } if job.latch.is_some() => {
            proven::recover(job, &**action, former.as_deref(), hands, sink).await
        }
        Work::Restore { former, mode, dest } => file::restore(job, former.as_ref(), *mode, dest, hands).await,
        _ => Done::end(End::Unknown {
            why: "it leaves no trace that could be asked for".to_owned(),
            stopped: false,
        }),
    }
}
