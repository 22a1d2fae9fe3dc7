//! The state directory: where runs lie, how one is found, how old ones go.
//!
//! Owns: names and layout (`runs/<run-id>/…`, `locks/`, `once/`). Must not: read plans or journals.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{FileLock, LOCK, LockError};
use crate::disk::{self, Fault};
use crate::id::{Digest, RunId};

/// Longest plan that is read, in bytes.
pub const MAX_PLAN: u64 = 256 * 1024 * 1024;
/// Folders that a crash left half made or half removed begin so.
const HIDDEN: char = '.';
/// Length of the part of a run's id that says when it began: `20261206-010003`.
const SECOND: usize = 15;

/// A state directory. Nothing is made in it before something is to be kept.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// The folder of one run. It may lie anywhere: a copy is as good as the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder at this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path: where the journal and its lock lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id, if the folder has kept its name.
    pub fn id(&self) -> Option<RunId> {
        RunId::parse(self.path.file_name()?.to_str()?)
    }

    /// The frozen plan.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Copies of the files that the plan names, by hash.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// Output of steps and what they kept, by hash.
    pub fn output(&self) -> PathBuf {
        self.path.join("output")
    }

    /// Approvals, one file each.
    pub fn approvals(&self) -> PathBuf {
        self.path.join("approvals")
    }

    /// Reports.
    pub fn report(&self) -> PathBuf {
        self.path.join("report")
    }

    /// The plan's bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_plan(&self) -> Result<Vec<u8>, Fault> {
        disk::read(&self.plan(), MAX_PLAN)
    }
}

/// Why no run was found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FindError {
    /// None has such a name.
    #[error("there is no run `{text}` in {}", root.display())]
    None {
        /// What was asked for.
        text: String,
        /// Where.
        root: PathBuf,
    },
    /// Several begin so.
    #[error("`{text}` is the beginning of {} runs: {}", ids.len(), ids.iter().map(RunId::as_str).collect::<Vec<_>>().join(", "))]
    Several {
        /// What was asked for.
        text: String,
        /// Which.
        ids: Vec<RunId>,
    },
    /// The machine failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl FindError {
    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::None { .. } => {
                "list them with `pitstop runs`, or name the state directory with `--state DIR`".to_owned()
            }
            Self::Several { .. } => "write more of its name, or `last`".to_owned(),
            Self::Fault(fault) => fault.help.clone(),
        }
    }
}

/// What came of claiming a once-key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// It is this run's now.
    Ours,
    /// An earlier run has it.
    Taken(RunId),
}

/// What a prune did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Removed.
    pub removed: Vec<RunId>,
    /// To be removed, but somebody is at work on them.
    pub busy: Vec<RunId>,
}

impl Store {
    /// The state directory at this path, there or not.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder of a new run with its plan in it, durable and all at once.
    ///
    /// # Errors
    /// When the state directory is not ours, not writable, or has this run already.
    pub fn create_run(&self, id: &RunId, plan: &[u8]) -> Result<RunFolder, Fault> {
        let runs = self.sub("runs")?;
        let fresh = RunFolder::at(runs.join(format!("{HIDDEN}new-{id}")));
        let ready = RunFolder::at(runs.join(id.as_str()));
        if ready.path.symlink_metadata().is_ok() {
            let taken = io::Error::from(ErrorKind::AlreadyExists);
            return Err(Fault::new("make the run's folder", ready.path, taken));
        }
        disk::make_dir(&fresh.path)?;
        for dir in [fresh.files(), fresh.output(), fresh.approvals(), fresh.report()] {
            disk::make_dir(&dir)?;
        }
        disk::write_atomic(&fresh.plan(), plan)?;
        disk::rename(&fresh.path, &ready.path)?;
        Ok(ready)
    }

