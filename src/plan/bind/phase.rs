//! Phases and rollouts with every default filled in.

use super::{Binder, Kept, millis};
use crate::diag::{Diagnostic, Spanned, nearest};
use crate::id::HostName;
use crate::plan::{Kind, OnFailure, PlannedPhase, PlannedRollout, PlannedStep, Size, Stage, Stages, Value};
use crate::runbook::{Phase, Rollout, RolloutRef, Step, duration};

/// Hosts at work at one time where nothing is written.
const PARALLEL: u32 = 10;

/// Where a step stands.
#[derive(Clone, Copy)]
pub(super) struct Site<'s> {
    /// The phase's id; empty for the run's own steady state.
    pub phase: &'s str,
    /// The stage.
    pub stage: Stage,
    /// The hosts it is done for; empty where it is done once, for none.
    pub hosts: &'s [HostName],
}

impl Binder<'_, '_> {
    pub(super) fn phase(&mut self, kept: &Kept<'_>) -> Option<PlannedPhase> {
        let (phase, hosts) = (kept.phase, kept.hosts.as_slice());
        self.touch(hosts);
        let id = phase.id.value.as_str();
        let rollout = self.rollout(phase, hosts);
        let steady_state = self.steady_of(&phase.steady_state, id);
        let mut list = |stage: Stage, steps: &[Step]| {
            self.steps(
                steps,
                Site {
                    phase: id,
                    stage,
                    hosts,
                },
            )
        };
        let s = &phase.stages;
        let stages = Stages {
            precheck: list(Stage::Precheck, &s.precheck),
            drain: list(Stage::Drain, &s.drain),
            steps: list(Stage::Steps, &s.steps),
            verify: list(Stage::Verify, &s.verify),
            undrain: list(Stage::Undrain, &s.undrain),
            cleanup: list(Stage::Cleanup, &s.cleanup),
        };
        let drains = s.drain.iter().any(|d| self.in_mode(&d.only_in));
        if drains && hosts.len() > 1 && rollout.as_ref().is_some_and(|r| r.batches.is_empty()) {
            let d = Diagnostic::error(
                "PS0621",
                format!(
                    "the phase `{id}` would take all its {} hosts out of service at once",
                    hosts.len()
                ),
                phase.id.span.clone(),
                "it drains and has no `batches`",
            );
            self.diags.push(
                d.help("write `rollout: { batches: [1, \"25%\"] }`; `batches: [\"100%\"]` if all at once is meant"),
            );
        }
        let mut planned = PlannedPhase {
            id: id.to_owned(),
            title: phase.title.clone(),
            hosts: kept.hosts.clone(),
            rollout: rollout?,
            when: self.late_when(phase),
            on_failure: self.on_failure(phase),
            changes: false,
            steady_state,
            stages,
        };
        let changes = super::planned_steps(&planned).any(|s| !s.read_only && s.skip.is_none());
        planned.changes = changes;
        self.lasting(phase, &planned);
        Some(planned)
    }

    fn on_failure(&self, phase: &Phase) -> OnFailure {
        let default = if self.input.runbook.kind.value == Kind::DrDrill {
            OnFailure::Ask
        } else {
            OnFailure::RollbackHost
        };
        phase.on_failure.as_ref().map_or(default, |o| o.value)
    }

    /// What is left of `when` after parameters and mode have been asked.
    fn late_when(&self, phase: &Phase) -> Option<String> {
        let when = phase.when.as_ref()?;
        let decided = super::names::only_params(&super::names::condition_names(when));
        (!decided).then(|| when.value.clone())
    }

    /// The run's own steady state.
    pub(super) fn steady(&mut self, steps: &[Step]) -> Vec<PlannedStep> {
        self.steady_of(steps, "")
    }

    fn steady_of(&mut self, steps: &[Step], phase: &str) -> Vec<PlannedStep> {
        let site = Site {
            phase,
            stage: Stage::Steady,
            hosts: &[],
        };
        self.steps(steps, site)
    }

    fn steps(&mut self, steps: &[Step], site: Site<'_>) -> Vec<PlannedStep> {
        let steps = steps.iter().filter(|s| self.in_mode(&s.only_in)).collect::<Vec<_>>();
        steps.into_iter().filter_map(|s| self.step(s, site)).collect()
    }

    fn rollout(&mut self, phase: &Phase, hosts: &[HostName]) -> Option<PlannedRollout> {
        let runbook = self.input.runbook;
        let written = match &phase.rollout {
            None => None,
            Some(RolloutRef::Inline(rollout)) => Some(rollout.as_ref()),
            Some(RolloutRef::Named(name)) => {
                let found = runbook.rollouts.iter().find(|r| r.name.value == name.value);
                if found.is_none() {
                    let d = Diagnostic::error(
                        "PS0620",
                        format!("there is no rollout `{}`", name.value),
                        name.span.clone(),
                        "not declared under `rollouts`",
                    );
                    let names = runbook.rollouts.iter().map(|r| r.name.value.as_str());
                    self.diags.push(match nearest(name, names) {
                        Some(near) => d.help(format!("did you mean `{near}`?")),
                        None => d.help("declare it under `rollouts`"),
                    });
                    return None;
                }
                found
            }
        };
        let max_fail = match runbook.kind.value {
            Kind::Check => Size::Percent(100),
            _ => Size::Count(0),
        };
        let Some(r) = written else {
            return Some(PlannedRollout {
                batches: Vec::new(),
                parallel: PARALLEL,
                max_fail,
                soak_ms: 0,
                gate: None,
                apart: None,
                last: None,
            });
        };
        if let Some(label) = &r.apart {
            self.check_apart(label, hosts);
        }
        Some(PlannedRollout {
            batches: r.batches.clone(),
            parallel: r.parallel.unwrap_or(PARALLEL),
            max_fail: r.max_fail.as_ref().map_or(max_fail, |m| m.value),
            soak_ms: self.soak(r),
            gate: r.gate.as_ref().map(|g| self.gate(g, Some(phase))),
            apart: r.apart.as_ref().map(|a| a.value.clone()),
            last: r.last.as_ref().map(|l| l.value.clone()),
        })
    }

    fn soak(&mut self, rollout: &Rollout) -> u64 {
        let Some(soak) = &rollout.soak else { return 0 };
        let Some(value) = self.value_now(soak) else {
            return 0;
        };
        match &value {
            Value::Duration { duration_ms } => return *duration_ms,
            Value::Text(text) => {
                if let Some(d) = duration::parse(text.trim()) {
                    return millis(d);
                }
            }
            _ => {}
        }
        let d = Diagnostic::error(
            "PS0622",
            "`soak` is no duration",
            soak.span.clone(),
            "write 10m, or a parameter of type duration",
        );
        self.diags
            .push(d.help("declare the parameter as `{ type: duration, default: 10m }`"));
        0
    }

    /// A host without the label would silently be alone or with all others: neither is what was meant.
    fn check_apart(&mut self, label: &Spanned<String>, hosts: &[HostName]) {
        let inventory = self.input.inventory;
        let without = hosts
            .iter()
            .filter_map(|h| inventory.host(h.as_str()))
            .find(|h| !h.labels.contains_key(&label.value));
        if let Some(host) = without {
            let d = Diagnostic::error(
                "PS0623",
                format!("host `{}` has no label `{}`", host.name.value, label.value),
                label.span.clone(),
                "batches are kept apart by it",
            );
            self.diags
                .push(match nearest(label, host.labels.keys().map(String::as_str)) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help("give every host of the phase this label"),
                });
        }
    }
}
