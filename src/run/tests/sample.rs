//! Small plans for the tests of the pure core.
//!
//! Owns: the builders. Must not: know what a run does with a plan.

use std::collections::BTreeMap;

use crate::id::HostName;
use crate::plan::*;

pub fn host(name: &str) -> HostName {
    HostName::new(name)
}

/// A changing command on the host itself, without undo.
pub fn step(id: &str) -> PlannedStep {
    PlannedStep {
        id: id.to_owned(),
        name: format!("does {id}"),
        call: Call::Run {
            command: format!("do {id}"),
        },
        late: false,
        when: None,
        expect: None,
        warn_unless: None,
        register: None,
        parse: None,
        for_each: None,
        params: None,
        place: Place::Own,
        once: false,
        fresh: false,
        become_user: None,
        become_true: false,
        retry: Retry {
            attempts: 1,
            delay_ms: 0,
            backoff_percent: 100,
        },
        timeout_ms: 60_000,
        ok_codes: vec![0],
        may_fail: None,
        undo: PlannedUndo::NotNeeded,
        read_only: false,
        mark: None,
        mark_start: None,
        on_unknown: OnUnknown::Ask,
        env: BTreeMap::new(),
        stdin: None,
        sensitive: false,
        evidence: Vec::new(),
        skip: None,
    }
}

/// A read-only command.
pub fn read(id: &str) -> PlannedStep {
    PlannedStep {
        read_only: true,
        ..step(id)
    }
}

impl PlannedStep {
    /// With this many undo steps, `ID/1`, `ID/2`, …
    pub fn undo(mut self, steps: usize) -> Self {
        let undo = |n: usize| step(&format!("{}/{n}", self.id));
        self.undo = PlannedUndo::Steps((1..=steps).map(undo).collect());
        self
    }

    /// With its undo steps delegated to the controller.
    pub fn undo_elsewhere(mut self) -> Self {
        self = self.undo(1);
        if let PlannedUndo::Steps(list) = &mut self.undo {
            for s in list {
                s.place = Place::Hosts(vec![HostName::controller()]);
            }
        }
        self
    }

    pub fn no_return(mut self) -> Self {
        self.undo = PlannedUndo::None("it cannot".to_owned());
        self
    }

    pub fn covered_by(mut self, id: &str) -> Self {
        self.undo = PlannedUndo::CoveredBy(id.to_owned());
        self
    }

    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    pub fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    pub fn may_fail(mut self) -> Self {
        self.may_fail = Some("known".to_owned());
        self
    }

    pub fn retry(mut self, attempts: u32, delay_ms: u64, backoff_percent: u32) -> Self {
        self.retry = Retry {
            attempts,
            delay_ms,
            backoff_percent,
        };
        self
    }

    pub fn at(mut self, hosts: &[&str]) -> Self {
        self.place = Place::Hosts(hosts.iter().map(|h| host(h)).collect());
        self
    }

    /// For each of a registered list.
    pub fn each(mut self) -> Self {
        self.for_each = Some(PlannedEach {
            items: Items::Late("{{ pre.value }}".to_owned()),
            max_items: 100,
        });
        self
    }

    pub fn when(mut self) -> Self {
        self.when = Some("results.x.changed".to_owned());
        self
    }

    pub fn upload(mut self) -> Self {
        self.call = Call::Upload {
            src: "a".to_owned(),
            dest: "/a".to_owned(),
            mode: None,
            owner: None,
            template: false,
            validate: None,
        };
        self
    }
}

/// A phase over these hosts, all at once, that rolls back hosts and bears no failure.
pub fn phase(id: &str, hosts: &[&str]) -> PlannedPhase {
    PlannedPhase {
        id: id.to_owned(),
        title: format!("phase {id}"),
        hosts: hosts.iter().map(|h| host(h)).collect(),
        rollout: PlannedRollout {
            batches: Vec::new(),
            parallel: 10,
            max_fail: Size::Count(0),
            soak_ms: 0,
            gate: None,
            apart: None,
            last: None,
        },
        when: None,
        on_failure: OnFailure::RollbackHost,
        changes: true,
        steady_state: Vec::new(),
        stages: Stages {
            precheck: Vec::new(),
            drain: Vec::new(),
            steps: Vec::new(),
            verify: Vec::new(),
            undrain: Vec::new(),
            cleanup: Vec::new(),
        },
    }
}

/// The usual life: precheck, drain, two steps with undo, verify, undrain, cleanup.
pub fn full(id: &str, hosts: &[&str]) -> PlannedPhase {
    let mut p = phase(id, hosts);
    p.stages.precheck = vec![read("pre")];
    p.stages.drain = vec![step("drain")];
    p.stages.steps = vec![step("a").undo(1), step("b").undo(2)];
    p.stages.verify = vec![read("verify")];
    p.stages.undrain = vec![step("undrain")];
    p.stages.cleanup = vec![step("clean")];
    p
}

