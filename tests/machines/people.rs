//! The same actions for those who log in as themselves and become root with sudo, with a password and without.

use crate::machines::{Machines, PASSWORD};

const STEPS: &str = r"    steps:
      - { id: stop, name: Stop it, service: { name: demo, state: stopped, enabled: false } }
      - { id: port, name: Another port, edit: { file: /etc/secret.conf, find: '^port = \d+$', put: 'port = 8080' } }
      - { id: restart, name: Restart it, reboot: { if: always } }
";

#[test]
fn whoever_becomes_root_does_the_same_and_takes_back_the_same() {
    let machines = Machines::start(2);
    machines.log_in(|host| match host {
        "h01" => "user: ops, become: { password: { secret: sudo } }".to_owned(),
        _ => "user: deploy".to_owned(),
    });
    let file = |host: &str| machines.at(host, "cat /etc/secret.conf; stat -c '%U:%G %a' /etc/secret.conf");
    for host in ["h01", "h02"] {
        machines.unit(host, "demo", "", "exec sleep infinity");
        machines.at(
            host,
            "systemctl -q enable --now demo; umask 077; echo 'port = 80' >/etc/secret.conf",
        );
    }
    let head = "secrets:\n  sudo: { from: env, name: OPS_PASSWORD }\ndefaults:\n  become: true\n";
    machines.runbook_with(
        "fails",
        head,
        &format!("{STEPS}      - {{ id: no, name: It fails, run: 'exit 3', undo: [{{ name: Nothing, run: ':' }}] }}\n"),
    );
    let ran = machines.apply("fails");
    assert_eq!(ran.code, 4, "{}", ran.said);
    for host in ["h01", "h02"] {
        assert!(ran.said.contains(&format!("{host}  steps/restart  ok")), "{}", ran.said);
        assert_eq!(machines.boots(host).len(), 2, "going back restarts nothing");
        assert_eq!(machines.shows(host, "demo", "ActiveState"), "active");
        assert_eq!(machines.shows(host, "demo", "UnitFileState"), "enabled");
        assert_eq!(file(host), "port = 80\nroot:root 600");
    }
    machines.runbook_with("works", head, STEPS);
    let ran = machines.apply("works");
    assert_eq!(ran.code, 0, "{}", ran.said);
    for host in ["h01", "h02"] {
        assert_eq!(machines.boots(host).len(), 3);
        assert_eq!(machines.shows(host, "demo", "ActiveState"), "inactive");
        assert_eq!(file(host), "port = 8080\nroot:root 600");
        let left = machines.at(host, "ls -A /var/tmp /root /home/* | grep -i pitstop || true");
        assert_eq!(left, "", "nothing of ours stays on {host}");
        let found = machines.at(host, &format!("grep -rlsF {PASSWORD} /var /home /root /tmp || true"));
        assert_eq!(found, "", "the password stays nowhere on {host}");
    }
}
