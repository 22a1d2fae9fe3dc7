//! Safe files: what pitstop keeps on this machine can be read and changed by its owner only.
//!
//! Owns: opening without following links, owner and mode checks, 0700/0600 under any umask, atomic writes, syncs.
//! Must not: know what a file means.
//!
//! Directories above the one that is named are trusted: others cannot swap what lies in a 0700 directory of ours.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The machine failed us (exit 70): what was being done, with which file, what the system said, and what to do next.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub struct Fault {
    /// The verb phrase: `write`, `open for reading`.
    pub doing: String,
    /// The file or directory.
    pub path: PathBuf,
    /// The cause.
    pub source: Arc<io::Error>,
    /// What a person can do next, one sentence.
    pub help: String,
}

impl Fault {
    /// A fault with the help that its cause suggests.
    pub fn new(doing: impl Into<String>, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        let shown = path.display();
        let help = match source.kind() {
            io::ErrorKind::NotFound => format!("look with `ls -ld {shown}`; was it moved or deleted?"),
            io::ErrorKind::PermissionDenied => format!("look with `ls -ld {shown}`; run pitstop as its owner"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("make room (`df -h {shown}`), then run `pitstop resume`")
            }
            io::ErrorKind::ReadOnlyFilesystem => "choose a writable state directory with `--state DIR`".to_owned(),
            io::ErrorKind::AlreadyExists => format!("look at it with `ls -ld {shown}` and move it away"),
            _ => "check the disk (`dmesg | tail`), then run `pitstop resume`".to_owned(),
        };
        Self {
            doing: doing.into(),
            path,
            source: Arc::new(source),
            help,
        }
    }

    /// A fault over something found that must not be there.
    pub fn refused(doing: impl Into<String>, path: impl Into<PathBuf>, why: &str, help: impl Into<String>) -> Self {
        Self {
            help: help.into(),
            ..Self::new(doing, path, io::Error::other(why.to_owned()))
        }
    }
}

/// Makes a directory that only we may enter (0700), or checks the one that is there. Its parent must exist.
///
/// # Errors
/// When it cannot be made, or what is there is a link, no directory, another user's, or writable by others.
pub fn make_dir(path: &Path) -> Result<(), Fault> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Ok(()) => {
            // The umask may have taken bits of ours away, also those that opening it needs.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(DIR_MODE))
                .map_err(|e| Fault::new("set the mode of", path, e))?;
            check_dir(path)?;
            sync_parent(path)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => check_dir(path),
        Err(e) => Err(Fault::new("make the directory", path, e)),
    }
}

/// Checks a directory that is there already: ours, no link, not writable by others.
///
/// # Errors
/// When it is not so.
pub fn check_dir(path: &Path) -> Result<(), Fault> {
    open_dir(path).map(drop)
}

fn open_dir(path: &Path) -> Result<File, Fault> {
    let doing = "use the directory";
    let dir = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::DIRECTORY))
        .open(path)
        .map_err(|e| link_fault(doing, path, e))?;
    check_owner(&dir, doing, path)?;
    Ok(dir)
}

/// Makes a new file (0600) for writing; it must not exist, not even as a dangling link.
///
/// # Errors
/// When it exists or cannot be made.
pub fn create_new(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(FILE_MODE)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(path)
        .map_err(|e| Fault::new("create", path, e))?;
    file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))
        .map_err(|e| Fault::new("set the mode of", path, e))?;
    Ok(file)
}

/// Opens a file of ours for reading: a regular file with one name, owned by us, not writable by others.
///
/// # Errors
/// When it is missing or not such a file.
pub fn open(path: &Path) -> Result<File, Fault> {
    open_checked(OpenOptions::new().read(true), "open", path)
}

/// Opens a file of ours for reading and appending, with the checks of [`open`].
///
/// # Errors
/// As [`open`].
pub fn open_append(path: &Path) -> Result<File, Fault> {
    open_checked(OpenOptions::new().read(true).append(true), "open for writing", path)
}

