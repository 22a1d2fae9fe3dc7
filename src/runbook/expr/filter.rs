//! What stands behind `|`: the filters, their arguments, the text form of durations.
//!
//! Owns: the table of filters and what each does to one value. Must not: evaluate arguments or look up names.

use std::ops::Range;

use jiff::Timestamp;

use super::eval::{print, secret_refused};
use super::operator::{add, compare, contains, equal};
use super::parse::{Kind, Node};
use super::val::{Val, Whose};
use super::{ErrorKind, ExprError, MAX_OUTPUT, Shell, quote};
use crate::runbook::{Value, duration};

/// Longest pattern and largest compiled size of a regular expression.
const MAX_PATTERN: usize = 1000;
const MAX_COMPILED: usize = 1 << 20;

macro_rules! filters {
    ($($variant:ident $name:literal $required:literal [$($param:literal),*];)*) => {
        /// A filter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Filter { $($variant),* }

        impl Filter {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Names of its arguments, in order.
            pub(super) fn params(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($param),*]),* }
            }

            fn required(self) -> usize {
                match self { $(Self::$variant => $required),* }
            }
        }
    };
}

filters! {
    Sh "sh" 0 [];
    Ps "ps" 0 [];
    Cmd "cmd" 0 [];
    Raw "raw" 0 [];
    Json "json" 0 [];
    Int "int" 0 [];
    Float "float" 0 [];
    Lines "lines" 0 [];
    First "first" 0 [];
    Last "last" 0 [];
    Match "match" 1 ["pattern"];
    Abs "abs" 0 [];
    Length "length" 0 [];
    Lower "lower" 0 [];
    Upper "upper" 0 [];
    Trim "trim" 0 [];
    Replace "replace" 2 ["old", "new"];
    Join "join" 0 ["with"];
    Default "default" 1 ["value"];
    Min "min" 0 [];
    Max "max" 0 [];
    Sum "sum" 0 [];
    Unique "unique" 0 [];
    Sort "sort" 0 ["reverse"];
    Round "round" 0 ["digits"];
    Split "split" 0 ["by"];
    Duration "duration" 0 [];
    Timestamp "timestamp" 0 [];
    Contains "contains" 1 ["what"];
    Map "map" 1 ["attribute"];
}

impl Filter {
    /// The filter of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// The names of all.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|f| f.name())
    }

    /// The shell it quotes for, if it quotes.
    pub(super) fn shell(self) -> Option<Shell> {
        match self {
            Self::Sh => Some(Shell::Sh),
            Self::Ps => Some(Shell::Ps),
            Self::Cmd => Some(Shell::Cmd),
            _ => None,
        }
    }

    /// Judges what can be judged of arguments before their values are known.
    pub(super) fn check_args(self, args: &[Option<Node>], range: Range<usize>) -> Result<(), ExprError> {
        let missing = self
            .params()
            .iter()
            .take(self.required())
            .enumerate()
            .find(|(n, _)| !matches!(args.get(*n), Some(Some(_))));
        if let Some((_, name)) = missing {
            let message = format!("`{}` needs its argument {name}", self.name());
            return Err(ExprError::new(ErrorKind::Syntax, message, range));
        }
        if self == Self::Match
            && let Some(Some(arg)) = args.first()
            && let Kind::Literal(Value::Text(pattern)) = &arg.kind
        {
            regex(pattern, &arg.range)?;
        }
        Ok(())
    }

    /// What the filter makes of a value. `default` is not asked here: it works on what is missing.
    pub(super) fn apply(self, val: Val, args: &[Option<Val>], range: &Range<usize>) -> Result<Val, ExprError> {
        let call = Call {
            filter: self,
            args,
            range,
        };
        match self {
            Self::Sh | Self::Ps | Self::Cmd => call.quoted(&val, self.shell().unwrap_or(Shell::Sh)),
            Self::Default => Ok(val),
            Self::Raw => Ok(call.raw(val)),
            Self::Json => call.json(val),
            Self::Int | Self::Float | Self::Abs | Self::Round => call.number(val),
            Self::Duration | Self::Timestamp => call.time(val),
            Self::Lower | Self::Upper | Self::Trim | Self::Replace | Self::Lines | Self::Split | Self::Match => {
                call.text(&val)
            }
            Self::Length => call.length(&val),
            Self::Contains => call.contains(&val),
            Self::First | Self::Last | Self::Join | Self::Min | Self::Max | Self::Sum | Self::Unique => call.list(val),
            Self::Sort | Self::Map => call.reorder(val),
        }
    }
}

/// One use of a filter.
struct Call<'a> {
    filter: Filter,
    args: &'a [Option<Val>],
    range: &'a Range<usize>,
}

