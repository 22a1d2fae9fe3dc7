//! Tokens → nodes: the grammar.
//!
//! Owns: syntax and its limits. Must not: know values; an unknown name is a name here.

use std::ops::Range;

use super::filter::Filter;
use super::token::{Tok, tokens};
use super::{ErrorKind, ExprError};
use crate::diag::nearest;
use crate::runbook::Value;

/// Deepest nesting. A chain `a ~ b ~ c` counts each operator, for it is evaluated that deep.
const MAX_DEPTH: usize = 60;
/// Longest expression in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// An expression with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    depth: usize,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Literal(Value),
    Name(String),
    /// `a.b`, and `a["b"]`, which is the same.
    Field(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Op, Box<Node>, Box<Node>),
    /// `x is defined`, `x is none`; `yes` is false after `is not`.
    Test {
        of: Box<Node>,
        test: Test,
        yes: bool,
    },
    Filter {
        of: Box<Node>,
        filter: Filter,
        args: Vec<Option<Node>>,
    },
    If {
        then: Box<Node>,
        cond: Box<Node>,
        other: Box<Node>,
    },
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    Add,
    Subtract,
    Join,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
}

impl Op {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Join => "~",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
        }
    }

    /// True if it asks which of two values is the greater.
    pub(super) fn orders(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }
}

/// What `is` can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Defined,
    Undefined,
    None,
}

impl Node {
    /// The dotted path, if it is one: `pending.count`.
    pub(super) fn path(&self) -> Option<String> {
        match &self.kind {
            Kind::Name(name) => Some(name.clone()),
            Kind::Field(of, field) => of.path().map(|p| format!("{p}.{field}")),
            _ => None,
        }
    }

    /// The nodes directly below.
    pub(super) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Literal(_) | Kind::Name(_) => Vec::new(),
            Kind::Field(a, _) | Kind::Not(a) | Kind::Negative(a) | Kind::Test { of: a, .. } => vec![a],
            Kind::Index(a, b) | Kind::Binary(_, a, b) => vec![a, b],
            Kind::List(items) => items.iter().collect(),
            Kind::Filter { of, args, .. } => std::iter::once(of.as_ref()).chain(args.iter().flatten()).collect(),
            Kind::If { then, cond, other } => vec![then, cond, other],
        }
    }

    /// Every dotted path below it. `a.b[0].c` is `a.b`: what stands behind an index is not known before.
    pub(super) fn names(&self, out: &mut Vec<(String, Range<usize>)>) {
        if let Some(path) = self.path() {
            out.push((path, self.range.clone()));
        } else {
            self.children().into_iter().for_each(|c| c.names(out));
        }
    }
}

/// Reads a text that is one expression.
pub(super) fn bare(text: &str) -> Result<Node, ExprError> {
    if text.trim_start().starts_with("{{") {
        return Err(
            ExprError::new(ErrorKind::Syntax, "a condition is a bare expression", 0..text.len())
                .help("take `{{` and `}}` away"),
        );
    }
    expression(text, 0)
}

/// Reads an expression that begins at byte `base`.
pub(super) fn expression(text: &str, base: usize) -> Result<Node, ExprError> {
    if text.len() > MAX_LENGTH {
        return Err(ExprError::new(
            ErrorKind::Limit,
            "the expression is longer than 16 KiB",
            base..base + text.len(),
        )
        .help("put what needs more into a script"));
    }
    if text.trim().is_empty() {
        return Err(ExprError::new(
            ErrorKind::Syntax,
            "the expression is empty",
            base..base + text.len(),
        ));
    }
    let mut parser = Parser {
        tokens: tokens(text, base)?,
        at: 0,
        level: 0,
    };
    let node = parser.choice()?;
    match parser.peek() {
        Tok::End => Ok(node),
        Tok::Sign("=") => Err(parser.unexpected("`=` does not compare").help("write `==`")),
        Tok::Sign("(") => Err(parser
            .unexpected("there are no functions or methods")
            .help("write a filter: `host.name | upper`")),
        _ => Err(parser.unexpected("the expression should end here")),
    }
}

struct Parser {
    tokens: Vec<(Tok, Range<usize>)>,
    at: usize,
    level: usize,
}

