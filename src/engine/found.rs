//! What a step finds on its host before it changes it: the file that an upload replaces, the state that a built-in changes.
//!
//! Owns: that it is kept before anything is sent, and found again for the way back. Must not: look itself (`action` does).

use super::drive::Driver;
use super::render::{self, Materials};
use super::task::KEEP_MAX;
use crate::action::{Capture, Done, End, Former, baseline, check, reboot};
use crate::id::HostName;
use crate::journal::{files, output};
use crate::plan::{Baseline, BuiltIn, Call, Plan, PlannedStep, Stage, Value};
use crate::run::event::{Event, StepKey, StepResult};

impl Driver {
    /// What is to be looked at before a step, so that there is a way back. What cannot be rendered is told when the step is.
    pub(super) fn to_capture(&self, step: &PlannedStep, key: &StepKey) -> Option<Capture> {
        if step.read_only {
            return None;
        }
        let scopes = self.scopes();
        let scope = scopes.place(step, key);
        match &step.call {
            Call::Upload { dest: file, .. } | Call::BuiltIn(BuiltIn::Edit { file, .. }) => Some(Capture::File {
                path: render::text(file, &scope).ok()?,
                edited: matches!(step.call, Call::BuiltIn(_)),
            }),
            Call::BuiltIn(BuiltIn::Reboot { .. }) => Some(Capture::State(reboot::look_text())),
            Call::BuiltIn(_) | Call::Revert { .. } => {
                let former = self.former_of(step, key).ok()?;
                let materials = self.materials(key, &step.call, former.as_ref(), None);
                let action = render::proven(&step.call, &scope, &materials).ok()?;
                Some(Capture::State(action.capture()))
            }
            _ => None,
        }
    }

    /// The former content goes beside the journal; a secret in it must not, so then the upload needs an undo of its own.
    pub(super) fn keep_former(&self, key: &StepKey, former: &Former) -> Result<Event, String> {
        let digest = match &former.content {
            None => None,
            Some(bytes) => {
                if self.setup.redactor.redact_bytes(bytes) != *bytes {
                    return Err(
                        "the former content holds a declared secret and cannot be kept: write an `undo`".to_owned(),
                    );
                }
                Some(files::keep(&self.setup.folder.output(), bytes).map_err(|e| e.to_string())?)
            }
        };
        Ok(Event::Captured {
            key: key.clone(),
            former: digest,
            mode: former.mode,
        })
    }

    pub(super) fn materials<'a>(
        &'a self,
        key: &StepKey,
        call: &'a Call,
        former: Option<&'a Former>,
        found: Option<&'a Former>,
    ) -> Materials<'a> {
        let of = match call {
            Call::Restore { step, .. } | Call::Revert { step, .. } => {
                self.setup.plan.step(&key.phase, Stage::Steps, step)
            }
            _ => None,
        };
        Materials {
            files: &self.setup.files,
            former,
            found,
            of: of.map(|step| &step.call),
            run: &self.setup.id,
            noted: noted(&self.setup.plan, &key.phase, call),
        }
    }

    /// What differs between what an earlier step noted and what was seen now: both as they are stored, without secrets.
    pub(super) fn tell_changes(&self, key: &StepKey, since: &str, done: &mut Done, now: &StepResult) {
        let of_step = self.run.results.get(&(key.phase.clone(), since.to_owned()));
        let before = of_step.and_then(|hosts| hosts.get(&key.host).or_else(|| hosts.get(&None)));
        let stored = |result: &StepResult| {
            let bytes =
                output::load(&self.setup.folder.output(), &result.stdout, KEEP_MAX).map_err(|e| e.to_string())?;
            match result.stdout.truncated {
                true => Err(format!("it is longer than {KEEP_MAX} bytes")),
                false => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            }
        };
        let noted = before
            .and_then(|places| places.values().next())
            .ok_or("it noted nothing of this host".to_owned());
        let both = noted.and_then(|(_, before)| Ok((stored(before)?, stored(now)?)));
        match both {
            Ok((before, after)) => {
                let lines = baseline::changes(&before, &after);
                let lines = lines.into_iter().map(Value::Text).collect();
                done.more.insert("changes".to_owned(), Value::List(lines));
            }
            Err(why) => done.end = End::Failed(format!("what {since} noted cannot be compared: {why}")),
        }
    }

    /// Judges a check by what an earlier one found on the same host.
    pub(super) fn compare_check(&self, key: &StepKey, since: &str, done: &mut Done) {
        let of_step = self.run.results.get(&(key.phase.clone(), since.to_owned()));
        let before = of_step.and_then(|hosts| hosts.get(&key.host).or_else(|| hosts.get(&None)));
        let before = before.and_then(|places| places.values().next());
        check::compare(before.map(|(_, result)| &result.more), done);
    }

    /// What was found before the step that this one takes back, if it does.
    pub(super) fn former_of(&self, step: &PlannedStep, key: &StepKey) -> Result<Option<Former>, String> {
        match (&step.call, &key.host) {
            (Call::Restore { step: of, .. } | Call::Revert { step: of, .. }, Some(host)) => self.former(key, host, of),
            _ => Ok(None),
        }
    }

    /// What the upload found that this step puts back: at the same item and the same host of a delegated set.
    pub(super) fn former(&self, key: &StepKey, host: &HostName, step: &str) -> Result<Option<Former>, String> {
        let place = (key.phase.clone(), host.clone(), step.to_owned(), key.nth);
        let Some(captured) = self.run.captured.get(&place) else {
            return Ok(None);
        };
        let content = captured
            .former
            .as_ref()
            .map(|digest| files::load(&self.setup.folder.output(), digest, KEEP_MAX).map_err(|e| e.to_string()))
            .transpose()?;
        Ok(Some(Former {
            content,
            mode: captured.mode,
        }))
    }
}

/// What a baseline notes: itself, or where it tells a difference, the step that noted before it.
pub(super) fn noted<'p>(plan: &'p Plan, phase: &str, call: &'p Call) -> Option<&'p [String]> {
    let Call::BuiltIn(BuiltIn::Baseline(what)) = call else {
        return None;
    };
    match what {
        Baseline::Capture(kinds) => Some(kinds),
        Baseline::Diff(id) => {
            let mut steps = plan
                .phase(phase)?
                .stages
                .each()
                .into_iter()
                .flat_map(|(_, steps)| steps);
            match &steps.find(|step| &step.id == id)?.call {
                Call::BuiltIn(BuiltIn::Baseline(Baseline::Capture(kinds))) => Some(kinds),
                _ => None,
            }
        }
    }
}
