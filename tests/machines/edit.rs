//! `edit` on files of several owners, kinds and histories.

use crate::machines::Machines;

const SETTINGS: &str = "# demo\nport = 80\nhost = a.example\n#port = 81\nother = 80";

const EDIT: &str = "    steps:
      - id: port
        name: Another port
        edit: { file: /etc/demo.conf, find: '^(port) = \\d+$', put: '$1 = 8080' }
        register: done
      - { id: told, name: One place, read_only: true, run: ':', expect: done.matches == 1 }
";

/// Settings of somebody else, who is not alone to read them.
fn with_settings(machines: &Machines, host: &str) {
    machines.put(host, "/etc/demo.conf", SETTINGS);
    machines.at(host, "chown ops:daemon /etc/demo.conf; chmod 640 /etc/demo.conf");
}

/// What the file is: its content, whose it is, and its mode.
fn file(machines: &Machines, host: &str) -> String {
    machines.at(host, "cat /etc/demo.conf; stat -Lc '%U:%G %a' /etc/demo.conf")
}

/// The same, as it is with these settings.
fn with(settings: &str) -> String {
    format!("{settings}\nops:daemon 640")
}

#[test]
fn the_places_that_match_are_edited_and_anything_else_changes_nothing() {
    let machines = Machines::start(6);
    for host in ["h01", "h02", "h04", "h05"] {
        with_settings(&machines, host);
    }
    machines.at("h02", "echo 'port = 82' >>/etc/demo.conf");
    // h03 has no such file; that of h04 is edited already.
    machines.at("h04", "sed -i 's/^port = 80$/port = 8080/' /etc/demo.conf");
    // A link stays a link.
    machines.at(
        "h05",
        "mv /etc/demo.conf /opt/demo.conf; ln -s ../opt/demo.conf /etc/demo.conf",
    );
    machines.at("h06", "mkdir /etc/demo.conf");
    let inode = machines.at("h04", "stat -c %i /etc/demo.conf");
    machines.runbook("edit", EDIT);
    let ran = machines.apply("edit");
    for (host, state, why) in [
        ("h01", "ok", "steps/port  ok"),
        (
            "h02",
            "rolled_back",
            "2 places match /^(port) = \\d+$/, and `count` says 1",
        ),
        ("h03", "rolled_back", "there is no file /etc/demo.conf"),
        ("h04", "ok", "steps/port  ok"),
        ("h05", "ok", "steps/port  ok"),
        ("h06", "rolled_back", "/etc/demo.conf exists and is no plain file"),
    ] {
        assert_eq!(machines.states()[host], state, "{host}: {}", ran.said);
        let told = ran.said.lines().any(|line| line.contains(host) && line.contains(why));
        assert!(told, "{host}: {why}: {}", ran.said);
    }
    let edited = SETTINGS.replace("\nport = 80\n", "\nport = 8080\n");
    for host in ["h01", "h04", "h05"] {
        assert_eq!(file(&machines, host), with(&edited), "{host}");
    }
    assert_eq!(
        machines.at("h04", "stat -c %i /etc/demo.conf"),
        inode,
        "it was not written"
    );
    assert_eq!(machines.at("h05", "readlink /etc/demo.conf"), "../opt/demo.conf");
    assert_eq!(file(&machines, "h02"), with(&format!("{SETTINGS}\nport = 82")));
    assert_eq!(
        machines.at("h03", "ls -A /etc | grep -e demo.conf -e pitstop || true"),
        "lab-demo.conf"
    );
}

#[test]
fn a_file_is_taken_back_after_a_later_failure_and_what_somebody_else_wrote_meanwhile_stays() {
    let machines = Machines::start(2);
    for host in ["h01", "h02"] {
        with_settings(&machines, host);
    }
    // Somebody writes into the file of h02 between our look at it and our change of it: when its digest is asked for.
    machines.put(
        "h02",
        "/usr/local/bin/sha256sum",
        "#!/bin/sh\nif [ \"$(readlink /proc/self/fd/0)\" = /etc/demo.conf ] && mv /root/meddle /root/meddled; then\n  \
         echo '# somebody was here' >>/etc/demo.conf\nfi 2>/dev/null\nexec /usr/bin/sha256sum \"$@\"",
    );
    machines.at("h02", "chmod 755 /usr/local/bin/sha256sum; touch /root/meddle");
    machines.runbook(
        "fails",
        &format!("{EDIT}      - {{ id: no, name: It fails, run: 'cat /etc/demo.conf; exit 3', undo: [{{ name: Nothing, run: ':' }}] }}\n"),
    );
    let ran = machines.apply("fails");
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert_eq!(machines.at("h02", "ls /root"), "meddled", "{}", ran.said);
    assert_eq!(file(&machines, "h01"), with(SETTINGS), "{}", ran.said);
    assert!(ran.said.contains("h01  undo/port/1  ok"), "{}", ran.said);
    assert!(
        ran.said
            .contains("/etc/demo.conf was changed by somebody else meanwhile"),
        "{}",
        ran.said
    );
    assert_eq!(
        file(&machines, "h02"),
        with(&format!("{SETTINGS}\n# somebody was here")),
        "{}",
        ran.said
    );
    let logged = machines.run(&["logs", "last", "h01"]);
    assert!(
        logged.said.contains("port = 8080"),
        "it was edited when it failed: {}",
        logged.said
    );
}
