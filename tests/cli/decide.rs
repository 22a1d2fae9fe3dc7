//! People's decisions from the outside: approvals, gates, `settle`, and the screen they sit at.

use std::process::Command;

use crate::room::{Done, Room};

const STEP: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"echo {{ host.name }} >> {{ host.vars.dir | sh }}/log\", undo: { none: x } }\n";

fn with_gate(room: &Room) {
    room.runbook(
        "gated",
        &format!("{STEP}  - gate: go-live\n    title: Shall we?\n    need: 2\n    approvers: [cm]\n    expires: 1h\n    show: [s]\n  - phase: two\n    title: Two\n    targets: all\n    on_failure: hold\n    steps:\n      - {{ id: t, name: T, run: \"echo after >> {{{{ host.vars.dir | sh }}}}/log\", undo: {{ none: x }} }}\n"),
    );
}

#[test]
fn a_gate_stops_ci_with_exit_5_and_only_two_people_open_it() {
    let room = Room::alone(&["a"]);
    let (anna, boris) = room.policy("");
    with_gate(&room);
    room.run(&["run", "gated.yml", "--yes"]).code(6).says("--operator");
    let run = ["run", "gated.yml", "--yes", "--operator", "olga@x"];
    room.run(&run).code(5).says("next: pitstop approve");
    assert_eq!(room.effects(), ["a"]);
    let resume = ["resume", "last", "--operator", "olga@x"];
    room.run(&resume).code(5);
    room.run(&["approve", "last", "--key", &anna])
        .code(0)
        .says("anna@x approved")
        .says("1 more approval out of cm");
    room.run(&resume).code(5);
    room.run(&["approve", "last", "--gate", "nope", "--key", &boris])
        .code(6)
        .says("go-live");
    room.run(&[
        "approve",
        "last",
        "--gate",
        "go-live",
        "--key",
        &boris,
        "--comment",
        "fine",
    ])
    .code(0)
    .says("Nobody is missing");
    room.run(&resume).code(0);
    assert_eq!(room.effects(), ["a", "after"]);
    room.run(&["verify"]).code(0).shows("2 signatures are good");
    room.run(&["approve", "last", "--key", &anna]).code(6).says("no gate");
    let approvals = room.last_run().join("approvals");
    let file = std::fs::read_dir(&approvals)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "sig"));
    std::fs::remove_file(file.unwrap()).unwrap();
    room.run(&["verify"]).code(1).shows("its signed statement is not in");
}

#[test]
fn one_rejection_ends_a_gate_for_ever() {
    let room = Room::alone(&["a"]);
    let (anna, boris) = room.policy("");
    with_gate(&room);
    room.run(&["run", "gated.yml", "--yes", "--operator", "olga@x"]).code(5);
    room.run(&["reject", "last", "--key", &anna, "--comment", "no"])
        .code(0)
        .says("rejected");
    room.run(&["resume", "last", "--operator", "olga@x"]).code(7);
    room.run(&["approve", "last", "--key", &boris]).code(6);
    assert_eq!(room.effects(), ["a"]);
}

#[test]
fn a_plan_that_needs_approval_runs_only_as_approved() {
    let room = Room::alone(&["a"]);
    let (anna, _) = room.policy("require_approval: [role=x]\n");
    room.runbook("note", STEP);
    room.file(
        "p/note-change.yml",
        "schema: 1\nchange: C1\nrunbook: note.yml\nneed: 1\napprovers: [cm]\n",
    );
    let olga = ["--operator", "olga@x"];
    let go = |args: &[&str]| room.run(&[args, &olga].concat());
    room.run(&["plan", "note-change.yml", "-o", "plan.json"])
        .code(0)
        .says("pitstop approve plan.json");
    go(&["run", "plan.json", "--yes"])
        .code(6)
        .says("needs 1 more approval out of cm");
    go(&["run", "note-change.yml", "--yes"]).code(6).says("pitstop plan");
    go(&["run", "note.yml", "--yes"])
        .code(2)
        .says("may be changed only by an approved plan");
    let stranger = room.key("eve").0;
    room.run(&["approve", "plan.json", "--key", &stranger])
        .code(6)
        .says("allowed_signers");
    room.run(&["approve", "plan.json", "--key", &anna])
        .code(0)
        .says("Nobody is missing");
    let text = std::fs::read_to_string(room.project("plan.json")).unwrap();
    std::fs::write(
        room.project("plan.json"),
        text.replacen("\"name\":\"S\"", "\"name\":\"R\"", 1),
    )
    .unwrap();
    go(&["run", "plan.json", "--yes"]).code(6);
    assert!(room.effects().is_empty());
    std::fs::write(room.project("plan.json"), text).unwrap();
    room.run(&["run", "plan.json", "--yes", "--operator", "anna@x"])
        .code(6)
        .says("operates this run");
    go(&["run", "plan.json", "--yes"]).code(0);
    assert_eq!(room.effects(), ["a"]);
    room.run(&["verify"]).code(0).shows("1 signatures are good");
}

