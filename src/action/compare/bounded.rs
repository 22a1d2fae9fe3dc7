//! `bounded`: numbers that differ by no more than a tolerance.
//!
//! A line is `NUMBER`, or `NAME NUMBER` with a tab, a `|` or blanks between; lines without a name are known by their number.
//! Decimal numbers are compared as they stand, without rounding; those with an exponent as floating point.
//!
//! Owns: what such a line is, and what is within. Must not: call anything within that is no number.

use std::collections::{BTreeMap, BTreeSet};

use super::lines::Lines;
use super::said::Whole;
use super::{SHOWN, Verdict, many, shown};

/// Names are compared in memory.
const MOST: u64 = 200_000;
/// Bytes of one line.
const LONGEST: usize = 1000;

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    /// So many units of so many decimal places.
    Decimal(i128, u32),
    /// Anything else, also what is not finite.
    Float(f64),
}

/// What is borne.
struct Tolerance {
    most: Number,
    percent: bool,
}

/// Compares them.
pub(super) fn compare(sides: [Whole; 2], tolerance: &str, names: &[String; 2]) -> Result<Verdict, String> {
    let tolerance = tolerance_of(tolerance)?;
    let [left_name, right_name] = names;
    let [left, right] = sides;
    let left = numbers(left).map_err(|why| format!("{left_name}: {why}"))?;
    let right = numbers(right).map_err(|why| format!("{right_name}: {why}"))?;
    let all: BTreeSet<&Name> = left.keys().chain(right.keys()).collect();
    let mut lines = Vec::new();
    let mut differences = 0_u64;
    for name in all {
        let (Some(text), called) = (told(left.get(name), right.get(name), &tolerance), called(name)) else {
            continue;
        };
        differences += 1;
        if lines.len() < SHOWN {
            lines.push(format!("{called}: {text}"));
        }
    }
    let short = match lines.first() {
        Some(first) => format!(
            "{} of {}; first: {first}",
            many(differences, "numbers"),
            left.len().max(right.len())
        ),
        None => String::new(),
    };
    if differences > lines.len() as u64 {
        lines.push(format!(
            "and {}",
            many(differences - lines.len() as u64, "more numbers")
        ));
    }
    Ok(Verdict {
        what: "numbers",
        counts: [left.len() as u64, right.len() as u64],
        differences,
        short,
        lines,
    })
}

/// By line where it has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Line(u64),
    Written(Vec<u8>),
}

fn called(name: &Name) -> String {
    match name {
        Name::Line(n) => format!("line {n}"),
        Name::Written(name) => shown(name),
    }
}

type Numbers = BTreeMap<Name, (String, Number)>;

fn numbers(side: Whole) -> Result<Numbers, String> {
    let mut found = Numbers::new();
    let mut lines = Lines::of(side.file);
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let at = lines.count;
        let wrong = || format!("line {at} is no number and no name with one: {}", shown(&line));
        let (name, number) = split(text);
        let number = std::str::from_utf8(number).map_err(|_| wrong())?;
        let read = number_of(number).filter(|_| text.len() <= LONGEST).ok_or_else(wrong)?;
        let name = match name {
            Some(name) => Name::Written(name.to_vec()),
            None => Name::Line(at),
        };
        if let Some((before, _)) = found.insert(name.clone(), (number.to_owned(), read)) {
            return Err(format!(
                "line {at} has another number under one name: {} ({before} before)",
                shown(&line)
            ));
        }
        if found.len() as u64 > MOST {
            return Err(format!(
                "it has more than {MOST} numbers: compare sums, or `rows` without a tolerance"
            ));
        }
    }
    Ok(found)
}

/// The name, and the number behind the last tab, bar or blank.
fn split(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(at) = text.iter().rposition(|b| matches!(b, b'\t' | b'|' | b' ')) else {
        return (None, text);
    };
    let name = text.get(..at).unwrap_or_default();
    let name = name.trim_ascii_end();
    let name = name.strip_suffix(b"|").unwrap_or(name).trim_ascii_end();
    (
        (!name.is_empty()).then_some(name),
        text.get(at + 1..).unwrap_or_default(),
    )
}

/// Why these two are a difference; `None`: they are within.
fn told(left: Option<&(String, Number)>, right: Option<&(String, Number)>, tolerance: &Tolerance) -> Option<String> {
    match (left, right) {
        (Some((a, x)), Some((b, y))) => {
            if let Some((side, text)) = [("left", a, x), ("right", b, y)]
                .into_iter()
                .find(|(_, _, n)| !n.is_finite())
                .map(|(side, text, _)| (side, text))
            {
                return Some(format!(
                    "left {a}, right {b}: {text} {side} is nothing that could be compared"
                ));
            }
            (!within(*x, *y, tolerance)).then(|| {
                let by = by(*x, *y).map(|by| format!(", by {by}")).unwrap_or_default();
                format!("left {a}, right {b}{by}")
            })
        }
        (Some((a, _)), None) => Some(format!("left {a}, right has none")),
        (None, Some((b, _))) => Some(format!("left has none, right {b}")),
        (None, None) => None,
    }
}

/// By how much, for people.
fn by(left: Number, right: Number) -> Option<String> {
    let (l, r) = (left.float(), right.float());
    let difference = match (left, right) {
        (Number::Decimal(..), Number::Decimal(..)) => {
            let (l, r, places) = aligned(left, right)?;
            decimal(r.checked_sub(l)?, places)
        }
        _ => format!("{:+}", r - l),
    };
    let percent = (l != 0.0).then(|| format!(" ({:.2} %)", (r - l).abs() / l.abs() * 100.0));
    Some(format!("{difference}{}", percent.unwrap_or_default()))
}

