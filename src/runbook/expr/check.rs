//! What can be judged of a template or condition before any value is known.
//!
//! Owns: unknown names, quoting in commands, secrets, comparisons that cannot be meant. Must not: evaluate anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::eval::secret_refused;
use super::filter::Filter;
use super::parse::{self, Kind, Node, Op};
use super::place::{self, Spot};
use super::split::{self, Piece};
use super::{ErrorKind, ExprError, Shell, listed, top};
use crate::diag::nearest;
use crate::runbook::{ParamType, Value};

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Text that a shell reads.
    Command {
        /// Which; `None`: told only by the host's `os`, so any of the three filters is accepted.
        shell: Option<Shell>,
    },
    /// An argument of an argv list, or any field that no shell reads.
    Value,
    /// As `Value`, and a secret may stand here (`env`, `stdin`, `http` headers and body, `upload` templates, connections).
    SecretAllowed,
}

/// What a field of a result holds, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Text, a list, anything that must be quoted.
    Other,
}

/// The fields of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub BTreeMap<String, FieldKind>);

impl Fields {
    /// The fields that every result has, and `more`.
    pub fn of<'a>(more: impl IntoIterator<Item = (&'a str, FieldKind)>) -> Self {
        let common = [
            ("rc", FieldKind::Number),
            ("stdout", FieldKind::Other),
            ("stderr", FieldKind::Other),
            ("value", FieldKind::Other),
            ("changed", FieldKind::Bool),
            ("ok", FieldKind::Bool),
            ("ran", FieldKind::Bool),
            ("duration", FieldKind::Other),
        ];
        Self(common.into_iter().chain(more).map(|(n, k)| (n.to_owned(), k)).collect())
    }
}

/// The names that exist where an expression stands. What is empty or `false` does not exist there.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// `params.NAME`.
    pub params: BTreeMap<String, ParamType>,
    /// `secrets.NAME`.
    pub secrets: BTreeSet<String>,
    /// `targets.NAME`.
    pub targets: BTreeSet<String>,
    /// `marks.NAME`.
    pub marks: BTreeSet<String>,
    /// Registered names, with the fields of their results.
    pub registered: BTreeMap<String, Fields>,
    /// `results.NAME`: the list over all hosts.
    pub results: BTreeSet<String>,
    /// The bare result fields of the step's own `expect`, `warn_unless` and `mark.at`.
    pub own: Option<Fields>,
    /// `host` exists (it does not on the controller and in a steady state).
    pub host: bool,
    /// `item` exists.
    pub item: bool,
    /// Further names, for texts of pitstop's own making that are safe in a command (`file` in `validate`).
    pub extra: BTreeSet<String>,
}

const HOST: &[&str] = &[
    "name",
    "address",
    "labels",
    "vars",
    "os",
    "family",
    "distro",
    "version",
    "kernel",
    "virtual",
    "state",
    "rolling_back",
];
const RUN: &[&str] = &["id", "mode", "held_out"];

/// Every mistake in a value's text that can be seen before the run.
pub fn check_template(text: &str, place: Place, known: &Known) -> Vec<ExprError> {
    let pieces = match split::split(text) {
        Ok(pieces) => pieces,
        Err(e) => return vec![e],
    };
    let mut out = Vec::new();
    for piece in &pieces {
        let Piece::Expr { node, range } = piece else { continue };
        let found = out.len();
        known.judge(node, place == Place::SecretAllowed, &mut out);
        if let Place::Command { shell } = place
            && out.len() == found
        {
            if let Err(e) = known.safe(node, shell) {
                out.push(e);
            } else if let Some(quoter) = quoter(node)
                && let Some(e) = misplaced(text, &pieces, range, quoter)
            {
                out.push(e);
            }
        }
    }
    out
}

