//! What is around a run gives way: the disk fills up, standard output is closed, the process is stopped for a while, the run's
//! folder is carried elsewhere.

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::books;
use crate::drive::{apart, calm, forget, refresh};
use crate::fleet::{Fleet, code, records, words};

/// A state directory of a few kilobytes more each time, so that each write of a run finds the disk full once. The run may
/// stop wherever it likes; with space again it comes to its end, and nothing happened twice.
#[test]
fn p8_a_disk_that_fills_up_at_any_write_stops_the_run_and_resume_completes_it() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts a small file system: run it as root"
    );
    let fleet = calm("rollback_host");
    let (mut stopped, mut whole) = (0, 0);
    for kib in (12..).step_by(8) {
        refresh(&fleet, "rollback_host", "0");
        let script = format!(
            "mkdir -m 700 .pitstop
             mount -t tmpfs -o size={kib}k,mode=700 none .pitstop
             code=0; \"$PITSTOP\" run runbooks/storm.yml --yes >/dev/null 2>words || code=$?
             mount -o remount,size=64m none .pitstop
             then=none
             if [ -s .pitstop/runs/*/journal.jsonl ]; then
               then=0; \"$PITSTOP\" resume last >/dev/null 2>then || then=$?
             fi
             cp -a .pitstop saved
             echo $code $then"
        );
        let out = apart(&fleet, &["--mount"], &script);
        let said = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        let text = |name: &str| std::fs::read_to_string(fleet.path(name)).unwrap_or_default();
        let context = format!(
            "{kib} KiB: {said}\n{}\n{}\n{}",
            words(&out),
            text("words"),
            text("then")
        );
        std::fs::remove_dir(fleet.path(".pitstop")).unwrap();
        std::fs::rename(fleet.path("saved"), fleet.path(".pitstop")).unwrap();
        match said.as_str() {
            // There was room for the run, its report and all.
            "0 0" => whole += 1,
            "70 0" => stopped += 1,
            "70 none" => {
                stopped += 1;
                let touched = fleet.hosts.keys().any(|h| !fleet.effects(h).is_empty());
                assert!(!touched, "changed without a journal; {context}");
            }
            _ => panic!("{context}"),
        }
        if said.starts_with("70") {
            assert!(text("words").contains("No space left on device"), "{context}");
            assert!(text("words").contains("help: "), "{context}");
        }
        if said.ends_with('0') {
            books::compare(&fleet, 0, false).unwrap_or_else(|fault| panic!("{fault}; {context}"));
        }
        forget(&fleet);
        if whole == 2 {
            break;
        }
    }
    println!("{stopped} sizes of the disk stopped a run: each was resumed to its end");
    assert!(stopped >= 5, "only {stopped} sizes were too small");
}

#[test]
fn a_run_whose_output_nobody_reads_comes_to_its_end() {
    let fleet = calm("rollback_host");
    let script =
        "code=0; { \"$PITSTOP\" run runbooks/storm.yml --yes 2>&1 || code=$?; echo $code >code; } | true; cat code";
    for closed in [
        script,
        "\"$PITSTOP\" run runbooks/storm.yml --yes >&- 2>&- <&-; echo $?",
    ] {
        let out = fleet.program("sh").args(["-c", closed]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert_eq!(said.trim(), "0", "{closed}: {}", words(&out));
        books::compare(&fleet, 0, false).unwrap();
        forget(&fleet);
        refresh(&fleet, "rollback_host", "0");
    }
}

/// A pipe that is full from the start. What a person sees comes late; what the run does, does not.
#[test]
fn a_run_does_not_wait_for_a_reader_that_sleeps() {
    let fleet = calm("rollback_host");
    let script = "mkfifo full; exec 3<>full
        dd if=/dev/zero of=full oflag=nonblock bs=4k count=100 2>/dev/null || :
        code=0; \"$PITSTOP\" run runbooks/storm.yml --yes --output jsonl -v >&3 2>&3 || code=$?
        echo $code >code";
    let mut child = fleet.program("sh").args(["-c", script]).spawn().unwrap();
    let ended = || fleet.tells(|e| e["type"] == "ended");
    fleet.until("the run has ended, and nobody has read a word", ended);
    fleet.until("it gives up", || child.try_wait().unwrap().is_some());
    assert_eq!(std::fs::read_to_string(fleet.path("code")).unwrap().trim(), "0");
    books::compare(&fleet, 0, false).unwrap();
}

#[test]
fn a_reader_that_comes_late_gets_every_word() {
    let fleet = calm("rollback_host");
    let script = "mkfifo full; exec 3<>full
        dd if=/dev/zero of=full oflag=nonblock bs=4k count=100 2>/dev/null || :
        code=0; \"$PITSTOP\" run runbooks/storm.yml --yes --output jsonl >&3 2>words || code=$?
        echo $code >code; echo over >&3";
    let mut child = fleet.program("sh").args(["-c", script]).spawn().unwrap();
    let ended = || fleet.tells(|e| e["type"] == "ended");
    fleet.until("the run has ended", ended);
    let read = "sed /^over/q full | tr -d '\\000' | grep -c '^{'";
    let lines = fleet.program("sh").args(["-c", read]).output().unwrap();
    let lines: usize = String::from_utf8_lossy(&lines.stdout).trim().parse().unwrap();
    assert_eq!(lines, records(&fleet.journal()).len());
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(fleet.path("code")).unwrap().trim(), "0");
}

/// Stopped for longer than the step's limit, which the step itself kept to: the host knows, and is asked.
#[test]
fn a_process_that_was_stopped_for_a_while_believes_the_host_and_not_its_own_clock() {
    let fleet = Fleet::start(1, "0");
    fleet.file(
        "runbooks/slow.yml",
        "schema: 1
runbook: slow
title: A step with a limit
kind: change
targets:
  web: { select: \"group=web\" }
phases:
  - phase: p
    title: P
    targets: web
    on_failure: hold
    steps:
      - name: Begin and end in time
        timeout: 4s
        run: |
          echo \"$PITSTOP_STEP_KEY begin\" >> \"$HOME/effects\"
          while [ ! -e \"$HOME/go\" ]; do sleep 0.02; done
          echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\"
        undo: { none: it only notes }
",
    );
    let mut child = fleet.spawn(&["run", "runbooks/slow.yml", "--yes"], "words");
    fleet.until("the step has begun", || !fleet.effects("h01").is_empty());
    kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
    fleet.mark("h01", "go");
    fleet.until("the step has ended", || fleet.effects("h01").len() == 2);
    // The experiment itself: the limit goes by while nobody looks.
    std::thread::sleep(Duration::from_secs(6));
    kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
    let status = child.wait().unwrap();
    let said = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(code(status), 0, "{said}");
    assert_eq!(fleet.effects("h01").len(), 2, "{said}");
}

#[test]
fn the_folder_of_a_killed_run_goes_on_from_another_place() {
    let fleet = calm("rollback_host");
    let mut child = fleet.program(env!("CARGO_BIN_EXE_pitstop"));
    child.args(["run", "runbooks/storm.yml", "--yes"]);
    child
        .env("PITSTOP_CRASH_AT", "settled:14")
        .stderr(Stdio::null())
        .stdout(Stdio::null());
    assert_eq!(child.status().unwrap().code(), None, "it was killed");
    let run = fleet.run_folder();
    let elsewhere = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(&run)
        .arg(elsewhere.path())
        .status();
    assert!(copied.unwrap().success());
    let copy = elsewhere.path().join(run.file_name().unwrap());
    let ran = fleet
        .program(env!("CARGO_BIN_EXE_pitstop"))
        .current_dir(elsewhere.path())
        .args(["resume", copy.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    // The books are read where the run went on.
    std::fs::remove_dir_all(&run).unwrap();
    std::fs::rename(&copy, &run).unwrap();
    books::compare(&fleet, 0, false).unwrap();
}

const CROWD: usize = 40;

/// A run over so many names of one machine, each of them at work at the same time if it can be.
fn crowded(fleet: &Fleet, limits: &str, config: &str, steps: &str) -> Output {
    fleet.file("policy.yml", "schema: 1\nallow_local: true\n");
    fleet.file(
        "runbooks/crowd.yml",
        &format!(
            "schema: 1
runbook: crowd
title: Ask each
kind: check
targets:
  all: {{ select: \"host=n*\" }}
rollouts:
  wide: {{ parallel: {CROWD} }}
phases:
  - phase: p
    title: P
    targets: all
    rollout: wide
    steps:
{steps}"
        ),
    );
    let script = format!("{limits}; \"$PITSTOP\" run runbooks/crowd.yml --yes --ssh-config {config}");
    fleet.program("sh").args(["-c", &script]).output().unwrap()
}

/// Hosts of the last run that were good.
fn good(fleet: &Fleet) -> usize {
    let is_good = |r: &&serde_json::Value| r["event"]["type"] == "host_ended" && r["event"]["state"] == "ok";
    records(&fleet.journal()).iter().filter(is_good).count()
}

/// A way by a program takes four descriptors, as does each shell on this machine: all of these were counted as one connection, and
/// hosts were refused with "too many open files".
#[test]
fn more_hosts_than_descriptors_take_turns() {
    let fleet = Fleet::start(1, "0");
    fleet.file(
        "ssh_config",
        "Host *\n  ProxyCommand bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & exec cat >&3'\n",
    );
    // More than fits in memory: each has a file, too.
    let steps = "      - { name: Say much, run: head -c 100000 /dev/zero, read_only: true }
      - { name: And here, run: head -c 100000 /dev/zero, read_only: true, delegate_to: controller }
";
    let here: String = (0..CROWD)
        .map(|n| format!("  n{n:03}: {{ transport: local }}\n"))
        .collect();
    for (way, config) in [
        ("straight", "none"),
        ("by a program", "ssh_config"),
        ("on this machine", "none"),
    ] {
        fleet.crowd(CROWD);
        if way == "on this machine" {
            fleet.file("inventory.yml", &format!("schema: 1\nhosts:\n{here}"));
        }
        let out = crowded(&fleet, "ulimit -n 64", config, steps);
        assert_eq!(code(out.status), 0, "{way}: {}", words(&out));
        assert_eq!(good(&fleet), CROWD, "{way}");
        forget(&fleet);
    }
}

/// Each waits until all have begun, which they have only where each has a connection of its own.
#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let fleet = Fleet::start(1, "0");
    fleet.crowd(CROWD);
    let steps = format!(
        "      - name: Meet
        read_only: true
        run: |
          : > \"$HOME/{{{{ host.name }}}}\"
          until [ $(ls \"$HOME\" | grep -c ^n) -eq {CROWD} ]; do sleep 0.05; done
"
    );
    let out = crowded(&fleet, "ulimit -Sn 64; ulimit -Hn 1024", "none", &steps);
    assert_eq!(code(out.status), 0, "{}", words(&out));
    assert_eq!(good(&fleet), CROWD);
}

#[test]
fn with_fewer_descriptors_than_a_run_needs_it_says_so_and_no_host_is_asked() {
    let fleet = Fleet::start(1, "0");
    fleet.crowd(CROWD);
    let steps = "      - { name: Look, run: echo here, read_only: true }\n";
    let out = crowded(&fleet, "ulimit -n 63", "none", steps);
    let said = words(&out);
    assert_eq!(code(out.status), 70, "{said}");
    assert!(said.contains("may open 63 files at a time, and needs 64"), "{said}");
    assert!(said.contains("help: raise the hard limit"), "{said}");
    assert!(!fleet.path(".pitstop").exists(), "it never began");
    let log = std::fs::read_to_string(fleet.hosts["h01"].path("log")).unwrap();
    assert!(!log.contains("Accepted"), "{log}");
}
