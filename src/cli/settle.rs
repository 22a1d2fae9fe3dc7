//! `pitstop settle`: a person's word on what could not be learnt, or was put right by hand.
//!
//! Owns: which slots and obligations can be settled, and their names. Must not: connect to a host.

use clap::ValueEnum;
use jiff::Timestamp;

use crate::diag::nearest;
use crate::id::HostName;
use crate::journal::Journal;
use crate::run::event::{Event, Outcome, Slot};
use crate::run::{Run, SlotRun, ledger};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::stored::Stored;

/// Say how an unknown or failed step ended, or that an obligation was put right by hand
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop settle last web1/upgrade ok --reason \"looked: 2.4 is installed\"
  pitstop settle last web1/upgrade rerun --reason \"killed by the OOM killer, safe to repeat\"
  pitstop settle last undrain:web/web1 done --reason \"put back into the balancer by hand\"

It is written into the journal with your name; `pitstop resume RUN` goes on.")]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// HOST/STEP (HOST/PHASE/STEP where that is not clear), or an obligation of `pitstop owed`
    #[arg(value_name = "HOST/STEP|OBLIGATION")]
    what: String,
    /// Your word
    #[arg(value_name = "WORD")]
    word: Word,
    /// Why: it is in the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// What a person can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// The step did what it should
    Ok,
    /// It did not
    Failed,
    /// Run it once more
    Rerun,
    /// Leave it out; the host ends warned at best
    Skip,
    /// The obligation is met
    Done,
}

impl Word {
    fn verdict(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Rerun => "rerun",
            Self::Skip => "skip",
            Self::Done => "done",
        }
    }
}

/// Something that can be settled.
struct Candidate {
    phase: String,
    host: HostName,
    slot: Slot,
    outcome: &'static str,
    order: u64,
}

impl Candidate {
    /// The ways to name it, shortest first.
    fn names(&self) -> [String; 3] {
        let (host, phase, step) = (&self.host, &self.phase, &self.slot.step);
        let nth = if self.slot.nth > 0 {
            format!("#{}", self.slot.nth + 1)
        } else {
            String::new()
        };
        let stage = self.slot.stage.as_str();
        [
            format!("{host}/{step}{nth}"),
            format!("{host}/{phase}/{step}{nth}"),
            format!("{host}/{phase}/{stage}/{step}{nth}"),
        ]
    }
}

/// Does it.
pub fn settle(args: &Args, console: &Console) -> Result<u8, Problem> {
    if args.reason.trim().is_empty() {
        return Err(Problem::wrong("a word needs a reason", "write --reason \"why\""));
    }
    let stored = Stored::find(console, &args.run)?;
    let name = stored.name(console);
    let now = Timestamp::now();
    // With the lock: what is judged is what is written after.
    let opened = Journal::open(stored.folder.path(), now)?;
    if let Some(place) = &opened.set_aside {
        console
            .screen
            .say(&format!("warning: a torn last record lies in {} now", place.display()));
    }
    let run = Run::fold(&opened.read.facts);
    let by = console.operator();
    let event = if args.word == Word::Done {
        forgiven(args, &stored, &run, by)?
    } else {
        decided(args, &run, by)?
    };
    opened.journal.append(now, &event).wait()?;
    let screen = &console.screen;
    screen.say(&format!(
        "{} is settled: {} ({})",
        args.what,
        args.word.verdict(),
        args.reason
    ));
    screen.note(&format!("next: pitstop resume {name}"));
    Ok(exit::GOOD)
}

fn forgiven(args: &Args, stored: &Stored, run: &Run, by: String) -> Result<Event, Problem> {
    let owed = ledger::obligations(&stored.plan, run);
    if owed.iter().any(|o| o.id == args.what) {
        return Ok(Event::Forgiven {
            obligation: args.what.clone(),
            reason: args.reason.clone(),
            by,
        });
    }
    let ids: Vec<&str> = owed.iter().map(|o| o.id.as_str()).collect();
    Err(not_found("owes", &args.what, &ids))
}

fn decided(args: &Args, run: &Run, by: String) -> Result<Event, Problem> {
    let all = candidates(run);
    let mut fitting: Vec<&Candidate> = all.iter().filter(|c| c.names().contains(&args.what)).collect();
    // Of several passes of one step the newest is meant.
    fitting.sort_by_key(|c| std::cmp::Reverse(c.order));
    fitting.dedup_by(|a, b| {
        a.phase == b.phase && a.slot.stage == b.slot.stage && a.host == b.host && a.slot.nth == b.slot.nth
    });
    match fitting.as_slice() {
        [one] => Ok(Event::Decided {
            phase: one.phase.clone(),
            host: one.host.clone(),
            slot: one.slot.clone(),
            verdict: args.word.verdict().to_owned(),
            reason: args.reason.clone(),
            by,
        }),
        [] => {
            let names: Vec<String> = all.iter().map(|c| c.names()[0].clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut problem = not_found("can settle", &args.what, &names);
            for c in &all {
                problem = problem.also(format!(
                    "  {}  ({} in {})",
                    c.names()[0],
                    c.outcome,
                    c.slot.stage.as_str()
                ));
            }
            Err(problem)
        }
        several => {
            let mut problem = Problem::wrong(format!("`{}` may mean several steps", args.what), "write one of these:");
            for c in several {
                problem = problem.also(format!("  {}", c.names()[2]));
            }
            Err(problem)
        }
    }
}

fn not_found(verb: &str, what: &str, names: &[&str]) -> Problem {
    let help = match (nearest(what, names.iter().copied()), names) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "there is nothing of the kind; see `pitstop status RUN`".to_owned(),
        (None, names) => format!("it {verb}: {}", names.join(", ")),
    };
    Problem::wrong(format!("the run has no `{what}` that can be settled so"), help)
}

/// Steps of hosts whose end is unknown or bad.
fn candidates(run: &Run) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (phase, pr) in &run.phases {
        for (host, line) in &pr.lines {
            for (slot, state) in &line.slots {
                if let Some(outcome) = unsettled(state) {
                    found.push(Candidate {
                        phase: phase.clone(),
                        host: host.clone(),
                        slot: slot.clone(),
                        outcome,
                        order: state.order,
                    });
                }
            }
        }
    }
    found
}

fn unsettled(slot: &SlotRun) -> Option<&'static str> {
    if slot.open.is_some() {
        return slot.changes.then_some("cut off");
    }
    match slot.end.as_ref()?.outcome {
        Outcome::Ok | Outcome::Skipped => None,
        other => Some(other.as_str()),
    }
}
