//! `pitstop check`: every diagnostic of every file.
//!
//! Owns: which files are looked at and as what. Must not: bind them to hosts or connect anywhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use crate::diag::{Diagnostic, Diagnostics, Severity, Source, Span, render};
use crate::inventory::hosts;
use crate::runbook::files::{Files as _, Folder};
use crate::runbook::project::InventoryFrom;
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{change, check, policyfile, project as settings, testfile, yaml};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::project;
use super::screen::Tone;

/// Show everything that is wrong with runbooks, changes, inventories, the policy and pitstop.yml
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop check                            all files of the project
  pitstop check runbooks/patch.yml
  pitstop check --format sarif > out.sarif

Exit code 0: nothing is wrong (there may be warnings); 2: something is. No host is contacted.")]
pub struct Args {
    /// Files, or folders to search (default: the project)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How the diagnostics are written; all but `human` go to stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
    Github,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Runbook,
    Change,
    Inventory,
    Policy,
    Settings,
    Test,
    /// Not ours, or read with the file that includes it.
    Other,
}

/// Does it.
pub fn check(args: &Args, console: &Console) -> Result<u8, Problem> {
    let mut diags = Diagnostics::new();
    let here = [PathBuf::from(".")];
    let mut files = 0_usize;
    if args.paths.is_empty() {
        let room = project::room(&console.project_args(), None)?;
        let root = room.folder.root().to_path_buf();
        let start = if room.found || console.global.project.is_some() {
            &root
        } else {
            &here[0]
        };
        files += check_path(console, start, &mut diags)?;
        if let Some(InventoryFrom::Path(path)) = &room.settings.inventory
            && !is_yaml(&path.value)
        {
            inventory(&room.folder, &path.value, &mut diags);
            files += 1;
        }
    }
    for path in &args.paths {
        files += check_path(console, path, &mut diags)?;
    }
    diags.sort();
    let screen = &console.screen;
    match args.format {
        Format::Human if !diags.0.is_empty() => {
            screen.say(render::human(&diags, screen.color(), screen.width()).trim_end());
        }
        Format::Human => {}
        Format::Json => screen.data(&render::json(&diags)),
        Format::Sarif => screen.data(&render::sarif(&diags)),
        Format::Github => screen.data(&render::github(&diags)),
    }
    let checked = crate::plan::page::count(files, "file", "files");
    let wrong = diags.0.iter().filter(|d| d.severity == Severity::Error).count();
    if wrong > 0 {
        let errors = crate::plan::page::count(wrong, "error", "errors");
        screen.note(&format!(
            "{} {checked} checked, {errors}",
            screen.paint(Tone::Bad, "wrong:")
        ));
        return Ok(exit::WRONG);
    }
    screen.note(&format!(
        "{} {checked} checked, nothing is wrong",
        screen.paint(Tone::Good, "good:")
    ));
    Ok(exit::GOOD)
}

/// Checks a file, or every file of ours below a folder; gives their number.
fn check_path(console: &Console, path: &Path, diags: &mut Diagnostics) -> Result<usize, Problem> {
    if !path.exists() {
        let what = format!("there is no file or folder {}", path.display());
        return Err(Problem::wrong(
            what,
            "name a file, or a folder that holds some: pitstop check runbooks/",
        ));
    }
    let room = project::room(&console.project_args(), Some(path))?;
    let folder = &room.folder;
    let Some(inside) = inside(folder, path) else {
        let what = format!(
            "{} lies outside the project {}",
            path.display(),
            folder.root().display()
        );
        return Err(Problem::wrong(what, "name the project it belongs to: --project DIR"));
    };
    if !path.is_dir() {
        one(folder, &inside, true, diags);
        return Ok(1);
    }
    let mut found = Vec::new();
    walk(path, 0, &mut found);
    found.sort();
    // A folder of inventories is read as a whole, or not at all.
    let whole = match &room.settings.inventory {
        Some(InventoryFrom::Path(path)) => format!("{}/", path.value.trim_end_matches('/')),
        _ => "/".to_owned(),
    };
    let names = found.iter().filter_map(|file| self::inside(folder, file));
    let names = names.filter(|name| !name.starts_with(&whole));
    Ok(names.filter(|name| one(folder, name, false, diags)).count())
}

/// The path of a file in the project.
pub fn inside(folder: &Folder, path: &Path) -> Option<String> {
    let root = folder.root().canonicalize().ok()?;
    let whole = path.canonicalize().ok()?;
    whole.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// YAML files below a folder; hidden folders and those of build tools are passed over, links are not followed.
pub(super) fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let Ok(kind) = entry.file_type() else { continue };
        // Variables of Ansible are read with the inventory beside them.
        let others = ["target", "node_modules", "group_vars", "host_vars"];
        let passed = name.starts_with('.') || (kind.is_dir() && others.contains(&name.as_str()));
        if kind.is_dir() && !passed && depth < 16 {
            walk(&path, depth + 1, found);
        } else if kind.is_file() && !passed && is_yaml(&name) {
            found.push(path);
        }
    }
}

