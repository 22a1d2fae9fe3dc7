//! Values that only the run knows.

use super::*;

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

/// What a step's own judgement reads beside its own result makes it late; what is fixed does not.
#[test]
fn a_judgement_is_late_by_what_it_reads() {
    let late = |expect: &str| {
        let steps = format!(
            "    precheck: [{{ id: a, name: A, run: 'true', register: r }}]\n    on_failure: hold\n    steps: [{{ id: s, name: S, run: 'true', read_only: true, expect: \"{expect}\" }}]\n"
        );
        case(one_phase("", &steps)).plan().phase("p").unwrap().stages.steps[0].late
    };
    for known in [
        "rc == 0",
        "host.labels.env == stdout",
        "run.id == stdout",
        "run.mode == stdout",
    ] {
        assert!(!late(known), "{known}");
    }
    for of_the_run in ["r.rc == 0", "host.kernel == stdout", "run.held_out | length == 0"] {
        assert!(late(of_the_run), "{of_the_run}");
    }
}
