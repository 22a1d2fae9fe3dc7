//! The store fails at its N-th operation, for every N of a run of five hosts and ten steps, in every way a disk can: then the run
//! goes on with a good store. Hosts are scripted: they outlive the process, and know what was begun on them.
//!
//! One host fails at a step and goes back, so the way back is cut at every operation too.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pitstop::action::Hands;
use pitstop::clock::{Clock, RealClock};
use pitstop::engine::gate::Nobody;
use pitstop::engine::{self, EngineError, Outcome, Resume, Setup};
use pitstop::http::Tls;
use pitstop::id::{HostName, RunId};
use pitstop::inventory::facts::Facts;
use pitstop::journal::store::{RunFolder, Store};
use pitstop::journal::{self, JOURNAL, Journal, Medium};
use pitstop::plan::Plan;
use pitstop::run::Run;
use pitstop::run::event::{Event, Outcome as Ended, Stamped};
use pitstop::secret::Redactor;
use pitstop::transport::script::{Answer, Matches, ScriptTransport, World};
use regex::Regex;
use tokio::sync::{Notify, mpsc};

use crate::figures;
use crate::room::{Room, endpoint};

const HOSTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STEPS: usize = 10;
/// The size of what a disk writes or loses at once.
const BLOCK: usize = 512;
/// Why a run cannot be resumed of which nothing was durable.
const NEVER: &str = "never began";
/// No process of this test may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A write says that there is no room, and has written nothing.
    Full,
    /// A write says so, and has written a part.
    Short,
    /// A write or a sync says that the device is broken.
    Broken,
    /// The process ends at the operation, with half of it done.
    Abort,
    /// The power goes: of what was not synced any blocks are lost, in any order.
    PowerLoss,
    /// The same, on a disk that says "synced" and has not: the control.
    Lying,
}

/// The disk under the journal. What is written goes to the real file; what of it is durable is known here.
struct Disk {
    inner: Box<dyn Medium>,
    kind: Kind,
    /// Operations until it fails.
    left: usize,
    state: Arc<Mutex<State>>,
    died: Arc<Notify>,
}

#[derive(Default)]
struct State {
    failed: bool,
    /// Length of the file; the part of it that is durable.
    written: usize,
    durable: usize,
}

impl Disk {
    /// Counts an operation; true: it fails.
    fn due(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.state.lock().unwrap().failed = true;
            if matches!(self.kind, Kind::Abort | Kind::PowerLoss | Kind::Lying) {
                self.died.notify_one();
            }
        }
        self.left == 0
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)?;
        self.state.lock().unwrap().written += bytes.len();
        Ok(())
    }

    fn refuses(&self) -> io::Result<()> {
        // Whoever uses a disk again that has failed is told the same; the checks below see that nobody does.
        Err(io::Error::other("the disk has failed before"))
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.refuses()?;
        }
        if !self.due() {
            self.put(bytes)?;
            return Ok(bytes.len());
        }
        let kind = match self.kind {
            Kind::Full => io::ErrorKind::StorageFull,
            Kind::Short => {
                self.put(&bytes[..bytes.len() * 2 / 3])?;
                io::ErrorKind::StorageFull
            }
            Kind::Broken => io::ErrorKind::Other,
            Kind::Abort => {
                self.put(&bytes[..bytes.len() / 2])?;
                io::ErrorKind::Other
            }
            Kind::PowerLoss | Kind::Lying => {
                self.put(bytes)?;
                io::ErrorKind::Other
            }
        };
        Err(io::Error::from(kind))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Disk {
    fn sync(&mut self) -> io::Result<()> {
        if self.left == 0 {
            self.refuses()?;
        }
        if self.due() {
            return Err(io::Error::other("EIO"));
        }
        let mut state = self.state.lock().unwrap();
        if self.kind != Kind::Lying {
            state.durable = state.written;
        }
        Ok(())
    }
}

/// Small and good enough.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What is on the disk after the power came back: what was synced, and of the rest any blocks.
fn power_loss(folder: &RunFolder, durable: usize, dice: &mut Dice) {
    let path = folder.path().join(JOURNAL);
    let mut bytes = std::fs::read(&path).unwrap();
    // The length may have been written before the blocks, or only a part of it.
    let keep = durable + usize::try_from(dice.below((bytes.len() - durable) as u64 + 1)).unwrap();
    if dice.below(2) == 0 {
        bytes.truncate(keep);
    }
    let first = durable / BLOCK;
    for block in first..bytes.len().div_ceil(BLOCK) {
        if dice.below(3) == 0 {
            let end = ((block + 1) * BLOCK).min(bytes.len());
            bytes[(block * BLOCK).max(durable)..end].fill(0);
        }
    }
    std::fs::write(&path, bytes).unwrap();
}

