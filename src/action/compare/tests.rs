//! Each mode with what hosts really say: CRLF, no last newline, no text at all, too much of it.

use std::path::Path;

use super::said::{Said, Whole};
use super::*;
use crate::secret::Secret;

fn compare_of(mode: CompareMode, folder: &Path) -> Compare {
    Compare {
        mode,
        tolerance: Some("10%".to_owned()),
        sides: ["db1", "db2"].map(|on| Side {
            on: HostName::new(on),
            become_user: None,
            run: "say".to_owned(),
        }),
        ok_codes: vec![0],
        folder: folder.to_owned(),
        redactor: Redactor::default(),
        sensitive: false,
    }
}

fn whole(compare: &Compare, bytes: &[u8]) -> Whole {
    let (stop, _) = watch::channel(false);
    let mut said = Said::new(compare, stop);
    // In odd pieces, as a network gives them.
    for piece in bytes.chunks(7) {
        said.take(Stream::Out, piece);
    }
    said.finish().unwrap()
}

fn judge(mode: CompareMode, left: &[u8], right: &[u8]) -> Result<Verdict, String> {
    let folder = tempfile::tempdir().unwrap();
    let compare = compare_of(mode, folder.path());
    let names = [compare.name(0), compare.name(1)];
    let sides = [whole(&compare, left), whole(&compare, right)];
    let verdict = judged(mode, compare.tolerance.as_deref(), sides, &names, folder.path());
    let left_over: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left_over.is_empty(), "no file has a name: {left_over:?}");
    verdict
}

fn verdict(mode: CompareMode, left: &[u8], right: &[u8]) -> Verdict {
    judge(mode, left, right).unwrap()
}

#[test]
fn exact_is_of_every_byte_and_tells_the_first_line_that_differs() {
    let exact = |left: &[u8], right: &[u8]| verdict(CompareMode::Exact, left, right);
    assert_eq!(exact(b"a\nb\n", b"a\nb\n").differences, 0);
    assert_eq!(exact(b"a\nb\n", b"a\nb\n").counts, [2, 2]);
    let crlf = exact(b"a\nb\n", b"a\r\nb\n");
    assert_eq!(crlf.short, "first in line 1: left a | right a\\r");
    assert_eq!(crlf.lines, ["@@ -1,2 +1,2 @@", "-a", "+a\\r", " b"]);
    let last = exact(b"a\nb", b"a\nb\n");
    assert_eq!(last.short, "first in line 2: left b (without a newline) | right b");
    let shorter = exact(b"a\n", b"a\nb\nc\n");
    assert_eq!(shorter.short, "first in line 2: left (there is no such line) | right b");
    assert_eq!((shorter.differences, shorter.counts), (2, [1, 3]));
    let odd = exact(b"a\xff\x1b[31m\0\n", b"a\xfe\n");
    assert_eq!(odd.short, "first in line 1: left a\\xff\\x1b[31m\\x00 | right a\\xfe");
    assert_eq!(exact(b"", b"a\n").counts, [0, 1]);
}

