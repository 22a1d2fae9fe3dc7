//! What Ansible's connection variables come to: pitstop's settings of a host, and what it cannot honour.
//!
//! Owns: the table of variables in `docs/inventories.md`. Must not: decide who wins among variables.
//!
//! What would change where or as whom pitstop connects and cannot be honoured makes the host unusable: an error of the plan
//! that needs it, and of no other, for a site's inventory holds switches and containers too.

mod winrm;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::model::Vars;
use super::ssh_args::{self, Wanted};
use super::{Datum, Kind, value};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::inventory::layer::Layer;
use crate::inventory::{Host, Unusable, Withheld, hosts};
use crate::runbook::Value;

/// What is said once for a place, however many hosts it serves.
#[derive(Default)]
pub(super) struct Notes {
    faults: HashMap<(usize, usize, String), Arc<Diagnostic>>,
    warnings: Vec<Diagnostic>,
}

impl Notes {
    /// Hands the warnings over.
    pub(super) fn tell(self, diags: &mut Diagnostics) {
        diags.extend(self.warnings);
    }

    fn once(&mut self, d: Diagnostic, span: &Span) -> (Arc<Diagnostic>, bool) {
        let key = (Arc::as_ptr(&span.source).addr(), span.start, d.message.clone());
        let mut fresh = false;
        let d = self.faults.entry(key).or_insert_with(|| {
            fresh = true;
            Arc::new(d)
        });
        (Arc::clone(d), fresh)
    }

    fn warn(&mut self, code: &'static str, message: String, span: &Span, label: &str, help: &str) {
        let d = Diagnostic::warning(code, message, span.clone(), label).help(help);
        let (d, fresh) = self.once(d, span);
        if fresh {
            self.warnings.push(Diagnostic::clone(&d));
        }
    }
}

struct Settings<'v, 'n> {
    vars: &'v Vars,
    layer: Layer,
    faults: Vec<Arc<Diagnostic>>,
    notes: &'n mut Notes,
}

/// A host as pitstop knows it.
pub(super) fn host(
    name: &Spanned<String>,
    vars: Vars,
    sealed: Vec<Span>,
    groups: Vec<String>,
    notes: &mut Notes,
) -> Host {
    let mut settings = Settings {
        vars: &vars,
        layer: Layer::default(),
        faults: Vec::new(),
        notes,
    };
    settings.connection();
    settings.passwords();
    settings.becoming();
    let (mut layer, faults) = (settings.layer, settings.faults);
    let mut withheld = BTreeMap::new();
    for (key, datum) in &vars {
        if let Some(label) = key.strip_prefix("pitstop_label_") {
            if let Some(text) = datum.as_key() {
                layer
                    .labels
                    .insert(label.to_owned(), Spanned::new(text, datum.span.clone()));
            }
            continue;
        }
        let known = if is_secret(key) {
            Err("it is a password, and no password is read from an inventory")
        } else {
            value(datum)
        };
        match known {
            Ok(v) => drop(layer.vars.insert(key.clone(), Spanned::new(v, datum.span.clone()))),
            Err(why) => drop(withheld.insert(
                key.clone(),
                Withheld {
                    why,
                    span: datum.span.clone(),
                },
            )),
        }
    }
    let mut host = hosts::from_settings(name, layer, groups);
    if !(faults.is_empty() && withheld.is_empty() && sealed.is_empty()) {
        host.unusable = Some(Box::new(Unusable {
            settings: faults,
            vars: withheld,
            sealed,
        }));
    }
    host
}

