//! Steps that become root with sudo on real servers, with a password and without, and where the password is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;

use crate::common::person::{Person, needs_root};
use crate::common::sshd::Sshd;
use crate::fleet::{Fleet, code, words};

const PASSWORD: &str = "lange-Leitung#'4711";

fn runbook(secrets: &str, out: &Path) -> String {
    format!(
        r#"schema: 1
runbook: root
title: As root
kind: change
{secrets}
targets:
  web: {{ select: "group=web" }}
defaults:
  become: true
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: hold
    precheck:
      - id: who
        name: We are root
        run: id -un
        expect: "stdout == 'root'"
    steps:
      - id: one
        name: Write as root
        run: |
          id -un > {out}/user
          while [ ! -e {out}/go ]; do sleep 0.05; done
        undo: {{ none: "it only counts" }}
      - id: two
        name: Write as ourselves
        become: false
        run: test "$(id -un)" != root
        undo: {{ none: "it only counts" }}
"#,
        out = out.display()
    )
}

/// A fleet of one host where this person logs in.
fn fleet_of(person: &Person, become_: &str, secrets: &str) -> (Fleet, Sshd) {
    let (fleet, sshd) = (Fleet::start(0, "0"), Sshd::start());
    let host = format!(
        "schema: 1\nhosts:\n  h01: {{ address: 127.0.0.1, port: {}, user: {}, identity: \"{}\", known_hosts: \"{}\"{become_} }}\ngroups:\n  web: [h01]\n",
        sshd.port,
        person.name,
        sshd.path("id").display(),
        sshd.path("known_hosts").display()
    );
    fleet.file("inventory.yml", &host);
    std::fs::create_dir(fleet.path("out")).unwrap();
    fleet.file("runbooks/root.yml", &runbook(secrets, &fleet.path("out")));
    (fleet, sshd)
}

/// Command lines that were seen while a thread looked at all processes again and again.
struct Watch {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Watch {
    fn begin(text: &'static str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let (mut sudo, mut found) = (0, Vec::new());
            while !done.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    sudo += usize::from(line.starts_with("sudo "));
                    if line.contains(text) {
                        found.push(line);
                    }
                }
            }
            (sudo, found)
        });
        Self { over, thread }
    }

    /// How often a sudo was seen, and the command lines with the text in them.
    fn end(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Files below a folder that hold one of these.
fn files_with(folder: &Path, needles: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, needles));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |needle: &Vec<u8>| bytes.windows(needle.len()).any(|w| w == needle);
            if needles.iter().any(holds) {
                found.push(path);
            }
        }
    }
    found
}

/// The text as it is, and in base64 wherever in a longer text it stands.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.as_bytes().to_vec()];
    for skip in 0..3 {
        let whole = text.get(skip..).unwrap();
        let whole = whole.get(..whole.len() / 3 * 3).unwrap();
        forms.push(base64::engine::general_purpose::STANDARD.encode(whole).into_bytes());
    }
    forms
}

