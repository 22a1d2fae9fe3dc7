//! Passwords that stand in an inventory are made unreadable before anything else is read: a message shows the line it is about.
//!
//! Owns: where a password's value begins and ends. Must not: change any other byte, or where a byte stands.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::diag::Source;

/// A password variable and its value: to the end of a line that it begins, else one word or one quoted text.
static VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r#"ansible_\w*(?:password|_pass|passphrase)["']?[ \t]*[=:][ \t]*"#;
    let quoted = r#""(?:[^"\\\n]|\\.)*"|'[^'\n]*'"#;
    let plain = r#"[^\s"'!|>{}\[\]&*#,]"#;
    Regex::new(&format!(
        r"(?m)(?:^[ \t]*{name}({quoted}|{plain}[^\n]*)|{name}({quoted}|{plain}[^\s,}}]*))"
    ))
    .ok()
});

/// The same source without its passwords; the very same where there is none.
pub(super) fn masked(source: &Arc<Source>) -> Arc<Source> {
    match mask(&source.text) {
        Cow::Borrowed(_) => Arc::clone(source),
        Cow::Owned(text) => Source::new(source.name.clone(), text),
    }
}

fn mask(text: &str) -> Cow<'_, str> {
    let Some(pattern) = VALUE.as_ref().filter(|_| text.contains("pass")) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::new();
    let mut from = 0;
    for found in pattern
        .captures_iter(text)
        .filter_map(|c| c.get(1).or_else(|| c.get(2)))
    {
        out.push_str(text.get(from..found.start()).unwrap_or(""));
        let last = found.len() - 1;
        for (at, c) in found.as_str().char_indices() {
            let outer = matches!(c, '"' | '\'') && (at == 0 || at == last);
            if outer || c == '\r' {
                out.push(c);
            } else {
                out.extend(std::iter::repeat_n('x', c.len_utf8()));
            }
        }
        from = found.end();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(from..).unwrap_or(""));
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_made_unreadable_and_nothing_moves() {
        for (text, expected) in [
            ("h ansible_password=hunter22 a=b\n", "h ansible_password=xxxxxxxx a=b\n"),
            ("h ansible_ssh_pass='a b' c=d", "h ansible_ssh_pass='xxx' c=d"),
            (
                "ansible_become_pass = two words\nx=1",
                "ansible_become_pass = xxxxxxxxx\nx=1",
            ),
            ("  ansible_password: \"s\\\"t\"\n", "  ansible_password: \"xxxx\"\n"),
            (
                "{\"ansible_password\": \"geheim\", \"a\": 1}",
                "{\"ansible_password\": \"xxxxxx\", \"a\": 1}",
            ),
            ("h: {ansible_password: ab, b: 1}", "h: {ansible_password: xx, b: 1}"),
            (
                "ansible_password: !vault |\n  616\n",
                "ansible_password: !vault |\n  616\n",
            ),
            ("ansible_user=pass", "ansible_user=pass"),
        ] {
            assert_eq!(mask(text), expected, "{text}");
            assert_eq!(mask(text).len(), text.len());
        }
    }
}
