//! What can go wrong, and what can be taken back: the rollback and the risk of the approver's page.
//!
//! Owns: the points of the risk, each with its reason. Must not: hide a step that cannot be taken back.

use super::super::{BuiltIn, Call, Plan, PlannedPhase, PlannedStep, PlannedUndo, Stage};
use super::proven::proven;
use super::words::{count, plain_call};
use super::{Block, Outside, Section, Undone, code};

/// Changing steps with the phase they are in.
pub(super) fn changing(plan: &Plan) -> impl Iterator<Item = (&PlannedPhase, &PlannedStep)> {
    plan.phases()
        .flat_map(|p| p.stages.get(Stage::Steps).iter().map(move |s| (p, s)))
        .filter(|(_, s)| !s.read_only)
}

/// How each changing step is taken back.
pub(super) fn rollback(plan: &Plan, undone: Option<&[Undone]>) -> Section {
    let (mut rows, mut can, mut all) = (Vec::new(), 0, 0);
    let mut line = None;
    for (p, s) in changing(plan) {
        all += 1;
        let how = match &s.undo {
            PlannedUndo::Steps(l)
                if l.iter()
                    .any(|u| matches!(u.call, Call::Restore { .. } | Call::Revert { .. })) =>
            {
                can += 1;
                "automatic: what was found before is put back".to_owned()
            }
            PlannedUndo::Steps(l) => {
                can += 1;
                let names = l.iter().map(|u| u.name.as_str()).collect::<Vec<_>>().join("; ");
                format!("{}: {names}", count(l.len(), "step", "steps"))
            }
            PlannedUndo::CoveredBy(by) => {
                can += 1;
                format!("covered by the undo of {by}")
            }
            PlannedUndo::None(why) => {
                line = line.or_else(|| {
                    Some(format!(
                        "The point of no return is {}/{} ({}): {why}",
                        p.id, s.id, s.name
                    ))
                });
                format!("none: {why}")
            }
            PlannedUndo::NotNeeded => {
                can += 1;
                "not needed".to_owned()
            }
        };
        rows.push(vec![
            code(format!("{}/{}", p.id, s.id)),
            s.name.as_str().into(),
            how.into(),
        ]);
    }
    let mut blocks = Vec::new();
    if all == 0 {
        blocks.push(Block::Text(
            "Nothing is changed, so there is nothing to take back.".to_owned(),
        ));
        return Section::new("Rollback", blocks);
    }
    let cannot: Vec<&str> = changing(plan)
        .filter(|(_, s)| matches!(s.undo, PlannedUndo::None(_)))
        .map(|(_, s)| s.name.as_str())
        .collect();
    let cannot = match cannot.as_slice() {
        [] => ".".to_owned(),
        [one] => format!("; this one cannot: {one}."),
        several => format!("; these cannot: {}.", several.join("; ")),
    };
    blocks.push(Block::Text(format!(
        "{can} of {} can be taken back{cannot}",
        count(all, "changing step", "changing steps")
    )));
    match line {
        Some(l) => blocks.push(Block::Warning(l)),
        None => blocks.push(Block::Text("There is no point of no return.".to_owned())),
    }
    for p in plan
        .phases()
        .filter(|p| p.changes && p.stages.get(Stage::Verify).is_empty())
    {
        blocks.push(Block::Warning(format!(
            "Phase {} has no verify: a rollback there is not proven.",
            p.id
        )));
    }
    blocks.extend(proven(plan, undone));
    blocks.push(Block::table(
        "Undo by step",
        &["Step", "What", "How it is taken back"],
        rows,
    ));
    Section::new("Rollback", blocks)
}

/// Why it is how risky.
pub(super) fn risk(plan: &Plan, outside: &Outside) -> Section {
    let (level, score, mut list) = counted(plan, outside);
    if list.is_empty() {
        list.push("no reason found".to_owned());
    }
    let points = count(usize::try_from(score).unwrap_or(0), "point", "points");
    let text = format!("Counted from the plan: {level}, {points}.");
    Section::new("Risk", vec![Block::Text(text), Block::List(list)])
}

/// The risk by what the plan and its history show: level, points, reasons.
pub(super) fn counted(plan: &Plan, outside: &Outside) -> (&'static str, u32, Vec<String>) {
    let targets = plan.worked_hosts();
    let is_prod = |v: &String| v == "prod" || v == "production";
    let production = plan
        .hosts
        .iter()
        .filter(|h| targets.contains(&h.name) && h.labels.values().any(is_prod))
        .count();
    let none = changing(plan)
        .filter(|(_, s)| matches!(s.undo, PlannedUndo::None(_)))
        .count();
    let unlatched = changing(plan).filter(|(_, s)| unknown_if_cut(&s.call)).count();
    let reboots = changing(plan)
        .filter(|(_, s)| {
            if matches!(s.call, Call::BuiltIn(BuiltIn::Reboot { .. })) {
                return true;
            }
            let (_, text) = plain_call(&s.call, s.params.as_ref().unwrap_or(&plan.params));
            ["reboot", "shutdown", "systemctl kexec"]
                .iter()
                .any(|w| text.contains(w))
        })
        .count();
    let failed = outside.history.iter().take(3).filter(|r| r.verdict != "done").count();
    let changes = plan.changes();
    let points = [
        (
            2,
            changes && production > 0,
            format!("{} in production", count(production, "host", "hosts")),
        ),
        (1, changes && targets.len() >= 10, format!("{} hosts", targets.len())),
        (1, changes && targets.len() >= 100, "a hundred hosts or more".to_owned()),
        (
            3,
            none > 0,
            format!("{} cannot be taken back", count(none, "step", "steps")),
        ),
        (
            1,
            reboots > 0,
            count(reboots, "step restarts its host", "steps restart their hosts"),
        ),
        (
            1,
            unlatched > 0,
            format!("{} would be unknown after a cut", count(unlatched, "step", "steps")),
        ),
        (
            1,
            changes && outside.history.is_empty(),
            "no former run of this runbook is known".to_owned(),
        ),
        (2, failed > 0, format!("{failed} of the last 3 runs did not end done")),
        (1, changes && plan.window.is_none(), "no window".to_owned()),
    ];
    let reasons: Vec<&(u32, bool, String)> = points.iter().filter(|p| p.1).collect();
    let score: u32 = reasons.iter().map(|p| p.0).sum();
    let level = match score {
        0..=1 => "low",
        2..=4 => "moderate",
        5..=7 => "high",
        _ => "very high",
    };
    (
        level,
        score,
        reasons.iter().map(|(n, _, why)| format!("{n}: {why}")).collect(),
    )
}

/// No latch holds these: a cut leaves their end unknown.
pub(super) fn unknown_if_cut(call: &Call) -> bool {
    matches!(call, Call::Http { .. } | Call::Manual { .. })
}
