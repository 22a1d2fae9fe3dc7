//! `pitstop status`: how a run stands, what it owes, what may come next.
//!
//! Owns: the page and its JSON form. Must not: change anything.

use serde_json::json;

use crate::journal::store::Store;
use crate::plan::page::{day, duration};
use crate::run::GateState;
use crate::run::verdict::states;
use crate::runbook::project::InventoryFrom;
use crate::text::terminal_line;

use super::console::Console;
use super::exit;
use super::owed;
use super::problem::Problem;
use super::project;
use super::screen::{Tone, table};
use super::stored::{Standing, Stored};
use super::words;

/// Show how a run stands, what it owes and what can be done next
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop status
  pitstop status 20261206 --json
  pitstop status --config         where each setting came from")]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Show the settings and where each came from instead
    #[arg(long)]
    config: bool,
}

/// Does it.
pub fn status(args: &Args, console: &Console) -> Result<u8, Problem> {
    if args.config {
        return config(console);
    }
    let stored = Stored::find(console, &args.run)?;
    if args.json {
        console.screen.data(&format!(
            "{}\n",
            crate::text::json(&serde_json::to_string_pretty(&as_json(&stored))?)
        ));
        return Ok(exit::GOOD);
    }
    let screen = &console.screen;
    let out = page(&stored, console);
    screen.data(&out);
    if let Some(damage) = stored.damage() {
        screen.say(&format!("warning: {damage}"));
    }
    Ok(exit::GOOD)
}

fn page(stored: &Stored, console: &Console) -> String {
    let screen = &console.screen;
    let zone = stored.plan.window.as_ref().map_or("UTC", |w| w.timezone.as_str());
    let dry = if stored.run.dry { " (dry run)" } else { "" };
    let mut out = format!(
        "{}\n",
        screen.paint_data(Tone::Strong, &format!("{}{dry}", stored.id()))
    );
    let mut fact = |name: &str, value: String| out.push_str(&format!("{name:10}{value}\n"));
    fact("title", terminal_line(&stored.plan.title));
    fact("runbook", terminal_line(&stored.plan.path));
    if let Some(ticket) = &stored.plan.ticket {
        fact("change", terminal_line(ticket));
    }
    fact("plan", stored.digest.short().to_owned());
    fact("folder", stored.folder.path().display().to_string());
    if let Some(at) = stored.run.started {
        let who: Vec<String> = stored.run.operators.iter().map(|o| terminal_line(o)).collect();
        fact("started", format!("{} by {}", day(at, zone), who.join(", ")));
    }
    let standing = match stored.standing() {
        Standing::Running(pid) => screen.paint_data(Tone::Strong, &format!("running, process {pid}")),
        Standing::Interrupted => screen.paint_data(Tone::Bad, "interrupted: its process ended without a word"),
        Standing::Ended(verdict, exit) => {
            let word = screen.paint_data(words::verdict_tone(verdict), verdict.as_str());
            format!(
                "{word} (exit {exit}). {}",
                words::verdict_sentence(verdict, exit, stored.run.dry, stored.plan.rehearsal)
            )
        }
    };
    fact("stands", standing);
    if let Some((_, why)) = &stored.run.halted {
        fact("halted", terminal_line(why));
    }
    out.push('\n');
    let under_way = match stored.standing() {
        Standing::Running(_) => "is under way",
        _ => "was under way, and nobody has asked the host since",
    };
    let rows: Vec<Vec<String>> = states(&stored.plan, &stored.run)
        .iter()
        .map(|s| {
            let why = stored.run.line(&s.phase, &s.host).map_or("", |l| l.why.as_str());
            let mut open = stored.run.open.keys();
            let open = open.find(|k| k.phase == s.phase && k.host.as_ref() == Some(&s.host));
            let why = match open {
                Some(key) => format!("{} {under_way}", words::step_name(&stored.plan, key)),
                None => terminal_line(why),
            };
            vec![s.host.to_string(), s.phase.clone(), s.state.as_str().to_owned(), why]
        })
        .collect();
    out.push_str(&table(&["HOST", "PHASE", "STATE", "WHY"], &rows));
    for (id, gate) in &stored.run.gates {
        let state = match gate.state {
            GateState::Open => format!("waits until {}", day(gate.expires, zone)),
            GateState::Passed => "passed".to_owned(),
            GateState::Closed(_) => "did not pass".to_owned(),
        };
        out.push_str(&format!("\ngate {id}: {state}\n"));
    }
    let objectives = stored.objectives();
    if !objectives.is_empty() && !stored.run.dry {
        out.push('\n');
    }
    for o in objectives.iter().filter(|_| !stored.run.dry) {
        let name = terminal_line(&o.name);
        let said = match (o.actual_ms, o.met) {
            (Some(ms), true) => format!("{} of at most {}, met", duration(ms), duration(o.max_ms)),
            (Some(ms), false) => format!("{} of at most {}, missed", duration(ms), duration(o.max_ms)),
            (None, _) => format!("not measured: {}", terminal_line(&o.why)),
        };
        out.push_str(&format!("objective {name}: {said}\n"));
    }
    let owed = stored.owed();
    if owed.is_empty() {
        out.push_str("\nOwed: nothing.\n");
    } else {
        out.push_str("\nOwed:\n");
        owed::lines(&owed).iter().for_each(|l| out.push_str(&format!("{l}\n")));
    }
    if !matches!(stored.standing(), Standing::Running(_)) {
        for (command, what) in stored.next(&stored.name(console)) {
            out.push_str(&format!("next: {command}   # {what}\n"));
        }
    }
    out
}

