//! The checks of a run as a matrix of hosts and checks: what nobody may overlook first, what is good in one sentence.
//!
//! Owns: which step is a check, how each came out, and in which order hosts stand. Must not: escape (the formats do), or count
//! what was not measured as good.

use std::collections::BTreeMap;

use super::record::{ChangeRecord, StepRecord};
use super::words::Tone;
use crate::id::HostName;
use crate::plan::Value;
use crate::plan::page::{Block, Cell, Section, code, count};

/// The heading, on each page and screen.
pub const TITLE: &str = "Checks";
/// So many hosts and findings are shown; the tables for machines have all.
const MOST: usize = 200;

/// How a check came out on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Ok,
    /// It did not come to this check.
    None,
    /// Outside of what is warned of.
    Warn,
    /// It could not be measured.
    Unknown,
    /// Not as it should be.
    Fail,
}

impl Status {
    /// A shape and a word: nobody has to tell colours apart.
    pub fn words(self) -> (Tone, &'static str, &'static str) {
        match self {
            Self::Ok => (Tone::Ok, "✓", "ok"),
            Self::None => (Tone::None, "–", "not done"),
            Self::Warn => (Tone::Warn, "!", "warn"),
            Self::Unknown => (Tone::Back, "?", "unknown"),
            Self::Fail => (Tone::Bad, "✗", "fail"),
        }
    }
}

/// The result of a check on a host.
#[derive(Clone, Debug)]
pub struct Result<'r> {
    /// How it came out.
    pub status: Status,
    /// In a sentence.
    pub message: String,
    /// The step.
    pub step: &'r StepRecord,
    /// It became worse than what an earlier check found.
    pub regression: bool,
    /// It was compared with an earlier one, and is as bad as that.
    pub as_before: bool,
}

/// A check's field in the record.
pub fn field<'r>(step: &'r StepRecord, name: &str) -> Option<&'r Value> {
    step.attempts.last()?.fields.get(name)
}

/// What a step that is a check found; `None`: it is none.
pub fn result(step: &StepRecord) -> Option<Result<'_>> {
    let Some(Value::Text(word)) = field(step, "status") else {
        return None;
    };
    let status = match word.as_str() {
        "ok" => Status::Ok,
        "warn" => Status::Warn,
        "fail" => Status::Fail,
        "unknown" => Status::Unknown,
        _ => return None,
    };
    let message = field(step, "message").map(Value::plain).unwrap_or_default();
    let regression = field(step, "regression");
    Some(Result {
        status,
        message,
        step,
        regression: regression == Some(&Value::Bool(true)),
        as_before: regression == Some(&Value::Bool(false)) && status > Status::None,
    })
}

/// Most that is listed of one check.
const SINGLES: usize = 100;

/// What a check found one by one, where its sentence does not name it already.
pub fn singles(result: &Result<'_>) -> Vec<String> {
    let Some(Value::List(items)) = field(result.step, "found") else {
        return Vec::new();
    };
    let new = |text: &String| !result.message.contains(text.as_str());
    let mut list: Vec<String> = items.iter().map(Value::plain).filter(new).collect();
    let more = list.len().saturating_sub(SINGLES);
    if more > 0 {
        list.truncate(SINGLES);
        list.push(format!("and {more} more"));
    }
    list
}

/// One check, and how often it came out how.
pub struct Column {
    /// Its id.
    pub id: String,
    /// Its sentence.
    pub name: String,
    /// In the order of [`ORDER`].
    pub counts: [usize; 5],
}

/// The order in which results are counted.
pub const ORDER: [Status; 5] = [Status::Ok, Status::Warn, Status::Fail, Status::Unknown, Status::None];

/// A host that is not good throughout.
pub struct Row<'r> {
    /// The host.
    pub host: String,
    /// Its cells, a column each.
    pub cells: Vec<Option<Result<'r>>>,
}

/// Hosts and checks.
pub struct Matrix<'r> {
    /// The checks, in the order in which they were first done.
    pub columns: Vec<Column>,
    /// Hosts that are not good throughout, the worst first.
    pub rows: Vec<Row<'r>>,
    /// How many are.
    pub good: usize,
}

