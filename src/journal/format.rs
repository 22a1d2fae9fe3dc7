//! The line of a journal, the chain that ties lines together, and reading it all back.
//!
//! Owns: format 1 as `docs/design/0001-journal.md` states it. Must not: write files, lock, decide what a record means.

use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, hex};
use crate::run::event::{Event, Stamped};

/// The format that this version writes, and the only one it reads.
pub const FORMAT: u32 = 1;
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

/// What was not written to its end: a last line, or the rest of a batch of which a part is missing. It was never reported as durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The number that the record would have had.
    pub record: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is wrong with it.
    pub why: String,
    /// True if a line of it has its newline: then it may have been damaged later, and may have been durable.
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
    /// The events of the intact part, in order.
    pub facts: Vec<Stamped>,
    /// The hash of each one's line, in the same order.
    pub hashes: Vec<Digest>,
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
    /// The intact records from the first on: each fact and the hash of its line.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = (&Stamped, &Digest)> {
        self.facts.iter().zip(&self.hashes)
    }

    /// The same, each as a thing of its own.
    pub fn into_records(self) -> Vec<Record> {
        let records = self.facts.into_iter().zip(self.hashes);
        records.map(|(fact, hash)| Record { fact, hash }).collect()
    }
}

/// The first and the last record of those that are written at once and made durable with one sync.
pub(super) type Batch = (u64, u64);

/// The line for the record after `head`, with its newline. `event` is JSON without a newline. `batch`: it is not alone.
pub(super) fn line(head: &Head, at: Timestamp, batch: Option<Batch>, event: &str) -> String {
    let seq = head.records + 1;
    let format = if seq == 1 {
        format!("\"format\":{FORMAT},")
    } else {
        String::new()
    };
    let prev = head.hash.hex();
    let batch = batch.map_or(String::new(), |(first, last)| format!("\"batch\":[{first},{last}],"));
    let mut line = format!("{{{format}\"seq\":{seq},\"at\":\"{at:.3}\",\"prev\":\"{prev}\",{batch}\"event\":{event}");
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
        facts: Vec::new(),
        hashes: Vec::new(),
        torn: None,
        damage: None,
        head: Head::empty(),
        intact: 0,
    };
    let mut batch = None;
    loop {
        let mut bytes = Vec::new();
        (&mut from).take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(all);
        }
        let record = all.head.records + 1;
        match parse(&bytes, &all.head) {
            Ok((fact, of)) => {
                batch = of;
                all.head = after(&all.head, &bytes);
                all.intact += bytes.len() as u64;
                all.facts.push(fact);
                all.hashes.push(all.head.hash.clone());
            }
            Err(Flaw::Broken(why)) => {
                // More than that was never written at once.
                (&mut from).take(2 * MAX_LINE).read_to_end(&mut bytes)?;
                if from.fill_buf()?.is_empty() && is_unfinished(&bytes, record, batch) {
                    let whole_line = bytes.contains(&b'\n');
                    all.torn = Some(Torn {
                        record,
                        bytes,
                        why,
                        whole_line,
                    });
                } else {
                    all.damage = Some(Damage { record, why });
                }
                return Ok(all);
            }
            Err(Flaw::Foreign(why)) => {
                all.damage = Some(Damage { record, why });
                return Ok(all);
            }
        }
    }
}

/// Whether everything from a broken record on is one batch that was never made durable. A power loss takes any blocks of it, not
/// only its end. `former`: the batch of the record before.
///
/// A single line is one. Of several, their batch must be proven: by the record before, or by a later one that is whole; and no
/// record of a later batch may follow, for then this one was durable. Where no line is whole, a NUL tells a block that was never
/// written: no record has one.
fn is_unfinished(rest: &[u8], record: u64, former: Option<Batch>) -> bool {
    let lines: Vec<&[u8]> = rest.split_inclusive(|b| *b == b'\n').collect();
    if lines.len() == 1 {
        return true;
    }
    let whole: Vec<Line> = lines.iter().filter_map(|line| whole(line)).collect();
    let reaches = |batch: &Option<Batch>| batch.filter(|(first, last)| (*first..=*last).contains(&record));
    let of_whole = whole.iter().find_map(|line| reaches(&line.batch));
    match reaches(&former).or(of_whole) {
        Some((_, last)) => whole.iter().all(|line| line.seq <= last),
        None => whole.is_empty() && rest.contains(&0),
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
    batch: Option<Batch>,
    event: serde_json::Value,
    #[serde(rename = "sum")]
    _sum: String,
}

/// True if the bytes are those that were written: the line has its end and its check sum.
fn sums_up(bytes: &[u8]) -> bool {
    let (body, tail) = bytes.split_at(bytes.len().saturating_sub(SUM_TAIL));
    tail == format!(",\"sum\":\"{}\"}}\n", sum(body)).as_bytes()
}

/// A line whose bytes are those that some pitstop wrote, wherever it stands.
fn whole(bytes: &[u8]) -> Option<Line> {
    sums_up(bytes).then(|| serde_json::from_slice(bytes).ok()).flatten()
}

fn parse(bytes: &[u8], head: &Head) -> Result<(Stamped, Option<Batch>), Flaw> {
    let broken = |why: &str| Flaw::Broken(why.to_owned());
    if !bytes.ends_with(b"\n") {
        return Err(broken("the line has no end"));
    }
    if !sums_up(bytes) {
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
    if line
        .batch
        .is_some_and(|(first, last)| !(first..=last).contains(&line.seq))
    {
        return Err(Flaw::Foreign("it is not in its own batch".to_owned()));
    }
    let event: Event = serde_json::from_value(line.event)
        .map_err(|e| Flaw::Foreign(format!("it is whole, but this version does not know its event: {e}")))?;
    let fact = Stamped {
        seq: line.seq,
        at: line.at,
        event,
    };
    Ok((fact, line.batch))
}
