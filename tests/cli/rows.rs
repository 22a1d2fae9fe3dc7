//! What steps with `as: json` gave, as one table over all hosts; and the list of everything that a run kept.

use crate::room::Room;

/// Two hosts whose answers differ in fields, one that gives no list of objects, one that fails, one of which the step is not asked.
const PHASE: &str = r#"    rollout: { batches: ["100%"], max_fail: "100%" }
    on_failure: rollback_host
    steps:
      - id: what
        name: Tell it
        read_only: true
        when: host.name != 'e'
        run: cat {{ host.vars.dir | sh }}/{{ host.name }}
        as: json
        register: what
      - { id: other, name: Tell nothing, read_only: true, run: 'echo "just words"', when: host.name == 'a' }
      - { id: one, name: Tell one, read_only: true, run: "echo '{\"b\": 1, \"a\": -2.5}'", as: json, when: host.name == 'a' }
"#;

fn room() -> Room {
    let room = Room::alone(&["a", "b", "c", "d", "e"]);
    room.runbook("ask", PHASE);
    // Written otherwise than in the order of the alphabet; a formula, a nested list, words of JSON that look like one of our kinds.
    room.file(
        "effects/a",
        r#"[{"unit": "ssh", "port": 22, "by": ["x", {"y": 1}]}, {"unit": "=HYPERLINK(\"http://evil\")", "port": -1, "new": null}]"#,
    );
    room.file(
        "effects/b",
        r#"[{"timestamp": "2026-11-23T00:00:00Z", "host": "spoof", "@cmd": true, "unit": "a,\"b\"\nc"}]"#,
    );
    room.file("effects/c", "[]");
    room.file("effects/d", "[1, 2]");
    room
}

