//! From a range of a scalar's text back into the file.
//!
//! Owns: the undoing of quotes, escapes and folding. Must not: know what the text means.

use std::ops::Range;

use crate::diag::{Span, Spanned};

/// The place of a byte range of a scalar's text: from the first to the last of its characters that are no white space, with
/// the whole escape where one is written as an escape. White space alone has no place of its own, for folding and indentation
/// change it: it gives the whole scalar, and so does a text that is not the scalar's.
pub fn inside(text: &Spanned<String>, range: Range<usize>) -> Span {
    match_up(&text.value, &text.span, range).unwrap_or_else(|| text.span.clone())
}

fn match_up(text: &str, span: &Span, range: Range<usize>) -> Option<Span> {
    let written = span.text();
    let wanted: Vec<(usize, char)> = text.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    // A block scalar may begin and end with a quote, too: the reading that gives this text is the right one.
    let style = [Style::Double, Style::Single, Style::Raw]
        .into_iter()
        .find(|style| style.reads(written).is_some_and(|found| found.gives(&wanted, *style)))?;
    let mut places = style.reads(written)?;
    let (mut start, mut end) = (None, None);
    for (i, _) in wanted.into_iter().take_while(|(i, _)| *i < range.end) {
        let (_, place) = places.next()?;
        if i >= range.start {
            start.get_or_insert(place.start);
            end = Some(place.end);
        }
    }
    Some(Span::new(&span.source, span.start + start?, span.start + end?))
}

/// How the characters of a scalar stand in the file.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// As they are: plain, literal and folded.
    Raw,
    /// A quote is doubled.
    Single,
    /// With backslashes.
    Double,
}

impl Style {
    /// The characters of what is written. `None` where it has not the quotes of this style.
    fn reads(self, written: &str) -> Option<Characters<'_>> {
        let quote = match self {
            Self::Raw => "",
            Self::Single => "'",
            Self::Double => "\"",
        };
        let body = written.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(Characters {
            body,
            at: 0,
            before: quote.len(),
            style: self,
        })
    }
}

/// The characters that are no white space, each with its place in the file.
struct Characters<'w> {
    body: &'w str,
    at: usize,
    before: usize,
    style: Style,
}

impl Characters<'_> {
    /// Whether these are the characters of a text. A raw scalar may be followed by a comment.
    fn gives(mut self, wanted: &[(usize, char)], style: Style) -> bool {
        wanted
            .iter()
            .all(|(_, c)| self.next().is_some_and(|(found, _)| found == *c))
            && (style == Style::Raw || self.next().is_none())
    }
}

impl Iterator for Characters<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.body.get(self.at..)?;
            let (c, length) = match (self.style, rest.chars().next()?) {
                (Style::Single, '\'') => ('\'', 2),
                (Style::Double, '\\') => escaped(rest)?,
                (_, c) => (c, c.len_utf8()),
            };
            let from = self.before + self.at;
            self.at += length;
            if !c.is_whitespace() {
                return Some((c, from..from + length));
            }
        }
    }
}

/// What an escape of double quotes means, and how long it is. An escaped line break is nothing, as white space is here.
fn escaped(rest: &str) -> Option<(char, usize)> {
    let letter = rest.chars().nth(1)?;
    let digits = match letter {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let number = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        return Some((char::from_u32(number)?, 2 + digits));
    }
    let meant = match letter {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' => '\u{1b}',
        't' | 'n' | 'v' | 'f' | 'r' | 'N' | '_' | 'L' | 'P' => ' ',
        other => other,
    };
    Some((meant, 1 + letter.len_utf8()))
}
