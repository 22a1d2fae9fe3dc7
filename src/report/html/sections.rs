//! The sections of the report that are words and tables.
//!
//! Owns: what stands in each. Must not: compute facts.

use std::fmt::Write as _;

use super::shell::{Column, E, facts, state, table};
use crate::id::HostName;
use crate::plan::page::{count, duration};
use crate::report::after::{left_out, shown_changes, some_of};
use crate::report::record::{ChangeRecord, HostPhase, UndoState};
use crate::report::{foreseen as rest, part, quiet, restored, words};
use crate::text;

pub(super) fn text_of(t: &str) -> String {
    text::html(t)
}

pub(super) fn code(t: &str) -> String {
    if t.is_empty() {
        String::new()
    } else {
        format!("<code>{}</code>", E(t))
    }
}

fn host(h: Option<&HostName>) -> String {
    h.map(|h| text_of(h.as_str())).unwrap_or_default()
}

/// Planned against actual, and what the change said about itself.
pub(super) fn result(r: &ChangeRecord) -> String {
    let w = &r.window;
    let mut out = String::new();
    for a in words::attention(r) {
        let _ = writeln!(out, "<p class=\"warning\"><b>Attention.</b> {}</p>", E(&a));
    }
    let span = |a, b| format!("{} to {}", E(&words::day(r, a)), E(&words::clock(r, b)));
    let utc = |a: jiff::Timestamp, b: jiff::Timestamp| {
        format!(
            "<br><span class=\"note\">{} to {} UTC</span>",
            a.strftime("%Y-%m-%d %H:%M:%S"),
            b.strftime("%Y-%m-%d %H:%M:%S")
        )
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: String| rows.push((name.to_owned(), value));
    match w.planned {
        Some(p) => {
            let same = words::date(r, p.start) == words::date(r, p.end);
            let end = if same {
                words::minute(r, p.end)
            } else {
                words::day(r, p.end)
            };
            let local = format!("{} to {}", E(&words::day(r, p.start)), E(&end));
            say("Planned window", local + &utc(p.start, p.end));
        }
        None => say("Planned window", "any time".to_owned()),
    }
    if let Some(a) = w.actual {
        say("Actual", span(a.start, a.end) + &utc(a.start, a.end));
        say("Took", E(&duration(a.ms())).to_string());
    }
    for (name, answer) in restored::answers(r) {
        if let part::Val::State(tone, word) = answer {
            say(&name, state(tone, &word));
        }
    }
    say("Waiting for people", E(&duration(w.waited_ms)).to_string());
    say("Close code", words::close(r.outcome.result).to_owned());
    if let Some(v) = r.outcome.verdict {
        let exit = r.outcome.exit.map(|e| format!(", exit code {e}")).unwrap_or_default();
        say("Verdict", format!("{}{exit}", v.as_str().replace('_', " ")));
    }
    if let Some(s) = words::steady(r) {
        say("Steady state", text_of(&s));
    }
    for (name, value) in [
        ("Ticket", &r.ticket),
        ("Type", &r.type_),
        ("Owner", &r.owner),
        ("About", &r.description),
        ("Impact", &r.texts.impact),
        ("Risk", &r.texts.risk),
        ("Back-out plan", &r.texts.backout),
        ("Test plan", &r.texts.test),
    ] {
        if let Some(v) = value {
            say(name, text_of(v));
        }
    }
    out.push_str(&facts(&rows));
    out
}

/// Hosts by phase, the worst first.
pub(super) fn hosts(r: &ChangeRecord) -> Option<String> {
    const COLUMNS: [Column; 7] = [
        ("Host", "name"),
        ("Phase", "keep"),
        ("Batch", "num"),
        ("State", ""),
        ("Began", "num"),
        ("Took", "num"),
        ("Why", "long"),
    ];
    let mut lines: Vec<(&HostName, &HostPhase)> = r
        .hosts
        .iter()
        .flat_map(|h| h.phases.iter().map(move |p| (&h.name, p)))
        .collect();
    lines.sort_by_key(|(_, p)| std::cmp::Reverse(words::host(p.state).0));
    let single = r.phases.len() == 1;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|(name, p)| {
            let (tone, word) = words::host(p.state);
            let took = p.began.zip(p.ended).map(|(a, b)| {
                let span = crate::report::record::Span { start: a, end: b };
                text_of(&duration(span.ms()))
            });
            let mut row = vec![
                text_of(name.as_str()),
                code(&p.phase),
                p.batch.map(|b| b.to_string()).unwrap_or_default(),
                state(tone, word),
                p.began.map(|b| words::clock(r, b)).unwrap_or_default(),
                took.unwrap_or_default(),
                text_of(&p.why),
            ];
            if single {
                row.remove(1);
            }
            row
        })
        .collect();
    let mut columns = COLUMNS.to_vec();
    if single {
        columns.remove(1);
    }
    (!rows.is_empty()).then(|| table("Hosts by outcome, the worst first", &columns, &rows))
}