#[test]
fn the_objects_of_all_hosts_are_one_table_and_who_gave_none_is_named() {
    let room = room();
    room.run(&["run", "ask.yml", "--yes"]).code(0);
    let rows = |format: &str| room.run(&["report", "last", "--format", format, "--step", "what"]);
    let csv = rows("rows-csv")
        .code(1)
        .says("missing: d is not in the table: what it gave is no list of objects")
        .says("left out: e is not in the table");
    assert_eq!(
        csv.out,
        "_host,unit,port,by,new,timestamp,host,\"'@cmd\"\r\n\
         a,ssh,22,\"[\"\"x\"\",{\"\"y\"\":1}]\",,,,\r\n\
         a,\"'=HYPERLINK(\"\"http://evil\"\")\",-1,,,,,\r\n\
         b,\"a,\"\"b\"\"\nc\",,,,2026-11-23T00:00:00Z,spoof,true\r\n"
    );
    assert!(!csv.err.contains(" c "), "an empty list is an answer: {}", csv.err);
    let json = rows("rows-json").code(1);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(list[0]["by"][1]["y"], 1);
    assert_eq!((&list[2]["_host"], &list[2]["host"]), (&"b".into(), &"spoof".into()));
    let (unit, port) = (json.out.find("\"unit\"").unwrap(), json.out.find("\"port\"").unwrap());
    assert!(unit < port, "the fields stand as they came: {}", json.out);

    // The record has it too, wherever it lies.
    let record = room.run(&["report", "last", "--format", "json"]).code(0).out;
    room.file("p/record.json", &record);
    std::fs::remove_dir_all(room.project(".pitstop")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let step = format!("{}/what", record["phases"][0]["id"].as_str().unwrap());
    let args = ["report", "record.json", "--format", "rows-csv", "--step", &step];
    assert_eq!(room.run(&args).code(1).out, csv.out);
}

#[test]
fn a_table_is_of_one_step_that_gave_objects() {
    let room = room();
    room.run(&["run", "ask.yml", "--yes", "--limit", "host=a"]).code(0);
    let rows = |more: &[&str]| room.run(&[&["report", "last", "--format", "rows-csv"], more].concat());
    rows(&["--step", "one"]).code(0).shows("host,b,a\r\na,1,-2.5\r\n");
    rows(&[]).code(2).says("2 steps are meant").says("--step");
    rows(&["--step", "nosuch"]).code(2).says("no step `nosuch`");
    rows(&["--step", "other"]).code(1).says("no list of objects");
    room.run(&["report", "last", "--format", "csv", "--step", "one"])
        .code(2)
        .says("rows-csv");
}

#[test]
fn hosts_that_were_not_reached_are_missing_in_the_table_and_longer_output_is_not_read_in_part() {
    let room = Room::alone(&["a", "b"]);
    room.runbook(
        "ask",
        "    rollout: { batches: [\"100%\"], max_fail: \"100%\" }\n    on_failure: rollback_host\n    steps:\n\
         \x20     - { id: first, name: First, read_only: true, run: \"test {{ host.name }} = a\" }\n\
         \x20     - { id: what, name: What, read_only: true, run: \"echo '[{\\\"x\\\": 1}]'\", as: json }\n\
         \x20     - { id: long, name: Long, read_only: true, run: 'seq 1 200000', as: lines, expect: value | length > 0 }\n",
    );
    room.run(&["run", "ask.yml", "--yes"])
        .code(3)
        .says("longer than the 1 MiB that `as` reads");
    room.run(&["report", "last", "--format", "rows-csv", "--step", "what"])
        .code(1)
        .shows("host,x\r\na,1\r\n")
        .says("missing: b is not in the table: failed: ");
}

#[test]
fn what_was_kept_is_listed_with_its_digest_and_a_part_is_not_called_the_whole() {
    let room = Room::alone(&["a"]);
    room.file("effects/log", "taken as it is\n");
    room.runbook(
        "keep",
        "    on_failure: hold\n    steps:\n\
         \x20     - { id: short, name: '=Short', read_only: true, run: 'echo words' }\n\
         \x20     - { id: long, name: Long, read_only: true, run: 'seq 1 2000' }\n\
         \x20     - { id: cut, name: Cut, read_only: true, run: 'echo half; echo CUT >&2; exit 9', may_fail: it is said }\n\
         \x20     - { id: quiet, name: Quiet, read_only: true, run: 'echo secret words', sensitive: true }\n\
         \x20     - { id: file, name: File, download: { src: \"{{ host.vars.dir }}/log\" } }\n",
    );
    room.run(&["run", "keep.yml", "--yes"]).code(0);
    let csv = room.run(&["report", "last", "--format", "evidence-csv"]).code(0).out;
    let row = |step: &str, what: &str| -> Vec<String> {
        let line = csv
            .lines()
            .find(|l| l.contains(&format!(",{step},")) && l.contains(what));
        let line = line.unwrap_or_else(|| panic!("{step} {what}: {csv}"));
        line.split(',').skip(3).map(str::to_owned).collect()
    };
    let digest = |bytes: &str| pitstop::id::Digest::of(bytes.as_bytes()).hex().to_owned();
    let long: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        row("short", "stdout")[1..9],
        [
            "\"'=Short\"",
            "1",
            "stdout",
            &digest("words\n"),
            "6",
            "whole",
            "",
            "journal"
        ]
    );
    let kept = row("long", "stdout");
    assert_eq!(
        kept[3..7],
        [
            "stdout".to_owned(),
            digest(&long),
            "8893".to_owned(),
            "whole".to_owned()
        ]
    );
    let file = room.last_run().join(&kept[8]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), long);
    assert_eq!(row("cut", "stdout")[6..8], ["part", "exit code 9: CUT"]);
    assert_eq!(row("quiet", "stdout")[6], "digest_only");
    let taken = row("file", "/log");
    assert_eq!(
        taken[4..7],
        [digest("taken as it is\n"), "15".to_owned(), "whole".to_owned()]
    );
    let file = room.last_run().join(&taken[8]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "taken as it is\n");
    assert!(!csv.contains("secret words"));
}
