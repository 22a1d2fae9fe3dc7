//! Ctrl-C while the second of three changes is under way, and then going on.

use crate::page::{Table, code};
use crate::room::{Host, Room, Running, until};

const HEAD: [&str; 8] = [
    "",
    "the running command",
    "then starts",
    "exit code",
    "what is known of it",
    "to go on",
    "in the end",
    "left on the host",
];

/// What began after the signal.
fn started(host: &Host) -> String {
    let words = [
        ("third", "the third change"),
        ("back", "the way back"),
        ("in", "back into service"),
    ];
    let begun: Vec<&str> = words
        .iter()
        .filter(|(w, _)| host.noted(w) > 0)
        .map(|(_, said)| *said)
        .collect();
    if begun.is_empty() {
        "nothing".to_owned()
    } else {
        begun.join(", ")
    }
}

/// How often each thing was done in all.
fn in_the_end(host: &Host) -> String {
    let words = [
        ("first", "first"),
        ("second begins", "second"),
        ("second ends", "to its end"),
        ("third", "third"),
        ("back", "back"),
    ];
    let counts: Vec<String> = words
        .iter()
        .map(|(w, said)| format!("{said} {}", host.noted(w)))
        .collect();
    let service = if host.noted("in") > 0 {
        "in service"
    } else {
        "out of service"
    };
    format!("{}; {service}", counts.join(", "))
}

fn under_way(host: &Host, tool: &mut Running) -> u32 {
    tool.until("the second change has begun", || host.noted("second begins") == 1);
    host.process("second")
}

fn ansible(way: &str, then: &str, further: &[&str]) -> [String; 8] {
    let room = Room::with(&["h01"]);
    room.file("site.yml", include_str!("playbooks/stopped.yml"));
    let host = room.host("h01");
    let mut tool = room.ansible(&[], &[]);
    let process = under_way(host, &mut tool);
    tool.interrupt();
    let (exit, said) = tool.ends();
    let lives = host.lives(process);
    host.go();
    if lives {
        until("the command that went on ends", || host.noted("second ends") == 1);
    }
    let starts = started(host);
    let log = std::fs::read_to_string(room.path("ansible.log")).unwrap();
    let (_, of_it) = log
        .split_once("TASK [The second change]")
        .unwrap_or_else(|| panic!("{said}\n{log}"));
    let known = if of_it.contains("[h01]") {
        "its outcome"
    } else {
        "that it began"
    };
    let (again, _) = room.ansible(further, &[]).ends();
    [
        way.to_owned(),
        if lives { "goes on" } else { "is killed, half done" }.to_owned(),
        starts,
        exit.to_string(),
        format!("{known} (in the log)"),
        format!("{then}: exit code {again}"),
        in_the_end(host),
        host.left().to_string(),
    ]
}

fn ours(way: &str, signals: u64) -> [String; 8] {
    let room = Room::with(&["h01"]);
    room.file("stopped.yml", include_str!("runbooks/stopped.yml"));
    let host = room.host("h01");
    let mut tool = room.pitstop(&["run", "stopped.yml", "--yes"]);
    let process = under_way(host, &mut tool);
    for count in 1..=signals {
        tool.interrupt();
        tool.until("the signal is in the journal", || {
            let signalled = |e: &serde_json::Value| e["type"] == "signalled" && e["count"] == count;
            room.records().iter().any(|r| signalled(&r["event"]))
        });
    }
    if signals == 1 {
        assert!(host.lives(process), "one signal does not touch the command");
        host.go();
    }
    let (exit, said) = tool.ends();
    let ended = host.noted("second ends") == 1;
    assert!(ended || !host.lives(process), "{said}");
    let starts = started(host);
    let settled = room
        .records()
        .into_iter()
        .rfind(|r| r["event"]["type"] == "settled")
        .unwrap();
    assert_eq!(settled["event"]["key"]["step"], "second", "{said}");
    let outcome = settled["event"]["outcome"].as_str().unwrap().to_owned();
    let (again, words) = room.pitstop(&["resume", "last"]).ends();
    let end = in_the_end(host);
    let promised = if signals == 1 {
        (
            true,
            7,
            0,
            "first 1, second 1, to its end 1, third 1, back 0; in service",
        )
    } else {
        (
            false,
            7,
            4,
            "first 1, second 1, to its end 0, third 0, back 1; in service",
        )
    };
    assert_eq!((ended, exit, again, end.as_str()), promised, "{said}\n{words}");
    assert_eq!((starts.as_str(), host.left()), ("nothing", 0), "{said}\n{words}");
    [
        way.to_owned(),
        if ended {
            "comes to its end"
        } else {
            "is stopped, half done"
        }
        .to_owned(),
        starts,
        exit.to_string(),
        format!("its outcome, {} (in the journal)", code(&outcome)),
        format!("`resume`: exit code {again}"),
        end,
        host.left().to_string(),
    ]
}

#[test]
fn ctrl_c_in_the_middle_of_a_block() {
    let mut table = Table::new(&HEAD);
    let at = ["--start-at-task", "The second change"];
    table.row(&ansible("Ansible", "the same again", &[]));
    table.row(&ansible("Ansible", "`--start-at-task` with the second change", &at));
    table.row(&ours("pitstop, Ctrl-C once", 1));
    table.row(&ours("pitstop, Ctrl-C twice", 2));
    table.stands_on_the_page();
}