fn open_checked(options: &mut OpenOptions, doing: &str, path: &Path) -> Result<File, Fault> {
    // NONBLOCK: opening a planted FIFO must not hang; it is without effect on a regular file.
    let file = options
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)
        .map_err(|e| link_fault(doing, path, e))?;
    check_owner(&file, doing, path)?;
    let meta = file.metadata().map_err(|e| Fault::new(doing, path, e))?;
    if !meta.is_file() {
        return Err(Fault::refused(doing, path, "it is no regular file", remove_help(path)));
    }
    if meta.nlink() > 1 {
        let why = "it has a second name (a hard link)";
        return Err(Fault::refused(doing, path, why, remove_help(path)));
    }
    Ok(file)
}

/// Reads a file of ours, at most `max` bytes.
///
/// # Errors
/// As [`open`], and when it is longer than `max`.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, Fault> {
    read_limited(open(path)?, path, max)
}

/// Reads a file below `root` (a repository: whoever owns it), at most `max` bytes. No link leads out of `root`.
///
/// # Errors
/// When it is missing, outside, no regular file, or longer than `max`.
pub fn read_beneath(root: &Path, relative: &Path, max: u64) -> Result<Vec<u8>, Fault> {
    let shown = root.join(relative);
    let fault = |e: io::Error| Fault::new("read", shown.clone(), e);
    let real_root = root.canonicalize().map_err(fault)?;
    let real = real_root.join(relative).canonicalize().map_err(fault)?;
    let Ok(inside) = real.strip_prefix(&real_root) else {
        let help = "move the file into the repository; a link must not lead out of it";
        return Err(Fault::refused("read", shown, "it lies outside of the repository", help));
    };
    // Opened again link by link: the path may have been swapped since it was resolved.
    let file = open_beneath(&real_root, inside).map_err(fault)?;
    if !file.metadata().map_err(fault)?.is_file() {
        let help = "name a regular file";
        return Err(Fault::refused("read", shown, "it is no regular file", help));
    }
    read_limited(file, &shown, max)
}

fn open_beneath(root: &Path, relative: &Path) -> io::Result<File> {
    let mut at = File::open(root)?;
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        let kind = if parts.peek().is_some() {
            OFlags::DIRECTORY
        } else {
            OFlags::NONBLOCK
        };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
        at = rustix::fs::openat(&at, part.as_os_str(), how, rustix::fs::Mode::empty())?.into();
    }
    Ok(at)
}

fn read_limited(file: File, path: &Path, max: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Fault::new("read", path, e))?;
    if bytes.len() as u64 > max {
        let why = format!("it is longer than {max} bytes");
        return Err(Fault::refused("read", path, &why, "use a shorter file"));
    }
    Ok(bytes)
}

/// Writes a whole file (0600): after a crash there is either the old one or the new one, never a mix.
///
/// # Errors
/// When any part fails; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    write_as(path, None, |file| file.write_all(bytes))
}

/// Writes a whole file as [`write_atomic`] does, piece by piece.
///
/// # Errors
/// As [`write_atomic`], and what `pieces` fails with.
pub fn write_atomic_by(path: &Path, pieces: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Fault> {
    write_as(path, None, |file| {
        let mut buffer = io::BufWriter::with_capacity(1 << 16, file);
        pieces(&mut buffer)?;
        buffer.flush()
    })
}

/// Writes a whole file as [`write_atomic`] does, with the mode that the file has: one that people write, not one of ours.
///
/// # Errors
/// As [`write_atomic`], and when there is no such file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let meta = std::fs::metadata(path).map_err(|e| Fault::new("look at", path, e))?;
    write_as(path, Some(meta.permissions()), |file| file.write_all(bytes))
}

fn write_as(
    path: &Path,
    mode: Option<std::fs::Permissions>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Fault> {
    let temp = temp_beside(path)?;
    let written = create_new(&temp).and_then(|mut file| {
        mode.map_or(Ok(()), |mode| file.set_permissions(mode))
            .and_then(|()| write(&mut file))
            .and_then(|()| file.sync_all())
            .map_err(|e| Fault::new("write", path, e))
    });
    let done = written.and_then(|()| rename(&temp, path));
    if done.is_err() {
        // Best effort: the error that is returned tells more than one about the left-over.
        let _ = std::fs::remove_file(&temp);
    }
    done
}

/// Renames within one directory and makes the new name durable.
///
/// # Errors
/// When the system refuses.
pub fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    std::fs::rename(from, to).map_err(|e| Fault::new("rename a temporary file to", to, e))?;
    sync_parent(to)
}

