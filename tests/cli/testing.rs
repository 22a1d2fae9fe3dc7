//! Tests of runbooks from the outside: those that are shipped, what they find, and a real run as a script.

use std::path::Path;

use crate::room::{Done, Room};

/// A text of a runbook, and what stands in its place where it is broken.
type Mutation = (&'static str, &'static str);

/// A shipped runbook with its test, and changes of it that the test must find.
const SHIPPED: &[(&str, &str, &[Mutation])] = &[
    (
        "runbooks",
        "rolling-restart",
        &[
            // An undo that only looks; a gate a batch too late; less patience than is promised; a check that is not repeated.
            (
                "name: Take the restart back\n            run: sh -c {{ params.back | sh }}",
                "name: Take the restart back\n            run: sh -c {{ params.health | sh }}",
            ),
            ("      after_batch: 1\n", "      after_batch: 2\n"),
            (
                "retry: { attempts: 10, delay: 3s }",
                "retry: { attempts: 2, delay: 3s }",
            ),
            ("        fresh: true\n", ""),
        ],
    ),
    (
        "runbooks",
        "patch-linux",
        &[
            ("when: pending.count > 0", "when: pending.count >= 0"),
            ("expect: rollback.possible == rollback.of", "expect: count >= 0"),
            ("on_failure: rollback_host", "on_failure: hold"),
            ("  duration: 4h\n", "  duration: 8h\n"),
        ],
    ),
    (
        "runbooks",
        "patch-compliance",
        &[
            ("when: params.classes == 'all'", "when: params.classes != 'all'"),
            ("patch: { mode: scan, classes: [security] }", "patch: { mode: scan }"),
            ("when: params.classes == 'security'", "when: \"true\""),
        ],
    ),
    (
        "runbooks",
        "note-baseline",
        &[
            ("args: [note, \"{{ params.what | join(',') }}\"]", "args: [note, user]"),
            (
                "read_only: true\n        script",
                "read_only: true\n        ok_codes: [0, 3]\n        script",
            ),
        ],
    ),
    (
        "runbooks",
        "baseline-drift",
        &[
            (
                "args: [compare, \"{{ host.name }}\"",
                "args: [compare, \"{{ params.select }}\"",
            ),
            ("        once: true\n", ""),
            (
                "        check:\n          command",
                "        may_fail: never mind\n        check:\n          command",
            ),
            (
                "        when: params.reference != ''\n",
                "        when: params.reference == ''\n",
            ),
        ],
    ),
    (
        "runbooks",
        "clocks-and-certificates",
        &[
            ("crit: \"0.5\"", "crit: \"5\""),
            ("warn: \"0.1\"", "warn: \"0.3\""),
            ("controller: 10s", "controller: 1h"),
            ("{{ 'chain' if params.chain else 'no' }}", "no"),
        ],
    ),
    (
        "runbooks",
        "backup-age",
        &[
            (
                "warn: \"93600\", crit: \"180000\" }\n      - id: borg",
                "warn: \"93600\" }\n      - id: borg",
            ),
            (
                "warn: \"93600\", crit: \"180000\" }\n      - id: pgbackrest",
                "crit: \"180000\" }\n      - id: pgbackrest",
            ),
            (
                "repo: \"{{ item }}\" }, warn: \"93600\", crit: \"180000\" }\n      - id: borg",
                "repo: /r1 }, warn: \"93600\", crit: \"180000\" }\n      - id: borg",
            ),
            (
                "tool: pgbackrest, of: \"{{ item }}\" }, warn: \"93600\", crit: \"180000\" }",
                "tool: pgbackrest, of: \"{{ item }}\" }, warn: \"93600\" }",
            ),
            (
                "tool: files, repo: \"{{ item }}\" }, warn: \"93600\", crit: \"180000\"",
                "tool: files, repo: \"{{ item }}\" }, crit: \"~:180000\"",
            ),
        ],
    ),
    (
        "runbooks",
        "restore-file-tree",
        &[
            ("max: 26h", "max: 2600h"),
            ("max: 1h", "max: 100h"),
            ("        timeout: 2h\n", "        timeout: 4h\n"),
            ("args: [close,", "args: [room,"),
            ("when: params.marked", "when: not params.marked"),
            ("        mark: restored\n", "        mark_start: restored\n"),
            ("            - do\n", "            - run\n"),
        ],
    ),
    (
        "runbooks",
        "restore-mariadb",
        &[
            ("max: 26h", "max: 2600h"),
            ("max: 1h", "max: 100h"),
            ("        timeout: 4h\n", "        timeout: 6h\n"),
            ("args: [close,", "args: [room,"),
            ("args: [whole,", "args: [needs,"),
            (" mariadbd {{ params.production | sh }}", " mariadbd"),
            ("            - \"{{ params.tolerance }}\"\n", "            - \"100\"\n"),
            ("map('stdout') | first }}\"]", "map('rc') | first }}\"]"),
        ],
    ),
    (
        "runbooks",
        "restore-restic",
        &[
            ("max: 26h", "max: 2600h"),
            ("max: 1h", "max: 100h"),
            ("        timeout: 4h\n", "        timeout: 6h\n"),
            ("args: [close,", "args: [room,"),
            ("when: params.examine and", "when: not params.examine and"),
            ("args: [apart, \"{{ whose.stdout }}\"]", "args: [apart, none]"),
            ("            - do\n", "            - run\n"),
        ],
    ),
    (
        "runbooks",
        "restore-borg",
        &[
            ("max: 26h", "max: 2600h"),
            ("max: 1h", "max: 100h"),
            ("        timeout: 4h\n", "        timeout: 6h\n"),
            ("args: [close,", "args: [room,"),
            ("when: params.examine and", "when: not params.examine and"),
            ("args: [apart, \"{{ whose.stdout }}\"]", "args: [apart, none]"),
            ("            - do\n", "            - run\n"),
        ],
    ),
    (
        "runbooks",
        "restore-postgres-dump",
        &[
            (
                "dump_taken, to: declared, max: 26h",
                "dump_taken, to: declared, max: 2600h",
            ),
            ("max: 1h }", "max: 100h }"),
            ("args: [cut, ", "args: [lives, "),
            ("args: [same, ", "args: [load, "),
            ("when: params.source != '' and not", "when: params.source == '' and not"),
            (
                "            script: { file: files/scratch.sh, args: [close, ",
                "            script: { file: files/scratch.sh, args: [room, ",
            ),
            (
                "        name: Erase the scratch folder, and prove that nothing is left\n        script: { file: files/scratch.sh, args: [close, ",
                "        name: Erase the scratch folder, and prove that nothing is left\n        script: { file: files/scratch.sh, args: [lives, ",
            ),
        ],
    ),
    (
        "runbooks",
        "restore-postgres-pitr",
        &[
            (
                "last_commit, to: disaster, max: 15m",
                "last_commit, to: disaster, max: 15h",
            ),
            ("max: 1h }", "max: 100h }"),
            ("expect: stdout == frozen.stdout", "expect: stdout != ''"),
            ("args: [verify, ", "args: [sound, "),
            ("args: [cut, ", "args: [lives, "),
            ("\"{{ moment.value - params.margin }}\"", "\"{{ moment.value }}\""),
        ],
    ),
    (
        "runbooks",
        "restore-postgres-pgbackrest",
        &[
            (
                "last_commit, to: disaster, max: 15m",
                "last_commit, to: disaster, max: 15h",
            ),
            ("value[0].status.code == 0 and ", ""),
            ("            - repository-verify\n", "            - sound\n"),
            ("expect: stdout == frozen.stdout", "expect: stdout != ''"),
            ("(info.value[0].backup | last)", "(info.value[0].backup | first)"),
        ],
    ),
    (
        "examples/quickstart",
        "restore-test",
        &[
            (
                "expect: \"stdout == '121 files are the same'\"",
                "expect: \"stdout != ''\"",
            ),
            ("expect: \"value == 121\"", "expect: \"value > 100\""),
            ("expect: \"stdout == '81'\"", "expect: \"stdout != '82'\""),
            ("when: params.damage", "when: \"not params.damage\""),
        ],
    ),
    (
        "runbooks",
        "patch-behind-haproxy",
        &[
            ("when: pending.count > 0", "when: pending.count >= 0"),
            ("            - fit\n", "            - in\n"),
        ],
    ),
    (
        "runbooks",
        "restart-hosts",
        &[
            ("match('(?m)^needed no$')", "match('(?m)^needed yes$')"),
            ("        reboot: { if: always }", "        reboot: { if: needed }"),
            ("on_failure: rollback_host", "on_failure: hold"),
        ],
    ),
    (
        "runbooks",
        "restart-services",
        &[
            ("when: stale.value | length > 0", "when: stale.value | length >= 0"),
            ("expect: value | length == 0", "expect: value | length >= 0"),
            ("warn_unless: stdout == ''", "warn_unless: stdout != 'x'"),
        ],
    ),
    (
        "runbooks",
        "pin-package",
        &[
            (
                "when: not now.stdout == params.version ~ ' held'",
                "when: now.stdout == params.version ~ ' held'",
            ),
            (
                "when: now.stdout | match(' held$')",
                "when: not now.stdout | match(' held$')",
            ),
        ],
    ),
    (
        "runbooks",
        "unpin-package",
        &[
            (
                "when: now.stdout | match(' hold installed$')",
                "when: not now.stdout | match(' hold installed$')",
            ),
            (
                "expect: stdout == now.stdout | replace(' hold installed', ' install installed')",
                "expect: stdout != ''",
            ),
        ],
    ),
    (
        "runbooks",
        "renew-certificate",
        &[
            ("<= params.days", "<= 10000"),
            ("args: [trusted,", "args: [tell,"),
            (
                "retry: { attempts: 10, delay: 3s }",
                "retry: { attempts: 1, delay: 3s }",
            ),
            ("undo: { covered_by: install }", "undo: { none: it stays }"),
        ],
    ),
    (
        "runbooks",
        "free-disk-space",
        &[
            (
                "when: now.value < params.free_mb\n    rollout",
                "when: now.value >= 0\n    rollout",
            ),
            ("first | int) <= params.most_mb", "first | int) >= 0"),
            ("expect: value >= params.free_mb", "expect: value >= 0"),
        ],
    ),
    (
        "runbooks",
        "rolling-restart-cluster",
        &[
            ("last: is_leader.value", "last: not is_leader.value"),
            ("systemctl is-active --quiet", "systemctl is-enabled --quiet"),
        ],
    ),
    (
        "runbooks",
        "check-servers",
        &[
            ("crit: \"5:\"", "crit: \"1:\""),
            ("memory_swap: {}, warn: \"10:\"", "memory_swap: {}, warn: \"5:\""),
            ("check: { time_sync: {}, ", "check: { uptime_boot: {}, "),
            ("log_errors: { since: 1h }", "services_failed: {}"),
        ],
    ),
    (
        "runbooks",
        "access-review",
        &[
            // Nothing warns; another rule for root; keys of another age; a list that is another one.
            ("warn_unless: stdout == ''", "warn_unless: stdout != 'x'"),
            ("\"{{ params.root_login }}\"", "any"),
            ("default: 730", "default: 7300"),
            ("args: [keys] }", "args: [accounts] }"),
        ],
    ),
    (
        "runbooks",
        "collect-evidence",
        &[
            ("ok_codes: [0, 9]", "ok_codes: [0]"),
            ("warn_unless: rc == 0", "warn_unless: rc >= 0"),
            ("args: [sockets] }", "args: [mounts] }"),
            ("run: sh -c {{ params.proof | sh }}", "run: \"true\""),
            ("max_fail: \"100%\"", "max_fail: 0"),
        ],
    ),
    (
        "runbooks",
        "inventory-export",
        &[
            ("expect: value | length == 1", "expect: value | length >= 0"),
            ("expect: value | length > 0", "expect: value | length >= 0"),
            ("when: params.packages", "when: not params.packages"),
            ("args: [units] }", "args: [disks] }"),
        ],
    ),
    (
        "runbooks",
        "drill-postgres",
        &[
            // People's time counts; nothing is taken back at a no; a pair that is none; the copy stays.
            ("less_waiting: true", "less_waiting: false"),
            ("otherwise: rollback_run", "otherwise: hold"),
            ("expect: stdout == b_system.stdout", "expect: stdout != ''"),
            (
                "    cleanup:\n      - id: erase\n",
                "    cleanup:\n      - id: erase\n        when: host.state == 'held'\n",
            ),
        ],
    ),
    (
        "runbooks",
        "rejoin-postgres",
        &[
            ("expect: stdout == 'yes'", "expect: stdout != ''"),
            ("expect: stdout == b_system.stdout", "expect: stdout != ''"),
            ("when: params.rebuild == 'rewind'", "when: params.rebuild == 'copy'"),
        ],
    ),
    (
        "examples/patch-playbooks",
        "lamp-rolling-update",
        &[
            (
                "        expect: status == 200\n        retry",
                "        expect: status >= 200\n        retry",
            ),
            ("yum --assumeyes history rollback", "yum --assumeyes history info"),
            ("batches: [1], soak: 1m", "batches: [2], soak: 1m"),
            ("run: echo \"enable server", "run: echo \"disable server"),
        ],
    ),
    (
        "examples/patch-playbooks",
        "apt-upgrade-restart",
        &[
            ("expect: stdout != boot.stdout", "expect: stdout == boot.stdout"),
            ("      after_batch: 1\n", "      after_batch: 2\n"),
            (
                "when: \"pending.value | length > 0\"",
                "when: \"pending.value | length >= 0\"",
            ),
            (
                "run: systemctl --failed --no-legend",
                "run: systemctl --all --no-legend",
            ),
        ],
    ),
    (
        "examples/patch-playbooks",
        "rhel-service-patch",
        &[
            ("ok_codes: [0, 100]", "ok_codes: [100]"),
            ("when: updates.rc == 100", "when: updates.rc >= 0"),
            ("yum --assumeyes history rollback", "yum --assumeyes history info"),
            ("batches: [1, 2], parallel: 2", "batches: [2], parallel: 2"),
        ],
    ),
];

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_shipped_runbook_has_a_test() {
    for dir in ["runbooks", "examples/quickstart", "examples/patch-playbooks"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(id) = name.strip_suffix(".yml").filter(|id| !id.ends_with(".test")) {
                assert!(
                    SHIPPED.iter().any(|(d, i, _)| *d == dir && *i == id),
                    "{dir}/{name} has no test"
                );
            }
        }
    }
}

