//! Reading a map of the language key by key: typed getters that go by a table of [`keys`](super::keys), and a last word about the
//! keys that the table does not have and those that are missing.
//!
//! Owns: how a text becomes a boolean, a number, a duration, a list or a [`Value`], and the words for what does not. Must not:
//! know a key of the language.
//!
//! In builds with debug assertions a getter that does not fit the table stops the program, and so does a map that was finished
//! although nobody asked for one of its keys: a table and what is read by it cannot part.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diag::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::runbook::keys::{Key, Kind, MANY, Shape};
use crate::runbook::yaml::{Entry, Node, NodeKind, Style};
use crate::runbook::{Value, duration};

/// A map that is being read. [`Fields::finish`] reports the keys that its table does not have and those that are missing.
///
/// Complaints are kept here until `finish`, so that a reader may lower inner nodes into the same [`Diagnostics`] meanwhile.
#[must_use = "`finish` hands over the complaints"]
pub struct Fields<'n> {
    shape: &'static Shape,
    head: Span,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
    foreign: &'static [(&'static str, &'static str)],
    found: Vec<Diagnostic>,
}

impl<'n> Fields<'n> {
    /// The map `node`, which should have this shape. `None`, with a diagnostic, if it is no map.
    pub fn of(node: &'n Node, shape: &'static Shape, diags: &mut Diagnostics) -> Option<Self> {
        let NodeKind::Map(entries) = &node.kind else {
            let d = Diagnostic::error(
                "PS0101",
                format!("{} is a map", shape.what),
                node.span.clone(),
                format!("this is {}", node.what()),
            );
            diags.push(d.help("write `key: value` lines below it, or `{ key: value }` on one line"));
            return None;
        };
        let head = entries
            .first()
            .map_or_else(|| node.span.clone(), |e| first_line(&e.key.span, &e.value.span));
        let has = |key: &Key| entries.iter().any(|e| e.key.value == key.name);
        Some(Self {
            shape,
            head,
            entries,
            asked: Vec::with_capacity(shape.all().count()),
            missing: shape.all().filter(|k| k.required && !has(k)).map(|k| k.name).collect(),
            foreign: &[],
            found: Vec::new(),
        })
    }

    /// The first line of the map: the place of something that is missing.
    pub fn head(&self) -> &Span {
        &self.head
    }

    /// The keys in file order.
    pub fn keys(&self) -> impl Iterator<Item = &'n Spanned<String>> + use<'n> {
        self.entries.iter().map(|e| &e.key)
    }

