//! Silences and messages of a plan, and what of it this build cannot perform.
//!
//! Owns: these sections of the approver's page. Must not: find what is lacking (`plan::lacking` does).

use super::super::Plan;
use super::super::lacking::lacking;
use super::{Block, Cell, Section, code};

/// What this build refuses to run.
pub(super) fn unbuilt(plan: &Plan) -> Option<Section> {
    let lacking = lacking(plan);
    if lacking.is_empty() {
        return None;
    }
    let warning = "This build plans these and cannot perform them: `run` and `approve` refuse the plan.".to_owned();
    let list = lacking.iter().map(super::super::lacking::Lack::shown).collect();
    Some(Section::new(
        "Not in this build",
        vec![Block::Warning(warning), Block::List(list)],
    ))
}

/// What is kept quiet, and who is told of what.
pub(super) fn messages(plan: &Plan) -> Option<Section> {
    let mut blocks = Vec::new();
    let silences: Vec<Vec<Cell>> = plan
        .silences
        .iter()
        .map(|s| {
            let matchers = s.matchers.iter().map(|(name, text)| format!("{name}={text}"));
            let matchers = matchers.collect::<Vec<_>>().join(" ");
            let time = if s.by_host {
                "while that host is worked on"
            } else {
                "for the whole run"
            };
            vec![code(&s.via), code(matchers), time.into()]
        })
        .collect();
    if !silences.is_empty() {
        blocks.push(Block::table(
            "Kept quiet",
            &["Monitoring", "What", "How long"],
            silences,
        ));
    }
    let notices: Vec<Vec<Cell>> = plan
        .notices
        .iter()
        .map(|n| {
            let argv = plan
                .notifiers
                .get(&n.via)
                .map(|argv| argv.join(" "))
                .unwrap_or_default();
            vec![n.events.join(", ").into(), code(&n.via), code(argv)]
        })
        .collect();
    if !notices.is_empty() {
        blocks.push(Block::table("Messages", &["On", "By", "Command"], notices));
    }
    (!blocks.is_empty()).then(|| Section::new("Monitoring and messages", blocks))
}
