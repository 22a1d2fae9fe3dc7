//! One run of the real binary over hosts that lie and hosts that do not, and what became of each.
//!
//! Owns: the project, the process, its memory and its words. Must not: know which lies there are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures;
use crate::host::{Host, Nature};
use crate::links::{self, Switch};
use crate::sshd::{Sshd, me};

/// Stands in the command that changes something, and nowhere else.
pub const CHANGE: &str = "the-change";
/// The name of the file that comes after it.
pub const FILE: &str = "the-file";
/// No run may take longer, however loaded the machine is; past it the process is ended, and that is a hang.
const PATIENCE: Duration = Duration::from_secs(200);
/// What a lie may cost past its own limit. A machine that others load is later than that by itself: a case fails only past
/// `LATE`, and the figure counts what was past `MARGIN`.
const MARGIN: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(15);
/// The limit of each step, in seconds.
pub const LIMIT: u64 = 10;
/// Growth over a run in which nobody lies.
const GROWTH_KIB: u64 = 64 << 10;

/// How the advice begins that is given with a host that could not be reached.
const HELP: [&str; 8] = [
    "check the address, the port and the network",
    "check that the host is up",
    "raise `MaxStartups` on the host",
    "look with `ssh -v`",
    "look at the server's log",
    "set `identity` for the host",
    "compare with `ssh -v`",
    "log in by hand and run `/bin/sh`",
];

/// How a host must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing was sent: the host is refused, or its first step is unreachable, and the change is not on the host.
    Unreachable,
    /// It was sent, and proven each time never to have begun.
    NotSent,
    /// The change, or the file after it, was sent, and its end cannot be learnt.
    Unknown,
    /// As if nothing had been.
    Ok,
}

/// One lying host.
pub struct Case {
    /// Its name in the inventory.
    pub name: &'static str,
    pub nature: Nature,
    pub want: Want,
    /// What a reader is told.
    pub says: Vec<&'static str>,
    /// Its `connect_timeout`, in seconds.
    pub connect: u64,
    /// Until its end is known, counted from the beginning of its line.
    pub within: Duration,
    /// It logs in by password, not by key.
    pub password: bool,
    /// It is reached over a link with this switch.
    pub link: Option<Switch>,
}

