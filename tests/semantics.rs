//! The table of `tests/data/semantics.txt`: each sentence of the semantics beside the tests that hold it.
//!
//! It reads the sources as text: a test that is renamed or removed leaves a sentence without proof, and is missed here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("data/semantics.txt");

struct Row {
    section: String,
    sentence: String,
    proof: String,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").collect();
            assert_eq!(parts.len(), 3, "three columns: {line}");
            Row {
                section: parts[0].to_owned(),
                sentence: parts[1].to_owned(),
                proof: parts[2].to_owned(),
            }
        })
        .collect()
}

/// The functions under `dir` that are marked as tests.
fn tests(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, names);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if let Some((head, rest)) = line.split_once("fn ").filter(|_| marked) {
                    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if matches!(head.trim(), "" | "async") {
                        names.insert(name);
                    }
                    marked = false;
                }
            }
        }
    }
}

#[test]
fn every_sentence_of_the_semantics_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    tests(&root.join("src"), &mut names);
    tests(&root.join("tests"), &mut names);
    assert!(
        names.len() > 500,
        "only {} tests found: is this the whole tree?",
        names.len()
    );
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let rows = rows();
    for row in &rows {
        if !seen.insert((&row.section, &row.sentence)) {
            wrong.push(format!("twice: {} | {}", row.section, row.sentence));
        }
        let missing = row.proof.split(' ').filter(|name| !names.contains(*name));
        wrong.extend(missing.map(|name| format!("{} | {}: no test `{name}`", row.section, row.sentence)));
    }
    println!("{} sentences, each with a test", rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
