//! A hermetic room: a folder of its own with HOME and state, an environment with nothing else in it, and the built binary.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The room. Everything in it goes away with it.
pub struct Room {
    dir: tempfile::TempDir,
    /// Runs lock the machine they change, which is this one: tests that run something take turns, in whatever process.
    turn: Option<File>,
}

impl Drop for Room {
    /// A test that failed in the middle must not leave this machine locked for the others.
    fn drop(&mut self) {
        let runs: Vec<PathBuf> = std::fs::read_dir(self.project(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        let ours = |text: &str| {
            runs.iter()
                .filter_map(|r| r.file_name()?.to_str())
                .any(|id| text.contains(id))
        };
        for lock in std::fs::read_dir("/var/tmp")
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
        {
            let named = lock
                .file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("pitstop-lock-"));
            let notes = std::fs::read_dir(&lock).into_iter().flatten().flatten();
            if self.turn.is_some()
                && named
                && notes
                    .filter_map(|n| std::fs::read_to_string(n.path()).ok())
                    .any(|t| ours(&t))
            {
                let _ = std::fs::remove_dir_all(&lock);
            }
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Must have ended with this code.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Must say this on stderr.
    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.err.contains(part), "`{part}` is not in stderr:\n{}", self.err);
        self
    }

    /// Must have this on stdout.
    #[track_caller]
    pub fn shows(self, part: &str) -> Self {
        assert!(self.out.contains(part), "`{part}` is not in stdout:\n{}", self.out);
        self
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Room {
    /// An empty project: `pitstop.yml`, and hosts that are this machine.
    pub fn new(hosts: &[&str]) -> Self {
        let room = Self {
            dir: tempfile::tempdir().unwrap(),
            turn: None,
        };
        for dir in ["home", "tmp", "effects"] {
            std::fs::create_dir(room.path(dir)).unwrap();
        }
        let list: String = hosts
            .iter()
            .map(|h| {
                format!(
                    "  {h}: {{ transport: local, labels: {{ role: x }}, vars: {{ dir: \"{}\" }} }}\n",
                    room.path("effects").display()
                )
            })
            .collect();
        room.file("p/pitstop.yml", "schema: 1\ninventory: inventory.yml\n");
        room.file("p/inventory.yml", &format!("schema: 1\nhosts:\n{list}"));
        room
    }

    /// A room whose runs change this machine.
    pub fn alone(hosts: &[&str]) -> Self {
        let turn = File::create(std::env::temp_dir().join("pitstop-tests-change-this-machine.lock")).unwrap();
        turn.lock().unwrap();
        let mut room = Self::new(hosts);
        room.turn = Some(turn);
        room
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path of the project.
    pub fn project(&self, name: &str) -> PathBuf {
        self.path("p").join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A runbook of the project with one phase over all hosts; `phase` is the rest of the phase, indented by four.
    pub fn runbook(&self, id: &str, phase: &str) {
        let text = format!(
            "schema: 1\nrunbook: {id}\ntitle: A runbook of a test\nkind: change\ntargets: {{ all: {{ select: role=x }} }}\nphases:\n  - phase: one\n    title: One\n    targets: all\n{phase}"
        );
        self.file(&format!("p/{id}.yml"), &text);
    }

    /// The program in the project's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_in(&self.path("p"), args)
    }

    pub fn command_in(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pitstop"));
        command
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_STATE_HOME", self.path("home/state"))
            .env("USER", "tess")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    /// The folder of the only run, or of the newest.
    pub fn last_run(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.project(".pitstop/runs")).unwrap();
        // As the store does: of two runs of one second only the disk knows the order.
        let made = |run: &PathBuf| std::fs::metadata(run.join("plan.json")).and_then(|m| m.modified()).ok();
        runs.map(|e| e.unwrap().path()).max_by_key(made).unwrap()
    }

    /// What hosts noted, one line an effect.
    pub fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("effects/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes a key for a person and gives its file and public half.
    pub fn key(&self, name: &str) -> (String, String) {
        let file = self.path(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&file)
            .status()
            .unwrap();
        assert!(made.success());
        let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        (file.display().to_string(), public.trim().to_owned())
    }

    /// A policy in which Anna and Boris are `cm`; gives their key files.
    pub fn policy(&self, more: &str) -> (String, String) {
        let ((anna, a), (boris, b)) = (self.key("anna"), self.key("boris"));
        self.file("p/signers", &format!("anna@x {a}\nboris@x {b}\n"));
        self.policy_again(more);
        (anna, boris)
    }

    /// The same people under other rules.
    pub fn policy_again(&self, more: &str) {
        self.file(
            "p/policy.yml",
            &format!(
                "schema: 1\napprovers: {{ cm: [anna@x, boris@x] }}\nallowed_signers: signers\nallow_local: true\n{more}"
            ),
        );
    }
}
