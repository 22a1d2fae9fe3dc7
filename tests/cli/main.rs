//! The program as people and CI call it: arguments in, text and exit code out.

#![cfg(test)]

mod across;
mod altered;
mod asks;
mod decide;
mod dry;
mod each;
#[path = "../common/figures.rs"]
mod figures;
mod layout;
mod missing;
mod outside;
mod rehearse;
mod room;
mod rows;
mod runs;
mod select;
mod terminal;
mod testing;
mod told;
mod trials;
mod uncleaned;
mod window;
mod withheld;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use room::Room;

const COMMANDS: [&str; 22] = [
    "init",
    "check",
    "fmt",
    "doc",
    "plan",
    "approve",
    "reject",
    "run",
    "resume",
    "settle",
    "status",
    "runs",
    "logs",
    "owed",
    "report",
    "verify",
    "test",
    "hosts",
    "explain",
    "schema",
    "completions",
    "man",
];

#[test]
fn every_command_has_help_with_an_example() {
    let room = Room::new(&[]);
    room.run(&["--help"]).code(0).shows("Exit codes:");
    for command in COMMANDS {
        room.run(&[command, "--help"])
            .code(0)
            .shows("Examples:")
            .shows("Usage:");
        room.run(&["man", command]).code(0).shows(".TH");
    }
}

#[test]
fn a_misspelt_command_or_option_gets_a_suggestion_and_exit_2() {
    let room = Room::new(&[]);
    room.run(&["chekc"]).code(2).says("check");
    room.run(&["plan", "x.yml", "--fromat", "md"]).code(2).says("--format");
    room.run(&[]).code(2).says("Usage:");
}

#[test]
fn completions_exist_for_every_shell() {
    let room = Room::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        room.run(&["completions", shell]).code(0).shows("pitstop");
    }
}

#[test]
fn a_schema_is_printed_for_every_kind_of_file() {
    let room = Room::new(&[]);
    for kind in [
        "runbook",
        "fragment",
        "change",
        "inventory",
        "policy",
        "project",
        "test",
    ] {
        let title = format!("\"title\": \"pitstop {kind}\"");
        room.run(&["schema", kind]).code(0).shows(&title);
    }
    room.run(&["schema", "inventroy"])
        .code(2)
        .says("did you mean `inventory`?");
}

#[test]
fn a_code_is_explained_and_an_unknown_one_gets_a_suggestion() {
    let room = Room::new(&[]);
    room.run(&["explain", "ps0102"]).code(0).shows("PS0102");
    room.run(&["explain"]).code(0).shows("PS0001");
    room.run(&["explain", "PS0l02"]).code(2).says("did you mean");
}

const WRONG: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: S, rum: 'true', undo: { none: x } }\n";
const GOOD: &str = "    on_failure: hold\n    steps:\n      - { id: s, name: S, run: 'true', undo: { none: x } }\n";

