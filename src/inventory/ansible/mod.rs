//! Ansible inventories, read by Ansible's own rules → [`Inventory`].
//!
//! Owns: which file is read as what, and who wins among variables. Must not: run anything, render a template, decrypt.
//!
//! Files go into one `model`, as in Ansible: INI and YAML, a folder of them, the JSON of `ansible-inventory --list`. Then
//! `group_vars/` and `host_vars/` beside the inventory. What a variable means to pitstop is told by `connection`.

mod connection;
mod ini;
mod literal;
mod mask;
mod model;
mod pattern;
mod ssh_args;
mod tree;
mod vars;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Severity, Source, Span, Spanned};
use crate::inventory::{Host, Inventory};
use crate::runbook::Value;
use crate::runbook::files::Files;
use crate::runbook::yaml::{self, ansible as loose};
use loose::{Datum, Kind};
use model::{ALL, Model, Vars};
use vars::{Said, VarsFolder, ending, join, place, unreadable};

/// Endings of files that Ansible passes over in a folder of inventories.
const PASSED_OVER: [&str; 13] = [
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".ini", ".cfg", ".retry",
];
/// Names that Ansible sets itself, whatever an inventory says.
const INTERNAL: [&str; 14] = [
    "ansible_facts",
    "ansible_version",
    "ansible_playbook_python",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_path",
];
const EXPORT: &str = "export it: `ansible-inventory -i FILE --list > inventory.json`, and give that file";

