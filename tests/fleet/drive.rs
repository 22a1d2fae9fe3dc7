//! The crash drive: the real binary, over real OpenSSH servers, killed at random instants and in the narrow windows between two
//! things that must not be taken for one; resumed until it rests; then the hosts' own notes, the journal and the hosts' state
//! are compared.
//!
//! It goes on for `PITSTOP_CRASH_SECONDS` (60), over fresh seeds, in `PITSTOP_CRASH_SIDES` (2) drives side by side, and prints what
//! it did. `PITSTOP_SEED=N` begins with N.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Output};
use std::time::{Duration, Instant};

use pitstop::crash::Moment;

use crate::books::{self, Compared};
use crate::dice::Dice;
use crate::figures;
use crate::fleet::{Fleet, records, words};

const HOSTS: usize = 4;
/// No process of this test may take longer.
const LIMIT: Duration = Duration::from_secs(120);
/// After so many kills of one run it may come to its end.
const KILLS_OF_A_RUN: u64 = 12;

/// What a host may do wrong.
const FAULTS: [&str; 6] = ["fail-a", "fail-b", "fail-c", "bad", "always-bad", "fail-out"];
const FAULTS_BACK: [&str; 2] = ["fail-un_a", "fail-un_b"];

/// How a process is to die.
enum Death {
    /// By its own hand, at the first of these moments.
    At(String),
    /// From outside, after a while.
    After(Duration),
}

impl Death {
    /// Seldom by chance, mostly in a narrow window; where that does not come, at the end of some step.
    fn draw(dice: &mut Dice) -> Self {
        if dice.below(5) == 0 {
            return Self::After(Duration::from_micros(dice.below(1_500_000)));
        }
        let (name, moment) = dice.pick(&Moment::ALL);
        let nth = 1 + match moment {
            Moment::Entered | Moment::Locked | Moment::GivenBack | Moment::Reporting => dice.below(2),
            Moment::IntendedBack | Moment::EndedBack => dice.below(6),
            _ => dice.below(12),
        };
        // Between the send and the latch, in the work, between its end and our knowing of it.
        let delay = match moment {
            Moment::Intended | Moment::IntendedBack if dice.below(3) > 0 => dice.below(60_000),
            _ => 0,
        };
        let anyhow = 6 + dice.below(12);
        Self::At(format!("{name}:{nth}:{delay},settled:{anyhow}"))
    }
}

/// What the drive has done.
#[derive(Default)]
struct Tally {
    runs: usize,
    kills: BTreeMap<String, usize>,
    verdicts: BTreeMap<i32, usize>,
    compared: Compared,
}

#[test]
fn p1_no_kill_at_any_moment_starts_a_change_twice_loses_an_end_or_calls_a_failure_success() {
    let told = |name, or| std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(or);
    let (seconds, sides) = (told("PITSTOP_CRASH_SECONDS", 60), told("PITSTOP_CRASH_SIDES", 2));
    let first = figures::seed();
    println!("seeds from {first} (PITSTOP_SEED={first} begins there)");
    let end = Instant::now() + Duration::from_secs(seconds);
    let threads: Vec<_> = (0..sides)
        .map(|side| first + (side << 40))
        .map(|seed| std::thread::spawn(move || drive(seed, end)))
        .collect();
    let (mut kills, mut runs, mut hosts) = (0, 0, 0);
    for thread in threads {
        let tally = thread.join().expect("the drive found a fault");
        let count: usize = tally.kills.values().sum();
        println!("{} runs, {count} kills: {:?}", tally.runs, tally.kills);
        println!("exits {:?}; compared {:?}", tally.verdicts, tally.compared);
        kills += count;
        runs += tally.runs;
        hosts += tally.compared.hosts;
    }
    println!("{kills} kills in {seconds} s: nothing begun twice, nothing lost, no false success");
    figures::print(
        "crash drive over real OpenSSH, SIGKILL, 4 hosts: lost ends, double starts, false success",
        format!("0 in {kills} kills of {runs} runs"),
        Some(first),
    );
    figures::print(
        "left behind by the drive on hosts that owe nothing: files, locks",
        format!("0 on {hosts} hosts"),
        Some(first),
    );
    assert!(kills > 0, "nothing was killed");
}

/// A fleet with the storm's steps on its hosts, nothing wrong with any.
pub fn calm(policy: &str) -> Fleet {
    let fleet = Fleet::start(HOSTS, "0");
    for sshd in fleet.hosts.values() {
        std::fs::write(sshd.home().join("steps"), include_str!("steps.sh")).unwrap();
    }
    refresh(&fleet, policy, "0");
    fleet
}