impl Case {
    /// A host that must be found unreachable within its limit.
    pub fn unreachable(name: &'static str, nature: Nature, says: &'static [&'static str]) -> Self {
        Self {
            name,
            nature,
            want: Want::Unreachable,
            says: says.to_vec(),
            connect: 2,
            within: Duration::from_secs(2),
            password: false,
            link: None,
        }
    }
}

/// What became of a run.
pub struct Ran {
    pub exit: Option<i32>,
    pub words: String,
    /// By host.
    pub ends: BTreeMap<String, End>,
    pub peak_kib: u64,
    pub took: Duration,
}

/// What became of a host.
#[derive(Clone, Debug, Default)]
pub struct End {
    pub state: String,
    /// Outcome of the change, or of the file after it, if it was sent.
    pub change: Option<String>,
    pub why: String,
    pub took: Duration,
}

struct Project {
    dir: tempfile::TempDir,
}

impl Drop for Project {
    fn drop(&mut self) {
        let runs = std::fs::read_dir(self.dir.path().join(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten();
        let runs: Vec<String> = runs.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        for lock in std::fs::read_dir("/var/tmp").into_iter().flatten().flatten() {
            let note = std::fs::read_to_string(lock.path().join("note")).unwrap_or_default();
            if note.lines().next().is_some_and(|run| runs.iter().any(|r| r == run)) {
                let _ = std::fs::remove_dir_all(lock.path());
            }
        }
    }
}

impl Project {
    fn new(hosts: &str, limit: Duration) -> Self {
        let dir = tempfile::Builder::new().prefix("pitstop-hostile-").tempdir().unwrap();
        let project = Self { dir };
        project.file("inventory.yml", &format!("schema: 1\nhosts:\n{hosts}"));
        project.file("content", "what stands in the file\n");
        project.file("pitstop.yml", "schema: 1\ninventory: inventory.yml\n");
        project.file(
            "work.yml",
            &format!(
                r#"schema: 1
runbook: work
title: One change on each host
kind: change
secrets:
  login: {{ from: env, name: HOSTILE_PASSWORD }}
targets:
  all: {{ select: "env=test" }}
rollouts:
  wide: {{ parallel: 60, max_fail: 60 }}
phases:
  - phase: work
    title: Work
    targets: all
    rollout: wide
    on_failure: rollback_host
    precheck:
      - id: home
        name: The home directory is there
        run: test -d "$HOME"
        timeout: {limit}s
    steps:
      - id: change
        name: The change
        run: echo {CHANGE} >> "$HOME/effects"
        timeout: {limit}s
        undo: {{ none: "it only counts" }}
      - id: file
        name: A file
        upload: {{ src: content, dest: "{{{{ host.vars.home }}}}/{FILE}" }}
        timeout: {limit}s
        undo: {{ none: "it only stands there" }}
"#,
                limit = limit.as_secs()
            ),
        );
        project
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&self) -> Child {
        let home = self.path("operator");
        std::fs::create_dir_all(&home).unwrap();
        let words = std::fs::File::create(self.path("words")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_pitstop"))
            .args(["run", "work.yml", "--yes", "--ssh-config", "none"])
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PITSTOP_OPERATOR", "olga")
            .env("HOSTILE_PASSWORD", "a long password")
            .stdin(Stdio::null())
            .stdout(words.try_clone().unwrap())
            .stderr(words)
            .spawn()
            .unwrap()
    }
}

/// Runs the change over these hosts and two that do not lie. Each step has this limit.
pub fn run(cases: &[Case], hosts: &[Host], limit: Duration) -> Ran {
    let calm: Vec<Sshd> = (0..2).map(|_| Sshd::start()).collect();
    let mut inventory = String::new();
    let identity = calm[0].path("id");
    for (case, host) in cases.iter().zip(hosts) {
        let port = match &case.link {
            Some(switch) => {
                let port = links::start(host.port, switch.clone());
                host.trust(&case.nature.keys[0], port);
                port
            }
            None => host.port,
        };
        let login = if case.password {
            "password: { secret: login }".to_owned()
        } else {
            format!("identity: \"{}\"", identity.display())
        };
        inventory.push_str(&format!(
            "  {}: {{ address: 127.0.0.1, port: {}, user: {}, {login}, known_hosts: \"{}\", connect_timeout: {}s, vars: {{ home: \"{}\" }}, labels: {{ env: test }} }}\n",
            case.name,
            port,
            me(),
            host.known_hosts.display(),
            case.connect,
            host.dir.path().join("home").display(),
        ));
    }
    for (n, sshd) in calm.iter().enumerate() {
        inventory.push_str(&format!(
            "  calm{n}: {{ address: 127.0.0.1, port: {}, user: {}, identity: \"{}\", known_hosts: \"{}\", connect_timeout: 60s, vars: {{ home: \"{}\" }}, labels: {{ env: test }} }}\n",
            sshd.port,
            me(),
            sshd.path("id").display(),
            sshd.path("known_hosts").display(),
            sshd.home().display()
        ));
    }
    let project = Project::new(&inventory, limit);
    let began = Instant::now();
    let mut child = project.spawn();
    let (exit, peak_kib) = watch(&mut child);
    let took = began.elapsed();
    let words = std::fs::read_to_string(project.path("words")).unwrap();
    let ran = Ran {
        exit,
        ends: ends(&project, &words),
        words,
        peak_kib,
        took,
    };
    for (n, sshd) in calm.iter().enumerate() {
        let text = std::fs::read_to_string(sshd.home().join("effects")).unwrap_or_default();
        assert_eq!(text.lines().count(), 1, "a neighbour was held up:\n{}", ran.words);
        assert_eq!(
            ran.ends[&format!("calm{n}")].state,
            "ok",
            "a neighbour failed:\n{}",
            ran.words
        );
    }
    ran
}

/// Waits for its end; its exit code (`None`: it had to be killed), and its largest resident size.
fn watch(child: &mut Child) -> (Option<i32>, u64) {
    let (began, mut peak) = (Instant::now(), 0);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), peak);
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ends(project: &Project, words: &str) -> BTreeMap<String, End> {
    let runs = std::fs::read_dir(project.path(".pitstop/runs"));
    let run = runs.into_iter().flatten().flatten().next();
    let run = run.unwrap_or_else(|| panic!("it never began:\n{words}"));
    let journal = std::fs::read_to_string(run.path().join("journal.jsonl")).unwrap();
    let mut ends: BTreeMap<String, End> = BTreeMap::new();
    let mut begun = None;
    for line in journal.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let (event, at) = (&record["event"], record["at"].as_str().unwrap());
        if std::env::var_os("HOSTILE_SHOW").is_some() {
            println!("{line}");
        }
        let at: jiff::Timestamp = at.parse().unwrap();
        // All hosts have been tried for their locks once, side by side, when the last has been taken; then the lines begin.
        if event["type"] == "locked" || begun.is_none() {
            begun = Some(at);
        }
        let begun = begun.unwrap_or(at);
        let host = event["host"].as_str().or(event["key"]["host"].as_str());
        let Some(host) = host else { continue };
        let end = ends.entry(host.to_owned()).or_default();
        match event["type"].as_str().unwrap() {
            "settled" => {
                if event["key"]["stage"] == "steps" {
                    end.change = Some(event["outcome"].as_str().unwrap().to_owned());
                }
                end.why = event["result"]["why"].as_str().unwrap_or_default().to_owned();
                end.took = Duration::try_from(at.duration_since(begun)).unwrap();
            }
            "host_ended" => {
                end.state = event["state"].as_str().unwrap().to_owned();
                // Of a step the step itself says why.
                if let Some(why) = event["why"].as_str().filter(|_| end.why.is_empty()) {
                    end.why = why.to_owned();
                }
                end.took = Duration::try_from(at.duration_since(begun)).unwrap();
            }
            _ => {}
        }
    }
    ends
}

/// Starts the hosts of these cases.
pub fn hosts(cases: &[Case]) -> Vec<Host> {
    cases.iter().map(|case| Host::start(case.nature.clone())).collect()
}

/// Runs the cases and checks each; gives how many, and how many were later than their limit and a second.
pub fn check(cases: &[Case], limit: Duration) -> Checked {
    let hosts = hosts(cases);
    let ran = run(cases, &hosts, limit);
    println!(
        "{}\nexit {:?} after {:?}, at most {} KiB",
        ran.words, ran.exit, ran.took, ran.peak_kib
    );
    let mut wrong = Vec::new();
    let mut late = 0;
    for (case, host) in cases.iter().zip(&hosts) {
        let end = ran.ends.get(case.name).cloned().unwrap_or_default();
        println!("{:24} {:?}", case.name, end);
        if let Err(why) = one(case, host, &end) {
            wrong.push(format!("{}: {why}: {end:?}", case.name));
        }
        late += usize::from(end.took > case.within + MARGIN);
        if end.took > case.within + LATE {
            wrong.push(format!("{}: it held its line for {:?}: {end:?}", case.name, end.took));
        }
    }
    for bug in ["panicked", "has a bug", "itself failed"] {
        assert!(!ran.words.contains(bug), "{}", ran.words);
    }
    assert!(ran.exit.is_some(), "it hung:\n{}", ran.words);
    // Some hosts are changed and others not, or nobody knows of one: a person is needed.
    let exit = i32::from(cases.iter().any(|case| case.want != Want::Ok));
    assert_eq!(ran.exit, Some(exit), "{}", ran.words);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Checked {
        cases: cases.len(),
        late,
        peak_kib: ran.peak_kib,
    }
}

/// What a set of cases came to.
pub struct Checked {
    pub cases: usize,
    pub late: usize,
    pub peak_kib: u64,
}

fn one(case: &Case, host: &Host, end: &End) -> Result<(), String> {
    let (state, change) = (end.state.as_str(), end.change.as_deref());
    let good = match case.want {
        Want::Unreachable => matches!(state, "refused" | "unreachable") && change.is_none(),
        Want::NotSent => change == Some("unreachable"),
        Want::Unknown => state == "unknown" && change == Some("unknown"),
        Want::Ok => state == "ok" && host.changes() == 1 && host.dir.path().join("home").join(FILE).exists(),
    };
    if !good {
        return Err(format!("it must end {:?}", case.want));
    }
    let most = usize::from(!matches!(case.want, Want::Unreachable | Want::NotSent));
    if host.changes() > most {
        return Err(format!("the change was made {} times", host.changes()));
    }
    if let Some(missing) = case.says.iter().find(|word| !end.why.contains(**word)) {
        return Err(format!("it does not say {missing:?}"));
    }
    if case.want == Want::Unreachable {
        // What a person can do stands behind it.
        if !HELP.iter().any(|help| end.why.contains(&format!(" ({help}"))) {
            return Err("it does not say what to do".to_owned());
        }
        if end.why.contains("was refused") && host.visits() > 1 {
            return Err(format!("a login that is refused was tried {} times", host.visits()));
        }
    }
    if end.why.chars().any(|c| c.is_control()) || end.why.len() > 1000 {
        return Err("its words are not fit to be shown".to_owned());
    }
    Ok(())
}

/// The largest resident size of a run over as many hosts of which none lies.
pub fn calm_kib(n: usize) -> u64 {
    let names: Vec<&'static str> = (0..n)
        .map(|i| &*Box::leak(format!("honest{i}").into_boxed_str()))
        .collect();
    let cases: Vec<Case> = names
        .into_iter()
        .map(|name| Case {
            want: Want::Ok,
            connect: 60,
            within: Duration::from_secs(60),
            ..Case::unreachable(name, Nature::default(), &[])
        })
        .collect();
    check(&cases, Duration::from_secs(60)).peak_kib
}

/// Checks the cases, and that they cost no more memory than a run in which nobody lies.
pub fn checked(name: &str, cases: Vec<Case>) {
    let calm = calm_kib(3);
    let checked = check(&cases, Duration::from_secs(LIMIT));
    let grown = checked.peak_kib.saturating_sub(calm);
    figures::print(
        &format!("hostile servers, {name}: panics, hangs, later than the limit + 1 s, memory grown by"),
        format!("0, 0, {} of {} hosts, {} MiB", checked.late, checked.cases, grown >> 10),
        None,
    );
    assert!(grown < GROWTH_KIB, "{grown} KiB");
}
