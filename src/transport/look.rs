//! The questions that actions ask about a file beside their own work: what stands there, and with which content.
//!
//! Owns: their texts, and knowing them again (a scripted host answers them from what was put there). Must not: run them.

use crate::runbook::expr::quote::sh_word as quote;

const KIND: &str = ": pitstop looks at ";
const DIGEST: &str = ": pitstop compares ";

/// What makes a SHA-256 of standard input, as words of a shell. The second is often faster, but takes a while to start.
const PROGRAMS: [&str; 5] = [
    "sha256sum",
    "'openssl dgst -sha256 -r'",
    "'shasum -a 256'",
    "'busybox sha256sum'",
    "'perl -MDigest::SHA=sha256_hex -e print(sha256_hex(<STDIN>))'",
];
/// From so many bytes on its start is made up for.
const LARGE: usize = 4 << 20;

/// Prints `none`, `other`, or the octal mode of a plain file.
pub fn kind_and_mode(path: &str) -> String {
    format!(
        "{KIND}{0}\nif [ -e {0} ] || [ -h {0} ]; then [ -f {0} ] || {{ echo other; exit 0; }}; stat -c %a -- {0}; else echo none; fi",
        quote(path)
    )
}

/// Prints the SHA-256 of a file.
pub fn digest(path: &str) -> String {
    format!("{DIGEST}{0}{1}sum {0}", quote(path), sum(0))
}

/// Defines `sum`, which prints the SHA-256 of file `$1`, thought to be so large. It fails where nothing can read it and make one.
pub(super) fn sum(bytes: usize) -> String {
    let mut programs = PROGRAMS;
    if bytes >= LARGE {
        programs.swap(0, 1);
    }
    format!(
        r#"
sum() {{
  for y in {}; do
    command -v ${{y%% *}} >/dev/null || continue
    y=$($y <"$1" 2>/dev/null) || continue
    echo "${{y%% *}}"; return
  done
  return 1
}}
"#,
        programs.join(" ")
    )
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
    kind().or_else(|| read(DIGEST, "\nsum() {").map(Question::Digest))
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
        assert_eq!(question("sum() { :; }; sum /etc/motd"), None);
    }
}
