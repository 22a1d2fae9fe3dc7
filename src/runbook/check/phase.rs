//! Rules about a phase as a whole, its rollout and gates.

use super::{phases, policy_of, rollout_of, stages};
use crate::diag::{Diagnostic, Diagnostics};
use crate::runbook::{Gate, Item, OnFailure, Phase, Runbook, Size, Step};

pub(super) fn check(runbook: &Runbook, diags: &mut Diagnostics) {
    for phase in phases(runbook) {
        drained(phase, diags);
        bracket(phase, diags);
        held(runbook, phase, diags);
        one_batch(runbook, phase, diags);
        if stages(phase).iter().all(|(_, steps)| steps.is_empty()) {
            let d = Diagnostic::error(
                "PS0219",
                format!("the phase `{}` does nothing", phase.id.value),
                phase.id.span.clone(),
                "no stage has a step",
            );
            diags.push(d.help("add `steps`, or `verify` for what only looks"));
        }
    }
    let gates = runbook.items.iter().filter_map(|item| match item {
        Item::Gate(gate) => Some(&**gate),
        Item::Phase(_) => None,
    });
    gates.for_each(|g| gate(g, diags));
    let rollouts = runbook
        .rollouts
        .iter()
        .chain(phases(runbook).filter_map(|p| rollout_of(runbook, p)));
    let mut seen = Vec::new();
    for inner in rollouts.filter_map(|r| r.gate.as_ref()) {
        if !seen.contains(&&inner.span) {
            seen.push(&inner.span);
            gate(inner, diags);
        }
    }
}

fn changing(step: &&Step) -> bool {
    !step.read_only
}

/// Who takes a host out of service proves it and brings it back.
fn drained(phase: &Phase, diags: &mut Diagnostics) {
    let Some(drain) = phase.stages.drain.iter().find(|s| !s.once) else {
        return;
    };
    for (stage, missing) in [
        ("verify", phase.stages.verify.is_empty()),
        ("undrain", phase.stages.undrain.is_empty()),
    ] {
        if missing {
            let d = Diagnostic::error(
                "PS0205",
                format!("a phase with `drain` has `{stage}`"),
                phase.id.span.clone(),
                format!("`{stage}` is missing in this phase"),
            );
            let why = if stage == "verify" {
                "and nothing proves that it is good before it goes back"
            } else {
                "and nothing takes it back into service"
            };
            diags.push(
                d.also(drain.span.clone(), "here a host goes out of service")
                    .help(format!("add `{stage}`: a host goes out of service, {why}")),
            );
        }
    }
}

/// A gate between batches is asked only where another batch follows.
fn one_batch(runbook: &Runbook, phase: &Phase, diags: &mut Diagnostics) {
    let Some(rollout) = rollout_of(runbook, phase) else {
        return;
    };
    let Some(gate) = &rollout.gate else { return };
    let all_at_once = match rollout.batches.as_slice() {
        [] => Some("without `batches` all hosts are one batch"),
        [Size::Percent(100), ..] => Some("the first batch is all hosts"),
        _ => None,
    };
    let alone = phase.targets.as_ref().and_then(|name| {
        let set = runbook.targets.iter().find(|t| t.name.value == name.value)?;
        let one = set.select.is_none() && set.hosts.len() == 1 && !set.hosts.iter().any(|h| h.contains("{{"));
        one.then_some("the phase has one host")
    });
    if let Some(why) = all_at_once.or(alone) {
        let d = Diagnostic::error("PS0257", "this gate would never be asked", gate.span.clone(), why);
        diags.push(
            d.also(phase.id.span.clone(), "in this phase")
                .help("write how the batches grow: `batches: [1, \"25%\"]`")
                .help("a question before or after the whole phase is a `gate` of its own, among the phases"),
        );
    }
}

/// A changing `once` step opens something for the whole phase; another closes it.
fn bracket(phase: &Phase, diags: &mut Diagnostics) {
    let opens = phase.stages.drain.iter().filter(changing).find(|s| s.once);
    let closes = phase.stages.cleanup.iter().filter(changing).any(|s| s.once);
    if let Some(open) = opens.filter(|_| !closes) {
        let d = Diagnostic::error(
            "PS0208",
            "what is opened once for a phase is closed once",
            open.span.clone(),
            "this opens something before the first host",
        );
        diags.push(d.help("add the step that closes it to `cleanup`, with `once: true`"));
    }
}

/// A phase that takes nothing back stops at the first failure.
fn held(runbook: &Runbook, phase: &Phase, diags: &mut Diagnostics) {
    let (policy, said) = policy_of(runbook, phase);
    let word = match policy {
        OnFailure::Hold => "hold",
        OnFailure::Ask => "ask",
        OnFailure::RollbackHost | OnFailure::RollbackRun => return,
    };
    let Some(max_fail) = rollout_of(runbook, phase).and_then(|r| r.max_fail.as_ref()) else {
        return;
    };
    if matches!(max_fail.value, Size::Count(0) | Size::Percent(0)) {
        return;
    }
    let d = Diagnostic::error(
        "PS0209",
        format!("`{word}` stops at the first failure"),
        max_fail.span.clone(),
        "this bears more than none",
    );
    diags.push(
        d.also(said, format!("the phase `{}` says `{word}`", phase.id.value))
            .help("delete `max_fail`, or write `on_failure: rollback_host` and an `undo` for each changing step"),
    );
}

fn gate(gate: &Gate, diags: &mut Diagnostics) {
    if gate.approvers.is_empty() && gate.not_operator {
        let d = Diagnostic::error(
            "PS0214",
            "nobody can pass this gate",
            gate.span.clone(),
            "it names no `approvers`",
        );
        diags.push(
            d.help("write `need: 1` and `approvers: [GROUP]`, groups of policy.yml")
                .help("where the operator alone decides, write `not_operator: false`"),
        );
    } else if !gate.approvers.is_empty() && gate.need.is_none() {
        let d = Diagnostic::error(
            "PS0214",
            "a gate says how many people it needs",
            gate.span.clone(),
            "`need` is missing here",
        );
        diags.push(d.help("write `need: 1`"));
    }
    if gate.expires.is_zero() {
        diags.push(Diagnostic::error(
            "PS0224",
            "a gate that waits for no time cannot be passed",
            gate.span.clone(),
            "`expires` is nothing",
        ));
    }
}
