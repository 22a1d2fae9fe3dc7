//! What the gathered facts mean: undo lines, deviations, the close code.
//!
//! Owns: the rules of the close code and of what weighs. Must not: invent a sentence that no fact stands behind.

use super::*;
use std::collections::BTreeSet;

use super::gather::with_item;
use crate::plan::{Plan, PlannedStep, PlannedUndo, Stage};
use crate::run::event::Event;
use crate::run::event::Stamped;
use crate::run::line::item_of;

/// Fills in what follows from the rest.
pub(super) fn judge(plan: &Plan, events: &[Stamped], r: &mut ChangeRecord) {
    r.undo = undo_lines(plan, r);
    deviations(plan, events, r);
    r.outcome.result = close_code(r);
    r.outcome.summary = summary(plan, r);
}

/// Every undo that was owed on a host that turned round or stands, newest step first.
fn undo_lines(plan: &Plan, r: &ChangeRecord) -> Vec<UndoLine> {
    let mut lines = Vec::new();
    let steps = r.by_host();
    for host in &r.hosts {
        let of_host = steps.of(Some(&host.name));
        for hp in host.phases.iter().rev() {
            let stands = matches!(hp.state, Some(HostState::Held | HostState::Broken | HostState::Unknown));
            if hp.turned.is_none() && !stands {
                continue;
            }
            let mine: Vec<&StepRecord> = of_host.iter().copied().filter(|s| s.phase == hp.phase).collect();
            let mut owed: Vec<&StepRecord> = mine.iter().copied().filter(|s| owes(s)).collect();
            owed.sort_by_key(|s| std::cmp::Reverse(s.attempts.first().map(|a| a.started)));
            // Of a delegated set and of a list each place has a line; what takes them back is owed once an item.
            let mut told = BTreeSet::new();
            for s in owed {
                let Some(planned) = plan.step(&hp.phase, Stage::Steps, &s.step) else {
                    continue;
                };
                let at = item_of(planned, Some(&host.name), s.nth);
                if told.insert((s.step.as_str(), at)) {
                    let item = s.item.as_deref().map(|words| (at, words));
                    lines.extend(lines_of(&mine, hp, &host.name, planned, item));
                }
            }
        }
    }
    lines
}

/// Undo is owed from the intent on, unless the step proved that it changed nothing.
fn owes(s: &StepRecord) -> bool {
    s.stage == Stage::Steps && s.changes && !s.attempts.is_empty() && (s.changed || s.outcome != Some(Outcome::Ok))
}

fn lines_of(
    mine: &[&StepRecord],
    hp: &HostPhase,
    host: &HostName,
    planned: &PlannedStep,
    item: Option<(u32, &str)>,
) -> Vec<UndoLine> {
    let line = |step: &str, name: &str, state, reason: String| UndoLine {
        phase: hp.phase.clone(),
        host: host.clone(),
        of: planned.id.clone(),
        step: step.to_owned(),
        name: with_item(name, item.map(|(_, words)| words)),
        state,
        reason,
    };
    match &planned.undo {
        PlannedUndo::NotNeeded => Vec::new(),
        PlannedUndo::CoveredBy(by) => {
            let reason = format!("belongs to the undo of {by}");
            vec![line("", &planned.name, UndoState::Covered, reason)]
        }
        PlannedUndo::None(reason) => vec![line("", &planned.name, UndoState::Impossible, reason.clone())],
        PlannedUndo::Steps(list) => list
            .iter()
            .map(|u| {
                let (state, reason) = became(mine, hp, host, u, item.map(|(at, _)| at));
                line(&u.id, &u.name, state, reason)
            })
            .collect(),
    }
}

/// What became of one undo step, from its last end.
fn became(
    mine: &[&StepRecord],
    hp: &HostPhase,
    host: &HostName,
    undo: &PlannedStep,
    item: Option<u32>,
) -> (UndoState, String) {
    let of_item = |s: &StepRecord| item.is_none_or(|at| item_of(undo, Some(host), s.nth) == at);
    let is_it = |s: &&&StepRecord| s.stage == Stage::Undo && s.step == undo.id && of_item(s);
    let Some(s) = mine.iter().rev().find(is_it) else {
        let why = match hp.state {
            Some(HostState::Held) if hp.turned.is_none() => "the host is held: a person decides",
            Some(HostState::Held) => "the host is held before its undo was done",
            Some(HostState::Broken) => "an undo before it failed",
            Some(HostState::Unknown) => "a step of the host may still run",
            None => "not reached yet",
            Some(_) => "it was not owed any more",
        };
        return (UndoState::NotRun, why.to_owned());
    };
    match s.outcome {
        Some(Outcome::Ok) => (UndoState::Ran, String::new()),
        Some(Outcome::Skipped) => (UndoState::NotRun, s.why.clone()),
        Some(Outcome::Unknown) => (UndoState::Unknown, s.why.clone()),
        Some(_) => (UndoState::Failed, s.why.clone()),
        None => (UndoState::NotRun, "no end was recorded".to_owned()),
    }
}

