//! What of a source nobody is shown: secrets that somebody wrote into a file.
//!
//! Owns: where they are in an excerpt, and what stands in their place. Must not: know which keys of the language hold secrets;
//! readers tell with [`Span::hide`](super::Span::hide). Where a file cannot be read that far, the name of a key is all there is
//! to go by: what follows `password:` is taken for one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Source;

/// Stands for a secret, whatever its length.
const MASK: &str = "***";

/// The value of a key that is called a password: the rest of a line that it begins, else up to the end of the item.
static PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let key = r#"["']?[\w.-]*(?:password|passphrase|passwd)["']?[ \t]*:[ \t]+"#;
    let quoted = r#""(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?"#;
    let plain = r#"[^\s"'{\[|>&*!#,}\]]"#;
    Regex::new(&format!(
        r"(?im)(?:^[ \t-]*{key}({quoted}|{plain}[^\r\n]*)|[ \t,{{\[]{key}({quoted}|{plain}[^\r\n,}}]*))"
    ))
    .ok()
});

/// A part of a source as people are shown it. Where it ends inside a secret, the whole mask is there.
pub(super) fn shown(source: &Source, from: usize, to: usize) -> String {
    let text = &source.text;
    let (mut out, mut at) = (String::new(), from);
    for secret in secrets(source, from, to) {
        let (start, end) = (secret.start.max(at), secret.end);
        if start >= to {
            break;
        }
        if end <= at {
            continue;
        }
        out.push_str(text.get(at..start).unwrap_or(""));
        let lines = text.get(start..end).unwrap_or("").split('\n');
        let masked: Vec<&str> = lines.map(|line| if line.is_empty() { "" } else { MASK }).collect();
        out.push_str(&masked.join("\n"));
        at = end;
    }
    out.push_str(text.get(at..to).unwrap_or(""));
    out
}

/// In order. Of the text only these lines are searched, from the begin of one to the end of another: what the pattern finds
/// lies in one line.
fn secrets(source: &Source, from: usize, to: usize) -> Vec<Range<usize>> {
    let mut found = source.hidden();
    let last = source.text.get(to..).and_then(|rest| rest.find('\n'));
    let end = last.map_or(source.text.len(), |line| to + line);
    let rest = source.text.get(from..end).unwrap_or("");
    let named = PASSWORD.iter().flat_map(|pattern| pattern.captures_iter(rest));
    let named = named.filter_map(|c| c.get(1).or_else(|| c.get(2)));
    // A template is no secret, and the complaint may be about it.
    let named = named.filter(|value| !value.as_str().contains("{{"));
    found.extend(named.map(|value| {
        let start = from + value.start();
        start..start + value.as_str().trim_end().len()
    }));
    found.sort_by_key(|range| range.start);
    found.dedup_by(|later, kept| {
        let overlaps = later.start < kept.end;
        if overlaps {
            kept.end = kept.end.max(later.end);
        }
        overlaps
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_by_the_name_of_their_key_and_nothing_else_is() {
        for (text, expected) in [
            (
                "hosts: { a: { password: hunter22, prot: 1 } }",
                "hosts: { a: { password: ***, prot: 1 } }",
            ),
            ("  password: two, words }", "  password: ***"),
            (
                "hosts: { a: { password: hunter22 } }",
                "hosts: { a: { password: *** } }",
            ),
            ("  - DB_PASSWORD: 'a b' # note", "  - DB_PASSWORD: *** # note"),
            ("{\"password\": \"x\\\"y\", \"n\": 1}", "{\"password\": ***, \"n\": 1}"),
            ("password: \"open", "password: ***"),
            ("password: { secret: name }", "password: { secret: name }"),
            ("password: \"{{ secrets.pw }}\"", "password: \"{{ secrets.pw }}\""),
            ("name: Set the password", "name: Set the password"),
            ("passwords: 3", "passwords: 3"),
        ] {
            assert_eq!(shown(&Source::new("a.yml", text), 0, text.len()), expected, "{text}");
        }
    }

    #[test]
    fn what_a_reader_hides_is_masked_line_by_line_and_offsets_inside_it_fall_behind_it() {
        let twice = Source::new("a.yml", "x: { password: hunter22 }");
        super::super::Span::new(&twice, 15, 23).hide();
        assert_eq!(shown(&twice, 0, 25), "x: { password: *** }");
        let source = Source::new("a.yml", "a: |\n  one\n  two\nb: 1\n");
        super::super::Span::new(&source, 3, 17).hide();
        assert_eq!(shown(&source, 0, source.text.len()), "a: ***\n***\n***\nb: 1\n");
        assert_eq!(shown(&source, 0, 3), "a: ");
        assert_eq!(shown(&source, 0, 5), "a: ***\n***\n***\n");
        assert_eq!(shown(&source, 17, 21), "b: 1");
    }
}
