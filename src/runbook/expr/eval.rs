//! Nodes + scope → value.
//!
//! Owns: names, printing, the limit of work. Must not: parse a value, whatever it holds.

use std::ops::Range;

use super::filter::Filter;
use super::named::Named;
use super::operator::{binary, negative};
use super::parse::{Kind, Node, Op, Test};
use super::val::Val;
use super::{ErrorKind, ExprError, Scope, listed};
use crate::diag::nearest;
use crate::runbook::duration;

/// Steps of work for one template or condition.
const FUEL: usize = 50_000;

/// The text of a value. Lists, maps, none and secrets have none.
pub(super) fn print(val: &Val, range: &Range<usize>) -> Result<String, ExprError> {
    let refused = |help: &str| {
        let message = format!("{} cannot be printed", val.kind());
        Err(ExprError::new(ErrorKind::Kind, message, range.clone()).help(help))
    };
    match val {
        Val::Bool(b) => Ok(b.to_string()),
        Val::Int(n) => Ok(n.to_string()),
        // Rust never writes an exponent here, and no `.0` behind a whole number.
        Val::Num(n) => Ok(n.to_string()),
        Val::Span(ms) if *ms < 0 => Ok(format!("-{}", duration::print(ms.unsigned_abs()))),
        Val::Span(ms) => Ok(duration::print(ms.unsigned_abs())),
        Val::Time(t) => Ok(t.to_string()),
        Val::Text(t) => Ok(t.data().to_owned()),
        Val::None => refused("add `| default(…)`, or ask `is none` in `when`"),
        Val::List(_) => refused("add `| join(', ')` or `| json`; in a command `| sh` makes one word of each item"),
        Val::Map(_) => refused("name one of its fields, or add `| json`"),
        Val::Secret(_) => Err(secret_refused(range)),
    }
}

pub(super) fn secret_refused(range: &Range<usize>) -> ExprError {
    ExprError::new(ErrorKind::Secret, "a secret must not stand here", range.clone()).help(
        "secrets go only into `env`, `stdin`, `http` headers and body, templates of `upload` and connection settings, as they are",
    )
}

/// One evaluation: its scope and what is left of its fuel.
pub(super) struct Eval<'s> {
    scope: &'s Scope<'s>,
    secrets: bool,
    fuel: usize,
}

impl<'s> Eval<'s> {
    pub(super) fn new(scope: &'s Scope<'s>, secrets: bool) -> Self {
        Self {
            scope,
            secrets,
            fuel: FUEL,
        }
    }

    fn burn(&mut self, amount: usize, range: &Range<usize>) -> Result<(), ExprError> {
        self.fuel = self.fuel.checked_sub(amount).ok_or_else(|| {
            ExprError::new(ErrorKind::Limit, "the expression does too much work", range.clone())
                .help("cut the data down on the host and register the smaller result")
        })?;
        Ok(())
    }

