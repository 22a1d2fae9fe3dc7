//! What the command line gives a change beyond single values: files of parameters, lists of hosts, what alone is to be done.
//!
//! Owns: how these are read, each value with its place. Must not: open a file, know which names exist.

use std::sync::Arc;

use super::{Given, Skip};
use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};
use crate::runbook::yaml::{self, NodeKind};

/// `--set-file FILE`: a map of parameters.
pub fn values(source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<(Spanned<String>, Given)> {
    let Some(root) = yaml::read(source, diags) else {
        return Vec::new();
    };
    let NodeKind::Map(entries) = root.kind else {
        let d = Diagnostic::error(
            "PS0695",
            format!("{} is no map of parameters", source.name),
            root.span.clone(),
            format!("this is {}", root.what()),
        );
        diags.push(
            d.help("write `name: value` lines, or a JSON object; for one text from a file: --set-file NAME=FILE"),
        );
        return Vec::new();
    };
    entries.into_iter().map(|e| (e.key, Given::Node(e.value))).collect()
}

/// A list of hosts: one a line; `#` begins a comment.
pub fn host_list(source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<Spanned<String>> {
    let mut hosts = Vec::new();
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or("");
        let name = written.trim();
        if !name.is_empty() {
            let start = at + written.find(name).unwrap_or(0);
            hosts.push(Spanned::new(
                name.to_owned(),
                Span::new(source, start, start + name.len()),
            ));
        }
        at += line.len();
    }
    if hosts.is_empty() {
        let d = Diagnostic::error(
            "PS0691",
            format!("{} names no host", source.name),
            Span::new(source, 0, 0),
            "nothing would be done",
        );
        diags.push(d.help("write one host a line; `#` begins a comment"));
    }
    hosts
}

/// `--only STEP` or `--only STEP=REASON`.
pub fn only(text: &str) -> Skip {
    let source = Source::new("--only", text);
    let (id, reason) = text.split_once('=').unwrap_or((text, ""));
    Skip {
        id: Spanned::new(id.to_owned(), Span::new(&source, 0, id.len())),
        reason: reason.trim().to_owned(),
    }
}
