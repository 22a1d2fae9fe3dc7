//! What a host says of its packages, read; and what two such answers differ in.
//!
//! ```text
//! manager NAME                     whose they are; none: apt's
//! arch ARCH                        the machine's own, which no name of a package says; other architectures stand behind the name
//! inst NAME:ARCH VERSION STATE     an installed package, as `dpkg-query` abbreviates its state; a line each where several are there
//! broke NAME                       one whose own script failed in this run, which its manager itself does not remember
//! held NAME                        on hold
//! holdless WHY                     no command can set or take a hold
//! have NAME VERSION                a version that the host's sources have
//! cand NAME VERSION                the one of them that would be installed
//! deb NAME VERSION                 a version that lies in the manager's cache
//! stash NAME VERSION PATH          one that this run kept for the way back
//! sim Inst NAME [OLD] (NEW ORIGIN [ARCH])   what an upgrade would do, in apt's own words
//! up NAME OLD NEW CLASS            the same of the others; `-`: no version of it is replaced
//! gone NAME VERSION                what an upgrade would take away
//! classes CLASS...                 those that the sources tell of updates
//! unclassed WHY                    they tell none
//! dist PATH                        settings that came to lie beside those changed by hand
//! ```
//!
//! The result of every change is the difference of two inventories, never what a package manager says of its progress.
//!
//! Owns: these lines. Must not: know what is wanted, or start a program.

mod apk;
mod apt;
mod back;
mod dnf;
mod dnf5;
mod family;
#[cfg(test)]
mod manuals_tests;
mod package;
mod pacman;
mod patch;
mod zypper;

use std::collections::{BTreeMap, BTreeSet};

pub(in crate::action) use self::family::WHOSE;
use self::family::{Manager, Want, bare};
pub use self::package::Package;
pub use self::patch::{Install, Scan};
use crate::plan::Value;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Installed {
    /// More than one only of packages that may be there several times, as kernels.
    versions: BTreeSet<String>,
    /// `ii`: as it should be.
    state: String,
}

impl Installed {
    /// Unpacked and not configured, or worse: nothing can be installed before it is mended.
    fn is_broken(&self) -> bool {
        self.state.chars().nth(1).is_some_and(|c| matches!(c, 'U' | 'F' | 'H'))
            || self.state.chars().nth(2) == Some('R')
    }

    fn has(&self, version: &str) -> bool {
        self.versions.contains(version)
    }

    /// All of them.
    fn version(&self) -> String {
        self.versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// It is there; what was removed leaves its settings and a line.
    fn is_there(&self) -> bool {
        self.state.chars().nth(1).is_some_and(|c| !matches!(c, 'n' | 'c'))
    }
}

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Update {
    name: String,
    /// Empty: it comes new.
    old: String,
    new: String,
    class: String,
}

impl Update {
    fn id(&self) -> String {
        format!("{}={}", self.name, self.new)
    }

