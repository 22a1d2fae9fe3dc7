//! A run from its folder to its exit code: what `run` and `resume` have in common.
//!
//! Owns: making the engine's [`Setup`] (secrets, files, hosts, person, signals), the report at the end. Must not: decide
//! whether the run may start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::action::{FEWEST_DESCRIPTORS, Hands, Outside};
use crate::approval;
use crate::clock::{Clock, RealClock};
use crate::crash::{self, Moment};
use crate::disk;
use crate::engine::gate::{Approver, Nobody};
use crate::engine::{self, EngineError, Outcome, Resume, Setup};
use crate::http::Tls;
use crate::id::{Content, Digest, RunId};
use crate::inventory::sshconfig::SshConfig;
use crate::journal::files as kept;
use crate::journal::store::RunFolder;
use crate::journal::{Journal, Record};
use crate::plan::Plan;
use crate::plan::page::{self, duration};
use crate::plan::reads::reads_fact;
use crate::provider::{self, Sources};
use crate::report::foreseen;
use crate::report::record::ChangeRecord;
use crate::run::event::{Answer, Event, Verdict};
use crate::secret::{Redactor, Secret};
use crate::transport::{SshOptions, SshTransport};
use crate::window::Freeze;

use super::console::{Console, Output, controller};
use super::live::Live;
use super::person::Terminal;
use super::problem::Problem;
use super::reach;
use super::screen::Tone;
use super::stored::Stored;
use super::{former, owed, signals, views, words};

/// More are of no use: ten thousand hosts need four each.
const DESCRIPTORS: u64 = 65_536;
/// How long the last tasks of a process have to end.
const ENDING: Duration = Duration::from_secs(1);

/// What is to be run.
pub struct Job {
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: Digest,
    /// The run's id.
    pub id: RunId,
    /// The run's folder.
    pub folder: RunFolder,
    /// The project's folder: relative paths of keys and secrets begin there.
    pub root: PathBuf,
    /// What the freeze calendars say now.
    pub freezes: Vec<Freeze>,
    /// How long the slowest host of each phase took in former runs; only a start needs it.
    pub former_ms: BTreeMap<String, u64>,
    /// Where approvals are looked for beside the run's own folder.
    pub approvals: Vec<PathBuf>,
    /// Values of the plan's secrets.
    pub secrets: BTreeMap<String, Secret>,
    /// Takes them out of everything.
    pub redactor: Redactor,
    /// What the inventory does not say of hosts.
    pub ssh: SshConfig,
    /// What opens encrypted key files.
    pub passphrases: BTreeMap<PathBuf, Secret>,
    /// When it is to end.
    pub deadline: Option<signals::Deadline>,
}

/// How it begins.
pub enum How {
    /// Anew.
    Start {
        /// A dry run.
        dry: bool,
        /// What let it start.
        approvals: Vec<Answer>,
    },
    /// From its journal.
    Resume {
        /// What the journal holds.
        records: Vec<Record>,
        /// How it goes on.
        how: Resume,
    },
    /// What it left is closed and removed, nothing else begins.
    Clean {
        /// What the journal holds.
        records: Vec<Record>,
    },
}

/// What everything with a connection runs on.
pub struct Runtime {
    handle: tokio::runtime::Handle,
    own: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    /// Does this to its end.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }
}

impl Drop for Runtime {
    /// A name that is still looked up is not waited for: the resolver takes as long as it likes, and no task can stop it.
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.shutdown_timeout(ENDING);
        }
    }
}

/// The runtime, and descriptors enough for it.
///
/// # Errors
/// When the machine gives no threads, or too few descriptors.
pub fn runtime() -> Result<Runtime, Problem> {
    raise_descriptors()?;
    let own = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Problem::fault(
                format!("cannot start: {e}"),
                "free some memory or threads and try again",
            )
        })?;
    Ok(Runtime {
        handle: own.handle().clone(),
        own: Some(own),
    })
}

/// Fetches every secret of the plan.
///
/// # Errors
/// When one cannot be had, or is too short to be masked.
pub fn secrets(
    plan: &Plan,
    root: &Path,
    console: &Console,
    runtime: &Runtime,
) -> Result<(BTreeMap<String, Secret>, Redactor), Problem> {
    let ask = |name: &str| loop {
        let typed = super::hidden::secret(&format!("Secret {name}: "))?;
        if typed.expose().len() >= Secret::MIN {
            return Ok(typed);
        }
        // A shorter one could not be kept out of what is shown.
        console
            .screen
            .say(&format!("  a secret has at least {} bytes: type it again", Secret::MIN));
    };
    let sources = Sources {
        base: root,
        commands: &plan.providers,
        prompt: console.terminal().then_some(&ask),
        timeout: provider::TIMEOUT,
    };
    let mut found = BTreeMap::new();
    for (name, source) in &plan.secrets {
        let got = runtime.block_on(provider::fetch(name, source, &sources))?;
        if let Some(note) = got.note {
            console.screen.say(&format!("warning: {note}"));
        }
        found.insert(name.clone(), got.secret);
    }
    let redactor = Redactor::new(found.iter().map(|(name, secret)| (name.as_str(), secret)))
        .map_err(|e| Problem::wrong(e.to_string(), e.help()))?;
    Ok((found, redactor))
}

