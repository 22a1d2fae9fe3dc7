//! From a planned step to a job: late values filled in, just before the step is sent.
//!
//! Owns: rendering, and the words that stand in the journal for what is sent. Must not: send anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{Former, Work};
use crate::id::{Content, HostName};
use crate::plan::{Call, PlannedStep, Value};
use crate::runbook::duration;
use crate::runbook::expr::{Expr, ExprError, Mode, Scope, Shell, Template};
use crate::secret::Secret;
use crate::transport::Command;

/// What rendering needs beside the scope.
pub(super) struct Materials<'a> {
    /// Files of the repository, as the plan froze them.
    pub files: &'a BTreeMap<String, Arc<Content>>,
    /// What an upload found, for its undo.
    pub former: Option<&'a Former>,
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
        other @ (Call::Powershell { .. }
        | Call::BuiltIn(_)
        | Call::WaitCheck { .. }
        | Call::Revert { .. }
        | Call::ByOs { .. }) => Err(format!("this build cannot perform `{}`", other.word())),
    }
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
