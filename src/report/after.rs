//! The change record as a page of facts: what the board reads first, then what the engineer needs.
//!
//! Owns: the order of Markdown and terminal reports. Must not: escape (the page's formats do), compute facts.

use super::record::{ChangeRecord, Outcome, StepRecord};
use super::{checks, drill, foreseen, missing, objectives as measures, part, quiet, restored, words};
use crate::id::HostName;
use crate::plan::Kind;
use crate::plan::page::{Block, Cell, Page, Section, code, count, duration};

/// The record as Markdown.
pub fn markdown(r: &ChangeRecord) -> String {
    crate::plan::page::markdown(&page(r))
}

/// The record as text for a terminal of this width.
pub fn text(r: &ChangeRecord, width: usize) -> String {
    crate::plan::page::text(&page(r), width)
}

/// The record as a page.
pub fn page(r: &ChangeRecord) -> Page {
    let (_, verdict) = words::verdict(r);
    let warnings: Vec<Block> = words::attention(r).into_iter().map(Block::Warning).collect();
    let mut sections = Vec::new();
    if !warnings.is_empty() {
        sections.push(Section::new("Attention", warnings));
    }
    match r.kind {
        Kind::RestoreTest if restored::is_trial(r) => restore_test(&mut sections, r),
        Kind::DrDrill if restored::is_trial(r) => dr_drill(&mut sections, r),
        _ => plain(&mut sections, r),
    }
    if drill::is_reviewed(r) {
        sections.push(part::section(drill::FINDINGS, drill::findings(r)));
        if r.last_drill.is_some() || r.kind == Kind::DrDrill {
            sections.push(part::section(drill::LAST, drill::last(r)));
        }
        sections.push(part::section(drill::LESSONS, drill::lessons(r)));
        sections.push(part::section(drill::SIGN_OFF, drill::sign_off(r)));
    }
    sections.push(verify(r));
    sections.extend(notes(r));
    sections.push(steps(r));
    sections.extend(troubles(r));
    Page {
        kicker: words::kicker(r),
        title: r.title.clone(),
        lede: vec![
            format!("{verdict}. Close code: {}.", words::close(r.outcome.result)),
            r.outcome.summary.clone(),
        ],
        figures: words::figures(r),
        summary: summary(r),
        sections,
    }
}

/// A change, a patch, a check.
fn plain(sections: &mut Vec<Section>, r: &ChangeRecord) {
    sections.extend(checks::section(r));
    sections.extend(missing::section(r));
    sections.extend([hosts(r), changed(r)]);
    sections.extend(foreseen::section(r));
    sections.extend(objectives(r));
    sections.extend(history(r));
    sections.push(deviations(r));
    sections.extend(rollback(r));
    sections.push(left_behind(r));
    sections.extend(silences(r));
    sections.push(decisions(r));
}

fn restore_test(sections: &mut Vec<Section>, r: &ChangeRecord) {
    sections.push(part::section(restored::SOURCE, restored::source(r)));
    sections.push(part::section(restored::POINT, restored::point(r)));
    sections.extend(objectives(r));
    sections.extend(history(r));
    sections.push(part::section(restored::PROOF, restored::proof(r, None)));
    sections.push(part::section(restored::CLEANUP, restored::cleanup(r)));
    sections.extend(checks::section(r));
    sections.extend([hosts(r), changed(r), deviations(r)]);
    sections.extend(rollback(r));
    sections.extend(silences(r));
    sections.push(decisions(r));
}

fn dr_drill(sections: &mut Vec<Section>, r: &ChangeRecord) {
    sections.push(part::section(drill::IDENTITY, drill::identity(r)));
    sections.extend(objectives(r));
    sections.push(part::section(restored::POINT, restored::point(r)));
    sections.extend(history(r));
    sections.push(part::section(drill::SCOPE, drill::scope(r)));
    sections.push(part::section(drill::PEOPLE, drill::people(r)));
    sections.push(part::section(drill::COURSE, drill::course(r)));
    sections.push(part::section(drill::STEADY, drill::steady(r)));
    sections.push(part::section(restored::PROOF, restored::proof(r, None)));
    sections.extend(checks::section(r));
    sections.extend([deviations(r), decisions(r)]);
    sections.push(part::section(drill::ISOLATION, drill::isolation(r)));
    sections.push(part::section(restored::CLEANUP, restored::cleanup(r)));
    sections.extend([hosts(r), changed(r)]);
    sections.extend(rollback(r));
    sections.extend(silences(r));
}

