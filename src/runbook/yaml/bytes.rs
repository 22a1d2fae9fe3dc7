//! From bytes to text that may be read: UTF-8, of a bearable size, without characters that hide something.
//!
//! Owns: what is accepted as text. Must not: know YAML.

use std::sync::Arc;

use super::MAX_BYTES;
use super::words::{one_char, too_large};
use crate::diag::{Diagnostic, Diagnostics, Source, Span};

/// Bytes of a file → a source. UTF-8 only; a byte order mark is taken off.
pub fn source(name: &str, bytes: &[u8], diags: &mut Diagnostics) -> Option<Arc<Source>> {
    if bytes.len() > MAX_BYTES {
        let source = Source::new(name, "");
        diags.push(too_large(Span::new(&source, 0, 0)));
        return None;
    }
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(body) {
        Ok(text) => return Some(Source::new(name, text)),
        Err(error) => error,
    };
    let source = Source::new(name, String::from_utf8_lossy(body));
    let utf16 = body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff");
    let at = if utf16 { 0 } else { error.valid_up_to() };
    let label = if utf16 {
        "this begins as UTF-16 does"
    } else {
        "this byte is no UTF-8"
    };
    diags.push(
        Diagnostic::error("PS0001", "the file is not UTF-8 text", one_char(&source, at), label).help(format!(
            "save it as UTF-8, or convert it: iconv -t UTF-8 {name} > new.yml"
        )),
    );
    None
}

/// Control characters and those that reverse the direction of text: what is shown would not be what is read.
pub fn forbidden_characters(source: &Arc<Source>, diags: &mut Diagnostics) -> bool {
    let bad = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let harmless = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    if source.text.as_bytes().iter().all(harmless) {
        return false;
    }
    let Some((at, c)) = source.text.char_indices().find(|(_, c)| bad(*c)) else {
        return false;
    };
    let code = format!("U+{:04X}", u32::from(c));
    let mut d = Diagnostic::error(
        "PS0003",
        format!("the character {code} may not stand in a file"),
        one_char(source, at),
        "here",
    );
    d = match c {
        '\0' => d.help("a file with NUL in it is a binary file, or UTF-16: save it as UTF-8"),
        '\u{1b}' => d.help("write an escape in double quotes: \"\\e[1m\""),
        _ if c.is_control() => d.help(format!("write it in double quotes as \"\\x{:02X}\"", u32::from(c))),
        _ => d.help("it changes how the line is shown: delete it"),
    };
    diags.push(d);
    true
}
