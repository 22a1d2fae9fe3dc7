//! Values, hosts and steps that flags choose.

use crate::room::{Done, Room};

/// Two phases; the first takes hosts out of service and brings them back. Every command notes what it did.
fn room() -> Room {
    let room = Room::alone(&["a", "b", "c"]);
    let note = |what: &str| format!("echo \"$H {what}\" >> \"$DIR/log\"");
    let env = "env: { H: \"{{ host.name }}\", DIR: \"{{ host.vars.dir }}\" }";
    let step = |id: &str, more: &str| format!("      - {{ id: {id}, name: {id}, run: '{}', {env}{more} }}\n", note(id));
    let undo = ", undo: { none: test }";
    let text = format!(
        "schema: 1\nrunbook: two\ntitle: Two phases\nkind: change\nparameters:\n  n: {{ type: int, default: 1, max: 9 }}\n  names: {{ type: list, default: [x] }}\ntargets: {{ all: {{ select: role=x }} }}\nphases:\n  - phase: web\n    title: Web\n    targets: all\n    on_failure: hold\n    rollout: {{ batches: [1] }}\n    drain:\n{}    steps:\n{}{}{}    verify:\n      - {{ id: good, name: good, read_only: true, run: 'true' }}\n    undrain:\n{}    cleanup:\n{}  - phase: after\n    title: After\n    targets: all\n    on_failure: hold\n    steps:\n{}",
        step("out", ""),
        step("first", undo),
        step("second", undo).replace(" }\n", ", register: two }\n"),
        step("third", &format!(", when: \"two.changed\"{undo}")),
        step("in", ""),
        step("sweep", ""),
        step("last", undo),
    );
    room.file("p/two.yml", &text);
    room
}

#[test]
fn only_one_step_goes_with_the_whole_life_cycle_round_it() {
    let room = room();
    room.run(&[
        "run",
        "two.yml",
        "--yes",
        "--limit",
        "host=b",
        "--only",
        "web/first=the others are done",
    ])
    .code(0);
    assert_eq!(room.effects(), ["b out", "b first", "b in", "b sweep"]);
    let page = room
        .run(&["plan", "two.yml", "--only", "web/first=the others are done"])
        .code(0);
    let page = page
        .shows("web/second: only web/first (the others are done) was asked for")
        .shows("after: only web/first (the others are done) was asked for");
    assert!(!page.out.contains("web/out: only"), "{}", page.out);
    let events = std::fs::read_to_string(room.last_run().join("journal.jsonl")).unwrap();
    assert!(
        events.contains("only web/first (the others are done) was asked for"),
        "a deviation in the journal"
    );
}

#[test]
fn only_a_phase() {
    let room = room();
    room.run(&["run", "two.yml", "--yes", "--limit", "host=a", "--only", "after"])
        .code(0);
    assert_eq!(room.effects(), ["a last"]);
}

#[test]
fn only_what_can_be_done_alone() {
    let room = room();
    let only = |what: &str| -> Done { room.run(&["plan", "two.yml", "--only", what]) };
    only("web/out").code(2).says("PS0692").says("goes with it");
    only("web/good").code(2).says("PS0692");
    only("web/frist")
        .code(2)
        .says("PS0652")
        .says("did you mean `web/first`?");
    // Whether a step that is left out changed something is known: nothing.
    only("web/third").code(0);
    room.run(&["plan", "two.yml", "--only", "after", "--skip", "after=no"])
        .code(2)
        .says("PS0694");
    let text = std::fs::read_to_string(room.project("two.yml")).unwrap();
    room.file("p/two.yml", &text.replace("two.changed", "two.stdout == 'x'"));
    only("web/third").code(2).says("PS0693").says("`two`");
    room.run(&["plan", "two.yml", "--only", "web/third", "--only", "web/second"])
        .code(0);
    room.file(
        "p/two.yml",
        &text
            .replacen(
                "undo: { none: test }, register",
                "undo: { covered_by: first }, register",
                1,
            )
            .replacen("undo: { none: test }", "undo: [{ name: u, run: 'true' }]", 1),
    );
    only("web/second").code(2).says("PS0692").says("--only web/first");
    assert!(room.effects().is_empty(), "nothing of this ran");
}

