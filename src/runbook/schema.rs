//! JSON Schema (draft 2020-12) of the files of a project, for editors.
//!
//! Owns: how a table of keys becomes a schema. A file that pitstop reads is never wrong by its schema; the schema says no to
//! unknown keys and wrong shapes, `check` knows more. Must not: know a key.

use serde_json::{Map, Value, json};

use super::keys::{DURATION, INCLUDE, Key, Kind, RANGE, STEP, Shape};

/// The schema of files of this shape.
pub fn schema(title: &str, shape: &'static Shape) -> Value {
    let mut defs = Defs::default();
    let root = defs.reference(shape);
    let definitions: Map<String, Value> = defs.done.into_iter().map(|(name, _, value)| (name, value)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("pitstop {title}"),
        "$ref": root,
        "$defs": definitions,
    })
}

/// Shapes that have a definition already: its name, the shape, the definition.
#[derive(Default)]
struct Defs {
    done: Vec<(String, &'static Shape, Value)>,
}

impl Defs {
    /// `#/$defs/NAME`, with the definition made once.
    fn reference(&mut self, shape: &'static Shape) -> String {
        let known = self.done.iter().find(|(_, other, _)| std::ptr::eq(*other, shape));
        let name = match known {
            Some((name, ..)) => name.clone(),
            None => self.define(shape),
        };
        format!("#/$defs/{name}")
    }

    fn define(&mut self, shape: &'static Shape) -> String {
        let plain: String = shape.what.chars().filter(|c| *c != '`' && *c != '.').collect();
        let plain = plain.replace(' ', "_");
        let same = self
            .done
            .iter()
            .filter(|(_, other, _)| other.what == shape.what)
            .count();
        let name = match same {
            0 => plain,
            n => format!("{plain}_{}", n + 1),
        };
        // Its place is kept first: a shape may hold itself.
        let at = self.done.len();
        self.done.push((name.clone(), shape, Value::Null));
        let value = self.map(shape);
        if let Some(slot) = self.done.get_mut(at) {
            slot.2 = value;
        }
        name
    }

    fn map(&mut self, shape: &'static Shape) -> Value {
        let properties: Map<String, Value> = shape
            .all()
            .map(|key| (key.name.to_owned(), self.property(key)))
            .collect();
        let required: Vec<&str> = shape.all().filter(|key| key.required).map(|key| key.name).collect();
        let mut map = json!({
            "title": shape.what.replace('`', ""),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        let forms: Vec<Value> = shape.one_of.iter().map(|set| form(set)).collect();
        if let (false, Some(map)) = (forms.is_empty(), map.as_object_mut()) {
            map.insert("oneOf".to_owned(), Value::Array(forms));
        }
        map
    }

    fn property(&mut self, key: &Key) -> Value {
        let mut value = self.kind(&key.kind);
        if let Some(map) = value.as_object_mut() {
            map.insert("description".to_owned(), json!(key.doc));
        }
        value
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match *kind {
            Kind::Version => json!({ "const": 1 }),
            Kind::Text | Kind::Template | Kind::Expression | Kind::User => text(),
            Kind::Word(words) => json!({ "enum": words }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Number(min, max) => any_of(vec![
                json!({ "type": "number", "minimum": min, "maximum": max }),
                json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$" }),
            ]),
            Kind::Duration => {
                json!({ "type": "string", "pattern": DURATION, "minLength": 2, "examples": ["10m", "1h30m"] })
            }
            Kind::Range => any_of(vec![
                json!({ "type": "number" }),
                json!({ "type": "string", "pattern": RANGE }),
            ]),
            Kind::Size(min) => any_of(vec![
                json!({ "type": "integer", "minimum": min }),
                json!({ "type": "string", "pattern": "^[0-9]{1,10} *%?$" }),
            ]),
            Kind::Mode => any_of(vec![
                json!({ "type": "integer" }),
                json!({ "type": "string", "pattern": "^[0-7]{3,}$" }),
            ]),
            Kind::Rendered(kind) => any_of(vec![
                self.kind(kind),
                json!({ "type": "string", "pattern": r"\{\{" }),
                digits(kind),
            ]),
            Kind::List(kind) => json!({ "type": "array", "items": self.kind(kind) }),
            Kind::Map(shape) => json!({ "$ref": self.reference(shape) }),
            Kind::Named(kind) => json!({ "type": "object", "additionalProperties": self.kind(kind) }),
            Kind::Steps => {
                let forms = [&STEP, &INCLUDE].map(|shape| json!({ "$ref": self.reference(shape) }));
                json!({ "type": "array", "items": { "anyOf": forms } })
            }
            Kind::Either(kinds) => any_of(kinds.iter().map(|kind| self.kind(kind)).collect()),
            Kind::Empty => json!({ "type": "null" }),
            Kind::Any => json!({}),
        }
    }
}

/// A number or a boolean is a text as it was written.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A number that may be a template may also be written as a text.
fn digits(kind: &Kind) -> Value {
    match kind {
        Kind::Int(..) => json!({ "type": "string", "pattern": "^[0-9]+$" }),
        _ => json!(false),
    }
}

fn any_of(forms: Vec<Value>) -> Value {
    json!({ "anyOf": forms })
}

/// One of these keys, or some of them, is written.
fn form(set: &[&str]) -> Value {
    let one = |key: &&str| json!({ "required": [key] });
    match set {
        [key] => one(key),
        keys => any_of(keys.iter().map(one).collect()),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