/// Every mistake in a bare condition that can be seen before the run.
pub fn check_condition(text: &str, known: &Known) -> Vec<ExprError> {
    let node = match parse::bare(text) {
        Ok(node) => node,
        Err(e) => return vec![e],
    };
    let mut out = Vec::new();
    known.judge(&node, false, &mut out);
    let never = match &node.kind {
        Kind::Literal(Value::Bool(_)) => None,
        Kind::Literal(_) | Kind::List(_) => Some("a condition must give true or false"),
        Kind::Binary(
            Op::Add | Op::Subtract | Op::Join | Op::Multiply | Op::Divide | Op::FloorDivide | Op::Remainder,
            ..,
        ) => Some("a condition must give true or false, this gives a value"),
        Kind::Name(name) if ["stdout", "stderr", "rc"].contains(&name.as_str()) && known.own.is_some() => {
            Some("a condition must give true or false, this gives a value")
        }
        _ => None,
    };
    if let Some(message) = never {
        out.push(
            ExprError::new(ErrorKind::Kind, message, node.range.clone())
                .help("compare it with something: `rc == 0`, `stdout != ''`"),
        );
    }
    out
}

/// At run time, the same rule again for the one value that is about to go into a command: text must have been quoted for
/// this shell, written by the author, or released with `raw`.
pub(super) fn quoted_for(node: &Node, shell: Shell, trusted: &BTreeSet<String>) -> Result<(), ExprError> {
    let known = Known {
        extra: trusted.clone(),
        ..Known::default()
    };
    known.safe(node, Some(shell))
}

impl Known {
    /// Names, secrets and comparisons of one expression.
    fn judge(&self, node: &Node, secrets: bool, out: &mut Vec<ExprError>) {
        if let Some(path) = node.path() {
            if let Err(e) = self.exists(&path, &node.range, secrets) {
                out.push(e);
            }
            return;
        }
        if let Kind::Binary(op, a, b) = &node.kind {
            if op.orders() {
                out.extend([a, b].into_iter().find(|n| is_output(n)).map(|n| ordered_output(n)));
            } else if matches!(op, Op::Equal | Op::NotEqual) {
                let number = |n: &Node| matches!(n.kind, Kind::Literal(Value::Int(_) | Value::Number(_)));
                if is_output(a) && number(b) || is_output(b) && number(a) {
                    let message = "text never equals a number";
                    out.push(
                        ExprError::new(ErrorKind::Kind, message, node.range.clone())
                            .help("compare with text (`stdout == '5'`), or use `as: number` and `value`"),
                    );
                }
            }
        }
        node.children().into_iter().for_each(|c| self.judge(c, secrets, out));
    }

    fn exists(&self, path: &str, range: &Range<usize>, secrets: bool) -> Result<(), ExprError> {
        let mut parts = path.split('.');
        let name = parts.next().unwrap_or("");
        let field = parts.next();
        let keys = |of: &'_ BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>();
        let fixed = |of: &[&str]| of.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let second = match name {
            "params" => self.params.keys().cloned().collect(),
            "secrets" if !secrets => return Err(secret_refused(range)),
            "secrets" => keys(&self.secrets),
            "targets" => keys(&self.targets),
            "marks" => keys(&self.marks),
            "results" => keys(&self.results),
            "run" => fixed(RUN),
            "host" if self.host => fixed(HOST),
            "host" => {
                let message = "`host` does not exist here: the step belongs to no host";
                return Err(ExprError::new(ErrorKind::Unknown, message, range.clone()));
            }
            "item" if self.item => return Ok(()),
            name if self.extra.contains(name) => return Ok(()),
            name => match (self.registered.get(name), &self.own) {
                (Some(fields), _) => fields.0.keys().cloned().collect(),
                (None, Some(own)) if own.0.contains_key(name) => return Ok(()),
                _ => return Err(self.unknown(name, range)),
            },
        };
        let Some(field) = field else {
            if self.registered.contains_key(name) || name == "host" || name == "run" {
                return Ok(());
            }
            let e = ExprError::new(ErrorKind::Unknown, format!("`{name}` alone is no value"), range.clone());
            return Err(e.help(format!("write `{name}.NAME`")));
        };
        if second.iter().any(|s| s == field) {
            return Ok(());
        }
        let message = format!("`{name}` has no `{field}`");
        Err(suggest(ErrorKind::Unknown, message, range, field, &second))
    }

