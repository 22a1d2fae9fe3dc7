//! The formatter's promises: twice is once, the tree and the plan stay the same, no comment is lost. On everything that ships,
//! and on 1,000 files that a generator wrote as badly as YAML allows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pitstop::diag::{Diagnostics, Source};
use pitstop::inventory::hosts;
use pitstop::plan::bind::{BindInput, bind};
use pitstop::runbook::change::{self, Change};
use pitstop::runbook::files::{Files, Folder, ReadError};
use pitstop::runbook::yaml::{self, Node, NodeKind, Style, Written};
use pitstop::runbook::{check, fmt, policyfile};

fn codes(diags: &Diagnostics) -> Vec<(&str, &str)> {
    diags.0.iter().map(|d| (d.code, d.message.as_str())).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn written(text: &str) -> Written {
    let mut diags = Diagnostics::new();
    let source = yaml::source("x.yml", text.as_bytes(), &mut diags).unwrap();
    let written = yaml::read_written(&source, &mut diags);
    written
        .filter(|_| !diags.has_errors())
        .unwrap_or_else(|| panic!("{:?}\n{text}", diags.0))
}

/// Formats it, and looks at the promises.
fn formatted(text: &str) -> String {
    formatted_from(text, &written(text))
}

/// The same of a text that was read already: in this test reading is what takes the time.
fn formatted_from(text: &str, before: &Written) -> String {
    let once = format(text);
    let twice = format(&once);
    if let Some(n) = (0..once.len()).find(|n| once.as_bytes().get(*n) != twice.as_bytes().get(*n)) {
        let from = once[..n].rmatch_indices('\n').nth(4).map_or(0, |(at, _)| at);
        let part = |text: &str| text.get(from..(n + 200).min(text.len())).unwrap_or("").to_owned();
        panic!(
            "twice is not once:\n{}\n=== twice:\n{}\n=== written:\n{text}",
            part(&once),
            part(&twice)
        );
    }
    let after = written(&once);
    assert_eq!(data(&before.root), data(&after.root), "{text}");
    let comments = |w: &Written| -> Vec<String> { w.comments.iter().map(|c| c.text().trim_end().to_owned()).collect() };
    assert_eq!(comments(before), comments(&after), "{text}");
    let lines: Vec<&str> = once.lines().collect();
    assert!(!once.contains('\r') && !once.starts_with('\u{feff}'), "{once}");
    let blank = |pair: &[&str]| pair.iter().all(|line| line.is_empty());
    assert!(
        text.contains('|') || !lines.windows(2).any(blank),
        "two blank lines:\n{once}"
    );
    once
}

fn format(text: &str) -> String {
    let mut diags = Diagnostics::new();
    let source = yaml::source("x.yml", text.as_bytes(), &mut diags).unwrap();
    fmt::format(&source, &mut diags).unwrap_or_else(|| panic!("{:?}\n{text}", diags.0))
}

/// The tree as one text, without places.
fn data(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { text, style } => format!("{style:?} {text:?}"),
        NodeKind::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|e| format!("{:?}: {}", e.key.value, data(&e.value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        NodeKind::Seq(items) => format!("[{}]", items.iter().map(data).collect::<Vec<_>>().join(", ")),
    }
}

fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "yml") {
            found.push(path);
        }
    }
}

#[test]
fn everything_that_ships_can_be_formatted() {
    let mut files = Vec::new();
    for dir in [
        "runbooks",
        "examples",
        "tests/data/bind",
        "tests/corpus/good",
        "src/cli/init",
    ] {
        yaml_files(&root().join(dir), &mut files);
    }
    assert!(files.len() >= 14, "{files:?}");
    for file in files {
        formatted(&fs::read_to_string(file).unwrap());
    }
}

/// A runbook with what a plan of it needs.
struct Base {
    path: &'static str,
    project: &'static str,
    inventory: &'static str,
    params: &'static [&'static str],
    mode: Option<&'static str>,
}

const HOSTS: &str = "schema: 1\nhosts:\n  w1: { labels: { role: web } }\n  w2: { labels: { role: web } }\n";

const POLICY: &str = "schema: 1
approvers: { change-managers: [anna@example.com, bela@example.com], incident-managers: [anna@example.com, bela@example.com] }
allowed_signers: allowed_signers
allow_local: true
";

