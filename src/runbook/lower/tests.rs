//! What a text becomes: the default rules and the forms that a value may have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::runbook::{Action, AfterBatch, Become, Delegate, Item, Phase, Retry, RolloutRef, Size, Step, Undo, WaitFor};

struct One(BTreeMap<&'static str, String>);

impl Files for One {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.0
            .get(path)
            .map(|t| t.clone().into_bytes())
            .ok_or(ReadError::Missing)
    }
}

fn good(text: &str) -> Runbook {
    let mut diags = Diagnostics::new();
    let files = One(BTreeMap::from([(
        "t.yml",
        format!("schema: 1\nrunbook: t\ntitle: T\n{text}"),
    )]));
    let runbook = runbook(&files, "t.yml", &mut diags);
    assert!(diags.0.is_empty(), "{:#?}", diags.0);
    runbook.unwrap()
}

fn phase(text: &str) -> Phase {
    let runbook = good(&format!("phases:\n  - phase: p\n    title: P\n{text}"));
    match runbook.items.into_iter().next() {
        Some(Item::Phase(phase)) => *phase,
        other => panic!("{other:?}"),
    }
}

fn step(text: &str) -> Step {
    let lines: String = text.lines().map(|l| format!("        {l}\n")).collect();
    let phase = phase(&format!("    steps:\n      - name: One\n{lines}"));
    phase.stages.steps.into_iter().next().unwrap()
}

#[test]
fn what_is_not_written_has_the_default_of_the_language() {
    let s = step("run: date");
    assert!(s.timeout.is_none() && s.retry.is_none() && s.become_.is_none());
    assert!(!s.read_only && !s.once && !s.fresh && !s.sensitive && !s.id_written);
    assert_eq!(s.id.value, "steps-1");
    assert!(matches!(s.undo, Undo::Unwritten));
    let r = good("phases: [{ gate: g, title: G }]\n");
    let Some(Item::Gate(gate)) = r.items.first() else {
        panic!()
    };
    assert!(gate.not_operator && gate.expires == Duration::from_secs(1800) && gate.need.is_none());
    assert_eq!(
        (r.kind.value, gate.otherwise),
        (Kind::Change, crate::runbook::Otherwise::Hold)
    );
}

#[test]
fn a_step_is_read_only_by_word_by_nature_or_by_its_stage() {
    let cases = [
        ("run: date", false),
        ("run: date\nread_only: true", true),
        ("assert: \"true\"", true),
        ("wait_for: { time: 1s }", true),
        ("download: { src: /x }", true),
        ("http: { url: \"http://x/\" }", true),
        ("http: { url: \"http://x/\", method: HEAD }", true),
        ("http: { url: \"http://x/\", method: POST }", false),
        ("http: { url: \"http://x/\", method: POST }\nread_only: true", true),
        ("upload: { src: a, dest: /a }", false),
        ("manual: Look", false),
    ];
    for (text, expected) in cases {
        assert_eq!(step(text).read_only, expected, "{text}");
    }
    let p = phase(
        "    precheck: [{ name: A, run: a }]\n    drain: [{ name: B, run: b }]\n    verify: [{ name: C, run: c }]\n    steady_state: [{ name: D, run: d }]\n",
    );
    let of = |steps: &[Step]| steps.iter().map(|s| s.read_only).collect::<Vec<_>>();
    assert_eq!(
        [
            of(&p.stages.precheck),
            of(&p.stages.drain),
            of(&p.stages.verify),
            of(&p.steady_state)
        ],
        [[true], [false], [true], [true]]
    );
}

#[test]
fn values_are_read_in_all_their_forms() {
    let s = step(
        "run: [a, \"b c\", 1]\nretry: { attempts: 3, delay: 1m30s, backoff: 1.5 }\nbecome: true\ndelegate_to: { one_of: lb }\nok_codes: [0, 3]\nmark: { name: m, at: \"{{ value }}\" }\nundo: { none: Because }\nenv: { A: 1, B: yes }",
    );
    let Action::Run(crate::runbook::Command::Argv(argv)) = &s.action.value else {
        panic!()
    };
    assert_eq!(
        argv.iter().map(|a| a.value.as_str()).collect::<Vec<_>>(),
        ["a", "b c", "1"]
    );
    assert_eq!(
        s.retry,
        Some(Retry {
            attempts: 3,
            delay_ms: 90_000,
            backoff_percent: 150
        })
    );
    assert_eq!(s.become_, Some(Become::Root));
    assert!(matches!(s.delegate_to.unwrap().value, Delegate::OneOf(set) if set == "lb"));
    assert_eq!(s.ok_codes, [0, 3]);
    assert!(matches!(s.undo, Undo::None(reason) if reason.value == "Because"));
    assert_eq!(
        s.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(),
        [("A", "1"), ("B", "yes")]
    );
    assert_eq!(step("run: a\nbecome: false").become_, Some(Become::No));
    assert_eq!(
        step("run: a\nbecome: app").become_,
        Some(Become::User("app".to_owned()))
    );
    let Action::Upload { mode, .. } = step("upload: { src: a, dest: /a, mode: 0640 }").action.value else {
        panic!()
    };
    assert_eq!(mode, Some(0o640));
    let Action::WaitFor {
        what: WaitFor::Port { port, .. },
        ..
    } = step("wait_for: { port: 80 }").action.value
    else {
        panic!()
    };
    assert_eq!(port.value, "80");
}

#[test]
fn a_rollout_may_be_named_or_stand_in_its_phase() {
    let p = phase(
        "    rollout: { batches: [1, \"10%\", 25%], max_fail: 0, gate: { after_batch: each, not_operator: false } }\n    steps: [{ name: A, run: a }]\n",
    );
    let Some(RolloutRef::Inline(rollout)) = p.rollout else {
        panic!()
    };
    assert_eq!(rollout.batches, [Size::Count(1), Size::Percent(10), Size::Percent(25)]);
    assert_eq!(rollout.max_fail.unwrap().value, Size::Count(0));
    assert_eq!(rollout.gate.unwrap().after_batch, AfterBatch::Each);
}

#[test]
fn undo_steps_get_ids_from_the_step_they_take_back() {
    let s = step("id: stop\nrun: a\nundo:\n  - name: B\n    run: b\n  - { id: c, name: C, run: c }");
    let Undo::Steps(undo) = s.undo else { panic!() };
    assert_eq!(
        undo.iter().map(|u| u.id.value.as_str()).collect::<Vec<_>>(),
        ["stop-undo-1", "c"]
    );
}

#[test]
fn typed_text_and_typed_nodes_agree() {
    use crate::runbook::{ParamType, Value};
    let of = |t: &str, kind| typed_text(t, kind);
    assert_eq!(of("5", ParamType::Int), Some(Value::Int(5)));
    assert_eq!(of("true", ParamType::Bool), Some(Value::Bool(true)));
    assert_eq!(of("yes", ParamType::Bool), None);
    assert_eq!(
        of("10m", ParamType::Duration),
        Some(Value::Duration { duration_ms: 600_000 })
    );
    assert_eq!(
        of("a, b", ParamType::List),
        Some(Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]))
    );
    assert_eq!(of("NaN", ParamType::Number), None);
    let r = good(
        "parameters:\n  d: { type: duration, default: 10m }\n  s: { type: string, default: yes }\nphases: [{ gate: g, title: G }]\n",
    );
    assert_eq!(
        r.parameters[0].default.as_ref().unwrap().value,
        Value::Duration { duration_ms: 600_000 }
    );
    assert_eq!(
        r.parameters[1].default.as_ref().unwrap().value,
        Value::Text("yes".into())
    );
}
