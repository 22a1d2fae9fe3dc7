//! Links, names and disks that fail under a run of the real binary.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::sshd::Sshd;
use crate::drive::apart;
use crate::fleet::{Fleet, code, records, words};

/// A runbook with these steps on the hosts of the inventory.
fn runbook(kind: &str, steps: &str) -> String {
    format!(
        "schema: 1
runbook: lost
title: Go on
kind: {kind}
targets:
  all: {{ select: \"host=*\" }}
rollouts:
  wide: {{ parallel: 20 }}
phases:
  - phase: p
    title: P
    targets: all
    rollout: wide
    on_failure: hold
    steps:
{steps}"
    )
}

/// What the journal says of the end of a step on a host.
fn settled(fleet: &Fleet, host: &str) -> Option<serde_json::Value> {
    let journal = records(&fleet.journal());
    let mut events = journal.into_iter().map(|r| r["event"].clone());
    events.find(|e| e["type"] == "settled" && e["key"]["host"] == host)
}

/// Each time the host is logged into anew, and asked; what was said meanwhile is fetched.
#[test]
fn a_link_that_flaps_all_through_a_step_leaves_it_begun_once_and_its_output_whole() {
    let fleet = Fleet::start(1, "0");
    let step = "      - id: long
        name: Say much for long
        timeout: 10m
        run: |
          echo \"$PITSTOP_STEP_KEY begin\" >> \"$HOME/effects\"
          n=0; while [ $n -lt 80 ]; do n=$((n+1)); echo \"line $n\"; sleep 0.1; done
          head -c 300000 /dev/zero; echo last
          echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\"
        undo: { none: it only counts }
";
    fleet.file("runbooks/lost.yml", &runbook("change", step));
    let mut child = fleet.spawn(&["run", "runbooks/lost.yml", "--yes"], "words");
    fleet.until("the step has begun", || !fleet.effects("h01").is_empty());
    let mut cuts = 0;
    while fleet.effects("h01").len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it gave up");
        cuts += usize::from(!fleet.hosts["h01"].sessions().is_empty());
        fleet.hosts["h01"].cut();
        // The fault's own pace.
        std::thread::sleep(Duration::from_millis(700));
    }
    let status = child.wait().unwrap();
    let said = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(code(status), 0, "{said}");
    assert!(cuts >= 5, "{cuts} cuts");
    assert_eq!(fleet.effects("h01").len(), 2, "begun once, ended once");
    let end = settled(&fleet, "h01").unwrap();
    let lines: usize = (1..=80).map(|n| format!("line {n}\n").len()).sum();
    assert_eq!(end["result"]["stdout"]["bytes"], lines + 300_000 + 5, "{end}");
}

/// The process used to stay for as long as the resolver went on asking.
#[test]
fn a_name_that_nobody_answers_for_costs_its_host_the_limit_and_the_process_nothing() {
    let fleet = Fleet::start(1, "0");
    // Asked, and silent.
    let silent = std::net::UdpSocket::bind(("127.9.53.1", 53)).expect("run it as root");
    let inventory = std::fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let (hosts, _) = inventory.split_once("groups:").unwrap();
    fleet.file(
        "inventory.yml",
        &format!("{hosts}  slow: {{ address: slow.example.org, user: ops, connect_timeout: 2s }}\n"),
    );
    fleet.file("resolv.conf", "nameserver 127.9.53.1\noptions timeout:30 attempts:5\n");
    let step = "      - { name: Look, run: echo here, read_only: true }\n";
    fleet.file("runbooks/lost.yml", &runbook("check", step));
    let script = "mount --bind resolv.conf /etc/resolv.conf
        code=0; timeout 60 \"$PITSTOP\" run runbooks/lost.yml --yes --ssh-config none || code=$?; echo code $code";
    let out = apart(&fleet, &["--mount"], script);
    let said = words(&out);
    assert!(said.contains("code 3\n"), "{said}");
    assert!(
        said.contains("connecting to slow (slow.example.org:22): no answer within 2 s (check that the host is up"),
        "{said}"
    );
    assert_eq!(settled(&fleet, "h01").unwrap()["outcome"], "ok", "{said}");
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_ok(), "nobody asked for the name");
}

