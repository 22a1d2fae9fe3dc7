//! Sessions by host: opened when first needed, one per host for the whole run, opened anew when lost.
//!
//! Owns: which session belongs to which host. Must not: run anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::http::{Client, Tls};
use crate::id::HostName;
use crate::transport::{ConnectError, Endpoint, Session, Transport};

/// The engine's hands: every host of the plan, and the control machine.
pub struct Hands {
    hosts: BTreeMap<HostName, Hand>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who answers HTTP requests from the control machine.
    pub http: Client,
}

struct Hand {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    session: Mutex<Option<Arc<dyn Session>>>,
    /// It was logged into: something of ours may lie there.
    entered: AtomicBool,
}

impl Hands {
    /// No host yet.
    pub fn new(clock: Arc<dyn Clock>, tls: Tls) -> Self {
        Self::answered_by(clock, Client::network(tls))
    }

    /// No host yet, and HTTP requests are answered by `http`.
    pub fn answered_by(clock: Arc<dyn Clock>, http: Client) -> Self {
        Self {
            hosts: BTreeMap::new(),
            clock,
            http,
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
        })?;
        let mut slot = hand.session.lock().await;
        if let Some(session) = &*slot {
            return Ok(Arc::clone(session));
        }
        let session = hand.transport.connect(&hand.endpoint).await?;
        hand.entered.store(true, Ordering::Relaxed);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Forgets a session that was lost, unless somebody has opened a new one meanwhile.
    pub async fn lost(&self, host: &HostName, session: &Arc<dyn Session>) {
        let Some(hand) = self.hosts.get(host) else { return };
        let mut slot = hand.session.lock().await;
        if slot.as_ref().is_some_and(|now| Arc::ptr_eq(now, session)) {
            *slot = None;
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

    /// Sessions that are open now.
    pub async fn open(&self) -> Vec<(HostName, Arc<dyn Session>)> {
        let mut list = Vec::new();
        for (host, hand) in &self.hosts {
            if let Some(session) = &*hand.session.lock().await {
                list.push((host.clone(), Arc::clone(session)));
            }
        }
        list
    }

    /// Closes a host's session, if it has one.
    pub async fn close(&self, host: &HostName) {
        let Some(hand) = self.hosts.get(host) else { return };
        let session = hand.session.lock().await.take();
        if let Some(session) = session {
            session.close().await;
        }
    }
}
