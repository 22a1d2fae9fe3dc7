//! What ansible-core does beside pitstop when something breaks in the middle, over real OpenSSH on loopback.
//!
//! `tests/beside/run` starts it anywhere. Each test is one situation and prints one table; every cell is made of what hosts noted,
//! exit codes, and what the tool said or left. The page for operators must show the tables as they were measured, and pitstop's
//! rows are held against what is promised, whatever the page shows.
//!
//! Ansible has its defaults: five forks, no pipelining, `ControlPersist`. Facts are not gathered, and a log is written (`log_path`), as
//! whoever wants a trace would have it.

#![cfg(test)]

mod cut;
mod link;
mod lost;
mod page;
mod room;
#[path = "../common/sshd.rs"]
mod sshd;
mod stopped;
