//! Records and pages in the formats of `pitstop report` and `pitstop plan`.
//!
//! Owns: which function makes which format, the names of the files of a run's report. Must not: choose facts.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::disk;
use crate::journal::store::RunFolder;
use crate::plan::page::Page;
use crate::report;
use crate::report::record::ChangeRecord;
use crate::report::rows::{Lacking, NoTable};
use crate::text;

use super::problem::Problem;

/// `--format` of `pitstop report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One file with everything, for people.
    Html,
    /// For tickets and pull requests.
    Md,
    /// The record itself.
    Json,
    /// For CI.
    Junit,
    /// One row a host and step.
    Csv,
    /// One row a host and update that it lacks, as CSV.
    UpdatesCsv,
    /// One row an objective and run that measured it, as CSV.
    ObjectivesCsv,
    /// One row a piece of output or file that was kept, with its digest, as CSV.
    EvidenceCsv,
    /// One row an object that a step with `as: json` gave on a host, as CSV.
    RowsCsv,
    /// The same as a JSON list.
    RowsJson,
}

/// What lies in the `report/` of a run.
const FILES: [(&str, Format); 4] = [
    ("report.html", Format::Html),
    ("report.md", Format::Md),
    ("record.json", Format::Json),
    ("junit.xml", Format::Junit),
];

/// The record in a format.
///
/// # Errors
/// When the format cannot hold it.
pub fn view(record: &ChangeRecord, format: Format) -> Result<String, Problem> {
    Ok(match format {
        Format::Html => report::html::html(record),
        Format::Md => report::after::markdown(record),
        Format::Json => json_text(record)?,
        Format::Junit => report::junit::junit(record)
            .map_err(|e| Problem::fault(format!("the record has no JUnit form: {e}"), "please report this bug"))?,
        Format::Csv => report::csv::csv(record),
        Format::UpdatesCsv => report::missing::csv(record),
        Format::ObjectivesCsv => report::objectives::csv(record),
        Format::EvidenceCsv => report::kept::csv(record),
        Format::RowsCsv | Format::RowsJson => rows(record, None, format)?.0,
    })
}

/// What a step gave on every host, as a table in one of the two formats; and the hosts of which there is nothing in it.
///
/// # Errors
/// When no step, or more than one, is meant.
pub fn rows(record: &ChangeRecord, step: Option<&str>, format: Format) -> Result<(String, Vec<Lacking>), Problem> {
    let table = report::rows::table(record, step).map_err(|why| match why {
        NoTable::NoStep => {
            let what = format!("no step `{}` was done in this run", step.unwrap_or_default());
            Problem::wrong(what, "see which steps there are: pitstop status RUN")
        }
        NoTable::Nothing => Problem::wrong(
            "no step of this run gave objects: a table is made of a step with `as: json`",
            "see what its steps gave: pitstop logs RUN",
        ),
        NoTable::Several(steps) => Problem::wrong(
            format!("{} steps are meant: {}", steps.len(), steps.join(", ")),
            format!(
                "name one: --step {}",
                steps.first().map_or("PHASE/STEP", String::as_str)
            ),
        ),
    })?;
    let text = match format {
        Format::RowsJson => json_text(&table)?,
        _ => table.csv(),
    };
    Ok((text, table.lacking))
}

fn json_text(value: &impl Serialize) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    json(value, &mut bytes)
        .map_err(|e| Problem::fault(format!("this has no JSON form: {e}"), "please report this bug"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The approver's page as HTML.
pub fn plan_html(page: &Page) -> String {
    report::before::html(page)
}

/// Writes all views of a run into its folder.
///
/// # Errors
/// When one cannot be made or written.
pub fn write_all(folder: &RunFolder, record: &ChangeRecord) -> Result<(), Problem> {
    disk::make_dir(&folder.report())?;
    for (name, format) in FILES {
        let path = folder.report().join(name);
        match format {
            // The two largest do not lie in memory.
            Format::Json => disk::write_atomic_by(&path, |out| json(record, out))?,
            Format::Html => disk::write_atomic_by(&path, |out| {
                report::html::pieces(record).try_for_each(|piece| out.write_all(piece.as_bytes()))
            })?,
            format => disk::write_atomic(&path, view(record, format)?.as_bytes())?,
        }
    }
    Ok(())
}

/// As JSON, without what a screen would obey.
fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Plain(out);
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")
}

/// JSON on its way out: the serializer writes whole pieces of text.
struct Plain<'o>(&'o mut dyn Write);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(piece) if bytes.is_ascii() && !bytes.contains(&0x7f) => self.0.write_all(piece.as_bytes())?,
            Ok(piece) => self.0.write_all(text::json(piece).as_bytes())?,
            Err(e) => return Err(io::Error::other(e)),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
