//! A real OpenSSH server on 127.0.0.1 with a key, a home and a port of its own.
//!
//! Owns: starting one, waiting until it speaks, ending exactly the processes it started. Must not: touch the machine's sshd.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pitstop::id::{HostName, RunId};
use pitstop::transport::{Endpoint, Privilege, Way};

/// A server. It ends when this is dropped, and its sessions with it.
pub struct Sshd {
    child: Child,
    /// Where everything of it is.
    pub dir: tempfile::TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Sshd {
    /// Starts one that lets this process's user in by key.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one of which every command line that it or its sessions begin stands in `execs`, as strace writes it.
    pub fn traced() -> Self {
        Self::begin("", true)
    }

    /// Starts one with further lines of `sshd_config`.
    pub fn with(lines: &str) -> Self {
        Self::begin(lines, false)
    }

    fn begin(lines: &str, traced: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("pitstop-sshd-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        open_to_all(dir.path());
        open_to_all(&dir.path().join("home"));
        for key in ["host_key", "id"] {
            keygen(&dir.path().join(key), "ed25519", "");
        }
        std::fs::copy(dir.path().join("id.pub"), dir.path().join("authorized_keys")).unwrap();
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = spawn(dir.path(), port, lines, traced);
            if speaks(&mut child, port) {
                let sshd = Self { child, dir, port };
                sshd.trust("known_hosts", &sshd.known_hosts_line());
                return sshd;
            }
            // The port went to somebody else in between.
            let _ = child.kill();
            child.wait().unwrap();
        }
        panic!(
            "no sshd started; its last words: {}",
            std::fs::read_to_string(dir.path().join("log")).unwrap_or_default()
        );
    }

    /// A file of this server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The home directory that sessions have.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The line that `known_hosts` needs.
    pub fn known_hosts_line(&self) -> String {
        let key = std::fs::read_to_string(self.path("host_key.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// Writes a `known_hosts` file and gives its path.
    pub fn trust(&self, name: &str, lines: &str) -> PathBuf {
        std::fs::write(self.path(name), lines).unwrap();
        self.path(name)
    }

    /// How to log in here.
    pub fn endpoint(&self, run: &RunId) -> Endpoint {
        Endpoint {
            host: HostName::new(format!("host-{}", self.port)),
            address: "127.0.0.1".to_owned(),
            port: self.port,
            user: Some(me()),
            password: None,
            identities: vec![self.path("id")],
            known_hosts: vec![self.path("known_hosts")],
            jump: None,
            way: Way::default(),
            privilege: Privilege::default(),
            connect_timeout: Duration::from_secs(20),
            run: run.clone(),
        }
    }

    /// The server's processes of the connections that are open.
    pub fn sessions(&self) -> Vec<u32> {
        let is_sshd =
            |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.starts_with("sshd"));
        descendants(self.child.id()).into_iter().filter(is_sshd).collect()
    }

    /// Waits until the last connection has ended, with a limit.
    pub fn wait_until_nobody_is_there(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.sessions().is_empty() {
            assert!(
                Instant::now() < end,
                "somebody is still logged in at port {}",
                self.port
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills every session of this server with SIGKILL, as a broken link would.
    pub fn cut(&self) {
        self.sessions().into_iter().for_each(kill);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The name of the user these tests run as.
pub fn me() -> String {
    let out = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// Makes a key pair.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        // One round: what a passphrase costs is not tested.
        .args(["-q", "-a", "1", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success(), "ssh-keygen {kind}");
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn spawn(dir: &Path, port: u16, lines: &str, traced: bool) -> Child {
    let at = dir.display();
    let sftp = if lines.contains("Subsystem") {
        ""
    } else {
        "Subsystem sftp internal-sftp"
    };
    let config = format!(
        "{lines}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {at}/host_key\nPidFile none\n\
         AuthorizedKeysFile {at}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\n{sftp}\n\
         MaxStartups 100\nLoginGraceTime 20\nSetEnv HOME={at}/home\nPrintMotd no\nUseDNS no\n"
    );
    std::fs::write(dir.join("sshd_config"), config).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"]
        .iter()
        .find(|p| Path::new(p).exists());
    let sshd = sshd.expect("openssh-server is installed");
    let mut command = Command::new(if traced { "strace" } else { sshd });
    if traced {
        // -D: the child is the server, and the tracer a grandchild that goes with it.
        command.args(["-D", "-f", "-qq", "-xx", "-s", "1000000", "-e", "trace=execve", "-o"]);
        command.arg(dir.join("execs")).arg(sshd);
    }
    command
        .args(["-D", "-e", "-f"])
        .arg(dir.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn speaks(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut banner = String::new();
            if BufReader::new(stream).read_line(&mut banner).is_ok() && banner.starts_with("SSH-2.0") {
                return child.try_wait().unwrap().is_none();
            }
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    false
}

fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

/// SIGKILL.
pub fn kill(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return;
    };
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

// Each test binary compiles this file and uses a part of it; what it does not use is named here.
const _: fn() -> Sshd = Sshd::start;
const _: fn() -> Sshd = Sshd::traced;
const _: fn(&Sshd) = Sshd::cut;
const _: fn(&Sshd) = Sshd::wait_until_nobody_is_there;
const _: fn(&Sshd) -> PathBuf = Sshd::home;
const _: fn(&Sshd, &RunId) -> Endpoint = Sshd::endpoint;
