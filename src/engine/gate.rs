//! People: gates and manual steps.
//!
//! Owns: the [`Approver`] seam, and looking for signed answers. Must not: pass a gate by itself, by time, or for lack of a terminal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::approval::{self, Decision, Subject, Tally, Wanted};
use crate::id::{Digest, HostName, RunId};
use crate::key::AllowedSigners;
use crate::plan::{Plan, PlannedGate, Requirement};
use crate::run::ask::Choice;
use crate::run::event::{Answer, Outcome};
use crate::transport::Pending;

/// A question to the person at the terminal.
#[derive(Clone, Debug)]
pub struct Question {
    /// The gate's id.
    pub gate: String,
    /// The question.
    pub title: String,
    /// For whom it waits.
    pub needs: String,
    /// True: the operator may answer by typing the gate's name (unsigned).
    pub typed: bool,
    /// When it gives up.
    pub expires: Timestamp,
    /// Results that are its evidence, one line each.
    pub shown: Vec<String>,
}

/// What a person said about a manual step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// True: done.
    pub done: bool,
    /// What they noted.
    pub note: String,
}

/// A step of a host that did not end well, as a person is asked about it.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The host.
    pub host: HostName,
    /// The step: stage, id and name.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, one sentence.
    pub why: String,
    /// The last lines of what it said.
    pub said: Vec<String>,
    /// What may be answered, each with what it does here.
    pub choices: Vec<(Choice, String)>,
    /// What is done without an answer.
    pub policy: String,
    /// When that is.
    pub until: Timestamp,
}

/// A person's decision on a step, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What.
    pub choice: Choice,
    /// Why.
    pub reason: String,
}

/// A person, as the engine sees one. The third seam.
pub trait Approver: Send + Sync {
    /// True if a person can answer here.
    fn present(&self) -> bool;
    /// Shows a gate; ends with `Some(true)`, `Some(false)` when the person typed an answer, never otherwise.
    fn ask<'a>(&'a self, question: &'a Question) -> Pending<'a, bool>;
    /// Shows a manual step and waits for its end.
    fn manual<'a>(&'a self, text: &'a str) -> Pending<'a, Manual>;
    /// True if the person is asked about steps that do not end well, before the policy acts.
    fn decides(&self) -> bool {
        false
    }
    /// Asks about one; `None`: nobody can answer here any more. Only where `decides`.
    fn decide<'a>(&'a self, _: &'a Trouble) -> Pending<'a, Option<Chosen>> {
        Box::pin(std::future::ready(None))
    }
}

/// Nobody: CI, cron.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Approver for Nobody {
    fn present(&self) -> bool {
        false
    }

    fn ask<'a>(&'a self, _: &'a Question) -> Pending<'a, bool> {
        Box::pin(std::future::pending())
    }

    fn manual<'a>(&'a self, _: &'a str) -> Pending<'a, Manual> {
        Box::pin(std::future::pending())
    }
}

/// What looking for signed answers needs.
pub(super) struct Ballot<'a> {
    pub plan: &'a Plan,
    pub digest: &'a Digest,
    pub run: &'a RunId,
    pub operators: Vec<String>,
    /// Folders with approval files.
    pub folders: &'a [PathBuf],
    /// Nonces that counted before.
    pub used: &'a BTreeSet<String>,
    pub now: Timestamp,
}

impl Ballot<'_> {
    /// The count for a gate that was opened by the record with this hash.
    pub fn gate(&self, id: &str, gate: &PlannedGate, opened: &Digest) -> Tally {
        let subject = Subject::Gate {
            run: self.run.clone(),
            gate: id.to_owned(),
            opened: opened.clone(),
        };
        self.count(&subject, &gate.requirement)
    }

    fn count(&self, subject: &Subject, requirement: &Requirement) -> Tally {
        count(
            self.plan,
            self.digest,
            subject,
            requirement,
            self.operators.clone(),
            self.folders,
            self.used,
            self.now,
        )
    }
}

/// Reads, proves and counts the approvals of a plan or gate.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different fact that decides who counts; a struct would only rename them"
)]
pub fn count(
    plan: &Plan,
    digest: &Digest,
    subject: &Subject,
    requirement: &Requirement,
    operators: Vec<String>,
    folders: &[PathBuf],
    used: &BTreeSet<String>,
    now: Timestamp,
) -> Tally {
    let Some(policy) = &plan.policy else {
        return nobody(requirement);
    };
    let (allowed, _) = AllowedSigners::parse(&policy.allowed_signers, "allowed_signers");
    let folders: Vec<&std::path::Path> = folders.iter().map(PathBuf::as_path).collect();
    let (found, skipped) = approval::scan(&folders);
    let wanted = Wanted {
        plan: digest,
        subject,
        overrides: None,
        until: None,
    };
    let mut votes = Vec::new();
    let mut refused = Vec::new();
    for approval in &found {
        match approval.judge(&wanted, &allowed, now) {
            Ok(vote) => votes.push(vote),
            Err(why) if why.is_about_something_else() => {}
            Err(why) => refused.push((approval.file.clone(), why.to_string())),
        }
    }
    let asked = approval::Requirement {
        need: requirement.need,
        approvers: requirement.approvers.clone(),
        not_operator: requirement.not_operator,
        operators,
    };
    let mut tally = approval::count(&asked, &policy.approvers, &votes, used);
    tally.ignored.extend(refused);
    tally.ignored.extend(skipped.into_iter().map(|s| (s.file, s.reason)));
    tally
}

/// Without a policy nobody can sign.
fn nobody(requirement: &Requirement) -> Tally {
    Tally {
        missing: requirement.need.max(1),
        ..Tally::default()
    }
}

/// A vote as the journal keeps it.
pub fn answer(vote: &approval::Vote) -> Answer {
    Answer {
        decision: match vote.statement.decision {
            Decision::Approve => "approve".to_owned(),
            Decision::Reject => "reject".to_owned(),
        },
        principal: vote.statement.principal.clone(),
        role: vote.statement.role.clone(),
        key: vote.fingerprint.clone(),
        statement: vote.statement.nonce.clone(),
        comment: vote.statement.comment.clone(),
        override_: String::new(),
    }
}
