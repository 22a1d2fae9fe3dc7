//! The rules a sound runbook obeys, judged on the runbook alone.
//!
//! Owns: these rules and their words. Must not: know hosts, a change, a policy or the time: what depends on them is judged by
//! `plan::bind`.

mod across;
mod builtin;
mod declared;
mod expressions;
mod names;
mod never;
mod phase;
mod reads;
mod step;
mod time;
mod undo;

pub use across::{Hosts, Knows, reads_across};
pub use declared::{Broken, bad_regex, broken_rule, not_allowed};

use std::collections::HashMap;

use crate::diag::{Diagnostic, Diagnostics, Label, Span};
use crate::runbook::files::Files;
use crate::runbook::yaml::Node;
use crate::runbook::{Fragment, Item, Kind, OnFailure, Phase, Rollout, RolloutRef, Runbook, Stage, Step, Undo, lower};

/// Reads, lowers and checks a runbook. `None` if any error was found; `diags` has them all, in the order of the file.
pub fn checked(project: &dyn Files, path: &str, diags: &mut Diagnostics) -> Option<Runbook> {
    let runbook = lower::runbook(project, path, diags);
    judged(project, runbook, false, diags)
}

/// As [`checked`], and tells what is declared and used nowhere: of use to the author, not to who runs it.
pub fn linted(project: &dyn Files, path: &str, diags: &mut Diagnostics) -> Option<Runbook> {
    let runbook = lower::runbook(project, path, diags);
    judged(project, runbook, true, diags)
}

/// As [`linted`], of a tree that was read.
pub fn linted_tree(project: &dyn Files, path: &str, root: &Node, diags: &mut Diagnostics) -> Option<Runbook> {
    let runbook = lower::tree(project, path, root, diags);
    judged(project, runbook, true, diags)
}

fn judged(project: &dyn Files, runbook: Option<Runbook>, lint: bool, diags: &mut Diagnostics) -> Option<Runbook> {
    if let Some(runbook) = &runbook {
        check(project, runbook, lint, diags);
    }
    diags.sort();
    if let Some(runbook) = &runbook {
        said_where_included(runbook, diags);
    }
    runbook.filter(|_| !diags.has_errors())
}

/// A mistake in an included file is also a mistake of the file that includes it: both places are told.
pub fn said_where_included(runbook: &Runbook, diags: &mut Diagnostics) {
    const TOLD: usize = 3;
    for d in &mut diags.0 {
        let mut file = d.labels.first().map(|l| l.span.source.name.clone());
        // Up to the runbook itself, which nothing includes.
        while let Some(name) = file.take() {
            let here = runbook.includes.iter().filter(|i| i.file == name);
            let mut places: Vec<&Span> = here.map(|i| &i.at).collect();
            places.sort_by_key(|at| (at.source.name.clone(), at.start));
            places.dedup_by_key(|at| (at.source.name.clone(), at.start));
            let told = |d: &Diagnostic, at: &Span| {
                let same = |l: &Label| l.span.source.name == at.source.name && l.span.start == at.start;
                d.labels.iter().any(same)
            };
            let new: Vec<&&Span> = places.iter().take(TOLD).filter(|at| !told(d, at)).collect();
            for at in &new {
                d.labels.push(Label {
                    span: (**at).clone(),
                    text: "included here".to_owned(),
                });
            }
            file = new.first().map(|at| at.source.name.clone());
        }
    }
}

/// Every rule.
fn check(project: &dyn Files, runbook: &Runbook, lint: bool, diags: &mut Diagnostics) {
    declared::check(runbook, diags);
    names::check(runbook, diags);
    phase::check(runbook, diags);
    undo::check(runbook, diags);
    let all = steps(runbook);
    for at in &all {
        step::check(runbook, at, diags);
        builtin::check(at, diags);
    }
    time::check(runbook, &all, diags);
    let texts = expressions::check(project, runbook, &all, diags);
    never::check(runbook, &all, &texts, diags);
    reads::check(runbook, &all, &texts, diags);
    if lint && !diags.has_errors() {
        reads::unused(runbook, &all, &texts, diags);
    }
}

/// The steps that register a name, in the order of the file: several may, in phases of their own.
type Registers<'r> = HashMap<&'r str, Vec<&'r At<'r>>>;

