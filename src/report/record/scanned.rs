//! Which updates the hosts of a run lack, by the last scan of each.
//!
//! Owns: which scan counts, what a narrower one adds, since when something is seen to be missing. Must not: read other runs (they are
//! handed in), take for up to date what was not looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gather::Gather;
use super::{AttemptRecord, ChainHead, ChangeRecord, HostRecord, StepRecord};
use crate::id::{Digest, HostName};
use crate::plan::{BuiltIn, Call, Patch, PatchMode, Place, Plan, PlannedStep, Stage, Value};
use crate::run::event::{Outcome, Stamped};
use crate::run::{moment, moved};

/// What is known of a host's updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// The host.
    pub host: HostName,
    /// When its last scan ended; `None`: what it lacks is not known.
    #[serde(with = "moment::maybe")]
    pub at: Option<Timestamp>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Updates of these classes were asked for; empty: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Only these updates were asked for; empty: not only some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// These updates were not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// What it lacks, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Packages with an update that a hold keeps as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

/// An update that a host lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The package.
    pub package: String,
    /// The version it has; empty: it would come new.
    pub old: String,
    /// The version that is offered.
    pub new: String,
    /// `security`, `bugfix`, …; empty: nobody said.
    pub class: String,
    /// The first of the scans, in a row without a break, that found an update of this package missing on this host.
    #[serde(with = "moment")]
    pub since: Timestamp,
}

/// A package that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The package.
    pub package: String,
    /// The version it has.
    pub old: String,
    /// The version that is offered.
    pub new: String,
}

/// Whether a list names an update: by the package, or with its version.
fn named(list: &[String], m: &Missing) -> bool {
    let id = |id: &str| id.strip_prefix(m.package.as_str()).and_then(|v| v.strip_prefix('=')) == Some(m.new.as_str());
    list.iter().any(|of| *of == m.package || id(of))
}

impl Scanned {
    fn unknown(host: &HostName, why: String) -> Self {
        Self {
            host: host.clone(),
            at: None,
            why,
            classes: Vec::new(),
            only: Vec::new(),
            except: Vec::new(),
            missing: Vec::new(),
            held: Vec::new(),
        }
    }

    /// True if this update would have been found, had it been missing.
    pub fn covers(&self, m: &Missing) -> bool {
        (self.classes.is_empty() || self.classes.contains(&m.class))
            && (self.only.is_empty() || named(&self.only, m))
            && !named(&self.except, m)
    }

    /// One scan after what was known before it.
    fn then(&mut self, scan: Self) {
        let mut missing: BTreeMap<String, Missing> = BTreeMap::new();
        for m in std::mem::take(&mut self.missing) {
            if !scan.covers(&m) {
                missing.insert(m.package.clone(), m);
            } else if let Some(again) = scan.missing.iter().find(|again| again.package == m.package) {
                let since = m.since;
                missing.insert(m.package, Missing { since, ..again.clone() });
            }
        }
        for m in &scan.missing {
            missing.entry(m.package.clone()).or_insert_with(|| m.clone());
        }
        let (first, whole) = (self.at.is_none(), self.only.is_empty());
        match (first, whole, scan.only.is_empty()) {
            (true, _, _) | (false, false, true) => {
                (self.classes, self.only, self.except) = (scan.classes, scan.only, scan.except);
            }
            (false, true, true) => {
                if self.classes.is_empty() || scan.classes.is_empty() {
                    self.classes.clear();
                } else {
                    let all: BTreeSet<String> = self.classes.drain(..).chain(scan.classes).collect();
                    self.classes = all.into_iter().collect();
                }
                self.except.retain(|name| scan.except.contains(name));
            }
            (false, false, false) => self.only.extend(scan.only),
            (false, true, false) => {}
        }
        self.missing = missing.into_values().collect();
        self.held = scan.held;
        self.at = scan.at;
    }
}

/// The scan that a call is.
fn patch_of(call: &Call) -> Option<&Patch> {
    match call {
        Call::BuiltIn(BuiltIn::Patch(patch)) => Some(patch),
        Call::ByOs { linux, .. } => patch_of(linux.as_ref()?),
        _ => None,
    }
}

fn scan_of(step: &PlannedStep) -> Option<&Patch> {
    patch_of(&step.call).filter(|patch| patch.mode == PatchMode::Scan)
}

/// True if a step of the plan asks hosts for their updates.
pub fn scans(plan: &Plan) -> bool {
    plan.phases().any(|p| {
        p.stages
            .each()
            .iter()
            .any(|(_, steps)| steps.iter().any(|s| scan_of(s).is_some()))
    })
}

