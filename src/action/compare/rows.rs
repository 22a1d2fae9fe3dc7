//! `rows`: the same lines, each as often, in any order.
//!
//! Owns: which lines only one side has. Must not: take CRLF for LF, or one of two equal lines for none.

use std::fs::File;
use std::path::Path;

use super::lines::Lines;
use super::said::Whole;
use super::sorted::{Sorted, Sorter, merged};
use super::{SHOWN, Verdict, many, shown};

/// Compares them.
pub(super) fn compare(sides: [Whole; 2], folder: &Path) -> Result<Verdict, String> {
    let [left, right] = sides.map(|side| side.file);
    let (left, in_left) = sorted(left, folder)?;
    let (right, in_right) = sorted(right, folder)?;
    let mut lines = Vec::new();
    // Rows that one side has more often, by side; a line that is there twice more counts twice.
    let (mut only_left, mut only_right) = (0_u64, 0_u64);
    merged(left, right, &mut |row, a, b| {
        if a == b {
            return;
        }
        only_left += a.saturating_sub(b);
        only_right += b.saturating_sub(a);
        if lines.len() < SHOWN {
            let sign = if a > b { '-' } else { '+' };
            let often = match (a, b) {
                (1, 0) | (0, 1) => String::new(),
                (a, b) => format!("   ({a} times left, {b} times right)"),
            };
            lines.push((a.abs_diff(b), format!("{sign} {}{often}", shown(row))));
        }
    })?;
    let told: u64 = lines.iter().map(|(rows, _)| rows).sum();
    let differences = only_left + only_right;
    let short = match lines.first() {
        Some((_, first)) => format!(
            "{} only left, {} only right; first: {first}",
            many(only_left, "rows"),
            many(only_right, "rows")
        ),
        None => String::new(),
    };
    let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    if differences > told {
        lines.push(format!("and {}", many(differences - told, "more rows")));
    }
    Ok(Verdict {
        what: "rows",
        counts: [in_left, in_right],
        differences,
        short,
        lines,
    })
}

fn sorted(file: Option<File>, folder: &Path) -> Result<(Sorted, u64), String> {
    let mut sorter = Sorter::new(folder);
    let mut lines = Lines::of(file);
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        sorter.push(&line)?;
    }
    Ok((sorter.sorted()?, lines.count))
}
