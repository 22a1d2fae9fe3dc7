//! Messages to people, beside the run: each event that somebody is to be told of goes out in a task of its own, and the run waits for
//! none but a moment at its end.
//!
//! Owns: which events are told, what is said of them, that each is told once. Must not: send (an action does), or let a message that
//! fails change anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::drive::{Driver, Message};
use crate::action::Outside;
use crate::action::notice::Notice;
use crate::action::notify::{self, Way};
use crate::plan::PlannedNotifier;
use crate::run::GateState;
use crate::run::event::{Event, HostState, Stamped, Verdict};

/// So long messages that are still on their way are awaited when the run has ended.
const FAREWELL: Duration = Duration::from_secs(12);

/// Messages on their way.
#[derive(Default)]
pub(super) struct Tellers {
    /// By what they go through, in order.
    queues: BTreeMap<String, mpsc::UnboundedSender<(u64, Notice)>>,
    tasks: JoinSet<()>,
    /// Number of the event's record and what the message goes through → the event.
    waiting: BTreeMap<(u64, String), String>,
}

impl Driver {
    /// An event is durable: whoever is to be told of it is told.
    pub(super) fn heard(&mut self, stamped: &Stamped) {
        if self.setup.plan.notices.is_empty() || self.run.dry || self.run.cleaning {
            return;
        }
        let Some(event) = self.worth_telling(&stamped.event) else {
            return;
        };
        let wanted = self
            .setup
            .plan
            .notices
            .iter()
            .filter(|n| n.events.iter().any(|e| e == event));
        let vias: BTreeSet<String> = wanted.map(|n| n.via.clone()).collect();
        for via in vias {
            let place = (stamped.seq, via.clone());
            if self.run.told.contains(&place) || self.tellers.waiting.contains_key(&place) {
                continue;
            }
            let notice = self.notice(event, stamped);
            self.tellers.waiting.insert(place, event.to_owned());
            self.queue(&via, stamped.seq, notice);
        }
    }

    /// What a former process had no time to tell, and what still holds of it.
    pub(super) fn tell_what_was_left(&mut self, facts: &[Stamped]) {
        for stamped in facts {
            let holds = match &stamped.event {
                Event::GateOpened { gate, .. } => self.run.gates.get(gate).is_some_and(|g| g.state == GateState::Open),
                Event::Started { .. } | Event::HostEnded { .. } => true,
                _ => false,
            };
            if holds {
                self.heard(stamped);
            }
        }
    }

    fn worth_telling(&self, event: &Event) -> Option<&'static str> {
        match event {
            Event::Started { .. } => Some("started"),
            Event::GateOpened { .. } => Some("gate_waiting"),
            Event::HostEnded { state, phase, host, .. } => match state {
                HostState::Unknown => Some("unknown"),
                HostState::Refused | HostState::Failed | HostState::Held | HostState::Broken => Some("host_failed"),
                // Taken back for its own failure, not because the whole run was.
                HostState::RolledBack if self.run.line(phase, host).is_some_and(|l| l.counted) => Some("host_failed"),
                _ => None,
            },
            // Of a run that waits its gate has told.
            Event::Ended { verdict, .. } if *verdict != Verdict::Waiting => Some("finished"),
            _ => None,
        }
    }

    fn queue(&mut self, via: &str, of: u64, notice: Notice) {
        let Some(way) = self.way(via) else {
            let why = Err(format!("nothing sends messages as `{via}`"));
            return self.told(of, via, why);
        };
        if self.hands.outside == Outside::Nobody {
            return self.told(of, via, Ok(()));
        }
        let send = self.send.clone();
        let hands = self.hands.clone();
        let tasks = &mut self.tellers.tasks;
        let queue = self.tellers.queues.entry(via.to_owned()).or_insert_with(|| {
            let (queue, mut messages) = mpsc::unbounded_channel::<(u64, Notice)>();
            let via = via.to_owned();
            tasks.spawn(async move {
                while let Some((of, notice)) = messages.recv().await {
                    let came = notify::send(&notice, &way, &hands).await;
                    let via = via.clone();
                    let _ = send.send(Message::Notified { of, via, came });
                }
            });
            queue
        });
        let _ = queue.send((of, notice));
    }

    /// As if a task had told it.
    fn told(&self, of: u64, via: &str, came: Result<(), String>) {
        let via = via.to_owned();
        let _ = self.send.send(Message::Notified { of, via, came });
    }

    fn way(&self, via: &str) -> Option<Way> {
        let folder = match &self.hands.outside {
            Outside::Told(folder) => folder.clone(),
            Outside::Nobody => std::path::PathBuf::new(),
        };
        match self.setup.plan.notifiers.get(via)? {
            PlannedNotifier::Command(argv) => Some(Way::Command {
                argv: argv.clone(),
                folder,
            }),
            PlannedNotifier::Hook(hook) => {
                let written = hook.url.clone().map(crate::secret::Secret::new);
                let kept = || self.setup.secrets.get(hook.secret.as_ref()?).cloned();
                Some(Way::Hook {
                    hook: hook.hook,
                    url: written.or_else(kept)?,
                })
            }
        }
    }

    /// What came of a message, as the journal has it.
    pub(super) fn notified(&mut self, of: u64, via: String, came: Result<(), String>) -> Option<Event> {
        let event = self.tellers.waiting.remove(&(of, via.clone()))?;
        let why = came.err().unwrap_or_default();
        Some(Event::Notified {
            of,
            event,
            via,
            why: self.setup.redactor.redact_text(&why),
        })
    }

    /// The run has ended: messages on their way have a moment. Nothing that fails here changes how it ended.
    pub(super) async fn farewell(&mut self) {
        let deadline = Instant::now() + FAREWELL;
        while !self.tellers.waiting.is_empty() {
            let Ok(Some(message)) = tokio::time::timeout_at(deadline, self.receive.recv()).await else {
                break;
            };
            if let Message::Notified { of, via, came } = message
                && let Some(event) = self.notified(of, via, came)
                && self.record(event).await.is_err()
            {
                return;
            }
        }
        let late: Vec<(u64, String)> = self.tellers.waiting.keys().cloned().collect();
        for (of, via) in late {
            let why = Err("no time was left for it when the run had ended".to_owned());
            if let Some(event) = self.notified(of, via, why)
                && self.record(event).await.is_err()
            {
                return;
            }
        }
    }
}