impl PlannedPhase {
    pub fn parallel(mut self, n: u32) -> Self {
        self.rollout.parallel = n;
        self
    }

    pub fn batches(mut self, sizes: &[u32]) -> Self {
        self.rollout.batches = sizes.iter().map(|n| Size::Count(*n)).collect();
        self
    }

    pub fn max_fail(mut self, n: u32) -> Self {
        self.rollout.max_fail = Size::Count(n);
        self
    }

    pub fn on_failure(mut self, what: OnFailure) -> Self {
        self.on_failure = what;
        self
    }

    pub fn soak(mut self, ms: u64) -> Self {
        self.rollout.soak_ms = ms;
        self
    }

    pub fn gate(mut self, gate: PlannedGate) -> Self {
        self.rollout.gate = Some(gate);
        self
    }

    pub fn steps(mut self, steps: Vec<PlannedStep>) -> Self {
        self.stages.steps = steps;
        self
    }
}

pub fn gate(id: &str, otherwise: Otherwise) -> PlannedGate {
    PlannedGate {
        id: id.to_owned(),
        title: "Go on?".to_owned(),
        requirement: Requirement {
            need: 1,
            approvers: Vec::new(),
            not_operator: false,
        },
        expires_ms: 1_800_000,
        otherwise,
        show: Vec::new(),
        after_batch: AfterBatch::Each,
    }
}

pub fn window(duration_ms: u64, cutoff_ms: u64, reserve_ms: Option<u64>) -> PlannedWindow {
    PlannedWindow {
        start: None,
        duration_ms,
        cutoff_ms,
        reserve_ms,
        timezone: "UTC".to_owned(),
    }
}

pub trait Item {
    fn item(self) -> PlanItem;
}

impl Item for PlannedPhase {
    fn item(self) -> PlanItem {
        PlanItem::Phase(Box::new(self))
    }
}

impl Item for PlannedGate {
    fn item(self) -> PlanItem {
        PlanItem::Gate(self)
    }
}

pub fn plan(items: Vec<PlanItem>) -> Plan {
    Plan {
        schema: SCHEMA.to_owned(),
        language: 1,
        runbook: "sample".to_owned(),
        path: "runbooks/sample.yml".to_owned(),
        title: "A sample".to_owned(),
        owner: None,
        description: None,
        kind: Kind::Change,
        change: ChangeText::default(),
        ticket: None,
        reason: None,
        mode: None,
        params: BTreeMap::new(),
        secrets: BTreeMap::new(),
        providers: BTreeMap::new(),
        notifiers: BTreeMap::new(),
        inventory_command: None,
        silencers: BTreeMap::new(),
        silences: Vec::new(),
        notices: Vec::new(),
        hosts: Vec::new(),
        targets: BTreeMap::new(),
        window: None,
        freeze: None,
        policy: None,
        approval: None,
        steady_state: Vec::new(),
        objectives: Vec::new(),
        items,
        files: BTreeMap::new(),
        skipped: BTreeMap::new(),
        emptied: Vec::new(),
        limit: None,
        excluded: BTreeMap::new(),
        other_modes: Vec::new(),
        rehearsal: false,
        index: Default::default(),
        inventory: "inventory.yml".to_owned(),
    }
}

/// A host of the inventory with one label.
pub fn inventory_host(name: &str, label: (&str, &str)) -> PlannedHost {
    PlannedHost {
        name: host(name),
        address: name.to_owned(),
        port: None,
        transport: TransportKind::Script,
        os: "linux".to_owned(),
        user: None,
        password: None,
        identity: Vec::new(),
        known_hosts: Vec::new(),
        jump: None,
        become_method: "sudo".to_owned(),
        become_password: None,
        become_user: None,
        become_exact: false,
        shell: None,
        winrm: None,
        connect_timeout_ms: Some(1000),
        labels: [(label.0.to_owned(), label.1.to_owned())].into(),
        vars: BTreeMap::new(),
        groups: Vec::new(),
    }
}

/// A plan of one phase.
pub fn one(p: PlannedPhase) -> Plan {
    plan(vec![p.item()])
}

/// The same plan with monitoring that keeps quiet about each host (0), the whole run (1), or both.
pub fn with_silences(mut plan: Plan, which: usize) -> Plan {
    let silencer = PlannedSilencer {
        alertmanager: "http://alerts:9093".to_owned(),
        token: None,
        for_ms: 1_800_000,
    };
    plan.silencers.insert("am".to_owned(), silencer);
    let by_host: &[bool] = match which {
        0 => &[true],
        1 => &[false],
        _ => &[true, false],
    };
    let silence = |by_host: &bool| PlannedSilence {
        via: "am".to_owned(),
        matchers: BTreeMap::new(),
        by_host: *by_host,
    };
    plan.silences = by_host.iter().map(silence).collect();
    plan
}
