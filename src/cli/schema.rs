//! `pitstop schema`: what an editor needs to know of a file.
//!
//! Owns: how it is asked for. Must not: know the keys.

use crate::diag::nearest;
use crate::runbook::keys::{FILES, Shape};
use crate::runbook::schema::schema;

use super::console::Console;
use super::exit;
use super::problem::Problem;

/// Print the JSON Schema of a kind of file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop schema > .pitstop.runbook.json
  pitstop schema inventory
  pitstop schema policy > policy.schema.json

An editor with a YAML language server then completes keys, shows what each means and marks wrong ones. In VS Code:
  \"yaml.schemas\": { \".pitstop.runbook.json\": \"runbooks/*.yml\" }")]
pub struct Args {
    /// runbook, fragment (a file that a runbook includes), change, inventory, policy, project, test or review
    #[arg(value_name = "FILE-KIND", default_value = "runbook")]
    kind: String,
}

/// Does it.
pub fn print(args: &Args, console: &Console) -> Result<u8, Problem> {
    let names = || FILES.iter().map(|(name, _)| *name);
    let Some((name, shape)) = FILES.iter().find(|(name, _)| *name == args.kind) else {
        let help = match nearest(&args.kind, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let what = format!("there is no schema of `{}`", args.kind);
        return Err(Problem::wrong(what, help));
    };
    console.screen.data(&text(name, shape)?);
    Ok(exit::GOOD)
}

/// The schema of a kind of file as it is written.
pub(super) fn text(name: &str, shape: &'static Shape) -> Result<String, Problem> {
    let text = serde_json::to_string_pretty(&schema(name, shape))
        .map_err(|e| Problem::fault(format!("cannot write the schema: {e}"), "this is a mistake in pitstop"))?;
    Ok(format!("{text}\n"))
}
