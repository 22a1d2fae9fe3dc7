//! Limits that do not fit into the window.

use std::time::Duration;

use super::{At, phases, rollout_of};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::runbook::{Gate, Item, Runbook, duration};

pub(super) fn check(runbook: &Runbook, all: &[At<'_>], diags: &mut Diagnostics) {
    let Some(window) = &runbook.window else { return };
    let mut longer = |what: &str, span: &Span, label: String, help: &str| {
        let d = Diagnostic::warning("PS0246", format!("{what} may outlast the window"), span.clone(), label);
        diags.push(
            d.also(window.duration.span.clone(), "this long is the window")
                .help(help),
        );
    };
    for at in all {
        let Some(limit) = &at.step.timeout else { continue };
        let retry = at.step.retry.or(runbook.defaults.retry);
        let attempts = retry.map_or(1, |r| r.attempts.max(1));
        let pauses = retry.map_or(0, |r| {
            r.delay_ms.saturating_mul(u64::from(r.attempts.saturating_sub(1)))
        });
        let whole = limit
            .value
            .saturating_mul(attempts)
            .saturating_add(Duration::from_millis(pauses));
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

fn inner_has(inner: &[&Gate], gate: &Gate) -> bool {
    inner.iter().any(|g| g.span == gate.span)
}

fn text(d: Duration) -> String {
    duration::print(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
