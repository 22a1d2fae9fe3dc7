//! `pitstop resume`: goes on from the journal, or back.
//!
//! Owns: what must be true before a run goes on. Must not: read the repository; plan and files are the run's own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::approval::{Override, Subject};
use crate::engine;
use crate::id::Digest;
use crate::journal::Journal;
use crate::journal::store::Store;
use crate::plan::PlannedWindow;
use crate::plan::page::day;
use crate::run::Open;
use crate::run::event::{Answer, StepKey, Verdict};
use crate::run::next::{too_late, within_reach};
use crate::window::{Close, State, Window};

use super::console::Console;
use super::execute::{self, How, Job};
use super::permit;
use super::problem::Problem;
use super::run::lock_name;
use super::screen::Tone;
use super::signals::Deadline;
use super::stored::Stored;

/// Go on with a run from its journal, or take back what it did
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop resume last
  pitstop resume 20261206 --rollback
  pitstop resume /backup/runs/20261206-010003-k3f9wq

What was done is not done again: hosts are asked how a step ended that was cut off. Outside the window only --rollback goes
on, or a signed override: pitstop approve RUN --override window --comment WHY --key FILE")]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Only take back, newest phase first
    #[arg(long)]
    rollback: bool,
    /// Start no new step after this time, as 50m
    #[arg(long, value_name = "TIME", value_parser = super::run::length)]
    deadline: Option<Duration>,
    /// Stop steps that still run so long after the deadline, as 5m
    #[arg(long, value_name = "TIME", value_parser = super::run::length, requires = "deadline")]
    grace: Option<Duration>,
}

/// Does it.
pub fn resume(args: &Args, console: &Console) -> Result<u8, Problem> {
    let stored = Stored::find(console, &args.run)?;
    let name = stored.name(console);
    at_work(&stored, &name)?;
    same_plan(&stored)?;
    let Some(id) = stored.run.id.clone() else {
        return Err(Problem::wrong(
            "the run's journal has no beginning",
            format!("look at it: pitstop verify {name}"),
        ));
    };
    let screen = &console.screen;
    if let Some((Verdict::Done | Verdict::Failed | Verdict::RolledBack, exit)) = stored.run.ended
        && stored.owed().is_empty()
        && (!args.rollback || !within_reach(&stored.run))
    {
        // The journal stays as it is: what was said of a run that is over, and signed, holds.
        if let Some(why) = too_late(&stored.plan, &stored.run).filter(|_| args.rollback) {
            return Err(Problem::refused(
                format!("{id} is over: {why}"),
                "a host is closed when its phase has settled it; what is to go back now is a change of its own: plan one",
            ));
        }
        let with = if args.rollback { "take back" } else { "go on with" };
        screen.say(&format!("{id} is over and owes nothing: there is nothing to {with}"));
        return Ok(exit);
    }
    if stored.run.dry {
        return Err(Problem::refused(
            format!("{id} is a dry run: there is nothing to go on with"),
            format!("run it: pitstop run {}", stored.plan.path),
        ));
    }
    permit::terminal(&stored.plan, console)?;
    permit::operator(&stored.plan, console)?;
    let root = root(console, &stored);
    let folders = vec![root.join("approvals")];
    let overrides = in_window(&stored, &name, args.rollback, &folders, console)?;
    let ssh = console.ssh_config();
    super::reach::outside(&stored.plan, &ssh)?;
    let runtime = execute::runtime()?;
    let (secrets, redactor) = execute::secrets(&stored.plan, &root, console, &runtime)?;
    let passphrases = super::reach::passphrases_of(&stored.plan, &root, &ssh, console, &runtime)?;
    let _ahead = console.screen.ahead();
    let now = Timestamp::now();
    let _lock = store_of(&stored)
        .map(|store| store.lock(&lock_name(&stored.plan), now))
        .transpose()?;
    let opened = Journal::open(stored.folder.path(), now)?;
    if let (Some(torn), Some(place)) = (&opened.read.torn, &opened.set_aside) {
        screen.say(&format!(
            "warning: the last record ({}) was not whole and lies in {} now",
            torn.record,
            place.display()
        ));
    }
    let back = if args.rollback { " to go back" } else { "" };
    let title = crate::text::terminal_line(&stored.plan.title);
    screen.say(&format!(
        "{}{back}: {title}",
        screen.paint(Tone::Strong, &format!("run {id} is resumed"))
    ));
    for line in cut_off(&stored) {
        screen.say(&line);
    }
    let job = Job {
        plan: stored.plan,
        digest: stored.digest,
        id,
        folder: stored.folder,
        root,
        approvals: folders,
        secrets,
        redactor,
        ssh,
        passphrases,
        deadline: Deadline::of(args.deadline, args.grace),
        freezes: Vec::new(),
        former_ms: BTreeMap::new(),
    };
    let how = How::Resume {
        records: opened.read.into_records(),
        how: engine::Resume {
            back: args.rollback,
            overrides,
        },
    };
    execute::execute(job, opened.journal, how, console, &runtime)
}

