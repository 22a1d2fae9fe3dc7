//! Signatures in the world: what pitstop signs `ssh-keygen` accepts, and the reverse; the same verdict on every line of an
//! `allowed_signers` file; keys in files and in a real agent.
#![cfg(test)]

mod approvals;
#[path = "../common/figures.rs"]
mod figures;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use pitstop::key::{AgentKey, AllowedSigners, KeyFault, Signer, VerifyError};
use pitstop::secret::Secret;
use tempfile::TempDir;

const NAMESPACE: &str = "pitstop-approval";
const KINDS: [&str; 5] = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-3072"];

/// A folder with people's keys.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A new key pair; the public line without its comment.
    fn key(&self, name: &str, kind: &str, passphrase: &str) -> String {
        let (kind, bits) = kind.split_once('-').unwrap_or((kind, "256"));
        let path = self.path(name);
        let done = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", name, "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(done.success());
        let line = fs::read_to_string(path.with_extension("pub")).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn signer(&self, name: &str) -> Signer {
        Signer::from_file(&self.path(name), &|_| panic!("nothing to ask")).unwrap()
    }

    fn keygen_sign(&self, key: &str, namespace: &str, message: &[u8]) -> String {
        let file = self.write("to-sign", message);
        let _ = fs::remove_file(self.path("to-sign.sig"));
        let done = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.path(key))
            .arg(file)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        fs::read_to_string(self.path("to-sign.sig")).unwrap()
    }

    /// What stock OpenSSH thinks.
    fn keygen_verify(&self, allowed: &str, principal: &str, message: &[u8], armored: &str) -> bool {
        let allowed = self.write("allowed_signers", allowed);
        let signature = self.write("to-verify.sig", armored);
        let mut child = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-n", NAMESPACE, "-I", principal, "-f"])
            .arg(allowed)
            .arg("-s")
            .arg(signature)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        child.wait().unwrap().success()
    }
}

fn allowed(text: &str) -> AllowedSigners {
    let (allowed, problems) = AllowedSigners::parse(text, "allowed_signers");
    assert_eq!(problems, []);
    allowed
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test]
async fn what_pitstop_signs_ssh_keygen_verifies() {
    let room = Room::new();
    for kind in KINDS {
        let public = room.key(kind, kind, "");
        let armored = room.signer(kind).sign(NAMESPACE, b"the plan").await.unwrap();
        let list = format!("anna@example.com namespaces=\"{NAMESPACE}\" {public}\n");
        assert!(
            room.keygen_verify(&list, "anna@example.com", b"the plan", &armored),
            "{kind}"
        );
        assert!(
            !room.keygen_verify(&list, "anna@example.com", b"the plaN", &armored),
            "{kind}"
        );
    }
}

#[test]
fn what_ssh_keygen_signs_pitstop_verifies() {
    let room = Room::new();
    for kind in KINDS {
        let public = room.key(kind, kind, "");
        let allowed = allowed(&format!("anna@example.com,anna {public} comment\n"));
        let armored = room.keygen_sign(kind, NAMESPACE, b"the plan");
        let good = allowed.verify(NAMESPACE, b"the plan", &armored, now()).unwrap();
        assert_eq!(good.fingerprint, room.signer(kind).fingerprint());
        assert!(good.speaks_for("anna") && good.speaks_for("anna@example.com") && !good.speaks_for("boris"));
        assert_eq!(
            allowed.verify(NAMESPACE, b"the plaN", &armored, now()),
            Err(VerifyError::Changed)
        );
        let other = room.keygen_sign(kind, "file", b"the plan");
        assert!(matches!(
            allowed.verify(NAMESPACE, b"the plan", &other, now()),
            Err(VerifyError::OtherNamespace { .. })
        ));
    }
}