fn runbook() -> String {
    let step = |n: usize| {
        format!(
            "      - id: s{n}\n        name: Step {n}\n        run: do-{n} {{{{ host.name }}}}\n        undo:\n          - name: Back {n}\n            run: undo-{n} {{{{ host.name }}}}\n"
        )
    };
    let steps: String = (1..=STEPS).map(step).collect();
    format!(
        "schema: 1\nrunbook: r\ntitle: Fifty steps\nkind: change\ntargets: {{ web: {{ select: \"group=all\" }} }}\nrollouts:\n  careful: {{ batches: [1, \"100%\"], parallel: 4, max_fail: 1 }}\nphases:\n  - phase: web\n    title: Web\n    targets: web\n    rollout: careful\n    on_failure: rollback_host\n    drain:\n      - {{ id: out, name: Out, run: \"out {{{{ host.name }}}}\" }}\n    steps:\n{steps}    verify:\n      - {{ id: good, name: Good, run: \"good {{{{ host.name }}}}\" }}\n    undrain:\n      - {{ id: in, name: In, run: \"in {{{{ host.name }}}}\" }}\n"
    )
}

/// Hosts that do what they are told; one of them fails at its seventh step.
fn world() -> Arc<World> {
    let answer = |text: &str, rc| Answer {
        on: "*".to_owned(),
        matches: Matches::Text(Regex::new(text).unwrap()),
        rc: Some(rc),
        stdout: "said\n".to_owned(),
        stderr: String::new(),
        status: 200,
        after: Duration::from_millis(1),
        then: None,
        away: None,
        times: None,
    };
    let facts = HOSTS.iter().map(|host| {
        let facts = Facts {
            latch: true,
            ..Facts::default()
        };
        (HostName::new(*host), facts)
    });
    World::new(vec![answer("^do-7 d$", 3), answer(".", 0)], facts.collect())
}

/// One run over one world.
struct Life {
    plan: Arc<Plan>,
    world: Arc<World>,
    folder: RunFolder,
    id: RunId,
    _state: tempfile::TempDir,
}

/// How a process ended.
enum Process {
    Done(Result<Outcome, EngineError>),
    Died,
}

impl Life {
    fn new(plan: &Arc<Plan>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let id = RunId::new(RealClock.now(), [1, 2, 3, 4, 5, 6]);
        let bytes = pitstop::canon::to_string(plan.as_ref()).unwrap();
        let folder = Store::at(state.path().join("state"))
            .create_run(&id, bytes.as_bytes())
            .unwrap();
        Self {
            plan: Arc::clone(plan),
            world: world(),
            folder,
            id,
            _state: state,
        }
    }

