//! What lies beside a run and goes into its record: what former runs came to, and what people wrote about it.
//!
//! Owns: looking through the state directory for both, keeping a review. Must not: change a journal.

use std::path::Path;

use crate::diag::Diagnostics;
use crate::disk;
use crate::id::Digest;
use crate::journal::store::RunFolder;
use crate::plan::{Kind, Plan};
use crate::report::record::{ChangeRecord, FormerFacts, Reviewed, facts};
use crate::runbook::reviewfile::{self, Review};
use crate::runbook::yaml;

use super::console::Console;
use super::problem::Problem;
use super::stored::{Stored, ids_before, read_plan, scanned_before};

/// So many former runs are looked at.
const LOOKED_AT: usize = 50;
/// Longest review that is read.
const MOST_BYTES: u64 = 1 << 20;
/// Where reviews lie in a run's folder: each that was ever given, the newest under the highest number.
const REVIEWS: &str = "reviews";

/// The record of a run with all that is known beside its journal.
pub fn whole(stored: Stored, console: &Console) -> ChangeRecord {
    let mut record = stored.record();
    let (run, folder) = (stored.id(), stored.folder.clone());
    let (inventory, runbook) = (stored.plan.inventory.clone(), stored.plan.runbook.clone());
    let looks_back = looks_back(&stored.plan);
    // Only one run lies in memory at a time.
    drop(stored);
    record.carry_since(scanned_before(console, &inventory, &run));
    if looks_back {
        record.carry_history(runs_before(console, &runbook, &inventory, &run));
    }
    record.review = newest(&folder);
    record
}

/// True for a run whose record tells of former ones.
fn looks_back(plan: &Plan) -> bool {
    !plan.objectives.is_empty() || matches!(plan.kind, Kind::RestoreTest | Kind::DrDrill)
}

/// What the runs of the same runbook and inventory before this one tell, newest first, each read when its turn comes. What cannot be
/// read is left out.
fn runs_before(console: &Console, runbook: &str, inventory: &str, run: &str) -> impl Iterator<Item = FormerFacts> {
    let store = console.store().ok();
    let ids = ids_before(store.as_ref(), run);
    let (runbook, inventory) = (runbook.to_owned(), inventory.to_owned());
    ids.into_iter().rev().take(LOOKED_AT).filter_map(move |id| {
        let folder = store.as_ref()?.folder(&id);
        let plan = read_plan(&folder).ok()?;
        if plan.runbook != runbook || plan.inventory != inventory {
            return None;
        }
        let stored = Stored::open(folder).ok()?;
        let review = newest(&stored.folder);
        facts(id.as_str(), &stored.plan, &stored.run, &stored.read.facts, review)
    })
}

/// The names of the reviews in a run's folder, oldest first.
fn names(folder: &RunFolder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path().join(REVIEWS)).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yml") && name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    names.sort_unstable();
    names
}

/// The last review that was kept with a run; one that cannot be read is none.
fn newest(folder: &RunFolder) -> Option<Reviewed> {
    let name = names(folder).pop()?;
    let file = format!("{REVIEWS}/{name}");
    let bytes = disk::read(&folder.path().join(&file), MOST_BYTES).ok()?;
    let review = parse(&name, &bytes).ok()?;
    Some(Reviewed {
        sha256: Digest::of(&bytes),
        file,
        review,
    })
}

/// A review from its bytes.
fn parse(name: &str, bytes: &[u8]) -> Result<Review, Problem> {
    let mut diags = Diagnostics::new();
    let source = yaml::source(name, bytes, &mut diags);
    let review = source.and_then(|source| reviewfile::read(&source, &mut diags));
    match review {
        Some(review) if !diags.has_errors() => Ok(review),
        _ => Err(diags.into()),
    }
}

/// Keeps what people wrote with the run it is about. The journal is not touched; what was kept before stays beside it.
///
/// # Errors
/// When the file is wrong, is about another run, or cannot be kept.
pub fn keep(stored: &Stored, file: &Path) -> Result<(), Problem> {
    let shown = file.display().to_string();
    // It is of whoever wrote it, not one of ours.
    let bytes = read(file)
        .map_err(|e| Problem::wrong(format!("cannot read {shown}: {e}"), "name the YAML file of the review"))?;
    let review = parse(&shown, &bytes)?;
    let run = stored.id();
    if let Some(named) = review.run.as_ref().filter(|named| **named != run) {
        return Err(Problem::wrong(
            format!("{shown} is about the run {named}, not about {run}"),
            format!("name that run, or write `run: {run}`"),
        ));
    }
    let there = names(&stored.folder);
    if newest(&stored.folder).is_some_and(|last| last.sha256 == Digest::of(&bytes)) {
        return Ok(());
    }
    let number = there
        .last()
        .and_then(|name| name.get(..4)?.parse::<u32>().ok())
        .unwrap_or(0)
        + 1;
    let folder = stored.folder.path().join(REVIEWS);
    disk::make_dir(&folder)?;
    let name = format!("{number:04}-{}.yml", Digest::of(&bytes).short());
    disk::write_atomic(&folder.join(name), &bytes)?;
    Ok(())
}

/// A regular file, up to the size of all files that people write.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let meta = path.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if meta.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    std::fs::read(path).map_err(|e| e.to_string())
}
