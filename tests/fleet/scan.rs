//! `hosts --scan`: a key is trusted by a person who compared it, and then it is.

use std::process::Output;

use crate::common::sshd::{keygen, me};
use crate::fleet::{Fleet, code, words};

/// One host whose keys stand in a file of the project, which is not there yet.
fn unknown_host() -> Fleet {
    let fleet = Fleet::start(1, "0");
    inventory(&fleet, ", known_hosts: known_hosts");
    fleet
}

fn inventory(fleet: &Fleet, more: &str) {
    let sshd = &fleet.hosts["h01"];
    let reached = format!("address: 127.0.0.1, port: {}, user: {}", sshd.port, me());
    let identity = sshd.path("id").display().to_string();
    let text = format!("schema: 1\nhosts:\n  h01: {{ {reached}, identity: \"{identity}\"{more} }}\n");
    fleet.file("inventory.yml", &text);
}

/// On a terminal, with these keys typed.
fn on_terminal(fleet: &Fleet, typed: &str) -> Output {
    let mut command = fleet.program("script");
    fleet.file("typed", typed);
    let inner = format!("exec {} hosts --scan h01", env!("CARGO_BIN_EXE_pitstop"));
    command.args(["-qefc", &inner, "/dev/null"]).env("TERM", "xterm");
    command.stdin(std::fs::File::open(fleet.path("typed")).unwrap());
    command.output().unwrap()
}

/// The lines of keys in the project's file.
fn written(fleet: &Fleet) -> Vec<String> {
    let text = std::fs::read_to_string(fleet.path("known_hosts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_scan_shows_the_hosts_keys_and_makes_them_known_after_a_typed_yes_and_not_before() {
    let fleet = unknown_host();
    let doctor = fleet.run(&["hosts", "--doctor"]);
    assert_eq!(code(doctor.status), 1, "{}", words(&doctor));
    assert!(
        words(&doctor).contains("pitstop hosts --scan h01"),
        "{}",
        words(&doctor)
    );

    let alone = fleet.run(&["hosts", "--scan", "h01"]);
    assert_eq!(code(alone.status), 6, "{}", words(&alone));
    assert!(words(&alone).contains("no terminal"), "{}", words(&alone));

    let listed = fleet
        .program("ssh-keygen")
        .arg("-lf")
        .arg(fleet.hosts["h01"].path("host_key.pub"))
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let fingerprint = listed.split_whitespace().nth(1).unwrap();
    for no in ["no\n", "\n", "y\n", ""] {
        let refused = on_terminal(&fleet, no);
        assert_eq!(code(refused.status), 6, "{no:?}: {}", words(&refused));
        assert!(
            words(&refused).contains(fingerprint),
            "{fingerprint}: {}",
            words(&refused)
        );
        assert_eq!(written(&fleet), Vec::<String>::new(), "{no:?}");
    }

    // A file that somebody edited without an end of its last line.
    fleet.file("known_hosts", "# ours");
    let yes = on_terminal(&fleet, "yes\n");
    assert_eq!(code(yes.status), 0, "{}", words(&yes));
    let lines = written(&fleet);
    let port = fleet.hosts["h01"].port;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].starts_with(&format!("[127.0.0.1]:{port} ssh-ed25519 ")),
        "{lines:?}"
    );
    let doctor = fleet.run(&["hosts", "--doctor"]);
    assert_eq!(code(doctor.status), 0, "{}", words(&doctor));

    let again = on_terminal(&fleet, "");
    assert_eq!(code(again.status), 0, "{}", words(&again));
    assert!(words(&again).contains("nothing to write"), "{}", words(&again));
    assert_eq!(written(&fleet), lines);
}

#[test]
fn a_host_with_another_key_than_the_known_one_is_shown_and_nothing_is_written() {
    let fleet = unknown_host();
    keygen(&fleet.path("another"), "ed25519", "");
    let another = std::fs::read_to_string(fleet.path("another.pub")).unwrap();
    let port = fleet.hosts["h01"].port;
    for line in [format!("[127.0.0.1]:{port} {another}"), {
        let own = std::fs::read_to_string(fleet.hosts["h01"].path("host_key.pub")).unwrap();
        format!("@revoked * {own}")
    }] {
        fleet.file("known_hosts", &line);
        let scanned = on_terminal(&fleet, "yes\n");
        assert_eq!(code(scanned.status), 1, "{}", words(&scanned));
        assert!(words(&scanned).contains("known_hosts:1"), "{}", words(&scanned));
        assert!(
            words(&scanned).contains("somebody may be in between"),
            "{}",
            words(&scanned)
        );
        assert_eq!(std::fs::read_to_string(fleet.path("known_hosts")).unwrap(), line);
    }
}

#[test]
fn a_scan_that_has_nowhere_to_write_or_nobody_to_ask_says_what_to_do() {
    let fleet = unknown_host();
    for (args, more, wanted) in [
        (
            ["hosts", "--scan", "h1"],
            ", known_hosts: known_hosts",
            "did you mean `h01`?",
        ),
        (["hosts", "--scan", "h01"], "", "write `known_hosts: known_hosts`"),
    ] {
        inventory(&fleet, more);
        let refused = fleet.run(&args);
        assert_eq!(code(refused.status), 2, "{}", words(&refused));
        assert!(words(&refused).contains(wanted), "{}", words(&refused));
    }
    // Nobody listens there.
    inventory(&fleet, ", known_hosts: known_hosts");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let own = format!("port: {}", fleet.hosts["h01"].port);
    fleet.file("inventory.yml", &text.replace(&own, &format!("port: {port}")));
    let gone = on_terminal(&fleet, "yes\n");
    assert_eq!(code(gone.status), 1, "{}", words(&gone));
    assert!(
        words(&gone).contains("Connection refused") && words(&gone).contains("help: "),
        "{}",
        words(&gone)
    );
}
