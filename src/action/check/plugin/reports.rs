//! Reports of many tests: goss, TAP, JUnit.
//!
//! Owns: what they add up to. Must not: let a report of nothing pass.

use serde_json::Value as Json;

use crate::action::check::process::count;
use crate::action::check::said::short;
use crate::action::check::verdict::Found;

/// What a report adds up to.
#[derive(Default)]
struct Sum {
    passed: usize,
    skipped: usize,
    bad: Vec<String>,
}

impl Sum {
    fn found(self, what: &str, code: i32) -> Result<Found, String> {
        let ran = self.passed + self.bad.len();
        if ran == 0 {
            return Err(match self.skipped {
                0 => format!("{what} has no test"),
                all => format!("{what} has {all} tests, and all were left out"),
            });
        }
        if code != 0 && self.bad.is_empty() {
            return Err(format!(
                "{what} has no failed test, and yet the command ended with {code}"
            ));
        }
        let wrong = match self.bad.as_slice() {
            [] => Vec::new(),
            bad => vec![format!(
                "{} of {ran} tests failed: {}",
                bad.len(),
                short(&bad.join(", "))
            )],
        };
        Ok(Found {
            value: Some(count(self.bad.len())),
            words: format!("{ran} tests passed"),
            wrong,
            items: self.bad,
            perfdata: vec![format!("'tests'={ran}"), format!("'skipped'={}", self.skipped)],
            ..Found::default()
        })
    }
}

/// `goss validate --format json`.
pub(super) fn goss(text: &str, code: i32) -> Result<Found, String> {
    let root: Json = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
    let number = |name: &str| root.get("summary").and_then(|s| s.get(name)).and_then(Json::as_u64);
    let (Some(all), Some(failed)) = (number("test-count"), number("failed-count")) else {
        return Err("its JSON has no `summary` of goss".to_owned());
    };
    let results = root
        .get("results")
        .and_then(Json::as_array)
        .ok_or("its JSON has no `results` of goss")?;
    let mut sum = Sum::default();
    for result in results {
        let text = |name: &str| result.get(name).and_then(Json::as_str).unwrap_or_default();
        // 0 passed, 1 failed, 2 left out.
        match (
            result.get("successful").and_then(Json::as_bool),
            result.get("result").and_then(Json::as_u64),
        ) {
            (_, Some(2)) => sum.skipped += 1,
            (Some(true), Some(0) | None) => sum.passed += 1,
            _ => sum.bad.push(format!(
                "{} {} {}",
                text("resource-type"),
                text("resource-id"),
                text("property")
            )),
        }
    }
    let counted = results.len() as u64 == all && sum.bad.len() as u64 == failed;
    if !counted {
        return Err(format!(
            "its summary says {failed} of {all} failed, its results {} of {}",
            sum.bad.len(),
            results.len()
        ));
    }
    sum.found("the report of goss", code)
}

/// Test Anything Protocol, 12 to 14; subtests, which are indented, count by their parent.
pub(super) fn tap(text: &str, code: i32) -> Result<Found, String> {
    let (mut sum, mut planned) = (Sum::default(), None);
    for line in text.lines() {
        if let Some(why) = line.strip_prefix("Bail out!") {
            return Err(format!("the tests gave up: {}", short(why)));
        }
        if let Some(rest) = line.strip_prefix("1..") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let many = digits
                .parse::<usize>()
                .map_err(|_| format!("no plan: `{}`", short(line)))?;
            if planned.replace(many).is_some() {
                return Err("it has two plans".to_owned());
            }
            continue;
        }
        let (good, rest) = match (line.strip_prefix("not ok"), line.strip_prefix("ok")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => continue,
        };
        if !(rest.is_empty() || rest.starts_with(' ')) {
            continue;
        }
        let (name, directive) = rest.rsplit_once(" # ").map_or((rest, ""), |(name, d)| (name, d));
        let is = |word: &str| directive.to_lowercase().starts_with(word);
        match good {
            _ if is("skip") => sum.skipped += 1,
            // What is yet to be done is expected to fail.
            false if is("todo") => sum.skipped += 1,
            true => sum.passed += 1,
            false => sum.bad.push(name.trim().to_owned()),
        }
    }
    let planned = planned.ok_or("it has no plan (`1..N`)")?;
    let ran = sum.passed + sum.skipped + sum.bad.len();
    if planned != ran && sum.bad.is_empty() {
        return Err(format!("{planned} tests were planned and {ran} came"));
    }
    sum.found("the plan", code)
}