#[test]
fn exact_of_what_is_long_tells_the_place_and_how_much_more() {
    let many: Vec<u8> = (0..100_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let mut other = many.clone();
    other.extend_from_slice(b"more\n");
    let at = many.len() / 2;
    other[at] = b'\x07';
    let found = verdict(CompareMode::Exact, &many, &other);
    assert_eq!(found.differences, 2);
    assert!(
        found.lines[0].starts_with("line ") && found.lines[2].contains("\\x07"),
        "{found:?}"
    );
    assert_eq!(
        found.lines.last().unwrap(),
        "and 1 more line that are not the same at the same place"
    );
    // What differs is seen though it stands far behind in one line.
    let line = vec![b'x'; 5 << 20];
    let mut wrong = line.clone();
    wrong[100_000] = b'y';
    let found = verdict(CompareMode::Exact, &line, &wrong);
    assert_eq!(found.lines[0], "byte 100001 of what is said, in a very long line:");
    assert!(found.lines[2].contains("xyx"), "{found:?}");
    let mut behind = line.clone();
    *behind.last_mut().unwrap() = b'y';
    let found = verdict(CompareMode::Exact, &line, &behind);
    assert_eq!(found.differences, 1, "behind the first MiB of a line");
    assert!(
        found.lines[0].contains("byte 5242880 ") && found.lines[2].ends_with("xy…"),
        "{found:?}"
    );
    let line = vec![b'x'; 300_000];
    let mut wrong = line.clone();
    wrong[100_000] = b'y';
    let found = verdict(CompareMode::Exact, &line, &wrong);
    assert_eq!(found.lines[0], "line 1, from byte 100001:");
    assert!(
        found.lines[2].starts_with("+ …x") && found.lines[2].contains("xyx"),
        "{found:?}"
    );
    assert_eq!(verdict(CompareMode::Exact, &line, &line).differences, 0);
}

#[test]
fn rows_are_counted_and_their_order_is_not() {
    let rows = |left: &[u8], right: &[u8]| verdict(CompareMode::Rows, left, right);
    assert_eq!(rows(b"a\nb\na\n", b"a\na\nb").differences, 0);
    let found = rows(b"a\na\nb\nc\n", b"a\nb\nd\nd\n");
    assert_eq!(found.counts, [4, 4]);
    assert_eq!(
        found.lines,
        [
            "- a   (2 times left, 1 times right)",
            "- c",
            "+ d   (0 times left, 2 times right)"
        ]
    );
    assert_eq!(
        found.short,
        "2 rows only left, 2 rows only right; first: - a   (2 times left, 1 times right)"
    );
    assert_eq!(rows(b"a\r\n", b"a\n").lines, ["+ a", "- a\\r"]);
    assert_eq!(rows(b"\n\na\n", b"a\n\n").differences, 1, "an empty row is one");
    let long: Vec<u8> = (0..5000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let found = rows(&long, b"x\n");
    assert_eq!(found.lines.len(), SHOWN + 1);
    assert_eq!(found.lines.last().unwrap(), "and 4801 more rows");
}

#[test]
fn rows_are_sorted_in_pieces_as_in_one() {
    use super::sorted::{Sorter, merged};
    let folder = tempfile::tempdir().unwrap();
    // Rows of every length, many equal, more than many pieces hold.
    let rows: Vec<Vec<u8>> = (0..3000_u32)
        .map(|n| {
            let x = n.wrapping_mul(2_654_435_761) >> 20;
            vec![b'a' + u8::try_from(x % 26).unwrap(); usize::try_from(x % 97).unwrap()]
        })
        .collect();
    let sorted = |rows: &[Vec<u8>]| {
        let mut sorter = Sorter::with_pieces_of(folder.path(), 1000);
        rows.iter().for_each(|row| sorter.push(row).unwrap());
        sorter.sorted().unwrap()
    };
    let mut wanted = std::collections::BTreeMap::<Vec<u8>, u64>::new();
    rows.iter().for_each(|row| *wanted.entry(row.clone()).or_default() += 1);
    let mut backward = rows.clone();
    backward.reverse();
    backward.pop();
    let mut found = Vec::new();
    merged(sorted(&rows), sorted(&backward), &mut |row, a, b| {
        found.push((row.to_vec(), a, b))
    })
    .unwrap();
    let lacking = rows.first().unwrap();
    assert_eq!(found.len(), wanted.len());
    for ((row, a, b), (is, count)) in found.iter().zip(&wanted) {
        assert_eq!((row, a), (is, count));
        assert_eq!(*b, count - u64::from(row == lacking), "{row:?}");
    }
}

#[test]
fn a_schema_is_the_same_in_any_order_and_a_changed_table_is_told_line_by_line() {
    let left =
        b"-- a comment\nSET x = 1;\nCREATE TABLE a (\n    id int,\n    note text\n);\nCREATE INDEX i ON a (id);\n";
    let right = b"CREATE INDEX i ON a (id);\n\n\nCREATE TABLE a (\n  id int,\n  note text\n);\nSET y = 2;\n";
    assert_eq!(verdict(CompareMode::Schema, left, right).differences, 0);
    let right = b"CREATE TABLE a (\n    id bigint,\n    note text\n);\n";
    let found = verdict(CompareMode::Schema, left, right);
    assert_eq!((found.differences, found.counts), (3, [2, 1]));
    assert_eq!(
        found.lines,
        [
            "- CREATE INDEX i ON a (id)",
            "in CREATE TABLE a",
            "@@ -1,4 +1,4 @@",
            " CREATE TABLE a (",
            "-id int,",
            "+id bigint,",
            " note text",
            " )",
        ]
    );
    let nothing = judge(CompareMode::Schema, b"-- nothing\n", b"SET a = 1;\n").unwrap_err();
    assert!(nothing.contains("proves nothing"), "{nothing}");
}

#[test]
fn bounded_is_by_name_and_what_is_no_number_fails() {
    let bounded = |left: &[u8], right: &[u8]| verdict(CompareMode::Bounded, left, right);
    assert_eq!(
        bounded(b"orders|100\nusers|7\n", b"users|7\norders|109\n").differences,
        0
    );
    let found = bounded(b"orders|100\nusers|7\nold|1\n", b"users|NaN\norders|89\nnew|1\n");
    assert_eq!(
        found.lines,
        [
            "new: left has none, right 1",
            "old: left 1, right has none",
            "orders: left 100, right 89, by -11 (11.00 %)",
            "users: left 7, right NaN: NaN right is nothing that could be compared",
        ]
    );
    assert_eq!(bounded(b"10\r\n20\r\n", b"11\n21\n").differences, 0);
    assert_eq!(
        bounded(b"10\n", b"12\n").lines,
        ["line 1: left 10, right 12, by +2 (20.00 %)"]
    );
    let wrong = judge(CompareMode::Bounded, b"orders|100\n", b"ERROR: no table\n").unwrap_err();
    assert_eq!(
        wrong,
        "right (db2): line 1 is no number and no name with one: ERROR: no table"
    );
    let twice = judge(CompareMode::Bounded, b"a 1\na 2\n", b"a 1\n").unwrap_err();
    assert_eq!(
        twice,
        "left (db1): line 2 has another number under one name: a 2 (1 before)"
    );
}

#[test]
fn a_digest_is_of_the_whole() {
    let same = verdict(CompareMode::Digest, b"abc", b"abc");
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(same.lines, [format!("= sha256:{sha} (3 bytes)")]);
    let other = verdict(CompareMode::Digest, b"abc", b"abc\n");
    assert_eq!((other.differences, other.counts, other.lines.len()), (1, [3, 4], 2));
}

#[test]
fn a_secret_lies_nowhere_and_two_sides_that_name_it_are_the_same() {
    let secret = Secret::new("hunter2hunter2".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let compare = Compare {
        redactor: Redactor::new([("key", &secret)]).unwrap(),
        ..compare_of(CompareMode::Exact, folder.path())
    };
    let sides = [b"k=hunter2hunter2\n", b"k=hunter2hunter3\n"].map(|text| whole(&compare, text));
    let found = judged(
        CompareMode::Exact,
        None,
        sides,
        &[String::new(), String::new()],
        folder.path(),
    )
    .unwrap();
    assert_eq!(found.lines, ["@@ -1 +1 @@", "-k=[secret key]", "+k=hunter2hunter3"]);
}

#[test]
fn of_what_is_said_on_standard_error_the_end_is_kept_and_no_half_of_a_secret() {
    let secret = Secret::new("hunter2hunter2".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let compare = Compare {
        redactor: Redactor::new([("key", &secret)]).unwrap(),
        ..compare_of(CompareMode::Exact, folder.path())
    };
    let (stop, _) = watch::channel(false);
    let mut said = Said::new(&compare, stop);
    for _ in 0..10_000 {
        said.take(Stream::Err, b"hunter2hu");
        said.take(Stream::Err, b"nter2 ");
    }
    said.take(Stream::Err, b"\nno such table\n\n");
    let words = said.words("left (db1)");
    assert_eq!(words.matches("hunter2").count(), 0);
    assert!(
        words.contains("[secret key]") && words.ends_with("left (db1): no such table\nleft (db1): \n"),
        "{words}"
    );
    assert!(words.len() < 20_000);
    assert_eq!(said.last_words().as_deref(), Some("no such table"));
}

#[test]
fn what_did_not_come_or_does_not_fit_is_no_side() {
    let folder = tempfile::tempdir().unwrap();
    let compare = compare_of(CompareMode::Rows, folder.path());
    let (stop, stopped) = watch::channel(false);
    let mut said = Said::new(&compare, stop.clone());
    said.take(Stream::Out, b"a\n");
    said.skip(Stream::Out, 5);
    let why = said.finish().map(|_| ()).unwrap_err();
    assert!(why.contains("5 bytes did not come"), "{why}");
    // Run again after a lost link: what came before is forgotten.
    let mut said = Said::new(&compare, stop.clone());
    said.take(Stream::Out, b"half a l");
    said.skip(Stream::Out, 1);
    said.restart();
    said.take(Stream::Out, b"a\n");
    assert_eq!(said.finish().map(|whole| whole.bytes), Ok(2));
    assert!(!*stopped.borrow());
    let nowhere = compare_of(CompareMode::Rows, &folder.path().join("none"));
    let mut said = Said::new(&nowhere, stop);
    said.take(Stream::Out, &vec![b'x'; 1 << 20]);
    assert!(said.fault().is_some_and(|why| why.contains("cannot be kept")));
    assert!(*stopped.borrow(), "its command is stopped, and the other side's");
}

#[test]
fn the_words_of_a_comparison_name_both_sides() {
    let mut compare = compare_of(CompareMode::Bounded, Path::new("/"));
    assert_eq!(
        compare.words(),
        "compare bounded, by at most 10%\nleft (db1): say\nright (db2): say"
    );
    for side in &mut compare.sides {
        side.on = HostName::new("");
    }
    assert_eq!(
        compare.words(),
        "compare bounded, by at most 10%\nleft: say\nright: say"
    );
}

/// Dumps that the tools printed, of two databases with one schema: other times, counters and random words.
#[test]
fn real_dumps_of_one_schema_are_the_same_and_lose_no_statement() {
    macro_rules! dump {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/data/dumps/", $name, ".sql"))
        };
    }
    let same = |a: &[u8], b: &[u8], statements: u64, word: &[u8]| {
        assert_ne!(a, b);
        let found = verdict(CompareMode::Schema, a, b);
        assert_eq!(
            (found.differences, found.counts),
            (0, [statements, statements]),
            "{found:?}"
        );
        // One word that is another is a difference, and so is an end that is missing.
        let at = b.windows(word.len()).position(|w| w == word).unwrap();
        let mut other = b.to_vec();
        other[at] = b'X';
        assert_eq!(verdict(CompareMode::Schema, a, &other).differences, 2);
        assert!(verdict(CompareMode::Schema, a, &b[..b.len() / 2]).differences > 1);
    };
    same(
        dump!("postgresql-a"),
        dump!("postgresql-b"),
        25,
        b"REFERENCES public.customers",
    );
    same(dump!("mariadb-a"), dump!("mariadb-b"), 14, b"KEY `name`");
}
