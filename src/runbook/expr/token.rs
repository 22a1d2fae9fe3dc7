//! An expression's text → tokens with their places.
//!
//! Owns: words, numbers, quoted texts, signs. Must not: know what follows what.

use std::ops::Range;

use super::{ErrorKind, ExprError};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    Word(String),
    Int(i64),
    Number(f64),
    Text(String),
    Sign(&'static str),
    End,
}

const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "//", "<", ">", "+", "-", "*", "/", "%", "~", "|", "(", ")", "[", "]", ",", ".", "=",
];

/// The tokens of an expression that begins at byte `base`; the last is [`Tok::End`].
pub(super) fn tokens(text: &str, base: usize) -> Result<Vec<(Tok, Range<usize>)>, ExprError> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = rest(text, at).chars().next() {
        let here = rest(text, at);
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (tok, len) = if c.is_ascii_digit() {
            number(here, base + at)?
        } else if c == '"' || c == '\'' {
            quoted(here, c, base + at)?
        } else if c.is_alphabetic() || c == '_' {
            let len = here
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(here.len());
            (Tok::Word(here.get(..len).unwrap_or("").to_owned()), len)
        } else if let Some(sign) = SIGNS.iter().find(|s| here.starts_with(**s)) {
            (Tok::Sign(sign), sign.len())
        } else {
            return Err(foreign_sign(c, here, base + at));
        };
        out.push((tok, base + at..base + at + len));
        at += len;
    }
    out.push((Tok::End, base + text.len()..base + text.len()));
    Ok(out)
}

fn foreign_sign(c: char, here: &str, at: usize) -> ExprError {
    let e = ExprError::new(
        ErrorKind::Syntax,
        format!("`{}` has no meaning in an expression", c.escape_debug()),
        at..at + c.len_utf8(),
    );
    match c {
        '&' if here.starts_with("&&") => e.help("write `and`"),
        '!' => e.help("write `not`"),
        '{' | '}' => e.help("there are no maps in expressions"),
        _ => e,
    }
}

fn number(here: &str, at: usize) -> Result<(Tok, usize), ExprError> {
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let mut len = digits(here);
    let mut whole = true;
    let tail = rest(here, len);
    if tail.starts_with('.') && rest(tail, 1).starts_with(|c: char| c.is_ascii_digit()) {
        len += 1 + digits(rest(tail, 1));
        whole = false;
    }
    let word = here.get(..len).unwrap_or("");
    if rest(here, len).starts_with(|c: char| c.is_alphabetic() || c == '_') {
        let end = here
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(here.len());
        return Err(
            ExprError::new(ErrorKind::Syntax, "a number must not end in letters", at..at + end)
                .help("a duration is written `\"10m\" | duration`; large numbers are written out: `3000000000`"),
        );
    }
    let parsed = if whole {
        word.parse().ok().map(Tok::Int)
    } else {
        word.parse().ok().map(Tok::Number)
    };
    parsed
        .map(|tok| (tok, len))
        .ok_or_else(|| ExprError::new(ErrorKind::Syntax, "this number is too large", at..at + len))
}

fn quoted(here: &str, quote: char, at: usize) -> Result<(Tok, usize), ExprError> {
    let mut out = String::new();
    let mut chars = here.char_indices().skip(1);
    while let Some((n, c)) = chars.next() {
        match c {
            '\\' => {
                let Some((_, next)) = chars.next() else { break };
                match next {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    '\\' | '"' | '\'' => out.push(next),
                    // A regular expression is full of these; an error for each would help nobody.
                    other => out.extend(['\\', other]),
                }
            }
            c if c == quote => return Ok((Tok::Text(out), n + 1)),
            c => out.push(c),
        }
    }
    Err(ExprError::new(
        ErrorKind::Syntax,
        format!("the text that begins with {quote} is not closed"),
        at..at + here.len(),
    ))
}

fn rest(text: &str, from: usize) -> &str {
    text.get(from..).unwrap_or("")
}