fn deviations(plan: &Plan, events: &[Stamped], r: &mut ChangeRecord) {
    let mut found = std::mem::take(&mut r.deviations);
    let plain = |code, weighs, at, by: &str, reason: String| Deviation {
        code,
        weighs,
        phase: String::new(),
        host: None,
        step: String::new(),
        at,
        by: by.to_owned(),
        reason,
    };
    for (what, reason) in &plan.skipped {
        let mut d = plain(DeviationCode::StepSkipped, false, None, "", reason.clone());
        d.step.clone_from(what);
        found.push(d);
    }
    for (phase, hosts) in &plan.excluded {
        const SHOWN: usize = 20;
        let names: Vec<&str> = hosts.iter().take(SHOWN).map(HostName::as_str).collect();
        let more = if hosts.len() > SHOWN { ", …" } else { "" };
        let limit = plan.limit.as_deref().unwrap_or_default();
        let reason = format!(
            "the change's limit `{limit}` leaves out {}: {}{more}",
            hosts.len(),
            names.join(", ")
        );
        let mut d = plain(DeviationCode::HostExcluded, false, None, "", reason);
        d.phase.clone_from(phase);
        found.push(d);
    }
    for a in r.approvals.iter().filter(|a| !a.override_.is_empty()) {
        let reason = format!("override of the {}: {}", a.override_, a.comment);
        found.push(plain(DeviationCode::ApprovalEmergency, true, Some(a.at), &a.by, reason));
    }
    for s in &r.steps {
        // Looking again until something is true is what a read-only step with retries is for.
        if s.changes && s.attempts.len() > 1 {
            let reason = format!("{} attempts", s.attempts.len());
            let mut d = plain(
                DeviationCode::StepRetried,
                false,
                s.attempts.get(1).map(|a| a.started),
                "",
                reason,
            );
            d.phase.clone_from(&s.phase);
            d.host.clone_from(&s.host);
            d.step.clone_from(&s.step);
            found.push(d);
        }
    }
    let rehearsed = |e: &Stamped| matches!(e.event, Event::TurnedBack { rehearsed: true, .. });
    let half = events.iter().find(|e| rehearsed(e)).map(|e| e.seq);
    for e in events {
        match &e.event {
            // The second half of a rehearsal is what was planned.
            Event::Turned { own_failure: false, .. } | Event::TurnedBack { .. }
                if half.is_some_and(|half| e.seq >= half) => {}
            Event::Turned { phase, host, why, .. } => {
                let mut d = plain(DeviationCode::RollbackUsed, true, Some(e.at), "", why.clone());
                d.phase.clone_from(phase);
                d.host = Some(host.clone());
                found.push(d);
            }
            Event::TurnedBack { why, .. } => {
                found.push(plain(DeviationCode::RollbackUsed, true, Some(e.at), "", why.clone()));
            }
            Event::Forgiven { obligation, reason, by } => {
                let reason = format!("{obligation} put right by hand: {reason}");
                found.push(plain(DeviationCode::ManualOverride, true, Some(e.at), by, reason));
            }
            _ => {}
        }
    }
    for x in &r.resumptions {
        let how = if x.orderly {
            "after it had stopped in order"
        } else {
            "after it was cut off"
        };
        let back = if x.back { ", only to go back" } else { "" };
        let reason = format!("resumed {how}{back}");
        found.push(plain(DeviationCode::RunResumed, false, Some(x.at), &x.by, reason));
    }
    if let (Some(planned), Some(actual)) = (r.window.planned, r.window.actual)
        && actual.end > planned.end
    {
        let late = crate::plan::page::duration(
            Span {
                start: planned.end,
                end: actual.end,
            }
            .ms(),
        );
        let reason = format!("{late} after the end of the window");
        found.push(plain(DeviationCode::EndedLate, true, Some(actual.end), "", reason));
    }
    let end = r.window.actual.map(|a| a.end);
    for l in &r.left_behind {
        found.push(plain(
            DeviationCode::CleanupIncomplete,
            true,
            end,
            "",
            format!("left behind: {}", l.id),
        ));
    }
    found.sort_by_key(|d| d.at);
    r.deviations = found;
}

