//! Monitoring that keeps quiet, with a real Alertmanager: set before a host is worked on, renewed, taken off, found again after a
//! crash, and left with an end where it cannot be taken off.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::room::{Done, Room};

/// Debian's Alertmanager with a folder and a port of its own.
pub struct Alertmanager {
    child: Child,
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The body of a good answer.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

impl Alertmanager {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (config, data) = (dir.path().join("config.yml"), dir.path().join("data"));
        std::fs::write(&config, "route: { receiver: none }\nreceivers: [{ name: none }]\n").unwrap();
        let port = free_port();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("prometheus-alertmanager is installed (tests/run does it)");
        let am = Self { child, port, _dir: dir };
        eventually("Alertmanager answers", || get(port, "/-/ready"));
        am
    }

    /// Every silence it knows, those that are over too.
    fn all(&self) -> Vec<Value> {
        let text = get(self.port, "/api/v2/silences").expect("its silences");
        serde_json::from_str(&text).unwrap()
    }

    fn active(&self) -> Vec<Value> {
        let mut all = self.all();
        all.retain(|s| s["status"]["state"] == "active");
        all
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A room whose only host is silenced in the Alertmanager at this port; its one step lasts until `let_go`.
fn room(port: u16, lasts: &str) -> Room {
    let room = Room::alone(&["a"]);
    room.file(
        "p/pitstop.yml",
        &format!(
            "schema: 1\ninventory: inventory.yml\nsilence: {{ am: {{ alertmanager: \"http://127.0.0.1:{port}\", for: {lasts} }} }}\n"
        ),
    );
    quiet_runbook(&room, "true");
    room
}

fn quiet_runbook(room: &Room, undrain: &str) {
    let effects = room.path("effects").display().to_string();
    let text = format!(
        r#"schema: 1
runbook: quiet
title: Work that would wake somebody
kind: change
targets: {{ all: {{ select: role=x }} }}
silence: [{{ via: am, match: {{ instance: "{{{{ host.name }}}}", job: node }} }}]
phases:
  - phase: one
    title: One
    targets: all
    drain: [{{ id: out, name: Out, run: echo drain >> {effects}/log }}]
    steps:
      - id: work
        name: Work
        run: echo work >> {effects}/log; until [ -e {effects}/go ]; do sleep 0.05; done
        undo: [{{ name: Back, run: echo undo >> {effects}/log }}]
    verify: [{{ name: Look, run: "true" }}]
    undrain: [{{ id: in, name: In, run: {undrain} }}]
    on_failure: hold
"#
    );
    room.file("p/quiet.yml", &text);
}

fn spawn(room: &Room, args: &[&str]) -> Child {
    let log = File::create(room.path("said")).unwrap();
    let mut command = room.command(args);
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn let_go(room: &Room) {
    File::create(room.path("effects/go")).unwrap();
}

fn code(room: &Room, mut child: Child) -> (i32, String) {
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (code, std::fs::read_to_string(room.path("said")).unwrap())
}

fn at_work(room: &Room) {
    eventually("the step is at work", || {
        room.effects().contains(&"work".to_owned()).then_some(())
    });
}

#[test]
fn a_host_is_silenced_before_its_drain_until_after_its_undrain_and_the_silence_is_renewed() {
    let am = Alertmanager::start();
    let room = self::room(am.port, "10s");
    let child = spawn(&room, &["run", "--yes", "quiet.yml"]);
    at_work(&room);
    let [first] = am.active().try_into().expect("one silence");
    let matchers: Vec<(String, String, Value)> = first["matchers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            let text = |key: &str| m[key].as_str().unwrap().to_owned();
            (text("name"), text("value"), m["isRegex"].clone())
        })
        .collect();
    assert_eq!(
        matchers,
        [
            ("instance".to_owned(), "a".to_owned(), Value::Bool(false)),
            ("job".to_owned(), "node".to_owned(), Value::Bool(false))
        ]
    );
    let run = room.last_run().file_name().unwrap().to_str().unwrap().to_owned();
    let comment = first["comment"].as_str().unwrap();
    assert!(comment.contains(&run) && comment.contains("silence:am/a"), "{comment}");
    assert_eq!(first["createdBy"], "pitstop");
    // It began before the host was touched.
    let journal = std::fs::read_to_string(room.last_run().join("journal.jsonl")).unwrap();
    let place = |word: &str| {
        journal
            .find(word)
            .unwrap_or_else(|| panic!("{word} is not in the journal"))
    };
    assert!(place("\"silencing\"") < place("\"silenced\"") && place("\"silenced\"") < place("\"step\":\"out\""));
    // The same one is given a later end.
    eventually("it is renewed", || {
        let now = am.active();
        (now.len() == 1 && now[0]["id"] == first["id"] && now[0]["endsAt"] != first["endsAt"]).then_some(())
    });
    let_go(&room);
    let (code, said) = code(&room, child);
    assert_eq!(code, 0, "{said}");
    assert!(am.active().is_empty());
    assert_eq!(am.all().len(), 1);
    room.run(&["owed"]).code(0).says("Nothing is owed");
    let report = std::fs::read_to_string(room.last_run().join("report/report.md")).unwrap();
    assert!(
        report.contains("Monitoring kept quiet") && report.contains("taken off, renewed"),
        "{report}"
    );
}

#[test]
fn a_crash_between_the_request_and_its_answer_leaves_no_silence_that_nobody_knows() {
    for moment in ["silencing", "silenced"] {
        let am = Alertmanager::start();
        let room = self::room(am.port, "10m");
        let mut command = room.command(&["run", "--yes", "quiet.yml"]);
        let ended = command.env("PITSTOP_CRASH_AT", moment).output().unwrap();
        assert_eq!(ended.status.code(), None, "it was killed at {moment}");
        assert!(room.effects().is_empty());
        room.run(&["owed"])
            .code(0)
            .shows("silence:am/a")
            .shows("may keep quiet");
        let_go(&room);
        room.run(&["resume", "last"]).code(0);
        assert!(am.active().is_empty(), "{moment}");
        assert_eq!(am.all().len(), 1, "{moment}: there was never a second one");
    }
}

#[test]
fn a_run_that_was_killed_leaves_its_silence_with_an_end_and_resume_takes_it_up_again() {
    let am = Alertmanager::start();
    let room = self::room(am.port, "10m");
    let mut child = spawn(&room, &["run", "--yes", "quiet.yml"]);
    at_work(&room);
    child.kill().unwrap();
    child.wait().unwrap();
    let [left] = am.active().try_into().expect("one silence");
    assert!(
        left["endsAt"]
            .as_str()
            .is_some_and(|end| end > left["startsAt"].as_str().unwrap())
    );
    room.run(&["owed", "last"])
        .code(0)
        .shows("silence:am/a")
        .shows("am keeps quiet about a until");
    let_go(&room);
    room.run(&["resume", "last"]).code(0);
    let [one] = am.all().try_into().expect("no second one");
    assert_eq!(one["id"], left["id"]);
    assert!(am.active().is_empty());
}

#[test]
fn where_alertmanager_does_not_answer_the_host_is_refused_and_untouched() {
    let room = self::room(free_port(), "10m");
    room.run(&["run", "--yes", "quiet.yml"])
        .code(3)
        .says("the silence of am about a is not set")
        .says("nothing was sent to http://127.0.0.1");
    assert!(room.effects().is_empty());
    room.run(&["owed"]).code(0).says("Nothing is owed");
}

#[test]
fn alertmanager_that_goes_away_in_the_middle_changes_no_host_and_its_silence_is_left_behind() {
    let mut am = Alertmanager::start();
    let room = self::room(am.port, "10m");
    let child = spawn(&room, &["run", "--yes", "quiet.yml"]);
    at_work(&room);
    am.stop();
    let_go(&room);
    let (code, said) = code(&room, child);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("phase one ended ok"), "{said}");
    assert!(
        said.contains("silence:am/a") && said.contains("am may keep quiet about a until"),
        "{said}"
    );
    let report = std::fs::read_to_string(room.last_run().join("report/report.md")).unwrap();
    assert!(report.contains("could not be taken off, ends by itself"), "{report}");
    // A person says that it is over.
    room.run(&["settle", "last", "silence:am/a", "done", "--reason", "expired by hand"])
        .code(0);
    room.run(&["owed"]).code(0).says("Nothing is owed");
}

#[test]
fn a_host_that_is_held_keeps_its_silence_and_owed_clean_takes_it_off() {
    let am = Alertmanager::start();
    let room = self::room(am.port, "10m");
    quiet_runbook(&room, "false");
    let_go(&room);
    room.run(&["run", "--yes", "quiet.yml"]).code(1).says("silence:am/a");
    assert_eq!(am.active().len(), 1);
    room.run(&["owed", "--clean", "last"])
        .code(1)
        .says("settled: silence:am/a");
    assert!(am.active().is_empty());
}

#[test]
fn a_dry_run_and_a_plan_say_what_would_be_silenced_and_contact_nobody() {
    let port = free_port();
    let room = self::room(port, "10m");
    room.run(&["run", "--dry", "quiet.yml"]).code(0);
    let report = std::fs::read_to_string(room.last_run().join("report/report.md")).unwrap();
    assert!(report.contains("would set the silence of am about a"), "{report}");
    let plan: Done = room.run(&["plan", "quiet.yml", "--format", "md"]).code(0);
    plan.shows(&format!("http://127.0.0.1:{port}"));
}

#[test]
fn a_test_of_a_runbook_contacts_no_monitoring() {
    let room = self::room(free_port(), "10m");
    room.file(
        "p/quiet.test.yml",
        r#"schema: 1
runbook: quiet.yml
cases:
  - name: All goes well
    answers: { "*": [{ match: ".", repeat: true }] }
    expect: { exit: 0, hosts: { "*": ok }, left_behind: [] }
"#,
    );
    room.run(&["test", "quiet.test.yml"]).code(0);
}

#[test]
fn what_pitstop_yml_does_not_name_is_an_error_with_the_nearest_name() {
    let room = self::room(free_port(), "10m");
    let text = std::fs::read_to_string(room.project("quiet.yml")).unwrap();
    room.file("p/quiet.yml", &text.replace("via: am", "via: an"));
    room.run(&["plan", "quiet.yml"])
        .code(2)
        .says("PS0534")
        .says("did you mean `am`?");
    room.file(
        "p/pitstop.yml",
        "schema: 1\ninventory: inventory.yml\nsilence: { am: { alertmanager: \"https://me:word@alerts\" } }\n",
    );
    room.run(&["check"])
        .code(2)
        .says("PS0533")
        .says("does not belong into a URL");
}
