//! `pitstop report`: the record of a run, in a format.
//!
//! Owns: where the record comes from and where the view goes. Must not: make views.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::report::record::{ChangeRecord, SCHEMA};
use crate::text;

use super::console::Console;
use super::exit;
use super::former;
use super::problem::Problem;
use super::stored::{Standing, Stored};
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
  pitstop report last --format objectives-csv > rto.csv
  pitstop report last --review review.yml -o drill.html
  pitstop report last --format evidence-csv > evidence.csv
  pitstop report last --format rows-csv --step collect/services > services.csv
  pitstop report record.json --format junit > junit.xml")]
pub struct Args {
    /// The run (the beginning of its id, or `last`), its folder, or a record.json
    #[arg(value_name = "RUN|RECORD", default_value = "last")]
    run: String,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    format: Format,
    /// Keep what people found, learnt and concluded (a YAML file) with the run; its reports show it
    #[arg(long, value_name = "FILE")]
    review: Option<PathBuf>,
    /// Of rows-csv and rows-json: the step whose objects are wanted, as STEP or PHASE/STEP (not needed where only one gave some)
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Write it to this file instead of stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Does it.
pub fn report(args: &Args, console: &Console) -> Result<u8, Problem> {
    let of_rows = matches!(args.format, Format::RowsCsv | Format::RowsJson);
    if args.step.is_some() && !of_rows {
        return Err(Problem::wrong(
            "--step chooses the step of a table, and this format has all steps",
            "write --format rows-csv or --format rows-json",
        ));
    }
    let record = record(args, console)?;
    let (text, lacking) = match of_rows {
        true => views::rows(&record, args.step.as_deref(), args.format)?,
        false => (views::view(&record, args.format)?, Vec::new()),
    };
    match &args.out {
        Some(file) => {
            disk::write_atomic(file, text.as_bytes())?;
            console.screen.note(&format!("The report is in {}.", file.display()));
        }
        None => console.screen.data(&text),
    }
    for host in &lacking {
        let word = if host.left_out { "left out" } else { "missing" };
        let (name, why) = (text::terminal_line(&host.host), text::terminal_line(&host.why));
        console
            .screen
            .say(&format!("{word}: {name} is not in the table: {why}"));
    }
    match lacking.iter().all(|host| host.left_out) {
        true => Ok(exit::GOOD),
        false => Ok(exit::PERSON),
    }
}

fn record(args: &Args, console: &Console) -> Result<ChangeRecord, Problem> {
    let text = args.run.as_str();
    let path = Path::new(text);
    if !path.is_file() {
        let stored = Stored::find(console, text)?;
        if let Some(damage) = stored.damage() {
            console.screen.say(&format!("warning: {damage}"));
        }
        let Some(review) = &args.review else {
            return Ok(former::whole(stored, console));
        };
        former::keep(&stored, review)?;
        // A run under way writes its reports when it ends.
        let folder = (!matches!(stored.standing(), Standing::Running(_))).then(|| stored.folder.clone());
        let name = stored.name(console);
        let record = former::whole(stored, console);
        if let Some(folder) = folder {
            views::write_all(&folder, &record)?;
        }
        console.screen.note(&format!("The review is kept with the run {name}."));
        return Ok(record);
    }
    if args.review.is_some() {
        return Err(Problem::wrong(
            format!("{text} is a record: a review is kept with a run"),
            "name the run: pitstop report RUN --review FILE",
        ));
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
