//! Two runs on one host, two processes on one run: one of them acts, the other says who.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, Project, code, words};

/// Every host waits for a file before it is done.
const SLOW: &str = r#"schema: 1
runbook: slow
title: A slow change
kind: change
targets:
  web: { TARGETS }
rollouts:
  wide: { parallel: 10 }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: wide
    on_failure: hold
    steps:
      - id: one
        name: A change
        run: |
          echo "$PITSTOP_STEP_KEY begin" >> "$HOME/effects"
          while [ ! -e "$HOME/go" ]; do sleep 0.05; done
          echo "$PITSTOP_STEP_KEY end" >> "$HOME/effects"
        undo: { none: "it only counts" }
"#;

/// The slow runbook over these targets.
pub fn slow(targets: &str) -> String {
    SLOW.replace("TARGETS", targets)
}

/// How many locks on this machine name this operator.
fn locks_by(operator: &str) -> usize {
    std::fs::read_dir("/var/tmp")
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("pitstop-lock-"))
        .filter(|e| std::fs::read_to_string(e.path().join("note")).is_ok_and(|n| n.lines().any(|l| l == operator)))
        .count()
}

#[test]
fn p5_of_two_controllers_on_one_host_the_second_changes_nothing_and_names_the_first() {
    let fleet = Fleet::start(2, "0");
    fleet.file("runbooks/slow.yml", &slow("hosts: [h02]"));
    let mut first = fleet.spawn(&["run", "runbooks/slow.yml", "--yes"], "words");
    fleet.until("the first run is at work", || !fleet.effects("h02").is_empty());
    let holder = fleet.run_folder().file_name().unwrap().to_str().unwrap().to_owned();

    let otto = format!("otto{}", std::process::id());
    let other = Project::beside(&fleet, &otto);
    other.file("runbooks/slow.yml", &slow("select: \"group=web\""));
    for _ in 0..2 {
        let lost = other.run(&["run", "runbooks/slow.yml", "--yes", "--once-key", "nightly"]);
        assert_eq!(code(lost.status), 6, "{}", words(&lost));
        let said = words(&lost);
        assert!(
            said.contains(&holder) && said.contains("olga") && said.contains("h02"),
            "{said}"
        );
        assert!(said.contains("help: wait for it"), "{said}");
        assert!(
            !said.contains("stopped") && !said.contains("Report:"),
            "it never began: {said}"
        );
    }
    let listed = other.run(&["runs"]);
    assert!(!words(&listed).contains("slow"), "{}", words(&listed));
    assert_eq!(std::fs::read_dir(other.path(".pitstop/runs")).unwrap().count(), 0);
    assert_eq!(fleet.effects("h01").len(), 0, "nothing began on the free host");
    assert_eq!(fleet.effects("h02").len(), 1, "nothing began on the held host");
    assert_eq!(locks_by(&otto), 0, "the free host was given back");
    assert!(fleet.left_on("h01").is_empty());

    for host in ["h01", "h02"] {
        fleet.mark(host, "go");
    }
    assert_eq!(code(first.wait().unwrap()), 0);
    let now = other.run(&["run", "runbooks/slow.yml", "--yes", "--once-key", "nightly"]);
    assert_eq!(code(now.status), 0, "{}", words(&now));
}

#[test]
fn p5_a_second_process_on_a_running_run_ends_at_once_and_names_the_first() {
    let fleet = Fleet::start(1, "0");
    fleet.file("runbooks/slow.yml", &slow("select: \"group=web\""));
    let mut first = fleet.spawn(&["run", "runbooks/slow.yml", "--yes"], "words");
    fleet.until("the run is at work", || !fleet.effects("h01").is_empty());
    let before = std::fs::read(fleet.journal()).unwrap();
    // The shortest of three: other tests share this machine's processors.
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let second = fleet.run(&["resume", "last"]);
        shortest = shortest.min(began.elapsed());
        assert_eq!(code(second.status), 6, "{}", words(&second));
        let pid = format!("process {}", first.id());
        assert!(words(&second).contains(&pid), "{pid}: {}", words(&second));
    }
    assert!(shortest < Duration::from_secs(1), "{shortest:?}");
    assert_eq!(std::fs::read(fleet.journal()).unwrap(), before, "it wrote nothing");
    fleet.mark("h01", "go");
    assert_eq!(code(first.wait().unwrap()), 0);
    assert_eq!(fleet.effects("h01").len(), 2, "one begin and one end");
}
