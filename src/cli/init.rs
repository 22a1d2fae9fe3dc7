//! `pitstop init`: a project to start from.
//!
//! Owns: the files it begins with. Must not: overwrite anything.

use std::path::{Path, PathBuf};

use crate::disk::Fault;
use crate::runbook::keys;

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::schema;

/// Make a project to start from: pitstop.yml, policy.yml, inventory.yml, a first runbook and its test
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop init
  pitstop init maintenance

No file that is there is overwritten.")]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

const FILES: [(&str, &str); 6] = [
    ("pitstop.yml", include_str!("init/pitstop.yml")),
    ("policy.yml", include_str!("init/policy.yml")),
    ("inventory.yml", include_str!("init/inventory.yml")),
    ("runbooks/hello.yml", include_str!("init/hello.yml")),
    ("runbooks/hello.test.yml", include_str!("init/hello.test.yml")),
    (".gitignore", ".pitstop/\n"),
];

/// Where the schemas lie that the first line of each file names: beside the files, so that an editor fetches nothing.
const SCHEMAS: &str = "schemas";

/// Does it.
pub fn init(args: &Args, console: &Console) -> Result<u8, Problem> {
    let there: Vec<&str> = FILES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != ".gitignore" && args.dir.join(name).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        return Err(Problem::wrong(
            format!("{} has {} already", args.dir.display(), there.join(", ")),
            "name another folder: pitstop init DIR",
        ));
    }
    for (name, text) in FILES {
        write(&args.dir.join(name), text)?;
    }
    for (kind, shape) in keys::FILES {
        write(
            &args.dir.join(format!("{SCHEMAS}/{kind}.json")),
            &schema::text(kind, shape)?,
        )?;
    }
    let screen = &console.screen;
    screen.say(&format!("A project is in {}:", args.dir.display()));
    for (name, _) in FILES {
        screen.note(&format!("  {name}"));
    }
    screen.note(&format!("  {SCHEMAS}/ (for editors)"));
    if args.dir != Path::new(".") {
        screen.note(&format!("next: cd {}", args.dir.display()));
    }
    for next in [
        "pitstop check",
        "pitstop test",
        "pitstop plan runbooks/hello.yml",
        "pitstop run runbooks/hello.yml",
        "pitstop report last -o report.html",
    ] {
        screen.note(&format!("next: {next}"));
    }
    Ok(exit::GOOD)
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    use std::io::Write as _;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| Fault::new("make the folder", dir, e))?;
    }
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match made {
        // Only the .gitignore may be there: it is the user's then.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        other => other.map_err(|e| Fault::new("make", path, e))?,
    };
    file.write_all(text.as_bytes())
        .map_err(|e| Fault::new("write", path, e))?;
    Ok(())
}