    /// True if the key is written.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key.value == key)
    }

    /// One more complaint about this map.
    pub fn complain(&mut self, d: Diagnostic) {
        self.found.push(d);
    }

    /// What the table says of a key; the getter is good if `fits` says so.
    fn kind(&mut self, key: &'static str, fits: impl FnOnce(Kind) -> bool) -> Kind {
        let kind = self.shape.key(key).map(|k| k.kind);
        debug_assert!(kind.is_some(), "the table of {} has no `{key}`", self.shape.what);
        let kind = kind.unwrap_or(Kind::Any);
        debug_assert!(
            fits(kind),
            "{}: this getter does not read `{key}`, {kind:?}",
            self.shape.what
        );
        self.asked.push(key);
        kind
    }

    fn find(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|e| e.key.value == key)
    }

    /// The entry of a key of any kind, with or without a value.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.kind(key, |_| true);
        self.find(key)
    }

    /// The value of a key that has forms of its own; a key without a value is an error.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.kind(key, |kind| !kind.has_getter());
        self.value(key)
    }

    /// The value of a key that is known to be asked for already, whatever its kind.
    pub fn value(&mut self, key: &'static str) -> Option<&'n Node> {
        let entry = self.find(key)?;
        if entry.value.is_null() {
            let d = Diagnostic::error(
                "PS0103",
                format!("`{key}` has no value"),
                entry.key.span.clone(),
                "nothing follows",
            );
            self.found.push(d.help("write a value, or delete the key"));
            return None;
        }
        Some(&entry.value)
    }

    /// Notes a key that must be there because of another one; `finish` reports it, unless a misspelt key explains it.
    pub fn require(&mut self, key: &'static str) {
        if !self.has(key) {
            self.missing.push(key);
        }
    }

    /// A required key that is missing: the caller says so in other words than `finish`.
    pub fn forgive(&mut self, key: &str) {
        self.missing.retain(|missing| *missing != key);
    }

    /// Keys of other tools, each with what to say about it.
    pub fn foreign(&mut self, words: &'static [(&'static str, &'static str)]) {
        self.foreign = words;
    }

    /// A key that belongs elsewhere: the caller complains about it if it is written.
    pub fn misplaced(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.push(key);
        self.find(key)
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.kind(key, Kind::is_text);
        let node = self.value(key)?;
        keep(text(node), &mut self.found)
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &'static str) -> Option<Spanned<bool>> {
        self.kind(key, |kind| matches!(kind, Kind::Bool));
        let node = self.value(key)?;
        keep(bool(node), &mut self.found)
    }

    /// A whole number in the table's limits.
    pub fn int(&mut self, key: &'static str) -> Option<Spanned<i64>> {
        let kind = self.kind(key, |kind| matches!(kind, Kind::Int(..)));
        let (min, max) = match kind {
            Kind::Int(min, max) => (min, max),
            _ => (i64::MIN, i64::MAX),
        };
        let node = self.value(key)?;
        keep(int(node, min, max), &mut self.found)
    }

    /// A whole number in the table's limits, for counts.
    pub fn count(&mut self, key: &'static str) -> Option<Spanned<u32>> {
        self.kind(key, |kind| matches!(kind, Kind::Int(0.., ..=MANY)));
        let n = self.int(key)?;
        Some(n.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    }

    /// A duration.
    pub fn duration(&mut self, key: &'static str) -> Option<Spanned<Duration>> {
        self.kind(key, |kind| matches!(kind, Kind::Duration));
        let node = self.value(key)?;
        keep(duration(node), &mut self.found)
    }

    /// A list of texts; empty if the key is not there.
    pub fn texts(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        self.kind(key, |kind| matches!(kind, Kind::List(item) if item.is_text()));
        self.seq(key)
            .iter()
            .filter_map(|n| keep(text(n), &mut self.found))
            .collect()
    }

    /// A list; empty if the key is not there.
    pub fn seq(&mut self, key: &'static str) -> &'n [Node] {
        self.kind(key, |kind| matches!(kind, Kind::List(_)));
        let Some(node) = self.value(key) else { return &[] };
        keep(seq(node, key), &mut self.found).unwrap_or(&[])
    }

    /// A map of names; `None` if the key is not there.
    pub fn map(&mut self, key: &'static str) -> Option<&'n [Entry]> {
        self.kind(key, |kind| matches!(kind, Kind::Named(_)));
        let node = self.value(key)?;
        keep(map(node, &format!("`{key}`")), &mut self.found)
    }

    /// One of the table's words, and what each means.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        let names = || words.iter().map(|(word, _)| *word);
        self.kind(
            key,
            |kind| matches!(kind, Kind::Word(known) if known.iter().copied().eq(names())),
        );
        let node = self.value(key)?;
        let written = keep(text(node), &mut self.found)?;
        keep(word(&written, &format!("`{key}`"), words), &mut self.found)
    }

    /// One of the table's words.
    pub fn choice(&mut self, key: &'static str) -> Option<Spanned<&'static str>> {
        let Kind::Word(words) = self.kind(key, |kind| matches!(kind, Kind::Word(_))) else {
            return None;
        };
        let node = self.value(key)?;
        keep(choice(node, words, key), &mut self.found)
    }

    /// A list of the table's words; empty if the key is not there.
    pub fn choices(&mut self, key: &'static str) -> Vec<String> {
        let kind = self.kind(key, |kind| matches!(kind, Kind::List(Kind::Word(_))));
        let Kind::List(Kind::Word(words)) = kind else {
            return Vec::new();
        };
        self.seq(key)
            .iter()
            .filter_map(|n| keep(choice(n, words, key), &mut self.found))
            .map(|word| word.value.to_owned())
            .collect()
    }

    /// Of the table's sets of keys that exclude each other exactly one is written.
    pub fn exactly_one(&mut self) {
        let sets = self.shape.one_of;
        let written = sets.iter().filter(|set| set.iter().any(|key| self.has(key))).count();
        let misspelt = self.keys().any(|key| self.shape.key(key).is_none());
        if written == 1 || written == 0 && misspelt {
            return;
        }
        let all: Vec<&str> = sets.iter().copied().flatten().copied().collect();
        let d = Diagnostic::error(
            "PS0137",
            format!("{} has exactly one of its forms", self.shape.what),
            self.head.clone(),
            if written == 0 {
                "this has none"
            } else {
                "this has several"
            },
        );
        self.found.push(d.help(format!("write one of: {}", all.join(", "))));
    }

    /// Reports every key that the table does not have and every one that is missing, and hands all complaints over. True if
    /// every key that is written was a known one.
    pub fn finish(mut self, diags: &mut Diagnostics) -> bool {
        let unread = self.shape.all().find(|key| !self.asked.contains(&key.name));
        debug_assert!(unread.is_none(), "{}: nobody reads `{:?}`", self.shape.what, unread);
        let mut meant = Vec::new();
        let mut all_known = true;
        for entry in self.entries {
            if !self.asked.contains(&entry.key.value.as_str()) {
                all_known = false;
                meant.extend(nearest(&entry.key.value, self.known()));
                let d = self.unknown(&entry.key);
                self.found.push(d);
            }
        }
        for key in self.missing.iter().filter(|key| !meant.contains(*key)) {
            let label = format!("`{key}` is missing here");
            let d = Diagnostic::error(
                "PS0104",
                format!("{} needs `{key}`", self.shape.what),
                self.head.clone(),
                label,
            );
            self.found.push(d);
        }
        self.found.into_iter().for_each(|d| diags.push(d));
        all_known
    }

    fn known(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.shape.all().map(|key| key.name)
    }

    fn unknown(&self, key: &Spanned<String>) -> Diagnostic {
        let what = self.shape.what;
        let d = Diagnostic::error(
            "PS0102",
            format!("{what} has no key `{}`", key.value),
            key.span.clone(),
            "this key is not known here",
        );
        if let Some((_, say)) = self.foreign.iter().find(|(word, _)| *word == key.value) {
            return d.help(*say);
        }
        if let Some(near) = nearest(&key.value, self.known()) {
            return d.help(format!("did you mean `{near}`?"));
        }
        let mut known: Vec<&str> = self.known().collect();
        known.sort_unstable();
        d.help(format!("{what} has the keys {}", known.join(", ")))
    }
}

/// What is kept of a reading; the complaint goes to the others.
fn keep<T>(result: Result<T, Diagnostic>, found: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|d| found.push(d)).ok()
}

/// From the key to the end of its line: what is underlined when something is missing.
fn first_line(key: &Span, value: &Span) -> Span {
    let end = value.end.max(key.end);
    let whole = Span::new(&key.source, key.start, end);
    let line = whole.text().split(['\r', '\n']).next().unwrap_or("").trim_end().len();
    Span::new(&key.source, key.start, key.start + line)
}

/// `schema` of a file: required, and the one version there is.
pub fn schema(f: &mut Fields<'_>) {
    let Some(node) = f.node("schema") else { return };
    let version = match int(node, 0, i64::MAX) {
        Ok(version) => version,
        Err(d) => return f.complain(d),
    };
    if version.value != 1 {
        f.complain(
            Diagnostic::error(
                "PS0121",
                format!("this build reads schema 1, not {}", version.value),
                version.span,
                "another version of the language",
            )
            .help("write `schema: 1`, or use the pitstop that the file was written for"),
        );
    }
}

/// Where a secret's description is wanted and something else is written, that may be the secret: it is shown to nobody. A map
/// keeps what the table knows.
pub fn hide_secret(node: &Node, shape: &Shape) {
    match &node.kind {
        NodeKind::Map(entries) => entries
            .iter()
            .filter(|e| shape.key(&e.key.value).is_none())
            .for_each(|e| e.value.span.hide()),
        _ => node.span.hide(),
    }
}

/// A scalar's text. Numbers and booleans are texts as they were written.
pub fn text(node: &Node) -> Result<Spanned<String>, Diagnostic> {
    match &node.kind {
        NodeKind::Scalar { text, .. } if !node.is_null() => Ok(Spanned::new(text.clone(), node.span.clone())),
        _ => Err(expected(node, "a text").help("a text that begins with a bracket or brace needs quotes")),
    }
}

fn expected(node: &Node, wanted: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0105",
        format!("expected {wanted}, found {}", node.what()),
        node.span.clone(),
        format!("this is {}", node.what()),
    )
}

/// A scalar's text with the words for one that is something else.
fn scalar<'n>(node: &'n Node, wanted: &str) -> Result<(&'n str, Style), Diagnostic> {
    match &node.kind {
        NodeKind::Scalar { text, style } => Ok((text, *style)),
        _ => Err(expected(node, wanted)),
    }
}

