//! What is asked on a terminal: a real one, that the program controls.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::room::Room;

/// A person at a terminal that `script` made, who types only after having read.
pub struct Person {
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    seen: String,
    /// How much of it was waited for.
    read: usize,
    program: Child,
}

impl Person {
    pub fn starts(room: &Room, args: &str) -> Self {
        Self::starts_in_shell(room, &format!("exec pitstop {args}"))
    }

    fn starts_in_shell(room: &Room, line: &str) -> Self {
        let line = line.replace("pitstop", env!("CARGO_BIN_EXE_pitstop"));
        let inner = format!("stty cols 100 rows 30; {line}");
        let mut program = Command::new("script")
            .args(["-qefc", &inner, "/dev/null"])
            .current_dir(room.path("p"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", room.path("home"))
            .env("USER", "tess")
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = program.stdin.take().unwrap();
        let mut screen = program.stdout.take().unwrap();
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys,
            shown,
            seen: String::new(),
            read: 0,
            program,
        }
    }

    /// Waits until this is on the screen, behind what was waited for before.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("`{text}` never came; seen:\n{}", self.seen),
            }
        }
    }

    pub fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Its exit code and everything that was on the screen.
    pub fn ends(mut self) -> (i32, String) {
        let code = self.program.wait().unwrap().code().unwrap();
        while let Ok(bytes) = self.shown.recv_timeout(Duration::from_secs(30)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, self.seen)
    }
}

const ASKS: &str = "schema: 1
runbook: asks
title: It asks
kind: change
parameters:
  count: { type: int, min: 1, max: 5, description: How many }
  release: { type: string, allowed: [\"2.4\", \"2.5\"] }
  soak: { type: duration, default: 1m }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: S
        run: echo {{ params.count }}
        undo: { none: it only talks }
";

#[test]
fn missing_parameters_are_asked_until_they_are_right() {
    let room = Room::new(&["a"]);
    room.file("p/asks.yml", ASKS);
    let mut person = Person::starts(&room, "plan asks.yml -o plan.json");
    person.sees("count: How many (whole number, at least 1, at most 5)");
    person.sees("count> ");
    person.types("many\n");
    person.sees("`count` cannot be `many`");
    person.sees("count> ");
    person.types("9\n");
    person.sees("too great (the greatest is 5)");
    person.sees("count> ");
    person.types("\n");
    person.sees("type a value");
    person.sees("count> ");
    person.types("3\n");
    person.sees("release: (text, one of 2.4, 2.5)");
    person.types("2.6\n");
    person.sees("write one of: 2.4, 2.5");
    person.types("2.5\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("soak>"), "what has a default is not asked: {seen}");
    let plan = std::fs::read_to_string(room.project("plan.json")).unwrap();
    assert!(
        plan.contains("\"count\":3") && plan.contains("\"release\":\"2.5\""),
        "{plan}"
    );
}

#[test]
fn who_gives_up_or_has_no_terminal_is_told_what_to_write() {
    let room = Room::new(&["a"]);
    room.file("p/asks.yml", ASKS);
    let mut person = Person::starts(&room, "plan asks.yml");
    person.sees("count> ");
    person.types("\u{4}");
    let (code, seen) = person.ends();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("--set count=VALUE"), "{seen}");
    room.run(&["plan", "asks.yml"])
        .code(2)
        .says("--set count=VALUE")
        .says("--set release=VALUE");
}

const SECRET: &str = "open-sesame-4711";

fn with_a_secret() -> Room {
    let room = Room::alone(&["a"]);
    room.file(
        "p/secret.yml",
        &format!(
            "schema: 1\nrunbook: secret\ntitle: With a secret\nkind: change\nsecrets:\n  token: {{ from: prompt }}\nphases:\n  - phase: p\n    title: P\n    on_failure: hold\n    steps:\n      - name: Use it\n        run: test \"$T\" = {SECRET} && echo \"got $T\"\n        env: {{ T: \"{{{{ secrets.token }}}}\" }}\n        undo: {{ none: it only looks }}\n"
        ),
    );
    room
}

/// What is typed at once after the question was echoed as long as the question came before the echo was off.
#[test]
fn a_secret_is_asked_for_and_never_shown() {
    let room = with_a_secret();
    room.run(&["run", "secret.yml", "--yes"])
        .code(2)
        .says("token")
        .says("terminal");
    let mut person = Person::starts(&room, "run secret.yml --yes");
    person.sees("Secret token: ");
    person.types("short\n");
    person.sees("8 bytes");
    person.sees("Secret token: ");
    person.types(&format!("{SECRET}\n"));
    let (code, seen) = person.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains(SECRET) && !seen.contains("short"), "{seen}");
}

#[test]
fn ctrl_c_at_a_secret_interrupts_and_the_terminal_shows_again_what_is_typed() {
    let room = with_a_secret();
    let mut person = Person::starts_in_shell(&room, "pitstop run secret.yml --yes; echo \"code $?\"; stty -a");
    person.sees("Secret token: ");
    person.types("open-ses\u{3}");
    person.sees("code 130");
    let (code, seen) = person.ends();
    assert_eq!(code, 0, "{seen}");
    for mode in ["echo", "isig", "icanon"] {
        assert!(seen.split_whitespace().any(|word| word == mode), "{mode}: {seen}");
    }
    assert!(!seen.contains("open-ses"), "{seen}");
}

/// What the screen paints is no part of the text.
#[test]
fn the_log_of_a_terminal_holds_words_and_no_colours() {
    let room = Room::alone(&["a"]);
    room.runbook(
        "plain",
        "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"false\", undo: { none: it only fails } }\n",
    );
    let person = Person::starts(&room, "run plain.yml --yes --log-file run.log </dev/null");
    let (code, seen) = person.ends();
    assert_eq!(code, 1, "{seen}");
    assert!(seen.contains("\x1b[1;31m"), "the screen has colours: {seen}");
    let log = std::fs::read_to_string(room.project("run.log")).unwrap();
    assert!(
        log.contains("phase one ended held") && log.contains("stuck  A person is needed"),
        "{log}"
    );
    assert!(!log.contains("x1b") && !log.contains('\x1b'), "{log}");
}
