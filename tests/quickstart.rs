//! The quickstart, as a new user runs it: whole and damaged, with nothing configured.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Ran {
    /// The folder in which the run made its own; it lives as long as this.
    room: tempfile::TempDir,
    code: Option<i32>,
    said: String,
    report: PathBuf,
}

/// Runs the README's command, with the state and the scratch folder in a place of the test's own.
fn quickstart(more: &[&str]) -> Ran {
    let room = tempfile::tempdir().unwrap();
    let work = room.path().join("work");
    fs::create_dir(&work).unwrap();
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_pitstop"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "examples/quickstart/restore-test.yml", "--yes", "--set"])
        .arg(format!("room={}", work.display()))
        .args(more)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", room.path())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&stderr),
        String::from_utf8_lossy(&stdout)
    );
    let mut named = said
        .split_whitespace()
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric() && c != '/'));
    let report = named.rfind(|w| w.ends_with(".html")).map(PathBuf::from);
    Ran {
        room,
        code: status.code(),
        report: report.unwrap_or_else(|| panic!("it does not say where the report is:\n{said}")),
        said,
    }
}

fn entries(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_whole_backup_is_restored_measured_and_cleaned_up() {
    let ran = quickstart(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert_eq!(
        entries(&ran.room.path().join("work")),
        Vec::<String>::new(),
        "left behind"
    );
    let page = fs::read_to_string(&ran.report).unwrap();
    for word in [
        "Prove that the shop",
        "rto",
        "rpo",
        "121 files are the same",
        "Left behind: nothing",
    ] {
        assert!(page.contains(word), "the report does not hold `{word}`:\n{page}");
    }
}

#[test]
fn one_flipped_byte_is_found_and_the_file_is_named() {
    let ran = quickstart(&["--set", "damage=true"]);
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let name = "invoices/07/invoice-07-3.txt";
    assert!(
        ran.said.contains(name),
        "the screen does not name the file:\n{}",
        ran.said
    );
    assert!(
        fs::read_to_string(&ran.report).unwrap().contains(name),
        "the report does not name the file"
    );
    assert_eq!(
        entries(&ran.room.path().join("work")),
        Vec::<String>::new(),
        "left behind"
    );
    // The host is closed by its cleanup: a way back was once offered that takes nothing back.
    assert!(!ran.said.contains("--rollback"), "{}", ran.said);
}
