//! From what was typed to what a plan is made of: the project, its settings, policy, inventory, runbook and change.
//!
//! Owns: where files are looked for, and which wins of flag, file and default. Must not: print, or judge what the files say.
//!
//! The project is the folder of the nearest `pitstop.yml` above the runbook. Without one it is the runbook's own folder, with
//! `inventory.yml` beside it if there is one, and no policy.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cores;
use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};
use crate::http::Url;
use crate::inventory::{Inventory, hosts};
use crate::plan::Plan;
use crate::plan::bind::{BindInput, bind};
use crate::runbook::change::{self, Change, Given};
use crate::runbook::files::{Files, Folder, ReadError, why_not};
use crate::runbook::policyfile::{self, PolicyFile};
use crate::runbook::project::{self, InventoryFrom, Project};
use crate::runbook::{Runbook, check, yaml};
use crate::window::zone;

use super::printed;

const SETTINGS: &str = "pitstop.yml";
const POLICY: &str = "policy.yml";
pub(super) const INVENTORY: &str = "inventory.yml";

/// What flags and environment say about a project and a change.
#[derive(Clone, Debug, Default)]
pub struct ProjectArgs {
    /// `--project`.
    pub project: Option<PathBuf>,
    /// `-i`; may lie outside the project.
    pub inventory: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// `--set NAME=VALUE`.
    pub sets: Vec<String>,
    /// `--skip STEP=REASON`.
    pub skips: Vec<String>,
    /// `--only STEP[=REASON]`.
    pub onlys: Vec<String>,
    /// What files of `--set-file` hold; `--set` wins over it.
    pub given: Vec<(Spanned<String>, Given)>,
    /// Only these hosts: lists in files, and hosts of an earlier run.
    pub hosts: Option<Vec<Spanned<String>>>,
    /// `--limit`.
    pub limit: Option<String>,
    /// `--mode`.
    pub mode: Option<String>,
    /// `--start`.
    pub start: Option<String>,
    /// `--timezone`.
    pub timezone: Option<String>,
    /// `--change`: the ticket.
    pub ticket: Option<String>,
    /// `--reason`.
    pub reason: Option<String>,
    /// `--rehearse`.
    pub rehearse: bool,
}

/// A project: its folder and settings.
#[derive(Clone, Debug)]
pub struct Room {
    /// The folder.
    pub folder: Folder,
    /// True if a `pitstop.yml` was found there.
    pub found: bool,
    /// What it says.
    pub settings: Project,
    /// The state directory, and where that was said.
    pub state: (PathBuf, &'static str),
}

/// Everything a plan is made of.
#[derive(Debug)]
pub struct Loaded {
    /// The project.
    pub room: Room,
    /// The runbook, checked.
    pub runbook: Runbook,
    /// Its path in the project.
    pub path: String,
    /// The machines.
    pub inventory: Inventory,
    /// File and flags together.
    pub change: Change,
    /// The policy, and the text of its `allowed_signers`.
    pub policy: Option<(PolicyFile, String)>,
    /// Warnings of the reading.
    pub diags: Diagnostics,
}

impl Loaded {
    /// What `bind` is given.
    pub fn input(&self) -> BindInput<'_> {
        BindInput {
            runbook: &self.runbook,
            path: &self.path,
            inventory: &self.inventory,
            change: &self.change,
            policy: self.policy.as_ref().map(|(p, signers)| (p, signers.as_str())),
            providers: &self.room.settings.providers,
            outside: &self.room.settings.outside,
            files: &self.room.folder,
        }
    }

    /// Without a start, a runbook with a schedule takes its next window that still takes hosts.
    pub fn next_window(&mut self, now: Timestamp) {
        let Some(window) = &self.runbook.window else { return };
        let named = self.change.timezone.as_ref().or(window.timezone.as_ref());
        let zone = zone(named.map_or("UTC", |z| z.value.as_str()));
        if let (None, Some(schedule), Ok(zone)) = (&self.change.start, &window.schedule, zone) {
            let takes = window.duration.value.saturating_sub(window.cutoff.unwrap_or_default());
            let takes = SignedDuration::try_from(takes).unwrap_or(SignedDuration::ZERO);
            let from = now.checked_sub(takes).unwrap_or(now);
            // Not at its last moment: that takes none any more.
            let from = from.checked_add(SignedDuration::from_millis(1)).unwrap_or(from);
            let next = schedule.next(from, &zone);
            self.change.start = next.map(|o| change::flag("the schedule's next window", &o.start.to_string()));
        }
    }

