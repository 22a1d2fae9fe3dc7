//! Names: well formed, used once, and those that are used exist.

use std::collections::HashMap;

use super::{phase_steps, phases, rollout_of, steps, suggest};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::{Delegate, Gate, Item, Phase, Rollout, RolloutRef, Runbook, Step};

/// Names that expressions have already.
const RESERVED: &[&str] = &[
    "params", "secrets", "targets", "host", "run", "marks", "item", "results", "true", "false", "none", "not", "and",
    "or", "in", "is",
];

pub(super) fn check(runbook: &Runbook, diags: &mut Diagnostics) {
    declared(runbook, diags);
    items(runbook, diags);
    unique(
        runbook.steady_state.iter().map(|s| &s.id),
        "steady_state has the step",
        diags,
    );
    for phase in phases(runbook) {
        let all = phase_steps(phase);
        unique(all.iter().map(|at| &at.step.id), "the phase has the step", diags);
        let registers = all.iter().filter_map(|at| at.step.register.as_ref());
        unique(registers, "the phase registers", diags);
    }
    for at in steps(runbook) {
        step(at.step, diags);
        modes(runbook, &at.step.only_in, diags);
        if let Some(delegate) = &at.step.delegate_to
            && let Delegate::OneOf(set) = &delegate.value
        {
            let set = Spanned::new(set.clone(), delegate.span.clone());
            exists(&set, "set of targets", runbook.targets.iter().map(|t| &t.name), diags);
        }
    }
}

fn declared(runbook: &Runbook, diags: &mut Diagnostics) {
    unique(runbook.modes.iter(), "`modes` has", diags);
    let words = runbook
        .parameters
        .iter()
        .map(|p| &p.name)
        .chain(runbook.secrets.iter().map(|s| &s.name));
    let words = words
        .chain(runbook.targets.iter().map(|t| &t.name))
        .chain(runbook.objectives.iter().map(|o| &o.name));
    words.for_each(|name| identifier(name, diags));
    let ids = runbook
        .modes
        .iter()
        .chain(runbook.rollouts.iter().map(|r| &r.name))
        .chain([&runbook.id]);
    ids.for_each(|name| id(name, diags));
}

fn items(runbook: &Runbook, diags: &mut Diagnostics) {
    let ids = runbook.items.iter().map(|item| match item {
        Item::Phase(phase) => &phase.id,
        Item::Gate(gate) => &gate.id,
    });
    ids.clone().for_each(|name| id(name, diags));
    unique(ids, "the runbook has the phase or gate", diags);
    for (n, item) in runbook.items.iter().enumerate() {
        match item {
            Item::Phase(phase) => of_phase(runbook, phase, diags),
            Item::Gate(gate) => {
                modes(runbook, &gate.only_in, diags);
                let earlier = runbook.items.get(..n).unwrap_or(&[]);
                shown(
                    gate,
                    &earlier.iter().filter_map(as_phase).collect::<Vec<_>>(),
                    None,
                    diags,
                );
            }
        }
    }
}

fn as_phase(item: &Item) -> Option<&Phase> {
    match item {
        Item::Phase(phase) => Some(phase),
        Item::Gate(_) => None,
    }
}

fn of_phase(runbook: &Runbook, phase: &Phase, diags: &mut Diagnostics) {
    modes(runbook, &phase.only_in, diags);
    if let Some(targets) = &phase.targets {
        exists(
            targets,
            "set of targets",
            runbook.targets.iter().map(|t| &t.name),
            diags,
        );
    }
    if let Some(RolloutRef::Named(name)) = &phase.rollout {
        exists(name, "rollout", runbook.rollouts.iter().map(|r| &r.name), diags);
    }
    if let Some(Rollout { gate: Some(gate), .. }) = rollout_of(runbook, phase) {
        shown(gate, &phases(runbook).collect::<Vec<_>>(), Some(phase), diags);
    }
}

/// `show` of a gate: `PHASE/STEP`, or a bare id where only one phase has it. In a rollout a bare id is of its own phase first.
fn shown(gate: &Gate, phases: &[&Phase], own: Option<&Phase>, diags: &mut Diagnostics) {
    let has = |phase: &Phase, id: &str| {
        phase_steps(phase)
            .iter()
            .any(|at| at.step.id_written && at.step.id.value == id)
    };
    for name in &gate.show {
        let (found, bare) = match name.split_once('/') {
            Some((phase, id)) => (
                phases.iter().filter(|p| p.id.value == phase && has(p, id)).count(),
                false,
            ),
            None if own.is_some_and(|own| has(own, name)) => (1, true),
            None => (phases.iter().filter(|p| has(p, name)).count(), true),
        };
        if found == 0 {
            let d = Diagnostic::error(
                "PS0203",
                format!("there is no step `{}` before this gate", name.value),
                name.span.clone(),
                "no phase has it",
            );
            let of_phases: Vec<_> = phases
                .iter()
                .flat_map(|p| phase_steps(p))
                .filter(|at| at.step.id_written)
                .collect();
            diags.push(suggest(
                d,
                name,
                of_phases.iter().map(|at| at.step.id.value.as_str()),
                "a gate shows results of steps of earlier phases",
            ));
        } else if found > 1 && bare {
            let d = Diagnostic::error(
                "PS0203",
                format!("more than one phase has a step `{}`", name.value),
                name.span.clone(),
                "which one?",
            );
            diags.push(d.help(format!("write PHASE/{}", name.value)));
        }
    }
}

