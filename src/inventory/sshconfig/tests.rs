//! The reader without OpenSSH beside it: files in memory, and what `ssh -G` of today's machines cannot be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

/// Path → text, owner and mode.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, (String, Stat)>);

impl Files for Memory {
    fn read(&self, path: &Path) -> std::io::Result<(Vec<u8>, Stat)> {
        let found = self.0.get(path).ok_or(std::io::ErrorKind::NotFound)?;
        Ok((found.0.clone().into_bytes(), found.1))
    }

    fn entries(&self, dir: &Path) -> Vec<String> {
        let below = self.0.keys().filter_map(|p| p.strip_prefix(dir).ok());
        let first = below.filter_map(|p| Some(p.components().next()?.as_os_str().to_str()?.to_owned()));
        first.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.keys().any(|p| p.starts_with(path))
    }
}

const MINE: Stat = Stat { uid: 1000, mode: 0o600 };

fn config(files: &[(&str, &str, Stat)]) -> SshConfig<Memory> {
    let operator = Operator {
        home: "/home/tess".into(),
        user: "tess".to_owned(),
        uid: 1000,
        machine: "control.example.com".to_owned(),
        env: BTreeMap::from([("DIR".to_owned(), "x".to_owned())]),
        homes: BTreeMap::from([("anna".to_owned(), PathBuf::from("/home/anna"))]),
        system: "/etc/ssh/ssh_config".into(),
    };
    let files = files
        .iter()
        .map(|(path, text, stat)| (PathBuf::from(path), ((*text).to_owned(), *stat)));
    SshConfig::new(Which::Usual, operator, Memory(files.collect()))
}

fn own(text: &str) -> SshConfig<Memory> {
    config(&[("/home/tess/.ssh/config", text, MINE)])
}

fn ask<'a>(host: &'a str) -> Asked<'a> {
    Asked {
        host,
        ..Asked::default()
    }
}

fn codes(config: &SshConfig<Memory>, host: &str) -> Vec<&'static str> {
    match config.resolve(&ask(host)) {
        Ok(_) => Vec::new(),
        Err(diags) => diags.0.iter().map(|d| d.code).collect(),
    }
}

#[test]
fn the_operator_s_own_file_is_read_before_the_system_s_and_both_may_be_missing() {
    let both = config(&[
        ("/home/tess/.ssh/config", "Host web\n User mine\n", MINE),
        (
            "/etc/ssh/ssh_config",
            "User theirs\nPort 2200\n",
            Stat { uid: 0, mode: 0o666 },
        ),
    ]);
    let said = both.resolve(&ask("web")).unwrap();
    assert_eq!(said.user.unwrap().value, "mine");
    assert_eq!(said.port.unwrap().value, 2200);
    assert_eq!(both.resolve(&ask("db")).unwrap().user.unwrap().value, "theirs");
    let none = config(&[]).resolve(&ask("Web")).unwrap();
    assert_eq!((none.hostname.as_str(), none.said().len()), ("web", 0));
}

#[test]
fn a_file_that_others_can_write_is_refused_and_so_is_one_of_somebody_else() {
    for (stat, expected) in [
        (Stat { uid: 1000, mode: 0o644 }, vec![]),
        (Stat { uid: 0, mode: 0o644 }, vec![]),
        (Stat { uid: 1000, mode: 0o664 }, vec!["PS0451"]),
        (Stat { uid: 1000, mode: 0o602 }, vec!["PS0451"]),
        (Stat { uid: 1001, mode: 0o600 }, vec!["PS0451"]),
    ] {
        assert_eq!(
            codes(&config(&[("/home/tess/.ssh/config", "User x\n", stat)]), "web"),
            expected,
            "{stat:?}"
        );
        let included = config(&[
            ("/home/tess/.ssh/config", "Include more\n", MINE),
            ("/home/tess/.ssh/more", "User x\n", stat),
        ]);
        assert_eq!(codes(&included, "web"), expected, "{stat:?}");
    }
}

