//! Results across hosts, sets that steps are delegated to, and what a change leaves out.

use crate::room::Room;

const LOG: &str = "{{ host.vars.dir | sh }}/log";

/// Two phases: `one` over all hosts, and whatever `rest` adds; `top` stands above.
fn runbook(room: &Room, id: &str, top: &str, phases: &str) {
    let text = format!(
        "schema: 1\nrunbook: {id}\ntitle: A runbook of a test\nkind: change\n{top}targets: {{ all: {{ select: role=x }}, a: {{ hosts: [a] }}, b: {{ hosts: [b] }} }}\nphases:\n{phases}"
    );
    room.file(&format!("p/{id}.yml"), &text);
}

#[test]
fn results_of_all_hosts_are_read_from_a_later_phase_and_by_the_final_steady_state() {
    let room = Room::alone(&["a", "b"]);
    let top =
        "steady_state:\n  - { name: Each told its name, run: \"true\", expect: \"results.said | length in [0, 2]\" }\n";
    let phases = format!(
        "  - phase: one
    title: One
    targets: all
    on_failure: hold
    steps:
      - {{ id: say, name: Say, run: \"echo {{{{ host.name }}}}\", register: said }}
      - {{ id: own, name: Own, run: \"echo own {{{{ said.stdout | sh }}}} >> {LOG}\" }}
  - phase: two
    title: Two
    targets: a
    on_failure: hold
    steps:
      - {{ name: All, run: \"echo {{{{ results.said | map('host') | join(',') | sh }}}} {{{{ results.said | map('stdout') | join(',') | sh }}}} >> {LOG}\" }}
"
    );
    runbook(&room, "all", top, &phases);
    room.run(&["run", "all.yml", "--yes"]).code(0);
    let mut effects = room.effects();
    effects[..2].sort();
    assert_eq!(effects, ["own a", "own b", "a,b a,b"]);
}

#[test]
fn any_other_use_across_hosts_is_an_error_with_its_place_before_any_host_is_touched() {
    let room = Room::new(&["a", "b"]);
    let say = "  - phase: one
    title: One
    targets: all
    on_failure: hold
    steps: [{ id: say, name: Say, run: echo, register: said }]
  - phase: two
    title: Two
";
    // `all` is a selector: only the plan knows that it has two hosts.
    let once =
        "    on_failure: hold\n    steps: [{ name: Read, read_only: true, run: \"echo {{ said.stdout | sh }}\" }]\n";
    runbook(&room, "nobody", "", &format!("{say}{once}"));
    room.run(&["check", "nobody.yml"]).code(0);
    room.run(&["plan", "nobody.yml"])
        .code(2)
        .says("PS0297")
        .says("registered here")
        .says("results.said");
    // One host: its result can be read everywhere.
    room.run(&["plan", "nobody.yml", "--limit", "host=a"]).code(0);
    let other = say.replace("targets: all", "targets: a") + "    targets: all\n" + once;
    runbook(&room, "other", "", &other);
    room.run(&["plan", "other.yml"]).code(0);
    let few = say.to_owned() + "    targets: b\n" + once;
    runbook(&room, "few", "", &few);
    room.run(&["plan", "few.yml"]).code(0);
}

#[test]
fn a_delegated_set_does_each_host_in_turn_and_keeps_each_result() {
    let room = Room::alone(&["a", "b"]);
    let phases = format!(
        "  - phase: one
    title: One
    targets: a
    on_failure: hold
    steps:
      - {{ id: lb, name: Both, delegate_to: all, run: \"echo for {{{{ host.name }}}} | tee -a {LOG}\", register: lb }}
      - {{ name: Told, run: \"echo {{{{ lb.items | map('on') | join(',') | sh }}}} {{{{ lb.ok }}}} >> {LOG}\" }}
      - {{ name: Label, delegate_to: \"{{{{ host.labels.partner }}}}\", run: \"echo partner >> {LOG}\" }}
      - {{ id: one, name: One of them, delegate_to: {{ one_of: all }}, run: \"echo one of >> {LOG}\" }}
"
    );
    runbook(&room, "sets", "", &phases);
    let inventory = std::fs::read_to_string(room.project("inventory.yml")).unwrap();
    std::fs::write(
        room.project("inventory.yml"),
        inventory.replace("labels: { role: x }", "labels: { role: x, partner: b }"),
    )
    .unwrap();
    room.run(&["run", "sets.yml", "--yes", "-vv"])
        .code(0)
        .says("steps/one  begins on b");
    assert_eq!(room.effects(), ["for a", "for a", "a,b true", "partner", "one of"]);
}

#[test]
fn a_change_names_what_it_leaves_out_and_the_plan_and_the_report_list_it() {
    let room = Room::alone(&["a", "b"]);
    let phases = format!(
        "  - phase: one
    title: One
    targets: all
    on_failure: hold
    steps:
      - {{ id: say, name: Say, run: \"echo say >> {LOG}\", register: said }}
      - {{ id: more, name: More, when: said.ran and said.rc == 0, run: \"echo more >> {LOG}\" }}
      - {{ id: last, name: Last, run: \"echo last >> {LOG}\" }}
  - phase: two
    title: Two
    targets: b
    on_failure: hold
    steps: [{{ name: Two, run: \"echo two >> {LOG}\" }}]
"
    );
    runbook(&room, "out", "", &phases);
    let change = "schema: 1\nchange: CHG1\nrunbook: out.yml\nlimit: host=a\nskip: { say: not tonight }\n";
    room.file("p/changes/chg1.yml", change);
    room.run(&["plan", "changes/chg1.yml"])
        .code(0)
        .shows("phase one, these hosts: b (limit: host=a)")
        .shows("phase two, all its hosts: b (limit: host=a)")
        .shows("one/say: not tonight");
    room.run(&["run", "changes/chg1.yml", "--yes"]).code(0);
    assert_eq!(room.effects(), ["last"]);
    room.run(&["report", "last", "--format", "json"])
        .code(0)
        .shows("leaves out 1: b")
        .shows("not tonight");
    // Whoever reads more than `ran` of a step that is left out is told so, at the change's line.
    runbook(&room, "out", "", &phases.replace("said.ran and ", ""));
    room.run(&["plan", "changes/chg1.yml"])
        .code(2)
        .says("PS0685")
        .says("changes/chg1.yml:5")
        .says("read here");
    room.run(&["plan", "out.yml", "--skip", "one=frozen"]).code(0);
}

#[test]
fn an_undo_is_done_where_its_step_was_done() {
    let room = Room::alone(&["a", "b", "c"]);
    let phases = format!(
        "  - phase: one
    title: One
    targets: a
    steps:
      - id: put
        name: Put it somewhere
        delegate_to: {{ one_of: all }}
        run: echo put >> {LOG}
        undo: [{{ name: Take it away, delegate_to: {{ one_of: all }}, run: \"echo away >> {LOG}\" }}]
      - {{ name: Fails, run: \"false\", undo: {{ covered_by: put }} }}
"
    );
    runbook(&room, "where", "", &phases);
    room.run(&["run", "where.yml", "--yes", "-vv"])
        .code(4)
        .says("steps/put  begins on b")
        .says("undo/put/1  begins on b");
    assert_eq!(room.effects(), ["put", "away"]);
}
