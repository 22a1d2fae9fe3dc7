//! A value's text → plain text and expressions.
//!
//! Owns: where `{{ … }}` begins and ends, and the look-alikes that are refused. Must not: read what stands inside.

use std::ops::Range;

use super::parse::{Node, expression};
use super::{ErrorKind, ExprError};

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Plain text, by its place.
    Text(Range<usize>),
    /// An expression; `range` includes the braces.
    Expr {
        /// What it says.
        node: Node,
        /// Where.
        range: Range<usize>,
    },
}

/// Splits a value's text into plain text and expressions.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, ExprError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = rest(text, at).find("{{").map(|n| n + at) {
        if open > at {
            pieces.push(Piece::Text(at..open));
        }
        let inner = open + 2;
        let Some(close) = closing(text, inner) else {
            return Err(ExprError::new(ErrorKind::Syntax, "`{{` is not closed", open..open + 2)
                .help("close it with `}}`, or write `{{ \"{{\" }}` for two braces that are meant as they stand"));
        };
        let whole = open..close + 2;
        let body = text.get(inner..close).unwrap_or("");
        refuse_foreign(body, &whole)?;
        let node = expression(body, inner).map_err(|e| {
            if e.kind == ErrorKind::Syntax && e.help.is_none() {
                return e.help("only `{{ expression }}` is a template; write `{{ \"{{\" }}` for two braces that are meant as they stand");
            }
            e
        })?;
        pieces.push(Piece::Expr { node, range: whole });
        at = close + 2;
    }
    if at < text.len() {
        pieces.push(Piece::Text(at..text.len()));
    }
    Ok(pieces)
}

/// Byte offset of the `}}` that ends an expression; quotes inside it count.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut chars = rest(text, from).char_indices().peekable();
    while let Some((n, c)) = chars.next() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '}' && chars.peek().is_some_and(|(_, next)| *next == '}') => return Some(from + n),
            None => {}
        }
    }
    None
}

/// Go templates (`docker --format`) and Jinja's whitespace control look like ours and are not.
fn refuse_foreign(body: &str, whole: &Range<usize>) -> Result<(), ExprError> {
    let word = body.trim();
    let go = word.starts_with(['.', '$'])
        || ["json .", "range .", "if .", "printf \""]
            .iter()
            .any(|w| word.starts_with(w))
        || ["end", "else"].contains(&body);
    if go {
        let example = format!("{{{{ \"{{{{\" }}}}{body}}}}}");
        return Err(ExprError::new(
            ErrorKind::Syntax,
            "this looks like a Go template, not like ours",
            whole.clone(),
        )
        .help(format!(
            "for the text as it stands write `{example}`, or put the command into a `script`"
        )));
    }
    if body.starts_with('-') || body.ends_with('-') {
        return Err(ExprError::new(
            ErrorKind::Syntax,
            "`{{-` and `-}}` (cutting of whitespace) do not exist here",
            whole.clone(),
        )
        .help("write a blank behind `{{` and before `}}`"));
    }
    Ok(())
}

fn rest(text: &str, from: usize) -> &str {
    text.get(from..).unwrap_or("")
}
