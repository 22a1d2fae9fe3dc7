//! The names of the fields of a list of objects, in the order in which they first came.
//!
//! Owns: that order, which a [`Value`](crate::plan::Value) does not keep. Must not: keep a value.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The names of a JSON text that is an object or a list; none where it holds no object.
pub(super) fn columns(text: &str) -> Vec<String> {
    let mut names = Names::default();
    let mut read = serde_json::Deserializer::from_str(text);
    // What is no JSON was told before.
    let _ = Level(&mut names, true).deserialize(&mut read);
    names.order
}

#[derive(Default)]
struct Names {
    order: Vec<String>,
    known: HashSet<String>,
}

/// A level of the text; true: a list's items are looked into.
struct Level<'n>(&'n mut Names, bool);

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, read: D) -> Result<(), D::Error> {
        read.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if self.0.known.insert(name.clone()) {
                self.0.order.push(name);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.1 {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while list.next_element_seed(Level(self.0, false))?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn names_stand_in_the_order_in_which_they_first_came() {
        let names = |text: &str| columns(text).join(" ");
        assert_eq!(
            names(r#"[{"z": 1, "a": {"inner": 2}}, {"m": [{"x": 1}], "z": 3}]"#),
            "z a m"
        );
        assert_eq!(names(r#"{"b": null, "a": true}"#), "b a");
        assert_eq!(names(r#"[1, "x", null, [{"deep": 1}], {"a": 1.5}]"#), "a");
        assert_eq!(names("17") + &names("[]") + &names("{}") + &names(""), "");
    }
}
