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
