//! `pitstop logs`: what hosts said, step by step.
//!
//! Owns: the choice and the headings. Must not: pass host text on unescaped.

use crate::journal::output;
use crate::plan::Value;
use crate::run::event::{Event, Kept, StepKey, StepResult};
use crate::text;

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::screen::Tone;
use super::stored::Stored;
use super::words;

/// So much of one stream is read.
const MAX_OUTPUT: u64 = 1 << 30;

/// Show the output of steps
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop logs last
  pitstop logs last web1
  pitstop logs last web1 restart")]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Only this host (`-`: steps that belong to no host)
    #[arg(value_name = "HOST")]
    host: Option<String>,
    /// Only this step, as STEP or PHASE/STEP
    #[arg(value_name = "STEP")]
    step: Option<String>,
}

/// Does it.
pub fn logs(args: &Args, console: &Console) -> Result<u8, Problem> {
    let stored = Stored::find(console, &args.run)?;
    let screen = &console.screen;
    let mut shown = 0_usize;
    for fact in &stored.read.facts {
        let Event::Settled { key, outcome, result } = &fact.event else {
            continue;
        };
        if !wanted(args, key) {
            continue;
        }
        shown += 1;
        let host = key.host.as_ref().map_or("-", |h| h.as_str());
        let clock = words::clock(&stored.plan, fact.at);
        let step = words::step_name(&stored.plan, key);
        let title = format!("{clock} {host} {step} {} (attempt {})", outcome.as_str(), key.attempt);
        screen.data(&format!("{}\n", screen.paint_data(Tone::Strong, &title)));
        streams(&stored, result, console);
    }
    if let Some(damage) = stored.damage() {
        screen.say(&format!("warning: {damage}"));
    }
    if shown == 0 {
        let help = format!("see which steps ran: pitstop status {}", args.run);
        return Err(Problem::wrong("no step that has ended is meant by that", help));
    }
    Ok(exit::GOOD)
}

fn wanted(args: &Args, key: &StepKey) -> bool {
    let host = key.host.as_ref().map_or("-", |h| h.as_str());
    let host_ok = args.host.as_ref().is_none_or(|h| h == host);
    let whole = format!("{}/{}", key.phase, key.step);
    host_ok && args.step.as_ref().is_none_or(|s| *s == key.step || *s == whole)
}

fn streams(stored: &Stored, result: &StepResult, console: &Console) {
    if !result.why.is_empty() {
        console
            .screen
            .data(&format!("  why: {}\n", text::terminal_line(&result.why)));
    }
    // What an action found out by its output says more than that: of a `baseline` all that is there.
    if let Some(Value::List(changes)) = result.more.get("changes") {
        for change in changes {
            let change = text::terminal_line(&change.plain());
            console.screen.data(&format!("  changed: {change}\n"));
        }
    }
    for (name, kept) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
        stream(stored, name, kept, console);
    }
}

fn stream(stored: &Stored, name: &str, kept: &Kept, console: &Console) {
    if kept.bytes == 0 {
        return;
    }
    let screen = &console.screen;
    match output::load(&stored.folder.output(), kept, MAX_OUTPUT) {
        Ok(bytes) => {
            let said = String::from_utf8_lossy(&bytes);
            for line in said.lines() {
                screen.data(&format!("  {name}: {}\n", text::terminal(line)));
            }
            if kept.truncated {
                screen.data(&format!("  {name}: … (cut: the host sent {} bytes)\n", kept.bytes));
            }
        }
        Err(fault) => screen.say(&format!("warning: {fault}")),
    }
}