fn registers<'r>(all: &'r [At<'r>]) -> Registers<'r> {
    let mut found = Registers::new();
    for at in all {
        if let Some(name) = &at.step.register {
            found.entry(name.value.as_str()).or_default().push(at);
        }
    }
    found
}

/// A step and where it stands. Undo steps are of their own here.
struct At<'r> {
    phase: Option<&'r Phase>,
    stage: Stage,
    step: &'r Step,
    /// The step that an undo step takes back.
    of: Option<&'r Step>,
}

impl At<'_> {
    /// Its mode restrictions: the phase's and its own (an undo step also has those of the step it belongs to).
    fn active_in(&self, mode: &str) -> bool {
        let phase = self.phase.map(|p| p.only_in.as_slice()).unwrap_or_default();
        let of = self.of.map(|s| s.only_in.as_slice()).unwrap_or_default();
        [phase, of, &self.step.only_in]
            .iter()
            .all(|list| list.is_empty() || list.iter().any(|m| m.value == mode))
    }
}

/// The parameters of included files, each include once.
fn fragments(runbook: &Runbook) -> Vec<&Fragment> {
    let mut found: Vec<&Fragment> = Vec::new();
    for at in steps(runbook) {
        let mut fragment = at.step.fragment.as_deref();
        while let Some(f) = fragment.filter(|f| !found.iter().any(|known| std::ptr::eq(*known, *f))) {
            found.push(f);
            fragment = f.outer.as_deref();
        }
    }
    found
}

/// Every step of the runbook, undo steps included, in the order of the file.
fn steps(runbook: &Runbook) -> Vec<At<'_>> {
    let mut out = Vec::new();
    push(None, Stage::Steady, &runbook.steady_state, &mut out);
    for phase in phases(runbook) {
        push_phase(phase, &mut out);
    }
    out
}

/// Every step of a phase.
fn phase_steps(phase: &Phase) -> Vec<At<'_>> {
    let mut out = Vec::new();
    push_phase(phase, &mut out);
    out
}

fn push_phase<'r>(phase: &'r Phase, out: &mut Vec<At<'r>>) {
    push(Some(phase), Stage::Steady, &phase.steady_state, out);
    for (stage, steps) in stages(phase) {
        push(Some(phase), stage, steps, out);
    }
}

fn push<'r>(phase: Option<&'r Phase>, stage: Stage, steps: &'r [Step], out: &mut Vec<At<'r>>) {
    for step in steps {
        out.push(At {
            phase,
            stage,
            step,
            of: None,
        });
        if let Undo::Steps(undo) = &step.undo {
            out.extend(undo.iter().map(|u| At {
                phase,
                stage: Stage::Undo,
                step: u,
                of: Some(step),
            }));
        }
    }
}

/// The six stages of a phase in order.
fn stages(phase: &Phase) -> [(Stage, &Vec<Step>); 6] {
    phase.stages.each()
}

fn phases(runbook: &Runbook) -> impl Iterator<Item = &Phase> {
    runbook.items.iter().filter_map(|item| match item {
        Item::Phase(phase) => Some(&**phase),
        Item::Gate(_) => None,
    })
}

/// The rollout of a phase, by name or in place.
fn rollout_of<'r>(runbook: &'r Runbook, phase: &'r Phase) -> Option<&'r Rollout> {
    match phase.rollout.as_ref()? {
        RolloutRef::Named(name) => runbook.rollouts.iter().find(|r| r.name.value == name.value),
        RolloutRef::Inline(rollout) => Some(rollout),
    }
}

/// What a failure in the phase does, and where it is said.
fn policy_of(runbook: &Runbook, phase: &Phase) -> (OnFailure, Span) {
    match &phase.on_failure {
        Some(written) => (written.value, written.span.clone()),
        None if runbook.kind.value == Kind::DrDrill => (OnFailure::Ask, runbook.kind.span.clone()),
        None => (OnFailure::RollbackHost, phase.id.span.clone()),
    }
}

/// Adds `did you mean` or the list of what there is.
fn suggest<'a>(d: Diagnostic, word: &str, known: impl Iterator<Item = &'a str> + Clone, none: &str) -> Diagnostic {
    if let Some(near) = crate::diag::nearest(word, known.clone()) {
        return d.help(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = known.collect();
    if all.is_empty() {
        d.help(none)
    } else {
        d.help(format!("there are: {}", all.join(", ")))
    }
}