#[test]
fn no_changed_or_missing_byte_of_a_signature_passes() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let room = Room::new();
    for kind in ["ed25519", "ecdsa-256", "rsa-2048"] {
        let public = room.key(kind, kind, "");
        let allowed = allowed(&format!("anna {public}\n"));
        let armored = room.keygen_sign(kind, NAMESPACE, b"the plan");
        let body: String = armored.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(body).unwrap();
        let passes = |bytes: &[u8]| {
            let text = STANDARD.encode(bytes);
            let lines: Vec<_> = text
                .as_bytes()
                .chunks(70)
                .map(|line| str::from_utf8(line).unwrap())
                .collect();
            let body = lines.join("\n");
            let armored = format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n");
            allowed.verify(NAMESPACE, b"the plan", &armored, now()).is_ok()
        };
        assert!(passes(&bytes), "the control");
        for at in 0..bytes.len() {
            assert!(!passes(&bytes[..at]), "{kind}: cut at {at}");
            let flips: &[u8] = if kind == "ed25519" {
                &[0x01, 0x80, 0xff]
            } else {
                &[0x01]
            };
            for flip in flips {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                assert!(!passes(&changed), "{kind}: byte {at} ^ {flip:#x}");
            }
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert!(!passes(&longer), "{kind}: a byte more");
    }
}

#[test]
fn each_way_to_be_wrong_has_its_own_reason() {
    let room = Room::new();
    let public = room.key("anna", "ed25519", "");
    let stranger = room.key("stranger", "ed25519", "");
    let armored = room.keygen_sign("anna", NAMESPACE, b"m");
    let reason = |list: String, armored: &str| {
        allowed(&list)
            .verify(NAMESPACE, b"m", armored, now())
            .unwrap_err()
            .to_string()
    };
    let reasons = [
        reason(format!("anna {stranger}\n"), &armored),
        reason(format!("anna cert-authority {public}\n"), &armored),
        reason(format!("anna namespaces=\"git\" {public}\n"), &armored),
        reason(format!("anna valid-after=\"29990101\" {public}\n"), &armored),
        reason(format!("anna valid-before=\"20200101Z\" {public}\n"), &armored),
        reason(
            format!("anna {public}\n"),
            "-----BEGIN SSH SIGNATURE-----\nnothing\n-----END SSH SIGNATURE-----\n",
        ),
        reason(format!("anna {public}\n"), &"A".repeat(100_000)),
    ];
    for (reason, part) in reasons.iter().zip([
        "nobody in allowed_signers has the key SHA256:",
        "nobody in allowed_signers has the key SHA256:",
        "only for `git`",
        "only from 299",
        "only until 2020-01-01T00:00:00Z",
        "not an SSH signature",
        "longer than",
    ]) {
        assert!(reason.contains(part), "{reason}");
    }
    let short = room.key("short", "rsa-1024", "");
    let armored = room.keygen_sign("short", NAMESPACE, b"m");
    assert!(reason(format!("anna {short}\n"), &armored).contains("2048 bits"));
}

#[test]
fn a_certificate_is_refused_and_says_so() {
    let room = Room::new();
    let authority = room.key("ca", "ed25519", "");
    room.key("anna", "ed25519", "");
    let done = Command::new("ssh-keygen")
        .args(["-q", "-I", "anna", "-n", "anna", "-s"])
        .arg(room.path("ca"))
        .arg(room.path("anna.pub"))
        .status()
        .unwrap();
    assert!(done.success());
    let agent = Agent::start(&room);
    agent.add(&room.path("anna"));
    let message = room.write("m", "m");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(room.path("anna-cert.pub"))
        .arg(message);
    assert!(sign.env("SSH_AUTH_SOCK", &agent.socket).status().unwrap().success());
    let armored = fs::read_to_string(room.path("m.sig")).unwrap();
    let list = format!("anna cert-authority {authority}\n");
    assert!(
        room.keygen_verify(&list, "anna", b"m", &armored),
        "the control: OpenSSH follows it"
    );
    assert_eq!(
        allowed(&list).verify(NAMESPACE, b"m", &armored, now()),
        Err(VerifyError::Certificate)
    );
}

