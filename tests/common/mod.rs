//! What several test files need: real servers, throw-away users.

pub mod figures;
pub mod person;
pub mod sshd;
