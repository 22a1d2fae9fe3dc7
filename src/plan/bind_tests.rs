//! What a plan freezes and what it refuses: projects in memory, and the examples of the design.

use std::collections::HashMap;

use super::*;
use crate::diag::Source;
use crate::inventory::hosts;
use crate::plan::page::PastRun;
use crate::plan::{Call, OnFailure, Place, PlannedUndo, Size, estimate};
use crate::runbook::change::{self, Given};
use crate::runbook::files::{Folder, ReadError};
use crate::runbook::{check, policyfile, project};

struct Memory(HashMap<String, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or(ReadError::Missing)
    }
}

/// A project in memory; every test changes what it is about.
#[derive(Clone)]
struct Case {
    runbook: String,
    inventory: String,
    change: Change,
    policy: Option<String>,
    files: HashMap<String, Vec<u8>>,
    providers: BTreeMap<String, Vec<String>>,
}

const INVENTORY: &str = "schema: 1
defaults: { user: ops, jump: bastion }
hosts:
  web1: { labels: { role: web, env: prod, lb: lb1, rack: r1 } }
  web2: { labels: { role: web, env: prod, lb: lb2, rack: r2 } }
  web3: { labels: { role: web, env: test, lb: lb2 } }
  lb1: { labels: { role: lb } }
  lb2: { labels: { role: lb } }
  unused: {}
  bastion: {}
  me: { transport: local }
";

const POLICY: &str = "schema: 1
approvers: { cm: [anna, bela], owners: [bela] }
allowed_signers: signers
";

/// A runbook of one phase over `role=web`, with more keys of the phase and of the top.
fn one_phase(top: &str, phase: &str) -> String {
    format!(
        "schema: 1\nrunbook: r\ntitle: T\nkind: change\n{top}\ntargets:\n  web: {{ select: \"role=web\" }}\n  lb: {{ select: \"role=lb\" }}\nphases:\n  - phase: p\n    title: P\n    targets: web\n{phase}\n"
    )
}

const HOLD: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: 'true' }\n";

fn case(runbook: impl Into<String>) -> Case {
    Case {
        runbook: runbook.into(),
        inventory: INVENTORY.to_owned(),
        change: Change::default(),
        policy: None,
        files: HashMap::new(),
        providers: BTreeMap::new(),
    }
}

impl Case {
    fn set(mut self, text: &str) -> Self {
        self.change.parameters.push(change::set(text).unwrap());
        self
    }

    fn change(mut self, text: &str) -> Self {
        let mut diags = Diagnostics::new();
        self.change = change::read(
            &Source::new("c.yml", format!("schema: 1\nrunbook: r.yml\n{text}\n")),
            &mut diags,
        )
        .unwrap();
        assert!(diags.0.is_empty(), "{:#?}", diags.0);
        self
    }

    fn policy(mut self, more: &str) -> Self {
        self.policy = Some(format!("{POLICY}{more}"));
        self
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), content.as_bytes().to_vec());
        self
    }

    fn bind(&self) -> (Option<Plan>, Diagnostics) {
        let mut diags = Diagnostics::new();
        let mut files = self.files.clone();
        files.insert("r.yml".to_owned(), self.runbook.as_bytes().to_vec());
        let files = Memory(files);
        let runbook = check::checked(&files, "r.yml", &mut diags);
        let runbook = runbook.unwrap_or_else(|| panic!("{}: {:#?}", self.runbook, said(&diags)));
        let inventory = hosts::read(&yaml_source("inventory.yml", self.inventory.as_bytes()), &mut diags).unwrap();
        let policy = self
            .policy
            .as_ref()
            .map(|t| policyfile::read(&Source::new("policy.yml", t.as_str()), &mut diags).unwrap());
        assert!(!diags.has_errors(), "{:#?}", said(&diags));
        let input = BindInput {
            runbook: &runbook,
            path: "r.yml",
            inventory: &inventory,
            change: &self.change,
            policy: policy.as_ref().map(|p| (p, "anna ssh-ed25519 AAAA\n")),
            providers: &self.providers,
            notifiers: &BTreeMap::new(),
            files: &files,
        };
        let mut found = Diagnostics::new();
        let plan = bind(&input, &mut found);
        assert_eq!(plan.is_none(), found.has_errors());
        (plan, found)
    }

    fn plan(&self) -> Plan {
        let (plan, diags) = self.bind();
        plan.unwrap_or_else(|| panic!("{:#?}", said(&diags)))
    }

    fn codes(&self) -> Vec<&'static str> {
        self.bind().1.0.iter().map(|d| d.code).collect()
    }

    fn digest(&self) -> String {
        self.plan().digest().unwrap().to_string()
    }
}

fn yaml_source(name: &str, bytes: &[u8]) -> std::sync::Arc<Source> {
    crate::runbook::yaml::source(name, bytes, &mut Diagnostics::new()).unwrap()
}

fn said(diags: &Diagnostics) -> Vec<String> {
    diags
        .0
        .iter()
        .map(|d| format!("{} {} {:?} {:?}", d.code, d.message, d.labels[0].span.text(), d.help))
        .collect()
}

