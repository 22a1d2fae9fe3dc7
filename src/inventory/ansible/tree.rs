//! A YAML inventory of Ansible, and the JSON of `ansible-inventory --list` → the model.
//!
//! Owns: `hosts`, `vars` and `children` of both. Must not: know what a variable means, or read other files.

use super::model::Model;
use super::pattern;
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::yaml::ansible::{Datum, Kind};

fn wrong(span: Span, message: String, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error("PS0414", message, span, label)
}

fn name_of(key: &Datum, what: &str, diags: &mut Diagnostics) -> Option<Spanned<String>> {
    match key.text().filter(|t| !t.is_empty()) {
        Some(text) => Some(Spanned::new(text.to_owned(), key.span.clone())),
        None => {
            let d = wrong(
                key.span.clone(),
                format!("the name of {what} is text"),
                format!("this is {}", key.what()),
            );
            diags.push(d.help("put it in quotes"));
            None
        }
    }
}

/// Reads the groups of a YAML inventory.
pub(super) fn yaml(root: &Datum, model: &mut Model, diags: &mut Diagnostics) {
    let Kind::Map(groups) = &root.kind else { return };
    for (key, value) in groups {
        group(key, value, model, diags);
    }
}

/// Reads one group with those in it. What it is called, if that can be said.
fn group(key: &Datum, value: &Datum, model: &mut Model, diags: &mut Diagnostics) -> Option<Spanned<String>> {
    let name = name_of(key, "a group", diags)?;
    let sections = match &value.kind {
        Kind::None => &[][..],
        Kind::Map(sections) => sections,
        _ => {
            let d = Diagnostic::warning(
                "PS0425",
                format!("`{}` is no group: it is left out", name.value),
                value.span.clone(),
                format!("this is {}", value.what()),
            );
            diags.push(d.help("a group holds `hosts`, `children` and `vars`; settings of hosts go under `vars`"));
            return Some(name);
        }
    };
    let group = model.add_group(&name);
    for (section, value) in sections {
        // A single word is as good as a map with one key.
        let one = [(
            value.clone(),
            Datum {
                kind: Kind::None,
                span: value.span.clone(),
            },
        )];
        let known = section.text().filter(|s| matches!(*s, "hosts" | "children" | "vars"));
        let entries = match (&value.kind, known) {
            (Kind::None, _) => continue,
            (Kind::Map(entries), Some(_)) => entries.as_slice(),
            (Kind::Text(_) | Kind::Unsafe(_), Some(_)) => &one[..],
            (_, Some(known)) => {
                let d = wrong(
                    value.span.clone(),
                    format!("`{known}` of the group `{}` is a map", name.value),
                    format!("this is {}", value.what()),
                );
                diags.push(d.help("write `NAME:` lines below it, not a list with dashes"));
                continue;
            }
            (_, None) => {
                let what = section.as_key().unwrap_or_default();
                let d = Diagnostic::warning(
                    "PS0425",
                    format!("a group has no `{what}`: it is left out"),
                    section.span.clone(),
                    "Ansible passes over it",
                );
                diags.push(d.help("a group holds `hosts`, `children` and `vars`"));
                continue;
            }
        };
        for (key, value) in entries {
            match known {
                Some("vars") => {
                    if let Some(key) = key.as_key() {
                        model.set(&name, &key, value.clone(), diags);
                    }
                }
                Some("children") => {
                    if let Some(child) = self::group(key, value, model, diags) {
                        model.add_child(group, &child, diags);
                    }
                }
                _ => hosts(key, value, group, model, diags),
            }
        }
    }
    Some(name)
}

fn hosts(key: &Datum, value: &Datum, group: usize, model: &mut Model, diags: &mut Diagnostics) {
    let Some(written) = name_of(key, "a host", diags) else {
        return;
    };
    let vars: &[(Datum, Datum)] = match &value.kind {
        Kind::Map(vars) => vars,
        Kind::None | Kind::Bool(false) | Kind::Int(0) => &[],
        Kind::Text(t) | Kind::Unsafe(t) if t.is_empty() => &[],
        Kind::List(items) if items.is_empty() => &[],
        _ => {
            let d = wrong(
                value.span.clone(),
                format!("what stands at the host `{}` is a map", written.value),
                format!("this is {}", value.what()),
            );
            diags.push(d.help("write `NAME: VALUE` lines below it, or nothing"));
            return;
        }
    };
    let (names, port) = match pattern::expand(&written) {
        Ok(found) => found,
        Err(why) => {
            let d = Diagnostic::error(
                "PS0415",
                format!("`{}` names no hosts: {why}", written.value),
                written.span,
                "a host, or a range of hosts",
            );
            diags.push(d.help("write `web[01:50].example.com`, with `:PORT` after it if it is not 22"));
            return;
        }
    };
    if names.is_empty() {
        let d = Diagnostic::warning(
            "PS0415",
            format!("the range `{}` has no hosts", written.value),
            written.span.clone(),
            "its begin comes after its end",
        );
        diags.push(d.help("turn begin and end round, or delete the line"));
    }
    let mut told = false;
    for name in names {
        let name = Spanned::new(name, written.span.clone());
        add(&name, vars, group, port, &mut told, model, diags);
    }
}

