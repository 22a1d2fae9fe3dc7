//! The report of the updates that are missing: who lacks what, and since when, over several runs. What hosts said is written into
//! journals as a run would; a real apt is in `tests/machines/compliance.rs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pitstop::id::{HostName, RunId};
use pitstop::inventory::facts::Facts;
use pitstop::journal::Journal;
use pitstop::journal::store::Store;
use pitstop::plan::{Plan, Stage, Value};
use pitstop::report::missing;
use pitstop::report::record::{ChangeRecord, Former, HostState, Outcome, former, record};
use pitstop::run::Run;
use pitstop::run::event::{Event, Stamped, StepKey, StepResult};

use crate::room::Room;

const SHIPPED: &str = include_str!("../../runbooks/patch-compliance.yml");

/// A change that lists, installs and lists again what it had listed.
const CHANGE: &str = r#"schema: 1
runbook: patch
title: Install it
kind: change
targets: { all: { select: role=x } }
phases:
  - phase: work
    title: Work
    targets: all
    on_failure: rollback_host
    precheck:
      - { id: scan, name: List it, patch: { mode: scan }, register: pending }
    steps:
      - { id: install, name: Install it, patch: { mode: install, only: "{{ pending.ids }}", conffiles: keep } }
    verify:
      - { id: again, name: None of it is missing, patch: { mode: scan, only: "{{ pending.ids }}" }, expect: count == 0 }
"#;

fn room(hosts: &[&str]) -> (Room, Plan) {
    let room = Room::new(hosts);
    room.file(
        "p/runbooks/patch-compliance.yml",
        &SHIPPED.replace("become: true, ", ""),
    );
    let plan = planned(&room, "runbooks/patch-compliance.yml", &["--set", "select=role=x"]);
    (room, plan)
}

fn planned(room: &Room, runbook: &str, more: &[&str]) -> Plan {
    let args = [&["plan", runbook, "--format", "json"], more].concat();
    serde_json::from_str(&room.run(&args).code(0).out).unwrap()
}

fn day(n: i64) -> Timestamp {
    "2026-11-01T09:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(24 * n)
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|i| Value::Text((*i).to_owned())).collect())
}

/// What a scan says: `name old -> new (class)` each.
fn lists(lines: &[&str], held: &[&str]) -> BTreeMap<String, Value> {
    let id = |line: &&str| {
        let name = line.split(' ').next().unwrap();
        let new = line.split(" -> ").nth(1).unwrap().rsplit_once(" (").unwrap().0;
        Value::Text(format!("{name}={new}"))
    };
    BTreeMap::from([
        ("ids".to_owned(), Value::List(lines.iter().map(id).collect())),
        ("changes".to_owned(), list(lines)),
        ("held".to_owned(), list(held)),
    ])
}

/// The events of one run, one after another.
struct Told(Vec<Stamped>);

impl Told {
    fn at(at: Timestamp) -> Self {
        let mut told = Self(Vec::new());
        told.push(
            at,
            Event::Started {
                run: id(at),
                plan: pitstop::id::Digest::of(b"plan"),
                operator: "tess".to_owned(),
                controller: "here".to_owned(),
                tool: "0".to_owned(),
                dry: false,
                approvals: Vec::new(),
                freezes: Vec::new(),
                former_ms: BTreeMap::new(),
                attended: false,
            },
        );
        told
    }

    fn push(&mut self, at: Timestamp, event: Event) {
        let seq = self.0.len() as u64 + 1;
        self.0.push(Stamped { seq, at, event });
    }

    fn later(&self) -> Timestamp {
        self.0.last().unwrap().at + jiff::SignedDuration::from_secs(1)
    }

    fn machine(mut self, host: &str, machine: &str) -> Self {
        let facts = Facts {
            machine: machine.to_owned(),
            ..Facts::default()
        };
        let host = HostName::new(host);
        let facts = Box::new(facts);
        self.push(self.later(), Event::Connected { host, facts });
        self
    }

    fn step(mut self, host: &str, of: (&str, Stage, &str), outcome: Outcome, result: StepResult) -> Self {
        let key = StepKey {
            phase: of.0.to_owned(),
            stage: of.1,
            step: of.2.to_owned(),
            nth: 0,
            host: Some(HostName::new(host)),
            pass: u32::from(of.1 == Stage::Undo),
            attempt: 1,
        };
        let on = HostName::new(host);
        let changes = matches!(of.1, Stage::Steps | Stage::Undo) && of.0 == "work";
        let (call, boot) = (of.2.to_owned(), String::new());
        let intended = Event::Intended {
            key: key.clone(),
            on,
            call,
            changes,
            latched: false,
            boot,
            limit_ms: 1000,
        };
        self.push(self.later(), intended);
        let result = result.into();
        self.push(self.later(), Event::Settled { key, outcome, result });
        self
    }

