//! What is told of one event: `pitstop.notice/v1`, the JSON that commands and webhooks get.
//!
//! Owns: its fields; later versions only add some. Must not: send it, or decide what is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// The value of [`Notice::schema`].
pub const SCHEMA: &str = "pitstop.notice/v1";

/// What is told of one event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Notice {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// `started`, `gate_waiting`, `host_failed`, `unknown`, `finished`.
    pub event: String,
    /// When it was.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// The plan's digest.
    pub plan: String,
    /// The runbook's id.
    pub runbook: String,
    /// Its title.
    pub title: String,
    /// The ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who started or resumed the run last.
    pub operator: String,
    /// The phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// With which code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// How many hosts are in which state, over all phases.
    pub counts: BTreeMap<String, u32>,
    /// What is left behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// The command that goes on, or tells more.
    pub next: String,
}

/// A gate that waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gate {
    /// Its id.
    pub id: String,
    /// The question.
    pub title: String,
    /// For whom it waits.
    pub waits_for: String,
    /// When it gives up.
    pub expires: Timestamp,
}