/// True if a step may have changed which packages a host has.
fn changes_packages(plan: &Plan, s: &StepRecord) -> bool {
    let (stage, id) = match (s.stage, s.step.rsplit_once('/')) {
        (Stage::Undo, Some((of, _))) => (Stage::Steps, of),
        _ => (s.stage, s.step.as_str()),
    };
    let Some(step) = plan.step(&s.phase, stage, id) else {
        return false;
    };
    let packages = matches!(step.call, Call::BuiltIn(BuiltIn::Package { .. }))
        || patch_of(&step.call).is_some_and(|patch| patch.mode == PatchMode::Install);
    let quiet = matches!(s.outcome, Some(Outcome::Ok | Outcome::Skipped));
    packages && s.changes && (s.changed || !quiet)
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::List(items) => Some(items.iter().map(Value::plain).collect()),
        _ => None,
    }
}

/// `name=version` and its line `name old -> new (class)`. What a line does not tell is left empty.
fn missing(id: &str, line: &str, since: Timestamp) -> Missing {
    let named = |(at, _): (usize, &str)| {
        let (package, new) = (id.get(..at)?, id.get(at + 1..)?);
        line.strip_prefix(package)?.starts_with(' ').then_some((package, new))
    };
    let (package, new) = id
        .match_indices('=')
        .find_map(named)
        .or_else(|| id.split_once('='))
        .unwrap_or((id, ""));
    let (versions, class) = line.rsplit_once(" (").unwrap_or((line, ""));
    let versions = versions.strip_prefix(package).and_then(|v| v.strip_prefix(' '));
    let old = versions.and_then(|v| v.strip_suffix(new)?.strip_suffix(" -> "));
    Missing {
        package: package.to_owned(),
        old: old.unwrap_or_default().to_owned(),
        new: new.to_owned(),
        class: class.strip_suffix(')').unwrap_or_default().to_owned(),
        since,
    }
}

/// `name old -> new`.
fn held(line: &str) -> Held {
    let (package, versions) = line.split_once(' ').unwrap_or((line, ""));
    let (old, new) = versions.rsplit_once(" -> ").unwrap_or((versions, ""));
    Held {
        package: package.to_owned(),
        old: old.to_owned(),
        new: new.to_owned(),
    }
}

/// What one scan found; `None`: it listed nothing, or nobody can say what it was asked for.
fn found(patch: &Patch, attempt: &AttemptRecord, host: &HostName) -> Option<Scanned> {
    let at = attempt.ended?;
    let list = |name: &str| texts(attempt.fields.get(name));
    let ids = list("ids")?;
    let lines = list("changes").unwrap_or_default();
    let lines = lines.iter().map(String::as_str).chain(std::iter::repeat(""));
    let only = match &patch.only {
        Some(_) => list("only")?,
        None => Vec::new(),
    };
    if patch.only.is_some() && only.is_empty() {
        // Asked for nothing, it says nothing.
        return None;
    }
    Some(Scanned {
        host: host.clone(),
        at: Some(at),
        why: String::new(),
        classes: patch.classes.clone(),
        only,
        except: match patch.exclude.is_empty() {
            true => Vec::new(),
            false => list("exclude")?,
        },
        missing: ids.iter().zip(lines).map(|(id, line)| missing(id, line, at)).collect(),
        held: list("held").unwrap_or_default().iter().map(|line| held(line)).collect(),
    })
}

/// The host that a step was done for, or rather on, where the plan says on which.
fn asked<'s>(step: &PlannedStep, s: &'s StepRecord) -> Option<&'s HostName> {
    match step.place {
        Place::Own => s.host.as_ref().or(s.on.as_ref()),
        _ => s.on.as_ref(),
    }
}

/// What is known of one host, as its steps go by.
#[derive(Default)]
struct Line {
    known: Option<Scanned>,
    /// Packages changed after the last scan.
    stale: bool,
    /// Why the last scan that was no scan was none.
    why: String,
}

impl Line {
    fn scan(&mut self, patch: &Patch, s: &StepRecord, host: &HostName) {
        let Some(scan) = s.attempts.last().and_then(|a| found(patch, a, host)) else {
            if s.outcome != Some(Outcome::Ok) && !s.why.is_empty() {
                self.why.clone_from(&s.why);
            }
            return;
        };
        let known = self.known.get_or_insert_with(|| Scanned::unknown(host, String::new()));
        // After a change, what was known before holds only where it was looked at again.
        self.stale &= !(scan.only.is_empty() || known.missing.iter().all(|m| scan.covers(m)));
        known.then(scan);
    }

