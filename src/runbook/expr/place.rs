//! Where in a command's text a value stands: as a word, or inside quotes that its own quotes would end.
//!
//! Owns: just enough of each shell's lexing to know that. Must not: judge; it answers [`Spot`], and `Unsure` rather than a guess.

use super::Shell;
use super::split::Piece;

/// What surrounds a place of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Where words stand: a quoted value is one.
    Word,
    /// Inside quotes.
    Quotes,
    /// Behind a character that takes the first quote's meaning away (`\`, `$`, `^`).
    Escaped,
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
pub(super) fn spot(text: &str, pieces: &[Piece], at: usize, shell: Shell) -> Spot {
    let mut before = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(range) if range.start < at => before.extend(text.get(range.clone()).unwrap_or("").chars()),
            // An earlier value is a part of some word; which letters it has changes nothing.
            Piece::Expr { range, .. } if range.start < at => before.push('x'),
            _ => {}
        }
    }
    match shell {
        Shell::Sh => Sh::new(&before).run(),
        Shell::Ps => Ps::new(&before).run(),
        Shell::Cmd => cmd(&before),
    }
}

/// What is open around a place, innermost last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Double,
    /// `$( )` and `( )`: commands again.
    Paren,
    /// `${ }`
    Brace,
    /// `` ` ` ``
    Back,
    /// `$(( ))`, with the parentheses that are open in it.
    Arithmetic(usize),
}

/// The spot that the open things make.
fn spot_in(stack: &[Open]) -> Spot {
    let expands = |o: &Open| matches!(o, Open::Brace | Open::Back | Open::Arithmetic(_));
    if stack.iter().any(expands) {
        Spot::Expansion
    } else if stack.last() == Some(&Open::Double) {
        Spot::Quotes
    } else {
        Spot::Word
    }
}

/// `sh`.
struct Sh<'a> {
    chars: &'a [char],
    at: usize,
    stack: Vec<Open>,
    /// Here-documents whose text begins on the next line: delimiter, and whether leading tabs are taken off.
    pending: Vec<(Vec<char>, bool)>,
    /// True where a word may begin (there `#` is a comment).
    fresh: bool,
}

impl<'a> Sh<'a> {
    fn new(chars: &'a [char]) -> Self {
        Self {
            chars,
            at: 0,
            stack: Vec::new(),
            pending: Vec::new(),
            fresh: true,
        }
    }

    fn run(mut self) -> Spot {
        while let Some(c) = self.peek(0) {
            let stop = match self.stack.last().copied() {
                None | Some(Open::Paren) => self.command(c),
                Some(Open::Double) => self.double(c),
                Some(Open::Brace) => self.brace(c),
                Some(Open::Back) => {
                    match c {
                        '\\' => self.at += 1,
                        '`' => self.close(),
                        _ => {}
                    }
                    self.at += 1;
                    None
                }
                Some(Open::Arithmetic(depth)) => self.arithmetic(c, depth),
            };
            if let Some(spot) = stop {
                return spot;
            }
        }
        spot_in(&self.stack)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn find(&self, c: char, from: usize) -> Option<usize> {
        let rest = self.chars.get(from..)?;
        rest.iter().position(|x| *x == c).map(|n| n + from)
    }

    fn starts(&self, word: &str) -> bool {
        word.chars().enumerate().all(|(n, c)| self.peek(n) == Some(c))
    }

    fn open(&mut self, open: Open, len: usize) -> Option<Spot> {
        self.stack.push(open);
        self.at += len;
        self.fresh = true;
        None
    }

    fn close(&mut self) {
        self.stack.pop();
        self.fresh = false;
    }

    fn command(&mut self, c: char) -> Option<Spot> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        match c {
            '\'' => return self.single(),
            '"' => return self.open(Open::Double, 1),
            '\\' => {
                self.fresh = fresh;
                return self.escape();
            }
            '$' | '`' => return self.dollar(c),
            '(' => return self.open(Open::Paren, 1),
            // Without one that is open it ends a pattern of `case`.
            ')' => self.close(),
            '#' if fresh => match self.find('\n', self.at) {
                Some(end) => self.at = end - 1,
                None => return Some(Spot::Comment),
            },
            '<' if self.starts("<<<") => self.at += 2,
            '<' if self.starts("<<") => return self.here_document(),
            '\n' => return self.line_end(),
            // The `)` of its patterns would close what it does not belong to.
            'c' if fresh
                && !self.stack.is_empty()
                && self.starts("case")
                && self.peek(4).is_none_or(char::is_whitespace) =>
            {
                return Some(Spot::Unsure);
            }
            _ => {}
        }
        self.fresh = c.is_whitespace() || matches!(c, ';' | '&' | '|' | ')');
        self.at += 1;
        None
    }

