//! One occasion on which a runbook is run: the change file, and the same fields as flags give them.
//!
//! Owns: the keys of a change file. Must not: hold them against a runbook or an inventory (`plan::bind`).

pub mod flags;

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::files::not_plain;
use crate::runbook::keys;
use crate::runbook::yaml::{self, Node, NodeKind};

/// When, with which parameters, without which hosts, approved by whom.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// True if it was read from a file; a policy may ask for that.
    pub from_file: bool,
    /// `change`: the ticket or id.
    pub ticket: Option<Spanned<String>>,
    /// The runbook's path.
    pub runbook: Option<Spanned<String>>,
    /// Values of parameters; of two with one name the later wins.
    pub parameters: Vec<(Spanned<String>, Given)>,
    /// When the window begins, as it was written.
    pub start: Option<Spanned<String>>,
    /// IANA zone of `start`.
    pub timezone: Option<Spanned<String>>,
    /// A selector that narrows the hosts of every phase. Sets that steps are delegated to stay whole.
    pub limit: Option<Spanned<String>>,
    /// Steps and phases that are left out.
    pub skip: Vec<Skip>,
    /// The mode.
    pub mode: Option<Spanned<String>>,
    /// How many people must approve the plan.
    pub need: Option<Spanned<u32>>,
    /// Out of which groups.
    pub approvers: Vec<Spanned<String>>,
    /// Why now.
    pub reason: Option<Spanned<String>>,
    /// Only these phases and steps are done, each with a reason that may be empty; flags only.
    pub only: Vec<Skip>,
    /// Only these hosts, by name, beside `limit`; flags only.
    pub hosts: Option<Vec<Spanned<String>>>,
    /// It is only rehearsed; flags only.
    pub rehearse: Option<Spanned<String>>,
}

/// The value of a parameter as it was given; its type is the runbook's business.
#[derive(Clone, Debug)]
pub enum Given {
    /// In a file.
    Node(Node),
    /// On the command line.
    Text(Spanned<String>),
}

/// A step (`STEP` or `PHASE/STEP`) or a phase that is left out.
#[derive(Clone, Debug)]
pub struct Skip {
    /// Which.
    pub id: Spanned<String>,
    /// Why.
    pub reason: String,
}

impl Change {
    /// Takes over what flags say; a flag wins over the file.
    pub fn overlay(&mut self, flags: Self) {
        fn win<T>(mine: &mut Option<T>, theirs: Option<T>) {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
        self.parameters.extend(flags.parameters);
        self.skip.extend(flags.skip);
        self.only.extend(flags.only);
        win(&mut self.hosts, flags.hosts);
        win(&mut self.rehearse, flags.rehearse);
        win(&mut self.ticket, flags.ticket);
        win(&mut self.start, flags.start);
        win(&mut self.timezone, flags.timezone);
        win(&mut self.limit, flags.limit);
        win(&mut self.mode, flags.mode);
        win(&mut self.need, flags.need);
        win(&mut self.reason, flags.reason);
        if !flags.approvers.is_empty() {
            self.approvers = flags.approvers;
        }
    }
}

/// A text given on the command line, with a place that can be underlined.
pub fn flag(name: &str, text: &str) -> Spanned<String> {
    let source = Source::new(name, text);
    Spanned::new(text.to_owned(), Span::new(&source, 0, text.len()))
}

/// `--set KEY=VALUE`.
pub fn set(text: &str) -> Result<(Spanned<String>, Given), Diagnostic> {
    let source = Source::new("--set", text);
    let at = |start, end| Span::new(&source, start, end);
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let value = Spanned::new(value.to_owned(), at(key.len() + 1, text.len()));
            Ok((Spanned::new(key.to_owned(), at(0, key.len())), Given::Text(value)))
        }
        _ => Err(Diagnostic::error(
            "PS0520",
            format!("`{text}` sets nothing"),
            at(0, text.len()),
            "no `=` after a name",
        )
        .help("write --set NAME=VALUE")),
    }
}

