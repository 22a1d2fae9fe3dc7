//! Keys of people: who signed which bytes, and may they.
//!
//! Owns: private key files, the client of the ssh agent, SSH signatures (SSHSIG, as `ssh-keygen -Y` makes and checks them) and
//! the `allowed_signers` file. Must not: know what is signed, count people, or name a key type of russh in its interface, but to
//! `transport::ssh`, which names russh too and takes the keys of an agent as they are.

pub(crate) mod agent;
mod allowed;
mod passphrase;
pub mod pattern;
mod signature;
mod signer;

pub use agent::AgentKey;
pub use allowed::{AllowedSigners, Problem};
pub use passphrase::passphrase;
pub use signature::{Verified, VerifyError};
pub use signer::{KeyFault, Signer, read_private};