fn history(r: &ChangeRecord) -> Option<Section> {
    let parts = measures::history(r);
    (!parts.is_empty()).then(|| part::section(measures::HISTORY, parts))
}

fn summary(r: &ChangeRecord) -> Vec<(String, Cell)> {
    let mut f: Vec<(String, Cell)> = Vec::new();
    let mut say = |name: &str, value: Cell| f.push((name.to_owned(), value));
    let span = |s: super::record::Span| format!("{} to {}", words::day(r, s.start), words::minute(r, s.end));
    say(
        "Planned",
        r.window.planned.map_or_else(|| "any time".to_owned(), span).into(),
    );
    if let Some(a) = r.window.actual {
        say("Actual", format!("{} ({})", span(a), duration(a.ms())).into());
    }
    if let Some(v) = r.outcome.verdict {
        let exit = r.outcome.exit.map(|e| format!(", exit code {e}")).unwrap_or_default();
        say("Verdict", format!("{}{exit}", v.as_str().replace('_', " ")).into());
    }
    for (name, answer) in restored::answers(r) {
        if let part::Val::State(_, word) = answer {
            say(&name, word.into());
        }
    }
    if let Some(s) = words::steady(r) {
        say("Steady state", s.into());
    }
    for (name, value) in [
        ("Ticket", &r.ticket),
        ("Type", &r.type_),
        ("Owner", &r.owner),
        ("Why", &r.reason),
        ("About", &r.description),
        ("Impact", &r.texts.impact),
    ] {
        if let Some(v) = value {
            say(name, v.as_str().into());
        }
    }
    for p in &r.participants {
        say(&p.name, p.roles.join(", ").into());
    }
    f
}

fn hosts(r: &ChangeRecord) -> Section {
    let mut lines: Vec<_> = r
        .hosts
        .iter()
        .flat_map(|h| h.phases.iter().map(move |p| (h, p)))
        .collect();
    lines.sort_by_key(|(_, p)| std::cmp::Reverse(words::host(p.state).0));
    let rows = lines.iter().map(|(h, p)| {
        vec![
            h.name.as_str().into(),
            code(&p.phase),
            p.batch.map(|b| b.to_string()).unwrap_or_default().into(),
            words::host(p.state).1.into(),
            p.why.as_str().into(),
        ]
    });
    let head = ["Host", "Phase", "Batch", "State", "Why"];
    Section::new(
        "Hosts by outcome",
        vec![Block::table("Hosts by outcome", &head, rows.collect())],
    )
}

/// More lines help nobody; the record has all.
const MOST_CHANGES: usize = 200;
/// So many hosts of a change are named.
const NAMED: usize = 12;

/// The first hosts, and how many more.
pub(super) fn some_of(hosts: &[&str]) -> String {
    let first = hosts.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The changes that are shown, and what is said of the rest.
pub(super) fn shown_changes<'c, 'r>(found: &'c [(String, Vec<&'r str>)]) -> &'c [(String, Vec<&'r str>)] {
    found.get(..MOST_CHANGES).unwrap_or(found)
}

/// What is said of the changes that are not shown.
pub(super) fn left_out(found: &[(String, Vec<&str>)]) -> Option<String> {
    let more = found.len().saturating_sub(MOST_CHANGES);
    (more > 0).then(|| format!("And {more} more, in the record."))
}

fn changed(r: &ChangeRecord) -> Section {
    let rows: Vec<Vec<Cell>> = r
        .changes()
        .into_iter()
        .map(|c| {
            let id = code(format!("{}/{}", c.phase, c.step));
            vec![c.name.into(), id, c.hosts.to_string().into(), c.back.to_string().into()]
        })
        .collect();
    let mut blocks = Vec::new();
    if rows.is_empty() {
        blocks.push(Block::Text("No step changed anything.".to_owned()));
    } else {
        blocks.push(Block::table(
            "Steps that changed something",
            &["Step", "Id", "Hosts", "Taken back"],
            rows,
        ));
    }
    let found = r.found_changes();
    let rows = shown_changes(&found).iter().map(|(line, hosts)| {
        vec![
            line.as_str().into(),
            hosts.len().to_string().into(),
            some_of(hosts).into(),
        ]
    });
    if !found.is_empty() {
        blocks.push(Block::table(
            "What was found to be changed",
            &["Change", "Hosts", "Which"],
            rows.collect(),
        ));
        blocks.extend(left_out(&found).map(Block::Text));
    }
    let restarted = r.hosts.iter().filter(|h| h.boots.len() > 1).count();
    if restarted > 0 {
        blocks.push(Block::Text(format!(
            "Restarted: {}.",
            count(restarted, "host", "hosts")
        )));
    }
    for (before, after, hosts) in r.kernels() {
        let hosts = count(hosts.len(), "host", "hosts");
        blocks.push(Block::Text(format!("Kernel {before} became {after} on {hosts}.")));
    }
    Section::new("What changed", blocks)
}

