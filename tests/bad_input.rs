//! Wrong files: each gives an error with a place, nothing panics, and what people see is committed beside the tests.
//!
//! `INSTA_UPDATE=always cargo test --test bad_input` rewrites the snapshots; read the difference before it is committed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No wrong file may take longer, on a machine that does ten other things too. What grows faster than the file takes hours.
const BOUND: Duration = Duration::from_secs(120);

use pitstop::diag::{Diagnostics, Source, codes, render};
use pitstop::runbook::Runbook;
use pitstop::runbook::check::{checked, linted};
use pitstop::runbook::files::{Files, Folder, ReadError};
use pitstop::runbook::testfile;

/// A project in memory.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn one(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self(BTreeMap::from([(path.to_owned(), bytes.into())]))
    }
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or(ReadError::Missing)
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Reads a runbook from memory; also renders, since that may not panic either.
fn read(bytes: impl Into<Vec<u8>>) -> (Option<Runbook>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let runbook = linted(&Memory::one("example.yml", bytes), "example.yml", &mut diags);
    render::human(&diags, true, 100);
    render::sarif(&diags);
    render::github(&diags);
    (runbook, diags)
}

fn every_diagnostic_has_a_place(diags: &Diagnostics, of: &str) {
    for line in render::json(diags).lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["file"].as_str().is_some_and(|f| !f.is_empty()), "{of}: {line}");
        assert!(
            value["line"].as_u64() >= Some(1) && value["col"].as_u64() >= Some(1),
            "{of}: {line}"
        );
    }
}

#[test]
fn every_wrong_file_is_refused_in_words_that_are_committed() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "yml"));
    files.sort();
    assert!(files.len() >= 70, "only {} wrong files", files.len());
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let mut diags = Diagnostics::new();
        let accepted = if file.ends_with(testfile::ENDING) {
            let text = std::fs::read_to_string(&path).unwrap();
            testfile::read(&Source::new(file, text), &mut diags);
            !diags.has_errors()
        } else {
            checked(&Folder::new(corpus()), file, &mut diags).is_some()
        };
        assert!(!accepted && diags.has_errors(), "{file} was accepted");
        every_diagnostic_has_a_place(&diags, file);
        let documented = diags.0.iter().all(|d| codes::find(d.code).is_some());
        assert!(documented, "{file} gives a code that is not documented");
        insta::with_settings!({ snapshot_suffix => file.trim_end_matches(".yml"), omit_expression => true }, {
            insta::assert_snapshot!("corpus", render::human(&diags, false, 120));
        });
    }
}

#[test]
fn sound_files_give_no_complaint() {
    let good = Folder::new(corpus().join("good"));
    for id in ["rolling-restart", "dr-drill", "restore-test"] {
        let mut diags = Diagnostics::new();
        let runbook = linted(&good, &format!("{id}.yml"), &mut diags);
        let text = render::human(&diags, false, 120);
        assert!(diags.0.is_empty(), "{text}");
        assert_eq!(runbook.unwrap().id.value, id);
    }
}

/// A part of a runbook made whole: steps, phases, or keys of the top.
fn whole(part: &str) -> String {
    const HEAD: &str = "schema: 1\nrunbook: example\ntitle: An example\n";
    const PHASE: &str = "phases:\n  - phase: only\n    title: The only phase\n    on_failure: hold\n    steps:\n";
    let indented = |text: &str| {
        text.lines()
            .map(|l| {
                if l == "---" {
                    "---\n".to_owned()
                } else {
                    format!("      {l}\n")
                }
            })
            .collect::<String>()
    };
    if part.contains("schema:") {
        part.to_owned()
    } else if part.contains("phases:") {
        format!("{HEAD}{part}")
    } else if part.starts_with('-') {
        format!("{HEAD}{PHASE}{}", indented(part))
    } else {
        format!(
            "{HEAD}{part}{PHASE}{}",
            indented("- name: Wait\n  wait_for: { time: 5s }")
        )
    }
}

/// The codes that a test of a runbook gives.
fn read_test(cases: &str) -> Vec<&'static str> {
    let mut diags = Diagnostics::new();
    let text = format!("schema: 1\nrunbook: example.yml\n{cases}");
    testfile::read(&Source::new("example.test.yml", text), &mut diags);
    render::human(&diags, true, 100);
    diags.0.iter().map(|d| d.code).collect()
}

