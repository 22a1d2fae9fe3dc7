//! From a planned step to a job: late values filled in, just before the step is sent.
//!
//! Owns: rendering, and the words that stand in the journal for what is sent. Must not: send anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::sides::unplaced;
use crate::action::check::{Asked, Check};
use crate::action::packages::{self, Install, Package, Scan};
use crate::action::proven::{Proven, Unseen};
use crate::action::reboot::Reboot;
use crate::action::service::Service;
use crate::action::{self, Former, Work, baseline, edit};
use crate::id::{Content, HostName, RunId};
use crate::plan::{Baseline, BuiltIn, Call, Names, Patch, PatchMode, PlannedStep, PlannedUndo, Value};
use crate::runbook::duration;
use crate::runbook::expr::{Expr, ExprError, Mode, Scope, Shell, Template};
use crate::secret::Secret;
use crate::transport::Command;

/// What rendering needs beside the scope.
pub(super) struct Materials<'a> {
    /// Files of the repository, as the plan froze them.
    pub files: &'a BTreeMap<String, Arc<Content>>,
    /// What an upload found, or a built-in, for the undo of it.
    pub former: Option<&'a Former>,
    /// What this step itself found just now.
    pub found: Option<&'a Former>,
    /// The call that is taken back, if it is.
    pub of: Option<&'a Call>,
    /// The run: what it puts on a host is called after it.
    pub run: &'a RunId,
    /// What a baseline notes.
    pub noted: Option<&'a [String]>,
}

/// A rendered step.
pub(super) struct Rendered {
    pub work: Work,
    /// For the journal and the screen; still to be redacted.
    pub words: String,
    pub env: Vec<(String, Secret)>,
    pub stdin: Option<Secret>,
}

/// Renders a step; the error says which expression and why.
pub(super) fn step(step: &PlannedStep, scope: &Scope, materials: &Materials<'_>) -> Result<Rendered, String> {
    let (work, words) = call(&step.call, scope, materials)?;
    if let Work::Prove {
        action,
        former: Some(former),
    } = &work
        && let PlannedUndo::Steps(undo) = &step.undo
        && undo.iter().any(|u| matches!(u.call, Call::Revert { .. }))
        && let Some(why) = action.no_way_back(former)
    {
        return Err(format!("{why}; `undo: {{ none: REASON }}` would go on all the same"));
    }
    let mut env = Vec::new();
    for (name, value) in &step.env {
        env.push((name.clone(), secret(value, scope)?));
    }
    let stdin = step.stdin.as_deref().map(|s| secret(s, scope)).transpose()?;
    Ok(Rendered {
        work,
        words,
        env,
        stdin,
    })
}

/// True or false, nothing else.
pub(super) fn truth(expression: &str, scope: &Scope) -> Result<bool, String> {
    Expr::parse(expression)
        .and_then(|e| e.truth(scope))
        .map_err(|e| said(expression, &e))
}

/// A value that keeps its kind.
pub(super) fn value(template: &str, scope: &Scope) -> Result<Value, String> {
    Template::parse(template)
        .and_then(|t| t.render_value(scope))
        .map_err(|e| said(template, &e))
}

/// Text for anything but a shell.
pub(super) fn text(template: &str, scope: &Scope) -> Result<String, String> {
    render(template, scope, Mode::Text)
}

fn command(template: &str, scope: &Scope) -> Result<String, String> {
    render(template, scope, Mode::Command(Shell::Sh))
}

fn render(template: &str, scope: &Scope, mode: Mode) -> Result<String, String> {
    Template::parse(template)
        .and_then(|t| t.render(scope, mode))
        .map_err(|e| said(template, &e))
}

fn secret(template: &str, scope: &Scope) -> Result<Secret, String> {
    Template::parse(template)
        .and_then(|t| t.render_secret(scope))
        .map_err(|e| said(template, &e))
}

fn said(text: &str, error: &ExprError) -> String {
    let part = text.get(error.range.clone()).unwrap_or(text).trim();
    format!("`{part}`: {}", error.message)
}

