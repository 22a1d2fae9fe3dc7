//! What a step found on every host as one table: a row for each object that it gave.
//!
//! Owns: which step is meant, the order of rows and columns, and of which hosts there is nothing. Must not: let a cell become a
//! formula, or a host that gave nothing go unnamed.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::record::{ChangeRecord, HostPhase, Outcome, Rows, StepRecord};
use crate::id::HostName;
use crate::plan::Value;
use crate::text;

/// The table.
pub struct Table<'r> {
    /// The columns: the host, the item where the step has a list, then the fields in the order in which they first came.
    columns: Vec<&'r str>,
    /// What the columns in front are called: another name than any field has.
    front: Vec<String>,
    rows: Vec<Row<'r>>,
    /// Hosts that have no row because the step gave nothing, and why.
    pub lacking: Vec<Lacking>,
}

struct Row<'r> {
    front: Vec<String>,
    fields: &'r BTreeMap<String, Value>,
}

/// A host of which the table tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The host; empty: the step belongs to none.
    pub host: String,
    /// Why.
    pub why: String,
    /// True: the runbook leaves the step out there, so nothing is missing.
    pub left_out: bool,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTable {
    /// No step is called so.
    NoStep,
    /// Several are meant: these have rows.
    Several(Vec<String>),
    /// No step of the run gave objects.
    Nothing,
}

fn name(s: &StepRecord) -> String {
    format!("{}/{}", s.phase, s.step)
}

fn given(s: &StepRecord) -> Option<&Rows> {
    s.attempts.iter().rev().find_map(|a| a.rows.as_ref())
}

/// The table of a step, as `STEP` or `PHASE/STEP`; without a name of the only one that gave objects.
///
/// # Errors
/// When no step, or more than one, is meant.
pub fn table<'r>(r: &'r ChangeRecord, step: Option<&str>) -> Result<Table<'r>, NoTable> {
    let mut meant: Vec<String> = Vec::new();
    for s in &r.steps {
        let wanted = match step {
            Some(step) => s.step == step || name(s) == step,
            None => given(s).is_some(),
        };
        if wanted && !meant.contains(&name(s)) {
            meant.push(name(s));
        }
    }
    match (meant.as_slice(), step) {
        ([one], _) => Ok(of(r, one)),
        ([], Some(_)) => Err(NoTable::NoStep),
        ([], None) => Err(NoTable::Nothing),
        _ => Err(NoTable::Several(meant)),
    }
}

fn of<'r>(r: &'r ChangeRecord, wanted: &str) -> Table<'r> {
    // A later round of the same item tells more than an earlier one.
    let mut latest: BTreeMap<(Option<&HostName>, u32), &StepRecord> = BTreeMap::new();
    for s in r.steps.iter().filter(|s| name(s) == wanted) {
        let known = latest.entry((s.host.as_ref(), s.nth)).or_insert(s);
        if s.pass >= known.pass && (given(s).is_some() || given(known).is_none()) {
            *known = s;
        }
    }
    let of_hosts: HashMap<&HostName, usize> = r.hosts.iter().enumerate().map(|(n, h)| (&h.name, n)).collect();
    let mut steps: Vec<&StepRecord> = latest.into_values().collect();
    steps.sort_by_key(|s| (s.host.as_ref().and_then(|h| of_hosts.get(h).copied()), s.nth));
    let listed = steps.iter().any(|s| s.item.is_some());

    let (mut columns, mut known) = (Vec::new(), HashSet::new());
    let (mut rows, mut lacking) = (Vec::new(), Vec::new());
    for s in &steps {
        // What belongs to no host was done somewhere.
        let host = s.host.as_ref().or(s.on.as_ref()).map_or("", HostName::as_str);
        let item = s.item.clone().unwrap_or_default();
        let Some(given) = given(s) else {
            let host = match item.as_str() {
                "" => host.to_owned(),
                item => format!("{host} ({item})"),
            };
            lacking.push(nothing(s, host));
            continue;
        };
        columns.extend(given.columns.iter().map(String::as_str).filter(|c| known.insert(*c)));
        for fields in &given.rows {
            // A name that was not told with the others; there is none in a record that pitstop wrote.
            columns.extend(fields.keys().map(String::as_str).filter(|c| known.insert(*c)));
            let mut front = vec![host.to_owned()];
            front.extend(listed.then(|| item.clone()));
            rows.push(Row { front, fields });
        }
    }
    lacking.extend(never_reached(r, wanted, &steps));
    let mut front = vec!["host".to_owned()];
    front.extend(listed.then(|| "item".to_owned()));
    for name in &mut front {
        while known.contains(name.as_str()) {
            name.insert(0, '_');
        }
    }
    Table {
        columns,
        front,
        rows,
        lacking,
    }
}

