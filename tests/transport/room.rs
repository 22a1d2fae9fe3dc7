//! A host to reach over either transport, and the few calls that every test makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::sshd::Sshd;
use pitstop::id::{HostName, RunId};
use pitstop::transport::{
    Command, Endpoint, How, LatchKey, LocalTransport, Privilege, Request, Session, Sink, SshOptions, SshTransport,
    Stream, Transport, Way,
};
use tokio::sync::watch;

/// Keeps what a host said.
#[derive(Default)]
pub struct Kept {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub skipped: u64,
}

impl Sink for Kept {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.extend_from_slice(bytes),
            Stream::Err => self.err.extend_from_slice(bytes),
        }
    }

    fn skip(&mut self, _stream: Stream, bytes: u64) {
        self.skipped += bytes;
    }
}

/// A transport with a host to reach over it.
pub struct Room {
    pub transport: Arc<dyn Transport>,
    pub to: Endpoint,
    pub home: PathBuf,
    pub sshd: Option<Sshd>,
    _dir: Option<tempfile::TempDir>,
}

pub fn options() -> SshOptions {
    SshOptions {
        latch: true,
        virtual_: true,
        agent: None,
        home: None,
        user: None,
        behind: 200,
        keepalive: Duration::from_secs(15),
        passphrases: std::collections::BTreeMap::new(),
    }
}

pub fn fresh_run() -> RunId {
    let mut random = [0_u8; 6];
    getrandom::fill(&mut random).unwrap();
    RunId::new(jiff::Timestamp::now(), random)
}

impl Room {
    pub fn local() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let to = Endpoint {
            host: HostName::controller(),
            address: String::new(),
            port: 0,
            user: None,
            password: None,
            identities: vec![],
            known_hosts: vec![],
            jump: None,
            way: Way::default(),
            privilege: Privilege::default(),
            connect_timeout: Duration::from_secs(20),
            run: fresh_run(),
        };
        let home = dir.path().to_owned();
        Self {
            transport: Arc::new(LocalTransport::with_home(home.clone())),
            to,
            home,
            sshd: None,
            _dir: Some(dir),
        }
    }

    pub fn ssh() -> Self {
        let sshd = Sshd::start();
        // What start-up files print, ask and leave behind must not matter.
        let noise = "echo noise; echo noise >&2; printf 'no newline'; alias echo=false\n";
        for name in [".bashrc", ".profile", ".kshrc"] {
            std::fs::write(sshd.home().join(name), noise).unwrap();
        }
        Self {
            transport: Arc::new(SshTransport::new(options())),
            to: sshd.endpoint(&fresh_run()),
            home: sshd.path("work"),
            sshd: Some(sshd),
            _dir: None,
        }
        .with_work()
    }

    /// Over SSH, with another shell than the host's `/bin/sh`.
    pub fn shell(shell: &str) -> Self {
        let mut room = Self::ssh();
        shell.clone_into(&mut room.to.privilege.shell);
        room
    }

    /// Over SSH, to a host that lacks these programs.
    pub fn without(programs: &[&str]) -> Self {
        let mut room = Self::ssh();
        let bin = room.home.join("bin");
        std::fs::create_dir(&bin).unwrap();
        for folder in ["/usr/bin", "/bin", "/usr/sbin"] {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if !programs.contains(&entry.file_name().to_str().unwrap_or_default()) {
                    // The same program stands in two folders.
                    let _ = std::os::unix::fs::symlink(entry.path(), bin.join(entry.file_name()));
                }
            }
        }
        let shell = room.home.join("sh");
        let text = format!("#!/bin/sh\nPATH={}; export PATH\nexec /bin/sh \"$@\"\n", bin.display());
        std::fs::write(&shell, text).unwrap();
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(&shell, mode).unwrap();
        room.to.privilege.shell = shell.display().to_string();
        room
    }

    fn with_work(self) -> Self {
        std::fs::create_dir_all(&self.home).unwrap();
        self
    }

    /// Seconds for a `sleep` that no other test's processes are mistaken for.
    pub fn nap(&self) -> String {
        let letters = self.to.run.as_str().bytes().map(u64::from);
        format!("600.{}", letters.fold(7, |a, b| (a * 31 + b) % 99_999_989))
    }

    pub async fn connect(&self) -> Arc<dyn Session> {
        self.transport.connect(&self.to).await.unwrap()
    }

    /// Breaks the link under a session, as a network would.
    pub fn cut(&self) {
        if let Some(sshd) = &self.sshd {
            sshd.cut();
        }
    }
}

pub fn request(command: &str) -> Request {
    let (sender, cancel) = watch::channel(false);
    drop(sender);
    Request {
        command: Command::Shell(command.to_owned()),
        env: vec![],
        stdin: None,
        become_user: None,
        timeout: Duration::from_secs(60),
        latch: None,
        step_key: "run/phase/step/host/1".to_owned(),
        streams: false,
        cancel,
    }
}

pub fn latched(command: &str, key: &str) -> Request {
    Request {
        latch: Some(LatchKey::of(key)),
        step_key: key.to_owned(),
        ..request(command)
    }
}

pub async fn run(session: &Arc<dyn Session>, request: Request) -> (How, Kept) {
    let mut kept = Kept::default();
    let how = session.run(request, &mut kept).await;
    (how, kept)
}

/// Waits for something that a host does, with a limit; only for what has no other sign.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Every file below a folder.
pub fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found
}

pub fn processes_with(word: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| {
            let pid = e.file_name().to_str()?.parse::<u32>().ok()?;
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (pid != std::process::id() && line.contains(word)).then_some(line)
        })
        .collect()
}
