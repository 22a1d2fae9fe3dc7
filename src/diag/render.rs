//! Diagnostics as text for people and for tools.
//!
//! Owns: the pictures. The only file that names annotate-snippets. Must not: print; a control character of a source or message
//! never reaches the terminal from here.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::codes;
use super::{Diagnostic, Diagnostics, Label, Severity, Source, Span};

/// A line longer than this is not shown: only its place is.
const LONGEST_LINE: usize = 4096;

/// For people: place, source with every label underlined, help; at the end a line that counts.
pub fn human(diags: &Diagnostics, color: bool, width: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width);
    let mut out = String::new();
    for d in &diags.0 {
        out.push_str(&one(d, &renderer));
        out.push_str("\n\n");
    }
    if let Some(line) = summary(diags) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// `2 errors, 1 warning; for more about the first, run: pitstop explain PS0102`.
fn summary(diags: &Diagnostics) -> Option<String> {
    let first = diags.0.iter().min_by_key(|d| d.severity)?;
    let count = |severity| diags.0.iter().filter(|d| d.severity == severity).count();
    let words = |n: usize, word: &str| {
        if n == 1 {
            format!("1 {word}")
        } else {
            format!("{n} {word}s")
        }
    };
    let counts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning")]
        .into_iter()
        .filter(|(severity, _)| count(*severity) > 0)
        .map(|(severity, word)| words(count(severity), word))
        .collect();
    Some(format!(
        "{}; for more about the first, run: pitstop explain {}",
        counts.join(", "),
        first.code
    ))
}

fn one(d: &Diagnostic, renderer: &Renderer) -> String {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(shown(&d.message)).id(d.code));
    for excerpt in excerpts(&d.labels) {
        group = excerpt.add_to(group);
    }
    for help in &d.help {
        group = group.element(Level::HELP.message(shown(help)));
    }
    renderer.render(&[group])
}

/// The lines of one source that its labels touch, cleaned.
struct Excerpt<'d> {
    source: &'d Source,
    labels: Vec<(bool, &'d Label)>,
    from: usize,
    to: usize,
}

/// One excerpt for each source, in the order in which labels name them; the first label is the primary one.
fn excerpts(labels: &[Label]) -> Vec<Excerpt<'_>> {
    let mut out: Vec<Excerpt<'_>> = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        let source = &*label.span.source;
        let (from, to) = lines(&label.span);
        match out.iter_mut().find(|e| std::ptr::eq(e.source, source)) {
            Some(excerpt) => {
                excerpt.labels.push((i == 0, label));
                (excerpt.from, excerpt.to) = (excerpt.from.min(from), excerpt.to.max(to));
            }
            None => out.push(Excerpt {
                source,
                labels: vec![(i == 0, label)],
                from,
                to,
            }),
        }
    }
    out
}

/// From the begin of the line in which the span begins to the end of the one in which it ends.
fn lines(span: &Span) -> (usize, usize) {
    let text = &span.source.text;
    let from = text.get(..span.start).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let to = text
        .get(span.end..)
        .and_then(|t| t.find('\n'))
        .map_or(text.len(), |n| span.end + n);
    (from, to)
}

impl Excerpt<'_> {
    fn add_to<'g>(&self, group: Group<'g>) -> Group<'g> {
        let text = &super::hide::shown(self.source, self.from, self.to);
        let (line, _) = self.source.line_col(self.from);
        if text.lines().any(|l| l.len() > LONGEST_LINE) {
            return self.labels.iter().fold(group, |group, (_, label)| {
                let (line, col) = label.span.line_col();
                let place = Origin::path(shown(&self.source.name)).line(line).char_column(col);
                group
                    .element(place)
                    .element(Level::NOTE.message(format!("{}; the line is too long to be shown", shown(&label.text))))
            });
        }
        let at = |offset: usize| shown(&super::hide::shown(self.source, self.from, offset)).len();
        let annotations = self.labels.iter().map(|(primary, label)| {
            let kind = if *primary {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            kind.span(at(label.span.start)..at(label.span.end))
                .label(shown(&label.text))
        });
        group.element(
            Snippet::source(shown(text))
                .path(shown(&self.source.name))
                .line_start(line)
                .annotations(annotations),
        )
    }
}

