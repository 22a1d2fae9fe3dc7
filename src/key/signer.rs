//! Signing with the SSH key a person already has: from its file, or through the agent.
//!
//! Owns: reading private key files, asking for their passphrase, making SSHSIG. Must not: read the terminal (it is handed a
//! closure that asks) or store a key.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::{self, LineEnding, SshSig};
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::agent::{self, AgentKey};
use crate::secret::Secret;

/// The largest key file anybody has is some 4 KB.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// As often as `ssh` itself asks.
const PASSPHRASE_TRIES: usize = 3;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The key file cannot be read.
    #[error("cannot read the key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read by others.
    #[error("others can read the private key {} (mode {mode:04o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a private key in OpenSSH's format.
    #[error("{} is not a private key in OpenSSH's format: {why}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is the public half.
    #[error("{} is a public key", path.display())]
    PublicOnly {
        /// The file.
        path: PathBuf,
    },
    /// It is encrypted and nobody gave the passphrase.
    #[error("the key {} is encrypted and no passphrase was given", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// It is encrypted and the passphrase is wrong.
    #[error("this is not the passphrase of the key {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// There is no agent.
    #[error("no SSH agent answers: {why}")]
    NoAgent {
        /// Why.
        why: String,
    },
    /// The agent has no such key.
    #[error("the SSH agent has no key {wanted}; it has {}", listed(has))]
    NotInAgent {
        /// What was looked for.
        wanted: String,
        /// Fingerprints and comments of what it has.
        has: Vec<String>,
    },
    /// The key could not sign.
    #[error("the key {fingerprint} could not sign: {why}")]
    NotSigned {
        /// The key.
        fingerprint: String,
        /// Why.
        why: String,
    },
}

fn listed(has: &[String]) -> String {
    if has.is_empty() {
        "none".to_owned()
    } else {
        has.join(", ")
    }
}

impl KeyFault {
    /// What to do, with the command that does it.
    pub fn help(&self) -> String {
        match self {
            Self::Unreadable { .. } => "name the private key with --key FILE, or use --agent".to_owned(),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::NotAKey { path, .. } => {
                format!("if it is a key in another format: ssh-keygen -p -f {}", path.display())
            }
            Self::PublicOnly { .. } => "name the private key; with --agent the public one is right".to_owned(),
            Self::NoPassphrase { path } | Self::WrongPassphrase { path } => {
                format!("ssh-add {}, then use --agent", path.display())
            }
            Self::NoAgent { .. } => "eval \"$(ssh-agent)\" and ssh-add, or use --key FILE".to_owned(),
            Self::NotInAgent { .. } => "ssh-add -l shows what the agent has; ssh-add FILE adds a key".to_owned(),
            Self::NotSigned { .. } => {
                "ssh-keygen -Y sign with the same key shows whether it can sign at all".to_owned()
            }
        }
    }
}

/// A key that can sign.
pub struct Signer {
    public: PublicKey,
    means: Means,
}

enum Means {
    File(Box<PrivateKey>),
    Agent(PathBuf),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.fingerprint())
    }
}

impl Signer {
    /// Reads a private key file in OpenSSH's format. For an encrypted one `ask` is called with a prompt, up to three times;
    /// `None` means that nobody can be asked.
    ///
    /// # Errors
    /// When there is no usable private key: see [`KeyFault`].
    pub fn from_file(path: &Path, ask: &dyn Fn(&str) -> Option<Secret>) -> Result<Self, KeyFault> {
        let text = read_private(path)?;
        let not_a_key = |why: String| KeyFault::NotAKey {
            path: path.to_owned(),
            why,
        };
        if PublicKey::from_openssh(text.trim()).is_ok() {
            return Err(KeyFault::PublicOnly { path: path.to_owned() });
        }
        let mut key = PrivateKey::from_openssh(text.as_bytes()).map_err(|error| not_a_key(error.to_string()))?;
        if key.is_encrypted() {
            key = decrypt(&key, path, ask)?.0;
        }
        if matches!(
            key.key_data(),
            ssh_key::private::KeypairData::SkEd25519(_) | ssh_key::private::KeypairData::SkEcdsaSha2NistP256(_)
        ) {
            return Err(not_a_key(
                "it belongs to a security key, which signs only through the agent: ssh-add it and use --agent"
                    .to_owned(),
            ));
        }
        Ok(Self {
            public: key.public_key().clone(),
            means: Means::File(Box::new(key)),
        })
    }

