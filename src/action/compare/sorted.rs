//! Records in order, in bounded memory: sorted in pieces that go to the disk, and read back merged.
//!
//! Owns: the pieces. Must not: know what a record is.

use std::cmp::Ordering;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::said::nameless;

/// So much is sorted at a time.
const PIECE: usize = 32 << 20;
/// What the place of a record takes in memory beside its bytes.
const PLACE: usize = 8;
/// Of each piece so much is read at a time.
const READ: usize = 64 << 10;

/// Takes records in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    piece: usize,
    bytes: Vec<u8>,
    places: Vec<(u32, u32)>,
    file: Option<File>,
    /// Where each piece begins and ends.
    pieces: Vec<(u64, u64)>,
    at: u64,
}

/// Gives them in order, equal ones behind each other.
pub(super) struct Sorted {
    pieces: Vec<Piece>,
}

struct Piece {
    file: Arc<File>,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    from: usize,
    now: Option<Vec<u8>>,
}

fn fault(e: &std::io::Error) -> String {
    format!("what was said cannot be sorted on the disk: {e}")
}

impl Sorter {
    pub(super) fn new(folder: &Path) -> Self {
        Self::with_pieces_of(folder, PIECE)
    }

    pub(super) fn with_pieces_of(folder: &Path, piece: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            piece,
            bytes: Vec::new(),
            places: Vec::new(),
            file: None,
            pieces: Vec::new(),
            at: 0,
        }
    }

    /// One more record.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn push(&mut self, record: &[u8]) -> Result<(), String> {
        let (at, len) = (u32::try_from(self.bytes.len()), u32::try_from(record.len()));
        let (Ok(at), Ok(len)) = (at, len) else {
            return Err("a record is too long to be sorted".to_owned());
        };
        self.bytes.extend_from_slice(record);
        self.places.push((at, len));
        if self.bytes.len() + PLACE * self.places.len() > self.piece {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.places.is_empty() {
            return Ok(());
        }
        let bytes = &self.bytes;
        let record = |(at, len): (u32, u32)| {
            let at = at as usize;
            bytes.get(at..at + len as usize).unwrap_or_default()
        };
        self.places.sort_unstable_by(|a, b| record(*a).cmp(record(*b)));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(nameless(&self.folder)?),
        };
        let mut out = std::io::BufWriter::with_capacity(READ, &mut *file);
        let begin = self.at;
        for place in &self.places {
            let record = record(*place);
            out.write_all(&place.1.to_le_bytes())
                .and_then(|()| out.write_all(record))
                .map_err(|e| fault(&e))?;
            self.at += 4 + record.len() as u64;
        }
        out.flush().map_err(|e| fault(&e))?;
        self.pieces.push((begin, self.at));
        self.bytes.clear();
        self.places.clear();
        Ok(())
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// When the disk does not take or give them.
    pub(super) fn sorted(mut self) -> Result<Sorted, String> {
        self.flush()?;
        let Some(file) = self.file else {
            return Ok(Sorted { pieces: Vec::new() });
        };
        let file = Arc::new(file);
        let mut pieces = Vec::new();
        for (at, end) in self.pieces {
            let mut piece = Piece {
                file: file.clone(),
                at,
                end,
                buffer: Vec::new(),
                from: 0,
                now: None,
            };
            piece.step().map_err(|e| fault(&e))?;
            pieces.push(piece);
        }
        Ok(Sorted { pieces })
    }
}

impl Piece {
    /// So many bytes are in the buffer, if the piece has so many.
    fn fill(&mut self, wanted: usize) -> std::io::Result<()> {
        if self.buffer.len() - self.from >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.from);
        self.from = 0;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let more = wanted.max(READ).saturating_sub(self.buffer.len()).min(left);
        let had = self.buffer.len();
        self.buffer.resize(had + more, 0);
        self.file
            .read_exact_at(self.buffer.get_mut(had..).unwrap_or_default(), self.at)?;
        self.at += more as u64;
        Ok(())
    }

    fn step(&mut self) -> std::io::Result<()> {
        self.fill(4)?;
        let Some(len) = self.buffer.get(self.from..self.from + 4) else {
            self.now = None;
            return Ok(());
        };
        let len = len.iter().rev().fold(0_usize, |n, b| (n << 8) | usize::from(*b));
        self.from += 4;
        self.fill(len)?;
        let record = self.buffer.get(self.from..self.from + len).unwrap_or_default();
        let mut now = self.now.take().unwrap_or_default();
        now.clear();
        now.extend_from_slice(record);
        self.now = Some(now);
        self.from += len;
        Ok(())
    }
}

impl Sorted {
    /// The smallest that is left, and how often it stands there; it goes into `record`. 0: none is left.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub(super) fn next(&mut self, record: &mut Vec<u8>) -> Result<u64, String> {
        record.clear();
        let smallest = self.pieces.iter().filter_map(|p| p.now.as_deref()).min();
        let Some(smallest) = smallest else { return Ok(0) };
        record.extend_from_slice(smallest);
        let mut count = 0;
        for piece in &mut self.pieces {
            while piece.now.as_deref() == Some(record.as_slice()) {
                count += 1;
                piece.step().map_err(|e| fault(&e))?;
            }
        }
        Ok(count)
    }
}

/// Goes through both in order, and tells of each record how often each side has it.
///
/// # Errors
/// When the disk does not give them.
pub(super) fn merged(mut left: Sorted, mut right: Sorted, each: &mut dyn FnMut(&[u8], u64, u64)) -> Result<(), String> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let (mut in_left, mut in_right) = (left.next(&mut a)?, right.next(&mut b)?);
    loop {
        let order = match (in_left, in_right) {
            (0, 0) => return Ok(()),
            (_, 0) => Ordering::Less,
            (0, _) => Ordering::Greater,
            _ => a.cmp(&b),
        };
        match order {
            Ordering::Less => {
                each(&a, in_left, 0);
                in_left = left.next(&mut a)?;
            }
            Ordering::Greater => {
                each(&b, 0, in_right);
                in_right = right.next(&mut b)?;
            }
            Ordering::Equal => {
                each(&a, in_left, in_right);
                in_left = left.next(&mut a)?;
                in_right = right.next(&mut b)?;
            }
        }
    }
}
