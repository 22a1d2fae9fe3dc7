//! The question about a step that did not end well: shown to the person, the answer written down.
//!
//! Owns: what is shown, and that an answer counts only while its question is open. Must not: decide; silence is no answer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::AbortHandle;

use super::EngineError;
use super::drive::{Driver, Message};
use super::gate::{Chosen, Trouble};
use crate::id::HostName;
use crate::plan::{PlannedPhase, PlannedStep};
use crate::run::ask::{self, Choice};
use crate::run::event::{Event, Kept, Outcome, Slot};
use crate::run::{Line, SlotEnd};

/// Lines of output that are shown.
const LINES: usize = 8;

/// Questions on the screen, with what takes them away.
pub(super) type Questions = BTreeMap<(String, HostName, Slot), AbortHandle>;

impl Driver {
    /// Shows a question, if it is not on the screen yet.
    pub(super) fn ask_about(&mut self, phase: String, host: HostName, slot: Slot, until: Timestamp) {
        let place = (phase, host, slot);
        if self.questions.contains_key(&place) {
            return;
        }
        let Some(trouble) = self.trouble(&place.0, &place.1, &place.2, until) else {
            return;
        };
        let (approver, send, at) = (self.setup.approver.clone(), self.send.clone(), place.clone());
        let asking = tokio::spawn(async move {
            let chosen = approver.decide(&trouble).await;
            let (phase, host, slot) = at;
            let _ = send.send(Message::Decided {
                phase,
                host,
                slot,
                chosen,
            });
        });
        self.questions.insert(place, asking.abort_handle());
    }

    /// Takes questions from the screen that are open no more.
    pub(super) fn close_questions(&mut self) {
        let run = &self.run;
        self.questions.retain(|(phase, host, slot), asking| {
            let open = run.signals == 0 && run.line(phase, host).and_then(Line::asks) == Some(slot);
            if !open {
                asking.abort();
            }
            open
        });
    }

    /// The answer came, or nobody can give one any more.
    pub(super) async fn decided(
        &mut self,
        phase: String,
        host: HostName,
        slot: Slot,
        chosen: Option<Chosen>,
    ) -> Result<(), EngineError> {
        let line = self.run.line(&phase, &host);
        let may = line
            .map(|l| ask::choices(&self.setup.plan, l, &slot))
            .unwrap_or_default();
        if self.run.signals > 0 || line.and_then(Line::asks) != Some(&slot) {
            return Ok(());
        }
        let event = match chosen {
            Some(Chosen { choice, reason }) if may.contains(&choice) => Event::Decided {
                phase,
                host,
                slot,
                verdict: choice.verdict().to_owned(),
                reason: self.setup.redactor.redact_text(&reason),
                by: self.setup.operator.clone(),
            },
            _ => Event::Unanswered { phase, host, slot },
        };
        self.record(event).await?;
        Ok(())
    }

    fn trouble(&self, phase: &str, host: &HostName, slot: &Slot, until: Timestamp) -> Option<Trouble> {
        let plan = &self.setup.plan;
        let planned = plan.phase(phase)?;
        let step = plan.step(phase, slot.stage, &slot.step)?;
        let line = self.run.line(phase, host)?;
        let end = line.slots.get(slot)?.end.as_ref()?;
        let choices = ask::choices(plan, line, slot)
            .into_iter()
            .map(|c| (c, self.choice_words(c, planned, host, line, end)))
            .collect();
        Some(Trouble {
            host: host.clone(),
            step: format!("{}/{} \"{}\"", slot.stage.as_str(), slot.step, step.name),
            outcome: end.outcome,
            why: end.why.clone(),
            said: self.last_words(phase, host, slot, step),
            choices,
            policy: ask::policy_words(plan, &self.run, planned, host, slot),
            until,
        })
    }

    fn choice_words(
        &self,
        choice: Choice,
        phase: &PlannedPhase,
        host: &HostName,
        line: &Line,
        end: &SlotEnd,
    ) -> String {
        let looked = "you have looked";
        let unknown = end.outcome == Outcome::Unknown;
        match choice {
            Choice::Rerun if unknown => format!("{looked}: nothing of it runs any more; run it again"),
            Choice::Rerun => "run it again".to_owned(),
            Choice::Ok => format!("{looked}: it did what it should; go on"),
            Choice::Skip => "leave it out and go on; the host ends warned at best".to_owned(),
            Choice::Rollback if unknown => {
                format!(
                    "{looked}: nothing of it runs any more; {}",
                    ask::goes_back(phase, host, line)
                )
            }
            Choice::Rollback => ask::goes_back(phase, host, line),
            Choice::Hold if unknown => "leave it: the host stays unknown, the run takes nothing back for it".to_owned(),
            Choice::Hold if line.is_out() => {
                "hold: the host stays as it is, out of service; the run takes nothing back for it".to_owned()
            }
            Choice::Hold => "hold: the host stays as it is; the run takes nothing back for it".to_owned(),
            Choice::Policy => "do now what is done without an answer".to_owned(),
        }
    }

    /// The end of what the step said, stderr after stdout; nothing of a sensitive one.
    fn last_words(&self, phase: &str, host: &HostName, slot: &Slot, step: &PlannedStep) -> Vec<String> {
        let place = (phase.to_owned(), slot.step.clone());
        let of_host = self.run.results.get(&place).and_then(|by| by.get(&Some(host.clone())));
        let Some((_, result)) = of_host.and_then(|by| by.get(slot.nth)).filter(|_| !step.sensitive) else {
            return Vec::new();
        };
        let lines = |kept: &Kept| -> Vec<String> {
            let all = kept.text.lines().map(str::trim_end).filter(|l| !l.is_empty());
            all.map(str::to_owned).collect()
        };
        let mut said = lines(&result.stdout);
        said.extend(lines(&result.stderr));
        said.split_off(said.len().saturating_sub(LINES))
    }
}
