//! The forms in which a secret may come back from a host.
//!
//! Owns: plain, base64 (three alignments, two alphabets), hex, URL, JSON, shell and PowerShell quoting; each long line of a
//! value of several lines by itself. Must not: search. Other transformations (gzip, hex dumps in columns) are not found.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::Secret;

/// Tools break base64 into lines of 64 or 76 characters. Pieces of this length (9 bytes of the value) are found by themselves;
/// what overlaps becomes one mark, so that beside a break at most `STEP` - 1 characters are left.
const PIECE: usize = 12;
const STEP: usize = 4;

/// All patterns for a value, each once.
pub(super) fn of(value: &str) -> Vec<Vec<u8>> {
    let mut forms = BTreeSet::new();
    all_of(value, &mut forms);
    for line in value.lines().map(|line| line.trim_end_matches('\r')) {
        // A terminal turns \n into \r\n, a tool indents: then the whole is not found, but its lines are.
        if line.len() >= Secret::MIN && line != value {
            all_of(line, &mut forms);
        }
    }
    forms.into_iter().filter(|form| form.len() >= Secret::MIN).collect()
}

fn all_of(value: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let mut add = |text: String| forms.insert(text.into_bytes());
    add(value.to_owned());
    for before in 0..3 {
        for alphabet in [&STANDARD, &URL_SAFE] {
            let whole = base64(value, before, alphabet);
            let last = whole.len().saturating_sub(PIECE);
            for at in (0..last).step_by(STEP).chain([last]) {
                if let Some(piece) = whole.get(at..at + PIECE) {
                    add(piece.to_owned());
                }
            }
            add(whole);
        }
    }
    let hex = crate::id::hex(value.as_bytes());
    add(hex.to_ascii_uppercase());
    add(hex);
    // RFC 3986 (tools), encodeURIComponent (browsers), form fields; each with both cases of digits.
    for (keep, plus) in [("-_.~", false), ("-_.~!'()*", false), ("-_.*", true), ("-_.~/", false)] {
        for upper in [true, false] {
            add(percent(value, keep, plus, upper));
        }
    }
    for escape_ascii in [false, true] {
        for slash in [false, true] {
            add(json(value, escape_ascii, slash));
        }
    }
    add(value.replace('\'', r"'\''"));
    add(value.replace('\'', r#"'"'"'"#));
    add(value.replace('\'', "''"));
    add(backtick(value));
}

/// The characters of base64 that depend on the value alone when `before` other bytes stand in front of it.
fn base64(value: &str, before: usize, alphabet: &base64::engine::GeneralPurpose) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value.as_bytes());
    let whole = bytes.len() * 8 / 6;
    // One byte in front spoils two characters, two bytes spoil three.
    let spoilt = if before == 0 { 0 } else { before + 1 };
    alphabet.encode(&bytes).chars().take(whole).skip(spoilt).collect()
}

fn percent(value: &str, keep: &str, plus: bool, upper: bool) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || (c.is_ascii() && keep.contains(c)) {
            out.push(c);
        } else if plus && c == ' ' {
            out.push('+');
        } else if upper {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// The inside of a JSON string.
fn json(value: &str, escape_ascii: bool, slash: bool) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '/' if slash => out.push_str("\\/"),
            c if c < ' ' || (escape_ascii && (!c.is_ascii() || c == '\u{7f}')) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// The inside of a PowerShell string in double quotes.
fn backtick(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if matches!(c, '"' | '$' | '`') {
            out.push('`');
        }
        out.push(c);
    }
    out
}