/// Four parts, which run side by side: each breaks every fourth of them in all its ways.
#[test]
fn tests_of_shipped_runbooks_pass_and_find_what_is_broken_1() {
    find_what_is_broken(0);
}

#[test]
fn tests_of_shipped_runbooks_pass_and_find_what_is_broken_2() {
    find_what_is_broken(1);
}

#[test]
fn tests_of_shipped_runbooks_pass_and_find_what_is_broken_3() {
    find_what_is_broken(2);
}

#[test]
fn tests_of_shipped_runbooks_pass_and_find_what_is_broken_4() {
    find_what_is_broken(3);
}

fn find_what_is_broken(part: usize) {
    for (dir, id, mutations) in SHIPPED.iter().skip(part).step_by(4) {
        let (runbook, test) = (
            repository(&format!("{dir}/{id}.yml")),
            repository(&format!("{dir}/{id}.test.yml")),
        );
        let room = Room::new(&[]);
        room.file(&format!("p/{id}.yml"), &runbook);
        room.file(&format!("p/{id}.test.yml"), &test);
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/files")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            room.file(
                &format!("p/files/{name}"),
                &repository(&format!("runbooks/files/{name}")),
            );
        }
        room.run(&["test"]).code(0).says("passed:");
        room.run(&["check", &format!("{id}.test.yml")]).code(0);
        for (good, bad) in *mutations {
            let broken = runbook.replace(good, bad);
            assert_ne!(broken, runbook, "{id} has no `{good}`");
            room.file(&format!("p/{id}.yml"), &broken);
            let done = room.run(&["test"]);
            assert_eq!(
                done.code, 1,
                "{id} with `{bad}` passes its test, or cannot be read:\n{}",
                done.err
            );
            assert!(
                done.err.contains("FAILED") && done.err.contains("error[PS07"),
                "{}",
                done.err
            );
        }
    }
}

