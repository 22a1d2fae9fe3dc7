//! `people`, `approvals`, `signals` and `resume` of a test.
//!
//! Owns: their keys and forms. Must not: know the gates or steps of a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Again, Approval, Asked, Moment, Signal, expression};
use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::Node;

/// `people`: group → who is in it.
pub(super) fn groups(f: &mut Fields<'_>) -> BTreeMap<String, Vec<String>> {
    let mut groups = BTreeMap::new();
    for entry in f.map("people").unwrap_or_default() {
        let people = fields::seq(&entry.value, &entry.key).and_then(|items| {
            let names = items.iter().map(|node| fields::text(node).map(|text| text.value));
            names.collect::<Result<Vec<_>, _>>()
        });
        match people {
            Ok(people) => drop(groups.insert(entry.key.value.clone(), people)),
            Err(d) => f.complain(d),
        }
    }
    groups
}

/// `approvals`.
pub(super) fn approvals(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Vec<Approval> {
    let nodes = f.seq("approvals");
    nodes.iter().filter_map(|node| approval(node, diags)).collect()
}

fn approval(node: &Node, diags: &mut Diagnostics) -> Option<Approval> {
    let mut f = Fields::of(node, &keys::APPROVAL, diags)?;
    let (gate, manual) = (f.text("gate"), f.text("manual"));
    let by = f.text("by");
    let words = [
        ("approve", true),
        ("reject", false),
        ("done", true),
        ("not_done", false),
    ];
    let decision = f.word("decision", &words);
    let after = f.duration("after").map_or(Duration::ZERO, |d| d.value);
    let note = f.text("note").map(|t| t.value).unwrap_or_default();
    let at = match (gate, manual) {
        (Some(gate), None) => Some(Asked::Gate(gate)),
        (None, Some(manual)) => expression(manual, diags).map(Asked::Manual),
        _ => {
            let d = Diagnostic::error(
                "PS0705",
                "an approval answers one thing",
                f.head().clone(),
                "`gate` or `manual` is wanted here, one of them",
            );
            f.complain(
                d.help("write `gate: ID` (`PHASE/N` for a rollout's), or `manual: TEXT` for the step a person does"),
            );
            None
        }
    };
    f.finish(diags);
    Some(Approval {
        span: node.span.clone(),
        at: at?,
        by,
        yes: decision.is_none_or(|d| d.value),
        after,
        note,
    })
}

/// `signals`.
pub(super) fn signals(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Vec<Signal> {
    let nodes = f.seq("signals");
    let signals = nodes.iter().filter_map(|node| {
        let mut f = Fields::of(node, &keys::SIGNAL, diags)?;
        let at = f.text("at").and_then(|at| moment(&at, &mut f));
        let kill = f.word("send", &[("int", false), ("kill", true)]);
        f.finish(diags);
        Some(Signal {
            span: node.span.clone(),
            at: at?,
            kill: kill?.value,
        })
    });
    signals.collect()
}

/// A duration after the start, or `PHASE/STEP` or `PHASE/STEP@HOST`.
fn moment(at: &Spanned<String>, f: &mut Fields<'_>) -> Option<Moment> {
    if let Some(after) = duration::parse(at.trim()) {
        return Some(Moment::After(after));
    }
    let (step, host) = match at.split_once('@') {
        Some((step, host)) if !host.is_empty() => (step, Some(host.to_owned())),
        Some(_) => ("", None),
        None => (at.value.as_str(), None),
    };
    match step.split_once('/') {
        Some((phase, step)) if !phase.is_empty() && !step.is_empty() => Some(Moment::Step {
            phase: phase.to_owned(),
            step: step.to_owned(),
            host,
        }),
        _ => {
            let d = Diagnostic::error(
                "PS0706",
                format!("`{}` is no moment", at.value),
                at.span.clone(),
                "neither a time nor a step",
            );
            f.complain(d.help(
                "write how long after the start, as `10m`, or a step that is about to be sent, as `PHASE/STEP@HOST`",
            ));
            None
        }
    }
}

/// `resume`.
pub(super) fn again(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Vec<Again> {
    let nodes = f.seq("resume");
    let list = nodes.iter().filter_map(|node| {
        let mut f = Fields::of(node, &keys::AGAIN, diags)?;
        let after = f.duration("after").map_or(Duration::ZERO, |d| d.value);
        let rollback = f.bool("rollback").is_some_and(|b| b.value);
        f.finish(diags);
        Some(Again {
            span: node.span.clone(),
            after,
            rollback,
        })
    });
    list.collect()
}
