//! `pitstop.yml`: where things are, and the only commands that the repository may name for the controller.
//!
//! Owns: its keys. Must not: run a command or open the files it names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Source, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::files::not_plain;
use crate::runbook::keys;
use crate::runbook::outside::Outside;
use crate::runbook::yaml;

/// The settings of a project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The default inventory.
    pub inventory: Option<InventoryFrom>,
    /// The state directory.
    pub state: Option<Spanned<String>>,
    /// The policy file.
    pub policy: Option<Spanned<String>>,
    /// Secret providers: name → argument list.
    pub providers: BTreeMap<String, Vec<String>>,
    /// Monitoring, and what sends messages.
    pub outside: Outside,
}

/// Where the default inventory comes from.
#[derive(Clone, Debug)]
pub enum InventoryFrom {
    /// A file or folder of the project.
    Path(Spanned<String>),
    /// A command that prints one: an argument list, run without a shell.
    Command(Spanned<Vec<String>>),
}

/// Reads `pitstop.yml`. Only good if `diags` has no error afterwards.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Project> {
    let root = yaml::read(source, diags)?;
    let mut f = Fields::of(&root, &keys::PROJECT, diags)?;
    fields::schema(&mut f);
    let mut found = Diagnostics::new();
    let project = Project {
        inventory: inventory(&mut f),
        state: f.text("state"),
        policy: path(&mut f, "policy"),
        providers: commands(&mut f, "providers"),
        outside: Outside::read(&mut f, &mut found),
    };
    f.finish(diags);
    diags.0.extend(found.0);
    Some(project)
}

fn inventory(f: &mut Fields<'_>) -> Option<InventoryFrom> {
    let node = f.node("inventory")?;
    let yaml::NodeKind::Seq(items) = &node.kind else {
        return plain_path(f, fields::text(node)).map(InventoryFrom::Path);
    };
    let argv: Result<Vec<String>, Diagnostic> = items.iter().map(|n| fields::text(n).map(|t| t.value)).collect();
    match argv {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => {
            Some(InventoryFrom::Command(Spanned::new(argv, node.span.clone())))
        }
        Ok(_) => {
            let d = Diagnostic::error(
                "PS0424",
                "the command that prints the inventory is empty",
                node.span.clone(),
                "this list is empty",
            );
            f.complain(d.help("write a program and its arguments: `[./inventory.py, --list]`"));
            None
        }
        Err(d) => {
            f.complain(d.help("a command is an argument list and runs without a shell"));
            None
        }
    }
}

pub(super) fn path(f: &mut Fields<'_>, key: &'static str) -> Option<Spanned<String>> {
    let path = f.text(key)?;
    plain_path(f, Ok(path))
}

fn plain_path(f: &mut Fields<'_>, path: Result<Spanned<String>, Diagnostic>) -> Option<Spanned<String>> {
    let path = match path {
        Ok(path) => path,
        Err(d) => {
            f.complain(d);
            return None;
        }
    };
    let Some(why) = not_plain(&path) else { return Some(path) };
    f.complain(outside(path, why));
    None
}

/// A list of paths of the project.
pub(super) fn paths(f: &mut Fields<'_>, key: &'static str) -> Vec<Spanned<String>> {
    let mut good = Vec::new();
    for path in f.texts(key) {
        match not_plain(&path) {
            None => good.push(path),
            Some(why) => f.complain(outside(path, why)),
        }
    }
    good
}

fn outside(path: Spanned<String>, why: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0124",
        format!("`{}` is no path of the project", path.value),
        path.span,
        why,
    )
    .help("write it relative to the folder that holds pitstop.yml")
}

/// Named commands for the controller.
fn commands(f: &mut Fields<'_>, key: &'static str) -> BTreeMap<String, Vec<String>> {
    let mut commands = BTreeMap::new();
    for e in f.map(key).unwrap_or_default() {
        match command(e, key) {
            Ok(argv) => drop(commands.insert(e.key.value.clone(), argv)),
            Err(d) => f.complain(d),
        }
    }
    commands
}

/// An argument list with a program in it. `key` is the map that holds it.
pub(super) fn command(e: &yaml::Entry, key: &str) -> Result<Vec<String>, Diagnostic> {
    let argv = fields::seq(&e.value, &e.key).and_then(|items| {
        items
            .iter()
            .map(|n| fields::text(n).map(|t| t.value))
            .collect::<Result<Vec<_>, _>>()
    });
    match argv {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(argv),
        Ok(_) => {
            let d = Diagnostic::error(
                "PS0530",
                format!("`{}` of `{key}` has no command", e.key.value),
                e.value.span.clone(),
                "this list is empty",
            );
            Err(d.help("write a program and its arguments: `[vault, kv, get, -field=value]`"))
        }
        Err(d) => Err(d.help("a command is an argument list and runs without a shell")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_every_mistake_is_reported() {
        for (text, expected) in [
            (
                "schema: 1\ninventory: inv/prod.yml\nstate: /var/lib/pitstop\npolicy: policy.yml\nproviders: { vault: [vault, read] }\n",
                vec![],
            ),
            ("inventory: a\n", vec!["PS0104"]),
            (
                "schema: 1\ninventory: /etc/x\npolicy: ../p.yml\n",
                vec!["PS0124", "PS0124"],
            ),
            (
                "schema: 1\nproviders: { a: [], b: vault read }\n",
                vec!["PS0530", "PS0105"],
            ),
            ("schema: 1\nnotify: { ops: [x], dev: [] }\n", vec!["PS0530"]),
            ("schema: 1\nsatte: y\n", vec!["PS0102"]),
            (
                "schema: 1\nsilence: { am: { alertmanager: \"http://a:9093\", token: { from: env, name: T }, for: 10m } }\n",
                vec![],
            ),
            (
                "schema: 1\nsilence: { am: { token: { from: env, name: T } } }\n",
                vec!["PS0104"],
            ),
            (
                "schema: 1\nsilence: { am: { alertmanager: \"http://a\", token: abcdefgh } }\n",
                vec!["PS0126"],
            ),
            (
                "schema: 1\nsilence: { am: { alertmanager: \"http://a\", for: 5s } }\n",
                vec!["PS0532"],
            ),
            (
                "schema: 1\nnotify: { a: { webhook: \"https://x/y\" }, b: { slack: { from: env, name: S } }, c: { webhook: { from: file, path: t } } }\n",
                vec![],
            ),
            (
                "schema: 1\nnotify: { b: { slack: \"https://hooks.slack.com/services/T/B/x\" } }\n",
                vec!["PS0126"],
            ),
            (
                "schema: 1\nnotify: { b: { slack: { from: prompt }, teams: { from: prompt } } }\n",
                vec!["PS0137"],
            ),
        ] {
            let mut diags = Diagnostics::new();
            read(&Source::new("pitstop.yml", text), &mut diags);
            let codes: Vec<_> = diags.0.iter().map(|d| d.code).collect();
            assert_eq!(codes, expected, "{text}");
        }
    }
}
