//! The meaning of each action: a rendered job in, how it ended out.
//!
//! Owns: what each action does on a host and what proves its success. Must not: render templates, decide what comes next, or
//! write the journal.

mod command;
mod file;
pub mod hands;
mod http;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::hands::{FEWEST_DESCRIPTORS, Hands, KEPT_OPEN};
use crate::id::{Content, HostName};
use crate::plan::Value;
use crate::secret::Secret;
use crate::transport::{Command, LatchKey, Sink};

pub use self::file::{Former, capture};

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
    /// Result fields of the action.
    pub more: BTreeMap<String, Value>,
}

impl Done {
    fn end(end: End) -> Self {
        Self {
            end,
            unchanged: false,
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
                dest,
                mode: *mode,
                owner: owner.as_deref(),
                validate: validate.as_deref(),
            };
            file::put(job, &file, hands).await
        }
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
    command::reads(jobs, hold, hands, told).await;
}

/// After a crash or a lost link: how does an attempt stand that may have begun?
pub async fn recover(job: &Job, hands: &Hands, sink: &mut dyn Sink) -> Done {
    match &job.work {
        Work::Command(_) if job.latch.is_some() => Done::end(command::recover(job, hands, sink).await),
        // The rename is the one moment of an upload: the file is there whole, or nothing of it is.
        Work::Put { content, dest, .. } => file::landed(job, content, dest, hands).await,
        Work::Restore { former, mode, dest } => file::restore(job, former.as_ref(), *mode, dest, hands).await,
        _ => Done::end(End::Unknown {
            why: "it leaves no trace that could be asked for".to_owned(),
            stopped: false,
        }),
    }
}