    fn class(&self) -> &str {
        &self.class
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
struct State {
    manager: Manager,
    native: String,
    /// Name and version to the name with its architecture.
    full: BTreeMap<(String, String), String>,
    /// By name; by `NAME:ARCH` where it is of another architecture than the machine.
    installed: BTreeMap<String, Installed>,
    held: BTreeSet<String>,
    holdless: Option<String>,
    have: BTreeMap<String, BTreeSet<String>>,
    candidate: BTreeMap<String, String>,
    cached: BTreeMap<String, BTreeSet<String>>,
    /// Name and version to path.
    stash: BTreeMap<(String, String), String>,
    updates: Vec<Update>,
    /// What the updates would take away: name and version.
    gone: Vec<(String, String)>,
    classes: Vec<String>,
    unclassed: Option<String>,
    left_aside: BTreeSet<String>,
}

impl State {
    /// # Errors
    /// When it says nothing of any package: then it is no answer.
    fn read(said: &str) -> Result<Self, String> {
        let mut state = Self::default();
        for line in said.lines() {
            let mut words = line.split_whitespace();
            let (word, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let (version, last) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let rest = || line.split_once(' ').map_or("", |(_, rest)| rest).to_owned();
            let (own, version_) = (state.own(name).to_owned(), version.to_owned());
            match word {
                "inst" | "have" | "stash" => {
                    state.full.insert((own.clone(), version_.clone()), name.to_owned());
                }
                "up" => drop(state.full.insert((own.clone(), last.to_owned()), name.to_owned())),
                _ => {}
            }
            match word {
                "manager" => state.manager = Manager::named(name).ok_or(format!("nothing is known of {name} here"))?,
                "arch" => state.native = own,
                "inst" => state.add(own, version_, last),
                "broke" => state.broke(&own),
                "held" => drop(state.held.insert(own)),
                "have" => drop(state.have.entry(own).or_default().insert(version_)),
                "cand" if version != "(none)" => drop(state.candidate.insert(own, version_)),
                "deb" => drop(state.cached.entry(own).or_default().insert(version_)),
                "stash" => drop(state.stash.insert((own, version_), last.to_owned())),
                "sim" => state.updates.extend(update(line)),
                "up" => state.updates.push(Update {
                    name: own,
                    old: version_.trim_start_matches('-').to_owned(),
                    new: last.to_owned(),
                    class: words.next().unwrap_or_default().to_owned(),
                }),
                "gone" => state.gone.push((own, version_)),
                "classes" => state.classes = rest().split_whitespace().map(str::to_owned).collect(),
                "holdless" => state.holdless = Some(rest()),
                "unclassed" => state.unclassed = Some(rest()),
                "dist" => drop(state.left_aside.insert(rest())),
                _ => {}
            }
        }
        if state.installed.is_empty() {
            return Err("the host says nothing of its packages".to_owned());
        }
        Ok(state)
    }

    fn add(&mut self, own: String, version: String, state: &str) {
        let found = self.installed.entry(own).or_insert_with(|| Installed {
            versions: BTreeSet::new(),
            state: state.to_owned(),
        });
        if state != "ii" {
            state.clone_into(&mut found.state);
        }
        found.versions.insert(version);
    }

    fn broke(&mut self, name: &str) {
        if let Some(found) = self.installed.get_mut(name) {
            "iF".clone_into(&mut found.state);
        }
    }

    /// A name as the host's tools say it: without the architecture, where it is the machine's own.
    fn own<'n>(&self, name: &'n str) -> &'n str {
        match name.split_once(':') {
            Some((bare, arch)) if matches!(arch, "all" | "noarch" | "any") || arch == self.native => bare,
            _ => name,
        }
    }

    fn find(&self, name: &str) -> Option<&Installed> {
        self.installed.get(self.own(name)).filter(|found| found.is_there())
    }

    /// True if this version could be installed now, from the sources or the stash.
    fn can_be_had(&self, name: &str, version: &str) -> bool {
        let of =
            |all: &BTreeMap<String, BTreeSet<String>>| all.get(self.own(name)).is_some_and(|v| v.contains(version));
        of(&self.have)
            || self
                .stash
                .contains_key(&(self.own(name).to_owned(), version.to_owned()))
    }

    /// True if it could be kept now for the way back: also from apt's cache.
    fn can_be_kept(&self, name: &str, version: &str) -> bool {
        let cached = self.cached.get(bare(name)).is_some_and(|v| v.contains(version));
        cached || self.can_be_had(name, version)
    }

    /// A name with its architecture, where the host's tools want that.
    fn full(&self, name: &str, version: &str) -> String {
        let key = (self.own(name).to_owned(), version.to_owned());
        match self.manager {
            Manager::Apt => name.to_owned(),
            _ => self.full.get(&key).cloned().unwrap_or_else(|| name.to_owned()),
        }
    }

    /// In this version, from the sources if they have it, else from the stash.
    fn put(&self, name: &str, version: &str) -> Want {
        let own = self.own(name);
        let path = match self.have.get(own).is_some_and(|have| have.contains(version)) {
            true => None,
            false => self.stash.get(&(own.to_owned(), version.to_owned())).cloned(),
        };
        Want::Put {
            name: name.to_owned(),
            full: self.full(name, version),
            version: version.to_owned(),
            path,
            fresh: self.find(name).is_none(),
        }
    }

    fn gone(&self, name: &str, version: &str) -> Want {
        Want::Gone {
            name: name.to_owned(),
            full: self.full(name, version),
            version: version.to_owned(),
        }
    }

    /// Sets and takes holds.
    ///
    /// # Errors
    /// When no command of the host does.
    fn hold(&self, hold: bool, names: &[String]) -> Result<String, String> {
        match &self.holdless {
            Some(why) => Err(why.clone()),
            None => self.manager.hold(hold, names),
        }
    }

    fn broken(&self) -> Vec<&str> {
        let broken = self.installed.iter().filter(|(_, found)| found.is_broken());
        broken.map(|(name, _)| name.as_str()).collect()
    }

    /// # Errors
    /// When packages are half-configured: every change would fail on them.
    fn sound(&self) -> Result<(), String> {
        match self.broken().as_slice() {
            [] => Ok(()),
            broken => Err(format!(
                "{} half-configured since before: {}",
                are(broken),
                self.manager.mend()
            )),
        }
    }
}

/// `a is`, `a and b are`, …
fn are(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}

/// The names of packages as they were written: what is no name would be an option, or worse, to a program.
///
/// # Errors
/// When one is none.
pub fn names(written: Vec<String>) -> Result<Vec<String>, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_' | ':' | '~' | '^' | '=');
    let odd = |name: &&String| !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(good);
    match written.iter().find(odd) {
        Some(name) => Err(format!("`{name}` is no name of a package")),
        None => Ok(written),
    }
}

/// `sim Inst bash [5.1] (5.2 Debian:12/stable [amd64])`
fn update(line: &str) -> Option<Update> {
    let rest = line.strip_prefix("sim Inst ")?;
    let (head, tail) = rest.split_once(" (")?;
    let (name, old) = match head.split_once(" [") {
        Some((name, old)) => (name, old.trim_end_matches(']')),
        None => (head, ""),
    };
    let inner = tail.split_once(')').map_or(tail, |(inner, _)| inner);
    let (new, origin) = inner.split_once(' ').unwrap_or((inner, ""));
    Some(Update {
        name: name.trim().to_owned(),
        old: old.to_owned(),
        new: new.to_owned(),
        // apt knows no other classes than what an archive is called.
        class: match origin.to_lowercase().contains("security") {
            true => "security",
            false => "bugfix",
        }
        .to_owned(),
    })
}

/// What became other: name, what was there before, and after; `None`: nothing.
fn difference<'s>(before: &'s State, after: &'s State) -> Vec<(&'s str, Option<String>, Option<String>)> {
    let names: BTreeSet<&String> = before.installed.keys().chain(after.installed.keys()).collect();
    let version = |of: &'s State, name: &str| {
        let found = of.installed.get(name).filter(|found| found.is_there());
        found.map(Installed::version)
    };
    let each = names
        .into_iter()
        .map(|name| (name.as_str(), version(before, name), version(after, name)));
    each.filter(|(_, was, is)| was != is).collect()
}

