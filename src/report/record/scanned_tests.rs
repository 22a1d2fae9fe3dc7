//! One scan after another, and what a line of a scan says.

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

fn scan(minute: i64, lines: &[&str]) -> Scanned {
    let of = |line: &&str| {
        let package = line.split(' ').next().unwrap();
        let new = line.split(" -> ").nth(1).unwrap().split(' ').next().unwrap();
        missing(&format!("{package}={new}"), line, at(minute))
    };
    Scanned {
        at: Some(at(minute)),
        missing: lines.iter().map(of).collect(),
        ..Scanned::unknown(&HostName::new("h"), String::new())
    }
}

fn after(scans: Vec<Scanned>) -> Scanned {
    let mut known = Scanned::unknown(&HostName::new("h"), String::new());
    scans.into_iter().for_each(|s| known.then(s));
    known
}

fn lacks(s: &Scanned) -> Vec<(&str, &str, Timestamp)> {
    s.missing
        .iter()
        .map(|m| (m.package.as_str(), m.new.as_str(), m.since))
        .collect()
}

#[test]
fn a_later_scan_replaces_an_earlier_one_and_keeps_since_when() {
    let known = after(vec![
        scan(0, &["a 1 -> 2 (security)", "b 1 -> 2 (bugfix)"]),
        scan(1, &["b 1 -> 3 (bugfix)", "c 1 -> 2 (bugfix)"]),
    ]);
    assert_eq!(lacks(&known), [("b", "3", at(0)), ("c", "2", at(1))]);
    // What comes again after it was gone is new.
    let known = after(vec![
        scan(0, &["a 1 -> 2 (security)"]),
        scan(1, &[]),
        scan(2, &["a 1 -> 2 (security)"]),
    ]);
    assert_eq!(lacks(&known), [("a", "2", at(2))]);
}

#[test]
fn a_narrower_scan_says_nothing_of_what_it_was_not_asked_for() {
    let all = || scan(0, &["a 1 -> 2 (security)", "b 1 -> 2 (bugfix)", "c 1 -> 2 (bugfix)"]);
    let only = Scanned {
        only: vec!["a=2".to_owned(), "b".to_owned()],
        ..scan(1, &["b 1 -> 2 (bugfix)"])
    };
    let known = after(vec![all(), only.clone()]);
    assert_eq!(lacks(&known), [("b", "2", at(0)), ("c", "2", at(0))]);
    assert!(known.only.is_empty(), "it was asked for all of it before");
    assert_eq!(after(vec![only]).only, ["a=2", "b"]);
    let security = Scanned {
        classes: vec!["security".to_owned()],
        ..scan(1, &[])
    };
    let known = after(vec![all(), security.clone()]);
    assert_eq!(lacks(&known), [("b", "2", at(0)), ("c", "2", at(0))]);
    assert!(known.classes.is_empty());
    assert_eq!(after(vec![security]).classes, ["security"]);
    let except = Scanned {
        except: vec!["c".to_owned()],
        ..scan(1, &[])
    };
    assert_eq!(lacks(&after(vec![all(), except])), [("c", "2", at(0))]);
    // Another version than the one that was asked for by name is another update.
    let other = Scanned {
        only: vec!["a=1".to_owned()],
        ..scan(1, &[])
    };
    assert_eq!(after(vec![all(), other]).missing.len(), 3);
}

#[test]
fn a_line_is_read_by_the_name_and_version_that_stand_beside_it() {
    let read = |id: &str, line: &str| {
        let m = missing(id, line, at(0));
        (m.package, m.old, m.new, m.class)
    };
    let own = |a: &str, b: &str, c: &str, d: &str| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned());
    assert_eq!(
        read("a-> (x)=1:2 -> 3", "a-> (x) 0 -> 1:2 -> 3 (security)"),
        own("a-> (x)", "0", "1:2 -> 3", "security")
    );
    assert_eq!(
        read("linux=6.12", "linux 6.12 is new (bugfix)"),
        own("linux", "", "6.12", "bugfix")
    );
    assert_eq!(read("=a=b=2=3", "=a=b 1 -> 2=3 (x) (y)"), own("=a=b", "", "2=3", "y"));
    // What does not fit is no reason to lose the update.
    assert_eq!(read("a=2", "b 1 -> 2 (security)"), own("a", "", "2", "security"));
    assert_eq!(read("=", ""), own("", "", "", ""));
    assert_eq!(read("é", "\u{202e}"), own("é", "", "", ""));
    let h = held("c 1 -> 2 -> 3");
    assert_eq!(
        (h.package.as_str(), h.old.as_str(), h.new.as_str()),
        ("c", "1 -> 2", "3")
    );
    assert_eq!(held("").package, "");
}
