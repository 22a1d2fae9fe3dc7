//! What a former run found, beside the plan: it is no part of the digest.
//!
//! Owns: this section of the page. Must not: read a journal; it is given what was found.

use super::words::{count, day, duration};
use super::{Block, Section, code};
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::plan::{BuiltIn, Call, PatchMode, Plan};

/// More rows help nobody; the rest is counted.
const MOST_ROWS: usize = 200;

/// What a run found out about its hosts.
#[derive(Clone, Debug, Default)]
pub struct Learnt {
    /// Its id.
    pub run: String,
    /// When it last learnt something.
    pub at: Option<jiff::Timestamp>,
    /// How old that is.
    pub age_ms: u64,
    /// A dry run.
    pub dry: bool,
    /// It ran this very plan.
    pub same_plan: bool,
    /// What hosts told about themselves.
    pub hosts: Vec<(HostName, Facts)>,
    /// Results of steps that change nothing.
    pub results: Vec<Found>,
    /// Which updates could be taken back, by host.
    pub rollback: Vec<Rollback>,
}

/// What a scan found out about the way back of one host's updates.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// Which host.
    pub host: String,
    /// So many updates can be taken back.
    pub possible: u64,
    /// Of so many.
    pub of: u64,
    /// The former versions that cannot be had any more.
    pub missing: Vec<String>,
}

/// What is known of the way back where the plan installs updates; nothing where it installs none.
pub(super) fn way_back(plan: &Plan, learnt: Option<&Learnt>) -> Option<Section> {
    let installs = |call: &Call| matches!(call, Call::BuiltIn(BuiltIn::Patch(p)) if p.mode == PatchMode::Install);
    plan.written_steps()
        .find(|(_, step)| step.skip.is_none() && installs(&step.call))?;
    let found = learnt.filter(|l| !l.rollback.is_empty());
    let Some(learnt) = found else {
        let text = format!(
            "Not known: `pitstop run {} --dry` asks the hosts, and `plan --facts RUN` takes what it found.",
            plan.path
        );
        return Some(Section::new("Can the updates be taken back?", vec![Block::Text(text)]));
    };
    let sum = |of: fn(&Rollback) -> u64| learnt.rollback.iter().map(of).sum::<u64>();
    let (possible, of) = (sum(|r| r.possible), sum(|r| r.of));
    let said = format!(
        "{possible} of {} can be taken back, as of {} before this page was made.",
        count(usize::try_from(of).unwrap_or(usize::MAX), "update", "updates"),
        duration(learnt.age_ms)
    );
    let mut blocks = vec![match possible == of {
        true => Block::Text(said),
        false => Block::Warning(said),
    }];
    let lost = learnt.rollback.iter().filter(|r| !r.missing.is_empty());
    let rows = lost.map(|r| vec![code(&r.host), r.missing.join(", ").into()]);
    cut(
        &mut blocks,
        "Former versions that cannot be had any more",
        &["Host", "Packages"],
        rows.collect(),
    );
    Some(Section::new("Can the updates be taken back?", blocks))
}

/// The result of one step on one host.
#[derive(Clone, Debug)]
pub struct Found {
    /// `PHASE/STEP`.
    pub step: String,
    /// Where.
    pub host: String,
    /// How it ended.
    pub outcome: String,
    /// What it registered or said.
    pub value: String,
    /// How long it took.
    pub took_ms: u64,
}

pub(super) fn learnt(plan: &Plan, l: &Learnt) -> Section {
    let kind = if l.dry { "dry run" } else { "run" };
    let when =
        l.at.map_or_else(|| "at no known time".to_owned(), |at| day(at, plan.zone()));
    let whose = if l.same_plan {
        "of this very plan"
    } else {
        "of another plan of this runbook"
    };
    let mut blocks = vec![Block::Text(format!(
        "Found by the {kind} {} {whose}, {when}, {} before this page was made. Hosts may have changed since; none of it is in the digest.",
        l.run,
        duration(l.age_ms)
    ))];
    let not_ok = l.results.iter().filter(|r| r.outcome != "ok").count();
    if not_ok > 0 {
        blocks.push(Block::Warning(format!(
            "{} did not end ok.",
            count(not_ok, "result", "results")
        )));
    }
    let hosts = l.hosts.iter().map(|(name, f)| {
        let system = format!("{} {}", f.distro, f.version);
        let system = if system.trim().is_empty() {
            f.os.as_str()
        } else {
            system.trim()
        };
        vec![
            code(name.as_str()),
            system.into(),
            f.kernel.as_str().into(),
            f.virtual_.as_str().into(),
        ]
    });
    cut(
        &mut blocks,
        "Hosts",
        &["Host", "System", "Kernel", "Machine"],
        hosts.collect(),
    );
    let results = l.results.iter().map(|r| {
        vec![
            code(&r.step),
            r.host.as_str().into(),
            r.outcome.as_str().into(),
            r.value.as_str().into(),
            duration(r.took_ms).into(),
        ]
    });
    let head = ["Step", "Host", "Outcome", "Value", "Took"];
    cut(
        &mut blocks,
        "Results of steps that change nothing",
        &head,
        results.collect(),
    );
    Section::new(&format!("Found by a {kind}"), blocks)
}

fn cut(blocks: &mut Vec<Block>, caption: &str, head: &[&str], mut rows: Vec<Vec<super::Cell>>) {
    let left = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if rows.is_empty() {
        return;
    }
    blocks.push(Block::table(caption, head, rows));
    if left > 0 {
        blocks.push(Block::Text(format!("And {left} more.")));
    }
}
