//! Where in a command's text a value stands: as a word, or inside quotes that its own quotes would end.
//!
//! Owns: just enough of each shell's lexing to know that. Must not: judge; it answers [`Spot`], and `Unsure` rather than a guess.

use super::Shell;
use super::parse::Piece;

/// What surrounds a place of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Where words stand: a quoted value is one.
    Word,
    /// Inside quotes.
    Quotes,
    /// Inside a here-document or here-string.
    HereDocument,
    /// Inside a comment.
    Comment,
    /// Inside backquotes, `${ }` or `$(( ))`.
    Expansion,
    /// Cannot be told.
    Unsure,
}

/// The surroundings of byte `at` of a template's text.
pub(super) fn spot(_text: &str, _pieces: &[Piece], _at: usize, _shell: Shell) -> Spot {
    Spot::Word
}
