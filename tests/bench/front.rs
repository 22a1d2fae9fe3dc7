//! `cargo bench --bench front`: a runbook of 1 MB and 10,000 hosts, checked and planned, beside Ansible's own readers on as much.
//!
//! Owns: what is measured and how, and the table. Must not: assert a speed.
//! No host is contacted. Every row is a whole process, from its start to its exit: wall time and CPU time are medians, memory is the
//! most that a run held. `cargo bench --bench front -- --write DIR` only writes what is measured, to look at it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its table, and says what went wrong by failing there"
)]

mod data;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data::{HOSTS, write_all};

const RUNS: usize = 3;

/// Starts a program and waits for it: wall seconds, CPU seconds, peak memory in KiB. In Python, for it is here with Ansible, and
/// the standard library of Rust tells no child's memory. Its own memory is the least it can say: some 9 MiB.
const MEASURE: &str = "\
import os, sys, time
out = os.open('out', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
err = os.open('err', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
began = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(child, 0)
print(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))
";

#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    mib: f64,
}

struct Row {
    name: &'static str,
    argv: Vec<String>,
    /// The row that this one is compared with.
    beside: Option<usize>,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only asks whether it starts.
    if args.iter().any(|a| a == "--test") {
        return;
    }
    if let Some(at) = args.iter().position(|a| a == "--write") {
        let dir = args.get(at + 1).unwrap_or_else(|| panic!("--write wants a folder"));
        write_all(Path::new(dir));
        return;
    }
    let python = python();
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path());
    let rows = rows(&python);
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for (row, costs) in rows.iter().zip(&mut costs) {
            costs.push(cost(&python, dir.path(), row));
        }
    }
    let costs: Vec<Cost> = costs.iter().map(|all| typical(all)).collect();
    println!(
        "{}, {}",
        said(dir.path(), &ours(&["--version"])),
        versions(&python, dir.path())
    );
    for name in [
        "sites.yml",
        "all.yml",
        "apart.yml",
        "inventory.yml",
        "hosts.ini",
        "site.yml",
        "sites.json",
        "all.json",
        "apart.json",
    ] {
        println!(
            "{name:<14} {:>9} bytes",
            std::fs::metadata(dir.path().join(name)).unwrap().len()
        );
    }
    println!("\n{HOSTS} hosts, median of {RUNS}, all in one run\n");
    println!(
        "{:<54} {:>8} {:>8} {:>9} {:>8}",
        "", "wall s", "CPU s", "peak MiB", "faster"
    );
    for (row, cost) in rows.iter().zip(&costs) {
        let beside = row.beside.and_then(|at| costs.get(at));
        let ratio = beside.map_or(String::new(), |other| format!("{:.0} x", other.wall / cost.wall));
        println!(
            "{:<54} {:>8.3} {:>8.3} {:>9.0} {ratio:>8}",
            row.name, cost.wall, cost.cpu, cost.mib
        );
    }
}

fn ours(args: &[&str]) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_pitstop");
    std::iter::once(program)
        .chain(args.iter().copied())
        .map(str::to_owned)
        .collect()
}

fn rows(python: &Path) -> Vec<Row> {
    let ansible = |args: &[&str]| -> Vec<String> {
        let python = [python.to_str().unwrap(), "-m", "ansible"];
        python.iter().chain(args).map(|word| (*word).to_owned()).collect()
    };
    let row = |name, argv, beside| Row { name, argv, beside };
    let list = ["inventory", "-i", "hosts.ini", "--list"];
    let syntax = ["playbook", "-i", "hosts.ini", "--syntax-check", "site.yml"];
    vec![
        row("ansible-inventory --list, 10,000 hosts in INI", ansible(&list), None),
        row(
            "ansible-playbook --syntax-check, 1 MB, 10,000 hosts",
            ansible(&syntax),
            None,
        ),
        row(
            "pitstop hosts, the same INI",
            ours(&["hosts", "-i", "hosts.ini", "--json"]),
            Some(0),
        ),
        row(
            "pitstop hosts, its own format",
            ours(&["hosts", "-i", "inventory.yml", "--json"]),
            Some(0),
        ),
        row(
            "pitstop check, 1 MB, 10,000 hosts",
            ours(&["check", "sites.yml", "inventory.yml"]),
            Some(1),
        ),
        row("pitstop plan, each phase on its rack", plan("sites", &[]), Some(1)),
        row(
            "pitstop plan, the same, Ansible's inventory",
            plan("sites", &["-i", "hosts.ini"]),
            Some(1),
        ),
        row("pitstop plan, every phase on all hosts", plan("all", &[]), Some(1)),
        row(
            "pitstop plan, drained by a host of each host's own",
            plan("apart", &[]),
            Some(1),
        ),
    ]
}

fn plan(name: &str, more: &[&str]) -> Vec<String> {
    let (runbook, out) = (format!("{name}.yml"), format!("{name}.json"));
    ours(&[&["plan", &runbook, "-o", &out][..], more].concat())
}

/// The Python of the virtual environment that has Ansible; started as `python -m ansible`, for a copied one still works so.
fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible/bin/python");
    let found = Command::new(&path)
        .args(["-c", "import ansible"])
        .stderr(Stdio::null())
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "Ansible is missing, the other side of this bench\n\
         help: python3 -m venv target/ansible && target/ansible/bin/pip install ansible-core==2.17.14 (tests/run does it, too)"
    );
    path
}

fn command(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    // Nothing of the user's own settings is read; Ansible, too, gets no colour and no terminal.
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir);
    command
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_CONFIG", dir.join("ansible.cfg"))
        .stdin(Stdio::null());
    command
}

fn cost(python: &Path, dir: &Path, row: &Row) -> Cost {
    let mut measured = command(dir, python.to_str().unwrap());
    let output = measured
        .args(["-I", "-S", "-c", MEASURE])
        .args(&row.argv)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [wall, cpu, kib, 0.0] => Cost {
            wall: *wall,
            cpu: *cpu,
            mib: kib / 1024.0,
        },
        _ => {
            let err = std::fs::read_to_string(dir.join("err")).unwrap_or_default();
            let short: String = err.chars().take(4000).collect();
            panic!(
                "{}: {:?} {said}\n{short}{}",
                row.name,
                row.argv,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

fn typical(costs: &[Cost]) -> Cost {
    let sorted = |of: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let middle = |all: Vec<f64>| all.get(all.len() / 2).copied().unwrap();
    Cost {
        wall: middle(sorted(|c| c.wall)),
        cpu: middle(sorted(|c| c.cpu)),
        mib: sorted(|c| c.mib).last().copied().unwrap(),
    }
}

fn said(dir: &Path, argv: &[String]) -> String {
    let (program, args) = argv.split_first().unwrap();
    let output = command(dir, program).args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn versions(python: &Path, dir: &Path) -> String {
    let ask = "import sys, ansible.release; print('ansible-core', ansible.release.__version__ + ', Python', sys.version.split()[0])";
    said(dir, &[python.to_str().unwrap(), "-c", ask].map(str::to_owned))
}
