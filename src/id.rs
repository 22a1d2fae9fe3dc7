//! Names that travel: the run id, host names, digests.
//!
//! Owns: parsing, printing and making of identifiers. Must not: read files or know what an identifier stands for.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The id of one run: UTC start time and a random tail, `20261206-010003-k3f9wq`.
///
/// It sorts by time, is safe as a file name and as a shell word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Makes the id of a run that starts at `at` (UTC), with six random characters behind it.
    pub fn new(at: jiff::Timestamp, random: [u8; 6]) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let tail: String = random
            .iter()
            .filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len()).copied())
            .map(char::from)
            .collect();
        Self(format!("{}-{tail}", at.strftime("%Y%m%d-%H%M%S")))
    }

    /// Reads an id that somebody typed or a folder carries; `None` if it has any character an id never has.
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        good.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a host in the inventory. The control machine is [`HostName::controller`]. Cheap to clone: each step of a large
/// fleet names its host several times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Any text the inventory accepted as a host name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The machine pitstop runs on, where `delegate_to: controller` and phases without targets act.
    pub fn controller() -> Self {
        Self("controller".into())
    }

    /// True for the control machine.
    pub fn is_controller(&self) -> bool {
        &*self.0 == "controller"
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name is looked up by its text; both hash and compare alike.
impl std::borrow::Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest, printed `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// From a finished hash.
    pub fn from_hash(hash: &[u8]) -> Self {
        Self(hex(hash))
    }

    /// Reads `sha256:…`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let good = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        good.then(|| Self(digits.to_owned()))
    }

    /// The 64 hex digits alone, for file names.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> Self {
        d.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or_else(|| format!("not a digest: {text}"))
    }
}

/// Bytes that go to many hosts, with their digest, which is made once.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    bytes: Vec<u8>,
    digest: Digest,
}

impl Content {
    /// Their digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { bytes, digest }
    }
}

impl std::ops::Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Lower-case hex of bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_sorts_by_time_and_parses_back() {
        let early = RunId::new(jiff::Timestamp::from_second(1_000_000_000).unwrap(), [0; 6]);
        let late = RunId::new(jiff::Timestamp::from_second(2_000_000_000).unwrap(), [31; 6]);
        assert!(early < late);
        assert_eq!(RunId::parse(early.as_str()), Some(early));
        assert_eq!(RunId::parse("../x"), None);
    }

    #[test]
    fn a_digest_prints_and_parses() {
        let d = Digest::of(b"");
        assert_eq!(
            d.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(Digest::parse(&d.to_string()), Some(d));
        assert_eq!(Digest::parse("sha256:xyz"), None);
    }
}
