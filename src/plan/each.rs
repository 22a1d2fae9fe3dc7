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

/// No longer text stands beside a step's name, in characters.
const WORDS: usize = 40;

/// An item in a few words, for a list or beside a step's name: a short text or number as it is, else its place.
pub fn item_words(item: Option<&Value>, at: usize, of: usize) -> String {
    let short = |value: &Value| match value {
        Value::Text(t) if !t.is_empty() && t.chars().count() <= WORDS && !t.contains('\n') => Some(t.clone()),
        Value::Int(n) => Some(n.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    };
    let named = match item {
        Some(Value::Map(fields)) => fields.get("name"),
        other => other,
    };
    named
        .and_then(short)
        .unwrap_or_else(|| format!("item {} of {of}", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_called_by_what_it_is_where_that_is_short_and_by_its_place_elsewhere() {
        let text = |t: &str| Value::Text(t.to_owned());
        let map = |name: Value| Value::Map([("name".to_owned(), name)].into());
        for (item, words) in [
            (text("db1"), "db1"),
            (text(&"x".repeat(WORDS)), &*"x".repeat(WORDS)),
            (text(&"x".repeat(WORDS + 1)), "item 2 of 3"),
            (text(""), "item 2 of 3"),
            (text("a\nb"), "item 2 of 3"),
            (Value::Int(7), "7"),
            (Value::Number(0.5), "0.5"),
            (Value::Bool(true), "true"),
            (map(text("db2")), "db2"),
            (map(text("")), "item 2 of 3"),
            (map(Value::List(Vec::new())), "item 2 of 3"),
            (Value::Map(BTreeMap::new()), "item 2 of 3"),
            (Value::List(Vec::new()), "item 2 of 3"),
            (Value::None, "item 2 of 3"),
        ] {
            assert_eq!(item_words(Some(&item), 1, 3), words, "{item:?}");
        }
        assert_eq!(item_words(None, 0, 1), "item 1 of 1");
    }
}
