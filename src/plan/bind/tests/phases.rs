//! Phases: rollouts, conditions, delegation, what is left out.

use super::*;
use crate::plan::Items;

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

#[test]
fn a_drill_in_test_mode_touches_only_the_copy() {
    let (plan, _) = example("dr-drill", mode("test"));
    let hosts: Vec<_> = plan.unwrap().hosts.iter().map(|h| h.name.to_string()).collect();
    assert_eq!(hosts, ["orders-copy"]);
}

/// A step of another phase gives its result to hosts that it was done on; which those are only the plan knows.
#[test]
fn a_result_of_another_phase_is_read_by_hosts_that_have_it() {
    let phases = |set: &str, more: &str| {
        one_phase(
            "modes: [test, real]",
            "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true', read_only: true, register: r }]\n",
        ) + &format!(
            "  - {{ phase: q, title: Q, targets: {set}, {more} on_failure: hold, steps: [{{ id: z, name: Z, run: 'true', read_only: true, when: \"r.rc == 0\" }}] }}\n"
        )
    };
    let codes =
        |set: &str, more: &str, change: &str| case(phases(set, more)).change(&format!("mode: real\n{change}")).codes();
    assert_eq!(codes("web", "", ""), [""; 0]);
    assert_eq!(codes("lb", "", ""), ["PS0297"], "no host of q is one of p");
    assert_eq!(codes("lb", "only_in: [test],", ""), [""; 0], "q is of another mode");
    assert_eq!(codes("lb", "", "skip: { q: not now }"), [""; 0], "q is left out");
    assert_eq!(codes("lb", "", "limit: host=web1"), [""; 0], "no host of q is left");
    let left = "skip: { p/s: not now }";
    assert_eq!(codes("web", "", left), ["PS0685"]);
    assert_eq!(
        codes("web", "only_in: [test],", left),
        [""; 0],
        "nobody of this plan reads it"
    );
    assert_eq!(codes("web", "", "skip: { p/s: not now, q: neither }"), [""; 0]);
}

#[test]
fn a_step_that_several_phases_have_is_named_with_its_phase() {
    let again = "  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: s, name: S, run: 'true' }] }\n";
    let skip = |id: &str| {
        case(one_phase("", HOLD) + again)
            .change(&format!("skip: {{ {id}: x }}"))
            .bind()
    };
    let (_, diags) = skip("s");
    assert_eq!(diags.0[0].message, "several phases have a step `s`");
    assert_eq!(diags.0[0].help, ["write `p/s` or `q/s`"]);
    let (plan, _) = skip("q/s");
    assert_eq!(plan.unwrap().skipped.keys().collect::<Vec<_>>(), ["q/s"]);
    let (_, diags) = skip("t");
    assert_eq!(diags.0[0].message, "the runbook has no step or phase `t`");
}

/// What reads no host is the same for all of them, and is planned once.
#[test]
fn a_list_is_kept_by_host_only_where_it_reads_the_host() {
    let with = |list: &str, more: &str| {
        let step = format!(
            "    on_failure: hold\n    steps: [{{ name: S, run: 'echo {{{{ item | sh }}}}', read_only: true, for_each: {list}{more} }}]\n"
        );
        let mut c = case(one_phase("parameters: { l: { type: list, default: [a, b] } }", &step));
        c.inventory = INVENTORY
            .replace("web1: {", "web1: { vars: { l: [c] },")
            .replace("web2: {", "web2: { vars: { l: [] },")
            .replace("web3: {", "web3: { vars: { l: [d, e] },");
        let each = c.plan().phase("p").unwrap().stages.steps[0].for_each.clone();
        match each.unwrap().items {
            Items::Same(items) => format!("all: {}", items.len()),
            Items::ByHost(map) => map
                .iter()
                .map(|(h, items)| format!("{h}: {}", items.len()))
                .collect::<Vec<_>>()
                .join(", "),
            Items::Late(_) => "late".to_owned(),
        }
    };
    assert_eq!(with("'{{ params.l }}'", ""), "all: 2");
    assert_eq!(with("['{{ params.l | length }}x', y, z]", ""), "all: 3");
    assert_eq!(with("'{{ host.vars.l }}'", ""), "web1: 1, web2: 0, web3: 2");
    assert_eq!(with("['{{ host.labels.env }}']", ""), "web1: 1, web2: 1, web3: 1");
    let texts = case(one_phase(
        "parameters: { v: { type: string, default: x } }",
        "    on_failure: hold\n    steps: [{ name: S, run: 'echo {{ item.a | sh }}', read_only: true, for_each: [{ a: '{{ params.v }}', b: ['{{ params.v }}', plain, 'a }} b'] }] }]\n",
    ));
    let each = texts.plan().phase("p").unwrap().stages.steps[0]
        .for_each
        .clone()
        .unwrap();
    let Items::Same(items) = each.items else { panic!() };
    assert_eq!(crate::plan::page::shown(&items[0]), "a: x, b: x, plain, a }} b");
}

