//! A byte channel to a shell on a host: the one thing an SSH connection and this machine have in common.
//!
//! Owns: [`Channels`] (opens them), [`Channel`] (feeds and drains one), the rule that a reader never waits on whoever reads
//! from us. Must not: know what is said over a channel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::{Pending, Stream};

/// Bytes that wait in memory for those who drain channels, all together; what comes beyond is dropped and counted.
const WAITING: usize = 48 << 20;
/// So much a channel may hold however much waits in others: more than the answer to any question of ours.
const OWN: usize = 2 << 20;
/// What waits in the channels of this process.
static ALL: AtomicUsize = AtomicUsize::new(0);
/// What an event takes beside its bytes: a host that sends them one by one fills the same memory.
const OVERHEAD: usize = 128;

/// How the error begins that says that the host gives no further channel.
pub(super) const NO_CHANNEL: &str = "no channel";

/// When a wait of `limit` from now ends. No limit is taken for longer than a year, which an instant can always hold.
pub(super) fn ends(limit: Duration) -> Instant {
    Instant::now() + limit.min(Duration::from_secs(366 * 24 * 3600))
}

/// Opens channels on one host.
pub(super) trait Channels: Send + Sync {
    /// Starts `command` with the login shell. Nothing has run if this fails.
    fn open<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>>;

    /// The same at a terminal of its own, which shows nothing of what is typed: for programs that ask for a password nowhere
    /// else. Both streams come as one.
    fn open_terminal<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>>;

    /// Set once sudo has said that it runs at a terminal only.
    fn sudo_wants_terminal(&self) -> &AtomicBool;

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
    /// Output that was dropped, because nobody drained the channel. Told before the end, not where it would have stood.
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
    waiting: Arc<Waiting>,
    unread: VecDeque<(Stream, Vec<u8>)>,
    /// Stands behind what was dropped before it.
    last: Option<Event>,
    /// The end was told: whoever takes all that is there is not told again.
    told: bool,
    /// Both streams come as one, and input has no end.
    pub(super) is_terminal: bool,
}

/// What waits between the reader of a channel and the one who drains it.
struct Waiting {
    now: AtomicUsize,
    most: AtomicUsize,
    dropped: [AtomicU64; 2],
}

impl Drop for Waiting {
    fn drop(&mut self) {
        ALL.fetch_sub(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Waiting {
    /// Takes room for this much; false: there is none.
    fn take(&self, cost: usize) -> bool {
        let before = self.now.fetch_add(cost, Ordering::Relaxed);
        let all = ALL.fetch_add(cost, Ordering::Relaxed);
        let own = before.saturating_add(cost);
        let fits = own <= self.most.load(Ordering::Relaxed) && (own <= OWN || all.saturating_add(cost) <= WAITING);
        if !fits {
            self.give(cost);
        }
        fits
    }

    fn give(&self, cost: usize) {
        self.now.fetch_sub(cost, Ordering::Relaxed);
        ALL.fetch_sub(cost, Ordering::Relaxed);
    }

    fn dropped(&self, stream: Stream) -> &AtomicU64 {
        let [out, err] = &self.dropped;
        match stream {
            Stream::Out => out,
            Stream::Err => err,
        }
    }
}

/// The end of a channel that its reader task holds.
#[derive(Clone)]
pub(super) struct Feed {
    events: UnboundedSender<Event>,
    waiting: Arc<Waiting>,
}

impl Channel {
    /// A channel, what its reader task feeds, and what its writer task takes from.
    pub(super) fn new() -> (Self, Feed, UnboundedReceiver<Input>) {
        let (input, inputs) = unbounded_channel();
        let (sender, events) = unbounded_channel();
        let waiting = Arc::new(Waiting {
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(WAITING),
            dropped: Default::default(),
        });
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
                last: None,
                told: false,
                is_terminal: false,
            },
            feed,
            inputs,
        )
    }

    /// From here on no more than this waits for us: whoever says more was not asked.
    pub(super) fn expect_little(&self, bytes: usize) {
        self.waiting.most.store(bytes, Ordering::Relaxed);
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
        if let Some(event) = self.waits_behind() {
            return event;
        }
        let event = self.events.recv().await;
        self.count(event.unwrap_or_else(gone))
    }

    /// The next event, if it is here already. The end is told once.
    pub(super) fn ready(&mut self) -> Option<Event> {
        use tokio::sync::mpsc::error::TryRecvError;
        if let Some(event) = self.waits_behind() {
            return Some(event);
        }
        match self.events.try_recv() {
            Ok(event) => Some(self.count(event)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) if self.told => None,
            Err(TryRecvError::Disconnected) => Some(self.count(gone())),
        }
    }

    /// The next event within a limit.
    pub(super) async fn next_within(&mut self, limit: Duration) -> Event {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(event) => event,
            Err(_) => Event::Gone(format!("no answer within {} s", limit.as_secs())),
        }
    }

