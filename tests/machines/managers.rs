//! `patch` and `package` on a real dnf, zypper and pacman: the same runbooks as on apt, the same verdicts, and what these tools call a
//! success beside them. Each machine says of itself of which family it is, and has packages of that family only from an archive of its
//! own.

use crate::machines::Machines;

/// Host and family.
const FAMILIES: [(&str, &str); 3] = [("h01", "dnf"), ("h02", "zypper"), ("h03", "pacman")];

const PATCH: &str = r#"    precheck:
      - { id: scan, name: What there is, patch: { mode: scan, lock_wait: 2s, CLASSES }, register: pending }
    steps:
      - { id: install, name: Install it, patch: { mode: install, only: "{{ pending.ids }}", conffiles: CONF, lock_wait: 2s }, register: done }
      - { id: proof, name: Fail where a host is to go back, run: test ! -e /root/bad, undo: [{ name: Nothing, run: "true" }] }
    verify:
      - { name: It runs, run: lab-demo }
"#;

fn patch(machines: &Machines, name: &str, conffiles: &str, classes: &str) {
    machines.runbook(name, &PATCH.replace("CONF", conffiles).replace(", CLASSES", classes));
}

/// A script on a machine, with the tools of its family.
fn tools(script: &str) -> String {
    format!("{}\n{script}", include_str!("managers.sh"))
}

fn at(machines: &Machines, host: &str, script: &str) -> String {
    machines.at(host, &tools(script))
}

/// Each has lab-demo 1.0 and app 1, and its archive lab-demo 1.1 and app 2, which needs a package that is not there.
fn prepare(machines: &Machines, host: &str, family: &str) {
    at(
        machines,
        host,
        &format!(
            "rm -f /usr/bin/lab-demo /etc/lab-demo.conf; family {family}; pkg lab-demo 1.0 '' '' \"$(demo 1.0)\"; pkg app 1; index; get $([ {family} = pacman ] || echo lab-base) lab-demo app; lab-demo >/dev/null"
        ),
    );
    at(
        machines,
        host,
        "pkg lab-demo 1.1 '' '' \"$(demo 1.1)\"; pkg app 2 '' newdep; pkg newdep 1; index",
    );
}

fn versions(machines: &Machines, host: &str, packages: &str) -> String {
    let said = at(
        machines,
        host,
        &format!("for p in {packages}; do echo \"$p=$(ver $p)\"; done"),
    );
    said.replace('\n', " ")
}

/// What the run said of a step of a host.
fn line<'s>(said: &'s str, of: &str) -> &'s str {
    said.lines()
        .find(|line| line.contains(of))
        .unwrap_or_else(|| panic!("nothing of {of}: {said}"))
}

