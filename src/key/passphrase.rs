//! Passphrases of encrypted key files, asked for once, before hosts are reached.
//!
//! Owns: whether a file needs one, and that what was typed opens it. Must not: read the terminal (it is handed a closure that
//! asks), keep a key open.

use std::path::Path;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::public::KeyData;

use super::agent;
use super::signer::{KeyFault, decrypt, read_private};
use crate::secret::Secret;

/// The passphrase of a private key file, if it needs one: it is encrypted, and the agent at `agent` does not have its key.
/// `None` too where nobody can be asked, or nothing was typed; that file is not of use then, which the login says.
///
/// # Errors
/// When three times what was typed did not open it.
pub async fn passphrase(
    path: &Path,
    agent: Option<&Path>,
    ask: &dyn Fn(&str) -> Option<Secret>,
) -> Result<Option<Secret>, KeyFault> {
    // A file that cannot be read, or is no key, is told by the login that needs it.
    let Some(key) = read_private(path)
        .ok()
        .and_then(|text| PrivateKey::from_openssh(text.as_bytes()).ok())
        .filter(|key| key.is_encrypted() && !agent::is_on_device(key.public_key()))
    else {
        return Ok(None);
    };
    if let Some(socket) = agent
        && has(socket, key.public_key().key_data()).await
    {
        return Ok(None);
    }
    match decrypt(&key, path, &|question| {
        ask(question).filter(|typed| !typed.expose().is_empty())
    }) {
        Ok((_, passphrase)) => Ok(Some(passphrase)),
        Err(KeyFault::NoPassphrase { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// An agent that does not answer has nothing.
async fn has(socket: &Path, key: &KeyData) -> bool {
    let keys = agent::keys(socket).await.unwrap_or_default();
    keys.iter().any(|(held, _)| held.key_data() == key)
}
