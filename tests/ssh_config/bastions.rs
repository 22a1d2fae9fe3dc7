//! Hosts behind one real bastion and behind two, by `ProxyJump` and by the inventory's `jump`.

use std::net::TcpListener;

use super::project::{Project, block, logins, said, show};
use super::sshd::{Sshd, keygen, me};

/// A `known_hosts` line for this server with a key that is not its own.
fn another_key(sshd: &Sshd) -> String {
    keygen(&sshd.path("another"), "ed25519", "");
    let key = std::fs::read_to_string(sshd.path("another.pub")).unwrap();
    format!("[127.0.0.1]:{} {key}", sshd.port)
}

#[test]
fn a_host_behind_two_bastions_is_reached_over_both() {
    let (outer, inner, web) = (Sshd::start(), Sshd::start(), Sshd::start());
    for way in [
        format!("{}  ProxyJump outer,inner\n", block("web", &web)),
        // The same, each hop said where it begins.
        format!(
            "{}  ProxyJump inner\nHost inner\n  ProxyJump outer\n",
            block("web", &web)
        ),
    ] {
        let before = [logins(&outer), logins(&inner), logins(&web)];
        let config = format!("{way}{}{}", block("inner", &inner), block("outer", &outer));
        let project = Project::web(&config);
        let there = project.arrival();
        assert_eq!(there[2..], [web.port.to_string(), me()]);
        let after = [logins(&outer), logins(&inner), logins(&web)];
        assert_eq!(after, before.map(|n| n + 1), "one login at each");
        assert_eq!(project.of_ssh("web"), Ok(there));
    }
    // Nothing of ours is left at the bastions.
    for bastion in [&outer, &inner] {
        bastion.wait_until_nobody_is_there();
    }
    drop(outer);
    let config = format!(
        "{}  ProxyJump outer,inner\n{}Host outer\n  HostName 127.0.0.1\n  Port 1\n",
        block("web", &web),
        block("inner", &inner)
    );
    let before = logins(&inner);
    Project::web(&config).fails_as_ssh("connecting to outer (127.0.0.1:1)");
    assert_eq!(logins(&inner), before, "no other way was tried");
}

#[test]
fn every_bastion_on_the_way_must_show_its_own_key() {
    let (outer, inner, web) = (Sshd::start(), Sshd::start(), Sshd::start());
    let config = format!(
        "{}  ProxyJump outer,inner\n{}{}Host *\n  StrictHostKeyChecking yes\n",
        block("web", &web),
        block("inner", &inner),
        block("outer", &outer)
    );
    let project = Project::web(&config);
    project.reaches();
    for (bastion, name) in [(&outer, "outer"), (&inner, "inner")] {
        let before = logins(&web);
        let good = bastion.known_hosts_line();
        bastion.trust("known_hosts", &another_key(bastion));
        project.fails_as_ssh("THE HOST KEY HAS CHANGED");
        assert!(project.fails("checking the host key of").contains(name));
        bastion.trust("known_hosts", "");
        project.fails_as_ssh("not in known_hosts");
        bastion.trust(
            "known_hosts",
            &format!("{good}@revoked * {}", &good[good.find(" ").unwrap()..]),
        );
        project.fails_as_ssh("revokes");
        assert_eq!(logins(&web), before, "nobody went on behind {name}");
        bastion.trust("known_hosts", &good);
        std::fs::remove_file(bastion.path("another")).unwrap();
    }
    project.reaches();
}

#[test]
fn a_bastion_that_one_host_trusts_is_not_trusted_for_another() {
    let (gate, good, bad) = (Sshd::start(), Sshd::start(), Sshd::start());
    let wrong = bad.trust("wrong", &format!("{}{}", another_key(&gate), bad.known_hosts_line()));
    let right = good.trust(
        "right",
        &format!("{}{}", gate.known_hosts_line(), good.known_hosts_line()),
    );
    let key = std::fs::read_to_string(gate.path("id.pub")).unwrap();
    let host = |name: &str, sshd: &Sshd, known: &std::path::Path| {
        std::fs::write(sshd.path("authorized_keys"), &key).unwrap();
        format!(
            "  {name}: {{ address: 127.0.0.1, port: {}, user: {me}, identity: {}, known_hosts: {}, jump: '{me}@127.0.0.1:{}' }}\n",
            sshd.port,
            show(&gate.path("id")),
            show(known),
            gate.port,
            me = me(),
        )
    };
    let inventory = format!(
        "schema: 1\nhosts:\n{}{}",
        host("bad", &bad, &wrong),
        host("good", &good, &right)
    );
    let text = Project::new(&inventory, "").fails("THE HOST KEY HAS CHANGED");
    assert!(text.contains("good  good:") && text.contains("WRONG bad:"), "{text}");
    assert_eq!((logins(&good), logins(&bad)), (1, 0));
}

