//! Templates (`{{ … }}` in a value) and conditions (bare expressions): read, judge, render.
//!
//! Owns: the expression language of `runbook`. Must not: know hosts, plans or commands; it is given a [`Scope`] of values.
//!
//! The syntax is a small part of Jinja's. The evaluator is our own, so that kinds are exact (a duration is no number, text is
//! never ordered against a number), every error has its byte range, and a secret stays one through every expression. What a
//! host said is a text of its own kind ([`crate::text::HostText`]) through every filter, and only ever a value: nothing that
//! was rendered is read as a template again.
//!
//! `split` text → pieces · `token`, `parse` piece → nodes · `eval` nodes + scope → value · [`Val`] the values · `operator` what
//! stands between two values · `filter` what stands behind `|` · [`quote`] the three shells' quoting · `place` where in a
//! command a value stands · `taint` what must be quoted there · `kinds` which kind an expression gives · `reads` what it reads ·
//! `check` what can be judged before any value is known.

mod check;
mod eval;
mod filter;
mod kinds;
mod named;
mod operator;
mod parse;
mod place;
pub mod quote;
mod reads;
mod split;
mod taint;
mod token;
mod val;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod doc_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use check::{FieldKind, Fields, Known, Place, check_condition, check_template};
pub use reads::{Comparison, Read, comparisons, reads};
pub use val::{Val, Words};

use self::eval::Eval;
use self::named::Named;
use self::parse::Node;
use self::split::Piece;
use super::Value;
use crate::secret::Secret;

/// Longest text that a template, a filter or `~` may make.
pub const MAX_OUTPUT: usize = 1 << 20;

/// What is wrong with an expression, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What sort of mistake, for the diagnostic's code.
    pub kind: ErrorKind,
    /// The headline, without a full stop.
    pub message: String,
    /// Bytes of the text that was parsed.
    pub range: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

/// What sort of mistake an [`ExprError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no expression.
    Syntax,
    /// A name that cannot exist here.
    Unknown,
    /// A name or field that has no value now.
    Undefined,
    /// A value of the wrong kind.
    Kind,
    /// A value goes into a command without being quoted for it.
    Unquoted,
    /// A secret where none may be.
    Secret,
    /// Too long, too deep, too much work.
    Limit,
}

impl ExprError {
    fn new(kind: ErrorKind, message: impl Into<String>, range: Range<usize>) -> Self {
        Self {
            kind,
            message: message.into(),
            range,
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A shell that quoting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// POSIX `sh`.
    Sh,
    /// PowerShell.
    Ps,
    /// `cmd.exe`.
    Cmd,
}

impl Shell {
    /// The filter that quotes for it.
    pub fn filter(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Ps => "ps",
            Self::Cmd => "cmd",
        }
    }
}

/// What the rendered text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A field, an argument of an argv list, a file: no shell reads it.
    Text,
    /// Text that this shell reads: a value goes in only quoted for it.
    Command(Shell),
}

/// The values that names stand for.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    names: BTreeMap<String, Named<'a>>,
    secrets: BTreeMap<String, Secret>,
    trusted: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a top-level name (`params`, `host`, a registered name, a bare result field) its value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Val>) -> &mut Self {
        self.names.insert(name.into(), Named::known(value.into()));
        self
    }

    /// Gives every entry of a map a top-level name: the result fields of a step for its own `expect`.
    pub fn set_all(&mut self, fields: impl IntoIterator<Item = (String, Val)>) -> &mut Self {
        let fields = fields.into_iter().map(|(name, value)| (name, Named::known(value)));
        self.names.extend(fields);
        self
    }

    /// Gives a name a value that is made when it is read first, if it is read at all.
    pub fn set_lazy(&mut self, name: impl Into<String>, make: impl Fn() -> Val + 'a) -> &mut Self {
        self.names.insert(name.into(), Named::asked(make));
        self
    }

    /// Gives `secrets.NAME` its value.
    pub fn set_secret(&mut self, name: impl Into<String>, value: Secret) -> &mut Self {
        self.secrets.insert(name.into(), value);
        self
    }

    /// A text of pitstop's own making (`file` in `validate`), which may stand in a command as it is.
    pub fn set_trusted(&mut self, name: impl Into<String>, text: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.trusted.insert(name.clone());
        self.set(name, Val::ours(text))
    }

    /// True if the value of a node is one that a command takes without quotes.
    fn is_plain(&self, node: &Node) -> bool {
        if node
            .path()
            .is_some_and(|path| check::is_ours(&path) || self.trusted.contains(&path))
        {
            return true;
        }
        let value = Eval::new(self, false).value(node);
        matches!(
            value,
            Ok(Val::Bool(_) | Val::Int(_) | Val::Num(_) | Val::Span(_) | Val::Time(_))
        )
    }
}

/// A value's text, taken apart into plain text and expressions.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

