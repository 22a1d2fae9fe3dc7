//! The digest: the same input the same bytes, any change another.

use super::*;

/// A plan that uses everything whose bytes could be lost on the way to the digest.
fn rich() -> Case {
    let top =
        "parameters: { n: { type: int, default: 1 }, t: { type: string, default: x } }\nwindow: { duration: 4h }\n";
    let steps = "    steps:\n      - include: inc.yml\n      - { id: sc, name: SC, script: { file: s.sh, args: ['{{ params.t }}'] }, undo: { none: never } }\n";
    case(one_phase(top, steps))
        .file(
            "inc.yml",
            "- { id: i, name: I, run: \"echo one\", undo: [{ name: U, run: 'true' }] }\n",
        )
        .file("s.sh", "#!/bin/sh\nexit 0\n")
        .policy("")
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let c = rich();
    assert_eq!(
        canon::to_string(&c.plan()).unwrap(),
        canon::to_string(&c.clone().plan()).unwrap()
    );
    let text = canon::to_string(&c.plan()).unwrap();
    let back: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(back, c.plan());
    assert_eq!(canon::to_string(&back).unwrap(), text);
}

#[test]
fn line_ends_byte_order_marks_and_comments_change_no_digest() {
    let plain = rich();
    let digest = plain.digest();
    let crlf = |t: &str| format!("\u{feff}# note\n{t}").replace('\n', "\r\n");
    let mut c = plain.clone();
    c.runbook = crlf(&plain.runbook);
    c.inventory = crlf(&plain.inventory);
    // The reader of the policy is given a source, whose mark is off already.
    c.policy = plain.policy.as_ref().map(|t| t.replace('\n', "\r\n"));
    let inc = String::from_utf8(plain.files["inc.yml"].clone()).unwrap();
    c = c.file("inc.yml", &crlf(&inc));
    assert_eq!(c.digest(), digest);
}

#[test]
fn a_change_of_any_input_changes_the_digest() {
    let base = rich();
    let mut digests = vec![base.digest()];
    let edit = |f: &dyn Fn(&mut Case)| {
        let mut c = base.clone();
        f(&mut c);
        c.digest()
    };
    digests.push(edit(&|c| *c = c.clone().set("n=2")));
    digests.push(edit(&|c| *c = c.clone().set("t=y")));
    digests.push(edit(&|c| c.inventory = c.inventory.replace("user: ops", "user: opt")));
    digests.push(edit(&|c| {
        c.inventory = c.inventory.replace("web2: { ", "web2: { port: 23, ")
    }));
    digests.push(edit(&|c| c.inventory = c.inventory.replace("rack: r1", "rack: r9")));
    digests.push(edit(&|c| {
        c.inventory = c.inventory.replace("web1: { ", "web1: { vars: { a: 1 }, ")
    }));
    digests.push(edit(&|c| c.runbook = c.runbook.replace("title: P", "title: Q")));
    digests.push(edit(&|c| c.runbook = c.runbook.replace("4h", "5h")));
    digests.push(edit(&|c| {
        *c = c.clone().file(
            "inc.yml",
            "- { id: i, name: I, run: \"echo two\", undo: [{ name: U, run: 'true' }] }\n",
        )
    }));
    digests.push(edit(&|c| *c = c.clone().file("s.sh", "#!/bin/sh\nexit 1\n")));
    digests.push(edit(&|c| *c = c.clone().file("s.sh", "#!/bin/sh\r\nexit 0\n")));
    digests.push(edit(&|c| {
        c.policy = c.policy.as_ref().map(|p| p.replace("anna", "anno"))
    }));
    digests.push(edit(&|c| c.change = c.clone().change("reason: because").change));
    digests.push(edit(&|c| c.change = c.clone().change("limit: env=prod").change));
    digests.push(edit(&|c| {
        c.change = c.clone().change("window: { start: '2026-01-01T00:00:00Z' }").change
    }));
    digests.push(edit(&|c| c.change = c.clone().change("skip: { sc: x }").change));
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn two_different_values_never_share_a_digest(a in "[ -~]{0,12}", b in "[ -~]{0,12}", file: [u8; 4], other: [u8; 4]) {
        let with = |text: &str, bytes: [u8; 4]| {
            let mut c = rich();
            let name = crate::runbook::change::flag("--set", "t");
            c.change.parameters.push((name, Given::Text(change::flag("--set", text))));
            c.files.insert("s.sh".to_owned(), bytes.to_vec());
            c.digest()
        };
        proptest::prop_assert_eq!(with(&a, file) == with(&b, other), a == b && file == other);
    }
}

#[test]
fn ten_thousand_hosts_are_bound() {
    use std::fmt::Write as _;
    let mut inventory = String::from("schema: 1\nhosts:\n  lb1: { labels: { role: lb } }\n");
    for n in 0..10_000 {
        let _ = writeln!(inventory, "  w{n}: {{ labels: {{ role: web, env: prod, lb: lb1 }} }}");
    }
    let steps = "    on_failure: hold\n    precheck: [{ id: a, name: A, assert: \"host.labels.env == 'prod'\" }]\n    steps:\n      - { id: s, name: S, run: 'true' }\n      - { id: t, name: T, run: 'true', delegate_to: '{{ host.labels.lb }}' }\n";
    let mut c = case(one_phase("", steps)).policy("require_change: [role=lb]\n");
    c.inventory = inventory;
    // How fast is the bench's; quadratic work would not end here within the runner's limit of a test.
    assert_eq!(c.codes(), ["PS0643"]);
    assert_eq!(c.change("change: C1").plan().hosts.len(), 10_001);
}
