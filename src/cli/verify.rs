//! `pitstop verify`: is a run's folder still what was written?
//!
//! Owns: what is checked together (chain, files, plan, approvals) and how it is said. Must not: use the network or the policy
//! of today: what counts is what the plan froze.

use crate::approval::{self, Subject, Wanted};
use crate::journal::verify::verify as verify_journal;
use crate::key::AllowedSigners;
use crate::run::event::{Answer, Event};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::screen::Tone;
use super::stored::Stored;

/// Prove offline that a run's journal, plan, files and approvals are as they were written
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop verify last
  pitstop verify /backup/runs/20261206-010003-k3f9wq

Exit code 0: all is as it was; 1: something is not; 2: it cannot be read. A journal proves its own order and content. That
it was not written anew as a whole is proven by the chain's head, which `run` prints: keep it elsewhere.")]
pub struct Args {
    /// The run, or its folder
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
}

/// What was found: good sentences, then bad ones.
#[derive(Default)]
struct Found {
    good: Vec<String>,
    bad: Vec<String>,
    note: Vec<String>,
}

/// Does it.
pub fn verify(args: &Args, console: &Console) -> Result<u8, Problem> {
    let stored = Stored::find(console, &args.run)?;
    let mut found = Found::default();
    chain(&stored, &mut found)?;
    plan(&stored, &mut found);
    approvals(&stored, &mut found);
    let screen = &console.screen;
    let mark = |tone, word: &str, text: &String| {
        format!("{} {}\n", screen.paint_data(tone, word), crate::text::terminal(text))
    };
    let mut out = format!("{}\n", stored.folder.path().display());
    found
        .good
        .iter()
        .for_each(|t| out.push_str(&mark(Tone::Good, "good ", t)));
    found
        .note
        .iter()
        .for_each(|t| out.push_str(&mark(Tone::Warn, "note ", t)));
    found
        .bad
        .iter()
        .for_each(|t| out.push_str(&mark(Tone::Bad, "WRONG", t)));
    screen.data(&out);
    Ok(if found.bad.is_empty() { exit::GOOD } else { exit::PERSON })
}

fn chain(stored: &Stored, found: &mut Found) -> Result<(), Problem> {
    let planned = stored.plan.files.values().map(|f| f.digest.clone());
    let report = verify_journal(&stored.folder, planned).map_err(|f| Problem::wrong(f.to_string(), f.help.clone()))?;
    if let Some(damage) = &report.damage {
        found.bad.push(format!(
            "journal: record {} is not what was written: {}",
            damage.record, damage.why
        ));
    } else {
        let (records, hash) = (report.head.records, report.head.hash.hex());
        found.good.push(format!(
            "journal: {records} records follow each other; the chain's head is {hash}"
        ));
    }
    if let Some(torn) = &report.torn {
        let why = if torn.whole_line {
            "it may have been damaged later"
        } else {
            "a crash leaves that"
        };
        found.note.push(format!(
            "journal: the last record {} is not whole ({}); {why}",
            torn.record, torn.why
        ));
    }
    for p in &report.problems {
        found.bad.push(format!("{}: {}", p.path.display(), p.why));
    }
    if report.good_files > 0 {
        found.good.push(format!(
            "files: {} have the content that the journal and the plan name",
            report.good_files
        ));
    }
    for path in &report.unnamed {
        found.note.push(format!("{}: nothing names it", path.display()));
    }
    Ok(())
}

fn plan(stored: &Stored, found: &mut Found) {
    match &stored.run.plan {
        Some(named) if *named == stored.digest => {
            found
                .good
                .push(format!("plan: {} is the one that the run began with", named.short()));
        }
        Some(named) => found.bad.push(format!(
            "plan: the folder has {}, the run began with {}",
            stored.digest.short(),
            named.short()
        )),
        None => found
            .bad
            .push("plan: the journal does not say which plan the run began with".to_owned()),
    }
}

/// Every signed answer that counted must be there as a file, and its signature good when it counted.
fn approvals(stored: &Stored, found: &mut Found) {
    let folder = stored.folder.approvals();
    let (files, skipped) = approval::scan(&[&folder]);
    for s in skipped {
        found.bad.push(format!("{}: {}", s.file.display(), s.reason));
    }
    let signers = stored.plan.policy.as_ref().map_or("", |p| p.allowed_signers.as_str());
    let (allowed, _) = AllowedSigners::parse(signers, "allowed_signers");
    let mut opened = std::collections::BTreeMap::new();
    let mut good = 0_usize;
    for (fact, hash) in stored.read.records() {
        let (answers, gate): (&[Answer], Option<&String>) = match &fact.event {
            Event::GateOpened { gate, .. } => {
                opened.insert(gate.clone(), hash.clone());
                continue;
            }
            Event::Started { approvals, .. } => (approvals, None),
            Event::Resumed { overrides, .. } => (overrides, None),
            Event::GateAnswered { gate, answer } => (std::slice::from_ref(answer), Some(gate)),
            _ => continue,
        };
        for answer in answers {
            let who = &answer.principal;
            if answer.key.is_empty() {
                found
                    .note
                    .push(format!("approval of {who}: typed at the terminal, not signed"));
                continue;
            }
            let Some(file) = files.iter().find(|f| f.statement.nonce == answer.statement) else {
                found.bad.push(format!(
                    "approval of {who}: its signed statement is not in {}",
                    folder.display()
                ));
                continue;
            };
            let subject = match (gate, &stored.run.id) {
                (Some(gate), Some(run)) => opened.get(gate).map(|opened| Subject::Gate {
                    run: run.clone(),
                    gate: gate.clone(),
                    opened: opened.clone(),
                }),
                _ => Some(file.statement.subject.clone()),
            };
            let wanted = Wanted {
                plan: &stored.digest,
                subject: subject.as_ref().unwrap_or(&Subject::Plan),
                overrides: file.statement.overrides,
                until: None,
            };
            match file.judge(&wanted, &allowed, fact.at) {
                Ok(vote) if vote.fingerprint == answer.key => good += 1,
                Ok(_) => found.bad.push(format!(
                    "approval of {who}: signed by another key than the journal says"
                )),
                Err(why) => found.bad.push(format!("approval of {who}: {why}")),
            }
        }
    }
    if good > 0 {
        found.good.push(format!(
            "approvals: {good} signatures are good, by keys that were allowed when they counted"
        ));
    }
}