#[test]
fn what_was_scanned_is_installed_and_brought_back_whichever_manager_it_is() {
    let machines = Machines::start_managers(6);
    let families = [
        ("h01", "dnf"),
        ("h02", "zypper"),
        ("h03", "pacman"),
        ("h04", "dnf"),
        ("h05", "zypper"),
        ("h06", "pacman"),
    ];
    std::thread::scope(|scope| {
        for (host, family) in families {
            let machines = &machines;
            scope.spawn(move || {
                prepare(machines, host, family);
                // The sources and the caches lose the former version between the install and the way back.
                at(machines, host, "pkg lab-demo 1.1 'rm -f /opt/*/lab-demo-1.0* /var/cache/pacman/pkg/lab-demo-1.0*' '' \"$(demo 1.1)\"; index");
            });
        }
    });
    for host in ["h04", "h05", "h06"] {
        machines.at(host, "touch /root/bad; echo mine >/etc/lab-demo.conf");
    }
    let lists = "cat /var/lib/pacman/sync/lab.db | sha256sum";
    let before = machines.at("h03", lists);
    patch(&machines, "patch", "keep", "");
    let dry = machines.run(&["run", "runbooks/patch.yml", "--dry"]);
    assert_eq!(dry.code, 0, "{}", dry.said);
    let ran = machines.apply("patch");
    assert_eq!(ran.code, 1, "{}", ran.said);
    for (host, family) in families {
        let of = versions(&machines, host, "lab-demo app newdep");
        if ["h01", "h02", "h03"].contains(&host) {
            assert_eq!(machines.states()[host], "ok", "{family}: {}", ran.said);
            assert_eq!(of, "lab-demo=1.1-1 app=2-1 newdep=1-1", "{family}");
        } else {
            assert_eq!(machines.states()[host], "rolled_back", "{family}: {}", ran.said);
            assert_eq!(of, "lab-demo=1.0-1 app=1-1 newdep=", "{family}");
            assert_eq!(
                machines.at(host, "lab-demo; cat /etc/lab-demo.conf"),
                "lab-demo 1.0\nmine",
                "{family}"
            );
            assert_eq!(
                machines.at(host, "ls /opt/*/lab-demo-1.0* 2>/dev/null | wc -l"),
                "0",
                "{family}"
            );
        }
        assert_eq!(
            machines.at(host, "ls -A ~root/.pitstop 2>/dev/null || true"),
            "",
            "{family}"
        );
    }
    assert_eq!(
        machines.at("h03", lists),
        before,
        "pacman's own lists are never newer than its packages"
    );
    // And a second time there is nothing to do.
    let again = machines.run(&["run", "runbooks/patch.yml", "--yes", "--limit", "host=h01,h02,h03"]);
    assert_eq!(again.code, 0, "{}", again.said);
    for event in machines.events() {
        if event["type"] == "settled" && event["key"]["step"] == "install" {
            assert!(!event["result"]["changed"].as_bool().unwrap_or(false), "{event}");
        }
    }
}

/// What a tool ends with by hand.
fn by_hand(machines: &Machines, host: &str, command: &str) -> String {
    let ran = machines.try_at(
        host,
        &tools(&format!("{{ {command}; }} >/dev/null 2>&1 </dev/null; echo $?")),
    );
    ran.said.trim().to_owned()
}

/// Runs it on all three, and holds each to its state and its words.
fn verdicts(machines: &Machines, trap: &str, tool: [&str; 3], state: &str, step: &str, why: [&str; 3]) {
    let ran = machines.apply("patch");
    let states = machines.states();
    for (((host, family), tool), why) in FAMILIES.into_iter().zip(tool).zip(why) {
        let told = line(&ran.said, &format!("{host}  {step}"));
        println!(
            "{family}, {trap}: the tool's exit code by hand: {tool}; here: {}",
            told.trim()
        );
        assert_eq!(states[host], state, "{family}, {trap}: {}", ran.said);
        assert!(told.contains(why), "{family}, {trap}: {why}: {}", ran.said);
    }
}

