//! Programs that say how things are: monitoring plugins, goss, TAP, JUnit.
//!
//! An exit code and what was printed must agree, and something must have been looked at: a plan of no tests, an empty report and
//! a plugin that says nothing are unknown.
//!
//! Owns: these formats. Must not: take an exit code of 0 alone for an answer.

mod reports;

use std::collections::BTreeMap;

use super::Asked;
use super::Status;
use super::range::number;
use super::said::{Said, framed, short};
use super::verdict::Found;
use crate::plan::Value;
use crate::runbook::expr::quote::sh_word as quote;

/// More measurements than any plugin has.
const MOST_PERFDATA: usize = 1000;

/// `command`.
pub(super) fn command(asked: &Asked) -> Result<String, String> {
    // A shell of its own: a mistake of syntax in it is its own, and so is `exit`.
    let words = match asked.text("run") {
        Some(run) => format!("sh -c {}", quote(run)),
        None => {
            let (shell, text) = asked.script()?;
            let args = asked.list("args").unwrap_or_default();
            let words: Vec<String> = [text, asked.need("script")?]
                .iter()
                .chain(&args)
                .map(|w| quote(w))
                .collect();
            format!("{shell} -c {}", words.join(" "))
        }
    };
    // `printf` is the shell's own: what is written so may be longer than a word of a command.
    let (from, input) = match asked.text("input") {
        Some(text) => (format!("printf '%s\\n' {} | ", quote(text)), ""),
        None => (String::new(), " </dev/null"),
    };
    Ok(format!(
        "exec 3>&1\nr=$({{ {{ {from}{words}{input} 3>&- 4>&-; echo $? >&4; }} | {} >&3; }} 4>&1)\necho; echo \"rc $r\"",
        framed()
    ))
}

pub(super) fn read_command(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let rc = said.number("rc")?;
    #[expect(clippy::cast_possible_truncation, reason = "an exit status has eight bits")]
    let code = rc as i32;
    let text = said.text()?;
    match code {
        126 | 127 => return Err(format!("the command cannot be run (exit code {code})")),
        129.. => return Err(format!("the command was ended by signal {}", code - 128)),
        _ => {}
    }
    match asked.need("format")? {
        "nagios" => nagios(&text, code),
        "goss_json" => reports::goss(&text, code),
        "tap" => reports::tap(&text, code),
        _ => reports::junit(&text, code),
    }
}

fn nagios(text: &str, code: i32) -> Result<Found, String> {
    let output = Output::read(text);
    if output.text.is_empty() {
        return Err(format!("the plugin ended with {code} and says nothing"));
    }
    let says = Status::of_exit(code);
    if says == Status::Unknown {
        return Err(short(&output.text));
    }
    let first = output.perfdata.as_ref().ok().and_then(|all| all.first());
    let again = |perf: &Perf| {
        format!(
            "'{}'={}{};{};{}",
            perf.label, perf.written, perf.unit, perf.warn, perf.crit
        )
    };
    Ok(Found {
        value: first.and_then(|perf| perf.value),
        words: output.text.clone(),
        says: Some(says),
        perfdata: output.perfdata.iter().flatten().map(again).collect(),
        items: output.items,
        ..Found::default()
    })
}

/// What a plugin prints: a text, and measurements behind a bar.
struct Output {
    text: String,
    /// Further lines that begin with `- `: what was found, one by one.
    items: Vec<String>,
    perfdata: Result<Vec<Perf>, String>,
}

impl Output {
    fn read(said: &str) -> Self {
        let mut lines = said.trim_end().lines();
        let first = lines.next().unwrap_or_default();
        let (text, perf) = first.split_once('|').unwrap_or((first, ""));
        let mut all = vec![perf];
        // Further lines are text up to the next bar, and measurements from there on.
        let mut behind = false;
        let mut items = Vec::new();
        for line in lines {
            if let (false, Some(item)) = (behind, line.strip_prefix("- ")) {
                items.push(item.trim().chars().take(300).collect());
                continue;
            }
            match line.split_once('|') {
                _ if behind => all.push(line),
                Some((_, perf)) => {
                    behind = true;
                    all.push(perf);
                }
                None => {}
            }
        }
        let perfdata = all.into_iter().map(perfdata).collect::<Result<Vec<_>, _>>();
        Self {
            text: text.trim().chars().take(500).collect(),
            items,
            perfdata: perfdata.map(|lists| lists.into_iter().flatten().take(MOST_PERFDATA).collect()),
        }
    }
}

