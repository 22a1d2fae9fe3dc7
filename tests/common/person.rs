//! A throw-away user of this machine, who may use sudo.
//!
//! Only root can make one.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

/// Fails for anybody but root: a test that proves nothing may not pass.
pub fn needs_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes users and becomes them, which only root can: run tests/run as root, best in a container, \
         or leave these tests out by name"
    );
}

/// Runs a program silently; true if it succeeded.
pub fn program(name: &str, args: &[&str]) -> bool {
    Program::new(name)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// As `/etc/shadow` has it. The password goes over a pipe: some tests look for it on every command line.
fn hash_of(password: &str) -> String {
    let mut openssl = Program::new("openssl")
        .args(["passwd", "-6", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap()
}

/// A user of this test alone, who may use sudo with a password.
pub struct Person {
    pub name: String,
    pub uid: String,
    sudoers: PathBuf,
}

impl Person {
    pub fn new(tag: &str, password: &str) -> Self {
        let name = format!("pstest{tag}{}", std::process::id());
        let hash = hash_of(password);
        let end = Instant::now() + Duration::from_secs(20);
        while !program("useradd", &["-M", "-s", "/bin/sh", "-p", hash.trim(), &name]) {
            // Another test holds the lock of /etc/passwd.
            assert!(Instant::now() < end, "useradd {name}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let uid = Program::new("id").args(["-u", &name]).output().unwrap().stdout;
        let sudoers = PathBuf::from(format!("/etc/sudoers.d/{name}"));
        std::fs::write(&sudoers, format!("{name} ALL=(ALL) ALL\n")).unwrap();
        let uid = String::from_utf8(uid).unwrap().trim().to_owned();
        let person = Self { name, uid, sudoers };
        // The number may be that of a former test's user.
        person.sweep();
        person
    }

    /// From now on sudo asks for no password.
    pub fn trusted(self) -> Self {
        std::fs::write(&self.sudoers, format!("{} ALL=(ALL) NOPASSWD: ALL\n", self.name)).unwrap();
        self
    }

    /// The lines of sudo's rules about this user, from now on.
    pub fn rules(&self, lines: &str) {
        std::fs::write(&self.sudoers, lines).unwrap();
    }

    /// From now on sudo allows these commands and no other, without a password.
    pub fn allowed(self, commands: &str) -> Self {
        std::fs::write(&self.sudoers, format!("{} ALL=(ALL) NOPASSWD: {commands}\n", self.name)).unwrap();
        self
    }

    /// Removes what was left of a run as this user.
    fn sweep(&self) {
        let left = PathBuf::from(format!("/var/tmp/.pitstop-{}", self.uid));
        // There is usually none.
        let _ = std::fs::remove_dir_all(&left).or_else(|_| std::fs::remove_file(&left));
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.sweep();
        let _ = std::fs::remove_file(&self.sudoers);
        let end = Instant::now() + Duration::from_secs(20);
        while !program("userdel", &["-f", &self.name]) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

const _: [fn(Person) -> Person; 1] = [Person::trusted];
const _: fn(Person, &str) -> Person = Person::allowed;
const _: fn(&Person, &str) = Person::rules;
