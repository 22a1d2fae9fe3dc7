//! The link is cut in the middle of a changing command, and mended.
//!
//! The command notes its beginning and its end, and waits in between for a file. The link is mended only when its fate on the host is
//! seen; the file is there when the tool came back, or gave up.

use crate::page::{Table, code};
use crate::room::{Room, Running, until};

/// What the tool does after the link is mended, before the command may end.
enum Then {
    /// It gives up, or begins the command again.
    Begins,
    /// It gives up, or comes back to the command. The link is cut once the tool has so many folders on the host.
    ComesBack(usize),
}

struct Seen {
    begun: usize,
    ended: usize,
    lived: bool,
    exit: i32,
    said: String,
}

impl Seen {
    fn row(&self, way: &str, outcome: &str) -> [String; 6] {
        let lived = if self.lived { "goes on" } else { "is killed, half done" };
        [
            way.to_owned(),
            lived.to_owned(),
            self.begun.to_string(),
            self.ended.to_string(),
            code(outcome),
            self.exit.to_string(),
        ]
    }
}

fn cut(room: &Room, mut tool: Running, then: &Then) -> Seen {
    let host = room.host("h01");
    tool.until("the change has begun", || host.noted("change begins") == 1);
    if let Then::ComesBack(folders) = then {
        tool.until("the tool looks after the change", || host.left() >= *folders);
    }
    let process = host.process("change");
    host.link.cut();
    until("the server has noticed", || host.sshd.sessions().is_empty());
    let lived = host.lives(process);
    let made = host.link.made();
    host.link.mend();
    until("the tool gives up or goes on", || {
        tool.has_ended()
            || match then {
                Then::Begins => host.noted("change begins") > 1,
                Then::ComesBack(_) => host.link.made() > made,
            }
    });
    host.go();
    let (exit, said) = tool.ends();
    if lived {
        until("the command that went on ends", || host.noted("change ends") > 0);
    }
    Seen {
        begun: host.noted("change begins"),
        ended: host.noted("change ends"),
        lived,
        exit,
        said,
    }
}

/// The outcome of the only task on the only host, in Ansible's words.
fn outcome(said: &str) -> &str {
    let of = |line: &str| match line {
        l if l.starts_with("changed: [h01]") => Some("changed"),
        l if l.starts_with("fatal: [h01]: UNREACHABLE!") => Some("UNREACHABLE"),
        l if l.starts_with("fatal: [h01]: FAILED!") => Some("FAILED"),
        _ => None,
    };
    // A task that is tried again says `FAILED - RETRYING` before; the last word counts.
    let last = said.lines().rev().find_map(of);
    last.unwrap_or_else(|| panic!("no outcome: {said}"))
}

fn ansible(way: &str, keywords: &str, settings: &[(&str, &str)], then: &Then) -> [String; 6] {
    let room = Room::with(&["h01"]);
    let playbook = include_str!("playbooks/cut.yml");
    assert!(playbook.contains("# SETTINGS"));
    room.file("site.yml", &playbook.replace("# SETTINGS", keywords));
    let seen = cut(&room, room.ansible(&[], settings), then);
    seen.row(way, outcome(&seen.said))
}

fn ours(way: &str) -> [String; 6] {
    let room = Room::with(&["h01"]);
    room.file("cut.yml", include_str!("runbooks/cut.yml"));
    let seen = cut(&room, room.pitstop(&["run", "cut.yml", "--yes"]), &Then::ComesBack(0));
    let ends: Vec<_> = room
        .records()
        .into_iter()
        .filter(|r| r["event"]["type"] == "settled")
        .collect();
    let words: Vec<&str> = ends.iter().filter_map(|r| r["event"]["outcome"].as_str()).collect();
    assert_eq!(words, ["ok"], "{}", seen.said);
    assert_eq!((seen.begun, seen.ended, seen.exit), (1, 1, 0), "{}", seen.said);
    assert!(seen.lived, "{}", seen.said);
    assert_eq!(room.host("h01").left(), 0);
    seen.row(way, words[0])
}

#[test]
fn a_link_cut_in_the_middle_of_a_change() {
    let again = "retries: 3\n      delay: 1\n      register: change\n      until: change is succeeded";
    // The job has a folder, and while Ansible asks for it, the question has another: then the job's number is known.
    let slept = "async: 60\n      poll: 1";
    let reconnects = ("ANSIBLE_SSH_RETRIES", "3");
    let mut table = Table::new(&[
        "",
        "the command on the host",
        "begun",
        "came to its end",
        "it says",
        "exit code",
    ]);
    table.row(&ansible("Ansible", "", &[], &Then::Begins));
    table.row(&ansible(
        "Ansible, the task with `retries: 3` and `until`",
        again,
        &[],
        &Then::Begins,
    ));
    table.row(&ansible(
        "Ansible, `[ssh_connection] retries = 3`",
        "",
        &[reconnects],
        &Then::Begins,
    ));
    table.row(&ansible(
        "the same with `pipelining = true`",
        "",
        &[reconnects, ("ANSIBLE_PIPELINING", "true")],
        &Then::Begins,
    ));
    table.row(&ansible(
        "Ansible, the task with `async: 60` and `poll: 1`",
        slept,
        &[],
        &Then::ComesBack(2),
    ));
    table.row(&ours("pitstop, the step with `retry: { attempts: 3 }`"));
    table.stands_on_the_page();
}
