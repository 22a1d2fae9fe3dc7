//! Schemas against the files that pitstop reads, and against those that it refuses.

use std::path::{Path, PathBuf};

use jsonschema::Validator;

use super::*;
use crate::diag::{Diagnostics, Severity, Source};
use crate::runbook::check::checked;
use crate::runbook::files::Folder;
use crate::runbook::keys::FILES;
use crate::runbook::{fields, yaml};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn validator(kind: &str) -> Validator {
    let (name, shape) = FILES.iter().find(|(name, _)| *name == kind).unwrap();
    let schema = schema(name, shape);
    assert!(jsonschema::meta::is_valid(&schema), "{kind}");
    jsonschema::draft202012::new(&schema).unwrap()
}

/// A file as an editor's YAML reader sees it; `None`: it cannot be read at all.
fn value(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut diags = Diagnostics::new();
    let node = yaml::read(&Source::new("t.yml", text.trim_start_matches('\u{feff}')), &mut diags)?;
    (!diags.has_errors()).then(|| serde_json::to_value(fields::value(&node)).unwrap())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        .filter(|path| !path.to_string_lossy().ends_with(".test.yml"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder}");
    found
}

#[test]
fn every_good_file_is_good_by_its_schema() {
    for (kind, folders) in [
        (
            "runbook",
            &[
                "runbooks",
                "examples/quickstart",
                "tests/corpus/good",
                "tests/data/bind/runbooks",
            ][..],
        ),
        ("change", &["tests/data/bind/changes"]),
    ] {
        let validator = validator(kind);
        for path in folders.iter().flat_map(|folder| files(folder)) {
            let value = value(&path).unwrap();
            let wrong: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
        }
    }
    for (kind, file) in [
        ("inventory", "tests/data/bind/inventory.yml"),
        ("policy", "tests/data/bind/policy.yml"),
        ("project", "tests/data/bind/pitstop.yml"),
        ("inventory", "src/cli/init/inventory.yml"),
        ("policy", "src/cli/init/policy.yml"),
        ("project", "src/cli/init/pitstop.yml"),
        ("runbook", "src/cli/init/hello.yml"),
        ("test", "runbooks/patch-linux.test.yml"),
    ] {
        let value = value(&root().join(file)).unwrap();
        let wrong: Vec<String> = validator(kind).iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{file}: {wrong:#?}");
    }
}

/// Complaints about keys and types, of which a schema knows as much as the reading.
const SHAPE: &[&str] = &["PS0101", "PS0102", "PS0104", "PS0105", "PS0106", "PS0110", "PS0137"];

#[test]
fn a_file_with_wrong_keys_or_types_is_wrong_by_its_schema() {
    let validator = validator("runbook");
    let corpus = Folder::new(root().join("tests/corpus"));
    let mut refused = 0;
    for path in files("tests/corpus") {
        let Some(value) = value(&path) else { continue };
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut diags = Diagnostics::new();
        checked(&corpus, name, &mut diags);
        let wrong = diags.0.iter().any(|d| {
            let here = d.labels.first().is_some_and(|label| label.span.source.name == name);
            d.severity == Severity::Error && here && SHAPE.contains(&d.code)
        });
        if wrong {
            assert!(!validator.is_valid(&value), "{name}");
            refused += 1;
        }
    }
    assert!(refused >= 20, "only {refused} files are wrong by the schema");
}

#[test]
fn a_schema_has_every_key_of_its_tables() {
    for (name, shape) in FILES {
        let schema = schema(name, shape);
        let defs = schema["$defs"].as_object().unwrap();
        let root = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let keys = |value: &Value| {
            value["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut known: Vec<_> = shape.all().map(|key| key.name.to_owned()).collect();
        let mut found = keys(&defs[root]);
        known.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, known, "{name}");
        for (def, value) in defs {
            assert!(value["additionalProperties"] == json!(false), "{name}: {def}");
            for key in keys(value) {
                assert!(
                    value["properties"][&key]["description"].is_string(),
                    "{name}: {def}.{key}"
                );
            }
        }
    }
}

#[test]
fn templates_stand_where_the_language_allows_them() {
    let validator = validator("runbook");
    let of = |step: &str| {
        let text = format!(
            "schema: 1\nrunbook: t\ntitle: T\nphases:\n  - phase: p\n    title: P\n    steps:\n      - {{ name: N, {step} }}\n"
        );
        let mut diags = Diagnostics::new();
        let node = yaml::read(&Source::new("t.yml", text), &mut diags).unwrap();
        validator.is_valid(&serde_json::to_value(fields::value(&node)).unwrap())
    };
    for good in [
        "run: date",
        "run: [a, 1]",
        "wait_for: { port: \"{{ params.port }}\" }",
        "wait_for: { port: 80 }",
        "wait_for: { time: \"{{ params.pause }}\" }",
        "run: date, timeout: 1h30m, once: true",
        "linux: { run: df }, windows: { powershell: Get-PSDrive }",
        "undo: { none: no }, run: x",
    ] {
        assert!(of(good), "{good}");
    }
    for wrong in [
        "run: date, manual: Look",
        "timeout: 5m",
        "run: date, timeout: \"{{ params.limit }}\"",
        "run: date, timeout: 10",
        "run: date, once: \"{{ params.once }}\"",
        "run: date, linux: { run: df }",
        "linux: {}",
        "wait_for: { port: 80, path: /x }",
        "wait_for: { port: 99999 }",
        "run: date, as: nubmer",
    ] {
        assert!(!of(wrong), "{wrong}");
    }
}
