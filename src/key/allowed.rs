//! The `allowed_signers` file: which key may sign as whom, for what, and when.
//!
//! Owns: OpenSSH's format of it (`ssh-keygen(1)`, ALLOWED SIGNERS), the answer to "whose signature is this". Must not: read
//! files or know policies.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::pattern;
use super::signature::{self, Verified, VerifyError};
use super::signer::fingerprint;

/// Who may sign. A line with a problem grants nothing.
#[derive(Clone, Debug)]
pub struct AllowedSigners {
    name: String,
    lines: Vec<Line>,
}

/// What is wrong with one line; the caller knows the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub col: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    principals: String,
    options: Options,
    key: PublicKey,
}

#[derive(Clone, Debug, Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl AllowedSigners {
    /// Reads the text of the file called `name` (for messages). Times without `Z` are in the machine's zone, as for OpenSSH.
    pub fn parse(text: &str, name: &str) -> (Self, Vec<Problem>) {
        Self::parse_in(text, name, &TimeZone::system())
    }

    fn parse_in(text: &str, name: &str, zone: &TimeZone) -> (Self, Vec<Problem>) {
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match read_line(line, number, zone) {
                Ok(read) => lines.extend(read),
                Err((at, message)) => problems.push(Problem {
                    line: number,
                    col: line.get(..at).unwrap_or(line).chars().count() + 1,
                    message,
                }),
            }
        }
        let name = name.to_owned();
        (Self { name, lines }, problems)
    }

    /// The file's name, as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True if some line lists `principal` for signatures in `namespace`, at whatever time.
    pub fn knows(&self, principal: &str, namespace: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.for_namespace(namespace) && pattern::list_matches(principal, &line.principals))
    }

    /// Checks that `armored` is a good signature over `message`, made for `namespace`, by a key that may sign at `at`.
    ///
    /// # Errors
    /// Says which of these is not so.
    pub fn verify(
        &self,
        namespace: &str,
        message: &[u8],
        armored: &str,
        at: Timestamp,
    ) -> Result<Verified, VerifyError> {
        let key = signature::signing_key(namespace, message, armored)?;
        let mut principals = Vec::new();
        let mut refusal = None;
        for line in self.lines_of(&key) {
            match line.permits(&self.name, namespace, at) {
                Ok(()) => principals.push(line.principals.clone()),
                Err(why) => refusal = Some(why),
            }
        }
        let fingerprint = fingerprint(&key);
        if principals.is_empty() {
            let file = self.name.clone();
            return Err(refusal.unwrap_or(VerifyError::UnknownSigner { file, fingerprint }));
        }
        Ok(Verified {
            fingerprint,
            principals,
        })
    }

    /// True if `key` may sign as `principal`.
    pub(super) fn grants(&self, key: &PublicKey, principal: &str, namespace: &str, at: Timestamp) -> bool {
        self.lines_of(key).any(|line| {
            line.permits(&self.name, namespace, at).is_ok() && pattern::list_matches(principal, &line.principals)
        })
    }

    /// A `cert-authority` line speaks for certificates only, never for its key itself.
    fn lines_of<'a>(&'a self, key: &'a PublicKey) -> impl Iterator<Item = &'a Line> {
        self.lines
            .iter()
            .filter(move |line| !line.options.authority && line.key.key_data() == key.key_data())
    }
}

impl Line {
    fn for_namespace(&self, namespace: &str) -> bool {
        let allowed = self.options.namespaces.as_deref();
        allowed.is_none_or(|list| pattern::list_matches(namespace, list))
    }

    fn permits(&self, file: &str, namespace: &str, at: Timestamp) -> Result<(), VerifyError> {
        let (file, line, fingerprint) = (file.to_owned(), self.number, fingerprint(&self.key));
        if !self.for_namespace(namespace) {
            let namespaces = self.options.namespaces.clone().unwrap_or_default();
            return Err(VerifyError::NotForNamespace {
                file,
                line,
                fingerprint,
                namespaces,
            });
        }
        match (self.options.after, self.options.before) {
            (Some(from), _) if at < from => Err(VerifyError::NotYet {
                file,
                line,
                fingerprint,
                from,
            }),
            (_, Some(until)) if at > until => Err(VerifyError::NoLonger {
                file,
                line,
                fingerprint,
                until,
            }),
            _ => Ok(()),
        }
    }
}

/// A byte offset in the line, and what is wrong there.
type Wrong = (usize, String);

fn wrong<T>(at: usize, message: impl Into<String>) -> Result<T, Wrong> {
    Err((at, message.into()))
}

