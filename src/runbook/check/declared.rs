//! What is declared at the top: parameters, the window, objectives, what the kind asks for.

use regex::Regex;

use super::{phases, stages, steps, suggest};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::{Fragment, FragmentValue, Kind, Parameter, Runbook, Stage, Value};

pub(super) fn check(runbook: &Runbook, diags: &mut Diagnostics) {
    runbook.parameters.iter().for_each(|p| parameter(p, diags));
    for fragment in super::fragments(runbook) {
        fragment.declared.iter().for_each(|p| parameter(p, diags));
        given(fragment, diags);
    }
    window(runbook, diags);
    objectives(runbook, diags);
    kind(runbook, diags);
}

/// What an include gives obeys the rules of the file it includes.
fn given(fragment: &Fragment, diags: &mut Diagnostics) {
    for (name, value) in &fragment.given {
        let FragmentValue::Is(value) = value else { continue };
        let declared = fragment.declared.iter().find(|p| p.name.value == name.value);
        if let Some(broken) = declared.and_then(|p| broken_rule(p, &value.value)) {
            diags.push(not_allowed(name, &value.span, broken));
        }
    }
}

/// A value that an include gives breaks a rule of the included file.
pub fn not_allowed(name: &str, place: &Span, broken: Broken) -> Diagnostic {
    let message = format!("the included file does not allow this value of `{name}`");
    Diagnostic::error("PS0296", message, place.clone(), format!("it {}", broken.why)).also(broken.rule, "the rule")
}

fn parameter(p: &Parameter, diags: &mut Diagnostics) {
    if let Some(pattern) = &p.pattern
        && let Err(error) = whole(pattern)
    {
        diags.push(bad_regex(pattern, &error));
    }
    if let (Some(min), Some(max)) = (&p.min, &p.max)
        && order(&min.value, &max.value).is_some_and(std::cmp::Ordering::is_gt)
    {
        let message = format!("no value of `{}` is possible", p.name.value);
        let d = Diagnostic::error("PS0216", message, max.span.clone(), "the greatest value");
        diags.push(d.also(min.span.clone(), "is less than the least one"));
        return;
    }
    let Some(default) = &p.default else { return };
    if let Some(broken) = broken_rule(p, &default.value) {
        let message = format!("the default of `{}` is no allowed value", p.name.value);
        let d = Diagnostic::error(
            "PS0216",
            message,
            default.span.clone(),
            format!("the default {}", broken.why),
        );
        diags
            .push(d.also(broken.rule, "the rule").help(
                "a default obeys the same rules as a value that is given; or leave it out, and it must be given",
            ));
    }
}

/// A rule of a parameter that a value breaks.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What is wrong, to follow the value: `is less than 5`.
    pub why: String,
    /// Where the rule is written.
    pub rule: Span,
}

/// The first of `pattern`, `allowed`, `min` and `max` that a value of the right type breaks.
pub fn broken_rule(p: &Parameter, value: &Value) -> Option<Broken> {
    let broken = |why: String, rule: &Span| {
        Some(Broken {
            why,
            rule: rule.clone(),
        })
    };
    if let (Some(pattern), Value::Text(text)) = (&p.pattern, value)
        && let Ok(regex) = whole(pattern)
        && !regex.is_match(text)
    {
        return broken(format!("does not match {}", pattern.value), &pattern.span);
    }
    if let Some(first) = p.allowed.first().filter(|_| !is_allowed(p, value)) {
        return broken("is not one of those that are allowed".to_owned(), &first.span);
    }
    if let Some(min) = p
        .min
        .as_ref()
        .filter(|m| order(value, &m.value).is_some_and(std::cmp::Ordering::is_lt))
    {
        return broken(format!("is less than {}", min.span.text()), &min.span);
    }
    if let Some(max) = p
        .max
        .as_ref()
        .filter(|m| order(value, &m.value).is_some_and(std::cmp::Ordering::is_gt))
    {
        return broken(format!("is more than {}", max.span.text()), &max.span);
    }
    None
}

/// A pattern as it is meant: it matches the whole text.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

fn is_allowed(p: &Parameter, value: &Value) -> bool {
    let one = |v: &Value| p.allowed.iter().any(|a| a.value == *v);
    match value {
        Value::List(items) => items.iter().all(one),
        value => one(value),
    }
}

