//! One SSH connection as its server sees it, packet by packet.
//!
//! Owns: packets in clear and sealed (AES-256-GCM), one key exchange (curve25519, Ed25519), each part of which can be a lie.
//! Must not: know logins and channels (`host.rs`). Nothing here is fit for a server that anybody relies on.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// Message numbers, as the RFCs have them.
pub mod msg {
    pub const DISCONNECT: u8 = 1;
    pub const IGNORE: u8 = 2;
    pub const DEBUG: u8 = 4;
    pub const SERVICE_REQUEST: u8 = 5;
    pub const SERVICE_ACCEPT: u8 = 6;
    pub const EXT_INFO: u8 = 7;
    pub const KEXINIT: u8 = 20;
    pub const NEWKEYS: u8 = 21;
    pub const KEX_INIT: u8 = 30;
    pub const KEX_REPLY: u8 = 31;
    pub const USERAUTH_REQUEST: u8 = 50;
    pub const USERAUTH_FAILURE: u8 = 51;
    pub const USERAUTH_SUCCESS: u8 = 52;
    pub const USERAUTH_BANNER: u8 = 53;
    pub const USERAUTH_MORE: u8 = 60;
    pub const GLOBAL_REQUEST: u8 = 80;
    pub const REQUEST_FAILURE: u8 = 82;
    pub const CHANNEL_OPEN: u8 = 90;
    pub const CHANNEL_CONFIRM: u8 = 91;
    pub const CHANNEL_REFUSE: u8 = 92;
    pub const WINDOW_ADJUST: u8 = 93;
    pub const CHANNEL_DATA: u8 = 94;
    pub const CHANNEL_EXTENDED: u8 = 95;
    pub const CHANNEL_EOF: u8 = 96;
    pub const CHANNEL_CLOSE: u8 = 97;
    pub const CHANNEL_REQUEST: u8 = 98;
    pub const CHANNEL_FAILURE: u8 = 100;
}

/// A message under construction.
#[derive(Clone)]
pub struct Packet(pub Vec<u8>);

impl Packet {
    pub fn of(kind: u8) -> Self {
        Self(vec![kind])
    }

    pub fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn int(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.0.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        self.0.extend(text);
        self
    }
}

/// A message being read. What is not there is an error, as from a broken client.
pub struct Words<'a>(pub &'a [u8]);

impl<'a> Words<'a> {
    fn take(&mut self, n: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(io::ErrorKind::InvalidData)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn int(&mut self) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().unwrap()))
    }

    pub fn text(&mut self) -> io::Result<&'a [u8]> {
        let n = self.int()?;
        self.take(n as usize)
    }
}

/// A host key.
pub struct HostKey(Ed25519KeyPair);

impl HostKey {
    pub fn fresh() -> Self {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed).unwrap();
        Self(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap())
    }

    pub fn blob(&self) -> Vec<u8> {
        Packet(Vec::new()).text("ssh-ed25519").text(self.0.public_key()).0
    }

    /// The line that `known_hosts` needs.
    pub fn line(&self, port: u16) -> String {
        format!("[127.0.0.1]:{port} ssh-ed25519 {}\n", STANDARD.encode(self.blob()))
    }
}

struct Seal {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Seal {
    fn of(key: &[u8], iv: &[u8]) -> Self {
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap()),
            nonce: iv[..12].try_into().unwrap(),
        }
    }

    fn next(&mut self) -> Nonce {
        let now = Nonce::assume_unique_for_key(self.nonce);
        let count = u64::from_be_bytes(self.nonce[4..].try_into().unwrap()).wrapping_add(1);
        self.nonce[4..].copy_from_slice(&count.to_be_bytes());
        now
    }
}

/// What a server does once it has sent so many packets.
#[derive(Clone, Copy)]
pub enum Then {
    Close,
    Silence,
}

/// The way out.
pub struct Writer {
    stream: TcpStream,
    seal: Option<Seal>,
    until: Option<(usize, Then)>,
}