/// What the last process left under way: a line for each step that its host is asked about first.
fn cut_off(stored: &Stored) -> Vec<String> {
    const SHOWN: usize = 10;
    let open: Vec<_> = stored.run.open.iter().filter(|(_, o)| o.changes && o.latched).collect();
    let line = |(key, open): &(&StepKey, &Open)| {
        let who = key.host.as_ref().map_or("run", |h| h.as_str());
        let step = super::words::step_name(&stored.plan, key);
        format!("  {who}  {step} was cut off: {} is asked what became of it", open.on)
    };
    let mut lines: Vec<String> = open.iter().take(SHOWN).map(line).collect();
    if open.len() > SHOWN {
        lines.push(format!("  and {} more", open.len() - SHOWN));
    }
    lines
}

/// One process works on a run. Asked before anything that takes time; the journal's lock is what holds.
pub(super) fn at_work(stored: &Stored, name: &str) -> Result<(), Problem> {
    let holder = crate::journal::holder(stored.folder.path())?;
    holder.map_or(Ok(()), |holder| {
        Err(Problem::refused(
            format!("process {} is at work on {name} since {:.0}", holder.pid, holder.at),
            format!("watch it: pitstop status {name}"),
        ))
    })
}

/// Only the plan that the run began with, to the byte.
pub(super) fn same_plan(stored: &Stored) -> Result<(), Problem> {
    let bytes = stored.folder.read_plan()?;
    if stored.run.plan.as_ref() == Some(&Digest::of(&bytes)) {
        return Ok(());
    }
    let began = stored.run.plan.as_ref().map_or("none", Digest::short);
    Err(Problem::refused(
        format!(
            "plan.json ({}) is not the plan that the run began with ({began})",
            Digest::of(&bytes).short()
        ),
        format!(
            "put it back from a copy, then: pitstop verify {}",
            stored.folder.path().display()
        ),
    ))
}

/// Outside the window, and in a freeze, nothing goes forward without a signed override.
fn in_window(
    stored: &Stored,
    name: &str,
    back: bool,
    folders: &[PathBuf],
    console: &Console,
) -> Result<Vec<Answer>, Problem> {
    let (run, plan) = (&stored.run, &stored.plan);
    let Some(began) = run.started.filter(|_| !back && run.backwards.is_none()) else {
        return Ok(Vec::new());
    };
    let (now, zone) = (Timestamp::now(), plan.zone());
    let ends = |w: &PlannedWindow| w.end(w.start.unwrap_or(began));
    let mut needed: Vec<(Override, String)> = Vec::new();
    if let Some(w) = plan.window.as_ref().filter(|w| now >= ends(w)) {
        needed.push((Override::Window, format!("the window closed {}", day(ends(w), zone))));
    }
    let open = plan.window.as_ref().filter(|w| now < ends(w));
    let window = Window {
        start: open.map_or(now, |w| w.start.unwrap_or(began)),
        duration_ms: open.map(|w| w.duration_ms),
        cutoff_ms: 0,
        freezes: &run.freezes,
    };
    if let State::NotYet { freeze: Some(f), .. } | State::Closed(Close { freeze: Some(f), .. }) = window.state_at(now) {
        let what = crate::text::terminal_line(&f.what);
        let why = format!(
            "the freeze \"{what}\" began {} and lasts until {}",
            day(f.from, zone),
            day(f.to, zone)
        );
        needed.push((Override::Freeze, why));
    }
    let subject = run.id.clone().map_or(Subject::Plan, Subject::Run);
    let mut all = vec![stored.folder.approvals()];
    all.extend(folders.iter().cloned());
    let mut operators: Vec<String> = run.operators.iter().cloned().collect();
    operators.push(console.operator());
    let mut found = Vec::new();
    for (rule, why) in needed {
        let signed = permit::overrides(plan, &stored.digest, &subject, operators.clone(), &all, rule);
        if signed.is_empty() {
            let back = format!("take it back: pitstop resume {name} --rollback");
            return Err(Problem::refused(why, back).also(format!(
                "or let someone who may override it: pitstop approve {name} --override {} --comment WHY --key FILE",
                rule.as_str()
            )));
        }
        found.extend(signed);
    }
    Ok(found)
}

/// The project that the run's folder lies in, for relative paths of keys; else the current folder.
pub(super) fn root(console: &Console, stored: &Stored) -> PathBuf {
    let given = console.project_args();
    let near = stored.folder.path().parent();
    super::project::room(&given, near)
        .ok()
        .filter(|room| room.found)
        .or_else(|| super::project::room(&given, None).ok())
        .map_or_else(|| PathBuf::from("."), |room| room.folder.root().to_path_buf())
}

/// The store that a run's folder lies in; a copy elsewhere has none.
pub(super) fn store_of(stored: &Stored) -> Option<Store> {
    let runs = stored.folder.path().parent()?;
    (runs.file_name()? == "runs")
        .then(|| runs.parent().map(Store::at))
        .flatten()
}
