//! Eight secrets, the forms in which a host could say them, and a search for all of them in any bytes.
//!
//! Written from the words of P13, not from `src/secret/forms.rs`: what that forgets must be found here.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// The shortest there may be; one that is the beginning of another; quotes of shell, JSON, XML, URL and PowerShell; several lines;
/// letters of other scripts.
pub const CANARIES: [&str; 8] = [
    "k7Qz!x9~",
    "correct-horse",
    "correct-horse-battery-staple",
    "it's \"$HOME\" `id`; $(id) \\n",
    "<a href=\"x\">&amp;\t'\\</a>]]>",
    "user:p%40ss/w?rd=1&2 +#;{}",
    "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIH\n$e=`n\"'x'\"\n-----END KEY-----",
    "пароль-€-𝄞-ключ",
];

/// The encodings of P13.
pub const ENCODINGS: [&str; 12] = [
    "plain",
    "base64+0",
    "base64+1",
    "base64+2",
    "base64url+0",
    "base64url+1",
    "base64url+2",
    "hex",
    "HEX",
    "url",
    "json",
    "quoted",
];

/// A secret in every encoding, as a host would say it; the last has the quotings of two shells in it.
pub fn said(value: &str) -> Vec<String> {
    let mut all = vec![value.to_owned()];
    for alphabet in [&STANDARD, &URL_SAFE] {
        for front in ["", "a", "ab"] {
            all.push(alphabet.encode(format!("{front}{value}|")));
        }
    }
    all.extend([hex(value), hex(value).to_uppercase(), url(value), json(value)]);
    all.push(format!("'{}' '{}'", sh(value), powershell(value)));
    all
}

/// What must not be found, with its name: for each encoding the part that depends on the secret alone, and what writers of
/// reports would make of it.
fn needles(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("plain", value.to_owned())];
    for (names, alphabet) in [(&ENCODINGS[1..4], &STANDARD), (&ENCODINGS[4..7], &URL_SAFE)] {
        for (name, front) in names.iter().zip(["", "a", "ab"]) {
            let skip = (front.len() * 8).div_ceil(6);
            let end = (front.len() + value.len()) * 8 / 6;
            let whole = alphabet.encode(format!("{front}{value}"));
            all.push((*name, whole[skip..end].to_owned()));
        }
    }
    let xml = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    all.extend([
        ("hex", hex(value)),
        ("HEX", hex(value).to_uppercase()),
        ("url", url(value)),
        ("json", json(value)),
        ("json in json", json(&json(value))),
        ("quoted", sh(value)),
        ("quoted", powershell(value)),
        ("xml", xml.clone()),
        ("xml", xml.replace('"', "&quot;").replace('\'', "&#39;")),
        ("csv", value.replace('"', "\"\"")),
    ]);
    // Each long line of several by itself.
    all.extend(value.lines().filter(|l| l.len() >= 12).map(|l| ("plain", l.to_owned())));
    all.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

/// Looks for all of them.
pub struct Search {
    automaton: AhoCorasick,
    /// Canary and encoding of each pattern.
    names: Vec<(usize, &'static str)>,
}

impl Search {
    pub fn new() -> Self {
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for (n, canary) in CANARIES.iter().enumerate() {
            for (name, needle) in needles(canary) {
                patterns.push(needle);
                names.push((n, name));
            }
        }
        let automaton = AhoCorasick::new(patterns).unwrap();
        Self { automaton, names }
    }

    /// How often each is in there: canary and encoding.
    pub fn found(&self, bytes: &[u8]) -> BTreeMap<(usize, &'static str), usize> {
        let mut found = BTreeMap::new();
        for hit in self.automaton.find_overlapping_iter(bytes) {
            *found.entry(self.names[hit.pattern().as_usize()]).or_default() += 1;
        }
        found
    }
}

fn hex(value: &str) -> String {
    value.bytes().map(|b| format!("{b:02x}")).collect()
}

fn url(value: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let one = |b: u8| {
        if keep(b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    value.bytes().map(one).collect()
}

fn json(value: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn sh(value: &str) -> String {
    value.replace('\'', r"'\''")
}

fn powershell(value: &str) -> String {
    value.replace('\'', "''")
}

#[test]
fn the_search_finds_each_secret_in_each_encoding_that_a_host_can_say() {
    let search = Search::new();
    for (n, canary) in CANARIES.iter().enumerate() {
        assert!(canary.len() >= 8);
        let said = said(canary);
        assert_eq!(said.len(), ENCODINGS.len());
        for (encoding, text) in ENCODINGS.iter().zip(said) {
            let found = search.found(format!("so: {text}.").as_bytes());
            assert!(
                found.contains_key(&(n, *encoding)),
                "{n} {encoding} in {text}: {found:?}"
            );
        }
    }
    assert!(search.found(b"nothing of the kind").is_empty());
}
