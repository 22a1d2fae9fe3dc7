//! Files kept under the hash of their content: copies of what a plan names (`files/`), what a step put aside (`output/`).
//!
//! Owns: keeping and checked loading by digest. Must not: redact, know who asks.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::{self, Fault};
use crate::id::Digest;

/// Keeps these bytes in `dir` under their hash, durable.
///
/// # Errors
/// When the disk fails.
pub fn keep(dir: &Path, bytes: &[u8]) -> Result<Digest, Fault> {
    let digest = Digest::of(bytes);
    let path = dir.join(digest.hex());
    match disk::open(&path) {
        Ok(_) => Ok(digest),
        Err(fault) if fault.source.kind() == ErrorKind::NotFound => disk::write_atomic(&path, bytes).map(|()| digest),
        Err(fault) => Err(fault),
    }
}

/// Loads what is kept in `dir` under this hash, at most `max` bytes.
///
/// # Errors
/// When it is missing, longer, or its bytes do not have this hash any more.
pub fn load(dir: &Path, digest: &Digest, max: u64) -> Result<Vec<u8>, Fault> {
    let path = dir.join(digest.hex());
    let bytes = disk::read(&path, max)?;
    if Digest::of(&bytes) != *digest {
        let help = "it was changed after it was kept; put the file back from a copy, then `pitstop verify`";
        return Err(Fault::refused(
            "use",
            path,
            "its content does not have the hash of its name",
            help,
        ));
    }
    Ok(bytes)
}
