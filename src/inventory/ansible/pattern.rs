//! `web[01:50].example.com:2222` → host names and a port.
//!
//! Owns: what Ansible takes for an address with a port, and how ranges grow. Must not: judge whether a name is a good one.

use std::net::Ipv6Addr;

/// Most hosts that one pattern may make.
const MOST: usize = 100_000;
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The names that a pattern stands for, and the port after it.
///
/// # Errors
/// Why Ansible fails on it, or why it is too much.
pub(super) fn expand(pattern: &str) -> Result<(Vec<String>, Option<i64>), String> {
    let (body, port) = address(pattern).unwrap_or((pattern, None));
    if pattern.trim().ends_with(':') && port.is_none() {
        return Err("nothing follows the colon: a port is wanted there".to_owned());
    }
    let mut names = Vec::new();
    grow(body, &mut names)?;
    if names.iter().any(|n| n.trim() == "---") {
        return Err("`---` begins a YAML file; this one is read as INI".to_owned());
    }
    Ok((names, port.filter(|p| *p != 0)))
}

/// Host and port of what Ansible knows as an address; `None`: it does not, and takes the whole text as a name.
fn address(pattern: &str) -> Option<(&str, Option<i64>)> {
    let (mut body, mut port) = (pattern, None);
    if let Some((inner, digits)) = body.strip_prefix('[').and_then(|b| b.rsplit_once("]:"))
        && !inner.is_empty()
        && number(digits)
    {
        (body, port) = (inner, Some(digits.parse().ok()?));
    }
    if let Some((before, digits)) = body.rsplit_once(':')
        && number(digits)
        && outside_ranges(before)
    {
        (body, port) = (before, Some(digits.parse().ok()?));
    }
    (is_hostname(body) || is_ipv6(body)).then_some((body, port))
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// True if every colon and bracket of the text belongs to a range.
fn outside_ranges(text: &str) -> bool {
    let mut open = false;
    for c in text.chars() {
        match c {
            '[' if !open => open = true,
            '[' if open => {}
            ']' if open => open = false,
            ']' => return false,
            ':' if !open => return false,
            _ => {}
        }
    }
    !open
}

/// Labels of letters, digits, `_`, `-` and ranges, joined by dots.
fn is_hostname(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((range, tail)) = after.split_once(']') else {
            return false;
        };
        if !is_range(range) {
            return false;
        }
        plain.push_str(before);
        // Whatever a range becomes, it begins and ends as a label may.
        plain.push('0');
        rest = tail;
    }
    plain.push_str(rest);
    plain.split('.').all(|label| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        label.starts_with(word) && label.chars().all(|c| word(c) || c == '-') && !label.ends_with(['_', '-'])
    })
}

/// `a:f`, `01:50`, `1:9:2`.
fn is_range(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let letter = |t: &str| t.len() == 1 && t.bytes().all(|b| b.is_ascii_alphabetic());
    match parts.as_slice() {
        [a, b] | [a, b, _] if !((letter(a) && letter(b)) || (number(a) && number(b))) => false,
        [_, _] => true,
        [_, _, step] => number(step),
        _ => false,
    }
}

fn is_ipv6(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((_, tail)) = after.split_once(']') else {
            return false;
        };
        plain.push_str(before);
        plain.push('0');
        rest = tail;
    }
    plain.push_str(rest);
    plain.parse::<Ipv6Addr>().is_ok()
}

/// Replaces the first range and goes on with what comes out.
fn grow(text: &str, names: &mut Vec<String>) -> Result<(), String> {
    let Some((head, after)) = text.split_once('[') else {
        if names.len() >= MOST {
            return Err(format!("it stands for more than {MOST} hosts"));
        }
        names.push(text.to_owned());
        return Ok(());
    };
    let (range, tail) = after.split_once(']').ok_or("a bracket is opened and never closed")?;
    if head.contains([']', '|']) || range.contains('|') || tail.contains('|') {
        return Err("the brackets do not fit together".to_owned());
    }
    for value in values(range)? {
        grow(&format!("{head}{value}{tail}"), names)?;
    }
    Ok(())
}

/// What a range counts: letters, or numbers with as many digits as its begin shows by leading zeros.
fn values(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match parts.as_slice() {
        [a, b] => (*a, *b, "1"),
        [a, b, step] => (*a, *b, *step),
        _ => return Err("a range is `[BEGIN:END]` or `[BEGIN:END:STEP]`".to_owned()),
    };
    if end.is_empty() {
        return Err("a range needs an end: `[1:9]`".to_owned());
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    let width = if begin.len() > 1 && begin.starts_with('0') {
        begin.len()
    } else {
        0
    };
    if width > 0 && begin.len() != end.len() {
        return Err("begin and end of a range with leading zeros have the same number of digits: `[01:50]`".to_owned());
    }
    let step: usize = step
        .parse()
        .ok()
        .filter(|s| *s > 0)
        .ok_or("the step of a range is a number from 1 up")?;
    if let (Some(a), Some(b)) = (LETTERS.find(begin), LETTERS.find(end)) {
        let letters = LETTERS
            .get(a..=b)
            .filter(|_| a <= b)
            .ok_or("the begin of a range comes after its end")?;
        return Ok(letters.chars().step_by(step).map(String::from).collect());
    }
    let parse = |t: &str| t.parse::<u64>().ok().filter(|_| number(t));
    let (Some(a), Some(b)) = (parse(begin), parse(end)) else {
        return Err("a range counts numbers or single letters: `[1:9]`, `[a:f]`".to_owned());
    };
    if b.saturating_sub(a) / u64::try_from(step).unwrap_or(u64::MAX) >= MOST as u64 {
        return Err(format!("it stands for more than {MOST} hosts"));
    }
    Ok((a..=b).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_ports_are_read_as_ansible_does() {
        for (pattern, names, port) in [
            ("web1", vec!["web1"], None),
            ("web1:2222", vec!["web1"], Some(2222)),
            ("web[08:10]:22", vec!["web08", "web09", "web10"], Some(22)),
            ("db-[a:c].x", vec!["db-a.x", "db-b.x", "db-c.x"], None),
            ("n[1:7:3]", vec!["n1", "n4", "n7"], None),
            ("r[1:2]n[1:2]", vec!["r1n1", "r1n2", "r2n1", "r2n2"], None),
            ("n[:2]", vec!["n0", "n1", "n2"], None),
            ("n[5:2]", vec![], None),
            ("[web1]:22", vec!["web1"], Some(22)),
            ("2001:db8::1", vec!["2001:db8::1"], None),
            ("[2001:db8::1]:22", vec!["2001:db8::1"], Some(22)),
            ("web_:22", vec!["web_:22"], None),
            ("192.0.2.[1:2]", vec!["192.0.2.1", "192.0.2.2"], None),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(expand(pattern), Ok((names, port)), "{pattern}");
        }
        for wrong in [
            "web1:",
            "n[1:",
            "n[1]",
            "n[01:9]",
            "n[1:9:0]",
            "n[f:a]",
            "n[a:9]",
            "n[1:999999999]",
            "n[1:]",
            "---",
            "a[1:1000]b[1:1000]",
        ] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }
}
