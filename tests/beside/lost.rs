//! A host of a batch becomes unreachable for good between two of its changes; later it is back.
//!
//! Four hosts in batches of two. While both hosts of the first batch wait for their connections to end, `h02` is lost: `change` is done
//! there, `further` is not.

use crate::page::{Table, code};
use crate::room::{Room, Running, until};

const HEAD: [&str; 8] = [
    "",
    "the lost host",
    "its neighbour",
    "the next batch",
    "the alarms that were off",
    "it says of the lost host",
    "exit code",
    "with the host back",
];

/// How a host stands, by its own notes and those of the load balancer.
fn stands(room: &Room, name: &str) -> String {
    let (host, lb) = (room.host(name), room.host("lb"));
    let [change, further, back] = ["change", "further", "back"].map(|word| host.noted(word));
    let work = match (change, further, back) {
        (0, 0, 0) => return "not touched".to_owned(),
        (1, 1, 0) => "changed".to_owned(),
        (1, 0, 0) => "half changed".to_owned(),
        (1, _, 1) => "taken back".to_owned(),
        (n, 1, 0) => format!("changed, `change` ran {n} times"),
        other => panic!("{name}: {other:?}"),
    };
    let times = |word: &str| lb.noted(&format!("{word} {name}"));
    let out = times("out").min(1) > times("in");
    format!("{work}, {} service", if out { "out of" } else { "in" })
}

fn alarms(room: &Room, of: &str) -> String {
    let lb = room.host("lb");
    let on = lb.noted(&format!("alarms on{of}"));
    assert_eq!(lb.noted(&format!("alarms off{of}")), 1);
    if on == 1 {
        "on again".to_owned()
    } else {
        "stay off".to_owned()
    }
}

/// Loses `h02` while it waits, and gives the exit code and the words of the tool.
fn lose(room: &Room, mut tool: Running) -> (i32, String) {
    let (host, lb) = (room.host("h02"), room.host("lb"));
    tool.until("h01 and h02 wait", || {
        lb.noted("waits h01") == 1 && lb.noted("waits h02") == 1
    });
    host.link.lose();
    until("the server has noticed", || host.sshd.sessions().is_empty());
    lb.go();
    tool.ends()
}

/// The line of a host in Ansible's summary.
fn recap(said: &str, name: &str) -> String {
    let line = said.lines().find(|l| l.starts_with(name) && l.contains("unreachable="));
    let words: Vec<&str> = line
        .unwrap_or_else(|| panic!("{said}"))
        .split_whitespace()
        .skip(2)
        .collect();
    // Those that say nothing of this situation are nought.
    let shown: Vec<&str> = words.into_iter().filter(|w| !w.ends_with("=0")).collect();
    code(&shown.join(" "))
}

fn ansible(way: &str, keyword: &str) -> [String; 8] {
    let room = Room::with(&["h01", "h02", "h03", "h04", "lb"]);
    let playbook = include_str!("playbooks/lost.yml");
    assert!(playbook.contains("# SETTINGS"));
    room.file("site.yml", &playbook.replace("# SETTINGS", keyword));
    let (exit, said) = lose(&room, room.ansible(&[], &[]));
    assert_eq!(stands(&room, "h03"), stands(&room, "h04"));
    let [lost, neighbour, next] = ["h02", "h01", "h03"].map(|name| stands(&room, name));
    let alarms = alarms(&room, " h02");
    room.host("h02").link.mend();
    let (again, _) = room.ansible(&["--limit", "h02"], &[]).ends();
    [
        way.to_owned(),
        lost,
        neighbour,
        next,
        alarms,
        recap(&said, "h02"),
        exit.to_string(),
        format!("the same with `--limit`: {} (exit code {again})", stands(&room, "h02")),
    ]
}

fn ours(way: &str) -> [String; 8] {
    let room = Room::with(&["h01", "h02", "h03", "h04", "lb"]);
    room.file("lost.yml", include_str!("runbooks/lost.yml"));
    let (exit, said) = lose(&room, room.pitstop(&["run", "lost.yml", "--yes"]));
    let [lost, neighbour, next] = ["h02", "h01", "h03"].map(|name| stands(&room, name));
    let alarms = alarms(&room, "");
    assert_eq!(
        (exit, lost.as_str(), next.as_str()),
        (1, "half changed, out of service", "not touched"),
        "{said}"
    );
    assert_eq!(
        (neighbour.as_str(), alarms.as_str()),
        ("changed, in service", "on again"),
        "{said}"
    );
    let status: serde_json::Value = serde_json::from_str(&room.asks(&["status", "last", "--json"])).unwrap();
    let hosts = status["hosts"].as_array().unwrap();
    let state = hosts.iter().find(|h| h["host"] == "h02").unwrap()["state"]
        .as_str()
        .unwrap();
    let owed = status["owed"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|o| o["host"] == "h02" && o["phase"] == "web");
    let owed: Vec<&str> = owed.map(|o| o["id"].as_str().unwrap()).collect();
    assert_eq!(owed, ["undo:web/h02/change/1", "undrain:web/h02"], "{said}");
    room.host("h02").link.mend();
    let (again, said) = room.pitstop(&["resume", "last", "--rollback"]).ends();
    let then = stands(&room, "h02");
    assert_eq!(then, "taken back, in service", "{said}");
    [
        way.to_owned(),
        lost,
        neighbour,
        next,
        alarms,
        format!(
            "{}, owes {}",
            code(state),
            owed.iter().map(|o| code(o)).collect::<Vec<_>>().join(", ")
        ),
        exit.to_string(),
        format!("`resume --rollback`: {then} (exit code {again})"),
    ]
}

#[test]
fn a_host_lost_in_the_middle_of_its_batch() {
    let mut table = Table::new(&HEAD);
    table.row(&ansible("Ansible, `max_fail_percentage: 0`", "max_fail_percentage: 0"));
    table.row(&ansible("Ansible, `any_errors_fatal: true`", "any_errors_fatal: true"));
    table.row(&ours("pitstop, `max_fail: 0`, `on_failure: rollback_host`"));
    table.stands_on_the_page();
}
