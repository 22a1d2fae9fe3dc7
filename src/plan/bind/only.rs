//! What `--only` leaves: one or several phases or steps, and the whole life cycle round each.
//!
//! Owns: what goes with a step that is done alone. Must not: leave out a gate, a stage that looks, takes out of service, proves
//! or cleans up. All of that stays, so that a host is never changed without being checked, drained, verified and brought back.

use std::collections::BTreeSet;

use super::names::{condition_names, template_names};
use super::skip::Found;
use super::{Binder, phase_steps, planned_steps, runbook_phases};
use crate::diag::{Diagnostic, Spanned};
use crate::plan::{Call, Items, PlanItem, PlannedEach, PlannedStep};
use crate::runbook::{Phase, Step, Undo};

impl<'a> Binder<'a, '_> {
    /// Notes everything that `--only` leaves out, with its reason.
    pub(super) fn bind_only(&mut self) {
        let only = &self.input.change.only;
        if only.is_empty() {
            return;
        }
        let mut phases: BTreeSet<&str> = BTreeSet::new();
        let mut steps: BTreeSet<(&str, String)> = BTreeSet::new();
        for chosen in only {
            match self.find(&chosen.id) {
                Ok(Found::Phase(phase)) => {
                    phases.insert(&phase.id.value);
                }
                Ok(Found::Step(phase, step)) => match alone(phase, &step, &chosen.id) {
                    Ok(()) => {
                        steps.insert((&phase.id.value, step));
                    }
                    Err(d) => self.diags.push(d),
                },
                Err(d) => self.diags.push(d),
            }
        }
        self.contradictions();
        if self.diags.has_errors() {
            return;
        }
        let why = reason(only.iter().map(|o| (o.id.value.as_str(), o.reason.as_str())));
        for phase in runbook_phases(self.input.runbook) {
            let id = phase.id.value.as_str();
            if phases.contains(id) {
                continue;
            }
            if !steps.iter().any(|(p, _)| *p == id) {
                self.skips.leave_phase(id, &why);
                continue;
            }
            for step in phase.stages.steps.iter().filter(|s| !s.read_only) {
                if !steps.contains(&(id, step.id.value.clone())) {
                    self.skipped.insert(format!("{id}/{}", step.id.value), why.clone());
                    self.skips.leave_step(id, &step.id.value, &why);
                }
            }
        }
        self.covered(&phases, &steps);
    }

    /// The same thing cannot be asked for and left out.
    fn contradictions(&mut self) {
        for chosen in &self.input.change.only {
            if let Some(skip) = self.input.change.skip.iter().find(|s| s.id.value == chosen.id.value) {
                let d = Diagnostic::error(
                    "PS0694",
                    format!("`{}` is asked for and left out", chosen.id.value),
                    chosen.id.span.clone(),
                    "asked for here",
                );
                self.diags.push(
                    d.also(skip.id.span.clone(), "left out here")
                        .help("give one of the two"),
                );
            }
        }
    }

    /// A step whose undo is that of another one cannot go without it.
    fn covered(&mut self, phases: &BTreeSet<&str>, steps: &BTreeSet<(&str, String)>) {
        for phase in runbook_phases(self.input.runbook).filter(|p| !phases.contains(p.id.value.as_str())) {
            let id = phase.id.value.as_str();
            let kept = phase
                .stages
                .steps
                .iter()
                .filter(|s| steps.contains(&(id, s.id.value.clone())));
            for step in kept {
                let Undo::CoveredBy(by) = &step.undo else { continue };
                if !steps.contains(&(id, by.value.clone())) {
                    let d = Diagnostic::error(
                        "PS0692",
                        format!("`{}` may not be done alone", step.id.value),
                        by.span.clone(),
                        "its way back is that of this step",
                    );
                    self.diags.push(d.help(format!("add --only {id}/{}", by.value)));
                }
            }
        }
    }

    /// Nothing that stays may need what is left out.
    pub(super) fn check_only(&mut self, items: &[PlanItem]) {
        let Some(first) = self.input.change.only.first().map(|o| o.id.span.clone()) else {
            return;
        };
        let planned: Vec<&PlannedStep> = items
            .iter()
            .filter_map(|item| match item {
                PlanItem::Phase(phase) => Some(phase),
                PlanItem::Gate(_) => None,
            })
            .flat_map(|phase| planned_steps(phase))
            .collect();
        let given: BTreeSet<&str> = planned
            .iter()
            .filter(|s| s.skip.is_none())
            .filter_map(|s| s.register.as_deref())
            .collect();
        let all = runbook_phases(self.input.runbook).flat_map(phase_steps);
        let lost: BTreeSet<&str> = all
            .filter_map(|s| s.register.as_ref())
            .map(|r| r.value.as_str())
            .filter(|name| !given.contains(name))
            .collect();
        for step in planned.iter().filter(|s| s.skip.is_none()) {
            if let Some(name) = reads(step).iter().find_map(|name| lost_in(name, &lost)) {
                let d = Diagnostic::error(
                    "PS0693",
                    format!("`{}` needs the result `{name}`, which is left out", step.name),
                    first.clone(),
                    "this leaves out the step that gives it",
                );
                self.diags
                    .push(d.help("add --only with that step, or choose the whole phase"));
            }
        }
    }
}

