//! Whose config it is, and the files it lies in.
//!
//! Owns: the operator's home, name and environment; reading, globbing, and the check of owners. Must not: read what a file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest file that is read; a config is text that people write.
const LONGEST: u64 = 1 << 20;

/// The person in whose name a connection is made.
#[derive(Clone, Debug, Default)]
pub struct Operator {
    /// Home directory.
    pub home: PathBuf,
    /// Login name here.
    pub user: String,
    /// User id.
    pub uid: u32,
    /// Name of this machine.
    pub machine: String,
    /// Environment: for `${NAME}`.
    pub env: BTreeMap<String, String>,
    /// Homes of all users, for `~user/`.
    pub homes: BTreeMap<String, PathBuf>,
    /// The system's own config, read after the operator's.
    pub system: PathBuf,
}

impl Operator {
    /// Of this process.
    pub fn from_env() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut homes = BTreeMap::new();
        let mut own = None;
        for line in passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, id, _, _, home, ..] = fields.as_slice() {
                homes.insert((*name).to_owned(), PathBuf::from(home));
                if own.is_none() && id.parse() == Ok(uid) {
                    own = Some(((*name).to_owned(), PathBuf::from(home)));
                }
            }
        }
        // What is no text cannot be named in a config.
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        let said = |name: &str| env.get(name).filter(|v| !v.is_empty()).cloned();
        let (name, home) = own.unwrap_or_default();
        Self {
            home: said("HOME").map_or(home, PathBuf::from),
            user: said("USER").or_else(|| said("LOGNAME")).unwrap_or(name),
            uid,
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            env,
            homes,
            system: PathBuf::from("/etc/ssh/ssh_config"),
        }
    }

    /// `~` and `~user` at the beginning of a path; `None`: there is no such user.
    pub(super) fn tilde(&self, path: &str) -> Option<String> {
        let Some(rest) = path.strip_prefix('~') else {
            return Some(path.to_owned());
        };
        let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
        let home = if user.is_empty() {
            &self.home
        } else {
            self.homes.get(user)?
        };
        let home = home.to_string_lossy();
        let slash = if home.ends_with('/') { "" } else { "/" };
        Some(format!("{home}{slash}{}", below.trim_start_matches('/')))
    }
}

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// User id of the owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// Where config files lie.
pub trait Files {
    /// A file's bytes, with its owner; at most `LONGEST` of them.
    ///
    /// # Errors
    /// As the machine says it.
    fn read(&self, path: &Path) -> std::io::Result<(Vec<u8>, Stat)>;
    /// Names in a folder; none, if there is no such folder.
    fn entries(&self, dir: &Path) -> Vec<String>;
    /// True if there is something under this path.
    fn exists(&self, path: &Path) -> bool;
}

/// Files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnDisk;

impl Files for OnDisk {
    fn read(&self, path: &Path) -> std::io::Result<(Vec<u8>, Stat)> {
        use std::io::Read as _;
        use std::os::unix::fs::MetadataExt as _;
        let about = std::fs::metadata(path)?;
        // A pipe or a device is never a config, and would not end.
        if !about.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        let file = std::fs::File::open(path)?;
        let about = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(std::io::Error::other("it is longer than 1 MiB"));
        }
        let stat = Stat {
            uid: about.uid(),
            mode: about.mode(),
        };
        Ok((bytes, stat))
    }

    fn entries(&self, dir: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return Vec::new();
        };
        let names = entries.flatten().map(|e| e.file_name().into_string());
        names.filter_map(Result::ok).collect()
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

/// Everything that an absolute glob pattern names, in order; nothing where nothing does.
pub(super) fn glob(files: &dyn Files, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let plain = !part.contains(['*', '?', '[', '\\']);
        found = if plain {
            found.iter().map(|dir| dir.join(part)).collect()
        } else {
            let pattern: Vec<char> = part.chars().collect();
            let mut below = Vec::new();
            for dir in &found {
                let mut names = files.entries(dir);
                names.retain(|name| fits(&pattern, name));
                names.sort();
                below.extend(names.iter().map(|name| dir.join(name)));
            }
            below
        };
    }
    found.retain(|path| files.exists(path));
    found
}

/// A leading dot is matched only by a dot.
fn fits(pattern: &[char], name: &str) -> bool {
    let letters: Vec<char> = name.chars().collect();
    if letters.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    loop {
        let one = match (pattern.get(p), letters.get(n)) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            (Some(_), Some(c)) => one(pattern, p, *c),
            _ => None,
        };
        if let Some(next) = one {
            (p, n) = (next, n + 1);
            continue;
        }
        let Some((at, from)) = retry.filter(|(_, from)| *from < letters.len()) else {
            return false;
        };
        retry = Some((at, from + 1));
        (p, n) = (at, from + 1);
    }
}

/// Behind the one-letter pattern at `p`, if it fits the letter.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' if pattern.get(p + 1).is_some() => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        '[' => match class(pattern, p, c) {
            Some((end, fits)) => fits.then_some(end),
            // A bracket that nothing closes is itself.
            None => (c == '[').then_some(p + 1),
        },
        other => (*other == c).then_some(p + 1),
    }
}

/// `[a-z]`, `[!a-z]`: where it ends, and whether the letter is in it.
fn class(pattern: &[char], open: usize, c: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(open + 1), Some('!' | '^'));
    let first = open + 1 + usize::from(negated);
    let mut at = first;
    let mut inside = false;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > first {
            return Some((at + 1, inside != negated));
        }
        let range = pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|h| *h != ']');
        let high = if range { *pattern.get(at + 2)? } else { low };
        inside |= (low..=high).contains(&c);
        at += if range { 3 } else { 1 };
    }
}
