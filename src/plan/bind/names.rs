//! What templates and conditions can be asked while a plan is made: values the plan knows, and which names it does not.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Binder;
use crate::diag::{Diagnostic, Spanned};
use crate::inventory::Host;
use crate::plan::Value;
use crate::runbook::expr::{Expr, ExprError, Mode, Scope, Template};
use crate::runbook::yaml::inside;

impl Binder<'_, '_> {
    /// The values that these paths may read now, but for `host`. `targets` is there only if it is read: it is every host of
    /// every set.
    pub(super) fn scope(&self, reads: &[(String, Range<usize>)]) -> Scope<'static> {
        let mut scope = Scope::new();
        scope.set("params", Value::Map(self.params.clone()));
        if reads.iter().any(|(path, _)| path.split('.').next() == Some("targets")) {
            let sets = self.targets.iter().map(|(set, hosts)| {
                let names = hosts.iter().map(|h| Value::Text(h.to_string())).collect();
                (set.clone(), Value::List(names))
            });
            scope.set("targets", Value::Map(sets.collect()));
        }
        let mode = self.mode.clone().map_or(Value::None, Value::Text);
        scope.set("run", Value::Map(BTreeMap::from([("mode".to_owned(), mode)])));
        scope
    }

    /// The value of a template that must be known now.
    pub(super) fn value_now(&mut self, text: &Spanned<String>) -> Option<Value> {
        let result = Template::parse(text).and_then(|t| {
            if t.is_plain() {
                Ok(Value::Text(text.value.clone()))
            } else {
                t.render_value(&self.scope(&t.names()))
            }
        });
        result.map_err(|e| self.diags.push(not_now(text, &e))).ok()
    }

    /// The text of a template that must be known now.
    pub(super) fn text_now(&mut self, text: &Spanned<String>) -> Option<String> {
        if Template::parse(text).is_ok_and(|t| t.is_plain()) {
            return Some(text.value.clone());
        }
        let scope = self.scope(&template_names(text));
        self.text_in(text, &scope)
    }

    /// The text of a template in a scope that serves several hosts.
    pub(super) fn text_in(&mut self, text: &Spanned<String>, scope: &Scope) -> Option<String> {
        let result = Template::parse(text).and_then(|t| t.render(scope, Mode::Text));
        result.map_err(|e| self.diags.push(not_now(text, &e))).ok()
    }

    /// The answer of a condition that must be known now.
    pub(super) fn truth_in(&mut self, text: &Spanned<String>, scope: &Scope) -> Option<bool> {
        let result = Expr::parse(text).and_then(|e| e.truth(scope));
        result.map_err(|e| self.diags.push(not_now(text, &e))).ok()
    }

    /// True if a template needs the run.
    pub(super) fn template_is_late(&self, text: &str) -> bool {
        Template::parse(text).is_ok_and(|t| t.is_late())
    }

    /// True if a step's own `expect`, `warn_unless` or `mark.at` needs more of the run than the step's own result.
    pub(super) fn judges_late(&self, names: &[(String, Range<usize>)]) -> bool {
        names.iter().any(|(path, _)| {
            let (top, rest) = path.split_once('.').unwrap_or((path, ""));
            match top {
                "results" | "marks" => true,
                "host" => !matches!(
                    rest.split('.').next(),
                    Some("name" | "address" | "labels" | "vars" | "os")
                ),
                "run" => rest == "held_out",
                name => self.registered.contains(name),
            }
        })
    }
}

/// Gives `host` its values: those of the inventory.
pub(super) fn set_host(scope: &mut Scope, h: &Host) {
    let text = |t: &str| Value::Text(t.to_owned());
    let labels = h.labels.iter().map(|(k, v)| (k.clone(), text(v))).collect();
    let map = [
        ("name", text(h.name.value.as_str())),
        ("address", text(&h.address)),
        ("os", text(h.os.as_str())),
        ("labels", Value::Map(labels)),
        ("vars", Value::Map(h.vars.clone())),
    ];
    scope.set("host", Value::Map(map.map(|(k, v)| (k.to_owned(), v)).into()));
}

/// The dotted paths of a bare expression; none if it cannot be read (`check` has told).
pub(super) fn condition_names(text: &str) -> Vec<(String, Range<usize>)> {
    Expr::parse(text).map(|e| e.names()).unwrap_or_default()
}

/// The dotted paths of a template.
pub(super) fn template_names(text: &str) -> Vec<(String, Range<usize>)> {
    Template::parse(text).map(|t| t.names()).unwrap_or_default()
}

/// True if one of the paths reads the host.
pub(super) fn read_host(reads: &[(String, Range<usize>)]) -> bool {
    reads
        .iter()
        .any(|(path, _)| path == "host" || path.starts_with("host."))
}

/// True if every name is a parameter or the mode.
pub(super) fn only_params(names: &[(String, Range<usize>)]) -> bool {
    let known = |path: &str| path == "run.mode" || path.starts_with("params.");
    names.iter().all(|(path, _)| known(path))
}

/// An expression that gave no value.
pub(super) fn not_now(text: &Spanned<String>, error: &ExprError) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0614",
        error.message.clone(),
        inside(text, error.range.clone()),
        "the plan needs its value",
    );
    match &error.help {
        Some(help) => d.help(help.clone()),
        None => d.help("only `params`, `targets`, `run.mode` and, for one host, `host.name`, `host.labels` and `host.vars` are known when a plan is made"),
    }
}
