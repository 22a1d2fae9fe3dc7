//! What a runbook declares by name: parameters, targets, secrets, its window, objectives.

use jiff::Timestamp;

use super::{Cx, project_path};
use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Notice, Silence};
use crate::runbook::{Objective, ParamType, Parameter, SecretDecl, SecretSource, TargetSet, Value, WindowSpec};

const TYPES: &[(&str, ParamType)] = &[
    ("string", ParamType::String),
    ("int", ParamType::Int),
    ("number", ParamType::Number),
    ("bool", ParamType::Bool),
    ("duration", ParamType::Duration),
    ("timestamp", ParamType::Timestamp),
    ("list", ParamType::List),
];

impl Cx<'_> {
    pub(super) fn parameter(&mut self, entry: &Entry) -> Option<Parameter> {
        let mut f = Fields::of(&entry.value, &keys::PARAMETER, self.diags)?;
        let kind = f.word("type", TYPES);
        let known = kind.is_some();
        let kind = kind.map_or(ParamType::String, |k| k.value);
        // Without a type there is nothing to hold a value against.
        let value = |node: Option<&Node>, kind, cx: &mut Self| match node {
            Some(node) if known => cx.keep(typed(node, kind)),
            _ => None,
        };
        let default = value(f.node("default"), kind, self);
        let item = if kind == ParamType::List {
            ParamType::String
        } else {
            kind
        };
        let allowed = f
            .seq("allowed")
            .iter()
            .filter_map(|n| value(Some(n), item, self))
            .collect();
        let (min, max) = (f.node("min"), f.node("max"));
        let ordered = !matches!(kind, ParamType::String | ParamType::Bool | ParamType::List);
        if let Some(node) = min.or(max).filter(|_| known && !ordered) {
            let d = Diagnostic::error(
                "PS0113",
                "this type of parameter has no order",
                node.span.clone(),
                "a limit is not possible",
            );
            f.complain(
                d.help("`min` and `max` belong to int, number, duration and timestamp; use `allowed` or `pattern`"),
            );
        }
        let (min, max) = if ordered {
            (value(min, kind, self), value(max, kind, self))
        } else {
            (None, None)
        };
        let pattern = f.text("pattern");
        let description = f.text("description").map(|t| t.value);
        f.finish(self.diags);
        Some(Parameter {
            name: entry.key.clone(),
            kind,
            default,
            description,
            allowed,
            pattern,
            min,
            max,
        })
    }

    pub(super) fn target_set(&mut self, entry: &Entry) -> Option<TargetSet> {
        if let NodeKind::Seq(_) = entry.value.kind {
            let span = entry.value.span.clone();
            let written = span.text().lines().next().unwrap_or("").to_owned();
            let d = Diagnostic::error("PS0101", "a set of targets is a map", span, "this is a list");
            self.diags.push(d.help(format!("write `{{ hosts: {written} }}`")));
            return Some(TargetSet {
                name: entry.key.clone(),
                hosts: Vec::new(),
                select: None,
            });
        }
        let mut f = Fields::of(&entry.value, &keys::TARGET_SET, self.diags)?;
        let hosts = f.texts("hosts");
        let select = f.text("select");
        if f.has("hosts") == f.has("select") {
            let d = Diagnostic::error(
                "PS0125",
                "a set of targets has either `hosts` or `select`",
                entry.key.span.clone(),
                if f.has("hosts") {
                    "this one has both"
                } else {
                    "this one has neither"
                },
            );
            f.complain(d.help("write `{ hosts: [web1, web2] }` or `{ select: \"role=web env=prod\" }`"));
        }
        f.finish(self.diags);
        Some(TargetSet {
            name: entry.key.clone(),
            hosts,
            select,
        })
    }

    pub(super) fn secret(&mut self, entry: &Entry) -> Option<SecretDecl> {
        let from = secret_source(entry, self.diags)?;
        Some(SecretDecl {
            name: entry.key.clone(),
            from,
        })
    }

    pub(super) fn window(&mut self, node: &Node) -> Option<WindowSpec> {
        let mut f = Fields::of(node, &keys::WINDOW, self.diags)?;
        let duration = f.duration("duration");
        let cutoff = f.duration("cutoff").map(|d| d.value);
        let reserve = f.duration("reserve").map(|d| d.value);
        let timezone = f.text("timezone");
        let not_during = f.texts("not_during");
        let schedule = f.node("schedule");
        if let Some(start) = f.misplaced("start") {
            let d = Diagnostic::error(
                "PS0127",
                "a runbook does not say when its window begins",
                start.key.span.clone(),
                "this is said for one change",
            );
            f.complain(d.help("write it in the change file, under `window`, or plan with `--start`"));
        }
        f.finish(self.diags);
        let not_during = not_during.into_iter().filter_map(|p| self.path(Some(p))).collect();
        let schedule = schedule.and_then(|n| self.schedule(n));
        Some(WindowSpec {
            duration: duration?,
            cutoff,
            reserve,
            timezone,
            not_during,
            schedule,
        })
    }

    pub(super) fn objective(&mut self, entry: &Entry) -> Option<Objective> {
        let mut f = Fields::of(&entry.value, &keys::OBJECTIVE, self.diags)?;
        let (from, to) = (f.text("from"), f.text("to"));
        let max = f.duration("max");
        let less_waiting = f.bool("less_waiting").is_some_and(|b| b.value);
        f.finish(self.diags);
        Some(Objective {
            name: entry.key.clone(),
            from: from?,
            to: to?,
            max: max?.value,
            less_waiting,
        })
    }

    pub(super) fn silence(&mut self, node: &Node) -> Option<Silence> {
        let mut f = Fields::of(node, &keys::SILENCE, self.diags)?;
        let via = f.text("via");
        let matchers = self.pairs(f.map("match"));
        f.finish(self.diags);
        Some(Silence { via: via?, matchers })
    }

    pub(super) fn notice(&mut self, node: &Node) -> Option<Notice> {
        let mut f = Fields::of(node, &keys::NOTIFY, self.diags)?;
        let (events, via) = (f.choices("events"), f.text("via"));
        f.finish(self.diags);
        Some(Notice { events, via: via? })
    }

    /// A path of the project.
    pub(super) fn path(&mut self, path: Option<Spanned<String>>) -> Option<Spanned<String>> {
        self.keep(project_path(path?))
    }
}

