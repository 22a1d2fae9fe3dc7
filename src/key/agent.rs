//! The client of the ssh agent: which keys it has, and one signature.
//!
//! Owns: the talk with the agent's socket, each part of it with a limit. Must not: forward the agent or add keys to it.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::agent::client::AgentClient;
use russh::keys::key::parse_public_key;
use russh::keys::ssh_encoding::Decode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::allowed::AllowedSigners;
use super::signer::{KeyFault, fingerprint};

/// For the list of keys, which no person has to confirm.
const ANSWER: Duration = Duration::from_secs(10);

/// For a signature: the agent may ask a person for a PIN, a touch or a yes.
const SIGNATURE: Duration = Duration::from_secs(300);

/// Longer lists are cut.
const LONGEST_LIST: u32 = 256 << 10;

/// Which of the agent's keys.
#[derive(Clone, Copy, Debug)]
pub enum AgentKey<'a> {
    /// The one whose public half is in this file.
    File(&'a Path),
    /// The first that `allowed` gives to `principal` for `namespace` at `at`.
    Principal {
        /// Whose key.
        principal: &'a str,
        /// Who may sign.
        allowed: &'a AllowedSigners,
        /// For what.
        namespace: &'a str,
        /// When.
        at: Timestamp,
    },
}

/// The public half of the key that was asked for.
pub(super) async fn pick(socket: &Path, wanted: AgentKey<'_>) -> Result<PublicKey, KeyFault> {
    let name = match wanted {
        AgentKey::File(path) => path.display().to_string(),
        AgentKey::Principal { principal, allowed, .. } => format!("that belongs to {principal} in {}", allowed.name()),
    };
    let file = match wanted {
        AgentKey::File(path) => Some(read_public(path)?),
        AgentKey::Principal { .. } => None,
    };
    let mut has = Vec::new();
    for (key, comment) in keys(socket).await.map_err(|why| KeyFault::NoAgent { why })? {
        let fits = match (wanted, &file) {
            (AgentKey::File(_), file) => file.as_ref().is_some_and(|file| file.key_data() == key.key_data()),
            (
                AgentKey::Principal {
                    principal,
                    allowed,
                    namespace,
                    at,
                },
                _,
            ) => allowed.grants(&key, principal, namespace, at),
        };
        if fits {
            return Ok(key);
        }
        has.push(format!("{} {}", fingerprint(&key), comment.escape_debug()));
    }
    Err(KeyFault::NotInAgent { wanted: name, has })
}

/// What an agent has.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Plain keys, each with its comment. The key of a certificate is usually listed as a plain one too.
    pub(crate) keys: Vec<(PublicKey, String)>,
    /// Certificates.
    pub(crate) certificates: Vec<Certificate>,
    /// So many are of a kind that is not known here, or cannot be read.
    pub(crate) odd: usize,
}

impl Held {
    /// It can sign with this key, be it known to it as a key or by a certificate.
    pub(crate) fn has(&self, key: &KeyData) -> bool {
        self.keys.iter().any(|(k, _)| k.key_data() == key) || self.certificates.iter().any(|c| c.public_key() == key)
    }
}

/// An agent at its socket, and what it has.
pub(crate) async fn open(socket: &Path) -> Result<(UnixStream, Held), String> {
    within(ANSWER, async {
        let failed = |e: std::io::Error| format!("{}: {e}", socket.display());
        let mut stream = UnixStream::connect(socket).await.map_err(failed)?;
        let list = list(&mut stream).await.map_err(failed)?;
        let held = held(&list).ok_or_else(|| format!("{}: it does not list its keys", socket.display()))?;
        Ok((stream, held))
    })
    .await
}

/// Its answer to `SSH_AGENTC_REQUEST_IDENTITIES`.
async fn list(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    stream.write_all(&[0, 0, 0, 1, 11]).await?;
    let length = stream.read_u32().await?.min(LONGEST_LIST);
    let mut list = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut list).await?;
    Ok(list)
}

/// russh's own reader gives nothing at all where one key is of a kind that it does not know.
fn held(list: &[u8]) -> Option<Held> {
    // SSH_AGENT_IDENTITIES_ANSWER
    let mut rest = list.strip_prefix(&[12])?;
    let mut held = Held::default();
    for _ in 0..u32::decode(&mut rest).ok()? {
        let key = Vec::<u8>::decode(&mut rest).ok()?;
        let comment = Vec::<u8>::decode(&mut rest).ok()?;
        let kind = String::decode(&mut key.as_slice()).unwrap_or_default();
        if kind.ends_with("-cert-v01@openssh.com") {
            match certificate(&key) {
                Some(certificate) => held.certificates.push(certificate),
                None => held.odd += 1,
            }
            continue;
        }
        match parse_public_key(&key) {
            Ok(key) if !matches!(key.algorithm(), Algorithm::Other(_)) => {
                held.keys.push((key, String::from_utf8_lossy(&comment).into_owned()));
            }
            _ => held.odd += 1,
        }
    }
    Some(held)
}

/// One whose authority is not a certificate itself: each within another would be read by a call of its own.
fn certificate(blob: &[u8]) -> Option<Certificate> {
    const MARK: &[u8] = b"-cert-v01@openssh.com";
    let kinds = blob.windows(MARK.len()).filter(|w| *w == MARK).count();
    (kinds == 1).then(|| Certificate::from_bytes(blob).ok())?
}

/// Every plain key of the agent and its comment.
pub(super) async fn keys(socket: &Path) -> Result<Vec<(PublicKey, String)>, String> {
    Ok(open(socket).await?.1.keys)
}

/// A security key's file holds a handle: its secret is on the device, and only an agent talks to that.
pub(crate) fn is_on_device(key: &PublicKey) -> bool {
    matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

/// The agent's raw signature over `data`.
pub(super) async fn sign(socket: &Path, key: &PublicKey, data: &[u8]) -> Result<Signature, String> {
    let hash = matches!(key.algorithm(), Algorithm::Rsa { .. }).then_some(HashAlg::Sha512);
    let mut agent = within(ANSWER, connect(socket)).await?;
    within(SIGNATURE, async {
        let answer = agent.sign_request_signature(key, hash, data).await;
        answer.map_err(|e| format!("the agent refused or failed ({e})"))
    })
    .await
}

async fn connect(socket: &Path) -> Result<AgentClient<UnixStream>, String> {
    let stream = UnixStream::connect(socket).await;
    stream
        .map(AgentClient::connect)
        .map_err(|e| format!("{}: {e}", socket.display()))
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("the agent was silent for {} s", limit.as_secs())),
    }
}

fn read_public(path: &Path) -> Result<PublicKey, KeyFault> {
    let text = fs::read_to_string(path).map_err(|source| KeyFault::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    PublicKey::from_openssh(text.trim()).map_err(|error| KeyFault::NotAKey {
        path: path.to_owned(),
        why: format!("with --agent the public key (.pub) is needed ({error})"),
    })
}
