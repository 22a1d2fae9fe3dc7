//! Cases of tests as JUnit XML, for CI.
//!
//! Owns: a suite for each file, a case for each case. Must not: know what a case is made of.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCaseStatus, TestSuite};

use super::{clean, named};

/// A file of tests.
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A case.
pub struct Case {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What is wrong: the first line, and everything; `None`: it passed.
    pub wrong: Option<(String, String)>,
}

/// The XML text.
///
/// # Errors
/// If the writer cannot write; it writes to memory.
pub fn cases(suites: &[Suite]) -> Result<String, SerializeError> {
    let mut report = Report::new("tests of runbooks");
    for suite in suites {
        let mut out = TestSuite::new(clean(&suite.name));
        for case in &suite.cases {
            let mut status = TestCaseStatus::success();
            if let Some((first, all)) = &case.wrong {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(clean(first)).set_description(clean(all));
            }
            let mut one = named(&suite.name, &case.name, status);
            one.set_time(case.took);
            out.add_test_case(one);
        }
        report.add_test_suite(out);
    }
    report.to_string()
}
