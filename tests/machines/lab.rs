//! The lab itself: two beside each other, nothing left behind by one whose maker was killed, and layers that start nothing.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::machines::{Machines, base, lab_command, ran};

/// What a lab of this folder owns outside of it: network namespaces, control groups, processes.
fn owned(lab: &Path) -> Vec<String> {
    let script = r#"
        id=pitstop-$(printf %s "$LAB" | sha256sum | cut -c1-12)
        ip netns list | grep "^$id-"
        find /sys/fs/cgroup -name "$id"
        printf %s "$LAB" | grep -lFf - /proc/[0-9]*/cmdline 2>/dev/null
        true"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("LAB", lab);
    let owned = ran(command);
    owned.said.lines().map(str::to_owned).collect()
}

#[test]
fn a_lab_whose_making_was_killed_leaves_nothing_and_others_beside_it_are_not_touched() {
    let machines = Machines::start(1);
    let dir = tempfile::Builder::new().prefix("pitstop-machines-").tempdir().unwrap();
    let lab = dir.path().canonicalize().unwrap().join("killed");
    let mut up = lab_command(&["up", lab.to_str().unwrap(), "2", base().to_str().unwrap()])
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    machines.until("the first of its machines boots", || {
        lab.join("h/h01/init.pid").exists()
    });
    up.kill().unwrap();
    up.wait().unwrap();
    let before = owned(&lab);
    assert!(before.len() > 4, "the search finds what is there: {before:?}");
    let down = ran(lab_command(&["down", lab.to_str().unwrap()]));
    assert_eq!(down.code, 0, "{}", down.said);
    assert_eq!(owned(&lab), Vec::<String>::new());
    assert!(!lab.exists());
    assert_eq!(machines.at("h01", "systemctl is-system-running"), "running");
    assert_eq!(machines.boots("h01").len(), 1);
}

#[test]
fn the_databases_of_a_layer_are_there_and_none_of_them_runs() {
    let machines = Machines::start_with_backups(1);
    let running = machines.at(
        "h01",
        "ps -eo comm= | grep -E 'postgres|maria|mysql|pgbackrest' || true",
    );
    assert_eq!(running, "");
    assert_eq!(machines.at("h01", "pg_lsclusters -h"), "");
    assert_eq!(
        machines.at(
            "h01",
            "runuser -u postgres -- /usr/lib/postgresql/15/bin/postgres --version | cut -d' ' -f1-2"
        ),
        "postgres (PostgreSQL)"
    );
    for unit in ["postgresql", "mariadb"] {
        assert_eq!(
            machines.at("h01", &format!("systemctl is-enabled {unit} || true")),
            "disabled"
        );
    }
}
