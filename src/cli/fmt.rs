//! `pitstop fmt`: puts files into the one layout.
//!
//! Owns: which files, what is written, shown and said. Must not: know the layout, or write a file that it did not read as its own.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostics, render};
use crate::disk;
use crate::plan::page::count;
use crate::runbook::files::read_regular;
use crate::runbook::fmt;
use crate::runbook::yaml::{self, Node, NodeKind};

use super::check::{self, Kind};
use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::project;
use super::screen::Tone;

/// Put runbooks, changes, inventories, policy, tests and pitstop.yml into the one layout
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop fmt                      all files of the project
  pitstop fmt runbooks/patch.yml
  pitstop fmt --check              in CI: writes nothing, exit code 1 if a file would change
  pitstop fmt --diff               shows what would change, writes nothing
  pitstop fmt - < a.yml            for editors: from stdin to stdout

Only the layout changes: keys keep their order, values and quotes stay as they are, no comment is lost, the plan has the same
digest. A file that cannot be read is left alone: exit code 2.")]
pub struct Args {
    /// Files, or folders to search; `-` is stdin (default: the project)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Write nothing; exit code 1 if a file is not in the layout
    #[arg(long)]
    check: bool,
    /// Show the difference on stdout and write nothing; exit code as with --check
    #[arg(long)]
    diff: bool,
}

/// What became of the files.
#[derive(Default)]
struct Tally {
    files: usize,
    changed: usize,
    diags: Diagnostics,
}

/// Does it.
pub fn fmt(args: &Args, console: &Console) -> Result<u8, Problem> {
    if args.paths.iter().any(|p| p.as_os_str() == "-") {
        return stdin(args, console);
    }
    let mut files = BTreeSet::new();
    if args.paths.is_empty() {
        let room = project::room(&console.project_args(), None)?;
        collect(room.folder.root(), &mut files)?;
    }
    for path in &args.paths {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else if path.symlink_metadata().is_ok() {
            files.insert(path.clone());
        } else {
            return Err(Problem::wrong(
                format!("there is no file or folder {}", path.display()),
                "name a file, or a folder that holds some: pitstop fmt runbooks/",
            ));
        }
    }
    let mut tally = Tally::default();
    for file in &files {
        one(file, args, console, &mut tally)?;
    }
    Ok(told(&tally, args, console))
}

/// The last word, and the exit code.
fn told(tally: &Tally, args: &Args, console: &Console) -> u8 {
    let screen = &console.screen;
    let files = count(tally.files, "file", "files");
    if !tally.diags.0.is_empty() {
        screen.say(render::human(&tally.diags, screen.color(), screen.width()).trim_end());
    }
    if tally.diags.has_errors() {
        let wrong = screen.paint(Tone::Bad, "wrong:");
        screen.note(&format!(
            "{wrong} of {files} some cannot be formatted; they are as they were"
        ));
        return exit::WRONG;
    }
    let changed = count(tally.changed, "file", "files");
    if tally.changed == 0 {
        screen.note(&format!("{} {files} in the layout", screen.paint(Tone::Good, "good:")));
        exit::GOOD
    } else if args.check || args.diff {
        let word = screen.paint(Tone::Warn, "not in the layout:");
        screen.note(&format!("{word} {changed} of {}", tally.files));
        screen.note("next: pitstop fmt");
        exit::PERSON
    } else {
        screen.note(&format!(
            "{} {changed} of {}",
            screen.paint(Tone::Good, "formatted:"),
            tally.files
        ));
        exit::GOOD
    }
}