#[test]
fn hosts_from_a_file() {
    let room = room();
    room.file("p/hosts.txt", "# tonight\nc   # the last one\n\na\n");
    room.run(&["run", "two.yml", "--yes", "--only", "after", "--limit", "@hosts.txt"])
        .code(0);
    let mut effects = room.effects();
    effects.sort();
    assert_eq!(effects, ["a last", "c last"]);
    room.run(&["plan", "two.yml", "--limit", "@hosts.txt host=b"])
        .code(2)
        .says("PS0612");
    room.file("p/hosts.txt", "a\nbb\n");
    room.run(&["plan", "two.yml", "--limit", "@hosts.txt"])
        .code(2)
        .says("PS0690")
        .says("hosts.txt:2:1");
    room.run(&["hosts", "--limit", "@hosts.txt"])
        .code(2)
        .says("hosts.txt:2:1");
    room.file("p/hosts.txt", "b\n");
    let shown = room
        .run(&["hosts", "--limit", "@hosts.txt"])
        .code(0)
        .says("1 of 3 hosts");
    assert!(!shown.out.contains("\na "), "{}", shown.out);
    room.file("p/hosts.txt", "# nobody\n");
    room.run(&["plan", "two.yml", "--limit", "@hosts.txt"])
        .code(2)
        .says("PS0691");
    room.run(&["plan", "two.yml", "--limit", "@nothing.txt"])
        .code(2)
        .says("nothing.txt");
}

#[test]
fn hosts_of_an_earlier_run() {
    let room = room();
    room.run(&["run", "two.yml", "--yes", "--only", "after", "--limit", "host=a,b"])
        .code(0);
    room.run(&["run", "two.yml", "--yes", "--only", "after", "--hosts-of", "last=ok"])
        .code(0);
    let mut effects = room.effects();
    effects.sort();
    assert_eq!(effects, ["a last", "a last", "b last", "b last"]);
    room.run(&["plan", "two.yml", "--hosts-of", "last=held"])
        .code(2)
        .says("no host of the run last ended held")
        .says("2 ok");
    room.run(&["plan", "two.yml", "--hosts-of", "last=hold"])
        .code(2)
        .says("did you mean `held`?");
    room.run(&["plan", "two.yml", "--hosts-of", "last"])
        .code(2)
        .says("RUN=STATE");
    room.run(&["plan", "two.yml", "--hosts-of", "20200101=ok"]).code(2);
    room.run(&["plan", "two.yml", "-o", "plan.json"]).code(0);
    room.run(&["run", "plan.json", "--yes", "--hosts-of", "last=ok"])
        .code(2)
        .says("frozen");
    room.run(&["run", "plan.json", "--yes", "--only", "after"])
        .code(2)
        .says("frozen");
}

#[test]
fn values_from_files() {
    let room = room();
    let params = |args: &[&str]| -> Done {
        let mut all = vec!["plan", "two.yml", "--format", "json"];
        all.extend(args);
        room.run(&all)
    };
    room.file("p/values.yml", "n: 3\nnames: [p, q]\n");
    params(&["--set-file", "values.yml"])
        .code(0)
        .shows("\"n\":3")
        .shows("[\"p\",\"q\"]");
    params(&["--set-file", "values.yml", "--set", "n=4"])
        .code(0)
        .shows("\"n\":4");
    room.file("p/values.json", "{\n\t\"n\": 5\n}\n");
    params(&["--set-file", "values.json"]).code(0).shows("\"n\":5");
    room.file("p/text", "6\n");
    params(&["--set-file", "n=text"]).code(0).shows("\"n\":6");
    room.file("p/values.yml", "names: [p]\nn: 12\n");
    params(&["--set-file", "values.yml"])
        .code(2)
        .says("PS0604")
        .says("values.yml:2:4");
    room.file("p/values.yml", "m: 12\n");
    params(&["--set-file", "values.yml"])
        .code(2)
        .says("PS0601")
        .says("did you mean");
    room.file("p/values.yml", "- 1\n");
    params(&["--set-file", "values.yml"]).code(2).says("PS0695");
    params(&["--set-file", "nothing.yml"]).code(2).says("nothing.yml");
    params(&["--set", "n=x"]).code(2).says("PS0603");
}