#[test]
fn the_verdict_on_a_line_is_openssh_s() {
    let room = Room::new();
    let key = room.key("anna", "ed25519", "");
    let other = room.key("other", "ed25519", "");
    let armored = room.keygen_sign("anna", NAMESPACE, b"m");
    let mut accepted = 0;
    let lines = [
        format!("anna {key}"),
        format!("  anna\t{key} a comment"),
        format!("# anna {key}"),
        format!("an* {key}"),
        format!("ann? {key}"),
        format!("*,!anna {key}"),
        format!("!boris,anna {key}"),
        format!("!boris {key}"),
        format!("boris,anna {key}"),
        format!("ANNA {key}"),
        format!("\"anna\" {key}"),
        format!("\"boris,anna\" namespaces=\"pitstop-approval\" {key}"),
        format!("anna namespaces=\"pitstop-*\" {key}"),
        format!("anna NAMESPACES=\"git,pitstop-approval\" {key}"),
        format!("anna namespaces=\"*,!pitstop-approval\" {key}"),
        format!("anna namespaces=\"git\" {key}"),
        format!("anna namespaces=git {key}"),
        format!("anna unknown=\"x\" {key}"),
        format!("anna cert-authority {key}"),
        format!("anna valid-after=\"20200101\" {key}"),
        format!("anna valid-after=\"202001011200Z\",valid-before=\"29990101\" {key}"),
        format!("anna valid-after=\"20990101\" {key}"),
        format!("anna valid-before=\"20200101120000\" {key}"),
        format!("anna valid-before=\"2020-01-01\" {key}"),
        format!("anna valid-before=\"20990101\",valid-after=\"20980101\" {key}"),
        format!("anna {other}"),
        format!("anna {other}\nanna {key}"),
        format!("anna valid-before=\"20200101\" {key}\nanna {key}"),
        format!("boris {key}\nanna {key}"),
        format!("anna ssh-ed25519 AAAA\nanna {key}"),
    ];
    for line in &lines {
        let (ours, _) = AllowedSigners::parse(&format!("{line}\n"), "allowed_signers");
        let ours = ours
            .verify(NAMESPACE, b"m", &armored, now())
            .is_ok_and(|good| good.speaks_for("anna"));
        let theirs = room.keygen_verify(&format!("{line}\n"), "anna", b"m", &armored);
        assert_eq!(ours, theirs, "{line}");
        accepted += usize::from(ours);
    }
    assert!(
        accepted > 8 && accepted < lines.len() - 8,
        "{accepted} of {} accepted",
        lines.len()
    );
}

#[tokio::test]
async fn an_encrypted_key_asks_for_its_passphrase() {
    let room = Room::new();
    let public = room.key("key", "ed25519", "correct horse");
    let path = room.path("key");
    let prompts = std::cell::RefCell::new(Vec::new());
    let signer = Signer::from_file(&path, &|prompt| {
        prompts.borrow_mut().push(prompt.to_owned());
        let answer = if prompts.borrow().len() == 1 {
            "wrong"
        } else {
            "correct horse"
        };
        Some(Secret::new(answer.to_owned()))
    })
    .unwrap();
    assert_eq!(prompts.borrow().len(), 2, "asked again after a wrong one");
    assert!(prompts.borrow()[0].contains("key"));
    let armored = signer.sign(NAMESPACE, b"m").await.unwrap();
    assert!(room.keygen_verify(&format!("anna {public}\n"), "anna", b"m", &armored));

    let nobody = Signer::from_file(&path, &|_| None).unwrap_err();
    assert!(matches!(nobody, KeyFault::NoPassphrase { .. }), "{nobody}");
    let wrong = Signer::from_file(&path, &|_| Some(Secret::new("wrong".to_owned()))).unwrap_err();
    assert!(matches!(wrong, KeyFault::WrongPassphrase { .. }), "{wrong}");
    assert!(!format!("{nobody:?}{wrong:?}{signer:?}").contains("horse"));
}

