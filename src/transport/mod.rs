//! The hands: one [`Session`] per host, however the host is reached.
//!
//! Owns: the contract every transport passes (one suite tests them all). Must not: know plans, decide, retry a command.
//!
//! Who retries: a transport may retry what happened *before* a command was sent (connect, banner, key exchange, login refused
//! by `MaxStartups`). After that, nobody below the engine does: a channel that ends without a status is [`How::Unknown`].

mod bare;
mod channel;
mod facts;
mod files;
mod host;
mod lanes;
mod latch;
mod local;
mod lock;
pub mod look;
mod plain;
mod reads;
pub mod script;
mod shell;
mod ssh;
mod steps;
mod streams;
mod way;

pub use local::LocalTransport;
pub use ssh::{ShownKey, SshOptions, SshTransport, Standing};
pub use way::Way;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Content, Digest, HostName, RunId};
use crate::inventory::facts::Facts;
use crate::secret::Secret;

/// A future that a trait object can return.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where and as whom to connect. Everything a plan froze about a host's connection, with secrets filled in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The host's name in the plan.
    pub host: HostName,
    /// DNS name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Login user; `None`: the operator's own login name.
    pub user: Option<String>,
    /// A password for the login, if keys do not do.
    pub password: Option<Secret>,
    /// Private key files to offer, in order (at most three keys are offered in all).
    pub identities: Vec<PathBuf>,
    /// `known_hosts` files that decide about the host's key. Strict: unknown is refused.
    pub known_hosts: Vec<PathBuf>,
    /// A bastion to go through.
    pub jump: Option<Box<Endpoint>>,
    /// What an operator's ssh config adds.
    pub way: Way,
    /// The user to become when a step asks for it, and how.
    pub privilege: Privilege,
    /// Limit of each phase: TCP connect, banner and key exchange, login.
    pub connect_timeout: Duration,
    /// The run on whose behalf; names the directory on the host.
    pub run: RunId,
}

/// How a shell is started on a host, as the login user or as another one.
#[derive(Clone, Debug)]
pub struct Privilege {
    /// The POSIX shell that runs everything of ours, with its own arguments if it needs any: `/bin/sh`, `busybox sh`; or
    /// [`NO_SHELL`], or [`CMD`].
    pub shell: String,
    /// `sudo`, `su` or `doas`.
    pub method: Method,
    /// The password it wants, if any. Goes to its standard input, never into a command line.
    pub password: Option<Secret>,
}

impl Default for Privilege {
    fn default() -> Self {
        Self {
            shell: SHELL.to_owned(),
            method: Method::default(),
            password: None,
        }
    }
}

/// The shell of a host that says nothing else.
pub const SHELL: &str = "/bin/sh";

/// The target has no shell: each command goes to it as it is written.
pub const NO_SHELL: &str = "none";

/// The same, for Windows: cmd.exe takes it.
pub const CMD: &str = "cmd.exe";

/// The program that changes the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `sudo -n`, or `sudo -S` with a random prompt; at a terminal where it demands one.
    #[default]
    Sudo,
    /// `su`; at a terminal where it asks for a password.
    Su,
    /// `doas -n`, or `doas` at a terminal.
    Doas,
}

impl Method {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Su => "su",
            Self::Doas => "doas",
        }
    }
}

/// Why there is no session. None of these has run anything of the runbook's on the host.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct ConnectError {
    /// What was being done: `connecting to 10.0.0.7:22`.
    pub doing: String,
    /// What happened, in one sentence.
    pub cause: String,
    /// What a person can do next.
    pub help: String,
    /// True if another try by itself could help (refused, timed out); false for keys, host keys, login.
    pub transient: bool,
    /// True if the run's directory may have been made there.
    pub touched: bool,
    /// How far it came.
    pub met: Met,
}

/// How far a login came that did not succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Met {
    /// Nothing answered.
    #[default]
    Nothing,
    /// Something answers, and does not let us in, or not yet.
    Server,
    /// A server with a key that is not the host's.
    Stranger,
}

impl ConnectError {
    /// What happened, and what a person can do next.
    #[must_use]
    pub fn advised(&self) -> String {
        format!("{self} ({})", self.help)
    }
}

/// Reaches hosts.
pub trait Transport: Send + Sync {
    /// Logs in, reads the facts, makes the run's directory on the host. Every phase has a limit; the whole ends.
    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>>;

    /// So many descriptors of this process a session may hold.
    fn descriptors(&self, _to: &Endpoint) -> u32 {
        1
    }
}

