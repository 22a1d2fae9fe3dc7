//! The layout: two spaces a level, lists indented below their key, at most one blank line, comments where they were.
//!
//! Owns: what is written in which line. Must not: change a scalar's text or the order of anything.
//!
//! Comments are taken from the source in their order, each before the first token that follows it, so that none can be lost. A
//! comment behind a token on its line stays behind it, in its column if there is room. One on a line of its own goes with what
//! follows, unless it is indented deeper than that: then it is the tail of what comes before.

use crate::diag::Span;
use crate::runbook::fmt::WIDTH;
use crate::runbook::yaml::{Entry, Node, NodeKind, Style, Written};

/// A level.
const STEP: usize = 2;

/// Writes the document in the layout; `text` is the source with plain line ends.
pub(super) fn emit(text: &str, written: &Written) -> String {
    let mut emitter = Emitter {
        text,
        comments: &written.comments,
        out: String::with_capacity(text.len()),
        cursor: 0,
        opened: true,
        scalar: Last::Other,
    };
    if let Some(marker) = &written.marker {
        emitter.comments_before(marker.start, 0);
        emitter.line(0, false);
        emitter.out.push_str("---");
        emitter.cursor = marker.end;
        emitter.trailing();
        emitter.opened = true;
    }
    emitter.root(&written.root);
    let mut out = emitter.out;
    // Without a line end after it, the text of a block at the end of the file has none either.
    if !matches!(emitter.scalar, Last::Kept | Last::Block) || text.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// What was written last: a comment in the wrong column would become part of a block of text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    /// A block of text.
    Block,
    /// One whose blank lines at the end count.
    Kept,
}

/// How a node is written after its key or dash.
enum Form {
    /// Nothing: a key without a value.
    Nothing,
    /// On the same line.
    Inline(String),
    /// A quoted or plain text over several lines.
    Lines,
    /// `|` or `>`.
    Text,
    /// In the lines below.
    Block,
}

/// Where a map or list stands: its new indentation, its column in the source, and that of what holds it (-1: nothing does).
#[derive(Clone, Copy)]
struct Place {
    indent: usize,
    /// `None` where it stood in brackets.
    column: Option<isize>,
    parent: isize,
}

struct Emitter<'s> {
    text: &'s str,
    /// Those that are not written yet.
    comments: &'s [Span],
    out: String,
    /// Where the last token that was written ends in the source.
    cursor: usize,
    /// No blank line goes here: at the beginning of the file, of a map or a list.
    opened: bool,
    scalar: Last,
}

