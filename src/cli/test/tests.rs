//! A simulated run is the same each time.

use std::path::Path;

use super::*;
use crate::cli::project::ProjectArgs;
use crate::run::event::Event;

/// Everything that a run did, without the random words of approvals.
fn told(ran: &Ran) -> String {
    let events = ran.events.iter().map(|e| {
        let mut e = e.clone();
        if let Event::GateAnswered { answer, .. } = &mut e.event {
            answer.statement.clear();
        }
        format!("{e:?}\n")
    });
    let said = ran.said.iter().map(|s| format!("{s:?}\n"));
    events.chain(said).collect()
}

#[test]
fn two_hundred_runs_go_the_same_way() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let args = ProjectArgs::default();
    let room = project::room(&args, Some(&folder)).unwrap();
    let text = std::fs::read_to_string(folder.join("rolling-restart.test.yml")).unwrap();
    let mut diags = Diagnostics::new();
    let file = testfile::read(&crate::diag::Source::new("t", text), &mut diags).unwrap();
    let shared = Shared::load(&file, &room, &args, &mut diags).unwrap();
    assert!(!diags.has_errors(), "{diags:?}");
    let run = |case: &Case| {
        let plan = shared.plan(case, &mut Diagnostics::new()).unwrap();
        let answers = case.answers.iter().chain(&file.answers).map(answer).collect();
        let script = Script {
            answers,
            ..Script::default()
        };
        told(&case::run(&shared, case, plan, script).unwrap())
    };
    // Several hosts at one time, a gate, a host that fails, a link that is cut, a crash.
    let cases: Vec<&Case> = [0, 2, 8, 9].iter().map(|n| &file.cases[*n]).collect();
    let first: Vec<String> = cases.iter().map(|case| run(case)).collect();
    assert!(
        first.iter().all(|told| told.contains("Ended")),
        "a case did not come to its end"
    );
    for round in 1..=50 {
        for (case, first) in cases.iter().zip(&first) {
            assert_eq!(&run(case), first, "{} in round {round}", case.name.value);
        }
    }
}
