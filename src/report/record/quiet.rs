//! The silences of a run: what was kept quiet, from when, until when, and how it ended.
//!
//! Owns: which event becomes which line. Must not: judge.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::event::{Event, SilenceKey};
use crate::run::moment;

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRecord {
    /// Which.
    pub silence: SilenceKey,
    /// Monitoring was asked for it.
    #[serde(with = "moment")]
    pub from: Timestamp,
    /// It ends then, if nothing comes first.
    #[serde(with = "moment")]
    pub until: Timestamp,
    /// How often it was given a later end.
    pub renewed: u32,
    /// When it was taken off.
    #[serde(with = "moment::maybe")]
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub how: SilenceState,
    /// What went wrong; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// How a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// Monitoring was asked and has not answered.
    Asked,
    /// It could not be set.
    NotSet,
    /// It is set.
    Set,
    /// It was taken off.
    TakenOff,
    /// It could not be taken off, and ends by itself.
    Left,
}

/// One event, if it is about a silence.
pub(super) fn apply(list: &mut Vec<SilenceRecord>, at: Timestamp, event: &Event) {
    let (Event::Silencing { silence: key, .. }
    | Event::Silenced { silence: key, .. }
    | Event::NotSilenced { silence: key, .. }
    | Event::Unsilenced { silence: key }
    | Event::StillSilenced { silence: key, .. }) = event
    else {
        return;
    };
    let there = list.iter().rposition(|s| s.silence == *key && s.ended.is_none());
    // One that was not set, and one that has ended by itself, is followed by another.
    let open = there.filter(|at_| {
        let over = |s: &SilenceRecord| s.how == SilenceState::NotSet || s.until <= at;
        !(matches!(event, Event::Silencing { .. }) && list.get(*at_).is_some_and(over))
    });
    let Some(line) = open.and_then(|at| list.get_mut(at)) else {
        let until = match event {
            Event::Silencing { until, .. } => *until,
            _ => at,
        };
        list.push(SilenceRecord {
            silence: key.clone(),
            from: at,
            until,
            renewed: 0,
            ended: None,
            how: SilenceState::Asked,
            why: String::new(),
        });
        if !matches!(event, Event::Silencing { .. }) {
            apply(list, at, event);
        }
        return;
    };
    match event {
        Event::Silenced { until, .. } => {
            line.renewed += u32::from(line.how == SilenceState::Set);
            (line.until, line.how) = (*until, SilenceState::Set);
            line.why.clear();
        }
        Event::NotSilenced { why, .. } => {
            if line.how == SilenceState::Asked {
                line.how = SilenceState::NotSet;
            }
            line.why.clone_from(why);
        }
        Event::Unsilenced { .. } => {
            line.ended = Some(at);
            if line.how != SilenceState::NotSet {
                line.how = SilenceState::TakenOff;
                line.why.clear();
            }
        }
        Event::StillSilenced { why, .. } => {
            line.how = SilenceState::Left;
            line.why.clone_from(why);
        }
        _ => {}
    }
}