    fn unknown(&self, name: &str, range: &Range<usize>) -> ExprError {
        if is_result_field(name) {
            let message = format!("`{name}` is a result field, and there is no result here");
            return ExprError::new(ErrorKind::Unknown, message, range.clone())
                .help(format!("bare result fields exist in a step's own `expect`, `warn_unless` and `mark.at`; elsewhere `register` the step and write `NAME.{name}`"));
        }
        let mut names: Vec<String> = ["params", "targets", "run", "marks"].map(str::to_owned).to_vec();
        names.extend(self.host.then(|| "host".to_owned()));
        names.extend(self.item.then(|| "item".to_owned()));
        names.extend(self.registered.keys().cloned());
        names.extend(self.extra.iter().cloned());
        names.extend(self.own.iter().flat_map(|f| f.0.keys().cloned()));
        suggest(
            ErrorKind::Unknown,
            format!("unknown name `{name}`"),
            range,
            name,
            &names,
        )
    }

    /// Whether what an expression gives may stand in a command as it is.
    fn safe(&self, node: &Node, shell: Option<Shell>) -> Result<(), ExprError> {
        match &node.kind {
            Kind::Literal(_) | Kind::Not(_) | Kind::Negative(_) | Kind::Test { .. } => Ok(()),
            Kind::Filter { of, filter, args } => match filter {
                Filter::Raw => Ok(()),
                f if f.shell().is_some() => right_quoter(*f, shell, node),
                Filter::Length | Filter::Int | Filter::Float | Filter::Round | Filter::Abs | Filter::Contains => Ok(()),
                Filter::Default => {
                    self.safe(of, shell)?;
                    args.iter().flatten().try_for_each(|a| self.safe(a, shell))
                }
                _ => Err(unquoted(node, shell)),
            },
            Kind::If { then, other, .. } => self.safe(then, shell).and_then(|()| self.safe(other, shell)),
            Kind::Binary(Op::Join, a, b) => self.safe(a, shell).and_then(|()| self.safe(b, shell)),
            Kind::Binary(Op::Add, a, b) => {
                // Added to a number, the other is a number too, or the sum is an error.
                if self.is_number(a) || self.is_number(b) {
                    return Ok(());
                }
                self.safe(a, shell).and_then(|()| self.safe(b, shell))
            }
            Kind::Binary(..) => Ok(()),
            _ if self.is_safe_path(node) => Ok(()),
            _ => Err(unquoted(node, shell)),
        }
    }

    fn is_number(&self, node: &Node) -> bool {
        match &node.kind {
            Kind::Literal(Value::Int(_) | Value::Number(_)) => true,
            Kind::Filter { filter, .. } => {
                matches!(filter, Filter::Length | Filter::Int | Filter::Float | Filter::Round)
            }
            _ => node.path().is_some_and(|p| self.kind_of(&p) == Some(FieldKind::Number)),
        }
    }

    fn is_safe_path(&self, node: &Node) -> bool {
        let Some(path) = node.path() else { return false };
        // A template file's path is made by pitstop itself and holds no character that a shell reads.
        matches!(path.as_str(), "host.name" | "run.id" | "run.mode" | "host.rolling_back")
            || self.extra.contains(&path)
            || matches!(self.kind_of(&path), Some(FieldKind::Number | FieldKind::Bool))
    }

    fn kind_of(&self, path: &str) -> Option<FieldKind> {
        let (name, field) = path.split_once('.').unwrap_or((path, ""));
        if name == "params" {
            return self.params.get(field).map(|kind| match kind {
                ParamType::Int | ParamType::Number => FieldKind::Number,
                ParamType::Bool => FieldKind::Bool,
                _ => FieldKind::Other,
            });
        }
        match self.registered.get(name) {
            Some(fields) => fields.0.get(field).copied(),
            None => self.own.as_ref().and_then(|own| own.0.get(path).copied()),
        }
    }
}

fn right_quoter(filter: Filter, shell: Option<Shell>, node: &Node) -> Result<(), ExprError> {
    match (filter.shell(), shell) {
        (Some(used), Some(wanted)) if used != wanted => {
            let message = format!(
                "`| {}` quotes for another shell than the one that reads this command",
                filter.name()
            );
            let e = ExprError::new(ErrorKind::Unquoted, message, node.range.clone());
            Err(e.help(format!("write `| {}`", wanted.filter())))
        }
        _ => Ok(()),
    }
}

