//! The client of the ssh agent: which keys it has, and one signature.
//!
//! Owns: the talk with the agent's socket, each part of it with a limit. Must not: forward the agent or add keys to it.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::Signature;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::net::UnixStream;

use super::allowed::AllowedSigners;
use super::signer::{KeyFault, fingerprint};

/// For the list of keys, which no person has to confirm.
const ANSWER: Duration = Duration::from_secs(10);

/// For a signature: the agent may ask a person for a PIN, a touch or a yes.
const SIGNATURE: Duration = Duration::from_secs(300);

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

/// Every plain key of the agent and its comment. The key of a certificate is listed by the agent as a plain one too.
pub(super) async fn keys(socket: &Path) -> Result<Vec<(PublicKey, String)>, String> {
    let identities = within(ANSWER, async {
        let mut agent = connect(socket).await?;
        agent.request_identities().await.map_err(|e| e.to_string())
    })
    .await?;
    let plain = identities.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, comment } => Some((key, comment)),
        AgentIdentity::Certificate { .. } => None,
    });
    Ok(plain.collect())
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
