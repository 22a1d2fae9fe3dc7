//! The section of the updates that are missing.
//!
//! Owns: its tables. Must not: choose what is shown (`report::missing` does).

use std::fmt::Write as _;

use super::sections::{code, text_of};
use super::shell::{Column, E, state, table};
use crate::report::missing as of;
use crate::report::record::ChangeRecord;
use crate::report::words;

/// By update, as a matrix where there are few hosts, and by host.
pub(super) fn missing(r: &ChangeRecord) -> Option<String> {
    let all = of::overview(r)?;
    let mut out = format!("<p>{}</p>\n", E(&all.summary()));
    let note = |said: &str, out: &mut String| {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", E(said));
    };
    let (updates, more) = all.shown();
    if !updates.is_empty() {
        let rows = updates.iter().map(|u| {
            let (tone, class) = u.class_words();
            vec![
                code(u.package),
                code(&u.versions()),
                state(tone, &class),
                u.hosts.len().to_string(),
                text_of(&words::date(r, u.since)),
                text_of(&u.names()),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let columns = columns(of::UPDATES, ["name", "keep", "", "num", "num", "long"]);
        out.push_str(&table(of::BY_UPDATE, &columns, &rows));
        more.iter().for_each(|said| note(said, &mut out));
        note(of::SINCE, &mut out);
    }
    let hosts = all.columns();
    if !hosts.is_empty() {
        let mut columns: Vec<Column<'_>> = vec![("Package", "name")];
        columns.extend(hosts.iter().map(|s| (s.host.as_str(), "")));
        let rows = updates.iter().map(|u| {
            let marks = hosts.iter().map(|s| {
                let (tone, word) = of::mark(r, u, s);
                state(tone, &word)
            });
            std::iter::once(code(u.package)).chain(marks).collect()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        out.push_str(&table(of::MATRIX, &columns, &rows));
    }
    let (lines, said) = all.lines();
    if !lines.is_empty() {
        let rows = lines.iter().map(|s| {
            let mut cells = of::line(r, s).map(|cell| text_of(&cell));
            let (tone, word) = of::standing(s).words();
            if let Some(cell) = cells.get_mut(1) {
                *cell = state(tone, word);
            }
            cells.to_vec()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let columns = columns(of::HOSTS, ["name", "", "num", "num", "num", "long"]);
        out.push_str(&table(of::BY_HOST, &columns, &rows));
    }
    said.iter().for_each(|said| note(said, &mut out));
    Some(out)
}

fn columns(names: [&'static str; 6], classes: [&'static str; 6]) -> Vec<Column<'static>> {
    names.into_iter().zip(classes).collect()
}
