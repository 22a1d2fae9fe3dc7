//! `patch` and `package` on a real apt: what is scanned is installed and nothing else, what was is brought back, and what apt calls a
//! success is not believed.

use crate::machines::Machines;

/// `deb NAME VERSION POSTINST [ROOT]` puts a package into the archive; ROOT holds its files. `index` tells apt of all that are there.
pub const TOOLS: &str = r#"
deb() {
  r=${4:-$(mktemp -d)}; mkdir -p "$r/DEBIAN"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Test <test@localhost>\nDescription: for a test\n' "$1" "$2" >"$r/DEBIAN/control"
  printf '#!/bin/sh\n%s\n' "$3" >"$r/DEBIAN/postinst"; chmod 755 "$r" "$r/DEBIAN" "$r/DEBIAN/postinst"
  dpkg-deb -b "$r" "/opt/archive/$1_$2_all.deb" >/dev/null
}
index() {
  cd /opt/archive && for f in *.deb; do
    dpkg-deb -f "$f"; echo "Filename: ./$f"; echo "Size: $(stat -c %s "$f")"; echo "SHA256: $(sha256sum "$f" | cut -d' ' -f1)"; echo
  done >Packages; apt-get -q update >/dev/null 2>&1
}
"#;

const PATCH: &str = r#"    precheck:
      - { id: scan, name: What there is, patch: { mode: scan, lock_wait: 2s }, register: pending }
    steps:
      - { id: install, name: Install it, patch: { mode: install, only: "{{ pending.ids }}", conffiles: CONF, lock_wait: 2s }, register: done }
      - { id: proof, name: Fail where a host is to go back, run: test ! -e /root/bad, undo: [{ name: Nothing, run: "true" }] }
    verify:
      - { name: It runs, run: lab-demo }
"#;

fn patch(machines: &Machines, name: &str, conffiles: &str) {
    machines.runbook(name, &PATCH.replace("CONF", conffiles));
}

fn version(machines: &Machines, host: &str, package: &str) -> String {
    machines.at(
        host,
        &format!("dpkg-query -W -f '${{Version}} ${{db:Status-Abbrev}}' {package}"),
    )
}

/// What the run said of a step of a host.
fn line<'s>(said: &'s str, of: &str) -> &'s str {
    said.lines()
        .find(|line| line.contains(of))
        .unwrap_or_else(|| panic!("nothing of {of}: {said}"))
}

#[test]
fn what_was_scanned_is_installed_and_brought_back_though_no_source_has_it_any_more() {
    let machines = Machines::start(2);
    machines.at("h02", "touch /root/bad");
    // The sources lose the former version between the install and the way back.
    for host in ["h01", "h02"] {
        machines.at(
            host,
            &format!("{TOOLS}\ndeb lab-demo 1.1 'rm -f /opt/archive/lab-demo_1.0_all.deb; sed -i /never/d /opt/archive/Packages' \"$(d=$(mktemp -d); dpkg-deb -x /opt/archive/lab-demo_1.1_all.deb $d; echo $d)\"; index"),
        );
    }
    patch(&machines, "patch", "keep");
    let ran = machines.apply("patch");
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert_eq!(machines.states()["h01"], "ok", "{}", ran.said);
    assert_eq!(machines.states()["h02"], "rolled_back", "{}", ran.said);
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.1 ii");
    assert_eq!(version(&machines, "h02", "lab-demo"), "1.0 ii");
    assert_eq!(
        machines.at("h02", "lab-demo; ls /opt/archive | grep -c lab-demo_1.0 || true"),
        "lab-demo 1.0\n0"
    );
    // Nothing of the run lies there any more, its stash neither.
    assert_eq!(machines.at("h02", "ls -A ~root/.pitstop 2>/dev/null || true"), "");
    // And a second time there is nothing to do.
    let again = machines.apply("patch");
    assert!(again.said.contains("h01  steps/install  ok"), "{}", again.said);
    let settled = machines
        .events()
        .into_iter()
        .find(|e| e["type"] == "settled" && e["key"]["host"] == "h01" && e["key"]["step"] == "install");
    assert!(!settled.unwrap()["result"]["changed"].as_bool().unwrap_or(false));
}