/// The order of two values of one kind.
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Duration { duration_ms: a }, Value::Duration { duration_ms: b }) => Some(a.cmp(b)),
        (Value::Timestamp { timestamp: a }, Value::Timestamp { timestamp: b }) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A text that is no regular expression.
pub fn bad_regex(pattern: &Spanned<String>, error: &regex::Error) -> Diagnostic {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or("").trim_start_matches("error: ");
    Diagnostic::error(
        "PS0217",
        "this is no regular expression",
        pattern.span.clone(),
        last.to_owned(),
    )
    .help("look-around and back-references do not exist here; a pattern matches the whole text without ^ and $")
}

fn window(runbook: &Runbook, diags: &mut Diagnostics) {
    let Some(window) = &runbook.window else { return };
    if let Some(zone) = &window.timezone
        && let Err(_unknown) = jiff::tz::TimeZone::get(zone)
    {
        let d = Diagnostic::error(
            "PS0222",
            format!("there is no time zone `{}`", zone.value),
            zone.span.clone(),
            "not in the IANA database",
        );
        diags.push(d.help("write a name such as Europe/Berlin or UTC"));
    }
    let kept = window
        .cutoff
        .unwrap_or_default()
        .max(window.reserve.unwrap_or_default());
    if window.duration.value <= kept {
        let d = Diagnostic::error(
            "PS0223",
            "no host could ever start in this window",
            window.duration.span.clone(),
            "not longer than `cutoff` or `reserve`",
        );
        diags.push(d.help("make `duration` longer, or `cutoff` and `reserve` shorter"));
    }
}

fn objectives(runbook: &Runbook, diags: &mut Diagnostics) {
    let all = steps(runbook);
    let marks: Vec<&str> = all
        .iter()
        .flat_map(|at| [&at.step.mark, &at.step.mark_start])
        .flatten()
        .map(|mark| mark.name.value.as_str())
        .collect();
    for name in runbook.objectives.iter().flat_map(|o| [&o.from, &o.to]) {
        if !marks.contains(&name.value.as_str()) {
            let d = Diagnostic::error(
                "PS0212",
                format!("no step sets the mark `{}`", name.value),
                name.span.clone(),
                "the objective could never be met",
            );
            diags.push(suggest(
                d,
                name,
                marks.iter().copied(),
                &format!("add `mark: {}` to the step that ends at this moment", name.value),
            ));
        }
    }
}

fn kind(runbook: &Runbook, diags: &mut Diagnostics) {
    let kind = &runbook.kind;
    let says = |text: &str| text.to_owned();
    match kind.value {
        Kind::Check => {
            for at in steps(runbook).iter().filter(|at| !at.step.read_only) {
                let d = Diagnostic::error(
                    "PS0210",
                    "a check changes nothing",
                    at.step.action.span.clone(),
                    "this step may change something",
                );
                diags.push(
                    d.also(kind.span.clone(), "said here")
                        .help("write `read_only: true` if it changes nothing, or choose another `kind`"),
                );
            }
        }
        Kind::RestoreTest => {
            if runbook.objectives.is_empty() {
                let d = Diagnostic::error(
                    "PS0210",
                    "a restore test has objectives",
                    kind.span.clone(),
                    says("this kind needs `objectives`"),
                );
                diags.push(d.help(
                    "write how long a restore may take: `objectives: { rto: { from: MARK, to: MARK, max: 45m } }`",
                ));
            }
            if phases(runbook).all(|p| p.stages.cleanup.is_empty()) {
                let d = Diagnostic::error(
                    "PS0210",
                    "a restore test cleans up",
                    kind.span.clone(),
                    says("no phase has `cleanup`"),
                );
                diags
                    .push(d.help("add `cleanup` to the phase that restores: stop what was started and erase the data"));
            }
        }
        Kind::Patch => {
            for phase in phases(runbook) {
                let changes = stages(phase)
                    .iter()
                    .any(|(stage, steps)| *stage == Stage::Steps && steps.iter().any(|step| !step.read_only));
                if changes && phase.stages.verify.is_empty() {
                    let d = Diagnostic::error(
                        "PS0210",
                        "a patch phase proves its work",
                        phase.id.span.clone(),
                        "this phase has no `verify`",
                    );
                    diags.push(
                        d.also(kind.span.clone(), "this kind needs it")
                            .help("add `verify`: steps that ask the application, not the exit code"),
                    );
                }
            }
        }
        Kind::DrDrill | Kind::Change => {}
    }
}
