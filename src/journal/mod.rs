//! The memory of a run: append only, chained by hashes, durable before anything is done.
//!
//! Owns: writing and reading `journal.jsonl`, its lock, the run's folder. Must not: decide what an event means.
//! The format on disk is stated in `docs/design/0001-journal.md`.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::control::{self, Protection};
use crate::disk::{self, Fault};
use crate::id::Digest;
use crate::run::event::Event;

pub mod files;
pub mod format;
pub mod history;
pub mod lock;
pub mod output;
pub mod store;
pub mod verify;
mod writer;

pub use format::{Damage, Head, Read, Record, Torn};
pub use lock::{FileLock, Holder, LockError};
pub use writer::Receipt;

/// The journal's file in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";
/// The lock's file in a run's folder.
pub const LOCK: &str = "lock";

/// Why there is no journal, or why a record is not durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The machine failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A record is not what was written.
    #[error("{}: record {} is damaged: {}", path.display(), damage.record, damage.why)]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Which record, and why.
        damage: Damage,
    },
    /// An earlier write or sync failed; nothing is written after that.
    #[error("the journal is closed since an earlier failure: {0}")]
    Closed(Fault),
    /// The event has no JSON form: a bug.
    #[error("an event cannot be written down: {0}")]
    Event(String),
}

impl JournalError {
    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Fault(fault) | Self::Closed(fault) => fault.help.clone(),
            Self::Lock(error) => error.help(),
            Self::Damaged { .. } => {
                "`pitstop report` and `pitstop owed` show the part before it; put the file back from a copy to go on"
                    .to_owned()
            }
            Self::Event(_) => "please report this bug with the command you ran".to_owned(),
        }
    }
}

/// What a durable record is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its number.
    pub seq: u64,
    /// The hash of its line.
    pub hash: Digest,
}

/// What a journal is written to. The seam where tests put failing disks.
pub trait Medium: Write + Send {
    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When the disk cannot; whether anything is durable is then unknown.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn sync(&mut self) -> io::Result<()> {
        if control::off(Protection::Fsync) {
            return Ok(());
        }
        self.sync_data()
    }
}

