//! What lies on disks around a run, on real mounts: a state directory that nobody can write, and the lock of a machine that is
//! reached in two ways. Each mounts in a namespace of its own.

use std::net::TcpListener;
use std::process::Output;

use crate::common::sshd::{keygen, me};
use crate::fleet::{Fleet, code, words};

const NOTE: &str = r#"schema: 1
runbook: note
title: Note it
kind: change
targets:
  web: { select: "group=web" }
phases:
  - phase: p
    title: P
    targets: web
    on_failure: hold
    steps:
      - { id: note, name: Note it, run: "echo \"$PITSTOP_STEP_KEY end\" >> \"$HOME/effects\"", undo: { none: it only notes } }
"#;

/// A script with mounts of its own.
fn apart(fleet: &Fleet, script: &str) -> Output {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts file systems: run it as root"
    );
    let mut command = fleet.program("unshare");
    command.args(["--mount", "sh", "-euc", script]).output().unwrap()
}

fn logins(fleet: &Fleet) -> usize {
    let log = std::fs::read_to_string(fleet.hosts["h01"].path("log")).unwrap();
    log.matches("Accepted publickey").count()
}

#[test]
fn a_state_directory_that_cannot_be_written_ends_a_run_before_any_host_is_touched() {
    let fleet = Fleet::start(1, "0");
    fleet.file("runbooks/note.yml", NOTE);
    let run = "code=0; \"$PITSTOP\" run runbooks/note.yml --yes || code=$?; exit $code";
    let refused = |out: &Output, what: &str| {
        assert_eq!(code(out.status), 70, "{what}: {}", words(out));
        for part in [".pitstop", "Read-only file system", "help: "] {
            assert!(words(out).contains(part), "{what}: no `{part}`: {}", words(out));
        }
        assert!(fleet.effects("h01").is_empty(), "{what}: {}", words(out));
        assert_eq!(logins(&fleet), 0, "{what}");
    };
    // Not there, and nowhere to make it.
    let out = apart(
        &fleet,
        &format!("mount --bind . .; mount -o remount,bind,ro .; cd \"$PWD\"; {run}"),
    );
    refused(&out, "a project that is read-only");
    // There and empty, there and used.
    let frozen = format!("mount --bind .pitstop .pitstop; mount -o remount,bind,ro .pitstop; {run}");
    std::fs::create_dir(fleet.path(".pitstop")).unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    std::fs::set_permissions(fleet.path(".pitstop"), mode).unwrap();
    refused(&apart(&fleet, &frozen), "an empty one");

    let ran = fleet.run(&["run", "runbooks/note.yml", "--yes"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    let (seen, done) = (logins(&fleet), fleet.effects("h01").len());
    assert!(seen > 0 && done == 1, "the server's log tells of logins");
    let out = apart(&fleet, &frozen);
    assert_eq!(code(out.status), 70, "{}", words(&out));
    assert!(words(&out).contains("Read-only file system"), "{}", words(&out));
    assert_eq!((logins(&fleet), fleet.effects("h01").len()), (seen, done));
    // A run that could not be made has not had its key.
    let keyed = "mount --bind .pitstop/runs .pitstop/runs; mount -o remount,bind,ro .pitstop/runs
        code=0; \"$PITSTOP\" run runbooks/note.yml --yes --once-key night-1 || code=$?; exit $code";
    let out = apart(&fleet, keyed);
    assert_eq!(code(out.status), 70, "{}", words(&out));
    let ran = fleet.run(&["run", "runbooks/note.yml", "--yes", "--once-key", "night-1"]);
    assert_eq!(code(ran.status), 0, "{}", words(&ran));
    // Whoever only reads needs no more than that.
    let readers = "mount --bind .pitstop .pitstop; mount -o remount,bind,ro .pitstop
        for what in status runs owed 'verify last' 'logs last' 'report last --format json'; do
            \"$PITSTOP\" $what >/dev/null
        done";
    let out = apart(&fleet, readers);
    assert_eq!(code(out.status), 0, "{}", words(&out));
}

/// A step that shows that it is under way and waits for a file.
fn slow(id: &str, hosts: &str) -> String {
    format!(
        "schema: 1
runbook: {id}
title: T
kind: change
targets:
  them: {{ hosts: {hosts} }}
phases:
  - phase: p
    title: P
    targets: them
    on_failure: hold
    steps:
      - {{ name: Wait, run: \"touch DIR/{id}; while [ ! -e DIR/go ]; do sleep 0.02; done\", undo: {{ none: it only waits }} }}
"
    )
}

/// The machine's server has two keys; a login is shown the second, and the one that stands for the machine is the first.
#[test]
fn a_machine_that_is_reached_by_ssh_and_as_local_has_one_lock() {
    let fleet = Fleet::start(1, "0");
    let sshd = &fleet.hosts["h01"];
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let key = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    fleet.file("known_hosts", &format!("[127.0.0.1]:{port} {key}"));
    fleet.file("etc-ssh/ssh_host_ed25519_key.pub", &key);
    keygen(&fleet.path("etc-ssh/ssh_host_ecdsa_key"), "ecdsa", "");
    let far = format!(
        "address: 127.0.0.1, port: {port}, user: {}, identity: \"{}\", known_hosts: known_hosts",
        me(),
        sshd.path("id").display()
    );
    fleet.file(
        "inventory.yml",
        &format!("schema: 1\nhosts:\n  far: {{ {far} }}\n  here: {{ transport: local }}\n"),
    );
    fleet.file("policy.yml", "schema: 1\nallow_local: true\n");
    let dir = fleet.dir.path().display().to_string();
    for (id, hosts) in [("far", "[far]"), ("here", "[here]"), ("both", "[here, far]")] {
        fleet.file(&format!("runbooks/{id}.yml"), &slow(id, hosts).replace("DIR", &dir));
    }
    let script = format!(
        "mount -t tmpfs -o mode=1777 none /var/tmp
        mount --bind etc-ssh /etc/ssh
        /usr/sbin/sshd -D -e -p {port} -f {config} 2>sshd.log &
        server=$!
        trap 'kill $server' EXIT
        until grep -q listening sshd.log; do sleep 0.02; done
        try() {{ code=0; \"$PITSTOP\" run runbooks/$1.yml --yes 2>>words || code=$?; echo \"$1 $code\"; }}
        for pair in 'here far' 'far here'; do
            set -- $pair
            rm -f go far here
            try $1 >first & first=$!
            until [ -e $1 ]; do sleep 0.02; done
            ls /var/tmp | grep -c pitstop-lock
            try $2
            touch go
            wait $first
            cat first
            try $2
            ls /var/tmp | grep -c pitstop-lock || :
        done
        rm -f go both
        try both >first & first=$!
        until [ -e both ]; do sleep 0.02; done
        ls /var/tmp | grep -c pitstop-lock
        touch go
        wait $first
        cat first
        ls /var/tmp | grep -c pitstop-lock || :",
        config = sshd.path("sshd_config").display()
    );
    let out = apart(&fleet, &script);
    let said = std::fs::read_to_string(fleet.path("words")).unwrap_or_default();
    let told: Vec<&str> = std::str::from_utf8(&out.stdout).unwrap().lines().collect();
    let wanted = [
        "1", "far 6", "here 0", "far 0", "0", // one lock, the other is refused, then may
        "1", "here 6", "far 0", "here 0", "0", // the other way about
        "1", "both 0", "0", // two names in one run
    ];
    assert_eq!(told, wanted, "{}\n{said}", words(&out));
    assert!(said.contains("is locked by run"), "{said}");
}