impl Emitter<'_> {
    fn root(&mut self, root: &Node) {
        let end = self.text.len();
        match self.form(root, 0) {
            Form::Block => {
                let place = self.place(root, 0, -1);
                self.block(root, place, end, false);
            }
            form => {
                self.comments_before(root.span.start, 0);
                self.line(0, false);
                self.value(root, form, 0, "");
            }
        }
        self.comments_before(usize::MAX, 0);
    }

    fn block(&mut self, node: &Node, place: Place, limit: usize, mut inline: bool) {
        let own = place.column.unwrap_or(-1);
        match &node.kind {
            NodeKind::Map(entries) => {
                for (i, entry) in entries.iter().enumerate() {
                    let next = entries.get(i + 1).map_or(limit, |e| e.key.span.start);
                    if !std::mem::take(&mut inline) {
                        self.comments_before(self.head_of_entry(entry, place.indent), place.indent);
                        self.line(place.indent, self.blank_before(entry.key.span.start));
                    }
                    self.entry(entry, place.indent, own, next);
                    self.tail(place, next);
                }
            }
            NodeKind::Seq(items) => {
                for (i, item) in items.iter().enumerate() {
                    let next = items.get(i + 1).map_or(limit, |n| n.span.start);
                    if !std::mem::take(&mut inline) {
                        self.comments_before(self.head(item, place.indent + STEP), place.indent);
                        self.line(place.indent, self.blank_before(item.span.start));
                    }
                    self.item(item, place.indent, own, next);
                    self.tail(place, next);
                }
            }
            NodeKind::Scalar { .. } => {}
        }
        self.close(node, place, limit);
    }

    fn entry(&mut self, entry: &Entry, indent: usize, own: isize, next: usize) {
        let key = key_text(entry);
        let form = self.form(&entry.value, indent + key.chars().count() + 2);
        self.out.push_str(&key);
        self.out.push(':');
        self.cursor = entry.key.span.end;
        if matches!(form, Form::Block) {
            self.trailing();
            self.opened = true;
            let place = self.place(&entry.value, indent + STEP, own);
            self.block(&entry.value, place, next, false);
        } else {
            self.value(&entry.value, form, indent, " ");
        }
    }

    fn item(&mut self, item: &Node, indent: usize, own: isize, next: usize) {
        self.out.push('-');
        let form = self.form(item, indent + STEP);
        if matches!(form, Form::Block) {
            self.out.push(' ');
            let place = self.place(item, indent + STEP, own);
            self.block(item, place, next, true);
        } else {
            self.value(item, form, indent, " ");
        }
    }

    /// What follows a key or a dash on its line, and its further lines.
    fn value(&mut self, node: &Node, form: Form, indent: usize, before: &str) {
        self.scalar = Last::Other;
        match form {
            Form::Nothing | Form::Block => self.trailing(),
            Form::Inline(text) => {
                self.out.push_str(before);
                self.out.push_str(&text);
                self.cursor = node.span.end;
                self.trailing();
            }
            Form::Lines => {
                self.out.push_str(before);
                for (i, line) in node.span.text().split('\n').enumerate() {
                    let line = if i == 0 {
                        line
                    } else {
                        line.trim_start_matches([' ', '\t'])
                    };
                    if i > 0 {
                        self.out.push('\n');
                        if !line.is_empty() {
                            self.out.push_str(&" ".repeat(indent + STEP));
                        }
                    }
                    self.out.push_str(line);
                }
                self.cursor = node.span.end;
                self.trailing();
            }
            Form::Text => self.text_block(node, indent, before),
        }
    }

    /// A block of text: its lines byte for byte behind their common indentation.
    fn text_block(&mut self, node: &Node, indent: usize, before: &str) {
        let NodeKind::Scalar { text, .. } = &node.kind else {
            return;
        };
        let start = self.header();
        let rest = self.text.get(start..).unwrap_or("");
        let header = rest
            .split(|c: char| !matches!(c, '|' | '>' | '+' | '-' | '0'..='9'))
            .next();
        let header = header.unwrap_or("|");
        let kept = header.contains('+');
        let deeper = header.chars().find_map(|c| c.to_digit(10)).map_or(STEP, |n| n as usize);
        self.out.push_str(before);
        self.out.push_str(header);
        self.cursor = start + header.len();
        self.trailing();
        let Some(first_line) = rest.find('\n').map(|n| start + n + 1) else {
            self.cursor = self.text.len();
            return;
        };
        let lines = self.text.get(first_line..).unwrap_or("").split_inclusive('\n');
        let blank = |line: &str| line.trim_matches([' ', '\n']).is_empty();
        let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let own = text.split('\n').find(|line| !blank(line)).map(spaces);
        let content = lines.clone().find(|line| !blank(line)).map(spaces);
        let column = own.zip(content).map(|(own, content)| content.saturating_sub(own));
        let (mut at, mut end) = (first_line, first_line);
        for line in lines {
            let deep = column.is_some_and(|column| spaces(line) >= column);
            if !blank(line) && !deep {
                break;
            }
            at += line.len();
            if kept || !blank(line) || (deep && spaces(line) > column.unwrap_or(0)) {
                end = at;
            }
        }
        let body = self.text.get(first_line..end).unwrap_or("");
        for line in body.split_terminator('\n') {
            let line = line.get(column.unwrap_or(usize::MAX).min(spaces(line))..).unwrap_or("");
            self.out.push('\n');
            if !line.is_empty() {
                self.out.push_str(&" ".repeat(indent + deeper));
                self.out.push_str(line);
            }
        }
        self.cursor = end;
        self.scalar = if kept { Last::Kept } else { Last::Block };
    }

    /// Where the `|` or `>` after the cursor stands.
    fn header(&self) -> usize {
        let mut at = self.cursor;
        for c in self.comments {
            let gap = self.text.get(at..c.start.max(at)).unwrap_or("");
            if gap.contains(['|', '>']) {
                break;
            }
            at = c.end.max(at);
        }
        let rest = self.text.get(at..).unwrap_or("");
        rest.find(['|', '>']).map_or(at, |n| at + n)
    }

    fn form(&self, node: &Node, used: usize) -> Form {
        match &node.kind {
            NodeKind::Scalar { style, .. } => match style {
                Style::Literal | Style::Folded => Form::Text,
                Style::Plain if node.span.text().is_empty() => Form::Nothing,
                _ if node.span.text().contains('\n') => Form::Lines,
                _ => Form::Inline(node.span.text().to_owned()),
            },
            NodeKind::Map(_) | NodeKind::Seq(_) => {
                let flow = matches!(node.span.text().chars().next(), Some('{' | '['));
                let held = |c: &&Span| c.start > node.span.start && c.start < node.span.end;
                let empty = matches!(&node.kind, NodeKind::Map(e) if e.is_empty())
                    || matches!(&node.kind, NodeKind::Seq(e) if e.is_empty());
                let line = flow.then(|| one_line(node)).flatten();
                match line {
                    Some(line) if empty => Form::Inline(line),
                    Some(line) if used + line.chars().count() <= WIDTH && !self.comments.iter().any(|c| held(&c)) => {
                        Form::Inline(line)
                    }
                    _ => Form::Block,
                }
            }
        }
    }

    /// The place in the source where the first line of a node begins that no comment can stand in.
    fn head(&self, node: &Node, indent: usize) -> usize {
        if matches!(self.form(node, indent), Form::Block) {
            match &node.kind {
                NodeKind::Map(entries) => entries.first().map(|e| self.head_of_entry(e, indent)),
                NodeKind::Seq(items) => items.first().map(|n| self.head(n, indent + STEP)),
                NodeKind::Scalar { .. } => None,
            }
            .unwrap_or(node.span.start)
        } else {
            node.span.start
        }
    }

    fn head_of_entry(&self, entry: &Entry, indent: usize) -> usize {
        match self.form(&entry.value, indent + key_text(entry).chars().count() + 2) {
            Form::Inline(_) | Form::Lines => entry.value.span.start,
            Form::Nothing | Form::Text | Form::Block => entry.key.span.start,
        }
    }

    fn place(&self, node: &Node, indent: usize, parent: isize) -> Place {
        let flow = matches!(node.span.text().chars().next(), Some('{' | '['));
        Place {
            indent,
            column: (!flow).then(|| self.column(node.span.start)),
            parent,
        }
    }

    /// The comments before a place, each on its line.
    fn comments_before(&mut self, place: usize, indent: usize) {
        while let Some((first, rest)) = self.comments.split_first().filter(|(c, _)| c.start < place) {
            self.line(indent, self.blank_before(first.start));
            self.out.push_str(first.text().trim_end());
            self.comments = rest;
            self.scalar = Last::Other;
        }
    }

    /// Comments after an entry or item that are indented deeper than it: they are its tail.
    fn tail(&mut self, place: Place, next: usize) {
        let Some(own) = place.column else { return };
        // Directly below a block of text a deeper comment would become part of it.
        let block = self.scalar != Last::Other;
        let indent = if block { place.indent } else { place.indent + STEP };
        while let Some(c) = self.comments.first().filter(|c| c.start < next) {
            if self.column(c.start) <= own {
                break;
            }
            self.comments_before(c.start + 1, indent);
        }
    }

    /// The comments at the end of a map or list that are indented as it is.
    fn close(&mut self, node: &Node, place: Place, limit: usize) {
        let Some(own) = place.column else {
            self.comments_before(node.span.end, place.indent);
            return;
        };
        while let Some(c) = self.comments.first().filter(|c| c.start < limit) {
            let column = self.column(c.start);
            if column < own || column <= place.parent {
                break;
            }
            self.comments_before(c.start + 1, place.indent);
        }
    }

    /// The comment behind the last token, on its line.
    fn trailing(&mut self) {
        let Some((c, rest)) = self.comments.split_first() else {
            return;
        };
        let gap = self.text.get(self.cursor..c.start);
        if gap.is_none_or(|gap| gap.contains('\n')) {
            return;
        }
        let indentation = |line: &str| line.chars().take_while(|c| *c == ' ').count();
        let line = self.out.rsplit('\n').next().unwrap_or("");
        let source = self.text.get(self.line_start(c.start)..c.start).unwrap_or("");
        let wanted = (source.chars().count() + indentation(line)).saturating_sub(indentation(source));
        let used = line.chars().count();
        let gap = if wanted > used { wanted - used } else { 2 };
        self.out.push_str(&" ".repeat(gap));
        self.out.push_str(c.text().trim_end());
        self.cursor = c.end;
        self.comments = rest;
    }

    /// Begins a line.
    fn line(&mut self, indent: usize, blank: bool) {
        if !self.out.is_empty() {
            self.out.push('\n');
            if blank && !self.opened && self.scalar != Last::Kept {
                self.out.push('\n');
            }
        }
        self.opened = false;
        self.out.push_str(&" ".repeat(indent));
    }

    /// True if the line before this place's line is blank.
    fn blank_before(&self, place: usize) -> bool {
        let before = self.text.get(..self.line_start(place)).unwrap_or("");
        let mut lines = before.rsplit('\n');
        // What follows the last line end is this place's own line.
        lines.next();
        lines.next().is_some_and(|line| line.trim().is_empty()) && !before.is_empty()
    }

    fn line_start(&self, place: usize) -> usize {
        let before = self.text.get(..place).unwrap_or("");
        before.rfind('\n').map_or(0, |n| n + 1)
    }

    fn column(&self, place: usize) -> isize {
        let line = self.text.get(self.line_start(place)..place).unwrap_or("");
        isize::try_from(line.chars().count()).unwrap_or(isize::MAX)
    }
}

/// A key as it is written; one over several lines, which only brackets allow, becomes one line.
fn key_text(entry: &Entry) -> String {
    let written = entry.key.span.text();
    if written.contains('\n') {
        serde_json::Value::from(entry.key.value.as_str()).to_string()
    } else {
        written.to_owned()
    }
}

/// A map or list in brackets on one line; `None` where a text in it has several lines.
fn one_line(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Scalar { .. } => {
            let written = node.span.text();
            (!written.contains('\n')).then(|| written.to_owned())
        }
        NodeKind::Seq(items) => {
            let items: Option<Vec<String>> = items.iter().map(one_line).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        NodeKind::Map(entries) if entries.is_empty() => Some("{}".to_owned()),
        NodeKind::Map(entries) => {
            let entries: Option<Vec<String>> = entries
                .iter()
                .map(|e| {
                    let value = one_line(&e.value)?;
                    let space = if value.is_empty() { "" } else { " " };
                    Some(format!("{}:{space}{value}", key_text(e)))
                })
                .collect();
            Some(format!("{{ {} }}", entries?.join(", ")))
        }
    }
}
