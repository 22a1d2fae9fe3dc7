//! `known_hosts`: is this the host's own key? Strict: what is not known is refused.
//!
//! Owns: reading and judging. Must not: write a `known_hosts` file, trust on first use.
//!
//! russh's own reader ignores `@revoked` and knows no patterns, hence this one. Keys are compared as the base64 text of the
//! key, so a line that nothing can parse still matches, or revokes, what it names.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The lines of all files.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    place: String,
    marker: Option<String>,
    names: String,
    kind: String,
    key: String,
}

/// What the files say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// The host is not in the files.
    Unknown,
    /// The host is there with another key; where.
    Changed(String),
    /// The key is revoked; where.
    Revoked(String),
    /// The host is known only through a certificate authority.
    AuthorityOnly(String),
}

impl KnownHosts {
    /// Reads the files. One that does not exist has no lines; one that cannot be read is an error.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut lines = Vec::new();
        for file in files {
            let text = match std::fs::read(file) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(format!("{} cannot be read: {e}", file.display())),
            };
            let numbered = text.lines().enumerate();
            lines.extend(numbered.filter_map(|(n, line)| Line::read(line, format!("{}:{}", file.display(), n + 1))));
        }
        Ok(Self { lines })
    }

    /// The key types known for a host, so that the server is asked for one of them first.
    pub(super) fn kinds(&self, name: &str) -> Vec<String> {
        let own = self.lines.iter().filter(|l| l.marker.is_none() && l.is_of(name));
        own.map(|l| l.kind.clone()).collect()
    }

    /// Judges the key that a host has shown (base64 of its SSH form). A revocation outweighs everything.
    pub(super) fn judge(&self, name: &str, key: &str) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for line in self.lines.iter().filter(|l| l.is_of(name)) {
            let same = line.key.trim_end_matches('=') == key.trim_end_matches('=');
            verdict = match (line.marker.as_deref(), same, verdict) {
                (Some("@revoked"), true, _) => return Verdict::Revoked(line.place.clone()),
                (None, true, _) => Verdict::Known,
                (None, false, Verdict::Unknown | Verdict::AuthorityOnly(_)) => Verdict::Changed(line.place.clone()),
                (Some("@cert-authority"), _, Verdict::Unknown) => Verdict::AuthorityOnly(line.place.clone()),
                (_, _, before) => before,
            };
        }
        verdict
    }
}

impl Line {
    fn read(text: &str, place: String) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().peekable();
        let first = words.peek().filter(|w| !w.starts_with('#'))?;
        let marker = first.starts_with('@').then(|| first.to_string());
        if marker.is_some() {
            words.next();
        }
        let (names, kind, key) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            place,
            marker,
            names: names.to_owned(),
            kind: kind.to_owned(),
            key: key.to_owned(),
        })
    }

    fn is_of(&self, name: &str) -> bool {
        if let Some(hashed) = self.names.strip_prefix("|1|") {
            return is_hash_of(hashed, name).unwrap_or(false);
        }
        let mut found = false;
        for pattern in self.names.split(',') {
            match pattern.strip_prefix('!') {
                Some(not) if is_like(not, name) => return false,
                Some(_) => {}
                None => found = found || is_like(pattern, name),
            }
        }
        found
    }
}

/// The name under which a host is in the files.
pub(super) fn name_of(address: &str, port: u16) -> String {
    let address = address.to_lowercase();
    if port == 22 {
        address
    } else {
        format!("[{address}]:{port}")
    }
}

fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// `*` is any text, `?` one character; case does not count.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase().into_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(x) if *x == b'?' || x == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lines: &str, name: &str, key: &str) -> Verdict {
        let lines = lines
            .lines()
            .enumerate()
            .filter_map(|(n, l)| Line::read(l, format!("{}", n + 1)))
            .collect();
        KnownHosts { lines }.judge(name, key)
    }

    #[test]
    fn a_key_is_known_by_name_pattern_and_hash() {
        // `echo -n example.com | openssl dgst -sha1 -hmac` with the salt below, as ssh-keygen -H writes it.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"01234567890123456789");
        let hash = STANDARD.encode(hmac::sign(&key, b"[db]:2222"));
        let hashed = format!(
            "|1|{}|{hash} ssh-ed25519 AAAA",
            STANDARD.encode(b"01234567890123456789")
        );
        for (lines, name) in [
            ("db ssh-ed25519 AAAA comment", "db"),
            ("  a,DB\tssh-ed25519\tAAAA", "db"),
            ("*.example.com ssh-ed25519 AAAA", "a.b.example.com"),
            ("db? ssh-ed25519 AAAA", "db7"),
            ("[db]:2222 ssh-ed25519 AAAA", "[db]:2222"),
            (hashed.as_str(), "[db]:2222"),
            ("db ssh-rsa BBBB\ndb ssh-ed25519 AAAA", "db"),
        ] {
            assert_eq!(judge(lines, name, "AAAA"), Verdict::Known, "{lines}");
        }
    }

    #[test]
    fn a_key_that_is_not_proven_the_host_s_own_is_refused() {
        for (lines, verdict) in [
            ("", Verdict::Unknown),
            ("# db ssh-ed25519 AAAA", Verdict::Unknown),
            ("other ssh-ed25519 AAAA", Verdict::Unknown),
            ("!db,* ssh-ed25519 AAAA", Verdict::Unknown),
            ("[db]:2222 ssh-ed25519 AAAA", Verdict::Unknown),
            ("|1|bad|hash ssh-ed25519 AAAA", Verdict::Unknown),
            ("db ssh-ed25519 BBBB", Verdict::Changed("1".to_owned())),
            (
                "db ssh-ed25519 AAAA\n@revoked * ssh-ed25519 AAAA",
                Verdict::Revoked("2".to_owned()),
            ),
            ("@revoked db ssh-ed25519 BBBB", Verdict::Unknown),
            (
                "@cert-authority * ssh-ed25519 AAAA",
                Verdict::AuthorityOnly("1".to_owned()),
            ),
        ] {
            assert_eq!(judge(lines, "db", "AAAA"), verdict, "{lines}");
        }
    }
}
