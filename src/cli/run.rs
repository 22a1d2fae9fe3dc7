//! `pitstop run`: plans and runs in one go, or runs a frozen plan.
//!
//! Owns: the order of what must be true before a run exists. Must not: leave anything behind where it refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::approval::{Override, Subject};
use crate::canon;
use crate::diag::Diagnostics;
use crate::id::{Digest, RunId};
use crate::journal::Journal;
use crate::journal::store::{Once, RunFolder, Store};
use crate::plan::Plan;
use crate::plan::estimate::slowest_hosts;
use crate::plan::page::{self, FromConfig, Outside};
use crate::run::event::Answer;
use crate::runbook::duration;
use crate::runbook::files::{Files as _, Folder};
use crate::window::Freeze;

use super::console::Console;
use super::execute::{self, How, Job};
use super::exit;
use super::freeze;
use super::permit;
use super::plan::{ChangeFlags, Made, make};
use super::problem::Problem;
use super::project;
use super::reach;
use super::screen::Tone;
use super::signals::Deadline;
use super::stored::{Stored, past};
use super::uncleaned;

/// Run a runbook, a change or a frozen plan
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop run runbooks/hello.yml
  pitstop run changes/CHG0031337.yml --dry       connects, runs what changes nothing, shows the rest
  pitstop run plan.json --yes                    in CI: no question, but every gate
  pitstop run plan.json --wait                   waits until the window opens
  pitstop run runbooks/backup.yml --yes --once-key nightly-2026-12-06

Without a terminal a plan that changes something runs only with --yes. --yes never passes a gate.")]
pub struct Args {
    /// The runbook, the change file, or a plan made by `pitstop plan -o`
    #[arg(value_name = "RUNBOOK|CHANGE|PLAN")]
    file: PathBuf,
    /// Connect and run only what changes nothing; show the rest
    #[arg(long)]
    dry: bool,
    /// Do not ask \"go on?\"
    #[arg(short, long)]
    yes: bool,
    /// Wait until the window opens
    #[arg(long, conflicts_with = "dry")]
    wait: bool,
    /// Start no new step after this time, as 50m
    #[arg(long, value_name = "TIME", value_parser = length)]
    deadline: Option<Duration>,
    /// Stop steps that still run so long after the deadline, as 5m
    #[arg(long, value_name = "TIME", value_parser = length, requires = "deadline")]
    grace: Option<Duration>,
    /// Run only if no run had this key before
    #[arg(long, value_name = "KEY", conflicts_with = "dry", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    once_key: Option<String>,
    #[command(flatten)]
    change: ChangeFlags,
}

/// Does it.
pub fn run(args: &Args, console: &Console) -> Result<u8, Problem> {
    let made = make(&args.file, &args.change, console)?;
    let plan = &made.plan;
    let room = match &made.loaded {
        Some(loaded) => loaded.room.clone(),
        None => project_of(&args.file, console)?,
    };
    let files = planned_files(plan, &room.folder)?;
    let frozen = made.loaded.is_none().then_some(args.file.as_path());
    if let Some(file) = frozen {
        same_policy(plan, file, &room)?;
    }
    permit::performable(plan)?;
    let ssh = console.ssh_config();
    // Before anything else is asked or made: a config that cannot be honoured touches nothing.
    let outside_ssh = reach::outside(plan, &ssh)?;
    let folders = approval_folders(&args.file, room.folder.root());
    let store = Store::at(room.state.0.clone());
    let mut approvals = Vec::new();
    let mut freezes = freeze::today(plan, &room.folder, Timestamp::now(), console)?;
    if !args.dry {
        permit::terminal(plan, console)?;
        permit::operator(plan, console)?;
        approvals = permit::approved(plan, &made.digest, &folders, frozen, console)?;
        uncleaned::refuse(plan, &store, console)?;
        let starting = Starting {
            plan,
            digest: &made.digest,
            folders: &folders,
        };
        let mut closed = starting.wait(&freezes, &mut approvals, args.wait, console)?;
        // Before a wait: nobody may sit there when the window opens.
        go_on(&made, args.yes, outside_ssh, console)?;
        while !closed.is_zero() {
            starting.until_open(&freezes, closed, console)?;
            // What let it start may have been taken back meanwhile, or be over.
            freezes = freeze::today(plan, &room.folder, Timestamp::now(), console)?;
            if let Some(file) = frozen {
                same_policy(plan, file, &room)?;
            }
            approvals = match permit::signed(plan) {
                true => permit::approved(plan, &made.digest, &folders, frozen, console)?,
                false => approvals.into_iter().filter(|a| a.override_.is_empty()).collect(),
            };
            closed = starting.wait(&freezes, &mut approvals, args.wait, console)?;
        }
    }
    let runtime = execute::runtime()?;
    let (secrets, redactor) = execute::secrets(plan, room.folder.root(), console, &runtime)?;
    let passphrases = reach::passphrases_of(plan, room.folder.root(), &ssh, console, &runtime)?;
    let _ahead = console.screen.ahead();
    let now = Timestamp::now();
    // Before the run exists: who loses the race leaves nothing behind.
    let _lock = if plan.changes() && !args.dry {
        let lock = store.lock(&lock_name(plan), now)?;
        // Another one may have come between.
        uncleaned::refuse(plan, &store, console)?;
        Some(lock)
    } else {
        None
    };
    let id = fresh_id(now)?;
    if let Some(taken) = claim(args.once_key.as_deref(), &store, &id)? {
        let stands = Stored::open(store.folder(&taken)).map_or("cannot be read", |first| first.standing().word());
        return Err(Problem::refused(
            format!("the run {taken} had this once-key already; it stands: {stands}"),
            format!("look at it: pitstop status {taken}"),
        ));
    }
    let made_ready = ready(&store, plan, &id, &files, now);
    if let (Err(_), Some(key)) = (&made_ready, args.once_key.as_deref()) {
        // The disk that failed may fail again; then the key names a run that is not there.
        let _ = store.unclaim(key, &id);
    }
    let (folder, journal) = made_ready?;
    announce(&id, &made, args.dry, console);
    let former_ms = former(console, &made.plan, &freezes);
    let job = Job {
        plan: made.plan,
        digest: made.digest,
        id: id.clone(),
        folder,
        root: room.folder.root().to_path_buf(),
        approvals: folders,
        secrets,
        redactor,
        ssh,
        passphrases,
        deadline: Deadline::of(args.deadline, args.grace),
        former_ms,
        freezes,
    };
    let how = How::Start {
        dry: args.dry,
        approvals,
    };
    let done = execute::execute(job, journal, how, console, &runtime);
    if done.as_ref().is_err_and(|problem| problem.code() == exit::REFUSED) {
        never_began(&store, &id, args.once_key.as_deref(), console)?;
    }
    done
}

