//! The inventory that a command of `pitstop.yml` prints.
//!
//! Owns: running it, without a shell, with a limit of time and of output. Must not: be reached by `check`, or read the output:
//! `inventory` does.

use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::inventory::{Inventory, ansible};
use crate::runbook::files::{Files, Folder};
use crate::runbook::yaml;
use crate::text::terminal_line;

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of its complaints is kept.
const COMPLAINTS: usize = 4096;

/// Runs it and reads what it printed. Only good without errors.
pub(super) fn inventory(argv: &Spanned<Vec<String>>, folder: &Folder, diags: &mut Diagnostics) -> Option<Inventory> {
    let (program, arguments) = argv.value.split_first()?;
    if let Some(d) = no_program(argv, folder) {
        diags.push(d);
        return None;
    }
    let failed = |why: String| {
        Diagnostic::error(
            "PS0424",
            format!("no inventory from `{program}`: {why}"),
            argv.span.clone(),
            "this command",
        )
        .help("run it by hand in the project's folder; it must print what `ansible-inventory --list` prints")
    };
    let output = match run(program, arguments, folder) {
        Ok(output) => output,
        Err(why) => {
            diags.push(failed(why));
            return None;
        }
    };
    let source = yaml::source(&format!("output of {}", argv.value.join(" ")), &output, diags)?;
    // Variables lie beside a program of the project as beside a file; `Files` looks nowhere else.
    let base = program
        .strip_prefix("./")
        .unwrap_or(program)
        .rsplit_once('/')
        .map_or("", |(dir, _)| dir);
    let own = program.contains('/') && !program.starts_with('/');
    let files: &dyn Files = folder;
    let mut inventory = ansible::printed(&source, own.then_some((files, base)), diags)?;
    inventory.printed_by = Some(argv.value.clone());
    Some(inventory)
}

/// A list of inventories where a command is wanted: its first word is a file of the project that is no program.
pub(super) fn no_program(argv: &Spanned<Vec<String>>, folder: &Folder) -> Option<Diagnostic> {
    let program = argv.value.first()?;
    let about = std::fs::metadata(folder.root().join(program)).ok()?;
    let is_program = about.is_file() && about.permissions().mode() & 0o111 != 0;
    if is_program {
        return None;
    }
    let kind = if about.is_dir() {
        "a folder"
    } else {
        "a file that is no program"
    };
    let d = Diagnostic::error(
        "PS0431",
        format!("`{program}` is {kind}, and a list is a command"),
        argv.span.clone(),
        "its first word would be started as a program",
    )
    .help(format!(
        "a file or folder is written without brackets: `inventory: {program}`"
    ));
    Some(if argv.value.len() > 1 {
        d.help("there is one inventory: join files by groups in one of them, or put Ansible's into one folder and name that")
    } else {
        d.help(format!("if it is to be run: chmod +x {program}"))
    })
}

fn run(program: &str, arguments: &[String], folder: &Folder) -> Result<Vec<u8>, String> {
    let root = folder.root().canonicalize().map_err(|e| e.to_string())?;
    // A path is the project's; a bare name is looked for as a shell would.
    let path = if program.contains('/') {
        root.join(program)
    } else {
        program.into()
    };
    let mut child = Command::new(path)
        .args(arguments)
        .current_dir(&root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("it cannot be started: {e}"))?;
    let (send, receive) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let complaints = std::thread::spawn(move || take(stderr, COMPLAINTS, true));
    std::thread::spawn(move || send.send(take(stdout, yaml::MAX_BYTES + 1, false)));
    let Ok(output) = receive.recv_timeout(TIMEOUT) else {
        stop(&mut child);
        return Err(format!("it printed no end within {} s", TIMEOUT.as_secs()));
    };
    if output.len() > yaml::MAX_BYTES {
        stop(&mut child);
        return Err(format!("it printed more than {} MiB", yaml::MAX_BYTES >> 20));
    }
    // Its output has ended; what it does after that is not waited for long.
    let (ended, wait) = mpsc::channel();
    let group = child.id();
    std::thread::spawn(move || ended.send(child.wait()));
    let status = match wait.recv_timeout(TIMEOUT) {
        Ok(status) => status.map_err(|e| e.to_string())?,
        Err(_) => {
            stop_group(group);
            return Err(format!("it did not end within {} s", TIMEOUT.as_secs()));
        }
    };
    if status.success() {
        return Ok(output);
    }
    let said = complaints.join().unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let last = said.lines().last().unwrap_or("").to_owned();
    Err(format!(
        "it failed ({status}){}{}",
        if last.is_empty() { "" } else { ": " },
        terminal_line(&last)
    ))
}

/// The beginning of a stream; with `rest`, what follows is read and dropped, so that its writer is not held up.
fn take(from: Option<impl Read>, limit: usize, rest: bool) -> Vec<u8> {
    let Some(mut from) = from else { return Vec::new() };
    let mut bytes = Vec::new();
    // A stream that breaks has ended: the exit status tells what that means.
    let _ = from.by_ref().take(limit as u64).read_to_end(&mut bytes);
    if rest {
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    bytes
}

fn stop(child: &mut Child) {
    stop_group(child.id());
    let _ = child.wait();
}

/// With what it started.
fn stop_group(id: u32) {
    let group = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended already: then there is nothing to stop.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}