/// Checks one file; false if it is none of ours. A file that was `named` is always looked at.
fn one(folder: &Folder, path: &str, named: bool, diags: &mut Diagnostics) -> bool {
    let bytes = match folder.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let at = Span::new(&Source::new(path, ""), 0, 0);
            diags.push(Diagnostic::error(
                "PS0123",
                format!("cannot read `{path}`: {error}"),
                at,
                "this file",
            ));
            return true;
        }
    };
    let mut unread = Diagnostics::new();
    let source = yaml::source(path, &bytes, &mut unread);
    let ansible = |text: &str| hosts::is_ansible(text) || (named && !is_yaml(path) && !hosts::is_ours(text));
    if source.as_ref().is_some_and(|source| ansible(&source.text)) {
        inventory(folder, path, diags);
        return true;
    }
    let tree = source.as_ref().and_then(|source| yaml::read(source, &mut unread));
    let (Some(source), Some(tree)) = (source, tree) else {
        // Nobody knows what it was to be; what is wrong with its text is wrong in any case.
        diags.0.extend(unread.0);
        return true;
    };
    match kind(path, &tree) {
        Kind::Runbook => runbook(folder, path, diags),
        Kind::Change => occasion(folder, &source, diags),
        Kind::Inventory => drop(hosts::read(&source, diags)),
        Kind::Policy => drop(policyfile::read(&source, diags)),
        Kind::Settings => drop(settings::read(&source, diags)),
        Kind::Test => drop(testfile::read(&source, diags)),
        Kind::Other if named && !matches!(tree.kind, NodeKind::Seq(_)) => runbook(folder, path, diags),
        // A list of steps is checked where a runbook includes it.
        Kind::Other => return false,
    }
    true
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yml") || name.ends_with(".yaml")
}

/// An inventory with what lies beside it. What would stop a plan that uses a host is a warning here: no plan does yet.
fn inventory(folder: &Folder, path: &str, diags: &mut Diagnostics) {
    let inventory = match hosts::read_at(folder, path, diags) {
        Ok(inventory) => inventory,
        Err(error) => {
            let at = Span::new(&Source::new(path, ""), 0, 0);
            let what = format!("cannot read `{path}`: {error}");
            return diags.push(Diagnostic::error("PS0123", what, at, "this file"));
        }
    };
    let mut told = BTreeSet::new();
    for host in inventory.iter().flat_map(|i| i.hosts()) {
        for d in host.unusable.iter().flat_map(|u| &u.settings) {
            if told.insert(Arc::as_ptr(d).addr()) {
                let severity = Severity::Warning;
                let d = Diagnostic::clone(d).help(format!("no plan can use host `{}`", host.name.value));
                diags.push(Diagnostic { severity, ..d });
            }
        }
    }
}

fn runbook(folder: &Folder, path: &str, diags: &mut Diagnostics) {
    // `checked` judges all that it is given: a list of its own for each file.
    let mut found = Diagnostics::new();
    check::checked(folder, path, &mut found);
    diags.0.extend(found.0);
}

/// A change, and whether the runbook that it names is there.
fn occasion(folder: &Folder, source: &std::sync::Arc<Source>, diags: &mut Diagnostics) {
    let Some(runbook) = change::read(source, diags).and_then(|c| c.runbook) else {
        return;
    };
    if let Err(error) = folder.read(&runbook.value) {
        let what = format!("cannot read the runbook `{}`: {error}", runbook.value);
        diags.push(
            Diagnostic::error("PS0123", what, runbook.span, "no file of the project")
                .help("in a change, `runbook` is a path such as `runbooks/patch.yml`")
                .help("a runbook has `phases`; a file without them is read as a change"),
        );
    }
}

/// What a file is, by its name and its keys.
pub(super) fn kind(path: &str, tree: &Node) -> Kind {
    let NodeKind::Map(entries) = &tree.kind else {
        return Kind::Other;
    };
    let has = |keys: &[&str]| entries.iter().any(|e| keys.contains(&e.key.value.as_str()));
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "pitstop.yml" => Kind::Settings,
        "policy.yml" => Kind::Policy,
        _ if name.ends_with(testfile::ENDING) => Kind::Test,
        _ if has(&["phases"]) => Kind::Runbook,
        _ if change::is_change(tree) => Kind::Change,
        _ if has(&["hosts", "groups", "all"]) => Kind::Inventory,
        _ if has(&["require_approval", "require_change", "allowed_signers", "allow_local"]) => Kind::Policy,
        _ if has(&["runbook"]) => Kind::Runbook,
        _ => Kind::Other,
    }
}