/// Descriptors of a child process: three pipes, and what tells its end.
const CHILD: u32 = 4;

/// What is to be run on a host. Already rendered: nothing here is a template.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Environment, exported inside the shell and never on a command line. Values may be secrets.
    pub env: Vec<(String, Secret)>,
    /// Standard input; empty means `/dev/null`.
    pub stdin: Option<Secret>,
    /// Become this user first.
    pub become_user: Option<String>,
    /// Limit of this attempt, from its start on the host.
    pub timeout: Duration,
    /// It changes nothing and may say very much: nothing of its standard output is kept on the host, where the host can do that, and
    /// the sink is given all of it.
    pub streams: bool,
    /// `Some`: a changing step, latched under this name. `None`: read-only, plain.
    pub latch: Option<LatchKey>,
    /// Goes into the environment as `PITSTOP_STEP_KEY`.
    pub step_key: String,
    /// Becomes true when the operator's second signal wants running commands stopped.
    pub cancel: tokio::sync::watch::Receiver<bool>,
}

/// A command, platform not yet decided.
#[derive(Clone, Debug)]
pub enum Command {
    /// One script for `sh`.
    Shell(String),
    /// An argument list.
    Argv(Vec<String>),
    /// A script's bytes, sent as a file and run by `interpreter` with `args`.
    Script {
        /// The script.
        content: Arc<Content>,
        /// What runs it (`sh` if the script names none).
        interpreter: Option<String>,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// The name of a latched attempt on its host: hex of a hash of the step's key. Safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LatchKey(pub String);

impl LatchKey {
    /// From the printed step key.
    pub fn of(step_key: &str) -> Self {
        Self(Digest::of(step_key.as_bytes()).hex().chars().take(32).collect())
    }
}

/// Which stream bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes output as it comes. Must return at once: a session's reader never waits on it.
pub trait Sink: Send {
    /// Some bytes of one stream, in order within the stream.
    fn take(&mut self, stream: Stream, bytes: &[u8]);

    /// Past [`KEPT`] bytes of one stream the rest is only counted: this many bytes came and were not kept.
    fn skip(&mut self, stream: Stream, bytes: u64) {
        let _ = (stream, bytes);
    }

    /// After a lost link the output is delivered again from its first byte: what came so far is to be forgotten.
    fn restart(&mut self) {}
}

/// Takes what comes of several commands.
pub trait Each: Send {
    /// The sink of the nth, from 0.
    fn sink(&mut self, nth: usize) -> &mut dyn Sink;

    /// The nth has ended. Told of each once, in order.
    fn ended(&mut self, nth: usize, how: How);
}

/// [`Session::run_reads`] with a round trip for each.
async fn one_by_one<S: Session + ?Sized>(
    session: &S,
    requests: &[Request],
    hold: tokio::sync::watch::Receiver<bool>,
    each: &mut dyn Each,
) {
    let mut goes_on = true;
    for (nth, request) in requests.iter().enumerate() {
        let how = if goes_on && !*hold.borrow() {
            session.run(request.clone(), each.sink(nth)).await
        } else {
            How::NotSent("a step that was to go before it did not end well".to_owned())
        };
        goes_on = how == How::Exited(0);
        each.ended(nth, how);
    }
}

/// How many bytes of one stream of one command are given to the sink; past it they are only counted. Not of one that streams.
pub const KEPT: u64 = 64 << 20;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It ended by itself with this status (128+n for a signal, as a shell says it).
    Exited(i32),
    /// Past its limit, and proven stopped.
    TimedOut,
    /// Stopped on the operator's wish, and proven stopped.
    Cancelled,
    /// It was not sent: nothing of it has begun, and nothing can begin any more.
    NotSent(String),
    /// It was sent and its end cannot be learnt, or it may still run.
    Unknown(String),
}

impl How {
    /// In words, where it is no good end.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Exited(status) => format!("exit code {status}"),
            Self::TimedOut => "it was not done in time".to_owned(),
            Self::Cancelled => "it was stopped".to_owned(),
            Self::NotSent(why) | Self::Unknown(why) => why,
        }
    }
}

/// What a host proves about a latched attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Ended with this status; its output has gone to the sink.
    Done(i32),
    /// Still running.
    Running,
    /// It never began, and the probe has made sure that it never will.
    Never,
    /// Its recorder is dead, processes of it live.
    Orphan,
    /// The host has been rebooted since; no status is on record.
    LostReboot,
    /// Everything of it is gone, no status is on record.
    LostDied,
    /// The host could not be asked.
    NoAccess(String),
}

