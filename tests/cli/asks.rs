//! A step that does not end well, and the person at the terminal who is asked before the policy acts.

use crate::room::Room;
use crate::terminal::Person;

/// A step that fails until a file is there; the next one tells that it was reached, the undo that it ran.
const FLAKY: &str = r#"    on_failure: rollback_host
    steps:
      - id: s
        name: Restart the app
        run: |
          echo "s on {{ host.name }}" >> {{ host.vars.dir | sh }}/log
          printf 'first line\nunit \033[31mapp\033[0m failed\n' >&2
          test -e {{ host.vars.dir | sh }}/fixed
        undo:
          - { id: u, name: Put it back, run: "echo undo >> {{ host.vars.dir | sh }}/log" }
      - id: t
        name: Tell
        run: echo t >> {{ host.vars.dir | sh }}/log
        undo: [{ id: v, name: Untell, run: "true" }]
"#;

fn at_the_question(room: &Room) -> Person {
    room.runbook("flaky", FLAKY);
    let mut person = Person::starts(room, "run flaky.yml --yes --operator olga@x");
    person.sees("a: steps/s \"Restart the app\" is failed: exit code 1");
    person
}

fn deviations(room: &Room) -> String {
    room.run(&["report", "last", "--format", "json"]).code(0).out
}

#[test]
fn a_failed_step_is_retried_at_the_terminal_and_the_record_says_who_and_why() {
    let room = Room::alone(&["a"]);
    let mut person = at_the_question(&room);
    person.sees("the last it said:");
    person.sees("| first line");
    // What a host says never moves the cursor or paints.
    person.sees("| unit \\x1b[31mapp\\x1b[0m failed");
    person.sees("Your word? Without one, at ");
    person.sees("the host goes back: undo; no further host starts.");
    for key in [
        "r       run it again",
        "s WHY   leave it out",
        "b       the host goes back: undo",
        "h       hold",
        "p       do now",
    ] {
        person.sees(key);
    }
    person.sees("a [r/s/b/h/p] > ");
    person.types("yes\n");
    person.sees("type one of: r, s WHY, b, h, p");
    person.sees("> ");
    std::fs::write(room.path("effects/fixed"), "").unwrap();
    person.types("r started the database first\n");
    person.sees("olga@x has a/s run again: started the database first");
    let (code, seen) = person.ends();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(room.effects(), ["s on a", "s on a", "t"]);
    let record = deviations(&room);
    for part in ["manual_override", "rerun: started the database first", "olga@x"] {
        assert!(record.contains(part), "{part}: {record}");
    }
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["waits"].as_array().map(Vec::len), Some(1), "{}", record["waits"]);
    room.run(&["verify", "last"]).code(0);
}

#[test]
fn a_failed_step_is_skipped_only_with_a_reason_and_the_host_is_warned() {
    let room = Room::alone(&["a"]);
    let mut person = at_the_question(&room);
    person.sees("a [r/s/b/h/p] > ");
    person.types("s\n");
    person.sees("why? It is in the record: type `s WHY`");
    person.sees("> ");
    person.types("s the app is off this quarter\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("phase one ended warned"), "{seen}");
    assert_eq!(room.effects(), ["s on a", "t"]);
    assert!(deviations(&room).contains("skip: the app is off this quarter"));
}

#[test]
fn a_host_is_taken_back_or_held_at_the_terminal_whatever_the_policy() {
    let room = Room::alone(&["a"]);
    let mut person = at_the_question(&room);
    person.sees("> ");
    person.types("h\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 1, "{seen}");
    assert!(seen.contains("phase one ended held"), "{seen}");
    assert_eq!(room.effects(), ["s on a"], "nothing is taken back");
    room.run(&["resume", "last", "--rollback"]).code(4);
    assert_eq!(room.effects(), ["s on a", "undo"]);
    std::fs::remove_file(room.path("effects/log")).unwrap();
    let mut person = at_the_question(&room);
    person.sees("> ");
    person.types("b\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 4, "{seen}");
    assert_eq!(room.effects(), ["s on a", "undo"]);
}

#[test]
fn when_the_input_ends_at_a_question_the_policy_acts() {
    let room = Room::alone(&["a"]);
    let mut person = at_the_question(&room);
    person.sees("> ");
    person.types("\u{4}");
    let (code, seen) = person.ends();
    assert_eq!(code, 4, "{seen}");
    assert!(seen.contains("nobody answered about a/s"), "{seen}");
}

#[test]
fn ctrl_c_at_a_question_stops_the_run_and_resume_without_a_terminal_lets_the_policy_act() {
    let room = Room::alone(&["a"]);
    let mut person = at_the_question(&room);
    person.sees("> ");
    person.types("\u{3}");
    let (code, seen) = person.ends();
    assert_eq!(code, 7, "{seen}");
    assert_eq!(room.effects(), ["s on a"]);
    room.run(&["resume", "last"]).code(4);
    assert_eq!(room.effects(), ["s on a", "undo"]);
}

#[test]
fn what_was_typed_before_the_question_does_not_answer_it() {
    let room = Room::alone(&["a"]);
    room.runbook(
        "flaky",
        &FLAKY.replace(
            "          echo \"s on",
            "          while [ ! -e {{ host.vars.dir | sh }}/go ]; do sleep 0.1; done\n          echo \"s on",
        ),
    );
    let mut person = Person::starts(&room, "run flaky.yml --yes");
    person.sees("steps/s: Restart the app");
    person.types("b\n");
    // The terminal has echoed it: it lies in the program's input.
    person.sees("b");
    std::fs::write(room.path("effects/go"), "").unwrap();
    person.sees("[r/s/b/h/p] > ");
    person.types("h\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 1, "{seen}");
    assert_eq!(room.effects(), ["s on a"]);
}

#[test]
fn of_two_hosts_that_fail_together_each_is_asked_about_by_itself() {
    let room = Room::alone(&["a", "b"]);
    room.runbook(
        "flaky",
        &format!("    rollout: {{ parallel: 2, max_fail: 2 }}\n{FLAKY}"),
    );
    let mut person = Person::starts(&room, "run flaky.yml --yes");
    person.sees(" [r/s/b/h/p] > ");
    person.types("h first\n");
    person.sees(" because of s: first");
    person.sees(" [r/s/b/h/p] > ");
    person.types("b second\n");
    let (code, seen) = person.ends();
    assert_eq!(code, 1, "{seen}");
    assert!(
        seen.contains("ended held") && seen.contains("ended rolled_back"),
        "{seen}"
    );
}
