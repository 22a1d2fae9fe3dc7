//! The way back of packages: one transaction to the inventory that was.
//!
//! Owns: what differs from it, and where each former version comes from. Must not: know what was done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{State, apt, changes, difference};
use crate::action::proven::{Fields, Proven, Todo};

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
        apt::look_at_all(&self.run, &names)
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let (was, now) = (State::read(&self.was)?, State::read(former)?);
        let (mut words, mut kept) = (Vec::new(), Vec::new());
        for (name, before, _) in difference(&was, &now) {
            words.push(match before {
                None => format!("{name}-"),
                Some(version) => match now.stash.get(&(name.to_owned(), version.to_owned())) {
                    Some(path) => {
                        kept.push(path.clone());
                        path.clone()
                    }
                    None if now.have.get(name).is_some_and(|have| have.contains(version)) => {
                        format!("{name}={version}")
                    }
                    None => return Err(format!("{name} {version} cannot be had any more")),
                },
            });
        }
        let mut scripts = Vec::new();
        let holds = |names: BTreeSet<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        let (unhold, hold) = (
            holds(now.held.difference(&was.held).collect()),
            holds(was.held.difference(&now.held).collect()),
        );
        if !unhold.is_empty() {
            scripts.push(apt::hold(false, &unhold));
        }
        // A package whose configuration failed is mended by the same transaction, or by its own.
        if !words.is_empty() {
            let how = apt::How {
                conffiles: None,
                lock_wait: self.lock_wait,
                older: true,
                may_remove: true,
            };
            if !kept.is_empty() {
                scripts.push(apt::into_cache(&kept));
            }
            scripts.push(apt::install(&how, &words));
        } else if !now.broken().is_empty() {
            scripts.push("DEBIAN_FRONTEND=noninteractive dpkg --configure -a".to_owned());
        }
        if !hold.is_empty() {
            scripts.push(apt::hold(true, &hold));
        }
        let count = words.len();
        Ok(Todo {
            words: match count {
                0 => format!("{}: they are as they were", self.words()),
                _ => format!("{}: {}", self.words(), words.join(" ")),
            },
            script: (!scripts.is_empty()).then(|| scripts.join(" && ")),
        })
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (was, before, now) = (State::read(&self.was)?, State::read(former)?, State::read(after)?);
        if let Some((name, was, is)) = difference(&was, &now).first() {
            let word = |version: &Option<&str>| version.unwrap_or("not there").to_owned();
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
