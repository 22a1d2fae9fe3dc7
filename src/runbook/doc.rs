//! A runbook as a procedure that people read, review, or do by hand: Markdown.
//!
//! Owns: its order and its words. Must not: bind anything (parameters stay names, sets stay selectors), read a file.

mod chart;
mod step;

use std::fmt::Write as _;
use std::time::Duration;

use crate::text::{markdown, markdown_code};

use super::{
    AfterBatch, Become, Gate, Item, Kind, OnFailure, Otherwise, ParamType, Parameter, Phase, Rollout, RolloutRef,
    Runbook, SecretSource, Size, Stage, TargetSet, Undo, Value, WindowSpec, duration,
};

/// The whole procedure.
pub fn procedure(runbook: &Runbook) -> String {
    let mut out = String::new();
    head(runbook, &mut out);
    needs(runbook, &mut out);
    let _ = write!(out, "## The way\n\n{}\n", chart::flowchart(runbook));
    defaults(runbook, &mut out);
    steady_state(runbook, &mut out);
    let mut number = 0;
    for item in &runbook.items {
        number += 1;
        match item {
            Item::Phase(phase) => self::phase(runbook, phase, number, &mut out),
            Item::Gate(gate) => {
                let _ = writeln!(out, "## {number}. Gate: {}\n", markdown(&gate.title));
                let _ = writeln!(out, "{}\n", gate_words(gate));
            }
        }
    }
    owed(runbook, &mut out);
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

fn head(runbook: &Runbook, out: &mut String) {
    let _ = writeln!(out, "# {}\n", markdown(&runbook.title));
    if let Some(text) = &runbook.description {
        let _ = writeln!(out, "{}\n", markdown(text.trim_end()));
    }
    let change = &runbook.change;
    let rows = [
        ("Runbook", Some(code(&runbook.id.value))),
        ("Kind", Some(kind(runbook.kind.value).to_owned())),
        ("Answers for it", runbook.owner.as_deref().map(markdown)),
        ("Type of change", change.type_.as_deref().map(markdown)),
        ("Risk", change.risk.as_deref().map(markdown)),
        ("What users notice", change.impact.as_deref().map(markdown)),
        ("Way back", change.backout.as_deref().map(markdown)),
        ("Proof of success", change.test.as_deref().map(markdown)),
    ];
    let _ = writeln!(out, "| | |\n|---|---|");
    for (name, value) in rows.into_iter().filter_map(|(n, v)| Some((n, v?))) {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push('\n');
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Patch => "patch: updates are installed",
        Kind::RestoreTest => "restore test: a backup is restored elsewhere, compared, and the copy erased",
        Kind::Check => "check: it looks and changes nothing",
        Kind::DrDrill => "drill of a disaster recovery",
        Kind::Change => "change",
    }
}

/// What must be known or there before it begins.
fn needs(runbook: &Runbook, out: &mut String) {
    if !runbook.parameters.is_empty() {
        let _ = writeln!(
            out,
            "## Parameters\n\n| name | type | default | what it is | allowed |\n|---|---|---|---|---|"
        );
        for p in &runbook.parameters {
            let _ = writeln!(out, "{}", parameter_row(p));
        }
        out.push('\n');
    }
    if !runbook.targets.is_empty() {
        let _ = writeln!(out, "## Hosts\n");
        for set in &runbook.targets {
            let _ = writeln!(out, "- **{}**: {}", markdown(&set.name.value), set_words(set));
        }
        out.push('\n');
    }
    if !runbook.secrets.is_empty() {
        let _ = writeln!(out, "## Secrets\n");
        for secret in &runbook.secrets {
            let _ = writeln!(
                out,
                "- **{}**: {}",
                markdown(&secret.name.value),
                secret_words(&secret.from)
            );
        }
        out.push('\n');
    }
    if let Some(window) = &runbook.window {
        let _ = writeln!(out, "## Window\n\n{}\n", window_words(window));
    }
    if !runbook.modes.is_empty() {
        let modes: Vec<String> = runbook.modes.iter().map(|m| code(&m.value)).collect();
        let _ = writeln!(
            out,
            "## Modes\n\nExactly one is chosen when the plan is made: {}.\n",
            modes.join(", ")
        );
    }
    if !runbook.objectives.is_empty() {
        let _ = writeln!(out, "## Objectives\n");
        for o in &runbook.objectives {
            let people = if o.less_waiting {
                ", time spent waiting for people not counted"
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "- **{}**: from {} to {} at most {}{people}",
                markdown(&o.name.value),
                code(&o.from.value),
                code(&o.to.value),
                time(o.max)
            );
        }
        out.push('\n');
    }
}

fn parameter_row(p: &Parameter) -> String {
    let type_ = match p.kind {
        ParamType::String => "text",
        ParamType::Int => "whole number",
        ParamType::Number => "number",
        ParamType::Bool => "true or false",
        ParamType::Duration => "duration",
        ParamType::Timestamp => "moment",
        ParamType::List => "list",
    };
    let default = match &p.default {
        None => "must be given".to_owned(),
        Some(value) if matches!(&value.value, Value::Text(t) if t.is_empty()) => "empty".to_owned(),
        Some(value) => code(&show(&value.value)),
    };
    let mut allowed: Vec<String> = Vec::new();
    if !p.allowed.is_empty() {
        let values: Vec<String> = p.allowed.iter().map(|v| code(&show(&v.value))).collect();
        allowed.push(values.join(", "));
    }
    allowed.extend(p.pattern.as_ref().map(|v| format!("matches {}", code(&v.value))));
    allowed.extend(p.min.as_ref().map(|v| format!("at least {}", code(&show(&v.value)))));
    allowed.extend(p.max.as_ref().map(|v| format!("at most {}", code(&show(&v.value)))));
    format!(
        "| {} | {type_} | {default} | {} | {} |",
        code(&p.name.value),
        p.description.as_deref().map(markdown).unwrap_or_default(),
        allowed.join("; ")
    )
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
        Value::Map(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}: {}", show(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn set_words(set: &TargetSet) -> String {
    let mut parts = Vec::new();
    if !set.hosts.is_empty() {
        let hosts: Vec<String> = set.hosts.iter().map(|h| code(&h.value)).collect();
        parts.push(hosts.join(", "));
    }
    if let Some(select) = &set.select {
        parts.push(format!("all hosts that fit {}", code(&select.value)));
    }
    parts.join(", and ")
}

fn secret_words(from: &SecretSource) -> String {
    match from {
        SecretSource::Env { name } => format!("from the environment variable {}", code(name)),
        SecretSource::File { path } => format!("from the file {} on the control machine", code(path)),
        SecretSource::Prompt => "asked for on the terminal".to_owned(),
        SecretSource::Provider { provider, .. } => {
            format!("from the provider {} that pitstop.yml names", code(provider))
        }
    }
}

fn window_words(window: &WindowSpec) -> String {
    let mut words = format!("It needs {}", time(window.duration.value));
    if let Some(zone) = &window.timezone {
        let _ = write!(words, ", told in the time of {}", code(&zone.value));
    }
    words.push('.');
    if let Some(cutoff) = window.cutoff {
        let _ = write!(words, " In the last {} no host starts.", time(cutoff));
    }
    match window.reserve {
        Some(reserve) => {
            let _ = write!(
                words,
                " A host starts only if {} are left to take it back.",
                time(reserve)
            );
        }
        None => words.push_str(" A host starts only if there is time to do it and to take it back."),
    }
    words
}

fn defaults(runbook: &Runbook, out: &mut String) {
    let defaults = &runbook.defaults;
    let mut words = Vec::new();
    if let Some(user) = defaults.become_.as_ref().and_then(Become::user) {
        words.push(format!("on the hosts all steps are done as {}", code(&user)));
    }
    words.push(match defaults.timeout {
        Some(limit) => format!("a step takes at most {}", time(limit)),
        None => "a step takes at most 10m".to_owned(),
    });
    if let Some(retry) = defaults.retry.filter(|r| r.attempts > 1) {
        let delay = duration::print(retry.delay_ms);
        words.push(format!("it is tried up to {} times, {delay} apart", retry.attempts));
    }
    let _ = writeln!(out, "Where nothing else is said, {}.\n", words.join("; "));
}

fn steady_state(runbook: &Runbook, out: &mut String) {
    if !runbook.steady_state.is_empty() {
        let _ = writeln!(
            out,
            "## What must hold\n\nBefore the first change, after each batch, and at the end. It only looks.\n"
        );
        step::list(&runbook.steady_state, Stage::Steady, 0, out);
    }
}

fn phase(runbook: &Runbook, phase: &Phase, number: usize, out: &mut String) {
    let _ = writeln!(out, "## {number}. {}\n", markdown(&phase.title));
    let _ = writeln!(out, "Phase {}.{}\n", code(&phase.id.value), only_in(&phase.only_in));
    let _ = writeln!(out, "- Where: {}", where_words(phase));
    if let Some(when) = &phase.when {
        let _ = writeln!(out, "- Only where {}", code(&when.value));
    }
    if let Some(rollout) = rollout_of(runbook, phase) {
        let _ = writeln!(out, "- How: {}", rollout_words(rollout));
    }
    let _ = writeln!(out, "- If it fails: {}\n", failure_words(runbook, phase));
    if let Some(gate) = rollout_of(runbook, phase).and_then(|r| r.gate.as_ref()) {
        let _ = writeln!(
            out,
            "Gate between batches: **{}** {}\n",
            markdown(&gate.title),
            gate_words(gate)
        );
    }
    let s = &phase.stages;
    let parts = [
        (Stage::Steady, "What must hold in this phase", &phase.steady_state),
        (
            Stage::Precheck,
            "Precheck: it only looks, and says no before anything is touched",
            &s.precheck,
        ),
        (Stage::Drain, "Drain: take the host out of service", &s.drain),
        (Stage::Steps, "The work", &s.steps),
        (Stage::Verify, "Verify: prove that the host is good", &s.verify),
        (
            Stage::Undrain,
            "Undrain: back into service, only if verify was good",
            &s.undrain,
        ),
        (
            Stage::Cleanup,
            "Cleanup: in any case, however the host ended",
            &s.cleanup,
        ),
    ];
    for (stage, title, steps) in parts {
        if !steps.is_empty() {
            let _ = writeln!(out, "### {title}\n");
            step::list(steps, stage, 0, out);
        }
    }
}

fn where_words(phase: &Phase) -> String {
    match &phase.targets {
        Some(set) => format!("on the hosts of **{}**, each by itself", markdown(&set.value)),
        None => "on the control machine".to_owned(),
    }
}

/// The rollout that a phase uses.
fn rollout_of<'r>(runbook: &'r Runbook, phase: &'r Phase) -> Option<&'r Rollout> {
    match phase.rollout.as_ref()? {
        RolloutRef::Inline(rollout) => Some(rollout),
        RolloutRef::Named(name) => runbook.rollouts.iter().find(|r| r.name.value == name.value),
    }
}

fn size(size: Size) -> String {
    match size {
        Size::Count(1) => "1 host".to_owned(),
        Size::Count(n) => format!("{n} hosts"),
        Size::Percent(n) => format!("{n} %"),
    }
}

fn rollout_words(r: &Rollout) -> String {
    let mut words = Vec::new();
    words.push(match r.batches.as_slice() {
        [] => "all hosts in one batch".to_owned(),
        [one] => format!("in batches of {}", size(*one)),
        many => {
            let sizes: Vec<String> = many.iter().map(|s| size(*s)).collect();
            format!("in batches: {}, the last size again and again", sizes.join(", then "))
        }
    });
    words.push(format!("at most {} at the same time", r.parallel.unwrap_or(10)));
    words.push(match r.max_fail.as_ref().map(|m| m.value) {
        None | Some(Size::Count(0) | Size::Percent(0)) => {
            "with the first failed host nothing further starts".to_owned()
        }
        Some(n) => format!("{} may fail, with one more nothing further starts", size(n)),
    });
    words.extend(
        r.soak
            .as_ref()
            .map(|s| format!("{} of watching after each batch", code(&s.value))),
    );
    words.extend(
        r.apart
            .as_ref()
            .map(|l| format!("a batch never mixes hosts with different {}", code(&l.value))),
    );
    words.extend(
        r.last
            .as_ref()
            .map(|e| format!("hosts with {} go last, one by one", code(&e.value))),
    );
    words.join("; ")
}

/// What a failure does where nothing is written.
fn failure_of(runbook: &Runbook, phase: &Phase) -> OnFailure {
    let default = if runbook.kind.value == Kind::DrDrill {
        OnFailure::Ask
    } else {
        OnFailure::RollbackHost
    };
    phase.on_failure.as_ref().map_or(default, |f| f.value)
}

fn failure_words(runbook: &Runbook, phase: &Phase) -> &'static str {
    if !changes(phase) {
        return "stop; this phase changes nothing, so there is nothing to take back.";
    }
    match failure_of(runbook, phase) {
        OnFailure::RollbackHost => {
            "take that host back: the undo of its finished steps, the last one first, then verify. Other hosts stay as they are."
        }
        OnFailure::RollbackRun => "take back everything that this run did, the last first.",
        OnFailure::Hold => "stop, take nothing back; the host stays as it is, out of service, until a person decides.",
        OnFailure::Ask => "stop and ask a person: go on, or take back.",
    }
}

