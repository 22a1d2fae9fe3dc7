//! SSH over russh: one connection per host, every channel of it drained by a task of its own.
//!
//! Owns: [`SshTransport`], what its connections share (bastions, logins in flight). Must not: run steps; that is `host.rs`.
//! With `key/`, the only place that names russh.

mod auth;
mod connect;
mod hostkey;
mod session;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use self::connect::Connection;
use super::host::Host;
use super::{ConnectError, Endpoint, Pending, Session, Transport};

/// Logins in flight to one address before authentication; OpenSSH's default `MaxStartups` begins to refuse at ten.
const LOGINS: usize = 8;

/// What every connection of a run has in common.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// Start changing steps under the latch. False only in tests that show what happens without it.
    pub latch: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Home directory: default keys and `known_hosts`.
    pub home: Option<PathBuf>,
    /// Login name for hosts that state none.
    pub user: Option<String>,
}

impl SshOptions {
    /// From the operator's environment: `SSH_AUTH_SOCK`, `HOME`, `USER`.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        Self {
            latch: true,
            agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
            user: var("USER")
                .or_else(|| var("LOGNAME"))
                .and_then(|u| u.into_string().ok()),
        }
    }
}

/// Reaches hosts over SSH.
#[derive(Debug)]
pub struct SshTransport {
    options: SshOptions,
    /// Held while a login to this address is not through.
    logins: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
    /// One connection to each bastion, shared by the hosts behind it.
    bastions: Mutex<HashMap<String, Arc<Mutex<Bastion>>>>,
}

impl SshTransport {
    /// With these options. Keep one for a run: it is what connections share.
    pub fn new(options: SshOptions) -> Self {
        Self {
            options,
            logins: Mutex::default(),
            bastions: Mutex::default(),
        }
    }

    async fn gate(&self, to: &Endpoint) -> Arc<Semaphore> {
        let mut gates = self.logins.lock().await;
        gates
            .entry((to.address.clone(), to.port))
            .or_insert_with(|| Arc::new(Semaphore::new(LOGINS)))
            .clone()
    }

    fn user(&self, to: &Endpoint) -> Result<String, ConnectError> {
        to.user
            .clone()
            .or_else(|| self.options.user.clone())
            .ok_or_else(|| ConnectError {
                doing: format!("logging in to {}", to.host),
                cause: "no login name is known".to_owned(),
                help: "set `user` for the host in the inventory".to_owned(),
                transient: false,
            })
    }

    /// The connection to a bastion: the one that is open, or a new one. Who waited while a login failed shares that failure:
    /// a hundred hosts behind a dead bastion cost one limit, not a hundred.
    fn bastion<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<Connection>, ConnectError>> {
        Box::pin(async move {
            let through = to
                .jump
                .as_ref()
                .map(|j| format!("{}:{}", j.address, j.port))
                .unwrap_or_default();
            let name = format!("{}@{}:{} {through}", self.user(to)?, to.address, to.port);
            let slot = self.bastions.lock().await.entry(name).or_default().clone();
            let asked = Instant::now();
            let mut bastion = slot.lock().await;
            if let Some(connection) = bastion.open.upgrade().filter(|c| !c.is_closed()) {
                return Ok(connection);
            }
            if let Some((_, error)) = bastion.failed.as_ref().filter(|(at, _)| *at >= asked) {
                return Err(error.clone());
            }
            match self.login(to).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    *bastion = Bastion {
                        open: Arc::downgrade(&connection),
                        failed: None,
                    };
                    Ok(connection)
                }
                Err(error) => {
                    bastion.failed = Some((Instant::now(), error.clone()));
                    Err(error)
                }
            }
        })
    }
}

/// A bastion as the hosts behind it share it.
#[derive(Debug, Default)]
struct Bastion {
    /// Held weakly: it ends with the last of them.
    open: Weak<Connection>,
    failed: Option<(Instant, ConnectError)>,
}

impl Transport for SshTransport {
    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async move {
            let connection = Arc::new(self.login(to).await?);
            let learnt = connection.learnt();
            let host = Host::begin(
                Box::new(session::SshChannels::new(connection)),
                to,
                self.options.latch,
                |facts| {
                    facts.host_key = learnt.host_key;
                    facts.algorithms = learnt.algorithms;
                },
            )
            .await?;
            Ok(Arc::new(host) as Arc<dyn Session>)
        })
    }
}
