//! The questions that actions ask about a file beside their own work: what stands there, and with which content.
//!
//! Owns: their texts, and knowing them again (a scripted host answers them from what was put there). Must not: run them.

use crate::runbook::expr::quote::sh_word as quote;

const KIND: &str = ": pitstop looks at ";
const DIGEST: &str = ": pitstop compares ";

/// Prints `none`, `other`, or the octal mode of a plain file.
pub fn kind_and_mode(path: &str) -> String {
    format!(
        "{KIND}{0}\nif [ -e {0} ] || [ -h {0} ]; then [ -f {0} ] || {{ echo other; exit 0; }}; stat -c %a -- {0}; else echo none; fi",
        quote(path)
    )
}

/// Prints the SHA-256 of a file.
pub fn digest(path: &str) -> String {
    format!("{DIGEST}{0}\nsha256sum < {0}", quote(path))
}

/// A question, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// [`kind_and_mode`].
    Kind(String),
    /// [`digest`].
    Digest(String),
}

/// The question that a command's text is, if it is one.
pub(super) fn question(text: &str) -> Option<Question> {
    let read = |ask: &str, end: &str| {
        let rest = text.strip_prefix(ask)?;
        // The path stands there twice or more, quoted the same; the first ends where the text of the question goes on.
        let quoted = rest.get(..rest.find(end)?)?;
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        Some(inner.replace("'\\''", "'"))
    };
    let kind = || read(KIND, "\nif [ -e ").map(Question::Kind);
    kind().or_else(|| read(DIGEST, "\nsha256sum < ").map(Question::Digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_again_whatever_the_path() {
        for path in ["/etc/motd", "it's", "two\nlines", ""] {
            assert_eq!(question(&kind_and_mode(path)), Some(Question::Kind(path.to_owned())));
            assert_eq!(question(&digest(path)), Some(Question::Digest(path.to_owned())));
        }
        assert_eq!(question("sha256sum < /etc/motd"), None);
    }
}