/// The matrix; `None` where nothing was checked.
pub fn matrix(r: &ChangeRecord) -> Option<Matrix<'_>> {
    let mut columns: Vec<(&str, &str)> = Vec::new();
    let mut at: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut of: BTreeMap<(&str, usize), Result<'_>> = BTreeMap::new();
    let known: BTreeMap<&HostName, &str> = r.hosts.iter().map(|h| (&h.name, h.name.as_str())).collect();
    let mut names = BTreeMap::new();
    for step in &r.steps {
        let Some(result) = result(step) else { continue };
        let key = (step.phase.as_str(), step.step.as_str());
        let column = *at.entry(key).or_insert_with(|| {
            columns.push(key);
            columns.len() - 1
        });
        names.entry(column).or_insert(step.name.as_str());
        let host = match &step.host {
            Some(host) => known.get(host).copied().unwrap_or_default(),
            None => "",
        };
        match of.get(&(host, column)) {
            // A later round counts; of the items of one round the worst.
            Some(known)
                if known.step.pass > step.pass || (known.step.pass == step.pass && known.status > result.status) => {}
            _ => drop(of.insert((host, column), result)),
        }
    }
    if columns.is_empty() {
        return None;
    }
    let mut hosts: Vec<&str> = r.hosts.iter().map(|h| h.name.as_str()).collect();
    if of.keys().any(|(host, _)| host.is_empty()) {
        hosts.insert(0, "");
    }
    let mut counted: Vec<Column> = columns
        .iter()
        .enumerate()
        .map(|(n, (phase, id))| Column {
            id: if r.phases.len() > 1 && !phase.is_empty() {
                format!("{phase}/{id}")
            } else {
                (*id).to_owned()
            },
            name: names.get(&n).copied().unwrap_or_default().to_owned(),
            counts: [0; 5],
        })
        .collect();
    let (mut rows, mut good) = (Vec::new(), 0);
    for host in hosts {
        let cells: Vec<Option<Result<'_>>> = (0..columns.len()).map(|n| of.remove(&(host, n))).collect();
        // What is done once for all has no cell of a host.
        let once = host.is_empty();
        for (cell, column) in cells.iter().zip(&mut counted) {
            let status = cell.as_ref().map_or(Status::None, |cell| cell.status);
            let nth = ORDER.iter().position(|s| *s == status);
            if let Some(counts) = nth.and_then(|nth| column.counts.get_mut(nth))
                && !(once && cell.is_none())
            {
                *counts += 1;
            }
        }
        let is_good = cells
            .iter()
            .all(|cell| cell.as_ref().map_or(once, |cell| cell.status == Status::Ok));
        match is_good {
            true => good += usize::from(!once),
            false => rows.push(Row {
                host: if once {
                    "once for all".to_owned()
                } else {
                    host.to_owned()
                },
                cells,
            }),
        }
    }
    let weight = |row: &Row<'_>| {
        let of = |cell: &Option<Result<'_>>| cell.as_ref().map_or(Status::None, |cell| cell.status);
        let worst = row.cells.iter().map(of).max();
        let bad = row.cells.iter().filter(|cell| of(cell) > Status::Warn).count();
        let worse = row.cells.iter().flatten().filter(|cell| cell.regression).count();
        (worse, worst, bad)
    };
    rows.sort_by_cached_key(|row| std::cmp::Reverse(weight(row)));
    Some(Matrix {
        columns: counted,
        rows,
        good,
    })
}

/// The word of a cell: what became worse says so.
pub fn cell(cell: Option<&Result<'_>>) -> (Tone, String) {
    let status = cell.map_or(Status::None, |cell| cell.status);
    let (tone, sign, word) = status.words();
    let note = match cell {
        Some(cell) if cell.regression => ", worse",
        Some(cell) if cell.as_before => ", as before",
        _ => "",
    };
    (tone, format!("{sign} {word}{note}"))
}