#[test]
fn a_new_project_has_a_test_that_passes_and_a_broken_undo_fails_it() {
    let room = Room::new(&[]);
    let home = room.path("home");
    let go = |dir: &Path, args: &[&str]| -> Done { room.command_in(dir, args).output().unwrap().into() };
    go(&home, &["init", "new"]).code(0).says("pitstop test");
    let new = home.join("new");
    go(&new, &["test"]).code(0).says("2 cases of 1 file");
    let path = new.join("runbooks/hello.yml");
    let runbook = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, runbook.replacen("rm -f", "true #", 1)).unwrap();
    go(&new, &["test"]).code(1).says("no answer matches");
    let runs = new.join(".pitstop");
    assert!(!runs.exists(), "a test left something in the project");
    let left: Vec<_> = std::fs::read_dir(room.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "a test left its temporary folder: {left:?}");
}

const ONE: &str = "    on_failure: rollback_host\n    steps:\n      - { id: change, name: Change it, run: change, timeout: 1m, undo: [{ name: Back, run: back }] }\n    verify:\n      - { id: good, name: It is good, run: look }\n";

/// A project with one host, one runbook and a test of it with these cases.
fn project(cases: &str) -> Room {
    let room = Room::new(&["a"]);
    room.runbook("one", ONE);
    room.file(
        "p/one.test.yml",
        &format!("schema: 1\nrunbook: one.yml\ncases:\n{cases}"),
    );
    room
}

