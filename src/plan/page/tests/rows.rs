//! Risk, rollback and times: one project for each row.

use super::*;
use crate::plan::page::risk::counted;

/// Level, points and reasons.
fn risk_of(plan: &Plan, outside: &Outside) -> (String, u32, String) {
    let (level, score, why) = counted(plan, outside);
    (level.to_owned(), score, why.join("; "))
}

fn known() -> Outside {
    Outside {
        history: vec![past("r1", "done", 60_000)],
        ..Outside::default()
    }
}

/// A plan of this many hosts of one step without a label; `step` is the step's keys beside its name.
fn fleet(hosts: usize, step: &str) -> Plan {
    let list: String = (0..hosts)
        .map(|n| format!("  h{n}: {{ labels: {{ role: web }} }}\n"))
        .collect();
    let mut c = case(one_phase(
        "window: { duration: 4h }",
        &format!("    on_failure: hold\n    steps: [{{ name: S, {step} }}]\n"),
    ));
    c.inventory = format!("schema: 1\nhosts:\n{list}  lb1: {{ labels: {{ role: lb }} }}\n");
    c.plan()
}

const BACK: &str = "run: 'true', undo: [{ name: U, run: 'true' }]";

#[test]
fn each_reason_for_risk_has_its_points() {
    let row = |plan: &Plan, outside: &Outside| risk_of(plan, outside);
    let low = |score: u32, why: &str| ("low".to_owned(), score, why.to_owned());
    assert_eq!(row(&fleet(1, BACK), &known()), low(0, ""));
    assert_eq!(row(&fleet(9, BACK), &known()), low(0, ""));
    assert_eq!(row(&fleet(10, BACK), &known()), low(1, "1: 10 hosts"));
    assert_eq!(row(&fleet(99, BACK), &known()), low(1, "1: 99 hosts"));
    assert_eq!(
        row(&fleet(100, BACK), &known()),
        (
            "moderate".to_owned(),
            2,
            "1: 100 hosts; 1: a hundred hosts or more".to_owned()
        )
    );
    let first = "1: no former run of this runbook is known";
    assert_eq!(row(&fleet(1, BACK), &Outside::default()), low(1, first));
    let no_way = "run: 'true', undo: { none: it is gone }";
    assert_eq!(
        row(&fleet(1, no_way), &known()),
        ("moderate".to_owned(), 3, "3: 1 step cannot be taken back".to_owned())
    );
    for restart in [
        "run: reboot",
        "run: /sbin/shutdown -r now",
        "run: systemctl kexec",
        "reboot: { if: always }",
    ] {
        let plan = fleet(1, &format!("{restart}, undo: {{ none: x }}"));
        let why = "3: 1 step cannot be taken back; 1: 1 step restarts its host";
        assert_eq!(
            row(&plan, &known()),
            ("moderate".to_owned(), 4, why.to_owned()),
            "{restart}"
        );
    }
    let cut = fleet(
        1,
        "http: { url: 'http://x/', method: POST }, undo: [{ name: U, run: 'true' }]",
    );
    assert_eq!(row(&cut, &known()), low(1, "1: 1 step would be unknown after a cut"));
    let mut any_time = fleet(1, BACK);
    any_time.window = None;
    assert_eq!(row(&any_time, &known()), low(1, "1: no window"));
}

#[test]
fn what_changes_nothing_has_no_risk_of_its_own() {
    let mut plan = fleet(100, "read_only: true, run: reboot --help");
    assert!(!plan.changes());
    assert_eq!(
        risk_of(&plan, &Outside::default()),
        ("low".to_owned(), 0, String::new())
    );
    plan.window = None;
    assert_eq!(risk_of(&plan, &Outside::default()).1, 0);
    plan.hosts[0].labels.insert("env".to_owned(), "prod".to_owned());
    assert_eq!(risk_of(&plan, &Outside::default()).1, 0);
    assert_eq!(
        words_of(&page(&plan), "Risk"),
        "Counted from the plan: low, 0 points.\n- no reason found"
    );
    assert_eq!(
        words_of(&page(&plan), "Rollback"),
        "Nothing is changed, so there is nothing to take back."
    );
}

#[test]
fn production_is_told_by_any_label_of_a_target() {
    let with = |value: &str| {
        let mut plan = fleet(2, BACK);
        plan.hosts[1].labels.insert("stage".to_owned(), value.to_owned());
        risk_of(&plan, &known()).2
    };
    assert_eq!(with("prod"), "2: 1 host in production");
    assert_eq!(with("production"), "2: 1 host in production");
    assert_eq!(with("preprod"), "");
    let mut other = fleet(2, "run: 'true', delegate_to: lb, undo: [{ name: U, run: 'true' }]");
    let lb = other.hosts.iter_mut().find(|h| h.name.as_str() == "lb1").unwrap();
    lb.labels.insert("env".to_owned(), "prod".to_owned());
    assert_eq!(risk_of(&other, &known()).2, "", "a host that is no target");
}