    /// The plan, with all warnings so far.
    ///
    /// # Errors
    /// Every diagnostic, sorted.
    pub fn plan(&self) -> Result<(Plan, Diagnostics), Diagnostics> {
        let mut diags = self.diags.clone();
        let plan = bind(&self.input(), &mut diags);
        diags.sort();
        match plan {
            Some(plan) => Ok((plan, diags)),
            None => Err(diags),
        }
    }
}

/// Finds the project of a file, or of the current directory.
///
/// # Errors
/// `pitstop.yml` is wrong, or `--project` names no folder.
pub fn room(args: &ProjectArgs, near: Option<&Path>) -> Result<Room, Diagnostics> {
    let mut diags = Diagnostics::new();
    let room = find_room(args, near, &mut diags);
    match room {
        Some(room) if !diags.has_errors() => Ok(room),
        _ => Err(diags),
    }
}

/// The folder that would be the project of a path, with no settings: for reading on where `pitstop.yml` is wrong.
pub fn folder(near: Option<&Path>) -> Option<Room> {
    let (root, found) = nearest(near);
    let folder = Folder::new(root);
    let settings = Project::default();
    let state = state(&ProjectArgs::default(), &folder, found, &settings);
    found.then_some(Room {
        folder,
        found,
        settings,
        state,
    })
}

/// Reads everything a plan of this runbook or change file is made of.
///
/// # Errors
/// Every diagnostic of every file, sorted.
pub fn load(args: &ProjectArgs, file: &Path) -> Result<Loaded, Diagnostics> {
    let mut diags = Diagnostics::new();
    let loaded = load_into(args, file, &mut diags);
    diags.sort();
    match loaded {
        Some(mut loaded) if !diags.has_errors() => {
            loaded.diags = diags;
            Ok(loaded)
        }
        _ => Err(diags),
    }
}

fn load_into(args: &ProjectArgs, file: &Path, diags: &mut Diagnostics) -> Option<Loaded> {
    let room = find_room(args, Some(file), diags)?;
    let typed = change::flag("command line", &file.display().to_string());
    let path = inside(&room.folder, file, &typed, diags)?;
    let policy = policy(&room, diags);
    // The inventory may be long: another core reads it.
    let (inventory, (read, found)) = cores::both(
        || {
            let mut found = Diagnostics::new();
            (inventory(args, &room, &mut found), found)
        },
        || {
            let mut found = Diagnostics::new();
            (runbook(args, &room, path, &typed.span, &mut found), found)
        },
    );
    diags.0.extend(inventory.1.0);
    diags.0.extend(found.0);
    let (runbook, path, change) = read?;
    Some(Loaded {
        runbook,
        path,
        inventory: inventory.0?,
        change,
        policy,
        room,
        diags: Diagnostics::new(),
    })
}

/// The runbook with its path, and the change with what the flags say.
fn runbook(
    args: &ProjectArgs,
    room: &Room,
    path: String,
    typed: &Span,
    diags: &mut Diagnostics,
) -> Option<(Runbook, String, Change)> {
    let source = read(&room.folder, &path, typed, diags)?;
    // What is wrong with the tree is told by the reading that follows.
    let tree = yaml::read(&source, &mut Diagnostics::new());
    let (mut change, runbook_path) = if tree.as_ref().is_some_and(change::is_change) {
        let change = change::read(&source, diags)?;
        let runbook = change.runbook.as_ref()?.value.clone();
        (change, runbook)
    } else {
        (Change::default(), path)
    };
    if let Some(flags) = flags(args, diags) {
        change.overlay(flags);
    }
    if let Some(named) = &change.runbook {
        // A runbook that is not there is told at the line that names it.
        read(&room.folder, &runbook_path, &named.span, diags)?;
    }
    let mut found = Diagnostics::new();
    let runbook = check::checked(&room.folder, &runbook_path, &mut found);
    diags.0.extend(found.0);
    Some((runbook?, runbook_path, change))
}

fn flags(args: &ProjectArgs, diags: &mut Diagnostics) -> Option<Change> {
    let flag = |name: &str, value: &Option<String>| value.as_ref().map(|v| change::flag(name, v));
    let mut flags = Change {
        limit: flag("--limit", &args.limit),
        mode: flag("--mode", &args.mode),
        start: flag("--start", &args.start),
        timezone: flag("--timezone", &args.timezone),
        ticket: flag("--change", &args.ticket),
        reason: flag("--reason", &args.reason),
        parameters: args.given.clone(),
        only: args.onlys.iter().map(|text| change::flags::only(text)).collect(),
        hosts: args.hosts.clone(),
        rehearse: args.rehearse.then(|| change::flag("command line", "--rehearse")),
        ..Change::default()
    };
    let before = diags.0.len();
    for text in &args.sets {
        match change::set(text) {
            Ok(set) => flags.parameters.push(set),
            Err(d) => diags.push(d),
        }
    }
    for text in &args.skips {
        match change::skip(text) {
            Ok(skip) => flags.skip.push(skip),
            Err(d) => diags.push(d),
        }
    }
    (diags.0.len() == before).then_some(flags)
}