fn one(file: &Path, args: &Args, console: &Console, tally: &mut Tally) -> Result<(), Problem> {
    let name = file.display().to_string();
    let bytes = read_regular(file, yaml::MAX_BYTES)
        .map_err(|e| Problem::wrong(format!("cannot read {name}: {e}"), "name a text file"))?;
    tally.files += 1;
    // A list of its own for each file: one that is wrong does not keep the others from being formatted.
    let mut found = Diagnostics::new();
    let text = yaml::source(&name, &bytes, &mut found).and_then(|source| fmt::format(&source, &mut found));
    tally.diags.0.extend(found.0);
    let Some(text) = text else { return Ok(()) };
    if text.as_bytes() == bytes {
        return Ok(());
    }
    tally.changed += 1;
    if args.diff {
        console
            .screen
            .data(&difference(&name, &String::from_utf8_lossy(&bytes), &text));
    } else if args.check {
        console.screen.say(&name);
    } else {
        // A link stays one: what it points at is replaced.
        let whole = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        disk::replace(&whole, text.as_bytes())?;
        console.screen.note(&format!("formatted {name}"));
    }
    Ok(())
}

fn stdin(args: &Args, console: &Console) -> Result<u8, Problem> {
    if args.paths.len() > 1 {
        return Err(Problem::wrong("`-` stands alone", "pitstop fmt - < FILE"));
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(yaml::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Problem::wrong(format!("cannot read stdin: {e}"), "pitstop fmt - < FILE"))?;
    let mut diags = Diagnostics::new();
    let source = yaml::source("stdin", &bytes, &mut diags);
    let Some(text) = source.and_then(|source| fmt::format(&source, &mut diags)) else {
        return Err(Problem::Wrong(diags));
    };
    let same = text.as_bytes() == bytes;
    if args.diff {
        console
            .screen
            .data(&difference("stdin", &String::from_utf8_lossy(&bytes), &text));
    } else if !args.check {
        console.screen.data(&text);
    }
    Ok(if same || !(args.check || args.diff) {
        exit::GOOD
    } else {
        exit::PERSON
    })
}

fn difference(name: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let diff = diff.unified_diff().header(name, name).to_string();
    diff.replace('\r', "")
}

/// The files of ours below a folder: what `check` knows, tests, and the lists of steps that a runbook there includes.
fn collect(dir: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Problem> {
    let mut found = Vec::new();
    check::walk(dir, 0, &mut found);
    let mut included = BTreeSet::new();
    for file in found {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let name = file.display().to_string();
        let mut diags = Diagnostics::new();
        let tree = yaml::source(&name, &bytes, &mut diags).and_then(|source| yaml::read(&source, &mut diags));
        match tree {
            // `one` says what is wrong with it.
            None => drop(files.insert(file)),
            Some(tree) if ours(&name, &tree) => {
                includes(&tree, &mut included);
                files.insert(file);
            }
            Some(_) => {}
        }
    }
    let root = project::room(&project::ProjectArgs::default(), Some(dir))?;
    let root = root.folder.root().to_path_buf();
    let whole: BTreeSet<PathBuf> = files.iter().filter_map(|f| f.canonicalize().ok()).collect();
    for path in included {
        let file = root.join(path);
        if file.canonicalize().is_ok_and(|file| !whole.contains(&file)) {
            files.insert(file);
        }
    }
    Ok(())
}

fn ours(name: &str, tree: &Node) -> bool {
    let NodeKind::Map(entries) = &tree.kind else {
        return false;
    };
    let schema = entries.iter().any(|e| e.key.value == "schema");
    // An inventory without `schema` is Ansible's, and none of our business.
    schema && (name.ends_with(".test.yml") || check::kind(name, tree) != Kind::Other)
}

/// Every file that the tree includes.
fn includes(node: &Node, found: &mut BTreeSet<String>) {
    match &node.kind {
        NodeKind::Scalar { .. } => {}
        NodeKind::Seq(items) => items.iter().for_each(|n| includes(n, found)),
        NodeKind::Map(entries) => {
            for e in entries {
                match &e.value.kind {
                    NodeKind::Scalar { text, .. } if e.key.value == "include" => {
                        found.insert(text.clone());
                    }
                    _ => includes(&e.value, found),
                }
            }
        }
    }
}
