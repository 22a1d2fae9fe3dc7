//! Sessions by host: opened when first needed, one per host for the whole run, opened anew when lost. Of more than a thousand, the
//! one that nobody has used for longest is closed; where there are more hosts at work than descriptors, they take turns.
//!
//! Owns: which session belongs to which host, and how many are open. Must not: run anything.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::http::{Client, Tls};
use crate::id::HostName;
use crate::transport::{ConnectError, Endpoint, Met, Session, Transport};

/// Descriptors that are not for hosts: the journal, locks, spools, the runtime's own.
const DESCRIPTORS_KEPT: u64 = 32;
/// Descriptors of one host beside its connection: the spools of its step, a key file during its login.
const DESCRIPTORS_OF_A_STEP: u32 = 3;
/// With fewer than these the control machine's lanes and a host's connection may not fit beside each other.
pub const FEWEST_DESCRIPTORS: u64 = 2 * DESCRIPTORS_KEPT;
/// Sessions that stay open though nobody uses them: each takes about 100 KiB here, and a process and its memory on the host.
pub const KEPT_OPEN: usize = 1024;
/// For so long the refusal of a login is believed at the beginning of a host's line.
const REFUSED: Duration = Duration::from_secs(60);
/// How often it is looked for a place when all are in use.
const LOOK: Duration = Duration::from_millis(20);

/// The engine's hands: every host of the plan, and the control machine.
pub struct Hands {
    hosts: BTreeMap<HostName, Hand>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who answers HTTP requests from the control machine.
    pub http: Client,
    /// Whether monitoring and people are really told.
    pub outside: Outside,
    /// A permit for each descriptor that sessions may hold.
    places: Arc<Semaphore>,
    /// How many there are.
    all: u32,
    uses: Lock<Uses>,
}

/// Monitoring and people, as far as this process may reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// They are told; commands run in this folder.
    Told(PathBuf),
    /// Nobody is: a test of a runbook, in which every silence counts as set and every message as sent.
    Nobody,
}

/// When open sessions were last used, by a number that counts uses.
#[derive(Default)]
struct Uses {
    last: u64,
    order: BTreeMap<u64, HostName>,
    of: HashMap<HostName, u64>,
}

impl Uses {
    fn now(&mut self, host: &HostName) {
        self.forget(host);
        self.last += 1;
        self.order.insert(self.last, host.clone());
        self.of.insert(host.clone(), self.last);
    }

    fn forget(&mut self, host: &HostName) {
        if let Some(number) = self.of.remove(host) {
            self.order.remove(&number);
        }
    }
}

/// A session and its place.
struct Held {
    session: Arc<dyn Session>,
    _place: Option<OwnedSemaphorePermit>,
}

struct Hand {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    session: Mutex<Option<Held>>,
    /// It was logged into: something of ours may lie there.
    entered: AtomicBool,
    /// When and why the last login was refused.
    refused: Lock<Option<(Duration, ConnectError)>>,
}

impl Hand {
    fn refused(&self) -> MutexGuard<'_, Option<(Duration, ConnectError)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    /// No host yet.
    pub fn new(clock: Arc<dyn Clock>, tls: Tls) -> Self {
        Self {
            outside: Outside::Told(PathBuf::from(".")),
            ..Self::answered_by(clock, Client::network(tls))
        }
    }

    /// No host yet, HTTP requests are answered by `http`, and nobody else is told of anything.
    pub fn answered_by(clock: Arc<dyn Clock>, http: Client) -> Self {
        let all = places();
        Self {
            hosts: BTreeMap::new(),
            clock,
            http,
            outside: Outside::Nobody,
            places: Arc::new(Semaphore::new(all as usize)),
            all,
            uses: Lock::default(),
        }
    }

    /// One more host.
    pub fn add(&mut self, transport: Arc<dyn Transport>, endpoint: Endpoint) {
        self.hosts.insert(
            endpoint.host.clone(),
            Hand {
                transport,
                endpoint,
                session: Mutex::new(None),
                entered: AtomicBool::new(false),
                refused: Lock::default(),
            },
        );
    }

    /// The host's session, opened if there is none.
    ///
    /// # Errors
    /// When it cannot be logged into; nothing has run there.
    pub async fn session(&self, host: &HostName) -> Result<Arc<dyn Session>, ConnectError> {
        let hand = self.hosts.get(host).ok_or_else(|| ConnectError {
            doing: format!("connecting to {host}"),
            cause: "the plan has no such host".to_owned(),
            help: "make the plan again: pitstop plan".to_owned(),
            transient: false,
            touched: false,
            met: Met::Nothing,
        })?;
        let mut slot = hand.session.lock().await;
        if let Some(held) = &*slot {
            self.uses().now(host);
            return Ok(Arc::clone(&held.session));
        }
        if self.uses().order.len() >= KEPT_OPEN
            && let Some(held) = self.idle()
        {
            tokio::spawn(async move { held.session.close().await });
        }
        let place = self.place(hand).await;
        let came = hand.transport.connect(&hand.endpoint).await;
        if came.as_ref().map_or_else(|error| error.touched, |_| true) {
            hand.entered.store(true, Ordering::Relaxed);
        }
        *hand.refused() = match &came {
            Err(error) if !error.transient => Some((self.clock.passed(), error.clone())),
            _ => None,
        };
        let session = came?;
        *slot = Some(Held {
            session: Arc::clone(&session),
            _place: place,
        });
        self.uses().now(host);
        Ok(session)
    }

