//! May this plan start (or this run go on) now? Everything that is answered with exit 6.
//!
//! Owns: approvals of a plan, overrides, the window, operator and terminal. Must not: count by itself (`engine::gate` does), or
//! start anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::approval::{self, Override, Requirement as Asked, Subject, Wanted};
use crate::engine::gate;
use crate::id::Digest;
use crate::key::AllowedSigners;
use crate::plan::lacking::{Lack, lacking};
use crate::plan::page::day;
use crate::plan::{Call, Plan, PlanItem, PlannedGate, PlannedUndo, Requirement};
use crate::run::event::Answer;
use crate::window::{Close, Freeze, State, Window};

use super::console::Console;
use super::problem::Problem;

/// Every gate of a plan, those of rollouts included.
pub fn gates(plan: &Plan) -> impl Iterator<Item = &PlannedGate> {
    plan.items.iter().filter_map(|item| match item {
        PlanItem::Gate(gate) => Some(gate),
        PlanItem::Phase(phase) => phase.rollout.gate.as_ref(),
    })
}

/// A plan that holds what this build cannot perform neither starts nor is approved.
///
/// # Errors
/// When it holds such a thing.
pub fn performable(plan: &Plan) -> Result<(), Problem> {
    let lacking = lacking(plan);
    let Some(first) = lacking.first() else { return Ok(()) };
    let problem = Problem::wrong(
        format!("this build cannot perform {}", first.shown()),
        "nothing was contacted: the plan can be read and checked, not run",
    );
    let also = |problem: Problem, lack: &Lack| problem.also(format!("nor can it perform {}", lack.shown()));
    Err(lacking.iter().skip(1).fold(problem, also))
}

/// A plan with a gate that its operator may not pass does not start without a named operator.
///
/// # Errors
/// When nobody is named.
pub fn operator(plan: &Plan, console: &Console) -> Result<(), Problem> {
    let of_plan = plan
        .approval
        .as_ref()
        .is_some_and(|r| r.not_operator && !r.approvers.is_empty());
    let of_gate = gates(plan).any(|g| g.requirement.not_operator && !g.requirement.approvers.is_empty());
    if (of_plan || of_gate) && console.operator_named().is_none() {
        return Err(Problem::refused(
            "somebody else than the operator must approve, and no operator is named",
            "say who you are, as policy.yml does: --operator you@example.com, or PITSTOP_OPERATOR",
        ));
    }
    Ok(())
}

/// What needs a person at a terminal is refused without one.
///
/// # Errors
/// When there is none.
pub fn terminal(plan: &Plan, console: &Console) -> Result<(), Problem> {
    let manual = |s: &crate::plan::PlannedStep| {
        let undo = match &s.undo {
            PlannedUndo::Steps(steps) => steps.iter().any(|u| matches!(u.call, Call::Manual { .. })),
            _ => false,
        };
        undo || matches!(s.call, Call::Manual { .. })
    };
    let stages = |p: &crate::plan::PlannedPhase| p.stages.each().into_iter().flat_map(|(_, s)| s).any(manual);
    if !console.terminal() && plan.phases().any(stages) {
        return Err(Problem::refused(
            "the plan has steps that a person does, and there is no terminal",
            "run it on a terminal",
        ));
    }
    Ok(())
}

/// The approvals that let a plan start.
///
/// # Errors
/// When somebody is missing, or said no.
pub fn approved(
    plan: &Plan,
    digest: &Digest,
    folders: &[PathBuf],
    file: Option<&Path>,
    console: &Console,
) -> Result<Vec<Answer>, Problem> {
    let Some(requirement) = &plan.approval else {
        return Ok(Vec::new());
    };
    if requirement.approvers.is_empty() {
        return typed(plan, console);
    }
    let operators = vec![console.operator()];
    let now = Timestamp::now();
    let tally = gate::count(
        plan,
        digest,
        &Subject::Plan,
        requirement,
        operators,
        folders,
        &BTreeSet::new(),
        now,
    );
    let ignored = |problem: Problem| {
        let add =
            |p: Problem, (file, why): &(PathBuf, String)| p.also(format!("{} does not count: {why}", file.display()));
        tally.ignored.iter().fold(problem, add)
    };
    if let Some(no) = tally.rejected_by.first() {
        let who = &no.statement.principal;
        return Err(ignored(Problem::refused(
            format!("{who} rejected this plan: {}", no.statement.comment),
            "make another plan: pitstop plan RUNBOOK|CHANGE -o FILE",
        )));
    }
    if tally.missing > 0 {
        let help = match file {
            Some(file) => format!("pitstop approve {} --key ~/.ssh/id_ed25519", file.display()),
            None => "store the plan, have it approved, run it: pitstop plan RUNBOOK|CHANGE -o plan.json; pitstop approve plan.json --key FILE; pitstop run plan.json".to_owned(),
        };
        let what = format!(
            "the plan {} needs {}",
            digest.short(),
            missing(requirement, tally.missing)
        );
        return Err(ignored(Problem::refused(what, help)));
    }
    Ok(tally.approved_by.iter().map(gate::answer).collect())
}

/// True if a plan's approval is a matter of signatures, which can be counted again; not of a question that was answered.
pub fn signed(plan: &Plan) -> bool {
    plan.approval.as_ref().is_some_and(|r| !r.approvers.is_empty())
}

