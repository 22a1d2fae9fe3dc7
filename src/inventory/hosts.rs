//! An inventory file → [`Inventory`].
//!
//! Owns: the keys of our own format, membership of groups, and what a host ends up with; which format a file has. Must not: know
//! Ansible's rules.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cores;
use crate::diag::{Diagnostic, Diagnostics, Source, Spanned, nearest};
use crate::id::HostName;
use crate::inventory::layer::{self, Layer, Quarrel, Settings};
use crate::inventory::sshconfig::Hop;
use crate::inventory::{Host, Inventory, Os, Transport, Winrm, ansible, is_jump_address, name_fault, ways};
use crate::runbook::Value;
use crate::runbook::fields::{self, Fields};
use crate::runbook::files::{Files, ReadError};
use crate::runbook::keys;
use crate::runbook::yaml::{self, Entry, Node, NodeKind, ansible as loose};

struct RawGroup {
    name: Spanned<String>,
    members: Vec<Spanned<String>>,
    layer: Layer,
}

/// Reads an inventory: our own format, or one of Ansible's without what lies beside it. `None` only where there is nothing
/// usable; every complaint is in `diags`.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Inventory> {
    if is_ours(&source.text) {
        ours(source, diags)
    } else {
        ansible::text(source, diags)
    }
}

/// Reads the inventory at a path of the project: a file of our own format or of Ansible's with `group_vars/` and `host_vars/`
/// beside it, or a folder of Ansible's. Only good without errors.
pub fn read_at(files: &dyn Files, path: &str, diags: &mut Diagnostics) -> Result<Option<Inventory>, ReadError> {
    if files.list(path).is_ok() {
        return Ok(ansible::folder(files, path, diags));
    }
    let bytes = files.read(path)?;
    let Some(source) = yaml::source(path, &bytes, diags) else {
        return Ok(None);
    };
    Ok(if is_ours(&source.text) {
        ours(&source, diags)
    } else {
        ansible::file(files, &source, diags)
    })
}

/// True for a text of our own format: it has one of our keys at its top, or nothing at all.
pub fn is_ours(text: &str) -> bool {
    const KEYS: [&str; 4] = ["schema", "defaults", "hosts", "groups"];
    let written = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ';']);
    let mut lines = text.lines().filter(written).peekable();
    if lines.peek().is_some_and(|first| first.starts_with('{')) {
        let top = loose::read(&Source::new("", text), &mut Diagnostics::new());
        return top.is_none_or(|top| KEYS.iter().any(|key| top.get(key).is_some()) && top.get("_meta").is_none());
    }
    lines.peek().is_none()
        || lines.any(|line| {
            let key = line.split_once(':').map(|(key, _)| key.trim_end());
            key.is_some_and(|key| KEYS.contains(&key))
        })
}

/// True for a YAML text that is an inventory of Ansible by its look: `all` at the top, over `hosts`, `children` or `vars`.
pub fn is_ansible(text: &str) -> bool {
    if is_ours(text) || !text.lines().any(|line| line.starts_with("all:")) {
        return false;
    }
    let top = loose::read(&Source::new("", text), &mut Diagnostics::new());
    let all = top.as_ref().and_then(|top| top.get("all"));
    all.is_some_and(|all| ["hosts", "children", "vars"].iter().any(|key| all.get(key).is_some()))
}