const GOOD: &str =
    "  - name: it goes well\n    answers: { a: [{ match: change }, { match: look }] }\n    expect: { exit: 0 }\n";

#[test]
fn every_difference_is_told_at_its_place() {
    for (case, code, said) in [
        (
            "answers: { a: [{ match: change }, { match: look }] }\n    expect: { exit: 4 }",
            "PS0720",
            "expected exit code 4, got 0",
        ),
        (
            "answers: { a: [{ match: change }, { match: look }] }\n    expect: { hosts: { a: held } }",
            "PS0721",
            "expected a to end held, got ok",
        ),
        (
            "answers: { a: [{ match: change }, { match: look }] }\n    expect: { order: [look, change] }",
            "PS0722",
            "it was sent, but earlier",
        ),
        (
            "answers: { a: [{ match: change }, { match: look }] }\n    expect: { undone: [one/change@a] }",
            "PS0723",
            "there is nothing",
        ),
        (
            "answers: { a: [{ match: change }, { match: look, rc: 1 }, { match: back }, { match: look }] }\n    expect: { undone: [] }",
            "PS0723",
            "one/change@a",
        ),
        (
            "answers: { a: [{ match: change, rc: 1 }, { match: back, rc: 1 }] }\n    expect: { left_behind: [] }",
            "PS0724",
            "undo:one/a/",
        ),
        (
            "answers: { a: [{ match: change }, { match: look }] }\n    expect: { marks: { done: set } }",
            "PS0725",
            "it is not set",
        ),
        (
            "answers: { a: [{ match: change }, { match: look }, { match: back }] }\n    expect: { exit: 0 }",
            "PS0726",
            "no command used this answer",
        ),
        (
            "answers: { a: [{ match: change }] }\n    expect: { exit: 4 }",
            "PS0727",
            "sent: look",
        ),
        (
            "answers: { b: [{ match: change }] }\n    expect: { exit: 0 }",
            "PS0713",
            "the plan has no host `b`",
        ),
        (
            "approvals: [{ gate: go }]\n    expect: { exit: 0 }",
            "PS0714",
            "the plan has no gate `go`",
        ),
        (
            "signals: [{ at: one/chnge, send: int }]\n    expect: { exit: 0 }",
            "PS0715",
            "one/chnge",
        ),
        (
            "signals: [{ at: 10h, send: int }]\n    answers: { a: [{ match: change }, { match: look }] }\n    expect: { exit: 0 }",
            "PS0729",
            "never sent",
        ),
        ("journal: journal.jsonl", "PS0716", "journal.jsonl"),
    ] {
        let room = project(&format!("  - name: another\n    {case}\n"));
        let done = room.run(&["test"]);
        let wrong = if matches!(code, "PS0713" | "PS0714" | "PS0715") {
            2
        } else {
            1
        };
        assert_eq!(done.code, wrong, "{case}\n{}", done.err);
        assert!(
            done.err.contains(code) && done.err.contains(said),
            "{case}\n{}",
            done.err
        );
        assert!(done.err.contains("one.test.yml:"), "{}", done.err);
        room.run(&["explain", code]).code(0);
    }
}

