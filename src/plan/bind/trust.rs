//! What the policy demands of the finished plan.

use std::collections::{BTreeSet, HashSet};

use super::{Binder, planned_steps, step};
use crate::diag::{Diagnostic, Span, Spanned};
use crate::id::HostName;
use crate::plan::estimate;
use crate::plan::{Place, Plan, PlannedPhase, PlannedStep, Requirement, Size, TransportKind};
use crate::policy::{self, Limits, Policy};

impl Binder<'_, '_> {
    pub(super) fn check_trust(&mut self, plan: &mut Plan) {
        self.check_local(plan);
        self.check_limits(plan);
        self.require_change(plan);
        plan.approval = self.approval(plan);
    }

    fn top(&self) -> Span {
        self.input.runbook.span.clone()
    }

    /// Hosts on which the plan changes something, that are named by one of the policy's selectors, with that selector.
    fn demanded(&mut self, plan: &Plan, selectors: &[Spanned<String>]) -> Vec<(HostName, Span)> {
        let changed = changed_hosts(plan);
        let mut demanded = Vec::new();
        for written in selectors {
            let Some(selector) = self.policy_selector(written) else {
                continue;
            };
            let hosts = selector.select(self.input.inventory).into_iter();
            let hit = hosts.filter(|h| changed.contains(&h.name.value));
            demanded.extend(hit.map(|h| (h.name.value.clone(), written.span.clone())));
        }
        demanded
    }

    fn require_change(&mut self, plan: &Plan) {
        let Some((policy, _)) = self.input.policy else { return };
        let demanded = self.demanded(plan, &policy.require_change);
        let change = self.input.change;
        let Some((host, rule)) = demanded
            .first()
            .filter(|_| !change.from_file || change.ticket.is_none())
        else {
            return;
        };
        let d = Diagnostic::error(
            "PS0643",
            format!(
                "{} may be changed only under a change file with a ticket",
                and_more(host, demanded.len())
            ),
            self.top(),
            "planned without one",
        )
        .also(rule.clone(), "the policy demands it here");
        self.diags.push(d.help(format!(
            "write changes/NAME.yml: `schema: 1`, `change: TICKET`, `runbook: {}`, and plan that file",
            self.input.path
        )));
    }

    /// Who must approve the plan: whom the change names; the policy says where that is not left to it.
    fn approval(&mut self, plan: &Plan) -> Option<Requirement> {
        let change = self.input.change;
        let place = change
            .need
            .as_ref()
            .map(|n| n.span.clone())
            .or_else(|| change.approvers.first().map(|a| a.span.clone()));
        let Some((policy, _)) = self.input.policy else {
            if let Some(place) = place {
                let d = Diagnostic::error(
                    "PS0642",
                    "the plan cannot be approved: there is no policy",
                    place,
                    "who may approve is said by a policy file",
                );
                self.diags
                    .push(d.help("write `policy: policy.yml` in pitstop.yml, or leave `need` and `approvers` out"));
            }
            return None;
        };
        let demanded = self.demanded(plan, &policy.require_approval);
        let Some(place) = place else {
            if let Some((host, rule)) = demanded.first() {
                let d = Diagnostic::error(
                    "PS0644",
                    format!(
                        "{} may be changed only by an approved plan",
                        and_more(host, demanded.len())
                    ),
                    self.top(),
                    "nobody is named who approves",
                )
                .also(rule.clone(), "the policy demands it here");
                let group = policy.approvers.keys().next().map_or("GROUP", String::as_str);
                self.diags
                    .push(d.help(format!("write `need: 1` and `approvers: [{group}]` in the change")));
            }
            return None;
        };
        let need = change.need.as_ref().map(|n| n.value);
        self.with_policy("the approval of the plan", need, &change.approvers, &place);
        Some(Requirement {
            need: need.unwrap_or(1),
            approvers: change.approvers.iter().map(|a| a.value.clone()).collect(),
            not_operator: true,
        })
    }

    /// Commands run on the control machine only where the policy, or the runbook's nature, allows it.
    fn check_local(&mut self, plan: &Plan) {
        let rules = self.input.policy.map(|(p, _)| Policy {
            allow_local: p.allow_local,
            ..Policy::default()
        });
        let here = plan.hosts.iter().filter(|h| h.transport == TransportKind::Local);
        let local_hosts: BTreeSet<&HostName> = here.map(|h| &h.name).collect();
        let local = |host: &HostName| host.is_controller() || local_hosts.contains(host);
        let every_target_is_local = plan.phases().all(|p| p.hosts.iter().all(local));
        if policy::local_allowed(rules.as_ref(), every_target_is_local) {
            return;
        }
        let controller = HostName::controller();
        let here = |step: &PlannedStep, hosts: &[HostName], once: bool| {
            let hosts = if once || step.once {
                std::slice::from_ref(&controller)
            } else {
                hosts
            };
            step::runs_on_host(&step.call) && hosts.iter().any(|h| step::machines(step, h).iter().any(local))
        };
        let steady = plan.steady_state.iter().find(|s| here(s, &[], true));
        let in_phase = |p: &PlannedPhase| {
            let own = p.steady_state.iter().find(|s| here(s, &[], true)).cloned();
            own.or_else(|| planned_steps(p).find(|s| here(s, &p.hosts, false)).cloned())
        };
        let first = steady.cloned().or_else(|| plan.phases().find_map(in_phase));
        let Some(first) = first else { return };
        let place = super::all_steps(self.input.runbook).find(|s| s.name == first.name);
        let d = Diagnostic::error(
            "PS0645",
            format!("the step `{}` runs a command on this machine", first.name),
            place.map_or_else(|| self.top(), |s| s.action.span.clone()),
            "the control machine holds keys and secrets",
        );
        self.diags.push(if rules.is_some() {
            d.help("the policy says no: `allow_local: true` in policy.yml allows it")
        } else {
            d.help("write a policy.yml with `allow_local: true` and name it in pitstop.yml")
                .help("without a policy it is allowed only where every target of the runbook is local")
        });
    }

