//! Tests of the pure core: tables that name the sentences of the semantics, and random runs under fixed promises.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests may"
)]

mod backward;
mod check;
mod forward;
mod properties;
mod sample;
mod sim;
