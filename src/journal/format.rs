//! The line of a journal, the chain that ties lines together, and reading it all back.
//!
//! Owns: format 0 as `docs/design/0001-journal.md` states it. Must not: write files, lock, decide what a record means.

use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, hex};
use crate::run::event::{Event, Stamped};

/// The format that this version writes, and the only one it reads.
pub const FORMAT: u32 = 0;
/// Longest line that is read, in bytes.
pub const MAX_LINE: u64 = 64 * 1024 * 1024;
/// Hex digits of a line's own check sum.
const SUM_DIGITS: usize = 16;
/// `,"sum":"` + digits + `"}` + newline.
const SUM_TAIL: usize = 8 + SUM_DIGITS + 3;

/// Where a journal stands: how many records, and the hash of the last. Printed, it fixes everything before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of records; also the number of the last.
    pub records: u64,
    /// SHA-256 of the last record's line with its newline; of an empty journal 64 zeros.
    pub hash: Digest,
}

impl Head {
    /// Of a journal without records.
    pub fn empty() -> Self {
        Self {
            records: 0,
            hash: Digest::from_hash(&[0; 32]),
        }
    }
}

/// One record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Number, time, event.
    pub fact: Stamped,
    /// SHA-256 of its line: what the next record names as `prev`, and a gate's approval as `opened`.
    pub hash: Digest,
}

/// A last line that was not written to its end. It was never reported as durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The number that the record would have had.
    pub record: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is wrong with it.
    pub why: String,
    /// True if the line has its newline: then it may have been damaged later, and may have been durable.
    pub whole_line: bool,
}

/// A record that is not what was written. What follows it cannot be trusted and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its number.
    pub record: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What a journal holds.
#[derive(Clone, Debug)]
pub struct Read {
    /// The intact records from the first on.
    pub records: Vec<Record>,
    /// A last line that does not count.
    pub torn: Option<Torn>,
    /// The first damaged record, if one is.
    pub damage: Option<Damage>,
    /// Where the intact part ends.
    pub head: Head,
    /// Length of the intact part in bytes.
    pub intact: u64,
}

impl Read {
    /// The events of the intact part, in order.
    pub fn facts(&self) -> impl Iterator<Item = &Stamped> {
        self.records.iter().map(|record| &record.fact)
    }
}

/// The line for the record after `head`, with its newline. `event` is JSON without a newline.
pub(super) fn line(head: &Head, at: Timestamp, event: &str) -> String {
    let seq = head.records + 1;
    let format = if seq == 1 {
        format!("\"format\":{FORMAT},")
    } else {
        String::new()
    };
    let prev = head.hash.hex();
    let mut line = format!("{{{format}\"seq\":{seq},\"at\":\"{at:.3}\",\"prev\":\"{prev}\",\"event\":{event}");
    let sum = sum(line.as_bytes());
    line.push_str(&format!(",\"sum\":\"{sum}\"}}\n"));
    line
}

/// The head after `line` has been appended.
pub(super) fn after(head: &Head, line: &[u8]) -> Head {
    Head {
        records: head.records + 1,
        hash: Digest::of(line),
    }
}

fn sum(bytes: &[u8]) -> String {
    let mut sum = hex(&Sha256::digest(bytes));
    sum.truncate(SUM_DIGITS);
    sum
}

/// Reads a journal from its first byte. Damage and torn tails are results, not errors.
pub(super) fn read(mut from: impl BufRead) -> io::Result<Read> {
    let mut all = Read {
        records: Vec::new(),
        torn: None,
        damage: None,
        head: Head::empty(),
        intact: 0,
    };
    loop {
        let mut bytes = Vec::new();
        (&mut from).take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(all);
        }
        let record = all.head.records + 1;
        match parse(&bytes, &all.head) {
            Ok(fact) => {
                all.head = after(&all.head, &bytes);
                all.intact += bytes.len() as u64;
                let hash = all.head.hash.clone();
                all.records.push(Record { fact, hash });
            }
            Err(Flaw::Broken(why)) if from.fill_buf()?.is_empty() => {
                let whole_line = bytes.ends_with(b"\n");
                all.torn = Some(Torn {
                    record,
                    bytes,
                    why,
                    whole_line,
                });
                return Ok(all);
            }
            Err(Flaw::Broken(why) | Flaw::Foreign(why)) => {
                all.damage = Some(Damage { record, why });
                return Ok(all);
            }
        }
    }
}

/// What is wrong with a line.
enum Flaw {
    /// Its bytes are not those that were written: a torn write may be the cause.
    Broken(String),
    /// Its bytes are whole, but it does not belong here or is not known: no torn write does that.
    Foreign(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: Option<u32>,
    seq: u64,
    at: Timestamp,
    prev: String,
    event: serde_json::Value,
    #[serde(rename = "sum")]
    _sum: String,
}

fn parse(bytes: &[u8], head: &Head) -> Result<Stamped, Flaw> {
    let broken = |why: &str| Flaw::Broken(why.to_owned());
    if !bytes.ends_with(b"\n") {
        return Err(broken("the line has no end"));
    }
    let (body, tail) = bytes.split_at(bytes.len().saturating_sub(SUM_TAIL));
    if tail != format!(",\"sum\":\"{}\"}}\n", sum(body)).as_bytes() {
        return Err(broken("its bytes do not match its check sum"));
    }
    // From here on the line is what some pitstop wrote, whole.
    let line: Line = serde_json::from_slice(bytes).map_err(|e| Flaw::Foreign(format!("it is no record: {e}")))?;
    let expected = (head.records == 0).then_some(FORMAT);
    if line.format != expected {
        let found = line.format.map_or("none".to_owned(), |f| f.to_string());
        return Err(Flaw::Foreign(format!(
            "it says format {found}, known is {FORMAT} in the first record"
        )));
    }
    if line.seq != head.records + 1 {
        return Err(Flaw::Foreign(format!("it carries number {}", line.seq)));
    }
    if line.prev != head.hash.hex() {
        return Err(Flaw::Foreign("it does not follow the record before it".to_owned()));
    }
    let event: Event = serde_json::from_value(line.event)
        .map_err(|e| Flaw::Foreign(format!("it is whole, but this version does not know its event: {e}")))?;
    Ok(Stamped {
        seq: line.seq,
        at: line.at,
        event,
    })
}
