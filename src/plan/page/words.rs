//! Values, times and calls of a plan as people read them.
//!
//! Owns: the words. Must not: escape, decide.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::{Call, Items, PlannedEach, Value, item_words};

/// A value as people write it.
pub fn shown(v: &Value) -> String {
    match v {
        Value::None => "none".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Duration { duration_ms } => duration(*duration_ms),
        Value::Timestamp { timestamp } => timestamp.to_string(),
        Value::Text(t) => t.clone(),
        Value::List(l) => l.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Map(m) => {
            let pairs = m.iter().map(|(k, v)| format!("{k}: {}", shown(v)));
            pairs.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A length of time: `850 ms`, `12.4 s`, `4 min 05 s`, `1 h 20 min`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 if ms.is_multiple_of(1000) => format!("{s} s"),
        1..60 => format!("{s}.{} s", ms % 1000 / 100),
        60..3600 if s.is_multiple_of(60) => format!("{} min", s / 60),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..172_800 if s % 3600 < 60 => format!("{} h", s / 3600),
        3600..172_800 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A moment in a zone, by a jiff format; in UTC if the zone is not known.
pub fn moment_in(at: Timestamp, zone: &str, format: &str) -> String {
    let local = at.in_tz(zone).or_else(|_| at.in_tz("UTC"));
    local.map_or_else(|_| at.to_string(), |z| z.strftime(format).to_string())
}

/// Day and time with the zone's name.
pub fn day(at: Timestamp, zone: &str) -> String {
    moment_in(at, zone, "%a %-d %b %Y, %H:%M %Z")
}

/// `1 host`, `3 hosts`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

/// What a call does, in words and in text, with the parameters that are known put in.
pub fn plain_call(call: &Call, params: &BTreeMap<String, Value>) -> (&'static str, String) {
    let (verb, text) = match call {
        Call::Run { command } => ("runs", command.clone()),
        Call::Argv { argv } => ("runs", argv.join(" ")),
        Call::Script {
            file,
            interpreter,
            args,
        } => {
            let with = interpreter.as_deref().unwrap_or("sh");
            (
                "runs the script",
                format!("{with} {file} {}", args.join(" ")).trim_end().to_owned(),
            )
        }
        Call::Upload {
            src, dest, template, ..
        } if *template => ("renders and uploads", format!("{src} → {dest}")),
        Call::Upload { src, dest, .. } => ("uploads", format!("{src} → {dest}")),
        Call::Restore { dest, .. } => ("puts back the former", dest.clone()),
        Call::Download { src, .. } => ("keeps a copy of", src.clone()),
        Call::Http { method, url, .. } => ("asks over HTTP", format!("{method} {url}")),
        Call::Assert { that } => ("requires", that.clone()),
        Call::WaitPort { host, port, .. } => {
            let host = host.as_deref().unwrap_or("the host's own");
            ("waits for the port", format!("{host}:{port}"))
        }
        Call::WaitPath { path, .. } => ("waits for the path", path.clone()),
        Call::WaitConnection { .. } => ("waits until one can log in", String::new()),
        Call::WaitTime { time } => ("waits", time.clone()),
        Call::Manual { text } => ("asks a person to", text.clone()),
        Call::Powershell { command } => ("runs in PowerShell", command.clone()),
        Call::WaitCheck { check, .. } => ("waits until this is good", check.to_string()),
        Call::Revert { step, of } => ("takes back", format!("what `{of}` changed in {step}")),
        Call::ByOs { linux, windows } => {
            let side = |os: &str, call: &Option<Box<Call>>| {
                let (verb, text) = plain_call(call.as_deref()?, params);
                Some(format!("{os}: {verb} {text}"))
            };
            let sides = [side("linux", linux), side("windows", windows)];
            (
                "does by operating system",
                sides.into_iter().flatten().collect::<Vec<_>>().join("; "),
            )
        }
        Call::BuiltIn(what) => what.in_words(),
    };
    (verb, with_params(&text, params))
}

/// `{{ params.NAME }}` replaced; every other template stays as it is written.
fn with_params(text: &str, params: &BTreeMap<String, Value>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, tail)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match inner.trim().strip_prefix("params.").and_then(|name| params.get(name)) {
            Some(value) => out.push_str(&shown(value)),
            None => {
                out.push_str("{{");
                out.push_str(inner);
                out.push_str("}}");
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// `for_each`: the items, as far as the plan knows them. A long list is cut short; the plan's JSON has it whole.
pub fn each_words(each: &PlannedEach) -> String {
    const SHOWN: usize = 12;
    let list = |items: &[Value]| {
        let all = items.len();
        let words: Vec<String> = items
            .iter()
            .take(SHOWN)
            .enumerate()
            .map(|(at, item)| item_words(Some(item), at, all))
            .collect();
        let more = if all > SHOWN { ", …" } else { "" };
        format!("for each of {all}: {}{more}", words.join(", "))
    };
    match &each.items {
        Items::Same(items) if items.is_empty() => "for each of an empty list: left out".to_owned(),
        Items::Same(items) => list(items),
        Items::ByHost(map) => {
            let by_host: Vec<String> = map
                .iter()
                .take(SHOWN)
                .map(|(h, items)| format!("{h} {}", list(items)))
                .collect();
            let more = if map.len() > SHOWN { "; …" } else { "" };
            format!("{}{more}", by_host.join("; "))
        }
        Items::Late(list) => format!("for each of {list} (known in the run), at most {}", each.max_items),
    }
}
