//! What former runs of the same runbook came to: their objectives, and what people found in them.
//!
//! Owns: what a former run gives, and what of it a record keeps. Must not: read other runs (they are handed in), or take what was
//! measured otherwise for the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ChangeRecord, Verdict};
use crate::id::Digest;
use crate::plan::Plan;
use crate::plan::page::shown;
use crate::run::event::Stamped;
use crate::run::{Run, moment, moved, objective};
use crate::runbook::reviewfile::{Finding, Review};

/// So many former runs are kept in a record.
const KEPT: usize = 24;

/// The objectives of a former run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerRun {
    /// Its id.
    pub run: String,
    /// When it began.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// How it ended.
    pub verdict: Verdict,
    /// Its mode and parameters, where they are not those of this run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub otherwise: BTreeMap<String, String>,
    /// What was measured.
    pub objectives: Vec<FormerObjective>,
}

/// An objective, as a former run measured it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerObjective {
    /// Its name.
    pub name: String,
    /// The limit then.
    pub max_ms: u64,
    /// What counted against it; `None`: a mark was missing.
    pub actual_ms: Option<u64>,
    /// The part in which people were waited for.
    pub waited_ms: u64,
    /// True if the limit was kept.
    pub met: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A review that is kept with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// Of the file's bytes.
    pub sha256: Digest,
    /// Where it lies in the run's folder.
    pub file: String,
    /// What it says.
    pub review: Review,
}

/// What is known of the drills before this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDrill {
    /// The last one.
    pub run: String,
    /// When it began.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// How it ended.
    pub verdict: Verdict,
    /// The digest of its review; `None`: nobody has reviewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Digest>,
    /// What its review found, and what earlier ones found and nobody closed since.
    pub findings: Vec<FormerFinding>,
}

/// A finding of a former drill, as it was last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerFinding {
    /// The run whose review told it last.
    pub run: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What a former run tells.
#[derive(Clone, Debug)]
pub struct FormerFacts {
    /// Its objectives.
    pub run: FormerRun,
    /// Its mode.
    mode: Option<String>,
    /// Its parameters.
    params: BTreeMap<String, String>,
    /// Its review.
    pub review: Option<Reviewed>,
}

/// What a run tells to a later one; `None`: it says nothing, for it is not over, or was only tried.
pub fn facts(id: &str, plan: &Plan, run: &Run, events: &[Stamped], review: Option<Reviewed>) -> Option<FormerFacts> {
    let (verdict, _) = run.ended?;
    let over = !matches!(verdict, Verdict::Waiting | Verdict::Stopped);
    if !over || run.dry || plan.rehearsal {
        return None;
    }
    let told = moved::on_one_clock(plan, events);
    let of = |o: objective::ObjectiveResult| FormerObjective {
        name: o.name,
        max_ms: o.max_ms,
        actual_ms: o.actual_ms,
        waited_ms: o.waited_ms,
        met: o.met,
        why: o.why,
    };
    Some(FormerFacts {
        run: FormerRun {
            run: id.to_owned(),
            at: run.started?,
            verdict,
            otherwise: BTreeMap::new(),
            objectives: objective::objectives(plan, &told).into_iter().map(of).collect(),
        },
        mode: plan.mode.clone(),
        params: plan.params.iter().map(|(k, v)| (k.clone(), shown(v))).collect(),
        review,
    })
}

impl ChangeRecord {
    /// Keeps what former runs of the same runbook, newest first, came to.
    pub fn carry_history(&mut self, former: impl IntoIterator<Item = FormerFacts>) {
        let mut seen: Vec<String> = Vec::new();
        for f in former {
            self.carry_findings(&f, &mut seen);
            if self.former.len() < KEPT && !f.run.objectives.is_empty() {
                let otherwise = self.otherwise(&f);
                self.former.push(FormerRun { otherwise, ..f.run });
            }
        }
        self.former.reverse();
    }

    /// What was not as in this run.
    fn otherwise(&self, f: &FormerFacts) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for name in self.params.keys().chain(f.params.keys()) {
            if self.params.get(name) != f.params.get(name) {
                let then = f.params.get(name).map_or("not there", String::as_str);
                out.insert(name.clone(), then.to_owned());
            }
        }
        if self.mode != f.mode {
            out.insert("mode".to_owned(), f.mode.clone().unwrap_or_else(|| "none".to_owned()));
        }
        out
    }

    /// The newest word on each finding: that of the last review whole, of older ones what is still open.
    fn carry_findings(&mut self, f: &FormerFacts, seen: &mut Vec<String>) {
        let last = self.last_drill.get_or_insert_with(|| LastDrill {
            run: f.run.run.clone(),
            at: f.run.at,
            verdict: f.run.verdict,
            review: f.review.as_ref().map(|r| r.sha256.clone()),
            findings: Vec::new(),
        });
        let newest = last.run == f.run.run;
        for finding in f.review.iter().flat_map(|r| &r.review.findings) {
            if seen.contains(&finding.id) {
                continue;
            }
            seen.push(finding.id.clone());
            if newest || finding.is_open() {
                last.findings.push(FormerFinding {
                    run: f.run.run.clone(),
                    finding: finding.clone(),
                });
            }
        }
    }
}