fn ours(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Inventory> {
    let root = yaml::read(source, diags)?;
    lower(&root, source, diags)
}

/// Lowers the tree of an inventory in our own format.
pub fn lower(root: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Inventory> {
    let mut f = Fields::of(root, &keys::INVENTORY, diags)?;
    fields::schema(&mut f);
    let defaults = f.node("defaults").map_or_else(Layer::default, |n| defaults(n, diags));
    let hosts = f.map("hosts").unwrap_or_default();
    let groups: Vec<RawGroup> = f
        .map("groups")
        .unwrap_or_default()
        .iter()
        .filter_map(|e| group(e, diags))
        .collect();
    f.finish(diags);
    Some(assemble(source, &defaults, hosts, &groups, diags))
}

fn defaults(node: &Node, diags: &mut Diagnostics) -> Layer {
    let Some(mut f) = Fields::of(node, &keys::HOST_DEFAULTS, diags) else {
        return Layer::default();
    };
    let layer = layer::read(&mut f, diags);
    f.finish(diags);
    layer
}

pub(super) fn check_name(name: &Spanned<String>, what: &str, diags: &mut Diagnostics) {
    if let Some(why) = name_fault(name) {
        let d = Diagnostic::error(
            "PS0402",
            format!("{what} cannot be called `{}`", name.value),
            name.span.clone(),
            "not a usable name",
        );
        diags.push(d.help(why));
    } else if name.value == "controller" {
        let d = Diagnostic::error(
            "PS0403",
            format!("{what} cannot be called `controller`"),
            name.span.clone(),
            "this name is taken",
        );
        diags.push(d.help(
            "`controller` is the machine pitstop runs on; it needs no entry. Give this one another name and an `address`",
        ));
    }
}

/// What a host says itself.
fn own(e: &Entry, diags: &mut Diagnostics) -> Layer {
    check_name(&e.key, "a host", diags);
    if e.value.is_null() {
        return Layer::default();
    }
    let Some(mut f) = Fields::of(&e.value, &keys::HOST, diags) else {
        return Layer::default();
    };
    let layer = layer::read_host(&mut f, diags);
    f.finish(diags);
    layer
}

fn group(e: &Entry, diags: &mut Diagnostics) -> Option<RawGroup> {
    check_name(&e.key, "a group", diags);
    let name = e.key.clone();
    if let NodeKind::Seq(items) = &e.value.kind {
        let mut members = Vec::new();
        for item in items {
            match fields::text(item) {
                Ok(m) => members.push(m),
                Err(d) => diags.push(d),
            }
        }
        return Some(RawGroup {
            name,
            members,
            layer: Layer::default(),
        });
    }
    let mut f = Fields::of(&e.value, &keys::GROUP, diags)?;
    let members = f.texts("hosts");
    if f.misplaced("address").is_some() {
        let d = Diagnostic::error(
            "PS0408",
            "a group has no `address`",
            e.key.span.clone(),
            "all its hosts would be the same machine",
        );
        f.complain(d.help("write `address` at the host"));
    }
    let layer = layer::read_named(&mut f, diags);
    f.finish(diags);
    Some(RawGroup { name, members, layer })
}

fn assemble(
    source: &Arc<Source>,
    defaults: &Layer,
    entries: &[Entry],
    groups: &[RawGroup],
    diags: &mut Diagnostics,
) -> Inventory {
    let by_name: HashMap<HostName, usize> = entries
        .iter()
        .enumerate()
        .map(|(n, e)| (HostName::new(e.key.value.as_str()), n))
        .collect();
    let members = Membership::of(groups, &by_name, diags).flat;
    let mut of_host: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (g, list) in members.iter().enumerate() {
        for h in list {
            if let Some(groups) = of_host.get_mut(*h) {
                groups.push(g);
            }
        }
    }
    let together: Vec<(&Entry, Vec<usize>)> = entries.iter().zip(of_host).collect();
    let chunks: Vec<_> = together.chunks(CHUNK).collect();
    let lowered = cores::each(chunks.len(), |at| {
        let mut found = Diagnostics::new();
        let chunk = chunks.get(at).copied().unwrap_or_default().iter();
        let hosts: Vec<Lowered> = chunk
            .map(|(e, in_groups)| host(e, in_groups, groups, defaults, &mut found))
            .collect();
        (hosts, found)
    });
    let mut quarrels = Quarrels::default();
    let mut ways = ways::Ways::of(groups.len());
    let mut hosts = Vec::with_capacity(entries.len());
    for (chunk, found) in lowered {
        diags.extend(found.0);
        for lowered in chunk {
            let (host, in_groups) = (lowered.host, together.get(hosts.len()).map(|(_, groups)| groups));
            lowered
                .quarrels
                .into_iter()
                .for_each(|q| quarrels.add(q, host.name.value.as_str()));
            ways.note(
                host.transport,
                in_groups.into_iter().flatten(),
                lowered.contradictions,
                diags,
            );
            hosts.push(host);
        }
    }
    quarrels.report(groups, diags);
    ways.tell(
        groups.iter().map(|g| (g.name.value.as_str(), &g.layer)),
        defaults,
        diags,
    );
    let inventory = Inventory {
        name: source.name.clone(),
        printed_by: None,
        hosts,
        by_name,
        groups: groups.iter().map(|g| g.name.value.clone()).zip(members).collect(),
    };
    jumps(&inventory, diags);
    inventory
}

/// Hosts that one core takes at a time.
const CHUNK: usize = 512;

/// A host, and what can be judged only when all of them are there.
struct Lowered {
    host: Host,
    quarrels: Vec<Quarrel>,
    contradictions: Vec<Diagnostic>,
}

fn host(e: &Entry, in_groups: &[usize], groups: &[RawGroup], defaults: &Layer, diags: &mut Diagnostics) -> Lowered {
    let own = own(e, diags);
    let of = in_groups.iter().filter_map(|g| groups.get(*g).map(|group| (*g, group)));
    let layers: Vec<(usize, &Layer)> = of.clone().map(|(g, group)| (g, &group.layer)).collect();
    let mut quarrels = Vec::new();
    let said = own.settings.clone();
    let merged = layer::merge(own, &layers, defaults, &mut quarrels);
    ways::strange(&e.key, &said, &merged.settings, diags);
    let contradictions = ways::contradictions(&merged.settings);
    let names = of.map(|(_, group)| group.name.value.clone()).collect();
    Lowered {
        host: finished(&e.key, said.contains_key("jump"), merged, names),
        quarrels,
        contradictions,
    }
}

/// Which hosts each group holds, nested groups included.
struct Membership {
    flat: Vec<Vec<usize>>,
}

enum Member {
    Host(usize),
    Group(usize),
}

impl Membership {
    fn of(groups: &[RawGroup], hosts: &HashMap<HostName, usize>, diags: &mut Diagnostics) -> Self {
        let by_name: HashMap<&str, usize> = groups
            .iter()
            .enumerate()
            .map(|(n, g)| (g.name.value.as_str(), n))
            .collect();
        let mut direct: Vec<Vec<Member>> = Vec::with_capacity(groups.len());
        for group in groups {
            if hosts.contains_key(group.name.value.as_str()) {
                let d = Diagnostic::error(
                    "PS0404",
                    format!("`{}` is a host and a group", group.name.value),
                    group.name.span.clone(),
                    "a host has this name too",
                );
                diags.push(d.help("give one of them another name"));
            }
            let resolved = group.members.iter().filter_map(|m| {
                let host = hosts.get(m.value.as_str()).copied().map(Member::Host);
                let found = host.or_else(|| by_name.get(m.value.as_str()).copied().map(Member::Group));
                if found.is_none() {
                    diags.push(unknown_member(m, hosts, &by_name));
                }
                found
            });
            direct.push(resolved.collect());
        }
        let mut walk = Walk {
            groups,
            direct,
            done: groups.iter().map(|_| None).collect(),
            open: Vec::new(),
        };
        for g in 0..groups.len() {
            walk.visit(g, diags);
        }
        let flat = walk.done.into_iter().map(Option::unwrap_or_default).collect();
        Self { flat }
    }
}

fn unknown_member(m: &Spanned<String>, hosts: &HashMap<HostName, usize>, groups: &HashMap<&str, usize>) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0405",
        format!("`{}` is neither a host nor a group", m.value),
        m.span.clone(),
        "not in this inventory",
    );
    let mut names: Vec<&str> = hosts
        .keys()
        .map(HostName::as_str)
        .chain(groups.keys().copied())
        .collect();
    names.sort_unstable();
    match nearest(&m.value, names) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help(format!("add it under `hosts`: `{}: {{}}`", m.value)),
    }
}

