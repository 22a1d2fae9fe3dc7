//! P5 in many rounds: several executors begin at once, and one of them acts.
//!
//! A round is two controllers on the same hosts, or two processes on one interrupted run with a second controller beside them. The
//! step waits for a file, so whoever won is still at work when the others have lost; then the file comes.
//!
//! It goes on for `PITSTOP_ROUND_SECONDS` (20), or for `PITSTOP_ROUNDS` rounds. `PITSTOP_SEED=N` begins with N.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::figures;
use crate::fleet::{Fleet, Project, code, kill, records};
use crate::refused::slow;

const HOSTS: usize = 2;

/// One that would act: its name, its process, where its words are.
struct Contender {
    name: &'static str,
    child: Child,
    words: std::path::PathBuf,
}

impl Contender {
    fn start(name: &'static str, mut command: Command, words: std::path::PathBuf) -> Self {
        let file = std::fs::File::create(&words).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { name, child, words }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }
}

struct Arena {
    fleet: Fleet,
    other: Project,
}

impl Arena {
    fn new(operator: &str) -> Self {
        let fleet = Fleet::start(HOSTS, "0");
        let other = Project::beside(&fleet, operator);
        fleet.file("runbooks/slow.yml", &slow("select: \"group=web\""));
        other.file("runbooks/slow.yml", &slow("select: \"group=web\""));
        Self { fleet, other }
    }

    /// One round. `Err` says what should not be.
    fn round(&self, dice: &mut Dice) -> Result<&'static str, String> {
        let run = ["run", "runbooks/slow.yml", "--yes"];
        let ours = |name, args: &[&str]| {
            let words = self.fleet.path(&format!("words-{name}"));
            Contender::start(name, self.fleet.pitstop(args), words)
        };
        let theirs = || Contender::start("other", self.other.pitstop(&run), self.other.path("words"));
        let kind = dice.pick(&["two controllers", "two processes on one run", "both"]);
        let mut contenders = Vec::new();
        let before = if kind == "two controllers" {
            contenders.push(ours("first", &run));
            pause(dice);
            contenders.push(theirs());
            0
        } else {
            // A run that was killed at its step, which goes on without it.
            let mut dead = ours("dead", &run);
            self.fleet
                .until("the run that will be killed is at work", || self.begun() == HOSTS);
            kill(&mut dead.child);
            contenders.push(ours("first", &["resume", "last"]));
            pause(dice);
            contenders.push(ours("second", &["resume", "last"]));
            if kind == "both" {
                pause(dice);
                contenders.push(theirs());
            }
            HOSTS
        };
        let winner = self.one_stays(&mut contenders)?;
        self.fleet.until("the winner is at work, or has lost", || {
            self.begun() >= HOSTS || winner.child.try_wait().unwrap().is_some()
        });
        if let Some(status) = winner.child.try_wait().unwrap() {
            return Err(format!(
                "{kind}: nobody won: {}, the last, ended with {status}: {}",
                winner.name,
                winner.said()
            ));
        }
        let acts = self.begun() - before;
        if kind != "two controllers" && acts != 0 {
            return Err(format!("{acts} steps began again under {}", winner.name));
        }
        for host in self.fleet.hosts.keys() {
            self.fleet.mark(host, "go");
        }
        self.ends_well(winner)?;
        self.books()?;
        self.forget();
        Ok(kind)
    }

    /// Steps that have begun on the hosts.
    fn begun(&self) -> usize {
        let hosts = self.fleet.hosts.keys();
        hosts.flat_map(|h| self.fleet.effects(h)).filter(|e| !e.end).count()
    }

    /// All but one lose: with 6, each naming somebody who holds what it wanted.
    fn one_stays<'c>(&self, contenders: &'c mut Vec<Contender>) -> Result<&'c mut Contender, String> {
        let mut losers = 0;
        let end = Instant::now() + Duration::from_secs(60);
        while contenders.len() > 1 {
            if Instant::now() > end {
                let said: Vec<String> = contenders.iter().map(Contender::said).collect();
                return Err(format!("{} still act after a minute: {said:#?}", contenders.len()));
            }
            let mut still = Vec::new();
            for mut contender in contenders.drain(..) {
                let Some(status) = contender.child.try_wait().unwrap() else {
                    still.push(contender);
                    continue;
                };
                let said = contender.said();
                if status.code() != Some(6) {
                    return Err(format!("{} ended with {status}: {said}", contender.name));
                }
                if !(said.contains("olga") || said.contains("otto") || said.contains("process ")) {
                    return Err(format!("{} does not name who holds it: {said}", contender.name));
                }
                losers += 1;
            }
            *contenders = still;
            std::thread::sleep(Duration::from_millis(2));
        }
        contenders
            .first_mut()
            .ok_or_else(|| format!("nobody won: all {losers} lost"))
    }

    fn ends_well(&self, winner: &mut Contender) -> Result<(), String> {
        let status = winner.child.wait().unwrap();
        if code(status) == 0 {
            return Ok(());
        }
        Err(format!(
            "the winner, {}, ended with {status}: {}",
            winner.name,
            winner.said()
        ))
    }

    /// Each host saw one step begin and end, and nothing of ours is left on it.
    fn books(&self) -> Result<(), String> {
        for host in self.fleet.hosts.keys() {
            let effects = self.fleet.effects(host);
            let (ends, begins): (Vec<_>, Vec<_>) = effects.iter().partition(|e| e.end);
            if begins.len() != 1 || ends.len() != 1 {
                return Err(format!("{host} saw {effects:?}"));
            }
            if !self.fleet.left_on(host).is_empty() {
                return Err(format!("left on {host}: {:?}", self.fleet.left_on(host)));
            }
        }
        if !self.fleet.locks().is_empty() {
            return Err(format!("locks are left: {:?}", self.fleet.locks()));
        }
        let runs = std::fs::read_dir(self.other.path(".pitstop/runs"))
            .into_iter()
            .flatten()
            .flatten();
        let begun = runs.filter(|run| !records(&run.path().join("journal.jsonl")).is_empty());
        let ours = self.fleet.tells(|e| e["type"] == "ended");
        let theirs = begun.count();
        if theirs + usize::from(ours) != 1 {
            return Err(format!("{theirs} runs of the other controller, and ours ended: {ours}"));
        }
        Ok(())
    }

    fn forget(&self) {
        for state in [self.fleet.path(".pitstop"), self.other.path(".pitstop")] {
            let _ = std::fs::remove_dir_all(state);
        }
        for sshd in self.fleet.hosts.values() {
            for file in ["go", "effects"] {
                std::fs::remove_file(sshd.home().join(file)).unwrap();
            }
        }
    }
}

