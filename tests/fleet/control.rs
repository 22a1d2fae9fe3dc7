//! The control of the crash test: the same drive with the latch on and off. Off, it must find a double run; on, none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pitstop::action::Hands;
use pitstop::clock::{Clock, RealClock};
use pitstop::engine::gate::Nobody;
use pitstop::engine::{self, Resume, Setup};
use pitstop::http::Tls;
use pitstop::id::{HostName, RunId};
use pitstop::journal::Journal;
use pitstop::journal::store::{RunFolder, Store};
use pitstop::plan::Plan;
use pitstop::secret::Redactor;
use pitstop::transport::{Endpoint, SshOptions, SshTransport};
use tokio::sync::mpsc;

use crate::common::sshd::Sshd;
use crate::fleet::{Fleet, code, words};

const RUNBOOK: &str = r#"schema: 1
runbook: one
title: One long step on every host
kind: change
targets:
  web: { select: "group=web" }
rollouts:
  wide: { parallel: 10 }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: wide
    on_failure: hold
    steps:
      - id: long
        name: A change that takes a while
        run: echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"; sleep 1; echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
"#;

#[test]
fn control_without_the_latch_a_crash_runs_a_changing_step_twice() {
    assert!(
        doubles(false) >= 1,
        "the crash drive finds nothing even without a latch: it proves nothing"
    );
}

#[test]
fn control_with_the_latch_the_same_crash_runs_nothing_twice() {
    assert_eq!(doubles(true), 0);
}

/// Crashes the engine while the step runs on every host, resumes, and counts hosts on which it began twice.
fn doubles(latch: bool) -> usize {
    let fleet = Fleet::start(3, "0");
    fleet.file("runbooks/one.yml", RUNBOOK);
    let planned = fleet.run(&["plan", "runbooks/one.yml", "-o", "plan.json"]);
    assert_eq!(code(planned.status), 0, "{}", words(&planned));
    let bytes = std::fs::read(fleet.path("plan.json")).unwrap();
    let plan: Plan = serde_json::from_slice(&bytes).unwrap();
    let id = RunId::new(RealClock.now(), [7; 6]);
    let folder = Store::at(fleet.path("state")).create_run(&id, &bytes).unwrap();
    let journal = Journal::create(folder.path(), RealClock.now()).unwrap();
    let first = setup(&fleet, &plan, &folder, &id, journal, latch);
    // The runtime goes away in mid-step: no goodbye to the hosts, no end in the journal.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(engine::start(first, false, Vec::new()));
    fleet.until("the step began on every host", || {
        fleet.hosts.keys().all(|h| !fleet.effects(h).is_empty())
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    let opened = Journal::open(folder.path(), RealClock.now()).unwrap();
    let second = setup(&fleet, &plan, &folder, &id, opened.journal, latch);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime
        .block_on(engine::resume(second, opened.read.into_records(), Resume::default()))
        .unwrap();
    println!(
        "latch {latch}: the resumed run ended {} (exit {})",
        outcome.verdict.as_str(),
        outcome.exit
    );
    let begun = |h: &String| fleet.effects(h).iter().filter(|e| !e.end).count();
    fleet.hosts.keys().filter(|h| begun(h) > 1).count()
}

fn setup(fleet: &Fleet, plan: &Plan, folder: &RunFolder, id: &RunId, journal: Journal, latch: bool) -> Setup {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let options = SshOptions {
        latch,
        virtual_: false,
        agent: None,
        home: Some(fleet.path("operator")),
        user: None,
        behind: 200,
        keepalive: Duration::from_secs(15),
        passphrases: std::collections::BTreeMap::new(),
    };
    let ssh = Arc::new(SshTransport::new(options));
    let mut hands = Hands::new(clock.clone(), Tls::platform());
    for (name, sshd) in &fleet.hosts {
        hands.add(ssh.clone(), endpoint(name, sshd, id));
    }
    let (_, signals) = mpsc::unbounded_channel();
    Setup {
        plan: Arc::new(plan.clone()),
        digest: plan.digest().unwrap(),
        id: id.clone(),
        folder: folder.clone(),
        journal,
        files: BTreeMap::new(),
        secrets: BTreeMap::new(),
        redactor: Redactor::default(),
        hands,
        approver: Arc::new(Nobody),
        clock,
        operator: "olga".to_owned(),
        controller: "here".to_owned(),
        freezes: Vec::new(),
        former_ms: Default::default(),
        approval_folders: Vec::new(),
        observer: Box::new(|_, _| {}),
        signals,
    }
}

fn endpoint(name: &str, sshd: &Sshd, id: &RunId) -> Endpoint {
    Endpoint {
        host: HostName::new(name),
        ..sshd.endpoint(id)
    }
}
