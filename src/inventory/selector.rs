//! Selectors: which hosts a line like `role=web env=prod` means.
//!
//! Owns: the syntax, the matching, and the words for what cannot match. Must not: know where a selector is written.

use std::ops::Range;

use crate::diag::nearest;
use crate::inventory::{Host, Inventory};

/// Terms joined by *and*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    over: Over,
    negated: bool,
    values: Vec<String>,
    at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Over {
    Label(String),
    Group,
    Host,
}

/// What is wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// Which bytes of its text.
    pub at: Range<usize>,
    /// Code of the diagnostic.
    pub code: &'static str,
    /// What.
    pub message: String,
    /// What to write.
    pub help: String,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// The first term that is none, with its place.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for (start, word) in words(text) {
            terms.push(term(word, start..start + word.len())?);
        }
        if terms.is_empty() {
            return Err(syntax(0..text.len(), "a selector holds at least one term", text));
        }
        Ok(Self { terms })
    }

    /// True if every term holds for this host.
    pub fn matches(&self, host: &Host) -> bool {
        self.terms.iter().all(|t| t.matches(host))
    }

    /// The hosts it means, in the inventory's order.
    pub fn select<'i>(&self, inventory: &'i Inventory) -> Vec<&'i Host> {
        inventory.hosts().iter().filter(|h| self.matches(h)).collect()
    }

    /// Names in it that this inventory has not: a label, a group, or a host written without `*` and `?`.
    ///
    /// A misspelt `host!=` would leave a host in, so these are errors and not merely an empty set.
    pub fn unknown(&self, inventory: &Inventory) -> Vec<SelectorError> {
        self.terms.iter().flat_map(|t| t.unknown(inventory)).collect()
    }
}

impl Term {
    fn matches(&self, host: &Host) -> bool {
        let any = match &self.over {
            Over::Label(key) => host.labels.get(key).is_some_and(|l| self.values.contains(l)),
            Over::Group => host.groups.iter().any(|g| self.values.contains(g)),
            Over::Host => self.values.iter().any(|v| glob(v, host.name.value.as_str())),
        };
        any != self.negated
    }

    fn unknown(&self, inventory: &Inventory) -> Vec<SelectorError> {
        let error = |what: &str, word: &str, candidates: Vec<&str>| SelectorError {
            at: self.at.clone(),
            code: "PS0411",
            message: format!("no {what} of the inventory is called `{word}`"),
            help: match nearest(word, candidates.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if candidates.is_empty() => format!("the inventory `{}` has no {what}", inventory.name),
                None => format!("there is {}", some_of(&candidates)),
            },
        };
        match &self.over {
            Over::Label(key) if !inventory.hosts().iter().any(|h| h.labels.contains_key(key)) => {
                vec![error("label", key, inventory.label_keys())]
            }
            Over::Label(_) => Vec::new(),
            Over::Group => {
                let unknown = self.values.iter().filter(|v| inventory.group(v).is_none());
                unknown
                    .map(|v| error("group", v, inventory.groups().collect()))
                    .collect()
            }
            Over::Host => {
                let literal = self.values.iter().filter(|v| !v.contains(['*', '?']));
                let names = || inventory.hosts().iter().map(|h| h.name.value.as_str()).collect();
                literal
                    .filter(|v| inventory.host(v).is_none())
                    .map(|v| error("host", v, names()))
                    .collect()
            }
        }
    }
}

fn some_of(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(8).copied().collect();
    let more = if names.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The words of a text with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace()
        .map(|word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}

fn syntax(at: Range<usize>, message: impl Into<String>, text: &str) -> SelectorError {
    let help = match text.split_whitespace().next() {
        Some(word) if name_like(word) => format!("write `host={word}`, `group={word}` or `LABEL={word}`"),
        _ => "write terms such as `role=web`, `role=web,app`, `env!=test`, `group=NAME` or `host=web*`, with spaces between them".to_owned(),
    };
    SelectorError {
        at,
        code: "PS0410",
        message: message.into(),
        help,
    }
}

fn name_like(word: &str) -> bool {
    super::name_fault(word).is_none() && !matches!(word, "and" | "or" | "not")
}

fn term(word: &str, at: Range<usize>) -> Result<Term, SelectorError> {
    if matches!(word, "and" | "or" | "not") {
        let help = match word {
            "and" => "leave `and` out: terms are joined by it already",
            "or" => "write `key=v1,v2` for either of two values, or a second set of `targets`",
            _ => "write `key!=value`",
        };
        return Err(SelectorError {
            at,
            code: "PS0410",
            message: format!("a selector has no `{word}`"),
            help: help.to_owned(),
        });
    }
    let Some((left, right)) = word.split_once('=') else {
        return Err(syntax(at, format!("`{word}` is no term of a selector"), word));
    };
    let (key, negated) = left.strip_suffix('!').map_or((left, false), |k| (k, true));
    let values: Vec<String> = right.split(',').map(str::to_owned).collect();
    if super::name_fault(key).is_some() || values.iter().any(|v| v.is_empty() || v.starts_with('=')) {
        return Err(syntax(at, format!("`{word}` is no term of a selector"), ""));
    }
    let over = match key {
        "group" => Over::Group,
        "host" => Over::Host,
        label => Over::Label(label.to_owned()),
    };
    if over != Over::Host && right.contains(['*', '?']) {
        return Err(SelectorError {
            at,
            code: "PS0410",
            message: "only `host=` takes `*` and `?`".to_owned(),
            help: format!("write the values out: `{key}=v1,v2`"),
        });
    }
    Ok(Term {
        over,
        negated,
        values,
        at,
    })
}

/// `*` any text, `?` any one character. Linear but for one remembered star.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
            }
            Some(c) if *c == '?' || Some(c) == t.get(j) => {
                i += 1;
                j += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                i = at + 1;
                j = from + 1;
            }
        }
    }
    p.iter().skip(i).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_names() {
        for (pattern, text, expected) in [
            ("*", "web1", true),
            ("web*", "web1", true),
            ("web*", "lb-web1", false),
            ("*-db-?", "a-db-1", true),
            ("*-db-?", "a-db-12", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("web1", "web1", true),
            ("?", "", false),
            ("**", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_term_is_said_with_its_place() {
        for (text, at, code) in [
            ("role=web or role=app", 9..11, "PS0410"),
            ("  web1", 2..6, "PS0410"),
            ("role=", 0..5, "PS0410"),
            ("role=a,,b", 0..9, "PS0410"),
            ("role=w*", 0..7, "PS0410"),
            ("role==web", 0..9, "PS0410"),
            ("", 0..0, "PS0410"),
            ("=x", 0..2, "PS0410"),
        ] {
            let error = Selector::parse(text).unwrap_err();
            assert_eq!((error.at, error.code), (at, code), "{text:?}");
        }
    }
}
