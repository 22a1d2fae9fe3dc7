//! The login: which keys are offered, in which order, and what is said when none is taken.
//!
//! Owns: key files, the agent, passwords. Must not: ask a person for anything.
//!
//! At most three keys are offered: servers count each as a failure, and OpenSSH 9.8 locks an address out that fails often.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{self, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};

use super::SshTransport;
use super::connect::{Client, at, error};
use crate::inventory::sshconfig::AgentAt;
use crate::transport::{ConnectError, Endpoint};

const OFFERED: usize = 3;
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
    keys: Vec<Offer>,
    notes: Vec<String>,
}

impl SshTransport {
    /// Logs in, or says what was tried.
    pub(super) async fn authenticate(
        &self,
        handle: &mut Handle<Client>,
        to: &Endpoint,
        user: &str,
    ) -> Result<(), ConnectError> {
        let doing = format!("logging in to {} as {user}", at(to));
        let mut agent = self.agent(to).await;
        let mut offers = self.offers(to, agent.as_mut()).await;
        let broken = |e: String| error(doing.clone(), e, "look at the server's log", true);
        let mut tried = 0;
        for offer in offers.keys.iter().take(OFFERED) {
            tried += 1;
            match offer_key(handle, user, offer, agent.as_mut()).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(e) if handle.is_closed() => return Err(broken(e)),
                Err(e) => offers.notes.push(e),
            }
        }
        if let Some(password) = to.password.as_ref().filter(|_| to.way.passwords) {
            offers.notes.push("the password was refused".to_owned());
            if give_password(handle, user, password.expose())
                .await
                .map_err(|e| broken(e.to_string()))?
            {
                return Ok(());
            }
        }
        let keys = match tried {
            0 => "no key could be offered".to_owned(),
            1 => "the one key that was offered was refused".to_owned(),
            n => format!("{n} keys were offered and refused"),
        };
        offers.notes.insert(0, keys);
        let help = "set `identity` for the host to the key it knows, or load that key with `ssh-add`";
        Err(error(doing, offers.notes.join("; "), help, false))
    }

    async fn agent(&self, to: &Endpoint) -> Option<Agent> {
        let socket = match &to.way.agent {
            AgentAt::Nowhere => return None,
            AgentAt::Usual => self.options.agent.as_ref()?,
            AgentAt::Socket(socket) => socket,
        };
        Some(AgentClient::connect_uds(socket).await.ok()?.dynamic())
    }

    async fn offers(&self, to: &Endpoint, agent: Option<&mut Agent>) -> Offers {
        let held = match agent {
            Some(agent) => agent.request_identities().await.unwrap_or_default(),
            None => Vec::new(),
        };
        let held: Vec<PublicKey> = held
            .into_iter()
            .filter_map(|identity| match identity {
                AgentIdentity::PublicKey { key, .. } => Some(key),
                AgentIdentity::Certificate { .. } => None,
            })
            .collect();
        let mut offers = Offers::default();
        if !to.way.keys {
            offers.notes.push("the ssh config allows no keys".to_owned());
            return offers;
        }
        for path in &to.identities {
            offers.add_file(path, &held, true).await;
        }
        if to.way.rest_of_agent.unwrap_or(to.identities.is_empty()) {
            offers.add_agent(&held);
        }
        if to.identities.is_empty() && to.way.usual_files {
            let folder = self.options.home.as_ref().map(|h| h.join(".ssh"));
            let defaults: Vec<PathBuf> = folder
                .iter()
                .flat_map(|f| DEFAULT_KEYS.iter().map(|name| f.join(name)))
                .collect();
            for path in defaults {
                offers.add_file(&path, &held, false).await;
            }
        }
        for path in &to.way.certificates {
            offers.add_certificate(path, &held).await;
        }
        offers
    }
}

