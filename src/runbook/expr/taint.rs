//! What may go into a command: text of the author's own, values without a character that a shell reads, and what was quoted.
//!
//! Owns: how the need for quotes is carried through an expression, and whether the place of a value keeps its quotes whole.
//! Must not: know which names exist; its caller says which values are plain.

use std::ops::Range;

use super::eval::secret_refused;
use super::filter::Filter;
use super::parse::{Kind, Node, Op};
use super::place::{self, Spot};
use super::split::Piece;
use super::{ErrorKind, ExprError, Shell, top};
use crate::runbook::Value;

/// Whether what an expression gives may stand in a command as it is. `plain` says so of a value of its own: a number, true or
/// false, a time, a name of pitstop's making. Everything else came from outside, and so did what is made of it.
pub(super) fn unquoted_in(node: &Node, shell: Option<Shell>, plain: &dyn Fn(&Node) -> bool) -> Result<(), ExprError> {
    let on = |n: &Node| unquoted_in(n, shell, plain);
    match &node.kind {
        Kind::Literal(Value::List(_) | Value::Map(_)) => Err(unquoted(node, shell)),
        Kind::Literal(_) | Kind::Not(_) | Kind::Negative(_) | Kind::Test { .. } => Ok(()),
        Kind::Filter { of, filter, args } => match filter {
            // `abs` gives a number or a duration, or fails, whatever it is asked of.
            Filter::Raw | Filter::Abs => Ok(()),
            f if f.shell().is_some() => right_quoter(*f, shell, node),
            _ if plain(node) => Ok(()),
            // Quotes of one shell do not survive these; a text of the author's own does.
            Filter::Lower | Filter::Upper | Filter::Trim | Filter::Replace if quoter(node).is_some() => {
                Err(requoted(node, *filter))
            }
            Filter::Lower | Filter::Upper | Filter::Trim | Filter::Replace | Filter::Default => on(of)
                .and_then(|()| args.iter().flatten().try_for_each(on))
                .map_err(|e| whole(e, of, node)),
            _ => Err(unquoted(node, shell)),
        },
        Kind::If { then, other, .. } => on(then).and_then(|()| on(other)),
        Kind::Binary(Op::Join | Op::Add, ..) if plain(node) => Ok(()),
        Kind::Binary(Op::Join | Op::Add, a, b) => on(a).and_then(|()| on(b)),
        Kind::Binary(..) => Ok(()),
        _ if plain(node) => Ok(()),
        _ => Err(unquoted(node, shell)),
    }
}

/// Where a filter stands behind the value, the quoting filter belongs behind both.
fn whole(mut e: ExprError, of: &Node, node: &Node) -> ExprError {
    if e.range == of.range {
        e.range = node.range.clone();
    }
    e
}

fn requoted(node: &Node, filter: Filter) -> ExprError {
    let message = format!(
        "`| {}` would change the quotes that were put around the value",
        filter.name()
    );
    ExprError::new(ErrorKind::Unquoted, message, node.range.clone()).help("let the quoting filter be the last one")
}

fn right_quoter(filter: Filter, shell: Option<Shell>, node: &Node) -> Result<(), ExprError> {
    match (filter.shell(), shell) {
        (Some(used), Some(wanted)) if used != wanted => {
            let message = format!(
                "`| {}` quotes for another shell than the one that reads this command",
                filter.name()
            );
            let e = ExprError::new(ErrorKind::Unquoted, message, node.range.clone());
            Err(e.help(format!("write `| {}`", wanted.filter())))
        }
        _ => Ok(()),
    }
}

pub(super) fn unquoted(node: &Node, shell: Option<Shell>) -> ExprError {
    let what = node
        .path()
        .map_or_else(|| "this value".to_owned(), |p| format!("`{p}`"));
    if node.path().is_some_and(|p| top(&p) == "secrets") {
        return secret_refused(&node.range);
    }
    let filter = shell.unwrap_or(Shell::Sh).filter();
    let message = format!("{what} goes into a command unquoted");
    ExprError::new(ErrorKind::Unquoted, message, node.range.clone()).help(format!(
        "add `| {filter}`; where the text is meant to be read as a part of the command, `| raw` says so"
    ))
}

/// The shell whose quotes an expression brings along, if any part of it does.
pub(super) fn quoter(node: &Node) -> Option<Shell> {
    if let Kind::Filter { filter, .. } = &node.kind
        && let Some(shell) = filter.shell()
    {
        return Some(shell);
    }
    node.children().into_iter().find_map(quoter)
}

/// A quoted value is one word only where the shell expects a word. Inside the author's own quotes its quotes end his.
pub(super) fn misplaced(text: &str, pieces: &[Piece], range: &Range<usize>, shell: Shell) -> Option<ExprError> {
    let (message, help) = match place::spot(text, pieces, range.start, shell) {
        Spot::Word => return None,
        Spot::Quotes => (
            format!(
                "`| {}` brings its own quotes; inside others they end them",
                shell.filter()
            ),
            "take the quotes around `{{ … }}` away, or put the whole text together: `{{ ('a ' ~ params.x) | sh }}`",
        ),
        Spot::Escaped => (
            "the character before `{{` takes the meaning of the value's first quote away".to_owned(),
            "take it away, or put the whole text together: `{{ ('$' ~ params.x) | sh }}`",
        ),
        Spot::HereDocument => (
            "quotes do not protect a value in a here-document".to_owned(),
            "give the text to the command through `stdin:`",
        ),
        Spot::Comment => (
            "a value with a line break would end this comment".to_owned(),
            "take the value out of the comment",
        ),
        Spot::Expansion => (
            "quotes do not protect a value inside `` ` ` ``, `${ }` or `$(( ))`".to_owned(),
            "put it into a variable first: `x={{ params.x | sh }}`, then use `$x`",
        ),
        Spot::Unsure => (
            "it cannot be told here whether a value stands inside quotes".to_owned(),
            "put it into a variable at the top of the command: `x={{ params.x | sh }}`, then use `\"$x\"`",
        ),
    };
    Some(ExprError::new(ErrorKind::Unquoted, message, range.clone()).help(help))
}
