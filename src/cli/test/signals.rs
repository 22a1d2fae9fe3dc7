//! The signals of a case, sent at their moments.
//!
//! Owns: which was sent, and that the third of a process ends it at once. Must not: know what the engine does with them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Clock;
use crate::engine::Observer;
use crate::inventory::selector::glob;
use crate::run::event::{Event, StepKey};
use crate::runbook::testfile::{Moment, Signal};

/// Remembers, over the processes of a case, which signals were sent.
pub struct Sender {
    signals: Vec<Signal>,
    sent: Mutex<Vec<bool>>,
}

/// One process that can be told.
#[derive(Clone)]
struct Process {
    send: UnboundedSender<u32>,
    count: Arc<Mutex<u32>>,
    killed: Arc<Notify>,
}

impl Process {
    fn tell(&self, kill: bool) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if kill || *count > 2 {
            self.killed.notify_one();
        } else {
            // A process that has ended hears nothing.
            let _ = self.send.send(*count);
        }
    }
}

impl Sender {
    /// None is sent yet.
    pub fn new(signals: &[Signal]) -> Arc<Self> {
        Arc::new(Self {
            signals: signals.to_vec(),
            sent: Mutex::new(vec![false; signals.len()]),
        })
    }

    /// Signals, by number, whose moment never came.
    pub fn unsent(&self) -> Vec<usize> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().enumerate().filter(|(_, s)| !**s).map(|(n, _)| n).collect()
    }

    fn is_due(&self, number: usize) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get_mut(number).is_some_and(|s| !std::mem::replace(s, true))
    }

    /// Watches one process. A step's moment is a millisecond after its intent: then it has been sent. Several signals at one
    /// moment come in their order, a millisecond apart.
    pub fn observer(
        self: &Arc<Self>,
        began: Timestamp,
        clock: &Arc<dyn Clock>,
        send: UnboundedSender<u32>,
        killed: &Arc<Notify>,
    ) -> Observer {
        let process = Process {
            send,
            count: Arc::default(),
            killed: Arc::clone(killed),
        };
        for (number, signal) in self.signals.iter().enumerate() {
            let Moment::After(after) = signal.at else { continue };
            let passed = Duration::try_from(clock.now().duration_since(began)).unwrap_or_default();
            let Some(left) = after.checked_sub(passed) else {
                continue;
            };
            self.later(number, left, clock, &process);
        }
        let (mine, clock) = (Arc::clone(self), Arc::clone(clock));
        Box::new(move |stamped, _| {
            if let Event::Intended { key, .. } = &stamped.event {
                for (number, signal) in mine.signals.iter().enumerate() {
                    if is_moment(&signal.at, key) && !mine.was_sent(number) {
                        let wait = Duration::from_millis(number as u64 + 1);
                        mine.later(number, wait, &clock, &process);
                    }
                }
            }
        })
    }

    fn was_sent(&self, number: usize) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(number).copied().unwrap_or(true)
    }

    fn later(self: &Arc<Self>, number: usize, wait: Duration, clock: &Arc<dyn Clock>, process: &Process) {
        let kill = self.signals.get(number).is_some_and(|s| s.kill);
        let (mine, clock, process) = (Arc::clone(self), Arc::clone(clock), process.clone());
        tokio::spawn(async move {
            clock.sleep(wait).await;
            if mine.is_due(number) {
                process.tell(kill);
            }
        });
    }
}

fn is_moment(at: &Moment, key: &StepKey) -> bool {
    match at {
        Moment::After(_) => false,
        Moment::Step { phase, step, host } => {
            let on = key.host.as_ref().map_or("controller", |h| h.as_str());
            *phase == key.phase && *step == key.step && host.as_ref().is_none_or(|host| glob(host, on))
        }
    }
}
