//! `hosts --doctor` where a connection fails: it names the step that does, the cause, and what to do.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::logins::{Keys, at_a_terminal, plain};
use super::project::{Project, block, said, show};
use super::sshd::{Sshd, keygen};

/// A server on a port of its own that says this and then nothing.
fn odd_server(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Whoever goes away has seen enough.
                let _ = stream.write_all(words.as_bytes());
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    port
}

fn at(port: u16, more: &str) -> String {
    format!("HostName 127.0.0.1\nPort {port}\nUser x\nConnectTimeout 1\n{more}")
}

/// The step that failed, why, and what helps.
#[track_caller]
fn fails(project: &Project, step: &str, cause: &str, help: &str) {
    let (code, text) = project.doctor();
    assert_eq!(code, 1, "{text}");
    let mut lines = text.lines();
    let wrong = lines.next().unwrap();
    assert!(
        wrong.starts_with(&format!("WRONG web: {step}")) && wrong.contains(cause),
        "`{step}` … `{cause}`:\n{text}"
    );
    let helps = lines.next().unwrap();
    assert!(
        helps.starts_with("      help: ") && helps.contains(help),
        "`{help}`:\n{text}"
    );
}

#[test]
fn each_step_of_a_connection_that_fails_is_named_with_what_to_do() {
    let project = Project::web("HostName no-such-host.invalid\nUser x\n");
    fails(
        &project,
        "connecting to web (no-such-host.invalid:22): ",
        "lookup",
        "check the address",
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fails(
        &Project::web(&at(free, "")),
        "connecting to web (127.0.0.1:",
        "Connection refused",
        "check the address",
    );
    for words in ["", "220 mail ESMTP\r\n"] {
        let project = Project::web(&at(odd_server(words), ""));
        fails(
            &project,
            "greeting web (127.0.0.1:",
            "no answer within 1 s",
            "check that the host is up",
        );
    }
    let sshd = Sshd::with("KexAlgorithms diffie-hellman-group14-sha1");
    let project = Project::web(&plain(&sshd));
    fails(&project, "greeting web (127.0.0.1:", "No common", "ssh -v");
    let sshd = Sshd::start();
    let project = Project::web(&at(sshd.port, "UserKnownHostsFile /dev/null\n"));
    fails(
        &project,
        "checking the host key of web",
        "not in known_hosts",
        "pitstop hosts --scan web",
    );
    let keys = Keys::new();
    let wrong = keys.make("wrong", "ed25519");
    let project = Project::web(&format!(
        "{}IdentityFile {}\nIdentitiesOnly yes\n",
        plain(&sshd),
        show(&wrong)
    ));
    fails(&project, "logging in to web (127.0.0.1:", "was refused", "ssh-add");
    for (command, cause) in [
        ("/bin/false", "it ended with status 1"),
        ("/usr/sbin/nologin", "This account is currently not available"),
        ("echo maintenance only", "it ended with status 0"),
    ] {
        let sshd = Sshd::with(&format!("ForceCommand {command}"));
        let project = Project::web(&block("web", &sshd));
        fails(&project, "starting a shell on web", cause, "`shell: none`");
    }
    let (gate, web) = (Sshd::with("AllowTcpForwarding no"), Sshd::start());
    let project = Project::web(&format!(
        "{}  ProxyJump gate\n{}",
        block("web", &web),
        block("gate", &gate)
    ));
    fails(
        &project,
        "connecting to web (127.0.0.1:",
        "through gate",
        "it must allow TCP forwarding",
    );
}

#[test]
fn whom_steps_become_is_tried_where_the_inventory_says_it() {
    let sshd = Sshd::start();
    let with = |become_: &str| {
        Project::new(
            &format!("schema: 1\nhosts: {{ web: {{ become: {{ {become_} }} }} }}\n"),
            &block("web", &sshd),
        )
    };
    // Root becomes anybody.
    let text = with("user: nobody").reaches();
    assert!(text.contains("; becomes nobody with sudo"), "{text}");
    let text = with("user: nobody, method: su").reaches();
    assert!(text.contains("; becomes nobody with su"), "{text}");
    let nobody = with("user: no-such-user, method: su");
    fails(
        &nobody,
        "becoming no-such-user on web with su: ",
        "no-such-user does not exist",
        "let PAM allow it",
    );
    let exact = with("user: nobody, exact: true").reaches();
    assert!(exact.contains("becoming nobody was not tried"), "{exact}");
    // Of a password it is said that somebody must type it, and who types it has it tried.
    let secret = with("method: su, user: nobody, password: { secret: nobody_pw }");
    let text = secret.reaches();
    assert!(
        text.contains("becoming nobody was not tried: the password for su is asked for on a terminal"),
        "{text}"
    );
    let (code, seen) = at_a_terminal(&secret, "hosts --doctor", &[("Secret nobody_pw", "korrekt horse")]);
    assert!(
        code == 0 && !seen.contains("korrekt") && seen.contains("; becomes nobody with su"),
        "{seen}"
    );
}

#[test]
fn a_login_password_is_asked_for_on_a_terminal_and_else_said_to_lack() {
    let sshd = Sshd::with("PubkeyAuthentication no\nPasswordAuthentication yes");
    let inventory = "schema: 1\nhosts: { web: { password: { secret: login_pw } } }\n";
    let project = Project::new(inventory, &block("web", &sshd));
    fails(
        &project,
        "logging in to web",
        "the password of the inventory was not given",
        "ssh-add",
    );
    let (code, seen) = at_a_terminal(&project, "hosts --doctor", &[("Secret login_pw", "a wrong one")]);
    assert!(
        code == 1 && seen.contains("the password was refused") && !seen.contains("a wrong one"),
        "{seen}"
    );
}

#[test]
fn a_scan_over_a_bastion_asks_for_the_bastion_s_passphrase_once() {
    let (keys, gate) = (Keys::new(), Sshd::start());
    let locked = keys.path("locked");
    keygen(&locked, "ed25519", "open sesame");
    gate.trust("authorized_keys", &keys.public("locked"));
    let hosts = [Sshd::start(), Sshd::start()];
    let mut config = block("gate", &gate).replace(&show(&gate.path("id")), &show(&locked));
    for (n, host) in hosts.iter().enumerate() {
        config.push_str(&format!(
            "Host h{n}\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump gate\n",
            host.port
        ));
    }
    let inventory = "schema: 1\ndefaults: { known_hosts: known_hosts }\nhosts: { h0: {}, h1: {} }\n";
    let project = Project::new(inventory, &config);
    // The bastion is known from elsewhere.
    let alone = project.run(&["hosts", "--scan", "h0"]);
    assert_eq!(alone.status.code(), Some(6), "{}", said(&alone));
    let question = format!("Passphrase of {}: ", show(&locked));
    let (code, seen) = at_a_terminal(
        &project,
        "hosts --scan h0 --scan h1",
        &[
            (&question, "open sesame"),
            ("keys of h0?", "yes"),
            ("keys of h1?", "yes"),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    assert!(
        seen.matches("Passphrase of").count() == 1 && !seen.contains("sesame"),
        "{seen}"
    );
    let written = std::fs::read_to_string(project.path("known_hosts")).unwrap();
    for host in &hosts {
        assert!(
            written.contains(&format!("[127.0.0.1]:{} ssh-ed25519 ", host.port)),
            "{written}"
        );
    }
}
