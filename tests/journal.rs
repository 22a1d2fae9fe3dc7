//! The promises of the journal (P2, P5, P8, P9), shown on real files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pitstop::id::RunId;
use pitstop::journal::store::{RunFolder, Store};
use pitstop::journal::{self, JOURNAL, Journal, JournalError, Medium};
use pitstop::run::event::Event;

fn now() -> Timestamp {
    "2026-12-06T01:00:03.123Z".parse().unwrap()
}

fn note(text: &str) -> Event {
    Event::Noted { text: text.to_owned() }
}

fn append(journal: &Journal, text: &str) -> Result<journal::Written, JournalError> {
    journal.append(now(), &note(text)).wait()
}

/// A state directory with one run in it.
struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn run(&self) -> RunFolder {
        let id = RunId::parse("20261206-010003-k3f9wq").unwrap();
        self.store().create_run(&id, b"{}").unwrap()
    }

    fn store(&self) -> Store {
        Store::at(self.dir.path().join("state"))
    }

    /// A run whose journal has these notes.
    fn with(notes: &[&str]) -> (Self, RunFolder) {
        let room = Self::new();
        let run = room.run();
        let journal = Journal::create(run.path(), now()).unwrap();
        for text in notes {
            append(&journal, text).unwrap();
        }
        (room, run)
    }
}

fn file(run: &RunFolder) -> PathBuf {
    run.path().join(JOURNAL)
}

fn texts(read: &journal::Read) -> Vec<String> {
    let text = |fact: &pitstop::run::event::Stamped| match &fact.event {
        Event::Noted { text } => text.clone(),
        other => panic!("{other:?}"),
    };
    read.facts.iter().map(text).collect()
}

const NOTES: [&str; 5] = ["first", "second", "ünï \"quoted\"\nline", "fourth", "fifth"];

#[test]
fn records_come_back_as_they_were_with_number_time_and_chain() {
    let (_room, run) = Room::with(&NOTES);
    let opened = Journal::open(run.path(), now()).unwrap();
    assert_eq!(texts(&opened.read), NOTES);
    assert_eq!(opened.read.facts[4].seq, 5);
    assert_eq!(opened.read.facts[4].at, now());
    assert_eq!(opened.journal.head(), opened.read.head);
    let written = append(&opened.journal, "sixth").unwrap();
    assert_eq!(written.seq, 6);
    let read = journal::read(run.path()).unwrap();
    assert_eq!(read.head.hash, written.hash);
    assert_eq!(read.hashes[5], written.hash);
}

#[test]
fn the_chain_can_be_followed_with_stock_tools() {
    let (_room, run) = Room::with(&NOTES);
    let script = r#"sed -n 4p "$1" | sha256sum | cut -c1-64; sed -n 5p "$1" | sed 's/.*"prev":"\([0-9a-f]*\)".*/\1/'"#;
    let out = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(file(&run))
        .output()
        .unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[0].len(), 64);
}