fn call(call: &Call, scope: &Scope, materials: &Materials<'_>) -> Result<(Work, String), String> {
    match call {
        Call::Run { command: script } => {
            let script = command(script, scope)?;
            Ok((Work::Command(Command::Shell(script.clone())), script))
        }
        Call::Argv { argv } => {
            let argv = argv.iter().map(|a| text(a, scope)).collect::<Result<Vec<_>, _>>()?;
            let words = format!("{argv:?}");
            Ok((Work::Command(Command::Argv(argv)), words))
        }
        Call::Script {
            file,
            interpreter,
            args,
        } => {
            let args = args.iter().map(|a| text(a, scope)).collect::<Result<Vec<_>, _>>()?;
            let words = format!("{file} {}", args.join(" ")).trim_end().to_owned();
            let content = content(file, materials)?;
            Ok((
                Work::Command(Command::Script {
                    content,
                    interpreter: interpreter.clone(),
                    args,
                }),
                words,
            ))
        }
        Call::Upload { .. } | Call::Restore { .. } | Call::Download { .. } => file(call, scope, materials),
        Call::Http {
            method,
            url,
            headers,
            body,
        } => {
            let url = text(url, scope)?;
            let mut lines = Vec::new();
            for (name, value) in headers {
                lines.push((name.clone(), secret(value, scope)?));
            }
            let body = body.as_deref().map(|b| secret(b, scope)).transpose()?;
            let words = format!("{method} {url}");
            Ok((
                Work::Http {
                    method: method.clone(),
                    url,
                    headers: lines,
                    body,
                },
                words,
            ))
        }
        Call::Assert { that } => Ok((Work::Holds(truth(that, scope)?), that.clone())),
        Call::WaitPort { .. } | Call::WaitPath { .. } | Call::WaitConnection { .. } | Call::WaitTime { .. } => {
            wait(call, scope)
        }
        Call::Manual { text: task } => Ok((Work::Holds(false), text(task, scope)?)),
        // Such a plan is refused before it starts; should one come this far, nothing is done.
        Call::BuiltIn(BuiltIn::Edit { file, find, put, count }) => {
            let work = Work::Edit {
                file: text(file, scope)?,
                find: find.clone(),
                put: text(put, scope)?,
                count: *count,
                former: materials.found.cloned(),
            };
            let words = edit::words(&text(file, scope)?, find);
            match materials.found.map(|_| action::work_of_edit(&work)) {
                Some(edited) => edited.map(|_| (work, words)),
                None => Ok((work, words)),
            }
        }
        Call::BuiltIn(BuiltIn::Check(written)) => {
            let check = check(written, scope, materials)?;
            let words = check.words();
            Ok((Work::Check(Arc::new(check)), words))
        }
        Call::BuiltIn(BuiltIn::Compare {
            left,
            right,
            mode,
            tolerance,
        }) => {
            let runs = [command(&left.run, scope)?, command(&right.run, scope)?];
            let compare = unplaced(*mode, tolerance.as_ref(), runs);
            let words = compare.words();
            Ok((Work::Compare(Arc::new(compare)), words))
        }
        Call::WaitCheck {
            check: written,
            every_ms,
        } => {
            let check = Arc::new(check(written, scope, materials)?);
            let words = check.words();
            let every = Duration::from_millis((*every_ms).max(100));
            Ok((Work::WaitCheck { check, every }, words))
        }
        Call::BuiltIn(BuiltIn::Patch(patch)) if patch.mode == PatchMode::Scan => {
            let scan = scan(patch, scope, materials)?;
            let words = scan.words();
            Ok((Work::Scan(Arc::new(scan)), words))
        }
        Call::BuiltIn(BuiltIn::Baseline(what)) => {
            let kinds = materials.noted.ok_or("the plan has no step that notes it")?;
            let words = match what {
                Baseline::Capture(_) => format!("note {}", kinds.join(", ")),
                Baseline::Diff(step) => format!("what changed since {step}: {}", kinds.join(", ")),
            };
            Ok((Work::Command(Command::Shell(baseline::script(kinds))), words))
        }
        Call::BuiltIn(BuiltIn::Reboot {
            only_if_needed,
            limits,
            settle_ms,
        }) => {
            let reboot = Reboot {
                only_if_needed: *only_if_needed,
                limits: *limits,
                settle: Duration::from_millis(*settle_ms),
            };
            let former = materials.found.map(state).transpose()?;
            let words = reboot.words(former);
            let former = former.map(str::to_owned);
            Ok((Work::Reboot { reboot, former }, words))
        }
        Call::BuiltIn(_) | Call::Revert { .. } => {
            let action = proven(call, scope, materials)?;
            let former = materials.found.map(state).transpose()?;
            let words = match former {
                Some(former) => action.todo(former)?.words,
                None => action.words(),
            };
            let former = former.map(str::to_owned);
            Ok((Work::Prove { action, former }, words))
        }
        other @ (Call::Powershell { .. } | Call::ByOs { .. }) => {
            Err(format!("this build cannot perform `{}`", other.word()))
        }
    }
}

