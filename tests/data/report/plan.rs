//! The sample plan: patch twelve web servers behind a load balancer.
//!
//! Owns: the plan. Must not: know what happened.

use std::collections::BTreeMap;

use pitstop::id::{Digest, HostName};
use pitstop::plan::*;

use super::{Texts, at, host};

fn step(id: &str, name: &str, command: &str, t: &Texts) -> PlannedStep {
    PlannedStep {
        id: id.to_owned(),
        name: t.with(name),
        call: Call::Run {
            command: t.with(command),
        },
        late: false,
        when: None,
        expect: None,
        warn_unless: None,
        register: None,
        parse: None,
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
        timeout_ms: 600_000,
        ok_codes: vec![0],
        may_fail: None,
        for_each: None,
        params: None,
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

fn reads(mut s: PlannedStep) -> PlannedStep {
    s.read_only = true;
    s.timeout_ms = 60_000;
    s
}

fn at_lb(mut s: PlannedStep, t: &Texts) -> PlannedStep {
    s.place = Place::Hosts(vec![HostName::new(t.with("lb01"))]);
    s.timeout_ms = 120_000;
    s
}

fn stages(t: &Texts) -> Stages<Vec<PlannedStep>> {
    let mut out = at_lb(
        step(
            "lb-out",
            "Take the server out of the load balancer",
            "lbctl drain {{ host.name }}",
            t,
        ),
        t,
    );
    out.mark_start = Some(PlannedMark {
        name: "first_out".to_owned(),
        at: None,
    });
    let mut back = at_lb(
        step(
            "lb-in",
            "Put the server back into the load balancer",
            "lbctl enable {{ host.name }}",
            t,
        ),
        t,
    );
    back.mark = Some(PlannedMark {
        name: "last_in".to_owned(),
        at: None,
    });
    let mut config = step("config", "Install the new TLS settings", "", t);
    config.call = Call::Upload {
        src: "files/tls.conf".to_owned(),
        dest: "/etc/nginx/conf.d/tls.conf".to_owned(),
        mode: Some(0o644),
        owner: None,
        template: false,
        validate: None,
    };
    let mut restore = step("config/1", "Put back the TLS settings that were there", "", t);
    restore.call = Call::Restore {
        step: "config".to_owned(),
        dest: "/etc/nginx/conf.d/tls.conf".to_owned(),
    };
    config.undo = PlannedUndo::Steps(vec![restore]);
    let mut upgrade = step(
        "upgrade",
        "Install the security updates",
        "apt-get -y -o Dpkg::Options::=--force-confold upgrade",
        t,
    );
    upgrade.timeout_ms = 1_200_000;
    upgrade.undo = PlannedUndo::Steps(vec![
        step(
            "upgrade/1",
            "Bring back the former packages",
            "apt-get -y --allow-downgrades install /var/stash/*.deb",
            t,
        ),
        step("upgrade/2", "Restart into the former kernel", "systemctl reboot", t),
    ]);
    let mut reboot = step("reboot", "Restart the server", "systemctl reboot", t);
    reboot.undo = PlannedUndo::CoveredBy("upgrade".to_owned());
    let mut serves = reads(step(
        "serves",
        "The shop answers within 500 ms",
        "curl -fsS --max-time 1 http://localhost/health",
        t,
    ));
    serves.retry = Retry {
        attempts: 5,
        delay_ms: 5_000,
        backoff_percent: 100,
    };
    let mut fresh = reads(step(
        "peers",
        "At least nine of twelve servers are in service",
        "lbctl count",
        t,
    ));
    fresh.fresh = true;
    Stages {
        precheck: vec![
            reads(step("space", "2 GiB are free in /var", "df --output=avail /var", t)),
            fresh,
        ],
        drain: vec![out],
        steps: vec![config, upgrade, reboot],
        verify: vec![serves, reads(step("kernel", "The new kernel runs", "uname -r", t))],
        undrain: vec![back],
        cleanup: vec![step(
            "stash-gone",
            "Remove the stashed packages",
            "rm -rf /var/stash",
            t,
        )],
    }
}

pub fn plan(t: &Texts) -> Plan {
    let web: Vec<HostName> = (1..=12).map(|n| host(n, t)).collect();
    let planned = |name: &HostName, group: &str| PlannedHost {
        name: name.clone(),
        address: format!("{name}.example.com"),
        port: Some(22),
        transport: TransportKind::Ssh,
        os: "linux".to_owned(),
        user: Some("ops".to_owned()),
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
        connect_timeout_ms: Some(15_000),
        labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        vars: BTreeMap::new(),
        groups: vec![t.with(group)],
    };
    let mut hosts: Vec<PlannedHost> = web.iter().map(|h| planned(h, "web")).collect();
    hosts.push(planned(&HostName::new(t.with("lb01")), "lb"));
    let gate = PlannedGate {
        id: "web".to_owned(),
        title: t.with("Four servers run the new kernel. Go on with the other eight?"),
        requirement: Requirement {
            need: 2,
            approvers: vec!["change-managers".to_owned(), "web-owners".to_owned()],
            not_operator: true,
        },
        expires_ms: 3_600_000,
        otherwise: Otherwise::Hold,
        show: vec!["web/serves".to_owned()],
        after_batch: AfterBatch::Nth(2),
    };
    Plan {
        schema: pitstop::plan::SCHEMA.to_owned(),
        language: 1,
        runbook: "patch-web".to_owned(),
        path: "runbooks/patch-web.yml".to_owned(),
        title: t.with("Security updates for the customer portal"),
        owner: Some(t.with("platform-web")),
        description: Some(t.with("Kernel and OpenSSL updates of December, in three growing batches.")),
        kind: Kind::Patch,
        change: ChangeText {
            type_: Some("normal".to_owned()),
            risk: Some(t.with("Moderate: the same updates ran on staging on 2 December.")),
            impact: Some(t.with("None for customers: at most four of twelve servers are away at a time.")),
            backout: Some(t.with("The former packages are stashed on each server and put back automatically.")),
            test: Some(t.with("The shop answers within 500 ms on each server before it returns.")),
        },
        ticket: Some(t.with("CHG0031337")),
        reason: Some(t.with("CVE-2026-31337 in OpenSSL, CVSS 8.1; due by 10 December.")),
        mode: None,
        params: BTreeMap::from([("ticket".to_owned(), Value::Text(t.with("CHG0031337")))]),
        secrets: BTreeMap::from([(
            "lb-token".to_owned(),
            SecretSource::Provider {
                provider: "vault".to_owned(),
                args: vec!["kv/lb".to_owned()],
            },
        )]),
        notifiers: BTreeMap::new(),
        inventory_command: None,
        silencers: BTreeMap::new(),
        silences: Vec::new(),
        notices: Vec::new(),
        providers: BTreeMap::from([(
            "vault".to_owned(),
            vec![
                "vault".to_owned(),
                "kv".to_owned(),
                "get".to_owned(),
                "-field=token".to_owned(),
            ],
        )]),
        hosts,
        targets: BTreeMap::from([("web".to_owned(), web.clone())]),
        freeze: None,
        window: Some(PlannedWindow {
            start: Some(at(0)),
            duration_ms: 2 * 3_600_000,
            cutoff_ms: 1_200_000,
            reserve_ms: None,
            timezone: "Europe/Berlin".to_owned(),
        }),
        policy: Some(PlannedPolicy {
            digest: Digest::of(b"policy"),
            approvers: BTreeMap::from([(
                "change-managers".to_owned(),
                vec!["m.santos@example.com".to_owned(), "k.berg@example.com".to_owned()],
            )]),
            allowed_signers: String::new(),
        }),
        approval: Some(Requirement {
            need: 1,
            approvers: vec!["change-managers".to_owned()],
            not_operator: true,
        }),
        steady_state: vec![reads(step(
            "portal",
            "The portal answers from outside",
            "curl -fsS https://portal.example.com/health",
            t,
        ))],
        objectives: vec![
            PlannedObjective {
                name: "work".to_owned(),
                from: "first_out".to_owned(),
                to: "last_in".to_owned(),
                max_ms: 75 * 60_000,
                less_waiting: true,
            },
            PlannedObjective {
                name: "whole night".to_owned(),
                from: "first_out".to_owned(),
                to: "last_in".to_owned(),
                max_ms: 50 * 60_000,
                less_waiting: false,
            },
        ],
        items: vec![PlanItem::Phase(Box::new(PlannedPhase {
            id: "web".to_owned(),
            title: t.with("Web servers"),
            hosts: web,
            rollout: PlannedRollout {
                batches: vec![Size::Count(1), Size::Count(3), Size::Percent(70)],
                parallel: 4,
                max_fail: Size::Count(2),
                soak_ms: 120_000,
                gate: Some(gate),
                apart: None,
                last: None,
            },
            when: None,
            on_failure: OnFailure::RollbackHost,
            changes: true,
            steady_state: Vec::new(),
            stages: stages(t),
        }))],
        files: BTreeMap::from([(
            "files/tls.conf".to_owned(),
            FileRef {
                digest: Digest::of(b"tls"),
                bytes: 3,
            },
        )]),
        skipped: BTreeMap::new(),
        emptied: Vec::new(),
        limit: None,
        rehearsal: false,
        excluded: BTreeMap::new(),
        other_modes: Vec::new(),
        index: Default::default(),
        inventory: "inventory.yml".to_owned(),
    }
}
