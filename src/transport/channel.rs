//! A byte channel to a shell on a host: the one thing an SSH connection and this machine have in common.
//!
//! Owns: [`Channels`] (opens them), [`Channel`] (feeds and drains one), the rule that a reader never waits on whoever reads
//! from us. Must not: know what is said over a channel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::{Pending, Stream};

/// Bytes that wait in memory for the one who drains a channel; what comes beyond is dropped and counted.
const WAITING: usize = 64 << 20;

/// When a wait of `limit` from now ends. No limit is taken for longer than a year, which an instant can always hold.
pub(super) fn ends(limit: Duration) -> Instant {
    Instant::now() + limit.min(Duration::from_secs(366 * 24 * 3600))
}

/// Opens channels on one host.
pub(super) trait Channels: Send + Sync {
    /// Starts `command` with the login shell. Nothing has run if this fails.
    fn open<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>>;

    /// Writes a new file (O_EXCL, 0600) without a shell; `None`: this host has no such way, use the shell.
    fn upload<'a>(&'a self, path: &'a str, content: &'a [u8]) -> Pending<'a, Option<Result<(), String>>>;

    /// True once no channel can be opened any more.
    fn is_closed(&self) -> bool;

    /// Ends the connection.
    fn close<'a>(&'a self) -> Pending<'a, ()>;
}

/// What goes down a channel.
pub(super) enum Input {
    /// Bytes for standard input.
    Bytes(Vec<u8>),
    /// End of standard input.
    End,
}

/// What comes up a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Output.
    Bytes(Stream, Vec<u8>),
    /// Output that was dropped, because nobody drained the channel.
    Dropped(Stream, u64),
    /// The program's end.
    Exit(i32),
    /// The channel ended without one.
    Gone(String),
}

/// One open channel. Dropping it closes it.
pub(super) struct Channel {
    input: UnboundedSender<Input>,
    events: UnboundedReceiver<Event>,
    waiting: Arc<AtomicUsize>,
    unread: VecDeque<(Stream, Vec<u8>)>,
}

/// The end of a channel that its reader task holds.
#[derive(Clone)]
pub(super) struct Feed {
    events: UnboundedSender<Event>,
    waiting: Arc<AtomicUsize>,
}

impl Channel {
    /// A channel, what its reader task feeds, and what its writer task takes from.
    pub(super) fn new() -> (Self, Feed, UnboundedReceiver<Input>) {
        let (input, inputs) = unbounded_channel();
        let (sender, events) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let feed = Feed {
            events: sender,
            waiting: waiting.clone(),
        };
        (
            Self {
                input,
                events,
                waiting,
                unread: VecDeque::new(),
            },
            feed,
            inputs,
        )
    }

    /// Queues bytes; false if the channel has ended.
    pub(super) fn send(&self, bytes: impl Into<Vec<u8>>) -> bool {
        self.input.send(Input::Bytes(bytes.into())).is_ok()
    }

    /// Ends standard input.
    pub(super) fn end_input(&self) {
        // A channel that has ended needs no end of input.
        let _ = self.input.send(Input::End);
    }

    /// Puts back what came behind something that was looked for.
    pub(super) fn unread(&mut self, stream: Stream, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.unread.push_back((stream, bytes));
        }
    }

    /// The next event. Safe to drop in the middle of waiting.
    pub(super) async fn next(&mut self) -> Event {
        if let Some((stream, bytes)) = self.unread.pop_front() {
            return Event::Bytes(stream, bytes);
        }
        match self.events.recv().await {
            Some(event) => self.count(event),
            None => Event::Gone("the connection ended".to_owned()),
        }
    }

    /// The next event, if it is here already.
    pub(super) fn ready(&mut self) -> Option<Event> {
        use tokio::sync::mpsc::error::TryRecvError;
        match self.events.try_recv() {
            Ok(event) => Some(self.count(event)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Event::Gone("the connection ended".to_owned())),
        }
    }

    /// The next event within a limit.
    pub(super) async fn next_within(&mut self, limit: Duration) -> Event {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(event) => event,
            Err(_) => Event::Gone(format!("no answer within {} s", limit.as_secs())),
        }
    }

    fn count(&self, event: Event) -> Event {
        if let Event::Bytes(_, bytes) = &event {
            self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        event
    }
}

impl Feed {
    /// Passes output on, or drops it when too much of it waits already.
    pub(super) fn bytes(&self, stream: Stream, bytes: Vec<u8>) {
        let before = self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        if before.saturating_add(bytes.len()) > WAITING {
            self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            self.event(Event::Dropped(stream, bytes.len() as u64));
        } else {
            self.event(Event::Bytes(stream, bytes));
        }
    }

    /// Passes anything else on.
    pub(super) fn event(&self, event: Event) {
        // Nobody listens any more: the channel is being closed.
        let _ = self.events.send(event);
    }

    /// Ends once nobody drains the channel any more.
    pub(super) async fn closed(&self) {
        self.events.closed().await;
    }
}
