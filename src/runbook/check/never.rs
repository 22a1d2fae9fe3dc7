//! What can never be: steps that no mode runs, conditions that no allowed value makes true, words that nothing ever equals.
//!
//! Owns: the enumeration of modes and allowed values. Must not: guess; a condition that reads anything else is left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::reads::Text;
use super::{At, phases, suggest};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::expr::{Expr, Scope, reads};
use crate::runbook::{Action, ParamType, Parameter, Runbook, Value};

/// More combinations than this are not tried.
const MOST: usize = 4096;

pub(super) fn check(runbook: &Runbook, all: &[At<'_>], texts: &[Text<'_>], diags: &mut Diagnostics) {
    for text in texts {
        for (comparison, span) in text.comparisons() {
            // The parameters of an included file are its own.
            if !(comparison.path.starts_with("params.") && text.at.is_some_and(|at| at.step.fragment.is_some())) {
                words(runbook, &comparison.path, &comparison.value, &span, diags);
            }
            if let Some(at) = text.at.filter(|_| comparison.path == "rc" && comparison.equal) {
                exit_code(at, text, &comparison.value, &span, diags);
            }
        }
    }
    for at in all {
        if !runbook.modes.is_empty() && !runbook.modes.iter().any(|m| at.active_in(m)) {
            no_mode(at, diags);
        } else if let Some(when) = at.step.when.as_ref().filter(|_| at.step.fragment.is_none()) {
            let modes = runbook.modes.iter().filter(|m| at.active_in(m)).collect();
            condition(runbook, when, modes, "this step never runs", diags);
        }
    }
    for phase in phases(runbook) {
        let active =
            |m: &&Spanned<String>| phase.only_in.is_empty() || phase.only_in.iter().any(|o| o.value == m.value);
        if let Some(when) = &phase.when {
            let modes = runbook.modes.iter().filter(active).collect();
            condition(runbook, when, modes, "this phase never runs", diags);
        }
    }
}

fn no_mode(at: &At<'_>, diags: &mut Diagnostics) {
    // What stands in the undo of a step that no mode runs is told with the step.
    let phase = at.phase.map(|p| p.only_in.as_slice()).unwrap_or_default();
    let of = at.of.map(|s| s.only_in.as_slice()).unwrap_or_default();
    let Some(own) = at.step.only_in.first() else { return };
    let d = if at.of.is_some() {
        Diagnostic::error(
            "PS0240",
            "this undo can never run",
            own.span.clone(),
            "only in this mode",
        )
    } else {
        Diagnostic::warning(
            "PS0240",
            "this step runs in no mode",
            own.span.clone(),
            "only in this mode",
        )
    };
    let around = of.first().map(|m| (m, "what it takes back runs only in this one"));
    let around = around.or_else(|| phase.first().map(|m| (m, "its phase runs only in this one")));
    let Some((other, label)) = around else { return };
    diags.push(
        d.also(other.span.clone(), label)
            .help("write a mode that both have, or delete `only_in` here"),
    );
}

/// Tries every mode and every allowed value of the parameters that a condition reads.
fn condition(
    runbook: &Runbook,
    when: &Spanned<String>,
    modes: Vec<&Spanned<String>>,
    label: &str,
    diags: &mut Diagnostics,
) {
    let Ok(expr) = Expr::parse(when) else { return };
    // A word that is never equal is the cause, and was told.
    let inside = |d: &Diagnostic| {
        d.code == "PS0309"
            && d.labels.iter().any(|l| {
                l.span.source.name == when.span.source.name
                    && l.span.start >= when.span.start
                    && l.span.end <= when.span.end
            })
    };
    if diags.0.iter().any(inside) {
        return;
    }
    let paths: BTreeSet<String> = reads(when, true).into_iter().map(|r| r.path).collect();
    let mut values: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut told = Vec::new();
    for p in &runbook.parameters {
        let (true, Some(domain)) = (paths.contains(&format!("params.{}", p.name.value)), domain(p)) else {
            continue;
        };
        values.push((&p.name.value, domain));
        told.push(p.name.value.as_str());
    }
    let modes: Vec<Value> = match modes.is_empty() {
        true => vec![Value::None],
        false => modes.iter().map(|m| Value::Text(m.value.clone())).collect(),
    };
    let total = values.iter().try_fold(modes.len(), |n, (_, v)| n.checked_mul(v.len()));
    if total.is_none_or(|n| n > MOST) || !never(&expr, &modes, &values) {
        return;
    }
    let mode = paths.contains("run.mode");
    let tried = match (mode, told.as_slice()) {
        (false, []) => "it reads nothing that could change it".to_owned(),
        (true, []) => "it is false in every mode".to_owned(),
        (true, names) => format!(
            "it is false in every mode, for every allowed value of {}",
            names.join(", ")
        ),
        (false, names) => format!("it is false for every allowed value of {}", names.join(", ")),
    };
    let d = Diagnostic::warning("PS0243", "this condition is never true", when.span.clone(), label);
    diags.push(
        d.help(tried)
            .help("to leave something out once, use `skip` in the change, with a reason"),
    );
}