    /// The same at the beginning of a host's line. One that has just refused a login, when its lock was to be taken, is not asked
    /// again at once: servers count what they refuse, and lock accounts.
    ///
    /// # Errors
    /// When it cannot be logged into, or could not a moment ago.
    pub async fn enter(&self, host: &HostName) -> Result<Arc<dyn Session>, ConnectError> {
        if let Some((at, error)) = self.hosts.get(host).and_then(|hand| hand.refused().clone())
            && self.clock.passed() < at + REFUSED
        {
            return Err(error);
        }
        self.session(host).await
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more session: a free one, or that of a session which nobody uses, or the first that comes free. Whoever
    /// asked first has it first, however much it needs; nobody gets more than half of all.
    async fn place(&self, hand: &Hand) -> Option<OwnedSemaphorePermit> {
        let needs = hand.transport.descriptors(&hand.endpoint) + DESCRIPTORS_OF_A_STEP;
        let mut turn = pin!(Arc::clone(&self.places).acquire_many_owned(needs.min(self.all / 2)));
        let mut look = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                // Nobody closes it.
                place = &mut turn => return place.ok(),
                () = self.clock.sleep(look) => {}
            }
            look = match self.idle() {
                Some(held) => {
                    held.session.close().await;
                    Duration::ZERO
                }
                None => LOOK,
            };
        }
    }

    /// Takes the session away that was used longest ago, of those that nobody uses now.
    fn idle(&self) -> Option<Held> {
        let mut uses = self.uses();
        let (host, held) = uses.order.values().find_map(|host| {
            // A slot that is locked is about to be used.
            let mut slot = self.hosts.get(host)?.session.try_lock().ok()?;
            let held = slot.take_if(|held| Arc::strong_count(&held.session) == 1)?;
            Some((host.clone(), held))
        })?;
        uses.forget(&host);
        Some(held)
    }

    /// Forgets a session that was lost, unless somebody has opened a new one meanwhile.
    pub async fn lost(&self, host: &HostName, session: &Arc<dyn Session>) {
        let Some(hand) = self.hosts.get(host) else { return };
        let mut slot = hand.session.lock().await;
        if slot.as_ref().is_some_and(|now| Arc::ptr_eq(&now.session, session)) {
            *slot = None;
            self.uses().forget(host);
        }
    }

    /// Logs in anew with growing pauses until `within` is over.
    ///
    /// # Errors
    /// The last failure.
    pub async fn reopen(&self, host: &HostName, within: Duration) -> Result<Arc<dyn Session>, ConnectError> {
        let began = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(250);
        loop {
            let error = match self.session(host).await {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            if !error.transient || began.elapsed() + pause > within {
                return Err(error);
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(8));
        }
    }

    /// Hosts that were logged into by this process, also if the connection is gone.
    pub fn entered(&self) -> impl Iterator<Item = &HostName> {
        let entered = |(_, hand): &(&HostName, &Hand)| hand.entered.load(Ordering::Relaxed);
        self.hosts.iter().filter(entered).map(|(host, _)| host)
    }

    /// True if something of this process may lie on the host.
    pub fn has_entered(&self, host: &HostName) -> bool {
        self.hosts
            .get(host)
            .is_some_and(|hand| hand.entered.load(Ordering::Relaxed))
    }

    /// The host's session, if one is open now.
    pub async fn open(&self, host: &HostName) -> Option<Arc<dyn Session>> {
        let slot = self.hosts.get(host)?.session.lock().await;
        slot.as_ref().map(|held| Arc::clone(&held.session))
    }

    /// Closes a host's session, if it has one.
    pub async fn close(&self, host: &HostName) {
        let Some(hand) = self.hosts.get(host) else { return };
        let held = hand.session.lock().await.take();
        if let Some(held) = held {
            self.uses().forget(host);
            held.session.close().await;
        }
    }
}

/// How many of the process's descriptors sessions may hold.
fn places() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(u64::MAX)
        .max(FEWEST_DESCRIPTORS);
    let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
    u32::try_from(limit - DESCRIPTORS_KEPT).map_or(most, |places| places.min(most))
}
