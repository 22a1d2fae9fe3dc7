//! The change record of a plan of which nothing has happened yet.
//!
//! Owns: what the plan alone says. Must not: look at events.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::*;
use crate::plan::page::shown;
use crate::plan::{PlannedPhase, Stage};

/// A record that knows the plan and nothing else.
pub(super) fn record(plan: &Plan, plan_digest: &Digest, head: &ChainHead) -> ChangeRecord {
    ChangeRecord {
        schema: SCHEMA.to_owned(),
        id: None,
        kind: plan.kind,
        mode: plan.mode.clone(),
        dry: false,
        rehearsal: plan.rehearsal,
        title: plan.title.clone(),
        description: plan.description.clone(),
        reason: plan.reason.clone(),
        ticket: plan.ticket.clone(),
        type_: plan.change.type_.clone(),
        owner: plan.owner.clone(),
        texts: Texts {
            risk: plan.change.risk.clone(),
            impact: plan.change.impact.clone(),
            backout: plan.change.backout.clone(),
            test: plan.change.test.clone(),
        },
        runbook: RunbookRef {
            id: plan.runbook.clone(),
            path: plan.path.clone(),
            files: plan.files.iter().map(|(p, f)| (p.clone(), f.digest.clone())).collect(),
        },
        plan_digest: plan_digest.clone(),
        tool: String::new(),
        other_modes: plan.other_modes.clone(),
        params: plan.params.iter().map(|(k, v)| (k.clone(), shown(v))).collect(),
        operators: Vec::new(),
        window: window(plan),
        phases: plan.phases().map(phase).collect(),
        hosts: hosts(plan),
        steps: Vec::new(),
        foreseen: Vec::new(),
        scanned: Vec::new(),
        restore: None,
        undo: Vec::new(),
        gates: Vec::new(),
        approvals: Vec::new(),
        deviations: Vec::new(),
        objectives: Vec::new(),
        former: Vec::new(),
        last_drill: None,
        review: None,
        marks: Vec::new(),
        waits: Vec::new(),
        steady: Vec::new(),
        locks: Vec::new(),
        silences: Vec::new(),
        left_behind: Vec::new(),
        forgiven: Vec::new(),
        participants: Vec::new(),
        resumptions: Vec::new(),
        signals: Vec::new(),
        halts: Vec::new(),
        warnings: Vec::new(),
        outcome: OutcomeRecord {
            verdict: None,
            exit: None,
            result: None,
            summary: String::new(),
        },
        chain: Chain {
            algo: "sha256".to_owned(),
            events: head.events,
            head: head.hash.clone(),
            damage: None,
        },
    }
}

fn hosts(plan: &Plan) -> Vec<HostRecord> {
    let mut out: Vec<HostRecord> = Vec::new();
    let controller = HostName::controller();
    let planned = plan
        .hosts
        .iter()
        .map(|h| (&h.name, h.address.as_str(), h.groups.as_slice()));
    let of_phase: Vec<(&PlannedPhase, HashSet<&HostName>)> =
        plan.phases().map(|p| (p, p.hosts.iter().collect())).collect();
    let mut seen = HashSet::new();
    for (name, address, groups) in planned.chain([(&controller, "", [].as_slice())]) {
        let phases: Vec<HostPhase> = of_phase
            .iter()
            .filter(|(_, hosts)| hosts.contains(name))
            .map(|(p, _)| HostPhase {
                phase: p.id.clone(),
                batch: None,
                state: Some(HostState::NotStarted),
                why: String::new(),
                began: None,
                turned: None,
                ended: None,
                closed: false,
            })
            .collect();
        if phases.is_empty() || !seen.insert(name) {
            continue;
        }
        out.push(HostRecord {
            name: name.clone(),
            address: address.to_owned(),
            system: String::new(),
            kernel: (String::new(), String::new()),
            boots: Vec::new(),
            machine: String::new(),
            host_key: String::new(),
            groups: groups.to_vec(),
            state: None,
            phases,
        });
    }
    out
}

fn phase(p: &PlannedPhase) -> PhaseRecord {
    PhaseRecord {
        id: p.id.clone(),
        title: p.title.clone(),
        changes: p.changes,
        verifies: !p.stages.get(Stage::Verify).is_empty(),
        on_failure: p.on_failure,
        began: None,
        ended: None,
        batches: Vec::new(),
    }
}

fn window(plan: &Plan) -> WindowRecord {
    let Some(w) = &plan.window else {
        return WindowRecord {
            timezone: "UTC".to_owned(),
            ..WindowRecord::default()
        };
    };
    let long = |ms: u64| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let planned = w.start.and_then(|start| {
        let end = start.checked_add(long(w.duration_ms)).ok()?;
        Some(Span { start, end })
    });
    WindowRecord {
        timezone: w.timezone.clone(),
        cutoff: planned.and_then(|p| p.end.checked_sub(long(w.cutoff_ms)).ok()),
        planned,
        actual: None,
        waited_ms: 0,
    }
}