fn objectives(r: &ChangeRecord) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = r
        .objectives
        .iter()
        .map(|o| {
            vec![
                o.name.as_str().into(),
                format!("{} to {}", moment(r, &o.from, o.from_at), moment(r, &o.to, o.to_at)).into(),
                o.actual_ms.map_or_else(|| o.why.clone(), duration).into(),
                duration(o.max_ms).into(),
                duration(o.waited_ms).into(),
                if o.less_waiting { "no" } else { "yes" }.into(),
                if o.met { "met" } else { "missed" }.into(),
            ]
        })
        .collect();
    let head = [
        "Objective",
        "From, to",
        "Actual",
        "At most",
        "Waiting for people",
        "Counted",
        "Result",
    ];
    let mut blocks = vec![Block::table("Objectives", &head, rows)];
    for o in &r.objectives {
        blocks.extend(part::section("", measures::split(o)).blocks);
    }
    blocks.extend(part::section("", measures::measured(r)).blocks);
    (!r.objectives.is_empty()).then(|| Section::new("Objectives", blocks))
}

fn moment(r: &ChangeRecord, mark: &str, at: Option<jiff::Timestamp>) -> String {
    let time = at.map(|a| format!(" ({})", words::clock(r, a))).unwrap_or_default();
    format!("{mark}{time}")
}

fn deviations(r: &ChangeRecord) -> Section {
    if r.deviations.is_empty() {
        return Section::new(
            "Deviations",
            vec![Block::Text("None: the run went as planned.".to_owned())],
        );
    }
    let rows = r.deviations.iter().map(|d| {
        vec![
            d.at.map_or_else(|| "plan".to_owned(), |a| words::clock(r, a)).into(),
            code(d.code.as_str()),
            named(d.host.as_ref(), &d.step).into(),
            d.reason.as_str().into(),
            d.by.as_str().into(),
            if d.weighs { "yes" } else { "no" }.into(),
        ]
    });
    let head = ["Time", "Deviation", "Where", "Why", "Who", "Weighs"];
    Section::new("Deviations", vec![Block::table("Deviations", &head, rows.collect())])
}

fn named(host: Option<&HostName>, step: &str) -> String {
    let host = host.map_or("", HostName::as_str);
    format!("{host} {step}").trim().to_owned()
}

fn rollback(r: &ChangeRecord) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = r
        .undo
        .iter()
        .map(|u| {
            vec![
                u.host.as_str().into(),
                u.name.as_str().into(),
                code(format!("{}/{}", u.phase, u.of)),
                words::undo(u.state).1.into(),
                u.reason.as_str().into(),
            ]
        })
        .collect();
    let head = ["Host", "Undo", "Of step", "State", "Reason"];
    let mut blocks = vec![Block::table("Undo that was owed", &head, rows)];
    for p in r.phases.iter().filter(|p| p.changes && !p.verifies) {
        blocks.push(Block::Warning(format!(
            "Phase {} has no verify: its rollback is not verified.",
            p.id
        )));
    }
    (!r.undo.is_empty()).then(|| Section::new("Rollback", blocks))
}

fn left_behind(r: &ChangeRecord) -> Section {
    let mut blocks = Vec::new();
    if r.left_behind.is_empty() {
        blocks.push(Block::Text("Left behind: nothing.".to_owned()));
    } else {
        let rows = r.left_behind.iter().map(|l| vec![code(&l.id), l.what.as_str().into()]);
        blocks.push(Block::table(
            "Owed and not done",
            &["Obligation", "What"],
            rows.collect(),
        ));
    }
    for f in &r.forgiven {
        blocks.push(Block::Text(format!(
            "{} was put right by hand, says {}: {}",
            f.id, f.by, f.reason
        )));
    }
    Section::new("Left behind", blocks)
}

fn silences(r: &ChangeRecord) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = quiet::rows(r)
        .into_iter()
        .map(|row| row.map(Cell::from).into())
        .collect();
    let table = |rows| Block::table("Silences", &quiet::HEAD, rows);
    (!rows.is_empty()).then(|| Section::new(quiet::TITLE, vec![table(rows)]))
}

