//! What a step does: exactly one action key and its fields.

use std::time::Duration;

use super::Cx;
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields, not_built};
use crate::runbook::keys;
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Action, Command, WaitFor};

/// Actions that are built.
const BUILT: &[&str] = &[
    "run", "script", "upload", "download", "http", "assert", "wait_for", "manual",
];
/// Actions of the language that are not, and the platform keys.
const LATER: &[&str] = &[
    "powershell",
    "edit",
    "check",
    "service",
    "package",
    "patch",
    "reboot",
    "compare",
    "baseline",
    "linux",
    "windows",
];
/// The other keys of a step.
const KEYS: &[&str] = &[
    "id",
    "name",
    "when",
    "expect",
    "warn_unless",
    "register",
    "as",
    "delegate_to",
    "once",
    "fresh",
    "become",
    "retry",
    "timeout",
    "ok_codes",
    "may_fail",
    "undo",
    "read_only",
    "mark",
    "mark_start",
    "on_unknown",
    "for_each",
    "max_items",
    "only_in",
    "env",
    "stdin",
    "sensitive",
    "evidence",
];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// How much a `download` takes when nothing is written.
const DOWNLOAD_BYTES: u64 = 10 << 20;
/// How often `wait_for` looks when nothing is written.
const EVERY: Duration = Duration::from_secs(2);

impl Cx<'_> {
    /// The action of a step; `None`, with a diagnostic, if there is not exactly one that is built.
    pub(super) fn action(&mut self, f: &mut Fields<'_>) -> Option<Spanned<Action>> {
        let mut written: Vec<(&'static str, &Entry)> = Vec::new();
        for key in BUILT.iter().chain(LATER) {
            written.extend(f.entry(key).map(|e| (*key, e)));
        }
        written.sort_by_key(|(_, e)| e.key.span.start);
        let platforms = written.iter().all(|(k, _)| matches!(*k, "linux" | "windows"));
        match written.as_slice() {
            [] => {
                self.no_action(f);
                None
            }
            [(key, entry)] if BUILT.contains(key) => {
                let node = f.value(key)?;
                let action = self.built(key, node)?;
                Some(Spanned::new(action, entry.key.span.clone()))
            }
            [(_, first), (_, second), ..] if !platforms => {
                let d = Diagnostic::error(
                    "PS0132",
                    "a step has one action",
                    second.key.span.clone(),
                    "a second action",
                );
                f.complain(
                    d.also(first.key.span.clone(), "the first one")
                        .help("make two steps of it"),
                );
                None
            }
            later => {
                for (key, entry) in later {
                    f.complain(not_built(&entry.key.span, &format!("`{key}`")));
                }
                None
            }
        }
    }

    fn no_action(&mut self, f: &mut Fields<'_>) {
        let misspelt = f.keys().any(|k| !KEYS.contains(&k.as_str()));
        if !misspelt {
            let d = Diagnostic::error(
                "PS0131",
                "a step has an action",
                f.head().clone(),
                "this one does nothing",
            );
            f.complain(d.help(format!("add one of: {}", BUILT.join(", "))));
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
            _ => self.keep(fields::text(node)).map(Action::Manual),
        }
    }

    fn run(&mut self, node: &Node) -> Option<Action> {
        let NodeKind::Seq(items) = &node.kind else {
            let text = self.keep(
                fields::text(node)
                    .map_err(|d| d.help("write a command, `run: |` and a script below it, or a list of arguments")),
            )?;
            if text.trim().is_empty() {
                self.diags.push(Diagnostic::error(
                    "PS0133",
                    "the command is empty",
                    text.span.clone(),
                    "nothing to run",
                ));
            }
            return Some(Action::Run(Command::Shell(text)));
        };
        let argv: Vec<_> = items.iter().filter_map(|n| self.keep(fields::text(n))).collect();
        if items.is_empty() {
            self.diags.push(Diagnostic::error(
                "PS0133",
                "the command is empty",
                node.span.clone(),
                "nothing to run",
            ));
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
        let mode = f.text("mode").and_then(|m| {
            let bits = u32::from_str_radix(&m, 8)
                .ok()
                .filter(|bits| *bits <= 0o7777 && m.len() >= 3);
            if bits.is_none() {
                let d = Diagnostic::error(
                    "PS0134",
                    format!("`{}` is no file mode", m.value),
                    m.span.clone(),
                    "three or four octal digits",
                );
                f.complain(d.help("write \"0644\""));
            }
            bits
        });
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
        const KINDS: [&str; 4] = ["port", "path", "connection", "time"];
        let mut f = Fields::of(node, &keys::WAIT_FOR, self.diags)?;
        let (port, host, path, time) = (f.text("port"), f.text("host"), f.text("path"), f.text("time"));
        let connection = f.bool("connection");
        let every = f.duration("every").map_or(EVERY, |d| d.value);
        f.later("check");
        f.later("from");
        let written: Vec<&str> = KINDS.into_iter().filter(|k| f.has(k)).collect();
        if written.len() != 1 && !f.has("check") {
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
                "write one of `{ port: 5432 }`, `{ path: /run/ready }`, `{ connection: true }`, `{ time: 30s }`",
            ));
        }
        if let Some(host) = host.as_ref().filter(|_| port.is_none()) {
            let d = Diagnostic::error(
                "PS0135",
                "`host` belongs to `port`",
                host.span.clone(),
                "no port is written",
            );
            f.complain(d.help("write `{ port: 5432, host: ADDRESS }`"));
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
        let what = match (port, path, connection, time) {
            (Some(port), ..) => WaitFor::Port {
                host,
                port: self.port(port),
            },
            (None, Some(path), ..) => WaitFor::Path(path),
            (None, None, Some(_), _) => WaitFor::Connection,
            (None, None, None, time) => WaitFor::Time(self.time(time?)),
        };
        Some(Action::WaitFor { what, every })
    }

    fn port(&mut self, port: Spanned<String>) -> Spanned<String> {
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
