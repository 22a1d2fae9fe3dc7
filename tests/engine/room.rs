//! A room of its own for one run: a project folder, hosts on this machine, a state directory, everything thrown away at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pitstop::action::Hands;
use pitstop::clock::{Clock, RealClock};
use pitstop::diag::{Diagnostics, Source, render};
use pitstop::engine::gate::Nobody;
use pitstop::engine::{self, Outcome, Resume, Setup};
use pitstop::http::Tls;
use pitstop::id::{HostName, RunId};
use pitstop::inventory;
use pitstop::journal::store::{RunFolder, Store};
use pitstop::journal::{self, Journal};
use pitstop::plan::Plan;
use pitstop::plan::bind::{BindInput, bind};
use pitstop::run::Run;
use pitstop::run::event::{Event, HostState, Stamped};
use pitstop::runbook::change::{self, Change};
use pitstop::runbook::check::checked;
use pitstop::runbook::files::Folder;
use pitstop::secret::Redactor;
use pitstop::transport::{ConnectError, Endpoint, LocalTransport, Pending, Privilege, Session, Transport, Way};
use tokio::sync::mpsc;

/// The room.
pub struct Room {
    pub dir: tempfile::TempDir,
    hosts: Vec<String>,
    /// Logging in to this host is a bug of ours.
    pub cursed: Option<&'static str>,
}

/// The control machine's lane, with a bug in it for one host.
struct Cursed {
    real: LocalTransport,
    host: Option<&'static str>,
}

impl Transport for Cursed {
    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        assert_ne!(Some(to.host.as_str()), self.host, "the bug");
        self.real.connect(to)
    }
}

/// What a run came to.
pub struct Ran {
    pub outcome: Result<Outcome, engine::EngineError>,
    pub folder: RunFolder,
    pub plan: Plan,
}

impl Ran {
    pub fn exit(&self) -> u8 {
        match &self.outcome {
            Ok(o) => o.exit,
            Err(e) => panic!("the engine gave up: {e}"),
        }
    }

    pub fn facts(&self) -> Vec<Stamped> {
        journal::read(self.folder.path()).unwrap().facts
    }

    pub fn run(&self) -> Run {
        Run::fold(&self.facts())
    }

    pub fn state(&self, phase: &str, host: &str) -> Option<HostState> {
        self.run().line(phase, &HostName::new(host)).and_then(|l| l.ended)
    }
}

/// Sends a signal to the run when an event matches.
pub type SignalWhen = Box<dyn Fn(&Event) -> bool + Send>;

