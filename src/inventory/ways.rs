//! Settings that fit no way by which their hosts are reached, and settings of WinRM that fit not each other.
//!
//! Owns: which setting belongs to which transport, and what of WinRM's goes together. Must not: know where a layer came from, or
//! who wins among layers.

use std::collections::{BTreeSet, HashSet};

use super::Transport;
use super::layer::{Layer, Settings};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::Value;

/// Settings that WinRM alone knows.
const WINRM: [&str; 7] = ["scheme", "auth", "domain", "ca", "pin", "certificate", "key"];
/// Settings that mean nothing to WinRM.
const SSH: [&str; 4] = ["identity", "known_hosts", "jump", "shell"];

/// How a host with these settings is reached.
pub(super) fn transport(settings: &Settings) -> Transport {
    match text(settings, "transport").map(|t| t.value) {
        Some("local") => Transport::Local,
        Some("winrm") => Transport::Winrm,
        Some("script") => Transport::Script,
        _ => Transport::Ssh,
    }
}

fn find<'l>(settings: &'l Settings, key: &str) -> Option<&'l Spanned<Value>> {
    settings.get(key)
}

fn text<'l>(settings: &'l Settings, key: &str) -> Option<Spanned<&'l str>> {
    match find(settings, key) {
        Some(Spanned {
            value: Value::Text(text),
            span,
        }) => Some(Spanned::new(text.as_str(), span.clone())),
        _ => None,
    }
}

/// By which ways the hosts of each group are reached: a setting may stand where one host at least can use it.
pub(super) struct Ways {
    all: BTreeSet<Transport>,
    of_groups: Vec<BTreeSet<Transport>>,
    /// Contradictions that were told: one line of `defaults` serves thousands of hosts.
    told: HashSet<(usize, String)>,
}

impl Ways {
    /// No host yet.
    pub(super) fn of(groups: usize) -> Self {
        Self {
            all: BTreeSet::new(),
            of_groups: vec![BTreeSet::new(); groups],
            told: HashSet::new(),
        }
    }

    /// A host: how it is reached, the groups it is in, and what of its settings contradicts itself.
    pub(super) fn note<'g>(
        &mut self,
        way: Transport,
        groups: impl Iterator<Item = &'g usize>,
        contradictions: Vec<Diagnostic>,
        diags: &mut Diagnostics,
    ) {
        self.all.insert(way);
        for g in groups {
            self.of_groups.get_mut(*g).map(|ways| ways.insert(way));
        }
        for d in contradictions {
            let place = d.labels.first().map_or(0, |l| l.span.start);
            if self.told.insert((place, d.message.clone())) {
                diags.push(d);
            }
        }
    }

    /// After the last host: what groups and `defaults` say and none of their hosts can use.
    pub(super) fn tell<'g>(
        &self,
        groups: impl Iterator<Item = (&'g str, &'g Layer)>,
        defaults: &Layer,
        diags: &mut Diagnostics,
    ) {
        for ((name, layer), ways) in groups.zip(&self.of_groups) {
            strangers(
                &layer.settings,
                ways,
                &format!("all hosts of `{name}` are reached otherwise"),
                diags,
            );
        }
        strangers(&defaults.settings, &self.all, "all hosts are reached otherwise", diags);
    }
}

/// What a host says itself and cannot use, reached as it ends up to be.
pub(super) fn strange(name: &str, own: &Settings, merged: &Settings, diags: &mut Diagnostics) {
    if !own.is_empty() {
        let whose = format!("`{name}` is reached otherwise");
        strangers(own, &BTreeSet::from([transport(merged)]), &whose, diags);
    }
}

/// Settings of one place that none of the hosts it is for can use. `whose` says which hosts those are.
fn strangers(place: &Settings, ways: &BTreeSet<Transport>, whose: &str, diags: &mut Diagnostics) {
    if ways.is_empty() {
        return;
    }
    let is_winrm = |way: &Transport| *way == Transport::Winrm;
    let (keys, only): (&[&str], &str) = if !ways.iter().any(is_winrm) {
        (&WINRM, "WinRM")
    } else if ways.iter().all(is_winrm) {
        (&SSH, "SSH")
    } else {
        return;
    };
    let mut told: Vec<Diagnostic> = keys
        .iter()
        .filter_map(|key| find(place, key).map(|value| (*key, value)))
        .map(|(key, value)| {
            let d = Diagnostic::error(
                "PS0432",
                format!("`{key}` is a setting of {only}, and {whose}"),
                value.span.clone(),
                format!("only {only} knows it"),
            );
            d.help(instead(key))
        })
        .collect();
    told.sort_by_key(|d| d.labels.first().map(|l| l.span.start));
    diags.extend(told);
}

