//! `answers` and `facts` of a test.
//!
//! Owns: their keys, and which go together. Must not: give an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, FactsOf, Then, expression};
use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::Node;

const FAULTS: [(&str, Then); 6] = [
    ("refuse", Then::Refuse),
    ("cut", Then::Cut),
    ("hang", Then::Hang),
    ("reboot", Then::Reboot),
    ("never_returns", Then::NeverReturns),
    ("lie", Then::Lie),
];

/// `answers`: host glob → list.
pub(super) fn answers(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Vec<Answer> {
    let mut all = Vec::new();
    for entry in f.map("answers").unwrap_or_default() {
        let items = match fields::seq(&entry.value, &entry.key) {
            Ok(items) => items,
            Err(d) => {
                diags.push(d.help("each host glob has a list of answers: `- { match: …, rc: 0 }`"));
                continue;
            }
        };
        let list: Vec<Answer> = items
            .iter()
            .filter_map(|node| answer(&entry.key, node, diags))
            .collect();
        never_reached(&list, diags);
        all.extend(list);
    }
    all
}

fn answer(on: &Spanned<String>, node: &Node, diags: &mut Diagnostics) -> Option<Answer> {
    let mut f = Fields::of(node, &keys::ANSWER, diags)?;
    let matches = f.text("match");
    let rc = f.int("rc");
    let written = [
        f.has("rc"),
        f.has("stdout"),
        f.has("stderr"),
        f.has("status"),
        f.has("after"),
    ];
    let text = |t: Option<Spanned<String>>| t.map(|t| t.value).unwrap_or_default();
    let (stdout, stderr) = (text(f.text("stdout")), text(f.text("stderr")));
    let status = f.int("status");
    let after = f.duration("after");
    let then = f.word("then", &FAULTS);
    let away = f.duration("away");
    let times = f.node("repeat").map_or(Some(1), |node| times(node, &mut f));
    if let Some(then) = &then {
        let names = ["rc", "stdout", "stderr", "status", "after"];
        let unheard: &[&str] = match then.value {
            Then::Refuse => &names,
            Then::Hang | Then::NeverReturns => &["rc", "status", "after"],
            Then::Lie => &["rc"],
            Then::Cut | Then::Reboot => &["status"],
        };
        for (key, _) in names.iter().zip(written).filter(|(key, w)| *w && unheard.contains(key)) {
            let Some(entry) = f.entry(key) else { continue };
            let what = format!("`{key}` has no meaning beside `then: {}`", then.span.text());
            let d = Diagnostic::error("PS0702", what, entry.key.span.clone(), "nobody would see it");
            let d = d.also(then.span.clone(), why(then.value));
            f.complain(d.help(format!("delete `{key}`")));
        }
    }
    let takes_logins = !matches!(
        then.as_ref().map(|t| t.value),
        Some(Then::Refuse | Then::Cut | Then::Reboot)
    );
    if let (Some(away), true) = (&away, takes_logins) {
        let d = Diagnostic::error(
            "PS0703",
            "`away` needs a fault that loses the link",
            away.span.clone(),
            "the host would not be away",
        );
        f.complain(d.help("write it beside `then: refuse`, `cut` or `reboot`"));
    }
    f.finish(diags);
    Some(Answer {
        on: on.clone(),
        span: node.span.clone(),
        matches: expression(matches?, diags)?,
        rc: rc.and_then(|rc| i32::try_from(rc.value).ok()),
        stdout,
        stderr,
        status: status.and_then(|s| u16::try_from(s.value).ok()).unwrap_or(200),
        after: after.map_or(Duration::ZERO, |d| d.value),
        then: then.map(|t| t.value),
        away: away.map(|d| d.value),
        times,
    })
}

/// `true`, or a number.
fn times(node: &Node, f: &mut Fields<'_>) -> Option<u32> {
    if let Ok(always) = fields::bool(node) {
        return (!always.value).then_some(1);
    }
    match fields::int(node, 1, i64::from(u32::MAX)) {
        Ok(n) => u32::try_from(n.value).ok(),
        Err(d) => {
            f.complain(d.help("write how often, as `repeat: 3`, or `repeat: true`"));
            Some(1)
        }
    }
}

fn why(then: Then) -> &'static str {
    match then {
        Then::Refuse => "nothing is sent, so nothing answers",
        Then::Hang | Then::NeverReturns => "it never ends by itself",
        Then::Lie => "it always says 0",
        Then::Cut | Then::Reboot => "the answer does not arrive",
    }
}

/// An answer behind one that repeats for the same command is never given.
fn never_reached(list: &[Answer], diags: &mut Diagnostics) {
    for (n, late) in list.iter().enumerate() {
        let before = list.iter().take(n);
        let same = |a: &&Answer| a.times.is_none() && a.matches.as_str() == late.matches.as_str();
        if let Some(first) = before.clone().find(same) {
            let d = Diagnostic::error(
                "PS0704",
                "this answer is never given",
                late.matches.span.clone(),
                "another one answers the same",
            );
            let d = d.also(first.matches.span.clone(), "it repeats, so it answers every time");
            diags.push(d.help("only the last answer to a command may have `repeat: true`"));
        }
    }
}

const FACTS: [&str; 7] = ["os", "family", "distro", "version", "kernel", "virtual", "user"];

/// `facts`: host glob → fields.
pub(super) fn facts(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Vec<FactsOf> {
    let mut all = Vec::new();
    for entry in f.map("facts").unwrap_or_default() {
        let Some(mut f) = Fields::of(&entry.value, &keys::FACTS, diags) else {
            continue;
        };
        let mut found = BTreeMap::new();
        for key in FACTS {
            if let Some(text) = f.text(key) {
                found.insert(key, text.value);
            }
        }
        let latch = f.bool("latch").is_none_or(|b| b.value);
        f.finish(diags);
        all.push(FactsOf {
            on: entry.key.clone(),
            fields: found,
            latch,
        });
    }
    all
}
