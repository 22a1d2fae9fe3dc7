//! `fmt` and `doc` as people and CI call them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::room::{Done, Room};

const BAD: &str = "schema: 1\r\nrunbook:   one # the id\r\ntitle: One\r\nkind: change\r\nphases:\r\n# about it\r\n- phase: p\r\n  title: P\r\n  on_failure: hold\r\n  steps:\r\n  - include: steps/more.yml\r\n";
const GOOD: &str = "schema: 1\nrunbook: one   # the id\ntitle: One\nkind: change\nphases:\n  # about it\n  - phase: p\n    title: P\n    on_failure: hold\n    steps:\n      - include: steps/more.yml\n";
const STEPS: &str = "- name:    S\n  run: echo  hello\n  undo: {none: it only talks}\n";

fn room() -> Room {
    let room = Room::new(&["a"]);
    room.file("p/one.yml", BAD);
    room.file("p/steps/more.yml", STEPS);
    room.file("p/steps/foreign.yml", "- hosts:   all\n  tasks: []\n");
    room.file("p/deploy.yaml", "kind:   Service\n");
    room
}

#[test]
fn the_files_of_the_project_are_formatted_and_nothing_else() {
    let room = room();
    let plan = |room: &Room| room.run(&["plan", "one.yml", "--format", "json"]).code(0).out;
    let before = plan(&room);
    room.run(&["fmt", "--check"])
        .code(1)
        .says("one.yml")
        .says("not in the layout:");
    assert_eq!(
        std::fs::read_to_string(room.project("one.yml")).unwrap(),
        BAD,
        "--check writes nothing"
    );
    std::fs::set_permissions(room.project("one.yml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    room.run(&["fmt"])
        .code(0)
        .says("one.yml")
        .says("more.yml")
        .says("formatted:");
    let read = |name: &str| std::fs::read_to_string(room.project(name)).unwrap();
    assert_eq!(read("one.yml"), GOOD);
    assert_eq!(
        read("steps/more.yml"),
        "- name: S\n  run: echo  hello\n  undo: { none: it only talks }\n"
    );
    assert_eq!(
        read("steps/foreign.yml"),
        "- hosts:   all\n  tasks: []\n",
        "no runbook includes it"
    );
    assert_eq!(read("deploy.yaml"), "kind:   Service\n");
    let mode = std::fs::metadata(room.project("one.yml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(before, plan(&room), "the plan is the same to the byte");
    room.run(&["fmt"]).code(0).says("good:");
    room.run(&["fmt", "--check"]).code(0);
}

#[test]
fn a_difference_is_shown_and_nothing_written() {
    let room = room();
    room.run(&["fmt", "--diff", "one.yml"])
        .code(1)
        .shows("-runbook:   one # the id")
        .shows("+runbook: one   # the id");
    assert_eq!(std::fs::read_to_string(room.project("one.yml")).unwrap(), BAD);
}

#[test]
fn what_cannot_be_read_stays_and_the_others_are_formatted() {
    let room = room();
    room.file("p/bad.yml", "schema: 1\nrunbook: bad\nphases: [\n");
    room.run(&["fmt"]).code(2).says("PS0012").says("bad.yml").says("wrong:");
    assert_eq!(
        std::fs::read_to_string(room.project("bad.yml")).unwrap(),
        "schema: 1\nrunbook: bad\nphases: [\n"
    );
    assert_eq!(std::fs::read_to_string(room.project("one.yml")).unwrap(), GOOD);
    room.run(&["fmt", "nothing.yml"]).code(2).says("no file or folder");
}

#[test]
fn an_editor_formats_through_stdin() {
    let room = room();
    let through = |args: &[&str], text: &str| -> Done {
        let mut child = room
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    assert_eq!(through(&["fmt", "-"], BAD).code(0).out, GOOD);
    assert_eq!(through(&["fmt", "-", "--check"], BAD).code(1).out, "");
    assert_eq!(through(&["fmt", "-", "--check"], GOOD).code(0).out, "");
    through(&["fmt", "-"], "a: [\n").code(2).says("stdin");
}

#[test]
fn a_runbook_becomes_a_procedure() {
    let room = room();
    room.run(&["doc", "one.yml"])
        .code(0)
        .shows("# One\n")
        .shows("flowchart TD")
        .shows("echo  hello");
    room.run(&["doc", "one.yml", "-o", "one.md"]).code(0).says("one.md");
    let text = std::fs::read_to_string(room.project("one.md")).unwrap();
    assert!(
        text.starts_with("# One\n") && text.contains("**Cannot be taken back**: it only talks"),
        "{text}"
    );
    room.file(
        "p/wrong.yml",
        "schema: 1\nrunbook: wrong\ntitle: W\nkind: change\nphases: []\n",
    );
    room.run(&["doc", "wrong.yml"]).code(2).says("error");
    room.run(&["doc", "nothing.yml"]).code(2).says("PS0123");
}
