//! The two machines of a step that compares.
//!
//! Owns: which they are, and as whom each side runs. Must not: log in, or compare.

use std::path::PathBuf;
use std::sync::Arc;

use super::drive::Driver;
use crate::action::Hands;
use crate::action::compare::{Compare, Side};
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::plan::PlannedStep;
use crate::run::event::StepKey;

impl Driver {
    /// What must be logged into for a comparison at each of these places: the side's name in words, and its machine, each once.
    /// Nothing of any other step.
    pub(super) fn sides(step: &PlannedStep, key: &StepKey, places: &[HostName]) -> Options {
        let sides_at = |on: &HostName| {
            let mut sides: Vec<(String, HostName)> = Vec::new();
            for (name, machine) in ["left", "right"].into_iter().zip(machines(step, key, on)) {
                if !sides.iter().any(|(_, known)| *known == machine) {
                    sides.push((format!("{name} ({machine})"), machine));
                }
            }
            (on.clone(), sides)
        };
        match step.sides() {
            Some(_) => places.iter().map(sides_at).collect(),
            None => Vec::new(),
        }
    }

    /// A rendered comparison with its machines and users.
    pub(super) fn placed(&self, step: &PlannedStep, key: &StepKey, on: &HostName, compare: &Compare) -> Arc<Compare> {
        let mut placed = Compare {
            ok_codes: step.ok_codes.clone(),
            folder: self.setup.folder.output(),
            redactor: self.setup.redactor.clone(),
            sensitive: step.sensitive,
            ..compare.clone()
        };
        let sides = step.sides().into_iter().flatten();
        for ((side, machine), written) in placed.sides.iter_mut().zip(machines(step, key, on)).zip(sides) {
            let host = self.setup.plan.host(&machine);
            *side = Side {
                become_user: step.side_becomes(written, host).map(str::to_owned),
                on: machine,
                run: std::mem::take(&mut side.run),
            };
        }
        Arc::new(placed)
    }
}

/// Left and right; none of any other step.
fn machines(step: &PlannedStep, key: &StepKey, on: &HostName) -> Vec<HostName> {
    let own = key.host.as_ref().map(HostName::as_str);
    let sides = step.sides().into_iter().flatten();
    sides
        .map(|side| side.machine(own).map_or_else(|| on.clone(), HostName::new))
        .collect()
}

/// Where a step that compares may be done, best first, and for each what must be logged into.
pub(super) type Options = Vec<(HostName, Vec<(String, HostName)>)>;

/// Logs into the machines of the first option where that succeeds; which it is, the facts of the place itself, if it is one of
/// the machines, and those of all machines that were met.
pub(super) async fn enter(
    hands: &Hands,
    options: &Options,
) -> (HostName, Result<Facts, String>, Vec<(HostName, Facts)>) {
    let mut met = Vec::new();
    let mut came = (HostName::controller(), Err("it has no place".to_owned()));
    for (on, sides) in options {
        let mut place = Ok(Facts::default());
        for (name, machine) in sides {
            match hands.session(machine).await {
                Ok(session) => {
                    let facts = session.facts().clone();
                    if machine == on {
                        place = place.map(|_| facts.clone());
                    }
                    met.push((machine.clone(), facts));
                }
                Err(error) => {
                    place = Err(format!("{name}: {}", error.advised()));
                    break;
                }
            }
        }
        let good = place.is_ok();
        came = (on.clone(), place);
        if good {
            break;
        }
    }
    let (on, place) = came;
    (on, place, met)
}

/// A comparison that is rendered, and not placed yet.
pub(super) fn unplaced(mode: crate::plan::CompareMode, tolerance: Option<&String>, runs: [String; 2]) -> Compare {
    Compare {
        mode,
        tolerance: tolerance.cloned(),
        sides: runs.map(|run| Side {
            on: HostName::new(""),
            become_user: None,
            run,
        }),
        ok_codes: Vec::new(),
        folder: PathBuf::new(),
        redactor: crate::secret::Redactor::default(),
        sensitive: false,
    }
}
