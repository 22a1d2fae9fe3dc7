//! What all kinds share, and the tools of their tests.

use super::*;
use crate::plan;
use std::collections::BTreeMap;

/// A check as it is written in a runbook, read by the language's own reader.
pub(super) fn asked(kind: &str, fields: &str) -> Result<Check, String> {
    check(kind, fields, None, None)
}

fn check(kind: &str, fields: &str, warn: Option<&str>, crit: Option<&str>) -> Result<Check, String> {
    let written = plan::Check {
        kind: kind.to_owned(),
        fields: values(kind, fields),
        warn: warn.map(str::to_owned),
        crit: crit.map(str::to_owned),
        for_ms: None,
        every_ms: None,
        compare_to: None,
    };
    let asked = Asked(written.fields.clone());
    Check::new(&written, asked, written.to_string())
}

struct One(String);

impl crate::runbook::files::Files for One {
    fn read(&self, _: &str) -> Result<Vec<u8>, crate::runbook::files::ReadError> {
        Ok(self.0.clone().into_bytes())
    }
}

fn values(kind: &str, fields: &str) -> BTreeMap<String, Value> {
    let text = format!(
        "schema: 1\nrunbook: t\ntitle: T\nkind: check\ntargets: {{ all: {{ hosts: [a] }} }}\nphases:\n  - phase: p\n    title: P\n    targets: all\n    verify:\n      - name: N\n        check: {{ {kind}: {fields} }}\n"
    );
    let mut diags = crate::diag::Diagnostics::default();
    let runbook = crate::runbook::lower::runbook(&One(text), "t.yml", &mut diags);
    assert!(!diags.has_errors(), "{fields}: {diags:?}");
    let runbook = runbook.expect("a runbook");
    let Some(crate::runbook::Item::Phase(phase)) = runbook.items.first() else {
        panic!("a phase");
    };
    let step = phase.stages.verify.first().expect("a step");
    match step.action.parts().first() {
        Some(crate::runbook::Action::BuiltIn {
            what: plan::BuiltIn::Check(check),
            ..
        }) => check.fields.clone(),
        other => panic!("{other:?}"),
    }
}

/// What a kind reads out of an answer.
pub(super) fn read(kind: &str, fields: &str, said: &str) -> Result<Found, String> {
    let check = asked(kind, fields).expect("it can be asked");
    let text = format!("{said}end\n");
    Said::read(&text).and_then(|said| (check.kind.read)(&check.asked, said))
}

pub(super) fn found(kind: &str, fields: &str, said: &str) -> Found {
    read(kind, fields, said).expect("it was measured")
}

pub(super) fn unknown(kind: &str, fields: &str, said: &str) -> String {
    read(kind, fields, said).expect_err("it was not measured")
}

#[test]
fn every_kind_of_the_language_is_performed_or_said_not_to_be() {
    use crate::runbook::builtin::CHECKS_ONLY_PLANNED;
    let mut known: Vec<&str> = KINDS
        .iter()
        .map(|kind| kind.name)
        .chain(CHECKS_ONLY_PLANNED.iter().copied())
        .collect();
    let mut written: Vec<&str> = crate::runbook::keys::CHECK_KINDS.iter().map(|key| key.name).collect();
    known.sort_unstable();
    written.sort_unstable();
    assert_eq!(known, written);
}

#[test]
fn a_look_that_did_not_end_well_measured_nothing() {
    let check = asked("uptime_boot", "{}").unwrap();
    let memory = |out: &str, err: &str| {
        let mut memory = Memory::of(100);
        memory.take(Stream::Out, out.as_bytes());
        memory.take(Stream::Err, err.as_bytes());
        memory
    };
    let good = memory("up 5\nend\n", "");
    let done = check.done(End::Exited(0), &good);
    assert_eq!((done.end.clone(), status(&done.more)), (End::Good, Some(Status::Ok)));
    for (end, memory) in [
        (End::Exited(0), memory("up 5\n", "")),
        (End::Exited(2), memory("up 5\nend\n", "sh: syntax error\n")),
        (End::TimedOut, memory("up 5\nend\n", "")),
        (End::Unreachable("no route".to_owned()), memory("", "")),
    ] {
        let done = check.done(end.clone(), &memory);
        assert_ne!(done.end, End::Good, "{end:?}");
        assert_eq!(status(&done.more), Some(Status::Unknown), "{end:?}");
    }
    let told = check.done(End::Exited(2), &memory("", "a\nsh: syntax error\n")).end;
    assert_eq!(
        told,
        End::Failed("unknown: the look itself ended with 2: sh: syntax error".to_owned())
    );
}

fn outcome(status: &str, found: &[&str]) -> Done {
    let list = found.iter().map(|name| Value::Text((*name).to_owned())).collect();
    let status = Value::Text(status.to_owned());
    let end = if status.plain() == "ok" || status.plain() == "warn" {
        End::Good
    } else {
        End::Failed("bad".to_owned())
    };
    Done {
        more: [("status".to_owned(), status), ("found".to_owned(), Value::List(list))].into(),
        ..Done::end(end)
    }
}

