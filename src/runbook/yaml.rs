//! Bytes → a tree of nodes, each with its place in the file.
//!
//! Owns: the YAML that pitstop accepts (1.2, one document, no anchors, tags or double keys) and its limits. The only file that
//! names the YAML parser. Must not: know a key of the language; every scalar stays text until someone asks for a type.

pub mod ansible;
mod bytes;
mod place;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

pub use bytes::{forbidden_characters, source};
pub use place::inside;
use words::{QUOTE_OR_BLOCK, Stop, key_is_no_text, never_closed, one_char, too_large, unquoted};

use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};

/// Largest file that is read.
pub const MAX_BYTES: usize = 16 << 20;
/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 64;
/// Most values in one file.
pub const MAX_NODES: usize = 2_000_000;
/// After so many complaints about one file's YAML the rest is likely to be noise.
const MAX_COMPLAINTS: usize = 20;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands. A map or list in block style ends where its last value ends.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A scalar: its text after quotes, escapes and folding, not yet typed.
    Scalar {
        /// The text.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A map, in file order, without double keys.
    Map(Vec<Entry>),
    /// A list.
    Seq(Vec<Node>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes; the only style that can be a number, a boolean or nothing.
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// True for `null`, `~` and a key without a value.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, style: Style::Plain }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, in words for a message.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            NodeKind::Scalar { .. } => "a single value",
            NodeKind::Map(_) => "a map",
            NodeKind::Seq(_) => "a list",
        }
    }
}

/// A document with what is no data in it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The tree.
    pub root: Node,
    /// Every comment in file order, from its `#` to the end of its line.
    pub comments: Vec<Span>,
    /// The line `---`, where it is written.
    pub marker: Option<Span>,
}

/// Reads one document. `None` only where there is no usable tree; every complaint is in `diags`.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Node> {
    read_as(source, false, diags).map(|written| written.root)
}

/// Reads one document with its comments, as [`read`] does.
pub fn read_written(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Written> {
    read_as(source, true, diags)
}

fn read_as(source: &Arc<Source>, comments: bool, diags: &mut Diagnostics) -> Option<Written> {
    if source.text.len() > MAX_BYTES {
        diags.push(too_large(Span::new(source, 0, 0)));
        return None;
    }
    if forbidden_characters(source, diags) {
        return None;
    }
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: comments,
        disallow_directives: true,
    };
    let mut builder = Builder::new(source);
    for event in Parser::new_from_str_with_options(&source.text, options) {
        let go_on = match event {
            Ok((event, at)) => builder.event(event, &at),
            Err(error) => {
                builder.syntax_error(&error);
                false
            }
        };
        if !go_on {
            builder.root = None;
            break;
        }
    }
    let Builder {
        root,
        complaints,
        comments,
        marker,
        ..
    } = builder;
    if root.is_none() && complaints.is_empty() {
        diags.push(Diagnostic::error(
            "PS0010",
            "the file is empty",
            Span::new(source, 0, 0),
            "nothing is written here",
        ));
    }
    complaints.into_iter().for_each(|d| diags.push(d));
    Some(Written {
        root: root?,
        comments,
        marker,
    })
}

/// A map or list that is still open.
struct Open {
    start: usize,
    end: usize,
    kind: OpenKind,
}

enum OpenKind {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Where each key stands among the entries, once they are too many to be looked through.
        index: HashMap<String, usize>,
        key: Option<Key>,
        /// What was meant, where the map is a template without quotes.
        template: Option<Span>,
    },
}

