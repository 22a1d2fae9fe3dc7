//! The machines of a project: hosts, groups, labels, connection settings.
//!
//! Owns: the types, with everything inherited already resolved. Must not: read files from disk, ask a host.
//!
//! Of its row it uses the reading tools and [`Value`] of `runbook`, and nothing else of it.

pub mod ansible;
pub mod facts;
pub mod hosts;
mod layer;
pub mod selector;
pub mod sshconfig;
mod ways;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Span, Spanned};
use crate::id::HostName;
use crate::runbook::Value;

/// Limit of each phase of connecting, where nobody says another.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// All hosts of a project in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The file's name; the controller's lock per runbook and inventory is named after it.
    pub name: String,
    /// The command of `pitstop.yml` that printed it; `None`: it was read from files.
    pub printed_by: Option<Vec<String>>,
    hosts: Vec<Host>,
    by_name: HashMap<HostName, usize>,
    groups: BTreeMap<String, Vec<usize>>,
}

/// One host, with what its groups and `defaults` give it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name and place.
    pub name: Spanned<HostName>,
    /// DNS name or address; default the name.
    pub address: String,
    /// TCP port; `None`: what the operator's ssh config says, else 22.
    pub port: Option<u16>,
    /// How it is reached.
    pub transport: Transport,
    /// Login user; `None`: the operator's.
    pub user: Option<String>,
    /// Name of the secret with the login password.
    pub password: Option<Spanned<String>>,
    /// Key files to offer.
    pub identity: Vec<String>,
    /// `known_hosts` files; empty: the user's own.
    pub known_hosts: Vec<String>,
    /// A bastion.
    pub jump: Option<Spanned<String>>,
    /// `sudo`, `su` or `doas`.
    pub become_method: String,
    /// Name of the secret with the password for it.
    pub become_password: Option<Spanned<String>>,
    /// The user that `become: true` means; `None`: root.
    pub become_user: Option<String>,
    /// Its rule allows the written command and no shell.
    pub become_exact: bool,
    /// The shell that runs commands; `None`: `/bin/sh`.
    pub shell: Option<String>,
    /// Its operating system.
    pub os: Os,
    /// Settings of its transport, if it is `winrm`.
    pub winrm: Option<Winrm>,
    /// Limit of each phase of connecting; `None`: what the operator's ssh config says, else [`CONNECT_TIMEOUT`].
    pub connect_timeout: Option<Duration>,
    /// For selecting; groups' included.
    pub labels: BTreeMap<String, String>,
    /// For templates (`host.vars`); groups' included.
    pub vars: BTreeMap<String, Value>,
    /// The groups it is in, nested ones included, in file order.
    pub groups: Vec<String>,
    /// What the inventory says about it and pitstop cannot use; only Ansible's inventories say such things.
    pub unusable: Option<Box<Unusable>>,
}

/// What an Ansible inventory says about a host that pitstop cannot use. It matters only to a plan that needs it.
#[derive(Clone, Debug, Default)]
pub struct Unusable {
    /// Settings that would lead elsewhere if they were passed over: the host cannot be in a plan.
    pub settings: Vec<Arc<Diagnostic>>,
    /// Variables that no template can read.
    pub vars: BTreeMap<String, Withheld>,
    /// Encrypted files of variables: nobody knows which.
    pub sealed: Vec<Span>,
}

/// A variable that no template can read.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// Why not, in words.
    pub why: &'static str,
    /// Where it stands.
    pub span: Span,
}

/// `os`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux, or what behaves like it.
    Linux,
    /// Windows.
    Windows,
}

impl Os {
    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// Settings of `transport: winrm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winrm {
    /// `http` or `https`.
    pub scheme: String,
    /// `basic`, `ntlm`, `kerberos` or `certificate`.
    pub auth: String,
    /// The user's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// File with the authorities that are trusted; `None`: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// SHA-256 of the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// File with the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// File with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// SSH.
    Ssh,
    /// The machine pitstop runs on.
    Local,
    /// Windows remote management.
    Winrm,
    /// Answers from a file.
    Script,
}

impl Inventory {
    /// An inventory without hosts, for a runbook whose phases all run on the controller.
    pub fn empty(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// All hosts in the order of the file.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host with this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.position(name).and_then(|n| self.hosts.get(n))
    }

    /// Where the host stands in the file's order.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The names of all groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// The hosts of a group in the order of the file, nested groups included.
    pub fn group(&self, name: &str) -> Option<impl Iterator<Item = &Host>> {
        let members = self.groups.get(name)?;
        Some(members.iter().filter_map(|n| self.hosts.get(*n)))
    }

    /// The keys of all labels, each once.
    pub fn label_keys(&self) -> Vec<&str> {
        let keys: std::collections::BTreeSet<&str> = self
            .hosts
            .iter()
            .flat_map(|h| h.labels.keys().map(String::as_str))
            .collect();
        keys.into_iter().collect()
    }
}

/// A bastion that is no host of the inventory: `user@host:port`, `user@host` or `host:port`.
pub fn is_jump_address(text: &str) -> bool {
    text.contains(['@', ':'])
}

/// Why a text cannot name a host, a group or a set; `None`: it can. Such names go into commands and paths as they are.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 253 {
        return Some("a name has 1 to 253 characters");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some("a name begins with a letter or a digit");
    }
    (!name.chars().all(good)).then_some("a name holds letters, digits and . _ - only; the address may be another")
}
