//! Files that lists of steps include, and their parameters.

use std::sync::Arc;

use super::phase::Place;
use super::step::stand_in;
use super::{Cx, MAX_INCLUDES, typed};
use crate::diag::{Diagnostic, Spanned, nearest};
use crate::runbook::fields::{self, Fields};
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Fragment, FragmentValue, Included, Parameter, Step, keys};

/// An include as it was written.
struct Include<'n> {
    path: Spanned<String>,
    with: Option<&'n Entry>,
}

impl Cx<'_> {
    pub(super) fn include(&mut self, node: &Node, entry: &Entry, place: Place<'_>, out: &mut Vec<Step>) {
        let Some(mut outer) = Fields::of(node, &keys::INCLUDE, self.diags) else {
            return;
        };
        outer.node("include");
        outer.foreign(&[
            ("name", "an include stands alone: its steps have names of their own"),
            ("id", "an include stands alone: its steps have ids of their own"),
            ("when", "an include stands alone: write `when` at its steps"),
            (
                "only_in",
                "an include stands alone: write `only_in` at its steps or its phase",
            ),
            ("with", "write `include: { file: FILE, with: { NAME: VALUE } }`"),
            ("parameters", "write `include: { file: FILE, with: { NAME: VALUE } }`"),
            ("vars", "write `include: { file: FILE, with: { NAME: VALUE } }`"),
        ]);
        outer.finish(self.diags);
        let include = match &entry.value.kind {
            NodeKind::Map(_) => self.include_map(&entry.value),
            _ => {
                let path = self.keep(fields::text(&entry.value));
                self.path(path).map(|path| Include { path, with: None })
            }
        };
        if include
            .and_then(|include| self.included(&include, place, out))
            .is_none()
        {
            let made = format!("{}-{}", place.prefix, out.len() + 1);
            out.push(stand_in(made, node.span.clone()));
        }
    }

    fn include_map<'n>(&mut self, node: &'n Node) -> Option<Include<'n>> {
        let mut f = Fields::of(node, &keys::INCLUDED, self.diags)?;
        f.foreign(&[
            ("parameters", "write `with: { NAME: VALUE }`"),
            ("vars", "write `with: { NAME: VALUE }`"),
        ]);
        let file = f.text("file");
        let with = f.entry("with");
        f.finish(self.diags);
        let path = self.path(file)?;
        Some(Include { path, with })
    }

    /// `None`, with a diagnostic, if the file cannot be had.
    fn included(&mut self, include: &Include<'_>, place: Place<'_>, out: &mut Vec<Step>) -> Option<()> {
        let path = &include.path;
        let circle = self.open.contains(&path.value);
        if circle || self.open.len() > MAX_INCLUDES {
            let d = Diagnostic::error(
                "PS0129",
                if circle {
                    format!("`{}` includes itself", path.value)
                } else {
                    "files include one another too deeply".to_owned()
                },
                path.span.clone(),
                if circle {
                    "this file is being read already"
                } else {
                    "one file too many"
                },
            );
            self.diags
                .push(d.help(format!("it is read by: {}", self.open.join(" → "))));
            return None;
        }
        let root = self.read(path, Some(&path.span))?;
        self.includes.push(Included {
            file: path.value.clone(),
            at: path.span.clone(),
        });
        let outer = self.fragment.clone();
        self.open.push(path.value.clone());
        self.content(&root, include, place, out);
        self.open.pop();
        self.fragment = outer;
        Some(())
    }

    /// The steps of the file: a plain list, or a map that declares parameters first.
    fn content(&mut self, root: &Node, include: &Include<'_>, place: Place<'_>, out: &mut Vec<Step>) {
        let NodeKind::Map(_) = root.kind else {
            if let Some(with) = include.with {
                let d = Diagnostic::error(
                    "PS0293",
                    format!("`{}` takes no parameters", include.path.value),
                    with.key.span.clone(),
                    "nothing there reads them",
                );
                self.diags.push(d.also(root.span.clone(), "a plain list of steps").help(
                    "write there `parameters: { NAME: { type: string } }`, and the list under `steps:`; or delete `with`",
                ));
            }
            self.steps_into(root, place, out);
            return;
        };
        let Some(mut f) = Fields::of(root, &keys::FRAGMENT, self.diags) else {
            return;
        };
        let declared = self.each(f.map("parameters"), Self::parameter);
        let steps = f.node("steps");
        f.finish(self.diags);
        let given = self.given(&declared, include);
        self.fragment = Some(Arc::new(Fragment {
            declared,
            given,
            outer: self.fragment.clone(),
            span: include.path.span.clone(),
        }));
        if let Some(steps) = steps {
            self.steps_into(steps, place, out);
        }
    }

    /// Values of the right type for what the file declares; each that is not is told.
    fn given(&mut self, declared: &[Parameter], include: &Include<'_>) -> Vec<(Spanned<String>, FragmentValue)> {
        let file = &include.path.value;
        let entries = include.with.map(|with| fields::map(&with.value, "`with`"));
        let entries = entries.and_then(|map| self.keep(map)).unwrap_or(&[]);
        let mut given = Vec::new();
        for entry in entries {
            let Some(p) = declared.iter().find(|p| p.name.value == entry.key.value) else {
                self.diags.push(no_parameter(entry, declared, file));
                continue;
            };
            let value = match &entry.value.kind {
                NodeKind::Scalar { text, .. } if text.contains("{{") => {
                    fields::text(&entry.value).map(FragmentValue::Rendered)
                }
                _ => typed(&entry.value, p.kind).map(FragmentValue::Is),
            };
            let value = value.map_err(|d| d.also(p.name.span.clone(), "its type is said here"));
            given.extend(self.keep(value).map(|value| (entry.key.clone(), value)));
        }
        for p in declared.iter().filter(|p| p.default.is_none()) {
            if !entries.iter().any(|e| e.key.value == p.name.value) {
                let d = Diagnostic::error(
                    "PS0295",
                    format!("the parameter `{}` of `{file}` has no value", p.name.value),
                    include.path.span.clone(),
                    "included without it",
                );
                let d = d.also(p.name.span.clone(), "declared here, without a default");
                self.diags.push(d.help(format!(
                    "write `include: {{ file: {file}, with: {{ {}: VALUE }} }}`",
                    p.name.value
                )));
            }
        }
        given
    }
}

fn no_parameter(entry: &Entry, declared: &[Parameter], file: &str) -> Diagnostic {
    let name = &entry.key;
    let d = Diagnostic::error(
        "PS0294",
        format!("`{file}` has no parameter `{}`", name.value),
        name.span.clone(),
        "not declared there",
    );
    let names = || declared.iter().map(|p| p.name.value.as_str());
    match nearest(name, names()) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None if declared.is_empty() => d.help("it declares none"),
        None => d.help(format!("it has: {}", names().collect::<Vec<_>>().join(", "))),
    }
}