#[test]
fn every_documented_example_does_what_it_says() {
    let mut wrong = Vec::new();
    for code in codes::all().filter(|c| c.wrong.starts_with("cases:")) {
        for (text, expected) in [(code.wrong, vec![code.code]), (code.right, vec![])] {
            let found = read_test(text);
            if found != expected {
                wrong.push(format!("{}: {text}\ngives {found:?}", code.code));
            }
        }
    }
    let part = |c: &&codes::Code| !c.wrong.is_empty() && !c.wrong.starts_with("cases:") && !c.wrong.starts_with("# ");
    for code in codes::all().filter(part) {
        // What a part declares is used in the rest of its runbook, and some builds cannot perform all of it.
        let rest = |diags: &mut Diagnostics| {
            diags
                .0
                .retain(|d| !["PS0229", "PS0247"].contains(&d.code) || d.code == code.code);
        };
        let (_, mut diags) = read(whole(code.wrong));
        rest(&mut diags);
        let found: Vec<_> = diags.0.iter().map(|d| d.code).collect();
        if found != [code.code] {
            wrong.push(format!(
                "{}: the wrong example gives {found:?}\n{}",
                code.code,
                render::human(&diags, false, 100)
            ));
        }
        let (runbook, mut diags) = read(whole(code.right));
        rest(&mut diags);
        if runbook.is_none() || !diags.0.is_empty() {
            wrong.push(format!(
                "{}: the right example gives\n{}",
                code.code,
                render::human(&diags, false, 100)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Codes that no text can show, each with the reason.
const WITHOUT_EXAMPLE: [(&str, &str); 15] = [
    ("PS0001", "bytes that are no text cannot be printed"),
    ("PS0002", "it takes 16 MiB, or 64 levels"),
    ("PS0003", "the character would act on the terminal that shows it"),
    ("PS0190", "nothing gives it any more"),
    ("PS0303", "check knows all names first, and gives PS0302"),
    ("PS0401", "retired"),
    ("PS0436", "it takes a hundred calendars"),
    ("PS0451", "it takes a file of another owner or mode"),
    ("PS0481", "it takes 2 MiB"),
    ("PS0620", "check finds it first, as PS0211"),
    ("PS0631", "check finds it first, as PS0223"),
    (
        "PS0661",
        "it would be a mistake of the formatter; no file is known that gives it",
    ),
    ("PS0716", "it takes the journal of an earlier run"),
    ("PS0730", "it would be a mistake of the engine"),
    ("PS0760", "it takes a former run"),
];

#[test]
fn every_code_has_an_example_or_a_reason_why_there_can_be_none() {
    for code in codes::all() {
        let excused = WITHOUT_EXAMPLE.iter().any(|(c, _)| *c == code.code);
        assert_eq!(code.wrong.is_empty(), excused, "{}: an example xor a reason", code.code);
        assert_eq!(code.wrong.is_empty(), code.right.is_empty(), "{}", code.code);
    }
    for (code, _) in WITHOUT_EXAMPLE {
        assert!(codes::find(code).is_some(), "{code} is no code");
    }
}

#[test]
fn every_code_in_the_source_is_documented_and_every_documented_one_is_in_order() {
    let mut stack = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let pattern = regex::Regex::new("\"(PS[0-9]{4})\"").unwrap();
    let mut missing = Vec::new();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            missing.extend(
                pattern
                    .captures_iter(&text)
                    .map(|c| c[1].to_owned())
                    .filter(|c| codes::find(c).is_none()),
            );
        }
    }
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let all: Vec<_> = codes::all().map(|c| c.code).collect();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
}

#[test]
fn the_same_text_with_other_line_ends_or_a_byte_order_mark_is_as_good() {
    let text = whole("- name: Say it\n  run: |\n    date\n    uptime\n");
    for form in [
        text.clone(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        format!("\u{feff}{}", text.replace('\n', "\r\n")),
    ] {
        let (runbook, diags) = read(form);
        assert!(
            runbook.is_some() && diags.0.is_empty(),
            "{}",
            render::human(&diags, false, 100)
        );
    }
}

#[test]
fn hostile_files_are_refused_soon() {
    let head = whole("- name: Say it\n  run: date\n");
    let bomb = (0..9).fold("x: &a0 [lol]\n".to_owned(), |text, i| {
        format!("{text}b{i}: &a{} [{}]\n", i + 1, vec![format!("*a{i}"); 10].join(", "))
    });
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(head.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("alias bomb", bomb.into()),
        ("nested lists", "[".repeat(50_000).into()),
        ("nested maps", "{a: ".repeat(50_000).into()),
        ("nested items", "- ".repeat(50_000).into()),
        ("long line", format!("{head}{}: 1\n", "k".repeat(900)).into()),
        ("very long line", format!("title: [{}\n", "x ".repeat(5 << 19)).into()),
        ("NUL", head.replace("date", "da\0te").into()),
        ("escape", head.replace("date", "\u{1b}[2Jdate").into()),
        ("bidi", head.replace("date", "da\u{202e}te").into()),
        ("UTF-16", utf16),
        (
            "UTF-16 without mark",
            head.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
        ("Latin-1", b"title: gr\xfc\xdfe\n".to_vec()),
        ("tabs", head.replace("    ", "\t").into()),
        ("too large", vec![b'#'; (16 << 20) + 1]),
        ("binary", (0..=255u8).cycle().take(10_000).collect()),
        ("nothing", Vec::new()),
        ("only a comment", b"# nothing\n".to_vec()),
        ("a list", b"- a\n- b\n".to_vec()),
        ("a word", b"hello\n".to_vec()),
    ];
    for (name, bytes) in cases {
        let began = Instant::now();
        let (runbook, diags) = read(bytes);
        assert!(runbook.is_none() && diags.has_errors(), "{name} was accepted");
        assert!(began.elapsed() < BOUND, "{name} took {:?}", began.elapsed());
        assert!(
            !render::human(&diags, false, 100).contains(|c: char| c.is_control() && c != '\n'),
            "{name} reached the terminal"
        );
        every_diagnostic_has_a_place(&diags, name);
    }
}

#[test]
fn a_cut_or_garbled_runbook_never_panics() {
    let text = whole(
        "- id: a\n  name: \"Say it\"\n  run: |\n    date\n  undo:\n    - { name: Back, run: [a, b] }\n- name: Two\n  run: date\n  undo: { covered_by: a }\n",
    );
    for at in 0..text.len() {
        read(&text.as_bytes()[..at]);
        for junk in [b'{', b'"', b':', b'-', b'\n', b'&', 0xff] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = junk;
            read(bytes);
        }
    }
}

#[test]
fn includes_that_go_round_in_a_circle_are_refused() {
    let mut files = Memory::one("example.yml", whole("- include: a.yml\n"));
    files.0.insert("a.yml".into(), b"- include: b.yml\n".to_vec());
    files.0.insert("b.yml".into(), b"- include: a.yml\n".to_vec());
    let mut diags = Diagnostics::new();
    assert!(checked(&files, "example.yml", &mut diags).is_none());
    assert_eq!(diags.0.iter().map(|d| d.code).collect::<Vec<_>>(), ["PS0129"]);
}

#[test]
fn an_included_step_stands_in_the_place_of_its_include() {
    let mut files = Memory::one("example.yml", whole("- include: a.yml\n- name: Last\n  run: date\n"));
    files
        .0
        .insert("a.yml".into(), b"- id: first\n  name: First\n  run: date\n".to_vec());
    let mut diags = Diagnostics::new();
    let runbook = checked(&files, "example.yml", &mut diags).unwrap();
    let pitstop::runbook::Item::Phase(phase) = &runbook.items[0] else {
        panic!()
    };
    let ids: Vec<_> = phase
        .stages
        .steps
        .iter()
        .map(|s| (s.id.value.as_str(), s.id_written))
        .collect();
    assert_eq!(ids, [("first", true), ("steps-2", false)]);
    assert_eq!(phase.stages.steps[0].span.source.name, "a.yml");
}

#[test]
fn a_runbook_of_thousands_of_steps_is_checked_in_a_moment() {
    let step = |n: usize| {
        format!(
            "- {{ id: s{n}, name: Step {n}, run: date, register: r{n}, when: \"params.go\", undo: {{ covered_by: s0 }} }}\n"
        )
    };
    let first = "- { id: s0, name: First, run: date, undo: [{ name: Back, run: date }] }\n".to_owned();
    let text = whole(&(1..3000).fold(first, |text, n| text + &step(n)));
    let text = text.replace("phases:", "parameters: { go: { type: bool } }\nphases:");
    let began = Instant::now();
    let (runbook, diags) = read(text);
    assert!(runbook.is_some(), "{}", render::human(&diags, false, 100));
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

#[test]
fn a_flood_of_mistakes_ends_soon() {
    let text: String = (0..50_000).map(|n| format!("k{n}: 1\n")).collect();
    let began = Instant::now();
    let (runbook, diags) = read(text);
    assert!(runbook.is_none() && diags.has_errors() && diags.0.len() <= 300);
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}
