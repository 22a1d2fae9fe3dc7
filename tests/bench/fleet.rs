//! `cargo bench`: pitstop beside the plain OpenSSH client with a control master, on the same real servers, in one run.
//!
//! Owns: 12 hosts × 20 steps, median of three, wall time and the controller's CPU time. Must not: assert a speed.
//! Each host has a file system of its own for what a run puts there, as real ones do: on one that they share, and with the
//! controller, they would wait for each other's journals.
//! Both do the same work: log into every host once, run 20 commands there one after another, all hosts at one time, the same
//! key exchange. pitstop also checks host keys, keeps a journal, redacts, latches (second row) and writes the report.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table, and says what went wrong by failing there"
)]

#[path = "../common/sshd.rs"]
mod sshd;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pitstop::runbook::expr::quote::sh_word as quote;
use sshd::{Sshd, me};

const RUNS: usize = 3;

/// `PITSTOP_BENCH_HOSTS`, `PITSTOP_BENCH_STEPS`: how many.
fn many(what: &str, otherwise: usize) -> usize {
    std::env::var(what).map_or(otherwise, |n| n.parse().expect("a number"))
}

fn hosts_wanted() -> usize {
    many("PITSTOP_BENCH_HOSTS", 12)
}

fn steps_wanted() -> usize {
    many("PITSTOP_BENCH_STEPS", 20)
}

#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let apart = own_mounts();
    let hosts: Vec<Sshd> = (0..hosts_wanted()).map(|_| Sshd::start()).collect();
    if apart {
        hosts
            .iter()
            .for_each(|host| mount(&["-t", "tmpfs", "tmpfs", &host.path("home").display().to_string()]));
    } else {
        println!("not as root: all hosts share one file system, which costs pitstop more than the others");
    }
    let dir = tempfile::tempdir().unwrap();
    write_project(dir.path(), &hosts);
    let rows: [(&str, String); 3] = [
        ("OpenSSH, control master", control_master(dir.path(), &hosts)),
        ("pitstop, read-only steps", pitstop("read-only.yml")),
        ("pitstop, latched steps", pitstop("latched.yml")),
    ];
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for ((_, script), costs) in rows.iter().zip(&mut costs) {
            costs.push(timed(dir.path(), script));
        }
    }
    let (hosts_of, steps_of) = (hosts_wanted(), steps_wanted());
    println!("{hosts_of} hosts x {steps_of} steps, median of {RUNS}, all in one run");
    println!(
        "{:<26} {:>8} {:>10} {:>16} {:>7}",
        "", "wall s", "ctl CPU s", "CPU ms/host-step", "wall x"
    );
    let base = median(costs.first().unwrap()).wall;
    for ((name, _), costs) in rows.iter().zip(&costs) {
        let cost = median(costs);
        let each = cost.cpu * 1000.0 / (hosts_of * steps_of) as f64;
        println!(
            "{name:<26} {:>8.3} {:>10.3} {each:>16.3} {:>7.2}",
            cost.wall,
            cost.cpu,
            cost.wall / base
        );
    }
}

/// Starts this bench once more with mounts of its own, that end with it; returns in that one, and where only root may have them:
/// true and false.
fn own_mounts() -> bool {
    const AGAIN: &str = "PITSTOP_BENCH_MOUNTS";
    if std::env::var_os(AGAIN).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let again = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .env(AGAIN, "1")
        .status();
    std::process::exit(again.unwrap().code().unwrap_or(1));
}

fn mount(args: &[&str]) {
    let done = Command::new("mount").args(args).status().unwrap();
    assert!(done.success(), "mount {args:?}");
}

fn median(costs: &[Cost]) -> Cost {
    let mut sorted = costs.to_vec();
    sorted.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    *sorted.get(sorted.len() / 2).unwrap()
}