fn find_room(args: &ProjectArgs, near: Option<&Path>, diags: &mut Diagnostics) -> Option<Room> {
    let (root, found) = match &args.project {
        Some(dir) => {
            if !dir.is_dir() {
                let typed = change::flag("--project", &dir.display().to_string());
                diags.push(no_project("there is no such folder", &typed));
                return None;
            }
            (dir.clone(), has_settings(dir))
        }
        None => nearest(near),
    };
    let folder = Folder::new(root);
    let settings = if found {
        let at = Span::new(&Source::new(SETTINGS, ""), 0, 0);
        let source = read(&folder, SETTINGS, &at, diags)?;
        let settings = project::read(&source, diags)?;
        diags.0.extend(settings.outside.urls().filter_map(not_asked));
        settings
    } else {
        Project::default()
    };
    let state = state(args, &folder, found, &settings);
    Some(Room {
        folder,
        found,
        settings,
        state,
    })
}

/// The folder of the nearest `pitstop.yml`; else the file's own, else the current one.
fn nearest(near: Option<&Path>) -> (PathBuf, bool) {
    let here = PathBuf::from(".");
    let start = match near {
        Some(path) if path.is_dir() => path.to_path_buf(),
        Some(path) => match path.parent() {
            Some(dir) if dir != Path::new("") => dir.to_path_buf(),
            _ => here,
        },
        None => here,
    };
    let whole = start.canonicalize().unwrap_or_else(|_| start.clone());
    match whole.ancestors().find(|dir| has_settings(dir)) {
        Some(dir) => (dir.to_path_buf(), true),
        None => (whole, false),
    }
}

/// Something of that name is there. What is no file is refused when it is read: passed over, its policy would not hold, in silence.
fn has_settings(dir: &Path) -> bool {
    dir.join(SETTINGS).symlink_metadata().is_ok()
}

/// Which of the two gave the state directory: the flag wins, and the parser does not tell them apart.
pub fn state_said() -> &'static str {
    let flag = |arg: std::ffi::OsString| {
        arg.to_str()
            .is_some_and(|a| a == "--state" || a.starts_with("--state="))
    };
    if std::env::args_os().any(flag) {
        "--state"
    } else {
        "PITSTOP_STATE"
    }
}

fn state(args: &ProjectArgs, folder: &Folder, found: bool, settings: &Project) -> (PathBuf, &'static str) {
    if let Some(dir) = &args.state {
        return (dir.clone(), state_said());
    }
    if let Some(dir) = &settings.state {
        return (folder.root().join(&dir.value), SETTINGS);
    }
    if found {
        return (folder.root().join(".pitstop"), "default, beside pitstop.yml");
    }
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let xdg = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    match xdg {
        Some(dir) => (dir.join("pitstop"), "default, XDG state directory"),
        None => (folder.root().join(".pitstop"), "default, no home directory"),
    }
}

/// The path in the project of a file that was typed; a diagnostic where it has none.
pub fn typed_path(room: &Room, file: &Path, diags: &mut Diagnostics) -> Option<String> {
    let typed = change::flag("command line", &file.display().to_string());
    inside(&room.folder, file, &typed, diags)
}

/// The path of a typed file in the project.
fn inside(folder: &Folder, file: &Path, typed: &Spanned<String>, diags: &mut Diagnostics) -> Option<String> {
    let whole = match file.canonicalize() {
        Ok(whole) => whole,
        Err(e) => {
            diags.push(unreadable(&typed.value, &why_not(file, e), &typed.span));
            return None;
        }
    };
    let path = folder
        .root()
        .canonicalize()
        .ok()
        .and_then(|root| relative(&root, &whole));
    if path.is_none() {
        let root = folder.root().display();
        diags.push(no_project(&format!("it lies outside the project {root}"), typed));
    }
    path
}

fn relative(root: &Path, whole: &Path) -> Option<String> {
    let parts = whole.strip_prefix(root).ok()?.components();
    let names: Option<Vec<&str>> = parts
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    names.map(|n| n.join("/"))
}

