//! What a host told about itself when it was connected.
//!
//! Owns: the type, and what makes two names one machine. Must not: ask a host.

use serde::{Deserialize, Serialize};

use crate::secret::Redactor;

/// Facts of one host, learnt in the connection's first round trip. All texts are the host's words: data, never templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `linux` or `windows`.
    pub os: String,
    /// `debian`, `rhel`, `suse`, `arch`, `alpine`, or empty.
    pub family: String,
    /// `ID` of os-release.
    pub distro: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// `container`, `kvm`, …; empty: bare metal or not known.
    pub virtual_: String,
    /// Identity of this boot; empty if the host has none to tell.
    pub boot: String,
    /// Machine id, if readable.
    pub machine: String,
    /// The login user.
    pub user: String,
    /// Fingerprint of the host key (`SHA256:…`); empty without SSH.
    pub host_key: String,
    /// Fingerprint of the first key of the machine's own SSH server, where `host_key` is another of them, or none as on the
    /// control machine; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_key: String,
    /// Negotiated algorithms, for the evidence; empty without SSH.
    pub algorithms: String,
    /// True if the host has a writable place for latched steps.
    pub latch: bool,
    /// The directory of this run on the host, if `latch`.
    pub run_dir: String,
}

impl Facts {
    /// As they may be stored: a host that was told a secret may say it anywhere.
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let clean = |text: &String| redactor.redact_text(text);
        Self {
            os: clean(&self.os),
            family: clean(&self.family),
            distro: clean(&self.distro),
            version: clean(&self.version),
            kernel: clean(&self.kernel),
            virtual_: clean(&self.virtual_),
            boot: clean(&self.boot),
            machine: clean(&self.machine),
            user: clean(&self.user),
            host_key: clean(&self.host_key),
            first_key: clean(&self.first_key),
            algorithms: clean(&self.algorithms),
            latch: self.latch,
            run_dir: clean(&self.run_dir),
        }
    }

    /// What stays with the machine, under whatever name and by whatever way it is reached: its locks are named after it, and its
    /// names known to be one. Empty: it has nothing of the kind.
    pub fn identity(&self) -> &str {
        let told = [&self.first_key, &self.host_key, &self.machine];
        told.into_iter().find(|text| !text.is_empty()).map_or("", |text| text)
    }
}
