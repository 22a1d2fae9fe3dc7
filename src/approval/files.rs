//! Approvals as files: written once, found again.
//!
//! Owns: names, modes, limits, and following no link. Must not: judge what a statement says.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::statement::{MAX_LEN, Statement};
use super::{Approval, ApprovalFault};

/// A folder with more signatures than this is not read to its end.
const MAX_FILES: usize = 4096;

/// A file that was passed over, and why: shown, because somebody meant it to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file or folder.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

impl Approval {
    /// Writes both files into `dir` (made, if it is not there), readable by their owner only; never over another file.
    ///
    /// # Errors
    /// When one of them cannot be written; then the approval is not there.
    pub fn write(&mut self, dir: &Path) -> Result<PathBuf, ApprovalFault> {
        let file = dir.join(self.statement.file_name());
        let signature = sig_of(&file);
        let fault = |path: &Path, source| ApprovalFault::Write {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| fault(dir, error))?;
        // The signature first: whoever finds a statement finds it signed.
        create(&signature, &self.signature).map_err(|error| fault(&signature, error))?;
        if let Err(error) = create(&file, &self.text) {
            let _ = fs::remove_file(&signature);
            return Err(fault(&file, error));
        }
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| fault(dir, error))?;
        self.file.clone_from(&file);
        Ok(file)
    }
}

/// Every approval in these folders, by name, and what could not be read. A folder that is not there has none.
///
/// Only files with a signature beside them are looked at, so that plans and records may lie in the same folder.
pub fn scan(dirs: &[&Path]) -> (Vec<Approval>, Vec<Skipped>) {
    let mut found = Vec::new();
    let mut skipped = Vec::new();
    for dir in dirs {
        let statements = match signed_in(dir) {
            Ok(statements) => statements,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                skipped.push(Skipped {
                    file: dir.to_path_buf(),
                    reason: error.to_string(),
                });
                continue;
            }
        };
        for file in statements {
            match read(&file) {
                Ok(approval) => found.push(approval),
                Err(reason) => skipped.push(Skipped { file, reason }),
            }
        }
    }
    (found, skipped)
}

fn signed_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if fs::symlink_metadata(dir)?.is_symlink() {
        return Err(io::Error::other("it is a link, and links are not followed"));
    }
    let mut statements = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_signature = path.extension().is_some_and(|end| end == "sig");
        let statement = path.with_extension("");
        if is_signature && statement.extension().is_some_and(|end| end == "json") {
            statements.push(statement);
        }
        if statements.len() > MAX_FILES {
            return Err(io::Error::other(format!("it holds more than {MAX_FILES} signatures")));
        }
    }
    statements.sort();
    Ok(statements)
}

fn read(file: &Path) -> Result<Approval, String> {
    let text = read_text(file)?;
    let statement = Statement::from_text(&text)?;
    let signature = read_text(&sig_of(file)).map_err(|why| format!("its signature: {why}"))?;
    Ok(Approval {
        file: file.to_owned(),
        statement,
        text,
        signature,
    })
}

fn read_text(path: &Path) -> Result<String, String> {
    // Without NONBLOCK a named pipe would hold the run up before it can be refused.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match file {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err("it is a link, and links are not followed".to_owned());
        }
        other => other.map_err(|error| error.to_string())?,
    };
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() > MAX_LEN {
        return Err("it is longer than 64 KiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn sig_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}