fn decimal(units: i128, places: u32) -> String {
    let sign = if units < 0 { '-' } else { '+' };
    let digits = units.unsigned_abs().to_string();
    let places = places as usize;
    if places == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{part}")
}

/// The difference is at most the tolerance. A percentage is one of the left number.
fn within(left: Number, right: Number, tolerance: &Tolerance) -> bool {
    exactly(left, right, tolerance).unwrap_or_else(|| {
        let (l, r, t) = (left.float(), right.float(), tolerance.most.float());
        let most = if tolerance.percent { l.abs() * t / 100.0 } else { t };
        (l - r).abs() <= most
    })
}

/// Without rounding; `None`: the numbers are too long for it, or have exponents.
fn exactly(left: Number, right: Number, tolerance: &Tolerance) -> Option<bool> {
    let Number::Decimal(most, most_places) = tolerance.most else {
        return None;
    };
    let (l, r, places) = aligned(left, right)?;
    let difference = l.checked_sub(r)?.checked_abs()?;
    if !tolerance.percent {
        let (a, b, _) = aligned(Number::Decimal(difference, places), Number::Decimal(most, most_places))?;
        return Some(a <= b);
    }
    // |l - r| * 100 <= |l| * percent, both in the same places.
    let scaled = difference.checked_mul(100)?.checked_mul(ten(most_places)?)?;
    Some(scaled <= l.checked_abs()?.checked_mul(most)?)
}

/// Both with the same number of places.
fn aligned(a: Number, b: Number) -> Option<(i128, i128, u32)> {
    let (Number::Decimal(a, in_a), Number::Decimal(b, in_b)) = (a, b) else {
        return None;
    };
    let places = in_a.max(in_b);
    Some((
        a.checked_mul(ten(places - in_a)?)?,
        b.checked_mul(ten(places - in_b)?)?,
        places,
    ))
}

fn ten(places: u32) -> Option<i128> {
    10_i128.checked_pow(places)
}

impl Number {
    fn float(self) -> f64 {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "only where no exact answer is to be had, or for people"
            )]
            Self::Decimal(units, places) => units as f64 / 10_f64.powi(places.cast_signed()),
            Self::Float(n) => n,
        }
    }

    fn is_finite(self) -> bool {
        self.float().is_finite()
    }
}

/// A number as databases print it: `-3`, `4.50`, `1.2e9`, `NaN`, `Infinity`.
fn number_of(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if all(whole) && all(part) && whole.len() + part.len() > 0 {
        let units = format!("{whole}{part}").parse::<i128>().ok();
        let places = u32::try_from(part.len()).ok();
        if let (Some(units), Some(places)) = (units, places) {
            return Some(Number::Decimal(if negative { -units } else { units }, places));
        }
    }
    text.parse().ok().map(Number::Float)
}

fn tolerance_of(text: &str) -> Result<Tolerance, String> {
    let (number, percent) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim(), true),
        None => (text.trim(), false),
    };
    let most = number_of(number).filter(|n| n.is_finite() && n.float() >= 0.0);
    let most = most.ok_or_else(|| format!("`{text}` is no tolerance"))?;
    Ok(Tolerance { most, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_within(left: &str, right: &str, tolerance: &str) -> bool {
        let number = |text| number_of(text).unwrap();
        within(number(left), number(right), &tolerance_of(tolerance).unwrap())
    }

    #[test]
    fn a_tolerance_is_of_both_ends_and_without_rounding() {
        for (left, right, tolerance, good) in [
            ("100", "110", "10", true),
            ("100", "111", "10", false),
            ("111", "100", "10", false),
            ("1.1", "0.9", "0.2", true),
            ("0.3", "0.1", "0.2", true),
            ("0.3", "0.0999", "0.2", false),
            ("9007199254740993", "9007199254740992", "0", false),
            ("170141183460469231731687303715884105727", "-1", "0", false),
            ("1000", "999", "0.1%", true),
            ("1000", "998", "0.1%", false),
            ("999", "1000", "0.1%", false),
            ("-1000", "-1001", "0.1%", true),
            ("0", "0", "50%", true),
            ("0", "1", "50%", false),
            ("0", "-0", "0", true),
            ("-0.00", "0", "0%", true),
            ("1e3", "1000", "0", true),
            ("1e3", "1011", "1%", false),
            ("+5", "5.", "0", true),
            (".5", "0.50", "0", true),
        ] {
            assert_eq!(is_within(left, right, tolerance), good, "{left} {right} {tolerance}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_from_one() {
        for text in ["", "-", ".", "1.2.3", "0x10", "1,000", "١", "--1", "1 2", "ten"] {
            assert_eq!(number_of(text), None, "{text}");
        }
        for text in ["NaN", "Infinity", "-inf", "1e999"] {
            assert!(number_of(text).is_some_and(|n| !n.is_finite()), "{text}");
        }
    }

    #[test]
    fn a_name_stands_before_the_last_tab_bar_or_blank() {
        for (line, name, number) in [
            ("5", None, "5"),
            ("orders\t5", Some("orders"), "5"),
            ("orders|5", Some("orders"), "5"),
            ("public.orders | 5", Some("public.orders"), "5"),
            ("open orders  -5", Some("open orders"), "-5"),
            ("|5", None, "5"),
        ] {
            let (found, rest) = split(line.as_bytes());
            assert_eq!((found, rest), (name.map(str::as_bytes), number.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_difference_is_told_with_its_sign_and_share() {
        let by = |l, r| by(number_of(l).unwrap(), number_of(r).unwrap()).unwrap();
        assert_eq!(by("100", "90"), "-10 (10.00 %)");
        assert_eq!(by("0", "1.05"), "+1.05");
        assert_eq!(by("2.50", "2.45"), "-0.05 (2.00 %)");
    }
}
