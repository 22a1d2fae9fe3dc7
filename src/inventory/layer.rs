//! What one place of the inventory (`defaults`, a group, a host) sets, and who wins.
//!
//! Owns: the keys a host, a group and `defaults` share, and the rule of inheritance. Must not: know what a setting means.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::inventory::name_fault;
use crate::runbook::Value;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Node, NodeKind};

/// What one place sets, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// How its hosts are reached; `become.user` for the user under `become`.
    pub settings: Settings,
    pub labels: Part<String, String>,
    pub vars: Part<String, Value>,
}

/// How hosts are reached, key by key.
pub(super) type Settings = Part<&'static str, Value>;

/// The keys of one kind.
pub(super) type Part<K, V> = BTreeMap<K, Spanned<V>>;

impl Layer {
    fn set(&mut self, name: &'static str, value: Value, span: Span) {
        self.settings.insert(name, Spanned::new(value, span));
    }
}

/// Two groups that give one host different values.
pub(super) struct Quarrel {
    /// The key as it is written, `labels.role`.
    pub key: String,
    pub one: (usize, Span),
    pub other: (usize, Span),
}

/// The value of every key for a host: its own, else its groups', else the defaults'. Groups that disagree are told.
pub(super) fn merge(own: Layer, groups: &[(usize, &Layer)], defaults: &Layer, quarrels: &mut Vec<Quarrel>) -> Layer {
    Layer {
        settings: part(own.settings, groups, defaults, |l| &l.settings, "", quarrels),
        labels: part(own.labels, groups, defaults, |l| &l.labels, "labels.", quarrels),
        vars: part(own.vars, groups, defaults, |l| &l.vars, "vars.", quarrels),
    }
}

fn part<K: Ord + Clone + Display, V: PartialEq + Clone>(
    mut own: Part<K, V>,
    groups: &[(usize, &Layer)],
    defaults: &Layer,
    of: fn(&Layer) -> &Part<K, V>,
    kind: &str,
    quarrels: &mut Vec<Quarrel>,
) -> Part<K, V> {
    let mut by_groups = BTreeMap::new();
    for (group, layer) in groups {
        for (key, value) in of(layer).iter().filter(|(key, _)| !own.contains_key(key)) {
            let (first, given) = *by_groups.entry(key).or_insert((*group, value));
            if given.value != value.value {
                quarrels.push(Quarrel {
                    key: format!("{kind}{key}"),
                    one: (first, given.span.clone()),
                    other: (*group, value.span.clone()),
                });
            }
        }
    }
    let by_groups = by_groups.into_iter().map(|(key, (_, value))| (key, value));
    for (key, value) in by_groups.chain(of(defaults)) {
        if !own.contains_key(key) {
            own.insert(key.clone(), value.clone());
        }
    }
    own
}

