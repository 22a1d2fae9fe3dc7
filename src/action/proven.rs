//! The contract of the built-in actions that change something: look, decide, do, and look again. Exit code 0 is not evidence.
//!
//! ```text
//! capture   a look at the host, kept by the journal before anything is sent   (step by step: the engine)
//! todo      what is to be done from there: nothing, a script, or why it cannot be
//! do        the script, latched like any changing command
//! look      the same look, afterwards, for as long as it takes to believe it
//! verify    does it prove what was wanted?
//! back      the same action with the former state as what is wanted: its undo, proven in the same way
//! ```
//!
//! Owns: this order, and what the ends of the script and of the look mean together. Must not: know a single action, or a package
//! manager.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::{Done, End, Hands, Job, Memory, command};
use crate::plan::Value;
use crate::transport::{Command, Sink};

/// Told of a target that takes each command as it is written.
pub(super) const NO_SHELL: &str = "it cannot be done: the target has no POSIX shell";

/// Limit of a look, beside what it waits for on purpose.
pub(super) const LOOK_LIMIT: Duration = Duration::from_secs(120);
/// What a host may say of its state: the packages of a large one take a tenth of it.
pub(super) const STATE_MAX: usize = 8 << 20;

/// Result fields beside those of every action.
pub type Fields = BTreeMap<String, Value>;

/// What is to be done from a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// For `sh`; `None`: the host is as it should be.
    pub script: Option<String>,
    /// For the journal and the screen.
    pub words: String,
}

/// An action that proves itself. States are what its looks printed: data of the host, read strictly.
pub trait Proven: Debug + Send + Sync {
    /// What it does, in one line that names what it works on; what a scripted host is asked.
    fn words(&self) -> String;

    /// Prints the state that it may change. Changes nothing.
    fn capture(&self) -> String;

    /// What is to be done.
    ///
    /// # Errors
    /// Why it cannot be, from this state; then nothing is sent.
    fn todo(&self, former: &str) -> Result<Todo, String>;

    /// Why there is no way back from what it is about to do, if there is none.
    fn no_way_back(&self, _former: &str) -> Option<String> {
        None
    }

    /// The look afterwards.
    fn look(&self) -> String {
        self.capture()
    }

    /// What came of it.
    ///
    /// # Errors
    /// What is not as it should be.
    fn verify(&self, former: &str, after: &str) -> Result<Fields, String>;

    /// What brings the former state back.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn back(&self, former: &str) -> Result<Arc<dyn Proven>, String>;
}

/// The undo of what was not looked at before: a scripted host has no state, and is asked for it by these words. On any other host
/// it cannot be done.
#[derive(Debug)]
pub struct Unseen(pub String);

impl Proven for Unseen {
    fn words(&self) -> String {
        format!("take back {}", self.0)
    }

    fn capture(&self) -> String {
        ":".to_owned()
    }

    fn todo(&self, _: &str) -> Result<Todo, String> {
        Err(unseen())
    }

    fn verify(&self, _: &str, _: &str) -> Result<Fields, String> {
        Err(unseen())
    }

    fn back(&self, _: &str) -> Result<Arc<dyn Proven>, String> {
        Err(unseen())
    }
}

/// Does it from the captured state, and proves it.
pub(super) async fn perform(
    job: &Job,
    action: &dyn Proven,
    former: Option<&str>,
    hands: &Hands,
    sink: &mut dyn Sink,
) -> Done {
    match hands.session(&job.on).await {
        Ok(session) if session.is_scripted() => return scripted(job, action.words(), hands, sink).await,
        Ok(_) => {}
        Err(error) => return Done::end(End::Unreachable(error.advised())),
    }
    let todo = former.ok_or_else(unseen).and_then(|former| action.todo(former));
    match (todo, former) {
        (
            Ok(Todo {
                script: Some(script), ..
            }),
            Some(former),
        ) => {
            let end = command::run(job, &Command::Shell(script), hands, sink).await;
            proven(job, action, former, end, hands).await
        }
        (Ok(Todo { script: None, .. }), Some(former)) => Done {
            unchanged: true,
            ..judged(End::Good, action.verify(former, former))
        },
        (Ok(_), None) => Done::end(End::Failed(unseen())),
        (Err(why), _) => Done::end(End::Failed(why)),
    }
}

/// After a crash: how the script ended, if it began, and what the host is like now.
pub(super) async fn recover(
    job: &Job,
    action: &dyn Proven,
    former: Option<&str>,
    hands: &Hands,
    sink: &mut dyn Sink,
) -> Done {
    let end = command::recover(job, hands, sink).await;
    match former {
        Some(former) => proven(job, action, former, end, hands).await,
        None => Done::end(end),
    }
}

fn unseen() -> String {
    "the state before it was not captured".to_owned()
}

