//! What an Ansible inventory says and nobody can use: told where a plan needs it, and only there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Binder, names, phase_steps, planned_steps, runbook_phases};
use crate::diag::{Diagnostic, Span};
use crate::inventory::Unusable;
use crate::plan::{Call, Plan, PlannedPhase};
use crate::runbook::{Delegate, Phase};

/// The variables of a host that a phase reads.
#[derive(Default)]
struct Reads {
    names: BTreeSet<String>,
    /// All of them, as in `host.vars | json`.
    whole: bool,
}

impl Binder<'_, '_> {
    /// Hosts whose settings would lead elsewhere, and templates that would read what nobody knows.
    pub(super) fn check_unusable(&mut self, plan: &Plan) {
        let inventory = self.input.inventory;
        let of = |name: &str| inventory.host(name).and_then(|h| h.unusable.as_deref());
        let mut told = BTreeSet::new();
        for host in &plan.hosts {
            let Some(unusable) = of(host.name.as_str()) else {
                continue;
            };
            for d in &unusable.settings {
                if told.insert(Arc::as_ptr(d).addr()) {
                    let d = Diagnostic::clone(d).help(format!("host `{}` is part of this plan", host.name));
                    self.diags.push(d);
                }
            }
        }
        for phase in plan.phases() {
            let hosts: Vec<(&str, &Unusable)> = phase
                .hosts
                .iter()
                .filter_map(|h| Some((h.as_str(), of(h.as_str())?)))
                .collect();
            let known = |name: &str| {
                hosts
                    .iter()
                    .all(|(h, _)| inventory.host(h).is_some_and(|h| h.vars.contains_key(name)))
            };
            if hosts.iter().all(|(_, u)| u.vars.is_empty() && u.sealed.is_empty()) {
                continue;
            }
            let written = runbook_phases(self.input.runbook).find(|p| p.id.value == phase.id);
            let reads = self.reads(phase, written);
            let mut found = BTreeMap::new();
            for (host, unusable) in &hosts {
                for (name, var) in unusable
                    .vars
                    .iter()
                    .filter(|(name, _)| reads.whole || reads.names.contains(*name))
                {
                    let d = withheld(&var.span, name, var.why, host);
                    found.entry((name.clone(), var.span.start)).or_insert(d);
                }
                let Some(file) = unusable.sealed.first() else { continue };
                for name in reads
                    .names
                    .iter()
                    .filter(|n| !known(n) && !unusable.vars.contains_key(*n))
                {
                    let d = withheld(
                        file,
                        name,
                        "it may stand in a file that is encrypted with ansible-vault",
                        host,
                    );
                    found.entry((name.clone(), 0)).or_insert(d);
                }
            }
            for ((name, _), d) in found {
                let at = written.and_then(|phase| used(phase, &name));
                self.diags.push(match at {
                    Some(at) => d.also(at, "read here"),
                    None => d,
                });
            }
        }
    }

    /// Every text of the phase that may hold an expression: of its planned steps, of files that are templates, of delegates.
    fn reads(&self, phase: &PlannedPhase, written: Option<&Phase>) -> Reads {
        let mut reads = Reads::default();
        if let Ok(json) = serde_json::to_value(phase) {
            reads.value(&json);
        }
        for step in planned_steps(phase) {
            if let Call::Upload {
                src, template: true, ..
            } = &step.call
                && let Ok(bytes) = self.input.files.read(src)
            {
                reads.text(&String::from_utf8_lossy(&bytes));
            }
        }
        for step in written.into_iter().flat_map(phase_steps) {
            if let Some(Delegate::To(text) | Delegate::OneOf(text)) = step.delegate_to.as_ref().map(|d| &d.value) {
                reads.text(text);
            }
        }
        reads
    }
}

impl Reads {
    fn value(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Array(items) => items.iter().for_each(|v| self.value(v)),
            serde_json::Value::Object(map) => map.values().for_each(|v| self.value(v)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if !text.contains("host") {
            return;
        }
        let paths = if text.contains("{{") {
            names::template_names(text)
        } else {
            names::condition_names(text)
        };
        for (path, _) in paths {
            if matches!(path.as_str(), "host" | "host.vars") {
                self.whole = true;
            } else if let Some(rest) = path.strip_prefix("host.vars.") {
                let name = rest.split(['.', '[']).next().unwrap_or(rest);
                self.names.insert(name.to_owned());
            }
        }
    }
}

fn withheld(span: &Span, name: &str, why: &str, host: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0419",
        format!("`host.vars.{name}` of `{host}` cannot be known: {why}"),
        span.clone(),
        "here",
    )
    .help("write the value itself in the inventory, or make it a parameter or a secret of the runbook")
}

/// Where a phase reads the variable, as far as it stands in the runbook's own file.
fn used(phase: &Phase, name: &str) -> Option<Span> {
    let source = &phase.id.span.source;
    let text = source.text.get(phase.id.span.end..)?;
    let path = format!("host.vars.{name}");
    let at = text.find(&path).map(|at| at + phase.id.span.end)?;
    Some(Span::new(source, at, at + path.len()))
}
