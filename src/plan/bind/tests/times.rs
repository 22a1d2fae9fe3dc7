//! Limits and expected times of phases.

use super::*;

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