/// What was probably meant.
fn instead(key: &str) -> &'static str {
    match key {
        "key" => "a key file for SSH is `identity: FILE`; for WinRM write `transport: winrm` at the host",
        "certificate" => {
            "a certificate for SSH is `CertificateFile` of the ssh config; for WinRM write `transport: winrm`"
        }
        "ca" | "pin" => "the host keys that SSH trusts stand in `known_hosts`; for WinRM write `transport: winrm`",
        "identity" => "WinRM logs in by `password`, or by `certificate` and `key` with `auth: certificate`",
        "known_hosts" => "WinRM trusts a server by `ca` or `pin`",
        "jump" => "pitstop reaches hosts over WinRM directly, without a bastion",
        "shell" => "a step for WinRM says `powershell`, or `run` for cmd.exe",
        _ => "write `transport: winrm` at the host, or delete it",
    }
}

/// What of the settings of a host over WinRM contradicts itself; nothing for other hosts.
pub(super) fn contradictions(settings: &Settings) -> Vec<Diagnostic> {
    if transport(settings) != Transport::Winrm {
        return Vec::new();
    }
    let get = |key: &str| text(settings, key);
    let (scheme, auth) = (get("scheme"), get("auth"));
    let (certificate, key) = (get("certificate"), get("key"));
    let is = |setting: &Option<Spanned<&str>>, word: &str| setting.as_ref().is_some_and(|s| s.value == word);
    let by_certificate = is(&auth, "certificate");
    let mut found = Vec::new();
    let mut add = |message: &str, at: &Span, also: Option<&Spanned<&str>>, help: &str| {
        let d = Diagnostic::error("PS0433", message, at.clone(), "this does not go").help(help);
        found.push(match also {
            Some(other) if other.span != *at => d.also(other.span.clone(), "with this"),
            _ => d,
        });
    };
    match (&certificate, &key) {
        (Some(c), None) => add(
            "a certificate needs its key",
            &c.span,
            None,
            "write `key: FILE` beside `certificate: FILE`",
        ),
        (None, Some(k)) => add(
            "a key needs its certificate",
            &k.span,
            None,
            "write `certificate: FILE` beside `key: FILE`",
        ),
        (None, None) if by_certificate => auth.iter().for_each(|a| {
            add(
                "`auth: certificate` needs a certificate",
                &a.span,
                None,
                "write `certificate: FILE` and `key: FILE`",
            );
        }),
        (Some(c), Some(_)) if !by_certificate => add(
            &format!(
                "a certificate is never shown with `auth: {}`",
                auth.as_ref().map_or("ntlm", |a| a.value)
            ),
            &c.span,
            auth.as_ref(),
            "write `auth: certificate`, or delete `certificate` and `key`",
        ),
        _ => {}
    }
    if is(&scheme, "http") {
        for (key, setting) in [("ca", get("ca")), ("pin", get("pin"))] {
            if let Some(setting) = setting {
                let message =
                    format!("with `scheme: http` the server shows no certificate that `{key}` could be held against");
                add(
                    &message,
                    &setting.span,
                    scheme.as_ref(),
                    "write `scheme: https`, or delete it",
                );
            }
        }
        if let Some(auth) = auth.as_ref().filter(|a| matches!(a.value, "basic" | "certificate")) {
            let message = match auth.value {
                "basic" => "with `auth: basic` over plain HTTP everybody on the way reads the password",
                _ => "a client's certificate is shown over TLS only",
            };
            add(message, &auth.span, scheme.as_ref(), "write `scheme: https`");
        }
    }
    if let (Some(domain), Some(auth)) = (get("domain"), &auth)
        && matches!(auth.value, "basic" | "certificate")
    {
        let message = format!("`auth: {}` knows no domain", auth.value);
        let help = "a domain goes with `auth: ntlm` or `kerberos`; delete it, or choose one of these";
        add(&message, &domain.span, Some(auth), help);
    }
    if let Some(pin) = get("pin").filter(|p| !is_digest(p.value)) {
        let d = Diagnostic::error(
            "PS0434",
            "a pin is the SHA-256 of the server's certificate: 64 hexadecimal digits",
            pin.span.clone(),
            "this is none",
        );
        found.push(d.help("openssl x509 -in server.pem -noout -fingerprint -sha256"));
    }
    found
}

/// 32 bytes in hexadecimal, with or without colons between them.
fn is_digest(text: &str) -> bool {
    let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
    digits.len() == 64 && digits.iter().all(char::is_ascii_hexdigit)
}
