//! pitstop: a maintenance runbook executor.
//!
//! `Runbook` (what was written) → `Plan` (what will happen, frozen) → `Event` (what happened) → `Run` (the fold of plan and
//! events) → `Report` (a view of it). A module uses only rows below its own; neighbours in a row do not know each other.
//!
//! ```text
//!  10 cli
//!  9  engine      report
//!  8  action      approval
//!  7  transport   journal     provider
//!  6  run
//!  5  plan
//!  4  inventory
//!  3  runbook
//!  2  window    policy    key    http
//!  1  secret · text · canon · clock · cores · crash · disk · diag
//!  0  id · control
//! ```
//!
//! `id` lies below all others, for a digest or a name is written the same everywhere; so does `control`, the switches of debug
//! builds that take a protection away, wherever it is. `inventory` has a row of its own, for
//! its files are read with the tree and the complaints of `runbook`.

pub mod control;
pub mod id;

pub mod canon;
pub mod clock;
pub mod cores;
pub mod crash;
pub mod diag;
pub mod disk;
pub mod secret;
pub mod text;

pub mod http;
pub mod key;
pub mod policy;
pub mod window;

pub mod runbook;

pub mod inventory;

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
