//! How each host of a plan is reached: transports and endpoints.
//!
//! Owns: filling in secrets, key files and bastions. Must not: connect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::action::Hands;
use crate::id::{HostName, RunId};
use crate::inventory::CONNECT_TIMEOUT;
use crate::plan::{Plan, PlannedHost, TransportKind};
use crate::secret::Secret;
use crate::transport::{Endpoint, LocalTransport, Method, Privilege};
use crate::transport::{SshOptions, SshTransport};

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
}

/// True if this build has the transport.
pub fn can(kind: TransportKind) -> bool {
    matches!(kind, TransportKind::Ssh | TransportKind::Local)
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
) -> Result<(), Problem> {
    let ssh = Arc::new(SshTransport::new(SshOptions::from_env()));
    let local = Arc::new(LocalTransport::new());
    let means = Means {
        hosts: &plan.hosts,
        secrets,
        root,
        run,
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

/// Limit of each phase of connecting.
fn limit(host: &PlannedHost) -> Duration {
    host.connect_timeout_ms.map_or(CONNECT_TIMEOUT, Duration::from_millis)
}

/// The control machine.
fn here(run: &RunId) -> Endpoint {
    Endpoint {
        host: HostName::controller(),
        address: "localhost".to_owned(),
        port: 0,
        user: None,
        password: None,
        identities: Vec::new(),
        known_hosts: Vec::new(),
        jump: None,
        privilege: Privilege::default(),
        connect_timeout: CONNECT_TIMEOUT,
        run: run.clone(),
    }
}

impl Means<'_> {
    /// Where and as whom to connect.
    ///
    /// # Errors
    /// When its bastions go in a circle.
    pub fn endpoint(&self, host: &PlannedHost) -> Result<Endpoint, Problem> {
        self.behind(host, 0)
    }

    fn behind(&self, host: &PlannedHost, depth: usize) -> Result<Endpoint, Problem> {
        let method = match host.become_method.as_str() {
            "su" => Method::Su,
            "doas" => Method::Doas,
            _ => Method::Sudo,
        };
        Ok(Endpoint {
            host: host.name.clone(),
            address: host.address.clone(),
            port: host.port.unwrap_or(22),
            user: host.user.clone(),
            password: self.secret(host.password.as_deref()),
            identities: self.paths(&host.identity),
            known_hosts: self.paths(&host.known_hosts),
            jump: host
                .jump
                .as_deref()
                .map(|j| self.jump(host, j, depth))
                .transpose()?
                .map(Box::new),
            privilege: Privilege {
                method,
                password: self.secret(host.become_password.as_deref()),
                ..Privilege::default()
            },
            connect_timeout: limit(host),
            run: self.run.clone(),
        })
    }

    fn jump(&self, host: &PlannedHost, text: &str, depth: usize) -> Result<Endpoint, Problem> {
        if depth >= MOST_JUMPS {
            let what = format!(
                "the bastions of {} go in a circle, or are more than {MOST_JUMPS}",
                host.name
            );
            return Err(Problem::wrong(what, "look at `jump` in the inventory"));
        }
        if let Some(bastion) = self.hosts.iter().find(|h| h.name.as_str() == text) {
            return self.behind(bastion, depth + 1);
        }
        let (user, place) = text
            .rsplit_once('@')
            .map_or((None, text), |(u, p)| (Some(u.to_owned()), p));
        let (address, port) = match place.rsplit_once(':').map(|(a, p)| (a, p.parse::<u16>())) {
            Some((address, Ok(port))) => (address, port),
            _ => (place, 22),
        };
        Ok(Endpoint {
            host: HostName::new(text),
            address: address.to_owned(),
            port,
            user,
            identities: self.paths(&host.identity),
            known_hosts: self.paths(&host.known_hosts),
            connect_timeout: limit(host),
            ..here(self.run)
        })
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
