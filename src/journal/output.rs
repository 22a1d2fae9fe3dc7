//! The output of one stream of one step: redacted, hashed and stored as it comes.
//!
//! Owns: [`Spool`], its limits, what goes into the event and what into a file. Must not: fail a step; a spool that cannot be
//! written goes on counting and says so.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::files;
use crate::disk::{self, Fault};
use crate::id::Digest;
use crate::run::event::Kept;
use crate::secret::{RedactStream, Redactor, Secret};

/// Output up to this length is in the event itself and needs no file.
pub const SHORT: usize = 4 * 1024;
/// So much of the end of longer output is in the event.
pub const TAIL: usize = 2 * 1024;
/// So much waits in memory before it goes to the file.
const BUFFER: usize = 64 * 1024;

/// Takes one stream.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    max: u64,
    withheld: bool,
    redact: RedactStream,
    hash: Sha256,
    /// Bytes the host sent.
    sent: u64,
    /// Redacted bytes that were stored, or wait in `buffer`.
    stored: u64,
    truncated: bool,
    buffer: Vec<u8>,
    clean: Vec<u8>,
    tail: Vec<u8>,
    file: Option<Temp>,
    failed: Option<Fault>,
}

#[derive(Debug)]
struct Temp {
    path: PathBuf,
    file: File,
}

/// What came of a stream.
#[derive(Debug)]
pub struct Finished {
    /// For the event.
    pub kept: Kept,
    /// Why nothing could be stored, if so; `kept` says `truncated` then.
    pub fault: Option<Fault>,
    /// What a `sensitive` step said: for its own conditions, and for nothing that is stored.
    pub said: Option<Secret>,
}

impl Finished {
    fn of(kept: Kept) -> Self {
        Self {
            kept,
            fault: None,
            said: None,
        }
    }
}

impl Spool {
    /// Of a `sensitive` step: hashes what comes, and holds the first `max` bytes until the step is judged. Nothing is stored.
    pub fn withheld(redactor: &Redactor, max: u64) -> Self {
        let mut spool = Self::new(Path::new(""), redactor, max);
        spool.withheld = true;
        spool
    }

