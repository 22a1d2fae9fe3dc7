//! A drill that is not cleaned up, and the next one.

use crate::room::Room;

/// A drill whose cleanup fails as long as there is a file `stuck`.
fn drill(id: &str, kind: &str) -> String {
    format!(
        "schema: 1\nrunbook: {id}\ntitle: A drill of a test\nkind: {kind}\nmodes: [test, planned]\ntargets: {{ all: {{ select: role=x }} }}\n\
         phases:\n  - phase: one\n    title: One\n    targets: all\n    on_failure: hold\n    steps:\n      \
         - {{ id: copy, name: Make a copy, run: \"echo {id} >> {{{{ host.vars.dir | sh }}}}/log\", undo: [{{ name: Erase it, run: 'true' }}] }}\n    cleanup:\n      \
         - {{ id: erase, name: Erase the copy, run: \"test ! -e {{{{ host.vars.dir | sh }}}}/stuck\" }}\n"
    )
}

const RUN: [&str; 7] = ["run", "drill.yml", "--yes", "--mode", "test", "--limit", "host=a"];

#[test]
fn a_drill_does_not_start_while_the_last_one_is_not_cleaned_up() {
    let room = Room::alone(&["a", "b"]);
    room.file("p/drill.yml", &drill("drill", "dr_drill"));
    room.file("p/other.yml", &drill("other", "dr_drill"));
    room.file("p/change.yml", &drill("change", "change"));
    room.file("effects/stuck", "");
    room.run(&RUN).code(1).says("cleanup:one/a/erase");
    let id = room.last_run().file_name().unwrap().to_str().unwrap().to_owned();

    // Refused before anything is contacted or kept, with what is owed and the ways on.
    let refused = room.run(&RUN).code(6);
    for part in [
        "error[PS0760]",
        &format!("the drill {id} (drill, mode test) is not cleaned up: it owes 1 thing on a"),
        "help: cleanup:one/a/erase  a: Erase the copy",
        &format!("help: pitstop owed --clean {id}"),
        &format!("help: pitstop settle {id} a/erase rerun --reason WHY"),
        &format!("help: pitstop settle {id} cleanup:one/a/erase done --reason WHY"),
    ] {
        assert!(refused.err.contains(part), "`{part}` is not in:\n{}", refused.err);
    }
    assert_eq!(room.effects(), ["drill"]);
    assert_eq!(std::fs::read_dir(room.project(".pitstop/runs")).unwrap().count(), 1);
    room.run(&["explain", "PS0760"]).code(0).shows("owed --clean");
    // Another drill on that host, and the same one on another.
    room.run(&["run", "other.yml", "--yes", "--mode", "test"])
        .code(6)
        .says("PS0760");
    room.run(&["run", "drill.yml", "--yes", "--mode", "planned", "--limit", "host=b"])
        .code(6)
        .says("PS0760");
    // What is no drill, or works elsewhere, knows only of the lock; a dry run changes nothing.
    for args in [
        &["run", "change.yml", "--yes", "--mode", "test"][..],
        &["run", "other.yml", "--yes", "--mode", "test", "--limit", "host=b"],
    ] {
        let refused = room.run(args).code(6);
        assert!(
            !refused.err.contains("PS0760") && refused.err.contains("locked by run"),
            "{}",
            refused.err
        );
    }
    room.run(&["run", "drill.yml", "--dry", "--mode", "test"]).code(0);
    // Whoever approves the next one is told.
    room.run(&["plan", "drill.yml", "--mode", "planned"])
        .code(0)
        .says("warning[PS0760]")
        .shows("A former run stands in the way")
        .shows("it owes 1 thing on a");

    // It cannot be cleaned up yet; then it can.
    room.run(&["owed", "--clean", &id]).code(1);
    room.run(&RUN).code(6);
    std::fs::remove_file(room.path("effects/stuck")).unwrap();
    room.run(&["settle", &id, "a/erase", "rerun", "--reason", "what held it is gone"])
        .code(0);
    room.run(&["owed", "--clean", &id]).code(0);
    room.run(&RUN).code(0);

    // A person's word does it, too.
    room.file("effects/stuck", "");
    room.run(&RUN).code(1);
    room.run(&["settle", "last", "cleanup:one/a/erase", "done", "--reason", "by hand"])
        .code(0);
    room.run(&["owed", "--clean", "last"]).code(0);
    std::fs::remove_file(room.path("effects/stuck")).unwrap();
    room.run(&RUN).code(0);

    // One that cannot be read may owe anything.
    let journal = room.last_run().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"phase\"", "\"phrase\"", 1)).unwrap();
    room.run(&RUN).code(6).says("may owe anything").says("pitstop verify");
}

#[test]
fn a_restore_test_does_not_start_beside_the_scratch_of_the_last_one() {
    let room = Room::alone(&["a"]);
    let objectives = "objectives: { rto: { from: began, to: done, max: 1h } }\n";
    let text = drill("drill", "restore_test")
        .replacen("targets:", &format!("{objectives}targets:"), 1)
        .replace("id: copy,", "id: copy, mark_start: began, mark: done,");
    room.file("p/drill.yml", &text);
    room.file("effects/stuck", "");
    room.run(&RUN).code(1);
    room.run(&RUN).code(6).says("PS0760").says("the restore test");
    std::fs::remove_file(room.path("effects/stuck")).unwrap();
    room.run(&["settle", "last", "a/erase", "rerun", "--reason", "what held it is gone"])
        .code(0);
    room.run(&["owed", "--clean"]).code(0);
    room.run(&RUN).code(0);
}
