//! Parameters, modes, sets and limits: what a change gives and what becomes of it.

use super::*;

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
fn a_parameter_that_is_not_declared_is_told_which_there_are() {
    let help = |top: &str, set: &str| case(one_phase(top, HOLD)).set(set).bind().1.0[0].help[0].clone();
    assert_eq!(help("", "x=1"), "it declares none");
    let declared = "parameters: { ticket: { type: string, default: a }, soak: { type: int, default: 1 } }";
    assert_eq!(help(declared, "tickets=1"), "did you mean `ticket`?");
    assert_eq!(help(declared, "quite_different=1"), "it has: ticket, soak");
}