/// The close code of the ticket; `None` while the run can go on.
fn close_code(r: &ChangeRecord) -> Option<CloseCode> {
    let touched = r.steps.iter().any(|s| s.changes && !s.attempts.is_empty());
    let restores = matches!(r.kind, Kind::RestoreTest | Kind::DrDrill | Kind::Check);
    let clean = !r.deviations.iter().any(|d| d.weighs);
    let all = |good: fn(HostState) -> bool| r.hosts.iter().all(|h| h.state.is_some_and(good));
    Some(match r.outcome.verdict? {
        Verdict::Waiting => return None,
        Verdict::Stopped if touched => return None,
        Verdict::Stopped => CloseCode::Canceled,
        Verdict::Failed if restores => CloseCode::Unsuccessful,
        Verdict::Failed => CloseCode::Canceled,
        Verdict::RolledBack => CloseCode::Unsuccessful,
        Verdict::Done if r.outcome.exit == Some(0) => {
            if clean && all(|s| s != HostState::Warned) {
                CloseCode::Successful
            } else {
                CloseCode::SuccessfulIssues
            }
        }
        Verdict::Done if restores || r.objectives.iter().all(|o| o.met) => CloseCode::Unsuccessful,
        Verdict::Done => CloseCode::SuccessfulIssues,
        Verdict::Stuck => {
            let some = r
                .hosts
                .iter()
                .any(|h| matches!(h.state, Some(HostState::Ok | HostState::Warned)));
            let back_or_good = all(|s| s.is_good() || matches!(s, HostState::RolledBack));
            if some && back_or_good && r.left_behind.is_empty() {
                CloseCode::SuccessfulIssues
            } else {
                CloseCode::Unsuccessful
            }
        }
    })
}

/// What a dry run found: in every phase the host came to the first change or the end, or at least through the prechecks.
fn dry_summary(plan: &Plan, r: &ChangeRecord) -> String {
    let fine = |s: HostState| s.is_good() || s == HostState::NotStarted;
    let by_host = r.by_host();
    let said_yes = |hp: &HostPhase, host: &HostName, step: &PlannedStep| {
        by_host.of(Some(host)).iter().any(|s| {
            (&s.phase, s.stage, &s.step) == (&hp.phase, Stage::Precheck, &step.id)
                && matches!(s.outcome, Some(Outcome::Ok | Outcome::Skipped))
        })
    };
    let checked = |hp: &HostPhase, host: &HostName| {
        let phase = plan.phase(&hp.phase);
        let steps: Vec<&PlannedStep> = phase
            .iter()
            .flat_map(|p| &p.stages.precheck)
            .filter(|s| !s.once)
            .collect();
        !steps.is_empty() && steps.iter().all(|s| said_yes(hp, host, s))
    };
    let through =
        |hp: &HostPhase, host: &HostName| hp.state.is_some_and(fine) && (hp.ended.is_some() || checked(hp, host));
    let passed = |h: &&HostRecord| !h.phases.is_empty() && h.phases.iter().all(|hp| through(hp, &h.name));
    let (total, good) = (r.hosts.len(), r.hosts.iter().filter(passed).count());
    let hosts = crate::plan::page::count(total, "host", "hosts");
    let of = if good == total {
        hosts
    } else {
        format!("{good} of {hosts}")
    };
    format!("{of} passed the prechecks.")
}

fn summary(plan: &Plan, r: &ChangeRecord) -> String {
    let mut parts = Vec::new();
    let total = r.hosts.len();
    let good = r
        .hosts
        .iter()
        .filter(|h| h.state.is_some_and(HostState::is_good))
        .count();
    let back = |h: &&HostRecord| h.state == Some(HostState::RolledBack);
    if r.rehearsal && r.outcome.verdict == Some(Verdict::Done) && !r.dry {
        let hosts = crate::plan::page::count(r.hosts.iter().filter(back).count(), "host", "hosts");
        return format!("{hosts} went forward and back, each proven good both times.");
    }
    parts.push(if r.dry {
        dry_summary(plan, r)
    } else if total == 1 && good == 1 {
        "The host is good.".to_owned()
    } else {
        format!("{good} of {total} hosts are good.")
    });
    let mut count = |state: HostState, one: &str, many: &str| {
        let n = r.hosts.iter().filter(|h| h.state == Some(state)).count();
        match n {
            0 => {}
            1 => parts.push(format!("1 {one}.")),
            n => parts.push(format!("{n} {many}.")),
        }
    };
    count(HostState::RolledBack, "was rolled back", "were rolled back");
    count(
        HostState::Held,
        "is held and waits for a person",
        "are held and wait for a person",
    );
    count(
        HostState::Broken,
        "is broken: its undo failed",
        "are broken: their undo failed",
    );
    count(HostState::Unknown, "is unknown", "are unknown");
    count(HostState::Failed, "failed", "failed");
    count(
        HostState::Refused,
        "was refused and not touched",
        "were refused and not touched",
    );
    if !r.dry {
        count(HostState::NotStarted, "was not started", "were not started");
    }
    let missed = r.objectives.iter().filter(|o| !o.met).count();
    if missed > 0 && r.outcome.verdict.is_some() {
        parts.push(format!("{missed} of {} objectives missed.", r.objectives.len()));
    }
    parts.join(" ")
}
