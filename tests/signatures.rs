//! Signatures in the world: what pitstop signs `ssh-keygen` accepts, and the reverse; the same verdict on every line of an
//! `allowed_signers` file; keys in files and in a real agent.
#![cfg(test)]

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
fn no_changed_byte_of_a_signature_passes() {
    let room = Room::new();
    let public = room.key("key", "ed25519", "");
    let allowed = allowed(&format!("anna {public}\n"));
    let armored = room.keygen_sign("key", NAMESPACE, b"the plan");
    let body_at = armored.find('\n').unwrap() + 1;
    let body_end = armored.rfind("\n-----END").unwrap();
    assert!(
        allowed.verify(NAMESPACE, b"the plan", &armored, now()).is_ok(),
        "the control"
    );
    for at in body_at..body_end {
        let mut bytes = armored.clone().into_bytes();
        if bytes[at] == b'\n' || bytes[at] == b'=' {
            continue;
        }
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(
            allowed.verify(NAMESPACE, b"the plan", &changed, now()).is_err(),
            "byte {at}"
        );
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

/// Approvals on disk, from the hand of a person to the count.
mod approvals {
    use std::collections::{BTreeMap, BTreeSet};
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use pitstop::approval::{
        Approval, Decision, NotValid, Override, Requirement, Statement, Subject, Tally, Wanted, count, scan,
    };
    use pitstop::id::{Digest, RunId};

    use super::*;

    const EXPIRES: &str = "2026-12-06T03:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan() -> Digest {
        Digest::of(b"the plan")
    }

    fn gate(run: &str, gate: &str, record: &str) -> Subject {
        let run = RunId::parse(run).unwrap();
        let (gate, opened) = (gate.to_owned(), Digest::of(record.as_bytes()));
        Subject::Gate { run, gate, opened }
    }

    fn yes(subject: Subject, principal: &str) -> Statement {
        Statement::new(plan(), subject, Decision::Approve, principal, at(EXPIRES)).unwrap()
    }

    async fn issue(room: &Room, key: &str, statement: Statement) -> PathBuf {
        let mut approval = Approval::sign(statement, &room.signer(key)).await.unwrap();
        approval.write(&room.path("approvals")).unwrap()
    }

    /// The one approval in the folder, judged an hour before it expires.
    fn judge(room: &Room, allowed: &AllowedSigners, wanted: &Wanted<'_>) -> Result<(), NotValid> {
        judge_at(room, allowed, wanted, "2026-12-06T02:00:00Z")
    }

    fn judge_at(room: &Room, allowed: &AllowedSigners, wanted: &Wanted<'_>, when: &str) -> Result<(), NotValid> {
        let (found, skipped) = scan(&[&room.path("approvals")]);
        assert_eq!((found.len(), skipped), (1, Vec::new()));
        found[0].judge(wanted, allowed, at(when)).map(|_| ())
    }

    fn wanted<'a>(plan: &'a Digest, subject: &'a Subject) -> Wanted<'a> {
        Wanted {
            plan,
            subject,
            overrides: None,
            until: None,
        }
    }

    #[tokio::test]
    async fn an_approval_on_disk_verifies_with_stock_openssh_and_here() {
        let room = Room::new();
        let list = format!("anna@example.com {}\n", room.key("anna", "ed25519", ""));
        let file = issue(&room, "anna", yes(Subject::Plan, "anna@example.com")).await;
        let signature = file.with_extension("json.sig");
        for written in [&file, &signature] {
            assert_eq!(fs::metadata(written).unwrap().mode() & 0o7777, 0o600);
        }
        let statement = fs::read(&file).unwrap();
        let armored = fs::read_to_string(&signature).unwrap();
        assert!(room.keygen_verify(&list, "anna@example.com", &statement, &armored));
        judge(&room, &allowed(&list), &wanted(&plan(), &Subject::Plan)).unwrap();
    }

    #[tokio::test]
    async fn a_statement_that_ssh_keygen_signed_is_an_approval() {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        room.key("other", "ed25519", "");
        let file = issue(&room, "other", yes(Subject::Plan, "anna")).await;
        let armored = room.keygen_sign("anna", NAMESPACE, &fs::read(&file).unwrap());
        fs::write(file.with_extension("json.sig"), armored).unwrap();
        judge(&room, &list, &wanted(&plan(), &Subject::Plan)).unwrap();
    }

    #[tokio::test]
    async fn a_gates_approval_is_good_for_that_opening_of_that_gate_of_that_run_only() {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        issue(&room, "anna", yes(gate("run-1", "web/1", "record 12"), "anna")).await;
        let (this, other) = (plan(), Digest::of(b"the plan, one byte longer"));
        let ask = |plan: &Digest, subject: Subject| judge(&room, &list, &wanted(plan, &subject));
        ask(&this, gate("run-1", "web/1", "record 12")).unwrap();
        let refused = [
            ask(&other, gate("run-1", "web/1", "record 12")),
            ask(&this, gate("run-2", "web/1", "record 12")),
            ask(&this, gate("run-1", "web/2", "record 12")),
            ask(&this, gate("run-1", "web/1", "record 40")),
            ask(&this, Subject::Plan),
        ];
        assert!(matches!(refused[0], Err(NotValid::OtherPlan { .. })), "{refused:?}");
        assert!(matches!(refused[1], Err(NotValid::OtherRun { .. })), "{refused:?}");
        assert!(matches!(refused[2], Err(NotValid::OtherSubject { .. })), "{refused:?}");
        assert!(
            matches!(refused[3], Err(NotValid::EarlierOpening { .. })),
            "{refused:?}"
        );
        assert!(matches!(refused[4], Err(NotValid::OtherSubject { .. })), "{refused:?}");
        let reasons: BTreeSet<String> = refused.into_iter().map(|r| r.unwrap_err().to_string()).collect();
        assert_eq!(reasons.len(), 5, "{reasons:?}");
    }

    #[tokio::test]
    async fn an_approval_ends_at_its_expiry_and_with_the_window() {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        issue(&room, "anna", yes(Subject::Plan, "anna")).await;
        let (plan, subject) = (plan(), Subject::Plan);
        let mut wanted = wanted(&plan, &subject);
        judge_at(&room, &list, &wanted, "2026-12-06T02:59:59Z").unwrap();
        let expired = Err(NotValid::Expired { at: at(EXPIRES) });
        assert_eq!(judge_at(&room, &list, &wanted, EXPIRES), expired);
        let end = "2026-12-06T01:00:00Z";
        wanted.until = Some(at(end));
        assert_eq!(
            judge_at(&room, &list, &wanted, end),
            Err(NotValid::Expired { at: at(end) })
        );
    }

    #[tokio::test]
    async fn an_override_is_good_for_what_it_overrides_only() {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        let mut statement = yes(Subject::Plan, "anna");
        statement.overrides = Some(Override::Freeze);
        statement.comment = "CVE-2026-1 is exploited".to_owned();
        issue(&room, "anna", statement).await;
        let (plan, subject) = (plan(), Subject::Plan);
        for (asked, good) in [
            (Some(Override::Freeze), true),
            (Some(Override::Window), false),
            (None, false),
        ] {
            let wanted = Wanted {
                overrides: asked,
                ..wanted(&plan, &subject)
            };
            assert_eq!(judge(&room, &list, &wanted).is_ok(), good, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn nobody_speaks_for_another_and_no_signature_is_moved() {
        let room = Room::new();
        let (anna, boris) = (room.key("anna", "ed25519", ""), room.key("boris", "ed25519", ""));
        let (plan, subject) = (plan(), Subject::Plan);
        let wanted = wanted(&plan, &subject);
        let file = issue(&room, "boris", yes(Subject::Plan, "anna")).await;

        let both = allowed(&format!("anna {anna}\nboris {boris}\n"));
        let refused = judge(&room, &both, &wanted);
        assert!(
            matches!(&refused, Err(NotValid::OtherPerson { owners, .. }) if owners == "boris"),
            "{refused:?}"
        );
        let only_anna = allowed(&format!("anna {anna}\n"));
        let refused = judge(&room, &only_anna, &wanted);
        assert!(
            matches!(refused, Err(NotValid::Signature(VerifyError::UnknownSigner { .. }))),
            "{refused:?}"
        );
        let expired = allowed(&format!("anna valid-before=\"20260101Z\" {boris}\n"));
        let refused = judge(&room, &expired, &wanted);
        assert!(
            matches!(refused, Err(NotValid::Signature(VerifyError::NoLonger { .. }))),
            "{refused:?}"
        );

        let as_file = room.keygen_sign("anna", "file", &fs::read(&file).unwrap());
        fs::write(file.with_extension("json.sig"), as_file).unwrap();
        let refused = judge(&room, &both, &wanted);
        assert!(
            matches!(refused, Err(NotValid::Signature(VerifyError::OtherNamespace { .. }))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn no_changed_byte_of_a_statement_passes() {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        let subject = gate("run-1", "web/1", "record 12");
        let file = issue(&room, "anna", yes(subject.clone(), "anna")).await;
        let good = fs::read(&file).unwrap();
        let (plan, mut judged) = (plan(), 0);
        let passes = |bytes: &[u8], judged: &mut usize| {
            fs::write(&file, bytes).unwrap();
            let (found, _) = scan(&[&room.path("approvals")]);
            *judged += found.len();
            found.iter().any(|a| {
                a.judge(&wanted(&plan, &subject), &list, at("2026-12-06T02:00:00Z"))
                    .is_ok()
            })
        };
        assert!(passes(&good, &mut judged), "the control");
        for place in 0..good.len() {
            for flip in [1, 2, 32] {
                let mut bytes = good.clone();
                bytes[place] ^= flip;
                assert!(
                    !passes(&bytes, &mut judged),
                    "byte {place}: {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
        }
        assert!(
            judged > 50,
            "{judged} of the changed statements still could be read, so the signature was asked"
        );
    }

    #[tokio::test]
    async fn what_is_no_approval_is_passed_over_and_named() {
        let room = Room::new();
        room.key("anna", "ed25519", "");
        let dir = room.path("approvals");
        let good = issue(&room, "anna", yes(Subject::Plan, "anna")).await;
        fs::write(dir.join("plan.json"), "{}").unwrap();
        fs::write(dir.join("long.json"), "x".repeat(70_000)).unwrap();
        fs::write(dir.join("other.json"), "{\"a\":1}").unwrap();
        fs::write(dir.join("binary.json"), [0xff, 0xfe]).unwrap();
        symlink(&good, dir.join("link.json")).unwrap();
        let pipe = Command::new("mkfifo").arg(dir.join("pipe.json")).status().unwrap();
        assert!(pipe.success());
        fs::create_dir(dir.join("folder.json")).unwrap();
        for name in ["long", "other", "binary", "link", "pipe", "folder", "absent"] {
            fs::write(dir.join(format!("{name}.json.sig")), "x").unwrap();
        }
        symlink(&dir, room.path("link")).unwrap();
        let (found, skipped) = scan(&[&dir, &room.path("nowhere"), &room.path("link")]);
        assert_eq!(found.iter().map(|a| &a.file).collect::<Vec<_>>(), [&good]);
        let reason = |name: &str| {
            let skip = skipped.iter().find(|skip| skip.file.ends_with(name));
            skip.unwrap_or_else(|| panic!("{name}: {skipped:?}")).reason.clone()
        };
        assert!(reason("long.json").contains("64 KiB"));
        assert!(reason("other.json").contains("not an approval"));
        assert!(reason("binary.json").contains("UTF-8"));
        assert!(reason("link.json").contains("links are not followed"));
        assert!(reason("pipe.json").contains("not a regular file"));
        assert!(reason("folder.json").contains("not a regular file"));
        assert!(reason("absent.json").contains("No such file"));
        assert!(reason("link").contains("links are not followed"));
        assert_eq!(skipped.len(), 8, "the plan beside them is not meant: {skipped:?}");
    }

    #[tokio::test]
    async fn an_approval_is_never_written_over_another_file() {
        let room = Room::new();
        room.key("anna", "ed25519", "");
        let mut approval = Approval::sign(yes(Subject::Plan, "anna"), &room.signer("anna"))
            .await
            .unwrap();
        let victim = room.write("victim", "precious");
        let file = room.path("approvals").join(approval.statement.file_name());
        fs::create_dir(room.path("approvals")).unwrap();
        symlink(&victim, &file).unwrap();
        let fault = approval.write(&room.path("approvals")).unwrap_err();
        assert!(fault.to_string().contains("cannot write the approval"), "{fault}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!file.with_extension("json.sig").exists(), "no half of it stays");
    }

    #[tokio::test]
    async fn four_eyes_from_files_to_the_count() {
        let room = Room::new();
        let mut list = String::new();
        for (person, key) in [
            ("anna", "anna"),
            ("anna", "anna-2"),
            ("boris", "boris"),
            ("olga", "olga"),
        ] {
            list += &format!("{person} {}\n", room.key(key, "ed25519", ""));
        }
        let list = allowed(&list);
        let subject = gate("run-1", "web/1", "record 12");
        let plan = plan();
        let tally = |used: &BTreeSet<String>| -> Tally {
            let (found, _) = scan(&[&room.path("approvals")]);
            let wanted = wanted(&plan, &subject);
            let votes: Vec<_> = found
                .iter()
                .filter_map(|a| a.judge(&wanted, &list, at("2026-12-06T02:00:00Z")).ok())
                .collect();
            let people = ["anna", "boris", "olga"].map(str::to_owned).to_vec();
            let requirement = Requirement {
                need: 2,
                approvers: vec!["dba".to_owned()],
                not_operator: true,
                operators: vec!["olga".to_owned()],
            };
            count(
                &requirement,
                &BTreeMap::from([("dba".to_owned(), people)]),
                &votes,
                used,
            )
        };
        let none = BTreeSet::new();
        issue(&room, "anna", yes(subject.clone(), "anna")).await;
        issue(&room, "anna-2", yes(subject.clone(), "anna")).await;
        issue(&room, "olga", yes(subject.clone(), "olga")).await;
        let first = tally(&none);
        assert_eq!(
            (first.missing, first.ignored.len()),
            (1, 2),
            "her second key and the operator: {first:?}"
        );
        issue(&room, "boris", yes(subject.clone(), "boris")).await;
        let second = tally(&none);
        assert!(second.passed(), "{second:?}");
        let used = second
            .approved_by
            .iter()
            .map(|vote| vote.statement.nonce.clone())
            .collect();
        // Anna's other approval was never counted, so it still is one; Boris has none left.
        assert_eq!(tally(&used).missing, 1, "what counted once does not count again");
        let mut no = yes(subject.clone(), "boris");
        no.decision = Decision::Reject;
        issue(&room, "boris", no).await;
        assert!(!tally(&none).passed());
    }
}
