//! As whom and with which key: identity files, agents, certificates, by what the config says. Each beside the real `ssh`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::project::{Project, logins, said, show};
use super::sshd::{Sshd, keygen, me};

/// An agent with a socket of its own.
struct Agent {
    child: Child,
    dir: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(dir.path().join("socket"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !dir.path().join("socket").exists() {
            assert!(child.try_wait().unwrap().is_none() && std::time::Instant::now() < end);
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
        Self { child, dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// The key, and its certificate if one lies beside it.
    fn add(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .stdin(Stdio::null())
            .status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keys of a person, and an authority that signs them.
pub struct Keys {
    dir: tempfile::TempDir,
}

impl Keys {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        keygen(&dir.path().join("ca"), "ed25519", "");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn make(&self, name: &str, kind: &str) -> PathBuf {
        keygen(&self.path(name), kind, "");
        self.path(name)
    }

    /// Signs a key with further options of `ssh-keygen -s`; the certificate lies beside it.
    pub fn sign(&self, authority: &str, name: &str, options: &[&str]) -> PathBuf {
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-s"])
            .arg(self.path(authority))
            .args(["-I", name])
            .args(options)
            .arg(self.path(&format!("{name}.pub")))
            .status();
        assert!(signed.unwrap().success(), "{options:?}");
        self.path(&format!("{name}-cert.pub"))
    }

    pub fn public(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    fn fingerprint(&self, name: &str) -> String {
        let out = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(name))
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }
}

/// Everything but the keys.
pub fn plain(sshd: &Sshd) -> String {
    format!(
        "HostName 127.0.0.1\nPort {}\nUser {}\nUserKnownHostsFile {}\n",
        sshd.port,
        me(),
        show(&sshd.path("known_hosts"))
    )
}

#[test]
fn identity_files_are_offered_in_their_order_and_three_at_most() {
    let keys = Keys::new();
    let sshd = Sshd::with("LogLevel VERBOSE");
    let names = ["first", "second", "third"];
    for name in names {
        keys.make(name, "ed25519");
    }
    let mut config = plain(&sshd);
    for name in names {
        config.push_str(&format!("IdentityFile {}\n", show(&keys.path(name))));
    }
    sshd.trust("authorized_keys", &keys.public("third"));
    Project::web(&config).same_as_ssh();
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    let at = names.map(|name| {
        log.find(&keys.fingerprint(name))
            .unwrap_or_else(|| panic!("{name}: {log}"))
    });
    assert!(at.is_sorted(), "{log}");
    // A fourth is not offered: the server would count it.
    let late = format!("{}IdentityFile {}\n", config, show(&sshd.path("id")));
    sshd.trust(
        "authorized_keys",
        &std::fs::read_to_string(sshd.path("id.pub")).unwrap(),
    );
    Project::web(&late).fails("3 keys were offered and refused");
}

#[test]
fn the_agent_s_other_keys_are_offered_unless_the_config_says_identities_only() {
    let (keys, agent, sshd) = (Keys::new(), Agent::start(), Sshd::start());
    let wrong = keys.make("wrong", "ed25519");
    agent.add(&sshd.path("id"));
    let with = |lines: &str| Project::web(&format!("{}{lines}", plain(&sshd))).with_agent(&agent.socket());
    with("").same_as_ssh();
    let named = format!("IdentityFile {}\n", show(&wrong));
    with(&named).same_as_ssh();
    with(&format!("{named}IdentitiesOnly yes\n")).fails_as_ssh("the one key that was offered was refused");
    with("IdentityAgent none\n").fails_as_ssh("no key could be offered");
    // Only its public half is here; the agent signs.
    let public = keys.path("half.pub");
    std::fs::copy(sshd.path("id.pub"), &public).unwrap();
    with(&format!("IdentityFile {}\nIdentitiesOnly yes\n", show(&public))).same_as_ssh();
    // Another socket than the environment's.
    let nowhere = Project::web(&format!("{}IdentityAgent {}\n", plain(&sshd), show(&agent.socket())));
    nowhere.same_as_ssh();
    with("PubkeyAuthentication no\n").fails_as_ssh("the ssh config allows no keys");
}

#[test]
fn a_user_s_certificate_is_offered_from_its_file_from_beside_its_key_and_from_the_agent() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let keys = Keys::new();
        let sshd = Sshd::with(&format!("TrustedUserCAKeys {}", show(&keys.path("ca.pub"))));
        sshd.trust("authorized_keys", "");
        let key = keys.make("user", kind);
        let beside = keys.sign("ca", "user", &["-n", &me(), "-V", "-5m:+1h"]);
        let only = format!("{}IdentitiesOnly yes\nIdentityFile {}\n", plain(&sshd), show(&key));
        Project::web(&only).same_as_ssh();
        let agent = Agent::start();
        agent.add(&key);
        let elsewhere = keys.path("elsewhere.pub");
        std::fs::rename(&beside, &elsewhere).unwrap();
        if kind == "ed25519" {
            Project::web(&only).fails_as_ssh("the one key that was offered was refused");
        }
        let named = format!("{only}CertificateFile {}\n", show(&elsewhere));
        Project::web(&named).same_as_ssh();
        // Nothing is named at all: the agent has key and certificate.
        Project::web(&plain(&sshd)).with_agent(&agent.socket()).same_as_ssh();
        assert_eq!(logins(&sshd), 6, "{kind}");
    }
}

#[test]
fn a_certificate_that_cannot_be_taken_is_not_offered_and_it_is_said_why() {
    let keys = Keys::new();
    let sshd = Sshd::with(&format!(
        "TrustedUserCAKeys {}\nLogLevel VERBOSE",
        show(&keys.path("ca.pub"))
    ));
    sshd.trust("authorized_keys", "");
    let key = keys.make("user", "ed25519");
    let me = me();
    let config = format!("{}IdentitiesOnly yes\nIdentityFile {}\n", plain(&sshd), show(&key));
    for (options, why) in [
        (
            vec!["-n", &me, "-V", "20200101:20200102"],
            "it has expired at 2020-01-0",
        ),
        (vec!["-n", &me, "-V", "20900101:20900102"], "it is valid only from 20"),
        (vec!["-h", "-n", &me], "is a host's, not a user's"),
    ] {
        keys.sign("ca", "user", &options);
        Project::web(&config).fails_as_ssh(why);
    }
    // For another user: only the server can know.
    keys.sign("ca", "user", &["-n", "somebody-else"]);
    Project::web(&config).fails_as_ssh("2 keys were offered and refused");
    // Of an authority that the server does not know.
    keys.make("other", "ed25519");
    keys.sign("other", "user", &["-n", &me]);
    Project::web(&config).fails_as_ssh("2 keys were offered and refused");
}

/// Runs pitstop on a terminal that `script` made. Each answer is typed after its question is on the screen.
pub fn at_a_terminal(project: &Project, args: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_pitstop"));
    let mut program = project
        .command("script")
        .args(["-qefc", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
    let (mut seen, mut read, mut answers) = (String::new(), 0, answers.iter());
    let mut next = answers.next();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = screen.read(&mut buffer) {
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if let Some((question, answer)) = next
            && let Some(at) = seen[read..].find(question)
        {
            read += at + question.len();
            keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
            next = answers.next();
        }
    }
    assert!(next.is_none(), "{next:?} was not asked:\n{seen}");
    (program.wait().unwrap().code().unwrap(), seen)
}

#[test]
fn an_encrypted_key_is_asked_for_once_for_all_hosts_and_only_on_a_terminal() {
    let (keys, gate, agent) = (Keys::new(), Sshd::start(), Agent::start());
    let hosts: Vec<Sshd> = (0..3).map(|_| Sshd::start()).collect();
    let locked = keys.path("locked");
    keygen(&locked, "ed25519", "open sesame");
    let mut config = format!("IdentityFile {}\nIdentitiesOnly yes\n", show(&locked));
    let mut inventory = String::from("schema: 1\nhosts:\n");
    for (n, sshd) in hosts.iter().chain([&gate]).enumerate() {
        sshd.trust("authorized_keys", &keys.public("locked"));
        let name = if n == 3 { "gate".to_owned() } else { format!("h{n}") };
        let jump = if n == 3 { "" } else { "  ProxyJump gate\n" };
        config.push_str(&format!("Host {name}\n{jump}{}", plain(sshd)));
        if n < 3 {
            inventory.push_str(&format!("  {name}:\n"));
        }
    }
    let project = Project::new(&inventory, &config);
    let (code, text) = project.doctor();
    assert!(code == 1 && text.contains("needs a passphrase"), "{text}");
    let question = format!("Passphrase of {}: ", show(&locked));
    let (code, seen) = at_a_terminal(
        &project,
        "hosts --doctor",
        &[(&question, "wrong one"), (&question, "open sesame")],
    );
    assert_eq!(code, 0, "{seen}");
    assert_eq!(seen.matches("Passphrase of").count(), 2, "{seen}");
    assert!(!seen.contains("sesame") && seen.contains("3 of 3 hosts"), "{seen}");
    // Three times wrong: nobody is logged in anywhere.
    let before = logins(&gate);
    let wrong = [(question.as_str(), "x"); 3];
    let (code, seen) = at_a_terminal(&project, "hosts --doctor", &wrong);
    assert!(
        code == 2 && seen.contains("not the passphrase of the key"),
        "{code} {seen}"
    );
    assert_eq!(logins(&gate), before);
    // The agent has it: nobody is asked.
    let askpass = keys.path("askpass");
    std::fs::write(&askpass, "#!/bin/sh\necho open sesame\n").unwrap();
    assert!(
        Command::new("chmod")
            .arg("700")
            .arg(&askpass)
            .status()
            .unwrap()
            .success()
    );
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(&locked)
        .env("SSH_AUTH_SOCK", agent.socket())
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .status();
    assert!(added.unwrap().success());
    let project = project.with_agent(&agent.socket());
    let (code, seen) = at_a_terminal(&project, "hosts --doctor", &[]);
    assert!(code == 0 && !seen.contains("Passphrase"), "{seen}");
}

#[test]
fn a_run_asks_for_the_passphrase_before_it_begins() {
    let (keys, web) = (Keys::new(), Sshd::start());
    let locked = keys.path("locked");
    keygen(&locked, "ed25519", "open sesame");
    web.trust("authorized_keys", &keys.public("locked"));
    let project = Project::web(&format!("{}IdentityFile {}\n", plain(&web), show(&locked)));
    let (code, seen) = at_a_terminal(&project, "run runbooks/look.yml", &[("Passphrase of", "open sesame")]);
    assert_eq!(code, 0, "{seen}");
    assert_eq!(logins(&web), 1);
}

#[test]
fn a_key_file_that_others_can_read_is_not_used() {
    let web = Sshd::start();
    let open = web.path("open");
    std::fs::copy(web.path("id"), &open).unwrap();
    assert!(Command::new("chmod").arg("644").arg(&open).status().unwrap().success());
    let config = format!("{}IdentitiesOnly yes\nIdentityFile {}\n", plain(&web), show(&open));
    Project::web(&config).fails_as_ssh("others can read the private key");
}

/// Who cannot log in any more cannot ask how it ended, and says why. The host knows.
#[test]
fn a_step_whose_link_and_agent_are_lost_is_unknown_and_is_not_begun_again() {
    let (web, agent) = (Sshd::start(), Agent::start());
    agent.add(&web.path("id"));
    let project = Project::web(&plain(&web)).with_agent(&agent.socket());
    project.write(
        "runbooks/change.yml",
        "schema: 1\nrunbook: change\ntitle: Change\nkind: change\ntargets: { all: { hosts: [web] } }\nphases:\n  - phase: p\n    \
         title: P\n    targets: all\n    on_failure: hold\n    steps:\n      - name: Wait\n        undo: { none: it only counts }\n        \
         run: echo begun >>\"$HOME/effects\"; until [ -e \"$HOME/go\" ]; do sleep 0.02; done\n",
    );
    let run = project
        .command(env!("CARGO_BIN_EXE_pitstop"))
        .args(["run", "runbooks/change.yml", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let effects = || std::fs::read_to_string(web.home().join("effects")).unwrap_or_default();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while effects().is_empty() {
        assert!(std::time::Instant::now() < end, "the step did not begin");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(agent);
    web.cut();
    let out = run.wait_with_output().unwrap();
    let text = said(&out);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("the host cannot be asked: logging in to web"), "{text}");
    assert!(text.contains("no agent answers at"), "{text}");
    // Another agent, and the host is asked.
    let agent = Agent::start();
    agent.add(&web.path("id"));
    let project = project.with_agent(&agent.socket());
    std::fs::write(web.home().join("go"), "").unwrap();
    let text = said(&project.run(&["resume", "last"]));
    assert_eq!(effects(), "begun\n", "{text}");
}