fn write_project(dir: &Path, hosts: &[Sshd]) {
    let mut inventory = "schema: 1\nhosts:\n".to_owned();
    for (n, host) in hosts.iter().enumerate() {
        let (id, known) = (host.path("id"), host.path("known_hosts"));
        let _ = writeln!(
            inventory,
            "  h{n:02}: {{ address: 127.0.0.1, port: {}, user: {}, identity: \"{}\", known_hosts: \"{}\" }}",
            host.port,
            me(),
            id.display(),
            known.display()
        );
    }
    let names: Vec<String> = (0..hosts.len()).map(|n| format!("h{n:02}")).collect();
    let _ = writeln!(inventory, "groups:\n  all: [{}]", names.join(", "));
    std::fs::write(dir.join("inventory.yml"), inventory).unwrap();
    std::fs::write(dir.join("pitstop.yml"), "schema: 1\ninventory: inventory.yml\n").unwrap();
    for (name, read_only) in [("read-only", true), ("latched", false)] {
        let mut text = format!(
            "schema: 1\nrunbook: {name}\ntitle: Bench\nkind: change\ntargets:\n  all: {{ select: \"group=all\" }}\n\
             rollouts:\n  wide: {{ parallel: {} }}\nphases:\n  - phase: work\n    title: Work\n    targets: all\n    \
             rollout: wide\n    on_failure: hold\n    steps:\n",
            hosts.len()
        );
        for n in 1..=steps_wanted() {
            let _ = writeln!(text, "      - name: Step {n}\n        run: \"true\"");
            if read_only {
                text.push_str("        read_only: true\n");
            }
        }
        std::fs::write(dir.join(format!("{name}.yml")), text).unwrap();
    }
}

fn pitstop(runbook: &str) -> String {
    format!("exec {} run {runbook} --yes -q", env!("CARGO_BIN_EXE_pitstop"))
}

/// One master a host, 20 commands over it, all hosts at one time; every process is waited for, so its time is counted.
fn control_master(dir: &Path, hosts: &[Sshd]) -> String {
    let one = dir.join("one.sh");
    let script = format!(
        "port=$1 id=$2 known=$3 sock=$4\n\
         opt=\"-F none -S $sock -p $port -i $id -o UserKnownHostsFile=$known -o StrictHostKeyChecking=yes \
         -o KexAlgorithms=curve25519-sha256 -o BatchMode=yes -o LogLevel=ERROR -l {}\"\n\
         ssh $opt -M -N 127.0.0.1 </dev/null & m=$!\n\
         until ssh $opt -O check 127.0.0.1 2>/dev/null; do sleep 0.02; done\n\
         i=0; while [ $i -lt {} ]; do ssh $opt 127.0.0.1 true </dev/null || exit 1; i=$((i+1)); done\n\
         ssh $opt -O exit 127.0.0.1 2>/dev/null; wait $m; exit 0\n",
        me(),
        steps_wanted()
    );
    std::fs::write(&one, script).unwrap();
    let mut all = String::new();
    for (n, host) in hosts.iter().enumerate() {
        let (id, known): (PathBuf, PathBuf) = (host.path("id"), host.path("known_hosts"));
        let sock = dir.join(format!("m{n}"));
        let _ = writeln!(
            all,
            "sh {} {} {} {} {} & pids=\"$pids $!\"",
            one.display(),
            host.port,
            id.display(),
            known.display(),
            sock.display()
        );
    }
    format!("{all}for p in $pids; do wait $p || exit 1; done")
}

/// Wall time, and CPU time of everything the script started and waited for.
fn timed(dir: &Path, script: &str) -> Cost {
    let timed = format!(
        "TIMEFORMAT='%R %U %S'; time bash -c {} >/dev/null 2>words",
        quote(script)
    );
    let out = Command::new("bash")
        .args(["-c", &timed])
        .current_dir(dir)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let words = || std::fs::read_to_string(dir.join("words")).unwrap_or_default();
    assert!(out.status.success(), "{script}\n{}", words());
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    match numbers.as_slice() {
        [wall, user, sys] => Cost {
            wall: *wall,
            cpu: user + sys,
        },
        _ => panic!("no times in {said:?}"),
    }
}