#[test]
fn a_wrong_file_exits_2_with_its_place_and_nothing_is_contacted_or_kept() {
    let room = Room::new(&["a"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    room.file(
        "p/inventory.yml",
        &format!("schema: 1\nhosts:\n  a: {{ address: 127.0.0.1, port: {port}, labels: {{ role: x }} }}\n"),
    );
    room.runbook("wrong", WRONG);
    for args in [
        &["check", "wrong.yml"][..],
        &["plan", "wrong.yml"],
        &["run", "wrong.yml", "--yes"],
        &["run", "wrong.yml", "--dry"],
    ] {
        room.run(args)
            .code(2)
            .says("wrong.yml:12:27")
            .says("pitstop explain PS0102");
    }
    assert!(!room.project(".pitstop").exists());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn check_reads_every_kind_of_file_and_tells_all_at_once() {
    let room = Room::new(&["a"]);
    room.runbook("good", GOOD);
    room.run(&["check"]).code(0).says("3 files checked, nothing is wrong");
    room.runbook("wrong", WRONG);
    room.file("p/policy.yml", "schema: 1\nallow_lokal: true\n");
    room.file("p/changes/c.yml", "schema: 1\nchange: C1\nrunbok: x\n");
    room.file("p/hosts.yml", "schema: 1\nhosts: { b: { prt: 22 } }\n");
    room.file("p/.hidden/x.yml", "a: [\n");
    let all = room.run(&["check"]).code(2);
    for file in ["wrong.yml:12", "policy.yml:2", "changes/c.yml:3", "hosts.yml:2"] {
        assert!(all.err.contains(file), "{file}: {}", all.err);
    }
    assert!(!all.err.contains(".hidden"));
    room.run(&["check", "good.yml", "nothere.yml"])
        .code(2)
        .says("nothere.yml");
}

#[test]
fn a_file_without_phases_whose_runbook_is_not_there_is_wrong() {
    let room = Room::alone(&["a"]);
    room.file("p/half.yml", "schema: 1\nrunbook: half\n");
    room.run(&["check", "half.yml"])
        .code(2)
        .says("half.yml:2:10")
        .says("a runbook has `phases`");
}

#[test]
fn check_writes_what_tools_read() {
    let room = Room::new(&["a"]);
    room.runbook("wrong", WRONG);
    let json = room.run(&["check", "--format", "json"]).code(2);
    let line: serde_json::Value = serde_json::from_str(json.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (line["file"].as_str(), line["line"].as_u64()),
        (Some("wrong.yml"), Some(12))
    );
    let sarif = room.run(&["check", "--format", "sarif"]).code(2);
    let tree: serde_json::Value = serde_json::from_str(&sarif.out).unwrap();
    assert_eq!(tree["version"], "2.1.0");
    room.run(&["check", "--format", "github"])
        .code(2)
        .shows("::error file=wrong.yml,line=12");
}

#[test]
fn the_same_input_gives_the_same_plan_from_anywhere() {
    let room = Room::new(&["a", "b"]);
    room.runbook("good", GOOD);
    let one = room.run(&["plan", "good.yml", "--format", "json"]).code(0).out;
    assert_eq!(room.run(&["plan", "good.yml", "--format", "json"]).out, one);
    let elsewhere = room.command_in(&room.path("home"), &["plan", "../p/good.yml", "--format", "json"]);
    let mut elsewhere = elsewhere;
    assert_eq!(room::Done::from(elsewhere.output().unwrap()).code(0).out, one);
    room.run(&["plan", "good.yml", "-o", "plan.json", "--format", "md"])
        .code(0)
        .shows("# A runbook of a test");
    assert_eq!(
        std::fs::read_to_string(room.project("plan.json")).unwrap(),
        one.trim_end()
    );
    let mode = std::fs::metadata(room.project("plan.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    room.run(&["plan", "--diff", "plan.json", "good.yml"])
        .code(0)
        .shows("equal");
    room.run(&["plan", "--diff", "plan.json", "good.yml", "--limit", "host=a"])
        .code(1)
        .shows("host b");
    room.run(&["plan", "good.yml", "--format", "html"])
        .code(0)
        .shows("<html");
    room.run(&["run", "plan.json", "--limit", "host=a"])
        .code(2)
        .says("frozen plan");
}

#[test]
fn hosts_shows_the_inventory_and_what_a_selector_chooses() {
    let room = Room::new(&["a", "b"]);
    room.run(&["hosts"]).code(0).shows("this machine").says("2 of 2 hosts");
    let json = room.run(&["hosts", "--json", "--limit", "host=b"]).code(0);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((list[0]["name"].as_str(), list[1].is_null()), (Some("b"), true));
    room.run(&["hosts", "--limit", "rolle=x"]).code(2).says("help:");
}

#[test]
fn each_setting_says_where_it_came_from() {
    let room = Room::new(&[]);
    room.run(&["status", "--config"])
        .code(0)
        .shows("default, beside pitstop.yml")
        .shows("the login name");
    let flags = ["status", "--config", "--state", "/tmp/s", "--operator", "anna@x"];
    room.run(&flags)
        .code(0)
        .shows("/tmp/s")
        .shows("--state\n")
        .shows("anna@x  ")
        .shows("--operator");
    let mut command = room.command(&["status", "--config"]);
    command.env("PITSTOP_STATE", "/tmp/s").env("PITSTOP_OPERATOR", "anna@x");
    room::Done::from(command.output().unwrap())
        .code(0)
        .shows("PITSTOP_STATE")
        .shows("PITSTOP_OPERATOR");
}

#[test]
fn an_empty_state_is_no_error_but_a_run_that_is_not_there_is() {
    let room = Room::new(&[]);
    room.run(&["runs"]).code(0).says("There are no runs");
    room.run(&["owed"]).code(0).says("Nothing is owed");
    room.run(&["status"]).code(2).says("pitstop runs");
    room.run(&["verify", "2026"]).code(2).says("there is no run `2026`");
    assert!(!room.project(".pitstop").exists(), "reading makes nothing");
}

#[test]
fn the_doctor_says_which_host_cannot_be_used_and_why() {
    let room = Room::new(&["a"]);
    room.run(&["hosts", "--doctor"])
        .code(0)
        .shows("logged in as")
        .says("1 of 1 hosts can be used");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    room.file(
        "p/inventory.yml",
        &format!("schema: 1\nhosts:\n  a: {{ transport: local }}\n  b: {{ address: 127.0.0.1, port: {port}, connect_timeout: 2s }}\n"),
    );
    let sick = room
        .run(&["hosts", "--doctor"])
        .code(1)
        .shows("WRONG b")
        .shows("help:")
        .says("1 of 2");
    assert!(sick.out.contains("good  a"), "{}", sick.out);
}