#[test]
fn no_trap_of_apt_is_taken_for_a_success() {
    let machines = Machines::start(7);
    // h01: held. h02: a source is gone. h03: half-configured since before. h04: the new version's own script fails.
    // h05: no source has the installed version any more. h06: the disk is full in the middle. h07: settings changed by hand.
    machines.at("h01", "apt-mark hold lab-demo");
    machines.at(
        "h02",
        "echo 'deb [trusted=yes] http://127.0.0.1:9 ./' >>/etc/apt/sources.list",
    );
    machines.at("h03", &format!("{TOOLS}\ndeb torn 1 'exit 1'; dpkg -i /opt/archive/torn_1_all.deb >/dev/null 2>&1 || true; rm /opt/archive/torn_1_all.deb"));
    machines.at(
        "h04",
        &format!("{TOOLS}\ndeb torn 1 :; index; apt-get install -y -q torn; deb torn 2 'exit 9'; index"),
    );
    machines.at("h05", &format!("{TOOLS}\nrm /opt/archive/lab-demo_1.0_all.deb; index"));
    machines.at(
        "h06",
        &format!(
            "{TOOLS}\nmkdir -p /usr/share/large; mount -t tmpfs -o size=1m tmpfs /usr/share/large\ndeb large 1 :; index; apt-get install -y -q large\n\
             r=$(mktemp -d); mkdir -p $r/usr/share/large; dd if=/dev/zero of=$r/usr/share/large/file bs=1M count=3 2>/dev/null\ndeb large 2 : $r; index"
        ),
    );
    let conf = |v: u32| {
        format!(
            "r=$(mktemp -d); mkdir -p $r/etc $r/DEBIAN; echo version {v} >$r/etc/tuned.conf; echo /etc/tuned.conf >$r/DEBIAN/conffiles; deb tuned {v} : $r"
        )
    };
    machines.at(
        "h07",
        &format!(
            "{TOOLS}\n{}\nindex; apt-get install -y -q tuned; echo mine >/etc/tuned.conf\n{}\nindex",
            conf(1),
            conf(2)
        ),
    );

    // What the tools say of it, by hand.
    let by_hand = |host: &str, command: &str| {
        machines
            .try_at(host, &format!("{command} >/dev/null 2>&1 </dev/null; echo $?"))
            .said
            .trim()
            .to_owned()
    };
    let held = by_hand("h01", "DEBIAN_FRONTEND=noninteractive apt-get -y dist-upgrade");
    let gone = by_hand("h02", "apt-get update");
    assert_eq!((held.as_str(), gone.as_str()), ("0", "0"));

    patch(&machines, "patch", "fail");
    let ran = machines.apply("patch");
    let states = machines.states();
    println!(
        "apt-get dist-upgrade with a hold: exit code {held}; here: {}",
        line(&ran.said, "h01  steps/install")
    );
    println!(
        "apt-get update with a source that is gone: exit code {gone}; here: {}",
        line(&ran.said, "h02  precheck/scan")
    );
    for (host, state, of, why) in [
        ("h02", "refused", "h02  precheck/scan", "127.0.0.1:9"),
        (
            "h03",
            "refused",
            "h03  precheck/scan",
            "torn is half-configured since before",
        ),
        (
            "h04",
            "rolled_back",
            "h04  steps/install",
            "its command ended with 100, and torn is half-configured",
        ),
        (
            "h05",
            "rolled_back",
            "h05  steps/install",
            "1 of 1 former packages cannot be had any more (lab-demo 1.0)",
        ),
        (
            "h06",
            "rolled_back",
            "h06  steps/install",
            "its command ended with 100, and large is 1, not 2",
        ),
        ("h07", "rolled_back", "h07  steps/install", "/etc/tuned.conf.dpkg-dist"),
    ] {
        println!("{}", line(&ran.said, of));
        assert_eq!(states[host], state, "{host}: {}", ran.said);
        assert!(line(&ran.said, of).contains(why), "{host}: {}", ran.said);
    }
    // A runbook can ask for a way back before anything is drained.
    machines.runbook(
        "careful",
        "    precheck:\n      - { id: scan, name: Each has a way back, patch: { mode: scan }, expect: rollback.possible == rollback.of }\n    \
         steps:\n      - { name: Nothing, run: \"true\", undo: { none: it is nothing } }\n",
    );
    let careful = machines.run(&["run", "runbooks/careful.yml", "--yes", "--limit", "host=h05"]);
    assert_eq!(careful.code, 3, "{}", careful.said);
    assert!(
        careful.said.contains("cannot be had any more: lab-demo=1.0"),
        "{}",
        careful.said
    );
    // What is held is no update, and nothing was done about it.
    assert_eq!(states["h01"], "ok", "{}", ran.said);
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.0 hi");
    assert_eq!(version(&machines, "h04", "torn"), "1 ii");
    assert_eq!(version(&machines, "h05", "lab-demo"), "1.0 ii");
    assert_eq!(version(&machines, "h06", "large"), "1 ii");
    assert_eq!(version(&machines, "h07", "tuned"), "1 ii");
    assert_eq!(machines.at("h07", "cat /etc/tuned.conf"), "mine");
    for host in ["h04", "h05", "h06", "h07"] {
        assert_eq!(machines.at(host, "dpkg --audit"), "", "{host}");
        assert_eq!(version(&machines, host, "lab-demo"), "1.0 ii", "{host}");
    }
}

