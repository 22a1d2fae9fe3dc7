//! From an endpoint to an authenticated connection, every phase within its limit.
//!
//! Owns: TCP or bastion, banner and key exchange, the host key's verdict, retries of what was refused before the login.
//! Must not: choose keys (`auth.rs`), open session channels (`session.rs`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::SshTransport;
use super::ack::Prompt;
use super::auth::Refused;
use super::client::{Client, Learnt, printable};
use super::hostkey::{KnownHosts, Names, Verdict};
use super::meter::{self, Allowance, Metered};
use super::opening::kept;
use super::proxy;
use crate::inventory::sshconfig::Family;
use crate::transport::channel::ends;
use crate::transport::{ConnectError, Endpoint, Met};

const KEEPALIVES: u32 = 3;
/// First wait after a refusal; it doubles up to [`LONGEST_WAIT`], and a half of it is random.
const FIRST_WAIT: Duration = Duration::from_millis(60);
const LONGEST_WAIT: Duration = Duration::from_millis(1500);

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) handle: Handle<Client>,
    learnt: Arc<Mutex<Learnt>>,
    /// The bastion's connection lives as long as those through it.
    _through: Option<Arc<Connection>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// What it taught.
    pub(super) fn learnt(&self) -> Learnt {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True once it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }
}

/// Bytes to and from a host: over the network, or over a bastion's channel.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Why an attempt failed, and whether the same may be tried again at once.
pub(super) struct Failed {
    pub(super) error: ConnectError,
    refused_early: bool,
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Self {
        Self {
            error,
            refused_early: false,
        }
    }
}

