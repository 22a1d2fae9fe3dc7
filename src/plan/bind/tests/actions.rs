//! Actions, platforms, secrets and messages: what is chosen and what is refused.

use super::*;
use crate::plan::{BuiltIn, Plan, TransportKind};

#[test]
fn secrets_are_named_and_never_missing() {
    let top = "secrets: { pw: { from: env, name: PW }, tok: { from: provider, provider: vault, args: [x] } }";
    let mut c = case(one_phase(top, HOLD));
    assert_eq!(c.codes(), ["PS0650"]);
    c.providers.insert("vault".to_owned(), vec!["vault".to_owned()]);
    c.providers.insert("other".to_owned(), vec!["other".to_owned()]);
    let plan = c.plan();
    assert_eq!(plan.secrets["pw"], SecretSource::Env { name: "PW".to_owned() });
    assert_eq!(plan.providers.keys().collect::<Vec<_>>(), ["vault"]);
    c.inventory = INVENTORY.replace("defaults: { ", "defaults: { password: { secret: pw2 }, ");
    assert_eq!(c.codes(), ["PS0650"]);
    c.inventory = INVENTORY.replace("defaults: { ", "defaults: { become: { password: { secret: pw } }, ");
    assert_eq!(c.plan().hosts[0].become_password.as_deref(), Some("pw"));
}

#[test]
fn what_this_build_cannot_perform_is_found_in_the_plan() {
    let lacking = |name: &str| {
        let (plan, diags) = example(name, Change::default());
        let plan = plan.unwrap_or_else(|| panic!("{:#?}", said(&diags)));
        let lacking = crate::plan::lacking::lacking(&plan);
        lacking
            .iter()
            .map(crate::plan::lacking::Lack::shown)
            .collect::<Vec<_>>()
    };
    assert_eq!(lacking("restore-test"), [""; 0]);
    assert_eq!(lacking("smallest"), [""; 0]);
    assert_eq!(
        lacking("server-check"),
        [
            "`transport: winrm` (app1, app2)",
            "a step for Linux and Windows hosts at once (checks/disk, checks/clock)"
        ]
    );
    assert_eq!(lacking("cluster-restart"), [""; 0]);
}

#[test]
fn platform_keys_are_chosen_where_the_hosts_leave_no_choice() {
    let steps = "    on_failure: hold\n    steps:\n      - name: S\n        linux: { run: uname }\n        windows: { powershell: Get-Host }\n";
    let call = |c: &Case| c.plan().phases().next().unwrap().stages.steps[0].call.clone();
    let mut c = case(one_phase("", steps));
    assert_eq!(
        call(&c),
        Call::Run {
            command: "uname".into()
        }
    );
    c.inventory = INVENTORY.replace("web1: {", "web1: { os: windows,");
    let Call::ByOs {
        linux: Some(linux),
        windows: Some(windows),
    } = call(&c)
    else {
        panic!()
    };
    assert_eq!((linux.word(), windows.word()), ("run", "powershell"));
    let only = "    on_failure: hold\n    steps: [{ name: S, windows: { powershell: Get-Host } }]\n";
    assert_eq!(case(one_phase("", only)).codes(), ["PS0230"]);
}

#[test]
fn an_install_on_linux_says_what_happens_to_settings() {
    let steps = "    on_failure: hold\n    steps: [{ name: S, patch: { mode: install } }]\n";
    let mut c = case(one_phase("", steps));
    assert_eq!(c.codes(), ["PS0227"]);
    c.inventory = INVENTORY
        .replace("role: web", "role: old")
        .replace("unused: {}", "unused: { os: windows, labels: { role: web } }");
    c.plan();
}

#[test]
fn the_control_machine_may_look_at_a_port() {
    let steps = "    on_failure: hold\n    verify: [{ name: V, wait_for: { port: 80, from: controller } }]\n    steps: [{ name: S, run: x }]\n";
    let plan = case(one_phase("", steps)).policy("allow_local: true\n").plan();
    let step = &plan.phases().next().unwrap().stages.verify[0];
    assert_eq!(step.place, Place::Hosts(vec![HostName::controller()]));
    let Call::WaitPort { host, .. } = &step.call else {
        panic!()
    };
    assert_eq!(host.as_deref(), Some("{{ host.address }}"));
}

