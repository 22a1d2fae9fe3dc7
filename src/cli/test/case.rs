//! One case, run: the same engine, journal and actions as a real run, over scripted hosts in simulated time.
//!
//! Owns: the processes of a case, one after another, and its folder. Must not: judge what came of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, mpsc};

use super::bound::{self, Shared};
use super::people::{People, Said as SaidByPeople};
use super::signals::Sender;
use crate::action::Hands;
use crate::canon;
use crate::cli::execute::{keep_files, load_files};
use crate::cli::problem::Problem;
use crate::clock::{Clock, SimulatedClock, simulated_runtime};
use crate::disk;
use crate::engine::{self, EngineError, Resume, Setup};
use crate::id::{HostName, RunId};
use crate::journal::store::{RunFolder, Store};
use crate::journal::{self, Journal};
use crate::plan::Plan;
use crate::run::Run;
use crate::run::event::Stamped;
use crate::runbook::files::Files as _;
use crate::runbook::testfile::{Again, Case};
use crate::secret::Redactor;
use crate::transport::Endpoint;
use crate::transport::script::{self, Answer, Said, ScriptTransport, World};

/// A run that goes on for longer than this stands still.
const LONGEST: Duration = Duration::from_secs(60 * 24 * 3600);

/// The script of a case.
#[derive(Clone, Default)]
pub struct Script {
    /// What hosts answer.
    pub answers: Vec<Answer>,
    /// The run that it was taken from.
    pub run: Option<RunId>,
    /// When that run began.
    pub began: Option<Timestamp>,
    /// What people said in it.
    pub approvals: Vec<crate::runbook::testfile::Approval>,
    /// What hosts said about themselves in it.
    pub facts: std::collections::BTreeMap<HostName, crate::inventory::facts::Facts>,
}

/// What came of a case.
pub struct Ran {
    /// Its plan.
    pub plan: Plan,
    /// Everything that happened.
    pub events: Vec<Stamped>,
    /// The same, folded.
    pub run: Run,
    /// The exit code of the last process; `None`: it was killed.
    pub exit: Option<u8>,
    /// When the first process began.
    pub began: Timestamp,
    /// When the last one ended.
    pub ended: Timestamp,
    /// What was sent to hosts.
    pub said: Vec<Said>,
    /// What of it had no answer.
    pub strays: Vec<Said>,
    /// Answers, by number, that nobody gave.
    pub unused: Vec<usize>,
    /// Approvals, by number, that nobody asked for.
    pub unasked: Vec<usize>,
    /// Signals, by number, whose moment did not come.
    pub unsent: Vec<usize>,
    /// Times of `resume`, by number, that were not needed.
    pub not_resumed: usize,
    /// The run stood still: nothing was under way and time went on.
    pub stood_still: bool,
}

/// How one process ended.
enum Ended {
    Code(u8),
    Killed,
    StoodStill,
}

