//! Reports of restore tests and drills: real runs on this machine, what their reports show, what people add, and what the next run
//! knows of the last.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::room::Room;

/// Restores a file from another one; `{{ params.bad }}` breaks the copy.
const RESTORE: &str = r#"schema: 1
runbook: restore
title: Prove that the notes can be restored
kind: restore_test
targets: { lab: { select: role=x } }
parameters:
  bad: { type: bool, default: false }
  copy: { type: string, default: notes }
objectives:
  rto: { from: began, to: usable, max: 10m }
  rpo: { from: newest, to: began, max: 3650000d }
phases:
  - phase: restore
    title: Restore and compare
    targets: lab
    on_failure: hold
    precheck:
      - { id: found, name: The newest backup, run: echo backup-7 of monday, register: found, expect: "stdout != ''" }
      - { id: isolation-lab, name: This is not the source, run: "true" }
    steps:
      - id: copy
        name: Copy the notes
        mark_start: began
        mark: copied
        run: mkdir {{ host.vars.dir | sh }}/scratch && echo one > {{ host.vars.dir | sh }}/scratch/notes
        undo: [{ name: Erase them, run: "rm -rf {{ host.vars.dir | sh }}/scratch" }]
      - id: start
        name: Start what reads them
        mark: started
        run: sleep 0.05; test {{ params.bad | sh }} = false || echo two > {{ host.vars.dir | sh }}/scratch/notes
        undo: { covered_by: copy }
    verify:
      - { id: newest, name: The newest note, run: "date -u -d @1700000000 +%Y-%m-%dT%H:%M:%SZ", as: timestamp, mark: { name: newest, at: "{{ value }}" } }
      - { id: content, name: The notes are those of the source, run: "grep -qx one {{ host.vars.dir | sh }}/scratch/notes || { echo the notes differ >&2; exit 1; }" }
      - { id: function, name: Somebody can read them, run: "cat {{ host.vars.dir | sh }}/scratch/notes", mark: usable }
    cleanup:
      - { id: erase, name: Erase the copy, run: "rm -rf {{ host.vars.dir | sh }}/scratch" }
      - { id: gone, name: Nothing is left, read_only: true, run: "test ! -e {{ host.vars.dir | sh }}/scratch && echo nothing is left" }
"#;

const DRILL: &str = r#"schema: 1
runbook: drill
title: Failover of the notes
kind: dr_drill
description: Site A is gone.
modes: [planned, disaster]
targets: { b: { select: role=x } }
objectives:
  rto: { from: out, to: serving, max: 10m }
phases:
  - phase: promote
    title: Promote site B
    targets: b
    on_failure: hold
    steps:
      - { id: promote, name: Promote it, mark_start: out, mark: promoted, run: "true", undo: { none: It must be rebuilt } }
      - { id: serve, name: It answers, read_only: true, run: sleep 0.05, mark: serving }
      - { id: dns, name: Point the name at B, only_in: [disaster], run: "true", undo: { none: The next change does it } }
  - phase: back
    title: Go back to A
    only_in: [disaster]
    targets: b
    on_failure: hold
    steps: [{ id: back, name: Go back, run: "true", undo: { none: It is the way back } }]
"#;

fn record(room: &Room, run: &str) -> Value {
    serde_json::from_str(&room.run(&["report", run, "--format", "json"]).code(0).out).unwrap()
}

