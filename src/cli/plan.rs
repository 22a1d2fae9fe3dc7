//! `pitstop plan`: makes the frozen plan and shows the approver's page; compares two plans.
//!
//! Owns: the flags of a change, formats, the file. Must not: connect anywhere.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;

use crate::canon;
use crate::diag::render;
use crate::disk;
use crate::id::Digest;
use crate::journal::store::MAX_PLAN;
use crate::plan::Plan;
use crate::plan::page::{self, Former, FromConfig, Outside, Page};

use super::console::Console;
use super::exit;
use super::next;
use super::problem::Problem;
use super::project::{self, Loaded, ProjectArgs};
use super::prompt;
use super::selection;
use super::stored::{Stored, exact_plan, learnt, past};
use super::uncleaned;
use super::views;

/// Make the frozen plan of a runbook or change and show it; no host is contacted
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop plan runbooks/patch.yml --set release=2.4
  pitstop plan changes/CHG0031337.yml -o plan.json      for `pitstop approve plan.json`
  pitstop plan changes/CHG0031337.yml --format html > plan.html
  pitstop plan changes/CHG0031337.yml --facts last      with what the dry run found
  pitstop plan runbooks/patch.yml --next 6              the next windows of its schedule
  pitstop plan --diff plan.json changes/CHG0031337.yml  has anything changed since?
  pitstop plan --diff plan.json last                    is it what ran?

With --diff the exit code is 0 if the plans are equal and 1 if not.")]
pub struct Args {
    /// The runbook or change file (with --diff: the two plans to compare, stored or to be made)
    #[arg(value_name = "RUNBOOK|CHANGE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Write the plan (canonical JSON, what its digest is made of) to this file
    #[arg(short = 'o', long = "out", value_name = "FILE", conflicts_with = "diff")]
    out: Option<PathBuf>,
    /// What is written to stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Show what differs between two plans, runbooks, changes or runs
    #[arg(long, conflicts_with_all = ["out", "next", "facts"])]
    diff: bool,
    /// List the next windows of the runbook's schedule
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200), conflicts_with_all = ["out", "facts"])]
    next: Option<u16>,
    /// Show on the page what this run found: best a dry run
    #[arg(long, value_name = "RUN")]
    facts: Option<String>,
    #[command(flatten)]
    change: ChangeFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Md,
    Html,
    Json,
}

/// The fields of a change file, as flags; they win over the file's.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub struct ChangeFlags {
    /// When the window begins, as 2026-12-06T01:00 or 2026-12-06T01:00:00Z
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// The zone of --start, as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The ticket or id of the change
    #[arg(long, value_name = "ID")]
    pub change: Option<String>,
    /// Why now
    #[arg(long, value_name = "TEXT")]
    pub because: Option<String>,
    /// Leave a step or phase out; may be given several times
    #[arg(long, value_name = "STEP=REASON")]
    pub skip: Vec<String>,
    /// Do only this step of the work, or this phase, with the whole life cycle round it; may be given several times
    #[arg(long, value_name = "STEP|PHASE[=REASON]")]
    pub only: Vec<String>,
    /// Do it on the first batch of each phase, and take all of it back: proves the way back and measures it
    #[arg(long)]
    pub rehearse: bool,
    /// Only hosts that ended an earlier run so, as last=refused
    #[arg(long, value_name = "RUN=STATE")]
    pub hosts_of: Option<String>,
    /// Parameters from a YAML or JSON file; with a name, one text from a file; may be given several times
    #[arg(long, value_name = "FILE|KEY=FILE")]
    pub set_file: Vec<String>,
}

/// A plan and where it came from.
pub struct Made {
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: Digest,
    /// Its canonical text, which the digest is of.
    pub text: String,
    /// Everything it was made of; `None`: it was read from a file.
    pub loaded: Option<Loaded>,
}

impl Made {
    fn of(plan: Plan, loaded: Option<Loaded>) -> Result<Self, Problem> {
        let text = canon::to_string(&plan)?;
        Ok(Self {
            digest: Digest::of(text.as_bytes()),
            text,
            plan,
            loaded,
        })
    }
}

impl ChangeFlags {
    /// With what the global options say.
    ///
    /// # Errors
    /// When a file of `--set-file` cannot be read.
    pub fn project_args(&self, console: &Console) -> Result<ProjectArgs, Problem> {
        let mut args = console.project_args();
        for text in &self.set_file {
            selection::set_file(text, &mut args)?;
        }
        selection::limit(&mut args)?;
        if let Some(text) = &self.hosts_of {
            selection::hosts_of(text, &mut args, console)?;
        }
        args.onlys.clone_from(&self.only);
        args.skips.clone_from(&self.skip);
        args.start.clone_from(&self.start);
        args.timezone.clone_from(&self.timezone);
        args.ticket.clone_from(&self.change);
        args.reason.clone_from(&self.because);
        args.rehearse = self.rehearse;
        Ok(args)
    }

    /// True if none is given.
    pub fn is_empty(&self) -> bool {
        let one = [&self.start, &self.timezone, &self.change, &self.because, &self.hosts_of];
        let many = [&self.skip, &self.only, &self.set_file];
        !self.rehearse && one.iter().all(|o| o.is_none()) && many.iter().all(|m| m.is_empty())
    }
}

