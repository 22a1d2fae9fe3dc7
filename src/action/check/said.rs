//! What a check asks a host, and how its answer is framed: one `word rest` a line, the last one `end`.
//!
//! ```text
//! unknown REASON     it could not be measured
//! | TEXT             a line of a file or of a program, which may hold anything
//! end                all of it has come: an answer without it measured nothing
//! ```
//!
//! Owns: this frame. Must not: know what is measured.

use crate::runbook::expr::quote::sh_word as quote;

/// What each look begins with. Programs of the administrator are not in everybody's path.
const HEAD: &str = r#"LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
no() { printf 'unknown %s\nend\n' "$*"; exit 0; }
has() { command -v "$1" >/dev/null 2>&1; }
within() { if has timeout; then timeout "$@"; else shift; "$@"; fi; }
"#;

/// Most of a text that is looked into.
pub const TEXT_MAX: usize = 4 << 20;

/// The whole look: what it measures, in words, and the text that does.
pub fn script(words: &str, look: &str) -> String {
    format!(
        ": {}\n{HEAD}{look}\necho end",
        quote(&format!("pitstop checks {words}"))
    )
}

/// The end of a pipe that frames text of a program: cut where it is longer than any that is looked into.
pub fn framed() -> String {
    format!("head -c {} | sed 's/^/| /'", TEXT_MAX + 1)
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a>(&'a str);

impl<'a> Said<'a> {
    /// # Errors
    /// Why it could not be measured.
    pub fn read(text: &'a str) -> Result<Self, String> {
        let Some(body) = text
            .trim_end_matches('\n')
            .strip_suffix("end")
            .filter(|b| b.is_empty() || b.ends_with('\n'))
        else {
            return Err("its answer does not end as it must: it measured nothing".to_owned());
        };
        let said = Self(body);
        match said.first("unknown") {
            Some(why) => Err(why.chars().take(300).collect()),
            None => Ok(said),
        }
    }

    /// All of it, without the frame.
    pub fn whole(self) -> &'a str {
        self.0
    }

    /// Each line: its first word, and the rest.
    pub fn lines(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of = |line: &'a str| line.split_once(' ').unwrap_or((line, ""));
        self.0.lines().filter(|line| !line.is_empty()).map(of)
    }

    /// What stands behind each of these words.
    pub fn all(self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines()
            .filter(move |(first, _)| *first == word)
            .map(|(_, rest)| rest)
    }

    /// What stands behind the first of these words.
    pub fn first(self, word: &'a str) -> Option<&'a str> {
        self.all(word).next()
    }

    /// The same, which must be there.
    ///
    /// # Errors
    /// When it is not: then nothing was measured.
    pub fn need(self, word: &'a str) -> Result<&'a str, String> {
        self.first(word).ok_or_else(|| format!("it does not say its `{word}`"))
    }

    /// A number, which must be there.
    ///
    /// # Errors
    /// When it is not, or is no number.
    pub fn number(self, word: &'a str) -> Result<f64, String> {
        let text = self.need(word)?.trim();
        super::range::number(text).ok_or_else(|| format!("its `{word}` is no number: `{}`", short(text)))
    }

    /// The framed text.
    ///
    /// # Errors
    /// When it is longer than what is looked into.
    pub fn text(self) -> Result<String, String> {
        let text = self.all("|").collect::<Vec<_>>().join("\n");
        match text.len() > TEXT_MAX {
            true => Err(format!("it says more than {} MiB", TEXT_MAX >> 20)),
            false => Ok(text),
        }
    }
}

/// The beginning of what a host said, for people.
pub fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_end_measured_nothing() {
        for text in [
            "",
            "free 5\n",
            "free 5\nen",
            "free 5\nthe end",
            "free 5\n| end of it",
            "end\nfree 5",
        ] {
            assert!(Said::read(text).is_err(), "{text:?}");
        }
        let said = Said::read("free 5\n| unknown x\n\n| end\n|  two\nend\n").unwrap();
        assert_eq!(said.number("free"), Ok(5.0));
        assert_eq!(said.text().unwrap(), "unknown x\nend\n two");
        assert!(said.number("used").unwrap_err().contains("does not say"));
    }

    #[test]
    fn why_it_could_not_be_measured_is_its_own_words() {
        let why = Said::read("unknown it has no `curl`\nend\n").unwrap_err();
        assert_eq!(why, "it has no `curl`");
        let long = format!("unknown {}\nend\n", "x".repeat(9000));
        assert_eq!(Said::read(&long).unwrap_err().len(), 300);
        assert!(
            Said::read("free 5,5\nend")
                .unwrap()
                .number("free")
                .unwrap_err()
                .contains("5,5")
        );
    }
}