#[test]
fn includes_are_relative_to_the_folder_of_their_owner() {
    let c = config(&[
        (
            "/home/tess/.ssh/config",
            "Include conf.d/*.conf ~anna/shared ${DIR}/%u\n",
            MINE,
        ),
        ("/home/tess/.ssh/conf.d/b.conf", "User b\nPort 2\n", MINE),
        ("/home/tess/.ssh/conf.d/a.conf", "User a\n", MINE),
        ("/home/tess/.ssh/conf.d/.c.conf", "User hidden\n", MINE),
        (
            "/home/anna/shared",
            "HostKeyAlias shared\n",
            Stat { uid: 0, mode: 0o644 },
        ),
        ("/home/tess/.ssh/x/tess", "ConnectTimeout 7\n", MINE),
        (
            "/etc/ssh/ssh_config",
            "Include ssh_config.d/*\n",
            Stat { uid: 0, mode: 0o644 },
        ),
        (
            "/etc/ssh/ssh_config.d/x",
            "AddressFamily inet\n",
            Stat { uid: 0, mode: 0o644 },
        ),
    ]);
    let said = c.resolve(&ask("web")).unwrap();
    let told: Vec<String> = said
        .said()
        .into_iter()
        .map(|(name, value, at)| format!("{name} {value} {at}"))
        .collect();
    assert_eq!(
        told,
        [
            "Port 2 /home/tess/.ssh/conf.d/b.conf:2",
            "User a /home/tess/.ssh/conf.d/a.conf:1",
            "HostKeyAlias shared /home/anna/shared:1",
            "ConnectTimeout 7 s /home/tess/.ssh/x/tess:1",
            "AddressFamily inet /etc/ssh/ssh_config.d/x:1",
        ]
    );
}

#[test]
fn includes_without_an_end_are_refused() {
    assert_eq!(codes(&own("Include config\n"), "web"), ["PS0457"]);
    let wide: String = "Include a\nInclude b\n".to_owned();
    let both = config(&[
        ("/home/tess/.ssh/config", &wide, MINE),
        ("/home/tess/.ssh/a", &wide, MINE),
        ("/home/tess/.ssh/b", &wide, MINE),
    ]);
    let begin = std::time::Instant::now();
    assert!(codes(&both, "web").contains(&"PS0457"));
    assert!(begin.elapsed().as_secs() < 20, "two to the sixteenth files were read");
    assert_eq!(
        codes(&config(&[("/etc/ssh/ssh_config", "Include ~/x\n", MINE)]), "web"),
        ["PS0457"]
    );
    assert_eq!(codes(&own("Include ~nobody/x\n"), "web"), ["PS0457"]);
}

#[test]
fn a_file_of_mistakes_that_includes_itself_is_read_once_and_a_half() {
    // Found by the fuzzer: every mistake was told anew for each of a thousand readings.
    let text = format!("{}Include config more*\n", "Bogs x\nUserr y\n".repeat(100));
    let c = config(&[
        ("/home/tess/.ssh/config", &text, MINE),
        ("/home/tess/.ssh/more1", &text, MINE),
        ("/home/tess/.ssh/more2", &text, MINE),
    ]);
    assert_eq!(codes(&c, "web").len(), 50, "no more are told, and none is looked for");
    let text = format!("{}Include config more*\n", "User x\n".repeat(100));
    let c = config(&[
        ("/home/tess/.ssh/config", &text, MINE),
        ("/home/tess/.ssh/more1", &text, MINE),
    ]);
    assert_eq!(codes(&c, "web"), ["PS0457"], "the first of them ends the reading");
}

