//! What an expression reads, and with which written values it compares: for rules that look at the whole runbook.
//!
//! Owns: the walk over nodes. Must not: judge.

use std::collections::BTreeSet;
use std::ops::Range;

use super::filter::Filter;
use super::parse::{self, Kind, Node, Op, Test};
use super::split::{self, Piece};
use super::top;
use crate::runbook::Value;

/// A dotted path that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// `pending.count`
    pub path: String,
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// The same text asks whether it is there (`is defined`, `default`) or whether its step ran (`pending.ran`).
    pub guarded: bool,
}

/// A comparison for equality of a path with a value that the author wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// `run.mode`
    pub path: String,
    /// What it is compared with.
    pub value: Value,
    /// The value's bytes in the text.
    pub range: Range<usize>,
    /// False for `!=` and `not in`.
    pub equal: bool,
}

/// Every path that a text reads. Nothing where it cannot be read.
pub fn reads(text: &str, condition: bool) -> Vec<Read> {
    let nodes = nodes(text, condition);
    let mut guarded = BTreeSet::new();
    nodes.iter().for_each(|n| guards(n, &mut guarded));
    let mut names = Vec::new();
    nodes.iter().for_each(|n| n.names(&mut names));
    let read = |(path, range): (String, Range<usize>)| Read {
        guarded: guarded.contains(top(&path)) || guarded.contains(&path),
        path,
        range,
    };
    names.into_iter().map(read).collect()
}

/// Every comparison of a path with a written value.
pub fn comparisons(text: &str, condition: bool) -> Vec<Comparison> {
    let mut out = Vec::new();
    nodes(text, condition).iter().for_each(|n| compared(n, &mut out));
    out
}

fn nodes(text: &str, condition: bool) -> Vec<Node> {
    if condition {
        return parse::bare(text).into_iter().collect();
    }
    let pieces = split::split(text).unwrap_or_default();
    let node = |piece| match piece {
        Piece::Expr { node, .. } => Some(node),
        Piece::Text(_) => None,
    };
    pieces.into_iter().filter_map(node).collect()
}

fn guards(node: &Node, out: &mut BTreeSet<String>) {
    let asked = match &node.kind {
        Kind::Test {
            of,
            test: Test::Defined | Test::Undefined,
            ..
        }
        | Kind::Filter {
            of,
            filter: Filter::Default,
            ..
        } => of.path(),
        Kind::Field(of, field) if field == "ran" => of.path(),
        _ => None,
    };
    out.extend(asked);
    node.children().into_iter().for_each(|c| guards(c, out));
}

fn compared(node: &Node, out: &mut Vec<Comparison>) {
    if let Kind::Binary(op @ (Op::Equal | Op::NotEqual | Op::In | Op::NotIn), a, b) = &node.kind {
        let equal = matches!(op, Op::Equal | Op::In);
        let mut add = |path: &Node, value: &Node| {
            let (Some(path), Kind::Literal(literal)) = (path.path(), &value.kind) else {
                return;
            };
            out.push(Comparison {
                path,
                value: literal.clone(),
                range: value.range.clone(),
                equal,
            });
        };
        match (op, &b.kind) {
            (Op::In | Op::NotIn, Kind::List(items)) => items.iter().for_each(|item| add(a, item)),
            (Op::In | Op::NotIn, _) => {}
            _ => {
                add(a, b);
                add(b, a);
            }
        }
    }
    node.children().into_iter().for_each(|c| compared(c, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_guarded_where_its_text_asks_for_it() {
        let found = |text: &str| -> Vec<(String, bool)> {
            reads(text, true).into_iter().map(|r| (r.path, r.guarded)).collect()
        };
        assert_eq!(
            found("a.ran and a.count > b.count"),
            [
                ("a.ran".to_owned(), true),
                ("a.count".to_owned(), true),
                ("b.count".to_owned(), false),
            ]
        );
        assert_eq!(found("(a.count | default(0)) > 1"), [("a.count".to_owned(), true)]);
        assert_eq!(reads("x {{ a.b }} y {{ c | sh }}", false).len(), 2);
        assert_eq!(reads("x {{ a.b", false), []);
    }

    #[test]
    fn comparisons_are_found_on_both_sides_and_in_lists() {
        let text = "run.mode == 'a' or 'b' != run.mode or run.mode in ['c', 'd'] or rc == 1";
        let found: Vec<_> = comparisons(text, true)
            .into_iter()
            .map(|c| (text[c.range].to_owned(), c.equal))
            .collect();
        let want = [("'a'", true), ("'b'", false), ("'c'", true), ("'d'", true), ("1", true)];
        assert_eq!(found, want.map(|(t, e)| (t.to_owned(), e)));
    }
}
