//! `expect` of a case.
//!
//! Owns: its keys, and which words there are. Must not: compare anything.

use super::{Expect, Sent, Set, expression};
use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Node, NodeKind};

/// How a host can end.
const STATES: [(&str, &str); 10] = [
    ("ok", "ok"),
    ("warned", "warned"),
    ("not_needed", "not_needed"),
    ("refused", "refused"),
    ("failed", "failed"),
    ("rolled_back", "rolled_back"),
    ("held", "held"),
    ("broken", "broken"),
    ("unknown", "unknown"),
    ("not_started", "not_started"),
];

/// What a run can exit with.
const EXITS: [i64; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 70];

/// Nothing is expected but what a journal says.
pub(super) fn nothing(node: &Node) -> Expect {
    Expect {
        span: node.span.clone(),
        exit: None,
        hosts: Vec::new(),
        order: Vec::new(),
        undone: None,
        left_behind: None,
        marks: Vec::new(),
    }
}

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<Expect> {
    let mut f = Fields::of(node, &keys::EXPECT, diags)?;
    let exit = f.int("exit").filter(|code| {
        let known = EXITS.contains(&code.value);
        if !known {
            let what = format!("no run ends with exit code {}", code.value);
            let d = Diagnostic::error("PS0707", what, code.span.clone(), "never true");
            f.complain(d.help(
                "0 done, 1 a person is needed, 3 a precheck is false, 4 rolled back, 5 waiting, 6 refused, 7 stopped, 8 objective missed",
            ));
        }
        known
    });
    let mut hosts = Vec::new();
    for entry in f.map("hosts").unwrap_or_default() {
        let what = format!("`{}`", entry.key.value);
        let state = fields::text(&entry.value).and_then(|text| fields::word(&text, &what, &STATES));
        match state {
            Ok(state) => hosts.push((entry.key.clone(), state)),
            Err(d) => f.complain(d),
        }
    }
    let order = f.seq("order").iter().filter_map(|node| sent(node, diags)).collect();
    let undone = list(&mut f, "undone").map(|list| steps(list, &mut f));
    let left_behind = list(&mut f, "left_behind");
    let marks = f.map("marks").unwrap_or_default().iter();
    let marks: Vec<_> = marks
        .filter_map(|entry| Some((entry.key.clone(), mark(&entry.value, diags)?)))
        .collect();
    let known = ["exit", "hosts", "order", "undone", "left_behind", "marks"];
    if !known.iter().any(|key| f.has(key)) {
        let d = Diagnostic::error(
            "PS0708",
            "this case expects nothing",
            f.head().clone(),
            "whatever happens would be right",
        );
        f.complain(d.help("write at least `exit` and `hosts`"));
    }
    f.finish(diags);
    Some(Expect {
        span: node.span.clone(),
        exit,
        hosts,
        order,
        undone,
        left_behind,
        marks,
    })
}

/// A list with its place: an empty one says "nothing".
fn list(f: &mut Fields<'_>, key: &'static str) -> Option<Spanned<Vec<Spanned<String>>>> {
    let span = f.entry(key)?.key.span.clone();
    f.node(key)?;
    Some(Spanned::new(f.texts(key), span))
}

/// Each is `PHASE/STEP@HOST`.
fn steps(list: Spanned<Vec<Spanned<String>>>, f: &mut Fields<'_>) -> Spanned<Vec<Spanned<String>>> {
    list.map(|items| {
        let whole = |text: &Spanned<String>| {
            let step = text
                .split_once('@')
                .filter(|(_, host)| !host.is_empty())
                .map(|(step, _)| step);
            let good = step
                .and_then(|s| s.split_once('/'))
                .is_some_and(|(phase, step)| !phase.is_empty() && !step.is_empty());
            if !good {
                let what = format!("`{}` is no step of a host", text.value);
                let d = Diagnostic::error("PS0712", what, text.span.clone(), "which phase, step and host?");
                f.complain(d.help("write `PHASE/STEP@HOST`; the host may be a glob"));
            }
            good
        };
        items.into_iter().filter(whole).collect()
    })
}

/// An expression over what was sent to any host, or `HOST: expression`.
fn sent(node: &Node, diags: &mut Diagnostics) -> Option<Sent> {
    let (host, text) = match &node.kind {
        NodeKind::Map(entries) => match entries.as_slice() {
            [one] => (Some(one.key.clone()), &one.value),
            _ => {
                let d = Diagnostic::error(
                    "PS0710",
                    "an item of `order` is one command",
                    node.span.clone(),
                    "several keys stand here",
                );
                diags.push(d.help("write `- HOST: expression` for each, or `- expression` for any host"));
                return None;
            }
        },
        _ => (None, node),
    };
    let text = fields::text(text).map_err(|d| diags.push(d)).ok()?;
    Some(Sent {
        host,
        matches: expression(text, diags)?,
    })
}

/// `set`, `missing`, a time after the start, or a moment.
fn mark(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<Set>> {
    let text = fields::text(node).map_err(|d| diags.push(d)).ok()?;
    let set = match text.value.trim() {
        "set" => Some(Set::Sometime),
        "missing" => Some(Set::Missing),
        other => duration::parse(other)
            .map(Set::After)
            .or_else(|| other.parse().ok().map(Set::At)),
    };
    if set.is_none() {
        let what = format!("`{}` says not how a mark stands", text.value);
        let d = Diagnostic::error("PS0706", what, text.span.clone(), "neither a word nor a time");
        diags.push(
            d.help("write `set`, `missing`, how long after the start, as `5m`, or a moment, as 2026-12-06T01:00:00Z"),
        );
    }
    Some(Spanned::new(set?, text.span))
}
