//! The switches that take a protection away (`src/control.rs`): there in a debug build, and in a release build not even by name.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

const VARIABLE: &str = "PITSTOP_WITHOUT";

/// Asks for each protection; prints those that are off.
const ASKS: &str = r#"
#[path = "CONTROL"]
pub mod control;
use control::Protection::{Approval, Fsync, Latch, Redaction, UndoOrder};

fn main() {
    let off: Vec<_> = [Latch, Fsync, UndoOrder, Redaction, Approval].into_iter().filter(|p| control::off(*p)).collect();
    println!("{off:?}");
}
"#;

/// Compiles the one file as cargo does for this profile, and asks.
fn asked(dir: &Path, debug: bool) -> (String, bool) {
    let source = dir.join("asks.rs");
    let control = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control.rs");
    std::fs::write(&source, ASKS.replace("CONTROL", &control.display().to_string())).unwrap();
    let program: PathBuf = dir.join(format!("asks-{debug}"));
    let level = if debug { "0" } else { "3" };
    let made = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "-A",
            "warnings",
            "-C",
            &format!("opt-level={level}"),
        ])
        .arg(format!("-Cdebug-assertions={}", if debug { "yes" } else { "no" }))
        .arg("-o")
        .args([&program, &source])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let all = "latch,fsync,undo-order,redaction,approval";
    let told = Command::new(&program).env(VARIABLE, all).output().unwrap();
    let named = std::fs::read(&program)
        .unwrap()
        .windows(VARIABLE.len())
        .any(|w| w == VARIABLE.as_bytes());
    (String::from_utf8(told.stdout).unwrap().trim().to_owned(), named)
}

#[test]
fn a_release_build_has_no_switch_that_takes_a_protection_away() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(asked(dir.path(), false), ("[]".to_owned(), false));
    // The same file in a debug build: all are off, and the variable's name is in the program.
    let (off, named) = asked(dir.path(), true);
    assert_eq!(
        (off.as_str(), named),
        ("[Latch, Fsync, UndoOrder, Redaction, Approval]", true)
    );
}

#[test]
fn cargo_has_no_profile_that_brings_the_switches_into_a_release() {
    let manifest = include_str!("../Cargo.toml");
    assert!(manifest.contains("[profile.release]"), "this test has lost its subject");
    for line in manifest.lines() {
        assert!(!line.trim_start().starts_with("debug-assertions"), "{line}");
    }
}

#[test]
fn every_control_of_the_table_exists_and_every_switch_has_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/design/0002-proofs.md")).unwrap();
    let sources = sources(root);
    let rows = page
        .split("## Figures")
        .next()
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("| ") && l.ends_with("` |"));
    let mut named = 0;
    for row in rows {
        let control = row.rsplit('`').nth(1).unwrap();
        assert!(
            sources.contains(&format!("fn {control}()")),
            "there is no test {control}"
        );
        named += 1;
    }
    assert!(named >= 11, "only {named} controls in the table");
    for switch in ["latch", "fsync", "undo-order", "redaction", "approval"] {
        assert!(page.contains(&format!("\n| `{switch}` |")), "{switch} has no control");
    }
}

#[test]
fn every_figure_of_the_page_is_printed_by_a_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/design/0002-proofs.md")).unwrap();
    let figures = page.split("its figure begins with").nth(1).unwrap();
    let suites = sources(root) + &std::fs::read_to_string(root.join("tests/fuzz/run")).unwrap();
    let mut named = 0;
    for row in figures.lines().filter(|l| l.ends_with("` |")) {
        let name = row.rsplit('`').nth(1).unwrap();
        let printed = [format!("\"{name}"), format!("figure: {name}")];
        assert!(printed.iter().any(|p| suites.contains(p)), "no suite prints `{name}`");
        named += 1;
    }
    assert!(named >= 10, "only {named} figures on the page");
}

/// Every source and every test, in one text.
fn sources(root: &Path) -> String {
    let mut all = String::new();
    let mut todo = vec![root.join("src"), root.join("tests")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    all
}