fn decisions(r: &ChangeRecord) -> Section {
    let mut blocks = Vec::new();
    if r.approvals.is_empty() {
        blocks.push(Block::Text("Nobody was asked.".to_owned()));
    } else {
        let rows = r.approvals.iter().map(|a| {
            let about = if a.gate.is_empty() {
                "plan".to_owned()
            } else {
                format!("gate {}", a.gate)
            };
            let over = if a.override_.is_empty() {
                String::new()
            } else {
                format!(", override of the {}", a.override_)
            };
            vec![
                a.by.as_str().into(),
                format!("{}{over}", a.decision).into(),
                about.into(),
                a.role.as_str().into(),
                words::clock(r, a.at).into(),
                if a.key.is_empty() {
                    "typed, unsigned".into()
                } else {
                    code(&a.key)
                },
                a.comment.as_str().into(),
            ]
        });
        let head = ["Who", "Said", "On", "As", "Read at", "Key", "Comment"];
        blocks.push(Block::table("Decisions of people", &head, rows.collect()));
    }
    for g in &r.gates {
        blocks.push(Block::Text(format!(
            "Gate {} ({}): {} after {}.",
            g.gate,
            g.title,
            words::gate(g.how).1,
            duration(g.waited_ms)
        )));
    }
    Section::new("Decisions", blocks)
}

fn verify(r: &ChangeRecord) -> Section {
    let id = r.id.as_ref().map_or("RUN", |i| i.as_str());
    let facts = vec![
        ("Run".to_owned(), code(id)),
        ("Plan".to_owned(), code(r.plan_digest.to_string())),
        ("Events".to_owned(), r.chain.events.to_string().into()),
        ("Chain head".to_owned(), code(&r.chain.head)),
        ("Verify".to_owned(), code(format!("pitstop verify {id}"))),
    ];
    Section::new("Evidence", vec![Block::Facts(facts)])
}

fn notes(r: &ChangeRecord) -> Option<Section> {
    let notes = r.warnings.iter().map(|n| (n.at, n.text.clone()));
    let signals = r.signals.iter().map(|s| (s.at, format!("signal {}", s.count)));
    let resumed = r
        .resumptions
        .iter()
        .map(|x| (x.at, format!("resumed by {} on {}", x.by, x.controller)));
    let mut lines: Vec<_> = notes.chain(signals).chain(resumed).collect();
    lines.sort();
    let list: Vec<String> = lines
        .into_iter()
        .map(|(at, t)| format!("{} {t}", words::clock(r, at)))
        .collect();
    (!list.is_empty()).then(|| Section::new("Notes", vec![Block::List(list)]))
}

fn steps(r: &ChangeRecord) -> Section {
    let rows = r.steps.iter().map(|s| {
        let first = s.attempts.first();
        vec![
            first.map(|a| words::clock(r, a.started)).unwrap_or_default().into(),
            s.host.as_ref().map_or("–", HostName::as_str).into(),
            code(format!("{}/{}/{}", s.phase, s.stage.as_str(), s.step)),
            words::outcome(s.outcome, s.warned).1.into(),
            s.attempts.len().to_string().into(),
            s.attempts
                .last()
                .map(|a| duration(a.duration_ms))
                .unwrap_or_default()
                .into(),
            s.why.as_str().into(),
        ]
    });
    let head = ["Began", "Host", "Step", "Outcome", "Attempts", "Took", "Why"];
    Section::new("Steps", vec![Block::table("Steps in order", &head, rows.collect())])
}

/// What steps printed that did not end ok.
fn troubles(r: &ChangeRecord) -> Option<Section> {
    let bad = |s: &&StepRecord| !matches!(s.outcome, Some(Outcome::Ok | Outcome::Skipped)) || s.warned;
    let mut blocks = Vec::new();
    for s in r.steps.iter().filter(bad) {
        for a in &s.attempts {
            let found = a.field_lines().join("\n");
            let mut said = [a.stdout.text.as_str(), a.stderr.text.as_str()].join("\n");
            if !found.is_empty() {
                said = format!("{found}\n{said}");
            }
            if !said.trim().is_empty() {
                let host = s.host.as_ref().map_or("whole run", HostName::as_str);
                let title = format!("{host}: {} (attempt {})", s.name, a.attempt);
                blocks.push(Block::Output { title, text: said });
            }
        }
    }
    (!blocks.is_empty()).then(|| Section::new("Output of steps that did not end ok", blocks))
}
