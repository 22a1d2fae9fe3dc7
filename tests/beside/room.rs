//! Hosts on real OpenSSH servers behind links, and a control machine with both tools.
//!
//! Owns: starting the tools alike (hermetic, output into files, a process group of their own as a shell gives them), and what
//! hosts noted. Must not: know a situation.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::link::Link;
use crate::sshd::{Sshd, me};

const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "this never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server and the link to it.
pub struct Host {
    pub sshd: Sshd,
    pub link: Link,
}

impl Host {
    fn start() -> Self {
        let sshd = Sshd::start();
        let link = Link::to(sshd.port);
        let key = fs::read_to_string(sshd.path("host_key.pub")).unwrap();
        sshd.trust("known_hosts", &format!("[127.0.0.1]:{} {key}", link.port));
        Self { sshd, link }
    }

    /// What its commands noted, in order.
    pub fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sshd.home().join("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many notes begin so.
    pub fn noted(&self, beginning: &str) -> usize {
        self.effects().iter().filter(|e| e.starts_with(beginning)).count()
    }

    /// Lets the command go on that waits for it.
    pub fn go(&self) {
        fs::write(self.sshd.home().join("go"), "").unwrap();
    }

    /// The process of the command that noted `WORD begins PID` last.
    pub fn process(&self, word: &str) -> u32 {
        let effects = self.effects();
        let last = effects
            .iter()
            .rev()
            .find_map(|e| e.strip_prefix(word)?.strip_prefix(" begins "));
        last.unwrap().parse().unwrap()
    }

    /// Whether a command that waits for `go` still lives, once that can be said: its process is gone, or it has looked for `go`
    /// twenty times more.
    pub fn lives(&self, process: u32) -> bool {
        let looked = || fs::metadata(self.sshd.home().join("looked")).map_or(0, |m| m.len());
        let before = looked();
        let mut lives = true;
        until("the command is gone, or goes on", || {
            lives = !gone(process);
            !lives || looked() >= before + 20
        });
        lives
    }

    /// Folders and files that a tool put into the home of its user and left there.
    pub fn left(&self) -> usize {
        let count = |dir: &str| fs::read_dir(self.sshd.home().join(dir)).map_or(0, Iterator::count);
        count(".ansible/tmp") + count(".pitstop")
    }
}

/// True once a process has ended, also if nobody has asked for its end.
fn gone(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// A tool at work.
pub struct Running {
    child: Child,
    out: PathBuf,
}

impl Running {
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until something is so that it brings about; it may not end before.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            let ended = self.has_ended();
            assert!(!ended || holds(), "it ended before this: {what}\n{}", self.said());
            assert!(Instant::now() < end, "it never came to this: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its exit code and all that it said.
    pub fn ends(mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE;
        while !self.has_ended() {
            assert!(Instant::now() < end, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = self.child.wait().unwrap();
        let said = self.said();
        (
            status
                .code()
                .unwrap_or_else(|| panic!("ended by a signal: {status}\n{said}")),
            said,
        )
    }

    /// What Ctrl-C does: SIGINT to the whole process group.
    pub fn interrupt(&self) {
        kill_process_group(Pid::from_child(&self.child), Signal::INT).unwrap();
    }
}

/// A control machine: a home, a project, and hosts.
pub struct Room {
    pub hosts: BTreeMap<String, Host>,
    dir: tempfile::TempDir,
}

impl Room {
    /// With these hosts; those whose names begin with `h` are in the group `web`.
    pub fn with(names: &[&str]) -> Self {
        let started: Vec<_> = names.iter().map(|_| std::thread::spawn(Host::start)).collect();
        let hosts = names.iter().zip(started);
        let hosts: BTreeMap<_, _> = hosts.map(|(n, t)| ((*n).to_owned(), t.join().unwrap())).collect();
        let dir = tempfile::Builder::new().prefix("pitstop-beside-").tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        let room = Self { hosts, dir };
        room.file("pitstop.yml", "schema: 1\ninventory: hosts.ini\n");
        room.file("hosts.ini", &room.inventory());
        room.file("ansible.cfg", "");
        room
    }

    /// One inventory for both.
    fn inventory(&self) -> String {
        let line = |(name, host): (&String, &Host)| {
            let path = |file: &str| host.sshd.path(file).display().to_string();
            // Ansible takes `~` from /etc/passwd, and these hosts share a user.
            let home = path("home");
            format!(
                "{name} ansible_host=127.0.0.1 ansible_port={} ansible_user={} ansible_ssh_private_key_file={} \
                 ansible_ssh_common_args='-o UserKnownHostsFile={}' ansible_python_interpreter=/usr/bin/python3 \
                 ansible_remote_tmp={home}/.ansible/tmp ansible_async_dir={home}/.ansible_async\n",
                host.link.port,
                me(),
                path("id"),
                path("known_hosts")
            )
        };
        let all: String = self.hosts.iter().map(line).collect();
        let web: Vec<&str> = self
            .hosts
            .keys()
            .filter(|n| n.starts_with('h'))
            .map(String::as_str)
            .collect();
        format!("{all}\n[web]\n{}\n", web.join("\n"))
    }

    pub fn host(&self, name: &str) -> &Host {
        &self.hosts[name]
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("project").join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn start(&self, program: &Path, args: &[&str], settings: &[(&str, &str)]) -> Running {
        let out = self.dir.path().join("said");
        let file = fs::File::create(&out).unwrap();
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.path().join("project"))
            .env_clear()
            .env("HOME", self.dir.path().join("home"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("PITSTOP_OPERATOR", "olga")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0);
        let child = command.spawn().unwrap();
        Running { child, out }
    }

    pub fn pitstop(&self, args: &[&str]) -> Running {
        self.start(Path::new(env!("CARGO_BIN_EXE_pitstop")), args, &[])
    }

    /// `ansible-playbook -i hosts.ini site.yml` with further arguments and settings.
    pub fn ansible(&self, args: &[&str], settings: &[(&str, &str)]) -> Running {
        let all = [&["-m", "ansible", "playbook", "-i", "hosts.ini", "site.yml"], args].concat();
        let config = self.path("ansible.cfg").display().to_string();
        // Ansible's default, without the user's own OpenSSH config.
        let ssh = "-F none -C -o ControlMaster=auto -o ControlPersist=60s";
        let mut with = vec![
            ("ANSIBLE_SSH_ARGS", ssh),
            ("ANSIBLE_CONFIG", config.as_str()),
            ("ANSIBLE_LOG_PATH", "ansible.log"),
        ];
        with.extend(settings);
        self.start(&python(), &all, &with)
    }

    /// What one of the tools says at once.
    pub fn asks(&self, args: &[&str]) -> String {
        let (code, said) = self.pitstop(args).ends();
        assert_eq!(code, 0, "{said}");
        said
    }

    /// What the last run's journal says.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let runs = fs::read_dir(self.path(".pitstop/runs")).into_iter().flatten().flatten();
        let journal = runs.map(|run| run.path().join("journal.jsonl")).max();
        let text = journal.and_then(|j| fs::read_to_string(j).ok()).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }
}

impl Drop for Room {
    /// Ansible keeps its connections for a minute after it has ended, and each holds a process.
    fn drop(&mut self) {
        self.hosts.values().for_each(|host| host.link.lose());
        let locks = fs::read_dir("/var/tmp")
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path());
        let runs: Vec<String> = fs::read_dir(self.path(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        for lock in locks {
            let note = fs::read_to_string(lock.join("note")).unwrap_or_default();
            if note.lines().next().is_some_and(|run| runs.iter().any(|r| r == run)) {
                // These hosts end now, and nobody can go on with their run.
                let _ = fs::remove_dir_all(lock);
            }
        }
    }
}

/// The Python of the virtual environment that has Ansible; started as `python -m ansible`, for a copied one still works so.
fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible/bin/python");
    assert!(
        path.exists(),
        "Ansible is missing, the other side of this comparison: start it with tests/beside/run, which installs it"
    );
    path
}

/// What is compared with what.
pub fn versions() -> String {
    let ask = "import sys, ansible.release; print(ansible.release.__version__)";
    let said = Command::new(python()).args(["-c", ask]).output().unwrap();
    let ansible = String::from_utf8(said.stdout).unwrap();
    format!(
        "ansible-core {} and pitstop {}",
        ansible.trim(),
        env!("CARGO_PKG_VERSION")
    )
}