/// The same in words, a line each.
fn changes(before: &State, after: &State) -> Value {
    let words = |(name, was, is): (&str, Option<String>, Option<String>)| match (was, is) {
        (Some(was), Some(is)) => format!("{name} {was} -> {is}"),
        (Some(was), None) => format!("{name} {was} is gone"),
        (None, Some(is)) => format!("{name} {is} is new"),
        (None, None) => name.to_owned(),
    };
    let mut lines: Vec<Value> = difference(before, after)
        .into_iter()
        .map(words)
        .map(Value::Text)
        .collect();
    let holds = before.held.symmetric_difference(&after.held);
    lines.extend(holds.map(|name| {
        let now = if after.held.contains(name) {
            "is held"
        } else {
            "is not held"
        };
        Value::Text(format!("{name} {now}"))
    }));
    Value::List(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_apt_are_read() {
        let found =
            update("sim Inst libc6:i386 [2.36-9] (2.36-9+deb12u1 Debian-Security:12/stable-security [i386]) []")
                .unwrap();
        assert_eq!(
            (found.id().as_str(), found.old.as_str(), found.class()),
            ("libc6:i386=2.36-9+deb12u1", "2.36-9", "security")
        );
        let new = update("sim Inst linux-image-7 (7.1 repo [all])").unwrap();
        assert_eq!((new.old.as_str(), new.class()), ("", "bugfix"));
        assert!(update("sim Conf x (1 y)").is_none());
    }

    #[test]
    fn what_is_half_configured_and_what_left_only_its_settings() {
        let state =
            State::read("arch amd64\ninst a:amd64 1 ii\ninst a:i386 2 ii\ninst b:all 1 iF\ninst c:all 1 rc\n").unwrap();
        assert_eq!(state.find("a:i386").unwrap().version(), "2");
        assert_eq!(state.find("a:amd64"), state.find("a"));
        assert_eq!(state.broken(), ["b"]);
        assert!(state.find("a").is_some() && state.find("c").is_none());
        assert!(State::read("E: nothing").is_err());
    }
}
