//! Twelve real OpenSSH servers, each with its own host key, home and port, and a project that rolls over them.
//!
//! Owns: the hosts, the project, running the real binary on it, the hosts' own effect logs. Must not: know what a test proves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::sshd::{Sshd, keygen, me};

/// A fleet and its project.
pub struct Fleet {
    pub hosts: BTreeMap<String, Sshd>,
    pub dir: tempfile::TempDir,
    /// A protection that the binary does without (`src/control.rs`); empty: none.
    pub without: &'static str,
}

/// One effect that a host noted: the step's key, and whether it is the beginning or the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    pub key: String,
    pub end: bool,
}

impl Fleet {
    /// Starts `n` servers named `h01`, `h02`, … and writes the project. Each changing step takes `pause` seconds.
    pub fn start(n: usize, pause: &str) -> Self {
        let started: Vec<_> = (1..=n)
            .map(|i| (format!("h{i:02}"), std::thread::spawn(Sshd::start)))
            .collect();
        Self::of(
            started.into_iter().map(|(name, t)| (name, t.join().unwrap())).collect(),
            pause,
        )
    }

    /// The project over these servers.
    pub fn of(hosts: BTreeMap<String, Sshd>, pause: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("pitstop-fleet-").tempdir().unwrap();
        let fleet = Self {
            hosts,
            dir,
            without: "",
        };
        fleet.write_project(pause);
        fleet
    }

    fn write_project(&self, pause: &str) {
        let host = |(name, sshd): (&String, &Sshd)| {
            format!(
                "  {name}: {{ address: 127.0.0.1, port: {}, user: {}, identity: \"{}\", known_hosts: \"{}\" }}\n",
                sshd.port,
                me(),
                sshd.path("id").display(),
                sshd.path("known_hosts").display()
            )
        };
        let hosts: String = self.hosts.iter().map(host).collect();
        let names: Vec<&str> = self.hosts.keys().map(String::as_str).collect();
        self.file(
            "inventory.yml",
            &format!("schema: 1\nhosts:\n{hosts}groups:\n  web: [{}]\n", names.join(", ")),
        );
        self.file(
            "pitstop.yml",
            "schema: 1\ninventory: inventory.yml\npolicy: policy.yml\n",
        );
        self.file(
            "policy.yml",
            "schema: 1\napprovers:\n  board: [berta, bruno]\n  change-managers: [berta]\nallowed_signers: allowed_signers\n",
        );
        let mut signers = String::new();
        for person in ["berta", "bruno"] {
            keygen(&self.path(person), "ed25519", "");
            let public = std::fs::read_to_string(self.path(&format!("{person}.pub"))).unwrap();
            signers.push_str(&format!("{person} namespaces=\"pitstop-approval\" {public}"));
        }
        self.file("allowed_signers", &signers);
        self.file("runbooks/fleet.yml", &runbook(pause));
    }

