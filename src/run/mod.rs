//! (being built)

pub mod event;
