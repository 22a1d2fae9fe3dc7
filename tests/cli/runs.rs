//! Runs from the outside: start, signals, crash, resume, evidence.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::room::{Done, Room};

const NOTE: &str = "    on_failure: rollback_host\n    steps:\n      - id: note\n        name: Note it\n        run: echo {{ host.name }} >> {{ host.vars.dir | sh }}/log; echo said\n        undo: [{ name: Take it back, run: \"echo back >> {{ host.vars.dir | sh }}/log\" }]\n    verify:\n      - { id: there, name: It is there, read_only: true, run: \"test -s {{ host.vars.dir | sh }}/log\" }\n";

/// Two slow steps; each notes that it began.
pub const SLOW: &str = "    on_failure: hold\n    steps:\n      - { id: s1, name: S1, run: \"echo s1 >> {{ host.vars.dir | sh }}/log; sleep 1\", undo: { none: x } }\n      - { id: s2, name: S2, run: \"echo s2 >> {{ host.vars.dir | sh }}/log\", undo: { none: x } }\n";

#[test]
fn a_new_project_checks_plans_runs_and_proves_itself() {
    let room = Room::alone(&[]);
    let home = room.path("home");
    let go = |args: &[&str]| -> Done { room.command_in(&home, args).output().unwrap().into() };
    go(&["init", "new"]).code(0).says("pitstop check");
    go(&["init", "new"]).code(2).says("already");
    let new = home.join("new");
    let go = |args: &[&str]| -> Done { room.command_in(&new, args).output().unwrap().into() };
    go(&["check"]).code(0).says("nothing is wrong");
    // An editor finds the schema that each file names, and it is the one that this build prints.
    for name in [
        "pitstop.yml",
        "policy.yml",
        "inventory.yml",
        "runbooks/hello.yml",
        "runbooks/hello.test.yml",
    ] {
        let file = new.join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap();
        let named = first.strip_prefix("# yaml-language-server: $schema=").unwrap();
        let schema = file.parent().unwrap().join(named);
        let kind = schema.file_stem().unwrap().to_str().unwrap();
        let printed = go(&["schema", kind]).code(0).out;
        assert_eq!(std::fs::read_to_string(&schema).unwrap(), printed, "{name}");
    }
    go(&["plan", "runbooks/hello.yml"]).code(0).shows("Leave a note");
    go(&["run", "runbooks/hello.yml", "--dry"]).code(0);
    let ran = go(&["run", "runbooks/hello.yml", "--yes"])
        .code(0)
        .says("Left behind: nothing")
        .says("Chain head:");
    assert!(ran.out.is_empty(), "people's text is not data: {}", ran.out);
    go(&["status"]).code(0).shows("done (exit 0)").shows("Owed: nothing");
    go(&["logs", "last", "here", "read"])
        .code(0)
        .shows("stdout: hello from pitstop");
    go(&["logs", "last", "nohost"]).code(2);
    go(&["verify"]).code(0).shows("records follow each other");
    go(&["owed", "--json"]).code(0).shows("[]");
    for (format, part) in [
        ("html", "<html"),
        ("md", "# "),
        ("json", "pitstop.record/v1"),
        ("junit", "<testsuite"),
        ("csv", "here"),
    ] {
        go(&["report", "last", "--format", format]).code(0).shows(part);
    }
    let json = go(&["runs", "--json"]).code(0);
    let runs: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let folder = new.join(".pitstop/runs").join(runs[1]["run"].as_str().unwrap());
    let record = folder.join("report/record.json").display().to_string();
    go(&["report", &record, "--format", "md"]).code(0).shows("# ");
    for name in ["report.html", "report.md", "junit.xml"] {
        assert!(folder.join("report").join(name).is_file(), "{name}");
    }
}

#[test]
fn without_a_terminal_a_change_needs_yes_and_leaves_nothing_when_refused() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.run(&["run", "note.yml"]).code(6).says("--yes");
    assert!(!room.project(".pitstop/runs").exists());
    assert!(room.effects().is_empty());
    room.run(&["run", "note.yml", "--dry"]).code(0);
    assert!(room.effects().is_empty(), "a dry run changes nothing");
    room.run(&["run", "note.yml", "--yes"]).code(0).says("steps/note  ok");
    assert_eq!(room.effects(), ["a"]);
}