/// True if every combination gives false. What cannot be evaluated is not known to be false.
fn never(expr: &Expr, modes: &[Value], values: &[(&str, Vec<Value>)]) -> bool {
    let total: usize = values.iter().map(|(_, v)| v.len()).product();
    for mode in modes {
        for n in 0..total {
            let mut rest = n;
            let mut params = BTreeMap::new();
            for (name, domain) in values {
                let value = domain.get(rest % domain.len()).cloned().unwrap_or(Value::None);
                params.insert((*name).to_owned(), value);
                rest /= domain.len();
            }
            let mut scope = Scope::new();
            scope.set("params", Value::Map(params));
            scope.set("run", Value::Map([("mode".to_owned(), mode.clone())].into()));
            if expr.truth(&scope) != Ok(false) {
                return false;
            }
        }
    }
    true
}

/// Every value of a parameter, where there are only a few.
fn domain(p: &Parameter) -> Option<Vec<Value>> {
    match p.kind {
        ParamType::Bool if p.allowed.is_empty() => Some(vec![Value::Bool(true), Value::Bool(false)]),
        ParamType::List => None,
        _ if p.allowed.is_empty() => None,
        _ => Some(p.allowed.iter().map(|a| a.value.clone()).collect()),
    }
}

/// A word that the mode, the operating system or a parameter never is.
fn words(runbook: &Runbook, path: &str, value: &Value, span: &Span, diags: &mut Diagnostics) {
    let Value::Text(word) = value else { return };
    let wrong = |message: String| Diagnostic::error("PS0309", message, span.clone(), "never equal");
    if path == "run.mode" {
        let modes = runbook.modes.iter().map(|m| m.value.as_str());
        if !modes.clone().any(|m| m == word) {
            let d = wrong(format!("the runbook has no mode `{word}`"));
            diags.push(suggest(d, word, modes, &format!("declare it: `modes: [{word}, …]`")));
        }
    } else if path == "host.os" {
        let known = ["linux", "windows"].into_iter();
        if !known.clone().any(|os| os == word) {
            diags.push(suggest(wrong(format!("`host.os` is never `{word}`")), word, known, ""));
        }
    } else if let Some(p) = path
        .strip_prefix("params.")
        .and_then(|n| runbook.parameters.iter().find(|p| p.name.value == n))
    {
        let texts = p.allowed.iter().filter_map(|a| match &a.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        if p.kind == ParamType::String
            && let Some(first) = p.allowed.first()
            && !texts.clone().any(|t| t == word)
        {
            let d = wrong(format!("`{path}` is never `{word}`")).also(first.span.clone(), "what it may be");
            diags.push(suggest(d, word, texts, ""));
        }
    }
}

/// `expect` is asked besides the exit code, not instead of it.
fn exit_code(at: &At<'_>, text: &Text<'_>, value: &Value, span: &Span, diags: &mut Diagnostics) {
    let Value::Int(code) = value else { return };
    let own = at
        .step
        .expect
        .iter()
        .chain(&at.step.warn_unless)
        .any(|e| e.span == text.text.span);
    let good: &[i32] = if at.step.ok_codes.is_empty() {
        &[0]
    } else {
        &at.step.ok_codes
    };
    if !own
        || !matches!(at.step.action.value, Action::Run(_) | Action::Script { .. })
        || good.iter().any(|c| i64::from(*c) == *code)
    {
        return;
    }
    let mut codes: Vec<String> = good.iter().map(i32::to_string).collect();
    let known = codes.join(", ");
    codes.push(code.to_string());
    let d = Diagnostic::error(
        "PS0260",
        format!("exit code {code} has failed the step already"),
        span.clone(),
        format!("only {known} means success"),
    );
    diags.push(
        d.help(format!(
            "write `ok_codes: [{}]`, if {code} is a success",
            codes.join(", ")
        ))
        .help("`expect` is asked besides the exit code, not instead of it"),
    );
}
