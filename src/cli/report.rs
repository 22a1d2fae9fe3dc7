//! `pitstop report`: the record of a run, in a format.
//!
//! Owns: where the record comes from and where the view goes. Must not: make views.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::report::record::{ChangeRecord, SCHEMA};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::stored::{Stored, scanned_before};
use super::views::{self, Format};

/// Longest record that is read, in bytes.
const MAX_RECORD: u64 = 512 * 1024 * 1024;

/// Write the report of a run, from its journal or from a stored record
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop report last -o report.html
  pitstop report last --format md
  pitstop report last --format updates-csv > missing.csv
  pitstop report record.json --format junit > junit.xml")]
pub struct Args {
    /// The run (the beginning of its id, or `last`), its folder, or a record.json
    #[arg(value_name = "RUN|RECORD", default_value = "last")]
    run: String,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    format: Format,
    /// Write it to this file instead of stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Does it.
pub fn report(args: &Args, console: &Console) -> Result<u8, Problem> {
    let record = record(&args.run, console)?;
    let text = views::view(&record, args.format)?;
    match &args.out {
        Some(file) => {
            disk::write_atomic(file, text.as_bytes())?;
            console.screen.note(&format!("The report is in {}.", file.display()));
        }
        None => console.screen.data(&text),
    }
    Ok(exit::GOOD)
}

fn record(text: &str, console: &Console) -> Result<ChangeRecord, Problem> {
    let path = Path::new(text);
    if !path.is_file() {
        let stored = Stored::find(console, text)?;
        if let Some(damage) = stored.damage() {
            console.screen.say(&format!("warning: {damage}"));
        }
        let mut record = stored.record();
        let (run, inventory) = (stored.id(), stored.plan.inventory.clone());
        // Only one run lies in memory at a time.
        drop(stored);
        record.carry_since(scanned_before(console, &inventory, &run));
        return Ok(record);
    }
    let bytes = disk::read(path, MAX_RECORD).map_err(|f| Problem::wrong(f.to_string(), f.help.clone()))?;
    let help = "name a run, or the record.json of its report";
    let record: ChangeRecord =
        serde_json::from_slice(&bytes).map_err(|e| Problem::wrong(format!("{text} is no record: {e}"), help))?;
    if record.schema != SCHEMA {
        return Err(Problem::wrong(
            format!("{text} is a record of another version ({})", record.schema),
            "read it with the pitstop that wrote it",
        ));
    }
    Ok(record)
}
