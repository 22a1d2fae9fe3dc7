//! The journal of a real run as the script of a case: what its hosts and people answered is answered again.
//!
//! Owns: from records to answers. Must not: change a record, or read anything but the journal and the output beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use super::case::Script;
use crate::diag::{Span, Spanned};
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::journal::{self, files};
use crate::plan::{Call, Plan, Side, Value};
use crate::run::event::{Event, HostState, Kept, Outcome, Stamped, StepKey, StepResult};
use crate::runbook::testfile::{Approval, Asked};
use crate::transport::script::{Answer, Fault, Matches};

/// Most that is read of one output.
const MOST: u64 = 64 << 20;

/// A run, read back.
pub struct Replay {
    /// Its script.
    pub script: Script,
    /// How it ended.
    pub exit: Option<u8>,
    /// Its hosts' ends, by phase.
    pub states: Vec<(String, HostName, HostState)>,
}

/// An attempt that was sent.
struct Sent {
    on: HostName,
    call: String,
    at: Timestamp,
}

/// Reads the journal of a run. `at` is where the test names it.
///
/// # Errors
/// Why it cannot be a script, in one sentence.
pub fn read(file: &Path, plan: &Plan, at: &Span) -> Result<Replay, String> {
    let folder = file.parent().unwrap_or(Path::new("."));
    if file.file_name().is_none_or(|name| name != journal::JOURNAL) {
        return Err(format!("a run's journal is called {}", journal::JOURNAL));
    }
    let read = journal::read(folder).map_err(|e| e.to_string())?;
    if let Some(damage) = &read.damage {
        return Err(format!("record {} is damaged: {}", damage.record, damage.why));
    }
    let facts: Vec<Stamped> = read.facts;
    if facts.iter().any(|f| matches!(f.event, Event::Resumed { .. })) {
        return Err("the run was resumed: only a run of one process can be replayed".to_owned());
    }
    Reader::default().read(&facts, plan, folder, at)
}

#[derive(Default)]
struct Reader {
    answers: Vec<Answer>,
    approvals: Vec<Approval>,
    sent: BTreeMap<StepKey, Sent>,
    opened: BTreeMap<String, Timestamp>,
    facts: BTreeMap<HostName, Facts>,
    refused: BTreeSet<HostName>,
    states: Vec<(String, HostName, HostState)>,
}

