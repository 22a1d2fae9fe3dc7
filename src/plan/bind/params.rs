//! Parameters: typed, held against their limits, complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::Binder;
use crate::diag::{Diagnostic, Spanned, nearest};
use crate::plan::Value;
use crate::runbook::change::{Change, Given};
use crate::runbook::check::{broken_rule, not_allowed};
use crate::runbook::duration;
use crate::runbook::lower::{typed, typed_text};
use crate::runbook::{Fragment, FragmentValue, ParamType, Parameter, Runbook};

/// Parameters without a value and without a default: what a terminal can be asked for.
pub fn missing_parameters<'a>(runbook: &'a Runbook, change: &Change) -> Vec<&'a Parameter> {
    let given = |p: &Parameter| change.parameters.iter().any(|(name, _)| name.value == p.name.value);
    runbook
        .parameters
        .iter()
        .filter(|p| p.default.is_none() && !given(p))
        .collect()
}

/// Why a typed text cannot be the parameter's value; `None`: it can.
pub fn why_not(p: &Parameter, text: &Spanned<String>) -> Option<Diagnostic> {
    match from_text(text, p) {
        Ok(value) => fault(p, &value),
        Err(d) => Some(d),
    }
}

/// What the parameter's value may be, in words for a question.
pub fn may_be(p: &Parameter) -> String {
    let kind = match p.kind {
        ParamType::String => "text",
        ParamType::Int => "whole number",
        ParamType::Number => "number",
        ParamType::Bool => "true or false",
        ParamType::Duration => "duration, as 10m or 1h30m",
        ParamType::Timestamp => "moment, as 2026-12-06T01:00:00+01:00",
        ParamType::List => "list, as a,b,c",
    };
    let mut words = vec![kind.to_owned()];
    if !p.allowed.is_empty() {
        let allowed: Vec<String> = p.allowed.iter().map(|a| show(&a.value)).collect();
        words.push(format!("one of {}", allowed.join(", ")));
    }
    words.extend(p.pattern.as_ref().map(|v| format!("must match {}", v.value)));
    words.extend(p.min.as_ref().map(|v| format!("at least {}", show(&v.value))));
    words.extend(p.max.as_ref().map(|v| format!("at most {}", show(&v.value))));
    words.join(", ")
}

impl Binder<'_, '_> {
    pub(super) fn bind_params(&mut self) {
        let (runbook, change) = (self.input.runbook, self.input.change);
        for (name, _) in &change.parameters {
            if !runbook.parameters.iter().any(|p| p.name.value == name.value) {
                let d = Diagnostic::error(
                    "PS0601",
                    format!("the runbook has no parameter `{}`", name.value),
                    name.span.clone(),
                    "not declared",
                );
                let names: Vec<&str> = runbook.parameters.iter().map(|p| p.name.value.as_str()).collect();
                self.diags.push(match nearest(name, names.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None if names.is_empty() => d.help("it declares none"),
                    None => d.help(format!("it has: {}", names.join(", "))),
                });
            }
        }
        for missing in missing_parameters(runbook, change) {
            let name = &missing.name;
            let d = Diagnostic::error(
                "PS0602",
                format!("the parameter `{}` has no value", name.value),
                name.span.clone(),
                missing
                    .description
                    .clone()
                    .unwrap_or_else(|| "it has no default".to_owned()),
            );
            self.diags.push(d.help(format!(
                "write it in the change, under `parameters`, or --set {}=VALUE",
                name.value
            )));
        }
        for p in &runbook.parameters {
            let given = change
                .parameters
                .iter()
                .rev()
                .find(|(name, _)| name.value == p.name.value);
            let value = match given {
                None => p.default.clone().map(Ok),
                Some((_, Given::Node(node))) => Some(typed(node, p.kind)),
                Some((_, Given::Text(text))) => Some(from_text(text, p)),
            };
            match value {
                Some(Ok(value)) => {
                    if let Some(d) = fault(p, &value) {
                        self.diags.push(d);
                    }
                    self.params.insert(p.name.value.clone(), value.value);
                }
                Some(Err(d)) => self.diags.push(d.also(p.name.span.clone(), "its type is said here")),
                None => {}
            }
        }
    }
}

impl Binder<'_, '_> {
    /// The parameters of an included file; `None`, with a diagnostic, if one has no good value. Each include is asked once.
    pub(super) fn fragment_params(&mut self, fragment: &Arc<Fragment>) -> Option<BTreeMap<String, Value>> {
        if let Some((_, known)) = self.fragments.iter().find(|(f, _)| Arc::ptr_eq(f, fragment)) {
            return known.clone();
        }
        let outer = match &fragment.outer {
            Some(outer) => self.fragment_params(outer),
            None => Some(self.own_params.clone()),
        };
        let params = outer.and_then(|outer| {
            let here = std::mem::replace(&mut self.params, outer);
            let params = self.fragment_values(fragment);
            self.params = here;
            params
        });
        self.fragments.push((Arc::clone(fragment), params.clone()));
        params
    }

    fn fragment_values(&mut self, fragment: &Fragment) -> Option<BTreeMap<String, Value>> {
        let mut params = BTreeMap::new();
        let mut all = true;
        for p in &fragment.declared {
            let given = fragment.given.iter().find(|(name, _)| name.value == p.name.value);
            let value = match given {
                None => p.default.as_ref().map(|d| d.value.clone()),
                Some((_, FragmentValue::Is(value))) => Some(value.value.clone()),
                Some((_, FragmentValue::Rendered(text))) => self.fragment_value(text, p),
            };
            all &= value.is_some();
            params.extend(value.map(|value| (p.name.value.clone(), value)));
        }
        all.then_some(params)
    }

