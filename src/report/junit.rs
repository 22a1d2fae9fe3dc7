//! The record as JUnit XML, for CI.
//!
//! Owns: a suite for each phase, a case for each step of a host. Must not: hide a host on which no step ran.

pub mod cases;

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::record::{ChangeRecord, HostPhase, HostState, Outcome, StepRecord};
use super::{checks, words};
use crate::id::HostName;
use crate::text;

/// The XML text.
///
/// # Errors
/// If the writer cannot write; it writes to memory.
pub fn junit(r: &ChangeRecord) -> Result<String, SerializeError> {
    let mut report = Report::new(clean(&r.title));
    if let Some(a) = r.window.actual {
        report.set_time(Duration::from_millis(a.ms()));
    }
    let whole = r.steps.iter().filter(|s| s.phase.is_empty()).collect::<Vec<_>>();
    if !whole.is_empty() {
        let mut suite = TestSuite::new("steady state");
        suite.add_test_cases(whole.iter().map(|s| case(s)));
        report.add_test_suite(suite);
    }
    for p in &r.phases {
        let mut suite = TestSuite::new(clean(&p.id));
        for s in r.steps.iter().filter(|s| s.phase == p.id) {
            suite.add_test_case(case(s));
        }
        for h in &r.hosts {
            suite.add_test_cases(h.phases.iter().filter(|x| x.phase == p.id).map(|x| host(&h.name, x)));
        }
        report.add_test_suite(suite);
    }
    let mut run = TestSuite::new("run");
    run.add_test_cases(r.objectives.iter().map(|o| {
        let mut status = TestCaseStatus::success();
        if !o.met {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(clean(&o.why));
        }
        named("objective", &o.name, status)
    }));
    let mut status = TestCaseStatus::success();
    if !r.left_behind.is_empty() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let ids: Vec<&str> = r.left_behind.iter().map(|l| l.id.as_str()).collect();
        status.set_message(clean(&ids.join(", ")));
    }
    run.add_test_case(named("run", "left behind: nothing", status));
    report.add_test_suite(run);
    report.to_string()
}

/// XML itself is escaped by the writer; what reorders or hides text is not.
fn clean(t: &str) -> String {
    text::terminal(t)
}

fn named(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(class));
    case
}

fn case(s: &StepRecord) -> TestCase {
    let found = checks::result(s).map(|result| result.status);
    let mut status = match s.outcome {
        Some(Outcome::Ok) => TestCaseStatus::success(),
        // A check that could not measure is no answer either.
        Some(Outcome::Failed) if found == Some(checks::Status::Unknown) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        Some(Outcome::Skipped) | None => TestCaseStatus::skipped(),
        Some(Outcome::Failed) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        // Not a no of the host, but no answer.
        Some(Outcome::TimedOut | Outcome::Unreachable | Outcome::Unknown) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    if s.outcome != Some(Outcome::Ok) {
        let (_, word) = words::outcome(s.outcome, false);
        let message = if s.why.is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {}", s.why)
        };
        status.set_message(clean(&message));
    }
    let host = s.host.as_ref().map_or("whole phase", HostName::as_str);
    let back = if s.pass == 1 { ", going back" } else { "" };
    let mut case = named(
        host,
        &format!("{}/{}: {}{back}", s.stage.as_str(), s.step, s.name),
        status,
    );
    case.set_time(Duration::from_millis(s.attempts.iter().map(|a| a.duration_ms).sum()));
    if let Some(a) = s.attempts.last() {
        if !a.stdout.text.is_empty() {
            case.set_system_out(clean(&a.stdout.text));
        }
        if !a.stderr.text.is_empty() {
            case.set_system_err(clean(&a.stderr.text));
        }
    }
    case
}

/// How the host ended is a case of its own: a rolled back host has only good steps at its end.
fn host(name: &HostName, p: &HostPhase) -> TestCase {
    let (_, word) = words::host(p.state);
    let mut status = match p.state {
        Some(s) if s.is_good() => TestCaseStatus::success(),
        Some(HostState::NotStarted) | None => TestCaseStatus::skipped(),
        Some(HostState::Unknown) => TestCaseStatus::non_success(NonSuccessKind::Error),
        Some(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if !p.state.is_some_and(HostState::is_good) {
        status.set_message(clean(&format!("{word}: {}", p.why)));
    }
    named(name.as_str(), "host", status)
}
