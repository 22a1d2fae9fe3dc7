//! `compare` over two real servers: what each end of a side comes to, what is left running, and what a crash leaves to do again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{Fleet, code, kill, records, words};

/// A runbook that compares once; `h02` is no target of it.
fn compares(fleet: &Fleet, keys: &str, compare: &str) {
    fleet.file(
        "runbooks/compare.yml",
        &format!(
            "schema: 1
runbook: compare
title: Compare two servers
kind: check
targets:
  one: {{ hosts: [h01] }}
phases:
  - phase: both
    title: Both servers
    targets: one
    on_failure: hold
    steps:
      - id: same
        name: They say the same
        compare: {{ {compare} }}
{keys}"
        ),
    );
}

/// What came of it: the exit code, the step's last event, and what was said.
fn compared(fleet: &Fleet, keys: &str, compare: &str) -> (i32, Value, String) {
    compares(fleet, keys, compare);
    let ran = fleet.run(&["run", "runbooks/compare.yml", "--yes"]);
    let said = words(&ran);
    (code(ran.status), settled(fleet, &said), said)
}

/// The folder of the run that was told of: two runs of one second have no order by name.
fn folder(fleet: &Fleet, said: &str) -> PathBuf {
    let id = said.split("/runs/").nth(1).and_then(|rest| rest.split('/').next());
    fleet
        .path(".pitstop/runs")
        .join(id.unwrap_or_else(|| panic!("no run: {said}")))
}

fn settled(fleet: &Fleet, said: &str) -> Value {
    let all = records(&folder(fleet, said).join("journal.jsonl"));
    let last = all.iter().rev().map(|r| &r["event"]).find(|e| e["type"] == "settled");
    last.unwrap_or_else(|| panic!("nothing settled: {said}")).clone()
}

fn why(event: &Value) -> &str {
    event["result"]["why"].as_str().unwrap_or_default()
}

/// Processes of this machine whose command line has this.
fn running(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(word).then_some(line)
    })
    .collect()
}

fn nothing_is_left(fleet: &Fleet) {
    for host in fleet.hosts.keys() {
        assert_eq!(fleet.left_on(host), Vec::<PathBuf>::new(), "on {host}");
    }
}

