//! The built-in actions: their fields, and which of them go together.
//!
//! Owns: these forms. Must not: judge where a step stands (`check`), or ask which host it is for (`plan::bind`).

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use super::Cx;
use super::action::octal;
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::builtin::{
    Baseline, BuiltIn, Check, CompareMode, Conffiles, Names, PackageState, Patch, PatchMode, RebootLimits,
    ServiceState, Side,
};
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys::{self, Kind, Shape};
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{Action, Text, Value};

const LOCK_WAIT: Duration = Duration::from_secs(300);
const SLOW: Duration = Duration::from_secs(600);
const QUICK: Duration = Duration::from_secs(300);

const SERVICE_STATES: &[(&str, ServiceState)] = &[
    ("running", ServiceState::Running),
    ("stopped", ServiceState::Stopped),
    ("restarted", ServiceState::Restarted),
    ("reloaded", ServiceState::Reloaded),
];
const PACKAGE_STATES: &[(&str, PackageState)] = &[
    ("present", PackageState::Present),
    ("absent", PackageState::Absent),
    ("latest", PackageState::Latest),
];
const CONFFILES: &[(&str, Conffiles)] = &[
    ("keep", Conffiles::Keep),
    ("new", Conffiles::New),
    ("fail", Conffiles::Fail),
];
const COMPARE_MODES: &[(&str, CompareMode)] = &[
    ("exact", CompareMode::Exact),
    ("rows", CompareMode::Rows),
    ("schema", CompareMode::Schema),
    ("digest", CompareMode::Digest),
    ("bounded", CompareMode::Bounded),
];

