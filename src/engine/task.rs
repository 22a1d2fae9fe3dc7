//! The part of a step that runs beside the driver: the work, its output and its evidence.
//!
//! Owns: that output is redacted before it is stored, and that every task tells its end. Must not: judge it, or write the journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::drive::Message;
use super::scope::LOOK_MAX;
use crate::action::{self, Done, End, Hands, Job};
use crate::journal::files;
use crate::journal::output::{Finished as Stored, Spool};
use crate::plan::PlannedStep;
use crate::run::event::{Event, StepKey};
use crate::secret::Redactor;
use crate::transport::{Sink, Stream};

/// Most that is kept of one stream of one step.
pub(super) const KEEP_MAX: u64 = 64 * 1024 * 1024;

/// What is told of work that ended in a bug of ours.
pub(super) const BROKEN: &str = "pitstop itself failed while this was under way";

/// Does the work in a task of its own; if it panics, it has come to `otherwise`. The driver waits for each message that it
/// started work for, so work that could end without one would hold the run for ever.
pub(super) async fn sound<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static, otherwise: T) -> T {
    tokio::spawn(work).await.unwrap_or(otherwise)
}

/// Does the work for each item, for so many at one time, each in a task of its own; none waits for a slow one before it. Answers
/// stand in the order of the items: `None` where a bug of ours broke the work.
pub(super) async fn side_by_side<T, A, W>(items: Vec<T>, most: usize, work: impl Fn(T) -> W) -> Vec<Option<A>>
where
    A: Send + 'static,
    W: Future<Output = A> + Send + 'static,
{
    let mut answers: Vec<Option<A>> = items.iter().map(|_| None).collect();
    let (mut items, mut under_way) = (items.into_iter().zip(0..), JoinSet::<(usize, A)>::new());
    loop {
        for (item, nth) in items.by_ref().take(most.saturating_sub(under_way.len())) {
            let work = work(item);
            under_way.spawn(async move { (nth, work.await) });
        }
        match under_way.join_next().await {
            Some(Ok((nth, answer))) => {
                if let Some(place) = answers.get_mut(nth) {
                    *place = Some(answer);
                }
            }
            Some(Err(_)) => {}
            None => return answers,
        }
    }
}

/// Tells the end of a step whose work ended in a bug of ours.
pub(super) fn broken(task: Task, changes: bool) {
    let why = BROKEN.to_owned();
    let end = if changes {
        End::Unknown { why, stopped: false }
    } else {
        End::Failed(why)
    };
    let done = Done {
        end,
        unchanged: false,
        rc: None,
        more: Default::default(),
    };
    task.tell(done, Vec::new(), Duration::ZERO);
}

/// A step that ended.
pub(super) struct Finished {
    pub key: StepKey,
    pub done: Done,
    pub stdout: Stored,
    pub stderr: Stored,
    pub evidence: Vec<(String, crate::id::Digest)>,
    pub took: Duration,
}

/// Two spools: nothing is stored before it was redacted.
struct Streams {
    out: Spool,
    err: Spool,
    output: PathBuf,
    redactor: Redactor,
    sensitive: bool,
}

impl Streams {
    fn new(output: PathBuf, redactor: Redactor, sensitive: bool) -> Self {
        let spool = || match sensitive {
            true => Spool::withheld(&redactor, LOOK_MAX),
            false => Spool::new(&output, &redactor, KEEP_MAX),
        };
        Self {
            out: spool(),
            err: spool(),
            output,
            redactor,
            sensitive,
        }
    }
}

impl Sink for Streams {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.take(bytes),
            Stream::Err => self.err.take(bytes),
        }
    }

    fn skip(&mut self, stream: Stream, bytes: u64) {
        match stream {
            Stream::Out => self.out.skip(bytes),
            Stream::Err => self.err.skip(bytes),
        }
    }

    fn restart(&mut self) {
        *self = Self::new(self.output.clone(), self.redactor.clone(), self.sensitive);
    }
}

/// The part of a step that runs beside the driver.
pub(super) struct Task {
    key: StepKey,
    streams: Streams,
    evidence: Vec<String>,
    output: PathBuf,
    redactor: Redactor,
    send: tokio::sync::mpsc::UnboundedSender<Message>,
}

impl Task {
    /// A task for an attempt of a step; it stores under `output` what `redactor` lets through.
    pub fn new(
        key: StepKey,
        step: &PlannedStep,
        output: PathBuf,
        redactor: Redactor,
        send: tokio::sync::mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self {
            key,
            streams: Streams::new(output.clone(), redactor.clone(), step.sensitive),
            evidence: step.evidence.clone(),
            output,
            redactor,
            send,
        }
    }

    /// Where its output goes.
    pub fn sink(&mut self) -> &mut dyn Sink {
        &mut self.streams
    }

    /// Performs the job, or asks how it stands, and tells the driver. A panic below is this host's failure.
    pub async fn run(mut self, job: &Job, hands: &Arc<Hands>, recover: bool) {
        let began = Instant::now();
        let done = if recover {
            action::recover(job, hands, &mut self.streams).await
        } else {
            action::perform(job, hands, &mut self.streams).await
        };
        let evidence = self.keep_evidence(job, hands).await;
        self.tell(done, evidence, began.elapsed());
    }

    /// Tells the driver how it ended.
    pub fn tell(self, done: Done, evidence: Vec<(String, crate::id::Digest)>, took: Duration) {
        let finished = Finished {
            key: self.key,
            done,
            stdout: self.streams.out.finish(),
            stderr: self.streams.err.finish(),
            evidence,
            took,
        };
        let _ = self.send.send(Message::Finished(Box::new(finished)));
    }

    async fn keep_evidence(&self, job: &Job, hands: &Hands) -> Vec<(String, crate::id::Digest)> {
        let mut kept = Vec::new();
        for path in &self.evidence {
            let Ok(session) = hands.session(&job.on).await else {
                break;
            };
            let mut streams = Streams::new(self.output.clone(), self.redactor.clone(), false);
            let reading = session.get(path, KEEP_MAX, job.become_user.as_deref(), &mut streams);
            if tokio::time::timeout(job.timeout, reading)
                .await
                .is_ok_and(|read| read.is_ok())
            {
                let stored = streams.out.finish();
                let digest = stored
                    .kept
                    .digest
                    .or_else(|| files::keep(&self.output, stored.kept.text.as_bytes()).ok());
                kept.extend(digest.map(|d| (path.clone(), d)));
            }
        }
        kept
    }
}

/// Output that the disk did not take: the run goes on, and says so.
pub(super) fn not_stored(key: &StepKey, streams: [&Stored; 2]) -> Vec<Event> {
    let said = |s: &&Stored| {
        s.fault
            .as_ref()
            .map(|f| format!("output of {key} is not stored whole: {f}"))
    };
    streams
        .iter()
        .filter_map(said)
        .map(|text| Event::Noted { text })
        .collect()
}