fn unquoted(node: &Node, shell: Option<Shell>) -> ExprError {
    let what = node
        .path()
        .map_or_else(|| "this value".to_owned(), |p| format!("`{p}`"));
    if node.path().is_some_and(|p| top(&p) == "secrets") {
        return secret_refused(&node.range);
    }
    let filter = shell.unwrap_or(Shell::Sh).filter();
    let message = format!("{what} goes into a command unquoted");
    ExprError::new(ErrorKind::Unquoted, message, node.range.clone()).help(format!(
        "add `| {filter}`; where the text is meant to be read as a part of the command, `| raw` says so"
    ))
}

/// The shell whose quotes an expression brings along, if any part of it does.
fn quoter(node: &Node) -> Option<Shell> {
    if let Kind::Filter { filter, .. } = &node.kind
        && let Some(shell) = filter.shell()
    {
        return Some(shell);
    }
    node.children().into_iter().find_map(quoter)
}

/// A quoted value is one word only where the shell expects a word. Inside the author's own quotes its quotes end his.
fn misplaced(text: &str, pieces: &[Piece], range: &Range<usize>, shell: Shell) -> Option<ExprError> {
    let (message, help) = match place::spot(text, pieces, range.start, shell) {
        Spot::Word => return None,
        Spot::Quotes => (
            format!(
                "`| {}` brings its own quotes; inside others they end them",
                shell.filter()
            ),
            "take the quotes around `{{ … }}` away, or put the whole text together: `{{ ('a ' ~ params.x) | sh }}`",
        ),
        Spot::Escaped => (
            "the character before `{{` takes the meaning of the value's first quote away".to_owned(),
            "take it away, or put the whole text together: `{{ ('$' ~ params.x) | sh }}`",
        ),
        Spot::HereDocument => (
            "quotes do not protect a value in a here-document".to_owned(),
            "give the text to the command through `stdin:`",
        ),
        Spot::Comment => (
            "a value with a line break would end this comment".to_owned(),
            "take the value out of the comment",
        ),
        Spot::Expansion => (
            "quotes do not protect a value inside `` ` ` ``, `${ }` or `$(( ))`".to_owned(),
            "put it into a variable first: `x={{ params.x | sh }}`, then use `$x`",
        ),
        Spot::Unsure => (
            "it cannot be told here whether a value stands inside quotes".to_owned(),
            "put it into a variable at the top of the command: `x={{ params.x | sh }}`, then use `\"$x\"`",
        ),
    };
    Some(ExprError::new(ErrorKind::Unquoted, message, range.clone()).help(help))
}

fn is_result_field(name: &str) -> bool {
    Fields::of([("status", FieldKind::Number), ("count", FieldKind::Number)])
        .0
        .contains_key(name)
}

/// True for what a program printed, not made a number of.
fn is_output(node: &Node) -> bool {
    match &node.kind {
        Kind::Filter {
            of,
            filter: Filter::Trim | Filter::Lower | Filter::Upper,
            ..
        } => is_output(of),
        _ => node
            .path()
            .is_some_and(|p| matches!(p.rsplit('.').next(), Some("stdout" | "stderr"))),
    }
}

fn ordered_output(node: &Node) -> ExprError {
    let name = node.path().unwrap_or_else(|| "stdout".to_owned());
    let message = format!("`{name}` is text and has no useful order");
    ExprError::new(ErrorKind::Kind, message, node.range.clone())
        .help("write `as: number` (or `timestamp`) on the step and compare `value`, or add `| int`")
}

fn suggest(kind: ErrorKind, message: String, range: &Range<usize>, word: &str, names: &[String]) -> ExprError {
    let e = ExprError::new(kind, message, range.clone());
    match nearest(word, names.iter().map(String::as_str)) {
        Some(n) => e.help(format!("did you mean `{n}`?")),
        None if names.is_empty() => e.help("none are declared in this runbook"),
        None => e.help(format!("there are: {}", listed(names.iter().map(String::as_str)))),
    }
}