#[test]
fn hosts_behind_one_bastion_share_one_login_at_it_whoever_names_it() {
    let gate = Sshd::start();
    let hosts: Vec<Sshd> = (0..4).map(|_| Sshd::start()).collect();
    let mut inventory = String::from("schema: 1\nhosts:\n");
    let mut config = block("gate", &gate);
    for (n, sshd) in hosts.iter().enumerate() {
        // Two are sent over it by the inventory, two by the config.
        let jump = if n % 2 == 0 { "" } else { "  ProxyJump gate\n" };
        config.push_str(&format!("{}{jump}", block(&format!("h{n}"), sshd)));
        let jump = if n % 2 == 0 { "jump: gate" } else { "" };
        inventory.push_str(&format!("  h{n}: {{ {jump} }}\n"));
    }
    inventory.push_str("  gate:\n");
    let project = Project::new(&inventory, &config);
    let (code, text) = project.doctor_with(&["--limit", "host=h*"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(logins(&gate), 1, "{text}");
    assert!(hosts.iter().all(|h| logins(h) == 1));
    gate.wait_until_nobody_is_there();
}

#[test]
fn every_phase_on_the_way_over_a_bastion_has_the_limit_of_its_host() {
    let (gate, web) = (Sshd::start(), Sshd::start());
    // They take the connection and say nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mute = |name: &str| format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User x\n  ConnectTimeout 1\n");
    let behind = format!("{}  ProxyJump gate\n{}", mute("web"), block("gate", &gate));
    Project::web(&behind).fails("greeting web (127.0.0.1:");
    let text = Project::web(&format!("{}  ProxyJump gate\n{}", block("web", &web), mute("gate")))
        .fails("no answer within 1 s");
    assert!(text.contains("greeting gate"), "{text}");
    // Where nobody listens behind a good bastion, the bastion says so.
    let closed = format!(
        "Host web\n  HostName 127.0.0.1\n  Port 1\n  User x\n  ProxyJump gate\n{}",
        block("gate", &gate)
    );
    Project::web(&closed).fails_as_ssh("through gate");
    let shut = Sshd::with("AllowTcpForwarding no");
    let no = format!("{}  ProxyJump gate\n{}", block("web", &web), block("gate", &shut));
    Project::web(&no).fails_as_ssh("it must allow TCP forwarding");
}

#[test]
fn a_way_that_goes_round_in_a_circle_ends_before_anything_is_connected() {
    let gate = Sshd::start();
    let config = format!(
        "{}  ProxyJump other\nHost other\n  HostName 127.0.0.2\n  User x\n  ProxyJump gate\nHost web\n  ProxyJump gate\n",
        block("gate", &gate)
    );
    let project = Project::web(&config);
    let out = project.run(&["run", "runbooks/look.yml"]);
    assert_eq!(out.status.code(), Some(2), "{}", said(&out));
    assert!(said(&out).contains("go in a circle"), "{}", said(&out));
    let out = project.run(&["hosts", "--doctor"]);
    assert_eq!(out.status.code(), Some(2), "{}", said(&out));
    assert_eq!(logins(&gate), 0);
}

#[test]
fn an_inventory_s_bastion_wins_over_the_config_s() {
    let (gate, other, web) = (Sshd::start(), Sshd::start(), Sshd::start());
    let config = format!(
        "{}  ProxyJump other\n{}{}",
        block("web", &web),
        block("gate", &gate),
        block("other", &other)
    );
    let project = Project::new("schema: 1\nhosts: { web: { jump: gate }, gate: }\n", &config);
    project.arrival();
    assert_eq!((logins(&gate), logins(&other)), (1, 0));
    // A bastion with address and user of its own needs no host of the inventory.
    let inventory = format!(
        "schema: 1\nhosts: {{ web: {{ jump: '{}@gate:{}' }} }}\n",
        me(),
        gate.port
    );
    Project::new(&inventory, &config).arrival();
    assert_eq!((logins(&gate), logins(&other)), (2, 0));
}
