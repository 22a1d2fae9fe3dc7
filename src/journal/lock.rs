//! Locks on this machine: one holder a file, free again when its process ends, however it ends.
//!
//! Owns: `flock` and the proof that it works here. Must not: know what is locked.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk::{self, Fault};

/// A reader that asks who holds a lock has it for an instant itself: so often, so long do takers try again.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id on this machine.
    pub pid: u32,
    /// Since when.
    pub at: Timestamp,
}

/// Why a lock was not had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is locked {}", path.display(), by(holder.as_ref()))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who; `None` if it cannot be read.
        holder: Option<Holder>,
    },
    /// Two locks at a time were given out: this file system does not lock.
    #[error("the file system of {} does not lock files (flock)", .0.display())]
    NotWorking(PathBuf),
    /// The machine failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn by(holder: Option<&Holder>) -> String {
    holder.map_or("by another process".to_owned(), |h| {
        format!("by process {} since {:.0}", h.pid, h.at)
    })
}

impl LockError {
    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Held { holder, .. } => match holder {
                Some(h) => format!(
                    "wait for it to end (`ps -p {}`), or watch it with `pitstop status`",
                    h.pid
                ),
                None => "wait for it to end, or watch it with `pitstop status`".to_owned(),
            },
            Self::NotWorking(_) => "choose a state directory on a local disk with `--state DIR`".to_owned(),
            Self::Fault(fault) => fault.help.clone(),
        }
    }
}

/// A lock that is ours until this value is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock in the file at `path`, made if missing. Does not wait for another holder.
    ///
    /// # Errors
    /// When it is held, the file system cannot lock, or the file cannot be used.
    pub fn take(path: &Path, now: Timestamp) -> Result<Self, LockError> {
        let fault = |e| Fault::new("lock", path, e);
        let mut file = open_or_create(path)?;
        if !try_lock(&file, path)? {
            let holder = read_holder(&mut file);
            return Err(LockError::Held {
                path: path.to_owned(),
                holder,
            });
        }
        // A second description of the same file must be kept out, in this process too: else nothing is locked here.
        let again = disk::open(path)?;
        let same = |a: &File, b: &File| Ok(a.metadata()?.ino() == b.metadata()?.ino());
        if !same(&file, &again).map_err(fault)? {
            let gone = std::io::Error::other("it was replaced while it was being locked");
            return Err(fault(gone).into());
        }
        match again.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) | Err(TryLockError::Error(_)) => return Err(LockError::NotWorking(path.to_owned())),
        }
        write_holder(&mut file, now).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

/// Who holds the lock in the file at `path`, if anybody does.
///
/// # Errors
/// When the file is there and cannot be used.
pub fn holder(path: &Path) -> Result<Option<Holder>, Fault> {
    let mut file = match disk::open(path) {
        Ok(file) => file,
        Err(fault) if fault.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file).unwrap_or(Holder {
            pid: 0,
            at: Timestamp::UNIX_EPOCH,
        }))),
        Err(TryLockError::Error(e)) => Err(Fault::new("look at the lock", path, e)),
    }
}

fn open_or_create(path: &Path) -> Result<File, Fault> {
    match disk::create_new(path) {
        Err(fault) if fault.source.kind() == std::io::ErrorKind::AlreadyExists => disk::open_append(path),
        other => other,
    }
}

fn try_lock(file: &File, path: &Path) -> Result<bool, LockError> {
    for n in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if n + 1 < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return Err(LockError::NotWorking(path.to_owned())),
        }
    }
    Ok(false)
}

fn write_holder(file: &mut File, at: Timestamp) -> std::io::Result<()> {
    let pid = std::process::id();
    let text = serde_json::to_string(&Holder { pid, at })?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
