//! `--rehearse`: forward and back on the first batch, and what the next plan says of it.

use crate::room::Room;

/// One phase whose work is a line in a log and a file, and whose undo takes the file away again.
fn room(undo: &str) -> Room {
    let room = Room::alone(&["a", "b", "c"]);
    std::fs::create_dir_all(room.path("effects")).unwrap();
    let env = "env: { H: \"{{ host.name }}\", DIR: \"{{ host.vars.dir }}\" }";
    let note =
        |id: &str| format!("- {{ id: {id}, name: Step {id}, run: 'echo \"$H {id}\" >> \"$DIR/log\"', {env} }}\n");
    let look = |id: &str, when: &str, test: &str| {
        format!(
            "      - {{ id: {id}, name: Look {id}, read_only: true, when: {when}, run: 'test {test} \"$DIR/$H.here\"', {env} }}\n"
        )
    };
    let text = format!(
        "schema: 1\nrunbook: work\ntitle: A file on each host\nkind: change\ntargets: {{ all: {{ select: role=x }} }}\nphases:\n  - phase: only\n    title: The only phase\n    targets: all\n    rollout: {{ batches: [1, \"100%\"], soak: 1h }}\n    drain:\n      {}    steps:\n      - id: write\n        name: Write it\n        run: 'echo \"$H write\" >> \"$DIR/log\"; touch \"$DIR/$H.here\"'\n        {env}\n        undo:{undo}\n    verify:\n{}{}    undrain:\n      {}    cleanup:\n      {}",
        note("out"),
        look("there", "not host.rolling_back", "-e"),
        look("gone", "host.rolling_back", "! -e"),
        note("in"),
        note("sweep"),
    );
    room.file("p/work.yml", &text.replace("ENV", env));
    room
}

const BACK: &str = "\n          - { name: Away, run: 'echo \"$H back\" >> \"$DIR/log\"; rm \"$DIR/$H.here\"', ENV }";
const LIES: &str = "\n          - { name: Away, run: 'echo \"$H back\" >> \"$DIR/log\"', ENV }";

const THERE_AND_BACK: [&str; 7] = ["a out", "a write", "a in", "a out", "a back", "a in", "a sweep"];

#[test]
fn a_rehearsal_works_on_the_first_batch_only_and_takes_it_back() {
    let room = room(BACK);
    // The plan says what it is, and that nothing is proven yet.
    room.run(&["plan", "work.yml", "--rehearse"])
        .code(0)
        .shows("Plan of a rehearsal")
        .shows("It changes 1 host")
        .shows("all of it is taken back");
    room.run(&["plan", "work.yml", "--format", "md"])
        .code(0)
        .shows("no run that is kept here has proven its undo")
        .shows("pitstop run work.yml --rehearse");
    room.run(&["run", "work.yml", "--rehearse", "--yes"])
        .code(0)
        .says("All of it was done, taken back, and proven to be as before.")
        .says("1 host went forward and back")
        .says("Left behind: nothing");
    assert_eq!(room.effects(), THERE_AND_BACK);
    room.run(&["verify", "last"]).code(0);
    let record = std::fs::read_to_string(room.last_run().join("report/record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        (&record["rehearsal"], &record["halts"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(record["outcome"]["result"], "successful", "{}", record["deviations"]);
    assert_eq!(record["hosts"][0]["state"], "rolled_back");
    let id = record["id"].as_str().unwrap();
    // From now on the page says so; another undo is another matter.
    let page = room.run(&["plan", "work.yml", "--format", "md"]).code(0);
    let page = page
        .shows("undo last proven on")
        .shows(id)
        .shows("its steps are the same today");
    assert!(
        !page.out.contains("Former runs"),
        "its times are no expected times: {}",
        page.out
    );
    let text = std::fs::read_to_string(room.project("work.yml")).unwrap();
    room.file("p/work.yml", &text.replace("; rm ", "; rm -f "));
    room.run(&["plan", "work.yml", "--format", "md"])
        .code(0)
        .shows("its steps have been changed since");
}

#[test]
fn a_rehearsal_finds_an_undo_that_says_0_and_undoes_nothing() {
    let room = room(LIES);
    room.run(&["run", "work.yml", "--rehearse", "--yes"])
        .code(1)
        .says("held");
    assert_eq!(
        room.effects(),
        ["a out", "a write", "a in", "a out", "a back", "a sweep"],
        "it is not brought back into service"
    );
    room.run(&["plan", "work.yml", "--format", "md"])
        .code(0)
        .shows("no run that is kept here has proven its undo");
}

#[test]
fn what_cannot_be_taken_back_is_not_rehearsed() {
    let room = room(" { none: it stays }");
    room.run(&["run", "work.yml", "--rehearse", "--yes"])
        .code(2)
        .says("PS0697")
        .says("it cannot be taken back: it stays")
        .says("--skip only/write=REASON");
    assert!(room.effects().is_empty());
    room.run(&[
        "run",
        "work.yml",
        "--rehearse",
        "--yes",
        "--skip",
        "only/write=it stays",
    ])
    .code(4);
    // A plan that was frozen is what it is.
    room.run(&["plan", "work.yml", "-o", "plan.json"]).code(0);
    room.run(&["run", "plan.json", "--rehearse", "--yes"])
        .code(2)
        .says("is a frozen plan: no flag changes it");
}

#[test]
fn the_plan_of_a_rehearsal_is_approved_by_its_own_digest() {
    let room = room(BACK);
    let (anna, _) = room.policy("require_approval: [\"role=x\"]\n");
    room.file(
        "p/change.yml",
        "schema: 1\nchange: CHG1\nrunbook: work.yml\nneed: 1\napprovers: [cm]\n",
    );
    room.run(&["plan", "change.yml", "-o", "real.json"]).code(0);
    room.run(&["plan", "change.yml", "--rehearse", "-o", "rehearsal.json"])
        .code(0);
    room.run(&["approve", "real.json", "--key", &anna]).code(0);
    room.run(&["run", "rehearsal.json", "--yes", "--operator", "tess"])
        .code(6);
    assert!(room.effects().is_empty());
    room.run(&["approve", "rehearsal.json", "--key", &anna]).code(0);
    room.run(&["run", "rehearsal.json", "--yes", "--operator", "tess"])
        .code(0);
    assert_eq!(room.effects(), THERE_AND_BACK);
}