    /// A process over this journal; with records it resumes.
    fn process(&self, journal: Journal, records: Option<Vec<journal::Record>>, died: &Notify) -> Process {
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let mut hands = Hands::new(Arc::clone(&clock), Tls::platform());
        let transport = Arc::new(ScriptTransport::new(Arc::clone(&self.world), Arc::clone(&clock)));
        for host in HOSTS.iter().chain(&["controller"]) {
            hands.add(Arc::clone(&transport) as _, endpoint(host, &self.id));
        }
        let (_keep, signals) = mpsc::unbounded_channel();
        let setup = Setup {
            plan: Arc::clone(&self.plan),
            digest: self.plan.digest().unwrap(),
            id: self.id.clone(),
            folder: self.folder.clone(),
            journal,
            files: BTreeMap::new(),
            secrets: BTreeMap::new(),
            redactor: Redactor::default(),
            hands,
            approver: Arc::new(Nobody),
            clock,
            operator: "tess".to_owned(),
            controller: "here".to_owned(),
            freezes: Vec::new(),
            former_ms: BTreeMap::new(),
            approval_folders: Vec::new(),
            observer: Box::new(|_, _| {}),
            signals,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let work = async {
                match records {
                    None => engine::start(setup, false, Vec::new()).await,
                    Some(records) => engine::resume(setup, records, Resume::default()).await,
                }
            };
            tokio::select! {
                biased;
                () = died.notified() => Process::Died,
                done = tokio::time::timeout(LIMIT, work) => Process::Done(done.expect("the run stands still")),
            }
        })
    }

    /// A first process, on a disk that fails at its `nth` operation.
    fn first(&self, kind: Kind, nth: usize) -> (Process, State) {
        let (state, died) = (Arc::<Mutex<State>>::default(), Arc::new(Notify::new()));
        let (of_disk, notify) = (Arc::clone(&state), Arc::clone(&died));
        let wrap = move |inner| -> Box<dyn Medium> {
            Box::new(Disk {
                inner,
                kind,
                left: nth,
                state: of_disk,
                died: notify,
            })
        };
        let journal = Journal::create_on(self.folder.path(), RealClock.now(), Box::new(wrap)).unwrap();
        let process = self.process(journal, None, &died);
        let state = std::mem::take(&mut *state.lock().unwrap());
        (process, state)
    }

    /// A further process, on a good disk.
    fn resume(&self) -> Result<Outcome, String> {
        let opened = Journal::open(self.folder.path(), RealClock.now()).map_err(|e| e.to_string())?;
        if opened.read.facts.is_empty() {
            return Err(NEVER.to_owned());
        }
        match self.process(opened.journal, Some(opened.read.into_records()), &Notify::new()) {
            Process::Done(done) => done.map_err(|e| e.to_string()),
            Process::Died => unreachable!("nobody kills it"),
        }
    }

    fn facts(&self) -> Vec<Stamped> {
        journal::read(self.folder.path()).unwrap().facts
    }

    /// How often each change was begun on its host.
    fn begun(&self) -> BTreeMap<String, usize> {
        let mut begun = BTreeMap::new();
        for said in self.world.said() {
            if said.text != "connect" && !said.text.starts_with("good") {
                *begun.entry(said.text).or_default() += 1;
            }
        }
        begun
    }

    fn states(&self) -> BTreeMap<String, String> {
        let run = Run::fold(&self.facts());
        let lines = run.phases["web"].lines.iter();
        let state = |l: &pitstop::run::Line| l.ended.map_or("none", |s| s.as_str()).to_owned();
        lines.map(|(host, line)| (host.to_string(), state(line))).collect()
    }
}

/// What came of all the failures.
#[derive(Debug, Default)]
struct Tally {
    failures: usize,
    doubles: usize,
    lost: usize,
    /// Why runs could not go on.
    stuck: Vec<String>,
}

/// The run on a good disk: what every other must come to.
struct Wanted {
    plan: Arc<Plan>,
    outcome: Outcome,
    states: BTreeMap<String, String>,
    begun: BTreeMap<String, usize>,
}

impl Wanted {
    fn new() -> Self {
        let room = Room::new(&HOSTS);
        let hosts: String = HOSTS
            .iter()
            .map(|h| format!("  {h}: {{ transport: local }}\n"))
            .collect();
        let all = HOSTS.join(", ");
        room.file(
            "inventory.yml",
            &format!("schema: 1\nhosts:\n{hosts}groups:\n  all: [{all}]\n"),
        );
        let plan = Arc::new(room.plan(&runbook(), &[]));
        let good = Life::new(&plan);
        let (Process::Done(Ok(outcome)), _) = good.first(Kind::Full, usize::MAX) else {
            panic!("the run does not end on a good disk");
        };
        let (states, begun) = (good.states(), good.begun());
        assert_eq!(
            (states["d"].as_str(), states["e"].as_str()),
            ("rolled_back", "ok"),
            "{states:?}"
        );
        assert!(begun.values().all(|n| *n == 1), "{begun:?}");
        Self {
            plan,
            outcome,
            states,
            begun,
        }
    }