#[test]
fn p9_a_tail_torn_at_any_byte_of_the_last_three_records_is_set_aside_and_told() {
    let (_room, run) = Room::with(&NOTES);
    let whole = std::fs::read(file(&run)).unwrap();
    let ends: Vec<usize> = (0..whole.len())
        .filter(|at| whole[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    let mut torn_seen = 0;
    for cut in ends[1]..=whole.len() {
        let room = Room::new();
        let run = room.run();
        std::fs::write(file(&run), &whole[..cut]).unwrap();
        std::fs::set_permissions(file(&run), std::fs::Permissions::from_mode(0o600)).unwrap();
        let intact = ends.iter().filter(|end| **end <= cut).count();
        let tail = &whole[ends[intact - 1]..cut];

        let opened = Journal::open(run.path(), now()).unwrap();
        assert_eq!(texts(&opened.read), &NOTES[..intact], "cut at {cut}");
        if tail.is_empty() {
            assert!(opened.read.torn.is_none() && opened.set_aside.is_none());
        } else {
            let torn = opened.read.torn.as_ref().unwrap();
            assert_eq!((torn.record, torn.whole_line), (intact as u64 + 1, false));
            assert_eq!(std::fs::read(opened.set_aside.as_ref().unwrap()).unwrap(), tail);
            torn_seen += 1;
        }
        append(&opened.journal, "after").unwrap();
        drop(opened);
        let read = journal::read(run.path()).unwrap();
        assert_eq!(read.facts.len(), intact + 1);
        assert!(read.torn.is_none() && read.damage.is_none());
    }
    assert!(torn_seen > 300);
}

#[test]
fn a_second_torn_tail_does_not_replace_the_first() {
    let (_room, run) = Room::with(&["first"]);
    for number in 1..=3 {
        let mut journal = std::fs::OpenOptions::new().append(true).open(file(&run)).unwrap();
        write!(journal, "{{\"seq\":2,{number}").unwrap();
        let opened = Journal::open(run.path(), now()).unwrap();
        let aside = opened.set_aside.unwrap();
        assert!(aside.ends_with(format!("journal.torn-{number}")));
        assert!(std::fs::read_to_string(aside).unwrap().ends_with(&number.to_string()));
    }
}

#[test]
fn p9_a_flip_of_any_bit_is_detected_and_its_record_named_and_the_part_before_it_is_readable() {
    let (_room, run) = Room::with(&NOTES);
    let whole = std::fs::read(file(&run)).unwrap();
    let last = NOTES.len() as u64;
    for at in 0..whole.len() {
        let record = 1 + whole[..at].iter().filter(|b| **b == b'\n').count() as u64;
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(file(&run), &bytes).unwrap();
            let read = journal::read(run.path()).unwrap();
            assert_eq!(texts(&read), &NOTES[..record as usize - 1], "byte {at} bit {bit}");
            match (read.damage, read.torn) {
                (Some(damage), None) => assert_eq!(damage.record, record, "byte {at} bit {bit}"),
                (None, Some(torn)) => {
                    assert_eq!(torn.record, record, "byte {at} bit {bit}");
                    // Without its newline the last record but one runs into the last: one line, the last.
                    let joined = record == last - 1 && whole[at] == b'\n';
                    assert!(record == last || joined, "byte {at} bit {bit}");
                    assert_eq!(
                        torn.whole_line,
                        at + 1 < whole.len(),
                        "it may have been durable: that is told"
                    );
                }
                other => panic!("byte {at} bit {bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn p9_damage_in_the_middle_refuses_opening_changes_nothing_and_says_how_to_go_on() {
    let (_room, run) = Room::with(&NOTES);
    let damaged = std::fs::read_to_string(file(&run)).unwrap().replace("second", "sekond");
    std::fs::write(file(&run), &damaged).unwrap();
    let error = Journal::open(run.path(), now()).unwrap_err();
    assert!(error.to_string().contains("record 2 is damaged"), "{error}");
    assert!(error.help().contains("pitstop report"));
    assert_eq!(std::fs::read_to_string(file(&run)).unwrap(), damaged);
}

#[test]
fn a_record_taken_out_or_moved_is_damage_even_at_the_end() {
    let (_room, run) = Room::with(&NOTES);
    let whole = std::fs::read_to_string(file(&run)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for (order, record) in [
        (vec![0, 1, 2, 4], 4),
        (vec![0, 2, 1, 3, 4], 2),
        (vec![1, 2, 3, 4], 1),
        (vec![0, 1, 1], 3),
    ] {
        let text: String = order.iter().map(|n| format!("{}\n", lines[*n])).collect();
        std::fs::write(file(&run), text).unwrap();
        let read = journal::read(run.path()).unwrap();
        assert!(read.torn.is_none());
        assert_eq!(read.damage.unwrap().record, record, "{order:?}");
    }
}

#[test]
fn a_whole_record_of_a_newer_version_is_refused_and_never_set_aside() {
    for (old, new, why) in [
        (r#""format":1"#, r#""format":2"#, "format 2"),
        (r#""prev":"#, r#""further":1,"prev":"#, "unknown field `further`"),
        (r#""type":"noted""#, r#""type":"teleported""#, "does not know its event"),
    ] {
        let (_room, run) = Room::with(&["only"]);
        let line = std::fs::read_to_string(file(&run)).unwrap().replace(old, new);
        let body = &line[..line.rfind(",\"sum\"").unwrap()];
        let sum = &pitstop::id::Digest::of(body.as_bytes()).hex()[..16].to_owned();
        std::fs::write(file(&run), format!("{body},\"sum\":\"{sum}\"}}\n")).unwrap();
        let error = Journal::open(run.path(), now()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_field_of_an_event_that_a_later_version_added_is_passed_over() {
    let (_room, run) = Room::with(&["only"]);
    let line = std::fs::read_to_string(file(&run)).unwrap();
    let line = line.replace(r#""text":"only""#, r#""text":"only","later":{"more":1}"#);
    let body = &line[..line.rfind(",\"sum\"").unwrap()];
    let sum = &pitstop::id::Digest::of(body.as_bytes()).hex()[..16].to_owned();
    std::fs::write(file(&run), format!("{body},\"sum\":\"{sum}\"}}\n")).unwrap();
    let opened = Journal::open(run.path(), now()).unwrap();
    assert_eq!(texts(&opened.read), ["only"]);
    append(&opened.journal, "after").unwrap();
    assert_eq!(journal::read(run.path()).unwrap().facts.len(), 2);
}

/// A journal with one record by itself, then three that share a sync, then a last one by itself.
fn with_a_batch() -> (Room, RunFolder, Vec<usize>) {
    let (room, run) = Room::with(&["first"]);
    let (entered, enter) = mpsc::channel();
    let (go, release) = mpsc::channel();
    let wrap = move |inner| -> Box<dyn Medium> {
        let syncs = Arc::default();
        Box::new(Slow {
            inner,
            entered,
            release,
            syncs,
        })
    };
    let opened = Journal::open_on(run.path(), now(), Box::new(wrap)).unwrap();
    let second = opened.journal.append(now(), &note("second"));
    enter.recv().unwrap();
    let shared: Vec<_> = ["third", "fourth", "fifth"]
        .map(|text| opened.journal.append(now(), &note(text)))
        .into();
    go.send(()).unwrap();
    second.wait().unwrap();
    for receipt in shared {
        receipt.wait().unwrap();
    }
    append(&opened.journal, "sixth").unwrap();
    let whole = std::fs::read(file(&run)).unwrap();
    let newline = |at: &usize| whole[*at] == b'\n';
    let ends = (0..whole.len()).filter(newline).map(|at| at + 1).collect();
    (room, run, ends)
}

#[test]
fn p9_any_lost_part_of_the_last_batch_is_set_aside_and_of_an_earlier_one_it_is_damage() {
    let (_room, run, ends) = with_a_batch();
    let whole = std::fs::read(file(&run)).unwrap();
    let read_as = |bytes: &[u8]| {
        std::fs::write(file(&run), bytes).unwrap();
        journal::read(run.path()).unwrap()
    };
    assert_eq!(read_as(&whole).facts.len(), 6);
    let of_batch = String::from_utf8_lossy(&whole).matches("\"batch\":[3,5]").count();
    assert_eq!(of_batch, 3, "three records share a sync");
    let (begin, end) = (ends[1], ends[4]);
    let mut torn = 0;
    for from in (begin..end).step_by(7) {
        for to in (from + 1..end).step_by(31) {
            let mut bytes = whole[..end].to_vec();
            bytes[from..to].fill(0);
            let lost = 3 + ends[2..].iter().filter(|e| **e <= from).count() as u64;
            // The batch is the last: never told to be durable, whatever of it is there.
            let read = read_as(&bytes);
            assert!(read.damage.is_none(), "{from}..{to}: {:?}", read.damage);
            assert_eq!(read.torn.unwrap().record, lost, "{from}..{to}");
            assert_eq!(read.facts.len() as u64, lost - 1);
            // A record of a later batch: this one was durable.
            bytes.extend_from_slice(&whole[end..]);
            let read = read_as(&bytes);
            assert!(read.torn.is_none(), "{from}..{to}");
            assert_eq!(read.damage.unwrap().record, lost, "{from}..{to}");
            torn += 1;
        }
    }
    assert!(torn > 500, "{torn}");
    // The record before the batch was durable before the batch was written.
    let mut bytes = whole[..end].to_vec();
    bytes[ends[0] + 40] ^= 1;
    assert_eq!(read_as(&bytes).damage.unwrap().record, 2);
    // The run goes on behind what is intact, and what was set aside is kept.
    let mut bytes = whole[..end].to_vec();
    bytes[ends[2] + 5..ends[3]].fill(0);
    std::fs::write(file(&run), &bytes).unwrap();
    let opened = Journal::open(run.path(), now()).unwrap();
    assert_eq!(texts(&opened.read), ["first", "second", "third"]);
    assert_eq!(std::fs::read(opened.set_aside.unwrap()).unwrap(), bytes[ends[2]..]);
    append(&opened.journal, "after").unwrap();
    assert_eq!(journal::read(run.path()).unwrap().facts.len(), 4);
}

/// A disk that fails at its N-th operation: with an error, or by writing half first.
struct Failing {
    inner: Box<dyn Medium>,
    left: usize,
    half: bool,
    done: Arc<AtomicUsize>,
}

impl Failing {
    fn fails_now(&mut self) -> bool {
        self.done.fetch_add(1, Ordering::SeqCst);
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fails_now() {
            if self.half {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
            }
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        // Never more than 100 bytes: a disk may always take less than it was given.
        self.inner.write(&bytes[..bytes.len().min(100)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Medium for Failing {
    fn sync(&mut self) -> io::Result<()> {
        if self.fails_now() {
            Err(io::Error::other("EIO"))
        } else {
            self.inner.sync()
        }
    }
}

#[test]
fn p8_after_a_failure_at_any_operation_nothing_more_is_written_and_what_was_durable_stays() {
    let mut failures = 0;
    for half in [false, true] {
        for nth in 1.. {
            let room = Room::new();
            let run = room.run();
            let done = Arc::new(AtomicUsize::new(0));
            let count = done.clone();
            let wrap = move |inner| -> Box<dyn Medium> {
                Box::new(Failing {
                    inner,
                    left: nth,
                    half,
                    done,
                })
            };
            let journal = Journal::create_on(run.path(), now(), Box::new(wrap)).unwrap();
            let answers: Vec<_> = NOTES.iter().map(|text| append(&journal, text)).collect();
            let good = answers.iter().take_while(|a| a.is_ok()).count();
            assert_eq!(journal.head().records, good as u64);
            drop(journal);
            let read = journal::read(run.path()).unwrap();
            assert!(read.damage.is_none());
            assert!(read.facts.len() >= good, "a record that was told to be durable is gone");
            if good == NOTES.len() {
                assert!(nth > 2 * NOTES.len());
                break;
            }
            failures += 1;
            assert_eq!(
                count.load(Ordering::SeqCst),
                nth,
                "the disk was used again after its failure"
            );
            assert!(answers[good..].iter().all(Result::is_err));
            assert!(matches!(answers[good], Err(JournalError::Fault(_))));
            assert!(
                answers[good + 1..]
                    .iter()
                    .all(|a| matches!(a, Err(JournalError::Closed(_))))
            );
            // On a mended disk the run goes on.
            let opened = Journal::open(run.path(), now()).unwrap();
            append(&opened.journal, "mended").unwrap();
        }
    }
    assert!(failures > 20);
}

/// When a sync began: what was durable, what was not yet.
type Moment = (Vec<u8>, Vec<u8>);

/// A disk that keeps in memory what was written since the last sync, as a real one may.
struct Volatile {
    synced: Arc<Mutex<Vec<u8>>>,
    cache: Vec<u8>,
    caches: Arc<Mutex<Vec<Moment>>>,
    /// False: a disk without fdatasync, for the control.
    honest: bool,
}

impl Write for Volatile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cache.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Volatile {
    fn sync(&mut self) -> io::Result<()> {
        if self.honest {
            let mut synced = self.synced.lock().unwrap();
            self.caches.lock().unwrap().push((synced.clone(), self.cache.clone()));
            synced.append(&mut self.cache);
        }
        Ok(())
    }
}

/// Appends notes on a volatile disk and counts those that were told to be durable and are not after a power loss.
fn lost_after_power_loss(honest: bool) -> usize {
    let room = Room::new();
    let run = room.run();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let caches: Arc<Mutex<Vec<Moment>>> = Arc::default();
    let disk = Volatile {
        synced: synced.clone(),
        cache: Vec::new(),
        caches: caches.clone(),
        honest,
    };
    let journal = Journal::create_on(run.path(), now(), Box::new(move |_| Box::new(disk))).unwrap();
    let mut lost = 0;
    for (n, text) in NOTES.iter().enumerate() {
        append(&journal, text).unwrap();
        std::fs::write(file(&run), &*synced.lock().unwrap()).unwrap();
        lost += usize::from(journal::read(run.path()).unwrap().facts.len() <= n);
    }
    // Power lost while a sync was under way: any beginning of what it wrote may be there.
    for (before, cache) in caches.lock().unwrap().iter() {
        for part in 0..=cache.len() {
            std::fs::write(file(&run), [before, &cache[..part]].concat()).unwrap();
            assert!(journal::read(run.path()).unwrap().damage.is_none());
        }
    }
    lost
}

#[test]
fn p2_a_power_loss_takes_nothing_that_was_told_to_be_durable() {
    assert_eq!(lost_after_power_loss(true), 0);
    assert_eq!(
        lost_after_power_loss(false),
        NOTES.len(),
        "the control: without sync all are lost"
    );
}

/// A disk whose first sync waits until it is let go.
struct Slow {
    inner: Box<dyn Medium>,
    entered: mpsc::Sender<()>,
    release: mpsc::Receiver<()>,
    syncs: Arc<AtomicUsize>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Medium for Slow {
    fn sync(&mut self) -> io::Result<()> {
        if self.syncs.fetch_add(1, Ordering::SeqCst) == 0 {
            self.entered.send(()).unwrap();
            self.release.recv().unwrap();
        }
        self.inner.sync()
    }
}

#[tokio::test]
async fn records_appended_while_a_sync_is_under_way_share_the_next_one() {
    let room = Room::new();
    let run = room.run();
    let (entered, enter) = mpsc::channel();
    let (go, release) = mpsc::channel();
    let syncs = Arc::new(AtomicUsize::new(0));
    let count = syncs.clone();
    let wrap = move |inner| -> Box<dyn Medium> {
        Box::new(Slow {
            inner,
            entered,
            release,
            syncs,
        })
    };
    let journal = Journal::create_on(run.path(), now(), Box::new(wrap)).unwrap();
    let first = journal.append(now(), &note("first"));
    enter.recv().unwrap();
    let others: Vec<_> = (0..100).map(|n| journal.append(now(), &note(&n.to_string()))).collect();
    assert_eq!(journal.head().records, 0);
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap().seq, 1);
    for (n, receipt) in others.into_iter().enumerate() {
        assert_eq!(receipt.await.unwrap().seq, n as u64 + 2);
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!(journal::read(run.path()).unwrap().facts.len(), 101);
}

#[test]
fn appends_of_many_threads_keep_one_chain() {
    let (_room, run) = Room::with(&[]);
    let journal = Journal::open(run.path(), now()).unwrap().journal;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for n in 0..50 {
                    append(journal, &format!("{thread}/{n}")).unwrap();
                }
            });
        }
    });
    let read = journal::read(run.path()).unwrap();
    assert!(read.torn.is_none() && read.damage.is_none());
    assert_eq!(read.facts.len(), 400);
}

/// Runs one test of this file again in a process of its own, with `name` set in its environment.
fn child(test: &str, name: &str, value: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" --exact {test} --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(name, value);
    command
}

#[test]
fn p5_the_second_opener_fails_within_a_second_and_names_the_first_which_frees_it_even_by_sigkill() {
    const ROLE: &str = "PITSTOP_TEST_HOLD";
    let test = "p5_the_second_opener_fails_within_a_second_and_names_the_first_which_frees_it_even_by_sigkill";
    if let Some(folder) = std::env::var_os(ROLE) {
        let opened = Journal::open(Path::new(&folder), now()).unwrap();
        append(&opened.journal, "held").unwrap();
        println!("\nholding");
        // Until the parent kills this process, or goes away.
        let _ = io::stdin().read_line(&mut String::new());
        return;
    }
    use std::io::BufRead as _;
    let (_room, run) = Room::with(&["first"]);
    let mut command = child(test, ROLE, run.path(), "");
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = io::BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holding"));

    let start = Instant::now();
    let error = Journal::open(run.path(), now()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(
        error.to_string().contains(&format!("process {}", holder.id())),
        "{error}"
    );
    assert_eq!(journal::holder(run.path()).unwrap().unwrap().pid, holder.id());
    assert!(
        journal::read(run.path()).unwrap().facts.len() >= 2,
        "a reader needs no lock"
    );

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(journal::holder(run.path()).unwrap(), None);
    let opened = Journal::open(run.path(), now()).unwrap();
    assert_eq!(texts(&opened.read), ["first", "held"]);
    assert!(Journal::open(run.path(), now()).is_err(), "also within one process");
}

#[test]
fn files_are_0600_and_directories_0700_under_any_umask() {
    const ROLE: &str = "PITSTOP_TEST_UMASK";
    if let Some(root) = std::env::var_os(ROLE) {
        let store = Store::at(Path::new(&root).join("deep/state"));
        let id = RunId::parse("20261206-010003-k3f9wq").unwrap();
        let run = store.create_run(&id, b"{}").unwrap();
        append(&Journal::create(run.path(), now()).unwrap(), "one").unwrap();
        journal::files::keep(&run.files(), b"x").unwrap();
        let mut spool = journal::output::Spool::new(&run.output(), &pitstop::secret::Redactor::default(), 1 << 20);
        spool.take(&[b'x'; 100_000]);
        assert!(spool.finish().fault.is_none());
        store.once("key", &id).unwrap();
        drop(store.lock("lock", now()).unwrap());
        return;
    }
    for umask in ["000", "022", "077", "0777"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        let test = "files_are_0600_and_directories_0700_under_any_umask";
        let done = child(test, ROLE, dir.path(), &format!("umask {umask};"))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "umask {umask}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        let mut seen = 0;
        let mut todo = vec![dir.path().join("deep/state")];
        while let Some(path) = todo.pop() {
            let meta = path.symlink_metadata().unwrap();
            let wanted = if meta.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                meta.permissions().mode() & 0o7777,
                wanted,
                "umask {umask}: {}",
                path.display()
            );
            seen += 1;
            if meta.is_dir() {
                todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        assert!(seen >= 15, "{seen}");
    }
}