/// A URL of `pitstop.yml` that the HTTP client would refuse, or that holds what is no part of an address.
fn not_asked(url: &Spanned<String>) -> Option<Diagnostic> {
    let error = Url::parse(url).err()?;
    Some(
        Diagnostic::error("PS0533", "this URL cannot be asked", url.span.clone(), error.why)
            .help("write `https://HOST[:PORT]/PATH`; a token has a key of its own, where it says what it comes from"),
    )
}

fn no_project(why: &str, typed: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "PS0531",
        format!("cannot use `{}`: {why}", typed.value),
        typed.span.clone(),
        "given here",
    )
    .help("the project is the folder with pitstop.yml: make one with `pitstop init`, or name it with --project")
}

fn unreadable(path: &str, error: &ReadError, at: &Span) -> Diagnostic {
    Diagnostic::error(
        "PS0123",
        format!("cannot read `{path}`: {error}"),
        at.clone(),
        "this file",
    )
    .help("paths in files are relative to the project, typed ones to the current folder")
}

/// A file of the project that people write.
pub fn read(files: &dyn Files, path: &str, named: &Span, diags: &mut Diagnostics) -> Option<Arc<Source>> {
    match files.read_within(path, yaml::MAX_BYTES) {
        Ok(bytes) => yaml::source(path, &bytes, diags),
        Err(e) => {
            diags.push(unreadable(path, &e, named));
            None
        }
    }
}

/// The policy: what `pitstop.yml` names, else `policy.yml` beside it. A policy that lies there is never left out by an oversight.
pub fn policy(room: &Room, diags: &mut Diagnostics) -> Option<(PolicyFile, String)> {
    let source = match &room.settings.policy {
        Some(path) => read(&room.folder, &path.value, &path.span, diags)?,
        None if room.found => match room.folder.read(POLICY) {
            Ok(bytes) => yaml::source(POLICY, &bytes, diags)?,
            Err(ReadError::Missing) => return None,
            Err(e) => {
                diags.push(unreadable(POLICY, &e, &Span::new(&Source::new(POLICY, ""), 0, 0)));
                return None;
            }
        },
        None => return None,
    };
    let policy = policyfile::read(&source, diags)?;
    let signers = match &policy.allowed_signers {
        Some(path) => read(&room.folder, &path.value, &path.span, diags)?.text.clone(),
        None => String::new(),
    };
    Some((policy, signers))
}

/// The inventory: the flag, else `pitstop.yml`, else `inventory.yml`, else one without hosts. Only good without errors.
pub fn inventory(args: &ProjectArgs, room: &Room, diags: &mut Diagnostics) -> Option<Inventory> {
    if let Some(file) = &args.inventory {
        let typed = change::flag("--inventory", &file.display().to_string());
        return typed_inventory(file, &typed, &room.folder, diags);
    }
    let (path, at) = match &room.settings.inventory {
        Some(InventoryFrom::Command(argv)) => return printed::inventory(argv, &room.folder, diags),
        Some(InventoryFrom::Path(path)) => (path.value.as_str(), path.span.clone()),
        None => (INVENTORY, Span::new(&Source::new(INVENTORY, ""), 0, 0)),
    };
    match hosts::read_at(&room.folder, path, diags) {
        Ok(inventory) => inventory,
        Err(ReadError::Missing) if room.settings.inventory.is_none() => Some(Inventory::empty(INVENTORY)),
        Err(e) => {
            diags.push(unreadable(path, &e, &at));
            None
        }
    }
}

/// An inventory that was typed: in the project, or a world of its own.
fn typed_inventory(
    file: &Path,
    typed: &Spanned<String>,
    project: &Folder,
    diags: &mut Diagnostics,
) -> Option<Inventory> {
    let read = || -> std::io::Result<(Folder, String)> {
        let whole = file.canonicalize()?;
        let root = project.root().canonicalize().ok();
        if let Some(path) = root.and_then(|root| relative(&root, &whole)) {
            return Ok((project.clone(), path));
        }
        if whole.is_dir() {
            return Ok((Folder::new(whole), String::new()));
        }
        let name = whole.file_name().map(|n| n.to_string_lossy().into_owned());
        let folder = whole.parent().unwrap_or(&whole).to_path_buf();
        Ok((Folder::new(folder), name.unwrap_or_default()))
    };
    let found = read().map_err(|e| why_not(file, e));
    let inventory = found.and_then(|(folder, path)| hosts::read_at(&folder, &path, diags));
    match inventory {
        Ok(inventory) => inventory.map(|mut inventory| {
            if inventory.name.is_empty() {
                inventory.name.clone_from(&typed.value);
            }
            inventory
        }),
        Err(e) => {
            diags.push(unreadable(&typed.value, &e, &typed.span));
            None
        }
    }
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "planning_tests.rs"]
mod planning;