    fn scan(self, host: &str, lines: &[&str]) -> Self {
        let more = lists(lines, &[]);
        self.step(
            host,
            ("scan", Stage::Steps, "all"),
            Outcome::Ok,
            StepResult {
                more,
                ..StepResult::default()
            },
        )
    }

    fn refused(mut self, host: &str, why: &str) -> Self {
        let (phase, host) = ("scan".to_owned(), HostName::new(host));
        let (state, why) = (HostState::Refused, why.to_owned());
        self.push(
            self.later(),
            Event::HostEnded {
                phase,
                host,
                state,
                why,
            },
        );
        self
    }

    /// As a run that lies in the state directory.
    fn keep(&self, room: &Room, plan: &Plan) -> String {
        let id = id(self.0[0].at);
        let store = Store::at(room.project(".pitstop"));
        let folder = store.create_run(&id, &serde_json::to_vec(plan).unwrap()).unwrap();
        let journal = Journal::create(folder.path(), self.0[0].at).unwrap();
        for fact in &self.0 {
            journal.append(fact.at, &fact.event).wait().unwrap();
        }
        id.to_string()
    }

    fn record(&self, plan: &Plan) -> ChangeRecord {
        let digest = plan.digest().unwrap();
        record(plan, &digest, &Run::fold(&self.0), &self.0, &Default::default())
    }
}

fn id(at: Timestamp) -> RunId {
    RunId::new(at, [0; 6])
}

/// The rows of `updates-csv` without the run and the moment of the scan.
fn rows(text: &str) -> Vec<String> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        [&cells[1..7], &[cells[7].get(..10).unwrap_or_default(), cells[9]]]
            .concat()
            .join(" ")
    };
    text.lines().skip(1).map(row).collect()
}

const SSL: &str = "openssl 2 -> 3 (security)";

#[test]
fn since_when_is_carried_over_the_runs_until_a_scan_found_nothing_missing() {
    let (room, plan) = room(&["a", "b", "c", "d"]);
    // Of another inventory, and of a runbook that scans nothing: neither is looked at.
    let other = Plan {
        inventory: "elsewhere".to_owned(),
        ..plan.clone()
    };
    Told::at(day(0)).scan("a", &[SSL]).keep(&room, &other);
    room.runbook(
        "note",
        "    on_failure: hold\n    steps:\n      - { name: Note, run: date, undo: { none: x } }\n",
    );
    Told::at(day(0) + jiff::SignedDuration::from_secs(9)).keep(&room, &planned(&room, "note.yml", &[]));

    let first = Told::at(day(1))
        .machine("d", "d-old")
        .scan("a", &[SSL])
        .scan("b", &[SSL])
        .scan("c", &[SSL])
        .scan("d", &[SSL]);
    first.keep(&room, &plan);
    // b is good in between; nobody reaches c, which says nothing; a is offered a newer version of the same.
    let second = Told::at(day(2))
        .scan("a", &["openssl 2 -> 4 (security)"])
        .scan("b", &[])
        .refused("c", "nobody answers")
        .scan("d", &[SSL]);
    let between = second.keep(&room, &plan);
    let last = Told::at(day(3))
        .machine("d", "d-new")
        .scan("a", &["openssl 2 -> 4 (security)", "vim 1 -> 2 (bugfix)"])
        .scan("b", &[SSL])
        .scan("c", &[SSL])
        .scan("d", &[SSL]);
    let last = last.keep(&room, &plan);

    let csv = |run: &str| rows(&room.run(&["report", run, "--format", "updates-csv"]).code(0).out);
    assert_eq!(
        csv(&last),
        [
            "a missing openssl 2 4 security 2026-11-02 ",
            "a missing vim 1 2 bugfix 2026-11-04 ",
            "c missing openssl 2 3 security 2026-11-02 ",
            // Another machine under the name since the last scan but one: its past is not that of this one.
            "d missing openssl 2 3 security 2026-11-03 ",
            "b missing openssl 2 3 security 2026-11-04 ",
        ]
    );
    assert_eq!(
        csv(&between),
        [
            "a missing openssl 2 4 security 2026-11-02 ",
            "d missing openssl 2 3 security 2026-11-02 ",
            "c not_known      nobody answers",
            "b up_to_date      ",
        ]
    );
    // The record keeps it: without the runs before it the report of the record is the same.
    let json = room.run(&["report", &last, "--format", "json"]).code(0).out;
    room.file("p/record.json", &json);
    let here = room.run(&["report", &last, "--format", "md"]).code(0).out;
    std::fs::remove_dir_all(room.project(".pitstop")).unwrap();
    assert_eq!(room.run(&["report", "record.json", "--format", "md"]).code(0).out, here);
    for part in [
        "## Updates that are missing",
        "4 hosts lack security updates; no host is up to date.",
        "| `openssl` | `3, 4` | ✗ security | 4 | 2026-11-02 | a, b, c, d |",
        "| Package | a | c | d | b |",
        "| `openssl` | ✗ 2026-11-02 | ✗ 2026-11-02 | ✗ 2026-11-03 | ✗ 2026-11-04 |",
        "| `vim` | ! 2026-11-04 | ✓ | ✓ | ✓ |",
        "First seen missing",
    ] {
        // The escapes of Markdown aside.
        assert!(here.replace('\\', "").contains(part), "{part}: {here}");
    }
}

