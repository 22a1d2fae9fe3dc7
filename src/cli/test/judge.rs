//! What came of a case, held against what was expected.
//!
//! Owns: the comparison, and the words for each difference. Must not: run anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::case::Ran;
use super::replay::Replay;
use crate::diag::{Diagnostic, Span, Spanned, nearest};
use crate::id::HostName;
use crate::inventory::selector::glob;
use crate::plan::page::{count, duration};
use crate::run::event::{Event, HostState, Outcome};
use crate::run::objective;
use crate::run::verdict::states;
use crate::runbook::Stage;
use crate::runbook::testfile::{Case, Expect, Set};

/// How many of the last commands are shown.
const LAST: usize = 5;
/// How much of a command is shown.
const SHOWN: usize = 100;

/// Every difference, in the order of the keys.
pub fn judge(case: &Case, ran: &Ran, replay: Option<&Replay>) -> Vec<Diagnostic> {
    let expect = &case.expect;
    let mut found = Vec::new();
    if ran.stood_still {
        let text = "60 days went by and the run was not over";
        let d = Diagnostic::error("PS0730", text, expect.span.clone(), "it stands still");
        found.push(d.help("something is waited for that never comes: an `approvals` entry for a manual step, perhaps"));
    }
    exit(expect, ran, replay, &mut found);
    hosts(expect, ran, &mut found);
    if let Some(replay) = replay {
        as_it_was(case, ran, replay, &mut found);
    }
    order(expect, ran, &mut found);
    undone(expect, ran, &mut found);
    left_behind(expect, ran, &mut found);
    marks(expect, ran, &mut found);
    commands(case, ran, &mut found);
    leftovers(case, ran, &mut found);
    if let Some(journal) = &case.journal {
        not_replayed(journal, ran, &mut found);
    }
    if let Some(last) = found.last_mut() {
        last.help.extend(last_commands(ran));
    }
    found
}

fn exit(expect: &Expect, ran: &Ran, replay: Option<&Replay>, found: &mut Vec<Diagnostic>) {
    let got = ran
        .exit
        .map_or_else(|| "none: it was killed".to_owned(), |code| code.to_string());
    let wanted = match (&expect.exit, replay.and_then(|r| r.exit)) {
        (Some(wanted), _) => (wanted.value, &wanted.span),
        (None, Some(code)) => (i64::from(code), &expect.span),
        (None, None) => return,
    };
    if ran.exit.map(i64::from) == Some(wanted.0) {
        return;
    }
    let what = format!("expected exit code {}, got {got}", wanted.0);
    let d = Diagnostic::error("PS0720", what, wanted.1.clone(), "this is not how it ended");
    let halted = ran.events.iter().rev().find_map(|e| match &e.event {
        Event::Halted { text, .. } => Some(text.clone()),
        Event::HostEnded { host, state, why, .. } if !state.is_good() => Some(format!("{host}: {why}")),
        _ => None,
    });
    found.push(match halted {
        Some(why) => d.help(format!("the run says: {why}")),
        None => d,
    });
}

/// The worst of a host's states over the phases; `not_needed` is good and says nothing about others.
fn worst(ran: &Ran, host: &HostName, phase: Option<&str>) -> Option<HostState> {
    let all = states(&ran.plan, &ran.run);
    let mine: Vec<HostState> = all
        .iter()
        .filter(|s| s.host == *host && phase.is_none_or(|p| p == s.phase))
        .map(|s| s.state)
        .collect();
    let needed = mine.iter().copied().filter(|s| *s != HostState::NotNeeded).max();
    needed.or(mine.into_iter().max())
}

fn why(ran: &Ran, host: &HostName) -> Option<String> {
    ran.events.iter().rev().find_map(|e| match &e.event {
        Event::HostEnded { host: of, why, .. } if of == host && !why.is_empty() => Some(why.clone()),
        _ => None,
    })
}

fn hosts(expect: &Expect, ran: &Ran, found: &mut Vec<Diagnostic>) {
    for (on, wanted) in &expect.hosts {
        let (phase, pattern) = match on.split_once('/') {
            Some((phase, pattern)) => (Some(phase), pattern),
            None => (None, on.value.as_str()),
        };
        let mut named: Vec<HostName> = states(&ran.plan, &ran.run).into_iter().map(|s| s.host).collect();
        named.sort_unstable();
        named.dedup();
        let named = named.iter().filter(|h| glob(pattern, h.as_str()));
        // A pattern means the hosts of phases: a bastion or load balancer of the plan has no state.
        for (host, got) in named.filter_map(|h| Some((h, worst(ran, h, phase)?))) {
            if got.as_str() == wanted.value {
                continue;
            }
            let what = format!("expected {host} to end {}, got {}", wanted.value, got.as_str());
            let d = Diagnostic::error("PS0721", what, wanted.span.clone(), "this is not how it ended");
            found.push(match why(ran, host) {
                Some(why) => d.help(format!("{host}: {why}")),
                None => d,
            });
        }
    }
}