#[test]
fn no_trap_of_dnf_zypper_or_pacman_is_taken_for_a_success() {
    let machines = Machines::start_managers(3);
    std::thread::scope(|scope| {
        for (host, family) in FAMILIES {
            let machines = &machines;
            scope.spawn(move || prepare(machines, host, family));
        }
    });
    let all = |script: &str| {
        for (host, _) in FAMILIES {
            at(&machines, host, script);
        }
    };
    let hands = |commands: [&str; 3]| {
        let mut codes = Vec::new();
        for ((host, _), command) in FAMILIES.into_iter().zip(commands) {
            codes.push(by_hand(&machines, host, command));
        }
        <[String; 3]>::try_from(codes).unwrap()
    };
    patch(&machines, "patch", "keep", "");

    // A source is gone.
    all(
        "cp /etc/pacman.conf /root; printf '[gone]\\nServer = http://127.0.0.1:9/\\n' >>/etc/pacman.conf\n\
         printf '[gone]\\nname=gone\\nenabled=1\\nautorefresh=1\\nbaseurl=http://127.0.0.1:9/\\ngpgcheck=0\\n' | tee /etc/yum.repos.d/gone.repo >/etc/zypp/repos.d/gone.repo",
    );
    let codes = hands([
        "dnf -y --refresh check-update",
        "zypper -n lu",
        "pacman -Sy --noconfirm --dbpath $(mktemp -d)",
    ]);
    verdicts(
        &machines,
        "a source is gone",
        codes.each_ref().map(String::as_str),
        "refused",
        "precheck/scan",
        ["gone", "no answer from gone", "no answer from gone"],
    );
    assert_eq!(
        codes[0], "100",
        "dnf goes on without it, and says that there are updates"
    );
    all("cp /root/pacman.conf /etc/; rm /etc/yum.repos.d/gone.repo /etc/zypp/repos.d/gone.repo");

    // Somebody else is at work.
    all(
        "mkfifo /root/gate; cat >/root/locked <<'end'\nimport fcntl, os\nf = open('/var/lib/rpm/.rpm.lock', 'a+'); fcntl.lockf(f, fcntl.LOCK_EX)\n\
         os.path.isdir('/var/lib/pacman') and setattr(os, 'kept', os.open('/var/lib/pacman/db.lck', os.O_CREAT | os.O_RDWR))\nopen('/root/at', 'w').write(str(os.getpid())); os.rename('/root/at', '/root/is-locked')\nopen('/root/gate').read()\nend\n\
         setsid python3 /root/locked >/dev/null 2>&1 </dev/null &\nuntil [ -e /root/is-locked ]; do :; done",
    );
    let codes = hands([
        "timeout 5 dnf -y install app",
        "timeout 5 zypper -n in app",
        "timeout 5 pacman -S --noconfirm app",
    ]);
    let held = |file: &str| format!("{file} is held by process ");
    let (rpm, pacman) = (held("/var/lib/rpm/.rpm.lock"), held("/var/lib/pacman/db.lck"));
    verdicts(
        &machines,
        "it is locked",
        codes.each_ref().map(String::as_str),
        "refused",
        "precheck/scan",
        [&rpm, &rpm, &pacman],
    );
    all("p=$(cat /root/is-locked); echo >/root/gate; while [ -d /proc/$p ]; do :; done");
    // Nobody has pacman's any more, and it is still there: it says who left it, and stays.
    let ran = machines.run(&["run", "runbooks/patch.yml", "--yes", "--limit", "host=h03"]);
    assert!(
        line(&ran.said, "h03  precheck/scan").contains("no process holds it"),
        "{}",
        ran.said
    );
    assert_eq!(
        machines.at("h03", "ls /var/lib/pacman/db.lck; rm /var/lib/pacman/db.lck"),
        "/var/lib/pacman/db.lck"
    );

    // The new version's own script fails.
    all("pkg torn 1 :; index; get torn; pkg torn 2 'exit 9'; index");
    let codes = hands([
        "dnf -y --refresh upgrade torn; s=$?; dnf -y install torn-1; (exit $s)",
        "zypper -n ref; zypper -n up torn; s=$?; zypper -n in --oldpackage torn=1; (exit $s)",
        "pacman -U --noconfirm /opt/pacman/torn-2-*; s=$?; pacman -U --noconfirm /opt/pacman/torn-1-*; (exit $s)",
    ]);
    assert_eq!(codes, ["0", "107", "0"]);
    verdicts(
        &machines,
        "a script fails",
        codes.each_ref().map(String::as_str),
        "rolled_back",
        "steps/install",
        ["torn is half-configured"; 3],
    );
    for (host, family) in FAMILIES {
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep torn"),
            "lab-demo=1.0-1 app=1-1 newdep= torn=1-1",
            "{family}"
        );
    }
    all("rm -f /opt/*/torn-2*; pkg torn 1 :; index");

    // Half done since before, and named before anything is begun.
    for host in ["h01", "h02"] {
        at(
            &machines,
            host,
            "pkg twice 1; pkg twice 2; rpm -i --force-debian --nodeps /opt/rpm/twice-1-*; rpm -i --force --force-debian --nodeps /opt/rpm/twice-2-*",
        );
    }
    at(
        &machines,
        "h03",
        "pkg twice 1; get twice; rm /var/lib/pacman/local/twice-1-1/files",
    );
    let codes = hands([
        "dnf -y upgrade app; s=$?; dnf -y install app-1; dnf -y remove newdep; (exit $s)",
        "zypper -n lu",
        "pacman -Dk",
    ]);
    verdicts(
        &machines,
        "half done since before",
        codes.each_ref().map(String::as_str),
        "refused",
        "precheck/scan",
        ["twice is half-configured since before"; 3],
    );
    for host in ["h01", "h02"] {
        at(
            &machines,
            host,
            "rpm -e twice-1; rpm -e twice-2; rm -f /opt/rpm/twice*; index",
        );
    }
    at(
        &machines,
        "h03",
        "touch /var/lib/pacman/local/twice-1-1/files; pacman -R --noconfirm twice >/dev/null",
    );

    // The disk is full in the middle.
    all(
        "mkdir -p /usr/share/large; mount -t tmpfs -o size=1m tmpfs /usr/share/large; pkg large 1; index; get large\n\
         r=$(mktemp -d); mkdir -p $r/usr/share/large; dd if=/dev/urandom of=$r/usr/share/large/file bs=1M count=3 2>/dev/null; pkg large 2 '' '' $r; index",
    );
    verdicts(
        &machines,
        "the disk is full",
        ["-"; 3],
        "rolled_back",
        "steps/install",
        [
            "its command ended with 1, and newdep is not there",
            "its command ended with 8, and app is 1-1, not 2-1",
            // It takes down the new version as installed, though its files are not there: its end is the proof.
            "exit code 1: Errors occurred, no packages were upgraded",
        ],
    );
    for (host, family) in FAMILIES {
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep large"),
            "lab-demo=1.0-1 app=1-1 newdep= large=1-1",
            "{family}"
        );
    }
    all("rm -f /opt/*/large-2*; pkg large 1; index");

    // No source and no cache has the installed version any more: told before anything is sent.
    all("rm -f /opt/*/app-1-1* /var/cache/pacman/pkg/app-1-1*; index");
    verdicts(
        &machines,
        "there is no way back",
        ["-"; 3],
        "rolled_back",
        "steps/install",
        ["former packages cannot be had any more (app 1-1)"; 3],
    );
    for (host, family) in FAMILIES {
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            "lab-demo=1.0-1 app=1-1 newdep=",
            "{family}"
        );
    }

    at(
        &machines,
        "h01",
        "pkg outside 1; index; get outside; pkg outside 2; index; echo 'excludepkgs=outside' >>/etc/dnf/dnf.conf",
    );
    // Held: no update of the scan, and nothing was done about it.
    for (host, hold) in [
        ("h01", "dnf -q versionlock add app"),
        ("h02", "zypper -n al app"),
        ("h03", "sed -i '/^\\[options/aIgnorePkg = app' /etc/pacman.conf"),
    ] {
        at(&machines, host, hold);
    }
    let codes = hands([
        "dnf -y check-update app",
        "zypper -n up --dry-run app",
        "pacman -Su --print --noconfirm",
    ]);
    let ran = machines.apply("patch");
    for (((host, family), code), _) in FAMILIES.into_iter().zip(codes).zip(0..) {
        println!(
            "{family}, held: the tool's exit code by hand: {code}; here: {}",
            line(&ran.said, &format!("{host}  steps/install")).trim()
        );
        assert_eq!(machines.states()[host], "ok", "{family}: {}", ran.said);
        assert_eq!(
            versions(&machines, host, "lab-demo app"),
            "lab-demo=1.1-1 app=1-1",
            "{family}"
        );
    }
    let report = machines.run(&["report", "last", "--format", "json"]);
    for told in ["app 1-1 -> 2-1", "outside 1-1 -> 2-1"] {
        assert!(
            report.said.contains(told),
            "what is held is told: {told}: {}",
            report.said
        );
    }
    assert_eq!(versions(&machines, "h01", "outside"), "outside=1-1");
}

