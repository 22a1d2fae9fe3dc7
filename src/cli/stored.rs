//! A run as it lies in its folder: plan, journal, and what they tell.
//!
//! Owns: finding and reading one, the words for what may come next. Must not: change it.

use jiff::Timestamp;

use crate::canon;
use crate::clock::{Clock as _, RealClock};
use crate::id::{Digest, HostName, RunId};
use crate::journal::store::{RunFolder, Store};
use crate::journal::{self, Read};
use crate::plan::page::{Found, Learnt, PastRun, Rollback, Undone, shown};
use crate::plan::{Plan, PlannedPhase, Value};
use crate::report::record::{ChainHead, ChangeRecord, Former, former, record, scans};
use crate::run::event::{Event, Verdict};
use crate::run::ledger::{self, Obligation, Owed};
use crate::run::next::{goes_on, within_reach};
use crate::run::objective::{self, ObjectiveResult};
use crate::run::{GateRun, GateState, Run, moved};

use super::console::Console;
use super::problem::Problem;

/// A run that was read without its lock.
pub struct Stored {
    /// Where it lies.
    pub folder: RunFolder,
    /// What it executes.
    pub plan: Plan,
    /// The plan's digest, computed from what lies in the folder.
    pub digest: Digest,
    /// The journal.
    pub read: Read,
    /// What the journal tells.
    pub run: Run,
}

impl Stored {
    /// Finds a run by (the beginning of) its id, `last`, or the path of its folder.
    ///
    /// # Errors
    /// When none or several are meant, or its plan or journal cannot be read.
    pub fn find(console: &Console, text: &str) -> Result<Self, Problem> {
        let store = console.store()?;
        if text == "last"
            && let Some(newest) = newest(&store)?
        {
            return Self::open(newest);
        }
        Self::open(store.find(text)?)
    }

    /// Reads the run in a folder.
    ///
    /// # Errors
    /// When its plan or journal cannot be read.
    pub fn open(folder: RunFolder) -> Result<Self, Problem> {
        let plan = read_plan(&folder)?;
        let digest = plan.digest()?;
        let read = journal::read(folder.path()).map_err(|fault| {
            let begun = fault.source.kind() != std::io::ErrorKind::NotFound;
            if begun {
                Problem::wrong(fault.to_string(), fault.help)
            } else {
                let what = format!("the run in {} never began: it has no journal", folder.path().display());
                Problem::wrong(what, "remove it with `pitstop runs --prune`")
            }
        })?;
        let run = Run::fold(&read.facts);
        Ok(Self {
            folder,
            plan,
            digest,
            read,
            run,
        })
    }

    /// Its id.
    pub fn id(&self) -> String {
        let of_folder = || self.folder.id().as_ref().map(RunId::to_string);
        let of_journal = self.run.id.as_ref().map(RunId::to_string);
        of_journal.or_else(of_folder).unwrap_or_default()
    }

    /// How to name it in a command: the id where it lies in the store, else the path.
    pub fn name(&self, console: &Console) -> String {
        let id = self.id();
        let at_home = console.store().ok().and_then(|s| s.find(&id).ok());
        let same = at_home.is_some_and(|f| f.path().canonicalize().ok() == self.folder.path().canonicalize().ok());
        if same {
            id
        } else {
            self.folder.path().display().to_string()
        }
    }

    /// The record of the intact part.
    pub fn record(&self) -> ChangeRecord {
        let head = ChainHead {
            events: self.read.head.records,
            hash: self.read.head.hash.to_string(),
        };
        record(&self.plan, &self.digest, &self.run, &self.read.facts, &head)
    }

    /// Its objectives, as far as they are measured.
    pub fn objectives(&self) -> Vec<ObjectiveResult> {
        if self.plan.objectives.is_empty() {
            return Vec::new();
        }
        objective::objectives(&self.plan, &moved::on_one_clock(&self.plan, &self.read.facts))
    }

    /// What it owes.
    pub fn owed(&self) -> Vec<Obligation> {
        let now = Timestamp::now();
        let mut owed = ledger::obligations(&self.plan, &self.run);
        // What ends by itself may have ended since the last event.
        owed.retain(|o| o.until.is_none_or(|until| until > now));
        owed
    }

    /// The moment of the last event.
    pub fn last(&self) -> Option<Timestamp> {
        self.read.facts.last().map(|fact| fact.at)
    }

