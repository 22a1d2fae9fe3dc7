//! Ansible inventories, beside the real `ansible-inventory`: the same hosts, groups, order, and every variable with its kind.
//!
//! `tests/run` makes the virtual environment that has Ansible. Without it these tests fail and say how to make it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, and says how much it compared"
)]

mod plan;
mod random;
mod real;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pitstop::diag::{Diagnostics, render};
use pitstop::inventory::{Inventory, ansible, hosts};
use pitstop::runbook::files::Folder;
use serde_json::{Map, Value};

/// A program of the virtual environment.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/ansible/bin")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: python3 -m venv target/ansible && target/ansible/bin/pip install ansible-core==2.17.14",
        path.display()
    );
    path
}

/// Nothing of the user's own Ansible is read.
fn clean(command: &mut Command, home: &Path) {
    let config = home.join("ansible.cfg");
    std::fs::write(&config, "").unwrap();
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_CONFIG", config)
        .env("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "true")
        .env("ANSIBLE_DEPRECATION_WARNINGS", "false")
        .current_dir(home)
        .stdin(Stdio::null());
}

/// What Ansible says; `None`: it refuses.
fn theirs(inventory: &Path, arguments: &[&str]) -> Option<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("ansible-inventory"));
    clean(&mut command, home.path());
    let output = command.arg("-i").arg(inventory).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        assert!(said.contains("ERROR"), "{}: {said}", inventory.display());
        return None;
    }
    let list = serde_json::from_slice(&output.stdout);
    Some(list.unwrap_or_else(|e| panic!("{}: {e}", inventory.display())))
}

/// One process of Ansible that is asked about many inventories.
struct Oracle {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    home: tempfile::TempDir,
}

impl Oracle {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(program("python"));
        clean(&mut command, home.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ansible/oracle.py");
        command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let ask = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            ask,
            answers,
            home,
        }
    }

    /// What Ansible says; `None`: it refuses.
    fn list(&mut self, inventory: &Path) -> Option<Value> {
        writeln!(self.ask, "{}", inventory.display()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line}", inventory.display()));
        assert_eq!(answer["path"].as_str(), inventory.to_str());
        Some(answer["list"].clone()).filter(|list| !list.is_null())
    }

    fn end(self) {
        let Self { mut child, ask, .. } = self;
        drop(ask);
        assert!(child.wait().unwrap().success());
    }
}

/// What we make of it, and what we said.
fn ours(inventory: &Path) -> (Option<Value>, Option<Inventory>, String) {
    let folder = Folder::new(inventory.parent().unwrap());
    let name = inventory.file_name().unwrap().to_str().unwrap();
    let mut diags = Diagnostics::new();
    let list = ansible::list(&folder, name, &mut diags);
    let mut again = Diagnostics::new();
    let read = hosts::read_at(&folder, name, &mut again).unwrap();
    let said = render::human(&again, false, 100);
    let good = !again.has_errors();
    (list.filter(|_| !diags.has_errors()), read.filter(|_| good), said)
}

/// Both sides without what JSON or the two programs write differently and mean alike.
fn plain(list: &Value) -> Value {
    let mut all = Map::new();
    for (name, group) in list.as_object().unwrap() {
        let mut kept = Map::new();
        for (key, value) in group.as_object().unwrap() {
            let empty = value.as_array().is_some_and(Vec::is_empty);
            if !empty {
                kept.insert(key.clone(), unmarked(value));
            }
        }
        if !kept.is_empty() {
            all.insert(name.clone(), Value::Object(kept));
        }
    }
    Value::Object(all)
}

/// The cipher text of a vault value is nobody's business.
fn unmarked(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("__ansible_vault") => Value::from("(vault)"),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), unmarked(v))).collect()),
        Value::Array(items) => items.iter().map(unmarked).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