/// A folder that is removed with everything in it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, readable by its owner only.
    ///
    /// # Errors
    /// When the machine gives no place for it.
    pub fn new() -> Result<Self, Problem> {
        let id = crate::cli::run::fresh_id(Timestamp::now())?;
        let path = std::env::temp_dir().join(format!("pitstop-test-{id}"));
        disk::make_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's temporary folder's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a case to its end.
///
/// # Errors
/// When the machine fails.
pub fn run(shared: &Shared<'_>, case: &Case, plan: Plan, script: Script) -> Result<Ran, Problem> {
    let scratch = Scratch::new()?;
    let began = case.starts.as_ref().map(|s| s.value).or(script.began);
    let began = began.unwrap_or_else(|| bound::starts(case, &plan));
    let id = script.run.clone().unwrap_or_else(|| RunId::new(began, *b"script"));
    let folder = Store::at(scratch.0.join("state")).create_run(&id, canon::to_string(&plan)?.as_bytes())?;
    let mut files = std::collections::BTreeMap::new();
    for path in plan.files.keys() {
        let bytes = shared.room.folder.read(path);
        let bytes = bytes.map_err(|e| Problem::wrong(format!("the plan uses {path}, and {e}"), "put it back"))?;
        files.insert(path.clone(), bytes);
    }
    keep_files(&files, &folder)?;
    let mut facts = shared.facts(case, &plan);
    facts.extend(script.facts);
    let mut approvals = case.approvals.clone();
    approvals.extend(script.approvals);
    let mut stage = Stage {
        plan: Arc::new(plan),
        id,
        folder,
        world: World::new(script.answers, facts),
        people: SaidByPeople::new(approvals.len()),
        approvals,
        keys: Arc::clone(&shared.people),
        signals: Sender::new(&case.signals),
        terminal: case.terminal,
        began,
        now: began,
    };
    let mut ended = stage.process(None)?;
    let mut rest = case.resume.iter();
    while !matches!(ended, Ended::StoodStill)
        && let Some(again) = rest.next()
    {
        stage.now = add(stage.now, again.after);
        ended = stage.process(Some(again))?;
    }
    stage.over(ended, rest.count())
}

/// What outlives the processes of a run: its folder, its hosts, its people.
struct Stage {
    plan: Arc<Plan>,
    id: RunId,
    folder: RunFolder,
    world: Arc<World>,
    people: Arc<SaidByPeople>,
    approvals: Vec<crate::runbook::testfile::Approval>,
    keys: Arc<std::collections::BTreeMap<String, crate::key::Signer>>,
    signals: Arc<Sender>,
    terminal: bool,
    began: Timestamp,
    now: Timestamp,
}

impl Stage {
    /// One process, from its start to its end; the clock goes on from where the last one left it.
    fn process(&mut self, again: Option<&Again>) -> Result<Ended, Problem> {
        let opened = Journal::rehearse(self.folder.path(), self.now)?;
        if let Some(again) = again
            && !again.rollback
            && self.window_is_over(&Run::fold(&opened.read.facts))
        {
            return Ok(Ended::Code(6));
        }
        let runtime =
            simulated_runtime().map_err(|e| Problem::fault(format!("cannot start: {e}"), "free some memory"))?;
        let end = Arc::new(Mutex::new(self.now));
        let killed = Arc::new(Notify::new());
        let done = runtime.block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::starting(self.now));
            let (setup, records) = self.setup(&clock, opened, &killed)?;
            let work = async {
                match again {
                    None => engine::start(setup, false, Vec::new()).await,
                    Some(again) => {
                        let how = Resume {
                            back: again.rollback,
                            overrides: Vec::new(),
                        };
                        engine::resume(setup, records, how).await
                    }
                }
            };
            let ended = tokio::select! {
                biased;
                () = killed.notified() => Ok(Ended::Killed),
                done = work => code(done),
                () = clock.sleep(LONGEST) => Ok(Ended::StoodStill),
            };
            *end.lock().unwrap_or_else(PoisonError::into_inner) = clock.now();
            ended
        });
        // Whatever a killed process had under way ends with its runtime; the hosts go on.
        drop(runtime);
        self.now = *end.lock().unwrap_or_else(PoisonError::into_inner);
        done
    }

    fn setup(
        &self,
        clock: &Arc<dyn Clock>,
        opened: journal::Opened,
        killed: &Arc<Notify>,
    ) -> Result<(Setup, Vec<journal::Record>), Problem> {
        let secrets = bound::secrets(&self.plan);
        let redactor = Redactor::new(secrets.iter().map(|(name, secret)| (name.as_str(), secret)))
            .map_err(|e| Problem::wrong(e.to_string(), e.help()))?;
        let digest = self.plan.digest()?;
        let mut hands = Hands::answered_by(
            Arc::clone(clock),
            script::client(Arc::clone(&self.world), Arc::clone(clock)),
        );
        let transport = Arc::new(ScriptTransport::new(Arc::clone(&self.world), Arc::clone(clock)));
        let here = crate::cli::reach::here(&self.id);
        hands.add(Arc::clone(&transport) as _, here.clone());
        for host in self.plan.hosts.iter().filter(|h| !h.name.is_controller()) {
            // No key, bastion or ssh config of the operator matters to a host that is not there.
            let endpoint = Endpoint {
                host: host.name.clone(),
                address: host.address.clone(),
                user: host.user.clone(),
                connect_timeout: host
                    .connect_timeout_ms
                    .map_or(here.connect_timeout, Duration::from_millis),
                ..here.clone()
            };
            hands.add(Arc::clone(&transport) as _, endpoint);
        }
        let (send, signals) = mpsc::unbounded_channel();
        let setup = Setup {
            files: load_files(&self.plan, &self.folder)?,
            plan: Arc::clone(&self.plan),
            digest: digest.clone(),
            id: self.id.clone(),
            folder: self.folder.clone(),
            journal: opened.journal,
            redactor,
            hands,
            approver: Arc::new(People {
                approvals: self.approvals.clone(),
                said: Arc::clone(&self.people),
                present: self.terminal,
                clock: Arc::clone(clock),
                folder: self.folder.clone(),
                run: self.id.clone(),
                plan: digest,
                policy: self.plan.policy.clone(),
                keys: Arc::clone(&self.keys),
            }),
            clock: Arc::clone(clock),
            operator: "operator-of-the-test".to_owned(),
            controller: HostName::controller().to_string(),
            // A freeze would refuse the start of a test; what a calendar says today is not a matter of the runbook.
            freezes: Vec::new(),
            // Nor is what other runs took.
            former_ms: Default::default(),
            approval_folders: vec![self.folder.approvals()],
            observer: self.signals.observer(self.began, clock, send, killed),
            signals,
            secrets,
        };
        Ok((setup, opened.read.into_records()))
    }

    /// As `resume` refuses: outside the window nothing goes forward.
    fn window_is_over(&self, run: &Run) -> bool {
        self.plan.window.as_ref().is_some_and(|window| {
            let opens = window.start.or(run.started).unwrap_or(self.began);
            run.backwards.is_none() && self.now >= add(opens, Duration::from_millis(window.duration_ms))
        })
    }

    fn over(self, ended: Ended, not_resumed: usize) -> Result<Ran, Problem> {
        if let Some(why) = self.people.fault() {
            return Err(Problem::fault(
                format!("an approval of the test cannot be made: {why}"),
                "look at the temporary folder",
            ));
        }
        let read = journal::read(self.folder.path())?;
        let events: Vec<Stamped> = read.facts;
        Ok(Ran {
            run: Run::fold(&events),
            events,
            exit: match ended {
                Ended::Code(code) => Some(code),
                Ended::Killed | Ended::StoodStill => None,
            },
            began: self.began,
            ended: self.now,
            said: self.world.said(),
            strays: self.world.strays(),
            unused: self.world.unused(),
            unasked: self.people.unused(),
            unsent: self.signals.unsent(),
            not_resumed,
            stood_still: matches!(ended, Ended::StoodStill),
            plan: Arc::unwrap_or_clone(self.plan),
        })
    }
}

fn code(done: Result<engine::Outcome, EngineError>) -> Result<Ended, Problem> {
    match done {
        Ok(outcome) => Ok(Ended::Code(outcome.exit)),
        Err(EngineError::Refused { .. }) => Ok(Ended::Code(6)),
        Err(EngineError::Journal(error)) => Err(error.into()),
        Err(error @ EngineError::Bug) => Err(Problem::fault(error.to_string(), error.help())),
    }
}

fn add(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
