//! P13: eight secrets, said by hosts in every encoding and in every place where a host or a server can say something, through
//! everything that a run leaves or shows; and every command line of the controller and of the hosts meanwhile.
//!
//! The same drive without redaction is the control.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::sshd::Sshd;
use crate::figures;
use crate::fleet::{Fleet, words};
use crate::needles::{CANARIES, ENCODINGS, Search, said};

/// One way to each secret.
const SECRETS: &str = r#"secrets:
  s0: { from: env, name: S0 }
  s1: { from: env, name: S1 }
  s2: { from: env, name: S2 }
  s3: { from: file, path: secrets/s3 }
  s4: { from: file, path: secrets/s4 }
  s5: { from: file, path: secrets/s5 }
  s6: { from: provider, provider: vault, args: [secrets/s6] }
  s7: { from: provider, provider: vault, args: [secrets/s7] }
"#;

const RUNBOOK: &str = r#"schema: 1
runbook: told
title: Hosts that tell secrets
kind: change
SECRETStargets:
  web: { select: "group=web" }
rollouts:
  careful:
    batches: [1, "100%"]
    max_fail: 1
    gate: { title: Go on?, after_batch: 1, need: 1, approvers: [board], show: [said] }
phases:
  - phase: told
    title: Told
    targets: web
    rollout: careful
    on_failure: rollback_host
    precheck:
      - id: said
        name: All of them, on both streams
        run: cat "$HOME/forms"; cat "$HOME/forms" >&2
        as: lines
        register: said
      - id: pieces
        name: Slowly, cut anywhere
        run: exec 3<"$HOME/forms"; for n in $(cat "$HOME/cuts"); do dd bs=1 count=$n <&3 2>/dev/null; sleep 0.02; done; cat <&3
      - id: json
        name: In a document, with its own escapes
        run: cat "$HOME/document"
        as: json
        register: document
      - id: names
        name: As names of files
        run: cd "$HOME/names" && for f in *; do printf '%s\n' "$f"; done
        as: lines
        register: names
    drain:
      - id: out
        name: Out of service
        when: host.virtual != 'lxc'
        run: cat "$HOME/forms"
    steps:
      - id: env
        name: From the environment, with the host's own tools
        run: |
          for s in "$S0" "$S1" "$S2" "$S3" "$S4" "$S5" "$S6" "$S7"; do
            printf '%s\n' "$s"; printf %s "$s" | base64; printf 'x%s' "$s" | base64 -w0; printf 'xy%s' "$s" | base64 >&2
            printf %s "$s" | od -An -v -tx1 | tr -d ' \n'; printf '%s' "$s" | tr '\n' '@' >&2; env | grep -a '^S[0-7]=' >&2
          done
        env: ENV
        undo:
          - name: Take it back, aloud
            run: cat "$HOME/forms"; cat "$HOME/forms" >&2; printf %s "$S6" | base64
            env: ENV
      - id: stdin
        name: From standard input
        run: cat; cat "$HOME/forms" >&2
        stdin: "{{ secrets.s3 }} {{ secrets.s6 }} {{ secrets.s7 }}"
        undo: { none: it only talks }
      - id: script
        name: From a script
        read_only: true
        script: { file: say.sh, args: ["{{ document.value.text }}"] }
        env: ENV
      - id: long
        name: More than fits into a record
        run: cat "$HOME/long"; cat "$HOME/long" >&2
        undo: { none: it only talks }
      - id: again
        name: What was registered goes into a command, an environment and a list
        run: printf '%s\n' {{ said.stdout | sh }} {{ names.value | join(' ') | sh }} "$TEXT"; set -x; true {{ said.stderr | sh }}
        env: { TEXT: "{{ said.stdout }} {{ document.value.text }}" }
        undo: { none: it only talks }
      - id: each
        name: Each name by itself
        read_only: true
        for_each: "{{ names.value }}"
        run: printf '%s\n' {{ item | sh }}
      - id: halves
        name: Two halves that are nothing by themselves
        read_only: true
        run: cat "$HOME/halves"
        as: lines
        register: halves
      - id: joined
        name: Put together
        read_only: true
        run: printf '%s\n' {{ (halves.value[0] ~ halves.value[1]) | sh }}
      - id: put
        name: A file with secrets in it
        upload: { src: conf, dest: "{{ host.vars.dir }}/conf", template: true, validate: "cat {}; cat {} >&2" }
        undo: { none: it only talks }
      - id: get
        name: Read it back
        download: { src: "{{ host.vars.dir }}/conf" }
      - id: http
        name: A server that says what it was told
        http: { url: "http://127.0.0.1:PORT/echo", headers: HEADERS, body: "{{ secrets.s4 }}&{{ secrets.s5 }}", method: POST }
        register: answer
        undo: { none: it only talks }
      - id: missing
        name: A server that says no
        read_only: true
        http: { url: "http://127.0.0.1:PORT/missing", headers: HEADERS }
        may_fail: it is missing