    /// Gates that wait, with the hash of the record that opened each.
    pub fn open_gates(&self) -> Vec<(String, Digest)> {
        let open = |id: &String| self.run.gates.get(id).is_some_and(|g| g.state == GateState::Open);
        let mut found: Vec<(String, Digest)> = Vec::new();
        for (fact, hash) in self.read.records() {
            if let Event::GateOpened { gate, .. } = &fact.event {
                found.retain(|(id, _)| id != gate);
                if open(gate) {
                    found.push((gate.clone(), hash.clone()));
                }
            }
        }
        found
    }

    /// What is said about damage of the journal, if there is any.
    pub fn damage(&self) -> Option<String> {
        let damage = self.read.damage.as_ref()?;
        Some(format!(
            "record {} of the journal is damaged ({}): what follows it is not shown",
            damage.record, damage.why
        ))
    }

    /// In one word: `running`, the verdict, or `interrupted`.
    pub fn standing(&self) -> Standing {
        if let Ok(Some(holder)) = journal::holder(self.folder.path()) {
            return Standing::Running(holder.pid);
        }
        match self.run.ended {
            Some((verdict, exit)) => Standing::Ended(verdict, exit),
            None => Standing::Interrupted,
        }
    }

    /// Commands that may come next, with what they do.
    pub fn next(&self, name: &str) -> Vec<(String, &'static str)> {
        next_commands(&self.plan, &self.run, RealClock.now(), name)
    }
}

/// What former runs of a plan's runbook tell.
#[derive(Default)]
pub struct Past {
    /// The last ones, newest first, for the approver's page and the window's arithmetic; rehearsals are none of them.
    pub runs: Vec<PastRun>,
    /// When the way back of each phase was last proven.
    pub undone: Vec<Undone>,
}

/// Looks through the state directory. What cannot be read is left out: it is no part of the plan.
pub fn past(console: &Console, plan: &Plan) -> Past {
    const LOOKED_AT: usize = 50;
    const SHOWN: usize = 5;
    let mut past = Past::default();
    let Ok(store) = console.store() else { return past };
    let proven = |p: &&PlannedPhase| p.changes && !p.stages.verify.is_empty();
    let phases = plan.phases().filter(proven).count();
    for id in store.runs().unwrap_or_default().iter().rev().take(LOOKED_AT) {
        if past.runs.len() >= SHOWN && past.undone.len() >= phases {
            break;
        }
        let Ok(stored) = Stored::open(store.folder(id)) else {
            continue;
        };
        if stored.plan.runbook != plan.runbook || stored.run.dry {
            continue;
        }
        let times = journal::history::times(&stored.plan, &stored.run, &stored.read.facts);
        for phase in plan.phases().filter(proven) {
            let known = past.undone.iter().any(|u| u.phase == phase.id);
            let then = stored.plan.phase(&phase.id).filter(proven);
            if let (false, Some(back), Some(then)) = (known, times.backs.get(&phase.id), then) {
                past.undone.push(Undone {
                    phase: phase.id.clone(),
                    run: id.to_string(),
                    at: back.at,
                    slowest_ms: back.slowest_ms,
                    hosts: back.hosts.clone(),
                    rehearsal: stored.plan.rehearsal,
                    same: Plan::works_as(phase, then),
                });
            }
        }
        let took = stored.last().zip(stored.run.started);
        let ended = stored.run.ended.filter(|_| !stored.plan.rehearsal);
        if let (Some((last, first)), Some((verdict, _)), true) = (took, ended, past.runs.len() < SHOWN) {
            past.runs.push(PastRun {
                run: id.to_string(),
                verdict: verdict.as_str().to_owned(),
                duration_ms: u64::try_from(last.duration_since(first).as_millis()).unwrap_or(0),
                phases: times.phases,
                hosts: times.hosts,
                steps: times.steps,
            });
        }
    }
    past
}

/// The runs that began before this one, oldest first.
pub fn ids_before(store: Option<&Store>, run: &str) -> Vec<RunId> {
    let mut ids = store.and_then(|s| s.runs().ok()).unwrap_or_default();
    match ids.iter().position(|id| id.as_str() == run) {
        Some(own) => ids.truncate(own),
        // One that lies elsewhere.
        None => ids.retain(|id| id.as_str() < run),
    }
    ids
}