/// Depth first over nested groups; each is flattened once.
struct Walk<'a> {
    groups: &'a [RawGroup],
    direct: Vec<Vec<Member>>,
    done: Vec<Option<Vec<usize>>>,
    open: Vec<usize>,
}

impl Walk<'_> {
    fn visit(&mut self, g: usize, diags: &mut Diagnostics) {
        if self.done.get(g).is_none_or(Option::is_some) {
            return;
        }
        if self.open.contains(&g) || self.open.len() > yaml::MAX_DEPTH {
            self.cycle(g, diags);
            return;
        }
        self.open.push(g);
        let (mut hosts, mut inner) = (Vec::new(), Vec::new());
        for m in self.direct.get(g).into_iter().flatten() {
            match m {
                Member::Host(h) => hosts.push(*h),
                Member::Group(i) => inner.push(*i),
            }
        }
        for i in inner {
            self.visit(i, diags);
            hosts.extend(self.done.get(i).and_then(Option::as_ref).into_iter().flatten());
        }
        hosts.sort_unstable();
        hosts.dedup();
        self.open.pop();
        if let Some(slot) = self.done.get_mut(g) {
            *slot = Some(hosts);
        }
    }

    fn cycle(&self, g: usize, diags: &mut Diagnostics) {
        let Some(group) = self.groups.get(g) else { return };
        let d = Diagnostic::error(
            "PS0406",
            format!("the group `{}` holds itself", group.name.value),
            group.name.span.clone(),
            "over groups inside it, or nested too deep",
        );
        diags.push(d.help("take it out of the groups that it holds"));
    }
}

