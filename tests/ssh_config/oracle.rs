//! What `ssh -G` says, what we say, and whether it is the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use pitstop::inventory::sshconfig::{AgentAt, Asked, Family, Hop, OnDisk, Operator, Settings, SshConfig, Which};

/// What is asked beside the config.
#[derive(Clone, Debug)]
pub struct Asks {
    host: String,
    user: Option<String>,
    port: Option<u16>,
    address: Option<String>,
}

impl Asks {
    pub fn of(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            user: None,
            port: None,
            address: None,
        }
    }

    /// The host alone, and with options that win.
    pub fn all(host: &str) -> Vec<Self> {
        let alone = Self::of(host);
        let with = Self {
            user: Some("ops".to_owned()),
            port: Some(2200),
            address: Some("10.9.8.7".to_owned()),
            ..alone.clone()
        };
        vec![alone, with]
    }
}

/// What ssh says.
pub enum Said {
    Answer(BTreeMap<String, Vec<String>>),
    Refused(String),
}

/// A folder for config files; `@DIR@` in a config stands for it.
pub struct Room {
    dir: tempfile::TempDir,
    operator: Operator,
}

impl Room {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let found = Operator::from_env();
        // ssh asks the password file for the home, never the environment.
        let home = found.homes.get(&found.user).cloned();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let own = passwd
            .lines()
            .map(|l| l.split(':').collect::<Vec<_>>())
            .find(|f| f.get(2) == Some(&found.uid.to_string().as_str()))
            .expect("this user is in /etc/passwd");
        let operator = Operator {
            user: own[0].to_owned(),
            home: home.unwrap_or_else(|| PathBuf::from(own[5])),
            env: BTreeMap::from([("PITSTOP_TEST".to_owned(), "from-env".to_owned())]),
            ..found
        };
        let room = Self { dir, operator };
        for (name, text) in super::cases::FILES {
            room.write(name, text);
        }
        room
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("@DIR@", self.dir.path().to_str().unwrap())).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn config(&self, text: &str) -> PathBuf {
        self.write("config", text);
        self.dir.path().join("config")
    }

    /// Asks OpenSSH.
    pub fn ssh(&self, config: &str, asks: &Asks) -> Said {
        let mut command = Command::new("ssh");
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PITSTOP_TEST", "from-env");
        command.arg("-F").arg(self.config(config)).arg("-G");
        if let Some(user) = &asks.user {
            command.args(["-l", user]);
        }
        if let Some(port) = asks.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(address) = &asks.address {
            command.arg(format!("-oHostName={address}"));
        }
        let out = command
            .arg("--")
            .arg(&asks.host)
            .output()
            .expect("openssh-client is installed");
        if !out.status.success() {
            return Said::Refused(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        let mut answer: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            answer.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Said::Answer(answer)
    }

    /// Asks our reader. The error is the codes.
    pub fn ours(&self, config: &str, asks: &Asks) -> Result<Settings, Vec<&'static str>> {
        let config = SshConfig::new(Which::File(self.config(config)), self.operator.clone(), OnDisk);
        let asked = Asked {
            host: &asks.host,
            address: asks.address.as_deref(),
            user: asks.user.as_deref(),
            port: asks.port,
            jump: None,
        };
        config
            .resolve(&asked)
            .map_err(|diags| diags.0.iter().map(|d| d.code).collect())
    }

    /// Both say the same, or both refuse. True: they took it.
    pub fn compare(&self, config: &str, asks: &Asks) -> bool {
        let shown = config.replace("@DIR@", self.dir.path().to_str().unwrap());
        match (self.ssh(config, asks), self.ours(config, asks)) {
            (Said::Refused(_), Err(_)) => false,
            (Said::Answer(theirs), Ok(ours)) => {
                let (theirs, ours) = (self.theirs(&theirs), self.told(&ours, asks));
                assert_eq!(ours, theirs, "{asks:?} under\n{shown}");
                true
            }
            (Said::Refused(why), Ok(_)) => panic!("ssh refuses ({why}), we do not: {asks:?} under\n{shown}"),
            (Said::Answer(_), Err(codes)) => panic!("we refuse ({codes:?}), ssh does not: {asks:?} under\n{shown}"),
        }
    }

    /// The part of ssh's answer that matters, in one form.
    fn theirs(&self, answer: &BTreeMap<String, Vec<String>>) -> BTreeMap<&'static str, String> {
        let first = |name: &str| answer.get(name).and_then(|v| v.first()).cloned().unwrap_or_default();
        let paths = |list: &[String]| -> Vec<String> {
            let said = list.iter().filter(|p| !p.eq_ignore_ascii_case("none"));
            said.map(|p| self.operator.home_of(p)).collect()
        };
        let usual = self.usual_keys();
        let identity = answer.get("identityfile").cloned().unwrap_or_default();
        let words = |name: &str| -> Vec<String> {
            first(name)
                .split(' ')
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let jump = answer.get("proxyjump").map(|v| hops(&v[0])).unwrap_or_default();
        // `-G` shows it as it is written.
        let mut proxy = first("proxycommand");
        for (token, keyword) in [("%h", "hostname"), ("%p", "port"), ("%r", "user")] {
            proxy = proxy.replace(token, &first(keyword));
        }
        BTreeMap::from([
            ("hostname", first("hostname")),
            ("port", first("port")),
            ("user", first("user")),
            (
                "identity",
                if identity == usual {
                    "usual".to_owned()
                } else {
                    paths(&identity).join(" ")
                },
            ),
            (
                "certificates",
                paths(&answer.get("certificatefile").cloned().unwrap_or_default()).join(" "),
            ),
            ("identities_only", first("identitiesonly")),
            ("agent", first("identityagent")),
            ("alias", first("hostkeyalias")),
            ("jump", format!("{jump:?}")),
            ("proxy", proxy),
            ("user_known", paths(&words("userknownhostsfile")).join(" ")),
            ("global_known", paths(&words("globalknownhostsfile")).join(" ")),
            ("timeout", first("connecttimeout").replace("none", "0")),
            ("family", first("addressfamily")),
            ("bind", first("bindaddress")),
            (
                "public_key",
                if first("pubkeyauthentication") == "false" {
                    "no"
                } else {
                    "yes"
                }
                .to_owned(),
            ),
            (
                "password",
                both(&first("passwordauthentication"), &first("kbdinteractiveauthentication")),
            ),
        ])
    }

    fn usual_keys(&self) -> Vec<String> {
        let names = ["rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa"];
        names.iter().map(|n| format!("~/.ssh/id_{n}")).collect()
    }

    /// Our answer in the same form, with OpenSSH's defaults filled in.
    fn told(&self, s: &Settings, asks: &Asks) -> BTreeMap<&'static str, String> {
        let home = |path: &str| self.operator.home_of(path);
        let list = |l: &[pitstop::diag::Spanned<PathBuf>]| -> String {
            l.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let asked_or = |asked: &Option<String>, said: Option<String>| asked.clone().or(said);
        let yes = |v: bool| (if v { "yes" } else { "no" }).to_owned();
        let user = asked_or(&asks.user, s.user.as_ref().map(|u| u.value.clone()));
        let jump = s.jump.as_ref().map(|j| j.value.clone()).unwrap_or_default();
        BTreeMap::from([
            ("hostname", s.hostname.clone()),
            (
                "port",
                asks.port.or(s.port.as_ref().map(|p| p.value)).unwrap_or(22).to_string(),
            ),
            ("user", user.unwrap_or_else(|| self.operator.user.clone())),
            ("identity", s.identity.as_ref().map_or("usual".to_owned(), |l| list(l))),
            ("certificates", list(&s.certificates)),
            (
                "identities_only",
                yes(s.identities_only.as_ref().is_some_and(|v| v.value)),
            ),
            (
                "agent",
                s.agent.as_ref().map_or(String::new(), |a| match &a.value {
                    AgentAt::Nowhere => "none".to_owned(),
                    AgentAt::Usual => "SSH_AUTH_SOCK".to_owned(),
                    AgentAt::Socket(p) => p.display().to_string(),
                }),
            ),
            ("alias", s.key_alias.as_ref().map_or(String::new(), |a| a.value.clone())),
            ("jump", format!("{jump:?}")),
            (
                "proxy",
                s.proxy_command.as_ref().map(|p| p.value.clone()).unwrap_or_default(),
            ),
            (
                "user_known",
                s.user_known_hosts.as_ref().map_or_else(
                    || format!("{} {}", home("~/.ssh/known_hosts"), home("~/.ssh/known_hosts2")),
                    |l| list(l),
                ),
            ),
            (
                "global_known",
                s.global_known_hosts.as_ref().map_or_else(
                    || "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2".to_owned(),
                    |l| list(l),
                ),
            ),
            (
                "timeout",
                s.connect_timeout.as_ref().map_or(0, |t| t.value.as_secs()).to_string(),
            ),
            (
                "family",
                match s.family.as_ref().map(|f| f.value) {
                    None | Some(Family::Any) => "any",
                    Some(Family::V4) => "inet",
                    Some(Family::V6) => "inet6",
                }
                .to_owned(),
            ),
            ("bind", s.bind.as_ref().map_or(String::new(), |b| b.value.clone())),
            ("public_key", yes(s.public_key.as_ref().is_none_or(|v| v.value))),
            ("password", yes(s.password.as_ref().is_none_or(|v| v.value))),
        ])
    }
}

fn both(password: &str, interactive: &str) -> String {
    (if password == "no" && interactive == "no" {
        "no"
    } else {
        "yes"
    })
    .to_owned()
}

/// `a,ssh://b:1,c@[::1]:22` as ssh prints it.
fn hops(text: &str) -> Vec<Hop> {
    let one = |part: &str| {
        let part = part.strip_prefix("ssh://").unwrap_or(part);
        let (user, place) = match part.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, part),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("")),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        Hop {
            host: host.to_owned(),
            user,
            port: port.parse().ok(),
        }
    };
    text.split(',').map(one).collect()
}

trait HomeOf {
    fn home_of(&self, path: &str) -> String;
}

impl HomeOf for Operator {
    /// What ssh prints unexpanded.
    fn home_of(&self, path: &str) -> String {
        path.strip_prefix("~/")
            .map_or(path.to_owned(), |rest| format!("{}/{rest}", self.home.display()))
    }
}
