//! One armoured SSH signature: is it good for these bytes, and by which key.
//!
//! Owns: reading SSHSIG, the check of algorithm, namespace and bytes. Must not: know who may sign (that is `allowed.rs`).

use jiff::Timestamp;
use russh::keys::ssh_key::{SshSig, public::KeyData};
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::pattern;

/// An armoured signature is about 1.6 KB with the longest RSA key in use; nothing near this limit is one.
const MAX_ARMOR: usize = 16 * 1024;

/// Shorter RSA keys are refused, whatever `allowed_signers` says.
const MIN_RSA_BITS: u32 = 2048;

/// A signature that is good, by a key that may sign now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The key, as `ssh-keygen -l` prints it: `SHA256:…`.
    pub fingerprint: String,
    /// The principals of every line that lists this key now: each a comma list, as written.
    pub principals: Vec<String>,
}

impl Verified {
    /// True if a line gives this key to `principal`.
    pub fn speaks_for(&self, principal: &str) -> bool {
        self.principals
            .iter()
            .any(|list| pattern::list_matches(principal, list))
    }
}

/// Why a signature counts for nothing. Every cause has a reason of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The text is not an armoured SSH signature.
    #[error("this is not an SSH signature: {0}")]
    NotASignature(String),
    /// It was made for another purpose.
    #[error("the signature was made for `{found}`, not for `{wanted}`")]
    OtherNamespace {
        /// What was asked for.
        wanted: String,
        /// What the signature says.
        found: String,
    },
    /// It was made with a certificate; those are not followed.
    #[error("the signature was made with an SSH certificate, which pitstop does not follow: sign with the plain key")]
    Certificate,
    /// An algorithm or key length that is no longer safe.
    #[error("the signature is too weak: {0}")]
    Weak(String),
    /// The bytes are not those that were signed.
    #[error("the signature does not fit the signed file: one of the two was changed")]
    Changed,
    /// No line lists the key.
    #[error("nobody in {file} has the key {fingerprint}")]
    UnknownSigner {
        /// The `allowed_signers` file.
        file: String,
        /// The key.
        fingerprint: String,
    },
    /// The line lists the key for other purposes only.
    #[error("{file}:{line} allows the key {fingerprint} only for `{namespaces}`")]
    NotForNamespace {
        /// The `allowed_signers` file.
        file: String,
        /// The line in it.
        line: usize,
        /// The key.
        fingerprint: String,
        /// What the line allows.
        namespaces: String,
    },
    /// The line allows the key later.
    #[error("{file}:{line} allows the key {fingerprint} only from {from} on")]
    NotYet {
        /// The `allowed_signers` file.
        file: String,
        /// The line in it.
        line: usize,
        /// The key.
        fingerprint: String,
        /// First moment.
        from: Timestamp,
    },
    /// The line no longer allows the key.
    #[error("{file}:{line} allowed the key {fingerprint} only until {until}")]
    NoLonger {
        /// The `allowed_signers` file.
        file: String,
        /// The line in it.
        line: usize,
        /// The key.
        fingerprint: String,
        /// Last moment.
        until: Timestamp,
    },
}

/// The key that made `armored` over `message` in `namespace`.
pub(super) fn signing_key(namespace: &str, message: &[u8], armored: &str) -> Result<PublicKey, VerifyError> {
    if armored.len() > MAX_ARMOR {
        return Err(VerifyError::NotASignature(format!(
            "it is longer than {MAX_ARMOR} bytes"
        )));
    }
    let signature = SshSig::from_pem(armored.trim()).map_err(|error| VerifyError::NotASignature(error.to_string()))?;
    // The version is not among the signed bytes; 1 is the only one there is.
    if signature.version() != SshSig::VERSION {
        let why = format!("its version is {}", signature.version());
        return Err(VerifyError::NotASignature(why));
    }
    if signature.namespace() != namespace {
        return Err(VerifyError::OtherNamespace {
            wanted: namespace.to_owned(),
            found: signature.namespace().escape_debug().to_string(),
        });
    }
    strong_enough(&signature)?;
    let key = PublicKey::new(signature.public_key().clone(), "");
    key.verify(namespace, message, &signature)
        .map_err(|_| VerifyError::Changed)?;
    Ok(key)
}

fn strong_enough(signature: &SshSig) -> Result<(), VerifyError> {
    let weak = |why: &str| Err(VerifyError::Weak(why.to_owned()));
    let key = signature.public_key();
    match key {
        KeyData::Certificate(_) => return Err(VerifyError::Certificate),
        KeyData::Other(other) if other.algorithm().as_str().contains("-cert-v01@") => {
            return Err(VerifyError::Certificate);
        }
        KeyData::Rsa(rsa) if rsa.key_size() < MIN_RSA_BITS => {
            return weak("RSA keys need at least 2048 bits");
        }
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::Rsa(_) => {}
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            // The flags byte stands before the four bytes of the counter; bit 0 says that a person touched the token.
            let touched = signature
                .signature_bytes()
                .iter()
                .rev()
                .nth(4)
                .is_some_and(|flags| flags & 1 == 1);
            if !touched {
                return weak("nobody touched the security key");
            }
        }
        _ => return weak("this kind of key is not accepted"),
    }
    match (key, signature.algorithm()) {
        // `ssh-rsa` as the algorithm of a signature means SHA-1.
        (
            KeyData::Rsa(_),
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha256 | HashAlg::Sha512),
            },
        ) => Ok(()),
        (KeyData::Rsa(_), _) => weak("an RSA signature must use SHA-256 or SHA-512"),
        (key, made_with) if key.algorithm() == made_with => Ok(()),
        _ => weak("key and signature are of different kinds"),
    }
}
