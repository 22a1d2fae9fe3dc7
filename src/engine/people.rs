//! Gates and manual steps in the loop: shown to the person, answers found, counted and written down.
//!
//! Owns: when a gate is looked at and what ends it. Must not: count a vote that is not proven (that is `approval`).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::EngineError;
use super::drive::{Driver, Message};
use super::gate::{Ballot, Question, answer};
use crate::action::{Done, End, Job};
use crate::plan::{AfterBatch, Otherwise, Plan, PlanItem, PlannedGate, PlannedStep, Value};
use crate::run::event::{Answer, Event, GateEnd, StepKey};

impl Driver {
    /// Looks for answers to an open gate. True: something was written down.
    pub(super) async fn ask_gate(&mut self, id: &str) -> Result<bool, EngineError> {
        let plan = Arc::clone(&self.setup.plan);
        let Some(gate) = find(&plan, id) else { return Ok(false) };
        if gate.requirement.approvers.is_empty() {
            self.show(id, gate, true);
        } else if self.look(id, gate).await? {
            return Ok(true);
        } else {
            self.show(id, gate, false);
        }
        // Only a running pitstop can take the run back when the gate expires: with `rollback_run` it waits, terminal or not.
        self.leave_waiting = !self.setup.approver.present() && gate.otherwise != Otherwise::RollbackRun;
        Ok(false)
    }

    async fn look(&mut self, id: &str, gate: &PlannedGate) -> Result<bool, EngineError> {
        let Some(opened) = self.openings.get(id).cloned() else {
            return Ok(false);
        };
        let used = self.used();
        let tally = Ballot {
            plan: &self.setup.plan,
            digest: &self.setup.digest,
            run: &self.setup.id,
            operators: self.run.operators.iter().cloned().collect(),
            folders: &self.setup.approval_folders,
            used: &used,
            now: self.setup.clock.now(),
        }
        .gate(id, gate, &opened);
        let known: BTreeSet<String> = self
            .run
            .gates
            .get(id)
            .map(|g| g.answers.iter().map(|a| a.statement.clone()).collect())
            .unwrap_or_default();
        let mut events: Vec<Event> = tally
            .approved_by
            .iter()
            .chain(&tally.rejected_by)
            .map(answer)
            .filter(|a| !known.contains(&a.statement))
            .map(|answer| Event::GateAnswered {
                gate: id.to_owned(),
                answer,
            })
            .collect();
        if !tally.rejected_by.is_empty() {
            events.push(Event::GateClosed {
                gate: id.to_owned(),
                why: GateEnd::Rejected,
            });
        } else if tally.missing == 0 {
            events.push(Event::GatePassed { gate: id.to_owned() });
        }
        let any = !events.is_empty();
        self.record_all(events).await?;
        Ok(any)
    }

    /// Nonces that counted at another gate; those of a gate that is still open count there again.
    fn used(&self) -> BTreeSet<String> {
        self.run
            .gates
            .values()
            .filter(|g| g.state != crate::run::GateState::Open)
            .flat_map(|g| g.answers.iter().map(|a| a.statement.clone()))
            .collect()
    }

    fn show(&mut self, id: &str, gate: &PlannedGate, typed: bool) {
        if !self.shown.insert(id.to_owned()) || !self.setup.approver.present() {
            return;
        }
        let groups = gate.requirement.approvers.join(", ");
        let needs = if typed {
            "the operator: type the gate's name (this is recorded as unsigned)".to_owned()
        } else {
            format!("{} of {groups}", gate.requirement.need)
        };
        let question = Question {
            gate: id.to_owned(),
            title: gate.title.clone(),
            needs,
            typed,
            expires: self
                .run
                .gates
                .get(id)
                .map_or_else(|| self.setup.clock.now(), |g| g.expires),
            shown: self.evidence(gate),
        };
        let (approver, send, gate) = (self.setup.approver.clone(), self.send.clone(), id.to_owned());
        tokio::spawn(async move {
            let yes = approver.ask(&question).await;
            let _ = send.send(Message::Typed { gate, yes });
        });
    }