#[test]
fn what_only_an_update_makes_visible_is_a_second_round_with_its_own_way_back() {
    let machines = Machines::start_managers(3);
    std::thread::scope(|scope| {
        for (host, family) in FAMILIES {
            let machines = &machines;
            scope.spawn(move || {
                prepare(machines, host, family);
                at(machines, host, "mkdir /opt/later; touch /opt/later/none; pkg app 3 '' newdep; mv /opt/*/app-3-1* /opt/later; [ \"$family\" = pacman ] && pkg app 2 '' newdep\n\
                    pkg lab-demo 1.1 'if [ -e /opt/later/none ]; then rm /opt/later/none; if [ -e /opt/pacman/lab.db ]; then cp /opt/later/* /opt/pacman; repo-add -q /opt/pacman/lab.db.tar.gz /opt/pacman/app-3-1*; else cp /opt/later/* /opt/rpm; createrepo_c -q /opt/rpm; fi; fi >/dev/null 2>&1' '' \"$(demo 1.1)\"; index");
            });
        }
    });
    machines.at("h02", "touch /root/bad");
    machines.runbook(
        "patch",
        r#"    steps:
      - { id: first, name: What there is, patch: { mode: install, conffiles: keep } }
      - { id: more, name: What there is now, patch: { mode: scan }, register: more }
      - { id: second, name: A second round, when: more.count > 0, patch: { mode: install, only: "{{ more.ids }}", conffiles: keep } }
      - { id: none, name: There is nothing more, patch: { mode: scan }, expect: count == 0 }
      - { id: proof, name: Fail where a host is to go back, run: test ! -e /root/bad, undo: [{ name: Nothing, run: "true" }] }
    verify:
      - { name: It runs, run: lab-demo }
"#,
    );
    let ran = machines.apply("patch");
    for (host, family, state, has) in [
        ("h01", "dnf", "ok", "lab-demo=1.1-1 app=3-1 newdep=1-1"),
        ("h02", "zypper", "rolled_back", "lab-demo=1.0-1 app=1-1 newdep="),
        ("h03", "pacman", "ok", "lab-demo=1.1-1 app=3-1 newdep=1-1"),
    ] {
        assert_eq!(machines.states()[host], state, "{family}: {}", ran.said);
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            has,
            "{family}: {}",
            ran.said
        );
    }
}

