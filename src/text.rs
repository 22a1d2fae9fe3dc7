//! The escapers of every place where text that a host said may be shown.
//!
//! Owns: one escaper a format. Must not: know reports. A control character is never passed on, in no format:
//! it is written out (`\x1b`, `\u{202e}`), so that a reader sees that it was there.

mod host;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use host::HostText;

/// For a terminal, several lines: newlines and tabs stay, every other control is written out.
pub fn terminal(text: &str) -> String {
    visible(text, true)
}

/// For a terminal, one line: newlines and tabs are written out too.
pub fn terminal_line(text: &str) -> String {
    visible(text, false)
}

/// For HTML, in text and in quoted attributes.
pub fn html(text: &str) -> String {
    entities(text)
}

/// For XML 1.0, in text and in quoted attributes.
pub fn xml(text: &str) -> String {
    // Both formats know these five by number; what XML forbids is written out by `visible`.
    entities(text)
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text, true).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For Markdown, in a line or a table's cell; newlines become `<br>`.
pub fn markdown(text: &str) -> String {
    let text = visible(text, true);
    let mut out = String::with_capacity(text.len());
    // Only at the beginning could `- + = 1.` begin a list or underline a heading, and spaces a code block.
    let mut beginning = true;
    for c in text.trim_start().chars() {
        match c {
            '\n' => out.push_str("<br>"),
            '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '>' | '#' | '|' | '~' | '!' | '$' | '@' | ':' => {
                out.push('\\');
                out.push(c);
            }
            '-' | '+' | '=' | '.' | ')' if beginning => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        beginning = beginning && c.is_ascii_digit();
    }
    out
}

/// Code within a line of Markdown or a table's cell.
pub fn markdown_code(text: &str) -> String {
    let text = visible(text, false);
    if !text.contains(['|', '`']) && !text.trim().is_empty() {
        // A space at both ends would be taken off.
        let pad = if text.starts_with(' ') && text.ends_with(' ') {
            " "
        } else {
            ""
        };
        return format!("`{pad}{text}{pad}`");
    }
    // A bar ends a cell even in code, and escaping it there shows outside of tables: neither does as HTML.
    let mut out = String::from("<code>");
    for c in text.chars() {
        if c.is_alphanumeric() || c == ' ' {
            out.push(c);
        } else {
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    out.push_str("</code>");
    out
}

/// A Markdown code block; its fence is longer than any in the text.
pub fn markdown_block(text: &str) -> String {
    let text = visible(text, true);
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}text\n{text}{end}{fence}\n")
}

/// For a field of a CSV file (RFC 4180). What a spreadsheet would take for a formula gets a `'` in front; numbers do not.
pub fn csv(text: &str) -> String {
    let text = visible(text, true);
    let first = text.trim_start().chars().next();
    let formula =
        matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')) || text.starts_with(['\t', '\n']);
    let formula = formula && !is_number(&text);
    let quote = formula || text.contains([',', ';', '"', '\n', '\t']) || text.starts_with(' ') || text.ends_with(' ');
    if !quote {
        return text;
    }
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.parse::<f64>().is_ok()
}

/// JSON as it was written, with every character that a screen would obey or hide as `\u....`: the same value. Such characters
/// stand only inside strings.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\u{7f}' || is_tricky(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes out what a screen would obey or hide. CR before a newline goes away.
fn visible(text: &str, several_lines: bool) -> String {
    let text = if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' if several_lines => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if is_tricky(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// C1 controls, separators, direction marks, invisible and non-characters, tags.
fn is_tricky(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_escape_sequences_written_out() {
        let hostile = "a\x1b[2Jb\x1b]0;title\x07\rover\u{9b}31m\u{202e}txt.exe\x7f\ttab\nnext\r\n";
        assert_eq!(
            terminal(hostile),
            "a\\x1b[2Jb\\x1b]0;title\\x07\\rover\\u{9b}31m\\u{202e}txt.exe\\x7f\ttab\nnext\n"
        );
        assert_eq!(terminal_line("a\tb\nc"), "a\\tb\\nc");
        assert_eq!(terminal("Zoë 日本 👩\u{200d}🔧"), "Zoë 日本 👩\u{200d}🔧");
    }

    #[test]
    fn html_and_xml_have_no_markup_and_no_forbidden_character_left() {
        let hostile = "<script>alert('1')</script> & \"x\" \0\u{b}\u{ffff}";
        let shown = html(hostile);
        assert_eq!(
            shown,
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &#34;x&#34; \\x00\\x0b\\u{ffff}"
        );
        assert_eq!(xml(hostile), shown);
        assert_eq!(xml("]]>"), "]]&gt;");
    }

    #[test]
    fn markdown_stays_one_cell_without_links_images_html_or_lists() {
        assert_eq!(
            markdown("![x](http://e) <b> a|b\n# h `c`"),
            "\\!\\[x\\](http\\://e) &lt;b\\> a\\|b<br>\\# h \\`c\\`"
        );
        assert_eq!(markdown("    - item"), "\\- item");
        assert_eq!(markdown("12. item"), "12\\. item");
        assert_eq!(markdown("1.2.3-4"), "1\\.2.3-4");
    }

    #[test]
    fn a_markdown_block_cannot_be_closed_from_inside() {
        assert_eq!(markdown_block("a\n````\nb"), "`````text\na\n````\nb\n`````\n");
    }

    #[test]
    fn json_for_a_screen_holds_the_same_value_without_what_a_screen_obeys() {
        let value = "a\u{7f}b\u{9b}31m\u{202e}c\u{2066}\u{feff}\u{e0041}\u{1f600}\u{e9}\n\u{1b}";
        let written = serde_json::to_string_pretty(&[value]).unwrap();
        let shown = json(&written);
        assert_eq!(
            shown,
            "[\n  \"a\\u007fb\\u009b31m\\u202ec\\u2066\\ufeff\\udb40\\udc41\u{1f600}\u{e9}\\n\\u001b\"\n]"
        );
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [value]);
    }

    #[test]
    fn a_spreadsheet_finds_no_formula_and_numbers_stay_numbers() {
        assert_eq!(csv("=1+1"), "\"'=1+1\"");
        assert_eq!(csv("  @SUM(A1)"), "\"'  @SUM(A1)\"");
        assert_eq!(csv("-2+3+cmd|' /C calc'!A0"), "\"'-2+3+cmd|' /C calc'!A0\"");
        assert_eq!(csv("\t=x"), "\"'\t=x\"");
        assert_eq!(csv("-5.25"), "-5.25");
        assert_eq!(csv("say \"hi\", all\nof you"), "\"say \"\"hi\"\", all\nof you\"");
        assert_eq!(csv("plain"), "plain");
    }

    proptest::proptest! {
        #[test]
        fn no_escaper_lets_a_control_character_through(text in "(?s).{0,80}") {
            for shown in [terminal(&text), html(&text), xml(&text), markdown(&text), markdown_block(&text), csv(&text)] {
                proptest::prop_assert!(!shown.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || is_tricky(c)));
            }
        }
    }
}
