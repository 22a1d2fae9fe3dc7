//! `compare`: two commands, on one machine or on two, must say the same.
//!
//! ```text
//! collect   both commands run side by side; what they say goes, without secrets, into a file each that has no name
//!           (`digest` keeps only the hash), so that memory and the disk's folder stay as they were, whatever becomes of us
//! ends      a side that did not end well, was cut, or is not whole fails the step, and the other is stopped
//! compare   the files, by the mode: `exact`, `rows` and `schema` (sorted in pieces on the disk), `bounded`
//! tell      the difference, inert and of limited length, is the step's output; equal or not is its verdict
//! ```
//!
//! Owns: this order, and what fails a side. Must not: render a text, or know which transport a machine has.

mod bounded;
mod exact;
mod lines;
mod rows;
mod said;
mod schema;
mod sorted;

use std::fmt::Write as _;
use std::path::PathBuf;

use tokio::sync::watch;

use self::said::{Said, Whole};
use super::{Done, End, Hands, Job, command};
use crate::id::HostName;
use crate::plan::{CompareMode, Value};
use crate::secret::Redactor;
use crate::text;
use crate::transport::{Command, Sink, Stream};

/// Lines of a difference that are shown.
const SHOWN: usize = 200;
/// Of one line of it, characters.
const WIDE: usize = 400;
/// Of a difference that is a result field: bytes.
const FIELD: usize = 3 << 10;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Compare {
    /// How.
    pub mode: CompareMode,
    /// With `bounded`: `10` or `0.1%`.
    pub tolerance: Option<String>,
    /// Both sides: left, right.
    pub sides: [Side; 2],
    /// Exit codes that mean success.
    pub ok_codes: Vec<i32>,
    /// Where what they say may lie for the time being.
    pub folder: PathBuf,
    /// What must not lie there.
    pub redactor: Redactor,
    /// Nothing of what they say may stand in the words of a failure.
    pub sensitive: bool,
}

/// One side.
#[derive(Clone, Debug)]
pub struct Side {
    /// Where.
    pub on: HostName,
    /// As whom, if not as the login user.
    pub become_user: Option<String>,
    /// The command, rendered.
    pub run: String,
}

/// What a comparison came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// What is counted, as in `3 rows`.
    what: &'static str,
    /// How many of them each side has.
    counts: [u64; 2],
    /// How many of them differ.
    differences: u64,
    /// In a few words, where they differ.
    short: String,
    /// Line by line; inert.
    lines: Vec<String>,
}

/// The name of a side in words.
const NAMES: [&str; 2] = ["left", "right"];

impl Compare {
    /// For the journal: each side on lines of its own.
    pub fn words(&self) -> String {
        let by = self
            .tolerance
            .as_ref()
            .map(|t| format!(", by at most {t}"))
            .unwrap_or_default();
        let mut words = format!("compare {}{by}", format!("{:?}", self.mode).to_lowercase());
        for (nth, side) in self.sides.iter().enumerate() {
            let _ = write!(words, "\n{}: {}", self.name(nth), side.run);
        }
        words
    }

    /// The side, and its machine once that is known.
    fn name(&self, nth: usize) -> String {
        let name = NAMES.get(nth).unwrap_or(&"");
        match self.sides.get(nth).map(|side| side.on.as_str()) {
            Some(on) if !on.is_empty() => format!("{name} ({on})"),
            _ => (*name).to_owned(),
        }
    }

    fn is_one_machine(&self) -> bool {
        let [left, right] = &self.sides;
        left.on == right.on
    }
}

/// Runs both sides, and compares what they say.
pub(super) async fn perform(job: &Job, compare: &Compare, hands: &Hands, sink: &mut dyn Sink) -> Done {
    let (stop, _) = watch::channel(*job.cancel.borrow());
    let mut said = [(); 2].map(|()| Said::new(compare, stop.clone()));
    let ends = both(job, compare, &stop, &mut said, hands).await;
    for (nth, said) in said.iter_mut().enumerate() {
        let words = said.words(&compare.name(nth));
        if !words.is_empty() {
            sink.take(Stream::Err, words.as_bytes());
        }
    }
    if let Some(end) = not_good(job, compare, &ends, &said) {
        return Done::end(end);
    }
    let [left, right] = said.map(Said::finish);
    let whole = match (left, right) {
        (Ok(left), Ok(right)) => [left, right],
        (Err(why), _) => return failed(format!("{}: {why}", compare.name(0))),
        (_, Err(why)) => return failed(format!("{}: {why}", compare.name(1))),
    };
    if whole.iter().all(|side| side.is_blank) {
        return failed(
            "both sides said nothing, which proves nothing: let the commands print a heading where none is a good answer"
                .to_owned(),
        );
    }
    let (mode, tolerance, folder) = (compare.mode, compare.tolerance.clone(), compare.folder.clone());
    let names = [compare.name(0), compare.name(1)];
    let work = move || judged(mode, tolerance.as_deref(), whole, &names, &folder);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(verdict)) => told(compare, verdict, sink),
        Ok(Err(_)) if compare.sensitive => failed("what the sides say cannot be compared in this mode".to_owned()),
        Ok(Err(why)) => failed(why),
        Err(_) => failed("pitstop itself failed while it compared".to_owned()),
    }
}