/// What the runs before this one know of the updates of the same inventory's hosts, newest first, each read when its turn comes. What
/// cannot be read is left out.
pub fn scanned_before(console: &Console, inventory: &str, run: &str) -> impl Iterator<Item = Former> {
    const LOOKED_AT: usize = 50;
    let store = console.store().ok();
    let ids = ids_before(store.as_ref(), run);
    let inventory = inventory.to_owned();
    ids.into_iter().rev().take(LOOKED_AT).filter_map(move |id| {
        let folder = store.as_ref()?.folder(&id);
        let plan = read_plan(&folder).ok()?;
        if plan.inventory != inventory || !scans(&plan) {
            return None;
        }
        let stored = Stored::open(folder).ok()?;
        Some(former(&stored.plan, &stored.read.facts))
    })
}

/// What a run found out without changing anything, for the page of a plan of the same runbook.
///
/// # Errors
/// When there is no such run, or it is of another runbook.
pub fn learnt(console: &Console, run: &str, plan: &Plan, digest: &Digest) -> Result<Learnt, Problem> {
    let stored = Stored::find(console, run)?;
    if stored.plan.runbook != plan.runbook {
        return Err(Problem::wrong(
            format!(
                "{} is a run of {}, not of {}",
                stored.id(),
                stored.plan.runbook,
                plan.runbook
            ),
            format!("make a dry run of it: pitstop run {} --dry", plan.path),
        ));
    }
    let at = stored.last();
    let age = at.map_or(0, |at| RealClock.now().duration_since(at).as_millis());
    let (mut results, mut rollback) = (Vec::new(), Vec::new());
    for fact in &stored.read.facts {
        let Event::Settled { key, outcome, result } = &fact.event else {
            continue;
        };
        let step = stored.plan.step(&key.phase, key.stage, &key.step);
        let Some(step) = step.filter(|s| s.read_only) else {
            continue;
        };
        if let (Some(Value::Map(found)), Some(host)) = (result.more.get("rollback"), &key.host) {
            let whole = |name: &str| match found.get(name) {
                Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
                _ => 0,
            };
            let missing = match found.get("missing") {
                Some(Value::List(items)) => items.iter().map(Value::plain).collect(),
                _ => Vec::new(),
            };
            rollback.push(Rollback {
                host: host.to_string(),
                possible: whole("possible"),
                of: whole("of"),
                missing,
            });
        }
        let said = match &result.value {
            Some(value) => shown(value),
            None if !result.why.is_empty() => result.why.clone(),
            None if result.more.contains_key("changes") => result
                .more
                .get("changes")
                .map(Value::plain)
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect(),
            None => result.stdout.text.lines().next().unwrap_or_default().to_owned(),
        };
        results.push(Found {
            step: format!("{}/{}", key.phase, step.id),
            host: key.host.as_ref().map_or_else(|| "once".to_owned(), ToString::to_string),
            outcome: outcome.as_str().to_owned(),
            value: if step.sensitive { "(sensitive)".to_owned() } else { said },
            took_ms: result.duration_ms,
        });
    }
    Ok(Learnt {
        run: stored.id(),
        at,
        age_ms: u64::try_from(age).unwrap_or(0),
        dry: stored.run.dry,
        same_plan: stored.digest == *digest,
        hosts: stored.run.facts.iter().map(|(h, f)| (h.clone(), f.clone())).collect(),
        results,
        rollback,
    })
}

/// The run that began last. Ids tell seconds apart; of those that began within one, the plans' files tell.
fn newest(store: &Store) -> Result<Option<RunFolder>, Problem> {
    let ids = store.runs()?;
    let second = |id: &RunId| id.as_str().get(..15).map(str::to_owned);
    let last = ids.last().and_then(second);
    let rivals = ids.iter().filter(|id| second(id) == last).map(|id| store.folder(id));
    let made = |folder: &RunFolder| std::fs::metadata(folder.plan()).and_then(|m| m.modified()).ok();
    Ok(rivals.max_by_key(made))
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A process is at work on it.
    Running(u32),
    /// Its last process ended in order.
    Ended(Verdict, u8),
    /// Its last process was cut off.
    Interrupted,
}