/// Where a journal is the script, hosts end as they did then, unless the case says otherwise.
fn as_it_was(case: &Case, ran: &Ran, replay: &Replay, found: &mut Vec<Diagnostic>) {
    if !case.expect.hosts.is_empty() {
        return;
    }
    let mut last = BTreeMap::new();
    for (phase, host, state) in &replay.states {
        last.insert((phase, host), *state);
    }
    for ((phase, host), state) in last {
        let got = worst(ran, host, Some(phase));
        if got != Some(state) {
            let what = format!(
                "in the journal {host} ended {} in {phase}, now {}",
                state.as_str(),
                got.map_or("not at all", HostState::as_str)
            );
            found.push(Diagnostic::error(
                "PS0721",
                what,
                case.expect.span.clone(),
                "the runbook does something else now",
            ));
        }
    }
}

fn order(expect: &Expect, ran: &Ran, found: &mut Vec<Diagnostic>) {
    let mut from = 0;
    let mut before: Option<&Span> = None;
    for wanted in &expect.order {
        let fits = |said: &&crate::transport::script::Said| {
            let here = wanted.host.as_ref().is_none_or(|on| glob(on, said.host.as_str()));
            here && wanted.matches.is_match(&said.text)
        };
        let rest = ran.said.get(from..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|said| fits(&said)) {
            from += at + 1;
            before = Some(&wanted.matches.span);
            continue;
        }
        let earlier = ran.said.iter().take(from).any(|said| fits(&said));
        let what = match (earlier, before) {
            (true, _) => "it was sent, but earlier",
            (false, Some(_)) => "nothing like it was sent after the one before",
            (false, None) => "nothing like it was sent",
        };
        let text = wanted.matches.as_str();
        let d = Diagnostic::error(
            "PS0722",
            format!("`{text}` does not come in this order"),
            wanted.matches.span.clone(),
            what,
        );
        found.push(match before {
            Some(span) => d.also(span.clone(), "this one came"),
            None => d,
        });
        return;
    }
}

fn undone(expect: &Expect, ran: &Ran, found: &mut Vec<Diagnostic>) {
    let Some(wanted) = &expect.undone else { return };
    let mut good: BTreeMap<String, bool> = BTreeMap::new();
    for (phase, of) in &ran.run.phases {
        for (host, line) in &of.lines {
            for (slot, run) in line.slots.iter().filter(|(s, r)| s.stage == Stage::Undo && r.begun > 0) {
                let step = slot.step.rsplit_once('/').map_or(slot.step.as_str(), |(step, _)| step);
                let ok = run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Ok);
                let all = good.entry(format!("{phase}/{step}@{host}")).or_insert(true);
                *all = *all && ok;
            }
        }
    }
    let done: BTreeSet<&str> = good.iter().filter(|(_, ok)| **ok).map(|(id, _)| id.as_str()).collect();
    same("PS0723", "undone", wanted, &done, found);
}

/// Two sets that must be the same; what is expected are globs.
fn same(
    code: &'static str,
    key: &str,
    wanted: &Spanned<Vec<Spanned<String>>>,
    got: &BTreeSet<&str>,
    found: &mut Vec<Diagnostic>,
) {
    for one in wanted.iter().filter(|w| !got.iter().any(|g| glob(w, g))) {
        let what = format!("`{}` is expected in `{key}` and is not there", one.value);
        let d = Diagnostic::error(code, what, one.span.clone(), "nothing like this");
        found.push(match nearest(one, got.iter().copied()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!("there is {}", listed(got))),
        });
    }
    let more: BTreeSet<&str> = got
        .iter()
        .copied()
        .filter(|g| !wanted.iter().any(|w| glob(w, g)))
        .collect();
    if !more.is_empty() {
        let what = format!("`{key}` has {} that no one expects", listed(&more));
        let d = Diagnostic::error(code, what, wanted.span.clone(), "this is not all");
        found.push(d.help("add it, if it is right"));
    }
}

fn listed(all: &BTreeSet<&str>) -> String {
    if all.is_empty() {
        return "nothing".to_owned();
    }
    all.iter().copied().collect::<Vec<_>>().join(", ")
}

fn left_behind(expect: &Expect, ran: &Ran, found: &mut Vec<Diagnostic>) {
    let Some(wanted) = &expect.left_behind else { return };
    let last = ran.events.iter().rev().find_map(|e| match &e.event {
        Event::Ended { left_behind, .. } => Some(left_behind.clone()),
        _ => None,
    });
    let left = last.unwrap_or_default();
    let got = left.iter().map(String::as_str).collect();
    same("PS0724", "left_behind", wanted, &got, found);
}