impl Offers {
    async fn add_file(&mut self, path: &Path, held: &[PublicKey], must_exist: bool) {
        let mut read = tokio::fs::read_to_string(path).await;
        if read.is_err() {
            // Whose private half is in the agent has only this file.
            let public = PathBuf::from(format!("{}.pub", path.display()));
            read = tokio::fs::read_to_string(public).await.or(read);
        }
        let text = match read {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(e) => {
                if must_exist {
                    self.notes.push(format!("{} cannot be read: {e}", path.display()));
                }
                return;
            }
        };
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            match held.iter().find(|key| key.key_data() == public.key_data()) {
                Some(key) => self.keys.push(Offer::Agent(key.clone())),
                None if must_exist => self.notes.push(format!("the agent has no key for {}", path.display())),
                None => {}
            }
            return;
        }
        match keys::decode_secret_key(&text, None) {
            Ok(key) => self.keys.push(Offer::File(Arc::new(key))),
            Err(keys::Error::KeyIsEncrypted) => {
                let public = PrivateKey::from_openssh(text.as_bytes())
                    .ok()
                    .map(|key| key.public_key().key_data().clone());
                match held.iter().find(|key| Some(key.key_data()) == public.as_ref()) {
                    Some(key) => self.keys.push(Offer::Agent(key.clone())),
                    None => self.notes.push(format!(
                        "{0} needs a passphrase: load it into an agent first (`ssh-add {0}`)",
                        path.display()
                    )),
                }
            }
            Err(e) => self.notes.push(format!("{} is no usable key: {e}", path.display())),
        }
    }

    /// The agent's other keys.
    fn add_agent(&mut self, held: &[PublicKey]) {
        let named = |key: &&PublicKey| {
            let same = |offer: &Offer| match offer {
                Offer::Agent(other) => other.key_data() == key.key_data(),
                Offer::File(other) => other.public_key().key_data() == key.key_data(),
                Offer::Certificate(..) => false,
            };
            !self.keys.iter().any(same)
        };
        let rest: Vec<PublicKey> = held.iter().filter(named).cloned().collect();
        self.keys.extend(rest.into_iter().map(Offer::Agent));
    }

    /// A certificate goes before all keys, as ssh offers it.
    async fn add_certificate(&mut self, path: &Path, held: &[PublicKey]) {
        let read = tokio::fs::read_to_string(path).await.map_err(|e| e.to_string());
        let certificate = match read.and_then(|text| Certificate::from_openssh(text.trim()).map_err(|e| e.to_string()))
        {
            Ok(certificate) => certificate,
            Err(why) => {
                self.notes
                    .push(format!("{} is no usable certificate: {why}", path.display()));
                return;
            }
        };
        let of_file = self.keys.iter().find_map(|offer| match offer {
            Offer::File(key) if key.public_key().key_data() == certificate.public_key() => Some(key.clone()),
            _ => None,
        });
        if of_file.is_some() || held.iter().any(|key| key.key_data() == certificate.public_key()) {
            self.keys.insert(0, Offer::Certificate(Box::new(certificate), of_file));
        } else {
            self.notes
                .push(format!("no key is named for the certificate {}", path.display()));
        }
    }
}

async fn offer_key(
    handle: &mut Handle<Client>,
    user: &str,
    offer: &Offer,
    agent: Option<&mut Agent>,
) -> Result<bool, String> {
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
        (Offer::Certificate(certificate, Some(key)), _) => handle
            .authenticate_openssh_cert(user, key.clone(), certificate.as_ref().clone())
            .await
            .map_err(|e| e.to_string())?,
        (Offer::Certificate(certificate, None), Some(agent)) => {
            let certificate = certificate.as_ref().clone();
            let signed = handle
                .authenticate_certificate_with(user, certificate, hash, agent)
                .await;
            signed.map_err(|e| format!("the agent did not sign: {e}"))?
        }
        (Offer::Agent(_) | Offer::Certificate(_, None), None) => return Err("the agent is gone".to_owned()),
    };
    Ok(answer.success())
}

/// `password`, else `keyboard-interactive` with one hidden question.
async fn give_password(handle: &mut Handle<Client>, user: &str, password: &str) -> Result<bool, russh::Error> {
    if handle.authenticate_password(user, password).await?.success() {
        return Ok(true);
    }
    let mut answer = handle
        .authenticate_keyboard_interactive_start(user, None::<String>)
        .await?;
    for _ in 0..3 {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { ref prompts, .. } => {
                let hidden = prompts.iter().filter(|p| !p.echo).count();
                if prompts.len() > 1 || hidden != prompts.len() {
                    return Ok(false);
                }
                let replies = prompts.iter().map(|_| password.to_owned()).collect();
                answer = handle.authenticate_keyboard_interactive_respond(replies).await?;
            }
        }
    }
    Ok(false)
}