#[test]
fn settle_names_what_can_be_settled_and_its_word_lets_the_run_go_on() {
    let room = Room::alone(&["a"]);
    room.runbook(
        "flaky",
        "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"test -e {{ host.vars.dir | sh }}/fixed\", undo: { none: x } }\n      - { id: t, name: T, run: \"echo t >> {{ host.vars.dir | sh }}/log\", undo: { none: x } }\n",
    );
    room.run(&["run", "flaky.yml", "--yes"]).code(1);
    room.run(&["settle", "last", "a/x", "ok", "--reason", "r"])
        .code(2)
        .says("a/s");
    room.run(&["settle", "last", "a/s", "ok", "--reason", " "])
        .code(2)
        .says("--reason");
    room.run(&["settle", "last", "undo:one/a/s", "done", "--reason", "r"])
        .code(2);
    room.run(&["settle", "last", "a/s", "ok", "--reason", "did it by hand"])
        .code(0)
        .says("pitstop resume");
    room.run(&["resume", "last"]).code(0);
    assert_eq!(room.effects(), ["t"]);
    room.run(&["report", "last", "--format", "json"])
        .code(0)
        .shows("did it by hand")
        .shows("manual_override");
}

#[test]
fn an_obligation_met_by_hand_leaves_the_ledger() {
    let room = Room::alone(&["a"]);
    room.runbook("bad", "    on_failure: hold\n    drain: [{ id: d, name: D, run: 'true' }]\n    steps: [{ id: s, name: S, run: 'false', undo: { none: x } }]\n    verify: [{ id: v, name: V, read_only: true, run: 'true' }]\n    undrain: [{ id: u, name: U, run: 'true' }]\n");
    room.run(&["run", "bad.yml", "--yes"]).code(1);
    room.run(&["settle", "last", "undrain:one/b", "done", "--reason", "r"])
        .code(2)
        .says("undrain:one/a");
    room.run(&["settle", "last", "undrain:one/a", "done", "--reason", "back by hand"])
        .code(0);
    let owed = room.run(&["owed", "last"]).code(0);
    assert!(!owed.out.contains("undrain:one/a"), "{}", owed.out);
}

