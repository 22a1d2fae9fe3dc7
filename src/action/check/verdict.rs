//! What a measurement is worth: ok, warn, fail, or unknown.
//!
//! Owns: the four results, and what `warn` and `crit` make of a number. Must not: measure, or call a thing good that was not
//! measured.

use crate::action::proven::Fields;
use crate::plan::Value;

use super::range::{Range, shown};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Outside of `warn`.
    Warn,
    /// Not as it should be.
    Fail,
    /// It could not be measured: never a pass.
    Unknown,
}

impl Status {
    const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Fail, Self::Unknown];

    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// As a monitoring plugin exits.
    pub fn of_exit(code: i32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Warn,
            2 => Self::Fail,
            _ => Self::Unknown,
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The number that `warn` and `crit` are about.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
    /// What it is: `/var has 4 % free`.
    pub words: String,
    /// What is not as it was asked for.
    pub wrong: Vec<String>,
    /// What a plugin itself thinks of it.
    pub says: Option<Status>,
    /// What holds where neither `warn` nor `crit` is written.
    pub limit: Option<&'static str>,
    /// Things that are bad, by name: a later look tells which are new.
    pub items: Vec<String>,
    /// Measurements beside the one, as plugins write them.
    pub perfdata: Vec<String>,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How it came out.
    pub status: Status,
    /// In a sentence.
    pub message: String,
    /// What was measured.
    pub found: Found,
}

impl Verdict {
    /// It could not be measured.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self {
            status: Status::Unknown,
            message: why.into(),
            found: Found::default(),
        }
    }

    /// Judges it. `label` names it in the perfdata.
    pub fn of(mut found: Found, label: &str, warn: Option<&Range>, crit: Option<&Range>) -> Self {
        let own = match (warn, crit, found.limit) {
            (None, None, Some(limit)) => Range::parse(limit).ok(),
            _ => None,
        };
        let crit = crit.or(own.as_ref());
        let mut status = found.says.unwrap_or(Status::Ok);
        let mut message = found.words.clone();
        if let Some(value) = found.value {
            if !value.is_finite() {
                return Self::unknown("what was measured is no number");
            }
            let beyond = |range: Option<&Range>| {
                range
                    .filter(|range| range.alerts(value))
                    .map(|range| range.said_of(value))
            };
            let (alarm, warning) = (beyond(crit), beyond(warn));
            if let Some(where_) = alarm.as_ref().or(warning.as_ref()) {
                message = format!("{message}, {where_}");
                status = status.max(if alarm.is_some() { Status::Fail } else { Status::Warn });
            }
            let limit = |range: Option<&Range>| range.map(ToString::to_string).unwrap_or_default();
            let own = format!(
                "'{label}'={}{};{};{}",
                exact(value),
                found.unit,
                limit(warn),
                limit(crit)
            );
            found.perfdata.insert(0, own);
        } else if warn.or(crit).is_some() && status < Status::Fail && found.wrong.is_empty() {
            return Self::unknown("it measured no number that `warn` or `crit` could be about");
        }
        if !found.wrong.is_empty() {
            // A plugin that says unknown has not measured: what it lacks is no verdict on the host.
            status = status.max(Status::Fail);
            message = found.wrong.join("; ");
        }
        Self { status, message, found }
    }

    /// The result fields.
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        let mut say = |name: &str, value| drop(fields.insert(name.to_owned(), value));
        say("status", Value::Text(self.status.as_str().to_owned()));
        say("message", Value::Text(self.message.clone()));
        if let Some(value) = self.found.value {
            say("value", plain(value));
            say("unit", Value::Text(self.found.unit.to_owned()));
        }
        if !self.found.perfdata.is_empty() {
            say("perfdata", Value::Text(self.found.perfdata.join(" ")));
        }
        if !self.found.items.is_empty() {
            let items = self.found.items.iter().take(MOST_ITEMS).cloned().map(Value::Text);
            say("found", Value::List(items.collect()));
        }
        fields
    }

    /// With its number, for a sentence that is made of it: `4.2 %`.
    pub fn number(value: f64, unit: &str) -> String {
        match unit {
            "" => shown(value),
            unit => format!("{} {unit}", shown(value)),
        }
    }
}

