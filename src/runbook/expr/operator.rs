//! What stands between two values: equality, order, membership, arithmetic.
//!
//! Owns: which kinds go together. Must not: know nodes or names.

use std::cmp::Ordering;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::eval::{print, secret_refused};
use super::filter::too_long;
use super::parse::Op;
use super::val::Val;
use super::{ErrorKind, ExprError, MAX_OUTPUT};
use crate::secret::Secret;

/// True if two values are the same. Values of different kinds are not; `1` and `1.0` are.
pub(super) fn equal(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::None, Val::None) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(_) | Val::Num(_), Val::Int(_) | Val::Num(_)) => numbers(a, b) == Some(Ordering::Equal),
        (Val::Span(a), Val::Span(b)) => a == b,
        (Val::Time(a), Val::Time(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => a.data() == b.data(),
        (Val::List(a), Val::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Val::Map(a), Val::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && equal(a, b))
        }
        _ => false,
    }
}

/// Exact also between a whole number and a float: sorting relies on a true order.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn numbers(a: &Val, b: &Val) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Num(a), Val::Num(b)) => a.partial_cmp(b),
        (Val::Int(_), Val::Num(b)) if *b >= LIMIT => Some(Ordering::Less),
        (Val::Int(_), Val::Num(b)) if *b < -LIMIT => Some(Ordering::Greater),
        (Val::Int(a), Val::Num(b)) => Some(a.cmp(&(b.trunc() as i64)).then(0.0.partial_cmp(&b.fract())?)),
        (Val::Num(_), Val::Int(_)) => numbers(b, a).map(Ordering::reverse),
        _ => None,
    }
}

