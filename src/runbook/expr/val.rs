//! The values of expressions: the kinds of [`Value`], and those that never leave the evaluator.
//!
//! Owns: whose a text is. Must not: evaluate.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::eval::secret_refused;
use super::{ErrorKind, ExprError};
use crate::runbook::Value;
use crate::secret::Secret;
use crate::text::HostText;

/// A value of a scope or under evaluation. Unlike [`Value`] a span of time may be negative, it may be a secret, and a text
/// knows whether a host said it.
#[derive(Clone, Debug)]
pub enum Val {
    /// `none`.
    None,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Always finite.
    Num(f64),
    /// Milliseconds.
    Span(i64),
    /// A moment.
    Time(Timestamp),
    /// Text, and whose it is.
    Text(Words),
    /// A list.
    List(Vec<Val>),
    /// A map.
    Map(BTreeMap<String, Val>),
    /// A declared secret.
    Secret(Secret),
}

/// A text and whose it is.
#[derive(Clone, Debug)]
pub enum Words {
    /// Of the runbook, its parameters, the inventory, or pitstop; or quoted for a shell.
    Ours(String),
    /// Of a host, or made of what a host said.
    Host(HostText),
}

impl Words {
    /// The letters, to compare them and to make other texts of them.
    pub(super) fn data(&self) -> &str {
        match self {
            Self::Ours(text) => text,
            Self::Host(text) => text.data(),
        }
    }

    /// Whose it is.
    pub(super) fn whose(&self) -> Whose {
        match self {
            Self::Ours(_) => Whose::Ours,
            Self::Host(_) => Whose::Host,
        }
    }
}

/// Whose a text is. What is made of several is the host's as soon as one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    Ours,
    Host,
}

impl Whose {
    /// A text of that origin.
    pub(super) fn text(self, text: String) -> Val {
        Val::Text(match self {
            Self::Ours => Words::Ours(text),
            Self::Host => Words::Host(HostText::new(text)),
        })
    }
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        Self::of(value, Whose::Ours)
    }
}

impl Val {
    /// A text of our own.
    pub fn ours(text: impl Into<String>) -> Self {
        Self::Text(Words::Ours(text.into()))
    }

    /// A value that came from a host: so did every text in it.
    pub fn said(value: Value) -> Self {
        Self::of(value, Whose::Host)
    }

    fn of(value: Value, whose: Whose) -> Self {
        match value {
            Value::None => Self::None,
            Value::Bool(b) => Self::Bool(b),
            Value::Int(n) => Self::Int(n),
            Value::Number(n) if n.is_finite() => Self::Num(n),
            // Only our own code could put one in; no comparison with it would mean anything.
            Value::Number(_) => Self::None,
            Value::Duration { duration_ms } => Self::Span(i64::try_from(duration_ms).unwrap_or(i64::MAX)),
            Value::Timestamp { timestamp } => Self::Time(timestamp),
            Value::Text(t) => whose.text(t),
            Value::List(items) => Self::List(items.into_iter().map(|i| Self::of(i, whose)).collect()),
            Value::Map(map) => Self::Map(map.into_iter().map(|(k, v)| (k, Self::of(v, whose))).collect()),
        }
    }

    /// Whose the text is that is made of this value. A map counts as its host's: nobody said whose its keys are.
    pub(super) fn whose(&self) -> Whose {
        match self {
            Self::Text(words) => words.whose(),
            Self::List(items) => items.iter().map(Self::whose).max().unwrap_or(Whose::Ours),
            Self::Map(_) => Whose::Host,
            _ => Whose::Ours,
        }
    }

