//! The login: which keys are offered, in which order, and what is said when none is taken.
//!
//! Owns: key files, the agent, their order. Must not: ask a person for anything, give a password (`password.rs`).
//!
//! At most two certificates and three keys are offered: servers count each as a failure and end the connection at six, and
//! OpenSSH 9.8 locks an address out that fails often.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{self, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use super::SshTransport;
use super::client::Client;
use super::hostkey::{now, validity};
use super::password::{self, Given};
use crate::inventory::sshconfig::AgentAt;
use crate::key::agent::{self, Held, is_on_device};
use crate::key::{KeyFault, read_private};
use crate::transport::Endpoint;

const KEYS: usize = 3;
const CERTIFICATES: usize = 2;
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// A key to offer.
enum Offer {
    File(Arc<PrivateKey>),
    Agent(PublicKey),
    /// Signed with this key; `None`: the agent has it.
    Certificate(Box<Certificate>, Option<Arc<PrivateKey>>),
}

/// What can be offered, and why something else cannot.
#[derive(Default)]
struct Offers {
    /// They go before all keys, as ssh offers them.
    certificates: Vec<Offer>,
    keys: Vec<Offer>,
    notes: Vec<String>,
}

/// A login that was not let in, and what else there is to say.
pub(super) struct Refused(pub(super) Tried, pub(super) Vec<String>);

/// What came of the keys.
#[derive(Clone, Copy, Default)]
pub(super) struct Tried {
    pub(super) offered: usize,
    /// Of these the server said no to.
    pub(super) refused: usize,
    /// Of these it took, and wanted more.
    pub(super) taken: usize,
}

impl SshTransport {
    /// Logs in, or says what was tried. A connection that ends in the middle ends it. `signing`: true while the agent is waited for.
    pub(super) async fn authenticate(
        &self,
        handle: &mut Handle<Client>,
        to: &Endpoint,
        user: &str,
        signing: &AtomicBool,
    ) -> Result<(), Refused> {
        let (mut agent, held, silent) = match self.agent(to).await {
            Some(Ok((agent, held))) => (Some(Signing { agent, now: signing }), held, None),
            Some(Err(why)) => (None, Held::default(), Some(format!("no agent answers at {why}"))),
            None => (None, Held::default(), None),
        };
        let mut offers = self.offers(to, &held).await;
        offers.notes.extend(silent);
        let (mut tried, mut left) = (Tried::default(), None);
        let certificates = offers.certificates.iter().take(CERTIFICATES);
        for offer in certificates.chain(offers.keys.iter().take(KEYS)) {
            tried.offered += 1;
            match offer_key(handle, user, offer, agent.as_mut()).await {
                Ok(AuthResult::Success) => return Ok(()),
                // russh gives the end of a connection as a refusal.
                _ if handle.is_closed() => return Err(Refused(tried, offers.notes)),
                Ok(AuthResult::Failure {
                    remaining_methods,
                    partial_success,
                }) => {
                    let further = remaining_methods.contains(&MethodKind::PublicKey);
                    if partial_success {
                        tried.taken += 1;
                        offers.notes.push(wants_more("a key", &remaining_methods));
                    } else {
                        tried.refused += 1;
                    }
                    left = Some(remaining_methods);
                    if !further {
                        break;
                    }
                }
                Err(why) => offers.notes.push(why),
            }
        }
        if let Some(password) = to.password.as_ref().filter(|_| to.way.passwords) {
            match password::give(handle, user, password.expose(), left).await {
                Given::In => return Ok(()),
                _ if handle.is_closed() => {}
                Given::Not(why) => offers.notes.push(why),
            }
        }
        Err(Refused(tried, offers.notes))
    }

    /// The agent and what it has; the error: which one does not answer, and why.
    async fn agent(&self, to: &Endpoint) -> Option<Result<(Agent, Held), String>> {
        let socket = match &to.way.agent {
            AgentAt::Nowhere => return None,
            AgentAt::Usual => self.options.agent.as_ref()?,
            AgentAt::Socket(socket) => socket,
        };
        let opened = agent::open(socket).await;
        Some(opened.map(|(stream, held)| (AgentClient::connect(stream).dynamic(), held)))
    }

    async fn offers(&self, to: &Endpoint, held: &Held) -> Offers {
        let mut offers = Offers::default();
        if !to.way.keys {
            offers.notes.push("the ssh config allows no keys".to_owned());
            return offers;
        }
        for path in &to.identities {
            offers.add_file(path, held, self.opened(path).await, true);
        }
        let all = to.way.rest_of_agent.unwrap_or(to.identities.is_empty());
        if all {
            offers.add_agent(held);
        }
        if to.identities.is_empty() && to.way.usual_files {
            let folder = self.options.home.as_ref().map(|h| h.join(".ssh"));
            let defaults: Vec<PathBuf> = folder
                .iter()
                .flat_map(|f| DEFAULT_KEYS.iter().map(|name| f.join(name)))
                .collect();
            for path in defaults {
                offers.add_file(&path, held, self.opened(&path).await, false);
            }
        }
        for path in &to.way.certificates {
            offers.add_certificate(path, held, true).await;
        }
        for path in &to.identities {
            let beside = PathBuf::from(format!("{}-cert.pub", path.display()));
            offers.add_certificate(&beside, held, false).await;
        }
        for certificate in &held.certificates {
            if all || offers.names(certificate.public_key()) {
                offers.certify(certificate.clone(), None);
            }
        }
        offers
    }
}