/// The order of two values of one kind; anything else is an error.
pub(super) fn compare(a: &Val, b: &Val, range: &Range<usize>) -> Result<Ordering, ExprError> {
    let order = match (a, b) {
        (Val::Int(_) | Val::Num(_), Val::Int(_) | Val::Num(_)) => numbers(a, b),
        (Val::Span(a), Val::Span(b)) => Some(a.cmp(b)),
        (Val::Time(a), Val::Time(b)) => Some(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => Some(a.data().cmp(b.data())),
        _ => None,
    };
    order.ok_or_else(|| {
        let e = ExprError::new(
            ErrorKind::Kind,
            format!("{} and {} have no order", a.kind(), b.kind()),
            range.clone(),
        );
        match (a, b) {
            (Val::Text(_), Val::Int(_) | Val::Num(_)) | (Val::Int(_) | Val::Num(_), Val::Text(_)) => {
                e.help("make a number of the text: `as: number` and `value`, or `| int`")
            }
            (Val::Text(_), Val::Span(_)) | (Val::Span(_), Val::Text(_)) => e.help("write `\"10m\" | duration`"),
            (Val::Text(_), Val::Time(_)) | (Val::Time(_), Val::Text(_)) => {
                e.help("make a moment of the text: `as: timestamp` and `value`, or `| timestamp`")
            }
            (Val::Secret(_), _) | (_, Val::Secret(_)) => secret_refused(range),
            (Val::Span(_), Val::Int(_) | Val::Num(_)) | (Val::Int(_) | Val::Num(_), Val::Span(_)) => {
                e.help("write the number as a duration: `\"10s\" | duration`")
            }
            (Val::List(_), _) | (_, Val::List(_)) => e.help("compare the list's `| length`"),
            (Val::Bool(_), _) | (_, Val::Bool(_)) => e.help("true and false are compared with `==`"),
            _ => e.help("ask `is defined` or `is none` before you compare"),
        }
    })
}

/// `what in val`
pub(super) fn contains(val: &Val, what: &Val, range: &Range<usize>) -> Result<bool, ExprError> {
    match (val, what) {
        (Val::List(items), what) => Ok(items.iter().any(|i| equal(i, what))),
        (Val::Text(text), Val::Text(part)) => Ok(text.data().contains(part.data())),
        (Val::Map(map), Val::Text(key)) => Ok(map.contains_key(key.data())),
        (val, what) => Err(ExprError::new(
            ErrorKind::Kind,
            format!("{} cannot contain {}", val.kind(), what.kind()),
            range.clone(),
        )
        .help("write `item in list` or `'part' in text`")),
    }
}

/// `-val`
pub(super) fn negative(val: Val, range: &Range<usize>) -> Result<Val, ExprError> {
    match val {
        Val::Int(n) => n.checked_neg().map(Val::Int).ok_or_else(|| too_large(range)),
        Val::Num(n) => Ok(Val::Num(-n)),
        Val::Span(ms) => Ok(Val::Span(ms.saturating_neg())),
        other => Err(ExprError::new(
            ErrorKind::Kind,
            format!("`-` wants a number or a duration, this is {}", other.kind()),
            range.clone(),
        )),
    }
}

/// `a op b`
pub(super) fn binary(op: Op, a: Val, b: Val, range: &Range<usize>) -> Result<Val, ExprError> {
    if op != Op::Join && (matches!(a, Val::Secret(_)) || matches!(b, Val::Secret(_))) {
        return Err(secret_refused(range));
    }
    match op {
        Op::Equal => Ok(Val::Bool(equal(&a, &b))),
        Op::NotEqual => Ok(Val::Bool(!equal(&a, &b))),
        Op::Less => Ok(Val::Bool(compare(&a, &b, range)? == Ordering::Less)),
        Op::LessEqual => Ok(Val::Bool(compare(&a, &b, range)? != Ordering::Greater)),
        Op::Greater => Ok(Val::Bool(compare(&a, &b, range)? == Ordering::Greater)),
        Op::GreaterEqual => Ok(Val::Bool(compare(&a, &b, range)? != Ordering::Less)),
        Op::In => contains(&b, &a, range).map(Val::Bool),
        Op::NotIn => contains(&b, &a, range).map(|found| Val::Bool(!found)),
        Op::Join => join(&a, &b, range),
        Op::Add => add(a, b, range),
        Op::Subtract => subtract(a, b, range),
        Op::Multiply => multiply(&a, &b, range),
        Op::Divide | Op::FloorDivide | Op::Remainder => divide(op, &a, &b, range),
        // Answered by the caller, which does not ask the right side where the left decides.
        Op::And | Op::Or => Err(mismatch(op, &a, &b, range)),
    }
}

fn join(a: &Val, b: &Val, range: &Range<usize>) -> Result<Val, ExprError> {
    let secret = matches!(a, Val::Secret(_)) || matches!(b, Val::Secret(_));
    let text = |v: &Val| match v {
        Val::Secret(secret) => Ok(zeroize::Zeroizing::new(secret.expose().to_owned())),
        other => print(other, range).map(zeroize::Zeroizing::new),
    };
    let whose = a.whose().max(b.whose());
    let (a, b) = (text(a)?, text(b)?);
    if a.len().saturating_add(b.len()) > MAX_OUTPUT {
        return Err(too_long(range));
    }
    let both = format!("{}{}", a.as_str(), b.as_str());
    Ok(if secret {
        Val::Secret(Secret::new(both))
    } else {
        whose.text(both)
    })
}

/// `a + b`
pub(super) fn add(a: Val, b: Val, range: &Range<usize>) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => a.checked_add(b).map(Val::Int).ok_or_else(|| too_large(range)),
        (Val::Span(a), Val::Span(b)) => a.checked_add(b).map(Val::Span).ok_or_else(|| too_large(range)),
        (Val::Time(t), Val::Span(ms)) | (Val::Span(ms), Val::Time(t)) => later(t, ms, range),
        (a @ Val::Text(_), b @ Val::Text(_)) => join(&a, &b, range),
        (Val::List(mut a), Val::List(b)) => {
            a.extend(b);
            Ok(Val::List(a))
        }
        (a, b) => floats(Op::Add, &a, &b, range, |a, b| a + b),
    }
}

fn subtract(a: Val, b: Val, range: &Range<usize>) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => a.checked_sub(b).map(Val::Int).ok_or_else(|| too_large(range)),
        (Val::Span(a), Val::Span(b)) => a.checked_sub(b).map(Val::Span).ok_or_else(|| too_large(range)),
        (Val::Time(a), Val::Time(b)) => {
            let ms = a.duration_since(b).as_millis();
            i64::try_from(ms).map(Val::Span).map_err(|_| too_large(range))
        }
        (Val::Time(t), Val::Span(ms)) => later(t, ms.saturating_neg(), range),
        (a, b) => floats(Op::Subtract, &a, &b, range, |a, b| a - b),
    }
}

