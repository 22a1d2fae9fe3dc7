//! Machines that are whole: Debian with its own init, sshd, sudo and apt, booted for one test, and a project over them.
//!
//! Owns: the lab (`tests/lab/machine.sh`), the project, running the real binary where the machines can be reached. Must not: know what
//! a test proves. The lab goes when this is dropped, and also when the test's process is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt as _;

use serde_json::Value;

/// Of `ops`, for sudo.
pub const PASSWORD: &str = "maintenance-17";

/// Some machines and a project over them.
pub struct Machines {
    /// Address by name: `h01`, `h02`, …
    pub hosts: BTreeMap<String, String>,
    dir: tempfile::TempDir,
    guard: Child,
}

/// What a program came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Everything it said.
    pub said: String,
}

impl Machines {
    /// Boots `n` machines.
    pub fn start(n: usize) -> Self {
        Self::start_with(n, &[])
    }

    /// The same with dnf, zypper and pacman beside apt, none of which has a package yet.
    pub fn start_managers(n: usize) -> Self {
        Self::start_with(n, &["managers"])
    }

    /// The same with what the shipped runbooks work on: HAProxy, nginx, etcd, …
    pub fn start_with_more(n: usize) -> Self {
        Self::start_with(n, &["more"])
    }

    /// The same with databases and what takes backups: PostgreSQL, pgBackRest, MariaDB, restic, borg, none of it started.
    pub fn start_with_backups(n: usize) -> Self {
        Self::start_with(n, &["backups"])
    }

