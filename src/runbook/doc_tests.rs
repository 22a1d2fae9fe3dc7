//! The procedure of a shipped runbook, and that no text of an author can leave its place.

use super::*;
use crate::diag::Diagnostics;
use crate::runbook::check;
use crate::runbook::files::{Files, Folder, ReadError};

fn shipped(path: &str) -> String {
    let mut diags = Diagnostics::new();
    let folder = Folder::new(env!("CARGO_MANIFEST_DIR"));
    procedure(&check::checked(&folder, path, &mut diags).unwrap())
}

#[test]
fn a_shipped_runbook_as_a_procedure() {
    insta::assert_snapshot!("patch_linux", shipped("runbooks/patch-linux.yml"));
}

#[test]
fn drills_and_restore_tests_have_procedures() {
    let mut diags = Diagnostics::new();
    let folder = Folder::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bind"));
    let runbook = check::checked(&folder, "runbooks/dr-drill.yml", &mut diags).unwrap();
    let text = procedure(&runbook);
    assert!(text.contains("Only in mode") && text.contains("## Modes"), "{text}");
    assert!(shipped("examples/quickstart/restore-test.yml").contains("## Objectives"));
}

struct One(String);

impl Files for One {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.clone().into_bytes())
    }
}

#[test]
fn texts_cannot_leave_their_place() {
    let nasty = "x\\\"] --> y; end ``` | <b> #35; **";
    let text = format!(
        "schema: 1\nrunbook: r\ntitle: \"{nasty}\"\nkind: change\nphases:\n  - phase: p\n    title: \"{nasty}\"\n    on_failure: hold\n    steps:\n      - name: \"{nasty}\"\n        run: \"echo '```' '{{{{ 1 }}}}'\"\n  - gate: g\n    title: \"{nasty}\"\n    not_operator: false\n"
    );
    let mut diags = Diagnostics::new();
    let runbook = check::checked(&One(text), "r.yml", &mut diags).unwrap_or_else(|| panic!("{:?}", diags.0));
    let text = procedure(&runbook);
    let chart = text.split("```mermaid\n").nth(1).unwrap().split("```").next().unwrap();
    for line in chart.lines().skip(1) {
        // In quotes only letters, digits and signs without a meaning; else arrows between names.
        let quoted: String = line.split('"').skip(1).step_by(2).collect();
        assert!(line.matches('"').count() % 2 == 0, "{line}");
        assert!(
            !quoted
                .replace("<br/>", "")
                .contains(['<', '>', '[', ']', '{', '}', '`', '|', '*', '\\']),
            "{line}"
        );
    }
    assert!(
        chart.lines().all(|l| l == "flowchart TD" || l.starts_with("    ")),
        "{chart}"
    );
    // Outside of code nothing of it is markup.
    let title = text.lines().next().unwrap();
    assert!(
        title.contains("\\`\\`\\`") && title.contains("&lt;b\\>") && title.contains("\\*\\*"),
        "{title}"
    );
    assert!(
        text.contains("````text\n"),
        "a fence longer than that of the command: {text}"
    );
}