#[test]
fn messages_need_a_command_and_sides_a_machine() {
    let c = case(one_phase("notify: [{ events: [finished], via: chat }]\n", HOLD));
    assert_eq!(c.codes(), ["PS0231"]);
    let steps = |side: &str| {
        format!(
            "    on_failure: hold\n    steps: [{{ name: S, compare: {{ mode: exact, left: {{ run: a }}, right: {{ host: {side}, run: a }} }} }}]\n"
        )
    };
    let plan = case(one_phase("", &steps("lb1"))).plan();
    assert!(plan.host(&HostName::new("lb1")).is_some());
    for side in ["lb", "nowhere"] {
        assert_eq!(case(one_phase("", &steps(side))).codes(), ["PS0625"], "{side}");
    }
}

#[test]
fn a_host_of_another_system_is_lacking() {
    let mut plan = case(one_phase("", HOLD)).plan();
    plan.hosts[0].os = "windows".to_owned();
    let found = |plan: &Plan| {
        let found = crate::plan::lacking::lacking(plan);
        found.iter().map(|l| l.shown()).collect::<Vec<_>>()
    };
    assert_eq!(found(&plan), Vec::<String>::new(), "its OpenSSH takes commands");
    plan.hosts[0].transport = TransportKind::Local;
    assert_eq!(found(&plan), ["`os: windows` (web1)"]);
}

#[test]
fn become_true_is_whom_the_host_names_and_a_written_user_is_that_user() {
    let becomes = |written: &str, names: Option<&str>| {
        let steps = format!("    on_failure: hold\n    steps: [{{ name: S, run: a, undo: {{ none: x }}{written} }}]\n");
        let mut plan = case(one_phase("", &steps)).plan();
        plan.hosts[0].become_user = names.map(str::to_owned);
        let step = &plan.phase("p").unwrap().stages.steps[0];
        step.becomes(plan.hosts.first()).map(str::to_owned)
    };
    assert_eq!(becomes("", Some("app")), None);
    assert_eq!(becomes(", become: true", None).as_deref(), Some("root"));
    assert_eq!(becomes(", become: true", Some("app")).as_deref(), Some("app"));
    assert_eq!(becomes(", become: root", Some("app")).as_deref(), Some("root"));
    assert_eq!(becomes(", become: db", Some("app")).as_deref(), Some("db"));
    assert_eq!(becomes(", become: false", Some("app")), None);
}

#[test]
fn a_step_for_windows_hosts_alone_is_that_of_windows() {
    let steps =
        "    on_failure: hold\n    steps: [{ name: S, linux: { run: uname }, windows: { powershell: Get-Host } }]\n";
    let mut c = case(one_phase("", steps));
    c.inventory = INVENTORY.replace("labels: { role: web", "os: windows, labels: { role: web");
    let step = &c.plan().phases().next().unwrap().stages.steps[0].clone();
    assert_eq!(step.call.word(), "powershell");
}

#[test]
fn only_what_runs_on_the_host_itself_is_latched() {
    let latched = |action: &str| {
        let steps = format!("    on_failure: hold\n    steps: [{{ name: S, {action} }}]\n");
        let c = case(one_phase("", &steps)).file("f", "x");
        c.plan().phase("p").unwrap().stages.steps[0].call.can_latch()
    };
    for yes in ["run: 'true'", "run: [date]", "script: f"] {
        assert!(latched(yes), "{yes}");
    }
    for no in [
        "http: { url: 'http://x/', method: POST }",
        "manual: do it, timeout: 1h",
        "upload: { src: f, dest: /x }",
    ] {
        assert!(!latched(no), "{no}");
    }
}

#[test]
fn a_silence_is_by_host_where_one_of_its_matchers_is() {
    let by_host = |matchers: &str| {
        let top = format!(
            "silence: [{{ via: alertmanager, match: {{ {matchers} }} }}]\nparameters: {{ t: {{ type: string, default: x }} }}"
        );
        case(one_phase(&top, HOLD)).plan().silences[0].by_host
    };
    assert!(by_host("env: prod, instance: '{{ host.name }}'"));
    assert!(!by_host("env: '{{ params.t }}'"));
    assert!(!by_host("env: prod"));
    assert!(by_host("all: '{{ host | json }}'"));
}

