//! What a plan says of its time and of its way back, over the phases of `sample.rs`.

use super::sample::*;
use crate::plan::estimate::{expected, expected_phase, expected_step, slowest_hosts, undo_ms};
use crate::plan::page::PastRun;
use crate::plan::*;

#[test]
fn the_undo_of_a_step_that_is_left_out_takes_no_time() {
    let mut p = full("p", &["h"]).steps(vec![step("a").undo(1), step("b").undo(2)]);
    let each = undo_ms(&p) / 3;
    assert!(each > 0);
    p.stages.steps[1].skip = Some("not tonight".to_owned());
    assert_eq!(undo_ms(&p), each);
}

#[test]
fn a_plan_can_go_back_as_a_whole_by_a_phase_or_by_the_gate_of_a_rollout_that_says_so() {
    let p = |otherwise| full("p", &["h"]).gate(gate("g", otherwise));
    assert!(!one(full("p", &["h"])).can_roll_back_run());
    assert!(one(full("p", &["h"]).on_failure(OnFailure::RollbackRun)).can_roll_back_run());
    assert!(one(p(Otherwise::RollbackRun)).can_roll_back_run());
    assert!(!one(p(Otherwise::Hold)).can_roll_back_run());
}

#[test]
fn what_is_expected_is_the_middle_of_the_former_runs_that_were_done() {
    let former = |verdict: &str, ms: u64| PastRun {
        run: String::new(),
        verdict: verdict.to_owned(),
        duration_ms: ms,
        phases: [("p".to_owned(), ms)].into(),
        hosts: [("p".to_owned(), ms)].into(),
        steps: [("p/s".to_owned(), ms)].into(),
    };
    let all = |times: &[u64]| -> Vec<PastRun> { times.iter().map(|ms| former("done", *ms)).collect() };
    assert_eq!(expected(&[]), None);
    assert_eq!(expected(&all(&[9, 1, 5])), Some((3, 5)));
    assert_eq!(
        expected(&all(&[4, 8, 1, 2])),
        Some((4, 4)),
        "the larger of the two in the middle"
    );
    assert_eq!(expected(&all(&[7, 6, 5, 4, 3])), Some((5, 5)));
    let mut history = all(&[5]);
    history.push(former("stuck", 100));
    assert_eq!(expected(&history), Some((1, 5)));
    assert_eq!(
        (expected_phase(&history, "p"), expected_step(&history, "p/s")),
        (Some(5), Some(5))
    );
    assert_eq!(
        (expected_phase(&history, "q"), expected_step(&history, "p/t")),
        (None, None)
    );
    assert_eq!(slowest_hosts(&history), [("p".to_owned(), 100)].into());
}