fn failed(why: String) -> Done {
    Done::end(End::Failed(why))
}

/// Runs both to their ends. One that does not end well takes the other with it.
async fn both(
    job: &Job,
    compare: &Compare,
    stop: &watch::Sender<bool>,
    said: &mut [Said; 2],
    hands: &Hands,
) -> [End; 2] {
    let [left, right] = said;
    let [left_side, right_side] = &compare.sides;
    let one_machine = compare.is_one_machine();
    let mut ends = {
        let both = async {
            tokio::join!(
                run(job, compare, left_side, stop, one_machine, left, hands),
                run(job, compare, right_side, stop, one_machine, right, hands)
            )
        };
        let mut wish = job.cancel.clone();
        let wished = async {
            if wish.wait_for(|wanted| *wanted).await.is_ok() {
                stop.send_replace(true);
            }
            std::future::pending::<[End; 2]>().await
        };
        tokio::select! {
            ends = both => <[End; 2]>::from(ends),
            never = wished => never,
        }
    };
    // A machine may take one command at a time only.
    if one_machine && !*job.cancel.borrow() {
        let good = |end: &End| matches!(end, End::Exited(rc) if compare.ok_codes.contains(rc));
        let sides = [(left_side, left), (right_side, right)];
        for (nth, (side, said)) in sides.into_iter().enumerate() {
            let (Some(own), Some(other)) = (ends.get(nth), ends.get(1 - nth)) else {
                continue;
            };
            if matches!(own, End::Unreachable(_)) && good(other) {
                said.restart();
                let end = run(job, compare, side, stop, one_machine, said, hands).await;
                if let Some(own) = ends.get_mut(nth) {
                    *own = end;
                }
            }
        }
    }
    ends
}

async fn run(
    job: &Job,
    compare: &Compare,
    side: &Side,
    stop: &watch::Sender<bool>,
    one_machine: bool,
    said: &mut Said,
    hands: &Hands,
) -> End {
    let job = Job {
        on: side.on.clone(),
        latch: None,
        changes: false,
        become_user: side.become_user.clone(),
        cancel: stop.subscribe(),
        ..job.clone()
    };
    let end = command::run(&job, &Command::Shell(side.run.clone()), hands, said).await;
    let waits = one_machine && matches!(end, End::Unreachable(_));
    let good = matches!(&end, End::Exited(rc) if compare.ok_codes.contains(rc));
    if !good && !waits {
        stop.send_replace(true);
    }
    end
}

/// What fails the step, before anything is compared.
fn not_good(job: &Job, compare: &Compare, ends: &[End; 2], said: &[Said; 2]) -> Option<End> {
    if *job.cancel.borrow() {
        return Some(End::Cancelled);
    }
    let mut whys = Vec::new();
    let mut reached = false;
    for (nth, (end, said)) in ends.iter().zip(said).enumerate() {
        let why = match (said.fault(), end) {
            (Some(why), _) => why.to_owned(),
            (None, End::Exited(rc)) if compare.ok_codes.contains(rc) => continue,
            (None, End::Exited(rc)) => exit_words(*rc, said, compare.sensitive),
            (None, End::TimedOut) => format!("not done after {} s; it was stopped", job.timeout.as_secs()),
            // The other did not end well.
            (None, End::Cancelled) => continue,
            (None, End::Unreachable(why) | End::Failed(why) | End::Unknown { why, .. }) => why.clone(),
            (None, End::Good | End::NeverBegan | End::PassedOver) => "it was not run".to_owned(),
        };
        reached |= said.fault().is_some() || !matches!(end, End::Unreachable(_));
        whys.push(format!("{}: {why}", compare.name(nth)));
    }
    if whys.is_empty() {
        let cancelled = ends.contains(&End::Cancelled);
        return cancelled.then_some(End::Cancelled);
    }
    let why = whys.join("; ");
    Some(if reached {
        End::Failed(why)
    } else {
        End::Unreachable(why)
    })
}