/// The keys of a host.
pub(super) fn read_host(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Layer {
    let mut layer = read_named(f, diags);
    name_like(f, "address", &mut layer);
    layer
}

/// The keys that a host and a group share.
pub(super) fn read_named(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Layer {
    let mut layer = read(f, diags);
    labels(f, &mut layer);
    for e in f.map("vars").unwrap_or_default() {
        let value = Spanned::new(fields::value(&e.value), e.value.span.clone());
        layer.vars.insert(e.key.value.clone(), value);
    }
    layer
}

/// The keys that a host, a group and `defaults` share.
pub(super) fn read(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Layer {
    let mut layer = Layer::default();
    name_like(f, "user", &mut layer);
    name_like(f, "jump", &mut layer);
    if let Some(port) = f.int("port") {
        layer.set("port", Value::Int(port.value), port.span);
    }
    if let Some(limit) = f.duration("connect_timeout") {
        let ms = i64::try_from(limit.value.as_millis()).unwrap_or(i64::MAX);
        layer.set("connect_timeout", Value::Int(ms), limit.span);
    }
    for key in ["identity", "known_hosts"] {
        if let Some((list, span)) = one_or_many(f, key) {
            layer.set(key, Value::List(list), span);
        }
    }
    transport(f, &mut layer);
    become_(f, &mut layer, diags);
    if let Some(node) = f.node("password")
        && let Some(name) = secret(node, diags)
    {
        layer.set("password", Value::Text(name.value), name.span);
    }
    for key in ["scheme", "auth"] {
        if let Some(word) = f.choice(key) {
            layer.set(key, Value::Text(word.value.to_owned()), word.span);
        }
    }
    for key in ["shell", "domain", "ca", "pin", "certificate", "key"] {
        if let Some(text) = f.text(key) {
            layer.set(key, Value::Text(text.value), text.span);
        }
    }
    layer
}

fn labels(f: &mut Fields<'_>, layer: &mut Layer) {
    for e in f.map("labels").unwrap_or_default() {
        if matches!(e.key.value.as_str(), "host" | "group") || name_fault(&e.key).is_some() {
            let d = Diagnostic::error(
                "PS0402",
                format!("a label cannot be called `{}`", e.key.value),
                e.key.span.clone(),
                "not a label's name",
            );
            f.complain(d.help(
                "letters, digits and . _ - only, and neither `host` nor `group`: selectors use these words themselves",
            ));
        }
        match fields::text(&e.value) {
            Ok(text) => {
                layer.labels.insert(e.key.value.clone(), text);
            }
            Err(d) => f.complain(d.help("a label is one text; `vars` may hold lists and maps")),
        }
    }
}

/// Addresses and users reach command lines and log lines: no spaces, no control characters, no leading dash.
pub(super) fn is_name_like(text: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'`$;&|<>(){}".contains(c);
    !(text.starts_with('-') || text.is_empty() || text.chars().any(bad))
}

fn name_like(f: &mut Fields<'_>, key: &'static str, layer: &mut Layer) {
    let Some(text) = f.text(key) else { return };
    if !is_name_like(&text) {
        let d = Diagnostic::error(
            "PS0408",
            format!("`{key}` cannot be `{}`", text.value),
            text.span.clone(),
            "not usable",
        );
        f.complain(d.help("no spaces, quotes or shell characters, and no dash at the beginning"));
    }
    layer.set(key, Value::Text(text.value), text.span);
}

fn one_or_many(f: &mut Fields<'_>, key: &'static str) -> Option<(Vec<Value>, Span)> {
    let node = f.node(key)?;
    let nodes = match fields::seq(node, key) {
        Ok(list) => list,
        Err(_) => std::slice::from_ref(node),
    };
    let mut list = Vec::new();
    for n in nodes {
        match fields::text(n) {
            Ok(t) => list.push(Value::Text(t.value)),
            Err(d) => f.complain(d),
        }
    }
    Some((list, node.span.clone()))
}

fn transport(f: &mut Fields<'_>, layer: &mut Layer) {
    for key in ["transport", "os"] {
        if let Some(word) = f.choice(key) {
            layer.set(key, Value::Text(word.value.to_owned()), word.span);
        }
    }
}

fn become_(f: &mut Fields<'_>, layer: &mut Layer, diags: &mut Diagnostics) {
    let Some(node) = f.node("become") else { return };
    let Some(mut b) = Fields::of(node, &keys::HOST_BECOME, diags) else {
        return;
    };
    if let Some(method) = b.word("method", &[("sudo", "sudo"), ("su", "su"), ("doas", "doas")]) {
        layer.set("become.method", Value::Text(method.value.to_owned()), method.span);
    }
    if let Some(name) = b.node("password").and_then(|n| secret(n, diags)) {
        layer.set("become.password", Value::Text(name.value), name.span);
    }
    if let Some(user) = b.text("user") {
        layer.set("become.user", Value::Text(user.value), user.span);
    }
    if let Some(exact) = b.bool("exact") {
        layer.set("become.exact", Value::Bool(exact.value), exact.span);
    }
    b.finish(diags);
}

/// `{secret: NAME}`. A password in clear is refused without repeating it.
fn secret(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<String>> {
    fields::hide_secret(node, &keys::PASSWORD);
    if !matches!(node.kind, NodeKind::Map(_)) {
        diags.push(
            Diagnostic::error(
                "PS0413",
                "a password may not stand in an inventory",
                node.span.clone(),
                "it is shown to nobody",
            )
            .help("write `{ secret: NAME }` and declare NAME under `secrets` of the runbook")
            .help("the password that stood here has been in a file: change it"),
        );
        return None;
    }
    let mut f = Fields::of(node, &keys::PASSWORD, diags)?;
    let name = f.text("secret");
    f.finish(diags);
    name
}