/// Says what was found instead, and that a template cannot stand here if one does.
fn mismatch(node: &Node, code: &'static str, wanted: &str, text: &str) -> Diagnostic {
    let d = Diagnostic::error(
        code,
        format!("expected {wanted}, found `{}`", shorten(text)),
        node.span.clone(),
        format!("this is not {wanted}"),
    );
    if text.contains("{{") {
        d.help("a template cannot stand here: the plan needs the value itself")
    } else {
        d
    }
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= 40 {
        line.to_owned()
    } else {
        format!("{}…", line.chars().take(40).collect::<String>())
    }
}

/// `true` or `false`.
pub fn bool(node: &Node) -> Result<Spanned<bool>, Diagnostic> {
    let (text, style) = scalar(node, "`true` or `false`")?;
    let value = match (text, style) {
        ("true", Style::Plain) => true,
        ("false", Style::Plain) => false,
        _ => {
            let d = mismatch(node, "PS0106", "`true` or `false`", text);
            return Err(match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" | "1" => d.help("write true"),
                "no" | "off" | "n" | "false" | "0" => d.help("write false"),
                _ => d,
            });
        }
    };
    Ok(Spanned::new(value, node.span.clone()))
}

/// A whole number from `min` to `max`.
pub fn int(node: &Node, min: i64, max: i64) -> Result<Spanned<i64>, Diagnostic> {
    let (text, style) = scalar(node, "a whole number")?;
    let Some(n) = (style == Style::Plain).then(|| text.parse::<i64>().ok()).flatten() else {
        let d = mismatch(node, "PS0107", "a whole number", text);
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        return Err(if digits.parse::<i64>().is_ok() {
            d.help(format!("write {digits}"))
        } else {
            d
        });
    };
    if n < min || n > max {
        let limit = if n < min {
            format!("{n} is less than {min}")
        } else {
            format!("{n} is more than {max}")
        };
        return Err(Diagnostic::error(
            "PS0108",
            limit,
            node.span.clone(),
            if max >= i64::from(u32::MAX) {
                format!("at least {min} is wanted here")
            } else {
                format!("from {min} to {max} is allowed here")
            },
        ));
    }
    Ok(Spanned::new(n, node.span.clone()))
}