#[test]
fn jsonl_is_the_journal_on_stdout_and_a_closed_pipe_kills_no_run() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    let ran = room.run(&["run", "note.yml", "--yes", "--output", "jsonl"]).code(0);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["event"]["type"], "started");
    assert_eq!(lines.last().unwrap()["event"]["type"], "ended");
    let mut child = room
        .command(&["run", "note.yml", "--yes", "--output", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(room.effects(), ["a", "a"]);
    // A rehearsal is not the run that the key stands for.
    room.run(&["run", "note.yml", "--dry", "--once-key", "night-3"]).code(2);
    room.run(&["run", "note.yml", "--yes", "--once-key", ""]).code(2);
}

#[test]
fn a_changed_byte_of_journal_or_plan_is_found_and_nothing_goes_on_from_it() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.run(&["run", "note.yml", "--yes"]).code(0);
    let run = room.last_run();
    let (journal, plan) = (run.join("journal.jsonl"), run.join("plan.json"));
    let (journal_text, plan_text) = (
        std::fs::read_to_string(&journal).unwrap(),
        std::fs::read_to_string(&plan).unwrap(),
    );
    room.run(&["verify"]).code(0);
    std::fs::write(
        &journal,
        journal_text.replacen("\"operator\":\"tess\"", "\"operator\":\"anna\"", 1),
    )
    .unwrap();
    room.run(&["verify"]).code(1).shows("record 1");
    std::fs::write(&journal, &journal_text).unwrap();
    std::fs::write(&plan, plan_text.replacen("Note it", "Note us", 1)).unwrap();
    room.run(&["verify"]).code(1).shows("the run began with");
    room.run(&["resume", "last", "--rollback"])
        .code(6)
        .says("is not the plan");
    std::fs::write(&plan, &plan_text).unwrap();
    std::fs::remove_file(&journal).unwrap();
    room.run(&["verify"]).code(2);
}

#[test]
fn who_wishes_to_go_back_when_every_host_is_closed_is_told_that_it_is_too_late() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.run(&["run", "note.yml", "--yes"]).code(0);
    let journal = || std::fs::read(room.last_run().join("journal.jsonl")).unwrap();
    let before = journal();
    room.run(&["resume", "last", "--rollback"])
        .code(6)
        .says("nothing can be taken back any more: every host that was changed is closed (a)")
        .says("help: ");
    assert_eq!(journal(), before, "a run that is over stays as it was");
    assert_eq!(room.effects(), ["a"]);
    room.run(&["resume", "last"]).code(0).says("nothing to go on with");
}

#[test]
fn what_was_closed_before_a_rollback_is_named_on_the_screen_and_in_the_record() {
    let room = Room::alone(&["a", "b"]);
    let bad = NOTE.replace(
        "run: \"test -s",
        "run: \"{ test {{ host.name }} = a || {{ host.rolling_back }}; } && test -s",
    );
    room.runbook(
        "note",
        &format!(
            "    rollout: {{ batches: [1] }}\n{}",
            bad.replace("rollback_host", "hold")
        ),
    );
    room.run(&["run", "note.yml", "--yes"]).code(1);
    let too_late = "what was closed before cannot be taken back any more (a)";
    room.run(&["resume", "last", "--rollback"]).code(1).says(too_late);
    assert_eq!(room.effects(), ["a", "b", "back"], "only b went back");
    room.run(&["report", "last", "--format", "json"])
        .code(0)
        .shows(too_late);
    room.run(&["resume", "last", "--rollback"])
        .says("nothing can be taken back any more: every host that was changed is closed (a)");
}

/// Starts it and waits until its output says `until`.
pub fn start(room: &Room, args: &[&str], until: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = room.command(args).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(until) {
        line.clear();
        assert_ne!(
            err.read_line(&mut line).unwrap(),
            0,
            "it ended before it said `{until}`"
        );
    }
    (child, err)
}

pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn the_first_signal_lets_the_running_step_end_and_resume_goes_on() {
    let room = Room::alone(&["a"]);
    room.runbook("slow", SLOW);
    let (mut child, mut err) = start(&room, &["run", "slow.yml", "--yes", "-vv"], "steps/s1  begins");
    signal(&child, "TERM");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7), "{rest}");
    assert!(rest.contains("next: pitstop resume"), "{rest}");
    assert_eq!(room.effects(), ["s1"]);
    room.run(&["status"]).code(0).shows("stopped (exit 7)");
    room.run(&["resume", "last"]).code(0).says("is resumed");
    assert_eq!(room.effects(), ["s1", "s2"]);
    room.run(&["resume", "last"]).code(0).says("is over");
    room.run(&["verify"]).code(0);
}

#[test]
fn after_a_kill_the_run_is_interrupted_and_resume_learns_how_the_step_ended() {
    let room = Room::alone(&["a"]);
    room.runbook("slow", SLOW);
    let (mut child, _err) = start(&room, &["run", "slow.yml", "--yes", "-vv"], "steps/s1  begins");
    child.kill().unwrap();
    child.wait().unwrap();
    let status = room.run(&["status"]).code(0).shows("interrupted");
    let status = status.shows("steps/s1 was under way, and nobody has asked the host since");
    let status = status.shows("asks the hosts how open steps ended, and goes on");
    // What the host can tell is not for a person to say.
    assert!(!status.out.contains("pitstop settle"), "{}", status.out);
    let resumed = room.run(&["resume", "last"]).code(0);
    resumed.says("steps/s1 was cut off: a is asked what became of it");
    assert_eq!(room.effects(), ["s1", "s2"], "nothing is done twice");
}

#[test]
fn two_runs_of_one_runbook_at_a_time_end_with_one_winner() {
    let room = Room::alone(&["a"]);
    room.runbook("slow", SLOW);
    let (mut child, mut err) = start(&room, &["run", "slow.yml", "--yes", "-vv"], "steps/s1  begins");
    room.run(&["run", "slow.yml", "--yes"])
        .code(6)
        .says("is locked by process");
    room.run(&["status"]).code(0).shows("running, process");
    room.run(&["resume", "last"]).code(6);
    std::io::copy(&mut err, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(room.effects(), ["s1", "s2"]);
}

#[test]
fn a_once_key_runs_once() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.run(&["run", "note.yml", "--yes", "--once-key", "night-1"]).code(0);
    room.run(&["run", "note.yml", "--yes", "--once-key", "night-1"])
        .code(6)
        .says("had this once-key already; it stands: done")
        .says("pitstop status 2");
    room.run(&["run", "note.yml", "--yes", "--once-key", "night-2"]).code(0);
    assert_eq!(room.effects(), ["a", "a"]);
}

#[test]
fn a_file_that_changed_since_the_plan_is_a_refusal_with_the_difference() {
    let room = Room::alone(&["a"]);
    room.runbook("put", "    on_failure: rollback_host\n    steps:\n      - { id: put, name: Put it, upload: { src: note.txt, dest: \"{{ host.vars.dir }}/note\" } }\n");
    room.file("p/note.txt", "one\n");
    room.run(&["plan", "put.yml", "-o", "plan.json"]).code(0);
    room.file("p/note.txt", "two\n");
    room.run(&["run", "plan.json", "--yes"])
        .code(6)
        .says("note.txt is not the file that was planned");
    assert!(!room.project(".pitstop/runs").exists());
    room.file("p/note.txt", "one\n");
    // A plan that came by mail lies in no project: the current folder's is meant.
    std::fs::rename(room.project("plan.json"), room.path("home/plan.json")).unwrap();
    room.run(&["run", "../home/plan.json", "--yes"]).code(0);
    assert_eq!(std::fs::read_to_string(room.path("effects/note")).unwrap(), "one\n");
}

#[test]
fn outside_its_window_nothing_starts() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    let path = room.project("note.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace(
            "kind: change\n",
            "kind: change\nwindow: { duration: 1h, timezone: UTC }\n",
        ),
    )
    .unwrap();
    room.run(&["run", "note.yml", "--yes", "--start", "2001-01-01T00:00:00"])
        .code(6)
        .says("is over since");
    room.run(&["run", "note.yml", "--yes", "--start", "2101-01-01T00:00:00"])
        .code(6)
        .says("--wait");
    assert!(room.effects().is_empty() && !room.project(".pitstop/runs").exists());
    room.run(&["run", "note.yml", "--yes"]).code(0);
}