fn newest(room: &Room) -> String {
    room.last_run().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_restore_test_that_passes_has_three_good_answers_and_shows_what_proved_it() {
    let room = Room::alone(&["lab"]);
    room.file("p/restore.yml", RESTORE);
    room.run(&["run", "restore.yml", "--yes"]).code(0);
    let r = record(&room, "last");
    let answers: Value = serde_json::json!({ "restore": "passed", "validation": "passed", "deletion": "deleted" });
    assert_eq!(r["restore"], answers);
    let parts: Vec<&str> = r["objectives"][0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["to"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["copied", "started", "usable"], "{:#}", r["objectives"]);
    let md = room.run(&["report", "last", "--format", "md"]).code(0).out;
    for shown in [
        "| **Restore** | restored |",
        "| **Deletion of the copy** | deleted |",
        "| **The newest backup** | backup\\-7 of monday |",
        "| content | The notes are those of the source | lab | ok |",
        "| isolation | This is not the source | lab | ok |",
        "No check was done that is named for: integrity.",
        "| rpo, recovery point | 2023-11-14 22:13:20 UTC | `newest` | “The newest note” on lab said 2023-11-14T22:13:20Z |",
        "| Nothing is left | lab |",
        "Left behind: nothing.",
        "when “Copy the notes” began",
        "The longest part was",
    ] {
        assert!(
            md.replace("\\-", "-").contains(&shown.replace("\\-", "-")),
            "`{shown}` is not in\n{md}"
        );
    }
}

#[test]
fn a_restore_test_whose_content_differs_was_restored_not_validated_and_says_what_became_of_the_copy() {
    let room = Room::alone(&["lab"]);
    room.file("p/restore.yml", RESTORE);
    let ran = room.run(&["run", "restore.yml", "--yes", "--set", "bad=true"]);
    assert_ne!(ran.code, 0);
    let r = record(&room, "last");
    assert_eq!(
        (&r["restore"]["restore"], &r["restore"]["validation"]),
        (&"passed".into(), &"failed".into())
    );
    let gone = !room.path("effects/scratch").exists();
    let said = r["restore"]["deletion"].as_str().unwrap();
    assert_eq!(
        said == "deleted",
        gone && r["left_behind"].as_array().unwrap().is_empty(),
        "{said}"
    );
    let html = room.run(&["report", "last"]).code(0).out;
    assert!(html.contains("the notes differ"));
    let news = "What was restored is not as it should be";
    assert_eq!(html.contains(news), said == "deleted", "{said}");
}

#[test]
fn objectives_have_a_history_in_the_record_that_names_what_was_otherwise() {
    let room = Room::alone(&["lab"]);
    room.file("p/restore.yml", RESTORE);
    room.run(&["run", "restore.yml", "--yes"]).code(0);
    let first = newest(&room);
    assert!(record(&room, &first).get("former").is_none());
    assert!(
        !room
            .run(&["report", &first])
            .code(0)
            .out
            .contains("Objectives over time")
    );
    // A dry run is no value, and another copy no value of this one.
    room.run(&["run", "restore.yml", "--dry", "--yes"]).code(0);
    room.run(&["run", "restore.yml", "--yes", "--set", "copy=letters"])
        .code(0);
    let other = newest(&room);
    room.run(&["run", "restore.yml", "--yes"]).code(0);
    let last = newest(&room);

    let r = record(&room, "last");
    let former = r["former"].as_array().unwrap();
    let runs: Vec<&str> = former.iter().map(|f| f["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [&first, &other]);
    assert_eq!(former[1]["otherwise"], serde_json::json!({ "copy": "letters" }));
    assert!(former[0].get("otherwise").is_none());

    let csv = room.run(&["report", "last", "--format", "objectives-csv"]).code(0).out;
    let rto: Vec<&str> = csv.lines().filter(|l| l.starts_with("rto,")).collect();
    assert_eq!((rto.len(), csv.lines().count()), (3, 7), "{csv}");
    assert!(
        rto[0].starts_with(&format!("rto,{first},2")) && rto[2].contains(&last),
        "{csv}"
    );
    assert!(rto[1].ends_with("true,,copy=letters"), "{csv}");
    // A stored record says the same when the runs are gone.
    let kept = room.project(&format!(".pitstop/runs/{last}/report/record.json"));
    std::fs::copy(&kept, room.path("record.json")).unwrap();
    std::fs::remove_dir_all(room.project(&format!(".pitstop/runs/{first}"))).unwrap();
    let record = room.path("record.json").display().to_string();
    let again = room.run(&["report", &record, "--format", "objectives-csv"]).code(0).out;
    assert_eq!(again, csv);
    let html = room.run(&["report", &record]).code(0).out;
    assert!(html.contains("Objectives over time") && html.matches("class=\"spark\" viewBox").count() == 6);
    assert!(html.contains("copy=letters"));

    room.run(&["status", "last"])
        .code(0)
        .shows("objective rto: ")
        .shows("of at most 10 min, met");
    let list: Value = serde_json::from_str(&room.run(&["runs", "--json"]).code(0).out).unwrap();
    assert_eq!(list[0]["objectives"], serde_json::json!([]), "a dry run: {list:#}");
    assert_eq!(
        (&list[1]["objectives"][0]["name"], &list[1]["objectives"][0]["met"]),
        (&"rto".into(), &true.into())
    );
}

#[test]
fn a_drill_says_what_it_did_not_try_and_not_recorded_where_nobody_wrote() {
    let room = Room::alone(&["b"]);
    room.file("p/drill.yml", DRILL);
    room.run(&["run", "drill.yml", "--mode", "planned", "--yes"]).code(0);
    let md = room.run(&["report", "last", "--format", "md"]).code(0).out;
    let sections: Vec<&str> = md.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    for title in [
        "Identification",
        "Objectives",
        "Scope and exclusions",
        "Participants and roles",
        "Course of events",
        "Steady state",
        "Deviations",
        "Isolation",
        "Clean-up",
        "Findings",
        "Findings of the last drill",
        "Lessons",
        "Verdict and sign-off",
        "Evidence",
    ] {
        assert!(sections.contains(&title), "{title} is none of {sections:?}");
    }
    for shown in [
        "| **Scenario** | Site A is gone. |",
        "| **Review** | not recorded |",
        "| `step promote/dns` | Point the name at B | only in mode disaster |",
        "| `phase back` | Go back to A | only in mode disaster |",
        "| **Concluded by** | not recorded |",
        "No former drill of this runbook is kept",
        "The longest part was promoted to serving",
        "Mark promoted on b",
    ] {
        assert!(md.contains(shown), "`{shown}` is not in\n{md}");
    }
}

#[test]
fn a_review_is_kept_with_its_run_and_the_next_drill_knows_its_findings() {
    let room = Room::alone(&["b"]);
    room.file("p/drill.yml", DRILL);
    let drill = |room: &Room| {
        room.run(&["run", "drill.yml", "--mode", "planned", "--yes"]).code(0);
        newest(room)
    };
    let (first, journal) = (drill(&room), |id: &str| {
        room.project(&format!(".pitstop/runs/{id}/journal.jsonl"))
    });
    let before = std::fs::read(journal(&first)).unwrap();
    let review = "schema: 1\nscenario: A flood\nparticipants: [{ name: Cleo, role: observer }]\nfindings:\n  - { id: F-1, text: The list was old, severity: major, owner: ops, due: 2020-01-31, status: open }\n  - { id: F-2, text: DNS was slow, status: done }\nlessons: [Print the list]\nconclusion: { success: true, note: It worked, who: Anna }\n";
    room.file("p/review.yml", review);
    room.run(&["check", "review.yml"]).code(0);
    let md = room
        .run(&["report", &first, "--review", "review.yml", "--format", "md"])
        .code(0)
        .says("The review is kept")
        .out;
    for shown in [
        "A flood",
        "| Cleo | observer | review |",
        "open, overdue",
        "| **Concluded by** | Anna |",
        "- Print the list",
    ] {
        assert!(md.contains(shown), "`{shown}` is not in\n{md}");
    }
    assert_eq!(
        std::fs::read(journal(&first)).unwrap(),
        before,
        "the journal was changed"
    );
    room.run(&["verify", &first]).code(0);
    let reviews = room.project(&format!(".pitstop/runs/{first}/reviews"));
    let files = || -> Vec<_> {
        std::fs::read_dir(&reviews)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect()
    };
    assert_eq!(files().len(), 1);
    assert_eq!(files()[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // The same again is no second one; another one stands beside it.
    room.run(&["report", &first, "--review", "review.yml", "--format", "json"])
        .code(0);
    assert_eq!(files().len(), 1);
    let stored = std::fs::read_to_string(room.project(&format!(".pitstop/runs/{first}/report/record.json"))).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        stored["review"]["sha256"],
        pitstop::id::Digest::of(review.as_bytes()).to_string()
    );

    let second = drill(&room);
    room.file(
        "p/again.yml",
        &format!(
            "schema: 1\nrun: {second}\nfindings:\n  - {{ id: F-1, text: The list was old, status: in_progress }}\n"
        ),
    );
    let md = room
        .run(&["report", &second, "--review", "again.yml", "--format", "md"])
        .code(0)
        .out;
    assert!(md.contains(&format!("The last one was {first}")), "{md}");
    let line = md.lines().find(|l| l.contains("`F-1`") && l.contains(&first)).unwrap();
    assert!(line.ends_with("| open | in progress, overdue |"), "{line}");
    let line = md.lines().find(|l| l.contains("`F-2`")).unwrap();
    assert!(line.ends_with("| done | not recorded |"), "{line}");

    // What nobody closed is not lost because the drill between them said nothing of it.
    room.file("p/third.yml", "schema: 1\nlessons: [None]\n");
    let third = drill(&room);
    room.run(&["report", &third, "--review", "third.yml", "--format", "md"])
        .code(0);
    drill(&room);
    let r = record(&room, "last");
    assert_eq!(r["last_drill"]["run"], third.as_str());
    let told: Vec<_> = r["last_drill"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["id"].as_str().unwrap(), f["run"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("F-1", second.as_str())]);
}

#[test]
fn a_review_that_is_wrong_or_of_another_run_is_refused_and_not_kept() {
    let room = Room::alone(&["b"]);
    room.file("p/drill.yml", DRILL);
    room.run(&["run", "drill.yml", "--mode", "planned", "--yes"]).code(0);
    let run = newest(&room);
    for (text, said) in [
        ("schema: 1\nlesson: [x]\n", "--> review.yml:2:1"),
        ("schema: 1\nfindings: [{ id: a, text: b, due: tomorrow }]\n", "PS0550"),
        (
            "schema: 1\nrun: 20200101-000000-abcd\n",
            "is about the run 20200101-000000-abcd",
        ),
    ] {
        room.file("p/review.yml", text);
        room.run(&["report", "last", "--review", "review.yml"])
            .code(2)
            .says(said);
    }
    room.run(&["report", "last", "--review", "nowhere.yml"])
        .code(2)
        .says("cannot read nowhere.yml");
    assert!(!room.project(&format!(".pitstop/runs/{run}/reviews")).exists());
    let record = format!(".pitstop/runs/{run}/report/record.json");
    room.file("p/review.yml", "schema: 1\n");
    room.run(&["report", &record, "--review", "review.yml"])
        .code(2)
        .says("a review is kept with a run");
}
