//! The place of a mistake inside a value: whatever way YAML is written, the bytes of the file that are underlined are those that
//! are wrong.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use pitstop::diag::{Diagnostics, render};
use pitstop::runbook::check::linted;
use pitstop::runbook::files::{Files, ReadError};
use proptest::prelude::*;

struct One(Vec<u8>);

impl Files for One {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let files = BTreeMap::from([("example.yml", &self.0)]);
        files.get(path).map(|b| (*b).clone()).ok_or(ReadError::Missing)
    }
}

/// The mistake: a name that no parameter has. It is `WRONG` in the text, however it is written.
const WRONG: &str = "params.nwhere";

#[derive(Clone, Copy, Debug)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

const STYLES: [Style; 5] = [
    Style::Plain,
    Style::Single,
    Style::Double,
    Style::Literal,
    Style::Folded,
];

/// One character in double quotes: as it is, or as one of its escapes.
fn in_double_quotes(c: char, choice: u8) -> String {
    let number = u32::from(c);
    match choice % 6 {
        0 if number < 0x100 => format!("\\x{number:02x}"),
        1 if number < 0x1_0000 => format!("\\u{number:04X}"),
        2 => format!("\\U{number:08x}"),
        3 if c == ' ' => "\\ ".to_owned(),
        4 if c == '/' => "\\/".to_owned(),
        _ if c == '"' || c == '\\' => format!("\\{c}"),
        _ => c.to_string(),
    }
}

/// The command as it stands in the file, and what of it is to be underlined. `words` stand before the mistake; where a bit of
/// `breaks` is set the next word begins a line.
fn written(
    style: Style,
    words: &[String],
    breaks: u16,
    escapes: &[u8],
    header: &str,
    indent: usize,
) -> (String, String) {
    let mut choices = escapes.iter().cycle();
    let mut put = |text: &str| -> String {
        match style {
            Style::Single => text.replace('\'', "''"),
            Style::Double => text
                .chars()
                .map(|c| in_double_quotes(c, *choices.next().unwrap()))
                .collect(),
            _ => text.to_owned(),
        }
    };
    let wrong = put(WRONG);
    let margin = " ".repeat(indent);
    let mut body = String::new();
    for (n, word) in words.iter().enumerate() {
        body.push_str(&put(word));
        // In double quotes a line may also end in a backslash; an empty line is a line break of the text.
        match (breaks >> n & 1, style) {
            (1, Style::Double) if n % 3 == 2 => body.push_str(&format!(" \\\n{margin}\\  ")),
            (1, _) if n % 2 == 1 => body.push_str(&format!("\n\n{margin}")),
            (1, _) => body.push_str(&format!("\n{margin}")),
            _ => body.push(' '),
        }
    }
    body.push_str(&format!("{{{{ {wrong} | sh }}}} end"));
    let text = match style {
        Style::Plain => format!("echo {body}"),
        Style::Single => format!("'echo {body}'"),
        Style::Double => format!("\"echo {body}\""),
        Style::Literal => format!("|{header}\n{margin}echo {body}\n"),
        Style::Folded => format!(">{header}\n{margin}echo {body}\n"),
    };
    (text, wrong)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_mistake_in_a_template_is_underlined_where_it_stands(
        style in 0..STYLES.len(),
        words in prop::collection::vec("[a-z\"'\\\\ü日𝄞/][a-z\"'\\\\ü日𝄞/%]{0,4}", 0..8),
        breaks in any::<u16>(),
        escapes in prop::collection::vec(any::<u8>(), 1..40),
        chomp in prop::sample::select(vec!["", "-", "+", " # said", "- # said"]),
        explicit in any::<bool>(),
        windows in any::<bool>(),
        mark in any::<bool>(),
    ) {
        let style = STYLES[style];
        let header = if explicit { format!("2{chomp}") } else { chomp.to_owned() };
        let (command, wrong) = written(style, &words, breaks, &escapes, &header, 10);
        // Two spaces beyond the key, as the indicator says.
        let before = "schema: 1\nrunbook: example\ntitle: An example\nphases:\n  - phase: only\n    title: Only\n    verify:\n      - name: Süd\n        run: ";
        let mut file = format!("{before}{command}\n        timeout: 5s\n");
        let mut start = before.len() + command.find(&format!("{{{{ {wrong}")).unwrap() + 3;
        if windows {
            start += file.get(..start).unwrap().matches('\n').count();
            file = file.replace('\n', "\r\n");
        }
        if mark {
            file = format!("\u{feff}{file}");
        }
        let mut diags = Diagnostics::new();
        linted(&One(file.clone().into_bytes()), "example.yml", &mut diags);
        let found: Vec<_> = diags.0.iter().filter(|d| d.code == "PS0302").collect();
        let screen = render::human(&diags, false, 100);
        prop_assert_eq!(found.len(), 1, "{}\n{}", screen, file);
        let span = &found[0].labels[0].span;
        prop_assert_eq!(span.text(), wrong.as_str(), "{}\n{}", screen, file);
        prop_assert_eq!(span.start, start, "{}", screen);
    }
}