/// Where a secret comes from.
pub fn secret_source(entry: &Entry, diags: &mut Diagnostics) -> Option<SecretSource> {
    fields::hide_secret(&entry.value, &keys::SECRET);
    if let NodeKind::Scalar { .. } = entry.value.kind {
        let d = Diagnostic::error(
            "PS0126",
            format!("the secret `{}` is written into the file", entry.key.value),
            entry.value.span.clone(),
            "this is a value, not where it comes from",
        );
        diags.push(d.help("write where it comes from: `{ from: env, name: VAR }`, `{ from: file, path: … }`, `{ from: prompt }` or `{ from: provider, provider: NAME }`").help("if this was a real secret, change it: it is in the history of the repository"));
        return None;
    }
    let mut f = Fields::of(&entry.value, &keys::SECRET, diags)?;
    let kinds = ["env", "file", "prompt", "provider"].map(|k| (k, k));
    let from = f.word("from", &kinds).map(|k| k.value);
    let (name, path) = (f.text("name"), f.text("path"));
    let (provider, args) = (f.text("provider"), f.texts("args"));
    let own: &[&'static str] = match from {
        Some("env") => &["name"],
        Some("file") => &["path"],
        Some("provider") => &["provider", "args"],
        _ => &[],
    };
    own.first().into_iter().for_each(|key| f.require(key));
    if let Some(from) = from {
        for key in f
            .keys()
            .filter(|k| k.value != "from" && !own.contains(&k.value.as_str()))
        {
            if keys::SECRET.key(key).is_some() {
                f.complain(other_source(key, from));
            }
        }
    }
    let from = match from {
        Some("env") => name.map(|name| SecretSource::Env { name: name.value }),
        Some("file") => path.map(|path| SecretSource::File { path: path.value }),
        Some("provider") => provider.map(|provider| SecretSource::Provider {
            provider: provider.value,
            args: args.into_iter().map(|a| a.value).collect(),
        }),
        _ => None,
    };
    f.finish(diags);
    // A secret that could not be read is still declared: its uses are no further mistakes.
    Some(from.unwrap_or(SecretSource::Prompt))
}

/// A key of a secret that belongs to another source.
fn other_source(key: &Spanned<String>, from: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0136",
        format!("a secret `from: {from}` has no `{}`", key.value),
        key.span.clone(),
        "this key belongs to another source",
    )
    .help("the keys are `name` of `env`, `path` of `file`, and `provider` and `args` of `provider`")
}

/// The value of a parameter of this type as a file writes it.
pub fn typed(node: &Node, kind: ParamType) -> Result<Spanned<Value>, Diagnostic> {
    let at = |value| Spanned::new(value, node.span.clone());
    match kind {
        ParamType::Int => fields::int(node, i64::MIN, i64::MAX).map(|n| at(Value::Int(n.value))),
        ParamType::Bool => fields::bool(node).map(|b| at(Value::Bool(b.value))),
        ParamType::Duration => fields::duration(node).map(|d| at(typed_duration(d.value))),
        ParamType::List => {
            let items = fields::seq(node, "")?;
            let texts: Result<Vec<_>, _> = items
                .iter()
                .map(|n| fields::text(n).map(|t| Value::Text(t.value)))
                .collect();
            texts.map(|t| at(Value::List(t)))
        }
        ParamType::String | ParamType::Number | ParamType::Timestamp => {
            let text = fields::text(node)?;
            match typed_text(&text, kind) {
                Some(value) => Ok(at(value)),
                None if kind == ParamType::Number => Err(wrong(&text, "a number").help("write 12 or 0.5")),
                None => Err(wrong(&text, "a timestamp")
                    .help("write it as RFC 3339 with its zone: \"2026-12-06T01:00:00+01:00\"")),
            }
        }
    }
}

fn wrong(text: &Spanned<String>, wanted: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0112",
        format!("expected {wanted}, found `{}`", text.value),
        text.span.clone(),
        format!("this is not {wanted}"),
    )
}

fn typed_duration(d: std::time::Duration) -> Value {
    Value::Duration {
        duration_ms: u64::try_from(d.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The value of a parameter of this type as a person types it (`--set`); a list is split at commas. `None`: it is no such value.
pub fn typed_text(text: &str, kind: ParamType) -> Option<Value> {
    match kind {
        ParamType::String => Some(Value::Text(text.to_owned())),
        ParamType::Int => text.parse().ok().map(Value::Int),
        ParamType::Number => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number),
        ParamType::Bool => text.parse().ok().map(Value::Bool),
        ParamType::Duration => duration::parse(text.trim()).map(typed_duration),
        ParamType::Timestamp => text
            .parse::<Timestamp>()
            .ok()
            .map(|timestamp| Value::Timestamp { timestamp }),
        ParamType::List if text.is_empty() => Some(Value::List(Vec::new())),
        ParamType::List => Some(Value::List(
            text.split(',').map(|t| Value::Text(t.trim().to_owned())).collect(),
        )),
    }
}