#[test]
fn a_template_that_cannot_be_read_is_shown_in_its_own_file() {
    let c = |content: &str| {
        let steps = "    on_failure: hold\n    steps: [{ name: S, upload: { src: '{{ params.f }}', dest: /x, template: true } }]\n";
        case(one_phase("parameters: { f: { type: string, default: f.conf } }", steps)).file("f.conf", content)
    };
    assert_eq!(c("port 80\n").codes(), [""; 0]);
    let (_, diags) = c("port {{ 1 + }}\n").bind();
    assert_eq!(diags.0[0].code, "PS0651");
    assert_eq!(&*diags.0[0].labels[0].span.source.name, "f.conf");
    let mut bad = c("");
    bad.files.insert("f.conf".to_owned(), b"a\xff".to_vec());
    let (_, diags) = bad.bind();
    assert_eq!(diags.0[0].message, "a template must be UTF-8 text");
}

#[test]
fn each_side_of_a_comparison_is_its_own_machine() {
    let steps = "    on_failure: hold\n    steps: [{ name: S, compare: { mode: exact, left: { host: lb2, run: a }, right: { host: lb1, run: lb1 } } }]\n";
    let plan = case(one_phase("", steps)).plan();
    let Call::BuiltIn(BuiltIn::Compare { left, right, .. }) = &plan.phase("p").unwrap().stages.steps[0].call else {
        panic!()
    };
    assert_eq!(
        (left.host.as_deref(), right.host.as_deref()),
        (Some("lb2"), Some("lb1"))
    );
}

#[test]
fn a_check_of_a_kind_that_is_not_in_this_build_is_told() {
    let steps = "    verify:
      - { id: a, name: A, wait_for: { check: { file: { path: /run/ready, exists: true } } } }
      - { id: b, name: B, wait_for: { check: { cluster: { kind: etcd } } } }
      - { id: c, name: C, check: { cluster: { kind: etcd } } }
      - { id: d, name: D, check: { sql: { engine: sqlserver, query: q } } }
      - { id: e, name: E, check: { disk_free: { path: / } } }
";
    let plan = case(one_phase("", steps)).plan();
    let found = crate::plan::lacking::lacking(&plan);
    assert_eq!(
        found.iter().map(|l| l.shown()).collect::<Vec<_>>(),
        [
            "the check `cluster` (p/b, p/c)",
            "the check `sql` of a SQL Server (p/d)"
        ]
    );
}

#[test]
fn what_silences_and_messages_go_through_is_in_the_plan_and_its_digest() {
    let top = "silence: [{ via: alertmanager, match: { env: prod } }]\nnotify: [{ events: [finished], via: chat }, { events: [started], via: hook }]\n";
    let mut c = case(one_phase(top, HOLD));
    let with = |more: &str, token: &str| {
        format!(
            "schema: 1\nsilence: {{ alertmanager: {{ alertmanager: \"http://alerts:9093\"{token} }}, other: {{ alertmanager: \"http://x\" }} }}\nnotify: {{ chat: {{ slack: {{ from: provider, provider: vault, args: [slack] }} }}, hook: {{ webhook: \"{more}\" }} }}\n"
        )
    };
    c.project = with("https://bus/a", ", token: { from: env, name: T }, for: 10m");
    assert_eq!(c.codes(), ["PS0650"], "its provider is looked for");
    c.providers.insert("vault".to_owned(), vec!["vault".to_owned()]);
    let plan = c.plan();
    assert_eq!(
        plan.silencers.keys().collect::<Vec<_>>(),
        ["alertmanager"],
        "only what is used"
    );
    let silencer = &plan.silencers["alertmanager"];
    assert_eq!(
        (silencer.token.as_deref(), silencer.for_ms),
        (Some("silence:alertmanager"), 600_000)
    );
    assert_eq!(
        plan.secrets.keys().collect::<Vec<_>>(),
        ["notify:chat", "silence:alertmanager"]
    );
    let text = crate::canon::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&text).unwrap(), plan);
    let digest = c.digest();
    c.project = with("https://bus/b", ", token: { from: env, name: T }, for: 10m");
    assert_ne!(c.digest(), digest);
    c.project = "schema: 1\nsilence: { alertmanger: { alertmanager: \"http://alerts\" } }\n".to_owned();
    assert_eq!(c.codes(), ["PS0534", "PS0231", "PS0231"]);
    assert_eq!(c.bind().1.0[0].help, ["did you mean `alertmanger`?"]);
}