/// A file to put on a host: temporary name, digest checked on the far side, fsync, rename.
#[derive(Clone, Debug)]
pub struct Put {
    /// The bytes.
    pub content: Arc<Content>,
    /// Where it goes.
    pub dest: String,
    /// Octal mode, else the former file's, else 0644.
    pub mode: Option<u32>,
    /// `user` or `user:group`.
    pub owner: Option<String>,
    /// A command that must accept the file before the rename; `{}` in it is the temporary path.
    pub validate: Option<String>,
    /// Become this user first.
    pub become_user: Option<String>,
    /// Limit.
    pub timeout: Duration,
}

/// A lock of a host, visible to every account and controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockNote {
    /// The run that holds it.
    pub run: String,
    /// Who started that run.
    pub operator: String,
    /// The machine it runs on.
    pub controller: String,
    /// When it was taken, RFC 3339.
    pub at: String,
}

/// What came of taking a host's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// It is ours (or was already, by the same run).
    Taken,
    /// Another run holds it.
    Held(LockNote),
    /// The host has no place for a lock; the controller's own lock must do.
    NoPlace(String),
}

/// A logged-in host.
///
/// Safe to share: several calls may be under way at one time, each on a channel of its own.
pub trait Session: Send + Sync {
    /// What the host said about itself.
    fn facts(&self) -> &Facts;

    /// Runs a command to its end, its limit, or the operator's wish. Output goes to the sink as it comes.
    ///
    /// A latched request is started at most once under its key, whoever asks; asking again for a key that has ended returns
    /// the recorded end.
    fn run<'a>(&'a self, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How>;

    /// False for a target that takes each command as it is written: then no question of ours can be asked there.
    fn has_shell(&self) -> bool {
        true
    }

    /// True if answers come from a script: then there is no host behind them whose state could be looked at.
    fn is_scripted(&self) -> bool {
        false
    }

    /// True if [`Session::run_reads`] costs one round trip for all.
    fn takes_several(&self) -> bool {
        false
    }

    /// Runs commands that change nothing, of one user, one after another, each only if the one before it ended with status 0
    /// and `hold` has not turned true; the others are [`How::NotSent`]. Each has its own limit, from the end of the one before
    /// it, and its own end, told in order.
    fn run_reads<'a>(
        &'a self,
        requests: &'a [Request],
        hold: tokio::sync::watch::Receiver<bool>,
        each: &'a mut dyn Each,
    ) -> Pending<'a, ()> {
        Box::pin(one_by_one(self, requests, hold, each))
    }

    /// Asks how a latched attempt stands. `boot` is the boot identity journalled before its intent.
    fn probe<'a>(
        &'a self,
        key: &'a LatchKey,
        boot: &'a str,
        become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Probe>;

    /// Follows an attempt that is still running to its end or to `timeout` from now.
    fn follow<'a>(&'a self, key: &'a LatchKey, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How>;

    /// The journal has the end of these attempts: their traces may go. May be put off and batched.
    fn acknowledge<'a>(&'a self, keys: Vec<LatchKey>) -> Pending<'a, ()>;

    /// Writes a file, whole or not at all, proven by its digest on the far side. Through a link, if the destination is one.
    fn put<'a>(&'a self, file: Put) -> Pending<'a, Result<(), String>>;

    /// Reads a file, at most `max_bytes`, into the sink (stream `Out`).
    fn get<'a>(
        &'a self,
        path: &'a str,
        max_bytes: u64,
        become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Result<(), String>>;

    /// Takes the host's lock for this run.
    ///
    /// # Errors
    /// The link was lost: it may be taken or not. Whoever asks again for the same run gets [`LockOutcome::Taken`] in both cases.
    fn lock<'a>(&'a self, note: &'a LockNote) -> Pending<'a, Result<LockOutcome, String>>;

    /// Gives it back, if this run holds it.
    fn unlock<'a>(&'a self, run: &'a RunId) -> Pending<'a, Result<(), String>>;

    /// Removes the run's directories, also of the users it became. After this nothing of ours is left, if no lock is; a later
    /// request is [`How::NotSent`], `unlock` still works.
    fn leave<'a>(&'a self) -> Pending<'a, Result<(), String>>;

    /// Ends the connection. Idempotent.
    fn close<'a>(&'a self) -> Pending<'a, ()>;
}