fn names(hosts: &[HostName]) -> String {
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_default_is_written_into_the_plan() {
    let plan = case(one_phase("", HOLD)).plan();
    let phase = plan.phase("p").unwrap();
    assert_eq!(names(&phase.hosts), "web1 web2 web3");
    assert_eq!(
        (phase.rollout.parallel, phase.rollout.max_fail, phase.rollout.soak_ms),
        (10, Size::Count(0), 0)
    );
    let step = &phase.stages.steps[0];
    assert_eq!(
        (step.timeout_ms, step.retry.attempts, step.ok_codes.clone()),
        (600_000, 1, vec![0])
    );
    assert_eq!(step.undo, PlannedUndo::None("no undo written".to_owned()));
    assert!(phase.changes && plan.changes() && !step.late);
    assert_eq!(
        plan.hosts.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(),
        ["web1", "web2", "web3", "bastion"]
    );
    assert_eq!(plan.hosts[0].jump.as_deref(), Some("bastion"));
    assert!(plan.hosts[3].jump.is_none());
}

#[test]
fn defaults_reach_steps_but_become_stops_at_delegation() {
    let top = "defaults: { timeout: 1m, become: true, retry: { attempts: 3 } }";
    let steps = "    on_failure: hold\n    steps:\n      - { id: a, name: A, run: 'true' }\n      - { id: b, name: B, run: 'true', delegate_to: lb1 }\n      - { id: c, name: C, run: 'true', become: false, timeout: 5s, retry: { attempts: 1 } }\n      - { id: d, name: D, run: 'true', delegate_to: lb1, become: www }\n";
    let plan = case(one_phase(top, steps)).plan();
    let steps = &plan.phase("p").unwrap().stages.steps;
    let users: Vec<_> = steps.iter().map(|s| s.become_user.as_deref()).collect();
    assert_eq!(users, [Some("root"), None, None, Some("www")]);
    assert_eq!((steps[0].timeout_ms, steps[0].retry.attempts), (60_000, 3));
    assert_eq!((steps[2].timeout_ms, steps[2].retry.attempts), (5000, 1));
}

#[test]
fn parameters_are_typed_and_held_against_their_limits() {
    let top = "parameters:\n  soak: { type: duration, default: 10m, max: 1h }\n  count: { type: int, min: 1, max: 9 }\n  ticket: { type: string, pattern: 'CHG[0-9]+', default: CHG1 }\n  site: { type: string, allowed: [a, b], default: a }\n  parts: { type: list, allowed: [x, y], default: [x] }\n";
    let c = case(one_phase(top, HOLD));
    assert_eq!(c.codes(), ["PS0602"]);
    let plan = c.clone().set("count=3").set("soak=5m").set("parts=x,y").plan();
    assert_eq!(plan.params["count"], Value::Int(3));
    assert_eq!(plan.params["soak"], Value::Duration { duration_ms: 300_000 });
    for (set, code) in [
        ("count=x", "PS0603"),
        ("count=0", "PS0604"),
        ("count=10", "PS0604"),
        ("ticket=xCHG1", "PS0604"),
        ("ticket=CHG1\nrm", "PS0604"),
        ("site=c", "PS0604"),
        ("parts=x,z", "PS0604"),
        ("soak=2h", "PS0604"),
        ("soka=2h", "PS0601"),
    ] {
        assert_eq!(c.clone().set("count=3").set(set).codes(), [code], "{set}");
    }
    assert_eq!(c.clone().change("parameters: { count: '3x' }").codes(), ["PS0107"]);
    let wrong = c.change("parameters: { count: 3, sight: a }").bind().1;
    assert_eq!(wrong.0[0].help, ["it has: soak, count, ticket, site, parts"]);
}

#[test]
fn a_limit_belongs_to_what_is_allowed_whatever_the_type() {
    let moment = |hour: u32| format!("2026-12-06T{hour:02}:00:00+01:00");
    let (from, to) = (moment(1), moment(3));
    let cases = [
        ("number", "0.5", "2.5", ["0.5", "1", "2.5"], ["0.25", "3"]),
        ("int", "-1", "9", ["-1", "0", "9"], ["-2", "10"]),
        ("duration", "1m", "1h", ["60s", "5m", "60m"], ["59s", "61m"]),
        (
            "timestamp",
            &from,
            &to,
            [&from, &moment(2), &to],
            [&moment(0), &moment(4)],
        ),
    ];
    for (kind, min, max, good, bad) in cases {
        let top = format!("parameters: {{ p: {{ type: {kind}, min: {min}, max: {max} }} }}");
        let c = case(one_phase(&top, HOLD));
        for value in good {
            assert_eq!(c.clone().set(&format!("p={value}")).codes(), [""; 0], "{kind} {value}");
        }
        for value in bad {
            assert_eq!(
                c.clone().set(&format!("p={value}")).codes(),
                ["PS0604"],
                "{kind} {value}"
            );
        }
    }
}

#[test]
fn what_an_include_gives_has_the_type_that_the_file_declares() {
    let top = "parameters: { word: { type: string, default: '7' }, other: { type: string, default: x }, n: { type: int, default: 7 }, l: { type: list, default: [a] } }";
    let given = |kind: &str, value: &str| {
        let inc = format!("parameters: {{ v: {{ type: {kind} }} }}\nsteps:\n  - {{ id: i, name: I, run: 'true' }}\n");
        let steps = format!(
            "    on_failure: hold\n    steps:\n      - include: {{ file: inc.yml, with: {{ v: '{{{{ params.{value} }}}}' }} }}\n"
        );
        case(one_phase(top, &steps)).file("inc.yml", &inc).codes()
    };
    for (kind, value, wanted) in [
        ("int", "n", vec![]),
        ("int", "word", vec![]),
        ("int", "other", vec!["PS0684"]),
        ("int", "l", vec!["PS0684"]),
        ("number", "n", vec![]),
        ("string", "word", vec![]),
        ("string", "n", vec!["PS0684"]),
        ("list", "l", vec![]),
        ("list", "n", vec!["PS0684"]),
        ("bool", "n", vec!["PS0684"]),
    ] {
        assert_eq!(given(kind, value), wanted, "{kind} {value}");
    }
}

#[test]
fn a_missing_parameter_is_named_for_the_prompt() {
    let mut diags = Diagnostics::new();
    let text = one_phase("parameters: { a: { type: int }, b: { type: int, default: 1 } }", HOLD);
    let files = Memory(HashMap::from([("r.yml".to_owned(), text.into_bytes())]));
    let runbook = check::checked(&files, "r.yml", &mut diags).unwrap();
    let missing = missing_parameters(&runbook, &Change::default());
    assert_eq!(missing.iter().map(|p| p.name.value.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn exactly_one_mode_is_chosen_and_filters_what_is_planned() {
    let text = "schema: 1\nrunbook: r\ntitle: T\nkind: change\nmodes: [test, real]\nphases:\n  - { phase: a, title: A, only_in: [test], on_failure: hold, steps: [{ id: s, name: S, assert: 'true' }] }\n  - { phase: b, title: B, only_in: [real], on_failure: hold, steps: [{ id: s, name: S, assert: 'true' }, { id: t, name: T, only_in: [test], assert: 'true' }] }\n";
    assert_eq!(case(text).codes(), ["PS0605"]);
    assert_eq!(case(text).change("mode: reel").codes(), ["PS0605"]);
    let plan = case(text).change("mode: real").plan();
    assert_eq!(plan.mode.as_deref(), Some("real"));
    assert_eq!(plan.phases().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(plan.phase("b").unwrap().stages.steps.len(), 1);
    assert_eq!(case(one_phase("", HOLD)).change("mode: x").codes(), ["PS0605"]);
}

#[test]
fn sets_take_templates_over_parameters_and_keep_the_inventory_order() {
    let text = one_phase(
        "parameters: { role: { type: string, default: web }, extra: { type: list, default: [lb2, lb1] } }",
        HOLD,
    )
    .replace("role=web\"", "role={{ params.role }}\"")
    .replace("lb: { select: \"role=lb\" }", "lb: { hosts: [\"{{ params.extra }}\"] }");
    let plan = case(text.clone()).plan();
    assert_eq!(names(&plan.targets["web"]), "web1 web2 web3");
    assert_eq!(names(&plan.targets["lb"]), "lb1 lb2");
    assert_eq!(case(text.clone()).set("extra=lb3").codes(), ["PS0610"]);
    assert_eq!(case(text.clone()).set("role=none").codes(), ["PS0611"]);
    assert_eq!(case(text.replace("role={{", "rule={{")).codes(), ["PS0411"]);
}

#[test]
fn limit_narrows_phases_and_says_what_it_emptied() {
    let text = one_phase("", HOLD)
        + "  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n";
    let plan = case(text.clone()).change("limit: env=prod").plan();
    assert_eq!(names(&plan.phase("p").unwrap().hosts), "web1 web2");
    assert_eq!(plan.emptied, ["q"]);
    assert_eq!(names(&plan.targets["lb"]), "lb1 lb2");
    assert_eq!(case(text.clone()).change("limit: host=unused").codes(), ["PS0612"]);
    assert_eq!(case(text.clone()).change("limit: host!=web9").codes(), ["PS0411"]);
    assert_eq!(case(text).change("limit: web1").codes(), ["PS0410"]);
}

#[test]
fn a_phase_that_drains_several_hosts_needs_batches() {
    let phase = "    on_failure: hold\n    drain: [{ id: d, name: D, run: 'true' }]\n    steps: [{ id: s, name: S, run: 'true' }]\n    verify: [{ id: v, name: V, run: 'true' }]\n    undrain: [{ id: u, name: U, run: 'true' }]\n";
    assert_eq!(case(one_phase("", phase)).codes(), ["PS0621"]);
    case(one_phase("", phase)).change("limit: host=web1").plan();
    case(one_phase("", &format!("    rollout: {{ batches: [1] }}\n{phase}"))).plan();
}

#[test]
fn a_rollout_is_resolved_with_its_soak() {
    let top = "parameters: { soak: { type: duration, default: 10m } }\nrollouts:\n  slow: { batches: [1, '50%'], parallel: 2, max_fail: 1, soak: '{{ params.soak }}', apart: rack }\n";
    let c = case(one_phase(
        top,
        &format!("    rollout: slow\n{HOLD}")
            .replace("hold", "rollback_host")
            .replace("run: 'true'", "run: 'true', undo: [{ name: U, run: 'true' }]"),
    ));
    assert_eq!(c.codes(), ["PS0623"]);
    let plan = c.change("limit: env=prod\nparameters: { soak: 90s }").plan();
    let r = &plan.phase("p").unwrap().rollout;
    assert_eq!(
        (r.parallel, r.max_fail, r.soak_ms, r.apart.as_deref()),
        (2, Size::Count(1), 90_000, Some("rack"))
    );
    assert_eq!(r.batches, [Size::Count(1), Size::Percent(50)]);
}

#[test]
fn a_check_bears_every_failure_and_a_drill_asks() {
    let check =
        one_phase("", "    verify:\n      - { id: s, name: S, run: 'true' }\n").replace("kind: change", "kind: check");
    let plan = case(check).plan();
    assert_eq!(plan.phase("p").unwrap().rollout.max_fail, Size::Percent(100));
    assert!(!plan.changes());
    let drill = one_phase("", "    steps:\n      - { id: s, name: S, run: 'true' }\n")
        .replace("kind: change", "kind: dr_drill");
    assert_eq!(case(drill).plan().phase("p").unwrap().on_failure, OnFailure::Ask);
}

#[test]
fn when_over_parameters_is_decided_and_when_over_results_is_kept() {
    let top = "parameters: { go: { type: bool, default: true } }\n";
    let decided = case(one_phase(top, &format!("    when: params.go\n{HOLD}")));
    assert_eq!(decided.plan().phase("p").unwrap().when, None);
    let plan = decided.set("go=false").plan();
    assert!(plan.phase("p").is_none());
    assert_eq!(plan.skipped["p"], "`when` is false: params.go");
    let late = format!(
        "    when: \"look.rc == 0\"\n    precheck: [{{ id: l, name: L, run: 'true', register: look }}]\n{HOLD}"
    );
    assert_eq!(
        case(one_phase("", &late)).plan().phase("p").unwrap().when.as_deref(),
        Some("look.rc == 0")
    );
}

#[test]
fn an_assert_that_needs_only_the_plan_is_answered_now() {
    let phase = |that: &str| {
        format!(
            "    on_failure: hold\n    precheck: [{{ id: a, name: Prod only, assert: \"{that}\" }}]\n    steps: [{{ id: s, name: S, run: 'true' }}]\n"
        )
    };
    let top = "parameters: { n: { type: int, default: 1 } }\n";
    case(one_phase(top, &phase("params.n == 1"))).plan();
    assert_eq!(case(one_phase(top, &phase("params.n == 2"))).codes(), ["PS0624"]);
    let by_host = case(one_phase(top, &phase("host.labels.env == 'prod'")));
    let d = by_host.bind().1.0.remove(0);
    assert_eq!(
        (d.code, d.message.as_str()),
        ("PS0624", "Prod only is not so for host `web3`")
    );
    by_host.change("limit: env=prod").plan();
    case(one_phase(top, &phase("host.family == 'debian'"))).plan();
}

#[test]
fn delegation_is_resolved_to_hosts() {
    let steps = "    on_failure: hold\n    steps:\n      - { id: a, name: A, run: 'true', delegate_to: lb }\n      - { id: b, name: B, run: 'true', delegate_to: '{{ host.labels.lb }}' }\n      - { id: c, name: C, run: 'true', delegate_to: { one_of: web } }\n      - { id: d, name: D, run: 'true', delegate_to: unused }\n";
    let plan = case(one_phase("", steps)).plan();
    let places: Vec<_> = plan
        .phase("p")
        .unwrap()
        .stages
        .steps
        .iter()
        .map(|s| s.place.clone())
        .collect();
    let host = HostName::new;
    assert_eq!(places[0], Place::Hosts(vec![host("lb1"), host("lb2")]));
    let Place::ByHost(map) = &places[1] else {
        panic!("{places:?}")
    };
    assert_eq!(map[&host("web1")], [host("lb1")]);
    assert_eq!(map[&host("web3")], [host("lb2")]);
    assert_eq!(places[2], Place::OneOf(vec![host("web1"), host("web2"), host("web3")]));
    assert!(plan.host(&host("unused")).is_some() && plan.host(&host("lb1")).is_some());
    assert_eq!(
        case(one_phase("", &steps.replace("unused", "'{{ host.labels.nolb }}'"))).codes(),
        ["PS0614"]
    );
    let elsewhere = INVENTORY.replace("lb: lb1, rack", "lb: lb9, rack");
    let mut c = case(one_phase("", steps));
    c.inventory = elsewhere;
    assert_eq!(c.codes(), ["PS0625"]);
}

#[test]
fn an_upload_owes_a_restore_and_its_file_is_frozen() {
    let steps = "    steps:\n      - { id: u, name: U, upload: { src: a.conf, dest: /etc/a.conf, template: true }, become: true }\n      - { id: w, name: W, run: 'true', undo: { covered_by: v } }\n".replace("      - { id: w, name: W, run: 'true', undo: { covered_by: v } }\n", "");
    let c = case(one_phase("", &steps));
    assert_eq!(c.codes(), ["PS0651"]);
    let plan = c.clone().file("a.conf", "name {{ host.name }}\n").plan();
    let step = &plan.phase("p").unwrap().stages.steps[0];
    let PlannedUndo::Steps(undo) = &step.undo else {
        panic!("{:?}", step.undo)
    };
    assert_eq!(undo[0].id, "u/1");
    assert_eq!(undo[0].become_user.as_deref(), Some("root"));
    assert_eq!(
        undo[0].call,
        Call::Restore {
            step: "u".to_owned(),
            dest: "/etc/a.conf".to_owned()
        }
    );
    assert_eq!(plan.files["a.conf"].digest, Digest::of(b"name {{ host.name }}\n"));
    assert!(!step.late);
    assert!(
        c.clone()
            .file("a.conf", "{{ host.kernel }}")
            .plan()
            .phase("p")
            .unwrap()
            .stages
            .steps[0]
            .late
    );
}

#[test]
fn undo_steps_are_known_by_number() {
    let steps = "    steps:\n      - id: s\n        name: S\n        run: 'true'\n        undo:\n          - { name: One, run: 'true' }\n          - { name: Two, wait_for: { connection: true } }\n      - { id: t, name: T, run: 'true', undo: { covered_by: s } }\n      - { id: m, name: M, manual: pull the plug, timeout: 5m }\n";
    let plan = case(one_phase("", steps)).plan();
    let ids: Vec<_> = ["s/1", "s/2", "m/1"]
        .iter()
        .map(|id| plan.step("p", crate::plan::Stage::Undo, id).map(|s| s.read_only))
        .collect();
    assert_eq!(ids, [Some(false), Some(true), Some(false)]);
    assert_eq!(
        plan.phase("p").unwrap().stages.steps[1].undo,
        PlannedUndo::CoveredBy("s".to_owned())
    );
}

#[test]
fn what_needs_the_run_is_marked_late() {
    let steps = "    on_failure: hold\n    precheck: [{ id: q, name: Q, run: 'true', register: look }]\n    steps:\n      - { id: a, name: A, run: 'echo {{ host.name }}', expect: 'rc == 0' }\n      - { id: b, name: B, run: 'echo {{ look.stdout | sh }}' }\n      - { id: c, name: C, run: 'true', when: 'look.changed' }\n      - { id: d, name: D, run: 'true', expect: 'rc == look.rc' }\n      - { id: e, name: E, run: 'true', when: \"host.family == 'debian'\" }\n      - { id: f, name: F, run: 'echo {{ host.labels.env | sh }}' }\n";
    let plan = case(one_phase("", steps)).plan();
    let late: Vec<_> = plan.phase("p").unwrap().stages.steps.iter().map(|s| s.late).collect();
    assert_eq!(late, [false, true, true, true, true, false]);
}

#[test]
fn one_value_of_the_run_in_any_place_of_an_action_makes_the_step_late() {
    let late = "'{{ look.stdout }}'";
    let quoted = "'x {{ look.stdout | sh }}'";
    let actions = [
        (true, format!("run: [a, {late}]")),
        (true, format!("script: {{ file: f, args: [a, {late}] }}")),
        (true, format!("script: {{ file: f, interpreter: {late} }}")),
        (false, "script: { file: f, args: [a], interpreter: sh }".to_owned()),
        (true, format!("upload: {{ src: f, dest: {late} }}")),
        (true, format!("upload: {{ src: f, dest: /d, owner: {late} }}")),
        (true, format!("upload: {{ src: f, dest: /d, validate: {quoted} }}")),
        (true, "upload: { src: late.txt, dest: /d, template: true }".to_owned()),
        (false, "upload: { src: late.txt, dest: /d }".to_owned()),
        (
            false,
            "upload: { src: f, dest: /d, owner: me, validate: 'true' }".to_owned(),
        ),
        (true, format!("http: {{ url: {late} }}")),
        (true, format!("http: {{ url: 'http://x', body: {late} }}")),
        (true, format!("http: {{ url: 'http://x', headers: {{ a: {late} }} }}")),
        (
            false,
            "http: { url: 'http://x', body: x, headers: { a: b } }".to_owned(),
        ),
        (true, format!("wait_for: {{ port: {late} }}")),
        (true, format!("wait_for: {{ port: 80, host: {late} }}")),
        (false, "wait_for: { port: 80, host: h }".to_owned()),
        (true, format!("wait_for: {{ path: {late} }}")),
        (true, format!("manual: {late}, timeout: 30m")),
    ];
    for (wanted, action) in actions {
        let steps = format!(
            "    on_failure: hold\n    precheck: [{{ id: q, name: Q, run: 'true', register: look }}]\n    steps:\n      - {{ id: a, name: A, {action} }}\n"
        );
        let plan = case(one_phase("", &steps))
            .policy("allow_local: true\n")
            .file("f", "x")
            .file("late.txt", "{{ look.stdout }}")
            .plan();
        assert_eq!(plan.phase("p").unwrap().stages.steps[0].late, wanted, "{action}");
    }
}

#[test]
fn what_the_change_leaves_out_is_in_the_plan_with_its_reason() {
    let steps = "    steps:\n      - { id: s, name: S, run: 'true', undo: [{ name: U, run: 'true' }] }\n      - { id: t, name: T, run: 'true', undo: { covered_by: s } }\n";
    let c = case(
        one_phase("", steps)
            + "  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: z, name: Z, run: 'true' }] }\n",
    );
    let plan = c.clone().change("skip: { t: not today, q: frozen }").plan();
    assert_eq!(
        plan.skipped,
        BTreeMap::from([
            ("p/t".to_owned(), "not today".to_owned()),
            ("q".to_owned(), "frozen".to_owned())
        ])
    );
    assert_eq!(
        plan.phase("p").unwrap().stages.steps[1].skip.as_deref(),
        Some("not today")
    );
    assert!(plan.phase("q").is_none());
    assert_eq!(c.clone().change("skip: { s: no }").codes(), ["PS0653"]);
    let (_, diags) = c.change("skip: { p/tt: no }").bind();
    assert_eq!(
        (diags.0[0].code, diags.0[0].help[0].as_str()),
        ("PS0652", "did you mean `p/t`?")
    );
}

const GATE: &str = "  - { gate: go, title: Go?, need: 2, approvers: [cm] }\n  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: z, name: Z, run: 'true' }] }\n";

#[test]
fn a_gate_needs_people_who_can_be_found() {
    let c = case(one_phase("", HOLD) + GATE);
    assert_eq!(c.codes(), ["PS0642"]);
    assert!(c.bind().1.0[0].help[0].contains("policy.yml"));
    let plan = c.clone().policy("").plan();
    let policy = plan.policy.unwrap();
    assert_eq!(policy.approvers["cm"], ["anna", "bela"]);
    assert_eq!(policy.allowed_signers, "anna ssh-ed25519 AAAA\n");
    let with = |gate: &str| case(one_phase("", HOLD) + &GATE.replace("need: 2, approvers: [cm]", gate));
    assert_eq!(with("need: 3, approvers: [cm, owners]").policy("").codes(), ["PS0641"]);
    assert_eq!(with("need: 1, approvers: [cmm]").policy("").codes(), ["PS0541"]);
    with("not_operator: false").plan();
}

#[test]
fn the_policy_may_demand_a_change_and_an_approval() {
    let c = case(one_phase("", HOLD));
    let demand = "require_change: [env=prod]\nrequire_approval: [env=prod]\n";
    assert_eq!(c.clone().policy(demand).codes(), ["PS0643", "PS0644"]);
    assert_eq!(
        c.clone().policy(demand).change("reason: none").codes(),
        ["PS0643", "PS0644"]
    );
    let plan = c
        .clone()
        .policy(demand)
        .change("change: CHG1\nneed: 1\napprovers: [owners]")
        .plan();
    let approval = plan.approval.unwrap();
    assert_eq!(
        (approval.need, approval.approvers, approval.not_operator),
        (1, vec!["owners".to_owned()], true)
    );
    assert_eq!(plan.ticket.as_deref(), Some("CHG1"));
    c.clone().policy(demand).change("limit: env=test").plan();
    assert_eq!(c.clone().change("need: 1\napprovers: [cm]").codes(), ["PS0642"]);
    let warned = c.policy("require_change: [rool=web]\n").bind();
    assert_eq!((warned.0.is_some(), warned.1.0[0].code), (true, "PS0411"));
    let read_only = one_phase("", "    verify: [{ id: v, name: V, run: 'true' }]\n");
    case(read_only).policy(demand).plan();
}

#[test]
fn a_command_on_the_control_machine_must_be_allowed() {
    let delegated = case(one_phase(
        "",
        "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true', delegate_to: controller }]\n",
    ));
    assert_eq!(delegated.codes(), ["PS0645"]);
    assert_eq!(delegated.clone().policy("").codes(), ["PS0645"]);
    delegated.policy("allow_local: true\n").plan();
    let steady = case(one_phase("steady_state: [{ id: x, name: X, run: 'true' }]", HOLD));
    assert_eq!(steady.codes(), ["PS0645"]);
    case(one_phase(
        "steady_state: [{ id: x, name: X, http: { url: 'http://x/' } }]",
        HOLD,
    ))
    .plan();
    let here = "schema: 1\nrunbook: r\ntitle: T\nkind: change\ntargets: { me: { hosts: [me] } }\nphases:\n  - { phase: p, title: P, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n  - { phase: q, title: Q, targets: me, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n";
    let plan = case(here).plan();
    assert_eq!(names(&plan.phase("p").unwrap().hosts), "controller");
    assert_eq!(case(here).policy("").codes(), ["PS0645"]);
}

#[test]
fn limits_of_the_policy_hold() {
    let c = case(one_phase(
        "window: { duration: 4h }\nrollouts: { r: { batches: [1, 3], max_fail: '50%' } }",
        "    rollout: r\n    steps: [{ id: s, name: S, run: 'true', timeout: 2h, undo: [{ name: U, run: 'true' }] }]\n",
    ));
    let limit = |text: &str| c.clone().policy(&format!("limits: {{ {text} }}\n")).codes();
    assert_eq!(
        limit("parallel: 2, batch: 1, hosts: 2, max_fail: 0, timeout: 1h, window: 3h"),
        ["PS0646"; 6]
    );
    assert!(limit("parallel: 3, batch: 2, hosts: 3, max_fail: 1, timeout: 2h, window: 4h").is_empty());
}

#[test]
fn a_limit_that_is_exceeded_is_shown_where_it_is_asked_for() {
    let c = case(one_phase(
        "window: { duration: 4h }",
        "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true', timeout: 2h }]\n",
    ));
    for (limit, place) in [
        ("window: 3h", "4h"),
        ("parallel: 2", "p"),
        ("batch: 2", "p"),
        ("timeout: 1h", "run"),
    ] {
        let (_, diags) = c.clone().policy(&format!("limits: {{ {limit} }}\n")).bind();
        assert_eq!(diags.0[0].labels[0].span.text().trim_matches('\''), place, "{limit}");
        let (what, most) = limit.split_once(": ").unwrap();
        let said = format!("the policy allows `{what}` at most {most}, the plan asks for ");
        assert!(diags.0[0].message.starts_with(&said), "{}", diags.0[0].message);
    }
    let borne = case(one_phase(
        "rollouts: { r: { batches: [1], max_fail: '50%' } }",
        "    rollout: r\n    on_failure: rollback_host\n    steps: [{ id: s, name: S, run: 'true', undo: { none: x } }]\n",
    ));
    let (_, diags) = borne.policy("limits: { max_fail: 0 }\n").bind();
    assert_eq!(diags.0[0].labels[0].span.text(), "p");
    assert!(
        diags.0[0].message.ends_with("asks for 1"),
        "half of three, rounded down"
    );
}

#[test]
fn a_phase_whose_rounds_do_not_fit_into_the_window_is_warned_of() {
    let codes = |window: &str, batches: &str, timeout: &str| {
        let top = format!("window: {{ {window} }}\nrollouts: {{ r: {{ batches: [{batches}] }} }}");
        let phase = format!(
            "    rollout: r\n    on_failure: hold\n    steps: [{{ id: s, name: S, run: 'true', timeout: {timeout} }}]\n"
        );
        case(one_phase(&top, &phase)).codes()
    };
    assert_eq!(codes("duration: 3h", "1", "1h"), [""; 0], "three rounds, to the minute");
    assert_eq!(codes("duration: 3h", "1", "61m"), ["PS0751"]);
    assert_eq!(codes("duration: 3h", "3", "3h"), [""; 0], "one round, to the minute");
    assert_eq!(
        codes("duration: 3h, cutoff: 1h", "1", "1h"),
        [""; 0],
        "the last starts at the cut-off"
    );
    assert_eq!(codes("duration: 3h, cutoff: 61m", "1", "1h"), ["PS0751"]);
}

const CALENDAR: &str = "BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261206
DTEND;VALUE=DATE:20261208
SUMMARY:Stocktaking
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20270107
RRULE:FREQ=YEARLY
SUMMARY:Year end
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270301
SUMMARY:Audit
END:VEVENT
END:VCALENDAR
";

fn frozen(plan: &Plan) -> Vec<String> {
    let found = plan.freeze.iter().flat_map(|f| &f.found);
    found.map(|f| format!("{} {}", f.from, f.what)).collect()
}

#[test]
fn freezes_around_the_window_stand_in_the_plan() {
    let top = "window: { duration: 4h, timezone: Europe/Berlin, not_during: [own.ics] }";
    let c = case(one_phase(top, HOLD)).file("own.ics", CALENDAR);
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert_eq!(
        frozen(&at("2026-12-04T22:00").plan()),
        ["2026-12-05T23:00:00Z Stocktaking"],
        "the next one after it"
    );
    assert_eq!(
        frozen(&at("2026-12-05T22:00").plan()),
        ["2026-12-05T23:00:00Z Stocktaking", "2026-12-23T23:00:00Z Year end"]
    );
    assert_eq!(at("2026-12-05T22:00").codes(), ["PS0671"]);
    assert_eq!(at("2026-12-06T22:00").codes(), ["PS0670"]);
    assert_eq!(at("2026-12-04T22:00").codes(), [""; 0]);
    assert_eq!(frozen(&c.plan()), [""; 0], "without a start only the run can know");
    assert_eq!(c.plan().freeze.unwrap().calendars.len(), 1);
    let other = c.clone().file("own.ics", &CALENDAR.replace("20270301", "20270302"));
    assert_ne!(c.digest(), other.digest(), "the calendar's bytes are in the digest");
    assert_eq!(case(one_phase(top, HOLD)).codes(), ["PS0488"]);
    assert_eq!(c.clone().file("own.ics", "x").codes(), ["PS0480"]);
}

#[test]
fn the_policys_calendars_freeze_what_changes() {
    let reading = "    steps: [{ id: s, name: S, assert: '1 == 1' }]\n";
    for (phase, calendars) in [(HOLD, 1), (reading, 0)] {
        let c = case(one_phase("", phase))
            .policy("freeze: [all.ics]\n")
            .file("all.ics", CALENDAR);
        let found = c.plan().freeze.map_or(0, |f| f.calendars.len());
        assert_eq!(found, calendars, "{phase}");
    }
}

#[test]
fn a_start_must_be_one_of_the_schedules() {
    let top = "window: { duration: 4h, timezone: Europe/Berlin, schedule: { nth: 2, weekday: tuesday, plus_days: 4, at: '22:00' } }";
    let c = case(one_phase(top, HOLD));
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert!(at("2026-12-12T22:00").codes().is_empty());
    let (plan, diags) = at("2026-12-12T23:00").bind();
    assert!(plan.is_none());
    assert_eq!(diags.0[0].code, "PS0563");
    assert!(
        diags.0[0].help[0].starts_with("the next one begins 2027-01-16 22:00 CET (Europe/Berlin)"),
        "{:?}",
        diags.0[0].help
    );
    assert_eq!(diags.0[0].labels.len(), 2, "the schedule is shown too");
}

#[test]
fn a_change_of_the_clocks_inside_the_window_is_warned_of() {
    let c = case(one_phase("window: { duration: 4h, timezone: Europe/Berlin }", HOLD));
    let at = |start: &str| c.clone().change(&format!("window: {{ start: '{start}' }}"));
    assert_eq!(at("2026-10-24T23:30").codes(), ["PS0672"]);
    assert_eq!(at("2026-10-25T23:00").codes(), [""; 0]);
}

#[test]
fn the_window_is_in_absolute_times() {
    let c = case(one_phase(
        "window: { duration: 4h, cutoff: 45m, timezone: Europe/Berlin }",
        HOLD,
    ));
    let w = c
        .clone()
        .change("window: { start: '2026-12-06T01:00:00' }")
        .plan()
        .window
        .unwrap();
    assert_eq!(w.start.unwrap().to_string(), "2026-12-06T00:00:00Z");
    assert_eq!(
        (w.duration_ms, w.cutoff_ms, w.reserve_ms),
        (14_400_000, 2_700_000, None)
    );
    assert_eq!(c.plan().window.unwrap().start, None);
    let utc = c
        .clone()
        .change("window: { start: '2026-12-06T01:00:00', timezone: UTC }")
        .plan();
    assert_eq!(utc.window.unwrap().start.unwrap().to_string(), "2026-12-06T01:00:00Z");
    assert_eq!(
        c.clone().change("window: { start: '2027-03-28T02:30:00' }").codes(),
        ["PS0630"]
    );
    assert_eq!(c.clone().change("window: { start: soon }").codes(), ["PS0630"]);
    assert_eq!(
        c.clone().change("window: { timezone: Europe/Berln }").codes(),
        ["PS0630"]
    );
    assert_eq!(
        case(one_phase("", HOLD))
            .change("window: { start: '2026-12-06T01:00:00' }")
            .codes(),
        ["PS0630"]
    );
}

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
fn an_objective_needs_its_marks_in_the_chosen_mode() {
    let text = "schema: 1\nrunbook: r\ntitle: T\nkind: change\nmodes: [x, y]\nobjectives: { rto: { from: a, to: b, max: 1m } }\ntargets: { web: { select: role=web } }\nphases:\n  - { phase: p, title: P, targets: web, on_failure: hold, steps: [{ id: s, name: S, run: 'true', mark_start: a }, { id: t, name: T, run: 'true', mark: b, only_in: [x] }] }\n";
    assert_eq!(case(text).change("mode: x").plan().objectives[0].max_ms, 60_000);
    assert_eq!(case(text).change("mode: y").codes(), ["PS0660"]);
}

#[test]
fn several_mistakes_are_reported_together() {
    let c = case(
        one_phase(
            "",
            &format!("{HOLD}      - {{ id: t, name: T, run: 'true', delegate_to: lb7 }}\n"),
        ) + GATE,
    );
    let mut codes = c.change("window: { start: '2026-01-01T00:00:00' }").codes();
    codes.sort_unstable();
    assert_eq!(codes, ["PS0625", "PS0630", "PS0642"]);
}

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
fn limits_add_up_over_attempts_machines_and_undo() {
    let steps = "    rollout: { batches: [1, 2], parallel: 2, soak: 1m }\n    precheck: [{ id: c, name: C, run: 'true', timeout: 5s }]\n    steps:\n      - { id: s, name: S, run: 'true', timeout: 10s, retry: { attempts: 3, delay: 1s, backoff: 2 }, undo: [{ name: U, run: 'true', timeout: 20s }, { name: V, run: 'true', timeout: 30s }] }\n      - { id: t, name: T, run: 'true', timeout: 1s, delegate_to: lb, undo: { covered_by: s } }\n    verify: [{ id: v, name: V, run: 'true', timeout: 4s }]\n";
    let plan = case(one_phase("window: { duration: 4h }", steps)).plan();
    let p = plan.phase("p").unwrap();
    assert_eq!(estimate::step_ms(&p.stages.steps[0]), 33_000);
    assert_eq!(estimate::step_ms(&p.stages.steps[1]), 2000);
    assert_eq!(estimate::worst_host_ms(p), 39_000);
    assert_eq!(estimate::undo_ms(p), 50_000);
    assert_eq!(estimate::back_out_ms(p), 54_000);
    assert_eq!(estimate::batches(&p.rollout, 3), [1, 2]);
    assert_eq!(estimate::worst_phase_ms(p), 2 * 5000 + 2 * 39_000 + 2 * 60_000);
    assert_eq!(estimate::reserve_ms(plan.window.as_ref(), p), 50_000);
    let sizes = |batches: Vec<Size>, n| {
        estimate::batches(
            &crate::plan::PlannedRollout {
                batches,
                ..p.rollout.clone()
            },
            n,
        )
    };
    assert_eq!(
        sizes(vec![Size::Count(1), Size::Percent(10), Size::Percent(25)], 40),
        [1, 4, 10, 10, 10, 5]
    );
    assert_eq!(sizes(vec![Size::Percent(10)], 5), [1; 5]);
    assert_eq!(sizes(vec![], 5), [5]);
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

/// The examples of the design.
fn example(name: &str, more: Change) -> (Option<Plan>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let files = Folder::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bind"));
    let read = |path: &str| yaml_source(path, &files.read(path).unwrap());
    let path = format!("runbooks/{name}.yml");
    let runbook = check::checked(&files, &path, &mut diags).unwrap_or_else(|| panic!("{:#?}", said(&diags)));
    let inventory = hosts::read(&read("inventory.yml"), &mut diags).unwrap();
    let policy = policyfile::read(&read("policy.yml"), &mut diags).unwrap();
    let project = project::read(&read("pitstop.yml"), &mut diags).unwrap();
    let signers = read("allowed_signers");
    let input = BindInput {
        runbook: &runbook,
        path: &path,
        inventory: &inventory,
        change: &more,
        policy: Some((&policy, &signers.text)),
        providers: &project.providers,
        notifiers: &project.notifiers,
        files: &files,
    };
    let plan = bind(&input, &mut diags);
    (plan, diags)
}

fn mode(mode: &str) -> Change {
    Change {
        mode: Some(change::flag("--mode", mode)),
        ..Change::default()
    }
}

#[test]
fn the_examples_of_the_design_bind() {
    let ticket = || Change {
        parameters: vec![change::set("ticket=CHG0031337").unwrap()],
        ..Change::default()
    };
    for (name, change, phases) in [
        ("restore-test", Change::default(), "declare restore"),
        ("dr-drill", mode("test"), "rehearse"),
        ("dr-drill", mode("planned"), "fence promote failback"),
        ("dr-drill", mode("disaster"), "declare promote"),
        ("smallest", Change::default(), "restart"),
        ("cluster-restart", Change::default(), "brokers"),
        ("server-check", Change::default(), "checks"),
        ("patch-window", ticket(), "web app"),
    ] {
        let (plan, diags) = example(name, change);
        let plan = plan.unwrap_or_else(|| panic!("{name}: {:#?}", said(&diags)));
        let ids: Vec<_> = plan.phases().map(|p| p.id.as_str()).collect();
        assert_eq!(ids.join(" "), phases, "{name}");
        // What is frozen reads back as what it was, every action included.
        let text = canon::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{name}");
    }
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
    assert_eq!(lacking("smallest"), ["`service` (restart/restart, restart/restart/1)"]);
    assert_eq!(
        lacking("server-check"),
        [
            "`transport: winrm` (app1, app2)",
            "a step for Linux and Windows hosts at once (checks/disk, checks/clock)"
        ]
    );
    assert_eq!(
        lacking("cluster-restart"),
        ["`service` (brokers/restart, brokers/restart/1)", "`silence`"]
    );
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
fn built_in_actions_know_their_way_back() {
    let steps = "    steps:\n      - { id: a, name: A, service: { name: web, state: stopped } }\n      - { id: b, name: B, reboot: { if: always } }\n      - { id: c, name: C, edit: { file: /etc/a, find: x, put: y } }\n      - { id: d, name: D, service: { name: web, enabled: true }, undo: { none: no } }\n";
    let plan = case(one_phase("", steps)).plan();
    let undo: Vec<_> = plan
        .phases()
        .next()
        .unwrap()
        .stages
        .steps
        .iter()
        .map(|s| &s.undo)
        .collect();
    let back = |undo: &PlannedUndo| match undo {
        PlannedUndo::Steps(steps) => steps[0].call.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        back(undo[0]),
        Call::Revert {
            step: "a".into(),
            of: "service".into()
        }
    );
    assert_eq!(*undo[1], PlannedUndo::NotNeeded);
    assert_eq!(
        back(undo[2]),
        Call::Restore {
            step: "c".into(),
            dest: "/etc/a".into()
        }
    );
    assert!(matches!(undo[3], PlannedUndo::None(why) if why == "no"));
}

/// What a step is judged by, fed with or counted as belongs to it, and not to its way back.
#[test]
fn the_way_back_of_an_action_takes_over_where_and_as_whom_and_nothing_else() {
    let step = "{ id: c, name: C, when: 'host.name != \"x\"', edit: { file: /etc/a, find: x, put: y }, become: true, \
                timeout: 7s, retry: { attempts: 3 }, register: r, expect: 'rc == 0', warn_unless: 'true', \
                may_fail: whatever, mark: came, mark_start: went }";
    let plan = case(one_phase(
        "objectives: { quick: { from: went, to: came, max: 10m } }",
        &format!("    steps:\n      - {step}\n"),
    ))
    .plan();
    let forward = &plan.phase("p").unwrap().stages.steps[0];
    let PlannedUndo::Steps(undo) = &forward.undo else {
        panic!("{:?}", forward.undo)
    };
    let [back] = undo.as_slice() else { panic!("{undo:?}") };
    assert_eq!(back.name, "Put back what was at /etc/a");
    assert_eq!((back.become_user.as_deref(), back.timeout_ms), (Some("root"), 7000));
    assert_eq!((back.retry.attempts, back.undo.clone()), (1, PlannedUndo::NotNeeded));
    assert!(forward.when.is_some() && back.when.is_none());
    assert!(forward.expect.is_some() && back.expect.is_none());
    assert!(forward.warn_unless.is_some() && back.warn_unless.is_none());
    assert!(forward.register.is_some() && back.register.is_none());
    assert!(forward.may_fail.is_some() && back.may_fail.is_none());
    assert!(forward.mark.is_some() && back.mark.is_none());
    assert!(forward.mark_start.is_some() && back.mark_start.is_none());
}

#[test]
fn what_a_gate_shows_is_the_step_of_its_own_phase_or_of_the_one_that_is_named() {
    let phase = |id: &str, more: &str, step: &str| {
        format!(
            "  - {{ phase: {id}, title: T, targets: lb, {more} on_failure: hold, steps: [{{ {step} name: S, run: 'true', undo: {{ none: x }} }}] }}\n"
        )
    };
    let c = |show: &str| {
        let gate = format!("  - {{ gate: g, title: G, need: 1, approvers: [cm], show: [{show}] }}\n");
        let text = one_phase("modes: [trial, real]", HOLD)
            + &phase("q", "", "id: s,")
            + &phase("r", "only_in: [trial],", "id: only,")
            + &phase("u", "", "")
            + &gate;
        case(text).policy("").change("mode: real")
    };
    let shown = |c: Case| {
        let plan = c.plan();
        plan.items
            .iter()
            .find_map(|i| match i {
                PlanItem::Gate(gate) => Some(gate.show.clone()),
                PlanItem::Phase(_) => None,
            })
            .unwrap()
    };
    assert_eq!(shown(c("q/s, p/s")), ["q/s", "p/s"]);
    assert_eq!(shown(c("only")), [""; 0], "of another mode");
    let limited = c("q/s, p/s").change("mode: real\nlimit: host=web1");
    assert_eq!(shown(limited), ["p/s"], "no host of the other phase is left");
    let left = c("q/s, p/s").change("mode: real\nskip: { q: done by hand }");
    assert_eq!(shown(left), ["p/s"], "the other phase is left out");
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
fn a_drill_in_test_mode_touches_only_the_copy() {
    let (plan, _) = example("dr-drill", mode("test"));
    let hosts: Vec<_> = plan.unwrap().hosts.iter().map(|h| h.name.to_string()).collect();
    assert_eq!(hosts, ["orders-copy"]);
}

#[test]
fn a_gate_of_another_mode_is_not_asked() {
    let gate = "  - { gate: g, title: G, need: 1, approvers: [cm], only_in: [test] }\n";
    let c = case(one_phase("modes: [test, real]", HOLD) + gate).policy("");
    let gates = |mode: &str| {
        let plan = c.clone().change(&format!("mode: {mode}")).plan();
        plan.items.iter().filter(|i| matches!(i, PlanItem::Gate(_))).count()
    };
    assert_eq!((gates("test"), gates("real")), (1, 0));
}

#[test]
fn undo_steps_are_held_to_the_policy_like_those_they_take_back() {
    let with = |undo: &str| {
        let steps = format!("    steps: [{{ id: s, name: S, run: 'true', undo: [{{ name: U, {undo} }}] }}]\n");
        case(one_phase("", &steps))
    };
    let (_, diags) = with("run: 'true', delegate_to: controller").policy("").bind();
    let places: Vec<_> = diags.0.iter().map(|d| (d.code, d.labels[0].span.text())).collect();
    assert_eq!(places, [("PS0645", "run")]);
    assert_eq!(diags.0[0].message, "the step `U` runs a command on this machine");
    let long = with("run: 'true', timeout: 3h").policy("limits: { timeout: 2h }\n");
    let (_, diags) = long.bind();
    let places: Vec<_> = diags.0.iter().map(|d| (d.code, d.labels[0].span.text())).collect();
    assert_eq!(places, [("PS0646", "run")]);
    let elsewhere = with("run: 'true', delegate_to: lb");
    assert_eq!(elsewhere.policy("require_change: [role=lb]\n").codes(), ["PS0643"]);
}

#[test]
fn a_user_that_nobody_becomes_holds_no_plan_up() {
    let lacking = |host: fn(&mut PlannedHost), user: Option<&str>| {
        let mut plan = case(one_phase("", HOLD)).plan();
        host(&mut plan.hosts[0]);
        let PlanItem::Phase(phase) = &mut plan.items[0] else {
            panic!()
        };
        phase.stages.steps[0].become_user = user.map(str::to_owned);
        let found = crate::plan::lacking::lacking(&plan);
        found.iter().map(|l| l.shown()).collect::<Vec<_>>()
    };
    let nothing = [""; 0];
    let user: fn(&mut PlannedHost) = |h| h.become_user = Some("admin".to_owned());
    assert_eq!(lacking(user, Some("root")), ["`become: { user: … }` of a host (web1)"]);
    assert_eq!(lacking(user, Some("db")), nothing);
    assert_eq!(lacking(user, None), nothing);
    assert_eq!(lacking(|_| {}, Some("root")), nothing);
    let exact: fn(&mut PlannedHost) = |h| h.become_exact = true;
    assert_eq!(
        lacking(exact, Some("root")),
        ["`become: { exact: true }` of a host (web1)"]
    );
    assert_eq!(
        lacking(exact, Some("db")),
        ["`become: { exact: true }` of a host (web1)"]
    );
    assert_eq!(lacking(exact, None), nothing);
    assert_eq!(lacking(|h| h.os = "windows".to_owned(), None), ["`os: windows` (web1)"]);
}

#[test]
fn what_is_expected_is_the_middle_of_the_runs_that_were_done() {
    let past = |verdict: &str, ms: u64| PastRun {
        run: String::new(),
        verdict: verdict.to_owned(),
        duration_ms: ms,
        phases: [("p".to_owned(), ms + 1)].into(),
        hosts: [("p".to_owned(), ms + 2)].into(),
        steps: [("p/s".to_owned(), ms + 3)].into(),
    };
    let history = [
        past("done", 900),
        past("stuck", 5000),
        past("done", 100),
        past("done", 300),
    ];
    assert_eq!(estimate::expected(&history), Some((3, 300)));
    assert_eq!(estimate::expected_phase(&history, "p"), Some(301));
    assert_eq!(estimate::expected_phase(&history, "q"), None);
    assert_eq!(estimate::expected_step(&history, "p/s"), Some(303));
    assert_eq!(
        estimate::slowest_hosts(&history)["p"],
        5002,
        "also of a run that got stuck"
    );
    assert_eq!(estimate::expected(&history[1..2]), None);
}

#[test]
fn hosts_of_a_batch_start_in_rounds_of_as_many_as_run_at_once() {
    let rounds = |batches: Vec<Size>, parallel: u32| {
        let mut plan = case(one_phase("", HOLD)).plan();
        let PlanItem::Phase(phase) = &mut plan.items[0] else {
            panic!()
        };
        (phase.rollout.batches, phase.rollout.parallel) = (batches, parallel);
        estimate::rounds(phase)
    };
    assert_eq!(rounds(Vec::new(), 3), 1);
    assert_eq!(rounds(Vec::new(), 2), 2);
    assert_eq!(rounds(Vec::new(), 1), 3);
    assert_eq!(rounds(vec![Size::Count(1)], 3), 3);
    assert_eq!(rounds(vec![Size::Count(1), Size::Count(2)], 2), 2);
}

#[test]
fn a_list_takes_its_steps_limit_for_each_item_and_so_does_its_undo() {
    let steps = "    on_failure: hold\n    steps: [{ id: s, name: S, for_each: [a, b, c], run: 'true', timeout: 2s, undo: [{ name: U, run: 'true', timeout: 5s }] }]\n";
    let plan = case(one_phase("", steps)).plan();
    let p = plan.phase("p").unwrap();
    assert_eq!(
        (estimate::step_ms(&p.stages.steps[0]), estimate::undo_ms(p)),
        (6000, 15_000)
    );
    let each = p.stages.steps[0].for_each.as_ref().unwrap();
    assert_eq!((each.most(), each.known(None).map(<[Value]>::len)), (3, Some(3)));
}