#[test]
fn only_what_became_worse_is_a_regression() {
    for (before, now, regression, passes) in [
        ("ok", "ok", false, true),
        ("ok", "warn", true, true),
        ("ok", "fail", true, false),
        ("ok", "unknown", true, false),
        ("warn", "warn", false, true),
        ("fail", "fail", false, true),
        ("fail", "warn", false, true),
        ("fail", "ok", false, true),
        // Nobody knows what it was, or is.
        ("fail", "unknown", true, false),
        ("unknown", "fail", true, false),
        ("unknown", "unknown", false, true),
        ("unknown", "ok", false, true),
    ] {
        let mut done = outcome(now, &[]);
        compare(Some(&outcome(before, &[]).more), &mut done);
        let told = done.more.get("regression").cloned();
        assert_eq!(
            (told, done.end == End::Good),
            (Some(Value::Bool(regression)), passes),
            "{before} -> {now}"
        );
        assert_eq!(done.more.get("was"), Some(&Value::Text(before.to_owned())));
    }
    let mut unasked = outcome("fail", &[]);
    compare(None, &mut unasked);
    assert_eq!(unasked.end, End::Failed("bad (before: not measured)".to_owned()));
}

#[test]
fn another_failed_unit_is_a_regression_though_one_had_failed_before() {
    let before = outcome("fail", &["a.service"]).more;
    let mut same = outcome("fail", &["a.service"]);
    compare(Some(&before), &mut same);
    assert_eq!(same.end, End::Good);
    let mut more = outcome("fail", &["a.service", "b.service"]);
    compare(Some(&before), &mut more);
    assert_eq!(more.end, End::Failed("bad (before: fail; new: b.service)".to_owned()));
}

#[test]
fn words_and_texts_hold_what_was_asked_and_nothing_that_a_shell_would_read() {
    let check = check("file", "{path: \"/a' b$(id)\"}", Some("1:"), None).unwrap();
    assert_eq!(check.words(), "check file path=/a' b$(id) warn 1:");
    let Command::Shell(text) = check.text() else { panic!() };
    assert!(
        text.starts_with(": 'pitstop checks file path=/a'\\'' b$(id) warn 1:'\n"),
        "{text}"
    );
    assert!(
        text.contains("f='/a'\\'' b$(id)'\n") && text.ends_with("\necho end"),
        "{text}"
    );
}

/// A question of each kind that some shell may not be able to read.
const EACH: [(&str, &str); 36] = [
    ("service", "{name: ssh}"),
    ("services_failed", "{}"),
    ("process", "{name: init}"),
    ("port", "{port: 22, process: sshd}"),
    ("port", "{port: 53, proto: udp}"),
    ("tcp_connect", "{host: 127.0.0.1, port: 1, timeout: 2s}"),
    ("tcp_connect", "{host: 127.0.0.1, port: 1, tls: true, timeout: 2s}"),
    ("ping", "{host: 127.0.0.1}"),
    ("http", "{url: 'http://127.0.0.1:1/'}"),
    ("tls_cert", "{address: 'localhost:1'}"),
    ("tls_cert", "{file: /etc/passwd}"),
    ("dns", "{name: localhost}"),
    ("dns", "{name: localhost, server: 127.0.0.1}"),
    ("disk_free", "{path: /}"),
    ("mount", "{path: /proc}"),
    ("memory_swap", "{}"),
    ("load_cpu", "{}"),
    ("uptime_boot", "{}"),
    ("reboot_pending", "{}"),
    ("kernel_os", "{newest: true}"),
    ("updates_pending", "{}"),
    ("package", "{name: bash}"),
    (
        "file",
        "{path: /etc/passwd, sha256: x, contains: root, absent: 'it''s $(id)'}",
    ),
    ("config_value", "{file: /etc/passwd, key: a, value: b}"),
    ("config_value", "{format: sysctl, key: kernel.ostype, value: Linux}"),
    ("user_group", "{name: root, locked: false}"),
    ("time_sync", "{}"),
    ("log_errors", "{source: /etc/passwd}"),
    ("sql", "{engine: mysql, query: 'select 1'}"),
    ("time_sync", "{controller: 5s}"),
    ("backup_age", "{tool: restic, repo: /nowhere}"),
    ("backup_age", "{tool: borg, repo: /nowhere, of: 'it''s-*'}"),
    ("backup_age", "{tool: pgbackrest, of: main}"),
    ("backup_age", "{tool: files, repo: '/etc/pass*'}"),
    ("command", "{run: 'cat', input: 'it''s', format: nagios}"),
    ("command", "{run: 'echo \"it''s\"; exit 3', format: nagios}"),
];

#[test]
fn one_of_each_kind_fits_into_one_write() {
    let length = |(kind, fields)| match asked(kind, fields).unwrap().text() {
        Command::Shell(text) => text.len(),
        _ => 0,
    };
    let all: usize = EACH.into_iter().map(length).sum();
    // A lane takes 64 KiB in one go, frames included.
    assert!(all < 40 << 10, "{all} bytes");
}

#[test]
fn every_shell_that_is_served_reads_every_look_to_its_end() {
    let shells: [&[&str]; 4] = [&["dash"], &["busybox", "sh"], &["mksh"], &["bash"]];
    for shell in shells {
        for (kind, fields) in EACH {
            let check = asked(kind, fields).unwrap();
            let Command::Shell(text) = check.text() else { panic!() };
            let mut command = std::process::Command::new(shell[0]);
            command.args(&shell[1..]);
            // What takes seconds is read only: its programs are the same in each shell.
            let slow = matches!(kind, "ping" | "updates_pending");
            command.args(if slow { &["-n", "-c"][..] } else { &["-c"] }).arg(text);
            let done = command.stdin(std::process::Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            let wrong = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(0), "{shell:?} {kind} {fields}: {said}{wrong}");
            assert!(
                slow || said.ends_with("end\n"),
                "{shell:?} {kind} {fields}: {said}{wrong}"
            );
            assert!(!wrong.contains("syntax"), "{shell:?} {kind} {fields}: {wrong}");
        }
    }
}
