//! The promises of a run's folder: output, kept files, finding, pruning, the offline check.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::path::Path;

use jiff::Timestamp;
use pitstop::id::{Digest, HostName, RunId};
use pitstop::journal::output::{self, SHORT, Spool, TAIL};
use pitstop::journal::store::{FindError, Once, RunFolder, Store};
use pitstop::journal::{Journal, files, verify};
use pitstop::run::event::{Event, Kept, Outcome, StepKey, StepResult};
use pitstop::secret::{Redactor, Secret};

const CANARY: &str = "correct horse battery";

fn now() -> Timestamp {
    "2026-12-06T01:00:03.123Z".parse().unwrap()
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

fn room() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join(".pitstop"));
    (dir, store)
}

fn redactor() -> Redactor {
    Redactor::new([("db", &Secret::new(CANARY.to_owned()))]).unwrap()
}

fn spool(run: &RunFolder, max: u64, pieces: &[&[u8]], show: bool) -> Kept {
    let mut spool = match show {
        true => Spool::new(&run.output(), &redactor(), max),
        false => Spool::withheld(&redactor(), max),
    };
    for piece in pieces {
        spool.take(piece);
    }
    let done = spool.finish();
    assert!(done.fault.is_none(), "{:?}", done.fault);
    done.kept
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn short_text_is_in_the_event_alone_redacted_with_an_exact_count() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    let kept = spool(&run, 1 << 20, &[b"pw=correct ho", b"rse battery\n"], true);
    assert_eq!(
        kept,
        Kept {
            bytes: 25,
            digest: None,
            truncated: false,
            withheld: false,
            text: "pw=[secret db]\n".to_owned()
        }
    );
    assert_eq!(spool(&run, 1 << 20, &[], true), Kept::default());
    assert!(names(&run.output()).is_empty());
    assert_eq!(output::load(&run.output(), &kept, 100).unwrap(), b"pw=[secret db]\n");
}

#[test]
fn long_or_binary_output_is_a_file_named_by_the_hash_of_its_redacted_bytes_and_sensitive_output_none() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    let long = format!("{}{CANARY}{}", "ä".repeat(100_000), "é".repeat(SHORT));
    let redacted = long.replace(CANARY, "[secret db]");
    let pieces: Vec<&[u8]> = long.as_bytes().chunks(777).collect();
    let kept = spool(&run, 1 << 20, &pieces, true);
    assert_eq!(kept.digest, Some(Digest::of(redacted.as_bytes())));
    assert_eq!((kept.bytes, kept.truncated), (long.len() as u64, false));
    assert_eq!(kept.text, "é".repeat(TAIL / 2));
    assert_eq!(
        output::load(&run.output(), &kept, 1 << 20).unwrap(),
        redacted.as_bytes()
    );
    // The same again is the same file.
    assert_eq!(spool(&run, 1 << 20, &[long.as_bytes()], true), kept);

    let sensitive = spool(&run, 3, &[b"sho", b"rt"], false);
    assert!(output::load(&run.output(), &sensitive, 10).is_err());
    assert_eq!(
        (sensitive.digest, sensitive.text.as_str(), sensitive.withheld),
        (Some(Digest::of(b"short")), "", true)
    );
    let binary = spool(&run, 1 << 20, &[&[0xff, 0]], true);
    assert_eq!(output::load(&run.output(), &binary, 10).unwrap(), [0xff, 0]);
    assert_eq!(names(&run.output()).len(), 2);
}

#[test]
fn output_past_the_limit_is_counted_cut_and_flagged_and_its_end_is_shown() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    let block = [b'x'; 1000];
    let mut pieces: Vec<&[u8]> = vec![&block; 500];
    pieces.push(b"the end");
    let kept = spool(&run, 150_001, &pieces, true);
    assert_eq!((kept.bytes, kept.truncated), (500_007, true));
    assert_eq!(
        output::load(&run.output(), &kept, 1 << 20).unwrap(),
        vec![b'x'; 150_001]
    );
    assert!(kept.text.ends_with("xthe end") && kept.text.len() == TAIL);
}

#[test]
fn a_spool_that_cannot_be_written_goes_on_counting_and_says_so() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    std::fs::remove_dir(run.output()).unwrap();
    let mut spool = Spool::new(&run.output(), &redactor(), 1 << 20);
    for _ in 0..200 {
        spool.take(&[b'y'; 1000]);
    }
    let done = spool.finish();
    assert_eq!(
        (done.kept.bytes, done.kept.digest, done.kept.truncated),
        (200_000, None, true)
    );
    assert_eq!(done.kept.text, "y".repeat(TAIL));
    assert!(done.fault.is_some());
}

#[test]
fn a_step_that_goes_away_leaves_no_temporary_file() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    let mut spool = Spool::new(&run.output(), &redactor(), 1 << 20);
    spool.take(&[b'y'; 200_000]);
    assert_eq!(names(&run.output()).len(), 1);
    drop(spool);
    assert!(names(&run.output()).is_empty());
}