impl Call<'_> {
    fn wrong(&self, message: impl Into<String>) -> ExprError {
        ExprError::new(ErrorKind::Kind, message, self.range.clone())
    }

    fn wants(&self, what: &str, val: &Val) -> ExprError {
        self.wrong(format!("`{}` wants {what}, this is {}", self.filter.name(), val.kind()))
    }

    fn arg(&self, n: usize) -> Option<&Val> {
        self.args.get(n).and_then(Option::as_ref)
    }

    fn text_arg(&self, n: usize) -> Result<&str, ExprError> {
        match self.arg(n) {
            Some(Val::Text(text)) => Ok(text.data()),
            Some(other) => Err(self.wrong(format!(
                "the argument of `{}` must be text, this is {}",
                self.filter.name(),
                other.kind()
            ))),
            None => Ok(""),
        }
    }

    fn quoted(&self, val: &Val, shell: Shell) -> Result<Val, ExprError> {
        let word = |val: &Val| {
            let text = print(val, self.range)?;
            quote::word(shell, &text).map_err(|why| self.wrong(why))
        };
        let text = match val {
            // A list becomes several words; that is what an author who quotes a list wants.
            Val::List(items) => items.iter().map(word).collect::<Result<Vec<_>, _>>()?.join(" "),
            other => word(other)?,
        };
        // Quoted, it is a word of ours; that its quotes stay whole is `taint`'s.
        limited(text, Whose::Ours, self.range)
    }

    /// The author's word that the text is meant to be read as a part of the command.
    fn raw(&self, val: Val) -> Val {
        match val {
            Val::Text(words) => Val::ours(words.data()),
            other => other,
        }
    }

    /// Whose the text is that this filter makes of `val` and of its arguments.
    fn whose(&self, val: &Val) -> Whose {
        let args = self.args.iter().flatten().map(Val::whose);
        args.fold(val.whose(), Ord::max)
    }

    fn json(&self, val: Val) -> Result<Val, ExprError> {
        let dump = |value: &serde_json::Value| serde_json::to_string(value).map_err(|e| self.wrong(e.to_string()));
        if let Val::Secret(secret) = val {
            let text = dump(&serde_json::Value::String(secret.expose().to_owned()))?;
            return Ok(Val::Secret(crate::secret::Secret::new(text)));
        }
        limited(dump(&to_json(&val, self.range)?)?, val.whose(), self.range)
    }

    fn number(&self, val: Val) -> Result<Val, ExprError> {
        match (self.filter, val) {
            (Filter::Int, Val::Int(n)) | (Filter::Round, Val::Int(n)) => Ok(Val::Int(n)),
            (Filter::Int, Val::Num(n)) => whole(n.trunc()).ok_or_else(|| self.wrong("the number is too large")),
            (Filter::Int, Val::Text(t)) => {
                let number = t.data().trim().parse().map(Val::Int);
                number.map_err(|_| self.wrong("`int` wants a whole number, this text is none"))
            }
            (Filter::Float, Val::Int(n)) => Ok(Val::Num(n as f64)),
            (Filter::Float, Val::Num(n)) => Ok(Val::Num(n)),
            (Filter::Float, Val::Text(t)) => match t.data().trim().parse::<f64>() {
                Ok(n) if n.is_finite() => Ok(Val::Num(n)),
                _ => Err(self.wrong("`float` wants a number, this text is none")),
            },
            (Filter::Abs, Val::Int(n)) => n
                .checked_abs()
                .map(Val::Int)
                .ok_or_else(|| self.wrong("the number is too large")),
            (Filter::Abs, Val::Num(n)) => Ok(Val::Num(n.abs())),
            (Filter::Abs, Val::Span(ms)) => Ok(Val::Span(ms.saturating_abs())),
            (Filter::Round, Val::Num(n)) => self.round(n),
            (Filter::Int | Filter::Float, other) => Err(self.wants("a number or its text", &other)),
            (Filter::Abs, other) => Err(self.wants("a number or a duration", &other)),
            (_, other) => Err(self.wants("a number", &other)),
        }
    }

    fn round(&self, n: f64) -> Result<Val, ExprError> {
        match self.arg(0) {
            None | Some(Val::Int(0)) => whole(n.round()).ok_or_else(|| self.wrong("the number is too large")),
            Some(Val::Int(digits @ 1..=9)) => {
                let factor = 10f64.powi(i32::try_from(*digits).unwrap_or(0));
                let rounded = (n * factor).round() / factor;
                Ok(Val::Num(if rounded.is_finite() { rounded } else { n }))
            }
            Some(_) => Err(self.wrong("`round` keeps 0 to 9 digits")),
        }
    }

    fn time(&self, val: Val) -> Result<Val, ExprError> {
        match (self.filter, val) {
            (Filter::Duration, Val::Span(ms)) => Ok(Val::Span(ms)),
            (Filter::Duration, Val::Text(t)) => duration::parse(t.data().trim())
                .and_then(|d| i64::try_from(d.as_millis()).ok())
                .map(Val::Span)
                .ok_or_else(|| {
                    self.wrong("this text is no duration")
                        .help("durations look like `90s`, `10m`, `1h30m`, `2d`")
                }),
            (Filter::Timestamp, Val::Time(t)) => Ok(Val::Time(t)),
            (Filter::Timestamp, Val::Text(t)) => t.data().trim().parse::<Timestamp>().map(Val::Time).map_err(|_| {
                self.wrong("this text is no moment").help(
                    "moments look like `2026-12-06T01:00:00Z` or `2026-12-06 02:00:00+01:00`, always with their offset",
                )
            }),
            (_, other) => Err(self.wants("text", &other)),
        }
    }

    fn text(&self, val: &Val) -> Result<Val, ExprError> {
        let Val::Text(text) = val else {
            return Err(self.wants("text", val));
        };
        let (text, whose) = (text.data(), self.whose(val));
        let list = |parts: Vec<&str>| Ok(Val::List(parts.into_iter().map(|p| whose.text(p.to_owned())).collect()));
        match self.filter {
            Filter::Lower => limited(text.to_lowercase(), whose, self.range),
            Filter::Upper => limited(text.to_uppercase(), whose, self.range),
            Filter::Trim => limited(text.trim().to_owned(), whose, self.range),
            Filter::Lines => list(text.lines().collect()),
            Filter::Split => match self.text_arg(0)? {
                "" => list(text.split_whitespace().collect()),
                by => list(text.split(by).collect()),
            },
            Filter::Replace => {
                let (old, new) = (self.text_arg(0)?, self.text_arg(1)?);
                if old.is_empty() {
                    return Err(self.wrong("`replace` cannot look for an empty text"));
                }
                // Counted first: the product of two allowed texts would be far too long to make and then refuse.
                let grown = text.matches(old).count().saturating_mul(new.len());
                if grown.saturating_add(text.len()) > MAX_OUTPUT.saturating_mul(2) {
                    return Err(too_long(self.range));
                }
                limited(text.replace(old, new), whose, self.range)
            }
            _ => matched(text, whose, self.text_arg(0)?, self.range),
        }
    }

    fn length(&self, val: &Val) -> Result<Val, ExprError> {
        let n = match val {
            Val::Text(text) => text.data().chars().count(),
            Val::List(items) => items.len(),
            Val::Map(map) => map.len(),
            other => return Err(self.wants("text, a list or a map", other)),
        };
        Ok(Val::Int(i64::try_from(n).unwrap_or(i64::MAX)))
    }

    fn contains(&self, val: &Val) -> Result<Val, ExprError> {
        let what = self.arg(0).unwrap_or(&Val::None);
        contains(val, what, self.range).map(Val::Bool)
    }

    fn items(&self, val: Val) -> Result<Vec<Val>, ExprError> {
        match val {
            Val::List(items) => Ok(items),
            other => Err(self.wants("a list", &other)),
        }
    }

    fn list(&self, val: Val) -> Result<Val, ExprError> {
        let items = self.items(val)?;
        let empty = || {
            let message = format!("`{}` of an empty list has no value", self.filter.name());
            ExprError::new(ErrorKind::Undefined, message, self.range.clone())
                .help("add `| default(…)`, or ask its `| length` first")
        };
        match self.filter {
            Filter::First => items.into_iter().next().ok_or_else(empty),
            Filter::Last => items.into_iter().next_back().ok_or_else(empty),
            Filter::Min => self.extreme(items, false)?.ok_or_else(empty),
            Filter::Max => self.extreme(items, true)?.ok_or_else(empty),
            Filter::Sum => items
                .into_iter()
                .try_fold(None, |sum, item| {
                    let next = match (sum, item) {
                        (None, item @ (Val::Int(_) | Val::Num(_) | Val::Span(_))) => item,
                        (None, other) => return Err(self.wants("a list of numbers or durations", &other)),
                        (Some(sum), item) => add(sum, item, self.range)?,
                    };
                    Ok(Some(next))
                })
                .map(|sum| sum.unwrap_or(Val::Int(0))),
            Filter::Join => {
                let with = self.text_arg(0)?;
                let whose = items.iter().map(Val::whose).fold(self.whose(&Val::None), Ord::max);
                let mut out = String::new();
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push_str(with);
                    }
                    out.push_str(&print(item, self.range)?);
                    if out.len() > MAX_OUTPUT {
                        return Err(too_long(self.range));
                    }
                }
                Ok(whose.text(out))
            }
            _ => {
                let mut kept: Vec<Val> = Vec::new();
                for item in items {
                    if kept.len() > 5000 {
                        return Err(too_long(self.range));
                    }
                    if !kept.iter().any(|k| equal(k, &item)) {
                        kept.push(item);
                    }
                }
                Ok(Val::List(kept))
            }
        }
    }

    fn extreme(&self, items: Vec<Val>, greatest: bool) -> Result<Option<Val>, ExprError> {
        let mut best: Option<Val> = None;
        for item in items {
            let better = match &best {
                None => true,
                Some(b) => {
                    (compare(&item, b, self.range)? == std::cmp::Ordering::Greater) == greatest && !equal(&item, b)
                }
            };
            if better {
                best = Some(item);
            }
        }
        Ok(best)
    }

    fn reorder(&self, val: Val) -> Result<Val, ExprError> {
        let mut items = self.items(val)?;
        if self.filter == Filter::Map {
            let field = self.text_arg(0)?;
            let of = |item: Val| match item {
                Val::Map(mut map) => map.remove(field).ok_or_else(|| {
                    let message = format!("an item of the list has no `{field}`");
                    ExprError::new(ErrorKind::Undefined, message, self.range.clone())
                }),
                other => Err(self.wants("a list of maps", &other)),
            };
            return items.into_iter().map(of).collect::<Result<_, _>>().map(Val::List);
        }
        let reverse = match self.arg(0) {
            None => false,
            Some(Val::Bool(reverse)) => *reverse,
            Some(_) => return Err(self.wrong("`reverse` must be true or false")),
        };
        // All of one kind with the first: then each pair has an order, and sorting cannot meet one that has none.
        if let Some(first) = items.first() {
            items
                .iter()
                .try_for_each(|i| compare(first, i, self.range).map(|_| ()))?;
        }
        items.sort_by(|a, b| compare(a, b, self.range).unwrap_or(std::cmp::Ordering::Equal));
        if reverse {
            items.reverse();
        }
        Ok(Val::List(items))
    }
}

