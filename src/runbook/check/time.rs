//! Limits that do not fit into the window, one by one and together. Must not: count hosts, which only a plan knows.

use std::time::Duration;

use super::{At, phases, rollout_of};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::runbook::{EachList, Gate, Item, Phase, Runbook, Step, duration};

pub(super) fn check(runbook: &Runbook, all: &[At<'_>], diags: &mut Diagnostics) {
    let Some(window) = &runbook.window else { return };
    for phase in phases(runbook) {
        together(runbook, phase, diags);
    }
    let mut longer = |what: &str, span: &Span, label: String, help: &str| {
        let d = Diagnostic::warning("PS0246", format!("{what} may outlast the window"), span.clone(), label);
        diags.push(
            d.also(window.duration.span.clone(), "this long is the window")
                .help(help),
        );
    };
    for at in all {
        let Some(limit) = &at.step.timeout else { continue };
        let attempts = attempts(runbook, at.step);
        let whole = most(runbook, at.step);
        if whole > window.duration.value {
            let label = match attempts {
                1 => "the limit of one attempt".to_owned(),
                n => format!("{n} attempts and the pauses between them: {}", text(whole)),
            };
            longer(
                "this step",
                &limit.span,
                label,
                "shorten `timeout`, or make the window longer: a step that has begun is never stopped by its end",
            );
        }
    }
    let gates = runbook.items.iter().filter_map(|item| match item {
        Item::Gate(gate) => Some(&**gate),
        Item::Phase(_) => None,
    });
    let mut inner: Vec<&Gate> = Vec::new();
    for phase in phases(runbook) {
        let Some(rollout) = rollout_of(runbook, phase) else {
            continue;
        };
        inner.extend(
            rollout
                .gate
                .iter()
                .filter(|g| !inner_has(&inner, g))
                .collect::<Vec<_>>(),
        );
        let soak = rollout.soak.as_ref();
        let wait = soak
            .and_then(|s| duration::parse(s))
            .filter(|s| *s >= window.duration.value);
        if let (Some(soak), Some(wait)) = (soak, wait) {
            let label = format!("after each batch {} go by", text(wait));
            longer(
                "this wait",
                &soak.span,
                label,
                "shorten `soak`, or make the window longer: the next batch would begin after its end",
            );
        }
    }
    for gate in gates.chain(inner).filter(|g| g.expires > window.duration.value) {
        let label = format!("waits {} for people", text(gate.expires));
        longer(
            "this gate",
            &gate.span,
            label,
            "a gate also ends with the window: write a shorter `expires`",
        );
    }
}

/// Steps of which each fits, and which one host cannot all take to their limits: certain whatever the inventory says.
fn together(runbook: &Runbook, phase: &Phase, diags: &mut Diagnostics) {
    let Some(window) = &runbook.window else { return };
    let length = window.duration.value;
    let path: Vec<&Step> = host_path(phase).filter(|s| counts(s)).collect();
    // A step that is too long alone has been told.
    if path.iter().any(|s| most(runbook, s) > length) {
        return;
    }
    let modes: Vec<Option<&str>> = match runbook.modes.as_slice() {
        [] => vec![None],
        modes => modes.iter().map(|m| Some(m.value.as_str())).collect(),
    };
    for mode in modes {
        let active = |step: &&&Step| {
            [&phase.only_in, &step.only_in]
                .into_iter()
                .all(|only| only.is_empty() || mode.is_some_and(|mode| only.iter().any(|m| m.value == mode)))
        };
        let steps: Vec<&&Step> = path.iter().filter(active).collect();
        let sum = steps
            .iter()
            .fold(Duration::ZERO, |sum, step| sum.saturating_add(all_items(runbook, step)));
        if sum <= length {
            continue;
        }
        let d = Diagnostic::warning(
            "PS0750",
            format!(
                "one host may take longer than the window in the phase `{}`",
                phase.id.value
            ),
            phase.id.span.clone(),
            format!("the limits of {} steps add up to {}", steps.len(), text(sum)),
        );
        diags.push(d.also(window.duration.span.clone(), "this long is the window").help(
            "shorten `timeout` of its steps, or make the window longer: a host that has begun is not stopped by its end",
        ));
        return;
    }
}

/// What one host goes through once it is started.
fn host_path(phase: &Phase) -> impl Iterator<Item = &Step> {
    let s = &phase.stages;
    [&s.drain, &s.steps, &s.verify, &s.undrain].into_iter().flatten()
}

/// Only what is written, and surely done for each host: a default is no promise, and of two steps with `when` often one is due.
fn counts(step: &Step) -> bool {
    step.timeout.is_some() && step.when.is_none() && !step.once
}

fn attempts(runbook: &Runbook, step: &Step) -> u32 {
    let retry = step.retry.or(runbook.defaults.retry);
    retry.map_or(1, |r| r.attempts.max(1))
}

/// The most that the written limit lets a step take, for one item.
fn most(runbook: &Runbook, step: &Step) -> Duration {
    let retry = step.retry.or(runbook.defaults.retry);
    let limit = step.timeout.as_ref().map_or(Duration::ZERO, |t| t.value);
    let pauses = retry.map_or(0, |r| {
        r.delay_ms.saturating_mul(u64::from(r.attempts.saturating_sub(1)))
    });
    limit
        .saturating_mul(attempts(runbook, step))
        .saturating_add(Duration::from_millis(pauses))
}

/// For each item that is written out; a list that is found may be empty.
fn all_items(runbook: &Runbook, step: &Step) -> Duration {
    let items = match step.for_each.as_ref().map(|each| &each.list) {
        None => 1,
        Some(EachList::Written { items, .. }) => u32::try_from(items.len()).unwrap_or(u32::MAX),
        Some(EachList::From(_)) => 0,
    };
    most(runbook, step).saturating_mul(items)
}

fn inner_has(inner: &[&Gate], gate: &Gate) -> bool {
    inner.iter().any(|g| g.span == gate.span)
}

fn text(d: Duration) -> String {
    duration::print(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
