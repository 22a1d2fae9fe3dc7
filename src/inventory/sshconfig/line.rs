//! A line of an OpenSSH client config into keyword and arguments, with their places.
//!
//! Owns: whitespace, `=`, quotes, escapes and comments as OpenSSH reads them. Must not: know a keyword.

use std::sync::Arc;

use crate::diag::{Source, Span, Spanned};

const WHITE: [u8; 4] = [b' ', b'\t', b'\r', b'\n'];

/// A line that says something.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// In lower case.
    pub(super) keyword: Spanned<String>,
    /// Split into words, quotes and escapes taken off, up to a comment.
    pub(super) args: Result<Vec<Spanned<String>>, Unclosed>,
    /// Everything behind the keyword, as it stands.
    pub(super) rest: Spanned<String>,
}

/// A quote that nothing closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed;

/// The lines of a file; empty ones and comments are left out.
pub(super) fn lines(source: &Arc<Source>) -> Vec<Line> {
    let mut at = 0;
    let mut found = Vec::new();
    for text in source.text.split_inclusive('\n') {
        found.extend(line(source, at, text));
        at += text.len();
    }
    found
}

fn line(source: &Arc<Source>, at: usize, text: &str) -> Option<Line> {
    // A form feed is white only at the end; a NUL ends the line, as it does for a program in C.
    let text = text.split('\0').next().unwrap_or("");
    let text = text.trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']);
    let begin = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let (keyword, end) = keyword(text.as_bytes(), begin)?;
    if keyword.is_empty() || keyword.starts_with('#') {
        return None;
    }
    let rest = text.get(end..).unwrap_or("");
    let place = |from: usize, to: usize| Span::new(source, at + from, at + to);
    let named = text
        .get(begin..end)
        .unwrap_or("")
        .trim_end_matches([' ', '\t', '\r', '=']);
    let args = split(rest).map(|words| {
        let spanned = |(word, from, to)| Spanned::new(word, place(end + from, end + to));
        words.into_iter().map(spanned).collect()
    });
    Some(Line {
        keyword: Spanned::new(keyword.to_ascii_lowercase(), place(begin, begin + named.len())),
        args,
        rest: Spanned::new(rest.to_owned(), place(end, text.len())),
    })
}

/// The keyword and where its arguments begin: it ends at white space, at one `=`, or behind its quotes.
fn keyword(text: &[u8], begin: usize) -> Option<(String, usize)> {
    let word = |from: usize, to: usize| String::from_utf8_lossy(text.get(from..to).unwrap_or(&[])).into_owned();
    let skip = |mut at: usize| {
        while text.get(at).is_some_and(|c| WHITE.contains(c)) {
            at += 1;
        }
        at
    };
    let stop = |c: &u8| WHITE.contains(c) || *c == b'"' || *c == b'=';
    let tail = text.get(begin..)?;
    let Some(length) = tail.iter().position(stop) else {
        return Some((word(begin, text.len()), text.len()));
    };
    let end = begin + length;
    match text.get(end) {
        Some(b'"') => {
            let inside = text.get(end + 1..)?;
            let close = end + 1 + inside.iter().position(|c| *c == b'"')?;
            Some((word(begin, end) + &word(end + 1, close), skip(close + 1)))
        }
        Some(b'=') => Some((word(begin, end), skip(end + 1))),
        _ => {
            let next = skip(end);
            let equals = text.get(next) == Some(&b'=');
            Some((word(begin, end), if equals { skip(next + 1) } else { next }))
        }
    }
}

type Word = (String, usize, usize);

/// Words as a shell would cut them, but for `$`: both quotes, and `\` before a quote, a `\`, or an unquoted space.
fn split(text: &str) -> Result<Vec<Word>, Unclosed> {
    let mut words = Vec::new();
    let mut letters = text.char_indices().peekable();
    while let Some((start, first)) = letters.next() {
        if matches!(first, ' ' | '\t') {
            continue;
        }
        if first == '#' {
            break;
        }
        let (mut word, mut quote, mut end) = (String::new(), None, text.len());
        let mut next = Some((start, first));
        while let Some((at, c)) = next {
            let after = letters.peek().map(|(_, c)| *c);
            match (c, quote) {
                ('\\', _) => match after {
                    Some(escaped @ ('\'' | '"' | '\\')) => {
                        word.push(escaped);
                        letters.next();
                    }
                    Some(' ') if quote.is_none() => {
                        word.push(' ');
                        letters.next();
                    }
                    _ => word.push('\\'),
                },
                (' ' | '\t', None) => {
                    end = at;
                    break;
                }
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
            next = letters.next();
        }
        if quote.is_some() {
            return Err(Unclosed);
        }
        words.push((word, start, end));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<Vec<String>>)> {
        let source = Source::new("config", text);
        let words = |l: &Line| {
            l.args
                .as_ref()
                .ok()
                .map(|a| a.iter().map(|w| w.value.clone()).collect())
        };
        lines(&source)
            .iter()
            .map(|l| (l.keyword.value.clone(), words(l)))
            .collect()
    }

    #[test]
    fn keywords_end_at_white_space_or_one_equals_sign() {
        for text in [
            "User anna",
            "  user\tanna  \r\n",
            "USER=anna",
            "User = anna",
            "User= \"anna\"",
            "\"User\" anna",
            "User 'anna' # who",
        ] {
            assert_eq!(
                read(text),
                [("user".to_owned(), Some(vec!["anna".to_owned()]))],
                "{text}"
            );
        }
        assert_eq!(read("User = = x")[0].1.as_ref().unwrap(), &["=", "x"]);
        assert!(read("# User x\n\n   \n\"no end\n").is_empty());
    }

    #[test]
    fn words_are_cut_as_openssh_cuts_them() {
        for (text, words) in [
            (r#"Host a "b c" d\ e"#, Some(vec!["a", "b c", "d e"])),
            (r#"Host "a\"b" 'c\d' \\"#, Some(vec!["a\"b", r"c\d", r"\"])),
            ("Host a#b #c", Some(vec!["a#b"])),
            ("Host a\"b\"c", Some(vec!["abc"])),
            ("Host \"\" x", Some(vec!["", "x"])),
            ("Host \"a", None),
            ("Host", Some(vec![])),
        ] {
            let words = words.map(|w| w.into_iter().map(str::to_owned).collect());
            assert_eq!(read(text), [("host".to_owned(), words)], "{text}");
        }
    }

    #[test]
    fn places_are_of_the_file() {
        let source = Source::new("config", "# x\n  HostName = \"a b\"\n");
        let line = &lines(&source)[0];
        assert_eq!(line.keyword.span.text(), "HostName");
        assert_eq!(line.args.as_ref().unwrap()[0].span.text(), "\"a b\"");
        assert_eq!(line.keyword.span.line_col(), (2, 3));
    }
}