impl Standing {
    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running(_) => "running",
            Self::Ended(verdict, _) => verdict.as_str(),
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a person can do with a run that is not (well) over.
pub fn next_commands(plan: &Plan, run: &Run, now: Timestamp, name: &str) -> Vec<(String, &'static str)> {
    let mut list = Vec::new();
    let over = matches!(
        run.ended,
        Some((Verdict::Done | Verdict::Failed | Verdict::RolledBack, _))
    );
    let owed = ledger::obligations(plan, run);
    // A run that goes back takes no gate any more.
    let asked_for = |g: &GateRun| g.state == GateState::Open && run.backwards.is_none();
    for (gate, _) in run.gates.iter().filter(|(_, g)| asked_for(g)) {
        let command = format!("pitstop approve {name} --gate {gate} --key ~/.ssh/id_ed25519");
        list.push((command, "says yes to the gate (someone who may)"));
    }
    // After a crash the hosts were not asked yet: `resume` does, and only what they cannot tell is a person's to say.
    let asked = run.ended.is_some();
    if let Some(o) = owed.iter().find(|o| asked && o.kind == Owed::Step) {
        let host = o.host.as_ref().map_or("HOST", HostName::as_str);
        let step = o.id.rsplit_once(&format!("{host}/")).map_or("STEP", |(_, step)| step);
        let command = format!("pitstop settle {name} {host}/{step} ok|failed|rerun|skip --reason WHY");
        list.push((command, "says how an unknown step ended"));
    }
    if !over || !owed.is_empty() {
        if goes_on(plan, run, now, false) {
            let goes = match (asked, run.backwards.is_some()) {
                (true, false) => "goes on",
                (true, true) => "goes on taking back",
                (false, false) => "asks the hosts how open steps ended, and goes on",
                (false, true) => "asks the hosts how open steps ended, and goes on taking back",
            };
            list.push((format!("pitstop resume {name}"), goes));
        }
        let new_wish = asked || run.backwards.is_none();
        if within_reach(run) && new_wish && !run.dry && goes_on(plan, run, now, true) {
            list.push((
                format!("pitstop resume {name} --rollback"),
                "takes back what can be taken back",
            ));
        }
    }
    if !owed.is_empty() {
        list.push((format!("pitstop owed {name}"), "lists what is owed"));
    }
    // A run that stands keeps its locks on purpose.
    if (over || run.ended.is_none()) && owed.iter().any(|o| o.kind.is_ours()) {
        list.push((
            format!("pitstop owed --clean {name}"),
            "goes no further: closes what has ended, removes what is ours from the hosts",
        ));
    }
    list
}

/// The plan in a run's folder.
///
/// # Errors
/// When it cannot be read or is no plan.
pub fn read_plan(folder: &RunFolder) -> Result<Plan, Problem> {
    let bytes = folder
        .read_plan()
        .map_err(|f| Problem::wrong(f.to_string(), f.help.clone()))?;
    parse_plan(&bytes, &folder.plan().display().to_string())
}

/// A plan from its bytes; `name` is said where it is none.
///
/// # Errors
/// When it is no plan of a known version.
pub fn parse_plan(bytes: &[u8], name: &str) -> Result<Plan, Problem> {
    let plan: Plan = serde_json::from_slice(bytes).map_err(|error| {
        Problem::wrong(
            format!("{name} is no plan: {error}"),
            "make one: pitstop plan RUNBOOK -o FILE",
        )
    })?;
    if plan.schema != crate::plan::SCHEMA {
        let what = format!("{name} is a plan of another version ({})", plan.schema);
        return Err(Problem::wrong(what, "make it again: pitstop plan RUNBOOK -o FILE"));
    }
    Ok(plan)
}

/// A plan that is to be approved or run from a file: to the byte what pitstop wrote. The digest is that of what was read, and a
/// key that nobody knows is not read: a file with one would show people something else than what is signed and done.
///
/// # Errors
/// When it is no plan, or anything in it is not as pitstop writes it.
pub fn exact_plan(bytes: &[u8], name: &str) -> Result<Plan, Problem> {
    let plan = parse_plan(bytes, name)?;
    if canon::to_string(&plan)?.as_bytes() != bytes.strip_suffix(b"\n").unwrap_or(bytes) {
        return Err(Problem::wrong(
            format!("{name} is not as pitstop wrote it: it was changed by hand, or by another version"),
            "make it again: pitstop plan RUNBOOK -o FILE",
        ));
    }
    Ok(plan)
}
