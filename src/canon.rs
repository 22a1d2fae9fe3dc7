//! Canonical JSON: the one byte form of what is digested and signed.
//!
//! Owns: keys in byte order, no white space, one line. Must not: know what it prints.

use serde::Serialize;
use serde_json::Value;

use crate::id::Digest;

/// The canonical text of a value: object keys sorted by bytes, no white space.
///
/// # Errors
/// Only when the value cannot be JSON at all (a map whose keys are no strings).
pub fn to_string<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let tree = serde_json::to_value(value)?;
    let mut out = Vec::new();
    write(&tree, &mut out)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// The digest of the canonical text.
///
/// # Errors
/// As [`to_string`].
pub fn digest<T: Serialize>(value: &T) -> Result<Digest, serde_json::Error> {
    Ok(Digest::of(to_string(value)?.as_bytes()))
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(map) => {
            // serde_json may keep insertion order (a feature another crate can turn on): sort here, always.
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (n, (key, inner)) in entries.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(inner, out)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        scalar => serde_json::to_writer(out, scalar)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_no_space_is_left() {
        let v: Value = serde_json::from_str(r#"{ "b": {"z":1, "a":[true, null]}, "a": "x y" }"#).unwrap();
        assert_eq!(to_string(&v).unwrap(), r#"{"a":"x y","b":{"a":[true,null],"z":1}}"#);
    }
}
