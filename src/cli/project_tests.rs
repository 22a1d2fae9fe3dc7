//! Which files a command finds: real trees in temporary folders.

use super::*;

const RUNBOOK: &str = "schema: 1\nrunbook: r\ntitle: T\nkind: change\nparameters: { n: { type: int, default: 1 } }\ntargets: { all: { select: role=x } }\nphases:\n  - { phase: p, title: P, targets: all, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n";
const HOSTS: &str = "schema: 1\nhosts: { a: { labels: { role: x } }, b: { labels: { role: x } } }\n";

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }
}

fn project() -> Tree {
    Tree::new(&[
        ("pitstop.yml", "schema: 1\ninventory: inv/hosts.yml\n"),
        ("inv/hosts.yml", HOSTS),
        ("runbooks/r.yml", RUNBOOK),
        (
            "changes/c.yml",
            "schema: 1\nchange: C1\nrunbook: runbooks/r.yml\nparameters: { n: 2 }\nlimit: host=a\n",
        ),
    ])
}

fn plan(args: &ProjectArgs, file: &Path) -> Plan {
    load(args, file)
        .and_then(|l| l.plan())
        .unwrap_or_else(|d| panic!("{:#?}", d.0))
        .0
}

fn codes(args: &ProjectArgs, file: &Path) -> Vec<&'static str> {
    let diags = load(args, file).and_then(|l| l.plan()).unwrap_err();
    diags.0.iter().map(|d| d.code).collect()
}

#[test]
fn the_nearest_pitstop_yml_above_the_runbook_is_the_project() {
    let t = project();
    let loaded = load(&ProjectArgs::default(), &t.at("runbooks/r.yml")).unwrap();
    assert_eq!(
        (loaded.path.as_str(), loaded.inventory.name.as_str()),
        ("runbooks/r.yml", "inv/hosts.yml")
    );
    assert!(loaded.room.found && loaded.policy.is_none());
    assert_eq!(loaded.room.state.0, t.0.path().canonicalize().unwrap().join(".pitstop"));
    assert!(!loaded.change.from_file);
}

#[test]
fn a_change_names_its_runbook_and_flags_win_over_it() {
    let t = project();
    let from_file = plan(&ProjectArgs::default(), &t.at("changes/c.yml"));
    assert_eq!(
        (from_file.ticket.as_deref(), from_file.path.as_str()),
        (Some("C1"), "runbooks/r.yml")
    );
    assert_eq!(from_file.phase("p").unwrap().hosts.len(), 1);
    assert_eq!(from_file.params["n"], crate::plan::Value::Int(2));
    let args = ProjectArgs {
        sets: vec!["n=3".to_owned()],
        limit: Some("role=x".to_owned()),
        skips: vec!["p/s=not now".to_owned()],
        ..ProjectArgs::default()
    };
    let with_flags = plan(&args, &t.at("changes/c.yml"));
    assert_eq!(with_flags.params["n"], crate::plan::Value::Int(3));
    assert_eq!(with_flags.phase("p").unwrap().hosts.len(), 2);
    assert_eq!(with_flags.skipped["p/s"], "not now");
}

#[test]
fn without_pitstop_yml_the_runbooks_folder_is_the_project() {
    let t = Tree::new(&[
        ("x/r.yml", RUNBOOK),
        ("x/inventory.yml", HOSTS),
        ("x/policy.yml", "nonsense"),
    ]);
    let loaded = load(&ProjectArgs::default(), &t.at("x/r.yml")).unwrap();
    assert_eq!((loaded.path.as_str(), loaded.inventory.hosts().len()), ("r.yml", 2));
    assert!(!loaded.room.found && loaded.policy.is_none());
    let local = "schema: 1\nrunbook: r\ntitle: T\nkind: change\nphases:\n  - { phase: p, title: P, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n";
    let alone = Tree::new(&[("r.yml", local)]);
    assert!(plan(&ProjectArgs::default(), &alone.at("r.yml")).hosts.is_empty());
}

#[test]
fn a_policy_beside_pitstop_yml_is_not_left_out() {
    let t = project();
    std::fs::write(t.at("policy.yml"), "schema: 1\nrequire_change: [role=x]\n").unwrap();
    assert_eq!(codes(&ProjectArgs::default(), &t.at("runbooks/r.yml")), ["PS0643"]);
    plan(&ProjectArgs::default(), &t.at("changes/c.yml"));
    std::fs::write(
        t.at("policy.yml"),
        "schema: 1\napprovers: { g: [a] }\nallowed_signers: nowhere\n",
    )
    .unwrap();
    assert_eq!(codes(&ProjectArgs::default(), &t.at("runbooks/r.yml")), ["PS0123"]);
}

#[test]
fn an_inventory_flag_may_name_any_file() {
    let t = project();
    let other = Tree::new(&[("mine.yml", "schema: 1\nhosts: { z: { labels: { role: x } } }\n")]);
    let args = ProjectArgs {
        inventory: Some(other.at("mine.yml")),
        ..ProjectArgs::default()
    };
    let p = plan(&args, &t.at("runbooks/r.yml"));
    assert_eq!((p.inventory.as_str(), p.hosts[0].name.as_str()), ("mine.yml", "z"));
    let gone = ProjectArgs {
        inventory: Some(other.at("gone.yml")),
        ..ProjectArgs::default()
    };
    assert_eq!(codes(&gone, &t.at("runbooks/r.yml")), ["PS0123"]);
}

#[test]
fn files_outside_the_project_are_refused() {
    let t = project();
    let outside = Tree::new(&[("r.yml", RUNBOOK)]);
    let args = ProjectArgs {
        project: Some(t.at("")),
        ..ProjectArgs::default()
    };
    assert_eq!(codes(&args, &outside.at("r.yml")), ["PS0531"]);
    assert_eq!(codes(&args, &t.at("runbooks/none.yml")), ["PS0123"]);
    std::os::unix::fs::symlink(outside.at("r.yml"), t.at("runbooks/link.yml")).unwrap();
    assert_eq!(codes(&args, &t.at("runbooks/link.yml")), ["PS0531"]);
    std::fs::write(t.at("changes/link.yml"), "schema: 1\nrunbook: runbooks/link.yml\n").unwrap();
    assert_eq!(codes(&args, &t.at("changes/link.yml")), ["PS0123"]);
    let nowhere = ProjectArgs {
        project: Some(t.at("nowhere")),
        ..ProjectArgs::default()
    };
    assert_eq!(codes(&nowhere, &t.at("runbooks/r.yml")), ["PS0531"]);
}

#[test]
fn mistakes_of_all_files_come_together() {
    let t = project();
    std::fs::write(t.at("inv/hosts.yml"), "schema: 1\nhosst: {}\n").unwrap();
    std::fs::write(t.at("runbooks/r.yml"), RUNBOOK.replace("title: T\n", "titel: T\n")).unwrap();
    std::fs::write(t.at("policy.yml"), "schema: 1\nallow_lokal: true\n").unwrap();
    let args = ProjectArgs {
        sets: vec!["n".to_owned()],
        ..ProjectArgs::default()
    };
    let diags = load(&args, &t.at("changes/c.yml")).unwrap_err();
    let files: std::collections::BTreeSet<_> = diags.0.iter().map(|d| d.labels[0].span.source.name.as_str()).collect();
    assert_eq!(
        files.into_iter().collect::<Vec<_>>(),
        ["--set", "inv/hosts.yml", "policy.yml", "runbooks/r.yml"]
    );
}
