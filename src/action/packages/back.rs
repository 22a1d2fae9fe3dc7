//! The way back of packages: one transaction to the inventory that was.
//!
//! Owns: what differs from it, and where each former version comes from. Must not: know what was done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::family::{self, How, Look, Want, listed};
use super::{State, changes, difference};
use crate::action::proven::{Fields, Proven, Todo};
use crate::runbook::expr::quote::sh_word as quote;

/// Back to an inventory.
#[derive(Debug)]
pub(super) struct Back {
    /// The run, whose stash it is.
    pub run: String,
    /// What was.
    pub was: String,
    /// The words of what is taken back.
    pub of: String,
    pub lock_wait: Duration,
}

impl Back {
    /// Back to what `was`, from what the words say.
    ///
    /// # Errors
    /// When that is no inventory.
    pub(super) fn to(was: &str, run: &str, of: String, lock_wait: Duration) -> Result<Arc<dyn Proven>, String> {
        State::read(was)?;
        Ok(Arc::new(Self {
            run: run.to_owned(),
            was: was.to_owned(),
            of,
            lock_wait,
        }))
    }
}

impl Proven for Back {
    fn words(&self) -> String {
        format!("take back {}", self.of)
    }

    fn capture(&self) -> String {
        let was = State::read(&self.was).unwrap_or_default();
        let names: Vec<&str> = was.installed.keys().map(String::as_str).collect();
        family::look(&self.run, &Look::All(&names))
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let (was, now) = (State::read(&self.was)?, State::read(former)?);
        let mut wants = Vec::new();
        for (name, _, _) in difference(&was, &now) {
            wants.extend(there_again(name, &was, &now)?);
        }
        let mut scripts = Vec::new();
        let holds = |names: BTreeSet<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        let (unhold, hold) = (
            holds(now.held.difference(&was.held).collect()),
            holds(was.held.difference(&now.held).collect()),
        );
        if !unhold.is_empty() {
            scripts.push(now.hold(false, &unhold)?);
        }
        // A package whose configuration failed is mended by the same transaction, or by its own.
        if !wants.is_empty() || !now.broken().is_empty() {
            let how = How {
                run: &self.run,
                conffiles: None,
                lock_wait: self.lock_wait,
                older: true,
                may_remove: true,
                exact: true,
            };
            scripts.push(now.manager.install(&how, &wants)?);
        }
        for aside in now.left_aside.difference(&was.left_aside) {
            if now.manager.took_settings(aside) {
                scripts.push(format!(
                    "mv -f -- {} {}",
                    quote(aside),
                    quote(aside.trim_end_matches(".rpmsave"))
                ));
            }
        }
        if !hold.is_empty() {
            scripts.push(now.hold(true, &hold)?);
        }
        Ok(Todo {
            words: match wants.is_empty() {
                true => format!("{}: they are as they were", self.words()),
                false => format!("{}: {}{}", self.words(), listed(&wants), now.manager.unproven()),
            },
            script: family::one_after_another(scripts),
        })
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (was, before, now) = (State::read(&self.was)?, State::read(former)?, State::read(after)?);
        if let Some((name, was, is)) = difference(&was, &now).first() {
            let word = |version: &Option<String>| version.as_deref().unwrap_or("not there").to_owned();
            return Err(format!("{name} was {} and is {}", word(was), word(is)));
        }
        if let Some(name) = now.broken().first() {
            return Err(format!("{name} is half-configured"));
        }
        Ok(Fields::from([("changes".to_owned(), changes(&before, &now))]))
    }

    fn back(&self, _: &str) -> Result<Arc<dyn Proven>, String> {
        Err("an undo is not taken back".to_owned())
    }
}

/// What brings the versions of one package back: first of all the copy that the run kept.
///
/// # Errors
/// When one can be had from nowhere.
fn there_again(name: &str, was: &State, now: &State) -> Result<Vec<Want>, String> {
    let versions = |of: &State| of.find(name).map(|found| found.versions.clone()).unwrap_or_default();
    let (before, after) = (versions(was), versions(now));
    let mut wants = Vec::new();
    for version in before.difference(&after) {
        let copy = now.stash.get(&(name.to_owned(), version.clone()));
        if !now.can_be_had(name, version) {
            return Err(format!("{name} {version} cannot be had any more"));
        }
        wants.push(match (now.put(name, version), copy) {
            (
                Want::Put {
                    name,
                    full,
                    version,
                    fresh,
                    ..
                },
                Some(copy),
            ) => Want::Put {
                name,
                full,
                version,
                fresh,
                path: Some(copy.clone()),
            },
            (want, _) => want,
        });
    }
    // One that is alone makes room for its other version by itself.
    if before.is_empty() || before.len() > 1 || after.len() > 1 {
        wants.extend(after.difference(&before).map(|version| now.gone(name, version)));
    }
    Ok(wants)
}