impl Room {
    /// A project with these hosts, all of them this machine.
    pub fn new(hosts: &[&str]) -> Self {
        let room = Self {
            dir: tempfile::tempdir().unwrap(),
            hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            cursed: None,
        };
        let list: String = hosts
            .iter()
            .map(|h| {
                format!(
                    "  {h}: {{ transport: local, labels: {{ name: {h} }}, vars: {{ dir: \"{}\" }} }}\n",
                    room.host_dir(h).display()
                )
            })
            .collect();
        for h in hosts {
            std::fs::create_dir_all(room.host_dir(h)).unwrap();
        }
        room.file(
            "inventory.yml",
            &format!("schema: 1\nhosts:\n{list}groups:\n  all: [{}]\n", hosts.join(", ")),
        );
        room
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A place of its own for a host's effects.
    pub fn host_dir(&self, host: &str) -> PathBuf {
        self.path("hosts").join(host)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What the hosts noted, in order, one line an effect.
    pub fn log(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("log"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub fn plan(&self, runbook: &str, sets: &[&str]) -> Plan {
        let mut diags = Diagnostics::new();
        self.file("r.yml", runbook);
        let files = Folder::new(self.dir.path());
        let lowered = checked(&files, "r.yml", &mut diags);
        let text = std::fs::read_to_string(self.path("inventory.yml")).unwrap();
        let inventory = inventory::hosts::read(&Source::new("inventory.yml", text), &mut diags);
        let change = Change {
            parameters: sets.iter().map(|s| change::set(s).unwrap()).collect(),
            ..Change::default()
        };
        let plan = match (&lowered, &inventory) {
            (Some(runbook), Some(inventory)) => bind(
                &BindInput {
                    runbook,
                    path: "r.yml",
                    inventory,
                    change: &change,
                    policy: None,
                    providers: &BTreeMap::new(),
                    outside: &Default::default(),
                    files: &files,
                },
                &mut diags,
            ),
            _ => None,
        };
        plan.unwrap_or_else(|| panic!("{}", render::human(&diags, false, 100)))
    }

    fn setup(&self, plan: &Plan, folder: RunFolder, journal: Journal, id: RunId, when: Option<SignalWhen>) -> Setup {
        let digest = plan.digest().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let mut hands = Hands::new(clock.clone(), Tls::platform());
        let transport = Arc::new(Cursed {
            real: LocalTransport::with_home(self.path("home")),
            host: self.cursed,
        });
        std::fs::create_dir_all(self.path("home")).unwrap();
        for host in self.hosts.iter().map(String::as_str).chain(["controller"]) {
            hands.add(transport.clone(), endpoint(host, &id));
        }
        let (send, signals) = mpsc::unbounded_channel();
        let count = Arc::new(Mutex::new(0));
        Setup {
            plan: Arc::new(plan.clone()),
            digest,
            id,
            folder,
            journal,
            files: plan
                .files
                .keys()
                .map(|f| (f.clone(), Arc::new(std::fs::read(self.path(f)).unwrap().into())))
                .collect(),
            secrets: BTreeMap::new(),
            redactor: Redactor::default(),
            hands,
            approver: Arc::new(Nobody),
            clock,
            operator: "tess".to_owned(),
            controller: "here".to_owned(),
            freezes: Vec::new(),
            former_ms: Default::default(),
            approval_folders: Vec::new(),
            observer: Box::new(move |stamped, _| {
                if when.as_ref().is_some_and(|w| w(&stamped.event)) {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    send.send(*count).unwrap();
                }
                let _ = &send;
            }),
            signals,
        }
    }

    pub fn run(&self, runbook: &str) -> Ran {
        self.run_with(runbook, &[], false, None)
    }

    pub fn run_with(&self, runbook: &str, sets: &[&str], dry: bool, when: Option<SignalWhen>) -> Ran {
        let plan = self.plan(runbook, sets);
        let now = RealClock.now();
        let id = RunId::new(now, [1, 2, 3, 4, 5, u8::try_from(self.runs().len()).unwrap()]);
        let bytes = pitstop::canon::to_string(&plan).unwrap();
        let folder = self.store().create_run(&id, bytes.as_bytes()).unwrap();
        let journal = Journal::create(folder.path(), now).unwrap();
        let setup = self.setup(&plan, folder.clone(), journal, id, when);
        Ran {
            outcome: block(engine::start(setup, dry, Vec::new())),
            folder,
            plan,
        }
    }

    pub fn resume(&self, ran: Ran, back: bool) -> Ran {
        let Ran { folder, plan, .. } = ran;
        let opened = Journal::open(folder.path(), RealClock.now()).unwrap();
        let id = folder.id().unwrap();
        let setup = self.setup(&plan, folder.clone(), opened.journal, id, None);
        let how = Resume {
            back,
            overrides: Vec::new(),
        };
        Ran {
            outcome: block(engine::resume(setup, opened.read.into_records(), how)),
            folder,
            plan,
        }
    }

    fn store(&self) -> Store {
        Store::at(self.path(".pitstop"))
    }

    fn runs(&self) -> Vec<RunId> {
        self.store().runs().unwrap_or_default()
    }
}

/// A host of this room.
pub fn endpoint(host: &str, run: &RunId) -> Endpoint {
    Endpoint {
        host: HostName::new(host),
        address: "localhost".to_owned(),
        port: 0,
        user: None,
        password: None,
        identities: Vec::new(),
        known_hosts: Vec::new(),
        jump: None,
        way: Way::default(),
        privilege: Privilege::default(),
        connect_timeout: Duration::from_secs(5),
        run: run.clone(),
    }
}

pub fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            tokio::time::timeout(Duration::from_secs(60), work)
                .await
                .expect("the run stands still")
        })
}
