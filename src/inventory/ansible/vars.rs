//! `group_vars/` and `host_vars/`: which files belong to whom, and what they say.
//!
//! Owns: where these files are looked for, and what a file of variables may hold. Must not: decide who wins.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Vars;
use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use crate::runbook::files::{Files, Listed, ReadError};
use crate::runbook::yaml::{self, ansible as loose};

/// The endings of a file of variables, in the order in which they are looked for.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
const MAX_DEPTH: usize = 16;

/// What the files of one host or group say.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub vars: Vars,
    /// Files that are encrypted as a whole.
    pub sealed: Vec<Span>,
}

/// One of the two folders.
pub(super) struct VarsFolder<'f> {
    files: &'f dyn Files,
    path: String,
    listed: HashMap<String, bool>,
}

impl<'f> VarsFolder<'f> {
    /// `folder` beside the inventory; nothing in it where it is not there.
    pub(super) fn beside(files: &'f dyn Files, base: &str, folder: &str, diags: &mut Diagnostics) -> Self {
        let path = join(base, folder);
        let listed = match files.list(&path) {
            Ok(listed) => listed,
            Err(ReadError::Missing) => Vec::new(),
            Err(e) => {
                diags.push(unreadable(&path, &e));
                Vec::new()
            }
        };
        let listed = listed
            .into_iter()
            .map(|Listed { name, folder }| (name, folder))
            .collect();
        Self { files, path, listed }
    }

    /// Everything that the files of this name say; later files win.
    pub(super) fn of(&self, name: &str, diags: &mut Diagnostics) -> Said {
        let mut said = Said::default();
        if self.listed.is_empty() {
            return said;
        }
        let found: Vec<(String, bool)> = ENDINGS
            .iter()
            .map(|ending| format!("{name}{ending}"))
            .filter_map(|file| self.listed.get(&file).map(|folder| (file, *folder)))
            .collect();
        let Some(((first, folder), others)) = found.split_first() else {
            return said;
        };
        let path = join(&self.path, first);
        for (other, _) in others {
            let at = place(&join(&self.path, other));
            let d = Diagnostic::warning(
                "PS0425",
                format!("{} is not read, because {path} is there", at.source.name),
                at,
                "Ansible takes the first of them",
            );
            diags.push(d.help(format!("put both into the folder `{}/`", join(&self.path, name))));
        }
        if *folder {
            self.folder(&path, 0, &mut said, diags);
        } else {
            self.file(&path, &mut said, diags);
        }
        said
    }

    fn folder(&self, path: &str, depth: usize, said: &mut Said, diags: &mut Diagnostics) {
        let listed = match self.files.list(path) {
            Ok(listed) => listed,
            Err(e) => return diags.push(unreadable(path, &e)),
        };
        for Listed { name, folder } in listed {
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let ending = ending(&name);
            let inner = join(path, &name);
            if folder && ending.is_empty() && depth < MAX_DEPTH {
                self.folder(&inner, depth + 1, said, diags);
            } else if !folder && ENDINGS.contains(&ending) {
                self.file(&inner, said, diags);
            }
        }
    }

    fn file(&self, path: &str, said: &mut Said, diags: &mut Diagnostics) {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(e) => return diags.push(unreadable(path, &e)),
        };
        if bytes.starts_with(b"$ANSIBLE_VAULT;") {
            let at = place(path);
            let d = Diagnostic::warning(
                "PS0423",
                format!("{path} is encrypted with ansible-vault and is not read"),
                at.clone(),
                "its variables are not known here",
            );
            diags.push(d.help("a secret that a step needs is declared under `secrets` of the runbook; a plain setting goes into a file beside this one"));
            said.sealed.push(at);
            return;
        }
        let Some(source) = yaml::source(path, &bytes, diags) else {
            return;
        };
        let source = super::mask::masked(&source);
        let Some(root) = loose::read(&source, diags) else {
            return;
        };
        match root.kind {
            loose::Kind::Map(pairs) => {
                let named = pairs.into_iter().filter_map(|(k, v)| Some((k.as_key()?, Arc::new(v))));
                said.vars.extend(named);
            }
            loose::Kind::None => {}
            // Ansible passes over what is empty in any way, and fails on the rest.
            loose::Kind::List(items) if items.is_empty() => {}
            loose::Kind::Bool(false) | loose::Kind::Int(0) => {}
            _ => {
                let d = Diagnostic::error(
                    "PS0418",
                    "a file of variables holds a map",
                    root.span.clone(),
                    format!("this is {}", root.what()),
                );
                diags.push(d.help("write `NAME: VALUE` lines"));
            }
        }
    }
}

/// What follows the last dot; a name that only begins with dots has no ending.
pub(super) fn ending(name: &str) -> &str {
    let stem = name.trim_start_matches('.');
    let dot = stem.rfind('.').map(|at| at + name.len() - stem.len());
    dot.and_then(|at| name.get(at..)).unwrap_or("")
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The place of a file as a whole.
pub(super) fn place(path: &str) -> Span {
    Span::new(&Source::new(path, ""), 0, 0)
}

pub(super) fn unreadable(path: &str, error: &ReadError) -> Diagnostic {
    Diagnostic::error(
        "PS0123",
        format!("cannot read `{path}`: {error}"),
        place(path),
        "this file",
    )
    .help("the inventory needs it; look with `ls -l`, or take it out of the folder")
}
