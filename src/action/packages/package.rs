//! `package`: packages in a state, in a version, held or not.
//!
//! Owns: what is to be done for that, and whether it is so. Must not: run anything.

use std::sync::Arc;
use std::time::Duration;

use super::back::Back;
use super::{State, apt, changes};
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
    /// What is to be changed: words for apt.
    fn wanted(&self, state: &State) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        for name in self.names.iter().map(|name| state.own(name)) {
            let found = state.find(name);
            let is = found.map(|found| found.version.as_str());
            let candidate = state.candidate.get(name).map(String::as_str);
            let word = match (self.state, &self.version) {
                (PackageState::Absent, _) => is.map(|_| format!("{name}-")),
                (_, Some(version)) if is == Some(version) => None,
                (_, Some(version)) if state.can_be_had(name, version) => Some(format!("{name}={version}")),
                (_, Some(version)) => return Err(self.not_there(state, name, version)),
                (PackageState::Latest, None) if candidate.is_some() && candidate == is => None,
                (PackageState::Present, None) if is.is_some() => None,
                (_, None) => match candidate {
                    Some(version) => Some(format!("{name}={version}")),
                    None => {
                        return Err(format!(
                            "no source of the host has a package {name}: is its list up to date?"
                        ));
                    }
                },
            };
            if let Some(word) = word {
                if state.held.contains(name) && self.hold != Some(false) {
                    return Err(format!("{name} is held: write `hold: false` to change it all the same"));
                }
                words.push(word);
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
        apt::look(&self.run, &self.names)
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let state = State::read(former)?;
        state.sound()?;
        let words = self.wanted(&state)?;
        let mut scripts = Vec::new();
        if self.hold == Some(false) && self.is_held_wrongly(&state).is_some() {
            scripts.push(apt::hold(false, &self.names));
        }
        if !words.is_empty() {
            let how = apt::How {
                conffiles: None,
                lock_wait: LOCK_WAIT,
                older: self.version.is_some(),
                may_remove: self.state == PackageState::Absent,
            };
            scripts.push(apt::install(&how, &words));
        }
        if self.hold == Some(true) && self.is_held_wrongly(&state).is_some() {
            scripts.push(apt::hold(true, &self.names));
        }
        Ok(Todo {
            words: match scripts.is_empty() {
                true => format!("{}: they are", self.words()),
                false => format!("{} ({})", self.words(), words.join(" ")).replace(" ()", ""),
            },
            script: (!scripts.is_empty()).then(|| scripts.join(" && ")),
        })
    }

    fn no_way_back(&self, former: &str) -> Option<String> {
        let state = State::read(former).ok()?;
        let lost = self.wanted(&state).ok()?.into_iter().find_map(|word| {
            let name = word
                .split_once('=')
                .map_or(word.trim_end_matches('-'), |(name, _)| name)
                .to_owned();
            let was = state.find(&name)?.version.clone();
            (!state.can_be_had(&name, &was)).then_some((name, was))
        });
        lost.map(|(name, was)| {
            format!("{name} {was}, which is installed, cannot be had any more: there is no way back")
        })
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (before, now) = (State::read(former)?, State::read(after)?);
        for name in &self.names {
            let found = now.find(name);
            let is = found.map(|found| found.version.as_str());
            let right = match (self.state, &self.version) {
                (PackageState::Absent, _) => is.is_none(),
                (PackageState::Present, Some(version)) => is == Some(version),
                (PackageState::Latest, None) => {
                    is.is_some() && is == before.candidate.get(before.own(name)).map(String::as_str)
                }
                _ => is.is_some(),
            };
            if !right {
                return Err(format!("{name} is {}", is.unwrap_or("not installed")));
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
