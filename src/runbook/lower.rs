//! Node tree → [`Runbook`], collecting every diagnostic, never just the first.
//!
//! Owns: the keys of the language and the shape of their values. Must not: judge whether the whole is sound (`check`), or
//! resolve hosts and parameters (`plan::bind`). What cannot be read is left out or filled with something harmless, so that the
//! rest can still be judged: a runbook is only good if no error was reported.

mod action;
mod builtin;
pub(super) mod declare;
mod each;
mod include;
mod phase;
mod rollout;
mod schedule;
mod step;

pub use declare::{typed, typed_text};

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::files::{Files, ReadError, not_plain};
use crate::runbook::keys;
use crate::runbook::yaml::{self, Entry, Node};
use crate::runbook::{ChangeText, Defaults, Fragment, Included, Kind, Runbook};

/// The one version of the language that this build reads.
const SCHEMA: i64 = 1;
/// How deep files may include files.
const MAX_INCLUDES: usize = 8;
/// How many steps a runbook may have, those of included files counted each time.
const MAX_STEPS: usize = 20_000;

/// What every lowering function is given.
struct Cx<'a> {
    files: &'a dyn Files,
    diags: &'a mut Diagnostics,
    /// The files that are being read, outermost first.
    open: Vec<String>,
    /// The parameters of the included file that is being read, if it has any.
    fragment: Option<Arc<Fragment>>,
    /// Every file that was included.
    includes: Vec<Included>,
    /// How many steps may still come.
    steps_left: usize,
}

/// Reads and lowers a runbook. It is only good if `diags` has no error afterwards; see [`crate::runbook::check::checked`].
pub fn runbook(project: &dyn Files, path: &str, diags: &mut Diagnostics) -> Option<Runbook> {
    let mut cx = Cx::new(project, path, diags);
    let root = cx.read(path, None)?;
    cx.top(&root, path)
}

/// Lowers a runbook whose tree was read.
pub fn tree(project: &dyn Files, path: &str, root: &Node, diags: &mut Diagnostics) -> Option<Runbook> {
    Cx::new(project, path, diags).top(root, path)
}

impl<'a> Cx<'a> {
    fn new(files: &'a dyn Files, path: &str, diags: &'a mut Diagnostics) -> Self {
        Self {
            files,
            diags,
            open: vec![path.to_owned()],
            fragment: None,
            includes: Vec::new(),
            steps_left: MAX_STEPS,
        }
    }
}

impl Cx<'_> {
    /// Reads a file of the project; `named` is where a runbook names it.
    fn read(&mut self, path: &str, named: Option<&Span>) -> Option<Node> {
        let bytes = match self.files.read_within(path, yaml::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                let span = named
                    .cloned()
                    .unwrap_or_else(|| Span::new(&crate::diag::Source::new(path, ""), 0, 0));
                self.diags.push(unreadable(path, &error, span));
                return None;
            }
        };
        let source = yaml::source(path, &bytes, self.diags)?;
        yaml::read(&source, self.diags)
    }

    fn top(&mut self, root: &Node, path: &str) -> Option<Runbook> {
        let mut f = Fields::of(root, &keys::RUNBOOK, self.diags)?;
        schema(&mut f);
        let id = f.text("runbook");
        if let Some(d) = id.as_ref().and_then(|id| id_is_not_file(id, path)) {
            f.complain(d);
        }
        let title = f.text("title");
        let owner = f.text("owner");
        let description = f.text("description");
        let kind = f.word("kind", KINDS);
        let change = f.node("change").map(|n| self.change(n)).unwrap_or_default();
        let modes = f.texts("modes");
        let parameters = self.each(f.map("parameters"), Self::parameter);
        let targets = self.each(f.map("targets"), Self::target_set);
        let secrets = self.each(f.map("secrets"), Self::secret);
        let window = f.node("window").and_then(|n| self.window(n));
        let rollouts = self.each(f.map("rollouts"), |cx, e| cx.rollout(e.key.clone(), &e.value));
        let steady_state = f.node("steady_state").map(|n| self.steady(n)).unwrap_or_default();
        let objectives = self.each(f.map("objectives"), Self::objective);
        let defaults = f.node("defaults").map(|n| self.defaults(n)).unwrap_or_default();
        let items = f.node("phases").map(|n| self.items(n)).unwrap_or_default();
        let silences = f.seq("silence").iter().filter_map(|n| self.silence(n)).collect();
        let notices = f.seq("notify").iter().filter_map(|n| self.notice(n)).collect();
        let span = f.head().clone();
        f.finish(self.diags);
        Some(Runbook {
            id: id.unwrap_or_else(|| Spanned::new(String::new(), span.clone())),
            title: title.map(|t| t.value).unwrap_or_default(),
            owner: owner.map(|t| t.value),
            description: description.map(|t| t.value),
            kind: kind.unwrap_or_else(|| Spanned::new(Kind::Change, span.clone())),
            change,
            modes,
            parameters,
            targets,
            secrets,
            window,
            rollouts,
            steady_state,
            objectives,
            silences,
            notices,
            defaults,
            items,
            includes: std::mem::take(&mut self.includes),
            span,
        })
    }

    /// Lowers every entry of a map of names; those that cannot be read are left out.
    fn each<T>(&mut self, entries: Option<&[Entry]>, mut one: impl FnMut(&mut Self, &Entry) -> Option<T>) -> Vec<T> {
        entries.unwrap_or(&[]).iter().filter_map(|e| one(self, e)).collect()
    }

    fn change(&mut self, node: &Node) -> ChangeText {
        let Some(mut f) = Fields::of(node, &keys::CHANGE_TEXT, self.diags) else {
            return ChangeText::default();
        };
        let types = ["standard", "normal", "emergency"].map(|t| (t, t));
        let text = ChangeText {
            type_: f.word("type", &types).map(|t| t.value.to_owned()),
            risk: f.text("risk").map(|t| t.value),
            impact: f.text("impact").map(|t| t.value),
            backout: f.text("backout").map(|t| t.value),
            test: f.text("test").map(|t| t.value),
        };
        f.finish(self.diags);
        text
    }

    fn defaults(&mut self, node: &Node) -> Defaults {
        let Some(mut f) = Fields::of(node, &keys::DEFAULTS, self.diags) else {
            return Defaults::default();
        };
        let defaults = Defaults {
            timeout: f.duration("timeout").map(|d| d.value),
            retry: f.node("retry").and_then(|n| self.retry(n)),
            become_: f.node("become").and_then(|n| self.become_user(n)),
        };
        f.finish(self.diags);
        defaults
    }

    /// Pushes the complaint of a reading, keeps what is good.
    fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|d| self.diags.push(d)).ok()
    }
}