/// True if a step of the phase changes something.
fn changes(phase: &Phase) -> bool {
    let s = &phase.stages;
    [&s.drain, &s.steps, &s.undrain, &s.cleanup]
        .into_iter()
        .flatten()
        .any(|step| !step.read_only)
}

fn gate_words(gate: &Gate) -> String {
    let mut words = String::new();
    if let AfterBatch::Nth(n) = gate.after_batch
        && gate.id.value.is_empty()
    {
        let _ = write!(words, "Opens after batch {n}. ");
    } else if gate.id.value.is_empty() {
        words.push_str("Opens after each batch. ");
    }
    let need = gate.need.as_ref().map_or(1, |n| n.value);
    if gate.approvers.is_empty() {
        words.push_str("The operator may say yes, by typing the name of the gate");
    } else {
        let groups: Vec<String> = gate
            .approvers
            .iter()
            .map(|g| format!("**{}**", markdown(&g.value)))
            .collect();
        let people = if need == 1 {
            "One person".to_owned()
        } else {
            format!("{need} different people")
        };
        let _ = write!(words, "{people} of {} must say yes", groups.join(" or "));
    }
    if gate.not_operator {
        words.push_str("; not who operates the run");
    }
    let _ = write!(words, ". It waits {}; ", time(gate.expires));
    words.push_str(match gate.otherwise {
        Otherwise::Hold => "with a no, or without an answer, everything stays as it is.",
        Otherwise::RollbackRun => "with a no, or without an answer, the whole run is taken back.",
    });
    if !gate.show.is_empty() {
        let shown: Vec<String> = gate.show.iter().map(|s| code(&s.value)).collect();
        let _ = write!(words, " The evidence: what {} gave.", shown.join(", "));
    }
    words.push_str(&only_in(&gate.only_in));
    words
}

