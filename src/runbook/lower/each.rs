//! `for_each`: a list that is written out, or one expression that gives it.

use super::Cx;
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::expr::Template;
use crate::runbook::fields::{self, Fields};
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{EachList, ForEach, Stage};

impl Cx<'_> {
    pub(super) fn for_each(&mut self, f: &mut Fields<'_>, stage: Stage) -> Option<ForEach> {
        let most = f.count("max_items");
        let Some(entry) = f.entry("for_each") else {
            if let Some(most) = most {
                let d = Diagnostic::error(
                    "PS0292",
                    "`max_items` belongs to `for_each`",
                    most.span,
                    "this step has no list",
                );
                f.complain(d.help("add `for_each`, or delete it"));
            }
            return None;
        };
        if stage == Stage::Undo {
            let d = Diagnostic::error(
                "PS0291",
                "an undo step has no list of its own",
                entry.key.span.clone(),
                "it takes back one item of its step",
            );
            f.complain(
                d.help("write `for_each` at the step: its undo runs for each item that began, and knows it as `item`"),
            );
            return None;
        }
        // What cannot be read stands as an empty list: `item` is known all the same.
        let list = self.each_list(&entry.value).unwrap_or(EachList::Written {
            items: Vec::new(),
            texts: Vec::new(),
        });
        if let (EachList::Written { items, .. }, Some(most)) = (&list, &most)
            && items.len() > most.value as usize
        {
            let message = format!("the list has {} items, `max_items` is {}", items.len(), most.value);
            let d = Diagnostic::error("PS0292", message, most.span.clone(), "fewer than there are");
            f.complain(d.also(entry.key.span.clone(), "this list").help("raise `max_items`"));
        }
        Some(ForEach {
            list,
            max_items: most,
            span: entry.key.span.clone(),
        })
    }

    fn each_list(&mut self, node: &Node) -> Option<EachList> {
        match &node.kind {
            NodeKind::Seq(nodes) => {
                let items = nodes.iter().map(|n| Spanned::new(fields::value(n), n.span.clone()));
                let mut texts = Vec::new();
                nodes.iter().for_each(|n| leaves(n, &mut texts));
                Some(EachList::Written {
                    items: items.collect(),
                    texts,
                })
            }
            NodeKind::Scalar { .. } => {
                let text = self.keep(fields::text(node))?;
                // What cannot be read is told by `check`, with its place.
                if Template::parse(&text).is_ok_and(|t| !t.is_one_value()) {
                    self.diags.push(no_list(node));
                    return None;
                }
                Some(EachList::From(text))
            }
            NodeKind::Map(_) => {
                self.diags.push(no_list(node));
                None
            }
        }
    }
}

/// Every text of an item that may hold a template.
fn leaves(node: &Node, out: &mut Vec<Spanned<String>>) {
    match &node.kind {
        NodeKind::Scalar { .. } => out.extend(fields::text(node).ok().filter(|t| t.contains("{{"))),
        NodeKind::Seq(items) => items.iter().for_each(|n| leaves(n, out)),
        NodeKind::Map(entries) => entries.iter().for_each(|e| leaves(&e.value, out)),
    }
}

fn no_list(node: &Node) -> Diagnostic {
    Diagnostic::error(
        "PS0290",
        "`for_each` is a list, or one expression that gives one",
        node.span.clone(),
        format!("this is {}", node.what()),
    )
    .help("write `for_each: [a, b]`, or `for_each: \"{{ NAME.value }}\"` with a list of this host")
}
