//! `pitstop owed`: what runs owe, and `--clean`: what an old run left is closed and removed.
//!
//! Owns: the list over one run or all, and which of them are cleaned. Must not: settle anything in a person's place.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use crate::journal::Journal;
use crate::journal::store::RunFolder;
use crate::run::GateState;
use crate::run::ledger::Obligation;

use super::console::Console;
use super::execute::{self, How, Job};
use super::problem::Problem;
use super::run::lock_name;
use super::screen::{Tone, table};
use super::stored::Stored;
use super::{exit, permit, resume};

/// List what a run, or every run, owes: undo, cleanup, hosts out of service, locks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop owed
  pitstop owed last --json
  pitstop owed --clean 20261206

--clean connects to the hosts. It asks how steps ended that were cut off, runs the cleanup of hosts that have ended, and removes the
run's directory and its locks where nothing else is owed. It takes nothing back (pitstop resume RUN --rollback does) and goes on with
nothing: what was changed stays. What it cannot meet stays on the list, exit 1.

What was put right by hand is told with: pitstop settle RUN OBLIGATION done --reason WHY")]
pub struct Args {
    /// The run (default: all)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "clean")]
    json: bool,
    /// Close what has ended and remove what is ours from the hosts
    #[arg(long)]
    clean: bool,
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
    if args.clean {
        return clean(runs, args.run.is_some(), console);
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

/// Cleans up after each of these runs that owes something. One that was named and cannot be cleaned now is a refusal; of all
/// of them it is told and passed over.
fn clean(runs: Vec<Stored>, named: bool, console: &Console) -> Result<u8, Problem> {
    let screen = &console.screen;
    let mut worst = exit::GOOD;
    let mut any = false;
    for stored in runs {
        // One that was cut off may have been where its journal does not tell.
        if stored.owed().is_empty() && (stored.run.ended.is_some() || !named) {
            continue;
        }
        any = true;
        let id = stored.id();
        match clean_one(stored, console) {
            Ok(code) => worst = worst.max(code),
            Err(problem) if named => return Err(problem),
            Err(problem) => {
                screen.say(&format!("{id}: "));
                super::tell(screen, &problem);
                worst = worst.max(exit::PERSON);
            }
        }
    }
    if !any {
        screen.note(&screen.paint(Tone::Good, "Nothing is owed."));
    }
    Ok(worst)
}

fn clean_one(stored: Stored, console: &Console) -> Result<u8, Problem> {
    let screen = &console.screen;
    let name = stored.name(console);
    resume::at_work(&stored, &name)?;
    resume::same_plan(&stored)?;
    let now = Timestamp::now();
    let waits = stored
        .run
        .gates
        .iter()
        .find(|(_, g)| g.state == GateState::Open && g.expires > now);
    if let Some((gate, g)) = waits {
        return Err(Problem::refused(
            format!(
                "{name} waits at gate {gate} until {:.0}: what is closed can no longer be taken back",
                g.expires
            ),
            format!("answer it (pitstop approve|reject {name} --gate {gate} --key FILE), or wait until it has expired"),
        ));
    }
    let Some(id) = stored.run.id.clone() else {
        return Err(Problem::wrong(
            "the run's journal has no beginning",
            format!("look at it: pitstop verify {name}"),
        ));
    };
    permit::terminal(&stored.plan, console)?;
    let root = resume::root(console, &stored);
    let ssh = console.ssh_config();
    let runtime = execute::runtime()?;
    let (secrets, redactor) = execute::secrets(&stored.plan, &root, console, &runtime)?;
    let passphrases = super::reach::passphrases_of(&stored.plan, &root, &ssh, console, &runtime)?;
    let _ahead = console.screen.ahead();
    let _lock = resume::store_of(&stored)
        .map(|store| store.lock(&lock_name(&stored.plan), now))
        .transpose()?;
    let opened = Journal::open(stored.folder.path(), now)?;
    let before = stored.owed();
    screen.say(&screen.paint(Tone::Strong, &format!("what run {id} left is cleaned up")));
    let folder = stored.folder.clone();
    let job = Job {
        plan: stored.plan,
        digest: stored.digest,
        id,
        folder: stored.folder,
        approvals: vec![root.join("approvals")],
        root,
        secrets,
        redactor,
        ssh,
        passphrases,
        deadline: None,
        freezes: Vec::new(),
        former_ms: BTreeMap::new(),
    };
    let how = How::Clean {
        records: opened.read.into_records(),
    };
    execute::execute(job, opened.journal, how, console, &runtime)?;
    let after = Stored::open(folder)?.owed();
    for met in before.iter().filter(|o| !after.iter().any(|a| a.id == o.id)) {
        screen.say(&format!(
            "settled: {}  {}",
            met.id,
            crate::text::terminal_line(&met.what)
        ));
    }
    Ok(if after.is_empty() { exit::GOOD } else { exit::PERSON })
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
