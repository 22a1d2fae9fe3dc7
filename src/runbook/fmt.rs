//! A file of the language → the same file in the one layout.
//!
//! Owns: the layout, and the proof that nothing but the layout changed. Must not: know a key of the language, write a file.
//!
//! What it does not do, on purpose: it moves no key. Authors order the keys of a step to tell its story, comments often speak of
//! several keys at once, and a diff that only moves lines hides the one that matters.

mod emit;

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Source, Span};

use super::yaml::{self, Node, NodeKind, Written};

/// The longest line that a map or list in brackets may make.
pub const WIDTH: usize = 110;

/// The formatted text. `None`, with diagnostics, where the file cannot be read or the result would not be the same file.
pub fn format(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<String> {
    // Diagnostics point into what was written; the work is done on plain line ends.
    let before = yaml::read_written(source, diags)?;
    if diags.has_errors() {
        return None;
    }
    let text = if source.text.contains('\r') {
        let plain = Source::new(&source.name, source.text.replace("\r\n", "\n").replace('\r', "\n"));
        emit::emit(&plain.text, &yaml::read_written(&plain, &mut Diagnostics::new())?)
    } else {
        emit::emit(&source.text, &before)
    };
    match changed(&before, &Source::new(&source.name, &text)) {
        None => Some(text),
        Some(why) => {
            let d = Diagnostic::error(
                "PS0661",
                format!("{} cannot be formatted: {why}", source.name),
                Span::new(source, 0, 0),
                "the file was left as it is",
            );
            diags.push(d.help("the file may be right all the same: `pitstop check` tells; write the unusual part in plain block style"));
            None
        }
    }
}

/// Why the new text is not the same file; `None`: it is.
fn changed(before: &Written, after: &Arc<Source>) -> Option<String> {
    let mut diags = Diagnostics::new();
    let Some(after) = yaml::read_written(after, &mut diags).filter(|_| !diags.has_errors()) else {
        return Some("the result would not be YAML".to_owned());
    };
    if let Some(at) = differ(&before.root, &after.root) {
        let (line, _) = at.line_col();
        return Some(format!("the value in line {line} would become another"));
    }
    let text = |c: &Span| c.text().trim_end().to_owned();
    let (old, new): (Vec<_>, Vec<_>) = (
        before.comments.iter().map(text).collect(),
        after.comments.iter().map(text).collect(),
    );
    (old != new).then(|| "a comment would be lost".to_owned())
}

/// The first place where two trees are not the same: keys in their order, texts and how they were quoted.
fn differ<'n>(a: &'n Node, b: &Node) -> Option<&'n Span> {
    match (&a.kind, &b.kind) {
        (NodeKind::Scalar { text: s, style: p }, NodeKind::Scalar { text: t, style: q }) if s == t && p == q => None,
        (NodeKind::Map(s), NodeKind::Map(t)) if s.len() == t.len() => s.iter().zip(t).find_map(|(x, y)| {
            if x.key.value == y.key.value {
                differ(&x.value, &y.value)
            } else {
                Some(&x.key.span)
            }
        }),
        (NodeKind::Seq(s), NodeKind::Seq(t)) if s.len() == t.len() => s.iter().zip(t).find_map(|(x, y)| differ(x, y)),
        _ => Some(&a.span),
    }
}

#[cfg(test)]
#[path = "fmt_tests.rs"]
mod tests;