fn drive(seed: u64, end: Instant) -> Tally {
    let fleet = calm("hold");
    let mut tally = Tally::default();
    for seed in seed.. {
        if Instant::now() > end {
            break;
        }
        one_run(&fleet, seed, &mut tally);
    }
    tally
}

/// One run from its start to its rest, through as many deaths as come.
fn one_run(fleet: &Fleet, seed: u64, tally: &mut Tally) {
    let mut dice = Dice::of(seed);
    let policy = dice.pick(&["rollback_host", "rollback_run", "hold"]);
    prepare(fleet, policy, &mut dice);
    let mut args = vec!["run", "runbooks/storm.yml", "--yes"];
    let mut deaths = Vec::new();
    let may_die = 1 + dice.below(KILLS_OF_A_RUN);
    let back_from = (dice.below(4) == 0).then(|| dice.below(may_die));
    let mut went_back = false;
    let code = loop {
        let death = (deaths.len() as u64) < may_die;
        let death = death.then(|| Death::draw(&mut dice));
        let (status, name) = process(fleet, &args, death.as_ref());
        let context = || format!("seed {seed}, {policy}, after {deaths:?}: {}", said(fleet));
        if let Some(mut code) = status.code() {
            // It died when it was done, and somebody wished to go back: too late, and that touches nothing.
            if went_back && code == 6 && is_done(fleet) {
                code = 0;
            }
            if args[0] == "resume" || code != 0 || death.is_none() {
                assert!(matches!(code, 0 | 1 | 3 | 4), "exit {code}; {}", context());
            }
            break code;
        }
        assert_eq!(status.signal(), Some(9), "{}", context());
        *tally.kills.entry(name.clone()).or_default() += 1;
        deaths.push(name);
        // Before it has begun there is nothing to resume.
        if !fleet.path(".pitstop/runs").is_dir() || !has_begun(fleet) {
            forget(fleet);
            continue;
        }
        args = vec!["resume", "last"];
        if back_from.is_some_and(|from| deaths.len() as u64 > from) {
            args.push("--rollback");
            went_back = true;
        }
    };
    tally.runs += 1;
    *tally.verdicts.entry(code).or_default() += 1;
    let context = format!("seed {seed}, {policy}, back: {went_back}, deaths {deaths:?}");
    let compared = books::compare(fleet, code, went_back).unwrap_or_else(|fault| {
        // The fault comes last too: of a long failure a reader of CI often sees the end alone.
        let journal = std::fs::read_to_string(fleet.journal()).unwrap_or_default();
        let said = said(fleet);
        panic!("{context}\n{fault}\n{said}\nthe journal:\n{journal}\n{context}\n{fault}")
    });
    tally.compared += compared;
    let verified = fleet.run(&["verify", "last"]);
    assert_eq!(verified.status.code(), Some(0), "{context}: {}", words(&verified));
    forget(fleet);
}

