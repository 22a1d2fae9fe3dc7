//! `pitstop doc`: a runbook as a procedure for people.
//!
//! Owns: where it is written. Must not: know what stands in it.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::diag::{Diagnostics, render};
use crate::disk;
use crate::runbook::{check, doc as text};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::project;

/// Write a runbook as a readable procedure: for a review, or to do it by hand
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop doc runbooks/patch.yml
  pitstop doc runbooks/patch.yml -o docs/patch.md

Markdown with a Mermaid flowchart, which GitHub and GitLab draw. No host is contacted; parameters stay names.")]
pub struct Args {
    /// The runbook
    #[arg(value_name = "RUNBOOK")]
    runbook: PathBuf,
    /// Write it to this file (default: stdout)
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is written
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Md,
}

/// Does it.
pub fn doc(args: &Args, console: &Console) -> Result<u8, Problem> {
    let mut diags = Diagnostics::new();
    let room = project::room(&console.project_args(), Some(&args.runbook))?;
    let Some(path) = project::typed_path(&room, &args.runbook, &mut diags) else {
        return Err(Problem::Wrong(diags));
    };
    let Some(runbook) = check::checked(&room.folder, &path, &mut diags) else {
        return Err(Problem::Wrong(diags));
    };
    let screen = &console.screen;
    if !diags.0.is_empty() {
        screen.note(render::human(&diags, screen.color(), screen.width()).trim_end());
    }
    let Format::Md = args.format;
    let procedure = text::procedure(&runbook);
    match &args.out {
        None => screen.data(&procedure),
        Some(file) => {
            // It is for everybody, as a file that people write; what pitstop keeps for itself is not.
            let made = if file.exists() {
                disk::replace(file, procedure.as_bytes()).map_err(Problem::from)
            } else {
                std::fs::write(file, &procedure).map_err(|e| {
                    Problem::wrong(
                        format!("cannot write {}: {e}", file.display()),
                        "name a file in a folder that exists",
                    )
                })
            };
            made?;
            screen.note(&format!("The procedure is in {}.", file.display()));
        }
    }
    Ok(exit::GOOD)
}
