//! The lines of what a side said, one at a time, however long.
//!
//! Owns: that no line takes more memory than [`LONGEST`]. Must not: judge one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

use crate::id;

/// A longer line is known by its beginning, its length and its digest.
pub(super) const LONGEST: usize = 1 << 20;
/// So much of its beginning.
const BEGINNING: usize = 1 << 10;

/// Reads lines.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    /// How many were read.
    pub count: u64,
    /// The last one ended with a newline.
    pub ended: bool,
    /// The last one was too long, and is known by its digest.
    pub cut: bool,
}

impl Lines<Box<dyn Read>> {
    /// Of a file; `None`: nothing was said.
    pub(super) fn of(file: Option<File>) -> Self {
        let from: Box<dyn Read> = match file {
            Some(file) => Box::new(file),
            None => Box::new(std::io::empty()),
        };
        Self::from(from)
    }
}

impl<R: Read> Lines<R> {
    pub(super) fn from(from: R) -> Self {
        Self {
            from: BufReader::with_capacity(256 << 10, from),
            count: 0,
            ended: true,
            cut: false,
        }
    }

    /// The next line without its newline goes into `line`; false: there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, String> {
        line.clear();
        let (mut rest, mut more) = (Sha256::new(), 0_u64);
        let mut any = false;
        loop {
            let have = match self.from.fill_buf() {
                Ok(have) => have,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(format!("what was said cannot be read back: {e}")),
            };
            if have.is_empty() {
                self.ended = !any;
                break;
            }
            any = true;
            let end = have.iter().position(|b| *b == b'\n');
            let part = have.get(..end.unwrap_or(have.len())).unwrap_or_default();
            let room = LONGEST.saturating_sub(line.len()).min(part.len());
            let (keep, over) = part.split_at(room);
            line.extend_from_slice(keep);
            rest.update(over);
            more += over.len() as u64;
            let taken = part.len() + usize::from(end.is_some());
            self.from.consume(taken);
            if end.is_some() {
                self.ended = true;
                break;
            }
        }
        self.cut = more > 0;
        if self.cut {
            let mut whole = Sha256::new();
            whole.update(&*line);
            whole.update(rest.finalize());
            let all = line.len() as u64 + more;
            line.truncate(BEGINNING);
            let digest = id::hex(&whole.finalize());
            line.extend_from_slice(format!("… ({all} bytes in one line, digest {digest})").as_bytes());
        }
        self.count += u64::from(any);
        Ok(any)
    }
}