#[test]
fn results_come_as_junit_and_as_lines_and_one_case_can_be_run() {
    let room = project(&format!(
        "{GOOD}  - name: it does not\n    answers: {{ a: [{{ match: change }}, {{ match: look }}] }}\n    expect: {{ exit: 4 }}\n"
    ));
    let junit = room.run(&["test", "--format", "junit"]).code(1);
    assert!(
        junit.out.contains("tests=\"2\"") && junit.out.contains("failures=\"1\""),
        "{}",
        junit.out
    );
    let lines = room.run(&["test", "--format", "json", "-o", "out.jsonl", "-q"]).code(1);
    assert!(lines.out.is_empty());
    let text = std::fs::read_to_string(room.project("out.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["wrong"][0]["code"], "PS0720");
    assert_eq!(lines[2]["failed"], 1);
    room.run(&["test", "--case", "it goes well"])
        .code(0)
        .says("1 case of 1 file");
    room.run(&["test", "--case", "it goes"])
        .code(2)
        .says("no case is called");
    room.run(&["test", "one.yml"]).code(2).says("pitstop test one.test.yml");
    room.run(&["test", "nowhere"]).code(2).says("there is no file");
    room.file(
        "p/one.test.yml",
        "schema: 1\nrunbook: gone.yml\ncases:\n  - { name: a, expect: { exit: 0 } }\n",
    );
    room.run(&["test"]).code(2).says("PS0123");
}

/// What each fault does to the one changing step.
#[test]
fn every_fault_does_what_its_table_says() {
    for (answers, exit, state) in [
        // The link comes back at once: the host knows that it ended well, or badly.
        ("{ match: change, then: cut }, { match: look }", 0, "ok"),
        (
            "{ match: change, then: cut, rc: 1 }, { match: back }, { match: look }",
            4,
            "rolled_back",
        ),
        // It comes back after the step's limit: nobody knows.
        ("{ match: change, then: cut, away: 1h }", 1, "unknown"),
        (
            "{ match: change, then: hang }, { match: back }, { match: look }",
            4,
            "rolled_back",
        ),
        ("{ match: change, after: 59s }, { match: look }", 0, "ok"),
        (
            "{ match: change, after: 61s }, { match: back }, { match: look }",
            4,
            "rolled_back",
        ),
        ("{ match: change, then: never_returns }", 1, "unknown"),
        ("{ match: change, then: reboot, away: 5s }", 1, "unknown"),
        (
            "{ match: change, then: reboot, away: 5s, rc: 0 }, { match: look }",
            0,
            "ok",
        ),
        (
            "{ match: change, then: lie }, { match: look, rc: 1 }, { match: back }, { match: look }",
            4,
            "rolled_back",
        ),
        ("{ match: change, then: refuse }", 1, "held"),
        (
            "{ match: change, then: refuse, away: 5s }, { match: change }, { match: look }",
            0,
            "ok",
        ),
        ("{ match: connect, then: refuse, repeat: true }", 3, "refused"),
        (
            "{ match: connect, rc: 1, stderr: permission denied, repeat: true }",
            3,
            "refused",
        ),
        (
            "{ match: change }, { match: look, then: cut }, { match: look }",
            0,
            "ok",
        ),
    ] {
        let room = project(&format!(
            "  - name: a fault\n    answers: {{ a: [{answers}] }}\n    expect: {{ exit: {exit}, hosts: {{ a: {state} }} }}\n"
        ));
        let done = room.run(&["test"]);
        assert_eq!(done.code, 0, "{answers}\n{}", done.err);
    }
}

#[test]
fn signals_come_at_their_moment_and_the_run_goes_on_where_it_was() {
    for (more, exit, state) in [
        // Gently: the step ends, nothing else begins; then forward, or back.
        (
            "signals: [{ at: one/change, send: int }]\n    answers: { a: [{ match: change, after: 30s }] }",
            7,
            "not_started",
        ),
        (
            "signals: [{ at: 10s, send: int }]\n    resume: [{ after: 1h }]\n    answers: { a: [{ match: change, after: 30s }, { match: look }] }",
            0,
            "ok",
        ),
        (
            "signals: [{ at: 10s, send: int }]\n    resume: [{ rollback: true }]\n    answers: { a: [{ match: change, after: 30s }, { match: back }, { match: look }] }",
            4,
            "rolled_back",
        ),
        // Twice: the command is stopped.
        (
            "signals: [{ at: 10s, send: int }, { at: 11s, send: int }]\n    resume: [{ rollback: true }]\n    answers: { a: [{ match: change, after: 30s }, { match: back }, { match: look }] }",
            4,
            "rolled_back",
        ),
        // A crash under the step: the host is asked how it ended.
        (
            "signals: [{ at: one/change@a, send: kill }]\n    resume: [{ after: 1h }]\n    answers: { a: [{ match: change, after: 30s }, { match: look }] }",
            0,
            "ok",
        ),
        (
            "signals: [{ at: one/change@a, send: kill }]\n    resume: [{ after: 1s }]\n    answers: { a: [{ match: change, after: 30s, rc: 1 }, { match: back }, { match: look }] }",
            4,
            "rolled_back",
        ),
    ] {
        let room = project(&format!(
            "  - name: a signal\n    {more}\n    expect: {{ exit: {exit}, hosts: {{ a: {state} }} }}\n"
        ));
        let done = room.run(&["test"]);
        assert_eq!(done.code, 0, "{more}\n{}", done.err);
    }
}

/// HTTP, uploads, manual steps, secrets: nothing leaves the machine.
#[test]
fn every_kind_of_step_is_answered_by_the_script() {
    let room = Room::new(&["a"]);
    room.file("p/motd", "welcome\n");
    room.file(
        "p/kinds.yml",
        "schema: 1\nrunbook: kinds\ntitle: Every kind of step\nkind: change\ntargets: { all: { select: role=x } }\n\
         secrets: { token: { from: file, path: /no/such/file } }\n\
         phases:\n  - phase: one\n    title: One\n    targets: all\n    on_failure: rollback_host\n    steps:\n\
         \x20     - { id: motd, name: Put it, upload: { src: motd, dest: /etc/motd } }\n\
         \x20     - { id: ask, name: Ask, read_only: true, http: { url: \"https://api.example.com/v1/health\", headers: { Authorization: \"{{ secrets.token }}\" } }, expect: \"status == 200 and json.good\" }\n\
         \x20     - { id: port, name: Wait, wait_for: { port: 443, every: 10s }, timeout: 5m }\n\
         \x20     - { id: hand, name: By hand, manual: Turn the key, timeout: 1h, undo: [{ name: Turn it back, manual: Turn it back, timeout: 1h }] }\n\
         \x20   verify:\n      - { id: good, name: It is good, run: look }\n",
    );
    room.file(
        "p/kinds.test.yml",
        "schema: 1\nrunbook: kinds.yml\nanswers:\n  controller: [{ match: '^GET https://api.example.com/v1/health$', stdout: '{\"good\": true}', repeat: true }]\n\
         cases:\n  - name: all good\n    answers:\n      a:\n        - { match: upload /etc/motd }\n        - { match: wait_for port 443, rc: 1, repeat: 3 }\n        - { match: wait_for port 443 }\n        - { match: look }\n\
         \x20   approvals: [{ manual: Turn the key, after: 20m }]\n    expect: { exit: 0, hosts: { a: ok } }\n\
         \x20 - name: the upload lies\n    answers:\n      a:\n        - { match: upload /etc/motd, then: lie }\n        - { match: \"rm -f -- '/etc/motd'\" }\n        - { match: look }\n    expect: { exit: 4, hosts: { a: rolled_back } }\n\
         \x20 - name: not done by hand, so all is taken back\n    answers:\n      a:\n        - { match: upload /etc/motd }\n        - { match: wait_for port 443 }\n        - { match: \"rm -f -- '/etc/motd'\" }\n        - { match: look }\n\
         \x20   approvals: [{ manual: Turn the key, decision: not_done }, { manual: Turn it back }]\n    expect: { exit: 4, hosts: { a: rolled_back }, undone: [one/motd@a, one/hand@a] }\n",
    );
    room.run(&["test"]).code(0).says("3 cases");
}

#[test]
fn the_journal_of_a_real_run_is_a_test_of_its_runbook() {
    let room = Room::alone(&["a"]);
    let text = "    on_failure: rollback_host\n    steps:\n      - { id: note, name: Note it, run: \"echo {{ host.name }} >> {{ host.vars.dir | sh }}/log; echo said\", register: said, undo: [{ name: Back, run: \"echo back >> {{ host.vars.dir | sh }}/log\" }] }\n    verify:\n      - { id: there, name: It is there, run: \"seq 1 2000; test -s {{ host.vars.dir | sh }}/log\", expect: \"said.stdout == 'said' and '\\n1234\\n' in stdout\" }\n";
    room.runbook("note", text);
    room.run(&["run", "note.yml", "--yes"]).code(0);
    let copy = std::process::Command::new("cp")
        .args(["-r"])
        .args([room.last_run(), room.project("night")])
        .status();
    assert!(copy.unwrap().success());
    let test = "schema: 1\nrunbook: note.yml\ncases:\n  - { name: as in that night, journal: night/journal.jsonl }\n";
    room.file("p/note.test.yml", test);
    let before = room.effects();
    room.run(&["test"]).code(0).says("as in that night");
    assert_eq!(room.effects(), before, "a replay ran something");
    // Another command under the same id is not what the host answered to.
    room.runbook("note", &text.replace("echo said", "echo something"));
    room.run(&["test"]).code(1).says("PS0727");
    // An expectation that the recorded output does not meet.
    room.runbook("note", &text.replace("1234", "4321"));
    room.run(&["test"]).code(1).says("in the journal");
    // A step that is gone leaves its answer.
    room.runbook(
        "note",
        &text
            .split("    verify:")
            .next()
            .unwrap()
            .replace("rollback_host", "hold"),
    );
    room.run(&["test"]).code(1);
}

/// A scripted host has no services, files or boots: each built-in is one question there, and so is its undo.
#[test]
fn actions_that_prove_themselves_are_asked_for_in_words() {
    let room = Room::new(&["a"]);
    room.runbook(
        "one",
        "    on_failure: rollback_host\n    steps:\n\
         \x20     - { name: Edit, edit: { file: /etc/motd, find: old, put: new } }\n\
         \x20     - { name: Restart, service: { name: nginx, state: restarted }, register: s, expect: was == 'active' }\n\
         \x20     - { name: Reboot, reboot: { if: needed }, register: r }\n\
         \x20     - { name: Look, read_only: true, when: r.rebooted, run: look }\n",
    );
    let cases = "schema: 1\nrunbook: one.yml\ncases:\n\
        \x20 - name: it goes well\n    answers:\n      a:\n\
        \x20       - { match: '^edit /etc/motd: /old/$' }\n\
        \x20       - { match: '^service nginx: restarted$', stdout: '{\"was\": \"active\"}' }\n\
        \x20       - { match: '^reboot if needed$' }\n\
        \x20       - { match: look }\n    expect: { exit: 0, hosts: { a: ok } }\n\
        \x20 - name: it goes back\n    answers:\n      a:\n\
        \x20       - { match: '^edit ' }\n\
        \x20       - { match: '^service ', stdout: '{\"was\": \"active\"}' }\n\
        \x20       - { match: '^reboot ', rc: 1 }\n\
        \x20       - { match: '^take back service nginx: restarted$' }\n\
        \x20       - { match: '^take back edit /etc/motd: /old/$' }\n\
        \x20   expect: { exit: 4, hosts: { a: rolled_back }, order: [take back service, take back edit] }\n";
    room.file("p/one.test.yml", cases);
    let done = room.run(&["test"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
}

/// Each side of a comparison is asked on its own host, and a recorded comparison comes to the same.
#[test]
fn both_sides_of_a_comparison_are_answered_by_their_hosts() {
    let room = Room::new(&["a", "b"]);
    let text = "    on_failure: hold\n    verify:\n      - { id: same, name: The same, compare: { mode: rows, left: { run: look }, right: { host: b, run: list } }, timeout: 1m }\n";
    room.runbook("one", text);
    let text = std::fs::read_to_string(room.project("one.yml")).unwrap();
    room.file("p/one.yml", &text.replace("select: role=x", "hosts: [a]"));
    let case = |name: &str, left: &str, right: &str, exit: u8| {
        format!(
            "  - name: {name}\n    answers: {{ a: [{{ match: look{left} }}], b: [{{ match: list{right} }}] }}\n    expect: {{ exit: {exit} }}\n"
        )
    };
    let cases = [
        case("the same", ", stdout: \"x\\ny\\n\"", ", stdout: \"y\\nx\\n\"", 0),
        case("another", ", stdout: \"x\\ny\\n\"", ", stdout: \"y\\n\"", 3),
        case("silent", "", "", 3),
        case("it fails", ", stdout: x", ", stdout: x, rc: 2", 3),
        case("it hangs", ", stdout: x", ", stdout: x, then: hang", 3),
    ];
    room.file(
        "p/one.test.yml",
        &format!("schema: 1\nrunbook: one.yml\ncases:\n{}", cases.concat()),
    );
    let done = room.run(&["test"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    // A case whose hosts say something else is found.
    room.file(
        "p/one.test.yml",
        &format!(
            "schema: 1\nrunbook: one.yml\ncases:\n{}",
            cases[1].replace("exit: 3", "exit: 0")
        ),
    );
    room.run(&["test"]).code(1).says("PS0720");
    // What goes into a side's command needs quotes as everywhere, and a side's machine must be there.
    let text = std::fs::read_to_string(room.project("one.yml")).unwrap();
    room.file(
        "p/one.yml",
        &text.replace("run: look", "run: \"look {{ host.vars.dir }}\""),
    );
    room.run(&["check", "one.yml"]).code(2).says("PS0305");
    room.file("p/one.yml", &text.replace("host: b", "host: nowhere"));
    room.run(&["plan", "one.yml"]).code(2).says("PS0625");
}

/// What the sides of a recorded comparison said is kept nowhere: they come to the same all the same.
#[test]
fn a_recorded_comparison_comes_to_the_same() {
    let room = Room::new(&["a", "b"]);
    for (id, mode, left, right) in [
        ("equal", "rows", "echo a", "echo a"),
        ("other", "bounded, tolerance: 1", "echo 5", "echo 7"),
        ("failed", "exact", "echo 5", "echo 5; exit 4"),
        ("late", "schema", "echo a", "echo a; sleep 9"),
    ] {
        room.runbook(
            id,
            &format!(
                "    on_failure: hold\n    steps:\n      - {{ id: same, name: The same, compare: {{ mode: {mode}, left: {{ run: \"{left}\" }}, right: {{ host: b, run: \"{right}\" }} }}, timeout: 2s }}\n"
            ),
        );
        let text = std::fs::read_to_string(room.project(&format!("{id}.yml"))).unwrap();
        room.file(&format!("p/{id}.yml"), &text.replace("select: role=x", "hosts: [a]"));
        let ran = room.run(&["run", &format!("{id}.yml"), "--yes"]);
        assert_eq!(ran.code == 0, id == "equal", "{}", ran.err);
        let run = ran
            .err
            .split("/runs/")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap();
        let folder = room.last_run().parent().unwrap().join(run);
        let night = room.project(&format!("night-{id}"));
        let copy = std::process::Command::new("cp")
            .arg("-r")
            .args([folder, night])
            .status();
        assert!(copy.unwrap().success());
        let test = format!(
            "schema: 1\nrunbook: {id}.yml\ncases:\n  - {{ name: as in that night, journal: night-{id}/journal.jsonl }}\n"
        );
        room.file(&format!("p/{id}.test.yml"), &test);
        room.run(&["test", &format!("{id}.test.yml")])
            .code(0)
            .says("as in that night");
    }
}
