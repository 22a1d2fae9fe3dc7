//! `pitstop hosts --scan NAME`: the keys of a host for a person to compare, and the project's `known_hosts` after a yes.
//!
//! Owns: the list, the question, the lines that are added. Must not: add a key that nobody said yes to, or take one away.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use crate::inventory::Inventory;
use crate::plan::bind::{planned_host, unknown_host};
use crate::plan::{PlannedHost, TransportKind};
use crate::runbook::change;
use crate::text::terminal_line;
use crate::transport::{Endpoint, ShownKey, SshOptions, SshTransport, Standing};

use super::console::Console;
use super::execute;
use super::exit;
use super::person;
use super::problem::Problem;
use super::reach::{self, Means};
use super::run::fresh_id;
use super::screen::Tone;

/// Does it, one host after another.
pub fn scan(names: &[String], inventory: &Inventory, root: &Path, console: &Console) -> Result<u8, Problem> {
    let all: Vec<PlannedHost> = inventory.hosts().iter().map(planned_host).collect();
    let run = fresh_id(jiff::Timestamp::now())?;
    let config = console.ssh_config();
    let means = Means {
        hosts: &all,
        secrets: &BTreeMap::new(),
        root,
        run: &run,
        config: &config,
    };
    let mut work = Vec::new();
    for name in names {
        let Some(host) = all.iter().find(|h| h.name.as_str() == name) else {
            return Err(unknown_host(inventory, &change::flag("--scan", name)).into());
        };
        if host.transport != TransportKind::Ssh {
            return Err(Problem::wrong(
                format!("{name} is not reached over SSH: it has no host key"),
                "see how hosts are reached: pitstop hosts",
            ));
        }
        let endpoint = means.endpoint(host)?;
        let file = endpoint
            .known_hosts
            .first()
            .cloned()
            .filter(|_| !host.known_hosts.is_empty());
        let Some(file) = file else {
            return Err(Problem::wrong(
                format!("the inventory names no `known_hosts` for {name}: there is no file of the project to write to"),
                "write `known_hosts: known_hosts` under `defaults` of the inventory; the file is shared with it",
            ));
        };
        work.push((endpoint, file));
    }
    if !console.terminal() {
        return Err(Problem::refused(
            "a host's key is trusted by a person who has compared it, and there is no terminal to ask at",
            "run it on a terminal, and share the file that it writes",
        ));
    }
    let runtime = execute::runtime()?;
    // Only bastions on the way are logged in to.
    let bastions = work.iter().filter_map(|(endpoint, _)| endpoint.jump.as_deref());
    let transport = SshTransport::new(SshOptions {
        passphrases: runtime.block_on(reach::passphrases(bastions, console))?,
        ..SshOptions::from_env()
    });
    let mut code = exit::GOOD;
    for (endpoint, file) in work {
        code = code.max(match runtime.block_on(transport.shown(&endpoint)) {
            Ok(keys) => one(&endpoint, &file, &keys, console)?,
            Err(error) => {
                let screen = &console.screen;
                screen.say(&screen.paint(Tone::Bad, &terminal_line(&error.to_string())));
                screen.say(&format!("help: {}", terminal_line(&error.help)));
                exit::PERSON
            }
        });
    }
    Ok(code)
}

/// Shows the keys of a host, asks, writes.
fn one(to: &Endpoint, file: &Path, keys: &[ShownKey], console: &Console) -> Result<u8, Problem> {
    let screen = &console.screen;
    screen.say(&format!("{} ({}:{}) shows:", to.host, to.address, to.port));
    for key in keys {
        let (tone, word) = match &key.standing {
            Standing::Known => (Tone::Good, "known".to_owned()),
            Standing::New => (Tone::Plain, "new".to_owned()),
            Standing::Other(place) => (Tone::Bad, format!("NOT THE ONE of {place}")),
            Standing::Revoked(place) => (Tone::Bad, format!("REVOKED by {place}")),
        };
        let row = format!("  {:<20} {}  {word}", key.kind, key.fingerprint);
        screen.say(&screen.paint(tone, &terminal_line(&row)));
    }
    if keys
        .iter()
        .any(|k| matches!(k.standing, Standing::Other(_) | Standing::Revoked(_)))
    {
        screen.say("Nothing is written: somebody may be in between, or the host was set up anew. Find out which.");
        screen.say("help: compare on the host's console; if it is new, delete the old line by hand, then scan again");
        return Ok(exit::PERSON);
    }
    let new: Vec<&ShownKey> = keys.iter().filter(|k| k.standing != Standing::Known).collect();
    if new.is_empty() {
        screen.say("All of them are known; nothing to write.");
        return Ok(exit::GOOD);
    }
    screen.say("Compare with what the host itself says, on its console or by whoever set it up:");
    screen.say("  for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf \"$f\"; done");
    let question = format!(
        "Are these the keys of {}? yes writes them to {} ",
        to.host,
        file.display()
    );
    if person::ask(screen, &terminal_line(&question)).as_deref() != Some("yes") {
        return Err(Problem::refused(
            "nothing was written: nobody said yes",
            "the host stays unknown",
        ));
    }
    add(file, &new).map_err(|e| {
        Problem::fault(
            format!("cannot write {}: {e}", file.display()),
            "nothing or a part was written; look at the end of the file",
        )
    })?;
    let word = if new.len() == 1 { "key" } else { "keys" };
    screen.say(&format!(
        "{} {word} of {} written to {}",
        new.len(),
        to.host,
        file.display()
    ));
    Ok(exit::GOOD)
}

/// Adds lines at the end of the file, in one write.
fn add(file: &Path, keys: &[&ShownKey]) -> std::io::Result<()> {
    let before = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let mut lines = String::new();
    if before.last().is_some_and(|last| *last != b'\n') {
        lines.push('\n');
    }
    for key in keys {
        lines.push_str(&key.line);
        lines.push('\n');
    }
    let mut to = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    to.write_all(lines.as_bytes())?;
    to.sync_all()
}
