//! Sections that say more where there is more to say: each with it and without.

use super::*;
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::plan::page::words::each_words;
use crate::plan::{Items, PlanItem, PlannedEach, Value};

const BERLIN: &str = "window: { duration: 4h, timezone: Europe/Berlin }";

fn hosts(n: usize) -> Vec<HostName> {
    (0..n).map(|n| HostName::new(format!("h{n}"))).collect()
}

#[test]
fn the_page_with_everything_that_stands_outside_the_digest() {
    let (plan, _) = example("patch-window", ticket());
    let learnt = Learnt {
        run: "r0".to_owned(),
        at: Some("2026-12-01T20:00:00Z".parse().unwrap()),
        age_ms: 3_600_000,
        dry: true,
        same_plan: false,
        hosts: vec![
            (
                HostName::new("web1"),
                Facts {
                    distro: "debian".to_owned(),
                    version: "12".to_owned(),
                    kernel: "6.1".to_owned(),
                    virtual_: "kvm".to_owned(),
                    ..Facts::default()
                },
            ),
            (
                HostName::new("app1"),
                Facts {
                    os: "windows".to_owned(),
                    ..Facts::default()
                },
            ),
        ],
        results: ["ok", "failed", "ok"]
            .map(|outcome| Found {
                step: "web/disk".to_owned(),
                host: "web1".to_owned(),
                outcome: outcome.to_owned(),
                value: "3000000001".to_owned(),
                took_ms: 850,
            })
            .to_vec(),
        rollback: vec![Rollback {
            host: "web1".to_owned(),
            possible: 41,
            of: 43,
            missing: vec!["openssl=3.0.13".to_owned(), "curl=7.88".to_owned()],
        }],
    };
    let outside = Outside {
        file: Some("plans/CHG0031337.json".to_owned()),
        commit: Some(("abc123".to_owned(), true)),
        history: vec![past("r2", "done", 2_400_000), past("r1", "failed", 600_000)],
        undone: None,
        ssh: vec![FromConfig {
            keyword: "ProxyJump".to_owned(),
            value: "gate".to_owned(),
            place: "config:3".to_owned(),
            hosts: hosts(7),
        }],
        learnt: Some(learnt),
        in_the_way: Vec::new(),
        changed: vec!["allowed_signers".to_owned()],
    };
    let page = facts(&plan.unwrap(), &digest(), &outside);
    insta::assert_snapshot!("everything", markdown(&page));
    insta::assert_snapshot!("everything-terminal", text(&page, 100));
}

#[test]
fn hosts_of_a_setting_are_named_up_to_five() {
    let plan = case(one_phase("", HOLD)).plan();
    let said = |n: usize| {
        let ssh = vec![FromConfig {
            keyword: "Port".to_owned(),
            value: "22".to_owned(),
            place: "c:1".to_owned(),
            hosts: hosts(n),
        }];
        let page = facts(
            &plan,
            &digest(),
            &Outside {
                ssh,
                ..Outside::default()
            },
        );
        let text = words_of(&page, "Not in the digest");
        let line = text.lines().find(|l| l.starts_with("Port")).unwrap();
        line.rsplit("  ").next().unwrap().to_owned()
    };
    assert_eq!(said(5), "h0, h1, h2, h3, h4");
    assert_eq!(said(6), "h0, h1, h2, h3, h4, 1 more");
    let bare = words_of(&page(&plan), "Not in the digest");
    for absent in ["Setting", "Former", "Changed since", "commit"] {
        assert!(!bare.contains(absent), "{absent}: {bare}");
    }
}

