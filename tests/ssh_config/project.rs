//! A project whose operator has an ssh config, and the two who connect by it: pitstop and the real `ssh`.
//!
//! Owns: running both with the same home and environment. Must not: judge what they say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::sshd::{Sshd, me};

/// The operator's name where neither inventory nor config say one: nobody can log in as it.
const OPERATOR: &str = "nobody-here";

pub struct Project {
    dir: tempfile::TempDir,
    agent: Option<PathBuf>,
}

impl Project {
    pub fn new(inventory: &str, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = Self { dir, agent: None };
        project.write("pitstop.yml", "schema: 1\n");
        project.write("inventory.yml", inventory);
        project.write("home/.ssh/config", config);
        project.write(
            "runbooks/look.yml",
            "schema: 1\nrunbook: look\ntitle: Look\nkind: check\ntargets: { all: { hosts: [web] } }\n\
             phases:\n  - phase: look\n    title: Look\n    targets: all\n    steps:\n      - { id: a, name: Look, \
             run: 'echo $SSH_CONNECTION; id -un', read_only: true }\n",
        );
        project
    }

    /// One host, `web`, of which the inventory says nothing.
    pub fn web(config: &str) -> Self {
        Self::new("schema: 1\nhosts: { web: }\n", config)
    }

    /// With an agent at this socket.
    pub fn with_agent(self, socket: &Path) -> Self {
        Self {
            agent: Some(socket.to_owned()),
            ..self
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("USER", OPERATOR)
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .envs(self.agent.iter().map(|socket| ("SSH_AUTH_SOCK", socket)))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_pitstop")).args(args).output().unwrap()
    }

    /// Exit code and words of `hosts --doctor`.
    pub fn doctor(&self) -> (i32, String) {
        self.doctor_with(&[])
    }

    pub fn doctor_with(&self, further: &[&str]) -> (i32, String) {
        let out = self.run(&[&["hosts", "--doctor"], further].concat());
        (out.status.code().unwrap(), said(&out))
    }

    /// All hosts can be used.
    #[track_caller]
    pub fn reaches(&self) -> String {
        let (code, text) = self.doctor();
        assert_eq!(code, 0, "{text}");
        text
    }

    /// A host cannot be used, and the words say why.
    #[track_caller]
    pub fn fails(&self, why: &str) -> String {
        let (code, text) = self.doctor();
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(why), "`{why}` is not in:\n{text}");
        text
    }

    /// Where a step of a run on `web` arrives, and as whom: client, server, port, user.
    #[track_caller]
    pub fn arrival(&self) -> Vec<String> {
        let run = self.run(&["run", "runbooks/look.yml"]);
        assert_eq!(run.status.code(), Some(0), "{}", said(&run));
        arrival(&said(&self.run(&["logs", "last", "web"])))
    }

    /// The same of the real client; the error is what it says.
    pub fn of_ssh(&self, host: &str) -> Result<Vec<String>, String> {
        let out = self
            .command("ssh")
            .arg("-F")
            .arg(self.path("home/.ssh/config"))
            .args(["-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "--", host])
            .arg("echo $SSH_CONNECTION; id -un")
            .output()
            .unwrap();
        match out.status.success() {
            true => Ok(arrival(&String::from_utf8_lossy(&out.stdout))),
            false => Err(said(&out)),
        }
    }

    /// pitstop arrives where the real client does, and as whom it does.
    #[track_caller]
    pub fn same_as_ssh(&self) -> Vec<String> {
        let ours = self.arrival();
        assert_eq!(self.of_ssh("web").as_ref(), Ok(&ours));
        ours
    }

    /// Neither gets there; pitstop says why.
    #[track_caller]
    pub fn fails_as_ssh(&self, why: &str) {
        self.fails(why);
        let ssh = self.of_ssh("web");
        assert!(ssh.is_err(), "ssh gets there: {ssh:?}");
    }
}

/// `$SSH_CONNECTION` without the client's port, and the line after it.
#[track_caller]
fn arrival(text: &str) -> Vec<String> {
    let mut lines = text.lines().skip_while(|l| {
        let words: Vec<&str> = l.split_whitespace().collect();
        words.len() < 4
            || words[words.len() - 1].parse::<u16>().is_err()
            || words[words.len() - 3].parse::<u16>().is_err()
    });
    let first = lines.next().unwrap_or_else(|| panic!("no SSH_CONNECTION in:\n{text}"));
    let words: Vec<&str> = first.split_whitespace().collect();
    let words = &words[words.len() - 4..];
    let user = lines.next().and_then(|l| l.split_whitespace().last()).unwrap();
    [words[0], words[2], words[3], user].map(str::to_owned).to_vec()
}

pub fn said(out: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

pub fn show(path: &Path) -> String {
    path.display().to_string()
}

/// A block that reaches a server as its name says.
pub fn block(name: &str, sshd: &Sshd) -> String {
    format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         GlobalKnownHostsFile none\n",
        sshd.port,
        me(),
        show(&sshd.path("id")),
        show(&sshd.path("known_hosts")),
    )
}

/// How often somebody logged in at a server.
pub fn logins(sshd: &Sshd) -> usize {
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    log.lines().filter(|l| l.starts_with("Accepted ")).count()
}
