//! SSH over russh: one connection per host, every channel of it drained by a task of its own.
//!
//! Owns: [`SshTransport`], what its connections share (bastions, logins in flight). Must not: run steps; that is `host.rs`.
//! With `key/`, the only place that names russh.

mod ack;
mod auth;
mod client;
mod connect;
mod hostkey;
mod meter;
mod opening;
mod password;
mod proxy;
mod ramp;
mod scan;
mod session;
mod sftp;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

pub use self::scan::{ShownKey, Standing};

use self::connect::Connection;
use super::bare::Bare;
use super::facts::add_first_key;
use super::host::Host;
use super::latch::About;
use super::{CHILD, CMD, ConnectError, Endpoint, NO_SHELL, Pending, Session, Transport};
use crate::inventory::facts::Facts;
use crate::secret::Secret;

/// Logins in flight to one address before authentication; OpenSSH's default `MaxStartups` begins to refuse at ten.
const LOGINS: usize = 8;

/// Hosts behind one connection to a bastion: all of their traffic goes through one cipher stream, and each holds a channel.
pub const BEHIND: usize = 200;

/// From half-open to found dead: four of these.
pub const KEEPALIVE: Duration = Duration::from_secs(15);

/// What every connection of a run has in common.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// Start changing steps under the latch. False only in tests that show what happens without it.
    pub latch: bool,
    /// Learn what kind of machine each host is: on most hosts the only fact for which a program is started.
    pub virtual_: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Home directory: default keys and `known_hosts`.
    pub home: Option<PathBuf>,
    /// Login name for hosts that state none.
    pub user: Option<String>,
    /// Hosts that share one connection to their bastion; past it a second one is made. Fewer only in tests.
    pub behind: usize,
    /// How long nothing may come before a keepalive is sent; the fourth without an answer ends a connection. Shorter only in
    /// tests.
    pub keepalive: Duration,
    /// Passphrases of encrypted key files, by their path. Each opens its file once.
    pub passphrases: BTreeMap<PathBuf, Secret>,
}

impl SshOptions {
    /// From the operator's environment: `SSH_AUTH_SOCK`, `HOME`, `USER`.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        Self {
            latch: true,
            virtual_: true,
            agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
            user: var("USER")
                .or_else(|| var("LOGNAME"))
                .and_then(|u| u.into_string().ok()),
            behind: BEHIND,
            keepalive: KEEPALIVE,
            passphrases: BTreeMap::new(),
        }
    }
}

/// Reaches hosts over SSH.
#[derive(Debug)]
pub struct SshTransport {
    options: SshOptions,
    /// Held while a login to this address is not through.
    logins: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
    /// Held for the first moments of any login.
    ramp: ramp::Ramp,
    /// One connection to each bastion, shared by the hosts behind it.
    bastions: Mutex<HashMap<String, Arc<Mutex<Bastion>>>>,
    /// Encrypted keys that a passphrase has opened: that takes long on purpose, and is done once for all hosts.
    opened: Mutex<HashMap<PathBuf, Arc<PrivateKey>>>,
}

impl SshTransport {
    /// With these options. Keep one for a run: it is what connections share.
    pub fn new(options: SshOptions) -> Self {
        Self {
            options,
            logins: Mutex::default(),
            ramp: ramp::Ramp::default(),
            bastions: Mutex::default(),
            opened: Mutex::default(),
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
        to.user.clone().or_else(|| self.options.user.clone()).ok_or_else(|| {
            let (doing, cause) = (
                format!("logging in to {}", to.host),
                "no login name is known".to_owned(),
            );
            connect::error(doing, cause, "set `user` for the host in the inventory", false)
        })
    }

    /// The connection to a bastion: one that is open and has room, or a new one. Who waited while a login failed shares that
    /// failure, and so does who asks within as long as it took: hundreds of hosts behind a dead bastion, a few at a time, cost one
    /// limit or two, not hundreds.
    fn bastion<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<Connection>, ConnectError>> {
        Box::pin(async move {
            let way = self.way(to)?;
            let slot = self.bastions.lock().await.entry(way).or_default().clone();
            let asked = Instant::now();
            let mut bastion = slot.lock().await;
            bastion
                .open
                .retain(|weak| weak.upgrade().is_some_and(|c| !c.is_closed()));
            // Each host behind it holds it once.
            let roomy = bastion.open.iter().find(|c| c.strong_count() < self.options.behind);
            if let Some(connection) = roomy.and_then(Weak::upgrade) {
                return Ok(connection);
            }
            if let Some((_, error)) = bastion.failed.as_ref().filter(|(until, _)| *until >= asked) {
                return Err(error.clone());
            }
            let began = Instant::now();
            match self.login(to).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    bastion.open.push(Arc::downgrade(&connection));
                    bastion.failed = None;
                    Ok(connection)
                }
                Err(error) => {
                    let now = Instant::now();
                    bastion.failed = Some((now + (now - began), error.clone()));
                    Err(error)
                }
            }
        })
    }

    /// All that decides where, how and as whom an endpoint is connected to: two hosts share a bastion's connection only where
    /// it is the same for both. Above all, what one trusts by its `known_hosts` is not trusted for the other.
    fn way(&self, to: &Endpoint) -> Result<String, ConnectError> {
        let over = match &to.jump {
            Some(jump) => self.way(jump)?,
            None => String::new(),
        };
        Ok(format!(
            "{over}/{}@{}:{} {:?} {:?} {:?}",
            self.user(to)?,
            to.address,
            to.port,
            to.identities,
            to.known_hosts,
            to.way
        ))
    }
}

/// A bastion as the hosts behind it share it.
#[derive(Debug, Default)]
struct Bastion {
    /// Held weakly: each ends with the last of its hosts.
    open: Vec<Weak<Connection>>,
    /// How the last login failed, and until when that is believed.
    failed: Option<(Instant, ConnectError)>,
}

impl Transport for SshTransport {
    fn descriptors(&self, to: &Endpoint) -> u32 {
        match &to.jump {
            // A channel of the bastion's connection, which hosts share where they can.
            Some(jump) => self.descriptors(jump),
            None if to.way.proxy.is_some() => CHILD,
            None => 1,
        }
    }

    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async move {
            let connection = Arc::new(self.login(to).await?);
            let learnt = connection.learnt();
            let user = self.user(to)?;
            let channels = Box::new(session::SshChannels::new(connection));
            let shell = to.privilege.shell.as_str();
            if shell == NO_SHELL || shell == CMD {
                let facts = Facts {
                    os: if shell == CMD {
                        "windows".to_owned()
                    } else {
                        String::new()
                    },
                    user,
                    host_key: learnt.host_key,
                    algorithms: learnt.algorithms,
                    ..Facts::default()
                };
                return Ok(Arc::new(Bare::begin(channels, to, facts).await?) as Arc<dyn Session>);
            }
            if learnt.server.contains("OpenSSH_for_Windows") {
                let cause = format!("it is Windows ({}), and the inventory does not say so", learnt.server);
                let doing = format!("starting a shell on {}", to.host);
                return Err(connect::error(doing, cause, "write `os: windows` for the host", false));
            }
            let host = Host::begin(
                channels,
                to,
                self.options.latch,
                About {
                    user: Some(&user),
                    virtual_: self.options.virtual_,
                },
                |facts, hello| {
                    facts.host_key = learnt.host_key;
                    facts.algorithms = learnt.algorithms;
                    add_first_key(facts, hello);
                },
            )
            .await?;
            Ok(Arc::new(host) as Arc<dyn Session>)
        })
    }
}