const BASES: [Base; 5] = [
    Base {
        path: "runbooks/patch-linux.yml",
        project: "",
        inventory: HOSTS,
        params: &["select=role=web"],
        mode: None,
    },
    Base {
        path: "runbooks/rolling-restart.yml",
        project: "",
        inventory: HOSTS,
        params: &["select=role=web", "service=nginx"],
        mode: None,
    },
    Base {
        path: "restore-file-tree.yml",
        project: "runbooks",
        inventory: HOSTS,
        params: &["host=w1", "archive=/backup/a.tar.gz"],
        mode: None,
    },
    Base {
        path: "examples/quickstart/restore-test.yml",
        project: "",
        inventory: "schema: 1\nhosts: {}\n",
        params: &[],
        mode: None,
    },
    Base {
        path: "runbooks/dr-drill.yml",
        project: "tests/data/bind",
        inventory: "",
        params: &[],
        mode: Some("planned"),
    },
];

/// A project on disk, in which one file has another text.
struct Changed<'a> {
    folder: Folder,
    path: &'a str,
    text: &'a str,
}

impl Files for Changed<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == self.path {
            Ok(self.text.as_bytes().to_vec())
        } else {
            self.folder.read(path)
        }
    }
}

/// The digest of the plan of a runbook with this text.
fn digest(base: &Base, text: &str) -> String {
    let files = Changed {
        folder: Folder::new(root().join(base.project)),
        path: base.path,
        text,
    };
    let mut diags = Diagnostics::new();
    let runbook =
        check::checked(&files, base.path, &mut diags).unwrap_or_else(|| panic!("{:?}\n{text}", codes(&diags)));
    let source = |path: &str| yaml::source(path, &files.read(path).unwrap(), &mut Diagnostics::new()).unwrap();
    let inventory = match base.inventory {
        "" => source("inventory.yml"),
        text => Source::new("inventory.yml", text),
    };
    let policy = policyfile::read(&Source::new("policy.yml", POLICY), &mut diags).unwrap();
    let signers = fs::read_to_string(root().join("tests/data/bind/allowed_signers")).unwrap();
    let change = Change {
        mode: base.mode.map(|m| change::flag("--mode", m)),
        parameters: base.params.iter().map(|p| change::set(p).unwrap()).collect(),
        ..Change::default()
    };
    let input = BindInput {
        runbook: &runbook,
        path: base.path,
        inventory: &hosts::read(&inventory, &mut diags).unwrap(),
        change: &change,
        policy: Some((&policy, &signers)),
        providers: &BTreeMap::new(),
        outside: &Default::default(),
        files: &files,
    };
    let plan = bind(&input, &mut diags).unwrap_or_else(|| panic!("{:?}", codes(&diags)));
    plan.digest().unwrap().to_string()
}

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Writes a tree again, as nobody would: every level indented by another number, brackets and blocks by chance, comments and
/// blank lines wherever they may stand.
struct Scribe {
    chance: Chance,
    out: String,
    comments: usize,
    /// After a block of text a comment must stand before this column, or it would be part of it.
    fence: Option<usize>,
}

impl Scribe {
    fn comment(&mut self) -> String {
        self.comments += 1;
        let ends = ["", " ", ": {", " 'x", " | >", " # again"];
        format!("# {}{}", self.comments, ends[self.chance.below(6)])
    }

    /// Lines that mean nothing.
    fn noise(&mut self) {
        while self.chance.one_in(4) {
            if self.chance.one_in(2) {
                self.out.push_str(["\n", "   \n"][self.chance.below(2)]);
            } else {
                let most = self.fence.map_or(14, |fence| fence.min(14));
                let column = self.chance.below(most.max(1) as u64);
                let comment = self.comment();
                writeln!(self.out, "{}{comment}", " ".repeat(column)).unwrap();
            }
        }
    }

    fn end_line(&mut self) {
        if self.chance.one_in(5) {
            let gap = 1 + self.chance.below(8);
            let comment = self.comment();
            write!(self.out, "{}{comment}", " ".repeat(gap)).unwrap();
        } else if self.chance.one_in(9) {
            self.out.push(' ');
        }
        self.out.push('\n');
        self.fence = None;
    }