impl Cx<'_> {
    pub(super) fn built_in(&mut self, word: &str, node: &Node) -> Option<Action> {
        let mut texts = Vec::new();
        let what = match word {
            "edit" => self.edit(node, &mut texts)?,
            "check" => BuiltIn::Check(self.check(node, &mut texts)?),
            "service" => self.service(node, &mut texts)?,
            "package" => self.package(node, &mut texts)?,
            "patch" => BuiltIn::Patch(self.patch(node, &mut texts)?),
            "reboot" => self.reboot(node)?,
            "compare" => self.compare(node, &mut texts)?,
            _ => BuiltIn::Baseline(self.baseline(node)?),
        };
        Some(Action::BuiltIn { what, texts })
    }

    fn edit(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<BuiltIn> {
        let mut f = Fields::of(node, &keys::EDIT, self.diags)?;
        let file = template(&mut f, "file", texts);
        let find = f.text("find");
        if let Some(find) = &find
            && let Err(error) = Regex::new(find)
        {
            f.complain(crate::runbook::check::bad_regex(find, &error));
        }
        let put = template(&mut f, "put", texts);
        let count = f.count("count").map_or(1, |n| n.value);
        f.finish(self.diags);
        Some(BuiltIn::Edit {
            file: file?,
            find: find?.value,
            put: put?,
            count,
        })
    }

    /// `check`, also that of `wait_for`.
    pub(super) fn check(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<Check> {
        let mut f = Fields::of(node, &keys::CHECK, self.diags)?;
        let (warn, crit) = (range(&mut f, "warn"), range(&mut f, "crit"));
        let mut found = None;
        for key in keys::CHECK_KINDS {
            if let (Some(entry), Kind::Map(shape)) = (f.entry(key.name), key.kind) {
                let fields = self.values(&entry.value, shape, texts);
                found = fields.map(|fields| (key.name, fields));
            }
        }
        let (holds, every) = (f.duration("for"), f.duration("every"));
        if let (None, Some(every)) = (&holds, &every) {
            let d = together("`every` belongs to `for`", &every.span, "it is looked once");
            f.complain(d.help("write `for: 1m` beside it, or delete it"));
        }
        let compare_to = f.text("compare_to");
        f.exactly_one();
        f.finish(self.diags);
        let (kind, fields) = found?;
        Some(Check {
            kind: kind.to_owned(),
            fields,
            warn,
            crit,
            for_ms: holds.map(|d| millis(d.value)),
            every_ms: every.map(|d| millis(d.value)),
            compare_to: compare_to.map(|step| step.value),
        })
    }

    /// A map whose keys are all read as their table says.
    fn values(&mut self, node: &Node, shape: &'static Shape, texts: &mut Vec<Text>) -> Option<BTreeMap<String, Value>> {
        let mut f = Fields::of(node, shape, self.diags)?;
        let mut values = BTreeMap::new();
        for key in shape.all() {
            let value = match key.kind {
                Kind::Bool => f.bool(key.name).map(|b| Value::Bool(b.value)),
                Kind::Int(..) => f.int(key.name).map(|n| Value::Int(n.value)),
                Kind::Duration => f.duration(key.name).map(|d| Value::Duration {
                    duration_ms: millis(d.value),
                }),
                Kind::List(_) => {
                    let items = list(f.texts(key.name), texts);
                    f.has(key.name)
                        .then(|| Value::List(items.into_iter().map(Value::Text).collect()))
                }
                Kind::Word(_) => f.choice(key.name).map(|w| Value::Text(w.value.to_owned())),
                Kind::Number(min, max) => number(&mut f, key.name, min, max),
                // The only numbers that may be templates here.
                Kind::Rendered(_) => {
                    let port = f.text(key.name).map(|port| self.port(port));
                    port.map(|port| Value::Text(keep(port, texts)))
                }
                Kind::Mode => f.text(key.name).and_then(|mode| {
                    octal(&mode).map_err(|d| f.complain(d)).ok()?;
                    Some(Value::Text(mode.value))
                }),
                // The one text of a check that a shell reads.
                _ if key.name == "run" => f.text("run").map(|text| {
                    let value = Value::Text(text.value.clone());
                    texts.push(Text { text, command: true });
                    value
                }),
                _ => template(&mut f, key.name, texts).map(Value::Text),
            };
            values.extend(value.map(|v| (key.name.to_owned(), v)));
        }
        if !shape.one_of.is_empty() {
            f.exactly_one();
        }
        f.finish(self.diags);
        Some(values)
    }

    fn service(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<BuiltIn> {
        let mut f = Fields::of(node, &keys::SERVICE, self.diags)?;
        let name = template(&mut f, "name", texts);
        let state = f.word("state", SERVICE_STATES).map(|s| s.value);
        let enabled = f.bool("enabled").map(|b| b.value);
        if !f.has("state") && !f.has("enabled") {
            let d = together("`service` says what to do with it", f.head(), "nothing would change");
            f.complain(d.help("write `state: restarted` (or running, stopped, reloaded), or `enabled: true`"));
        }
        f.finish(self.diags);
        Some(BuiltIn::Service {
            name: name?,
            state,
            enabled,
        })
    }

    fn package(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<BuiltIn> {
        let mut f = Fields::of(node, &keys::PACKAGE, self.diags)?;
        let names = names(&mut f, "names", texts);
        let state = f.word("state", PACKAGE_STATES).map(|s| s.value).unwrap_or_default();
        let written = f.text("version");
        let hold = f.bool("hold").map(|b| b.value);
        let one = matches!(&names, Some(Names::List(list)) if list.len() == 1);
        if let Some(version) = &written
            && (state != PackageState::Present || names.is_some() && !one)
        {
            let d = together(
                "`version` is for one package that is to be present",
                &version.span,
                "these are several, or have another state",
            );
            f.complain(d.help("make a step for each package that has a version of its own"));
        }
        let version = written.map(|t| keep(t, texts));
        f.finish(self.diags);
        Some(BuiltIn::Package {
            names: names?,
            state,
            version,
            hold,
        })
    }

    fn patch(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<Patch> {
        let mut f = Fields::of(node, &keys::PATCH, self.diags)?;
        let mode = f.word("mode", &[("scan", PatchMode::Scan), ("install", PatchMode::Install)]);
        let classes = f.choices("classes");
        let only = names(&mut f, "only", texts);
        let exclude = list(f.texts("exclude"), texts);
        let conffiles = f.word("conffiles", CONFFILES).map(|c| c.value);
        let stash_old = f.bool("stash_old").is_none_or(|b| b.value);
        let lock_wait = f.duration("lock_wait").map_or(LOCK_WAIT, |d| d.value);
        if mode.as_ref().is_some_and(|m| m.value == PatchMode::Scan) {
            for key in f.keys().filter(|k| matches!(k.as_str(), "conffiles" | "stash_old")) {
                let message = format!("`{}` belongs to `mode: install`", key.value);
                let d = together(&message, &key.span, "a scan installs nothing");
                f.complain(d.help(format!("delete `{}`", key.value)));
            }
        }
        f.finish(self.diags);
        Some(Patch {
            mode: mode?.value,
            classes,
            only,
            exclude,
            conffiles,
            lock_wait_ms: millis(lock_wait),
            stash_old,
        })
    }

    fn reboot(&mut self, node: &Node) -> Option<BuiltIn> {
        let mut f = Fields::of(node, &keys::REBOOT, self.diags)?;
        let needed = f.word("if", &[("needed", true), ("always", false)]);
        let limits = match f.node("limits") {
            Some(node) => self.reboot_limits(node)?,
            None => RebootLimits {
                down_ms: millis(QUICK),
                port_ms: millis(SLOW),
                login_ms: millis(QUICK),
                ready_ms: millis(QUICK),
            },
        };
        let settle = f.duration("settle").map_or(Duration::ZERO, |d| d.value);
        f.finish(self.diags);
        Some(BuiltIn::Reboot {
            only_if_needed: needed?.value,
            limits,
            settle_ms: millis(settle),
        })
    }

    fn reboot_limits(&mut self, node: &Node) -> Option<RebootLimits> {
        let mut f = Fields::of(node, &keys::REBOOT_LIMITS, self.diags)?;
        let mut limit = |key, default| millis(f.duration(key).map_or(default, |d| d.value));
        let limits = RebootLimits {
            down_ms: limit("down", QUICK),
            port_ms: limit("port", SLOW),
            login_ms: limit("login", QUICK),
            ready_ms: limit("ready", QUICK),
        };
        f.finish(self.diags);
        Some(limits)
    }

    fn compare(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<BuiltIn> {
        let mut f = Fields::of(node, &keys::COMPARE, self.diags)?;
        let mode = f.word("mode", COMPARE_MODES);
        let left = f.node("left").and_then(|n| self.side(n, texts));
        let right = f.node("right").and_then(|n| self.side(n, texts));
        let tolerance = f.text("tolerance");
        let bounded = mode.as_ref().is_some_and(|m| m.value == CompareMode::Bounded);
        match &tolerance {
            Some(text) if !bounded => {
                let d = together(
                    "`tolerance` belongs to `mode: bounded`",
                    &text.span,
                    "nothing would read it",
                );
                f.complain(d.help("delete it, or write `mode: bounded`"));
            }
            Some(text) if !is_tolerance(text) => {
                let message = format!("`{}` is no tolerance", text.value);
                let d = together(&message, &text.span, "a number, or a percentage");
                f.complain(d.help("write 10 or \"0.1%\""));
            }
            None if bounded => f.require("tolerance"),
            _ => {}
        }
        f.finish(self.diags);
        Some(BuiltIn::Compare {
            left: left?,
            right: right?,
            mode: mode?.value,
            tolerance: tolerance.map(|t| t.value),
        })
    }

    fn side(&mut self, node: &Node, texts: &mut Vec<Text>) -> Option<Side> {
        let mut f = Fields::of(node, &keys::SIDE, self.diags)?;
        let host = f.text("host").map(|t| keep(t, texts));
        let run = f.text("run");
        let become_ = f.node("become").and_then(|n| self.become_user(n));
        f.finish(self.diags);
        let run = run?;
        texts.push(Text {
            text: run.clone(),
            command: true,
        });
        Some(Side {
            host,
            by_host: BTreeMap::new(),
            become_,
            run: run.value,
        })
    }

    fn baseline(&mut self, node: &Node) -> Option<Baseline> {
        let mut f = Fields::of(node, &keys::BASELINE, self.diags)?;
        let (capture, diff) = (f.choices("capture"), f.text("diff"));
        f.exactly_one();
        if f.has("capture") && capture.is_empty() {
            let d = together("a baseline notes something", f.head(), "this list is empty");
            f.complain(d.help("write `capture: [packages, services]`"));
        }
        f.finish(self.diags);
        match diff {
            Some(step) => Some(Baseline::Diff(step.value)),
            None if capture.is_empty() => None,
            None => Some(Baseline::Capture(capture)),
        }
    }
}

/// Keys that need or exclude one another.
fn together(message: &str, span: &crate::diag::Span, label: &str) -> Diagnostic {
    Diagnostic::error("PS0138", message, span.clone(), label)
}

fn keep(text: Spanned<String>, texts: &mut Vec<Text>) -> String {
    let value = text.value.clone();
    texts.push(Text { text, command: false });
    value
}

fn template(f: &mut Fields<'_>, key: &'static str, texts: &mut Vec<Text>) -> Option<String> {
    f.text(key).map(|text| keep(text, texts))
}

fn list(written: Vec<Spanned<String>>, texts: &mut Vec<Text>) -> Vec<String> {
    written.into_iter().map(|text| keep(text, texts)).collect()
}

/// A list of texts, or one text.
fn names(f: &mut Fields<'_>, key: &'static str, texts: &mut Vec<Text>) -> Option<Names> {
    let node = f.node(key)?;
    let one = |node: &Node, f: &mut Fields<'_>| fields::text(node).map_err(|d| f.complain(d)).ok();
    match &node.kind {
        NodeKind::Seq(items) => {
            let written: Vec<_> = items.iter().filter_map(|n| one(n, f)).collect();
            Some(Names::List(list(written, texts)))
        }
        _ => {
            let text = keep(one(node, f)?, texts);
            Some(if text.contains("{{") {
                Names::Rendered(text)
            } else {
                Names::List(vec![text])
            })
        }
    }
}

fn number(f: &mut Fields<'_>, key: &'static str, min: f64, max: f64) -> Option<Value> {
    let text = f.text(key)?;
    let number = text.parse::<f64>().ok().filter(|n| (min..=max).contains(n));
    if number.is_none() {
        f.complain(Diagnostic::error(
            "PS0108",
            format!("`{key}` cannot be `{}`", text.value),
            text.span.clone(),
            format!("a number from {min} to {max}"),
        ));
    }
    number.map(Value::Number)
}

/// A range in the grammar of monitoring plugins.
fn range(f: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let text = f.text(key)?;
    if !Regex::new(keys::RANGE).is_ok_and(|r| r.is_match(&text)) {
        let d = Diagnostic::error(
            "PS0139",
            format!("`{}` is no range", text.value),
            text.span.clone(),
            "what is good is written here",
        );
        f.complain(d.help("write \"10\" (from 0 to 10), \"10:\" (10 or more), \"~:10\" (10 or less), \"10:20\", or \"@10:20\" (outside of it)"));
        return None;
    }
    Some(text.value)
}

fn is_tolerance(text: &str) -> bool {
    let number = text.strip_suffix('%').unwrap_or(text);
    number.parse::<f64>().is_ok_and(|n| n.is_finite() && n >= 0.0)
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
