//! YAML and JSON as Ansible reads them → typed values, each with its place.
//!
//! Owns: anchors, aliases, merge keys, tags, and double keys of which the last wins; scalars by YAML 1.1. Must not: know a
//! variable of Ansible, or render a template. What pitstop's own files may hold is in the module above; this one reads what
//! others wrote for Ansible, and refuses what Ansible refuses.

mod scalar;

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::bytes::forbidden_characters;
use super::words::{key_is_no_text, too_large};
use super::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, NodeKind, syntax};
use crate::diag::{Diagnostic, Diagnostics, Source, Span};

/// Most values that aliases and merge keys may add to a file.
const MAX_COPIES: usize = 100_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Datum {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// What a value is to Ansible.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`.
    None,
    /// `yes`, `true`, `on` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; always finite.
    Number(f64),
    /// Text; Ansible renders it where it holds a template.
    Text(String),
    /// `!unsafe`: text that Ansible never renders.
    Unsafe(String),
    /// `!vault`: only who has the password knows.
    Vault,
    /// What no variable of ours can be, in words.
    Foreign(&'static str),
    /// A list.
    List(Vec<Datum>),
    /// A map; keys may be numbers, booleans and nothing.
    Map(Vec<(Datum, Datum)>),
}

impl Datum {
    /// The value of a key that is text.
    pub fn get(&self, key: &str) -> Option<&Datum> {
        let Kind::Map(pairs) = &self.kind else { return None };
        let found = pairs.iter().find(|(k, _)| k.text() == Some(key));
        found.map(|(_, v)| v)
    }

    /// The text of a text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(t) | Kind::Unsafe(t) => Some(t),
            _ => None,
        }
    }

    /// A map's key as JSON and our own values know it: text.
    pub fn as_key(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(t) | Kind::Unsafe(t) => Some(t.clone()),
            Kind::Int(n) => Some(n.to_string()),
            Kind::Number(n) => Some(scalar::python_float(*n)),
            Kind::Bool(b) => Some(b.to_string()),
            Kind::None => Some("null".to_owned()),
            _ => None,
        }
    }

    /// What it is, in words for a message.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::None => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Number(_) => "a number",
            Kind::Text(_) | Kind::Unsafe(_) => "text",
            Kind::Vault => "a value encrypted with ansible-vault",
            Kind::Foreign(what) => what,
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// How many values it holds, itself included.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(pairs) => pairs.iter().map(|(k, v)| k.size() + v.size()).sum(),
            _ => 0,
        }
    }
}

/// Puts a pair into a map as Python does: an equal key keeps its place and takes the new value. False: no key can be this.
pub fn insert(pairs: &mut Vec<(Datum, Datum)>, seen: &mut Keys, key: Datum, value: Datum) -> bool {
    let Some(id) = KeyId::of(&key) else { return false };
    match seen.0.get(&id).and_then(|n| pairs.get_mut(*n)) {
        Some(pair) => pair.1 = value,
        None => {
            seen.0.insert(id, pairs.len());
            pairs.push((key, value));
        }
    }
    true
}

/// The keys of a map that is being made.
#[derive(Debug, Default)]
pub struct Keys(HashMap<KeyId, usize>);

/// What makes two keys equal in Python, where `1`, `1.0` and `True` are one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum KeyId {
    None,
    Text(String),
    Int(i64),
    Float(u64),
}

impl KeyId {
    fn of(key: &Datum) -> Option<Self> {
        Some(match &key.kind {
            Kind::None => Self::None,
            Kind::Bool(b) => Self::Int(i64::from(*b)),
            Kind::Int(n) => Self::Int(*n),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the fraction is nothing and the size was looked at"
            )]
            Kind::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Self::Int(*n as i64),
            Kind::Number(n) => Self::Float(n.to_bits()),
            Kind::Text(t) | Kind::Unsafe(t) => Self::Text(t.clone()),
            Kind::Vault | Kind::Foreign(_) | Kind::List(_) | Kind::Map(_) => return None,
        })
    }
}

/// Reads one document. `None` for an empty file, and where there is no usable value; every complaint is in `diags`.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Datum> {
    if source.text.len() > MAX_BYTES {
        diags.push(too_large(Span::new(source, 0, 0)));
        return None;
    }
    if forbidden_characters(source, diags) {
        return None;
    }
    let json = is_json(&source.text);
    // Between the values of JSON a tab is as good as a space; inside its texts none can stand.
    let spaced = json.then(|| source.text.replace('\t', " "));
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
        emit_comments: false,
    };
    let mut builder = Builder::new(source, json);
    for event in Parser::new_from_str_with_options(spaced.as_deref().unwrap_or(&source.text), options) {
        let go_on = match event {
            Ok((event, at)) => builder.event(event, &at),
            Err(error) => {
                builder.complaint = builder.complaint.or(Some(syntax(source, &error)));
                break;
            }
        };
        if !go_on {
            break;
        }
    }
    if let Some(d) = builder.complaint {
        diags.push(d);
        return None;
    }
    builder.root
}