    /// The store fails in this way at its `nth` operation, and the run goes on with a good one. False: there are fewer.
    fn life(&self, kind: Kind, nth: usize, dice: &mut Dice, tally: &mut Tally) -> bool {
        let life = Life::new(&self.plan);
        let (process, state) = life.first(kind, nth);
        if !state.failed {
            return false;
        }
        tally.failures += 1;
        let context = || format!("{kind:?} at operation {nth}");
        if let Process::Done(Ok(outcome)) = &process {
            panic!("{}: the run ended {outcome:?} on a disk that had failed", context());
        }
        if matches!(kind, Kind::PowerLoss | Kind::Lying) {
            power_loss(&life.folder, state.durable, dice);
        }
        // Nothing was begun whose intent was not durable.
        let before = life.begun();
        let intended = intents(&life);
        tally.lost += before.keys().filter(|text| !intended.contains_key(*text)).count();
        match life.resume() {
            Ok(outcome) => {
                let after = life.begun();
                tally.doubles += after.values().filter(|n| **n > 1).count();
                if kind != Kind::Lying {
                    assert_eq!(outcome, self.outcome, "{}", context());
                    assert_eq!(life.states(), self.states, "{}", context());
                    assert_eq!(after, self.begun, "{}", context());
                    books(&life, &after);
                }
            }
            // Before the first record is durable there is no run, and nothing was touched.
            Err(why) if why == NEVER => assert!(before.is_empty() || kind == Kind::Lying, "{}", context()),
            Err(why) => tally.stuck.push(format!("{}: {why}", context())),
        }
        true
    }
}

/// The intents that a journal has, by what was sent.
fn intents(life: &Life) -> BTreeMap<String, usize> {
    let mut intended = BTreeMap::new();
    for fact in life.facts() {
        if let Event::Intended { call, .. } = fact.event {
            *intended.entry(call).or_default() += 1;
        }
    }
    intended
}

/// The journal has one end for what each host began, and verifies.
fn books(life: &Life, begun: &BTreeMap<String, usize>) {
    let mut calls = BTreeMap::new();
    let mut ends: BTreeMap<String, Vec<Ended>> = BTreeMap::new();
    for fact in life.facts() {
        match fact.event {
            Event::Intended { key, call, .. } => drop(calls.insert(key, call)),
            Event::Settled { key, outcome, .. } => ends.entry(calls[&key].clone()).or_default().push(outcome),
            _ => {}
        }
    }
    for text in begun.keys() {
        let wanted = if text == "do-7 d" { Ended::Failed } else { Ended::Ok };
        assert_eq!(ends.get(text), Some(&vec![wanted]), "{text}");
    }
    let checked = journal::verify::verify(&life.folder, []).unwrap();
    assert!(checked.good(), "{checked:?}");
}

/// The store fails at its first operation, at its second, and so on, until a run comes to its end before: in one of these ways
/// each, and in all of them where `PITSTOP_FAULTS=all` (the soak).
fn no_failure_costs_anything(kinds: &[Kind], name: &str) {
    let seed = figures::seed();
    let (wanted, mut tally, mut dice) = (Wanted::new(), Tally::default(), Dice(seed));
    let all = std::env::var("PITSTOP_FAULTS").is_ok_and(|v| v == "all");
    for nth in 1.. {
        let turn = (nth + usize::try_from(seed % 7).unwrap()) % kinds.len();
        let now = if all { kinds } else { &kinds[turn..=turn] };
        if !now.iter().all(|kind| wanted.life(*kind, nth, &mut dice, &mut tally)) {
            assert!(nth > 100, "only {nth} operations");
            break;
        }
    }
    assert_eq!((tally.doubles, tally.lost), (0, 0), "seed {seed}: {tally:?}");
    assert!(tally.stuck.is_empty(), "seed {seed}: {:#?}", tally.stuck);
    figures::print(
        &format!("store fails at every operation of 5 hosts x 10 steps ({name}): not resumed, begun twice, lost"),
        format!("0 in {} failures", tally.failures),
        Some(seed),
    );
}

#[test]
fn p8_a_store_that_fails_at_any_operation_of_a_run_costs_nothing() {
    no_failure_costs_anything(&[Kind::Full, Kind::Short, Kind::Broken], "ENOSPC, short write, EIO");
}

#[test]
fn p2_a_process_or_a_power_supply_that_dies_at_any_operation_of_a_run_costs_nothing() {
    no_failure_costs_anything(&[Kind::Abort, Kind::PowerLoss], "abort, power loss");
}

#[test]
fn control_on_a_disk_that_lies_about_syncs_a_power_loss_costs_something() {
    let (wanted, mut tally, mut dice) = (Wanted::new(), Tally::default(), Dice(figures::seed()));
    for nth in (10..200).step_by(10) {
        wanted.life(Kind::Lying, nth, &mut dice, &mut tally);
        if tally.lost + tally.doubles > 0 {
            println!("found at operation {nth}: {tally:?}");
            return;
        }
    }
    panic!("a disk without syncs loses nothing: the suite proves nothing");
}
