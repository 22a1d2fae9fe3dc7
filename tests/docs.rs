//! What is shipped beside the program is true: runbooks pass `check`, the guide's commands run, dependencies are explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pitstop::diag::Diagnostics;
use pitstop::runbook::check;
use pitstop::runbook::files::Folder;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Complaints of `check` about a runbook of the repository, one a line.
fn complaints(project: &Path, path: &str) -> Vec<String> {
    let mut diags = Diagnostics::new();
    check::checked(&Folder::new(project), path, &mut diags);
    let line = |d: &pitstop::diag::Diagnostic| format!("{path}: {d:?}");
    diags.0.iter().map(line).collect()
}

#[test]
fn every_shipped_runbook_passes_check_without_a_warning() {
    let mut seen = 0;
    for dir in ["runbooks", "examples/quickstart"] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yml") {
                let found = complaints(&root(), &format!("{dir}/{name}"));
                assert!(found.is_empty(), "{}", found.join("\n"));
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "only {seen} runbooks were found");
}

/// The names under a heading of `Cargo.toml`.
fn declared(section: &str) -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let lines = manifest.lines().skip_while(|l| *l != section).skip(1);
    let lines = lines.take_while(|l| !l.starts_with('['));
    lines
        .filter_map(|l| l.split_once(" =").or_else(|| l.split_once('.')))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[test]
fn the_page_of_dependencies_explains_exactly_those_there_are() {
    let page = read("docs/dependencies.md");
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(explained, declared("[dependencies]"));
    for name in declared("[dev-dependencies]") {
        assert!(
            page.contains(&format!("`{name}` (")),
            "docs/dependencies.md does not explain {name}"
        );
    }
}

/// The fenced blocks of a page whose info string is `info`.
fn blocks(page: &str, info: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(found) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        if found == info {
            out.push(body.join("\n") + "\n");
        }
    }
    out
}

/// Steps as they stand in the reference, with a runbook round them.
fn around(steps: &str) -> String {
    let steps: String = steps.lines().map(|l| format!("      {l}\n")).collect();
    let head =
        "schema: 1\nrunbook: example\ntitle: Example\nkind: change\ntargets: { web: { select: role=web } }\nphases:\n";
    format!("{head}  - phase: p\n    title: P\n    targets: web\n    on_failure: hold\n    steps:\n{steps}")
}

#[test]
fn every_runbook_in_the_language_reference_passes_check() {
    let page = read("docs/language.md");
    let whole = blocks(&page, "yaml");
    let steps = blocks(&page, "yaml steps");
    assert!(
        whole.len() >= 2 && steps.len() >= 2,
        "{} and {} examples were found",
        whole.len(),
        steps.len()
    );
    for text in whole.into_iter().chain(steps.iter().map(|s| around(s))) {
        let id = text.lines().find_map(|l| l.strip_prefix("runbook: ")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = format!("{id}.yml");
        fs::write(dir.path().join(&path), &text).unwrap();
        let found = complaints(dir.path(), &path);
        assert!(found.is_empty(), "{}\n{text}", found.join("\n"));
    }
}

#[test]
fn every_other_file_in_the_language_reference_can_be_read() {
    use pitstop::diag::Source;
    use pitstop::{inventory, runbook};
    let page = read("docs/language.md");
    for kind in ["inventory", "change", "policy"] {
        let found = blocks(&page, &format!("yaml {kind}"));
        assert_eq!(found.len(), 1, "{kind}");
        let source = Source::new(format!("{kind}.yml"), found[0].as_str());
        let mut diags = Diagnostics::new();
        let good = match kind {
            "inventory" => inventory::hosts::read(&source, &mut diags).is_some(),
            "change" => runbook::change::read(&source, &mut diags).is_some(),
            _ => runbook::policyfile::read(&source, &mut diags).is_some(),
        };
        assert!(good && diags.0.is_empty(), "{kind}: {:?}", diags.0);
    }
}
