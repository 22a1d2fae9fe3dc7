//! Which hosts: sets of targets, and what `limit` leaves of a phase.

use std::collections::BTreeSet;

use super::Binder;
use crate::diag::{Diagnostic, Severity, Span, Spanned, nearest};
use crate::id::HostName;
use crate::inventory::Inventory;
use crate::inventory::selector::{Selector, SelectorError};
use crate::plan::Value;
use crate::runbook::yaml::inside;
use crate::runbook::{Phase, TargetSet};

impl<'a> Binder<'a, '_> {
    pub(super) fn bind_targets(&mut self) {
        for set in &self.input.runbook.targets {
            let before = self.diags.0.len();
            let mut positions = BTreeSet::new();
            for host in &set.hosts {
                self.named_hosts(host, &mut positions);
            }
            if let Some(select) = &set.select {
                let inventory = self.input.inventory;
                let selector = self.text_now(select).and_then(|t| self.selector(select, &t));
                let found = selector.iter().flat_map(|s| s.select(inventory));
                positions.extend(found.filter_map(|h| inventory.position(h.name.value.as_str())));
            }
            // A mistake in the set is why it is empty: one complaint is enough.
            if positions.is_empty() && self.diags.0.len() == before {
                self.diags.push(empty(set, &self.input.inventory.name));
            }
            let hosts = self.input.inventory.hosts();
            let names = positions
                .iter()
                .filter_map(|n| hosts.get(*n))
                .map(|h| h.name.value.clone());
            self.targets.insert(set.name.value.clone(), names.collect());
        }
    }

    fn named_hosts(&mut self, written: &Spanned<String>, positions: &mut BTreeSet<usize>) {
        let names = match self.value_now(written) {
            None => return,
            Some(Value::List(items)) => items
                .into_iter()
                .filter_map(|v| match v {
                    Value::Text(t) => Some(t),
                    _ => None,
                })
                .collect(),
            Some(Value::Text(name)) => vec![name],
            Some(_) => Vec::new(),
        };
        for name in names {
            match self.input.inventory.position(&name) {
                Some(n) => {
                    positions.insert(n);
                }
                None => {
                    let d = self.unknown_host(&name, &written.span);
                    self.diags.push(d);
                }
            }
        }
    }

    fn unknown_host(&self, name: &str, span: &Span) -> Diagnostic {
        let inventory = self.input.inventory;
        let d = Diagnostic::error(
            "PS0610",
            format!("the inventory has no host `{name}`"),
            span.clone(),
            format!("not in {}", inventory.name),
        );
        if name == "controller" {
            return d.help("a phase without `targets` runs on the controller");
        }
        if inventory.group(name).is_some() {
            return d.help(format!("`{name}` is a group: write `{{ select: \"group={name}\" }}`"));
        }
        match nearest(name, inventory.hosts().iter().map(|h| h.name.value.as_str())) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("add it to the inventory, or give the right one with -i"),
        }
    }

    /// Reads a selector and holds it against the inventory.
    pub(super) fn selector(&mut self, written: &Spanned<String>, text: &str) -> Option<Selector> {
        let selector = Selector::parse(text).map_err(|e| self.diags.push(in_selector(written, text, &e)));
        let selector = selector.ok()?;
        let unknown = selector.unknown(self.input.inventory);
        for e in &unknown {
            self.diags.push(in_selector(written, text, e));
        }
        unknown.is_empty().then_some(selector)
    }

    /// Reads a selector of the policy. One policy serves many inventories: a label that this one has not is a warning there.
    pub(super) fn policy_selector(&mut self, written: &Spanned<String>) -> Option<Selector> {
        let selector = Selector::parse(written).map_err(|e| self.diags.push(in_selector(written, written, &e)));
        let selector = selector.ok()?;
        for e in &selector.unknown(self.input.inventory) {
            let d = in_selector(written, written, e);
            self.diags.push(Diagnostic {
                severity: Severity::Warning,
                ..d
            });
        }
        Some(selector)
    }

    /// The hosts that the change's `limit` leaves.
    pub(super) fn limit(&mut self) -> Option<BTreeSet<HostName>> {
        let named = self.listed_hosts();
        let Some(limit) = self.input.change.limit.as_ref() else {
            return named;
        };
        let selector = self.selector(limit, &limit.value)?;
        let hosts = selector.select(self.input.inventory).into_iter();
        let hosts = hosts.map(|h| h.name.value.clone());
        Some(hosts.filter(|h| named.as_ref().is_none_or(|n| n.contains(h))).collect())
    }

    /// The hosts that a list of names leaves.
    fn listed_hosts(&mut self) -> Option<BTreeSet<HostName>> {
        let inventory = self.input.inventory;
        let mut hosts = BTreeSet::new();
        for name in self.input.change.hosts.as_ref()? {
            match inventory.host(&name.value) {
                Some(host) => {
                    hosts.insert(host.name.value.clone());
                }
                None => {
                    self.diags.push(unknown_host(inventory, name));
                }
            }
        }
        Some(hosts)
    }

    /// Where it was said which hosts are meant.
    pub(super) fn limited_at(&self) -> Option<&'a Span> {
        let change = self.input.change;
        let named = || change.hosts.as_ref()?.first();
        change.limit.as_ref().or_else(named).map(|at| &at.span)
    }

    /// The hosts of a phase; `None`: it is left out (skipped, not needed, emptied), which is noted.
    pub(super) fn phase_hosts(&mut self, phase: &Phase, limit: Option<&BTreeSet<HostName>>) -> Option<Vec<HostName>> {
        let id = &phase.id.value;
        if let Some(reason) = self.skips.phase(id) {
            self.skipped.insert(id.clone(), reason.to_owned());
            return None;
        }
        if let Some(when) = &phase.when
            && super::names::only_params(&super::names::condition_names(when))
            && self.truth_in(when, &self.scope(&[])) == Some(false)
        {
            self.skipped
                .insert(id.clone(), format!("`when` is false: {}", when.value));
            return None;
        }
        let Some(set) = &phase.targets else {
            return Some(vec![HostName::controller()]);
        };
        let Some(mut hosts) = self.targets.get(&set.value).cloned() else {
            let d = Diagnostic::error(
                "PS0620",
                format!("there is no set `{}`", set.value),
                set.span.clone(),
                "not declared under `targets`",
            );
            let near = nearest(set, self.targets.keys().map(String::as_str)).map(str::to_owned);
            self.diags.push(match near {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("declare it under `targets`"),
            });
            return None;
        };
        if let Some(limit) = limit {
            let (kept, excluded): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|h| limit.contains(h));
            hosts = kept;
            if !excluded.is_empty() {
                self.excluded.insert(id.clone(), excluded);
            }
            if hosts.is_empty() {
                self.emptied.push(id.clone());
                return None;
            }
        }
        Some(self.rehearsed_on(phase, hosts))
    }

    /// Notes that the plan can touch these hosts.
    pub(super) fn touch(&mut self, hosts: &[HostName]) {
        let inventory = self.input.inventory;
        self.used
            .extend(hosts.iter().filter_map(|h| inventory.position(h.as_str())));
    }
}

/// A host of a list that the inventory does not have.
pub fn unknown_host(inventory: &Inventory, name: &Spanned<String>) -> Diagnostic {
    let what = format!("{} has no host `{}`", inventory.name, name.value);
    let d = Diagnostic::error("PS0690", what, name.span.clone(), "this host is unknown");
    let names = inventory.hosts().iter().map(|h| h.name.value.as_str());
    match nearest(&name.value, names) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help("see what there is: pitstop hosts"),
    }
}

/// What is wrong with a selector, at its place; `text` is what was written after its templates were rendered.
fn in_selector(written: &Spanned<String>, text: &str, e: &SelectorError) -> Diagnostic {
    let place = if written.value == text {
        inside(written, e.at.clone())
    } else {
        written.span.clone()
    };
    Diagnostic::error(e.code, e.message.clone(), place, "in this selector").help(e.help.clone())
}

fn empty(set: &TargetSet, inventory: &str) -> Diagnostic {
    let span = set.select.as_ref().map_or(&set.name.span, |s| &s.span).clone();
    Diagnostic::error(
        "PS0611",
        format!("the set `{}` selects no host", set.name.value),
        span,
        format!("no host of {inventory} fits"),
    )
    .help("see what there is: pitstop hosts")
}