#[test]
fn what_is_not_known_is_never_up_to_date() {
    let (room, _) = room(&["a", "b", "c", "d", "e", "f"]);
    room.file("p/patch.yml", CHANGE);
    let plan = planned(&room, "patch.yml", &[]);
    let scan = |lines: &[&str], held: &[&str]| StepResult {
        more: lists(lines, held),
        ..StepResult::default()
    };
    let again = |lines: &[&str]| {
        let mut result = scan(lines, &[]);
        result.more.insert("only".to_owned(), list(&["openssl=3"]));
        result
    };
    let changed = || StepResult {
        changed: true,
        ..StepResult::default()
    };
    let (ok, first) = (Outcome::Ok, ("work", Stage::Precheck, "scan"));
    let (install, proof) = (("work", Stage::Steps, "install"), ("work", Stage::Verify, "again"));
    let vim = "vim 1 -> 2 (bugfix)";
    let told = Told::at(day(1))
        // Installed and looked at again. What was held all the time is told.
        .step("a", first, ok, scan(&[SSL], &["curl 7 -> 8"]))
        .step("a", install, ok, changed())
        .step(
            "a",
            proof,
            ok,
            StepResult {
                more: {
                    let mut m = again(&[]).more;
                    m.insert("held".into(), list(&["curl 7 -> 8"]));
                    m
                },
                ..StepResult::default()
            },
        )
        // Installed, and not looked at.
        .step("b", first, ok, scan(&[SSL], &[]))
        .step("b", install, ok, changed())
        // Installed, seen, and taken back after that.
        .step("c", first, ok, scan(&[SSL], &[]))
        .step("c", install, ok, changed())
        .step("c", proof, ok, again(&[]))
        .step("c", ("work", Stage::Undo, "install/1"), ok, changed())
        // Found missing by a check that wants none: the step failed, and what it found is known.
        .step("d", first, ok, scan(&[SSL, vim], &[]))
        .step("d", install, ok, StepResult::default())
        .step(
            "d",
            proof,
            Outcome::Failed,
            StepResult {
                why: "not as expected".to_owned(),
                ..again(&[SSL])
            },
        )
        // Its sources do not answer.
        .step(
            "e",
            first,
            Outcome::Failed,
            StepResult {
                why: "no answer | from\nthe mirror".to_owned(),
                ..StepResult::default()
            },
        );
    let r = told.record(&plan);
    let of = |host: &str| r.scanned.iter().find(|s| s.host.as_str() == host).unwrap();
    let standing = |host: &str| missing::standing(of(host)).word();
    assert_eq!(
        ["a", "b", "c", "d", "e", "f"].map(standing),
        [
            "up_to_date",
            "not_known",
            "not_known",
            "missing",
            "not_known",
            "not_known"
        ]
    );
    assert_eq!(missing::remark(of("a")), "held: curl");
    assert_eq!(missing::remark(of("b")), "packages were changed after its last scan");
    assert_eq!(missing::remark(of("c")), missing::remark(of("b")));
    assert_eq!(missing::remark(of("e")), "no answer | from\nthe mirror");
    assert_eq!(missing::remark(of("f")), "it was not scanned");
    assert_eq!(missing::numbers(of("d")), (1, 1));
    let md = pitstop::report::after::markdown(&r);
    assert!(
        md.contains("1 host lacks security updates; of 4 it is not known what is missing; 1 host is up to date."),
        "{md}"
    );
    // One that does not know ends no row of scans, and begins none.
    let mut later = Told::at(day(9))
        .step("b", first, ok, scan(&[SSL], &[]))
        .step("d", first, ok, scan(&[vim], &[]))
        .record(&plan);
    later.carry_since([told, Told::at(day(0)).step("b", first, ok, scan(&[SSL], &[]))].map(|t| former(&plan, &t.0)));
    let since = |host: &str| missing::oldest(later.scanned.iter().find(|s| s.host.as_str() == host).unwrap()).unwrap();
    assert!(since("b") < day(1) && since("d") < day(2) && since("d") > day(1));
}

