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

/// Makes the task of the nth step. Each is made when its turn comes: with its output it takes more memory than all else of a
/// step, and a thousand hosts may have twenty steps each under way.
pub(super) type Make = Arc<dyn Fn(usize) -> Option<Task> + Send + Sync>;

/// Steps that go together, in order.
pub(super) struct Several {
    make: Make,
    /// The one whose turn it is.
    task: Option<Task>,
    /// How many have told their end.
    told: Arc<AtomicUsize>,
    since: Instant,
    nowhere: Nowhere,
}

impl Several {
    /// Sends the jobs off. A panic below is the end of those that had none, never the run's.
    pub fn send_off(make: Make, jobs: Vec<Job>, hold: watch::Receiver<bool>, hands: Arc<Hands>) {
        let told = Arc::new(AtomicUsize::new(0));
        let mut several = Self {
            make: make.clone(),
            task: None,
            told: told.clone(),
            since: Instant::now(),
            nowhere: Nowhere,
        };
        tokio::spawn(async move {
            let all = jobs.len();
            let work = tokio::spawn(async move {
                action::perform_reads(&jobs, hold, &hands, &mut several).await;
            });
            // It ends well only when all are told.
            let _ = work.await;
            for task in (told.load(Ordering::Acquire)..all).filter_map(|nth| make(nth)) {
                broken(task, false);
            }
        });
    }
}

impl Told for Several {
    fn sink(&mut self, nth: usize) -> &mut dyn Sink {
        if self.task.is_none() && nth == self.told.load(Ordering::Relaxed) {
            self.task = (self.make)(nth);
        }
        match &mut self.task {
            Some(task) => task.sink(),
            None => &mut self.nowhere,
        }
    }

    fn done(&mut self, nth: usize, done: Done) {
        if let Some(task) = self.task.take().or_else(|| (self.make)(nth)) {
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
