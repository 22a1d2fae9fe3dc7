//! A test of a runbook, as it was written: hosts that answer from a script, people, signals, and what must come of it.
//!
//! Owns: the types, and the keys of the file and of a case. Must not: hold them against a plan, or run anything.

mod answer;
mod expect;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};
use crate::runbook::change::{self, Change};
use crate::runbook::fields::{self, Fields};
use crate::runbook::files::not_plain;
use crate::runbook::keys;
use crate::runbook::yaml::{self, Node, NodeKind};

/// How files of tests are called.
pub const ENDING: &str = ".test.yml";

/// A test file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The runbook's path in the project.
    pub runbook: Spanned<String>,
    /// What holds for every case.
    pub change: Change,
    /// The machines; `None`: the project's own inventory.
    pub inventory: Option<Machines>,
    /// Groups of people who may approve; they come to the policy's.
    pub people: BTreeMap<String, Vec<String>>,
    /// Answers of every case, after the case's own. A case need not use them.
    pub answers: Vec<Answer>,
    /// What hosts say about themselves.
    pub facts: Vec<FactsOf>,
    /// The cases, in file order.
    pub cases: Vec<Case>,
}

/// `inventory`.
#[derive(Clone, Debug)]
pub enum Machines {
    /// A file of the project.
    File(Spanned<String>),
    /// Written here.
    Here(Node, Arc<Source>),
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: Spanned<String>,
    /// What it sets otherwise than the file.
    pub change: Change,
    /// When the run begins; `None`: when its window does.
    pub starts: Option<Spanned<Timestamp>>,
    /// A person sits at the terminal.
    pub terminal: bool,
    /// What hosts answer.
    pub answers: Vec<Answer>,
    /// A journal whose results are the answers.
    pub journal: Option<Spanned<String>>,
    /// What hosts say about themselves.
    pub facts: Vec<FactsOf>,
    /// What people say.
    pub approvals: Vec<Approval>,
    /// Signals, in the order they are sent.
    pub signals: Vec<Signal>,
    /// How often and how the run is gone on with.
    pub resume: Vec<Again>,
    /// What must come of it.
    pub expect: Expect,
}

/// One answer of a host.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which hosts: a glob.
    pub on: Spanned<String>,
    /// The answer itself, for complaints.
    pub span: Span,
    /// What it answers.
    pub matches: Spanned<Regex>,
    /// Exit code.
    pub rc: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Status of an HTTP answer.
    pub status: u16,
    /// How long it takes.
    pub after: Duration,
    /// What goes wrong.
    pub then: Option<Then>,
    /// How long the host takes no login afterwards.
    pub away: Option<Duration>,
    /// How often each host gives it; `None`: again and again.
    pub times: Option<u32>,
}

/// `then` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Not sent; the host takes no login.
    Refuse,
    /// The link is lost.
    Cut,
    /// Ends only when it is stopped.
    Hang,
    /// The host reboots.
    Reboot,
    /// Cannot be stopped.
    NeverReturns,
    /// Says 0 without having done it.
    Lie,
}

/// What hosts say about themselves: fields of `host`, for a glob.
#[derive(Clone, Debug)]
pub struct FactsOf {
    /// Which hosts: a glob.
    pub on: Spanned<String>,
    /// Field → value.
    pub fields: BTreeMap<&'static str, String>,
    /// False: the host has no place for latched steps.
    pub latch: bool,
}

/// What a person says at a gate or about a manual step.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The entry, for complaints.
    pub span: Span,
    /// At what.
    pub at: Asked,
    /// Who.
    pub by: Option<Spanned<String>>,
    /// Yes, or done.
    pub yes: bool,
    /// So long after it was asked.
    pub after: Duration,
    /// What they add.
    pub note: String,
}

/// What a person is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A gate.
    Gate(Spanned<String>),
    /// A manual step whose text the expression finds something in.
    Manual(Spanned<Regex>),
}

/// A signal to pitstop.
#[derive(Clone, Debug)]
pub struct Signal {
    /// The entry, for complaints.
    pub span: Span,
    /// When.
    pub at: Moment,
    /// It ends at once, as with SIGKILL.
    pub kill: bool,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the start.
    After(Duration),
    /// When an attempt of a step is about to be sent.
    Step {
        /// The phase.
        phase: String,
        /// The step; an undo step is `STEP/N`.
        step: String,
        /// The host; `None`: any.
        host: Option<String>,
    },
}

/// `resume`, once.
#[derive(Clone, Debug)]
pub struct Again {
    /// The entry, for complaints.
    pub span: Span,
    /// So long after the last process ended.
    pub after: Duration,
    /// It only goes back.
    pub rollback: bool,
}

/// What must come of a case.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The place, for complaints.
    pub span: Span,
    /// The exit code of the last process.
    pub exit: Option<Spanned<i64>>,
    /// Glob → how these hosts end.
    pub hosts: Vec<(Spanned<String>, Spanned<&'static str>)>,
    /// What is sent, in this order, other things between.
    pub order: Vec<Sent>,
    /// Exactly the steps whose undo ran: `PHASE/STEP@HOST`.
    pub undone: Option<Spanned<Vec<Spanned<String>>>>,
    /// Exactly what is left behind, by globs over the ids of obligations.
    pub left_behind: Option<Spanned<Vec<Spanned<String>>>>,
    /// Marks.
    pub marks: Vec<(Spanned<String>, Spanned<Set>)>,
}

