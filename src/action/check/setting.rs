//! One setting of a file or of the kernel.
//!
//! Owns: the formats. Must not: take the first of two that contradict each other for the one that holds.

use super::Asked;
use super::range::number;
use super::said::{Said, framed, short};
use super::verdict::Found;
use crate::diag::Diagnostics;
use crate::runbook::expr::quote::sh_word as quote;
use crate::runbook::yaml::{self, Node, NodeKind};

/// `config_value`.
pub(super) fn setting(asked: &Asked) -> Result<String, String> {
    let key = asked.word("key")?;
    match asked.text("format") {
        Some("registry") => Err("`format: registry` is of Windows".to_owned()),
        Some("sysctl") => {
            let good = |c: char| c.is_ascii_alphanumeric() || "._-/@:".contains(c);
            if key.contains("..") || !key.chars().all(good) {
                return Err(format!("`{key}` is no setting of the kernel"));
            }
            Ok(format!(
                "f=/proc/sys/{0}\nif [ -e \"$f\" ]; then v=$(cat \"$f\" 2>&1) || no \"$v\"\n\
                 else v=$(sysctl -n -- {1} 2>&1) || {{ echo 'there no'; echo end; exit 0; }}; fi\n\
                 echo 'there yes'; echo \"$v\" | sed 's/^/| /'",
                key.replace('.', "/"),
                quote(key)
            ))
        }
        _ => {
            let path = asked
                .word("file")
                .map_err(|_| "`config_value` needs a `file`, or `format: sysctl`".to_owned())?;
            Ok(format!(
                "f={}\n[ -e \"$f\" ] || {{ e=$(ls -d -- \"$f\" 2>&1 >/dev/null); case $e in *'ermission denied'*) no \"$e\" ;; esac; echo 'there no'; echo end; exit 0; }}\n\
                 [ -f \"$f\" ] || no \"$f is no file\"\n[ -r \"$f\" ] || no \"$f cannot be read: Permission denied\"\n\
                 echo 'there yes'; {} <\"$f\"",
                quote(path),
                framed()
            ))
        }
    }
}