fn step(step: &Step, diags: &mut Diagnostics) {
    if step.id_written {
        id(&step.id, diags);
    }
    let marks = [&step.mark, &step.mark_start].into_iter().flatten().map(|m| &m.name);
    step.register
        .iter()
        .chain(marks)
        .for_each(|name| identifier(name, diags));
    for (name, _) in &step.env {
        let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !good || name.is_empty() {
            let d = Diagnostic::error(
                "PS0201",
                format!("`{}` is no name of a variable", name.value),
                name.span.clone(),
                "letters, digits and `_`",
            );
            diags.push(d);
        }
    }
    if let Some(name) = step.register.as_ref().filter(|r| RESERVED.contains(&r.as_str())) {
        let d = Diagnostic::error(
            "PS0201",
            format!("expressions have a name `{}` already", name.value),
            name.span.clone(),
            "choose another name",
        );
        diags.push(d);
    }
}

fn modes(runbook: &Runbook, only_in: &[Spanned<String>], diags: &mut Diagnostics) {
    only_in
        .iter()
        .for_each(|mode| exists(mode, "mode", runbook.modes.iter(), diags));
}

fn exists<'r>(
    name: &Spanned<String>,
    what: &str,
    known: impl Iterator<Item = &'r Spanned<String>> + Clone,
    diags: &mut Diagnostics,
) {
    if known.clone().any(|k| k.value == name.value) {
        return;
    }
    let mut d = Diagnostic::error(
        "PS0203",
        format!("there is no {what} `{}`", name.value),
        name.span.clone(),
        "not declared",
    );
    let names: Vec<&str> = known.clone().map(|k| k.value.as_str()).collect();
    if let Some(near) = crate::diag::nearest(name, names.iter().copied())
        && let Some(place) = known.clone().find(|k| k.value == near)
    {
        d = d.also(place.span.clone(), "a similar name");
    }
    let key = match what {
        "mode" => "modes",
        "rollout" => "rollouts",
        _ => "targets",
    };
    diags.push(suggest(
        d,
        name,
        names.into_iter(),
        &format!("declare it under `{key}`"),
    ));
}

/// Reports each name that came before.
fn unique<'r>(names: impl Iterator<Item = &'r Spanned<String>>, has: &str, diags: &mut Diagnostics) {
    let mut seen: HashMap<&str, &Span> = HashMap::new();
    for name in names.filter(|n| !n.value.is_empty()) {
        if let Some(first) = seen.get(name.value.as_str()) {
            let d = Diagnostic::error(
                "PS0202",
                format!("{has} `{}` twice", name.value),
                name.span.clone(),
                "again here",
            );
            diags.push(d.also((*first).clone(), "first here").help("give it another name"));
        } else {
            seen.insert(&name.value, &name.span);
        }
    }
}

/// Letters, digits, `-`, `_` and `.`: safe as a file name and in `PHASE/STEP`.
fn id(name: &Spanned<String>, diags: &mut Diagnostics) {
    let good = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 64;
    // An empty one was reported as missing.
    if !good && !name.value.is_empty() {
        let d = Diagnostic::error(
            "PS0201",
            format!("`{}` cannot be an id", name.value),
            name.span.clone(),
            "letters, digits, `-`, `_` and `.`; at most 64",
        );
        diags.push(d.help(format!("write `{}`", repaired(name, '-'))));
    }
}

/// What an expression can name without quotes.
fn identifier(name: &Spanned<String>, diags: &mut Diagnostics) {
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 64;
    if !good {
        let d = Diagnostic::error(
            "PS0201",
            format!("`{}` cannot be named in an expression", name.value),
            name.span.clone(),
            "letters, digits and `_`, a letter first",
        );
        diags.push(d.help(format!("write `{}`", repaired(name, '_'))));
    }
}

fn repaired(name: &str, with: char) -> String {
    let text: String = name
        .chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { with })
        .collect();
    let text = text.trim_matches(with);
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        text.to_owned()
    } else {
        format!("x{text}")
    }
}
