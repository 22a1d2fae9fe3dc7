//! The operator's OpenSSH client config: what `ssh HOST` would do, as far as it concerns a connection of ours.
//!
//! Owns: the whole of ssh_config(5) as OpenSSH reads it, what is honoured and what is refused. Must not: connect, run a command
//! (`ProxyCommand`, `Match exec`), ask the DNS, or let pass in silence what would change where or as whom `ssh` connects.
//!
//! `ssh -G` is the oracle of the tests and is never called here. What the inventory says is given as [`Asked`] and wins, like
//! an option of `ssh` on its command line.

mod canonical;
mod criteria;
mod expand;
mod files;
mod found;
mod hop;
mod keyword;
mod line;
mod pass;
mod settings;

use std::path::PathBuf;

use crate::diag::{Diagnostic, Diagnostics, Source, Span};

pub use files::{Files, OnDisk, Operator, Stat};
pub use hop::Hop;
pub use settings::{AgentAt, Family, Settings};

use pass::Pass;

/// Which files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`.
    #[default]
    Usual,
    /// This one alone, as `ssh -F`.
    File(PathBuf),
    /// None: only the inventory counts.
    None,
}

impl Which {
    /// From an option's text: `none`, or a file.
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("none") {
            Self::None
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}

/// What is asked: a host, and what is said of it already.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// As it would be typed after `ssh`.
    pub host: &'a str,
    /// The address, if it is known (`-o HostName=`).
    pub address: Option<&'a str>,
    /// The login name (`-l`).
    pub user: Option<&'a str>,
    /// The port (`-p`).
    pub port: Option<u16>,
    /// The way there is known (`-J`): the config's `ProxyJump` and `ProxyCommand` are not asked. Empty: by no bastion.
    pub jump: Option<&'a [Hop]>,
}

/// The config of one operator. Files are read once, whatever the number of hosts.
pub struct SshConfig<F = OnDisk> {
    which: Which,
    operator: Operator,
    library: pass::Library<F>,
}

impl<F> std::fmt::Debug for SshConfig<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConfig")
            .field("which", &self.which)
            .finish_non_exhaustive()
    }
}

impl SshConfig<OnDisk> {
    /// Of this process's user, from this machine's disk.
    pub fn of_operator(which: Which) -> Self {
        Self::new(which, Operator::from_env(), OnDisk)
    }
}

impl<F: Files> SshConfig<F> {
    /// With an operator and files of one's own.
    pub fn new(which: Which, operator: Operator, files: F) -> Self {
        Self {
            which,
            operator,
            library: pass::Library::new(files),
        }
    }

    /// What the config says of a host.
    ///
    /// # Errors
    /// Every mistake of the files, and what is said for this host and cannot be honoured.
    pub fn resolve(&self, asked: &Asked<'_>) -> Result<Settings, Diagnostics> {
        let mut diags = Diagnostics::new();
        let settings = self.settings(asked, &mut diags);
        diags.sort();
        match settings {
            Some(settings) if !diags.has_errors() => Ok(settings),
            _ => Err(diags),
        }
    }

    fn settings(&self, asked: &Asked<'_>, diags: &mut Diagnostics) -> Option<Settings> {
        let mut found = found::Found::of(asked);
        let first = self.read(&mut found, asked.host, asked, false, diags)?;
        let host = settings::host_name(&found, asked, diags)?;
        let host = canonical::canonical(&found, host, diags)?;
        if first || found.canonicalizes() {
            found.settle_host(&host);
            self.read(&mut found, &host, asked, true, diags)?;
        }
        settings::finish(found, asked, host, &self.operator, diags)
    }

    /// One pass over all files. True if a `Match final` asks for another; `None` after a mistake.
    fn read(
        &self,
        found: &mut found::Found,
        host: &str,
        asked: &Asked<'_>,
        is_final: bool,
        diags: &mut Diagnostics,
    ) -> Option<bool> {
        let mut pass = Pass::new(&self.library, &self.operator, found, host, asked.host, is_final, diags);
        match &self.which {
            Which::Usual => {
                pass.user_config(&self.operator.home.join(".ssh/config"));
                pass.system_config(&self.operator.system.clone());
            }
            Which::File(file) => pass.named_config(file),
            Which::None => {}
        }
        pass.end()
    }
}

/// A diagnostic of no line: about a whole file, or what was typed.
fn about(code: &'static str, name: &str, message: String, label: &str) -> Diagnostic {
    Diagnostic::error(code, message, Span::new(&Source::new(name, ""), 0, 0), label)
}

#[cfg(test)]
mod tests;