    fn double(&mut self, c: char) -> Option<Spot> {
        match c {
            '"' => {
                self.close();
                self.at += 1;
                None
            }
            '\\' => self.escape(),
            '$' | '`' => self.dollar(c),
            _ => {
                self.at += 1;
                None
            }
        }
    }

    fn brace(&mut self, c: char) -> Option<Spot> {
        match c {
            '}' => self.close(),
            '\\' => return self.escape(),
            '"' => return self.open(Open::Double, 1),
            // Shells disagree about these inside double quotes.
            '\'' if self.stack.contains(&Open::Double) => return Some(Spot::Unsure),
            '\'' => return self.single(),
            '$' | '`' => return self.dollar(c),
            _ => {}
        }
        self.at += 1;
        None
    }

    fn arithmetic(&mut self, c: char, depth: usize) -> Option<Spot> {
        let depth = match c {
            '(' => depth + 1,
            ')' => depth.saturating_sub(1),
            // Then it is probably `$( (…) )`, written without a blank.
            '\'' | '"' | '`' | '\\' => return Some(Spot::Unsure),
            _ => depth,
        };
        self.stack.pop();
        if depth > 0 {
            self.stack.push(Open::Arithmetic(depth));
        }
        self.at += 1;
        None
    }

    fn single(&mut self) -> Option<Spot> {
        let Some(end) = self.find('\'', self.at + 1) else {
            return Some(Spot::Quotes);
        };
        self.at = end + 1;
        None
    }

    fn escape(&mut self) -> Option<Spot> {
        match self.peek(1) {
            None => return Some(Spot::Escaped),
            // The shell joins the lines before it reads words, so what stands on both sides may be one token.
            Some('\n') => {
                let before = self.at.checked_sub(1).and_then(|n| self.chars.get(n));
                let word = self.stack.last() == Some(&Open::Paren);
                if before.is_some_and(|b| "$<(".contains(*b) || word && b.is_alphabetic()) {
                    return Some(Spot::Unsure);
                }
            }
            Some(_) => self.fresh = false,
        }
        self.at += 2;
        None
    }

    fn dollar(&mut self, c: char) -> Option<Spot> {
        if c == '`' {
            return self.open(Open::Back, 1);
        }
        match (self.peek(1), self.peek(2)) {
            (Some('('), Some('(')) => self.open(Open::Arithmetic(2), 3),
            (Some('('), _) => self.open(Open::Paren, 2),
            (Some('{'), _) => self.open(Open::Brace, 2),
            // `$'…'` has escapes in some shells and none in others.
            (Some('\''), _) if self.stack.last() != Some(&Open::Double) => {
                let end = self.find('\'', self.at + 2);
                let body = self.chars.get(self.at..end.unwrap_or(self.chars.len()));
                if body.is_none_or(|b| b.contains(&'\\')) {
                    return Some(Spot::Unsure);
                }
                self.at += 1;
                self.single()
            }
            (None, _) => Some(Spot::Escaped),
            _ => {
                self.at += 1;
                None
            }
        }
    }

    /// `<<WORD`: remembers the delimiter.
    fn here_document(&mut self) -> Option<Spot> {
        self.at += 2;
        let tabs = self.peek(0) == Some('-');
        self.at += usize::from(tabs);
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.at += 1;
        }
        let mut delimiter = Vec::new();
        while let Some(c) = self.peek(0) {
            if c.is_whitespace() || ";&|<>()".contains(c) {
                break;
            }
            if c == '\\' && self.peek(1) == Some('\n') {
                return Some(Spot::Unsure);
            }
            if !matches!(c, '\'' | '"' | '\\') {
                delimiter.push(c);
            }
            self.at += 1;
        }
        self.pending.push((delimiter, tabs));
        None
    }

    /// A line break of the command: the waiting here-documents stand behind it.
    fn line_end(&mut self) -> Option<Spot> {
        self.at += 1;
        self.fresh = true;
        for (delimiter, tabs) in std::mem::take(&mut self.pending) {
            loop {
                let Some(end) = self.find('\n', self.at) else {
                    return Some(Spot::HereDocument);
                };
                let line = self.chars.get(self.at..end).unwrap_or(&[]);
                let cut = if tabs {
                    line.iter().take_while(|c| **c == '\t').count()
                } else {
                    0
                };
                let found = line.get(cut..) == Some(delimiter.as_slice());
                self.at = end + 1;
                if found {
                    break;
                }
                // It may join the next line, which then ends nothing.
                if line.last() == Some(&'\\') {
                    return Some(Spot::Unsure);
                }
            }
        }
        None
    }
}