/// Text that is safe on a terminal: control characters and those that turn the direction of text become visible.
fn shown(text: &str) -> String {
    let picture = |c: char| match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        '\0'..='\u{1f}' => Some(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
        '\u{7f}' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
            Some('\u{fffd}')
        }
        c => Some(c),
    };
    text.chars().filter_map(picture).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn place(span: &Span) -> Value {
    let (line, col) = span.line_col();
    let (end_line, end_col) = span.source.line_col(span.end);
    json!({ "file": span.source.name, "line": line, "col": col, "end_line": end_line, "end_col": end_col })
}

/// For tools: one JSON object a line.
pub fn json(diags: &Diagnostics) -> String {
    let mut out = String::new();
    for d in &diags.0 {
        let labels: Vec<Value> = d.labels.iter().map(|l| with(place(&l.span), "text", &l.text)).collect();
        let mut line = d.labels.first().map_or_else(|| json!({}), |l| place(&l.span));
        if let Some(map) = line.as_object_mut() {
            map.insert("code".into(), d.code.into());
            map.insert("severity".into(), word(d.severity).into());
            map.insert("message".into(), d.message.as_str().into());
            map.insert("help".into(), d.help.clone().into());
            map.insert("labels".into(), labels.into());
        }
        out.push_str(&line.to_string());
        out.push('\n');
    }
    out
}

fn with(mut value: Value, key: &str, text: &str) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), text.into());
    }
    value
}

/// For GitHub Actions: one workflow command a line, shown beside the changed line.
pub fn github(diags: &Diagnostics) -> String {
    let data = |t: &str| t.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |t: &str| data(t).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for d in &diags.0 {
        let Some(label) = d.labels.first() else { continue };
        let (line, col) = label.span.line_col();
        let (end_line, end_col) = label.span.source.line_col(label.span.end);
        let text = std::iter::once(&d.message)
            .chain(&d.help)
            .map(|t| shown(t))
            .collect::<Vec<_>>()
            .join("\n");
        let _ = writeln!(
            out,
            "::{} file={},line={line},col={col},endLine={end_line},endColumn={end_col},title={}::{}",
            word(d.severity),
            property(&shown(&label.span.source.name)),
            property(d.code),
            data(&text),
        );
    }
    out
}

/// A path as a relative reference of RFC 3986. A colon in its first part would make a scheme of it, so it is written out too.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// For code scanning: SARIF 2.1.0.
pub fn sarif(diags: &Diagnostics) -> String {
    let location = |label: &Label| {
        let (line, col) = label.span.line_col();
        let (end_line, end_col) = label.span.source.line_col(label.span.end);
        json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&label.span.source.name) },
                "region": { "startLine": line, "startColumn": col, "endLine": end_line, "endColumn": end_col },
            },
            "message": { "text": label.text },
        })
    };
    let results: Vec<Value> = diags
        .0
        .iter()
        .map(|d| {
            let text = std::iter::once(&d.message)
                .chain(&d.help)
                .cloned()
                .collect::<Vec<_>>()
                .join("\n");
            json!({
                "ruleId": d.code,
                "level": word(d.severity),
                "message": { "text": text },
                "locations": d.labels.first().map(location).into_iter().collect::<Vec<_>>(),
                "relatedLocations": d.labels.iter().skip(1).map(location).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut used: Vec<&str> = diags.0.iter().map(|d| d.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used
        .iter()
        .filter_map(|code| codes::find(code))
        .map(
            |c| json!({ "id": c.code, "shortDescription": { "text": c.title }, "fullDescription": { "text": c.text } }),
        )
        .collect();
    let run = json!({
        "tool": { "driver": { "name": "pitstop", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    json!({ "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run] }).to_string()
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
