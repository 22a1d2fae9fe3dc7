//! The real binary reaches real servers by what an ssh config says, and by nothing else.

use std::process::Command;

use super::project::{Project, said, show};
use super::sshd::{Sshd, keygen, me};

#[test]
fn a_host_behind_a_bastion_is_reached_by_the_config_alone() {
    let (gate, web) = (Sshd::start(), Sshd::start());
    // Known by an alias alone.
    let key = std::fs::read_to_string(web.path("host_key.pub")).unwrap();
    let known = web.trust("known_alias", &format!("web-key {key}"));
    let config = format!(
        "Host web\n  HostName 127.0.0.1\n  Port {}\n  User {me}\n  IdentityFile {}\n  IdentitiesOnly yes\n  HostKeyAlias Web-Key\n  \
         UserKnownHostsFile {}\n  ProxyJump gate\nHost gate\n  HostName 127.0.0.1\n  Port {}\n  User {me}\n  IdentityFile {}\n  \
         UserKnownHostsFile {}\nHost *\n  StrictHostKeyChecking no\n  ForwardAgent yes\n",
        web.port,
        show(&web.path("id")),
        show(&known),
        gate.port,
        show(&gate.path("id")),
        show(&gate.path("known_hosts")),
        me = me(),
    );
    let project = Project::new("schema: 1\nhosts: { web: }\n", &config);
    let doctor = project.run(&["hosts", "--doctor"]);
    let text = said(&doctor);
    assert!(doctor.status.success(), "{text}");
    assert!(text.contains(&format!("Port {} (", web.port)), "{text}");
    assert!(
        text.contains("ProxyJump gate") && text.contains(".ssh/config:3)"),
        "{text}"
    );
    assert_eq!(project.run(&["run", "runbooks/look.yml"]).status.code(), Some(0));
    // Without the config there is no such host; without the bastion no way.
    assert_eq!(
        project
            .run(&["hosts", "--doctor", "--ssh-config", "none"])
            .status
            .code(),
        Some(1)
    );
    drop(gate);
    let lost = project.run(&["hosts", "--doctor"]);
    assert_eq!(lost.status.code(), Some(1), "{}", said(&lost));
}

/// The program is the operator's; host keys and logins stay ours.
#[test]
fn a_host_is_reached_over_the_program_that_the_config_names() {
    let (gate, web) = (Sshd::start(), Sshd::start());
    let over = |command: &str| {
        let config = format!(
            "Host web\n  HostName 127.0.0.1\n  Port {}\n  User {me}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  ProxyCommand {command}\n",
            web.port,
            show(&web.path("id")),
            show(&web.path("known_hosts")),
            me = me(),
        );
        Project::web(&config)
    };
    let ssh = format!(
        "ssh -F none -q -p {} -i {} -o UserKnownHostsFile={} -o BatchMode=yes -W %h:%p {}@127.0.0.1",
        gate.port,
        show(&gate.path("id")),
        show(&gate.path("known_hosts")),
        me(),
    );
    let project = over(&ssh);
    let text = project.reaches();
    assert!(
        text.contains("ProxyCommand ssh -F none") && text.contains(&format!("-W 127.0.0.1:{}", web.port)),
        "{text}"
    );
    let arrived = project.arrival();
    assert!(arrived.contains(&web.port.to_string()), "{arrived:?}");
    let still = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(&format!("-W 127.0.0.1:{}", web.port)) && line.starts_with("ssh ")).then_some(line)
    });
    assert_eq!(
        still.collect::<Vec<_>>(),
        Vec::<String>::new(),
        "its programs end with the run"
    );
    over("echo no way to %h today >&2; exit 3\n  ConnectTimeout 2")
        .fails("its ProxyCommand ended: no way to 127.0.0.1 today");
    over("true\n  ConnectTimeout 2").fails("its ProxyCommand ended before the server said anything");
    over("cat\n  ConnectTimeout 2").fails("127.0.0.1");
}

