//! `service` on a real systemd: what is asked for is done and proven, and what only seems to be done is not believed.

use crate::figures;
use crate::machines::Machines;

/// Says into its log that it starts, and lives until it is ended.
const STEADY: &str = "echo started >>/var/log/$(basename $0).log\nexec sleep infinity";
const RELOADS: &str = "ExecReload=/bin/sh -c 'echo reloaded >>/var/log/demo.log'";

#[test]
fn each_state_is_reached_and_proven_and_what_is_so_already_is_left_alone() {
    let machines = Machines::start(1);
    machines.unit("h01", "demo", RELOADS, STEADY);
    machines.unit("h01", "once", "Type=oneshot", "echo ran >>/var/log/once.log");
    machines.put(
        "h01",
        "/etc/systemd/system/weekly.timer",
        "[Timer]\nOnCalendar=weekly\nUnit=demo.service",
    );
    machines.runbook(
        "states",
        r#"    steps:
      - { id: start, name: Start it, service: { name: demo, state: running }, expect: "was == 'inactive' and state == 'active' and changed" }
      - { id: again, name: It runs, service: { name: demo, state: running }, expect: "was == 'active' and not changed" }
      - { id: restart, name: Restart it, service: { name: demo, state: restarted }, expect: "changed and state == 'active'" }
      - { id: reload, name: It reads its settings anew, service: { name: demo, state: reloaded }, expect: changed }
      - { id: settings, name: Other settings, run: "sed -i 's/^ExecReload=.*/Environment=SHOP=new/' /etc/systemd/system/demo.service", undo: { none: it is a test } }
      - { id: anew, name: Restart it with them, service: { name: demo, state: restarted } }
      - { id: has, name: It has them, read_only: true, run: "grep -qz SHOP=new /proc/$(systemctl show -P MainPID demo)/environ" }
      - { id: on, name: It starts with the host, service: { name: demo, enabled: true }, expect: changed }
      - { id: still-on, name: It does, service: { name: demo.service, enabled: true }, expect: not changed }
      - { id: asked, name: Systemd says so, read_only: true, run: systemctl is-enabled demo && systemctl is-active demo }
      - { id: off, name: Neither now nor with the host, service: { name: demo, state: stopped, enabled: false }, expect: "was == 'active' and state == 'inactive'" }
      - { id: once, name: It runs once and ends, service: { name: once, state: running }, expect: "changed and state == 'inactive'" }
      - { id: twice, name: And once more, service: { name: once, state: restarted }, expect: changed }
      - { id: timer, name: A timer that waits, service: { name: weekly.timer, state: running }, expect: changed }
      - { id: no-timer, name: A timer that waits no more, service: { name: weekly.timer, state: stopped }, expect: changed }
    verify:
      - { name: It is off, run: "test $(systemctl is-enabled demo) = disabled && test $(systemctl is-active demo) = inactive" }
"#,
    );
    let ran = machines.apply("states");
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert!(!ran.said.contains("warning"), "{}", ran.said);
    assert_eq!(
        machines.at("h01", "cat /var/log/demo.log"),
        "started\nstarted\nreloaded\nstarted"
    );
    assert_eq!(machines.at("h01", "cat /var/log/once.log"), "ran\nran");
}

