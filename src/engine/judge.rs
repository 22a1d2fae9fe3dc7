//! What a finished job means: the outcome of the step.
//!
//! Owns: `ok_codes`, `as`, `expect`, `warn_unless`, `may_fail`, marks. Must not: send anything.
//! Exit code 0 alone is success only where nothing more was asked.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::columns::columns;
use super::render;
use super::scope::{LOOK_MAX, Scopes};
use crate::action::check::{self, Status};
use crate::action::{Done, End};
use crate::plan::{BuiltIn, Call, Parse, PlannedMark, PlannedStep, Value};
use crate::run::event::{Outcome, StepKey, StepResult};
use crate::runbook::expr::Scope;
use crate::text::HostText;

/// When the step began and ended on the wall clock.
pub(super) struct Span {
    pub began: Timestamp,
    pub ended: Timestamp,
}

/// The outcome and the result of a finished job.
pub(super) fn outcome(
    step: &PlannedStep,
    key: &StepKey,
    done: Done,
    mut result: StepResult,
    scopes: &Scopes<'_>,
    span: &Span,
) -> (Outcome, StepResult) {
    let changes = !step.read_only;
    result.more = done.more;
    result.rc = done.rc;
    result.changed = changes && !done.unchanged;
    warns(step, &mut result);
    let ended = match done.end {
        End::Good => Ok(()),
        End::Exited(rc) => {
            result.rc = Some(rc);
            if step.ok_codes.contains(&rc) {
                Ok(())
            } else {
                Err((Outcome::Failed, exit_words(rc, &result)))
            }
        }
        End::Failed(why) => Err((Outcome::Failed, why)),
        End::TimedOut => Err((
            Outcome::TimedOut,
            format!("not done after {} s; it was stopped", step.timeout_ms / 1000),
        )),
        End::Cancelled => Err((Outcome::Failed, "stopped by the second signal".to_owned())),
        End::Unreachable(why) => {
            result.changed = false;
            Err((Outcome::Unreachable, why))
        }
        End::NeverBegan | End::PassedOver => Err((Outcome::Unreachable, "it never began".to_owned())),
        End::Unknown { why, .. } => Err((Outcome::Unknown, why)),
    };
    let ended = ended.and_then(|()| conditions(step, key, &mut result, scopes));
    let (outcome, mut result) = match ended {
        Ok(()) => match marks(step, key, &mut result, scopes, span) {
            Ok(()) => (Outcome::Ok, result),
            Err(why) => failed(step, Outcome::Failed, why, result),
        },
        Err((outcome, why)) => failed(step, outcome, why, result),
    };
    if step.sensitive {
        result.value = None;
        result
            .more
            .retain(|name, _| !matches!(name.as_str(), "json" | "headers" | "difference"));
    }
    (outcome, result)
}

/// A check that ended well may have found something all the same: outside of `warn`, or as bad as before.
fn warns(step: &PlannedStep, result: &mut StepResult) {
    let is_check = matches!(step.call, Call::BuiltIn(BuiltIn::Check(_)) | Call::WaitCheck { .. });
    if is_check && check::status(&result.more).is_some_and(|status| status != Status::Ok) {
        result.warned = true;
        result.why = result.more.get("message").map(Value::plain).unwrap_or_default();
    }
}

fn failed(step: &PlannedStep, outcome: Outcome, why: String, mut result: StepResult) -> (Outcome, StepResult) {
    result.why = why;
    result.warned = step.may_fail.is_some() && outcome != Outcome::Unknown;
    (outcome, result)
}

fn conditions(
    step: &PlannedStep,
    key: &StepKey,
    result: &mut StepResult,
    scopes: &Scopes<'_>,
) -> Result<(), (Outcome, String)> {
    let no = |why: String| (Outcome::Failed, why);
    if let Some(parse) = step.parse {
        if result.stdout.truncated || result.stdout.bytes > LOOK_MAX {
            let mib = LOOK_MAX >> 20;
            return Err(no(format!(
                "the output is longer than the {mib} MiB that `as` reads: nothing of it is taken"
            )));
        }
        // What a person noted is what a step by hand says.
        let noted = matches!(step.call, Call::Manual { .. }).then(|| result.more.get("note").map(Value::plain));
        let text = match noted {
            Some(note) => HostText::new(note.unwrap_or_default().trim()),
            None => scopes.text(&result.stdout).unwrap_or_else(|| HostText::new("")),
        };
        let wrong = |why: String| match step.sensitive {
            true => no("the output, which is not shown, is not what `as` says".to_owned()),
            false => no(why),
        };
        result.value = Some(parsed(parse, text.data()).map_err(wrong)?);
        if parse == Parse::Json && !step.sensitive {
            result.columns = columns(text.data());
        }
    }
    let bare = matches!(step.call, Call::Http { .. });
    if step.expect.is_none() && step.warn_unless.is_none() {
        return if bare { http_success(result).map_err(no) } else { Ok(()) };
    }
    let scope = own(step, key, result, scopes);
    if let Some(expect) = &step.expect
        && !render::truth(expect, &scope).map_err(no)?
    {
        return Err(no(format!("not as expected: {expect}{}", seen(step, result))));
    }
    if let Some(unless) = &step.warn_unless
        && !render::truth(unless, &scope).map_err(no)?
    {
        result.warned = true;
        result.why = format!("warning: not {unless}{}", seen(step, result));
    }
    Ok(())
}

