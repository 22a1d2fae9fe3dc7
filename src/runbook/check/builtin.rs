//! Rules of the built-in actions, and what this build only plans.
//!
//! Owns: these rules. Must not: judge what hangs on the hosts: `plan::bind` does.

use super::{At, phase_steps};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::runbook::builtin::{Baseline, BuiltIn, Check};
use crate::runbook::{Action, ONLY_PLANNED, WaitFor};

pub(super) fn check(at: &At<'_>, diags: &mut Diagnostics) {
    let action = &at.step.action;
    for part in action.parts() {
        if let Action::BuiltIn {
            what: BuiltIn::Baseline(Baseline::Diff(step)),
            ..
        } = part
        {
            noted(at, step, diags);
        }
        if let Action::WaitFor {
            what: WaitFor::Port {
                from_controller: true, ..
            },
            ..
        } = part
            && let Some(delegate) = &at.step.delegate_to
        {
            let d = Diagnostic::error(
                "PS0138",
                "`from` and `delegate_to` both say who looks",
                delegate.span.clone(),
                "the control machine looks already",
            );
            diags.push(d.help("delete one of them"));
        }
        let word = part.word();
        if ONLY_PLANNED.contains(&word) {
            diags.push(only_planned(&format!("`{word}`"), &action.span));
        }
        if let Some(check) = checked(part) {
            looked(at, check, diags);
        }
    }
}

/// The check that an action is or waits for.
pub(super) fn checked(action: &Action) -> Option<&Check> {
    match action {
        Action::BuiltIn {
            what: BuiltIn::Check(check),
            ..
        }
        | Action::WaitFor {
            what: WaitFor::Check { check, .. },
            ..
        } => Some(check),
        _ => None,
    }
}

/// What a check needs that its keys alone do not tell.
fn looked(at: &At<'_>, check: &Check, diags: &mut Diagnostics) {
    let span = &at.step.action.span;
    if let Some(what) = check.lacking() {
        diags.push(only_planned(&what, span));
    }
    if let (true, Some(delegate)) = (check.is_from_controller(), &at.step.delegate_to) {
        let d = Diagnostic::error(
            "PS0138",
            "`from` and `delegate_to` both say who looks",
            delegate.span.clone(),
            "the control machine looks already",
        );
        diags.push(d.help("delete one of them"));
    }
    let Some(step) = &check.compare_to else { return };
    if matches!(at.step.action.value, Action::WaitFor { .. }) {
        let d = Diagnostic::error(
            "PS0138",
            "`wait_for` compares with nothing",
            span.clone(),
            "it waits until the check is good",
        );
        diags.push(d.help("delete `compare_to`"));
        return;
    }
    let same = |action: &Action| {
        action
            .parts()
            .into_iter()
            .filter_map(checked)
            .any(|other| other.kind == check.kind)
    };
    let none = format!(
        "write an earlier step of this phase with an `id` and the same `check: {{ {}: … }}`",
        check.kind
    );
    earlier(
        at,
        step,
        same,
        (
            "has not looked at the same",
            "this compares with what an earlier check found",
        ),
        &none,
        diags,
    );
}

/// A part of the language that this build plans and cannot perform.
fn only_planned(what: &str, span: &Span) -> Diagnostic {
    Diagnostic::warning(
        "PS0229",
        format!("this build cannot perform {what} yet"),
        span.clone(),
        "it is checked and planned",
    )
    .help("`run` and `approve` refuse a plan that has it")
}

/// `diff` names an earlier step of the phase that notes something.
fn noted(at: &At<'_>, step: &str, diags: &mut Diagnostics) {
    let notes = |action: &Action| {
        let capture = |part: &&Action| {
            matches!(
                part,
                Action::BuiltIn {
                    what: BuiltIn::Baseline(Baseline::Capture(_)),
                    ..
                }
            )
        };
        action.parts().iter().any(capture)
    };
    let none = "write an earlier step of this phase with an `id` and `baseline: { capture: [packages, services] }`";
    earlier(
        at,
        step,
        notes,
        ("has noted nothing", "this compares with what an earlier step noted"),
        none,
        diags,
    );
}

/// The name of an earlier step of the phase that does such a thing.
fn earlier(
    at: &At<'_>,
    step: &str,
    fits: impl Fn(&Action) -> bool,
    (message, label): (&str, &str),
    none: &str,
    diags: &mut Diagnostics,
) {
    let all = at.phase.map(phase_steps).unwrap_or_default();
    let earlier = all.iter().take_while(|other| !std::ptr::eq(other.step, at.step));
    let known: Vec<&str> = earlier
        .filter(|other| other.step.id_written && fits(&other.step.action))
        .map(|other| other.step.id.value.as_str())
        .collect();
    if known.contains(&step) {
        return;
    }
    let d = Diagnostic::error(
        "PS0228",
        format!("`{step}` {message}"),
        at.step.action.span.clone(),
        label,
    );
    diags.push(super::suggest(d, step, known.iter().copied(), none));
}
