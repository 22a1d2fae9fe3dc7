//! An INI inventory of Ansible → the model.
//!
//! Owns: sections, host lines, `:vars` and `:children`. Must not: know what a variable means, or read other files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Model, UNGROUPED};
use super::{literal, pattern, words};
use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hosts,
    Children,
    Vars,
}

/// A group that was named and not yet made.
struct Pending {
    name: Spanned<String>,
    /// Who wants it as a child; none: it has variables.
    parents: Vec<usize>,
    vars: bool,
}

struct Ini<'m, 'd> {
    model: &'m mut Model,
    diags: &'d mut Diagnostics,
    group: usize,
    state: State,
    pending: BTreeMap<String, Pending>,
}

/// Reads it; every wrong line is told.
pub(super) fn read(source: &Arc<Source>, model: &mut Model, diags: &mut Diagnostics) {
    let mut ini = Ini {
        model,
        diags,
        group: UNGROUPED,
        state: State::Hosts,
        pending: BTreeMap::new(),
    };
    let mut start = 0;
    for line in source.text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let break_len = source
            .text
            .get(start + line.len()..)
            .and_then(|t| t.chars().next())
            .map_or(0, char::len_utf8);
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if !text.is_empty() && !text.starts_with(['#', ';']) {
            ini.line(text, &Span::new(source, start + indent, start + indent + text.len()));
        }
        start += line.len() + break_len;
    }
    ini.finish();
}

impl Ini<'_, '_> {
    fn wrong(&mut self, span: Span, message: impl Into<String>, label: &str, help: &str) {
        self.diags
            .push(Diagnostic::error("PS0414", message, span, label).help(help));
    }

    fn line(&mut self, text: &str, span: &Span) {
        match section(text) {
            Some((name, kind)) => self.section(name, kind, span),
            None if text.starts_with('[') && text.ends_with(']') => self.wrong(
                span.clone(),
                "this is no section",
                "not `[GROUP]`",
                "write `[GROUP]`, `[GROUP:children]` or `[GROUP:vars]`, without spaces and colons in the name",
            ),
            None => match self.state {
                State::Hosts => self.host(text, span),
                State::Vars => self.var(text, span),
                State::Children => self.child(text, span),
            },
        }
    }

    fn section(&mut self, name: &str, kind: Option<&str>, span: &Span) {
        self.state = match kind {
            None | Some("hosts") => State::Hosts,
            Some("children") => State::Children,
            Some("vars") => State::Vars,
            Some(kind) => {
                let message = format!("a section has no kind `{kind}`");
                return self.wrong(
                    span.clone(),
                    message,
                    "after the colon",
                    "write `[GROUP:children]` or `[GROUP:vars]`",
                );
            }
        };
        let name = Spanned::new(
            name.to_owned(),
            Span::new(&span.source, span.start + 1, span.start + 1 + name.len()),
        );
        if self.model.group(&name).is_none() && self.state == State::Vars && !self.pending.contains_key(&name.value) {
            let pending = Pending {
                name: name.clone(),
                parents: Vec::new(),
                vars: true,
            };
            self.pending.insert(name.value.clone(), pending);
        }
        self.group = self.model.add_group(&name);
        if self.state != State::Vars && self.pending.contains_key(&name.value) {
            self.settle(&name);
        }
    }

    /// The group is made now: those who wait for it get it, and their own parents in turn.
    fn settle(&mut self, name: &Spanned<String>) {
        let mut made = vec![name.clone()];
        while let Some(name) = made.pop() {
            let Some(pending) = self.pending.remove(&name.value) else {
                continue;
            };
            for parent in pending.parents {
                self.model.add_child(parent, &name, self.diags);
                let parent = self.model.groups.get(parent).map(|g| g.name.clone());
                made.extend(parent.filter(|p| self.pending.get(&p.value).is_some_and(|p| !p.vars)));
            }
        }
    }