    /// All runs, oldest first. None if there is no state directory yet.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn runs(&self) -> Result<Vec<RunId>, Fault> {
        let mut ids: Vec<RunId> = self.names()?.iter().filter_map(|name| RunId::parse(name)).collect();
        // An id has the second of its start and then chance: of two runs of one second only the disk knows the order.
        ids.sort_by_cached_key(|id| {
            let plan = self.folder(id).plan().symlink_metadata();
            let made = plan.and_then(|m| m.modified()).ok();
            (id.as_str().get(..SECOND).map(str::to_owned), made, id.clone())
        });
        Ok(ids)
    }

    /// The folder of a run that is listed.
    pub fn folder(&self, id: &RunId) -> RunFolder {
        RunFolder::at(self.root.join("runs").join(id.as_str()))
    }

    /// Finds a run by its id, the beginning of its id if only one begins so, `last`, or a path (with a `/`) to its folder.
    ///
    /// # Errors
    /// When none or several are meant.
    pub fn find(&self, text: &str) -> Result<RunFolder, FindError> {
        let none = || FindError::None {
            text: text.to_owned(),
            root: self.root.clone(),
        };
        if text.contains('/') {
            let folder = RunFolder::at(text);
            return if folder.plan().is_file() {
                Ok(folder)
            } else {
                Err(none())
            };
        }
        let mut ids = self.runs()?;
        if text == "last" {
            return ids.pop().map(|id| self.folder(&id)).ok_or_else(none);
        }
        ids.retain(|id| id.as_str().starts_with(text));
        if let Some(whole) = ids.iter().find(|id| id.as_str() == text) {
            return Ok(self.folder(whole));
        }
        match ids.as_slice() {
            [one] => Ok(self.folder(one)),
            [] => Err(none()),
            _ => Err(FindError::Several {
                text: text.to_owned(),
                ids,
            }),
        }
    }

    /// Removes the runs that `may_go` says yes to. A run that somebody is at work on stays, whatever it says.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn prune(&self, now: Timestamp, mut may_go: impl FnMut(&RunFolder) -> bool) -> Result<Pruned, Fault> {
        let mut done = Pruned::default();
        for id in self.runs()? {
            let folder = self.folder(&id);
            if !may_go(&folder) {
                continue;
            }
            match FileLock::take(&folder.path.join(LOCK), now) {
                Ok(lock) => {
                    let gone = self.root.join("runs").join(format!("{HIDDEN}gone-{id}"));
                    disk::rename(&folder.path, &gone)?;
                    drop(lock);
                    done.removed.push(id);
                }
                Err(LockError::Held { .. }) => done.busy.push(id),
                Err(LockError::Fault(fault)) => return Err(fault),
                Err(error @ LockError::NotWorking(_)) => {
                    return Err(Fault::refused("lock", folder.path, &error.to_string(), error.help()));
                }
            }
        }
        self.sweep()?;
        Ok(done)
    }

    /// Removes what prunes, also interrupted ones, have renamed away.
    fn sweep(&self) -> Result<(), Fault> {
        for name in self.names()?.iter().filter(|name| name.starts_with(".gone-")) {
            let path = self.root.join("runs").join(name);
            std::fs::remove_dir_all(&path).map_err(|e| Fault::new("remove", path, e))?;
        }
        Ok(())
    }

    /// Takes a lock of this controller under any name (a runbook and its inventory, a host).
    ///
    /// # Errors
    /// When it is held or the file system cannot lock.
    pub fn lock(&self, name: &str, now: Timestamp) -> Result<FileLock, LockError> {
        let path = self.sub("locks")?.join(Digest::of(name.as_bytes()).hex());
        FileLock::take(&path, now)
    }

    /// Claims a once-key for a run: the first claim wins, for ever.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn once(&self, key: &str, run: &RunId) -> Result<Once, Fault> {
        use std::io::Write as _;
        let path = self.sub("once")?.join(Digest::of(key.as_bytes()).hex());
        let temp = disk::temp_beside(&path)?;
        let mut file = disk::create_new(&temp)?;
        let fault = |e: io::Error| Fault::new("write", &path, e);
        file.write_all(run.as_str().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(fault)?;
        // The name appears with its content or not at all, and never replaces another.
        let (cwd, flag) = (rustix::fs::CWD, rustix::fs::RenameFlags::NOREPLACE);
        match rustix::fs::renameat_with(cwd, &temp, cwd, &path, flag) {
            Ok(()) => disk::sync_dir(&self.root.join("once")).map(|()| Once::Ours),
            Err(rustix::io::Errno::EXIST) => {
                std::fs::remove_file(&temp).map_err(|e| Fault::new("remove", &temp, e))?;
                let text = String::from_utf8_lossy(&disk::read(&path, 64)?).into_owned();
                let help = "remove the file if the change must run again";
                let bad = || Fault::refused("use", &path, "it names no run", help);
                RunId::parse(&text).map(Once::Taken).ok_or_else(bad)
            }
            Err(e) => Err(fault(e.into())),
        }
    }

    /// Gives a once-key back that this run has, because it never began.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn unclaim(&self, key: &str, run: &RunId) -> Result<(), Fault> {
        let path = self.sub("once")?.join(Digest::of(key.as_bytes()).hex());
        if disk::read(&path, 64)? != run.as_str().as_bytes() {
            return Ok(());
        }
        std::fs::remove_file(&path).map_err(|e| Fault::new("remove", &path, e))?;
        disk::sync_dir(&self.root.join("once"))
    }

    /// Makes the state directory and a directory in it, or checks them.
    fn sub(&self, name: &str) -> Result<PathBuf, Fault> {
        if let Some(parent) = self.root.parent().filter(|p| !p.as_os_str().is_empty()) {
            // Only `--state` and the XDG directory can lack parents; those are not ours to guard.
            std::fs::create_dir_all(parent).map_err(|e| Fault::new("make the directory", parent, e))?;
        }
        disk::make_dir(&self.root)?;
        let path = self.root.join(name);
        disk::make_dir(&path)?;
        Ok(path)
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let runs = self.root.join("runs");
        let entries = match std::fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Fault::new("list", runs, e)),
        };
        disk::check_dir(&self.root)?;
        disk::check_dir(&runs)?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Fault::new("list", &runs, e))?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }
}
