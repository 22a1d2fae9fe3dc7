//! The fixtures in `tests/data/ansible`: what Ansible reads, we read alike; what it refuses, we refuse.

use std::path::{Path, PathBuf};

use super::{Count, Oracle, compare, differences, ours, plain, theirs};

fn fixtures() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ansible");
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(root)
        .unwrap()
        .map(|dir| {
            let dir = dir.unwrap().path();
            let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
            let mut inside = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
            let entry = inside.find(|p| {
                let name = p.file_name().unwrap().to_str().unwrap();
                name.starts_with("hosts") || name == "inventory"
            });
            (name, entry.unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn fixtures_are_read_as_ansible_reads_them() {
    let (mut count, mut found, mut refused) = (Count::default(), Vec::new(), 0);
    let mut oracle = Oracle::start();
    for (name, path) in fixtures() {
        match (oracle.list(&path), name.starts_with("bad-")) {
            (Some(list), false) => {
                let (differences, compared) = compare(&path, &list, true);
                found.extend(differences.into_iter().map(|f| format!("{name}: {f}")));
                count.add(compared);
            }
            (None, true) => {
                let (list, inventory, said) = ours(&path);
                refused += 1;
                if list.is_some() || inventory.is_some() || !said.contains("error[PS") {
                    found.push(format!("{name}: Ansible refuses it, we do not: {said}"));
                }
            }
            (list, _) => found.push(format!("{name}: Ansible reads it: {}", list.is_some())),
        }
    }
    oracle.end();
    println!("compared {count:?}, {refused} refused by both");
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    assert!(count.inventories >= 45 && refused >= 20, "{count:?}, {refused} refused");
    assert!(
        count.hosts >= 100 && count.values >= 500 && count.settings >= 500,
        "{count:?}"
    );
}

/// The way out for plugins: what `ansible-inventory --list` prints is an inventory that says the same.
#[test]
fn an_export_says_what_the_inventory_said() {
    let names = ["ini-literals", "yaml-vault-unsafe", "vars-folders", "real-openstack"];
    let some: Vec<_> = fixtures()
        .into_iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect();
    assert_eq!(some.len(), names.len());
    let found = some.iter().map(|(name, path)| {
        let list = theirs(path, &["--list"]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("inventory.json");
        std::fs::write(&export, serde_json::to_vec(&list).unwrap()).unwrap();
        // A folder of variables beside it would be counted twice.
        std::fs::create_dir(dir.path().join("group_vars")).unwrap();
        std::fs::write(dir.path().join("group_vars/all.yml"), "surprise: 1\n").unwrap();
        let (again, inventory, said) = ours(&export);
        let mut found = Vec::new();
        match again {
            Some(again) if inventory.is_some() => differences(&plain(&again), &plain(&list), name, &mut found),
            _ => found.push(format!("{name}: refused: {said}")),
        }
        found
    });
    let found: Vec<String> = found.flatten().collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// `--host` is the flattened view of one host; ours is the same map.
#[test]
fn one_host_is_flattened_alike() {
    let (_, path) = fixtures()
        .into_iter()
        .find(|(name, _)| name == "vars-precedence")
        .unwrap();
    let theirs = theirs(&path, &["--host", "h"]).unwrap();
    let ours = ours(&path).0.unwrap();
    let mut found = Vec::new();
    differences(&ours["_meta"]["hostvars"]["h"], &theirs, "h", &mut found);
    assert!(found.is_empty(), "{found:?}");
}