/// A duration such as `10m`.
pub fn duration(node: &Node) -> Result<Spanned<Duration>, Diagnostic> {
    let (text, _) = scalar(node, "a duration")?;
    match duration::parse(text.trim()) {
        Some(d) => Ok(Spanned::new(d, node.span.clone())),
        None => {
            let d = mismatch(node, "PS0109", "a duration", text);
            Err(match text.parse::<u64>() {
                Ok(n) => d.help(format!("a number needs its unit: write {n}s or {n}m")),
                Err(_) => d.help("write 90s, 10m, 1h30m, 2d or 500ms"),
            })
        }
    }
}

/// A list.
pub fn seq<'n>(node: &'n Node, key: &str) -> Result<&'n [Node], Diagnostic> {
    match &node.kind {
        NodeKind::Seq(items) => Ok(items),
        NodeKind::Scalar { text, .. } => {
            let key = if key.is_empty() {
                String::new()
            } else {
                format!("{key}: ")
            };
            Err(expected(node, "a list").help(format!("write `{key}[{}]`", shorten(text))))
        }
        NodeKind::Map(_) => Err(expected(node, "a list").help("begin each item with `- `")),
    }
}

/// The entries of a map, called `what` in messages.
pub fn map<'n>(node: &'n Node, what: &str) -> Result<&'n [Entry], Diagnostic> {
    match &node.kind {
        NodeKind::Map(entries) => Ok(entries),
        NodeKind::Seq(_) => {
            Err(expected(node, "a map").help(format!("{what} holds `name: value`, without `- ` before the name")))
        }
        NodeKind::Scalar { .. } => Err(expected(node, "a map").help(format!("{what} holds `name: value`"))),
    }
}