/// The scope of a step's own conditions: its result fields are bare names.
fn own<'a>(step: &'a PlannedStep, key: &'a StepKey, result: &StepResult, scopes: &'a Scopes<'a>) -> Scope<'a> {
    let mut scope = scopes.place(step, key);
    scope.set_all(scopes.result(Outcome::Ok, result));
    scope
}

/// What was seen instead, in a few words.
fn seen(step: &PlannedStep, result: &StepResult) -> String {
    if step.sensitive {
        return String::new();
    }
    if let Some(Value::List(changes)) = result.more.get("changes") {
        let first: Vec<String> = changes.iter().take(3).map(Value::plain).collect();
        let more = match changes.len().saturating_sub(first.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let lost = match result.more.get("rollback") {
            Some(Value::Map(found)) => found.get("missing").map(Value::plain).unwrap_or_default(),
            _ => String::new(),
        };
        let lost = match lost.as_str() {
            "" => lost,
            lost => format!("; cannot be had any more: {lost}"),
        };
        return format!(" (seen: {}{more}{lost})", first.join("; "));
    }
    let value = match (&result.value, result.more.get("status")) {
        (Some(Value::Int(n)), _) => n.to_string(),
        (Some(Value::Number(n)), _) => n.to_string(),
        (Some(Value::Bool(b)), _) => b.to_string(),
        (Some(Value::Text(t)), _) => t.chars().take(80).collect(),
        (_, Some(Value::Int(status))) => format!("status {status}"),
        _ => result.stdout.text.trim_end().chars().take(80).collect(),
    };
    if value.is_empty() {
        String::new()
    } else {
        format!(" (seen: {value})")
    }
}

fn http_success(result: &StepResult) -> Result<(), String> {
    match result.more.get("status") {
        Some(Value::Int(status)) if (200..300).contains(status) => Ok(()),
        Some(Value::Int(status)) => Err(format!("the server answered {status}")),
        _ => Err("the server did not answer".to_owned()),
    }
}

/// The exit code, and the last words of the command: stderr first, for that is what it is for.
fn exit_words(rc: i32, result: &StepResult) -> String {
    let code = match rc {
        129..=159 => format!("exit code {rc} (ended by signal {})", rc - 128),
        _ => format!("exit code {rc}"),
    };
    let last = |text: &str| {
        text.lines()
            .rev()
            .map(str::trim)
            .find(|l| !l.is_empty())
            .map(|l| l.chars().take(160).collect())
    };
    let words: Option<String> = last(&result.stderr.text).or_else(|| last(&result.stdout.text));
    words.map_or(code.clone(), |w| format!("{code}: {w}"))
}

/// What `as` makes of a text.
pub(super) fn parsed(parse: Parse, text: &str) -> Result<Value, String> {
    let short = || text.chars().take(60).collect::<String>();
    match parse {
        Parse::Text => Ok(Value::Text(text.to_owned())),
        Parse::Lines => Ok(Value::List(text.lines().map(|l| Value::Text(l.to_owned())).collect())),
        Parse::Number => number(text.trim()).ok_or_else(|| format!("the output is no number: `{}`", short())),
        Parse::Json => serde_json::from_str::<serde_json::Value>(text)
            .map(json)
            .map_err(|e| format!("the output is no JSON: {e}")),
        Parse::Nagios => check::plugin::value(text),
        Parse::Timestamp => text
            .trim()
            .parse::<Timestamp>()
            .map(|timestamp| Value::Timestamp { timestamp })
            .map_err(|_| format!("the output is no RFC 3339 time: `{}`", short())),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(Value::Int(n));
    }
    text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::Number)
}

/// JSON of a host as plain values: what looks like one of our tagged kinds stays a map of its words.
fn json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Number(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        serde_json::Value::String(s) => Value::Text(s),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(json).collect()),
        serde_json::Value::Object(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(k, v)| (k, json(v)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

fn marks(
    step: &PlannedStep,
    key: &StepKey,
    result: &mut StepResult,
    scopes: &Scopes<'_>,
    span: &Span,
) -> Result<(), String> {
    for (mark, default) in [(&step.mark_start, span.began), (&step.mark, span.ended)] {
        let Some(mark) = mark else { continue };
        let moment = moment(mark, (step, key), result, scopes, default)?;
        result.marks.insert(mark.name.clone(), moment);
    }
    Ok(())
}

fn moment(
    mark: &PlannedMark,
    (step, key): (&PlannedStep, &StepKey),
    result: &StepResult,
    scopes: &Scopes<'_>,
    default: Timestamp,
) -> Result<Timestamp, String> {
    let Some(at) = &mark.at else { return Ok(default) };
    match render::value(at, &own(step, key, result, scopes))? {
        Value::Timestamp { timestamp } => Ok(timestamp),
        Value::Text(text) => text
            .parse()
            .map_err(|_| format!("mark {}: `{text}` is no RFC 3339 time", mark.name)),
        _ => Err(format!("mark {}: its value is no time", mark.name)),
    }
}