/// The exit code of a side, and its last words.
fn exit_words(rc: i32, said: &Said, sensitive: bool) -> String {
    let code = match rc {
        129..=159 => format!("exit code {rc} (ended by signal {})", rc - 128),
        _ => format!("exit code {rc}"),
    };
    match said.last_words().filter(|_| !sensitive) {
        Some(words) => format!("{code}: {words}"),
        None => code,
    }
}

fn judged(
    mode: CompareMode,
    tolerance: Option<&str>,
    sides: [Whole; 2],
    names: &[String; 2],
    folder: &std::path::Path,
) -> Result<Verdict, String> {
    match mode {
        CompareMode::Digest => Ok(digests(&sides)),
        CompareMode::Exact => exact::compare(sides),
        CompareMode::Rows => rows::compare(sides, folder),
        CompareMode::Schema => schema::compare(sides, folder),
        CompareMode::Bounded => bounded::compare(sides, tolerance.unwrap_or("0"), names),
    }
}

fn digests(sides: &[Whole; 2]) -> Verdict {
    let [left, right] = sides;
    let line = |sign: &str, side: &Whole| format!("{sign} sha256:{} ({} bytes)", side.hash, side.bytes);
    let equal = left.hash == right.hash;
    Verdict {
        what: "bytes",
        counts: [left.bytes, right.bytes],
        differences: u64::from(!equal),
        short: if equal {
            String::new()
        } else {
            format!("{} and {} bytes with other digests", left.bytes, right.bytes)
        },
        lines: match equal {
            true => vec![line("=", left)],
            false => vec![line("-", left), line("+", right)],
        },
    }
}

/// The verdict as output, result fields and an end.
fn told(compare: &Compare, verdict: Verdict, sink: &mut dyn Sink) -> Done {
    let mut output = String::new();
    for (nth, count) in verdict.counts.iter().enumerate() {
        let _ = writeln!(output, "{}: {}", compare.name(nth), many(*count, verdict.what));
    }
    let difference = short_of(&verdict.lines);
    for line in &verdict.lines {
        output.push_str(line);
        output.push('\n');
    }
    let equal = verdict.differences == 0;
    if equal {
        output.push_str("both say the same\n");
    }
    sink.take(Stream::Out, output.as_bytes());
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let [left, right] = verdict.counts;
    let end = match (equal, compare.sensitive) {
        (true, _) => End::Good,
        (false, true) => End::Failed("the sides differ".to_owned()),
        (false, false) => End::Failed(format!("the sides differ: {}", verdict.short)),
    };
    let more = [
        ("equal", Value::Bool(equal)),
        (
            "difference",
            Value::Text(if equal { String::new() } else { difference }),
        ),
        ("differences", int(verdict.differences)),
        ("left_count", int(left)),
        ("right_count", int(right)),
    ];
    Done {
        more: more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Done::end(end)
    }
}

/// The first lines, as many as a field may hold.
fn short_of(lines: &[String]) -> String {
    let mut text = String::new();
    for (nth, line) in lines.iter().enumerate() {
        if text.len() + line.len() > FIELD {
            let _ = write!(text, "and {} more lines, in the step's output", lines.len() - nth);
            return text;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// Bytes of a host as one inert line: controls and what is no UTF-8 are written out, what is too long is cut.
fn shown(bytes: &[u8]) -> String {
    let mut line = String::new();
    for chunk in bytes.utf8_chunks() {
        line.push_str(&text::terminal_line(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(line, "\\x{byte:02x}");
        }
        if line.len() > 8 * WIDE {
            break;
        }
    }
    match line.char_indices().nth(WIDE) {
        Some((at, _)) => {
            line.truncate(at);
            format!("{line}… ({} bytes)", bytes.len())
        }
        None => line,
    }
}

/// `1 row`, `2 rows`; of a word that says many.
fn many(n: u64, word: &str) -> String {
    match (n, word.strip_suffix('s')) {
        (1, Some(one)) => format!("1 {one}"),
        _ => format!("{n} {word}"),
    }
}

#[cfg(test)]
mod tests;
