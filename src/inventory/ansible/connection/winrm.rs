//! Ansible's variables about WinRM → pitstop's settings.
//!
//! Owns: the table of `ansible_winrm_*` in `docs/inventories.md`. Must not: judge how settings go together (`ways` does).

use super::Settings;
use crate::diag::{Span, Spanned};
use crate::inventory::ways;
use crate::runbook::Value;

/// Options about how it is spoken, and checks of the server that pitstop never leaves out.
const HARMLESS: [&str; 11] = [
    "connection_timeout",
    "credssp_auth_mechanism",
    "credssp_disable_tlsv1_2",
    "credssp_minimum_version",
    "kerberos_mode",
    "kinit_mode",
    "message_encryption",
    "operation_timeout_sec",
    "read_timeout_sec",
    "send_cbt",
    "server_cert_validation",
];
/// Read below, or as passwords.
const KNOWN: [&str; 12] = [
    "ca_trust_path",
    "cert_key_pem",
    "cert_pem",
    "host",
    "pass",
    "password",
    "path",
    "port",
    "realm",
    "scheme",
    "transport",
    "user",
];

impl Settings<'_, '_> {
    /// A host that is reached over WinRM; options of ssh say nothing about it.
    pub(super) fn winrm(&mut self, at: &Span) {
        self.set("transport", Value::Text("winrm".to_owned()), at);
        self.name(&["ansible_host", "ansible_winrm_host"], "address");
        self.name(&["ansible_user", "ansible_winrm_user"], "user");
        let port = self.text(&["ansible_port", "ansible_winrm_port"]);
        port.iter().for_each(|port| self.port(port));
        self.scheme(port.as_ref());
        self.login();
        for (name, key) in [
            ("ansible_winrm_cert_pem", "certificate"),
            ("ansible_winrm_cert_key_pem", "key"),
            ("ansible_winrm_ca_trust_path", "ca"),
            ("ansible_winrm_realm", "domain"),
        ] {
            if let Some(text) = self.text(&[name]).filter(|t| !t.is_empty()) {
                self.set(key, Value::Text(text.value), &text.span);
            }
        }
        self.rest();
        for d in ways::contradictions(&self.layer.settings) {
            let Some(span) = d.labels.first().map(|l| l.span.clone()) else {
                continue;
            };
            let (d, _) = self.notes.once(d, &span);
            self.faults.push(d);
        }
    }

    /// As Ansible has it: plain HTTP where its port is named and nothing else is said.
    fn scheme(&mut self, port: Option<&Spanned<String>>) {
        match self.text(&["ansible_winrm_scheme"]) {
            Some(scheme) if matches!(scheme.as_str(), "http" | "https") => {
                self.set("scheme", Value::Text(scheme.value), &scheme.span);
            }
            Some(scheme) => self.fault(
                format!("WinRM has no scheme `{}`", scheme.value),
                &scheme.span,
                "not usable",
                "write http or https",
            ),
            None => {
                if let Some(port) = port.filter(|p| p.value == "5985") {
                    self.set("scheme", Value::Text("http".to_owned()), &port.span);
                }
            }
        }
    }

    /// The first way that is named; Ansible tries the others after it.
    fn login(&mut self) {
        let Some((name, datum)) = self.last(&["ansible_winrm_transport"]) else {
            return;
        };
        let first = match super::value(&datum) {
            Ok(Value::Text(text)) => text.split(',').next().map(|t| t.trim().to_lowercase()),
            Ok(Value::List(list)) => match list.into_iter().next() {
                Some(Value::Text(text)) => Some(text.to_lowercase()),
                _ => None,
            },
            _ => None,
        };
        let certificate = self.last(&["ansible_winrm_cert_pem"]).is_some();
        let auth = match first.as_deref() {
            Some(word @ ("ntlm" | "kerberos" | "basic" | "certificate")) => word,
            Some("ssl") if certificate => "certificate",
            Some("plaintext" | "ssl") => "basic",
            _ => {
                let what = first.unwrap_or_else(|| datum.what().to_owned());
                return self.fault(
                    format!("pitstop cannot log in by `{what}`"),
                    &datum.span,
                    &format!("the first of `{name}`"),
                    "write ntlm, kerberos, basic or certificate, or leave the host out of `targets`",
                );
            }
        };
        self.set("auth", Value::Text(auth.to_owned()), &datum.span);
    }

    /// Everything else that begins with `ansible_winrm_`: what may lead elsewhere is refused.
    fn rest(&mut self) {
        let vars = self.vars;
        for (name, datum) in vars {
            let Some(option) = name.strip_prefix("ansible_winrm_") else {
                continue;
            };
            let usual = option == "path" && datum.text().is_some_and(|t| t.trim_matches('/') == "wsman");
            let known = KNOWN.contains(&option) && option != "path";
            if !(usual || known || HARMLESS.contains(&option)) {
                self.fault(
                    format!("`{name}` cannot be honoured"),
                    &datum.span,
                    "it may change where or as whom Ansible connects",
                    "delete it, or leave the host out of `targets`",
                );
            }
        }
    }
}