/// So many things that are bad are named.
const MOST_ITEMS: usize = 100;

/// A whole number stays one.
#[expect(clippy::cast_possible_truncation, reason = "it was compared with what it becomes")]
#[expect(clippy::cast_precision_loss, reason = "below 2^53 nothing is lost")]
fn plain(value: f64) -> Value {
    let whole = value as i64;
    match value.abs() < 9e15 && whole as f64 == value {
        true => Value::Int(whole),
        false => Value::Number(value),
    }
}

/// For a machine: nothing of it is rounded off that was measured.
fn exact(value: f64) -> String {
    match plain(value) {
        Value::Int(n) => n.to_string(),
        _ => format!("{value:.6}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(found: Found, warn: &str, crit: &str) -> Verdict {
        let range = |text: &str| Range::parse(text).ok();
        Verdict::of(found, "x", range(warn).as_ref(), range(crit).as_ref())
    }

    fn of(value: f64) -> Found {
        Found {
            value: Some(value),
            unit: "%",
            words: format!("/var has {value} % free"),
            ..Found::default()
        }
    }

    #[test]
    fn the_worse_of_two_limits_counts_and_says_so() {
        for (value, status, message) in [
            (50.0, Status::Ok, "/var has 50 % free"),
            (8.0, Status::Warn, "/var has 8 % free, below 10"),
            (4.0, Status::Fail, "/var has 4 % free, below 5"),
        ] {
            let verdict = judged(of(value), "10:", "5:");
            assert_eq!((verdict.status, verdict.message.as_str()), (status, message));
        }
        assert_eq!(judged(of(4.25), "10:", "5:").found.perfdata, ["'x'=4.25%;10:;5:"]);
    }

    #[test]
    fn what_is_no_number_is_unknown_and_never_good() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(judged(of(value), "", "").status, Status::Unknown);
            assert_eq!(judged(of(value), "~:10", "").status, Status::Unknown);
        }
        let no_number = Found {
            words: "it is there".to_owned(),
            ..Found::default()
        };
        assert_eq!(judged(no_number.clone(), "", "").status, Status::Ok);
        assert_eq!(judged(no_number.clone(), "10:", "").status, Status::Unknown);
        // A plugin that is content and measured nothing cannot be judged by a range; one that is not, is believed.
        let says = |says| Found {
            says: Some(says),
            ..no_number.clone()
        };
        assert_eq!(judged(says(Status::Ok), "10:", "").status, Status::Unknown);
        assert_eq!(judged(says(Status::Fail), "10:", "").status, Status::Fail);
    }

    #[test]
    fn what_is_wrong_fails_whatever_the_number_says() {
        let wrong = Found {
            wrong: vec!["it is not mounted".to_owned()],
            ..of(50.0)
        };
        let verdict = judged(wrong, "10:", "");
        assert_eq!(
            (verdict.status, verdict.message.as_str()),
            (Status::Fail, "it is not mounted")
        );
    }

    #[test]
    fn a_kind_has_its_own_limit_only_where_none_is_written() {
        let count = |n| Found {
            limit: Some("0"),
            ..of(n)
        };
        assert_eq!(judged(count(1.0), "", "").status, Status::Fail);
        assert_eq!(judged(count(0.0), "", "").status, Status::Ok);
        assert_eq!(judged(count(1.0), "0", "5").status, Status::Warn);
    }

    #[test]
    fn the_fields_say_it_all() {
        let fields = judged(of(4.5), "", "5:").fields();
        let text: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.plain()))
            .collect();
        assert_eq!(
            text,
            [
                "message: /var has 4.5 % free, below 5",
                "perfdata: 'x'=4.5%;;5:",
                "status: fail",
                "unit: %",
                "value: 4.5"
            ]
        );
    }
}