#[test]
fn a_known_host_is_asked_for_under_its_alias_and_never_taken_unknown() {
    let web = Sshd::start();
    let config = format!(
        "Host web\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  HostKeyAlias other\n  \
         StrictHostKeyChecking no\n",
        web.port,
        me(),
        show(&web.path("id")),
        show(&web.path("known_hosts")),
    );
    let project = Project::new("schema: 1\nhosts: { web: }\n", &config);
    let doctor = project.run(&["hosts", "--doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(said(&doctor).contains("not in known_hosts"), "{}", said(&doctor));
}

#[test]
fn a_certificate_opens_a_host_that_knows_only_its_authority() {
    let ca = tempfile::tempdir().unwrap();
    keygen(&ca.path().join("ca"), "ed25519", "");
    keygen(&ca.path().join("user"), "ed25519", "");
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(ca.path().join("ca"))
        .args(["-I", "test", "-n", &me()])
        .arg(ca.path().join("user.pub"))
        .status();
    assert!(signed.unwrap().success());
    // Beside its key it would be found without being named.
    std::fs::rename(ca.path().join("user-cert.pub"), ca.path().join("signed.pub")).unwrap();
    let web = Sshd::with(&format!("TrustedUserCAKeys {}", show(&ca.path().join("ca.pub"))));
    let with = |line: &str| {
        let config = format!(
            "HostName 127.0.0.1\nPort {}\nUser {}\nIdentityFile {}\nUserKnownHostsFile {}\nIdentitiesOnly yes\n{line}",
            web.port,
            me(),
            show(&ca.path().join("user")),
            show(&web.path("known_hosts")),
        );
        let doctor = Project::new("schema: 1\nhosts: { web: }\n", &config).run(&["hosts", "--doctor"]);
        (doctor.status.code(), said(&doctor))
    };
    let (code, text) = with(&format!("CertificateFile {}\n", show(&ca.path().join("signed.pub"))));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = with("");
    assert_eq!(code, Some(1), "the key alone opens nothing: {text}");
}

#[test]
fn what_the_inventory_says_wins_over_the_config() {
    let web = Sshd::start();
    let inventory = format!(
        "schema: 1\nhosts:\n  web: {{ address: 127.0.0.1, port: {}, user: {}, identity: {}, known_hosts: {} }}\n",
        web.port,
        me(),
        show(&web.path("id")),
        show(&web.path("known_hosts")),
    );
    let config =
        "Host *\n  HostName 127.0.0.9\n  Port 1\n  User wrong\n  IdentityFile /nowhere\n  UserKnownHostsFile none\n";
    let project = Project::new(&inventory, config);
    let doctor = project.run(&["hosts", "--doctor"]);
    assert!(doctor.status.success(), "{}", said(&doctor));
    assert!(
        said(&doctor).contains("inventory: address, port, user, identity, known_hosts"),
        "{}",
        said(&doctor)
    );
}

#[test]
fn a_config_that_cannot_be_honoured_stops_a_run_before_it_begins_and_only_warns_a_plan() {
    let project = Project::new(
        "schema: 1\nhosts: { web: }\n",
        "Host web\n  User tess\n  KnownHostsCommand /bin/keys %H\n",
    );
    let run = project.run(&["run", "runbooks/look.yml"]);
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    assert!(
        said(&run).contains("PS0459") && said(&run).contains("config:3"),
        "{}",
        said(&run)
    );
    assert!(!project.path(".pitstop").exists(), "nothing was begun");
    let plan = project.run(&["plan", "runbooks/look.yml"]);
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    assert!(said(&plan).contains("would refuse this plan"), "{}", said(&plan));
    // `check` reads no config at all.
    let check = project.run(&["check"]);
    assert!(!said(&check).contains("PS0459"), "{}", said(&check));
}

#[test]
fn the_page_shows_what_comes_from_the_config_and_the_digest_does_not_change() {
    let project = Project::new("schema: 1\nhosts: { web: }\n", "Host web\n  User tess\n");
    let out = |args: &[&str]| said(&project.run(args));
    let with = out(&["plan", "runbooks/look.yml", "--format", "md"]);
    let line = with
        .lines()
        .find(|l| l.starts_with("| User |"))
        .unwrap_or_else(|| panic!("{with}"));
    assert!(
        line.contains("tess") && line.contains(".ssh/config:2") && line.contains("web"),
        "{line}"
    );
    let without = out(&["plan", "runbooks/look.yml", "--format", "md", "--ssh-config", "none"]);
    assert!(!without.contains("tess"), "{without}");
    let digest = |page: &str| {
        page.lines()
            .find(|l| l.contains("Signed is the digest"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(digest(&with), digest(&without));
}
