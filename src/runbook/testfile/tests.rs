//! Every key and every mistake of a test file.

use super::*;

fn read_all(text: &str) -> (Option<TestFile>, Vec<&'static str>) {
    let mut diags = Diagnostics::new();
    let read = read(&Source::new("a.test.yml", text), &mut diags);
    (read, diags.0.iter().map(|d| d.code).collect())
}

#[test]
fn every_key_is_read() {
    let (file, codes) = read_all(
        "schema: 1
runbook: runbooks/a.yml
parameters: { x: 1 }
inventory: { schema: 1, hosts: { web1: } }
people: { cm: [anna, berta] }
facts: { web*: { distro: rocky, latch: false } }
answers:
  '*': [{ match: uptime, repeat: true }]
cases:
  - name: one
    mode: test
    starts: 2026-12-06T01:00:00Z
    terminal: false
    answers:
      web*:
        - { match: '^systemctl', rc: 3, stdout: out, stderr: err, after: 2h, repeat: 3 }
        - { match: reboot, then: reboot, away: 5m }
    approvals:
      - { gate: web/1, by: anna, decision: reject, after: 5m, note: no }
      - { manual: 'pull the plug', decision: not_done }
    signals: [{ at: 10m, send: int }, { at: web/restart/2@web1, send: kill }]
    resume: [{ after: 1h }, { rollback: true }]
    expect:
      exit: 4
      hosts: { web1: rolled_back, web*: ok }
      order: [uptime, { web1: reboot }]
      undone: [web/restart@web1]
      left_behind: []
      marks: { done: set, gone: missing, at: 5m, when: 2026-12-06T01:00:00Z }
  - { name: two, journal: tests/real.jsonl }
",
    );
    assert!(codes.is_empty(), "{codes:?}");
    let file = file.unwrap();
    assert!(matches!(file.inventory, Some(Machines::Here(..))));
    assert_eq!(file.people["cm"], ["anna", "berta"]);
    assert_eq!(file.facts[0].fields["distro"], "rocky");
    assert!(file.answers[0].times.is_none() && file.cases[1].expect.exit.is_none());
    let case = &file.cases[0];
    assert!(!case.terminal && !case.facts.iter().any(|f| f.latch));
    assert_eq!(case.change.mode.as_ref().unwrap().value, "test");
    let [first, second] = case.answers.as_slice() else {
        panic!()
    };
    assert_eq!(
        (first.rc, first.after, first.times),
        (Some(3), Duration::from_secs(7200), Some(3))
    );
    assert_eq!(
        (second.then, second.away),
        (Some(Then::Reboot), Some(Duration::from_secs(300)))
    );
    assert!(matches!(&case.approvals[0].at, Asked::Gate(g) if g.value == "web/1"));
    assert!(!case.approvals[1].yes && matches!(case.approvals[1].at, Asked::Manual(_)));
    let at = Moment::Step {
        phase: "web".to_owned(),
        step: "restart/2".to_owned(),
        host: Some("web1".to_owned()),
    };
    assert!(case.signals[1].at == at && case.signals[1].kill);
    assert!(case.resume[1].rollback && case.resume[0].after == Duration::from_secs(3600));
    assert_eq!(case.expect.left_behind.as_ref().unwrap().len(), 0);
    assert_eq!(case.expect.marks[2].1.value, Set::After(Duration::from_secs(300)));
}

#[test]
fn every_mistake_is_reported() {
    const HEAD: &str = "schema: 1\nrunbook: a.yml\ncases:\n";
    for (text, expected) in [
        (
            "  - { name: a, expect: { exit: 0 } }\n  - { name: a, expect: { exit: 0 } }\n",
            vec!["PS0711"],
        ),
        ("  - name: a\n", vec!["PS0104"]),
        ("  - { name: a, expect: { exit: 9 } }\n", vec!["PS0707"]),
        ("  - { name: a, expect: { } }\n", vec!["PS0708"]),
        ("  - { name: a, journal: /x, expect: { exit: 0 } }\n", vec!["PS0124"]),
        (
            "  - { name: a, journal: x, answers: { }, expect: { exit: 0 } }\n",
            vec!["PS0709"],
        ),
        (
            "  - { name: a, answers: { h: [{ match: '(' }] }, expect: { exit: 0 } }\n",
            vec!["PS0701"],
        ),
        (
            "  - { name: a, answers: { h: [{ match: x, rc: 1, then: lie }] }, expect: { exit: 0 } }\n",
            vec!["PS0702"],
        ),
        (
            "  - { name: a, answers: { h: [{ match: x, away: 1m }] }, expect: { exit: 0 } }\n",
            vec!["PS0703"],
        ),
        (
            "  - { name: a, approvals: [{ by: anna }], expect: { exit: 0 } }\n",
            vec!["PS0705"],
        ),
        (
            "  - { name: a, signals: [{ at: noon, send: int }], expect: { exit: 0 } }\n",
            vec!["PS0706"],
        ),
        ("  - { name: a, expect: { hosts: { web1: okay } } }\n", vec!["PS0110"]),
        ("  - { name: a, expect: { undone: [restart] } }\n", vec!["PS0712"]),
        ("  - { name: a, expect: { order: [{ a: x, b: y }] } }\n", vec!["PS0710"]),
        ("  []\n", vec!["PS0700"]),
    ] {
        assert_eq!(read_all(&format!("{HEAD}{text}")).1, expected, "{text}");
    }
    let late = "  - { name: a, answers: { h: [{ match: x, repeat: true }, { match: x }] }, expect: { exit: 0 } }\n";
    assert_eq!(read_all(&format!("{HEAD}{late}")).1, ["PS0704"]);
}