    fn end(self, host: &HostName, of: Option<&HostRecord>) -> Scanned {
        match self.known {
            Some(known) if !self.stale => known,
            Some(_) => Scanned::unknown(host, "packages were changed after its last scan".to_owned()),
            None if !self.why.is_empty() => Scanned::unknown(host, self.why),
            None => {
                let why = of.and_then(|h| h.phases.iter().find(|p| !p.why.is_empty()));
                let why = why.map_or_else(|| "it was not scanned".to_owned(), |p| p.why.clone());
                Scanned::unknown(host, why)
            }
        }
    }
}

/// What is known of the updates of each host that was to be asked.
pub(super) fn scanned(plan: &Plan, record: &ChangeRecord) -> Vec<Scanned> {
    if !scans(plan) {
        return Vec::new();
    }
    let mut lines: HashMap<&HostName, Line> = HashMap::new();
    for p in plan.phases() {
        let own = |s: &PlannedStep| scan_of(s).is_some() && s.place == Place::Own;
        if p.stages.each().iter().any(|(_, steps)| steps.iter().any(own)) {
            lines.extend(p.hosts.iter().map(|host| (host, Line::default())));
        }
    }
    let mut steps: Vec<&StepRecord> = record.steps.iter().collect();
    let ended = |s: &&StepRecord| s.attempts.last().map(|a| a.ended.unwrap_or(a.started));
    steps.sort_by_key(ended);
    for s in steps {
        let Some(step) = plan.step(&s.phase, s.stage, &s.step) else {
            continue;
        };
        let Some(host) = asked(step, s) else { continue };
        if let Some(patch) = scan_of(step) {
            lines.entry(host).or_default().scan(patch, s, host);
        } else if changes_packages(plan, s)
            && let Some(line) = lines.get_mut(host)
        {
            line.stale = true;
        }
    }
    let of: HashMap<&HostName, &HostRecord> = record.hosts.iter().map(|h| (&h.name, h)).collect();
    let place: HashMap<&HostName, usize> = record.hosts.iter().enumerate().map(|(n, h)| (&h.name, n)).collect();
    let mut all: Vec<Scanned> = lines
        .into_iter()
        .map(|(host, line)| line.end(host, of.get(host).copied()))
        .collect();
    all.sort_by_cached_key(|s| (place.get(&s.host).copied().unwrap_or(usize::MAX), s.host.clone()));
    all
}

/// What a former run knew.
#[derive(Debug, Default)]
pub struct Former {
    /// Of the updates of its hosts.
    pub scanned: Vec<Scanned>,
    /// Of which machine each host was; empty: it was not reached.
    pub machines: HashMap<HostName, String>,
}

/// What a run knew that is looked at for the sake of a later one.
pub fn former(plan: &Plan, events: &[Stamped]) -> Former {
    let mut gather = Gather::new(plan, &Digest::of(b""), &ChainHead::default());
    for e in moved::on_one_clock(plan, events).iter() {
        gather.apply(e);
    }
    Former {
        scanned: scanned(plan, &gather.record),
        machines: gather.record.hosts.into_iter().map(|h| (h.name, h.machine)).collect(),
    }
}

impl ChangeRecord {
    /// Carries back since when each update is seen to be missing, as far as the scans of these former runs, newest first, follow each
    /// other without a break: one that did not find it missing is a break, as is another machine under the host's name. A run that
    /// does not know is neither.
    pub fn carry_since(&mut self, former: impl IntoIterator<Item = Former>) {
        let machines: HashMap<&HostName, &str> = self.hosts.iter().map(|h| (&h.name, h.machine.as_str())).collect();
        let mut open: HashMap<HostName, Vec<&mut Missing>> = HashMap::new();
        for s in &mut self.scanned {
            if !s.missing.is_empty() {
                open.insert(s.host.clone(), s.missing.iter_mut().collect());
            }
        }
        let mut former = former.into_iter();
        while !open.is_empty() {
            let Some(run) = former.next() else { break };
            for then in run.scanned.iter().filter(|s| s.at.is_some()) {
                let Some(mine) = open.get_mut(&then.host) else { continue };
                let is = machines.get(&then.host).copied().unwrap_or_default();
                let was = run.machines.get(&then.host).map_or("", String::as_str);
                if !is.is_empty() && !was.is_empty() && is != was {
                    open.remove(&then.host);
                    continue;
                }
                let lacked: HashMap<&str, &Missing> = then.missing.iter().map(|m| (m.package.as_str(), m)).collect();
                mine.retain_mut(|m| match lacked.get(m.package.as_str()) {
                    Some(before) => {
                        m.since = m.since.min(before.since);
                        true
                    }
                    None => !then.covers(m),
                });
                if mine.is_empty() {
                    open.remove(&then.host);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "scanned_tests.rs"]
mod tests;