/// What the end of the script is worth.
async fn proven(job: &Job, action: &dyn Proven, former: &str, end: End, hands: &Hands) -> Done {
    let End::Exited(status) = end else {
        return Done::end(end);
    };
    let after = match look(job, action.look(), LOOK_LIMIT, hands).await {
        Ok(after) => after,
        Err(why) => {
            let why = format!("its command ended with {status}, and what came of it cannot be seen: {why}");
            return Done::end(End::Failed(why));
        }
    };
    let verdict = match (status, action.verify(former, &after)) {
        (0, verdict) => verdict.map_err(|why| format!("its command ended with 0, and yet {why}")),
        // What is wrong now says more than the tool's last words, which are in its output.
        (_, Err(why)) => Err(format!("its command ended with {status}, and {why}")),
        (_, Ok(more)) => {
            return Done {
                more,
                ..Done::end(End::Exited(status))
            };
        }
    };
    Done {
        rc: Some(status),
        ..judged(End::Good, verdict)
    }
}

fn judged(end: End, verdict: Result<Fields, String>) -> Done {
    match verdict {
        Ok(more) => Done { more, ..Done::end(end) },
        Err(why) => Done::end(End::Failed(why)),
    }
}

/// Looks at the host; where the link is lost, again.
///
/// # Errors
/// When the host does not answer as asked, or says more than any state has.
pub(super) async fn look(job: &Job, script: String, limit: Duration, hands: &Hands) -> Result<String, String> {
    let mut said = Memory::of(STATE_MAX + 1);
    let asked = Job {
        latch: None,
        changes: false,
        timeout: limit,
        env: Vec::new(),
        stdin: None,
        ..job.clone()
    };
    match command::run(&asked, &Command::Shell(script), hands, &mut said).await {
        End::Exited(0) if said.out.len() > STATE_MAX => Err(format!("it says more than {STATE_MAX} bytes")),
        End::Exited(0) => Ok(String::from_utf8_lossy(&said.out).into_owned()),
        End::Exited(status) => {
            let words = String::from_utf8_lossy(&said.err);
            let words = words.lines().map(str::trim).rfind(|line| !line.is_empty());
            Err(words.map_or_else(
                || format!("exit code {status}"),
                |words| words.chars().take(200).collect(),
            ))
        }
        End::TimedOut => Err(format!("no answer within {} s", limit.as_secs())),
        End::Cancelled => Err("stopped by the second signal".to_owned()),
        End::Unreachable(why) | End::Failed(why) | End::Unknown { why, .. } => Err(why),
        End::Good | End::NeverBegan | End::PassedOver => Err("it was not asked".to_owned()),
    }
}

/// A scripted host is asked for the whole action by its words; what it prints, if it prints a JSON object, are its fields.
pub(super) async fn scripted(job: &Job, words: String, hands: &Hands, sink: &mut dyn Sink) -> Done {
    let mut said = Both {
        sink,
        memory: Memory::of(STATE_MAX),
    };
    let end = command::run(job, &Command::Shell(words), hands, &mut said).await;
    let fields: Fields = serde_json::from_slice(&said.memory.out).unwrap_or_default();
    match end {
        End::Exited(0) => judged(End::Good, Ok(fields)),
        end => judged(end, Ok(fields)),
    }
}

/// What was not looked at before: only a scripted host can be asked for it.
pub(super) async fn unlooked(job: &Job, words: String, hands: &Hands, sink: &mut dyn Sink) -> Done {
    match hands.session(&job.on).await {
        Ok(session) if session.is_scripted() => scripted(job, words, hands, sink).await,
        Ok(_) => Done::end(End::Failed(unseen())),
        Err(error) => Done::end(End::Unreachable(error.advised())),
    }
}

/// A look that changes nothing and is the whole action: what it prints is what was found.
pub(super) async fn found(
    job: &Job,
    words: String,
    script: String,
    fields: impl FnOnce(&str) -> Result<Fields, String>,
    hands: &Hands,
    sink: &mut dyn Sink,
) -> Done {
    match hands.session(&job.on).await {
        Ok(session) if session.is_scripted() => return scripted(job, words, hands, sink).await,
        Ok(session) if !session.has_shell() => return Done::end(End::Failed(NO_SHELL.to_owned())),
        Ok(_) => {}
        Err(error) => return Done::end(End::Unreachable(error.advised())),
    }
    let mut said = Both {
        sink,
        memory: Memory::of(STATE_MAX + 1),
    };
    match command::run(job, &Command::Shell(script), hands, &mut said).await {
        End::Exited(0) if said.memory.out.len() > STATE_MAX => {
            Done::end(End::Failed(format!("it says more than {STATE_MAX} bytes")))
        }
        End::Exited(0) => judged(End::Good, fields(&String::from_utf8_lossy(&said.memory.out))),
        end => Done::end(end),
    }
}

/// Output that is stored, and read here too.
pub(super) struct Both<'s> {
    /// Where it is stored.
    pub sink: &'s mut dyn Sink,
    /// What is read.
    pub memory: Memory,
}

impl Sink for Both<'_> {
    fn take(&mut self, stream: crate::transport::Stream, bytes: &[u8]) {
        self.sink.take(stream, bytes);
        self.memory.take(stream, bytes);
    }

    fn skip(&mut self, stream: crate::transport::Stream, bytes: u64) {
        self.sink.skip(stream, bytes);
    }

    fn restart(&mut self) {
        self.sink.restart();
        self.memory.restart();
    }
}