/// True if the step can be chosen by itself.
fn alone(phase: &Phase, id: &str, chosen: &Spanned<String>) -> Result<(), Diagnostic> {
    let mut work = phase.stages.steps.iter();
    match work.find(|s: &&Step| s.id.value == id) {
        Some(step) if !step.read_only => Ok(()),
        found => {
            let why = if found.is_some() {
                "it changes nothing and stays in any case"
            } else {
                "it is no step of the work"
            };
            let d = Diagnostic::error(
                "PS0692",
                format!("`{}` may not be done alone", chosen.value),
                chosen.span.clone(),
                why,
            );
            Err(d
                .help(format!(
                    "name a step of `steps` that changes something, or the phase: --only {}",
                    phase.id.value
                ))
                .help("what looks, drains, verifies, undrains and cleans up always goes with it"))
        }
    }
}

fn reason<'o>(only: impl Iterator<Item = (&'o str, &'o str)>) -> String {
    let words: Vec<String> = only
        .map(|(id, reason)| {
            if reason.is_empty() {
                id.to_owned()
            } else {
                format!("{id} ({reason})")
            }
        })
        .collect();
    format!("only {} was asked for", words.join(", "))
}

/// The name of a left-out result that this one reads. Whether a step ran and changed something is known also where it did not.
fn lost_in<'l>(name: &str, lost: &BTreeSet<&'l str>) -> Option<&'l str> {
    let name = name.strip_prefix("results.").unwrap_or(name);
    let mut parts = name.split('.');
    let (first, field) = (parts.next()?, parts.next());
    let told = matches!(field, Some("ran" | "changed"));
    lost.get(first).filter(|_| !told).copied()
}

/// Every name that a step's texts and conditions read.
fn reads(step: &PlannedStep) -> Vec<String> {
    let mut texts: Vec<&str> = step.env.values().map(String::as_str).collect();
    texts.extend(step.stdin.as_deref());
    if let Some(PlannedEach {
        items: Items::Late(list),
        ..
    }) = &step.for_each
    {
        texts.push(list);
    }
    let mut conditions: Vec<&str> = [&step.when, &step.expect, &step.warn_unless]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    call_reads(&step.call, &mut texts, &mut conditions);
    let names = texts.into_iter().flat_map(template_names);
    let names = names.chain(conditions.into_iter().flat_map(condition_names));
    names.map(|(name, _)| name).collect()
}

fn call_reads<'c>(call: &'c Call, texts: &mut Vec<&'c str>, conditions: &mut Vec<&'c str>) {
    match call {
        Call::Run { command: text } | Call::Manual { text } => texts.push(text),
        Call::WaitPath { path: text, .. } | Call::WaitTime { time: text } => texts.push(text),
        Call::Argv { argv } => texts.extend(argv.iter().map(String::as_str)),
        Call::Script { args, .. } => texts.extend(args.iter().map(String::as_str)),
        Call::Upload { dest, validate, .. } => {
            texts.push(dest);
            texts.extend(validate.as_deref());
        }
        Call::Restore { dest: text, .. } | Call::Download { src: text, .. } => texts.push(text),
        Call::Http { url, headers, body, .. } => {
            texts.push(url);
            texts.extend(headers.values().map(String::as_str));
            texts.extend(body.as_deref());
        }
        Call::Assert { that } => conditions.push(that),
        Call::WaitPort { port, .. } => texts.push(port),
        Call::Powershell { command } => texts.push(command),
        Call::BuiltIn(what) => texts.extend(what.texts()),
        Call::WaitCheck { check, .. } => texts.extend(check.texts()),
        Call::ByOs { linux, windows } => {
            for call in linux.iter().chain(windows) {
                call_reads(call, texts, conditions);
            }
        }
        Call::WaitConnection { .. } | Call::Revert { .. } => {}
    }
}