    /// A template that an include gives: its value has the declared type, and is allowed there.
    fn fragment_value(&mut self, text: &Spanned<String>, p: &Parameter) -> Option<Value> {
        let value = self.value_now(text)?;
        let value = match value {
            Value::Text(t) => {
                let typed = typed_text(&t, p.kind);
                if typed.is_none() {
                    self.diags.push(wrong_kind(text, p));
                }
                typed?
            }
            value if is_of(&value, p.kind) => value,
            _ => {
                self.diags.push(wrong_kind(text, p));
                return None;
            }
        };
        if let Some(broken) = broken_rule(p, &value) {
            self.diags.push(not_allowed(&p.name, &text.span, broken));
            return None;
        }
        Some(value)
    }
}

fn is_of(value: &Value, kind: ParamType) -> bool {
    matches!(
        (value, kind),
        (Value::Text(_), ParamType::String)
            | (Value::Int(_), ParamType::Int | ParamType::Number)
            | (Value::Number(_), ParamType::Number)
            | (Value::Bool(_), ParamType::Bool)
            | (Value::Duration { .. }, ParamType::Duration)
            | (Value::Timestamp { .. }, ParamType::Timestamp)
            | (Value::List(_), ParamType::List)
    )
}

fn wrong_kind(text: &Spanned<String>, p: &Parameter) -> Diagnostic {
    let message = format!(
        "the value of `{}` has another type than the included file declares",
        p.name.value
    );
    Diagnostic::error("PS0684", message, text.span.clone(), "rendered when the plan is made")
        .also(p.name.span.clone(), "its type is said here")
}

fn from_text(text: &Spanned<String>, p: &Parameter) -> Result<Spanned<Value>, Diagnostic> {
    let write = match p.kind {
        ParamType::String => "text",
        ParamType::Int => "12",
        ParamType::Number => "0.5",
        ParamType::Bool => "true or false",
        ParamType::Duration => "10m or 1h30m",
        ParamType::Timestamp => "2026-12-06T01:00:00+01:00",
        ParamType::List => "a,b,c",
    };
    match typed_text(text, p.kind) {
        Some(value) => Ok(Spanned::new(value, text.span.clone())),
        None => Err(Diagnostic::error(
            "PS0603",
            format!("`{}` cannot be `{}`", p.name.value, text.value),
            text.span.clone(),
            "the value has another type",
        )
        .help(format!("write --set {}={write}", p.name.value))),
    }
}

/// Why a value is not allowed.
fn fault(p: &Parameter, value: &Spanned<Value>) -> Option<Diagnostic> {
    let items: Vec<&Value> = match &value.value {
        Value::List(items) => items.iter().collect(),
        one => vec![one],
    };
    let wrong = |item: &Value, label: &str| {
        Diagnostic::error(
            "PS0604",
            format!("`{}` cannot be `{}`", p.name.value, show(item)),
            value.span.clone(),
            label,
        )
    };
    for item in items {
        if !p.allowed.is_empty() && !p.allowed.iter().any(|a| a.value == *item) {
            let allowed: Vec<String> = p.allowed.iter().map(|a| show(&a.value)).collect();
            return Some(
                wrong(item, "not one of the allowed values").help(format!("write one of: {}", allowed.join(", "))),
            );
        }
        if let (Some(pattern), Value::Text(text)) = (&p.pattern, item) {
            match Regex::new(&format!(r"\A(?:{})\z", pattern.value)) {
                Ok(regex) if regex.is_match(text) => {}
                Ok(_) => {
                    let d = wrong(item, "it does not match the pattern").also(pattern.span.clone(), "this pattern");
                    return Some(d.help("the pattern must match the whole text"));
                }
                Err(_) => {
                    let d = Diagnostic::error(
                        "PS0604",
                        format!("the pattern of `{}` cannot be read", p.name.value),
                        pattern.span.clone(),
                        "no regular expression",
                    );
                    return Some(d.help("a backslash needs single quotes, or a second backslash in double ones"));
                }
            }
        }
        if let Some(min) = p.min.as_ref().filter(|min| less(item, min)) {
            return Some(wrong(item, "too small").help(format!("the least is {}", show(min))));
        }
        if let Some(max) = p.max.as_ref().filter(|max| less(max, item)) {
            return Some(wrong(item, "too great").help(format!("the greatest is {}", show(max))));
        }
    }
    None
}

/// Values of one kind that has an order.
fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Number(a), Value::Number(b)) => a < b,
        (Value::Duration { duration_ms: a }, Value::Duration { duration_ms: b }) => a < b,
        (Value::Timestamp { timestamp: a }, Value::Timestamp { timestamp: b }) => a < b,
        _ => false,
    }
}

/// A value as people write it.
fn show(value: &Value) -> String {
    match value {
        Value::None => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Duration { duration_ms } => duration::print(*duration_ms),
        Value::Timestamp { timestamp } => timestamp.to_string(),
        Value::Text(t) => t.clone(),
        Value::List(items) => items.iter().map(show).collect::<Vec<_>>().join(","),
        Value::Map(_) => "a map".to_owned(),
    }
}