/// Disagreements of groups: told once for each pair and key, with the number of hosts.
#[derive(Default)]
struct Quarrels {
    order: Vec<(Quarrel, String, usize)>,
    seen: HashMap<(String, usize, usize), usize>,
}

impl Quarrels {
    fn add(&mut self, q: Quarrel, host: &str) {
        let key = (q.key.clone(), q.one.0, q.other.0);
        if let Some((_, _, count)) = self.seen.get(&key).and_then(|n| self.order.get_mut(*n)) {
            *count += 1;
            return;
        }
        self.seen.insert(key, self.order.len());
        self.order.push((q, host.to_owned(), 1));
    }

    fn report(self, groups: &[RawGroup], diags: &mut Diagnostics) {
        let name = |g: usize| groups.get(g).map_or("?", |g| g.name.value.as_str());
        for (q, host, count) in self.order {
            let key = q.key;
            let hosts = match count {
                1 => format!("host `{host}`"),
                n => format!("host `{host}` and {} more", n - 1),
            };
            diags.push(
                Diagnostic::error(
                    "PS0407",
                    format!("two groups disagree about `{key}` of {hosts}"),
                    q.other.1,
                    format!("group `{}` says this", name(q.other.0)),
                )
                .also(q.one.1, format!("group `{}` says this", name(q.one.0)))
                .help(format!(
                    "write `{key}` at the host itself, or in one of the two groups only"
                )),
            );
        }
    }
}