fn multiply(a: &Val, b: &Val, range: &Range<usize>) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => a.checked_mul(*b).map(Val::Int).ok_or_else(|| too_large(range)),
        (Val::Span(ms), Val::Int(n)) | (Val::Int(n), Val::Span(ms)) => {
            ms.checked_mul(*n).map(Val::Span).ok_or_else(|| too_large(range))
        }
        (Val::Span(ms), Val::Num(n)) | (Val::Num(n), Val::Span(ms)) => scaled(*ms, *n, range),
        (a, b) => floats(Op::Multiply, a, b, range, |a, b| a * b),
    }
}

fn divide(op: Op, a: &Val, b: &Val, range: &Range<usize>) -> Result<Val, ExprError> {
    let zero = match b {
        Val::Int(n) | Val::Span(n) => *n == 0,
        Val::Num(n) => *n == 0.0,
        _ => false,
    };
    if zero {
        return Err(ExprError::new(ErrorKind::Kind, "division by zero", range.clone()));
    }
    match (op, a, b) {
        (Op::FloorDivide, Val::Int(a), Val::Int(b)) => {
            let quotient = a.checked_div(*b).ok_or_else(|| too_large(range))?;
            let inexact = a.checked_rem(*b).is_some_and(|r| r != 0);
            Ok(Val::Int(quotient - i64::from(inexact && (*a < 0) != (*b < 0))))
        }
        (Op::Remainder, Val::Int(a), Val::Int(b)) => {
            let rest = a.checked_rem(*b).unwrap_or(0);
            Ok(Val::Int(if rest != 0 && (rest < 0) != (*b < 0) {
                rest + b
            } else {
                rest
            }))
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio of times needs no more digits than a float has"
        )]
        (Op::Divide, Val::Span(a), Val::Span(b)) => Ok(Val::Num(*a as f64 / *b as f64)),
        (Op::Divide, Val::Span(ms), n) if n.as_f64().is_some() => scaled(*ms, 1.0 / n.as_f64().unwrap_or(1.0), range),
        (Op::Divide, a, b) => floats(op, a, b, range, |a, b| a / b),
        (Op::FloorDivide, a, b) => floats(op, a, b, range, |a, b| (a / b).floor()),
        (_, a, b) => floats(op, a, b, range, |a, b| a - b * (a / b).floor()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a fraction of a time needs no more digits than a float has"
)]
fn scaled(ms: i64, by: f64, range: &Range<usize>) -> Result<Val, ExprError> {
    match super::filter::whole((ms as f64 * by).round()) {
        Some(Val::Int(ms)) => Ok(Val::Span(ms)),
        _ => Err(too_large(range)),
    }
}

fn later(t: Timestamp, ms: i64, range: &Range<usize>) -> Result<Val, ExprError> {
    t.checked_add(SignedDuration::from_millis(ms))
        .map(Val::Time)
        .map_err(|_| too_large(range))
}

fn floats(op: Op, a: &Val, b: &Val, range: &Range<usize>, f: impl Fn(f64, f64) -> f64) -> Result<Val, ExprError> {
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
        return Err(mismatch(op, a, b, range));
    };
    let n = f(x, y);
    if n.is_finite() {
        Ok(Val::Num(n))
    } else {
        Err(too_large(range))
    }
}

fn mismatch(op: Op, a: &Val, b: &Val, range: &Range<usize>) -> ExprError {
    let message = format!("`{}` cannot be done with {} and {}", op.word(), a.kind(), b.kind());
    let e = ExprError::new(ErrorKind::Kind, message, range.clone());
    match (a, b) {
        (Val::Text(_), _) | (_, Val::Text(_)) => {
            e.help("make a number of the text with `| int` or `| float`; texts are joined with `~`")
        }
        _ => e,
    }
}

fn too_large(range: &Range<usize>) -> ExprError {
    ExprError::new(ErrorKind::Kind, "the result is too large", range.clone())
}
