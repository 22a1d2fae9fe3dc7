//! Which key a host must show: aliases, files, authorities and their certificates. Each beside the real `ssh`.

use super::logins::Keys;
use super::project::{Project, block, logins, show};
use super::sshd::{Sshd, me};

/// All but the known hosts.
fn plain(sshd: &Sshd) -> String {
    format!(
        "HostName 127.0.0.1\nPort {}\nUser {}\nIdentityFile {}\nIdentitiesOnly yes\n",
        sshd.port,
        me(),
        show(&sshd.path("id"))
    )
}

#[test]
fn both_lists_of_known_hosts_count_and_no_other() {
    let sshd = Sshd::start();
    let known = show(&sshd.path("known_hosts"));
    let empty = show(&sshd.trust("empty", ""));
    let config = |user: &str, global: &str| {
        Project::web(&format!(
            "{}UserKnownHostsFile {user}\nGlobalKnownHostsFile {global}\n",
            plain(&sshd)
        ))
    };
    config(&known, "none").same_as_ssh();
    config("none", &known).same_as_ssh();
    config(&empty, &format!("/nowhere {known}")).same_as_ssh();
    config(&empty, &empty).fails_as_ssh("not in known_hosts");
    config("none", "none").fails_as_ssh("not in known_hosts");
    // A revocation in either counts.
    let key = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    let revoked = show(&sshd.trust("revoked", &format!("@revoked * {key}")));
    config(&known, &revoked).fails_as_ssh("revokes");
}

#[test]
fn the_usual_file_of_the_home_counts_where_the_config_names_none() {
    let sshd = Sshd::start();
    let project = Project::web(&plain(&sshd));
    project.fails("not in known_hosts");
    project.write("home/.ssh/known_hosts", &sshd.known_hosts_line());
    assert_eq!(project.arrival()[2], sshd.port.to_string());
}

#[test]
fn a_host_known_without_its_port_is_known_on_every_port_and_another_key_there_proves_nothing() {
    let sshd = Sshd::start();
    let key = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    let keys = Keys::new();
    let with = |lines: String| {
        let known = show(&sshd.trust("kh", &lines));
        Project::web(&format!("{}UserKnownHostsFile {known}\n", plain(&sshd)))
    };
    with(format!("127.0.0.1 {key}")).same_as_ssh();
    with(format!("127.0.0.1 {}", keys.public("ca"))).fails_as_ssh("not in known_hosts");
    with(format!(
        "127.0.0.1 {key}[127.0.0.1]:{} {}",
        sshd.port,
        keys.public("ca")
    ))
    .fails_as_ssh("CHANGED");
    with(format!("127.0.0.1 {key}@revoked 127.0.0.1 {key}")).fails_as_ssh("revokes");
}

/// A server that shows a certificate, and the config of a client who knows only its authority.
fn certified(keys: &Keys, kind: &str, authority: &str, options: &[&str]) -> Sshd {
    named(keys, "host", kind, authority, options)
}

/// The server reads its files anew for each connection: two that are up at once need two names.
fn named(keys: &Keys, name: &str, kind: &str, authority: &str, options: &[&str]) -> Sshd {
    let key = keys.path(name);
    for file in ["", ".pub", "-cert.pub"] {
        // It is not there the first time.
        let _ = std::fs::remove_file(keys.path(&format!("{name}{file}")));
    }
    keys.make(name, kind);
    let certificate = keys.sign(authority, name, options);
    Sshd::with(&format!(
        "HostKey {}\nHostCertificate {}",
        show(&key),
        show(&certificate)
    ))
}

fn knowing(sshd: &Sshd, lines: &str, config: &str) -> Project {
    let known = show(&sshd.trust("authorities", lines));
    Project::web(&format!("{config}{}UserKnownHostsFile {known}\n", plain(sshd)))
}

