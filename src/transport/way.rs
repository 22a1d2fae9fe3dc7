//! What an operator's ssh config adds to a connection.
//!
//! Owns: the settings. Must not: read a config (`inventory::sshconfig`), apply them (`ssh`).

use std::path::PathBuf;

use crate::inventory::sshconfig::{AgentAt, Family};

/// How a connection is made and a login is tried; without an ssh config as [`Way::default`].
#[derive(Clone, Debug)]
pub struct Way {
    /// The name under which `known_hosts` has the host; `None`: its address and port.
    pub key_name: Option<String>,
    /// IPv4 or IPv6 alone.
    pub family: Family,
    /// The address of this machine to connect from.
    pub bind: Option<String>,
    /// The program whose input and output are the connection, as `/bin/sh` reads it; `None`: the network.
    pub proxy: Option<String>,
    /// The agent.
    pub agent: AgentAt,
    /// Certificates to offer, each with its key.
    pub certificates: Vec<PathBuf>,
    /// Keys may be offered.
    pub keys: bool,
    /// A password may be given.
    pub passwords: bool,
    /// Where no key file is named, the usual ones are tried.
    pub usual_files: bool,
    /// Other keys of the agent are offered after the named ones; `None`: only where no file is named.
    pub rest_of_agent: Option<bool>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            key_name: None,
            family: Family::Any,
            bind: None,
            proxy: None,
            agent: AgentAt::Usual,
            certificates: Vec::new(),
            keys: true,
            passwords: true,
            usual_files: true,
            rest_of_agent: None,
        }
    }
}