/// `--skip STEP=REASON`.
pub fn skip(text: &str) -> Result<Skip, Diagnostic> {
    let source = Source::new("--skip", text);
    match text.split_once('=') {
        Some((id, reason)) if !id.is_empty() && !reason.trim().is_empty() => Ok(Skip {
            id: Spanned::new(id.to_owned(), Span::new(&source, 0, id.len())),
            reason: reason.to_owned(),
        }),
        _ => Err(no_reason(Span::new(&source, 0, text.len())).help("write --skip STEP=\"why\"")),
    }
}

/// True if the tree is a change file and not a runbook: a file with `phases` is a runbook.
pub fn is_change(root: &Node) -> bool {
    let NodeKind::Map(entries) = &root.kind else {
        return false;
    };
    let has = |key: &str| entries.iter().any(|e| e.key.value == key);
    !has("phases") && (has("change") || (has("runbook") && !has("title")))
}

/// Reads a change file. Only good if `diags` has no error afterwards.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Change> {
    let root = yaml::read(source, diags)?;
    lower(&root, diags)
}

/// Lowers the tree of a change file.
pub fn lower(root: &Node, diags: &mut Diagnostics) -> Option<Change> {
    let mut f = Fields::of(root, &keys::CHANGE, diags)?;
    fields::schema(&mut f);
    let ticket = f.text("change");
    let runbook = runbook_path(&mut f);
    let change = fields(&mut f, diags);
    f.finish(diags);
    Some(Change {
        from_file: true,
        ticket,
        runbook,
        ..change
    })
}

/// `runbook`: a path of the project.
pub fn runbook_path(f: &mut Fields<'_>) -> Option<Spanned<String>> {
    f.text("runbook").filter(|path| {
        let fault = not_plain(path);
        if let Some(why) = fault {
            let d = Diagnostic::error(
                "PS0124",
                format!("`{}` is no path of the project", path.value),
                path.span.clone(),
                why,
            );
            f.complain(d.help("write it relative to the folder that holds pitstop.yml: `runbooks/patch-window.yml`"));
        }
        fault.is_none()
    })
}