/// Hosts as new, and the runbook under this policy.
pub fn refresh(fleet: &Fleet, policy: &str, pause: &str) {
    let max_fail = if policy == "hold" { "0" } else { "2" };
    let text = include_str!("storm.yml").replace("POLICY", policy);
    fleet.file("runbooks/storm.yml", &text.replace("MAX_FAIL", max_fail));
    for sshd in fleet.hosts.values() {
        for file in std::fs::read_dir(sshd.home()).unwrap().flatten() {
            if file.file_type().unwrap().is_file() && file.file_name() != "steps" {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        std::fs::write(sshd.home().join("pause"), pause).unwrap();
    }
}

/// Hosts as new, with random faults.
fn prepare(fleet: &Fleet, policy: &str, dice: &mut Dice) {
    refresh(fleet, policy, dice.pick(&["0", "0.02", "0.1"]));
    for (n, name) in fleet.hosts.keys().enumerate() {
        // A canary that fails ends most runs early: it seldom does.
        let odds = if n == 0 { 12 } else { 3 };
        if dice.below(odds) == 0 {
            let fault = dice.pick(&FAULTS);
            fleet.mark(name, fault);
            if dice.below(6) == 0 {
                let fault = dice.pick(&FAULTS_BACK);
                fleet.mark(name, fault);
            }
        }
    }
}

fn has_begun(fleet: &Fleet) -> bool {
    std::fs::read_dir(fleet.path(".pitstop/runs"))
        .unwrap()
        .flatten()
        .any(|e| !records(&e.path().join("journal.jsonl")).is_empty())
}

/// True if the last that the run says is that all is done.
fn is_done(fleet: &Fleet) -> bool {
    let last = records(&fleet.journal()).pop().unwrap_or_default();
    last["event"]["type"] == "ended" && last["event"]["exit"] == 0
}

/// The state directory and the locks of hosts that were held: the next run finds the fleet as new.
pub fn forget(fleet: &Fleet) {
    fleet.release_locks();
    let _ = std::fs::remove_dir_all(fleet.path(".pitstop"));
    for sshd in fleet.hosts.values() {
        let _ = std::fs::remove_dir_all(sshd.home().join(".pitstop"));
    }
}

/// A script with namespaces of its own; as root these need no more rights than the tests have.
pub fn apart(fleet: &Fleet, namespaces: &[&str], script: &str) -> Output {
    let mut command = fleet.program("unshare");
    command.args(namespaces).args(["sh", "-euc", script]);
    command.output().unwrap()
}

fn said(fleet: &Fleet) -> String {
    std::fs::read_to_string(fleet.path("words")).unwrap_or_default()
}

/// Runs one process to its end or its death, and says what killed it.
fn process(fleet: &Fleet, args: &[&str], death: Option<&Death>) -> (ExitStatus, String) {
    let orders = match death {
        Some(Death::At(orders)) => vec![("PITSTOP_CRASH_AT", orders.as_str())],
        _ => Vec::new(),
    };
    let mut child = fleet.spawn_with(args, "words", &orders);
    let began = Instant::now();
    let until = match death {
        Some(Death::After(pause)) => *pause,
        _ => LIMIT,
    };
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let words = said(fleet);
            let by = words.lines().rev().find_map(|line| line.strip_prefix("killed: "));
            // Another thread's line may have come between the two words.
            let known = |by: &&str| Moment::ALL.iter().any(|(name, _)| name == by);
            let by = by.map_or("", |by| Some(by).filter(known).unwrap_or("at a moment"));
            return (status, by.to_owned());
        }
        if began.elapsed() > until {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let late = !matches!(death, Some(Death::After(_)));
    let status = end(&mut child);
    assert!(!late, "{args:?} was still running after {LIMIT:?}: {}", said(fleet));
    (status, "at an instant".to_owned())
}

fn end(child: &mut Child) -> ExitStatus {
    child.kill().unwrap();
    child.wait().unwrap()
}

#[test]
fn control_without_the_latch_the_drive_finds_a_change_that_began_twice() {
    found_by_the_drive("latch", "began");
}

#[test]
fn control_with_the_undo_order_reversed_the_drive_finds_it() {
    found_by_the_drive("undo-order", "ORDER");
}

/// The drive without a protection, until its books say so.
fn found_by_the_drive(without: &'static str, word: &str) {
    let mut fleet = calm("hold");
    fleet.without = without;
    let (first, end) = (figures::seed(), Instant::now() + LIMIT);
    let mut tally = Tally::default();
    for seed in first.. {
        assert!(
            Instant::now() < end,
            "without {without} {} runs from seed {first} found nothing: the drive proves nothing",
            tally.runs
        );
        let run = std::panic::AssertUnwindSafe(|| one_run(&fleet, seed, &mut tally));
        let Err(fault) = std::panic::catch_unwind(run) else {
            continue;
        };
        let said = fault.downcast_ref::<String>().cloned().unwrap_or_default();
        if said.lines().take(12).any(|line| line.contains(word)) {
            println!("without {without}: found in run {} (seed {seed})", tally.runs);
            return;
        }
        forget(&fleet);
    }
}

/// What the books are worth: each planted fault is found.
#[test]
fn control_the_books_find_what_is_planted() {
    let fleet = calm("rollback_host");
    let (status, _) = process(&fleet, &["run", "runbooks/storm.yml", "--yes"], None);
    assert_eq!(status.code(), Some(0), "{}", said(&fleet));
    books::compare(&fleet, 0, false).unwrap();
    let effects = fleet.hosts["h02"].home().join("effects");
    let noted = std::fs::read_to_string(&effects).unwrap();
    let first = noted.lines().next().unwrap();
    let (key, _) = first.rsplit_once(' ').unwrap();
    let again = format!("{}2", key.strip_suffix('1').unwrap());
    let planted = [
        ("begun twice", format!("{noted}{first}\n")),
        (
            "begun again as another attempt",
            format!("{noted}{again} begin\n{again} end\n"),
        ),
        ("an end that is lost", noted.replace(&format!("{key} end\n"), "")),
        (
            "a failure that was called ok",
            noted.replace(&format!("{key} end"), &format!("{key} failed")),
        ),
        ("a change under traffic", format!("{noted}{key} LIVE\n")),
    ];
    for (what, text) in planted {
        assert_ne!(text, noted, "{what}");
        std::fs::write(&effects, text).unwrap();
        assert!(books::compare(&fleet, 0, false).is_err(), "not found: {what}");
    }
    std::fs::write(&effects, noted).unwrap();
    books::compare(&fleet, 0, false).unwrap();
    fleet.mark("h03", "out");
    assert!(
        books::compare(&fleet, 0, false).is_err(),
        "not found: a host left out of service"
    );
}
