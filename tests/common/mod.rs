//! What several test files need: real servers, a room with its own home.

pub mod sshd;