fn read_line(text: &str, number: usize, zone: &TimeZone) -> Result<Option<Line>, Wrong> {
    let mut rest = Cursor { text, at: 0 };
    rest.skip_blanks();
    if rest.left().is_empty() || rest.left().starts_with('#') {
        return Ok(None);
    }
    let principals_at = rest.at;
    let principals = rest.principals()?;
    if principals.split(',').any(str::is_empty) {
        return wrong(
            principals_at,
            "an empty principal; write `name[,name] [options] keytype key`",
        );
    }
    rest.skip_blanks();
    let mut options = Options::default();
    if !rest.left().is_empty() && !rest.at_key() {
        options = rest.options(zone)?;
        rest.skip_blanks();
    }
    let key = rest.key()?;
    Ok(Some(Line {
        number,
        principals,
        options,
        key,
    }))
}

/// One line and how far it was read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_blanks(&mut self) {
        self.at += self.left().len() - self.left().trim_start_matches([' ', '\t']).len();
    }

    fn word(&self) -> &'a str {
        self.left().split([' ', '\t']).next().unwrap_or("")
    }

    /// A word, or anything between double quotes.
    fn principals(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        if let Some(quoted) = self.left().strip_prefix('"') {
            let Some(end) = quoted.find('"') else {
                return wrong(start, "the quote that begins here is never closed");
            };
            self.at += end + 2;
            return Ok(quoted.get(..end).unwrap_or("").to_owned());
        }
        let word = self.word();
        self.at += word.len();
        Ok(word.to_owned())
    }

    fn at_key(&self) -> bool {
        ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|prefix| self.word().starts_with(prefix))
    }

    fn key(&self) -> Result<PublicKey, Wrong> {
        if self.left().is_empty() {
            return wrong(self.at, "the key is missing; write `name[,name] [options] keytype key`");
        }
        if !self.at_key() {
            return wrong(self.at, format!("`{}` is no key type", self.word().escape_debug()));
        }
        let mut words = self.left().split([' ', '\t']).filter(|word| !word.is_empty());
        let (kind, body) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        match PublicKey::from_openssh(&format!("{kind} {body}")) {
            Ok(key)
                if matches!(
                    key.key_data(),
                    KeyData::Certificate(_) | KeyData::Other(_) | KeyData::Dsa(_)
                ) =>
            {
                wrong(
                    self.at,
                    format!("keys of type {} cannot sign here", kind.escape_debug()),
                )
            }
            Ok(key) => Ok(key),
            Err(error) => wrong(self.at, format!("not a public key: {error}")),
        }
    }

    fn options(&mut self, zone: &TimeZone) -> Result<Options, Wrong> {
        let start = self.at;
        let mut options = Options::default();
        loop {
            self.option(&mut options, zone)?;
            match self.left().chars().next() {
                Some(',') => self.at += 1,
                Some(' ' | '\t') | None => break,
                Some(other) => {
                    return wrong(
                        self.at,
                        format!("`{}` where a comma or a space belongs", other.escape_debug()),
                    );
                }
            }
        }
        match (options.after, options.before) {
            (Some(after), Some(before)) if before <= after => wrong(start, "valid-before is not after valid-after"),
            _ => Ok(options),
        }
    }

    fn option(&mut self, options: &mut Options, zone: &TimeZone) -> Result<(), Wrong> {
        const TWICE: &str = "this option stands here twice";
        let at = self.at;
        let name = self.left().split([',', '=', ' ', '\t']).next().unwrap_or("");
        self.at += name.len();
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => options.authority = true,
            "namespaces" => {
                if options.namespaces.replace(self.value()?).is_some() {
                    return wrong(at, TWICE);
                }
            }
            "valid-after" => {
                if options.after.replace(self.time(zone)?).is_some() {
                    return wrong(at, TWICE);
                }
            }
            "valid-before" => {
                if options.before.replace(self.time(zone)?).is_some() {
                    return wrong(at, TWICE);
                }
            }
            _ => {
                let name = name.escape_debug();
                let known = "cert-authority, namespaces, valid-after, valid-before";
                return wrong(at, format!("`{name}` is neither a key type nor an option ({known})"));
            }
        }
        Ok(())
    }

    /// `="…"`, where `\"` stands for a quote.
    fn value(&mut self) -> Result<String, Wrong> {
        let Some(quoted) = self.left().strip_prefix("=\"") else {
            return wrong(self.at, "the value must follow as =\"…\"");
        };
        let mut value = String::new();
        let mut letters = quoted.char_indices().peekable();
        while let Some((n, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += n + 3;
                    return Ok(value);
                }
                '\\' if letters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
                other => value.push(other),
            }
        }
        wrong(self.at + 1, "the quote that begins here is never closed")
    }

    fn time(&mut self, zone: &TimeZone) -> Result<Timestamp, Wrong> {
        let at = self.at;
        let value = self.value()?;
        moment(&value, zone).ok_or_else(|| {
            let value = value.escape_debug();
            (
                at + 2,
                format!("`{value}` is no time; write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC"),
            )
        })
    }
}