impl SshTransport {
    /// Connects and logs in. A refusal before the login is retried with growing, random waits within the limit.
    pub(super) async fn login(&self, to: &Endpoint) -> Result<Connection, ConnectError> {
        let gate = self.gate(to).await;
        let (mut wait, mut give_up) = (FIRST_WAIT, None);
        loop {
            let turn = gate.acquire().await;
            let failed = match self.ramp.through(self.attempt(to)).await {
                Ok(connection) => return Ok(connection),
                Err(failed) => failed,
            };
            drop(turn);
            let end = *give_up.get_or_insert_with(|| ends(to.connect_timeout));
            if !failed.refused_early || Instant::now() + wait > end {
                return Err(failed.error);
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn attempt(&self, to: &Endpoint) -> Result<Connection, Failed> {
        let user = self.user(to)?;
        let known = self.known_hosts(to)?;
        let (stream, through) = self.stream(to).await?;
        self.greet(to, &user, known, stream, through).await
    }

    /// The way to the host's server, and the bastion that it leads over.
    pub(super) async fn stream(&self, to: &Endpoint) -> Result<(Box<dyn Bytes>, Option<Arc<Connection>>), Failed> {
        let Some(jump) = &to.jump else {
            return match &to.way.proxy {
                Some(command) => Ok((Box::new(proxy::start(command, to)?), None)),
                None => Ok((Box::new(Prompt::new(tcp(to).await?)), None)),
            };
        };
        let bastion = self.bastion(jump).await?;
        let doing = format!("connecting to {} through {}", at(to), jump.host);
        let (address, port) = (to.address.clone(), u32::from(to.port));
        let opening = async move {
            let channel = bastion
                .handle
                .channel_open_direct_tcpip(address, port, "127.0.0.1", 0)
                .await;
            // Dropping the stream closes the channel, and with it the connection from the bastion to the host.
            (channel.map(russh::Channel::into_stream), bastion)
        };
        match timeout(to.connect_timeout, kept(opening)).await {
            Ok(Some((Ok(stream), bastion))) => Ok((Box::new(stream), Some(bastion))),
            Ok(Some((Err(e), bastion))) => {
                let help = "try it on the bastion by hand: `ssh -W`; it must allow TCP forwarding";
                // A bastion that was lost unnoticed is logged in to again.
                let refused_early = bastion.is_closed();
                Err(Failed {
                    error: error(doing, e.to_string(), help, true),
                    refused_early,
                })
            }
            Ok(None) | Err(_) => Err(late(doing, to).into()),
        }
    }

    pub(super) fn known_hosts(&self, to: &Endpoint) -> Result<KnownHosts, ConnectError> {
        let mut files = to.known_hosts.clone();
        if files.is_empty() {
            files.extend(self.options.home.iter().map(|h| h.join(".ssh/known_hosts")));
            files.push("/etc/ssh/ssh_known_hosts".into());
        }
        KnownHosts::read(&files).map_err(|cause| {
            error(
                format!("checking the host key of {}", to.host),
                cause,
                "make the file readable, or name another",
                false,
            )
        })
    }

    /// Banner and key exchange, then the login.
    async fn greet(
        &self,
        to: &Endpoint,
        user: &str,
        known: KnownHosts,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        through: Option<Arc<Connection>>,
    ) -> Result<Connection, Failed> {
        let names = Names::of(&to.address, to.port, to.way.key_name.as_deref());
        let config = Arc::new(config(
            &known.kinds(&names),
            known.has_authority(&names),
            self.options.keepalive,
        ));
        let learnt = Arc::new(Mutex::new(Learnt::default()));
        let client = Client {
            known,
            names,
            learnt: learnt.clone(),
        };
        let allowance = Arc::new(Allowance::new());
        let stream = Metered::new(stream, allowance.clone());
        // A task of its own: a panic that a server provokes ends this login and nothing else.
        let mut task = tokio::spawn(client::connect_stream(config, stream, client));
        let doing = format!("greeting {}", at(to));
        let mut handle = match timeout(to.connect_timeout, &mut task).await {
            Ok(Ok(Ok(handle))) => handle,
            Ok(Ok(Err(_))) if allowance.is_spent() => return Err(error(doing, meter::too_much(), LOOK, false).into()),
            Ok(Ok(Err(e))) => {
                let learnt = learnt.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Err(not_greeted(to, doing, &e, &learnt));
            }
            Ok(Err(_)) => {
                return Err(error(doing, "the server's words broke the protocol".to_owned(), LOOK, false).into());
            }
            Err(_) => {
                task.abort();
                allowance.withdraw();
                return Err(late(doing, to).into());
            }
        };
        let doing = format!("logging in to {} as {user}", at(to));
        let signing = AtomicBool::new(false);
        match timeout(to.connect_timeout, self.authenticate(&mut handle, to, user, &signing)).await {
            Ok(Ok(())) => allowance.lift(),
            Ok(Err(_)) if allowance.is_spent() => return Err(error(doing, meter::too_much(), LOOK, false).into()),
            Ok(Err(refused)) => {
                let ended = learnt.lock().unwrap_or_else(PoisonError::into_inner).ended.clone();
                return Err(answered(Met::Server, not_let_in(to, doing, ended, &refused)).into());
            }
            Err(_) if signing.load(Ordering::Relaxed) => return Err(not_signed(doing, to).into()),
            Err(_) => return Err(answered(Met::Server, late(doing, to)).into()),
        }
        Ok(Connection {
            handle,
            learnt,
            _through: through,
        })
    }
}

pub(super) const LOOK: &str = "look with `ssh -v` what answers there";

async fn tcp(to: &Endpoint) -> Result<TcpStream, ConnectError> {
    let doing = format!("connecting to {}", at(to));
    let stream = match timeout(to.connect_timeout, dial(to)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => {
            return Err(error(
                doing,
                e.to_string(),
                "check the address, the port and the network",
                true,
            ));
        }
        Err(_) => return Err(late(doing, to)),
    };
    stream
        .set_nodelay(true)
        .map_err(|e| error(doing, e.to_string(), LOOK, true))?;
    Ok(stream)
}

/// Tries the host's addresses, one after another.
async fn dial(to: &Endpoint) -> std::io::Result<TcpStream> {
    let way = &to.way;
    if way.bind.is_none() && way.family == Family::Any {
        return TcpStream::connect((to.address.as_str(), to.port)).await;
    }
    let from: Vec<SocketAddr> = match &way.bind {
        Some(bind) => lookup_host((bind.as_str(), 0)).await?.collect(),
        None => Vec::new(),
    };
    let mut last = None;
    for address in lookup_host((to.address.as_str(), to.port)).await? {
        let fits = match way.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        let own = from.iter().find(|own| own.is_ipv4() == address.is_ipv4());
        if !fits || (own.is_none() && way.bind.is_some()) {
            continue;
        }
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(own) = own {
            socket.bind(*own)?;
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = Some(e),
        }
    }
    let none = || std::io::Error::other("it has no address of the kind that the ssh config asks for");
    Err(last.unwrap_or_else(none))
}

pub(super) fn config(known_kinds: &[String], certificates: bool, keepalive: Duration) -> client::Config {
    let rsa = [Some(HashAlg::Sha512), Some(HashAlg::Sha256)].map(|hash| Algorithm::Rsa { hash });
    let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let mut keys = vec![Algorithm::Ed25519];
    keys.extend(curves.map(|curve| Algorithm::Ecdsa { curve }));
    keys.extend(rsa);
    // A stable sort: those that known_hosts has for this host come first.
    keys.sort_by_key(|key| {
        let name = if matches!(key, Algorithm::Rsa { .. }) {
            "ssh-rsa"
        } else {
            key.as_str()
        };
        !known_kinds.iter().any(|kind| kind == name)
    });
    let preferred = Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::ECDH_SHA2_NISTP256,
            kex::ECDH_SHA2_NISTP384,
            kex::ECDH_SHA2_NISTP521,
            kex::DH_G16_SHA512,
            kex::DH_G14_SHA256,
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
        ]),
        host_key_certificates: if certificates {
            Cow::Owned(keys.clone())
        } else {
            Cow::Borrowed(&[])
        },
        key: Cow::Owned(keys),
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_128_CTR,
        ]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    client::Config {
        preferred,
        nodelay: true,
        keepalive_interval: Some(keepalive),
        keepalive_max: KEEPALIVES as usize,
        // Keepalives cannot be missed while a server takes no bytes of ours: then nothing else of the connection moves either.
        inactivity_timeout: Some(keepalive * (KEEPALIVES + 2)),
        // Packets that wait for our reader, which never sleeps: a hundred of them are 3 MiB a host.
        channel_buffer_size: 32,
        ..client::Config::default()
    }
}