/// A check, its texts rendered. What a shell reads is rendered for it; what its fields become there is quoted by the check itself.
fn check(written: &crate::plan::Check, scope: &Scope, materials: &Materials<'_>) -> Result<Check, String> {
    let mut asked = written.fields.clone();
    for (name, value) in &mut asked {
        match value {
            Value::Text(template) if name == "run" => *template = command(template, scope)?,
            Value::Text(template) => *template = text(template, scope)?,
            Value::List(items) => {
                for item in items {
                    if let Value::Text(template) = item {
                        *template = text(template, scope)?;
                    }
                }
            }
            _ => {}
        }
    }
    let shown = crate::plan::Check {
        fields: asked.clone(),
        ..written.clone()
    };
    let mut asked = Asked(asked);
    if let Some(file) = shown.script() {
        asked.script_is(&content(file, materials)?)?;
    }
    Check::new(written, asked, shown.to_string())
}

/// The action that a call is, its texts rendered; for an undo, the one that brings back what was.
pub(super) fn proven(call: &Call, scope: &Scope, materials: &Materials<'_>) -> Result<Arc<dyn Proven>, String> {
    match call {
        Call::BuiltIn(BuiltIn::Service { name, state, enabled }) => Ok(Arc::new(Service {
            name: text(name, scope)?,
            state: *state,
            enabled: *enabled,
        })),
        Call::BuiltIn(BuiltIn::Package {
            names,
            state,
            version,
            hold,
        }) => Ok(Arc::new(Package {
            run: materials.run.to_string(),
            names: packages::names(self::names(names, scope)?)?,
            state: *state,
            version: version.as_deref().map(|v| text(v, scope)).transpose()?,
            hold: *hold,
        })),
        Call::BuiltIn(BuiltIn::Patch(patch)) => {
            let conffiles = patch.conffiles.ok_or("an install says what happens to `conffiles`")?;
            Ok(Arc::new(Install::new(
                scan(patch, scope, materials)?,
                conffiles,
                patch.stash_old,
            )))
        }
        Call::Revert { .. } => {
            let of = materials.of.ok_or("the plan has no such step")?;
            let of = proven(of, scope, materials)?;
            match materials.former {
                Some(former) => of.back(state(former)?),
                None => Ok(Arc::new(Unseen(of.words()))),
            }
        }
        other => Err(format!("this build cannot perform `{}`", other.word())),
    }
}

/// Which updates a `patch` is about.
fn scan(patch: &Patch, scope: &Scope, materials: &Materials<'_>) -> Result<Scan, String> {
    let only = patch.only.as_ref().map(|only| names(only, scope)).transpose()?;
    let exclude = patch
        .exclude
        .iter()
        .map(|name| text(name, scope))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Scan::new(
        materials.run.to_string(),
        Duration::from_millis(patch.lock_wait_ms),
        patch.classes.clone(),
        only.map(packages::names).transpose()?,
        packages::names(exclude)?,
    ))
}

/// Names that were written one by one, or come as a list.
fn names(names: &Names, scope: &Scope) -> Result<Vec<String>, String> {
    match names {
        Names::List(list) => list.iter().map(|name| text(name, scope)).collect(),
        Names::Rendered(template) => match value(template, scope)? {
            Value::Text(one) => Ok(vec![one]),
            Value::List(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::Text(name) => Ok(name),
                    other => Err(format!("`{template}` holds {}, which is no name", other.plain())),
                })
                .collect(),
            _ => Err(format!("`{template}` gives no names")),
        },
    }
}

/// A captured state as text.
fn state(former: &Former) -> Result<&str, String> {
    let bytes = former.content.as_deref().ok_or("nothing was captured")?;
    std::str::from_utf8(bytes).map_err(|_| "what was captured is no text".to_owned())
}