#[test]
fn a_file_that_is_no_usable_private_key_says_what_it_is() {
    let room = Room::new();
    room.key("key", "ed25519", "");
    let fault = |path: &Path| Signer::from_file(path, &|_| None).unwrap_err();
    assert!(matches!(fault(&room.path("absent")), KeyFault::Unreadable { .. }));
    assert!(matches!(fault(&room.path("key.pub")), KeyFault::PublicOnly { .. }));
    assert!(matches!(fault(room.0.path()), KeyFault::NotAKey { .. }));
    let secret = room.write("text", "no key at all");
    assert!(matches!(fault(&secret), KeyFault::NotAKey { .. }));
    let mut open = fs::metadata(room.path("key")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o644);
    fs::set_permissions(room.path("key"), open).unwrap();
    let exposed = fault(&room.path("key"));
    assert!(matches!(exposed, KeyFault::Exposed { mode: 0o644, .. }), "{exposed}");
    assert!(exposed.help().starts_with("chmod 600 "));
}

/// A real ssh-agent in the foreground; it ends with its test.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(room: &Room) -> Self {
        let socket = room.path("agent.sock");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, socket };
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&agent.socket).is_err() {
            assert!(std::time::Instant::now() < limit, "the agent never listened");
            std::thread::yield_now();
        }
        agent
    }

    fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        let done = add
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_key_in_the_agent_signs_like_one_in_a_file() {
    let room = Room::new();
    let agent = Agent::start(&room);
    let mut list = String::new();
    for kind in KINDS {
        list += &format!("{kind}@example.com {}\n", room.key(kind, kind, ""));
        agent.add(&room.path(kind));
    }
    let allowed = allowed(&list);
    for kind in KINDS {
        let principal = format!("{kind}@example.com");
        let by_name = AgentKey::Principal {
            principal: &principal,
            allowed: &allowed,
            namespace: NAMESPACE,
            at: now(),
        };
        let public = room.path(kind).with_extension("pub");
        for wanted in [by_name, AgentKey::File(&public)] {
            let signer = Signer::from_agent(&agent.socket, wanted).await.unwrap();
            assert_eq!(signer.fingerprint(), room.signer(kind).fingerprint());
            let armored = signer.sign(NAMESPACE, b"the plan").await.unwrap();
            assert!(room.keygen_verify(&list, &principal, b"the plan", &armored), "{kind}");
            assert!(
                allowed
                    .verify(NAMESPACE, b"the plan", &armored, now())
                    .unwrap()
                    .speaks_for(&principal)
            );
        }
    }
}

#[tokio::test]
async fn an_agent_that_cannot_help_says_why() {
    let room = Room::new();
    let agent = Agent::start(&room);
    let key = room.key("key", "ed25519", "");
    room.key("absent", "ed25519", "");
    agent.add(&room.path("key"));
    let public = room.path("key.pub");
    let absent = room.path("absent.pub");

    let fault = Signer::from_agent(&agent.socket, AgentKey::File(&absent))
        .await
        .unwrap_err();
    let KeyFault::NotInAgent { has, .. } = &fault else {
        panic!("{fault}")
    };
    assert!(
        has.len() == 1 && has[0].starts_with("SHA256:") && has[0].ends_with(" key"),
        "{has:?}"
    );

    let late = allowed(&format!("anna valid-before=\"20200101\" {key}\n"));
    let by_name = AgentKey::Principal {
        principal: "anna",
        allowed: &late,
        namespace: NAMESPACE,
        at: now(),
    };
    let fault = Signer::from_agent(&agent.socket, by_name).await.unwrap_err();
    assert!(
        fault.to_string().contains("belongs to anna in allowed_signers"),
        "{fault}"
    );

    let signer = Signer::from_agent(&agent.socket, AgentKey::File(&public))
        .await
        .unwrap();
    let socket = agent.socket.clone();
    drop(agent);
    let fault = signer.sign(NAMESPACE, b"m").await.unwrap_err();
    assert!(matches!(fault, KeyFault::NotSigned { .. }), "{fault}");
    let fault = Signer::from_agent(&socket, AgentKey::File(&public)).await.unwrap_err();
    assert!(matches!(fault, KeyFault::NoAgent { .. }), "{fault}");
}

#[tokio::test]
async fn signing_may_move_between_threads() {
    let room = Room::new();
    room.key("key", "ed25519", "");
    let signer = room.signer("key");
    let task = tokio::spawn(async move { signer.sign(NAMESPACE, b"m").await });
    assert!(task.await.unwrap().is_ok());
}