    /// The value of a node.
    pub(super) fn value(&mut self, node: &Node) -> Result<Val, ExprError> {
        self.burn(1, &node.range)?;
        let val = match &node.kind {
            Kind::Literal(value) => Val::from(value.clone()),
            Kind::Name(_) | Kind::Field(..) | Kind::Index(..) => match self.find(node)? {
                Some(val) => val,
                None => return Err(self.missing(node)),
            },
            Kind::List(items) => Val::List(items.iter().map(|i| self.value(i)).collect::<Result<_, _>>()?),
            Kind::Not(of) => Val::Bool(!self.truth(of, "`not`")?),
            Kind::Negative(of) => negative(self.value(of)?, &node.range)?,
            Kind::Binary(Op::And, a, b) => Val::Bool(self.truth(a, "`and`")? && self.truth(b, "`and`")?),
            Kind::Binary(Op::Or, a, b) => Val::Bool(self.truth(a, "`or`")? || self.truth(b, "`or`")?),
            Kind::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                binary(*op, a, b, &node.range)?
            }
            Kind::Test { of, test, yes } => {
                let found = self.optional(of)?;
                let answer = match test {
                    Test::Defined => found.is_some(),
                    Test::Undefined => found.is_none(),
                    Test::None => match found {
                        Some(val) => matches!(val, Val::None),
                        None => return Err(self.missing(of)),
                    },
                };
                Val::Bool(answer == *yes)
            }
            Kind::Filter { of, filter, args } => self.filtered(of, *filter, args, &node.range)?,
            Kind::If { then, cond, other } => {
                let chosen = if self.truth(cond, "`if`")? { then } else { other };
                self.value(chosen)?
            }
        };
        if let Val::List(items) = &val {
            self.burn(items.len() / 8, &node.range)?;
        }
        Ok(val)
    }

    fn truth(&mut self, node: &Node, asker: &str) -> Result<bool, ExprError> {
        match self.value(node)? {
            Val::Bool(b) => Ok(b),
            other => Err(ExprError::new(
                ErrorKind::Kind,
                format!("{asker} needs true or false, this is {}", other.kind()),
                node.range.clone(),
            )
            .help("compare it with something: `value == 0`, `stdout != ''`, `names | length > 0`")),
        }
    }

    fn filtered(
        &mut self,
        of: &Node,
        filter: Filter,
        args: &[Option<Node>],
        range: &Range<usize>,
    ) -> Result<Val, ExprError> {
        if filter == Filter::Default {
            return match (self.optional(of)?, args.first()) {
                (None | Some(Val::None), Some(Some(instead))) => self.value(instead),
                (Some(val), _) => Ok(val),
                (None, _) => Err(self.missing(of)),
            };
        }
        let val = self.value(of)?;
        if matches!(val, Val::Secret(_)) && filter != Filter::Json {
            return Err(ExprError::new(
                ErrorKind::Secret,
                format!("a secret cannot go through `{}`", filter.name()),
                range.clone(),
            )
            .help("a secret is passed on as it is; only `| json` may quote it for a body"));
        }
        let mut given = Vec::with_capacity(args.len());
        for arg in args {
            given.push(arg.as_ref().map(|a| self.value(a)).transpose()?);
        }
        if given.iter().flatten().any(|a| matches!(a, Val::Secret(_))) {
            return Err(secret_refused(range));
        }
        let size = match &val {
            Val::List(items) => items.len() / 8,
            Val::Text(text) => text.data().len() / 4096,
            _ => 0,
        };
        self.burn(size, range)?;
        filter.apply(val, &given, range)
    }

    /// The value of a node, or nothing where a name, a field or an item is missing on the way.
    fn optional(&mut self, node: &Node) -> Result<Option<Val>, ExprError> {
        match &node.kind {
            Kind::Name(_) | Kind::Field(..) | Kind::Index(..) => self.find(node),
            Kind::Filter {
                filter: Filter::First | Filter::Last | Filter::Min | Filter::Max,
                of,
                ..
            } => match self.optional(of)? {
                None => Ok(None),
                Some(Val::List(items)) if items.is_empty() => Ok(None),
                Some(_) => self.value(node).map(Some),
            },
            _ => self.value(node).map(Some),
        }
    }

    /// What a path leads to. Walked by reference, so that `pending.count` copies one number and not the whole result.
    fn find(&mut self, node: &Node) -> Result<Option<Val>, ExprError> {
        self.burn(1, &node.range)?;
        if let Some(found) = self.secret(node)? {
            return Ok(Some(found));
        }
        if let Some(at) = self.place(node) {
            let found = at.cloned();
            if let Some(Val::List(items)) = &found {
                self.burn(items.len() / 8, &node.range)?;
            }
            return Ok(found);
        }
        match &node.kind {
            Kind::Field(of, field) => match self.optional(of)? {
                Some(Val::Map(mut map)) => Ok(map.remove(field)),
                _ => Ok(None),
            },
            Kind::Index(of, index) => {
                let key = self.value(index)?;
                match (self.optional(of)?, key) {
                    (Some(Val::List(items)), Val::Int(n)) => Ok(nth(items, n)),
                    (Some(Val::Map(mut map)), Val::Text(key)) => Ok(map.remove(key.data())),
                    (None, _) => Ok(None),
                    (Some(of), key) => {
                        let message = format!("{} cannot be asked for {}", of.kind(), key.kind());
                        Err(ExprError::new(ErrorKind::Kind, message, node.range.clone()))
                    }
                }
            }
            _ => Ok(None),
        }
    }

    /// For a plain dotted path: what it leads to, if anything. `None`: it is no plain path.
    fn place(&self, node: &Node) -> Option<Option<&'s Val>> {
        match &node.kind {
            Kind::Name(name) => Some(self.scope.names.get(name).map(Named::value)),
            Kind::Field(of, field) => self.place(of).map(|at| match at {
                Some(Val::Map(map)) => map.get(field),
                _ => None,
            }),
            _ => None,
        }
    }

    fn secret(&self, node: &Node) -> Result<Option<Val>, ExprError> {
        match &node.kind {
            Kind::Name(name) if name == "secrets" => Err(secret_refused(&node.range)),
            Kind::Field(of, field) if matches!(&of.kind, Kind::Name(n) if n == "secrets") => {
                if !self.secrets {
                    return Err(secret_refused(&node.range));
                }
                match self.scope.secrets.get(field) {
                    Some(secret) => Ok(Some(Val::Secret(secret.clone()))),
                    None => Err(ExprError::new(
                        ErrorKind::Undefined,
                        format!("there is no secret `{field}`"),
                        node.range.clone(),
                    )),
                }
            }
            _ => Ok(None),
        }
    }

    /// Why a path leads nowhere, told from its first part that is missing.
    fn missing(&mut self, node: &Node) -> ExprError {
        let undefined =
            |message: String, range: &Range<usize>| ExprError::new(ErrorKind::Undefined, message, range.clone());
        let (of, field) = match &node.kind {
            Kind::Name(name) => {
                let e = undefined(format!("`{name}` has no value here"), &node.range);
                return match nearest(name, self.scope.names.keys().map(String::as_str)) {
                    Some(n) => e.help(format!("did you mean `{n}`?")),
                    None => e.help(format!(
                        "there are: {}",
                        listed(self.scope.names.keys().map(String::as_str))
                    )),
                };
            }
            Kind::Field(of, field) => (of, field.as_str()),
            Kind::Index(of, _) => match self.optional(of) {
                Ok(Some(_)) => return undefined("there is no such item".to_owned(), &node.range),
                _ => return self.missing(of),
            },
            _ => return undefined("there is no value".to_owned(), &node.range),
        };
        let name = of.path().unwrap_or_else(|| "it".to_owned());
        match self.optional(of) {
            Ok(None) => self.missing(of),
            Err(e) => e,
            Ok(Some(Val::Map(map))) => {
                let e = undefined(format!("`{name}` has no field `{field}`"), &node.range);
                if matches!(map.get("ran"), Some(Val::Bool(false))) {
                    return e.help(format!(
                        "the step did not run; ask `{name}.ran and …`, or add `| default(…)`"
                    ));
                }
                match nearest(field, map.keys().map(String::as_str)) {
                    Some(n) => e.help(format!("did you mean `{n}`?")),
                    None => e.help(format!("it has: {}", listed(map.keys().map(String::as_str)))),
                }
            }
            Ok(Some(val)) => undefined(
                format!("`{name}` is {}, it has no field `{field}`", val.kind()),
                &node.range,
            ),
        }
    }
}

fn nth(mut items: Vec<Val>, n: i64) -> Option<Val> {
    let at = if n < 0 {
        items.len().checked_sub(usize::try_from(n.unsigned_abs()).ok()?)?
    } else {
        usize::try_from(n).ok()?
    };
    (at < items.len()).then(|| items.swap_remove(at))
}