#[test]
fn a_host_is_proven_by_a_certificate_of_an_authority_it_is_known_by() {
    let keys = Keys::new();
    keys.make("rsa-ca", "rsa");
    for (kind, ca) in [("ed25519", "ca"), ("ecdsa", "ca"), ("rsa", "ca"), ("ecdsa", "rsa-ca")] {
        let sshd = certified(&keys, kind, ca, &["-h", "-n", "a.example,127.0.0.1", "-V", "-5m:+1h"]);
        let line = format!("@cert-authority * {}", keys.public(ca));
        knowing(&sshd, &line, "").same_as_ssh();
        if kind != "ed25519" {
            continue;
        }
        // By the name of the line: with the port, and without.
        let line = format!("@cert-authority [127.0.0.*]:{} {}", sshd.port, keys.public(ca));
        knowing(&sshd, &line, "").same_as_ssh();
        let line = format!("@cert-authority 127.0.0.1 {}", keys.public(ca));
        knowing(&sshd, &line, "").same_as_ssh();
        let line = format!("@cert-authority 127.0.0.2 {}", keys.public(ca));
        knowing(&sshd, &line, "").fails_as_ssh("not in known_hosts");
        // By its alias.
        let line = format!("@cert-authority *.example {}", keys.public(ca));
        knowing(&sshd, &line, "HostKeyAlias a.example\n").same_as_ssh();
        knowing(&sshd, &line, "HostKeyAlias b.example\n").fails_as_ssh("not for b.example");
    }
}

#[test]
fn a_certificate_that_does_not_prove_the_host_is_refused_with_the_reason() {
    let keys = Keys::new();
    keys.make("other", "ed25519");
    let line = format!("@cert-authority * {}", keys.public("ca"));
    for (ca, options, why) in [
        (
            "ca",
            vec!["-h", "-n", "127.0.0.2"],
            "it is for 127.0.0.2, not for 127.0.0.1",
        ),
        (
            "ca",
            vec!["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"],
            "it has expired at 2020-01-0",
        ),
        (
            "ca",
            vec!["-h", "-n", "127.0.0.1", "-V", "20900101:20900102"],
            "it is valid only from 20",
        ),
        (
            "other",
            vec!["-h", "-n", "127.0.0.1"],
            "it shows no certificate of that authority",
        ),
    ] {
        let sshd = certified(&keys, "ecdsa", ca, &options);
        knowing(&sshd, &line, "").fails_as_ssh(why);
        assert_eq!(logins(&sshd), 0);
    }
    // Stricter than ssh, for which a certificate without names is good for every host.
    let sshd = certified(&keys, "ecdsa", "ca", &["-h"]);
    knowing(&sshd, &line, "").fails("it is for no host by name");
    let sshd = certified(&keys, "ecdsa", "ca", &["-h", "-n", "127.0.0.1"]);
    let revoked = format!("{line}@revoked * {}", keys.public("ca"));
    knowing(&sshd, &revoked, "").fails_as_ssh("revokes");
    let revoked = format!("{line}@revoked * {}", keys.public("host"));
    knowing(&sshd, &revoked, "").fails_as_ssh("revokes");
    // Who is listed by its own key needs no authority; who is listed by another needs one.
    let own = format!("[127.0.0.1]:{} {}", sshd.port, keys.public("host"));
    knowing(&sshd, &format!("@cert-authority * {}{own}", keys.public("other")), "").same_as_ssh();
    let not = format!("[127.0.0.1]:{} {}", sshd.port, keys.public("other"));
    knowing(&sshd, &not, "").fails_as_ssh("CHANGED");
    knowing(&sshd, &format!("{line}{not}"), "").same_as_ssh();
}

#[test]
fn a_bastion_and_the_host_behind_it_are_proven_by_one_authority() {
    let keys = Keys::new();
    let gate = named(&keys, "gate", "ecdsa", "ca", &["-h", "-n", "gate.example"]);
    let web = named(&keys, "web", "ecdsa", "ca", &["-h", "-n", "web.example"]);
    let known = show(&web.trust(
        "authorities",
        &format!("@cert-authority *.example {}", keys.public("ca")),
    ));
    let rest = format!("Host web gate\n  UserKnownHostsFile {known}\n");
    let alias = |name: &str, alias: &str| format!("Host {name}\n  HostKeyAlias {alias}\n");
    let config = |gate_alias: &str| {
        format!(
            "{rest}{}{}{}  ProxyJump gate\n{}",
            alias("gate", gate_alias),
            alias("web", "web.example"),
            block("web", &web),
            block("gate", &gate)
        )
    };
    Project::web(&config("gate.example")).same_as_ssh();
    Project::web(&config("web.example")).fails_as_ssh("not for web.example");
}