    fn count(&mut self, event: Event) -> Event {
        if let Event::Bytes(_, bytes) = &event {
            self.waiting.give(bytes.len() + OVERHEAD);
            return event;
        }
        self.last = Some(event);
        self.waits_behind().unwrap_or_else(gone)
    }

    /// The end, and before it what had to be dropped.
    fn waits_behind(&mut self) -> Option<Event> {
        self.last.as_ref()?;
        for stream in [Stream::Out, Stream::Err] {
            let bytes = self.waiting.dropped(stream).swap(0, Ordering::Relaxed);
            if bytes > 0 {
                return Some(Event::Dropped(stream, bytes));
            }
        }
        self.told = true;
        self.last.take()
    }
}

fn gone() -> Event {
    Event::Gone("the connection ended".to_owned())
}

impl Feed {
    /// Passes output on, or drops it when too much of it waits already.
    pub(super) fn bytes(&self, stream: Stream, bytes: Vec<u8>) {
        if self.waiting.take(bytes.len() + OVERHEAD) {
            self.event(Event::Bytes(stream, bytes));
        } else {
            self.waiting
                .dropped(stream)
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_its_own_room_when_others_hold_all_of_it_and_gives_it_back_with_its_end() {
        let held: Vec<_> = (0..64).map(|_| Channel::new()).collect();
        let piece = || vec![b'x'; 32 << 10];
        for (_, feed, _) in &held {
            (0..200).for_each(|_| feed.bytes(Stream::Out, piece()));
        }
        let all = ALL.load(Ordering::Relaxed);
        assert!(all > WAITING / 2 && all <= 64 * OWN + WAITING, "{all}");
        let (mut channel, feed, _inputs) = Channel::new();
        for _ in 0..32 {
            feed.bytes(Stream::Out, piece());
        }
        feed.event(Event::Exit(0));
        for _ in 0..32 {
            assert_eq!(channel.ready(), Some(Event::Bytes(Stream::Out, piece())));
        }
        assert_eq!(channel.ready(), Some(Event::Exit(0)), "nothing of it was dropped");
        drop(held);
        // Other tests of this process hold little.
        assert!(ALL.load(Ordering::Relaxed) < WAITING / 2, "given back");
    }

    #[test]
    fn whoever_takes_all_that_is_there_comes_to_an_end_when_the_channel_has_one() {
        let (mut channel, feed, _inputs) = Channel::new();
        feed.bytes(Stream::Out, vec![b'x']);
        drop(feed);
        assert_eq!(channel.ready(), Some(Event::Bytes(Stream::Out, vec![b'x'])));
        assert!(matches!(channel.ready(), Some(Event::Gone(_))));
        assert_eq!(channel.ready(), None, "told once");
    }

    #[test]
    fn what_nobody_drains_is_bounded_however_small_its_pieces_and_every_byte_is_counted() {
        const MOST: usize = 64 << 10;
        const SENT: u64 = 100_000;
        let (mut channel, feed, _inputs) = Channel::new();
        channel.expect_little(MOST);
        for _ in 0..SENT {
            feed.bytes(Stream::Out, vec![b'x']);
            feed.bytes(Stream::Err, Vec::new());
        }
        feed.event(Event::Exit(0));
        let (mut events, mut kept, mut dropped) = (0, 0, 0);
        while let Some(event) = channel.ready() {
            events += 1;
            match event {
                Event::Bytes(_, bytes) => kept += bytes.len() as u64,
                Event::Dropped(_, bytes) => dropped += bytes,
                Event::Exit(status) => {
                    assert_eq!(status, 0, "the end comes last");
                    break;
                }
                Event::Gone(why) => panic!("{why}"),
            }
        }
        assert!(events <= MOST / OVERHEAD + 2, "{events} events were kept");
        assert_eq!(kept + dropped, SENT);
        // What was taken makes room again.
        feed.bytes(Stream::Out, vec![b'y'; 10]);
        assert_eq!(channel.ready(), Some(Event::Bytes(Stream::Out, vec![b'y'; 10])));
    }
}