/// PowerShell.
struct Ps<'a> {
    chars: &'a [char],
    at: usize,
    stack: Vec<Open>,
}

const PS_SINGLE: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201A}', '\u{201B}'];
const PS_DOUBLE: [char; 4] = ['"', '\u{201C}', '\u{201D}', '\u{201E}'];

impl<'a> Ps<'a> {
    fn new(chars: &'a [char]) -> Self {
        Self {
            chars,
            at: 0,
            stack: Vec::new(),
        }
    }

    fn run(mut self) -> Spot {
        while let Some(c) = self.peek(0) {
            let quotes = self.stack.last() == Some(&Open::Double);
            let stop = if c == '`' {
                self.at += 2;
                (self.at > self.chars.len()).then_some(Spot::Escaped)
            } else if self.stack.last() == Some(&Open::Brace) {
                self.at += 1;
                if c == '}' {
                    self.stack.pop();
                }
                None
            } else if quotes && PS_DOUBLE.contains(&c) {
                self.stack.pop();
                self.at += 1;
                None
            } else if c == '$' {
                self.dollar()
            } else if quotes {
                self.at += 1;
                None
            } else {
                self.command(c)
            };
            if let Some(spot) = stop {
                return spot;
            }
        }
        spot_in(&self.stack)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn dollar(&mut self) -> Option<Spot> {
        match self.peek(1) {
            Some('(') => self.stack.push(Open::Paren),
            Some('{') => self.stack.push(Open::Brace),
            None => return Some(Spot::Escaped),
            _ => {
                self.at += 1;
                return None;
            }
        }
        self.at += 2;
        None
    }

    fn command(&mut self, c: char) -> Option<Spot> {
        let fresh = self.at == 0
            || self
                .chars
                .get(self.at - 1)
                .is_some_and(|b| b.is_whitespace() || ";|&(){}".contains(*b));
        let next = self.peek(1);
        if c == '@' && next.is_some_and(|n| PS_SINGLE.contains(&n) || PS_DOUBLE.contains(&n)) {
            return self.here_string(if next.is_some_and(|n| PS_SINGLE.contains(&n)) {
                &PS_SINGLE
            } else {
                &PS_DOUBLE
            });
        }
        if PS_SINGLE.contains(&c) {
            return self.skip_past(|cs| cs.first().is_some_and(|c| PS_SINGLE.contains(c)), 1, Spot::Quotes);
        }
        if PS_DOUBLE.contains(&c) {
            self.stack.push(Open::Double);
        } else if c == '(' {
            self.stack.push(Open::Paren);
        } else if c == ')' {
            self.stack.pop();
        } else if c == '#' && fresh {
            return self.skip_past(|cs| cs.first() == Some(&'\n'), 1, Spot::Comment);
        } else if c == '<' && next == Some('#') {
            return self.skip_past(|cs| cs.starts_with(&['#', '>']), 2, Spot::Comment);
        } else if c == '-' && next == Some('-') && self.peek(2) == Some('%') {
            // Behind `--%` nothing is read as PowerShell any more.
            return Some(Spot::Unsure);
        }
        self.at += 1;
        None
    }

    /// `@'`, line break, text, line break, `'@`
    fn here_string(&mut self, quotes: &[char]) -> Option<Spot> {
        let ends = |cs: &[char]| matches!(cs, ['\n', quote, '@', ..] if quotes.contains(quote));
        self.skip_past(ends, 3, Spot::HereDocument)
    }

    /// Goes on behind the place where `ends` holds; without one, `inside` is the answer.
    fn skip_past(&mut self, ends: impl Fn(&[char]) -> bool, len: usize, inside: Spot) -> Option<Spot> {
        let mut from = self.at + 1;
        while let Some(rest) = self.chars.get(from..)
            && !rest.is_empty()
        {
            if ends(rest) {
                self.at = from + len;
                return None;
            }
            from += 1;
        }
        Some(inside)
    }
}

/// `cmd.exe`: quotes end with their line at the latest.
fn cmd(chars: &[char]) -> Spot {
    let mut quotes = false;
    let mut escaped = false;
    for c in chars {
        match c {
            '\n' => quotes = false,
            '"' if !escaped => quotes = !quotes,
            _ => {}
        }
        escaped = *c == '^' && !escaped && !quotes;
    }
    match (quotes, escaped) {
        (true, _) => Spot::Quotes,
        (_, true) => Spot::Escaped,
        _ => Spot::Word,
    }
}