fn as_json(stored: &Stored) -> serde_json::Value {
    let standing = stored.standing();
    let hosts: Vec<serde_json::Value> = states(&stored.plan, &stored.run)
        .iter()
        .map(|s| json!({ "host": s.host, "phase": s.phase, "state": s.state, "changed": s.changed }))
        .collect();
    let gates: Vec<serde_json::Value> = stored
        .run
        .gates
        .iter()
        .map(|(id, g)| json!({ "gate": id, "open": g.state == GateState::Open, "passed": g.state == GateState::Passed, "expires": g.expires }))
        .collect();
    json!({
        "run": stored.id(),
        "folder": stored.folder.path(),
        "plan": stored.digest,
        "runbook": stored.plan.runbook,
        "title": stored.plan.title,
        "ticket": stored.plan.ticket,
        "dry": stored.run.dry,
        "standing": standing.word(),
        "exit": match standing { Standing::Ended(_, exit) => Some(exit), _ => None },
        "started": stored.run.started,
        "last": stored.last(),
        "operators": stored.run.operators,
        "hosts": hosts,
        "gates": gates,
        "objectives": stored.objectives(),
        "owed": stored.owed(),
        "records": stored.read.head.records,
        "head": stored.read.head.hash,
        "damage": stored.damage(),
    })
}

/// Flag, environment, pitstop.yml, default: which won.
fn config(console: &Console) -> Result<u8, Problem> {
    let given = console.project_args();
    let room = project::room(&given, None)?;
    let or = |set: bool, flag: &str, other: &str| if set { flag.to_owned() } else { other.to_owned() };
    let found = if room.found {
        "the nearest pitstop.yml"
    } else {
        "default: no pitstop.yml was found"
    };
    let named = room.settings.inventory.as_ref().map(|i| match i {
        InventoryFrom::Path(path) => path.value.clone(),
        InventoryFrom::Command(argv) => argv.value.join(" "),
    });
    let inventory_from = match (&given.inventory, &named) {
        (Some(_), _) => "--inventory",
        (None, Some(_)) => "pitstop.yml",
        _ => "default",
    };
    let inventory = given.inventory.as_ref().map(|p| p.display().to_string()).or(named);
    let policy = room.settings.policy.as_ref().map(|p| p.value.clone());
    let store = Store::at(room.state.0.clone());
    let rows = vec![
        vec![
            "project".to_owned(),
            room.folder.root().display().to_string(),
            or(given.project.is_some(), "--project", found),
        ],
        vec![
            "inventory".to_owned(),
            inventory.unwrap_or_else(|| "inventory.yml".to_owned()),
            inventory_from.to_owned(),
        ],
        vec![
            "policy".to_owned(),
            policy
                .clone()
                .unwrap_or_else(|| "policy.yml, if it is there".to_owned()),
            or(policy.is_some(), "pitstop.yml", "default"),
        ],
        vec![
            "state".to_owned(),
            store.root().display().to_string(),
            room.state.1.to_owned(),
        ],
        vec![
            "operator".to_owned(),
            console.operator(),
            match (console.operator_given(), console.operator_named()) {
                (Some(_), _) => "--operator".to_owned(),
                (None, Some(_)) => "PITSTOP_OPERATOR".to_owned(),
                (None, None) => "default: the login name".to_owned(),
            },
        ],
    ];
    console.screen.data(&table(&["SETTING", "VALUE", "FROM"], &rows));
    Ok(exit::GOOD)
}
