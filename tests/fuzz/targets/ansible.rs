//! An Ansible inventory: by its name INI or YAML, as a program's list, and with variables beside it (behind a NUL byte).
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::{Diagnostics, render};
use pitstop::inventory::{Inventory, ansible, hosts};
use pitstop::runbook::files::{Files, Listed, ReadError};
use pitstop::runbook::yaml;

const NAMES: [&str; 3] = ["site/hosts", "site/hosts.yml", "site/hosts.cfg"];

struct Site<'a> {
    inventory: &'a [u8],
    vars: &'a [u8],
}

impl Files for Site<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match path {
            "site/group_vars/all.yml" | "site/host_vars/web1" => Ok(self.vars.to_vec()),
            path if NAMES.contains(&path) => Ok(self.inventory.to_vec()),
            _ => Err(ReadError::Missing),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, ReadError> {
        let names: &[&str] = match path {
            "site/group_vars" => &["all.yml"],
            "site/host_vars" => &["web1"],
            _ => return Err(ReadError::Missing),
        };
        let listed = |name: &&str| Listed {
            name: (*name).to_owned(),
            folder: false,
        };
        Ok(names.iter().map(listed).collect())
    }
}

fn judge(inventory: Option<&Inventory>, mut diags: Diagnostics) {
    assert!(inventory.is_some() || diags.has_errors(), "no inventory, and no reason");
    diags.0.truncate(5);
    let _ = render::human(&diags, false, 80);
}

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let (inventory, vars) = bytes.split_at(at);
    let site = Site {
        inventory,
        vars: vars.get(1..).unwrap_or_default(),
    };
    for name in NAMES {
        let mut diags = Diagnostics::new();
        let read = hosts::read_at(&site, name, &mut diags).expect("it is there");
        judge(read.as_ref(), diags);
        let _ = ansible::list(&site, name, &mut Diagnostics::new());
    }
    let mut diags = Diagnostics::new();
    if let Some(source) = yaml::source("what the command printed", inventory, &mut diags) {
        let read = ansible::printed(&source, Some((&site, "site")), &mut diags);
        judge(read.as_ref(), diags);
    }
});