/// The run's folder with all it will need, and its journal.
fn ready(
    store: &Store,
    plan: &Plan,
    id: &RunId,
    files: &BTreeMap<String, Vec<u8>>,
    now: Timestamp,
) -> Result<(RunFolder, Journal), Problem> {
    let folder = store.create_run(id, canon::to_string(plan)?.as_bytes())?;
    execute::keep_files(files, &folder)?;
    let journal = Journal::create(folder.path(), now)?;
    Ok((folder, journal))
}

/// What former runs took, where something ends the time for this one.
fn former(console: &Console, plan: &Plan, freezes: &[Freeze]) -> BTreeMap<String, u64> {
    if plan.window.is_none() && freezes.is_empty() {
        return BTreeMap::new();
    }
    slowest_hosts(&past(console, plan).runs)
}

/// A run that was refused before it touched anything leaves nothing here either, unless a host still has its lock.
fn never_began(store: &Store, id: &RunId, once_key: Option<&str>, console: &Console) -> Result<(), Problem> {
    if !Stored::open(store.folder(id))?.owed().is_empty() {
        let screen = &console.screen;
        screen.say(&format!(
            "next: pitstop resume {id}   # gives back the locks that it took"
        ));
        return Ok(());
    }
    store.prune(Timestamp::now(), |folder| folder.id().as_ref() == Some(id))?;
    if let Some(key) = once_key {
        store.unclaim(key, id)?;
    }
    Ok(())
}

/// The project of a frozen plan: the one it lies in, else that of the current folder.
fn project_of(file: &Path, console: &Console) -> Result<project::Room, Problem> {
    let given = console.project_args();
    let near = project::room(&given, Some(file))?;
    if near.found || given.project.is_some() {
        return Ok(near);
    }
    Ok(project::room(&given, None)?)
}

/// One run at a time of a runbook over an inventory.
pub fn lock_name(plan: &Plan) -> String {
    format!("runbook {} over {}", plan.runbook, plan.inventory)
}

/// Where approvals lie that belong to no run yet.
pub fn approval_folders(file: &Path, root: &Path) -> Vec<PathBuf> {
    let beside = match file.parent() {
        Some(dir) if dir != Path::new("") => dir.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![beside.clone(), beside.join("approvals"), root.join("approvals")];
    folders.dedup();
    folders
}

/// The bytes of every file that the plan names; one that changed since is a refusal before the start.
fn planned_files(plan: &Plan, folder: &Folder) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
    let mut files = BTreeMap::new();
    for (path, planned) in &plan.files {
        let bytes = folder.read(path).map_err(|e| {
            Problem::refused(
                format!("the plan uses {path}, and {e}"),
                "put it back, or make the plan again: pitstop plan RUNBOOK|CHANGE -o FILE",
            )
        })?;
        let found = Digest::of(&bytes);
        if found != planned.digest {
            let what = format!(
                "{path} is not the file that was planned: {} bytes {} then, {} bytes {} now",
                planned.bytes,
                planned.digest.short(),
                bytes.len(),
                found.short()
            );
            return Err(Problem::refused(
                what,
                "put the planned file back, or make the plan again: pitstop plan RUNBOOK|CHANGE -o FILE",
            ));
        }
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}

/// A frozen plan runs under the policy of today, or not at all.
fn same_policy(plan: &Plan, file: &Path, room: &project::Room) -> Result<(), Problem> {
    let mut diags = Diagnostics::new();
    let today = project::policy(room, &mut diags);
    if diags.has_errors() {
        return Err(Problem::Wrong(diags));
    }
    let same = match (&today, &plan.policy) {
        (None, None) => true,
        (Some((policy, signers)), Some(planned)) => {
            let signers = signers.trim_start_matches('\u{feff}').replace("\r\n", "\n");
            canon::digest(&policy.content)? == planned.digest && signers == planned.allowed_signers
        }
        _ => false,
    };
    if !same {
        return Err(Problem::refused(
            format!("the policy is not the one that {} was made under", file.display()),
            "make the plan again, and have it approved: pitstop plan RUNBOOK|CHANGE -o FILE",
        ));
    }
    Ok(())
}

/// A plan that is about to start.
struct Starting<'a> {
    plan: &'a Plan,
    digest: &'a Digest,
    folders: &'a [PathBuf],
}

