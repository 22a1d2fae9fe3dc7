//! A line of an INI inventory → its words, as a POSIX shell would split it.
//!
//! Owns: quotes, backslashes and comments of Python's `shlex.split(comments=True)`. Must not: know what a word means.

/// A word without its quotes, and the bytes of the line that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

/// The words of a line. `#` begins a comment, even inside a word.
///
/// # Errors
/// A quote or a backslash at the end, in words.
pub(super) fn split(line: &str) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices().peekable();
    let mut end = line.len();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {
                if let Some(done) = word.take() {
                    words.push(Word { end: at, ..done });
                }
                continue;
            }
            '#' => {
                end = at;
                break;
            }
            _ => {}
        }
        let open = word.get_or_insert(Word {
            text: String::new(),
            start: at,
            end: at,
        });
        match c {
            '\\' => open.text.push(chars.next().ok_or("nothing follows the backslash")?.1),
            '\'' | '"' => loop {
                let (_, inner) = chars.next().ok_or("a quote is opened and never closed")?;
                match inner {
                    _ if inner == c => break,
                    '\\' if c == '"' => {
                        let (_, next) = chars.next().ok_or("a quote is opened and never closed")?;
                        if !matches!(next, '"' | '\\') {
                            open.text.push('\\');
                        }
                        open.text.push(next);
                    }
                    _ => open.text.push(inner),
                }
            },
            _ => open.text.push(c),
        }
    }
    if let Some(done) = word {
        words.push(Word { end, ..done });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (line, expected) in [
            ("web1 a=1\tb=2", vec!["web1", "a=1", "b=2"]),
            ("web1 a=\"x y\" # c", vec!["web1", "a=x y"]),
            ("web1 a=b#c d=e", vec!["web1", "a=b"]),
            ("web1 a='[1, 2]'", vec!["web1", "a=[1, 2]"]),
            ("web1 a=\"\\\"q\\\" \\n\"", vec!["web1", "a=\"q\" \\n"]),
            ("web1 a=x\\ y", vec!["web1", "a=x y"]),
            ("web1 ''", vec!["web1", ""]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
        assert!(split("web1 a='x").is_err() && split("web1 a\\").is_err());
        let word = split("ab c='d e' f").unwrap().remove(1);
        assert_eq!((word.start, word.end), (3, 10));
    }
}
