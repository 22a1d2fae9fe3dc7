//! `run --dry` of actions that prove themselves: what each would do on each machine, and nothing done.

use crate::machines::Machines;

#[test]
fn a_dry_run_says_what_each_would_do_on_each_host_and_changes_nothing() {
    let machines = Machines::start(3);
    for host in ["h01", "h02"] {
        machines.unit(host, "demo", "", "exec sleep infinity");
        machines.put(host, "/etc/demo.conf", "port = 80");
    }
    machines.at("h02", "systemctl start demo; echo 'port = 80' >>/etc/demo.conf");
    machines.at(
        "h02",
        "mkdir -p /etc/kernel/postinst.d; touch /etc/kernel/postinst.d/unattended-upgrades",
    );
    machines.at(
        "h01",
        "touch /run/reboot-required; echo libc6 >/run/reboot-required.pkgs",
    );
    machines.runbook(
        "all",
        r"    steps:
      - { id: start, name: Start it, service: { name: demo, state: running } }
      - { id: port, name: Another port, edit: { file: /etc/demo.conf, find: '^port = \d+$', put: 'port = 8080' } }
      - { id: restart, name: Restart it, reboot: { if: needed } }
",
    );
    let look = "systemctl show -p ActiveState,UnitFileState,MainPID,InvocationID demo; cat /etc/demo.conf; ls -lR /etc/systemd; \
                ls -A /var/tmp; true";
    let before: Vec<String> = machines.hosts.keys().map(|host| machines.at(host, look)).collect();
    let ran = machines.run(&["run", "runbooks/all.yml", "--dry"]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    let wanted = [
        "work/start Start it (h01)\n    service demo: running\n    systemctl start -- 'demo'\n",
        "work/start Start it (h02)\n    service demo: running\n    nothing: it is so already\n",
        "work/start Start it (h03)\n    would fail: the host has no unit demo\n",
        "work/port Another port (h01)\n    edit /etc/demo.conf: /^port = \\d+$/\n    @@ -1 +1 @@\n    -port = 80\n    +port = 8080\n",
        "work/port Another port (h02)\n    would fail: /etc/demo.conf: 2 places match /^port = \\d+$/, and `count` says 1\n",
        "work/port Another port (h03)\n    would fail: there is no file /etc/demo.conf\n",
        "work/restart Restart it (h01)\n    reboot if needed\n    it restarts (needed: the host says so: libc6)\n",
        "work/restart Restart it (h02)\n    reboot if needed\n    it is left alone (not needed: the hook that would write \
         /run/reboot-required is installed)\n",
        "work/restart Restart it (h03)\n    reboot if needed\n    it restarts (whether it is needed is not known)\n",
    ];
    for words in wanted {
        assert!(ran.said.contains(words), "{words}\n{}", ran.said);
    }
    let after: Vec<String> = machines.hosts.keys().map(|host| machines.at(host, look)).collect();
    assert_eq!(before, after);
    for host in machines.hosts.keys() {
        assert_eq!(machines.boots(host).len(), 1, "{host}");
    }
}