    /// Stores at most `max` bytes in `dir` (a run's `output/`).
    pub fn new(dir: &Path, redactor: &Redactor, max: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            max,
            withheld: false,
            redact: redactor.stream(),
            hash: Sha256::new(),
            sent: 0,
            stored: 0,
            truncated: false,
            buffer: Vec::new(),
            clean: Vec::new(),
            tail: Vec::new(),
            file: None,
            failed: None,
        }
    }

    /// Takes the next bytes. Past the limit they are counted and their end is kept.
    pub fn take(&mut self, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        let mut clean = std::mem::take(&mut self.clean);
        self.redact.push(bytes, &mut clean);
        self.store(&clean);
        clean.clear();
        self.clean = clean;
    }

    /// So many more bytes came and are not to be had: the stored part is not all.
    pub fn skip(&mut self, bytes: u64) {
        self.sent += bytes;
        self.truncated |= bytes > 0;
    }

    /// The stream has ended. What is stored is durable.
    pub fn finish(mut self) -> Finished {
        let mut rest = Vec::new();
        self.redact.finish(&mut rest);
        self.store(&rest);
        let mut kept = Kept {
            bytes: self.sent,
            ..Kept::default()
        };
        if self.sent == 0 {
            return Finished::of(kept);
        }
        if self.withheld {
            kept.digest = Some(Digest::from_hash(&std::mem::take(&mut self.hash).finalize()));
            kept.withheld = true;
            let said = std::mem::take(&mut self.buffer);
            return Finished {
                said: Some(Secret::new(String::from_utf8_lossy(&said).into_owned())),
                ..Finished::of(kept)
            };
        }
        let whole = self.failed.is_none() && self.file.is_none() && !self.truncated && self.buffer.len() <= SHORT;
        if whole && let Ok(text) = std::str::from_utf8(&self.buffer) {
            text.clone_into(&mut kept.text);
            return Finished::of(kept);
        }
        kept.digest = self.settle();
        kept.truncated = self.truncated;
        kept.text = tail_text(&self.tail);
        Finished {
            fault: self.failed.take(),
            ..Finished::of(kept)
        }
    }

    fn store(&mut self, clean: &[u8]) {
        self.tail
            .extend_from_slice(clean.get(clean.len().saturating_sub(TAIL)..).unwrap_or_default());
        let old = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..old);
        let room = usize::try_from(self.max - self.stored).unwrap_or(usize::MAX);
        let part = clean.get(..room).unwrap_or(clean);
        self.truncated |= part.len() < clean.len();
        if self.failed.is_some() {
            return;
        }
        self.stored += part.len() as u64;
        // Of what is withheld the hash is all that there is: it is of the whole.
        self.hash.update(if self.withheld { clean } else { part });
        self.buffer.extend_from_slice(part);
        if self.buffer.len() > BUFFER && !self.withheld {
            self.flush();
        }
    }

    fn flush(&mut self) {
        aside(|| self.write());
    }

    fn write(&mut self) {
        let written = self.file().and_then(|(path, file, buffer)| {
            file.write_all(buffer)
                .map_err(|e| Fault::new("store output in", path, e))
        });
        self.buffer.clear();
        if let Err(fault) = written {
            self.give_up(fault);
        }
    }

    fn file(&mut self) -> Result<(&Path, &mut File, &[u8]), Fault> {
        if self.file.is_none() {
            let path = disk::temp_beside(&self.dir.join("output"))?;
            let file = disk::create_new(&path)?;
            self.file = Some(Temp { path, file });
        }
        match &mut self.file {
            Some(temp) => Ok((&temp.path, &mut temp.file, &self.buffer)),
            None => Err(Fault::refused(
                "store output in",
                &self.dir,
                "it has no file",
                "report this bug",
            )),
        }
    }

    fn settle(&mut self) -> Option<Digest> {
        aside(|| self.sync())
    }

    fn sync(&mut self) -> Option<Digest> {
        if self.failed.is_none() {
            self.write();
        }
        let temp = self.file.take()?;
        let digest = Digest::from_hash(&std::mem::take(&mut self.hash).finalize());
        let path = self.dir.join(digest.hex());
        let synced = temp
            .file
            .sync_data()
            .map_err(|e| Fault::new("sync output in", &temp.path, e));
        match synced.and_then(|()| disk::rename(&temp.path, &path)) {
            Ok(()) => Some(digest),
            Err(fault) => {
                self.file = Some(temp);
                self.give_up(fault);
                None
            }
        }
    }

    /// The disk is full or broken: the run goes on, what could not be stored is flagged.
    fn give_up(&mut self, fault: Fault) {
        self.drop_file();
        self.buffer = Vec::new();
        self.truncated = true;
        self.failed = Some(fault);
    }

    fn drop_file(&mut self) {
        if let Some(temp) = self.file.take() {
            // Best effort; `verify` tells of left-overs.
            let _ = std::fs::remove_file(temp.path);
        }
    }
}

impl Drop for Spool {
    /// A step whose task went away leaves no temporary file.
    fn drop(&mut self) {
        self.drop_file();
    }
}

/// Does what waits for the disk, and lets the thread's other work go on elsewhere meanwhile: a disk that stalls under the output
/// of one host held all the others' connections, and they were lost.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// The text of the last bytes, beginning with a whole character.
fn tail_text(tail: &[u8]) -> String {
    let skip = tail.iter().take(3).take_while(|b| (0x80..0xc0).contains(*b)).count();
    String::from_utf8_lossy(tail.get(skip..).unwrap_or_default()).into_owned()
}

/// Everything that was stored of a stream, at most `max` bytes.
///
/// # Errors
/// When the file is missing, longer, or changed.
pub fn load(dir: &Path, kept: &Kept, max: u64) -> Result<Vec<u8>, Fault> {
    match &kept.digest {
        Some(_) if kept.withheld => Err(Fault::refused(
            "read output in",
            dir,
            "the step is sensitive: only the length and the hash of what it said were kept",
            "run its command by hand, if you must see it",
        )),
        Some(digest) => files::load(dir, digest, max),
        None => Ok(kept.text.clone().into_bytes()),
    }
}
