//! Rules of the built-in actions, and what this build only plans.
//!
//! Owns: these rules. Must not: judge what hangs on the hosts: `plan::bind` does.

use super::{At, phase_steps};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::runbook::builtin::{Baseline, BuiltIn};
use crate::runbook::{Action, ONLY_PLANNED, Parse, WaitFor};

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
        if let Action::WaitFor {
            what: WaitFor::Check { .. },
            ..
        } = part
        {
            diags.push(only_planned("`wait_for` with a `check`", &action.span));
        }
    }
    if at.step.parse == Some(Parse::Nagios) {
        diags.push(only_planned("`as: nagios`", &at.step.span));
    }
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
    let all = at.phase.map(phase_steps).unwrap_or_default();
    let earlier = all.iter().take_while(|other| !std::ptr::eq(other.step, at.step));
    let known: Vec<&str> = earlier
        .filter(|other| other.step.id_written && notes(&other.step.action))
        .map(|other| other.step.id.value.as_str())
        .collect();
    if known.contains(&step) {
        return;
    }
    let d = Diagnostic::error(
        "PS0228",
        format!("`{step}` has noted nothing"),
        at.step.action.span.clone(),
        "this compares with what an earlier step noted",
    );
    let none = "write an earlier step of this phase with an `id` and `baseline: { capture: [packages, services] }`";
    diags.push(super::suggest(d, step, known.iter().copied(), none));
}
