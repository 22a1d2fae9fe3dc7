//! Steps that were sent together: one piece of work, an end for each.
//!
//! Owns: that each of them tells its end once, also if the work breaks. Must not: judge, or write the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::time::Instant;

use super::task::{Task, broken};
use crate::action::{self, Done, Hands, Job, Told};
use crate::transport::Sink;

/// Tasks of steps that go together, in order.
pub(super) struct Several {
    tasks: Vec<Option<Task>>,
    spare: Vec<Task>,
    /// How many have told their end.
    told: Arc<AtomicUsize>,
    since: Instant,
    nowhere: Nowhere,
}

impl Several {
    /// A task for each, and another for each in case the work breaks.
    pub fn new(tasks: Vec<Task>, spare: Vec<Task>) -> Self {
        Self {
            tasks: tasks.into_iter().map(Some).collect(),
            spare,
            told: Arc::default(),
            since: Instant::now(),
            nowhere: Nowhere,
        }
    }

    /// Sends them off. A panic below is the end of those that had none, never the run's.
    pub fn send_off(mut self, jobs: Vec<Job>, hold: watch::Receiver<bool>, hands: Arc<Hands>) {
        let (spare, told) = (std::mem::take(&mut self.spare), self.told.clone());
        tokio::spawn(async move {
            let work = tokio::spawn(async move {
                self.since = Instant::now();
                action::perform_reads(&jobs, hold, &hands, &mut self).await;
            });
            // It ends well only when all are told.
            let _ = work.await;
            for task in spare.into_iter().skip(told.load(Ordering::Acquire)) {
                broken(task, false);
            }
        });
    }
}

impl Told for Several {
    fn sink(&mut self, nth: usize) -> &mut dyn Sink {
        match self.tasks.get_mut(nth) {
            Some(Some(task)) => task.sink(),
            _ => &mut self.nowhere,
        }
    }

    fn done(&mut self, nth: usize, done: Done) {
        if let Some(task) = self.tasks.get_mut(nth).and_then(Option::take) {
            let took = self.since.elapsed();
            self.since = Instant::now();
            self.told.fetch_add(1, Ordering::Release);
            task.tell(done, Vec::new(), took);
        }
    }
}

/// Output of what has ended, which nobody sends.
struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: crate::transport::Stream, _: &[u8]) {}
}