/// The file of a rehearsal: nobody will ever need it after a power cut.
#[derive(Debug)]
struct Unsynced(File);

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Medium for Unsynced {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts something between the journal and its file.
pub type Wrap = dyn FnOnce(Box<dyn Medium>) -> Box<dyn Medium>;

/// An open journal: the only writer of its run. Share it by reference; every task may append.
///
/// Records appended while a sync is under way share the next one. After one failed write or sync all later ones fail.
#[derive(Debug)]
pub struct Journal {
    writer: writer::Writer,
    // Given up after the writer's thread has ended: fields drop in this order.
    _lock: FileLock,
}

/// A journal that was there, opened for going on.
#[derive(Debug)]
pub struct Opened {
    /// For appending.
    pub journal: Journal,
    /// The records it holds; `torn` is what was set aside.
    pub read: Read,
    /// Where a torn tail lies now.
    pub set_aside: Option<PathBuf>,
}

impl Journal {
    /// Makes the journal of a new run in the run's folder.
    ///
    /// # Errors
    /// When there is one already, the lock is not had, or the disk fails.
    pub fn create(folder: &Path, now: Timestamp) -> Result<Self, JournalError> {
        Self::create_on(folder, now, Box::new(|file| file))
    }

    /// [`Journal::create`], with something between it and its file.
    ///
    /// # Errors
    /// As [`Journal::create`].
    pub fn create_on(folder: &Path, now: Timestamp, wrap: Box<Wrap>) -> Result<Self, JournalError> {
        disk::check_dir(folder)?;
        let lock = FileLock::take(&folder.join(LOCK), now)?;
        let path = folder.join(JOURNAL);
        let file = disk::create_new(&path)?;
        disk::sync_dir(folder)?;
        Self::start(path, wrap(Box::new(file)), Head::empty(), lock)
    }

    /// The journal of a rehearsal in simulated time: the same records and the same chain, but each is written by whoever
    /// appends it, and none is made durable. One that is there already is gone on with.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn rehearse(folder: &Path, now: Timestamp) -> Result<Opened, JournalError> {
        let path = folder.join(JOURNAL);
        let file = if path.exists() {
            disk::open_append(&path)
        } else {
            disk::create_new(&path)
        }?;
        let lock = FileLock::take(&folder.join(LOCK), now)?;
        let read = format::read(BufReader::new(&file)).map_err(|e| Fault::new("read", &path, e))?;
        if let Some(damage) = read.damage {
            return Err(JournalError::Damaged { path, damage });
        }
        let writer = writer::Writer::here(path, Box::new(Unsynced(file)), read.head.clone());
        let journal = Self { writer, _lock: lock };
        Ok(Opened {
            journal,
            read,
            set_aside: None,
        })
    }

    /// Opens the journal in a run's folder to go on. A torn tail is set aside in a file of its own.
    ///
    /// # Errors
    /// When the lock is not had, a record is damaged, or the disk fails.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Opened, JournalError> {
        Self::open_on(folder, now, Box::new(|file| file))
    }

    /// [`Journal::open`], with something between it and its file.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(folder: &Path, now: Timestamp, wrap: Box<Wrap>) -> Result<Opened, JournalError> {
        disk::check_dir(folder)?;
        let path = folder.join(JOURNAL);
        // Before the lock, so that asking for a run that never began leaves no lock file behind.
        let file = disk::open_append(&path)?;
        let lock = FileLock::take(&folder.join(LOCK), now)?;
        let read = format::read(BufReader::new(&file)).map_err(|e| Fault::new("read", &path, e))?;
        if let Some(damage) = read.damage {
            return Err(JournalError::Damaged { path, damage });
        }
        let set_aside = match &read.torn {
            Some(torn) => Some(set_aside(folder, &file, torn, read.intact)?),
            None => None,
        };
        // What the former process wrote may never have been synced; what we build on must be.
        file.sync_all().map_err(|e| Fault::new("sync", &path, e))?;
        let journal = Self::start(path, wrap(Box::new(file)), read.head.clone(), lock)?;
        Ok(Opened {
            journal,
            read,
            set_aside,
        })
    }

    fn start(path: PathBuf, medium: Box<dyn Medium>, head: Head, lock: FileLock) -> Result<Self, JournalError> {
        let writer = writer::Writer::start(path, medium, head)?;
        Ok(Self { writer, _lock: lock })
    }

    /// Hands a record over; it gets its number here, in the order of calls. Await the receipt before acting on it.
    pub fn append(&self, at: Timestamp, event: &Event) -> Receipt {
        self.writer.append(at, event)
    }

    /// The last durable record.
    pub fn head(&self) -> Head {
        self.writer.head()
    }
}

/// Reads the journal in a run's folder without its lock. The tail of a run that is under way may look torn.
///
/// # Errors
/// When there is none or it cannot be read; damage is no error here.
pub fn read(folder: &Path) -> Result<Read, Fault> {
    let path = folder.join(JOURNAL);
    format::read(BufReader::new(disk::open(&path)?)).map_err(|e| Fault::new("read", path, e))
}

/// Who is at work on the run in this folder, if anybody is.
///
/// # Errors
/// When the lock's file cannot be used.
pub fn holder(folder: &Path) -> Result<Option<Holder>, Fault> {
    lock::holder(&folder.join(LOCK))
}

fn set_aside(folder: &Path, journal: &File, torn: &Torn, intact: u64) -> Result<PathBuf, Fault> {
    // The copy is durable before the original is cut.
    let mut number = 1_u32;
    let (path, mut copy) = loop {
        let path = folder.join(format!("journal.torn-{number}"));
        match disk::create_new(&path) {
            Ok(file) => break (path, file),
            Err(fault) if fault.source.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(fault) => return Err(fault),
        }
    };
    let written = copy.write_all(&torn.bytes).and_then(|()| copy.sync_all());
    written.map_err(|e| Fault::new("set the torn tail aside in", &path, e))?;
    disk::sync_dir(folder)?;
    let cut = journal.set_len(intact).and_then(|()| journal.sync_all());
    cut.map_err(|e| Fault::new("cut the torn tail off", folder.join(JOURNAL), e))?;
    Ok(path)
}
