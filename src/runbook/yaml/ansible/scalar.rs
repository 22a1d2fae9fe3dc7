//! The kind of a plain scalar by YAML 1.1, as PyYAML reads it.
//!
//! Owns: which texts are booleans, numbers, moments and nothing. Must not: know where the text stands.

use std::sync::LazyLock;

use regex::Regex;

use super::Kind;

struct Patterns {
    int: Regex,
    float: Regex,
    moment: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let int = r"^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$";
    let float = r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$";
    let date = r"^(?:([0-9]{4})-([0-9]{2})-([0-9]{2})|([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(?:(Z)|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)$";
    Some(Patterns {
        int: Regex::new(int).ok()?,
        float: Regex::new(float).ok()?,
        moment: Regex::new(date).ok()?,
    })
});

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Kind {
    let plain = || Kind::Text(text.to_owned());
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::None,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Kind::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Kind::Bool(false),
        _ => {}
    }
    // Most texts are words: they cost one look at their first letter.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return plain();
    }
    let Some(patterns) = PATTERNS.as_ref() else {
        return plain();
    };
    if patterns.float.is_match(text) {
        float(text)
    } else if patterns.int.is_match(text) {
        int(text)
    } else if let Some(parts) = patterns.moment.captures(text) {
        moment(&parts).map_or(Kind::Foreign("a date that no calendar has"), Kind::Text)
    } else {
        plain()
    }
}

/// A scalar with one of YAML's own tags; `None`: the text is no such thing, or nobody knows the tag.
pub(super) fn tagged(tag: &str, text: &str) -> Option<Kind> {
    let patterns = PATTERNS.as_ref()?;
    match tag {
        "!!bool" => match resolve(&text.to_lowercase()) {
            Kind::Bool(b) => Some(Kind::Bool(b)),
            _ => None,
        },
        "!!null" => Some(Kind::None),
        "!!int" => patterns.int.is_match(text).then(|| int(text)),
        "!!float" if patterns.float.is_match(text) => Some(float(text)),
        "!!float" => text.replace('_', "").parse().ok().map(|n| number(Some(n))),
        "!!binary" => Some(Kind::Foreign("binary data")),
        "!!timestamp" => moment(&patterns.moment.captures(text)?).map(Kind::Text),
        _ => None,
    }
}

fn sign(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn int(text: &str) -> Kind {
    let digits = text.replace('_', "");
    let (sign, digits) = sign(&digits);
    let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok();
    let value = if let Some(bits) = digits.strip_prefix("0b") {
        radix(bits, 2)
    } else if let Some(hex) = digits.strip_prefix("0x") {
        radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(digits, 8)
    } else {
        digits.split(':').try_fold(0_i128, |sum, part| {
            let part: i128 = part.parse().ok()?;
            sum.checked_mul(60)?.checked_add(part)
        })
    };
    let value = value.and_then(|n| i64::try_from(n * i128::from(sign)).ok());
    value.map_or(Kind::Foreign("a number beyond 64 bits"), Kind::Int)
}

fn float(text: &str) -> Kind {
    let digits = text.replace('_', "").to_lowercase();
    let (minus, rest) = sign(&digits);
    let factor = if minus < 0 { -1.0 } else { 1.0 };
    if matches!(rest, ".inf" | ".nan") {
        return Kind::Foreign("a number that is not finite");
    }
    let (mut sum, mut base) = (0.0_f64, 1.0_f64);
    for part in rest.rsplit(':') {
        let Ok(part) = part.parse::<f64>() else {
            return Kind::Text(text.to_owned());
        };
        sum += part * base;
        base *= 60.0;
    }
    number(Some(factor * sum))
}

/// A finite number, or what it is instead.
pub(super) fn number(n: Option<f64>) -> Kind {
    match n.filter(|n| n.is_finite()) {
        Some(n) => Kind::Number(n),
        None => Kind::Foreign("a number that is not finite"),
    }
}

/// A date or a moment in the form in which Ansible prints it; `None`: there is no such day or time.
fn moment(parts: &regex::Captures<'_>) -> Option<String> {
    let get = |n: usize| parts.get(n).map(|m| m.as_str());
    let num = |n: usize| get(n).and_then(|t| t.parse::<i16>().ok());
    let small = |n: usize| num(n).and_then(|n| i8::try_from(n).ok());
    if get(1).is_some() {
        let date = jiff::civil::Date::new(num(1)?, small(2)?, small(3)?).ok()?;
        return Some(date.to_string());
    }
    let date = jiff::civil::Date::new(num(4)?, small(5)?, small(6)?).ok()?;
    let (hour, minute, second) = (small(7)?, small(8)?, small(9)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction: String = get(10).unwrap_or("").chars().chain("000000".chars()).take(6).collect();
    let fraction = if fraction == "000000" {
        String::new()
    } else {
        format!(".{fraction}")
    };
    let zone = match (get(11), get(12)) {
        (Some(_), _) => "+00:00".to_owned(),
        (None, Some(sign)) => {
            let (hours, minutes) = (num(13)?, num(14).unwrap_or(0));
            let sign = if hours == 0 && minutes == 0 { "+" } else { sign };
            format!("{sign}{hours:02}:{minutes:02}")
        }
        (None, None) => String::new(),
    };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

/// A float as Python prints it, for a map's key.
pub(super) fn python_float(n: f64) -> String {
    if n.fract() == 0.0 && n.abs() < 1e16 {
        format!("{n:.1}")
    } else {
        format!("{n}")
    }
}
