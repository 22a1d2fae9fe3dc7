//! What is declared at the top: parameters, the window, objectives, what the kind asks for.

use regex::Regex;

use super::{At, phases, stages, steps, suggest};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::{
    Fragment, FragmentValue, Kind, Mark, ParamType, Parameter, Phase, Runbook, Stage, Step, TargetSet, Value,
};

pub(super) fn check(runbook: &Runbook, diags: &mut Diagnostics) {
    runbook.parameters.iter().for_each(|p| parameter(p, diags));
    runbook.targets.iter().for_each(|set| target(set, diags));
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

/// Hosts that a set lists: some, each once.
fn target(set: &TargetSet, diags: &mut Diagnostics) {
    // What could not be read is empty too, and was told.
    let told = diags.has_errors();
    if !told && set.hosts.is_empty() && set.select.as_ref().is_none_or(|s| s.trim().is_empty()) {
        let span = set.select.as_ref().map_or(&set.name.span, |s| &s.span).clone();
        let message = format!("the set `{}` has no host", set.name.value);
        let d = Diagnostic::error("PS0265", message, span, "nothing would be done");
        diags.push(d.help("write `hosts: [NAME]`, or `select: \"group=NAME\"`"));
    }
    for (n, host) in set.hosts.iter().enumerate() {
        if let Some(first) = set.hosts.iter().take(n).find(|h| h.value == host.value) {
            let message = format!("the set has the host `{}` twice", host.value);
            let d = Diagnostic::error("PS0202", message, host.span.clone(), "again here");
            diags.push(d.also(first.span.clone(), "first here").help("delete one of them"));
        }
    }
}

fn parameter(p: &Parameter, diags: &mut Diagnostics) {
    if let (Some(pattern), false) = (&p.pattern, matches!(p.kind, ParamType::String | ParamType::List)) {
        let message = "only a text has a `pattern`";
        let d = Diagnostic::error("PS0263", message, pattern.span.clone(), "nothing would look at it");
        diags.push(
            d.also(p.name.span.clone(), "this is no text")
                .help("write `type: string`, or `min`, `max` and `allowed`"),
        );
    }
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

/// Every step that sets a mark, with the mark's name.
fn marks<'r, 'a>(all: &'a [At<'r>]) -> impl Iterator<Item = (&'a At<'r>, &'r Spanned<String>)> {
    let of = |at: &'a At<'r>| {
        [&at.step.mark, &at.step.mark_start]
            .into_iter()
            .flatten()
            .map(move |m| (at, &m.name))
    };
    all.iter().flat_map(of)
}

fn objectives(runbook: &Runbook, diags: &mut Diagnostics) {
    let all = steps(runbook);
    for name in runbook.objectives.iter().flat_map(|o| [&o.from, &o.to]) {
        let setters: Vec<_> = marks(&all).filter(|(_, mark)| mark.value == name.value).collect();
        let Some((_, first)) = setters.first() else {
            let message = format!("no step sets the mark `{}`", name.value);
            let d = Diagnostic::error("PS0212", message, name.span.clone(), "the objective could never be met");
            let none = format!("add `mark: {}` to the step that ends at this moment", name.value);
            diags.push(suggest(
                d,
                name,
                marks(&all)
                    .map(|(_, m)| m.value.as_str())
                    .collect::<Vec<_>>()
                    .into_iter(),
                &none,
            ));
            continue;
        };
        let lacks = |mode: &&Spanned<String>| !setters.iter().any(|(at, _)| at.active_in(mode));
        if let Some(mode) = runbook.modes.iter().find(lacks) {
            let message = format!("in mode `{}` no step sets the mark `{}`", mode.value, name.value);
            diags.push(
                Diagnostic::warning(
                    "PS0212",
                    message,
                    name.span.clone(),
                    "then no plan of this mode can be made",
                )
                .also(first.span.clone(), "set here, in other modes")
                .also(mode.span.clone(), "the mode")
                .help(format!(
                    "add `mark: {}` to a step that runs in mode `{}` too",
                    name.value, mode.value
                )),
            );
        }
    }
    for phase in phases(runbook) {
        twice(phase, &all, diags);
    }
}

/// Of two marks of one name on one host the first counts: a second step that sets it always sets nothing.
fn twice(phase: &Phase, all: &[At<'_>], diags: &mut Diagnostics) {
    let always = |at: &&At<'_>| {
        at.phase.is_some_and(|p| std::ptr::eq(p, phase))
            && at.of.is_none()
            && at.step.when.is_none()
            && at.step.only_in.is_empty()
    };
    type Of = fn(&Step) -> Option<&Mark>;
    let kinds: [(&str, Of); 2] = [("mark_start", |s| s.mark_start.as_ref()), ("mark", |s| s.mark.as_ref())];
    for (kind, of) in kinds {
        let mut seen: Vec<&Spanned<String>> = Vec::new();
        for name in all.iter().filter(always).filter_map(|at| Some(&of(at.step)?.name)) {
            if let Some(first) = seen.iter().find(|s| s.value == name.value) {
                let d = Diagnostic::warning(
                    "PS0252",
                    format!("the mark `{}` is set already", name.value),
                    name.span.clone(),
                    "this one never counts",
                );
                diags.push(
                    d.also(first.span.clone(), "of two on one host the first counts")
                        .help(format!(
                            "keep the `{kind}` that is meant, or give this one another name"
                        )),
                );
            } else {
                seen.push(name);
            }
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
