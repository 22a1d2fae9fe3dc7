//! What a step does: exactly one action key and its fields.

use std::time::Duration;

use super::Cx;
use crate::diag::{Diagnostic, Span, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Action, Command, WaitFor};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// How much a `download` takes when nothing is written.
const DOWNLOAD_BYTES: u64 = 10 << 20;
/// How often `wait_for` looks when nothing is written.
const EVERY: Duration = Duration::from_secs(2);

impl Cx<'_> {
    /// The action of a step; `None`, with a diagnostic, if there is not exactly one.
    pub(super) fn action(&mut self, f: &mut Fields<'_>) -> Option<Spanned<Action>> {
        let mut written: Vec<(&'static str, &Entry)> = Vec::new();
        for key in keys::ACTIONS.iter().chain(keys::PLATFORMS) {
            written.extend(f.entry(key.name).map(|e| (key.name, e)));
        }
        written.sort_by_key(|(_, e)| e.key.span.start);
        let platforms = written.iter().all(|(k, _)| matches!(*k, "linux" | "windows"));
        match written.as_slice() {
            [] => {
                self.no_action(f);
                None
            }
            [(_, first), ..] if platforms => {
                let (linux, windows) = (self.platform(f, "linux"), self.platform(f, "windows"));
                (linux.is_some() || windows.is_some())
                    .then(|| Spanned::new(Action::ByOs { linux, windows }, first.key.span.clone()))
            }
            [_] => self.only_action(f, &written),
            [(_, first), (_, second), ..] => {
                f.complain(two_actions(first, second));
                None
            }
        }
    }

    fn only_action(&mut self, f: &mut Fields<'_>, written: &[(&'static str, &Entry)]) -> Option<Spanned<Action>> {
        let [(key, entry)] = written else {
            if let [(_, first), (_, second), ..] = written {
                f.complain(two_actions(first, second));
            } else {
                f.exactly_one();
            }
            return None;
        };
        let node = f.value(key)?;
        let action = self.built(key, node)?;
        Some(Spanned::new(action, entry.key.span.clone()))
    }

    /// The one action of a platform key.
    fn platform(&mut self, f: &mut Fields<'_>, key: &'static str) -> Option<Box<Spanned<Action>>> {
        f.entry(key)?;
        let mut f = Fields::of(f.value(key)?, &keys::PLATFORM, self.diags)?;
        let mut written: Vec<(&'static str, &Entry)> = Vec::new();
        for key in keys::ACTIONS {
            written.extend(f.entry(key.name).map(|e| (key.name, e)));
        }
        let action = self.only_action(&mut f, &written);
        f.finish(self.diags);
        action.map(Box::new)
    }

    fn no_action(&mut self, f: &mut Fields<'_>) {
        let misspelt = f.keys().any(|k| keys::STEP.key(k).is_none());
        if !misspelt {
            let d = Diagnostic::error(
                "PS0131",
                "a step has an action",
                f.head().clone(),
                "this one does nothing",
            );
            let actions: Vec<&str> = keys::ACTIONS.iter().map(|key| key.name).collect();
            f.complain(d.help(format!("add one of: {}", actions.join(", "))));
        }
    }

    fn built(&mut self, key: &str, node: &Node) -> Option<Action> {
        match key {
            "run" => self.run(node),
            "script" => self.script(node),
            "upload" => self.upload(node),
            "download" => self.download(node),
            "http" => self.http(node),
            "assert" => self.keep(fields::text(node)).map(Action::Assert),
            "wait_for" => self.wait_for(node),
            "manual" => self.keep(fields::text(node)).map(Action::Manual),
            "powershell" => self.command(node).map(Action::Powershell),
            word => self.built_in(word, node),
        }
    }

    /// A command that a shell reads.
    fn command(&mut self, node: &Node) -> Option<Spanned<String>> {
        let help = "write a command, or `|` and a script below it";
        let text = self.keep(fields::text(node).map_err(|d| d.help(help)))?;
        if text.trim().is_empty() {
            self.diags.push(empty_command(&text.span));
        }
        Some(text)
    }

    fn run(&mut self, node: &Node) -> Option<Action> {
        let NodeKind::Seq(items) = &node.kind else {
            let help = "write a command, `run: |` and a script below it, or a list of arguments";
            let text = self.keep(fields::text(node).map_err(|d| d.help(help)))?;
            if text.trim().is_empty() {
                self.diags.push(empty_command(&text.span));
            }
            return Some(Action::Run(Command::Shell(text)));
        };
        let argv: Vec<_> = items.iter().filter_map(|n| self.keep(fields::text(n))).collect();
        if items.is_empty() {
            self.diags.push(empty_command(&node.span));
        }
        Some(Action::Run(Command::Argv(argv)))
    }

    fn script(&mut self, node: &Node) -> Option<Action> {
        if let NodeKind::Scalar { .. } = node.kind {
            let file = self.keep(fields::text(node));
            return Some(Action::Script {
                file: self.path(file)?,
                interpreter: None,
                args: Vec::new(),
            });
        }
        let mut f = Fields::of(node, &keys::SCRIPT, self.diags)?;
        let file = f.text("file");
        let (interpreter, args) = (f.text("interpreter"), f.texts("args"));
        f.finish(self.diags);
        Some(Action::Script {
            file: self.path(file)?,
            interpreter,
            args,
        })
    }

    fn upload(&mut self, node: &Node) -> Option<Action> {
        let mut f = Fields::of(node, &keys::UPLOAD, self.diags)?;
        let (src, dest) = (f.text("src"), f.text("dest"));
        let mode = f.text("mode").and_then(|m| octal(&m).map_err(|d| f.complain(d)).ok());
        let owner = f.text("owner");
        let template = f.bool("template").is_some_and(|b| b.value);
        let validate = f.text("validate");
        f.finish(self.diags);
        Some(Action::Upload {
            src: self.path(src)?,
            dest: dest?,
            mode,
            owner,
            template,
            validate,
        })
    }

    fn download(&mut self, node: &Node) -> Option<Action> {
        let mut f = Fields::of(node, &keys::DOWNLOAD, self.diags)?;
        let src = f.text("src");
        let max = f.int("max_bytes").and_then(|n| u64::try_from(n.value).ok());
        f.finish(self.diags);
        Some(Action::Download {
            src: src?,
            max_bytes: max.unwrap_or(DOWNLOAD_BYTES),
        })
    }

    fn http(&mut self, node: &Node) -> Option<Action> {
        let mut f = Fields::of(node, &keys::HTTP, self.diags)?;
        let url = f.text("url");
        let words: Vec<(&str, &str)> = METHODS.iter().map(|m| (*m, *m)).collect();
        let method = f.word("method", &words).map(|m| m.map(str::to_owned));
        let headers = self.pairs(f.map("headers"));
        let body = f.text("body");
        f.finish(self.diags);
        let url = url?;
        let method = method.unwrap_or_else(|| Spanned::new("GET".to_owned(), url.span.clone()));
        Some(Action::Http {
            method,
            url,
            headers,
            body,
        })
    }

    fn wait_for(&mut self, node: &Node) -> Option<Action> {
        const KINDS: [&str; 5] = ["port", "path", "connection", "time", "check"];
        let mut f = Fields::of(node, &keys::WAIT_FOR, self.diags)?;
        let (port, host, path, time) = (f.text("port"), f.text("host"), f.text("path"), f.text("time"));
        let connection = f.bool("connection");
        let every = f.duration("every").map_or(EVERY, |d| d.value);
        let mut texts = Vec::new();
        let check = f.node("check").and_then(|n| self.check(n, &mut texts));
        let from = f.choice("from");
        let written: Vec<&str> = KINDS.into_iter().filter(|k| f.has(k)).collect();
        if written.len() != 1 {
            let d = Diagnostic::error(
                "PS0135",
                "`wait_for` waits for one thing",
                f.head().clone(),
                if written.is_empty() {
                    "nothing to wait for"
                } else {
                    "several things"
                },
            );
            f.complain(d.help(
                "write one of `{ port: 5432 }`, `{ path: /run/ready }`, `{ connection: true }`, `{ time: 30s }`, `{ check: { … } }`",
            ));
        }
        for key in f.keys().filter(|k| matches!(k.as_str(), "host" | "from")) {
            if !f.has("port") {
                let message = format!("`{}` belongs to `port`", key.value);
                let d = Diagnostic::error("PS0135", message, key.span.clone(), "no port is written");
                f.complain(d.help("write `{ port: 5432, host: ADDRESS }`"));
            }
        }
        if let Some(no) = connection.as_ref().filter(|c| !c.value) {
            f.complain(
                Diagnostic::error(
                    "PS0135",
                    "`wait_for` waits for one thing",
                    no.span.clone(),
                    "`false` waits for nothing",
                )
                .help("write `{ connection: true }`"),
            );
        }
        f.finish(self.diags);
        if let Some(check) = check {
            let what = WaitFor::Check { check, texts };
            return Some(Action::WaitFor { what, every });
        }
        let what = match (port, path, connection, time) {
            (Some(port), ..) => WaitFor::Port {
                from_controller: from.is_some_and(|f| f.value == "controller"),
                host,
                port: self.port(port),
            },
            (None, Some(path), ..) => WaitFor::Path(path),
            (None, None, Some(_), _) => WaitFor::Connection,
            (None, None, None, time) => WaitFor::Time(self.time(time?)),
        };
        Some(Action::WaitFor { what, every })
    }

    pub(super) fn port(&mut self, port: Spanned<String>) -> Spanned<String> {
        let good = port.contains("{{") || port.parse::<u16>().is_ok_and(|p| p > 0);
        if !good {
            self.diags.push(Diagnostic::error(
                "PS0108",
                format!("`{}` is no port", port.value),
                port.span.clone(),
                "a number from 1 to 65535",
            ));
        }
        port
    }

    fn time(&mut self, time: Spanned<String>) -> Spanned<String> {
        if !time.contains("{{") && duration::parse(time.trim()).is_none() {
            let d = Diagnostic::error(
                "PS0109",
                format!("expected a duration, found `{}`", time.value),
                time.span.clone(),
                "this is not a duration",
            );
            self.diags.push(d.help("write 90s, 10m or 1h30m"));
        }
        time
    }
}

fn two_actions(first: &Entry, second: &Entry) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0132",
        "a step has one action",
        second.key.span.clone(),
        "a second action",
    );
    d.also(first.key.span.clone(), "the first one")
        .help("make two steps of it")
}

fn empty_command(span: &Span) -> Diagnostic {
    Diagnostic::error("PS0133", "the command is empty", span.clone(), "nothing to run")
}

/// A file mode.
pub(super) fn octal(text: &Spanned<String>) -> Result<u32, Diagnostic> {
    let bits = u32::from_str_radix(text, 8).ok();
    bits.filter(|bits| *bits <= 0o7777 && text.len() >= 3).ok_or_else(|| {
        Diagnostic::error(
            "PS0134",
            format!("`{}` is no file mode", text.value),
            text.span.clone(),
            "three or four octal digits",
        )
        .help("write \"0644\"")
    })
}