    fn host(&mut self, text: &str, span: &Span) {
        let words = match words::split(text) {
            Ok(words) => words,
            Err(why) => {
                return self.wrong(
                    span.clone(),
                    format!("this line cannot be read: {why}"),
                    "a host and its variables",
                    "close the quote; a `#` outside quotes begins a comment",
                );
            }
        };
        let Some((first, rest)) = words.split_first() else {
            return;
        };
        let at = |w: &words::Word| Span::new(&span.source, span.start + w.start, span.start + w.end);
        let (names, port) = match pattern::expand(&first.text) {
            Ok(found) => found,
            Err(why) => {
                let d = Diagnostic::error(
                    "PS0415",
                    format!("`{}` names no hosts: {why}", first.text),
                    at(first),
                    "a host, or a range of hosts",
                );
                return self
                    .diags
                    .push(d.help("write `web[01:50].example.com`, with `:PORT` after it if it is not 22"));
            }
        };
        if names.is_empty() {
            let d = Diagnostic::warning(
                "PS0415",
                format!("the range `{}` has no hosts", first.text),
                at(first),
                "its begin comes after its end",
            );
            self.diags.push(d.help("turn begin and end round, or delete the line"));
        }
        let mut vars = Vec::new();
        for word in rest {
            let Some((key, value)) = word.text.split_once('=') else {
                return self.wrong(
                    at(word),
                    format!("`{}` is no variable", word.text),
                    "in the line of a host",
                    "write `NAME=VALUE`; a value with spaces needs quotes",
                );
            };
            match literal::value(value, &at(word)) {
                Ok(datum) => vars.push((key.to_owned(), datum)),
                Err(why) => {
                    return self.wrong(
                        at(word),
                        format!("Ansible cannot read this value: {why}"),
                        "a value of Python",
                        "put the value in quotes twice: `\"'…'\"`",
                    );
                }
            }
        }
        let mut told = false;
        for name in names {
            if name.is_empty() {
                return self.wrong(
                    at(first),
                    "a host has no name",
                    "nothing is written here",
                    "write the name of a host",
                );
            }
            let both = self.model.group(&name).is_some();
            let name = Spanned::new(name, at(first));
            self.model.add_host(&name, self.group, port);
            for (key, value) in &vars {
                self.model.set(&name, key, value.clone(), self.diags);
            }
            if both && !told {
                told = true;
                self.diags.push(super::one_name(&name));
            }
        }
    }

    fn var(&mut self, text: &str, span: &Span) {
        let Some((key, value)) = text.split_once('=') else {
            return self.wrong(
                span.clone(),
                format!("`{text}` is no variable"),
                "in a section of variables",
                "write `NAME=VALUE`",
            );
        };
        let start = span.start + key.len() + 1 + value.len() - value.trim_start().len();
        let at = Span::new(&span.source, start, span.end.max(start));
        match literal::value(value.trim(), &at) {
            Ok(datum) => self.model.set_of_group(self.group, key.trim(), datum, self.diags),
            Err(why) => self.wrong(
                at,
                format!("Ansible cannot read this value: {why}"),
                "a value of Python",
                "put the value in quotes",
            ),
        }
    }

    fn child(&mut self, text: &str, span: &Span) {
        let end = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let (name, rest) = match name.split_once('#') {
            Some((name, _)) if !name.is_empty() => (name, ""),
            _ => (name, rest.trim()),
        };
        if name.contains([':', ']']) || !(rest.is_empty() || rest.starts_with('#')) {
            return self.wrong(
                span.clone(),
                format!("`{text}` is no name of a group"),
                "in a section of children",
                "write one group on each line",
            );
        }
        let name = Spanned::new(
            name.to_owned(),
            Span::new(&span.source, span.start, span.start + name.len()),
        );
        if self.model.group(&name).is_some() {
            self.model.add_child(self.group, &name, self.diags);
            return;
        }
        let pending = self.pending.entry(name.value.clone()).or_insert_with(|| Pending {
            name,
            parents: Vec::new(),
            vars: false,
        });
        pending.parents.push(self.group);
    }

    fn finish(self) {
        for pending in self.pending.into_values() {
            let name = &pending.name.value;
            let d = if pending.vars {
                Diagnostic::error(
                    "PS0416",
                    format!("`{name}` has variables and is no group"),
                    pending.name.span,
                    "made nowhere else",
                )
            } else {
                Diagnostic::error(
                    "PS0416",
                    format!("there is no group `{name}`"),
                    pending.name.span,
                    "wanted as a child here",
                )
            };
            self.diags
                .push(d.help(format!("write a section `[{name}]`, empty if it has no hosts")));
        }
    }
}

/// `[NAME]` and `[NAME:KIND]`, a comment after it allowed.
fn section(text: &str) -> Option<(&str, Option<&str>)> {
    let (inner, after) = text.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    if !(after.is_empty() || after.starts_with('#')) {
        return None;
    }
    let (name, kind) = match inner.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inner, None),
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let good = !name.is_empty()
        && !name.contains(char::is_whitespace)
        && kind.is_none_or(|k| !k.is_empty() && k.chars().all(word));
    good.then_some((name, kind))
}