/// What a dry run says of the rest.
pub(super) fn foreseen(r: &ChangeRecord) -> Option<String> {
    let mut out = String::new();
    for e in rest::entries(r) {
        let _ = writeln!(
            out,
            "<details open><summary><span class=\"name\">{}</span> <span class=\"note\">{}</span></summary>\n<div class=\"inner\"><pre>{}</pre></div></details>",
            E(&e.step),
            E(&e.hosts),
            E(&e.text)
        );
    }
    (!out.is_empty()).then_some(out)
}

/// What is different now.
pub(super) fn changed(r: &ChangeRecord) -> String {
    let mut out = String::new();
    let rows: Vec<Vec<String>> = r
        .changes()
        .iter()
        .map(|c| {
            let back = if c.back == 0 { String::new() } else { c.back.to_string() };
            vec![
                text_of(&c.name),
                code(&format!("{}/{}", c.phase, c.step)),
                c.hosts.to_string(),
                back,
            ]
        })
        .collect();
    if rows.is_empty() {
        out.push_str("<p>No step changed anything.</p>\n");
    } else {
        let columns = [
            ("Step", "long"),
            ("Id", "keep"),
            ("Hosts", "num"),
            ("Of them taken back", "num"),
        ];
        out.push_str(&table("Steps that changed something", &columns, &rows));
    }
    let found = r.found_changes();
    if !found.is_empty() {
        let rows: Vec<Vec<String>> = shown_changes(&found)
            .iter()
            .map(|(line, hosts)| vec![text_of(line), hosts.len().to_string(), text_of(&some_of(hosts))])
            .collect();
        let columns = [("Change", "long"), ("Hosts", "num"), ("Which", "long")];
        out.push_str(&table("What was found to be changed", &columns, &rows));
        if let Some(rest) = left_out(&found) {
            let _ = writeln!(out, "<p>{rest}</p>");
        }
    }
    let restarted = r.hosts.iter().filter(|h| h.boots.len() > 1).count();
    if restarted > 0 {
        let _ = writeln!(out, "<p>Restarted: {}.</p>", count(restarted, "host", "hosts"));
    }
    let kernels: Vec<Vec<String>> = r
        .kernels()
        .iter()
        .map(|(before, after, hosts)| {
            vec![
                code(before),
                code(after),
                hosts.len().to_string(),
                text_of(&hosts.join(", ")),
            ]
        })
        .collect();
    if !kernels.is_empty() {
        let columns = [
            ("Before", "keep"),
            ("After", "keep"),
            ("Hosts", "num"),
            ("Which", "long"),
        ];
        out.push_str(&table("Kernels", &columns, &kernels));
    }
    out
}

/// Typed deviations.
pub(super) fn deviations(r: &ChangeRecord) -> String {
    if r.deviations.is_empty() {
        return "<p>None: the run went as planned.</p>\n".to_owned();
    }
    let rows: Vec<Vec<String>> = r
        .deviations
        .iter()
        .map(|d| {
            let tone = if d.weighs { words::Tone::Warn } else { words::Tone::None };
            let step = if d.step.is_empty() {
                String::new()
            } else {
                code(&d.step)
            };
            let wheres = [host(d.host.as_ref()), step].into_iter().filter(|p| !p.is_empty());
            vec![
                d.at.map_or_else(|| "plan".to_owned(), |a| words::clock(r, a)),
                state(tone, &words::deviation(d.code)),
                wheres.collect::<Vec<_>>().join(" "),
                text_of(&d.reason),
                text_of(&d.by),
            ]
        })
        .collect();
    let columns = [
        ("Time", "num"),
        ("Deviation", ""),
        ("Where", "name"),
        ("Why", "long"),
        ("Who", ""),
    ];
    table(
        "What went otherwise than planned; a triangle weighs on the close code",
        &columns,
        &rows,
    )
}

