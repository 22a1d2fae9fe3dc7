//! A variable's value in an INI inventory: a literal of Python, or the text itself.
//!
//! Owns: the literals of Python's `ast.literal_eval`, which Ansible tries on every value. Must not: know whose value it is.

use crate::diag::Span;
use crate::runbook::yaml::ansible::{Datum, Keys, Kind, insert};

/// Deepest nesting of brackets, as in Python.
const MAX_DEPTH: usize = 200;

/// Why a text is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    /// It is text.
    Literal,
    /// Ansible fails on it: a list or a map as a key.
    Key,
}

/// The value of a text. `Err`: Ansible fails on it, in words.
pub(super) fn value(text: &str, span: &Span) -> Result<Datum, &'static str> {
    let mut reader = Reader {
        rest: text.trim_start_matches([' ', '\t']),
        span,
    };
    match reader.whole() {
        Ok(kind) => Ok(reader.datum(kind)),
        Err(No::Literal) => Ok(reader.datum(Kind::Text(text.to_owned()))),
        Err(No::Key) => Err("a list or a map cannot be a key, or an item of a set"),
    }
}

struct Reader<'t> {
    rest: &'t str,
    span: &'t Span,
}

impl<'t> Reader<'t> {
    fn datum(&self, kind: Kind) -> Datum {
        let span = self.span.clone();
        Datum { kind, span }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// An expression, or several with commas: a tuple. A comment may follow.
    fn whole(&mut self) -> Result<Kind, No> {
        let first = self.item(0)?;
        self.space();
        let kind = if self.rest.starts_with(',') {
            Kind::List(self.items(first, None, 0)?)
        } else {
            first.kind
        };
        self.space();
        if self.rest.is_empty() || self.rest.starts_with('#') {
            Ok(kind)
        } else {
            Err(No::Literal)
        }
    }

    /// What follows the first of several items, to the closing bracket or, without one, to the end.
    fn items(&mut self, first: Datum, close: Option<&str>, depth: usize) -> Result<Vec<Datum>, No> {
        let mut items = vec![first];
        loop {
            self.space();
            let comma = self.take(",");
            self.space();
            match close {
                Some(close) if self.take(close) => return Ok(items),
                None if self.rest.is_empty() || self.rest.starts_with('#') => return Ok(items),
                _ if !comma => return Err(No::Literal),
                _ => items.push(self.item(depth)?),
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Datum, No> {
        if depth > MAX_DEPTH {
            return Err(No::Literal);
        }
        self.space();
        let kind = match self.rest.chars().next() {
            Some('-' | '+') => self.signed()?,
            Some('(' | '[' | '{') => self.bracket(depth)?,
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(1)?,
            Some('"' | '\'') => self.strings()?,
            Some(c) if c.is_ascii_alphabetic() => self.word()?,
            _ => return Err(No::Literal),
        };
        Ok(self.datum(kind))
    }

    fn signed(&mut self) -> Result<Kind, No> {
        let sign = if self.take("-") { -1 } else { 1 };
        if sign == 1 {
            self.take("+");
        }
        self.space();
        // Brackets round a number change nothing.
        let mut brackets = 0;
        while brackets < MAX_DEPTH && self.take("(") {
            brackets += 1;
            self.space();
        }
        if !self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(No::Literal);
        }
        let kind = self.number(sign)?;
        for _ in 0..brackets {
            self.space();
            if !self.take(")") {
                return Err(No::Literal);
            }
        }
        Ok(kind)
    }

    fn bracket(&mut self, depth: usize) -> Result<Kind, No> {
        if self.take("[") {
            self.space();
            if self.take("]") {
                return Ok(Kind::List(Vec::new()));
            }
            let first = self.item(depth + 1)?;
            return Ok(Kind::List(self.items(first, Some("]"), depth + 1)?));
        }
        if self.take("(") {
            self.space();
            if self.take(")") {
                return Ok(Kind::List(Vec::new()));
            }
            let first = self.item(depth + 1)?;
            self.space();
            if self.take(")") {
                return Ok(first.kind);
            }
            return Ok(Kind::List(self.items(first, Some(")"), depth + 1)?));
        }
        self.rest = self.rest.get(1..).unwrap_or("");
        self.space();
        if self.take("}") {
            return Ok(Kind::Map(Vec::new()));
        }
        let first = self.item(depth + 1)?;
        self.space();
        if self.rest.starts_with(':') {
            self.map(first, depth + 1)
        } else {
            let items = self.items(first, Some("}"), depth + 1)?;
            let key = |item: &Datum| !matches!(item.kind, Kind::List(_) | Kind::Map(_));
            if items.iter().all(key) {
                Ok(Kind::Foreign("a set"))
            } else {
                Err(No::Key)
            }
        }
    }

    fn map(&mut self, first: Datum, depth: usize) -> Result<Kind, No> {
        let (mut pairs, mut seen, mut key) = (Vec::new(), Keys::default(), first);
        loop {
            self.space();
            if !self.take(":") {
                return Err(No::Literal);
            }
            let value = self.item(depth)?;
            if !insert(&mut pairs, &mut seen, key, value) {
                // It may still prove to be no literal at all; then it is text. Both are too rare to tell apart.
                return Err(No::Key);
            }
            self.space();
            let comma = self.take(",");
            self.space();
            if self.take("}") {
                return Ok(Kind::Map(pairs));
            }
            if !comma {
                return Err(No::Literal);
            }
            key = self.item(depth)?;
        }
    }

    fn number(&mut self, sign: i64) -> Result<Kind, No> {
        let end = self.number_end();
        let (digits, rest) = self.rest.split_at_checked(end).ok_or(No::Literal)?;
        self.rest = rest;
        let kind = python_number(digits, sign).ok_or(No::Literal)?;
        let complex = matches!(rest.chars().next(), Some('j' | 'J'));
        if complex {
            self.rest = rest.get(1..).unwrap_or("");
        }
        if self
            .rest
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'))
        {
            return Err(No::Literal);
        }
        Ok(if complex {
            Kind::Foreign("a complex number")
        } else {
            kind
        })
    }

    /// Where the number ends that begins here.
    fn number_end(&self) -> usize {
        let bytes = self.rest.as_bytes();
        let radix = matches!(bytes.get(..2), Some(b"0x" | b"0X" | b"0o" | b"0O" | b"0b" | b"0B"));
        let mut at = if radix { 2 } else { 0 };
        let mut float = false;
        while let Some(b) = bytes.get(at) {
            let exponent = matches!(b, b'e' | b'E') && !radix && {
                let digit = |n: usize| bytes.get(at + n).is_some_and(u8::is_ascii_digit);
                digit(1) || (matches!(bytes.get(at + 1), Some(b'+' | b'-')) && digit(2))
            };
            if exponent {
                at += 2;
                float = true;
            } else if *b == b'.' && !float && !radix {
                at += 1;
                float = true;
            } else if b.is_ascii_digit() || *b == b'_' || (radix && b.is_ascii_hexdigit()) {
                at += 1;
            } else {
                break;
            }
        }
        at
    }

    /// Texts side by side are one text.
    fn strings(&mut self) -> Result<Kind, No> {
        let mut whole = String::new();
        while self.rest.starts_with(['"', '\'']) || self.prefix().is_some() {
            match self.prefix() {
                Some(prefix) => {
                    self.rest = self.rest.get(prefix.len()..).unwrap_or("");
                    let raw = prefix.eq_ignore_ascii_case("r");
                    whole.push_str(&self.string(raw)?);
                }
                None => whole.push_str(&self.string(false)?),
            }
            self.space();
        }
        Ok(Kind::Text(whole))
    }

    /// `r`, `u` before a quote.
    fn prefix(&self) -> Option<&'t str> {
        let quoted = |n: usize| self.rest.get(n..).is_some_and(|r| r.starts_with(['"', '\'']));
        self.rest
            .get(..1)
            .filter(|p| matches!(*p, "r" | "R" | "u" | "U") && quoted(1))
    }

    fn string(&mut self, raw: bool) -> Result<String, No> {
        let quote = self.rest.get(..1).ok_or(No::Literal)?;
        let triple = quote.repeat(3);
        let end = if self.take(&triple) {
            triple.as_str()
        } else {
            self.take(quote);
            quote
        };
        let mut text = String::new();
        loop {
            if self.take(end) {
                return Ok(text);
            }
            let mut chars = self.rest.chars();
            match chars.next().ok_or(No::Literal)? {
                '\\' if raw => {
                    text.push('\\');
                    text.push(chars.next().ok_or(No::Literal)?);
                    self.rest = chars.as_str();
                }
                '\\' => {
                    self.rest = chars.as_str();
                    self.escape(&mut text)?;
                }
                c => {
                    text.push(c);
                    self.rest = chars.as_str();
                }
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), No> {
        let mut chars = self.rest.chars();
        let c = chars.next().ok_or(No::Literal)?;
        self.rest = chars.as_str();
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='7' => {
                let more = self.rest.chars().take(2).take_while(|c| c.is_digit(8)).count();
                let (digits, rest) = self.rest.split_at_checked(more).ok_or(No::Literal)?;
                let code = u32::from_str_radix(&format!("{c}{digits}"), 8).map_err(|_| No::Literal)?;
                self.rest = rest;
                text.push(char::from_u32(code).ok_or(No::Literal)?);
                return Ok(());
            }
            _ => {
                match c {
                    '\\' | '\'' | '"' => text.push(c),
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'v' => text.push('\u{b}'),
                    other => text.extend(['\\', other]),
                }
                return Ok(());
            }
        };
        let (hex, rest) = self.rest.split_at_checked(digits).ok_or(No::Literal)?;
        let code = u32::from_str_radix(hex, 16).map_err(|_| No::Literal)?;
        self.rest = rest;
        text.push(char::from_u32(code).ok_or(No::Literal)?);
        Ok(())
    }

    fn word(&mut self) -> Result<Kind, No> {
        if self.prefix().is_some() {
            return self.strings();
        }
        let bytes = ["b", "B", "rb", "rB", "Rb", "RB", "br", "bR", "Br", "BR"];
        for prefix in bytes {
            let rest = self.rest.strip_prefix(prefix).filter(|r| r.starts_with(['"', '\'']));
            if let Some(rest) = rest {
                self.rest = rest;
                self.string(prefix.len() == 2)?;
                return Ok(Kind::Foreign("bytes"));
            }
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).ok_or(No::Literal)?;
        let kind = match word {
            "True" => Kind::Bool(true),
            "False" => Kind::Bool(false),
            "None" => Kind::None,
            "set" => {
                self.rest = rest;
                self.space();
                let called = self.take("(") && {
                    self.space();
                    self.take(")")
                };
                return if called {
                    Ok(Kind::Foreign("a set"))
                } else {
                    Err(No::Literal)
                };
            }
            _ => return Err(No::Literal),
        };
        self.rest = rest;
        Ok(kind)
    }
}

/// A number as Python writes them: `_` only between digits, no leading zero.
fn python_number(text: &str, sign: i64) -> Option<Kind> {
    let between = |digits: &str| {
        !digits.is_empty() && !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__")
    };
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            // `0x_f` is allowed, `0x__f` and `0xf_` are not.
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            let clean = digits.replace('_', "");
            return (between(digits) && clean.chars().all(|c| c.is_digit(radix))).then(|| whole(&clean, radix, sign));
        }
    }
    if lower.contains(['.', 'e']) {
        let parts = lower.split(['.', 'e', '+', '-']);
        if parts.clone().all(str::is_empty)
            || !parts.filter(|p| !p.is_empty()).all(between)
            || lower.contains("_.")
            || lower.contains("._")
        {
            return None;
        }
        let n: f64 = lower.replace('_', "").parse().ok()?;
        let n = if sign < 0 { -n } else { n };
        return Some(if n.is_finite() {
            Kind::Number(n)
        } else {
            Kind::Foreign("a number that is not finite")
        });
    }
    let clean = lower.replace('_', "");
    let leading_zero = clean.len() > 1 && clean.starts_with('0') && clean.bytes().any(|b| b != b'0');
    (between(&lower) && !leading_zero).then(|| whole(&clean, 10, sign))
}

fn whole(digits: &str, radix: u32, sign: i64) -> Kind {
    let n = i128::from_str_radix(digits, radix).ok().map(|n| n * i128::from(sign));
    let n = n.and_then(|n| i64::try_from(n).ok());
    n.map_or(Kind::Foreign("a number beyond 64 bits"), Kind::Int)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    fn shown(text: &str) -> String {
        let span = Span::new(&Source::new("x", text), 0, text.len());
        match value(text, &span) {
            Ok(datum) => show(&datum),
            Err(_) => "fails".to_owned(),
        }
    }

    fn show(datum: &Datum) -> String {
        match &datum.kind {
            Kind::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
            Kind::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{}: {}", show(k), show(v))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn values_are_what_python_makes_of_them() {
        for (text, expected) in [
            ("True", "Bool(true)"),
            ("true", "Text(\"true\")"),
            ("None", "None"),
            ("22", "Int(22)"),
            ("-5", "Int(-5)"),
            ("--5", "Text(\"--5\")"),
            ("0644", "Text(\"0644\")"),
            ("0o644", "Int(420)"),
            ("000", "Int(0)"),
            ("1_000", "Int(1000)"),
            ("1__0", "Text(\"1__0\")"),
            ("0x_1F", "Int(31)"),
            ("1e3", "Number(1000.0)"),
            ("01.5", "Number(1.5)"),
            (".5", "Number(0.5)"),
            (".", "Text(\".\")"),
            ("10.0.0.1", "Text(\"10.0.0.1\")"),
            ("1+2", "Text(\"1+2\")"),
            ("[1, 'a', [],]", "[Int(1), Text(\"a\"), []]"),
            ("(1,)", "[Int(1)]"),
            ("(1)", "Int(1)"),
            ("1, 2", "[Int(1), Int(2)]"),
            ("{'a': {1: None}, 'a': 2}", "{Text(\"a\"): Int(2)}"),
            ("{1, 2}", "Foreign(\"a set\")"),
            ("{[]: 1}", "fails"),
            ("'it''s'", "Text(\"its\")"),
            ("'a\\n\\x41\\q'", "Text(\"a\\nA\\\\q\")"),
            ("r'a\\n'", "Text(\"a\\\\n\")"),
            ("'open", "Text(\"'open\")"),
            ("5 # five", "Int(5)"),
            ("five # 5", "Text(\"five # 5\")"),
            ("9999999999999999999", "Foreign(\"a number beyond 64 bits\")"),
            ("1j", "Foreign(\"a complex number\")"),
            ("b'x'", "Foreign(\"bytes\")"),
            ("{{ x }}", "Text(\"{{ x }}\")"),
            ("", "Text(\"\")"),
            ("[1, 2", "Text(\"[1, 2\")"),
            ("1if", "Text(\"1if\")"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(shown(&deep).starts_with("Text"));
    }
}
