//! The loop: next → record the intent → perform → record the outcome → apply → show.

pub mod gate;
mod judge;
mod render;
mod scope;