/// The fields that a change file and a test of a runbook have in common.
pub fn fields(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Change {
    let parameters = f.map("parameters").unwrap_or_default().iter();
    let parameters = parameters
        .map(|e| (e.key.clone(), Given::Node(e.value.clone())))
        .collect();
    let (start, timezone) = f.node("window").map_or((None, None), |n| window(n, diags));
    let limit = f.text("limit");
    let skip = f.node("skip").map(|n| skips(n, diags)).unwrap_or_default();
    let (mode, need, approvers) = (f.text("mode"), f.count("need"), f.texts("approvers"));
    let reason = f.text("reason");
    Change {
        parameters,
        start,
        timezone,
        limit,
        skip,
        mode,
        need,
        approvers,
        reason,
        ..Change::default()
    }
}

fn window(node: &Node, diags: &mut Diagnostics) -> (Option<Spanned<String>>, Option<Spanned<String>>) {
    let Some(mut f) = Fields::of(node, &keys::CHANGE_WINDOW, diags) else {
        return (None, None);
    };
    let window = (f.text("start"), f.text("timezone"));
    for key in ["duration", "cutoff", "reserve", "not_during", "schedule"] {
        if let Some(e) = f.misplaced(key) {
            let d = Diagnostic::error(
                "PS0521",
                format!("a change does not set `{key}` of the window"),
                e.key.span.clone(),
                "this belongs to the runbook",
            );
            f.complain(d.help("write it in the runbook, under `window`"));
        }
    }
    f.finish(diags);
    window
}

fn no_reason(span: Span) -> Diagnostic {
    Diagnostic::error("PS0522", "what is left out needs a reason", span, "no reason is given")
}

/// `{ID: reason}`, or a list of such maps, or of `{id, reason}`.
fn skips(node: &Node, diags: &mut Diagnostics) -> Vec<Skip> {
    const WRITE: &str = "write `skip: { STEP: \"why it is left out\" }`";
    match &node.kind {
        NodeKind::Map(entries) => {
            let skip = entries.iter().filter_map(|e| match fields::text(&e.value) {
                Ok(reason) if !reason.trim().is_empty() => Some(Skip {
                    id: e.key.clone(),
                    reason: reason.value,
                }),
                _ => {
                    diags.push(no_reason(e.key.span.clone()).help(WRITE));
                    None
                }
            });
            skip.collect()
        }
        NodeKind::Seq(items) => items
            .iter()
            .flat_map(|item| match &item.kind {
                NodeKind::Map(entries) if entries.iter().any(|e| e.key.value == "id" || e.key.value == "reason") => {
                    id_and_reason(item, diags).into_iter().collect()
                }
                _ => skips(item, diags),
            })
            .collect(),
        NodeKind::Scalar { .. } => {
            diags.push(no_reason(node.span.clone()).help(WRITE));
            Vec::new()
        }
    }
}

fn id_and_reason(node: &Node, diags: &mut Diagnostics) -> Option<Skip> {
    let mut f = Fields::of(node, &keys::SKIP, diags)?;
    let (id, reason) = (f.text("id"), f.text("reason"));
    f.finish(diags);
    Some(Skip {
        id: id?,
        reason: reason?.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Option<Change>, Vec<&'static str>) {
        let mut diags = Diagnostics::new();
        let change = read(&Source::new("change.yml", text), &mut diags);
        (change, diags.0.iter().map(|d| d.code).collect())
    }

    #[test]
    fn every_field_is_read_with_its_place() {
        let (change, codes) = read_all(
            "schema: 1\nchange: CHG1\nrunbook: runbooks/a.yml\nparameters: { soak: 5m }\nwindow: { start: 2026-12-06T01:00:00, timezone: Europe/Berlin }\nlimit: host!=web17\nskip:\n  - web/snapshot: no space\n  - { id: app, reason: frozen }\nmode: test\nneed: 2\napprovers: [cm]\nreason: CVE\n",
        );
        assert!(codes.is_empty(), "{codes:?}");
        let c = change.unwrap();
        assert_eq!(c.ticket.unwrap().value, "CHG1");
        assert_eq!(c.start.unwrap().value, "2026-12-06T01:00:00");
        let skip: Vec<_> = c
            .skip
            .iter()
            .map(|s| (s.id.value.as_str(), s.reason.as_str()))
            .collect();
        assert_eq!(skip, [("web/snapshot", "no space"), ("app", "frozen")]);
        assert_eq!(c.parameters[0].0.span.line_col(), (4, 15));
        assert_eq!(c.need.unwrap().value, 2);
    }

    #[test]
    fn every_mistake_is_reported() {
        for (text, expected) in [
            ("change: x\n", vec!["PS0104", "PS0104"]),
            ("schema: 1\nrunbook: ../x.yml\n", vec!["PS0124"]),
            ("schema: 1\nrunbook: a.yml\nskip: [web]\n", vec!["PS0522"]),
            ("schema: 1\nrunbook: a.yml\nskip: { web: }\n", vec!["PS0522"]),
            ("schema: 1\nrunbook: a.yml\nwindow: { duration: 4h }\n", vec!["PS0521"]),
            (
                "schema: 1\nrunbook: a.yml\nneed: 0\nlimt: x\n",
                vec!["PS0108", "PS0102"],
            ),
        ] {
            assert_eq!(read_all(text).1, expected, "{text}");
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut change = read_all("schema: 1\nrunbook: a.yml\nlimit: a=b\nparameters: { x: 1 }\n")
            .0
            .unwrap();
        change.overlay(Change {
            limit: Some(flag("--limit", "a=c")),
            parameters: vec![set("x=2").unwrap()],
            ..Change::default()
        });
        assert_eq!(change.limit.unwrap().value, "a=c");
        assert!(matches!(&change.parameters[1].1, Given::Text(t) if t.value == "2"));
        assert!(change.from_file);
        assert!(set("x").is_err() && skip("x").is_err() && skip("x=").is_err());
    }
}