fn not_greeted(to: &Endpoint, doing: String, e: &russh::Error, learnt: &Learnt) -> Failed {
    let scan = format!(
        "compare with the host's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then write it to known_hosts: \
         pitstop hosts --scan {}, or what `ssh-keyscan -p {} {}` prints",
        to.host, to.port, to.address
    );
    let key = &learnt.host_key;
    let doing_key = format!("checking the host key of {}", at(to));
    let refuse = |cause: String| Failed::from(answered(Met::Stranger, error(doing_key, cause, &scan, false)));
    match &learnt.verdict {
        Some(Verdict::Unknown) => refuse(format!("the host is not in known_hosts; it shows {key}")),
        Some(Verdict::Changed(place)) => refuse(format!(
            "THE HOST KEY HAS CHANGED: the host shows {key}, {place} has another. Somebody may be in between"
        )),
        Some(Verdict::Revoked(place)) => refuse(format!("the host shows {key}, which {place} revokes")),
        Some(Verdict::AuthorityOnly(place)) => refuse(format!(
            "{place} knows the host only through a certificate authority, and it shows no certificate of that authority; its own \
             key is {key}"
        )),
        Some(Verdict::BadCertificate(place, why)) => refuse(format!(
            "the host's certificate is signed by the authority of {place}, but {why}"
        )),
        Some(Verdict::Known) | None => {
            let early = matches!(e, russh::Error::IO(_) | russh::Error::HUP | russh::Error::Disconnect);
            let over = to.jump.is_none() && to.way.proxy.is_some();
            let (cause, help) = match e {
                russh::Error::IO(e) if over => (printable(&e.to_string()), proxy::LOOK),
                _ if early => (
                    "the server ended the connection before the login".to_owned(),
                    "raise `MaxStartups` on the host, or look with `ssh -v`",
                ),
                _ => (printable(&e.to_string()), LOOK),
            };
            Failed {
                error: answered(Met::Server, error(doing, cause, help, early)),
                refused_early: early,
            }
        }
    }
}

/// A connection that ended before the server said no to anything may be let in the next time; a refused key will not be.
fn not_let_in(to: &Endpoint, doing: String, ended: Option<String>, Refused(tried, notes): &Refused) -> ConnectError {
    let keys = match tried.offered - tried.taken {
        0 if tried.taken > 0 => "the key alone does not do".to_owned(),
        0 => "no key could be offered".to_owned(),
        1 => "the one key that was offered was refused".to_owned(),
        n => format!("{n} keys were offered and refused"),
    };
    let mut words = match ended {
        Some(why) if tried.refused == 0 => {
            return error(
                doing,
                format!("the connection ended: {why}"),
                "look at the server's log",
                true,
            );
        }
        Some(why) => vec![format!("{keys}, then the connection ended: {why}")],
        None => vec![keys],
    };
    words.extend(notes.iter().cloned());
    let help = match to.password {
        Some(_) => "compare with `ssh -v` which ways to log in the server takes, and whose password the secret holds",
        None => "set `identity` for the host to the key it knows, or load that key with `ssh-add`",
    };
    error(doing, words.join("; "), help, false)
}

/// `10.0.0.7:22`, with the host's name when it says more.
pub(super) fn at(to: &Endpoint) -> String {
    if to.host.as_str() == to.address {
        format!("{}:{}", to.address, to.port)
    } else {
        format!("{} ({}:{})", to.host, to.address, to.port)
    }
}

pub(super) fn error(doing: String, cause: String, help: &str, transient: bool) -> ConnectError {
    ConnectError {
        doing,
        cause,
        help: help.to_owned(),
        transient,
        touched: false,
        met: Met::Nothing,
    }
}

/// The same, of a server that answered.
fn answered(met: Met, error: ConnectError) -> ConnectError {
    ConnectError { met, ..error }
}

pub(super) fn late(doing: String, to: &Endpoint) -> ConnectError {
    let cause = format!("no answer within {} s", to.connect_timeout.as_secs());
    error(
        doing,
        cause,
        "check that the host is up, or raise `connect_timeout`",
        true,
    )
}

/// The agent may wait for a person: for a touch of a security key, a PIN, a yes.
fn not_signed(doing: String, to: &Endpoint) -> ConnectError {
    let cause = format!("the agent did not sign within {} s", to.connect_timeout.as_secs());
    let help = "touch the security key, or say yes where the agent asks; `connect_timeout` is how long that may take";
    error(doing, cause, help, true)
}

fn jittered(wait: Duration) -> Duration {
    let mut random = [0_u8; 2];
    // Without random numbers the waits are even, which costs time and nothing else.
    let _ = getrandom::fill(&mut random);
    wait / 2 + wait.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}
