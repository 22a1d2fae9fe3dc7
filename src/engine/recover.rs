//! After a crash: every step that was intended and has no end is asked for on its host, before anything else is sent there.
//!
//! Owns: what is asked and what an answer means. Must not: run a changing step that may have begun.

use std::sync::Arc;

use super::EngineError;
use super::drive::{Busy, Driver};
use super::step::needs_session;
use crate::action::{Done, End, Work};
use crate::plan::{Call, PlannedStep};
use crate::run::Open;
use crate::run::event::{Event, StepKey};
use crate::transport::{Command, LatchKey};

impl Driver {
    /// Asks for every open step. The answers come as messages, like the ends of steps that this process sent.
    pub(super) async fn recover(&mut self) -> Result<(), EngineError> {
        let open: Vec<(StepKey, Open)> = self.run.open.iter().map(|(k, o)| (k.clone(), o.clone())).collect();
        for (key, open) in open {
            let plan = Arc::clone(&self.setup.plan);
            let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
                continue;
            };
            if !open.changes {
                self.record(Event::CutOff { key }).await?;
                continue;
            }
            self.ask_for(step, key, &open);
        }
        Ok(())
    }

    fn ask_for(&mut self, step: &PlannedStep, key: StepKey, open: &Open) {
        let facts = crate::inventory::facts::Facts {
            boot: open.boot.clone(),
            latch: open.latched,
            ..Default::default()
        };
        // Only an upload's content is needed to ask for it; a command is asked for by its key alone.
        let work = match &step.call {
            Call::Run { .. } | Call::Argv { .. } | Call::Script { .. } => Work::Command(Command::Shell(String::new())),
            _ => self.render(step, &key, None).map_or(Work::Holds(false), |r| r.work),
        };
        let mut job = self.job(step, &key, open.on.clone(), &facts, Vec::new(), None, work);
        job.latch = open.latched.then(|| LatchKey::of(&key.in_run(&self.setup.id)));
        self.busy.insert(Busy::Step(key.clone()));
        if !needs_session(&step.call) {
            let task = self.task(step, key);
            let why =
                "it was under way when the run was interrupted, and leaves no trace that could be asked for".to_owned();
            let done = Done {
                end: End::Unknown { why, stopped: false },
                unchanged: false,
                rc: None,
                more: Default::default(),
            };
            task.tell(done, Vec::new(), std::time::Duration::ZERO);
            return;
        }
        self.spawn(step, key, job, true);
    }
}