impl Writer {
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A well-formed packet around this message.
    pub fn send(&mut self, message: &Packet) -> io::Result<()> {
        let block = if self.seal.is_some() { 16 } else { 8 };
        let clear = if self.seal.is_some() { 0 } else { 4 };
        let mut padding = block - (clear + 1 + message.0.len()) % block;
        if padding < 4 {
            padding += block;
        }
        let mut inner = vec![u8::try_from(padding).unwrap()];
        inner.extend(&message.0);
        inner.resize(inner.len() + padding, 0);
        self.inner(inner)
    }

    /// A packet with whatever inside, and the right length in front.
    pub fn inner(&mut self, inner: Vec<u8>) -> io::Result<()> {
        match &mut self.until {
            Some((0, Then::Silence)) => return Ok(()),
            Some((0, Then::Close)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let mut bytes = u32::try_from(inner.len()).unwrap().to_be_bytes().to_vec();
        match &mut self.seal {
            None => bytes.extend(inner),
            Some(seal) => {
                let aad = Aad::from(<[u8; 4]>::try_from(bytes.as_slice()).unwrap());
                let mut inner = inner;
                let nonce = seal.next();
                seal.key.seal_in_place_append_tag(nonce, aad, &mut inner).unwrap();
                bytes.extend(inner);
            }
        }
        self.stream.write_all(&bytes)?;
        if let Some((0, Then::Close)) = self.until {
            self.stream.shutdown(Shutdown::Both)?;
        }
        Ok(())
    }
}

/// What is said in a key exchange; every part can be a lie.
#[derive(Clone)]
pub struct Kex {
    /// Key exchange, host key, ciphers, MACs, compressions.
    pub offers: [String; 5],
    /// Its public key, instead of a fresh one.
    pub ephemeral: Option<Vec<u8>>,
    /// The host key's blob, instead of the host's own.
    pub shown: Option<Vec<u8>>,
    /// A signature of something else.
    pub forged: bool,
    /// Goes out before the first message of the exchange.
    pub first: Option<Packet>,
    /// Is changed once more before it goes out.
    pub reply: fn(Packet) -> Packet,
}

impl Default for Kex {
    fn default() -> Self {
        Self {
            offers: [
                "curve25519-sha256",
                "ssh-ed25519",
                "aes256-gcm@openssh.com",
                "hmac-sha2-256",
                "none",
            ]
            .map(str::to_owned),
            ephemeral: None,
            shown: None,
            forged: false,
            first: None,
            reply: |packet| packet,
        }
    }
}

impl Kex {
    pub fn init(&self) -> Packet {
        let mut packet = Packet::of(msg::KEXINIT);
        packet.0.extend([7; 16]);
        let [kex, key, cipher, mac, compression] = &self.offers;
        for list in [kex, key, cipher, cipher, mac, mac, compression, compression] {
            packet = packet.text(list);
        }
        packet.text("").text("").byte(0).int(0)
    }
}

/// A connection.
pub struct Conn {
    pub out: Arc<Mutex<Writer>>,
    pub stream: TcpStream,
    seal: Option<Seal>,
    /// Came while something else was waited for.
    early: VecDeque<Vec<u8>>,
    session: Option<Vec<u8>>,
    key: Arc<HostKey>,
    ids: (Vec<u8>, Vec<u8>),
}

/// How the server calls itself.
pub const ID: &str = "SSH-2.0-hostile";

impl Conn {
    pub fn new(stream: TcpStream, key: Arc<HostKey>, until: Option<(usize, Then)>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let out = Writer {
            stream: stream.try_clone()?,
            seal: None,
            until,
        };
        Ok(Self {
            out: Arc::new(Mutex::new(out)),
            stream,
            seal: None,
            early: VecDeque::new(),
            session: None,
            key,
            ids: Default::default(),
        })
    }

    pub fn send(&self, message: &Packet) -> io::Result<()> {
        self.out.lock().unwrap().send(message)
    }

    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.out.lock().unwrap().raw(bytes)
    }

    /// Reads and forgets until the client ends the connection.
    pub fn drain(&mut self) {
        let mut sink = [0; 4096];
        while self.stream.read(&mut sink).is_ok_and(|n| n > 0) {}
    }

    /// Exchanges the identification lines.
    pub fn identify(&mut self) -> io::Result<()> {
        self.raw(format!("{ID}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        self.ids = (line.trim_ascii_end().to_vec(), ID.as_bytes().to_vec());
        Ok(())
    }

    /// The next message.
    pub fn recv(&mut self) -> io::Result<Vec<u8>> {
        match self.early.pop_front() {
            Some(early) => Ok(early),
            None => self.read(),
        }
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        let tag = if self.seal.is_some() { 16 } else { 0 };
        let mut inner = vec![0; u32::from_be_bytes(head) as usize + tag];
        self.stream.read_exact(&mut inner)?;
        if let Some(seal) = &mut self.seal {
            let nonce = seal.next();
            let opened = seal.key.open_in_place(nonce, Aad::from(head), &mut inner);
            let length = opened.map_err(|_| io::ErrorKind::InvalidData)?.len();
            inner.truncate(length);
        }
        let padding = usize::from(inner[0]);
        inner.truncate(inner.len() - padding);
        inner.remove(0);
        Ok(inner)
    }

    /// Waits for one kind of message; what comes before it is kept.
    pub fn expect(&mut self, kind: u8) -> io::Result<Vec<u8>> {
        loop {
            let message = self.read()?;
            if message.first() == Some(&kind) {
                return Ok(message);
            }
            self.early.push_back(message);
        }
    }

    /// A whole key exchange, begun by the server. Nothing else is sent meanwhile.
    pub fn kex(&mut self, kex: &Kex) -> io::Result<()> {
        let out = self.out.clone();
        let mut out = out.lock().unwrap();
        if let Some(first) = &kex.first {
            out.send(first)?;
        }
        let ours = kex.init();
        out.send(&ours)?;
        let theirs = self.expect(msg::KEXINIT)?;
        let init = self.expect(msg::KEX_INIT)?;
        let their_public = Words(&init[1..]).text()?.to_vec();
        let random = SystemRandom::new();
        let secret = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
        let public = kex.ephemeral.clone();
        let public = public.unwrap_or_else(|| secret.compute_public_key().unwrap().as_ref().to_vec());
        let shared = agree_ephemeral(secret, &UnparsedPublicKey::new(&X25519, &their_public), |k| k.to_vec());
        let shared = mpint(&shared.map_err(|_| io::ErrorKind::InvalidData)?);
        let shown = kex.shown.clone().unwrap_or_else(|| self.key.blob());
        let hashed = Packet(Vec::new())
            .text(&self.ids.0)
            .text(&self.ids.1)
            .text(&theirs)
            .text(&ours.0)
            .text(&shown)
            .text(&their_public)
            .text(&public)
            .text(&shared);
        let hash = sha256(&[&hashed.0]);
        let signed = if kex.forged {
            b"something else".as_slice()
        } else {
            &hash
        };
        let signature = self.key.0.sign(signed);
        let signature = Packet(Vec::new()).text("ssh-ed25519").text(signature.as_ref());
        let reply = Packet::of(msg::KEX_REPLY).text(&shown).text(&public).text(&signature.0);
        out.send(&(kex.reply)(reply))?;
        out.send(&Packet::of(msg::NEWKEYS))?;
        let session = self.session.get_or_insert_with(|| hash.clone()).clone();
        let shared = Packet(Vec::new()).text(&shared).0;
        let derive = |letter: u8| sha256(&[&shared, &hash, &[letter], &session]);
        out.seal = Some(Seal::of(&derive(b'D'), &derive(b'B')));
        self.expect(msg::NEWKEYS)?;
        self.seal = Some(Seal::of(&derive(b'C'), &derive(b'A')));
        Ok(())
    }
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// The bytes of a positive number, without the length in front.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut number = bytes[first..].to_vec();
    if number.first().is_some_and(|b| b & 0x80 != 0) {
        number.insert(0, 0);
    }
    number
}
