//! Which kind of value an expression gives, as far as that is known before the run.
//!
//! Owns: the kinds of names, operators and filters, and what cannot go together. Must not: know a value: where two kinds meet,
//! it asks `operator` with a sample of each, so that what is refused here is what would be refused in the run, in the same words.

use jiff::Timestamp;

use super::check::{FieldKind, Known};
use super::filter::Filter;
use super::operator::binary;
use super::parse::{Kind, Node, Op};
use super::val::Val;
use super::{ErrorKind, ExprError};
use crate::runbook::{ParamType, Value};

impl FieldKind {
    /// Some value of this kind; none where it is not known.
    fn sample(self) -> Option<Val> {
        Some(match self {
            Self::Number => Val::Int(1),
            Self::Bool => Val::Bool(true),
            Self::Text => Val::ours("x"),
            Self::Duration => Val::Span(1000),
            Self::Time => Val::Time(Timestamp::UNIX_EPOCH),
            Self::List => Val::List(Vec::new()),
            Self::Other => return None,
        })
    }

    /// With its article, for messages.
    pub(super) fn words(self) -> &'static str {
        self.sample().map_or("a value", |val| val.kind())
    }

    /// True if its text holds nothing that a shell would read as more than a word.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Number | Self::Bool | Self::Duration | Self::Time)
    }
}

impl Known {
    /// The kind that a node gives; `Other` where that is not known.
    pub(super) fn kind(&self, node: &Node) -> FieldKind {
        match &node.kind {
            Kind::Literal(value) => of_value(value),
            Kind::List(_) => FieldKind::List,
            Kind::Not(_) | Kind::Test { .. } => FieldKind::Bool,
            Kind::Negative(of) => self.kind(of),
            Kind::Binary(op, a, b) => self.of_binary(*op, a, b),
            Kind::Filter { of, filter, args } => self.of_filter(*filter, of, args),
            Kind::If { then, other, .. } => both(self.kind(then), self.kind(other)),
            Kind::Name(_) | Kind::Field(..) => node.path().map_or(FieldKind::Other, |path| self.of_path(&path)),
            Kind::Index(..) => FieldKind::Other,
        }
    }