fn matched(text: &str, whose: Whose, pattern: &str, range: &Range<usize>) -> Result<Val, ExprError> {
    let regex = regex(pattern, range)?;
    if regex.captures_len() == 1 {
        return Ok(Val::Bool(regex.is_match(text)));
    }
    let Some(found) = regex.captures(text) else {
        return Ok(Val::None);
    };
    let group = |n| found.get(n).map_or(Val::None, |m| whose.text(m.as_str().to_owned()));
    Ok(Val::List((1..regex.captures_len()).map(group).collect()))
}

/// A compiled pattern. Matching is linear in the text by construction; size of pattern and program are limited here.
fn regex(pattern: &str, range: &Range<usize>) -> Result<regex::Regex, ExprError> {
    if pattern.len() > MAX_PATTERN {
        return Err(
            ExprError::new(ErrorKind::Limit, "the pattern is longer than 1000 bytes", range.clone())
                .help("put what needs more into a script"),
        );
    }
    let built = regex::RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .nest_limit(50)
        .build();
    built.map_err(|e| {
        let message = match e {
            regex::Error::CompiledTooBig(_) => "the pattern is too large when it is compiled".to_owned(),
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or("").trim().to_owned();
                format!("the pattern cannot be read: {}", last.trim_start_matches("error: "))
            }
        };
        ExprError::new(ErrorKind::Syntax, message, range.clone())
    })
}