impl Template {
    /// Reads a value's text. Only `{{ … }}` is special.
    ///
    /// # Errors
    /// An expression that is not closed or cannot be read.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        Ok(Self {
            text: text.to_owned(),
            pieces: split::split(text)?,
        })
    }

    /// True if there is no expression in it: it renders to itself.
    pub fn is_plain(&self) -> bool {
        self.nodes().next().is_none()
    }

    /// True if it is exactly one expression: its value keeps its kind.
    pub fn is_one_value(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Expr { .. }])
    }

    /// Every dotted path that it reads, with its place.
    pub fn names(&self) -> Vec<(String, Range<usize>)> {
        let mut out = Vec::new();
        self.nodes().for_each(|n| n.names(&mut out));
        out
    }

    /// True if it names a secret: then only [`Self::render_secret`] renders it.
    pub fn uses_secrets(&self) -> bool {
        self.names().iter().any(|(n, _)| top(n) == "secrets")
    }

    /// True if it needs something that only the run knows (results, facts, marks, a host's state).
    pub fn is_late(&self) -> bool {
        self.names().iter().any(|(n, _)| late(n))
    }

    /// Renders it as text.
    ///
    /// # Errors
    /// A missing value, a value of the wrong kind, a list, map or none, a secret, and in a command a text that is not quoted.
    pub fn render(&self, scope: &Scope, mode: Mode) -> Result<String, ExprError> {
        let mut eval = Eval::new(scope, false);
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(range) => push(&mut out, self.text.get(range.clone()).unwrap_or(""), range)?,
                Piece::Expr { node, range } => {
                    let value = eval.value(node)?;
                    if let (Mode::Command(shell), Val::Text(words)) = (mode, &value) {
                        // The same rule as before the run, now by the values themselves; whatever the rule would let pass,
                        // what a host said has no way in but the quotes.
                        taint::unquoted_in(node, Some(shell), &|n| scope.is_plain(n))?;
                        if matches!(words, Words::Host(_)) {
                            return Err(taint::unquoted(node, Some(shell)));
                        }
                    }
                    push(&mut out, &eval::print(&value, &node.range)?, range)?;
                }
            }
        }
        Ok(out)
    }

    /// Renders it; a value that is exactly one `{{ expression }}` keeps its kind.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_value(&self, scope: &Scope) -> Result<Value, ExprError> {
        match self.pieces.as_slice() {
            [Piece::Expr { node, .. }] => Eval::new(scope, false).value(node)?.into_value(&node.range),
            _ => self.render(scope, Mode::Text).map(Value::Text),
        }
    }

    /// Renders it where secrets are allowed; the whole text is then secret.
    ///
    /// # Errors
    /// As [`Self::render`], without the rule about secrets.
    pub fn render_secret(&self, scope: &Scope) -> Result<Secret, ExprError> {
        let mut eval = Eval::new(scope, true);
        // Secrets may be pieces of it, so the buffer itself is wiped when it is dropped.
        let mut out = zeroize::Zeroizing::new(String::new());
        for piece in &self.pieces {
            match piece {
                Piece::Text(range) => push(&mut out, self.text.get(range.clone()).unwrap_or(""), range)?,
                Piece::Expr { node, range } => match eval.value(node)? {
                    Val::Secret(secret) => push(&mut out, secret.expose(), range)?,
                    other => push(&mut out, &eval::print(&other, &node.range)?, range)?,
                },
            }
        }
        Ok(Secret::new(std::mem::take(&mut *out)))
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Expr { node, .. } => Some(node),
            Piece::Text(_) => None,
        })
    }
}

/// A bare expression: `when`, `expect`, `warn_unless`, `assert`, `last`.
#[derive(Clone, Debug)]
pub struct Expr {
    node: Node,
}

impl Expr {
    /// Reads a bare expression.
    ///
    /// # Errors
    /// What cannot be read, and `{{ … }}` around it.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        parse::bare(text).map(|node| Self { node })
    }

    /// Every dotted path that it reads, with its place.
    pub fn names(&self) -> Vec<(String, Range<usize>)> {
        let mut out = Vec::new();
        self.node.names(&mut out);
        out
    }

    /// True if it needs something that only the run knows.
    pub fn is_late(&self) -> bool {
        self.names().iter().any(|(n, _)| late(n))
    }

    /// Its value.
    ///
    /// # Errors
    /// A missing value, a value of the wrong kind, a secret.
    pub fn value(&self, scope: &Scope) -> Result<Value, ExprError> {
        Eval::new(scope, false).value(&self.node)?.into_value(&self.node.range)
    }

    /// Its answer, which must be `true` or `false`.
    ///
    /// # Errors
    /// As [`Self::value`], and any other value than true or false.
    pub fn truth(&self, scope: &Scope) -> Result<bool, ExprError> {
        let value = Eval::new(scope, false).value(&self.node)?;
        match value {
            Val::Bool(answer) => Ok(answer),
            other => Err(ExprError::new(
                ErrorKind::Kind,
                format!("a condition must give true or false, this gives {}", other.kind()),
                self.node.range.clone(),
            )
            .help("compare it with something: `value == 0`, `stdout != ''`, `names | length > 0`")),
        }
    }
}

/// The first part of a dotted path.
fn top(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// True if a path has its value only in the run. `run.id` has none before either, but never changes what a step does.
fn late(path: &str) -> bool {
    let mut parts = path.split('.');
    let early = matches!(
        (parts.next().unwrap_or(""), parts.next()),
        ("params" | "secrets" | "targets" | "item", _)
            | ("host", Some("name" | "address" | "labels" | "vars" | "os"))
            | ("run", Some("id" | "mode"))
    );
    !early
}

fn push(out: &mut String, text: &str, range: &Range<usize>) -> Result<(), ExprError> {
    if out.len().saturating_add(text.len()) > MAX_OUTPUT {
        return Err(ExprError::new(
            ErrorKind::Limit,
            "the rendered text is longer than 1 MiB",
            range.clone(),
        )
        .help("cut the data down on the host and register the smaller result"));
    }
    out.push_str(text);
    Ok(())
}

/// The names of a set, for messages: `a, b, c`.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
