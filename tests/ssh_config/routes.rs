//! Where a connection goes: blocks, includes, tokens, addresses, and who wins. Each beside the real `ssh`.

use super::project::{Project, block, logins, said, show};
use super::sshd::{Sshd, me};

#[test]
fn blocks_includes_and_tokens_lead_to_the_same_place_as_for_ssh() {
    let (web, other) = (Sshd::start(), Sshd::start());
    let project = Project::web("");
    let dir = show(&project.path("home/.ssh"));
    // Named by tokens: host, port and user.
    let copies = [
        ("id", format!("key-127.0.0.1-{}-{}", web.port, me())),
        ("known_hosts", "known-web".to_owned()),
    ];
    for (from, to) in &copies {
        project.write(
            &format!("home/.ssh/{to}"),
            &std::fs::read_to_string(web.path(from)).unwrap(),
        );
    }
    let key = "IdentityFile @DIR@/key-%h-%p-%r\n  IdentitiesOnly yes\n  UserKnownHostsFile @DIR@/known-%n\n";
    let there = format!("HostName 127.0.0.1\n  Port {}\n", web.port);
    let elsewhere = format!("HostName 127.0.0.1\n  Port {}\n", other.port);
    for config in [
        format!("Host web\n  {there}  User {}\n  {key}", me()),
        format!(
            "Match originalhost web\n  {there}Match host 127.0.0.1\n  User {}\n  {key}",
            me()
        ),
        format!("Host w*\n  User {}\nMatch user {}\n  {there}  {key}", me(), me()),
        format!("Include @DIR@/conf.d/*.conf\nHost web\n  {elsewhere}  {key}"),
        format!("Host !web *\n  {elsewhere}Host web\n  Include @DIR@/conf.d/one.conf\n  {key}"),
        format!(
            "Match host web !user somebody\n  User {}\n  {there}Match all\n  {elsewhere}  {key}",
            me()
        ),
        format!(
            "Host web\n  Tag far\nMatch tagged far\n  {there}  User {}\n  {key}",
            me()
        ),
        format!(
            "Match final host 127.0.0.1\n  User {}\n  {key}Host web\n  {there}",
            me()
        ),
    ] {
        project.write(
            "home/.ssh/conf.d/one.conf",
            &format!("Host web\n  {there}  User {}\n", me()),
        );
        project.write("home/.ssh/config", &config.replace("@DIR@", &dir));
        let ours = project.arrival();
        assert_eq!(ours[2..], [web.port.to_string(), me()], "{config}");
        // The installed ssh may be older than `Tag`.
        if !config.contains("Tag") {
            assert_eq!(project.of_ssh("web"), Ok(ours), "{config}");
        }
    }
    assert_eq!(logins(&other), 0);
}

#[test]
fn addresses_of_both_families_and_of_this_machine_are_taken_as_said() {
    let web = Sshd::with("ListenAddress ::1");
    let six = web.known_hosts_line().replace("127.0.0.1", "::1");
    let name = web.known_hosts_line().replace("127.0.0.1", "localhost");
    web.trust("known_hosts", &format!("{}{six}{name}", web.known_hosts_line()));
    for (lines, client, server) in [
        ("HostName ::1", "::1", "::1"),
        ("HostName 127.0.0.1\n  BindAddress 127.0.0.2", "127.0.0.2", "127.0.0.1"),
        ("HostName ::1\n  AddressFamily inet6\n  BindAddress ::1", "::1", "::1"),
        ("HostName localhost\n  AddressFamily inet", "127.0.0.1", "127.0.0.1"),
    ] {
        let there = Project::web(&format!("Host web\n  {lines}\n{}", block("web", &web))).same_as_ssh();
        assert_eq!(there[..2], [client, server], "{lines}");
    }
    let none = format!("Host web\n  AddressFamily inet6\n{}", block("web", &web));
    Project::web(&none).fails_as_ssh("no address of the kind");
    // An inventory writes an IPv6 bastion in brackets.
    let inventory = format!(
        "schema: 1\nhosts: {{ web: {{ jump: '{}@[::1]:{}' }} }}\n",
        me(),
        web.port
    );
    let there = Project::new(
        &inventory,
        &format!(
            "{}{}",
            block("web", &web),
            block("::1", &web).replace("HostName 127.0.0.1", "")
        ),
    );
    there.arrival();
}

