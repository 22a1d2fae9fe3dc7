//! `pitstop runs`: the list of runs, and removing old ones.
//!
//! Owns: which may go. Must not: remove one that owes or can go on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::journal::store::{RunFolder, Store};
use crate::run::event::Verdict;
use crate::text::terminal_line;

use super::console::Console;
use super::exit;
use super::owed::owes_nothing;
use super::problem::Problem;
use super::screen::table;
use super::stored::{Standing, Stored};

/// List the runs in the state directory; remove old ones
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop runs
  pitstop runs --json
  pitstop runs --prune --older-than 90d      never one that owes or can go on")]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Remove runs that are over, owe nothing and are older than --older-than
    #[arg(long)]
    prune: bool,
    /// How old, as 30d or 12h
    #[arg(long, value_name = "AGE", default_value = "30d", value_parser = age)]
    older_than: Duration,
}

/// Does it.
pub fn runs(args: &Args, console: &Console) -> Result<u8, Problem> {
    let store = console.store()?;
    if args.prune {
        return prune(args, console, &store);
    }
    let screen = &console.screen;
    let (mut rows, mut list) = (Vec::new(), Vec::new());
    for id in store.runs()? {
        let Ok(stored) = Stored::open(store.folder(&id)) else {
            let unread = "cannot be read";
            rows.push(vec![
                id.to_string(),
                unread.to_owned(),
                "?".to_owned(),
                format!("pitstop verify {id}"),
            ]);
            list.push(json!({ "run": id, "standing": unread }));
            continue;
        };
        let (standing, owed) = (stored.standing(), stored.owed().len());
        let exit = match standing {
            Standing::Ended(_, exit) => Some(exit),
            _ => None,
        };
        let dry = if stored.run.dry { " (dry)" } else { "" };
        rows.push(vec![
            id.to_string(),
            format!("{}{dry}", standing.word()),
            if owed == 0 { "-".to_owned() } else { owed.to_string() },
            format!("{}: {}", stored.plan.runbook, terminal_line(&stored.plan.title)),
        ]);
        let measured = if stored.run.dry {
            Vec::new()
        } else {
            stored.objectives()
        };
        let objectives: Vec<_> = measured.into_iter().map(|o| {
            json!({ "name": o.name, "actual_ms": o.actual_ms, "max_ms": o.max_ms, "waited_ms": o.waited_ms, "met": o.met })
        }).collect();
        list.push(json!({
            "run": id, "standing": standing.word(), "exit": exit, "dry": stored.run.dry, "owed": owed,
            "runbook": stored.plan.runbook, "title": stored.plan.title, "ticket": stored.plan.ticket,
            "plan": stored.digest, "started": stored.run.started, "last": stored.last(),
            "objectives": objectives,
        }));
    }
    if args.json {
        screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&list)?)
        ));
    } else if rows.is_empty() {
        screen.note(&format!("There are no runs in {}.", store.root().display()));
    } else {
        screen.data(&table(&["RUN", "STANDS", "OWES", "RUNBOOK"], &rows));
    }
    Ok(exit::GOOD)
}

fn prune(args: &Args, console: &Console, store: &Store) -> Result<u8, Problem> {
    let now = Timestamp::now();
    let age = SignedDuration::try_from(args.older_than).unwrap_or(SignedDuration::MAX);
    let done = store.prune(now, |folder| may_go(folder, now, age))?;
    let screen = &console.screen;
    for id in &done.removed {
        screen.note(&format!("removed {id}"));
    }
    for id in &done.busy {
        screen.note(&format!("kept {id}: a process is at work on it"));
    }
    screen.note(&format!("{} removed, {} kept", done.removed.len(), store.runs()?.len()));
    Ok(exit::GOOD)
}

/// Over, old, owing nothing. A folder without a journal never began anything.
fn may_go(folder: &RunFolder, now: Timestamp, age: SignedDuration) -> bool {
    let never_began = !folder.path().join(crate::journal::JOURNAL).exists();
    let born = folder
        .id()
        .and_then(|id| jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", id.as_str().get(..15)?).ok());
    let born = born
        .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|z| z.timestamp());
    let old = |at: Option<Timestamp>| at.is_some_and(|at| now.duration_since(at) >= age);
    if never_began {
        return old(born);
    }
    let Ok(stored) = Stored::open(folder.clone()) else {
        return false;
    };
    let over = matches!(
        stored.run.ended,
        Some((
            Verdict::Done | Verdict::Failed | Verdict::RolledBack | Verdict::Stuck,
            _
        ))
    );
    over && owes_nothing(folder) && old(stored.last())
}

/// A length of time as people type it: `30d`, `50m`.
///
/// # Errors
/// What to write instead.
pub fn age(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number and a unit, as 30d".to_owned())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err("the unit is one of s, m, h, d, w".to_owned()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "that is too long".to_owned())
}
