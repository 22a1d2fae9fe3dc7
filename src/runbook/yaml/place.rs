//! From a range of a scalar's text back into the file.
//!
//! Owns: the undoing of quotes, escapes and folding. Must not: know what the text means.

use std::ops::Range;

use crate::diag::{Span, Spanned};

/// The place of a byte range of a scalar's text.
///
/// Exact wherever the characters of the text stand in the file in their order (plain, quoted, literal and folded, simple escapes
/// included); else the whole scalar.
pub fn inside(text: &Spanned<String>, range: Range<usize>) -> Span {
    match_up(&text.value, &text.span, range).unwrap_or_else(|| text.span.clone())
}

fn match_up(text: &str, span: &Span, range: Range<usize>) -> Option<Span> {
    let written = span.text();
    let quote = written
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'') && !text.starts_with(*c));
    let body = quote.map_or(0, char::len_utf8);
    let (mut at, mut start, mut end) = (body, None, None);
    for (i, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        if i >= range.end {
            break;
        }
        at = find_char(written, at, c, quote)?;
        if i >= range.start {
            start.get_or_insert(at);
            end = Some(at + c.len_utf8());
        }
        at += c.len_utf8();
    }
    Some(Span::new(&span.source, span.start + start?, span.start + end?))
}

/// Where `wanted` stands next in `written`, over white space and what a quoted style puts before a character.
fn find_char(written: &str, mut at: usize, wanted: char, quote: Option<char>) -> Option<usize> {
    loop {
        let mut rest = written.get(at..)?.chars();
        let (c, next) = (rest.next()?, rest.next());
        match (quote, c, next) {
            (Some('"'), '\\', Some('n' | 'r' | 't' | '\n')) => at += 2,
            (Some('"'), '\\', Some('"' | '\\' | '/')) | (Some('\''), '\'', Some('\'')) => {
                return (next == Some(wanted)).then_some(at + 1);
            }
            _ if c == wanted => return Some(at),
            _ if c.is_whitespace() => at += c.len_utf8(),
            _ => return None,
        }
    }
}