/// `2 more approvals out of cm, leads`.
pub fn missing(requirement: &Requirement, count: u32) -> String {
    let more = if count == 1 {
        "1 more approval"
    } else {
        &format!("{count} more approvals")
    };
    format!("{more} out of {}", requirement.approvers.join(", "))
}

/// Without a policy the operator's own word is all there is.
fn typed(plan: &Plan, console: &Console) -> Result<Vec<Answer>, Problem> {
    if !console.terminal() {
        return Err(Problem::refused(
            "the plan must be approved, and there is neither a policy nor a terminal",
            "write policy.yml with `approvers` and `allowed_signers`, or run it on a terminal",
        ));
    }
    let question = format!("Type `{}` to approve the plan (recorded as unsigned): ", plan.runbook);
    if super::person::ask(&console.screen, &question).as_deref() != Some(plan.runbook.as_str()) {
        return Err(Problem::refused(
            "the plan was not approved",
            "run it again and type its name",
        ));
    }
    Ok(vec![Answer {
        decision: "approve".to_owned(),
        principal: console.operator(),
        ..Answer::default()
    }])
}

/// Is the window open for a start, and no freeze on? Gives how long to wait, which is more than nothing only with `wait`.
///
/// # Errors
/// When it is not open, and waiting is not wished or no help.
pub fn start_in_window(plan: &Plan, freezes: &[Freeze], wait: bool, now: Timestamp) -> Result<Duration, Problem> {
    let planned = plan.window.as_ref();
    let window = Window {
        start: planned.and_then(|w| w.start).unwrap_or(now),
        duration_ms: planned.map(|w| w.duration_ms),
        cutoff_ms: planned.map_or(0, |w| w.cutoff_ms),
        freezes,
    };
    let zone = plan.zone();
    const ANOTHER: &str = "plan it for another window: pitstop plan RUNBOOK|CHANGE --start TIME";
    let opens = match window.state_at(now) {
        State::Open(_) => return Ok(Duration::ZERO),
        State::CutOff(Close { freeze: Some(f), .. }) | State::Closed(Close { freeze: Some(f), .. }) => {
            return Err(frozen(
                plan,
                &format!("began {} and ended the window", day(f.from, zone)),
                f,
            ));
        }
        State::Closed(Close { at, .. }) => {
            let what = format!("the window of the plan is over since {}", day(at, zone));
            return Err(Problem::refused(what, ANOTHER));
        }
        State::CutOff(Close { at, .. }) => {
            let what = format!(
                "the window of the plan takes no further host; it ends {}",
                day(at, zone)
            );
            return Err(Problem::refused(what, ANOTHER));
        }
        State::NotYet { opens: Some(opens), .. } if wait => opens,
        State::NotYet { freeze: Some(f), .. } => {
            return Err(frozen(plan, &format!("lasts until {}", day(f.to, zone)), f));
        }
        State::NotYet { opens, .. } => {
            return Err(Problem::refused(
                format!(
                    "the window of the plan opens {}",
                    day(opens.unwrap_or(window.start), zone)
                ),
                "run it then, or wait for it: pitstop run … --wait",
            ));
        }
    };
    Ok(Duration::try_from(opens.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Nothing starts in a freeze, unless somebody who may says so.
fn frozen(plan: &Plan, when: &str, freeze: &Freeze) -> Problem {
    let what = crate::text::terminal_line(&freeze.what);
    let calendar = crate::text::terminal_line(&freeze.calendar);
    let problem = Problem::refused(
        format!("the freeze \"{what}\" ({calendar}) {when}"),
        "run it after the freeze, or plan it for another window: pitstop plan RUNBOOK|CHANGE --start TIME",
    );
    if plan.policy.is_none() {
        return problem.also("a freeze is set aside by a signature, and without policy.yml nobody's counts");
    }
    problem.also("or let someone who may set it aside: pitstop approve PLAN --override freeze --comment WHY --key FILE")
}

/// Signed overrides of the window or a freeze; anybody of any group of the policy but its operators may give one.
pub fn overrides(
    plan: &Plan,
    digest: &Digest,
    subject: &Subject,
    operators: Vec<String>,
    folders: &[PathBuf],
    rule: Override,
) -> Vec<Answer> {
    let Some(policy) = &plan.policy else {
        return Vec::new();
    };
    let (allowed, _) = AllowedSigners::parse(&policy.allowed_signers, "allowed_signers");
    let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let (found, _) = approval::scan(&paths);
    let wanted = Wanted {
        plan: digest,
        subject,
        overrides: Some(rule),
        until: None,
    };
    let now = Timestamp::now();
    let votes: Vec<approval::Vote> = found
        .iter()
        .filter_map(|a| a.judge(&wanted, &allowed, now).ok())
        .collect();
    let asked = Asked {
        need: 1,
        approvers: policy.approvers.keys().cloned().collect(),
        not_operator: true,
        operators,
    };
    let tally = approval::count(&asked, &policy.approvers, &votes, &BTreeSet::new());
    if !tally.passed() {
        return Vec::new();
    }
    let answer = |vote: &approval::Vote| Answer {
        override_: rule.as_str().to_owned(),
        ..gate::answer(vote)
    };
    tally.approved_by.iter().map(answer).collect()
}