/// Undo, line by line.
pub(super) fn rollback(r: &ChangeRecord) -> Option<String> {
    if r.undo.is_empty() {
        return None;
    }
    let rows: Vec<Vec<String>> = r
        .undo
        .iter()
        .map(|u| {
            let (tone, word) = words::undo(u.state);
            vec![
                text_of(u.host.as_str()),
                text_of(&u.name),
                code(&u.of),
                state(tone, word),
                text_of(&u.reason),
            ]
        })
        .collect();
    let ran = r.undo.iter().filter(|u| u.state == UndoState::Ran).count();
    let mut out = format!(
        "<p>{} of {} ran.</p>\n",
        ran,
        count(r.undo.len(), "undo line", "undo lines")
    );
    for p in r.phases.iter().filter(|p| p.changes && !p.verifies) {
        let _ = writeln!(
            out,
            "<p class=\"warning\"><b>Not verified.</b> Phase {} has no verify.</p>",
            code(&p.id)
        );
    }
    let columns = [
        ("Host", "name"),
        ("Undo", "long"),
        ("Of step", ""),
        ("State", ""),
        ("Reason", "long"),
    ];
    out.push_str(&table(
        "Undo that was owed on hosts that went back or stand",
        &columns,
        &rows,
    ));
    Some(out)
}

/// What monitoring was kept quiet about.
pub(super) fn silences(r: &ChangeRecord) -> Option<String> {
    let rows: Vec<Vec<String>> = quiet::rows(r)
        .iter()
        .map(|[what, from, to, how]| vec![text_of(what), from.clone(), to.clone(), text_of(how)])
        .collect();
    let [what, from, to, how] = quiet::HEAD;
    let columns = [(what, "long"), (from, "num"), (to, "num"), (how, "long")];
    (!rows.is_empty()).then(|| table("Silences", &columns, &rows))
}

/// The ledger.
pub(super) fn left_behind(r: &ChangeRecord) -> String {
    let mut out = String::new();
    if r.left_behind.is_empty() {
        out.push_str("<p>Left behind: nothing.</p>\n");
    } else {
        let rows: Vec<Vec<String>> = r
            .left_behind
            .iter()
            .map(|l| vec![code(&l.id), text_of(&l.what)])
            .collect();
        out.push_str(&table(
            "Owed and not done",
            &[("Obligation", "long"), ("What", "long")],
            &rows,
        ));
    }
    if !r.forgiven.is_empty() {
        let rows: Vec<Vec<String>> = r
            .forgiven
            .iter()
            .map(|f| vec![code(&f.id), text_of(&f.by), words::clock(r, f.at), text_of(&f.reason)])
            .collect();
        let columns = [("Obligation", "long"), ("By", "name"), ("Time", "num"), ("Why", "long")];
        out.push_str(&table("Put right by hand, on a person's word", &columns, &rows));
    }
    out
}

