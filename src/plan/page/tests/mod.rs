//! The approver's page, whole: what it says of the design's examples and of small projects made for one sentence each.
//!
//! The pages stand in `snapshots/`; a change of one is a change of what people sign, and is read before it is accepted.

mod formats;
mod rows;
mod sentences;

use super::*;
use crate::id::Digest;
use crate::plan::Plan;
use crate::plan::bind::tests::{HOLD, case, example, mode, one_phase};
use crate::runbook::change::{self, Change};

fn digest() -> Digest {
    Digest::of(b"a plan")
}

/// A former run whose phases, hosts and steps took what is told.
fn past(run: &str, verdict: &str, duration_ms: u64) -> PastRun {
    let took = |what: &[(&str, u64)]| what.iter().map(|(n, ms)| ((*n).to_owned(), *ms)).collect();
    PastRun {
        run: run.to_owned(),
        verdict: verdict.to_owned(),
        duration_ms,
        phases: took(&[("web", duration_ms / 2)]),
        hosts: took(&[("web", duration_ms / 4)]),
        steps: took(&[("web/install", duration_ms / 8)]),
    }
}

/// The section of a page with this title.
fn of<'a>(page: &'a Page, title: &str) -> &'a Section {
    let found = page.sections.iter().find(|s| s.title == title);
    found.unwrap_or_else(|| {
        panic!(
            "{title}: {:?}",
            page.sections.iter().map(|s| &s.title).collect::<Vec<_>>()
        )
    })
}

/// A section in one text, without its heading.
fn words_of(page: &Page, title: &str) -> String {
    let text = terminal::section(of(page, title), 4000);
    text.lines().skip(2).collect::<Vec<_>>().join("\n")
}

fn page(plan: &Plan) -> Page {
    facts(plan, &digest(), &Outside::default())
}

/// The change of the design's examples, with the window's start.
fn ticket() -> Change {
    let text = include_str!("../../../../tests/data/bind/changes/CHG0031337.yml");
    let mut diags = crate::diag::Diagnostics::new();
    change::read(&crate::diag::Source::new("c.yml", text), &mut diags).unwrap()
}

/// The examples of the design, each as its approver reads it.
#[test]
fn the_pages_of_the_designs_examples() {
    for (name, snapshot, more) in [
        ("patch-window", "patch-window", ticket()),
        ("dr-drill", "drill-test", mode("test")),
        ("dr-drill", "drill-planned", mode("planned")),
        ("server-check", "server-check", Change::default()),
        ("restore-test", "restore-test", Change::default()),
        ("cluster-restart", "cluster-restart", Change::default()),
        ("smallest", "smallest", Change::default()),
    ] {
        let (plan, diags) = example(name, more);
        let plan = plan.unwrap_or_else(|| panic!("{name}: {:#?}", diags.0));
        insta::assert_snapshot!(snapshot, markdown(&page(&plan)));
    }
}