fn add(
    name: &Spanned<String>,
    vars: &[(Datum, Datum)],
    group: usize,
    port: Option<i64>,
    told: &mut bool,
    model: &mut Model,
    diags: &mut Diagnostics,
) {
    model.add_host(name, group, port);
    if model.group(name).is_some() && !*told {
        *told = true;
        diags.push(super::one_name(name));
    }
    for (key, value) in vars {
        if let Some(key) = key.as_key() {
            model.set(name, &key, value.clone(), diags);
        }
    }
}

/// True for what `ansible-inventory --list` prints.
pub(super) fn is_list(root: &Datum) -> bool {
    matches!(root.get("_meta").map(|m| &m.kind), Some(Kind::Map(_)))
}

/// Reads the groups of the JSON list, then the variables of hosts under `_meta`.
pub(super) fn list(root: &Datum, model: &mut Model, diags: &mut Diagnostics) {
    let Kind::Map(groups) = &root.kind else { return };
    let mut named: Vec<Spanned<String>> = Vec::new();
    for (key, value) in groups.iter().filter(|(k, _)| k.text() != Some("_meta")) {
        if let Some(name) = name_of(key, "a group", diags) {
            listed(&name, value, &mut named, model, diags);
        }
    }
    let Some(vars) = root.get("_meta").and_then(|m| m.get("hostvars")) else {
        let d = wrong(
            root.span.clone(),
            "the list has no `_meta.hostvars`".to_owned(),
            "variables of hosts would be missing",
        );
        diags.push(d.help("a program that prints an inventory prints `{\"_meta\": {\"hostvars\": {…}}}` with it"));
        return;
    };
    let Kind::Map(vars) = &vars.kind else {
        diags.push(wrong(
            vars.span.clone(),
            "`_meta.hostvars` is a map".to_owned(),
            format!("this is {}", vars.what()),
        ));
        return;
    };
    let of: std::collections::HashMap<&str, &Datum> = vars.iter().filter_map(|(k, v)| Some((k.text()?, v))).collect();
    let mut done = std::collections::HashSet::new();
    for name in named.iter().filter(|n| done.insert(n.value.as_str())) {
        match of.get(name.value.as_str()).map(|v| (&v.kind, &v.span)) {
            Some((Kind::Map(vars), _)) => {
                for (key, value) in vars {
                    model.set(name, &key.as_key().unwrap_or_default(), value.clone(), diags);
                }
            }
            Some((_, span)) => diags.push(wrong(
                span.clone(),
                format!("the variables of `{}` are a map", name.value),
                "this is none",
            )),
            None => {}
        }
    }
}

/// A group of the list: a map, or only its hosts; without any of the three keys it is a host with variables.
fn listed(
    name: &Spanned<String>,
    value: &Datum,
    named: &mut Vec<Spanned<String>>,
    model: &mut Model,
    diags: &mut Diagnostics,
) {
    let group = model.add_group(name);
    let map = matches!(value.kind, Kind::Map(_));
    let hosts = if map { value.get("hosts") } else { Some(value) };
    let (mut vars, children) = (value.get("vars"), value.get("children"));
    if map && hosts.is_none() && vars.is_none() && children.is_none() {
        vars = Some(value);
        named.push(name.clone());
        model.add_host(name, group, None);
    }
    match hosts.map(|h| &h.kind) {
        None => {}
        Some(Kind::List(hosts)) => {
            for host in hosts
                .iter()
                .filter_map(|h| name_of(h, "a host", diags))
                .collect::<Vec<_>>()
            {
                model.add_host(&host, group, None);
                named.push(host);
            }
        }
        Some(_) => diags.push(wrong(
            value.span.clone(),
            format!("the hosts of `{}` are a list", name.value),
            "this is none",
        )),
    }
    match vars.map(|v| &v.kind) {
        None => {}
        Some(Kind::Map(vars)) => {
            for (key, value) in vars {
                model.set(name, &key.as_key().unwrap_or_default(), value.clone(), diags);
            }
        }
        Some(_) => diags.push(wrong(
            value.span.clone(),
            format!("the variables of `{}` are a map", name.value),
            "this is none",
        )),
    }
    let Some(Kind::List(children)) = children.map(|c| &c.kind) else {
        return;
    };
    for child in children
        .iter()
        .filter_map(|c| name_of(c, "a group", diags))
        .collect::<Vec<_>>()
    {
        model.add_group(&child);
        model.add_child(group, &child, diags);
    }
}
