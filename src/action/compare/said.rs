//! What one side says, while it says it.
//!
//! Owns: that it is without secrets before it lies anywhere, that the file has no name, and the limits. Must not: compare.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::Compare;
use crate::disk;
use crate::id;
use crate::journal::output::aside;
use crate::plan::CompareMode;
use crate::secret::{RedactStream, Redactor};
use crate::transport::{Sink, Stream};

/// A side that says more is stopped.
const MOST: u64 = 8 << 30;
/// Of its standard error the last so many bytes are kept.
const ERR_KEPT: usize = 8 << 10;
/// So much waits in memory before it goes to the file.
const BUFFER: usize = 256 << 10;

/// Takes what a side says.
pub(super) struct Said {
    folder: PathBuf,
    redactor: Redactor,
    redact: RedactStream,
    clean: Vec<u8>,
    to: To,
    bytes: u64,
    /// It said more than white space.
    spoke: bool,
    lost: u64,
    err: Vec<u8>,
    /// Before it is cut: of half a secret nobody would know that it is one.
    err_redact: RedactStream,
    fault: Option<String>,
    stop: watch::Sender<bool>,
}

/// Where it goes.
enum To {
    Hash(Sha256),
    File { file: Option<File>, buffer: Vec<u8> },
}

/// All that a side said.
pub(super) struct Whole {
    /// At its beginning; `None`: nothing was said, or only the hash is kept.
    pub file: Option<File>,
    /// Of all of it, with `digest`.
    pub hash: String,
    /// How much.
    pub bytes: u64,
    /// Nothing but white space.
    pub is_blank: bool,
}

impl Said {
    pub(super) fn new(compare: &Compare, stop: watch::Sender<bool>) -> Self {
        Self {
            folder: compare.folder.clone(),
            redactor: compare.redactor.clone(),
            redact: compare.redactor.stream(),
            clean: Vec::new(),
            to: match compare.mode {
                CompareMode::Digest => To::Hash(Sha256::new()),
                _ => To::File {
                    file: None,
                    buffer: Vec::new(),
                },
            },
            bytes: 0,
            spoke: false,
            lost: 0,
            err: Vec::new(),
            err_redact: compare.redactor.stream(),
            fault: None,
            stop,
        }
    }

    /// Why it is not to be believed, whatever its command's end.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Its last line on standard error, else nothing. Behind [`Self::words`].
    pub(super) fn last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.err);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(last.chars().take(160).collect())
    }

    /// It has ended: the last lines on standard error, each with the side's name.
    pub(super) fn words(&mut self, name: &str) -> String {
        self.err_redact.finish(&mut self.err);
        let text = String::from_utf8_lossy(&self.err);
        text.lines().map(|line| format!("{name}: {line}\n")).collect()
    }

    fn fails(&mut self, why: String) {
        self.fault.get_or_insert(why);
        self.stop.send_replace(true);
    }

    fn store(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.spoke |= bytes.iter().any(|b| !b.is_ascii_whitespace());
        if self.fault.is_some() {
            return;
        }
        if self.bytes > MOST {
            return self.fails(format!("it said more than {} GiB; it was stopped", MOST >> 30));
        }
        let written = match &mut self.to {
            To::Hash(hash) => {
                hash.update(bytes);
                Ok(())
            }
            To::File { file, buffer } => {
                buffer.extend_from_slice(bytes);
                match buffer.len() > BUFFER {
                    true => aside(|| write(&self.folder, file, buffer)),
                    false => Ok(()),
                }
            }
        };
        if let Err(why) = written {
            self.fails(why);
        }
    }

    /// The side has ended well.
    ///
    /// # Errors
    /// Why what it said is not all there.
    pub(super) fn finish(mut self) -> Result<Whole, String> {
        let mut rest = Vec::new();
        self.redact.finish(&mut rest);
        self.store(&rest);
        if let Some(why) = self.fault {
            return Err(why);
        }
        if self.lost > 0 {
            return Err(format!(
                "what it said is not all there: {} bytes did not come (this host keeps at most 64 MiB of an output)",
                self.lost
            ));
        }
        let (file, hash) = match self.to {
            To::Hash(hash) => (None, id::hex(&hash.finalize())),
            To::File { mut file, mut buffer } => {
                aside(|| write(&self.folder, &mut file, &mut buffer))?;
                (file, String::new())
            }
        };
        Ok(Whole {
            file,
            hash,
            bytes: self.bytes,
            is_blank: !self.spoke,
        })
    }
}

/// A new file (0600) that has no name any more: what is in it is gone with us, however we end.
pub(super) fn nameless(folder: &Path) -> Result<File, String> {
    let made = disk::temp_beside(&folder.join("compare")).and_then(|path| {
        let file = disk::create_new(&path)?;
        std::fs::remove_file(&path).map_err(|e| disk::Fault::new("remove", &path, e))?;
        Ok(file)
    });
    made.map_err(|fault| format!("what it says cannot be kept for comparing: {fault}"))
}

fn write(folder: &Path, file: &mut Option<File>, buffer: &mut Vec<u8>) -> Result<(), String> {
    if buffer.is_empty() && file.is_none() {
        return Ok(());
    }
    let file = match file {
        Some(file) => file,
        None => file.insert(nameless(folder)?),
    };
    let written = file.write_all(buffer).and_then(|()| file.seek(SeekFrom::Start(0)));
    buffer.clear();
    written.map(|_| ()).map_err(|e| {
        let folder = folder.display();
        format!("what it says cannot be kept for comparing, in {folder}: {e}")
    })
}

impl Sink for Said {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Err {
            self.err_redact.push(bytes, &mut self.err);
            if self.err.len() > 2 * ERR_KEPT {
                self.err.drain(..self.err.len() - ERR_KEPT);
            }
            return;
        }
        let mut clean = std::mem::take(&mut self.clean);
        self.redact.push(bytes, &mut clean);
        self.store(&clean);
        clean.clear();
        self.clean = clean;
    }

    fn skip(&mut self, stream: Stream, bytes: u64) {
        if stream == Stream::Out && bytes > 0 {
            self.lost += bytes;
        }
    }

    /// The link was lost, and the command is run again.
    fn restart(&mut self) {
        self.redact = self.redactor.stream();
        self.to = match &self.to {
            To::Hash(_) => To::Hash(Sha256::new()),
            To::File { .. } => To::File {
                file: None,
                buffer: Vec::new(),
            },
        };
        (self.bytes, self.lost, self.spoke) = (0, 0, false);
        self.err_redact = self.redactor.stream();
        self.err.clear();
    }
}
