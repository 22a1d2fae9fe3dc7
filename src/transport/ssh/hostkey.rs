//! `known_hosts`: is this the host's own key? Strict: what is not known is refused.
//!
//! Owns: reading and judging, certificates too. Must not: write a `known_hosts` file, trust on first use.
//!
//! russh's own reader ignores `@revoked` and knows no patterns, hence this one. Keys are compared as the base64 text of the
//! key, so a line that nothing can parse still matches, or revokes, what it names.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, PublicKey, PublicKeyBase64 as _};

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
    /// The host is known only through a certificate authority, and showed no certificate of it.
    AuthorityOnly(String),
    /// The authority is known, where; but its certificate does not prove this host, why.
    BadCertificate(String, String),
}

/// The names under which a host may stand in the files, and the one that its certificate must have.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// With the port, or the alias.
    first: String,
    /// Without the port: ssh asks for this too where the first is not known.
    bare: Option<String>,
    principal: String,
}

impl Names {
    /// Of an address and a port, or of the alias that stands for both.
    pub(super) fn of(address: &str, port: u16, alias: Option<&str>) -> Self {
        let address = address.to_lowercase();
        match alias.map(str::to_lowercase) {
            Some(alias) => Self {
                first: alias.clone(),
                bare: None,
                principal: alias,
            },
            None if port == 22 => Self {
                first: address.clone(),
                bare: None,
                principal: address,
            },
            None => Self {
                first: format!("[{address}]:{port}"),
                bare: Some(address.clone()),
                principal: address,
            },
        }
    }

    /// The name that a new line has.
    pub(super) fn written(&self) -> &str {
        &self.first
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first.as_str()).chain(self.bare.as_deref())
    }
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
    pub(super) fn kinds(&self, names: &Names) -> Vec<String> {
        let own = self.lines.iter().filter(|l| l.marker.is_none() && l.is_of_any(names));
        own.map(|l| l.kind.clone()).collect()
    }

    /// True if a certificate could prove this host: only then is it asked for one.
    pub(super) fn has_authority(&self, names: &Names) -> bool {
        self.lines.iter().any(|l| l.is_authority() && l.is_of_any(names))
    }

    /// Judges the key that a host has shown. A revocation outweighs everything.
    pub(super) fn judge(&self, names: &Names, key: &PublicKey) -> Verdict {
        let key = key.public_key_base64();
        let verdict = self.judge_as(&names.first, &key);
        let (Verdict::Unknown, Some(bare)) = (&verdict, &names.bare) else {
            return verdict;
        };
        match self.judge_as(bare, &key) {
            // Another port may be another server: that it has another key proves nothing.
            Verdict::Changed(_) => Verdict::Unknown,
            other => other,
        }
    }

    /// Judges a certificate: of a known authority, for a host, for this name, and for now. One of an unknown authority counts
    /// as the bare key, as it does for ssh.
    pub(super) fn judge_certificate(&self, names: &Names, certificate: &Certificate) -> Verdict {
        let key = PublicKey::from(certificate.public_key().clone());
        let authority = PublicKey::from(certificate.signature_key().clone()).public_key_base64();
        let mut known = None;
        for line in self.lines.iter().filter(|l| l.is_of_any(names)) {
            if line.marker.as_deref() == Some("@revoked") && line.is_key(&authority) {
                return Verdict::Revoked(line.place.clone());
            }
            if line.is_authority() && line.is_key(&authority) {
                known = known.or(Some(line.place.clone()));
            }
        }
        match (self.judge(names, &key), known) {
            (Verdict::Revoked(place), _) => Verdict::Revoked(place),
            (verdict, None) => verdict,
            (_, Some(place)) => match fault(certificate, &names.principal, now()) {
                None => Verdict::Known,
                Some(why) => Verdict::BadCertificate(place, why),
            },
        }
    }

    fn judge_as(&self, name: &str, key: &str) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for line in self.lines.iter().filter(|l| l.is_of(name)) {
            verdict = match (line.marker.as_deref(), line.is_key(key), verdict) {
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

/// Why a certificate of a known authority does not prove the host; `None`: it does.
fn fault(certificate: &Certificate, principal: &str, now: u64) -> Option<String> {
    if certificate.cert_type() != CertType::Host {
        return Some("it is a user's, not a host's".to_owned());
    }
    let weak = matches!(
        certificate.signature().algorithm(),
        Algorithm::Rsa { hash: None } | Algorithm::Dsa
    );
    if weak || certificate.verify_signature().is_err() {
        return Some("the authority's signature is not good".to_owned());
    }
    // One without names would be good for every host.
    let names = certificate.valid_principals();
    if !names.iter().any(|name| is_like(name, principal)) {
        let list = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Some(format!(
            "it is for {}, not for {principal}",
            if list.is_empty() { "no host by name" } else { &list }
        ));
    }
    if !certificate.critical_options().is_empty() {
        return Some("it has a critical option, and none is known for hosts".to_owned());
    }
    validity(certificate, now)
}

/// Why a certificate is not valid now; `None`: it is.
pub(super) fn validity(certificate: &Certificate, now: u64) -> Option<String> {
    let at = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
    };
    if now < certificate.valid_after() {
        return Some(format!("it is valid only from {} on", at(certificate.valid_after())));
    }
    (now >= certificate.valid_before()).then(|| format!("it has expired at {}", at(certificate.valid_before())))
}

/// Seconds since 1970. A clock before that makes every certificate invalid.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
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

    fn is_authority(&self) -> bool {
        self.marker.as_deref() == Some("@cert-authority")
    }

    fn is_key(&self, key: &str) -> bool {
        self.key.trim_end_matches('=') == key.trim_end_matches('=')
    }

    fn is_of_any(&self, names: &Names) -> bool {
        names.all().any(|name| self.is_of(name))
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
        KnownHosts { lines }.judge_as(name, key)
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