#[test]
fn packages_come_in_their_state_and_version_and_go_back() {
    let machines = Machines::start(1);
    machines.at("h01", &format!("{TOOLS}\ndeb extra 3 :; deb other 1 :; index"));
    machines.runbook(
        "packages",
        r#"    steps:
      - { id: new, name: It comes, package: { names: [extra, other] }, expect: "changed and changes | length == 2" }
      - { id: same, name: It is there, package: { names: extra }, expect: not changed }
      - { id: up, name: The newest, package: { names: lab-demo, state: latest }, expect: "changes == ['lab-demo 1.0 -> 1.1']" }
      - { id: down, name: This version, package: { names: lab-demo, version: "1.0", hold: true }, expect: "changes == ['lab-demo 1.1 -> 1.0', 'lab-demo is held']" }
      - { id: gone, name: It goes, package: { names: other, state: absent }, expect: "changes == ['other 1 is gone']" }
      - { id: held, name: What is held stays, package: { names: lab-demo, state: latest }, may_fail: it is held }
      - { id: proof, name: Fail, run: test ! -e /root/bad, undo: [{ name: Nothing, run: "true" }] }
    verify:
      - { name: It runs, run: lab-demo }
"#,
    );
    machines.at("h01", "touch /root/bad");
    let ran = machines.apply("packages");
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert!(
        line(&ran.said, "h01  steps/held").contains("lab-demo is held"),
        "{}",
        ran.said
    );
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.0 ii");
    for package in ["extra", "other"] {
        assert_eq!(
            machines
                .try_at(
                    "h01",
                    &format!("dpkg -s {package} 2>/dev/null | grep '^Status: install ok'")
                )
                .said,
            ""
        );
    }
    machines.at("h01", "rm /root/bad");
    let ran = machines.apply("packages");
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.0 hi");
    assert_eq!(version(&machines, "h01", "extra"), "3 ii");
}