/// Runs it on a terminal of 50 columns and 12 rows, typing `keys`.
fn on_terminal(room: &Room, args: &str, keys: &str, env: &[(&str, &str)]) -> Done {
    let inner = format!("stty cols 50 rows 12; exec {} {args}", env!("CARGO_BIN_EXE_pitstop"));
    let mut command = Command::new("script");
    command
        .args(["-qefc", &inner, "/dev/null"])
        .current_dir(room.path("p"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", room.path("home"))
        .env("USER", "tess")
        .env("TERM", "xterm")
        .env("LANG", "C.UTF-8")
        .envs(env.iter().copied());
    let file = room.path("keys");
    std::fs::write(&file, keys).unwrap();
    command.stdin(std::fs::File::open(file).unwrap());
    command.output().unwrap().into()
}

#[test]
fn a_terminal_shows_the_run_in_words_within_its_width() {
    let room = Room::alone(&["a", "b"]);
    room.runbook("slow", "    on_failure: hold\n    steps:\n      - { id: s, name: A step with quite a long name that will not fit, run: sleep 1, undo: { none: x } }\n");
    let ran = on_terminal(&room, "run slow.yml --yes", "", &[("NO_COLOR", "1")]).code(0);
    for word in ["at work", "steps/s", "done", "Left behind: nothing"] {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
    let colored = |text: &str| {
        text.split("\u{1b}[").skip(1).any(|t| {
            t.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .starts_with('m')
        })
    };
    assert!(!colored(&ran.out), "NO_COLOR: {:?}", ran.out);
    for row in ran
        .out
        .lines()
        .filter(|l| l.contains("at work") || l.contains("quite a long"))
    {
        let shown = row.rsplit("\u{1b}[J").next().unwrap_or(row).trim_end();
        assert!(shown.chars().count() < 50, "{shown}");
    }
    let ascii = on_terminal(&room, "run slow.yml --yes", "", &[("LANG", "C")]).code(0);
    assert!(ascii.out.is_ascii() && colored(&ascii.out), "{:?}", ascii.out);
}

#[test]
fn on_a_terminal_a_change_is_asked_and_no_is_no() {
    let room = Room::alone(&["a"]);
    room.runbook("note", STEP);
    on_terminal(&room, "run note.yml", "no\n", &[]).code(6).shows("Go on?");
    assert!(room.effects().is_empty());
    on_terminal(&room, "run note.yml", "yes\n", &[]).code(0);
    assert_eq!(room.effects(), ["a"]);
}

#[test]
fn a_missing_parameter_is_asked_on_a_terminal_and_an_error_elsewhere() {
    let room = Room::alone(&["a"]);
    room.runbook("ask", "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: \"echo {{ params.word | sh }} >> {{ host.vars.dir | sh }}/log\", undo: { none: x } }\n");
    let path = room.project("ask.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = "kind: change\nparameters: { word: { type: string, description: What to note } }\n";
    std::fs::write(&path, text.replace("kind: change\n", with)).unwrap();
    room.run(&["run", "ask.yml", "--yes"]).code(2).says("word");
    on_terminal(&room, "run ask.yml --yes", "typed\n", &[])
        .code(0)
        .shows("What to note");
    room.run(&["run", "ask.yml", "--yes", "--set", "word=flag"]).code(0);
    assert_eq!(room.effects(), ["typed", "flag"]);
}

#[test]
fn without_a_policy_a_gate_opens_only_to_its_typed_name() {
    let room = Room::alone(&["a"]);
    room.runbook("gated", &format!("{STEP}  - gate: go-live\n    title: Shall we?\n    not_operator: false\n  - phase: two\n    title: Two\n    targets: all\n    on_failure: hold\n    steps:\n      - {{ id: t, name: T, run: \"echo after >> {{{{ host.vars.dir | sh }}}}/log\", undo: {{ none: x }} }}\n"));
    room.run(&["run", "gated.yml", "--yes"]).code(5);
    assert_eq!(room.effects(), ["a"]);
    let wrong = on_terminal(&room, "run gated.yml --yes", "yes\ngo\nno\n", &[]);
    assert_eq!(wrong.code, 7, "{}", wrong.out);
    assert_eq!(room.effects(), ["a", "a"]);
    on_terminal(&room, "run gated.yml --yes", "yes\ngo-live\n", &[])
        .code(0)
        .shows("gate go-live is passed");
    assert_eq!(room.effects(), ["a", "a", "a", "after"]);
    room.run(&["verify"]).code(0).shows("typed at the terminal, not signed");
}

#[test]
fn a_plan_does_not_run_under_another_policy_than_it_was_made_under() {
    let room = Room::alone(&["a"]);
    room.policy("");
    room.runbook("note", STEP);
    room.run(&["plan", "note.yml", "-o", "plan.json"]).code(0);
    room.policy_again("limits: { parallel: 1 }\n");
    room.run(&["run", "plan.json", "--yes"])
        .code(6)
        .says("the policy is not the one");
    std::fs::remove_file(room.project("note.yml")).unwrap();
    room.run(&["run", "plan.json", "--yes"])
        .code(6)
        .says("the policy is not the one");
    std::fs::remove_file(room.project("policy.yml")).unwrap();
    room.run(&["run", "plan.json", "--yes"])
        .code(6)
        .says("the policy is not the one");
    assert!(room.effects().is_empty());
}

#[test]
fn outside_the_window_resume_goes_on_only_back_or_with_a_signed_override() {
    let room = Room::alone(&["a"]);
    let (anna, _) = room.policy("");
    room.runbook("slow", crate::runs::SLOW);
    let path = room.project("slow.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = "kind: change\nwindow: { duration: 3s, timezone: UTC }\n";
    std::fs::write(&path, text.replace("kind: change\n", with)).unwrap();
    let olga = ["--operator", "olga@x"];
    let began = std::time::Instant::now();
    room.run(&["run", "slow.yml", "--yes", "--deadline", "0s", "--operator", "olga@x"])
        .code(7);
    // The window is three seconds of real time; nothing but its end can be waited for.
    std::thread::sleep(std::time::Duration::from_secs(4).saturating_sub(began.elapsed()));
    room.run(&[&["resume", "last"][..], &olga].concat())
        .code(6)
        .says("--override window")
        .says("--rollback");
    let approve = ["approve", "last", "--override", "window", "--key", &anna];
    room.run(&approve).code(2).says("--comment");
    room.run(&[&approve[..], &["--comment", "the vendor waits", "--operator", "olga@x"]].concat())
        .code(6);
    room.run(&[&approve[..], &["--comment", "the vendor waits"]].concat())
        .code(0)
        .says("pitstop resume");
    room.run(&[&["resume", "last"][..], &olga].concat()).code(0);
    assert_eq!(room.effects().last().map(String::as_str), Some("s2"));
    room.run(&["report", "last", "--format", "json"])
        .code(0)
        .shows("the vendor waits");
    room.run(&["verify"]).code(0).shows("1 signatures are good");
}

#[test]
fn a_keys_owner_signs_and_not_whom_the_environment_says_operates() {
    let room = Room::new(&["a"]);
    let (anna, boris) = room.policy("require_approval: [role=x]\n");
    room.runbook("note", STEP);
    room.file(
        "p/note-change.yml",
        "schema: 1\nchange: C1\nrunbook: note.yml\nneed: 2\napprovers: [cm]\n",
    );
    room.run(&["plan", "note-change.yml", "-o", "plan.json"]).code(0);
    let approve = |args: &[&str]| -> Done {
        let mut command = room.command(&[&["approve", "plan.json", "--key"], args].concat());
        command.env("PITSTOP_OPERATOR", "olga@x").output().unwrap().into()
    };
    approve(&[&anna]).code(0).says("anna@x approved");
    approve(&[&boris, "--operator", "anna@x"])
        .code(6)
        .says("this would not count");
    approve(&[&boris, "--operator", "boris@x"])
        .code(0)
        .says("boris@x approved")
        .says("Nobody is missing");
}

#[test]
fn what_this_build_only_plans_is_neither_approved_nor_run() {
    let room = Room::alone(&["a"]);
    let (anna, _) = room.policy("");
    room.runbook(
        "later",
        &format!("{STEP}      - {{ id: t, name: T, check: {{ firewall: {{ port: 80 }} }} }}\n"),
    );
    room.file(
        "p/c.yml",
        "schema: 1\nchange: C1\nrunbook: later.yml\nneed: 1\napprovers: [cm]\n",
    );
    room.run(&["check", "later.yml"]).code(0).says("PS0229");
    let plan = ["plan", "c.yml", "-o", "plan.json"];
    room.run(&plan).code(0);
    room.run(&["plan", "later.yml"])
        .code(0)
        .shows("Not in this build")
        .shows("the check `firewall` (one/t");
    room.run(&["approve", "plan.json", "--key", &anna])
        .code(2)
        .says("cannot perform the check `firewall`");
    for run in [&["run", "later.yml", "--yes"][..], &["run", "plan.json", "--dry"]] {
        room.run(run).code(2).says("nothing was contacted");
    }
    assert!(room.effects().is_empty() && !room.project(".pitstop/runs").exists());
}
