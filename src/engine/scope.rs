//! The names that expressions of a step may use, and their values now.
//!
//! Owns: building a [`Scope`] from plan and run. Must not: evaluate anything.
//! Owns also: whose each value is. What hosts said goes in as [`crate::text::HostText`]: data, never templates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::render;
use crate::id::{Digest, HostName};
use crate::journal::output;
use crate::plan::{Plan, PlannedStep, Stage, Value};
use crate::run::event::{HostState, Kept, Outcome, StepKey, StepResult};
use crate::run::{Places, Run, line};
use crate::runbook::expr::{Scope, Val, Words};
use crate::secret::Secret;
use crate::text::HostText;

/// Largest output that an expression may look at.
pub(super) const LOOK_MAX: u64 = 1024 * 1024;

/// Where scopes are made.
pub(super) struct Scopes<'a> {
    pub plan: &'a Plan,
    pub run: &'a Run,
    pub secrets: &'a BTreeMap<String, Secret>,
    /// The run's `output/`.
    pub output: PathBuf,
    /// What a `sensitive` step said, while it is judged; by its hash.
    pub withheld: BTreeMap<Digest, Secret>,
}

impl<'a> Scopes<'a> {
    /// For a step of a phase on behalf of a host (`None`: `once`, steady state). What it takes a look at all hosts to tell is made
    /// when it is read.
    pub fn step(&'a self, phase: &'a str, host: Option<&'a HostName>) -> Scope<'a> {
        let mut scope = Scope::new();
        scope.set_lazy("params", || Value::Map(self.plan.params.clone()).into());
        scope.set_lazy("targets", || self.targets());
        scope.set_lazy("run", || self.run_value());
        scope.set_lazy("marks", || self.marks());
        for (name, secret) in self.secrets {
            scope.set_secret(name, secret.clone());
        }
        if let Some(host) = host {
            scope.set_lazy("host", move || self.host(phase, host));
        }
        scope.set_all(self.own_results(phase, host));
        scope.set_lazy("results", || self.results());
        scope
    }

    fn targets(&self) -> Val {
        let names = |hosts: &Vec<HostName>| Val::List(hosts.iter().map(|h| Val::ours(h.as_str())).collect());
        let sets = self.plan.targets.iter();
        Val::Map(sets.map(|(set, hosts)| (set.clone(), names(hosts))).collect())
    }

    /// For a step as a whole: `params` are those of its included file, if that has any.
    pub fn whole(&'a self, step: &'a PlannedStep, key: &'a StepKey) -> Scope<'a> {
        let mut scope = self.step(&key.phase, key.host.as_ref());
        if let Some(params) = &step.params {
            scope.set("params", Value::Map(params.clone()));
        }
        scope
    }

    /// For one place of a step: as `whole`, with its `item`.
    pub fn place(&'a self, step: &'a PlannedStep, key: &'a StepKey) -> Scope<'a> {
        let mut scope = self.whole(step, key);
        let (stage, of) = line::listed_by(key.stage, &key.step);
        let at = usize::try_from(line::item_of(step, key.host.as_ref(), key.nth)).ok();
        let items = self.run.items(key, stage, of);
        if let Some(item) = items.and_then(|list| list.get(at?)) {
            // Of the plan, or found on a host: the journal does not tell, so it counts as found.
            scope.set("item", Val::said(item.clone()));
        }
        scope
    }

    fn run_value(&self) -> Val {
        // All lines are looked through for it, and that for each step of each host.
        let drains = self.plan.phases().any(|p| !p.stages.drain.is_empty());
        let held = if drains { self.run.held_out() } else { BTreeSet::new() };
        let held = held.iter().map(|h| Val::ours(h.as_str())).collect();
        map([
            ("id", Val::ours(self.run.id.as_ref().map_or("", |id| id.as_str()))),
            ("mode", self.plan.mode.as_ref().map_or(Val::None, Val::ours)),
            ("held_out", Val::List(held)),
        ])
    }

    fn marks(&self) -> Val {
        let latest = |moments: &BTreeMap<Option<HostName>, jiff::Timestamp>| moments.values().max().copied();
        let marks = self.run.marks.iter();
        Val::Map(
            marks
                .filter_map(|(name, moments)| Some((name.clone(), Val::Time(latest(moments)?))))
                .collect(),
        )
    }

    fn host(&self, phase: &str, host: &HostName) -> Val {
        let planned = self.plan.host(host);
        let facts = self.run.facts.get(host).cloned().unwrap_or_default();
        let line = self.run.line(phase, host);
        let state = line.and_then(|l| l.ended).map_or("", HostState::as_str);
        let labels = planned.map(|p| p.labels.iter().map(|(k, v)| (k.clone(), Val::ours(v))).collect());
        // A host of the plan has its system from the inventory, any other from itself.
        let os = planned.map_or_else(|| said(&facts.os), |p| Val::ours(p.os.as_str()));
        map([
            ("name", Val::ours(host.as_str())),
            (
                "address",
                Val::ours(planned.map_or("localhost", |p| p.address.as_str())),
            ),
            ("labels", Val::Map(labels.unwrap_or_default())),
            (
                "vars",
                Value::Map(planned.map(|p| p.vars.clone()).unwrap_or_default()).into(),
            ),
            ("os", os),
            ("family", said(&facts.family)),
            ("distro", said(&facts.distro)),
            ("version", said(&facts.version)),
            ("kernel", said(&facts.kernel)),
            ("virtual", said(&facts.virtual_)),
            ("state", Val::ours(state)),
            ("rolling_back", Val::Bool(line.is_some_and(|l| l.turned.is_some()))),
        ])
    }

    /// What this host's own results, and those of `once` steps, are called: their registered names.
    fn own_results(&self, phase: &str, host: Option<&HostName>) -> BTreeMap<String, Val> {
        let mut own: BTreeMap<String, Val> = BTreeMap::new();
        for (in_phase, stage, step, name) in self.registered() {
            let Some(by_host) = self.run.results.get(&(in_phase.clone(), step.id.clone())) else {
                continue;
            };
            let whole_phase = by_host.len() == 1 && self.plan.phase(&in_phase).is_some_and(|p| p.hosts.len() == 1);
            let mine: Vec<_> = if whole_phase {
                by_host.iter().collect()
            } else {
                let of_host = host.and_then(|h| by_host.get_key_value(&Some(h.clone())));
                by_host.get_key_value(&None).into_iter().chain(of_host).collect()
            };
            for (of, places) in mine {
                // A phase registers a name once; where two phases do, the current one's wins, then the later one's.
                if (in_phase == phase || !own.contains_key(&name) || self.later(&in_phase, phase))
                    && let Some(value) = self.registered_value(&in_phase, stage, step, of.as_ref(), places)
                {
                    own.insert(name.clone(), Val::Map(value));
                }
            }
        }
        own
    }

    /// Everybody's results by registered name.
    fn results(&self) -> Val {
        let mut everybody: BTreeMap<String, Vec<Val>> = BTreeMap::new();
        for (in_phase, stage, step, name) in self.registered() {
            // A list without results yet is an empty list: a steady state may read it from the start.
            let list = everybody.entry(name).or_default();
            let by_host = self.run.results.get(&(in_phase.clone(), step.id.clone()));
            for (of, places) in by_host.into_iter().flatten() {
                let Some(mut value) = self.registered_value(&in_phase, stage, step, of.as_ref(), places) else {
                    continue;
                };
                if let Some(of) = of {
                    value.insert("host".to_owned(), Val::ours(of.as_str()));
                }
                list.push(Val::Map(value));
            }
        }
        Val::Map(everybody.into_iter().map(|(k, v)| (k, Val::List(v))).collect())
    }

    /// True if `other` is not past `current` in the plan: its results may replace those of a phase before it.
    fn later(&self, other: &str, current: &str) -> bool {
        self.plan
            .phases()
            .map(|p| p.id.as_str())
            .take_while(|id| *id != current)
            .any(|id| id == other)
    }

    pub fn registered(&self) -> Vec<(String, Stage, &PlannedStep, String)> {
        let mut out = Vec::new();
        for (phase, stage, steps) in self.lists() {
            for step in steps {
                if let Some(name) = &step.register {
                    out.push((phase.to_owned(), stage, step, name.clone()));
                }
            }
        }
        out
    }

    fn lists(&self) -> Vec<(&str, Stage, &[PlannedStep])> {
        let mut lists: Vec<(&str, Stage, &[PlannedStep])> = vec![("", Stage::Steady, &self.plan.steady_state)];
        for phase in self.plan.phases() {
            lists.push((&phase.id, Stage::Steady, &phase.steady_state));
            for stage in [
                Stage::Precheck,
                Stage::Drain,
                Stage::Steps,
                Stage::Verify,
                Stage::Undrain,
                Stage::Cleanup,
            ] {
                lists.push((&phase.id, stage, phase.stages.get(stage)));
            }
        }
        lists
    }

    /// What a registered name holds: a result; of a delegated set the last host's, with everybody's under `items`; of a step
    /// with `for_each` the list of its items' results.
    fn registered_value(
        &self,
        phase: &str,
        stage: Stage,
        step: &PlannedStep,
        host: Option<&HostName>,
        places: &Places,
    ) -> Option<BTreeMap<String, Val>> {
        let (outcome, last) = places.last()?;
        let rounds = self.run.steady.get(phase).map_or(0, Vec::len);
        let of = StepKey {
            phase: phase.to_owned(),
            stage,
            step: step.id.clone(),
            nth: 0,
            host: host.cloned(),
            pass: u32::try_from(rounds.saturating_sub(1)).unwrap_or(0),
            attempt: 0,
        };
        let items = self.run.items(&of, stage, &step.id);
        if items.is_none() && places.count() < 2 {
            return Some(self.result(*outcome, last));
        }
        let mut fields = match items {
            Some(_) => BTreeMap::new(),
            None => self.result(*outcome, last),
        };
        let hosts = line::places(step, host);
        let entry = |(nth, (outcome, result)): (u32, &(Outcome, Arc<StepResult>))| {
            let mut entry = self.result(*outcome, result);
            let at = usize::try_from(line::item_of(step, host, nth)).ok();
            if let Some(item) = items.and_then(|list| list.get(at?)) {
                entry.insert("item".to_owned(), Val::said(item.clone()));
            }
            if let Some(on) = render::place(step, host, nth % hosts.max(1)).filter(|_| hosts > 1) {
                entry.insert("on".to_owned(), Val::ours(on.as_str()));
            }
            Val::Map(entry)
        };
        let good = |(outcome, _): &(Outcome, Arc<StepResult>)| matches!(outcome, Outcome::Ok | Outcome::Skipped);
        let all = items.map_or(1, <[Value]>::len).saturating_mul(hosts as usize);
        let ran = places.values().any(|(outcome, _)| *outcome != Outcome::Skipped);
        let changed = places.values().any(|(o, r)| *o != Outcome::Skipped && r.changed);
        fields.insert("ran".to_owned(), Val::Bool(ran));
        fields.insert("changed".to_owned(), Val::Bool(changed));
        let ok = places.count() >= all && places.values().all(good);
        fields.insert("ok".to_owned(), Val::Bool(ok));
        if items.is_some() && step.parse.is_some() {
            let values = places.values().filter_map(|(_, r)| r.value.clone().map(Val::said));
            fields.insert("value".to_owned(), Val::List(values.collect()));
        }
        fields.insert("items".to_owned(), Val::List(places.iter().map(entry).collect()));
        Some(fields)
    }

    /// The fields of a result. A step that did not run has `ran`, `changed` and `ok` false, and no other.
    pub fn result(&self, outcome: Outcome, result: &StepResult) -> BTreeMap<String, Val> {
        let flag = |b: bool| Val::Bool(b);
        let mut fields: BTreeMap<String, Val> = BTreeMap::new();
        fields.insert("ran".to_owned(), flag(outcome != Outcome::Skipped));
        fields.insert(
            "changed".to_owned(),
            flag(outcome != Outcome::Skipped && result.changed),
        );
        if outcome == Outcome::Skipped {
            return fields;
        }
        fields.insert("ok".to_owned(), flag(outcome == Outcome::Ok));
        fields.insert(
            "rc".to_owned(),
            result.rc.map_or(Val::None, |rc| Val::Int(i64::from(rc))),
        );
        for (name, stream) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
            // What was not kept is not empty: who reads it is told that it is not there.
            if let Some(text) = self.text(stream) {
                fields.insert(name.to_owned(), Val::Text(Words::Host(text)));
            }
        }
        fields.insert(
            "duration".to_owned(),
            Val::Span(i64::try_from(result.duration_ms).unwrap_or(i64::MAX)),
        );
        let more = result.value.iter().map(|value| ("value", value));
        let more = more.chain(result.more.iter().map(|(name, value)| (name.as_str(), value)));
        fields.extend(more.map(|(name, value)| (name.to_owned(), Val::said(value.clone()))));
        fields
    }

    /// A stream's text without its trailing ends of lines, of Windows too: from the event if it is whole there, else from its file.
    /// `None`: it was withheld, and this is not the judging of the step that said it.
    pub fn text(&self, kept: &Kept) -> Option<HostText> {
        let whole = match &kept.digest {
            Some(digest) if kept.withheld => self.withheld.get(digest)?.expose().to_owned(),
            None => kept.text.clone(),
            Some(_) => output::load(&self.output, kept, LOOK_MAX).map_or_else(
                |_| kept.text.clone(),
                |bytes| String::from_utf8_lossy(&bytes).into_owned(),
            ),
        };
        let mut text = whole.as_str();
        while let Some(rest) = text.strip_suffix('\n') {
            text = rest.strip_suffix('\r').unwrap_or(rest);
        }
        Some(HostText::new(text))
    }
}

fn said(fact: &str) -> Val {
    Val::Text(Words::Host(HostText::new(fact)))
}

fn map<const N: usize>(entries: [(&str, Val); N]) -> Val {
    Val::Map(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}
