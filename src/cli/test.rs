//! `pitstop test`: tests of runbooks, without hosts.
//!
//! Owns: which files are run, and the exit code. Must not: reach a host or server, or touch the project's runs.

mod bound;
mod case;
mod judge;
mod people;
mod replay;
mod show;
mod signals;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::diag::{Diagnostic, Diagnostics};
use crate::disk;
use crate::runbook::files::Files as _;
use crate::runbook::testfile::{self, Case, ENDING, TestFile, Then};
use crate::runbook::yaml;
use crate::transport::script::{self, Fault, Matches};

use self::bound::Shared;
use self::case::{Ran, Script};
use self::show::{CaseResult, FileResult, Format};
use super::check::{inside, walk};
use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::project;

/// Run tests of runbooks: scripted hosts, simulated time, no connection
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop test                                        every *.test.yml of the project
  pitstop test runbooks/hello.test.yml
  pitstop test --case \"the note cannot be written\"
  pitstop test --format junit -o junit.xml            for CI

Exit code 0: all cases passed; 1: one failed; 2: a test or runbook cannot be read. How to write one: docs/testing-runbooks.md")]
pub struct Args {
    /// Tests, or folders to search (default: the project)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Run only the case of this name
    #[arg(long = "case", value_name = "NAME")]
    only: Option<String>,
    /// The form of the result; `human` goes to stderr, the others to stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Write `junit` or `json` to this file instead of stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Does it.
pub fn test(args: &Args, console: &Console) -> Result<u8, Problem> {
    let began = Instant::now();
    let files = files(args, console)?;
    let mut wrong = Diagnostics::new();
    let mut results = Vec::new();
    for file in &files {
        let Some(result) = of_file(file, args, console, &mut wrong)? else {
            continue;
        };
        show::file(&result, &console.screen);
        results.push(result);
    }
    if wrong.has_errors() {
        wrong.sort();
        return Err(Problem::Wrong(wrong));
    }
    if let Some(name) = &args.only
        && results.is_empty()
    {
        return Err(Problem::wrong(
            format!("no case is called `{name}`"),
            "see their names: pitstop test --format json",
        ));
    }
    let totals = show::totals(&results, began.elapsed());
    let text = show::machine(&results, &totals, args.format)?;
    match &args.out {
        Some(out) if args.format != Format::Human => disk::write_atomic(out, text.as_bytes())?,
        _ => console.screen.data(&text),
    }
    show::closing(&totals, &console.screen);
    Ok(if totals.failed == 0 { exit::GOOD } else { exit::PERSON })
}

/// The files that were named, and those in the folders that were named.
fn files(args: &Args, console: &Console) -> Result<Vec<PathBuf>, Problem> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        let room = project::room(&console.project_args(), None)?;
        paths.push(room.folder.root().to_path_buf());
    }
    let mut all = Vec::new();
    for path in &paths {
        if path.is_dir() {
            let mut found = Vec::new();
            walk(path, 0, &mut found);
            found.sort();
            all.extend(found.into_iter().filter(|f| is_test(f)));
        } else if !path.exists() {
            return Err(Problem::wrong(
                format!("there is no file or folder {}", path.display()),
                "name a test, or a folder that holds some: pitstop test runbooks/",
            ));
        } else if is_test(path) {
            all.push(path.clone());
        } else {
            let test = path.with_extension("").display().to_string();
            return Err(Problem::wrong(
                format!("{} is no test: their names end in {ENDING}", path.display()),
                format!("name the test of it: pitstop test {test}{ENDING}"),
            ));
        }
    }
    if all.is_empty() {
        return Err(Problem::wrong(
            "there is no test",
            "write one beside the runbook: runbooks/NAME.test.yml (pitstop init makes an example)",
        ));
    }
    Ok(all)
}

