//! `sensitive`: what such a step says is seen by its own conditions, and lies nowhere afterwards.

use std::path::Path;

use crate::room::Room;

const SAID: &str = "BEGIN-PRIVATE-KEY-7f3a";

/// Every file below that holds the text.
fn holding(dir: &Path, text: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, text, found);
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text) {
            found.push(path.display().to_string());
        }
    }
}

fn room(steps: &str) -> Room {
    let room = Room::alone(&["a"]);
    room.runbook("quiet", &format!("    on_failure: hold\n    steps:\n{steps}"));
    // Not in the command either, which the journal shows.
    room.file("said", SAID);
    room
}

fn step(room: &Room, more: &str) -> String {
    let said = room.path("said").display().to_string();
    format!(
        "      - {{ id: key, name: Make a key, run: 'cat {said}; seq 20000; cat {said} >&2', sensitive: true, undo: {{ none: test }}{more} }}\n"
    )
}

#[test]
fn what_a_sensitive_step_says_is_judged_and_lies_nowhere() {
    let room = room("");
    for (more, code) in [
        (", register: key, expect: \"'PRIVATE' in stdout\"", 0),
        (", expect: \"stdout == 'other'\"", 1),
        (", as: text, expect: \"'PRIVATE' in value\"", 0),
        (", as: number", 1),
        (", ok_codes: [3]", 1),
    ] {
        let body = step(&room, more);
        room.runbook("quiet", &format!("    on_failure: hold\n    steps:\n{body}"));
        let done = room.run(&["run", "quiet.yml", "--yes", "-vv"]).code(code);
        assert!(
            !format!("{}{}", done.out, done.err).contains(SAID),
            "{more}: {}",
            done.err
        );
        room.run(&["verify", "last"]).code(0);
        let logs = room.run(&["logs", "last", "a", "key"]).code(0);
        assert!(!format!("{}{}", logs.out, logs.err).contains(SAID), "{more}");
    }
    let mut found = Vec::new();
    holding(&room.project(".pitstop"), SAID, &mut found);
    assert_eq!(found, Vec::<String>::new());
    let logs = room.run(&["logs", "last", "a", "key"]);
    assert!(logs.err.contains("only the length and the hash"), "{}", logs.err);
}

#[test]
fn what_is_not_kept_cannot_be_read_later() {
    let room = room("");
    let body = step(&room, ", register: key");
    let later = "      - { id: use, name: Use it, run: 'echo {{ key.stdout | sh }}', undo: { none: test } }\n";
    room.runbook("quiet", &format!("    on_failure: hold\n    steps:\n{body}{later}"));
    room.run(&["run", "quiet.yml", "--yes"])
        .code(2)
        .says("`key.stdout` is not kept: the step that gives it is `sensitive`");
}