impl Reader {
    fn read(mut self, events: &[Stamped], plan: &Plan, folder: &Path, at: &Span) -> Result<Replay, String> {
        let (mut run, mut began, mut exit) = (None, None, None);
        for stamped in events {
            match &stamped.event {
                Event::Started { run: id, dry, .. } => {
                    if *dry {
                        return Err("it is the journal of a dry run, which changed nothing".to_owned());
                    }
                    (run, began) = (Some(id.clone()), Some(stamped.at));
                }
                Event::Connected { host, facts } => drop(self.facts.insert(host.clone(), (**facts).clone())),
                Event::Intended { key, on, call, .. } => {
                    let sent = Sent {
                        on: on.clone(),
                        call: call.clone(),
                        at: stamped.at,
                    };
                    self.sent.insert(key.clone(), sent);
                }
                Event::Settled { key, outcome, result } => {
                    self.settled(key, *outcome, result, stamped.at, plan, folder, at)?;
                }
                Event::GateOpened { gate, .. } => drop(self.opened.insert(gate.clone(), stamped.at)),
                Event::GateAnswered { gate, answer } => self.answered(gate, answer, stamped.at, at),
                Event::HostEnded { phase, host, state, .. } => {
                    if *state == HostState::Refused && !self.facts.contains_key(host) {
                        self.refused.insert(host.clone());
                    }
                    self.states.push((phase.clone(), host.clone(), *state));
                }
                Event::Ended { exit: code, .. } => exit = Some(*code),
                _ => {}
            }
        }
        let refused = std::mem::take(&mut self.refused);
        self.answers.extend(refused.iter().map(|host| Answer {
            then: Some(Fault::Refuse),
            times: None,
            ..answer(host, Matches::Login)
        }));
        Ok(Replay {
            script: Script {
                answers: self.answers,
                run,
                began,
                approvals: self.approvals,
                facts: self.facts,
            },
            exit,
            states: self.states,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one record, and where what it names is found")]
    fn settled(
        &mut self,
        key: &StepKey,
        outcome: Outcome,
        result: &StepResult,
        ended: Timestamp,
        plan: &Plan,
        folder: &Path,
        at: &Span,
    ) -> Result<(), String> {
        let Some(sent) = self.sent.remove(key) else {
            return Ok(());
        };
        let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
            return Err(format!("the plan has no step {key}: the runbook is another one now"));
        };
        let took = Duration::try_from(ended.duration_since(sent.at)).unwrap_or_default();
        if let Call::Manual { .. } = step.call {
            self.manual(&sent, outcome, result, took, at);
            return Ok(());
        }
        if let Some(sides) = step.sides() {
            self.compared(key, sides, &sent.on, outcome, result, took);
            return Ok(());
        }
        let text = |what: &str| Regex::new(&format!("^{}$", regex::escape(what))).map(Matches::Text);
        let recorded = |call: Option<String>| Matches::Recorded {
            key: key.to_string(),
            call,
        };
        let matches = match &step.call {
            Call::Assert { .. } | Call::WaitConnection { .. } | Call::WaitTime { .. } => return Ok(()),
            Call::Http { .. } => text(&sent.call).map_err(|e| e.to_string())?,
            Call::Upload { .. } => {
                let dest = sent.call.rsplit_once(" to ").map_or("", |(_, dest)| dest);
                text(&format!("upload {dest}")).map_err(|e| e.to_string())?
            }
            Call::Download { .. } => text(&format!("download {}", sent.call)).map_err(|e| e.to_string())?,
            Call::Run { .. } | Call::Argv { .. } => recorded(Some(sent.call.clone())),
            _ => recorded(None),
        };
        let on = match &step.call {
            Call::Http { .. } => HostName::controller(),
            _ => sent.on.clone(),
        };
        let status = match result.more.get("status") {
            Some(Value::Int(status)) => u16::try_from(*status).unwrap_or(200),
            _ => 200,
        };
        let then = match outcome {
            Outcome::Unknown => Some(Fault::Cut),
            Outcome::TimedOut => Some(Fault::Hang),
            Outcome::Unreachable => Some(Fault::Refuse),
            Outcome::Ok | Outcome::Failed | Outcome::Skipped => None,
        };
        let failed = i32::from(outcome == Outcome::Failed);
        self.answers.push(Answer {
            rc: Some(result.rc.unwrap_or(failed)),
            stdout: output(&result.stdout, folder)?,
            stderr: output(&result.stderr, folder)?,
            status,
            after: if then == Some(Fault::Hang) {
                Duration::ZERO
            } else {
                took
            },
            then,
            // As long as the real host could not be asked, so can this one not.
            away: (then == Some(Fault::Cut)).then_some(Duration::from_secs(30 * 24 * 3600)),
            ..answer(&on, matches)
        });
        Ok(())
    }

    /// What the sides said was kept nowhere: they say something that comes to the same, in every mode.
    fn compared(
        &mut self,
        key: &StepKey,
        sides: [&Side; 2],
        on: &HostName,
        outcome: Outcome,
        result: &StepResult,
        took: Duration,
    ) {
        let own = key.host.as_ref().map(HostName::as_str);
        let differs = result.more.get("equal") == Some(&Value::Bool(false));
        for (side, name) in sides.into_iter().zip(["left", "right"]) {
            let machine = side.machine(own).map_or_else(|| on.clone(), HostName::new);
            let recorded = Matches::Recorded {
                key: key.to_string(),
                call: None,
            };
            let failed = outcome == Outcome::Failed && !differs;
            self.answers.push(Answer {
                rc: Some(if failed { 125 } else { 0 }),
                stdout: if differs {
                    format!("{name} 1\n")
                } else {
                    "same 1\n".to_owned()
                },
                after: took,
                then: (outcome == Outcome::Unreachable).then_some(Fault::Refuse),
                ..answer(&machine, recorded)
            });
        }
    }

    fn manual(&mut self, sent: &Sent, outcome: Outcome, result: &StepResult, after: Duration, at: &Span) {
        let Ok(text) = Regex::new(&format!("^{}$", regex::escape(&sent.call))) else {
            return;
        };
        let note = match result.more.get("note") {
            Some(Value::Text(note)) => note.clone(),
            _ => String::new(),
        };
        self.approvals.push(Approval {
            span: at.clone(),
            at: Asked::Manual(Spanned::new(text, at.clone())),
            by: None,
            yes: outcome == Outcome::Ok,
            after,
            note,
        });
    }

    fn answered(&mut self, gate: &str, answer: &crate::run::event::Answer, when: Timestamp, at: &Span) {
        let opened = self.opened.get(gate).copied().unwrap_or(when);
        self.approvals.push(Approval {
            span: at.clone(),
            at: Asked::Gate(Spanned::new(gate.to_owned(), at.clone())),
            by: Some(Spanned::new(answer.principal.clone(), at.clone())),
            yes: answer.decision == "approve",
            after: Duration::try_from(when.duration_since(opened)).unwrap_or_default(),
            note: answer.comment.clone(),
        });
    }
}

fn answer(on: &HostName, matches: Matches) -> Answer {
    Answer {
        on: on.to_string(),
        matches,
        rc: None,
        stdout: String::new(),
        stderr: String::new(),
        status: 200,
        after: Duration::ZERO,
        then: None,
        away: None,
        times: Some(1),
    }
}

/// The whole output of a stream: its file beside the journal, or the text that is all of it.
fn output(kept: &Kept, folder: &Path) -> Result<String, String> {
    let Some(digest) = &kept.digest else {
        return Ok(kept.text.clone());
    };
    let bytes = files::load(&folder.join("output"), digest, MOST)
        .map_err(|e| format!("{e}; copy the run's `output` folder too"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
