//! Hostile and broken servers: a hundred of them against one run of the real binary each, with hosts beside them that are well.
//!
//! Shown of each: it ends as it must (unreachable before the change was sent, unknown after), with words that a person can read,
//! within its limit and a second; the process neither panics nor hangs nor grows by 64 MiB; its neighbours are done.
//! `matrix.rs` says which of them, or which other test, shows each row of the fault matrix and each advisory of russh.

#![cfg(test)]

mod after;
mod before;
#[path = "../common/figures.rs"]
mod figures;
mod host;
mod lies;
mod links;
mod matrix;
mod room;
mod sessions;
#[path = "../common/sshd.rs"]
mod sshd;
mod wire;
