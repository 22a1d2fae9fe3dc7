//! The picture of a run at one moment, as rows of text.
//!
//! Owns: what the live screen shows and what is left out when there are few rows. Must not: draw; it is a pure function.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::id::HostName;
use crate::plan::page::{duration, moment_in};
use crate::plan::{Plan, Stage};
use crate::run::event::{HostState, StepKey};
use crate::run::ledger::{self, Owed};
use crate::run::verdict::states;
use crate::run::{GateState, Open, Run};
use crate::text::terminal_line;

use super::screen::Tone;
use super::words;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How it is meant.
    pub tone: Tone,
    /// The text.
    pub text: String,
}

fn row(tone: Tone, text: String) -> Row {
    Row { tone, text }
}

/// The rows, at most `most`: first the header, then hosts, then gates, counts and what is owed.
pub fn rows(plan: &Plan, run: &Run, now: Timestamp, most: usize) -> Vec<Row> {
    let mut foot: Vec<Row> = gates(run, now);
    foot.push(counts(plan, run));
    foot.extend(owed(plan, run));
    let mut out = vec![header(plan, run)];
    out.extend(window(plan, run, now));
    let room = most.saturating_sub(out.len() + foot.len());
    let hosts = hosts(plan, run, now);
    let fits = if hosts.len() > room {
        room.saturating_sub(1)
    } else {
        room
    };
    let hidden = hosts.len().saturating_sub(fits);
    out.extend(hosts.into_iter().take(fits));
    if hidden > 0 && room > 0 {
        out.push(row(Tone::Dim, format!("  and {hidden} more at work")));
    }
    out.extend(foot);
    out.truncate(most.max(1));
    out
}

fn header(plan: &Plan, run: &Run) -> Row {
    let id = run.id.as_ref().map_or("", |id| id.as_str());
    let digest = run.plan.as_ref().map_or("", |d| d.short());
    let dry = if run.dry { " (dry run)" } else { "" };
    let back = if run.backwards.is_some() { " (going back)" } else { "" };
    let title = terminal_line(&plan.title);
    row(Tone::Strong, format!("── {id}{dry}{back}  {title}  plan {digest}"))
}

fn window(plan: &Plan, run: &Run, now: Timestamp) -> Option<Row> {
    let window = plan.window.as_ref()?;
    let opens = window.start.or(run.started)?;
    let length = jiff::SignedDuration::from_millis(i64::try_from(window.duration_ms).ok()?);
    let end = opens.checked_add(length).ok()?;
    let clock = moment_in(end, &window.timezone, "%H:%M %Z");
    let left = millis(now, end) / 1000 * 1000;
    let cutoff = if window.cutoff_ms > 0 && left > window.cutoff_ms {
        format!(", no host starts in its last {}", duration(window.cutoff_ms))
    } else {
        String::new()
    };
    Some(if left > 0 {
        row(
            Tone::Plain,
            format!("  window ends {clock}, {} left{cutoff}", duration(left)),
        )
    } else {
        row(Tone::Bad, format!("  the window ended {clock}"))
    })
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// One row a host at work: what it does, for how long.
fn hosts(plan: &Plan, run: &Run, now: Timestamp) -> Vec<Row> {
    let mut open: BTreeMap<(&str, Option<&HostName>), (&StepKey, &Open)> = BTreeMap::new();
    for (key, step) in &run.open {
        open.entry((key.phase.as_str(), key.host.as_ref()))
            .or_insert((key, step));
    }
    let width = plan
        .hosts
        .iter()
        .map(|h| h.name.as_str().chars().count())
        .max()
        .unwrap_or(3)
        .clamp(3, 24);
    let mut rows = Vec::new();
    for ((phase, host), (key, step)) in &open {
        let name = host.map_or("run", |h| h.as_str());
        let batch = host
            .and_then(|h| batch_of(run, phase, h))
            .map(|n| format!("  batch {n}"))
            .unwrap_or_default();
        let way = way(run, phase, *host, key.stage);
        let title = plan.step(phase, key.stage, &key.step).map_or("", |s| s.name.as_str());
        let elapsed = format!("{} s", millis(step.at, now) / 1000);
        let on = if Some(&step.on) == *host {
            String::new()
        } else {
            format!("  on {}", step.on)
        };
        let text = format!(
            "  {name:width$}  {way:12}  {}/{}: {}  {elapsed}{on}{batch}",
            key.stage.as_str(),
            key.step,
            terminal_line(title)
        );
        rows.push(row(Tone::Plain, text));
    }
    for (phase, pr) in &run.phases {
        for (host, line) in &pr.lines {
            let at_work = line.began.is_some() && line.ended.is_none();
            let asked = line.asks().and_then(|s| Some((s, line.slots.get(s)?.asked?)));
            if let Some((slot, until)) = asked {
                let left = duration(millis(now, until) / 1000 * 1000);
                rows.push(row(
                    Tone::Warn,
                    format!(
                        "  {host:width$}  waits for your word on {}/{}, {left} left",
                        slot.stage.as_str(),
                        slot.step,
                        host = host.as_str()
                    ),
                ));
            } else if at_work && !open.contains_key(&(phase.as_str(), Some(host))) {
                rows.push(row(
                    Tone::Dim,
                    format!("  {host:width$}  between steps", host = host.as_str()),
                ));
            }
        }
    }
    rows
}

fn way(run: &Run, phase: &str, host: Option<&HostName>, stage: Stage) -> &'static str {
    let turned = host
        .and_then(|h| run.line(phase, h))
        .is_some_and(|l| l.turned.is_some());
    match stage {
        Stage::Undo => "going back",
        _ if turned => "going back",
        Stage::Precheck | Stage::Steady => "checking",
        Stage::Verify => "verifying",
        Stage::Cleanup => "cleaning up",
        _ => "working",
    }
}