/// Approvals and gates.
pub(super) fn decisions(r: &ChangeRecord) -> String {
    let mut out = String::new();
    if r.approvals.is_empty() {
        out.push_str("<p>Nobody was asked.</p>\n");
    } else {
        let rows: Vec<Vec<String>> = r
            .approvals
            .iter()
            .map(|a| {
                let about = if a.gate.is_empty() {
                    "plan".to_owned()
                } else {
                    format!("gate {}", code(&a.gate))
                };
                let (tone, word) = match a.decision.as_str() {
                    "approve" => (words::Tone::Ok, "approved"),
                    "reject" => (words::Tone::Bad, "rejected"),
                    other => (words::Tone::None, other),
                };
                let over = if a.override_.is_empty() {
                    String::new()
                } else {
                    format!("Override of the {}. ", a.override_)
                };
                let key = if a.key.is_empty() {
                    "typed, unsigned".to_owned()
                } else {
                    format!("<span class=\"note\">{}</span>", code(&a.key))
                };
                vec![
                    text_of(&a.by),
                    state(tone, word),
                    about,
                    text_of(&a.role),
                    words::clock(r, a.at),
                    format!(
                        "{}{}{}{key}",
                        E(&over),
                        E(&a.comment),
                        if a.comment.is_empty() { "" } else { "<br>" }
                    ),
                ]
            })
            .collect();
        let columns = [
            ("Who", ""),
            ("Said", ""),
            ("On", "keep"),
            ("As", "keep"),
            ("Read at", "num"),
            ("Comment and key", "long"),
        ];
        out.push_str(&table("Decisions of people", &columns, &rows));
    }
    if !r.gates.is_empty() {
        let rows: Vec<Vec<String>> = r
            .gates
            .iter()
            .map(|g| {
                let (tone, word) = words::gate(g.how);
                let named = g.out.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
                vec![
                    code(&g.gate),
                    text_of(&g.title),
                    state(tone, word),
                    words::clock(r, g.opened),
                    text_of(&duration(g.waited_ms)),
                    text_of(&named),
                ]
            })
            .collect();
        let columns = [
            ("Gate", "keep"),
            ("Question", "long"),
            ("Ended", ""),
            ("Asked", "num"),
            ("Waited", "num"),
            ("Out of service", "name"),
        ];
        out.push_str(&table("Gates", &columns, &rows));
    }
    out
}

/// Who took part.
pub(super) fn people(r: &ChangeRecord) -> Option<String> {
    let rows: Vec<(String, String)> = r
        .participants
        .iter()
        .map(|p| (p.name.clone(), text_of(&p.roles.join(", "))))
        .collect();
    (!rows.is_empty()).then(|| facts(&rows))
}

/// Warnings and signals.
pub(super) fn notes(r: &ChangeRecord) -> Option<String> {
    let notes = r.warnings.iter().map(|n| (words::clock(r, n.at), text_of(&n.text)));
    let signals = r
        .signals
        .iter()
        .map(|s| (words::clock(r, s.at), format!("signal {}", s.count)));
    let warned = r.steps.iter().filter(|s| s.warned).map(|s| {
        let at = s
            .attempts
            .last()
            .map(|a| words::clock(r, a.started))
            .unwrap_or_default();
        (at, format!("{} {}: {}", host(s.host.as_ref()), E(&s.name), E(&s.why)))
    });
    let mut rows: Vec<(String, String)> = notes.chain(signals).chain(warned).collect();
    rows.sort();
    (!rows.is_empty()).then(|| facts(&rows))
}

/// Digests, and how to check them.
pub(super) fn evidence(r: &ChangeRecord) -> String {
    let id = r.id.as_ref().map_or("RUN", |i| i.as_str());
    let mut rows = vec![
        ("Run".to_owned(), code(id)),
        ("Plan".to_owned(), code(&r.plan_digest.to_string())),
        ("Runbook".to_owned(), code(&r.runbook.path)),
        (
            format!(
                "Chain head after {}",
                count(usize::try_from(r.chain.events).unwrap_or(0), "event", "events")
            ),
            code(&r.chain.head),
        ),
    ];
    for (name, value) in &r.params {
        rows.push((format!("Parameter {name}"), code(value)));
    }
    for (path, digest) in &r.runbook.files {
        rows.push((format!("File {path}"), code(&digest.to_string())));
    }
    for s in &r.steps {
        for (path, digest) in &s.evidence {
            let on = s.host.as_ref().map_or("", |h| h.as_str());
            rows.push((format!("{on}:{path}"), code(&digest.to_string())));
        }
    }
    let mut out = facts(&rows);
    let _ = writeln!(
        out,
        "<h3>How to verify this</h3>\n<p>{} follows the journal's hash chain from its first record, checks the plan's digest, every signature and every kept output, and compares the chain head above. It needs no network. A signature proves who, not when: keep the chain head where this file is not.</p>",
        code(&format!("pitstop verify {id}"))
    );
    out
}
