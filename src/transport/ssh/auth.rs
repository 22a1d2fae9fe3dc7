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
use russh::keys::{self, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};

use super::SshTransport;
use super::connect::{Client, at, error};
use crate::transport::{ConnectError, Endpoint};

const OFFERED: usize = 3;
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// A key to offer.
enum Offer {
    File(Arc<PrivateKey>),
    Agent(PublicKey),
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
        let mut agent = self.agent().await;
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
        if let Some(password) = &to.password {
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

    async fn agent(&self) -> Option<Agent> {
        let socket = self.options.agent.as_ref()?;
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
        for path in &to.identities {
            offers.add_file(path, &held, true).await;
        }
        if to.identities.is_empty() {
            offers.keys.extend(held.iter().cloned().map(Offer::Agent));
            let folder = self.options.home.as_ref().map(|h| h.join(".ssh"));
            let defaults: Vec<PathBuf> = folder
                .iter()
                .flat_map(|f| DEFAULT_KEYS.iter().map(|name| f.join(name)))
                .collect();
            for path in defaults {
                offers.add_file(&path, &held, false).await;
            }
        }
        offers
    }
}

impl Offers {
    async fn add_file(&mut self, path: &Path, held: &[PublicKey], must_exist: bool) {
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(e) => {
                if must_exist {
                    self.notes.push(format!("{} cannot be read: {e}", path.display()));
                }
                return;
            }
        };
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
        (Offer::Agent(_), None) => return Err("the agent is gone".to_owned()),
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