impl Parser {
    fn peek(&self) -> &Tok {
        self.tokens.get(self.at).map_or(&Tok::End, |(t, _)| t)
    }

    fn range(&self) -> Range<usize> {
        let last = self.tokens.last();
        self.tokens.get(self.at).or(last).map_or(0..0, |(_, r)| r.clone())
    }

    fn take(&mut self) -> Tok {
        let tok = self.peek().clone();
        self.at += 1;
        tok
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Tok::Sign(s) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Tok::Word(w) if w == word);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, message: &str) -> ExprError {
        ExprError::new(ErrorKind::Syntax, message, self.range())
    }

    fn expect(&mut self, sign: &str, what: &str) -> Result<(), ExprError> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}` is missing {what}")))
    }

    /// A node above others; the depth of evaluation is limited here, that of parsing in [`Self::choice`].
    fn node(&self, kind: Kind, range: Range<usize>) -> Result<Node, ExprError> {
        let mut node = Node { kind, range, depth: 0 };
        node.depth = 1 + node.children().iter().map(|c| c.depth).max().unwrap_or(0);
        if node.depth > MAX_DEPTH {
            return Err(too_deep(node.range));
        }
        Ok(node)
    }

    fn binary(&self, op: Op, left: Node, right: Node) -> Result<Node, ExprError> {
        let range = left.range.start..right.range.end;
        self.node(Kind::Binary(op, Box::new(left), Box::new(right)), range)
    }

    /// `a if cond else b`
    fn choice(&mut self) -> Result<Node, ExprError> {
        self.level += 1;
        if self.level > MAX_DEPTH {
            return Err(too_deep(self.range()));
        }
        let then = self.or()?;
        let node = if self.word("if") {
            let cond = self.or()?;
            if !self.word("else") {
                return Err(self.unexpected("`if` in an expression needs an `else`"));
            }
            let other = self.choice()?;
            let range = then.range.start..other.range.end;
            let (then, cond, other) = (Box::new(then), Box::new(cond), Box::new(other));
            self.node(Kind::If { then, cond, other }, range)?
        } else {
            then
        };
        self.level -= 1;
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, ExprError> {
        let mut left = self.and()?;
        while self.word("or") {
            let right = self.and()?;
            left = self.binary(Op::Or, left, right)?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, ExprError> {
        let mut left = self.not()?;
        while self.word("and") {
            let right = self.not()?;
            left = self.binary(Op::And, left, right)?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Node, ExprError> {
        // A row of `not`s is a loop, so that it cannot exhaust the stack.
        let mut starts = Vec::new();
        loop {
            let start = self.range().start;
            if !self.word("not") {
                break;
            }
            starts.push(start);
        }
        let mut node = self.compare()?;
        for start in starts.into_iter().rev() {
            let range = start..node.range.end;
            node = self.node(Kind::Not(Box::new(node)), range)?;
        }
        Ok(node)
    }

    fn compare(&mut self) -> Result<Node, ExprError> {
        let left = self.sum()?;
        let Some(op) = self.comparison() else { return Ok(left) };
        let right = self.sum()?;
        let node = self.binary(op, left, right)?;
        if self.comparison().is_some() {
            self.at -= 1;
            return Err(self
                .unexpected("comparisons cannot be chained")
                .help("join two of them with `and`"));
        }
        Ok(node)
    }

    fn comparison(&mut self) -> Option<Op> {
        let op = match self.peek() {
            Tok::Sign("==") => Op::Equal,
            Tok::Sign("!=") => Op::NotEqual,
            Tok::Sign("<") => Op::Less,
            Tok::Sign("<=") => Op::LessEqual,
            Tok::Sign(">") => Op::Greater,
            Tok::Sign(">=") => Op::GreaterEqual,
            Tok::Word(w) if w == "in" => Op::In,
            Tok::Word(w) if w == "not" => {
                let next = self.tokens.get(self.at + 1).map(|(t, _)| t);
                if !matches!(next, Some(Tok::Word(w)) if w == "in") {
                    return None;
                }
                self.at += 1;
                Op::NotIn
            }
            _ => return None,
        };
        self.at += 1;
        Some(op)
    }

    fn sum(&mut self) -> Result<Node, ExprError> {
        let mut left = self.joined()?;
        loop {
            let op = match self.peek() {
                Tok::Sign("+") => Op::Add,
                Tok::Sign("-") => Op::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.joined()?;
            left = self.binary(op, left, right)?;
        }
    }

    fn joined(&mut self) -> Result<Node, ExprError> {
        let mut left = self.product()?;
        while self.sign("~") {
            let right = self.product()?;
            left = self.binary(Op::Join, left, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, ExprError> {
        let mut left = self.signed()?;
        loop {
            let op = match self.peek() {
                Tok::Sign("*") => Op::Multiply,
                Tok::Sign("/") => Op::Divide,
                Tok::Sign("//") => Op::FloorDivide,
                Tok::Sign("%") => Op::Remainder,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.signed()?;
            left = self.binary(op, left, right)?;
        }
    }

    /// `-x`, then filters and tests: `-1 | abs` is the absolute value of minus one, as in Jinja.
    fn signed(&mut self) -> Result<Node, ExprError> {
        let start = self.range().start;
        let mut minus = 0usize;
        while self.sign("-") {
            minus += 1;
        }
        let mut node = self.postfix()?;
        for _ in 0..minus {
            let range = start..node.range.end;
            node = self.node(Kind::Negative(Box::new(node)), range)?;
        }
        loop {
            if self.sign("|") {
                node = self.filter(node)?;
            } else if self.word("is") {
                node = self.test(node)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn postfix(&mut self) -> Result<Node, ExprError> {
        let mut node = self.primary()?;
        loop {
            let start = node.range.start;
            if self.sign(".") {
                let end = self.range().end;
                let Tok::Word(field) = self.take() else {
                    self.at -= 1;
                    return Err(self
                        .unexpected("a field's name should stand behind the dot")
                        .help("other names are written `host.labels[\"the name\"]`, places in a list `names[0]`"));
                };
                node = self.node(Kind::Field(Box::new(node), field), start..end)?;
            } else if self.sign("[") {
                let index = self.choice()?;
                let end = self.range().end;
                self.expect("]", "after the index")?;
                let kind = match index.kind {
                    Kind::Literal(Value::Text(field)) => Kind::Field(Box::new(node), field),
                    _ => Kind::Index(Box::new(node), Box::new(index)),
                };
                node = self.node(kind, start..end)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, ExprError> {
        let range = self.range();
        let kind = match self.take() {
            Tok::Int(n) => Kind::Literal(Value::Int(n)),
            Tok::Number(n) => Kind::Literal(Value::Number(n)),
            Tok::Text(t) => Kind::Literal(Value::Text(t)),
            Tok::Word(word) => self.name(word, &range)?,
            Tok::Sign("(") => {
                let mut inner = self.choice()?;
                let end = self.range().end;
                self.expect(")", "after the expression")?;
                inner.range = range.start..end;
                return Ok(inner);
            }
            Tok::Sign("[") => {
                let mut items = Vec::new();
                while !self.sign("]") {
                    if !items.is_empty() {
                        self.expect(",", "between the items of a list")?;
                        if self.sign("]") {
                            break;
                        }
                    }
                    items.push(self.choice()?);
                }
                let end = self.tokens.get(self.at - 1).map_or(range.end, |(_, r)| r.end);
                return self.node(Kind::List(items), range.start..end);
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected(if *self.peek() == Tok::End {
                    "the expression ends too early"
                } else {
                    "a value should stand here"
                }));
            }
        };
        self.node(kind, range)
    }

    fn name(&self, word: String, range: &Range<usize>) -> Result<Kind, ExprError> {
        let wrong =
            |message: String, help: &str| Err(ExprError::new(ErrorKind::Syntax, message, range.clone()).help(help));
        match word.as_str() {
            "true" => Ok(Kind::Literal(Value::Bool(true))),
            "false" => Ok(Kind::Literal(Value::Bool(false))),
            "none" => Ok(Kind::Literal(Value::None)),
            "True" => wrong("unknown word `True`".into(), "write `true`"),
            "False" => wrong("unknown word `False`".into(), "write `false`"),
            "None" | "null" => wrong(format!("unknown word `{word}`"), "write `none`"),
            "and" | "or" | "not" | "in" | "is" | "if" | "else" => Err(ExprError::new(
                ErrorKind::Syntax,
                format!("a value should stand before `{word}`"),
                range.clone(),
            )),
            _ if matches!(self.peek(), Tok::Sign("(")) => wrong(
                format!("there is no function `{word}`"),
                "values are worked on with filters: `value | abs`, `\"10m\" | duration`",
            ),
            _ => Ok(Kind::Name(word)),
        }
    }

    fn test(&mut self, of: Node) -> Result<Node, ExprError> {
        let yes = !self.word("not");
        let range = self.range();
        let test = match self.take() {
            Tok::Word(w) if w == "defined" => Test::Defined,
            Tok::Word(w) if w == "undefined" => Test::Undefined,
            Tok::Word(w) if w == "none" => Test::None,
            _ => {
                return Err(ExprError::new(
                    ErrorKind::Syntax,
                    "`is` can ask for `defined`, `undefined` and `none`",
                    range,
                )
                .help("other values are compared with `==`"));
            }
        };
        let whole = of.range.start..range.end;
        let of = Box::new(of);
        self.node(Kind::Test { of, test, yes }, whole)
    }

    fn filter(&mut self, of: Node) -> Result<Node, ExprError> {
        let range = self.range();
        let Tok::Word(name) = self.take() else {
            self.at -= 1;
            return Err(self.unexpected("a filter's name should stand behind `|`"));
        };
        let Some(filter) = Filter::named(&name) else {
            let e = ExprError::new(ErrorKind::Unknown, format!("there is no filter `{name}`"), range);
            return Err(
                match foreign_filter(&name).or_else(|| nearest(&name, Filter::names())) {
                    Some(n) => e.help(format!("did you mean `{n}`?")),
                    None => e.help(format!("filters: {}", super::listed(Filter::names()))),
                },
            );
        };
        let args = if self.sign("(") { self.args(filter)? } else { Vec::new() };
        let end = self.tokens.get(self.at - 1).map_or(range.end, |(_, r)| r.end);
        filter.check_args(&args, range.start..end)?;
        let whole = of.range.start..end;
        let of = Box::new(of);
        self.node(Kind::Filter { of, filter, args }, whole)
    }

    fn args(&mut self, filter: Filter) -> Result<Vec<Option<Node>>, ExprError> {
        let known = filter.params();
        let mut args: Vec<Option<Node>> = vec![None; known.len()];
        let mut next = 0;
        while !self.sign(")") {
            if next > 0 {
                self.expect(",", "between arguments")?;
            }
            let start = self.range();
            let named = match (self.peek(), self.tokens.get(self.at + 1)) {
                (Tok::Word(w), Some((Tok::Sign("="), _))) => Some(w.clone()),
                _ => None,
            };
            let slot = if let Some(name) = &named {
                self.at += 2;
                known.iter().position(|k| k == name)
            } else {
                Some(next)
            };
            let arg = self.choice()?;
            let range = start.start..arg.range.end;
            match slot.and_then(|s| args.get_mut(s)) {
                Some(free @ None) => *free = Some(arg),
                _ => {
                    let takes = if known.is_empty() {
                        "it takes none".to_owned()
                    } else {
                        format!("it takes: {}", known.join(", "))
                    };
                    let message = format!("`{}` has no such argument", filter.name());
                    return Err(ExprError::new(ErrorKind::Syntax, message, range).help(takes));
                }
            }
            next += 1;
        }
        Ok(args)
    }
}

/// What a filter of other tools is called here.
fn foreign_filter(name: &str) -> Option<&'static str> {
    Some(match name {
        "quote" | "shellquote" | "squote" => "sh",
        "tojson" | "to_json" => "json",
        "search" | "regex_search" | "regex" => "match",
        "count" | "size" | "len" => "length",
        "strip" => "trim",
        "safe" => "raw",
        _ => return None,
    })
}

fn too_deep(range: Range<usize>) -> ExprError {
    ExprError::new(ErrorKind::Limit, "the expression is nested too deeply", range)
        .help("take a part of it into a step of its own and register its result")
}
