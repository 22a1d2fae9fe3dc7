//! What a step with `as: json` gave, as a table.
//!
//! Owns: which results are one. Must not: lay it out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Value;
use crate::run::event::StepResult;

/// A table: a row for each object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The names of the fields, in the order in which they first came.
    pub columns: Vec<String>,
    /// The objects.
    pub rows: Vec<BTreeMap<String, Value>>,
}

/// The table of a result: of an object one row, of a list of objects a row each. `None`: it is neither.
pub(super) fn rows(result: &StepResult) -> Option<Rows> {
    let rows = match result.value.as_ref()? {
        Value::List(items) if result.columns.is_empty() => items.is_empty().then(Vec::new)?,
        Value::List(items) => items.iter().map(row).collect::<Option<Vec<_>>>()?,
        _ if result.columns.is_empty() => return None,
        value => vec![row(value)?],
    };
    let columns = result.columns.clone();
    Some(Rows { columns, rows })
}

fn row(value: &Value) -> Option<BTreeMap<String, Value>> {
    let tagged = |name: &str, value| Some(BTreeMap::from([(name.to_owned(), value)]));
    match value {
        Value::Map(fields) => Some(fields.clone()),
        // An object with this one field reads back from the journal as the kind that is written so.
        Value::Timestamp { timestamp } => tagged("timestamp", Value::Text(timestamp.to_string())),
        Value::Duration { duration_ms } => tagged("duration_ms", Value::Int(i64::try_from(*duration_ms).ok()?)),
        _ => None,
    }
}