#[test]
fn kernels_of_rpm_stand_beside_each_other_and_the_new_one_goes_alone() {
    let machines = Machines::start_managers(2);
    let kernel = |version: u32| {
        format!("pkg kern {version} '' '' '' 'Provides: installonlypkg(kernel)\\nProvides: multiversion(kernel)'")
    };
    for (host, family) in [FAMILIES[0], FAMILIES[1]] {
        prepare(&machines, host, family);
        at(
            &machines,
            host,
            &format!(
                "{}; {}; for v in 1 2; do rpm -i --force-debian --nodeps /opt/rpm/kern-$v-1.noarch.rpm; done; {}; index; touch /root/bad",
                kernel(1),
                kernel(2),
                kernel(3)
            ),
        );
    }
    patch(&machines, "patch", "keep", "");
    let kernels = |host: &str| at(&machines, host, "ver kern | sort | tr '\\n' ' '");
    let bad = machines.apply("patch");
    for (host, family) in [FAMILIES[0], FAMILIES[1]] {
        assert_eq!(machines.states()[host], "rolled_back", "{family}: {}", bad.said);
        assert!(
            line(&bad.said, &format!("{host}  steps/proof")).contains("exit code 1"),
            "{family}: {}",
            bad.said
        );
        assert_eq!(kernels(host), "1-1 2-1", "{family}: {}", bad.said);
        machines.at(host, "rm /root/bad");
    }
    let good = machines.apply("patch");
    for (host, family) in [FAMILIES[0], FAMILIES[1]] {
        assert_eq!(machines.states()[host], "ok", "{family}: {}", good.said);
        assert_eq!(kernels(host), "1-1 2-1 3-1", "{family}: {}", good.said);
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            "lab-demo=1.1-1 app=2-1 newdep=1-1",
            "{family}"
        );
    }
}

