//! The parts of a plan, and how they are found.
//!
//! Owns: looking up phases, hosts and steps, and what follows from the plan as a whole. Must not: decide anything of a run.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::{
    OnFailure, Otherwise, Place, Plan, PlanItem, PlannedHost, PlannedPhase, PlannedSilence, PlannedStep, PlannedUndo,
    Stage, Stages,
};
use crate::canon;
use crate::id::{Digest, HostName};

impl PlannedPhase {
    /// True if each host goes on as soon as it was logged into. Elsewhere no host begins before all were logged into and prechecked:
    /// so that nothing is changed where too many are out of reach. Here nothing is changed and nothing is prechecked, and a dead
    /// host would only keep the others waiting. A rollout that chooses among hosts waits to know them.
    pub fn flows(&self) -> bool {
        let r = &self.rollout;
        let chooses = !r.batches.is_empty() || r.gate.is_some() || r.apart.is_some() || r.last.is_some();
        !self.changes && self.stages.precheck.is_empty() && !chooses
    }
}

impl Plan {
    /// The silences, each by the name that the journal calls it: what it goes through, with a number from the second on.
    pub fn named_silences(&self) -> impl Iterator<Item = (String, &PlannedSilence)> {
        self.silences.iter().enumerate().map(|(at, silence)| {
            let before = self.silences.iter().take(at).filter(|s| s.via == silence.via).count();
            let name = match before {
                0 => silence.via.clone(),
                n => format!("{}#{}", silence.via, n + 1),
            };
            (name, silence)
        })
    }

    /// How long a silence of this name is set, ms.
    pub fn silenced_for(&self, name: &str) -> u64 {
        let via = self.named_silences().find(|(n, _)| n == name).map(|(_, s)| &s.via);
        via.and_then(|via| self.silencers.get(via)).map_or(0, |s| s.for_ms)
    }

    /// The digest that approvals and runs refer to.
    ///
    /// # Errors
    /// Never for a plan that `bind` made; JSON's own errors otherwise.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        canon::digest(self)
    }

    /// The zone in which its times are shown.
    pub fn zone(&self) -> &str {
        self.window.as_ref().map_or("UTC", |w| w.timezone.as_str())
    }

    /// The phase with this id.
    pub fn phase(&self, id: &str) -> Option<&PlannedPhase> {
        self.phases().find(|p| p.id == id)
    }

    /// All phases in order.
    pub fn phases(&self) -> impl DoubleEndedIterator<Item = &PlannedPhase> {
        self.items.iter().filter_map(|i| match i {
            PlanItem::Phase(p) => Some(p.as_ref()),
            PlanItem::Gate(_) => None,
        })
    }

    /// Every step that is written, with its phase (the run's own steady state has none): also those that are left out. The steps
    /// of an undo are in [`PlannedStep::with_undo`].
    pub fn written_steps(&self) -> impl Iterator<Item = (Option<&PlannedPhase>, &PlannedStep)> {
        let own = self.steady_state.iter().map(|step| (None, step));
        let of_phases = self.phases().flat_map(|phase| {
            let of_stages = phase.stages.each().into_iter().flat_map(|(_, steps)| steps);
            let all = phase.steady_state.iter().chain(of_stages);
            all.map(move |step| (Some(phase), step))
        });
        own.chain(of_phases)
    }

    /// Every host that some phase works on; its own order would cost more than all the rest of a large plan.
    pub fn worked_hosts(&self) -> HashSet<&HostName> {
        self.phases().flat_map(|p| &p.hosts).collect()
    }

    /// The host with this name.
    pub fn host(&self, name: &HostName) -> Option<&PlannedHost> {
        let at = self.index.at(&self.hosts, name);
        let there = at.and_then(|at| self.hosts.get(at)).filter(|h| &h.name == name);
        there.or_else(|| self.hosts.iter().find(|h| &h.name == name))
    }

    /// True if any step of it changes something.
    pub fn changes(&self) -> bool {
        self.phases().any(|p| p.changes)
    }

    /// True if a phase or gate can take the whole run back: then no host is closed before the end.
    pub fn can_roll_back_run(&self) -> bool {
        self.rehearsal
            || self.items.iter().any(|i| match i {
                PlanItem::Phase(p) => {
                    p.on_failure == OnFailure::RollbackRun
                        || p.rollout
                            .gate
                            .as_ref()
                            .is_some_and(|g| g.otherwise == Otherwise::RollbackRun)
                }
                PlanItem::Gate(g) => g.otherwise == Otherwise::RollbackRun,
            })
    }

    /// True if this phase and that one do and take back the same: their steps with their undo, wherever they are done.
    pub fn works_as(here: &PlannedPhase, there: &PlannedPhase) -> bool {
        let work = |phase: &PlannedPhase| {
            let mut steps = phase.stages.get(Stage::Steps).to_vec();
            for step in &mut steps {
                step.place = Place::Own;
                if let PlannedUndo::Steps(undo) = &mut step.undo {
                    undo.iter_mut().for_each(|u| u.place = Place::Own);
                }
            }
            steps
        };
        work(here) == work(there)
    }

    /// The steps of a stage; `phase` is empty for the run's own steady state.
    pub fn steps(&self, phase: &str, stage: Stage) -> &[PlannedStep] {
        if phase.is_empty() {
            return if stage == Stage::Steady {
                &self.steady_state
            } else {
                &[]
            };
        }
        let Some(p) = self.phase(phase) else { return &[] };
        match stage {
            Stage::Steady => &p.steady_state,
            Stage::Undo => &[],
            other => p.stages.get(other),
        }
    }

    /// The step with this id; for [`Stage::Undo`] ids are `STEP/N`.
    pub fn step(&self, phase: &str, stage: Stage, id: &str) -> Option<&PlannedStep> {
        if stage == Stage::Undo {
            let (of, _) = id.rsplit_once('/')?;
            let PlannedUndo::Steps(list) = &self.step(phase, Stage::Steps, of)?.undo else {
                return None;
            };
            return list.iter().find(|s| s.id == id);
        }
        self.steps(phase, stage).iter().find(|s| s.id == id)
    }
}

impl PlannedStep {
    /// Itself and the steps that take it back.
    pub fn with_undo(&self) -> impl Iterator<Item = &Self> {
        let undo = match &self.undo {
            PlannedUndo::Steps(steps) => steps.as_slice(),
            _ => &[],
        };
        std::iter::once(self).chain(undo)
    }
}

impl<T> Stages<Vec<T>> {
    /// The list of one stage.
    pub fn get(&self, stage: Stage) -> &[T] {
        match stage {
            Stage::Precheck => &self.precheck,
            Stage::Drain => &self.drain,
            Stage::Steps => &self.steps,
            Stage::Verify => &self.verify,
            Stage::Undrain => &self.undrain,
            Stage::Cleanup => &self.cleanup,
            Stage::Steady | Stage::Undo => &[],
        }
    }
}

/// Where each host of a plan stands in its list: a fleet's hosts are looked up for each step. Made at the first look; where
/// the list was changed after it, its word is checked against the list.
#[derive(Debug, Default)]
pub struct HostIndex(OnceLock<HashMap<HostName, usize>>);

impl HostIndex {
    fn at(&self, hosts: &[PlannedHost], name: &HostName) -> Option<usize> {
        let all = || {
            hosts
                .iter()
                .enumerate()
                .rev()
                .map(|(at, host)| (host.name.clone(), at))
                .collect()
        };
        self.0.get_or_init(all).get(name).copied()
    }
}

/// Of another list.
impl Clone for HostIndex {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// It says nothing that the list does not.
impl PartialEq for HostIndex {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