/// A text that is an Ansible inventory, for a file that has been read already: nothing beside it is looked at.
pub(super) fn text(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Inventory> {
    let mut reading = Reading::new(&Span::new(source, 0, 0), diags);
    self::source(source, &mut reading.model, diags);
    reading.inventory(diags)
}

/// What a program printed: the JSON of `--list`. `beside` is where `group_vars/` and `host_vars/` are looked for.
pub fn printed(source: &Arc<Source>, beside: Option<(&dyn Files, &str)>, diags: &mut Diagnostics) -> Option<Inventory> {
    let source = &mask::masked(source);
    let mut reading = Reading::new(&Span::new(source, 0, 0), diags);
    match loose::read(source, diags) {
        Some(root) if matches!(root.kind, Kind::Map(_)) => tree::list(&root, &mut reading.model, diags),
        _ if diags.0.len() > reading.before => {}
        _ => {
            let d = Diagnostic::error(
                "PS0414",
                "the program printed no inventory",
                Span::new(source, 0, 0),
                "a JSON map of groups is wanted",
            );
            diags.push(d.help("run it by hand with `--list` and look at what it prints"));
        }
    }
    reading.beside = beside.map(|(files, base)| (files, base.to_owned()));
    reading.inventory(diags)
}

/// A file that is an Ansible inventory, with the variables beside it.
pub(super) fn file(files: &dyn Files, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Inventory> {
    Reading::file(files, source, diags).inventory(diags)
}

/// A folder of inventories.
pub(super) fn folder(files: &dyn Files, path: &str, diags: &mut Diagnostics) -> Option<Inventory> {
    Reading::folder(files, path, diags).inventory(diags)
}

/// What was understood, in the form of `ansible-inventory --list`, so that the two can be compared.
pub fn list(files: &dyn Files, path: &str, diags: &mut Diagnostics) -> Option<serde_json::Value> {
    if files.list(path).is_ok() {
        return Reading::folder(files, path, diags).list(diags);
    }
    match files.read(path) {
        Ok(bytes) => {
            let source = yaml::source(path, &bytes, diags)?;
            Reading::file(files, &source, diags).list(diags)
        }
        Err(e) => {
            diags.push(unreadable(path, &e));
            None
        }
    }
}

/// An inventory that is being read.
struct Reading<'f> {
    model: Model,
    /// Where files of variables are looked for.
    beside: Option<(&'f dyn Files, String)>,
    name: String,
    /// How many complaints there were before.
    before: usize,
}

impl<'f> Reading<'f> {
    fn new(at: &Span, diags: &Diagnostics) -> Self {
        Self {
            model: Model::new(at),
            beside: None,
            name: at.source.name.clone(),
            before: diags.0.len(),
        }
    }

    fn file(files: &'f dyn Files, source: &Arc<Source>, diags: &mut Diagnostics) -> Self {
        let mut reading = Self::new(&Span::new(source, 0, 0), diags);
        let whole = self::source(source, &mut reading.model, diags);
        let base = source.name.rsplit_once('/').map_or("", |(dir, _)| dir);
        // A list says all about its hosts: what lies beside it is in it.
        reading.beside = (!whole).then(|| (files, base.to_owned()));
        reading
    }

    fn folder(files: &'f dyn Files, path: &str, diags: &mut Diagnostics) -> Self {
        let mut reading = Self::new(&place(path), diags);
        reading.beside = Some((files, path.to_owned()));
        if !read_folder(files, path, 0, &mut reading.model, diags) && diags.0.len() == reading.before {
            let d = Diagnostic::error(
                "PS0414",
                format!("the folder `{path}` holds no inventory"),
                place(path),
                "this folder",
            );
            diags.push(d.help(
                "Ansible passes over hidden files and those that end in .ini, .cfg, .txt, .md, .bak and the like",
            ));
        }
        reading
    }

    /// Who won: the variables of every host, in Ansible's order. `None` where an error was reported.
    fn resolve(&mut self, diags: &mut Diagnostics) -> Option<Vec<(usize, Merged)>> {
        self.model.reconcile(diags);
        let model = &self.model;
        let beside = Beside::read(model, self.beside.as_ref(), diags);
        if diags.0.iter().skip(self.before).any(|d| d.severity == Severity::Error) {
            return None;
        }
        let mut of_groups: HashMap<&[usize], Merged> = HashMap::new();
        let mut hosts = Vec::with_capacity(model.hosts.len());
        for n in model.hosts_below(ALL) {
            let (Some(machine), Some(said)) = (model.hosts.get(n), beside.hosts.get(n)) else {
                continue;
            };
            let shared = of_groups
                .entry(&machine.groups)
                .or_insert_with_key(|groups| Merged::of_groups(model, &beside, groups));
            let mut merged = shared.clone();
            merged.add(&machine.vars);
            merged.say(said);
            INTERNAL.iter().for_each(|name| drop(merged.vars.remove(*name)));
            hosts.push((n, merged));
        }
        Some(hosts)
    }

    fn inventory(mut self, diags: &mut Diagnostics) -> Option<Inventory> {
        let resolved = self.resolve(diags)?;
        let mut notes = connection::Notes::default();
        let mut hosts: Vec<Host> = Vec::with_capacity(resolved.len());
        for (n, merged) in resolved {
            let Some(machine) = self.model.hosts.get(n) else {
                continue;
            };
            super::hosts::check_name(&machine.name, "a host", diags);
            let groups = machine
                .groups
                .iter()
                .filter_map(|g| self.model.groups.get(*g))
                .map(|g| g.name.value.clone());
            hosts.push(connection::host(
                &machine.name,
                merged.vars,
                merged.sealed,
                groups.collect(),
                &mut notes,
            ));
        }
        notes.tell(diags);
        let members = members(&self.model, diags);
        Some(super::hosts::gathered(&self.name, hosts, members, diags))
    }

    fn list(mut self, diags: &mut Diagnostics) -> Option<serde_json::Value> {
        let resolved = self.resolve(diags)?;
        let model = &self.model;
        let name = |h: &usize| model.hosts.get(*h).map(|h| h.name.value.clone());
        let vars = resolved
            .iter()
            .filter(|(_, merged)| !merged.vars.is_empty())
            .filter_map(|(n, merged)| {
                let vars = merged.vars.iter().map(|(k, v)| (k.clone(), json(v)));
                Some((name(n)?, serde_json::Value::Object(vars.collect())))
            });
        let vars = serde_json::Value::Object(vars.collect());
        let mut all = serde_json::Map::from_iter([("_meta".to_owned(), serde_json::json!({ "hostvars": vars }))]);
        for (n, group) in model.groups.iter().enumerate() {
            let hosts: Vec<String> = group.hosts.iter().filter(|_| n != ALL).filter_map(name).collect();
            let children: Vec<&str> = group
                .children
                .iter()
                .filter_map(|g| model.groups.get(*g))
                .map(|g| g.name.value.as_str())
                .collect();
            all.insert(
                group.name.value.clone(),
                serde_json::json!({ "hosts": hosts, "children": children }),
            );
        }
        Some(serde_json::Value::Object(all))
    }
}

fn read_folder(files: &dyn Files, path: &str, depth: usize, model: &mut Model, diags: &mut Diagnostics) -> bool {
    let listed = match files.list(path) {
        Ok(listed) if depth <= 16 => listed,
        Ok(_) => return false,
        Err(e) => {
            diags.push(unreadable(path, &e));
            return false;
        }
    };
    let mut any = false;
    for item in listed {
        let own = matches!(item.name.as_str(), "host_vars" | "group_vars" | "vars_plugins");
        if own || item.name.starts_with('.') || PASSED_OVER.iter().any(|e| item.name.ends_with(e)) {
            continue;
        }
        let inner = join(path, &item.name);
        if item.folder {
            any |= read_folder(files, &inner, depth + 1, model, diags);
            continue;
        }
        any = true;
        match files.read(&inner) {
            Ok(bytes) => {
                if let Some(source) = yaml::source(&inner, &bytes, diags) {
                    source_of_folder(&source, model, diags);
                }
            }
            Err(e) => diags.push(unreadable(&inner, &e)),
        }
    }
    any
}

fn source_of_folder(source: &Arc<Source>, model: &mut Model, diags: &mut Diagnostics) {
    if super::hosts::is_ours(&source.text) {
        let d = Diagnostic::error(
            "PS0414",
            "a file of pitstop's own format lies in a folder of Ansible inventories",
            Span::new(source, 0, 0),
            "this file",
        );
        diags.push(d.help("name one file of that format as the inventory, or only files that Ansible reads"));
        return;
    }
    self::source(source, model, diags);
}

/// Reads one file into the model. True for a list that says all about its hosts.
fn source(source: &Arc<Source>, model: &mut Model, diags: &mut Diagnostics) -> bool {
    let source = &mask::masked(source);
    let start = Span::new(source, 0, 0);
    let refuse = |what: &str, help: &str, diags: &mut Diagnostics| {
        diags.push(Diagnostic::error("PS0417", what.to_owned(), start.clone(), "this file").help(help));
        false
    };
    let name = source.name.rsplit('/').next().unwrap_or("");
    let ending = ending(name);
    if source.text.starts_with("#!") {
        return refuse(
            "a program is not run because it lies in the repository",
            "name it in pitstop.yml: `inventory: [PROGRAM, --list]`; or export what it prints",
            diags,
        );
    }
    if ending == ".toml" {
        return refuse("inventories in TOML are not read", EXPORT, diags);
    }
    if source.text.starts_with("$ANSIBLE_VAULT;") {
        return refuse(
            "the inventory is encrypted with ansible-vault",
            "decrypt it; secrets are declared under `secrets` of the runbook",
            diags,
        );
    }
    if !matches!(ending, "" | ".yml" | ".yaml" | ".json") {
        ini_text(source, model, diags);
        return false;
    }
    let mut found = Diagnostics::new();
    match loose::read(source, &mut found) {
        Some(root) if tree::is_list(&root) => {
            diags.extend(found.0);
            tree::list(&root, model, diags);
            return true;
        }
        Some(root) if matches!(&root.kind, Kind::Map(pairs) if !pairs.is_empty()) => {
            diags.extend(found.0);
            if let Some(plugin) = root.get("plugin").filter(|p| !matches!(p.kind, Kind::None)) {
                let which = plugin.text().unwrap_or("?");
                let d = Diagnostic::error(
                    "PS0417",
                    format!("this is the configuration of the inventory plugin `{which}`"),
                    plugin.span.clone(),
                    "plugins are programs of Ansible",
                );
                diags.push(d.help(EXPORT));
            } else {
                tree::yaml(&root, model, diags);
            }
        }
        // A file that may be either is INI where it is no map of YAML.
        _ if ending.is_empty() && !source.text.trim_start().starts_with("---") => ini_text(source, model, diags),
        Some(root) => {
            let d = Diagnostic::error(
                "PS0414",
                "a YAML inventory is a map of groups",
                root.span.clone(),
                format!("this is {}", root.what()),
            );
            diags.push(d.help("write `all:` with `hosts:` below it; an INI inventory has no ending, or .ini"));
        }
        None if found.0.is_empty() => {
            let d = Diagnostic::error("PS0010", "the file is empty", start, "nothing is written here");
            diags.push(d.help("write `all:` with `hosts:` below it"));
        }
        None => diags.extend(found.0),
    }
    false
}

fn ini_text(source: &Arc<Source>, model: &mut Model, diags: &mut Diagnostics) {
    if !yaml::forbidden_characters(source, diags) {
        ini::read(source, model, diags);
    }
}

/// A host and a group of one name: Ansible warns, and so do we.
fn one_name(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning(
        "PS0404",
        format!("`{}` is a host and a group", name.value),
        name.span.clone(),
        "a group has this name too",
    )
    .help("variables written at the host go to the group, as in Ansible; give one of them another name")
}

/// What the files beside the inventory say, by group and by host.
struct Beside {
    groups: Vec<Said>,
    hosts: Vec<Said>,
}

impl Beside {
    fn read(model: &Model, beside: Option<&(&dyn Files, String)>, diags: &mut Diagnostics) -> Self {
        let Some((files, base)) = beside else {
            let (groups, hosts) = (model.groups.len(), model.hosts.len());
            return Self {
                groups: vec![Said::default(); groups],
                hosts: vec![Said::default(); hosts],
            };
        };
        let (of_groups, of_hosts) = (
            VarsFolder::beside(*files, base, "group_vars", diags),
            VarsFolder::beside(*files, base, "host_vars", diags),
        );
        let groups = model.groups.iter().map(|g| of_groups.of(&g.name, diags)).collect();
        let hosts = model.hosts.iter().map(|h| of_hosts.of(&h.name, diags)).collect();
        Self { groups, hosts }
    }
}

/// A host's variables after everything has won or lost, and the files that nobody could read.
#[derive(Clone, Default)]
struct Merged {
    vars: Vars,
    sealed: Vec<Span>,
}

impl Merged {
    fn add(&mut self, vars: &Vars) {
        self.vars.extend(vars.iter().map(|(k, v)| (k.clone(), Arc::clone(v))));
    }

    fn say(&mut self, said: &Said) {
        self.add(&said.vars);
        self.sealed.extend(said.sealed.iter().cloned());
    }

    /// What a host's groups come to: `all`, then the others by depth, priority and name; files win over what stands in the inventory.
    fn of_groups(model: &Model, beside: &Beside, groups: &[usize]) -> Self {
        let mut sorted: Vec<usize> = groups.iter().copied().filter(|g| *g != ALL).collect();
        sorted.sort_by_key(|g| {
            model
                .groups
                .get(*g)
                .map(|g| (g.depth, g.priority, g.name.value.clone()))
        });
        let order: Vec<usize> = std::iter::once(ALL).chain(sorted).collect();
        let mut merged = Self::default();
        for group in order.iter().filter_map(|g| model.groups.get(*g)) {
            merged.add(&group.vars);
        }
        for said in order.iter().filter_map(|g| beside.groups.get(*g)) {
            merged.say(said);
        }
        merged
    }
}

/// The groups with their hosts, for selecting. A group whose name no selector can hold is told and left out.
fn members(model: &Model, diags: &mut Diagnostics) -> Vec<(String, Vec<crate::id::HostName>)> {
    let mut members: Vec<(String, Vec<crate::id::HostName>)> = Vec::with_capacity(model.groups.len());
    for (n, group) in model.groups.iter().enumerate() {
        if let Some(why) = crate::inventory::name_fault(&group.name) {
            let d = Diagnostic::warning(
                "PS0402",
                format!("no selector can name the group `{}`", group.name.value),
                group.name.span.clone(),
                "not a usable name",
            );
            diags.push(d.help(why));
            continue;
        }
        let hosts = model.hosts_below(n).into_iter().filter_map(|h| model.hosts.get(h));
        members.push((
            group.name.value.clone(),
            hosts.map(|h| crate::id::HostName::new(h.name.value.as_str())).collect(),
        ));
    }
    members
}

/// A value as templates read it; `Err`: why none can, in words.
fn value(datum: &Datum) -> Result<Value, &'static str> {
    Ok(match &datum.kind {
        Kind::None => Value::None,
        Kind::Bool(b) => Value::Bool(*b),
        Kind::Int(n) => Value::Int(*n),
        Kind::Number(n) => Value::Number(*n),
        Kind::Text(t) if ["{{", "{%", "{#"].iter().any(|open| t.contains(open)) => {
            return Err("it holds a template of Ansible, which pitstop does not render");
        }
        Kind::Text(t) | Kind::Unsafe(t) => Value::Text(t.clone()),
        Kind::Vault => return Err("it is encrypted with ansible-vault"),
        Kind::Foreign(what) => return Err(what),
        Kind::List(items) => Value::List(items.iter().map(value).collect::<Result<_, _>>()?),
        Kind::Map(pairs) => {
            let pair = |(k, v): &(Datum, Datum)| Ok((k.as_key().ok_or("a key that is no text")?, value(v)?));
            Value::Map(pairs.iter().map(pair).collect::<Result<_, &'static str>>()?)
        }
    })
}

/// A value as `ansible-inventory --list` writes it; what JSON cannot hold is marked.
fn json(datum: &Datum) -> serde_json::Value {
    match &datum.kind {
        Kind::None => serde_json::Value::Null,
        Kind::Bool(b) => (*b).into(),
        Kind::Int(n) => (*n).into(),
        Kind::Number(n) => (*n).into(),
        Kind::Text(t) => t.as_str().into(),
        Kind::Unsafe(t) => serde_json::json!({ "__ansible_unsafe": t }),
        Kind::Vault => serde_json::json!({ "__ansible_vault": "" }),
        Kind::Foreign(what) => serde_json::json!({ "__foreign": what }),
        Kind::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Kind::Map(pairs) => {
            let pairs = pairs.iter().filter_map(|(k, v)| Some((k.as_key()?, json(v))));
            serde_json::Value::Object(pairs.collect())
        }
    }
}
