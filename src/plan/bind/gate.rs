//! Gates: who must say yes, and whether that can happen at all.

use super::{Binder, millis, phase_steps, runbook_phases};
use crate::diag::{Diagnostic, Span, Spanned, nearest};
use crate::plan::{PlannedGate, Requirement};
use crate::policy::{Impossible, can_pass};
use crate::runbook::policyfile::{PolicyFile, unknown_group};
use crate::runbook::{Gate, Phase};

impl Binder<'_, '_> {
    /// A gate between phases, or inside the rollout of a phase.
    pub(super) fn gate(&mut self, gate: &Gate, of: Option<&Phase>) -> PlannedGate {
        let id = of.map_or(&gate.id, |p| &p.id).value.clone();
        let what = match of {
            None => format!("the gate `{id}`"),
            Some(_) => format!("the gate in the rollout of `{id}`"),
        };
        let need = gate.need.as_ref().map(|n| n.value);
        let requirement = Requirement {
            need: need.unwrap_or(1),
            approvers: gate.approvers.iter().map(|a| a.value.clone()).collect(),
            not_operator: gate.not_operator,
        };
        let policy = self.input.policy.map(|(policy, _)| policy);
        for d in gate_faults(policy, &what, gate) {
            self.diags.push(d);
        }
        let show = gate.show.iter().filter_map(|s| self.shown(s, of)).collect();
        PlannedGate {
            id,
            title: gate.title.clone(),
            requirement,
            expires_ms: millis(gate.expires),
            otherwise: gate.otherwise,
            show,
            after_batch: gate.after_batch,
        }
    }

    /// Under a policy `need` and `approvers` are written, the groups exist, and there are people enough.
    pub(super) fn with_policy(&mut self, what: &str, need: Option<u32>, approvers: &[Spanned<String>], span: &Span) {
        let Some((policy, _)) = self.input.policy else { return };
        for d in approver_faults(policy, what, need, approvers, span) {
            self.diags.push(d);
        }
    }

    /// `PHASE/STEP` of a step whose result is shown; `None` where the step is left out of this plan.
    fn shown(&mut self, id: &Spanned<String>, of: Option<&Phase>) -> Option<String> {
        let runbook = self.input.runbook;
        let (in_phase, step) = id.split_once('/').map_or((None, id.as_str()), |(p, s)| (Some(p), s));
        let has = |p: &&Phase| phase_steps(p).any(|s| s.id_written && s.id.value == step);
        let mut phases = runbook_phases(runbook).filter(|p| in_phase.is_none_or(|name| p.id.value == name));
        let phase = of.filter(|p| in_phase.is_none() && has(p)).or_else(|| phases.find(has));
        let Some(phase) = phase else {
            let d = Diagnostic::error(
                "PS0652",
                format!("no phase has a step `{}`", id.value),
                id.span.clone(),
                "its result cannot be shown",
            );
            let ids: Vec<&str> = runbook_phases(runbook)
                .flat_map(phase_steps)
                .map(|s| s.id.value.as_str())
                .collect();
            self.diags.push(match nearest(step, ids) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("name a step by its id, or PHASE/STEP"),
            });
            return None;
        };
        let stays = !self.skipped.contains_key(&phase.id.value)
            && !self.emptied.contains(&phase.id.value)
            && self.in_mode(&phase.only_in);
        stays.then(|| format!("{}/{step}", phase.id.value))
    }
}

/// Why a gate can never pass under this policy, or without one.
pub fn gate_faults(policy: Option<&PolicyFile>, what: &str, gate: &Gate) -> Vec<Diagnostic> {
    let need = gate.need.as_ref().map(|n| n.value);
    if let Some(policy) = policy {
        return approver_faults(policy, what, need, &gate.approvers, &gate.span);
    }
    // That `need` has its approvers is `check`'s to say.
    if !gate.not_operator && gate.approvers.is_empty() {
        return Vec::new();
    }
    let d = Diagnostic::error(
        "PS0642",
        format!("{what} cannot pass: there is no policy"),
        gate.span.clone(),
        "who may approve is said by a policy file",
    );
    vec![
        d.help("write `policy: policy.yml` in pitstop.yml, and there `approvers: { GROUP: [PERSON] }` and `allowed_signers: FILE` (`pitstop init` makes a start)")
            .help("or let the operator alone answer, unsigned: `not_operator: false`, without `approvers`"),
    ]
}

fn approver_faults(
    policy: &PolicyFile,
    what: &str,
    need: Option<u32>,
    approvers: &[Spanned<String>],
    span: &Span,
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    if need.is_none() || approvers.is_empty() {
        let d = Diagnostic::error(
            "PS0640",
            format!("{what} does not say who must approve"),
            span.clone(),
            "`need` and `approvers` are missing here",
        );
        let groups: Vec<&str> = policy.approvers.keys().map(String::as_str).collect();
        faults.push(match groups.first() {
            Some(group) => d.help(format!(
                "write `need: 1` and `approvers: [{group}]`; the policy has: {}",
                groups.join(", ")
            )),
            None => d.help("add a group to policy.yml, under `approvers`, and name it here"),
        });
        return faults;
    }
    let mut known = true;
    for group in approvers.iter().filter(|g| !policy.approvers.contains_key(&g.value)) {
        faults.push(unknown_group(group, policy));
        known = false;
    }
    let groups: Vec<String> = approvers.iter().map(|g| g.value.clone()).collect();
    if let (true, Err(error @ (Impossible::TooFew { .. } | Impossible::NeedsNobody))) =
        (known, can_pass(&policy.approvers, &groups, need.unwrap_or(1), None))
    {
        let d = Diagnostic::error(
            "PS0641",
            format!("{what} cannot pass: {error}"),
            span.clone(),
            "never enough",
        );
        faults.push(d.help("name more groups, or add people to them in policy.yml"));
    }
    faults
}
