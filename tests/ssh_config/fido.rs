//! Keys of a FIDO security key, through an agent: one of this test signs as the device would, for a real server.
//!
//! Owns: that agent. Must not: know what is done with a login.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};

use super::logins::{Keys, plain};
use super::project::{Project, logins, show};
use super::sshd::{Sshd, me};

const APPLICATION: &str = "ssh:";
/// Somebody touched the device.
const TOUCHED: u8 = 1;
/// It blinks, and nobody comes: the device does not sign.
const NEVER: u8 = 0xff;

/// Fields of the ssh protocol, one behind another.
#[derive(Clone, Default)]
struct Blob(Vec<u8>);

impl Blob {
    fn int(mut self, number: usize) -> Self {
        self.0.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        self
    }

    fn text(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.int(bytes.len()).raw(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A number of this size, without zeros in front that it does not need.
    fn number(self, bytes: &[u8]) -> Self {
        let digits = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
        let sign: &[u8] = if digits.first().is_some_and(|b| b & 0x80 != 0) {
            &[0]
        } else {
            &[]
        };
        self.text([sign, digits].concat())
    }
}

/// The secret that never leaves a device.
enum Secret {
    Ed25519(Ed25519KeyPair),
    P256(Box<EcdsaKeyPair>),
}

/// A security key with one key on it.
struct Device {
    secret: Secret,
    touched: u8,
    /// What it has signed.
    count: AtomicUsize,
}

impl Device {
    fn new(kind: &str) -> Self {
        let random = SystemRandom::new();
        let secret = match kind {
            "ed25519" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Secret::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
            _ => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
                Secret::P256(Box::new(
                    EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap(),
                ))
            }
        };
        Self {
            secret,
            touched: TOUCHED,
            count: AtomicUsize::new(0),
        }
    }

    fn kind(&self) -> &'static str {
        match &self.secret {
            Secret::Ed25519(_) => "sk-ssh-ed25519@openssh.com",
            Secret::P256(_) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// The public key as it stands behind its kind in a certificate too.
    fn public(&self) -> Vec<u8> {
        let blob = Blob::default().text(self.kind());
        let blob = match &self.secret {
            Secret::Ed25519(key) => blob.text(key.public_key()),
            Secret::P256(key) => blob.text("nistp256").text(key.public_key()),
        };
        blob.text(APPLICATION).0
    }

    /// The line of `authorized_keys`, and of a `.pub` file.
    fn line(&self) -> String {
        format!("{} {} token\n", self.kind(), STANDARD.encode(self.public()))
    }

    /// As a device signs: not the message, but who asks, that somebody was there, how often, and the message's digest.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let state = Blob::default().raw(&[self.touched]).int(count).0;
        let signed = [
            Sha256::digest(APPLICATION).as_slice(),
            &state,
            Sha256::digest(message).as_slice(),
        ]
        .concat();
        let signature = match &self.secret {
            Secret::Ed25519(key) => key.sign(&signed).as_ref().to_vec(),
            Secret::P256(key) => {
                let both = key.sign(&SystemRandom::new(), &signed).unwrap();
                let (r, s) = both.as_ref().split_at(32);
                Blob::default().number(r).number(s).0
            }
        };
        Blob::default().text(self.kind()).text(signature).raw(&state).0
    }

    /// A private key file as `ssh-keygen -t …-sk` writes it: it holds a handle for the device, and no secret.
    fn file(&self) -> String {
        let checks = Blob::default().int(7).int(7);
        let mut inner = checks
            .raw(&self.public())
            .raw(&[TOUCHED])
            .text([9; 64])
            .text("")
            .text("token")
            .0;
        inner.extend((1..).take((8 - inner.len() % 8) % 8));
        let file = Blob::default()
            .raw(b"openssh-key-v1\0")
            .text("none")
            .text("none")
            .text("");
        let file = STANDARD.encode(file.int(1).text(self.public()).text(inner).0);
        let lines: Vec<&str> = file
            .as_bytes()
            .chunks(70)
            .map(|l| std::str::from_utf8(l).unwrap())
            .collect();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }
}

/// An agent at a socket. It lists these keys in this order, and has devices for some of them.
struct Agent {
    dir: tempfile::TempDir,
    signed: Arc<AtomicUsize>,
}

impl Agent {
    fn start(listed: Vec<Vec<u8>>, devices: Vec<Device>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let signed = Arc::new(AtomicUsize::new(0));
        let (listed, devices, count) = (Arc::new(listed), Arc::new(devices), signed.clone());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (listed, devices, count) = (listed.clone(), devices.clone(), count.clone());
                std::thread::spawn(move || serve(stream, &listed, &devices, &count));
            }
        });
        Self { dir, signed }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

/// One client, until it goes.
fn serve(mut stream: UnixStream, listed: &[Vec<u8>], devices: &[Device], signed: &AtomicUsize) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut message).unwrap();
        let answer = match message[0] {
            // SSH_AGENTC_REQUEST_IDENTITIES
            11 => listed.iter().fold(Blob(vec![12]).int(listed.len()), |list, key| {
                list.text(key).text("a key")
            }),
            // SSH_AGENTC_SIGN_REQUEST
            13 => {
                let (key, rest) = field(&message[1..]);
                let (data, _) = field(rest);
                // A certificate holds the key that it is for, behind its own kind.
                let behind = |d: &&Device| d.public()[4 + d.kind().len()..].to_vec();
                match devices.iter().find(|d| contains(key, &behind(d))) {
                    // Nobody touches it.
                    Some(device) if device.touched == NEVER => continue,
                    Some(device) => {
                        signed.fetch_add(1, Ordering::Relaxed);
                        Blob(vec![14]).text(device.sign(data))
                    }
                    None => Blob(vec![5]),
                }
            }
            // SSH_AGENT_FAILURE: of what else is asked it knows nothing.
            _ => Blob(vec![5]),
        };
        if stream.write_all(&Blob::default().text(answer.0).0).is_err() {
            return;
        }
    }
}

