//! Rules about what the runbook's expressions read, all of them together.
//!
//! Owns: names that are declared and never read, results that are read where they cannot be. Must not: know syntax or names
//! of a place: `expressions` gives it every read.

use std::collections::BTreeSet;

use super::{At, phases, registers};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::expr::{Comparison, comparisons};
use crate::runbook::{Action, Delegate, RolloutRef, Runbook, TargetSet};

/// A text with expressions in it, and who reads it.
pub(super) struct Text<'r> {
    /// The text.
    pub(super) text: Spanned<String>,
    /// A bare expression.
    pub(super) condition: bool,
    /// The step that it belongs to; `None`: a phase's or the top's.
    pub(super) at: Option<&'r At<'r>>,
    /// What it reads, each with its place.
    pub(super) reads: Vec<(String, Span, bool)>,
}

impl Text<'_> {
    /// Its comparisons, each with the place of the written value.
    pub(super) fn comparisons(&self) -> Vec<(Comparison, Span)> {
        let place = |c: Comparison| {
            let span = crate::runbook::yaml::inside(&self.text, c.range.clone());
            (c, span)
        };
        comparisons(&self.text.value, self.condition)
            .into_iter()
            .map(place)
            .collect()
    }
}

pub(super) fn check(runbook: &Runbook, all: &[At<'_>], texts: &[Text<'_>], diags: &mut Diagnostics) {
    let registers = registers(all);
    for text in texts {
        for (path, span, guarded) in &text.reads {
            let name = path.split('.').next().unwrap_or("");
            if let (Some(reader), Some(sources)) = (text.at, registers.get(name)) {
                other_mode(runbook, sources, reader, (path, *guarded), span, diags);
            }
        }
    }
}

/// A step that a mode leaves out registers nothing in it.
fn other_mode(
    runbook: &Runbook,
    sources: &[&At<'_>],
    reader: &At<'_>,
    (path, guarded): (&str, bool),
    span: &Span,
    diags: &mut Diagnostics,
) {
    let asks = |text: &Option<Spanned<String>>| {
        text.as_ref()
            .is_some_and(|t| t.value.contains("run.mode") || t.value.contains(".ran") || t.value.contains("defined"))
    };
    let careful = guarded || asks(&reader.step.when) || reader.phase.is_some_and(|p| asks(&p.when));
    if careful {
        return;
    }
    let lacks = |mode: &&Spanned<String>| reader.active_in(mode) && !sources.iter().any(|at| at.active_in(mode));
    let name = path.split('.').next().unwrap_or("");
    if let (Some(mode), Some(of)) = (runbook.modes.iter().find(lacks), sources.first()) {
        let place = of.step.register.as_ref().map_or(&of.step.span, |r| &r.span);
        diags.push(
            Diagnostic::error(
                "PS0311",
                format!("in mode `{}` no step registers `{name}`", mode.value),
                span.clone(),
                format!("this step runs in mode `{}` too", mode.value),
            )
            .also(place.clone(), "registered here, in other modes")
            .help("give both steps the same `only_in`")
            .help(format!(
                "or say what holds without it: `{path} | default(…)`, `when: {name} is defined`"
            )),
        );
        return;
    }
    conditional(sources, reader, path, span, diags);
}

/// A step with `when` may not have run; then its result has no fields.
fn conditional(sources: &[&At<'_>], reader: &At<'_>, path: &str, span: &Span, diags: &mut Diagnostics) {
    let [of] = sources else { return };
    let Some(when) = &of.step.when else { return };
    let (name, field) = path.split_once('.').unwrap_or((path, ""));
    let same = |text: &Option<Spanned<String>>| {
        text.as_ref().is_some_and(|t| {
            t.value == when.value || t.value.contains(&format!("{name}.")) || t.value.contains(&when.value)
        })
    };
    let own =
        std::ptr::eq(of.step, reader.step) || reader.of.is_some_and(|s| same(&s.when) || std::ptr::eq(s, of.step));
    if matches!(field, "" | "ran" | "changed")
        || own
        || same(&reader.step.when)
        || reader.phase.is_some_and(|p| same(&p.when))
    {
        return;
    }
    diags.push(
        Diagnostic::warning(
            "PS0312",
            format!("`{path}` has no value where its step did not run"),
            span.clone(),
            "then this step fails",
        )
        .also(
            when.span.clone(),
            format!("`{name}` is registered only if this is true"),
        )
        .help(format!(
            "write `when: {name}.ran` here, or say what holds without it: `{path} | default(…)`"
        )),
    );
}

/// What is declared and read nowhere is mostly a misspelt name elsewhere, or a leftover.
pub(super) fn unused(runbook: &Runbook, all: &[At<'_>], texts: &[Text<'_>], diags: &mut Diagnostics) {
    let read = || texts.iter().flat_map(|t| &t.reads).map(|(path, ..)| path.as_str());
    let first_two = |path: &str| path.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let pairs: BTreeSet<String> = read().map(first_two).collect();
    let tops: BTreeSet<&str> = read().filter_map(|path| path.split('.').next()).collect();
    let mut warn = |name: &Spanned<String>, what: &str, help: &str| {
        let message = format!("nothing uses the {what} `{}`", name.value);
        diags.push(Diagnostic::warning("PS0247", message, name.span.clone(), "declared here").help(help));
    };
    for p in runbook
        .parameters
        .iter()
        .filter(|p| !pairs.contains(&format!("params.{}", p.name.value)))
    {
        warn(
            &p.name,
            "parameter",
            &format!(
                "read it as `params.{}`, or delete it: whoever plans the change is asked for its value",
                p.name.value
            ),
        );
    }
    for set in runbook.targets.iter().filter(|t| !is_target(runbook, all, t, &pairs)) {
        warn(
            &set.name,
            "set of targets",
            &format!("write `targets: {}` in a phase, or delete it", set.name.value),
        );
    }
    let named =
        |name: &str| phases(runbook).any(|p| matches!(&p.rollout, Some(RolloutRef::Named(r)) if r.value == name));
    for rollout in runbook.rollouts.iter().filter(|r| !named(&r.name.value)) {
        warn(
            &rollout.name,
            "rollout",
            &format!("write `rollout: {}` in a phase, or delete it", rollout.name.value),
        );
    }
    for name in all.iter().filter_map(|at| at.step.register.as_ref()) {
        let all_hosts = format!("results.{}", name.value);
        if !pairs.contains(&all_hosts) && !tops.contains(name.value.as_str()) {
            warn(
                name,
                "result",
                &format!(
                    "read it as `{}.stdout` in a later step, or delete `register`: every output is in the record anyway",
                    name.value
                ),
            );
        }
    }
}

/// True if a phase, a delegate, an action or an expression names the set. A delegate that is a template may name any.
fn is_target(runbook: &Runbook, all: &[At<'_>], set: &TargetSet, pairs: &BTreeSet<String>) -> bool {
    let name = &set.name.value;
    let by_phase = phases(runbook).any(|p| p.targets.as_ref().is_some_and(|t| t.value == *name));
    let by_step = |at: &At<'_>| match at.step.delegate_to.as_ref().map(|d| &d.value) {
        Some(Delegate::To(text) | Delegate::OneOf(text)) => text == name || text.contains("{{"),
        None => false,
    };
    // What these name is a text like any other.
    let in_action = |at: &At<'_>| {
        !matches!(at.step.action.value, Action::Run(_)) && at.step.action.span.text().contains(name.as_str())
    };
    by_phase || pairs.contains(&format!("targets.{name}")) || all.iter().any(|at| by_step(at) || in_action(at))
}