/// Every file below.
fn holds(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holds(&path, word));
        } else if std::fs::read(&path)
            .unwrap()
            .windows(word.len())
            .any(|w| w == word.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn two_servers_are_compared_and_the_difference_is_in_the_journal_the_logs_and_the_report() {
    let fleet = Fleet::start(2, "0");
    let sides = |left: &str, right: &str| {
        format!("mode: rows, left: {{ run: \"{left}\" }}, right: {{ host: h02, run: \"{right}\" }}")
    };
    let (exit, event, said) = compared(&fleet, "", &sides("printf 'b\\\\na\\\\n'", "printf 'a\\\\nb\\\\n'"));
    assert_eq!((exit, event["outcome"].as_str()), (0, Some("ok")), "{said}");
    assert_eq!(event["result"]["more"]["equal"], true);
    assert_eq!(event["result"]["more"]["left_count"], 2);
    nothing_is_left(&fleet);

    let (exit, event, said) = compared(
        &fleet,
        "",
        &sides(
            "echo common; echo $HOME",
            "echo common; printf '<b>\\\\033[31mred\\\\n'",
        ),
    );
    assert_eq!((exit, event["outcome"].as_str()), (3, Some("failed")), "{said}");
    let more = &event["result"]["more"];
    assert_eq!(
        (&more["equal"], &more["differences"]),
        (&Value::Bool(false), &Value::from(2))
    );
    let home = fleet.hosts["h01"].home().display().to_string();
    let difference = more["difference"].as_str().unwrap();
    assert!(
        difference.contains(&format!("- {home}")) && difference.contains("+ <b>\\x1b[31mred"),
        "{difference}"
    );
    assert!(
        why(&event).contains("1 row only left, 1 row only right"),
        "{}",
        why(&event)
    );
    let logs = words(&fleet.run(&[
        "logs",
        folder(&fleet, &said).file_name().unwrap().to_str().unwrap(),
        "h01",
        "same",
    ]));
    assert!(
        logs.contains("left (h01): 2 rows") && logs.contains("+ <b>\\x1b[31mred"),
        "{logs}"
    );
    assert!(!said.contains('\u{1b}') && !logs.contains('\u{1b}'), "{said}{logs}");
    let page = std::fs::read_to_string(folder(&fleet, &said).join("report/report.html")).unwrap();
    assert!(
        page.contains("+ &lt;b&gt;\\x1b[31mred") && page.contains(&home),
        "the page shows it"
    );
    nothing_is_left(&fleet);
}

#[test]
fn a_side_that_does_not_end_well_is_named_and_nothing_of_either_goes_on() {
    let fleet = Fleet::start(2, "0");
    let nap = "86399.417";
    let sides = |left: &str, right: &str| {
        format!("mode: exact, left: {{ run: \"{left}\" }}, right: {{ host: h02, run: \"{right}\" }}")
    };
    let since = Instant::now();
    for (left, right, keys, wanted) in [
        (
            "echo a; echo no such table >&2; exit 2",
            &*format!("sleep {nap}"),
            "",
            "left (h01): exit code 2: no such table",
        ),
        (
            &*format!("yes; sleep {nap}"),
            "echo half; kill -9 $(exec sh -c 'echo $PPID')",
            "",
            "right (h02): exit code 137",
        ),
        (
            "echo a",
            &*format!("echo a; sleep {nap}"),
            "        timeout: 2s\n",
            "right (h02): not done after 2 s; it was stopped",
        ),
        ("true", "printf ' \\\\n'", "", "both sides said nothing"),
    ] {
        let (exit, event, said) = compared(&fleet, keys, &sides(left, right));
        assert_eq!(exit, 3, "{said}");
        assert!(why(&event).contains(wanted), "{wanted}: {}", why(&event));
        assert_eq!(running(nap), Vec::<String>::new(), "{wanted}");
        nothing_is_left(&fleet);
    }
    assert!(
        since.elapsed() < Duration::from_secs(60),
        "one that ends stops the other"
    );
    // Exit codes, environment, input and repetition are those of any command.
    let (exit, _, said) = compared(
        &fleet,
        "        ok_codes: [3]\n        env: { WORD: \"it's\" }\n        retry: { attempts: 2, delay: 10ms }\n",
        &sides(
            "echo $WORD; exit 3",
            "[ -e $HOME/again ] || { touch $HOME/again; exit 1; }; echo $WORD; exit 3",
        ),
    );
    assert_eq!(exit, 0, "{said}");
    // One server for both sides, and one that is not there.
    let (exit, event, said) = compared(
        &fleet,
        "",
        "mode: exact, left: { run: hostname }, right: { run: hostname }",
    );
    assert_eq!(
        (exit, &event["result"]["more"]["equal"]),
        (0, &Value::Bool(true)),
        "{said}"
    );
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let port = format!("port: {}", fleet.hosts["h02"].port);
    fleet.file("inventory.yml", &inventory.replace(&port, "port: 1"));
    let (exit, event, said) = compared(&fleet, "", &sides("echo a", "echo a"));
    assert_ne!(exit, 0, "{said}");
    assert_eq!(event["outcome"], "unreachable");
    assert!(
        why(&event).starts_with("right (h02): connecting to h02 (127.0.0.1:1): "),
        "{}",
        why(&event)
    );
}

#[test]
fn of_a_sensitive_comparison_nothing_is_kept() {
    let fleet = Fleet::start(2, "0");
    for (right, end) in [
        ("echo needle-8271; echo 2", 3),
        ("echo needle-8271; exit 3", 3),
        ("echo needle-8271", 0),
    ] {
        let compare = format!(
            "mode: exact, left: {{ run: \"echo needle-$((8000 + 271))\" }}, right: {{ host: h02, run: \"{right}\" }}"
        );
        let compare = compare.replace("needle-8271", "needle-$((8000 + 271))");
        let (exit, event, said) = compared(&fleet, "        sensitive: true\n", &compare);
        assert_eq!(exit, end, "{said}");
        assert!(event["result"]["more"]["difference"].is_null(), "{event}");
        assert_eq!(holds(&folder(&fleet, &said), "needle-8271"), Vec::<PathBuf>::new());
        assert!(!said.contains("needle-8271"), "{said}");
    }
}

#[test]
fn after_a_kill_in_the_middle_it_is_compared_again_and_nothing_is_left() {
    let fleet = Fleet::start(2, "0");
    let waits = "echo x >> $HOME/begun; echo same; while [ ! -e $HOME/go ]; do sleep 0.05; done; echo end";
    compares(
        &fleet,
        "",
        &format!("mode: exact, left: {{ run: \"{waits}\" }}, right: {{ host: h02, run: \"{waits}\" }}"),
    );
    let begun = |host: &str| {
        let text = std::fs::read_to_string(fleet.hosts[host].home().join("begun")).unwrap_or_default();
        text.lines().count()
    };
    let mut child = fleet.spawn(&["run", "runbooks/compare.yml", "--yes"], "words");
    fleet.until("both sides run", || begun("h01") == 1 && begun("h02") == 1);
    kill(&mut child);
    let spooled: Vec<_> = std::fs::read_dir(fleet.run_folder().join("output"))
        .map(|d| d.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    assert_eq!(spooled, Vec::<PathBuf>::new(), "what was said so far has no name");
    for host in ["h01", "h02"] {
        fleet.mark(host, "go");
    }
    let ran = fleet.run(&["resume", "last"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    assert_eq!((begun("h01"), begun("h02")), (2, 2));
    assert_eq!(settled(&fleet, &words(&ran))["result"]["more"]["equal"], true);
    nothing_is_left(&fleet);
}

#[test]
fn a_side_whose_link_is_cut_is_run_again_and_what_it_said_before_is_forgotten() {
    let fleet = Fleet::start(2, "0");
    let waits = "echo x >> $HOME/begun; echo same; while [ ! -e $HOME/go ]; do sleep 0.05; done; echo end";
    compares(
        &fleet,
        "",
        &format!("mode: exact, left: {{ run: \"{waits}\" }}, right: {{ host: h02, run: \"{waits}\" }}"),
    );
    let begun = |host: &str| {
        let text = std::fs::read_to_string(fleet.hosts[host].home().join("begun")).unwrap_or_default();
        text.lines().count()
    };
    let mut child = fleet.spawn(&["run", "runbooks/compare.yml", "--yes"], "words");
    fleet.until("both sides run", || begun("h01") == 1 && begun("h02") == 1);
    fleet.hosts["h02"].cut();
    fleet.until("the cut side runs again", || begun("h02") == 2);
    for host in ["h01", "h02"] {
        fleet.mark(host, "go");
    }
    assert_eq!(
        code(child.wait().unwrap()),
        0,
        "{}",
        std::fs::read_to_string(fleet.path("words")).unwrap()
    );
    assert_eq!((begun("h01"), begun("h02")), (1, 2), "the other side ran on");
    nothing_is_left(&fleet);
}

#[test]
fn of_several_places_the_first_is_taken_where_both_machines_can_be_reached() {
    let fleet = Fleet::start(3, "0");
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let port = format!("port: {}", fleet.hosts["h02"].port);
    fleet.file("inventory.yml", &inventory.replace(&port, "port: 1"));
    let compare = "mode: exact, left: { run: echo $HOME }, right: { host: h03, run: echo $HOME }";
    compares(&fleet, "        delegate_to: { one_of: pool }\n", compare);
    let text = std::fs::read_to_string(fleet.path("runbooks/compare.yml")).unwrap();
    let text = text.replace("{ hosts: [h01] }", "{ hosts: [h01] }\n  pool: { hosts: [h02, h03] }");
    fleet.file("runbooks/compare.yml", &text);
    let ran = fleet.run(&["run", "runbooks/compare.yml", "--yes"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    let all = records(&folder(&fleet, &words(&ran)).join("journal.jsonl"));
    let intended = all
        .iter()
        .map(|r| &r["event"])
        .find(|e| e["type"] == "intended")
        .unwrap();
    assert_eq!(intended["on"], "h03");
    assert_eq!(
        intended["call"],
        "compare exact\nleft (h03): echo $HOME\nright (h03): echo $HOME"
    );
    nothing_is_left(&fleet);
}