/// `YYYYMMDD[HHMM[SS]]`, with `Z` or `UTC` behind it for UTC.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let upper = text.to_ascii_uppercase();
    let (digits, zone) = match upper.strip_suffix("UTC").or_else(|| upper.strip_suffix('Z')) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (upper.as_str(), zone.clone()),
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse::<i8>().ok());
    let year = digits.get(..4)?.parse().ok()?;
    let local = civil::DateTime::new(
        year,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
        0,
    );
    Some(local.ok()?.to_zoned(zone).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";

    fn problems(text: &str) -> Vec<String> {
        let (allowed, problems) = AllowedSigners::parse_in(text, "allowed", &TimeZone::UTC);
        assert_eq!(
            allowed.lines.is_empty(),
            !problems.is_empty(),
            "a wrong line grants nothing: {text}"
        );
        problems
            .iter()
            .map(|p| format!("{}:{}: {}", p.line, p.col, p.message))
            .collect()
    }

    #[test]
    fn good_lines_are_read_whole() {
        let text = format!(
            "# people\n\n  anna@example.com,*@ops.example.com\tnamespaces=\"pitstop-*,git\",valid-after=\"20260101\" {KEY} Anna's\n\
             \"boris b\" CERT-AUTHORITY {KEY}\n"
        );
        let (allowed, problems) = AllowedSigners::parse_in(&text, "allowed", &TimeZone::UTC);
        assert_eq!(problems, []);
        let [anna, boris] = allowed.lines.as_slice() else {
            panic!("{allowed:?}")
        };
        assert_eq!(
            (anna.number, anna.principals.as_str()),
            (3, "anna@example.com,*@ops.example.com")
        );
        assert_eq!(anna.options.after.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!((boris.principals.as_str(), boris.options.authority), ("boris b", true));
        assert!(allowed.knows("x@ops.example.com", "pitstop-approval"));
        assert!(!allowed.knows("anna@example.com", "file"));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_column() {
        for (text, expected) in [
            ("anna".to_owned(), "1:5: the key is missing"),
            (format!("anna, {KEY}"), "1:1: an empty principal"),
            ("anna ssh-ed25519 AAAA".to_owned(), "1:6: not a public key"),
            (
                format!("anna color=\"red\" {KEY}"),
                "1:6: `color` is neither a key type nor an option",
            ),
            (format!("änna namespaces=git {KEY}"), "1:16: the value must follow"),
            (
                format!("anna namespaces=\"git {KEY}"),
                "1:17: the quote that begins here",
            ),
            (format!("\"anna {KEY}"), "1:1: the quote that begins here"),
            (
                format!("anna namespaces=\"a\",namespaces=\"b\" {KEY}"),
                "1:21: this option stands here twice",
            ),
            (
                format!("anna valid-after=\"2026-01-01\" {KEY}"),
                "1:19: `2026-01-01` is no time",
            ),
            (
                format!("anna valid-after=\"20261301\" {KEY}"),
                "1:19: `20261301` is no time",
            ),
            (
                format!("anna valid-after=\"20260102\",valid-before=\"20260101\" {KEY}"),
                "1:6: valid-before is not after valid-after",
            ),
            (
                format!("anna namespaces=\"git\";x {KEY}"),
                "1:22: `;` where a comma or a space belongs",
            ),
        ] {
            let found = problems(&text);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
        }
    }

    #[test]
    fn times_are_read_in_every_form_openssh_has() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("20260701", Some("2026-06-30T22:00:00Z")),
            ("20260701Z", Some("2026-07-01T00:00:00Z")),
            ("202607011230utc", Some("2026-07-01T12:30:00Z")),
            ("20260701123045", Some("2026-07-01T10:30:45Z")),
            ("2026070112304", None),
            ("20260230", None),
            ("+0260701", None),
            ("", None),
            ("Z", None),
        ] {
            assert_eq!(
                moment(text, &berlin).map(|t| t.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