fn file(call: &Call, scope: &Scope, materials: &Materials<'_>) -> Result<(Work, String), String> {
    match call {
        Call::Upload {
            src,
            dest,
            mode,
            owner,
            template,
            validate,
        } => {
            let mut bytes = content(src, materials)?;
            if *template {
                let raw = std::str::from_utf8(&bytes)
                    .map_err(|_| format!("{src} is no UTF-8 text, so it cannot be a template"))?;
                bytes = Arc::new(secret(raw, scope)?.expose().as_bytes().to_vec().into());
            }
            let dest = text(dest, scope)?;
            let owner = owner.as_deref().map(|o| text(o, scope)).transpose()?;
            let validate = validate.as_deref().map(|v| command(v, scope)).transpose()?;
            let words = format!("{src} to {dest}");
            Ok((
                Work::Put {
                    content: bytes,
                    dest,
                    mode: *mode,
                    owner,
                    validate,
                },
                words,
            ))
        }
        Call::Restore { .. }
            if let (None, Some(Call::BuiltIn(BuiltIn::Edit { file, find, .. }))) = (materials.former, materials.of) =>
        {
            let action = Arc::new(Unseen(edit::words(&text(file, scope)?, find)));
            let words = action.words();
            Ok((Work::Prove { action, former: None }, words))
        }
        Call::Restore { dest, .. } => {
            let former = materials.former.ok_or("nothing was captured before the upload")?;
            let dest = text(dest, scope)?;
            let words = match former.content {
                Some(_) => format!("the former content back to {dest}"),
                None => format!("{dest} away: it was not there before"),
            };
            let content = former.content.clone().map(|bytes| Arc::new(bytes.into()));
            Ok((
                Work::Restore {
                    former: content,
                    mode: former.mode,
                    dest,
                },
                words,
            ))
        }
        Call::Download { src, max_bytes } => {
            let src = text(src, scope)?;
            Ok((
                Work::Get {
                    src: src.clone(),
                    max_bytes: *max_bytes,
                },
                src,
            ))
        }
        _ => Err("this is no action on files".to_owned()),
    }
}

fn wait(call: &Call, scope: &Scope) -> Result<(Work, String), String> {
    let every = |ms: &u64| Duration::from_millis((*ms).max(100));
    match call {
        Call::WaitPort { host, port, every_ms } => {
            let host = host.as_deref().map(|h| text(h, scope)).transpose()?;
            let number = text(port, scope)?;
            let port: u16 = number.trim().parse().map_err(|_| format!("`{number}` is no port"))?;
            let words = format!("port {port} of {}", host.as_deref().unwrap_or("127.0.0.1"));
            Ok((
                Work::WaitPort {
                    host,
                    port,
                    every: every(every_ms),
                },
                words,
            ))
        }
        Call::WaitPath { path, every_ms } => {
            let path = text(path, scope)?;
            Ok((
                Work::WaitPath {
                    path: path.clone(),
                    every: every(every_ms),
                },
                path,
            ))
        }
        Call::WaitConnection { every_ms } => Ok((
            Work::WaitConnection { every: every(every_ms) },
            "a full login".to_owned(),
        )),
        Call::WaitTime { time } => {
            let time = match value(time, scope)? {
                Value::Duration { duration_ms } => Duration::from_millis(duration_ms),
                Value::Text(t) => duration::parse(t.trim()).ok_or_else(|| format!("`{t}` is no duration"))?,
                _ => return Err(format!("`{time}` is no duration")),
            };
            Ok((Work::WaitTime(time), format!("{} s", time.as_secs())))
        }
        _ => Err("this is no wait".to_owned()),
    }
}

fn content(file: &str, materials: &Materials<'_>) -> Result<Arc<Content>, String> {
    materials
        .files
        .get(file)
        .cloned()
        .ok_or_else(|| format!("the run has no copy of {file}"))
}

/// The places of a step for a host, in order.
pub(super) fn place(step: &PlannedStep, host: Option<&HostName>, nth: u32) -> Option<HostName> {
    use crate::plan::Place;
    let nth = usize::try_from(nth).ok()?;
    match &step.place {
        Place::Own => Some(host.cloned().unwrap_or_else(HostName::controller)),
        Place::Hosts(list) => list.get(nth).cloned(),
        Place::ByHost(map) => map.get(host?)?.get(nth).cloned(),
        Place::OneOf(_) => None,
    }
}

/// As whom a job is done. Where sudo allows the written command and no shell, it is the command that becomes somebody, and not
/// the lane that runs it; the plan has seen to it that there is nothing else to be done.
pub(super) fn becoming(work: Work, user: Option<&str>, exact: bool) -> (Work, Option<String>) {
    match (work, user) {
        (Work::Command(Command::Argv(words)), Some(user)) if exact => {
            let mut sudo = vec!["sudo".to_owned(), "-n".to_owned()];
            if user != "root" {
                sudo.extend(["-u".to_owned(), user.to_owned()]);
            }
            sudo.push("--".to_owned());
            sudo.extend(words);
            (Work::Command(Command::Argv(sudo)), None)
        }
        // Nothing else is planned there; what asks how such a command ended asks as whoever started it.
        (work, _) if exact => (work, None),
        (work, user) => (work, user.map(str::to_owned)),
    }
}
