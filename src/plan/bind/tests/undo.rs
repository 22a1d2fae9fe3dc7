//! Ways back: of uploads, of built-in actions, of undo steps themselves.

use super::*;

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
fn the_way_back_of_an_action_is_fed_with_nothing_and_done_once() {
    let step = "{ id: c, name: C, run: 'true', as: json, evidence: [/var/log/x], env: { A: b }, stdin: in }";
    let plan = case(one_phase(
        "",
        &format!("    on_failure: hold\n    steps:\n      - {step}\n"),
    ))
    .plan();
    let mut forward = plan.phase("p").unwrap().stages.steps[0].clone();
    forward.call = Call::Upload {
        src: "x".to_owned(),
        dest: "/x".to_owned(),
        mode: None,
        owner: None,
        template: false,
        validate: None,
    };
    forward.for_each = Some(crate::plan::PlannedEach {
        items: crate::plan::Items::Same(vec![]),
        max_items: 1,
    });
    forward.skip = Some("x".to_owned());
    forward.undo = PlannedUndo::None("x".to_owned());
    let back::Way::Step(way) = back::of(&forward) else {
        panic!()
    };
    assert!(forward.parse.is_some() && way.parse.is_none());
    assert!(way.for_each.is_none() && way.skip.is_none());
    assert!(!forward.evidence.is_empty() && way.evidence.is_empty());
    assert!(!forward.env.is_empty() && way.env.is_empty());
    assert!(forward.stdin.is_some() && way.stdin.is_none());
    assert_eq!(way.undo, PlannedUndo::NotNeeded);
}

/// Each side of a step for both systems has its own way back, or needs none.
#[test]
fn a_step_for_both_systems_goes_back_on_each() {
    let undo = |linux: &str, windows: &str| {
        let steps = format!(
            "    on_failure: hold\n    steps: [{{ id: s, name: S, linux: {{ {linux} }}, windows: {{ {windows} }} }}]\n"
        );
        let mut c = case(one_phase("", &steps));
        c.inventory = INVENTORY.replace("web1: {", "web1: { os: windows,");
        let (plan, diags) = c.bind();
        let plan = plan.unwrap_or_else(|| panic!("{:?}", said(&diags)));
        match &plan.phase("p").unwrap().stages.steps[0].undo {
            PlannedUndo::NotNeeded => "not needed".to_owned(),
            PlannedUndo::Steps(list) => {
                let Call::ByOs { linux, windows } = &list[0].call else {
                    panic!()
                };
                let word = |side: &Option<Box<Call>>| side.as_ref().map_or("-".to_owned(), |c| c.word().to_owned());
                format!("{} {}", word(linux), word(windows))
            }
            other => format!("{other:?}"),
        }
    };
    let (service, edit, reboot) = (
        "service: { name: x, state: restarted }",
        "edit: { file: /a, find: x, put: y }",
        "reboot: { if: always }",
    );
    assert_eq!(undo(reboot, reboot), "not needed");
    assert_eq!(undo(service, service), "service service");
    assert_eq!(undo(edit, reboot), "upload -");
    assert_eq!(undo(reboot, service), "- service");
}

#[test]
fn what_a_person_did_by_hand_is_taken_back_by_hand() {
    let steps = "    on_failure: hold\n    steps: [{ id: s, name: Move the cable, manual: Move it, timeout: 1h }]\n";
    let plan = case(one_phase("", steps)).plan();
    let PlannedUndo::Steps(undo) = &plan.phase("p").unwrap().stages.steps[0].undo else {
        panic!()
    };
    assert_eq!(undo[0].name, "Take back by hand: Move the cable");
}

#[test]
fn an_undo_step_has_no_way_back_of_its_own() {
    let steps = "    on_failure: hold\n    steps: [{ id: s, name: S, run: 'true', undo: [{ name: U, edit: { file: /etc/a, find: x, put: y } }] }]\n";
    let plan = case(one_phase("", steps)).plan();
    let PlannedUndo::Steps(undo) = &plan.phase("p").unwrap().stages.steps[0].undo else {
        panic!()
    };
    assert_eq!(undo[0].undo, PlannedUndo::NotNeeded);
}