/// A key whose value has not come yet; `Lost` keys were complained about, their values are dropped.
enum Key {
    Good(Spanned<String>),
    Lost,
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    complaints: Vec<Diagnostic>,
    comments: Vec<Span>,
    marker: Option<Span>,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        Self {
            source,
            stack: Vec::new(),
            root: None,
            documents: 0,
            nodes: 0,
            complaints: Vec::new(),
            comments: Vec::new(),
            marker: None,
        }
    }

    fn complain(&mut self, d: Diagnostic) {
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(d);
        }
    }

    /// The parser gives up after this one; where something on the line was complained about already, that is the cause.
    fn syntax_error(&mut self, error: &ScanError) {
        let d = match self.open_bracket() {
            Some(bracket) if may_be_a_bracket(error.kind()) => never_closed(bracket),
            _ => syntax(self.source, error),
        };
        let line = |d: &Diagnostic| d.labels.first().map(|l| l.span.line_col().0);
        if self.complaints.last().is_none_or(|last| line(last) != line(&d)) {
            self.complain(d);
        }
    }

    /// The innermost list or map in brackets that is still open.
    fn open_bracket(&self) -> Option<Span> {
        let open = self.stack.last()?;
        let span = one_char(self.source, open.start);
        matches!(span.text(), "[" | "{").then_some(span)
    }

    fn span(&self, at: &granit_parser::Span) -> Span {
        let start = at.start.byte_offset().unwrap_or(0);
        Span::new(self.source, start, at.end.byte_offset().unwrap_or(start))
    }

    /// Takes one event; false stops the reading.
    fn event(&mut self, event: Event<'_>, at: &granit_parser::Span) -> bool {
        let span = self.span(at);
        match event {
            Event::DocumentStart(explicit, ..) => {
                self.marker = explicit.then(|| span.clone());
                return self.document(span);
            }
            Event::Comment(..) => {
                self.comments.push(span);
                return true;
            }
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), at, &span);
                self.scalar(text.into_owned(), style, span);
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), at, &span);
                self.open(OpenKind::Seq(Vec::new()), &span);
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), at, &span);
                let (entries, index) = (Vec::new(), HashMap::new());
                self.open(
                    OpenKind::Map {
                        entries,
                        index,
                        key: None,
                        template: None,
                    },
                    &span,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Anchor(_, name) => {
                let d = Diagnostic::error(
                    "PS0005",
                    "anchors are not part of the language",
                    span,
                    "this names a value for reuse",
                );
                self.complain(d.help(format!("delete `&{name}` and write the value where it is needed; steps that several phases share go into a file: `- include: FILE`")));
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(span),
            _ => {}
        }
        self.count_node()
    }

    fn count_node(&mut self) -> bool {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return true;
        }
        let d = Diagnostic::error(
            "PS0002",
            format!("the file has more than {MAX_NODES} values"),
            Span::new(self.source, 0, 0),
            "reading ended",
        );
        self.complain(d);
        false
    }

    fn document(&mut self, span: Span) -> bool {
        self.documents += 1;
        if self.documents == 2 {
            let d = Diagnostic::error(
                "PS0008",
                "the file holds more than one document",
                span,
                "a second one begins here",
            );
            self.complain(d.help("put it into a file of its own"));
        }
        self.documents < 2
    }

    fn refuse_tag(&mut self, tagged: bool, at: &granit_parser::Span, span: &Span) {
        if !tagged {
            return;
        }
        let span = at.tag_span().map_or_else(|| span.clone(), |tag| self.span(&tag));
        let tag = span.text().to_owned();
        let d = Diagnostic::error(
            "PS0007",
            format!("the tag `{tag}` is not part of the language"),
            span,
            "a tag",
        );
        self.complain(match tag.as_str() {
            "!!str" => d.help("delete it and put the value in quotes"),
            "!vault" => d.help("declare the value under `secrets` and write `{{ secrets.NAME }}`"),
            _ => d.help("delete it; where a text begins with `!`, put the text in quotes"),
        });
    }

    fn alias(&mut self, span: Span) {
        let written = span.text().to_owned();
        let d = Diagnostic::error(
            "PS0005",
            "aliases are not part of the language",
            span.clone(),
            "this repeats a value from elsewhere",
        );
        self.complain(
            d.help("write the value itself")
                .help(format!("if the text `{written}` is meant, put it in quotes")),
        );
        // Read as the text it may have been meant to be, it gives no second complaint.
        let (text, style) = (written, Style::Single);
        self.node(Node {
            kind: NodeKind::Scalar { text, style },
            span,
        });
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Span) {
        let style = match style {
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
            _ => Style::Plain,
        };
        // The parser counts the line break after a scalar to it; nobody wants that underlined.
        let end = span.start + span.text().trim_end().len();
        self.node(Node {
            kind: NodeKind::Scalar { text, style },
            span: Span { end, ..span },
        });
    }

    fn open(&mut self, kind: OpenKind, span: &Span) {
        self.stack.push(Open {
            start: span.start,
            end: span.start,
            kind,
        });
    }

    fn close(&mut self, span: &Span) {
        let Some(open) = self.stack.pop() else { return };
        let end = if span.end > span.start { span.end } else { open.end };
        let kind = match open.kind {
            OpenKind::Seq(items) => NodeKind::Seq(items),
            OpenKind::Map {
                template: Some(whole), ..
            } => {
                // It was complained about; read as what was meant, it gives no second complaint.
                let (text, style) = (whole.text().to_owned(), Style::Double);
                let kind = NodeKind::Scalar { text, style };
                return self.node(Node { kind, span: whole });
            }
            OpenKind::Map { entries, .. } => NodeKind::Map(entries),
        };
        self.node(Node {
            kind,
            span: Span::new(self.source, open.start, end),
        });
    }

    /// Puts a finished node where it belongs: as an item, a key, a value, or the root.
    fn node(&mut self, node: Node) {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.end = open.end.max(node.span.end);
        let complaint = match &mut open.kind {
            OpenKind::Seq(items) => {
                items.push(node);
                None
            }
            OpenKind::Map {
                key: slot @ None,
                entries,
                index,
                template,
            } => {
                *template = template.take().or_else(|| unquoted(&node));
                let (key, complaint) = match key(node, entries, index) {
                    Ok(key) => (Key::Good(key), None),
                    Err(complaint) => (Key::Lost, Some(complaint)),
                };
                *slot = Some(key);
                complaint
            }
            OpenKind::Map { key: slot, entries, .. } => {
                if let Some(Key::Good(key)) = slot.take() {
                    entries.push(Entry { key, value: node });
                }
                None
            }
        };
        if let Some(d) = complaint {
            self.complain(*d);
        }
    }
}