#[test]
fn groups_and_other_hosts_are_told_apart_from_targets() {
    let c = case(one_phase(
        "",
        "    on_failure: hold\n    steps: [{ name: S, run: 'true', delegate_to: lb }]\n",
    ));
    let bare = words_of(&page(&c.plan()), "Hosts");
    assert!(bare.contains("Also used, not a target: lb1, lb2"), "{bare}");
    assert!(!bare.contains("By group"), "{bare}");
    let mut plan = c.plan();
    plan.hosts[0].groups = vec!["dmz".to_owned(), "old".to_owned()];
    plan.hosts[1].groups = vec!["dmz".to_owned()];
    plan.hosts.last_mut().unwrap().groups = vec!["balancers".to_owned()];
    let grouped = words_of(&page(&plan), "Hosts");
    assert!(grouped.contains("By group: dmz 2, old 1."), "{grouped}");
    let alone = words_of(
        &page(&case(one_phase("", HOLD).replace("select: \"role=lb\"", "select: \"role=web\"")).plan()),
        "Hosts",
    );
    assert!(!alone.contains("lb1"), "{alone}");
}

#[test]
fn a_row_of_a_step_says_what_is_special_about_it() {
    let steps = "    on_failure: hold
    steps:
      - { id: a, name: A, run: 'true', undo: { none: x }, retry: { attempts: 3, delay: 1s }, timeout: 5s }
      - { id: b, name: B, run: 'true', read_only: true, become: db, once: true, delegate_to: lb1, timeout: 1s }
      - { id: c, name: C, http: { url: 'http://x/', method: POST }, undo: { none: x }, delegate_to: lb1, timeout: 1s }
      - { id: d, name: D, http: { url: 'http://x/' }, delegate_to: lb, may_fail: it may be away, timeout: 1s }
      - { id: e, name: E, run: 'true', undo: { none: x }, when: \"host.os == 'linux'\", delegate_to: '{{ host.labels.lb }}', timeout: 1s }
      - { id: g, name: G, upload: { src: g.conf, dest: /etc/g, template: true }, timeout: 1s }
      - { id: h, name: H, upload: { src: g.conf, dest: /etc/h }, timeout: 1s }
      - { id: f, name: F, run: 'echo {{ item | sh }}', read_only: true, for_each: [x, y], timeout: 1s }
    precheck:
      - { id: v, name: V, run: 'true', fresh: true, timeout: 1s }
";
    let steady = "steady_state: [{ id: st, name: St, http: { url: 'http://x/' }, timeout: 1s }]";
    let mut c = case(one_phase(steady, steps))
        .file("g.conf", "x")
        .change("skip: { p/d: not now }");
    c.inventory = c.inventory.replace(
        "web3: { labels: { role: web, env: test, lb: lb2 } }",
        "web3: { labels: { role: web, lb: lb2 } }",
    );
    insta::assert_snapshot!("steps", words_of(&page(&c.plan()), "Phase p: P"));
}

#[test]
fn a_rollout_is_told_with_its_batches_rest_and_gate() {
    let said = |rollout: &str| {
        let top = format!("rollouts: {{ r: {{ {rollout} }} }}");
        let phase = "    rollout: r\n    when: \"host.os == 'linux'\"\n    precheck: [{ id: n, name: N, run: 'true', register: n }]\n    on_failure: hold\n    steps: [{ name: S, run: 'true', undo: { none: x } }]\n";
        words_of(&page(&case(one_phase(&top, phase)).policy("").plan()), "Phase p: P")
    };
    insta::assert_snapshot!("rollout-one", said("batches: ['100%']"));
    insta::assert_snapshot!(
        "rollout-canary",
        said("batches: [1, 2], soak: 5m, gate: { after_batch: 1, need: 1, approvers: [cm], show: [n] }")
    );
    insta::assert_snapshot!(
        "rollout-apart",
        said(
            "batches: [2], apart: lb, gate: { after_batch: each, need: 2, approvers: [cm, owners], not_operator: true, otherwise: rollback_run }"
        )
    );
}

#[test]
fn what_it_may_use_beyond_the_hosts() {
    let said = |c: &crate::plan::bind::tests::Case| words_of(&page(&c.plan()), "What it may use");
    assert_eq!(
        said(&case(one_phase("", HOLD))),
        "No command runs on the control machine."
    );
    let step =
        |keys: &str| format!("    on_failure: hold\n    steps: [{{ id: s, name: S, undo: {{ none: x }}, {keys} }}]\n");
    let local = |keys: &str| case(one_phase("", &step(keys))).policy("allow_local: true\n");
    for keys in [
        "run: date, delegate_to: controller",
        "run: [date], delegate_to: controller",
    ] {
        assert!(said(&local(keys)).contains("p/s   date"), "{}", said(&local(keys)));
    }
    let on_target = said(&case(one_phase("", &step("run: date"))));
    assert!(on_target.starts_with("No command"), "{on_target}");
    let asks = said(&case(one_phase(
        "",
        &step("http: { url: 'http://x/', method: POST }, delegate_to: controller"),
    )));
    assert!(asks.starts_with("No command"), "an HTTP call is no command: {asks}");
    let own = case(one_phase("", HOLD).replace("    targets: web\n", "")).policy("allow_local: true\n");
    assert!(said(&own).contains("p/s   true"), "{}", said(&own));
    let secrets = "secrets: { a: { from: env, name: A }, b: { from: file, path: /run/b }, c: { from: prompt } }";
    insta::assert_snapshot!("secrets", said(&case(one_phase(secrets, HOLD))));
    let mut plan = case(one_phase("", HOLD)).plan();
    assert!(!words_of(&page(&plan), "What it may use").contains("WinRM"));
    plan.hosts[1].transport = crate::plan::TransportKind::Winrm;
    let text = words_of(&page(&plan), "What it may use");
    assert!(text.contains("Over WinRM") && text.contains(": web2."), "{text}");
    plan.inventory_command = Some(vec!["list-hosts".to_owned(), "--all".to_owned()]);
    assert!(words_of(&page(&plan), "What it may use").contains("list-hosts --all"));
}

#[test]
fn times_of_a_window_that_has_a_start_and_of_one_that_has_none() {
    let steps = "    rollout: r\n    on_failure: hold\n    steps: [{ name: S, run: 'true', timeout: 50m, undo: [{ name: U, run: 'true', timeout: 10m }] }]\n    verify: [{ name: V, run: 'true' }]\n";
    let rollout = "rollouts: { r: { batches: [2], parallel: 1 } }";
    let said = |window: &str, more: &str| {
        let c = case(one_phase(&format!("{window}\n{rollout}"), steps)).file("own.ics", CALENDAR);
        let c = if more.is_empty() { c } else { c.change(more) };
        let page = page(&c.plan());
        format!(
            "{}\n--\n{}\n--\n{}",
            page.figures[2].value.clone() + ": " + &page.figures[2].note,
            words_of(&page, "Time"),
            words_of(&page, "Freezes")
        )
    };
    insta::assert_snapshot!("time-any", said("", ""));
    insta::assert_snapshot!("time-no-start", said(BERLIN, ""));
    let cal = "window: { duration: 4h, timezone: Europe/Berlin, cutoff: 30m, reserve: 20m, not_during: [own.ics] }";
    insta::assert_snapshot!("time-no-start-calendar", said(cal, ""));
    let at = |start: &str| format!("window: {{ start: '{start}' }}");
    insta::assert_snapshot!("time-start", said(cal, &at("2026-12-04T22:00")));
    insta::assert_snapshot!("time-frozen", said(cal, &at("2026-12-05T22:00")));
    insta::assert_snapshot!("time-frozen-after", said(cal, &at("2026-12-05T20:00")));
    let just = BERLIN.replace("4h", "3h");
    assert!(!said(&just, "").contains("If every step used"), "to the minute");
    insta::assert_snapshot!("time-last", said(cal, &at("2027-03-03T22:00")));
    insta::assert_snapshot!("time-clock", said(BERLIN, &at("2027-03-28T01:00")));
}

const CALENDAR: &str = "BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261206
DTEND;VALUE=DATE:20261208
SUMMARY:Stocktaking
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270301
SUMMARY:Audit
END:VEVENT
END:VCALENDAR
";

#[test]
fn an_objective_is_told_with_what_it_does_not_count() {
    let said = |more: &str| {
        let top = format!("objectives: {{ rto: {{ from: a, to: b, max: 30m{more} }} }}");
        let steps = "    on_failure: hold\n    steps: [{ name: S, run: 'true', mark_start: a, undo: { none: x } }, { name: T, run: 'true', mark: b, undo: { none: x } }]\n";
        let text = words_of(&page(&case(one_phase(&top, steps)).plan()), "Time");
        text.lines().find(|l| l.starts_with("Objective")).unwrap().to_owned()
    };
    assert_eq!(said(""), "Objective rto: from a to b in at most 30 min.");
    assert_eq!(
        said(", less_waiting: true"),
        "Objective rto: from a to b in at most 30 min, time spent waiting for people not counted."
    );
}

#[test]
fn items_of_a_list_are_named_up_to_twelve() {
    let items = |n: i64| (0..n).map(Value::Int).collect::<Vec<_>>();
    let each = |items| PlannedEach { items, max_items: 50 };
    assert_eq!(
        each_words(&each(Items::Same(vec![]))),
        "for each of an empty list: left out"
    );
    assert_eq!(
        each_words(&each(Items::Same(items(12)))),
        "for each of 12: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    );
    assert!(each_words(&each(Items::Same(items(13)))).ends_with("10, 11, …"));
    let by_host = |n: usize| Items::ByHost(hosts(n).into_iter().map(|h| (h, items(1))).collect());
    assert_eq!(
        each_words(&each(by_host(2))),
        "h0 for each of 1: 0; h1 for each of 1: 0"
    );
    assert!(!each_words(&each(by_host(12))).contains('…'));
    assert!(each_words(&each(by_host(13))).ends_with("; …"));
    assert_eq!(
        each_words(&each(Items::Late("x.ids".to_owned()))),
        "for each of x.ids (known in the run), at most 50"
    );
}

#[test]
fn long_lists_of_a_former_run_are_cut_and_counted() {
    let plan = case(one_phase("", HOLD)).plan();
    let said = |n: usize| {
        let learnt = Learnt {
            run: "r0".to_owned(),
            same_plan: true,
            hosts: hosts(n).into_iter().map(|h| (h, Facts::default())).collect(),
            ..Learnt::default()
        };
        let outside = Outside {
            learnt: Some(learnt),
            ..Outside::default()
        };
        words_of(&facts(&plan, &digest(), &outside), "Found by a run")
    };
    assert!(said(0).starts_with("Found by the run r0 of this very plan, at no known time, 0 ms before"));
    assert_eq!(said(0).lines().count(), 1);
    assert_eq!(said(200).lines().count(), 202);
    assert_eq!(said(201).lines().last(), Some("And 1 more."));
    assert!(!said(3).contains("did not end ok"));
}

#[test]
fn kinds_modes_and_next_commands_stand_where_they_are_looked_for() {
    let mut plan = case(one_phase("", HOLD)).plan();
    assert_eq!(page(&plan).kicker, "Plan · change");
    assert!(words_of(&page(&plan), "Not in the digest").contains("pitstop run PLAN"));
    plan.mode = Some("test".to_owned());
    plan.ticket = Some("CHG1".to_owned());
    plan.kind = crate::runbook::Kind::RestoreTest;
    assert_eq!(page(&plan).kicker, "Plan · restore test · mode test · CHG1");
    let approved = case(one_phase("", HOLD))
        .policy("")
        .change("need: 1\napprovers: [owners]");
    let text = words_of(&page(&approved.plan()), "Not in the digest");
    assert!(text.contains("pitstop approve PLAN --key KEYFILE"), "{text}");
    let limited = case(one_phase("", HOLD)).change("limit: host=web1").plan();
    assert_eq!(
        words_of(&page(&limited), "Left out by the change"),
        "- phase p, these hosts: web2, web3 (limit: host=web1)"
    );
    assert!(page(&plan).sections.iter().all(|s| !s.title.starts_with("Left out")));
    assert!(
        page(&plan)
            .sections
            .iter()
            .all(|s| s.title != "Monitoring and messages")
    );
    assert!(!plan.items.iter().any(|i| matches!(i, PlanItem::Gate(_))));
}
