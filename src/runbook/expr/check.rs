//! What can be judged of a template or condition before any value is known.
//!
//! Owns: unknown names, quoting in commands, secrets, comparisons that cannot be meant. Must not: evaluate anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::eval::secret_refused;
use super::kinds::is_output;
use super::parse::{self, Kind, Node};
use super::split::{self, Piece};
use super::taint::{misplaced, quoter, unquoted_in};
use super::{ErrorKind, ExprError, Shell, listed};
use crate::diag::nearest;
use crate::runbook::ParamType;

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
    /// Text.
    Text,
    /// A span of time.
    Duration,
    /// A moment.
    Time,
    /// A list.
    List,
    /// Not known, or a map.
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
            ("stdout", FieldKind::Text),
            ("stderr", FieldKind::Text),
            ("value", FieldKind::Other),
            ("changed", FieldKind::Bool),
            ("ok", FieldKind::Bool),
            ("ran", FieldKind::Bool),
            ("duration", FieldKind::Duration),
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
        if out.len() > found {
            continue;
        }
        if let Place::Command { shell } = place {
            if let Err(e) = unquoted_in(node, shell, &|n| known.is_plain(n)) {
                out.push(e);
            } else if let Some(quoter) = quoter(node)
                && let Some(e) = misplaced(text, &pieces, range, quoter)
            {
                out.push(e);
            }
        } else if pieces.len() > 1 && known.kind(node) == FieldKind::List {
            // Alone it keeps its kind; beside text it would have to become text.
            let e = ExprError::new(ErrorKind::Kind, "a list cannot be printed", node.range.clone());
            out.push(e.help("add `| join(', ')` or `| json`"));
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
    if out.is_empty() {
        out.extend(known.no_condition(&node));
    }
    out
}

impl Known {
    /// Names, secrets and kinds of one expression. What stands inside a mistake is judged, what stands around it is not.
    fn judge(&self, node: &Node, secrets: bool, out: &mut Vec<ExprError>) {
        let found = out.len();
        match node.path() {
            Some(path) => out.extend(self.exists(&path, &node.range, secrets).err()),
            None => node.children().into_iter().for_each(|c| self.judge(c, secrets, out)),
        }
        if out.len() > found {
            return;
        }
        match &node.kind {
            Kind::Binary(op, a, b) if op.orders() && (is_output(a) || is_output(b)) => {
                out.extend([a, b].into_iter().find(|n| is_output(n)).map(|n| ordered_output(n)));
            }
            _ => self.mismatches(node, out),
        }
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
            "value" if self.own.is_some() && !self.names_own("value") => return Err(no_value("value", range)),
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
        let withheld = |fields: &Fields| fields.0.contains_key("rc") && !fields.0.contains_key("stdout");
        let output = matches!(field, "stdout" | "stderr" | "value");
        if output && self.registered.get(name).is_some_and(withheld) {
            let message = format!("`{path}` is not kept: the step that gives it is `sensitive`");
            return Err(ExprError::new(ErrorKind::Unknown, message, range.clone())
                .help("ask it in that step's own `expect`; elsewhere there are `rc`, `ok` and `changed`"));
        }
        if field == "value" && self.registered.contains_key(name) {
            return Err(no_value(path, range));
        }
        let message = format!("`{name}` has no `{field}`");
        Err(suggest(ErrorKind::Unknown, message, range, field, &second))
    }

    fn names_own(&self, field: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.0.contains_key(field))
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

    /// True for a value whose text holds nothing that a shell would read as more than a word.
    fn is_plain(&self, node: &Node) -> bool {
        // A template file's path is made by pitstop itself and holds no character that a shell reads.
        let ours = |path: String| is_ours(&path) || self.extra.contains(&path);
        self.kind(node).is_plain() || node.path().is_some_and(ours)
    }
}

/// Names whose values pitstop itself makes of letters, digits, `-`, `_` and `.`.
pub(super) fn is_ours(path: &str) -> bool {
    matches!(path, "host.name" | "run.id" | "run.mode")
}

fn is_result_field(name: &str) -> bool {
    Fields::of([("status", FieldKind::Number), ("count", FieldKind::Number)])
        .0
        .contains_key(name)
}

fn no_value(path: &str, range: &Range<usize>) -> ExprError {
    let message = format!("`{path}` has no value: the step does not say how its output is read");
    ExprError::new(ErrorKind::Unknown, message, range.clone()).help(
        "write `as: number` (or `text`, `lines`, `json`, `timestamp`) on that step; the output as it is, is `stdout`",
    )
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