    /// The value as it leaves the evaluator: data for a place that no shell reads.
    pub(super) fn into_value(self, range: &Range<usize>) -> Result<Value, ExprError> {
        Ok(match self {
            Self::None => Value::None,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(n) => Value::Int(n),
            Self::Num(n) => Value::Number(n),
            Self::Span(ms) => Value::Duration {
                duration_ms: u64::try_from(ms).map_err(|_| {
                    let message = "the duration is negative: the moment subtracted is the later one";
                    ExprError::new(ErrorKind::Kind, message, range.clone()).help("turn the two round, or add `| abs`")
                })?,
            },
            Self::Time(timestamp) => Value::Timestamp { timestamp },
            Self::Text(Words::Ours(text)) => Value::Text(text),
            Self::Text(Words::Host(text)) => Value::Text(text.data().to_owned()),
            Self::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|i| i.into_value(range))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Map(map) => {
                let entry = |(k, v): (String, Self)| Ok((k, v.into_value(range)?));
                Value::Map(map.into_iter().map(entry).collect::<Result<_, ExprError>>()?)
            }
            Self::Secret(_) => return Err(secret_refused(range)),
        })
    }

    /// Its kind with an article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Num(_) => "a number",
            Self::Span(_) => "a duration",
            Self::Time(_) => "a timestamp",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Secret(_) => "a secret",
        }
    }

    /// A number as a float.
    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "mixed arithmetic is done in floats, as everywhere"
            )]
            Self::Int(n) => Some(*n as f64),
            Self::Num(n) => Some(*n),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::eval::Eval;
    use super::super::filter::Filter;
    use super::super::{Mode, Scope, Shell, Template};
    use super::*;

    fn scope() -> Scope<'static> {
        let text = |t: &str| Value::Text(t.to_owned());
        let mut scope = Scope::new();
        scope.set("said", Val::said(text("b a")));
        scope.set("found", Val::said(Value::List(vec![text("b"), text("a")])));
        let field = BTreeMap::from([("name".to_owned(), text("a"))]);
        scope.set("each", Val::said(Value::List(vec![Value::Map(field)])));
        scope.set("own", text("x y"));
        scope.set("owns", Value::List(vec![text("x"), text("y")]));
        scope
    }

    /// The text origins in what an expression gives, greatest last.
    fn whose(expression: &str) -> Whose {
        let template = Template::parse(&format!("{{{{ {expression} }}}}")).unwrap();
        let node = template.nodes().next().unwrap();
        Eval::new(&scope(), false).value(node).unwrap().whose()
    }

    #[test]
    fn what_is_made_of_what_a_host_said_is_the_hosts() {
        let made = [
            "said",
            "said ~ ' x'",
            "'x ' ~ said",
            "own ~ 1 ~ said",
            "said + own",
            "found + owns",
            "own if false else said",
            "[own, said]",
            "[own, said] | last",
            "found[0]",
            "none | default(said)",
            "said | default(own)",
            "said | lower",
            "said | upper",
            "said | trim",
            "said | lines",
            "said | split",
            "said | match('(b)')",
            "said | replace('b', 'x')",
            "own | replace('x', said)",
            "own | split(' ') | join(said)",
            "found | join(' ')",
            "found | first",
            "found | last",
            "found | min",
            "found | max",
            "found | unique",
            "found | sort",
            "each | map('name')",
            "said | json",
            "found | json",
            "each | json",
            "((said | lower) ~ own) | upper",
        ];
        for expression in made {
            assert_eq!(whose(expression), Whose::Host, "{expression}");
        }
        // None is forgotten: these make no text, or say what they do to it.
        let others = [
            "sh",
            "ps",
            "cmd",
            "raw",
            "int",
            "float",
            "abs",
            "length",
            "sum",
            "round",
            "duration",
            "timestamp",
            "contains",
        ];
        for filter in Filter::names() {
            let tried = made.iter().any(|m| m.contains(&format!("| {filter}")));
            assert!(
                tried != others.contains(&filter),
                "`{filter}` is tried or told, not both"
            );
        }
    }

    #[test]
    fn what_is_made_of_our_own_text_alone_stays_ours() {
        for expression in [
            "own",
            "own ~ 1",
            "own | upper",
            "owns | join(' ')",
            "own | json",
            "said | length",
            "said == own",
            "found | contains('a')",
            "said | sh",
            "found | sh",
            "said | raw",
        ] {
            assert_eq!(whose(expression), Whose::Ours, "{expression}");
        }
    }

    #[test]
    fn a_name_that_was_trusted_is_refused_in_a_command_once_a_host_gives_its_value() {
        let command = Template::parse("cat {{ file }}").unwrap();
        let render = |scope: &Scope| command.render(scope, Mode::Command(Shell::Sh));
        let mut scope = Scope::new();
        scope.set_trusted("file", "/tmp/x");
        assert_eq!(render(&scope).unwrap(), "cat /tmp/x");
        scope.set_all([("file".to_owned(), Val::said(Value::Text("; reboot".to_owned())))]);
        assert_eq!(render(&scope).unwrap_err().kind, ErrorKind::Unquoted);
    }
}