#[test]
fn no_name_of_a_host_s_packages_gets_out_of_its_place() {
    let (_room, plan) = room(&["a", "b"]);
    let nasty = "<script>alert(1)</script>|`x`\u{1b}[2J\u{202e} 1 -> =cmd()\n# head (<img src=x>)";
    let r = Told::at(day(1))
        .scan("a", &[nasty, "=HYPERLINK(1) 1 -> 2 (security)"])
        .scan("b", &[])
        .record(&plan);
    assert_eq!(r.scanned[0].missing.len(), 2);
    assert_eq!(
        serde_json::from_str::<ChangeRecord>(&serde_json::to_string(&r).unwrap()).unwrap(),
        r
    );
    let (html, md) = (pitstop::report::html::html(&r), pitstop::report::after::markdown(&r));
    let csv = missing::csv(&r);
    assert!(html.contains("Updates that are missing") && !html.contains("<script") && !html.contains("<img"));
    assert!(!md.contains("<script") && !md.lines().any(|l| l.starts_with("# head")));
    let cells = |l: &str| l.replace("\\|", "").matches('|').count();
    let table: Vec<&str> = md
        .split("## Updates that are missing")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .collect();
    for pair in table.windows(2).filter(|p| p.iter().all(|l| l.starts_with('|'))) {
        assert_eq!(cells(pair[0]), cells(pair[1]), "a cell broke out: {pair:?}");
    }
    assert!(csv.contains("\"'=HYPERLINK(1)\""), "{csv}");
    for (n, text) in [html, md, pitstop::report::after::text(&r, 100), csv]
        .iter()
        .enumerate()
    {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "view {n}");
    }
}

/// A fleet: many hosts are lists and no matrix, what is good is one sentence, and all of it is in the table for machines. The time is
/// said and not judged.
#[test]
fn of_a_thousand_hosts_the_worst_are_shown_and_the_good_are_counted() {
    let names: Vec<String> = (0..1000).map(|n| format!("h{n:04}")).collect();
    let (_room, plan) = room(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let lines: Vec<String> = (0..50)
        .map(|n| format!("package-{n:02} 1 -> 2 ({})", if n < 5 { "security" } else { "bugfix" }))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let tell = |at| {
        let scan = |told: Told, (n, host): (usize, &String)| match n {
            0..10 => told.scan(host, &[]),
            n => told.scan(host, &lines[n % 7..]),
        };
        names.iter().enumerate().fold(Told::at(at), scan)
    };
    let (now, before) = (tell(day(9)), tell(day(1)));
    let begun = std::time::Instant::now();
    let mut r = now.record(&plan);
    let made = begun.elapsed();
    r.carry_since((0..50).map(|_| -> Former { former(&plan, &before.0) }));
    let carried = begun.elapsed();
    let md = pitstop::report::after::markdown(&r);
    let of = |id: &str, html: &str| {
        html.split(&format!("<h2 id=\"{id}\">"))
            .nth(1)
            .unwrap()
            .split("</section>")
            .next()
            .unwrap()
            .len()
    };
    let (begun, html) = (std::time::Instant::now(), pitstop::report::html::html(&r));
    let page = begun.elapsed();
    let (begun, csv) = (std::time::Instant::now(), missing::csv(&r));
    println!(
        "1,000 hosts, 50 updates: record {made:?}, 50 former runs {:?}, HTML {page:?} of {} bytes ({} of them this section), CSV {:?}",
        carried - made,
        html.len(),
        of("missing", &html),
        begun.elapsed()
    );
    let security = (10..1000).filter(|n| n % 7 < 5).count();
    let said = format!(
        "{security} hosts lack security updates; {} hosts lack other updates only; 10 hosts are up to date.",
        990 - security
    );
    assert!(md.contains(&said), "{said}");
    assert!(md.contains("✓ Up to date: h0000, h0001"));
    assert!(md.contains("And 790 more hosts, in the CSV table."));
    assert!(!md.contains("Which host lacks what"));
    assert!(r.scanned.iter().flat_map(|s| &s.missing).all(|m| m.since < day(2)));
    assert_eq!(
        csv.lines().count(),
        1 + 10 + r.scanned.iter().map(|s| s.missing.len()).sum::<usize>()
    );
}

#[test]
fn of_a_host_that_was_asked_for_updates_of_security_only_it_is_said() {
    let (room, _) = room(&["a"]);
    let only = ["--set", "select=role=x", "--set", "classes=security"];
    let plan = planned(&room, "runbooks/patch-compliance.yml", &only);
    let more = lists(&[], &[]);
    let result = StepResult {
        more,
        ..StepResult::default()
    };
    let told = Told::at(day(1)).step("a", ("scan", Stage::Steps, "security"), Outcome::Ok, result);
    let md = pitstop::report::after::markdown(&told.record(&plan));
    let line = "| a | ✓ up to date | 0 | 0 |  | only asked for security updates |";
    assert!(md.contains(line), "{md}");
}