fn nothing(s: &StepRecord, host: String) -> Lacking {
    let left_out = s.outcome == Some(Outcome::Skipped);
    let why = match (s.why.as_str(), s.outcome) {
        ("", Some(Outcome::Ok)) => "what it gave is no list of objects".to_owned(),
        ("", outcome) => outcome.map_or("no end is recorded", Outcome::as_str).to_owned(),
        (why, _) => why.to_owned(),
    };
    Lacking { host, why, left_out }
}

/// Hosts of the phase that did not come to the step.
fn never_reached(r: &ChangeRecord, wanted: &str, steps: &[&StepRecord]) -> Vec<Lacking> {
    let Some((phase, _)) = wanted.split_once('/') else {
        return Vec::new();
    };
    // A step that is done once for all has no host.
    if steps.iter().any(|s| s.host.is_none()) {
        return Vec::new();
    }
    let told: HashSet<&HostName> = steps.iter().filter_map(|s| s.host.as_ref()).collect();
    let hosts = r.hosts.iter().filter(|h| !told.contains(&h.name));
    let of = hosts.filter_map(|h| Some((h, h.phases.iter().find(|p| p.phase == phase)?)));
    of.map(|(h, p)| Lacking {
        host: h.name.as_str().to_owned(),
        why: why_not(p),
        left_out: p.state == Some(super::record::HostState::NotNeeded),
    })
    .collect()
}

fn why_not(p: &HostPhase) -> String {
    match (p.state, p.why.as_str()) {
        (None, _) => "it is not that far".to_owned(),
        (Some(state), "") => state.as_str().replace('_', " "),
        (Some(state), why) => format!("{}: {why}", state.as_str().replace('_', " ")),
    }
}

impl Table<'_> {
    /// As CSV, ended by CR LF as RFC 4180 wants. What is a list or an object itself stands as JSON.
    pub fn csv(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            out.push_str(&cells.collect::<Vec<_>>().join(","));
            out.push_str("\r\n");
        };
        let names = self
            .front
            .iter()
            .map(String::as_str)
            .chain(self.columns.iter().copied());
        line(&mut names.map(text::csv));
        for row in &self.rows {
            let fields = self
                .columns
                .iter()
                .map(|c| row.fields.get(*c).map(cell).unwrap_or_default());
            let front = row.front.iter().map(|c| text::csv(c));
            line(&mut front.chain(fields.map(|c| text::csv(&c))));
        }
        out
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True: none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn cell(value: &Value) -> String {
    match value {
        // The last two are objects of one field that read back from a journal as kinds of ours.
        Value::List(_) | Value::Map(_) | Value::Duration { .. } | Value::Timestamp { .. } => {
            serde_json::to_string(value).unwrap_or_default()
        }
        value => value.plain(),
    }
}

/// As a list of objects, each with its own fields in the order of the columns.
impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.rows.iter().map(|row| Object(self, row)))
    }
}

struct Object<'t, 'r>(&'t Table<'r>, &'t Row<'r>);

impl Serialize for Object<'_, '_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Self(table, row) = self;
        let mut map = out.serialize_map(None)?;
        for (name, value) in table.front.iter().zip(&row.front) {
            map.serialize_entry(name, value)?;
        }
        for name in &table.columns {
            if let Some(value) = row.fields.get(*name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