FAILING
    verify:
      - id: good
        name: It is good
        run: cat "$HOME/forms" >&2; cat "$HOME/forms"; test ! -e "$HOME/bad" || [ {{ host.rolling_back }} = true ]
    undrain:
      - id: in
        name: Into service
        run: cat "$HOME/forms"
    cleanup:
      - id: tidy
        name: Tidy up
        run: cat "$HOME/forms"; rm -f "$HOME/conf"
"#;

/// Steps that fail, each with other words about it; only what the shell does itself, for a program would have it on its command line.
const FAILING: [(&str, &str); 9] = [
    ("as a folder", "run: cd \"$SN\""),
    ("as a number of the shell", "run: umask \"$SN\""),
    ("as a file", "run: read x < \"/nowhere/$SN\""),
    ("not as expected", "run: printf %s \"$SN\"\nexpect: \"stdout == 'x'\""),
    ("a warning", "run: printf %s \"$SN\"\nwarn_unless: \"stdout == 'x'\""),
    ("no number", "run: printf %s \"$SN\"\nas: number"),
    ("no time", "run: printf %s \"$SN\"\nas: timestamp"),
    ("no document", "run: printf '{\"%s' \"$SN\"\nas: json"),
    (
        "a condition that goes wrong",
        "run: printf %s \"$SN\"\nexpect: \"stdout | int > 3\"",
    ),
];

/// Everything that was shown or kept, by name.
type Artefacts = BTreeMap<String, Vec<u8>>;

/// The project, its hosts, and what was collected of them.
struct Drive {
    fleet: Fleet,
    without: &'static str,
    artefacts: Artefacts,
    traces: usize,
}

impl Drive {
    fn new(without: &'static str, seed: u64) -> Self {
        let hosts = ["h01", "h02", "h03"].map(|name| (name.to_owned(), std::thread::spawn(Sshd::traced)));
        let hosts = hosts.into_iter().map(|(name, t)| (name, t.join().unwrap())).collect();
        let fleet = Fleet::of(hosts, "0");
        let port = echo();
        let lines = |indent: &str, text: &str| text.replace('\n', &format!("\n{indent}"));
        let env: Vec<String> = (0..8).map(|n| format!("S{n}: \"{{{{ secrets.s{n} }}}}\"")).collect();
        // Each with two of the secrets.
        let failing: String = (0..FAILING.len())
            .flat_map(|k| [k % 8, (k + 4) % 8].map(|n| (n, FAILING[k].0, FAILING[k].1)))
            .map(|(n, what, how)| {
                let how = lines("        ", &how.replace("SN", &format!("S{n}")));
                format!("      - name: Secret {n} {what}\n        {how}\n        read_only: true\n        may_fail: on purpose\n        env: ENV\n")
            })
            .collect();
        let text = RUNBOOK
            .replace("FAILING\n", &failing)
            .replace("SECRETS", SECRETS)
            .replace("ENV", &format!("{{ {} }}", env.join(", ")))
            .replace(
                "HEADERS",
                "{ Authorization: \"Bearer {{ secrets.s0 }}{{ secrets.s1 }}\", X-Key: \"{{ secrets.s5 }}\" }",
            )
            .replace("PORT", &port.to_string());
        fleet.file("runbooks/told.yml", &text);
        fleet.file("say.sh", "#!/bin/sh\nprintf '%s\\n' \"$@\" \"$S3\"; env >&2\n");
        let conf: String = (0..8).map(|n| format!("k{n} = {{{{ secrets.s{n} }}}}\n")).collect();
        fleet.file("conf", &conf);
        let project = std::fs::read_to_string(fleet.path("pitstop.yml")).unwrap();
        fleet.file("pitstop.yml", &format!("{project}providers: {{ vault: [/bin/cat] }}\n"));
        for (n, canary) in CANARIES.iter().enumerate().skip(3) {
            fleet.file(&format!("secrets/s{n}"), canary);
            private(&fleet.path(&format!("secrets/s{n}")));
        }
        let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
        let mut with_dirs = String::new();
        for line in inventory.lines() {
            let name = line.trim_start().split(':').next().unwrap();
            match fleet.hosts.get(name) {
                Some(sshd) => {
                    prepare(sshd, seed);
                    let vars = format!(", vars: {{ dir: \"{}\" }} }}", sshd.home().display());
                    with_dirs.push_str(&format!("{}{vars}\n", line.trim_end_matches(" }")));
                }
                None => with_dirs.push_str(&format!("{line}\n")),
            }
        }
        fleet.file("inventory.yml", &with_dirs);
        Self {
            fleet,
            without,
            artefacts: Artefacts::new(),
            traces: 0,
        }
    }