#[test]
fn a_host_that_nobody_can_name_so_is_told_what_to_write() {
    let help = |name: &str| {
        let text = one_phase("", HOLD).replace("{ select: \"role=lb\" }", &format!("{{ hosts: [{name}] }}"));
        let (_, diags) = case(text).bind();
        assert_eq!(diags.0[0].code, "PS0610");
        diags.0[0].help[0].clone()
    };
    assert_eq!(help("controller"), "a phase without `targets` runs on the controller");
    assert_eq!(help("web4"), "did you mean `web1`?");
    assert!(help("something-else").starts_with("add it to the inventory"));
}

#[test]
fn a_fault_in_a_selector_is_underlined_where_it_was_written() {
    let under = |select: &str, top: &str| {
        let text = one_phase(top, HOLD).replace("select: \"role=lb\"", &format!("select: \"{select}\""));
        let (_, diags) = case(text).bind();
        (diags.0[0].code, diags.0[0].labels[0].span.text().to_owned())
    };
    assert_eq!(under("role=lb rool=x", ""), ("PS0411", "rool=x".to_owned()));
    let rendered = under(
        "role=lb {{ params.k }}=x",
        "parameters: { k: { type: string, default: rool } }",
    );
    assert_eq!(
        rendered,
        ("PS0411", "\"role=lb {{ params.k }}=x\"".to_owned()),
        "no such place is in the file"
    );
}

#[test]
fn what_the_mode_alone_decides_of_a_phase_is_decided_by_the_plan() {
    let phase = format!("    when: \"run.mode == 'real'\"\n{HOLD}");
    let other = "  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ name: Z, run: 'true' }] }\n";
    let c = case(one_phase("modes: [test, real]", &phase) + other);
    let plan = |mode: &str| c.clone().change(&format!("mode: {mode}")).plan();
    assert!(plan("test").phase("p").is_none());
    assert_eq!(plan("real").phase("p").unwrap().when, None, "nothing is left to ask");
}

#[test]
fn a_list_may_be_the_hosts_of_a_set_and_nothing_else() {
    let step = "    on_failure: hold\n    steps: [{ name: S, run: 'echo {{ item | sh }}', read_only: true, for_each: '{{ targets.lb }}' }]\n";
    let each = case(one_phase("", step)).plan().phase("p").unwrap().stages.steps[0]
        .for_each
        .clone();
    let Items::Same(items) = each.unwrap().items else {
        panic!()
    };
    assert_eq!(items.len(), 2);
}

#[test]
fn an_assert_is_asked_only_where_its_condition_holds() {
    let codes = |when: &str| {
        let phase = format!(
            "    precheck: [{{ id: a, name: A, assert: '1 == 2', when: \"{when}\" }}]\n    on_failure: hold\n    steps: [{{ name: S, run: 'true' }}]\n"
        );
        case(one_phase("", &phase)).codes()
    };
    assert_eq!(codes("host.name == 'web2'"), ["PS0624"]);
    assert_eq!(codes("host.name == 'none'"), [""; 0]);
}

#[test]
fn only_a_step_that_changes_something_is_done_alone() {
    let steps = "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true' }, { id: look, name: L, run: 'true', read_only: true }]\n";
    let only = |id: &str| {
        let mut c = case(one_phase("", steps));
        c.change.only = vec![change::flags::only(&format!("{id}=why"))];
        c.codes()
    };
    assert_eq!(only("p/s"), [""; 0]);
    assert_eq!(only("p/look"), ["PS0692"]);
}