/// The window as it is shipped, a host at a time: its updates, a restart, and the way back of one whose application is not good then.
#[test]
fn the_shipped_patch_runbook_is_for_these_families_too() {
    let machines = Machines::start_managers(3);
    std::thread::scope(|scope| {
        for (host, family) in FAMILIES {
            let machines = &machines;
            scope.spawn(move || prepare(machines, host, family));
        }
    });
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/patch-linux.yml");
    let text = std::fs::read_to_string(shipped)
        .unwrap()
        .replace("attempts: 10, delay: 15s", "attempts: 2, delay: 1s");
    machines.file("runbooks/patch-linux.yml", &text);
    machines.with_an_approver();
    let window = |host: &str, health: &str| {
        let (select, health) = (format!("select=host={host}"), format!("health={health}"));
        let mut words = vec!["run", "runbooks/patch-linux.yml", "--yes"];
        for set in [select.as_str(), health.as_str(), "room_mb=200", "soak=0s"] {
            words.extend(["--set", set]);
        }
        machines.run(&words)
    };
    for (host, family) in FAMILIES {
        let bad = window(host, "lab-demo | grep -q 1.0");
        assert_eq!(machines.states()[host], "rolled_back", "{family}: {}", bad.said);
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            "lab-demo=1.0-1 app=1-1 newdep=",
            "{family}"
        );
        let good = window(host, "lab-demo");
        assert_eq!(good.code, 0, "{family}: {}", good.said);
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            "lab-demo=1.1-1 app=2-1 newdep=1-1",
            "{family}"
        );
        // Only where nobody can say that a restart is not needed, it comes.
        assert_eq!(
            machines.boots(host).len(),
            if family == "pacman" { 3 } else { 1 },
            "{family}: {}",
            good.said
        );
    }
}

/// Advisories of one security update; of the others nobody says anything.
const ADVISORY: &str = r#"<updates><update from="t" status="stable" type="security" version="1"><id>LAB-1</id><title>lab</title>
<issued date="2026-01-01 00:00:00"/><severity>Important</severity><description>d</description><references/><pkglist><collection short="l">
<name>l</name><package name="lab-demo" version="1.1" release="1" epoch="0" arch="noarch" src="x.src.rpm">
<filename>lab-demo-1.1-1.noarch.rpm</filename></package></collection></pkglist></update></updates>"#;

