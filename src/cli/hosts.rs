//! `pitstop hosts`: the inventory as pitstop reads it.
//!
//! Owns: the table. Must not: connect to a host (`doctor` and `scan` do).

use serde_json::json;

use crate::diag::{Diagnostics, render};
use crate::inventory::selector::Selector;
use crate::inventory::{Host, Transport};
use crate::plan::bind::unknown_host;

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::project;
use super::screen::table;
use super::selection;

/// Show the hosts of the inventory, with their groups, labels and how they are reached
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop hosts
  pitstop hosts --limit 'role=web env=prod'
  pitstop hosts -i inventory/lab.yml --json
  pitstop hosts --doctor                   log into each and say what is wrong, and with which step
  pitstop hosts --scan web1                show the host keys of web1, and write them to known_hosts after a yes

With --doctor the exit code is 0 if all hosts can be used and 1 if not. With --scan it is 1 if a host cannot be reached or shows
another key than the known one, and 6 if nobody said yes.")]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Log into each host and say which step works; changes nothing there
    #[arg(long, conflicts_with = "json")]
    doctor: bool,
    /// Show the keys of a host, and write them to the `known_hosts` that the inventory names for it, after a typed yes; more than
    /// once for more hosts
    #[arg(long, value_name = "HOST", conflicts_with_all = ["json", "doctor"])]
    scan: Vec<String>,
}

/// Does it.
pub fn hosts(args: &Args, console: &Console) -> Result<u8, Problem> {
    let mut given = console.project_args();
    selection::limit(&mut given)?;
    let room = project::room(&given, None)?;
    let mut diags = Diagnostics::new();
    let inventory = project::inventory(&given, &room, &mut diags);
    diags.sort();
    let Some(inventory) = inventory.filter(|_| !diags.has_errors()) else {
        return Err(Problem::Wrong(diags));
    };
    let screen = &console.screen;
    if !args.scan.is_empty() {
        return super::scan::scan(&args.scan, &inventory, room.folder.root(), console);
    }
    if !diags.0.is_empty() {
        screen.note(render::human(&diags, screen.color(), screen.width()).trim_end());
    }
    let mut chosen: Vec<&Host> = match &given.limit {
        None => inventory.hosts().iter().collect(),
        Some(text) => {
            let selector = Selector::parse(text).map_err(|e| Problem::wrong(e.message, e.help))?;
            if let Some(unknown) = selector.unknown(&inventory).into_iter().next() {
                return Err(Problem::wrong(unknown.message, unknown.help));
            }
            selector.select(&inventory)
        }
    };
    for name in given.hosts.iter().flatten() {
        if inventory.host(&name.value).is_none() {
            return Err(unknown_host(&inventory, name).into());
        }
    }
    if let Some(list) = &given.hosts {
        chosen.retain(|h| list.iter().any(|name| name.value == h.name.value.as_str()));
    }
    if args.doctor {
        return super::doctor::doctor(&chosen, &inventory, room.folder.root(), console);
    }
    if args.json {
        let list: Vec<serde_json::Value> = chosen.iter().map(|h| as_json(h)).collect();
        screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&list)?)
        ));
        return Ok(exit::GOOD);
    }
    let rows: Vec<Vec<String>> = chosen.iter().map(|h| row(h)).collect();
    screen.data(&table(
        &["HOST", "REACHED", "ADDRESS", "USER", "GROUPS", "LABELS"],
        &rows,
    ));
    let total = inventory.hosts().len();
    screen.note(&format!("{} of {total} hosts of {}", chosen.len(), inventory.name));
    Ok(exit::GOOD)
}

fn row(h: &Host) -> Vec<String> {
    let labels: Vec<String> = h.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let address = match h.transport {
        Transport::Local => "this machine".to_owned(),
        Transport::Ssh | Transport::Winrm => format!("{}:{}", h.address, h.port.unwrap_or(22)),
        Transport::Script => "answers from a file".to_owned(),
    };
    let jump = h.jump.as_ref().map(|j| format!(" via {}", j.value)).unwrap_or_default();
    vec![
        h.name.value.to_string(),
        word(h.transport).to_owned(),
        format!("{address}{jump}"),
        h.user.clone().unwrap_or_else(|| "you".to_owned()),
        or_dash(h.groups.join(",")),
        or_dash(labels.join(" ")),
    ]
}

fn as_json(h: &Host) -> serde_json::Value {
    json!({
        "name": h.name.value,
        "transport": word(h.transport),
        "os": h.os.as_str(),
        "address": h.address,
        "port": h.port,
        "user": h.user,
        "jump": h.jump.as_ref().map(|j| j.value.clone()),
        "groups": h.groups,
        "labels": h.labels,
        "vars": h.vars,
    })
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Ssh => "ssh",
        Transport::Local => "local",
        Transport::Winrm => "winrm",
        Transport::Script => "script",
    }
}
