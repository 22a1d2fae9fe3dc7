//! How each host of a plan is reached: transports and endpoints.
//!
//! Owns: filling in secrets, key files and bastions. Must not: connect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::action::Hands;
use crate::diag::{Diagnostics, Spanned};
use crate::id::{HostName, RunId};
use crate::inventory::CONNECT_TIMEOUT;
use crate::inventory::sshconfig::{AgentAt, Asked, Family, Hop, Settings, SshConfig};
use crate::key::passphrase;
use crate::plan::page::FromConfig;
use crate::plan::{Plan, PlannedHost, TransportKind};
use crate::secret::Secret;
use crate::transport::{CMD, Endpoint, LocalTransport, Method, Privilege, SHELL, Way};
use crate::transport::{SshOptions, SshTransport};

use super::console::Console;
use super::problem::Problem;

/// A bastion behind a bastion behind … ends here.
const MOST_JUMPS: usize = 4;

/// What endpoints are made from.
pub struct Means<'a> {
    /// All hosts: a bastion is one of them, or an address.
    pub hosts: &'a [PlannedHost],
    /// Values of secrets.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// Relative paths of key files begin here.
    pub root: &'a Path,
    /// On whose behalf.
    pub run: &'a RunId,
    /// What the inventory does not say.
    pub config: &'a SshConfig,
}

/// Adds every host of the plan and the control machine.
///
/// # Errors
/// When a host cannot be reached by this build, or its bastions go in a circle.
pub fn add_all(
    hands: &mut Hands,
    plan: &Plan,
    secrets: &BTreeMap<String, Secret>,
    root: &Path,
    run: &RunId,
    config: &SshConfig,
    ssh: SshTransport,
) -> Result<(), Problem> {
    let ssh = Arc::new(ssh);
    let local = Arc::new(LocalTransport::new());
    let means = Means {
        hosts: &plan.hosts,
        secrets,
        root,
        run,
        config,
    };
    hands.add(Arc::clone(&local) as _, here(run));
    for host in &plan.hosts {
        if host.name.is_controller() {
            continue;
        }
        let endpoint = means.endpoint(host)?;
        match host.transport {
            TransportKind::Ssh => hands.add(Arc::clone(&ssh) as _, endpoint),
            TransportKind::Local => hands.add(Arc::clone(&local) as _, endpoint),
            TransportKind::Winrm | TransportKind::Script => {
                return Err(Problem::wrong(
                    format!("{} is reached in a way that this build lacks", host.name),
                    "use `transport: ssh` or `local`",
                ));
            }
        }
    }
    Ok(())
}

/// A bastion that the inventory names; one that cannot be read was refused with the inventory, and is a plain name here.
fn hop(text: &str) -> Hop {
    Hop::parse(text).unwrap_or_else(|| Hop {
        host: text.to_owned(),
        user: None,
        port: None,
    })
}

fn too_many(host: &str) -> Problem {
    let what = format!("the bastions of {host} go in a circle, or are more than {MOST_JUMPS}");
    Problem::wrong(
        what,
        "look at `jump` in the inventory, and at `ProxyJump` in the ssh config",
    )
}

/// What the operator's ssh config adds to the hosts of a plan: keyword, value, place, and the hosts. Nothing of it is in the
/// plan's digest.
///
/// # Errors
/// Every mistake of the config, and what it says for one of these hosts and is not honoured.
pub fn outside(plan: &Plan, config: &SshConfig) -> Result<Vec<FromConfig>, Diagnostics> {
    let (secrets, run) = (BTreeMap::new(), RunId::new(jiff::Timestamp::UNIX_EPOCH, [0; 6]));
    let means = Means {
        hosts: &plan.hosts,
        secrets: &secrets,
        root: Path::new("."),
        run: &run,
        config,
    };
    let mut list: Vec<FromConfig> = Vec::new();
    let mut wrong = Diagnostics::new();
    for host in plan.hosts.iter().filter(|h| h.transport == TransportKind::Ssh) {
        let said = match means.said(host) {
            Ok(said) => said,
            Err(diags) => {
                wrong.0.extend(diags.0);
                continue;
            }
        };
        for (keyword, value, place) in said.said() {
            let same = |f: &&mut FromConfig| f.keyword == keyword && f.value == value && f.place == place;
            match list.iter_mut().find(same) {
                Some(known) => known.hosts.push(host.name.clone()),
                None => list.push(FromConfig {
                    keyword: keyword.to_owned(),
                    value,
                    place,
                    hosts: vec![host.name.clone()],
                }),
            }
        }
    }
    wrong.sort();
    if wrong.has_errors() { Err(wrong) } else { Ok(list) }
}

