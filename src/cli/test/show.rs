//! How the results of tests are told: to people, as JUnit, as JSON lines.
//!
//! Owns: these three forms. Must not: decide what passed.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use crate::cli::problem::Problem;
use crate::cli::screen::{Screen, Tone};
use crate::diag::{Diagnostics, render};
use crate::plan::page::{count, duration};
use crate::report::junit::cases::{self, Suite};

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A list for people.
    Human,
    /// JUnit XML.
    Junit,
    /// One JSON object a line.
    Json,
}

/// A file of tests, run.
pub struct FileResult {
    /// Its path.
    pub file: String,
    /// Its cases.
    pub cases: Vec<CaseResult>,
    /// What is wrong with the file over all its cases.
    pub diags: Diagnostics,
}

/// A case, run.
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What is wrong; empty: it passed.
    pub diags: Diagnostics,
    /// Hosts of the plan.
    pub hosts: usize,
    /// Commands that were sent.
    pub commands: usize,
    /// How long the run took in its own time.
    pub simulated: Duration,
    /// How long it took here.
    pub took: Duration,
}

impl CaseResult {
    fn passed(&self) -> bool {
        self.diags.0.is_empty()
    }
}

/// The whole of it.
pub struct Totals {
    /// Cases that were run.
    pub cases: usize,
    /// Failed ones, a file's own failures among them.
    pub failed: usize,
    /// Files.
    pub files: usize,
    /// How long it took.
    pub took: Duration,
}

/// Counts.
pub fn totals(files: &[FileResult], took: Duration) -> Totals {
    let failed = |f: &FileResult| f.cases.iter().filter(|c| !c.passed()).count() + usize::from(f.diags.has_errors());
    Totals {
        cases: files.iter().map(|f| f.cases.len()).sum(),
        failed: files.iter().map(failed).sum(),
        files: files.len(),
        took,
    }
}

/// One file's list, as soon as it was run.
pub fn file(result: &FileResult, screen: &Screen) {
    screen.note(&crate::text::terminal_line(&result.file));
    for case in &result.cases {
        let (tone, mark, word) = match (case.passed(), screen.unicode()) {
            (true, true) => (Tone::Good, "✓ ", "passed"),
            (true, false) => (Tone::Good, "", "passed"),
            (false, true) => (Tone::Bad, "✗ ", "FAILED"),
            (false, false) => (Tone::Bad, "", "FAILED"),
        };
        let line = format!(
            "  {}  {}  ({}, {}, {} simulated)",
            screen.paint(tone, &format!("{mark}{word}")),
            crate::text::terminal_line(&case.name),
            count(case.hosts, "host", "hosts"),
            count(case.commands, "command", "commands"),
            duration(u64::try_from(case.simulated.as_millis()).unwrap_or(u64::MAX)),
        );
        match case.passed() {
            true => screen.note(&line),
            false => screen.say(&line),
        }
        if !case.passed() {
            screen.say(render::human(&case.diags, screen.color(), screen.width()).trim_end());
        }
    }
    if !result.diags.0.is_empty() {
        screen.say(render::human(&result.diags, screen.color(), screen.width()).trim_end());
    }
}

/// The last line.
pub fn closing(totals: &Totals, screen: &Screen) {
    let cases = count(totals.cases, "case", "cases");
    let files = count(totals.files, "file", "files");
    let took = format!("{:.2} s", totals.took.as_secs_f64());
    if totals.failed == 0 {
        let word = screen.paint(Tone::Good, "passed:");
        screen.note(&format!("{word} {cases} of {files} in {took}"));
    } else {
        let word = screen.paint(Tone::Bad, "FAILED:");
        screen.say(&format!("{word} {} of {cases} of {files} in {took}", totals.failed));
    }
}

/// The text for a machine.
///
/// # Errors
/// When it has no such form: a bug.
pub fn machine(files: &[FileResult], totals: &Totals, format: Format) -> Result<String, Problem> {
    match format {
        Format::Human => Ok(String::new()),
        Format::Json => Ok(lines(files, totals)),
        Format::Junit => {
            let suites: Vec<Suite> = files.iter().map(suite).collect();
            cases::cases(&suites)
                .map_err(|e| Problem::fault(format!("no JUnit can be made of it: {e}"), "report this bug"))
        }
    }
}

fn suite(file: &FileResult) -> Suite {
    let wrong = |diags: &Diagnostics| {
        let first = diags.0.first()?.message.clone();
        Some((first, render::human(diags, false, 100)))
    };
    let mut cases: Vec<cases::Case> = file
        .cases
        .iter()
        .map(|case| cases::Case {
            name: case.name.clone(),
            took: case.took,
            wrong: wrong(&case.diags),
        })
        .collect();
    if let Some(wrong) = wrong(&file.diags) {
        cases.push(cases::Case {
            name: "the file as a whole".to_owned(),
            took: Duration::ZERO,
            wrong: Some(wrong),
        });
    }
    Suite {
        name: file.file.clone(),
        cases,
    }
}

fn lines(files: &[FileResult], totals: &Totals) -> String {
    let mut out = String::new();
    let mut push = |value: serde_json::Value| {
        out.push_str(&value.to_string());
        out.push('\n');
    };
    let wrong = |diags: &Diagnostics| -> Vec<serde_json::Value> {
        let one = |d: &crate::diag::Diagnostic| {
            let place = d.labels.first().map(|l| l.span.line_col());
            json!({ "code": d.code, "message": d.message, "line": place.map(|p| p.0), "col": place.map(|p| p.1), "help": d.help })
        };
        diags.0.iter().map(one).collect()
    };
    for file in files {
        for case in &file.cases {
            push(json!({
                "type": "case", "file": file.file, "name": case.name, "passed": case.passed(),
                "hosts": case.hosts, "commands": case.commands,
                "simulated_ms": u64::try_from(case.simulated.as_millis()).unwrap_or(u64::MAX),
                "took_ms": u64::try_from(case.took.as_millis()).unwrap_or(u64::MAX),
                "wrong": wrong(&case.diags),
            }));
        }
        if !file.diags.0.is_empty() {
            push(
                json!({ "type": "file", "file": file.file, "passed": !file.diags.has_errors(), "wrong": wrong(&file.diags) }),
            );
        }
    }
    push(json!({ "type": "end", "cases": totals.cases, "failed": totals.failed, "files": totals.files }));
    out
}
