//! `pitstop check`: every diagnostic of every file.
//!
//! Owns: which files are looked at and as what. Must not: connect anywhere.

mod site;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;

use crate::cores;
use crate::diag::{Diagnostic, Diagnostics, Severity, Source, Span, render};
use crate::inventory::{Inventory, Transport, hosts};
use crate::runbook::files::{Files as _, Folder, ReadError, regular, why_not};
use crate::runbook::project::InventoryFrom;
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{change, check, policyfile, project as settings, reviewfile, testfile, yaml};

use super::console::Console;
use super::exit;
use super::printed;
use super::problem::Problem;
use super::project::{self, ProjectArgs, Room};
use super::screen::Tone;
use site::Site;

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
    Review,
    /// Another tool's list of plays.
    Playbook,
    /// Not ours, or read with the file that includes it.
    Other,
}

/// Does it.
pub fn check(args: &Args, console: &Console) -> Result<u8, Problem> {
    let mut diags = Diagnostics::new();
    let here = [PathBuf::from(".")];
    let mut files = 0_usize;
    let mut work = Work::default();
    if args.paths.is_empty() {
        let room = room(console, None, &mut diags)?;
        let root = room.folder.root().to_path_buf();
        let start = if room.found || console.global.project.is_some() {
            &root
        } else {
            &here[0]
        };
        work.add(console, start, &mut diags)?;
        if let Some(InventoryFrom::Path(path)) = &room.settings.inventory
            && !is_yaml(&path.value)
        {
            inventory(&room.folder, &path.value, &mut diags);
            files += 1;
        }
    }
    for path in &args.paths {
        work.add(console, path, &mut diags)?;
    }
    files += work.run(&mut diags);
    // The process ends soon: to take thousands of hosts apart first would cost as much as a tenth of reading them.
    std::mem::forget(work);
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

/// The project of a path. With a `pitstop.yml` that is wrong the folder alone stands for it: all other files are checked too.
fn room(console: &Console, near: Option<&Path>, diags: &mut Diagnostics) -> Result<Room, Problem> {
    match project::room(&console.project_args(), near) {
        Ok(room) => Ok(room),
        Err(found) => {
            let folder = project::folder(near).filter(|_| console.global.project.is_none());
            let Some(room) = folder else { return Err(found.into()) };
            diags.0.extend(found.0);
            Ok(room)
        }
    }
}

/// A project, and what its files say of each other: read once, however many of them are checked.
struct Place {
    room: Room,
    args: ProjectArgs,
    site: OnceLock<Site>,
}

/// Files to be checked, and the projects they belong to.
#[derive(Default)]
struct Work {
    places: Vec<Place>,
    files: Vec<File>,
}

struct File {
    /// Which of the places.
    place: usize,
    /// Its path in the project.
    path: String,
    /// Somebody wrote it down; else it was found in a folder.
    named: bool,
}

impl Work {
    /// Adds a file, or every file of ours below a folder.
    fn add(&mut self, console: &Console, path: &Path, diags: &mut Diagnostics) -> Result<(), Problem> {
        if !path.is_dir()
            && let Err(why) = regular(path)
        {
            let what = match why {
                ReadError::Missing => format!("there is no file or folder {}", path.display()),
                why => format!("cannot read {}: {why}", path.display()),
            };
            return Err(Problem::wrong(
                what,
                "name a file, or a folder that holds some: pitstop check runbooks/",
            ));
        }
        let room = room(console, Some(path), diags)?;
        let root = room.folder.root();
        let Some(inside) = self::inside(&room.folder, path) else {
            let what = format!("{} lies outside the project {}", path.display(), root.display());
            return Err(Problem::wrong(what, "name the project it belongs to: --project DIR"));
        };
        let known = self.places.iter().position(|p| p.room.folder.root() == root);
        let place = known.unwrap_or(self.places.len());
        if !path.is_dir() {
            self.file(place, inside, true);
        } else {
            let mut found = Vec::new();
            walk(path, 0, &mut found);
            found.sort();
            // A folder of inventories is read as a whole, or not at all.
            let whole = match &room.settings.inventory {
                Some(InventoryFrom::Path(path)) => format!("{}/", path.value.trim_end_matches('/')),
                _ => "/".to_owned(),
            };
            let names = found.iter().filter_map(|file| self::inside(&room.folder, file));
            for name in names.filter(|name| !name.starts_with(&whole)) {
                self.file(place, name, false);
            }
        }
        if known.is_none() {
            self.places.push(Place {
                room,
                args: console.project_args(),
                site: OnceLock::new(),
            });
        }
        Ok(())
    }

    fn file(&mut self, place: usize, path: String, named: bool) {
        self.files.push(File { place, path, named });
    }

    /// Checks them, as many at a time as the machine has cores, and each project's inventory beside them. Gives how many were ours.
    fn run(&self, diags: &mut Diagnostics) -> usize {
        let all = cores::each(self.places.len() + self.files.len(), |at| {
            let mut found = Diagnostics::new();
            if let Some(place) = self.places.get(at) {
                place.site();
                return (false, found);
            }
            let file = self.files.get(at - self.places.len());
            let place = file.and_then(|file| self.places.get(file.place));
            let ours = file
                .zip(place)
                .is_some_and(|(file, place)| one(place, &file.path, file.named, &mut found));
            (ours, found)
        });
        let ours = all.iter().filter(|(ours, _)| *ours).count();
        diags.0.extend(all.into_iter().flat_map(|(_, found)| found.0));
        ours
    }
}

impl Place {
    fn site(&self) -> &Site {
        self.site.get_or_init(|| Site::of(&self.args, &self.room))
    }

    /// Where the project's own inventory lies.
    fn inventory(&self) -> &str {
        match &self.room.settings.inventory {
            Some(InventoryFrom::Path(path)) => &path.value,
            _ => project::INVENTORY,
        }
    }
}

/// The path of a file in the project.
pub fn inside(folder: &Folder, path: &Path) -> Option<String> {
    let root = folder.root().canonicalize().ok()?;
    let whole = path.canonicalize().ok()?;
    whole.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// YAML files below a folder; hidden folders and those of build tools are passed over, links are not followed. What has the
/// name of one and is none, a pipe or a link to nothing, is found too, and refused when it is read.
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
        } else if !kind.is_dir() && !passed && is_yaml(&name) && (!kind.is_symlink() || !path.exists()) {
            found.push(path);
        }
    }
}

