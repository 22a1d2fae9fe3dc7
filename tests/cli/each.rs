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