    fn of_path(&self, path: &str) -> FieldKind {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["params", name] => self.params.get(*name).map_or(FieldKind::Other, |kind| match kind {
                ParamType::Int | ParamType::Number => FieldKind::Number,
                ParamType::Bool => FieldKind::Bool,
                ParamType::Duration => FieldKind::Duration,
                ParamType::Timestamp => FieldKind::Time,
                ParamType::List => FieldKind::List,
                ParamType::String => FieldKind::Text,
            }),
            ["targets" | "results", _] | ["run", "held_out"] => FieldKind::List,
            ["marks", _] => FieldKind::Time,
            ["host", "rolling_back"] => FieldKind::Bool,
            ["host", "name" | "address" | "os"] | ["host", "labels", _] | ["run", "id" | "mode"] => FieldKind::Text,
            [name, field] => self
                .registered
                .get(*name)
                .and_then(|fields| fields.0.get(*field).copied())
                .unwrap_or(FieldKind::Other),
            [name] if !self.registered.contains_key(*name) => self
                .own
                .as_ref()
                .and_then(|own| own.0.get(*name).copied())
                .unwrap_or(FieldKind::Other),
            _ => FieldKind::Other,
        }
    }

    fn of_binary(&self, op: Op, a: &Node, b: &Node) -> FieldKind {
        match op {
            Op::Or | Op::And | Op::Equal | Op::NotEqual | Op::In | Op::NotIn => FieldKind::Bool,
            op if op.orders() => FieldKind::Bool,
            Op::Join => FieldKind::Text,
            op => match (self.kind(a).sample(), self.kind(b).sample()) {
                (Some(a), Some(b)) => binary(op, a, b, &(0..0)).map_or(FieldKind::Other, |val| of_val(&val)),
                // Added to a number, the other is a number too, or the sum is an error.
                (Some(Val::Int(_)), None) | (None, Some(Val::Int(_))) if matches!(op, Op::Add | Op::Subtract) => {
                    FieldKind::Number
                }
                _ => FieldKind::Other,
            },
        }
    }

    fn of_filter(&self, filter: Filter, of: &Node, args: &[Option<Node>]) -> FieldKind {
        match filter {
            Filter::Length | Filter::Int | Filter::Float | Filter::Round => FieldKind::Number,
            Filter::Contains => FieldKind::Bool,
            Filter::Duration => FieldKind::Duration,
            Filter::Timestamp => FieldKind::Time,
            Filter::Lines | Filter::Split | Filter::Unique | Filter::Sort | Filter::Map => FieldKind::List,
            Filter::Raw | Filter::Abs => self.kind(of),
            Filter::Default => match args.first() {
                Some(Some(instead)) => both(self.kind(of), self.kind(instead)),
                _ => self.kind(of),
            },
            Filter::Match | Filter::First | Filter::Last | Filter::Min | Filter::Max | Filter::Sum => FieldKind::Other,
            Filter::Sh
            | Filter::Ps
            | Filter::Cmd
            | Filter::Json
            | Filter::Lower
            | Filter::Upper
            | Filter::Trim
            | Filter::Replace
            | Filter::Join => FieldKind::Text,
        }
    }

    /// Everything in a node that cannot be meant, whatever the values will be.
    pub(super) fn mismatches(&self, node: &Node, out: &mut Vec<ExprError>) {
        match &node.kind {
            Kind::Binary(op, a, b) => out.extend(self.binary_mismatch(*op, a, b, node)),
            Kind::Not(of) => out.extend(self.no_truth(of, "`not`")),
            Kind::If { cond, .. } => out.extend(self.no_truth(cond, "`if`")),
            Kind::Filter { of, filter, .. } => out.extend(self.filter_mismatch(*filter, of, node)),
            Kind::Field(of, field) => out.extend(self.no_field(of, field, node)),
            _ => {}
        }
    }

    fn binary_mismatch(&self, op: Op, a: &Node, b: &Node, node: &Node) -> Option<ExprError> {
        if matches!(op, Op::And | Op::Or) {
            let word = if op == Op::And { "`and`" } else { "`or`" };
            return self.no_truth(a, word).or_else(|| self.no_truth(b, word));
        }
        let none = |n: &Node| matches!(n.kind, Kind::Literal(Value::None));
        if op.orders() && (none(a) || none(b)) {
            let message = "nothing is greater or less than `none`";
            let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
            return Some(e.help("ask `is none` or `is defined`, or give a value: `| default(0)`"));
        }
        let (left, right) = (self.kind(a), self.kind(b));
        let (sample_a, sample_b) = (left.sample()?, right.sample()?);
        if matches!(op, Op::Equal | Op::NotEqual) {
            return (left != right).then(|| never_equal(left, right, a, b, node));
        }
        binary(op, sample_a, sample_b, &node.range).err()
    }

    fn no_truth(&self, node: &Node, asker: &str) -> Option<ExprError> {
        let kind = self.kind(node);
        if matches!(kind, FieldKind::Bool | FieldKind::Other) {
            return None;
        }
        let message = format!("{asker} needs true or false, this is {}", kind.words());
        let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
        Some(e.help(compared(kind, node)))
    }

    /// What a condition as a whole gives, if that is surely neither true nor false.
    pub(super) fn no_condition(&self, node: &Node) -> Option<ExprError> {
        let kind = match &node.kind {
            Kind::Literal(Value::None) => "none",
            _ => match self.kind(node) {
                FieldKind::Bool | FieldKind::Other => return None,
                kind => kind.words(),
            },
        };
        let message = format!("a condition must give true or false, this gives {kind}");
        let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
        Some(e.help(compared(self.kind(node), node)))
    }

    fn filter_mismatch(&self, filter: Filter, of: &Node, node: &Node) -> Option<ExprError> {
        use FieldKind::{Bool, Duration, List, Number, Text, Time};
        let (wants, good): (&str, &[FieldKind]) = match filter {
            Filter::Lower | Filter::Upper | Filter::Trim | Filter::Replace => ("text", &[Text]),
            Filter::Lines | Filter::Split | Filter::Match => ("text", &[Text]),
            Filter::First | Filter::Last | Filter::Join | Filter::Min | Filter::Max => ("a list", &[List]),
            Filter::Sum | Filter::Unique | Filter::Sort | Filter::Map => ("a list", &[List]),
            Filter::Length | Filter::Contains => ("text, a list or a map", &[Text, List]),
            Filter::Int | Filter::Float => ("a number or its text", &[Number, Text]),
            Filter::Round => ("a number", &[Number]),
            Filter::Abs => ("a number or a duration", &[Number, Duration]),
            Filter::Duration => ("text", &[Text, Duration]),
            Filter::Timestamp => ("text", &[Text, Time]),
            _ => return None,
        };
        let kind = self.kind(of);
        if kind == FieldKind::Other || good.contains(&kind) {
            return None;
        }
        let message = format!("`{}` wants {wants}, this is {}", filter.name(), kind.words());
        let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
        Some(match (kind, good.first()) {
            (Text, Some(List)) => e.help("make a list of the text: `| lines`, or `| split(',')`"),
            (Number | Bool | Duration | Time, Some(Text)) => e.help("delete the filter: this is no text"),
            _ => e,
        })
    }

    /// `stdout.lines`: a text has no fields.
    fn no_field(&self, of: &Node, field: &str, node: &Node) -> Option<ExprError> {
        let kind = self.kind(of);
        let name = of.path()?;
        if kind == FieldKind::Other {
            return None;
        }
        let message = format!("`{name}` is {}, it has no field `{field}`", kind.words());
        let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
        Some(match kind {
            FieldKind::Text if Filter::named(field).is_some() => e.help(format!("write `{name} | {field}`")),
            FieldKind::Text => e.help("write `as: json` on the step and read the field of `value`"),
            FieldKind::List => e.help(format!(
                "one item is `{name}[0]`; a field of every item is `{name} | map('{field}')`"
            )),
            _ => e,
        })
    }
}

