//! Journals of format 1, kept for ever: whatever becomes of pitstop, they are read, folded, reported and written again as they were.
//!
//! `PITSTOP_GOLDEN=reports cargo test --test golden` writes the reports anew, where their words were changed on purpose. A journal is
//! never written again.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pitstop::journal::{self, JOURNAL, Journal};
use pitstop::plan::Plan;
use pitstop::report::after;
use pitstop::report::record::{ChainHead, record};
use pitstop::run::Run;
use pitstop::run::event::{Event, Stamped};
use serde_json::Value;

const FOLDER: &str = "tests/data/journal/1";
const PAGE: &str = include_str!("../docs/design/0001-journal.md");

/// One of them: a folder with the plan, the journal, and what is made of them.
struct Golden {
    folder: PathBuf,
    /// The journal as it lies there.
    text: String,
    read: journal::Read,
}

impl Golden {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
        let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        folders.sort();
        let all: Vec<Self> = folders.into_iter().map(Self::open).collect();
        assert!(all.len() >= 2, "a golden journal is gone: they are kept for ever");
        all
    }

    fn open(folder: PathBuf) -> Self {
        // Git keeps no modes, and pitstop reads no journal that others may write.
        let copy = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(folder.join(JOURNAL)).unwrap();
        std::fs::write(copy.path().join(JOURNAL), &text).unwrap();
        std::fs::set_permissions(copy.path().join(JOURNAL), std::fs::Permissions::from_mode(0o600)).unwrap();
        let read = journal::read(copy.path()).unwrap();
        Self { folder, text, read }
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn plan(&self) -> Plan {
        serde_json::from_slice(&std::fs::read(self.folder.join("plan.json")).unwrap()).unwrap()
    }

    fn facts(&self) -> Vec<Stamped> {
        self.read.facts.clone()
    }

    /// Its events as JSON, with their text.
    fn events(&self) -> impl Iterator<Item = (Value, &str)> {
        self.text.lines().map(|line| {
            let begin = line.find("\"event\":").unwrap() + "\"event\":".len();
            let text = &line[begin..line.rfind(",\"sum\":").unwrap()];
            (serde_json::from_str(text).unwrap(), text)
        })
    }
}

#[test]
fn every_golden_journal_is_whole_to_its_last_record() {
    let mut batches = 0;
    for golden in Golden::all() {
        assert_eq!(
            (&golden.read.torn, &golden.read.damage),
            (&None, &None),
            "{}",
            golden.name()
        );
        assert_eq!(golden.read.facts.len(), golden.text.lines().count());
        assert!(golden.text.starts_with("{\"format\":1,\"seq\":1,"), "{}", golden.name());
        batches += golden.text.matches("\"batch\":[").count();
    }
    assert!(batches > 0, "no golden journal has records that share a sync");
}

#[test]
fn written_again_every_golden_journal_is_the_same_to_the_byte() {
    for golden in Golden::all() {
        for ((_, text), fact) in golden.events().zip(golden.facts()) {
            assert_eq!(serde_json::to_string(&fact.event).unwrap(), text, "{}", golden.name());
        }
        if golden.text.contains("\"batch\":[") {
            // Which records share a sync is a matter of the moment.
            continue;
        }
        let again = tempfile::tempdir().unwrap();
        let opened = Journal::rehearse(again.path(), golden.facts()[0].at).unwrap();
        for fact in golden.facts() {
            opened.journal.append(fact.at, &fact.event).wait().unwrap();
        }
        let written = std::fs::read_to_string(again.path().join(JOURNAL)).unwrap();
        assert!(written == golden.text, "{} is written otherwise", golden.name());
    }
}

#[test]
fn folded_and_reported_every_golden_journal_is_what_it_was() {
    let anew = std::env::var("PITSTOP_GOLDEN").is_ok_and(|v| v == "reports");
    for golden in Golden::all() {
        let (plan, facts) = (golden.plan(), golden.facts());
        let run = Run::fold(&facts);
        let step_by_step = facts.iter().fold(Run::default(), |mut run, fact| {
            run.apply(fact);
            run
        });
        assert_eq!(run, step_by_step, "{}", golden.name());
        let head = ChainHead {
            events: golden.read.head.records,
            hash: golden.read.head.hash.to_string(),
        };
        let made = record(&plan, &plan.digest().unwrap(), &run, &facts, &head);
        let made = [
            (
                "record.json",
                format!("{}\n", serde_json::to_string_pretty(&made).unwrap()),
            ),
            ("report.md", after::markdown(&made)),
        ];
        for (file, text) in made {
            let path = golden.folder.join(file);
            if anew {
                std::fs::write(&path, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap();
            assert!(
                kept == text,
                "{}/{file} comes out otherwise; if that is meant: PITSTOP_GOLDEN=reports cargo test --test golden",
                golden.name()
            );
        }
    }
}

/// The names of all types of events, as the reader of events tells them.
fn types() -> BTreeSet<String> {
    let error = serde_json::from_str::<Event>("{\"type\":\"?\"}")
        .unwrap_err()
        .to_string();
    let names: BTreeSet<String> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(
        names.len() > 35 && names.contains("started") && names.contains("ended"),
        "{error}"
    );
    names
}

#[test]
fn every_type_of_event_is_in_a_golden_journal() {
    let kept: BTreeSet<String> = Golden::all()
        .iter()
        .flat_map(|g| {
            g.events()
                .map(|(event, _)| event["type"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<String> = types().difference(&kept).cloned().collect();
    assert!(
        missing.is_empty(),
        "add a golden journal that has {missing:?}: docs/design/0001-journal.md says how"
    );
}

/// Names of fields: what people name is not among them.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    const NAMED_BY_PEOPLE: [&str; 6] = ["more", "evidence", "marks", "former_ms", "value", "items"];
    match value {
        Value::Array(items) => items.iter().for_each(|v| fields(v, found)),
        Value::Object(map) => {
            for (name, inner) in map {
                found.insert(name.clone());
                if !NAMED_BY_PEOPLE.contains(&name.as_str()) {
                    fields(inner, found);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_page_of_the_format_names_every_type_and_every_field() {
    let mut missing = BTreeSet::new();
    for name in types() {
        if !PAGE.contains(&format!("\n| `{name}` |")) {
            missing.insert(name);
        }
    }
    for golden in Golden::all() {
        for (event, _) in golden.events() {
            let mut names = BTreeSet::new();
            fields(&event, &mut names);
            missing.extend(names.into_iter().filter(|name| !PAGE.contains(&format!("`{name}`"))));
        }
    }
    assert!(
        missing.is_empty(),
        "docs/design/0001-journal.md has nothing about {missing:?}"
    );
}