    fn block(&mut self, node: &Node, indent: usize, mut inline: bool) {
        match &node.kind {
            NodeKind::Map(entries) => {
                for e in entries {
                    if !std::mem::take(&mut inline) {
                        self.noise();
                        self.out.push_str(&" ".repeat(indent));
                    }
                    let gap = ["", " ", "   "][if self.chance.one_in(6) { self.chance.below(3) } else { 0 }];
                    write!(self.out, "{}{gap}:", e.key.span.text()).unwrap();
                    self.value(&e.value, indent, true);
                }
            }
            NodeKind::Seq(items) => {
                for item in items {
                    if !std::mem::take(&mut inline) {
                        self.noise();
                        self.out.push_str(&" ".repeat(indent));
                    }
                    self.out.push('-');
                    self.value(item, indent, false);
                }
            }
            NodeKind::Scalar { .. } => {}
        }
    }

    fn value(&mut self, node: &Node, indent: usize, of_key: bool) {
        let deeper = indent + 1 + self.chance.below(5);
        match &node.kind {
            NodeKind::Scalar {
                style: Style::Literal | Style::Folded,
                text,
            } => self.text(node, text, deeper),
            NodeKind::Scalar { .. } if node.span.text().contains('\n') => {
                let lines: Vec<&str> = node.span.text().split('\n').map(str::trim_start).collect();
                let join = format!("\n{}", " ".repeat(deeper));
                write!(self.out, " {}", lines.join(&join)).unwrap();
                self.end_line();
            }
            NodeKind::Scalar { .. } => {
                if self.chance.one_in(8) && of_key && !node.span.text().is_empty() {
                    self.end_line();
                    self.noise();
                    self.out.push_str(&" ".repeat(deeper));
                } else {
                    self.out.push_str(&" ".repeat(1 + self.chance.below(2)));
                }
                self.out.push_str(node.span.text());
                self.end_line();
            }
            NodeKind::Map(m) if m.is_empty() || (fits_brackets(node) && self.chance.one_in(3)) => {
                self.brackets(node, deeper)
            }
            NodeKind::Seq(s) if s.is_empty() || (fits_brackets(node) && self.chance.one_in(3)) => {
                self.brackets(node, deeper)
            }
            _ if !of_key && self.chance.one_in(2) => {
                let gap = 1 + self.chance.below(4);
                self.out.push_str(&" ".repeat(gap));
                self.block(node, indent + 1 + gap, true);
            }
            NodeKind::Seq(_) if of_key && self.chance.one_in(3) => {
                self.end_line();
                self.block(node, indent, false);
            }
            _ => {
                self.end_line();
                self.block(node, deeper, false);
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, deeper: usize) {
        let NodeKind::Scalar { style, .. } = &node.kind else {
            return;
        };
        let sign = if *style == Style::Literal { '|' } else { '>' };
        let keep = if text.ends_with("\n\n") {
            "+"
        } else if text.ends_with('\n') {
            ""
        } else {
            "-"
        };
        write!(self.out, " {sign}{keep}").unwrap();
        self.end_line();
        // The lines as they stand in the source, behind another indentation.
        let before = &node.span.source.text[..node.span.start];
        let own = before.rsplit('\n').next().unwrap().len();
        for (i, line) in node.span.text().split('\n').enumerate() {
            let line = if i == 0 { line } else { line.get(own..).unwrap_or("") };
            let indent = if line.is_empty() { 0 } else { deeper };
            writeln!(self.out, "{}{line}", " ".repeat(indent)).unwrap();
        }
        self.fence = Some(deeper);
    }

    fn brackets(&mut self, node: &Node, deeper: usize) {
        self.out.push(' ');
        self.flow(node, deeper);
        self.end_line();
    }

    /// Between two tokens in brackets.
    fn gap(&mut self, deeper: usize) {
        if self.chance.one_in(9) {
            self.end_line();
            self.noise();
            self.out.push_str(&" ".repeat(deeper));
        } else {
            self.out.push_str(&" ".repeat(self.chance.below(3)));
        }
    }

    fn flow(&mut self, node: &Node, deeper: usize) {
        match &node.kind {
            NodeKind::Scalar { .. } => self.out.push_str(node.span.text()),
            NodeKind::Seq(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.gap(deeper);
                    self.flow(item, deeper);
                    if i + 1 < items.len() || self.chance.one_in(5) {
                        self.out.push(',');
                    }
                }
                self.gap(deeper);
                self.out.push(']');
            }
            NodeKind::Map(entries) => {
                self.out.push('{');
                for (i, e) in entries.iter().enumerate() {
                    self.gap(deeper);
                    write!(self.out, "{}: ", e.key.span.text()).unwrap();
                    self.flow(&e.value, deeper);
                    if i + 1 < entries.len() || self.chance.one_in(5) {
                        self.out.push(',');
                    }
                }
                self.gap(deeper);
                self.out.push('}');
            }
        }
    }
}

/// True if the node may be written in brackets: no block of text, and no plain text that means something else there.
fn fits_brackets(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar { style, .. } => {
            let written = node.span.text();
            let quoted = matches!(style, Style::Single | Style::Double);
            !written.contains('\n')
                && (quoted
                    || (*style == Style::Plain && !written.is_empty() && !written.contains(['[', ']', '{', '}', ','])))
        }
        NodeKind::Map(entries) => entries.iter().all(|e| fits_brackets(&e.value)),
        NodeKind::Seq(items) => items.iter().all(fits_brackets),
    }
}