/// Where two lists differ, told from the outside in; empty if they do not.
fn differences(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), _) if a.contains_key("__foreign") => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            // A password is made unreadable before anything is read.
            for key in keys.into_iter().filter(|key| !key.ends_with("password")) {
                let inner = format!("{path}/{key}");
                match (a.get(key), b.get(key)) {
                    (Some(x), Some(y)) => differences(x, y, &inner, found),
                    (x, y) => found.push(format!("{inner}: ours {x:?}, theirs {y:?}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (x, y)) in a.iter().zip(b).enumerate() {
                differences(x, y, &format!("{path}/{n}"), found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            // The reader of their JSON may be wrong in the last bit.
            let (x, y) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (x - y).abs() > 1e-15 * x.abs() {
                found.push(format!("{path}: ours {x}, theirs {y}"));
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: ours {a}, theirs {b}")),
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    inventories: usize,
    hosts: usize,
    values: usize,
    settings: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.inventories += other.inventories;
        self.hosts += other.hosts;
        self.values += other.values;
        self.settings += other.settings;
    }
}

/// Compares an inventory that Ansible has read; the differences and how much there was to compare.
fn compare(path: &Path, theirs: &Value, in_order: bool) -> (Vec<String>, Count) {
    let (list, inventory, said) = ours(path);
    let Some(list) = list else {
        return (vec![format!("refused: {said}")], Count::default());
    };
    let mut found = Vec::new();
    differences(&plain(&list), &plain(theirs), "", &mut found);
    let vars = theirs["_meta"]["hostvars"].as_object().unwrap();
    let mut count = Count {
        inventories: 1,
        hosts: vars.len(),
        ..Count::default()
    };
    count.values = vars.values().map(|v| v.as_object().unwrap().len()).sum();
    if let Some(inventory) = &inventory {
        if in_order {
            order(inventory, theirs, &mut found);
        }
        count.settings = settings(inventory, vars, &mut found);
    }
    (found, count)
}

/// Hosts come as Ansible walks the groups: level by level, each in its own order.
fn order(inventory: &Inventory, list: &Value, found: &mut Vec<String>) {
    let names = |group: &str, key: &str| -> Vec<String> {
        let items = list[group][key].as_array().cloned().unwrap_or_default();
        items.iter().map(|i| i.as_str().unwrap().to_owned()).collect()
    };
    let (mut groups, mut hosts) = (vec!["all".to_owned()], Vec::new());
    let mut at = 0;
    while at < groups.len() {
        let group = groups[at].clone();
        hosts.extend(names(&group, "hosts"));
        groups.extend(names(&group, "children"));
        at += 1;
    }
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|h| seen.insert(h.clone()));
    // Hosts of `all` itself are listed by Ansible only as ungrouped ones.
    let mut of_ours: Vec<&str> = inventory.hosts().iter().map(|h| h.name.value.as_str()).collect();
    let mut of_theirs: Vec<&str> = hosts.iter().map(String::as_str).collect();
    of_ours.retain(|h| !inventory.host(h).unwrap().groups.contains(&"ungrouped".to_owned()));
    of_theirs.retain(|h| of_ours.contains(h));
    if of_ours != of_theirs {
        found.push(format!("order: ours {of_ours:?}, theirs {of_theirs:?}"));
    }
}

/// The settings that follow from a plain variable are what that variable says. How many were compared.
fn settings(inventory: &Inventory, vars: &Map<String, Value>, found: &mut Vec<String>) -> usize {
    let mut count = 0;
    for host in inventory.hosts() {
        let none = Map::new();
        let name = host.name.value.as_str();
        let vars = vars.get(name).and_then(Value::as_object).unwrap_or(&none);
        if host.unusable.as_ref().is_some_and(|u| !u.settings.is_empty()) {
            continue;
        }
        let text = |key: &str| {
            vars.get(key)
                .filter(|v| !v.is_null())
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        };
        let mut same = |what: &str, ours: String, theirs: String| {
            count += 1;
            if ours != theirs {
                found.push(format!("{name}: {what} is {ours}, should be {theirs}"));
            }
        };
        let way = text("ansible_connection").unwrap_or_default();
        let winrm = way == "winrm";
        same(
            "address",
            host.address.clone(),
            text("ansible_host").unwrap_or_else(|| name.to_owned()),
        );
        if winrm || !vars.keys().any(|k| k.ends_with("_args")) {
            let usual = if winrm { "5986" } else { "22" };
            same(
                "port",
                host.port.unwrap_or(22).to_string(),
                text("ansible_port").map_or(usual.to_owned(), |p| p.parse::<u16>().unwrap().to_string()),
            );
            same(
                "user",
                format!("{:?}", host.user),
                format!("{:?}", text("ansible_user")),
            );
        }
        if let Some(key) = text("ansible_ssh_private_key_file") {
            same("identity", host.identity.first().cloned().unwrap_or_default(), key);
        }
        let transport = match way.as_str() {
            "local" => "Local",
            "winrm" => "Winrm",
            _ => "Ssh",
        };
        same("transport", format!("{:?}", host.transport), transport.to_owned());
    }
    count
}
