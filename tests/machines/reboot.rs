//! `reboot` of machines that really restart: each boot has its own identity, and their power supply counts them.

use std::process::Stdio;

use crate::figures;
use crate::machines::Machines;

/// Restarts, and does something afterwards.
fn steps(reboot: &str) -> String {
    format!(
        r#"    steps:
      - {{ id: before, name: This boot, read_only: true, run: cat /proc/sys/kernel/random/boot_id, register: before }}
      - {{ id: restart, name: Restart it, reboot: {{ {reboot} }}, register: restart, become: true }}
      - {{ id: after, name: The boot after it, read_only: true, run: "echo $(cat /proc/sys/kernel/random/boot_id) {{{{ restart.rebooted }}}} {{{{ restart.needed | sh }}}}" }}
      - {{ id: work, name: It works there, run: "cat /proc/sys/kernel/random/boot_id >>/root/worked", become: true, undo: {{ none: it only counts }} }}
"#
    )
}

/// What the step after the restart printed.
fn told(machines: &Machines, host: &str) -> String {
    let logs = machines.run(&["logs", "last", host]);
    let line = logs
        .said
        .lines()
        .find(|line| line.contains(" true ") || line.contains(" false "));
    let line = line.unwrap_or_else(|| panic!("{}", logs.said)).trim();
    line.trim_start_matches("stdout: ").to_owned()
}

#[test]
fn always_is_another_boot_and_needed_restarts_unless_the_host_proves_that_it_need_not() {
    let machines = Machines::start(3);
    let keys = |host: &str| machines.at(host, "cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id");
    let of_h01 = keys("h01");
    machines.runbook("always", &steps("if: always"));
    let ran = machines.apply("always");
    assert_eq!(ran.code, 0, "{}", ran.said);
    for host in machines.hosts.keys() {
        let boots = machines.boots(host);
        assert_eq!(boots.len(), 2, "{host}");
        assert_eq!(machines.at(host, "cat /root/worked"), boots[1], "{host}");
        assert_eq!(
            told(&machines, host),
            format!("{} true whether it is needed is not known", boots[1]),
            "{host}"
        );
        let left = machines.at(host, "ls -A /var/tmp /root | grep -i pitstop || true");
        assert_eq!(left, "", "nothing of ours stays on {host}");
    }
    assert_eq!(keys("h01"), of_h01);

    machines.at(
        "h01",
        "touch /run/reboot-required; echo libc6 >/run/reboot-required.pkgs",
    );
    // On h02 nothing says anything, which proves nothing. On h03 what would say it is installed.
    machines.at(
        "h03",
        "mkdir -p /etc/kernel/postinst.d; touch /etc/kernel/postinst.d/unattended-upgrades",
    );
    machines.runbook("needed", &steps("if: needed"));
    let ran = machines.apply("needed");
    assert_eq!(ran.code, 0, "{}", ran.said);
    for (host, boots, why) in [
        ("h01", 3, "true needed: the host says so: libc6"),
        ("h02", 3, "true whether it is needed is not known"),
        (
            "h03",
            2,
            "false not needed: the hook that would write /run/reboot-required is installed",
        ),
    ] {
        assert_eq!(machines.boots(host).len(), boots, "{host}");
        let told = told(&machines, host);
        assert_eq!(told, format!("{} {why}", machines.boots(host)[boots - 1]), "{host}");
    }
}