/// The tree written badly; `seed` says how.
fn badly(root: &Node, seed: u64) -> (String, usize) {
    let mut scribe = Scribe {
        chance: Chance(0x9e37_79b9_7f4a_7c15 ^ (seed + 1).wrapping_mul(0x2545_f491_4f6c_dd1d)),
        out: String::new(),
        comments: 0,
        fence: None,
    };
    for _ in 0..8 {
        scribe.chance.below(2);
    }
    scribe.noise();
    if scribe.chance.one_in(3) {
        scribe.out.push_str("---");
        scribe.end_line();
    }
    scribe.block(root, 0, false);
    scribe.noise();
    if scribe.chance.one_in(4) && scribe.fence.is_none() {
        scribe.out.truncate(scribe.out.trim_end_matches('\n').len());
    }
    if scribe.chance.one_in(4) {
        scribe.out = scribe.out.replace('\n', "\r\n");
    }
    if scribe.chance.one_in(5) {
        scribe.out.insert(0, '\u{feff}');
    }
    (scribe.out, scribe.comments)
}

/// 200 files, each of them this runbook written badly: five runbooks make a thousand.
fn written_badly(n: usize) {
    let base = &BASES[n];
    let text = fs::read_to_string(root().join(base.project).join(base.path)).unwrap();
    let tree = written(&text).root;
    let same = data(&tree);
    let planned = digest(base, &text);
    assert_eq!(planned, digest(base, &formatted(&text)));
    let (mut layouts, mut comments) = (BTreeSet::new(), 0);
    for seed in 0..200 {
        let (bad, noise) = badly(&tree, seed * 5 + n as u64);
        comments += noise;
        let read = written(&bad);
        assert_eq!(same, data(&read.root), "the generator is wrong, seed {seed}:\n{bad}");
        assert_eq!(noise, read.comments.len(), "seed {seed}:\n{bad}");
        let good = formatted_from(&bad, &read);
        // Planning is slow; the trees are equal for all.
        if seed % 8 == 0 {
            assert_eq!(planned, digest(base, &good), "seed {seed}");
        }
        layouts.insert(good);
    }
    assert!(
        layouts.len() > 100,
        "the generator wrote the same thing again and again"
    );
    assert!(comments > 2_000, "only {comments} comments");
}

#[test]
fn two_hundred_layouts_of_patch_linux() {
    written_badly(0);
}

#[test]
fn two_hundred_layouts_of_rolling_restart() {
    written_badly(1);
}

#[test]
fn two_hundred_layouts_of_restore_file_tree() {
    written_badly(2);
}

#[test]
fn two_hundred_layouts_of_restore_test() {
    written_badly(3);
}

#[test]
fn two_hundred_layouts_of_dr_drill() {
    written_badly(4);
}

#[test]
fn what_cannot_be_read_is_not_formatted() {
    for text in [
        "a: b: c\n",
        "a: [1\n",
        "a: &x 1\n",
        "a: 1\na: 2\n",
        "",
        "a: 1\n---\nb: 2\n",
    ] {
        let mut diags = Diagnostics::new();
        let source: Arc<Source> = Source::new("x.yml", text);
        assert!(fmt::format(&source, &mut diags).is_none(), "{text}");
        assert!(diags.has_errors(), "{text}");
    }
}
