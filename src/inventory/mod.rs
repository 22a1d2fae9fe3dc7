//! The machines of a project: hosts, groups, labels, connection settings.

pub mod facts;