#[test]
fn what_a_host_says_reaches_no_terminal_unescaped() {
    let room = Room::alone(&["a"]);
    room.runbook(
        "evil",
        "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"printf 'x\\\\033[2Jy\\\\n'; printf '\\\\033]0;t\\\\007' >&2; exit 1\", undo: { none: x } }\n",
    );
    let ran = room.run(&["run", "evil.yml", "--yes", "-vv"]).code(1);
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
    let logs = room.run(&["logs", "last"]).code(0).shows("\\x1b[2J");
    assert!(!logs.out.contains('\u{1b}'));
}

#[test]
fn old_runs_that_owe_nothing_go_and_others_stay() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.runbook("bad", "    on_failure: hold\n    drain: [{ id: d, name: D, run: 'true' }]\n    steps: [{ id: s, name: S, run: 'false', undo: { none: x } }]\n    verify: [{ id: v, name: V, read_only: true, run: 'true' }]\n    undrain: [{ id: u, name: U, run: 'true' }]\n");
    room.run(&["run", "note.yml", "--yes"]).code(0);
    room.run(&["run", "bad.yml", "--yes"])
        .code(1)
        .says("Owed:")
        .says("undrain:one/a");
    room.run(&["runs", "--prune"]).code(0).says("0 removed, 2 kept");
    room.run(&["runs", "--prune", "--older-than", "0s"])
        .code(0)
        .says("1 removed, 1 kept");
    room.run(&["owed"]).code(0).shows("undrain:one/a");
}

#[test]
fn a_copied_run_is_read_and_verified_where_it_lies() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    room.run(&["run", "note.yml", "--yes"]).code(0);
    let copy = room.path("copy");
    assert!(
        Command::new("cp")
            .arg("-a")
            .arg(room.last_run())
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    std::fs::remove_dir_all(room.project(".pitstop")).unwrap();
    let copy = copy.display().to_string();
    room.run(&["verify", &copy]).code(0);
    room.run(&["status", &copy]).code(0).shows("done (exit 0)");
    room.run(&["logs", &copy]).code(0).shows("said");
}

#[test]
fn what_is_said_goes_to_the_log_file_too() {
    let room = Room::alone(&["a"]);
    room.runbook("note", NOTE);
    let quiet = room
        .run(&["run", "note.yml", "--yes", "-q", "--log-file", "../log"])
        .code(0);
    assert!(!quiet.err.contains("steps/note"), "{}", quiet.err);
    let log = std::fs::read_to_string(room.path("log")).unwrap();
    assert!(log.contains("steps/note  ok") && log.contains("ended: done"), "{log}");
}

#[test]
fn what_still_runs_when_the_grace_is_over_is_stopped() {
    let room = Room::alone(&["a"]);
    room.runbook("slow", &SLOW.replace("sleep 1", "sleep 600"));
    let began = std::time::Instant::now();
    room.run(&["run", "slow.yml", "--yes", "--deadline", "1s", "--grace", "1s"])
        .code(7)
        .says("the deadline is reached")
        .says("the grace after the deadline is over")
        .says("s1  failed");
    assert!(began.elapsed() < std::time::Duration::from_secs(60));
    room.run(&["run", "slow.yml", "--yes", "--grace", "1s"])
        .code(2)
        .says("--deadline");
}

#[test]
fn after_the_deadline_no_step_starts() {
    let room = Room::alone(&["a"]);
    room.runbook("slow", &SLOW.replace("sleep 1", "sleep 2"));
    room.run(&["run", "slow.yml", "--yes", "--deadline", "1s"])
        .code(7)
        .says("the deadline is reached");
    assert_eq!(room.effects(), ["s1"]);
    for wrong in ["5", "1.5h", "-1m", "", "1m ", "30m1h"] {
        let flag = format!("--deadline={wrong}");
        room.run(&["run", "slow.yml", "--yes", &flag])
            .code(2)
            .says("as 50m or 1h30m");
        room.run(&["resume", "last", &flag]).code(2).says("as 50m or 1h30m");
    }
    room.run(&["resume", "last", "--deadline", "1h30m"]).code(0);
    assert_eq!(room.effects(), ["s1", "s2"]);
}

