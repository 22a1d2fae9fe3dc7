//! Every step with its attempts and what it printed, folded by host.
//!
//! Owns: the engineer's part of the page. Must not: repeat the board's part.

use std::fmt::Write as _;
use std::iter;

use super::Pieces;
use super::shell::{E, state, table};
use crate::plan::page::{count, duration};
use crate::report::record::{ChangeRecord, HostState, OutputRecord, StepRecord};
use crate::report::words;
use crate::text;

/// The section's body; nothing if no step ran.
pub(super) fn steps(r: &ChangeRecord) -> Option<Pieces<'_>> {
    if r.steps.is_empty() {
        return None;
    }
    let steps = r.by_host();
    let whole = fold(r, steps.of(None), "whole run", None);
    let hosts = r.hosts.iter();
    let folds = hosts.map(move |h| fold(r, steps.of(Some(&h.name)), h.name.as_str(), Some(h.state)));
    Some(Box::new(iter::once(whole).chain(folds)))
}

#[expect(
    clippy::option_option,
    reason = "a row without a state is no row whose state is open"
)]
fn fold(r: &ChangeRecord, mine: &[&StepRecord], name: &str, of: Option<Option<HostState>>) -> String {
    let mut out = String::new();
    if mine.is_empty() {
        return out;
    }
    // What somebody has to look at stands open, on the screen and on paper.
    let open = if of.flatten().is_some_and(|s| !s.is_good() && s != HostState::NotStarted) {
        " open"
    } else {
        ""
    };
    let badge = of
        .map(words::host)
        .map(|(tone, word)| state(tone, word))
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "<details{open}><summary><span class=\"name\">{}</span> {badge} <span class=\"note\">{}</span></summary>\n<div class=\"inner\">",
        E(name),
        count(mine.len(), "step", "steps")
    );
    let rows: Vec<Vec<String>> = mine.iter().map(|s| row(r, s)).collect();
    let columns = [
        ("Step", "long"),
        ("Stage", ""),
        ("Outcome", ""),
        ("Began", "num"),
        ("Took", "num"),
        ("rc", "num"),
    ];
    out.push_str(&table(&format!("Steps of {name}"), &columns, &rows));
    out.push_str("</div>\n</details>\n");
    out
}

fn row(r: &ChangeRecord, s: &StepRecord) -> Vec<String> {
    let (tone, word) = words::outcome(s.outcome, s.warned);
    let last = s.attempts.last();
    let mut what = text::html(&s.name);
    if s.pass == 1 {
        what.push_str(" <span class=\"note\">(going back)</span>");
    }
    if let Some(on) = s.on.as_ref().filter(|on| Some(*on) != s.host.as_ref()) {
        let _ = write!(what, " <span class=\"note\">on {}</span>", E(on.as_str()));
    }
    if !s.why.is_empty() {
        let _ = write!(what, "<br><span class=\"note\">{}</span>", E(&s.why));
    }
    if let Some(d) = &s.decided {
        let _ = write!(
            what,
            "<br><span class=\"note\">{} said {}: {}</span>",
            E(&d.by),
            E(&d.verdict),
            E(&d.reason)
        );
    }
    what.push_str(&printed(r, s));
    let began = s.attempts.first().map(|a| words::clock(r, a.started));
    vec![
        what,
        s.stage.as_str().replace('_', " "),
        state(tone, word),
        began.unwrap_or_default(),
        last.map(|a| text::html(&duration(a.duration_ms))).unwrap_or_default(),
        last.and_then(|a| a.rc).map(|c| c.to_string()).unwrap_or_default(),
    ]
}

/// Command and output of every attempt.
fn printed(r: &ChangeRecord, s: &StepRecord) -> String {
    let mut inner = String::new();
    if !s.call.is_empty() {
        let _ = write!(inner, "<pre>{}</pre>", E(&s.call));
    }
    for a in &s.attempts {
        if s.attempts.len() > 1 {
            let (_, word) = words::outcome(a.outcome, false);
            let _ = write!(
                inner,
                "<p class=\"note\">Attempt {} at {}: {word} after {}. {}</p>",
                a.attempt,
                words::clock(r, a.started),
                E(&duration(a.duration_ms)),
                E(&a.why)
            );
        }
        let found = a.field_lines();
        if !found.is_empty() {
            let _ = write!(inner, "<p class=\"note\">found</p><pre>{}</pre>", E(&found.join("\n")));
        }
        stream(&mut inner, "stdout", &a.stdout);
        stream(&mut inner, "stderr", &a.stderr);
    }
    if inner.is_empty() {
        return String::new();
    }
    let title = if s.attempts.len() > 1 {
        "command, attempts and output"
    } else {
        "command and output"
    };
    let open = if words::outcome(s.outcome, s.warned).0 >= words::Tone::Warn {
        " open"
    } else {
        ""
    };
    format!("<details{open}><summary>{title}</summary><div class=\"inner\">{inner}</div></details>")
}

fn stream(out: &mut String, name: &str, o: &OutputRecord) {
    if o.bytes == 0 && o.text.is_empty() {
        return;
    }
    let digest = o.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let cut = match (o.withheld, o.truncated) {
        (true, _) => ", not kept: the step is sensitive",
        (_, true) => ", only a part is kept",
        _ => "",
    };
    let _ = write!(
        out,
        "<p class=\"note\">{name}, {} bytes{cut} <code>{}</code></p>",
        o.bytes,
        E(&digest)
    );
    if !o.text.is_empty() {
        let _ = write!(out, "<pre>{}</pre>", E(&o.text));
    }
}
