//! What a dry run shows of the steps that it does not do.

use crate::room::Room;

const STEPS: &str = r#"kind: change
secrets: { token: { from: env, name: TOKEN } }
targets: { all: { select: role=x } }
rollouts: { r: { max_fail: 1 } }
phases:
  - phase: one
    title: One
    targets: all
    rollout: r
    on_failure: rollback_host
    precheck:
      - { id: look, name: Look, run: "printf 'x\ny z\n'", as: lines, register: found }
      - { id: only, name: Only two of them, run: "test {{ host.name }} != c" }
    steps:
      - { id: read, name: Read, run: "echo read", read_only: true }
      - { id: each, name: Do each, run: "echo {{ item | sh }} >> {{ host.vars.dir | sh }}/{{ host.name }}/log", for_each: "{{ found.value }}", max_items: 9, undo: { none: x } }
      - { id: on_a, name: Only on a, run: "date", when: "host.name == 'a'", undo: { none: x } }
      - { id: make, name: Make, run: "date", register: made, undo: { none: x } }
      - { id: later, name: Later, run: "echo {{ made.stdout | sh }}", undo: { none: x } }
      - { id: if_so, name: If so, run: "date", when: "made.stdout == 'x'", undo: { none: x } }
      - { id: put, name: Put, upload: { src: conf, dest: "{{ host.vars.dir }}/{{ host.name }}/conf", mode: "0644", template: true }, undo: { none: x } }
      - { id: hide, name: Hide, upload: { src: conf, dest: "{{ host.vars.dir }}/{{ host.name }}/conf", template: true }, sensitive: true, undo: { none: x } }
      - { id: aside, name: Beside, run: "date +%s", delegate_to: controller, undo: { none: x } }
    verify:
      - { id: see, name: See, run: "cat {{ host.vars.dir | sh }}/{{ host.name }}/log" }
"#;

fn room() -> Room {
    let room = Room::alone(&["a", "b", "c"]);
    room.file(
        "p/dry.yml",
        &format!("schema: 1\nrunbook: dry\ntitle: A runbook of a test\n{STEPS}"),
    );
    room.file("p/conf", "one\ntwo of {{ host.name }}\nkey {{ secrets.token }}\n");
    // a has an older one, b the very same, c nothing.
    room.file("effects/a/conf", "one\ntwo\nkey old\n");
    room.file("effects/b/conf", "one\ntwo of b\nkey a-secret-word\n");
    room
}

#[test]
fn a_dry_run_shows_the_rest_for_each_host_and_says_what_cannot_be_known() {
    let room = room();
    let mut command = room.command(&["run", "dry.yml", "--dry"]);
    let out = command.env("TOKEN", "a-secret-word").output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(3), "{told}");
    let begin = told
        .find("The rest of a real run, as far as it is known")
        .unwrap_or_else(|| panic!("{told}"));
    let rest = told[begin..].split("\n\n").next().unwrap();
    let dir = room.path("effects").display().to_string();
    let expected = format!(
        "The rest of a real run, as far as it is known
---------------------------------------------
one/each Do each (a)
    echo 'x' >> '{dir}'/a/log
    echo 'y z' >> '{dir}'/a/log
one/each Do each (b)
    echo 'x' >> '{dir}'/b/log
    echo 'y z' >> '{dir}'/b/log
one/on_a Only on a (a)
    date
one/on_a Only on a (b)
    left out: its condition is false: host.name == 'a'
one/make Make (2 hosts: a, b)
    date
one/later Later (2 hosts: a, b)
    cannot be known: it needs `made`, which a step that was not done gives
one/if_so If so (2 hosts: a, b)
    cannot be known: its condition `made.stdout == 'x'` needs `made`, which a step that was not done gives
one/put Put (a)
    conf to {dir}/a/conf
    @@ -1,3 +1,3 @@
     one
    -two
    -key old
    +two of a
    +key [secret token]
one/put Put (b)
    conf to {dir}/b/conf
    the file is like that already
one/hide Hide (a)
    conf to {dir}/a/conf
    not shown: the step is sensitive
one/hide Hide (b)
    conf to {dir}/b/conf
    not shown: the step is sensitive
one/aside Beside (2 hosts: a, b)
    on controller: date +%s
one/see See (a)
    cat '{dir}'/a/log
one/see See (b)
    cat '{dir}'/b/log"
    );
    assert_eq!(rest, expected);
    assert!(room.effects().is_empty());
    assert_eq!(
        std::fs::read_to_string(room.path("effects/a/conf")).unwrap(),
        "one\ntwo\nkey old\n"
    );
}

#[test]
fn the_record_and_each_report_of_a_dry_run_hold_the_rest() {
    let room = room();
    let mut command = room.command(&["run", "dry.yml", "--dry"]);
    command.env("TOKEN", "a-secret-word").output().unwrap();
    let json = room.run(&["report", "last", "--format", "json"]).code(0).out;
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rest = record["foreseen"].as_array().unwrap();
    let put: Vec<_> = rest.iter().filter(|f| f["step"] == "put").collect();
    assert_eq!(put.len(), 2);
    assert_eq!(put[0]["outlook"]["is"], "would");
    assert_eq!(put[0]["hosts"], serde_json::json!(["a"]));
    assert!(
        rest.iter()
            .any(|f| f["step"] == "later" && f["outlook"]["is"] == "open")
    );
    assert!(rest.iter().all(|f| f["step"] != "read" && f["step"] != "look"));
    for format in ["md", "html"] {
        let page = room.run(&["report", "last", "--format", format]).code(0).out;
        for part in [
            "The rest of a real run, as far as it is known",
            "secret token",
            "cannot be known",
        ] {
            assert!(page.contains(part), "{format}: {part}\n{page}");
        }
        assert!(!page.contains("a-secret-word"));
    }
    // A real run has none.
    room.runbook(
        "real",
        "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: date, undo: { none: x } }\n",
    );
    room.run(&["run", "real.yml", "--yes"]).code(0);
    let json = room.run(&["report", "last", "--format", "json"]).code(0).out;
    assert!(!json.contains("foreseen"));
}