    fn start_with(n: usize, layer: &[&str]) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test boots machines, which only root can: run tests/run as root, best in a container, or leave the tests of \
             `machines` out by name"
        );
        let dir = tempfile::Builder::new().prefix("pitstop-machines-").tempdir().unwrap();
        let lab = dir.path().join("lab");
        // In a group of its own: what ends the test's group lets it do its work.
        let guard = lab_command(&["guard", lab.to_str().unwrap()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut machines = Self {
            hosts: BTreeMap::new(),
            dir,
            guard,
        };
        let mut up = lab_command(&["up", lab.to_str().unwrap(), &n.to_string(), base().to_str().unwrap()]);
        up.args(layer);
        let up = ran(up);
        assert_eq!(up.code, 0, "no machines: {}", up.said);
        let hosts = std::fs::read_to_string(lab.join("hosts.txt")).unwrap();
        let host = |line: &str| line.split_once(' ').map(|(name, at)| (name.to_owned(), at.to_owned()));
        machines.hosts = hosts.lines().filter_map(host).collect();
        machines.file("pitstop.yml", "schema: 1\ninventory: inventory.yml\n");
        machines.log_in(|_| "user: root".to_owned());
        machines
    }

    /// Writes the inventory anew: how each machine is logged into, beside where it is and its keys.
    pub fn log_in(&self, settings: impl Fn(&str) -> String) {
        let lab = self.lab();
        let host =
            |(name, address): (&String, &String)| format!("  {name}: {{ address: {address}, {} }}\n", settings(name));
        let hosts: String = self.hosts.iter().map(host).collect();
        let names: Vec<&str> = self.hosts.keys().map(String::as_str).collect();
        self.file(
            "inventory.yml",
            &format!(
                "schema: 1\ndefaults: {{ identity: \"{id}\", known_hosts: \"{known}\" }}\nhosts:\n{hosts}groups:\n  all: [{names}]\n",
                id = lab.join("id").display(),
                known = lab.join("known_hosts").display(),
                names = names.join(", ")
            ),
        );
    }

    /// Gives the project a policy: berta, whose key is `berta`, approves.
    pub fn with_an_approver(&self) {
        let key = self.path("berta");
        let keygen = ["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()];
        assert!(Command::new("ssh-keygen").args(keygen).status().unwrap().success());
        let public = std::fs::read_to_string(self.path("berta.pub")).unwrap();
        self.file(
            "allowed_signers",
            &format!("berta namespaces=\"pitstop-approval\" {public}"),
        );
        self.file(
            "policy.yml",
            "schema: 1\napprovers: { change-managers: [berta] }\nallowed_signers: allowed_signers\n",
        );
        self.file(
            "pitstop.yml",
            "schema: 1\ninventory: inventory.yml\npolicy: policy.yml\n",
        );
    }

    pub fn lab(&self) -> PathBuf {
        self.path("lab")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A runbook with one phase over all machines, all at once, each going back by itself. `stages` are the lines of its stages.
    pub fn runbook(&self, name: &str, stages: &str) {
        self.runbook_with(name, "", stages);
    }

    /// The same with further keys at its top.
    pub fn runbook_with(&self, name: &str, keys: &str, stages: &str) {
        self.file(
            &format!("runbooks/{name}.yml"),
            &format!(
                "schema: 1\nrunbook: {name}\ntitle: Change what these machines do\nkind: change\n{keys}\
                 targets:\n  all: {{ select: \"group=all\" }}\n\
                 rollouts:\n  free: {{ batches: [\"100%\"], parallel: 9, max_fail: \"100%\" }}\n\
                 phases:\n  - phase: work\n    title: Work\n    targets: all\n    rollout: free\n    on_failure: rollback_host\n{stages}"
            ),
        );
    }

    /// The real binary in a hermetic room where the machines can be reached. What is spawned is the binary itself.
    pub fn pitstop(&self, args: &[&str]) -> Command {
        let mut command = self.there(env!("CARGO_BIN_EXE_pitstop"));
        command.args(args);
        command
    }

    /// A program in that room.
    pub fn there(&self, program: &str) -> Command {
        let home = self.path("operator");
        std::fs::create_dir_all(&home).unwrap();
        let mut command = lab_command(&["in", self.lab().to_str().unwrap(), program]);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PITSTOP_OPERATOR", "olga")
            .env("OPS_PASSWORD", PASSWORD);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.pitstop(args))
    }

    /// Runs a runbook; the states of its hosts, too.
    pub fn apply(&self, runbook: &str) -> Ran {
        self.run(&["run", &format!("runbooks/{runbook}.yml"), "--yes"])
    }

    /// What a machine answers to a script of root's, past its sshd: it must succeed.
    pub fn at(&self, host: &str, script: &str) -> String {
        let ran = self.try_at(host, script);
        assert_eq!(ran.code, 0, "{host}: {script}: {}", ran.said);
        ran.said.trim_end().to_owned()
    }

    pub fn try_at(&self, host: &str, script: &str) -> Ran {
        let mut command = lab_command(&["at", self.lab().to_str().unwrap(), host, "sh", "-c", script]);
        command
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        ran(command)
    }

    /// `reboot`, `crash`, `off`, `on`, `doom`, `cut`, `heal`, `freeze` or `thaw`.
    pub fn power(&self, what: &str, host: &str) {
        let ran = ran(lab_command(&[what, self.lab().to_str().unwrap(), host]));
        assert_eq!(ran.code, 0, "{what} {host}: {}", ran.said);
    }

    /// The identity of each boot of a machine so far, as its power supply knows them.
    pub fn boots(&self, host: &str) -> Vec<String> {
        let boots = std::fs::read_to_string(self.lab().join("h").join(host).join("boots")).unwrap();
        boots.lines().map(str::to_owned).collect()
    }

    pub fn is_off(&self, host: &str) -> bool {
        std::fs::read_to_string(self.lab().join("h").join(host).join("power")).unwrap() == "off\n"
    }

    /// Writes a file on a machine.
    pub fn put(&self, host: &str, path: &str, text: &str) {
        self.at(host, &format!("cat >'{path}' <<'end of it'\n{text}\nend of it"));
    }

    /// Gives a machine a unit whose service runs this script. It is not started.
    pub fn unit(&self, host: &str, name: &str, service: &str, script: &str) {
        let program = format!("/usr/local/bin/{name}");
        self.put(host, &program, &format!("#!/bin/sh\n{script}"));
        self.put(
            host,
            &format!("/etc/systemd/system/{name}.service"),
            &format!("[Service]\n{service}\nExecStart={program}\n[Install]\nWantedBy=multi-user.target"),
        );
        self.at(host, &format!("chmod 755 {program} && systemctl daemon-reload"));
    }

    /// One value that systemd tells of a unit.
    pub fn shows(&self, host: &str, unit: &str, property: &str) -> String {
        self.at(host, &format!("systemctl show -P {property} {unit}"))
    }

    /// The state of each host, as `status --json` tells it of the last run.
    pub fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for event in self.events() {
            if event["type"] == "host_ended" {
                let text = |key: &str| event[key].as_str().unwrap().to_owned();
                states.insert(text("host"), text("state"));
            }
        }
        states
    }

    /// The events of the newest run that are written so far.
    pub fn events(&self) -> Vec<Value> {
        let runs = std::fs::read_dir(self.path(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten();
        // As the store does: of two runs of one second only the disk knows the order.
        let made = |run: &PathBuf| std::fs::metadata(run.join("plan.json")).and_then(|m| m.modified()).ok();
        let Some(newest) = runs.map(|run| run.path()).max_by_key(made) else {
            return Vec::new();
        };
        let text = std::fs::read_to_string(newest.join("journal.jsonl")).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.map(|mut record| record["event"].take()).collect()
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        // For people who want to look at the reports of what a test did.
        if let Some(to) = std::env::var_os("PITSTOP_KEEP_RUNS") {
            let to = Path::new(&to).join(self.dir.path().file_name().unwrap());
            let kept = Command::new("cp")
                .arg("-a")
                .arg(self.path(".pitstop"))
                .arg(&to)
                .status();
            eprintln!("the runs are kept in {}: {kept:?}", to.display());
        }
        drop(self.guard.stdin.take());
        let ended = self.guard.wait();
        if !std::thread::panicking() {
            assert!(ended.unwrap().success(), "the lab cannot be taken down");
        }
    }
}

/// Where the tree is that all machines begin with.
pub fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/machines")
}

/// `machine.sh` with these words.
pub fn lab_command(args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/machine.sh"))
        .args(args)
        .stdin(Stdio::null());
    command
}

pub fn ran(mut command: Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    Ran {
        code: status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {status}: {said}")),
        said,
    }
}
