//! Records and pages in the formats of `pitstop report` and `pitstop plan`.
//!
//! Owns: which function makes which format, the names of the files of a run's report. Must not: choose facts.

use clap::ValueEnum;

use crate::disk;
use crate::journal::store::RunFolder;
use crate::plan::page::Page;
use crate::report;
use crate::report::record::ChangeRecord;
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
        Format::Json => format!("{}\n", text::json(&serde_json::to_string_pretty(record)?)),
        Format::Junit => report::junit::junit(record)
            .map_err(|e| Problem::fault(format!("the record has no JUnit form: {e}"), "please report this bug"))?,
        Format::Csv => report::csv::csv(record),
    })
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
        disk::write_atomic(&folder.report().join(name), view(record, format)?.as_bytes())?;
    }
    Ok(())
}