/// Up to 40 ms: where the second meets the first is to be anywhere.
fn pause(dice: &mut Dice) {
    std::thread::sleep(Duration::from_micros(dice.below(40_000)));
}

#[test]
fn p5_whoever_begins_at_the_same_time_one_of_them_acts() {
    let told = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let rounds = told("PITSTOP_ROUNDS").map(|n| n.div_ceil(2));
    let seconds = told("PITSTOP_ROUND_SECONDS").unwrap_or(20);
    let first = figures::seed();
    println!("seeds from {first} (PITSTOP_SEED={first} begins there)");
    let end = Instant::now() + Duration::from_secs(seconds);
    let threads: Vec<_> = [("otto1", first), ("otto2", first + (1 << 40))]
        .into_iter()
        .map(|(operator, first)| {
            std::thread::spawn(move || {
                let arena = Arena::new(operator);
                let mut done = 0_u64;
                for seed in first.. {
                    if rounds.map_or_else(|| Instant::now() > end, |rounds| done >= rounds) {
                        break;
                    }
                    let round = arena.round(&mut Dice::of(seed));
                    round.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
                    done += 1;
                }
                done
            })
        })
        .collect();
    let rounds: u64 = threads.into_iter().map(|t| t.join().expect("a round went wrong")).sum();
    figures::print(
        "two executors, two controllers: rounds without exactly one winner",
        format!("0 in {rounds} rounds"),
        Some(first),
    );
    assert!(rounds > 0, "not one round");
}