/// A fresh name for a temporary file in the same directory.
///
/// # Errors
/// When the system gives no random bytes.
pub fn temp_beside(path: &Path) -> Result<PathBuf, Fault> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|e| Fault::new("choose a temporary name for", path, io::Error::other(e.to_string())))?;
    Ok(path.with_file_name(format!(".tmp-{}", crate::id::hex(&random))))
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// When the system refuses.
pub fn sync_dir(path: &Path) -> Result<(), Fault> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Fault::new("sync the directory", path, e))
}

fn sync_parent(path: &Path) -> Result<(), Fault> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

fn check_owner(file: &File, doing: &str, path: &Path) -> Result<(), Fault> {
    let meta = file.metadata().map_err(|e| Fault::new(doing, path, e))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let why = format!("it belongs to user {}", meta.uid());
        let help = "run pitstop as its owner, or choose another state directory with `--state DIR`";
        return Err(Fault::refused(doing, path, &why, help));
    }
    if meta.mode() & GROUP_OR_OTHERS_WRITE != 0 {
        let why = format!("others may write to it (mode {:04o})", meta.mode() & 0o7777);
        let help = format!("see what is in it, then `chmod go-w {}`", path.display());
        return Err(Fault::refused(doing, path, &why, help));
    }
    Ok(())
}

fn link_fault(doing: &str, path: &Path, e: io::Error) -> Fault {
    // With NOFOLLOW a link is ELOOP, or ENOTDIR where a directory was asked for; ENXIO is a FIFO or socket.
    let link = path.symlink_metadata().is_ok_and(|m| m.file_type().is_symlink());
    if link {
        Fault::refused(doing, path, "it is a symbolic link", remove_help(path))
    } else {
        Fault::new(doing, path, e)
    }
}

fn remove_help(path: &Path) -> String {
    format!("find out who put it there (`ls -l {}`), then remove it", path.display())
}

fn flags(flags: OFlags) -> i32 {
    // The kernel's open flags all lie in the low 31 bits.
    i32::try_from(flags.bits()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn an_atomic_write_replaces_the_file_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_longer_than_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomic(&path, b"1234").unwrap();
        assert!(read(&path, 3).unwrap_err().to_string().contains("longer than 3 bytes"));
    }

    #[test]
    fn planted_links_fifos_and_loose_modes_are_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write_atomic(&at("good"), b"x").unwrap();
        symlink(at("good"), at("link")).unwrap();
        std::fs::hard_link(at("good"), at("hard")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        std::fs::write(at("loose"), b"x").unwrap();
        std::fs::set_permissions(at("loose"), std::fs::Permissions::from_mode(0o666)).unwrap();
        for (name, why) in [
            ("link", "symbolic link"),
            ("hard", "second name"),
            ("fifo", "no regular file"),
            ("loose", "others may write"),
        ] {
            let fault = open(&at(name)).unwrap_err();
            assert!(fault.to_string().contains(why), "{name}: {fault}");
            assert!(!fault.help.is_empty());
        }
        assert!(create_new(&at("link")).is_err());
    }

    #[test]
    fn a_directory_open_to_others_or_behind_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("good");
        make_dir(&good).unwrap();
        make_dir(&good).unwrap();
        assert_eq!(mode(&good), 0o700);
        let loose = dir.path().join("loose");
        make_dir(&loose).unwrap();
        std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make_dir(&loose).unwrap_err().to_string().contains("others may write"));
        let link = dir.path().join("link");
        symlink(&good, &link).unwrap();
        assert!(make_dir(&link).unwrap_err().to_string().contains("symbolic link"));
    }

    #[test]
    fn a_repository_file_is_read_only_from_beneath_its_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("repo");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/a"), b"inside").unwrap();
        std::fs::write(dir.path().join("secret"), b"outside").unwrap();
        symlink("sub/a", root.join("in")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        assert_eq!(read_beneath(&root, Path::new("in"), 100).unwrap(), b"inside");
        for escape in ["out", "../secret", "/etc/passwd"] {
            let fault = read_beneath(&root, Path::new(escape), 100).unwrap_err();
            assert!(fault.to_string().contains("outside"), "{fault}");
        }
    }
}