/// Checks one file; false if it is none of ours. A file that was `named` is always looked at.
fn one(place: &Place, path: &str, named: bool, diags: &mut Diagnostics) -> bool {
    let folder = &place.room.folder;
    let bytes = match folder.read_within(path, yaml::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            let at = Span::new(&Source::new(path, ""), 0, 0);
            let what = format!("cannot read `{path}`: {error}");
            diags.push(Diagnostic::error("PS0123", what, at, "this file"));
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
    // Anything else is read while another core still reads the inventory.
    if path == place.inventory()
        && source.as_ref().is_some_and(|source| hosts::is_ours(&source.text))
        && let Some((inventory, said)) = place.site().own(path)
    {
        diags.0.extend(said.0.iter().cloned());
        unreachable(inventory, diags);
        return true;
    }
    let tree = source.as_ref().and_then(|source| yaml::read(source, &mut unread));
    let (Some(source), Some(tree)) = (source, tree) else {
        // Nobody knows what it was to be; what is wrong with its text is wrong in any case.
        diags.0.extend(unread.0);
        return true;
    };
    // What a file says is held against others only where it is sound itself.
    let mut found = Diagnostics::new();
    match kind(path, &tree) {
        Kind::Runbook => {
            found.0.append(&mut unread.0);
            runbook(place, path, &tree, &mut found);
        }
        Kind::Change => occasion(place, &source, &mut found),
        Kind::Inventory => {
            let inventory = if hosts::is_ours(&source.text) {
                found.0.append(&mut unread.0);
                hosts::lower(&tree, &source, &mut found)
            } else {
                hosts::read(&source, &mut found)
            };
            inventory.iter().for_each(|i| unreachable(i, &mut found));
        }
        Kind::Policy => {
            if let (Some(policy), false) = (policyfile::read(&source, &mut found), found.has_errors()) {
                place.site().policy(&policy, &mut found);
            }
        }
        Kind::Settings => settings_file(folder, &source, &mut found),
        Kind::Test => drop(testfile::read(&source, &mut found)),
        Kind::Review => drop(reviewfile::read(&source, &mut found)),
        Kind::Playbook => found.push(playbook(&tree)),
        Kind::Other if named && !is_steps(&tree) => {
            found.0.append(&mut unread.0);
            runbook(place, path, &tree, &mut found);
        }
        // A list of steps is checked where a runbook includes it.
        Kind::Other => return false,
    }
    diags.0.extend(found.0);
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

/// Hosts that this build reaches in no plan: the first of each kind.
fn unreachable(inventory: &Inventory, diags: &mut Diagnostics) {
    let first = |way: Transport| inventory.hosts().iter().find(|h| h.transport == way);
    if let Some(host) = first(Transport::Winrm) {
        let d = Diagnostic::warning(
            "PS0229",
            "this build cannot perform `transport: winrm` yet",
            host.name.span.clone(),
            "a host of this kind",
        );
        diags.push(d.help("`run` and `approve` refuse a plan that has such a host"));
    }
    if let Some(host) = first(Transport::Script) {
        let d = Diagnostic::warning(
            "PS0435",
            "a host with `transport: script` has answers in a test only",
            host.name.span.clone(),
            "no run can reach it",
        );
        diags.push(d.help("leave `transport` out: in `pitstop test` every host is answered from the test's file"));
    }
}

fn runbook(place: &Place, path: &str, root: &Node, diags: &mut Diagnostics) {
    if let Some(runbook) = check::linted_tree(&place.room.folder, path, root, diags) {
        place.site().runbook(&runbook, diags);
    }
}

/// A change, whether the runbook that it names is there, and whether a plan can be made of both.
fn occasion(place: &Place, source: &std::sync::Arc<Source>, diags: &mut Diagnostics) {
    let Some(change) = change::read(source, diags) else {
        return;
    };
    let Some(runbook) = &change.runbook else { return };
    if let Err(error) = place.room.folder.read_within(&runbook.value, yaml::MAX_BYTES) {
        let what = format!("cannot read the runbook `{}`: {error}", runbook.value);
        diags.push(
            Diagnostic::error("PS0123", what, runbook.span.clone(), "no file of the project")
                .help("in a change, `runbook` is a path such as `runbooks/patch.yml`")
                .help("a runbook has `phases`; a file without them is read as a change"),
        );
        return;
    }
    // What is wrong with the runbook is told when it is checked itself.
    if let Some(sound) = check::checked(&place.room.folder, &runbook.value, &mut Diagnostics::new()) {
        place.site().change(&change, &runbook.value, &sound, diags);
    }
}

/// `pitstop.yml`, and whether the files that it names are there.
fn settings_file(folder: &Folder, source: &std::sync::Arc<Source>, diags: &mut Diagnostics) {
    let Some(settings) = settings::read(source, diags) else {
        return;
    };
    let inventory = match &settings.inventory {
        Some(InventoryFrom::Path(path)) => Some(path),
        Some(InventoryFrom::Command(argv)) => {
            // It may be made before a plan is: nothing is wrong yet.
            let told = printed::no_program(argv, folder);
            diags.extend(told.map(|d| Diagnostic {
                severity: Severity::Warning,
                ..d
            }));
            None
        }
        None => None,
    };
    for path in inventory.into_iter().chain(&settings.policy) {
        let there = folder.root().join(&path.value);
        if let Err(e) = there.metadata() {
            let what = format!("cannot read `{}`: {}", path.value, why_not(&there, e));
            let d = Diagnostic::error("PS0123", what, path.span.clone(), "this file");
            diags.push(d.help("paths are relative to the folder of pitstop.yml"));
        }
    }
}

/// The commonest file that is taken for a runbook.
fn playbook(tree: &Node) -> Diagnostic {
    Diagnostic::error("PS0015", "this is an Ansible playbook", tree.span.clone(), "a list of plays")
        .help("a runbook is a map: `schema: 1`, `runbook: ID`, `title: …`, `targets: …`, `phases: …`; a play is a phase, a task a step")
        .help("pitstop explain PS0015 shows both beside each other")
}

/// What a file is, by its name and its keys.
pub(super) fn kind(path: &str, tree: &Node) -> Kind {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "pitstop.yml" => return Kind::Settings,
        "policy.yml" => return Kind::Policy,
        _ => {}
    }
    let entries = match &tree.kind {
        NodeKind::Map(entries) => entries,
        NodeKind::Seq(items) if items.iter().any(is_play) => return Kind::Playbook,
        _ => return Kind::Other,
    };
    let has = |keys: &[&str]| entries.iter().any(|e| keys.contains(&e.key.value.as_str()));
    match name {
        _ if name.ends_with(testfile::ENDING) => Kind::Test,
        _ if has(&["phases"]) => Kind::Runbook,
        _ if change::is_change(tree) => Kind::Change,
        _ if has(&["hosts", "groups", "all"]) => Kind::Inventory,
        _ if has(&["require_approval", "require_change", "allowed_signers", "allow_local"]) => Kind::Policy,
        _ if has(&["participants", "findings", "lessons", "conclusion"]) => Kind::Review,
        _ if has(&["runbook"]) => Kind::Runbook,
        _ => Kind::Other,
    }
}

/// True for what only a playbook has: `hosts` beside `tasks` or `roles`.
fn is_play(item: &Node) -> bool {
    let NodeKind::Map(entries) = &item.kind else {
        return false;
    };
    let has = |key: &str| entries.iter().any(|e| e.key.value == key);
    has("hosts") && (has("tasks") || has("roles") || has("become"))
}

/// True for a list of steps, which an `include` names.
fn is_steps(tree: &Node) -> bool {
    let step = |item: &Node| {
        let NodeKind::Map(entries) = &item.kind else {
            return false;
        };
        entries
            .iter()
            .any(|e| matches!(e.key.value.as_str(), "name" | "include"))
    };
    matches!(&tree.kind, NodeKind::Seq(items) if !items.is_empty() && items.iter().all(step))
}