#[test]
fn every_setting_of_the_inventory_wins_over_the_config() {
    let (web, gate) = (Sshd::start(), Sshd::start());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    let good = [
        ("address", "127.0.0.1".to_owned(), "HostName 127.0.0.9"),
        ("port", web.port.to_string(), "Port 1"),
        ("user", me(), "User wrong"),
        ("identity", show(&web.path("id")), "IdentityFile /nowhere"),
        ("known_hosts", show(&web.path("known_hosts")), "UserKnownHostsFile none"),
        ("jump", "gate".to_owned(), "ProxyJump nowhere.invalid"),
    ];
    let rest = block("gate", &gate);
    // A host with an address is looked up by it.
    let own = block("web 127.0.0.1", &web);
    // Each alone is wrong in the config; the inventory heals exactly that one.
    for (n, (key, value, wrong)) in good.iter().enumerate() {
        let own = match *key {
            // Of these every line counts.
            "identity" => own.replace(&format!("IdentityFile {value}"), wrong),
            _ => own.clone(),
        };
        let config = format!("Host web 127.0.0.1\n  {wrong}\n{own}{rest}");
        let inventory = format!("schema: 1\nhosts: {{ web: {{ {key}: {value} }}, gate: }}\n");
        let healed = Project::new(&inventory, &config);
        healed.arrival();
        let text = healed.doctor().1;
        assert!(text.contains(&format!("inventory: {key}")), "{n} {text}");
        assert_ne!(Project::web(&config).doctor().0, 0, "{wrong} harms nothing");
    }
    let slow = format!("Host web\n  HostName 127.0.0.1\n  Port {silent}\n  ConnectTimeout 600\n  User x\n");
    let inventory = "schema: 1\nhosts: { web: { connect_timeout: 1s } }\n";
    Project::new(inventory, &slow).fails("no answer within 1 s");
}

#[test]
fn the_config_is_the_home_s_or_the_one_that_is_named_or_none() {
    let web = Sshd::start();
    let project = Project::web("User wrong\n");
    project.write("other", &block("web", &web));
    project.write("broken", "Port x\n");
    assert_eq!(project.doctor().0, 1, "the home's says nothing of use");
    assert_eq!(project.doctor_with(&["--ssh-config", "other"]).0, 0);
    let (code, text) = project.doctor_with(&["--ssh-config", "none"]);
    assert!(code == 1 && !text.contains("ssh config:"), "{text}");
    for named in ["nowhere", "broken"] {
        let (code, text) = project.doctor_with(&["--ssh-config", named]);
        assert!(code == 2 && text.contains("help:"), "{text}");
    }
    let by_environment = project
        .command(env!("CARGO_BIN_EXE_pitstop"))
        .args(["run", "runbooks/look.yml"])
        .env("PITSTOP_SSH_CONFIG", "other")
        .output()
        .unwrap();
    assert_eq!(by_environment.status.code(), Some(0), "{}", said(&by_environment));
    // The option wins over the environment, as everywhere.
    let both = project
        .command(env!("CARGO_BIN_EXE_pitstop"))
        .args(["hosts", "--doctor", "--ssh-config", "none"])
        .env("PITSTOP_SSH_CONFIG", "other")
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(1), "{}", said(&both));
    project.write("home/.ssh/config", &block("web", &web));
    project.same_as_ssh();
}

#[test]
fn what_is_not_honoured_is_refused_before_any_server_is_spoken_to() {
    let web = Sshd::with("LogLevel VERBOSE");
    for (line, code) in [
        ("KnownHostsCommand /bin/true", "PS0459"),
        ("BindInterface lo", "PS0459"),
        ("RevokedHostKeys /dev/null", "PS0459"),
        ("RemoteCommand id", "PS0459"),
        ("SessionType none", "PS0459"),
        (
            "CanonicalDomains example.com\n  CanonicalizeHostname always\n  HostName www",
            "PS0461",
        ),
        ("ProxyJump a,,b", "PS0462"),
        ("IdentityFile /keys/%z", "PS0460"),
        ("HostName a%20b c", "PS0453"),
        ("Portt 22", "PS0452"),
    ] {
        let project = Project::web(&format!("Host web\n  {line}\n{}", block("web", &web)));
        for args in [&["run", "runbooks/look.yml"][..], &["hosts", "--doctor"]] {
            let out = project.run(args);
            assert_eq!(out.status.code(), Some(2), "{line}: {}", said(&out));
            let text = said(&out);
            assert!(
                text.contains(code) && text.contains("config:2:") && text.contains("help:"),
                "{text}"
            );
        }
        assert!(!project.path(".pitstop").exists(), "nothing was begun");
    }
    let log = std::fs::read_to_string(web.path("log")).unwrap();
    let spoken = log.lines().filter(|l| l.starts_with("Connection from")).count();
    assert_eq!(spoken, 1, "only the test that it had started: {log}");
}
