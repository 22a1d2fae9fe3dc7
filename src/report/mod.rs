//! The views: plan and events become a change record, and every page, table and file is a function of records.
//!
//! Owns: what people and machines read after (and, for the plan's HTML page, before) a run. Must not: know the engine, a
//! transport or a clock; read files.

pub mod after;
pub mod before;
pub mod checks;
pub mod csv;
pub mod drill;
pub mod foreseen;
pub mod html;
pub mod junit;
pub mod kept;
pub mod missing;
pub mod objectives;
pub mod part;
pub mod quiet;
pub mod record;
pub mod restored;
pub mod rows;
pub mod words;