/// Runs it to the end of this process' part.
///
/// # Errors
/// When it may not start, or the machine fails.
pub fn execute(job: Job, journal: Journal, how: How, console: &Console, runtime: &Runtime) -> Result<u8, Problem> {
    let plan = Arc::new(job.plan);
    let before = match &how {
        How::Start { .. } => Vec::new(),
        How::Resume { records, .. } | How::Clean { records } => records.iter().map(|r| r.fact.clone()).collect(),
    };
    let fresh = matches!(how, How::Start { .. });
    let live = Live::begin(console, Arc::clone(&plan), &before);
    let approver: Arc<dyn Approver> = if console.terminal() {
        Arc::new(Terminal::new(live.clone(), job.id.to_string()))
    } else {
        Arc::new(Nobody)
    };
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let mut hands = Hands::new(Arc::clone(&clock), Tls::platform());
    hands.outside = Outside::Told(job.root.clone());
    let files = load_files(&plan, &job.folder)?;
    let dry = matches!(how, How::Start { dry: true, .. });
    let options = SshOptions {
        passphrases: job.passphrases,
        // A dry run shows it of each host.
        virtual_: dry || reads_fact(&plan, &files, "virtual"),
        ..SshOptions::from_env()
    };
    let ssh = SshTransport::new(options);
    reach::add_all(&mut hands, &plan, &job.secrets, &job.root, &job.id, &job.ssh, ssh)?;
    let (send, signals) = mpsc::unbounded_channel();
    let mut folders = vec![job.folder.approvals()];
    folders.extend(job.approvals.iter().cloned());
    let observer = {
        let (live, screen) = (live.clone(), console.screen.clone());
        let jsonl = console.global.output == Output::Jsonl;
        Box::new(move |stamped: &crate::run::event::Stamped, _: &crate::run::Run| {
            if jsonl && let Ok(line) = serde_json::to_string(stamped) {
                screen.data(&format!("{line}\n"));
            }
            live.event(stamped);
        })
    };
    let setup = Setup {
        files,
        plan: Arc::clone(&plan),
        digest: job.digest,
        id: job.id,
        folder: job.folder.clone(),
        journal,
        secrets: job.secrets,
        redactor: job.redactor,
        hands,
        approver,
        clock,
        operator: console.operator(),
        controller: controller(),
        freezes: job.freezes,
        former_ms: job.former_ms,
        approval_folders: folders,
        observer,
        signals,
    };
    let done = runtime.block_on(async {
        let told = live.clone();
        let over = move |nth: u32| {
            let words = match nth {
                1 => "the deadline is reached, which counts as a signal",
                _ => {
                    "the grace after the deadline is over, which counts as a second signal: what still runs is stopped"
                }
            };
            told.say(Tone::Warn, words);
        };
        let _listening = signals::listen(send, job.deadline, over);
        match how {
            How::Start { dry, approvals } => engine::start(setup, dry, approvals).await,
            How::Resume { records, how } => engine::resume(setup, records, how).await,
            How::Clean { records } => engine::clean(setup, records).await,
        }
    });
    live.end();
    crash::here(Moment::Reporting);
    if fresh && let Err(EngineError::Refused { .. }) = &done {
        // It never began: there is nothing to show of it.
        return done.map_err(engine_problem).map(|outcome| outcome.exit);
    }
    // Whatever the engine said, what the journal holds is shown.
    let shown = finish(&job.folder, &job.approvals, console);
    let outcome = done.map_err(engine_problem)?;
    shown?;
    Ok(outcome_code(&outcome))
}

/// As many descriptors as the machine lets us have, within reason: each host needs a few.
fn raise_descriptors() -> Result<(), Problem> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS);
    if most < FEWEST_DESCRIPTORS {
        return Err(Problem::fault(
            format!("pitstop may open {most} files at a time, and needs {FEWEST_DESCRIPTORS}"),
            "raise the hard limit: `ulimit -Hn`, limits.conf, or `LimitNOFILE=` of the service",
        ));
    }
    if now.current.is_some_and(|current| current < most) {
        let raised = Rlimit {
            current: Some(most),
            maximum: now.maximum,
        };
        // Where it is not allowed, sessions take turns.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    Ok(())
}

fn outcome_code(outcome: &Outcome) -> u8 {
    outcome.exit
}

fn engine_problem(error: EngineError) -> Problem {
    let help = error.help();
    match error {
        EngineError::Refused { why, .. } => Problem::refused(why, help),
        EngineError::Journal(error) => error.into(),
        other @ EngineError::Bug => Problem::fault(other.to_string(), help),
    }
}