#[test]
fn a_secret_is_shown_nowhere() {
    let room = Room::alone(&["a"]);
    room.runbook("secret", "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"echo got $T\", env: { T: \"{{ secrets.token }}\" }, undo: { none: x } }\n");
    let path = room.project("secret.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = "kind: change\nsecrets: { token: { from: env, name: TOKEN } }\n";
    std::fs::write(&path, text.replace("kind: change\n", with)).unwrap();
    room.run(&["run", "secret.yml", "--yes"])
        .code(2)
        .says("TOKEN is not set");
    assert!(!room.project(".pitstop/runs").exists());
    let canary = "c4n4ry-0123456789";
    let ran: Done = room
        .command(&["run", "secret.yml", "--yes", "-vv", "--output", "jsonl"])
        .env("TOKEN", canary)
        .output()
        .unwrap()
        .into();
    let ran = ran.code(0);
    assert!(!ran.out.contains(canary) && !ran.err.contains(canary));
    room.run(&["logs", "last"]).code(0).shows("got [secret token]");
    let found = Command::new("grep")
        .args(["-r", canary])
        .arg(room.last_run())
        .output()
        .unwrap();
    assert_eq!(
        found.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&found.stdout)
    );
}

#[test]
fn a_dry_run_says_what_it_found_and_not_that_hosts_are_good() {
    let room = Room::alone(&["a", "b"]);
    room.runbook("note", NOTE);
    let dry = room
        .run(&["run", "note.yml", "--dry"])
        .code(0)
        .says("done  A dry run: nothing was changed. (exit 0)")
        .says("2 hosts passed the prechecks.");
    assert!(!dry.err.contains("good"), "{}", dry.err);
    let status = room.run(&["status"]).code(0).shows("nothing was changed");
    assert!(!status.out.contains("are good"), "{}", status.out);
    let failing = format!("    precheck:\n      - {{ id: p, name: P, run: \"test {{{{ host.name }}}} = a\" }}\n{NOTE}");
    room.runbook("half", &failing);
    room.run(&["run", "half.yml", "--dry"])
        .code(3)
        .says("Nothing was changed. (exit 3)")
        .says("1 of 2 hosts passed the prechecks. 1 was refused and not touched.");
    assert!(room.effects().is_empty());
}

#[test]
fn the_closing_text_has_each_objective_with_what_it_came_to() {
    let room = Room::alone(&["a"]);
    room.file(
        "p/marks.yml",
        "schema: 1\nrunbook: marks\ntitle: Marks\nkind: change\ntargets: { all: { select: role=x } }\nobjectives:\n  \
         quick: { from: went, to: came, max: 10m }\n  slow: { from: went, to: came, max: 1s }\nphases:\n  - phase: one\n    \
         title: One\n    targets: all\n    on_failure: hold\n    steps:\n      - { id: s, name: S, run: sleep 1.1, \
         mark_start: went, mark: came, undo: { none: x } }\n",
    );
    let ran = room.run(&["run", "marks.yml", "--yes"]).code(8);
    let line = |name: &str| {
        let start = format!("Objective {name}: ");
        ran.err.lines().find(|l| l.starts_with(&start)).unwrap().to_owned()
    };
    assert!(line("quick").ends_with("s of at most 10 min, met"), "{}", line("quick"));
    assert!(line("slow").contains("s of at most 1 s, missed ("), "{}", line("slow"));
}

/// Of a `baseline` the output is all that is there; what matters is what became other.
#[test]
fn logs_show_what_a_baseline_found_changed() {
    let room = Room::new(&["a"]);
    let (ready, go) = (room.path("ready"), room.path("go"));
    let waits = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        ready.display(),
        go.display()
    );
    room.runbook(
        "ports",
        &format!(
            "    on_failure: hold\n    steps:\n      - {{ id: before, name: Note the ports, baseline: {{ capture: [ports] }} }}\n      - {{ id: work, name: Work, read_only: true, run: \"{waits}\", timeout: 1m }}\n      - {{ id: after, name: What is new, baseline: {{ diff: before }} }}\n"
        ),
    );
    let mut child = room
        .command(&["run", "ports.yml", "--yes"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !ready.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it waited");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::write(&go, "").unwrap();
    assert!(child.wait().unwrap().success());
    let port = listener.local_addr().unwrap().port();
    room.run(&["logs", "last", "a", "after"])
        .code(0)
        .shows(&format!("  changed: ports: tcp/127.0.0.1:{port} is new"));
}