#[test]
fn only_the_last_three_runs_count() {
    let with = |verdicts: &[&str]| {
        let history = verdicts.iter().map(|v| past("r", v, 60_000)).collect();
        let outside = Outside {
            history,
            ..Outside::default()
        };
        risk_of(&fleet(1, BACK), &outside)
    };
    assert_eq!(with(&["done", "done", "done", "failed"]).1, 0);
    let said = with(&["failed", "done", "partly_done", "failed"]);
    assert_eq!(
        (said.1, said.2.as_str()),
        (2, "2: 2 of the last 3 runs did not end done")
    );
}

#[test]
fn levels_begin_at_two_five_and_eight_points() {
    // No way back 3, restarts 1, no history 1, no window 1, production 2, ten hosts 1.
    let level = |hosts: usize, step: &str, prod: bool, window: bool, outside: &Outside| {
        let mut plan = fleet(hosts, step);
        if prod {
            plan.hosts[0].labels.insert("env".to_owned(), "prod".to_owned());
        }
        if !window {
            plan.window = None;
        }
        let (level, score, _) = risk_of(&plan, outside);
        format!("{score} {level}")
    };
    let none = "run: 'true', undo: { none: x }";
    let new = Outside::default();
    assert_eq!(level(1, BACK, false, false, &known()), "1 low");
    assert_eq!(level(1, BACK, false, false, &new), "2 moderate");
    assert_eq!(level(1, none, false, true, &new), "4 moderate");
    assert_eq!(level(1, none, false, false, &new), "5 high");
    assert_eq!(level(1, none, true, false, &new), "7 high");
    assert_eq!(level(10, none, true, false, &new), "8 very high");
}

#[test]
fn each_way_back_stands_in_a_row_and_in_the_count() {
    let steps = "    on_failure: hold
    steps:
      - { id: file, name: F, upload: { src: x.conf, dest: /etc/x } }
      - { id: two, name: T, run: 'true', undo: [{ name: First, run: 'true' }, { name: Then, run: 'true' }] }
      - { id: by, name: B, run: 'true', undo: { covered_by: two } }
      - { id: boot, name: R, reboot: { if: always } }
      - { id: look, name: L, read_only: true, run: 'true' }
";
    let no_way = "      - { id: gone, name: Throw away, run: 'true', undo: { none: it is gone } }\n";
    let verify = "    verify: [{ id: v, name: V, run: 'true' }]\n";
    let said = |steps: String| {
        words_of(
            &page(&case(one_phase("", &steps)).file("x.conf", "x").plan()),
            "Rollback",
        )
    };
    insta::assert_snapshot!("rollback-whole", said(format!("{steps}{verify}")));
    insta::assert_snapshot!("rollback-one-cannot", said(format!("{steps}{no_way}")));
    let second = no_way.replace("gone,", "gone-too,").replace("Throw away", "And this");
    insta::assert_snapshot!("rollback-two-cannot", said(format!("{steps}{no_way}{second}{verify}")));
}

#[test]
fn how_many_failures_are_borne_is_said_in_hosts() {
    let said = |max_fail: &str, on: &str| {
        let top = format!("rollouts: {{ r: {{ batches: [2], max_fail: {max_fail} }} }}");
        let phase = format!("    rollout: r\n    on_failure: {on}\n    steps: [{{ name: S, {BACK} }}]\n");
        let text = words_of(&page(&case(one_phase(&top, &phase)).plan()), "Phase p: P");
        text.lines().nth(1).unwrap().to_owned()
    };
    let taken = "; each failed host is taken back, the others stay changed.";
    let host = "rollback_host";
    assert_eq!(
        said("0", host),
        format!("- With the first failed host nothing further starts{taken}")
    );
    assert_eq!(
        said("'34%'", host),
        format!("- One failed host is borne, with a second nothing further starts{taken}"),
        "a third and a bit of three"
    );
    assert_eq!(
        said("'33%'", host),
        format!("- With the first failed host nothing further starts{taken}")
    );
    assert_eq!(
        said("2", host),
        format!("- Up to 2 failed hosts are borne, with one more nothing further starts{taken}")
    );
    assert_eq!(
        said("1", "rollback_run"),
        "- One failed host is borne, with a second nothing further starts; each failed host is taken back, and when too many failed the whole run is."
    );
    assert!(said("0", "hold").starts_with("- The first failure stops everything; nothing is taken back"));
    assert!(said("0", "ask").contains("a person is asked"));
}
