//! `cargo bench --bench scale`: one pitstop process and a very large fleet, simulated by another process.
//!
//! The hosts are one SSH server (russh's) that answers on all of 127.0.0.0/8 and speaks the lane's protocol without starting
//! anything: what is measured is the controller, with its journal, redaction, host keys and report. `PITSTOP_BENCH_HOSTS` (10,000),
//! `PITSTOP_BENCH_STEPS` (20), `PITSTOP_BENCH_PARALLEL` (1,000 hosts at work at one time), `PITSTOP_BENCH_HELD` (1: a precheck first,
//! through which all hosts are before any goes on: so many connections are held open), `PITSTOP_BENCH_SLOW` (0: every Nth host is
//! dead, slow or lies, in turn), `PITSTOP_BENCH_KEEP` (the run's folder stays), `PITSTOP_BIN` (another pitstop).
//!
//! Owns: wall and CPU time, peak memory, and how many hosts ended how. Must not: assert a speed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints what it measured, and says what went wrong by failing there"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::server::{Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Preferred, kex};

const SERVER: &str = "PITSTOP_BENCH_SERVER";

fn many(what: &str, otherwise: usize) -> usize {
    std::env::var(what).map_or(otherwise, |n| n.parse().expect("a number"))
}

fn main() {
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    if let Ok(key) = std::env::var(SERVER) {
        return serve(Path::new(&key));
    }
    let (hosts, steps) = (many("PITSTOP_BENCH_HOSTS", 10_000), many("PITSTOP_BENCH_STEPS", 20));
    let parallel = many("PITSTOP_BENCH_PARALLEL", 1_000);
    let odd = many("PITSTOP_BENCH_SLOW", 0);
    let dir = tempfile::tempdir().unwrap();
    for name in ["id", "host"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(dir.path().join(name))
            .status();
        assert!(made.unwrap().success());
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env(SERVER, dir.path().join("host"))
        .env("PITSTOP_BENCH_SLOW", odd.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(said), &mut line).unwrap();
    let port: u16 = line.trim().parse().expect("the server's port");
    project(dir.path(), port, (hosts, steps, parallel));
    let began = Instant::now();
    let ran = Command::new("bash")
        .args([
            "-c",
            "ulimit -Sn $(ulimit -Hn); exec \"$0\" run checks.yml --yes -q >words 2>&1",
        ])
        .arg(std::env::var("PITSTOP_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_pitstop").to_owned()))
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .spawn();
    let (status, usage) = wait4(&mut ran.unwrap());
    let wall = began.elapsed();
    let _ = server.kill();
    let _ = server.wait();
    let words = std::fs::read_to_string(dir.path().join("words")).unwrap();
    let per = usage.cpu.as_secs_f64() * 1000.0 / (hosts * steps) as f64;
    println!("{hosts} hosts x {steps} steps, of one host in {odd} a fault (0: none)");
    println!(
        "wall {:.2} s, controller CPU {:.2} s, {per:.3} ms a host-step, peak {} MiB, exit {status}",
        wall.as_secs_f64(),
        usage.cpu.as_secs_f64(),
        usage.peak_kib >> 10,
    );
    if std::env::var_os("PITSTOP_BENCH_KEEP").is_some() {
        println!("kept in {}", dir.keep().display());
    }
    let tail: Vec<&str> = words.lines().rev().take(6).collect();
    tail.iter().rev().for_each(|l| println!("  {l}"));
}

struct Usage {
    cpu: Duration,
    peak_kib: u64,
}

/// Waits, looking at what the process has used so far: what the kernel tells of it ends with it.
fn wait4(child: &mut std::process::Child) -> (i32, Usage) {
    let mut usage = Usage {
        cpu: Duration::ZERO,
        peak_kib: 0,
    };
    loop {
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
        if let Some(peak) = of("status").lines().find_map(|l| l.strip_prefix("RssAnon:")) {
            // Without the pages of the program's file, as in the tables of peers.
            usage.peak_kib = usage
                .peak_kib
                .max(peak.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        }
        let stat = of("stat");
        let words: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, w)| w).split(' ').collect();
        if let (Some(user), Some(system)) = (words.get(11), words.get(12)) {
            let ticks: u64 = user.parse::<u64>().unwrap_or(0) + system.parse::<u64>().unwrap_or(0);
            usage.cpu = usage.cpu.max(Duration::from_millis(ticks * 10));
        }
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap_or(-1), usage);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn project(dir: &Path, port: u16, (hosts, steps, parallel): (usize, usize, usize)) {
    let key = std::fs::read_to_string(dir.join("host.pub")).unwrap();
    let key: Vec<&str> = key.split(' ').take(2).collect();
    std::fs::write(dir.join("known"), format!("[127.*]:{port} {}\n", key.join(" "))).unwrap();
    let mut inventory = "schema: 1\nhosts:\n".to_owned();
    let names: Vec<String> = (0..hosts).map(|n| format!("h{n:05}")).collect();
    for (n, name) in names.iter().enumerate() {
        let _ = writeln!(
            inventory,
            "  {name}: {{ address: 127.{}.{}.{}, port: {port}, user: root, identity: \"{id}/id\", known_hosts: \"{id}/known\" }}",
            1 + n / 60_000,
            n / 250 % 240,
            1 + n % 250,
            id = dir.display()
        );
    }
    let _ = writeln!(inventory, "groups:\n  all: [{}]", names.join(", "));
    std::fs::write(dir.join("inventory.yml"), inventory).unwrap();
    std::fs::write(dir.join("pitstop.yml"), "schema: 1\ninventory: inventory.yml\n").unwrap();
    let mut text = format!(
        "schema: 1\nrunbook: checks\ntitle: Checks\nkind: check\ntargets:\n  all: {{ select: \"group=all\" }}\n\
         rollouts:\n  wide: {{ parallel: {parallel} }}\nphases:\n  - phase: work\n    title: Work\n    targets: all\n    \
         rollout: wide\n"
    );
    if many("PITSTOP_BENCH_HELD", 0) > 0 {
        text.push_str("    precheck:\n      - { name: Is there, run: \"true\", timeout: 10s }\n");
    }
    text.push_str("    verify:\n");
    for n in 1..=steps {
        let _ = writeln!(text, "      - {{ name: Step {n}, run: \"true\", timeout: 10s }}");
    }
    std::fs::write(dir.join("checks.yml"), text).unwrap();
}