/// What to write where true or false is wanted.
fn compared(kind: FieldKind, node: &Node) -> String {
    let name = node.path().unwrap_or_else(|| "value".to_owned());
    match kind {
        FieldKind::Number => format!("compare it with something: `{name} == 0`"),
        FieldKind::Text => format!("compare it with something: `{name} != ''`"),
        FieldKind::List => format!("ask for its length: `{name} | length > 0`"),
        FieldKind::Duration => format!("compare it with something: `{name} < (\"10m\" | duration)`"),
        _ => "compare it with something: `rc == 0`, `stdout != ''`, `names | length > 0`".to_owned(),
    }
}

fn never_equal(left: FieldKind, right: FieldKind, a: &Node, b: &Node, node: &Node) -> ExprError {
    let message = format!("{} never equals {}", left.words(), right.words());
    let e = ExprError::new(ErrorKind::Kind, message, node.range.clone());
    let literal = |n: &Node| match &n.kind {
        Kind::Literal(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    match (left, right) {
        (FieldKind::Text, FieldKind::Number) | (FieldKind::Number, FieldKind::Text) => {
            match literal(a).or_else(|| literal(b)).filter(|t| t.parse::<f64>().is_ok()) {
                Some(number) => e.help(format!("take the quotes away: `{number}`")),
                None => e.help("compare with text (`stdout == '5'`), or use `as: number` and `value`"),
            }
        }
        (FieldKind::Bool, _) | (_, FieldKind::Bool) => match literal(a).or_else(|| literal(b)) {
            Some(word) if matches!(word.as_str(), "true" | "false") => {
                e.help(format!("take the quotes away: `{word}`"))
            }
            _ => e.help("true and false are values of their own: write the name alone, or `not NAME`"),
        },
        (FieldKind::Duration, _) | (_, FieldKind::Duration) => e.help("write a duration as `\"10m\" | duration`"),
        (FieldKind::Time, _) | (_, FieldKind::Time) => e.help("make a moment of the text: `| timestamp`"),
        (FieldKind::List, _) | (_, FieldKind::List) => e.help("ask `x in list`, or compare its `| length`"),
        _ => e,
    }
}

/// True for what a program printed, not made a number of.
pub(super) fn is_output(node: &Node) -> bool {
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

fn both(a: FieldKind, b: FieldKind) -> FieldKind {
    if a == b { a } else { FieldKind::Other }
}

fn of_value(value: &Value) -> FieldKind {
    match value {
        Value::Bool(_) => FieldKind::Bool,
        Value::Int(_) | Value::Number(_) => FieldKind::Number,
        Value::Duration { .. } => FieldKind::Duration,
        Value::Timestamp { .. } => FieldKind::Time,
        Value::Text(_) => FieldKind::Text,
        Value::List(_) => FieldKind::List,
        Value::None | Value::Map(_) => FieldKind::Other,
    }
}

fn of_val(val: &Val) -> FieldKind {
    match val {
        Val::Bool(_) => FieldKind::Bool,
        Val::Int(_) | Val::Num(_) => FieldKind::Number,
        Val::Span(_) => FieldKind::Duration,
        Val::Time(_) => FieldKind::Time,
        Val::Text(_) => FieldKind::Text,
        Val::List(_) => FieldKind::List,
        Val::None | Val::Map(_) | Val::Secret(_) => FieldKind::Other,
    }
}