/// Passphrases of the encrypted key files that these endpoints and their bastions are logged in to with, each asked for once,
/// before anything is connected. None without a terminal; none for a key that the agent has.
///
/// # Errors
/// When what was typed does not open a file.
pub async fn passphrases<'e>(
    endpoints: impl Iterator<Item = &'e Endpoint>,
    console: &Console,
) -> Result<BTreeMap<PathBuf, Secret>, Problem> {
    let mut found = BTreeMap::new();
    if !console.terminal() {
        return Ok(found);
    }
    let usual = SshOptions::from_env();
    let mut seen = BTreeSet::new();
    for first in endpoints {
        let mut hop = Some(first);
        while let Some(endpoint) = hop {
            hop = endpoint.jump.as_deref();
            let agent = match &endpoint.way.agent {
                AgentAt::Nowhere => None,
                AgentAt::Usual => usual.agent.as_deref(),
                AgentAt::Socket(socket) => Some(socket.as_path()),
            };
            for file in &endpoint.identities {
                if !seen.insert(file) {
                    continue;
                }
                let ask = |question: &str| super::hidden::secret(question).ok();
                if let Some(secret) = passphrase(file, agent, &ask).await? {
                    found.insert(file.clone(), secret);
                }
            }
        }
    }
    Ok(found)
}

/// The same for all hosts of a plan.
///
/// # Errors
/// When what was typed does not open a file, or a host cannot be reached.
pub fn passphrases_of(
    plan: &Plan,
    root: &Path,
    config: &SshConfig,
    console: &Console,
    runtime: &super::execute::Runtime,
) -> Result<BTreeMap<PathBuf, Secret>, Problem> {
    let (secrets, run) = (BTreeMap::new(), RunId::new(jiff::Timestamp::UNIX_EPOCH, [0; 6]));
    let means = Means {
        hosts: &plan.hosts,
        secrets: &secrets,
        root,
        run: &run,
        config,
    };
    let over_ssh = plan.hosts.iter().filter(|h| h.transport == TransportKind::Ssh);
    let endpoints = over_ssh.map(|h| means.endpoint(h)).collect::<Result<Vec<_>, _>>()?;
    runtime.block_on(passphrases(endpoints.iter(), console))
}

/// The control machine.
pub fn here(run: &RunId) -> Endpoint {
    Endpoint {
        host: HostName::controller(),
        address: "localhost".to_owned(),
        port: 0,
        user: None,
        password: None,
        identities: Vec::new(),
        known_hosts: Vec::new(),
        jump: None,
        way: Way::default(),
        privilege: Privilege::default(),
        connect_timeout: CONNECT_TIMEOUT,
        run: run.clone(),
    }
}