#[test]
fn a_run_is_found_by_id_unique_beginning_last_or_path() {
    let (dir, store) = room();
    assert!(store.runs().unwrap().is_empty());
    assert!(!store.root().exists(), "asking makes nothing");
    assert!(matches!(store.find("last"), Err(FindError::None { .. })));
    for name in ["20260102-000000-bb", "20260101-000000-aa", "20260101-000000-aab"] {
        store.create_run(&id(name), name.as_bytes()).unwrap();
    }
    let found = |text: &str| store.find(text).unwrap().id().unwrap().to_string();
    assert_eq!(found("last"), "20260102-000000-bb");
    assert_eq!(found("20260102"), "20260102-000000-bb");
    assert_eq!(found("20260101-000000-aa"), "20260101-000000-aa");
    let several = store.find("20260101").unwrap_err();
    assert!(
        several
            .to_string()
            .contains("2 runs: 20260101-000000-aa, 20260101-000000-aab"),
        "{several}"
    );
    assert!(matches!(store.find("../runs"), Err(FindError::None { .. })));
    let copy = dir.path().join("copy");
    std::fs::rename(store.find("last").unwrap().path(), &copy).unwrap();
    assert_eq!(
        store.find(copy.to_str().unwrap()).unwrap().read_plan().unwrap(),
        b"20260102-000000-bb"
    );
    assert!(store.create_run(&id("20260101-000000-aa"), b"{}").is_err());
}

#[test]
fn a_prune_takes_what_it_is_told_and_never_a_run_at_work() {
    let (_dir, store) = room();
    for name in ["r1", "r2", "r3"] {
        store.create_run(&id(name), b"{}").unwrap();
    }
    let at_work = Journal::create(store.find("r2").unwrap().path(), now()).unwrap();
    let pruned = store.prune(now(), |run| run.id() != Some(id("r3"))).unwrap();
    assert_eq!((pruned.removed, pruned.busy), (vec![id("r1")], vec![id("r2")]));
    assert_eq!(names(&store.root().join("runs")), ["r2", "r3"]);
    drop(at_work);
    assert_eq!(store.prune(now(), |_| true).unwrap().removed, [id("r2"), id("r3")]);
}

#[test]
fn a_once_key_is_claimed_by_the_first_run_only() {
    let (_dir, store) = room();
    assert_eq!(store.once("weekly 49", &id("r1")).unwrap(), Once::Ours);
    assert_eq!(store.once("weekly 49", &id("r2")).unwrap(), Once::Taken(id("r1")));
    assert_eq!(store.once("weekly 50", &id("r2")).unwrap(), Once::Ours);
    assert_eq!(names(&store.root().join("once")).len(), 2);
}

#[test]
fn a_lock_by_name_has_one_holder() {
    let (_dir, store) = room();
    let held = store.lock("host web1", now()).unwrap();
    let error = store.lock("host web1", now()).unwrap_err();
    assert!(
        error.to_string().contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    drop(held);
    store.lock("host web1", now()).unwrap();
}

#[test]
fn verify_names_every_file_that_is_missing_changed_or_unknown() {
    let (_dir, store) = room();
    let run = store.create_run(&id("r1"), b"{}").unwrap();
    let stdout = spool(&run, 1 << 20, &[&[b'o'; 10_000]], true);
    let stderr = spool(&run, 1 << 20, &[&[b'e'; 10_000]], true);
    let planned = files::keep(&run.files(), b"a script").unwrap();
    let journal = Journal::create(run.path(), now()).unwrap();
    let key = StepKey {
        phase: "p".to_owned(),
        stage: pitstop::plan::Stage::Steps,
        step: "s".to_owned(),
        nth: 0,
        host: Some(HostName::new("web1")),
        pass: 0,
        attempt: 1,
    };
    let result = StepResult {
        stdout: stdout.clone(),
        stderr: stderr.clone(),
        ..StepResult::default()
    };
    let settled = Event::Settled {
        key,
        outcome: Outcome::Ok,
        result: result.into(),
    };
    let written = journal.append(now(), &settled).wait().unwrap();
    drop(journal);

    let check = || verify::verify(&run, [planned.clone()]).unwrap();
    let good = check();
    assert!(good.good() && good.unnamed.is_empty(), "{good:?}");
    assert_eq!((good.good_files, good.head.hash), (3, written.hash));

    let path = |kept: &Kept| run.output().join(kept.digest.as_ref().unwrap().hex());
    std::fs::write(path(&stdout), b"changed").unwrap();
    std::fs::remove_file(path(&stderr)).unwrap();
    std::fs::write(run.output().join("planted"), b"x").unwrap();
    std::fs::write(run.files().join(planned.hex()), b"another script").unwrap();
    let bad = check();
    assert!(!bad.good());
    let mut whys: Vec<&str> = bad.problems.iter().map(|p| p.why.as_str()).collect();
    whys.sort();
    assert_eq!(whys, ["its content was changed", "its content was changed", "missing"]);
    assert_eq!(bad.unnamed, [run.output().join("planted")]);
    assert!(files::load(&run.files(), &planned, 100).is_err());
}

#[test]
fn a_state_directory_that_others_could_change_is_refused_before_anything_is_made() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, store) = room();
    std::fs::create_dir(store.root()).unwrap();
    std::fs::set_permissions(store.root(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let fault = store.create_run(&id("r1"), b"{}").unwrap_err();
    assert!(fault.to_string().contains("others may write"), "{fault}");
    assert!(names(store.root()).is_empty());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/tmp", &link).unwrap();
    assert!(Store::at(link).create_run(&id("r1"), b"{}").is_err());
}
