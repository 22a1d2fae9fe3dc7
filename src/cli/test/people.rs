//! The people of a case: they answer gates and manual steps at their time.
//!
//! Owns: who says what when, and that an approval is a signed one. Must not: pass a gate; the engine counts, as always.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::approval::{Approval as Signed, Decision, Statement, Subject};
use crate::clock::Clock;
use crate::engine::gate::{Approver, Manual, Question};
use crate::id::{Digest, RunId};
use crate::journal;
use crate::journal::store::RunFolder;
use crate::key::Signer;
use crate::plan::PlannedPolicy;
use crate::run::event::Event;
use crate::runbook::testfile::{Approval, Asked};
use crate::transport::Pending;

/// What people will say, and what of it was asked for.
#[derive(Debug, Default)]
pub struct Said {
    given: Mutex<Vec<bool>>,
    faults: Mutex<Vec<String>>,
}

impl Said {
    /// Nothing was asked yet.
    pub fn new(approvals: usize) -> Arc<Self> {
        Arc::new(Self {
            given: Mutex::new(vec![false; approvals]),
            faults: Mutex::default(),
        })
    }

    /// Entries, by number, that nobody asked for.
    pub fn unused(&self) -> Vec<usize> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.iter().enumerate().filter(|(_, g)| !**g).map(|(n, _)| n).collect()
    }

    /// Why an approval could not be made: a broken machine.
    pub fn fault(&self) -> Option<String> {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
            .cloned()
    }

    fn give(&self, number: usize) -> bool {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get_mut(number).is_some_and(|g| !std::mem::replace(g, true))
    }

    fn is_given(&self, number: usize) -> bool {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(number).copied().unwrap_or(true)
    }
}

/// The people of one process of a run.
pub struct People {
    /// What they say.
    pub approvals: Vec<Approval>,
    /// What of it was asked for.
    pub said: Arc<Said>,
    /// False: nobody sits at the terminal.
    pub present: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where signed answers are put.
    pub folder: RunFolder,
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan: Digest,
    /// Who is in which group.
    pub policy: Option<PlannedPolicy>,
    /// Their keys.
    pub keys: Arc<BTreeMap<String, Signer>>,
}

impl People {
    /// Answers to this gate that were not given yet, with their numbers.
    fn of_gate<'a>(&'a self, gate: &'a str) -> impl Iterator<Item = (usize, &'a Approval)> {
        let mine = move |(number, a): &(usize, &Approval)| {
            let here = matches!(&a.at, Asked::Gate(id) if id.value == gate);
            here && !self.said.is_given(*number)
        };
        self.approvals.iter().enumerate().filter(mine)
    }

    async fn answer(&self, question: &Question) -> bool {
        let asked = self.clock.now();
        let mut list: Vec<(usize, &Approval)> = self.of_gate(&question.gate).collect();
        list.sort_by_key(|(_, approval)| approval.after);
        for (number, approval) in list {
            let at = add(asked, approval.after);
            let wait = std::time::Duration::try_from(at.duration_since(self.clock.now()));
            self.clock.sleep(wait.unwrap_or_default()).await;
            if !self.said.give(number) {
                continue;
            }
            if question.typed {
                return approval.yes;
            }
            if let Err(why) = self.sign(question, approval).await {
                self.said
                    .faults
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(why);
            }
        }
        std::future::pending().await
    }

    /// Puts a signed answer where the run looks for it.
    async fn sign(&self, question: &Question, approval: &Approval) -> Result<(), String> {
        let by = approval.by.as_ref().map(|by| by.value.clone()).unwrap_or_default();
        let Some(key) = self.keys.get(&by) else {
            // Nobody's word counts for nothing, as in a real run.
            return Ok(());
        };
        let read = journal::read(self.folder.path()).map_err(|e| e.to_string())?;
        let opened = read.records().rev().find_map(|(fact, hash)| match &fact.event {
            Event::GateOpened { gate, .. } if *gate == question.gate => Some(hash.clone()),
            _ => None,
        });
        let subject = Subject::Gate {
            run: self.run.clone(),
            gate: question.gate.clone(),
            opened: opened.ok_or("the gate is not open")?,
        };
        let decision = if approval.yes {
            Decision::Approve
        } else {
            Decision::Reject
        };
        let expires = add(question.expires, std::time::Duration::from_secs(1));
        let mut statement =
            Statement::new(self.plan.clone(), subject, decision, &by, expires).map_err(|e| e.to_string())?;
        statement.comment.clone_from(&approval.note);
        statement.role = self.role(&by);
        let mut signed = Signed::sign(statement, key).await.map_err(|e| e.to_string())?;
        signed.write(&self.folder.approvals()).map_err(|e| e.to_string())?;
        Ok(())
    }

    fn role(&self, by: &str) -> String {
        let groups = self.policy.iter().flat_map(|p| &p.approvers);
        let mut mine = groups.filter(|(_, people)| people.iter().any(|p| p == by));
        mine.next().map(|(group, _)| group.clone()).unwrap_or_default()
    }

    async fn work(&self, text: &str) -> Manual {
        let free = |(number, a): &(usize, &Approval)| {
            let here = matches!(&a.at, Asked::Manual(expression) if expression.is_match(text));
            here && !self.said.is_given(*number)
        };
        let Some((number, approval)) = self.approvals.iter().enumerate().find(free) else {
            return std::future::pending().await;
        };
        self.said.give(number);
        self.clock.sleep(approval.after).await;
        Manual {
            done: approval.yes,
            note: approval.note.clone(),
        }
    }
}

impl Approver for People {
    fn present(&self) -> bool {
        self.present
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Pending<'a, bool> {
        Box::pin(self.answer(question))
    }

    fn manual<'a>(&'a self, text: &'a str) -> Pending<'a, Manual> {
        Box::pin(self.work(text))
    }
}

fn add(at: Timestamp, wait: std::time::Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
