//! What the change leaves out.

use std::collections::BTreeMap;

use super::{Binder, KeptItem, phase_steps, runbook_phases};
use crate::diag::{Diagnostic, Span, Spanned, nearest};
use crate::runbook::check::{Hosts, Knows, reads_across};
use crate::runbook::{Item, Phase, Undo};

/// Reasons by what is left out.
#[derive(Default)]
pub(super) struct Skips {
    phases: BTreeMap<String, String>,
    steps: BTreeMap<(String, String), String>,
    /// Where the change names them; a phase has no step.
    places: BTreeMap<(String, String), Span>,
}

impl Skips {
    /// Why the phase is left out.
    pub(super) fn phase(&self, phase: &str) -> Option<&str> {
        self.phases.get(phase).map(String::as_str)
    }

    /// Leaves a phase out, unless it is for another reason.
    pub(super) fn leave_phase(&mut self, phase: &str, reason: &str) {
        self.phases.entry(phase.to_owned()).or_insert_with(|| reason.to_owned());
    }

    /// Leaves a step out, unless it is for another reason.
    pub(super) fn leave_step(&mut self, phase: &str, step: &str, reason: &str) {
        let key = (phase.to_owned(), step.to_owned());
        self.steps.entry(key).or_insert_with(|| reason.to_owned());
    }

    /// Why the step is left out.
    pub(super) fn step(&self, phase: &str, step: &str) -> Option<&str> {
        self.steps.get(&(phase.to_owned(), step.to_owned())).map(String::as_str)
    }
}

impl<'a> Binder<'a, '_> {
    pub(super) fn bind_skips(&mut self) {
        for skip in &self.input.change.skip {
            match self.find(&skip.id) {
                Ok(Found::Phase(phase)) => {
                    let place = (phase.id.value.clone(), String::new());
                    self.skips.places.insert(place, skip.id.span.clone());
                    self.skips.phases.insert(phase.id.value.clone(), skip.reason.clone());
                }
                Ok(Found::Step(phase, step)) => {
                    if let Some(covered) = covers(phase, &step) {
                        let d = Diagnostic::error(
                            "PS0653",
                            format!("`{}` may not be left out", skip.id.value),
                            skip.id.span.clone(),
                            "other steps rely on its undo",
                        );
                        let d = d.also(covered.span.clone(), "this step is taken back by it");
                        self.diags
                            .push(d.help("leave out the whole phase, or change the runbook"));
                    }
                    let key = (phase.id.value.clone(), step);
                    self.skipped.insert(format!("{}/{}", key.0, key.1), skip.reason.clone());
                    self.skips.places.insert(key.clone(), skip.id.span.clone());
                    self.skips.steps.insert(key, skip.reason.clone());
                }
                Err(d) => self.diags.push(d),
            }
        }
    }

    pub(super) fn find(&self, id: &Spanned<String>) -> Result<Found<'a>, Diagnostic> {
        let runbook = self.input.runbook;
        if let Some(phase) = runbook_phases(runbook).find(|p| p.id.value == id.value) {
            return Ok(Found::Phase(phase));
        }
        let gate = |i: &Item| matches!(i, Item::Gate(g) if g.id.value == id.value);
        if runbook.items.iter().any(gate) {
            let d = Diagnostic::error(
                "PS0654",
                format!("the gate `{}` may not be left out", id.value),
                id.span.clone(),
                "this is a gate",
            );
            return Err(d.help("a gate is passed by people: pitstop approve"));
        }
        let (in_phase, step) = id.split_once('/').map_or((None, id.as_str()), |(p, s)| (Some(p), s));
        let of = |p: &Phase| in_phase.is_none_or(|name| p.id.value == name);
        let mut found = runbook_phases(runbook)
            .filter(|p| of(p) && phase_steps(p).any(|s| s.id_written && s.id.value == step))
            .map(|p| Found::Step(p, step.to_owned()));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(Found::Step(one, _)), Some(Found::Step(other, _))) => Err(Diagnostic::error(
                "PS0652",
                format!("several phases have a step `{step}`"),
                id.span.clone(),
                "which one is meant?",
            )
            .help(format!(
                "write `{}/{step}` or `{}/{step}`",
                one.id.value, other.id.value
            ))),
            _ => Err(self.unknown(id)),
        }
    }

    fn unknown(&self, id: &Spanned<String>) -> Diagnostic {
        let d = Diagnostic::error(
            "PS0652",
            format!("the runbook has no step or phase `{}`", id.value),
            id.span.clone(),
            "nothing is called so",
        );
        let mut names: Vec<String> = Vec::new();
        for p in runbook_phases(self.input.runbook) {
            names.push(p.id.value.clone());
            for s in phase_steps(p).filter(|s| s.id_written) {
                names.push(format!("{}/{}", p.id.value, s.id.value));
                names.push(s.id.value.clone());
            }
        }
        match nearest(id, names.iter().map(String::as_str)) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("write the id of a phase, or PHASE/STEP"),
        }
    }
}

impl<'a> Binder<'a, '_> {
    /// A result is read only where whoever reads it has one: with the hosts of every phase known, and with what is left out.
    pub(super) fn check_reads(&mut self, kept: &[KeptItem<'a>]) {
        let knows = Planned {
            kept,
            skips: &self.skips,
            emptied: &self.emptied,
            limit: self.input.change.limit.as_ref().map(|l| &l.span),
        };
        reads_across(self.input.runbook, &knows, self.diags);
    }
}

/// What a plan knows of the hosts of phases.
struct Planned<'p, 'a> {
    kept: &'p [KeptItem<'a>],
    skips: &'p Skips,
    emptied: &'p [String],
    limit: Option<&'p Span>,
}

impl Knows for Planned<'_, '_> {
    fn hosts(&self, phase: &Phase) -> Hosts<'_> {
        let kept = self.kept.iter().find_map(|item| match item {
            KeptItem::Phase(kept) if std::ptr::eq(kept.phase, phase) => Some(kept.hosts.as_slice()),
            KeptItem::Phase(_) | KeptItem::Gate(_) => None,
        });
        // What is not kept is left out, of another mode or without a host: nobody reads there.
        kept.map_or(Hosts::LeftOut, Hosts::Are)
    }

    fn left_out(&self, phase: &Phase, step: &str) -> Option<Span> {
        let place = |step: &str| self.skips.places.get(&(phase.id.value.clone(), step.to_owned()));
        let emptied = self.limit.filter(|_| self.emptied.contains(&phase.id.value));
        place(step).or_else(|| place("")).or(emptied).cloned()
    }
}

pub(super) enum Found<'a> {
    Phase(&'a Phase),
    Step(&'a Phase, String),
}

/// The place of a step that this one's undo takes back too.
fn covers<'p>(phase: &'p Phase, step: &str) -> Option<&'p Spanned<String>> {
    phase.stages.steps.iter().find_map(|s| match &s.undo {
        Undo::CoveredBy(id) if id.value == step => Some(id),
        _ => None,
    })
}
