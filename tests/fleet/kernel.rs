//! The kernel refuses one file operation of a run, whichever it is: of the journal, the spools, the plan, the report, a lock.
//!
//! `strace` refuses the n-th of each thread, for each n until a run has none left to refuse. A full disk is in `surroundings`.

use std::path::PathBuf;

use crate::books;
use crate::common::figures;
use crate::drive::{calm, forget, refresh};
use crate::fleet::{Fleet, code, records, words};

/// Calls that make, name, sync or lock something, and what each is refused with.
const REFUSED: [(&str, &str); 5] = [
    ("fsync,fdatasync", "EIO"),
    ("rename,renameat,renameat2", "EIO"),
    ("mkdir,mkdirat", "ENOSPC"),
    ("link,linkat,ftruncate,fchmod,chmod", "EPERM"),
    ("flock", "ENOLCK"),
];

/// What came of the refusals of one kind.
#[derive(Default)]
struct Tally {
    /// Runs in which something was refused.
    refused: usize,
    /// Those that did not come to a good end by themselves.
    stopped: usize,
    resumed: usize,
}

#[test]
fn p8_a_file_operation_that_the_kernel_refuses_at_any_point_of_a_run_costs_nothing() {
    let threads: Vec<_> = REFUSED
        .into_iter()
        .map(|(calls, error)| std::thread::spawn(move || (calls, each(calls, error))))
        .collect();
    let mut all = 0;
    for thread in threads {
        let (calls, tally) = thread.join().expect("a run did not bear it");
        all += tally.refused;
        println!(
            "{calls}: {} runs had one refused, {} stopped, {} resumed to their end",
            tally.refused, tally.stopped, tally.resumed
        );
        assert!(tally.refused > 0, "nothing was refused: {calls}");
    }
    figures::print(
        "file operations that the kernel refuses, one of each run: lost ends, double starts, files left behind",
        format!("0 in {all} runs"),
        None,
    );
}

fn each(calls: &str, error: &str) -> Tally {
    let fleet = calm("rollback_host");
    let mut tally = Tally::default();
    for nth in 1.. {
        refresh(&fleet, "rollback_host", "0");
        if !one(&fleet, calls, error, nth, &mut tally) {
            return tally;
        }
        forget(&fleet);
    }
    tally
}

/// One run; false if there was nothing left to refuse.
fn one(fleet: &Fleet, calls: &str, error: &str, nth: usize, tally: &mut Tally) -> bool {
    let out = fleet
        .program("strace")
        .args(["-f", "-qq", "-y", "-o", "trace", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:error={error}:when={nth}")])
        .args([env!("CARGO_BIN_EXE_pitstop"), "run", "runbooks/storm.yml", "--yes"])
        .output()
        .unwrap();
    let trace = std::fs::read_to_string(fleet.path("trace")).unwrap();
    let refused: Vec<&str> = trace.lines().filter(|l| l.contains("(INJECTED)")).collect();
    if refused.is_empty() {
        assert_eq!(code(out.status), 0, "{}", words(&out));
        return false;
    }
    tally.refused += 1;
    let mut context = format!("{calls} {nth}: {refused:#?}\n{}", words(&out));
    assert!(
        !context.contains("panicked") && !context.contains("has a bug"),
        "{context}"
    );
    let mut last = code(out.status);
    if last != 0 {
        tally.stopped += 1;
        assert_eq!(last, 70, "{context}");
        assert!(words(&out).contains("help: "), "{context}");
        if journal(fleet).is_none_or(|journal| records(&journal).is_empty()) {
            let touched = fleet.hosts.keys().any(|h| !fleet.effects(h).is_empty());
            assert!(!touched, "changed without a journal; {context}");
            return true;
        }
        let resumed = fleet.run(&["resume", "last"]);
        context = format!("{context}\nresumed: {}", words(&resumed));
        last = code(resumed.status);
        tally.resumed += 1;
    }
    assert_eq!(last, 0, "{context}");
    books::compare(fleet, 0, false).unwrap_or_else(|fault| panic!("{fault}; {context}"));
    let verified = fleet.run(&["verify", "last"]);
    assert_eq!(code(verified.status), 0, "{}; {context}", words(&verified));
    for host in fleet.hosts.keys() {
        assert_eq!(fleet.left_on(host), Vec::<PathBuf>::new(), "{host}; {context}");
    }
    assert_eq!(fleet.locks(), Vec::<PathBuf>::new(), "{context}");
    true
}

/// The journal of the only run, if it was made.
fn journal(fleet: &Fleet) -> Option<PathBuf> {
    let runs = std::fs::read_dir(fleet.path(".pitstop/runs")).ok()?.flatten();
    runs.map(|run| run.path().join("journal.jsonl"))
        .find(|path| path.exists())
}
