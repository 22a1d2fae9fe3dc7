//! The loop: next → record the intent → perform → record the outcome → apply → show.
//!
//! Owns: starting and resuming a run, and its end. Must not: decide what comes next (`run::next` does) or print.
//! The driver is the journal's single writer; everything else sends it messages.

mod ask;
mod columns;
mod drive;
mod each;
mod foresee;
mod found;
pub mod gate;
mod judge;
mod lock;
mod notice;
mod people;
mod place;
mod quiet;
mod record;
mod recover;
mod render;
mod scope;
mod several;
mod sides;
mod step;
mod task;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::action::Hands;
use crate::clock::Clock;
use crate::id::{Content, Digest, RunId};
use crate::journal::store::RunFolder;
use crate::journal::{Journal, JournalError, Record};
use crate::plan::Plan;
use crate::run::Run;
use crate::run::event::{Answer, Event, Stamped, Verdict};
use crate::run::next::{reopenings, too_late};
use crate::secret::{Redactor, Secret};

use self::drive::Driver;

/// Everything a run needs; made by the command line.
pub struct Setup {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its digest.
    pub digest: Digest,
    /// The run's id.
    pub id: RunId,
    /// The run's folder.
    pub folder: RunFolder,
    /// Its journal, locked by this process.
    pub journal: Journal,
    /// Files of the repository, from the run's own copies.
    pub files: BTreeMap<String, Arc<Content>>,
    /// Values of the plan's secrets.
    pub secrets: BTreeMap<String, Secret>,
    /// Takes them out of everything.
    pub redactor: Redactor,
    /// The hosts.
    pub hands: Hands,
    /// The person at the terminal, or nobody.
    pub approver: Arc<dyn gate::Approver>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who claims to run this.
    pub operator: String,
    /// This machine's name.
    pub controller: String,
    /// What the freeze calendars say now; only a start asks.
    pub freezes: Vec<crate::window::Freeze>,
    /// How long the slowest host of each phase took in former runs, ms; only a start asks.
    pub former_ms: BTreeMap<String, u64>,
    /// Where signed answers are looked for.
    pub approval_folders: Vec<std::path::PathBuf>,
    /// Is told of every event after it is durable.
    pub observer: Observer,
    /// Signals: the count so far, each time one comes.
    pub signals: mpsc::UnboundedReceiver<u32>,
}

/// Is told of every event after it is durable and applied.
pub type Observer = Box<dyn FnMut(&Stamped, &Run) + Send>;

/// How a process left its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The exit code.
    pub exit: u8,
}

/// How a run is resumed.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// It only goes back.
    pub back: bool,
    /// Signed overrides of the window.
    pub overrides: Vec<Answer>,
}

/// Why the engine stopped without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not now; nothing was touched.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What to do.
        help: String,
    },
    /// Nothing is under way and nothing is left to do, yet the run is not over: a bug of ours.
    #[error("the run stands still: nothing is under way and nothing follows")]
    Bug,
    /// The journal cannot be written: no step starts any more.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl EngineError {
    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Refused { help, .. } => help.clone(),
            Self::Journal(error) => error.help(),
            Self::Bug => {
                "this is a bug of pitstop: report it with the run's folder; `pitstop owed` says what is owed".to_owned()
            }
        }
    }
}

/// Starts a run.
///
/// # Errors
/// When another run holds one of its hosts (nothing was changed), or the journal fails.
pub async fn start(setup: Setup, dry: bool, approvals: Vec<Answer>) -> Result<Outcome, EngineError> {
    let started = Event::Started {
        run: setup.id.clone(),
        plan: setup.digest.clone(),
        operator: setup.operator.clone(),
        controller: setup.controller.clone(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        dry,
        approvals,
        freezes: setup.freezes.clone(),
        former_ms: setup.former_ms.clone(),
        attended: setup.approver.decides() && !dry,
    };
    let mut driver = Driver::new(setup, Run::default(), BTreeMap::new());
    driver.record(started).await?;
    if !dry {
        driver.lock_all().await?;
    }
    driver.drive().await
}

/// Closes what has ended and removes what is ours from the hosts: `owed --clean`.
///
/// # Errors
/// As [`start`].
pub async fn clean(setup: Setup, records: Vec<Record>) -> Result<Outcome, EngineError> {
    let run = Run::fold(records.iter().map(|r| &r.fact));
    let cleaning = Event::Cleaning {
        operator: setup.operator.clone(),
        controller: setup.controller.clone(),
    };
    let cut_off = run.ended.is_none();
    let mut driver = Driver::new(setup, run, BTreeMap::new());
    driver.after_a_crash = cut_off;
    driver.record(cleaning).await?;
    driver.lock_owing().await?;
    driver.recover().await?;
    driver.drive().await
}

/// Goes on with a run from its journal.
///
/// # Errors
/// As [`start`].
pub async fn resume(setup: Setup, records: Vec<Record>, how: Resume) -> Result<Outcome, EngineError> {
    let run = Run::fold(records.iter().map(|r| &r.fact));
    let openings = records
        .iter()
        .filter_map(|r| match &r.fact.event {
            Event::GateOpened { gate, .. } => Some((gate.clone(), r.hash.clone())),
            _ => None,
        })
        .collect();
    let resumed = Event::Resumed {
        operator: setup.operator.clone(),
        controller: setup.controller.clone(),
        back: how.back,
        overrides: how.overrides,
        attended: setup.approver.decides(),
    };
    let cut_off = run.ended.is_none();
    let facts: Vec<Stamped> = records.into_iter().map(|r| r.fact).collect();
    let mut driver = Driver::new(setup, run, openings);
    driver.after_a_crash = cut_off;
    driver.record(resumed).await?;
    driver.tell_what_was_left(&facts);
    drop(facts);
    if let Some(text) = too_late(&driver.setup.plan, &driver.run).filter(|_| how.back) {
        driver.record(Event::Noted { text }).await?;
    }
    driver.lock_all().await?;
    driver.recover().await?;
    for event in reopenings(&driver.setup.plan, &driver.run) {
        driver.record(event).await?;
    }
    driver.drive().await
}