    /// The place in the runbook that asks for the most of something.
    fn asked_at(&self, plan: &Plan, what: &str, asked: u64) -> (Span, String) {
        let runbook = self.input.runbook;
        let in_phase = |ask: fn(&PlannedPhase) -> u64| {
            let id = plan.phases().find(|p| ask(p) == asked).map(|p| p.id.as_str())?;
            let phase = super::runbook_phases(runbook).find(|p| p.id.value == id)?;
            Some((phase.id.span.clone(), "this phase".to_owned()))
        };
        let place = match what {
            "parallel" => in_phase(at_once),
            "batch" => in_phase(largest_batch),
            "max_fail" => in_phase(borne),
            "window" => runbook
                .window
                .as_ref()
                .map(|w| (w.duration.span.clone(), "this window".to_owned())),
            "timeout" => {
                let mut steps = plan.steady_state.iter().chain(plan.phases().flat_map(planned_steps));
                let name = steps.find(|s| s.timeout_ms == asked).map(|s| s.name.as_str());
                let step = super::all_steps(runbook).find(|s| Some(s.name.as_str()) == name);
                step.map(|s| (s.action.span.clone(), "this step".to_owned()))
            }
            _ => None,
        };
        place.unwrap_or_else(|| (self.top(), "in this runbook".to_owned()))
    }

    fn check_limits(&mut self, plan: &Plan) {
        let Some((policy, _)) = self.input.policy else { return };
        let l = &policy.limits;
        let ms = |d: Option<std::time::Duration>| d.map(super::millis);
        let limits = Limits {
            parallel: l.parallel.map(u64::from),
            batch: l.batch.map(u64::from),
            hosts: l.hosts.map(u64::from),
            max_fail: l.max_fail.map(u64::from),
            timeout_ms: ms(l.timeout),
            window_ms: ms(l.window),
        };
        let steps = plan.steady_state.iter().chain(plan.phases().flat_map(planned_steps));
        let asked = Limits {
            parallel: plan.phases().map(at_once).max(),
            batch: plan.phases().map(largest_batch).max(),
            hosts: Some(plan.worked_hosts().len() as u64),
            max_fail: plan.phases().filter(|p| p.changes).map(borne).max(),
            timeout_ms: steps.map(|s| s.timeout_ms).max(),
            window_ms: plan.window.as_ref().map(|w| w.duration_ms),
        };
        for over in limits.exceeded_by(&asked) {
            let (place, label) = self.asked_at(plan, over.what, over.asked);
            let show = |n: u64| match over.what {
                "timeout" | "window" => crate::runbook::duration::print(n),
                _ => n.to_string(),
            };
            let d = Diagnostic::error(
                "PS0646",
                format!(
                    "the policy allows `{}` at most {}, the plan asks for {}",
                    over.what,
                    show(over.limit),
                    show(over.asked)
                ),
                place,
                label,
            );
            self.diags
                .push(d.help("lower it in the runbook, or have policy.yml changed, under `limits`"));
        }
    }
}

/// Hosts of a phase's largest batch.
fn largest_batch(phase: &PlannedPhase) -> u64 {
    let sizes = estimate::batches(&phase.rollout, phase.hosts.len());
    sizes.into_iter().max().unwrap_or(0) as u64
}

/// Hosts of a phase at work at one time.
fn at_once(phase: &PlannedPhase) -> u64 {
    u64::from(phase.rollout.parallel).min(phase.hosts.len() as u64)
}

/// Failed hosts that a phase bears.
fn borne(phase: &PlannedPhase) -> u64 {
    match phase.rollout.max_fail {
        Size::Count(n) => u64::from(n),
        Size::Percent(p) => phase.hosts.len() as u64 * u64::from(p) / 100,
    }
}

/// Every host on which a step that changes something is done.
fn changed_hosts(plan: &Plan) -> HashSet<&HostName> {
    let mut changed = HashSet::new();
    for phase in plan.phases() {
        let mut own = false;
        for s in planned_steps(phase).filter(|s| !s.read_only && s.skip.is_none()) {
            match &s.place {
                Place::Own => own |= !s.once,
                Place::Hosts(hosts) | Place::OneOf(hosts) => changed.extend(hosts),
                Place::ByHost(map) => changed.extend(map.values().flatten()),
            }
        }
        if own {
            changed.extend(&phase.hosts);
        }
    }
    changed
}

fn and_more(host: &HostName, count: usize) -> String {
    match count {
        0 | 1 => format!("host `{host}`"),
        n => format!("host `{host}` and {} more", n - 1),
    }
}
