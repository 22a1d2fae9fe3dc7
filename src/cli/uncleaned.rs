//! A drill or restore test that was not cleaned up: the next one on its hosts does not start.
//!
//! Owns: which former runs stand in the way of a plan, and how that is said. Must not: clean or settle anything, or count what the end
//! of a process gives back by itself.

use crate::id::HostName;
use crate::journal::store::{RunFolder, Store};
use crate::plan::page::count;
use crate::plan::{Kind, Plan};
use crate::run::ledger::Owed;

use super::console::Console;
use super::owed;
use super::problem::Problem;
use super::run::lock_name;
use super::stored::{Standing, Stored, read_plan};

/// The code of this refusal.
pub const CODE: &str = "PS0760";

/// A former run in the way.
pub struct InTheWay {
    /// A sentence: which run, and what of it.
    pub what: String,
    /// What it owes, a line each.
    pub owes: Vec<String>,
    /// Commands, with what they do.
    pub ways: Vec<String>,
}

/// Former runs of the same kind that work on a host of this plan, or are of its runbook and inventory, and still owe work. Oldest first.
/// One whose journal cannot be read may owe anything.
pub fn in_the_way(plan: &Plan, store: &Store, console: &Console) -> Vec<InTheWay> {
    if !matches!(plan.kind, Kind::DrDrill | Kind::RestoreTest) {
        return Vec::new();
    }
    let runs = store.runs().unwrap_or_default();
    let looked = runs.iter().filter_map(|id| {
        let folder = store.folder(id);
        let then = read_plan(&folder).ok().filter(|then| meets(plan, then))?;
        let begun = folder.path().join(crate::journal::JOURNAL).exists();
        let kind = kind_words(then.kind);
        match Stored::open(folder.clone()) {
            Ok(stored) if stored.damage().is_none() => of(&stored, kind, console),
            _ if begun => Some(unreadable(&then, kind, &folder)),
            _ => None,
        }
    });
    looked.collect()
}

/// Such a run is a refusal.
///
/// # Errors
/// When there is one.
pub fn refuse(plan: &Plan, store: &Store, console: &Console) -> Result<(), Problem> {
    let all = in_the_way(plan, store, console);
    let Some(first) = all.first() else { return Ok(()) };
    let mut problem = Problem::refused(&first.what, "").coded(CODE);
    for line in first.owes.iter().chain(&first.ways) {
        problem = problem.also(line.trim_start());
    }
    for other in all.iter().skip(1) {
        problem = problem.also(format!("and {}", other.what));
    }
    Err(problem)
}

/// True if a run of `then` could have left something in the way of `now`.
fn meets(now: &Plan, then: &Plan) -> bool {
    if now.kind != then.kind {
        return false;
    }
    let hosts = now.worked_hosts();
    lock_name(now) == lock_name(then) || then.worked_hosts().iter().any(|host| hosts.contains(host))
}

/// What follows a damaged record may be anything.
fn unreadable(then: &Plan, kind: &str, folder: &RunFolder) -> InTheWay {
    let path = folder.path().display();
    let id = folder.id().as_ref().map(ToString::to_string).unwrap_or_default();
    InTheWay {
        what: format!(
            "the journal of the {kind} {id} ({}) cannot be read to its end, so it may owe anything",
            then.runbook
        ),
        owes: Vec::new(),
        ways: vec![
            format!("pitstop verify {id}   # says what is wrong with it"),
            format!(
                "look at its hosts ({}), put right what it left there, then put its folder elsewhere: {path}",
                names(then.worked_hosts().into_iter())
            ),
        ],
    }
}

fn of(stored: &Stored, kind: &str, console: &Console) -> Option<InTheWay> {
    let mut owed = stored.owed();
    owed.retain(|o| !o.kind.is_ours() && o.kind != Owed::Silence);
    if owed.is_empty() {
        return None;
    }
    let (name, mode) = (stored.name(console), stored.plan.mode.as_deref());
    let mode = mode.map(|m| format!(", mode {m}")).unwrap_or_default();
    let on = names(owed.iter().filter_map(|o| o.host.as_ref()));
    let on = if on.is_empty() { on } else { format!(" on {on}") };
    let at_work = matches!(stored.standing(), Standing::Running(_));
    let what = match at_work {
        true => format!("the {kind} {name} ({}{mode}) is at work{on}", stored.plan.runbook),
        false => format!(
            "the {kind} {name} ({}{mode}) is not cleaned up: it owes {}{on}",
            stored.plan.runbook,
            count(owed.len(), "thing", "things")
        ),
    };
    let mut ways = Vec::new();
    if at_work {
        ways.push(format!("wait for it: pitstop status {name}"));
    } else {
        ways.extend(
            stored
                .next(&name)
                .into_iter()
                .map(|(command, does)| format!("{command}   # {does}")),
        );
        let clean = format!("pitstop owed --clean {name}");
        if !ways.iter().any(|way| way.starts_with(&clean)) {
            ways.push(format!(
                "{clean}   # goes no further: runs the cleanup, takes nothing back"
            ));
        }
        // One that failed is not tried again before somebody says that it may.
        let failed = owed.iter().find(|o| o.kind == Owed::Cleanup);
        if let Some((host, step)) = failed.and_then(|o| Some((o.host.as_ref()?, o.id.rsplit('/').next()?))) {
            ways.push(format!(
                "pitstop settle {name} {host}/{step} rerun --reason WHY   # where that cleanup failed: then it is tried again"
            ));
        }
        if let Some(first) = owed.first() {
            ways.push(format!(
                "pitstop settle {name} {} done --reason WHY   # it was put right by hand",
                first.id
            ));
        }
    }
    Some(InTheWay {
        what,
        owes: owed::lines(&owed),
        ways,
    })
}

fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::RestoreTest => "restore test",
        _ => "drill",
    }
}

/// Each once, in order.
fn names<'h>(hosts: impl Iterator<Item = &'h HostName>) -> String {
    let mut names: Vec<&str> = hosts.map(HostName::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
