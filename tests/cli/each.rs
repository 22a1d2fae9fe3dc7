//! `for_each` from the outside: literal lists, lists of parameters, of the inventory and of results; killed in the middle.

use crate::room::Room;
use crate::runs::{signal, start};

fn runbook(room: &Room, id: &str, top: &str, phase: &str) {
    let text = format!(
        "schema: 1\nrunbook: {id}\ntitle: A runbook of a test\nkind: change\n{top}targets: {{ all: {{ select: role=x }} }}\nphases:\n  - phase: one\n    title: One\n    targets: all\n{phase}"
    );
    room.file(&format!("p/{id}.yml"), &text);
}

const LOG: &str = "{{ host.vars.dir | sh }}/log";

#[test]
fn each_item_of_a_written_list_is_done_and_taken_back_newest_first() {
    let room = Room::alone(&["a"]);
    let phase = format!(
        "    steps:
      - id: add
        name: Add a thing
        for_each: [one, {{ name: two words }}, 3]
        run: test {{{{ item | json | sh }}}} != 3 && echo add {{{{ item | json | sh }}}} >> {LOG}
        undo: [{{ name: Take it away, run: \"echo away {{{{ item | json | sh }}}} >> {LOG}\" }}]
"
    );
    runbook(&room, "things", "", &phase);
    room.run(&["plan", "things.yml"])
        .code(0)
        .shows("for each of 3: one, two");
    room.run(&["run", "things.yml", "--yes"]).code(4).says("add (3)");
    assert_eq!(
        room.effects(),
        [
            "add \"one\"",
            "add {\"name\":\"two words\"}",
            "away 3",
            "away {\"name\":\"two words\"}",
            "away \"one\""
        ]
    );
    room.run(&["report", "last", "--format", "md"])
        .code(0)
        .shows("Add a thing (one)");
}

#[test]
fn a_registered_list_a_parameter_and_a_host_variable_give_items_and_results_add_up() {
    let room = Room::alone(&["a"]);
    let phase = format!(
        "    on_failure: hold
    precheck:
      - {{ id: names, name: Names, run: \"printf 'x\\\\ny\\\\n'\", as: lines, register: names }}
    steps:
      - id: sizes
        name: Sizes
        for_each: \"{{{{ names.value }}}}\"
        read_only: true
        run: echo {{{{ item | sh }}}} 12
        expect: \"item in stdout\"
        register: sizes
      - {{ id: p, name: P, for_each: \"{{{{ params.ports }}}}\", run: \"echo port {{{{ item | sh }}}} >> {LOG}\" }}
      - {{ id: d, name: D, for_each: \"{{{{ [host.vars.dir] }}}}\", run: \"test -d {{{{ item | sh }}}}\" }}
      - {{ id: none, name: None, for_each: \"{{{{ params.empty }}}}\", run: \"echo no >> {LOG}\", register: nil }}
      - id: sum
        name: Sum
        run: \"echo {{{{ sizes.items | map('stdout') | join(',') | sh }}}} {{{{ sizes.ok }}}} {{{{ nil.ran }}}} >> {LOG}\"
"
    );
    let top = "parameters: { ports: { type: list, default: [\"80\", \"443\"] }, empty: { type: list, default: [] } }\n";
    runbook(&room, "lists", top, &phase);
    room.run(&["run", "lists.yml", "--yes", "-v"])
        .code(0)
        .says("its list is empty");
    assert_eq!(room.effects(), ["port 80", "port 443", "x 12,y 12 true false"]);
}

#[test]
fn a_list_longer_than_max_items_is_an_error_of_plan_or_a_failed_step() {
    let room = Room::alone(&["a"]);
    let top = "parameters: { names: { type: list, default: [a, b, c] } }\n";
    let known = "    on_failure: hold\n    steps:\n      - { name: N, for_each: \"{{ params.names }}\", max_items: 2, run: \"true\" }\n";
    runbook(&room, "known", top, known);
    room.run(&["plan", "known.yml"]).code(2).says("PS0680").says("3 items");
    let late = format!(
        "    on_failure: hold\n    precheck:\n      - {{ name: L, run: \"seq 1 3\", as: lines, register: l }}\n    steps:\n      - {{ id: n, name: N, for_each: \"{{{{ l.value }}}}\", max_items: 2, run: \"echo n >> {LOG}\" }}\n"
    );
    runbook(&room, "late", "", &late);
    room.run(&["run", "late.yml", "--yes"])
        .code(1)
        .says("its list has 3 items, `max_items` is 2");
    assert!(room.effects().is_empty());
}

#[test]
fn p1_killed_in_the_middle_of_a_list_no_item_runs_twice_and_the_list_is_not_asked_again() {
    let room = Room::alone(&["a"]);
    let phase = format!(
        "    on_failure: hold
    precheck:
      - {{ id: names, name: Names, run: \"cat {{{{ host.vars.dir | sh }}}}/names\", as: lines, register: names }}
    steps:
      - id: add
        name: Add
        for_each: \"{{{{ names.value }}}}\"
        run: echo {{{{ item | sh }}}} >> {LOG}; sleep 0.2
"
    );
    runbook(&room, "many", "", &phase);
    room.file("effects/names", "i1\ni2\ni3\ni4\ni5\ni6\n");
    let args: [&[&str]; 4] = [
        &["run", "many.yml", "--yes", "-vv"],
        &["resume", "last", "-vv"],
        &["resume", "last", "-vv"],
        &["resume", "last", "-vv"],
    ];
    for args in args {
        let (mut child, _err) = start(&room, args, "steps/add#");
        signal(&child, "KILL");
        child.wait().unwrap();
        // What the host would say now is another list.
        room.file("effects/names", "other\n");
    }
    room.run(&["resume", "last"]).code(0);
    assert_eq!(room.effects(), ["i1", "i2", "i3", "i4", "i5", "i6"]);
    let journal = std::fs::read_to_string(room.last_run().join("journal.jsonl")).unwrap();
    assert_eq!(journal.matches("\"type\":\"listed\"").count(), 1);
    room.run(&["verify"]).code(0);
}

#[test]
fn an_included_file_has_its_own_parameters_and_sees_no_others() {
    let room = Room::alone(&["a"]);
    room.file(
        "p/fragments/note.yml",
        &format!(
            "parameters:
  what: {{ type: string }}
  times: {{ type: int, default: 1 }}
  list: {{ type: list, default: [] }}
steps:
  - name: Note it
    run: echo {{{{ params.what | sh }}}} {{{{ params.times }}}} >> {LOG}
    undo: [{{ name: Back, run: \"echo back {{{{ params.what | sh }}}} >> {LOG}\" }}]
  - name: Note each
    for_each: \"{{{{ params.list }}}}\"
    run: echo {{{{ item | sh }}}} of {{{{ params.what | sh }}}} >> {LOG}
  - include: {{ file: fragments/inner.yml, with: {{ word: \"<{{{{ params.what }}}}>\" }} }}
"
        ),
    );
    room.file(
        "p/fragments/inner.yml",
        &format!(
            "parameters: {{ word: {{ type: string }} }}\nsteps:\n  - {{ name: Inner, run: \"echo inner {{{{ params.word | sh }}}} >> {LOG}\" }}\n"
        ),
    );
    let top = "parameters: { what: { type: string, default: outer }, n: { type: int, default: 3 } }\n";
    let phase = "    on_failure: hold
    steps:
      - include: { file: fragments/note.yml, with: { what: one, list: [x, y] } }
      - include: { file: fragments/note.yml, with: { what: \"{{ params.what }} two\", times: \"{{ params.n }}\" } }
";
    runbook(&room, "twice", top, phase);
    room.run(&["run", "twice.yml", "--yes"]).code(0);
    assert_eq!(
        room.effects(),
        [
            "one 1",
            "x of one",
            "y of one",
            "inner <one>",
            "outer two 3",
            "inner <outer two>"
        ]
    );
    runbook(&room, "wrong", top, &phase.replace("what: one", "times: one"));
    room.run(&["plan", "wrong.yml"])
        .code(2)
        .says("PS0295")
        .says("declared here, without a default");
    runbook(
        &room,
        "kind",
        top,
        &phase.replace("{{ params.n }}", "{{ params.what }}"),
    );
    room.run(&["plan", "kind.yml"])
        .code(2)
        .says("PS0684")
        .says("kind.yml:14");
}

#[test]
fn a_mistake_in_an_included_file_is_told_with_the_place_of_its_include() {
    let room = Room::new(&["a"]);
    room.file(
        "p/f.yml",
        "- { name: N, run: \"echo {{ params.x | sh }}\" }\n- include: g.yml\n",
    );
    room.file("p/g.yml", "- { name: N, delegate_to: nowhere, run: date }\n");
    let phase = "    on_failure: hold\n    steps:\n      - include: f.yml\n";
    runbook(&room, "inc", "", phase);
    room.run(&["check", "inc.yml"])
        .code(2)
        .says("f.yml:1")
        .says("included here");
    room.file("p/f.yml", "- include: g.yml\n");
    let planned = room.run(&["plan", "inc.yml"]).code(2).says("PS0625").says("g.yml:1");
    assert_eq!(planned.err.matches("included here").count(), 2, "{}", planned.err);
}
