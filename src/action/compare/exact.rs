//! `exact`: the same bytes.
//!
//! Owns: the first difference, and a difference line by line where both are short. Must not: take CRLF for LF.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use super::lines::Lines;
use super::said::Whole;
use super::{SHOWN, Verdict, many, shown};
use crate::plan::page::unified;

/// Up to so many bytes and lines a side, the whole difference is shown.
const SHORT: u64 = 256 << 10;
const SHORT_LINES: u64 = 2000;
/// So much is read at a time where lines are too long to be held.
const READ: usize = 64 << 10;
/// Of these, so much is shown before and behind the first difference.
const SEEN: u64 = 100;

/// Compares them while both are read once.
pub(super) fn compare(sides: [Whole; 2]) -> Result<Verdict, String> {
    let short = sides.iter().all(|side| side.bytes <= SHORT);
    let [left, right] = sides.map(|side| side.file);
    let again = [&left, &right].map(|file| file.as_ref().and_then(|f| f.try_clone().ok()));
    let mut cut = false;
    let (mut left, mut right) = (Lines::of(left), Lines::of(right));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut verdict = Verdict {
        what: "lines",
        ..Verdict::default()
    };
    loop {
        let (more, other) = (left.next(&mut a)?, right.next(&mut b)?);
        if !more && !other {
            break;
        }
        if more == other && a == b && left.ended == right.ended {
            continue;
        }
        verdict.differences += 1;
        if verdict.differences == 1 {
            let number = left.count.max(right.count);
            cut = left.cut || right.cut;
            first(&mut verdict, number, [(more, &a, left.ended), (other, &b, right.ended)]);
        }
    }
    verdict.counts = [left.count, right.count];
    let few = verdict.counts.iter().all(|n| *n <= SHORT_LINES);
    if let (true, true, [left, right]) = (short && few, verdict.differences > 0, &again) {
        let lines = changed(&inert(left.as_ref())?, &inert(right.as_ref())?);
        let all = lines.len();
        if all > 0 {
            verdict.lines = lines.into_iter().take(SHOWN).collect();
        }
        if all > SHOWN {
            verdict
                .lines
                .push(format!("and {}", many((all - SHOWN) as u64, "more lines")));
        }
        return Ok(verdict);
    }
    if let (true, [Some(left), Some(right)]) = (cut, &again) {
        within(&mut verdict, left, right)?;
    }
    if verdict.differences > 1 {
        let more = many(verdict.differences - 1, "more lines");
        verdict
            .lines
            .push(format!("and {more} that are not the same at the same place"));
    }
    Ok(verdict)
}

/// The first line that differs, on both sides.
fn first(verdict: &mut Verdict, number: u64, lines: [(bool, &Vec<u8>, bool); 2]) {
    let [(_, a, _), (_, b, _)] = lines;
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    // What differs must be seen, however far behind it stands.
    let from = if same > super::WIDE / 2 {
        same - super::WIDE / 4
    } else {
        0
    };
    let told = |(there, line, ended): (bool, &Vec<u8>, bool)| match (there, ended) {
        (false, _) => "(there is no such line)".to_owned(),
        (true, ended) => {
            let cut = if from > 0 { "…" } else { "" };
            let end = if ended { "" } else { " (without a newline)" };
            format!("{cut}{}{end}", shown(line.get(from..).unwrap_or_default()))
        }
    };
    let [left, right] = lines.map(told);
    verdict.short = format!("first in line {number}: left {left} | right {right}");
    verdict.lines = vec![
        format!("line {number}, from byte {}:", same + 1),
        format!("- {left}"),
        format!("+ {right}"),
    ];
}

/// The place of the first difference in lines that are too long to be held.
fn within(verdict: &mut Verdict, left: &File, right: &File) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("what was said cannot be read back: {e}");
    let (mut a, mut b) = (vec![0; READ], vec![0; READ]);
    let mut at = 0_u64;
    let place = loop {
        let (n, m) = (
            left.read_at(&mut a, at).map_err(fault)?,
            right.read_at(&mut b, at).map_err(fault)?,
        );
        let (n, m) = (n.min(READ), m.min(READ));
        let same = a
            .iter()
            .take(n)
            .zip(b.iter().take(m))
            .take_while(|(x, y)| x == y)
            .count();
        at += same as u64;
        // Less than was read is the same, or nothing more is there.
        if same < n.min(m) || same == 0 {
            break at;
        }
    };
    let from = place.saturating_sub(SEEN);
    let mut near = |file: &File| {
        let n = file.read_at(&mut a, from).map_err(fault)?;
        let seen = a
            .get(..n.min(2 * usize::try_from(SEEN).unwrap_or(READ)))
            .unwrap_or_default();
        Ok::<_, String>(format!("…{}…", shown(seen)))
    };
    let (left, right) = (near(left)?, near(right)?);
    verdict.short = format!("first at byte {}: left {left} | right {right}", place + 1);
    verdict.lines = vec![
        format!("byte {} of what is said, in a very long line:", place + 1),
        format!("- {left}"),
        format!("+ {right}"),
    ];
    Ok(())
}

/// A whole short side with each line inert.
fn inert(file: Option<&File>) -> Result<String, String> {
    let Some(mut file) = file else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(SHORT + 1).read_to_end(&mut bytes))
        .map_err(|e| format!("what was said cannot be read back: {e}"))?;
    let mut text = String::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                text.push_str(&shown(line));
                text.push('\n');
            }
            None => text.push_str(&shown(line)),
        }
    }
    Ok(text)
}

fn changed(left: &str, right: &str) -> Vec<String> {
    unified(left, right).lines().map(str::to_owned).collect()
}