/// Makes a key of a node, or says why it is none.
fn key(node: Node, entries: &[Entry], index: &mut HashMap<String, usize>) -> Result<Spanned<String>, Box<Diagnostic>> {
    let NodeKind::Scalar { text, style } = node.kind else {
        return Err(Box::new(key_is_no_text(&node)));
    };
    if text == "<<" && style == Style::Plain {
        let d = Diagnostic::error("PS0006", "merge keys are not part of the language", node.span, "a merge key")
            .help("write the keys out; settings that many hosts share belong into a group of the inventory, shared steps into `- include: FILE`");
        return Err(Box::new(d));
    }
    if text.is_empty() {
        let d = Diagnostic::error(
            "PS0009",
            "a key is missing before the colon",
            node.span,
            "nothing is written here",
        );
        return Err(Box::new(d));
    }
    if let Some(first) = given(&text, entries, index) {
        let d = Diagnostic::error(
            "PS0004",
            format!("the key `{text}` is given twice"),
            node.span,
            "given again here",
        )
        .also(first.clone(), "given first here")
        .help("keep one of them; a second one would silently win or lose");
        return Err(Box::new(d));
    }
    Ok(Spanned::new(text, node.span))
}

/// Where a key was given before. Most maps are small: an index of each costs more than looking through it.
fn given<'e>(text: &str, entries: &'e [Entry], index: &mut HashMap<String, usize>) -> Option<&'e Span> {
    const FEW: usize = 16;
    if entries.len() <= FEW {
        return entries.iter().find(|e| e.key.value == text).map(|e| &e.key.span);
    }
    for (at, entry) in entries.iter().enumerate().skip(index.len()) {
        index.insert(entry.key.value.clone(), at);
    }
    let at = index.get(text)?;
    entries.get(*at).map(|e| &e.key.span)
}

/// Errors that a missing bracket causes, often lines after it.
fn may_be_a_bracket(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnclosedFlowCollection { .. }
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidColonPlacement
            | ErrorKind::InvalidFlowScalarIndent
            | ErrorKind::BlockEntryInFlowCollection
            | ErrorKind::InvalidIndentation
    )
}

/// The parser's error in words that say what to write.
fn syntax(source: &Arc<Source>, error: &ScanError) -> Diagnostic {
    let stop = Stop::at(source, error.marker().byte_offset().unwrap_or(0));
    if let Some(d) = stop.template_without_quotes() {
        return d;
    }
    let no_yaml = |message: &str, span: &Span, label: &str| Diagnostic::error("PS0012", message, span.clone(), label);
    match error.kind() {
        ErrorKind::MappingValueNotAllowed | ErrorKind::SimpleKeyExpected | ErrorKind::InvalidColonPlacement
            if stop.content.matches(": ").count() >= 2 =>
        {
            stop.colon_in_value()
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => stop.tab(),
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("lists and maps are nested deeper than {MAX_DEPTH}");
            Diagnostic::error("PS0002", message, stop.here, "too deep")
        }
        ErrorKind::DirectiveDisallowed => no_yaml(
            "YAML directives are not part of the language",
            &stop.whole,
            "a directive",
        )
        .help("delete this line"),
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => {
            let span = stop.open_quote().unwrap_or_else(|| stop.here.clone());
            no_yaml("a quote is opened and never closed", &span, "opened here")
                .help("close it on its line, or write `key: |` and the text in the next line, indented")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a text that begins with `{}` needs quotes", character.escape_default());
            no_yaml(&message, &stop.here, "this character has a meaning in YAML").help(QUOTE_OR_BLOCK)
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::BlockSequenceEntryNotAllowed => stop.wrong_indent(&error.kind().to_string()),
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            let label = "what follows the closing quote belongs to nothing";
            no_yaml("a quoted text ends before its line does", &stop.whole, label).help(QUOTE_OR_BLOCK)
        }
        kind => no_yaml(&format!("this is not YAML: {kind}"), &stop.here, "here")
            .help("a value with one of : # { } [ ] , & * ! | > ' \" % @ ` in it is safe in quotes"),
    }
}

#[cfg(test)]
mod tests;
