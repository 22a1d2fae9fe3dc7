//! What a host says of its packages, read; and what two such answers differ in.
//!
//! ```text
//! arch ARCH                        the machine's own, which no name of a package says; other architectures stand behind the name
//! inst NAME:ARCH VERSION STATE     an installed package, as `dpkg-query` abbreviates its state
//! held NAME                        on hold
//! have NAME VERSION                a version that the host's sources have
//! cand NAME VERSION                the one of them that would be installed
//! deb NAME VERSION                 a version that lies in apt's cache
//! stash NAME VERSION PATH          one that this run kept for the way back
//! sim Inst NAME [OLD] (NEW ORIGIN [ARCH])   what an upgrade would do, in apt's own words
//! dist PATH                        a package's settings that lie beside those changed by hand
//! ```
//!
//! The result of every change is the difference of two inventories, never what a package manager says of its progress.
//!
//! Owns: these lines. Must not: know what is wanted, or start a program.

pub(super) mod apt;
mod back;
mod package;
mod patch;

use std::collections::{BTreeMap, BTreeSet};

pub use self::package::Package;
pub use self::patch::{Install, Scan};
use crate::plan::Value;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Installed {
    version: String,
    /// `ii`: as it should be.
    state: String,
}

impl Installed {
    /// Unpacked and not configured, or worse: nothing can be installed before it is mended.
    fn is_broken(&self) -> bool {
        self.state.chars().nth(1).is_some_and(|c| matches!(c, 'U' | 'F' | 'H'))
            || self.state.chars().nth(2) == Some('R')
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
    /// From where, as apt says it.
    origin: String,
}

impl Update {
    fn id(&self) -> String {
        format!("{}={}", self.name, self.new)
    }

    /// apt knows no other classes than what an archive is called.
    fn class(&self) -> &'static str {
        match self.origin.to_lowercase().contains("security") {
            true => "security",
            false => "bugfix",
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
struct State {
    native: String,
    /// By name; by `NAME:ARCH` where it is of another architecture than the machine.
    installed: BTreeMap<String, Installed>,
    held: BTreeSet<String>,
    have: BTreeMap<String, BTreeSet<String>>,
    candidate: BTreeMap<String, String>,
    cached: BTreeMap<String, BTreeSet<String>>,
    /// Name and version to path.
    stash: BTreeMap<(String, String), String>,
    updates: Vec<Update>,
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
            let (own, version_) = (state.own(name).to_owned(), version.to_owned());
            match word {
                "arch" => state.native = own,
                "inst" => drop(state.installed.insert(
                    own,
                    Installed {
                        version: version_,
                        state: last.to_owned(),
                    },
                )),
                "held" => drop(state.held.insert(own)),
                "have" => drop(state.have.entry(own).or_default().insert(version_)),
                "cand" if version != "(none)" => drop(state.candidate.insert(own, version_)),
                "deb" => drop(state.cached.entry(own).or_default().insert(version_)),
                "stash" => drop(state.stash.insert((own, version_), last.to_owned())),
                "sim" => state.updates.extend(update(line)),
                "dist" => drop(state.left_aside.insert(line.get(5..).unwrap_or_default().to_owned())),
                _ => {}
            }
        }
        if state.installed.is_empty() {
            return Err("the host says nothing of its packages".to_owned());
        }
        Ok(state)
    }

    /// A name as the host's tools say it: without the architecture, where it is the machine's own.
    fn own<'n>(&self, name: &'n str) -> &'n str {
        match name.split_once(':') {
            Some((bare, arch)) if arch == "all" || arch == self.native => bare,
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
                "{} half-configured since before: mend it with `dpkg --configure -a`",
                are(broken)
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
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_' | ':' | '~' | '=');
    let odd = |name: &&String| !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(good);
    match written.iter().find(odd) {
        Some(name) => Err(format!("`{name}` is no name of a package")),
        None => Ok(written),
    }
}

/// Without its architecture.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
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
        origin: origin.rsplit_once(" [").map_or(origin, |(origin, _)| origin).to_owned(),
    })
}

/// What became other: name, version before, version after; `None`: not there.
fn difference<'s>(before: &'s State, after: &'s State) -> Vec<(&'s str, Option<&'s str>, Option<&'s str>)> {
    let names: BTreeSet<&String> = before.installed.keys().chain(after.installed.keys()).collect();
    let version = |of: &'s State, name: &str| {
        let found = of.installed.get(name).filter(|found| found.is_there());
        found.map(|found| found.version.as_str())
    };
    let each = names
        .into_iter()
        .map(|name| (name.as_str(), version(before, name), version(after, name)));
    each.filter(|(_, was, is)| was != is).collect()
}

/// The same in words, a line each.
fn changes(before: &State, after: &State) -> Value {
    let words = |(name, was, is): (&str, Option<&str>, Option<&str>)| match (was, is) {
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
        assert_eq!(state.find("a:i386").unwrap().version, "2");
        assert_eq!(state.find("a:amd64"), state.find("a"));
        assert_eq!(state.broken(), ["b"]);
        assert!(state.find("a").is_some() && state.find("c").is_none());
        assert!(State::read("E: nothing").is_err());
    }
}