/// One measurement: `'label'=value[unit];[warn];[crit];[min];[max]`.
#[derive(Debug, PartialEq)]
struct Perf {
    label: String,
    /// `None`: the plugin says that it does not know.
    value: Option<f64>,
    written: String,
    unit: String,
    warn: String,
    crit: String,
}

fn perfdata(text: &str) -> Result<Vec<Perf>, String> {
    let mut rest = text.trim();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (label, tail) = label(rest).ok_or_else(|| format!("no measurement: `{}`", short(rest)))?;
        let (item, tail) = tail.split_once(char::is_whitespace).unwrap_or((tail, ""));
        let mut parts = item.split(';');
        let value = parts.next().unwrap_or_default();
        let at = value
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
            .unwrap_or(value.len());
        let (digits, unit) = value.split_at_checked(at).unwrap_or((value, ""));
        let (digits, unit) = if value == "U" { ("U", "") } else { (digits, unit) };
        let number = number(digits.trim_start_matches('+'));
        let good_unit = unit.len() <= 10 && unit.chars().all(|c| c.is_alphabetic() || matches!(c, '%' | '/'));
        if (number.is_none() && digits != "U") || !good_unit || parts.clone().count() > 4 {
            return Err(format!("`{}` is no measurement", short(item)));
        }
        all.push(Perf {
            label,
            value: number,
            written: digits.to_owned(),
            unit: unit.to_owned(),
            warn: parts.next().unwrap_or_default().to_owned(),
            crit: parts.next().unwrap_or_default().to_owned(),
        });
        if all.len() > MOST_PERFDATA {
            return Err(format!("more than {MOST_PERFDATA} measurements"));
        }
        rest = tail.trim_start();
    }
    Ok(all)
}

/// A label, and what stands behind its `=`.
fn label(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let (label, rest) = text.split_once('=')?;
        let odd = label.is_empty() || label.contains(|c: char| c.is_whitespace() || c == '\'');
        return (!odd).then(|| (label.to_owned(), rest));
    };
    let mut label = String::new();
    let mut rest = quoted;
    loop {
        let (part, tail) = rest.split_once('\'')?;
        label.push_str(part);
        match tail.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return Some((label, tail.strip_prefix('=')?)),
        }
    }
}