    /// Picks a key of the agent that listens at `socket` (the value of `SSH_AUTH_SOCK`).
    ///
    /// # Errors
    /// When no agent answers within ten seconds, or it has no such key.
    pub async fn from_agent(socket: &Path, wanted: AgentKey<'_>) -> Result<Self, KeyFault> {
        Ok(Self {
            public: agent::pick(socket, wanted).await?,
            means: Means::Agent(socket.to_owned()),
        })
    }

    /// A key that lies in no file and that nobody has: people of tests sign with such keys, so that their approvals are
    /// proven like real ones.
    pub fn throw_away(seed: &[u8; 32]) -> Self {
        let key = PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(seed));
        Self {
            public: key.public_key().clone(),
            means: Means::File(Box::new(key)),
        }
    }

    /// Signs `message` for `namespace`, with SHA-512; the armoured form that `ssh-keygen -Y verify` reads.
    ///
    /// # Errors
    /// When the agent refuses, is gone, or answers with something that is no good signature.
    pub async fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, KeyFault> {
        let failed = |why: String| KeyFault::NotSigned {
            fingerprint: self.fingerprint(),
            why,
        };
        let signature = match &self.means {
            Means::File(key) => key.sign(namespace, HashAlg::Sha512, message),
            Means::Agent(socket) => {
                let data =
                    SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|e| failed(e.to_string()))?;
                let raw = agent::sign(socket, &self.public, &data).await.map_err(failed)?;
                SshSig::new(self.public.key_data().clone(), namespace, HashAlg::Sha512, raw)
            }
        }
        .map_err(|error| failed(error.to_string()))?;
        let mut armored = signature.to_pem(LineEnding::LF).map_err(|e| failed(e.to_string()))?;
        if !armored.ends_with('\n') {
            armored.push('\n');
        }
        // An agent is another program: what it gave is checked here, not first by the one who reads the approval.
        super::signature::signing_key(namespace, message, &armored).map_err(|e| failed(e.to_string()))?;
        Ok(armored)
    }

    /// The public key, as one line of a `.pub` file.
    pub fn public(&self) -> String {
        self.public.to_openssh().unwrap_or_default()
    }

    /// The key, as `ssh-keygen -l` prints it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.public)
    }
}

pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The open key, and what opened it.
pub(super) fn decrypt(
    key: &PrivateKey,
    path: &Path,
    ask: &dyn Fn(&str) -> Option<Secret>,
) -> Result<(PrivateKey, Secret), KeyFault> {
    for _ in 0..PASSPHRASE_TRIES {
        let Some(passphrase) = ask(&format!("Passphrase of {}: ", path.display())) else {
            return Err(KeyFault::NoPassphrase { path: path.to_owned() });
        };
        match key.decrypt(passphrase.expose()) {
            Ok(open) => return Ok((open, passphrase)),
            Err(ssh_key::Error::Crypto) => {}
            Err(other) => {
                return Err(KeyFault::NotAKey {
                    path: path.to_owned(),
                    why: other.to_string(),
                });
            }
        }
    }
    Err(KeyFault::WrongPassphrase { path: path.to_owned() })
}

/// The text of a key file, private or public.
///
/// # Errors
/// When it cannot be read, is no text or far too long, or is a private key of one's own that others can read: ssh does not use
/// that either.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFault> {
    let unreadable = |source| KeyFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    let not_a_key = |why: &str| KeyFault::NotAKey {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if !meta.is_file() {
        return Err(not_a_key("it is not a file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_KEY_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_KEY_FILE {
        return Err(not_a_key("it is longer than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| not_a_key("it is not text"))?;
    let private = text.contains("PRIVATE KEY");
    // The same rule as ssh: only one's own key file must be closed to others.
    if private && meta.uid() == rustix::process::getuid().as_raw() && meta.mode() & 0o077 != 0 {
        return Err(KeyFault::Exposed {
            path: path.to_owned(),
            mode: meta.mode() & 0o7777,
        });
    }
    Ok(Zeroizing::new(text.to_owned()))
}