    fn given(&self, mut command: Command) -> Command {
        command
            .env("PITSTOP_WITHOUT", self.without)
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm");
        for (n, canary) in CANARIES.iter().enumerate().take(3) {
            command.env(format!("S{n}"), canary);
        }
        command
    }

    /// Runs it under strace, and keeps what it showed.
    fn run(&mut self, args: &[&str]) -> Output {
        self.traces += 1;
        let trace = self.fleet.path(&format!("trace-{}", self.traces));
        let mut command = self.fleet.program("strace");
        command
            .args(["-f", "-qq", "-xx", "-s", "1000000", "-e", "trace=execve", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_pitstop"))
            .args(args);
        let out = self.given(command).output().unwrap();
        self.keep(&args.join(" "), &out);
        out
    }

    /// The same on a terminal of its own, where a person leaves every question to the policy.
    fn on_a_terminal(&mut self, args: &str) -> Output {
        let mut command = self.fleet.program("script");
        let inner = format!("stty cols 120 rows 40; exec {} {args}", env!("CARGO_BIN_EXE_pitstop"));
        command.args(["-qefc", &inner, "/dev/null"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = self.given(command).spawn().unwrap();
        let (mut keys, mut screen) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        let (mut seen, mut answered, mut buffer) = (Vec::new(), 0, [0; 4096]);
        // A terminal that is gone is the end of the program.
        while let Ok(n @ 1..) = screen.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..n]);
            let asked = b"/p] > ";
            if let Some(at) = seen[answered..].windows(asked.len()).position(|w| w == asked) {
                answered += at + asked.len();
                keys.write_all(b"p\n").unwrap();
            }
        }
        let mut out = program.wait_with_output().unwrap();
        out.stdout = seen;
        self.keep(&format!("terminal: {args}"), &out);
        out
    }

    /// A command that knows no secret.
    fn tell(&mut self, args: &[&str]) {
        let out = self.fleet.run(args);
        assert!(matches!(out.status.code(), Some(0 | 1)), "{args:?}: {}", words(&out));
        self.keep(&args.join(" "), &out);
    }

    fn keep(&mut self, name: &str, out: &Output) {
        self.artefacts.insert(format!("stdout of {name}"), out.stdout.clone());
        self.artefacts.insert(format!("stderr of {name}"), out.stderr.clone());
    }

    /// From the plan to the last report: two hosts good, one that goes back, a gate, a resume on a terminal.
    fn drive(&mut self) {
        self.fleet.mark("h03", "bad");
        for format in ["text", "md", "html", "json"] {
            self.tell(&["plan", "runbooks/told.yml", "--format", format]);
        }
        self.tell(&["doc", "runbooks/told.yml"]);
        let dry = self.run(&["run", "runbooks/told.yml", "--dry", "-vv"]);
        assert_eq!(dry.status.code(), Some(0), "{}", words(&dry));
        let ran = self.run(&[
            "run",
            "runbooks/told.yml",
            "--yes",
            "-vv",
            "--output",
            "jsonl",
            "--log-file",
            "run.log",
        ]);
        assert_eq!(ran.status.code(), Some(5), "{}", words(&ran));
        self.views();
        self.locked();
        self.tell(&["approve", "last", "--key", "berta", "--operator", "berta"]);
        let resumed = self.on_a_terminal("resume last -vv --log-file resume.log");
        assert_eq!(resumed.status.code(), Some(1), "{}", words(&resumed));
        self.views();
        self.collect();
    }

    /// Another run meets locks whose notes somebody wrote who knows a secret.
    fn locked(&mut self) {
        let notes: Vec<PathBuf> = self.fleet.locks().iter().map(|lock| lock.join("note")).collect();
        let were: Vec<Vec<u8>> = notes.iter().map(|note| std::fs::read(note).unwrap()).collect();
        for note in &notes {
            std::fs::write(note, format!("{}\n{}\n{0}\n{1}\n", CANARIES[0], CANARIES[2])).unwrap();
        }
        let refused = self.run(&["run", "runbooks/told.yml", "--yes", "--state", "another"]);
        assert_eq!(refused.status.code(), Some(6), "{}", words(&refused));
        assert!(words(&refused).contains("locked by run"), "{}", words(&refused));
        for (note, was) in notes.iter().zip(were) {
            std::fs::write(note, was).unwrap();
        }
    }

    /// What one can ask of a run.
    fn views(&mut self) {
        for format in ["html", "md", "json", "junit", "csv"] {
            self.tell(&["report", "last", "--format", format]);
        }
        for args in [
            &["status", "last"][..],
            &["status", "last", "--json"],
            &["logs", "last"],
            &["logs", "last", "h01", "env"],
            &["owed", "last"],
            &["owed", "last", "--json"],
            &["runs"],
            &["runs", "--json"],
            &["verify", "last"],
            &["plan", "runbooks/told.yml", "--facts", "last"],
        ] {
            self.tell(args);
        }
        let again = self.on_a_terminal("status last");
        assert!(again.status.success(), "{}", words(&again));
    }

    /// Every byte of every file of the project, the state among them; every command line; the notes of locks.
    fn collect(&mut self) {
        let root = self.fleet.dir.path().to_owned();
        let mut todo = vec![root.clone()];
        while let Some(path) = todo.pop() {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() {
                todo.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if !name.starts_with("secrets/") {
                self.file(name, &path);
            }
        }
        let traces: Vec<(String, PathBuf)> = self
            .fleet
            .hosts
            .iter()
            .map(|(name, sshd)| (format!("command lines of {name}"), sshd.path("execs")))
            .collect();
        for (name, path) in traces {
            self.file(name, &path);
        }
        for lock in self.fleet.locks() {
            self.file(format!("lock {}", lock.display()), &lock.join("note"));
        }
    }

    fn file(&mut self, name: String, path: &Path) {
        let bytes = std::fs::read(path).unwrap();
        let is_trace = name.starts_with("trace-") || name.starts_with("command lines");
        let bytes = if is_trace { unescaped(&bytes) } else { bytes };
        self.artefacts.insert(name, bytes);
    }
}

/// Found in all artefacts: artefact, canary and encoding.
fn found(artefacts: &Artefacts) -> Vec<(&String, usize, &'static str)> {
    let search = Search::new();
    let hits = artefacts.iter().flat_map(|(name, bytes)| {
        let found = search.found(bytes).into_keys().collect::<Vec<_>>();
        found
            .into_iter()
            .map(move |(canary, encoding)| (name, canary, encoding))
    });
    hits.collect()
}

fn is_command_line(name: &str) -> bool {
    name.starts_with("trace-") || name.starts_with("command lines")
}

#[test]
fn p13_eight_secrets_in_every_encoding_are_in_no_artefact_and_on_no_command_line() {
    let seed = figures::seed();
    let mut drive = Drive::new("", seed);
    drive.drive();
    let artefacts = &drive.artefacts;
    let found = found(artefacts);
    assert!(found.is_empty(), "seed {seed}: {found:#?}");
    // It was no silence: each secret was said, and taken out by name.
    let journal = String::from_utf8(std::fs::read(drive.fleet.journal()).unwrap()).unwrap();
    for n in 0..8 {
        let times = journal.matches(&format!("[secret s{n}]")).count();
        assert!(times > 100, "secret {n} is named {times} times only");
    }
    assert!(
        journal.contains(r#""virtual_":"kvm [secret s0]""#),
        "the login said it too"
    );
    let lines = |name: &String| String::from_utf8_lossy(&artefacts[name]).matches("execve(").count();
    let traces: Vec<&String> = artefacts.keys().filter(|name| is_command_line(name)).collect();
    for name in &traces {
        let program: &[u8] = if name.starts_with("trace-") {
            b"/bin/cat\""
        } else {
            b"/bin/sh\""
        };
        let there = artefacts[*name].windows(program.len()).any(|w| w == program);
        assert!(lines(name) > 0 && there, "{name} is no trace");
    }
    let begun: usize = traces.iter().map(|name| lines(name)).sum();
    let bytes: usize = artefacts.values().map(Vec::len).sum();
    println!("{} artefacts of {bytes} bytes, {begun} command lines", artefacts.len());
    figures::print(
        &format!(
            "secrets: 8 canaries x {} encodings x {} artefacts: found",
            ENCODINGS.len(),
            artefacts.len()
        ),
        found.len(),
        Some(seed),
    );
}

#[test]
fn control_without_redaction_the_secrets_are_in_every_kind_of_artefact() {
    let mut drive = Drive::new("redaction", figures::seed());
    drive.drive();
    let found = found(&drive.artefacts);
    let pairs: BTreeSet<(usize, &str)> = found.iter().map(|(_, canary, encoding)| (*canary, *encoding)).collect();
    for canary in 0..8 {
        for encoding in ENCODINGS {
            assert!(
                pairs.contains(&(canary, encoding)),
                "{canary} in {encoding} was nowhere: the drive proves nothing"
            );
        }
    }
    let kinds = [
        "journal.jsonl",
        "output/",
        "run.log",
        "resume.log",
        "report.html",
        "report.md",
        "junit.xml",
        "record.json",
    ];
    let shown = [
        "stdout of report last",
        "stdout of logs",
        "stdout of terminal: resume",
        "stdout of run",
    ];
    for kind in kinds.iter().chain(&shown) {
        let there = found.iter().any(|(name, ..)| name.contains(kind));
        assert!(
            there,
            "without redaction {kind} has no secret: the drive does not reach it"
        );
    }
    let lines = found.iter().filter(|(name, ..)| is_command_line(name)).count();
    println!("{} found without redaction, {lines} on command lines", found.len());
}

/// What a host has to say, and how.
fn prepare(sshd: &Sshd, seed: u64) {
    let home = sshd.home();
    let all: Vec<String> = CANARIES.iter().flat_map(|c| said(c)).collect();
    std::fs::write(
        home.join("forms"),
        all.iter().map(|form| format!("say {form} end\n")).collect::<String>(),
    )
    .unwrap();
    let size = std::fs::metadata(home.join("forms")).unwrap().len();
    // A hundred pieces or so, most of them shorter than a secret.
    let (mut dice, mut cuts, mut left) = (seed | 1, String::new(), size);
    while left > 1 && cuts.len() < 150 {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let piece = (1 + (dice >> 33) % 60).min(left);
        cuts.push_str(&format!("{piece} "));
        left -= piece;
    }
    std::fs::write(home.join("cuts"), cuts).unwrap();
    let filler = |n: usize| "filler ".repeat(n % 97);
    let long: String = (0..60)
        .flat_map(|n| all.iter().map(move |form| format!("{}{form}\n", filler(n))))
        .collect();
    std::fs::write(home.join("long"), long).unwrap();
    let escaped = |text: &str| -> String { text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect() };
    let keys: Vec<String> = CANARIES
        .iter()
        .map(|c| format!("\"{}\": {{ \"{0}\": [\"x{0}y\"] }}", escaped(c)))
        .collect();
    let text = serde_json::to_string(CANARIES[7]).unwrap();
    std::fs::write(
        home.join("document"),
        format!("{{ \"text\": {text}, {} }}", keys.join(", ")),
    )
    .unwrap();
    // What it says of itself at the login.
    let bin = home.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(home.join(".bashrc"), format!("PATH={}:$PATH\n", bin.display())).unwrap();
    std::fs::write(
        bin.join("systemd-detect-virt"),
        format!("#!/bin/sh\necho 'kvm {}'\n", CANARIES[0]),
    )
    .unwrap();
    std::fs::set_permissions(bin.join("systemd-detect-virt"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(home.join("halves"), "correct-\nhorse-battery-staple\n").unwrap();
    std::fs::create_dir(home.join("names")).unwrap();
    for name in CANARIES.iter().filter(|c| !c.contains(['/', '\n'])) {
        std::fs::write(home.join("names").join(name), "").unwrap();
    }
}

/// A server that answers with what it was asked.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = vec![0; 65_536];
            let Ok(n) = stream.read(&mut asked) else { continue };
            asked.truncate(n);
            let status = if asked.windows(8).any(|w| w == b"/missing") {
                "404 No"
            } else {
                "200 Yes"
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {n}\r\nX-Said: {}\r\nConnection: close\r\n\r\n",
                CANARIES[1]
            );
            // Who asked may be gone.
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&asked));
        }
    });
    port
}

fn private(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// What strace wrote, with `\xNN` as bytes.
fn unescaped(trace: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(trace.len() / 3);
    let mut at = 0;
    while at < trace.len() {
        let hex = trace.get(at..at + 4).filter(|w| w.starts_with(b"\\x"));
        let byte = hex.and_then(|w| u8::from_str_radix(std::str::from_utf8(&w[2..]).ok()?, 16).ok());
        out.push(byte.unwrap_or(trace[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    out
}