#[test]
fn a_check_from_the_control_machine_is_done_there() {
    let steps = "    verify: [{ name: A, check: { http: { url: http://a/, from: controller } } }, { name: B, check: { http: { url: http://a/ } } }]\n";
    let plan = case(one_phase("", steps)).policy("allow_local: true\n").plan();
    let verify = &plan.phase("p").unwrap().stages.verify;
    assert_eq!(verify[0].place, Place::Hosts(vec![HostName::controller()]));
    assert_eq!(verify[1].place, Place::Own);
}

/// One phase whose only step compares; `left` and `right` are sides, `more` further keys of the step.
fn comparing(top: &str, left: &str, right: &str, more: &str) -> Case {
    let steps = format!(
        "    on_failure: hold\n    steps: [{{ name: S, compare: {{ mode: rows, left: {{ {left} }}, right: {{ {right} }} }}{more} }}]\n"
    );
    case(one_phase(top, &steps))
}

#[test]
fn a_side_may_be_another_machine_for_each_host() {
    let plan = comparing("", "host: '{{ host.labels.lb }}', run: a", "run: b", "").plan();
    let step = &plan.phase("p").unwrap().stages.steps[0];
    let [left, right] = step.sides().unwrap();
    let machine = |host: &str| left.machine(Some(host)).map(str::to_owned);
    assert_eq!(
        ["web1", "web2", "web3", "lb1"].map(machine),
        [
            Some("lb1".to_owned()),
            Some("lb2".to_owned()),
            Some("lb2".to_owned()),
            None
        ]
    );
    assert_eq!((right.machine(Some("web1")), right.machine(None)), (None, None));
    for host in ["lb1", "lb2"] {
        assert!(plan.host(&HostName::new(host)).is_some(), "{host} is logged into");
    }
    let text = crate::canon::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    for (host, code) in [
        ("'{{ host.labels.role }}'", "PS0625"),
        ("'{{ host.labels.nothing }}'", "PS0614"),
        ("web", "PS0625"),
    ] {
        let c = comparing("", &format!("host: {host}, run: a"), "run: b", "");
        assert_eq!(c.codes(), [code], "{host}");
    }
}

#[test]
fn a_side_becomes_whom_it_says_then_whom_the_step_says_and_by_default_only_where_the_step_is_done() {
    let becomes = |top: &str, right: &str, more: &str| {
        let mut plan = comparing(top, "run: a", &format!("host: lb1, run: b{right}"), more).plan();
        for host in &mut plan.hosts {
            host.become_user = Some("app".to_owned());
        }
        let step = plan.phase("p").unwrap().stages.steps[0].clone();
        let [left, right] = step.sides().unwrap();
        [(left, "web1"), (right, "lb1")].map(|(side, on)| {
            let user = step.side_becomes(side, plan.host(&HostName::new(on)));
            user.unwrap_or("-").to_owned()
        })
    };
    assert_eq!(becomes("", "", ""), ["-", "-"]);
    assert_eq!(becomes("", "", ", become: db"), ["db", "db"]);
    assert_eq!(becomes("", ", become: false", ", become: db"), ["db", "-"]);
    assert_eq!(becomes("", ", become: true", ""), ["-", "app"]);
    assert_eq!(becomes("", ", become: root", ", become: true"), ["app", "root"]);
    assert_eq!(becomes("defaults: { become: db }", "", ""), ["db", "-"]);
    assert_eq!(becomes("defaults: { become: db }", ", become: db", ""), ["db", "db"]);
    assert_eq!(becomes("defaults: { become: db }", "", ", become: false"), ["-", "-"]);
}

#[test]
fn a_side_runs_on_this_machine_or_becomes_somebody_only_where_that_is_allowed() {
    let here = comparing("", "run: a", "host: controller, run: b", "");
    assert_eq!(here.codes(), ["PS0645"]);
    here.policy("allow_local: true\n").plan();
    // What is done on the controller and compares two others runs nothing on it.
    let both = "schema: 1\nrunbook: r\ntitle: T\nkind: check\nphases:\n  - phase: p\n    title: P\n    on_failure: hold\n    steps: [{ name: S, compare: { mode: rows, left: { host: lb1, run: a }, right: { host: lb2, run: b } } }]\n";
    case(both).policy("").plan();
    let mut exact = comparing("", "run: a", "host: lb1, run: b, become: true", "");
    exact.inventory = INVENTORY.replace(
        "lb1: { labels: { role: lb } }",
        "lb1: { labels: { role: lb }, become: { exact: true } }",
    );
    assert_eq!(exact.codes(), ["PS0627"]);
    exact.runbook = exact.runbook.replace(", become: true", "");
    exact.plan();
}