/// A host with every setting typed. A bastion that `defaults` or a group name for all is reached directly itself.
fn finished(name: &Spanned<String>, own_jump: bool, merged: Layer, groups: Vec<String>) -> Host {
    let transport = ways::transport(&merged.settings);
    let mut settings = merged.settings;
    let labels = merged
        .labels
        .into_iter()
        .map(|(key, label)| (key, label.value))
        .collect();
    let vars = merged.vars.into_iter().map(|(key, var)| (key, var.value)).collect();
    let text = |settings: &mut Settings, key: &str| match settings.remove(key) {
        Some(Spanned {
            value: Value::Text(t),
            span,
        }) => Some(Spanned::new(t, span)),
        _ => None,
    };
    let list = |settings: &mut Settings, key: &str| match settings.remove(key).map(|v| v.value) {
        Some(Value::List(items)) => items
            .into_iter()
            .filter_map(|v| match v {
                Value::Text(t) => Some(t),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let int = |settings: &mut Settings, key: &str| match settings.remove(key).map(|v| v.value) {
        Some(Value::Int(n)) => Some(n),
        _ => None,
    };
    let os = match text(&mut settings, "os") {
        Some(os) if os.value == "windows" => Os::Windows,
        None if transport == Transport::Winrm => Os::Windows,
        _ => Os::Linux,
    };
    let plain = |settings: &mut Settings, key: &str| text(settings, key).map(|t| t.value);
    let winrm = (transport == Transport::Winrm).then(|| Winrm {
        scheme: plain(&mut settings, "scheme").unwrap_or_else(|| "https".to_owned()),
        auth: plain(&mut settings, "auth").unwrap_or_else(|| "ntlm".to_owned()),
        domain: plain(&mut settings, "domain"),
        ca: plain(&mut settings, "ca"),
        pin: plain(&mut settings, "pin"),
        certificate: plain(&mut settings, "certificate"),
        key: plain(&mut settings, "key"),
    });
    let port = winrm.as_ref().map(|w| if w.scheme == "http" { 5985 } else { 5986 });
    Host {
        become_user: plain(&mut settings, "become.user"),
        become_exact: matches!(settings.get("become.exact"), Some(exact) if exact.value == Value::Bool(true)),
        shell: plain(&mut settings, "shell"),
        os,
        winrm,
        address: text(&mut settings, "address").map_or_else(|| name.value.clone(), |t| t.value),
        port: int(&mut settings, "port").and_then(|n| u16::try_from(n).ok()).or(port),
        transport,
        user: text(&mut settings, "user").map(|t| t.value),
        password: text(&mut settings, "password"),
        identity: list(&mut settings, "identity"),
        known_hosts: list(&mut settings, "known_hosts"),
        jump: text(&mut settings, "jump").filter(|j| own_jump || j.value != name.value),
        become_method: text(&mut settings, "become.method").map_or_else(|| "sudo".to_owned(), |t| t.value),
        become_password: text(&mut settings, "become.password"),
        connect_timeout: int(&mut settings, "connect_timeout")
            .and_then(|ms| u64::try_from(ms).ok())
            .map(Duration::from_millis),
        labels,
        vars,
        groups,
        unusable: None,
        name: Spanned::new(HostName::new(name.value.as_str()), name.span.clone()),
    }
}

/// A host of another format, whose settings have been brought into ours.
pub(super) fn from_settings(name: &Spanned<String>, settings: Layer, groups: Vec<String>) -> Host {
    finished(name, false, settings, groups)
}

/// An inventory of such hosts, in this order.
pub(super) fn gathered(
    name: &str,
    hosts: Vec<Host>,
    members: Vec<(String, Vec<HostName>)>,
    diags: &mut Diagnostics,
) -> Inventory {
    let by_name: HashMap<HostName, usize> = hosts
        .iter()
        .enumerate()
        .map(|(n, h)| (h.name.value.clone(), n))
        .collect();
    let groups = members.into_iter().map(|(group, hosts)| {
        let mut positions: Vec<usize> = hosts.iter().filter_map(|h| by_name.get(h).copied()).collect();
        positions.sort_unstable();
        (group, positions)
    });
    let inventory = Inventory {
        name: name.to_owned(),
        printed_by: None,
        groups: groups.collect(),
        hosts,
        by_name,
    };
    jumps(&inventory, diags);
    inventory
}

/// Every bastion is known and no way goes round in a circle.
fn jumps(inventory: &Inventory, diags: &mut Diagnostics) {
    let mut seen = std::collections::BTreeSet::new();
    for host in &inventory.hosts {
        let Some(jump) = &host.jump else {
            continue;
        };
        if is_jump_address(jump) {
            if Hop::parse(jump).is_none() && seen.insert((jump.span.start, jump.value.as_str())) {
                let d = Diagnostic::error(
                    "PS0409",
                    format!("`{}` is no bastion", jump.value),
                    jump.span.clone(),
                    "not to be understood",
                );
                diags.push(d.help("write `user@host:port`; an IPv6 address stands in brackets: `[2001:db8::1]:22`"));
            }
            continue;
        }
        // One line of `defaults` serves thousands of hosts: it is looked at once.
        if inventory.host(jump).is_none() && seen.insert((jump.span.start, jump.value.as_str())) {
            let d = Diagnostic::error(
                "PS0409",
                format!("the bastion `{}` is not in this inventory", jump.value),
                jump.span.clone(),
                "no host has this name",
            );
            diags.push(
                match nearest(jump, inventory.hosts.iter().map(|h| h.name.value.as_str())) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("add it under `hosts`, or write `user@address:port`"),
                },
            );
        }
        let (mut at, mut steps) = (host, 0);
        while let Some(next) = at.jump.as_ref().and_then(|j| inventory.host(j)) {
            (at, steps) = (next, steps + 1);
            if at.name.value == host.name.value || steps > 8 {
                let d = Diagnostic::error(
                    "PS0409",
                    format!(
                        "the way to `{}` goes over itself, or over too many bastions",
                        host.name.value
                    ),
                    jump.span.clone(),
                    "this bastion leads back",
                );
                diags.push(d.help("a host that is reached directly has no `jump`"));
                break;
            }
        }
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