/// Does it.
pub fn plan(args: &Args, console: &Console) -> Result<u8, Problem> {
    if args.diff {
        return diff(args, console);
    }
    let [file] = args.files.as_slice() else {
        return Err(Problem::wrong(
            "one runbook or change makes one plan",
            "to compare two: pitstop plan --diff A B",
        ));
    };
    if let Some(count) = args.next {
        return next::next(file, count, &args.change, args.format, console);
    }
    let made = make(file, &args.change, console)?;
    let learnt = match &args.facts {
        Some(run) => Some(learnt(console, run, &made.plan, &made.digest)?),
        None => None,
    };
    let text = &made.text;
    if let Some(out) = &args.out {
        disk::write_atomic(out, text.as_bytes())?;
    }
    let shown = args.out.as_ref().map(|p| p.display().to_string());
    let past = past(console, &made.plan);
    let outside = Outside {
        file: shown.clone(),
        history: past.runs,
        undone: Some(past.undone),
        ssh: from_ssh_config(&made.plan, console),
        learnt,
        in_the_way: in_the_way(&made.plan, console),
        ..Outside::default()
    };
    let page = page::facts(&made.plan, &made.digest, &outside);
    let screen = &console.screen;
    match (args.format, &args.out) {
        (Format::Json, None) => screen.data(&format!("{text}\n")),
        (Format::Json, Some(_)) => {}
        (format, _) => screen.data(&written(&page, format, screen.width())),
    }
    if let Some(file) = shown {
        screen.note(&format!("The plan {} is in {file}.", made.digest.short()));
        let approve = made.plan.approval.is_some();
        if approve {
            screen.note(&format!("next: pitstop approve {file} --key ~/.ssh/id_ed25519"));
        }
        screen.note(&format!("next: pitstop run {file}"));
    }
    Ok(exit::GOOD)
}

/// Former drills that would keep this one from starting, as they are now: said here so that nobody learns it at the start.
fn in_the_way(plan: &Plan, console: &Console) -> Vec<Former> {
    let Ok(store) = console.store() else { return Vec::new() };
    let all = uncleaned::in_the_way(plan, &store, console);
    for one in &all {
        console
            .screen
            .say(&format!("warning[{}]: {}", uncleaned::CODE, one.what));
    }
    all.into_iter()
        .map(|one| Former {
            what: one.what,
            owes: one.owes.iter().map(|line| line.trim_start().to_owned()).collect(),
            ways: one.ways,
        })
        .collect()
}

/// What the ssh config adds today. One that cannot be honoured is told and stops nothing here: the plan is not bound to it.
fn from_ssh_config(plan: &Plan, console: &Console) -> Vec<FromConfig> {
    let screen = &console.screen;
    super::reach::outside(plan, &console.ssh_config()).unwrap_or_else(|diags| {
        screen.say("warning: your ssh config cannot be honoured, and `run` would refuse this plan:");
        screen.say(render::human(&diags, screen.color(), screen.width()).trim_end());
        Vec::new()
    })
}

fn written(page: &Page, format: Format, width: usize) -> String {
    match format {
        Format::Md => page::markdown(page),
        Format::Html => views::plan_html(page),
        Format::Text | Format::Json => page::text(page, width),
    }
}

/// A stored plan is read, a runbook or change is bound.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn make(file: &Path, flags: &ChangeFlags, console: &Console) -> Result<Made, Problem> {
    if is_plan(file) {
        unchanged(file, flags, console)?;
        return stored(file);
    }
    let mut args = flags.project_args(console)?;
    let mut loaded = project::load(&args, file)?;
    if console.terminal() && prompt::parameters(&loaded, &mut args, console) {
        loaded = project::load(&args, file)?;
    }
    loaded.next_window(Timestamp::now());
    let (plan, warnings) = loaded.plan()?;
    let screen = &console.screen;
    if !warnings.0.is_empty() {
        screen.note(render::human(&warnings, screen.color(), screen.width()).trim_end());
    }
    Made::of(plan, Some(loaded))
}

/// Stored plans are JSON; everything people write is YAML.
pub fn is_plan(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "json")
}

/// A frozen plan takes no flags: what was approved is what runs.
fn unchanged(file: &Path, flags: &ChangeFlags, console: &Console) -> Result<(), Problem> {
    let global = &console.global;
    let fixed = global.set.is_empty() && global.limit.is_none() && global.mode.is_none() && global.inventory.is_none();
    if fixed && flags.is_empty() {
        return Ok(());
    }
    Err(Problem::wrong(
        format!("{} is a frozen plan: no flag changes it", file.display()),
        "make another: pitstop plan RUNBOOK|CHANGE -o FILE",
    ))
}

fn stored(file: &Path) -> Result<Made, Problem> {
    let bytes = disk::read(file, MAX_PLAN).map_err(|f| Problem::wrong(f.to_string(), f.help.clone()))?;
    let plan = exact_plan(&bytes, &file.display().to_string())?;
    Made::of(plan, None)
}

fn diff(args: &Args, console: &Console) -> Result<u8, Problem> {
    let [a, b] = args.files.as_slice() else {
        return Err(Problem::wrong("--diff compares two plans", "pitstop plan --diff A B"));
    };
    let any = |file: &Path| {
        if is_plan(file) {
            Ok(stored(file)?.plan)
        } else if file.is_file() {
            Ok(make(file, &args.change, console)?.plan)
        } else {
            Ok::<_, Problem>(Stored::find(console, &file.display().to_string())?.plan)
        }
    };
    let (a, b) = (any(a)?, any(b)?);
    let differences = page::diff(&a, &b);
    match args.format {
        Format::Json => console.screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&differences)?)
        )),
        Format::Md => console.screen.data(&page::diff_markdown(&differences)),
        Format::Text => console.screen.data(&page::diff_text(&differences)),
        Format::Html => {
            return Err(Problem::wrong(
                "differences are no page",
                "write them as text, md or json",
            ));
        }
    }
    Ok(if differences.is_empty() {
        exit::GOOD
    } else {
        exit::PERSON
    })
}