fn choice(node: &Node, words: &[&'static str], key: &str) -> Result<Spanned<&'static str>, Diagnostic> {
    let pairs: Vec<_> = words.iter().map(|w| (*w, *w)).collect();
    word(&text(node)?, &format!("`{key}`"), &pairs)
}

/// One of a few words.
pub fn word<T: Copy>(written: &Spanned<String>, what: &str, words: &[(&str, T)]) -> Result<Spanned<T>, Diagnostic> {
    if let Some((_, value)) = words.iter().find(|(w, _)| *w == written.value) {
        return Ok(Spanned::new(*value, written.span.clone()));
    }
    let d = Diagnostic::error(
        "PS0110",
        format!("{what} cannot be `{}`", shorten(written)),
        written.span.clone(),
        "not one of its words",
    );
    let names = words.iter().map(|(w, _)| *w);
    Err(match nearest(written, names.clone()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help(format!("write one of: {}", names.collect::<Vec<_>>().join(", "))),
    })
}

/// YAML's core schema: what an untyped value is. Quoted and block scalars stay text.
pub fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar {
            text,
            style: Style::Plain,
        } => plain(text),
        NodeKind::Scalar { text, .. } => Value::Text(text.clone()),
        NodeKind::Seq(items) => Value::List(items.iter().map(value).collect()),
        NodeKind::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|e| (e.key.value.clone(), value(&e.value)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::None,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && let Ok(n) = text.strip_prefix('+').unwrap_or(text).parse()
    {
        return Value::Int(n);
    }
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .and_then(|t| i64::from_str_radix(t, radix).ok())
    };
    if let Some(n) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Value::Int(n);
    }
    let float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    match text.parse::<f64>() {
        Ok(n) if float && n.is_finite() => Value::Number(n),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::runbook::yaml;

    fn node(text: &str) -> Node {
        let mut diags = Diagnostics::new();
        let node = yaml::read(&Source::new("t.yml", text), &mut diags);
        assert!(diags.0.is_empty(), "{:?}", diags.0);
        node.unwrap()
    }

    #[test]
    fn untyped_values_follow_the_core_schema() {
        let Value::Map(m) = value(&node(
            "a: yes\nb: 0755\nc: '1'\nd: 1.5\ne: true\nf: ~\ng: 0x1f\nh: 1_000\ni: 12:30\nj: [1, x]\nk: 1e3\nl: e5\nm: -3\n",
        )) else {
            panic!()
        };
        let text = |t: &str| Value::Text(t.into());
        assert_eq!(m["a"], text("yes"));
        assert_eq!(m["b"], Value::Int(755));
        assert_eq!(m["c"], text("1"));
        assert_eq!(m["d"], Value::Number(1.5));
        assert_eq!(m["e"], Value::Bool(true));
        assert_eq!(m["f"], Value::None);
        assert_eq!(m["g"], Value::Int(31));
        assert_eq!(m["h"], text("1_000"));
        assert_eq!(m["i"], text("12:30"));
        assert_eq!(m["j"], Value::List(vec![Value::Int(1), text("x")]));
        assert_eq!(m["k"], Value::Number(1000.0));
        assert_eq!(m["l"], text("e5"));
        assert_eq!(m["m"], Value::Int(-3));
    }

    static SHAPE: Shape = Shape {
        what: "a step",
        one_of: &[],
        keys: &[&[
            Key {
                name: "name",
                kind: Kind::Text,
                required: true,
                doc: "",
            },
            Key {
                name: "become",
                kind: Kind::Bool,
                required: false,
                doc: "",
            },
            Key {
                name: "timeout",
                kind: Kind::Duration,
                required: false,
                doc: "",
            },
            Key {
                name: "list",
                kind: Kind::List(&Kind::Text),
                required: false,
                doc: "",
            },
            Key {
                name: "for_each",
                kind: Kind::Any,
                required: false,
                doc: "",
            },
        ]],
    };

    #[test]
    fn what_the_table_does_not_have_or_misses_is_reported() {
        let node = node("naem: x\nbecome: yes\nfor_each: [1]\nzzz: 1\ntimeout: 10\nlist: one\n");
        let mut diags = Diagnostics::new();
        let mut f = Fields::of(&node, &SHAPE, &mut diags).unwrap();
        assert!(f.text("name").is_none());
        assert!(f.bool("become").is_none());
        assert!(f.duration("timeout").is_none());
        assert!(f.texts("list").is_empty());
        f.node("for_each");
        f.finish(&mut diags);
        let mut codes: Vec<_> = diags.0.iter().map(|d| d.code).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["PS0102", "PS0102", "PS0105", "PS0106", "PS0109"]);
        let helps: Vec<_> = diags.0.iter().flat_map(|d| d.help.clone()).collect();
        assert!(helps.contains(&"did you mean `name`?".to_owned()), "{helps:?}");
        assert!(helps.contains(&"write true".to_owned()), "{helps:?}");
        assert!(helps.contains(&"write `list: [one]`".to_owned()), "{helps:?}");
    }

    fn read(get: impl FnOnce(&mut Fields<'_>)) {
        let node = node("name: x\n");
        let mut diags = Diagnostics::new();
        let mut f = Fields::of(&node, &SHAPE, &mut diags).unwrap();
        get(&mut f);
        f.finish(&mut diags);
    }

    #[test]
    #[should_panic(expected = "has no `nmae`")]
    fn a_key_that_is_in_no_table_cannot_be_read() {
        read(|f| drop(f.text("nmae")));
    }

    #[test]
    #[should_panic(expected = "does not read `name`")]
    fn a_getter_reads_only_its_own_kind() {
        read(|f| drop(f.duration("name")));
    }

    #[test]
    #[should_panic(expected = "nobody reads")]
    fn a_key_of_the_table_that_nobody_reads_is_found() {
        read(|f| drop(f.text("name")));
    }
}