/// Hardened servers allow two; a third, for the file, was refused while two were idle.
#[test]
fn a_server_that_allows_two_channels_gets_its_files_and_its_long_steps() {
    let fleet = Fleet::of([("h01".to_owned(), Sshd::with("MaxSessions 2"))].into(), "0");
    let dest = fleet.hosts["h01"].home().join("file");
    std::fs::write(&dest, "old\n").unwrap();
    fleet.file("new", "new\n");
    let steps = format!(
        "      - {{ name: Long, run: \"for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done; head -c 300000 /dev/zero\", undo: {{ none: x }} }}
      - {{ name: File, upload: {{ src: new, dest: {} }} }}
      - {{ name: Late, run: sleep 600, timeout: 1s, may_fail: It only shows that it is stopped }}
",
        dest.display()
    );
    fleet.file("runbooks/lost.yml", &runbook("change", &steps));
    let out = fleet.run(&["run", "runbooks/lost.yml", "--yes"]);
    let said = words(&out);
    assert_eq!(code(out.status), 0, "{said}");
    assert_eq!(std::fs::read_to_string(dest).unwrap(), "new\n");
    assert!(said.contains("timed_out"), "stopped over the second channel: {said}");
}

/// The output of all other hosts goes to a file system that is frozen. The one that says little used to be held with them, and was
/// lost when the disk went on.
#[test]
fn hosts_that_flood_while_their_disk_stalls_do_not_hold_their_neighbours() {
    // More than this machine has threads for connections.
    let many = 3 + std::thread::available_parallelism().unwrap().get();
    let fleet = Fleet::start(many, "0");
    let step = "      - name: Say much, or little
        read_only: true
        timeout: 5m
        run: |
          until [ -e \"$HOME/go\" ]; do sleep 0.02; done
          [ {{ host.name }} = h01 ] || head -c 3000000 /dev/zero
";
    fleet.file("runbooks/lost.yml", &runbook("check", step));
    // What the namespace does, it does when it is told.
    let script = "top=$PWD; \"$PITSTOP\" run runbooks/lost.yml --yes 2>words & run=$!
        until [ -d .pitstop/runs/*/output ]; do sleep 0.02; done
        cd .pitstop/runs/*/output
        truncate -s 64M \"$top/disk\"; mkfs.ext4 -q \"$top/disk\"
        mount -o loop \"$top/disk\" . && cd \"$PWD\" && chmod 700 . && fsfreeze -f .
        echo $run >\"$top/frozen\"
        # Not for ever: a test that has failed tells nobody.
        for n in $(seq 3000); do [ -e \"$top/thaw\" ] && break; sleep 0.02; done
        fsfreeze -u .; cd /; wait $run";
    let mut apart = fleet.program("unshare");
    let mut child = apart
        .args(["--mount", "sh", "-euc", script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let run = || {
        std::fs::read_to_string(fleet.path("frozen"))
            .ok()
            .filter(|t| t.ends_with('\n'))
    };
    fleet.until("the disk is frozen", || run().is_some());
    for host in fleet.hosts.keys().filter(|h| *h != "h01") {
        fleet.mark(host, "go");
    }
    fleet.until("threads wait for it", || stalled(run().unwrap().trim()) >= many - 1);
    fleet.mark("h01", "go");
    let end = Instant::now() + Duration::from_secs(20);
    while settled(&fleet, "h01").is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answered = settled(&fleet, "h01");
    std::fs::write(fleet.path("thaw"), "").unwrap();
    let status = child.wait().unwrap();
    let said = std::fs::read_to_string(fleet.path("words")).unwrap();
    assert_eq!(answered.expect("the neighbour was held")["outcome"], "ok", "{said}");
    assert_eq!(code(status), 0, "{said}");
    let whole = |host: &String| settled(&fleet, host).unwrap()["result"]["stdout"]["bytes"] == 3_000_000;
    assert!(fleet.hosts.keys().skip(1).all(whole), "{said}");
}

/// How many threads of a process wait for a disk.
fn stalled(process: &str) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let waits = |thread: &std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.contains("State:\tD")
    };
    threads.filter(waits).count()
}
