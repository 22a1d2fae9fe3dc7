//! Gates, and what the policy demands and forbids.

use super::*;

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
fn a_gate_of_another_mode_is_not_asked() {
    let gate = "  - { gate: g, title: G, need: 1, approvers: [cm], only_in: [test] }\n";
    let c = case(one_phase("modes: [test, real]", HOLD) + gate).policy("");
    let gates = |mode: &str| {
        let plan = c.clone().change(&format!("mode: {mode}")).plan();
        plan.items.iter().filter(|i| matches!(i, PlanItem::Gate(_))).count()
    };
    assert_eq!((gates("test"), gates("real")), (1, 0));
}

/// Without a policy only the operator can answer: alone, unsigned, and not another.
#[test]
fn a_gate_without_a_policy_is_the_operators_alone() {
    let codes = |gate: &str| case(one_phase("", HOLD) + &GATE.replace("need: 2, approvers: [cm]", gate)).codes();
    assert_eq!(codes("not_operator: false"), [""; 0]);
    assert_eq!(codes("not_operator: false, need: 1"), [""; 0]);
    for never in [
        "not_operator: true, need: 1, approvers: [cm]",
        "not_operator: false, need: 2, approvers: [cm]",
        "not_operator: false, need: 1, approvers: [cm]",
    ] {
        assert_eq!(codes(never), ["PS0642"], "{never}");
    }
}

#[test]
fn a_gate_of_a_rollout_shows_the_step_of_its_own_phase_first() {
    let other = "  - { phase: q, title: Q, targets: lb, on_failure: hold, precheck: [{ id: s, name: S, run: 'true' }], rollout: r, steps: [{ name: Z, run: 'true' }] }\n";
    let shown = |show: &str| {
        let top = format!(
            "rollouts: {{ r: {{ batches: [1], gate: {{ after_batch: 1, need: 1, approvers: [cm], show: [{show}] }} }} }}"
        );
        let plan = case(one_phase(&top, HOLD) + other).policy("").plan();
        plan.phase("q").unwrap().rollout.gate.clone().unwrap().show
    };
    assert_eq!(shown("s"), ["q/s"], "p has such a step too, and comes first");
    assert_eq!(shown("p/s"), ["p/s"]);
}

/// The change names who approves by `need` or by `approvers`; one of the two is not enough.
#[test]
fn an_approval_that_is_half_named_is_refused() {
    let codes = |change: &str| case(one_phase("", HOLD)).policy("").change(change).codes();
    assert_eq!(codes("need: 1"), ["PS0640"]);
    assert_eq!(codes("approvers: [cm]"), ["PS0640"]);
    assert_eq!(codes("need: 1\napprovers: [cm]"), [""; 0]);
}
