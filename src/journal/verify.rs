//! Is a run's folder still what was written? Offline, without its lock.
//!
//! Owns: the check of the chain, and of every file kept under a hash. Must not: judge the run, check signatures.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::store::RunFolder;
use super::{Damage, Head, Read, Torn};
use crate::disk::{self, Fault};
use crate::id::Digest;
use crate::run::event::Event;

/// What was found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// Where the intact part of the journal ends.
    pub head: Head,
    /// A last line that was not written to its end.
    pub torn: Option<Torn>,
    /// The first damaged record.
    pub damage: Option<Damage>,
    /// Files that are missing or changed.
    pub problems: Vec<Problem>,
    /// Files that nothing names: what a crash left, or somebody added.
    pub unnamed: Vec<PathBuf>,
    /// Files that are as they were.
    pub good_files: u64,
}

/// One file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub path: PathBuf,
    /// `missing`, or what is wrong.
    pub why: String,
}

impl VerifyReport {
    /// True if nothing is damaged, missing or changed. A torn tail is no damage: it was never told to be durable.
    pub fn good(&self) -> bool {
        self.damage.is_none() && self.problems.is_empty()
    }
}

/// Checks the journal and the kept files of a run. `planned`: the digests of the plan's files.
///
/// # Errors
/// When there is no journal or the folder cannot be read; anything found wrong is in the report.
pub fn verify(folder: &RunFolder, planned: impl IntoIterator<Item = Digest>) -> Result<VerifyReport, Fault> {
    let read = super::read(folder.path())?;
    let named: BTreeSet<Digest> = read.facts.iter().flat_map(|fact| digests(&fact.event)).collect();
    let Read { head, torn, damage, .. } = read;
    let mut report = VerifyReport {
        head,
        torn,
        damage,
        problems: Vec::new(),
        unnamed: Vec::new(),
        good_files: 0,
    };
    check_kept(&folder.output(), &named, &mut report)?;
    check_kept(&folder.files(), &planned.into_iter().collect(), &mut report)?;
    Ok(report)
}

/// What an event says lies in `output/`.
fn digests(event: &Event) -> Vec<Digest> {
    match event {
        Event::Settled { result, .. } => {
            let streams = [&result.stdout, &result.stderr]
                .into_iter()
                .filter_map(|kept| kept.digest.as_ref().filter(|_| !kept.withheld));
            streams.chain(result.evidence.values()).cloned().collect()
        }
        Event::Captured { former, .. } => former.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

fn check_kept(dir: &Path, named: &BTreeSet<Digest>, report: &mut VerifyReport) -> Result<(), Fault> {
    for digest in named {
        let path = dir.join(digest.hex());
        match hash(&path) {
            Ok(found) if found == *digest => report.good_files += 1,
            Ok(_) => report.problems.push(Problem {
                path,
                why: "its content was changed".to_owned(),
            }),
            Err(fault) => report.problems.push(Problem {
                why: match fault.source.kind() {
                    io::ErrorKind::NotFound => "missing".to_owned(),
                    _ => fault.source.to_string(),
                },
                path,
            }),
        }
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        // What should lie in it is reported above, file by file.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Fault::new("list", dir, e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| Fault::new("list", dir, e))?.file_name();
        let digest = name.to_str().and_then(|hex| Digest::parse(&format!("sha256:{hex}")));
        if digest.is_none_or(|digest| !named.contains(&digest)) {
            report.unnamed.push(dir.join(name));
        }
    }
    report.unnamed.sort_unstable();
    Ok(())
}

fn hash(path: &Path) -> Result<Digest, Fault> {
    let mut file = disk::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(Digest::from_hash(&hash.finalize())),
            Ok(n) => hash.update(block.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Fault::new("read", path, e)),
        }
    }
}
