//! What is good, as monitoring plugins write it: `10`, `10:`, `~:10`, `10:20`, `@10:20`.
//!
//! Owns: this grammar and what it says of a number. Must not: know what the number is of.

use std::fmt;

/// A range: what is in it is good, or with `@` what is outside of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    written: String,
    low: f64,
    high: f64,
    inside_is_bad: bool,
}

impl Range {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or nothing could ever lie in it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let none = || format!("`{written}` is no range");
        let (inside_is_bad, rest) = match written.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let end = |text: &str, open: f64| match text {
            "" => Some(open),
            text => number(text),
        };
        let (low, high) = match rest.split_once(':') {
            Some(("~", high)) => (Some(f64::NEG_INFINITY), end(high, f64::INFINITY)),
            Some((low, high)) => (end(low, 0.0), end(high, f64::INFINITY)),
            None => (Some(0.0), number(rest)),
        };
        let (low, high) = (low.ok_or_else(none)?, high.ok_or_else(none)?);
        if low > high {
            return Err(format!("`{written}` is no range: {low} is above {high}"));
        }
        Ok(Self {
            written: written.to_owned(),
            low,
            high,
            inside_is_bad,
        })
    }

    /// True if this number is not good.
    pub fn alerts(&self, value: f64) -> bool {
        let inside = (self.low..=self.high).contains(&value);
        inside == self.inside_is_bad
    }

    /// Where a number lies that is not good: `below 10`.
    pub fn said_of(&self, value: f64) -> String {
        match (self.inside_is_bad, value < self.low) {
            (true, _) => format!("in {}", self.written),
            (false, true) => format!("below {}", self.low),
            (false, false) => format!("above {}", self.high),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A number as programs print it in the C locale: digits, a point, no exponent, no words. What is too large to be told apart
/// from others is none.
pub fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(w, r)| (w, Some(r)));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all(whole) || rest.is_some_and(|rest| !all(rest)) || text.len() > 40 {
        return None;
    }
    // 2^63 bytes are more than there are.
    text.parse().ok().filter(|n: &f64| n.abs() < 1e19)
}

/// A number as people read it: at most two digits behind the point, or three that count.
pub fn shown(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        v if v >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.6}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_plugins_read_it() {
        for (written, good, bad) in [
            ("10", &[0.0, 10.0, 5.5][..], &[-0.1, 10.1, f64::INFINITY][..]),
            ("10:", &[10.0, 1e18], &[9.99, -1.0]),
            ("~:10", &[-1e18, 10.0], &[10.01]),
            (":10", &[0.0, 10.0], &[-1.0, 11.0]),
            ("10:20", &[10.0, 20.0], &[9.0, 21.0]),
            ("@10:20", &[9.99, 20.01], &[10.0, 15.0, 20.0]),
            ("@0", &[1.0, -1.0], &[0.0]),
            ("-5:-1", &[-5.0, -1.0], &[0.0, -6.0]),
            ("0.5:0.75", &[0.6], &[0.4, 0.8]),
        ] {
            let range = Range::parse(written).unwrap();
            assert_eq!(range.to_string(), written);
            for value in good {
                assert!(!range.alerts(*value), "{value} is good by {written}");
            }
            for value in bad {
                assert!(range.alerts(*value), "{value} is bad by {written}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for written in [
            "", "@", "x", "10-20", "20:10", "~", "10:20:30", "1e3", "NaN", "inf:", "1,5", "+3", ".5", "10 :20", "~:~",
        ] {
            assert!(Range::parse(written).is_err(), "{written}");
        }
        let refused = Range::parse("20:10").unwrap_err();
        assert_eq!(refused, "`20:10` is no range: 20 is above 10");
    }

    #[test]
    fn a_number_that_is_no_number_never_passes() {
        for range in ["10", "10:", "~:10", "10:20"] {
            assert!(Range::parse(range).unwrap().alerts(f64::NAN), "{range}");
        }
    }

    #[test]
    fn numbers_of_other_locales_or_beyond_all_measure_are_none() {
        for text in [
            "",
            "-",
            "1,5",
            "1e9",
            "inf",
            "nan",
            "NaN",
            "0x10",
            "1.",
            ".1",
            "1 000",
            "--1",
            "+1",
            "99999999999999999999",
            "١",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(number("-12.50"), Some(-12.5));
        assert_eq!(number("9223372036854775807"), Some(9_223_372_036_854_775_807.0));
        for (value, text) in [
            (0.0, "0"),
            (4.0, "4"),
            (4.126, "4.13"),
            (0.000_42, "0.00042"),
            (-1234.5, "-1234.5"),
            (100.0, "100"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn a_person_reads_on_which_side_a_number_lies() {
        let said = |range, value| Range::parse(range).unwrap().said_of(value);
        assert_eq!(said("10:", 4.0), "below 10");
        assert_eq!(said("5", 6.0), "above 5");
        assert_eq!(said("@1:2", 1.5), "in @1:2");
    }
}