fn field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(4);
    rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

#[test]
fn a_security_key_logs_in_through_the_agent_and_only_when_it_was_touched() {
    for kind in ["ed25519", "ecdsa"] {
        let (sshd, device) = (Sshd::start(), Device::new(kind));
        sshd.trust("authorized_keys", &device.line());
        let keys = Keys::new();
        let file = keys.path("id_sk");
        std::fs::write(&file, device.file()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let public = keys.path("id_sk.pub");
        std::fs::write(&public, device.line()).unwrap();
        let half = keys.path("half.pub");
        std::fs::write(&half, device.line()).unwrap();
        let agent = Agent::start(vec![device.public()], vec![device]);
        let with = |lines: &str| Project::web(&format!("{}{lines}", plain(&sshd))).with_agent(&agent.socket());
        with("").same_as_ssh();
        for named in [&file, &half] {
            with(&format!("IdentityFile {}\nIdentitiesOnly yes\n", show(named))).same_as_ssh();
        }
        assert_eq!((logins(&sshd), agent.signed.load(Ordering::Relaxed)), (6, 6), "{kind}");
        // The file alone has no secret, and here is no device: it is said what it needs.
        let alone = Project::web(&format!("{}IdentityFile {}\n", plain(&sshd), show(&file)));
        alone.fails_as_ssh("is of a security key");

        let untouched = Device {
            touched: 0,
            ..Device::new(kind)
        };
        sshd.trust("authorized_keys", &untouched.line());
        let agent = Agent::start(vec![untouched.public()], vec![untouched]);
        let with = Project::web(&plain(&sshd)).with_agent(&agent.socket());
        with.fails_as_ssh("the one key that was offered was refused");
    }
}

#[test]
fn a_security_key_that_nobody_touches_is_told_from_a_server_that_is_silent() {
    let (sshd, device) = (Sshd::start(), Device::new("ed25519"));
    sshd.trust("authorized_keys", &device.line());
    let never = Device {
        touched: NEVER,
        ..device
    };
    let agent = Agent::start(vec![never.public()], vec![never]);
    let project = Project::web(&format!("{}ConnectTimeout 1\n", plain(&sshd))).with_agent(&agent.socket());
    let text = project.fails("the agent did not sign within 1 s");
    assert!(text.contains("help: touch the security key"), "{text}");
}

#[test]
fn a_certificate_of_a_security_key_logs_in_through_the_agent() {
    for kind in ["ed25519", "ecdsa"] {
        let (keys, device) = (Keys::new(), Device::new(kind));
        let sshd = Sshd::with(&format!("TrustedUserCAKeys {}", show(&keys.path("ca.pub"))));
        sshd.trust("authorized_keys", "");
        std::fs::write(keys.path("user.pub"), device.line()).unwrap();
        let certificate = keys.sign("ca", "user", &["-n", &me()]);
        let text = std::fs::read_to_string(&certificate).unwrap();
        let certified = STANDARD.decode(text.split(' ').nth(1).unwrap()).unwrap();
        let public = device.public();
        let agent = Agent::start(vec![public, certified], vec![device]);
        let with = |lines: &str| Project::web(&format!("{}{lines}", plain(&sshd))).with_agent(&agent.socket());
        with("").same_as_ssh();
        let elsewhere = keys.path("elsewhere");
        std::fs::rename(&certificate, &elsewhere).unwrap();
        with(&format!(
            "IdentityFile {}\nCertificateFile {}\nIdentitiesOnly yes\n",
            show(&keys.path("user.pub")),
            show(&elsewhere)
        ))
        .same_as_ssh();
    }
}

#[test]
fn keys_of_a_kind_that_is_not_known_do_not_hide_the_agent_s_others() {
    let (sshd, device) = (Sshd::start(), Device::new("ed25519"));
    sshd.trust("authorized_keys", &device.line());
    let tomorrow = Blob::default().text("ssh-of-tomorrow@example.com").text([1; 40]).0;
    let broken = [
        Blob::default().text("ssh-ed25519").text([1; 3]).0,
        Blob::default()
            .text("ssh-ed25519-cert-v01@openssh.com")
            .text("nothing more")
            .0,
        Vec::new(),
    ];
    let public = device.public();
    let agent = Agent::start(vec![tomorrow.clone(), public.clone()], vec![device]);
    Project::web(&plain(&sshd)).with_agent(&agent.socket()).same_as_ssh();
    // At these ssh gives up.
    let other = Device::new("ecdsa");
    sshd.trust("authorized_keys", &other.line());
    let listed = [&[tomorrow][..], &broken, &[other.public()]].concat();
    let agent = Agent::start(listed, vec![other]);
    let project = Project::web(&plain(&sshd)).with_agent(&agent.socket());
    project.arrival();
    sshd.trust("authorized_keys", "");
    project.fails("keys of the agent that are of no kind known here: 4");
}

#[test]
fn an_agent_that_does_not_answer_is_named() {
    let sshd = Sshd::start();
    let project = |socket: &str| Project::web(&format!("{}IdentityAgent {socket}\n", plain(&sshd)));
    let nowhere = sshd.path("nobody");
    project(&show(&nowhere)).fails_as_ssh(&format!("no agent answers at {}", show(&nowhere)));
}
