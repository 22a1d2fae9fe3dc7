//! What a plan freezes and what it refuses: projects in memory, and the examples of the design.

use std::collections::HashMap;

use super::*;
use crate::diag::Source;
use crate::inventory::hosts;
use crate::plan::page::PastRun;
use crate::plan::{Call, OnFailure, Place, PlannedUndo, Size, estimate};
use crate::runbook::change::{self, Given};
use crate::runbook::files::{Folder, ReadError};
use crate::runbook::{check, policyfile, project};
mod actions;
mod digest;
mod examples;
mod late;
mod params;
mod people;
mod phases;
mod times;
mod undo;
mod window;

struct Memory(HashMap<String, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or(ReadError::Missing)
    }
}

/// A project in memory; every test changes what it is about.
#[derive(Clone)]
pub(in crate::plan) struct Case {
    runbook: String,
    pub(in crate::plan) inventory: String,
    change: Change,
    policy: Option<String>,
    files: HashMap<String, Vec<u8>>,
    providers: BTreeMap<String, Vec<String>>,
    project: String,
}

const INVENTORY: &str = "schema: 1
defaults: { user: ops, jump: bastion }
hosts:
  web1: { labels: { role: web, env: prod, lb: lb1, rack: r1 } }
  web2: { labels: { role: web, env: prod, lb: lb2, rack: r2 } }
  web3: { labels: { role: web, env: test, lb: lb2 } }
  lb1: { labels: { role: lb } }
  lb2: { labels: { role: lb } }
  unused: {}
  bastion: {}
  me: { transport: local }
";

const POLICY: &str = "schema: 1
approvers: { cm: [anna, bela], owners: [bela] }
allowed_signers: signers
";

/// A runbook of one phase over `role=web`, with more keys of the phase and of the top.
pub(in crate::plan) fn one_phase(top: &str, phase: &str) -> String {
    format!(
        "schema: 1\nrunbook: r\ntitle: T\nkind: change\n{top}\ntargets:\n  web: {{ select: \"role=web\" }}\n  lb: {{ select: \"role=lb\" }}\nphases:\n  - phase: p\n    title: P\n    targets: web\n{phase}\n"
    )
}

pub(in crate::plan) const HOLD: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: 'true' }\n";

pub(in crate::plan) fn case(runbook: impl Into<String>) -> Case {
    Case {
        runbook: runbook.into(),
        inventory: INVENTORY.to_owned(),
        change: Change::default(),
        policy: None,
        files: HashMap::new(),
        providers: BTreeMap::new(),
        project: PROJECT.to_owned(),
    }
}

const PROJECT: &str = "schema: 1\nsilence: { alertmanager: { alertmanager: \"http://alerts:9093\" }, zabbix: { alertmanager: \"http://other:9093\" } }\n";

impl Case {
    fn set(mut self, text: &str) -> Self {
        self.change.parameters.push(change::set(text).unwrap());
        self
    }

    pub(in crate::plan) fn change(mut self, text: &str) -> Self {
        let mut diags = Diagnostics::new();
        self.change = change::read(
            &Source::new("c.yml", format!("schema: 1\nrunbook: r.yml\n{text}\n")),
            &mut diags,
        )
        .unwrap();
        assert!(diags.0.is_empty(), "{:#?}", diags.0);
        self
    }

    pub(in crate::plan) fn policy(mut self, more: &str) -> Self {
        self.policy = Some(format!("{POLICY}{more}"));
        self
    }

    pub(in crate::plan) fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), content.as_bytes().to_vec());
        self
    }

    fn bind(&self) -> (Option<Plan>, Diagnostics) {
        let mut diags = Diagnostics::new();
        let mut files = self.files.clone();
        files.insert("r.yml".to_owned(), self.runbook.as_bytes().to_vec());
        let files = Memory(files);
        let runbook = check::checked(&files, "r.yml", &mut diags);
        let runbook = runbook.unwrap_or_else(|| panic!("{}: {:#?}", self.runbook, said(&diags)));
        let inventory = hosts::read(&yaml_source("inventory.yml", self.inventory.as_bytes()), &mut diags).unwrap();
        let policy = self
            .policy
            .as_ref()
            .map(|t| policyfile::read(&Source::new("policy.yml", t.as_str()), &mut diags).unwrap());
        let project = project::read(&Source::new("pitstop.yml", self.project.as_str()), &mut diags).unwrap();
        assert!(!diags.has_errors(), "{:#?}", said(&diags));
        let input = BindInput {
            runbook: &runbook,
            path: "r.yml",
            inventory: &inventory,
            change: &self.change,
            policy: policy.as_ref().map(|p| (p, "anna ssh-ed25519 AAAA\n")),
            providers: &self.providers,
            outside: &project.outside,
            files: &files,
        };
        let mut found = Diagnostics::new();
        let plan = bind(&input, &mut found);
        assert_eq!(plan.is_none(), found.has_errors());
        (plan, found)
    }

    pub(in crate::plan) fn plan(&self) -> Plan {
        let (plan, diags) = self.bind();
        plan.unwrap_or_else(|| panic!("{:#?}", said(&diags)))
    }

    fn codes(&self) -> Vec<&'static str> {
        self.bind().1.0.iter().map(|d| d.code).collect()
    }

    fn digest(&self) -> String {
        self.plan().digest().unwrap().to_string()
    }
}

fn yaml_source(name: &str, bytes: &[u8]) -> std::sync::Arc<Source> {
    crate::runbook::yaml::source(name, bytes, &mut Diagnostics::new()).unwrap()
}

fn said(diags: &Diagnostics) -> Vec<String> {
    diags
        .0
        .iter()
        .map(|d| format!("{} {} {:?} {:?}", d.code, d.message, d.labels[0].span.text(), d.help))
        .collect()
}

fn names(hosts: &[HostName]) -> String {
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")
}

const GATE: &str = "  - { gate: go, title: Go?, need: 2, approvers: [cm] }\n  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: z, name: Z, run: 'true' }] }\n";

/// The examples of the design.
pub(in crate::plan) fn example(name: &str, more: Change) -> (Option<Plan>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let files = Folder::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bind"));
    let read = |path: &str| yaml_source(path, &files.read(path).unwrap());
    let path = format!("runbooks/{name}.yml");
    let runbook = check::checked(&files, &path, &mut diags).unwrap_or_else(|| panic!("{:#?}", said(&diags)));
    let inventory = hosts::read(&read("inventory.yml"), &mut diags).unwrap();
    let policy = policyfile::read(&read("policy.yml"), &mut diags).unwrap();
    let project = project::read(&read("pitstop.yml"), &mut diags).unwrap();
    let signers = read("allowed_signers");
    let input = BindInput {
        runbook: &runbook,
        path: &path,
        inventory: &inventory,
        change: &more,
        policy: Some((&policy, &signers.text)),
        providers: &project.providers,
        outside: &project.outside,
        files: &files,
    };
    let plan = bind(&input, &mut diags);
    (plan, diags)
}

pub(in crate::plan) fn mode(mode: &str) -> Change {
    Change {
        mode: Some(change::flag("--mode", mode)),
        ..Change::default()
    }
}
