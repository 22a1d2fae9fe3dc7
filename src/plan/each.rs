//! `for_each` in a plan: where the items come from, and how many there are.
//!
//! Owns: the type and its counting. Must not: ask an expression; items that only the run knows are counted by the limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Value;
use crate::id::HostName;

/// `for_each` of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedEach {
    /// Where its items come from.
    pub items: Items,
    /// A longer list fails the step.
    pub max_items: u32,
}

/// The items of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Items {
    /// Known, and the same for every host.
    Same(Vec<Value>),
    /// Known, and told apart by host.
    ByHost(BTreeMap<HostName, Vec<Value>>),
    /// A template over results: asked when the step is due, once.
    Late(String),
}

impl PlannedEach {
    /// The items for a host, where the plan knows them.
    pub fn known(&self, host: Option<&HostName>) -> Option<&[Value]> {
        match &self.items {
            Items::Same(items) => Some(items),
            Items::ByHost(map) => host.and_then(|h| map.get(h)).map(Vec::as_slice),
            Items::Late(_) => None,
        }
    }

    /// The most items that any host can have.
    pub fn most(&self) -> usize {
        match &self.items {
            Items::Same(items) => items.len(),
            Items::ByHost(map) => map.values().map(Vec::len).max().unwrap_or(0),
            Items::Late(_) => self.max_items as usize,
        }
    }
}

/// An item in a few words, for a list or beside a step's name: a short text or number as it is, else its place.
pub fn item_words(item: Option<&Value>, at: usize, of: usize) -> String {
    let short = match item {
        Some(Value::Text(t)) if !t.is_empty() && t.chars().count() <= 40 && !t.contains('\n') => Some(t.clone()),
        Some(Value::Int(n)) => Some(n.to_string()),
        Some(Value::Number(n)) => Some(n.to_string()),
        Some(Value::Bool(b)) => Some(b.to_string()),
        Some(Value::Map(fields)) => match fields.get("name") {
            Some(Value::Text(t)) if !t.is_empty() && t.chars().count() <= 40 && !t.contains('\n') => Some(t.clone()),
            _ => None,
        },
        _ => None,
    };
    short.unwrap_or_else(|| format!("item {} of {of}", at + 1))
}