    /// The results a gate shows, one line a host.
    fn evidence(&self, gate: &PlannedGate) -> Vec<String> {
        let mut lines = Vec::new();
        for shown in &gate.show {
            let Some((phase, step)) = shown.split_once('/') else {
                continue;
            };
            let place = (phase.to_owned(), step.to_owned());
            for (host, places) in self.run.results.get(&place).into_iter().flatten() {
                let host = host.as_ref().map_or("-", |h| h.as_str());
                for (nth, (outcome, result)) in places.iter() {
                    let nth = if nth == 0 {
                        String::new()
                    } else {
                        format!("#{}", u64::from(nth) + 1)
                    };
                    let first = result.stdout.text.lines().next().unwrap_or("");
                    lines.push(
                        format!("{shown}{nth} on {host}: {} {first}", outcome.as_str())
                            .trim_end()
                            .to_owned(),
                    );
                }
            }
        }
        lines
    }

    /// The operator typed an answer, where the gate asks for no signature.
    pub(super) async fn typed(&mut self, id: &str, yes: bool) -> Result<(), EngineError> {
        let plan = Arc::clone(&self.setup.plan);
        let open = self
            .run
            .gates
            .get(id)
            .is_some_and(|g| g.state == crate::run::GateState::Open);
        let Some(gate) = find(&plan, id).filter(|_| open) else {
            return Ok(());
        };
        if yes && !gate.requirement.approvers.is_empty() {
            return Ok(());
        }
        let answer = Answer {
            decision: if yes { "approve" } else { "reject" }.to_owned(),
            principal: self.setup.operator.clone(),
            comment: "typed at the terminal, unsigned".to_owned(),
            ..Answer::default()
        };
        let end = if yes {
            Event::GatePassed { gate: id.to_owned() }
        } else {
            Event::GateClosed {
                gate: id.to_owned(),
                why: GateEnd::Rejected,
            }
        };
        self.record_all(vec![
            Event::GateAnswered {
                gate: id.to_owned(),
                answer,
            },
            end,
        ])
        .await
    }

    /// A manual step: a person does it and says so.
    pub(super) fn ask_person(&mut self, step: &PlannedStep, key: StepKey, job: &Job) {
        let words = self
            .run
            .open
            .get(&key)
            .map_or_else(|| step.name.clone(), |o| o.call.clone());
        let task = self.task(step, key);
        let (approver, clock, limit) = (self.setup.approver.clone(), self.setup.clock.clone(), job.timeout);
        let (by, mut cancel) = (self.setup.operator.clone(), job.cancel.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let mut done = Done {
                end: End::Good,
                unchanged: false,
                rc: None,
                more: Default::default(),
            };
            tokio::select! {
                biased;
                said = approver.manual(&words) => {
                    done.more.insert("by".to_owned(), Value::Text(by));
                    done.more.insert("note".to_owned(), Value::Text(said.note));
                    if !said.done {
                        done.end = End::Failed("the person said that it was not done".to_owned());
                    }
                }
                () = clock.sleep(limit) => done.end = End::Failed(format!("nobody answered within {} s", limit.as_secs())),
                _ = cancel.wait_for(|stop| *stop) => done.end = End::Cancelled,
            }
            task.tell(done, Vec::new(), began.elapsed());
        });
    }
}

/// The gate with this id; `PHASE/N` is a rollout's.
fn find<'a>(plan: &'a Plan, id: &str) -> Option<&'a PlannedGate> {
    plan.items.iter().find_map(|item| match item {
        PlanItem::Gate(gate) => (gate.id == id).then_some(gate),
        PlanItem::Phase(phase) => {
            let gate = phase.rollout.gate.as_ref()?;
            let number: u32 = id.strip_prefix(phase.id.as_str())?.strip_prefix('/')?.parse().ok()?;
            (gate.after_batch == AfterBatch::Each || gate.after_batch == AfterBatch::Nth(number)).then_some(gate)
        }
    })
}