impl SshTransport {
    /// An encrypted key whose passphrase was given.
    async fn opened(&self, path: &Path) -> Option<Arc<PrivateKey>> {
        let passphrase = self.options.passphrases.get(path)?.clone();
        let mut opened = self.opened.lock().await;
        if let Some(key) = opened.get(path) {
            return Some(key.clone());
        }
        let file = path.to_owned();
        let work = move || keys::decode_secret_key(&read_private(&file).ok()?, Some(passphrase.expose())).ok();
        let key = Arc::new(tokio::task::spawn_blocking(work).await.ok()??);
        opened.insert(path.to_owned(), key.clone());
        Some(key)
    }
}

impl Offers {
    /// Where one key file is named, or a usual one.
    fn add_file(&mut self, path: &Path, held: &Held, opened: Option<Arc<PrivateKey>>, must_exist: bool) {
        let mut read = read_private(path);
        if matches!(read, Err(KeyFault::Unreadable { .. })) {
            // Whose private half is in the agent has only this file.
            let public = PathBuf::from(format!("{}.pub", path.display()));
            read = read_private(&public).or(read);
        }
        let text = match read {
            Ok(text) => text,
            Err(KeyFault::Unreadable { .. }) if !must_exist => return,
            Err(KeyFault::Unreadable { path, source }) => {
                self.notes.push(format!("{} cannot be read: {source}", path.display()));
                return;
            }
            Err(fault) => {
                self.notes.push(fault.to_string());
                return;
            }
        };
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            if held.has(public.key_data()) {
                self.add(Offer::Agent(public));
            } else if must_exist {
                self.notes.push(format!("the agent has no key for {}", path.display()));
            }
            return;
        }
        match keys::decode_secret_key(&text, None) {
            Ok(key) if is_on_device(key.public_key()) => self.add_device(path, key.public_key(), held),
            Ok(key) => self.add(Offer::File(Arc::new(key))),
            Err(keys::Error::KeyIsEncrypted) => {
                let public = PrivateKey::from_openssh(text.as_bytes()).map(|key| key.public_key().clone());
                match (public, opened) {
                    (Ok(public), _) if is_on_device(&public) => self.add_device(path, &public, held),
                    (Ok(public), _) if held.has(public.key_data()) => self.add(Offer::Agent(public)),
                    (_, Some(key)) => self.add(Offer::File(key)),
                    _ => self.notes.push(format!(
                        "{0} needs a passphrase, which is asked for on a terminal: or load it into an agent (`ssh-add {0}`)",
                        path.display()
                    )),
                }
            }
            Err(e) => self.notes.push(format!("{} is no usable key: {e}", path.display())),
        }
    }

    fn add_device(&mut self, path: &Path, public: &PublicKey, held: &Held) {
        if held.has(public.key_data()) {
            self.add(Offer::Agent(public.clone()));
        } else {
            self.notes.push(format!(
                "{0} is of a security key, which an agent must talk to: `ssh-add {0}`",
                path.display()
            ));
        }
    }

    /// The agent's other keys.
    fn add_agent(&mut self, held: &Held) {
        for (key, _) in &held.keys {
            self.add(Offer::Agent(key.clone()));
        }
        if held.odd > 0 {
            self.notes.push(format!(
                "keys of the agent that are of no kind known here: {}",
                held.odd
            ));
        }
    }

    /// Once each.
    fn add(&mut self, offer: Offer) {
        if offer.key().is_some_and(|key| !self.names(key)) {
            self.keys.push(offer);
        }
    }

    fn names(&self, key: &KeyData) -> bool {
        self.keys.iter().any(|offer| offer.key() == Some(key))
    }

    async fn add_certificate(&mut self, path: &Path, held: &Held, must_exist: bool) {
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(_) if !must_exist => return,
            Err(e) => {
                self.notes.push(format!("{} cannot be read: {e}", path.display()));
                return;
            }
        };
        let certificate = match Certificate::from_openssh(text.trim()) {
            Ok(certificate) => certificate,
            Err(e) => {
                self.notes
                    .push(format!("{} is no usable certificate: {e}", path.display()));
                return;
            }
        };
        let of_file = self.keys.iter().find_map(|offer| match offer {
            Offer::File(key) if key.public_key().key_data() == certificate.public_key() => Some(key.clone()),
            _ => None,
        });
        if of_file.is_some() || held.has(certificate.public_key()) {
            self.certify(certificate, of_file);
        } else {
            self.notes
                .push(format!("no key is named for the certificate {}", path.display()));
        }
    }

    /// Offers a certificate once, if it could be taken now: a server counts each that it refuses.
    fn certify(&mut self, certificate: Certificate, key: Option<Arc<PrivateKey>>) {
        let name: String = certificate
            .key_id()
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect();
        if certificate.cert_type() != CertType::User {
            self.notes
                .push(format!("the certificate `{name}` is a host's, not a user's"));
        } else if let Some(why) = validity(&certificate, now()) {
            self.notes
                .push(format!("the certificate `{name}` was not offered: {why}"));
        } else if !self.certificates.iter().any(|o| o.is(&certificate)) {
            self.certificates.push(Offer::Certificate(Box::new(certificate), key));
        }
    }
}