fn to_json(val: &Val, range: &Range<usize>) -> Result<serde_json::Value, ExprError> {
    Ok(match val {
        Val::None => serde_json::Value::Null,
        Val::Bool(b) => (*b).into(),
        Val::Int(n) => (*n).into(),
        Val::Num(n) => (*n).into(),
        Val::Text(t) => t.data().into(),
        Val::Span(_) | Val::Time(_) => print(val, range)?.into(),
        Val::List(items) => items
            .iter()
            .map(|i| to_json(i, range))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Val::Map(map) => {
            let entry = |(k, v): (&String, &Val)| Ok((k.clone(), to_json(v, range)?));
            serde_json::Value::Object(map.iter().map(entry).collect::<Result<_, ExprError>>()?)
        }
        Val::Secret(_) => return Err(secret_refused(range)),
    })
}

/// A float that is a whole number and fits, as one.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub(super) fn whole(n: f64) -> Option<Val> {
    // 2^63 itself does not fit; every float below it does.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&n);
    fits.then_some(Val::Int(n as i64))
}

fn limited(text: String, whose: Whose, range: &Range<usize>) -> Result<Val, ExprError> {
    if text.len() > MAX_OUTPUT {
        return Err(too_long(range));
    }
    Ok(whose.text(text))
}

pub(super) fn too_long(range: &Range<usize>) -> ExprError {
    ExprError::new(ErrorKind::Limit, "the result is too large", range.clone())
        .help("cut it down on the host (`head`, `grep -c`) and register the smaller result")
}