#[test]
fn criteria_of_newer_versions_hold_or_are_refused() {
    for (line, user) in [
        ("Match tagged prod", Some("u")),
        ("Match tagged test", None),
        ("Match !tagged test", Some("u")),
        ("Match tagged \"\"", None),
        ("Match sessiontype exec", Some("u")),
        ("Match sessiontype shell", None),
        ("Match host=web", Some("u")),
        ("Match !final host web", Some("u")),
        // Decided before it is asked.
        ("Match host db exec \"touch /tmp/x\"", None),
        ("Match host db localnetwork 10.0.0.0/8", None),
    ] {
        let said = own(&format!("Tag prod\n{line}\n User u\n")).resolve(&ask("web"));
        let said = said.unwrap_or_else(|d| panic!("{line}: {:?}", d.0[0].message));
        assert_eq!(said.user.map(|u| u.value).as_deref(), user, "{line}");
    }
    for name in ["exec true", "localnetwork 10.0.0.0/8", "version *", "command x"] {
        assert_eq!(
            codes(&own(&format!("Match host web {name}\n User u\n")), "web"),
            ["PS0456"],
            "{name}"
        );
        let never = config(&[
            ("/home/tess/.ssh/config", "Host db\n Include more\n", MINE),
            ("/home/tess/.ssh/more", &format!("Match {name}\n"), MINE),
        ]);
        assert_eq!(codes(&never, "web"), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn what_the_inventory_says_wins_and_is_not_told_again() {
    let c = own("User u\nPort 99\nHostName other\nProxyJump gate\nMatch user ops host 10.0.0.1\n HostKeyAlias seen\n");
    let hops = [];
    let asked = Asked {
        host: "web",
        address: Some("10.0.0.1"),
        user: Some("ops"),
        port: Some(22),
        jump: Some(&hops),
    };
    let said = c.resolve(&asked).unwrap();
    assert_eq!(said.hostname, "10.0.0.1");
    let told: Vec<&str> = said.said().iter().map(|(name, ..)| *name).collect();
    assert_eq!(told, ["HostKeyAlias"]);
}

#[test]
fn methods_that_are_left_out_are_not_used() {
    for (text, public_key, password) in [
        ("", None, None),
        ("PreferredAuthentications publickey", None, Some(false)),
        (
            "PreferredAuthentications password,keyboard-interactive",
            Some(false),
            None,
        ),
        ("PreferredAuthentications gssapi-with-mic", Some(false), Some(false)),
        ("PasswordAuthentication no", None, None),
        (
            "PasswordAuthentication no\nKbdInteractiveAuthentication no",
            None,
            Some(false),
        ),
        ("PubkeyAuthentication no", Some(false), None),
    ] {
        let said = own(text).resolve(&ask("web")).unwrap();
        let value = |v: Option<crate::diag::Spanned<bool>>| v.map(|v| v.value);
        assert_eq!(
            (value(said.public_key), value(said.password)),
            (public_key, password),
            "{text}"
        );
    }
}

#[test]
fn bastions_take_tokens_and_users_too() {
    let said = own("User %u-x\nProxyJump %r@gate-%h:2%%\n").resolve(&ask("web"));
    assert_eq!(said.unwrap_err().0[0].code, "PS0462");
    let said = own("User %u-x\nProxyJump %r@gate-%h\n").resolve(&ask("web")).unwrap();
    assert_eq!(said.user.unwrap().value, "tess-x");
    let hops = said.jump.unwrap().value;
    assert_eq!(hops[0].host, "gate-web");
    assert_eq!(hops[0].user.as_deref(), Some("tess-x"));
}

#[test]
fn hosts_that_no_line_of_a_log_could_hold_are_refused() {
    for text in [
        "HostName \"a b\"\n",
        "HostName -oProxyCommand=x\n",
        "User \"a b\"\n",
        "User -l\n",
    ] {
        assert_eq!(codes(&own(text), "web"), ["PS0463"], "{text}");
    }
    assert_eq!(codes(&own("RefuseConnection \"not from here\"\n"), "web"), ["PS0459"]);
}

#[test]
fn a_mistake_is_told_at_its_place_with_a_hint() {
    let diags = own("Host web\n  HostNam x\n").resolve(&ask("db")).unwrap_err();
    let text = crate::diag::render::human(&diags, false, 80);
    assert!(text.contains("/home/tess/.ssh/config:2:3"), "{text}");
    assert!(text.contains("did you mean `hostname`?"), "{text}");
}