fn only_in(modes: &[crate::diag::Spanned<String>]) -> String {
    if modes.is_empty() {
        return String::new();
    }
    let modes: Vec<String> = modes.iter().map(|m| code(&m.value)).collect();
    format!(" Only in mode {}.", modes.join(", "))
}

/// What must be done before anybody may call it finished.
fn owed(runbook: &Runbook, out: &mut String) {
    let mut list = Vec::new();
    for item in &runbook.items {
        let Item::Phase(phase) = item else { continue };
        let id = code(&phase.id.value);
        if !phase.stages.drain.is_empty() {
            list.push(format!(
                "{id}: each host that was drained is owed its undrain; one that is not good stays out, held"
            ));
        }
        let undo = phase
            .stages
            .steps
            .iter()
            .filter(|s| matches!(s.undo, Undo::Steps(_)))
            .count();
        if undo > 0 {
            let steps = if undo == 1 { "step has" } else { "steps have" };
            list.push(format!(
                "{id}: {undo} {steps} an undo, owed from the moment before the step starts until the host is verified"
            ));
        }
        if !phase.stages.cleanup.is_empty() {
            list.push(format!("{id}: its cleanup, however the host ended"));
        }
    }
    if !list.is_empty() {
        let _ = writeln!(out, "## What is owed\n\nIt is finished when nothing of this is left:\n");
        for line in list {
            let _ = writeln!(out, "- {line}");
        }
    }
}

fn time(d: Duration) -> String {
    duration::print(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Code within a line or a table.
fn code(text: &str) -> String {
    markdown_code(text)
}

#[cfg(test)]
#[path = "doc_tests.rs"]
mod tests;