#[test]
fn what_systemctl_calls_started_must_live_and_what_cannot_be_is_told_before_anything_is_sent() {
    let machines = Machines::start(6);
    machines.unit("h01", "demo", "", "sleep 1; exit 7");
    machines.unit("h02", "demo", "Restart=always\nRestartSec=200ms", "sleep 0.7; exit 1");
    // h03 has no such unit.
    machines.at("h04", "systemctl mask demo");
    machines.unit("h05", "demo", "", STEADY);
    // It lives, but not in the way that was asked for.
    machines.unit("h06", "demo", "", STEADY);
    machines.at(
        "h06",
        "sed -i '/Install/,$d' /etc/systemd/system/demo.service; systemctl daemon-reload",
    );
    let by_hand = machines.at(
        "h01",
        "systemctl start demo; echo $?; systemctl stop demo; systemctl reset-failed demo 2>/dev/null || true",
    );
    machines.runbook(
        "start",
        "    steps:\n      - { id: start, name: Start the demo, service: { name: demo, state: running, enabled: true } }\n",
    );
    let ran = machines.apply("start");
    let verdict = ran.said.lines().find(|line| line.contains("h01  steps/start")).unwrap();
    println!("`systemctl start demo` by hand: exit code {by_hand}; `service`: {verdict}");
    assert_eq!(by_hand, "0");
    for (host, state, why) in [
        (
            "h01",
            "rolled_back",
            "demo is failed (failed, exit-code), its status is 7",
        ),
        ("h02", "rolled_back", "demo does not stay up: it began anew within 3 s"),
        ("h03", "rolled_back", "the host has no unit demo"),
        ("h04", "rolled_back", "demo is masked: `systemctl unmask` it first"),
        ("h05", "ok", "steps/start  ok"),
        (
            "h06",
            "rolled_back",
            "demo cannot be made to start with the host: it is static",
        ),
    ] {
        assert_eq!(machines.states()[host], state, "{host}: {}", ran.said);
        let told = ran.said.lines().any(|line| line.contains(host) && line.contains(why));
        assert!(told, "{host}: {why}: {}", ran.said);
    }
    assert_eq!(ran.code, 1, "one is changed and others are not: {}", ran.said);
    figures::print(
        "machines: `systemctl start` said 0, and the service did not live",
        "2 of 2 found",
        None,
    );
    for host in ["h01", "h02"] {
        assert_eq!(machines.shows(host, "demo", "UnitFileState"), "disabled", "{host}");
        assert_eq!(machines.shows(host, "demo", "MainPID"), "0", "{host}");
    }
    assert_eq!(machines.shows("h04", "demo", "LoadState"), "masked");
    assert_eq!(machines.shows("h06", "demo", "ActiveState"), "inactive");
    assert_eq!(
        machines.try_at("h06", "cat /var/log/demo.log").code,
        1,
        "it was never started"
    );
}

#[test]
fn after_a_later_failure_a_service_is_as_it_was_and_one_that_was_not_changed_is_not_touched() {
    let machines = Machines::start(1);
    for name in ["was-on", "was-off", "same"] {
        machines.unit("h01", name, "", STEADY);
    }
    machines.at("h01", "systemctl -q enable --now was-on; systemctl start same");
    let same = machines.shows("h01", "same", "MainPID");
    machines.runbook(
        "fails",
        "    steps:
      - { id: was-on, name: Stop it for good, service: { name: was-on, state: stopped, enabled: false } }
      - { id: was-off, name: Start it for good, service: { name: was-off, state: running, enabled: true } }
      - { id: same, name: It runs, service: { name: same, state: running } }
      - { id: seen, name: They are so, read_only: true, run: 'systemctl is-active was-off same && ! systemctl is-active was-on' }
      - { id: no, name: It fails, run: exit 3, undo: [{ name: Nothing, run: ':' }] }
",
    );
    let ran = machines.apply("fails");
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert!(ran.said.contains("steps/seen  ok"), "{}", ran.said);
    for (name, state, enabled) in [
        ("was-on", "active", "enabled"),
        ("was-off", "inactive", "disabled"),
        ("same", "active", "disabled"),
    ] {
        assert_eq!(
            machines.shows("h01", name, "ActiveState"),
            state,
            "{name}: {}",
            ran.said
        );
        assert_eq!(
            machines.shows("h01", name, "UnitFileState"),
            enabled,
            "{name}: {}",
            ran.said
        );
    }
    assert!(ran.said.contains("undo/was-on/1  ok"), "{}", ran.said);
    assert!(!ran.said.contains("undo/same"), "nothing of it is owed: {}", ran.said);
    assert_eq!(machines.shows("h01", "same", "MainPID"), same);
}
