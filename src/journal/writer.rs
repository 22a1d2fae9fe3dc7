//! The one thread that writes a journal: it takes all records that wait, writes them at once and syncs once. In simulated
//! time there is none: whoever appends writes, for time would jump while a thread is awaited.
//!
//! Owns: order, batches, what happens after a failure (nothing is written any more). Must not: know the disk or the events.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Head, JournalError, Medium, Written, format};
use crate::crash::{self, Moment};
use crate::disk::Fault;
use crate::run::event::Event;

/// A batch ends at this many bytes, so that a flood of records does not grow memory without bound.
const BATCH: usize = 4 * 1024 * 1024;

type Answer = Result<Written, JournalError>;

struct Job {
    at: Timestamp,
    event: Result<String, String>,
    done: oneshot::Sender<Answer>,
}

/// The promise of a record. Await it (or [`Receipt::wait`] outside of tasks): then the record is durable, or never will be
/// reported so.
#[derive(Debug)]
#[must_use = "a record is not durable before its receipt says so"]
pub struct Receipt(oneshot::Receiver<Answer>);

impl Receipt {
    /// Blocks until the record is durable. Not to be called inside of a task.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn wait(self) -> Answer {
        self.0.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Future for Receipt {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|got| got.unwrap_or_else(|_| Err(gone())))
    }
}

fn gone() -> JournalError {
    let source = std::io::Error::other("the writing thread has ended");
    JournalError::Closed(Fault::new("write", super::JOURNAL, source))
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    here: Option<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    head: Arc<Mutex<Head>>,
}

impl Writer {
    /// One without a thread.
    pub(super) fn here(path: PathBuf, medium: Box<dyn Medium>, head: Head) -> Self {
        let durable = Arc::new(Mutex::new(head.clone()));
        let state = State {
            path,
            medium,
            head,
            durable: durable.clone(),
            failed: None,
        };
        Self {
            jobs: None,
            here: Some(Mutex::new(state)),
            thread: None,
            head: durable,
        }
    }

    pub(super) fn start(path: PathBuf, medium: Box<dyn Medium>, head: Head) -> Result<Self, JournalError> {
        let (jobs, inbox) = mpsc::channel();
        let durable = Arc::new(Mutex::new(head.clone()));
        let mut state = State {
            path: path.clone(),
            medium,
            head,
            durable: durable.clone(),
            failed: None,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || state.work(&inbox))
            .map_err(|e| Fault::new("start the thread that writes", path, e))?;
        Ok(Self {
            jobs: Some(jobs),
            here: None,
            thread: Some(thread),
            head: durable,
        })
    }

    pub(super) fn append(&self, at: Timestamp, event: &Event) -> Receipt {
        let (done, receipt) = oneshot::channel();
        let event = serde_json::to_string(event).map_err(|e| e.to_string());
        if let Some(jobs) = &self.jobs {
            // If the thread is gone the job is dropped with its sender, and the receipt says so.
            let _ = jobs.send(Job { at, event, done });
        } else if let Some(state) = &self.here {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.batch(Job { at, event, done }, || None, &mut String::new(), &mut Vec::new());
        }
        Receipt(receipt)
    }

    pub(super) fn head(&self) -> Head {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writer {
    /// What was handed over is still written.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has answered its receipts by dropping them.
            let _ = thread.join();
        }
    }
}

struct State {
    path: PathBuf,
    medium: Box<dyn Medium>,
    head: Head,
    durable: Arc<Mutex<Head>>,
    failed: Option<JournalError>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({})", self.path.display())
    }
}

impl State {
    fn work(&mut self, inbox: &mpsc::Receiver<Job>) {
        let mut lines = String::new();
        let mut waiting: Vec<(oneshot::Sender<Answer>, Written)> = Vec::new();
        while let Ok(first) = inbox.recv() {
            self.batch(first, || inbox.try_recv().ok(), &mut lines, &mut waiting);
        }
    }

    /// Writes `first` and what else waits, with one sync.
    fn batch(
        &mut self,
        first: Job,
        more: impl Fn() -> Option<Job>,
        lines: &mut String,
        waiting: &mut Vec<(oneshot::Sender<Answer>, Written)>,
    ) {
        let length = |job: &Job| job.event.as_ref().map_or(0, String::len);
        let mut size = length(&first);
        let mut jobs = vec![first];
        while size < BATCH
            && let Some(job) = more()
        {
            size += length(&job);
            jobs.push(job);
        }
        let records = jobs.iter().filter(|job| job.event.is_ok()).count() as u64;
        let batch = (records > 1).then(|| (self.head.records + 1, self.head.records + records));
        for job in jobs {
            self.take(job, batch, lines, waiting);
        }
        self.commit(lines);
        for (done, written) in waiting.drain(..) {
            let answer = self.failed.clone().map_or(Ok(written), Err);
            // Whoever asked may have gone away; the record stays.
            let _ = done.send(answer);
        }
        if let Some(JournalError::Fault(fault)) = &self.failed {
            self.failed = Some(JournalError::Closed(fault.clone()));
        }
        lines.clear();
    }

    fn take(
        &mut self,
        job: Job,
        batch: Option<format::Batch>,
        lines: &mut String,
        waiting: &mut Vec<(oneshot::Sender<Answer>, Written)>,
    ) {
        if let (None, Err(why)) = (&self.failed, &job.event) {
            // A record that is missing makes all later ones untrue: as bad as a failed write.
            self.failed = Some(JournalError::Event(why.clone()));
        }
        if let Ok(event) = &job.event {
            let line = format::line(&self.head, job.at, batch, event);
            self.head = format::after(&self.head, line.as_bytes());
            lines.push_str(&line);
        }
        let written = Written {
            seq: self.head.records,
            hash: self.head.hash.clone(),
        };
        waiting.push((job.done, written));
    }

    fn store(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if crash::due(Moment::Torn) {
            let (half, _) = lines.split_at(lines.len() / 2);
            self.medium.write_all(half)?;
            crash::die();
        }
        self.medium.write_all(lines)?;
        crash::here(Moment::Written);
        self.medium.sync()?;
        crash::here(Moment::Synced);
        Ok(())
    }

    fn commit(&mut self, lines: &str) {
        if self.failed.is_some() {
            return;
        }
        let stored = self.store(lines.as_bytes());
        match stored {
            Ok(()) => *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = self.head.clone(),
            Err(e) => self.failed = Some(Fault::new("write", &self.path, e).into()),
        }
    }
}