impl Means<'_> {
    /// Where and as whom to connect.
    ///
    /// # Errors
    /// When its bastions go in a circle, or the operator's ssh config cannot be honoured.
    pub fn endpoint(&self, host: &PlannedHost) -> Result<Endpoint, Problem> {
        self.behind(host, 0)
    }

    /// What the operator's ssh config adds to what the inventory says of a host.
    ///
    /// # Errors
    /// Every mistake of the config, and what it says for this host and is not honoured.
    pub fn said(&self, host: &PlannedHost) -> Result<Settings, Diagnostics> {
        let jump = host.jump.as_deref().map(hop);
        let mut said = self.config.resolve(&Asked {
            host: &host.address,
            address: (host.address != host.name.as_str()).then_some(&host.address),
            user: host.user.as_deref(),
            port: host.port,
            jump: jump.as_ref().map(std::slice::from_ref),
        })?;
        if !host.identity.is_empty() {
            said.identity = None;
            said.certificates = Vec::new();
        }
        if !host.known_hosts.is_empty() {
            said.user_known_hosts = None;
            said.global_known_hosts = None;
        }
        if host.connect_timeout_ms.is_some() {
            said.connect_timeout = None;
        }
        Ok(said)
    }

    fn behind(&self, host: &PlannedHost, depth: usize) -> Result<Endpoint, Problem> {
        let method = match host.become_method.as_str() {
            "su" => Method::Su,
            "doas" => Method::Doas,
            _ => Method::Sudo,
        };
        let said = match host.transport {
            TransportKind::Ssh => self.said(host)?,
            _ => Settings {
                hostname: host.address.clone(),
                ..Settings::default()
            },
        };
        let jump = match (&host.jump, &said.jump) {
            (Some(text), _) => Some(self.jump(host, text, depth)?),
            (None, Some(hops)) => self.hops(&hops.value, None, depth)?,
            (None, None) => None,
        };
        Ok(Endpoint {
            host: host.name.clone(),
            user: host.user.clone().or(said.user.as_ref().map(|u| u.value.clone())),
            password: self.secret(host.password.as_deref()),
            jump: jump.map(Box::new),
            privilege: Privilege {
                method,
                password: self.secret(host.become_password.as_deref()),
                shell: match host.transport {
                    TransportKind::Ssh if host.os == "windows" => CMD.to_owned(),
                    _ => host.shell.clone().unwrap_or_else(|| SHELL.to_owned()),
                },
            },
            ..self.open(&said, host.port, Some(host))
        })
    }

    fn jump(&self, host: &PlannedHost, text: &str, depth: usize) -> Result<Endpoint, Problem> {
        if depth >= MOST_JUMPS {
            return Err(too_many(host.name.as_str()));
        }
        if let Some(bastion) = self.hosts.iter().find(|h| h.name.as_str() == text) {
            return self.behind(bastion, depth + 1);
        }
        let there = self.hops(&[hop(text)], Some(host), depth)?;
        let named = |there| Endpoint {
            host: HostName::new(text),
            ..there
        };
        there.map(named).ok_or_else(|| too_many(host.name.as_str()))
    }

    /// The last of the bastions, reached over those before it, or as the ssh config says for it. `like`: a host whose key and
    /// `known_hosts` files hold for its bastion too.
    fn hops(&self, hops: &[Hop], like: Option<&PlannedHost>, depth: usize) -> Result<Option<Endpoint>, Problem> {
        let Some((last, before)) = hops.split_last() else {
            return Ok(None);
        };
        if depth >= MOST_JUMPS {
            return Err(too_many(&last.host));
        }
        let said = self.config.resolve(&Asked {
            host: &last.host,
            address: None,
            user: last.user.as_deref(),
            port: last.port,
            jump: (!before.is_empty()).then_some(before),
        })?;
        let over = match (&said.jump, before) {
            (Some(hops), []) => self.hops(&hops.value, None, depth + 1)?,
            _ => self.hops(before, None, depth + 1)?,
        };
        Ok(Some(Endpoint {
            host: HostName::new(&last.host),
            user: last.user.clone().or(said.user.as_ref().map(|u| u.value.clone())),
            jump: over.map(Box::new),
            ..self.open(&said, last.port, like)
        }))
    }

    /// Address, keys, known hosts and the rest: what is said of the host itself, else what the ssh config says.
    fn open(&self, said: &Settings, port: Option<u16>, own: Option<&PlannedHost>) -> Endpoint {
        let values = |list: &[Spanned<PathBuf>]| list.iter().map(|p| p.value.clone()).collect::<Vec<_>>();
        let on = |flag: &Option<Spanned<bool>>| flag.as_ref().is_none_or(|f| f.value);
        let named = own.filter(|h| !h.identity.is_empty());
        let only = said.identities_only.as_ref().is_some_and(|o| o.value);
        let limit = own.and_then(|h| h.connect_timeout_ms).map(Duration::from_millis);
        Endpoint {
            address: said.hostname.clone(),
            port: port.or(said.port.as_ref().map(|p| p.value)).unwrap_or(22),
            identities: match (named, &said.identity) {
                (Some(host), _) => self.paths(&host.identity),
                (None, Some(files)) => values(files),
                (None, None) => Vec::new(),
            },
            known_hosts: match own.filter(|h| !h.known_hosts.is_empty()) {
                Some(host) => self.paths(&host.known_hosts),
                None => self.known_hosts(said),
            },
            connect_timeout: limit
                .or(said.connect_timeout.as_ref().map(|t| t.value))
                .unwrap_or(CONNECT_TIMEOUT),
            way: Way {
                key_name: said.key_alias.as_ref().map(|a| a.value.clone()),
                family: said.family.as_ref().map_or(Family::Any, |f| f.value),
                bind: said.bind.as_ref().map(|b| b.value.clone()),
                proxy: said.proxy_command.as_ref().map(|p| p.value.clone()),
                agent: said.agent.as_ref().map_or(AgentAt::Usual, |a| a.value.clone()),
                certificates: values(&said.certificates),
                keys: on(&said.public_key),
                passwords: on(&said.password),
                usual_files: said.identity.is_none(),
                rest_of_agent: named.is_none().then_some(!only),
            },
            ..here(self.run)
        }
    }

    /// Files that the ssh config names; where it names one kind only, the other stays the usual one. Empty: both are usual.
    fn known_hosts(&self, said: &Settings) -> Vec<PathBuf> {
        let (user, global) = (&said.user_known_hosts, &said.global_known_hosts);
        if user.is_none() && global.is_none() {
            return Vec::new();
        }
        let values = |list: &[Spanned<PathBuf>]| list.iter().map(|p| p.value.clone()).collect();
        let mut files: Vec<PathBuf> = match user {
            Some(list) => values(list),
            None => self.paths(&["~/.ssh/known_hosts".to_owned(), "~/.ssh/known_hosts2".to_owned()]),
        };
        files.extend(match global {
            Some(list) => values(list),
            None => self.paths(&[
                "/etc/ssh/ssh_known_hosts".to_owned(),
                "/etc/ssh/ssh_known_hosts2".to_owned(),
            ]),
        });
        // With `none` for both no host is known; an empty list would mean the usual files.
        if files.is_empty() {
            files.push(PathBuf::from("/dev/null"));
        }
        files
    }

    fn secret(&self, name: Option<&str>) -> Option<Secret> {
        self.secrets.get(name?).cloned()
    }

    /// `~/…` is the operator's home; anything else relative begins at the project.
    fn paths(&self, texts: &[String]) -> Vec<PathBuf> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let path = |text: &String| match (text.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.root.join(text),
        };
        texts.iter().map(path).collect()
    }
}
