//! The section of hosts and checks.
//!
//! Owns: its tables. Must not: choose what is shown (`report::checks` does).

use std::fmt::Write as _;

use super::sections::{code, text_of};
use super::shell::{Column, E, state, table};
use crate::report::checks as matrix;
use crate::report::record::ChangeRecord;

/// Hosts and checks, the worst first.
pub(super) fn checks(r: &ChangeRecord) -> Option<String> {
    const COUNTED: [Column<'static>; 8] = [
        ("No.", "num"),
        ("Check", ""),
        ("What", "name"),
        ("✓ ok", "num"),
        ("! warn", "num"),
        ("✗ fail", "num"),
        ("? unknown", "num"),
        ("– not done", "num"),
    ];
    let matrix = matrix::matrix(r)?;
    let mut out = format!("<p>{}</p>\n", E(&matrix.summary()));
    let cell = |cell: Option<&matrix::Result<'_>>| {
        let (tone, word) = matrix::cell(cell);
        state(tone, &word)
    };
    let rows = matrix.columns.iter().enumerate().map(|(n, column)| {
        let mut row = vec![(n + 1).to_string(), code(&column.id), text_of(&column.name)];
        row.extend(column.counts.iter().map(usize::to_string));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    out.push_str(&table("Checks, and how many hosts came out how", &COUNTED, &rows));
    let more = |said: Option<String>, out: &mut String| {
        if let Some(said) = said {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", E(&said));
        }
    };
    let (shown, rest) = matrix.shown();
    if !shown.is_empty() {
        let numbers: Vec<String> = (1..=matrix.columns.len()).map(|n| n.to_string()).collect();
        let mut columns: Vec<Column<'_>> = vec![("Host", "name")];
        columns.extend(numbers.iter().map(|n| (n.as_str(), "")));
        let rows = shown.iter().map(|row| {
            let cells = row.cells.iter().map(|c| cell(c.as_ref()));
            std::iter::once(text_of(&row.host)).chain(cells).collect()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        out.push_str(&table(
            "Hosts that are not good throughout, by the numbers of the checks",
            &columns,
            &rows,
        ));
        more(rest, &mut out);
    }
    let (findings, rest) = matrix.shown_findings();
    if !findings.is_empty() {
        let columns = [("Host", "name"), ("Check", ""), ("Result", ""), ("Found", "long")];
        let rows = findings.iter().map(|(host, finding)| {
            vec![
                text_of(host),
                code(&finding.step.step),
                cell(Some(finding)),
                std::iter::once(finding.message.clone())
                    .chain(matrix::singles(finding))
                    .map(|line| text_of(&line))
                    .collect::<Vec<_>>()
                    .join("<br>"),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        out.push_str(&table("What was found", &columns, &rows));
        more(rest, &mut out);
    }
    Some(out)
}