/// Variables whose value nobody is shown.
fn is_secret(name: &str) -> bool {
    name.starts_with("ansible_")
        && ["password", "_pass", "passphrase"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// The name of a plugin without its collection.
fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.")
        .or_else(|| name.strip_prefix("community.general."))
        .unwrap_or(name)
}

impl Settings<'_, '_> {
    fn fault(&mut self, message: String, span: &Span, label: &str, help: &str) {
        let d = Diagnostic::error("PS0420", message, span.clone(), label).help(help);
        let (d, _) = self.notes.once(d, span);
        self.faults.push(d);
    }

    fn set(&mut self, key: &'static str, value: Value, span: &Span) {
        self.layer.settings.insert(key, Spanned::new(value, span.clone()));
    }

    /// The last of these variables that is set, as Ansible takes it.
    fn last(&self, names: &[&'static str]) -> Option<(&'static str, Arc<Datum>)> {
        let set = |n: &&'static str| {
            self.vars
                .get(*n)
                .filter(|d| !matches!(d.kind, Kind::None))
                .map(|d| (*n, Arc::clone(d)))
        };
        names.iter().rev().find_map(set)
    }

    /// The text of a setting that we need now.
    fn text(&mut self, names: &[&'static str]) -> Option<Spanned<String>> {
        let (name, datum) = self.last(names)?;
        let text = match value(&datum) {
            Ok(Value::Text(text)) => text,
            Ok(Value::Int(n)) => n.to_string(),
            Ok(_) => {
                self.fault(
                    format!("`{name}` is a text"),
                    &datum.span,
                    &format!("this is {}", datum.what()),
                    "write it in quotes",
                );
                return None;
            }
            Err(why) => {
                self.fault(
                    format!("`{name}` cannot be known: {why}"),
                    &datum.span,
                    "pitstop needs this to connect",
                    "write the value itself; or export what Ansible makes of it: `ansible-inventory -i FILE --list > inventory.json` keeps templates, so write the value at the host",
                );
                return None;
            }
        };
        Some(Spanned::new(text, datum.span.clone()))
    }

    /// An address or a user: what may stand in command lines and log lines.
    fn name(&mut self, names: &[&'static str], key: &'static str) {
        if let Some(text) = self.text(names) {
            self.named(&text, key);
        }
    }

    fn named(&mut self, text: &Spanned<String>, key: &'static str) {
        if crate::inventory::layer::is_name_like(text) {
            self.set(key, Value::Text(text.value.clone()), &text.span);
        } else {
            let message = format!("`{key}` cannot be `{}`", text.value);
            self.fault(
                message,
                &text.span,
                "not usable",
                "no spaces, quotes or shell characters, and no dash at the beginning",
            );
        }
    }

    fn connection(&mut self) {
        let connection = self.text(&["ansible_connection"]);
        if let Some(connection) = connection.as_ref().filter(|c| short(c) == "winrm") {
            return self.winrm(&connection.span);
        }
        self.name(&["ansible_host", "ansible_ssh_host"], "address");
        self.ssh();
        if let Some(connection) = connection {
            match short(&connection) {
                "ssh" | "smart" | "paramiko" | "paramiko_ssh" => {}
                "local" => self.set("transport", Value::Text("local".to_owned()), &connection.span),
                other => self.fault(
                    format!("pitstop has no connection `{other}`"),
                    &connection.span,
                    "how Ansible reaches this host",
                    "pitstop knows ssh, winrm and local; leave the host out of `targets`, or set `ansible_connection: ssh`",
                ),
            }
        }
        if let Some(shell) = self
            .text(&["ansible_shell_type"])
            .filter(|s| matches!(short(s), "powershell" | "cmd"))
        {
            self.fault(
                format!("pitstop does not speak `{}` over SSH", shell.value),
                &shell.span,
                "a Windows shell",
                "leave the host out of `targets`",
            );
        }
        let limit = self.last(&["ansible_timeout", "ansible_ssh_timeout"]);
        if let Some((_, datum)) = limit
            && let Some(seconds) = match &datum.kind {
                Kind::Int(n) => Some(*n),
                Kind::Text(t) => t.trim().parse().ok(),
                _ => None,
            }
            && (1..=86_400).contains(&seconds)
        {
            self.set("connect_timeout", Value::Int(seconds * 1000), &datum.span);
        }
    }

    /// In the order in which `ssh` sees the options: the first of each counts.
    fn ssh(&mut self) {
        let first = self.args("ansible_ssh_args");
        let port = self.text(&["ansible_port", "ansible_ssh_port"]);
        let user = self.text(&["ansible_user", "ansible_ssh_user"]);
        let key = self.text(&["ansible_private_key_file", "ansible_ssh_private_key_file"]);
        let common = self.args("ansible_ssh_common_args");
        let extra = self.args("ansible_ssh_extra_args");
        let all = [&first, &common, &extra];
        let later = [&common, &extra];
        let of = |wanted: &[&Option<Spanned<Wanted>>], get: fn(&Wanted) -> Option<String>| {
            wanted
                .iter()
                .filter_map(|w| w.as_ref())
                .find_map(|w| Some(Spanned::new(get(w)?, w.span.clone())))
        };
        let get_user: fn(&Wanted) -> Option<String> = |w| w.user.clone();
        let get_port: fn(&Wanted) -> Option<String> = |w| w.port.map(|p| p.to_string());
        let user = of(&[&first], get_user).or(user).or_else(|| of(&later, get_user));
        let port = of(&[&first], get_port).or(port).or_else(|| of(&later, get_port));
        let jump = of(&all, |w| w.jump.clone());
        let list = |get: fn(&Wanted) -> &Vec<String>| -> Vec<Value> {
            all.iter()
                .filter_map(|w| w.as_ref())
                .flat_map(|w| get(w).clone())
                .map(Value::Text)
                .collect()
        };
        let (mut identity, known_hosts) = (list(|w| &w.identity), list(|w| &w.known_hosts));
        let at = key
            .iter()
            .map(|k| &k.span)
            .chain(all.iter().filter_map(|w| w.as_ref()).map(|w| &w.span))
            .next()
            .cloned();
        identity.splice(0..0, key.map(|k| Value::Text(k.value)));
        if let Some(user) = &user {
            self.named(user, "user");
        }
        if let Some(jump) = &jump {
            self.named(jump, "jump");
        }
        port.iter().for_each(|port| self.port(port));
        for (key, list) in [("identity", identity), ("known_hosts", known_hosts)] {
            if let Some(at) = at.as_ref().filter(|_| !list.is_empty()) {
                self.set(key, Value::List(list), at);
            }
        }
    }

    fn port(&mut self, port: &Spanned<String>) {
        match port.parse::<i64>().ok().filter(|p| (1..=65535).contains(p)) {
            Some(p) => self.set("port", Value::Int(p), &port.span),
            None => self.fault(
                format!("`{}` is no port", port.value),
                &port.span,
                "not usable",
                "write a number from 1 to 65535",
            ),
        }
    }

    fn args(&mut self, name: &'static str) -> Option<Spanned<Wanted>> {
        let text = self.text(&[name])?;
        match ssh_args::read(&text) {
            Ok(wanted) => Some(Spanned::new(wanted, text.span)),
            Err(why) => {
                self.fault(
                    format!("`{name}` cannot be honoured: {why}"),
                    &text.span,
                    "options of the ssh program",
                    "a bastion is `-o ProxyJump=USER@HOST:PORT`; other options belong into an inventory of pitstop, or in ~/.ssh/config",
                );
                None
            }
        }
    }

    fn passwords(&mut self) {
        let become_ = [
            "ansible_sudo_pass",
            "ansible_su_pass",
            "ansible_doas_pass",
            "ansible_become_pass",
            "ansible_become_password",
        ];
        for (names, ours, key) in [
            (
                &[
                    "ansible_password",
                    "ansible_ssh_pass",
                    "ansible_ssh_password",
                    "ansible_winrm_pass",
                    "ansible_winrm_password",
                ][..],
                "pitstop_password",
                "password",
            ),
            (&become_[..], "pitstop_become_password", "become.password"),
        ] {
            if let Some(secret) = self.text(&[ours]) {
                self.set(key, Value::Text(secret.value), &secret.span);
            } else if let Some((name, datum)) = self.last(names) {
                // The place is the beginning only: what stands there is shown to nobody.
                let at = Span::new(&datum.span.source, datum.span.start, datum.span.start);
                let help = format!("write `{ours}: NAME` beside it, and declare NAME under `secrets` of the runbook");
                self.notes.warn(
                    "PS0421",
                    format!("`{name}` is not used: pitstop reads no password from an inventory"),
                    &at,
                    "it begins here",
                    &help,
                );
            }
        }
    }

    fn becoming(&mut self) {
        if let Some(method) = self.text(&["ansible_become_method"]) {
            match short(&method) {
                word @ ("sudo" | "su" | "doas") => {
                    self.set("become.method", Value::Text(word.to_owned()), &method.span)
                }
                other => self.fault(
                    format!("pitstop cannot become another user by `{other}`"),
                    &method.span,
                    "how Ansible becomes another user here",
                    "write sudo, su or doas, or leave the host out of `targets`",
                ),
            }
        }
        let become_ = self.last(&["ansible_become"]);
        if let Some((name, datum)) = become_.filter(|(_, datum)| !is_no(datum)) {
            self.notes.warn(
                "PS0422",
                format!("`{name}` is not taken over"),
                &datum.span,
                "steps run as the login user unless they say otherwise",
                "a step says `become: true`, or `defaults: { become: true }` in the runbook",
            );
        }
        let user = self.text(&["ansible_become_user", "ansible_sudo_user", "ansible_su_user"]);
        if let Some(user) = user.filter(|u| !matches!(u.trim(), "" | "root")) {
            self.named(&user, "become.user");
        }
        let method = match self.layer.settings.get("become.method") {
            Some(Spanned {
                value: Value::Text(method),
                ..
            }) => method.clone(),
            _ => "sudo".to_owned(),
        };
        if let Some(exe) = self
            .text(&["ansible_become_exe", "ansible_sudo_exe", "ansible_su_exe"])
            .filter(|exe| !exe.is_empty() && exe.rsplit('/').next() != Some(method.as_str()))
        {
            self.fault(
                format!("pitstop calls {method} by its name, not `{}`", exe.value),
                &exe.span,
                "how Ansible becomes another user here",
                "delete it, or leave the host out of `targets`",
            );
        }
        // Without a terminal, with the home of the other user, as a login: pitstop has its own way for each.
        let harmless = |flags: &str| {
            flags.split_whitespace().all(|f| {
                f.strip_prefix('-')
                    .is_some_and(|f| f.chars().all(|c| "HSniEkl".contains(c)))
            })
        };
        if let Some(flags) = self
            .text(&["ansible_become_flags", "ansible_sudo_flags", "ansible_su_flags"])
            .filter(|flags| !harmless(flags))
        {
            self.fault(
                format!("pitstop cannot honour the flags `{}` of {method}", flags.value),
                &flags.span,
                "they may change as whom a step runs",
                "delete them, or leave the host out of `targets`",
            );
        }
    }
}

/// Whatever Ansible takes for "no".
fn is_no(datum: &Datum) -> bool {
    match &datum.kind {
        Kind::Bool(b) => !b,
        Kind::Text(t) => matches!(t.to_lowercase().as_str(), "" | "no" | "false" | "0" | "off" | "n" | "f"),
        Kind::Int(n) => *n == 0,
        _ => false,
    }
}