#[test]
fn a_restart_that_comes_to_no_good_end_says_in_which_phase_and_why() {
    let machines = Machines::start(7);
    // It says yes and stays.
    machines.at("h01", "systemctl mask reboot.target");
    // It goes and does not come back.
    machines.power("doom", "h02");
    // It comes back without a service that ran before; another had failed already.
    machines.unit("h03", "shop", "", "exec sleep infinity");
    machines.unit("h03", "other", "", "exit 3");
    machines.at(
        "h03",
        "systemctl -q enable --now shop; systemctl -q enable other; systemctl start other",
    );
    machines.put("h03", "/usr/local/bin/shop", "#!/bin/sh\nexit 4");
    // It comes back as it was, also with a service that had failed.
    machines.unit("h04", "other", "", "exit 3");
    machines.at("h04", "systemctl -q enable other; systemctl start other");
    // It comes back as somebody else.
    let new_key =
        "rm -f /etc/ssh/ssh_host_ed25519_key*; exec ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key";
    machines.unit("h05", "stranger", "Type=oneshot", new_key);
    machines.at(
        "h05",
        "sed -i '1i [Unit]\\nBefore=ssh.service' /etc/systemd/system/stranger.service; systemctl -q enable stranger",
    );
    // It comes back and lets nobody in.
    machines.unit("h06", "locked", "Type=oneshot", "mv /etc/ssh/authorized_keys /root/");
    machines.at("h06", "systemctl -q enable locked");
    // It comes back and never has all its services.
    machines.unit("h07", "slow", "Type=oneshot", "exec sleep infinity");
    machines.at("h07", "systemctl -q enable slow");
    let limits = "limits: { down: 9s, port: 9s, login: 9s, ready: 9s }";
    machines.runbook("always", &steps(&format!("if: always, {limits}")));
    let ran = machines.apply("always");
    for (host, state, boots, why) in [
        (
            "h01",
            "held",
            1,
            "it did not go down within 9 s: it is still the same boot",
        ),
        ("h02", "held", 1, "it went down, and nothing answers after 9 s"),
        (
            "h03",
            "held",
            2,
            "it restarted, and shop.service failed, which had not before",
        ),
        ("h04", "ok", 2, "phase work ended ok"),
        ("h05", "held", 2, "THE HOST KEY HAS CHANGED"),
        ("h06", "held", 2, "it answers, and takes no login after 9 s"),
        ("h07", "held", 2, "it restarted, and is not ready after 9 s"),
    ] {
        assert_eq!(machines.states()[host], state, "{host}: {}", ran.said);
        let told = ran.said.lines().any(|line| line.contains(host) && line.contains(why));
        assert!(told, "{host}: {why}: {}", ran.said);
        assert_eq!(machines.boots(host).len(), boots, "{host}");
    }
    figures::print("machines: restarts that came to no good end", "6 of 6 told apart", None);
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert!(
        !ran.said.contains("steps/work  ok") || ran.said.matches("steps/work  ok").count() == 1,
        "{}",
        ran.said
    );
    for host in ["h01", "h03", "h07"] {
        assert_eq!(machines.at(host, "ls /root"), "", "{host}: no later step");
    }
}

#[test]
fn a_restart_that_outlives_pitstop_is_proven_by_resume_and_not_asked_for_again() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: deploy".to_owned());
    for host in ["h01", "h02"] {
        machines.power("doom", host);
        // The second lets only root in for a while after its boot, as any host does.
        machines.unit(
            host,
            "slow",
            "Type=oneshot",
            "until [ -e /root/open ]; do sleep 0.05; done",
        );
        machines.at(
            host,
            "sed -i '1i [Unit]\\nBefore=systemd-user-sessions.service' /etc/systemd/system/slow.service; systemctl -q enable slow",
        );
    }
    machines.at("h01", "touch /root/open");
    machines.runbook("always", &steps("if: always"));
    let mut run = machines
        .pitstop(&["run", "runbooks/always.yml", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for host in ["h01", "h02"] {
        machines.until("it went down", || machines.is_off(host));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    // One is back before anybody asks, the other only while it is waited for.
    machines.power("on", "h01");
    let log = std::fs::File::create(machines.path("resumed")).unwrap();
    let mut resume = machines
        .pitstop(&["resume", "last"])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    machines.until("resume has gone on with the first", || {
        machines.try_at("h01", "test -e /root/worked").code == 0 || resume.try_wait().unwrap().is_some()
    });
    machines.power("on", "h02");
    machines.until("the second has refused a login", || {
        let refused = "journalctl -u ssh | grep -q 'Access denied for user deploy by PAM'";
        machines.try_at("h02", refused).code == 0 || resume.try_wait().unwrap().is_some()
    });
    machines.try_at("h02", "touch /root/open");
    let status = resume.wait().unwrap();
    let said = std::fs::read_to_string(machines.path("resumed")).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    for host in ["h01", "h02"] {
        let boots = machines.boots(host);
        assert_eq!(boots.len(), 2, "{host}");
        assert_eq!(machines.at(host, "cat /root/worked"), boots[1], "{host}");
    }
}
