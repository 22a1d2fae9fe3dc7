//! `pitstop owed`: what runs owe.
//!
//! Owns: the list over one run or all. Must not: settle anything.

use serde_json::json;

use crate::journal::store::RunFolder;
use crate::run::ledger::Obligation;

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::screen::{Tone, table};
use super::stored::Stored;

/// List what a run, or every run, owes: undo, cleanup, hosts out of service, locks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop owed
  pitstop owed last --json

What was put right by hand is told with: pitstop settle RUN OBLIGATION done --reason WHY")]
pub struct Args {
    /// The run (default: all)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn owed(args: &Args, console: &Console) -> Result<u8, Problem> {
    let screen = &console.screen;
    let mut runs = Vec::new();
    match &args.run {
        Some(text) => runs.push(Stored::find(console, text)?),
        None => {
            let store = console.store()?;
            for id in store.runs()? {
                match Stored::open(store.folder(&id)) {
                    Ok(stored) => runs.push(stored),
                    Err(_) => screen.say(&format!(
                        "warning: {id} cannot be read; look with `pitstop verify {id}`"
                    )),
                }
            }
        }
    }
    let mut rows = Vec::new();
    let mut list = Vec::new();
    for stored in &runs {
        if let Some(damage) = stored.damage() {
            screen.say(&format!("warning: {}: {damage}", stored.id()));
        }
        for o in stored.owed() {
            list.push(json!({
                "run": stored.id(), "id": o.id, "kind": o.kind, "phase": o.phase, "host": o.host, "what": o.what,
            }));
            rows.push(vec![stored.id(), o.id.clone(), crate::text::terminal_line(&o.what)]);
        }
    }
    if args.json {
        screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&list)?)
        ));
    } else if rows.is_empty() {
        screen.note(&screen.paint(Tone::Good, "Nothing is owed."));
    } else {
        screen.data(&table(&["RUN", "OBLIGATION", "WHAT"], &rows));
    }
    Ok(exit::GOOD)
}

/// The lines that say what a run owes, for other commands.
pub fn lines(owed: &[Obligation]) -> Vec<String> {
    const MOST: usize = 12;
    let mut lines: Vec<String> = owed
        .iter()
        .take(MOST)
        .map(|o| format!("  {}  {}", o.id, crate::text::terminal_line(&o.what)))
        .collect();
    if owed.len() > MOST {
        lines.push(format!("  and {} more: pitstop owed", owed.len() - MOST));
    }
    lines
}

/// True if a run may be removed: it owes nothing. One that cannot be read may owe anything.
pub fn owes_nothing(folder: &RunFolder) -> bool {
    Stored::open(folder.clone()).is_ok_and(|stored| stored.damage().is_none() && stored.owed().is_empty())
}