fn batch_of(run: &Run, phase: &str, host: &HostName) -> Option<u32> {
    let batches = &run.phases.get(phase)?.batches;
    batches.iter().find(|b| b.hosts.contains(host)).map(|b| b.number)
}

fn gates(run: &Run, now: Timestamp) -> Vec<Row> {
    let open = run.gates.iter().filter(|(_, g)| g.state == GateState::Open);
    open.map(|(id, g)| {
        let left = duration(millis(now, g.expires) / 1000 * 1000);
        let said = g.answers.iter().filter(|a| a.decision == "approve").count();
        row(
            Tone::Warn,
            format!("  gate {id} waits for people: {said} said yes, {left} left"),
        )
    })
    .collect()
}

/// How many hosts stand how, in words.
fn counts(plan: &Plan, run: &Run) -> Row {
    let mut counts: BTreeMap<HostState, usize> = BTreeMap::new();
    let mut at_work = 0_usize;
    for s in states(plan, run) {
        let line = run.line(&s.phase, &s.host);
        if line.is_some_and(|l| l.began.is_some() && l.ended.is_none()) {
            at_work += 1;
        } else {
            *counts.entry(s.state).or_default() += 1;
        }
    }
    let to_go = counts.remove(&HostState::NotStarted).unwrap_or(0);
    let bad = counts.keys().any(|s| words::state_tone(*s) == Tone::Bad);
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(state, n)| format!("{n} {}", state.as_str()))
        .collect();
    // A run that goes back starts no further host.
    let rest = if run.backwards.is_some() {
        "not started"
    } else {
        "to go"
    };
    parts.extend([format!("{at_work} at work"), format!("{to_go} {rest}")]);
    row(
        if bad { Tone::Bad } else { Tone::Plain },
        format!("  hosts: {}", parts.join(", ")),
    )
}

/// What would be owed if it stood still; steps on their way are seen above.
fn owed(plan: &Plan, run: &Run) -> Option<Row> {
    let owed = ledger::left_behind(plan, run);
    let count = owed.iter().filter(|o| o.kind != Owed::Step).count();
    (count > 0).then(|| {
        row(
            Tone::Dim,
            format!("  owed if it ended now: {count} (undo, cleanup, hosts out of service)"),
        )
    })
}

/// Cuts a row to so many columns; letters of East Asia take two.
pub fn cut(text: &str, columns: usize) -> String {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    let mut used = 0;
    let mut out = String::new();
    for c in text.chars() {
        used += if wide(c) { 2 } else { 1 };
        if used > columns {
            break;
        }
        out.push(c);
    }
    out
}

/// The text in ASCII: what a terminal without UTF-8 can show.
pub fn ascii(text: &str) -> String {
    let plain = |c: char| match c {
        '─' | '–' | '—' => '-',
        '…' => '.',
        c if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_never_takes_more_columns_than_there_are() {
        assert_eq!(cut("abcdef", 4), "abcd");
        assert_eq!(cut("日本語", 4), "日本");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("", 5), "");
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii() {
        assert!(ascii("── Zürich … 日").is_ascii());
        assert_eq!(ascii("── a"), "-- a");
    }
}
