//! pitstop: a maintenance runbook executor.
//!
//! `Runbook` (what was written) → `Plan` (what will happen, frozen) → `Event` (what happened) → `Run` (the fold of plan and
//! events) → `Report` (a view of it). A module uses only rows below its own; neighbours in a row do not know each other.
//!
//! ```text
//!  7  cli
//!  6  engine      report
//!  5  action      approval
//!  4  transport   journal     provider
//!  3  run
//!  2  plan
//!  1  runbook     inventory   window    policy    key    http
//!  0  id · secret · text · canon · clock · disk · diag
//! ```

pub mod canon;
pub mod clock;
pub mod diag;
pub mod disk;
pub mod id;
pub mod secret;
pub mod text;

pub mod http;
pub mod inventory;
pub mod key;
pub mod policy;
pub mod runbook;
pub mod window;

pub mod plan;

pub mod run;

pub mod journal;
pub mod provider;
pub mod transport;

pub mod action;
pub mod approval;

pub mod engine;
pub mod report;

pub mod cli;