impl Starting<'_> {
    /// How long the window is closed yet, where a wait is wished; else that is a refusal. A signed override sets freezes aside,
    /// and is then one of the approvals.
    fn wait(
        &self,
        freezes: &[Freeze],
        approvals: &mut Vec<Answer>,
        wished: bool,
        console: &Console,
    ) -> Result<Duration, Problem> {
        let found = match freezes {
            [] => Vec::new(),
            _ => self.freeze_overrides(console),
        };
        let freezes = if found.is_empty() { freezes } else { &[] };
        approvals.extend(found);
        permit::start_in_window(self.plan, freezes, wished, Timestamp::now())
    }

    fn freeze_overrides(&self, console: &Console) -> Vec<Answer> {
        let (subject, operators) = (Subject::Plan, vec![console.operator()]);
        permit::overrides(
            self.plan,
            self.digest,
            &subject,
            operators,
            self.folders,
            Override::Freeze,
        )
    }

    fn until_open(&self, freezes: &[Freeze], closed: Duration, console: &Console) -> Result<(), Problem> {
        let ms = u64::try_from(closed.as_millis()).unwrap_or(u64::MAX);
        console.screen.note(&format!(
            "waiting {} for the window to open (interrupt: nothing has begun)",
            page::duration(ms)
        ));
        let freezes = match self.freeze_overrides(console) {
            found if found.is_empty() => freezes,
            _ => &[],
        };
        // The wall clock decides, not one long sleep: a suspended machine wakes late.
        while !permit::start_in_window(self.plan, freezes, true, Timestamp::now())?.is_zero() {
            std::thread::sleep(closed.min(Duration::from_millis(500)));
        }
        Ok(())
    }
}

/// The question before a change.
fn go_on(made: &Made, yes: bool, ssh: Vec<FromConfig>, console: &Console) -> Result<(), Problem> {
    if yes || !made.plan.changes() {
        return Ok(());
    }
    if !console.terminal() {
        return Err(Problem::refused(
            "this plan changes something, and there is no terminal to ask \"go on?\"",
            "read the plan first (pitstop plan …), then: pitstop run … --yes",
        ));
    }
    let screen = &console.screen;
    let past = past(console, &made.plan);
    let outside = Outside {
        history: past.runs,
        undone: Some(past.undone),
        ssh,
        ..Outside::default()
    };
    let page = page::facts(&made.plan, &made.digest, &outside);
    screen.say(&page::text(&page, screen.width()));
    match super::person::ask(screen, "Go on? [yes/no] ").as_deref() {
        Some("yes" | "y") => Ok(()),
        _ => Err(Problem::refused("not started: nobody said yes", "nothing was touched")),
    }
}

fn claim(key: Option<&str>, store: &Store, id: &RunId) -> Result<Option<RunId>, Problem> {
    let Some(key) = key else { return Ok(None) };
    Ok(match store.once(key, id)? {
        Once::Ours => None,
        Once::Taken(other) => Some(other),
    })
}

/// A new run's id.
///
/// # Errors
/// When the machine gives no random numbers.
pub fn fresh_id(now: Timestamp) -> Result<RunId, Problem> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|e| {
        Problem::fault(
            format!("this machine gives no random numbers: {e}"),
            "getrandom(2) must work here",
        )
    })?;
    Ok(RunId::new(now, random))
}

fn announce(id: &RunId, made: &Made, dry: bool, console: &Console) {
    let screen = &console.screen;
    let dry = if dry { " (dry run: nothing is changed)" } else { "" };
    let head = screen.paint(Tone::Strong, &format!("run {id}"));
    let title = crate::text::terminal_line(&made.plan.title);
    screen.say(&format!("{head}{dry}: {title}, plan {}", made.digest.short()));
}

/// A span of time as runbooks write it.
///
/// # Errors
/// What to write instead.
pub fn length(text: &str) -> Result<Duration, String> {
    let wrong = || "write whole numbers with their units (d, h, m, s), as 50m or 1h30m".to_owned();
    duration::parse(text).ok_or_else(wrong)
}