fn marks(expect: &Expect, ran: &Ran, found: &mut Vec<Diagnostic>) {
    let mut set: BTreeMap<String, Timestamp> = BTreeMap::new();
    for mark in objective::marks(&ran.plan, &ran.events) {
        let at = set.entry(mark.name).or_insert(mark.at);
        *at = if mark.start { mark.at.min(*at) } else { mark.at.max(*at) };
    }
    for (name, wanted) in &expect.marks {
        let got = set.get(&name.value).copied();
        let good = match (wanted.value, got) {
            (Set::Missing, None) | (Set::Sometime, Some(_)) => true,
            (Set::After(wait), Some(at)) => {
                let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
                at.duration_since(ran.began).as_secs() == wait.as_secs()
            }
            (Set::At(wanted), Some(at)) => wanted.as_second() == at.as_second(),
            _ => false,
        };
        if good {
            continue;
        }
        let got = got.map_or_else(
            || "it is not set".to_owned(),
            |at| format!("it is set at {at:.0}, {} after the start", long(at, ran.began)),
        );
        let what = format!("the mark `{}` stands otherwise: {got}", name.value);
        let d = Diagnostic::error("PS0725", what, wanted.span.clone(), "expected here");
        let names = set.keys().map(String::as_str).filter(|n| *n != name.value);
        found.push(match nearest(name, names) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d,
        });
    }
}

/// The time between two moments, in words.
pub fn long(at: Timestamp, since: Timestamp) -> String {
    let wait = Duration::try_from(at.duration_since(since)).unwrap_or_default();
    duration(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// Commands without an answer.
fn commands(case: &Case, ran: &Ran, found: &mut Vec<Diagnostic>) {
    for stray in &ran.strays {
        let what = format!("{} was sent a command that no answer matches", stray.host);
        let mut d = Diagnostic::error("PS0727", what, case.name.span.clone(), "in this case");
        for line in stray.text.lines().take(8) {
            d = d.help(format!("sent: {line}"));
        }
        let like = case.answers.iter().find(|a| a.matches.is_match(&stray.text));
        found.push(match like {
            Some(used) => d
                .also(
                    used.span.clone(),
                    format!("this one matches, but is for {}, or is used up", used.on.value),
                )
                .help("add another answer, or `repeat: true` to the last one"),
            None => d.help(format!(
                "under `answers`, `{}`, write: - {{ match: '…', rc: 0 }}",
                stray.host
            )),
        });
    }
}

/// What the case says and nobody needed.
fn leftovers(case: &Case, ran: &Ran, found: &mut Vec<Diagnostic>) {
    for answer in ran.unused.iter().filter_map(|n| case.answers.get(*n)) {
        let what = "no command used this answer";
        let d = Diagnostic::error("PS0726", what, answer.span.clone(), "never given");
        found.push(d.help(format!(
            "nothing that was sent to {} matches `{}` any more",
            answer.on.value,
            answer.matches.as_str()
        )));
    }
    for approval in ran.unasked.iter().filter_map(|n| case.approvals.get(*n)) {
        let d = Diagnostic::error("PS0728", "nobody was asked this", approval.span.clone(), "never said");
        found.push(d.help("the gate or step did not come, or ended before"));
    }
    for signal in ran.unsent.iter().filter_map(|n| case.signals.get(*n)) {
        found.push(
            Diagnostic::error(
                "PS0729",
                "this signal was never sent",
                signal.span.clone(),
                "its moment did not come",
            )
            .help(format!("the run was over after {}", long(ran.ended, ran.began))),
        );
    }
    let first = case.resume.len() - ran.not_resumed;
    for again in case.resume.iter().skip(first) {
        found.push(Diagnostic::error(
            "PS0730",
            "the run was not resumed",
            again.span.clone(),
            "it stood still before",
        ));
    }
}

/// What happened in the journal and does not happen any more.
fn not_replayed(journal: &Spanned<String>, ran: &Ran, found: &mut Vec<Diagnostic>) {
    if !ran.unused.is_empty() {
        let what = format!(
            "{} of the journal did not come again",
            count(ran.unused.len(), "command", "commands")
        );
        let d = Diagnostic::error("PS0726", what, journal.span.clone(), "recorded here");
        found.push(d.help("the runbook does less than it did then, or does it elsewhere"));
    }
}

/// The last commands, with their moments.
fn last_commands(ran: &Ran) -> Vec<String> {
    let skip = ran.said.len().saturating_sub(LAST);
    let mut lines = Vec::new();
    if skip > 0 {
        lines.push(format!("before: {}", count(skip, "command", "commands")));
    }
    lines.extend(ran.said.iter().skip(skip).map(|said| {
        let line = said.text.lines().next().unwrap_or_default();
        let more = if line.len() < said.text.len() || line.chars().count() > SHOWN {
            " …"
        } else {
            ""
        };
        let line: String = line.chars().take(SHOWN).collect();
        format!("sent at {}: {}: {line}{more}", long(said.at, ran.began), said.host)
    }));
    lines
}