/// `as: nagios`: the text, and each measurement by its label.
///
/// # Errors
/// When there is no text, or a measurement that is none.
pub fn value(said: &str) -> Result<Value, String> {
    let output = Output::read(said);
    if output.text.is_empty() {
        return Err("the plugin says nothing".to_owned());
    }
    let one = |perf: Perf| {
        let text = |text: String| Value::Text(text);
        let fields = [
            ("value".to_owned(), perf.value.map_or(Value::None, Value::Number)),
            ("unit".to_owned(), text(perf.unit)),
            ("warn".to_owned(), text(perf.warn)),
            ("crit".to_owned(), text(perf.crit)),
        ];
        (perf.label, Value::Map(BTreeMap::from(fields)))
    };
    let perf = output.perfdata?.into_iter().map(one).collect();
    let fields = [
        ("text".to_owned(), Value::Text(output.text)),
        ("perf".to_owned(), Value::Map(perf)),
    ];
    Ok(Value::Map(BTreeMap::from(fields)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, unknown};
    use super::*;

    fn framed(text: &str, rc: i32) -> String {
        let lines: Vec<String> = text.lines().map(|line| format!("| {line}\n")).collect();
        format!("{}\nrc {rc}\n", lines.concat())
    }

    fn nagios(text: &str, rc: i32) -> Found {
        found("command", "{run: x, format: nagios}", &framed(text, rc))
    }

    #[test]
    fn a_plugin_is_its_exit_code_and_its_words() {
        let text = "DISK OK - free space: / 10 MB |/=5MB;8;9;0;10\nmore text\nlast | 'a b'=1.5s;;;0 c=7%\nd=1c\n";
        let good = nagios(text, 0);
        assert_eq!(
            (good.says, good.value, good.words.as_str()),
            (Some(Status::Ok), Some(5.0), "DISK OK - free space: / 10 MB")
        );
        assert_eq!(good.perfdata, ["'/'=5MB;8;9", "'a b'=1.5s;;", "'c'=7%;;", "'d'=1c;;"]);
        let single = nagios("2 differ\n- a: 1, not 2\nmore\n- b | c: is new\n| x=2", 2);
        assert_eq!(single.items, ["a: 1, not 2", "b | c: is new"]);
        assert_eq!(single.value, Some(2.0));
        assert_eq!(nagios("DISK WARNING", 1).says, Some(Status::Warn));
        assert_eq!(nagios("DISK CRITICAL", 2).says, Some(Status::Fail));
        let lost = |text: &str, rc: i32| unknown("command", "{run: x, format: nagios}", &framed(text, rc));
        assert_eq!(lost("DISK UNKNOWN - what?", 3), "DISK UNKNOWN - what?");
        assert!(lost("", 0).contains("says nothing"));
        assert!(lost("| a=1", 0).contains("says nothing"));
        assert!(lost("sh: 1: x: not found", 127).contains("cannot be run"));
        assert!(lost("", 137).contains("signal 9"));
        assert!(lost("odd", 77).contains("odd"));
        // What it measured cannot be read; what it thinks can.
        assert_eq!(nagios("OK | a=NaN", 0).perfdata, Vec::<String>::new());
    }

    #[test]
    fn a_script_is_given_as_it_is_with_its_arguments_and_input() {
        let of = |text: &str| {
            let fields = [
                ("script", Value::Text("files/it's.sh".to_owned())),
                ("args", Value::List(vec![Value::Text("a b".to_owned())])),
                ("input", Value::Text("it's\n$(id)".to_owned())),
            ];
            let mut asked = Asked(fields.map(|(name, value)| (name.to_owned(), value)).into());
            asked.script_is(text.as_bytes())?;
            command(&asked)
        };
        let script = "#!/bin/sh\n# it's one\nread -r first\nread -r second\necho \"$0 $1 $first $second\"\nexit 1\n";
        let text = of(script).unwrap();
        let done = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&done.stdout),
            "| files/it's.sh a b it's $(id)\n\nrc 1\n"
        );
        assert!(of("#!/usr/bin/env python3\n").unwrap_err().contains("python3"));
        assert!(of("#!/usr/bin/env bash\n").unwrap().contains("bash -c"));
        assert!(of(&"#".repeat(200 << 10)).is_err());
    }

    #[test]
    fn measurements_are_read_as_they_must_be_written() {
        for bad in [
            "a",
            "=1",
            "a=",
            "a=1;2;3;4;5;6",
            "a=1,5",
            "a=1e9",
            "'a=1",
            "a b=1",
            "a=--1",
            "a=1;'",
        ] {
            if bad != "a=1;'" {
                assert!(perfdata(bad).is_err(), "{bad}");
            }
        }
        assert_eq!(
            perfdata("'it''s'=U")
                .unwrap()
                .first()
                .map(|p| (p.label.clone(), p.value)),
            Some(("it's".to_owned(), None))
        );
        assert!(perfdata(&"a=1 ".repeat(1001)).is_err());
        let value = value("OK - fine | a=1.5s;2;3").unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"perf":{"a":{"crit":"3","unit":"s","value":1.5,"warn":"2"}},"text":"OK - fine"}"#
        );
        assert!(super::value("").is_err());
        assert!(super::value("OK | a=NaN").is_err());
    }

    #[test]
    fn a_flood_is_cut_and_unknown() {
        let flood = format!("| {}\n", "x".repeat(super::super::said::TEXT_MAX + 5));
        assert!(unknown("command", "{run: x, format: nagios}", &format!("{flood}rc 141\n")).contains("MiB"));
    }
}