/// True for text that Ansible reads as JSON before it tries YAML.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A map or list that is still open.
struct Open {
    start: usize,
    end: usize,
    anchor: usize,
    tag: Option<String>,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Datum>),
    Map {
        pairs: Vec<(Datum, Datum)>,
        /// What `<<` brings: later ones win over earlier ones, and the map's own keys over all of them.
        merged: Vec<(Datum, Datum)>,
        key: Option<Key>,
    },
}

enum Key {
    Own(Datum),
    Merge,
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    json: bool,
    stack: Vec<Open>,
    root: Option<Datum>,
    documents: usize,
    nodes: usize,
    copies: usize,
    anchors: HashMap<usize, (Datum, usize)>,
    complaint: Option<Diagnostic>,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<Source>, json: bool) -> Self {
        Self {
            source,
            json,
            stack: Vec::new(),
            root: None,
            documents: 0,
            nodes: 0,
            copies: 0,
            anchors: HashMap::new(),
            complaint: None,
        }
    }

    fn span(&self, at: &granit_parser::Span) -> Span {
        let start = at.start.byte_offset().unwrap_or(0);
        let span = Span::new(self.source, start, at.end.byte_offset().unwrap_or(start));
        let trimmed = span.text().trim_end().len();
        Span::new(self.source, start, start + trimmed)
    }

    /// Keeps the first complaint; reading ends with it.
    fn stop(&mut self, d: Diagnostic) -> bool {
        self.complaint.get_or_insert(d);
        false
    }

    /// Takes one event; false stops the reading.
    fn event(&mut self, event: Event<'_>, at: &granit_parser::Span) -> bool {
        let span = self.span(at);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            return self.stop(Diagnostic::error("PS0002", message, span, "reading ended"));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let d = Diagnostic::error(
                        "PS0008",
                        "the file holds more than one document",
                        span,
                        "a second one begins here",
                    );
                    return self.stop(d.help("Ansible reads no such file either; put it into a file of its own"));
                }
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(written);
                match self.scalar(&text, style, tag.as_deref(), span) {
                    Ok(datum) => self.finished(datum, anchor, style == ScalarStyle::Plain && tag.is_none()),
                    Err(d) => self.stop(*d),
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(OpenKind::List(Vec::new()), anchor, tag.as_deref(), &span)
            }
            Event::MappingStart(_, anchor, tag) => {
                let (pairs, merged) = (Vec::new(), Vec::new());
                let kind = OpenKind::Map {
                    pairs,
                    merged,
                    key: None,
                };
                self.open(kind, anchor, tag.as_deref(), &span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(_) => self.unknown_alias(span),
            _ => true,
        }
    }

    fn open(&mut self, kind: OpenKind, anchor: usize, tag: Option<&Tag>, span: &Span) -> bool {
        let (start, end) = (span.start, span.start);
        let tag = tag.map(written);
        self.stack.push(Open {
            start,
            end,
            anchor,
            tag,
            kind,
        });
        true
    }

    fn alias(&mut self, id: usize, span: Span) -> bool {
        let Some((datum, size)) = self.anchors.get(&id) else {
            // An alias inside its own anchor.
            return self.unknown_alias(span);
        };
        self.copies += size;
        if self.copies > MAX_COPIES {
            let message = format!("aliases make more than {MAX_COPIES} values of this file");
            let d = Diagnostic::error("PS0002", message, span, "this one is too many");
            return self.stop(d.help("write the values out, or share less"));
        }
        let datum = datum.clone();
        self.finished(datum, 0, false)
    }

    fn unknown_alias(&mut self, span: Span) -> bool {
        let written = span.text().to_owned();
        let d = Diagnostic::error(
            "PS0005",
            format!("nothing before this is called `{written}`"),
            span,
            "an alias",
        );
        self.stop(d.help(format!(
            "write `&{}` at the value that is meant, above; or put the text in quotes",
            written.trim_start_matches('*')
        )))
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&str>, span: Span) -> Result<Datum, Box<Diagnostic>> {
        let kind = match tag {
            _ if self.json => self.json_scalar(text, style, &span),
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None | Some("!" | "!!str" | "!!python/unicode") => Kind::Text(text.to_owned()),
            Some("!vault" | "!vault-encrypted") => Kind::Vault,
            Some("!unsafe") => Kind::Unsafe(text.to_owned()),
            Some(tag) => match scalar::tagged(tag, text) {
                Some(kind) => kind,
                None => return Err(Box::new(unknown_tag(tag, span))),
            },
        };
        Ok(Datum { kind, span })
    }

    /// JSON's own texts and numbers, which are not YAML's: `1e5` is a number there, and `\u` comes in pairs.
    fn json_scalar(&self, text: &str, style: ScalarStyle, span: &Span) -> Kind {
        if style == ScalarStyle::DoubleQuoted {
            return Kind::Text(serde_json::from_str(span.text()).unwrap_or_else(|_| text.to_owned()));
        }
        match text {
            "null" => Kind::None,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            _ if text.contains(['.', 'e', 'E']) => scalar::number(text.parse().ok()),
            _ => text.parse().map_or(Kind::Foreign("a number beyond 64 bits"), Kind::Int),
        }
    }

    fn close(&mut self, span: &Span) -> bool {
        let Some(open) = self.stack.pop() else { return true };
        let end = if span.end > span.start { span.end } else { open.end };
        let span = Span::new(self.source, open.start, end);
        let kind = match open.kind {
            OpenKind::List(items) => Kind::List(items),
            OpenKind::Map { pairs, merged, .. } => {
                let (mut all, mut seen) = (Vec::with_capacity(merged.len() + pairs.len()), Keys::default());
                for (key, value) in merged.into_iter().chain(pairs) {
                    let at = key.span.clone();
                    if !insert(&mut all, &mut seen, key, value) {
                        let kind = NodeKind::Map(Vec::new());
                        return self.stop(key_is_no_text(&Node { kind, span: at }));
                    }
                }
                Kind::Map(all)
            }
        };
        let mut datum = Datum { kind, span };
        match open.tag.as_deref() {
            None | Some("!" | "!!seq" | "!!map" | "!!python/dict") if !self.json => {}
            None => datum = json_object(datum),
            Some("!unsafe") => datum = made_unsafe(datum),
            Some("!!set" | "!!omap" | "!!pairs") => datum.kind = Kind::Foreign("a set or a list of pairs"),
            Some(tag) => {
                let d = unknown_tag(tag, Span::new(self.source, open.start, open.start));
                return self.stop(d);
            }
        }
        self.finished(datum, open.anchor, false)
    }

    /// Puts a finished value where it belongs: as an item, a key, a value, or the root.
    fn finished(&mut self, datum: Datum, anchor: usize, plain: bool) -> bool {
        if anchor != 0 {
            let size = datum.size();
            self.anchors.insert(anchor, (datum.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(datum);
            return true;
        };
        open.end = open.end.max(datum.span.end);
        match &mut open.kind {
            OpenKind::List(items) => items.push(datum),
            OpenKind::Map { key: slot @ None, .. } => {
                let merge = plain && !self.json && matches!(&datum.kind, Kind::Text(t) if t == "<<");
                *slot = Some(if merge { Key::Merge } else { Key::Own(datum) });
            }
            OpenKind::Map { key, pairs, .. } => match key.take() {
                Some(Key::Own(key)) => pairs.push((key, datum)),
                _ => return self.merge(datum),
            },
        }
        true
    }

    /// What `<<` names: a map, or a list of maps of which the first wins.
    fn merge(&mut self, datum: Datum) -> bool {
        let span = datum.span.clone();
        let maps: Option<Vec<_>> = match datum.kind {
            Kind::Map(pairs) => Some(vec![pairs]),
            Kind::List(items) => {
                let maps = items.into_iter().rev().map(|item| match item.kind {
                    Kind::Map(pairs) => Some(pairs),
                    _ => None,
                });
                maps.collect()
            }
            _ => None,
        };
        let Some(maps) = maps else {
            let d = Diagnostic::error("PS0006", "a merge key needs a map", span, "this is none");
            return self.stop(d.help("write `<<: *NAME` where `&NAME` stands at a map, or a list of such"));
        };
        if let Some(Open {
            kind: OpenKind::Map { merged, .. },
            ..
        }) = self.stack.last_mut()
        {
            merged.extend(maps.into_iter().flatten());
        }
        true
    }
}

/// A tag as people write it.
fn written(tag: &Tag) -> String {
    match (tag.handle(), tag.suffix()) {
        ("tag:yaml.org,2002:", suffix) => format!("!!{suffix}"),
        (handle, suffix) => format!("{handle}{suffix}"),
    }
}

fn unknown_tag(tag: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "PS0007",
        format!("Ansible has no tag `{tag}`, or not for this value"),
        span,
        "a tag",
    )
    .help("delete it; where a text begins with `!`, put the text in quotes")
}

/// What `ansible-inventory` writes for a text of `!unsafe` and of `!vault`.
fn json_object(datum: Datum) -> Datum {
    let one = |key| datum.get(key).map(|v| v.kind.clone());
    let kind = match (one("__ansible_vault"), one("__ansible_unsafe")) {
        (Some(_), _) => Kind::Vault,
        (None, Some(Kind::Text(text))) => Kind::Unsafe(text),
        _ => return datum,
    };
    Datum { kind, span: datum.span }
}

fn made_unsafe(datum: Datum) -> Datum {
    let kind = match datum.kind {
        Kind::Text(text) => Kind::Unsafe(text),
        Kind::List(items) => Kind::List(items.into_iter().map(made_unsafe).collect()),
        Kind::Map(pairs) => Kind::Map(pairs.into_iter().map(|(k, v)| (k, made_unsafe(v))).collect()),
        other => other,
    };
    Datum { kind, span: datum.span }
}

#[cfg(test)]
mod tests;