// --- the hosts ---

fn serve(key: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let key = russh::keys::load_secret_key(key, None).unwrap();
    let config = Arc::new(Config {
        keys: vec![key],
        preferred: Preferred {
            kex: std::borrow::Cow::Borrowed(&[kex::CURVE25519]),
            ..Preferred::default()
        },
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    });
    let odd = many("PITSTOP_BENCH_SLOW", 0);
    runtime.block_on(async {
        let listener = tokio::net::TcpSocket::new_v4().unwrap();
        listener.bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let listener = listener.listen(4096).unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            // Which host it is says the address: one that is bad stays so.
            let Ok(std::net::SocketAddr::V4(to)) = stream.local_addr() else {
                continue;
            };
            let [_, a, b, c] = to.ip().octets().map(usize::from);
            let number = (a - 1) * 60_000 + b * 250 + c;
            let host = Host {
                number,
                fault: Fault::of(number, odd),
                lanes: HashMap::new(),
            };
            let config = config.clone();
            tokio::spawn(async move {
                if host.fault == Some(Fault::Dead) {
                    std::future::pending::<()>().await;
                }
                if let Ok(running) = russh::server::run_stream(config, stream, host).await {
                    let _ = running.await;
                }
            });
        }
    });
}

/// What is the matter with one host in so many.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// It takes the connection and says nothing.
    Dead,
    /// Each answer takes seconds.
    Slow,
    /// It says what no lane says.
    Lies,
}

impl Fault {
    fn of(number: usize, odd: usize) -> Option<Self> {
        if odd == 0 || !number.is_multiple_of(odd) {
            return None;
        }
        [Self::Dead, Self::Slow, Self::Lies].get(number / odd % 3).copied()
    }
}

struct Host {
    number: usize,
    fault: Option<Fault>,
    lanes: HashMap<ChannelId, Lane>,
}

#[derive(Default)]
struct Lane {
    nonce: String,
    text: String,
}

impl Lane {
    /// What a real lane answers to all that has come whole.
    fn answer(&mut self, number: usize) -> String {
        let mut said = String::new();
        if self.nonce.is_empty() {
            let Some(at) = self.text.find("\n_open ") else {
                return said;
            };
            self.text.drain(..=at);
        }
        while let Some((words, length)) = request(&self.text) {
            self.text.drain(..length);
            let word = |n: usize| words.get(n).map_or("", String::as_str);
            let nonce = word(1).to_owned();
            match word(0) {
                "_open" => {
                    let _ = writeln!(said, "{nonce} L new b00t 77/4711 /var/tmp/.pitstop-0/{}", word(3));
                    self.nonce = nonce;
                }
                "_facts" => {
                    let _ = writeln!(
                        said,
                        "os=Linux\nkernel=6\nuser=root\nmachine={number:032x}\ndistro=debian\nversion=12\n{nonce} F"
                    );
                }
                "_r" | "_s" => {
                    let _ = writeln!(said, "{nonce} O\n{nonce} E 0");
                }
                "_x" => {
                    let _ = writeln!(said, "{nonce} X 0");
                }
                "_g" => {
                    let _ = writeln!(said, "{nonce} G");
                }
                "_k" => {
                    let _ = writeln!(said, "{nonce} K none");
                }
                "_z" => {
                    let _ = writeln!(said, "{nonce} Z gone");
                }
                _ => {}
            }
        }
        said
    }
}

/// The words of the first line that is there whole, in single quotes or bare, and its length.
fn request(text: &str) -> Option<(Vec<String>, usize)> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '\n' if !quoted => {
                words.push(word);
                return Some((words, at + 1));
            }
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    None
}

impl russh::server::Handler for Host {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.lanes.insert(channel.id(), Lane::default());
        reply.accept().await;
        Ok(())
    }

    /// `exec SHELL -c 'echo MARKER; echo MARKER >&2; …'`
    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        let marker = command.split("echo ").nth(1).and_then(|rest| rest.split(';').next());
        let marker = format!("{}\n", marker.unwrap_or_default());
        session.data(channel, marker.clone().into_bytes())?;
        session.extended_data(channel, 1, marker.into_bytes())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let Some(lane) = self.lanes.get_mut(&channel) else {
            return Ok(());
        };
        lane.text.push_str(&String::from_utf8_lossy(data));
        let said = lane.answer(self.number);
        match self.fault {
            Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(3)).await,
            Some(Fault::Lies) => return session.data(channel, b"of course, all is well\n".to_vec()),
            Some(Fault::Dead) | None => {}
        }
        if said.is_empty() {
            return Ok(());
        }
        session.data(channel, said.into_bytes())
    }
}
