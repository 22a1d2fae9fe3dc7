//! The way back of an action that knows its own.
//!
//! Owns: these undo steps. Must not: know undo steps that were written.

use super::step::ONCE;
use crate::plan::{BuiltIn, Call, PlannedStep, PlannedUndo};

/// How a step is taken back for which no undo is written.
pub(super) enum Way {
    /// By this step.
    Step(Box<PlannedStep>),
    /// It leaves nothing that could be taken back.
    NotNeeded,
    /// Its author would have to say.
    Unknown,
}

/// The way back by the nature of the action.
pub(super) fn of(step: &PlannedStep) -> Way {
    if leaves_nothing(&step.call) {
        return Way::NotNeeded;
    }
    let Some(call) = call(&step.call, &step.id) else {
        return Way::Unknown;
    };
    let name = match &call {
        Call::Restore { dest, .. } => format!("Put back what was at {dest}"),
        Call::Manual { .. } => format!("Take back by hand: {}", step.name),
        _ => format!("Take back: {}", step.name),
    };
    Way::Step(Box::new(PlannedStep {
        name,
        call,
        when: None,
        expect: None,
        warn_unless: None,
        register: None,
        parse: None,
        for_each: None,
        may_fail: None,
        mark: None,
        mark_start: None,
        evidence: Vec::new(),
        env: std::collections::BTreeMap::new(),
        stdin: None,
        skip: None,
        retry: ONCE,
        undo: PlannedUndo::NotNeeded,
        ..step.clone()
    }))
}

fn leaves_nothing(call: &Call) -> bool {
    match call {
        Call::BuiltIn(BuiltIn::Reboot { .. }) => true,
        Call::ByOs { linux, windows } => linux.iter().chain(windows).all(|call| leaves_nothing(call)),
        _ => false,
    }
}

fn call(of: &Call, id: &str) -> Option<Call> {
    Some(match of {
        Call::Upload { dest, .. } | Call::BuiltIn(BuiltIn::Edit { file: dest, .. }) => Call::Restore {
            step: id.to_owned(),
            dest: dest.clone(),
        },
        Call::Manual { text } => Call::Manual {
            text: format!("Take back what was done here: {text}"),
        },
        Call::BuiltIn(what @ (BuiltIn::Service { .. } | BuiltIn::Package { .. } | BuiltIn::Patch(_))) => Call::Revert {
            step: id.to_owned(),
            of: what.word().to_owned(),
        },
        Call::ByOs { linux, windows } => {
            let side = |side: &Option<Box<Call>>| match side {
                Some(one) if !leaves_nothing(one) => call(one, id).map(|back| Some(Box::new(back))),
                _ => Some(None),
            };
            Call::ByOs {
                linux: side(linux)?,
                windows: side(windows)?,
            }
        }
        _ => return None,
    })
}
