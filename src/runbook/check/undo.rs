//! Whether what may have to be taken back can be.

use super::{phases, policy_of, rollout_of};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::runbook::{Item, OnFailure, Otherwise, Phase, Runbook, Step, Undo};

pub(super) fn check(runbook: &Runbook, diags: &mut Diagnostics) {
    for phase in phases(runbook) {
        covered(phase, diags);
        if let Some((why, place)) = reached(runbook, phase) {
            missing(phase, &why, &place, diags);
        }
    }
}

/// `covered_by` names an earlier step whose undo always runs when this step's would be owed.
fn covered(phase: &Phase, diags: &mut Diagnostics) {
    let steps = &phase.stages.steps;
    for (n, step) in steps.iter().enumerate() {
        let Undo::CoveredBy(name) = &step.undo else { continue };
        let earlier = steps.get(..n).unwrap_or(&[]);
        let wrong = |label: String| {
            Diagnostic::error(
                "PS0204",
                format!("`{}` cannot cover this step", name.value),
                name.span.clone(),
                label,
            )
        };
        let Some(cover) = earlier.iter().find(|s| s.id_written && s.id.value == name.value) else {
            let later = steps.iter().skip(n).find(|s| s.id_written && s.id.value == name.value);
            diags.push(no_cover(name, earlier, later, step));
            continue;
        };
        if !matches!(cover.undo, Undo::Steps(_)) {
            diags.push(
                wrong("it has no undo steps".to_owned())
                    .also(cover.id.span.clone(), "this step")
                    .help("name the step whose `undo` is a list of steps"),
            );
        } else if cover.read_only {
            diags.push(
                wrong("it changes nothing, and its undo never runs".to_owned())
                    .also(cover.span.clone(), "this step")
                    .help("delete `read_only` there if it does change something, or write an `undo` here"),
            );
        } else if let Some(when) = &cover.when {
            diags.push(
                wrong("it does not always run".to_owned())
                    .also(when.span.clone(), "it runs only if this is true")
                    .help("delete `when` there, or write an `undo` here"),
            );
        } else if let Some(each) = &cover.for_each {
            diags.push(
                wrong("it does not always run".to_owned())
                    .also(each.span.clone(), "its list may be empty")
                    .help("write an `undo` here"),
            );
        } else if !same(&cover.only_in, &step.only_in) {
            diags.push(
                wrong("it belongs to other modes".to_owned())
                    .also(cover.span.clone(), "this step")
                    .help("give both the same `only_in`"),
            );
        }
    }
}

fn no_cover(name: &Spanned<String>, earlier: &[Step], later: Option<&Step>, step: &Step) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0204",
        format!("`{}` cannot cover this step", name.value),
        name.span.clone(),
        "no earlier step of this phase has this id",
    );
    if let Some(later) = later {
        let label = if later.id.span == step.id.span {
            "this is the step itself"
        } else {
            "this step runs later"
        };
        return d
            .also(later.id.span.clone(), label)
            .help("name an earlier step whose undo also takes this one back");
    }
    let known = earlier.iter().filter(|s| s.id_written).map(|s| s.id.value.as_str());
    match nearest(name, known) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help("name an earlier step whose undo also takes this one back, or write an `undo` here"),
    }
}

fn same(a: &[Spanned<String>], b: &[Spanned<String>]) -> bool {
    let sorted = |list: &[Spanned<String>]| {
        let mut names: Vec<String> = list.iter().map(|s| s.value.clone()).collect();
        names.sort_unstable();
        names
    };
    sorted(a) == sorted(b)
}

/// Why a rollback can reach the phase, and where that is written.
fn reached(runbook: &Runbook, phase: &Phase) -> Option<(String, Span)> {
    let (policy, said) = policy_of(runbook, phase);
    match policy {
        OnFailure::RollbackHost if phase.on_failure.is_none() => {
            return Some(("a failed host goes back: nothing else is written".to_owned(), said));
        }
        OnFailure::RollbackHost => return Some(("a failed host goes back".to_owned(), said)),
        OnFailure::RollbackRun => return Some(("a failure takes the run back".to_owned(), said)),
        OnFailure::Hold | OnFailure::Ask => {}
    }
    let at = runbook
        .items
        .iter()
        .position(|item| matches!(item, Item::Phase(p) if std::ptr::eq(&**p, phase)))?;
    runbook.items.iter().skip(at).find_map(|item| match item {
        Item::Phase(later) if !overlap(&phase.only_in, &later.only_in) => None,
        Item::Phase(later) => from_phase(runbook, later),
        Item::Gate(gate) if !overlap(&phase.only_in, &gate.only_in) => None,
        Item::Gate(gate) => (gate.otherwise == Otherwise::RollbackRun)
            .then(|| ("this gate can take the run back".to_owned(), gate.id.span.clone())),
    })
}

/// Whether a phase takes the whole run back, by its policy or its rollout's gate.
fn from_phase(runbook: &Runbook, phase: &Phase) -> Option<(String, Span)> {
    let policy = phase.on_failure.as_ref().filter(|p| p.value == OnFailure::RollbackRun);
    let gate = rollout_of(runbook, phase)
        .and_then(|r| r.gate.as_ref())
        .filter(|g| g.otherwise == Otherwise::RollbackRun);
    policy
        .map(|p| ("a failure here takes the run back".to_owned(), p.span.clone()))
        .or_else(|| gate.map(|g| ("this gate can take the run back".to_owned(), g.span.clone())))
}

/// True if some mode has both.
fn overlap(a: &[Spanned<String>], b: &[Spanned<String>]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|m| b.iter().any(|n| n.value == m.value))
}

fn missing(phase: &Phase, why: &str, place: &Span, diags: &mut Diagnostics) {
    for step in &phase.stages.steps {
        // These know their own way back: the captured file, the text for the person.
        let own = step.action.takes_itself_back();
        if step.read_only || own || !matches!(step.undo, Undo::Unwritten) {
            continue;
        }
        let d = Diagnostic::error(
            "PS0213",
            "a step that changes something has no undo",
            step.span.clone(),
            "how is this taken back?",
        );
        diags.push(
            d.also(place.clone(), why)
                .help("write `undo:` with the steps back, `undo: { covered_by: STEP }`, or `undo: { none: \"the reason\" }`")
                .help("if it changes nothing, write `read_only: true`; if failed hosts shall stay as they are, write `on_failure: hold` in the phase"),
        );
    }
}
