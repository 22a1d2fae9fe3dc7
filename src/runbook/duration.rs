//! A span of time as the language writes it: `1h30m`.
//!
//! Owns: reading and printing it. Must not: know who asks.

use std::time::Duration;

/// From large to small.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// `90s`, `10m`, `1h 30m`, `2d`, `500ms`: whole numbers, each with its unit, units from large to small, each once.
pub fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut total, mut last) = (text, 0u64, u64::MAX);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *ms >= last {
            return None;
        }
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*ms)?)?;
        (rest, last) = (tail.trim_start(), *ms);
        if rest.is_empty() && !tail.is_empty() {
            return None;
        }
    }
    Some(Duration::from_millis(total))
}

/// So many milliseconds as they are written in the language: `1h30m`, `0s`.
pub fn print(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut left = ms;
    let mut out = String::new();
    for (unit, factor) in UNITS {
        let n = left / factor;
        left %= factor;
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_in_falling_order() {
        for (text, ms, printed) in [
            ("10m", 600_000, "10m"),
            ("90s", 90_000, "1m30s"),
            ("1h 30m", 5_400_000, "1h30m"),
            ("2d", 172_800_000, "2d"),
            ("500ms", 500, "500ms"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
            assert_eq!(print(ms), printed);
        }
        for wrong in [
            "",
            "10",
            "m",
            "10 m",
            "30m 1h",
            "1h1h",
            "-5m",
            "1.5h",
            "10m ",
            "5w",
            "1m1h",
            "10M",
            "99999999999999999999d",
            "9999999999999d",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