const KINDS: &[(&str, Kind)] = &[
    ("patch", Kind::Patch),
    ("restore_test", Kind::RestoreTest),
    ("check", Kind::Check),
    ("dr_drill", Kind::DrDrill),
    ("change", Kind::Change),
];

fn schema(f: &mut Fields<'_>) {
    let first = f.keys().next();
    let Some(entry) = f.entry("schema") else {
        let d = Diagnostic::error(
            "PS0120",
            "a runbook begins with `schema`",
            f.head().clone(),
            "before this line",
        )
        .help("write `schema: 1` as the first line");
        f.forgive("schema");
        f.complain(d);
        return;
    };
    if first.is_some_and(|k| k.value != "schema") {
        let d = Diagnostic::error(
            "PS0120",
            "a runbook begins with `schema`",
            entry.key.span.clone(),
            "this comes later",
        )
        .help("make it the first line");
        f.complain(d);
    }
    match fields::int(&entry.value, 0, i64::MAX) {
        Ok(n) if n.value == SCHEMA => {}
        Ok(n) => {
            let d = Diagnostic::error(
                "PS0121",
                format!("this build reads schema {SCHEMA}, not {}", n.value),
                n.span,
                "another version of the language",
            )
            .help(format!(
                "write `schema: {SCHEMA}`, or use a pitstop that reads schema {}",
                n.value
            ));
            f.complain(d);
        }
        Err(d) => f.complain(d),
    }
}

fn id_is_not_file(id: &Spanned<String>, path: &str) -> Option<Diagnostic> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file
        .strip_suffix(".yml")
        .or_else(|| file.strip_suffix(".yaml"))
        .unwrap_or(file);
    (stem != id.value).then(|| {
        Diagnostic::error(
            "PS0122",
            format!("the runbook `{}` lies in the file `{file}`", id.value),
            id.span.clone(),
            "id and file name differ",
        )
        .help(format!("write `runbook: {stem}`, or call the file `{}.yml`", id.value))
    })
}

fn unreadable(path: &str, error: &ReadError, span: Span) -> Diagnostic {
    Diagnostic::error("PS0123", format!("cannot read `{path}`: {error}"), span, "this file")
        .help("paths are relative to the project, the folder that holds pitstop.yml")
}

/// A path of the project that a runbook names.
fn project_path(path: Spanned<String>) -> Result<Spanned<String>, Diagnostic> {
    match not_plain(&path) {
        None => Ok(path),
        Some(why) => Err(Diagnostic::error(
            "PS0124",
            format!("`{}` is no path of the project", path.value),
            path.span,
            why,
        )
        .help("write it relative to the folder that holds pitstop.yml: `fragments/lb-out.yml`")),
    }
}

#[cfg(test)]
mod tests;
