//! What is said of an event that somebody is told of.
//!
//! Owns: the words and numbers of a notice, and the command that goes on. Must not: decide who is told, or send.

use std::collections::BTreeMap;

use super::drive::Driver;
use crate::action::notice::{Gate, Notice, SCHEMA};
use crate::plan::PlanItem;
use crate::run::event::{Event, HostState, Stamped, Verdict};
use crate::run::verdict::states;

/// Characters of a reason; the record has it whole.
const REASON: usize = 2000;

impl Driver {
    /// What is told of this event.
    pub(super) fn notice(&self, event: &str, stamped: &Stamped) -> Notice {
        let (plan, run) = (&self.setup.plan, self.setup.id.as_str());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for standing in states(plan, &self.run) {
            *counts.entry(standing.state.as_str().to_owned()).or_default() += 1;
        }
        let mut notice = Notice {
            schema: SCHEMA,
            event: event.to_owned(),
            at: stamped.at,
            run: run.to_owned(),
            plan: self.setup.digest.to_string(),
            runbook: plan.runbook.clone(),
            title: plan.title.clone(),
            ticket: plan.ticket.clone(),
            operator: self.setup.operator.clone(),
            counts,
            next: format!("pitstop status {run}"),
            ..Notice::default()
        };
        match &stamped.event {
            Event::GateOpened {
                gate, title, expires, ..
            } => {
                let (waits_for, next) = self.gate_words(gate);
                notice.gate = Some(Gate {
                    id: gate.clone(),
                    title: title.clone(),
                    waits_for,
                    expires: *expires,
                });
                notice.next = next;
            }
            Event::HostEnded {
                phase,
                host,
                state,
                why,
            } => {
                notice.phase = Some(phase.clone());
                notice.host = Some(host.to_string());
                notice.state = Some(state.as_str().to_owned());
                notice.reason = (!why.is_empty()).then(|| why.chars().take(REASON).collect());
                let unknown = self.run.line(phase, host).and_then(|l| l.unknown_step());
                if let (HostState::Unknown, Some(slot)) = (state, unknown) {
                    let step = &slot.step;
                    notice.next = format!("pitstop settle {run} {host}/{step} ok|failed|rerun|skip --reason WHY");
                }
            }
            Event::Ended {
                verdict,
                exit,
                left_behind,
            } => {
                notice.verdict = Some(verdict.as_str().to_owned());
                notice.exit = Some(*exit);
                notice.left_behind.clone_from(left_behind);
                notice.next = match verdict {
                    Verdict::Stopped => format!("pitstop resume {run}"),
                    Verdict::Stuck => format!("pitstop owed {run}"),
                    _ => format!("pitstop report {run}"),
                };
            }
            _ => {}
        }
        notice
    }

    /// For whom a gate waits, and the command that answers it.
    fn gate_words(&self, id: &str) -> (String, String) {
        let run = self.setup.id.as_str();
        let gates = self.setup.plan.items.iter().filter_map(|item| match item {
            PlanItem::Gate(gate) => Some((gate.id.clone(), gate)),
            PlanItem::Phase(phase) => Some((phase.id.clone(), phase.rollout.gate.as_ref()?)),
        });
        let of = id.rsplit_once('/').map_or(id, |(phase, _)| phase);
        let mut found = gates.filter(|(gate, _)| gate == of || gate == id);
        match found.next() {
            Some((_, gate)) if !gate.requirement.approvers.is_empty() => {
                let groups = gate.requirement.approvers.join(", ");
                (
                    format!("{} of {groups}", gate.requirement.need),
                    format!("pitstop approve {run} --gate {id} --key FILE"),
                )
            }
            _ => ("the operator".to_owned(), format!("pitstop resume {run}")),
        }
    }
}