impl Offer {
    /// Of a certificate there is none: it stands beside its key.
    fn key(&self) -> Option<&KeyData> {
        match self {
            Self::File(key) => Some(key.public_key().key_data()),
            Self::Agent(key) => Some(key.key_data()),
            Self::Certificate(..) => None,
        }
    }

    fn is(&self, certificate: &Certificate) -> bool {
        matches!(self, Self::Certificate(own, _) if own.as_ref() == certificate)
    }
}

async fn offer_key(
    handle: &mut Handle<Client>,
    user: &str,
    offer: &Offer,
    agent: Option<&mut Signing<'_>>,
) -> Result<AuthResult, String> {
    let rsa = match offer {
        Offer::File(key) => key.algorithm().is_rsa(),
        Offer::Agent(key) => key.algorithm().is_rsa(),
        Offer::Certificate(certificate, _) => certificate.algorithm().is_rsa(),
    };
    let hash = match rsa {
        // SHA-1 is never used, whatever the server says.
        true => handle
            .best_supported_rsa_hash()
            .await
            .ok()
            .flatten()
            .flatten()
            .or(Some(HashAlg::Sha512)),
        false => None,
    };
    let answer = match (offer, agent) {
        (Offer::File(key), _) => {
            let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
            handle
                .authenticate_publickey(user, key)
                .await
                .map_err(|e| e.to_string())?
        }
        (Offer::Agent(key), Some(agent)) => {
            let signed = handle.authenticate_publickey_with(user, key.clone(), hash, agent).await;
            signed.map_err(|e| format!("the agent did not sign: {e}"))?
        }
        (Offer::Certificate(certificate, Some(key)), _) => {
            let certificate = certificate.as_ref().clone();
            let signed = handle
                .authenticate_certificate_with(user, certificate, hash, &mut OfFile(key))
                .await;
            signed.map_err(|NotSigned(why)| why)?
        }
        (Offer::Certificate(certificate, None), Some(agent)) => {
            let certificate = certificate.as_ref().clone();
            let signed = handle
                .authenticate_certificate_with(user, certificate, hash, agent)
                .await;
            signed.map_err(|e| format!("the agent did not sign: {e}"))?
        }
        (Offer::Agent(_) | Offer::Certificate(_, None), None) => return Err("the agent is gone".to_owned()),
    };
    Ok(answer)
}

/// One thing was right, and is not enough.
pub(super) fn wants_more(what: &str, further: &MethodSet) -> String {
    let further: Vec<&str> = further.iter().map(Into::into).collect();
    format!("{what} was taken, and the server wants more: {}", further.join(" or "))
}

/// The agent, and whether it is signing: it may wait for a person.
struct Signing<'a> {
    agent: Agent,
    now: &'a AtomicBool,
}

impl russh::Signer for Signing<'_> {
    type Error = <Agent as russh::Signer>::Error;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        self.now.store(true, Ordering::Relaxed);
        let signed = self.agent.auth_sign(key, hash, data).await;
        self.now.store(false, Ordering::Relaxed);
        signed
    }
}

/// Signs for a certificate with the key of a file. russh's own way does it with SHA-1 for RSA, which servers refuse.
struct OfFile<'a>(&'a PrivateKey);

struct NotSigned(String);

impl From<russh::SendError> for NotSigned {
    fn from(_: russh::SendError) -> Self {
        Self("the connection ended".to_owned())
    }
}

impl russh::Signer for OfFile<'_> {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let signature = match self.0.key_data() {
            KeypairData::Rsa(key) => (key, hash).try_sign(&data),
            key => key.try_sign(&data),
        };
        let signature = signature
            .map_err(|e| e.to_string())
            .and_then(|s| Vec::try_from(s).map_err(|e| e.to_string()))
            .map_err(NotSigned)?;
        signature.encode(&mut data).map_err(|e| NotSigned(e.to_string()))?;
        Ok(data)
    }
}