/// JUnit XML.
pub(super) fn junit(text: &str, code: i32) -> Result<Found, String> {
    let mut sum = Sum::default();
    // The case that is open: its name, and what became of it so far.
    let mut open: Option<(String, Option<bool>)> = None;
    let mut depth = 0_usize;
    let (mut rest, mut any) = (text, false);
    let close = |sum: &mut Sum, (name, how): (String, Option<bool>)| match how {
        None => sum.passed += 1,
        Some(true) => sum.skipped += 1,
        Some(false) => sum.bad.push(name),
    };
    while let Some((_, tail)) = rest.split_once('<') {
        let end = match tail {
            t if t.starts_with("!--") => "-->",
            t if t.starts_with("![CDATA[") => "]]>",
            t if t.starts_with("!DOCTYPE") => return Err("its XML has a DOCTYPE".to_owned()),
            _ => ">",
        };
        let (tag, after) = tail.split_once(end).ok_or("its XML ends in the middle")?;
        rest = after;
        if end != ">" || tag.starts_with('?') {
            continue;
        }
        let closed = tag.ends_with('/');
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
        match (name, name.strip_prefix('/')) {
            (_, Some(name)) => {
                depth = depth.checked_sub(1).ok_or("its XML closes what was not open")?;
                if let ("testcase", Some(case)) = (name, open.take_if(|_| name == "testcase")) {
                    close(&mut sum, case);
                }
            }
            ("testsuites" | "testsuite", None) => any = true,
            ("testcase", None) => {
                let case = (attribute(tag, "name").unwrap_or_default(), None);
                match closed {
                    true => close(&mut sum, case),
                    false => open = Some(case),
                }
            }
            ("failure" | "error", None) => {
                if let Some((_, how)) = &mut open {
                    *how = Some(false);
                }
            }
            ("skipped", None) => {
                if let Some((_, how)) = &mut open {
                    how.get_or_insert(true);
                }
            }
            _ => {}
        }
        depth += usize::from(!closed && !name.starts_with('/'));
    }
    if depth != 0 || open.is_some() {
        return Err("its XML ends in the middle".to_owned());
    }
    match any {
        true => sum.found("the report", code),
        false => Err("it is no JUnit XML".to_owned()),
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, _) = rest.get(1..)?.split_once(quote)?;
    let plain = value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    Some(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_nothing_is_no_pass() {
        for (text, code) in [
            ("", 0),
            ("1..0", 0),
            ("1..0 # SKIP no database", 0),
            ("1..2\nok 1 # SKIP\nok 2 # skip x", 0),
            ("1..3\nok 1\nok 2", 0),
            ("ok 1\nok 2", 0),
            ("1..1\nok 1", 1),
            ("1..1\nok 1\nBail out! disk", 0),
            ("1..1\n1..1\nok 1", 0),
            ("1..x\nok 1", 0),
            ("1..1\n    ok 1 - only a subtest", 0),
            ("1..1\nokay", 0),
        ] {
            assert!(tap(text, code).is_err(), "{text}");
        }
        let good = tap(
            "TAP version 13\n1..3\nok 1 - a\nok 2 - b # SKIP\nnot ok 3 - c # TODO later\n",
            0,
        )
        .unwrap();
        assert_eq!((good.value, good.wrong.len()), (Some(0.0), 0));
        let bad = tap("ok 1\nnot ok 2 - b\n1..2\n", 1).unwrap();
        assert_eq!(
            (bad.items.as_slice(), bad.wrong.as_slice()),
            (
                &["2 - b".to_owned()][..],
                &["1 of 2 tests failed: 2 - b".to_owned()][..]
            )
        );
    }

    #[test]
    fn an_empty_report_is_no_pass() {
        for (text, code) in [
            ("", 0),
            ("<testsuites/>", 0),
            ("<testsuites><testsuite tests='3'></testsuite></testsuites>", 0),
            ("<testsuite><testcase name='a'><skipped/></testcase></testsuite>", 0),
            ("<testsuite><testcase name='a'>", 0),
            ("<testsuite><testcase name='a'/></testsuite>", 1),
            ("<html><testcase/></html>", 0),
            ("<!DOCTYPE x><testsuite><testcase/></testsuite>", 0),
            ("</testsuite><testsuite><testcase/>", 0),
            ("<testsuite><!-- <testcase/> --></testsuite>", 0),
        ] {
            assert!(junit(text, code).is_err(), "{text}");
        }
        let text = "<?xml version=\"1.0\"?><testsuite><testcase name=\"a\"><system-out><![CDATA[<failure>]]></system-out></testcase>\
                    <testcase name='b &amp; c'><failure message='no'>x</failure></testcase><testcase name='d'><error/></testcase></testsuite>";
        let bad = junit(text, 1).unwrap();
        assert_eq!(bad.items, ["b & c", "d"]);
        assert_eq!(bad.wrong, ["2 of 3 tests failed: b & c, d"]);
        assert!(
            junit("<testsuite><testcase name='a'/></testsuite>", 0)
                .unwrap()
                .wrong
                .is_empty()
        );
    }

    #[test]
    fn goss_counts_what_it_lists() {
        let sample = include_str!("../../../../tests/data/checks/goss.json");
        let bad = goss(sample, 1).unwrap();
        assert_eq!((bad.value, bad.items.len()), (Some(1.0), 1));
        assert_eq!(bad.items, ["Service sshd enabled"]);
        let empty = r#"{"results":[],"summary":{"failed-count":0,"test-count":0}}"#;
        for (text, code) in [
            (empty, 0),
            ("{}", 0),
            ("[]", 0),
            ("", 0),
            (r#"{"results":[],"summary":{"failed-count":0,"test-count":5}}"#, 0),
            (
                r#"{"results":[{"successful":true,"result":0}],"summary":{"failed-count":0,"test-count":1}}"#,
                1,
            ),
            (
                r#"{"results":[{"successful":true,"result":2}],"summary":{"failed-count":0,"test-count":1}}"#,
                0,
            ),
        ] {
            assert!(goss(text, code).is_err(), "{text}");
        }
    }
}
