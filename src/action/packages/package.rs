//! `package`: packages in a state, in a version, held or not.
//!
//! Owns: what is to be done for that, and whether it is so. Must not: run anything.

use std::sync::Arc;
use std::time::Duration;

use super::back::Back;
use super::family::{self, How, Look, Want, listed};
use super::{Installed, State, changes};
use crate::action::proven::{Fields, Proven, Todo};
use crate::runbook::builtin::PackageState;

/// For so long the package manager's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(300);

/// `package`.
#[derive(Debug)]
pub struct Package {
    /// The run.
    pub run: String,
    /// Which.
    pub names: Vec<String>,
    /// What they shall be.
    pub state: PackageState,
    /// The one version of the one package.
    pub version: Option<String>,
    /// Whether they shall be held; `None`: as they are.
    pub hold: Option<bool>,
}

impl Package {
    /// What is to be changed.
    fn wanted(&self, state: &State) -> Result<Vec<Want>, String> {
        let mut words = Vec::new();
        for name in self.names.iter().map(|name| state.own(name)) {
            let found = state.find(name);
            let is = |version: &str| found.is_some_and(|found| found.has(version));
            let candidate = state.candidate.get(name).map(String::as_str);
            let word = match (self.state, &self.version) {
                (PackageState::Absent, _) => found
                    .and_then(|found| found.versions.first())
                    .map(|is| state.gone(name, is)),
                (_, Some(version)) if is(version) => None,
                (_, Some(version)) if state.can_be_had(name, version) => Some(state.put(name, version)),
                (_, Some(version)) => return Err(self.not_there(state, name, version)),
                (PackageState::Latest, None) if candidate.is_some_and(is) => None,
                (PackageState::Present, None) if found.is_some() => None,
                (_, None) => match candidate {
                    Some(version) => Some(state.put(name, version)),
                    None => {
                        return Err(format!(
                            "no source of the host has a package {name}: is its list up to date?"
                        ));
                    }
                },
            };
            if let Some(want) = word {
                if state.held.contains(name) && self.hold != Some(false) {
                    return Err(format!("{name} is held: write `hold: false` to change it all the same"));
                }
                words.push(want);
            }
        }
        Ok(words)
    }

    fn not_there(&self, state: &State, name: &str, version: &str) -> String {
        let have = state
            .have
            .get(name)
            .map(|have| have.iter().cloned().collect::<Vec<_>>().join(", "));
        match have {
            Some(have) => format!("{name} {version} cannot be had; there is {have}"),
            None => format!("no source of the host has a package {name}"),
        }
    }

    fn is_held_wrongly(&self, state: &State) -> Option<(&str, bool)> {
        let hold = self.hold?;
        let wrong = self
            .names
            .iter()
            .find(|name| state.held.contains(state.own(name)) != hold)?;
        Some((wrong, hold))
    }
}

impl Proven for Package {
    fn words(&self) -> String {
        let state = format!("{:?}", self.state).to_lowercase();
        let version = self.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
        let hold = match self.hold {
            Some(true) => ", held",
            Some(false) => ", not held",
            None => "",
        };
        format!("packages {}{version}: {state}{hold}", self.names.join(" "))
    }

    fn capture(&self) -> String {
        family::look(&self.run, &Look::Of(&self.names))
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let state = State::read(former)?;
        state.sound()?;
        let wants = self.wanted(&state)?;
        let mut scripts = Vec::new();
        if self.hold == Some(false) && self.is_held_wrongly(&state).is_some() {
            scripts.push(state.hold(false, &self.names)?);
        }
        if !wants.is_empty() {
            let how = How {
                run: &self.run,
                conffiles: None,
                lock_wait: LOCK_WAIT,
                older: self.version.is_some(),
                may_remove: self.state == PackageState::Absent,
                exact: false,
            };
            scripts.push(state.manager.install(&how, &wants)?);
        }
        if self.hold == Some(true) && self.is_held_wrongly(&state).is_some() {
            scripts.push(state.hold(true, &self.names)?);
        }
        Ok(Todo {
            words: match scripts.is_empty() {
                true => format!("{}: they are", self.words()),
                false => {
                    let what = format!("{} ({})", self.words(), listed(&wants)).replace(" ()", "");
                    what + state.manager.unproven()
                }
            },
            script: family::one_after_another(scripts),
        })
    }

    fn no_way_back(&self, former: &str) -> Option<String> {
        let state = State::read(former).ok()?;
        let lost = self.wanted(&state).ok()?.into_iter().find_map(|want| {
            let found = state.find(want.name())?;
            let was = found.versions.iter().find(|was| !state.can_be_had(want.name(), was))?;
            Some((want.name().to_owned(), was.clone()))
        });
        lost.map(|(name, was)| {
            format!("{name} {was}, which is installed, cannot be had any more: there is no way back")
        })
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (before, now) = (State::read(former)?, State::read(after)?);
        for name in &self.names {
            let found = now.find(name);
            let is = |version: &String| found.is_some_and(|found| found.has(version));
            let right = match (self.state, &self.version) {
                (PackageState::Absent, _) => found.is_none(),
                (PackageState::Present, Some(version)) => is(version),
                (PackageState::Latest, None) => before.candidate.get(before.own(name)).is_some_and(is),
                _ => found.is_some(),
            };
            if !right {
                return Err(format!(
                    "{name} is {}",
                    found.map_or("not installed".to_owned(), Installed::version)
                ));
            }
        }
        if let Some(name) = now.broken().first() {
            return Err(format!("{name} is half-configured"));
        }
        if let Some((name, hold)) = self.is_held_wrongly(&now) {
            return Err(format!("{name} is {}held", if hold { "not " } else { "" }));
        }
        Ok(Fields::from([("changes".to_owned(), changes(&before, &now))]))
    }

    fn back(&self, former: &str) -> Result<Arc<dyn Proven>, String> {
        Back::to(former, &self.run, self.words(), LOCK_WAIT)
    }
}
