//! What russh asks us while a connection lives: whose key this is, why it ended, and whether the server may open channels.
//!
//! Owns: the answers, and what they teach. Must not: begin anything by itself.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};

use super::hostkey::{KnownHosts, Names, Verdict};

/// Words of a server that are worth repeating.
const WORDS: usize = 200;

/// What a connection taught about its host.
#[derive(Clone, Debug, Default)]
pub(super) struct Learnt {
    /// Fingerprint of the host key.
    pub(super) host_key: String,
    /// Key exchange, cipher and host key algorithm.
    pub(super) algorithms: String,
    /// How the server calls itself: `SSH-2.0-OpenSSH_9.2`.
    pub(super) server: String,
    /// Why the connection ended.
    pub(super) ended: Option<String>,
    pub(super) verdict: Option<Verdict>,
}

/// The answers that russh asks for.
pub(super) struct Client {
    pub(super) known: KnownHosts,
    pub(super) names: Names,
    pub(super) learnt: Arc<Mutex<Learnt>>,
}

impl Client {
    fn learn(&self, what: impl FnOnce(&mut Learnt)) {
        what(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.known.judge(&self.names, key),
            PublicKeyOrCertificate::Certificate(certificate) => self.known.judge_certificate(&self.names, certificate),
        };
        let good = verdict == Verdict::Known;
        self.learn(|l| {
            l.host_key = shown.public_key().fingerprint(HashAlg::Sha256).to_string();
            l.verdict = Some(verdict);
        });
        Ok(good)
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        names: &russh::Names,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let text = format!("{} {} {}", names.kex.as_ref(), names.cipher.as_ref(), names.key);
        let server = printable(&String::from_utf8_lossy(session.remote_sshid()));
        self.learn(|l| {
            l.algorithms = text;
            l.server = server;
        });
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let (why, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (format!("the server ended it: {}", info.message), Ok(())),
            DisconnectReason::Error(e) => (e.to_string(), Err(e)),
        };
        // A server that has no further way to log in has refused the one that was tried; russh ends such a connection itself.
        let refused = matches!(result, Err(russh::Error::NoAuthMethod));
        self.learn(|l| l.ended = (!refused).then(|| printable(&why)));
        result
    }

    // russh accepts a channel that a server opens unless it is told otherwise, and keeps it until the server closes it. Nothing of
    // ours asks for one; an answer that is dropped refuses.

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel,
        _host: &str,
        _port: u32,
        _from: &str,
        _from_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel,
        _host: &str,
        _port: u32,
        _from: &str,
        _from_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel,
        _path: &str,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel,
        _path: &str,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel,
        _from: &str,
        _from_port: u32,
        _refused: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}

type Channel = russh::Channel<Msg>;

/// What a server said, fit for one line of a message.
pub(super) fn printable(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(WORDS).collect()
}
