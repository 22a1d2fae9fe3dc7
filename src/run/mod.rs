//! (being built)

pub mod event;
pub mod moment;
pub mod objective;
