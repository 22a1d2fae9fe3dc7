//! Tests of the pure core: tables that name the sentences of the semantics, and random runs under fixed promises.
#![expect(missing_docs, reason = "tests and their tools")]

mod asked;
mod backward;
mod begun;
mod between;
mod check;
mod compared;
mod each;
mod estimates;
#[path = "../../../tests/common/figures.rs"]
mod figures;
mod forward;
mod hushed;
mod moved;
mod objectives;
mod oracle;
mod properties;
mod rehearse;
mod sample;
mod sim;
mod standing;
mod together;
mod told;
mod watch;