pub(super) fn read_setting(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let (key, wanted) = (asked.need("key")?, asked.need("value")?);
    let place = asked.text("file").unwrap_or("the kernel");
    let mut found = Found::default();
    if said.need("there")? == "no" {
        found.words = match asked.text("file") {
            Some(path) => format!("{path} does not exist"),
            None => format!("the kernel has no {key}"),
        };
        found.wrong.push(found.words.clone());
        return Ok(found);
    }
    let text = said.text()?;
    let value = match format_of(asked) {
        "sysctl" => Some(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        "json" => json(&text, key)?,
        "yaml" => yaml(&text, key)?,
        "ini" => ini(&text, key)?,
        _ => pairs(text.lines(), key)?,
    };
    let Some(value) = value else {
        found.words = format!("{place} has no {key}");
        found.wrong.push(found.words.clone());
        return Ok(found);
    };
    found.value = number(&value);
    found.words = format!("{key} is `{}` in {place}", short(&value));
    if value != wanted.split_whitespace().collect::<Vec<_>>().join(" ") && value != wanted {
        found
            .wrong
            .push(format!("{key} is `{}` in {place}, not `{wanted}`", short(&value)));
    }
    Ok(found)
}

fn format_of(asked: &Asked) -> &str {
    let by_name = || {
        let path = asked.text("file").unwrap_or_default();
        let of = [(".ini", "ini"), (".json", "json"), (".yml", "yaml"), (".yaml", "yaml")];
        of.iter()
            .find(|(end, _)| path.ends_with(end))
            .map_or("kv", |(_, format)| format)
    };
    asked.text("format").unwrap_or_else(by_name)
}

/// `a.b.0`: keys and numbers of items.
fn json(text: &str, key: &str) -> Result<Option<String>, String> {
    let root: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
    let mut at = &root;
    for part in key.split('.') {
        let next = match at {
            serde_json::Value::Array(items) => part.parse::<usize>().ok().and_then(|n| items.get(n)),
            value => value.get(part),
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    match at {
        serde_json::Value::String(text) => Ok(Some(text.clone())),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Err(format!("{key} is no single value")),
        value => Ok(Some(value.to_string())),
    }
}

fn yaml(text: &str, key: &str) -> Result<Option<String>, String> {
    let mut diags = Diagnostics::default();
    let root: Option<Node> =
        yaml::source("file", text.as_bytes(), &mut diags).and_then(|source| yaml::read(&source, &mut diags));
    let bad = || "it is no YAML that pitstop reads (one document, no anchors, tags or double keys)".to_owned();
    let root = root.filter(|_| !diags.has_errors()).ok_or_else(bad)?;
    let mut at = &root;
    for part in key.split('.') {
        let next = match &at.kind {
            NodeKind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key.value == part)
                .map(|entry| &entry.value),
            NodeKind::Seq(items) => part.parse::<usize>().ok().and_then(|n| items.get(n)),
            NodeKind::Scalar { .. } => None,
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    match &at.kind {
        NodeKind::Scalar { text, .. } => Ok(Some(text.clone())),
        _ => Err(format!("{key} is no single value")),
    }
}

/// `section.key`; a key before the first section stands alone.
fn ini(text: &str, key: &str) -> Result<Option<String>, String> {
    let (section, key) = key.rsplit_once('.').unwrap_or(("", key));
    let mut at = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        match trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => at = name.trim().to_owned(),
            None if at == section => lines.push(line),
            None => {}
        }
    }
    pairs(lines.into_iter(), key)
}

/// `key = value`, `key: value`, `key value`; one that stands there twice with two values is not one.
fn pairs<'t>(lines: impl Iterator<Item = &'t str>, key: &str) -> Result<Option<String>, String> {
    let mut value: Option<String> = None;
    for line in lines {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some(rest) = line.strip_prefix(key) else { continue };
        let rest = match rest.trim_start().strip_prefix(['=', ':']) {
            Some(rest) => rest,
            None if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest,
            None => continue,
        };
        let rest = rest.trim();
        let bare = |q: char| rest.strip_prefix(q).and_then(|rest| rest.strip_suffix(q));
        let this = bare('"').or_else(|| bare('\'')).unwrap_or(rest);
        match &value {
            Some(first) if first != this => {
                return Err(format!("it says {key} twice: `{}` and `{}`", short(first), short(this)));
            }
            _ => value = Some(this.to_owned()),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    fn wrong(fields: &str, text: &str) -> Vec<String> {
        found("config_value", fields, &framed(text)).wrong
    }

    fn framed(text: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| format!("| {line}\n")).collect();
        format!("there yes\n{}", lines.concat())
    }

    #[test]
    fn a_setting_is_read_in_its_format() {
        let sshd = "# PermitRootLogin yes\nPermitRootLogin no\nPermitRootLoginX yes\nPort 22\n";
        assert!(wrong("{file: /etc/ssh/sshd_config, key: PermitRootLogin, value: 'no'}", sshd).is_empty());
        assert_eq!(
            wrong("{file: /e, key: Port, value: '2222'}", sshd),
            ["Port is `22` in /e, not `2222`"]
        );
        assert_eq!(wrong("{file: /e, key: Nothing, value: x}", sshd), ["/e has no Nothing"]);
        let shell = "export A=\"b c\"\nD='e'\n";
        assert!(wrong("{file: /e, key: A, value: 'b c'}", shell).is_empty());
        let ini = "top = 1\n[client]\nport=3306\n[mysqld]\n; port=1\nport = 3307\n";
        assert!(wrong("{file: /my.ini, key: mysqld.port, value: '3307'}", ini).is_empty());
        assert!(wrong("{file: /my.ini, key: top, value: '1'}", ini).is_empty());
        let json = r#"{"a": {"b": [1, {"c": true}]}, "s": "x"}"#;
        assert!(wrong("{file: /a.json, key: a.b.1.c, value: 'true'}", json).is_empty());
        assert!(wrong("{file: /a, format: json, key: s, value: x}", json).is_empty());
        let yaml = "a:\n  b:\n    - c: 'yes'\n";
        assert!(wrong("{file: /a.yml, key: a.b.0.c, value: 'yes'}", yaml).is_empty());
        assert!(
            wrong(
                "{format: sysctl, key: net.ipv4.tcp_rmem, value: '4096 131072 6291456'}",
                "4096\t131072\t6291456\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let of = |fields: &str, text: &str| unknown("config_value", fields, &framed(text));
        assert!(of("{file: /e, key: A, value: b}", "A=b\nA=c\n").contains("twice"));
        assert!(of("{file: /a.json, key: a, value: b}", "{").contains("no JSON"));
        assert!(of("{file: /a.json, key: a, value: b}", "{\"a\": []}").contains("no single value"));
        assert!(of("{file: /a.yml, key: a, value: b}", "a: &x 1\nb: *x\n").contains("no YAML"));
        assert!(
            unknown(
                "config_value",
                "{file: /a, key: a, value: b}",
                "unknown /a cannot be read: Permission denied\n"
            )
            .contains("denied")
        );
        assert_eq!(
            found("config_value", "{file: /a, key: a, value: b}", "there no\n").wrong,
            ["/a does not exist"]
        );
        for fields in [
            "{key: a, value: b}",
            "{format: sysctl, key: ../../etc/shadow, value: b}",
            "{format: registry, key: a, value: b}",
            "{format: sysctl, key: 'a b', value: b}",
        ] {
            assert!(asked("config_value", fields).is_err(), "{fields}");
        }
    }
}