#[test]
fn classes_are_those_that_the_sources_tell_and_none_is_made_up() {
    let machines = Machines::start_managers(3);
    std::thread::scope(|scope| {
        for (host, family) in FAMILIES {
            let machines = &machines;
            scope.spawn(move || prepare(machines, host, family));
        }
    });
    patch(&machines, "patch", "keep", ", classes: [security]");
    let codes = [
        by_hand(&machines, "h01", "dnf -q --security check-update"),
        by_hand(&machines, "h02", "zypper -n patch -g security"),
        "-".to_owned(),
    ];
    assert_eq!((codes[0].as_str(), codes[1].as_str()), ("0", "0"));
    verdicts(
        &machines,
        "nobody says what is security",
        codes.each_ref().map(String::as_str),
        "refused",
        "precheck/scan",
        [
            "no source of the host has advisories",
            "no source of the host has patches",
            "the sources of pacman say of no update",
        ],
    );
    for host in ["h01", "h02"] {
        machines.put(host, "/root/advisory", ADVISORY);
        at(&machines, host, "index \"$(cat /root/advisory)\"");
    }
    let ran = machines.run(&["run", "runbooks/patch.yml", "--yes", "--limit", "host=h01,h02"]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    for (host, family) in [FAMILIES[0], FAMILIES[1]] {
        assert_eq!(
            versions(&machines, host, "lab-demo app newdep"),
            "lab-demo=1.1-1 app=1-1 newdep=",
            "{family}"
        );
    }
    // What a manager cannot do it says before it does anything.
    patch(&machines, "patch", "new", "");
    let ran = machines.apply("patch");
    for (host, family) in FAMILIES {
        assert!(
            line(&ran.said, &format!("{host}  steps/install"))
                .contains(&format!("`conffiles: new` cannot be had with {family}")),
            "{}",
            ran.said
        );
    }
    // A package of rpm that takes the place of settings that were changed, though they were to be kept: they come back.
    for host in ["h01", "h02"] {
        let conf = |version: u32| {
            format!(
                "r=$(mktemp -d); mkdir $r/etc; echo version {version} >$r/etc/taken.conf; config=%config; pkg taken {version} '' '' $r"
            )
        };
        at(
            &machines,
            host,
            &format!(
                "{}; index; get taken; echo mine >/etc/taken.conf; {}; index",
                conf(1),
                conf(2)
            ),
        );
    }
    patch(&machines, "patch", "keep", "");
    let ran = machines.run(&["run", "runbooks/patch.yml", "--yes", "--limit", "host=h01,h02"]);
    for (host, family) in [FAMILIES[0], FAMILIES[1]] {
        let told = line(&ran.said, &format!("{host}  steps/install"));
        println!("{family}, settings are taken: here: {}", told.trim());
        assert!(
            told.contains(
                "settings that were changed by hand were replaced, which their package wants: /etc/taken.conf.rpmsave"
            ),
            "{}",
            ran.said
        );
        assert_eq!(
            machines.at(host, "cat /etc/taken.conf; ls /etc/taken.conf*"),
            "mine\n/etc/taken.conf",
            "{family}: {}",
            ran.said
        );
        assert_eq!(versions(&machines, host, "taken"), "taken=1-1", "{family}");
        at(
            &machines,
            host,
            "rm /opt/rpm/taken-2*; pkg lab-demo 1.2 '' '' \"$(demo 1.2)\"; index; echo mine >/etc/lab-demo.conf",
        );
    }
    // Settings that were changed by hand have a new version.
    machines.at("h03", "echo mine >/etc/lab-demo.conf");
    patch(&machines, "patch", "fail", "");
    let ran = machines.apply("patch");
    for (host, _, beside, has) in [
        ("h01", "dnf", "rpmnew", "1.1"),
        ("h02", "zypper", "rpmnew", "1.1"),
        ("h03", "pacman", "pacnew", "1.0"),
    ] {
        assert!(
            line(&ran.said, &format!("{host}  steps/install")).contains(&format!("/etc/lab-demo.conf.{beside}")),
            "{}",
            ran.said
        );
        assert_eq!(
            machines.at(host, "cat /etc/lab-demo.conf; lab-demo"),
            format!("mine\nlab-demo {has}")
        );
    }
}

#[test]
fn packages_of_every_family_come_in_their_state_and_version_and_go_back() {
    let machines = Machines::start_managers(3);
    std::thread::scope(|scope| {
        for (host, family) in FAMILIES {
            let machines = &machines;
            scope.spawn(move || {
                prepare(machines, host, family);
                at(machines, host, "pkg extra 3; index; [ \"$family\" != zypper ] || zypper -q -n ref; [ \"$family\" != pacman ] || pacman -Sy >/dev/null; [ \"$family\" != dnf ] || dnf -q makecache --refresh");
            });
        }
    });
    let stages = |hold: &str, held: &str| {
        format!(
            r#"    steps:
      - {{ id: before, name: What is there, baseline: {{ capture: [packages] }} }}
      - {{ id: new, name: It comes, package: {{ names: extra }}, expect: "changes == ['extra 3-1 is new']" }}
      - {{ id: same, name: It is there, package: {{ names: extra }}, expect: not changed }}
      - {{ id: up, name: The newest, package: {{ names: lab-demo, state: latest }}, expect: "changes == ['lab-demo 1.0-1 -> 1.1-1']" }}
      - {{ id: down, name: This version, package: {{ names: lab-demo, version: "1.0-1"{hold} }}, expect: "changes == {held}" }}
      - {{ id: gone, name: It goes, package: {{ names: extra, state: absent }}, expect: "changes == ['extra 3-1 is gone']" }}
      - {{ id: app, name: With what it needs, package: {{ names: app, version: "2-1" }} }}
      - {{ id: other, name: What is other now, baseline: {{ diff: before }}, expect: "changes | length == 2" }}
      - {{ id: held, name: What is held stays, package: {{ names: lab-demo, state: latest }}, may_fail: it is held }}
      - {{ id: proof, name: Fail, run: "false", undo: [{{ name: Nothing, run: "true" }}] }}
    verify:
      - {{ name: It runs, run: lab-demo }}
"#
        )
    };
    machines.runbook(
        "holds",
        &stages(", hold: true", "['lab-demo 1.1-1 -> 1.0-1', 'lab-demo is held']"),
    );
    let ran = machines.run(&["run", "runbooks/holds.yml", "--yes"]);
    assert!(
        line(&ran.said, "h03  steps/down").contains("pacman has no command that holds a package"),
        "{}",
        ran.said
    );
    for host in ["h01", "h02"] {
        assert!(
            line(&ran.said, &format!("{host}  steps/held")).contains("lab-demo is held"),
            "{}",
            ran.said
        );
        assert!(
            line(&ran.said, &format!("{host}  steps/proof")).contains("failed"),
            "{}",
            ran.said
        );
    }
    machines.runbook("plain", &stages("", "['lab-demo 1.1-1 -> 1.0-1']"));
    let plain = machines.run(&["run", "runbooks/plain.yml", "--yes", "--limit", "host=h03"]);
    assert!(
        line(&plain.said, "h03  steps/proof").contains("failed"),
        "{}",
        plain.said
    );
    for (host, family) in FAMILIES {
        assert_eq!(
            machines.states().get(host).map_or("rolled_back", String::as_str),
            "rolled_back",
            "{family}: {} {}",
            ran.said,
            plain.said
        );
        assert_eq!(
            versions(&machines, host, "lab-demo app extra newdep"),
            "lab-demo=1.0-1 app=1-1 extra= newdep=",
            "{family}"
        );
    }
    assert_eq!(machines.at("h01", "dnf -q versionlock list 2>/dev/null"), "");
    // Without its plugin dnf holds nothing, and says so before it changes anything.
    machines.at("h01", "rm /usr/lib/python3/dist-packages/dnf-plugins/versionlock.py");
    machines.runbook(
        "hold",
        "    steps:\n      - { id: hold, name: Hold it, package: { names: lab-demo, hold: true } }\n",
    );
    let hold = machines.run(&["run", "runbooks/hold.yml", "--yes", "--limit", "host=h01"]);
    assert_eq!(hold.code, 4, "{}", hold.said);
    assert!(
        hold.said.contains("dnf has no plugin versionlock here"),
        "{}",
        hold.said
    );
    assert_eq!(machines.at("h02", "zypper -n ll | grep -c lab-demo || true"), "0");
}

#[test]
fn whether_a_restart_is_needed_is_asked_of_the_hosts_own_family() {
    let machines = Machines::start_managers(3);
    for (host, family) in FAMILIES {
        at(
            &machines,
            host,
            &format!("family {family}; [ {family} = pacman ] || {{ index; get lab-base; }}"),
        );
    }
    machines.runbook(
        "restart",
        "    steps:\n      - { id: restart, name: Restart it, reboot: { if: needed } }\n",
    );
    let dry = || machines.run(&["run", "runbooks/restart.yml", "--dry"]).said;
    let before = dry();
    for words in [
        "(h01)\n    reboot if needed\n    it is left alone (not needed: needs-restarting)",
        "(h02)\n    reboot if needed\n    it is left alone (not needed: zypper)",
        "(h03)\n    reboot if needed\n    it restarts (whether it is needed is not known: pacman does not tell)",
    ] {
        assert!(before.contains(words), "{words}: {before}");
    }
    at(&machines, "h01", "sleep 1; pkg dbus 9; index; get dbus");
    machines.at("h02", "touch /run/reboot-needed");
    let code = by_hand(&machines, "h01", "dnf -q needs-restarting -r");
    let after = dry();
    println!(
        "needs-restarting: exit code {code}; here: {}",
        line(&after, "needs-restarting says so")
    );
    assert!(
        after.contains("(h01)\n    reboot if needed\n    it restarts (needed: needs-restarting says so)"),
        "{after}"
    );
    assert!(
        after.contains("(h02)\n    reboot if needed\n    it restarts (needed: zypper says so)"),
        "{after}"
    );
    // An end that is a mistake of its own is no yes, though the code is the same.
    machines.at(
        "h01",
        "mv /usr/lib/python3/dist-packages/dnf-plugins/needs_restarting.py /root",
    );
    let code = by_hand(&machines, "h01", "dnf -q needs-restarting -r");
    let broken = dry();
    println!(
        "needs-restarting that is broken: exit code {code}; here: {}",
        line(&broken, "ends with an error")
    );
    assert!(broken.contains("(h01)\n    reboot if needed\n    it restarts (whether it is needed is not known: dnf needs-restarting (of dnf-plugins-core) ends with an error"), "{broken}");
}
