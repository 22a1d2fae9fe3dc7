//! The files of a project, as a runbook names them: relative, with `/`, never outside.
//!
//! Owns: what a path may be, and reading from a folder. Must not: know what a file holds.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest file of a project; larger ones belong into a store that a step fetches from.
const MAX_FILE: usize = 1 << 30;

/// Reads files of a project by their path in it. Lowering uses only this, so that it can be tested in memory.
pub trait Files {
    /// The bytes of the file. `path` has passed `plain_path`.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;

    /// What lies in the folder, sorted by name; `Missing` where there is no folder. Names that are no text are passed over.
    fn list(&self, _path: &str) -> Result<Vec<Listed>, ReadError> {
        Err(ReadError::Missing)
    }

    /// The same for a file that people write: no more than `most` bytes are ever held.
    ///
    /// # Errors
    /// As [`Self::read`], and a larger file.
    fn read_within(&self, path: &str, most: usize) -> Result<Vec<u8>, ReadError> {
        let bytes = self.read(path)?;
        if bytes.len() > most {
            Err(too_large(most))
        } else {
            Ok(bytes)
        }
    }
}

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, without a path.
    pub name: String,
    /// True for a folder.
    pub folder: bool,
}

fn too_large(most: usize) -> ReadError {
    ReadError::Unreadable(format!("it is larger than {} MiB", most >> 20))
}

/// Why a file of the project could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// A symbolic link leads out of the project.
    #[error("it lies outside the project")]
    Outside,
    /// The machine said no.
    #[error("{0}")]
    Unreadable(String),
}

/// Why a text is no path of a project; `None` if it is one.
pub fn not_plain(path: &str) -> Option<&'static str> {
    let windows_drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        Some("it is empty")
    } else if path.starts_with(['/', '~']) || windows_drive {
        Some("it is not relative to the project")
    } else if path.contains('\\') {
        Some("parts are separated by `/` on every system")
    } else if path.split('/').any(|part| part == "..") {
        Some("`..` could lead out of the project")
    } else if path.chars().any(char::is_control) {
        Some("it holds a control character")
    } else {
        None
    }
}

/// True to its name: neither a folder nor a pipe or a device, which might never end.
///
/// # Errors
/// When it is something else, or nothing.
pub fn regular(path: &Path) -> Result<(), ReadError> {
    let kind = std::fs::metadata(path).map_err(|e| why_not(path, e))?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "it is a folder"
        } else {
            "it is no regular file but a pipe, a socket or a device"
        };
        return Err(ReadError::Unreadable(what.to_owned()));
    }
    Ok(())
}

/// The bytes of a regular file, `most` at the most; anything else is refused before it is opened.
///
/// # Errors
/// When it is none, larger, or the machine says no.
pub fn read_regular(path: &Path, most: usize) -> Result<Vec<u8>, ReadError> {
    regular(path)?;
    let file = std::fs::File::open(path).map_err(said)?;
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() > most {
        Err(too_large(most))
    } else {
        Ok(bytes)
    }
}

/// Why a path leads to no file.
pub fn why_not(path: &Path, error: std::io::Error) -> ReadError {
    let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
    if is_link && error.kind() == std::io::ErrorKind::NotFound {
        return ReadError::Unreadable("it is a link to something that is not there".to_owned());
    }
    said(error)
}

fn said(error: std::io::Error) -> ReadError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Unreadable(error.to_string()),
    }
}

/// A project's folder on disk.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder that holds `pitstop.yml`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.read_within(path, MAX_FILE)
    }

    fn read_within(&self, path: &str, most: usize) -> Result<Vec<u8>, ReadError> {
        let root = self.root.canonicalize().map_err(said)?;
        let at = root.join(path);
        let whole = at.canonicalize().map_err(|e| why_not(&at, e))?;
        if !whole.starts_with(&root) {
            return Err(ReadError::Outside);
        }
        read_regular(&whole, most)
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, ReadError> {
        let said = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotADirectory => ReadError::Missing,
            _ => said(e),
        };
        let root = self.root.canonicalize().map_err(said)?;
        let whole = root.join(path).canonicalize().map_err(said)?;
        if !whole.starts_with(&root) {
            return Err(ReadError::Outside);
        }
        let mut listed = Vec::new();
        for entry in std::fs::read_dir(&whole).map_err(said)? {
            let entry = entry.map_err(said)?;
            // A link counts as what it leads to; one that leads nowhere is nothing.
            let Ok(about) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if let Ok(name) = entry.file_name().into_string() {
                let folder = about.is_dir();
                listed.push(Listed { name, folder });
            }
        }
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside_the_project() {
        for good in ["a.yml", "dir/a.yml", "./a", "a..b/c"] {
            assert_eq!(not_plain(good), None, "{good}");
        }
        for wrong in ["", "/etc/passwd", "~/x", "../x", "a/../../x", "C:/x", "a\\b", "a\nb"] {
            assert!(not_plain(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn a_link_out_of_the_project_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(dir.path().join("outside"), "x").unwrap();
        std::fs::write(project.join("inside"), "y").unwrap();
        std::os::unix::fs::symlink("../outside", project.join("link")).unwrap();
        let folder = Folder::new(&project);
        assert_eq!(folder.read("inside"), Ok(b"y".to_vec()));
        assert_eq!(folder.read("link"), Err(ReadError::Outside));
        assert_eq!(folder.read("none"), Err(ReadError::Missing));
    }
}
