//! What several test files need: real servers, throw-away users.

pub mod person;
pub mod sshd;
