//! The keys that a host shows before anybody trusts it, for a person to compare.
//!
//! Owns: asking for a key of each kind, and what `known_hosts` says of each. Must not: log in, trust a key, write a file.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyBase64 as _, PublicKeyOrCertificate};
use tokio::time::timeout;

use super::SshTransport;
use super::client::printable;
use super::connect::{LOOK, at, config, error, late};
use super::hostkey::{Names, Verdict};
use super::meter::{Allowance, Metered};
use crate::transport::{ConnectError, Endpoint};

/// A key that a host showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// `ssh-ed25519`, …
    pub kind: String,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// The line that makes it known: name, kind, key.
    pub line: String,
    /// What the `known_hosts` files say of it today.
    pub standing: Standing,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the host's.
    Known,
    /// The host is not in the files.
    New,
    /// The host is there with other keys only; where.
    Other(String),
    /// It is revoked; where.
    Revoked(String),
}

/// Keeps the key that is shown, and goes away.
struct Looker(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Looker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = shown {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(false)
    }
}

impl SshTransport {
    /// The keys that a host shows, one of each kind it has. The way to it may lead over bastions, which must be known.
    ///
    /// # Errors
    /// It cannot be reached, or shows no key of a kind that we accept.
    pub async fn shown(&self, to: &Endpoint) -> Result<Vec<ShownKey>, ConnectError> {
        let known = self.known_hosts(to)?;
        let names = Names::of(&to.address, to.port, to.way.key_name.as_deref());
        let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
        let rsa = [Some(HashAlg::Sha512), Some(HashAlg::Sha256)];
        let mut found: Vec<PublicKey> = Vec::new();
        let mut why = None;
        for kind in [
            vec![Algorithm::Ed25519],
            curves.map(|curve| Algorithm::Ecdsa { curve }).to_vec(),
            rsa.map(|hash| Algorithm::Rsa { hash }).to_vec(),
        ] {
            match self.look(to, kind).await? {
                Ok(key) => found.push(key),
                Err(said) => why = Some(said),
            }
        }
        if let (true, Some(why)) = (found.is_empty(), why) {
            let doing = format!("asking {} for its keys", at(to));
            return Err(error(doing, why, LOOK, false));
        }
        let kinds = known.kinds(&names);
        let proven = found.iter().any(|key| known.judge(&names, key) == Verdict::Known);
        let shown = found.into_iter().map(|key| {
            let kind = key.algorithm().as_str().to_owned();
            ShownKey {
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                line: format!("{} {kind} {}", names.written(), key.public_key_base64()),
                standing: match known.judge(&names, &key) {
                    Verdict::Known => Standing::Known,
                    Verdict::Revoked(place) => Standing::Revoked(place),
                    // A key of one more kind, beside one that is known.
                    Verdict::Changed(_) if proven && !kinds.contains(&kind) => Standing::New,
                    Verdict::Changed(place) => Standing::Other(place),
                    _ => Standing::New,
                },
                kind,
            }
        });
        Ok(shown.collect())
    }

    /// One connection up to the key of one of these kinds. The inner error: it was reached, and showed none.
    async fn look(&self, to: &Endpoint, kinds: Vec<Algorithm>) -> Result<Result<PublicKey, String>, ConnectError> {
        let mut config = config(&[], false, self.options.keepalive);
        config.preferred.key = Cow::Owned(kinds);
        let seen = Arc::new(Mutex::new(None));
        let (stream, _through) = self.stream(to).await.map_err(|failed| failed.error)?;
        let allowance = Arc::new(Allowance::new());
        let stream = Metered::new(stream, allowance.clone());
        // A task of its own: a panic that a server provokes is no more than this look's failure.
        let mut task = tokio::spawn(client::connect_stream(Arc::new(config), stream, Looker(seen.clone())));
        let came = timeout(to.connect_timeout, &mut task).await;
        task.abort();
        allowance.withdraw();
        let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (key, came) {
            (Some(key), _) => Ok(Ok(key)),
            (None, Err(_)) => Err(late(format!("greeting {}", at(to)), to)),
            (None, Ok(Ok(Err(e)))) => Ok(Err(printable(&e.to_string()))),
            (None, Ok(_)) => Ok(Err("the server's words broke the protocol".to_owned())),
        }
    }
}