fn is_test(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

/// Runs the cases of a file; `None`: it cannot be read, or has no case of the wanted name.
fn of_file(
    path: &Path,
    args: &Args,
    console: &Console,
    wrong: &mut Diagnostics,
) -> Result<Option<FileResult>, Problem> {
    let given = console.project_args();
    let room = project::room(&given, Some(path))?;
    let Some(name) = inside(&room.folder, path) else {
        return Err(Problem::wrong(
            format!(
                "{} lies outside the project {}",
                path.display(),
                room.folder.root().display()
            ),
            "name the project it belongs to: --project DIR",
        ));
    };
    let mut diags = Diagnostics::new();
    let read = room.folder.read(&name);
    let bytes = read.map_err(|e| Problem::wrong(format!("cannot read {name}: {e}"), "name a test"))?;
    let file = yaml::source(&name, &bytes, &mut diags).and_then(|source| testfile::read(&source, &mut diags));
    let Some(mut file) = file.filter(|_| !diags.has_errors()) else {
        wrong.0.extend(diags.0);
        return Ok(None);
    };
    // A bare name is the runbook beside its test, wherever the two are copied.
    if let Some((dir, _)) = name.rsplit_once('/').filter(|_| !file.runbook.contains('/')) {
        file.runbook.value = format!("{dir}/{}", file.runbook.value);
    }
    let wanted: Vec<&Case> = file
        .cases
        .iter()
        .filter(|c| args.only.as_ref().is_none_or(|only| *only == c.name.value))
        .collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let Some(shared) = Shared::load(&file, &room, &given, &mut diags) else {
        wrong.0.extend(diags.0);
        return Ok(None);
    };
    let mut used = BTreeSet::new();
    let mut cases = Vec::new();
    for case in wanted {
        let Some(plan) = shared.plan(case, &mut diags) else {
            continue;
        };
        cases.push(one(&shared, case, plan, &mut used)?);
    }
    if diags.has_errors() {
        wrong.0.extend(diags.0);
        return Ok(None);
    }
    let mut whole = Diagnostics::new();
    if args.only.is_none() {
        never_used(&file, &used, &mut whole);
    }
    Ok(Some(FileResult {
        file: name,
        cases,
        diags: whole,
    }))
}

/// Answers of the whole file that no case used.
fn never_used(file: &TestFile, used: &BTreeSet<usize>, diags: &mut Diagnostics) {
    for (_, answer) in file.answers.iter().enumerate().filter(|(n, _)| !used.contains(n)) {
        let d = Diagnostic::error("PS0726", "no case used this answer", answer.span.clone(), "never given");
        diags.push(d.help("delete it, or look for the command it was meant for"));
    }
}

/// Runs one case and judges it.
fn one(
    shared: &Shared<'_>,
    case: &Case,
    plan: crate::plan::Plan,
    used: &mut BTreeSet<usize>,
) -> Result<CaseResult, Problem> {
    let began = Instant::now();
    let result = |diags: Vec<Diagnostic>, ran: Option<&Ran>, hosts: usize| CaseResult {
        name: case.name.value.clone(),
        diags: Diagnostics(diags),
        hosts,
        commands: ran.map_or(0, |r| r.said.len()),
        simulated: ran.map_or(Duration::ZERO, |r| {
            Duration::try_from(r.ended.duration_since(r.began)).unwrap_or_default()
        }),
        took: began.elapsed(),
    };
    let hosts = plan.hosts.len();
    let mut replay = None;
    if let Some(journal) = &case.journal {
        let path = shared.room.folder.root().join(&journal.value);
        match replay::read(&path, &plan, &journal.span) {
            Ok(read) => replay = Some(read),
            Err(why) => {
                let what = "the journal cannot answer for hosts";
                let d = Diagnostic::error("PS0716", what, journal.span.clone(), why);
                let d = d.help("name a run's journal.jsonl, in a copy of its folder: .pitstop/runs/RUN/journal.jsonl");
                return Ok(result(vec![d], None, hosts));
            }
        }
    }
    let script = match &replay {
        Some(replay) => replay.script.clone(),
        None => Script {
            answers: case.answers.iter().chain(&shared.file.answers).map(answer).collect(),
            ..Script::default()
        },
    };
    let ran = case::run(shared, case, plan, script)?;
    let unused: BTreeSet<usize> = ran.unused.iter().copied().collect();
    let mine = case.answers.len();
    used.extend((0..shared.file.answers.len()).filter(|n| replay.is_none() && !unused.contains(&(n + mine))));
    let diags = judge::judge(case, &ran, replay.as_ref());
    Ok(result(diags, Some(&ran), hosts))
}

#[cfg(test)]
mod tests;

/// An answer as the transport has it.
fn answer(a: &testfile::Answer) -> script::Answer {
    let login = matches!(a.matches.as_str().trim_matches(['^', '$']), "connect");
    script::Answer {
        on: a.on.value.clone(),
        matches: match login {
            true => Matches::Login,
            false => Matches::Text(a.matches.value.clone()),
        },
        rc: a.rc,
        stdout: a.stdout.clone(),
        stderr: a.stderr.clone(),
        status: a.status,
        after: a.after,
        then: a.then.map(|then| match then {
            Then::Refuse => Fault::Refuse,
            Then::Cut => Fault::Cut,
            Then::Hang => Fault::Hang,
            Then::Reboot => Fault::Reboot,
            Then::NeverReturns => Fault::NeverReturns,
            Then::Lie => Fault::Lie,
        }),
        away: a.away,
        times: a.times,
    }
}