/// Copies the files that the plan names into the run's folder.
///
/// # Errors
/// When the disk fails.
pub fn keep_files(files: &BTreeMap<String, Vec<u8>>, folder: &RunFolder) -> Result<(), Problem> {
    for bytes in files.values() {
        kept::keep(&folder.files(), bytes)?;
    }
    Ok(())
}

/// The files that the plan names, from the run's folder.
///
/// # Errors
/// When one is not there as it was planned.
pub fn load_files(plan: &Plan, folder: &RunFolder) -> Result<BTreeMap<String, Arc<Content>>, Problem> {
    let mut files = BTreeMap::new();
    for (path, file) in &plan.files {
        let bytes = kept::load(&folder.files(), &file.digest, file.bytes)?;
        files.insert(path.clone(), Arc::new(bytes.into()));
    }
    Ok(files)
}

/// Report, what is owed, what may come next.
fn finish(folder: &RunFolder, approvals: &[PathBuf], console: &Console) -> Result<(), Problem> {
    let stored = Stored::open(folder.clone())?;
    copy_approvals(&stored, approvals)?;
    let name = stored.name(console);
    let (owed, next) = (stored.owed(), stored.next(&name));
    let (ended, dry, head) = (stored.run.ended, stored.run.dry, stored.read.head.clone());
    let rehearsal = stored.plan.rehearsal;
    // The facts of a large run and what is written of them are not held at one time.
    let record = former::whole(stored, console);
    views::write_all(folder, &record)?;
    let screen = &console.screen;
    screen.note("");
    if let Some(rest) = foreseen::section(&record) {
        screen.note(&page::section(&rest, screen.width()));
    }
    if let Some((verdict, exit)) = ended {
        let summary = crate::text::terminal(&record.outcome.summary);
        let said = words::verdict_sentence(verdict, exit, dry, rehearsal);
        let word = screen.paint(words::verdict_tone(verdict), verdict.as_str());
        screen.say(&format!("{word}  {said} (exit {exit})"));
        if !summary.is_empty() {
            screen.note(&summary);
        }
        if !dry {
            objectives(&record, verdict, console);
        }
    }
    if owed.is_empty() {
        screen.note("Left behind: nothing.");
    } else {
        screen.say(&screen.paint(Tone::Warn, "Owed:"));
        owed::lines(&owed).iter().for_each(|line| screen.say(line));
    }
    screen.note(&format!("Report: {}", folder.report().join("report.html").display()));
    screen.note(&format!(
        "Chain head: {} after {} records",
        head.hash.hex(),
        head.records
    ));
    for (command, what) in next {
        screen.say(&format!("next: {command}   # {what}"));
    }
    Ok(())
}

/// Each objective with what it came to; of a run that can go on an objective is not missed yet.
fn objectives(record: &ChangeRecord, verdict: Verdict, console: &Console) {
    let goes_on = matches!(verdict, Verdict::Waiting | Verdict::Stopped);
    for o in &record.objectives {
        let actual = o.actual_ms.map_or("not known".to_owned(), duration);
        let (tone, word) = match o.met {
            true => (Tone::Good, "met".to_owned()),
            false if goes_on && o.actual_ms.is_none() => (Tone::Dim, "open".to_owned()),
            false => (Tone::Bad, format!("missed ({})", crate::text::terminal_line(&o.why))),
        };
        let name = crate::text::terminal_line(&o.name);
        let word = console.screen.paint(tone, &word);
        console.screen.say(&format!(
            "Objective {name}: {actual} of at most {}, {word}",
            duration(o.max_ms)
        ));
    }
}

/// Approvals that counted and lie elsewhere come into the run's folder: it alone is then proof.
fn copy_approvals(stored: &Stored, folders: &[PathBuf]) -> Result<(), Problem> {
    let mut counted: Vec<&str> = Vec::new();
    for fact in &stored.read.facts {
        let answers: &[Answer] = match &fact.event {
            Event::Started { approvals, .. } => approvals,
            Event::Resumed { overrides, .. } => overrides,
            Event::GateAnswered { answer, .. } => std::slice::from_ref(answer),
            _ => continue,
        };
        counted.extend(answers.iter().map(|a| a.statement.as_str()));
    }
    let home = stored.folder.approvals();
    let (there, _) = approval::scan(&[&home]);
    let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let (elsewhere, _) = approval::scan(&paths);
    for found in elsewhere {
        let nonce = &found.statement.nonce;
        let here = there.iter().any(|a| a.statement.nonce == *nonce);
        if here || !counted.contains(&nonce.as_str()) {
            continue;
        }
        let Some(name) = found.file.file_name().map(|n| n.to_string_lossy().into_owned()) else {
            continue;
        };
        for end in ["", ".sig"] {
            let from = found.file.with_file_name(format!("{name}{end}"));
            let bytes = std::fs::read(&from).map_err(|e| disk::Fault::new("copy the approval", &from, e))?;
            disk::write_atomic(&home.join(format!("{name}{end}")), &bytes)?;
        }
    }
    Ok(())
}