#[test]
fn a_package_manager_at_work_is_waited_for_and_not_taken_for_a_broken_one() {
    let machines = Machines::start(2);
    for host in ["h01", "h02"] {
        machines.at(
            host,
            &format!("{TOOLS}\nmkfifo /root/gate; deb slow 1 'read x </root/gate'; index"),
        );
        machines.at(
            host,
            "setsid apt-get install -y -q slow >/root/slow.log 2>&1 </dev/null &",
        );
        machines.until("dpkg waits in the middle of a package", || {
            machines
                .try_at(host, "dpkg-query -W -f '${db:Status-Abbrev}' slow 2>/dev/null")
                .said
                == "iF "
        });
    }
    patch(&machines, "patch", "keep");
    let scan = PATCH
        .replace("CONF", "keep")
        .replace("mode: scan, lock_wait: 2s", "mode: scan, lock_wait: 60s");
    machines.runbook("patient", &scan);
    // Both wait for the lock; the one of h01 is given free while its scan waits.
    let ran = machines.apply("patch");
    for host in ["h01", "h02"] {
        let told = line(&ran.said, &format!("{host}  precheck/scan"));
        assert!(
            told.contains("Could not get lock") && told.contains("held by process"),
            "{}",
            ran.said
        );
        assert_eq!(machines.states()[host], "refused", "{}", ran.said);
    }
    let run = std::thread::scope(|scope| {
        let patient = scope.spawn(|| machines.run(&["run", "runbooks/patient.yml", "--yes", "--limit", "host=h01"]));
        machines.until("the scan waits for the lock", || {
            machines
                .try_at("h01", "pgrep -f 'Lock::Timeout=60 check' >/dev/null")
                .code
                == 0
        });
        machines.at("h01", "echo go >/root/gate");
        patient.join().unwrap()
    });
    assert_eq!(run.code, 0, "{}", run.said);
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.1 ii");
    assert_eq!(version(&machines, "h01", "slow"), "1 ii");
    assert_eq!(version(&machines, "h02", "lab-demo"), "1.0 ii");
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_transaction_goes_on_and_installs_nothing_twice() {
    let machines = Machines::start(1);
    machines.at(
        "h01",
        &format!("{TOOLS}\ndeb slow 1 :; index; apt-get install -y -q slow; mkfifo /root/gate; deb slow 2 'echo 2 >>/root/configured; read x </root/gate'; index"),
    );
    patch(&machines, "patch", "keep");
    let mut run = machines.pitstop(&["run", "runbooks/patch.yml", "--yes"]);
    let mut run = run
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    machines.until("dpkg is in the middle", || {
        machines.try_at("h01", "cat /root/configured 2>/dev/null").said == "2\n"
    });
    run.kill().unwrap();
    run.wait().unwrap();
    let before = machines.try_at("h01", "dpkg-query -W -f '${db:Status-Abbrev}' slow");
    assert_eq!(before.said, "iF ");
    machines.at("h01", "echo go >/root/gate &");
    let resumed = machines.run(&["resume", "last"]);
    assert_eq!(resumed.code, 0, "{}", resumed.said);
    assert_eq!(version(&machines, "h01", "slow"), "2 ii");
    assert_eq!(version(&machines, "h01", "lab-demo"), "1.1 ii");
    assert_eq!(machines.at("h01", "cat /root/configured"), "2");
    let sent = machines
        .events()
        .iter()
        .filter(|e| e["type"] == "intended" && e["key"]["step"] == "install")
        .count();
    assert_eq!(sent, 1);
}

/// The window as it is meant: the first machine alone, a person's yes, the second one; which fails there and goes back.
#[test]
fn the_shipped_patch_runbook_patches_restarts_and_takes_back() {
    let machines = Machines::start(2);
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/patch-linux.yml");
    // Its health is asked ten times, with 15 s between: that pause is the operator's, not the test's.
    let text = std::fs::read_to_string(shipped)
        .unwrap()
        .replace("delay: 15s", "delay: 1s");
    machines.file("runbooks/patch-linux.yml", &text);
    machines.with_an_approver();
    machines.at("h02", "touch /root/bad");
    let waits = machines.run(&[
        "run",
        "runbooks/patch-linux.yml",
        "--yes",
        "--set",
        "select=group=all",
        "--set",
        "room_mb=200",
        "--set",
        "soak=0s",
        "--set",
        "health=test ! -e /root/bad || lab-demo | grep -q 1.0",
        "--set",
        "drain=touch /root/drained",
        "--set",
        "undrain=rm /root/drained",
    ]);
    assert_eq!(waits.code, 5, "{}", waits.said);
    assert_eq!(
        (
            version(&machines, "h01", "lab-demo").as_str(),
            machines.boots("h01").len()
        ),
        ("1.1 ii", 2)
    );
    assert_eq!(version(&machines, "h02", "lab-demo"), "1.0 ii");
    let approved = machines.run(&["approve", "last", "--key", "berta", "--operator", "berta"]);
    assert_eq!(approved.code, 0, "{}", approved.said);
    let done = machines.run(&["resume", "last"]);
    assert_eq!(done.code, 1, "one host is new, one is old again: {}", done.said);
    let states = machines.states();
    assert_eq!(
        (states["h01"].as_str(), states["h02"].as_str()),
        ("ok", "rolled_back"),
        "{}",
        done.said
    );
    assert_eq!(version(&machines, "h02", "lab-demo"), "1.0 ii");
    assert!(machines.boots("h02").len() == 2 && machines.at("h02", "ls /root/drained 2>/dev/null || true").is_empty());
    // What was found stands in the report: the packages before and after.
    let report = machines.run(&["report", "last", "--format", "json"]);
    assert!(report.said.contains("lab-demo 1.0 -> 1.1"), "{}", report.said);
    let page = machines.run(&["report", "last", "--format", "md"]);
    for row in [
        r"| lab-demo 1.0 -\> 1.1 | 2 | h01, h02 |",
        r"| lab-demo 1.1 -\> 1.0 | 1 | h02 |",
    ] {
        assert!(page.said.contains(row), "{row}: {}", page.said);
    }
}

#[test]
fn a_rehearsed_patch_window_patches_the_canary_restarts_it_and_brings_its_old_packages_back() {
    let machines = Machines::start(2);
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/patch-linux.yml");
    machines.file("runbooks/patch-linux.yml", &std::fs::read_to_string(shipped).unwrap());
    machines.with_an_approver();
    let window = |command: &str, more: &[&str]| {
        let mut words = vec![command, "runbooks/patch-linux.yml"];
        for set in ["select=group=all", "room_mb=200", "health=lab-demo"] {
            words.extend(["--set", set]);
        }
        words.extend(more);
        machines.run(&words)
    };
    let ran = window("run", &["--rehearse", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(machines.states()["h01"], "rolled_back", "{}", ran.said);
    for host in ["h01", "h02"] {
        assert_eq!(version(&machines, host, "lab-demo"), "1.0 ii", "{}", ran.said);
    }
    assert_eq!((machines.boots("h01").len(), machines.boots("h02").len()), (2, 1));
    let page = window("plan", &["--format", "md"]);
    assert!(page.said.contains("Phase patch: undo last proven on"), "{}", page.said);
    let proven = line(&page.said, "Phase patch: undo last proven on");
    assert!(proven.contains("on h01; its steps are the same today"), "{proven}");
    println!("{proven}");
}
