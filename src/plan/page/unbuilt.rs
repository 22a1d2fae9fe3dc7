//! Silences and messages of a plan, what of it this build cannot perform, and which former run stands in its way.
//!
//! Owns: these sections of the approver's page. Must not: find what is lacking (`plan::lacking` does).

use super::super::lacking::lacking;
use super::super::{Plan, PlannedNotifier};
use super::{Block, Cell, Former, Section, code, duration};

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

/// Former drills that were not cleaned up: `run` refuses the plan until they are.
pub(super) fn in_the_way(former: &[Former]) -> Option<Section> {
    let mut blocks = Vec::new();
    for one in former {
        blocks.push(Block::Warning(format!(
            "{}. Until then this plan does not start.",
            one.what
        )));
        let lines = one.owes.iter().chain(&one.ways).cloned().collect();
        blocks.push(Block::List(lines));
    }
    (!blocks.is_empty()).then(|| Section::new("A former run stands in the way", blocks))
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
            let through = plan.silencers.get(&s.via);
            let url = through.map(|t| t.alertmanager.as_str()).unwrap_or_default();
            let renewed = through.map_or(String::new(), |t| format!("; {} at a time", duration(t.for_ms)));
            vec![
                code(&s.via),
                code(url),
                code(matchers),
                format!("{time}{renewed}").into(),
            ]
        })
        .collect();
    if !silences.is_empty() {
        blocks.push(Block::table(
            "Kept quiet",
            &["Monitoring", "Alertmanager", "What", "How long"],
            silences,
        ));
    }
    let notices: Vec<Vec<Cell>> = plan
        .notices
        .iter()
        .map(|n| {
            let to = plan.notifiers.get(&n.via).map(notifier).unwrap_or_default();
            vec![n.events.join(", ").into(), code(&n.via), code(to)]
        })
        .collect();
    if !notices.is_empty() {
        blocks.push(Block::table("Messages", &["On", "By", "To"], notices));
    }
    (!blocks.is_empty()).then(|| Section::new("Monitoring and messages", blocks))
}

/// Where a message goes: a command, or an address.
fn notifier(through: &PlannedNotifier) -> String {
    match through {
        PlannedNotifier::Command(argv) => argv.join(" "),
        PlannedNotifier::Hook(hook) => match (&hook.url, &hook.secret) {
            (Some(url), _) => format!("{} {url}", hook.hook.as_str()),
            (None, secret) => format!(
                "{} (secret {})",
                hook.hook.as_str(),
                secret.as_deref().unwrap_or_default()
            ),
        },
    }
}