/// Something that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To which hosts: a glob; `None`: any.
    pub host: Option<Spanned<String>>,
    /// The rendered command.
    pub matches: Spanned<Regex>,
}

/// How a mark must stand at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// At any moment.
    Sometime,
    /// Not at all.
    Missing,
    /// So long after the start of the run, to the second.
    After(Duration),
    /// At this moment, to the second.
    At(Timestamp),
}

/// Reads a test file. Only good if `diags` has no error afterwards.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<TestFile> {
    let root = yaml::read(source, diags)?;
    let mut f = Fields::of(&root, &keys::TEST, diags)?;
    fields::schema(&mut f);
    let runbook = change::runbook_path(&mut f);
    let ticket = f.text("change");
    let change = Change {
        from_file: true,
        ticket,
        ..change::fields(&mut f, diags)
    };
    let inventory = f.node("inventory").and_then(|node| machines(node, source, diags));
    let people = people::groups(&mut f);
    let answers = answer::answers(&mut f, diags);
    let facts = answer::facts(&mut f, diags);
    let nodes = f.seq("cases");
    let is_list = |entry: &yaml::Entry| matches!(entry.value.kind, NodeKind::Seq(_));
    if nodes.is_empty() && f.entry("cases").is_some_and(is_list) {
        let d = Diagnostic::error(
            "PS0700",
            "a test without cases proves nothing",
            f.head().clone(),
            "no case follows",
        );
        f.complain(d.help("write `cases:` and below it `- name: …` with `answers` and `expect`"));
    }
    f.finish(diags);
    let cases: Vec<Case> = nodes.iter().filter_map(|node| case(node, diags)).collect();
    names_differ(&cases, diags);
    Some(TestFile {
        runbook: runbook?,
        change,
        inventory,
        people,
        answers,
        facts,
        cases,
    })
}

fn machines(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Machines> {
    if matches!(node.kind, NodeKind::Map(_)) {
        return Some(Machines::Here(node.clone(), Arc::clone(source)));
    }
    let text = fields::text(node).map_err(|d| diags.push(d)).ok()?;
    path(text, diags).map(Machines::File)
}

/// A path of the project.
fn path(path: Spanned<String>, diags: &mut Diagnostics) -> Option<Spanned<String>> {
    let Some(why) = not_plain(&path) else { return Some(path) };
    let what = format!("`{}` is no path of the project", path.value);
    let d = Diagnostic::error("PS0124", what, path.span.clone(), why);
    diags.push(d.help("write it relative to the folder that holds pitstop.yml"));
    None
}

fn case(node: &Node, diags: &mut Diagnostics) -> Option<Case> {
    let mut f = Fields::of(node, &keys::CASE, diags)?;
    let name = f.text("name");
    let change = change::fields(&mut f, diags);
    let starts = f.text("starts").and_then(|text| moment(&text, &mut f));
    let terminal = f.bool("terminal").is_none_or(|b| b.value);
    let answers = answer::answers(&mut f, diags);
    let journal = f.text("journal").and_then(|text| path(text, diags));
    if let (Some(journal), true) = (&journal, f.has("answers")) {
        let d = Diagnostic::error(
            "PS0709",
            "a case has `answers` or a `journal`, not both",
            journal.span.clone(),
            "the journal answers everything",
        );
        f.complain(d.help("make two cases of it"));
    }
    let facts = answer::facts(&mut f, diags);
    let approvals = people::approvals(&mut f, diags);
    let signals = people::signals(&mut f, diags);
    let resume = people::again(&mut f, diags);
    let expect = match f.node("expect") {
        Some(node) => expect::read(node, diags),
        None if journal.is_some() => Some(expect::nothing(node)),
        None => {
            f.require("expect");
            None
        }
    };
    f.finish(diags);
    Some(Case {
        name: name?,
        change,
        starts,
        terminal,
        answers,
        journal,
        facts,
        approvals,
        signals,
        resume,
        expect: expect?,
    })
}

/// A moment with its offset, as 2026-12-06T01:00:00Z.
fn moment(text: &Spanned<String>, f: &mut Fields<'_>) -> Option<Spanned<Timestamp>> {
    match text.value.parse::<Timestamp>() {
        Ok(at) => Some(Spanned::new(at, text.span.clone())),
        Err(_) => {
            let d = Diagnostic::error(
                "PS0706",
                format!("`{}` is no moment", text.value),
                text.span.clone(),
                "no time with its offset",
            );
            f.complain(d.help("write it as 2026-12-06T01:00:00Z"));
            None
        }
    }
}

/// A regular expression.
fn expression(text: Spanned<String>, found: &mut Diagnostics) -> Option<Spanned<Regex>> {
    match Regex::new(&text.value) {
        Ok(regex) => Some(Spanned::new(regex, text.span)),
        Err(error) => {
            let why = error.to_string();
            let last = why
                .lines()
                .next_back()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            let d = Diagnostic::error(
                "PS0701",
                format!("`{}` is no regular expression", text.value.trim()),
                text.span,
                last,
            );
            found
                .push(d.help("a bracket, dot or star of the command itself is written with a backslash: `\\[`, `\\.`"));
            None
        }
    }
}

fn names_differ(cases: &[Case], diags: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for case in cases {
        let name = &case.name;
        if let Some(first) = seen.insert(&name.value, &name.span) {
            let what = format!("two cases are called `{}`", name.value);
            let d = Diagnostic::error("PS0711", what, name.span.clone(), "the second one");
            diags.push(
                d.also(first.clone(), "the first one")
                    .help("--case and reports name a case by its name"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