    /// Another inventory: so many names, `n000` and on, of the first host.
    pub fn crowd(&self, names: usize) {
        let sshd = &self.hosts["h01"];
        let host = |n: usize| {
            format!(
                "  n{n:03}: {{ address: 127.0.0.1, port: {}, user: {}, identity: \"{}\", known_hosts: \"{}\" }}\n",
                sshd.port,
                me(),
                sshd.path("id").display(),
                sshd.path("known_hosts").display()
            )
        };
        let hosts: String = (0..names).map(host).collect();
        self.file("inventory.yml", &format!("schema: 1\nhosts:\n{hosts}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The real binary in a hermetic room: no environment of ours, a home of its own.
    pub fn pitstop(&self, args: &[&str]) -> Command {
        let mut command = command(self.dir.path(), "olga", args);
        command.env("PITSTOP_WITHOUT", self.without);
        command
    }

    /// Another program in the same room; `$PITSTOP` is the binary.
    pub fn program(&self, program: &str) -> Command {
        let mut command = room(self.dir.path(), "olga", program);
        command.env("PITSTOP", env!("CARGO_BIN_EXE_pitstop"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.pitstop(args).output().unwrap()
    }

    /// Starts it in the background, its words going to a file.
    pub fn spawn(&self, args: &[&str], words: &str) -> Child {
        self.spawn_with(args, words, &[])
    }

    /// The same, with variables in its environment.
    pub fn spawn_with(&self, args: &[&str], words: &str, variables: &[(&str, &str)]) -> Child {
        let file = std::fs::File::create(self.path(words)).unwrap();
        let mut command = self.pitstop(args);
        command.envs(variables.iter().copied());
        command.stdout(Stdio::null()).stderr(file).spawn().unwrap()
    }

    /// The folder of the only run.
    pub fn run_folder(&self) -> PathBuf {
        let runs = self.path(".pitstop/runs");
        let mut found: Vec<PathBuf> = std::fs::read_dir(&runs).unwrap().flatten().map(|e| e.path()).collect();
        found.sort();
        found.pop().expect("a run")
    }

    pub fn journal(&self) -> PathBuf {
        self.run_folder().join("journal.jsonl")
    }

    /// Whether the journal tells of such an event; not before there is one.
    pub fn tells(&self, holds: impl Fn(&serde_json::Value) -> bool) -> bool {
        let runs = std::fs::read_dir(self.path(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten();
        let mut journals = runs.map(|run| run.path().join("journal.jsonl"));
        journals.any(|journal| records(&journal).iter().any(|r| holds(&r["event"])))
    }

    /// What a host noted, in order.
    pub fn effects(&self, host: &str) -> Vec<Effect> {
        let text = std::fs::read_to_string(self.hosts[host].home().join("effects")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let (key, word) = line.rsplit_once(' ').expect("a key and a word");
                Effect {
                    key: key.to_owned(),
                    end: word == "end",
                }
            })
            .collect()
    }

    /// What of ours is left in a host's home.
    pub fn left_on(&self, host: &str) -> Vec<PathBuf> {
        let base = self.hosts[host].home().join(".pitstop");
        std::fs::read_dir(base)
            .map(|d| d.flatten().map(|e| e.path()).collect())
            .unwrap_or_default()
    }

    /// The locks of this fleet's runs.
    pub fn locks(&self) -> Vec<PathBuf> {
        let runs: Vec<String> = std::fs::read_dir(self.path(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        let is_ours = |lock: &PathBuf| {
            let note = std::fs::read_to_string(lock.join("note")).unwrap_or_default();
            note.lines().next().is_some_and(|run| runs.iter().any(|r| r == run))
        };
        let all = std::fs::read_dir("/var/tmp").into_iter().flatten().flatten();
        all.map(|e| e.path()).filter(is_ours).collect()
    }

    /// A held host keeps its lock, as it should; these hosts end now, so their locks go too.
    pub fn release_locks(&self) {
        for lock in self.locks() {
            let _ = std::fs::remove_dir_all(lock);
        }
    }

    pub fn mark(&self, host: &str, name: &str) {
        std::fs::write(self.hosts[host].home().join(name), "").unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.release_locks();
    }
}

/// Another controller's project over the same hosts: a folder, a state directory and an operator of its own.
pub struct Project {
    dir: tempfile::TempDir,
    operator: String,
}

impl Project {
    pub fn beside(fleet: &Fleet, operator: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("pitstop-other-").tempdir().unwrap();
        for name in ["inventory.yml", "pitstop.yml", "policy.yml", "allowed_signers"] {
            std::fs::copy(fleet.path(name), dir.path().join(name)).unwrap();
        }
        std::fs::create_dir(dir.path().join("runbooks")).unwrap();
        let operator = operator.to_owned();
        Self { dir, operator }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.pitstop(args).output().unwrap()
    }

    pub fn pitstop(&self, args: &[&str]) -> Command {
        command(self.dir.path(), &self.operator, args)
    }
}

fn command(dir: &Path, operator: &str, args: &[&str]) -> Command {
    let mut command = room(dir, operator, env!("CARGO_BIN_EXE_pitstop"));
    command.args(args);
    command
}

fn room(dir: &Path, operator: &str, program: &str) -> Command {
    let home = dir.join("operator");
    std::fs::create_dir_all(&home).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("PITSTOP_OPERATOR", operator)
        .stdin(Stdio::null());
    command
}

/// SIGKILL.
pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The exit code of a child that ended by itself.
pub fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("ended by a signal: {status}"))
}

/// The words of an output, for a failing assertion.
pub fn words(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Every record of a journal that is whole.
pub fn records(journal: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

/// `bad` fails a host forward and lets it go back; `always-bad` keeps it from being proven good in either direction.
fn runbook(pause: &str) -> String {
    let effect = |word: &str| {
        format!(
            "echo \"$PITSTOP_STEP_KEY begin\" >> \"$HOME/effects\"; sleep {pause}; echo {word}; \
             echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\""
        )
    };
    format!(
        r#"schema: 1
runbook: fleet
title: Restart the web servers
kind: change
targets:
  web: {{ select: "group=web" }}
rollouts:
  careful:
    batches: [1, 3, "50%"]
    parallel: 2
    max_fail: 3
    gate:
      title: Is the canary good?
      after_batch: 1
      need: 1
      approvers: [board]
      expires: 30m
      show: [good]
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: careful
    on_failure: rollback_host
    precheck:
      - id: home
        name: The home directory is there
        run: test -d "$HOME"
    drain:
      - id: out
        name: Take it out of service
        run: |
          {out}
    steps:
      - id: stop
        name: Stop the service
        run: |
          {stop}
        undo:
          - name: Start the old service again
            run: |
              {unstop}
      - id: swap
        name: Swap the release
        run: |
          {swap}
        undo:
          - name: Swap it back
            run: |
              {unswap}
    verify:
      - id: good
        name: It answers
        run: test ! -e "$HOME/always-bad" && {{ [ {{{{ host.rolling_back }}}} = true ] || test ! -e "$HOME/bad"; }}
    undrain:
      - id: in
        name: Put it back into service
        run: |
          {back}
"#,
        out = effect("out"),
        stop = effect("stop"),
        unstop = effect("unstop"),
        swap = effect("swap"),
        unswap = effect("unswap"),
        back = effect("in"),
    )
}