impl Matrix<'_> {
    /// The whole in a sentence.
    pub fn summary(&self) -> String {
        let checks = count(self.columns.len(), "check", "checks");
        let good = match (self.good, self.rows.is_empty()) {
            (0, _) => "No host is good in all of them".to_owned(),
            (good, true) => format!("All {} are good in all of them", count(good, "host", "hosts")),
            (good, false) => format!("{} good in all of them", count(good, "host is", "hosts are")),
        };
        let worse = self.findings().filter(|(_, finding)| finding.regression).count();
        let worse = match worse {
            0 => String::new(),
            n => format!(" {}.", count(n, "check became worse", "checks became worse")),
        };
        format!("{checks}. {good}.{worse}")
    }

    /// Everything that is not good, the worst hosts first.
    pub fn findings(&self) -> impl Iterator<Item = (&str, &Result<'_>)> {
        self.rows.iter().flat_map(|row| {
            let cells = row.cells.iter().flatten().filter(|cell| cell.status > Status::None);
            cells.map(move |cell| (row.host.as_str(), cell))
        })
    }

    /// The rows that are shown, and what is said of the rest.
    pub fn shown(&self) -> (&[Row<'_>], Option<String>) {
        let more = self.rows.len().saturating_sub(MOST);
        let said = (more > 0).then(|| format!("And {} more, in the CSV table.", count(more, "host", "hosts")));
        (self.rows.get(..MOST).unwrap_or(&self.rows), said)
    }

    /// The findings that are shown, and what is said of the rest.
    pub fn shown_findings(&self) -> (Vec<(&str, &Result<'_>)>, Option<String>) {
        let more = self.findings().count().saturating_sub(MOST);
        let said = (more > 0).then(|| format!("And {more} more, in the CSV table."));
        (self.findings().take(MOST).collect(), said)
    }
}

/// As a section of a page.
pub fn section(r: &ChangeRecord) -> Option<Section> {
    let matrix = matrix(r)?;
    let mut blocks = vec![Block::Text(matrix.summary())];
    let rows = matrix.columns.iter().enumerate().map(|(n, column)| {
        let mut row: Vec<Cell> = vec![
            (n + 1).to_string().into(),
            code(&column.id),
            column.name.as_str().into(),
        ];
        row.extend(column.counts.iter().map(|n| Cell::from(n.to_string())));
        row
    });
    let head = [
        "No.",
        "Check",
        "What",
        "✓ ok",
        "! warn",
        "✗ fail",
        "? unknown",
        "– not done",
    ];
    blocks.push(Block::table(
        "Checks, and how many hosts came out how",
        &head,
        rows.collect(),
    ));
    let (shown, more) = matrix.shown();
    if !shown.is_empty() {
        let numbers: Vec<String> = (1..=matrix.columns.len()).map(|n| n.to_string()).collect();
        let head: Vec<&str> = std::iter::once("Host")
            .chain(numbers.iter().map(String::as_str))
            .collect();
        let rows = shown.iter().map(|row| {
            let cells = row.cells.iter().map(|c| Cell::from(cell(c.as_ref()).1));
            std::iter::once(Cell::from(row.host.as_str())).chain(cells).collect()
        });
        blocks.push(Block::table(
            "Hosts that are not good throughout, by the numbers of the checks",
            &head,
            rows.collect(),
        ));
        blocks.extend(more.map(Block::Text));
    }
    let (findings, more) = matrix.shown_findings();
    if !findings.is_empty() {
        let rows = findings.iter().map(|(host, finding)| {
            vec![
                (*host).into(),
                code(&finding.step.step),
                cell(Some(finding)).1.into(),
                std::iter::once(finding.message.clone())
                    .chain(singles(finding))
                    .collect::<Vec<_>>()
                    .join("; ")
                    .into(),
            ]
        });
        blocks.push(Block::table(
            "What was found",
            &["Host", "Check", "Result", "Found"],
            rows.collect(),
        ));
        blocks.extend(more.map(Block::Text));
    }
    Some(Section::new(TITLE, blocks))
}