#[test]
fn a_step_becomes_root_where_sudo_asks_for_nothing() {
    needs_root();
    let person = Person::new("f", PASSWORD).trusted();
    let (fleet, _sshd) = fleet_of(&person, "", "");
    std::fs::write(fleet.path("out/go"), "").unwrap();
    let ran = fleet.run(&["run", "runbooks/root.yml", "--yes"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    assert_eq!(std::fs::read_to_string(fleet.path("out/user")).unwrap(), "root\n");
    assert!(!Path::new("/var/tmp").join(format!(".pitstop-{}", person.uid)).exists());
}

#[test]
fn a_password_for_sudo_is_in_no_file_of_the_run_and_on_no_command_line() {
    needs_root();
    let person = Person::new("g", PASSWORD);
    let (fleet, _sshd) = fleet_of(
        &person,
        ", become: { password: { secret: sudo_pw } }",
        "secrets:\n  sudo_pw: { from: env, name: SUDO_PW }\n",
    );
    let watch = Watch::begin(PASSWORD);
    let log = std::fs::File::create(fleet.path("words")).unwrap();
    let mut child = fleet
        .pitstop(&["run", "runbooks/root.yml", "--yes", "-vv"])
        .env("SUDO_PW", PASSWORD)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    fleet.until("the step runs as root, or the run is over", || {
        fleet.path("out/user").exists() || child.try_wait().unwrap().is_some()
    });
    std::fs::write(fleet.path("out/go"), "").unwrap();
    let status = child.wait().unwrap();
    let (sudo, found) = watch.end();
    let said = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(code(status), 0, "{said}");
    assert_eq!(std::fs::read_to_string(fleet.path("out/user")).unwrap(), "root\n");
    assert!(sudo > 0, "no sudo was seen: the command lines prove nothing");
    assert_eq!(found, Vec::<String>::new());
    assert!(!said.contains(PASSWORD), "{said}");
    let folder = fleet.run_folder();
    assert!(
        !files_with(&folder, &forms("Write as root")).is_empty(),
        "the search finds what is there"
    );
    assert_eq!(files_with(&folder, &forms(PASSWORD)), Vec::<PathBuf>::new());
    // What the host holds of us is gone too.
    assert!(!Path::new("/var/tmp").join(format!(".pitstop-{}", person.uid)).exists());
}

#[test]
fn a_password_that_is_refused_ends_the_run_in_seconds_before_anything_began() {
    needs_root();
    let person = Person::new("w", PASSWORD);
    const WRONG: &str = "falsche-Losung#'0815";
    for method in ["sudo", "su"] {
        let (fleet, _sshd) = fleet_of(
            &person,
            &format!(", become: {{ method: {method}, password: {{ secret: root_pw }} }}"),
            "secrets:\n  root_pw: { from: env, name: ROOT_PW }\n",
        );
        let began = std::time::Instant::now();
        let mut run = fleet.pitstop(&["run", "runbooks/root.yml", "--yes", "-vv"]);
        let ran = run.env("ROOT_PW", WRONG).output().unwrap();
        let said = words(&ran);
        assert!(
            began.elapsed() < std::time::Duration::from_secs(30),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(code(ran.status), 3, "{said}");
        let why = format!("cannot become root: {method} refused the password for root");
        assert!(said.contains(&why) && !said.contains(WRONG), "{said}");
        assert!(!fleet.path("out/user").exists());
        assert_eq!(files_with(&fleet.run_folder(), &forms(WRONG)), Vec::<PathBuf>::new());
    }
}

const EXACT: &str = r#"schema: 1
runbook: root
title: Single commands
kind: change
targets:
  web: { select: "group=web" }
phases:
  - phase: web
    title: Web servers
    targets: web
    on_failure: hold
    precheck:
      - { id: who, name: We are root, run: [/usr/bin/id, -un], become: true, expect: "stdout == 'root'" }
      - { id: other, name: We are a daemon, run: [/usr/bin/id, -un], become: daemon, expect: "stdout == 'daemon'" }
      - { id: shell, name: No shell is allowed, run: "! sudo -n sh -c true 2>/dev/null" }
    steps:
      - { id: one, name: Write as root, run: [/usr/bin/touch, OUT/touched], become: true, undo: { none: it only counts } }
      - { id: two, name: What no rule allows, run: [/usr/bin/touch, OUT/other], become: true, undo: { none: it only counts } }
"#;

#[test]
fn where_sudo_allows_single_commands_they_are_run_and_no_shell_is_asked_for() {
    needs_root();
    let person = Person::new("x", PASSWORD);
    let (fleet, _sshd) = fleet_of(&person, ", become: { exact: true }", "");
    let out = fleet.path("out").display().to_string();
    let log = fleet.path("sudo.log").display().to_string();
    person.rules(&format!(
        "Defaults:{0} logfile={log}, loglinelen=0\n{0} ALL=(ALL) NOPASSWD: /usr/bin/id -un, /usr/bin/touch {out}/touched\n",
        person.name
    ));
    fleet.file("runbooks/root.yml", &EXACT.replace("OUT", &out));
    let ran = fleet.run(&["run", "runbooks/root.yml", "--yes"]);
    let said = words(&ran);
    let owner =
        |name: &str| std::fs::metadata(fleet.path("out").join(name)).map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    assert_eq!(owner("touched").unwrap(), 0, "{said}");
    assert!(owner("other").is_err(), "{said}");
    assert_eq!(code(ran.status), 1, "{said}");
    assert!(said.contains("sudo: a password is required"), "{said}");
    // All that sudo was asked for: one shell, by the step that shows that there is none.
    let log = std::fs::read_to_string(log).unwrap();
    let mut asked: Vec<&str> = log
        .lines()
        .filter_map(|l| l.split_once("COMMAND=").map(|(_, c)| c))
        .collect();
    asked.sort_unstable();
    let (touched, other) = (
        format!("/usr/bin/touch {out}/touched"),
        format!("/usr/bin/touch {out}/other"),
    );
    let mut expected = [
        "/usr/bin/id -un",
        "/usr/bin/id -un",
        "/usr/bin/sh -c true",
        &touched,
        &other,
    ];
    expected.sort_unstable();
    assert_eq!(asked, expected, "{log}");
    drop(person);
}

#[test]
fn become_true_is_whom_the_host_names() {
    needs_root();
    let person = Person::new("u", PASSWORD).trusted();
    let (fleet, _sshd) = fleet_of(&person, ", become: { user: daemon }", "");
    fleet.file(
        "runbooks/root.yml",
        &EXACT
            .replace("expect: \"stdout == 'root'\"", "expect: \"stdout == 'daemon'\"")
            .replace("! sudo -n sh -c true 2>/dev/null", "true")
            .lines()
            .take_while(|l| !l.starts_with("    steps:"))
            .map(|l| {
                format!(
                    "{}\n",
                    l.replace("precheck:", "verify:").replace("kind: change", "kind: check")
                )
            })
            .filter(|l| !l.contains("on_failure"))
            .collect::<String>(),
    );
    let ran = fleet.run(&["run", "runbooks/root.yml", "--yes"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
}
